"""Files over FTPS: explicit TLS, passive, both channels encrypted (RFC 4217).

Built on the standard library's ftplib: it is in Lambda's runtime, does AUTH TLS, PROT P and passive
mode, and does not believe the address in a PASV answer; aioftp (Apache-2.0) brings asyncio, pycurl
a C library. What ftplib lacks is here: data channels that resume the control channel's TLS session
(many servers refuse others), limits on sizes and on the whole time, uploads that can be repeated,
and errors that say what is known and quote nobody.

A dropped connection is Silence: look again, or send again; nothing here fails for having been done
before. An explicit no is Denied, Different, Untrusted or TooLarge.
"""

import ftplib
import re
import secrets
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from socket import socket
from typing import Final, Self, override

from payvand.errors import Forged, PayvandError, Silence

TIMEOUT_S: Final = 20.0
"""How long one answer, or the next bytes of a file, may take."""
SESSION_S: Final = 120.0
"""How long everything between connecting and closing may take."""
FILE_MAX_BYTES: Final = 64 * 1024 * 1024
LISTING_MAX_BYTES: Final = 4 * 1024 * 1024
TALK_MAX_BYTES: Final = 1024 * 1024
"""Of answers on the control channel, which ftplib would collect without end."""

_CHUNK: Final = 64 * 1024
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", re.ASCII)
_FOLDER: Final = re.compile(r"[A-Za-z0-9_-]{1,50}(/[A-Za-z0-9_-]{1,50})*", re.ASCII)
_EMPTY: Final = re.compile(r"[45]50[ -].*\bno files\b.*", re.IGNORECASE | re.DOTALL)
"""How some servers list a folder with nothing in it."""
_NOT_TRUSTED: Final = "the server's TLS is not what it should be"
_BROKEN: Final = (EOFError, OSError, ValueError, OverflowError, IndexError, ftplib.Error)
"""What ftplib lets through when a connection breaks or a server talks nonsense."""


class Untrusted(Forged):
    """The server could not show that it is the one we mean; it was told nothing, no password."""


class Denied(PayvandError):
    """The server said no. `asked` is what for, `code` its three digits."""

    def __init__(self, asked: str, code: str) -> None:
        super().__init__(f"{asked}: the server said {code}")
        self.asked, self.code = asked, code


class Different(PayvandError):
    """A file of this name is there with other bytes. It was left as it is."""


class TooLarge(PayvandError):
    """A file or listing is larger than it may be."""


class Delivery(StrEnum):
    """What is known after sending. A no is an exception."""

    SENT = "sent"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Server:
    """Where to connect, who we are there, and how the server proves itself.

    `ca_pem` are the only authorities believed. `name` is the host name its certificate bears, where
    it is reached by another one (through a tunnel, say).
    """

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    ca_pem: str = field(repr=False)
    name: str = ""

    def __post_init__(self) -> None:
        """Raise ValueError for a login that could carry a command of its own."""
        if not all(text.isascii() and text.isprintable() for text in (self.user, self.password)):
            raise ValueError("user and password are printable ASCII")


def deliver(
    server: Server,
    folder: str,
    files: Sequence[tuple[str, bytes]],
    *,
    session_s: float = SESSION_S,
) -> Delivery:
    """Put files there in this order, each whole or not at all.

    SENT: all are there with these bytes, now or from an earlier time. UNKNOWN: call again.

    Raises:
        Untrusted, Denied, Different: as they say; files before the one refused are there.
    """
    try:
        with Session(server, session_s=session_s) as session:
            for name, content in files:
                session.put(folder, name, content)
    except Silence:
        return Delivery.UNKNOWN
    return Delivery.SENT


class Session:
    """A logged-in connection, from `with` to its end.

    Raises Untrusted, Denied or Silence when it cannot be opened. After a Silence it stays silent:
    an answer that comes late would be taken for the answer to the next question.
    """

    def __init__(
        self,
        server: Server,
        *,
        timeout_s: float = TIMEOUT_S,
        session_s: float = SESSION_S,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._server = server
        self._line = _Line(_context(server.ca_pem), timeout_s, monotonic() + session_s, monotonic)
        self._home = ""
        self._folder: str | None = None

    def __enter__(self) -> Self:
        try:
            self._open()
        except BaseException:
            self._line.close()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        try:
            if self._line.sock:
                with suppress(*_BROKEN):
                    self._line.quit()
        finally:
            self._line.close()

    def _open(self) -> None:
        server, line = self._server, self._line
        with self._asking("connect", fresh=True):
            line.connect(server.host, server.port)
        line.host = server.name or server.host  # from here on only the name in the certificate
        with self._asking("TLS"):
            try:
                line.auth()
            except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
                raise
            except ssl.SSLError:  # the name, the authority, the dates, the version
                raise Untrusted(_NOT_TRUSTED) from None
        with self._asking("login"):
            line.login(server.user, server.password)
        with self._asking("protect"):
            line.prot_p()
            self._home = line.pwd()

    def names(self, folder: str) -> frozenset[str]:
        """The names of what is in a folder, exactly as the server spells them."""
        _check("any", folder)
        with self._asking("list"):
            self._enter(folder)
            self._line.voidcmd("TYPE A")
            try:
                listing = self._line.fetch("NLST", LISTING_MAX_BYTES)
            except (ftplib.error_perm, ftplib.error_temp) as no:
                if not _EMPTY.fullmatch(str(no)):
                    raise
                listing = b""
        lines = listing.decode("utf-8", "backslashreplace").splitlines()
        # Some servers spell the folder too, Windows ones with its own slash.
        return frozenset(re.split(r"[/\\]", line)[-1] for line in lines) - {"", ".", ".."}

    def read(self, folder: str, name: str, max_bytes: int = FILE_MAX_BYTES) -> bytes:
        """A whole file. Denied with code 550 usually means that there is none."""
        _check(name, folder)
        with self._asking("read"):
            self._enter(folder)
            self._line.voidcmd("TYPE I")
            size = self._line.size(name)
            if size is not None and size <= max_bytes:
                content = self._line.fetch(f"RETR {name}", size)
                if len(content) != size:
                    # A cut connection looks like the end of a file.
                    raise Silence("read: not the whole file came")
                return content
        raise TooLarge(f"a file of more than {max_bytes} bytes")

    def put(self, folder: str, name: str, content: bytes) -> bool:
        """Put a file there, whole or not at all; False when it was there already, byte by byte.

        It travels under another name and gets its own by renaming, so nobody ever sees half of it.
        FTP has no "only if absent": between looking and renaming another client could put the same
        name. So a name must always mean the same bytes, as those of `bank/switch.py` do.

        Raises:
            Different: the name is there with other bytes.
        """
        _check(name, folder)
        if len(content) > FILE_MAX_BYTES:
            raise TooLarge(f"a file of more than {FILE_MAX_BYTES} bytes")
        if name in self.names(folder):
            if not self._is_there(folder, name, content):
                raise Different("a file of this name is there with other bytes")
            return False
        part = f"{name}.{secrets.token_hex(4)}.part"
        with self._asking("store"):
            self._line.voidcmd("TYPE I")
            self._line.send(f"STOR {part}", content)
            if self._line.size(part) != len(content):
                raise Silence("store: not the whole file arrived")
        with self._asking("rename"):
            try:
                self._line.rename(part, name)
            except ftplib.error_perm:
                with suppress(ftplib.error_perm):
                    self._line.delete(part)
                raise
        return True

    def _is_there(self, folder: str, name: str, content: bytes) -> bool:
        try:
            return self.read(folder, name, len(content)) == content
        except TooLarge:
            return False

    def _enter(self, folder: str) -> None:
        if folder != self._folder:
            self._folder = None
            self._line.cwd(self._home)
            for part in folder.split("/"):
                self._line.cwd(part)
            self._folder = folder

    @contextmanager
    def _asking(self, what: str, *, fresh: bool = False) -> Iterator[None]:
        """Turn ftplib's errors into ours, without the server's words: they may quote anything."""
        if not fresh and self._line.sock is None:
            raise Silence(f"{what}: the connection was lost before")
        try:
            yield
        except ftplib.error_perm as no:
            raise Denied(what, str(no)[:3]) from None
        except PayvandError:
            self._line.close()
            raise
        except _BROKEN as broken:
            self._line.close()
            if isinstance(broken, ssl.SSLCertVerificationError):  # on a data channel
                raise Untrusted(_NOT_TRUSTED) from None
            raise Silence(f"{what}: {type(broken).__name__}") from None


class _Line(ftplib.FTP_TLS):
    """ftplib's client with limits, and data channels that resume the control channel's session."""

    def __init__(
        self,
        context: ssl.SSLContext,
        timeout_s: float,
        until: float,
        monotonic: Callable[[], float],
    ) -> None:
        # Whatever letters a greeting has: latin-1 reads them all, and ours are ASCII.
        super().__init__(context=context, timeout=timeout_s, encoding="latin-1")
        self._until = until
        self._monotonic = monotonic
        self._heard = 0

    def _in_time(self) -> None:
        if self._monotonic() > self._until:
            raise TimeoutError("the session takes too long")

    @override
    def getline(self) -> str:
        self._in_time()
        line = super().getline()
        self._heard += len(line)
        if self._heard > TALK_MAX_BYTES:
            raise ftplib.error_proto("the server talks too much")  # noqa: S321 - its error
        return line

    @override
    def ntransfercmd(self, cmd: str, rest: int | str | None = None) -> tuple[socket, int | None]:
        plain, size = ftplib.FTP.ntransfercmd(self, cmd, rest)  # noqa: S321 - TLS follows at once
        try:
            assert isinstance(self.sock, ssl.SSLSocket)
            secure = self.context.wrap_socket(
                plain, server_hostname=self.host, session=self.sock.session
            )
        except BaseException:
            plain.close()
            raise
        return secure, size

    def fetch(self, cmd: str, max_bytes: int) -> bytes:
        """What the server sends to a command, until it says that this was all."""
        content = bytearray()
        with self.transfercmd(cmd) as conn:
            while chunk := conn.recv(_CHUNK):
                self._in_time()
                content += chunk
                if len(content) > max_bytes:
                    raise TooLarge(f"more than {max_bytes} bytes")
            _say_goodbye(conn)
        self.voidresp()
        return bytes(content)

    def send(self, cmd: str, content: bytes) -> None:
        """Send a file to a command, until the server says that it has it; how much, SIZE tells."""
        view = memoryview(content)
        with self.transfercmd(cmd) as conn:
            # Where the server hangs up, it says why on the other channel, if at all.
            with suppress(OSError):
                for start in range(0, len(content), _CHUNK):
                    self._in_time()
                    conn.sendall(view[start : start + _CHUNK])
            _say_goodbye(conn)
        self.voidresp()


def _say_goodbye(conn: socket) -> None:
    """End the data channel's TLS as it should be, whether or not the server does.

    Its word on the control channel and the file's size decide, not how politely it hangs up.
    """
    assert isinstance(conn, ssl.SSLSocket)
    with suppress(OSError):
        conn.unwrap()


def _context(ca_pem: str) -> ssl.SSLContext:
    if not ca_pem:  # else the system's authorities would be believed
        raise ValueError("no authorities to believe")
    try:
        return ssl.create_default_context(cadata=ca_pem)  # names checked, TLS 1.2 or later
    except ssl.SSLError:
        raise ValueError("the authorities are not certificates in PEM") from None


def _check(name: str, folder: str) -> None:
    """Raise ValueError for a name that is none of ours: it goes into a command."""
    if not _NAME.fullmatch(name) or not _FOLDER.fullmatch(folder):
        raise ValueError("a name has letters, digits, dots and dashes")
