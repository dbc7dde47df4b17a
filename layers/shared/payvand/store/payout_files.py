"""Payout files: which payouts wait for one, which file each went into, and the files' bytes.

operations  pk = due.{lane}   sk = {payout}               a payout that waits for a file
            pk = file.{lane}  sk = {date}.{cycle:02}      one file: open → written → sent → closed
            pk = read.{lane}  sk = {key}                  a file that was left for us and is read
files       bank/files/{lane}/{file}/{sha256}             its bytes and members, before it counts

A lane is the payouts of one mode and currency that leave by one door. A payout is claimed for a
file on its own seal, on the condition that it is new, so it goes into one file at most; a file's
members are fixed by the one write that names its bytes. Who claimed a payout for a file written
without it lets it go.
"""

import datetime as dt
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from payvand.calendar import DOORS, Door, profile
from payvand.errors import Overtaken
from payvand.ids import MODES, Mode, PayoutId
from payvand.settlement import Seal
from payvand.store.guards import guard
from payvand.store.table import Item, Table

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

OPEN_TRIES: Final = 5
OPEN_SEEN: Final = 4
"""How many files back an open one is looked for."""


@dataclass(frozen=True, slots=True)
class Lane:
    """The payouts that go into one file."""

    mode: Mode
    currency: str
    door: Door

    @property
    def key(self) -> str:
        """How tables and messages name it."""
        return f"{self.mode}.{self.currency}.{self.door}"

    @classmethod
    def of(cls, seal: Seal) -> "Lane":
        """The lane of a seal's payout, fixed by the day it was sealed through."""
        book = seal.book
        return cls(book.mode, book.currency, profile(seal.through, book.currency).door)

    @classmethod
    def parse(cls, key: str) -> "Lane":
        """The inverse of `key`. Raises ValueError."""
        name, currency, way = key.split(".")
        (mode,) = (mode for mode in MODES if mode == name)
        (door,) = (door for door in DOORS if door == way)
        return cls(mode, currency, door)


class FileState(StrEnum):
    """The life of a payout file; closed: its answer was read, or a person was told of its lack."""

    OPEN = "open"
    WRITTEN = "written"
    SENT = "sent"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class PayoutFile:
    """One file. `name` is what the door calls it, `message` what its answers call it."""

    lane: Lane
    key: str
    date: dt.date
    cycle: int
    at_ms: int
    state: FileState = FileState.OPEN
    name: str = ""
    message: str = ""
    digest: str = ""
    count: int = 0
    amount_minor: int = 0

    @property
    def object_key(self) -> str:
        """Where its bytes and members are."""
        return f"bank/files/{self.lane.key}/{self.key}/{self.digest}"


class PayoutFiles:
    """The door to waiting payouts and payout files."""

    def __init__(self, table: Table, s3: "S3Client", bucket: str) -> None:
        self._table = table
        self._s3 = s3
        self._bucket = bucket

    # ── waiting ───────────────────────────────────────────────────────────────────────────────

    def wait(self, id: PayoutId, lane: Lane, at_ms: int) -> None:
        """A payout waits for the next file; said again, it is the same wait."""
        item = {"pk": f"due.{lane.key}", "sk": str(id), "at": at_ms}
        with suppress(Overtaken):
            self._table.write(self._table.put_request(item, guard("due.absent")))

    def waiting(self, lane: Lane, limit: int) -> Iterator[tuple[PayoutId, int]]:
        """Payouts that wait, and since when (strong read)."""
        for item in self._table.query("#pk = :pk", {":pk": f"due.{lane.key}"}, limit=limit):
            yield PayoutId.parse(item["sk"]), item["at"]

    def waits_no_more(self, ids: Iterable[PayoutId], lane: Lane) -> None:
        """They are in a file that is written."""
        for id in ids:
            self._table.delete({"pk": f"due.{lane.key}", "sk": str(id)})

    # ── files ─────────────────────────────────────────────────────────────────────────────────

    def newest(self, lane: Lane, limit: int = 1) -> list[PayoutFile]:
        """A lane's last files, newest first (strong read)."""
        found = self._table.query(
            "#pk = :pk", {":pk": f"file.{lane.key}"}, limit=limit, forward=False
        )
        return [_from_item(item) for item in found]

    def get(self, lane: Lane, key: str) -> PayoutFile | None:
        """One file."""
        item = self._table.get({"pk": f"file.{lane.key}", "sk": key}).item
        return None if item is None else _from_item(item)

    def open(self, lane: Lane, date: dt.date, at_ms: int) -> PayoutFile:
        """The lane's open file, or a new one: no second is opened before the first is written.

        One that stayed open gets the later date and a cycle of that day; no name is given twice.
        Of two that are open (a late hand opened one for yesterday) the older is first.
        """
        for _ in range(OPEN_TRIES):
            recent = self.newest(lane, OPEN_SEEN)
            still_open = next((f for f in recent[::-1] if f.state is FileState.OPEN), None)
            others = [file for file in recent if file != still_open]
            day = max([date, *(file.date for file in others)])
            cycle = 1 + max((file.cycle for file in others if file.date == day), default=0)
            if still_open is not None:
                moved = replace(still_open, date=day, cycle=cycle)
                return still_open if still_open.date >= day else moved
            made = PayoutFile(lane, f"{day.isoformat()}.{cycle:02}", day, cycle, at_ms)
            try:
                self._table.write(self._table.put_request(_to_item(made), guard("file.absent")))
            except Overtaken:
                continue  # another run opened it
            return made
        raise Overtaken(f"no file of {lane.key} could be opened")

    def write(self, file: PayoutFile, content: bytes, members: Sequence[PayoutId]) -> PayoutFile:
        """Fix an open file's name, bytes and members; the file as it stands, whoever wrote it."""
        told = {"members": list(map(str, members)), "content": content.hex()}
        body = json.dumps(told).encode()
        digest = hashlib.sha256(body).hexdigest()
        made = replace(file, state=FileState.WRITTEN, digest=digest)
        self._s3.put_object(Bucket=self._bucket, Key=made.object_key, Body=body)
        item = _to_item(made)
        fields = ("state", "date", "cycle", "name", "message", "digest", "count", "amount")
        request = self._table.update_request(
            {"pk": item["pk"], "sk": item["sk"]},
            "SET " + ", ".join(f"#{name} = :{name}" for name in fields),
            guard("file.open"),
            {":open": FileState.OPEN.value, **{f":{name}": item[name] for name in fields}},
        )
        try:
            self._table.write(request)
        except Overtaken:
            again = self.get(file.lane, file.key)
            assert again is not None, "files are never removed"
            return again
        return made

    def content(self, file: PayoutFile) -> tuple[bytes, tuple[PayoutId, ...]]:
        """A written file's bytes, and its members in the order of its records."""
        body = self._s3.get_object(Bucket=self._bucket, Key=file.object_key)["Body"].read()
        assert hashlib.sha256(body).hexdigest() == file.digest, "not the bytes that were fixed"
        found: dict[str, Any] = json.loads(body)
        members = tuple(map(PayoutId.parse, found["members"]))
        return bytes.fromhex(found["content"]), members

    def mark(self, file: PayoutFile, state: FileState) -> None:
        """Written → sent → closed. Raises Overtaken."""
        before = {FileState.SENT: FileState.WRITTEN, FileState.CLOSED: FileState.SENT}[state]
        request = self._table.update_request(
            {"pk": f"file.{file.lane.key}", "sk": file.key},
            "SET #state = :state",
            guard("file.before"),
            {":state": state.value, ":before": before.value},
        )
        self._table.write(request)

    # ── what was left for us ──────────────────────────────────────────────────────────────────

    def read_before(self, lane: Lane) -> frozenset[str]:
        """The keys of files that were read."""
        found = self._table.query("#pk = :pk", {":pk": f"read.{lane.key}"})
        return frozenset(item["sk"] for item in found)

    def mark_read(self, lane: Lane, key: str, at_ms: int) -> None:
        """A file was read; reading it again would change nothing."""
        self._table.write(
            self._table.put_request({"pk": f"read.{lane.key}", "sk": key, "at": at_ms})
        )


def _to_item(file: PayoutFile) -> Item:
    return {
        "pk": f"file.{file.lane.key}",
        "sk": file.key,
        "date": file.date.isoformat(),
        "cycle": file.cycle,
        "at": file.at_ms,
        "state": file.state.value,
        "name": file.name,
        "message": file.message,
        "digest": file.digest,
        "count": file.count,
        "amount": file.amount_minor,
    }


def _from_item(item: Mapping[str, Any]) -> PayoutFile:
    return PayoutFile(
        lane=Lane.parse(item["pk"].removeprefix("file.")),
        key=item["sk"],
        date=dt.date.fromisoformat(item["date"]),
        cycle=item["cycle"],
        at_ms=item["at"],
        state=FileState(item["state"]),
        name=item["name"],
        message=item["message"],
        digest=item["digest"],
        count=item["count"],
        amount_minor=item["amount"],
    )
