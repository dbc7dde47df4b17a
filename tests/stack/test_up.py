"""Whatever way a local stack ends, nothing of it stays and the next one starts cleanly."""

import json
import os
import signal
import socket
import stat
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from payvand_cli import paths, processes
from tests.support.local_stack import free_site
from tests.support.waiting import until

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("up")]

TINY = str(Path(__file__).with_name("tiny.yaml"))
PAYVAND = (str(paths.DEV_BIN / "python"), str(paths.DEV_BIN / "payvand"))
UP_S = 120
END_S = 15


@dataclass
class Checkout:
    """The command, with a home of its own."""

    home: Path
    port: int

    @property
    def env(self) -> dict[str, str]:
        """Where this home is, and what to deploy."""
        return {**os.environ, "PAYVAND_HOME": str(self.home), "PAYVAND_TEMPLATE": TINY}

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a verb to its end."""
        return subprocess.run(
            [*PAYVAND, *arguments],
            env=self.env,
            capture_output=True,
            text=True,
            timeout=UP_S,
            check=False,
        )

    def up(self) -> dict[str, Any]:
        """Start in the background; the handle."""
        done = self.run("up", "--no-seed", "--detach", "--port", str(self.port))
        assert done.returncode == 0, done.stdout + done.stderr
        return self.handle()

    def handle(self) -> dict[str, Any]:
        """What local.json says."""
        found: dict[str, Any] = json.loads((self.home / "local.json").read_text())
        return found

    def answers(self) -> bool:
        """Whether the API is there."""
        return httpx.get(f"http://127.0.0.1:{self.port}/").text == "here"

    def nothing_is_left(self) -> bool:
        """No process, no port, no state that promises a stack."""
        here = self.home / "up"
        return (
            processes.port_is_free(self.port)
            and processes.port_is_free(self.port + 1)
            and not processes.recorded(here / "processes.json")
            and not (here / "tmp").exists()
            and not (self.home / "local.json").exists()
        )


def gone(pid: int) -> bool:
    """Whether no process has this pid any more."""
    return processes.find(pid) is None


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Checkout]:
    made = Checkout(tmp_path, free_site(tmp_path).port)
    yield made
    made.run("down")
    until(made.nothing_is_left, END_S)


def test_it_answers_tells_only_its_owner_how_and_ends_when_told(checkout: Checkout) -> None:
    local = checkout.up()
    assert checkout.answers()
    assert local["api_url"] == f"http://127.0.0.1:{checkout.port}"
    assert stat.S_IMODE((checkout.home / "local.json").stat().st_mode) == 0o600
    os.kill(local["pid"], signal.SIGTERM)
    until(checkout.nothing_is_left, END_S)
    assert gone(local["emulator_pid"])


def test_the_next_one_takes_over_from_a_living_one_and_from_a_killed_one(
    checkout: Checkout,
) -> None:
    first = checkout.up()
    second = checkout.up()
    assert gone(first["pid"])
    assert gone(first["emulator_pid"])
    assert checkout.answers()
    os.kill(second["pid"], signal.SIGKILL)
    until(lambda: gone(second["pid"]), END_S)
    until(lambda: gone(second["emulator_pid"]), END_S)
    checkout.up()
    assert checkout.answers()


def test_after_kill_9_of_the_emulator_the_parent_says_so_and_ends(checkout: Checkout) -> None:
    local = checkout.up()
    os.kill(local["emulator_pid"], signal.SIGKILL)
    until(lambda: gone(local["pid"]), END_S)
    until(checkout.nothing_is_left, END_S)
    assert "the emulator ended by itself" in (checkout.home / "up" / "up.log").read_text()


def test_down_cleans_up_after_kill_9_of_everything(checkout: Checkout) -> None:
    local = checkout.up()
    os.kill(local["emulator_pid"], signal.SIGKILL)
    os.kill(local["pid"], signal.SIGKILL)
    until(lambda: gone(local["pid"]), END_S)
    assert "nothing was running" in checkout.run("down").stdout
    assert checkout.nothing_is_left()


def test_ctrl_c_is_heard_where_a_script_had_it_ignored(checkout: Checkout) -> None:
    child = subprocess.Popen(
        [
            *("sh", "-c", 'trap "" INT; exec "$@"', "sh", *PAYVAND),
            *("up", "--no-seed", "--port", str(checkout.port)),
        ],
        env=checkout.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with child:
        ready = checkout.home / "up" / "ready"
        until(lambda: ready.exists() or child.poll() is not None, UP_S)
        child.send_signal(signal.SIGINT)
        output, _ = child.communicate(timeout=END_S)
    assert output.rstrip().endswith("stopped: no process, no port and no state is left")
    assert child.returncode == 0
    assert checkout.nothing_is_left()


def test_a_stranger_on_the_port_is_named_and_left_alone(checkout: Checkout) -> None:
    with socket.create_server(("127.0.0.1", checkout.port)) as stranger:
        refused = checkout.run("up", "--no-seed", "--port", str(checkout.port))
        assert refused.returncode == 2
        assert f"port {checkout.port} is held by" in refused.stderr
        assert "make up PORT=" in refused.stderr
        socket.create_connection(stranger.getsockname()).close()


def test_verbs_say_when_nothing_runs(checkout: Checkout) -> None:
    refused = checkout.run("fire", "SettleSchedule")
    assert refused.returncode == 1
    assert "start one with: make up" in refused.stderr
