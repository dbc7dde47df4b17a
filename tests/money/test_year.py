"""A year of settlement days, 2026-03 to 2027-03, in every currency at once.

The product's own handlers run through it (tests/support/year.py), with holidays declared in time
and too late, and with cut-offs, weekends, holds and minimums that change by dated profiles. What
should have been paid on which day is worked out anew (tests/support/days.py).
"""

import datetime as dt
import itertools
from collections import Counter
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, Final

import pytest

from functions.payout_file.assemble import due
from functions.settle import close
from functions.settle import handler as settle
from payvand import calendar, settlement
from payvand.edge.wiring import Wiring
from payvand.ids import PaymentId
from payvand.store import clock
from payvand.store.payout_files import Lane
from payvand.store.settlements import Settlements
from tests.support.days import (
    CURRENCIES,
    DAY,
    FILE_UNTIL,
    FIRST,
    LAST,
    MINUTE_MS,
    TICK_MS,
    ZONES,
    Oracle,
    Word,
    declared,
    span,
)
from tests.support.year import PLAIN, Year, play

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("year")]


@pytest.fixture(scope="module")
def year() -> Year:
    return play(FIRST, LAST, declared())


# ── what must be true ─────────────────────────────────────────────────────────────────────────


def payouts_are_right(year: Year, currency: str) -> None:
    """Every day that must pay pays just that, no other day pays, and the rest is the balance."""
    for shop, book in year.books(currency):
        expected, balance = year.oracle.payouts(shop, currency, year.last, year.by_day(book))
        paid = [(seal.through, seal.payout_minor) for seal in year.seals[book] if seal.parts]
        assert paid == expected, f"{book.key} was paid on other days, or other amounts"
        assert year.seals[book][-1].closing_minor == balance
        moved = sum(minor for day, minor in year.by_day(book).items() if day <= year.last)
        assert sum(amount for _, amount in paid) + balance == moved, "money came or went"


def orders_leave_on_open_days(year: Year, currency: str) -> None:
    """A seal that pays is made in its own day, after the grace; its order leaves at once."""
    assert not year.twice
    for _, book in year.books(currency):
        for seal in (seal for seal in year.seals[book] if seal.parts):
            made_ms = year.sealed_ms[book, seal.n]
            made = dt.datetime.fromtimestamp(made_ms / 1000, ZONES[currency])
            assert year.oracle.is_open(currency, made.date(), made_ms), f"{made} is closed"
            assert made.date() == seal.through
            assert made_ms == year.oracle.ends_ms(currency, seal.through) + 20 * MINUTE_MS
            if year.single[currency]:
                assert [year.orders[seal.transfer(n)] for n in range(len(seal.parts))] == [made_ms]


def lines_are_in_one_seal_each(year: Year, currency: str) -> None:
    """Each payment, refund and return is one line of one seal, in the day it belongs to."""
    oracle = year.oracle
    for _, book in year.books(currency):
        chain = year.seals[book]
        for seal, before in itertools.pairwise([*chain[::-1], None]):
            assert seal is not None
            assert seal.first == (before.through + DAY if before else year.first)
        lines = year.lines[book]
        assert max(Counter(line.id for line in lines).values()) == 1
        booked = {line.id.removeprefix("x:"): line for line in lines}
        paid = [p for p in year.payments if p.id.book == book]
        wanted = 0
        for one in paid:
            if oracle.label(currency, one.booked_ms) <= year.last:
                wanted += 1
                assert one.id.text in booked, "a payment was forgotten"
                line = booked[one.id.text]
                assert line.day == oracle.label(currency, one.booked_ms)
                assert line.id.startswith("x:") is (line.day != one.id.day)
                assert line.legs["payable:merchant"] == -one.net
        others = [at_ms for one in paid for at_ms, _ in one.refunds]
        others += [at_ms for at_ms, _ in year.returned[book]]
        wanted += sum(oracle.label(currency, at_ms) <= year.last for at_ms in others)
        assert len(lines) == wanted, "a line nobody knows, or one that is missing"


def ids_say_the_day(year: Year, currency: str) -> None:
    """A payment's id holds the date of the cut-off after it, holiday or not."""
    for text, made_ms in year.made.items():
        id = PaymentId.parse(text)
        if id.book.currency == currency:
            assert id.day == year.oracle.label(currency, made_ms)
            assert id.ms == made_ms - year.oracle.ends_ms(currency, id.day - DAY)


type Check = Callable[[Year, str], None]
CHECKS: Final[tuple[Check, ...]] = (
    payouts_are_right,
    orders_leave_on_open_days,
    lines_are_in_one_seal_each,
    ids_say_the_day,
)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("currency", CURRENCIES)
def test_a_year(year: Year, currency: str, check: Check) -> None:
    check(year, currency)


@pytest.mark.parametrize("currency", CURRENCIES)
def test_the_year_had_what_it_is_about(year: Year, currency: str) -> None:
    oracle = year.oracle
    days = span(FIRST, LAST)
    paying = {day for day in days if oracle.pays(currency, day)}
    by_the_calendar = {day for day in days if oracle.is_open(currency, day)}
    assert len(by_the_calendar - paying) >= 10, "closed by an operator"
    assert len(paying - by_the_calendar) == 2, "opened by an operator"
    late = [w for w in oracle.words if w.currency == currency]
    late = [w for w in late if oracle.ends_ms(currency, w.day) < w.at_ms]
    assert [oracle.pays(currency, w.day) for w in late] == [False, False, True, False]
    assert any(
        line.id.startswith("x:") for _, book in year.books(currency) for line in year.lines[book]
    )
    (_, plain), (_, reserved), (_, refunding) = year.books(currency)
    assert {seal.payout_minor > 0 for seal in year.seals[reserved]} == {True, False}
    assert any(s.payout_minor and not s.count for s in year.seals[reserved]), "freed by itself"
    assert any(seal.closing_minor < 0 for seal in year.seals[refunding]), "a debt was carried"
    assert any(line.id.startswith("x:") for line in year.lines[plain]), "booked on a later day"
    paid_days = {seal.through for seal in year.seals[plain] if seal.parts}
    assert len(paid_days) >= len(paying) * 3 // 4
    if currency in {"IRR", "RUB"} and year.single[currency]:
        assert year.returned[plain], "a payout came back"


@pytest.mark.parametrize(
    ("currency", "closed", "then"),
    [
        ("IRR", ("2026-03-20", "2026-03-24"), "2026-03-25"),  # Nowruz, from a Friday on
        ("IRR", ("2027-03-19", "2027-03-24"), "2027-03-25"),
        ("EUR", ("2026-04-03", "2026-04-06"), "2026-04-07"),  # Good Friday to Easter Monday
        ("EUR", ("2026-12-25", "2026-12-27"), "2026-12-28"),
        ("EUR", ("2027-01-01", "2027-01-03"), "2027-01-04"),
        ("RUB", ("2027-01-01", "2027-01-10"), "2027-01-11"),
        ("TRY", ("2026-10-29", "2026-10-29"), "2026-10-30"),
    ],
)
def test_a_row_of_holidays(year: Year, currency: str, closed: tuple[str, str], then: str) -> None:
    """Named by hand: nothing leaves in it, and all of it leaves on the day after."""
    first, last = map(dt.date.fromisoformat, closed)
    _, book = year.books(currency)[0]
    paid = [seal for seal in year.seals[book] if seal.parts]
    assert not [seal for seal in paid if first <= seal.through <= last]
    (after,) = [seal for seal in paid if seal.through == dt.date.fromisoformat(then)]
    assert after.first <= first
    moved = set(span(first, last)) & year.by_day(book).keys()
    assert moved
    assert {line.day for line in year.lines[book]} >= moved


def test_no_id_knows_a_holiday() -> None:
    """The same people on the same days, once with other holidays: the same ids, another payday."""
    first, last = FIRST, dt.date(2026, 3, 31)
    others = [
        Word(Oracle().ends_ms(currency, first), currency, dt.date(2026, 3, day), is_open)
        for currency in CURRENCIES
        for day, is_open in [(8, True), (9, False), (10, False), (21, True), (22, True)]
    ]
    usual, moved = play(first, last, ()), play(first, last, others)
    assert usual.made == moved.made
    for shop in usual.shops:
        for book in shop.books:
            lines = [[(x.id, x.day) for x in y.lines[book]] for y in (usual, moved)]
            one, other = (sorted(x for x in some if not x[0].startswith("r:")) for some in lines)
            assert one == other, "but for what came back from payouts"
            if shop.id == PLAIN:
                days = [{s.through for s in y.seals[book] if s.parts} for y in (usual, moved)]
                assert days[0] != days[1]


@pytest.mark.parametrize("currency", [c for c in CURRENCIES if c != "IRR"])
def test_payouts_are_in_the_first_file_the_bank_can_work_on(year: Year, currency: str) -> None:
    """Asked at every tick after a payout was made, as the schedule of payout files does."""
    oracle, zone = year.oracle, ZONES[currency]
    lane = Lane("live", currency, "csv")

    def declared_at(at_ms: int) -> dict[dt.date, bool]:
        known = {
            w.day: w.is_open for w in oracle.words if w.currency == currency and w.at_ms <= at_ms
        }
        return {day: is_open for day, is_open in known.items() if is_open is not None}

    for (book, _), made_ms in year.sealed_ms.items():
        if book != year.books(currency)[0][1]:
            continue
        date, tick_ms = None, made_ms
        while date is None:
            tick_ms = (tick_ms // TICK_MS + 1) * TICK_MS
            settlements = SimpleNamespace(overrides=lambda _, at_ms=tick_ms: declared_at(at_ms))
            live: Any = SimpleNamespace(settlements=settlements)
            date = due(live, lane, clock.Moment(tick_ms, "live"), made_ms)
        now = dt.datetime.fromtimestamp(tick_ms / 1000, zone)
        days = span(now.date(), now.date() + 40 * DAY)
        hours = {day: dt.datetime.combine(day, FILE_UNTIL, zone) for day in days}
        reached = (
            day for day in days if oracle.is_open(currency, day, tick_ms) and now <= hours[day]
        )
        assert date == next(reached), "worked on as soon as banks can"
        eve = dt.datetime.combine(date - DAY, dt.time(), zone)
        made = dt.datetime.fromtimestamp(made_ms / 1000, zone)
        assert now <= max(made + dt.timedelta(minutes=45), eve), "and not kept longer than it must"


# ── each rule, broken ─────────────────────────────────────────────────────────────────────────

AUTUMN: Final = (dt.date(2026, 8, 15), dt.date(2026, 9, 21))
"""The days with the rial's new cut-off and weekend, and with what is declared late."""


def _on_business_days_only(now: dt.datetime, currency: str) -> dt.date:
    """A label that a holiday moves."""
    day = Oracle().label(currency, int(now.timestamp() * 1000))
    while not calendar.is_business_day(day, currency):
        day += DAY
    return day


def _planned_only() -> Callable[..., bool]:
    """What was open when it was planned stays open, whatever is declared afterwards."""
    asked, known = settle._is_open, dict[tuple[dt.date, str], bool]()

    def is_open(live: Wiring, day: dt.date, currency: str) -> bool:
        return known.setdefault((day, currency), asked(live, day, currency))

    return is_open


def _always(*_: object) -> bool:
    return True


def _no_overrides(*_: object) -> dict[dt.date, bool]:
    return {}


def _first_profile(self: calendar.Currency, _: dt.date) -> calendar.Profile:
    return self.profiles[0]


def _last_day_alone(first: dt.date, last: dt.date) -> list[dt.date]:
    return [last] if first <= last else []


def _one_day_again(first: dt.date, last: dt.date) -> list[dt.date]:
    return span(first - DAY, last) if first <= last else []


def _unknown(*_: object) -> None:
    return None


def _nothing(*_: object) -> tuple[()]:
    return ()


def _never(*_: object) -> bool:
    return False


BROKEN: Final[dict[str, tuple[object, str, Callable[..., Any], tuple[Check, ...]]]] = {
    "closed days pay": (
        calendar, "is_business_day", _always, (payouts_are_right, orders_leave_on_open_days)
    ),
    "operators are not heard": (
        Settlements, "overrides", _no_overrides, (payouts_are_right, orders_leave_on_open_days)
    ),
    "holidays are not known": (
        calendar, "holiday", _unknown, (payouts_are_right, orders_leave_on_open_days)
    ),
    "late holidays are paid": (
        settle, "_is_open", _planned_only(), (payouts_are_right, orders_leave_on_open_days)
    ),
    "a holiday moves the label": (
        clock, "label", _on_business_days_only, (ids_say_the_day, lines_are_in_one_seal_each)
    ),
    "profiles have no dates": (
        calendar.Currency, "on", _first_profile, (ids_say_the_day, payouts_are_right)
    ),
    "closed days are left out": (
        calendar, "days", _last_day_alone, (lines_are_in_one_seal_each, payouts_are_right)
    ),
    "a day is sealed twice": (
        calendar, "days", _one_day_again, (lines_are_in_one_seal_each, payouts_are_right)
    ),
    "nothing is held": (settlement, "_withheld", _nothing, (payouts_are_right,)),
    "what comes free waits": (close, "payable", _never, (payouts_are_right,)),
}  # fmt: skip


def test_the_autumn_is_right() -> None:
    autumn = play(*AUTUMN, declared())
    for check, currency in itertools.product(CHECKS, CURRENCIES):
        check(autumn, currency)


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_rule_is_seen(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    where, what, instead, checks = BROKEN[name]
    monkeypatch.setattr(where, what, instead)
    autumn = play(*AUTUMN, declared())
    for check in checks:
        with pytest.raises(AssertionError):  # noqa: PT012 - in one currency at least
            for currency in CURRENCIES:
                check(autumn, currency)
