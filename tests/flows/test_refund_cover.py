"""Refunds of a merchant that may not owe: paid from what it has, never from the next payout."""

import datetime as dt
from typing import Any

import pytest

from tests.support.merchant import paid, refund, show
from tests.support.world import MERCHANT, World, check_books

NET = 247_500
"""What the merchant has of a payment of 250 000."""


@pytest.fixture
def key(world: World) -> str:
    return world.add_merchant(refunds="refuse")["test"]


def asked(world: World, key: str, payment: Any, **body: Any) -> Any:
    return world.call("POST", f"/payments/{payment['id']}/refunds", body, key)


def test_a_refund_within_the_balance_is_made(world: World, key: str) -> None:
    payment = paid(world, key)
    assert asked(world, key, payment, amount=NET).status == 201
    assert show(world, key, payment["id"])["refunded_amount"] == NET
    check_books(world)


def test_one_rial_more_than_the_balance_is_refused_and_nothing_is_booked(
    world: World, key: str
) -> None:
    payment = paid(world, key)
    got = asked(world, key, payment, amount=NET + 1)
    assert (got.status, got.json()["code"]) == (409, "balance_too_low")
    assert got.json()["detail"] == f"{NET} of your balance is free for refunds."
    assert show(world, key, payment["id"])["refunded_amount"] == 0
    assert asked(world, key, payment, amount=NET).status == 201
    got = asked(world, key, payment, amount=1, reference="again")
    assert (got.status, got.json()["detail"]) == (409, "0 of your balance is free for refunds.")
    check_books(world)


def test_what_was_paid_out_covers_nothing(world: World, key: str) -> None:
    payment = paid(world, key)
    world.until_closed()
    world.settle()
    assert asked(world, key, payment, amount=1_000).json()["code"] == "balance_too_low"
    other = paid(world, key, 250_100)
    assert asked(world, key, payment, amount=NET).status == 201, "paid from today's"
    assert asked(world, key, other, amount=1_000).json()["code"] == "balance_too_low"
    check_books(world)


def test_a_day_that_is_closing_is_not_counted_on(world: World, key: str) -> None:
    payment = paid(world, key)
    day = world.payment(payment["id"]).id.day
    world.now += dt.timedelta(hours=6)
    world.books[1].fence(world.payment(payment["id"]).id.book, day)
    assert asked(world, key, payment, amount=1_000).json()["code"] == "balance_too_low"


def test_a_refused_refund_frees_the_balance_again(world: World, key: str) -> None:
    payment = paid(world, key, 250_000)
    assert asked(world, key, payment, amount=50_201).json()["status"] == "failed"
    assert asked(world, key, payment, amount=NET).status == 201


@pytest.mark.parametrize("later", [0, 2], ids=["at once", "two days later"])
def test_two_refunds_do_not_spend_the_same_money(
    world: World, key: str, monkeypatch: pytest.MonkeyPatch, later: int
) -> None:
    """However long one of them stands still, and whichever day the other is booked in."""
    one, two = paid(world, key), paid(world, key, 250_100)
    begin = world.live.payments.begin_refund
    late: list[Any] = []

    def overtaken(*args: Any) -> None:
        if not late:
            late.append("the other is first")
            world.now += dt.timedelta(later)
            late.append(asked(world, key, two, amount=250_000))
        begin(*args)

    monkeypatch.setattr(world.live.payments, "begin_refund", overtaken)
    got = asked(world, key, one, amount=250_000)
    assert late[1].status == 201
    assert got.json()["code"] == "balance_too_low"
    check_books(world)


def test_others_carry_the_debt(world: World) -> None:
    key = world.add_merchant(MERCHANT)["test"]
    done = paid(world, key)
    got = refund(world, key, done["id"], "k", amount=250_000)
    assert (got.status, got.json()["status"]) == (201, "done")
