"""One DynamoDB table: plain Python values in and out, "a condition said no" as Overtaken.

Expressions are written with `#name` and `:value` tokens. Names resolve to themselves unless given,
and only the values an expression uses are sent, so that a guard can be taken out alone
(tests/money).
"""

import datetime as dt
import re
import time
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from payvand.errors import Overtaken, refusals

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

Item = dict[str, Any]
_TOKENS: Final = re.compile(r"[#:]\w+")
_RETRY: Final = frozenset(
    {
        "TransactionConflict",
        "ThrottlingError",
        "ProvisionedThroughputExceeded",
        "TransactionInProgress",
    }
)
TRANSACTION_TRIES: Final = 4
"""A conflict with a neighbour is over in a few milliseconds; more tries only hide a hot key."""


def to_wire(value: Any) -> dict[str, Any]:
    """A Python value as DynamoDB writes it. Floats are refused: money is integer."""
    wire: dict[str, Any]
    match value:
        case None:
            wire = {"NULL": True}
        case bool():
            wire = {"BOOL": value}
        case str():
            wire = {"S": value}
        case int():
            wire = {"N": str(value)}
        case bytes():
            wire = {"B": value}
        case Mapping():
            wire = {"M": {name: to_wire(part) for name, part in value.items()}}
        case list() | tuple():
            wire = {"L": [to_wire(part) for part in value]}
        case _:
            raise TypeError(f"{type(value).__name__} has no place in a table")
    return wire


def from_wire(value: Mapping[str, Any]) -> Any:
    """The inverse of `to_wire`."""
    ((kind, inner),) = value.items()
    match kind:
        case "S" | "BOOL":
            return inner
        case "N":
            return int(inner)
        case "NULL":
            return None
        case "B":  # a stream's event is JSON and says bytes in base64
            return b64decode(inner) if isinstance(inner, str) else bytes(inner)
        case "M":
            return item_from_wire(inner)
        case "L":
            return [from_wire(part) for part in inner]
    raise TypeError(f"{kind} has no place in a table")


def item_to_wire(item: Mapping[str, Any]) -> dict[str, Any]:
    """A whole item as DynamoDB writes it; None means "leave it out"."""
    return {name: to_wire(value) for name, value in item.items() if value is not None}


def item_from_wire(wire: Mapping[str, Any]) -> Item:
    """The inverse of `item_to_wire`."""
    return {  # most values are texts: no call for each
        name: value["S"] if "S" in value and len(value) == 1 else from_wire(value)
        for name, value in wire.items()
    }


@dataclass(frozen=True, slots=True)
class Read:
    """What a strongly consistent read saw, and the database's own clock at that moment."""

    item: Item | None
    server_ms: int | None


def _server_ms(answer: Mapping[str, Any]) -> int | None:
    text = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
    return None if text is None else _http_date_ms(text)


_MONTHS: Final = "JanFebMarAprMayJunJulAugSepOctNovDec"
_HTTP_DATE: Final = re.compile(
    r"[A-Z][a-z]{2}, (\d\d) ([A-Z][a-z]{2}) (\d{4}) (\d\d):(\d\d):(\d\d) GMT", re.ASCII
)


@lru_cache(maxsize=1)
def _http_date_ms(text: str) -> int:
    """A Date header, `Mon, 04 May 2026 08:30:00 GMT`; `email.utils` would take 5 ms to load."""
    found = _HTTP_DATE.fullmatch(text)
    if found is None:
        raise ValueError("not a date of HTTP")
    month = _MONTHS.index(found[2]) // 3 + 1
    hour, minute, second = int(found[4]), int(found[5]), int(found[6])
    at = dt.datetime(int(found[3]), month, int(found[1]), hour, minute, second, tzinfo=dt.UTC)
    return int(at.timestamp() * 1000)


@lru_cache(maxsize=64)
def _tokens(text: str) -> tuple[list[str], list[str]]:
    """The names and the values an expression uses; a function has but a few expressions."""
    tokens = sorted(set(_TOKENS.findall(text)))
    return [t for t in tokens if t[0] == "#"], [t for t in tokens if t[0] == ":"]


class Table:
    """One table. Every read is strongly consistent: it is made to decide something."""

    def __init__(
        self, client: "DynamoDBClient", name: str, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._client = client
        self.name = name
        self._sleep = sleep

    def get(self, key: Mapping[str, Any]) -> Read:
        """Read one item."""
        answer = self._client.get_item(
            TableName=self.name, Key=item_to_wire(key), ConsistentRead=True
        )
        wire = answer.get("Item")
        return Read(None if wire is None else item_from_wire(wire), _server_ms(answer))

    def put_request(
        self, item: Mapping[str, Any], guard: str = "", values: Mapping[str, Any] | None = None
    ) -> Item:
        """A put, for `write` or `transact`."""
        request = {"TableName": self.name, "Item": item_to_wire(item)}
        return {
            "Put": request | self._expressions({"ConditionExpression": guard}, values or {}, {})
        }

    def update_request(
        self,
        key: Mapping[str, Any],
        update: str,
        guard: str,
        values: Mapping[str, Any],
        names: Mapping[str, str] | None = None,
    ) -> Item:
        """An update, for `write` or `transact`."""
        request = {"TableName": self.name, "Key": item_to_wire(key)}
        parts = {"UpdateExpression": update, "ConditionExpression": guard}
        return {"Update": request | self._expressions(parts, values, names or {})}

    def check_request(self, key: Mapping[str, Any], guard: str, values: Mapping[str, Any]) -> Item:
        """A condition on an item that is not written, for `transact`."""
        request = {"TableName": self.name, "Key": item_to_wire(key)}
        return {
            "ConditionCheck": request
            | self._expressions({"ConditionExpression": guard}, values, {})
        }

    @staticmethod
    def _expressions(
        parts: Mapping[str, str], values: Mapping[str, Any], names: Mapping[str, str]
    ) -> Item:
        out: Item = {name: text for name, text in parts.items() if text}
        name_tokens, value_tokens = _tokens(" ".join(out.values()))
        if name_tokens:
            out["ExpressionAttributeNames"] = {t: names.get(t, t[1:]) for t in name_tokens}
        if value_tokens:
            out["ExpressionAttributeValues"] = {t: to_wire(values[t]) for t in value_tokens}
        return out

    def write(self, request: Item) -> None:
        """Do one put or update. Raises Overtaken when its condition says no."""
        ((kind, fields),) = request.items()
        try:
            if kind == "Put":
                self._client.put_item(**fields)
            else:
                self._client.update_item(**fields)
        except refusals() as exc:
            if exc.response["Error"]["Code"] == "ConditionalCheckFailedException":
                raise Overtaken(f"{kind} refused") from None
            raise

    def transact(self, requests: Sequence[Item]) -> None:
        """Do several writes or none. Raises Overtaken when a condition says no.

        A conflict with another transaction is tried again a few times, then raised as it is.
        """
        for tries_left in reversed(range(TRANSACTION_TRIES)):
            try:
                self._client.transact_write_items(TransactItems=list(requests))  # type: ignore[arg-type]
            except refusals() as exc:
                reasons = [str(r.get("Code")) for r in exc.response.get("CancellationReasons", [])]
                if "ConditionalCheckFailed" in reasons:
                    failed = [reason == "ConditionalCheckFailed" for reason in reasons]
                    raise Overtaken("transaction refused", failed) from None
                if not (set(reasons) & _RETRY) or tries_left == 0:
                    raise
                self._sleep(0.02 * 2 ** (TRANSACTION_TRIES - tries_left))
            else:
                return

    def query(
        self,
        condition: str,
        values: Mapping[str, Any],
        *,
        limit: int | None = None,
        forward: bool = True,
        start: Mapping[str, Any] | None = None,
    ) -> Iterator[Item]:
        """Items in key order, page after page, at most `limit` of them."""
        request = self._question(condition, values, start)
        request["ScanIndexForward"] = forward
        left = limit
        while True:
            if left is not None:
                request["Limit"] = left
            answer = self._client.query(**request)
            yield from map(item_from_wire, answer["Items"])
            if left is not None:
                left -= len(answer["Items"])
            if "LastEvaluatedKey" not in answer or left == 0:
                return
            request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def query_rows[T](
        self,
        kind: type[T],
        fields: str,
        condition: str,
        values: Mapping[str, Any],
        *,
        start: Mapping[str, Any] | None = None,
    ) -> Iterator[T]:
        """The same for readers of many items: only `fields`, as msgspec structs of this kind."""
        from payvand.store.pages import ask

        request = self._question(condition, values, start, fields)
        while True:
            page = ask(self._client, kind, request)
            yield from page.Items
            if page.LastEvaluatedKey is None:
                return
            request["ExclusiveStartKey"] = page.LastEvaluatedKey

    def _question(
        self,
        condition: str,
        values: Mapping[str, Any],
        start: Mapping[str, Any] | None,
        fields: str = "",
    ) -> Item:
        parts = {"KeyConditionExpression": condition, "ProjectionExpression": fields}
        request: Item = {
            "TableName": self.name,
            "ConsistentRead": True,
            **self._expressions(parts, values, {}),
        }
        if start is not None:
            request["ExclusiveStartKey"] = item_to_wire(start)
        return request

    def scan(self) -> Iterator[Item]:
        """Every item. Only for tables whose size is the number of merchants."""
        request: Item = {"TableName": self.name, "ConsistentRead": True}
        while True:
            answer = self._client.scan(**request)
            for wire in answer["Items"]:
                yield item_from_wire(wire)
            if "LastEvaluatedKey" not in answer:
                return
            request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def delete(self, key: Mapping[str, Any]) -> None:
        """Remove one item; nothing that holds money is ever removed."""
        self._client.delete_item(TableName=self.name, Key=item_to_wire(key))
