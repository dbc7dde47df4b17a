"""What channels would write of the same movements: truthful samples of every report's shape."""

import csv
import datetime as dt
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import strategies as st

from payvand.money import DECIMALS

DAY = dt.date(2026, 5, 5)


@dataclass(frozen=True, slots=True)
class Told:
    """A movement at a channel. `amount_minor` > 0; what it is says the direction."""

    kind: str
    id: str
    payment: str
    amount_minor: int
    fee_minor: int = 0
    on: dt.date = DAY
    payout: str = ""
    currency: str = "EUR"

    @property
    def signed(self) -> int:
        return self.amount_minor if self.kind == "payment" else -self.amount_minor


def movements(currency: str, kinds: Sequence[str]) -> st.SearchStrategy[list[Told]]:
    """Movements with ids of their own; refunds are of earlier payments."""
    one = st.builds(
        Told,
        kind=st.sampled_from(kinds),
        id=st.just(""),
        payment=st.just(""),
        amount_minor=st.integers(1, 10**12),
        fee_minor=st.integers(0, 10**6),
        on=st.dates(dt.date(2024, 1, 1), dt.date(2027, 12, 31)),
        payout=st.sampled_from(["", "po_1", "po_2"]),
        currency=st.just(currency),
    )
    return st.lists(one, max_size=8).map(
        lambda made: [
            replace(
                told,
                id=f"{told.kind}{n}",
                payment=f"payment{n}" if told.kind == "payment" else f"payment{n - 1}",
                fee_minor=min(told.fee_minor, told.amount_minor) if told.kind == "payment" else 0,
            )
            for n, told in enumerate(made)
        ]
    )


def decimal(minor: int, currency: str, point: str = ".", group: str = "") -> str:
    """An amount in major units as a locale writes it."""
    digits = DECIMALS[currency]
    whole, fraction = divmod(abs(minor), 10**digits)
    text = f"{whole:,}".replace(",", group)
    if digits:
        text += f"{point}{fraction:0{digits}}"
    return f"-{text}" if minor < 0 else text


def table(rows: Sequence[Sequence[str]], delimiter: str = ",") -> str:
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter, lineterminator="\r\n").writerows(rows)
    return out.getvalue()


# ── Stripe ────────────────────────────────────────────────────────────────────────────────────────
_CATEGORY = {"payment": "charge", "refund": "refund", "payout": "payout"}
_PREFIX = {"payment": "ch_", "refund": "re_", "payout": "po_"}


REPORT_COLUMNS = (
    "balance_transaction_id,created_utc,available_on_utc,currency,gross,fee,net,"
    "reporting_category,source_id,description,automatic_payout_id,charge_id,payment_intent_id"
)
ACTIVITY_COLUMNS = (
    "id,Type,Source,Amount,Fee,Destination Platform Fee,Net,Currency,Created (UTC),"
    "Available On (UTC),Description,Transfer,Transfer Date (UTC)"
)


def stripe_report(told: Sequence[Told], point: str = ".", group: str = "") -> str:
    """payout_reconciliation.itemized with the columns that join."""
    rows = [REPORT_COLUMNS.split(",")]
    for one in told:
        amounts = (one.signed, one.fee_minor, one.signed - one.fee_minor)
        of_payment = one.kind != "payout"
        rows.append(
            [
                f"txn_{one.id}",
                f"{one.on} 12:34:56",
                f"{one.on} 00:00:00",
                one.currency.lower(),
                *(decimal(minor, one.currency, point, group) for minor in amounts),
                _CATEGORY[one.kind],
                _PREFIX[one.kind] + one.id,
                'Order "1", Roses\nand more',
                one.payout,
                f"ch_{one.payment}" if of_payment else "",
                f"pi_{one.payment}" if of_payment else "",
            ]
        )
    return table(rows)


def stripe_activity(
    told: Sequence[Told], delimiter: str = ",", point: str = ".", group: str = ""
) -> str:
    """The dashboard's export of all activity, in a locale."""
    rows = [ACTIVITY_COLUMNS.split(",")]
    for one in told:
        amount, fee, net = (
            decimal(minor, one.currency, point, group)
            for minor in (one.signed, one.fee_minor, one.signed - one.fee_minor)
        )
        on = f"{one.on} 12:34"
        row = [f"txn_{one.id}", _CATEGORY[one.kind], _PREFIX[one.kind] + one.id, amount, fee, ""]
        rows.append([*row, net, one.currency.lower(), on, on, "Order", one.payout, on])
    return table(rows, delimiter)


def stripe_list(told: Sequence[Told]) -> dict[str, Any]:
    data = []
    for one in told:
        at = dt.datetime.combine(one.on, dt.time(12, 34, 56), dt.UTC)
        data.append(
            {
                "id": f"txn_{one.id}",
                "object": "balance_transaction",
                "amount": one.signed,
                "available_on": int(at.timestamp()) + 86_400,
                "created": int(at.timestamp()),
                "currency": one.currency.lower(),
                "description": "Order 1",
                "exchange_rate": None,
                "fee": one.fee_minor,
                "fee_details": [],
                "net": one.signed - one.fee_minor,
                "reporting_category": _CATEGORY[one.kind],
                "source": _PREFIX[one.kind] + one.id,
                "status": "available",
                "type": _CATEGORY[one.kind],
            }
        )
    return {"object": "list", "url": "/v1/balance_transactions", "has_more": False, "data": data}


# ── YooKassa ──────────────────────────────────────────────────────────────────────────────────────
PAYMENT_COLUMNS = (
    "Идентификатор платежа;Сумма платежа;Валюта платежа;Сумма за вычетом комиссии и НДС;"
    "Сумма комиссии без НДС;Комиссия за чеки с НДС;Время платежа;Описание;Тип платежа;"
    "НДС с комиссии"
)
REFUND_COLUMNS = (
    "Идентификатор возврата;Идентификатор платежа;Сумма возврата;Валюта возврата;Время возврата"
)


def yookassa_registry(told: Sequence[Told], kind: str = "payment") -> str:
    """One section: the payments or the refunds among these movements."""
    mine = [one for one in told if one.kind == kind]
    of = "ПЛАТЕЖЕЙ" if kind == "payment" else "ВОЗВРАТОВ"
    columns = PAYMENT_COLUMNS if kind == "payment" else REFUND_COLUMNS
    rows = [columns.split(";")]
    for one in mine:
        gross, net = (
            decimal(minor, one.currency)
            for minor in (one.amount_minor, one.amount_minor - one.fee_minor)
        )
        time = f"{one.on:%d.%m.%Y} 23:59:59"
        if kind == "refund":
            rows.append([one.id, one.payment, gross, one.currency, time])
            continue
        tax = one.fee_minor // 6
        fee, vat = decimal(one.fee_minor - tax, one.currency), decimal(tax, one.currency, ",")
        text = 'Заказ №1; "срочно"'
        rows.append([one.id, gross, one.currency, net, fee, "0", time, text, "AC", vat])
    total = decimal(sum(one.amount_minor for one in mine), "RUB")
    sums = "Сумма принятых платежей" if kind == "payment" else "Сумма возвратов"
    count = "Число платежей" if kind == "payment" else "Число возвратов"
    return (
        f"РЕЕСТР {of} ПО ДОГОВОРУ НЭК.00001.01 (100001)\r\n"
        f"Дата {of.lower()}: {DAY}\r\n{table(rows, ';')}\r\n"
        f"{sums}: {total} RUB\r\n{count}: {len(mine)}\r\n"
    )


def yookassa_list(told: Sequence[Told]) -> dict[str, Any]:
    items: list[dict[str, Any]] = []
    for one in told:
        value = {"value": decimal(one.amount_minor, one.currency), "currency": one.currency}
        made = {"id": one.id, "status": "succeeded", "amount": value}
        at = f"{one.on - dt.timedelta(1)}T22:30:00.000Z"  # the next day in Moscow
        if one.kind == "refund":
            items.append(made | {"payment_id": one.payment, "created_at": at})
        else:
            left = decimal(one.amount_minor - one.fee_minor, one.currency)
            income = {"value": left, "currency": one.currency}
            method = {"type": "bank_card", "card": {"last4": "4477"}}
            items.append(
                made | {"income_amount": income, "captured_at": at, "payment_method": method}
            )
    return {"type": "list", "items": items}


# ── Zibal ─────────────────────────────────────────────────────────────────────────────────────────
def zibal_reports(told: Sequence[Told]) -> list[dict[str, Any]]:
    """Its three reports, as pages in a list."""
    made: dict[str, list[dict[str, Any]]] = {"payment": [], "refund": [], "payout": []}
    for one in told:
        made[one.kind].append(_ZIBAL[one.kind](one))
    return [
        {"message": "success", "result": 1, "total": len(rows), "data": rows}
        for rows in made.values()
    ]


def _zibal_payment(one: Told) -> dict[str, Any]:
    return {
        "amount": one.amount_minor,
        "trackId": one.id,
        "orderId": "order-1",
        "status": 1,
        "paidAt": f"{one.on}T18:43:01.053000",
        "refNumber": "100200300",
        "description": "گل سرخ",
        "mobile": "09120000000",
        "cardNumber": "62741****44",
        "multiplexingInfos": [],
        "wage": one.fee_minor,
    }


def _zibal_refund(one: Told) -> dict[str, Any]:
    return {
        "refundId": one.id,
        "checkoutRequestId": one.payout or None,
        "transactionDetail": {"trackId": one.payment, "amount": one.amount_minor * 2},
        "status": 2,
        "statusFa": "موفق",
        "wage": 0,
        "createdAt": f"{one.on}T10:00:00.000000",
        "amount": one.amount_minor,
    }


def _zibal_payout(one: Told) -> dict[str, Any]:
    return {
        "details": [
            {
                "createdAt": f"{one.on}T08:00:00.000000",
                "amount": one.amount_minor,
                "type": 2,
                "transactionId": "1",
                "checkoutRequestId": f"req-{one.id}",
            }
        ],
        "settlementDate": f"{one.on:%Y/%m/%d}-14:00:00",
        "type": 2,
        "refNumber": one.id,
        "amount": one.amount_minor,
        "status": 0,
        "subMerchant": {"bankAccount": "IR87 0170 0000", "name": "…"},
    }


_ZIBAL = {"payment": _zibal_payment, "refund": _zibal_refund, "payout": _zibal_payout}


def as_json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()
