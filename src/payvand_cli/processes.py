"""Whose processes hold our ports, and how they end.

A process is ours when its command line names an interpreter of this checkout and one of our two
programs. Nothing else is ever signalled, whatever an old record says: pids are reused.
"""

import json
import os
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from payvand_cli import paths

GRACE_S = 8.0


@dataclass(frozen=True)
class Process:
    """A running process, as the system describes it."""

    pid: int
    command: tuple[str, ...]

    @property
    def ours(self) -> bool:
        """Started from this checkout by `payvand up`."""
        if not self.command:
            return False
        program, rest = self.command[0], self.command[1:]
        if program == str(paths.EMULATOR_PYTHON):
            return rest[:2] == ("-m", "ministack")
        if Path(program).parent != paths.DEV_BIN or not rest:
            return False
        return Path(rest[0]).name == "payvand" and "up" in rest[1:]

    def __str__(self) -> str:
        """Short enough for one line."""
        line = " ".join(self.command) or "unknown program"
        return f"pid {self.pid} ({line[:80]})"


def find(pid: int) -> Process | None:
    """The process with this pid, if it runs."""
    try:
        raw = Path(f"/proc/{pid}/cmdline").read_bytes()
        if not raw:
            return None  # ended, not yet collected by its parent
        return Process(pid, tuple(raw.decode(errors="replace").rstrip("\0").split("\0")))
    except FileNotFoundError:
        if Path("/proc/self").exists():
            return None
    except (ProcessLookupError, PermissionError):
        return None
    line = subprocess.run(
        ["ps", "-o", "args=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout.strip()
    return Process(pid, tuple(line.split())) if line else None


def holder(port: int) -> Process | None:
    """Who listens on a loopback port, where the system lets us see it (Linux)."""
    inodes = _listening(port)
    if not inodes:
        return None
    for fd in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            target = str(fd.readlink())
        except OSError:
            continue
        if target.startswith("socket:[") and target[8:-1] in inodes:
            return find(int(fd.parts[2]))
    return None


def _listening(port: int) -> set[str]:
    wanted = f":{port:04X}"
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text().splitlines()[1:]
        except OSError:
            continue
        for fields in map(str.split, lines):
            if fields[1].endswith(wanted) and fields[3] == "0A":
                inodes.add(fields[9])
    return inodes


def port_is_free(port: int) -> bool:
    """Whether we could listen on this loopback port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def stop(process: Process, grace_s: float = GRACE_S) -> None:
    """End a process of ours: politely, then not. Refuses strangers."""
    if not process.ours:
        raise ValueError(f"not ours: {process}")
    for number, patience_s in ((signal.SIGTERM, grace_s), (signal.SIGKILL, 2.0)):
        try:
            os.kill(process.pid, number)
        except ProcessLookupError:
            return
        until = time.monotonic() + patience_s
        while time.monotonic() < until:
            if find(process.pid) != process:
                return
            time.sleep(0.02)


def record(path: Path, pids: dict[str, int]) -> None:
    """Leave word of who runs the stack."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(pids))


def recorded(path: Path) -> list[Process]:
    """Processes of ours that an earlier run left word of and that still run, the parent first."""
    try:
        pids = json.loads(path.read_text())
    except (OSError, ValueError):
        return []
    if not isinstance(pids, dict):
        return []
    found = [find(pids[name]) for name in ("up", "emulator") if isinstance(pids.get(name), int)]
    return [process for process in found if process and process.ours]


def clear(path: Path, ports: tuple[int, ...]) -> list[str]:
    """End what an earlier run left and free its ports.

    Returns: what still holds one of the ports, in words; empty when all are free.
    """
    for process in recorded(path):
        if process.pid != os.getpid():
            stop(process)
    path.unlink(missing_ok=True)
    strangers = []
    for port in ports:
        if port_is_free(port):
            continue
        who = holder(port)
        if who and who.ours:
            stop(who)
        if not port_is_free(port):
            strangers.append(f"port {port} is held by {who or 'another program'}")
    return strangers
