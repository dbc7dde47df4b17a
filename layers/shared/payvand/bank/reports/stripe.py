"""Stripe's balance transactions: from the API (JSON), the report files and the dashboard (CSV).

CSV:    reports `balance_change_from_activity.itemized.*`, `payout_reconciliation.itemized.*`,
        `ending_balance_reconciliation.itemized.*` and `payouts.itemized.*` have the columns
        balance_transaction_id, created(_utc), currency, gross, fee, net, reporting_category, …;
        the dashboard's export of all activity has id, Type, Source, Amount, Fee, Net, Currency,
        Created (UTC), …, and writes amounts as the user's locale does. Major units both.
JSON:   the list of `GET /v1/balance_transactions`, or several of its pages in a list. Minor units.
Ids:    the balance transaction's (`txn_…`), the same in all of them.
Quirks: the default columns name neither charge nor payout, so ask for payment_intent_id, charge_id,
        source_id and automatic_payout_id; a capture of less than was reserved is two rows; payouts
        made by hand name no transactions. A row whose gross, fee and net disagree is a problem.
Source: docs.stripe.com/reports/report-types/{balance,payout-reconciliation},
        docs.stripe.com/reports/reporting-categories, docs.stripe.com/currencies;
        stripe/openapi, `balance_transaction`.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from typing import Any, Final

from payvand.bank import Entry, FormatError
from payvand.bank.reports import (
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
    records,
    rows,
    text_of,
    whole_minor,
    word,
)

_TYPES: Final = {
    "payment": "charge payment partial_capture_reversal charge_failure payment_reversal",
    "refund": "refund payment_refund refund_failure payment_failure_refund",
    "payout": "payout payout_cancel payout_failure payout_reversal",
    "fee": "fee stripe_fee stripe_fx_fee network_cost tax_fee tax",
    "dispute": "dispute dispute_reversal",
    "hold": "reserved_funds risk_reserved_funds connect_reserved_funds reserve_transaction"
    " reserve_hold reserve_release payout_minimum_balance_hold payout_minimum_balance_release",
}
_KINDS: Final = {word: kind for kind, words in _TYPES.items() for word in words.split()}
"""Reporting categories, and the types of the dashboard's export; any other is `other`."""
_NAMED: Final = {"payout": ("payout", "source"), "refund": ("source",)}
_DISPUTES: Final = ("dp_", "du_")
_API_DIGITS: Final = {"ISK": 2, "UGX": 2, "MGA": 0}
"""Where Stripe's smallest unit is not that of ISO 4217."""
_SECONDS_MAX: Final = 4_102_444_800  # the year 2100


def read(content: bytes, source: str = "stripe") -> Report:
    """The report's entries; payouts to our bank apart.

    Raises:
        FormatError: neither such a table nor such a list.
    """
    found = Gathering()
    if is_json(content):
        _read_json(document(content), source, found)
    else:
        _read_table(text_of(content), source, found)
    return found.report()


def _read_json(value: Any, source: str, found: Gathering) -> None:
    pages = value if isinstance(value, list) else [value]
    if pages and isinstance(pages[-1], Mapping) and pages[-1].get("has_more") is True:
        found.bad(0, "the list has further pages")
    for n, one in enumerate(records(value, "data"), 1):
        try:
            found.add(_of_json(one, source))
        except BadRecord as why:
            found.bad(n, why)


def _of_json(one: Any, source: str) -> Entry:
    if not isinstance(one, Mapping) or one.get("object", "balance_transaction") != (
        "balance_transaction"
    ):
        raise BadRecord("not a balance transaction")
    currency = currency_of(one.get("currency"))
    amounts = [_smallest(one.get(name), currency, name) for name in ("amount", "fee", "net")]
    about = one.get("source")
    details = {"source": about}
    if isinstance(about, Mapping):  # expanded
        details = {"source": about.get("id")} | {
            name: about.get(name) for name in ("charge", "payment_intent")
        }
    details["type"] = one.get("reporting_category") or one.get("type")
    created = one.get("created")
    if type(created) is not int or not 0 < created < _SECONDS_MAX:
        raise BadRecord("created is not a time")
    on = datetime.fromtimestamp(created, UTC).date()
    return _entry(source, one.get("id"), on, currency, amounts, details)


def _smallest(value: object, currency: str, field: str) -> int:
    if type(value) is not int:
        raise BadRecord(f"{field} is not a whole number")
    if currency not in _API_DIGITS:
        return whole_minor(value, "JPY", field)  # bounds only: it is in minor units already
    scaled = f"{value:+04d}" if _API_DIGITS[currency] == 2 else f"{value}"
    if _API_DIGITS[currency] == 2:
        scaled = f"{scaled[:-2]}.{scaled[-2:]}"
    return minor(scaled, currency, field)


def _read_table(text: str, source: str, found: Gathering) -> None:
    delimiter = _delimiter(text)
    names: list[str] = []
    for line, cells in rows(text, delimiter, found):
        if not any(cell.strip() for cell in cells):
            continue
        if not names:
            names = [heading(cell) for cell in cells]
            continue
        try:
            found.add(_of_row(cells_of(names, cells), source))
        except BadRecord as why:
            found.bad(line, why)


def _delimiter(text: str) -> str:
    """What separates the cells of the first line that says anything."""
    line = next((line for line in text.splitlines() if line.strip()), "")
    for delimiter in (",", ";", "\t"):
        names = {heading(name.strip(' "')) for name in line.split(delimiter)}
        if {"balance_transaction_id", "gross", "currency"} <= names:
            return delimiter
        if {"id", "type", "amount", "currency", "net"} <= names:
            return delimiter
    raise FormatError("line 1: not the columns of Stripe's balance transactions")


def _of_row(row: Mapping[str, str], source: str) -> Entry:
    currency = currency_of(row.get("currency"))
    names = ("gross", "amount"), ("fee",), ("net",)
    amounts = [minor(first(row, *some), currency, some[0]) for some in names]
    details = {
        "type": first(row, "reporting_category", "type"),
        "source": first(row, "source_id", "source"),
        "charge": first(row, "charge_id"),
        "payment_intent": first(row, "payment_intent_id"),
        "payout": first(row, "automatic_payout_id", "payout_id", "transfer"),
        "trace": first(row, "trace_id"),
    }
    created = ("created_utc", "created (utc)", "created", "effective_at_utc", "effective_at")
    on = day_of(first(row, *created), "created")
    id = first(row, "balance_transaction_id", "id")
    return _entry(source, id, on, currency, amounts, details)


def _entry(
    source: str,
    id: object,
    on: date,
    currency: str,
    amounts: Iterable[int],
    about: Mapping[str, object],
) -> Entry:
    amount, fee, net = amounts
    if amount - fee != net:
        raise BadRecord("gross less fee is not net")
    details = {name: word(value, name) for name, value in about.items()}
    kind = _KINDS.get(details["type"], "other")
    if kind == "other" and details["source"].startswith(_DISPUTES):
        kind = "dispute"
    named = _NAMED.get(kind, ("payment_intent", "charge", "source"))
    return Entry(
        source=source,
        id=word(id, "id", needed=True),
        booked_on=on,
        amount_minor=amount,
        currency=currency,
        reference=first({name: details.get(name, "") for name in named}, *named),
        fee_minor=fee,
        details={"kind": kind} | {name: text for name, text in details.items() if text},
    )
