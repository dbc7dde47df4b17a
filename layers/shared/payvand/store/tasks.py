"""Operator tasks: what only a person can decide, each once (docs/runbook.md, `payvand tasks`).

operations  pk = task.{mode}  sk = {kind}#{subject}   waits for a person
            pk = done.{mode}  sk = {kind}#{subject}   was closed, with a note

A task is named by what it is about, so whoever meets the same thing again opens nothing new; once
closed it stays closed.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from payvand.errors import NotFound, Overtaken
from payvand.ids import Mode
from payvand.store.guards import guard
from payvand.store.table import Item, Table

NOTE_MAX: Final = 1_000
_ID: Final = re.compile(r"[a-z_]{1,40}#[\x21-\x7e]{1,200}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Task:
    """`kind` says what to do (docs/runbook.md), `subject` what about: an id or a file's key.

    `facts` are amounts, codes and places; nothing personal, and no bank's free text.
    """

    mode: Mode
    kind: str
    subject: str
    at_ms: int
    facts: Mapping[str, str | int] = field(default_factory=dict)
    closed_at_ms: int | None = None
    note: str = ""

    @property
    def id(self) -> str:
        """How an operator names it."""
        return f"{self.kind}#{self.subject}"


class Tasks:
    """The door to operator tasks."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def open(self, task: Task) -> bool:
        """Open a task, if it neither waits nor was closed already; whether it is new."""
        assert _ID.fullmatch(task.id), "a task's name is printable ASCII"
        put = self._table.put_request(_to_item(task, "task"), guard("task.absent"))
        done = {"pk": f"done.{task.mode}", "sk": task.id}
        try:
            self._table.transact([put, self._table.check_request(done, guard("task.not_done"), {})])
        except Overtaken:
            return False
        return True

    def waiting(self, mode: Mode) -> Iterator[Task]:
        """Tasks that wait for a person, by kind and subject."""
        return map(_from_item, self._table.query("#pk = :pk", {":pk": f"task.{mode}"}))

    def close(self, mode: Mode, id: str, note: str, at_ms: int) -> Task:
        """Close a task with what was decided. Raises NotFound when none of this name waits."""
        item = self._table.get({"pk": f"task.{mode}", "sk": id}).item
        if item is None:
            raise NotFound
        done = {**item, "pk": f"done.{mode}", "closed": at_ms, "note": note[:NOTE_MAX]}
        with suppress(Overtaken):  # closed before, and not taken away: its first note stays
            self._table.write(self._table.put_request(done, guard("task.absent")))
        self._table.delete({"pk": f"task.{mode}", "sk": id})
        return _from_item(done)

    def closed(self, mode: Mode, id: str) -> Task | None:
        """A closed task, with its note."""
        item = self._table.get({"pk": f"done.{mode}", "sk": id}).item
        return None if item is None else _from_item(item)


def _to_item(task: Task, place: str) -> Item:
    return {
        "pk": f"{place}.{task.mode}",
        "sk": task.id,
        "mode": task.mode,
        "at": task.at_ms,
        "facts": dict(task.facts),
    }


def _from_item(item: Mapping[str, Any]) -> Task:
    kind, _, subject = item["sk"].partition("#")
    return Task(
        mode=item["mode"],
        kind=kind,
        subject=subject,
        at_ms=item["at"],
        facts=item["facts"],
        closed_at_ms=item.get("closed"),
        note=item.get("note", ""),
    )
