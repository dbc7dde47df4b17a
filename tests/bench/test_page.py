"""docs/performance.md says what the committed results say, to the figure."""

import pytest

from bench import cost, docs, marks


def test_the_page_is_the_results() -> None:
    path = docs.newest()
    assert docs.PAGE.read_text(encoding="utf-8") == docs.page(path), "make bench BENCH=--docs"


def test_the_plot_is_of_the_same_results() -> None:
    assert docs.digest(docs.newest()) in docs.PLOT.read_text(encoding="utf-8")


def test_results_carry_their_own_date() -> None:
    for path in docs.RESULTS.glob("*.json"):
        assert docs.load(path)["date"] == path.stem


def test_cost_adds_up() -> None:
    report = docs.load(docs.newest())
    for parts in cost.table(report).values():
        assert parts["sum"] == pytest.approx(sum(v for k, v in parts.items() if k != "sum"))
        assert parts["API Gateway"] == pytest.approx(7.0)  # a create and a return


@pytest.mark.parametrize(
    ("value", "verdict"),
    [(0.05, "aim met"), (0.2, "met"), (0.41, "not met"), (None, "not measured")],
)
def test_a_mark_says_whether_it_is_met(value: float | None, verdict: str) -> None:
    assert marks.Mark("cold", value, 0.40, 0.10).verdict == verdict
