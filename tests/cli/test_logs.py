"""Log lines become one tidy line each, and metrics where they hold some."""

import json

import pytest
from botocore.exceptions import ClientError

from payvand_cli import logs
from payvand_cli.logs import Follower, Line, Reader, tidy
from payvand_cli.metrics import data_points
from tests.support.waiting import until

METRICS = {
    "level": "INFO",
    "event": "payment.executed",
    "payment": "pay_1",
    "channel": "zarinpal",
    "executed": 1,
    "latency": [12, 30],
    "_aws": {
        "Timestamp": 1_795_408_469_234,
        "CloudWatchMetrics": [
            {
                "Namespace": "Payvand",
                "Dimensions": [["channel"], []],
                "Metrics": [
                    {"Name": "executed", "Unit": "Count"},
                    {"Name": "latency", "Unit": "Milliseconds"},
                ],
            }
        ],
    },
}


def shown(message: str) -> str | None:
    text = tidy(Line("payment_verify", 1_795_408_469_234, message))
    return text.plain.split(" ", 1)[1] if text else None


def test_structured_lines_say_what_happened_first() -> None:
    assert shown(json.dumps(METRICS)) == (
        "payment_verify  info    payment.executed payment=pay_1 channel=zarinpal"
    )


def test_plain_and_broken_lines_stay_on_one_line() -> None:
    assert shown("Traceback\n  boom") == "payment_verify  Traceback ⏎   boom"
    assert shown('{"half": ') == 'payment_verify  {"half": '


@pytest.mark.parametrize(
    "line", ["START RequestId: 1", "END RequestId: 1", "REPORT RequestId: 1", ""]
)
def test_the_platforms_own_lines_are_left_out(line: str) -> None:
    assert shown(line) is None


def test_each_dimension_set_gets_each_metric() -> None:
    points = data_points(json.dumps(METRICS))["Payvand"]
    assert [(p["MetricName"], p["Values"], len(p["Dimensions"])) for p in points] == [
        ("executed", [1.0], 1),
        ("latency", [12.0, 30.0], 1),
        ("executed", [1.0], 0),
        ("latency", [12.0, 30.0], 0),
    ]
    assert points[0]["Dimensions"] == [{"Name": "channel", "Value": "zarinpal"}]


@pytest.mark.parametrize("line", ["", "x", '{"_aws": 1}', '{"_aws": {"Timestamp": 1}}', '"_aws"'])
def test_lines_without_metrics_have_none(line: str) -> None:
    assert data_points(line) == {}


def test_lines_that_nobody_took_are_handed_out_again(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = Line("a", 1, "first"), Line("a", 2, "second")
    reads = iter([[first], [second]])
    taken: list[list[Line]] = []

    def listen(lines: list[Line]) -> None:
        taken.append(list(lines))
        if len(taken) == 1:
            raise ClientError({"Error": {"Code": "InternalError"}}, "PutMetricData")

    monkeypatch.setattr(logs, "POLL_S", 0.001)
    monkeypatch.setattr(Reader, "read", lambda _: next(reads, []))
    follower = Follower(None, 0)  # type: ignore[arg-type]
    follower.listeners.append(listen)
    follower.start()
    until(lambda: [] in taken, 5)
    follower.stop()
    assert taken[:3] == [[first], [first, second], []]
