"""What a reading aid sees of a PDF: headings, paragraphs, tables with their head cells.

Each piece of content on a page has a number there (its MCID); the element it belongs to names page
and number, and the parent tree finds the element from both (ISO 32000-1, 14.7 and 14.8). Lines,
grounds, repeated heads and page numbers are artifacts: nobody reads them aloud.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from payvand.papers.pdf.document import Document, refs, text_string
from payvand.papers.pdf.faces import EM, Faces, Setting

type Colour = bytes
"""An operation that sets the colour of what is filled next."""
BLACK: Colour = b".1 g"


class Painted(NamedTuple):
    """A line of text as operations. `hidden`: its glyphs do not stand in the order of its text."""

    operations: bytes
    text: str = ""
    hidden: bool = False


@dataclass(slots=True)
class Element:
    """One element of the structure tree; written when all it holds is known."""

    ref: int
    kind: bytes
    parent: int
    kids: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Page:
    """What is painted on a page so far."""

    ref: int
    number: int
    operations: list[bytes] = field(default_factory=list)
    grounds: list[bytes] = field(default_factory=list)
    leaves: list[int] = field(default_factory=list)


class Paper:
    """Pages one after another, with their elements; memory holds one page.

    `size` in points (1/72 inch).
    """

    def __init__(
        self, document: Document, faces: Faces, size: tuple[float, float], language: str
    ) -> None:
        self._document, self._faces, self._language = document, faces, language
        self._size = size
        self._pages: list[int] = []
        self._tree, self._parents = document.ref(), document.ref()
        self._all, self._resources = document.ref(), document.ref()
        self._of_pages: list[int] = []
        self.total = document.ref()
        """The form `/N`, which shows on each page how many there are."""
        self.root = Element(document.ref(), b"Document", self._tree)
        self.page = self._new()

    # ── pages ─────────────────────────────────────────────────────────────────────────────────

    def _new(self) -> Page:
        ref = self._document.ref()
        self._pages.append(ref)
        return Page(ref, len(self._pages))

    def turn(self) -> Page:
        """Finish the page and begin the next."""
        self._finish()
        self.page = self._new()
        return self.page

    def _finish(self) -> None:
        page, document = self.page, self._document
        content, leaves = document.ref(), document.ref()
        grounds = b"/Artifact BMC\n%s\nEMC\n" % b"\n".join(page.grounds) if page.grounds else b""
        document.stream(content, grounds + b"\n".join(page.operations))
        document.put(leaves, refs(page.leaves))
        self._of_pages.append(leaves)
        document.put(
            page.ref,
            b"<</Type/Page/Parent %d 0 R/Contents %d 0 R/StructParents %d/Tabs/S>>"
            % (self._all, content, page.number - 1),
        )

    # ── elements ──────────────────────────────────────────────────────────────────────────────

    def begin(self, kind: str, parent: Element | None = None) -> Element:
        """An element that holds others; `end` writes it."""
        above = parent or self.root
        element = Element(self._document.ref(), kind.encode(), above.ref)
        above.kids.append(element.ref)
        return element

    def end(self, element: Element) -> None:
        """Write an element: all it holds has begun."""
        self._document.put(
            element.ref,
            b"<</S/%s/P %d 0 R/K%s>>" % (element.kind, element.parent, refs(element.kids)),
        )

    def leaf(
        self, kind: str, parent: Element | None, shown: Sequence[Painted], more: bytes = b""
    ) -> None:
        """An element that holds these lines on this page; where needed, with their text."""
        above, page = parent or self.root, self.page
        ref, number = self._document.ref(), len(page.leaves)
        above.kids.append(ref)
        page.leaves.append(ref)
        operations = (line.operations for line in shown)
        page.operations += [b"/%s<</MCID %d>>BDC" % (kind.encode(), number), *operations, b"EMC"]
        if any(line.hidden for line in shown):
            more += b"/ActualText" + text_string(" ".join(line.text for line in shown))
        self._document.put(
            ref,
            b"<</S/%s/P %d 0 R/Pg %d 0 R/K %d%s>>"
            % (kind.encode(), above.ref, page.ref, number, more),
        )

    def artifact(self, shown: Iterable[Painted]) -> None:
        """Paint what is repeated on every page."""
        operations = (line.operations for line in shown)
        self.page.operations += [b"/Artifact<</Type/Pagination>>BDC", *operations, b"EMC"]

    # ── the end ───────────────────────────────────────────────────────────────────────────────

    def close(self, title: str, total: bytes) -> None:
        """Finish the last page, and write what is only known now; `total` paints their number."""
        self._finish()
        document, catalog, info = self._document, self._document.ref(), self._document.ref()
        count = len(self._pages)
        fonts = self._faces.embed(document)
        document.put(self._resources, b"<</Font<<%s>>/XObject<</N %d 0 R>>>>" % (fonts, self.total))
        document.stream(
            self.total,
            total,
            b"/Type/XObject/Subtype/Form/BBox[-99 -9 99 19]/Resources<</Font<<%s>>>>" % fonts,
        )
        document.put(
            self._all,
            b"<</Type/Pages/Count %d/Kids%s/MediaBox[0 0 %.2f %.2f]/Resources %d 0 R>>"
            % (count, refs(self._pages), *self._size, self._resources),
        )
        self.end(self.root)
        numbers = b"".join(b"%d %d 0 R " % found for found in enumerate(self._of_pages))
        document.put(self._parents, b"<</Nums[%s]>>" % numbers)
        document.put(
            self._tree,
            b"<</Type/StructTreeRoot/K %d 0 R/ParentTree %d 0 R/ParentTreeNextKey %d>>"
            % (self.root.ref, self._parents, count),
        )
        document.put(
            catalog,
            b"<</Type/Catalog/Pages %d 0 R/StructTreeRoot %d 0 R/MarkInfo<</Marked true>>"
            b"/Lang%s/ViewerPreferences<</DisplayDocTitle true>>>>"
            % (self._all, self._tree, text_string(self._language)),
        )
        document.put(info, b"<</Title%s/Producer(Payvand)>>" % text_string(title))
        document.end(catalog, info)


def paint(setting: Setting, x: float, y: float, size: float, colour: Colour = BLACK) -> bytes:
    """The operations that paint a line of text."""
    shown, at = [], 0
    for part in setting.parts:
        rise = b"%.2f Ts " % (part.rise * size / EM) if part.rise or at else b""
        at = part.rise
        shown.append(b"/F%d %.2f Tf %s%s" % (part.face, size, rise, part.show))
    if at:
        shown.append(b"0 Ts")
    return b"BT %s %.2f %.2f Td %s ET" % (colour, x, y, b" ".join(shown))
