"""Refunds a merchant must be able to pay: its balance, added up so that nobody spends it twice.

For merchants whose refunds are refused rather than carried as a debt. What is added up is the last
seal and the days after it; the booking is then on the condition that nothing was taken since
(guards `refund.cover`, `refund.sealed`). Days that are closing may be paid out at any moment, so
what they leave is not counted on.
"""

import datetime as dt
from typing import TYPE_CHECKING

from payvand import calendar, ledger
from payvand.errors import Conflict
from payvand.ids import Book
from payvand.store.payments import Head

if TYPE_CHECKING:
    from payvand.edge.wiring import Wiring


def covered(live: "Wiring", book: Book, amount_minor: int) -> Head:
    """The head as the balance was seen. Raises Conflict when it does not cover the amount.

    What other refunds took is in a day this looks at: the clock is read after the head, however
    long this function stands still, and a day more than today covers a clock that is ahead.
    """
    merchant = live.merchants.get(book.merchant_id)  # the caller's may not know the latest shards
    assert merchant is not None, f"{book.key} has no merchant"
    head = live.payments.head(book)
    today = live.clock.now(book.mode).label(book.currency)
    last = live.settlements.last(book)
    first = merchant.since if last is None else last.through + dt.timedelta(1)
    sealed = 0 if last is None else last.closing_minor
    closing, earned = 0, 0
    for day in calendar.days(first, max(today, head.closing or today) + dt.timedelta(1)):
        minor = sum(
            ledger.owed(entry.line.legs)
            for shard in range(merchant.shards)
            for entry in live.payments.movements(book, day, shard)
            if entry.line is not None
        )
        if head.closing is not None and day <= head.closing:
            closing += minor
        else:
            earned += minor
    if head.closing is not None and head.closing >= first:
        sealed = min(0, sealed + closing)
    free = sealed + earned
    if amount_minor > free:
        raise Conflict("balance_too_low", f"{max(0, free)} of your balance is free for refunds.")
    return head
