"""`payvand calendar`: the coming settlement days, and the days that operators close or open.

Without a stack it shows what the shipped calendar says; what operators declared is in a stack's
settlement table. Bad input ends with exit code 2 and a sentence.
"""

import datetime as dt
import json
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any, Final

import typer
from botocore.exceptions import BotoCoreError, ClientError

from payvand import calendar
from payvand.edge.words import visible
from payvand.store.settlements import KEPT_S, Declared
from payvand_cli.doors import Doors, StackName, find_stack
from payvand_cli.handle import NothingRuns
from payvand_cli.show import line, problem
from payvand_cli.story import Section, text_of

DAYS_MAX: Final = 366
WHY_MAX: Final = 120
CLOCK_OFF: Final = dt.timedelta(minutes=1)
_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_GREGORIAN_MIN: Final = 1900
_DAY: Final = dt.timedelta(days=1)
type Said = Mapping[dt.date, Declared]

app = typer.Typer(no_args_is_help=False, add_completion=False)


class Wrong(Exception):
    """What was typed makes no sense; a sentence for who typed it."""


@dataclass(frozen=True, slots=True)
class Row:
    """One settlement day of a currency.

    `why` is the holiday's name, the weekday that is always closed, or the operator's reason.
    `settles` is the day it is sealed with and `worked_on` the day banks work on a payout file of
    it; None beyond the last year whose holidays are known.
    """

    currency: str
    day: dt.date
    is_open: bool
    why: str | None
    declared: Declared | None
    settles: dt.date | None
    worked_on: dt.date | None

    @property
    def profile(self) -> calendar.Profile:
        """How its payouts leave: as of the day it is sealed with."""
        return calendar.profile(self.settles or self.day, self.currency)

    @property
    def cut_off(self) -> dt.datetime:
        """When it ends."""
        return calendar.cut_off(self.day, self.currency)

    @property
    def sealed_from(self) -> dt.datetime | None:
        """When it may be sealed, and its payout made."""
        return calendar.settles_at(self.settles, self.currency) if self.settles else None


def row(day: dt.date, currency: str, said: Said) -> Row:
    """What is so on a day. Raises LookupError beyond the last year whose holidays are known."""
    overrides = {date: one.is_open for date, one in said.items()}
    is_open = calendar.is_business_day(day, currency, overrides)
    why, declared = None, said.get(day)
    if declared is not None:
        why = declared.why
    elif not is_open:
        why = calendar.holiday(day, currency) or f"{day:%A}"
    settles = worked_on = None
    try:
        settles = calendar.settlement_day(day, currency, overrides)
        sealed = calendar.settles_at(settles, currency)
        worked_on = calendar.worked_on(sealed, currency, overrides)
    except LookupError:
        pass  # told as unknown; the day itself is known
    return Row(currency, day, is_open, why, declared, settles, worked_on)


def rows(now: dt.datetime, currency: str, count: int, said: Said) -> list[Row]:
    """The coming days, from the first that is not sealed yet; fewer where the calendar ends."""
    first = calendar.closed_through(now, currency) + _DAY
    days = [first + n * _DAY for n in range(count)]
    return [row(d, currency, said) for d in days if d.year <= calendar.known_until(currency)]


# ── showing ───────────────────────────────────────────────────────────────────────────────────


def _day(date: dt.date) -> str:
    return f"{date:%a %Y-%m-%d}"


def _banks(one: Row) -> str:
    if one.declared is not None:
        return f"{'open' if one.is_open else 'closed'} by an operator: {one.why}"
    return "open" if one.is_open else f"closed: {one.why}"


def _leave(one: Row) -> str:
    if one.settles is None or one.worked_on is None:
        return "unknown"
    if not one.is_open:
        return f"with {_day(one.settles)}"
    door = one.profile.door
    if door == "json":
        return f"{_day(one.day)}, one by one once sealed"
    until = calendar.profile(one.worked_on, one.currency).file_until
    return f"in a {door} file the bank has by {_day(one.worked_on)} {until:%H:%M}"


def _sealed(one: Row) -> str:
    if one.settles is None or one.sealed_from is None:
        return "unknown"
    there = calendar.local(one.sealed_from, one.currency)
    return f"{there:%H:%M}" if one.settles == one.day else f"{_day(one.settles)} {there:%H:%M}"


def section(now: dt.datetime, currency: str, found: list[Row]) -> Section:
    """A currency's days for people; times are the banks' unless said otherwise."""
    zone = calendar.currencies()[currency].zone
    there = calendar.local(now, currency)
    table = [
        (
            _day(one.day),
            _banks(one),
            f"{calendar.local(one.cut_off, currency):%H:%M}",
            f"{one.cut_off:%H:%M}",
            _sealed(one),
            _leave(one),
        )
        for one in found
    ]
    columns = ("day", "banks", "cut-off", "in UTC", "sealed from", "payouts leave")
    title = f"{currency}[/], times of {zone}, where it is {there:%a %Y-%m-%d %H:%M}[bold]"
    return Section(title, table, columns)


def as_json(one: Row) -> dict[str, Any]:
    """A day for programs. Times are RFC 3339, in the banks' zone and in UTC."""

    def both(name: str, at: dt.datetime | None) -> dict[str, str | None]:
        there = None if at is None else calendar.local(at, one.currency).isoformat()
        utc = None if at is None else at.isoformat().replace("+00:00", "Z")
        return {name: there, f"{name}_utc": utc}

    said = one.declared
    return {
        "currency": one.currency,
        "day": one.day.isoformat(),
        "weekday": calendar.WEEKDAYS[one.day.weekday()],
        "zone": calendar.currencies()[one.currency].zone,
        "open": one.is_open,
        "why": one.why,
        "declared": said and {"open": said.is_open, "why": said.why},
        **both("cut_off", one.cut_off),
        "settled_with": one.settles and one.settles.isoformat(),
        **both("sealed_from", one.sealed_from),
        "door": one.profile.door,
        "file_until": f"{one.profile.file_until:%H:%M}",
        "file_worked_on": one.worked_on and one.worked_on.isoformat(),
    }


# ── what was typed ────────────────────────────────────────────────────────────────────────────


def _currency(text: str) -> str:
    name = text.strip().upper()
    if name not in calendar.currencies():
        known = ", ".join(calendar.currencies())
        raise Wrong(f"{text!r} is no currency that is settled here; there are: {known}")
    return name


def _date(text: str) -> dt.date:
    """A Gregorian date, written in the one way that cannot be misread."""
    wanted = "a date of the Gregorian calendar in the digits 0-9, like 2026-11-30"
    if not _DATE.fullmatch(text):
        raise Wrong(f"{text!r} is not {wanted}")
    try:
        day = dt.date.fromisoformat(text)
    except ValueError:
        raise Wrong(f"there is no day {text}; write {wanted}") from None
    if day.year < _GREGORIAN_MIN:
        raise Wrong(f"{text} looks like a date of another calendar; write {wanted}")
    return day


def _why(text: str) -> str:
    kept = text.strip()
    try:
        visible(kept)
    except ValueError as error:
        raise Wrong(f"--why {error}") from None
    if not 0 < len(kept) <= WHY_MAX:
        raise Wrong(f"--why must have 1 to {WHY_MAX} characters")
    return kept


def _to_come(day: dt.date, currency: str, now: dt.datetime) -> None:
    """Only a day whose payouts are not made yet can be declared."""
    closed = calendar.closed_through(now, currency)
    if day <= closed:
        raise Wrong(f"{_day(day)} of {currency} is over: days up to {_day(closed)} are sealed")
    if day.year > calendar.known_until(currency):
        last = calendar.known_until(currency)
        raise Wrong(f"{day} is too far ahead: the calendar of {currency} ends with {last}")


@contextmanager
def _told() -> Iterator[None]:
    """What was typed wrong is told with exit code 2, what the stack refused with 1."""
    try:
        yield
    except Wrong as wrong:
        problem(_plain(str(wrong)))
        raise typer.Exit(2) from None
    except (BotoCoreError, ClientError) as error:
        problem(_plain(str(error)))
        raise typer.Exit(1) from None


def _plain(text: str) -> str:
    """Square brackets are what was typed, not colours."""
    return text.replace("[", r"\[")


# ── the command ───────────────────────────────────────────────────────────────────────────────


def _now() -> dt.datetime:
    return dt.datetime.fromtimestamp(time.time(), dt.UTC)


def _doors(stack: str) -> Doors | None:
    """The stack's stores; None when none was named and none runs here."""
    try:
        return Doors(find_stack(stack))
    except NothingRuns:
        if stack:
            raise
        return None


@app.callback(invoke_without_command=True)
def coming(
    context: typer.Context,
    currency: Annotated[
        list[str] | None, typer.Option(help="Only this one; may be given again.")
    ] = None,
    days: Annotated[int, typer.Option(min=1, max=DAYS_MAX, help="How many days.")] = 7,
    stack: StackName = "",
    *,
    json_: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Show the coming settlement days: cut-offs, holidays, when each is sealed and paid out."""
    if context.invoked_subcommand is not None:
        return
    with _told():
        names = list(dict.fromkeys(map(_currency, currency or calendar.currencies())))
        doors, now = _doors(stack), _now()
        said = {n: doors.settlements.declared(n) if doors else {} for n in names}
        found = {n: rows(now, n, days, said[n]) for n in names}
        if json_:
            told = [as_json(one) for some in found.values() for one in some]
            answer = {"now": now.isoformat(), "declarations_read": doors is not None, "days": told}
            typer.echo(json.dumps(answer, ensure_ascii=False, indent=1))
            return
        for name, some in found.items():
            shown = section(now, name, some)
            line(f"\n[bold]{shown.title}[/]")
            line(text_of(shown))
        _explain(doors, now)


def _explain(doors: Doors | None, now: dt.datetime) -> None:
    line(
        "\nA day ends at its cut-off. Sealed: its payments are added up, its payouts are ordered. "
        "A closed day is sealed with the next open one.\n"
        "[dim]To change a day: payvand calendar close, open or forget CURRENCY DATE[/]"
    )
    if doors is None:
        problem("no local stack runs here: what operators declared is not shown")
        return
    ahead_ms = doors.clock.now("test").ms - doors.clock.wall_ms()
    ahead = dt.timedelta(seconds=round(ahead_ms / 1000))  # time goes on between the readings
    if ahead > CLOCK_OFF:
        line(f"[dim]Test books have a clock of their own: {now + ahead:%a %Y-%m-%d %H:%M} UTC.[/]")


CurrencyName = Annotated[str, typer.Argument(help="IRR, EUR, RUB or TRY.")]
Date = Annotated[str, typer.Argument(help="Like 2026-11-30, Gregorian.")]
Why = Annotated[str, typer.Option(help="The reason, for whoever reads the calendar.")]


@app.command()
def close(
    currency: CurrencyName, date: Date, why: Why = "no reason given", stack: StackName = ""
) -> None:
    """Close a day: nothing is paid out on it; the next open day pays."""
    _declare(currency, date, Declared(is_open=False, why=why), stack)


@app.command("open")
def open_(
    currency: CurrencyName, date: Date, why: Why = "no reason given", stack: StackName = ""
) -> None:
    """Open a day on which the calendar has banks closed."""
    _declare(currency, date, Declared(is_open=True, why=why), stack)


@app.command()
def forget(currency: CurrencyName, date: Date, stack: StackName = "") -> None:
    """Take back what was declared: the day is as the calendar says."""
    _declare(currency, date, None, stack)


def _declare(currency: str, date: str, word: Declared | None, stack: str) -> None:
    with _told():
        name, day, now = _currency(currency), _date(date), _now()
        _to_come(day, name, now)
        if word is not None:
            word = Declared(word.is_open, _why(word.why))
        store = Doors(find_stack(stack)).settlements
        before = store.declared(name)
        if word is not None:
            store.override(name, day, is_open=word.is_open, why=word.why)
        elif day in before:
            store.forget(name, day)
        else:
            line(f"Nothing was declared of {_day(day)} in {name}.")
        was, one = row(day, name, before), row(day, name, store.declared(name))
        line(f"{name} {_day(day)}: {_plain(_banks(one))} [dim](was {_plain(_banks(was))})[/]")
        line(f"  sealed from {_sealed(one)}, payouts leave {_leave(one)}")
        line(f"  [dim]In force within {KEPT_S} s. Ids and days of payments do not change.[/]")
        if now >= one.cut_off:
            _late(one)


def _late(one: Row) -> None:
    """The day has ended and was planned already."""
    if one.is_open:
        line("  Its cut-off has passed: if it was closed then, only payvand settle pays it today.")
    else:
        line("  Its cut-off has passed: books that are not sealed within the minute wait.")
