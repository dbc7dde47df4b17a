"""The seals that end in a period of days, their lines, and merchants' own names of payments."""

import datetime as dt
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, Final

from payvand import calendar, settlement
from payvand.errors import BadInput, Conflict
from payvand.ids import Book, PaymentId
from payvand.merchant import Merchant
from payvand.papers import by_time
from payvand.settlement import Seal

if TYPE_CHECKING:
    from payvand.edge.wiring import Wiring

DAYS_MAX: Final = 93
ALONE_MAX: Final = 8
"""So many payments of one day are read alone; of more, the day is read."""


@dataclass(frozen=True, slots=True)
class Period:
    """Days of a book that are over for good. `before` is the seal before the first of `seals`."""

    book: Book
    first: dt.date
    last: dt.date
    before: Seal | None
    seals: tuple[Seal, ...]

    @property
    def count(self) -> int:
        """How many lines it has."""
        return sum(seal.count for seal in self.seals)

    def lines(self, live: "Wiring") -> Iterator[tuple[Seal, list[settlement.Line]]]:
        """Seal after seal, each with its lines in the order people read them."""
        for seal in self.seals:
            yield seal, by_time(seal, live.settlements.lines(seal).lines)


def days(first: dt.date | None, last: dt.date | None, closed: dt.date) -> tuple[dt.date, dt.date]:
    """The days asked for; the last seven that are over when none are. Raises BadInput, Conflict."""
    through = last or closed
    begin = first or through - dt.timedelta(6)
    if not 0 <= (through - begin).days < DAYS_MAX:
        raise BadInput(
            "input_invalid",
            f"Ask for 1 to {DAYS_MAX} days.",
            errors=[("first_day", "out of range")],
        )
    if through > closed:
        raise _open(closed)
    return begin, through


def _open(through: dt.date) -> Conflict:
    return Conflict(
        "period_open", f"The last day that is sealed is {through}. Ask again when the period is."
    )


def period(live: "Wiring", merchant: Merchant, book: Book, first: dt.date, last: dt.date) -> Period:
    """What was sealed in these days. Raises Conflict while a seal of them is still to come."""
    newest = live.settlements.last(book)
    _must_be_sealed(live, merchant, book, newest, last)
    if newest is None or newest.through < first:
        return Period(book, first, last, newest, ())
    found = live.settlements.covering(newest, first)
    n = 1 if found is None else found.n
    before = live.settlements.get(book, n - 1) if n > 1 else None
    chain = live.settlements.after(book, n - 1, limit=(last - first).days + 1)
    seals = tuple(takewhile(lambda seal: seal.through <= last, chain))
    return Period(book, first, last, before, seals)


def _must_be_sealed(
    live: "Wiring", merchant: Merchant, book: Book, newest: Seal | None, last: dt.date
) -> None:
    """A business day of the period that holds something and is not sealed will be, soon."""
    begin = merchant.since if newest is None else newest.through + dt.timedelta(1)
    overrides = live.settlements.overrides(book.currency) if begin <= last else {}
    waiting = calendar.days(begin, last)
    while waiting and not calendar.is_business_day(waiting[-1], book.currency, overrides):
        waiting.pop()  # sealed with the next business day, which is in another period
    for day in waiting:
        if any(live.payments.peek(book, day, shard) for shard in range(merchant.shards)):
            raise _open(begin - dt.timedelta(1))


def references(live: "Wiring", lines: list[settlement.Line]) -> dict[str, str]:
    """Payment id → the merchant's own name for it."""
    ids = {line.subject for line in lines if line.subject.startswith("pay_")}
    wanted = {id.text: id for id in map(PaymentId.parse, ids)}
    found: dict[str, str] = {}
    per_day = Counter((id.book, id.day, id.shard) for id in wanted.values())
    for id in wanted.values():
        if per_day[id.book, id.day, id.shard] <= ALONE_MAX:
            seen = live.payments.get(id)
            found[id.text] = "" if seen is None else seen.payment.reference
    for (book, day, shard), count in per_day.items():
        if count > ALONE_MAX:
            payments = (entry.payment for entry in live.payments.entries(book, day, shard))
            found |= {p.id.text: p.reference for p in payments if p and p.id.text in wanted}
    return found
