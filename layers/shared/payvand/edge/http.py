"""The only way out to other parties' servers.

urllib3, because Lambda brings it and outside servers speak every dialect of HTTP; it is loaded with
the first channel that is asked for (edge/wiring.py). No redirects and no retries: a
channel's answer is asked for again by those who know what asking again means.
"""

import http.client
import io
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, override

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError

from payvand.errors import Silence

CONNECT_TIMEOUT_S: Final = 3.0
BODY_MAX: Final = 1_000_000
"""No answer a party may send is larger; more is nonsense, and nonsense is Silence."""


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


class _Answer(http.client.HTTPResponse):
    """An answer whose time-out is for all of it, headers and body."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(_Hurried(sock, self.fp.detach()))


class PlainConnection(HTTPConnection):
    """HTTP with a time-out for the whole answer."""

    response_class = _Answer


class SecureConnection(HTTPSConnection):
    """HTTPS with a time-out for the whole answer."""

    response_class = _Answer


class PlainPool(urllib3.HTTPConnectionPool):
    """Connections to one host."""

    ConnectionCls = PlainConnection


class SecurePool(urllib3.HTTPSConnectionPool):
    """Connections to one host, over TLS."""

    ConnectionCls = SecureConnection


class Http:
    """A small client with a hard time-out."""

    def __init__(self) -> None:
        self._pool = urllib3.PoolManager(num_pools=8, maxsize=4, retries=False)
        self._pool.pool_classes_by_scheme = {"http": PlainPool, "https": SecurePool}

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
        timeout = urllib3.Timeout(connect=min(CONNECT_TIMEOUT_S, timeout_s), total=timeout_s)
        try:
            reply = self._pool.request(
                method,
                url,
                headers=dict(headers),
                body=body or None,
                timeout=timeout,
                redirect=False,
                preload_content=False,
            )
            try:
                content = reply.read(BODY_MAX + 1, decode_content=True)
                if len(content) > BODY_MAX:
                    reply.close()  # what is left unread must not answer the next call
                    raise Silence("answer too large")
            finally:
                reply.release_conn()
        except (HTTPError, OSError, ValueError) as exc:
            raise Silence(type(exc).__name__) from None
        return HttpReply(reply.status, {k.lower(): v for k, v in reply.headers.items()}, content)
