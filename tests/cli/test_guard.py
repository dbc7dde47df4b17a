"""Nothing the local stack starts can leave this machine."""

import os
import subprocess
import sys

import pytest

from payvand_cli import paths


def run(code: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        env={"PATH": os.defpath, "PYTHONPATH": str(paths.GUARD), **env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


@pytest.mark.parametrize(
    "attempt",
    [
        "socket.create_connection(('192.0.2.1', 80), 1)",
        "socket.create_connection(('example.com', 80), 1)",
        "socket.getaddrinfo(b'example.com', 80)",
        "socket.gethostbyname('example.com')",
        "socket.socket().connect(('192.0.2.1', 80))",
        "socket.socket(socket.AF_INET6).connect(('2001:db8::1', 80))",
        "socket.socket(type=socket.SOCK_DGRAM).sendto(b'', ('192.0.2.1', 53))",
        "socket.socket().bind(('0.0.0.0', 0))",
        "socket.socket().bind(('', 0))",
        "urllib.request.urlopen('http://192.0.2.1/', timeout=1)",
        "asyncio.run(asyncio.open_connection('192.0.2.1', 80))",
    ],
)
def test_every_way_out_is_refused_and_logged(attempt: str) -> None:
    ended = run(
        "import asyncio, socket, urllib.request\n"
        f"try:\n    {attempt}\n"
        "except OSError as error:\n    print('refused' if 'refused, only' in str(error) else error)"
    )
    assert ended.stdout == "refused\n", ended.stderr
    assert ended.stderr.startswith("local stack: socket.")


def test_this_machine_is_in_reach() -> None:
    ended = run(
        "import socket\n"
        "with socket.create_server(('127.0.0.1', 0)) as here:\n"
        "    socket.create_connection(('localhost', here.getsockname()[1])).close()\n"
        "a, b = socket.socketpair(); a.close(); b.close(); print('fine')"
    )
    assert (ended.stdout, ended.stderr) == ("fine\n", "")


def test_a_child_ends_when_its_lifeline_does() -> None:
    # Its standard input has ended before it begins.
    ended = run("import time; time.sleep(60)", PAYVAND_LIFELINE="1")
    assert ended.returncode == 0
