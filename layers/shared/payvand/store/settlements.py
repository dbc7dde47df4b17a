"""The settlement table: one head and a chain of seals per book, and the lines objects in S3.

settlement  pk = {book}   sk = head            closing: the last day fenced (seals R1)
                          sk = seal#{n:08d}    one link (seals R6)
files       lines/{book}/{n}/{sha256}          written before the seal that names it (seals R7)
            bank/out/{payout}.json             what the bank is asked to pay
            bank/in/{payout}.json              what the bank answered
"""

import datetime as dt
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from payvand import ledger
from payvand.errors import Overtaken, refusals
from payvand.ids import Book
from payvand.settlement import Lines, PayoutState, Seal
from payvand.store.guards import guard
from payvand.store.payments import Payments
from payvand.store.table import Item, Table

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def _to_item(seal: Seal) -> Item:
    return {
        "pk": seal.book.key,
        "sk": _sort(seal.n),
        "n": seal.n,
        "first": seal.first.isoformat(),
        "through": seal.through.isoformat(),
        "at": seal.at_ms,
        "count": seal.count,
        "sums": seal.sums,
        "opening": seal.opening_minor,
        "payout": seal.payout_minor,
        "closing_balance": seal.closing_minor,
        "lines": seal.lines_key,
        "lines_digest": seal.lines_digest,
        "previous": seal.previous,
        "digest": seal.digest,
        "iban": seal.iban,
        "iban_last4": seal.iban_last4,
        "payee": seal.payee,
        "payout_state": seal.state and seal.state.value,
    }


def from_item(item: Mapping[str, Any]) -> Seal:
    """A seal item as the domain sees it."""
    state = item.get("payout_state")
    return Seal(
        book=Book.parse(item["pk"]),
        n=item["n"],
        first=dt.date.fromisoformat(item["first"]),
        through=dt.date.fromisoformat(item["through"]),
        at_ms=item["at"],
        count=item["count"],
        sums=item["sums"],
        opening_minor=item["opening"],
        payout_minor=item["payout"],
        closing_minor=item["closing_balance"],
        lines_key=item["lines"],
        lines_digest=item["lines_digest"],
        previous=item["previous"],
        iban=item.get("iban"),
        iban_last4=item.get("iban_last4"),
        payee=item.get("payee"),
        state=None if state is None else PayoutState(state),
        state_at_ms=item.get("state_at"),
        paid_at_ms=item.get("paid_at"),
        bank_code=item.get("bank_code"),
        bank_reason=item.get("bank_reason"),
        bank_reference=item.get("bank_ref"),
    )


def _sort(n: int) -> str:
    return f"seal#{n:08d}"


class Settlements:
    """The door to heads, seals, lines and bank files."""

    def __init__(self, table: Table, payments: Payments, s3: "S3Client", bucket: str) -> None:
        self._table = table
        self._payments = payments
        self._s3 = s3
        self._bucket = bucket

    def database_ms(self, book: Book) -> int | None:
        """The database's clock, as a strong read of the head saw it (seals R5)."""
        return self._table.get({"pk": book.key, "sk": "head"}).server_ms

    def fence(self, book: Book, day: dt.date) -> None:
        """Nothing can be posted up to `day` any more (seals R1). A greater fence stands."""
        request = self._table.update_request(
            {"pk": book.key, "sk": "head"},
            "SET #closing = :day",
            guard("fence.forward"),
            {":day": day.isoformat()},
        )
        with suppress(Overtaken):
            self._table.write(request)

    def seals(self, book: Book, *, before: int | None = None, limit: int) -> Iterator[Seal]:
        """The chain, newest first, older than position `before`."""
        last = _sort(99_999_999) if before is None else _sort(before - 1)
        found = self._table.query(
            "#pk = :pk AND #sk BETWEEN :first AND :last",
            {":pk": book.key, ":first": _sort(0), ":last": last},
            limit=limit,
            forward=False,
        )
        return map(from_item, found)

    def last(self, book: Book) -> Seal | None:
        """The newest seal (strong read)."""
        return next(self.seals(book, limit=1), None)

    def get(self, book: Book, n: int) -> Seal | None:
        """One seal."""
        item = self._table.get({"pk": book.key, "sk": _sort(n)}).item
        return None if item is None else from_item(item)

    def put(self, seal: Seal) -> None:
        """Add a link at the end of the chain. Raises Overtaken when another run was first."""
        self._table.write(self._table.put_request(_to_item(seal), guard("seal.absent")))

    # ── lines ─────────────────────────────────────────────────────────────────────────────────

    def put_lines(self, key: str, lines: Lines) -> None:
        """Write a lines object. Its name is its content, so writing it again changes nothing."""
        self._s3.put_object(
            Bucket=self._bucket, Key=key, Body=lines.to_bytes(), ContentType="application/jsonl"
        )

    def lines(self, seal: Seal) -> Lines:
        """The lines a seal names."""
        body = self._s3.get_object(Bucket=self._bucket, Key=seal.lines_key)["Body"].read()
        return Lines.from_bytes(body)

    # ── payouts ───────────────────────────────────────────────────────────────────────────────

    def put_order(self, name: str, content: bytes) -> None:
        """Leave an order where the bank fetches it. The same order has the same name and bytes."""
        self._s3.put_object(
            Bucket=self._bucket,
            Key=f"bank/out/{name}.json",
            Body=content,
            ContentType="application/json",
        )

    def answer(self, name: str) -> bytes | None:
        """What the bank left for us, if it has."""
        try:
            body = self._s3.get_object(Bucket=self._bucket, Key=f"bank/in/{name}.json")["Body"]
        except refusals() as exc:
            if exc.response["Error"]["Code"] == "NoSuchKey":
                return None
            raise
        return body.read()

    def sent(self, seal: Seal) -> None:
        """New → sent. Raises Overtaken."""
        self._set_state(seal, guard("payout.new"))

    def paid(self, seal: Seal) -> None:
        """Sent → executed. Raises Overtaken."""
        self._set_state(seal, guard("payout.sent"))

    def returned(self, seal: Seal, day: dt.date, legs: ledger.Legs) -> None:
        """Money came back: state and posting in one transaction (R3, R4). Raises Overtaken."""
        assert seal.state_at_ms is not None
        posting = self._payments.return_requests(seal.payout_id, day, seal.state_at_ms, legs)
        self._table.transact([self._state_request(seal, guard("payout.not_returned")), *posting])

    def _set_state(self, seal: Seal, condition: str) -> None:
        self._table.write(self._state_request(seal, condition))

    def _state_request(self, seal: Seal, condition: str) -> Item:
        assert seal.state is not None
        changes = {
            "payout_state": seal.state.value,
            "state_at": seal.state_at_ms,
            "paid_at": seal.paid_at_ms,
            "bank_code": seal.bank_code,
            "bank_reason": seal.bank_reason,
            "bank_ref": seal.bank_reference,
        }
        kept = {name: value for name, value in changes.items() if value is not None}
        update = "SET " + ", ".join(f"#{name} = :{name}" for name in kept)
        states = {f":{state.value}": state.value for state in PayoutState}
        values = {**states, **{f":{name}": value for name, value in kept.items()}}
        return self._table.update_request(
            {"pk": seal.book.key, "sk": _sort(seal.n)}, update, condition, values
        )
