"""The switch's FTPS server: explicit TLS on both channels, a home per facilitator (pyftpdlib, MIT).

Like strict servers, it refuses a data channel that does not resume the control channel's session.
"""

import contextlib
import logging
import os
import socket
import threading
from pathlib import Path
from typing import Any, Final, override

from OpenSSL import SSL
from OpenSSL._util import lib as openssl  # what pyOpenSSL stands on: it has no word for "resumed"
from pyftpdlib.authorizers import AuthenticationFailed, DummyAuthorizer  # type: ignore[import-untyped]
from pyftpdlib.filesystems import AbstractedFS, FilesystemError  # type: ignore[import-untyped]
from pyftpdlib.handlers import TLS_DTPHandler, TLS_FTPHandler  # type: ignore[import-untyped]
from pyftpdlib.ioloop import IOLoop  # type: ignore[import-untyped]
from pyftpdlib.servers import FTPServer  # type: ignore[import-untyped]

from payvand_cli.switch.party import Switch

POLL_S: Final = 1.0
_READ: Final = frozenset("elr")
_READ_WRITE: Final = frozenset("elradfw")

# pyftpdlib sets logging up for everybody unless it finds a handler.
logging.getLogger("pyftpdlib").addHandler(logging.NullHandler())


class _Doorman(DummyAuthorizer):  # type: ignore[misc]
    """Facilitators log in under their alias; IN takes files, OUT only gives them."""

    def __init__(self, switch: Switch) -> None:
        super().__init__()
        self._switch = switch

    def validate_authentication(self, username: str, password: str, handler: object) -> None:
        del handler
        facilitator = self._switch.facilitator(username)
        if not facilitator or not facilitator.knows(password):
            raise AuthenticationFailed("Authentication failed.")

    def has_user(self, username: str) -> bool:
        return self._switch.facilitator(username) is not None

    def get_home_dir(self, username: str) -> str:
        return str(self._switch.home(username).resolve())

    def has_perm(self, username: str, perm: str, path: str | None = None) -> bool:
        inside = Path(self.get_home_dir(username)) / "IN"
        folders = {inside, inside / "KEY_EXCHANGE"}
        file = Path(path) if path else inside
        writable = file.parent in folders and file not in folders
        return perm in (_READ_WRITE if writable else _READ)

    def get_perms(self, username: str) -> str:
        del username
        return "".join(sorted(_READ_WRITE))

    def get_msg_login(self, username: str) -> str:
        del username
        return "Login successful."

    def get_msg_quit(self, username: str) -> str:
        del username
        return "Goodbye."


class _Data(TLS_DTPHandler):  # type: ignore[misc]
    """A data channel; it must have resumed."""

    def handle_ssl_established(self) -> None:
        if not openssl.SSL_session_reused(self.socket._ssl):  # noqa: SLF001 - see the import
            self.handle_failed_ssl_handshake()


class Server:
    """Listens on loopback and serves from a thread of its own until closed."""

    def __init__(self, switch: Switch, certificate: Path, port: int = 0) -> None:
        self._loop = IOLoop()
        self.handler = _handler(switch, certificate)
        self._server = FTPServer(("127.0.0.1", port), self.handler, ioloop=self._loop)
        self.port: int = self._server.address[1]
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="switch-ftps", daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while not self._ends.is_set():
            self._loop.loop(POLL_S, blocking=False)
        self._server.close_all()
        self._loop.close()

    def close(self) -> None:
        """Hang up on everybody and stop listening."""
        self._ends.set()
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
            pass  # it wakes at once for a caller
        self._thread.join()


def _handler(switch: Switch, certificate: Path) -> type:
    class Files(AbstractedFS):  # type: ignore[misc]
        """A home; what gets a name in it gets the switch's time too."""

        @override
        def chdir(self, path: str) -> None:
            # Theirs moves the whole process there for a moment, under the feet of other threads.
            if not os.path.isdir(path):  # noqa: PTH112 - theirs is all strings
                raise FilesystemError("No such directory")
            self.cwd = self.fs2ftp(path)

        @override
        def rename(self, src: str, dst: str) -> None:
            super().rename(src, dst)
            switch.arrived(Path(dst))

    class Handler(TLS_FTPHandler):  # type: ignore[misc]
        """The control channel."""

        authorizer = _Doorman(switch)
        abstracted_fs = Files
        dtp_handler = _Data
        ssl_context = _context(certificate)
        tls_control_required = True
        tls_data_required = True
        banner = "Payvand lab: the switch."
        auth_failed_timeout = 0

        def on_file_received(self, file: str) -> None:
            switch.arrived(Path(file))

        def on_incomplete_file_received(self, file: str) -> None:
            switch.arrived(Path(file))  # half a file lies there like a whole one

    return Handler


def _context(certificate: Path) -> Any:
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.use_certificate_chain_file(str(certificate))
    context.use_privatekey_file(str(certificate))
    return context
