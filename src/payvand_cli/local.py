"""Bring a whole local stack up and take it down again, in one `with`."""

import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from payvand_cli import build, metrics, overlay, packaged, paths, processes
from payvand_cli.emulator import Emulator
from payvand_cli.front import FrontDoor
from payvand_cli.logs import Follower
from payvand_cli.paths import Site
from payvand_cli.stack import REGION, Stack

STAGE = "v1"


class Reporter(Protocol):
    """Shows a step while it runs and its time afterwards."""

    def __call__(self, doing: str, done: str | None = None) -> AbstractContextManager[None]:
        """Wrap one step."""


def _silent(doing: str, done: str | None = None) -> AbstractContextManager[None]:
    del doing, done
    return nullcontext()


@dataclass(frozen=True)
class Running:
    """A stack that answers."""

    site: Site
    stack: Stack
    data: Stack | None
    emulator: Emulator
    follower: Follower
    overlaid: list[str]


class _Building(threading.Thread):
    """`sam build` beside the emulator's start; its failure surfaces on `finish`."""

    def __init__(self, sam: build.Sam, template: Path) -> None:
        super().__init__(name="build", daemon=True)
        self._sam, self._template = sam, template
        self._failure: BaseException | None = None

    def run(self) -> None:
        try:
            build.build(self._sam, self._template)
        except BaseException as failure:  # noqa: BLE001 - handed to whoever waits
            self._failure = failure

    def finish(self) -> None:
        while self.is_alive():
            self.join(0.2)  # short waits, so that Ctrl-C is heard
        if self._failure:
            raise self._failure


@contextmanager
def bring_up(
    site: Site,
    *,
    report: Reporter = _silent,
    template: Path = paths.TEMPLATE,
    overrides: Mapping[str, str] | None = None,
    pids: Mapping[str, int] | None = None,
) -> Iterator[Running]:
    """A deployed stack behind its front door; all of it ends with the block."""
    site.folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as cleanup:
        key = packaged.digest(template)
        unchanged = packaged.kept(key)
        sam = build.Sam(site)
        cleanup.callback(sam.stop)
        building = _Building(sam, template)
        if not unchanged:
            building.start()
        emulator = Emulator(site)
        cleanup.callback(emulator.stop)
        processes.record(site.processes, {**(pids or {}), "emulator": emulator.child.pid})
        cleanup.callback(site.processes.unlink, missing_ok=True)
        with report("starting the AWS emulator", "AWS emulator on loopback, IAM enforced"):
            emulator.wait_until_ready()
        stack = Stack(site.endpoint)
        stack.s3.create_bucket(Bucket=packaged.BUCKET)
        data = None
        if beside := paths.data_beside(template):
            with report("deploying what holds data", "tables, files, keys and secrets"):
                data = build.deploy_data(site, beside)
        values = build.parameters(site, template) | dict(overrides or {})
        if unchanged:
            with report("deploying", "deployed; unchanged since the last build"):
                packaged.deploy(stack, unchanged, values)
        else:
            with report("building with SAM", "sam build"):
                building.finish()
            with report("deploying with SAM", "sam deploy"):
                build.deploy(sam, stack, values)
            if packaged.digest(template) == key:  # nobody edited a source meanwhile
                packaged.keep(stack, key)
        with report("completing the deployment", "what the emulator leaves out, put in"):
            overlaid = [line for each in (data, stack) if each for line in overlay.apply(each)]
        door = FrontDoor(site.port, site.emulator_port, base_path(stack))
        cleanup.callback(door.close)
        door.open()
        follower = Follower(stack, int(time.time() * 1000))
        follower.listeners.append(lambda lines: metrics.forward(stack, lines))
        cleanup.callback(follower.stop)
        follower.start()
        yield Running(site, stack, data, emulator, follower, overlaid)


def base_path(stack: Stack) -> str:
    """Where the emulator serves the API's stage."""
    outputs = stack.outputs
    return f"/restapis/{outputs['ApiId']}/{outputs.get('StageName', STAGE)}/_user_request_"


def describe(running: Running) -> dict[str, Any]:
    """What `.payvand/local.json` says about any stack; seeding adds the rest."""
    site = running.site
    return {
        "api_url": site.url,
        "lab_url": f"{site.url}/lab",
        "aws_endpoint": site.endpoint,
        "aws_region": REGION,
        "stack": running.stack.name,
        "pid": os.getpid(),
        "emulator_pid": running.emulator.child.pid,
    }
