"""The payments table: payments, postings, and the references that make a payment unique.

    payments    pk = {book}#{day}#{shard}
                id = pay_… | x:pay_… | f:pay_…:key | c:pay_…:key | r:po_…
    references  pk = {merchant}.{mode}#{reference} | …!{idempotency key}
                   | {channel}.{mode}={receipt}

Every money movement is in exactly one merchant-day: on the payment item (executed on its own day)
or as a posting put into an open day in one transaction with the change it belongs to (seals R2–R4).
A posting's key is a prefix and what it books: x executed late, f refund, c refund undone,
r returned payout.
"""

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from payvand import calendar, ledger
from payvand.errors import Overtaken, Skewed
from payvand.fee import FeePlan
from payvand.ids import Book, PaymentId, partition
from payvand.payment import (
    REFUNDS_MAX,
    AttemptRecord,
    Execution,
    Failure,
    Payment,
    Refund,
    RefundState,
    Status,
)
from payvand.store.guards import guard
from payvand.store.table import Item, Table

if TYPE_CHECKING:
    from payvand.settlement import Line
    from payvand.store.movements import Movement

_STATUSES: Final = {
    ":created": Status.CREATED.value,
    ":redirected": Status.REDIRECTED.value,
    ":accepted": Status.ACCEPTED.value,
    ":executed": Status.EXECUTED.value,
}


@dataclass(frozen=True, slots=True)
class Seen:
    """A payment as a strong read saw it, with the database's clock (seals R5)."""

    payment: Payment
    server_ms: int


@dataclass(frozen=True, slots=True)
class Claim:
    """Who owns a merchant's reference: the first payment id claimed under it, the body's hash."""

    payment_id: PaymentId
    body_hash: str
    ours: bool


@dataclass(frozen=True, slots=True)
class Entry:
    """An item of a merchant-day: a payment (with its line, once booked) or a line alone."""

    payment: Payment | None
    line: "Line | None"


def created_at_ms(id: PaymentId) -> int:
    """When a payment was made, read off its id."""
    return int(calendar.from_ms(id.day, id.ms, id.book.currency).timestamp() * 1000)


def to_item(payment: Payment) -> Item:
    """A new payment as an item; None leaves an attribute out.

    Names are short, because an item under 1 KB costs one write unit.
    """
    return {
        "pk": payment.id.partition,
        "id": payment.id.text,
        "status": payment.status.value,
        "amount": payment.amount_minor,
        "ref": payment.reference,
        "ret": payment.return_url,
        "exp": payment.expires_at_ms,
        "fee": payment.fee_plan.to_item(),
        "rev": payment.rev,
        "att": [_attempt_to_item(a) for a in payment.attempts],
        "refunds": {},
        "refunded": 0,
        "desc": payment.description or None,
        "chan": payment.channel,
        "fb": list(payment.fallback_channels) or None,
        "loc": payment.locale,
        "meta": dict(payment.metadata) or None,
        "payer": payment.payer,
        "moved": payment.moved or None,
        "sur": payment.surcharge_minor or None,
        "fail": _failure_to_item(payment.failure),
    }


def _attempt_to_item(attempt: AttemptRecord) -> Item:
    item: Item = {"c": attempt.channel, "t": attempt.token, "at": attempt.at_ms}
    if attempt.asked_at_ms:
        item["asked"] = attempt.asked_at_ms
    return item | {"over": attempt.over} if attempt.over else item


def _attempt(item: Mapping[str, Any]) -> AttemptRecord:
    return AttemptRecord(item["c"], item["t"], item["at"], item.get("over"), item.get("asked", 0))


def _failure_to_item(failure: Failure | None) -> Item | None:
    if failure is None:
        return None
    return {"code": failure.code, "msg": failure.message, "at": failure.at_ms}


def from_item(item: Mapping[str, Any]) -> Payment:
    """A payment item as the domain sees it."""
    id = PaymentId.parse(item["id"])
    failure = item.get("fail")
    return Payment(
        id=id,
        status=Status(item["status"]),
        amount_minor=item["amount"],
        reference=item["ref"],
        return_url=item["ret"],
        expires_at_ms=item["exp"],
        fee_plan=FeePlan.from_item(item["fee"]),
        description=item.get("desc", ""),
        channel=item.get("chan"),
        fallback_channels=tuple(item.get("fb", ())),
        locale=item["loc"],
        metadata=item.get("meta", {}),
        payer=item.get("payer"),
        attempts=tuple(map(_attempt, item["att"])),
        rev=item["rev"],
        execution=_execution(item),
        failure=failure and Failure(failure["code"], failure["msg"], failure["at"]),
        accepted_at_ms=item.get("acc_at"),
        refunds={key: _refund(key, r) for key, r in item["refunds"].items()},
        refunded_minor=item["refunded"],
        moved=item.get("moved", False),
        shut=item.get("shut", False),
        surcharge_minor=item.get("sur", 0),
    )


def _execution(item: Mapping[str, Any]) -> Execution | None:
    x = item.get("exe")
    if x is None:
        return None
    return Execution(
        attempt=x["n"],
        reference=x["ref"],
        at_ms=x["at"],
        day=dt.date.fromisoformat(x["day"]),
        fee_minor=x["fee"],
        legs=item.get("legs", {}),
        card_mask=x.get("card"),
    )


def _refund(key: str, item: Mapping[str, Any]) -> Refund:
    return Refund(
        key=key,
        refund_id=item["id"],
        amount_minor=item["amount"],
        day=dt.date.fromisoformat(item["day"]),
        at_ms=item["at"],
        state=RefundState(item["state"]),
        reason=item.get("reason", ""),
        code=item.get("code"),
        reference=item.get("ref"),
        done_at_ms=item.get("done"),
        asked_at_ms=item["asked"],
    )


@dataclass(frozen=True, slots=True)
class Head:
    """A book's head: the last day that is closing, and a count that grows with covered refunds."""

    closing: dt.date | None
    rev: int


class Payments:
    """The door to payments, their postings and their references."""

    def __init__(self, payments: Table, references: Table, heads: Table) -> None:
        self._payments = payments
        self._references = references
        self._heads = heads

    # ── references ────────────────────────────────────────────────────────────────────────────

    def claim(self, id: PaymentId, reference: str, body_hash: str) -> Claim:
        """Tie a merchant's reference to a payment id, or learn whose it is (seals R9)."""
        pk = f"{id.book.merchant_id}.{id.book.mode}#{reference}"
        return self._claim(pk, id, body_hash, guard("reference.absent"))

    def claim_key(self, id: PaymentId, idempotency_key: str, body_hash: str) -> Claim:
        """The same for an Idempotency-Key header, which only callers who send one pay for."""
        pk = f"{id.book.merchant_id}.{id.book.mode}!{idempotency_key}"
        return self._claim(pk, id, body_hash, guard("idempotency.absent"))

    def _claim(self, pk: str, id: PaymentId, body_hash: str, condition: str) -> Claim:
        try:
            item = {"pk": pk, "payment": id.text, "hash": body_hash}
            self._references.write(self._references.put_request(item, condition))
        except Overtaken:
            stored = self._references.get({"pk": pk}).item
            assert stored is not None, "references are never removed"
            return Claim(PaymentId.parse(stored["payment"]), stored["hash"], ours=False)
        return Claim(id, body_hash, ours=True)

    def find(self, merchant_id: str, mode: str, reference: str) -> PaymentId | None:
        """The payment a merchant made under a reference."""
        item = self._references.get({"pk": f"{merchant_id}.{mode}#{reference}"}).item
        return None if item is None else PaymentId.parse(item["payment"])

    # ── payments ──────────────────────────────────────────────────────────────────────────────

    def create(self, payment: Payment) -> None:
        """Put a payment that is not there yet. Raises Overtaken."""
        self._payments.write(self._payments.put_request(to_item(payment), guard("payment.absent")))

    def get(self, id: PaymentId) -> Seen | None:
        """Read a payment. Raises Skewed when the answer tells no time to compare clocks with."""
        read = self._payments.get(_key(id))
        if read.item is None:
            return None
        if read.server_ms is None:
            raise Skewed("the database told no time")
        return Seen(from_item(read.item), read.server_ms)

    def add_attempt(self, payment: Payment, attempt: AttemptRecord) -> None:
        """Append an attempt to the list as it was seen (seals R12). Raises Overtaken."""
        self._update(
            payment,
            "SET #status = :redirected, #att = list_append(#att, :attempt), #rev = :next",
            guard("attempt.open", "attempt.rev"),
            {
                ":attempt": [_attempt_to_item(attempt)],
                ":seen": payment.rev,
                ":next": payment.rev + 1,
            },
        )

    def accept(self, payment: Payment, at_ms: int) -> None:
        """Note that the channel has it, money not yet certain. Raises Overtaken."""
        self._update(
            payment, "SET #status = :accepted, #acc_at = :at", guard("accept.open"), {":at": at_ms}
        )

    def fail(self, payment: Payment) -> None:
        """Write a failed payment, seen open with these attempts (seals R12). Raises Overtaken."""
        self._update(
            payment,
            "SET #status = :to, #fail = :failure",
            guard("fail.open", "fail.rev"),
            {
                ":to": payment.status.value,
                ":failure": _failure_to_item(payment.failure),
                ":seen": payment.rev,
            },
        )

    def shut(self, payment: Payment) -> None:
        """Note that every rival attempt is dead or given back: nothing more to ask (seals R12)."""
        self._update(payment, "SET #shut = :true", "", {":true": True})

    def end_attempt(self, payment: Payment, index: int, word: str) -> None:
        """Keep a channel's last word on one of several attempts; attempts are never removed."""
        self._update(payment, f"SET #att[{index}].#over = :word", "", {":word": word})

    def ask_extra(self, payment: Payment, index: int, server_ms: int) -> None:
        """Take the next turn at giving an attempt's taking back. Raises Overtaken."""
        self._update(
            payment,
            f"SET #att[{index}].#asked = :now",
            guard("extra.turn", parts=(index,)),
            {":now": server_ms, ":seen": payment.attempts[index].asked_at_ms},
        )

    def confirm(self, payment: Payment, execution: Execution, *, unique: bool) -> None:
        """Book the money on the payment itself, in its own day (seals R2): one conditional write.

        With `unique`, the channel's receipt is claimed in the same transaction. Raises Overtaken.
        """
        request = self._executing(
            payment,
            execution,
            "SET #status = :executed, #exe = :exe, #legs = :legs",
            guard("confirm.open", "confirm.not_moved", "confirm.rev"),
        )
        if unique:
            self._payments.transact([request, self._taking(payment, execution)])
        else:
            self._payments.write(request)

    def confirm_late(self, payment: Payment, execution: Execution, *, unique: bool) -> None:
        """Book the money as a posting of a later, still open day (seals R3). Raises Overtaken.

        `failed[2]` of the Overtaken says that the day was closing.
        """
        change = self._executing(
            payment,
            execution,
            "SET #status = :executed, #exe = :exe",
            guard("late.open", "late.rev"),
        )
        posting = self._posting(
            payment.id, f"x:{payment.id}", execution.day, execution.at_ms, execution.legs
        )
        requests = [change, posting, self._day_open(payment.id.book, execution.day)]
        if unique:
            requests.append(self._taking(payment, execution))
        self._payments.transact(requests)

    def _executing(
        self, payment: Payment, execution: Execution, update: str, condition: str
    ) -> Item:
        exe = {
            "n": execution.attempt,
            "ref": execution.reference,
            "at": execution.at_ms,
            "day": execution.day.isoformat(),
            "fee": execution.fee_minor,
        }
        if execution.card_mask:
            exe["card"] = execution.card_mask
        values = {**_STATUSES, ":exe": exe, ":legs": execution.legs, ":seen": payment.rev}
        return self._payments.update_request(_key(payment.id), update, condition, values)

    def _taking(self, payment: Payment, execution: Execution) -> Item:
        channel = payment.attempts[execution.attempt].channel
        pk = f"{channel}.{payment.id.book.mode}={execution.reference}"
        return self._references.put_request(
            {"pk": pk, "payment": payment.id.text},
            guard("taking.once"),
            {":payment": payment.id.text},
        )

    def _posting(
        self, id: PaymentId, key: str, day: dt.date, at_ms: int, legs: ledger.Legs
    ) -> Item:
        item = {"pk": partition(id.book, day, id.shard), "id": key, "at": at_ms, "legs": legs}
        return self._payments.put_request(item, guard("posting.absent"))

    def _day_open(self, book: Book, day: dt.date) -> Item:
        return self._heads.check_request(
            {"pk": book.key, "sk": "head"}, guard("posting.day_open"), {":day": day.isoformat()}
        )

    # ── refunds ───────────────────────────────────────────────────────────────────────────────

    def begin_refund(
        self, payment: Payment, refund: Refund, legs: ledger.Legs, cover: "Head | None" = None
    ) -> None:
        """Book a refund before the channel is asked (seals R3, R4). Raises Overtaken.

        `cover`: the head as it was when the balance was added up that must cover the refund.
        """
        change = self._payments.update_request(
            _key(payment.id),
            "SET #refunds.#key = :refund, #refunded = #refunded + :amount",
            guard("refund.executed", "refund.once", "refund.bound", "refund.count"),
            {
                **_STATUSES,
                ":refund": _refund_to_item(refund),
                ":amount": refund.amount_minor,
                ":room": payment.amount_minor - refund.amount_minor,
                ":most": REFUNDS_MAX,
            },
            {"#key": refund.key},
        )
        posting = self._posting(
            payment.id, f"f:{payment.id}:{refund.key}", refund.day, refund.at_ms, legs
        )
        book, day = payment.id.book, refund.day
        head = self._day_open(book, day) if cover is None else self._spend(book, day, cover)
        self._payments.transact([change, posting, head])

    def head(self, book: Book) -> "Head":
        """How far a book is closed, and how often its balance was drawn on (strong read)."""
        item = self._heads.get({"pk": book.key, "sk": "head"}).item or {}
        closing = item.get("closing")
        return Head(dt.date.fromisoformat(closing) if closing else None, item.get("rev", 0))

    def _spend(self, book: Book, day: dt.date, seen: "Head") -> Item:
        """The day is open, and nothing has left the balance since the head was seen."""
        closing = seen.closing.isoformat() if seen.closing else ""
        return self._heads.update_request(
            {"pk": book.key, "sk": "head"},
            "SET #rev = :next",
            guard("posting.day_open", "refund.cover", "refund.sealed"),
            {
                ":day": day.isoformat(),
                ":rev": seen.rev,
                ":closing": closing,
                ":next": seen.rev + 1,
            },
        )

    def ask_refund(self, payment: Payment, refund: Refund, server_ms: int) -> None:
        """Take the next turn at asking the channel, at this time of the database's clock.

        Raises Overtaken when another took it, or the refund is decided.
        """
        self._update(
            payment,
            "SET #refunds.#key.#asked = :now",
            guard("refund_ask.turn", "refund_ask.pending"),
            {
                ":now": server_ms,
                ":seen": refund.asked_at_ms,
                ":pending": RefundState.PENDING.value,
            },
            {"#key": refund.key},
        )

    def refund_done(self, payment: Payment, refund: Refund) -> None:
        """The channel gave it back. Raises Overtaken when it was decided already."""
        self._update(
            payment,
            "SET #refunds.#key = :refund",
            guard("refund_done.pending"),
            {":refund": _refund_to_item(refund), ":pending": RefundState.PENDING.value},
            {"#key": refund.key},
        )

    def undo_refund(
        self, payment: Payment, refund: Refund, day: dt.date, at_ms: int, legs: ledger.Legs
    ) -> None:
        """The channel refused: book it back in an open day (seals R8). Raises Overtaken."""
        change = self._payments.update_request(
            _key(payment.id),
            "SET #refunds.#key = :refund, #refunded = #refunded - :amount",
            guard("refund_undo.pending"),
            {
                ":refund": _refund_to_item(refund),
                ":amount": refund.amount_minor,
                ":pending": RefundState.PENDING.value,
            },
            {"#key": refund.key},
        )
        posting = self._posting(payment.id, f"c:{payment.id}:{refund.key}", day, at_ms, legs)
        self._payments.transact([change, posting, self._day_open(payment.id.book, day)])

    # ── a merchant's days ─────────────────────────────────────────────────────────────────────

    def closing(self, book: Book) -> dt.date | None:
        """The last day of a book that is closing or closed (strong read)."""
        item = self._heads.get({"pk": book.key, "sk": "head"}).item
        return dt.date.fromisoformat(item["closing"]) if item and "closing" in item else None

    def peek(self, book: Book, day: dt.date, shard: int) -> bool:
        """Whether a day holds anything."""
        return any(self._items(book, day, shard, limit=1))

    def entries(self, book: Book, day: dt.date, shard: int) -> Iterator[Entry]:
        """Everything in one shard of one merchant-day, in key order."""
        return map(_entry, self._items(book, day, shard))

    def movements(
        self, book: Book, day: dt.date, shard: int, after: str = ""
    ) -> "Iterator[Movement]":
        """The same for settlement, which reads a million: little of each (store/movements.py).

        Only what follows the item `after`, in key order.
        """
        from payvand.store import movements  # no other function reads so

        pk = partition(book, day, shard)
        rows = self._payments.query_rows(
            movements.Row,
            movements.FIELDS,
            "#pk = :pk",
            {":pk": pk},
            start={"pk": pk, "id": after} if after else None,
        )
        return (movements.movement(row, day) for row in rows)

    def payments(
        self, book: Book, day: dt.date, shard: int, *, before: str | None, limit: int
    ) -> Iterator[Payment]:
        """Payments of one shard of a day, newest first, older than the id `before`."""
        bound = before or "pay_~"
        found = self._payments.query(
            "#pk = :pk AND #id BETWEEN :first AND :last",
            {":pk": partition(book, day, shard), ":first": "pay_", ":last": bound},
            limit=limit + 1,
            forward=False,
        )
        return (from_item(item) for item in found if item["id"] != before)

    def move(self, id: PaymentId) -> None:
        """Forbid a payment to be booked in its own day any more (seals R2). Raises Overtaken."""
        update = "SET #moved = :true"
        values = {**_STATUSES, ":true": True}
        self._payments.write(
            self._payments.update_request(_key(id), update, guard("move.open"), values)
        )

    def entry(self, id: PaymentId) -> Entry:
        """A payment and its line, read again (strong); it is there, it was just met."""
        item = self._payments.get(_key(id)).item
        assert item is not None, f"{id} is gone"
        return _entry(item)

    def posting(self, id: PaymentId, name: str, day: dt.date) -> "Line | None":
        """The line a posting of a payment, by its own name, put into a day."""
        item = self._payments.get({"pk": partition(id.book, day, id.shard), "id": name}).item
        return None if item is None else _line(item)

    def _items(
        self, book: Book, day: dt.date, shard: int, limit: int | None = None
    ) -> Iterator[Item]:
        return self._payments.query("#pk = :pk", {":pk": partition(book, day, shard)}, limit=limit)

    def _update(
        self,
        payment: Payment,
        update: str,
        condition: str,
        values: Mapping[str, Any],
        names: Mapping[str, str] | None = None,
    ) -> None:
        request = self._payments.update_request(
            _key(payment.id), update, condition, {**_STATUSES, **values}, names
        )
        self._payments.write(request)

    def posting_requests(
        self, book: Book, id: str, day: dt.date, at_ms: int, legs: ledger.Legs
    ) -> list[Item]:
        """A posting that belongs to no payment, and its open day, for another's transaction."""
        item = {"pk": partition(book, day, 0), "id": id, "at": at_ms, "legs": legs}
        return [
            self._payments.put_request(item, guard("posting.absent")),
            self._day_open(book, day),
        ]


def _key(id: PaymentId) -> Item:
    return {"pk": id.partition, "id": id.text}


def _refund_to_item(refund: Refund) -> Item:
    item: Item = {
        "id": refund.refund_id,
        "amount": refund.amount_minor,
        "day": refund.day.isoformat(),
        "at": refund.at_ms,
        "state": refund.state.value,
        "reason": refund.reason or None,
        "code": refund.code,
        "ref": refund.reference,
        "done": refund.done_at_ms,
        "asked": refund.asked_at_ms,
    }
    return {name: value for name, value in item.items() if value is not None}


def _entry(item: Mapping[str, Any]) -> Entry:
    payment = from_item(item) if item["id"].startswith("pay_") else None
    return Entry(payment, _line(item) if "legs" in item else None)


def _line(item: Mapping[str, Any]) -> "Line":
    from payvand.settlement import Line  # a payment's own functions know no seals

    at_ms = item["exe"]["at"] if "exe" in item else item["at"]
    day = dt.date.fromisoformat(item["pk"].split("#")[1])
    return Line(item["id"], day, at_ms, dict(item["legs"]))
