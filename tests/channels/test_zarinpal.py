"""ZarinPal's own shapes: the published samples read right, and what we send is what they expect."""

from typing import Any

import pytest

from payvand.errors import Silence
from payvand.money import Money
from payvand.psp import Attempt, Declined, Inbound, Opened, RefundVerdict, Verdict
from payvand.psp.zarinpal import (
    INQUIRY_TIMEOUT_S,
    REFUND_PAGES_FIRST,
    REFUND_PAGES_MAX,
    REFUNDS_PER_PAGE,
    REQUEST_TIMEOUT_S,
    VERIFY_TIMEOUT_S,
    ZarinPal,
)
from tests.channels.lab_world import BASE, Got
from tests.channels.parties import MERCHANT, ZarinPalParty, order_of
from tests.channels.scripted import Scripted, said

AUTHORITY = "A00000000000000000000000000207288780"
ATTEMPT = Attempt("pay_1", "pay_1_a1", AUTHORITY, Money(50_500, "IRR"))

REQUEST_OK = {
    "data": {
        "code": 100,
        "message": "Success",
        "authority": AUTHORITY,
        "fee_type": "Merchant",
        "fee": 100,
    },
    "errors": [],
}
VERIFY_OK: dict[str, Any] = {
    "data": {
        "code": 100,
        "message": "Verified",
        "card_hash": "1EBE3EBEBE35C7EC0F8D6EE4F2F859107A87822CA179BC9528767EA7B5489B69",
        "card_pan": "502229******5995",
        "ref_id": 201,
        "fee_type": "Merchant",
        "fee": 0,
    },
    "errors": [],
}
UNVERIFIED_OK = {
    "data": {
        "code": "100",
        "message": "Success",
        "authorities": [
            {
                "authority": AUTHORITY,
                "amount": 50500,
                "callback_url": "https://golroz.com/vpay",
                "referer": "https://golroz.com/test-form/",
                "date": "2020-07-01 17:33:25",
            },
            {
                "authority": "A00000000000000000000000000206873220",
                "amount": "11100",
                "callback_url": "zarin_link",
                "referer": "/",
                "date": "2020-06-27 10:22:02",
            },
        ],
    },
    "errors": [],
}


def error(code: object) -> dict[str, object]:
    return {"data": [], "errors": {"code": code, "message": "…", "validations": []}}


def inquiry(status: str) -> dict[str, object]:
    return {"data": {"code": 100, "message": "Success", "status": status}, "errors": []}


def zarinpal(*script: Got | str) -> tuple[ZarinPal, Scripted]:
    http = Scripted(list(script))
    channel = ZarinPalParty.speaking(http)
    assert isinstance(channel, ZarinPal)
    return channel, http


def test_the_published_request_opens_and_sends_rial_with_the_currency_said() -> None:
    channel, http = zarinpal(said(REQUEST_OK))
    made = channel.open(order_of(50_500))
    assert made == Opened(AUTHORITY, channel.redirect(AUTHORITY))
    assert channel.redirect(AUTHORITY).url == f"{BASE}/lab/zarinpal/pg/StartPay/{AUTHORITY}"
    assert http.sent[0].url == f"{BASE}/lab/zarinpal/pg/v4/payment/request.json"
    assert http.sent[0].timeout_s == REQUEST_TIMEOUT_S
    assert http.sent[0].json() == {
        "merchant_id": MERCHANT,
        "amount": 50_500,
        "currency": "IRR",
        "description": "سفارش ۱۲",
        "callback_url": f"{BASE}/psp/x/return?payment=pay_1",
        "metadata": {"order_id": "pay_1_a1", "mobile": "09121234567"},
    }


@pytest.mark.parametrize("status", [200, 401, 422])
@pytest.mark.parametrize("code", [-9, "-9"])
def test_an_error_comes_with_any_status_and_its_code_as_number_or_string(
    status: int, code: object
) -> None:
    made = zarinpal(said(error(code), status))[0].open(order_of(50_500))
    assert isinstance(made, Declined)
    assert made.code == "-9"


@pytest.mark.parametrize("status", [500, 503])
def test_a_word_under_a_5xx_is_no_word(status: int) -> None:
    with pytest.raises(Silence):
        zarinpal(said(error(-9), status))[0].open(order_of(50_500))
    channel, http = zarinpal(said(error(-51), status), said(inquiry("FAILED")))
    assert channel.ask(ATTEMPT).verdict is Verdict.UNKNOWN
    assert len(http.sent) == 1


@pytest.mark.parametrize("code", [-12, -52])
def test_too_often_is_worth_another_try(code: int) -> None:
    with pytest.raises(Silence):
        zarinpal(said(error(code), 429))[0].open(order_of(50_500))


@pytest.mark.parametrize("authority", ["", "S1", "X" * 36, AUTHORITY + "/../x", None, 5])
def test_an_authority_of_another_shape_is_not_handed_to_the_payer(authority: object) -> None:
    odd = {"data": {"code": 100, "authority": authority}, "errors": []}
    with pytest.raises(Silence):
        zarinpal(said(odd))[0].open(order_of(50_500))


@pytest.mark.parametrize("code", [100, "100", 101, "101"])
def test_verified_and_verified_again_are_both_paid(code: object) -> None:
    channel, http = zarinpal(said({**VERIFY_OK, "data": {**VERIFY_OK["data"], "code": code}}))
    answer = channel.ask(ATTEMPT)
    assert answer.verdict is Verdict.PAID
    assert answer.money == ATTEMPT.money
    assert (answer.reference, answer.card_mask) == ("201", "502229******5995")
    assert answer.code == str(code)
    assert http.sent[0].timeout_s == VERIFY_TIMEOUT_S
    assert http.sent[0].json()["amount"] == 50_500


@pytest.mark.parametrize("pan", ["5022291234565995", "50222912****5995", "", None, 5])
def test_more_card_digits_than_allowed_are_dropped(pan: object) -> None:
    odd = {**VERIFY_OK, "data": {**VERIFY_OK["data"], "card_pan": pan}}
    assert zarinpal(said(odd))[0].ask(ATTEMPT).card_mask is None


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        ("IN_BANK", Verdict.PENDING),
        ("FAILED", Verdict.DEAD),
        ("REVERSED", Verdict.REVERSED),
        ("PAID", Verdict.UNKNOWN),
        ("VERIFIED", Verdict.UNKNOWN),
        ("paid", Verdict.UNKNOWN),
        ("", Verdict.UNKNOWN),
    ],
)
def test_not_paid_is_told_apart_by_inquiry(status: str, verdict: Verdict) -> None:
    channel, http = zarinpal(said(error(-51)), said(inquiry(status)))
    assert channel.ask(ATTEMPT).verdict is verdict
    assert [sent.url.rsplit("/", 1)[1] for sent in http.sent] == ["verify.json", "inquiry.json"]
    assert http.sent[1].timeout_s == INQUIRY_TIMEOUT_S


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        ("IN_BANK", Verdict.UNKNOWN),
        ("PAID", Verdict.UNKNOWN),
        ("REVERSED", Verdict.REVERSED),
        ("FAILED", Verdict.DEAD),
    ],
)
def test_another_amount_is_never_paid_and_ends_when_they_give_it_back(
    status: str, verdict: Verdict
) -> None:
    answer = zarinpal(said(error(-50)), said(inquiry(status)))[0].ask(ATTEMPT)
    assert answer.verdict is verdict


@pytest.mark.parametrize("code", [-9, -10, -11, -12, -53, -54, -55, 429, 0])
def test_no_other_error_decides_a_payment(code: int) -> None:
    answer = zarinpal(said(error(code), 404))[0].ask(ATTEMPT)
    assert answer.verdict is Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("first", "then", "verdict"),
    [
        ({"data": {"code": 100, "message": "Reversed"}, "errors": []}, None, Verdict.REVERSED),
        (error(-60), None, Verdict.PAID),
        (error(-63), None, Verdict.PAID),
        (error(-62), None, Verdict.UNKNOWN),
        (error(-61), inquiry("REVERSED"), Verdict.REVERSED),
        (error(-61), inquiry("FAILED"), Verdict.DEAD),
        (error(-61), inquiry("IN_BANK"), Verdict.UNKNOWN),
        (error(-61), inquiry("VERIFIED"), Verdict.UNKNOWN),
    ],
)
def test_reverse_reads_every_answer(first: object, then: object, verdict: Verdict) -> None:
    script = [said(first)] + ([said(then)] if then else [])
    assert zarinpal(*script)[0].reverse(ATTEMPT).verdict is verdict


def test_the_published_unverified_list_reads_with_its_code_as_a_string() -> None:
    assert zarinpal(said(UNVERIFIED_OK))[0].unverified() == [
        (AUTHORITY, Money(50_500, "IRR")),
        ("A00000000000000000000000000206873220", Money(11_100, "IRR")),
    ]


def test_a_hint_reads_only_their_own_words() -> None:
    channel, _ = zarinpal()
    for status, claim in (("OK", True), ("NOK", False), ("ok", None), ("", None)):
        query = {"Authority": AUTHORITY, "Status": status}
        hint = channel.read_return(Inbound("GET", query, {}, b""))
        assert (hint.token, hint.claims_success) == (AUTHORITY, claim)


# ---- refunds: never twice ----

TERMINALS = said({"data": {"Terminals": [{"id": 9, "key": "x"}, {"id": "77", "key": MERCHANT}]}})
NONE = said({"data": {"refunds": []}})
SESSION = said({"data": {"Session": [{"id": "580868147", "amount": 50500, "status": "VERIFIED"}]}})


def made(status: str = "SUCCESS", **other: object) -> Got:
    timeline = {"refund_amount": 20000, "refund_time": "…", "refund_status": status}
    resource = {"id": "5", "terminal_id": "77", "amount": 20000, "timeline": timeline, **other}
    return said({"data": {"resource": resource}})


def listed(*keys: str, status: str = "SUCCESS") -> Got:
    rows = [{"id": "5", "amount": 1, "status": status, "description": key} for key in keys]
    return said({"data": {"refunds": rows}})


def refund(channel: ZarinPal, *, first_try: bool) -> tuple[RefundVerdict, str | None]:
    answer = channel.refund(ATTEMPT, "201", Money(20_000, "IRR"), "rf_1", first_try)
    return answer.verdict, answer.reference


def mutations(http: Scripted) -> int:
    return sum("mutation" in str(sent.json()["query"]) for sent in http.sent)


@pytest.mark.parametrize("first_try", [True, False])
def test_a_refund_that_is_not_there_is_sent_with_our_key_and_the_token_in_the_header_only(
    first_try: bool,  # noqa: FBT001
) -> None:
    channel, http = zarinpal(TERMINALS, NONE, SESSION, made())
    assert refund(channel, first_try=first_try) == (RefundVerdict.DONE, "5")
    assert http.sent[1].json()["variables"] == {
        "terminal_id": "77",
        "limit": REFUNDS_PER_PAGE,
        "offset": 0,
    }
    assert http.sent[3].json()["variables"] == {
        "session_id": "580868147",
        "amount": 20_000,
        "description": "rf_1",
        "method": "PAYA",
        "reason": "CUSTOMER_REQUEST",
    }
    for sent in http.sent:
        assert sent.headers["authorization"] == f"Bearer lab-{MERCHANT}"
        assert b"Bearer" not in sent.body


@pytest.mark.parametrize("first_try", [True, False])
@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        ("SUCCESS", RefundVerdict.DONE),
        ("PENDING", RefundVerdict.PENDING),
        ("FAILED", RefundVerdict.REFUSED),
        ("ODD", RefundVerdict.UNKNOWN),
    ],
)
def test_a_refund_that_is_there_is_not_sent_again(
    first_try: bool,  # noqa: FBT001
    status: str,
    verdict: RefundVerdict,
) -> None:
    channel, http = zarinpal(TERMINALS, listed("rf_0", "rf_10"), listed("rf_1", status=status))
    assert refund(channel, first_try=first_try) == (verdict, "5")
    assert mutations(http) == 0


@pytest.mark.parametrize(
    "look", ["silent", Got(500, {}, b""), said({"data": {"refunds": None}}), said({"errors": [{}]})]
)
@pytest.mark.parametrize("first_try", [True, False])
def test_a_look_that_fails_sends_nothing(
    look: Got | str,
    first_try: bool,  # noqa: FBT001
) -> None:
    channel, http = zarinpal(TERMINALS, look)
    assert refund(channel, first_try=first_try)[0] is RefundVerdict.UNKNOWN
    assert mutations(http) == 0


def test_a_list_longer_than_we_read_stops_a_repeat_and_not_a_first_try() -> None:
    channel, http = zarinpal(TERMINALS, *[listed("x")] * REFUND_PAGES_MAX, SESSION, made())
    assert refund(channel, first_try=False)[0] is RefundVerdict.UNKNOWN
    assert mutations(http) == 0
    channel, http = zarinpal(TERMINALS, *[listed("x")] * REFUND_PAGES_FIRST, SESSION, made())
    assert refund(channel, first_try=True)[0] is RefundVerdict.DONE


@pytest.mark.parametrize(
    "found",
    [
        [],
        [{"id": "1", "amount": 50500}, {"id": "2", "amount": 50500}],
        [{"id": "1", "amount": 19999}],
        [{"id": None, "amount": 50500}],
    ],
)
def test_a_session_that_is_not_surely_ours_is_not_refunded(found: list[object]) -> None:
    channel, http = zarinpal(TERMINALS, NONE, said({"data": {"Session": found}}))
    assert refund(channel, first_try=True)[0] is RefundVerdict.UNKNOWN
    assert mutations(http) == 0


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        (made(timeline=[{"refund_status": "SUCCESS"}]), RefundVerdict.DONE),
        (made("PENDING"), RefundVerdict.PENDING),
        (made("FAILED"), RefundVerdict.REFUSED),
        (made(timeline=None), RefundVerdict.UNKNOWN),
        (said({"errors": [{"extensions": {"category": "validation"}}]}), RefundVerdict.REFUSED),
        (said({"errors": [{"extensions": {"category": "internal"}}]}), RefundVerdict.UNKNOWN),
        (said({"errors": [{"message": "Unauthenticated."}]}, 401), RefundVerdict.UNKNOWN),
        (Got(502, {}, b"<html>"), RefundVerdict.UNKNOWN),
    ],
)
def test_what_they_say_to_a_refund_is_read(answer: Got, verdict: RefundVerdict) -> None:
    channel, _ = zarinpal(TERMINALS, NONE, SESSION, answer)
    assert refund(channel, first_try=True)[0] is verdict
