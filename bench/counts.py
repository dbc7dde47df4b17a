"""What ours costs in counts, held against the baseline: the half of the bench that CI runs.

Counts do not depend on the machine's mood: calls to AWS, units, bytes sent and logged, modules
imported and compiled, bytes shipped. Over 5 % more is a regression. Over 5 % less asks for a new
baseline, because a stale one would let the next regression hide in it.
"""

import json
import platform
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from bench import measure, report, roster, sites
from bench.candidates import Candidate, Plan

BASELINE: Final = Path(__file__).with_name("baseline.json")
RENEW: Final = "make bench BENCH=--renew"
TOLERANCE: Final = 0.05
PLAN: Final = Plan(warmup=2, warm=10, books=(10, 100))
Counts = dict[str, dict[str, float]]


def measured(work: Path) -> Counts:
    """The counts of every flow of ours, from packages built now."""
    with sites.alone(work):
        return _measured(work)


def _measured(work: Path) -> Counts:
    build = sites.built(work)
    candidates = roster.ours(build, sites.lay_out(work / "runtime", roster.RUNTIME))
    roster.seeded(candidates, build, PLAN, work)
    with measure.stub() as stub:
        measure.plant(stub, candidates)
        return {
            flow: _of(stub, candidate, flow)
            for candidate in candidates
            for flow in candidate.handlers
        }


def _of(stub: measure.Stub, candidate: Candidate, flow: str) -> dict[str, float]:
    phases = report.counts(measure.run(stub, candidate, flow, PLAN, "count"))
    cold = phases.pop("cold")
    found: dict[str, float] = {
        "modules imported": cold["modules"],
        "modules compiled": cold["compiled"],
        "cold calls": sum(cold["calls"].values()),
        f"package bytes ({platform.machine()})": sites.size(*candidate.package),
    }
    for phase, costs in phases.items():
        found |= {f"{phase} {name}": n for name, n in costs["calls"].items()}
        for name in ("write_units", "read_units", "body_bytes", "log_bytes"):
            found[f"{phase} {name.replace('_', ' ')}"] = costs[name]
    return found


def baseline() -> Counts:
    """What was agreed."""
    found: Counts = json.loads(BASELINE.read_text(encoding="utf-8"))
    return found


def renew(work: Path) -> None:
    """Agree on what is measured now. Package sizes of other machines are kept."""
    found = measured(work)
    if BASELINE.exists():
        for flow, counts in baseline().items():
            kept = {k: v for k, v in counts.items() if k.startswith("package bytes (")}
            found[flow] = kept | found[flow]
    BASELINE.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def complaints(agreed: Mapping[str, Mapping[str, float]], found: Counts) -> Iterator[str]:
    """A sentence for each count that left its tolerance."""
    for flow in sorted(agreed.keys() | found.keys()):
        before, now = agreed.get(flow, {}), found.get(flow, {})
        for name in sorted(before.keys() | now.keys()):
            if name.startswith("package bytes (") and (name not in before or name not in now):
                continue  # built for another machine
            yield from _complaint(f"{flow}: {name}", before.get(name, 0), now.get(name, 0))


def _complaint(name: str, before: float, now: float) -> Iterator[str]:
    change = f"{before:g} → {now:g}"
    if now > before * (1 + TOLERANCE):
        yield f"worse: {name} {change}. Mend it, or say why and agree anew with: {RENEW}"
    elif now < before * (1 - TOLERANCE):
        yield f"better: {name} {change}. Keep it so with: {RENEW}"
