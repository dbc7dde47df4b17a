"""Log lines become one tidy line each, and metrics where they hold some."""

import json

import pytest

from payvand_cli.logs import Line, tidy
from payvand_cli.metrics import data_points

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
