"""SQS worker: hand a seal's payout to the bank, and read the bank's answer until it is final.

In:    PayoutQueue, {"payout": "po_…", "due": ms, "n": tries}
Out:   an order file in S3 for each part of the payout, the parts' states; what came back is booked
       back in one transaction; a payout of a file of many waits for functions/payout_file
Fails: seen again, then PayoutDeadQueue (alarm); a part's reference follows from the seal's key, so
       the bank pays it once
"""

from typing import TYPE_CHECKING, Final

from functions.payout.bank import order, read_answer
from payvand import outcomes
from payvand.bank import Outcome
from payvand.edge import log
from payvand.edge.queue import Delivery, worker
from payvand.edge.wiring import wiring
from payvand.errors import Overtaken
from payvand.ids import PayoutId
from payvand.settlement import PayoutState, Seal, with_state
from payvand.store.payout_files import Lane

if TYPE_CHECKING:
    from payvand.edge.wiring import Wiring

STEPS_S: Final = (300, 900, 1_800, 3_600)
"""Book time between looks for the bank's answer; the last one repeats."""
_ANSWERABLE: Final = frozenset({PayoutState.SENT, PayoutState.EXECUTED})


def wake(delivery: Delivery) -> None:
    """Take one payout a step further."""
    live, message = wiring(), delivery.message
    id, n = PayoutId.parse(message["payout"]), message.get("n", 0)
    log.note(payout=str(id), mode=id.book.mode, tries=n)
    now = live.clock.now(id.book.mode)
    queue = live.env["PAYOUT_QUEUE"]
    if live.queues.early(queue, message, now):
        log.note(answer="early")
        return
    seal = live.settlements.get(id.book, id.n)
    assert seal is not None and seal.state is not None, f"{id} has no seal that pays"
    seal = _advance(live, seal, now.ms)
    log.note(answer=str(seal.state))
    if seal.state is PayoutState.SENT and seal.file is None:
        step_s = STEPS_S[min(n, len(STEPS_S) - 1)]
        live.queues.timer(queue, {"payout": str(id), "n": n + 1}, now, step_s)


def _advance(live: "Wiring", seal: Seal, now_ms: int) -> Seal:
    try:
        if seal.state is PayoutState.NEW:
            return _send(live, seal, now_ms)
        if seal.file is not None:
            return seal  # its file is asked about, not it
        for n, part in enumerate(seal.parts):
            reference = seal.transfer(n)
            content = live.settlements.answer(reference) if part.state in _ANSWERABLE else None
            if content is not None:
                seal = _answered(live, seal, read_answer(reference, content), now_ms)
    except Overtaken:  # another worker took the same step
        again = live.settlements.get(seal.book, seal.n)
        assert again is not None
        return again
    return seal


def _send(live: "Wiring", seal: Seal, now_ms: int) -> Seal:
    """Amounts, accounts and references come from the seal on every try (seals R11)."""
    lane = Lane.of(seal)
    if lane.door != "json":
        live.payout_files.wait(seal.payout_id, lane, now_ms)
        return seal
    for n, part in enumerate(seal.parts):
        iban = live.vault.open(part.iban, seal.book.merchant_id).decode()
        live.settlements.put_order(seal.transfer(n), order(seal, n, iban))
    sent = with_state(seal, PayoutState.SENT, now_ms)
    live.settlements.sent(sent)
    log.metric("PayoutsSent")
    return sent


def _answered(live: "Wiring", seal: Seal, said: Outcome | None, now_ms: int) -> Seal:
    if said is None:  # a file we cannot read decides nothing
        log.metric("BankAnswersUnreadable")
        return seal
    return outcomes.apply(live, seal, said, now_ms)


lambda_handler = worker(wake)
