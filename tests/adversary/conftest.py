from collections.abc import Iterator

import pytest

from tests.support.world import OTHER, World, running_world


@pytest.fixture
def world() -> Iterator[World]:
    with running_world() as made:
        yield made


@pytest.fixture
def key(world: World) -> str:
    return world.add_merchant()["test"]


@pytest.fixture
def other_key(world: World) -> str:
    return world.add_merchant(OTHER)["test"]
