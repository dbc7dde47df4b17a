"""A lab in this process: the real handler on a moto table, a clock set by hand, no sleeping.

`LabHttp` is the way out that channels get: it turns a call into the gateway's event and the answer
back. A party that would have slept past the caller's time-out is Silence, with its effect done.
"""

import base64
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import RLock
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import boto3
from moto import mock_aws

from functions.lab import handler
from functions.lab.clock import Clock
from functions.lab.store import Store
from functions.lab.world import World
from payvand.errors import Silence

BASE = "https://pay.example"
TABLE = "lab"
START = datetime(2026, 5, 4, 8, 30, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Got:
    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class MemoryFiles:
    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    def names(self, prefix: str) -> list[str]:
        return [name for name in self.kept if name.startswith(prefix)]

    def read(self, name: str) -> bytes | None:
        return self.kept.get(name)

    def write(self, name: str, body: bytes) -> None:
        self.kept[name] = body


@dataclass
class Product:
    """What the lab's parties reach of ours: calls are kept, answers come from `answer`."""

    answer: Got = field(default_factory=lambda: Got(200, {}, b"RECEIVED"))
    silent: bool = False
    calls: list[tuple[str, str, Mapping[str, str], bytes]] = field(default_factory=list)

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes = b"",
        timeout_s: float,
    ) -> Got:
        assert timeout_s > 0
        self.calls.append((method, url, headers, body))
        if self.silent:
            raise Silence("made up")
        return self.answer


class OneAtATime:
    """The fake account takes one call at a time: its conditions hold within a call only.

    Calls of parallel requests still interleave, which is what the lab's conditions are for.
    """

    def __init__(self, client: object) -> None:
        self._client = client
        self._turn = RLock()

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        if not callable(found):
            return found

        def in_turn(*args: Any, **kwargs: Any) -> Any:
            with self._turn:
                return found(*args, **kwargs)

        return in_turn


class Lab:
    """The lab, its clock and its outside."""

    def __init__(self) -> None:
        client = boto3.client("dynamodb", region_name="us-east-1")
        client.create_table(
            TableName=TABLE,
            KeySchema=[
                {"AttributeName": "pk", "KeyType": "HASH"},
                {"AttributeName": "sk", "KeyType": "RANGE"},
            ],
            AttributeDefinitions=[
                {"AttributeName": "pk", "AttributeType": "S"},
                {"AttributeName": "sk", "AttributeType": "S"},
            ],
            BillingMode="PAY_PER_REQUEST",
        )
        turns: Any = OneAtATime(client)
        self.real = START
        self.slept: list[float] = []
        self.files = MemoryFiles()
        self.product = Product()
        self.world = World(
            store=Store(turns, TABLE),
            clock=Clock(turns, TABLE, lambda: self.real),
            files=self.files,
            http=self.product,
            sleep=self.slept.append,
            public_base=BASE,
            controls_open=True,
        )

    def later(self, seconds: int) -> None:
        self.real += timedelta(seconds=seconds)

    def call(
        self,
        method: str,
        path: str,
        body: bytes | str | dict[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
    ) -> Got:
        """One request as the gateway hands it over; `path` may be a full address."""
        parts = urlsplit(path)
        if isinstance(body, dict):
            body = json.dumps(body)
        if form is not None:
            body = urlencode(form)
        raw = body.encode() if isinstance(body, str) else (body or b"")
        event = {
            "httpMethod": method,
            "path": parts.path,
            "queryStringParameters": dict(parse_qsl(parts.query)) or None,
            "headers": dict(headers or {}),
            "body": base64.b64encode(raw).decode() if raw else None,
            "isBase64Encoded": bool(raw),
            "requestContext": {"stage": "v1", "domainName": "x.example", "path": parts.path},
        }
        answer = handler.answer(event, self.world)
        return Got(answer["statusCode"], answer["headers"], answer["body"].encode())


class LabHttp:
    """The `Http` that channels get, with the lab at the other end."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self.sent = 0

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes = b"",
        timeout_s: float,
    ) -> Got:
        assert url.startswith(BASE)
        self.sent += 1
        before = len(self._lab.slept)
        got = self._lab.call(method, url, body, headers)
        if sum(self._lab.slept[before:]) >= timeout_s:
            raise Silence("too slow")
        return got


@contextmanager
def running_lab() -> Iterator[Lab]:
    """A fresh lab on a fresh fake account."""
    with mock_aws():
        yield Lab()
