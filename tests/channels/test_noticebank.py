"""NoticeBank's own shapes: signatures over raw bytes, toman strings, and notices in any order."""

import hashlib
import hmac
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payvand.errors import Forged
from payvand.money import AMOUNT_MAX, Money
from payvand.psp import Channel, Inbound, Opened, Verdict
from payvand.psp.noticebank import from_toman, toman
from tests.channels.lab_world import BASE
from tests.channels.parties import SECRETS, NoticeBankParty, order_of
from tests.channels.scripted import Scripted, said

SESSION = "nb_000000000000000000000000"
TOLD: dict[str, Any] = {
    "shop": "shop-1",
    "order": "pay_1",
    "session": SESSION,
    "state": "TAKEN",
    "amount_toman": "25000.5",
    "receipt": 12345678,
}


def bank() -> Channel:
    return NoticeBankParty.speaking(Scripted())


def notice(told: object, *, t: int = 1_700_000_000, secret: str = SECRETS[1]) -> Inbound:
    body = told if isinstance(told, bytes) else json.dumps(told).encode()
    mac = hmac.new(secret.encode(), f"{t}.".encode() + body, hashlib.sha256).hexdigest()
    return Inbound("POST", {}, {"x-notice-signature": f"t={t},v1={mac}"}, body)


def test_the_page_s_own_example_holds() -> None:
    """The worked example of docs/channels/noticebank.md, computed outside this code base."""
    body = b'{"shop":"shop-1","order":"pay_1","session":"nb_0000000000000000","state":"TAKEN"'
    body += b',"amount_toman":"25000.5","receipt":12345678}'
    mac = "ad6ad3adb2b78244da35b936ee177191f24ebb5a4402ea660869d1a7727bbc9b"
    headers = {"x-notice-signature": f"t=1700000000,v1={mac}"}
    read = bank().read_notice(Inbound("POST", {}, headers, body))
    assert read.answer.money == Money(250_005, "IRR")


def test_a_signed_notice_carries_everything_needed_to_book() -> None:
    read = bank().read_notice(notice(TOLD))
    assert (read.payment_id, read.token) == ("pay_1", SESSION)
    assert read.answer.verdict is Verdict.PAID
    assert read.answer.money == Money(250_005, "IRR")
    assert read.answer.reference == "12345678"


@pytest.mark.parametrize(
    ("state", "verdict"),
    [
        ("CANCELLED", Verdict.DEAD),
        ("GIVEN_BACK", Verdict.REVERSED),
        ("taken", Verdict.UNKNOWN),
        ("ON_HOLD", Verdict.UNKNOWN),
        (None, Verdict.UNKNOWN),
        (7, Verdict.UNKNOWN),
    ],
)
def test_a_signature_does_not_make_an_unknown_word_known(state: object, verdict: Verdict) -> None:
    assert bank().read_notice(notice({**TOLD, "state": state})).answer.verdict is verdict


def test_a_notice_from_years_ago_is_legal_and_so_is_its_hundredth_copy() -> None:
    old = notice(TOLD, t=1)
    assert [bank().read_notice(old).answer.verdict for _ in range(100)] == [Verdict.PAID] * 100


@pytest.mark.parametrize(
    "inbound",
    [
        notice(TOLD, secret=SECRETS[0]),
        notice(TOLD, secret=""),
        notice({**TOLD, "shop": "shop-2"}),
        notice({**TOLD, "order": "../x"}),
        notice({**TOLD, "order": None}),
        notice({**TOLD, "session": "nb_"}),
        notice({**TOLD, "amount_toman": 25000.5}),
        notice({**TOLD, "amount_toman": "25000.55"}),
        notice([TOLD]),
        notice(b""),
        notice(b"\xff"),
        Inbound("POST", {}, {}, json.dumps(TOLD).encode()),
    ],
)
def test_what_is_not_theirs_is_forged(inbound: Inbound) -> None:
    with pytest.raises(Forged) as caught:
        bank().read_notice(inbound)
    assert not any(secret in str(caught.value) for secret in SECRETS)


@given(place=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_any_changed_bit_of_the_body_breaks_the_signature(place: int, bit: int) -> None:
    right = notice(TOLD)
    changed = bytearray(right.body)
    changed[place % len(changed)] ^= 1 << bit
    with pytest.raises(Forged):
        bank().read_notice(Inbound("POST", {}, right.headers, bytes(changed)))


@pytest.mark.parametrize("stamp", ["t=1700000001", "t=", "v1=", "t=1700000000 "])
def test_the_timestamp_is_signed_too(stamp: str) -> None:
    right = notice(TOLD)
    moved = right.headers["x-notice-signature"].replace("t=1700000000", stamp)
    with pytest.raises(Forged):
        bank().read_notice(Inbound("POST", {}, {"x-notice-signature": moved}, right.body))


@given(rial=st.integers(0, AMOUNT_MAX))
def test_every_amount_survives_the_toman(rial: int) -> None:
    assert from_toman(toman(Money(rial, "IRR"))) == Money(rial, "IRR")


@pytest.mark.parametrize(
    "value",
    ["", "-1", "1.", ".5", "1.55", "01", "1e3", "١٢", " 1", "1,000", 1, 1.5, None, "9" * 15],
)
def test_anything_else_is_no_amount(value: object) -> None:
    assert from_toman(value) is None


def test_opening_is_signed_over_the_very_bytes_and_leads_to_a_form() -> None:
    http = Scripted([said({"session": SESSION}, 201)])
    made = NoticeBankParty.speaking(http).open(order_of(250_005))
    assert isinstance(made, Opened)
    assert made.redirect.url == f"{BASE}/lab/noticebank/page"
    assert made.redirect.fields == {"session": SESSION}
    sent = http.sent[0]
    right = hmac.new(SECRETS[0].encode(), sent.body, hashlib.sha256).hexdigest()
    assert sent.headers["x-shop-signature"] == right
    assert sent.json()["amount_toman"] == "25000.5"
    assert sent.json()["order"] == "pay_1"


def test_the_bank_is_answered_with_its_own_word() -> None:
    reply = bank().notice_reply()
    assert (reply.status, reply.body) == (200, "RECEIVED")
