"""Settlement days: which day a moment belongs to, and when a day is closed.

A day is labelled with the calendar date of its cut-off (seals R13): with a cut-off of 16:30 in
Tehran, 17:00 on the 23rd belongs to the 24th. Holidays never change a label; they only say on which
days settlement runs, so a holiday declared late changes no id.
"""

import datetime as dt
import functools
import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args
from zoneinfo import ZoneInfo

GRACE_S: Final = 20 * 60
"""A day is settled this long after its cut-off: longer than any clock skew let through."""
SKEW_MAX_S: Final = 60
"""Money writers whose clock is further than this from the database's raise (seals R5)."""

WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
HOLD_DAYS_MAX: Final = 30
CLOSED_IN_A_ROW_MAX: Final = 60
MOVED_MAX: Final = dt.timedelta(hours=12)
"""A day is no longer than 36 hours, or 37 when clocks go back: ids count 37.2 (ids.PaymentId)."""
_DAY: Final = dt.timedelta(days=1)

Door = Literal["json", "switch", "sepa", "csv"]
"""How payouts leave: a file each (json), or one file of many (functions/payout_file)."""
DOORS: Final[tuple[Door, ...]] = get_args(Door)


@dataclass(frozen=True, slots=True)
class Profile:
    """How one currency settles from a day on (calendars/profiles.json, docs/flows/settlement.md).

    `closed_weekdays` counts from Monday = 0. `file_until`: a payout file handed over later that day
    is worked on the next business day. `hold_days`: calendar days a day's earnings wait.
    """

    since: dt.date
    cut_off: dt.time
    closed_weekdays: frozenset[int]
    door: Door
    file_until: dt.time
    minimum_payout_minor: int
    hold_days: int
    on_demand: bool

    @classmethod
    def parse(cls, fields: Mapping[str, Any]) -> "Profile":
        """A version as the file has it. Raises ValueError, TypeError or KeyError for any other."""
        made = cls(
            since=dt.date.fromisoformat(fields["since"]),
            cut_off=dt.time.fromisoformat(fields["cut_off"]),
            closed_weekdays=frozenset(WEEKDAYS.index(day) for day in fields["closed_weekdays"]),
            door=fields["door"],
            file_until=dt.time.fromisoformat(fields["file_until"]),
            minimum_payout_minor=fields["minimum_payout"],
            hold_days=fields["hold_days"],
            on_demand=fields["on_demand"],
        )
        whole = (made.minimum_payout_minor, made.hold_days)
        if {type(value) for value in whole} != {int} or type(made.on_demand) is not bool:
            raise TypeError("minimum_payout and hold_days are whole numbers, on_demand is not")
        if made.cut_off.tzinfo or made.file_until.tzinfo:
            raise ValueError("times are those of the currency's zone, and name no other")
        if made.door not in DOORS:
            raise ValueError(f"no door {made.door}")
        if len(made.closed_weekdays) == len(WEEKDAYS):
            raise ValueError("never open")
        if made.minimum_payout_minor < 0 or not 0 <= made.hold_days <= HOLD_DAYS_MAX:
            raise ValueError(f"0 <= minimum_payout, 0 <= hold_days <= {HOLD_DAYS_MAX}")
        if len(fields) != len(cls.__slots__):
            raise ValueError(f"unknown: {sorted(fields.keys() - set(cls.__slots__))}")
        return made


@dataclass(frozen=True, slots=True)
class Currency:
    """A currency's time zone and holiday table, which never change, and its dated profiles."""

    zone: str
    holidays: str  # the name of a file in calendars/
    profiles: tuple[Profile, ...]  # oldest first

    def on(self, day: dt.date) -> Profile:
        """The profile in force on a date."""
        profiles = self.profiles
        at = len(profiles) - 1
        while at and profiles[at].since > day:
            at -= 1
        return profiles[at]


@functools.cache
def currencies() -> dict[str, Currency]:
    """Currencies that can be settled. A payment in any other is refused."""
    found = {}
    for name, fields in _table("profiles").items():
        profiles = tuple(Profile.parse(version) for version in fields["versions"])
        starts = [profile.since for profile in profiles]
        if not starts or sorted(set(starts)) != starts:
            raise ValueError(f"{name}: one version a day, oldest first")
        if any(_later(*two) > MOVED_MAX for two in itertools.pairwise(profiles)):
            raise ValueError(f"{name}: a cut-off moves at most {MOVED_MAX} later at a time")
        found[name] = Currency(fields["zone"], fields["holidays"], profiles)
    return found


def _later(before: Profile, after: Profile) -> dt.timedelta:
    """How much longer than others the first day of a version is."""
    day = after.since
    return dt.datetime.combine(day, after.cut_off) - dt.datetime.combine(day, before.cut_off)


def profile(day: dt.date, currency: str) -> Profile:
    """How a currency settles on a date. Raises KeyError for a currency that does not."""
    return currencies()[currency].on(day)


@functools.cache
def _zone(name: str) -> ZoneInfo:
    """A time zone by the layer's own rules, read where they are: a Lambda host has none."""
    import tzdata  # type: ignore[import-untyped]

    with open(f"{tzdata.__path__[0]}/zoneinfo/{name}", "rb") as file:  # noqa: PTH123 - pathlib costs a start 3 ms
        return ZoneInfo.from_file(file, name)


def local(now: dt.datetime, currency: str) -> dt.datetime:
    """A moment on the clocks of a currency's banks."""
    return now.astimezone(_zone(currencies()[currency].zone))


def label(now: dt.datetime, currency: str) -> dt.date:
    """The settlement day a moment belongs to."""
    there = local(now, currency)
    day = there.date()
    return day + _DAY if there.time() >= profile(day, currency).cut_off else day


def cut_off(day: dt.date, currency: str) -> dt.datetime:
    """The moment a settlement day ends (UTC)."""
    return at(day, profile(day, currency).cut_off, currency)


def at(day: dt.date, time: dt.time, currency: str) -> dt.datetime:
    """A time of day where a currency's banks are, in UTC."""
    there = dt.datetime.combine(day, time, _zone(currencies()[currency].zone))
    return there.astimezone(dt.UTC)


def ms_into(now: dt.datetime, day: dt.date, currency: str) -> int:
    """Milliseconds since the window of `day` opened."""
    opened = cut_off(day - _DAY, currency)
    return max(0, (now - opened) // dt.timedelta(milliseconds=1))


def from_ms(day: dt.date, ms: int, currency: str) -> dt.datetime:
    """The inverse of `ms_into`."""
    return cut_off(day - _DAY, currency) + dt.timedelta(milliseconds=ms)


def settles_at(day: dt.date, currency: str) -> dt.datetime:
    """When a day may be sealed: its cut-off and the grace have passed."""
    return cut_off(day, currency) + dt.timedelta(seconds=GRACE_S)


def closed_through(now: dt.datetime, currency: str) -> dt.date:
    """The last day whose cut-off and grace have passed."""
    return label(now - dt.timedelta(seconds=GRACE_S), currency) - _DAY


@functools.cache
def _table(name: str) -> dict[str, Any]:
    """A file of calendars/; the holidays come from the `holidays` package by a tool."""
    with open(f"{__file__.rpartition('/')[0]}/calendars/{name}.json", encoding="utf-8") as file:  # noqa: PTH123 - pathlib costs a start 3 ms
        found: dict[str, Any] = json.load(file)
    return found


def holiday(day: dt.date, currency: str) -> str | None:
    """The name of the public holiday on a date. Raises LookupError beyond the last known year."""
    if day.year > known_until(currency):
        raise LookupError(f"no holidays of {currency} are known for {day.year}")
    name: str | None = _table(currencies()[currency].holidays)["closed"].get(day.isoformat())
    return name


def known_until(currency: str) -> int:
    """The last year whose holidays are known."""
    return _last_year(currencies()[currency].holidays)


@functools.cache
def _last_year(table: str) -> int:
    return int(max(_table(table)["closed"])[:4])


def is_business_day(
    day: dt.date, currency: str, overrides: Mapping[dt.date, bool] | None = None
) -> bool:
    """Whether money moves between banks on this date; an override (open or not) decides alone."""
    if overrides is not None and day in overrides:
        return overrides[day]
    if day.isoformat() in _table(currencies()[currency].holidays)["open"]:
        return True
    if day.weekday() in profile(day, currency).closed_weekdays:
        return False
    return holiday(day, currency) is None


def next_business_day(
    day: dt.date, currency: str, overrides: Mapping[dt.date, bool] | None = None
) -> dt.date:
    """The first business day after a date. Raises LookupError when none is known in two months."""
    for n in range(1, CLOSED_IN_A_ROW_MAX):
        if is_business_day(day + n * _DAY, currency, overrides):
            return day + n * _DAY
    raise LookupError(f"{currency} stays closed after {day}")


def settlement_day(
    day: dt.date, currency: str, overrides: Mapping[dt.date, bool] | None = None
) -> dt.date:
    """The day with whose end a day is settled: itself, or the first business day after it.

    Raises LookupError when none is known.
    """
    if is_business_day(day, currency, overrides):
        return day
    return next_business_day(day, currency, overrides)


def worked_on(
    now: dt.datetime, currency: str, overrides: Mapping[dt.date, bool] | None = None
) -> dt.date:
    """The business day on which banks work on a file handed over at a moment.

    Raises LookupError when none is known.
    """
    there = local(now, currency)
    today = there.date()
    if there.time() > profile(today, currency).file_until:
        return next_business_day(today, currency, overrides)
    return settlement_day(today, currency, overrides)


def first_open(day: dt.date, closing: dt.date | None) -> dt.date:
    """The first day from `day` on that is not fenced; `closing` is the last fenced (seals R3)."""
    return day if closing is None or closing < day else closing + _DAY


def days(first: dt.date, last: dt.date) -> list[dt.date]:
    """Every date from `first` to `last`, both included; empty when `last` is earlier."""
    return [first + dt.timedelta(n) for n in range((last - first).days + 1)]


def rfc3339(ms: int) -> str:
    """Milliseconds since 1970 as RFC 3339, UTC."""
    return (
        dt.datetime.fromtimestamp(ms / 1000, dt.UTC)
        .isoformat(timespec="milliseconds")
        .replace("+00:00", "Z")
    )
