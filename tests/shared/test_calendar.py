"""Settlement days: the label of a moment, the moment of a cut-off, and the days banks work."""

import datetime as dt
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payvand import calendar
from payvand.money import CURRENCIES
from tests.shared.samples import days, moments

TEHRAN = ZoneInfo("Asia/Tehran")
DAY = dt.timedelta(1)
MS = dt.timedelta(milliseconds=1)
ROOT = Path(__file__).parents[2]
CALENDARS = Path(calendar.__file__).parent / "calendars"


def tehran(*fields: int) -> dt.datetime:
    return dt.datetime(*fields, tzinfo=TEHRAN)  # type: ignore[misc,arg-type]


@pytest.mark.parametrize(
    ("now", "label"),
    [
        (tehran(2026, 5, 4, 16, 29, 59, 999_000), dt.date(2026, 5, 4)),
        (tehran(2026, 5, 4, 16, 29, 59, 999_999), dt.date(2026, 5, 4)),
        (tehran(2026, 5, 4, 16, 30), dt.date(2026, 5, 5)),
        (tehran(2026, 5, 4, 0, 0), dt.date(2026, 5, 4)),
        (tehran(2026, 5, 4, 23, 59, 59), dt.date(2026, 5, 5)),
        (tehran(2026, 12, 31, 16, 30), dt.date(2027, 1, 1)),
    ],
)
def test_a_day_ends_at_half_past_four_in_tehran(now: dt.datetime, label: dt.date) -> None:
    assert calendar.label(now, "IRR") == label
    assert calendar.label(now.astimezone(dt.UTC), "IRR") == label


def test_a_cut_off_in_utc() -> None:
    assert calendar.cut_off(dt.date(2026, 5, 4), "IRR") == dt.datetime(
        2026, 5, 4, 13, 0, tzinfo=dt.UTC
    )


def test_a_day_of_the_time_when_tehran_had_summer_time() -> None:
    """Ids reach back to 2020; the clock changed at midnight, never near a cut-off."""
    assert calendar.cut_off(dt.date(2021, 7, 1), "IRR").hour == 12
    for day in (dt.date(2021, 3, 22), dt.date(2021, 9, 22)):
        window = calendar.cut_off(day, "IRR") - calendar.cut_off(day - DAY, "IRR")
        assert window in {dt.timedelta(hours=23), dt.timedelta(hours=25)}
        assert window // MS < 1 << 27


@given(moments)
def test_a_moment_lies_between_the_cut_offs_of_its_label(now: dt.datetime) -> None:
    label = calendar.label(now, "IRR")
    assert calendar.cut_off(label - DAY, "IRR") <= now < calendar.cut_off(label, "IRR")


@given(days)
def test_labels_change_at_the_cut_off_and_at_no_other_moment(day: dt.date) -> None:
    end = calendar.cut_off(day, "IRR")
    assert calendar.label(end - MS, "IRR") == day
    assert calendar.label(end, "IRR") == day + DAY


@given(moments)
def test_milliseconds_into_a_day_name_the_moment(now: dt.datetime) -> None:
    label = calendar.label(now, "IRR")
    ms = calendar.ms_into(now, label, "IRR")
    assert 0 <= ms < 1 << 27
    back = calendar.from_ms(label, ms, "IRR")
    assert back == now.replace(microsecond=now.microsecond // 1000 * 1000)
    assert calendar.ms_into(back, label, "IRR") == ms


@given(days, st.integers(0, 86_399_999))
def test_every_millisecond_is_read_back(day: dt.date, ms: int) -> None:
    assert calendar.ms_into(calendar.from_ms(day, ms, "IRR"), day, "IRR") == ms


@given(days)
def test_nothing_is_earlier_than_the_opening_of_its_window(day: dt.date) -> None:
    before = calendar.cut_off(day - DAY, "IRR") - dt.timedelta(hours=3)
    assert calendar.ms_into(before, day, "IRR") == 0


@given(moments)
def test_the_last_closed_day_is_over_by_the_grace_and_the_next_is_not(now: dt.datetime) -> None:
    closed = calendar.closed_through(now, "IRR")
    assert closed < calendar.label(now, "IRR")
    assert calendar.settles_at(closed, "IRR") <= now < calendar.settles_at(closed + DAY, "IRR")


@pytest.mark.parametrize(
    ("now", "closed"),
    [
        (tehran(2026, 5, 4, 16, 29), dt.date(2026, 5, 3)),
        (tehran(2026, 5, 4, 16, 49, 59, 999_999), dt.date(2026, 5, 3)),
        (tehran(2026, 5, 4, 16, 50), dt.date(2026, 5, 4)),
    ],
)
def test_a_day_may_be_sealed_twenty_minutes_after_its_cut_off(
    now: dt.datetime, closed: dt.date
) -> None:
    assert calendar.closed_through(now, "IRR") == closed


def test_the_grace_is_longer_than_any_skew_let_through() -> None:
    assert calendar.GRACE_S > 2 * calendar.SKEW_MAX_S


@given(days)
def test_fridays_are_closed(day: dt.date) -> None:
    if day.strftime("%A") == "Friday":
        assert not calendar.is_business_day(day, "IRR")


@pytest.mark.parametrize(
    ("day", "works"),
    [
        (dt.date(2026, 5, 7), True),  # a Thursday
        (dt.date(2026, 5, 8), False),  # a Friday
        (dt.date(2026, 5, 9), True),  # a Saturday
        (dt.date(2026, 5, 10), True),  # a Sunday
        (dt.date(2026, 3, 21), False),  # Nowruz
        (dt.date(2026, 3, 20), False),
        (dt.date(2027, 2, 11), False),  # 22 Bahman
    ],
)
def test_days_banks_work(day: dt.date, works: bool) -> None:  # noqa: FBT001
    assert calendar.is_business_day(day, "IRR") is works


def test_every_thursday_that_is_no_holiday_is_open() -> None:
    table = json.loads((Path(calendar.__file__).parent / "calendars/IR.json").read_text())
    holidays = table["closed"]
    thursdays = [
        d for d in calendar.days(dt.date(2025, 1, 1), dt.date(2029, 12, 31)) if d.weekday() == 3
    ]
    assert len(thursdays) > 250
    for day in thursdays:
        assert calendar.is_business_day(day, "IRR") is (day.isoformat() not in holidays)


def test_a_holiday_changes_no_label() -> None:
    assert calendar.label(tehran(2026, 3, 21, 12), "IRR") == dt.date(2026, 3, 21)


def test_the_layer_carries_the_holidays_package_s_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(ROOT / "tools"), *sys.path])
    import holidays_table  # type: ignore[import-not-found,unused-ignore]

    for name in holidays_table.NAMES:
        stored = json.loads((holidays_table.FOLDER / f"{name}.json").read_text(encoding="utf-8"))
        assert stored == holidays_table.table(name)
        assert {int(day[:4]) for day in stored["closed"]} == set(holidays_table.YEARS)


def test_every_currency_there_is_settles() -> None:
    assert calendar.currencies().keys() == set(CURRENCIES)
    with pytest.raises(KeyError):
        calendar.label(tehran(2026, 5, 4, 12), "USD")


def test_beyond_the_last_known_year_nobody_guesses() -> None:
    last = max(json.loads((CALENDARS / "ECB.json").read_text())["closed"])
    after = dt.date.fromisoformat(last) + dt.timedelta(10)
    while after.weekday() > 4:
        after += DAY
    with pytest.raises(LookupError):
        calendar.is_business_day(after, "EUR")


@pytest.mark.parametrize(
    ("currency", "day", "works"),
    [
        ("EUR", dt.date(2026, 4, 3), False),  # Good Friday
        ("EUR", dt.date(2026, 4, 6), False),  # Easter Monday
        ("EUR", dt.date(2026, 11, 18), True),  # Latvia's own holiday: TARGET is open
        ("EUR", dt.date(2026, 5, 2), False),  # a Saturday
        ("RUB", dt.date(2026, 1, 9), False),  # a day off for 3 January
        ("RUB", dt.date(2027, 2, 20), True),  # a Saturday that is worked
        ("TRY", dt.date(2026, 10, 29), False),
        ("TRY", dt.date(2026, 10, 30), True),
    ],
)
def test_days_banks_work_elsewhere(currency: str, day: dt.date, works: bool) -> None:  # noqa: FBT001
    assert calendar.is_business_day(day, currency) is works


def test_an_operator_s_word_stands_above_the_calendar() -> None:
    friday, monday = dt.date(2026, 5, 8), dt.date(2026, 5, 4)
    said = {friday: True, monday: False}
    assert calendar.is_business_day(friday, "IRR", said)
    assert not calendar.is_business_day(monday, "IRR", said)
    assert calendar.next_business_day(monday - DAY, "IRR", said) == monday + DAY
    closed = {monday + DAY * n: False for n in range(100)}
    with pytest.raises(LookupError):
        calendar.next_business_day(monday, "IRR", closed)


# ── dated profiles ────────────────────────────────────────────────────────────────────────────

VERSION = {
    "since": "2020-01-01", "cut_off": "16:30", "closed_weekdays": ["friday"], "door": "json",
    "file_until": "08:30", "minimum_payout": 0, "hold_days": 0, "on_demand": True,
}  # fmt: skip


@pytest.fixture
def versions(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Give the rial these changes of its first profile, each from its day on."""

    def give(*changes: dict[str, Any]) -> None:
        made = tuple(calendar.Profile.parse(VERSION | change) for change in ({}, *changes))
        rial = replace(calendar.currencies()["IRR"], profiles=made)
        monkeypatch.setattr(calendar, "currencies", lambda: {"IRR": rial})

    return give


@pytest.mark.parametrize("cut_off", ["09:00", "12:00", "16:30", "20:15", "23:45"])
def test_a_cut_off_that_moves_loses_no_moment(versions: Callable[..., None], cut_off: str) -> None:
    moved = dt.date(2026, 9, 1)
    versions({"since": moved.isoformat(), "cut_off": cut_off})
    label = moved - 3 * DAY
    moment = calendar.cut_off(label - DAY, "IRR")
    while label < moved + 3 * DAY:
        end = calendar.cut_off(label, "IRR")
        assert calendar.label(moment, "IRR") == calendar.label(end - MS, "IRR") == label
        assert calendar.label(end, "IRR") == label + DAY
        assert calendar.ms_into(end - MS, label, "IRR") < 1 << 27
        moment, label = end, label + DAY
    assert calendar.cut_off(moved, "IRR") == calendar.at(
        moved, dt.time.fromisoformat(cut_off), "IRR"
    )


def test_a_thursday_is_closed_from_the_day_it_is_declared(versions: Callable[..., None]) -> None:
    versions({"since": "2026-09-01", "closed_weekdays": ["thursday", "friday"]})
    assert calendar.is_business_day(dt.date(2026, 8, 27), "IRR")
    assert not calendar.is_business_day(dt.date(2026, 9, 3), "IRR")


@pytest.mark.parametrize(
    "change",
    [
        {"door": "pigeon"},
        {"closed_weekdays": list(calendar.WEEKDAYS)},
        {"closed_weekdays": ["fryday"]},
        {"cut_off": "25:00"},
        {"since": "yesterday"},
        {"minimum_payout": -1},
        {"hold_days": -1},
        {"hold_days": 31},
        {"unknown": 1},
        {"minimum_payout": 1.5},
        {"minimum_payout": "100"},
        {"hold_days": True},
        {"on_demand": "no"},
        {"cut_off": "16:30+02:00"},
        {"file_until": "08:30Z"},
    ],
)
def test_a_profile_nobody_can_mean_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises((ValueError, TypeError)):  # each in its own words
        calendar.Profile.parse(VERSION | change)


def _loaded(monkeypatch: pytest.MonkeyPatch, *versions: dict[str, Any]) -> None:
    """Have a table with these versions of the rial read."""
    table = {"IRR": {"zone": "Asia/Tehran", "holidays": "IR", "versions": versions}}
    monkeypatch.setattr(calendar, "_table", lambda _: table)
    calendar.currencies.__wrapped__()


@pytest.mark.parametrize(("before", "after"), [("00:00", "12:00"), ("23:59", "00:00")])
def test_a_cut_off_may_move_far(
    monkeypatch: pytest.MonkeyPatch, versions: Callable[..., None], before: str, after: str
) -> None:
    both = {"cut_off": before}, {"cut_off": after, "since": "2026-09-01"}
    _loaded(monkeypatch, *(VERSION | change for change in both))
    monkeypatch.undo()
    versions({**both[0], "since": "2021-01-01"}, both[1])
    moved = dt.date(2026, 9, 1)
    assert 0 < calendar.ms_into(calendar.cut_off(moved, "IRR") - MS, moved, "IRR") < 1 << 27


def test_a_day_no_id_could_count_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    both = {"cut_off": "00:00"}, {"cut_off": "12:01", "since": "2026-09-01"}
    with pytest.raises(ValueError, match="at most 12:00:00 later"):
        _loaded(monkeypatch, *(VERSION | change for change in both))


def test_versions_are_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    for starts in ([], ["2026-01-01", "2026-01-01"], ["2026-01-01", "2025-01-01"]):
        fields = {"zone": "Asia/Tehran", "holidays": "IR"}
        fields["versions"] = [VERSION | {"since": start} for start in starts]  # type: ignore[assignment]
        monkeypatch.setattr(calendar, "_table", lambda _, f=fields: {"IRR": f})
        with pytest.raises(ValueError, match="oldest first"):
            calendar.currencies.__wrapped__()


def test_dates_of_a_range() -> None:
    first = dt.date(2026, 5, 4)
    assert calendar.days(first, first) == [first]
    assert calendar.days(first, first + DAY) == [first, first + DAY]
    assert calendar.days(first, first - DAY) == []


def test_the_page_says_what_the_profiles_say() -> None:
    page = (ROOT / "docs/flows/settlement.md").read_text(encoding="utf-8")
    rows = [row.strip("|").split("|") for row in page.splitlines() if row.startswith("|")]
    told = {cells[0].strip(): [cell.strip() for cell in cells[1:]] for cells in rows}
    names = told[""]
    assert set(names) == set(CURRENCIES)
    found = [calendar.currencies()[name] for name in names]
    known = [(currency, currency.profiles[-1]) for currency in found]
    assert told["zone"] == [currency.zone for currency, _ in known]
    assert told["cut-off"] == [f"{profile.cut_off:%H:%M}" for _, profile in known]
    assert told["door, `file_until`"] == [f"{p.door}, {p.file_until:%H:%M}" for _, p in known]
    assert told["closed each week"] == [
        ", ".join(calendar.WEEKDAYS[n].capitalize() for n in sorted(p.closed_weekdays))
        for _, p in known
    ]
