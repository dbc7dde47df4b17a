"""The demo's day is a business day whatever the date, and its audit notices what is wrong."""

import dataclasses
import datetime as dt
import json
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payvand import webhook
from payvand.calendar import cut_off, is_business_day, label
from payvand.ids import Book
from payvand.merchant import Payee
from payvand.settlement import Line, Lines, Seal, Terms, seal
from payvand_cli import audit
from payvand_cli.demo import (
    AT_THE_CUT_OFF,
    BEFORE_CUT_OFF,
    DAY,
    Day,
    Played,
    TooLate,
    business_day,
    next_business_day,
    until,
)
from payvand_cli.stack import Stack

BOOK = Book("mer_000001", "test", "IRR")
START = dt.date(2026, 11, 23)
SECRET = webhook.secret("master", "whe_1", 1)


@given(st.integers(0, 5 * 366 * 86_400))
def test_the_day_is_open_and_leaves_time_on_any_date(seconds: int) -> None:
    now = dt.datetime(2025, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=seconds)
    day = business_day(now)
    assert is_business_day(day, "IRR")
    afternoon = cut_off(day, "IRR") - BEFORE_CUT_OFF
    assert now <= afternoon
    assert label(afternoon, "IRR") == day
    assert next_business_day(day) > day


def test_twenty_payments_reach_every_end() -> None:
    plans = (*DAY, AT_THE_CUT_OFF)
    assert len(plans) == 20
    ends = {"executed", "partially_refunded", "refused", "expired", "reversed"}
    assert {plan.expected for plan in plans} == ends
    assert len({plan.tried for plan in plans}) == 20
    assert [p.refund.expected for p in plans if p.refund] == ["done", "failed"]


def test_waiting_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("payvand_cli.demo.PATIENCE_S", 0.0)
    assert until("x", lambda: 7) == 7
    with pytest.raises(TooLate, match="in vain: the seal"):
        until("the seal", lambda: None)


# ── the audit's teeth ─────────────────────────────────────────────────────────────────────────


TERMS = Terms(payees=(Payee(b"x", "1234", "shop"),))


def chain() -> tuple[list[Seal], dict[int, bytes]]:
    """Two seals with their lines."""
    legs = {"receivable:zarinpal": 100, "payable:merchant": -99, "income:fee": -1}
    seals: list[Seal] = []
    contents: dict[int, bytes] = {}
    for n in (1, 2):
        day = START + dt.timedelta(n)
        lines = Lines.of([Line(f"pay_{n}", day, n, legs)], [])
        last = seals[-1] if seals else None
        seals.append(seal(BOOK, last, (day, day), lines, TERMS, at_ms=n))
        contents[n] = lines.to_bytes()
    return seals, contents


def test_a_chain_that_holds_is_silent() -> None:
    assert audit.chain(*chain()) == []


@pytest.mark.parametrize(
    ("n", "change"),
    [
        (1, {"payout_minor": 98}),
        (1, {"lines_digest": "0" * 64}),
        (1, {"count": 2}),
        (2, {"previous": "0" * 64}),
        (2, {"opening_minor": 5}),
        (2, {"first": START}),
    ],
)
def test_a_chain_that_was_touched_is_noticed(n: int, change: dict[str, Any]) -> None:
    seals, contents = chain()
    seals[n - 1] = dataclasses.replace(seals[n - 1], **change)
    assert audit.chain(seals, contents)


def test_lines_that_were_touched_are_noticed() -> None:
    seals, contents = chain()
    contents[2] = contents[2].replace(b"99", b"98")
    assert audit.chain(seals, contents)


def entry(kind: str, **legs: int) -> dict[str, Any]:
    return {"id": kind, "kind": kind, "legs": {k.replace("__", ":"): v for k, v in legs.items()}}


def test_sums_that_do_not_agree_are_noticed() -> None:
    taken = entry("payment", receivable__x=100, payable__merchant=-99, income__fee=-1)
    paid = entry("payout", payable__merchant=99, bank__payout=-99)
    right = {
        "balance": 0,
        "accounts": {"receivable:x": 100, "income:fee": -1, "bank:payout": -99},
    }
    assert audit.sums([taken, paid], right) == audit.owed([taken, paid], right) == []
    assert audit.owed([taken], right)
    assert audit.sums([taken], right)
    assert audit.sums([taken, entry("refund", payable__merchant=1)], right)
    assert audit.sums([taken, paid], right | {"accounts": {"receivable:x": 1}})


def test_a_payment_in_no_seal_or_in_two_is_noticed() -> None:
    one = "pay_1"
    content = Lines.of([Line("pay_1", START, 1, {})], [])
    late = Lines.of([Line("x:pay_1", START, 1, {})], [])
    assert audit.sealed_once([one], [content]) == audit.sealed_once([one], [late]) == []
    assert audit.sealed_once([one], [])
    assert audit.sealed_once([one], [content, late])


def day(**parts: Any) -> Day:
    """As much of a day as one check looks at."""
    return cast("Day", SimpleNamespace(local={"webhook_secret": SECRET}, **parts))


def delivery(type_: str = "payment.executed.v1", subject: str = "pay_1") -> dict[str, Any]:
    body = json.dumps({"id": "evt_1", "type": type_, "data": {"payment_id": subject}})
    signed = webhook.signature(SECRET, "evt_1", 5, body.encode())
    headers = {"webhook-id": "evt_1", "webhook-timestamp": "5", "webhook-signature": signed}
    return {"headers": headers, "body": body, "answered": 200}


def test_an_event_nobody_told_or_signed_wrongly_is_noticed() -> None:
    played = [Played(AT_THE_CUT_OFF, id="pay_1")]
    shop = SimpleNamespace(all=lambda _: [])
    today = day(played=played, shop=shop)
    assert audit._told(today, [delivery()]) == []
    assert audit._told(today, [])
    forged = delivery()
    forged["body"] = forged["body"].replace("pay_1", "pay_2")
    assert len(audit._told(today, [delivery(), forged])) == 1


def test_what_the_bank_did_not_do_or_did_unasked_is_noticed() -> None:
    seals, _ = chain()
    paid = {"reference": str(seals[0].payout_id), "amount": 99, "status": "new"}
    today = day(lab=SimpleNamespace(get=lambda _: {"data": [paid]}), book=BOOK)
    assert audit._bank(today, seals[:1]) == []
    assert audit._bank(today, seals)
    assert audit._bank(today, [])
    paid["amount"] = 98
    assert audit._bank(today, seals[:1])


def test_dead_letters_are_noticed() -> None:
    def attributes(**_: Any) -> dict[str, Any]:
        return {"Attributes": {"ApproximateNumberOfMessages": "2"}}

    outputs = {"TimerDeadQueue": "http://q", "TimerQueue": "http://p"}
    sqs = SimpleNamespace(get_queue_attributes=attributes)
    (said,) = audit.dead_letters(cast("Stack", SimpleNamespace(outputs=outputs, sqs=sqs)))
    assert said == "2 in TimerDeadQueue; look at them, then: payvand redrive TimerDeadQueue"


@pytest.mark.parametrize(
    "seen",
    [
        {"status": "refused", "fee_amount": None, "refunded_amount": 0},
        {"status": "executed", "fee_amount": 1, "refunded_amount": 0},
        {"status": "executed", "fee_amount": 13_301, "refunded_amount": 5},
        {},
    ],
)
def test_a_payment_that_went_otherwise_is_noticed(seen: dict[str, Any]) -> None:
    right = {"status": "executed", "fee_amount": 13_301, "refunded_amount": 0}
    assert audit._as_expected(day(played=[Played(AT_THE_CUT_OFF, "p", right)], day=START)) == []
    assert audit._as_expected(day(played=[Played(AT_THE_CUT_OFF, "p", seen)], day=START))
