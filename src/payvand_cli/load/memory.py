"""Whether the functions' workers grow: their resident memory, sampled, and a line through it.

A worker is warm when it has worked for 1.5 seconds of processor time (its imports take less than
one) and a third of its life is over; what comes after is fitted with least squares. Linux only: it
reads /proc.
"""

import os
import re
import statistics
import threading
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

EVERY_S: Final = 1.0
SAMPLES_MIN: Final = 20
GROWTH_MAX_KB: Final = 2_048
GROWTH_MAX_SHARE: Final = 0.05
EXPLAINED: Final = {"lab": 8_192}
"""The lab reads its last 500 sessions at once, and so grows until there are so many."""
PAGE_KB: Final = os.sysconf("SC_PAGE_SIZE") // 1024
WARM_AFTER: Final = 1 / 3
WORKED_S_MIN: Final = 1.5
PARTS: Final = 8
TICKS: Final = os.sysconf("SC_CLK_TCK")
_WORKER: Final = re.compile(r"ministack-lambda-[^/]*?-([a-z_]+)-[^-/]+/_worker\.py")


@dataclass(frozen=True)
class Sample:
    """One look at a worker: when, its resident memory, and how long it has worked."""

    at: float
    kb: int
    worked_s: float


type Samples = Sequence[Sample]


@dataclass(frozen=True)
class Growth:
    """One worker after it was warm: how big, for how long, and how much the fitted line rose."""

    function: str
    pid: int
    seconds: float
    median_kb: float
    rose_kb: float
    eighths_kb: tuple[float, ...] = ()
    """Medians of eight equal parts, to tell a step from a slope."""

    @property
    def flat(self) -> bool:
        """Whether it rose less than a worker's noise, or than there is a reason for."""
        noise = max(GROWTH_MAX_KB, GROWTH_MAX_SHARE * self.median_kb)
        return self.rose_kb <= EXPLAINED.get(self.function, noise)


def fitted(function: str, pid: int, samples: Samples) -> Growth | None:
    """The line through a warm worker's samples; None when it lived too short."""
    late = samples[int(len(samples) * WARM_AFTER) :]
    warm = [sample for sample in late if sample.worked_s >= WORKED_S_MIN]
    if len(warm) < SAMPLES_MIN:
        return None
    times, sizes = [sample.at for sample in warm], [sample.kb for sample in warm]
    slope, _ = statistics.linear_regression(times, sizes)
    seconds = times[-1] - times[0]
    parts = [sizes[n * len(sizes) // PARTS : (n + 1) * len(sizes) // PARTS] for n in range(PARTS)]
    eighths = tuple(statistics.median(part) for part in parts)
    return Growth(function, pid, seconds, statistics.median(sizes), slope * seconds, eighths)


def workers(emulator_pid: int) -> dict[tuple[str, int], Sample]:
    """The emulator's workers by function and pid."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        pid = int(path.name)
        try:
            if os.getpgid(pid) != emulator_pid:
                continue
            command = (path / "cmdline").read_bytes().decode(errors="replace")
            match = _WORKER.search(command)
            if match:
                found[match[1], pid] = _look(path)
        except (OSError, IndexError, ValueError):
            continue  # it ended while we looked
    return found


def _look(path: Path) -> Sample:
    pages = int((path / "statm").read_text().split()[1])
    # Behind the program's name in brackets, user and system time are the 12th and 13th field.
    fields = (path / "stat").read_text().rpartition(")")[2].split()
    worked_s = (int(fields[11]) + int(fields[12])) / TICKS
    return Sample(time.monotonic(), pages * PAGE_KB, worked_s)


class Sampler:
    """Looks every second from a thread of its own."""

    def __init__(self, emulator_pid: int) -> None:
        self._emulator_pid = emulator_pid
        self._samples: dict[tuple[str, int], list[Sample]] = defaultdict(list)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="memory", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> list[Growth]:
        """End, and fit."""
        self._over.set()
        self._thread.join()
        return growths(self._samples)

    def _run(self) -> None:
        while not self._over.wait(EVERY_S):
            for worker, sample in workers(self._emulator_pid).items():
                self._samples[worker].append(sample)


def growths(samples: Mapping[tuple[str, int], Samples]) -> list[Growth]:
    """Every worker that lived long enough, by function."""
    fits = (fitted(*worker, seen) for worker, seen in sorted(samples.items()))
    return [fit for fit in fits if fit]
