"""When the emulator counts as ready."""

import socket
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from payvand_cli.emulator import Emulator
from payvand_cli.paths import Site


@pytest.mark.parametrize(
    ("said", "ready"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", True),
        (b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", False),
        (b"GET /_ministack/ready HTTP/1.1\r\n\r\n", False),  # the port answered itself
        (b"", False),
    ],
)
def test_only_a_whole_yes_is_ready(tmp_path: Path, said: bytes, ready: bool) -> None:  # noqa: FBT001
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(said)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        site = Site(tmp_path, tmp_path / "local.json", server.getsockname()[1] - 1)
        assert Emulator._answers(SimpleNamespace(site=site)) is ready  # type: ignore[arg-type]
        thread.join(5)
