"""Comma-separated files that programs read exactly and spreadsheets open safely (RFC 4180).

UTF-8 with a byte-order mark (without one, spreadsheets guess), CRLF, quotes only where needed.
Amounts are decimals with a point and no grouping, made of integers. Text of outsiders is one line
(`text.clean`) and cannot become a formula: an apostrophe stands before any character that would
start one, also where a reader with another separator would start a new cell (OWASP, CSV Injection).
`plain` takes it away again.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

ROWS_A_CHUNK: Final = 512
"""Some 60 to 100 KB."""
BOM: Final = "\ufeff"
_STARTS: Final = "[=+\\-@'\uff1d\uff0b\uff0d\uff20]"
_AT_A_START: Final = re.compile(f"(^|[,;|])(?={_STARTS})")
_MARKED: Final = re.compile(f"(^|[,;|])'(?={_STARTS})")
_AMOUNT: Final = re.compile(r"(-?)(0|[1-9][0-9]*)(?:\.([0-9]+))?")

type Row = Sequence[str | int]


def amount(minor: int, decimals: int) -> str:
    """Minor units as a decimal: −1205 with two decimals is `-12.05`."""
    if type(minor) is not int:
        raise TypeError("an amount is an int of minor units")
    if not decimals:
        return str(minor)
    whole, part = divmod(abs(minor), 10**decimals)
    return f"{'-' if minor < 0 else ''}{whole}.{part:0{decimals}d}"


def minor(text: str, decimals: int) -> int:
    """The inverse of `amount`. Raises ValueError for any other spelling."""
    found = _AMOUNT.fullmatch(text)
    if not found or len(found[3] or "") != decimals:
        raise ValueError("not an amount")
    value = int(found[2] + (found[3] or ""))
    return -value if found[1] else value


def safe(text: str) -> str:
    """Text that is text in every spreadsheet."""
    return _AT_A_START.sub(r"\1'", text)


def plain(text: str) -> str:
    """The inverse of `safe`."""
    return _MARKED.sub(r"\1", text)


class _Parts(list[str]):
    """What `csv` writes into."""

    write = list.append


def encoded(rows: Iterable[Row]) -> Iterator[bytes]:
    """The bytes of a file of these rows, chunk by chunk."""
    parts = _Parts([BOM])
    writer = csv.writer(parts, lineterminator="\r\n")
    for row in rows:
        writer.writerow(row)
        if len(parts) >= ROWS_A_CHUNK:
            yield "".join(parts).encode()
            parts.clear()
    if parts:
        yield "".join(parts).encode()
