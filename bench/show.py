"""The table on the terminal."""

from collections.abc import Iterable
from typing import Any, Final

from bench import marks

Json = dict[str, Any]
TITLES: Final = {
    "create": "create a payment (the payer chooses a channel later)",
    "callback": "the payer is back: the channel is asked, the money booked",
    "replay": "the same create sent again",
    "settle": "settlement: a day's payments read back, summed, stored",
    "watch": "the timer of a finished payment (ours alone)",
}


def table(report: Json) -> str:
    """All of it."""
    python = report["python"]
    kind = "profile-optimised" if python["optimised"] else "not profile-optimised"
    cpu, rounds = report["machine"]["cpu"], report["rounds"]
    lines = [
        f"CPython {python['version']} ({kind}), {cpu}, {rounds} rounds",
        "CPU time of the process alone; ×: of conventional, in the same round",
        "",
    ]
    for flow in report["flows"]:
        lines += [TITLES[flow], *_flow(report["flows"][flow], flow), ""]
        if flow == "create":
            lines += [TITLES["replay"], *_replay(report["flows"][flow]), ""]
    lines += [
        "marks",
        *aligned(("", "measured", "at most", "aim", ""), map(mark, marks.of(report))),
    ]
    return "\n".join(lines)


def aligned(head: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    """Columns: the first to the left, the others to the right."""
    everything = [list(head), *map(list, rows)]
    widths = [max(len(row[n]) for row in everything) for n in range(len(everything[0]))]
    return [
        "  "
        + "  ".join(
            cell.ljust(width) if n == 0 else cell.rjust(width)
            for n, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in everything
    ]


def _flow(candidates: Json, flow: str) -> list[str]:
    if flow == "settle":
        return _settle(candidates)
    head = (
        "", "cold ms", "IQR", "×", "warm µs", "IQR", "×", "cold MIr", "warm kIr", "calls", "WRU",
        "RRU", "body B", "log B", "modules", "compiled", "RSS MB", "package MB",
    )  # fmt: skip
    return aligned(head, (row(c) for c in candidates.values()))


def row(c: Json) -> list[str]:
    """A candidate's line of one flow."""
    instructions = c.get("instructions", {})
    return [
        c["title"],
        *timed(c.get("cold"), "ms", 1),
        *timed(c.get("warm"), "us", 0),
        f"{instructions['cold'] / 1e6:.1f}" if instructions else "–",
        f"{instructions['warm'] / 1e3:.0f}" if instructions else "–",
        *counted(c["counts"]["warm"]),
        str(c["counts"]["cold"]["modules"]),
        str(c["counts"]["cold"]["compiled"]),
        f"{c['rss_mb']:.0f}" if "rss_mb" in c else "–",
        f"{c['package']['bytes'] / 1e6:.1f}",
    ]


def timed(costs: Json | None, unit: str, digits: int) -> list[str]:
    """Median, quartiles, ratio."""
    if costs is None:
        return ["–", "–", "–"]
    x = costs[unit]
    ratio = costs.get("ratio")
    return [
        f"{x['median']:.{digits}f}",
        f"{x['low']:.{digits}f}–{x['high']:.{digits}f}",
        f"{ratio['median']:.3f}" if ratio else "–",
    ]


def counted(counts: Json) -> list[str]:
    """Calls, units, bytes of one call."""
    return [
        f"{sum(counts['calls'].values()):g}",
        f"{counts['write_units']:g}",
        f"{counts['read_units']:g}",
        str(counts["body_bytes"]),
        str(counts["log_bytes"]),
    ]


def _replay(candidates: Json) -> list[str]:
    head = ("", "warm µs", "IQR", "×", "calls", "WRU", "RRU", "body B", "log B")
    rows = (
        [c["title"], *timed(c.get("replay"), "us", 0), *counted(c["counts"]["replay"])]
        for c in candidates.values()
    )
    return aligned(head, rows)


def _settle(candidates: Json) -> list[str]:
    sizes = [n for n in next(iter(candidates.values()))["counts"] if n != "cold"]
    head = ["", "cold ms", "IQR", "×"]
    for size in sizes:
        head += [f"µs each of {size.partition('_')[2]}", "IQR", "×", "calls", "WRU", "RRU"]
    rows = []
    for c in candidates.values():
        line = [c["title"], *timed(c.get("cold"), "ms", 1)]
        for size in sizes:
            costs = c.get("settle", {}).get(size.partition("_")[2])
            line += [*timed(costs, "us", 1), *counted(c["counts"][size])[:3]]
        rows.append(line)
    return aligned(head, rows)


def mark(m: marks.Mark) -> list[str]:
    """A budget's line."""
    return [
        m.name,
        "–" if m.value is None else f"{m.value:.3g}",
        f"{m.most:g}",
        "" if m.aim is None else f"{m.aim:g}",
        m.verdict,
    ]
