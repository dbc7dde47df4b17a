"""The books after a day, checked from outside: API, seals and lines, bank, inbox, dead letters."""

import datetime as dt
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from payvand import webhook
from payvand.calendar import days, label
from payvand.fee import FeePlan
from payvand.ledger import PAYABLE
from payvand.settlement import Lines, Seal, follows
from payvand_cli.stack import Stack
from payvand_cli.web import Shop

if TYPE_CHECKING:
    from payvand_cli.demo import Day

DAYS_AT_ONCE = 93
FINAL_EVENTS = {
    "executed": "payment.executed.v1",
    "partially_refunded": "payment.executed.v1",
    "refused": "payment.refused.v1",
    "expired": "payment.expired.v1",
    "reversed": "payment.reversed.v1",
}
REFUND_EVENTS = {"done": "payment.refunded.v1", "failed": "payment.refund_failed.v1"}
BOOKED = {"executed", "partially_refunded"}


@dataclass(frozen=True)
class Check:
    """One thing that must hold, and where it does not."""

    name: str
    wrong: Sequence[str]


def audit(day: "Day") -> list[Check]:
    """Everything that must hold after the day."""
    journal = _entries(day)
    balance = day.shop.get("/balance")
    seals = list(reversed(list(day.doors.settlements.seals(day.book, limit=10_000))))
    lines = {seal.n: _object(day, seal) for seal in seals}
    booked = [p for p in day.played if p.plan.expected in BOOKED]
    received = _received(day)
    return [
        Check(f"{len(day.played)} payments and their refunds as expected", _as_expected(day)),
        Check(
            f"{len(journal)} journal entries balance, all accounts sum to zero",
            sums(journal, balance),
        ),
        Check(
            f"the balance of {balance['balance']:,} rial = entries − payouts",
            owed(journal, balance),
        ),
        Check(
            f"{len(booked)} executed payments in one seal each",
            sealed_once([one.id for one in booked], [Lines.from_bytes(c) for c in lines.values()]),
        ),
        Check(f"{len(seals)} seals follow each other and own their lines", chain(seals, lines)),
        Check("what the bank executed = what was paid out", _bank(day, seals)),
        Check(
            f"{len(received)} webhooks, all events told, all signatures hold", _told(day, received)
        ),
        Check("no dead letters", dead_letters(day.stack)),
    ]


def _entries(day: "Day") -> list[dict[str, Any]]:
    merchant = day.doors.merchants.get(day.book.merchant_id)
    assert merchant is not None
    return entries(day.shop, days(merchant.since, label(day.now(), day.book.currency)))


def entries(shop: Shop, span: Sequence[dt.date]) -> list[dict[str, Any]]:
    """A merchant's whole journal over these days, as the merchant sees it."""
    return [
        entry
        for start in range(0, len(span), DAYS_AT_ONCE)
        for entry in shop.all(
            "/ledger/entries",
            first_day=span[start],
            last_day=span[min(start + DAYS_AT_ONCE, len(span)) - 1],
            limit=1000,
        )
    ]


def _object(day: "Day", seal: Seal) -> bytes:
    bucket = day.stack.outputs["FilesBucket"]
    return day.stack.s3.get_object(Bucket=bucket, Key=seal.lines_key)["Body"].read()


def _as_expected(day: "Day") -> list[str]:
    wrong = []
    for one in day.played:
        name, status = f"{one.id or '?'} ({one.plan.tried})", one.seen.get("status", "not there")
        if one.trouble:
            wrong.append(f"{name}: {one.trouble}")
        if status != one.plan.expected:
            wrong.append(f"{name} is {status}, not {one.plan.expected}")
        fee = FeePlan().fee(one.plan.amount, day.day) if status in BOOKED else None
        if one.seen.get("fee_amount") != fee:
            wrong.append(f"{name} cost {one.seen.get('fee_amount')}, not {fee}")
        if one.plan.refund and one.refund.get("status") != one.plan.refund.expected:
            wrong.append(
                f"{name}: refund {one.refund.get('status')}, not {one.plan.refund.expected}"
            )
        back = (
            one.plan.refund.amount if one.plan.refund and one.plan.refund.expected == "done" else 0
        )
        if one.seen.get("refunded_amount") != back:
            wrong.append(f"{name} gave back {one.seen.get('refunded_amount')}, not {back}")
    return wrong


def sums(entries: list[dict[str, Any]], balance: dict[str, Any]) -> list[str]:
    """Where journals do not balance, or the accounts are not their sums."""
    wrong = [f"{e['id']} does not balance" for e in entries if sum(e["legs"].values())]
    total: Counter[str] = Counter()
    for entry in entries:
        total.update(entry["legs"])
    if sum(balance["accounts"].values()):
        wrong.append(f"accounts sum to {sum(balance['accounts'].values())}")
    if {k: v for k, v in total.items() if v} != balance["accounts"]:
        wrong.append("the accounts of the balance are not the sums of the entries")
    return wrong


def owed(entries: list[dict[str, Any]], balance: dict[str, Any]) -> list[str]:
    """Whether what the merchant is owed is what the entries leave."""
    gained = -sum(e["legs"].get(PAYABLE, 0) for e in entries if e["kind"] != "payout")
    paid = sum(e["legs"].get(PAYABLE, 0) for e in entries if e["kind"] == "payout")
    if balance["balance"] != gained - paid:
        return [f"the balance is {balance['balance']}, not {gained} − {paid}"]
    return []


def sealed_once(booked: Iterable[str], contents: Iterable[Lines]) -> list[str]:
    """Executed payments that are in no seal, or in several."""
    times = Counter(line.id.removeprefix("x:") for content in contents for line in content.lines)
    return [f"{id} is in {times[id]} seals" for id in booked if times[id] != 1]


def chain(seals: list[Seal], lines: dict[int, bytes]) -> list[str]:
    """Where a seal does not follow the one before, or does not own its lines."""
    wrong = []
    previous: Seal | None = None
    for seal in seals:
        if not follows(seal, previous):
            wrong.append(f"seal {seal.n} does not follow the one before")
        if hashlib.sha256(lines[seal.n]).hexdigest() != seal.lines_digest:
            wrong.append(f"the lines of seal {seal.n} are not those it was made over")
        if len(Lines.from_bytes(lines[seal.n]).lines) != seal.count:
            wrong.append(f"seal {seal.n} counts {seal.count} lines")
        previous = seal
    return wrong


def _bank(day: "Day", seals: list[Seal]) -> list[str]:
    orders = {row["reference"]: row for row in day.lab.get("/bank")["data"]}
    wrong = []
    for seal in seals:
        for n, part in enumerate(seal.parts):
            order = orders.pop(seal.transfer(n), {})
            said = (order.get("amount"), order.get("status"))
            if said != (part.amount_minor, part.state.value):
                wrong.append(f"{seal.transfer(n)} of {part.amount_minor} is {said} at the bank")
    ours = {id for id in orders if id.startswith("po_") and _is_ours(day, id)}
    return wrong + [f"the bank paid {id}, which no seal ordered" for id in sorted(ours)]


def _is_ours(day: "Day", payout_id: str) -> bool:
    from payvand.ids import PayoutId

    return PayoutId.parse(payout_id).book == day.book


def _received(day: "Day") -> list[dict[str, Any]]:
    """What is in the merchant's inbox, once everything that must be there is."""
    from payvand_cli.demo import TooLate, until

    def all_there() -> list[dict[str, Any]] | None:
        found = _inbox(day)
        return found if _expected(day) <= {_about(d) for d in found} else None

    try:
        return until("every webhook", all_there) or []
    except TooLate:
        return _inbox(day)


def _inbox(day: "Day") -> list[dict[str, Any]]:
    name = day.local["webhook_inbox"].rpartition("/")[2]
    rows = day.lab.get(f"/webhooks/{name}")["data"]
    return [row for row in rows if "webhook-id" in row["headers"] and row["answered"] == 200]


def _about(delivery: dict[str, Any]) -> tuple[str, str]:
    event = json.loads(delivery["body"])
    return event["type"], event["data"].get("payment_id") or event["data"]["payout_id"]


def _expected(day: "Day") -> set[tuple[str, str]]:
    events = {(FINAL_EVENTS[p.plan.expected], p.id) for p in day.played if p.id}
    events |= {
        (REFUND_EVENTS[p.plan.refund.expected], p.id) for p in day.played if p.plan.refund and p.id
    }
    for payout in day.shop.all("/payouts"):
        if payout["through"] >= day.day.isoformat():
            events |= {(f"payout.{what}.v1", payout["id"]) for what in ("created", "executed")}
    return events


def _told(day: "Day", received: list[dict[str, Any]]) -> list[str]:
    missing = _expected(day) - {_about(d) for d in received}
    wrong = [f"nobody told {type_} of {id}" for type_, id in sorted(missing)]
    for delivery in received:
        headers, body = delivery["headers"], delivery["body"].encode()
        id, stamp = headers["webhook-id"], int(headers["webhook-timestamp"])
        right = webhook.signature(day.local["webhook_secret"], id, stamp, body)
        if headers["webhook-signature"] != right or json.loads(body)["id"] != id:
            wrong.append(f"the signature of {id} does not hold")
    return wrong


def dead_letters(stack: Stack) -> list[str]:
    """Dead-letter queues that hold something."""
    wrong = []
    for name, url in stack.outputs.items():
        if name.endswith("DeadQueue"):
            asked = stack.sqs.get_queue_attributes(
                QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"]
            )
            count = int(asked["Attributes"]["ApproximateNumberOfMessages"])
            if count:
                wrong.append(f"{count} in {name}; look at them, then: payvand redrive {name}")
    return wrong
