"""Seeds of our own books, made with the product's code as it was built.

Run inside the built package: prints what a world holds before a measured process starts.
"""

import base64
import dataclasses
import datetime as dt
import json
import secrets
import sys
import time
from typing import Any

from payvand import calendar
from payvand.ids import Book, PaymentId, merchant_id
from payvand.merchant import Contract, Merchant, Payee
from payvand.payment import AttemptRecord, Payment, Status, execution
from payvand.store.payments import to_item

CURRENCY = "IRR"
CREATOR = merchant_id(4_711)


def wire(value: Any) -> dict[str, Any]:
    """A value as DynamoDB writes it."""
    if isinstance(value, dict):
        return {"M": {k: wire(v) for k, v in value.items() if v is not None}}
    if isinstance(value, list | tuple):
        return {"L": [wire(v) for v in value]}
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, bytes):
        return {"B": base64.b64encode(value).decode()}
    return {"N": str(value)} if isinstance(value, int) else {"S": str(value)}


def item(value: dict[str, Any]) -> dict[str, Any]:
    """An item as DynamoDB writes it."""
    found: dict[str, Any] = wire(value)["M"]
    return found


def merchant(number: int, since: dt.date) -> Merchant:
    """A merchant with a contract."""
    return Merchant(
        id=merchant_id(number),
        name="فروشگاه نمونه",
        since=since,
        contracts=(Contract("zarinpal"),),
        modes=("test", "live"),
        payees=(Payee(secrets.token_bytes(64), "9088", "فروشگاه نمونه"),),
    )


def payment(book: Book, day: dt.date, when: dt.datetime, n: int, owner: Merchant) -> Payment:
    """An open payment whose payer is at the channel."""
    entropy = secrets.token_bytes(6)
    ms = calendar.ms_into(when, day, CURRENCY)
    at_ms = int(when.timestamp() * 1000)
    return Payment(
        id=PaymentId.mint(book, day, ms, 0, entropy),
        status=Status.REDIRECTED,
        amount_minor=250_000 + n,
        reference=f"seed-{n}",
        return_url="https://shop.example/done?x=1",
        expires_at_ms=at_ms + 1_800_000,
        fee_plan=owner.fee_plan,
        description="Order 2026-000123456",
        metadata={"order_id": "123456", "customer": "c-778899"},
        attempts=(AttemptRecord("zarinpal", f"A{n:035d}", at_ms),),
        rev=1,
    )


def paid(open_: Payment) -> dict[str, Any]:
    """The same payment, executed."""
    at_ms = open_.attempts[0].at_ms + 60_000
    x = execution(
        open_, 0, f"r{open_.reference}", "603799******1234", at_ms=at_ms, day=open_.id.day
    )
    done = dataclasses.replace(open_, status=Status.EXECUTED, execution=x)
    exe = {
        "n": x.attempt,
        "ref": x.reference,
        "at": x.at_ms,
        "day": x.day.isoformat(),
        "fee": x.fee_minor,
        "card": x.card_mask,
    }
    return item({**to_item(done), "exe": exe, "legs": dict(x.legs)})


def seed(spec: dict[str, Any]) -> dict[str, Any]:
    """Open payments to come back to, days to settle, a finished payment to wake for."""
    now = dt.datetime.fromtimestamp(time.time(), dt.UTC)
    today = calendar.label(now, CURRENCY)
    closed = calendar.closed_through(now, CURRENCY)
    noon = calendar.cut_off(closed, CURRENCY) - dt.timedelta(hours=5)
    creator = merchant(4_711, closed)
    book = Book(creator.id, "live", CURRENCY)
    opened = [payment(book, today, now, n, creator) for n in range(spec["open"])]
    payments = [item(to_item(p)) for p in opened]
    merchants = [creator]
    books = {}
    finished = ""
    for number, size in enumerate(spec["books"], 5_000):
        owner = merchant(number, closed)
        merchants.append(owner)
        own = Book(owner.id, "live", CURRENCY)
        for n in range(size):
            made = payment(own, closed, noon + dt.timedelta(seconds=n), n, owner)
            finished = made.id.text
            payments.append(paid(made))
        books[str(size)] = own.key
    return {
        "items": {
            "PaymentsTable": payments,
            "MerchantsTable": [item(m.to_item()) for m in merchants],
        },
        "profile": json.dumps({**creator.to_item(), "payees": []}),
        "open": [[p.id.text, p.attempts[0].token, p.amount_minor] for p in opened],
        "books": books,
        "finished": finished,
    }


if __name__ == "__main__":
    json.dump(seed(json.load(sys.stdin)), sys.stdout)
