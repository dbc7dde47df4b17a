"""YooKassa's registries of payments and refunds (CSV), and the lists of its API (JSON).

CSV:    `РЕЕСТР ПЛАТЕЖЕЙ ПО ДОГОВОРУ <contract> (<shop>)`, `Дата платежей: <date>`, a line of
        columns, the payments, an empty line, sums. Semicolons; UTF-8 with or without its mark,
        older ones Windows-1251. Columns are the shop's choice, so they are found by name. A period
        is several such sections in one file. Refunds: the same with `ВОЗВРАТОВ`.
JSON:   the answer of `GET /v3/payments` or `/v3/refunds`, or several of its pages in a list.
Ids:    the payment's or refund's, the same in both.
Fee:    what was paid less what is credited (`…за вычетом комиссии…`, `income_amount`); it must be
        the sum of commission, its VAT and receipts, where these stand there. None on refunds.
Quirks: amounts have a point, but the VAT often a comma; sums that contradict the rows are a problem
        of the file, the rows stand.
Source: yookassa.ru/docs/support/merchant/payments/reports (columns, formats),
        yookassa.ru/developers/api (objects).
"""

import datetime as dt
import re
from collections.abc import Mapping
from typing import Any, Final

from payvand.bank import Entry, FormatError
from payvand.bank.reports import (
    TOTAL_MAX,
    BadRecord,
    Gathering,
    Report,
    cells_of,
    currency_of,
    day_of,
    document,
    first,
    heading,
    is_json,
    minor,
    plain,
    records,
    rows,
    text_of,
    whole_minor,
    word,
)

ZONE_OF: Final = "RUB"
"""Days are Moscow's."""
_PAYMENT_ID: Final = ("идентификатор платежа", "номер транзакции")
_REFUND_ID: Final = ("идентификатор возврата",)
_GROSS: Final = ("сумма платежа", "сумма возврата")
_NET: Final = (
    "сумма за вычетом комиссии и ндс",
    "сумма за вычетом комиссии",
    "сумма платежа за вычетом комиссии нко",
)
_FEES: Final = (
    ("сумма комиссии без ндс", "сумма комиссии", "комиссия"),
    ("ндс с комиссии",),
    ("комиссия за чеки с ндс", "комиссия за чеки (с ндс)"),
)
_CURRENCY: Final = ("валюта платежа", "валюта возврата")
_TIME: Final = (
    "время возврата",
    "время зачисления возврата на счет плательщика",
    "время платежа",
)
_DATE: Final = re.compile(r"дата (?:платежей|возвратов):\s*(\S+)", re.IGNORECASE)
_SUM: Final = re.compile(
    r"сумма (?:принятых платежей|возвратов):\s*([0-9 .,\u00a0]+?)\s*([A-Z]{3})?", re.IGNORECASE
)
_COUNT: Final = re.compile(r"число (?:платежей|возвратов):\s*([0-9]+)", re.IGNORECASE)
_FOOT: Final = re.compile(r"(?:сумма|число|реестр|дата|итого|по договору)\b", re.IGNORECASE)


def read(content: bytes, source: str = "yookassa") -> Report:
    """The registry's payments and refunds.

    Raises:
        FormatError: neither a registry nor a list of payments or refunds.
    """
    found = Gathering()
    if is_json(content):
        _read_json(document(content), source, found)
    else:
        _Registry(source, found).read(text_of(content, fallback="cp1251"))
    return found.report()


class _Registry:
    """A file of one or several sections: title, columns, rows, sums."""

    def __init__(self, source: str, found: Gathering) -> None:
        self._source, self._found = source, found
        self._names: list[str] = []
        self._on: dt.date | None = None
        self._count = self._sum = 0
        self._whole = True

    def read(self, text: str) -> None:
        seen = False
        for line, cells in rows(text, ";", self._found):
            names = [heading(cell) for cell in cells]
            if any(name in names for name in (*_PAYMENT_ID, *_REFUND_ID)) and any(
                name in names for name in _GROSS
            ):
                self._names, self._count, self._sum, self._whole = names, 0, 0, True
                seen = True
            elif len(cells) == 1 or not any(names):
                self._say(line, plain(cells[0]) if cells else "")
            elif not self._names:
                self._found.bad(line, "a row before any line of columns")
            else:
                self._row(line, cells)
        if not seen:
            raise FormatError("no line of columns of a registry of payments or refunds")

    def _row(self, line: int, cells: list[str]) -> None:
        try:
            entry = self._entry(cells_of(self._names, cells))
        except BadRecord as why:
            self._found.bad(line, why)
            self._whole = False
            return
        self._found.add(entry)
        self._count += 1
        self._sum += abs(entry.amount_minor)

    def _entry(self, row: Mapping[str, str]) -> Entry:
        currency = currency_of(first(row, *_CURRENCY) or "RUB")
        refund = first(row, *_REFUND_ID)
        gross = minor(first(row, *_GROSS), currency, "the amount")
        time = first(row, *_TIME)
        on = day_of(time, "the time", ZONE_OF) if time else self._on
        if on is None:
            raise BadRecord("no time, and the registry names no date")
        payment = word(first(row, *_PAYMENT_ID), "the payment's id", needed=not refund)
        type_ = word(first(row, "тип платежа"), "the type")
        return _entry(
            self._source, refund, payment, (gross, _fee(row, gross, currency)), currency, on, type_
        )

    def _say(self, line: int, text: str) -> None:
        """A title, a sum, an empty line."""
        if not text:
            return
        if found := _DATE.match(text):
            self._on = self._date(line, found[1])
        elif found := _COUNT.fullmatch(text):
            self._check(line, int(found[1]) == self._count, "rows than are there")
        elif found := _SUM.fullmatch(text):
            try:
                told = minor(found[1], found[2] or "RUB", "the sum", TOTAL_MAX)
            except BadRecord as why:
                self._found.bad(line, why)
            else:
                self._check(line, told == self._sum, "money than the rows have")
        elif not _FOOT.match(text):
            self._found.bad(line, "neither a row nor a title nor a sum")

    def _date(self, line: int, text: str) -> dt.date | None:
        try:
            return day_of(text, "the registry's date")
        except BadRecord as why:
            self._found.bad(line, why)
            return None

    def _check(self, line: int, right: bool, what: str) -> None:  # noqa: FBT001 - a comparison
        if self._whole and not right:
            self._found.bad(line, f"the registry counts other {what}")


def _fee(row: Mapping[str, str], gross: int, currency: str) -> int:
    told = [first(row, *names) for names in _FEES]
    parts = sum(minor(text, currency, "a commission") for text in told if text)
    net = first(row, *_NET)
    if not net:
        return parts
    fee = gross - minor(net, currency, "the amount less commission")
    if told[0] and fee != parts:
        raise BadRecord("amount, commission and what is left disagree")
    return fee


def _read_json(value: Any, source: str, found: Gathering) -> None:
    pages = value if isinstance(value, list) else [value]
    if (
        pages
        and isinstance(pages[-1], Mapping)
        and any(pages[-1].get(name) for name in ("next_cursor", "next_page"))
    ):
        found.bad(0, "the list has further pages")
    for n, one in enumerate(records(value, "items"), 1):
        try:
            found.add(_of_json(one, source))
        except BadRecord as why:
            found.bad(n, why)


def _of_json(one: Any, source: str) -> Entry | None:
    if not isinstance(one, Mapping) or not isinstance(one.get("amount"), Mapping):
        raise BadRecord("neither a payment nor a refund")
    status = word(one.get("status"), "status", needed=True)
    if status in {"pending", "waiting_for_capture", "canceled"}:
        return None
    if status != "succeeded":
        raise BadRecord("status is not one that is known")
    currency = currency_of(one["amount"].get("currency"))
    gross = whole_minor(one["amount"].get("value"), currency, "amount")
    income = one.get("income_amount")
    net = gross
    if isinstance(income, Mapping):
        if currency_of(income.get("currency"), "income_amount") != currency:
            raise BadRecord("income_amount is of another currency")
        net = whole_minor(income.get("value"), currency, "income_amount")
    payment, id = one.get("payment_id"), word(one.get("id"), "id", needed=True)
    on = day_of(one.get("captured_at") or one.get("created_at"), "the time", ZONE_OF)
    method = one.get("payment_method")
    type_ = word(method.get("type"), "the type") if isinstance(method, Mapping) else ""
    refund = id if payment else ""
    return _entry(
        source, refund, word(payment or id, "payment_id"), (gross, gross - net), currency, on, type_
    )


def _entry(
    source: str,
    refund: str,
    payment: str,
    amounts: tuple[int, int],
    currency: str,
    on: dt.date,
    type_: str,
) -> Entry:
    gross, fee = amounts
    if gross < 0:
        raise BadRecord("an amount below zero")
    id = word(refund, "the refund's id") or payment
    details = {"kind": "refund" if refund else "payment", "type": type_}
    if refund:
        details["payment"] = payment
    return Entry(
        source=source,
        id=id,
        booked_on=on,
        amount_minor=-gross if refund else gross,
        currency=currency,
        reference=id,
        fee_minor=0 if refund else fee,
        details={name: text for name, text in details.items() if text},
    )
