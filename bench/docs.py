"""docs/performance.md from the newest results: every figure in it is filled in here."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from bench import cost, growth, marks, show
from bench.sites import ROOT

Json = dict[str, Any]
RESULTS: Final = Path(__file__).with_name("results")
TEMPLATE: Final = Path(__file__).with_name("performance.md.in")
PAGE: Final = ROOT / "docs" / "performance.md"
PLOT: Final = ROOT / "docs" / "performance.svg"


def newest() -> Path:
    """The results the page shows."""
    return max(RESULTS.glob("*.json"))


def load(path: Path) -> Json:
    """A report."""
    report: Json = json.loads(path.read_text(encoding="utf-8"))
    return report


def digest(path: Path) -> str:
    """What the plot carries to prove which figures it shows."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write() -> None:
    """The page and its plot."""
    from bench import plot

    path = newest()
    PAGE.write_text(page(path), encoding="utf-8")
    plot.draw(load(path), digest(path), PLOT)


def page(path: Path) -> str:
    """The page as it must be."""
    scale = growth.fields(load(growth.newest()))
    figures = fields(load(path), path.name) | scale
    return TEMPLATE.read_text(encoding="utf-8").format_map(figures)


def fields(report: Json, name: str) -> dict[str, str]:
    """Every figure of the page, as text."""
    flows = report["flows"]
    python = report["python"]
    kind = "with" if python["optimised"] else "without"
    costs = cost.table(report)
    return {
        "results": f"bench/results/{name}",
        "date": report["date"],
        "python": f"CPython {python['version']}, built {kind} profile-guided optimisation",
        "cpu": f"{report['machine']['cores']} cores of {report['machine']['cpu']}",
        "rounds": str(report["rounds"]),
        "warm": str(report["calls"]["warm"]),
        "create": _flow(flows["create"]),
        "replay": _replay(flows["create"]),
        "callback": _flow(flows["callback"]),
        "settle": _settle(flows["settle"], report["calls"]["books"][1:]),
        "watch": _flow(flows["watch"]),
        "marks": _marks(marks.of(report)),
        "cost": _cost(costs),
        "cost_ratio": f"{costs['ours']['sum'] / costs['conventional']['sum']:.2f}",
        "priced": cost.PRICED,
        "region": cost.REGION,
        "sources": ", ".join(f"[{what}]({link})" for what, link in cost.SOURCES.items()),
        "memory": str(cost.MEMORY_MB),
        "aws_ms": f"{cost.AWS_CALL_MS:g}",
        "channel_ms": f"{cost.CHANNEL_MS:g}",
    }


def _markdown(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    cells = list(head)
    ruler = ["---", *["---:"] * (len(cells) - 1)]
    return "\n".join(f"| {' | '.join(row)} |" for row in (cells, ruler, *rows))


def _flow(candidates: Json) -> str:
    head = (
        "", "cold ms", "×", "warm µs", "×", "cold MIr", "warm kIr", "calls", "WRU", "RRU",
        "body B", "log B", "modules", "compiled", "RSS MB", "package MB",
    )  # fmt: skip
    rows = []
    for c in candidates.values():
        row = show.row(c)
        del row[5], row[2]  # the quartiles are in the results
        rows.append(row)
    return _markdown(head, rows)


def _replay(candidates: Json) -> str:
    head = ("", "warm µs", "×", "calls", "WRU", "RRU", "log B")
    rows = (
        [
            c["title"],
            *show.timed(c.get("replay"), "us", 0)[::2],
            *show.counted(c["counts"]["replay"])[:3],
            str(c["counts"]["replay"]["log_bytes"]),
        ]
        for c in candidates.values()
    )
    return _markdown(head, rows)


def _settle(candidates: Json, sizes: list[int]) -> str:
    head = ["", "cold ms"]
    for size in sizes:
        head += [f"µs each of {size}", "×", "calls", "WRU", "RRU"]
    rows = []
    for c in candidates.values():
        row = [c["title"], show.timed(c["cold"], "ms", 1)[0]]
        for size in sizes:
            row += show.timed(c["settle"][str(size)], "us", 1)[::2]
            row += show.counted(c["counts"][f"settle_{size}"])[:3]
        rows.append(row)
    return _markdown(head, rows)


def _marks(found: list[marks.Mark]) -> str:
    return _markdown(("mark", "measured", "at most", "aim", "verdict"), map(show.mark, found))


def _cost(costs: dict[str, dict[str, float]]) -> str:
    parts = list(costs["ours"])
    rows = ([name, *[f"{costs[name][p]:.2f}" for p in parts]] for name in costs)
    return _markdown(("$ a million payments", *parts), rows)
