"""A merchant-day as settlement reads it: a million items, of each the few attributes it needs.

DynamoDB sends no others, and they are decoded straight into these types: no dictionary is made of
what is thrown away. Only settlement loads this module, and msgspec with it.
"""

import datetime as dt
from dataclasses import dataclass
from typing import Any, Final

from msgspec import Struct

from payvand.ledger import Legs
from payvand.payment import OPEN, Payment, RefundState
from payvand.settlement import Line
from payvand.store.payments import Entry

FIELDS: Final = "#id, #at, #legs, #exe.#at, #status, #moved, #shut, #refunds, #att"


class _Text(Struct, gc=False):
    S: str


class _Number(Struct, gc=False):
    N: str


class _Execution(Struct, gc=False):
    at: _Number


class _Executed(Struct, gc=False):
    M: _Execution


class _Legs(Struct, gc=False):
    M: dict[str, _Number]


class _Attempts(Struct, gc=False):
    L: list[Any]


class _Refund(Struct, gc=False):
    state: _Text


class _RefundOf(Struct, gc=False):
    M: _Refund


class _Refunds(Struct, gc=False):
    M: dict[str, _RefundOf]


class _True(Struct, gc=False):
    BOOL: bool


class Row(Struct, gc=False):
    """An item of the payments table, projected to `FIELDS`."""

    id: _Text
    at: _Number | None = None
    legs: _Legs | None = None
    exe: _Executed | None = None
    status: _Text | None = None
    moved: _True | None = None
    shut: _True | None = None
    refunds: _Refunds | None = None
    att: _Attempts | None = None


@dataclass(frozen=True, slots=True)
class Movement:
    """An item of a merchant-day: its line, once booked, and what is still to come of it.

    `unfinished`: it must be looked at again after this day. `pending` names the refunds that the
    channel has not decided.
    """

    id: str
    line: Line | None
    is_open: bool = False
    moved: bool = False
    unfinished: bool = False
    pending: tuple[str, ...] = ()

    @classmethod
    def of(cls, entry: Entry) -> "Movement":
        """The same from a payment that was read whole."""
        payment = entry.payment
        assert payment is not None, "only payments are read again"
        return cls(
            payment.id.text,
            entry.line,
            payment.is_open,
            payment.moved,
            _unfinished(payment),
            tuple(refund.key for refund in payment.pending_refunds),
        )


def _unfinished(payment: Payment) -> bool:
    return not payment.is_finished or bool(payment.pending_refunds)


def movement(row: Row, day: dt.date) -> Movement:
    """What a row says."""
    legs = row.legs
    line = None
    if legs is not None:
        at = row.at if row.exe is None else row.exe.M.at
        assert at is not None, "what is booked was booked at a time"
        minor: Legs = {account: int(value.N) for account, value in legs.M.items()}
        line = Line(row.id.S, day, int(at.N), minor)
    if row.status is None:
        return Movement(row.id.S, line)
    is_open = row.status.S in OPEN
    pending = () if row.refunds is None else _pending(row.refunds.M)
    several = row.att is not None and len(row.att.L) > 1
    unfinished = is_open or bool(pending) or (several and row.shut is None)
    return Movement(row.id.S, line, is_open, row.moved is not None, unfinished, pending)


def _pending(refunds: dict[str, _RefundOf]) -> tuple[str, ...]:
    return tuple(key for key, r in refunds.items() if r.M.state.S == RefundState.PENDING)
