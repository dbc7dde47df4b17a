"""Embedded metrics in log lines become CloudWatch metrics, which AWS does by itself."""

import datetime as dt
import json
from collections import defaultdict
from typing import Any

from payvand_cli.logs import Line
from payvand_cli.stack import Stack

PER_CALL = 500


def data_points(message: str) -> dict[str, list[dict[str, Any]]]:
    """The metric data in one log line, by namespace; empty when it holds none."""
    if '"_aws"' not in message:
        return {}
    try:
        line = json.loads(message)
        about = line["_aws"]
        at = dt.datetime.fromtimestamp(about["Timestamp"] / 1000, dt.UTC)
        found: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for block in about["CloudWatchMetrics"]:
            for names in block.get("Dimensions") or [[]]:
                dimensions = [{"Name": n, "Value": str(line[n])} for n in names if n in line]
                for metric in block["Metrics"]:
                    value = line[metric["Name"]]
                    values = [float(v) for v in (value if isinstance(value, list) else [value])]
                    found[block["Namespace"]].append(
                        {
                            "MetricName": metric["Name"],
                            "Unit": metric.get("Unit", "None"),
                            "Values": values,
                            "Counts": [1.0] * len(values),
                            "Timestamp": at,
                            "Dimensions": dimensions,
                        }
                    )
    except (ValueError, KeyError, TypeError):
        return {}  # not embedded metrics after all; CloudWatch ignores such lines too
    return dict(found)


def forward(stack: Stack, lines: list[Line]) -> int:
    """Put the metrics of these lines; how many data points that were."""
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for line in lines:
        for namespace, points in data_points(line.message).items():
            found[namespace] += points
    for namespace, points in found.items():
        for start in range(0, len(points), PER_CALL):
            stack.cloudwatch.put_metric_data(
                Namespace=namespace,
                MetricData=points[start : start + PER_CALL],  # type: ignore[arg-type]
            )
    return sum(map(len, found.values()))
