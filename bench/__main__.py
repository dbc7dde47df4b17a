"""`make bench`: one table, every candidate in turn, each time in a fresh process."""

import argparse
import json
import shutil
import sys
import time
from pathlib import Path
from typing import Any, Final

from bench import counts, docs, measure, report, roster, show, sites
from bench.candidates import Candidate, Plan
from bench.report import Runs

COUNTED: Final = ("ours", "floor", "floor-calls", "conventional")
"""Whose instructions are counted: cachegrind is fifty times slower than the processor."""
COUNTED_FLOWS: Final = ("create", "callback")
FEW: Final = Plan(warmup=5, warm=10, books=(10,))
MANY: Final = Plan(warmup=5, warm=30, books=(10,))
NONE: Final = Plan(warmup=0, warm=0, books=(10,))


def main() -> int:
    """What was asked; the exit code."""
    asked = _arguments()
    if asked.renew:
        counts.renew(sites.WORK / "counts")
    elif asked.docs:
        docs.write()
    else:
        with sites.alone():
            _bench(asked)
    return 0


def _bench(asked: argparse.Namespace) -> None:
    """Build, count, time, print."""
    _say("building")
    build = sites.built()
    candidates = [c for c in roster.roster(build) if not asked.only or c.name in asked.only]
    plan = Plan(warm=asked.warm)
    counted: Runs = {}
    timed: Runs = {}
    instructions: dict[str, Any] = {}
    with measure.stub() as stub:
        _round(stub, candidates, build, Plan(warm=20), "count", counted)
        for n in range(asked.rounds + 1):
            _say(f"round {n} of {asked.rounds}" + (" (dropped)" if n == 0 else ""))
            _round(stub, candidates, build, plan, "time", timed if n else {})
        if asked.instructions and shutil.which("valgrind"):
            instructions = _instructions(stub, candidates, build)
    _say("")
    found = report.of(candidates, plan, counted, timed, instructions)
    print(show.table(found))
    path = docs.RESULTS / f"{found['date']}.json" if asked.record else asked.json
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(found, indent=1, ensure_ascii=False)
        path.write_text(text + "\n", encoding="utf-8")
    if asked.record:
        docs.write()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument(
        "--rounds", type=int, default=11, help="counted rounds; one more is dropped"
    )
    parser.add_argument("--warm", type=int, default=200, help="measured calls in a process")
    parser.add_argument("--only", action="append", help="this candidate alone (may be repeated)")
    parser.add_argument("--json", type=Path, help="write all figures there")
    parser.add_argument(
        "--record", action="store_true", help="commit-ready: bench/results, docs/performance.*"
    )
    parser.add_argument("--docs", action="store_true", help="docs anew from the newest results")
    parser.add_argument("--renew", action="store_true", help="agree on today's counts for CI")
    parser.add_argument(
        "--no-instructions", dest="instructions", action="store_false", help="without cachegrind"
    )
    return parser.parse_args()


def _say(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
    elif text:
        print(text, file=sys.stderr, flush=True)


def _round(
    stub: measure.Stub,
    candidates: list[Candidate],
    build: Path,
    plan: Plan,
    mode: str,
    into: Runs,
) -> None:
    """Everybody once."""
    _plant(stub, candidates, build, plan)
    for flow in report.FLOWS:
        for candidate in candidates:
            if flow in candidate.handlers:
                result = measure.run(stub, candidate, flow, plan, mode)
                into.setdefault((flow, candidate.name), []).append(result)


_planted: list[tuple[Plan, int]] = []


def _plant(stub: measure.Stub, candidates: list[Candidate], build: Path, plan: Plan) -> None:
    """Books for a plan, anew in each quarter of an hour: a day's cut-off falls on one."""
    now = plan, int(time.time()) // 900
    if _planted != [now]:
        roster.seeded(candidates, build, plan)
        measure.plant(stub, candidates)
        _planted[:] = [now]


def _instructions(stub: measure.Stub, candidates: list[Candidate], build: Path) -> dict[str, Any]:
    """Instructions of a cold start with its first call, and of one more call when warm."""
    refs: dict[str, dict[Plan, int]] = {}
    for plan in (NONE, FEW, MANY):
        _plant(stub, candidates, build, plan)
        for candidate in candidates:
            for flow in COUNTED_FLOWS:
                if candidate.name not in COUNTED or flow not in candidate.handlers:
                    continue
                _say(f"instructions: {candidate.name} {flow} {plan.warm}")
                found = measure.run(stub, candidate, flow, plan, "plain")
                refs.setdefault(f"{flow} {candidate.name}", {})[plan] = found["refs"]
    empty = measure.empty_instructions()
    calls = MANY.warm - FEW.warm
    return {
        name: {"cold": at[NONE] - empty, "warm": round((at[MANY] - at[FEW]) / calls)}
        for name, at in refs.items()
    }


if __name__ == "__main__":
    sys.exit(main())
