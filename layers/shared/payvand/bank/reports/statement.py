"""An account's movements as a person writes them down: CSV, one movement a line.

CSV:    columns id, date, amount, currency and, where the bank gives one, reference; comma or
        semicolon. Money that left is negative. Amounts and dates as in any report here.
Ids:    the person's own: a line number of the paper statement will do. It is what makes a table
        that is sent again, with more lines, the same lines.
"""

from collections.abc import Mapping
from typing import Final

from payvand.bank import Entry, FormatError
from payvand.bank.reports import (
    BadRecord,
    Gathering,
    Report,
    cells_of,
    currency_of,
    day_of,
    heading,
    minor,
    rows,
    text_of,
    word,
)

_COLUMNS: Final = {"id", "date", "amount", "currency"}


def read(content: bytes, source: str = "statement") -> Report:
    """The table's movements.

    Raises:
        FormatError: not such a table.
    """
    text, found = text_of(content), Gathering()
    names, delimiter = _head(text)
    for line, cells in rows(text, delimiter, found):
        heads = [heading(cell) for cell in cells]
        if heads == names or not any(cell.strip() for cell in cells):
            continue
        try:
            found.add(_entry(cells_of(names, cells), source))
        except BadRecord as why:
            found.bad(line, why)
    return found.report()


def _head(text: str) -> tuple[list[str], str]:
    line = next((line for line in text.splitlines() if line.strip()), "")
    for delimiter in (",", ";", "\t"):
        names = [heading(name.strip(' "')) for name in line.split(delimiter)]
        if set(names) >= _COLUMNS:
            return names, delimiter
    raise FormatError("line 1: not the columns id, date, amount, currency")


def _entry(row: Mapping[str, str], source: str) -> Entry:
    currency = currency_of(row["currency"])
    amount = minor(row["amount"], currency, "amount")
    if not amount:
        raise BadRecord("amount is 0")
    return Entry(
        source=source,
        id=word(row["id"], "id", needed=True),
        booked_on=day_of(row["date"], "date"),
        amount_minor=amount,
        currency=currency,
        reference=word(row.get("reference", "").strip(), "reference"),
    )
