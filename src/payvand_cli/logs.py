"""Follow the functions' logs: one tidy line for each log line."""

import datetime as dt
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from botocore.exceptions import BotoCoreError, ClientError
from rich.text import Text

from payvand_cli.handle import opened
from payvand_cli.show import console
from payvand_cli.stack import Stack

GROUPS = "/aws/lambda/"
PLATFORM = ("START RequestId", "END RequestId", "REPORT RequestId", "INIT_START")
POLL_S = 2.0
LATE_MS = 5_000
FIRST = ("level", "event", "message", "msg")
DULL = {"_aws", "function", "request", "timestamp", *FIRST}
COLOURS = {"ERROR": "red", "CRITICAL": "red", "WARNING": "yellow", "INFO": "green"}


@dataclass(frozen=True)
class Line:
    """One log line as CloudWatch has it."""

    function: str
    at_ms: int
    message: str


class Reader:
    """Reads each log line once, in order of time.

    The emulator's lines have no ids and may arrive a little late, so each read looks back a while
    and tells lines apart by stream, time and text; equal ones are counted.
    """

    def __init__(self, stack: Stack, since_ms: int) -> None:
        self._stack = stack
        self._since_ms = since_ms
        self._seen: Counter[tuple[str, int, str]] = Counter()

    def read(self) -> list[Line]:
        """What is new since the last call."""
        looked_at_ms = int(time.time() * 1000)
        new: list[Line] = []
        now: Counter[tuple[str, int, str]] = Counter()
        pages = self._stack.logs.get_paginator("describe_log_groups")
        for page in pages.paginate(logGroupNamePrefix=GROUPS):
            for group in page["logGroups"]:
                for key, line in self._lines(group["logGroupName"]):
                    now[key] += 1
                    if now[key] > self._seen[key]:
                        new.append(line)
        self._since_ms = max(self._since_ms, looked_at_ms - LATE_MS)
        self._seen = Counter({k: n for k, n in now.items() if k[1] >= self._since_ms})
        return sorted(new, key=lambda line: line.at_ms)

    def _lines(self, group: str) -> Iterator[tuple[tuple[str, int, str], Line]]:
        function = group.removeprefix(GROUPS).removeprefix(f"{self._stack.name}-")
        pages = self._stack.logs.get_paginator("filter_log_events")
        for page in pages.paginate(logGroupName=group, startTime=self._since_ms):
            for event in page["events"]:
                at, text = event["timestamp"], event["message"].rstrip()
                yield (event["logStreamName"], at, text), Line(function, at, text)


class Follower:
    """Polls from a thread of its own and hands new lines to each listener."""

    def __init__(self, stack: Stack, since_ms: int) -> None:
        self.listeners: list[Callable[[list[Line]], object]] = []
        self._reader = Reader(stack, since_ms)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="logs", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End before the next poll."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(3 * POLL_S)

    def _run(self) -> None:
        new: list[Line] = []
        while not self._ended.wait(POLL_S):
            try:
                new += self._reader.read()
                for listen in self.listeners:
                    listen(new)
            except (BotoCoreError, ClientError):
                continue  # busy or going away; the next poll hands out the same lines
            new = []


def tidy(line: Line) -> Text | None:
    """One log line for people; None for the platform's own."""
    if not line.message or line.message.startswith(PLATFORM):
        return None
    at = dt.datetime.fromtimestamp(line.at_ms / 1000).astimezone()
    text = Text(f"{at:%H:%M:%S} ", style="dim").append(f"{line.function:<15} ", style="cyan")
    fields = _fields(line.message)
    if fields is None:
        return text.append(line.message.replace("\n", " ⏎ "), style="default")
    level = str(fields.get("level", "INFO")).upper()
    what = next((fields[name] for name in FIRST[1:] if fields.get(name)), "")
    text.append(f"{level.lower():<7} ", style=COLOURS.get(level, "default"))
    text.append(str(what), style="bold")
    metrics = _metric_names(fields)
    for name, value in fields.items():
        if name not in DULL and name not in metrics and value not in (None, ""):
            shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            text.append(f" {name}=", style="dim").append(
                shown.replace("\n", " ⏎ "), style="default"
            )
    return text


def _fields(message: str) -> dict[str, Any] | None:
    if not message.startswith("{"):
        return None
    try:
        found = json.loads(message)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _metric_names(fields: dict[str, Any]) -> set[str]:
    try:
        blocks = fields["_aws"]["CloudWatchMetrics"]
        return {metric["Name"] for block in blocks for metric in block["Metrics"]}
    except (KeyError, TypeError):
        return set()


def print_lines(lines: list[Line]) -> None:
    """Print the lines that are for people."""
    for line in lines:
        if text := tidy(line):
            console.print(text, soft_wrap=True, highlight=False)


def logs(
    *,
    since_min: Annotated[int, typer.Option("--since", help="Minutes to look back.")] = 10,
    function: Annotated[str, typer.Option(help="Only this function, e.g. payment_init.")] = "",
    follow: Annotated[bool, typer.Option(help="Keep following.")] = True,
) -> None:
    """Show the functions' logs and follow them."""
    stack = opened().stack
    reader = Reader(stack, int((time.time() - since_min * 60) * 1000))
    while True:
        print_lines([line for line in reader.read() if function in ("", line.function)])
        if not follow:
            return
        time.sleep(POLL_S)
