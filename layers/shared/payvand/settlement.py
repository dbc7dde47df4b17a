"""The end of a merchant's days: lines, seals and the chain they form (seals R6–R8).

A seal closes the days since the seal before it. It names its lines by the digest of an object that
holds them, carries the sum of every account, the running balance and the payout it orders, and the
digest of the seal before: so a statement proves itself, and any past balance is a seal and a query.
Where a range has more lines than one object should hold, that object is an index of sheets.
"""

import datetime as dt
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from functools import cached_property
from itertools import takewhile
from typing import Any, Final, Literal

from payvand import calendar, ledger
from payvand.fee import SWITCH_MAX_BASIS_POINTS
from payvand.ids import Book, PayoutId
from payvand.merchant import Merchant, Payee
from payvand.money import BASIS_POINTS, share

SEAL_IDLE_DAYS: Final = 7
"""After this many days without a movement an empty seal is put, so that ranges stay short."""
PAYOUTS_WATCHED: Final = 8
"""How many seals back settlement looks for payouts that are not final (seals R11)."""
RETURN_WATCH_DAYS: Final = 14
"""How long an executed payout may still come back from the merchant's bank.

Longer than any row of closed days (Nowruz), in which nobody looks.
"""
PARTS_MAX: Final = 10
"""Accounts one payout may be split over (the switch's limit, facilitator guide p. 36)."""
RESERVE_DAYS_MAX: Final = 180
GENESIS: Final = "0" * 64


class PayoutState(StrEnum):
    """The life of a payout: new → sent → executed → returned, or sent → returned."""

    NEW = "new"
    SENT = "sent"
    EXECUTED = "executed"
    RETURNED = "returned"


Kind = Literal[
    "payment", "refund", "refund_undone", "payout_returned", "referral", "correction", "payout"
]
"""What is booked. A payout is a seal's own and no line."""
_KINDS: Final[dict[str, Kind]] = {
    "": "payment", "x": "payment", "f": "refund", "c": "refund_undone", "r": "payout_returned",
    "e": "referral", "m": "correction",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Line:
    """One booked movement of a merchant-day, from fields that never change again (seals R8)."""

    id: str
    day: dt.date
    at_ms: int
    legs: ledger.Legs

    @property
    def kind(self) -> Kind:
        """What it is, read off its id (store/payments.py)."""
        prefix, colon, _ = self.id.partition(":")
        return _KINDS[prefix if colon else ""]

    @property
    def subject(self) -> str:
        """The payment or payout it is about."""
        return self.id.split(":")[1] if ":" in self.id else self.id


@dataclass(frozen=True)
class Lines:
    """The content of a lines object: every movement of a range, and the payments still open.

    A sheet of a big range is one of these, too.
    """

    lines: tuple[Line, ...]
    open_ids: tuple[str, ...]

    @classmethod
    def of(cls, lines: Iterable[Line], open_ids: Iterable[str]) -> "Lines":
        """In the one order that makes equal contents equal bytes."""
        return cls(tuple(sorted(lines, key=lambda line: line.id)), tuple(sorted(set(open_ids))))

    @property
    def count(self) -> int:
        """How many lines there are."""
        return len(self.lines)

    @property
    def open_count(self) -> int:
        """How many payments are still open."""
        return len(self.open_ids)

    @cached_property
    def sums(self) -> ledger.Legs:
        """What the lines add to each account."""
        return {k: v for k, v in ledger.total(line.legs for line in self.lines).items() if v}

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
        return _json_lines(rows)

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
class Sheet:
    """A run of lines of one shard of a day, in an object of their own: what its index says of it.

    A place's sheets are numbered; each begins after the item the one before ended with, the first
    after "", and the last one says that it is the end. So that nothing is missing and nothing twice
    is read off them. What is carried from earlier days is a sheet without a place, of open ids.
    """

    day: dt.date
    shard: int
    number: int
    after: str
    last: str
    end: bool
    digest: str
    count: int
    open_count: int
    sums: ledger.Legs


def whole(sheets: Iterable[Sheet]) -> list[Sheet]:
    """A place's sheets as far as each follows the one before; whole, if the last one is the end."""
    found: list[Sheet] = []
    after = ""
    for sheet in sorted(sheets, key=lambda sheet: sheet.number):
        if sheet.number != len(found) or sheet.after != after:
            break
        found.append(sheet)
        after = sheet.last
        if sheet.end:
            break
    return found


@dataclass(frozen=True)
class Index:
    """The content of a big range's lines object: the sheets that hold its lines, in their order."""

    sheets: tuple[Sheet, ...]

    @property
    def count(self) -> int:
        """How many lines the sheets hold."""
        return sum(sheet.count for sheet in self.sheets)

    @property
    def open_count(self) -> int:
        """How many payments are still open."""
        return sum(sheet.open_count for sheet in self.sheets)

    @cached_property
    def sums(self) -> ledger.Legs:
        """What they add to each account."""
        return {k: v for k, v in ledger.total(sheet.sums for sheet in self.sheets).items() if v}

    def to_bytes(self) -> bytes:
        """JSON lines, a sheet each."""
        return _json_lines(
            {
                "sheet": x.digest,
                "day": x.day.isoformat(),
                "shard": x.shard,
                "number": x.number,
                "after": x.after,
                "last": x.last,
                "end": x.end,
                "count": x.count,
                "open": x.open_count,
                "sums": x.sums,
            }
            for x in self.sheets
        )

    @classmethod
    def from_bytes(cls, content: bytes) -> "Index | None":
        """The inverse of `to_bytes`; None when the content is lines themselves."""
        if not content.startswith(b'{"after":'):
            return None
        rows = [json.loads(row) for row in content.splitlines()]
        return cls(tuple(map(_sheet, rows)))


def _sheet(row: Mapping[str, Any]) -> Sheet:
    return Sheet(
        day=dt.date.fromisoformat(row["day"]),
        shard=row["shard"],
        number=row["number"],
        after=row["after"],
        last=row["last"],
        end=row["end"],
        digest=row["sheet"],
        count=row["count"],
        open_count=row["open"],
        sums=row["sums"],
    )


@dataclass(frozen=True, slots=True)
class Terms:
    """How a merchant is paid at the moment of a seal.

    `hold_days`: a day's earnings wait this long. `reserve_*`: this part of them waits longer.
    `takes_wage`: our fee leaves with the payout, because the switch keeps it for us until then.
    """

    payees: tuple[Payee, ...] = ()
    minimum_minor: int = 0
    hold_days: int = 0
    reserve_basis_points: int = 0
    reserve_days: int = 0
    takes_wage: bool = False

    @classmethod
    def of(
        cls, merchant: Merchant, currency: str, through: dt.date, *, on_demand: bool = False
    ) -> "Terms":
        """Those of a merchant for days up to `through`; a payout asked for has no minimum."""
        profile = calendar.profile(through, currency)
        minimum = max(profile.minimum_payout_minor, merchant.minimum_payout_minor)
        return cls(
            payees=merchant.payees,
            minimum_minor=0 if on_demand else minimum,
            hold_days=profile.hold_days,
            reserve_basis_points=merchant.reserve_basis_points,
            reserve_days=merchant.reserve_days,
            takes_wage=profile.door == "switch",
        )


@dataclass(frozen=True, slots=True)
class Withheld:
    """What a seal keeps back of its own days' earnings, until a later seal reaches a day."""

    until: dt.date
    minor: int


@dataclass(frozen=True, slots=True)
class Part:
    """One transfer of a payout. What is fixed comes first; the rest is what the bank said."""

    iban: bytes
    iban_last4: str
    name: str
    amount_minor: int
    state: PayoutState = PayoutState.NEW
    state_at_ms: int | None = None
    paid_at_ms: int | None = None
    bank_code: str | None = None
    bank_reason: str | None = None
    bank_reference: str | None = None


@dataclass(frozen=True, slots=True)
class Seal:
    """One link of a book's chain. Only what the bank said of its parts may change later.

    `payout_minor` is what may be paid of the balance: all of it but what is held back, if that is
    enough and there is an account. A negative balance is carried. `parts` say who is paid what,
    fixed here for every try; they sum to the payout. `wage_minor` is our own fee that leaves with
    it, `fees_minor` what stays of our fees after that. `file` is the payout file it went into,
    `shared` the referrers whose share of our fees is in their own books already.
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
    withheld: tuple[Withheld, ...] = ()
    held_minor: int = 0
    wage_minor: int = 0
    fees_minor: int = 0
    parts: tuple[Part, ...] = ()
    file: str | None = None
    shared: frozenset[str] = frozenset()

    @property
    def payout_id(self) -> PayoutId:
        """The payout this seal orders; also its reference at the bank."""
        return PayoutId.of(self.book, self.n)

    @property
    def state(self) -> PayoutState | None:
        """The payout's state: of several parts the one that is least far, if not all came back."""
        states = {part.state for part in self.parts}
        return next((state for state in _LEAST_FAR if state in states), None)

    @property
    def state_at_ms(self) -> int | None:
        """When the payout got its state."""
        return max((part.state_at_ms for part in self.parts if part.state_at_ms), default=None)

    @property
    def unshared(self) -> dict[str, int]:
        """Referrer → its share of our fees that is not in its own book yet."""
        shares = ledger.referrers(self.sums)
        return {who: minor for who, minor in shares.items() if who not in self.shared}

    def transfer(self, index: int) -> str:
        """How the bank is told of one part: the payout's id, and which of several."""
        return f"{self.payout_id}-{index + 1}" if len(self.parts) > 1 else str(self.payout_id)

    @property
    def digest(self) -> str:
        """SHA-256 over everything that must never change, the previous digest included."""
        fixed = {name: getattr(self, name) for name in _FIXED}
        fixed |= {
            "book": self.book.key,
            "first": self.first.isoformat(),
            "through": self.through.isoformat(),
            "withheld": [[held.until.isoformat(), held.minor] for held in self.withheld],
            "parts": [[p.iban.hex(), p.iban_last4, p.name, p.amount_minor] for p in self.parts],
        }
        return hashlib.sha256(_canonical(fixed).encode()).hexdigest()


_LEAST_FAR: Final = (
    PayoutState.NEW,
    PayoutState.SENT,
    PayoutState.EXECUTED,
    PayoutState.RETURNED,
)
_FIXED: Final = tuple(f.name for f in fields(Seal) if f.name not in {"file", "shared"})
"""What a seal's digest holds; of its parts only who is paid what."""

_canonical: Final = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False
).encode
"""The one spelling of a value; built once, because a day has a line for each payment."""


def _json_lines(rows: Iterable[Mapping[str, Any]]) -> bytes:
    return "".join(_canonical(row) + "\n" for row in rows).encode()


def digest_of(content: bytes) -> str:
    """How an object of lines is named by who vouches for it."""
    return hashlib.sha256(content).hexdigest()


def lines_key(book: Book, n: int, content: bytes) -> str:
    """A content-addressed name: another content is another object (seals R7)."""
    return f"lines/{book.key}/{n:08d}/{digest_of(content)}"


def sheet_key(book: Book, digest: str) -> str:
    """The same for a sheet, which is written before its seal's position is known."""
    return f"lines/{book.key}/sheets/{digest}"


def seal(
    book: Book,
    last: Seal | None,
    days: tuple[dt.date, dt.date],
    lines: Lines | Index,
    terms: Terms,
    *,
    at_ms: int,
    earlier: Iterable[Seal] = (),
) -> Seal:
    """The next link of a chain, over the days from the first to the last of `days`.

    `earlier` are seals that may hold something back still; none are needed when the last one says
    that nothing is held.
    """
    content = lines.to_bytes()
    n = 1 if last is None else last.n + 1
    first, through = days
    sums = lines.sums
    assert sum(sums.values()) == 0, "a day's journals balance"
    opening = 0 if last is None else last.closing_minor
    balance = opening + ledger.owed(sums)
    withheld = _withheld(ledger.owed(sums) - ledger.came_back(sums), through, terms)
    held = sum(w.minor for w in withheld) + _still_held(earlier, through)
    payout = _payout(balance - held, terms)
    fees = (0 if last is None else last.fees_minor) + ledger.withdrawable(sums)
    wage = min(max(0, fees), wage_max(payout)) if terms.takes_wage else 0
    return Seal(
        book=book,
        n=n,
        first=first,
        through=through,
        at_ms=at_ms,
        count=lines.count,
        sums=sums,
        opening_minor=opening,
        payout_minor=payout,
        closing_minor=balance - payout,
        lines_key=lines_key(book, n, content),
        lines_digest=digest_of(content),
        previous=GENESIS if last is None else last.digest,
        withheld=withheld,
        held_minor=held,
        wage_minor=wage,
        fees_minor=fees - wage,
        parts=split(payout, terms.payees),
    )


def _withheld(earned_minor: int, through: dt.date, terms: Terms) -> tuple[Withheld, ...]:
    """What of a seal's own earnings waits: its reserve the longest, all of it for the hold."""
    earned = max(0, earned_minor)
    reserve = share(earned, terms.reserve_basis_points) if terms.reserve_days else 0
    found = (
        Withheld(through + dt.timedelta(terms.hold_days), earned - reserve),
        Withheld(through + dt.timedelta(max(terms.reserve_days, terms.hold_days)), reserve),
    )
    return tuple(held for held in found if held.minor and held.until > through)


def holding(last: Seal | None, chain: Iterable[Seal], through: dt.date) -> list[Seal]:
    """The seals that may hold something back still; when the last one holds nothing, none does.

    `chain` is newest first and read as far as it is needed, which is mostly not at all.
    """
    if last is None or not last.held_minor:
        return []
    since = through - dt.timedelta(RESERVE_DAYS_MAX)
    return [seal for seal in takewhile(lambda s: s.through >= since, chain) if seal.withheld]


def _still_held(earlier: Iterable[Seal], through: dt.date) -> int:
    return sum(w.minor for seal in earlier for w in seal.withheld if w.until > through)


def payable(last: Seal | None, through: dt.date, terms: Terms, earlier: Iterable[Seal]) -> bool:
    """Whether a seal of days without a movement would pay something that waited."""
    if last is None or last.closing_minor <= 0:
        return False
    return _payout(last.closing_minor - _still_held(earlier, through), terms) > 0


def _payout(available_minor: int, terms: Terms) -> int:
    enough = available_minor >= max(1, terms.minimum_minor)
    return available_minor if enough and terms.payees else 0


def wage_max(payout_minor: int) -> int:
    """The most of our fee the switch lets leave beside a payout: 15 % of both together."""
    kept = BASIS_POINTS - SWITCH_MAX_BASIS_POINTS
    return payout_minor * SWITCH_MAX_BASIS_POINTS // kept


def split(payout_minor: int, payees: tuple[Payee, ...]) -> tuple[Part, ...]:
    """A payout's parts: fixed amounts in order while there is money, shares of the rest, the rest.

    They sum to the payout; nobody gets a part of nothing.
    """
    if not payout_minor:
        return ()
    main, *others = payees
    assert len(payees) <= PARTS_MAX, "a payout has at most ten parts"
    left, amounts = payout_minor, []
    for payee in others:
        amounts.append(min(payee.amount_minor, left))
        left -= amounts[-1]
    shares = [share(left, payee.basis_points) for payee in others]
    assert sum(shares) <= left, "shares are of one whole"
    left -= sum(shares)
    given = [left, *(fixed + part for fixed, part in zip(amounts, shares, strict=True))]
    return tuple(
        Part(payee.iban, payee.iban_last4, payee.name, amount)
        for payee, amount in zip((main, *others), given, strict=True)
        if amount
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
    """The same seal after the bank said one thing of all its parts."""
    for index in range(len(seal.parts)):
        seal = with_part(seal, index, state, at_ms, **bank)
    return seal


def with_part(seal: Seal, index: int, state: PayoutState, at_ms: int, **bank: str | None) -> Seal:
    """The same seal after the bank said something of one part."""
    part = replace(seal.parts[index], state=state, state_at_ms=at_ms, **bank)  # type: ignore[arg-type]
    if state is PayoutState.EXECUTED:
        part = replace(part, paid_at_ms=at_ms)
    return replace(seal, parts=(*seal.parts[:index], part, *seal.parts[index + 1 :]))
