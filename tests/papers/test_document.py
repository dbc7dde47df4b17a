"""A file that readers take without repairing it."""

import io

import pypdf
import pytest

from payvand.papers.pdf.document import Document, text_string

OBJECTS = 450
"""More than two streams of objects."""


def made(chunks: list[bytes]) -> bytes:
    """Many objects, given away again and again."""
    document = Document(bytes(range(16)))
    catalog, pages, info = document.ref(), document.ref(), document.ref()
    others = [document.ref() for _ in range(OBJECTS)]
    for ref in reversed(others):
        if ref % 5:
            document.put(ref, b"(%d)" % ref)
        else:
            document.stream(ref, b"stream %d" % ref)
        if ref % 50 == 0:
            chunks.append(document.take())
    kids = b" ".join(b"%d 0 R" % ref for ref in others)
    document.put(pages, b"<</Type/Pages/Count 0/Kids[]/Others[%s]>>" % kids)
    document.put(catalog, b"<</Type/Catalog/Pages %d 0 R>>" % pages)
    document.put(info, b"<</Title%s>>" % text_string("پیوند 😀"))
    document.end(catalog, info)
    chunks.append(document.take())
    return b"".join(chunks)


def test_every_object_is_where_the_file_says() -> None:
    reader = pypdf.PdfReader(io.BytesIO(made([])), strict=True)
    others = reader.trailer["/Root"]["/Pages"]["/Others"]  # type: ignore[index]
    assert len(others) == OBJECTS
    for reference in others:
        number, found = reference.idnum, reference.get_object()
        if number % 5:
            assert found == str(number)
        else:
            assert found.get_data() == b"stream %d" % number
    assert reader.metadata is not None and reader.metadata.title == "پیوند 😀"


def test_what_is_given_away_is_not_kept() -> None:
    chunks: list[bytes] = []
    content = made(chunks)
    assert len(chunks) > 9
    assert content.startswith(b"%PDF-1.7") and content.endswith(b"%%EOF\n")
    assert content == made([])


def test_an_object_is_written_once() -> None:
    document = Document(bytes(16))
    ref = document.ref()
    document.stream(ref, b"x")
    with pytest.raises(AssertionError, match="once"):
        document.stream(ref, b"y")


def test_text_no_encoding_has_does_no_harm() -> None:
    assert text_string("a\ud800") == b"<feff0061003f>"
