"""The plot of docs/performance.md. matplotlib lives in the bench's environment alone."""

from pathlib import Path
from typing import Any, Final

Json = dict[str, Any]
SHOWN: Final = ("floor", "floor-calls", "ours", "conventional", "django", "fastapi")
PANELS: Final = (
    ("create", "cold", "ms", "create, cold (ms of CPU)"),
    ("create", "warm", "us", "create, warm (µs of CPU)"),
    ("callback", "cold", "ms", "callback, cold (ms of CPU)"),
    ("callback", "warm", "us", "callback, warm (µs of CPU)"),
)


def draw(report: Json, digest: str, target: Path) -> None:
    """Bars with their quartiles; the digest of the figures is kept inside."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "payvand"
    mpl.rcParams["font.size"] = 9
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(2, 2, figsize=(10, 5.2), layout="constrained")
    for axis, (flow, phase, unit, title) in zip(axes.flat, PANELS, strict=True):
        names = [n for n in reversed(SHOWN) if n in report["flows"][flow]]
        entries = [report["flows"][flow][n] for n in names]
        costs = [e[phase][unit] for e in entries]
        middle = [c["median"] for c in costs]
        whiskers = [
            [c["median"] - c["low"] for c in costs],
            [c["high"] - c["median"] for c in costs],
        ]
        colours = ["#0f766e" if n == "ours" else "#9ca3af" for n in names]
        axis.barh([e["title"] for e in entries], middle, xerr=whiskers, color=colours)
        axis.set_title(title, loc="left")
        axis.spines[["top", "right"]].set_visible(False)
        for row, value in enumerate(middle):
            axis.annotate(
                f" {value:,.0f}", (value, row), va="bottom", ha="left", fontsize=7, color="#374151"
            )
    metadata = {"Date": None, "Creator": None, "Description": digest}
    figure.savefig(target, format="svg", metadata=metadata)
    plt.close(figure)
