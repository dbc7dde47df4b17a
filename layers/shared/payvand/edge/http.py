"""The only way out to channels' servers.

Python's own http.client, whose whole family a call needs once: urllib3 on top of it costs as much
again, cold and warm (docs/adr/0017). No redirects and no retries: a channel's answer is asked for
again by those who know what asking again means.
"""

import http.client
import io
import select
import socket
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, override
from urllib.parse import SplitResult, urlsplit

from payvand.errors import Silence

CONNECT_TIMEOUT_S: Final = 3.0
BODY_MAX: Final = 1_000_000
"""No answer a party may send is larger; more is nonsense, and nonsense is Silence."""
HOSTS_MAX: Final = 8
"""Connections kept."""
_PACKED: Final = frozenset({"gzip", "deflate"})


@dataclass(frozen=True, slots=True)
class HttpReply:
    """One whole answer; header names are lower-case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class _Hurried(io.RawIOBase):
    """What a socket says until a moment; its own time-out begins again with every byte."""

    def __init__(self, sock: socket.socket, raw: io.RawIOBase) -> None:
        self._sock, self._raw = sock, raw
        self._end = time.monotonic() + (sock.gettimeout() or 0)

    @override
    def readable(self) -> bool:
        return True

    @override
    def readinto(self, buffer: Any, /) -> int | None:
        left_s = self._end - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        self._sock.settimeout(left_s)
        return self._raw.readinto(buffer)

    @override
    def close(self) -> None:
        self._raw.close()
        super().close()


class Answer(http.client.HTTPResponse):
    """An answer whose time-out is for all of it, headers and body."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(_Hurried(sock, self.fp.detach()))


class Http:
    """A small client with a hard time-out; it keeps a connection to each host."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], http.client.HTTPConnection] = {}

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes = b"",
        timeout_s: float,
    ) -> HttpReply:
        """Send one request. Raises Silence unless a whole answer came within `timeout_s`."""
        end = time.monotonic() + timeout_s
        try:
            parts = urlsplit(url)
            place = parts.scheme, parts.netloc
            connection = self._quiet(place) or _opened(parts, min(CONNECT_TIMEOUT_S, timeout_s))
            try:
                target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
                _hurry(connection, end)
                connection.request(
                    method, target, body or None, {"User-Agent": "payvand", **headers}
                )
                _hurry(connection, end)
                reply = connection.getresponse()
                content = _content(reply)
            except BaseException:
                connection.close()
                raise
        except (http.client.HTTPException, OSError, ValueError, zlib.error) as exc:
            raise Silence(type(exc).__name__) from None
        self._keep(place, connection)
        return HttpReply(reply.status, {k.lower(): v for k, v in reply.getheaders()}, content)

    def __del__(self) -> None:
        while self._kept:
            self._kept.popitem()[1].close()

    def _quiet(self, place: tuple[str, str]) -> http.client.HTTPConnection | None:
        """The connection kept for a place, if the other side has not said good-bye."""
        kept = self._kept.pop(place, None)
        if kept is None or kept.sock is None:
            return None
        poll = select.poll()
        poll.register(kept.sock, select.POLLIN)
        if poll.poll(0):
            kept.close()
            return None
        return kept

    def _keep(self, place: tuple[str, str], connection: http.client.HTTPConnection) -> None:
        self._kept[place] = connection
        if len(self._kept) > HOSTS_MAX:
            self._kept.pop(next(iter(self._kept))).close()


def _opened(parts: SplitResult, timeout_s: float) -> http.client.HTTPConnection:
    kinds: dict[str, type[http.client.HTTPConnection]] = {
        "http": http.client.HTTPConnection,
        "https": http.client.HTTPSConnection,
    }
    if parts.scheme not in kinds or not parts.hostname:
        raise ValueError("not an address of the web")
    made = kinds[parts.scheme](parts.hostname, parts.port, timeout=timeout_s)
    made.response_class = Answer
    made.connect()
    return made


def _hurry(connection: http.client.HTTPConnection, end: float) -> None:
    left_s = end - time.monotonic()
    if left_s <= 0:
        raise TimeoutError
    assert connection.sock is not None
    connection.sock.settimeout(left_s)


def _content(reply: http.client.HTTPResponse) -> bytes:
    """All of the body, unpacked. Raises Silence for too much, HTTPException for too little."""
    content = reply.read(BODY_MAX + 1)
    packing = (reply.getheader("Content-Encoding") or "identity").lower()
    if packing in _PACKED and len(content) <= BODY_MAX:
        unpacking = zlib.decompressobj(wbits=47)  # gzip or zlib, as its head says
        content = unpacking.decompress(content, BODY_MAX + 1)
        if not unpacking.eof and len(content) <= BODY_MAX:
            raise ValueError("half a package")
    elif packing not in _PACKED | {"identity"}:
        raise ValueError("packed in a way nobody asked for")
    if len(content) > BODY_MAX:
        raise Silence("answer too large")
    if reply.length:
        raise http.client.IncompleteRead(content, reply.length)
    return content
