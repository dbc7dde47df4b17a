"""Seal a book's days by the journal's rules (R1–R12), resumable and safe to run twice at once.

fence the head → read the days → hold open payments out of them → send timers for what is open →
write the lines object → put the seal at the next position of the chain. A run that stops anywhere
left nothing that counts; a run that comes second finds the seal and agrees.
"""

import datetime as dt
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from payvand import calendar
from payvand.edge import log
from payvand.errors import Overtaken
from payvand.ids import Book, PaymentId
from payvand.merchant import Merchant
from payvand.payment import Payment
from payvand.settlement import (
    PAYOUTS_WATCHED,
    RETURN_WATCH_DAYS,
    SEAL_IDLE_DAYS,
    Line,
    Lines,
    Payee,
    PayoutState,
    Seal,
    seal,
)

if TYPE_CHECKING:
    from payvand.edge.wiring import Wiring

SEAL_TRIES: Final = 3


def settle_book(
    live: "Wiring", merchant: Merchant, book: Book, asked: dt.date | None
) -> Seal | None:
    """Seal all of a book up to `asked`, or to the last closed day; None when there was nothing.

    A day that is not closed yet is never sealed, whatever was asked (seals R5, H18).
    """
    now = live.clock.now(book.mode)
    closed = calendar.closed_through(now.when, book.currency)
    through = closed if asked is None else min(asked, closed)
    made = None
    for _ in range(SEAL_TRIES):
        last = live.settlements.last(book)
        first = merchant.since if last is None else last.through + dt.timedelta(1)
        if first > through:
            break
        try:
            made = _seal(live, merchant, book, last, first, through)
        except Overtaken:
            continue  # another run was first: start again from its seal
        break
    _watch_payouts(live, book)
    return made


def _seal(
    live: "Wiring",
    merchant: Merchant,
    book: Book,
    last: Seal | None,
    first: dt.date,
    through: dt.date,
) -> Seal | None:
    carried = live.settlements.lines(last).open_ids if last is not None else ()
    days = calendar.days(first, through)
    shards = range(merchant.shards)
    payable = last is not None and last.closing_minor > 0 and merchant.iban is not None
    idle = (
        not carried
        and not payable
        and not any(live.payments.peek(book, d, s) for d in days for s in shards)
    )
    if idle and len(days) <= SEAL_IDLE_DAYS:
        return None
    live.clock.check(book.mode, live.settlements.database_ms(book))
    live.settlements.fence(book, through)
    lines, open_ids, elsewhere = [], [], []
    for day in days:
        for shard in shards:
            for payment, line in _entries(live, book, day, shard):
                if line is not None:
                    lines.append(line)
                if payment is not None and _unfinished(payment):
                    open_ids.append(payment.id.text)
                elif line is not None and line.id.startswith(("f:", "x:")):
                    elsewhere.append(line.id.split(":")[1])  # its payment may be of a sealed day
    open_ids += [id for id in dict.fromkeys((*carried, *elsewhere)) if _still_open(live, id)]
    content = Lines.of(lines, open_ids)
    _arm(live, content.open_ids)
    now = live.clock.now(book.mode)
    made = seal(book, last, first, through, content, at_ms=now.ms, payee=_payee(merchant))
    live.settlements.put_lines(made.lines_key, content)
    live.settlements.put(made)
    log.metric("SealsMade")
    log.note(seal=made.n, lines=made.count, open=len(content.open_ids))
    return made


def _payee(merchant: Merchant) -> Payee | None:
    if merchant.iban is None:
        return None
    return Payee(merchant.iban, merchant.iban_last4, merchant.name)


def _entries(
    live: "Wiring", book: Book, day: dt.date, shard: int
) -> Iterator[tuple[Payment | None, Line | None]]:
    """A day's items, with every open payment held out of it for good (seals R2)."""
    for entry in live.payments.movements(book, day, shard):
        payment, line = entry.payment, entry.line
        if payment is not None and payment.is_open and not payment.moved:
            try:
                live.payments.move(payment.id)
            except Overtaken:
                again = live.payments.entry(payment.id)
                payment, line = again.payment, again.line
        yield payment, line


def _unfinished(payment: Payment) -> bool:
    return not payment.is_finished or bool(payment.pending_refunds)


def _still_open(live: "Wiring", id: str) -> bool:
    payment = live.payments.entry(PaymentId.parse(id)).payment
    return payment is not None and _unfinished(payment)


def _arm(live: "Wiring", open_ids: tuple[str, ...]) -> None:
    """Timers for everything open, before the seal: no lost timer outlives a day (R9, R10)."""
    refunds = []
    for id in open_ids:
        payment = live.payments.entry(PaymentId.parse(id)).payment
        assert payment is not None
        refunds += [{"payment": id, "refund": r.key} for r in payment.pending_refunds]
    live.queues.send_many(live.env["TIMER_QUEUE"], [{"payment": id} for id in open_ids])
    live.queues.send_many(live.env["REFUND_QUEUE"], refunds)


def _watch_payouts(live: "Wiring", book: Book) -> None:
    """Wake the payouts of the last seals that are not final, or may still come back (seals R11)."""
    now = live.clock.now(book.mode)
    since_ms = now.ms - RETURN_WATCH_DAYS * 86_400_000
    waiting = [
        {"payout": str(s.payout_id)}
        for s in live.settlements.seals(book, limit=PAYOUTS_WATCHED)
        if s.state in {PayoutState.NEW, PayoutState.SENT}
        or (s.state is PayoutState.EXECUTED and s.at_ms >= since_ms)
    ]
    live.queues.send_many(live.env["PAYOUT_QUEUE"], waiting)
