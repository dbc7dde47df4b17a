"""Settlement days: which day a moment belongs to, and when a day is closed.

A day is labelled with the calendar date of its cut-off (seals R13): with a cut-off of 16:30 in
Tehran, 17:00 on the 23rd belongs to the 24th. Holidays never change a label; they only say on which
days settlement runs, so a holiday declared late changes no id.
"""

import datetime as dt
import functools
import json
from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo

GRACE_S: Final = 20 * 60
"""A day is settled this long after its cut-off: longer than any clock skew let through."""
SKEW_MAX_S: Final = 60
"""Money writers whose clock is further than this from the database's raise (seals R5)."""

FRIDAY: Final = 4
_DAY: Final = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Profile:
    """How one currency settles."""

    currency: str
    zone: str
    cut_off: dt.time
    closed_weekdays: frozenset[int]  # Monday is 0
    holidays: str  # the name of a file in calendars/


PROFILES: Final[dict[str, Profile]] = {
    # Only Friday is closed for settlement in Iran; Thursday is a short but open bank day.
    "IRR": Profile("IRR", "Asia/Tehran", dt.time(16, 30), frozenset({FRIDAY}), "IR"),
}
"""Currencies that can be settled. A payment in any other is refused."""


@functools.cache
def _zone(name: str) -> ZoneInfo:
    """A time zone by the layer's own rules, read where they are: a Lambda host has none."""
    import tzdata  # type: ignore[import-untyped]

    with open(f"{tzdata.__path__[0]}/zoneinfo/{name}", "rb") as file:  # noqa: PTH123 - pathlib costs a start 3 ms
        return ZoneInfo.from_file(file, name)


def label(now: dt.datetime, currency: str) -> dt.date:
    """The settlement day a moment belongs to."""
    profile = PROFILES[currency]
    local = now.astimezone(_zone(profile.zone))
    return local.date() + _DAY if local.time() >= profile.cut_off else local.date()


def cut_off(day: dt.date, currency: str) -> dt.datetime:
    """The moment a settlement day ends (UTC)."""
    profile = PROFILES[currency]
    local = dt.datetime.combine(day, profile.cut_off, _zone(profile.zone))
    return local.astimezone(dt.UTC)


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
def _holidays(name: str) -> dict[str, str]:
    """Dated names of public holidays, from the `holidays` package by tools/holidays_table.py."""
    from pathlib import Path

    text = (Path(__file__).parent / "calendars" / f"{name}.json").read_text(encoding="utf-8")
    names: dict[str, str] = json.loads(text)
    return names


def is_business_day(day: dt.date, currency: str) -> bool:
    """Whether money moves between banks on this date."""
    profile = PROFILES[currency]
    return day.weekday() not in profile.closed_weekdays and day.isoformat() not in _holidays(
        profile.holidays
    )


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
