"""Who is calling: one answer for everything that is not a good key."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from functions.authorize import handler
from payvand.edge.api import SCOPES
from payvand.store.merchants import ApiKey, Merchants
from payvand.store.table import Table
from tests.support.world import MERCHANT, World, _Context, running_world

GOOD = f"pv_test_{'g' * 43}"


@pytest.fixture
def world() -> Iterator[World]:
    with running_world() as made:
        made.add_merchant()
        yield made


def put(world: World, api_key: str, **changes: Any) -> None:
    fields: dict[str, Any] = {
        "merchant_id": MERCHANT,
        "mode": "test",
        "scopes": SCOPES,
        "revoked": False,
        "expires_at_ms": None,
    }
    merchants, keys = (Table(world.raw["dynamodb"], n) for n in ("MerchantsTable", "KeysTable"))
    Merchants(merchants, keys).put_key(api_key, ApiKey(**(fields | changes)))


def ask(header: str | None) -> dict[str, Any]:
    headers = {} if header is None else {"Authorization": header}
    event = {"headers": headers, "methodArn": "arn:aws:execute-api:r:1:api/v1/GET/payments"}
    return handler.lambda_handler(event, _Context("authorize"))


def test_a_good_key_opens_its_merchants_mode(world: World) -> None:
    put(world, GOOD, scopes=("payments:read",))
    answer = ask(f"Bearer {GOOD}")
    assert answer["principalId"] == MERCHANT
    assert answer["context"]["mode"] == "test"
    assert answer["context"]["scopes"] == "payments:read"
    profile = json.loads(answer["context"]["merchant"])
    assert profile["payees"] == [], "the account stays where it is"
    (statement,) = answer["policyDocument"]["Statement"]
    assert statement["Resource"] == "arn:aws:execute-api:r:1:api/v1/*", "cached for every route"


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        f"Basic {GOOD}",
        f"bearer {GOOD}",
        f"Bearer  {GOOD}",
        f"Bearer {GOOD} ",
        f"Bearer {GOOD}x",
        f"Bearer {GOOD[:-1]}",
        "Bearer pv_test_short",
        f"Bearer pv_prod_{'g' * 43}",
        "Bearer " + "x" * 10_000,
        "Bearer pv_test_" + "۱" * 43,
    ],
)
def test_everything_else_is_unauthorized(world: World, header: str | None) -> None:
    put(world, GOOD)
    with pytest.raises(handler.Unauthorized, match=r"^Unauthorized$"):
        ask(header)


@pytest.mark.parametrize(
    "changes",
    [
        {"revoked": True},
        {"expires_at_ms": 1},
        {"mode": "live"},
        {"merchant_id": "mer_ZZZZZZ"},
    ],
    ids=["revoked", "expired", "of the other mode", "of nobody"],
)
def test_a_key_that_is_no_longer_good(world: World, changes: dict[str, Any]) -> None:
    put(world, GOOD, **changes)
    with pytest.raises(handler.Unauthorized):
        ask(f"Bearer {GOOD}")


def test_a_key_is_good_until_it_expires(world: World) -> None:
    put(world, GOOD, expires_at_ms=int(world.now.timestamp() * 1000) + 1)
    assert ask(f"Bearer {GOOD}")["principalId"] == MERCHANT
    world.later(seconds=1)
    with pytest.raises(handler.Unauthorized):
        ask(f"Bearer {GOOD}")


def test_a_mode_the_merchant_does_not_have(world: World) -> None:
    put(world, GOOD)
    world.add_merchant(modes=("live",))
    world.live.merchants._kept.clear()
    with pytest.raises(handler.Unauthorized):
        ask(f"Bearer {GOOD}")


def test_the_log_line_holds_no_key(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    put(world, GOOD)
    ask(f"Bearer {GOOD}")
    with pytest.raises(handler.Unauthorized):
        ask(f"Bearer {GOOD[:-1]}x")
    assert "pv_test" not in capsys.readouterr().out
