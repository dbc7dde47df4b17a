"""Reconciliation, killed at every call it makes and run again: everything is booked once.

The history meets all a run can do: a file with what matches, what ends a miss, what nobody expects
and what is announced to the bank; a word that books in a merchant's book; tasks opened and closed.
"""

import contextlib
import datetime as dt
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError

from payvand.payment import Payment
from payvand.store.reconciliations import Scope
from tests.support.reports import (
    BOOK,
    CONTRACTS,
    ZIBAL,
    balanced,
    decided,
    given_back,
    house,
    leave,
    report,
    run_items,
    runs,
    taken,
    tasks,
    tell,
    transaction,
    wake,
    work,
)
from tests.support.world import START, Died, Fault, World, running_world

pytestmark = pytest.mark.long

TODAY = START.date()
DAY = dt.timedelta(1)
AGAIN = dt.timedelta(seconds=5_400)
"""The queue shows a message again after this time."""


def prepared(world: World) -> None:
    """A source that began, a payment missed, one that is short and decided, and a file to read."""
    world.add_merchant(contracts=CONTRACTS)
    tell(world, "began", report(transaction(1_000, 1, TODAY - 2 * DAY)))
    (task,) = tasks(world).values()
    world.live.tasks.close("test", task.id, "before our time", 1)
    missed, short = taken(world, 100_000, 70), taken(world, 200_000, 71)
    tell(world, "short", report(transaction(190_000, 71, TODAY)))
    world.later(days=3)
    wake(world)
    assert set(tasks(world)) == {"reconcile_missing_after_sla", "reconcile_under"}
    _decide(world, tasks(world)["reconcile_under"].subject)
    _leave_all(world, missed, short)


def _decide(world: World, item: str) -> None:
    legs = {"payable:merchant": 10_000, "receivable:zibal": -10_000}
    fields = {"entries": ["71"], "found": 190_000, "currency": "IRR", "by": "operator"}
    said = fields | {"reason": "short", "legs": legs, "book": BOOK.key}
    with world.unwatched():
        world.live.reconciliations.say(ZIBAL, item, said)


def _leave_all(world: World, missed: Payment, short: Payment) -> None:
    on = TODAY + 3 * DAY
    taken(world, 250_000, 77)
    given_back(world, short, 50_000, 501)
    settled: dict[str, Any] = {"refNumber": "9", "amount": 5, "status": 0}
    back = {"refundId": 501, "amount": 50_000, "status": 2, "createdAt": f"{on}T13:00:00"}
    told = report(
        transaction(100_000, 70, on, wage=300),
        transaction(250_000, 77, on, wage=900),
        transaction(4, 99, on),
        back | {"transactionDetail": {"trackId": 71}},
        settled | {"settlementDate": f"{on}T20:00:00"},
    )
    leave(world, "all", told)
    assert missed.id != short.id


def finished(world: World) -> dict[str, Any]:
    """All that must be true in the end, however it was reached."""
    balanced(world)
    assert not world.dead["ReconcileDeadQueue"]
    corrections = [i for i in world.items("PaymentsTable") if i["id"].startswith("m:rec_")]
    in_book = [i for i in corrections if i["pk"].startswith(BOOK.key)]
    announced = list(world.live.reconciliations.said(Scope("test", "announced:IRR"), TODAY))
    assert len(in_book) == 1 and len(announced) == 1
    assert runs(world)
    return {
        "house": house(world),
        "decided": decided(world),
        "tasks": {kind: task.subject for kind, task in tasks(world).items()},
        "shown": sorted(item["item"] for item in run_items(world)),
        "correction": in_book[0]["legs"],
    }


@pytest.fixture
def fresh() -> Iterator[Callable[[], World]]:
    with contextlib.ExitStack() as worlds:

        def make() -> World:
            worlds.close()
            return worlds.enter_context(running_world())

        yield make


def play(world: World, fault: tuple[int, Fault] | None) -> int:
    prepared(world)
    before = len(world.calls)
    if fault is not None:
        world.plan = {before + fault[0]: fault[1]}
    for _ in range(2):  # the file, and the run it asks for
        with contextlib.suppress(Died, BotoCoreError):
            world.deliver("ReconcileQueue")
    calls = len(world.calls) - before
    world.plan = {}
    while world.queues["ReconcileQueue"]:
        work(world)
        world.now += AGAIN
    return calls


@pytest.mark.parametrize("fault", list(Fault))
def test_every_call_may_fail(fresh: Callable[[], World], fault: Fault) -> None:
    world = fresh()
    calls = play(world, None)
    wanted = finished(world)
    assert wanted["house"] == {"expense:channel": 1_200, "receivable:zibal": -1_200}
    assert set(wanted["tasks"]) == {"reconcile_unknown"}
    assert calls > 30
    for index in range(calls):
        world = fresh()
        try:
            play(world, (index, fault))
            assert finished(world) == wanted
        except BaseException as exc:
            exc.add_note(f"call {index} of {calls}, {fault}")
            raise


def test_everything_may_be_done_twice(fresh: Callable[[], World]) -> None:
    world = fresh()
    play(world, None)
    wanted = finished(world)
    wake(world)
    world.put_message("ReconcileQueue", '{"tick":true}', 0)
    work(world)
    assert finished(world) == wanted
