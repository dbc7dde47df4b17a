"""Queues: timers on the book's own clock, workers that fail one message at a time."""

import json
from typing import Any

import pytest

from payvand.edge.queue import DELAY_MAX_S, Delivery, Later, Queues, worker
from payvand.ids import Mode
from payvand.store.clock import Moment

NOW_MS = 1_772_353_025_000
SLICE_S = 2


class Sqs:
    """Remembers what was sent."""

    def __init__(self, *, failing: int = 0) -> None:
        self.sent: list[dict[str, Any]] = []
        self.batches: list[list[dict[str, Any]]] = []
        self.shown: list[dict[str, Any]] = []
        self.failing = failing

    def send_message(self, **message: Any) -> None:
        self.sent.append(message)

    def send_message_batch(self, **batch: Any) -> dict[str, Any]:
        self.batches.append(batch["Entries"])
        return {"Failed": [{"Id": "0"}] * self.failing}

    def change_message_visibility(self, **asked: Any) -> None:
        self.shown.append(asked)


def at(seconds: float = 0, mode: Mode = "live") -> Moment:
    return Moment(NOW_MS + int(seconds * 1000), mode)


@pytest.fixture
def sqs() -> Sqs:
    return Sqs()


@pytest.fixture
def queues(sqs: Sqs) -> Queues:
    return Queues(sqs, SLICE_S)  # type: ignore[arg-type]


def test_no_delay_is_longer_than_a_queue_can_wait(queues: Queues, sqs: Sqs) -> None:
    queues.send("q", {"payment": "pay_1"}, 5_000)
    assert sqs.sent == [
        {"QueueUrl": "q", "MessageBody": '{"payment":"pay_1"}', "DelaySeconds": DELAY_MAX_S}
    ]


@pytest.mark.parametrize(
    ("mode", "after_s", "delay_s"),
    [
        ("live", 300, 300), ("live", 900, 900), ("live", 86_400, 900), ("live", 0, 0),
        ("live", -5, 0), ("live", 0.4, 0), ("test", 300, SLICE_S), ("test", 1, 1),
    ],
)  # fmt: skip
def test_a_timer_waits_as_long_as_it_may(
    queues: Queues, sqs: Sqs, mode: Mode, after_s: float, delay_s: int
) -> None:
    queues.timer("q", {"payment": "pay_1"}, at(mode=mode), after_s)
    [message] = sqs.sent
    assert message["DelaySeconds"] == delay_s
    assert json.loads(message["MessageBody"])["due"] == NOW_MS + int(after_s * 1000)


@pytest.mark.parametrize("mode", ["live", "test"])
def test_a_timer_that_wakes_early_keeps_its_moment(queues: Queues, sqs: Sqs, mode: Mode) -> None:
    message = {"payment": "pay_1", "n": 3, "due": NOW_MS + 1_000_400}
    assert queues.early("q", message, at(mode=mode))
    [sent] = sqs.sent
    assert json.loads(sent["MessageBody"]) == message
    assert sent["DelaySeconds"] == (900 if mode == "live" else SLICE_S)


@pytest.mark.parametrize("late_s", [0, 0.001, 1, 10_000])
def test_a_timer_that_is_due_is_not_sent_on(queues: Queues, sqs: Sqs, late_s: float) -> None:
    assert not queues.early("q", {"payment": "pay_1", "due": NOW_MS}, at(late_s))
    assert sqs.sent == []


def test_a_message_without_a_moment_is_due(queues: Queues) -> None:
    assert not queues.early("q", {"payment": "pay_1"}, at())


def test_a_moved_clock_is_noticed_within_a_slice(queues: Queues, sqs: Sqs) -> None:
    queues.timer("q", {"payment": "pay_1"}, at(mode="test"), 3_600)
    message = json.loads(sqs.sent[0]["MessageBody"])
    assert queues.early("q", message, at(SLICE_S, "test"))
    assert not queues.early("q", message, at(3_600, "test"))


def test_many_go_in_tens(queues: Queues, sqs: Sqs) -> None:
    queues.send_many("q", [{"n": n} for n in range(23)])
    assert [len(batch) for batch in sqs.batches] == [10, 10, 3]
    told = [json.loads(entry["MessageBody"])["n"] for batch in sqs.batches for entry in batch]
    assert told == list(range(23))
    assert all(len({entry["Id"] for entry in batch}) == len(batch) for batch in sqs.batches)


def test_a_message_that_was_not_taken_is_an_error() -> None:
    with pytest.raises(RuntimeError):
        Queues(Sqs(failing=1), 1).send_many("q", [{"n": 1}])  # type: ignore[arg-type]


def test_nothing_to_send_is_no_call(queues: Queues, sqs: Sqs) -> None:
    queues.send_many("q", [])
    assert sqs.batches == []


# ── Workers ───────────────────────────────────────────────────────────────────────────────────────


def record(n: int, body: str | None = None, tries: int = 1) -> dict[str, Any]:
    return {
        "messageId": f"m{n}",
        "receiptHandle": f"r{n}",
        "body": json.dumps({"n": n}) if body is None else body,
        "attributes": {"ApproximateReceiveCount": str(tries)},
    }


def failed(answer: dict[str, Any]) -> list[str]:
    return [one["itemIdentifier"] for one in answer["batchItemFailures"]]


def test_a_bad_message_takes_no_neighbour(capsys: pytest.CaptureFixture[str]) -> None:
    done: list[int] = []

    def handle(delivery: Delivery) -> None:
        if delivery.message["n"] == 2:
            raise ValueError("مریم 6219861012345678")
        done.append(delivery.message["n"])

    records = [record(1), record(2), record(3, "not json"), record(4)]
    assert failed(worker(handle)({"Records": records}, None)) == ["m2", "m3"]
    assert done == [1, 4]
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4 and "6219861012345678" not in "".join(lines)
    assert [json.loads(one).get("error") for one in lines] == [
        None, "ValueError", "JSONDecodeError", None,
    ]  # fmt: skip


def test_a_worker_knows_how_often_it_was_tried() -> None:
    seen: list[int] = []
    run = worker(lambda delivery: seen.append(delivery.tries))
    bare = {"messageId": "m", "receiptHandle": "r", "body": "{}"}
    run({"Records": [record(1, tries=7), bare]}, None)
    assert seen == [7, 1]


def test_later_shows_the_message_again_without_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    postponed: list[tuple[str, int]] = []

    def handle(_: Delivery) -> None:
        raise Later(30)

    run = worker(handle, postpone=lambda receipt, delay_s: postponed.append((receipt, delay_s)))
    assert failed(run({"Records": [record(1)]}, None)) == ["m1"]
    assert postponed == [("r1", 30)]
    assert "error" not in json.loads(capsys.readouterr().out)


def test_postponing_changes_visibility(queues: Queues, sqs: Sqs) -> None:
    queues.postpone("q", "r1", 30)
    assert sqs.shown == [{"QueueUrl": "q", "ReceiptHandle": "r1", "VisibilityTimeout": 30}]


def test_a_message_that_cannot_be_postponed_takes_no_neighbour(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def handle(delivery: Delivery) -> None:
        if delivery.message["n"] == 1:
            raise Later(30)

    def postpone(receipt: str, delay_s: int) -> None:
        raise TimeoutError(receipt)

    answer = worker(handle, postpone=postpone)({"Records": [record(1), record(2)]}, None)
    assert failed(answer) == ["m1"]
    lines = [json.loads(one) for one in capsys.readouterr().out.splitlines()]
    assert [one.get("error") for one in lines] == ["TimeoutError", None]
