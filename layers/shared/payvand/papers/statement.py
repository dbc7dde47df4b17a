"""A merchant's statement: one book over a period, line by line, chained to the statement before.

A seal belongs to the period in which it ends, so each line is in exactly one statement. Amounts are
minor units: `amount` before our fee, `fee` kept of it, `referral` the part of that fee which is a
referrer's; the balance grows by amount − fee.
"""

import datetime as dt
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from payvand import ledger, settlement
from payvand.ids import Book
from payvand.pages.text import clean
from payvand.settlement import GENESIS

TEXT_MAX: Final = 200
"""Characters of a name or reference; what is longer ends in an ellipsis."""
SORTED_MAX: Final = 100_000
"""A seal with more lines keeps the order of its lines object: time order would need memory."""
PAYOUT: Final = "payout"

_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_WORD: Final = re.compile(r"[a-z][a-z_]{0,31}")
_PLAIN: Final = re.compile(r"(?:[!-~]+(?: [!-~]+)*)?")
"""What `clean` would leave alone, found faster."""
_NAME: Final = re.compile(r"[A-Za-z0-9_.:-]{0,100}")


class PaperError(ValueError):
    """No paper can be made, or the one at hand does not hold. Names places, never values."""


class Torn(PaperError):
    """Values that contradict each other."""


class Broken(PaperError):
    """A statement's file, or a chain of them, is not what it says."""


def one_line(text: str) -> str:
    """Text of outsiders as papers show it."""
    if len(text) <= TEXT_MAX and _PLAIN.fullmatch(text):
        return text
    return clean(text, TEXT_MAX)


def _must(holds: bool, otherwise: str) -> None:  # noqa: FBT001 - it is the sentence's subject
    if not holds:
        raise Torn(otherwise)


@dataclass(frozen=True, slots=True)
class Transfer:
    """One part of a payout. `state` and `at_ms` are as known when the statement was made."""

    reference: str
    amount_minor: int
    iban_last4: str
    state: str
    at_ms: int
    bank_reference: str = ""


@dataclass(frozen=True, slots=True)
class Mark:
    """What a statement says of a seal: how far it reaches, and its payout with the transfers."""

    n: int
    through: dt.date
    at_ms: int
    count: int
    closing_minor: int
    digest: str
    payout: str = ""
    payout_minor: int = 0
    transfers: tuple[Transfer, ...] = ()

    def __post_init__(self) -> None:
        _must(bool(_DIGEST.fullmatch(self.digest)), f"seal {self.n}: not a digest")
        _must(bool(_NAME.fullmatch(self.payout)), f"seal {self.n}: not a payout id")
        _must(self.payout_minor >= 0, f"seal {self.n}: a payout is positive")
        _must(bool(self.payout) == bool(self.payout_minor), f"seal {self.n}: half a payout")
        parts = sum(part.amount_minor for part in self.transfers)
        _must(parts == self.payout_minor, f"seal {self.n}: transfers do not sum to the payout")

    @classmethod
    def of(cls, seal: settlement.Seal) -> "Mark":
        """From a seal of the chain."""
        transfers = tuple(
            Transfer(
                seal.transfer(index),
                part.amount_minor,
                part.iban_last4,
                part.state.value,
                part.state_at_ms or seal.at_ms,
                one_line(part.bank_reference or ""),
            )
            for index, part in enumerate(seal.parts)
        )
        paid = bool(seal.payout_minor)
        return cls(
            n=seal.n,
            through=seal.through,
            at_ms=seal.at_ms,
            count=seal.count,
            closing_minor=seal.closing_minor,
            digest=seal.digest,
            payout=str(seal.payout_id) if paid else "",
            payout_minor=seal.payout_minor,
            transfers=transfers,
        )


@dataclass(frozen=True, slots=True)
class Line:
    """One movement. `seal` closed it, `entry` names it for ever, `subject` is what it is about."""

    seal: int
    day: dt.date
    at_ms: int
    kind: str
    entry: str
    subject: str
    reference: str
    amount_minor: int
    fee_minor: int = 0
    referral_minor: int = 0

    def __post_init__(self) -> None:
        where = f"seal {self.seal}"
        _must(bool(_WORD.fullmatch(self.kind)), f"{where}: a kind is one lower-case word")
        names = bool(_NAME.fullmatch(self.entry) and _NAME.fullmatch(self.subject))
        _must(names, f"{where}: an entry and its subject are ids")
        _must(self.reference == one_line(self.reference), f"{where}: a reference is one line")

    @property
    def net_minor(self) -> int:
        """What the balance grows by."""
        return self.amount_minor - self.fee_minor

    @classmethod
    def of(
        cls,
        line: settlement.Line,
        seal: settlement.Seal,
        *,
        kind: str,
        subject: str,
        reference: str = "",
    ) -> "Line":
        """From a line of a seal; amount, fee and referral follow from its legs.

        The merchant's own referral account is not part of a fee: its income comes from there.
        """
        own = ledger.referral(seal.book.merchant_id)
        shared = -sum(
            leg
            for account, leg in line.legs.items()
            if account.startswith(_REFERRAL) and account != own
        )
        fee = shared - line.legs.get(ledger.FEE, 0)
        return cls(
            seal.n,
            line.day,
            line.at_ms,
            kind,
            line.id,
            subject,
            one_line(reference),
            ledger.owed(line.legs) + fee,
            fee,
            shared,
        )


_REFERRAL: Final = ledger.referral("")


def by_time(seal: settlement.Seal, lines: Iterable[settlement.Line]) -> list[settlement.Line]:
    """The lines of a seal in the order people read them; beyond `SORTED_MAX`, as they are."""
    found = list(lines)
    if seal.count <= SORTED_MAX:
        found.sort(key=lambda line: (line.day, line.at_ms, line.id))
    return found


@dataclass(frozen=True, slots=True)
class Link:
    """What the next statement needs to know of this one."""

    number: int
    through: dt.date
    closing_minor: int
    seal: int
    digest: str


@dataclass(frozen=True, slots=True)
class Head:
    """What is known of a statement before its lines are read.

    `number` counts a book's statements from 1. `seal` is the position of the last seal before the
    period (0: none), `previous` the digest of the statement before.
    """

    book: Book
    merchant_name: str
    number: int
    first: dt.date
    through: dt.date
    opening_minor: int
    seal: int
    previous: str
    marks: tuple[Mark, ...]

    def __post_init__(self) -> None:
        _must(self.number >= 1 and self.seal >= 0, "statements and seals count from 1")
        _must(self.first <= self.through, "a period ends before it begins")
        _must(bool(_DIGEST.fullmatch(self.previous)), "the statement before has no digest")
        _must((self.number == 1) == (self.previous == GENESIS), "only the first follows none")
        _must(self.seal > 0 or not self.opening_minor, "a balance before the first seal")
        for n, mark in enumerate(self.marks, self.seal + 1):
            _must(mark.n == n, f"seal {n} is missing")
            _must(self.first <= mark.through <= self.through, f"seal {n} ends in another period")
        ends = [mark.through for mark in self.marks]
        _must(all(a < b for a, b in pairwise(ends)), "seals end one after another")

    @classmethod
    def of(
        cls,
        book: Book,
        merchant_name: str,
        period: tuple[dt.date, dt.date],
        seals: Iterable[settlement.Seal],
        *,
        after: Link | None = None,
        before: settlement.Seal | None = None,
    ) -> "Head":
        """The seals that end in a period of settlement days, first and last included.

        `after` is the statement before, None for a book's first. `before` is the seal before the
        first of `seals`, None at the beginning of the chain; it is checked against `after`.
        Raises Torn where something is missing in between.
        """
        found = tuple(seals)
        previous = before
        for seal in found:
            _must(seal.book == book, f"seal {seal.n} is of another book")
            follows = settlement.follows(seal, previous)
            _must(follows, f"seal {seal.n} does not follow")
            previous = seal
        head = cls(
            book=book,
            merchant_name=one_line(merchant_name),
            number=1 if after is None else after.number + 1,
            first=period[0],
            through=period[1],
            opening_minor=0 if before is None else before.closing_minor,
            seal=0 if before is None else before.n,
            previous=GENESIS if after is None else after.digest,
            marks=tuple(map(Mark.of, found)),
        )
        if after is not None:
            joins(head, after)
        return head

    @property
    def file(self) -> str:
        """The name of its file."""
        return f"statement-{self.book.key}-{self.number:04d}.csv"

    @property
    def closing_minor(self) -> int:
        """The balance after the last seal of the period."""
        return self.marks[-1].closing_minor if self.marks else self.opening_minor


def joins(head: Head, after: Link) -> None:
    """Nothing lies between two statements."""
    where = f"statement {head.number}"
    _must(head.number == after.number + 1, f"{where} does not follow {after.number}")
    _must(
        head.previous == after.digest, f"{where} names another digest than that of the one before"
    )
    _must(head.first == after.through + dt.timedelta(1), f"{where} begins on another day")
    _must(head.seal == after.seal, f"{where} begins with another seal")
    _must(head.opening_minor == after.closing_minor, f"{where} opens with another balance")


@dataclass(slots=True)
class Sum:
    """All lines of a kind together."""

    count: int = 0
    amount_minor: int = 0
    fee_minor: int = 0
    referral_minor: int = 0

    @property
    def net_minor(self) -> int:
        """What the balance grew by."""
        return self.amount_minor - self.fee_minor

    def add(self, line: "Line | Sum") -> None:
        """One more line, or all of another sum."""
        self.count += line.count if isinstance(line, Sum) else 1
        self.amount_minor += line.amount_minor
        self.fee_minor += line.fee_minor
        self.referral_minor += line.referral_minor


@dataclass(frozen=True, slots=True)
class Statement:
    """A closed statement: what its head said, what its lines amount to, and its digest."""

    head: Head
    sums: dict[str, Sum]
    digest: str

    @property
    def whole(self) -> Sum:
        """All lines, payouts included."""
        whole = Sum()
        for found in self.sums.values():
            whole.add(found)
        return whole

    @property
    def link(self) -> Link:
        """To keep for the next one."""
        head = self.head
        last = head.marks[-1].n if head.marks else head.seal
        return Link(head.number, head.through, head.closing_minor, last, self.digest)


def walk(head: Head, lines: Iterable[Line]) -> Iterator[tuple[Line, int] | Mark]:
    """Each line with the balance after it, and each seal after its lines; payouts put in.

    Raises Torn as soon as the lines are not those of the seals.
    """
    balance = head.opening_minor
    rest = iter(lines)
    line = next(rest, None)
    for mark in head.marks:
        count = 0
        while line is not None and line.seal == mark.n:
            _must(line.kind != PAYOUT, f"seal {mark.n}: its payout is put in by the seal")
            balance += line.net_minor
            count += 1
            yield line, balance
            line = next(rest, None)
        _must(count == mark.count, f"seal {mark.n} has {mark.count} lines, not {count}")
        if mark.payout_minor:
            balance -= mark.payout_minor
            yield _payout(mark), balance
        _must(balance == mark.closing_minor, f"seal {mark.n} closes with another balance")
        yield mark
    if line is not None:
        raise Torn(f"a line of seal {line.seal} comes too late, or its seal is not in the period")


def _payout(mark: Mark) -> Line:
    return Line(
        mark.n,
        mark.through,
        mark.at_ms,
        PAYOUT,
        mark.payout,
        mark.payout,
        "",
        -mark.payout_minor,
    )
