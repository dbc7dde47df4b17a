"""Only our own processes are ever ended, whatever an old record says."""

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from payvand_cli import paths, processes
from payvand_cli.processes import Process

EMULATOR = (str(paths.EMULATOR_PYTHON), "-m", "ministack")
UP = (str(paths.DEV_BIN / "python"), ".venv/bin/payvand", "up", "--port", "8080")


@pytest.mark.parametrize("command", [EMULATOR, UP])
def test_the_emulator_and_up_are_ours(command: tuple[str, ...]) -> None:
    assert Process(1, command).ours


@pytest.mark.parametrize(
    "command",
    [
        (),
        ("/elsewhere/.local/emulator/bin/python", "-m", "ministack"),
        (EMULATOR[0], "-m", "http.server"),
        (UP[0], "-m", "pytest"),
        (UP[0], ".venv/bin/payvand", "down"),
        ("/usr/bin/vi", ".venv/bin/payvand", "up"),
    ],
)
def test_anything_else_is_a_stranger(command: tuple[str, ...]) -> None:
    stranger = Process(1, command)
    assert not stranger.ours
    with pytest.raises(ValueError, match="not ours"):
        processes.stop(stranger)


def test_a_reused_pid_in_an_old_record_is_left_alone(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        record = tmp_path / "processes.json"
        processes.record(record, {"up": other.pid, "emulator": other.pid})
        assert processes.recorded(record) == []
        assert processes.clear(record, ()) == []
        assert not record.exists()
        assert other.poll() is None
        other.communicate(b"\n")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"up": "1"}', json.dumps({"up": 2**22 + 1})])
def test_a_spoilt_record_names_nobody(tmp_path: Path, text: str) -> None:
    record = tmp_path / "processes.json"
    record.write_text(text)
    assert processes.recorded(record) == []


def test_a_process_of_ours_is_ended_even_when_it_will_not_listen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stubborn = tmp_path / "payvand"
    stubborn.write_text(
        "import signal, sys\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print('ready', flush=True)\nsignal.pause()\n"
    )
    python = Path(sys.executable)
    monkeypatch.setattr(paths, "DEV_BIN", python.parent)
    with subprocess.Popen([python, stubborn, "up"], stdout=subprocess.PIPE) as child:
        assert child.stdout
        assert child.stdout.readline() == b"ready\n"
        found = processes.find(child.pid)
        assert found
        assert found.ours
        processes.stop(found, grace_s=0.1)
        assert child.wait(5) == -9
    assert processes.find(child.pid) is None


def test_a_stranger_on_the_port_is_named_and_lives(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
        in_the_way = processes.clear(tmp_path / "none.json", (port,))
        assert len(in_the_way) == 1
        assert f"port {port} is held by" in in_the_way[0]
        assert held.fileno() != -1
    assert processes.clear(tmp_path / "none.json", (port,)) == []
