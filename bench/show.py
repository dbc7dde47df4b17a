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
    lines += ["marks", *_marks(marks.of(report))]
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
    return aligned(head, (_row(c) for c in candidates.values()))


def _row(c: Json) -> list[str]:
    instructions = c.get("instructions", {})
    return [
        c["title"],
        *_timed(c.get("cold"), "ms", 1),
        *_timed(c.get("warm"), "us", 0),
        f"{instructions['cold'] / 1e6:.1f}" if instructions else "–",
        f"{instructions['warm'] / 1e3:.0f}" if instructions else "–",
        *_counted(c["counts"]["warm"]),
        str(c["counts"]["cold"]["modules"]),
        str(c["counts"]["cold"]["compiled"]),
        f"{c['rss_mb']:.0f}" if "rss_mb" in c else "–",
        f"{c['package']['bytes'] / 1e6:.1f}",
    ]


def _timed(costs: Json | None, unit: str, digits: int) -> list[str]:
    if costs is None:
        return ["–", "–", "–"]
    x = costs[unit]
    ratio = costs.get("ratio")
    return [
        f"{x['median']:.{digits}f}",
        f"{x['low']:.{digits}f}–{x['high']:.{digits}f}",
        f"{ratio['median']:.3f}" if ratio else "–",
    ]


def _counted(counts: Json) -> list[str]:
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
        [c["title"], *_timed(c.get("replay"), "us", 0), *_counted(c["counts"]["replay"])]
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
        row = [c["title"], *_timed(c.get("cold"), "ms", 1)]
        for size in sizes:
            timed = c.get("settle", {}).get(size.partition("_")[2])
            row += [*_timed(timed, "us", 1), *_counted(c["counts"][size])[:3]]
        rows.append(row)
    return aligned(head, rows)


def _marks(found: list[marks.Mark]) -> list[str]:
    head = ("", "measured", "at most", "aim", "")
    rows = (
        [
            m.name,
            "–" if m.value is None else f"{m.value:.3g}",
            f"{m.most:g}",
            "" if m.aim is None else f"{m.aim:g}",
            m.verdict,
        ]
        for m in found
    )
    return aligned(head, rows)
