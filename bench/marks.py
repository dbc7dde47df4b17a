"""The budgets this bench can judge, and whether a run meets them."""

from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True)
class Mark:
    """One budget: a figure and the most it may be; `aim` is what comes after it."""

    name: str
    value: float | None
    most: float
    aim: float | None = None

    @property
    def verdict(self) -> str:
        """In a word."""
        if self.value is None:
            return "not measured"
        if self.aim is not None and self.value <= self.aim:
            return "aim met"
        return "met" if self.value <= self.most else "not met"


def of(report: Json) -> list[Mark]:
    """All marks of a run."""
    flows = report["flows"]
    found = []
    for flow, function in (("create", "payment_init"), ("callback", "psp_callback")):
        ours = flows[flow]["ours"]
        found += [
            Mark(
                f"{function}: cold CPU / conventional", ours["cold"]["ratio"]["median"], 0.40, 0.10
            ),
            Mark(
                f"{function}: warm CPU / conventional", ours["warm"]["ratio"]["median"], 0.30, 0.05
            ),
            Mark(
                f"{function}: warm instructions / floor (one write)"
                if flow == "create"
                else f"{function}: warm instructions / floor",
                _instructions(flows[flow], "floor"),
                3.0,
            ),
            Mark(f"{function}: log bytes a call", ours["counts"]["warm"]["log_bytes"], 1_200),
            Mark(f"{function}: modules compiled", ours["counts"]["cold"]["compiled"], 0),
        ]
    create = flows["create"]["ours"]["counts"]["warm"]
    found += [
        Mark(
            "payment_init: warm instructions / floor (our calls)",
            _instructions(flows["create"], "floor-calls"),
            3.0,
        ),
        Mark("create: AWS calls", _aws(create), 4),
        Mark("create: write units", create["write_units"], 2),
    ]
    sizes = sorted(int(size) for size in flows["settle"]["ours"]["settle"])
    found += [
        Mark(
            f"settlement of {size}: CPU µs a payment",
            flows["settle"]["ours"]["settle"][str(size)]["us"]["median"],
            8.0,
        )
        for size in sizes
    ]
    return found


def _instructions(flow: Json, floor: str) -> float | None:
    ours, least = flow["ours"].get("instructions"), flow[floor].get("instructions")
    return None if not ours or not least else round(ours["warm"] / least["warm"], 2)


def _aws(counts: Json) -> float:
    return float(sum(n for name, n in counts["calls"].items() if not name.startswith("http.")))
