"""A payment's life: read this file first.

    created ──► redirected ──► accepted ──► executed ──► (partially_refunded | refunded)
       │             │             │
       └─────────────┴─────────────┴──► refused | expired | reversed

`reversed` here means that the channel took the money and gave it back before we could confirm it.
Stored statuses are all but the bracketed ones; `partially_refunded` and
`refunded` are read off the refunds (`Payment.shown_status`), so that a refund the channel refuses
later needs no step back. An unknown answer never moves anything: unknown is not refused.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from payvand import ledger
from payvand.fee import FeePlan
from payvand.ids import PaymentId
from payvand.money import Money


class Status(StrEnum):
    """The words merchants see (product A5)."""

    CREATED = "created"
    REDIRECTED = "redirected"
    ACCEPTED = "accepted"
    EXECUTED = "executed"
    REFUSED = "refused"
    EXPIRED = "expired"
    REVERSED = "reversed"
    PARTIALLY_REFUNDED = "partially_refunded"
    REFUNDED = "refunded"
    DISPUTED = "disputed"


FAILED: Final = frozenset({Status.REFUSED, Status.EXPIRED, Status.REVERSED})
"""Ended without money."""

MOVES: Final[dict[Status, frozenset[Status]]] = {
    Status.CREATED: frozenset({Status.REDIRECTED, Status.ACCEPTED, Status.EXECUTED}) | FAILED,
    Status.REDIRECTED: frozenset({Status.ACCEPTED, Status.EXECUTED}) | FAILED,
    Status.ACCEPTED: frozenset({Status.EXECUTED}) | FAILED,
    Status.EXECUTED: frozenset(),
    **{status: frozenset() for status in sorted(FAILED)},
}
"""The edges a stored status may take. Every store write repeats its row as a condition."""

OPEN: Final = frozenset({Status.CREATED, Status.REDIRECTED, Status.ACCEPTED})

ATTEMPTS_MAX: Final = 5
REFUNDS_MAX: Final = 20
"""Keeps the item, and so every write of it, small."""
EXPIRES_IN_S_MIN: Final = 120
EXPIRES_IN_S_MAX: Final = 86_400
EXPIRES_IN_S: Final = 1_800
FIRST_TIMER_S: Final = 300
"""Later than any caller still waits, so that a payment put late is always met (seals R9)."""


class RefundState(StrEnum):
    """A refund is booked before the channel is asked; `failed` means it was booked back."""

    PENDING = "pending"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class AttemptRecord:
    """One handing of the payer to a channel.

    `over` keeps a channel's last word (dead, reversed) where only its notices say it: asked again,
    such a channel has its notice repeated and answers nothing itself. `asked_at_ms` is the turn of
    who asked last to give a taking back that could not be booked, as a refund's is.
    """

    channel: str
    token: str
    at_ms: int
    over: str | None = None
    asked_at_ms: int = 0


@dataclass(frozen=True, slots=True)
class Refund:
    """Money on its way back to the payer; `key` makes a replay the same refund.

    Who asks the channel first sets `asked_at_ms` under a condition: a channel that keeps no keys
    must never be asked by two at once. It is the database's clock, because hosts differ.
    """

    key: str
    refund_id: str
    amount_minor: int
    day: dt.date
    at_ms: int
    state: RefundState
    reason: str = ""
    code: str | None = None
    reference: str | None = None
    done_at_ms: int | None = None
    asked_at_ms: int = 0


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a payment ended without money; `code` is ours and stable, `message` for people."""

    code: str
    message: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class Execution:
    """The fact that money came: which attempt, the channel's receipt, and the journal.

    `day` is the settlement day it was booked in; the legs stand on the payment itself when that is
    the payment's own day, else in a posting of that day.
    """

    attempt: int
    reference: str
    at_ms: int
    day: dt.date
    fee_minor: int
    legs: ledger.Legs
    card_mask: str | None = None


@dataclass(frozen=True, slots=True)
class Payment:
    """One payment as stored. Times are milliseconds since 1970, amounts minor units."""

    id: PaymentId
    status: Status
    amount_minor: int
    reference: str
    return_url: str
    expires_at_ms: int
    fee_plan: FeePlan
    description: str = ""
    channel: str | None = None
    fallback_channels: tuple[str, ...] = ()
    locale: str = "fa"
    metadata: Mapping[str, str] = field(default_factory=dict)
    payer: bytes | None = None
    attempts: tuple[AttemptRecord, ...] = ()
    rev: int = 0
    execution: Execution | None = None
    failure: Failure | None = None
    accepted_at_ms: int | None = None
    refunds: Mapping[str, Refund] = field(default_factory=dict)
    refunded_minor: int = 0
    moved: bool = False
    shut: bool = False
    surcharge_minor: int = 0

    @property
    def money(self) -> Money:
        """What the payer is asked for: the amount, and the fee where the payer bears it."""
        return Money(self.amount_minor + self.surcharge_minor, self.id.book.currency)

    @property
    def is_open(self) -> bool:
        """Whether its outcome is still to come."""
        return self.status in OPEN

    @property
    def is_finished(self) -> bool:
        """Whether nothing can come of it any more, rival attempts included (seals R12)."""
        return not self.is_open and (len(self.attempts) < 2 or self.shut)

    @property
    def shown_status(self) -> Status:
        """The status merchants see."""
        if self.status is not Status.EXECUTED:
            return self.status
        done = sum(r.amount_minor for r in self.refunds.values() if r.state is RefundState.DONE)
        if done == 0:
            return Status.EXECUTED
        return Status.REFUNDED if done >= self.amount_minor else Status.PARTIALLY_REFUNDED

    @property
    def refunded_done_minor(self) -> int:
        """What the payer has certainly been given back."""
        return sum(r.amount_minor for r in self.refunds.values() if r.state is RefundState.DONE)

    @property
    def pending_refunds(self) -> tuple[Refund, ...]:
        """Refunds the channel has not decided."""
        return tuple(r for r in self.refunds.values() if r.state is RefundState.PENDING)

    def attempt_key(self, index: int) -> str:
        """Our unique name of one attempt."""
        return f"{self.id.text[4:]}-{index}"

    def executed(self, execution: Execution) -> "Payment":
        """This payment with the money booked."""
        return self._move(Status.EXECUTED, execution=execution)

    def failed(self, status: Status, failure: Failure) -> "Payment":
        """This payment ended without money."""
        assert status in FAILED
        return self._move(status, failure=failure)

    def _move(self, status: Status, **changes: object) -> "Payment":
        if status not in MOVES[self.status]:
            raise AssertionError(f"{self.id}: {self.status} cannot become {status}")
        return replace(self, status=status, **changes)  # type: ignore[arg-type]


def execution(
    payment: Payment,
    attempt: int,
    reference: str,
    card_mask: str | None,
    *,
    at_ms: int,
    day: dt.date,
) -> Execution:
    """The booking of a verified attempt on settlement day `day`; here its fee is fixed for good.

    What the payer bears was fixed when the payment was made, because it is part of what was asked.
    """
    plan, taken = payment.fee_plan, payment.money.amount_minor
    by_payer = plan.bearer == "payer"
    fee = payment.surcharge_minor if by_payer else plan.fee(payment.amount_minor, day)
    shared = {plan.referrer: plan.referral(fee)} if plan.referrer else {}
    legs = ledger.executed(payment.attempts[attempt].channel, taken, fee, shared)
    return Execution(attempt, reference, at_ms, day, fee, legs, card_mask)
