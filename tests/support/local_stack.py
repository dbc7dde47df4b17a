"""A deployed stack for a test session: own ports, own folder, gone with the session.

`local_stack` is the product, built and deployed from the real template, seeded, behind its front
door. `bare_emulator` is an empty AWS account, for tests that bring their own resources.
"""

import random
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from payvand_cli import seed
from payvand_cli.emulator import Emulator
from payvand_cli.local import Running, bring_up, describe
from payvand_cli.paths import Site
from payvand_cli.stack import Stack


@dataclass(frozen=True)
class LocalStack:
    """The running stack and what `.payvand/local.json` would say about it."""

    running: Running
    local: dict[str, Any]

    @property
    def stack(self) -> Stack:
        """Outputs, resources and AWS clients."""
        return self.running.stack

    @property
    def data(self) -> Stack:
        """The stack of what holds data."""
        assert self.running.data
        return self.running.data

    @property
    def url(self) -> str:
        """The API's base URL."""
        return self.running.site.url


def free_site(folder: Path) -> Site:
    """A site on two neighbouring ports nobody uses.

    Below those the system lends: who knocks at a lent one before anybody listens may be lent that
    very port, and then speaks to himself.
    """
    while True:
        port = random.randrange(20_000, 32_000, 2)
        with socket.socket() as first, socket.socket() as second:
            try:
                first.bind(("127.0.0.1", port))
                second.bind(("127.0.0.1", port + 1))
            except (OSError, OverflowError):
                continue
            return Site(folder, folder / "local.json", port)


@pytest.fixture(scope="session")
def local_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """The product, deployed."""
    with bring_up(free_site(tmp_path_factory.mktemp("stack"))) as running:
        yield LocalStack(running, describe(running) | seed.seed(running.stack, running.site.url))


@pytest.fixture(scope="session")
def bare_emulator(_bare: Emulator) -> Stack:
    """An empty AWS account. Its `name` is a stack nobody has created."""
    return Stack(_bare.site.endpoint)


@pytest.fixture(scope="session")
def bare_log(_bare: Emulator) -> Path:
    """What the empty account's emulator printed."""
    return _bare.site.log("emulator")


@pytest.fixture(scope="session")
def _bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    emulator = Emulator(free_site(tmp_path_factory.mktemp("bare")))
    try:
        emulator.wait_until_ready()
        yield emulator
    finally:
        emulator.stop()
