"""One kept connection to one host: a request out, a whole HTTP/1.1 answer in, or AwsSilent.

Own code beside `edge/http.py`, because http.client costs three times all the rest of a
call to AWS (docs/adr/0017). It reads strictly: what is not a framed answer, whole and in time, is
no answer, and the connection is closed.
"""

import select
import socket
import time
from typing import TYPE_CHECKING, Final

from payvand.errors import AwsSilent

if TYPE_CHECKING:
    import ssl

CONNECT_TIMEOUT_S: Final = 2.0
ANSWER_TIMEOUT_S: Final = 6.0
"""For all of an answer, not each part of it."""
HEAD_MAX: Final = 64 * 1024
BODY_MAX: Final = 32 * 1024 * 1024
"""A page of DynamoDB is 1 MB before JSON and base64."""
ROOTS: Final = __file__.rpartition("/")[0] + "/amazon_roots.pem"
"""Amazon's own five roots: loading all of a system's costs each cold start 20 ms more."""

Answer = tuple[int, dict[str, str], bytes]
"""Status, headers with lower-case names, body."""


class Line:
    """A connection that is opened when it is needed and kept."""

    def __init__(self, host: str, port: int, *, secure: bool) -> None:
        self._host, self._port, self._secure = host, port, secure
        self._socket: socket.socket | None = None
        self._poll = select.poll()

    def ask(self, request: bytes) -> Answer:
        """Send a request and read its answer. Raises AwsSilent."""
        whole = False
        try:
            connection = self._kept() or self._opened()
            connection.sendall(request)
            status, headers, body = _Reader(connection).answer()
            whole = headers.get("connection", "").lower() != "close"
        except (OSError, ValueError) as exc:  # ValueError: not HTTP
            raise AwsSilent(type(exc).__name__) from None
        finally:
            if not whole:
                self.close()
        return status, headers, body

    def close(self) -> None:
        """Forget the connection."""
        if self._socket is not None:
            self._poll.unregister(self._socket)
            self._socket.close()
            self._socket = None

    def _kept(self) -> socket.socket | None:
        # A quiet connection has nothing to read: what it has is the other side's good-bye.
        if self._socket is not None and self._poll.poll(0):
            self.close()
        return self._socket

    def _opened(self) -> socket.socket:
        made = self._secured() if self._secure else self._connected()
        made.settimeout(ANSWER_TIMEOUT_S)
        self._poll.register(made, select.POLLIN)
        self._socket = made
        return made

    def _connected(self) -> socket.socket:
        made = socket.create_connection((self._host, self._port), CONNECT_TIMEOUT_S)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return made

    def _secured(self) -> socket.socket:
        """Over TLS: Amazon's roots first; should AWS ever use another, the system's decide."""
        import ssl

        try:
            return self._wrapped(_trust(ROOTS))
        except ssl.SSLCertVerificationError:
            return self._wrapped(_trust(None))

    def _wrapped(self, trust: "ssl.SSLContext") -> socket.socket:
        plain = self._connected()
        try:
            return trust.wrap_socket(plain, server_hostname=self._host)
        except BaseException:
            plain.close()
            raise


_trusts: "dict[str | None, ssl.SSLContext]" = {}


def _trust(roots: str | None) -> "ssl.SSLContext":
    import ssl

    if roots not in _trusts:
        _trusts[roots] = ssl.create_default_context(cafile=roots)
    return _trusts[roots]


class _Reader:
    """What a connection says, until a moment."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._end = time.monotonic() + ANSWER_TIMEOUT_S
        self._buffer = connection.recv(65_536)  # with the time-out the connection has anyhow
        if not self._buffer:
            raise ConnectionResetError

    def answer(self) -> Answer:
        """The answer, nothing left over. Raises OSError and ValueError."""
        first, *lines = self._until(b"\r\n\r\n", HEAD_MAX).decode("latin-1").split("\r\n")
        version, _, rest = first.partition(" ")
        status, _, _ = rest.partition(" ")
        if version not in {"HTTP/1.1", "HTTP/1.0"} or len(status) != 3 or not status.isdecimal():
            raise ValueError(first)
        headers = {}
        for line in lines:
            name, colon, value = line.partition(":")
            if not colon:
                raise ValueError(line)
            headers[name.lower()] = value.strip(" \t")
        body = self._body(headers)
        if self._buffer:
            raise ValueError("more than was said")
        return int(status), headers, body

    def _body(self, headers: dict[str, str]) -> bytes:
        if "transfer-encoding" not in headers:
            return self._exactly(_number(headers.get("content-length", "?"), 10))
        if headers["transfer-encoding"].lower() != "chunked" or "content-length" in headers:
            raise ValueError("framing")
        parts, size = [], -1
        while size:
            size = _number(self._until(b"\r\n", HEAD_MAX).decode("latin-1").partition(";")[0], 16)
            parts.append(self._exactly(size))
            if self._exactly(2) != b"\r\n":  # no trailers: nobody sends them here
                raise ValueError("chunk")
        return b"".join(parts)

    def _until(self, mark: bytes, most: int) -> bytes:
        while (cut := self._buffer.find(mark)) < 0:
            if len(self._buffer) > most:
                raise ValueError("too long")
            self._buffer += self._more()
        found, self._buffer = self._buffer[:cut], self._buffer[cut + len(mark) :]
        return found

    def _exactly(self, size: int) -> bytes:
        parts, have = [self._buffer], len(self._buffer)
        while have < size:
            parts.append(self._more())
            have += len(parts[-1])
        whole = b"".join(parts)
        self._buffer = whole[size:]
        return whole[:size]

    def _more(self) -> bytes:
        left_s = self._end - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        self._connection.settimeout(left_s)
        found = self._connection.recv(262_144)
        self._connection.settimeout(ANSWER_TIMEOUT_S)
        if not found:
            raise ConnectionResetError
        return found


def _number(text: str, base: int) -> int:
    if not text.isalnum() or not text.isascii():
        raise ValueError(text)
    number = int(text, base)
    if number > BODY_MAX:
        raise ValueError("too much")
    return number
