"""A server on loopback that says, call after call, what a test wants."""

import contextlib
import re
import socket
import ssl
import threading
from collections.abc import Callable

Talk = Callable[[socket.socket], None]


class Party:
    """One outside party; `asked` holds whole requests."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = int(self.socket.getsockname()[1])
        self.url = f"http{'s' * bool(tls)}://127.0.0.1:{self.port}"
        self.asked: list[bytes] = []
        self.talks: list[Talk] = []
        self.connections = 0
        self.over = threading.Event()
        self._tls = tls
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def says(self, *talks: bytes | Talk) -> None:
        """What comes next."""
        for talk in talks:
            self.talks.append(talk if callable(talk) else lambda c, t=talk: c.sendall(t))  # type: ignore[misc]

    def _serve(self) -> None:
        while not self.over.is_set():
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, plain: socket.socket) -> None:
        with plain, contextlib.suppress(OSError):
            connection = self._tls.wrap_socket(plain, server_side=True) if self._tls else plain
            with connection:
                while self.talks and (asked := _request(connection)):
                    self.asked.append(asked)
                    self.talks.pop(0)(connection)

    def drip(self, head: bytes, piece: bytes, every_s: float) -> Talk:
        """Never quiet for long, never done."""

        def talk(connection: socket.socket) -> None:
            connection.sendall(head)
            while not self.over.wait(every_s):
                connection.sendall(piece)

        return talk

    def silence(self, head: bytes = b"") -> Talk:
        """Nothing after `head`."""

        def talk(connection: socket.socket) -> None:
            connection.sendall(head)
            self.over.wait(10)

        return talk

    def stop(self) -> None:
        """End it."""
        self.over.set()
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.thread.join(5)


def hang_up(connection: socket.socket) -> None:
    """Close without a word."""
    connection.shutdown(socket.SHUT_RDWR)


def last_words(words: bytes) -> Talk:
    """Say something and close."""

    def talk(connection: socket.socket) -> None:
        connection.sendall(words)
        connection.shutdown(socket.SHUT_RDWR)

    return talk


def _request(connection: socket.socket) -> bytes:
    """A whole request; empty when there is none any more."""
    asked = b""
    size = None
    while size is None or len(asked) < size:
        more = connection.recv(65_536)
        if not more:
            return b""
        asked += more
        head, end, _ = asked.partition(b"\r\n\r\n")
        if end:
            length = re.search(rb"(?im)^content-length: *([0-9]+)", head)
            size = len(head) + 4 + (int(length[1]) if length else 0)
    return asked
