"""Alarms and the dashboard watch what there is: metrics the code emits, functions and queues."""

import ast
import json
import re
from functools import cache
from typing import Any, Final

import pytest

from tests.support import template

ROOT: Final = template.PATH.parent
ALARMS: Final = template.resources("AWS::CloudWatch::Alarm")
QUEUES: Final = template.resources("AWS::SQS::Queue")
AWS_METRICS: Final = {
    "AWS/SQS": {"ApproximateNumberOfMessagesVisible", "ApproximateAgeOfOldestMessage"},
    "AWS/Lambda": {"Duration", "Errors", "IteratorAge", "Throttles"},
}


@cache
def emitted() -> set[str]:
    """Every name given to `log.metric`."""
    names = {"Errors"}  # edge/log.py's own
    for folder in ("functions", "layers/shared/payvand"):
        for path in (ROOT / folder).rglob("*.py"):
            for part in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                match part:
                    case ast.Call(func=ast.Attribute(attr="metric"), args=[name, *_]):
                        names |= {
                            n.value
                            for n in ast.walk(name)
                            if isinstance(n, ast.Constant) and isinstance(n.value, str)
                        }
    return names


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_watches_a_metric_that_is_there_and_wakes_somebody(name: str) -> None:
    alarm = ALARMS[name]
    known = AWS_METRICS.get(alarm["Namespace"], emitted())
    assert alarm["Namespace"] in {"Payvand", *AWS_METRICS}
    assert alarm["MetricName"] in known
    assert alarm["AlarmActions"] == [{"Ref": "AlarmTopic"}]
    assert alarm["TreatMissingData"] == "notBreaching"
    assert re.search(r"Runbook: [a-z ]+\.$", alarm["AlarmDescription"])


def test_every_dead_letter_queue_has_its_alarm() -> None:
    watched = {
        dimension["Value"]["GetAtt"].removesuffix(".QueueName")
        for alarm in ALARMS.values()
        for dimension in alarm.get("Dimensions", [])
        if dimension["Name"] == "QueueName"
    }
    assert watched == {name for name in QUEUES if name.endswith("DeadQueue")}
    for alarm in ALARMS.values():
        if alarm["Namespace"] == "AWS/SQS":
            assert (alarm["Threshold"], alarm["EvaluationPeriods"]) == (0, 1)


def test_money_at_risk_wakes_somebody_at_once() -> None:
    alarm = ALARMS["MoneyAtRiskAlarm"]
    assert alarm["MetricName"] == "MoneyAtRisk"
    assert (alarm["Threshold"], alarm["Period"], alarm["EvaluationPeriods"]) == (0, 60, 1)


def test_alarms_may_reach_their_topic() -> None:
    """A topic under the managed key would be silent: alarms may not use that key."""
    topic = template.resources("AWS::SNS::Topic")["AlarmTopic"]
    assert "alias/aws/sns" not in json.dumps(topic)


def widgets() -> list[dict[str, Any]]:
    (dashboard,) = template.resources("AWS::CloudWatch::Dashboard").values()
    body: dict[str, Any] = json.loads(dashboard["DashboardBody"]["Sub"])
    found: list[dict[str, Any]] = body["widgets"]
    return found


@pytest.mark.parametrize("widget", widgets(), ids=lambda w: w["properties"]["title"])
def test_a_widget_shows_what_is_there(widget: dict[str, Any]) -> None:
    folders = {template.folder(name) for name in template.functions()}
    for namespace, metric, *dimensions in widget["properties"]["metrics"]:
        assert metric in AWS_METRICS.get(namespace, emitted())
        match dimensions:
            case []:
                assert namespace == "Payvand"
            case ["QueueName", queue]:
                assert re.fullmatch(r"\$\{(\w+)\.QueueName\}", queue)
                assert queue[2:].removesuffix(".QueueName}") in QUEUES
            case ["FunctionName", function]:
                assert function.removeprefix("${AWS::StackName}-") in folders
            case _:
                pytest.fail(f"unknown dimensions {dimensions}")


def test_widgets_do_not_lie_on_each_other() -> None:
    cells = [
        (x, y)
        for w in widgets()
        for x in range(w["x"], w["x"] + w["width"])
        for y in range(w["y"], w["y"] + w["height"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24


def test_every_metric_is_on_the_dashboard_or_in_an_alarm() -> None:
    """What nobody looks at need not be counted."""
    shown = {m[1] for w in widgets() for m in w["properties"]["metrics"]}
    alarmed = {alarm["MetricName"] for alarm in ALARMS.values()}
    assert {name for name in emitted() if "." not in name} <= shown | alarmed
