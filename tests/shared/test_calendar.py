"""Settlement days: the label of a moment, the moment of a cut-off, and the days banks work."""

import datetime as dt
import json
import sys
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payvand import calendar
from tests.shared.samples import days, moments

TEHRAN = ZoneInfo("Asia/Tehran")
DAY = dt.timedelta(1)
MS = dt.timedelta(milliseconds=1)
ROOT = Path(__file__).parents[2]


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
    holidays = json.loads((Path(calendar.__file__).parent / "calendars/IR.json").read_text())
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

    stored = json.loads((holidays_table.FOLDER / "IR.json").read_text(encoding="utf-8"))
    assert stored == holidays_table.table("IR")
    assert {int(day[:4]) for day in stored} == set(holidays_table.YEARS)


def test_only_currencies_that_settle_have_days() -> None:
    with pytest.raises(KeyError):
        calendar.label(tehran(2026, 5, 4, 12), "EUR")


def test_dates_of_a_range() -> None:
    first = dt.date(2026, 5, 4)
    assert calendar.days(first, first) == [first]
    assert calendar.days(first, first + DAY) == [first, first + DAY]
    assert calendar.days(first, first - DAY) == []
