"""The lab's clock: real time plus an offset that only grows. All lab parties live by it."""

from __future__ import annotations  # the client types exist for the type checker only

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from functions.lab.door import Request, Response, as_json, see
from functions.lab.store import TRIES_MAX

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

OFFSET_MAX_S: Final = 20 * 366 * 24 * 3600
"""Further than any test wants to travel, and still a year that every date library knows."""

_KEY: Final = {"pk": {"S": "clock"}, "sk": {"S": "clock"}}


class Clock:
    """Item pk = sk = "clock", attribute `offset_s`; the product's test mode reads the same item."""

    def __init__(
        self, client: DynamoDBClient, table: str, real_now: Callable[[], datetime]
    ) -> None:
        self._client = client
        self._table = table
        self._real_now = real_now

    def offset_s(self) -> int:
        answer = self._client.get_item(TableName=self._table, Key=_KEY, ConsistentRead=True)
        return int(answer.get("Item", {}).get("offset_s", {"N": "0"})["N"])

    def now(self) -> datetime:
        return self._real_now() + timedelta(seconds=self.offset_s())

    def advance_s(self, seconds: int) -> bool:
        """Move forward by `seconds`; two movers add up. False if that is back or too far."""
        if not 0 <= seconds <= OFFSET_MAX_S:
            return False
        try:
            self._client.update_item(
                TableName=self._table,
                Key=_KEY,
                UpdateExpression="ADD offset_s :s",
                ConditionExpression="attribute_not_exists(offset_s) OR offset_s <= :room",
                ExpressionAttributeValues={
                    ":s": {"N": str(seconds)},
                    ":room": {"N": str(OFFSET_MAX_S - seconds)},
                },
            )
        except ClientError as exc:
            if exc.response["Error"]["Code"] == "ConditionalCheckFailedException":
                return False
            raise
        return True

    def advance_to(self, when: datetime) -> bool:
        """Move forward to a time; two movers to one time end there. False if that is back."""
        for _ in range(TRIES_MAX):
            seen = self.offset_s()
            target = -((self._real_now() - when) // timedelta(seconds=1))
            if target < seen or target > OFFSET_MAX_S:
                return False
            if self._set(target, seen):
                return True
        return False

    def _set(self, offset_s: int, seen: int) -> bool:
        try:
            self._client.update_item(
                TableName=self._table,
                Key=_KEY,
                UpdateExpression="SET offset_s = :new",
                ConditionExpression="attribute_not_exists(offset_s) OR offset_s = :seen",
                ExpressionAttributeValues={
                    ":new": {"N": str(offset_s)},
                    ":seen": {"N": str(seen)},
                },
            )
        except ClientError as exc:
            if exc.response["Error"]["Code"] == "ConditionalCheckFailedException":
                return False
            raise
        return True


def rfc3339(when: datetime) -> str:
    """As the clock's door says it: UTC, whole seconds."""
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def show(clock: Clock) -> Response:
    """GET /lab/clock."""
    return as_json({"now": rfc3339(clock.now()), "offset_s": clock.offset_s()})


def move(clock: Clock, req: Request) -> Response:
    """POST /lab/clock: {"advance_s": n} or {"advance_to": RFC 3339}, as JSON or as a form."""
    given = req.json()
    asked = given if given is not None else req.form()
    if not _moved(clock, asked):
        return as_json({"error": "advance_s or advance_to, and never backwards"}, 400)
    return show(clock) if given is not None or req.wants_json else see(f"{req.base}/lab")


def _moved(clock: Clock, asked: Mapping[str, object]) -> bool:
    seconds, when = asked.get("advance_s"), asked.get("advance_to")
    if isinstance(seconds, str) and seconds.isascii() and seconds.isdigit() and len(seconds) < 12:
        seconds = int(seconds)
    if type(seconds) is int:
        return clock.advance_s(seconds)
    if not isinstance(when, str):
        return False
    try:
        moment = datetime.fromisoformat(when)
    except ValueError:
        return False
    return moment.tzinfo is not None and clock.advance_to(moment)
