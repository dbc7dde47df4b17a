"""The day's end: woken at the cut-off it plans, woken for a book it seals its days.

In:    SettleQueue, from SettleSchedule {"currency": "IRR"}, or
       {"book": key, "through": date or absent, "due": ms or absent}
Out:   one SettleQueue message per book, due when the day's grace is over; a seal and its lines
       per active book
Fails: the message is seen again, then SettleDeadQueue (alarm); both kinds can be redriven
"""

import datetime as dt
from typing import TYPE_CHECKING

from functions.settle.close import settle_book
from payvand import calendar
from payvand.edge import log
from payvand.edge.queue import Delivery, worker
from payvand.edge.wiring import wiring
from payvand.ids import Book

if TYPE_CHECKING:
    from payvand.edge.wiring import Wiring


def plan(live: "Wiring", currency: str) -> int:
    """Send every book of a currency to be sealed, if banks work today; how many were sent."""
    messages = []
    for merchant in live.merchants.all():
        for book in merchant.books:
            if book.currency != currency:
                continue
            now = live.clock.now(book.mode)
            # The last day whose cut-off has passed; a clock a little behind must not skip a day.
            soon = now.when + dt.timedelta(seconds=calendar.SKEW_MAX_S)
            ended = calendar.label(soon, currency) - dt.timedelta(1)
            if not calendar.is_business_day(ended, currency):
                continue
            due_ms = int(calendar.settles_at(ended, currency).timestamp() * 1000)
            messages.append({"book": book.key, "through": ended.isoformat(), "due": due_ms})
    live.queues.send_many(live.env["SETTLE_QUEUE"], messages)
    return len(messages)


def close(delivery: Delivery) -> None:
    """Plan a currency's books, or seal one book."""
    live, message = wiring(), delivery.message
    if "currency" in message:
        log.note(sent=plan(live, message["currency"]))
        return
    book = Book.parse(message["book"])
    log.note(book=book.key, mode=book.mode, tries=delivery.tries)
    now = live.clock.now(book.mode)
    if live.queues.early(live.env["SETTLE_QUEUE"], message, now):
        log.note(answer="early")
        return
    merchant = live.merchants.get(book.merchant_id)
    assert merchant is not None, f"no merchant behind {book.key}"
    asked = message.get("through")
    made = settle_book(live, merchant, book, dt.date.fromisoformat(asked) if asked else None)
    log.note(answer="sealed" if made else "nothing")


lambda_handler = worker(close)
