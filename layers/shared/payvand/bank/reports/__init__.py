"""What channels say of themselves: payments, refunds and payouts, as `Entry`s (one module each).

An entry of a report is gross: what the payer paid or got back; `fee_minor` is what the channel kept
of it. `details` hold at most

    kind      payment · refund · payout · fee · dispute · hold · other: only the first two are ever
              expected; a hold keeps back, or frees, part of what is owed
    type      the channel's own word
    payment   the payment a refund is of
    payout    the channel's payout that carries it
    trace     the payout's reference at the banks

and ids of the channel's other objects. Descriptions, names, cards and telephone numbers are not
taken over. Every record of a file is in exactly one of `Report`'s four places.
"""

import csv
import datetime as dt
import io
import json
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from importlib import import_module
from typing import Any, Final, NoReturn

from payvand import calendar
from payvand.bank import Entry, FormatError
from payvand.money import AMOUNT_MAX, DECIMALS

SIZE_MAX_BYTES: Final = 64 * 1024 * 1024
"""A day of some 300 000 payments; a greater one is asked for in parts."""
TEXT_MAX: Final = 200
TOTAL_MAX: Final = AMOUNT_MAX * 10**6
"""The sum of a file with as many records as it may have."""

_READERS: Final = {
    "paya": "payvand.bank.paya",
    "zibal": "payvand.bank.reports.zibal",
    "yookassa": "payvand.bank.reports.yookassa",
    "stripe": "payvand.bank.reports.stripe",
    "statement": "payvand.bank.reports.statement",
}
_NO_FRACTION: Final = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_THOUSANDTHS: Final = "BHD IQD JOD KWD LYD OMR TND"
_DIGITS: Final = {
    **dict.fromkeys(_NO_FRACTION.split(), 0),
    **dict.fromkeys(_THOUSANDTHS.split(), 3),
    **DECIMALS,
}
"""Digits after the point where they are not two (ISO 4217); the rial as we count it."""


class BadRecord(ValueError):
    """One record cannot be read; the text says which field and why, never its value."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What could not be read. `line` counts from 1 (records in JSON and XML); 0: the whole file."""

    line: int
    text: str


@dataclass(frozen=True, slots=True)
class Report:
    """A file's content. `skipped` records move no money (an unpaid attempt).

    `payouts` are what the channel sent to our bank, from its side: negative. They are announcements
    for the bank's statement, not money of their own.
    """

    entries: tuple[Entry, ...]
    payouts: tuple[Entry, ...] = ()
    problems: tuple[Problem, ...] = ()
    skipped: int = 0


def read(kind: str, content: bytes, source: str = "") -> Report:
    """Read a report of a channel (or a Paya file) by its name.

    `source` names the account at the channel, as in `stripe:acct_1`; the channel's name alone if
    there is one.

    Raises:
        KeyError: there is no such reader.
        FormatError: not such a file, too large, or of an unknown encoding.
    """
    report: Report = import_module(_READERS[kind]).read(content, source or kind)
    return report


class Gathering:
    """A report while its records are read."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.payouts: list[Entry] = []
        self.problems: list[Problem] = []
        self.skipped = 0

    def add(self, entry: Entry | None) -> None:
        """Put a record where it belongs; None moves no money."""
        if entry is None:
            self.skipped += 1
        elif entry.details.get("kind") == "payout":
            self.payouts.append(entry)
        else:
            self.entries.append(entry)

    def bad(self, line: int, why: object) -> None:
        """Note a record that cannot be read."""
        self.problems.append(Problem(line, str(why)))

    def report(self) -> Report:
        return Report(tuple(self.entries), tuple(self.payouts), tuple(self.problems), self.skipped)


# ── bytes ─────────────────────────────────────────────────────────────────────────────────────────
def text_of(content: bytes, fallback: str = "") -> str:
    """The text of a file: UTF-8 or UTF-16 by its mark, else UTF-8, else `fallback`."""
    _check_size(content)
    if content.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise FormatError("a workbook of a spreadsheet program; ask the channel for CSV")
    marked = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    for encoding in ("utf-16",) if marked else ("utf-8-sig", fallback):
        try:
            return content.decode(encoding) if encoding else ""
        except UnicodeDecodeError:
            continue
    raise FormatError("neither UTF-8 nor what this channel is known to write")


def document(content: bytes) -> Any:
    """A JSON file's value: decimals exact, no NaN."""
    _check_size(content)
    try:
        return json.loads(content, parse_float=Decimal, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        where = f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
        raise FormatError(f"not JSON{where}") from None


def _check_size(content: bytes) -> None:
    if len(content) > SIZE_MAX_BYTES:
        raise FormatError(f"more than {SIZE_MAX_BYTES} bytes; ask for it in parts")
    if not content.strip(b"\xef\xbb\xbf \t\r\n"):
        raise FormatError("an empty file")


def _no_number(name: str) -> NoReturn:
    raise ValueError(name)


def is_json(content: bytes) -> bool:
    """Whether a file looks like JSON rather than a table."""
    return content.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in {b"{", b"["}


def records(value: Any, name: str) -> Iterator[Any]:
    """The records of one page of a channel's API, of several in a list, or of a bare list."""
    if isinstance(value, Mapping):
        inside = value.get(name)
        if not isinstance(inside, list):
            raise FormatError(f"an object without the list {name}")
        yield from inside
    elif isinstance(value, list):
        for one in value:
            if isinstance(one, Mapping) and isinstance(one.get(name), list):
                yield from one[name]
            else:
                yield one
    else:
        raise FormatError("neither an object nor a list")


# ── tables ────────────────────────────────────────────────────────────────────────────────────────
def rows(text: str, delimiter: str, found: Gathering) -> Iterator[tuple[int, list[str]]]:
    """The rows of a table with the line each starts on; empty ones too.

    A quote that is never closed swallows the rows after it: such a row is a problem, not a cell
    with many lines.
    """
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    last = 0
    while True:
        line = last + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            found.bad(line, "a cell is too long")
            last = reader.line_num
            continue
        last = reader.line_num
        if last > line and any(
            part.count(delimiter) >= len(cells) - 1 > 0
            for cell in cells
            for part in cell.splitlines()[1:]
        ):
            found.bad(line, f"a quote is not closed; lines {line} to {last} are not read")
        else:
            yield line, cells


def heading(text: str) -> str:
    """A column's name as it is compared."""
    return " ".join(plain(text).lower().split())


def cells_of(names: Sequence[str], cells: Sequence[str]) -> dict[str, str]:
    """Cells by column. Raises BadRecord when there are not as many."""
    if len(cells) != len(names):
        raise BadRecord(f"{len(cells)} cells under {len(names)} columns")
    return dict(zip(names, cells, strict=True))


def first(row: Mapping[str, str], *names: str) -> str:
    """The first of some columns that says anything."""
    for name in names:
        if value := row.get(name, "").strip():
            return value
    return ""


# ── values ────────────────────────────────────────────────────────────────────────────────────────
_INVISIBLE: Final = re.compile("[\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")


def plain(text: str) -> str:
    """Text without marks of direction, with digits of any script as 0–9."""
    if text.isascii():
        return text.strip()
    text = _INVISIBLE.sub("", text)
    return "".join(
        str(unicodedata.decimal(c)) if c.isdecimal() and not c.isascii() else c for c in text
    ).strip()


def word(value: object, field: str, *, needed: bool = False) -> str:
    """An id or reference of a record: text or a whole number; "" when it is not there."""
    if value is None or value == "":
        text = ""
    elif isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
        text = plain(str(value))
    else:
        raise BadRecord(f"{field} is neither text nor a whole number")
    if needed and not text:
        raise BadRecord(f"{field} is missing")
    if len(text) > TEXT_MAX or not text.isprintable():
        raise BadRecord(f"{field} is too long or not readable")
    return text


def currency_of(value: object, field: str = "currency") -> str:
    """Three letters. Raises BadRecord."""
    text = word(value, field, needed=True).upper()
    if not re.fullmatch("[A-Z]{3}", text):
        raise BadRecord(f"{field} is not three letters")
    return text


_WHOLE_MAX: Final = 30
"""Digits before the point, zeros in front of them included; `int` refuses to read thousands."""
_FAST: Final = re.compile(r"([+-]?)([0-9]+)(?:\.([0-9]{1,2}))?", re.ASCII)
_GROUPED: Final = re.compile(
    r"([+-]?)([0-9]{1,3}(?:([ ,.'])[0-9]{3})(?:\3[0-9]{3})*|[0-9]+)(?:([.,])([0-9]+))?", re.ASCII
)
_SPACES: Final = re.compile(r"[\s\u00a0\u202f\u2009]+")
_SIGNS: Final = str.maketrans(
    {"\u2212": "-", "\u2013": "-", "\u066b": ".", "\u066c": ",", "\u060c": ",", "\u2019": "'"}
)


def minor(text: str, currency: str, field: str, most: int = AMOUNT_MAX) -> int:
    """An amount in major units as people and programs write it, in minor units.

    Takes digits of any script, either decimal sign, groups of three by comma, point, blank or
    apostrophe. One sign before exactly three digits can be either, so it is refused, but for a
    comma in a currency without a fraction.
    """
    digits = _DIGITS.get(currency, 2)
    found = _FAST.fullmatch(text)
    if found:
        sign, whole, fraction = found[1], found[2], found[3] or ""
    else:
        sign, whole, fraction = _locale_number(text, digits, field)
    if fraction[digits:].strip("0"):
        raise BadRecord(f"{field} is finer than the currency")
    if len(whole) > _WHOLE_MAX:
        raise BadRecord(f"{field} is too large")
    return _checked(int(whole + fraction[:digits].ljust(digits, "0")), sign, field, most)


def _locale_number(text: str, digits: int, field: str) -> tuple[str, str, str]:
    clean = _SPACES.sub(" ", plain(text).translate(_SIGNS)).strip()
    if not clean:
        raise BadRecord(f"{field} is missing")
    found = _GROUPED.fullmatch(clean.replace("- ", "-"))
    if not found or (found[3] and found[3] == found[4]):
        raise BadRecord(f"{field} is not a number")
    sign, whole, group, point, fraction = found.groups()
    if group and not point and whole.count(group) == 1 and group in ",.":
        start, _, rest = whole.partition(group)
        return _group_or_fraction(sign, start, group, rest, digits, field)
    return sign, re.sub("[^0-9]", "", whole), fraction or ""


def _group_or_fraction(
    sign: str, whole: str, mark: str, rest: str, digits: int, field: str
) -> tuple[str, str, str]:
    if digits == 0 and mark == "," and len(whole) <= 3 and not whole.startswith("0"):
        return sign, whole + rest, ""
    if digits == 3:
        return sign, whole, rest
    raise BadRecord(f"{field} may mean two numbers")


def whole_minor(value: object, currency: str, field: str) -> int:
    """An amount of a JSON record in major units: a number or text."""
    if isinstance(value, bool) or value is None:
        raise BadRecord(f"{field} is missing")
    if isinstance(value, int):
        amount = value * 10 ** _DIGITS.get(currency, 2)
        return _checked(abs(amount), "-" if amount < 0 else "", field)
    if isinstance(value, Decimal):
        scaled = value.scaleb(_DIGITS.get(currency, 2)) if abs(value) < AMOUNT_MAX else None
        if scaled is None or scaled != scaled.to_integral_value():
            raise BadRecord(f"{field} is finer than the currency or too large")
        return _checked(abs(int(scaled)), "-" if scaled < 0 else "", field)
    if isinstance(value, str):
        return minor(value, currency, field)
    raise BadRecord(f"{field} is not a number")


def _checked(amount: int, sign: str, field: str, most: int = AMOUNT_MAX) -> int:
    if amount > most:
        raise BadRecord(f"{field} is too large")
    return -amount if sign == "-" else amount


_YEAR_FIRST: Final = re.compile(r"([0-9]{4})[-/.]([0-9]{1,2})[-/.]([0-9]{1,2})(?![0-9])", re.ASCII)
_DAY_FIRST: Final = re.compile(r"([0-9]{1,2})[-/.]([0-9]{1,2})[-/.]([0-9]{4})(?![0-9])", re.ASCII)
_ZONED: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{5,15}(?:Z|[+-][0-9]{2}:?[0-9]{2})", re.ASCII
)
_JALALI_BEFORE: Final = 1600


def day_of(value: object, field: str, currency: str = "") -> dt.date:
    """The date in a record's time: ISO, day first with points, or Jalali by its year.

    A time with a zone becomes the date where the banks of `currency` are.
    """
    text = word(value, field, needed=True)
    try:
        if currency and _ZONED.fullmatch(text):
            return calendar.local(dt.datetime.fromisoformat(text), currency).date()
        if found := _YEAR_FIRST.match(text):
            year, month, day = map(int, found.groups())
            return _jalali(year, month, day) if year < _JALALI_BEFORE else dt.date(year, month, day)
        if found := _DAY_FIRST.match(text):
            day, month, year = map(int, found.groups())
            return dt.date(year, month, day)
    except (ValueError, OverflowError):
        pass
    raise BadRecord(f"{field} is not a date")


def _jalali(year: int, month: int, day: int) -> dt.date:
    from payvand.bank.switch import gregorian

    return gregorian(year, month, day)
