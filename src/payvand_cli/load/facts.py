"""What is in everybody's books after the rush: ours, the merchants', the channels', the bank's.

The outside parties' are read from the lab's own table, whole: its pages show the last few.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from payvand import webhook
from payvand.calendar import days, label
from payvand.ids import Book, PaymentId, PayoutId
from payvand.payment import Payment
from payvand.settlement import Seal
from payvand_cli import audit
from payvand_cli.doors import Doors
from payvand_cli.load.payers import Merchant, Wish

GIVEN_BACK_MS: Final = 30 * 60 * 1000
"""ZarinPal gives back what nobody verified."""
COUNTS: Final = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)


@dataclass(frozen=True)
class Taking:
    """Money a channel took from a payer: `kept` for us, or given back, or not decided."""

    channel: str
    token: str
    payment: str
    amount: int
    state: str
    refunded: int = 0


@dataclass(frozen=True)
class Told:
    """A webhook that the merchant's server took."""

    type: str
    about: str
    signed: bool


@dataclass(frozen=True)
class Books:
    """One merchant's."""

    book: Book
    payments: dict[str, Payment]
    entries: list[dict[str, Any]]
    balance: dict[str, Any]
    seals: list[Seal]
    lines: dict[int, bytes]
    told: list[Told]


@dataclass(frozen=True)
class Facts:
    """Everything the verdicts look at."""

    wishes: Sequence[Wish]
    books: Sequence[Books]
    takings: Sequence[Taking]
    orders: dict[str, dict[str, Any]]
    """What the bank was asked to pay, by reference."""
    dead: Sequence[str]
    queues: dict[str, int]
    """What is still in each queue."""


def collect(doors: Doors, merchants: Sequence[Merchant], wishes: Sequence[Wish]) -> Facts:
    """Read all of it."""
    books = [_books(doors, merchant) for merchant in merchants]
    ours = {merchant.id for merchant in merchants}
    now_ms = doors.clock.now("test").ms
    return Facts(
        wishes,
        books,
        [t for t in takings(doors, now_ms) if _whose(PaymentId, t.payment) in ours],
        {name: doc for name, doc in rows(doors, "bank") if _whose(PayoutId, name) in ours},
        audit.dead_letters(doors.stack),
        waiting(doors),
    )


def _whose(kind: type[PaymentId | PayoutId], text: str) -> str:
    """The merchant an id belongs to; nobody when it is none of ours."""
    try:
        return kind.parse(text).book.merchant_id
    except ValueError:
        return ""


def rows(doors: Doors, pk: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """A partition of the lab's table: names and documents."""
    pages = doors.stack.dynamodb.get_paginator("query").paginate(
        TableName=doors.stack.outputs["LabTable"],
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues={":pk": {"S": pk}},
        ConsistentRead=True,
    )
    for page in pages:
        for item in page["Items"]:
            yield item["sk"]["S"], json.loads(item["doc"]["S"])


def takings(doors: Doors, now_ms: int) -> Iterator[Taking]:
    """What the channels took, ever."""
    for token, doc in rows(doors, "zarinpal"):
        if "paid_at" in doc:
            (payment,) = parse_qs(urlsplit(doc["callback_url"]).query)["payment"]
            refunded = sum(refund["amount"] for refund in doc["refunds"])
            state = _zarinpal_state(doc, now_ms)
            yield Taking("zarinpal", token, payment, doc["rial"], state, refunded)
    for token, doc in rows(doors, "noticebank"):
        if "taken_at" in doc:
            refunded = sum(r["rial"] for r in doc["refunds"].values() if not r["no"])
            state = "kept" if doc["state"] == "TAKEN" else "given back"
            yield Taking("noticebank", token, doc["order"], doc["rial"], state, refunded)


def _zarinpal_state(doc: dict[str, Any], now_ms: int) -> str:
    if doc["state"] == "VERIFIED":
        return "kept"
    waited = now_ms - doc["paid_at"] * 1000
    return "undecided" if doc["state"] == "PAID" and waited < GIVEN_BACK_MS else "given back"


def waiting(doors: Doors) -> dict[str, int]:
    """Messages in each queue that is not for dead letters: seen, unseen or delayed."""
    found = {}
    for name, url in doors.stack.outputs.items():
        if name.endswith("Queue") and not name.endswith("DeadQueue"):
            asked = doors.stack.sqs.get_queue_attributes(
                QueueUrl=url,
                AttributeNames=list(COUNTS),
            )
            found[name] = sum(int(asked["Attributes"][count]) for count in COUNTS)
    return found


def book_of(merchant: Merchant) -> Book:
    """The book the load is in."""
    return Book(merchant.id, "test", "IRR")


def payments(doors: Doors, merchant: Merchant) -> dict[str, Payment]:
    """Every payment of a merchant, as stored."""
    book = book_of(merchant)
    known = doors.merchants.get(merchant.id)
    assert known is not None
    today = label(doors.clock.now("test").when, book.currency)
    found = {}
    for day in days(known.since, today):
        for entry in doors.payments.entries(book, day, 0):
            if entry.payment:
                found[entry.payment.id.text] = entry.payment
    return found


def hearsay(doors: Doors, merchant: Merchant) -> Books:
    """As much of a merchant's books as says which webhooks are due, and those that came."""
    seals = list(reversed(list(doors.settlements.seals(book_of(merchant), limit=10_000))))
    mine, heard = payments(doors, merchant), list(told(doors, merchant))
    return Books(book_of(merchant), mine, [], {}, seals, {}, heard)


def _books(doors: Doors, merchant: Merchant) -> Books:
    found = hearsay(doors, merchant)
    known = doors.merchants.get(merchant.id)
    assert known is not None
    span = days(known.since, label(doors.clock.now("test").when, found.book.currency))
    bucket = doors.stack.outputs["FilesBucket"]
    lines = {
        seal.n: doors.stack.s3.get_object(Bucket=bucket, Key=seal.lines_key)["Body"].read()
        for seal in found.seals
    }
    journal = audit.entries(merchant.shop, span)
    balance = merchant.shop.get("/balance")
    return replace(found, entries=journal, balance=balance, lines=lines)


def told(doors: Doors, merchant: Merchant) -> Iterator[Told]:
    """What came into the inbox and was answered with 200."""
    for _, row in rows(doors, f"inbox#{merchant.id}"):
        if row["answered"] != 200 or "webhook-id" not in row["headers"]:
            continue
        headers, event = row["headers"], json.loads(row["body"])
        right = webhook.signature(
            merchant.secret,
            headers["webhook-id"],
            int(headers["webhook-timestamp"]),
            row["body"].encode(),
        )
        signed = headers["webhook-signature"] == right and event["id"] == headers["webhook-id"]
        yield Told(event["type"], about(event["data"]), signed)


def about(data: dict[str, Any]) -> str:
    """The one thing an event is about."""
    return str(data.get("refund_id") or data.get("payment_id") or data.get("payout_id"))
