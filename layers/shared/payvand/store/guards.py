"""Every condition on a write that money depends on, by name.

They stand in one place so that each can be taken out alone: tests/money removes every clause below
once and proves that a test notices. Nothing else in this package writes a condition by hand.
"""

from typing import Final

_OPEN: Final = "#status IN (:created, :redirected, :accepted)"
_UNTOLD: Final = "#status IN (:created, :redirected)"
_ABSENT: Final = "attribute_not_exists(#pk)"
_DAY_OPEN: Final = "attribute_not_exists(#closing) OR #closing < :day"

GUARDS: Final[dict[str, str]] = {
    # One reference, one payment (R9)
    "reference.absent": _ABSENT,
    "idempotency.absent": _ABSENT,
    "payment.absent": _ABSENT,
    # Attempts: rule R12
    "attempt.open": _UNTOLD,
    "attempt.rev": "#rev = :seen",
    "fail.open": _OPEN,
    "fail.rev": "#rev = :seen",
    "accept.open": _UNTOLD,
    # executed in its own day (R2)
    "confirm.open": _OPEN,
    "confirm.not_moved": "attribute_not_exists(#moved)",
    # who books knows every rival there is (R12)
    "confirm.rev": "#rev = :seen",
    "late.rev": "#rev = :seen",
    # executed on a later day (R3, R4)
    "late.open": _OPEN,
    "posting.absent": _ABSENT,
    "posting.day_open": _DAY_OPEN,
    # One channel reference, one payment
    "taking.once": "attribute_not_exists(#pk) OR #payment = :payment",
    # Refunds: rule R4
    "refund.executed": "#status = :executed",
    "refund.once": "attribute_not_exists(#refunds.#key)",
    "refund.bound": "#refunded <= :room",
    "refund.count": "size(#refunds) < :most",
    "refund_ask.turn": "#refunds.#key.#asked = :seen",
    "refund_ask.pending": "#refunds.#key.#state = :pending",
    "refund_done.pending": "#refunds.#key.#state = :pending",
    "refund_undo.pending": "#refunds.#key.#state = :pending",
    # Settlement: rules R1, R2 and R6
    "fence.forward": _DAY_OPEN,
    "move.open": _OPEN,
    "seal.absent": _ABSENT,
    # Payouts: rules R11 and R4
    "payout.new": "#payout_state = :new",
    "payout.sent": "#payout_state = :sent",
    "payout.not_returned": "#payout_state IN (:sent, :executed)",
}
"""Guard name → DynamoDB condition."""


def guard(*names: str) -> str:
    """The conjunction of named guards."""
    return " AND ".join(f"({GUARDS[name]})" for name in names)
