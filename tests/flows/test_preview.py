"""What the next seal would pay: equal to the seal then made, for any merchant and any days."""

import dataclasses
import datetime as dt
import itertools
import json
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from payvand import calendar, ledger
from payvand.fee import FeePlan
from payvand.ids import Book, PaymentId, merchant_id
from payvand.payment import (
    AttemptRecord,
    Payment,
    Refund,
    RefundState,
    Status,
    execution,
)
from payvand.settlement import Seal
from payvand_cli.seed import iban
from tests.support.merchant import paid, refund
from tests.support.world import IBAN, MERCHANT, OTHER, START, World

BOOK: Final = Book(MERCHANT, "test", "IRR")
SECOND: Final = iban("0540000000" + "123456789011")
THIRD: Final = iban("0120000000" + "000000000777")


def preview(world: World, key: str, currency: str = "IRR") -> dict[str, Any]:
    got = world.call("GET", f"/settlement/preview?currency={currency}", key=key)
    assert got.status == 200, got.text
    found: dict[str, Any] = got.json()
    assert found["closing_balance"] == found["opening_balance"] + found["earned"] - found["payout"]
    assert found["earned"] == sum(one["amount"] for one in found["movements"])
    assert found["held"] == sum(one["amount"] for one in found["holds"])
    assert found["payout"] == sum(one["amount"] for one in found["parts"])
    assert bool(found["reasons"]) == (found["payout"] == 0)
    return found


def as_sealed(seal: Seal) -> dict[str, Any]:
    """What a preview must have said."""
    return {
        "first_day": seal.first.isoformat(),
        "through": seal.through.isoformat(),
        "opening_balance": seal.opening_minor,
        "earned": ledger.owed(seal.sums),
        "held": seal.held_minor,
        "payout": seal.payout_minor,
        "wage": seal.wage_minor,
        "closing_balance": seal.closing_minor,
        "parts": [{"iban_last4": p.iban_last4, "amount": p.amount_minor} for p in seal.parts],
    }


def said(found: dict[str, Any]) -> dict[str, Any]:
    """The same of a preview."""
    others = ("currency", "at", "settles_at", "movements", "holds", "hold_days", "on_demand")
    terms = ("reserve_basis_points", "reserve_days", "minimum_payout", "reasons")
    return {name: value for name, value in found.items() if name not in {*others, *terms}}


def test_a_day_with_a_payment_and_a_refund(world: World, key: str) -> None:
    one = paid(world, key)
    refund(world, key, one["id"], amount=50_000)
    found = preview(world, key)
    assert found["movements"] == [
        {"kind": "payment", "count": 1, "amount": 247_500},
        {"kind": "refund", "count": 1, "amount": -50_000},
    ]
    assert (found["payout"], found["reasons"], found["holds"]) == (197_500, [], [])
    assert found["parts"] == [{"iban_last4": IBAN[-4:], "amount": 197_500}]
    assert (found["first_day"], found["through"]) == ("2026-05-03", "2026-05-04")
    assert found["settles_at"] == "2026-05-04T13:20:00.000Z"
    assert found["on_demand"] is True
    world.until_closed()
    world.settle()
    (seal,) = world.seals(BOOK)
    assert said(found) == as_sealed(seal)


def test_in_the_grace_the_day_that_ended_is_still_meant(world: World, key: str) -> None:
    paid(world, key)
    world.now = calendar.settles_at(dt.date(2026, 5, 4), "IRR") - dt.timedelta(seconds=1)
    assert preview(world, key)["through"] == "2026-05-04"
    world.later(seconds=1)
    assert preview(world, key)["through"] == "2026-05-05"


def test_days_on_which_banks_rest_come_with_the_next(world: World, key: str) -> None:
    world.now = dt.datetime(2026, 5, 8, 8, 30, tzinfo=dt.UTC)  # Friday
    assert preview(world, key)["through"] == "2026-05-09"
    world.live.settlements.override("IRR", dt.date(2026, 5, 8), is_open=True, why="eve of a feast")
    world.live.settlements._overrides.clear()
    assert preview(world, key)["through"] == "2026-05-08"


def test_why_nothing_would_be_paid(world: World) -> None:
    key = world.add_merchant(minimum_payout_minor=300_000)["test"]
    assert preview(world, key)["reasons"] == ["nothing_owed"]
    payment = paid(world, key)
    assert preview(world, key)["reasons"] == ["below_minimum"]
    refund(world, key, payment["id"])
    assert preview(world, key)["reasons"] == ["nothing_owed"]
    other = world.add_merchant(OTHER, payees=())["test"]
    assert preview(world, other)["reasons"] == ["no_account", "nothing_owed"]
    paid(world, other)
    assert preview(world, other)["reasons"] == ["no_account"]


def test_a_debt_that_was_carried(world: World, key: str) -> None:
    payment = paid(world, key)
    world.until_closed()
    world.settle()
    refund(world, key, payment["id"])
    found = preview(world, key)
    assert (found["opening_balance"], found["payout"]) == (0, 0)
    assert (found["closing_balance"], found["reasons"]) == (-250_000, ["nothing_owed"])


def test_a_calendar_that_ends(world: World, key: str) -> None:
    world.now = dt.datetime(2062, 5, 4, 8, 30, tzinfo=dt.UTC)
    world.add_merchant(since=dt.date(2062, 5, 4))
    world.live.merchants._kept.clear()
    got = world.call("GET", "/settlement/preview", key=key)
    assert (got.status, got.json()["code"]) == (409, "calendar_unknown")


# ── any merchant, any days ────────────────────────────────────────────────────────────────────

NUMBERS: Final = itertools.count(50_000)
type Happening = tuple[int, int]
"""A payment of this amount, and how many hundredths of it are given back at once."""

HAPPENINGS: Final = st.lists(
    st.tuples(st.integers(1_000, 9_000_000), st.sampled_from([0, 0, 30, 100])), max_size=3
)
TERMS: Final = st.fixed_dictionaries(
    {
        "minimum_payout_minor": st.sampled_from([0, 500_000, 3_000_000]),
        "reserve_basis_points": st.sampled_from([0, 500, 10_000]),
        "reserve_days": st.sampled_from([0, 1, 3]),
        "shards": st.sampled_from([1, 3]),
    }
)
PAYEES: Final = st.sampled_from(
    [(), ({},), ({}, {"amount_minor": 300_000}, {"basis_points": 2_500})]
)


def book(world: World, mine: Book, shards: int, happening: Happening) -> None:
    """A payment executed now, by the store's own writes, and its refund."""
    amount, hundredths = happening
    world.later(seconds=1)
    n, day = int(world.now.timestamp()), calendar.label(world.now, "IRR")
    at_ms = n * 1_000
    id = PaymentId.mint(
        mine, day, calendar.ms_into(world.now, day, "IRR"), n % shards, n.to_bytes(6)
    )
    payment = Payment(
        id=id,
        status=Status.REDIRECTED,
        amount_minor=amount,
        reference=str(n),
        return_url="https://shop.example",
        expires_at_ms=at_ms,
        fee_plan=FeePlan(),
        attempts=(AttemptRecord("zarinpal", "S" + "0" * 35, at_ms),),
        rev=1,
    )
    store = world.books[0]
    store.create(payment)
    booked = execution(payment, 0, f"r{n}", None, at_ms=at_ms, day=day)
    store.confirm(payment, booked, unique=False)
    if back := amount * hundredths // 100:
        made = Refund("k", f"rfd_{n}", back, day, at_ms, RefundState.DONE, done_at_ms=at_ms)
        store.begin_refund(payment.executed(booked), made, ledger.refunded("zarinpal", back))


@given(
    days=st.lists(HAPPENINGS, min_size=1, max_size=6),
    terms=TERMS,
    payees=PAYEES,
    hold_days=st.sampled_from([0, 1, 2]),
)
@example(  # earnings that wait, a reserve that waits longer, three accounts, a day of rest
    days=[[(9_000_000, 0)], [], [(4_000_000, 30)], [(700_000, 100)], [(5_000, 0)], [(2_000, 0)]],
    terms={
        "minimum_payout_minor": 500_000,
        "reserve_basis_points": 500,
        "reserve_days": 3,
        "shards": 3,
    },
    payees=({}, {"amount_minor": 300_000}, {"basis_points": 2_500}),
    hold_days=1,
)
@settings(
    max_examples=5,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
def test_a_preview_just_before_the_cut_off_is_the_seal_then_made(
    world: World,
    days: list[list[Happening]],
    terms: dict[str, Any],
    payees: tuple[dict[str, Any], ...],
    hold_days: int,
) -> None:
    """Each example has a merchant of its own, from the same Monday on."""
    mine = Book(merchant_id(next(NUMBERS)), "test", "IRR")
    profiles = calendar.currencies()["IRR"]
    held = dataclasses.replace(profiles.profiles[0], hold_days=hold_days)
    waiting = dataclasses.replace(profiles, profiles=(held,))
    accounts = tuple(
        world.payee(account, mine.merchant_id, **split)
        for account, split in zip((IBAN, SECOND, THIRD), payees, strict=False)
    )
    key = world.add_merchant(mine.merchant_id, payees=accounts, **terms)["test"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(calendar.currencies(), "IRR", waiting)
        for ahead, happenings in enumerate(days):
            day = START.date() + dt.timedelta(ahead)
            world.now = START + dt.timedelta(ahead)
            for happening in happenings:
                book(world, mine, terms["shards"], happening)
            world.now = calendar.cut_off(day, "IRR") - dt.timedelta(milliseconds=1)
            found, before = preview(world, key), world.seals(mine)
            if not calendar.is_business_day(day, "IRR"):
                assert found["through"] > day.isoformat()
                continue
            world.until_closed(day)
            world.put_message("SettleQueue", json.dumps({"book": mine.key}), 0)
            world.deliver("SettleQueue")
            after = world.seals(mine)
            if after == before:  # nothing happened: no seal was needed
                assert (found["payout"], found["movements"]) == (0, [])
            else:
                assert said(found) == as_sealed(after[-1])
