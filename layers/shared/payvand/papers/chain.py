"""The file of a statement, and the chain its files form.

The CSV *is* the statement: its SHA-256 is the statement's digest, and the next statement repeats
that digest in its row `opening`. So anyone can check a chain with `sha256sum`, and a byte changed
anywhere is found (docs/flows/statements.md has the columns). The PDF shows the same values.
"""

import csv
import datetime as dt
import hashlib
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO, Final

from payvand.calendar import rfc3339
from payvand.ids import Book
from payvand.money import DECIMALS
from payvand.papers.rows import Row, amount, encoded, minor, plain, safe
from payvand.papers.statement import (
    PAYOUT,
    Broken,
    Head,
    Line,
    Link,
    Mark,
    PaperError,
    Statement,
    Sum,
    Torn,
    Transfer,
    joins,
    walk,
)

FORMAT: Final = 1
COLUMNS: Final = (
    *("record", "number", "seal", "day", "at", "kind", "count"),
    *("amount", "fee", "referral", "balance", "currency"),
    *("digest", "entry", "subject", "reference"),
)
"""The only column with text of outsiders is the last: all others can be cut at commas."""
_ONCE: Final = frozenset({"book", "opening", "closing"})
_LINE_BYTES_MAX: Final = 1 << 20
"""What is longer is cut, and then no row of a statement."""
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MS: Final = dt.timedelta(milliseconds=1)

type Source = Callable[[], BinaryIO]
"""Opens a statement's file from its beginning; it is read twice."""
type Cells = dict[str, str]


# ── writing ───────────────────────────────────────────────────────────────────────────────────


def close(
    head: Head, lines: Iterable[Line], keep: Callable[[bytes], object] | None = None
) -> Statement:
    """Write the CSV of a period into `keep`, chunk by chunk, and say what it amounts to.

    Reads `lines` once; memory does not grow with them. Raises Torn.
    """
    sums: dict[str, Sum] = {}
    digest = hashlib.sha256()
    for chunk in encoded(_rows(head, lines, sums)):
        digest.update(chunk)
        if keep is not None:
            keep(chunk)
    return Statement(head, dict(sorted(sums.items())), digest.hexdigest())


def statement_csv(statement: Statement, lines: Iterable[Line]) -> Iterator[bytes]:
    """The same bytes once more. Raises Torn at the end when the lines are others."""
    digest = hashlib.sha256()
    for chunk in encoded(_rows(statement.head, lines, {})):
        digest.update(chunk)
        yield chunk
    if digest.hexdigest() != statement.digest:
        raise Torn("these are not the lines of the statement")


def witnessed(statement: Statement, lines: Iterable[Line]) -> Iterator[Line]:
    """The lines, for somebody who shows them. Raises Torn at the end when they are others."""
    seen: list[Line] = []

    def passing() -> Iterator[Line]:
        for line in lines:
            seen.append(line)
            yield line

    for _ in statement_csv(statement, passing()):
        yield from seen
        seen.clear()


def _rows(head: Head, lines: Iterable[Line], sums: dict[str, Sum]) -> Iterator[Row]:
    book = head.book
    spell = _Spelling(book.currency)
    yield COLUMNS
    name = safe(head.merchant_name)
    yield spell.row("book", number=FORMAT, kind=book.mode, subject=book.key, reference=name)
    yield spell.row(
        "opening",
        number=head.number,
        seal=head.seal,
        day=head.first.isoformat(),
        balance=spell.amount(head.opening_minor),
        digest=head.previous,
    )
    number = 0
    for step in walk(head, lines):
        if isinstance(step, Mark):
            yield from spell.mark(step)
            continue
        number += 1
        line, balance = step
        sums.setdefault(line.kind, Sum()).add(line)
        yield spell.line(number, line, balance)
    whole = Sum()
    for kind, found in sorted(sums.items()):
        whole.add(found)
        yield spell.total("total", found, kind=kind, balance=spell.amount(found.net_minor))
    yield spell.total(
        "closing",
        whole,
        number=head.number,
        seal=head.marks[-1].n if head.marks else head.seal,
        day=head.through.isoformat(),
        balance=spell.amount(head.closing_minor),
    )


class _Spelling:
    """How the rows of one currency are written."""

    def __init__(self, currency: str) -> None:
        self._currency = currency
        self._decimals = DECIMALS[currency]

    def amount(self, minor: int) -> str:
        return amount(minor, self._decimals)

    def row(self, record: str, **cells: str | int) -> Row:
        cells |= {"record": record, "currency": self._currency}
        return [cells.get(column, "") for column in COLUMNS]

    def line(self, number: int, line: Line, balance_minor: int) -> Row:
        decimals = self._decimals
        return (
            "line",
            number,
            line.seal,
            line.day.isoformat(),
            rfc3339(line.at_ms),
            line.kind,
            "",
            amount(line.amount_minor, decimals),
            amount(line.fee_minor, decimals),
            amount(line.referral_minor, decimals),
            amount(balance_minor, decimals),
            self._currency,
            "",
            line.entry,
            line.subject,
            safe(line.reference),
        )

    def mark(self, mark: Mark) -> Iterator[Row]:
        for number, part in enumerate(mark.transfers, 1):
            yield self.row(
                "transfer",
                number=number,
                seal=mark.n,
                at=rfc3339(part.at_ms),
                kind=part.state,
                amount=self.amount(part.amount_minor),
                entry=part.reference,
                subject=part.iban_last4,
                reference=safe(part.bank_reference),
            )
        yield self.row(
            "seal",
            seal=mark.n,
            day=mark.through.isoformat(),
            at=rfc3339(mark.at_ms),
            count=mark.count,
            balance=self.amount(mark.closing_minor),
            digest=mark.digest,
        )

    def total(self, record: str, found: Sum, **cells: str | int) -> Row:
        return self.row(
            record,
            count=found.count,
            amount=self.amount(found.amount_minor),
            fee=self.amount(found.fee_minor),
            referral=self.amount(found.referral_minor),
            **cells,
        )


# ── reading ───────────────────────────────────────────────────────────────────────────────────


def verify(chain: Iterable[tuple[Source, str]], *, after: Link | None = None) -> Link | None:
    """Check files, oldest first, each with the digest that is known of it from elsewhere.

    `after` is what is known of the statement before the first file. Returns the last link. Raises
    Broken: names the statement and the row.
    """
    for source, digest in chain:
        found = read(source)
        if found.digest != digest:
            raise Broken(f"statement {found.head.number} has another digest than the one known")
        if after is None and found.head.number > 1:
            raise Broken(f"the statements before {found.head.number} are missing")
        if after is not None:
            try:
                joins(found.head, after)
            except Torn as torn:
                raise Broken(str(torn)) from None
        after = found.link
    return after


def read(source: Source) -> Statement:
    """A statement from its file, which must say what its own lines amount to, byte for byte.

    Memory does not grow with the lines. Raises Broken.
    """
    with source() as file:
        head = _Reading().head(_cells(file))
    with source() as file, source() as twin:
        compared = _Compared(twin)
        try:
            statement = close(head, map(_line, _of_lines(_cells(file))), compared)
        except Broken:
            raise
        except (ValueError, KeyError) as error:
            raise Broken(f"the lines are not whole: {_said(error)}") from None
        compared.end()
    return statement


def _said(error: Exception) -> str:
    """Our own words may be shown; Python's may hold values."""
    return str(error) if isinstance(error, PaperError) else "a value is not spelt as it must be"


def _cells(file: BinaryIO) -> Iterator[Cells]:
    """The rows of a file by column. Raises Broken."""
    number = 1
    try:
        rows = csv.reader(_texts(file), strict=True)
        if tuple(next(rows, ())) != COLUMNS:
            raise Broken("row 1: not the columns of a statement")
        for number, row in enumerate(rows, 2):
            if len(row) != len(COLUMNS):
                raise Broken(f"row {number}: {len(COLUMNS)} cells are needed")
            yield dict(zip(COLUMNS, row, strict=True))
    except (csv.Error, UnicodeError):
        raise Broken(f"after row {number}: not UTF-8, or not comma-separated") from None


def _texts(file: BinaryIO) -> Iterator[str]:
    """A file line by line; `io` would close the file behind our back."""
    encoding = "utf-8-sig"
    while line := file.readline(_LINE_BYTES_MAX):
        yield line.decode(encoding)
        encoding = "utf-8"


def _of_lines(rows: Iterable[Cells]) -> Iterator[Cells]:
    """Lines as they were given: payouts follow from the seals."""
    return (row for row in rows if row["record"] == "line" and row["kind"] != PAYOUT)


def _line(row: Cells) -> Line:
    decimals = DECIMALS[row["currency"]]
    return Line(
        int(row["seal"]),
        dt.date.fromisoformat(row["day"]),
        _ms(row["at"]),
        row["kind"],
        row["entry"],
        row["subject"],
        plain(row["reference"]),
        minor(row["amount"], decimals),
        minor(row["fee"], decimals),
        minor(row["referral"], decimals),
    )


def _ms(text: str) -> int:
    moment = dt.datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a moment without an offset")
    return (moment - _EPOCH) // _MS


class _Reading:
    """Gathers what a head holds from the rows between the lines."""

    def __init__(self) -> None:
        self._found: dict[str, Cells] = {}
        self._payout = ("", 0)
        self._transfers: list[Transfer] = []
        self._marks: list[Mark] = []
        self._decimals = 0

    def head(self, rows: Iterable[Cells]) -> Head:
        number = 1
        try:
            for row in rows:
                number += 1
                self._take(row)
            if self._found.keys() != _ONCE:
                raise Broken("a row is missing: book, opening or closing")
            book, opening = self._found["book"], self._found["opening"]
            if int(book["number"]) != FORMAT:
                raise Broken("a statement of another format")
            return Head(
                book=Book.parse(book["subject"]),
                merchant_name=plain(book["reference"]),
                number=int(opening["number"]),
                first=dt.date.fromisoformat(opening["day"]),
                through=dt.date.fromisoformat(self._found["closing"]["day"]),
                opening_minor=minor(opening["balance"], self._decimals),
                seal=int(opening["seal"]),
                previous=opening["digest"],
                marks=tuple(self._marks),
            )
        except Broken:
            raise
        except (ValueError, KeyError) as error:
            raise Broken(f"up to row {number}: {_said(error)}") from None

    def _take(self, row: Cells) -> None:
        match row["record"]:
            case "line" if row["kind"] == PAYOUT:
                self._payout = row["entry"], -minor(row["amount"], self._decimals)
            case "transfer":
                self._transfers.append(self._transfer(row))
            case "seal":
                self._marks.append(self._mark(row))
            case record if record in _ONCE:
                self._found[record] = row
                self._decimals = DECIMALS[row["currency"]]

    def _transfer(self, row: Cells) -> Transfer:
        return Transfer(
            reference=row["entry"],
            amount_minor=minor(row["amount"], self._decimals),
            iban_last4=row["subject"],
            state=row["kind"],
            at_ms=_ms(row["at"]),
            bank_reference=plain(row["reference"]),
        )

    def _mark(self, row: Cells) -> Mark:
        payout, minor_paid = self._payout
        mark = Mark(
            n=int(row["seal"]),
            through=dt.date.fromisoformat(row["day"]),
            at_ms=_ms(row["at"]),
            count=int(row["count"]),
            closing_minor=minor(row["balance"], self._decimals),
            digest=row["digest"],
            payout=payout,
            payout_minor=minor_paid,
            transfers=tuple(self._transfers),
        )
        self._payout, self._transfers = ("", 0), []
        return mark


class _Compared:
    """Takes the bytes a file must have, beside those it has."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._rows = 1

    def __call__(self, chunk: bytes) -> None:
        there = self._file.read(len(chunk))
        if there != chunk:
            pairs = zip(there, chunk, strict=False)
            same = next((n for n, (a, b) in enumerate(pairs) if a != b), len(there))
            row = self._rows + chunk[:same].count(b"\n")
            raise Broken(f"row {row} is not what the rest of the file makes of it")
        self._rows += chunk.count(b"\n")

    def end(self) -> None:
        """There is no more."""
        if self._file.read(1):
            raise Broken(f"row {self._rows}: the statement has ended")
