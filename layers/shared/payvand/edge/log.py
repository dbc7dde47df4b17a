"""One JSON line per call, with its CloudWatch metrics inside (embedded metric format).

Own code, because the usual logger and metrics libraries write two lines and cost 27 ms of cold
start; log volume is the second largest cost of a payment. Only ids and counts may be noted: `note`
takes a fixed set of names, so personal data has no door into a log (rule of
tests/edge/test_log.py).
"""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from payvand.errors import refusals

NAMESPACE: Final = "Payvand"
NAMES: Final = frozenset(
    {
        "route", "status", "code", "payment", "payout", "merchant", "mode", "channel", "verdict",
        "event",
        "endpoint", "book", "seal", "lines", "open", "refund", "tries", "answer", "day", "sent",
        "items", "key_state", "lane", "file", "problems",
    }
)  # fmt: skip

_dump: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode
_fields: dict[str, Any] = {}
_metrics: dict[str, tuple[float, str]] = {}
_started: list[float] = []


def begin() -> None:
    """Start the line of one call."""
    _fields.clear()
    _metrics.clear()
    _started[:] = [time.perf_counter()]


def note(**fields: str | int | None) -> None:
    """Add ids and counts to the line."""
    for name, value in fields.items():
        assert name in NAMES, f"{name} has no place in a log"
        if value is not None:
            _fields[name] = value


def metric(name: str, value: float = 1, unit: str = "Count") -> None:
    """Count something; the same name again adds up."""
    _metrics[name] = (_metrics.get(name, (0.0, unit))[0] + value, unit)


def error(exc: BaseException) -> None:
    """Note what went wrong: kind and place, AWS's own words on permissions, never the data."""
    import traceback  # a call that goes well does not load it

    last = traceback.extract_tb(exc.__traceback__)[-1:] if exc.__traceback__ else []
    _fields["error"] = type(exc).__name__
    _fields["at"] = [f"{frame.filename.rsplit('/', 2)[-1]}:{frame.lineno}" for frame in last]
    if isinstance(exc, refusals()):
        _fields["aws"] = f"{exc.operation_name}: {exc.response['Error'].get('Code')}"
        if "AccessDenied" in str(exc.response["Error"].get("Code")):
            _fields["denied"] = str(exc.response["Error"].get("Message"))
    metric("Errors")


class Failed(Exception):
    """What a handler without a caller raises: the kind of the fault, never its data."""


@contextmanager
def line(context: Any) -> Iterator[None]:
    """The line of one call that must raise to be woken again: written either way."""
    begin()
    try:
        yield
    except Exception as exc:  # noqa: BLE001 - it must raise, and say nothing of the data
        error(exc)
        raise Failed(type(exc).__name__) from None
    finally:
        end(context)


def end(context: Any = None) -> None:
    """Write the line."""
    line: dict[str, Any] = {
        "function": getattr(context, "function_name", None) or "local",
        "request": getattr(context, "aws_request_id", None),
        **_fields,
        "ms": round((time.perf_counter() - _started[0]) * 1000, 1) if _started else None,
    }
    if _metrics:
        line |= {name: value for name, (value, _) in _metrics.items()}
        shown = [{"Name": name, "Unit": unit} for name, (_, unit) in _metrics.items()]
        dimensions: list[list[str]] = [[]]
        if {"channel", "mode"} <= _fields.keys():
            dimensions.append(["channel", "mode"])
        line["_aws"] = {
            "Timestamp": int(time.time() * 1000),
            "CloudWatchMetrics": [
                {"Namespace": NAMESPACE, "Dimensions": dimensions, "Metrics": shown}
            ],
        }
    sys.stdout.write(_dump(line) + "\n")
    sys.stdout.flush()
