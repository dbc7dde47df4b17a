"""Every condition on a write that money depends on, by name.

They stand in one place so that each can be taken out alone: tests/money removes every clause below
once and proves that a test notices. Nothing else in this package writes a condition by hand.
"""

from collections.abc import Sequence
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
    # A taking that cannot be booked goes back: one worker asks its channel at a time
    "extra.turn": "attribute_not_exists(#att[n].#asked) OR #att[n].#asked = :seen",
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
    # A refund that must be covered: nothing else took from the balance since it was added up
    "refund.cover": "attribute_not_exists(#rev) OR #rev = :rev",
    "refund.sealed": "attribute_not_exists(#closing) OR #closing = :closing",
    "refund_ask.turn": "#refunds.#key.#asked = :seen",
    "refund_ask.pending": "#refunds.#key.#state = :pending",
    "refund_done.pending": "#refunds.#key.#state = :pending",
    "refund_undo.pending": "#refunds.#key.#state = :pending",
    # Settlement: rules R1, R2 and R6
    "fence.forward": _DAY_OPEN,
    "move.open": _OPEN,
    "seal.absent": _ABSENT,
    # Payouts: rules R11 and R4
    "payout.new": "#parts[n].#state = :new",
    "payout.sent": "#parts[n].#state = :sent",
    "payout.not_returned": "#parts[n].#state IN (:sent, :executed)",
    # Payout files: a payout is in one, a file's bytes are fixed once (R7, R11)
    "due.absent": _ABSENT,
    "file.absent": _ABSENT,
    "file.open": "#state = :open",
    "file.before": "#state = :before",
    "payout.of_file": "#file = :file",
    # Reconciliation: a source's runs are a chain; a source begins once; a person speaks once
    "run.absent": _ABSENT,
    "source.absent": _ABSENT,
    "word.absent": "attribute_not_exists(#pk) OR #refused = :true",
    # The house's own books begin once, or a day of them is before every seal
    "house.absent": "attribute_not_exists(#id)",
    # A task is opened once, and closed for good
    "task.absent": _ABSENT,
    "task.not_done": _ABSENT,
    # Shards are never lowered, and raised by one run (seals §6)
    "shards.kept": "attribute_not_exists(#id) OR #shards <= :shards",
    "shards.seen": "#shards = :seen",
    # A referrer's share reaches its book once (R4)
    "share.once": "attribute_not_exists(#shared.#merchant)",
}
"""Guard name → DynamoDB condition; `[n]` stands for each part that is meant."""


def guard(*names: str, parts: Sequence[int] = ()) -> str:
    """The conjunction of named guards, of those about a part for each of `parts`."""
    conditions = [GUARDS[name] for name in names]
    meant = [
        condition.replace("[n]", f"[{n}]")
        for condition in conditions
        for n in (parts if "[n]" in condition else (0,))
    ]
    return " AND ".join(f"({condition})" for condition in meant)
