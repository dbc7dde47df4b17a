"""What a run prints: figures first, verdicts last. The same object is what a file of it holds."""

import json
import os
import platform
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from payvand_cli.load.memory import Growth
from payvand_cli.load.meter import Timing
from payvand_cli.load.verdicts import Verdict

DOORS_SHOWN: Final = 16
MB: Final = 1024
"""In kilobytes."""


@dataclass(frozen=True)
class Report:
    """One run. `rushed_s` is how long payers came; `took_s` includes coming to rest."""

    command: str
    at: str
    machine: str
    revision: str
    rushed_s: float
    took_s: float
    lab_days: int
    payments: dict[str, int]
    plans: dict[str, int]
    timings: Sequence[Timing]
    refused: Sequence[tuple[str, int, str, int]]
    troubles: dict[str, int]
    memory: Sequence[Growth]
    verdicts: Sequence[Verdict]

    @property
    def holds(self) -> bool:
        """Whether nothing is wrong."""
        return not any(verdict.wrong for verdict in self.verdicts)

    def to_json(self) -> str:
        """For a file."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Report":
        """From a file."""
        found: dict[str, Any] = json.loads(text)
        kinds = {"timings": Timing, "memory": Growth, "verdicts": Verdict}
        for name, kind in kinds.items():
            found[name] = [kind(**row) for row in found[name]]
        found["memory"] = [
            replace(growth, eighths_kb=tuple(growth.eighths_kb)) for growth in found["memory"]
        ]
        found["refused"] = [tuple(row) for row in found["refused"]]
        return cls(**found)

    def __str__(self) -> str:
        """Plain text, as printed and as quoted in docs/load.md."""
        made = sum(self.payments.values())
        states = ", ".join(f"{n} {name}" for name, n in sorted(self.payments.items()))
        return "\n".join(
            [
                f"$ {self.command}",
                f"{self.at}, {self.machine}, revision {self.revision}",
                f"{made} payments in {self.rushed_s:.0f} s ({made / self.rushed_s:.2f}/s)",
                f"{self.lab_days} lab days; all at rest after {self.took_s:.0f} s",
                f"  {states}",
                "",
                "milliseconds at each door (reported, never judged)",
                f"  {'door':<58}{'calls':>7}{'p50':>9}{'p95':>9}{'p99':>9}",
                *(
                    f"  {t.door:<58}{t.calls:>7}{t.p50:>9.0f}{t.p95:>9.0f}{t.p99:>9.0f}"
                    for t in self.timings[:DOORS_SHOWN]
                ),
                "",
                "answers of 400 and more, by code",
                *(f"  {n:>6} × {at}: {status} {code}" for at, status, code, n in self.refused),
                *([] if self.refused else ["  none"]),
                "",
                "payers and clerks who met something else than they expected",
                *(f"  {n:>6} × {what}" for what, n in self.troubles.items()),
                *([] if self.troubles else ["  none"]),
                "",
                "memory of warm workers: median, and the rise of the fitted line",
                *_memory(self.memory),
                "",
                *map(str, self.verdicts),
                "it holds" if self.holds else "IT DOES NOT HOLD",
            ]
        )


def _memory(growths: Sequence[Growth]) -> list[str]:
    """The worst worker of each function."""
    worst: dict[str, Growth] = {}
    for growth in sorted(growths, key=lambda g: g.rose_kb):
        worst[growth.function] = growth
    return [
        f"  {g.function:<18}{g.median_kb / MB:>7.1f} MB {g.rose_kb / MB:>+7.2f} MB"
        f" in {g.seconds:.0f} s"
        for _, g in sorted(worst.items())
    ] or ["  none lived long enough"]


def counted(rows: Counter[str], most: int = 12) -> dict[str, int]:
    """The most frequent, and how many others there were."""
    shown = dict(rows.most_common(most))
    rest = rows.total() - sum(shown.values())
    return shown | ({"something else": rest} if rest else {})


def machine() -> str:
    """This machine's size, nothing more of it."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return f"{cores} cores, {pages / 2**30:.0f} GB, {platform.system()} {platform.machine()}"


def write(report: Report, path: Path) -> None:
    """Keep it."""
    path.write_text(report.to_json(), encoding="utf-8")
