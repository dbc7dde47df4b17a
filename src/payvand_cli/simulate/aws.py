"""AWS as the product's doors see it: DynamoDB with faults, queues that repeat, streams, files.

Each client has just the methods the product calls, with boto3's arguments and answers, so stores,
queues and handlers run unchanged. Delivery follows the services' promises at their worst: at least
once, in any order (streams: in order per table), seen again after the visibility time-out.
"""

import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from botocore.exceptions import ClientError

from payvand_cli.simulate.engine import Draws, Engine, Process
from payvand_cli.simulate.memory import Memory

MONEY: Final = frozenset({"payments", "settlement", "operations"})
REDELIVER_MS: Final = 1_000
REPEATS_MAX: Final = 30
"""Of one schedule: each leaves a second chain of timers, and chains multiply."""
STREAM_BATCH: Final = 10
LIST_PAGE: Final = 2
"""Names of a page of a bucket's list."""
_NAMES: Final = (
    "payment", "refund", "payout", "book", "place", "currency", "share", "lane", "read", "withdraw",
    "file", "run",
)  # fmt: skip


class Dynamo:
    """The in-memory DynamoDB behind a network."""

    def __init__(self, engine: Engine, memory: Memory, committed: Callable[[], None]) -> None:
        self._engine = engine
        self._memory = memory
        self._committed = committed

    def get_item(self, **request: Any) -> Any:
        where = f"dynamodb.GetItem {request['TableName']}"
        return self._engine.call(where, partial(self._memory.get_item, **request))

    def query(self, **request: Any) -> Any:
        where = f"dynamodb.Query {request['TableName']}"
        return self._engine.call(where, partial(self._memory.query, **request))

    def scan(self, **request: Any) -> Any:
        where = f"dynamodb.Scan {request['TableName']}"
        return self._engine.call(where, partial(self._memory.scan, **request))

    def put_item(self, **request: Any) -> Any:
        return self._write("PutItem", self._memory.put_item, request)

    def delete_item(self, **request: Any) -> Any:
        return self._write("DeleteItem", self._memory.delete_item, request)

    def update_item(self, **request: Any) -> Any:
        return self._write("UpdateItem", self._memory.update_item, request)

    def _write(self, name: str, do: Callable[..., Any], request: Mapping[str, Any]) -> Any:
        def effect() -> Any:
            answer = do(**request)
            self._committed()
            return answer

        table = request["TableName"]
        return self._engine.call(f"dynamodb.{name} {table}", effect, money=table in MONEY)

    def transact_write_items(self, **request: Any) -> Any:
        def effect() -> Any:
            answer = self._memory.transact_write_items(**request)
            self._committed()
            return answer

        return self._engine.call("dynamodb.TransactWriteItems", effect, money=True)


@dataclass(frozen=True, slots=True)
class QueueTraits:
    """What the template says of a queue."""

    visibility_s: int
    max_receives: int


@dataclass(slots=True)
class Message:
    """One message in a queue."""

    queue: str
    body: str
    subject: str
    receives: int = 0
    shown_again_ms: int = 0
    deleted: bool = False


class Queues:
    """SQS, and the pollers that wake functions."""

    def __init__(
        self,
        engine: Engine,
        traits: Mapping[str, QueueTraits],
        workers: Mapping[str, Callable[[dict[str, Any], Any], Any]],
    ) -> None:
        self.engine = engine
        self.traits = traits
        self.workers = workers
        self.live: dict[int, Message] = {}
        self.dead: list[Message] = []
        self.failed: Callable[[BaseException], None] = lambda _: None
        self._next = self._repeats = 0
        self._draws = Draws(engine.seed, "queues")

    # ── the client ────────────────────────────────────────────────────────────────────────────

    def send_message(self, *, QueueUrl: str, MessageBody: str, DelaySeconds: int = 0) -> Any:
        effect = partial(self.put, QueueUrl, MessageBody, DelaySeconds * 1000)
        return self.engine.call(f"sqs.SendMessage {QueueUrl}", effect)

    def send_message_batch(self, *, QueueUrl: str, Entries: list[Any]) -> Any:
        def effect() -> Any:
            for entry in Entries:
                self.put(QueueUrl, entry["MessageBody"], 0)
            return {}

        return self.engine.call(f"sqs.SendMessageBatch {QueueUrl}", effect)

    def change_message_visibility(
        self,
        *,
        QueueUrl: str,
        ReceiptHandle: str,
        VisibilityTimeout: int,
    ) -> Any:
        def effect() -> Any:
            message = self.live.get(int(ReceiptHandle))
            if message is not None:
                message.shown_again_ms = self.engine.now_ms + VisibilityTimeout * 1000
            return {}

        return self.engine.call(f"sqs.ChangeMessageVisibility {QueueUrl}", effect)

    # ── the service ───────────────────────────────────────────────────────────────────────────

    def put(self, queue: str, body: str, delay_ms: int) -> Any:
        """Take a message."""
        calm = self.engine.now_ms >= self.engine.calm_at_ms
        if queue in {"timer", "refund", "payout"} and not calm:
            lost = self.engine.mood.timers_lost_per_mille
            if lost and self._draws.chance(lost):
                return {}
        self._next += 1
        self.live[self._next] = Message(queue, body, subject(body))
        travel_ms = 5 + self._draws.below(200)
        self.engine.at(self.engine.now_ms + delay_ms + travel_ms, self._deliver, self._next)
        repeated = self._draws.chance(self.engine.mood.repeats_per_mille)
        if not calm and repeated and self._repeats < REPEATS_MAX:
            self._repeats += 1
            again_ms = delay_ms + travel_ms + self._draws.below(self._draws.pick((60, 30_000)))
            self.engine.at(self.engine.now_ms + again_ms, self._deliver, self._next)
        return {}

    def waits_for(self, subject: str) -> bool:
        """Whether any message about something is still on its way (or in a dead-letter queue)."""
        return any(m.subject == subject for m in [*self.live.values(), *self.dead])

    def redrive(self) -> None:
        """The operator sends dead letters back."""
        dead, self.dead = self.dead, []
        for message in dead:
            self.put(message.queue, message.body, 0)

    def _deliver(self, receipt: int) -> None:
        message = self.live.get(receipt)
        if message is None:
            return
        traits = self.traits[message.queue]
        if message.receives >= traits.max_receives:
            del self.live[receipt]
            self.dead.append(message)
            return
        message.receives += 1
        event = {
            "Records": [
                {
                    "messageId": str(receipt),
                    "receiptHandle": str(receipt),
                    "body": message.body,
                    "attributes": {"ApproximateReceiveCount": str(message.receives)},
                }
            ]
        }
        message.shown_again_ms = self.engine.now_ms + traits.visibility_s * 1000
        work = partial(self.workers[message.queue], event, None)
        process = self.engine.spawn(f"{message.queue} {message.subject}", work)
        process.done = partial(self._worked, receipt)
        self.engine.at(message.shown_again_ms, self._overdue, receipt, message.receives)

    def _worked(self, receipt: int, process: Process) -> None:
        message = self.live.get(receipt)
        if message is None:
            return
        if process.failure is not None:
            self.failed(process.failure)
        if not process.gone and process.failure is None and not process.result["batchItemFailures"]:
            del self.live[receipt]

    def _overdue(self, receipt: int, receives: int) -> None:
        """The visibility time-out of one receive has passed."""
        message = self.live.get(receipt)
        if message is None or message.receives != receives:
            return
        if message.shown_again_ms > self.engine.now_ms:  # it was changed meanwhile
            self.engine.at(message.shown_again_ms, self._overdue, receipt, receives)
        else:
            self._deliver(receipt)


def subject(body: str) -> str:
    """What a message is about, for names of processes that do not depend on their order."""
    message = json.loads(body)
    if "detail" in message:
        return str(message["detail"]["id"])
    named = [str(message[k]) for k in _NAMES if k in message]
    named += [str(one["reference"]) for one in message.get("said", ())[:1]]
    return " ".join(named)


class Streams:
    """A table's changes, in order, until the function that reads them says nothing."""

    def __init__(self, engine: Engine, read: Callable[[dict[str, Any], Any], Any]) -> None:
        self.engine = engine
        self.read = read
        self.waiting: dict[str, list[Any]] = {"payments": [], "settlement": []}
        self.failed: Callable[[BaseException], None] = lambda _: None
        self._running: set[str] = set()
        self._draws = Draws(engine.seed, "streams")

    def wrote(self, table: str, old: Any, new: Any) -> None:
        """Take a change."""
        waiting = self.waiting.get(table)
        if waiting is None:
            return
        change = {"NewImage": new} if old is None else {"NewImage": new, "OldImage": old}
        waiting.append({"dynamodb": change})
        if table not in self._running:
            self._running.add(table)
            self.engine.at(self.engine.now_ms + 50 + self._draws.below(900), self._pump, table)

    def _pump(self, table: str) -> None:
        batch = self.waiting[table][:STREAM_BATCH]
        process = self.engine.spawn(
            f"announce {table}", partial(self.read, {"Records": batch}, None)
        )
        process.done = partial(self._read, table, len(batch))

    def _read(self, table: str, count: int, process: Process) -> None:
        if process.failure is not None:
            self.failed(process.failure)
        repeated = self._draws.chance(self.engine.mood.repeats_per_mille)
        calm = self.engine.now_ms >= self.engine.calm_at_ms
        if process.gone or process.failure is not None or (repeated and not calm):
            self.engine.at(self.engine.now_ms + REDELIVER_MS, self._pump, table)
            return
        del self.waiting[table][:count]
        if self.waiting[table]:
            self.engine.at(self.engine.now_ms + 5, self._pump, table)
        else:
            self._running.discard(table)


class Bus:
    """EventBridge with the one rule there is: every event of ours goes to NotifyQueue."""

    def __init__(self, engine: Engine, queues: Queues, *, told: bool) -> None:
        self.engine = engine
        self.queues = queues
        self.told = told

    def put_events(self, *, Entries: list[Any]) -> Any:
        def effect() -> Any:
            for entry in Entries if self.told else ():
                self.queues.put("notify", json.dumps({"detail": json.loads(entry["Detail"])}), 0)
            return {"FailedEntryCount": 0}

        return self.engine.call("events.PutEvents", effect)


class Files:
    """S3: whole objects by name."""

    def __init__(self, engine: Engine, objects: dict[str, bytes]) -> None:
        self.engine = engine
        self.objects = objects
        self.written: Callable[[str, bytes], None] = lambda _key, _content: None

    def put_object(self, *, Bucket: str, Key: str, Body: bytes, ContentType: str = "") -> Any:
        del Bucket, ContentType

        def effect() -> Any:
            self.objects[Key] = Body
            self.written(Key, Body)
            return {}

        return self.engine.call("s3.PutObject", effect, money=True)

    def get_object(self, *, Bucket: str, Key: str) -> Any:
        del Bucket

        def effect() -> Any:
            if Key not in self.objects:
                answer: Any = {
                    "Error": {"Code": "NoSuchKey", "Message": "There is no such object."}
                }
                raise ClientError(answer, "GetObject")
            body = self.objects[Key]
            return {"Body": io.BytesIO(body), "ContentLength": len(body)}

        return self.engine.call("s3.GetObject", effect)

    def get_paginator(self, name: str) -> "Files":
        assert name == "list_objects_v2", "nothing else is listed"
        return self

    def paginate(self, *, Bucket: str, Prefix: str) -> Iterator[Any]:
        """Names in their order, a page a call; what is written meanwhile may be missing."""
        del Bucket
        after: str | None = ""
        while after is not None:
            page = self.engine.call("s3.ListObjectsV2", partial(self._page, Prefix, after))
            yield {"Contents": [{"Key": key} for key in page]} if page else {}
            after = page[-1] if len(page) == LIST_PAGE else None

    def _page(self, prefix: str, after: str) -> list[str]:
        found = (key for key in self.objects if key.startswith(prefix) and key > after)
        return sorted(found)[:LIST_PAGE]


class Vault:
    """KMS envelope encryption, without the encryption: what is sealed for whom can be opened."""

    def seal(self, plain: bytes, context: str) -> bytes:
        return b"kms:" + plain + b"|" + context.encode()

    def open(self, sealed: bytes, context: str) -> bytes:
        plain, _, owner = sealed.removeprefix(b"kms:").rpartition(b"|")
        assert owner.decode() == context, "sealed for somebody else"
        return plain
