"""How what a settled day costs grows: the fit of `bench.settlement`, its tables, its results."""

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from bench import cost, report

Json = dict[str, Any]

RESULTS: Final = Path(__file__).with_name("results") / "settlement"
FITTED: Final = ("cpu_us", "calls", "read_units", "write_units", "files", "messages", "invocations")
COUNTS: Final = ("merchants", "active", "payments")
BIG: Final = 100_000_000
WRITES_A_PAYMENT: Final = 3


# ── how it grows ──────────────────────────────────────────────────────────────────────────────


def fit(rows: Sequence[Json], name: str) -> dict[str, float]:
    """What each count adds to a figure, by least squares of relative errors; the worst of them."""
    table = [[row[c] / row[name] for c in COUNTS] for row in rows]
    found = _solved(table, [1.0] * len(rows))
    worst = max(abs(sum(a * b for a, b in zip(found, line, strict=True)) - 1) for line in table)
    return {**dict(zip(COUNTS, found, strict=True)), "worst": worst}


def _solved(table: Sequence[Sequence[float]], wanted: Sequence[float]) -> list[float]:
    """The normal equations, by Gauss; a count that would be negative adds nothing."""
    kept = list(range(len(table[0])))
    while True:
        square = [[sum(row[i] * row[j] for row in table) for j in kept] for i in kept]
        right = [sum(row[i] * y for row, y in zip(table, wanted, strict=True)) for i in kept]
        for i in range(len(kept)):
            for k in range(i + 1, len(kept)):
                factor = square[k][i] / square[i][i]
                square[k] = [a - factor * b for a, b in zip(square[k], square[i], strict=True)]
                right[k] -= factor * right[i]
        answer = [0.0] * len(kept)
        for i in reversed(range(len(kept))):
            rest = sum(square[i][j] * answer[j] for j in range(i + 1, len(kept)))
            answer[i] = (right[i] - rest) / square[i][i]
        if all(value >= 0 for value in answer):
            found = [0.0] * len(table[0])
            for i, value in zip(kept, answer, strict=True):
                found[i] = value
            return found
        kept.pop(answer.index(min(answer)))


def big_day(fits: dict[str, dict[str, float]], payments: int = BIG) -> Json:
    """A day of 10⁸ payments of 2·√10⁸ merchants, priced; and what its payments' writes cost."""
    merchants = 2 * round(payments**0.5)
    counts = {"merchants": merchants, "active": merchants, "payments": payments}
    day = {name: sum(fits[name][c] * counts[c] for c in COUNTS) for name in FITTED}
    ms = day["cpu_us"] / 1000 * cost.WHOLE_CPU_MB / cost.MEMORY_MB + day["calls"] * cost.AWS_CALL_MS
    dollars = {
        "reads": day["read_units"] * cost.READ_UNIT,
        "writes": day["write_units"] * cost.WRITE_UNIT,
        "files": day["files"] * cost.FILE_PUT,
        "queues": day["messages"] * cost.QUEUE_CALLS * cost.QUEUE_CALL,
        "Lambda": day["invocations"] * cost.INVOCATION
        + ms / 1000 * cost.MEMORY_MB / 1024 * cost.GB_S,
    }
    return {
        **counts,
        **{name: round(value, 1) for name, value in day.items()},
        "dollars": {part: round(value, 3) for part, value in dollars.items()},
        "sum": round(sum(dollars.values()), 2),
        "payments_writes": round(payments * WRITES_A_PAYMENT * cost.WRITE_UNIT, 2),
    }


def of(rows: Sequence[Json]) -> Json:
    """The whole report."""
    fits = {name: fit(rows, name) for name in FITTED}
    return {
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "python": report.interpreter(),
        "machine": report.machine(),
        "days": list(rows),
        "fit": fits,
        "big": big_day(fits),
    }


# ── shown ─────────────────────────────────────────────────────────────────────────────────────


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    ruler = ["---:"] * len(head)
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ruler, *rows))


def days_table(found: Json) -> str:
    """A row for each measured day."""
    head = ("payments", "merchants", "CPU µs each", "calls", "RRU each", "WRU", "files", "messages")
    rows = [
        (
            f"{row['payments']:,}",
            f"{row['merchants']:,}",
            f"{row['cpu_us'] / row['payments']:,.1f}",
            f"{row['calls']:,}",
            f"{row['read_units'] / row['payments']:.3f}",
            f"{row['write_units']:,.0f}",
            f"{row['files']:,}",
            f"{row['messages']:,}",
        )
        for row in found["days"]
    ]
    return _markdown(head, rows)


def fit_table(found: Json) -> str:
    """A row for each fitted figure."""
    head = ("", "a merchant", "an active one more", "a payment", "furthest off")
    rows = [
        (name.replace("_", " "), *(f"{line[c]:.4g}" for c in COUNTS), f"{line['worst']:.0%}")
        for name, line in found["fit"].items()
    ]
    return _markdown(head, rows)


def fields(found: Json) -> dict[str, str]:
    """Every figure of docs/performance.md about this, as text."""
    big = found["big"]
    parts = ", ".join(f"{part} ${dollars:.2f}" for part, dollars in big["dollars"].items())
    return {
        "scale_date": found["date"],
        "scale_results": f"bench/results/settlement/{found['date']}.json",
        "scale_days": days_table(found),
        "scale_fit": fit_table(found),
        "scale_big": f"{big['payments']:,} payments of {big['merchants']:,} merchants",
        "scale_sum": f"${big['sum']:.2f}",
        "scale_parts": parts,
        "scale_writes": f"${big['payments_writes']:.2f}",
        "scale_share": f"{big['sum'] / big['payments_writes']:.1%}",
        "scale_read": f"{found['fit']['read_units']['payments']:.2f}",
        "scale_cpu": f"{found['fit']['cpu_us']['payments']:.1f}",
    }


def newest() -> Path:
    """The results the page shows."""
    return max(RESULTS.glob("*.json"))
