"""Two minutes of load on a deployed stack of its own: everything that must hold afterwards holds.

Its own, because it moves the lab's clock by days and fills the lab's books.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from payvand.psp.registry import names
from payvand_cli.load.command import run
from payvand_cli.load.course import Asked
from payvand_cli.local import bring_up, describe
from payvand_cli.seed import seed
from tests.support.local_stack import free_site

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("load")]

ASKED = Asked("all", seconds=60, payments=400, turn_s=20, actors=4, seed=1)


@pytest.fixture
def local(tmp_path: Any) -> Iterator[dict[str, Any]]:
    with bring_up(free_site(tmp_path)) as running:
        yield describe(running) | seed(running.stack, running.site.url)


def test_nothing_is_lost_under_load(local: dict[str, Any]) -> None:
    done = run(local, ASKED, "the short soak")
    assert [str(verdict) for verdict in done.verdicts if verdict.wrong] == [], str(done)
    assert done.holds
    assert done.lab_days and sum(done.payments.values()) > len(names())
    returned = {row.door for row in done.timings}
    assert {f"GET /psp/{channel}/return" for channel in names()} <= returned
