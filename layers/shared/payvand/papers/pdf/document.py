"""A PDF file written from front to back (ISO 32000-1:2008), its structure tree with it.

What is finished is given away (`take`); kept are the places of objects, twelve bytes each. Small
objects travel compressed in object streams. Nothing depends on the time or the machine: the same
calls make the same bytes, with the same zlib.
"""

import struct
import zlib
from array import array
from collections.abc import Iterable
from typing import Final

_HEADER: Final = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"
_TOGETHER: Final = 200
"""Objects of one object stream."""


def text_string(text: str) -> bytes:
    """A text as an object (UTF-16 with its mark, in hexadecimal)."""
    return b"<feff%s>" % text.encode("utf-16-be", "replace").hex().encode()


def refs(numbers: Iterable[int]) -> bytes:
    """An array of references."""
    return b"[%s]" % b" ".join(b"%d 0 R" % number for number in numbers)


class Document:
    """One file. Numbers of objects are given out before the objects are written."""

    def __init__(self, identity: bytes) -> None:
        """`identity` names the content (16 bytes)."""
        self._identity = identity
        self._out = bytearray(_HEADER)
        self._given = 0
        self._kinds = array("B", [0])
        self._first = array("Q", [0])
        self._second = array("H", [65535])
        self._waiting: list[tuple[int, bytes]] = []

    def ref(self) -> int:
        """The number of an object to come."""
        self._kinds.append(0)
        self._first.append(0)
        self._second.append(0)
        return len(self._kinds) - 1

    def put(self, ref: int, body: bytes) -> None:
        """Write an object that is no stream."""
        self._waiting.append((ref, body))
        if len(self._waiting) == _TOGETHER:
            self._together()

    def stream(self, ref: int, data: bytes | bytearray, entries: bytes = b"") -> None:
        """Write a stream, compressed."""
        self._place(ref, 1, self._given + len(self._out), 0)
        self._stream(ref, data, entries)

    def _stream(self, ref: int, data: bytes | bytearray, entries: bytes) -> None:
        packed = zlib.compress(data)
        self._out += b"%d 0 obj\n<<%s/Filter/FlateDecode/Length %d>>\nstream\n" % (
            ref,
            entries,
            len(packed),
        )
        self._out += packed
        self._out += b"\nendstream\nendobj\n"

    @property
    def waiting(self) -> int:
        """Bytes written since `take`."""
        return len(self._out)

    def take(self) -> bytes:
        """What was written since the last time."""
        out = bytes(self._out)
        self._given += len(out)
        self._out.clear()
        return out

    def end(self, catalog: int, info: int) -> None:
        """Close the file."""
        if self._waiting:
            self._together()
        table = self.ref()
        at = self._given + len(self._out)
        self._place(table, 1, at, 0)
        rows = bytearray()
        for row in zip(self._kinds, self._first, self._second, strict=True):
            rows += struct.pack(">BQH", *row)
        name = self._identity.hex().encode()
        entries = b"/Type/XRef/Size %d/W[1 8 2]/Root %d 0 R/Info %d 0 R/ID[<%s><%s>]" % (
            len(self._kinds),
            catalog,
            info,
            name,
            name,
        )
        self._stream(table, rows, entries)
        self._out += b"startxref\n%d\n%%%%EOF\n" % at

    def _place(self, ref: int, kind: int, first: int, second: int) -> None:
        assert not self._kinds[ref], "an object is written once"
        self._kinds[ref], self._first[ref], self._second[ref] = kind, first, second

    def _together(self) -> None:
        holder = self.ref()
        index, bodies, at = [], [], 0
        for n, (ref, body) in enumerate(self._waiting):
            self._place(ref, 2, holder, n)
            index.append(b"%d %d" % (ref, at))
            bodies.append(body)
            at += len(body) + 1
        head = b" ".join(index) + b"\n"
        entries = b"/Type/ObjStm/N %d/First %d" % (len(bodies), len(head))
        self._waiting.clear()
        self.stream(holder, head + b"\n".join(bodies), entries)
