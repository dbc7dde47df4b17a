"""The seal that days would get if they were sealed now: the same functions, and nothing is written.

It differs from the seal made later by what happens in between, and by nothing else.
"""

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from payvand import calendar, ledger
from payvand.ids import Book
from payvand.merchant import Merchant
from payvand.settlement import RESERVE_DAYS_MAX, Line, Lines, Seal, Terms, holding, seal

if TYPE_CHECKING:
    from payvand.store.payments import Payments
    from payvand.store.settlements import Settlements

Reason = Literal["no_account", "nothing_owed", "held", "below_minimum"]


@dataclass(frozen=True, slots=True)
class Draft:
    """A seal of days that are not sealed, with all it was made from."""

    seal: Seal
    lines: tuple[Line, ...]
    earlier: tuple[Seal, ...]
    terms: Terms

    @property
    def reasons(self) -> list[Reason]:
        """Why nothing would be paid; empty when something is."""
        if self.seal.payout_minor:
            return []
        found: list[Reason] = [] if self.terms.payees else ["no_account"]
        owed = self.seal.closing_minor
        free = owed - self.seal.held_minor
        if owed <= 0:
            found.append("nothing_owed")
        elif free <= 0:
            found.append("held")
        elif free < self.terms.minimum_minor:
            found.append("below_minimum")
        return found


@dataclass(frozen=True, slots=True)
class Unsealed:
    """Where a book's chain ends, and the first day that is not in it."""

    book: Book
    merchant: Merchant
    last: Seal | None

    @classmethod
    def of(cls, settlements: "Settlements", merchant: Merchant, book: Book) -> "Unsealed":
        """As a strong read sees it."""
        return cls(book, merchant, settlements.last(book))

    @property
    def first(self) -> dt.date:
        """The first day the next seal holds."""
        if self.last is None:
            return self.merchant.since
        return self.last.through + dt.timedelta(1)

    def due(self, now: dt.datetime, overrides: dict[dt.date, bool]) -> dt.date:
        """The last day of the next seal: days end with a business day.

        Raises LookupError when none is known.
        """
        open_day = calendar.closed_through(now, self.book.currency) + dt.timedelta(1)
        day = max(open_day, self.first)
        return calendar.settlement_day(day, self.book.currency, overrides)

    def draft(
        self,
        stores: "tuple[Payments, Settlements]",
        through: dt.date,
        at_ms: int,
        *,
        on_demand: bool = False,
    ) -> Draft:
        """The seal of all days up to one, as they are now: a Query for each day and shard."""
        payments, settlements = stores
        book, shards = self.book, range(self.merchant.shards)
        terms = Terms.of(self.merchant, book.currency, through, on_demand=on_demand)
        chain = settlements.seals(book, limit=RESERVE_DAYS_MAX + 1)
        earlier = tuple(holding(self.last, chain, through))
        found = (
            entry.line
            for day in calendar.days(self.first, through)
            for shard in shards
            for entry in payments.movements(book, day, shard)
        )
        lines = Lines.of((line for line in found if line is not None), ())
        span = (self.first, through)
        made = seal(book, self.last, span, lines, terms, at_ms=at_ms, earlier=earlier)
        return Draft(made, tuple(lines.lines), earlier, terms)


def moved(lines: tuple[Line, ...]) -> dict[str, tuple[int, int]]:
    """Kind → how many lines, and what they change in the balance."""
    found: dict[str, tuple[int, int]] = {}
    for line in lines:
        count, minor = found.get(line.kind, (0, 0))
        found[line.kind] = count + 1, minor + ledger.owed(line.legs)
    return dict(sorted(found.items()))
