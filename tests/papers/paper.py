"""Reads a PDF back without our writer: where each text stands, what it says, what it belongs to."""

import ctypes
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import pypdf
import pypdfium2
import pypdfium2.raw as pdfium
from pypdf.generic import ContentStream

_TEXT_MAX: Final = 4_000


@dataclass(frozen=True)
class Text:
    """One text operation: `x` to `right` on the line `y`, in points from the lower left."""

    page: int
    mcid: int | None
    font: str
    size: float
    x: float
    right: float
    y: float
    text: str
    rise: float


class Font:
    """Widths and meanings of a font's codes."""

    def __init__(self, font: Any) -> None:
        inner = font["/DescendantFonts"][0].get_object()
        self.descriptor = inner["/FontDescriptor"].get_object()
        self.name = str(inner["/BaseFont"])
        first, widths = inner["/W"]
        self.widths = {first + n: float(width) for n, width in enumerate(widths)}
        cmap = font["/ToUnicode"].get_data().decode()
        self.meanings = {
            int(code, 16): bytes.fromhex(text).decode("utf-16-be")
            for block in re.findall(r"beginbfchar\n(.*?)endbfchar", cmap, re.DOTALL)
            for code, text in re.findall(r"<([0-9a-f]{4})><([0-9a-f]+)>", block)
        }

    def read(self, shown: bytes) -> tuple[str, float]:
        codes = [int.from_bytes(shown[n : n + 2]) for n in range(0, len(shown), 2)]
        text = "".join(self.meanings.get(code, "") for code in codes)
        return text, sum(self.widths.get(code, 0) for code in codes)


class Paper:
    """One file."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.reader = pypdf.PdfReader(io.BytesIO(content), strict=True)
        resources = self.reader.pages[0]["/Resources"]
        self.fonts = {
            name: Font(font.get_object())
            for name, font in resources["/Font"].items()  # type: ignore[index]
        }

    @property
    def pages(self) -> int:
        return len(self.reader.pages)

    def texts(self) -> list[Text]:
        """Every text of every page, in the order it is painted."""
        return list(self._texts)

    @cached_property
    def _texts(self) -> list[Text]:
        return [text for n in range(self.pages) for text in self._page(n)]

    def rules(self, number: int) -> list[float]:
        """The heights of the lines of a page."""
        stream = ContentStream(self.reader.pages[number].get_contents(), self.reader)
        return [float(at[1]) for at, operator in stream.operations if operator == b"m"]

    def _page(self, number: int) -> Iterator[Text]:
        stream = ContentStream(self.reader.pages[number].get_contents(), self.reader)
        mcid: int | None = None
        font, size, x, y, rise = "", 0.0, 0.0, 0.0, 0.0
        for operands, operator in stream.operations:
            match operator:
                case b"BDC":
                    mcid = operands[1].get("/MCID")
                case b"EMC":
                    mcid = None
                case b"Tf":
                    font, size = operands[0], float(operands[1])
                case b"Ts":
                    rise = float(operands[0])
                case b"Td":
                    x, y = map(float, operands)
                case b"Tj" | b"TJ":
                    parts = operands[0] if operator == b"TJ" else operands
                    text, width = self._shown(font, parts)
                    right = x + width * size / 1000
                    yield Text(number, mcid, font, size, x, right, y, text, rise)
                    x = right

    def _shown(self, font: str, parts: Any) -> tuple[str, float]:
        text, width = "", 0.0
        for part in parts:
            if isinstance(part, (int, float)):
                width -= float(part)
            else:
                more, wide = self.fonts[font].read(part.original_bytes)
                text, width = text + more, width + wide
        return text, width

    def seen(self) -> str:
        """What a viewer copies (PDFium)."""
        document = pypdfium2.PdfDocument(self.content)
        try:
            found = []
            for page in document:
                text = page.get_textpage()
                found.append(text.get_text_bounded())
                text.close()
                page.close()
            return "\n".join(found)
        finally:
            document.close()

    def elements(self, number: int) -> list[tuple[str, str, list[int]]]:
        """What a reading aid gets of a page (PDFium): kind, text if given, content numbers."""
        document = pypdfium2.PdfDocument(self.content)
        page = document[number]
        tree = pdfium.FPDF_StructTree_GetForPage(page)
        found: list[tuple[str, str, list[int]]] = []
        try:
            for n in range(pdfium.FPDF_StructTree_CountChildren(tree)):
                _walk(pdfium.FPDF_StructTree_GetChildAtIndex(tree, n), found)
        finally:
            pdfium.FPDF_StructTree_Close(tree)
            page.close()
            document.close()
        return found

    def kinds(self) -> list[str]:
        """The kinds of all elements of the file, parents first (pypdf)."""
        root = self.reader.trailer["/Root"]["/StructTreeRoot"]  # type: ignore[index]
        return list(_kinds(root["/K"]))


def _kinds(element: Any) -> Iterator[str]:
    yield element["/S"]
    kids = element["/K"]
    if not isinstance(kids, int):
        for kid in kids:
            yield from _kinds(kid.get_object())


def _walk(element: Any, found: list[tuple[str, str, list[int]]]) -> None:
    if not element:
        return
    numbers = [
        number
        for n in range(pdfium.FPDF_StructElement_GetMarkedContentIdCount(element))
        if (number := pdfium.FPDF_StructElement_GetMarkedContentIdAtIndex(element, n)) >= 0
    ]
    kind = _string(pdfium.FPDF_StructElement_GetType, element)
    found.append((kind, _string(pdfium.FPDF_StructElement_GetActualText, element), numbers))
    for n in range(max(0, pdfium.FPDF_StructElement_CountChildren(element))):
        _walk(pdfium.FPDF_StructElement_GetChildAtIndex(element, n), found)


def _string(read: Any, element: Any) -> str:
    buffer = ctypes.create_string_buffer(_TEXT_MAX)
    length = read(element, buffer, _TEXT_MAX)
    return buffer.raw[: max(0, length - 2)].decode("utf-16-le")
