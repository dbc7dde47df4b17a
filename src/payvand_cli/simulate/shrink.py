"""The shortest schedule that still breaks the same rule, told as a story.

A schedule is its seed without some wishes and with only some of its faults. Because every process
draws from a sequence of its own, leaving one out changes no other, so taking things away one by one
(in halves first) is enough; no search over interleavings is needed.
"""

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from payvand_cli.simulate import actors
from payvand_cli.simulate.rules import RuleBroken

TRIES_MAX: Final = 400
"""Runs spent on one failure: a few seconds."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """What decides a run."""

    seed: int
    profile: str
    fault_rate: float | None
    without: tuple[str, ...] = ()
    only: tuple[str, ...] | None = None


@dataclass(slots=True)
class Outcome:
    """What came of a run."""

    broken: RuleBroken | None
    steps: int = 0
    faults: tuple[str, ...] = ()
    wishes: tuple[str, ...] = ()
    counts: dict[str, int] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)


def run(schedule: Schedule, *, tell: bool = False) -> Outcome:
    """Run one schedule to its end, or to the first rule that does not hold."""
    world = actors.build(schedule)
    told: list[str] = []

    def note(text: str) -> None:
        at = dt.datetime.fromtimestamp(world.engine.now_ms / 1000, dt.UTC)
        told.append(f"{at:%a %d %H:%M:%S}.{at.microsecond // 1000:03d}  {text}")

    if tell:
        world.engine.note = note
    broken = None
    try:
        world.run(actors.days(world.shape))
    except RuleBroken as exc:
        broken = exc
    finally:
        world.engine.end()
    if tell and broken is not None:
        note(f"BROKEN  {broken}")
    faults = tuple(label for _, label, _ in world.engine.faults)
    return Outcome(broken, world.engine.steps, faults, world.wished, world.counts(), told)


def shrink(schedule: Schedule, broken: RuleBroken) -> Schedule:
    """The same failure with as few wishes, faults and oddities as a greedy search finds."""
    tries = [TRIES_MAX]

    def still_breaks(candidate: Schedule) -> bool:
        tries[0] -= 1
        found = run(candidate).broken if tries[0] >= 0 else None
        return found is not None and found.rule == broken.rule

    first = run(schedule)
    found = replace(schedule, only=first.faults)
    if not still_breaks(found):
        return schedule
    wishes = _fewer(
        first.wishes + actors.ODDITIES,
        lambda kept: still_breaks(
            replace(found, without=_others(first.wishes + actors.ODDITIES, kept))
        ),
    )
    found = replace(found, without=_others(first.wishes + actors.ODDITIES, wishes))
    faults = _fewer(first.faults, lambda kept: still_breaks(replace(found, only=tuple(kept))))
    return replace(found, only=tuple(faults))


def _others(every: Sequence[str], kept: Sequence[str]) -> tuple[str, ...]:
    return tuple(name for name in every if name not in kept)


def _fewer(items: Sequence[str], holds: Callable[[Sequence[str]], bool]) -> Sequence[str]:
    """Take away halves, quarters … single ones, as long as it still holds (ddmin)."""
    kept = list(items)
    size = max(1, len(kept) // 2)
    while kept:
        start, removed = 0, False
        while start < len(kept):
            without = kept[:start] + kept[start + size :]
            if holds(without):
                kept, removed = without, True
            else:
                start += size
        if size == 1 and not removed:
            return kept
        size = max(1, size // 2)
    return kept
