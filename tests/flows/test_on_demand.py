"""A payout that was asked for: of days that are over, once, and only while banks work."""

import dataclasses
import datetime as dt
import json
from typing import Any, Final

import pytest

from payvand import calendar
from payvand.edge.api import SCOPES
from payvand.ids import Book
from payvand.store.merchants import ApiKey, Merchants
from tests.support.merchant import balance, paid
from tests.support.world import MERCHANT, Got, World, check_books

BOOK: Final = Book(MERCHANT, "test", "IRR")
SATURDAY: Final = dt.datetime(2026, 5, 9, 5, 0, tzinfo=dt.UTC)
"""Half past eight in Tehran, after Friday's day that no bank has paid."""


def ask(world: World, key: str, currency: Any = "IRR") -> Got:
    return world.call("POST", "/payouts", {"currency": currency}, key)


def asked(world: World) -> list[dict[str, Any]]:
    return [json.loads(message.body) for message in world.queues["SettleQueue"]]


@pytest.fixture
def earned(world: World, key: str) -> str:
    """Somebody paid on Friday; now it is Saturday morning."""
    world.now = SATURDAY - dt.timedelta(days=1)
    paid(world, key)
    world.now = SATURDAY
    return key


def test_a_day_of_rest_is_paid_the_next_morning(world: World, earned: str) -> None:
    got = ask(world, earned)
    assert got.status == 202, got.text
    assert asked(world) == [{"book": BOOK.key, "on_demand": True}]
    assert world.seals(BOOK) == [], "who asks writes nothing"
    world.run(hours=0.1)
    (seal,) = world.seals(BOOK)
    assert got.json() == {
        "id": str(seal.payout_id),
        "currency": "IRR",
        "amount": seal.payout_minor,
        "first_day": seal.first.isoformat(),
        "through": "2026-05-08",
        "asked_at": "2026-05-09T05:00:00.000Z",
    }
    assert world.call("GET", f"/payouts/{seal.payout_id}", key=earned).json()["status"] == "sent"
    check_books(world)


def test_asked_twice_is_paid_once(world: World, earned: str) -> None:
    first, second = ask(world, earned), ask(world, earned)
    assert (first.status, first.json()) == (second.status, second.json())
    world.run(hours=0.1)
    third = ask(world, earned)
    assert (third.status, third.json()["code"]) == (409, "nothing_payable")
    (seal,) = world.seals(BOOK)
    world.until_closed()
    world.settle()
    world.bank_runs()
    world.run()
    assert set(world.bank_paid()) == {str(seal.payout_id)}
    assert balance(world, earned)["balance"] == 0
    check_books(world)


def test_less_than_the_minimum_is_paid_to_who_asks(world: World) -> None:
    key = world.add_merchant(minimum_payout_minor=10_000_000)["test"]
    world.now = SATURDAY - dt.timedelta(days=2)
    paid(world, key)
    world.until_closed()
    world.settle()
    assert balance(world, key)["balance"] == 247_500, "carried"
    world.now = SATURDAY
    assert ask(world, key).json()["amount"] == 247_500
    world.run(hours=0.1)
    assert world.seals(BOOK)[-1].payout_minor == 247_500


def test_the_current_day_is_not_over(world: World, key: str) -> None:
    paid(world, key)
    got = ask(world, key)
    assert (got.status, got.json()["code"]) == (409, "nothing_payable")
    assert asked(world) == []


def test_banks_that_are_closed(world: World, earned: str) -> None:
    world.now = SATURDAY - dt.timedelta(hours=12)  # still Friday in Tehran, its day is over
    got = ask(world, earned)
    assert (got.status, got.json()["code"]) == (409, "banks_closed")
    world.live.settlements.override("IRR", dt.date(2026, 5, 8), is_open=True, why="a feast is near")
    assert ask(world, earned).status == 202
    world.now = SATURDAY
    world.live.settlements.override("IRR", SATURDAY.date(), is_open=False, why="storm")
    assert ask(world, earned).json()["code"] == "banks_closed"
    assert len(asked(world)) == 1


def test_a_currency_that_pays_at_the_cut_off_alone(
    world: World, earned: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = calendar.currencies()["IRR"]
    fixed = dataclasses.replace(found.profiles[-1], on_demand=False)
    monkeypatch.setitem(calendar.currencies(), "IRR", dataclasses.replace(found, profiles=(fixed,)))
    got = ask(world, earned)
    assert (got.status, got.json()["code"]) == (409, "not_on_demand")
    shown = world.call("GET", "/settlement/preview", key=earned).json()
    assert shown["on_demand"] is False


def test_a_merchant_without_an_account(world: World) -> None:
    key = world.add_merchant(payees=())["test"]
    world.now = SATURDAY - dt.timedelta(days=1)
    paid(world, key)
    world.now = SATURDAY
    assert ask(world, key).json()["code"] == "nothing_payable"


@pytest.mark.parametrize(
    "body", [{}, {"currency": "USD"}, {"currency": None}, {"currency": "IRR", "amount": 1}, []]
)
def test_what_is_no_wish(world: World, earned: str, body: Any) -> None:
    got = world.call("POST", "/payouts", body, earned)
    assert got.status == 400
    assert asked(world) == []


def test_a_key_that_may_only_look(world: World, earned: str) -> None:
    keys = Merchants(world._raw_table("MerchantsTable"), world._raw_table("KeysTable"))
    scopes = tuple(scope for scope in SCOPES if scope != "settlement:write")
    looks = f"pv_test_{'l' * 43}"
    keys.put_key(looks, ApiKey(MERCHANT, "test", scopes, revoked=False, expires_at_ms=None))
    assert ask(world, looks).json()["code"] == "scope_missing"
    assert world.call("GET", "/settlement/preview", key=looks).status == 200
    assert asked(world) == []
