"""A bench of wrong answers measures nothing: a candidate that cheats stops it."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import measure, sites
from bench.candidates import Candidate, Plan, plain_seed

PLAN = Plan(warmup=1, warm=2, books=(3, 5))


@pytest.fixture
def floor(tmp_path: Path) -> Candidate:
    folder = sites.lay_out(tmp_path / "floor", (), own="floor.py")
    flows = {flow: f"peers.floor:{flow}" for flow in ("create", "callback", "settle")}
    return Candidate("floor", "floor", [folder], flows, seed=plain_seed(PLAN) | {"name": "plain"})


@pytest.fixture
def stub(floor: Candidate) -> Iterator[measure.Stub]:
    with measure.stub() as made:
        measure.plant(made, [floor])
        yield made


def broken(floor: Candidate, old: str, new: str) -> Candidate:
    file = floor.path[0] / "peers" / "floor.py"
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")
    for compiled in file.parent.glob("__pycache__/*"):
        compiled.unlink()
    return dataclasses.replace(floor)


@pytest.mark.parametrize("flow", ["create", "callback", "settle"])
def test_an_honest_run_counts_its_calls(stub: measure.Stub, floor: Candidate, flow: str) -> None:
    found = measure.run(stub, floor, flow, PLAN, "count")
    assert found["cold"]["write_units"] == 1
    assert found["cold"]["calls"][
        "dynamodb.UpdateItem" if flow == "callback" else "dynamodb.PutItem"
    ]
    assert found["cold"]["log_bytes"] > 20


def test_a_wrong_answer_stops_the_bench(stub: measure.Stub, floor: Candidate) -> None:
    with pytest.raises(RuntimeError, match="expected 201"):
        measure.run(stub, broken(floor, '"statusCode": 201', '"statusCode": 200'), "create", PLAN)


def test_a_write_left_out_stops_the_bench(stub: measure.Stub, floor: Candidate) -> None:
    lazy = broken(floor, '"SET #s = :to, receipt = :r, card = :c"', '"SET receipt = :r, card = :c"')
    lazy = broken(lazy, '                ":to": {"S": "executed"},\n', "")
    with pytest.raises(AssertionError, match="callback: 0 instead of 4"):
        measure.run(stub, lazy, "callback", PLAN)


def test_a_payment_not_summed_stops_the_bench(stub: measure.Stub, floor: Candidate) -> None:
    careless = broken(floor, 'total += int(item["amount"]["N"])', "total += 250_000")
    with pytest.raises(AssertionError, match="settle"):
        measure.run(stub, careless, "settle", PLAN)
