"""Notices nobody sent and returns nobody made: whatever arrives, nothing is booked from it.

Money is booked on a channel's own word alone: its answer when asked, or its signed notice about
this payment, this session, this amount. Everything else leaves the books as they were.
"""

import hashlib
import hmac
import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

import pytest

from payvand import ledger
from payvand.merchant import Contract
from payvand.psp.registry import names
from tests.support.merchant import create, show
from tests.support.world import BASE, OTHER, Got, World, check_books

CHANNELS: Final = sorted(names())
AMOUNT: Final = 250_300
"""An ending at which the lab just works."""


def booked(world: World) -> list[str]:
    """Every item that moves money, as text."""
    return sorted(repr(item) for item in world.items("PaymentsTable") if "legs" in item)


@pytest.fixture
def nothing_booked(world: World) -> Iterator[None]:
    before = booked(world)
    yield
    world.run(hours=1)
    assert booked(world) == before
    check_books(world)


def token(world: World, payment: Mapping[str, Any]) -> str:
    return world.payment(payment["id"]).attempts[-1].token


def opened(world: World, key: str, channel: str, amount: int = AMOUNT) -> dict[str, Any]:
    """A payment whose payer stands at the bank and has not paid."""
    payment = create(world, key, amount, channel=channel)
    world.go_to_bank(payment, channel)
    return payment


def come_back(world: World, channel: str, id: str, query: str = "", method: str = "GET") -> Got:
    return world.call(method, f"/psp/{channel}/return?payment={quote(id)}{query}", b"")


# ── the payer's return ────────────────────────────────────────────────────────────────────────

CLAIMS: Final = (
    "",
    "&Authority={token}&Status=OK",
    "&Authority={token}&Status=OK&Status=OK",
    "&authority={token}&status=ok&code=100&ref_id=1",
    "&Authority={token}&Status=executed&amount={amount}",
    "&Authority={other}&Status=OK",
    "&Authority=A" + "0" * 35 + "&Status=OK",
    "&Authority=%00&Status=OK",
    "&session={token}&state=TAKEN&receipt=12345678",
    "&status=executed&payment_id={id}&reference=paid",
)


@pytest.mark.parametrize("channel", CHANNELS)
def test_no_return_pays(world: World, key: str, nothing_booked: None, channel: str) -> None:
    payment, other = opened(world, key, channel), opened(world, key, channel, AMOUNT + 1_000)
    for claim, method in itertools.product(CLAIMS, ("GET", "POST")):
        words = {
            "token": token(world, payment),
            "other": token(world, other),
            "amount": AMOUNT,
            "id": payment["id"],
        }
        got = come_back(world, channel, payment["id"], claim.format(**words), method)
        assert got.status == 303, claim
        assert got.headers["Location"].startswith("https://shop.example/done?"), claim
        assert "status=executed" not in got.headers["Location"], claim
        assert show(world, key, payment["id"])["status"] in {"created", "redirected", "accepted"}


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_return_of_a_payment_that_is_not_there_says_so_and_no_more(
    world: World, key: str, nothing_booked: None, channel: str
) -> None:
    payment = opened(world, key, channel)
    absent = payment["id"][:-3] + "000"
    cases = ("", "pay_", "x", absent, payment["id"].lower(), f"{payment['id']}0", "pay_" + "Z" * 26)
    pages = {come_back(world, channel, id).body for id in cases}
    assert len(pages) == 1, "one can tell an odd id from a missing one"
    for id in cases:
        assert come_back(world, channel, id).status == 404


def test_the_last_of_two_payments_in_an_address_is_one_payment(
    world: World, key: str, nothing_booked: None
) -> None:
    paid, unpaid = opened(world, key, "zarinpal"), opened(world, key, "zarinpal", 9_000_300)
    query = f"&payment={unpaid['id']}&Authority={token(world, paid)}&Status=OK"
    got = come_back(world, "zarinpal", paid["id"], query)
    assert "status=executed" not in got.headers["Location"]


@pytest.mark.parametrize("channel", CHANNELS)
def test_who_has_paid_returns_for_that_payment_alone(world: World, key: str, channel: str) -> None:
    """The dear order is not paid by coming back with the cheap one's proof, before or after."""
    cheap, dear = opened(world, key, channel), opened(world, key, channel, 9_000_300)
    proof = f"&Authority={token(world, cheap)}&Status=OK&session={token(world, cheap)}"
    come_back(world, channel, dear["id"], proof)
    world.pay(cheap, channel)
    world.run(hours=0.1)
    for _ in range(3):
        got = come_back(world, channel, dear["id"], proof)
        assert "status=executed" not in got.headers["Location"]
    assert show(world, key, cheap["id"])["status"] == "executed"
    assert show(world, key, dear["id"])["status"] != "executed"
    lines = [item for item in world.items("PaymentsTable") if "legs" in item]
    fee = show(world, key, cheap["id"])["fee_amount"]
    assert [line["legs"] for line in lines] == [ledger.executed(channel, AMOUNT, fee)]


def test_a_return_says_nothing_of_another_merchants_payment_but_what_its_payer_knows(
    world: World, key: str, other_key: str
) -> None:
    theirs = opened(world, other_key, "zarinpal")
    got = come_back(world, "zarinpal", theirs["id"], f"&merchant={OTHER}&return_url=//evil.example")
    assert got.headers["Location"].startswith("https://shop.example/done?")
    assert "evil" not in got.headers["Location"]


# ── the channel's notice ──────────────────────────────────────────────────────────────────────


@dataclass
class Bank:
    """Signs whatever it is asked to, with a secret that is right or not."""

    world: World
    shop: str
    secret: str

    def notice(
        self, payment: Mapping[str, Any], door: str | None = None, **told: Any
    ) -> tuple[str, bytes, dict[str, str]]:
        says = {
            "shop": self.shop,
            "order": payment["id"],
            "session": token(self.world, payment),
            "state": "TAKEN",
            "amount_toman": f"{AMOUNT // 10}",
            "receipt": 12345678,
        }
        body = json.dumps(says | told).encode()
        return (
            f"{BASE}/psp/noticebank/notify?payment={door or payment['id']}",
            body,
            {"x-notice-signature": f"t=1,v1={self.mac(b'1.' + body)}"},
        )

    def mac(self, signed: bytes) -> str:
        return hmac.new(self.secret.encode(), signed, hashlib.sha256).hexdigest()

    def tell(self, *args: Any, **told: Any) -> Got:
        url, body, headers = self.notice(*args, **told)
        return self.world.call("POST", url, body, headers=headers)


@pytest.fixture
def bank(world: World) -> Bank:
    return Bank(world, **_contract(world, "default"))


def _contract(world: World, name: str) -> dict[str, str]:
    secret = world.raw["secretsmanager"].get_secret_value(SecretId="ChannelSecretTest")
    found = json.loads(secret["SecretString"])["noticebank"][name]
    return {"shop": found["shop"], "secret": found["notice_secret"]}


FORGERIES: Final[dict[str, Callable[[Bank, dict[str, str], bytes], Mapping[str, str]]]] = {
    "no signature": lambda *_: {},
    "an empty one": lambda *_: {"x-notice-signature": ""},
    "zeros": lambda *_: {"x-notice-signature": "t=1,v1=" + "0" * 64},
    "another moment": lambda _, h, __: {
        "x-notice-signature": h["x-notice-signature"].replace("t=1,", "t=2,")
    },
    "the body alone": lambda b, _, body: {"x-notice-signature": f"t=1,v1={b.mac(body)}"},
    "capitals": lambda _, h, __: {"x-notice-signature": h["x-notice-signature"].upper()},
    "a first letter less": lambda _, h, __: {"x-notice-signature": h["x-notice-signature"][:-1]},
    "two of them": lambda _, h, __: {"x-notice-signature": h["x-notice-signature"] * 2},
    "letters no hex has": lambda *_: {"x-notice-signature": "t=1,v1=" + "۱" * 64},
    "another header": lambda _, h, __: {"x-shop-signature": h["x-notice-signature"]},
    "another secret": lambda b, _, body: {
        "x-notice-signature": f"t=1,v1={Bank(b.world, b.shop, 'guess').mac(b'1.' + body)}"
    },
    "no secret": lambda b, _, body: {
        "x-notice-signature": f"t=1,v1={Bank(b.world, b.shop, '').mac(b'1.' + body)}"
    },
}


@pytest.mark.parametrize("how", FORGERIES)
def test_a_notice_nobody_signed_books_nothing(
    world: World, key: str, bank: Bank, nothing_booked: None, how: str
) -> None:
    url, body, headers = bank.notice(opened(world, key, "noticebank"))
    forged = FORGERIES[how](bank, headers, body)
    assert world.call("POST", url, body, headers=forged).status == 400


def test_a_signed_notice_with_one_bit_changed_books_nothing(
    world: World, key: str, bank: Bank, nothing_booked: None
) -> None:
    url, body, headers = bank.notice(opened(world, key, "noticebank"))
    for at in range(0, len(body), 7):
        changed = body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]
        assert world.call("POST", url, changed, headers=headers).status == 400
    assert world.call("POST", url, body + b" ", headers=headers).status == 400


def test_a_signed_notice_about_something_else_books_nothing(
    world: World, key: str, bank: Bank, nothing_booked: None
) -> None:
    payment, other = opened(world, key, "noticebank"), opened(world, key, "zarinpal", 77_300)
    absent = payment["id"][:-3] + "000"
    for told, status in (
        ({"order": other["id"]}, 400),
        ({"order": absent}, 400),
        ({"door": absent, "order": absent}, 404),
        ({"door": other["id"]}, 400),
        ({"session": "nb_" + "0" * 24}, 404),
        ({"session": None}, 400),
        ({"shop": "another"}, 400),
        ({"state": "taken"}, 200),
        ({"state": ["TAKEN"]}, 200),
        ({"amount_toman": None}, 400),
        ({"amount_toman": AMOUNT // 10}, 400),
        ({"amount_toman": "1e9"}, 400),
        ({"amount_toman": "-25030"}, 400),
        ({"amount_toman": "NaN"}, 400),
        ({"amount_toman": "۲۵۰۳۰"}, 400),
    ):
        door = told.pop("door", None)
        assert bank.tell(payment, door, **told).status == status, (door, told)


@pytest.mark.parametrize("toman", ["25029.9", "25030.1", "0", "250300", "2503", "99999999999"])
def test_a_signed_notice_of_another_amount_books_nothing(
    world: World, key: str, bank: Bank, nothing_booked: None, toman: str
) -> None:
    payment = opened(world, key, "noticebank")
    assert bank.tell(payment, amount_toman=toman).status in {200, 503}
    assert show(world, key, payment["id"])["status"] != "executed"


def test_another_merchants_bank_speaks_for_its_own_payments_only(
    world: World, key: str, bank: Bank, nothing_booked: None
) -> None:
    """Both have a contract; each one's secret opens its own notices alone."""
    shop = world.lab_call("POST", "/lab/noticebank/shops", b"{}").json()
    _add_contract(world, "theirs", shop)
    contracts = (Contract("zarinpal"), Contract("noticebank", "theirs"))
    theirs = world.add_merchant(OTHER, contracts=contracts)["test"]
    rogue = Bank(world, shop["shop"], shop["notice_secret"])
    mine, other = opened(world, key, "noticebank"), opened(world, theirs, "noticebank")
    assert rogue.tell(mine).status == 400
    assert rogue.tell(mine, shop=bank.shop).status == 400
    assert rogue.tell(mine, door=other["id"]).status == 400
    assert rogue.tell(other, door=mine["id"]).status == 400
    assert bank.tell(other).status == 400


def _add_contract(world: World, name: str, shop: Mapping[str, str]) -> None:
    for mode in ("ChannelSecretTest", "ChannelSecretLive"):
        secret = world.raw["secretsmanager"].get_secret_value(SecretId=mode)["SecretString"]
        value = json.loads(secret)
        value["noticebank"][name] = {"api_url": f"{BASE}/lab/noticebank", **shop}
        world.raw["secretsmanager"].put_secret_value(SecretId=mode, SecretString=json.dumps(value))


def test_a_notice_is_good_for_one_booking_whenever_it_comes(
    world: World, key: str, bank: Bank
) -> None:
    payment = opened(world, key, "noticebank")
    url, body, headers = bank.notice(payment)
    for _ in range(5):
        assert world.call("POST", url, body, headers=headers).status == 200
    assert len(booked(world)) == 1
    world.later(hours=3)
    world.run(hours=1)
    assert world.call("POST", url, body, headers=headers).status == 200
    world.until_closed()
    world.settle()
    assert world.call("POST", url, body, headers=headers).status == 200
    come_back(world, "noticebank", payment["id"])
    assert len(booked(world)) == 1
    check_books(world)


def test_one_receipt_pays_one_payment(world: World, key: str, bank: Bank) -> None:
    first = opened(world, key, "noticebank")
    second = create(world, key, AMOUNT, channel="noticebank", reference="the-other")
    assert bank.tell(first).status == 200
    assert bank.tell(second).status >= 500  # asked to tell again: the receipt is spent
    assert show(world, key, second["id"])["status"] != "executed"
    assert len(booked(world)) == 1
    check_books(world)


def test_a_notice_at_another_channels_door_is_not_heard(
    world: World, key: str, bank: Bank, nothing_booked: None
) -> None:
    url, body, headers = bank.notice(opened(world, key, "noticebank"))
    for door in ("zarinpal", "paypal", "NOTICEBANK", "..", "noticebank%2f"):
        other = url.replace("/noticebank/", f"/{door}/")
        assert world.call("POST", other, body, headers=headers).status in {400, 404}
