"""`payvand settle`: seal books now instead of at the cut-off, and show the seals."""

import datetime as dt
import json
import time
from typing import Annotated, Final

import typer

from payvand import calendar
from payvand.ids import Book, merchant_number
from payvand.merchant import Merchant
from payvand.settlement import SEAL_IDLE_DAYS, Seal
from payvand_cli.doors import Doors, StackName, find_stack
from payvand_cli.show import line, problem
from payvand_cli.story import money

PATIENCE_S: Final = 60.0
LOOK_S: Final = 0.25


class Refused(Exception):
    """The order makes no sense now."""


def due(doors: Doors, merchant: Merchant, book: Book, asked: dt.date | None) -> dt.date:
    """The day to seal through.

    Raises:
        Refused: the day asked for is not over yet by the book's own clock.
    """
    now = doors.clock.now(book.mode)
    closed = calendar.closed_through(now.when, book.currency)
    if asked is not None and asked > closed:
        opens = calendar.settles_at(asked, book.currency)
        raise Refused(
            f"{asked} of {book.key} is not closed yet: it can be sealed from "
            f"{opens:%Y-%m-%d %H:%M} UTC; the {book.mode} clock says {now.when:%Y-%m-%d %H:%M} UTC"
        )
    if asked is not None and asked < merchant.since:
        raise Refused(f"{book.key} began on {merchant.since}")
    return asked or closed


def something(doors: Doors, merchant: Merchant, book: Book, through: dt.date) -> bool:
    """Whether a run makes a seal: something moved or is open, or the book was idle for long."""
    last = doors.settlements.last(book)
    first = merchant.since if last is None else last.through + dt.timedelta(1)
    span = calendar.days(first, through)
    if not span:
        return False
    if last is not None and (last.closing_minor > 0 or doors.settlements.lines(last).open_ids):
        return True
    return len(span) > SEAL_IDLE_DAYS or any(
        doors.payments.peek(book, day, shard) for day in span for shard in range(merchant.shards)
    )


def run(doors: Doors, merchant: Merchant, book: Book, through: dt.date) -> Seal | None:
    """Send the book to be sealed and wait for its seal; None when there is nothing to seal.

    Raises:
        Refused: no seal came.
    """
    expected = something(doors, merchant, book, through)
    message = {"book": book.key, "through": through.isoformat()}
    url = doors.stack.outputs["SettleQueue"]
    # Sent even when nothing is expected: a run also wakes payouts that wait for an answer.
    doors.stack.sqs.send_message(QueueUrl=url, MessageBody=json.dumps(message))
    end = time.monotonic() + PATIENCE_S
    while expected:
        last = doors.settlements.last(book)
        if last is not None and last.through >= through:
            return last
        if time.monotonic() > end:
            raise Refused(f"no seal of {book.key} after {PATIENCE_S:.0f} s; see: payvand logs")
        time.sleep(LOOK_S)
    return None


def _merchants(doors: Doors, wanted: str) -> list[Merchant]:
    if not wanted:
        return sorted(doors.merchants.all(), key=lambda m: m.id)
    try:
        merchant_number(wanted)
    except ValueError:
        raise Refused(f"{wanted} is not a merchant id (mer_…)") from None
    found = doors.merchants.get(wanted)
    if found is None:
        raise Refused(f"no merchant {wanted} in {doors.stack.name}")
    return [found]


def _day(text: str) -> dt.date | None:
    try:
        return dt.date.fromisoformat(text) if text else None
    except ValueError:
        raise Refused(f"{text} is not a date like 2026-03-21") from None


def settle(
    date: Annotated[
        str, typer.Option(help="Through this day; the last closed one if left out.")
    ] = "",
    merchant: Annotated[str, typer.Option(help="Only this merchant.")] = "",
    mode: Annotated[str, typer.Option(help="Only test or live books.")] = "",
    stack: StackName = "",
) -> None:
    """Seal books now, through a day that is over by their own clock."""
    doors = Doors(find_stack(stack))
    try:
        asked = _day(date)
        work = [
            (m, book, due(doors, m, book, asked))
            for m in _merchants(doors, merchant)
            for book in m.books
            if mode in {"", book.mode}
        ]
        for m, book, through in work:
            _told(book, through, run(doors, m, book, through))
    except Refused as refused:
        problem(str(refused))
        raise typer.Exit(1) from None
    if not work:
        line("no books")


def _told(book: Book, through: dt.date, made: Seal | None) -> None:
    if made is None:
        line(f"[dim]{book.key}: nothing to seal through {through}[/]")
        return
    span = f"{made.first} … {made.through}" if made.first != made.through else str(made.through)
    payout = (
        f"payout {made.payout_id} of {money(made.payout_minor, book.currency)}"
        if made.payout_minor
        else f"no payout, {money(made.closing_minor, book.currency)} carried on"
    )
    line(f"[green]✓[/] {book.key}: seal {made.n} of {span}, {made.count} entries, {payout}")
    line(f"  [dim]{made.digest}[/]")
