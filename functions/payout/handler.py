"""SQS worker: hand a seal's payout to the bank, and read the bank's answer until it is final.

In:    PayoutQueue, {"payout": "po_…", "due": ms, "n": tries}
Out:   an order file in S3, the payout's state; a returned payout is booked back in one transaction
Fails: seen again, then PayoutDeadQueue (alarm); the reference is the seal's key, so the bank pays
       it once
"""

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from functions.payout.bank import Answer, order, read_answer
from payvand import ledger
from payvand.calendar import first_open
from payvand.edge import log
from payvand.edge.queue import Delivery, worker
from payvand.edge.wiring import wiring
from payvand.errors import Overtaken
from payvand.ids import PayoutId
from payvand.settlement import PayoutState, Seal, with_state

if TYPE_CHECKING:
    from payvand.edge.wiring import Wiring

STEPS_S: Final = (300, 900, 1_800, 3_600)
"""Book time between looks for the bank's answer; the last one repeats."""
BOOK_TRIES: Final = 6


def wake(delivery: Delivery) -> None:
    """Take one payout a step further."""
    live, message = wiring(), delivery.message
    id, n = PayoutId.parse(message["payout"]), message.get("n", 0)
    log.note(payout=str(id), mode=id.book.mode, tries=n)
    now = live.clock.now(id.book.mode)
    if live.queues.early(live.env["PAYOUT_QUEUE"], message, now):
        log.note(answer="early")
        return
    seal = live.settlements.get(id.book, id.n)
    assert seal is not None and seal.state is not None, f"{id} has no seal that pays"
    seal = _advance(live, seal, now.ms)
    log.note(answer=str(seal.state))
    if seal.state is PayoutState.SENT:
        step_s = STEPS_S[min(n, len(STEPS_S) - 1)]
        live.queues.timer(live.env["PAYOUT_QUEUE"], {"payout": str(id), "n": n + 1}, now, step_s)


def _advance(live: "Wiring", seal: Seal, now_ms: int) -> Seal:
    try:
        if seal.state is PayoutState.NEW:
            return _send(live, seal, now_ms)
        if seal.state in {PayoutState.SENT, PayoutState.EXECUTED}:
            content = live.settlements.answer(str(seal.payout_id))
            return (
                seal
                if content is None
                else _answered(live, seal, read_answer(seal, content), now_ms)
            )
    except Overtaken:  # another worker took the same step
        again = live.settlements.get(seal.book, seal.n)
        assert again is not None
        return again
    return seal


def _send(live: "Wiring", seal: Seal, now_ms: int) -> Seal:
    """Amount, account and reference come from the seal on every try (seals R11)."""
    assert seal.iban is not None
    iban = live.vault.open(seal.iban, seal.book.merchant_id).decode()
    live.settlements.put_order(str(seal.payout_id), order(seal, iban))
    sent = with_state(seal, PayoutState.SENT, now_ms)
    live.settlements.sent(sent)
    log.metric("PayoutsSent")
    return sent


def _answered(live: "Wiring", seal: Seal, answer: Answer | None, now_ms: int) -> Seal:
    if answer is None:  # a file we cannot read decides nothing
        log.metric("BankAnswersUnreadable")
        return seal
    bank = {
        "bank_code": answer.code,
        "bank_reason": answer.reason,
        "bank_reference": answer.bank_reference,
    }
    if answer.status == "executed":
        if seal.state is PayoutState.EXECUTED:
            return seal
        paid = replace(with_state(seal, PayoutState.EXECUTED, now_ms, **bank), paid_at_ms=now_ms)
        live.settlements.paid(paid)
        log.metric("PayoutsExecuted")
        return paid
    back = with_state(seal, PayoutState.RETURNED, now_ms, **bank)
    legs = ledger.reversal(ledger.paid_out(seal.payout_minor))
    day = live.clock.now(seal.book.mode).label(seal.book.currency)
    for _ in range(BOOK_TRIES):
        try:
            live.settlements.returned(back, day, legs)
        except Overtaken as refused:
            if not (refused.failed and refused.failed[-1]):
                raise
            day = first_open(day, live.payments.closing(seal.book))
        else:
            log.metric("PayoutsReturned")
            return back
    raise Overtaken(f"the return of {seal.payout_id} could not be booked")


lambda_handler = worker(wake)
