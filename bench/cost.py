"""What a million payments cost: counted figures times dated list prices.

Counted: requests, units, messages, log bytes, CPU time. Assumed, for all alike: how long AWS and a
channel take to answer, and that 512 MB get their share of a processor. Left out, for all alike: the
authorizer (cached for a minute), storage, alarms, keys, telling the merchant (the conventional
stack has no webhooks), X-Ray (none sampled) and cold starts.
"""

from typing import Any, Final

Json = dict[str, Any]

PRICED: Final = "2024-11"
REGION: Final = "us-east-1"
SOURCES: Final = {
    "DynamoDB on demand": "https://aws.amazon.com/dynamodb/pricing/on-demand/",
    "Lambda, arm64": "https://aws.amazon.com/lambda/pricing/",
    "API Gateway, REST": "https://aws.amazon.com/api-gateway/pricing/",
    "SQS, standard": "https://aws.amazon.com/sqs/pricing/",
    "CloudWatch logs": "https://aws.amazon.com/cloudwatch/pricing/",
    "S3": "https://aws.amazon.com/s3/pricing/",
}
WRITE_UNIT: Final = 0.625e-6
READ_UNIT: Final = 0.125e-6
GB_S: Final = 0.0000133334
INVOCATION: Final = 0.20e-6
REST_CALL: Final = 3.50e-6
QUEUE_CALL: Final = 0.40e-6
LOG_BYTE: Final = 0.50e-9
FILE_PUT: Final = 5e-6

MEMORY_MB: Final = 512
WHOLE_CPU_MB: Final = 1769
"""Memory at which Lambda gives one whole processor."""
AWS_CALL_MS: Final = 4.0
CHANNEL_MS: Final = 300.0
QUEUE_CALLS: Final = 3
"""A message is sent, received and deleted."""
DAY: Final = 10_000
"""Payments of the day whose settlement is shared out."""


def table(report: Json) -> dict[str, dict[str, float]]:
    """Dollars for a million payments, by candidate and part."""
    return {name: _life(report["flows"], name) for name in ("ours", "conventional")}


def _life(flows: Json, name: str) -> dict[str, float]:
    """Create, callback, what watches it afterwards, its share of a settlement."""
    parts = dict.fromkeys(("API Gateway", "Lambda", "DynamoDB", "SQS and S3", "logs"), 0.0)
    for flow in ("create", "callback", "watch"):
        if name not in flows[flow]:
            continue
        entry = flows[flow][name]
        _add(parts, entry["counts"]["warm"], entry["warm"]["us"]["median"], 1.0)
        parts["API Gateway"] += REST_CALL if flow != "watch" else 0.0
    settle = flows["settle"][name]
    cpu_us = settle["settle"][str(DAY)]["us"]["median"] * DAY
    _add(parts, settle["counts"][f"settle_{DAY}"], cpu_us, 1.0 / DAY)
    found = {part: round(dollars * 1e6, 3) for part, dollars in parts.items()}
    return {**found, "sum": round(sum(found.values()), 3)}


def _add(parts: dict[str, float], counts: Json, cpu_us: float, share: float) -> None:
    calls: dict[str, float] = counts["calls"]
    channel = sum(n for name, n in calls.items() if name.startswith("http."))
    aws = sum(calls.values()) - channel
    ms = cpu_us / 1000 * WHOLE_CPU_MB / MEMORY_MB + aws * AWS_CALL_MS + channel * CHANNEL_MS
    messages = sum(n for name, n in calls.items() if name.startswith("sqs."))
    files = sum(n for name, n in calls.items() if name == "s3.PutObject")
    parts["Lambda"] += share * (INVOCATION + ms / 1000 * MEMORY_MB / 1024 * GB_S)
    parts["DynamoDB"] += share * (
        counts["write_units"] * WRITE_UNIT + counts["read_units"] * READ_UNIT
    )
    parts["SQS and S3"] += share * (messages * QUEUE_CALLS * QUEUE_CALL + files * FILE_PUT)
    parts["logs"] += share * counts["log_bytes"] * LOG_BYTE
