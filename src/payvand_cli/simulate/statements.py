"""A person who keeps a table of the bank account, and hands it in as files.

What is written down is what the bank moved and what it charged; it may be handed in whole or in
part, twice, in pieces, late, with a wrong amount, or in a file nobody can read. Files go the way
of `payvand reconcile upload`, from a host that may fail between two steps.
"""

import csv
import datetime as dt
import io
from collections.abc import Iterable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, cast

from payvand import calendar
from payvand.store.reconciliations import Scope
from payvand_cli import reconcile
from payvand_cli.simulate.engine import Draws

if TYPE_CHECKING:
    from payvand_cli.simulate.world import World

SOURCE: Final = "statement:IRR"
MANNERS: Final = (
    "whole",
    "whole",
    "some",
    "some",
    "last",
    "twice",
    "pieces",
    "wrong",
    "unreadable",
)
COLUMNS: Final = ("id", "date", "amount", "currency", "reference")
CHARGE: Final = 70_003
"""The least the bank charges: no payout is of such an amount."""
SLIPS: Final = (-1_000, -10, 10, 1_000_000)
"""How far off a wrong amount is."""
UNREADABLE: Final = (b"", b"PK\x03\x04", b"\xff\xfe\x00", b"line;sum\r\n1;2\r\n")


@dataclass(frozen=True, slots=True)
class Line:
    """One movement of the account, as it really was."""

    id: str
    day: dt.date
    minor: int
    reference: str


class Statements:
    """`lines` are the account, by the ids its keeper gave them; `told` the amounts handed in."""

    def __init__(self, world: "World") -> None:
        self.world = world
        self.scope = Scope(world.shape.mode, SOURCE)
        self.lines: dict[str, Line] = {}
        self.told: dict[str, set[int]] = {}
        self.unreadable: set[str] = set()
        """Keys of files nobody can read."""
        self.all_in: frozenset[str] | None = None
        """Ids of the last statement, whole and right, once it was handed in."""
        self._files = 0

    # ── the account ───────────────────────────────────────────────────────────────────────────

    def moved(self, reference: str, minor: int) -> None:
        """The bank moved money, or took it."""
        at = dt.datetime.fromtimestamp(self.world.engine.lab_ms / 1000, dt.UTC)
        id = str(len(self.lines) + 1)
        self.lines[id] = Line(id, calendar.local(at, "IRR").date(), minor, reference)
        if self.world.engine.note is not None:
            self.world.engine.note(f"the account moves {minor}, {reference or 'a charge'} ({id})")

    def charge(self, n: int) -> None:
        """The bank charges for its services, under no reference of ours."""
        self.moved("", -CHARGE - n)

    # ── handing in ────────────────────────────────────────────────────────────────────────────

    def hand_in(self, n: int) -> None:
        """Hand the table in as its keeper does that day."""
        draws = Draws(self.world.engine.seed, f"statement {n}")
        manner, lines = draws.pick(MANNERS), list(self.lines.values())
        if manner == "unreadable":
            self._leave(draws.pick(UNREADABLE), (), 0)
            return
        if manner == "some":
            lines = [line for line in lines if draws.chance(500)]
        elif manner == "last":
            lines = lines[-2:]
        pieces = [[line] for line in lines] if manner == "pieces" else [lines]
        for piece in pieces:
            slip = draws.below(len(piece)) if piece and manner == "wrong" else -1
            by = draws.pick(SLIPS)
            written = [
                (line, line.minor + by if i == slip else line.minor) for i, line in enumerate(piece)
            ]
            for _ in range(2 if manner == "twice" else 1):
                self._hand(written, draws.pick((",", ";")), draws.below(3_000))

    def hand_in_all(self) -> None:
        """The last statement, whole and right."""
        self.all_in = frozenset(self.lines)
        self._hand([(line, line.minor) for line in self.lines.values()], ",", 0)

    def _hand(self, written: list[tuple[Line, int]], delimiter: str, delay_ms: int) -> None:
        for line, minor in written:
            self.told.setdefault(line.id, set()).add(minor)
        rows = ((line.id, line.day, minor, "IRR", line.reference) for line, minor in written)
        self._leave(table(rows, delimiter), [line.id for line, _ in written], delay_ms)

    def _leave(self, content: bytes, ids: Iterable[str], delay_ms: int) -> None:
        self._files += 1
        file = cast("Any", SimpleNamespace(name=f"{self._files}.csv", read_bytes=lambda: content))
        if self.world.engine.note is not None:
            about = ", ".join(ids) or content
            self.world.engine.note(f"statement {self._files} is handed in: {about!r}")

        def upload() -> None:
            world = self.world
            now = dt.datetime.fromtimestamp(world.engine.now_ms / 1000, dt.UTC)
            key = reconcile.upload(world.desk, self.scope, file, now)
            if content in UNREADABLE:
                self.unreadable.add(key)

        self.world.by_hand(f"keeper {self._files}", upload, delay_ms)


def table(rows: Iterable[tuple[object, ...]], delimiter: str) -> bytes:
    """The CSV a person writes."""
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter).writerows([COLUMNS, *rows])
    return out.getvalue().encode()
