"""The channel doors: hints, forgeries, strangers' payments, and tokens that are not ours."""

from collections.abc import Iterator

import pytest

from tests.support.merchant import create, show
from tests.support.world import World, check_books, running_world


@pytest.fixture
def world() -> Iterator[World]:
    with running_world() as made:
        yield made


@pytest.fixture
def key(world: World) -> str:
    return world.add_merchant()["test"]


@pytest.mark.parametrize(
    "query",
    [
        "",
        "payment=",
        "payment=pay_0",
        f"payment=pay_{'0' * 26}",
        "payment=../../etc",
        "payment=%00",
        "Authority=S1&Status=OK",
    ],
)
@pytest.mark.parametrize("door", ["return", "notify"])
def test_a_door_without_a_payment_is_not_found(world: World, door: str, query: str) -> None:
    got = world.call("GET" if door == "return" else "POST", f"/psp/zarinpal/{door}?{query}", b"")
    assert got.status == 404
    assert "text/html" in got.headers["Content-Type"]


def test_an_unknown_channel_is_not_found(world: World, key: str) -> None:
    payment = create(world, key)
    for name in ("paypal", "zarinpal2", "__init__", "registry"):
        assert world.call("GET", f"/psp/{name}/return?payment={payment['id']}").status == 404


def test_a_forged_ok_does_not_pay(world: World, key: str) -> None:
    payment = create(world, key, channel="zarinpal")
    token = world.payment(payment["id"]).attempts[0].token
    query = f"payment={payment['id']}&Authority={token}&Status=OK"
    got = world.call("GET", f"/psp/zarinpal/return?{query}")
    assert "status=executed" not in got.headers["Location"]
    assert show(world, key, payment["id"])["status"] in {"created", "accepted"}
    check_books(world)


def test_a_forged_nok_does_not_refuse_who_has_paid(world: World, key: str) -> None:
    payment = create(world, key, 250_107, channel="zarinpal")
    world.pay(payment)
    token = world.payment(payment["id"]).attempts[0].token
    query = f"payment={payment['id']}&Authority={token}&Status=NOK"
    got = world.call("GET", f"/psp/zarinpal/return?{query}")
    assert "status=executed" in got.headers["Location"]


def test_another_payments_authority_pays_nothing(world: World, key: str) -> None:
    """A payer returns to a dear payment with the authority of a cheap one that was paid."""
    cheap = create(world, key, 10_000, channel="zarinpal")
    world.pay(cheap)
    dear = create(world, key, 9_000_000, channel="zarinpal")
    token = world.payment(cheap["id"]).attempts[0].token
    got = world.call(
        "GET", f"/psp/zarinpal/return?payment={dear['id']}&Authority={token}&Status=OK"
    )
    assert "status=executed" not in got.headers["Location"]
    assert show(world, key, dear["id"])["status"] != "executed"


def test_a_return_through_another_channels_door(world: World, key: str) -> None:
    payment = create(world, key, channel="zarinpal")
    assert world.call("GET", f"/psp/noticebank/return?payment={payment['id']}").status == 404


def test_notices_nobody_signed(world: World, key: str) -> None:
    payment = create(world, key, channel="noticebank")
    token = world.payment(payment["id"]).attempts[0].token
    body = (
        f'{{"shop":"x","order":"{payment["id"]}","session":"{token}","state":"TAKEN",'
        '"amount_toman":"25000","receipt":"1"}'
    ).encode()
    for headers in ({}, {"x-notice-signature": "t=1,v1=" + "0" * 64}, {"x-notice-signature": "v1"}):
        where = f"/psp/noticebank/notify?payment={payment['id']}"
        assert world.call("POST", where, body, headers=headers).status == 400
    assert show(world, key, payment["id"])["status"] == "created"


def test_a_channel_without_notices_takes_none(world: World, key: str) -> None:
    payment = create(world, key, channel="zarinpal")
    got = world.call("POST", f"/psp/zarinpal/notify?payment={payment['id']}", b"{}")
    assert got.status == 400


def test_returning_again_and_again_changes_nothing(world: World, key: str) -> None:
    payment = create(world, key, channel="zarinpal")
    world.pay(payment)
    token = world.payment(payment["id"]).attempts[0].token
    query = f"payment={payment['id']}&Authority={token}&Status=OK"
    with world.counted() as calls:
        for _ in range(5):
            got = world.call("GET", f"/psp/zarinpal/return?{query}")
            assert "status=executed" in got.headers["Location"]
    assert {c.name for c in calls} == {"dynamodb.GetItem"}, "nobody is asked again"
    check_books(world)
