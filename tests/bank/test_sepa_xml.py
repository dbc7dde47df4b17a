"""XML from outside: what is refused, how it is said, and that nothing is expanded or fetched."""

import codecs
from collections.abc import Sequence
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payvand.bank import FormatError, camt, sepa, xml
from payvand.bank.xml import Node

LAUGHS = b"""<?xml version="1.0"?>
<!DOCTYPE lolz [<!ENTITY a "haha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;">]>
<Document><x>&c;</x></Document>"""
OUTSIDE = b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/hostname">]><x>&e;</x>'
DTD = b'<!DOCTYPE x SYSTEM "http://example.com/x.dtd"><x/>'
READERS = (xml.read, sepa.read_status, camt.read_statements)


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "empty"),
        (b"  \r\n\t", "empty"),
        (b"\xef\xbb\xbf", "empty"),
        (LAUGHS, "document type declaration"),
        (OUTSIDE, "document type declaration"),
        (DTD, "document type declaration"),
        (LAUGHS.decode().encode("utf-16"), "document type declaration"),
        (b"<x>&e;</x>", "line 1, column 4: not well-formed XML: undefined entity"),
        (b"<a>\n <b>\n</a>", "line 3, column 3: not well-formed XML: mismatched tag"),
        (b"<a><b/>", "no element found"),
        (b"<a/><b/>", "junk after document element"),
        (b"<n:a/>", "unbound prefix"),
        (b"not XML at all", "not well-formed"),
        (b"\x00\x01\x02", "not well-formed"),
        (b"<a>\x00</a>", "not well-formed"),
        (b"<a>" * 41 + b"</a>" * 41, "more than 40 deep"),
        (b"<a>" * 100_000, "more than 40 deep"),
        (b"<?xml version='1.0' encoding='punycode'?><a/>", "encoding is not known"),
        (b"<?xml version='1.0' encoding='iso-8859-99'?><a/>", "encoding is not known"),
        (b"<?xml version='1.0' encoding='utf-8'?><a>\xe4</a>", "byte 42: not the encoding"),
        (b"<a>\xff\xfe</a>", "byte 4: not the encoding"),
        (b"<a/>" + b" " * xml.SIZE_MAX_BYTES, "more than 33554432 bytes"),
    ],
)
def test_what_is_not_safe_text_is_refused_and_says_where(
    read: object, body: bytes, why: str
) -> None:
    assert callable(read)
    with pytest.raises(FormatError, match=why):
        read(body)


@pytest.mark.parametrize(
    "body",
    [
        '<?xml version="1.0" encoding="UTF-8"?><a><b>Ģirts</b></a>'.encode(),
        codecs.BOM_UTF8 + "<a><b>Ģirts</b></a>".encode(),
        codecs.BOM_UTF8
        + b'<?xml version="1.0" encoding="ISO-8859-1"?>'
        + "<a><b>Ģirts</b></a>".encode(),
        "\n\t <?xml version='1.0'?><a><b>Ģirts</b></a>".encode(),
        "<?xml version='1.0' encoding='utf-16'?><a><b>Ģirts</b></a>".encode("utf-16"),
        "<a><b>Ģirts</b></a>".encode("utf-16-le"),
        "<a><b>Ģirts</b></a>".encode("utf-16-be"),
        '<?xml version="1.0" encoding="UTF-16"?><a><b>Ģirts</b></a>'.encode(),  # a string writer's
        '<?xml version="1.0" encoding="windows-1257"?><a><b>Ģirts</b></a>'.encode("cp1257"),
        "<?xml version='1.0'  encoding = 'ISO-8859-13'?><a><b>Ģirts</b></a>".encode("iso-8859-13"),
        '<n:a xmlns:n="urn:any"><n:b>\n  Ģirts\n</n:b></n:a>'.encode(),
        '<a xmlns="urn:iso"><!-- - --><b><![CDATA[Ģirts]]></b><?x y?></a>'.encode(),
    ],
)
def test_any_encoding_and_namespace_reads_the_same(body: bytes) -> None:
    root = xml.read(body)
    assert (root.name, root.say("b"), root.get("b/c")) == ("a", "Ģirts", None)


def test_records_are_handed_over_one_by_one_with_what_they_stand_in() -> None:
    seen: list[tuple[str, int, list[str]]] = []

    def take(node: Node, within: Sequence[Node]) -> None:
        seen.append((node.say("id"), node.line, [parent.name for parent in within]))
        assert not within[-1].all("r"), "the one before is forgotten"

    root = xml.read(b"<a><b>\n<r><id>1</id></r>\n<r><id>2</id></r></b></a>", {"r": take})
    assert seen == [("1", 2, ["a", "b"]), ("2", 3, ["a", "b"])]
    assert root.get("b/r") is None


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    for read in READERS:
        with suppress(FormatError):
            read(body)


@given(st.text(max_size=50), st.text("abc <&>'\"é", max_size=20))
def test_what_we_write_reads_back(text: str, mark: str) -> None:
    text = xml.printable(text)
    body = xml.document("x", xml.element("a", xml.leaf("b", text, k=mark) or xml.element("b")))
    node = xml.read(body).get("a/b")
    assert node is not None and node.text == text
    assert node.attributes.get("k", mark) == mark


def test_errors_repeat_names_of_the_standard_only() -> None:
    assert xml.tag("BkToCstmrStmt") == "BkToCstmrStmt"
    assert [xml.tag(value) for value in ("", "Jānis", "LV 80", "a" * 41, "x\n")] == ["?"] * 5
