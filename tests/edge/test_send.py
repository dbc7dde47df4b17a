"""A merchant's address may be anywhere, and never inside."""

import base64
import datetime as dt
import json
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import standardwebhooks
import urllib3.util.connection

from functions.merchant_notify import handler, send
from functions.merchant_notify.send import post
from payvand import events, webhook
from payvand.store.webhooks import Endpoint
from tools import contracts, reference_page

PUBLIC = "93.184.216.34"
PUBLIC_6 = "2606:2800:220:1:248:1893:25c8:1946"
HOOK = "https://shop.example/hook"


class Wire:
    """Where connections would go; none is made."""

    def __init__(self) -> None:
        self.to: list[tuple[str, int]] = []
        self.names: list[str] = []

    def connect(self, address: tuple[str, int], *args: Any, **kwargs: Any) -> socket.socket:
        self.to.append(address)
        raise ConnectionRefusedError

    def resolver(self, *answers: list[str]) -> send.Resolve:
        said = iter(answers)

        def resolve(host: str, port: int) -> list[str]:
            self.names.append(host)
            return next(said)

        return resolve


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Wire:
    made = Wire()
    monkeypatch.setattr(urllib3.util.connection, "create_connection", made.connect)
    return made


def deliver(url: str, resolve: send.Resolve, allowed: frozenset[str] = frozenset()) -> send.Try:
    return post(url, {"webhook-id": "evt_1"}, b"{}", allowed, resolve)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.8.8", "0.0.0.0",  # noqa: S104 - never bound
        "10.0.0.1", "172.16.0.1", "172.31.255.255",
        "192.168.1.1", "169.254.169.254", "169.254.170.2", "100.64.0.1", "192.0.0.8", "192.0.2.1",
        "198.18.0.1", "198.51.100.7", "203.0.113.9", "224.0.0.1", "239.1.2.3", "240.0.0.1",
        "255.255.255.255", "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254",
        "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254",
        "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::a00:1", "2002:7f00:1::",
        "2002:a9fe:a9fe::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:db8::1", "::127.0.0.1",
        "::a9fe:a9fe", "::ffff:0:127.0.0.1",
    ],
)  # fmt: skip
def test_an_inner_address_is_never_connected_to(wire: Wire, address: str) -> None:
    for found in ([address], [PUBLIC, address], [address, PUBLIC]):
        result = deliver(HOOK, wire.resolver(found))
        assert result == send.Try(None, "address refused: not public")
    assert wire.to == []


@pytest.mark.parametrize("found", [[PUBLIC], [PUBLIC_6], [PUBLIC, "1.1.1.1"]])
def test_the_connection_goes_to_the_address_that_was_judged(wire: Wire, found: list[str]) -> None:
    assert not deliver(HOOK, wire.resolver(found)).delivered
    assert wire.to == [(found[0], 443)] and wire.names == ["shop.example"]


def test_a_name_that_changes_its_mind_is_asked_once(wire: Wire) -> None:
    deliver(HOOK, wire.resolver([PUBLIC], ["127.0.0.1"]))
    assert wire.to == [(PUBLIC, 443)] and len(wire.names) == 1


def test_the_old_internet_is_tried_first(wire: Wire) -> None:
    deliver(HOOK, wire.resolver([PUBLIC_6, PUBLIC]))
    assert wire.to == [(PUBLIC, 443)]


@pytest.mark.parametrize(
    "url",
    ["http://shop.example/", "https://2130706433/", "https://0x7f.1/", "https://0177.0.0.1/",
     "https://127.1/", "https://127.0.0.1/", "https://[::1]/", "https://[::ffff:7f00:1]/",
     "https://user:word@shop.example/", "https://shop.example:8443/", "https://localhost/",
     "https://metadata/", "https://shop。example/", "https://ⓢhop.example/", "https://shop.example\\@x/",
     "https://shop.example/\r\nHost: inside", "file:///etc/passwd", ""],
)  # fmt: skip
def test_an_address_that_became_forbidden_is_not_even_resolved(wire: Wire, url: str) -> None:
    result = deliver(url, wire.resolver())
    assert result.status is None and (result.error or "").startswith("address refused: ")
    assert wire.names == [] and wire.to == []


def test_a_name_without_an_address(wire: Wire) -> None:
    def resolve(host: str, port: int) -> list[str]:
        raise socket.gaierror

    assert deliver(HOOK, resolve) == send.Try(None, "name not found")
    assert deliver(HOOK, wire.resolver([])) == send.Try(None, "address refused: not public")


# ── A merchant's server on loopback, allowed by the operator ──────────────────────────────────────


class Shop:
    """Answers every call with the same words, or drips."""

    def __init__(self, words: bytes, *, drips: bool = False) -> None:
        self.words, self.drips = words, drips
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.asked: list[bytes] = []
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    @property
    def allowed(self) -> frozenset[str]:
        return frozenset({f"127.0.0.1:{self.port}"})

    def _serve(self) -> None:
        while not self.over.is_set():
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            with connection:
                try:
                    self.asked.append(connection.recv(65_536))
                    connection.sendall(self.words)
                    while self.drips and not self.over.wait(0.05):
                        connection.sendall(b"X-A: b\r\n")
                except OSError:
                    continue

    def close(self) -> None:
        self.over.set()
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.thread.join(5)


@pytest.fixture
def shops() -> Iterator[list[Shop]]:
    opened: list[Shop] = []
    yield opened
    for shop in opened:
        shop.close()


def at(shops: list[Shop], words: bytes, *, drips: bool = False) -> tuple[Shop, send.Try]:
    shop = Shop(words, drips=drips)
    shops.append(shop)
    url = f"http://127.0.0.1:{shop.port}/hook?x=1"
    return shop, deliver(url, lambda host, _: [host], shop.allowed)


@pytest.mark.parametrize("status", [200, 204, 299, 302, 400, 410, 500])
def test_only_2xx_is_a_yes(shops: list[Shop], status: int) -> None:
    head = b"HTTP/1.1 %d x\r\nContent-Length: 0\r\nLocation: http://127.0.0.1:1/\r\n\r\n" % status
    shop, result = at(shops, head)
    assert result.status == status and result.delivered is (status < 300)
    assert len(shop.asked) == 1 and shop.asked[0].startswith(b"POST /hook?x=1 HTTP/1.1\r\n")
    assert f"Host: 127.0.0.1:{shop.port}".encode() in shop.asked[0]


def test_a_long_answer_is_not_read_to_its_end(shops: list[Shop]) -> None:
    _, result = at(shops, b"HTTP/1.1 200 OK\r\nContent-Length: 900000000\r\n\r\n" + b"x" * 100_000)
    assert result.delivered


def test_a_server_that_drips_is_given_up(
    shops: list[Shop], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(send, "TIMEOUT_S", 0.3)
    started = time.monotonic()
    _, result = at(shops, b"HTTP/1.1 200 OK\r\n", drips=True)
    assert result.status is None and time.monotonic() - started < 2


# ── Signatures ────────────────────────────────────────────────────────────────────────────────────

SECRET = webhook.secret("the master secret", "whe_1", 1)


@pytest.mark.parametrize("body", ['{"a":1}', "", "متن ‌\u200f", "x" * 50_000])
def test_standard_webhooks_verifies_what_we_sign(body: str) -> None:
    now = int(time.time())
    headers = {
        "webhook-id": "evt_1",
        "webhook-timestamp": str(now),
        "webhook-signature": webhook.signature(SECRET, "evt_1", now, body.encode()),
    }
    theirs = standardwebhooks.Webhook(SECRET)
    when = dt.datetime.fromtimestamp(now, dt.UTC)
    assert theirs.sign("evt_1", when, body) == headers["webhook-signature"]
    if body.startswith("{"):
        theirs.verify(body, headers)
        for name, other in (("webhook-id", "evt_2"), ("webhook-timestamp", str(now - 1))):
            with pytest.raises(standardwebhooks.WebhookVerificationError):
                theirs.verify(body, {**headers, name: other})


def test_a_secret_follows_from_endpoint_and_version_alone() -> None:
    assert webhook.secret("the master secret", "whe_1", 1) == SECRET
    others = {
        webhook.secret("another", "whe_1", 1),
        webhook.secret("the master secret", "whe_2", 1),
        webhook.secret("the master secret", "whe_1", 2),
    }
    assert len(others | {SECRET}) == 4
    assert len(base64.b64decode(SECRET.removeprefix("whsec_"))) == 32


class _Live:
    """What a delivery needs of the wiring."""

    def __init__(self) -> None:
        self.env = {"WEBHOOK_SECRET": "s"}
        self.secrets = self
        self.webhooks = self
        self.clock = self
        self.webhook_allowed_hosts: frozenset[str] = frozenset()
        self.stored: list[Any] = []

    def text(self, secret_id: str) -> str:
        return "the master secret"

    def wall_ms(self) -> int:
        return int(time.time() * 1000)

    def delivery(self, *args: Any) -> None:
        return None

    def put_delivery(self, merchant: str, mode: str, delivery: Any) -> None:
        self.stored.append(delivery)


@pytest.mark.parametrize("type_", events.TYPES)
def test_what_is_delivered_is_what_the_reference_promises(
    type_: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[tuple[dict[str, str], bytes]] = []

    def posted(url: str, headers: dict[str, str], body: bytes, allowed: frozenset[str]) -> send.Try:
        sent.append((headers, body))
        return send.Try(204)

    monkeypatch.setattr(handler, "post", posted)
    event = contracts.event_example(type_)
    endpoint = Endpoint("whe_1", event["merchant_id"], "test", HOOK, (type_,))
    handler._told(_Live(), endpoint, event, asked_ms=0)  # type: ignore[arg-type]
    [(headers, body)] = sent
    promised = contracts.openapi()["webhooks"][type_]["post"]
    shown = promised["requestBody"]["content"]["application/json"]
    assert json.loads(body) == shown["example"]
    assert {p["name"] for p in promised["parameters"]} <= set(headers)
    standardwebhooks.Webhook(SECRET).verify(body.decode(), headers)
    # The recipe printed in the reference.
    recipe: dict[str, Any] = {}
    exec(reference_page.VERIFY, recipe)  # noqa: S102 - our own words
    assert recipe["verified"](headers, body, SECRET)
    assert not recipe["verified"](headers, body + b" ", SECRET)
    assert not recipe["verified"]({**headers, "webhook-timestamp": "1"}, body, SECRET)
