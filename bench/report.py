"""From runs to figures: medians, ratios in the same round, counts a call."""

import datetime as dt
import platform
import shutil
import statistics
import sysconfig
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench import sites
from bench.candidates import Candidate, Plan
from bench.measure import spread

Json = dict[str, Any]
Runs = dict[tuple[str, str], list[Json]]
"""(flow, candidate) → one result a round."""
FLOWS = ("create", "callback", "settle", "watch")
REFERENCE = "conventional"


def interpreter() -> Json:
    """Which Python: without profile-guided optimisation it is about 1.5 times slower."""
    arguments = sysconfig.get_config_var("CONFIG_ARGS") or ""
    return {
        "version": platform.python_version(),
        "implementation": platform.python_implementation(),
        "optimised": "--enable-optimizations" in arguments,
    }


def machine() -> Json:
    """What it ran on."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    model = next((x.partition(": ")[2] for x in lines if x.startswith("model name")), "unknown")
    return {
        "cpu": model,
        "cores": sum(x.startswith("processor") for x in lines),
        "system": f"{platform.system()} {platform.machine()}",
        "valgrind": shutil.which("valgrind") is not None,
    }


def of(
    candidates: list[Candidate], plan: Plan, counted: Runs, timed: Runs, instructions: Json
) -> Json:
    """The whole report."""
    flows: Json = {}
    for candidate in candidates:
        for flow in candidate.handlers:
            key = flow, candidate.name
            entry = flows.setdefault(flow, {}).setdefault(candidate.name, {})
            entry["title"] = candidate.title
            entry["counts"] = counts(counted[key][0])
            entry["package"] = _package(candidate)
            if key in timed:
                entry |= _times(flow, timed[key], timed.get((flow, REFERENCE)), plan)
            if f"{flow} {candidate.name}" in instructions:
                entry["instructions"] = instructions[f"{flow} {candidate.name}"]
    return {
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "python": interpreter(),
        "machine": machine(),
        "rounds": len(next(iter(timed.values()))) if timed else 0,
        "calls": {"warm": plan.warm, "books": list(plan.books)},
        "flows": flows,
    }


def _package(candidate: Candidate) -> Json:
    python = [f for folder in candidate.package for f in folder.rglob("*") if f.is_file()]
    return {
        "bytes": sites.size(*candidate.package),
        "bytes_source": sum(f.stat().st_size for f in python if f.suffix != ".pyc"),
    }


def counts(result: Json) -> Json:
    """What one call costs, phase by phase."""
    found = {}
    for phase, costs in result.items():
        if not isinstance(costs, Mapping) or phase == "warmup":
            continue
        n = costs["calls_made"]
        found[phase] = {
            "calls": {name: c / n for name, c in sorted(costs["calls"].items())},
            "write_units": costs["write_units"] / n,
            "read_units": costs["read_units"] / n,
            "body_bytes": round(costs.get("body_bytes", 0) / n),
            "request_bytes": round((costs.get("head_bytes", 0) + costs.get("body_bytes", 0)) / n),
            "log_bytes": round(costs["log_bytes"] / n),
        }
        for name in ("modules", "compiled"):
            if name in costs:
                found[phase][name] = costs[name]
    return found


def _times(flow: str, runs: list[Json], reference: list[Json] | None, plan: Plan) -> Json:
    found: Json = {
        "cold": _compared(runs, reference, "cold", 1e-6, "ms"),
        "import_ms": spread([r["cold"]["import_ns"] / 1e6 for r in runs]),
        "rss_mb": round(statistics.median(r["max_rss_kb"] for r in runs) / 1024, 1),
    }
    if flow == "settle":
        found["settle"] = {
            str(size): _compared(runs, reference, f"settle_{size}", 1e-3 / size, "us")
            for size in plan.books[1:]
        }
    for phase in ("warm", "replay"):
        if phase in runs[0]:
            found[phase] = _compared(runs, reference, phase, 1e-3, "us")
    return found


def _compared(
    runs: list[Json], reference: list[Json] | None, phase: str, scale: float, unit: str
) -> Json:
    values = [_each(r, phase) * scale for r in runs]
    found: Json = {unit: spread(values)}
    if reference and phase in reference[0]:
        others = [_each(r, phase) * scale for r in reference]
        found["ratio"] = spread([a / b for a, b in zip(values, others, strict=True)])
    return found


def _each(run: Json, phase: str) -> float:
    return float(run[phase]["ns"]) / float(run[phase]["calls_made"])
