"""A payment day in one process: every outcome the lab can play, to the books."""

from collections.abc import Iterator
from typing import Any

import pytest

from payvand.ids import Book
from tests.support.world import MERCHANT, World, check_books, running_world


@pytest.fixture
def world() -> Iterator[World]:
    with running_world() as made:
        yield made


@pytest.fixture
def key(world: World) -> str:
    return world.add_merchant()["test"]


def create(world: World, key: str, amount: int = 250_000, **changes: Any) -> dict[str, Any]:
    body = {
        "amount": amount,
        "currency": "IRR",
        "reference": f"order-{amount}",
        "return_url": "https://shop.example/done?x=1",
        **changes,
    }
    got = world.call("POST", "/payments", body, key)
    assert got.status == 201, got.text
    found: dict[str, Any] = got.json()
    return found


def show(world: World, key: str, id: str) -> dict[str, Any]:
    found: dict[str, Any] = world.call("GET", f"/payments/{id}", key=key).json()
    return found


@pytest.mark.parametrize("channel", ["zarinpal", "noticebank"])
@pytest.mark.parametrize("named", [True, False])
def test_a_payment_is_taken_sealed_and_paid_out(world: World, key: str, channel: str, named: bool) -> None:
    payment = create(world, key, **({"channel": channel} if named else {}))
    back = world.pay(payment, channel)
    assert "status=executed" in back.headers["Location"]
    assert back.headers["Location"].startswith("https://shop.example/done?x=1&payment_id=pay_")
    assert show(world, key, payment["id"])["fee_amount"] == 2_500

    world.until_closed()
    world.settle()
    world.bank_runs()
    world.run()

    (seal,) = world.seals(Book(MERCHANT, "test", "IRR"))
    assert (seal.payout_minor, seal.state) == (247_500, "executed")
    assert world.bank_paid()[str(seal.payout_id)]["amount"] == 247_500
    assert world.call("GET", "/balance", key=key).json()["balance"] == 0
    check_books(world)
