"""The day's end. Woken by the schedule at the cut-off it plans, by its queue it seals one book.

In:    SettleSchedule {"currency": "IRR"}; SettleQueue {"book": key, "through": date or absent,
       "due": ms or absent}
Out:   one SettleQueue message per book, due when the day's grace is over; a seal and its lines
       per active book
Fails: the plan is made again by Scheduler; a book's message is seen again, then SettleDeadQueue
       (alarm)
"""

import datetime as dt
from typing import TYPE_CHECKING, Any

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
            ended = now.label(currency) - dt.timedelta(1)  # the last day whose cut-off has passed
            if not calendar.is_business_day(ended, currency):
                continue
            due_ms = int(calendar.settles_at(ended, currency).timestamp() * 1000)
            messages.append({"book": book.key, "through": ended.isoformat(), "due": due_ms})
    live.queues.send_many(live.env["SETTLE_QUEUE"], messages)
    return len(messages)


def close(delivery: Delivery) -> None:
    """Seal one book."""
    live, message = wiring(), delivery.message
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


_queue = worker(close)


def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, Any] | None:
    """Woken by the schedule or by the queue."""
    if "Records" in event:
        return _queue(event, context)
    log.begin()
    log.note(sent=plan(wiring(), event["currency"]))
    log.end(context)
    return None
