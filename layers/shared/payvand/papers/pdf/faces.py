"""From text to glyphs (HarfBuzz), and the used part of each typeface into the file.

Lengths are thousandths of the type size. Each pair of a glyph and the text it stands for gets a
code of its own, so that what is copied out of the file is what was written: a Persian letter's four
shapes are one letter again, a ligature is its letters. Glyphs stand from left to right, as readers
expect who turn Persian back by themselves; a reading aid is told the text (`Setting.hidden`).
"""

import hashlib
import struct
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import uharfbuzz as hb

import payvand_faces
from payvand.papers.pdf import bidi
from payvand.papers.pdf.document import Document

FAMILIES: Final = ("Roboto", "Vazirmatn")
WEIGHTS: Final = ("Regular", "Bold")
EM: Final = 1000
_SETTINGS_KEPT: Final = 4_000
"""Settings of texts that come again: labels, kinds, names."""
_STAY: Final = frozenset("\u200c\u200d ")
"""Joiners and spaces are set in the face of the letter before them."""
_NO_NEED: Final = ("GSUB", "GPOS", "GDEF", "name", "cmap", "post", "OS/2", "gasp", "DSIG", "STAT")
"""Tables of a typeface that a PDF reader does not look at."""
_OPENS, _CLOSES = "\u2068\u2069"
"""First strong isolate and its end; `text.clean` takes them out of outsiders' text."""
_CODES_MAX: Final = 0xFFFF
"""Two bytes; signs beyond are boxes that say nothing. It takes most of Unicode on one paper."""
_HAIR: Final = 1
"""The width, for the reader, of what has none: letters without any are left out by some."""
_PLACE: Final = "\ufffc"
"""Stands for an isolate."""
_ISOLATE: Final = -1
_WIDE: Final = frozenset("۰۱۲۳۴۵۶۷۸۹")
_NEARER: Final = 75
"""Vazirmatn's digits of one width are as wide as its widest, and stand too far apart."""
_FEATURES: Final = {"tnum": True}
"""Digits of one width, so that they stand under each other; Vazirmatn's are not by themselves."""


class Part(NamedTuple):
    """Glyphs of one face in a row. `show` is the operation that paints them."""

    face: int
    rise: int
    show: bytes


@dataclass(frozen=True, slots=True)
class Setting:
    """A line of text, ready to be painted at any size. `hidden`: its glyphs are not its order."""

    width: int
    parts: tuple[Part, ...]
    hidden: bool = False


class _Glyph(NamedTuple):
    code: int
    own: int  # what the reader advances by itself
    advance: int
    dx: int
    dy: int


class Face:
    """One typeface, and which of its glyphs the file uses."""

    def __init__(self, name: str) -> None:
        path = Path(payvand_faces.__path__[0]) / f"{name}.ttf"
        self.name = name
        self._face = hb.Face(hb.Blob.from_file_path(str(path)))
        self._font = hb.Font(self._face)
        self._upem: int = self._face.upem
        self.covers: frozenset[int] = frozenset(self._face.unicodes)
        self._codes: dict[tuple[int, str, int], int] = {}
        """Glyph, text and width → code."""
        self._space = self._font.get_nominal_glyph(0x20)

    @property
    def used(self) -> bool:
        """Whether anything was set in it."""
        return bool(self._codes)

    def _em(self, units: int) -> int:
        return round(units * EM / self._upem)

    def _coded(self, glyph: int, text: str, width: int) -> tuple[int, int]:
        """The code of a glyph that stands for a text, and its width; without a code, none."""
        found = self._codes.get((glyph, text, width))
        if found is None:
            if len(self._codes) == _CODES_MAX:
                return 0, 0
            found = self._codes[glyph, text, width] = len(self._codes) + 1
        return found, width

    def shape(
        self, text: str, part: tuple[int, int], *, rtl: bool, language: str, tabular: bool = False
    ) -> list[_Glyph]:
        """Glyphs of a part of a text, from left to right."""
        start, end = part
        buffer = hb.Buffer()
        buffer.add_codepoints(list(map(ord, text)), start, end - start)
        buffer.guess_segment_properties()
        buffer.direction = "rtl" if rtl else "ltr"
        buffer.language = language
        hb.shape(self._font, buffer, _FEATURES if tabular else {})
        infos, positions = buffer.glyph_infos, buffer.glyph_positions
        found: list[_Glyph] = []
        meant = self._meant(text, end, [info.cluster for info in infos], rtl=rtl)
        for info, at, letters in zip(infos, positions, meant, strict=True):
            found += self._glyphs(info.codepoint, at, letters, rtl=rtl)
        return found

    def _glyphs(self, glyph: int, at: Any, letters: str, *, rtl: bool) -> list[_Glyph]:
        """One glyph, from right to left with a code for each of its letters.

        Readers turn the letters of a line around, and would turn those of a ligature with them. So
        what comes after its first letter is written before it, over its own part of the width.
        """
        em = self._em
        advance, dx, dy = em(at.x_advance), em(at.x_offset), em(at.y_offset)
        own = em(self._font.get_glyph_h_advance(glyph)) if advance else _HAIR
        found = []
        if rtl and len(letters) > 1:
            part = max(_HAIR, advance // len(letters))
            blanks = [self._coded(self._space, letter, part) for letter in letters[:0:-1]]
            found = [_Glyph(*coded, part, 0, dy) for coded in blanks]
            found[-1] = found[-1]._replace(advance=part * (1 - len(blanks)))
            letters = letters[0]
        found.append(_Glyph(*self._coded(glyph, letters, own), advance, dx, dy))
        return found

    def _meant(self, text: str, end: int, clusters: list[int], *, rtl: bool) -> list[str]:
        """The letters each glyph stands for.

        Letters and glyphs of a cluster are paired in the order of the text; the last glyph has the
        letters that are left, and glyphs beyond the letters have none.
        """
        meant = [""] * len(clusters)
        mine: dict[int, list[int]] = {}
        for n, cluster in enumerate(clusters):
            mine.setdefault(cluster, []).append(n)
        starts = sorted(mine)
        for start, stop in zip(starts, [*starts[1:], end], strict=True):
            *some, last = mine[start][::-1] if rtl else mine[start]
            letters = text[start:stop]
            for glyph, letter in zip(some, letters, strict=False):
                meant[glyph] = letter
            meant[last] = letters[len(some) :]
        return meant

    # ── into the file ─────────────────────────────────────────────────────────────────────────

    def embed(self, document: Document, font: int) -> None:
        """Write the used glyphs as the font whose number was given out before."""
        program, places = self._subset()
        tag = "".join(chr(65 + byte % 26) for byte in hashlib.sha256(program).digest()[:6])
        name = f"/{tag}+{self.name}".encode()
        file, places_ref, meanings = document.ref(), document.ref(), document.ref()
        descriptor, inner = document.ref(), document.ref()
        document.stream(file, program, b"/Length1 %d" % len(program))
        document.stream(places_ref, places)
        document.stream(meanings, self._meanings())
        document.put(descriptor, self._descriptor(name, file))
        document.put(
            inner,
            b"<</Type/Font/Subtype/CIDFontType2/BaseFont%s/FontDescriptor %d 0 R"
            b"/CIDSystemInfo<</Registry(Adobe)/Ordering(Identity)/Supplement 0>>"
            b"/CIDToGIDMap %d 0 R/DW 0/W[1[%s]]>>"
            % (
                name,
                descriptor,
                places_ref,
                " ".join(str(width) for _, _, width in self._codes).encode(),
            ),
        )
        document.put(
            font,
            b"<</Type/Font/Subtype/Type0/BaseFont%s/Encoding/Identity-H"
            b"/DescendantFonts[%d 0 R]/ToUnicode %d 0 R>>" % (name, inner, meanings),
        )

    def _subset(self) -> tuple[bytes, bytes]:
        """The smaller typeface, and for each code the place of its glyph there."""
        wanted = hb.SubsetInput()
        wanted.glyph_set.update({glyph for glyph, _, _ in self._codes})
        wanted.drop_table_tag_set.update(int.from_bytes(tag.encode()) for tag in _NO_NEED)
        flags = hb.SubsetFlags
        wanted.flags = flags.NO_HINTING | flags.NO_LAYOUT_CLOSURE | flags.NOTDEF_OUTLINE
        plan = hb.SubsetPlan(self._face, wanted)
        moved = dict(plan.old_to_new_glyph_mapping)
        places = [0, *(moved[glyph] for glyph, _, _ in self._codes)]
        return bytes(plan.execute().blob.data), struct.pack(f">{len(places)}H", *places)

    def _descriptor(self, name: bytes, file: int) -> bytes:
        head, hhea = self._table("head"), self._table("hhea")
        left, bottom, right, top = map(self._em, struct.unpack_from(">4h", head, 36))
        ascent, descent = map(self._em, struct.unpack_from(">2h", hhea, 4))
        capital = self._em(struct.unpack_from(">h", self._table("OS/2"), 88)[0])
        stem = 140 if "Bold" in self.name else 80
        return (
            b"<</Type/FontDescriptor/FontName%s/Flags 4/FontBBox[%d %d %d %d]/ItalicAngle 0"
            b"/Ascent %d/Descent %d/CapHeight %d/StemV %d/FontFile2 %d 0 R>>"
            % (name, left, bottom, right, top, ascent, descent, capital, stem, file)
        )

    def _table(self, tag: str) -> bytes:
        return bytes(self._face.reference_table(tag).data)

    def _meanings(self) -> bytes:
        """The map from codes to text (ToUnicode)."""
        rows = [
            b"<%04x><%s>" % (code, text.encode("utf-16-be", "replace").hex().encode())
            for (_, text, _), code in self._codes.items()
            if text
        ]
        blocks = b"\n".join(
            b"%d beginbfchar\n%s\nendbfchar" % (len(block), b"\n".join(block))
            for block in (rows[at : at + 100] for at in range(0, len(rows), 100))
        )
        return (
            b"/CIDInit /ProcSet findresource begin 12 dict begin begincmap\n"
            b"/CIDSystemInfo<</Registry(Adobe)/Ordering(UCS)/Supplement 0>>def\n"
            b"/CMapName /Adobe-Identity-UCS def /CMapType 2 def\n"
            b"1 begincodespacerange\n<0000><ffff>\nendcodespacerange\n%s\n"
            b"endcmap CMapName currentdict /CMap defineresource pop end end" % blocks
        )


class Faces:
    """All typefaces of a document, and its settings of text."""

    def __init__(self, language: str, *, rtl: bool) -> None:
        self._language, self._rtl = language, rtl
        self._faces = [Face(f"{family}-{w}") for w in WEIGHTS for family in FAMILIES]
        self._order = (1, 0) if rtl else (0, 1)
        self._kept: dict[tuple[str, bool | None, bool], Setting] = {}
        self._signs: tuple[tuple[dict[str, bytes], dict[str, int]], ...] = (({}, {}), ({}, {}))
        """Signs in the face of the digits: codes and widths, not bold and bold."""

    def set(self, text: str, *, rtl: bool | None = None, bold: bool = False) -> Setting:
        """A text in the document's direction, or in its own when `rtl` says so."""
        key = text, rtl, bold
        found = self._kept.get(key)
        if found is None:
            if len(self._kept) >= _SETTINGS_KEPT:
                self._kept.clear()
            found = self._kept[key] = self._set(text, self._rtl if rtl is None else rtl, bold)
        return found

    def _set(self, text: str, rtl: bool, bold: bool) -> Setting:  # noqa: FBT001
        parts: list[Part] = []
        width, hidden = 0, False
        outer, inner = _isolated(text)
        for start, end, level in bidi.runs(outer, rtl=rtl):
            pieces = list(self._pieces(outer, start, end, bold))
            hidden = hidden or level % 2 == 1
            for face, first, last in reversed(pieces) if level % 2 else pieces:
                if face == _ISOLATE:
                    within = inner[outer[:first].count(_PLACE)]
                    found = self.set(within, rtl=bidi.is_rtl(within), bold=bold)
                    parts += found.parts
                    width += found.width
                    hidden = hidden or found.hidden
                    continue
                glyphs = self._faces[face].shape(
                    outer, (first, last), rtl=level % 2 == 1, language=self._language
                )
                parts += _parts(face, glyphs)
                width += sum(glyph.advance for glyph in glyphs)
        return Setting(width, tuple(parts), hidden)

    def _pieces(
        self,
        text: str,
        start: int,
        end: int,
        bold: bool,  # noqa: FBT001
    ) -> Iterable[tuple[int, int, int]]:
        """A run cut where another face is needed. Marks stay with their letter."""
        face: int | None = None
        since = start
        for at in range(start, end):
            character = text[at]
            stays = character in _STAY or unicodedata.combining(character)
            if face is not None and face != _ISOLATE and stays:
                continue
            mine = self._face_of(character, bold)
            if face is not None and (face != mine or mine == _ISOLATE):
                yield face, since, at
                since = at
            face = mine
        if face is not None:
            yield face, since, end

    def _face_of(self, character: str, bold: bool) -> int:  # noqa: FBT001
        if character == _PLACE:
            return _ISOLATE
        found = (n for n in self._order if ord(character) in self._faces[n].covers)
        # Roboto has a box for what it does not have; Vazirmatn shows nothing.
        return len(FAMILIES) * bold + next(found, 0)

    def figures(self, text: str, *, bold: bool = False) -> Setting:
        """Amounts, dates, ids: sign after sign from left to right, digits of one width, no kerning.

        For text without letters that join or run from right to left.
        """
        codes, widths = self._signs[bold]
        try:
            shown = b"".join(map(codes.__getitem__, text))
        except KeyError:
            return self._figures(text, bold)
        return Setting(
            sum(map(widths.__getitem__, text)), (_joined(self._face_of("0", bold), shown),)
        )

    def _figures(self, text: str, bold: bool) -> Setting:  # noqa: FBT001
        """The same with signs that are new, or of another face than the digits."""
        width, parts = 0, []
        for face, start, end in self._pieces(text, 0, len(text), bold):
            signs = [self._sign(character, face, bold) for character in text[start:end]]
            parts.append(_joined(face, b"".join(code for code, _ in signs)))
            width += sum(wide for _, wide in signs)
        return Setting(width, tuple(parts))

    def _sign(self, character: str, face: int, bold: bool) -> tuple[bytes, int]:  # noqa: FBT001
        """Code and width of a sign; a code that ends in a gap brings the next one nearer."""
        glyphs = self._faces[face].shape(
            character, (0, 1), rtl=False, language=self._language, tabular=True
        )
        shown = b"".join(b"%04x" % glyph.code for glyph in glyphs)
        width = sum(glyph.own for glyph in glyphs)
        if character in _WIDE:
            shown, width = b"%s>%d<" % (shown, _NEARER), width - _NEARER
        if face == self._face_of("0", bold):
            codes, widths = self._signs[bold]
            codes[character], widths[character] = shown, width
        return shown, width

    def embed(self, document: Document) -> bytes:
        """Write every face that was used; the entries of a resource dictionary."""
        entries = []
        for n, face in enumerate(self._faces):
            if face.used:
                font = document.ref()
                face.embed(document, font)
                entries.append(b"/F%d %d 0 R" % (n, font))
        return b"".join(entries)


def isolate(text: str) -> str:
    """A part of a longer text that has its own direction, and does not turn what is around it."""
    return f"{_OPENS}{text}{_CLOSES}"


def _isolated(text: str) -> tuple[str, list[str]]:
    """A text with places for its isolates, and these."""
    outer, *rest = text.replace(_PLACE, "\ufffd").split(_OPENS)
    inner = []
    for part in rest:
        within, _, after = part.partition(_CLOSES)
        inner.append(within)
        outer += _PLACE + after
    return outer, inner


def _joined(face: int, codes: bytes) -> Part:
    """Signs in a row; `codes` may hold gaps."""
    if b">" in codes:
        return Part(face, 0, b"[%s]TJ" % (b"<%s>" % codes).replace(b"<>", b""))
    return Part(face, 0, b"<%s>Tj" % codes)


def _parts(face: int, glyphs: Sequence[_Glyph]) -> list[Part]:
    """Glyphs as operations: one for each height above the line."""
    parts: list[Part] = []
    at = 0
    while at < len(glyphs):
        rise, end = glyphs[at].dy, at
        while end < len(glyphs) and glyphs[end].dy == rise:
            end += 1
        parts.append(Part(face, rise, _show(glyphs[at:end])))
        at = end
    return parts


def _show(glyphs: Sequence[_Glyph]) -> bytes:
    if all(glyph.advance == glyph.own and not glyph.dx for glyph in glyphs):
        return b"<%s>Tj" % b"".join(b"%04x" % glyph.code for glyph in glyphs)
    shown = []
    for glyph in glyphs:
        before, after = -glyph.dx, glyph.own + glyph.dx - glyph.advance
        shown.append(b"%s<%04x>%s" % (_gap(before), glyph.code, _gap(after)))
    return b"[%s]TJ" % b"".join(shown)


def _gap(units: int) -> bytes:
    return b"%d" % units if units else b""
