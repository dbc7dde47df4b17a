"""The door everybody but AWS clients uses: http://127.0.0.1:PORT/… is the API's stage.

Adds what API Gateway adds, removes what a client may not say about itself, refuses what it
refuses. The emulator's own control paths cannot be reached through it.
"""

import http.client
import http.server
import secrets
import socketserver
import sys
import threading
import time
from email.message import Message
from http import HTTPStatus
from typing import override

BODY_LIMIT = 10 * 1024 * 1024
"""Bytes; API Gateway's own."""
UPSTREAM_TIMEOUT_S = 35
IDLE_S = 30

HOP_BY_HOP = {
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
}
OURS_TO_SAY = {"host", "content-length", "expect", "forwarded", "via", "x-real-ip"}
PREFIX_OURS_TO_SAY = "x-forwarded-"


class Refused(Exception):
    """The request is not passed on."""

    def __init__(self, status: HTTPStatus, title: str) -> None:
        super().__init__(title)
        self.status, self.title = status, title


def passed_on(headers: Message, peer: str, own: str) -> list[tuple[str, str]]:
    """The request's headers as the API may see them; repeated ones stay repeated."""
    named = ",".join(headers.get_all("Connection", [])).lower()
    dropped = HOP_BY_HOP | OURS_TO_SAY | {name.strip() for name in named.split(",")}
    kept = [
        (name, value)
        for name, value in headers.items()
        if name.lower() not in dropped and not name.lower().startswith(PREFIX_OURS_TO_SAY)
    ]
    kept += [
        ("Host", own),
        ("X-Forwarded-For", peer),
        ("X-Forwarded-Proto", "http"),
        ("X-Forwarded-Port", own.rpartition(":")[2]),
    ]
    if "X-Amzn-Trace-Id" not in headers:
        trace = f"Root=1-{int(time.time()):08x}-{secrets.token_hex(12)}"
        kept.append(("X-Amzn-Trace-Id", trace))
    return kept


def declared_length(headers: Message) -> int:
    """The body's length.

    Raises:
        Refused: the length is unclear, or too much.
    """
    if "Transfer-Encoding" in headers:
        raise Refused(HTTPStatus.LENGTH_REQUIRED, "Length Required")
    said = set(headers.get_all("Content-Length", ["0"]))
    length = said.pop().strip()
    if said or not (length.isascii() and length.isdigit()):
        raise Refused(HTTPStatus.BAD_REQUEST, "Bad Request")
    if int(length) > BODY_LIMIT:
        raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "Request Too Long")
    return int(length)


class FrontDoor(socketserver.ThreadingMixIn, http.server.HTTPServer):
    """Listens on loopback and passes requests to one base path upstream."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, upstream_port: int, base: str) -> None:
        self.upstream_port, self.base = upstream_port, base
        super().__init__(("127.0.0.1", port), _Handler)
        self.own = f"127.0.0.1:{self.server_port}"
        self._thread = threading.Thread(
            target=self.serve_forever, kwargs={"poll_interval": 0.05}, name="front", daemon=True
        )

    def open(self) -> None:
        """Serve from a thread of its own."""
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        if self._thread.is_alive():
            self.shutdown()
        self.server_close()

    @override
    def handle_error(self, request: object, client_address: object) -> None:
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    timeout = IDLE_S
    server: FrontDoor
    upstream: http.client.HTTPConnection | None = None

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the functions log their requests."""

    @override
    def finish(self) -> None:
        if self.upstream:
            self.upstream.close()
        super().finish()

    def pass_on(self) -> None:
        try:
            if not self.path.startswith("/"):
                raise Refused(HTTPStatus.BAD_REQUEST, "Bad Request")
            length = declared_length(self.headers)
        except Refused as refused:
            # The body was not read, so this connection cannot carry another request.
            self.close_connection = True
            self.refuse(refused)
            return
        body = self.rfile.read(length) if length else b""
        try:
            status, headers, content = self.ask(body)
        except (OSError, http.client.HTTPException):
            self.refuse(Refused(HTTPStatus.BAD_GATEWAY, "Bad Gateway"))
            return
        self.answer(status, headers, content)

    def ask(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        # Kept connections never go stale upstream: this side closes first (IDLE_S < 75 s). So a
        # broken one means a broken request, and nothing is ever sent twice.
        connection = self.upstream or http.client.HTTPConnection(
            "127.0.0.1", self.server.upstream_port, timeout=UPSTREAM_TIMEOUT_S
        )
        self.upstream = None
        try:
            connection.putrequest(
                self.command,
                self.server.base + self.path,
                skip_host=True,
                skip_accept_encoding=True,
            )
            for name, value in passed_on(self.headers, self.client_address[0], self.server.own):
                connection.putheader(name, value)
            connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            reply = connection.getresponse()
            content = reply.read()
        except BaseException:
            connection.close()
            raise
        self.upstream = connection
        return reply.status, reply.getheaders(), content

    def refuse(self, refused: Refused) -> None:
        content = b'{"message":"%s"}' % refused.title.encode()
        self.answer(refused.status, [("Content-Type", "application/json")], content)

    def answer(self, status: int, headers: list[tuple[str, str]], content: bytes) -> None:
        self.send_response(status)
        for name, value in headers:
            if name.lower() not in HOP_BY_HOP | {"content-length", "date", "server"}:
                self.send_header(name, value)
        bodiless = status in {204, 304}
        if not bodiless:
            self.send_header("Content-Length", str(len(content)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD" and not bodiless:
            self.wfile.write(content)

    @override
    def version_string(self) -> str:
        return "payvand"

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_HEAD = pass_on  # noqa: N815
