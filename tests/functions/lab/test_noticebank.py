"""NoticeBank's manners: who may speak, when notices come, and what they say."""

import hashlib
import hmac
import json
from typing import Any

import pytest

from payvand.psp import Verdict
from tests.channels.lab_world import BASE, Got, Lab
from tests.channels.parties import NoticeBankParty


@pytest.fixture
def bank(lab: Lab) -> NoticeBankParty:
    return NoticeBankParty(lab)


def notices(bank: NoticeBankParty) -> list[tuple[str, str]]:
    """The notices that reached us: what they say, and whether the signature holds."""
    found = []
    for _, url, headers, body in bank.lab.product.calls:
        if not body:
            continue
        assert url == f"{BASE}/psp/x/notify"
        t, _, mac = headers["x-notice-signature"][2:].partition(",v1=")
        secret = bank.fields["notice_secret"].encode()
        right = hmac.new(secret, t.encode() + b"." + body, hashlib.sha256).hexdigest()
        found.append((json.loads(body)["state"], "right" if mac == right else "forged"))
    return found


def signed(bank: NoticeBankParty, path: str, **fields: Any) -> Got:
    body = json.dumps({"shop": "shop-1", **fields}).encode()
    mac = hmac.new(bank.fields["shop_secret"].encode(), body, hashlib.sha256).hexdigest()
    return bank.lab.call("POST", f"/lab/noticebank/{path}", body, {"x-shop-signature": mac})


def test_the_browser_comes_back_bare_and_the_notice_was_there_first(bank: NoticeBankParty) -> None:
    attempt = bank.opened(50_000)
    assert bank.choose(attempt, "pay") == f"{BASE}/psp/x/return?payment=pay_1"
    assert notices(bank) == [("TAKEN", "right")]


def test_refusing_is_told_too(bank: NoticeBankParty) -> None:
    bank.choose(bank.opened(50_000), "refuse")
    assert notices(bank) == [("CANCELLED", "right")]


def test_a_session_nobody_decides_is_told_when_the_clock_moves(bank: NoticeBankParty) -> None:
    bank.opened(50_000)
    assert bank.lab.call("POST", "/lab/clock", {"advance_s": 899}).status == 200
    assert notices(bank) == []
    bank.lab.call("POST", "/lab/clock", {"advance_s": 1})
    assert notices(bank) == [("CANCELLED", "right")]


def test_a_notice_that_is_not_received_comes_again_a_minute_later(bank: NoticeBankParty) -> None:
    received = bank.lab.product.answer
    bank.lab.product.answer = Got(200, {}, b"OK")  # not the word
    bank.choose(bank.opened(50_000), "pay")
    bank.lab.product.silent = True
    bank.lab.call("POST", "/lab/clock", {"advance_s": 60})
    bank.lab.product.silent, bank.lab.product.answer = False, received
    assert bank.lab.call("POST", "/lab/noticebank/run").json() == {"sent": 0}
    bank.lab.call("POST", "/lab/clock", {"advance_s": 60})
    bank.lab.call("POST", "/lab/clock", {"advance_s": 3600})
    assert notices(bank) == [("TAKEN", "right")] * 3


def test_a_hundred_notices_and_no_more(bank: NoticeBankParty) -> None:
    bank.lab.product.silent = True
    bank.choose(bank.opened(50_000), "pay")
    for _ in range(105):
        bank.lab.later(60)
        bank.lab.call("POST", "/lab/noticebank/run")
    assert len(notices(bank)) == 100


@pytest.mark.parametrize(
    ("rial", "told"),
    [
        (50_301, [("TAKEN", "right")]),
        (50_302, []),
        (50_303, [("TAKEN", "forged"), ("TAKEN", "right")]),
        (50_304, [("TAKEN", "right")] * 3),
        (50_101, []),
        (50_106, []),
        (50_104, [("GIVEN_BACK", "right")]),
    ],
)
def test_magic_amounts_choose_the_notices(
    bank: NoticeBankParty, rial: int, told: list[tuple[str, str]]
) -> None:
    bank.choose(bank.opened(rial), "pay")
    assert notices(bank) == told


def test_301_comes_once_more_after_the_browser(bank: NoticeBankParty) -> None:
    bank.choose(bank.opened(50_301), "pay")
    bank.lab.call("POST", "/lab/clock", {"advance_s": 5})
    assert notices(bank) == [("TAKEN", "right")] * 2


def test_302_comes_when_it_is_reminded(bank: NoticeBankParty) -> None:
    attempt = bank.opened(50_302)
    bank.choose(attempt, "pay")
    assert bank.truth(attempt).verdict is Verdict.PAID
    assert notices(bank) == [("TAKEN", "right")]


def test_106_waits_until_it_is_ready(bank: NoticeBankParty) -> None:
    attempt = bank.opened(50_106)
    bank.choose(attempt, "pay")
    assert bank.channel.ask(attempt).verdict is Verdict.PENDING
    bank.lab.call("POST", "/lab/clock", {"advance_s": 120})
    assert notices(bank) == [("TAKEN", "right")]


def test_105_tells_another_amount(bank: NoticeBankParty) -> None:
    attempt = bank.opened(50_105)
    bank.choose(attempt, "pay")
    money = bank.truth(attempt).money
    assert money is not None
    assert money.amount_minor == 60_105


def test_107_and_108_are_about_the_browser_only(bank: NoticeBankParty) -> None:
    assert bank.choose(bank.opened(50_107), "pay") == ""
    assert bank.choose(bank.opened(50_108), "pay")
    assert [call[0] for call in bank.lab.product.calls] == ["POST", "POST", "GET"]


def test_who_does_not_sign_is_not_heard(bank: NoticeBankParty) -> None:
    body = json.dumps({"shop": "shop-1"})
    for headers in ({}, {"x-shop-signature": "0" * 64}):
        got = bank.lab.call("POST", "/lab/noticebank/sessions", body, headers)
        assert (got.status, got.json()["error"]["code"]) == (401, "signature")
    got = bank.lab.call("POST", "/lab/noticebank/sessions", {"shop": "nobody"})
    assert got.json()["error"]["code"] == "shop_unknown"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"amount_toman": 5000}, "amount"),
        ({"amount_toman": "0"}, "amount"),
        ({"amount_toman": "1.55"}, "amount"),
        ({"amount_toman": "9999999999.9"}, "amount"),
        ({"order": "a b"}, "order"),
        ({"notify": "ftp://x"}, "order"),
        ({"back": None}, "order"),
    ],
)
def test_a_bad_order_is_refused(bank: NoticeBankParty, change: dict[str, Any], code: str) -> None:
    urls = {"back": f"{BASE}/b", "notify": f"{BASE}/n"}
    fields = {"order": "pay_1", "amount_toman": "5000", **urls, **change}
    got = signed(bank, "sessions", **fields)
    assert (got.status, got.json()["error"]["code"]) == (422, code)


def test_another_shop_s_session_is_not_there(bank: NoticeBankParty) -> None:
    attempt = bank.opened(50_000)
    other = {"shop": "shop-2", "shop_secret": bank.fields["shop_secret"], "notice_secret": "n"}
    bank.lab.call("POST", "/lab/noticebank/shops", other)
    body = json.dumps({"shop": "shop-2"}).encode()
    mac = hmac.new(bank.fields["shop_secret"].encode(), body, hashlib.sha256).hexdigest()
    path = f"/lab/noticebank/sessions/{attempt.token}/remind"
    assert bank.lab.call("POST", path, body, {"x-shop-signature": mac}).status == 404


def test_signing_up_twice_is_one_contract_and_nobody_takes_it_over(bank: NoticeBankParty) -> None:
    again = bank.lab.call("POST", "/lab/noticebank/shops", bank.fields)
    assert (again.status, again.json()) == (200, bank.fields)
    taken = bank.lab.call("POST", "/lab/noticebank/shops", {**bank.fields, "shop_secret": "x"})
    assert taken.status == 409
    fresh = bank.lab.call("POST", "/lab/noticebank/shops", {}).json()
    assert fresh["shop_secret"] != fresh["notice_secret"]


def test_a_refund_key_belongs_to_one_amount(bank: NoticeBankParty) -> None:
    attempt, _ = bank.taken(500_000)
    asked = {"session": attempt.token, "refund": "rf_1"}
    assert signed(bank, "refunds", **asked, amount_toman="10000").json()["state"] == "DONE"
    got = signed(bank, "refunds", **asked, amount_toman="20000")
    assert (got.status, got.json()["error"]["code"]) == (409, "key_reused")


def test_notices_go_to_our_own_host_only(bank: NoticeBankParty) -> None:
    urls = {"back": f"{BASE}/b", "notify": "http://169.254.169.254/"}
    token = signed(bank, "sessions", order="pay_9", amount_toman="5000", **urls).json()["session"]
    bank.lab.call("POST", f"/lab/noticebank/page/{token}/pay")
    assert notices(bank) == []
