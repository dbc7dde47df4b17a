"""Every call of every channel against every kind of nonsense: nothing is decided, nothing leaks."""

import json
import logging
import traceback
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from payvand.errors import Silence
from payvand.money import Money
from payvand.psp import Attempt, Channel, RefundVerdict, Verdict
from tests.channels.lab_world import Got
from tests.channels.parties import PARTIES, SECRETS, Party, order_of
from tests.channels.scripted import Scripted, said

TOKENS = {"zarinpal": "S" + "0" * 35, "noticebank": "nb_" + "0" * 24}

PAID_WORDS = {"code": 100, "status": "PAID", "state": "TAKEN", "ref_id": 1, "authority": "S" * 36}
GRAPH = {"Terminals": [{"id": "1", "key": SECRETS[-1]}], "refunds": [], "Session": []}

BROKEN: dict[str, Got | str] = {
    "silence, with the request in it": f"POST with Bearer {SECRETS[2]} timed out",
    "an HTML page": Got(200, {}, b"<html><body>welcome</body></html>"),
    "an empty body": Got(200, {}, b""),
    "500": Got(500, {}, b"oops"),
    "502 with a happy body": said({"data": PAID_WORDS, **PAID_WORDS, "errors": []}, 502),
    "an empty object": said({}),
    "a list": said([1, 2]),
    "null": said(None),
    "no data and no errors": said({"data": [], "errors": []}),
    "wrong types": said({"data": {"code": {}, "status": 7, "authority": 5}, "state": ["TAKEN"]}),
    "True is not 1": said({"data": {"code": True}, "state": True}),
    "a float": said({"data": {"code": 100.0}, "errors": []}),
    "success beside an error": said({"data": {"code": 100}, "errors": {"code": -50}}),
    "success under a 4xx": said({"data": {"code": 100, "status": "REVERSED"}, "errors": []}, 404),
    "words never seen": said(
        {"data": {"code": 777, "status": "ODD"}, "state": "ODD", "errors": []}
    ),
    "a refusal never seen": said({"data": [], "errors": {"code": -999}, "error": {"code": "odd"}}),
    "not UTF-8": Got(200, {}, b'{"data":"\xff\xfe"}'),
    "nested without end": Got(200, {}, b"[" * 200_000),
    "a number without end": Got(200, {}, b'{"data":{"code":' + b"1" * 5_000 + b"}}"),
    "far too much": Got(200, {}, json.dumps({"data": {"code": 100, "x": "y" * 600_000}}).encode()),
    "a redirect": Got(302, {"location": "https://elsewhere.example"}, b"{}"),
}


def attempt_at(party: type[Party]) -> Attempt:
    return Attempt("pay_1", "pay_1_a1", TOKENS[party.name], Money(1_250_000, "IRR"))


def ask(channel: Channel, attempt: Attempt) -> object:
    return channel.ask(attempt)


def reverse(channel: Channel, attempt: Attempt) -> object:
    return channel.reverse(attempt)


def refund(channel: Channel, attempt: Attempt) -> object:
    return channel.refund(attempt, "12345", Money(500_000, "IRR"), "rf_1", False)  # noqa: FBT003


def first_refund(channel: Channel, attempt: Attempt) -> object:
    return channel.refund(attempt, "12345", Money(500_000, "IRR"), "rf_1", True)  # noqa: FBT003


CALLS: tuple[Callable[[Channel, Attempt], object], ...] = (ask, reverse, refund, first_refund)


def assert_no_secret(*texts: str) -> None:
    for text in texts:
        for secret in SECRETS:
            assert secret not in text


@pytest.mark.parametrize("party", PARTIES, ids=lambda p: p.name)
@pytest.mark.parametrize("call", CALLS, ids=lambda c: c.__name__)
@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN.keys())
def test_nonsense_is_unknown(
    party: type[Party],
    call: Callable[[Channel, Attempt], object],
    broken: Got | str,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    answer = call(party.speaking(Scripted([broken])), attempt_at(party))
    verdict = getattr(answer, "verdict", None)
    assert verdict in {Verdict.UNKNOWN, RefundVerdict.UNKNOWN}
    assert_no_secret(repr(answer), caplog.text, *capsys.readouterr())


@pytest.mark.parametrize("party", PARTIES, ids=lambda p: p.name)
@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN.keys())
def test_nonsense_while_opening_is_silence(
    party: type[Party], broken: Got | str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    channel = party.speaking(Scripted([broken]))
    with pytest.raises(Silence) as caught:
        channel.open(order_of(1_250_000))
    shown = "".join(traceback.format_exception(caught.value))
    assert_no_secret(str(caught.value), repr(caught.value), repr(channel), shown, caplog.text)


@pytest.mark.parametrize("party", PARTIES, ids=lambda p: p.name)
def test_every_call_has_a_time_limit(party: type[Party]) -> None:
    http = Scripted([said({})])
    for call in CALLS:
        call(party.speaking(http), attempt_at(party))
    assert {0 < sent.timeout_s <= 8 for sent in http.sent} == {True}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
fields = st.sampled_from(["code", "status", "authority", "ref_id", "card_pan", "authorities"])
answers = st.fixed_dictionaries(
    {},
    optional={
        "data": json_values | st.dictionaries(fields, json_values, max_size=4),
        "errors": json_values,
        "state": json_values,
        "error": json_values,
        "session": json_values,
    },
)


@settings(max_examples=150, deadline=None)
@given(answer=answers, status=st.integers(100, 599))
def test_no_answer_of_any_shape_makes_a_channel_fall_over(answer: object, status: int) -> None:
    for party in PARTIES:
        channel = party.speaking(Scripted([said(answer, status)]))
        for call in CALLS:
            call(channel, attempt_at(party))
        try:
            channel.open(order_of(1_250_000))
        except Silence:
            continue
