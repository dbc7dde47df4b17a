"""What a merchant does at the API, in a line each."""

from collections.abc import Mapping
from typing import Any

from tests.support.world import Got, World


def create(world: World, key: str, amount: int = 250_000, **changes: Any) -> dict[str, Any]:
    """A payment, made."""
    got = try_create(world, key, amount, **changes)
    assert got.status == 201, got.text
    found: dict[str, Any] = got.json()
    return found


def try_create(world: World, key: str, amount: int = 250_000, **changes: Any) -> Got:
    """A payment, or the refusal."""
    body = {
        "amount": amount,
        "currency": "IRR",
        "reference": f"order-{amount}",
        "return_url": "https://shop.example/done?x=1",
        **changes,
    }
    return world.call("POST", "/payments", body, key)


def show(world: World, key: str, id: str) -> dict[str, Any]:
    """The payment as its merchant sees it."""
    found: dict[str, Any] = world.call("GET", f"/payments/{id}", key=key).json()
    return found


def refund(world: World, key: str, id: str, idempotency_key: str | None = None, **body: Any) -> Got:
    """A refund, or the refusal."""
    headers: Mapping[str, str] = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
    return world.call("POST", f"/payments/{id}/refunds", body, key, headers)


def balance(world: World, key: str, at: str | None = None) -> dict[str, Any]:
    """What is owed."""
    query = f"?at={at.replace('+', '%2B')}" if at else ""
    found: dict[str, Any] = world.call("GET", f"/balance{query}", key=key).json()
    return found


def paid(world: World, key: str, amount: int = 250_000, **changes: Any) -> dict[str, Any]:
    """A payment, executed."""
    payment = create(world, key, amount, **changes)
    world.pay(payment, changes.get("channel") or "zarinpal")
    assert show(world, key, payment["id"])["status"] == "executed"
    return payment
