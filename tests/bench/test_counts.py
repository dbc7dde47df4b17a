"""Counts of the built packages against the baseline, and a guard that can tell."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import counts
from bench.sites import ROOT


@pytest.fixture
def work() -> Iterator[Path]:
    folder = ROOT / ".local" / "bench-work" / "guard"
    yield folder
    shutil.rmtree(folder / "ours", ignore_errors=True)


def test_ours_costs_what_was_agreed(work: Path) -> None:
    found = counts.measured(work)
    complaints = list(counts.complaints(counts.baseline(), found))
    assert not complaints, "\n" + "\n".join(complaints)


def test_no_module_is_compiled_at_a_cold_start() -> None:
    agreed = counts.baseline()
    assert {flow: agreed[flow]["modules compiled"] for flow in agreed} == dict.fromkeys(agreed, 0)


def test_the_baseline_keeps_the_budgets() -> None:
    create, callback = (counts.baseline()[flow] for flow in ("create", "callback"))
    assert create["warm write units"] <= 2
    assert sum(v for k, v in create.items() if k.startswith(("warm dynamodb", "warm sqs"))) <= 4
    assert max(create["warm log bytes"], callback["warm log bytes"]) <= 1_200


AGREED = {"create": {"warm log bytes": 400.0, "modules compiled": 0.0}}


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("warm log bytes", 420.0, None),
        ("warm log bytes", 421.0, "worse: create: warm log bytes 400 → 421"),
        ("warm log bytes", 379.0, "better: create: warm log bytes 400 → 379"),
        ("modules compiled", 1.0, "worse: create: modules compiled 0 → 1"),
        ("warm dynamodb.Query", 1.0, "worse: create: warm dynamodb.Query 0 → 1"),
        ("package bytes (elsewhere)", 9e9, None),
    ],
)
def test_a_change_beyond_five_per_cent_is_told(
    name: str, value: float, expected: str | None
) -> None:
    found = list(counts.complaints(AGREED, {"create": {**AGREED["create"], name: value}}))
    assert len(found) == (expected is not None)
    if expected:
        assert found[0].startswith(expected)
        assert counts.RENEW in found[0]
