"""The end of a merchant's days: lines, seals and the chain they form (seals R6–R8).

A seal closes the days since the seal before it. It names its lines by the digest of an object that
holds them, carries the sum of every account, the running balance and the payout it orders, and the
digest of the seal before: so a statement proves itself, and any past balance is a seal and a query.
"""

import datetime as dt
import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from functools import cached_property
from typing import Any, Final

from payvand import ledger
from payvand.ids import Book, PayoutId

SEAL_IDLE_DAYS: Final = 7
"""After this many days without a movement an empty seal is put, so that ranges stay short."""
PAYOUTS_WATCHED: Final = 8
"""How many seals back settlement looks for payouts that are not final (seals R11)."""
RETURN_WATCH_DAYS: Final = 14
"""How long an executed payout may still come back from the merchant's bank.

Longer than any row of closed days (Nowruz), in which nobody looks.
"""
GENESIS: Final = "0" * 64
_MAY_CHANGE: Final = (
    "state",
    "state_at_ms",
    "paid_at_ms",
    "bank_code",
    "bank_reason",
    "bank_reference",
)
"""What a seal's digest leaves out."""


class PayoutState(StrEnum):
    """The life of a payout: new → sent → executed → returned, or sent → returned."""

    NEW = "new"
    SENT = "sent"
    EXECUTED = "executed"
    RETURNED = "returned"


@dataclass(frozen=True, slots=True)
class Line:
    """One booked movement of a merchant-day, from fields that never change again (seals R8)."""

    id: str
    day: dt.date
    at_ms: int
    legs: ledger.Legs


@dataclass(frozen=True)
class Lines:
    """The content of a lines object: every movement of a range, and the payments still open."""

    lines: tuple[Line, ...]
    open_ids: tuple[str, ...]

    @classmethod
    def of(cls, lines: Iterable[Line], open_ids: Iterable[str]) -> "Lines":
        """In the one order that makes equal contents equal bytes."""
        return cls(tuple(sorted(lines, key=lambda line: line.id)), tuple(sorted(set(open_ids))))

    def to_bytes(self) -> bytes:
        """JSON lines: movements, then open payments."""
        return self._bytes

    @cached_property
    def _bytes(self) -> bytes:
        rows: list[dict[str, Any]] = [
            {"id": x.id, "day": x.day.isoformat(), "at": x.at_ms, "legs": x.legs}
            for x in self.lines
        ]
        rows += [{"open": id} for id in self.open_ids]
        return "".join(_canonical(row) + "\n" for row in rows).encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> "Lines":
        """The inverse of `to_bytes`."""
        rows = [json.loads(row) for row in content.splitlines()]
        lines = tuple(
            Line(r["id"], dt.date.fromisoformat(r["day"]), r["at"], r["legs"])
            for r in rows
            if "id" in r
        )
        return cls(lines, tuple(r["open"] for r in rows if "open" in r))


@dataclass(frozen=True, slots=True)
class Payee:
    """Who a payout goes to: an account (encrypted), its last digits for people, and a name."""

    iban: bytes
    iban_last4: str
    name: str


@dataclass(frozen=True, slots=True)
class Seal:
    """One link of a book's chain. Only `state` and what the bank said may change later.

    `payout_minor` = max(0, opening + sum); `closing_minor` = opening + sum − payout, so a negative
    balance is carried. `iban` (encrypted) and `payee` say who is paid, fixed here for every try.
    """

    book: Book
    n: int
    first: dt.date
    through: dt.date
    at_ms: int
    count: int
    sums: ledger.Legs
    opening_minor: int
    payout_minor: int
    closing_minor: int
    lines_key: str
    lines_digest: str
    previous: str
    iban: bytes | None = None
    iban_last4: str | None = None
    payee: str | None = None
    state: PayoutState | None = None
    state_at_ms: int | None = None
    paid_at_ms: int | None = None
    bank_code: str | None = None
    bank_reason: str | None = None
    bank_reference: str | None = None

    @property
    def payout_id(self) -> PayoutId:
        """The payout this seal orders; also its reference at the bank."""
        return PayoutId.of(self.book, self.n)

    @property
    def digest(self) -> str:
        """SHA-256 over everything that must never change, the previous digest included."""
        fixed = asdict(self)
        for name in _MAY_CHANGE:
            del fixed[name]
        fixed["book"] = self.book.key
        fixed["iban"] = None if self.iban is None else self.iban.hex()
        fixed["first"], fixed["through"] = self.first.isoformat(), self.through.isoformat()
        return hashlib.sha256(_canonical(fixed).encode()).hexdigest()


_canonical: Final = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False
).encode
"""The one spelling of a value; built once, because a day has a line for each payment."""


def lines_key(book: Book, n: int, content: bytes) -> str:
    """A content-addressed name: another content is another object (seals R7)."""
    return f"lines/{book.key}/{n:08d}/{hashlib.sha256(content).hexdigest()}"


def seal(
    book: Book,
    last: Seal | None,
    first: dt.date,
    through: dt.date,
    lines: Lines,
    *,
    at_ms: int,
    payee: Payee | None,
) -> Seal:
    """The next link of a chain. Without an account to pay to, the balance waits."""
    content = lines.to_bytes()
    n = 1 if last is None else last.n + 1
    sums = {k: v for k, v in ledger.total(line.legs for line in lines.lines).items() if v}
    assert sum(sums.values()) == 0, "a day's journals balance"
    opening = 0 if last is None else last.closing_minor
    balance = opening + ledger.owed(sums)
    payout = max(0, balance) if payee is not None else 0
    return Seal(
        book=book,
        n=n,
        first=first,
        through=through,
        at_ms=at_ms,
        count=len(lines.lines),
        sums=sums,
        opening_minor=opening,
        payout_minor=payout,
        closing_minor=balance - payout,
        lines_key=lines_key(book, n, content),
        lines_digest=hashlib.sha256(content).hexdigest(),
        previous=GENESIS if last is None else last.digest,
        iban=payee.iban if payee and payout else None,
        iban_last4=payee.iban_last4 if payee and payout else None,
        payee=payee.name if payee and payout else None,
        state=PayoutState.NEW if payout else None,
    )


def follows(seal: Seal, previous: Seal | None) -> bool:
    """Whether a seal continues the chain after `previous`."""
    if previous is None:
        return seal.n == 1 and seal.previous == GENESIS and seal.opening_minor == 0
    return (
        seal.n == previous.n + 1
        and seal.previous == previous.digest
        and seal.first == previous.through + dt.timedelta(1)
        and seal.opening_minor == previous.closing_minor
    )


def with_state(seal: Seal, state: PayoutState, at_ms: int, **bank: str | None) -> Seal:
    """The same seal after the bank said something."""
    return replace(seal, state=state, state_at_ms=at_ms, **bank)  # type: ignore[arg-type]
