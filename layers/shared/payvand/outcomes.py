"""What a bank said of payouts, brought into the books: once, and in an open day.

Shared by whoever reads answers: the payout worker (one file per transfer), bank_reply (files of
many) and reconcile (statements). A word is applied on the condition that the part still stands
where the word finds it, so a second reading changes nothing; a return books the money back in the
same transaction (seals R3, R4). Only explicit words move anything.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from payvand import ledger
from payvand.bank import Outcome, Verdict
from payvand.calendar import first_open
from payvand.edge import log
from payvand.errors import Overtaken
from payvand.settlement import PayoutState, Seal, with_part, with_state
from payvand.store.tasks import Task

if TYPE_CHECKING:
    from payvand.edge.wiring import Wiring

BOOK_TRIES: Final = 6
WITHDRAWN: Final = "withdrawn"
"""The code of a payout that an operator took back before it left."""
_BACK: Final = frozenset({Verdict.REJECTED, Verdict.RETURNED})


def apply(live: "Wiring", seal: Seal, outcome: Outcome, now_ms: int) -> Seal:
    """The seal after a bank's word on one of its transfers, or on all of them.

    Raises Overtaken when another run took the same step: read the seal again.
    """
    parts = _meant(seal, outcome)
    if outcome.verdict is Verdict.EXECUTED:
        return _executed(live, seal, parts, outcome, now_ms)
    if outcome.verdict in _BACK:
        return _come_back(live, seal, parts, outcome, now_ms)
    return seal


def _meant(seal: Seal, outcome: Outcome) -> tuple[int, ...]:
    """The parts a word is about: the payout's id means all."""
    if outcome.reference == str(seal.payout_id):
        return tuple(range(len(seal.parts)))
    return tuple(n for n in range(len(seal.parts)) if seal.transfer(n) == outcome.reference)


def _said(seal: Seal, parts: Sequence[int], state: PayoutState, outcome: Outcome, ms: int) -> Seal:
    bank = {
        "bank_code": outcome.code,
        "bank_reason": outcome.reason,
        "bank_reference": outcome.bank_reference,
    }
    for n in parts:
        seal = with_part(seal, n, state, ms, **bank)
    return seal


def _executed(
    live: "Wiring", seal: Seal, parts: Sequence[int], outcome: Outcome, now_ms: int
) -> Seal:
    sent = [n for n in parts if seal.parts[n].state is PayoutState.SENT]
    if not sent:
        return seal
    paid = _said(seal, sent, PayoutState.EXECUTED, outcome, now_ms)
    live.settlements.paid(paid, sent)
    log.metric("PayoutsExecuted")
    return paid


def _come_back(
    live: "Wiring", seal: Seal, parts: Sequence[int], outcome: Outcome, now_ms: int
) -> Seal:
    """Book parts back into the balance. A payout refused as a whole takes our wage back with it."""
    left = [n for n in parts if seal.parts[n].state in {PayoutState.SENT, PayoutState.EXECUTED}]
    whole = len(left) == len(seal.parts) and outcome.verdict is Verdict.REJECTED
    for some in [left] if whole else [[n] for n in left]:
        back = _said(seal, some, PayoutState.RETURNED, outcome, now_ms)
        amount = sum(seal.parts[n].amount_minor for n in some)
        wage = seal.wage_minor if whole else 0
        _tell(live, seal, some, outcome, now_ms)
        _book(live, back, some, ledger.reversal(ledger.paid_out(amount, wage)))
        log.metric("PayoutsReturned")
        seal = back
    return seal


def withdraw(live: "Wiring", seal: Seal, now_ms: int) -> Seal:
    """Take back a payout that no bank was told of, for an operator: its account is wrong, say.

    Raises Overtaken when it left meanwhile.
    """
    back = with_state(seal, PayoutState.RETURNED, now_ms, bank_code=WITHDRAWN)
    legs = ledger.reversal(ledger.paid_out(seal.payout_minor, seal.wage_minor))
    _in_an_open_day(live, back, partial(live.settlements.withdrawn, back, legs=legs))
    log.metric("PayoutsReturned")
    return back


def _tell(live: "Wiring", seal: Seal, parts: Sequence[int], outcome: Outcome, now_ms: int) -> None:
    """A person finds out why, and whether the account is right; before it is booked, so always."""
    whole = len(parts) == len(seal.parts)
    subject = str(seal.payout_id) if whole else seal.transfer(parts[0])
    facts = {"verdict": outcome.verdict.value, "code": outcome.code[:35]}
    if live.tasks.open(Task(seal.book.mode, "payout_returned", subject, now_ms, facts)):
        log.metric("TasksOpened")


def _book(live: "Wiring", back: Seal, parts: Sequence[int], legs: ledger.Legs) -> None:
    _in_an_open_day(live, back, partial(live.settlements.returned, back, parts, legs=legs))


def _in_an_open_day(live: "Wiring", back: Seal, post: Callable[..., None]) -> None:
    """Post in today's day, or in the first that is open (seals R3)."""
    day = live.clock.now(back.book.mode).label(back.book.currency)
    for _ in range(BOOK_TRIES):
        try:
            post(day=day)
        except Overtaken as refused:
            if not (refused.failed and refused.failed[-1]):
                raise
            day = first_open(day, live.payments.closing(back.book))
        else:
            return
    raise Overtaken(f"the return of {back.payout_id} could not be booked")
