"""Laying out a printed paper: headings, paragraphs, facts and tables on A4, either way round.

Lengths are points from the top and from the side a reader starts at; a right-to-left paper is the
mirror of a left-to-right one, numbers stay at the right of their column. What is too wide becomes
smaller, then shorter; a table's head is repeated on each page.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from payvand.papers.pdf.bidi import is_rtl
from payvand.papers.pdf.document import Document
from payvand.papers.pdf.faces import EM, Faces, Setting
from payvand.papers.pdf.tagged import BLACK, Colour, Painted, Paper, paint

SIZE: Final = (595.28, 841.89)
"""A4."""
MARGIN: Final = 40.0
FOOT: Final = 30.0
WIDTH: Final = SIZE[0] - 2 * MARGIN
GREY: Final[Colour] = b".42 g"
RED: Final[Colour] = b".72 .1 .1 rg"
ACCENT: Final[Colour] = b".05 .36 .38 rg"
GROUND: Final[Colour] = b".94 .96 .96 rg"
_RULE: Final[Colour] = b".82 G"
_PADDING: Final = 3.0
_SMALLEST: Final = 0.75
"""Of its size, before text is cut. Figures are never cut."""
_LEADING: Final = 1.3
_FOOT_SIZE: Final = 6.5
_TOTAL_ROOM: Final = 15.0


class Piece(NamedTuple):
    """A line of text in a cell. `figures`: digits of one width, never cut."""

    text: str
    size: float = 7.5
    colour: Colour = BLACK
    bold: bool = False
    figures: bool = False
    rtl: bool | None = None


@dataclass(frozen=True, slots=True)
class Column:
    """`width` in points; numbers stand at the right."""

    head: str
    width: float
    number: bool = False


class Cell(NamedTuple):
    """What stands in a row: pieces one below the other, over so many columns."""

    pieces: Sequence[Piece]
    columns: int = 1


class Sheet:
    """Where the next thing comes. `footer` is set on every page, `banner` above it in red."""

    def __init__(
        self, document: Document, faces: Faces, language: str, *, rtl: bool, footer: "Footer"
    ) -> None:
        self.faces = faces
        self._rtl = rtl
        self._footer = footer
        self.paper = Paper(document, faces, SIZE, language)
        self._y = MARGIN
        self.on_turn: Callable[[], None] | None = None
        self._foot()

    # ── placing ───────────────────────────────────────────────────────────────────────────────

    def _left(self, x: float, width: float) -> float:
        """The left edge of a box that starts `x` points from the reader's side."""
        return SIZE[0] - MARGIN - x - width if self._rtl else MARGIN + x

    def _set(self, piece: Piece, room: float) -> tuple[Setting, float]:
        """A piece as it fits, and the size it then has."""
        if piece.figures:
            setting = self.faces.figures(piece.text, bold=piece.bold)
            return setting, min(piece.size, room * EM / max(1, setting.width))
        setting = self.faces.set(piece.text, rtl=piece.rtl, bold=piece.bold)
        fitting = room * EM / max(1, setting.width)
        if fitting >= piece.size * _SMALLEST:
            return setting, min(piece.size, fitting)
        size = piece.size * _SMALLEST
        return self._cut(piece, room, setting.width * size / EM), size

    def _cut(self, piece: Piece, room: float, width: float) -> Setting:
        """About as much of the beginning as fits, with an ellipsis; `width` is that of all."""
        size = piece.size * _SMALLEST
        length = int(len(piece.text) * room / width)
        setting = self._beginning(piece, length)
        while length and setting.width * size / EM > room:
            length -= 1
            setting = self._beginning(piece, length)
        return setting

    def _beginning(self, piece: Piece, length: int) -> Setting:
        # An isolate that is cut open reaches to the end.
        text = piece.text[:length].rstrip() + "…"
        return self.faces.set(text, rtl=piece.rtl, bold=piece.bold)

    def _paint(self, piece: Piece, box: tuple[float, float], y: float, *, right: bool) -> Painted:
        """A piece in a box (start, width), its baseline `y` points from the top."""
        x, width = box
        setting, size = self._set(piece, width)
        left = self._left(x, width)
        if right or self._rtl:
            left += width - setting.width * size / EM
        operations = paint(setting, left, SIZE[1] - y, size, piece.colour)
        return Painted(operations, piece.text, setting.hidden)

    def wrap(self, text: str, size: float, room: float, *, bold: bool = False) -> list[str]:
        """A text in lines, broken between words."""
        lines: list[str] = []
        for word in text.split(" "):
            longer = f"{lines[-1]} {word}" if lines else word
            if lines and self.faces.set(longer, bold=bold).width * size / EM <= room:
                lines[-1] = longer
            else:
                lines.append(word)
        return lines

    # ── flowing ───────────────────────────────────────────────────────────────────────────────

    def room(self, height: float) -> None:
        """Turn the page when so much does not fit any more."""
        if self._y + height > SIZE[1] - FOOT - MARGIN / 2:
            self.paper.turn()
            self._y = MARGIN
            self._foot()
            if self.on_turn is not None:
                self.on_turn()

    def skip(self, height: float) -> None:
        """White space."""
        self._y += height

    def heading(self, level: int, text: str, size: float, colour: Colour = BLACK) -> None:
        """A heading."""
        self.paragraph(text, size, kind=f"H{level}", colour=colour, bold=True)

    def paragraph(
        self,
        text: str,
        size: float = 8,
        *,
        kind: str = "P",
        colour: Colour = BLACK,
        bold: bool = False,
        lines_max: int = 9,
        own: bool = False,
    ) -> None:
        """A text over the whole width; beyond `lines_max` lines the last one is cut.

        `own`: it has its own direction, though it begins where the paper's lines begin.
        """
        rtl = is_rtl(text) if own else None
        lines = self.wrap(text, size, WIDTH, bold=bold)
        if len(lines) > lines_max:
            lines[lines_max - 1 :] = [" ".join(lines[lines_max - 1 :])]
        self.room(len(lines) * size * _LEADING)
        shown = []
        for line in lines:
            self._y += size * _LEADING
            piece = Piece(line, size, colour, bold, rtl=rtl)
            shown.append(self._paint(piece, (0, WIDTH), self._y - size * 0.3, right=False))
        self.paper.leaf(kind, None, shown)

    def code(self, text: str, size: float = 8) -> None:
        """A line for a machine, from left to right."""
        self.room(size * 2)
        self._y += size * 1.6
        piece = Piece(text, size, BLACK, figures=True)
        self.paper.leaf(
            "P", None, [self._paint(piece, (0, WIDTH), self._y - size * 0.4, right=False)]
        )

    def facts(self, found: Sequence[tuple[str, str]], columns: int = 3) -> None:
        """Small labels with what they stand for, in a grid."""
        width = WIDTH / columns
        for at in range(0, len(found), columns):
            self.room(25)
            for n, (label, value) in enumerate(found[at : at + columns]):
                box = n * width, width - 8
                small = self._paint(Piece(label, 6.5, GREY), box, self._y + 8, right=False)
                large = self._paint(Piece(value, 8.5), box, self._y + 18.5, right=False)
                self.paper.leaf("P", None, [small, large])
            self._y += 25

    # ── tables ────────────────────────────────────────────────────────────────────────────────

    def table(self, columns: Sequence[Column]) -> "Table":
        """A table from here on."""
        return Table(self, columns)

    def ground(self, height: float, colour: Colour) -> None:
        """A ground from here down, over the whole width."""
        self.paper.page.grounds.append(
            b"%s %.2f %.2f %.2f %.2f re f"
            % (colour, MARGIN, SIZE[1] - self._y - height, WIDTH, height)
        )

    def rule(self) -> None:
        """A line here, over the whole width."""
        y = SIZE[1] - self._y
        self.paper.page.grounds.append(
            b".4 w %s %.2f %.2f m %.2f %.2f l S" % (_RULE, MARGIN, y, MARGIN + WIDTH, y)
        )

    def cells(
        self, columns: Sequence[Column], cells: Sequence[Cell], heights: tuple[float, float]
    ) -> list[list[Painted]]:
        """Paint the cells of a row from here; `heights`: first baseline, and those below it."""
        painted, at, x = [], 0, 0.0
        for cell in cells:
            over = columns[at : at + cell.columns]
            width = sum(column.width for column in over)
            box = x + _PADDING, width - 2 * _PADDING
            y = self._y + heights[0]
            shown = []
            for piece in cell.pieces:
                shown.append(self._paint(piece, box, y, right=over[0].number))
                y += heights[1]
            painted.append(shown)
            at, x = at + cell.columns, x + width
        return painted

    # ── every page ────────────────────────────────────────────────────────────────────────────

    def _foot(self) -> None:
        foot, y = self._footer, SIZE[1] - 28
        shown = [
            self._paint(Piece(foot.name, _FOOT_SIZE, GREY), (0, 200), y, right=False),
            self._paint(Piece(foot.digest, 5.5, GREY, figures=True), (205, 200), y, right=False),
        ]
        before = self.faces.set(foot.page(self.paper.page.number))
        width = before.width * _FOOT_SIZE / EM
        left = self._left(WIDTH - _TOTAL_ROOM - width, width)
        beside = left if self._rtl else left + width
        shown += [
            Painted(paint(before, left, SIZE[1] - y, _FOOT_SIZE, GREY)),
            Painted(b"q 1 0 0 1 %.2f %.2f cm /N Do Q" % (beside, SIZE[1] - y)),
        ]
        if foot.banner:
            banner = Piece(foot.banner, _FOOT_SIZE, RED, bold=True)
            shown.append(self._paint(banner, (0, WIDTH), 26, right=False))
        self.paper.artifact(shown)

    def close(self, title: str, total: str) -> None:
        """Finish the paper; `total` is the number of its pages as the footer shows it."""
        setting = self.faces.set(total)
        width = setting.width * _FOOT_SIZE / EM
        shown = paint(setting, -width if self._rtl else 0, 0, _FOOT_SIZE, GREY)
        self.paper.close(title, shown)

    @property
    def pages(self) -> int:
        """How many pages there are so far."""
        return self.paper.page.number


class Footer(NamedTuple):
    """What stands on every page. `page` words a page's number, the total comes after it."""

    name: str
    digest: str
    page: Callable[[int], str]
    banner: str = ""


class Table:
    """Rows under a head that comes again on each page."""

    def __init__(self, sheet: Sheet, columns: Sequence[Column]) -> None:
        self._sheet, self._columns = sheet, columns
        self._heads = [
            Cell(
                [
                    Piece(line, 6.5, ACCENT, bold=True)
                    for line in sheet.wrap(c.head, 6.5, c.width - 2 * _PADDING, bold=True)
                ]
            )
            for c in columns
        ]
        self._head_height = 6 + 8 * max(len(cell.pieces) for cell in self._heads)
        sheet.room(self._head_height + 24)
        paper = sheet.paper
        self._element = paper.begin("Table")
        row = paper.begin("TR", self._element)
        for shown in self._paint_head():
            paper.leaf("TH", row, shown, b"/A<</O/Table/Scope/Column>>")
        paper.end(row)
        sheet.on_turn = self._again

    def _paint_head(self) -> list[list[Painted]]:
        sheet = self._sheet
        sheet.ground(self._head_height, GROUND)
        shown = sheet.cells(self._columns, self._heads, (10, 8))
        sheet.skip(self._head_height)
        return shown

    def _again(self) -> None:
        shown = [operation for cell in self._paint_head() for operation in cell]
        self._sheet.paper.artifact(shown)

    def row(self, cells: Sequence[Cell], height: float, ground: Colour | None = None) -> None:
        """One row; its first baseline is 10 points down, the others 8 below each other."""
        sheet, paper = self._sheet, self._sheet.paper
        sheet.room(height)
        row = paper.begin("TR", self._element)
        if ground is not None:
            sheet.ground(height, ground)
        for cell, shown in zip(cells, sheet.cells(self._columns, cells, (10, 8)), strict=True):
            span = b"/A<</O/Table/ColSpan %d>>" % cell.columns if cell.columns > 1 else b""
            paper.leaf("TD", row, shown, span)
        paper.end(row)
        sheet.skip(height)
        sheet.rule()

    def end(self) -> None:
        """No more rows."""
        self._sheet.paper.end(self._element)
        self._sheet.on_turn = None
