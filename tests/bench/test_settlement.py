"""The settlement bench measures what it says, and fits what it measured."""

import pytest

from bench import cost, growth, settlement


@pytest.mark.parametrize(("payments", "merchants"), [(0, 3), (1, 3), (1_000, 7), (10_000, 100)])
def test_sizes_add_up_and_follow_zipf(payments: int, merchants: int) -> None:
    found = settlement.sizes(payments, merchants)
    assert (len(found), sum(found)) == (merchants, payments)
    assert found[0] == max(found)
    assert found[1] == pytest.approx(found[0] / 2, abs=1)


def test_a_small_day_is_counted_exactly() -> None:
    day = settlement.measured(60, 4)
    active = 4
    assert day["write_units"] == 2 * active
    assert day["files"] == active
    assert (day["messages"], day["invocations"]) == (4, 5)
    # The plan: merchants, declared days, the test clock. Of each book the last seal, its merchant,
    # a peek, the head, its fence, its day, its seal, and a look for payouts.
    assert day["calls"] == 3 + 8 * active
    assert day["read_units"] < 60
    assert day["cpu_us"] > 0


def test_many_parts_are_one_day(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = settlement.measured(60, 4)
    monkeypatch.setattr(settlement, "AT_ONCE", 20)
    parts = settlement.measured(60, 4)
    for name in ("write_units", "files", "messages", "invocations", "active"):
        assert parts[name] == whole[name], name


def test_the_fit_finds_what_a_figure_is_made_of() -> None:
    rows = [
        {"merchants": m, "active": a, "payments": p, "x": 3 * m + 2 * a + p / 4}
        for m, a, p in ((100, 90, 1_000), (1_000, 500, 1_000), (100, 100, 10_000), (10, 1, 10))
    ]
    found = growth.fit(rows, "x")
    assert found["merchants"] == pytest.approx(3)
    assert found["active"] == pytest.approx(2)
    assert found["payments"] == pytest.approx(0.25)
    assert found["worst"] == pytest.approx(0, abs=1e-9)


def test_nothing_is_said_to_cost_less_than_nothing() -> None:
    rows = [
        {"merchants": m, "active": a, "payments": p, "x": 3 * m - a / 10 + p / 4}
        for m, a, p in ((100, 90, 1_000), (1_000, 500, 1_000), (100, 100, 10_000), (10, 1, 10))
    ]
    found = growth.fit(rows, "x")
    assert min(found.values()) >= 0
    assert found["worst"] < 0.1


def test_the_committed_results_are_of_the_whole_grid() -> None:
    from bench import docs

    found = docs.load(growth.newest())
    grid = {(row["payments"], row["merchants"]) for row in found["days"]}
    assert grid == {(p, m) for p in settlement.PAYMENTS for m in settlement.MERCHANTS}
    assert found["date"] == growth.newest().stem
    assert found["fit"] == {n: growth.fit(found["days"], n) for n in growth.FITTED}
    assert found["big"] == growth.big_day(found["fit"])
    assert found["big"]["sum"] == pytest.approx(sum(found["big"]["dollars"].values()), abs=0.01)
    share = found["big"]["sum"] / (3e8 * cost.WRITE_UNIT)
    assert share < 0.02, "settlement stays within two per cent of its payments' writes"
