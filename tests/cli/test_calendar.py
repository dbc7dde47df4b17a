"""`payvand calendar` as a stranger reads it, and what it makes of whatever is typed."""

import datetime as dt
import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from typer.testing import CliRunner, Result

from payvand_cli import calendar as command
from payvand_cli.doors import Doors
from payvand_cli.handle import NothingRuns
from payvand_cli.main import app
from payvand_cli.simulate.memory import KeySchema, Memory

NOW = dt.datetime(2026, 11, 24, 9, 0, tzinfo=dt.UTC)
"""A Tuesday, half past noon in Tehran."""
TABLES = {
    "PaymentsTable": KeySchema("pk", "id"),
    "ReferencesTable": KeySchema("pk"),
    "SettlementTable": KeySchema("pk", "sk"),
    "LabTable": KeySchema("pk", "sk"),
}


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[dt.datetime], None]:
    """What time it is; give another to change it."""

    def set_to(now: dt.datetime) -> None:
        monkeypatch.setattr("time.time", now.timestamp)

    set_to(NOW)
    return set_to


@pytest.fixture
def doors(monkeypatch: pytest.MonkeyPatch) -> Doors:
    """A stack whose tables are in memory, the one the command finds."""
    memory = Memory(TABLES, now=NOW.timestamp)
    outputs = {name: name for name in TABLES} | {"FilesBucket": "files"}
    stack: Any = SimpleNamespace(dynamodb=memory, s3=None, outputs=outputs)
    monkeypatch.setattr(command, "find_stack", lambda _: stack)
    return Doors(stack)


@pytest.fixture
def nothing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    def find(name: str) -> None:
        raise NothingRuns(f"stack {name}: not there")

    monkeypatch.setattr(command, "find_stack", find)


def payvand(*words: str) -> Result:
    return CliRunner().invoke(app, ["calendar", *words])


def days(*words: str) -> dict[str, dict[str, Any]]:
    """The days of one currency, by date, as programs read them."""
    told = payvand("--json", *words)
    assert told.exit_code == 0, told.output
    return {day["day"]: day for day in json.loads(told.stdout)["days"]}


def test_a_week_of_the_rial_reads_like_this(doors: Doors) -> None:
    told = payvand("--currency", "IRR", "--days", "5")
    assert told.exit_code == 0
    lines = told.stdout.splitlines()
    assert lines[1] == "IRR, times of Asia/Tehran, where it is Tue 2026-11-24 12:30"
    assert lines[2].split("  ")[1] == "day"
    assert [" ".join(row.split()) for row in lines[3:6]] == [
        "Tue 2026-11-24 open 16:30 13:00 16:50 Tue 2026-11-24, one by one once sealed",
        "Wed 2026-11-25 open 16:30 13:00 16:50 Wed 2026-11-25, one by one once sealed",
        "Thu 2026-11-26 open 16:30 13:00 16:50 Thu 2026-11-26, one by one once sealed",
    ]
    assert " ".join(lines[6].split()) == (
        "Fri 2026-11-27 closed: Friday 16:30 13:00 Sat 2026-11-28 16:50 with Sat 2026-11-28"
    )
    assert "EUR" not in told.stdout


def test_every_currency_is_shown_with_its_own_time_and_door(doors: Doors) -> None:
    told = payvand()
    for title in ("IRR, times of Asia/Tehran", "EUR, times of Europe/Riga, where it is Tue"):
        assert title in told.stdout
    assert "in a sepa file the bank has by Mon 2026-11-30 15:00" in told.stdout  # of Friday
    assert told.stdout.count("closed: Saturday") == 3


def test_a_holiday_has_its_name(doors: Doors) -> None:
    december = days("--currency", "EUR", "--days", "45")
    christmas = december["2026-12-25"]
    assert (christmas["open"], christmas["why"]) == (False, "Christmas Day")
    assert (christmas["settled_with"], christmas["sealed_from_utc"]) == (
        "2026-12-28",
        "2026-12-28T14:20:00Z",
    )
    assert christmas["cut_off"] == "2026-12-25T16:00:00+02:00"
    assert december["2026-12-24"]["file_worked_on"] == "2026-12-28"


def test_a_day_that_is_being_sealed_is_still_shown(
    doors: Doors, clock: Callable[[dt.datetime], None]
) -> None:
    clock(NOW.replace(hour=13, minute=10))  # after the cut-off, before the seals
    assert min(days("--currency", "IRR")) == "2026-11-24"
    clock(NOW.replace(hour=13, minute=20))
    assert min(days("--currency", "IRR")) == "2026-11-25"


def test_closing_a_day_is_stored_shown_and_taken_back(doors: Doors) -> None:
    told = payvand("close", "IRR", "2026-11-25", "--why", "[b]برف می‌بارد[/b]")
    assert told.exit_code == 0, told.output
    assert "IRR Wed 2026-11-25: closed by an operator: [b]برف می‌بارد[/b] (was open)" in told.stdout
    assert "sealed from Thu 2026-11-26 16:50, payouts leave with Thu 2026-11-26" in told.stdout
    assert doors.settlements.overrides("IRR") == {dt.date(2026, 11, 25): False}
    assert "closed by an operator: [b]برف می‌بارد[/b]" in payvand().stdout
    shown = days("--currency", "IRR")["2026-11-25"]
    assert shown["declared"] == {"open": False, "why": "[b]برف می‌بارد[/b]"}
    assert payvand("forget", "irr", "2026-11-25").exit_code == 0
    assert doors.settlements.declared("IRR") == {}
    assert days("--currency", "IRR")["2026-11-25"]["open"] is True
    assert "Nothing was declared" in payvand("forget", "IRR", "2026-11-25").stdout


def test_a_friday_is_opened(doors: Doors) -> None:
    told = payvand("open", "IRR", "2026-11-27", "--why", "in place of Thursday")
    assert "open by an operator: in place of Thursday (was closed: Friday)" in told.stdout
    assert days("--currency", "IRR")["2026-11-27"]["settled_with"] == "2026-11-27"


def test_one_currency_s_day_is_no_other_s(doors: Doors) -> None:
    payvand("close", "EUR", "2026-11-25")
    assert days("--currency", "RUB")["2026-11-25"]["open"] is True
    assert days("--currency", "EUR")["2026-11-25"]["why"] == "no reason given"


def test_who_declares_between_cut_off_and_seals_is_told_what_still_happens(
    doors: Doors, clock: Callable[[dt.datetime], None]
) -> None:
    clock(NOW.replace(hour=13, minute=5))
    closed = payvand("close", "IRR", "2026-11-24").stdout
    assert "books that are not sealed within the minute wait" in closed
    assert "only payvand settle pays it today" in payvand("open", "IRR", "2026-11-24").stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("USD", "2026-11-30"), "'USD' is no currency that is settled here; there are: IRR, EUR"),
        (("", "2026-11-30"), "'' is no currency"),
        (("IRR", "tomorrow"), "'tomorrow' is not a date of the Gregorian calendar"),
        (("IRR", "۲۰۲۶-۱۱-۳۰"), "in the digits 0-9, like 2026-11-30"),
        (("IRR", "1405-09-09"), "looks like a date of another calendar"),
        (("IRR", "2026-02-30"), "there is no day 2026-02-30"),
        (("IRR", "20261130"), "is not a date"),
        (("IRR", "2026-11-30\n"), "is not a date"),
        (("IRR", "[bold]"), "'[bold]' is not a date"),
        (("IRR", ""), "'' is not a date"),
        (("IRR", "2026-11-23"), "Mon 2026-11-23 of IRR is over: days up to Mon 2026-11-23 are"),
        (("IRR", "2106-11-30"), "too far ahead: the calendar of IRR ends with 2031"),
        (("IRR", "0000-00-00"), "there is no day"),
    ],
)
@pytest.mark.parametrize("verb", ["close", "open", "forget"])
def test_what_makes_no_sense_is_told_and_changes_nothing(
    doors: Doors, verb: str, words: tuple[str, str], said: str
) -> None:
    told = payvand(verb, *words)
    assert told.exit_code == 2
    assert said in told.stderr
    assert told.stdout == ""
    assert isinstance(told.exception, SystemExit)
    assert all(doors.settlements.declared(c) == {} for c in ("IRR", "EUR", "RUB", "TRY"))


@pytest.mark.parametrize(
    "why", ["", "   ", "x" * 121, "two\nlines", "\x1b[2Jgone", "\u202ebackwards"]
)
def test_a_reason_is_one_line(doors: Doors, why: str) -> None:
    told = payvand("close", "IRR", "2026-11-30", "--why", why)
    assert (told.exit_code, told.stdout) == (2, "")
    assert "--why must" in told.stderr
    assert doors.settlements.declared("IRR") == {}


@pytest.mark.parametrize(
    "words",
    [
        ("--currency", "GBP"), ("--days", "0"), ("--days", "367"), ("--days", "many"),
        ("shut", "IRR", "2026-11-30"), ("close",), ("close", "IRR"), ("close", "IRR", "x", "y"),
    ],
)  # fmt: skip
def test_usage_that_makes_no_sense_ends_with_two(doors: Doors, words: tuple[str, ...]) -> None:
    assert payvand(*words).exit_code == 2


def test_where_the_calendar_ends_so_does_the_list(
    doors: Doors, clock: Callable[[dt.datetime], None]
) -> None:
    clock(dt.datetime(2031, 12, 29, 9, 0, tzinfo=dt.UTC))
    shown = days("--currency", "EUR")
    assert list(shown) == ["2031-12-29", "2031-12-30", "2031-12-31"]
    assert shown["2031-12-31"]["settled_with"] == "2031-12-31"
    assert shown["2031-12-31"]["file_worked_on"] is None
    assert "unknown" in payvand("--currency", "EUR").stdout


def test_without_a_stack_the_shipped_calendar_is_shown_and_that_is_said(
    nothing_runs: None,
) -> None:
    told = payvand("--currency", "EUR")
    assert told.exit_code == 0
    assert "EUR, times of" in told.stdout
    assert "what operators declared is not shown" in told.stderr
    assert json.loads(payvand("--json").stdout)["declarations_read"] is False


def test_a_stack_that_was_named_must_be_there(nothing_runs: None) -> None:
    assert isinstance(payvand("--stack", "elsewhere").exception, NothingRuns)
    assert isinstance(payvand("close", "IRR", "2026-11-30").exception, NothingRuns)


def test_what_the_stack_refuses_is_one_line(doors: Doors, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(**_: object) -> None:
        answer: Any = {"Error": {"Code": "AccessDeniedException", "Message": "no [right]"}}
        raise ClientError(answer, "Query")

    monkeypatch.setattr(doors.stack.dynamodb, "query", refused)
    told = payvand("close", "IRR", "2026-11-30")
    assert (told.exit_code, told.stdout) == (1, "")
    assert "no [right]" in told.stderr


def test_a_lab_clock_that_is_ahead_is_said(doors: Doors) -> None:
    assert "clock of their own" not in payvand().stdout
    table = doors.table("LabTable")
    table.write(table.put_request({"pk": "clock", "sk": "clock", "offset_s": 86_400}))
    assert "clock of their own: Wed 2026-11-25 09:00 UTC" in payvand().stdout
