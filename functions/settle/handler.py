"""The day's end: woken every quarter of an hour it plans what ended, woken for a book it seals.

In:    SettleQueue, from SettleSchedule {"tick": true}, or
       {"currency": "IRR"}: plan its books now
       {"book": key, "through": date or absent, "due": ms or absent, "on_demand": bool or absent}
       the same with "place": [day, shard]: one shard of a day of a big book, read into sheets
       {"share": payout id}: bring referrers' shares of a sealed range into their books
Out:   one SettleQueue message per book, due when the day's grace is over; a seal and its lines
       per active book; a posting per referrer of a seal
Fails: the message is seen again, then SettleDeadQueue (alarm); every kind can be redriven
"""

import datetime as dt
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from functions.settle.close import Asked, settle_book, settle_place, share_fees
from payvand import calendar
from payvand.edge import log
from payvand.edge.queue import Delivery, worker
from payvand.edge.wiring import wiring
from payvand.ids import MODES, Book, Mode, PayoutId
from payvand.store.clock import Moment

if TYPE_CHECKING:
    from payvand.edge.wiring import Wiring

_DAY = dt.timedelta(days=1)


def _is_open(live: "Wiring", day: dt.date, currency: str) -> bool:
    """Whether banks work on a date, by the calendar and what operators declared."""
    return calendar.is_business_day(day, currency, live.settlements.overrides(currency))


def plan(live: "Wiring", currency: str, modes: Collection[Mode] = MODES) -> int:
    """Send the books of a currency to be sealed, if banks work on the day; how many were sent."""
    ended = {mode: _ended(live.clock.now(mode), currency) for mode in modes}
    through = {mode: day for mode, day in ended.items() if _is_open(live, day, currency)}
    messages = [
        {
            "book": book.key,
            "through": through[book.mode].isoformat(),
            "due": int(calendar.settles_at(through[book.mode], currency).timestamp() * 1000),
        }
        for merchant in (live.merchants.all() if through else ())
        for book in merchant.books
        if book.currency == currency and book.mode in through
    ]
    live.queues.send_many(live.env["SETTLE_QUEUE"], messages)
    return len(messages)


def _ended(now: Moment, currency: str) -> dt.date:
    """The last day whose cut-off has passed; a clock a little behind must not skip a day."""
    soon = now.when + dt.timedelta(seconds=calendar.SKEW_MAX_S)
    return calendar.label(soon, currency) - _DAY


def tick(live: "Wiring") -> None:
    """Plan each currency of which a day has ended since the last plan, by the books' own clocks.

    Marked as planned afterwards: a plan made twice seals nothing twice, one missed would. Raises
    what the first failed with, after the others: they have calendars of their own.
    """
    sent, failed = 0, list[Exception]()
    for mode in MODES:
        now, planned = live.clock.now(mode), live.settlements.planned(mode)
        for currency in calendar.currencies():
            ended = _ended(now, currency)
            if planned.get(currency) == ended:
                continue
            try:
                sent += plan(live, currency, (mode,))
                live.settlements.mark_planned(mode, currency, ended)
            except Exception as exc:  # noqa: BLE001 - raised below
                failed.append(exc)
    log.note(sent=sent)
    if failed:
        raise failed[0]


def close(delivery: Delivery) -> None:
    """Plan a currency's books, or seal one book, or share a seal's fees."""
    live, message = wiring(), delivery.message
    if "tick" in message:
        tick(live)
    elif "currency" in message:
        log.note(sent=plan(live, message["currency"]))
    elif "share" in message:
        log.note(payout=message["share"])
        share_fees(live, PayoutId.parse(message["share"]))
    else:
        _close(live, message, delivery.tries)


def _close(live: "Wiring", message: dict[str, Any], tries: int) -> None:
    book = Book.parse(message["book"])
    log.note(book=book.key, mode=book.mode, tries=tries)
    now = live.clock.now(book.mode)
    if live.queues.early(live.env["SETTLE_QUEUE"], message, now):
        log.note(answer="early")
        return
    asked = message.get("through")
    through = dt.date.fromisoformat(asked) if asked else None
    if "due" in message and through and not _is_open(live, through, book.currency):
        log.note(answer="closed")  # declared since the plan: the next business day pays
        return
    order = Asked(book, through, on_demand=bool(message.get("on_demand")))
    if "place" in message:
        day, shard = message["place"]
        made = settle_place(live, order, (dt.date.fromisoformat(day), int(shard)))
    else:
        made = settle_book(live, order)
    log.note(answer="sealed" if made else "nothing")


lambda_handler = worker(close)
