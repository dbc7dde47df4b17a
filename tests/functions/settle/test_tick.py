"""The tick plans each currency once a day by each kind of clock, whatever becomes of the others."""

import datetime as dt
from types import SimpleNamespace
from typing import Any

import pytest

from functions.settle import handler
from payvand import calendar
from payvand.ids import Mode
from payvand.store.clock import Moment

NOON = dt.datetime(2026, 11, 24, 12, 0, tzinfo=dt.UTC)
MONDAY, TUESDAY = dt.date(2026, 11, 23), dt.date(2026, 11, 24)
EVERY = tuple(calendar.currencies())


class Plans:
    """The settlement store and the clock, as far as a tick needs them."""

    def __init__(self, marked: dt.date | None = None) -> None:
        self.marked: dict[Mode, dict[str, dt.date]] = {
            mode: dict.fromkeys(EVERY, marked) if marked else {} for mode in ("test", "live")
        }
        self.clocks: dict[Mode, dt.datetime] = {}

    def now(self, mode: Mode) -> Moment:
        return Moment(int(self.clocks[mode].timestamp() * 1000), mode)

    def planned(self, mode: Mode) -> dict[str, dt.date]:
        return dict(self.marked[mode])

    def mark_planned(self, mode: Mode, currency: str, day: dt.date) -> None:
        self.marked[mode][currency] = day

    def tick(self, now: dt.datetime, ahead: dt.timedelta = dt.timedelta()) -> None:
        """One tick; the lab's clock is this much ahead."""
        self.clocks = {"live": now, "test": now + ahead}
        live: Any = SimpleNamespace(settlements=self, clock=self)
        handler.tick(live)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Mode, str]]:
    """What was planned."""
    found: list[tuple[Mode, str]] = []

    def plan(_: object, currency: str, modes: tuple[Mode, ...]) -> int:
        found.extend((mode, currency) for mode in modes)
        if found.count(("live", "EUR")) == 1 and found[-1] == ("live", "EUR"):
            raise LookupError("no holidays of EUR are known for 2032")
        return 1

    monkeypatch.setattr(handler, "plan", plan)
    return found


def test_one_currency_without_a_calendar_holds_up_no_other(made: list[tuple[Mode, str]]) -> None:
    plans = Plans()
    with pytest.raises(LookupError):
        plans.tick(NOON)
    assert made == [(mode, currency) for mode in ("test", "live") for currency in EVERY]
    assert plans.marked["live"] == {"IRR": MONDAY, "RUB": MONDAY, "TRY": MONDAY}
    plans.tick(NOON)
    assert made[8:] == [("live", "EUR")]
    plans.tick(NOON)
    assert made[9:] == []


def test_each_is_planned_at_its_own_cut_off_and_a_slow_clock_skips_no_day(
    made: list[tuple[Mode, str]],
) -> None:
    plans = Plans(MONDAY)
    plans.tick(NOON + dt.timedelta(minutes=58, seconds=59))
    assert made == []
    plans.tick(NOON + dt.timedelta(minutes=59))  # a minute early: this host's clock may be slow
    assert {currency for _, currency in made} == {"IRR", "RUB", "TRY"}
    assert plans.marked["live"] == dict.fromkeys(EVERY, TUESDAY) | {"EUR": MONDAY}


def test_a_lab_clock_that_jumps_has_test_books_planned_and_no_live_ones(
    made: list[tuple[Mode, str]],
) -> None:
    plans = Plans(MONDAY)
    plans.tick(NOON, ahead=dt.timedelta(days=3))
    assert made == [("test", currency) for currency in EVERY]
    plans.tick(NOON, ahead=dt.timedelta(days=3))
    assert len(made) == len(EVERY)
