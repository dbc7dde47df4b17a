"""Books to make papers of: chains of seals with their lines, from a seed."""

import datetime as dt
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from payvand import ledger, settlement
from payvand.ids import Book, PaymentId
from payvand.merchant import Payee
from payvand.papers import Head, Line, Link, Statement, by_time, close
from payvand.settlement import Lines, PayoutState, Seal, Terms

BOOK: Final = Book("mer_000007", "live", "IRR")
FIRST: Final = dt.date(2026, 3, 18)
NAME: Final = "فروشگاه پیوند"
PAYEES: Final = (Payee(b"\1" * 40, "1234", "نام"),)
TERMS: Final = Terms(PAYEES)
SHARED: Final = "mer_00000A"
KINDS: Final = {"f": "refund", "c": "refund_undone", "r": "payout_returned", "e": "referral"}


def kind(line: settlement.Line) -> str:
    """What a line is, from its id."""
    return KINDS.get(line.id.partition(":")[0], "payment")


def subject(line: settlement.Line) -> str:
    return line.id.split(":")[1] if ":" in line.id else line.id


@dataclass(frozen=True)
class Sealed:
    """A seal and the lines it closed."""

    seal: Seal
    lines: tuple[settlement.Line, ...]


def lines_of(sealed: Sequence[Sealed], references: Sequence[str] = ("",)) -> Iterator[Line]:
    """As statements want them."""
    number = 0
    for one in sealed:
        for line in by_time(one.seal, one.lines):
            yield Line.of(
                line,
                one.seal,
                kind=kind(line),
                subject=subject(line),
                reference=references[number % len(references)],
            )
            number += 1


def payment(
    book: Book, day: dt.date, ms: int, amount: int, fee: int, shared: int = 0
) -> settlement.Line:
    """A payment, executed a minute after it was made."""
    id = PaymentId.mint(book, day, ms, 0, ms.to_bytes(6))
    referrers = {SHARED: shared} if shared else None
    legs = ledger.executed("zarinpal", amount, fee, referrers)
    at = dt.datetime.combine(day, dt.time(6), dt.UTC)
    return settlement.Line(str(id), day, int(at.timestamp() * 1000) + ms, legs)


def posted(line: settlement.Line, prefix: str, legs: ledger.Legs, later_ms: int) -> settlement.Line:
    """A posting about another line."""
    id = f"{prefix}:{subject(line)}:{later_ms}"
    return settlement.Line(id, line.day, line.at_ms + later_ms, legs)


def day(book: Book, date: dt.date, count: int, seed: int, largest: int) -> list[settlement.Line]:
    """Some payments, and what else may come of them."""
    chance = random.Random(seed)
    found: list[settlement.Line] = []
    for n in range(count):
        amount = chance.randint(1_000, largest)
        fee = min(50_000, amount // 100)
        made = payment(book, date, n * 7919 % 30_000_000 + n, amount, fee, fee // 5 * (n % 2))
        found.append(made)
        if n % 7 == 3:
            back = posted(made, "f", ledger.refunded("zarinpal", amount // 3), 4_000)
            found.append(back)
            if n % 14 == 3:
                found.append(posted(made, "c", ledger.reversal(back.legs), 9_000))
        if n % 11 == 5:
            found.append(posted(made, "e", ledger.earned(book.merchant_id, 77), 2_000))
    return found


def chain(
    days: int,
    a_day: int,
    *,
    book: Book = BOOK,
    seed: int = 1,
    largest: int = 9_000_000,
    terms: Terms = TERMS,
) -> list[Sealed]:
    """A seal for each day, each executed by the bank but the last."""
    found: list[Sealed] = []
    last = None
    for n in range(days):
        date = FIRST + dt.timedelta(n)
        lines = day(book, date, a_day, seed * 1_000 + n, largest)
        at = dt.datetime.combine(date, dt.time(13, 20), dt.UTC)
        made = settlement.seal(
            book,
            last,
            (date, date),
            Lines.of(lines, []),
            terms,
            at_ms=int(at.timestamp() * 1000),
        )
        if n < days - 1:
            for index in range(len(made.parts)):
                made = settlement.with_part(
                    made,
                    index,
                    PayoutState.EXECUTED,
                    made.at_ms + 60_000_000,
                    bank_reference=f"1405{n:02d}{index:010d}",
                )
        found.append(Sealed(made, tuple(lines)))
        last = made
    return found


def head(
    sealed: Sequence[Sealed],
    *,
    book: Book = BOOK,
    name: str = NAME,
    after: Link | None = None,
    before: Seal | None = None,
) -> Head:
    """A statement over all of these seals."""
    period = sealed[0].seal.first, sealed[-1].seal.through
    return Head.of(book, name, period, [one.seal for one in sealed], after=after, before=before)


def made(sealed: Sequence[Sealed], references: Sequence[str] = ("",)) -> tuple[Statement, bytes]:
    """The statement of a whole chain, and its file."""
    kept: list[bytes] = []
    book = sealed[0].seal.book
    statement = close(head(sealed, book=book), lines_of(sealed, references), kept.append)
    return statement, b"".join(kept)


def statements(sealed: Sequence[Sealed], each: int) -> list[tuple[Statement, bytes]]:
    """The same chain cut into several statements."""
    found: list[tuple[Statement, bytes]] = []
    after, before = None, None
    for at in range(0, len(sealed), each):
        part = sealed[at : at + each]
        kept: list[bytes] = []
        statement = close(head(part, after=after, before=before), lines_of(part), kept.append)
        found.append((statement, b"".join(kept)))
        after, before = statement.link, part[-1].seal
    return found


def with_seal(one: Sealed, **changes: object) -> Sealed:
    """The same with another seal."""
    return Sealed(replace(one.seal, **changes), one.lines)  # type: ignore[arg-type]
