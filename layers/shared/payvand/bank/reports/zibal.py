"""Zibal's reports: transactions, refunds, and what it settled to our account (JSON, rial).

Shape:  `{"result": 1, "message", "total", "data": […]}`, one page or several in a list, of
        POST /v1/gateway/report/transaction   trackId, orderId, amount, status, paidAt, refNumber,
                                              wage
        POST /v1/account/refund/list          refundId, amount, wage, status, createdAt,
                                              checkoutRequestId, transactionDetail{trackId, …}
        POST /v1/report/checkout              amount, refNumber, status, settlementDate,
                                              persianSettlementDate, subMerchant, details[…]
Ids:    the trackId; the refundId; a settlement's refNumber, else its first checkoutRequestId.
Counts: transactions that were verified (1), also those refunded since (15, 16). A transaction taken
        back before it was settled (18) moves nothing here: its refund is not in the list, either.
        Refunds that are done (2). Settlements that arrived (0); others came back to the wallet.
Quirks: `result` is 1 here, 100 at the gateway. Amounts may be text. Times are
        `YYYY-MM-DDThh:mm:ss`, `YYYY/MM/DD-hh:mm:ss` or Jalali dates, and no zone is said: taken as
        they stand.
Source: the public client zibal-java-sdk, `platform/model` (field names, units, statuses);
        settlement statuses and date form as other clients of these calls read them.
"""

import datetime as dt
from collections.abc import Mapping
from typing import Any, Final

from payvand.bank import Entry, FormatError
from payvand.bank.reports import (
    BadRecord,
    Gathering,
    Report,
    day_of,
    document,
    records,
    whole_minor,
    word,
)

_OK: Final = 1
_PAID: Final = frozenset({1, 15, 16})
_NOTHING: Final = frozenset({-2, -1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 18, 21})
"""Not paid, not verified, or taken back; 2 is paid but unverified: the channel gives it back."""
_REFUND_DONE: Final = 2
_REFUND_OPEN: Final = frozenset({0, 1, 3})
_SETTLED: Final = 0
_CAME_BACK: Final = frozenset({1, 2})


def read(content: bytes, source: str = "zibal") -> Report:
    """The report's entries; settlements to our account apart.

    Raises:
        FormatError: not such a report, or Zibal's refusal in its place.
    """
    value = document(content)
    found = Gathering()
    pages = value if isinstance(value, list) else [value]
    for page in pages:
        if isinstance(page, Mapping) and "result" in page and page["result"] not in {_OK, "1"}:
            raise FormatError("not a report but a refusal (result is not 1)")
    n = 0
    for n, one in enumerate(records(value, "data"), 1):
        try:
            found.add(_entry(one, source))
        except BadRecord as why:
            found.bad(n, why)
    totals = [page.get("total") for page in pages if isinstance(page, Mapping)]
    if totals and type(totals[-1]) is int and totals[-1] > n:
        found.bad(0, f"the report has {totals[-1]} records, {n} of them are here")
    return found.report()


def _entry(one: Any, source: str) -> Entry | None:
    if not isinstance(one, Mapping):
        raise BadRecord("not an object")
    if "refundId" in one:
        return _refund(one, source)
    if "trackId" in one:
        return _transaction(one, source)
    if "settlementDate" in one or "persianSettlementDate" in one:
        return _settlement(one, source)
    raise BadRecord("neither a transaction nor a refund nor a settlement")


def _transaction(one: Mapping[str, Any], source: str) -> Entry | None:
    if _status(one, _NOTHING, _PAID) in _NOTHING:
        return None
    track = word(one["trackId"], "trackId", needed=True)
    return _made(
        source,
        track,
        _day(one, "paidAt", "verifiedAt", "createdAt"),
        (_rial(one, "amount"), _rial(one, "wage", missing=0)),
        {"kind": "payment", "order": one.get("orderId"), "rrn": one.get("refNumber")},
        track,
    )


def _refund(one: Mapping[str, Any], source: str) -> Entry | None:
    if _status(one, _REFUND_OPEN, frozenset({_REFUND_DONE})) in _REFUND_OPEN:
        return None
    of = one.get("transactionDetail")
    id = word(one["refundId"], "refundId", needed=True)
    return _made(
        source,
        id,
        _day(one, "createdAt"),
        (-_rial(one, "amount"), _rial(one, "wage", missing=0)),
        {
            "kind": "refund",
            "payment": of.get("trackId") if isinstance(of, Mapping) else None,
            "payout": one.get("checkoutRequestId"),
        },
        id,
    )


def _settlement(one: Mapping[str, Any], source: str) -> Entry | None:
    if _status(one, _CAME_BACK, frozenset({_SETTLED})) in _CAME_BACK:
        return None
    within = one.get("details")
    rows = [row for row in within if isinstance(row, Mapping)] if isinstance(within, list) else []
    request = word(rows[0].get("checkoutRequestId"), "checkoutRequestId") if rows else ""
    reference = word(one.get("refNumber"), "refNumber")
    to = one.get("subMerchant")
    account = word(to.get("bankAccount"), "bankAccount") if isinstance(to, Mapping) else ""
    return _made(
        source,
        word(reference or request, "refNumber", needed=True),
        _day(one, "settlementDate", "persianSettlementDate"),
        (-_rial(one, "amount"), 0),
        {"kind": "payout", "payout": request, "rows": str(len(rows)) if rows else ""},
        reference or request,
        account.replace(" ", ""),
    )


def _made(
    source: str,
    id: str,
    on: dt.date,
    amounts: tuple[int, int],
    about: Mapping[str, object],
    reference: str,
    account: str = "",
) -> Entry:
    details = {name: word(value, name) for name, value in about.items()}
    return Entry(
        source=source,
        id=id,
        booked_on=on,
        amount_minor=amounts[0],
        currency="IRR",
        reference=reference,
        account=account,
        fee_minor=amounts[1],
        details={name: text for name, text in details.items() if text},
    )


def _status(one: Mapping[str, Any], *known: frozenset[int]) -> int:
    text = word(one.get("status"), "status", needed=True)
    status = int(text) if text.lstrip("-").isdigit() and len(text) < 4 else None
    if status is None or not any(status in some for some in known):
        raise BadRecord("status is not one that is known")
    return status


def _rial(one: Mapping[str, Any], field: str, missing: int | None = None) -> int:
    value = one.get(field)
    if value is None and missing is not None:
        return missing
    amount = whole_minor(value, "IRR", field)
    if amount < 0:
        raise BadRecord(f"{field} is below zero")
    return amount


def _day(one: Mapping[str, Any], *fields: str) -> dt.date:
    value = next((one[field] for field in fields if one.get(field)), None)
    return day_of(value, fields[0], "IRR")
