"""What stands on a statement's pages. Loads HarfBuzz and the typefaces: import it where needed."""

import hashlib
from collections.abc import Iterable, Iterator
from typing import Final

from payvand.calendar import currencies
from payvand.pages.text import clean
from payvand.papers.chain import witnessed
from payvand.papers.pdf.document import Document
from payvand.papers.pdf.faces import Faces, isolate
from payvand.papers.sheet import (
    ACCENT,
    GREY,
    GROUND,
    Cell,
    Column,
    Footer,
    Piece,
    Sheet,
    Table,
)
from payvand.papers.statement import TEXT_MAX, Head, Line, Mark, Statement, Sum, walk
from payvand.papers.wording import TOMAN_OF, Wording
from payvand.settlement import GENESIS

_FLUSH_BYTES: Final = 1 << 16
_REFERENCE_MAX: Final = 48
"""Characters of a reference that are tried; the CSV has all of it."""


def pages(
    statement: Statement, lines: Iterable[Line], words: Wording, issuer: str
) -> Iterator[bytes]:
    """The file, chunk by chunk. Raises Torn at the end when the lines are not the statement's."""
    locale = words.catalogue.locale
    name = f"{statement.digest} {locale} {issuer}"
    document = Document(hashlib.sha256(name.encode()).digest()[:16])
    paper = _Printing(statement, words, document, Faces(locale, rtl=words.rtl))
    paper.front(issuer)
    for _ in paper.movements(witnessed(statement, lines)):
        if document.waiting >= _FLUSH_BYTES:
            yield document.take()
    paper.proof()
    yield document.take()


class _Printing:
    """One statement on its way to paper."""

    def __init__(
        self, statement: Statement, words: Wording, document: Document, faces: Faces
    ) -> None:
        self._statement, self._words = statement, words
        self._head: Head = statement.head
        self._currency = statement.head.book.currency
        text = words.text
        self._title = f"{text('title')} {words.count(self._head.number)}"
        footer = Footer(
            name=f"{self._title}  {self._head.book.key}",
            digest=statement.digest,
            page=lambda number: text("page", page=words.count(number)),
            banner="" if self._head.book.mode == "live" else text("mode.test"),
        )
        self._sheet = Sheet(document, faces, words.catalogue.locale, rtl=words.rtl, footer=footer)

    # ── the first page ────────────────────────────────────────────────────────────────────────

    def front(self, issuer: str) -> None:
        """Title, facts, what the period amounts to, payouts."""
        sheet, words, head = self._sheet, self._words, self._head
        text = words.text
        if issuer:
            sheet.paragraph(clean(issuer, TEXT_MAX), 8, colour=GREY, lines_max=1, own=True)
        sheet.heading(1, text("title"), 18, ACCENT)
        sheet.paragraph(head.merchant_name, 12, bold=True, lines_max=2, own=True)
        sheet.skip(8)
        sheet.facts(
            [
                (text("number"), words.count(head.number)),
                (
                    text("period"),
                    text("to", first=words.day(head.first), through=words.day(head.through)),
                ),
                (text("currency"), words.currency(self._currency)),
                (text("book"), head.book.key),
                (text("mode"), text(f"mode.{head.book.mode}")),
                (text("zone"), currencies()[self._currency].zone),
            ]
        )
        self._summary()
        if any(mark.transfers for mark in head.marks):
            self._payouts()

    def _section(self, key: str, room: float) -> None:
        self._sheet.skip(14)
        self._sheet.room(room)
        self._sheet.heading(2, self._words.text(key), 11, ACCENT)
        self._sheet.skip(4)

    def _summary(self) -> None:
        text = self._words.text
        self._section("summary", 90)
        table = self._sheet.table(
            [
                Column(text("sum.kind"), 122),
                Column(text("sum.count"), 48, number=True),
                Column(text("sum.amount"), 90, number=True),
                Column(text("sum.fee"), 77, number=True),
                Column(text("sum.referral"), 77, number=True),
                Column(text("sum.net"), 101, number=True),
            ]
        )
        head = self._head
        self._balance(table, "opening", head.opening_minor)
        for kind, found in self._statement.sums.items():
            self._sum(table, self._words.kind(kind), found)
        self._sum(table, text("sum.all"), self._statement.whole, bold=True)
        self._balance(table, "closing", head.closing_minor)
        table.end()

    def _balance(self, table: Table, key: str, minor: int) -> None:
        label = Piece(self._words.text(key), bold=True)
        cells = [Cell([label], 5), Cell(self._amount(minor, bold=True))]
        table.row(cells, self._height, GROUND)

    def _sum(self, table: Table, name: str, found: Sum, *, bold: bool = False) -> None:
        count = Piece(self._words.count(found.count), figures=True, bold=bold)
        minors = (found.amount_minor, found.fee_minor, found.referral_minor, found.net_minor)
        amounts = [Cell(self._amount(minor, bold=bold)) for minor in minors]
        table.row([Cell([Piece(name, bold=bold)]), Cell([count]), *amounts], self._height)

    @property
    def _height(self) -> float:
        """Of a row with amounts: tomans stand below rials."""
        return 22.0 if self._currency == TOMAN_OF else 15.0

    def _amount(self, minor: int, *, bold: bool = False, size: float = 7.5) -> list[Piece]:
        shown = self._words.amount(minor, self._currency)
        pieces = [Piece(shown, size, bold=bold, figures=True)]
        if self._currency == TOMAN_OF:
            pieces.append(Piece(self._words.toman(minor), 6, GREY, figures=True))
        return pieces

    def _payouts(self) -> None:
        text, words = self._words.text, self._words
        self._section("payouts", 80)
        self._sheet.paragraph(text("payouts.state"), 7, colour=GREY)
        self._sheet.skip(3)
        table = self._sheet.table(
            [
                Column(text("payout.transfer"), 98),
                Column(text("payout.state"), 72),
                Column(text("payout.at"), 82),
                Column(text("payout.account"), 48),
                Column(text("payout.reference"), 120),
                Column(text("payout.amount"), 95, number=True),
            ]
        )
        for part in (part for mark in self._head.marks for part in mark.transfers):
            date, time = words.moment(part.at_ms, self._currency)
            table.row(
                [
                    Cell([Piece(part.reference, figures=True)]),
                    Cell([Piece(words.kind(part.state))]),
                    Cell([Piece(f"{date} {time}")]),
                    Cell([Piece(f"…{part.iban_last4}", rtl=False)]),
                    Cell([Piece(part.bank_reference, rtl=False)]),
                    Cell(self._amount(part.amount_minor)),
                ],
                self._height,
            )
        table.end()

    # ── line by line ──────────────────────────────────────────────────────────────────────────

    def movements(self, lines: Iterable[Line]) -> Iterator[None]:
        """Every line with the balance after it; yields after each row."""
        sheet, text = self._sheet, self._words.text
        self._section("lines", 80)
        if self._currency == TOMAN_OF:
            sheet.paragraph(text("lines.toman"), 7, colour=GREY)
            sheet.skip(3)
        if not self._head.marks:
            sheet.paragraph(text("lines.none"))
        table = self._lines_table() if self._head.marks else None
        for step in walk(self._head, lines):
            assert table is not None, "without seals there are no lines"
            if isinstance(step, Mark):
                self._seal(table, step)
            else:
                self._line(table, *step)
            yield
        if table is not None:
            table.end()

    def _lines_table(self) -> Table:
        text = self._words.text
        return self._sheet.table(
            [
                Column(text("line.at"), 54),
                Column(text("line.what"), 169),
                Column(text("line.amount"), 86, number=True),
                Column(text("line.fee"), 60, number=True),
                Column(text("line.referral"), 60, number=True),
                Column(text("line.balance"), 86, number=True),
            ]
        )

    def _line(self, table: Table, line: Line, balance_minor: int) -> None:
        words = self._words
        date, time = words.moment(line.at_ms, self._currency)
        kind = words.kind(line.kind)
        reference = clean(line.reference, _REFERENCE_MAX)
        named = f"{kind}: {isolate(reference)}" if reference else kind
        table.row(
            [
                Cell([Piece(date, 7, figures=True), Piece(time, 6.5, GREY, figures=True)]),
                Cell([Piece(named), Piece(line.subject, 6.5, GREY, figures=True)]),
                Cell(self._amount(line.amount_minor)),
                Cell(self._small(line.fee_minor)),
                Cell(self._small(line.referral_minor)),
                Cell(self._amount(balance_minor)),
            ],
            22.0,
        )

    def _small(self, minor: int) -> list[Piece]:
        return self._amount(minor) if minor else [Piece("–", 7.5, GREY, figures=True)]

    def _seal(self, table: Table, mark: Mark) -> None:
        words, text = self._words, self._words.text
        name = text("seal", n=words.count(mark.n), day=words.day(mark.through))
        count = text("seal.lines", count=words.count(mark.count))
        table.row(
            [
                Cell([Piece(name, bold=True), Piece(mark.digest, 5.5, GREY, figures=True)], 2),
                Cell([Piece(count, 6.5, GREY)], 3),
                Cell(self._amount(mark.closing_minor, bold=True)),
            ],
            22.0,
            GROUND,
        )

    # ── the end ───────────────────────────────────────────────────────────────────────────────

    def proof(self) -> None:
        """How anybody checks it; then the file is whole."""
        sheet, text, head = self._sheet, self._words.text, self._head
        self._section("proof", 120)
        sheet.paragraph(text("proof.file", file=isolate(head.file)))
        sheet.code(self._statement.digest)
        sheet.skip(5)
        sheet.paragraph(text("proof.check"))
        sheet.code(f"sha256sum {head.file}")
        sheet.skip(5)
        if head.previous == GENESIS:
            sheet.paragraph(text("proof.first"))
        else:
            sheet.paragraph(text("proof.previous"))
            sheet.code(head.previous)
        sheet.skip(5)
        sheet.paragraph(text("proof.next"))
        sheet.close(f"{self._title} – {head.merchant_name}", self._words.count(sheet.pages))
