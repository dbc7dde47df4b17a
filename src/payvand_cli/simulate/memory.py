"""DynamoDB in memory: the client methods this product calls, fast and the same every time.

Own code and not moto, because moto copies whole tables for a transaction, executes a replayed
ClientRequestToken again, and leaves time for three schedules a second.

Door for a simulator:

    memory = Memory({"T": KeySchema("pk", "sk")}, now=clock, page_items=2, on_write=stream)
    memory.put_item(TableName="T", Item=…)       as boto3's client: wire dicts, ClientError
    memory.meter.wru, .rru, .calls               request units as billed, calls by operation
    memory.items("T"), memory.peek("T", key)     looking without being counted
    memory.restore(memory.snapshot())            cheap: partitions are copied when next written

Values that come in or go out are shared with the tables: nobody may change them in place. What the
product does not use (indexes, filters, legacy parameters) raises NotModelled.
Not modelled: reserved words, nesting deeper than 32, throughput, conflicts (calls are atomic here).
"""

import zlib
from bisect import bisect_left, bisect_right, insort
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from functools import cache
from typing import Any, Final, NoReturn

from botocore.exceptions import ClientError

from payvand_cli.simulate import expressions, projections
from payvand_cli.simulate.expressions import (
    Check,
    Compiled,
    KeyRange,
    Names,
    Test,
    Update,
    Values,
)
from payvand_cli.simulate.values import (
    Item,
    Refused,
    admit,
    admit_item,
    sortable,
    weigh_item,
    weigh_named,
)

type Request = Mapping[str, Any]
type Answer = dict[str, Any]
type Row = tuple[Item, int]
"""An item and its size in bytes."""
type OnWrite = Callable[[str, Item, Item | None, Item | None], None]

WRITE_UNIT: Final = 1024
READ_UNIT: Final = 4096
ITEM_MAX: Final = 400 * 1024
PAGE_MAX: Final = 1024 * 1024
TRANSACTION_MAX: Final = 100
TOKEN_S: Final = 600
KEY_MAX: Final = 2048
SORT_MAX: Final = 1024
_NOTHING: Final[dict[str, Any]] = {}
_NO_CONDITION: Final = "The conditional request failed"
_WRITES: Final = frozenset(
    {
        "TableName",
        "ConditionExpression",
        "ExpressionAttributeNames",
        "ExpressionAttributeValues",
        "ReturnValuesOnConditionCheckFailure",
        "ReturnValues",
    }
)
_PUT: Final = _WRITES | {"Item"}
_UPDATE: Final = _WRITES | {"Key", "UpdateExpression"}
_DELETE: Final = _WRITES | {"Key"}
_GET: Final = frozenset({"TableName", "Key", "ConsistentRead"})
_SCAN: Final = frozenset({"TableName", "ConsistentRead", "Limit", "ExclusiveStartKey"})
_QUERY: Final = _SCAN | {
    "KeyConditionExpression",
    "ExpressionAttributeNames",
    "ExpressionAttributeValues",
    "ScanIndexForward",
    "ProjectionExpression",
}
_TRANSACT: Final = frozenset({"TransactItems", "ClientRequestToken"})


@dataclass(frozen=True, slots=True)
class KeySchema:
    """The names and kinds of a table's key attributes."""

    partition: str
    sort: str | None = None
    partition_kind: str = "S"
    sort_kind: str = "S"

    @classmethod
    def of(cls, table: Mapping[str, Any]) -> "KeySchema":
        """From the properties CreateTable and a template share."""
        kinds = {d["AttributeName"]: d["AttributeType"] for d in table["AttributeDefinitions"]}
        names = [k["AttributeName"] for k in sorted(table["KeySchema"], key=lambda k: k["KeyType"])]
        sort = names[1] if len(names) > 1 else None
        return cls(names[0], sort, kinds[names[0]], kinds[sort] if sort else "S")

    @property
    def names(self) -> tuple[str, ...]:
        """The key attributes."""
        return (self.partition,) if self.sort is None else (self.partition, self.sort)


@dataclass(slots=True)
class Meter:
    """Request units as DynamoDB bills them, and calls by operation.

    A canceled transaction is billed as if it had gone through: an upper bound, as AWS says only
    that it is billed.
    """

    wru: float = 0
    rru: float = 0
    calls: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A state to return to."""

    tables: Mapping[str, Mapping[Any, "_Partition"]]
    previous: Mapping[tuple[str, Any, Any], Item | None]
    tokens: Mapping[str, "_Replay"]


class NotModelled(Exception):
    """A request the product does not make: no answer is better than one DynamoDB would not give."""


class KeyMismatch(Refused):
    """A key that is not the table's; in a transaction its action's reason, not the request's."""


class Memory:
    """Tables, and a client's methods on them.

    Args:
        tables: key schemas by table name.
        now: seconds since the epoch, for the Date header and the ten minutes of a request token.
        page_items: a Query or Scan page holds at most this many items, so a read is not atomic.
        on_write: told (table, key, old item, new item) after each committed change, as a stream
            is: a transaction's changes when all are in, none for a write that changed nothing.
        stale: asked at each read that is not consistent; True answers with the version before the
            last change.
    """

    def __init__(
        self,
        tables: Mapping[str, KeySchema],
        now: Callable[[], float],
        page_items: int | None = None,
        on_write: OnWrite | None = None,
        stale: Callable[[], bool] | None = None,
    ) -> None:
        self.meter = Meter()
        self.page_items = page_items
        self.on_write = on_write
        self._now = now
        self._stale = stale
        self._tables = {name: _Table(name, schema) for name, schema in tables.items()}
        self._previous: dict[tuple[str, Any, Any], Item | None] = {}
        self._tokens: dict[str, _Replay] = {}
        self._epoch = 0
        self._second = self._day = -1
        self._date = ""
        self._headers: dict[str, str] = {}

    # ── reads ─────────────────────────────────────────────────────────────────────────────────

    def get_item(self, **request: Any) -> Answer:
        """GetItem."""
        self.meter.calls["GetItem"] += 1
        if not request.keys() <= _GET:
            _unknown(request, _GET)
        try:
            table = self._table(request)
            place = table.place(request["Key"])
        except Refused as exc:
            self._refuse("GetItem", str(exc))
        row = table.row(*place)
        size = 0 if row is None else row[1]
        consistent = request.get("ConsistentRead", False)
        self.meter.rru += _read_units(size, consistent)
        answer: Answer = {"ResponseMetadata": self._metadata()}
        item = None if row is None else row[0]
        if not consistent and self._stale is not None and self._stale():
            item = self._previous.get((table.name, *place), item)
        if item is not None:
            answer["Item"] = item
        return answer

    def query(self, **request: Any) -> Answer:
        """Query, one page."""
        self.meter.calls["Query"] += 1
        if not request.keys() <= _QUERY:
            _unknown(request, _QUERY)
        try:
            table = self._table(request)
            text = request.get("KeyConditionExpression")
            if text is None:
                raise Refused(
                    "Either the KeyConditions or KeyConditionExpression parameter must be "
                    "specified in the request."
                )
            fields = request.get("ProjectionExpression")
            program, clauses = _key_program(text) if fields is None else _projected(text, fields)
            names, values = _bind(program, request)
            bounds = _Bounds(table.schema, clauses, names, values)
            forward = request.get("ScanIndexForward", True)
            start = _start(table, request)
            found = self._found(table, bounds, request, forward=forward, start=start)
            tree = None if fields is None else projections.tree(fields, names)
            answer = self._page(table, found, request)
        except Refused as exc:
            self._refuse("Query", str(exc))
        if tree is not None:
            answer["Items"] = [projections.pick(tree, item) for item in answer["Items"]]
        return answer

    def scan(self, **request: Any) -> Answer:
        """Scan, one page; partitions come in an order of their own, as on AWS."""
        self.meter.calls["Scan"] += 1
        if not request.keys() <= _SCAN:
            _unknown(request, _SCAN)
        try:
            table = self._table(request)
            return self._page(table, self._scanned(table, _start(table, request)), request)
        except Refused as exc:
            self._refuse("Scan", str(exc))

    def get_paginator(self, operation: str) -> "Paginator":
        """For "query" and "scan"."""
        return Paginator({"query": self.query, "scan": self.scan}[operation])

    def _found(
        self,
        table: "_Table",
        bounds: "_Bounds",
        request: Request,
        *,
        forward: bool,
        start: tuple[Any, Any] | None,
    ) -> Iterator[Row]:
        partition = table.partitions.get(bounds.partition)
        rows, sorts = (partition.rows, partition.sorts) if partition else (_NOTHING, [])
        if not request.get("ConsistentRead", False) and self._stale is not None and self._stale():
            rows, sorts = self._yesterday(table, bounds.partition, rows)
        first, last = bounds.span(sorts)
        if start is not None:
            bounds.holds(start)
            if forward:
                first = max(first, bisect_right(sorts, start[1]))
            else:
                last = min(last, bisect_left(sorts, start[1]))
        span = sorts[first:last] if forward else sorts[first:last][::-1]
        return (rows[sort] for sort in span)

    def _yesterday(
        self, table: "_Table", partition: Any, rows: Mapping[Any, Row]
    ) -> tuple[dict[Any, Row], list[Any]]:
        """A partition before the last change of each of its items."""
        before = dict(rows)
        for (name, owner, sort), item in self._previous.items():
            if (name, owner) == (table.name, partition):
                before.pop(sort, None)
                if item is not None:
                    before[sort] = (item, weigh_item(item))
        return before, sorted(before)

    def _scanned(self, table: "_Table", start: tuple[Any, Any] | None) -> Iterator[Row]:
        order = sorted(table.partitions, key=_scatter)
        first = 0
        if start is not None:
            first = bisect_left(order, _scatter(start[0]), key=_scatter)
        for owner in order[first:]:
            partition = table.partitions[owner]
            after = start is not None and owner == start[0]
            at = bisect_right(partition.sorts, start[1]) if after and start is not None else 0
            for sort in partition.sorts[at:]:
                yield partition.rows[sort]

    def _page(self, table: "_Table", rows: Iterator[Row], request: Request) -> Answer:
        limit = request.get("Limit")
        if limit is not None and limit < 1:
            raise Refused(
                f"1 validation error detected: Value '{limit}' at 'limit' failed to satisfy "
                "constraint: Member must have value greater than or equal to 1"
            )
        most = min(n for n in (limit, self.page_items, PAGE_MAX) if n is not None)
        items: list[Item] = []
        size, cut = 0, False
        for item, weight in rows:
            cut = bool(items) and size + weight > PAGE_MAX
            if cut:
                break
            items.append(item)
            size += weight
            cut = len(items) >= most or size >= PAGE_MAX
            if cut:
                break
        self.meter.rru += _read_units(size, request.get("ConsistentRead", False))
        answer: Answer = {
            "Items": items,
            "Count": len(items),
            "ScannedCount": len(items),
            "ResponseMetadata": self._metadata(),
        }
        if cut:
            answer["LastEvaluatedKey"] = {name: items[-1][name] for name in table.schema.names}
        return answer

    # ── writes ────────────────────────────────────────────────────────────────────────────────

    def put_item(self, **request: Any) -> Answer:
        """PutItem."""
        return self._single("PutItem", self._put, request, _PUT)

    def update_item(self, **request: Any) -> Answer:
        """UpdateItem."""
        return self._single("UpdateItem", self._update, request, _UPDATE)

    def delete_item(self, **request: Any) -> Answer:
        """DeleteItem."""
        return self._single("DeleteItem", self._delete, request, _DELETE)

    def _single(
        self,
        operation: str,
        plan: Callable[[Request], "_Change"],
        request: Request,
        known: frozenset[str],
    ) -> Answer:
        self.meter.calls[operation] += 1
        if not request.keys() <= known:
            _unknown(request, known)
        try:
            change = plan(request)
        except Refused as exc:
            self._refuse(operation, str(exc))
        if change.error is not None and not change.refused:
            self._refuse(operation, change.error)
        self.meter.wru += change.units()
        if change.refused:
            found = _shown(request, change)
            raise self._error(operation, "ConditionalCheckFailedException", _NO_CONDITION, **found)
        self._commit(change)
        answer: Answer = {"ResponseMetadata": self._metadata()}
        if "ReturnValues" in request:
            _return_values(request["ReturnValues"], change, answer)
        if self.on_write is not None:
            self._tell(change)
        return answer

    def transact_write_items(self, **request: Any) -> Answer:
        """TransactWriteItems."""
        operation = "TransactWriteItems"
        self.meter.calls[operation] += 1
        if not request.keys() <= _TRANSACT:
            _unknown(request, _TRANSACT)
        actions: Sequence[Request] = request["TransactItems"]
        token = request.get("ClientRequestToken")
        if token is None or not self._replayed(token, actions):
            try:
                changes = self._planned(actions)
            except Refused as exc:
                self._refuse(operation, str(exc))
            self._do(actions, changes)
            if token is not None:
                self._remember(token, actions, changes)
            self._tell(*changes)
        return {"ResponseMetadata": self._metadata()}

    def _do(self, actions: Sequence[Request], changes: Sequence["_Change"]) -> None:
        self.meter.wru += sum(2 * change.units() for change in changes)
        if any(change.refused or change.error is not None for change in changes):
            self._cancel(actions, changes)
        for change in changes:
            self._commit(change)

    def _tell(self, *changes: "_Change") -> None:
        if self.on_write is not None:
            for change in changes:
                if change.changes():
                    self.on_write(*change.told())

    def _planned(self, actions: Sequence[Request]) -> list["_Change"]:
        if not 1 <= len(actions) <= TRANSACTION_MAX:
            bound = "less than or equal to 100" if actions else "greater than or equal to 1"
            raise Refused(
                "1 validation error detected: Value at 'transactItems' failed to satisfy "
                f"constraint: Member must have length {bound}"
            )
        changes: list[_Change] = []
        mismatches: list[str | None] = []
        for action in actions:
            try:
                changes.append(self._plan(action))
                mismatches.append(None)
            except KeyMismatch as exc:
                mismatches.append(str(exc))
        if len({change.where() for change in changes}) < len(changes):
            raise Refused("Transaction request cannot include multiple operations on one item")
        if any(mismatches):
            self._canceled([_reason(message) for message in mismatches])
        return changes

    def _plan(self, action: Request) -> "_Change":
        plans = {
            "Put": (self._put, _PUT),
            "Update": (self._update, _UPDATE),
            "Delete": (self._delete, _DELETE),
            "ConditionCheck": (self._check, _DELETE),
        }
        try:
            ((kind, fields),) = action.items()
        except ValueError:
            raise Refused(
                "TransactItems can only contain one of Check, Put, Update or Delete"
            ) from None
        plan, known = plans[kind]
        if not fields.keys() <= known - {"ReturnValues"}:
            _unknown(fields, known)
        return plan(fields)

    def _cancel(self, actions: Sequence[Request], changes: Sequence["_Change"]) -> NoReturn:
        reasons: list[dict[str, Any]] = []
        for action, change in zip(actions, changes, strict=True):
            if change.refused:
                (fields,) = action.values()
                found = _shown(fields, change)
                reasons.append(
                    {"Code": "ConditionalCheckFailed", "Message": _NO_CONDITION, **found}
                )
            else:
                reasons.append(_reason(change.error))
        self._canceled(reasons)

    def _canceled(self, reasons: list[dict[str, Any]]) -> NoReturn:
        message = (
            "Transaction cancelled, please refer cancellation reasons for specific reasons "
            f"[{', '.join(reason['Code'] for reason in reasons)}]"
        )
        raise self._error(
            "TransactWriteItems",
            "TransactionCanceledException",
            message,
            CancellationReasons=reasons,
        )

    def _replayed(self, token: str, actions: Sequence[Request]) -> bool:
        """Whether a transaction was done under this token in the last ten minutes."""
        now = self._now()
        while self._tokens:
            oldest = next(iter(self._tokens))
            if now - self._tokens[oldest].at < TOKEN_S:
                break
            del self._tokens[oldest]
        done = self._tokens.get(token)
        if done is None:
            return False
        if done.actions != actions:
            raise self._error(
                "TransactWriteItems",
                "IdempotentParameterMismatchException",
                "Request token already in use for another request with a different payload",
            )
        self.meter.rru += done.read_units
        return True

    def _remember(
        self, token: str, actions: Sequence[Request], changes: Sequence["_Change"]
    ) -> None:
        units = sum(2 * _read_units(c.size(), consistent=True) for c in changes)
        self._tokens[token] = _Replay(self._now(), list(actions), units)

    def _commit(self, change: "_Change") -> None:
        if change.new is change.old:
            return
        table, owner, sort = change.table, change.partition, change.sort
        if self._stale is not None:
            self._previous[table.name, owner, sort] = change.old and change.old[0]
        partition = table.partitions.get(owner)
        if partition is None:
            partition = table.partitions[owner] = _Partition(self._epoch, {}, [])
        elif partition.epoch != self._epoch:
            partition = _Partition(self._epoch, partition.rows.copy(), partition.sorts.copy())
            table.partitions[owner] = partition
        if change.new is None:
            del partition.rows[sort]
            del partition.sorts[bisect_left(partition.sorts, sort)]
            if not partition.rows:
                del table.partitions[owner]
            return
        if change.old is None:
            insort(partition.sorts, sort)
        partition.rows[sort] = change.new

    # ── one action, seen against the tables as they are ───────────────────────────────────────

    def _put(self, request: Request) -> "_Change":
        table = self._table(request)
        program = _program(request.get("ConditionExpression"))
        names, values = _bind(program, request)
        item, size = admit_item(request["Item"])
        owner, sort = table.place_of(item)
        if size > ITEM_MAX:
            raise Refused("Item size has exceeded the maximum allowed size")
        old = table.row(owner, sort)
        change = _Change(table, owner, sort, old, (item, size))
        change.judge(program, names, values)
        return change

    def _delete(self, request: Request) -> "_Change":
        table = self._table(request)
        program = _program(request.get("ConditionExpression"))
        names, values = _bind(program, request)
        owner, sort = table.place(request["Key"])
        change = _Change(table, owner, sort, table.row(owner, sort), None)
        change.judge(program, names, values)
        return change

    def _check(self, request: Request) -> "_Change":
        if "ConditionExpression" not in request:
            raise Refused("The expression can not be empty;")
        change = self._delete(request)
        change.new = change.old
        return change

    def _update(self, request: Request) -> "_Change":
        table = self._table(request)
        program = _program(request.get("ConditionExpression"), request.get("UpdateExpression"))
        names, values = _bind(program, request)
        key = request["Key"]
        owner, sort = table.place(key)
        old = table.row(owner, sort)
        change = _Change(table, owner, sort, old, old)
        targets = program.update.targets(names)
        _judge_targets(table.schema.names, targets, program.update, names)
        change.judge(program, names, values)
        try:
            change.new = (
                _created(program.update, key, names, values)
                if old is None
                else _updated(program.update, targets, old, names, values)
            )
        except Refused as exc:
            change.error = str(exc)
        return change

    # ── answers ───────────────────────────────────────────────────────────────────────────────

    def _table(self, request: Request) -> "_Table":
        try:
            return self._tables[request["TableName"]]
        except KeyError:
            raise self._error(
                "DynamoDB", "ResourceNotFoundException", "Requested resource not found"
            ) from None

    def _metadata(self) -> dict[str, Any]:
        second = int(self._now())
        if second != self._second:
            self._second = second
            day, of_day = divmod(second, 86_400)
            if day != self._day:  # formatting a date is slow
                self._day, self._date = day, formatdate(second, usegmt=True)[:-12]
            minute = of_day // 60
            time = f"{minute // 60:02}:{minute % 60:02}:{of_day % 60:02} GMT"
            self._headers = {"date": self._date + time}
        return {"HTTPStatusCode": 200, "HTTPHeaders": self._headers, "RetryAttempts": 0}

    def _refuse(self, operation: str, message: str) -> NoReturn:
        raise self._error(operation, "ValidationException", message) from None

    def _error(self, operation: str, code: str, message: str, **more: Any) -> ClientError:
        response: Any = {
            "Error": {"Code": code, "Message": message},
            "ResponseMetadata": self._metadata() | {"HTTPStatusCode": 400},
            **more,
        }
        return ClientError(response, operation)

    # ── looking ───────────────────────────────────────────────────────────────────────────────

    def items(self, table: str) -> list[Item]:
        """Every item, in the order of a scan."""
        return [row[0] for row in self._scanned(self._tables[table], None)]

    def peek(self, table: str, key: Item) -> Item | None:
        """One item as it stands."""
        found = self._tables[table]
        row = found.row(*found.place(key))
        return None if row is None else row[0]

    def snapshot(self) -> Snapshot:
        """The state of all tables; the meter is not part of it."""
        self._epoch += 1
        tables = {name: dict(table.partitions) for name, table in self._tables.items()}
        return Snapshot(tables, dict(self._previous), dict(self._tokens))

    def restore(self, snapshot: Snapshot) -> None:
        """Return to a state, any number of times."""
        self._epoch += 1
        for name, partitions in snapshot.tables.items():
            self._tables[name].partitions = dict(partitions)
        self._previous = dict(snapshot.previous)
        self._tokens = dict(snapshot.tokens)


@dataclass(frozen=True, slots=True)
class Paginator:
    """As botocore's, with MaxItems and PageSize."""

    page: Callable[..., Answer]

    def paginate(self, **request: Any) -> Iterator[Answer]:
        """Pages to the end, or to MaxItems items."""
        config = request.pop("PaginationConfig", {})
        left = config.get("MaxItems")
        if "PageSize" in config:
            request["Limit"] = config["PageSize"]
        while True:
            answer = self.page(**request)
            if left is not None and len(answer["Items"]) >= left:
                yield answer | {"Items": answer["Items"][:left]}
                return
            yield answer
            if "LastEvaluatedKey" not in answer:
                return
            left = None if left is None else left - len(answer["Items"])
            request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]


# ── inside ────────────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class _Partition:
    """Items by sort key. Written in place only by the epoch that made it; a snapshot ends one."""

    epoch: int
    rows: dict[Any, Row]
    sorts: list[Any]


@dataclass(frozen=True, slots=True)
class _Replay:
    at: float
    actions: Sequence[Request]
    read_units: float


class _Table:
    """One table's items by partition key and sort key; "" sorts where there is no sort key."""

    def __init__(self, name: str, schema: KeySchema) -> None:
        self.name = name
        self.schema = schema
        self.partitions: dict[Any, _Partition] = {}
        self._partition, self._partition_kind = schema.partition, schema.partition_kind
        self._sort, self._sort_kind = schema.sort, schema.sort_kind
        self._count = len(schema.names)
        self._text = schema.partition_kind == "S" and schema.sort_kind == "S"

    def row(self, owner: Any, sort: Any) -> Row | None:
        partition = self.partitions.get(owner)
        return None if partition is None else partition.rows.get(sort)

    def place(self, key: Item) -> tuple[Any, Any]:
        """Where a Key points. Raises Refused."""
        if self._text and len(key) == self._count:
            try:
                owner = key[self._partition]["S"]
                sort = "" if self._sort is None else key[self._sort]["S"]
            except KeyError:
                raise KeyMismatch(_NO_KEY) from None
            if 0 < len(owner) < 256 and len(sort) < 256 and (sort or self._sort is None):
                return owner, sort
        return self._odd_place(key)

    def _odd_place(self, key: Item) -> tuple[Any, Any]:
        if key.keys() != set(self.schema.names):
            raise KeyMismatch(_NO_KEY)
        key = {name: admit(value) for name, value in key.items()}
        for name, kind in self._kinds():
            if kind not in key[name]:
                raise KeyMismatch(_NO_KEY)
        return self.place_of(key)

    def place_of(self, item: Item) -> tuple[Any, Any]:
        """Where an admitted item belongs. Raises Refused."""
        for name, kind in self._kinds():
            value = item.get(name)
            if value is None:
                raise KeyMismatch(
                    f"One or more parameter values were invalid: Missing the key {name} in the item"
                )
            if kind not in value:
                raise KeyMismatch(
                    "One or more parameter values were invalid: Type mismatch for key "
                    f"{name} expected: {kind} actual: {next(iter(value))}"
                )
            _key_length(name, value[kind], KEY_MAX if name == self._partition else SORT_MAX)
        owner = sortable(item[self._partition])
        return owner, "" if self._sort is None else sortable(item[self._sort])

    def _kinds(self) -> tuple[tuple[str, str], ...]:
        first = (self._partition, self._partition_kind)
        return (first,) if self._sort is None else (first, (self._sort, self._sort_kind))

    def key(self, owner: Any, sort: Any) -> Item:
        """A place as a Key."""
        parts = zip(self._kinds(), (owner, sort), strict=False)
        return {name: {kind: str(part) if kind == "N" else part} for (name, kind), part in parts}


_NO_KEY: Final = "The provided key element does not match the schema"


def _key_length(name: str, inner: Any, most: int) -> None:
    if not inner:
        kind = "string" if isinstance(inner, str) else "binary"
        raise Refused(
            "One or more parameter values are not valid. The AttributeValue for a key attribute "
            f"cannot contain an empty {kind} value. Key: {name}"
        )
    if len(inner.encode() if isinstance(inner, str) else inner) > most:
        which = "hash" if most == KEY_MAX else "range"
        raise Refused(
            "One or more parameter values were invalid: Aggregated size of all "
            f"{which} keys has exceeded the size limit of {most} bytes"
        )


class _Change:
    """What one action would do, judged against the tables as they are."""

    __slots__ = ("error", "new", "old", "partition", "refused", "sort", "table")

    def __init__(
        self, table: _Table, partition: Any, sort: Any, old: Row | None, new: Row | None
    ) -> None:
        self.table = table
        self.partition = partition
        self.sort = sort
        self.old = old
        self.new = new
        self.refused = False
        self.error: str | None = None

    def judge(self, program: "_Program", names: Names, values: Values) -> None:
        """Ask the condition."""
        test = program.test
        if test is not None:
            old = self.old
            self.refused = not test(_NOTHING if old is None else old[0], names, values)

    def size(self) -> int:
        """The larger of old and new: what is billed, whether or not it is written."""
        old, new = self.old, self.new
        return max(0 if old is None else old[1], 0 if new is None else new[1])

    def units(self) -> int:
        """Write units, outside a transaction."""
        return -(-self.size() // WRITE_UNIT) or 1

    def changes(self) -> bool:
        """Whether there is anything to tell."""
        old, new = self.old, self.new
        return (old and old[0]) != (new and new[0])

    def where(self) -> tuple[str, Any, Any]:
        return self.table.name, self.partition, self.sort

    def told(self) -> tuple[str, Item, Item | None, Item | None]:
        old, new = self.old, self.new
        key = self.table.key(self.partition, self.sort)
        return self.table.name, key, old and old[0], new and new[0]


class _Bounds:
    """A key condition, bound: one partition and a range of sort keys."""

    def __init__(
        self, schema: KeySchema, clauses: tuple[KeyRange, ...], names: Names, values: Values
    ) -> None:
        by_name = {names.get(c.name, c.name): c for c in clauses}
        if len(by_name) < len(clauses):
            raise Refused(
                f"Invalid {expressions.KEY_CONDITION}: KeyConditionExpressions must only contain "
                "one condition per key"
            )
        if len(clauses) > len(schema.names):
            raise Refused(
                f"The number of query conditions ({len(clauses)}) exceeds the number of key "
                f"attributes defined in the schema ({len(schema.names)})"
            )
        for name in schema.names[: len(clauses)]:
            if name not in by_name:
                raise Refused(f"Query condition missed key schema element: {name}")
        owner = by_name.pop(schema.partition)
        if owner.sign != "=":
            raise Refused("Query key condition not supported")
        self.partition = _bound(owner, values, schema.partition_kind)[0]
        self._sign, self._values = "", ()
        if by_name:
            (clause,) = by_name.values()
            self._sign, self._values = clause.sign, _bound(clause, values, schema.sort_kind)

    _values: tuple[Any, ...]

    def span(self, sorts: Sequence[Any]) -> tuple[int, int]:
        """First and past the last of the sort keys that are meant."""
        first, last = 0, len(sorts)
        if not self._sign:
            return first, last
        low, high = self._values[0], self._values[-1]
        if self._sign == "begins_with":
            first = bisect_left(sorts, low)
            past = 1
            return first, bisect_left(sorts, past, first, key=lambda s: not s.startswith(low))
        if self._sign in {"=", ">=", "BETWEEN"}:
            first = bisect_left(sorts, low)
        if self._sign == ">":
            first = bisect_right(sorts, low)
        if self._sign in {"=", "<=", "BETWEEN"}:
            last = bisect_right(sorts, high)
        if self._sign == "<":
            last = bisect_left(sorts, high)
        return first, last

    def holds(self, start: tuple[Any, Any]) -> None:
        """Raises Refused when a page cannot start after this place."""
        if start[0] != self.partition:
            raise Refused(
                "The provided starting key is outside query boundaries based on provided conditions"
            )
        if self.span([start[1]]) != (0, 1):
            raise Refused("The provided starting key does not match the range key predicate")


def _bound(clause: KeyRange, values: Values, kind: str) -> tuple[Any, ...]:
    found = [values[token] for token in clause.values]
    if any(kind not in value for value in found):
        raise Refused(
            "One or more parameter values were invalid: Condition parameter type does not match "
            "schema type"
        )
    for value in found:
        _key_length(clause.name, value[kind], KEY_MAX)
    return tuple(map(sortable, found))


_AS_IT_IS: Final = Update.of(())


@dataclass(frozen=True, slots=True)
class _Program:
    """A request's expressions, compiled."""

    test: Test | None
    update: Update
    parts: tuple[Compiled[Any], ...]
    names: frozenset[str]
    values: frozenset[str]
    checks: tuple[Check, ...]


@cache
def _program(condition: str | None, update: str | None = None) -> _Program:
    """The same texts are the same program. Raises Refused."""
    change = None if update is None else expressions.update(update)
    test = None if condition is None else expressions.condition(condition)
    parts = tuple(part for part in (test, change) if part is not None)
    return _Program(
        test=None if test is None else test.run,
        update=_AS_IT_IS if change is None else change.run,
        parts=parts,
        names=frozenset().union(*(part.names for part in parts)),
        values=frozenset().union(*(part.values for part in parts)),
        checks=tuple(check for part in parts for check in part.checks),
    )


@cache
def _key_program(text: str) -> tuple[_Program, tuple[KeyRange, ...]]:
    """A key condition. Raises Refused."""
    part = expressions.key_condition(text)
    program = _Program(None, _AS_IT_IS, (part,), part.names, part.values, part.checks)
    return program, part.run


@cache
def _projected(text: str, fields: str) -> tuple[_Program, tuple[KeyRange, ...]]:
    """The same with a projection, whose names count as used."""
    program, clauses = _key_program(text)
    return replace(program, names=program.names | projections.names(fields)), clauses


def _bind(program: _Program, request: Request) -> tuple[Names, Values]:
    """A request's names and values, all used and none missing. Raises Refused."""
    names: Names = request.get("ExpressionAttributeNames", _NOTHING)
    given: Values = request.get("ExpressionAttributeValues", _NOTHING)
    if program.names != names.keys() or program.values != given.keys():
        _mismatch(program, names, given)
    values = {t: v if "S" in v and len(v) == 1 else admit(v) for t, v in given.items()}
    for check in program.checks:
        check(names, values)
    return names, values


def _mismatch(program: _Program, names: Names, values: Values) -> NoReturn:
    if not program.parts:
        which = "Values" if values else "Names"
        raise Refused(f"ExpressionAttribute{which} can only be specified when using expressions")
    if unused := sorted(values.keys() - program.values):
        raise Refused(
            "Value provided in ExpressionAttributeValues unused in expressions: "
            f"keys: {{{', '.join(unused)}}}"
        )
    if unused := sorted(names.keys() - program.names):
        raise Refused(
            "Value provided in ExpressionAttributeNames unused in expressions: "
            f"keys: {{{', '.join(unused)}}}"
        )
    for part in program.parts:
        if missing := sorted(part.names - names.keys()):
            raise Refused(
                f"Invalid {part.slot}: An expression attribute name used in the document path is "
                f"not defined; attribute name: {missing[0]}"
            )
        if missing := sorted(part.values - values.keys()):
            raise Refused(
                f"Invalid {part.slot}: An expression attribute value used in expression is not "
                f"defined; attribute value: {missing[0]}"
            )
    raise AssertionError("names and values match")


def _judge_targets(keys: tuple[str, ...], targets: list[str], update: Update, names: Names) -> None:
    """Raises Refused for an update of a key, or of one place twice."""
    for key in keys:
        if key in targets:
            raise Refused(
                f"One or more parameter values were invalid: Cannot update attribute {key}. "
                "This attribute is part of the key"
            )
    if len(set(targets)) < len(targets) and (clash := expressions.overlap(update, names)):
        raise Refused(clash)


def _created(update: Update, key: Item, names: Names, values: Values) -> Row:
    """The row an update makes out of nothing. Raises Refused."""
    return admit_item(expressions.apply(update, _NOTHING, key, names, values))


def _updated(update: Update, targets: list[str], old: Row, names: Names, values: Values) -> Row:
    """The row an update makes of another; only what changed is weighed. Raises Refused."""
    before, size = old
    item = expressions.apply(update, before, before, names, values)
    for name in targets if len(targets) == 1 else set(targets):
        size += weigh_named(name, item) - weigh_named(name, before)
    if size > ITEM_MAX:
        raise Refused("Item size to update has exceeded the maximum allowed size")
    return item, size


def _start(table: _Table, request: Request) -> tuple[Any, Any] | None:
    start = request.get("ExclusiveStartKey")
    if start is None:
        return None
    try:
        return table.place(start)
    except Refused:
        raise Refused("The provided starting key is invalid") from None


def _reason(error: str | None) -> dict[str, Any]:
    """A cancellation reason of an action whose condition did not refuse."""
    return {"Code": "None"} if error is None else {"Code": "ValidationError", "Message": error}


def _shown(request: Request, change: _Change) -> dict[str, Any]:
    """The refusing item, for who asked to see it."""
    asked = request.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD"
    return {"Item": change.old[0]} if asked and change.old is not None else {}


def _return_values(which: str, change: _Change, answer: Answer) -> None:
    rows = {"NONE": None, "ALL_OLD": change.old, "ALL_NEW": change.new}
    if which not in rows:
        raise NotModelled(f"ReturnValues={which}")
    if (row := rows[which]) is not None:
        answer["Attributes"] = row[0]


def _read_units(size: int, consistent: bool) -> float:  # noqa: FBT001 - a request's own field
    units = -(-size // READ_UNIT) or 1
    return units if consistent else units / 2


def _scatter(owner: Any) -> tuple[int, str]:
    """Partitions in an order nobody can lean on, the same every time."""
    text = repr(owner)
    return zlib.crc32(text.encode()), text


def _unknown(request: Request, known: frozenset[str]) -> NoReturn:
    raise NotModelled(f"parameters {sorted(request.keys() - known)}")
