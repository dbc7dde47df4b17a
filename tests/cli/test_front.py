"""The front door passes on what API Gateway would, and only that."""

import http.client
import http.server
import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from payvand_cli.front import BODY_LIMIT, FrontDoor

PICTURE = bytes(range(256))


class Upstream(http.server.BaseHTTPRequestHandler):
    """Answers with what it was asked."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *args: object) -> None:
        """Say nothing."""

    def echo(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path.endswith("/picture"):
            content, kind = PICTURE, "image/png"
        else:
            asked = {
                "method": self.command,
                "path": self.path,
                "headers": [[name.lower(), value] for name, value in self.headers.items()],
                "body": body.decode("latin-1"),
            }
            content, kind = json.dumps(asked).encode(), "application/json"
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Set-Cookie", "a=1; Path=/")
        self.send_header("Set-Cookie", "b=2; Path=/")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_POST = do_HEAD = do_DELETE = echo  # noqa: N815 - http.server's names


@pytest.fixture(scope="module")
def door() -> Iterator[FrontDoor]:
    upstream = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
    thread = threading.Thread(target=upstream.serve_forever, args=(0.02,))
    thread.start()
    door = FrontDoor(0, upstream.server_port, "/base")
    door.open()
    yield door
    door.close()
    upstream.shutdown()
    upstream.server_close()
    thread.join()


def ask(
    door: FrontDoor, method: str, path: str, *headers: tuple[str, str], body: bytes = b""
) -> Any:
    connection = http.client.HTTPConnection("127.0.0.1", door.server_port, timeout=5)
    try:
        connection.putrequest(method, path, skip_accept_encoding=True)
        for name, value in headers:
            connection.putheader(name, value)
        if body:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        reply = connection.getresponse()
        return reply, reply.read()
    finally:
        connection.close()


def raw(door: FrontDoor, request: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", door.server_port), timeout=5) as connection:
        connection.sendall(request)
        return connection.recv(65536)


def seen(content: bytes) -> dict[str, list[str]]:
    headers: dict[str, list[str]] = {}
    for name, value in json.loads(content)["headers"]:
        headers.setdefault(name, []).append(value)
    return headers


def test_a_client_cannot_say_where_it_comes_from(door: FrontDoor) -> None:
    _, content = ask(
        door,
        "GET",
        "/payments?limit=2",
        ("X-Forwarded-For", "9.9.9.9"),
        ("x-forwarded-PROTO", "gopher"),
        ("X-Forwarded-Host", "evil.example"),
        ("Forwarded", "for=9.9.9.9"),
        ("X-Real-Ip", "9.9.9.9"),
        ("Via", "somebody"),
    )
    headers = seen(content)
    assert json.loads(content)["path"] == "/base/payments?limit=2"
    assert headers["x-forwarded-for"] == ["127.0.0.1"]
    assert headers["x-forwarded-proto"] == ["http"]
    assert headers["x-forwarded-port"] == [str(door.server_port)]
    assert not {"x-forwarded-host", "forwarded", "x-real-ip", "via"} & headers.keys()


def test_the_host_is_the_doors_own(door: FrontDoor) -> None:
    reply = raw(
        door, b"GET / HTTP/1.1\r\nHost: x.execute-api.localhost\r\nConnection: close\r\n\r\n"
    )
    assert f'["host", "127.0.0.1:{door.server_port}"]'.encode() in reply
    assert b"execute-api" not in reply


def test_headers_of_one_hop_end_here_and_repeated_ones_stay_repeated(door: FrontDoor) -> None:
    _, content = ask(
        door,
        "POST",
        "/x",
        ("Connection", "close, X-Private"),
        ("X-Private", "1"),
        ("TE", "trailers"),
        ("X-Twice", "1"),
        ("X-Twice", "2"),
        body=b"{}",
    )
    headers = seen(content)
    assert not {"connection", "x-private", "te"} & headers.keys()
    assert headers["x-twice"] == ["1", "2"]
    assert headers["content-length"] == ["2"]
    assert len(headers["x-amzn-trace-id"]) == 1


def test_bytes_and_repeated_cookies_come_back_whole(door: FrontDoor) -> None:
    reply, content = ask(door, "GET", "/picture")
    assert content == PICTURE
    assert reply.getheader("Content-Type") == "image/png"
    assert reply.headers.get_all("Set-Cookie") == ["a=1; Path=/", "b=2; Path=/"]


def test_binary_bodies_go_through(door: FrontDoor) -> None:
    _, content = ask(door, "POST", "/x", body=PICTURE)
    assert json.loads(content)["body"].encode("latin-1") == PICTURE


def test_head_has_no_body(door: FrontDoor) -> None:
    reply, content = ask(door, "HEAD", "/x")
    assert (reply.status, content) == (200, b"")


def test_a_body_over_ten_megabytes_is_refused_unread(door: FrontDoor) -> None:
    too_long = f"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: {BODY_LIMIT + 1}\r\n\r\n"
    reply = raw(door, too_long.encode())
    assert reply.startswith(b"HTTP/1.1 413 ")
    assert b"Connection: close" in reply


@pytest.mark.parametrize(
    ("request_line", "headers", "status"),
    [
        ("GET http://evil.example/ HTTP/1.1", "", b"400"),
        ("GET x HTTP/1.1", "", b"400"),
        ("POST / HTTP/1.1", "Content-Length: 1\r\nContent-Length: 2\r\n", b"400"),
        ("POST / HTTP/1.1", "Content-Length: -1\r\n", b"400"),
        ("POST / HTTP/1.1", "Content-Length: ١\r\n", b"400"),  # an Arabic one
        ("POST / HTTP/1.1", "Transfer-Encoding: chunked\r\n", b"411"),
    ],
)
def test_unclear_requests_are_refused(
    door: FrontDoor, request_line: str, headers: str, status: bytes
) -> None:
    reply = raw(door, f"{request_line}\r\nHost: x\r\n{headers}\r\n".encode())
    assert reply.split()[1] == status


def test_the_emulators_own_paths_are_out_of_reach(door: FrontDoor) -> None:
    _, content = ask(door, "POST", "/_ministack/reset")
    assert json.loads(content)["path"] == "/base/_ministack/reset"
    _, content = ask(door, "GET", "/../../_ministack/reset")
    assert json.loads(content)["path"].startswith("/base/")


def test_a_dead_upstream_is_a_bad_gateway() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        door = FrontDoor(0, unused.getsockname()[1], "/base")
        door.open()
        try:
            reply, content = ask(door, "GET", "/")
            assert (reply.status, content) == (502, b'{"message":"Bad Gateway"}')
        finally:
            door.close()
