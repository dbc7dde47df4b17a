"""ZarinPal's traps, one by one, on the wire."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.channels.lab_world import BASE, Got, Lab
from tests.channels.parties import NoticeBankParty

MERCHANT = "2f7c1d3e-9b54-4a68-8f10-5d2e7a9c4b31"
OTHER = "7b1f0a52-1c3d-4e5f-8a9b-0c1d2e3f4a5b"
API = "/lab/zarinpal/pg/v4/payment"


def api(lab: Lab, verb: str, **fields: Any) -> Got:
    return lab.call("POST", f"{API}/{verb}.json", {"merchant_id": MERCHANT, **fields})


def request(lab: Lab, amount: int = 50_000, **fields: Any) -> Got:
    given = {"description": "x", "callback_url": f"{BASE}/back?a=1&b=%20", **fields}
    return api(lab, "request", amount=amount, **given)


def opened(lab: Lab, amount: int = 50_000) -> str:
    authority = request(lab, amount).json()["data"]["authority"]
    assert isinstance(authority, str)
    return authority


def press(lab: Lab, authority: str, choice: str = "pay") -> Got:
    return lab.call("POST", f"/lab/zarinpal/pg/StartPay/{authority}/{choice}")


def paid(lab: Lab, amount: int = 50_000) -> str:
    authority = opened(lab, amount)
    assert press(lab, authority).status == 303
    return authority


def verify(lab: Lab, authority: str, amount: int = 50_000) -> Got:
    return api(lab, "verify", authority=authority, amount=amount)


def status(lab: Lab, authority: str) -> str:
    return str(api(lab, "inquiry", authority=authority).json()["data"]["status"])


def code(got: Got) -> object:
    answer = got.json()
    good, bad = answer["data"], answer["errors"]
    assert (good == []) != (bad == []), "one is an object, the other an empty list"
    return (good or bad)["code"]


def test_a_request_answers_100_with_an_authority_of_36_starting_with_s(lab: Lab) -> None:
    data = request(lab, unknown_key={"deep": [1]}).json()["data"]
    assert data["code"] == 100
    assert len(data["authority"]) == 36
    assert data["authority"].startswith("S")


def test_a_repeated_request_makes_a_second_authority(lab: Lab) -> None:
    assert opened(lab) != opened(lab)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"merchant_id": "x"}, -9),
        ({"merchant_id": None}, -9),
        ({"merchant_id": MERCHANT[:-4] + "0010"}, -10),
        ({"merchant_id": MERCHANT[:-4] + "0011"}, -11),
        ({"merchant_id": MERCHANT[:-4] + "0012"}, -12),
        ({"amount": 999}, -9),
        ({"amount": "50000"}, -9),
        ({"amount": True}, -9),
        ({"amount": -1}, -9),
        ({"amount": 1_000_000_001}, -41),
        ({"amount": 100_000_001, "currency": "IRT"}, -41),
        ({"currency": "EUR"}, -9),
        ({"description": ""}, -9),
        ({"description": "x" * 501}, -9),
        ({"callback_url": "javascript:alert(1)"}, -9),
        ({"callback_url": None}, -9),
    ],
)
def test_a_bad_request_is_refused_by_code(lab: Lab, change: dict[str, Any], expected: int) -> None:
    got = request(lab, **{"amount": 50_000, **change})
    assert code(got) == expected
    assert got.status >= 400


def test_toman_is_ten_rial(lab: Lab) -> None:
    authority = request(lab, 5_000, currency="IRT").json()["data"]["authority"]
    assert "۵۰٬۰۰۰" in lab.call("GET", f"/lab/zarinpal/pg/StartPay/{authority}").body.decode()


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b"[" * 50_000])
def test_what_is_not_json_is_minus_9(lab: Lab, body: bytes) -> None:
    assert code(lab.call("POST", f"{API}/request.json", body)) == -9


def test_the_payer_comes_back_with_authority_and_status_behind_the_callback_s_query(
    lab: Lab,
) -> None:
    for choice, word in (("pay", "OK"), ("refuse", "NOK")):
        authority = opened(lab)
        back = urlsplit(press(lab, authority, choice).headers["location"])
        assert back.query.startswith("a=1&b=%20&")
        assert parse_qs(back.query)["Authority"] == [authority]
        assert parse_qs(back.query)["Status"] == [word]


def test_verify_is_100_once_and_101_ever_after_with_the_same_data(lab: Lab) -> None:
    authority = paid(lab)
    first, second = verify(lab, authority).json()["data"], verify(lab, authority).json()["data"]
    assert (first["code"], second["code"]) == (100, 101)
    assert (first["ref_id"], first["card_pan"]) == (second["ref_id"], second["card_pan"])
    assert type(first["ref_id"]) is int
    assert first["card_pan"] == "603799******1234"
    assert status(lab, authority) == "VERIFIED"


def test_of_parallel_verifies_one_is_100(lab: Lab) -> None:
    authority = paid(lab)
    with ThreadPoolExecutor(4) as pool:
        codes = list(pool.map(lambda _: code(verify(lab, authority)), range(8)))
    assert sorted(map(str, codes)) == ["100"] + ["101"] * 7


def test_another_amount_is_minus_50_paid_or_not(lab: Lab) -> None:
    assert code(verify(lab, paid(lab), 50_010)) == -50
    assert code(verify(lab, opened(lab), 50_010)) == -50


def test_a_forged_success_is_minus_51_while_unpaid(lab: Lab) -> None:
    authority = opened(lab)
    assert code(verify(lab, authority)) == -51
    assert status(lab, authority) == "IN_BANK"


def test_a_refused_or_expired_session_is_failed(lab: Lab) -> None:
    refused, left = opened(lab), opened(lab)
    press(lab, refused, "refuse")
    assert status(lab, refused) == "FAILED"
    lab.later(15 * 60 - 1)
    assert status(lab, left) == "IN_BANK"
    lab.later(1)
    assert status(lab, left) == "FAILED"
    assert press(lab, left).status == 410
    assert code(verify(lab, left)) == -51


@pytest.mark.parametrize(
    ("authority", "expected"), [("x", -54), (None, -54), (5, -54), ("A" + "0" * 35, -55)]
)
def test_an_authority_they_do_not_know(lab: Lab, authority: object, expected: int) -> None:
    for verb in ("verify", "inquiry", "reverse"):
        assert code(api(lab, verb, authority=authority, amount=50_000)) == expected


def test_another_merchant_s_authority_is_minus_53(lab: Lab) -> None:
    fields = {"merchant_id": OTHER, "authority": paid(lab), "amount": 50_000}
    for verb in ("verify", "inquiry", "reverse"):
        assert code(lab.call("POST", f"{API}/{verb}.json", fields)) == -53


def test_an_unverified_payment_goes_back_after_half_an_hour(lab: Lab) -> None:
    authority = paid(lab)
    lab.later(30 * 60 - 1)
    assert status(lab, authority) == "PAID"
    lab.later(1)
    assert status(lab, authority) == "REVERSED"
    assert code(verify(lab, authority)) == -51


def test_reverse_once_within_half_an_hour(lab: Lab) -> None:
    first, late = paid(lab), paid(lab)
    verify(lab, late)
    assert code(api(lab, "reverse", authority=first)) == 100
    assert code(api(lab, "reverse", authority=first)) == -61
    assert status(lab, first) == "REVERSED"
    lab.later(30 * 60 + 1)
    assert code(api(lab, "reverse", authority=late)) == -63
    assert code(api(lab, "reverse", authority=opened(lab))) == -61


def test_unverified_lists_our_waiting_payments_with_a_string_code(lab: Lab) -> None:
    waiting, done = paid(lab), paid(lab, 60_000)
    verify(lab, done, 60_000)
    opened(lab)
    data = api(lab, "unVerified").json()["data"]
    assert data["code"] == "100"
    assert [(row["authority"], row["amount"]) for row in data["authorities"]] == [(waiting, 50_000)]
    other = lab.call("POST", f"{API}/unVerified.json", {"merchant_id": OTHER}).json()["data"]
    assert other["authorities"] == []


def test_unverified_stops_at_a_hundred(lab: Lab) -> None:
    for _ in range(101):
        paid(lab)
        lab.later(1)
    assert len(api(lab, "unVerified").json()["data"]["authorities"]) == 100


def test_pressing_twice_or_changing_the_mind_takes_nothing_more(lab: Lab) -> None:
    authority = opened(lab)
    first = press(lab, authority).headers["location"]
    assert press(lab, authority).headers["location"] == first
    assert press(lab, authority, "refuse").headers["location"] == first
    refused = opened(lab)
    back = press(lab, refused, "refuse").headers["location"]
    assert press(lab, refused).headers["location"] == back
    assert status(lab, refused) == "FAILED"


def test_the_page_says_so_when_there_is_nothing_to_pay(lab: Lab) -> None:
    authority = paid(lab)
    assert b'id="pay"' not in lab.call("GET", f"/lab/zarinpal/pg/StartPay/{authority}").body
    assert lab.call("GET", f"/lab/zarinpal/pg/StartPay/{'S' * 36}").status == 404
    assert press(lab, "S" * 36).status == 404


# ---- magic amounts ----


def test_001_answers_a_gateway_s_502(lab: Lab) -> None:
    got = request(lab, 50_001)
    assert got.status == 502
    assert b"<html>" in got.body


def test_004_is_down_here_alone(lab: Lab) -> None:
    assert request(lab, 50_004).status == 502
    assert NoticeBankParty(lab).opened(50_004).token


def test_002_is_silent_for_longer_than_a_client_waits(lab: Lab) -> None:
    request(lab, 50_002)
    assert lab.slept == [7.0]


def test_003_is_refused(lab: Lab) -> None:
    assert code(request(lab, 50_003)) == -11


def test_101_takes_effect_and_crashes_then_says_101(lab: Lab) -> None:
    authority = paid(lab, 50_101)
    assert verify(lab, authority, 50_101).status == 502
    assert code(verify(lab, authority, 50_101)) == 101


def test_102_takes_effect_in_silence_then_says_101(lab: Lab) -> None:
    authority = paid(lab, 50_102)
    verify(lab, authority, 50_102)
    assert lab.slept == [6.0]
    assert code(verify(lab, authority, 50_102)) == 101
    assert lab.slept == [6.0]


def test_103_is_slow_but_fine(lab: Lab) -> None:
    assert code(verify(lab, paid(lab, 50_103), 50_103)) == 100
    assert lab.slept == [2.0]


def test_104_is_given_back_before_verify(lab: Lab) -> None:
    authority = paid(lab, 50_104)
    assert code(verify(lab, authority, 50_104)) == -51
    assert status(lab, authority) == "REVERSED"


def test_105_says_another_amount_until_it_goes_back(lab: Lab) -> None:
    authority = paid(lab, 50_105)
    assert code(verify(lab, authority, 50_105)) == -50
    lab.later(30 * 60)
    assert code(verify(lab, authority, 50_105)) == -51
    assert status(lab, authority) == "REVERSED"


def test_106_is_in_bank_for_two_minutes(lab: Lab) -> None:
    authority = paid(lab, 50_106)
    assert code(verify(lab, authority, 50_106)) == -51
    assert status(lab, authority) == "IN_BANK"
    lab.later(120)
    assert status(lab, authority) == "PAID"
    assert code(verify(lab, authority, 50_106)) == 100


def test_107_pays_and_never_returns(lab: Lab) -> None:
    authority = opened(lab, 50_107)
    got = press(lab, authority)
    assert (got.status, "location" in got.headers) == (200, False)
    assert status(lab, authority) == "PAID"


def test_108_returns_twice_and_speaks_in_strings(lab: Lab) -> None:
    authority = opened(lab, 50_108)
    back = press(lab, authority).headers["location"]
    assert [(call[0], call[1]) for call in lab.product.calls] == [("GET", back)]
    assert code(verify(lab, authority, 50_108)) == "100"


def test_the_lab_calls_nobody_but_our_own_host(lab: Lab) -> None:
    made = request(lab, 50_108, callback_url="http://169.254.169.254/latest")
    press(lab, made.json()["data"]["authority"])
    assert lab.product.calls == []


# ---- refunds ----

GRAPHQL = "/lab/zarinpal/api/v4/graphql/"
ADD = "mutation AddRefund($a: ID!) { resource: AddRefund(session_id: $a) { id } }"
LIST = "query GetRefunds($t: ID!) { refunds: GetRefunds(terminal_id: $t) { id } }"


def graphql(lab: Lab, query: str, token: str = f"lab-{MERCHANT}", **variables: Any) -> Got:
    body = {"query": query, "variables": variables}
    return lab.call("POST", GRAPHQL, body, {"Authorization": f"Bearer {token}"})


def session_of(lab: Lab, authority: str, amount: int) -> tuple[str, str]:
    ref_id = verify(lab, authority, amount).json()["data"]["ref_id"]
    terminals = graphql(lab, "query { Terminals { id key } }").json()["data"]["Terminals"]
    terminal = terminals[0]["id"]
    query = "query Sessions($t: ID!) { Session(terminal_id: $t) { id } }"
    found = graphql(lab, query, terminal_id=terminal, reference_id=str(ref_id)).json()
    return terminal, found["data"]["Session"][0]["id"]


def test_a_repeated_mutation_refunds_twice_as_theirs_does(lab: Lab) -> None:
    terminal, session = session_of(lab, paid(lab), 50_000)
    for _ in range(2):
        got = graphql(lab, ADD, session_id=session, amount=20_000, description="rf_1")
        assert got.json()["data"]["resource"]["timeline"]["refund_status"] == "SUCCESS"
    third = graphql(lab, ADD, session_id=session, amount=20_000, description="rf_1").json()
    assert third["errors"][0]["extensions"]["category"] == "validation"
    listed = graphql(lab, LIST, terminal_id=terminal, limit=100, offset=0).json()["data"]["refunds"]
    assert [row["description"] for row in listed] == ["rf_1", "rf_1"]
    page = graphql(lab, LIST, terminal_id=terminal, limit=100, offset=1).json()["data"]["refunds"]
    assert len(page) == 1


def test_refunds_have_a_floor_and_need_a_verified_session_and_the_right_token(lab: Lab) -> None:
    _, session = session_of(lab, paid(lab), 50_000)
    small = graphql(lab, ADD, session_id=session, amount=19_999).json()
    assert small["data"] is None
    foreign = graphql(lab, ADD, f"lab-{OTHER}", session_id=session, amount=20_000).json()
    assert foreign["data"] is None
    assert graphql(lab, ADD, "wrong", session_id=session, amount=20_000).status == 401
    assert graphql(lab, "query { Everything { id } }").status == 400


def test_parallel_refunds_never_exceed_the_payment(lab: Lab) -> None:
    _, session = session_of(lab, paid(lab, 100_000), 100_000)

    def once(_: int) -> bool:
        return bool(graphql(lab, ADD, session_id=session, amount=30_000).json()["data"])

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(once, range(6))) == 3
