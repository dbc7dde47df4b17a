"""The lab's switch: the payout side of the Iranian card network, as a process of its own.

`running` is for tests; `run` and `main` are the same, working by itself, until a signal comes.
Facilitators speak FTPS to it and nothing else; the control door moves what is outside of files.
"""

import argparse
import contextlib
import datetime as dt
import json
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from payvand_cli.switch.door import Door
from payvand_cli.switch.party import Hours, Switch, is_open
from payvand_cli.switch.server import Server
from payvand_cli.switch.trust import certificates

__all__ = ["Hours", "Running", "Switch", "main", "run", "running"]

TICK_S: Final = 1.0


def real_now() -> dt.datetime:
    """The computer's clock."""
    return dt.datetime.now(dt.UTC)


@dataclass(frozen=True)
class Running:
    """A switch that answers: where, and the authority of its certificate."""

    switch: Switch
    server: Server
    ftps_port: int
    door_url: str
    ca_pem: str


@contextlib.contextmanager
def running(
    folder: Path,
    *,
    ftps_port: int = 0,
    door_port: int = 0,
    now: Callable[[], dt.datetime] = real_now,
    open_on: Callable[[dt.date], bool] = is_open,
    hours: Hours | None = None,
) -> Iterator[Running]:
    """A switch on 127.0.0.1 with all it keeps under `folder`; port 0 is any free one.

    It works when told to (`Switch.process`, POST /process); `run` also does it by itself.
    """
    switch = Switch(folder, now, open_on=open_on, hours=hours)
    ca, certificate = certificates(folder, real_now())
    with contextlib.ExitStack() as open_doors:
        server = Server(switch, certificate, ftps_port)
        open_doors.callback(server.close)
        door = Door(switch, ca.read_bytes(), door_port)
        open_doors.callback(door.close)
        yield Running(switch, server, server.port, door.url, ca.read_text())


def run(
    folder: Path,
    ftps_port: int,
    door_port: int,
    until: threading.Event,
    now: Callable[[], dt.datetime] = real_now,
) -> None:
    """Serve until `until` is set, doing every second what is due; says once where it listens."""
    with running(folder, ftps_port=ftps_port, door_port=door_port, now=now) as lab:
        print(json.dumps({"ftps_port": lab.ftps_port, "door_url": lab.door_url}), flush=True)
        while not until.wait(TICK_S):
            lab.switch.process()


def main() -> None:
    """`python -m payvand_cli.switch`, until SIGTERM or Ctrl-C."""
    parser = argparse.ArgumentParser(prog="payvand-switch", description="The lab's switch.")
    parser.add_argument("--folder", type=Path, required=True, help="what it keeps")
    parser.add_argument("--ftps-port", type=int, default=0)
    parser.add_argument("--door-port", type=int, default=0)
    asked = parser.parse_args()
    ends = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ends.set())
    run(asked.folder, asked.ftps_port, asked.door_port, ends)
