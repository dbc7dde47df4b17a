"""Settlement days worked out anew, by code that shares nothing with the product's.

Which days are closed comes from the `holidays` package; TARGET's are reckoned from Easter.
Cut-offs, weekends, holds and minimums stand here as a person would write them down.
"""

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo

import holidays

from payvand.merchant import Merchant

FIRST: Final = dt.date(2026, 3, 1)
LAST: Final = dt.date(2027, 3, 31)
"""The year the tests run through."""
DAY: Final = dt.timedelta(1)
MINUTE_MS: Final = 60_000
TICK_MS: Final = 15 * MINUTE_MS
GRACE: Final = dt.timedelta(minutes=20)


@dataclass(frozen=True)
class Rule:
    """How a currency settles from a day on."""

    since: dt.date
    cut_off: dt.time
    weekend: frozenset[int]
    hold_days: int = 0
    minimum: int = 0


def _rule(since: str, cut_off: str, weekend: str, hold_days: int = 0, minimum: int = 0) -> Rule:
    days = frozenset(map(int, weekend))
    return Rule(
        dt.date.fromisoformat(since), dt.time.fromisoformat(cut_off), days, hold_days, minimum
    )


ZONES: Final = {
    "IRR": ZoneInfo("Asia/Tehran"),
    "EUR": ZoneInfo("Europe/Riga"),
    "RUB": ZoneInfo("Europe/Moscow"),
    "TRY": ZoneInfo("Europe/Istanbul"),
}
RULES: Final = {
    "IRR": (
        _rule("2020-01-01", "16:30", "4"),
        _rule("2026-09-01", "15:00", "34"),  # earlier, and Thursdays closed
        _rule("2026-12-05", "18:15", "4"),  # later than ever, Thursdays open again
    ),
    "EUR": (
        _rule("2020-01-01", "16:00", "56"),
        _rule("2026-07-05", "12:00", "56"),  # on a Sunday
        _rule("2026-11-09", "12:00", "56", hold_days=2),
    ),
    "RUB": (
        _rule("2020-01-01", "16:00", "56"),
        _rule("2026-10-12", "20:10", "56"),  # between two ticks
    ),
    "TRY": (
        _rule("2020-01-01", "16:00", "56"),
        _rule("2026-08-03", "11:45", "56", hold_days=1),
        _rule("2027-01-11", "16:00", "56", minimum=3_000_000),
    ),
}
"""The first of each is what the shipped file says; the others are given to the product as dated
versions. Weekdays count from Monday = 0."""
CURRENCIES: Final = tuple(RULES)
FILE_UNTIL: Final = dt.time(15)
"""Banks work on a file of that hour on the same day, but for the rial's."""


def _easter(year: int) -> dt.date:
    """Sunday, by the Gregorian computus (Meeus, Astronomical Algorithms, chapter 8)."""
    a, (b, c) = year % 19, divmod(year, 100)
    d, e = divmod(b, 4)
    g = (8 * b + 13) // 25
    h = (19 * a + b - d - g + 15) % 30
    i, k = divmod(c, 4)
    m = (a + 11 * h) // 319
    r = (2 * e + 2 * i - k - h + m + 32) % 7
    n = (h - m + r + 90) // 25
    return dt.date(year, n, (h - m + r + n + 19) % 32)


@cache
def closings(currency: str) -> tuple[frozenset[dt.date], frozenset[dt.date]]:
    """Holidays, and days of a weekend that are worked."""
    years = range(2026, 2028)
    if currency == "EUR":  # T2's long-term calendar
        fixed = [(1, 1), (5, 1), (12, 25), (12, 26)]
        days = [dt.date(year, *day) for year in years for day in fixed]
        days += [_easter(year) + n * DAY for year in years for n in (-2, 1)]
        return frozenset(days), frozenset()
    code = {"IRR": "IR", "RUB": "RU", "TRY": "TR"}[currency]
    found = holidays.country_holidays(code, years=years)
    return frozenset(found), frozenset(getattr(found, "weekend_workdays", ()))


@dataclass(frozen=True)
class Word:
    """What an operator declares of a date: open, closed, or nothing any more."""

    at_ms: int
    currency: str
    day: dt.date
    is_open: bool | None


@dataclass
class Oracle:
    """Days, and what each must pay."""

    words: list[Word] = field(default_factory=list)

    @staticmethod
    def rule(currency: str, day: dt.date) -> Rule:
        return max((r for r in RULES[currency] if r.since <= day), key=lambda r: r.since)

    def ends_ms(self, currency: str, day: dt.date) -> int:
        """The cut-off of a day."""
        there = dt.datetime.combine(day, self.rule(currency, day).cut_off, ZONES[currency])
        return int(there.timestamp()) * 1000

    def label(self, currency: str, at_ms: int) -> dt.date:
        """The day a moment belongs to: the first that ends after it."""
        day = dt.datetime.fromtimestamp(at_ms / 1000, ZONES[currency]).date() - DAY
        while self.ends_ms(currency, day) <= at_ms:
            day += DAY
        return day

    def is_open(self, currency: str, day: dt.date, at_ms: int | None = None) -> bool:
        """Whether banks work, as is known at a moment (by default, as the calendar says)."""
        words = [w for w in self.words if (w.currency, w.day) == (currency, day)]
        said = [w.is_open for w in words if at_ms is not None and w.at_ms <= at_ms]
        if said and said[-1] is not None:
            return said[-1]
        closed, worked = closings(currency)
        if day in worked:
            return True
        return day not in closed and day.weekday() not in self.rule(currency, day).weekend

    def pays(self, currency: str, day: dt.date) -> bool:
        """Whether a day was open when it was planned, at the first tick, and when it was sealed."""
        ends_ms = self.ends_ms(currency, day)
        planned_ms = -(-ends_ms // TICK_MS) * TICK_MS
        sealed_ms = ends_ms + int(GRACE.total_seconds()) * 1000
        return all(self.is_open(currency, day, at_ms) for at_ms in (planned_ms, sealed_ms))

    def payouts(
        self, shop: Merchant, currency: str, last: dt.date, moved: Mapping[dt.date, int]
    ) -> tuple[list[tuple[dt.date, int]], int]:
        """Every payout there must be, by a walk over the days; and the balance in the end."""
        found, held = [], list[tuple[dt.date, int]]()
        balance = earned = 0
        for day in span(shop.since, last):
            earned += moved.get(day, 0)
            if not self.pays(currency, day):
                continue
            rule = self.rule(currency, day)
            balance += earned
            if earned > 0:
                kept = earned * shop.reserve_basis_points // 10_000
                reserved = max(shop.reserve_days, rule.hold_days)
                held += [(day + reserved * DAY, kept), (day + rule.hold_days * DAY, earned - kept)]
            free = balance - sum(minor for until, minor in held if until > day)
            if free >= max(1, rule.minimum, shop.minimum_payout_minor):
                found.append((day, free))
                balance -= free
            earned = 0
        return found, balance + earned


def span(first: dt.date, last: dt.date) -> list[dt.date]:
    return [first + n * DAY for n in range((last - first).days + 1)]


# ── what operators do ─────────────────────────────────────────────────────────────────────────


def declarations(oracle: Oracle, currency: str) -> Iterator[Word]:
    """A year of holidays that move, that are declared early, late, too late, or taken back."""

    def a_day(after: str, *, is_open: bool) -> dt.date:
        """The first such day from a date on, with both neighbours open if it is open."""
        day = dt.date.fromisoformat(after)
        while not all(
            oracle.is_open(currency, d) is is_open
            for d in ([day - DAY, day, day + DAY] if is_open else [day])
        ):
            day += DAY
        return day

    def word(day: dt.date, is_open: bool | None, minutes: int) -> Word:  # noqa: FBT001
        return Word(oracle.ends_ms(currency, day) + minutes * MINUTE_MS, currency, day, is_open)

    week, hour = -7 * 24 * 60, 60
    yield word(a_day("2026-04-14", is_open=True), is_open=False, minutes=week)
    yield word(a_day("2026-05-09", is_open=False), is_open=True, minutes=week)
    moved = next(d for d in sorted(closings(currency)[0]) if d.isoformat() > "2026-04-20")
    yield word(moved, is_open=True, minutes=week)  # a holiday is kept two days later
    yield word(moved + 2 * DAY, is_open=False, minutes=week)
    yield word(a_day("2026-07-14", is_open=True), is_open=False, minutes=-2)  # before its plan
    yield word(a_day("2026-08-18", is_open=True), is_open=False, minutes=10)  # after its plan
    yield word(a_day("2026-09-15", is_open=True), is_open=False, minutes=18)  # before its seals
    yield word(a_day("2026-10-20", is_open=True), is_open=False, minutes=hour)  # after them
    yield word(a_day("2026-11-07", is_open=False), is_open=True, minutes=hour)  # too late to pay
    forgotten = a_day("2026-11-17", is_open=True)
    yield word(forgotten, is_open=False, minutes=week)
    yield word(forgotten, is_open=None, minutes=-3 * hour)
    again = a_day("2026-12-07", is_open=True)
    yield word(again, is_open=None, minutes=week)
    yield word(again, is_open=False, minutes=week + 5)
    strike = a_day("2027-02-01", is_open=True)
    for day in span(strike, strike + 8 * DAY):
        yield replace(word(day, is_open=False, minutes=0), at_ms=word(strike, None, week).at_ms)


def declared() -> list[Word]:
    """All that is declared in the year, in every currency."""
    oracle = Oracle()
    return [word for currency in CURRENCIES for word in declarations(oracle, currency)]
