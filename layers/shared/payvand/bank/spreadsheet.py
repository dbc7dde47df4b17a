"""The door for banks without a format of their own: a table out, a table with answers back.

The file is opened in a spreadsheet by a person and typed into or uploaded at a bank, so it is CSV
(RFC 4180) that no spreadsheet takes for a formula (OWASP, CSV injection). docs/parties/spreadsheet
.md is for whoever fills in the answers.
"""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from payvand.bank import FileHead, FormatError, Order, Outcome, Verdict
from payvand.bank.xml import printable
from payvand.money import AMOUNT_MAX, DECIMALS

COLUMNS: Final = ("reference", "payout", "date", "currency", "amount", "iban", "name")
ANSWER_COLUMNS: Final = ("reference", "status", "code", "reason", "bank_reference", "amount")
SIZE_MAX_BYTES: Final = 16 * 1024 * 1024
REASON_MAX: Final = 200

_BOM: Final = "\ufeff"
_FORMULA: Final = tuple("=+-@\t\r\n＝＋－＠")
_SEPARATORS: Final = ",;\t"
_VERDICTS: Final = {
    str(verdict): verdict
    for verdict in (Verdict.EXECUTED, Verdict.REJECTED, Verdict.RETURNED, Verdict.PENDING)
}
_REFERENCE: Final = re.compile(r"[0-9A-Za-z_-]{1,35}", re.ASCII)
_DIGITS: Final = str.maketrans("۰۱۲۳۴۵۶۷۸۹٠١٢٣٤٥٦٧٨٩٬", "01234567890123456789,")
_SPACES: Final = re.compile(r"[\s\u200c\u200e\u200f\u202a-\u202e\u2066-\u2069']+")
"""What stands in numbers and turns writing: spaces of all widths, marks of direction, Swiss '."""
_PERSIAN_POINT: Final = "٫"
_FRACTION: Final = re.compile("[0-9]*", re.ASCII)
_WHOLE: Final = re.compile(r"(?:[0-9]{1,18}|[0-9]{1,3}(?:([.,])[0-9]{3}(?:\1[0-9]{3})*))", re.ASCII)


# ── out ───────────────────────────────────────────────────────────────────────────────────────────
def payout_file(head: FileHead, orders: Sequence[Order], *, bom: bool = True) -> bytes:
    """The table of a file's transfers, one a row: the same head and orders are the same bytes.

    `bom`: begin with U+FEFF, without which a spreadsheet program takes UTF-8 for the country's old
    encoding. Amounts are decimals with a point, digits of the currency.

    Raises:
        FormatError: no orders, a reference twice or unfit, an amount that is none, a currency that
            is not ours.
    """
    digits = _digits(head.currency)
    seen: set[str] = set()
    rows: list[tuple[str, ...]] = [COLUMNS]
    for order in orders:
        for n, transfer in enumerate(order.transfers, 1):
            where = f"{order.payout}, transfer {n}"
            if not _REFERENCE.fullmatch(transfer.reference) or transfer.reference in seen:
                raise FormatError(f"{where}: the reference is unfit or stands twice")
            if (
                type(transfer.amount_minor) is not int
                or not 0 < transfer.amount_minor <= AMOUNT_MAX
            ):
                raise FormatError(f"{where}: the amount is not positive")
            seen.add(transfer.reference)
            row = (
                transfer.reference,
                order.payout,
                head.date.isoformat(),
                head.currency,
                _decimal(transfer.amount_minor, digits),
                transfer.iban,
                transfer.name,
            )
            rows.append(tuple(_cell(text) for text in row))
    if not seen:
        raise FormatError("no orders")
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\r\n").writerows(rows)
    return f"{_BOM if bom else ''}{out.getvalue()}".encode()


def _cell(text: str) -> str:
    """Text that a spreadsheet shows and never computes, on one line."""
    text = printable(text)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _decimal(minor: int, digits: int) -> str:
    if not digits:
        return str(minor)
    whole, rest = divmod(minor, 10**digits)
    return f"{whole}.{rest:0{digits}d}"


def _digits(currency: str) -> int:
    if currency not in DECIMALS:
        raise FormatError("the currency is not one of ours")
    return DECIMALS[currency]


# ── back ──────────────────────────────────────────────────────────────────────────────────────────
@dataclass(frozen=True, slots=True)
class Answer:
    """One row. `amount_minor` is what the bank says it was about, None where it does not say."""

    outcome: Outcome
    amount_minor: int | None
    line: int


@dataclass(frozen=True, slots=True)
class Answers:
    """What an answer file says, a reference once. `problems` names each row that is not clear."""

    rows: tuple[Answer, ...]
    problems: tuple[str, ...] = ()

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        return tuple(row.outcome for row in self.rows)


def read_answers(body: bytes, currency: str) -> Answers:
    """An answer file: columns `reference` and `status`, any others of ours, in any order.

    Separated by comma, semicolon or tab. A row that says something else than executed, rejected,
    returned or pending, or says two things of one reference, is UNKNOWN and a problem; a row
    without a reference is a problem. An amount that cannot be read makes its row UNKNOWN: columns
    may have slipped.

    Raises:
        FormatError: not UTF-8 (or UTF-16 with its mark), too big, no such columns, quotes that do
            not close.
    """
    digits = _digits(currency)
    found: dict[str, Answer] = {}
    problems: list[str] = []
    lines = _rows(_text(body))
    names = next(lines)[1]
    for line, cells in lines:
        if not any(cell.strip() for cell in cells):
            continue
        try:
            row = _answer(
                dict(zip(names, cells, strict=False)), len(cells) - len(names), line, digits
            )
        except _Bad as exc:
            problems.append(f"line {line}: {exc}")
            if exc.reference is None:
                continue
            row = Answer(Outcome(exc.reference, Verdict.UNKNOWN), None, line)
        reference = row.outcome.reference
        before = found.get(reference)
        if before is not None and (before.outcome.verdict, before.amount_minor) != (
            row.outcome.verdict,
            row.amount_minor,
        ):
            problems.append(f"line {line}: another answer to the reference of line {before.line}")
            row = Answer(replace(row.outcome, verdict=Verdict.UNKNOWN), None, before.line)
        found[reference] = row
    return Answers(tuple(found.values()), tuple(problems))


class _Bad(ValueError):
    """A row that is not clear; `reference` if at least that could be read."""

    def __init__(self, why: str, reference: str | None = None) -> None:
        super().__init__(why)
        self.reference = reference


def _answer(cells: dict[str, str], over: int, line: int, digits: int) -> Answer:
    reference = cells.get("reference", "").strip().removeprefix("'")
    if not _REFERENCE.fullmatch(reference):
        raise _Bad("no reference of ours")
    if over > 0:
        raise _Bad("more cells than the header has columns", reference)
    verdict = _VERDICTS.get(cells.get("status", "").strip().lower())
    if verdict is None:
        raise _Bad("the status is none of executed, rejected, returned, pending", reference)
    told = {
        name: printable(cells.get(name, "")).removeprefix("'")
        for name in ("code", "reason", "bank_reference")
    }
    outcome = Outcome(
        reference,
        verdict,
        told["code"][:35],
        told["reason"][:REASON_MAX],
        told["bank_reference"][:35],
    )
    return Answer(outcome, _minor(cells.get("amount", ""), digits, reference), line)


def _minor(text: str, digits: int, reference: str) -> int | None:
    """An amount as people write it in Persian, Arabic, Russian, Turkish or English.

    The last point or comma parts the fraction when as many digits follow it as the currency has, or
    fewer; with more behind it, it groups thousands, and so must all before it, of one kind.
    """
    text = _SPACES.sub("", text.translate(_DIGITS))
    if not text:
        return None
    whole, mark, fraction = _split(text, digits)
    grouped = _WHOLE.fullmatch(whole)
    if grouped is None or (mark and grouped[1] == mark) or not _FRACTION.fullmatch(fraction):
        raise _Bad("the amount is not a number", reference)
    minor = int(re.sub("[.,]", "", whole) + fraction.ljust(digits, "0")[:digits])
    if len(fraction) > digits or not 0 < minor <= AMOUNT_MAX:
        raise _Bad("the amount is out of range", reference)
    return minor


def _split(text: str, digits: int) -> tuple[str, str, str]:
    """Whole part, mark and fraction; no mark when the number has no fraction."""
    if _PERSIAN_POINT in text:  # it groups nothing
        return text.rpartition(_PERSIAN_POINT)
    at = max(text.rfind("."), text.rfind(","))
    if at < 0 or not 0 < len(text) - at - 1 <= digits:
        return text, "", ""
    return text[:at], text[at], text[at + 1 :]


_HINT: Final = re.compile("sep=.?")
"""What a spreadsheet program may write first: its separator."""


# ── text ──────────────────────────────────────────────────────────────────────────────────────────
def _text(body: bytes) -> str:
    if len(body) > SIZE_MAX_BYTES:
        raise FormatError(f"more than {SIZE_MAX_BYTES} bytes")
    wide = body.startswith((b"\xff\xfe", b"\xfe\xff"))
    try:
        text = body.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as exc:
        raise FormatError(f"byte {exc.start + 1}: not UTF-8; save as CSV UTF-8") from None
    if not text.strip():
        raise FormatError("the file is empty")
    return text


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """Line numbers and cells; the names of the columns first."""
    wrong = FormatError("the first line has no columns reference and status")
    for separator in _SEPARATORS:
        lines = _parsed(text, separator)
        try:
            line, cells = next(lines)
            if _HINT.fullmatch("".join(cells)):
                line, cells = next(lines)
        except StopIteration:
            continue
        except FormatError as exc:
            wrong = exc
            continue
        names = [_column(name) for name in cells]
        if {"reference", "status"} <= set(names):
            if any(name and names.count(name) > 1 for name in names):
                raise FormatError(f"line {line}: a column stands twice")
            yield line, names
            yield from lines
            return
    raise wrong


def _column(name: str) -> str:
    return printable(name).removeprefix("'").lower().replace(" ", "_")


def _parsed(text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        for cells in reader:
            if cells:
                yield reader.line_num, cells
    except csv.Error as exc:
        raise FormatError(f"line {reader.line_num}: {exc}") from None
