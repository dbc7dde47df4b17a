"""SQS: sending, timers, and workers with partial failure.

Timers carry the moment they are due. A queue can wait fifteen minutes at most, and a test book's
clock may be moved forward, so a timer that wakes early is sent on for the rest of its time; in test
mode it sleeps in short slices and notices a moved clock within one.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from payvand.edge import log
from payvand.store.clock import Moment

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

DELAY_MAX_S: Final = 900
BATCH_MAX: Final = 10
Message = Mapping[str, Any]


class Later(Exception):
    """Raised by a worker to see the same message again after `delay_s` (by its visibility)."""

    def __init__(self, delay_s: int) -> None:
        super().__init__(delay_s)
        self.delay_s = delay_s


class Queues:
    """Sends messages that carry ids, not state."""

    def __init__(self, client: "SQSClient", test_slice_s: int) -> None:
        self._client = client
        self._test_slice_s = test_slice_s

    def send(self, url: str, message: Message, delay_s: int = 0) -> None:
        """Send one message."""
        self._client.send_message(
            QueueUrl=url, MessageBody=_dump(message), DelaySeconds=min(delay_s, DELAY_MAX_S)
        )

    def send_many(self, url: str, messages: Sequence[Message]) -> None:
        """Send messages in batches. Raises when any was not taken, so the caller is run again."""
        for start in range(0, len(messages), BATCH_MAX):
            entries = [
                {"Id": str(n), "MessageBody": _dump(message)}
                for n, message in enumerate(messages[start : start + BATCH_MAX])
            ]
            answer = self._client.send_message_batch(QueueUrl=url, Entries=entries)  # type: ignore[arg-type]
            if answer.get("Failed"):
                raise RuntimeError(f"{len(answer['Failed'])} messages were not taken")

    def timer(self, url: str, message: Message, now: Moment, after_s: float) -> None:
        """Wake a worker `after_s` seconds of the book's own time from now."""
        slice_s = self._test_slice_s if now.mode == "test" else DELAY_MAX_S
        delay_s = max(0, min(int(after_s), slice_s))
        self.send(url, {**message, "due": now.ms + int(after_s * 1000)}, delay_s)

    def early(self, url: str, message: Message, now: Moment) -> bool:
        """Whether a timer woke before it is due; if so it has been sent on."""
        left_ms = message.get("due", 0) - now.ms
        if left_ms <= 0:
            return False
        self.timer(url, {k: v for k, v in message.items() if k != "due"}, now, left_ms / 1000)
        return True

    def postpone(self, url: str, receipt: str, delay_s: int) -> None:
        """Show a message again after `delay_s`."""
        self._client.change_message_visibility(
            QueueUrl=url, ReceiptHandle=receipt, VisibilityTimeout=delay_s
        )


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message as a worker gets it."""

    message: dict[str, Any]
    tries: int


_dump: Final = json.JSONEncoder(separators=(",", ":")).encode


def _postpone(postpone: Callable[[str, int], None] | None, receipt: str, delay_s: int) -> None:
    """Show the message later; when that fails, it is seen when its visibility ends anyway."""
    assert postpone is not None, "this worker does not postpone"
    try:
        postpone(receipt, delay_s)
    except Exception as exc:  # noqa: BLE001 - its neighbours' answers must still be given
        log.error(exc)


def worker(
    handle: Callable[[Delivery], None], *, postpone: Callable[[str, int], None] | None = None
) -> Callable[[dict[str, Any], Any], dict[str, Any]]:
    """A Lambda handler for a queue: each message alone, those that failed are seen again."""

    def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
        failures = []
        for record in event["Records"]:
            log.begin()
            try:
                tries = int(record.get("attributes", {}).get("ApproximateReceiveCount", "1"))
                handle(Delivery(json.loads(record["body"]), tries))
            except Later as later:
                failures.append({"itemIdentifier": record["messageId"]})
                _postpone(postpone, record["receiptHandle"], later.delay_s)
            except Exception as exc:  # noqa: BLE001 - one bad message must not take its neighbours
                log.error(exc)
                failures.append({"itemIdentifier": record["messageId"]})
            log.end(context)
        return {"batchItemFailures": failures}

    return lambda_handler
