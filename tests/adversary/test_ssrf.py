"""Webhook addresses that lead inside: refused when they are registered, and again at each delivery.

Registration judges what is written; delivery judges what a name leads to at that moment and goes
to the very address that was judged. No connection is made in process; deployed, a listener on
loopback waits for one that must not come.
"""

import hashlib
import hmac
import itertools
import json
import socket
import threading
from collections.abc import Iterator
from typing import Any, Final

import httpx
import pytest
import urllib3.util.connection

from functions.merchant_notify import send
from payvand.store.webhooks import Endpoint
from tests.stack.shops import open_shop
from tests.support.local_stack import LocalStack
from tests.support.world import World

PUBLIC: Final = ("93.184.216.34", "1.1.1.1", "2606:2800:220:1:248:1893:25c8:1946")
INSIDE_4: Final = (
    "127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255",  # noqa: S104
    "172.16.0.1", "172.31.255.254", "192.168.0.1", "169.254.169.254", "169.254.170.2",
    "169.254.170.23", "100.64.0.1", "100.100.100.200", "192.0.0.1", "192.0.0.192", "192.0.2.1",
    "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.250", "240.0.0.1",
    "255.255.255.255",
)  # fmt: skip
INSIDE_6: Final = (
    "::", "::1", "fe80::1", "fe80::a9fe:a9fe", "fc00::1", "fd00:ec2::254", "fd20:ce::254",
    "fec0::1", "ff02::1", "ff0e::1", "2001:db8::1", "2001::1", "2001:10::1", "100::1", "3fff::1",
    "5f00::1",
)  # fmt: skip
RIGHT_BUT_PRIVATE: Final = ("metadata.google.internal", "169.254.169.254.nip.io", "localtest.me")
"""Well-formed names; only where they lead can tell."""


def clothed(address: str) -> Iterator[str]:
    """An IPv4 address inside IPv6, in every way there is."""
    packed = socket.inet_aton(address)
    high, low = packed[:2].hex(), packed[2:].hex()
    yield f"::ffff:{address}"
    yield f"::ffff:{high}:{low}"
    yield f"::{address}"
    yield f"::ffff:0:{address}"
    yield f"64:ff9b::{high}:{low}"
    yield f"64:ff9b:1::{high}:{low}"
    yield f"2002:{high}:{low}::1"
    flipped = bytes(b ^ 255 for b in packed)
    yield f"2001:0:5db8:d822:8000:63bf:{flipped[:2].hex()}:{flipped[2:].hex()}"


def written(address: str) -> Iterator[str]:
    """The same address as other people write it."""
    a, b, c, d = (int(part) for part in address.split("."))
    whole = int.from_bytes(bytes([a, b, c, d]))
    yield address
    yield f"{address}."
    yield str(whole)
    yield hex(whole)
    yield f"0{whole:o}"
    yield f"0{a:o}.0{b:o}.0{c:o}.0{d:o}"
    yield f"0x{a:x}.0x{b:x}.0x{c:x}.0x{d:x}"
    yield f"{a}.{(b << 16) + (c << 8) + d}"
    yield f"{a}.{b}.{(c << 8) + d}"
    yield f"{a + 256}.{b}.{c}.{d}"
    yield address.replace(".", "。")
    yield address.translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))
    yield address.translate(str.maketrans("0123456789", "۰۱۲۳۴۵۶۷۸۹"))
    yield f"[::ffff:{address}]"


ADDRESSES: Final = (
    *(f"https://{host}/hook" for address in INSIDE_4 for host in written(address)),
    *(f"https://[{address}]/hook" for address in INSIDE_6),
    *(f"https://[{address}%25eth0]/hook" for address in ("fe80::1", "::1")),
    *(
        f"{scheme}://shop.example/hook"
        for scheme in ("http", "ftp", "gopher", "file", "dict", "ldap", "data", "jar", "HTTP", "")
    ),
    *(f"https://shop.example:{port}/" for port in (0, 1, 22, 80, 8080, 8443, 6379, 65535, 65536)),
    *(f"https://shop.example:{port}/" for port in ("-443", "443a", "٤٤٣", "0x1bb", " 443")),
    "https://user@shop.example/", "https://user:word@shop.example/", "https://:@shop.example/",
    "https://@shop.example/", "https://shop.example@127.0.0.1/", "https://127.0.0.1@shop.example/",
    "https://shop.example%40127.0.0.1/", "https://shop.example#@127.0.0.1\\@shop.example/",
    "https://shop.example\\@127.0.0.1/", "https://shop.example\\.evil.example/",
    "https:\\\\shop.example/", "https:/shop.example/", "https:shop.example", "//shop.example/",
    "https://shop.example/\r\nHost: inside", "https://shop.example/\nX: y", "https://shop\r.example/",
    "https://shop.example/\t", "https://shop.example/ HTTP/1.1", "https://shop.example/\x00",
    "https://shop%2eexample/", "https://shop.example%00.evil.example/", "https://%31%32%37.0.0.1/",
    "https://localhost/", "https://LOCALHOST/", "https://localhost./", "https://metadata/",
    "https://ip6-localhost/", "https://kubernetes/", "https://./", "https://.../", "https://",
    "https://shop..example/", "https://.shop.example/", "https://-shop.example/",
    "https://فروشگاه.example/", "https://ⓢhop.example/", "https://shop.ехample/",
    "https://shop.example\u202e/", "https://ｓhop.example/", "https://shop.example/ش",
    "https://[::1", "https://]/", "https://[v1.a]/", "https://[]/", "https://[shop.example]/",
    "https://" + "a" * 64 + ".example/", "https://" + "a." * 130 + "example/", "x" * 2_001,
)  # fmt: skip


def test_registration_takes_no_way_inside(world: World, key: str) -> None:
    for url in ADDRESSES:
        got = world.call("POST", "/webhook_endpoints", {"url": url}, key)
        assert got.status == 400, url
        assert [error["field"] for error in got.json()["errors"]] == ["url"], url
    assert world.items("WebhooksTable") == []


def test_the_operators_exemption_is_for_exactly_that_host(world: World, key: str) -> None:
    """In this world `pay.example` is exempt, as a laptop's own inbox is."""
    assert world.live.webhook_allowed_hosts == {"pay.example"}
    for url in (
        "http://pay.example.evil.example/",
        "http://evil.example/pay.example",
        "http://evil.example?pay.example",
        "http://evil.example#pay.example",
        "http://pay.example:80/",
        "http://pay.example@evil.example/",
        "http://evil.example\\@pay.example/",
        "http://PAY.example/",
        "file://pay.example/etc/passwd",
    ):
        assert world.call("POST", "/webhook_endpoints", {"url": url}, key).status == 400, url


# ── at delivery ───────────────────────────────────────────────────────────────────────────────


class Resolver:
    """What a name leads to, each time it is asked; and where a connection would go."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = itertools.cycle(answers)
        self.asked: list[str] = []
        self.connected: list[tuple[str, int]] = []

    def getaddrinfo(self, host: str, port: int, *args: Any, **kwargs: Any) -> list[Any]:
        self.asked.append(host)
        return [(socket.AF_INET, 1, 6, "", (found, port)) for found in next(self.answers)]

    def connect(self, address: tuple[str, int], *args: Any, **kwargs: Any) -> socket.socket:
        self.connected.append(address)
        raise ConnectionRefusedError


def deliver(monkeypatch: pytest.MonkeyPatch, url: str, *answers: list[str]) -> Resolver:
    """One delivery with a resolver of our own; where it went."""
    resolver = Resolver(*answers or [list(PUBLIC)])
    monkeypatch.setattr(socket, "getaddrinfo", resolver.getaddrinfo)
    monkeypatch.setattr(urllib3.util.connection, "create_connection", resolver.connect)
    result = send.post(url, {}, b"{}", frozenset())
    assert not result.delivered
    return resolver


@pytest.mark.parametrize("url", ["https://shop.example/", *(f"https://{n}/" for n in
                                                              RIGHT_BUT_PRIVATE)])  # fmt: skip
def test_a_name_that_leads_inside_is_not_followed(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    inside = [*INSIDE_4, *INSIDE_6, *(c for address in INSIDE_4 for c in clothed(address))]
    for address in inside:
        for answer in ([address], [*PUBLIC, address], [address, *PUBLIC]):
            assert deliver(monkeypatch, url, answer).connected == [], address


def test_a_name_is_asked_once_and_its_answer_is_where_we_go(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """DNS rebinding: public when judged, inside a moment later."""
    for inside in (*INSIDE_4, *INSIDE_6):
        went = deliver(monkeypatch, "https://shop.example/hook", [PUBLIC[0]], [inside])
        assert went.asked == ["shop.example"]
        assert went.connected == [(PUBLIC[0], 443)]


def test_what_was_refused_at_the_door_is_refused_at_delivery(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An endpoint may be older than the rule; nothing is even looked up."""
    for url in ADDRESSES:
        went = deliver(monkeypatch, url)
        assert (went.asked, went.connected) == ([], []), url


# ── deployed ──────────────────────────────────────────────────────────────────────────────────


class Listener:
    """Something inside that nobody outside should reach."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.visits = 0
        self.thread = threading.Thread(target=self._count, daemon=True)
        self.thread.start()

    def _count(self) -> None:
        while True:
            try:
                self.socket.accept()[0].close()
            except OSError:
                return
            self.visits += 1

    def close(self) -> None:
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.thread.join(5)


@pytest.fixture
def inside() -> Iterator[Listener]:
    listener = Listener()
    yield listener
    listener.close()


def test_deployed_an_old_endpoint_that_leads_inside_is_told_nothing(
    local_stack: LocalStack, inside: Listener
) -> None:
    with open_shop(local_stack, "ssrf") as shop:
        urls = [
            f"http://127.0.0.1:{inside.port}/",
            f"http://user@127.0.0.1:{inside.port}/",
            f"https://localhost:{inside.port}/",
            f"http://{local_stack.url.partition('//')[2]}@127.0.0.1:{inside.port}/",
        ]
        for n, url in enumerate(urls):
            shop.doors.webhooks.put_endpoint(
                Endpoint(f"whe_{n:016d}", shop.id, "test", url, ("payment.refused.v1",))
            )
            assert shop.shop.ask("POST", "/webhook_endpoints", {"url": url}).status_code == 400
        payment = shop.create()
        httpx.post(f"{local_stack.url}/pay/{payment['id']}/cancel", timeout=40)
        shop.until(lambda: shop.told(payment["id"], "payment.refused.v1"))
        tries = {
            row["endpoint_id"]: row["tries"][-1]
            for row in shop.shop.all("/webhook_deliveries")
            if row["endpoint_id"].startswith("whe_000")
        }
        assert len(tries) == len(urls)
        for tried in tries.values():
            assert tried["status"] is None
            assert tried["error"].startswith("address refused"), json.dumps(tried)
        for row in shop.shop.all("/webhook_endpoints"):
            shop.shop.ask("DELETE", f"/webhook_endpoints/{row['id']}")
    assert inside.visits == 0


def test_deployed_the_lab_calls_nobody_but_us(local_stack: LocalStack, inside: Listener) -> None:
    """Its bank tells whatever address a session names; a stranger may open a session."""
    with httpx.Client(base_url=f"{local_stack.url}/lab/noticebank", timeout=40) as bank:
        shop = bank.post("/shops", json={}).json()
        own, body = local_stack.url.partition("//")[2], b"{}"
        for n, host in enumerate(
            (
                f"127.0.0.1:{inside.port}",
                f"{own}@127.0.0.1:{inside.port}",
                f"127.0.0.1:{inside.port}#{own}",
                f"127.0.0.1:{inside.port}/{own}",
                f"127.0.0.1:{inside.port}\\@{own}",
            )
        ):
            asked = {
                "shop": shop["shop"],
                "order": f"order-{n}",
                "amount_toman": "25030",
                "back": f"http://{host}/",
                "notify": f"http://{host}/",
                "text": "x",
            }
            body = json.dumps(asked).encode()
            mac = hmac.new(shop["shop_secret"].encode(), body, hashlib.sha256).hexdigest()
            headers = {"x-shop-signature": mac, "content-type": "application/json"}
            session = bank.post("/sessions", content=body, headers=headers).json()["session"]
            bank.post(f"/page/{session}/pay")
            bank.post("/run")
        odd = {b"x-shop-signature": "é".encode()}
        assert bank.post("/sessions", content=body, headers=odd).status_code == 401
    assert inside.visits == 0
