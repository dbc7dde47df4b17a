"""AWS and one channel on loopback, for every candidate alike: same process, protocol and answers.

Each measured process signs with an access key of its own and so meets a world of its own: tables,
queues, files and a meter. Signatures are not checked.

    POST /_bench/seeds/<name>       {"tables": …, "items": …} keeps a state to start from
    POST /_bench/worlds/<name>      {"seed": …, "secrets": …} makes a world, one of its seed
    GET  /_bench/worlds/<name>/lap  what was called since the last lap
    GET  /_bench/worlds/<name>      what it holds: payments by status, sums, seals, messages
"""

import asyncio
import base64
import hashlib
import json
import re
import sys
import time
import zlib
from collections import Counter
from collections.abc import Mapping
from email.utils import formatdate
from typing import Any, Final, override
from urllib.parse import unquote

from botocore.exceptions import ClientError

from payvand_cli.simulate.memory import KeySchema, Memory, Meter

REASON: Final = {200: "OK", 400: "Bad Request", 404: "Not Found"}


_WORD_START: Final = re.compile(r"(?<!^)(?=[A-Z])")


class Refused(Exception):
    """An answer that is an error."""

    def __init__(self, code: str, **more: Any) -> None:
        super().__init__(code)
        self.code, self.more = code, more


class Seed:
    """Tables with items in them, to start from again and again."""

    def __init__(self, tables: Mapping[str, list[str]], items: Mapping[str, Any]) -> None:
        schemas = {name: KeySchema(*key) for name, key in tables.items()}
        self.memory = Memory(schemas, now=time.time)
        for table, kept in items.items():
            for item in kept:
                self.memory.put_item(TableName=table, Item=from_json(item))
        self.snapshot = self.memory.snapshot()


class World:
    """What one measured process sees."""

    def __init__(self, seed: Seed, secrets: Mapping[str, str]) -> None:
        self.memory = seed.memory
        self.memory.restore(seed.snapshot)
        self.memory.meter = Meter()
        self.secrets = secrets
        self.files: dict[str, bytes] = {}
        self.messages: list[str] = []
        self.lap: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()

    def count(self, name: str, head: int, body: int) -> None:
        """Note one request."""
        self.calls[name] += 1
        self.lap["head_bytes"] += head
        self.lap["body_bytes"] += body

    def lapped(self) -> dict[str, Any]:
        """What was called since the last time."""
        meter, self.memory.meter = self.memory.meter, Meter()
        found = {
            **self.lap,
            "calls": dict(self.calls),
            "write_units": meter.wru,
            "read_units": meter.rru,
        }
        self.lap.clear()
        self.calls.clear()
        return found

    def shown(self) -> dict[str, Any]:
        """What a run left, as far as it is checked."""
        payments = self.memory.items("PaymentsTable")
        settled = self.memory.items("SettlementTable")
        return {
            "statuses": Counter(i["status"]["S"] for i in payments if "status" in i),
            "sums": [_to_json(i) for i in payments if i["pk"]["S"] == "sum"],
            "seals": [_to_json(i) for i in settled if i["sk"]["S"] != "head"],
            "messages": len(self.messages),
        }


def method(operation: str) -> str:
    """What the simulator's memory calls an operation: `PutItem` is `put_item`."""
    return _WORD_START.sub("_", operation).lower()


def from_json(value: Any) -> Any:
    """JSON says bytes in base64, a client says bytes."""
    if isinstance(value, dict):
        if value.keys() == {"B"} and isinstance(value["B"], str):
            return {"B": base64.b64decode(value["B"])}
        return {k: from_json(v) for k, v in value.items()}
    return [from_json(v) for v in value] if isinstance(value, list) else value


def _to_json(value: Any) -> Any:
    """The inverse."""
    if isinstance(value, Mapping):
        return {k: _to_json(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_to_json(v) for v in value]
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


def _dynamodb(memory: Memory, operation: str, request: Any) -> Any:
    act = getattr(memory, method(operation))
    try:
        answer = act(**from_json(request))
    except ClientError as exc:
        more: dict[str, Any] = {k: v for k, v in exc.response.items() if k != "ResponseMetadata"}
        error = more.pop("Error")
        raise Refused(error["Code"], message=error["Message"], **_to_json(more)) from None
    return _to_json({k: v for k, v in answer.items() if k != "ResponseMetadata"})


class Answer:
    """One HTTP answer."""

    def __init__(self, body: bytes, status: int = 200, kind: str = "application/json") -> None:
        self.body, self.status, self.kind = body, status, kind

    @classmethod
    def json(cls, value: Any, status: int = 200, kind: str = "application/json") -> "Answer":
        return cls(json.dumps(value, ensure_ascii=False).encode(), status, kind)

    def wire(self) -> bytes:
        head = (
            f"HTTP/1.1 {self.status} {REASON[self.status]}\r\n"
            f"Date: {formatdate(usegmt=True)}\r\n"
            f"Content-Type: {self.kind}\r\nContent-Length: {len(self.body)}\r\n"
            "x-amzn-RequestId: 5N9K1V8QF4T5SBUJ2E4EXAMPLE0VV4KQNSO5AEMVJF66Q9ASUAAJG\r\n"
            f"x-amz-crc32: {zlib.crc32(self.body)}\r\n\r\n"
        )
        return head.encode() + self.body


class Stub:
    """Every world, and the way to it."""

    def __init__(self) -> None:
        self.seeds: dict[str, Seed] = {}
        self.worlds: dict[str, World] = {}

    def answer(
        self, method: str, path: str, headers: Mapping[str, str], head: int, body: bytes
    ) -> Answer:
        """Answer one request."""
        parts = path.partition("?")[0].strip("/").split("/")
        if parts[0] == "_bench":
            return self._control(method, parts[1:], body)
        if parts[0] == "_channel":
            world = self.worlds[parts[1]]
            world.count(f"http.{parts[-1].removesuffix('.json')}", head, len(body))
            return _channel(json.loads(body))
        credential = headers["authorization"].partition("Credential=")[2]
        world = self.worlds[credential.partition("/")[0]]
        target = headers.get("x-amz-target")
        if target is None:
            return _file(world, method, "/".join(parts), head, body)
        service, _, operation = target.partition(".")
        name = {"DynamoDB_20120810": "dynamodb", "AmazonSQS": "sqs"}.get(service, service)
        world.count(f"{name}.{operation}", head, len(body))
        kind = headers["content-type"]
        try:
            return Answer.json(_called(world, name, operation, json.loads(body)), kind=kind)
        except Refused as refused:
            error = {"__type": f"com.amazonaws.{name}#{refused.code}", **refused.more}
            return Answer.json(error, 400, kind)

    def _control(self, method: str, parts: list[str], body: bytes) -> Answer:
        kind, name, *rest = parts
        if method == "GET":
            world = self.worlds[name]
            return Answer.json(world.lapped() if rest == ["lap"] else world.shown())
        wish = json.loads(body)
        if kind == "seeds":
            self.seeds[name] = Seed(wish["tables"], wish["items"])
        else:
            self.worlds = {name: World(self.seeds[wish["seed"]], wish["secrets"])}
        return Answer.json({})


def _called(world: World, service: str, operation: str, request: dict[str, Any]) -> Any:
    if service == "dynamodb":
        return _dynamodb(world.memory, operation, request)
    if operation == "SendMessage":
        return _sent(world, request["MessageBody"])
    if operation == "SendMessageBatch":
        sent = [{"Id": e["Id"], **_sent(world, e["MessageBody"])} for e in request["Entries"]]
        return {"Successful": sent, "Failed": []}
    if operation == "GetSecretValue":
        value = world.secrets[request["SecretId"]]
        return {"Name": request["SecretId"], "SecretString": value, "VersionId": "v"}
    raise Refused("UnknownOperationException", message=f"{service}.{operation}")


def _sent(world: World, body: str) -> dict[str, str]:
    world.messages.append(body)
    digest = hashlib.md5(body.encode(), usedforsecurity=False).hexdigest()
    return {"MessageId": f"m{len(world.messages)}", "MD5OfMessageBody": digest}


def _channel(request: Mapping[str, Any]) -> Answer:
    """The channel finds every payment paid; the receipt follows from the authority."""
    receipt = zlib.crc32(request["authority"].encode())
    data = {
        "code": 100,
        "message": "Verified",
        "card_hash": "0866A6EAEA5CB085E4CF6EF19296BF19647552DD5F96F1E530DB3AE61837EFE7",
        "card_pan": "603799******1234",
        "ref_id": receipt,
        "fee_type": "Merchant",
        "fee": 0,
    }
    return Answer.json({"data": data, "errors": []})


def _file(world: World, method: str, path: str, head: int, body: bytes) -> Answer:
    world.count(f"s3.{method.title()}Object", head, len(body))
    key = unquote(path)
    if method == "PUT":
        world.files[key] = body
        return Answer(b"", kind="application/xml")
    if key not in world.files:
        return Answer(b"<Error><Code>NoSuchKey</Code></Error>", 404, "application/xml")
    return Answer(world.files[key], kind="application/octet-stream")


class Connection(asyncio.Protocol):
    """HTTP/1.1 with keep-alive, as much of it as clients of AWS use."""

    def __init__(self, stub: Stub) -> None:
        self._stub = stub
        self._buffer = b""
        self._transport: asyncio.Transport | None = None
        self._continued = False

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    @override
    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            lines = self._buffer[:end].decode("latin-1").split("\r\n")
            method, path, _ = lines[0].split(" ", 2)
            headers = {k.lower(): v.strip() for k, _, v in (x.partition(":") for x in lines[1:])}
            length = int(headers.get("content-length", "0"))
            if headers.get("expect") == "100-continue" and not self._continued:
                self._continued = True
                self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            if len(self._buffer) < end + 4 + length:
                return
            body = self._buffer[end + 4 : end + 4 + length]
            self._buffer = self._buffer[end + 4 + length :]
            self._continued = False
            answer = self._stub.answer(method, path, headers, end + 4, body)
            self._transport.write(answer.wire())


async def serve() -> None:
    """Listen on a free loopback port, say which, until standard input ends."""
    stub = Stub()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(stub), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve())
