"""A bank that takes payouts in files of many, by a file's name, and leaves tables of answers.

It pays every row of a name it does not know, whatever it paid before: the same order under another
name is paid again. What it says is true, but it may say it late, in pieces, twice, in words nobody
knows, in a file nobody can read, or never.
"""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any, Final

from payvand_cli.simulate.engine import HOUR_MS, Engine
from payvand_cli.simulate.parties import BANK_RETURNS_MS, SimulatedBank, Transfer

TAKES_MS: Final = (3 * 60_000, 30 * 60_000)
ANSWERS_MS: Final = (60_000, 20 * 60_000, 5 * HOUR_MS, 26 * HOUR_MS)
CALM_MS: Final = 5 * 60_000
"""How soon the bank takes files and answers when nothing goes wrong any more."""
MANNERS: Final = ("plain", "plain", "pieces", "pieces", "twice", "vague", "broken", "silent")
VAGUE: Final = ("در دست بررسی", "processing", "", "executed?")
"""Words that say neither yes nor no."""
UNREADABLE: Final = (
    b"",
    b"\xff\x00\x80 not a table",
    "شماره;مبلغ\r\n1;2\r\n".encode(),
    b'"reference',
)


class FileBank(SimulatedBank):
    """`transfers` are by reference, as what was ordered last under it."""

    def __init__(self, engine: Engine, objects: dict[str, bytes], mode: str) -> None:
        super().__init__(engine, objects)
        self.mode = mode
        self.left: dict[str, str] = {}
        """What was left in the mode's own folder: key → "clear", "doubtful" or "unreadable"."""
        self.vague: set[str] = set()
        """References of which it was said that nobody knows."""
        self.mute: set[str] = set()
        """References of which nothing final will ever be said."""

    def saw(self, key: str, content: bytes) -> None:
        """A file was left for the bank; a name it knows is the file it knows."""
        name = key.rpartition("/")[2]
        if name in self.sent:
            if self.sent[name] != content:
                self.differing.append(name)
            return
        self.sent[name] = content
        delay_ms = 30_000 + self._draws.below(CALM_MS if self._calm else self._draws.pick(TAKES_MS))
        self.engine.at(self.engine.now_ms + delay_ms, self._take, name)

    @property
    def _calm(self) -> bool:
        return self.engine.now_ms >= self.engine.calm_at_ms

    def _take(self, name: str) -> None:
        """Pay the rows of a new name. In calm times nothing goes wrong any more."""
        calm = self._calm
        told: dict[str, str] = {}
        for row in csv.DictReader(io.StringIO(self.sent[name].decode("utf-8-sig"), newline="")):
            reference = row["reference"]
            rejected = not calm and self._draws.chance(150)
            self.transfers[reference] = Transfer(dict(row), paid=not rejected)
            told[reference] = "rejected" if rejected else "executed"
            if not rejected:
                self.moved(reference, -int(row["amount"]))
            if not rejected and not calm and self._draws.chance(200):
                delay_ms = 60_000 + self._draws.below(BANK_RETURNS_MS)
                self.engine.at(self.engine.now_ms + delay_ms, self._come_back, reference)
        self._tell(told, "plain" if calm else self._draws.pick(MANNERS))

    def _come_back(self, reference: str) -> None:
        transfer = self.transfers[reference]
        transfer.returned = True
        self.moved(reference, int(transfer.order["amount"]))
        if reference not in self.mute:
            self._later(self._say, [(reference, "returned")])

    # ── answers ───────────────────────────────────────────────────────────────────────────────

    def _tell(self, told: dict[str, str], manner: str) -> None:
        rows = list(told.items())
        if manner in {"vague", "silent"} and self._draws.chance(120):
            self.mute |= told.keys()
        if manner == "vague":
            self._later(self._say, [(reference, self._draws.pick(VAGUE)) for reference in told])
            self._later(self._say, [(reference, "pending") for reference in told])
        if manner == "broken":
            self._later(self._put, self._draws.pick(UNREADABLE), "unreadable")
        if self.mute.isdisjoint(told):
            size = 1 if manner == "pieces" else len(rows)
            for start in range(0, len(rows), size):
                for _ in range(2 if manner == "twice" else 1):
                    self._later(self._say, rows[start : start + size])

    def _later(self, do: Any, *args: Any) -> None:
        longest = CALM_MS if self._calm else self._draws.pick(ANSWERS_MS)
        delay_ms = 10_000 + self._draws.below(longest)
        self.engine.at(self.engine.now_ms + delay_ms, do, *args)

    def _say(self, rows: Sequence[tuple[str, str]]) -> None:
        vague = {reference for reference, word in rows if word in VAGUE}
        self.vague |= vague
        self._put(self._table(rows), "doubtful" if vague else "clear")

    def _table(self, rows: Iterable[tuple[str, str]]) -> bytes:
        out = io.StringIO(newline="")
        lines = csv.writer(out, delimiter=self._draws.pick((",", ";", "\t")))
        lines.writerows([("Status", "Reference", "code"), *((w, r, "00") for r, w in rows)])
        return out.getvalue().encode("utf-16" if self._draws.chance(200) else "utf-8")

    def _put(self, content: bytes, kind: str) -> None:
        key = f"bank/in/csv/{self.mode}/IRR/answer-{len(self.left):05d}.csv"
        self.objects[key] = content
        self.left[key] = kind
        if self.engine.note is not None:
            self.engine.note(f"the bank leaves {key}: {kind}")
