"""`payvand simulate`: run seeded schedules; print what was done, or the story of a failure."""

import fnmatch
import multiprocessing
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Final

import typer

if TYPE_CHECKING:
    from payvand_cli.simulate.shrink import Schedule

CHUNK: Final = 25
"""Schedules one worker takes at a time."""
STORY_MAX: Final = 80


@dataclass(slots=True)
class Sum:
    """What many schedules came to."""

    schedules: int = 0
    steps: int = 0
    faults: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    failed: list[tuple[int, str]] = field(default_factory=list)

    def add(self, other: "Sum") -> None:
        """Take in another sum."""
        self.schedules += other.schedules
        self.steps += other.steps
        self.faults += other.faults
        self.counts += other.counts
        self.failed += other.failed


@dataclass(frozen=True, slots=True)
class Order:
    """A stretch of seeds for one worker."""

    first: int
    count: int
    profile: str
    fault_rate: float | None
    plant: str | None


def planted(name: str | None) -> AbstractContextManager[None]:
    """The world with a bug in it, or as it is."""
    if name is None:
        return nullcontext()
    from payvand_cli.simulate.plants import PLANTS

    return PLANTS[name].put()


def stretch(order: Order) -> Sum:
    """Run a stretch of seeds; stops at the first failure."""
    from payvand_cli.simulate.shrink import Schedule, run

    made = Sum()
    with planted(order.plant):
        for seed in range(order.first, order.first + order.count):
            outcome = run(Schedule(seed, order.profile, order.fault_rate))
            made.schedules += 1
            made.steps += outcome.steps
            made.faults += len(outcome.faults)
            made.counts.update(outcome.counts)
            if outcome.broken is not None:
                made.failed.append((seed, str(outcome.broken)))
                break
    return made


def _orders(whole: Order) -> Iterator[Order]:
    for first in range(whole.first, whole.first + whole.count, CHUNK):
        count = min(CHUNK, whole.first + whole.count - first)
        yield Order(first, count, whole.profile, whole.fault_rate, whole.plant)


def search(whole: Order, jobs: int) -> Sum:
    """Run all of an order on so many processes; stops soon after the first failure."""
    made = Sum()
    if jobs == 1:
        for order in _orders(whole):
            made.add(stretch(order))
            if made.failed:
                break
        return made
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        for done in pool.imap_unordered(stretch, _orders(whole)):
            made.add(done)
            if made.failed:
                pool.terminate()
                break
    return made


def story(schedule: "Schedule", plant: str | None) -> list[str]:
    """The shrunk schedule of a failure, line by line."""
    from payvand_cli.simulate.shrink import run, shrink

    with planted(plant):
        outcome = run(schedule)
        if outcome.broken is None:
            return ["It does not fail when run alone."]
        least = shrink(schedule, outcome.broken)
        told = run(least, tell=True).told
    only = least.only if least.only is not None else outcome.faults
    head = [
        f"without: {', '.join(least.without) or 'nothing'}",
        f"faults:  {len(only)} of {len(outcome.faults)}",
        *(f"         {label}" for label in only),
        "",
    ]
    cut = [] if len(told) <= STORY_MAX else [f"… {len(told) - STORY_MAX} lines before"]
    return head + cut + told[-STORY_MAX:]


def hunt(names: Sequence[str], seed: int, jobs: int) -> bool:
    """Plant each bug in turn; print when it was found. Whether every one was, in its time.

    The schedule that finds a bug is run once more without it, and must break nothing.
    """
    from payvand_cli.simulate.plants import PLANTS

    bugs = [PLANTS[name] for name in names]
    orders = [Order(seed + b.first, b.within, b.profile, None, b.name) for b in bugs]
    all_right = True
    with multiprocessing.get_context("spawn").Pool(jobs, maxtasksperchild=8) as pool:
        for order, (made, clean) in zip(orders, pool.imap(_found, orders), strict=True):
            found = f"{made.schedules:>5} of {order.count:>5}" if made.failed else "NOT FOUND     "
            also = "" if clean else "ALSO WITHOUT IT "
            what = made.failed[0][1] if made.failed else ""
            print(f"{order.plant:32} {found}  {also}{what}"[:150])
            all_right &= bool(made.failed) and clean
    return all_right


def _found(order: Order) -> tuple[Sum, bool]:
    made = stretch(order)
    if not made.failed:
        return made, True
    alone = stretch(Order(made.failed[0][0], 1, order.profile, order.fault_rate, None))
    return made, not alone.failed


def simulate(
    seed: Annotated[int, typer.Option(help="The first seed.")] = 0,
    schedules: Annotated[int, typer.Option(min=1, help="How many seeds, one after another.")] = 200,
    profile: Annotated[
        str, typer.Option(help="A channel's name, files, covered, books, rivals, or mixed.")
    ] = "mixed",
    fault_rate: Annotated[
        float | None, typer.Option(min=0, max=1, help="Share of calls that fail; else by seed.")
    ] = None,
    plant: Annotated[
        str | None,
        typer.Option(help="Plant a known bug; a pattern plants each in turn; `list` names them."),
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
) -> None:
    """Run the product's code under a scheduler that breaks everything around it."""
    from payvand_cli.simulate.parties import PROFILES
    from payvand_cli.simulate.plants import PLANTS
    from payvand_cli.simulate.shrink import Schedule

    if plant == "list":
        for known in PLANTS.values():
            where = f"{known.within:>6,} from {known.first:<6,} {known.profile:9}"
            print(f"{known.name:34} {where} {known.what}")
        return
    if plant is not None and plant not in PLANTS:
        names = fnmatch.filter(PLANTS, plant)
        if not names:
            raise typer.BadParameter(f"no bug is called {plant!r}; see --plant list")
        raise SystemExit(0 if hunt(names, seed, jobs) else 1)
    profiles = (*PROFILES, "files", "covered", "books", "rivals", "mixed")
    if profile not in profiles:
        raise typer.BadParameter(f"no profile is called {profile!r}: {', '.join(profiles)}")
    started, cpu = time.monotonic(), time.process_time()
    made = search(Order(seed, schedules, profile, fault_rate, plant), jobs)
    took_s = time.monotonic() - started
    cpu_s = time.process_time() - cpu if jobs == 1 else took_s * jobs
    counts = ", ".join(f"{n:,} {name}" for name, n in sorted(made.counts.items()))
    print(
        f"{made.schedules:,} schedules, {made.steps:,} calls, {made.faults:,} faults "
        f"in {took_s:.1f} s ({made.schedules / max(cpu_s, 0.001):.0f} a second and core)"
    )
    print(counts)
    if not made.failed:
        print(f"no rule was broken (seeds {seed} to {seed + schedules - 1}, profile {profile})")
        return
    failed, what = min(made.failed)
    again = f"payvand simulate --seed {failed} --schedules 1 --profile {profile}"
    again += f" --fault-rate {fault_rate}" if fault_rate is not None else ""
    again += f" --plant '{plant}'" if plant else ""
    print(f"\nseed {failed} breaks a rule: {what}\nagain: {again}\n")
    for line in story(Schedule(failed, profile, fault_rate), plant):
        print(line)
    sys.exit(1)
