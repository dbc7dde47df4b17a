"""Give money back: booked first, then asked of the channel, under one key from start to end.

The booking is one transaction [the payment's refunds · a posting in an open day · that day is open]
(seals R3, R4); a channel that refuses gets a second one that books it back (R8). A time-out leaves
the refund pending, and its timer asks again under the same key.
"""

import dataclasses
import hashlib
import secrets
from typing import TYPE_CHECKING, Final

from functions.refund.cover import covered
from payvand import ledger
from payvand.calendar import first_open
from payvand.edge import log
from payvand.edge.views import CreateRefund
from payvand.errors import Conflict, Overtaken
from payvand.ids import derived
from payvand.merchant import Merchant
from payvand.payment import REFUNDS_MAX, Payment, Refund, RefundState, Status
from payvand.psp import RefundVerdict
from payvand.resolve import attempt_of, channel_of, read, read_at
from payvand.store.clock import Moment

if TYPE_CHECKING:
    from payvand.edge.wiring import Wiring
    from payvand.store.payments import Seen

BOOK_TRIES: Final = 6
FIRST_TIMER_S: Final = 120
"""Later than the next turn (resolve.APART_S)."""


def request_refund(
    live: "Wiring", merchant: Merchant, seen: "Seen", body: CreateRefund, key: str | None
) -> Refund:
    """Book a refund and ask the channel for it, or answer the one this key already made.

    Raises Conflict (not refundable, more than is left, more than the balance of a merchant whose
    refunds must be covered, key used for another amount), Overtaken.
    """
    wanted = key or (body.reference and f"ref:{body.reference}") or secrets.token_hex(16)
    name = hashlib.sha256(wanted.encode()).hexdigest()[:24]
    payment = seen.payment
    known = payment.refunds.get(name)
    if known is not None:
        if body.amount is not None and known.amount_minor != body.amount:
            raise Conflict(
                "idempotency_key_reused", "This key already stands for a refund of another amount."
            )
        return known
    _amount(payment, body)
    now = live.clock.now(payment.id.book.mode)
    arm(live, payment, name, now, FIRST_TIMER_S)
    payment, refund, ours = _book(live, merchant, seen, body, name, now)
    # Who did not book does not ask: a channel without keys would give the money back twice.
    return decide(live, payment, refund, first_try=True) if ours else refund


def arm(
    live: "Wiring", payment: Payment, key: str, now: Moment, after_s: float, n: int = 0
) -> None:
    """Send a refund's timer."""
    message = {"payment": payment.id.text, "refund": key, "n": n}
    live.queues.timer(live.env["REFUND_QUEUE"], message, now, after_s)


def _book(
    live: "Wiring",
    merchant: Merchant,
    seen: "Seen",
    body: CreateRefund,
    name: str,
    now: Moment,
) -> tuple[Payment, Refund, bool]:
    book = seen.payment.id.book
    day = now.label(book.currency)
    for _ in range(BOOK_TRIES):
        payment = seen.payment
        amount = _amount(payment, body)
        must = merchant.refunds == "refuse"
        cover = covered(live, book, amount) if must else None
        refund = Refund(
            key=name,
            refund_id=derived("rfd_", payment.id.text, name),
            amount_minor=amount,
            day=day,
            at_ms=now.ms,
            state=RefundState.PENDING,
            reason=body.reason,
            asked_at_ms=seen.server_ms,
        )
        legs = ledger.refunded(_channel(payment), amount)
        try:
            live.payments.begin_refund(payment, refund, legs, cover)
        except Overtaken as refused:
            seen = read_at(live, payment.id)
            if (known := seen.payment.refunds.get(name)) is not None:
                return seen.payment, known, False  # our own lost answer, or the same key sent twice
            if refused.failed and refused.failed[-1]:
                day = first_open(day, live.payments.closing(book))
        else:
            refunds = {**payment.refunds, name: refund}
            booked = payment.refunded_minor + amount
            after = dataclasses.replace(payment, refunds=refunds, refunded_minor=booked)
            return after, refund, True
    raise Overtaken(f"a refund of {seen.payment.id} could not be booked")


def _amount(payment: Payment, body: CreateRefund) -> int:
    if payment.status is not Status.EXECUTED:
        raise Conflict("not_refundable", f"A payment that is {payment.status} cannot be refunded.")
    left = payment.amount_minor - payment.refunded_minor
    amount = left if body.amount is None else body.amount
    if amount > left or left == 0:
        raise Conflict("refund_exceeds_payment", f"{left} is left to refund.")
    if len(payment.refunds) >= REFUNDS_MAX:
        raise Conflict("too_many_refunds", f"A payment can be refunded {REFUNDS_MAX} times.")
    return amount


def _channel(payment: Payment) -> str:
    assert payment.execution is not None, "only an executed payment is refunded"
    return payment.attempts[payment.execution.attempt].channel


def decide(live: "Wiring", payment: Payment, refund: Refund, *, first_try: bool) -> Refund:
    """Ask the channel about a booked refund and write its word, if it has one."""
    assert payment.execution is not None
    channel = channel_of(live, payment, _channel(payment))
    attempt = attempt_of(payment, payment.execution.attempt)
    money = dataclasses.replace(payment.money, amount_minor=refund.amount_minor)
    answer = channel.refund(
        attempt, payment.execution.reference, money, refund.refund_id, first_try
    )
    log.note(verdict=answer.verdict.value, channel=channel.name, mode=payment.id.book.mode)
    now = live.clock.now(payment.id.book.mode)
    decided = dataclasses.replace(
        refund, code=answer.code, reference=answer.reference, done_at_ms=now.ms
    )
    match answer.verdict:
        case RefundVerdict.DONE:
            done = dataclasses.replace(decided, state=RefundState.DONE)
            try:
                live.payments.refund_done(payment, done)
            except Overtaken:
                return read(live, payment.id).refunds[refund.key]
            log.metric("RefundsDone")
            return done
        case RefundVerdict.REFUSED:
            return _undo(live, payment, dataclasses.replace(decided, state=RefundState.FAILED), now)
        case RefundVerdict.PENDING | RefundVerdict.UNKNOWN:
            return refund


def _undo(live: "Wiring", payment: Payment, failed: Refund, now: Moment) -> Refund:
    legs = ledger.reversal(ledger.refunded(_channel(payment), failed.amount_minor))
    day = now.label(payment.id.book.currency)
    for _ in range(BOOK_TRIES):
        try:
            live.payments.undo_refund(payment, failed, day, now.ms, legs)
        except Overtaken as refused:
            payment = read(live, payment.id)
            stored = payment.refunds[failed.key]
            if stored.state is not RefundState.PENDING:
                return stored
            if refused.failed and refused.failed[-1]:
                day = first_open(day, live.payments.closing(payment.id.book))
        else:
            log.metric("RefundsRefused")
            return failed
    raise Overtaken(f"a refund of {payment.id} could not be booked back")
