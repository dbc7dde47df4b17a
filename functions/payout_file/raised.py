"""What a lane needs a person for, as a task (docs/runbook.md)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from payvand.edge import log
from payvand.store.payout_files import Lane
from payvand.store.tasks import Task

if TYPE_CHECKING:
    from payvand.edge.wiring import Wiring


def raise_task(
    live: "Wiring",
    lane: Lane,
    kind: str,
    subject: str,
    now_ms: int,
    facts: Mapping[str, str | int] | None = None,
) -> None:
    """Open a task about a lane's payout or file, once."""
    known = {"lane": lane.key, **(facts or {})}
    if live.tasks.open(Task(lane.mode, kind, subject, now_ms, known)):
        log.metric("TasksOpened")
