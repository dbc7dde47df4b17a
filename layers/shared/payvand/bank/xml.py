"""XML from outside, read safely and flat; XML of ours, written plainly.

Reading stands on expat's own events: ElementTree knows no line numbers, so an error could not say
where, and it keeps the whole tree; defusedxml adds neither, nor a limit of depth. A document with a
DTD is refused at its first word, so there are no entities, nothing is expanded and nothing is
fetched. Names lose their namespace: banks move through a dozen versions of one message.
"""

import codecs
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from payvand.bank import FormatError

SIZE_MAX_BYTES: Final = 32 * 1024 * 1024
DEPTH_MAX: Final = 40
"""The deepest ISO 20022 payment message has 20 levels."""

_DECLARED: Final = re.compile(rb"\s*<\?xml[^>]{1,200}?encoding\s*=\s*[\"']([A-Za-z0-9_.-]{1,20})")
_KNOWN: Final = re.compile(
    r"utf-?8|utf-?16(le|be)?|us-?ascii|ascii|iso-?8859-?\d{1,2}|latin-?\d|(windows-?|cp)\d{3,4}|koi8-?[ru]"
)
"""Encodings of text. Python knows more, some of them traps (unicode_escape, punycode)."""


class Node:
    """An element: its name without namespace, its line, its own text and its children."""

    __slots__ = ("attributes", "children", "line", "name", "text")

    def __init__(self, name: str, line: int, attributes: Mapping[str, str]) -> None:
        self.name = name
        self.line = line
        self.attributes = attributes
        self.children: list[Node] = []
        self.text = ""

    def all(self, name: str) -> list["Node"]:
        """The children of a name."""
        return [child for child in self.children if child.name == name]

    def get(self, path: str) -> "Node | None":
        """The first element at a path like `Refs/EndToEndId`."""
        node = self
        for name in path.split("/"):
            for child in node.children:
                if child.name == name:
                    node = child
                    break
            else:
                return None
        return node

    def say(self, path: str) -> str:
        """The text at a path; "" when there is none."""
        node = self.get(path)
        return "" if node is None else node.text

    def walk(self) -> Iterator["Node"]:
        """Itself and everything below it, in the document's order."""
        yield self
        for child in self.children:
            yield from child.walk()


type Taker = Callable[[Node, Sequence[Node]], None]
"""Gets a finished element and what it stands in, outermost first."""


def read(body: bytes, takers: Mapping[str, Taker] | None = None) -> Node:
    """The root element.

    An element named in `takers` is handed to its taker when it ends and then forgotten, so that a
    long list of records takes the memory of one.

    Raises:
        FormatError: not one well-formed document of a known encoding without a DTD, too big or too
            deep; or what a taker raises.
    """
    from pyexpat import ErrorString, ExpatError, ParserCreate

    reader = _Reader(takers or {})
    parser = ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler = lambda name, attributes: reader.start(
        name, attributes, parser.CurrentLineNumber
    )
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.data
    parser.StartDoctypeDeclHandler = reader.doctype
    try:
        # Text goes in as text: then the declaration inside no longer counts, whatever it says.
        parser.Parse(_decoded(body), True)  # noqa: FBT003 - expat's own signature
    except ExpatError as exc:
        where = f"line {exc.lineno}, column {exc.offset + 1}"
        raise FormatError(f"{where}: not well-formed XML: {ErrorString(exc.code)}") from None
    assert reader.root is not None, "a well-formed document has a root"
    return reader.root


class _Reader:
    """Builds elements out of expat's events."""

    def __init__(self, takers: Mapping[str, Taker]) -> None:
        self.root: Node | None = None
        self._takers = takers
        self._open: list[Node] = []
        self._texts: list[list[str]] = []

    def start(self, name: str, attributes: dict[str, str], line: int) -> None:
        if len(self._open) >= DEPTH_MAX:
            raise FormatError(f"line {line}: elements stand more than {DEPTH_MAX} deep")
        node = Node(name.rpartition(" ")[2], line, attributes)
        if not self._open:
            self.root = node
        self._open.append(node)
        self._texts.append([])

    def data(self, text: str) -> None:
        self._texts[-1].append(text)

    def end(self, name: str) -> None:
        del name  # expat has seen to it that it is the open one's
        node = self._open.pop()
        node.text = "".join(self._texts.pop()).strip()
        taker = self._takers.get(node.name)
        if taker is not None:
            taker(node, self._open)
        elif self._open:
            self._open[-1].children.append(node)

    def doctype(self, *_: object) -> None:
        raise FormatError("it has a document type declaration, which is never read")


def _decoded(body: bytes) -> str:
    if len(body) > SIZE_MAX_BYTES:
        raise FormatError(f"more than {SIZE_MAX_BYTES} bytes")
    encoding = _encoding(body)
    try:
        text = body.decode(encoding)
    except LookupError:
        raise FormatError("its encoding is not known here") from None
    except UnicodeDecodeError as exc:
        raise FormatError(f"byte {exc.start + 1}: not the encoding it declares") from None
    text = text.lstrip("\ufeff \t\r\n")  # a declaration must be the first thing for expat
    if not text:
        raise FormatError("the file is empty")
    return text


def _encoding(body: bytes) -> str:
    if body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if body.startswith((b"<\0", b"\0<")):
        return "utf-16-le" if body.startswith(b"<") else "utf-16-be"
    found = _DECLARED.match(body.removeprefix(codecs.BOM_UTF8))
    declared = found[1].decode().lower() if found else "utf-8"
    if body.startswith(codecs.BOM_UTF8) or declared.startswith(("utf-16", "utf16")):
        return "utf-8"  # these bytes are not UTF-16, whatever a string writer put there
    if not _KNOWN.fullmatch(declared):
        raise FormatError("its encoding is not known here")
    return declared


def tag(text: str) -> str:
    """A name or code of the standard as an error may repeat it; "?" for what may be a value."""
    return text if re.fullmatch(r"[A-Za-z0-9]{1,40}", text, re.ASCII) else "?"


def printable(text: str) -> str:
    """Free text of others on one line, without what turns or hides writing."""
    if not text.isprintable():
        text = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(text.split())


def element(name: str, *inside: str, **attributes: str) -> str:
    """An element of ours; `inside` is markup already. "" among it leaves no trace."""
    marks = "".join(f' {key}="{_escaped(value)}"' for key, value in attributes.items())
    return f"<{name}{marks}>{''.join(inside)}</{name}>"


def leaf(name: str, text: str, **attributes: str) -> str:
    """An element with text; "" for no text, as an optional element that is not there."""
    return element(name, _escaped(text), **attributes) if text else ""


def document(schema: str, inside: str) -> bytes:
    """A whole ISO 20022 message, UTF-8."""
    root = element("Document", inside, xmlns=f"urn:iso:std:iso:20022:tech:xsd:{schema}")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{root}\n'.encode()


def _escaped(text: str) -> str:
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return text.replace('"', "&quot;")
