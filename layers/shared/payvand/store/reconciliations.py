"""What statements and reports said, and the chain of runs that compared it with the books.

settlement  pk = rec.{mode}            sk = {source}                    a source, and since when
            pk = rec.{mode}.{source}   sk = file#{sha256}               a file that was read
                                       sk = day#{booked}#{sha256}       what is booked on one day
                                       sk = late#{read}#{booked}#{sha256}   the same, of old days
                                       sk = run#{n:08d}                 what one run decided
                                       sk = word#{item}                 what a person decided
files       bank/reconcile/{mode}/{source}/{sha256}     rows: JSON lines, gzip

Runs are a chain like a book's seals: who puts the next position decided, everybody else reads
again. So what a run books is booked once, whatever else runs (docs/flows/reconciliation.md).
"""

import datetime as dt
import gzip
import hashlib
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from payvand import ledger
from payvand.errors import Overtaken
from payvand.ids import MODES, Book, Mode
from payvand.store.guards import guard
from payvand.store.payments import Payments
from payvand.store.table import Item, Table

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

type Row = Mapping[str, Any]

_SOURCE: Final = re.compile(r"[a-z0-9.]{1,20}(:[A-Za-z0-9_-]{1,64})?", re.ASCII)
_N_MAX: Final = 99_999_999


@dataclass(frozen=True, slots=True)
class Scope:
    """One source in one mode: what is reconciled together."""

    mode: Mode
    source: str

    @classmethod
    def of(cls, mode: object, source: object) -> "Scope":
        """From a message or a command. Raises ValueError for names that are none."""
        if mode not in MODES or not isinstance(source, str) or not _SOURCE.fullmatch(source):
            raise ValueError("not a mode and a source")
        return cls(mode, source)

    @property
    def key(self) -> str:
        """How the table names it."""
        return f"rec.{self.mode}.{self.source}"


@dataclass(frozen=True, slots=True)
class Run:
    """One link of a source's chain; `key` names the object with all it decided and left open.

    What was open of days before `carried_before` is in the object; later days are read again.
    """

    n: int
    through: dt.date
    carried_before: dt.date
    at_ms: int
    key: str
    decided: int
    left: int


@dataclass(frozen=True, slots=True)
class Posting:
    """A journal a run books; `id` is the line's."""

    book: Book
    id: str
    day: dt.date
    legs: ledger.Legs


class Reconciliations:
    """The door to sources, what they said, runs and people's words."""

    def __init__(self, table: Table, payments: Payments, s3: "S3Client", bucket: str) -> None:
        self._table = table
        self._payments = payments
        self._s3 = s3
        self._bucket = bucket

    # ── sources ───────────────────────────────────────────────────────────────────────────────

    def add_source(self, scope: Scope, since: dt.date) -> None:
        """From this day on everything must show there; the first to say so is right."""
        item = {"pk": f"rec.{scope.mode}", "sk": scope.source, "since": since.isoformat()}
        with suppress(Overtaken):
            self._table.write(self._table.put_request(item, guard("source.absent")))

    def sources(self, mode: Mode) -> dict[str, dt.date]:
        """Every source that ever told anything, and since when."""
        found = self._table.query("#pk = :pk", {":pk": f"rec.{mode}"})
        return {item["sk"]: dt.date.fromisoformat(item["since"]) for item in found}

    # ── what was said ─────────────────────────────────────────────────────────────────────────

    def load(self, key: str, most_bytes: int) -> bytes | None:
        """A file as it was left for us; None when it is larger than that."""
        found = self._s3.get_object(Bucket=self._bucket, Key=key)
        return None if found["ContentLength"] > most_bytes else found["Body"].read()

    def was_read(self, scope: Scope, digest: str) -> bool:
        """Whether all of a file is kept."""
        return self._table.get({"pk": scope.key, "sk": f"file#{digest}"}).item is not None

    def mark_read(self, scope: Scope, digest: str, key: str, at_ms: int) -> None:
        """All of a file is kept."""
        item = {"pk": scope.key, "sk": f"file#{digest}", "key": key, "at": at_ms}
        self._table.write(self._table.put_request(item))

    def keep(
        self, scope: Scope, booked: dt.date, rows: Iterable[Row], late_on: dt.date | None = None
    ) -> None:
        """Keep what was booked on a day; the same rows again are the same object.

        `late_on`: the day they were read, when that is so late that no run looks back so far.
        """
        digest = self._put_rows(scope, rows)
        names = [f"day#{booked}#{digest}"]
        if late_on is not None:
            names.append(f"late#{late_on}#{booked}#{digest}")
        for name in names:
            self._table.write(self._table.put_request({"pk": scope.key, "sk": name}))

    def said(self, scope: Scope, first: dt.date, last: dt.date | None = None) -> Iterator[Row]:
        """Everything booked from `first` to `last`."""
        return self._rows_of(scope, f"day#{first}", f"day#{last or '~'}~")

    def said_late(self, scope: Scope, read_from: dt.date) -> Iterator[Row]:
        """Everything of old days that was read since."""
        return self._rows_of(scope, f"late#{read_from}", "late#~")

    def _rows_of(self, scope: Scope, first: str, last: str) -> Iterator[Row]:
        values = {":pk": scope.key, ":first": first, ":last": last}
        for item in self._table.query("#pk = :pk AND #sk BETWEEN :first AND :last", values):
            yield from self._get_rows(self._object(scope, item["sk"].rpartition("#")[2]))

    # ── runs ──────────────────────────────────────────────────────────────────────────────────

    def last(self, scope: Scope) -> Run | None:
        """The newest run (strong read)."""
        return next(self.runs(scope, limit=1), None)

    def runs(self, scope: Scope, limit: int | None = None) -> Iterator[Run]:
        """The chain, newest first."""
        values = {":pk": scope.key, ":first": _sort(0), ":last": _sort(_N_MAX)}
        found = self._table.query(
            "#pk = :pk AND #sk BETWEEN :first AND :last", values, limit=limit, forward=False
        )
        return map(_run, found)

    def rows(self, run: Run) -> Iterator[Row]:
        """All a run decided and left open."""
        return self._get_rows(run.key)

    def put_content(self, scope: Scope, rows: Iterable[Row]) -> str:
        """Write a run's object, before the run that names it; its key."""
        return self._object(scope, self._put_rows(scope, rows))

    def put(
        self,
        scope: Scope,
        run: Run,
        postings: Sequence[Posting],
        heard: Mapping[str, bool] | None = None,
    ) -> None:
        """Add a run at the end of the chain, with all it books (R3, R4): of a book, in one day.

        `heard`: items of words, and whether the run took them over; a refused one may be said anew.
        Raises Overtaken; `failed[0]` says that another run was first, else a day is closing.
        """
        item = {
            "pk": scope.key,
            "sk": _sort(run.n),
            "through": run.through.isoformat(),
            "carried_before": run.carried_before.isoformat(),
            "at": run.at_ms,
            "key": run.key,
            "decided": run.decided,
            "left": run.left,
        }
        requests = [self._table.put_request(item, guard("run.absent"))]
        for one in postings:
            line = self._payments.posting_requests(one.book, one.id, one.day, run.at_ms, one.legs)
            # lines of one book ask for its day once: a transaction names an item only once
            requests += [request for request in line if request not in requests]
        for name, taken in (heard or {}).items():
            key = {"pk": scope.key, "sk": f"word#{name}"}
            said = {":run": run.n, ":refused": not taken}
            update = "SET #run = :run, #refused = :refused"
            requests.append(self._table.update_request(key, update, "", said))
        self._table.transact(requests)

    # ── people's words ────────────────────────────────────────────────────────────────────────

    def say(self, scope: Scope, item: str, word: Row) -> None:
        """Keep what a person decided of an item, unless a word on it waits or was taken over.

        Raises Overtaken.
        """
        kept = {"pk": scope.key, "sk": f"word#{item}", "word": word}
        request = self._table.put_request(kept, guard("word.absent"), {":true": True})
        self._table.write(request)

    def unheard(self, scope: Scope, limit: int) -> list[tuple[str, Row]]:
        """Words no run has heard yet: item and word, in the order of items."""
        values = {":pk": scope.key, ":first": "word#", ":last": "word#~"}
        found = self._table.query("#pk = :pk AND #sk BETWEEN :first AND :last", values)
        waiting = ((i["sk"].removeprefix("word#"), i["word"]) for i in found if "run" not in i)
        return [one for one, _ in zip(waiting, range(limit), strict=False)]

    # ── objects ───────────────────────────────────────────────────────────────────────────────

    @staticmethod
    def _object(scope: Scope, digest: str) -> str:
        return f"bank/reconcile/{scope.mode}/{scope.source}/{digest}"

    def _put_rows(self, scope: Scope, rows: Iterable[Row]) -> str:
        made = io.BytesIO()
        with gzip.GzipFile(fileobj=made, mode="wb", mtime=0) as file:
            file.writelines(_line(row) for row in rows)
        packed = made.getvalue()
        digest = hashlib.sha256(packed).hexdigest()
        self._s3.put_object(Bucket=self._bucket, Key=self._object(scope, digest), Body=packed)
        return digest

    def _get_rows(self, key: str) -> Iterator[Row]:
        body = self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read()
        return map(json.loads, gzip.GzipFile(fileobj=io.BytesIO(body)))


def _line(row: Row) -> bytes:
    return json.dumps(row, separators=(",", ":"), sort_keys=True).encode() + b"\n"


def _sort(n: int) -> str:
    return f"run#{n:08d}"


def _run(item: Item) -> Run:
    return Run(
        n=int(item["sk"].removeprefix("run#")),
        through=dt.date.fromisoformat(item["through"]),
        carried_before=dt.date.fromisoformat(item["carried_before"]),
        at_ms=item["at"],
        key=item["key"],
        decided=item["decided"],
        left=item["left"],
    )
