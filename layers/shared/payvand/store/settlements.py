"""The settlement table: one head and a chain of seals per book, and the lines objects in S3.

settlement  pk = {book}   sk = head            closing: the last day fenced (seals R1)
                          sk = seal#{n:08d}    one link (seals R6)
                          sk = sheet#{day}#{shard:03d}#{number:06d}  lines of a big day, as read
            pk = calendar.{currency}  sk = {date}  open or closed, whatever the calendar says
            pk = plan.{mode}          sk = plan    the last day of each currency that was planned
files       lines/{book}/{n}/{sha256}          written before the seal that names it (seals R7)
            lines/{book}/sheets/{sha256}       written before the index that names it
            bank/out/{payout}.json             what the bank is asked to pay
            bank/in/{payout}.json              what the bank answered
"""

import datetime as dt
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from payvand import ledger
from payvand.errors import Forged, Overtaken, refusals
from payvand.ids import Book, Mode
from payvand.money import CURRENCIES
from payvand.settlement import (
    Index,
    Line,
    Lines,
    Part,
    PayoutState,
    Seal,
    Sheet,
    Withheld,
    digest_of,
    sheet_key,
    whole,
)
from payvand.store.guards import guard
from payvand.store.payments import Payments
from payvand.store.table import Item, Table

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

KEPT_S: Final = 60
"""How old a declared closing may be that is not yet known here."""


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
        "withheld": [[w.until.isoformat(), w.minor] for w in seal.withheld] or None,
        "held": seal.held_minor or None,
        "wage": seal.wage_minor or None,
        "fees": seal.fees_minor or None,
        "parts": [_part_to_item(part) for part in seal.parts] or None,
        "shared": {} if ledger.referrers(seal.sums) else None,
    }


def _part_to_item(part: Part) -> Item:
    item: Item = {
        "iban": part.iban,
        "last4": part.iban_last4,
        "name": part.name,
        "amount": part.amount_minor,
    }
    return item | _said(part)


def _said(part: Part) -> Item:
    """What the bank said of a part: all of it that may change."""
    said = {
        "state": part.state.value,
        "at": part.state_at_ms,
        "paid_at": part.paid_at_ms,
        "code": part.bank_code,
        "reason": part.bank_reason,
        "ref": part.bank_reference,
    }
    return {name: value for name, value in said.items() if value is not None}


def _part(item: Mapping[str, Any]) -> Part:
    return Part(
        iban=item["iban"],
        iban_last4=item["last4"],
        name=item["name"],
        amount_minor=item["amount"],
        state=PayoutState(item["state"]),
        state_at_ms=item.get("at"),
        paid_at_ms=item.get("paid_at"),
        bank_code=item.get("code"),
        bank_reason=item.get("reason"),
        bank_reference=item.get("ref"),
    )


def from_item(item: Mapping[str, Any]) -> Seal:
    """A seal item as the domain sees it."""
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
        withheld=tuple(
            Withheld(dt.date.fromisoformat(until), minor)
            for until, minor in item.get("withheld", ())
        ),
        held_minor=item.get("held", 0),
        wage_minor=item.get("wage", 0),
        fees_minor=item.get("fees", 0),
        parts=tuple(map(_part, item.get("parts", ()))),
        file=item.get("file"),
        shared=frozenset(item.get("shared", ())),
    )


def _sort(n: int) -> str:
    return f"seal#{n:08d}"


@dataclass(frozen=True, slots=True)
class Declared:
    """An operator's word about a date, and the reason."""

    is_open: bool
    why: str


type Place = tuple[dt.date, int]
"""A shard of a day."""


def _sheet_sort(place: Place) -> str:
    day, shard = place
    return f"sheet#{day.isoformat()}#{shard:03d}#"


def _sheet_to_item(book: Book, sheet: Sheet) -> Item:
    return {
        "pk": book.key,
        "sk": f"{_sheet_sort((sheet.day, sheet.shard))}{sheet.number:06d}",
        "day": sheet.day.isoformat(),
        "shard": sheet.shard,
        "number": sheet.number,
        "after": sheet.after,
        "last": sheet.last,
        "end": sheet.end,
        "digest": sheet.digest,
        "count": sheet.count,
        "open": sheet.open_count,
        "sums": sheet.sums,
    }


def _sheet(item: Mapping[str, Any]) -> Sheet:
    return Sheet(
        day=dt.date.fromisoformat(item["day"]),
        shard=item["shard"],
        number=item["number"],
        after=item["after"],
        last=item["last"],
        end=item["end"],
        digest=item["digest"],
        count=item["count"],
        open_count=item["open"],
        sums=item["sums"],
    )


class Volume:
    """The lines of a big range: read sheet by sheet, as far as the reader goes."""

    def __init__(self, index: Index, read: Callable[[str], Lines]) -> None:
        self.index = index
        self._read = read

    @property
    def count(self) -> int:
        """How many lines there are."""
        return self.index.count

    @property
    def lines(self) -> Iterator[Line]:
        """Every line: by day, shard and id."""
        for sheet in self.index.sheets:
            if sheet.count:
                yield from self._read(sheet.digest).lines

    @property
    def open_ids(self) -> tuple[str, ...]:
        """The payments still open; only the sheets that have any are read."""
        sheets = [sheet for sheet in self.index.sheets if sheet.open_count]
        found = (id for sheet in sheets for id in self._read(sheet.digest).open_ids)
        return tuple(dict.fromkeys(found))


class Settlements:
    """The door to heads, seals, lines and bank files."""

    def __init__(
        self,
        table: Table,
        payments: Payments,
        s3: "S3Client",
        bucket: str,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._table = table
        self._payments = payments
        self._s3 = s3
        self._bucket = bucket
        self._monotonic = monotonic
        self._overrides: dict[str, tuple[float, dict[dt.date, bool]]] = {}

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

    def after(self, book: Book, n: int, *, limit: int) -> Iterator[Seal]:
        """The chain, oldest first, from the position after `n` on."""
        found = self._table.query(
            "#pk = :pk AND #sk BETWEEN :first AND :last",
            {":pk": book.key, ":first": _sort(n + 1), ":last": _sort(99_999_999)},
            limit=limit,
        )
        return map(from_item, found)

    def covering(self, last: Seal, day: dt.date) -> Seal | None:
        """The seal that closes a day, in the chain that ends in `last`; None when none does.

        A seal closes a day or more, so days bound how far away it is, and each read halves that.
        """
        seal: Seal | None = last
        low, high = 1, last.n
        while seal is not None and not seal.first <= day <= seal.through:
            if day > seal.through:
                low, high = seal.n + 1, min(high, seal.n + (day - seal.through).days)
            else:
                low, high = max(low, seal.n - (seal.first - day).days), seal.n - 1
            seal = self.get(last.book, (low + high) // 2) if low <= high else None
        return seal

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

    # ── the calendar ──────────────────────────────────────────────────────────────────────────

    def overrides(self, currency: str) -> dict[dt.date, bool]:
        """Dates an operator has declared open or closed, at most a minute old."""
        kept = self._overrides.get(currency)
        if kept is None or self._monotonic() - kept[0] >= KEPT_S:
            found = {day: said.is_open for day, said in self.declared(currency).items()}
            kept = self._overrides[currency] = (self._monotonic(), found)
        return kept[1]

    def declared(self, currency: str) -> dict[dt.date, Declared]:
        """The same as it stands now, with the reasons, in the order of the dates."""
        items = self._table.query("#pk = :pk", {":pk": f"calendar.{currency}"})
        return {dt.date.fromisoformat(x["sk"]): Declared(x["open"], x["why"]) for x in items}

    def override(self, currency: str, day: dt.date, *, is_open: bool, why: str) -> None:
        """Declare a date open or closed for payouts of a currency."""
        item = {"pk": f"calendar.{currency}", "sk": day.isoformat(), "open": is_open, "why": why}
        self._table.write(self._table.put_request(item))
        self._overrides.pop(currency, None)

    def forget(self, currency: str, day: dt.date) -> None:
        """Leave a date to the calendar again; no harm where nothing was declared."""
        self._table.delete({"pk": f"calendar.{currency}", "sk": day.isoformat()})
        self._overrides.pop(currency, None)

    def planned(self, mode: Mode) -> dict[str, dt.date]:
        """The last settlement day of each currency that was planned for the books of a mode."""
        item = self._table.get({"pk": f"plan.{mode}", "sk": "plan"}).item or {}
        return {name: dt.date.fromisoformat(item[name]) for name in CURRENCIES if name in item}

    def mark_planned(self, mode: Mode, currency: str, day: dt.date) -> None:
        """Every book of a mode and currency was sent to be sealed up to a day."""
        key = {"pk": f"plan.{mode}", "sk": "plan"}
        values, names = {":day": day.isoformat()}, {"#currency": currency}
        self._table.write(
            self._table.update_request(key, "SET #currency = :day", "", values, names)
        )

    # ── lines ─────────────────────────────────────────────────────────────────────────────────

    def put_lines(self, key: str, lines: Lines | Index) -> None:
        """Write a lines object. Its name is its content, so writing it again changes nothing."""
        self._s3.put_object(
            Bucket=self._bucket, Key=key, Body=lines.to_bytes(), ContentType="application/jsonl"
        )

    def put_sheet(self, book: Book, sheet: Sheet, lines: Lines) -> None:
        """Write a sheet, then note it. Whoever reads a place after the fence finds the same."""
        self.put_lines(sheet_key(book, sheet.digest), lines)
        self._table.write(self._table.put_request(_sheet_to_item(book, sheet)))

    def sheets(self, book: Book, first: dt.date, through: dt.date) -> dict[Place, list[Sheet]]:
        """The sheets noted of some days, by place, as far as each follows the one before."""
        return self._sheets(book, f"sheet#{first.isoformat()}", f"sheet#{through.isoformat()}#~")

    def sheets_of(self, book: Book, place: Place) -> list[Sheet]:
        """The same of one place."""
        prefix = _sheet_sort(place)
        return self._sheets(book, prefix, prefix + "~").get(place, [])

    def _sheets(self, book: Book, first: str, last: str) -> dict[Place, list[Sheet]]:
        found: dict[Place, list[Sheet]] = {}
        items = self._table.query(
            "#pk = :pk AND #sk BETWEEN :first AND :last",
            {":pk": book.key, ":first": first, ":last": last},
        )
        for sheet in map(_sheet, items):
            found.setdefault((sheet.day, sheet.shard), []).append(sheet)
        return {place: whole(sheets) for place, sheets in found.items()}

    def lines(self, seal: Seal) -> "Lines | Volume":
        """The lines a seal names. Raises Forged when they are not those it vouches for."""
        content = self._object(seal.lines_key, seal.lines_digest)
        index = Index.from_bytes(content)
        if index is None:
            return Lines.from_bytes(content)
        return Volume(index, lambda digest: self._sheet_lines(seal.book, digest))

    def _sheet_lines(self, book: Book, digest: str) -> Lines:
        return Lines.from_bytes(self._object(sheet_key(book, digest), digest))

    def _object(self, key: str, digest: str) -> bytes:
        content = self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read()
        if digest_of(content) != digest:
            raise Forged(f"{key} is not what was sealed")
        return content

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
        """All parts new → sent. Raises Overtaken."""
        self._table.write(self._said(seal, range(len(seal.parts)), "payout.new"))

    def claim(self, seal: Seal, file: str) -> None:
        """All parts new → sent, in this file and no other. Raises Overtaken."""
        parts, known = range(len(seal.parts)), {":file": file}
        request = self._said(seal, parts, "payout.new", also="#file = :file, ", more=known)
        self._table.write(request)

    def release(self, seal: Seal, file: str) -> None:
        """All parts sent → new: the file was written without them. Raises Overtaken."""
        parts, known = range(len(seal.parts)), {":file": file}
        conditions = ("payout.sent", "payout.of_file")
        request = self._said(seal, parts, *conditions, before="REMOVE #file ", more=known)
        self._table.write(request)

    def paid(self, seal: Seal, parts: Sequence[int]) -> None:
        """Some parts sent → executed. Raises Overtaken."""
        self._table.write(self._said(seal, parts, "payout.sent"))

    def returned(self, seal: Seal, parts: Sequence[int], day: dt.date, legs: ledger.Legs) -> None:
        """Parts came back: state and posting in one transaction (R3, R4). Raises Overtaken.

        Parts that come back together are one posting, named by the payout if they are all of it.
        """
        self._back(seal, parts, day, legs, "payout.not_returned")

    def withdrawn(self, seal: Seal, day: dt.date, legs: ledger.Legs) -> None:
        """A payout nobody was told of is taken back: new → returned. Raises Overtaken."""
        self._back(seal, range(len(seal.parts)), day, legs, "payout.new")

    def _back(
        self, seal: Seal, parts: Sequence[int], day: dt.date, legs: ledger.Legs, condition: str
    ) -> None:
        whole = len(parts) == len(seal.parts)
        name = str(seal.payout_id) if whole else seal.transfer(parts[0])
        at_ms = seal.parts[parts[0]].state_at_ms
        assert at_ms is not None and (whole or len(parts) == 1)
        posting = self._payments.posting_requests(seal.book, f"r:{name}", day, at_ms, legs)
        self._table.transact([self._said(seal, parts, condition), *posting])

    def _said(
        self,
        seal: Seal,
        parts: Sequence[int],
        *conditions: str,
        before: str = "",
        also: str = "",
        more: Mapping[str, Any] | None = None,
    ) -> Item:
        """What the bank said of some parts, written when the conditions hold of each."""
        changes = {f"#parts[{n}]": (f":part{n}", seal.parts[n]) for n in parts}
        values = {value: _part_to_item(part) for value, part in changes.values()}
        return self._table.update_request(
            {"pk": seal.book.key, "sk": _sort(seal.n)},
            f"{before}SET {also}"
            + ", ".join(f"{where} = {value}" for where, (value, _) in changes.items()),
            guard(*conditions, parts=parts),
            {**_STATES, **values, **(more or {})},
        )

    # ── referrals ─────────────────────────────────────────────────────────────────────────────

    def share(
        self, seal: Seal, referrer: Book, day: dt.date, at_ms: int, legs: ledger.Legs
    ) -> None:
        """A referrer's share of a seal's fees, booked once in its own book (R3, R4).

        Raises Overtaken; `failed[0]` says that it was booked before, `failed[-1]` that the day is
        closing.
        """
        change = self._table.update_request(
            {"pk": seal.book.key, "sk": _sort(seal.n)},
            "SET #shared.#merchant = :at",
            guard("share.once"),
            {":at": at_ms},
            {"#merchant": referrer.merchant_id},
        )
        posting = self._payments.posting_requests(referrer, f"e:{seal.payout_id}", day, at_ms, legs)
        self._table.transact([change, *posting])


_STATES: Final = {f":{state.value}": state.value for state in PayoutState}
