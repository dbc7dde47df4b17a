"""The fee: percent with a floor and a cap, never above the switch's bound, free in a trial."""

import datetime as dt
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from payvand import ledger
from payvand.fee import SWITCH_MAX_BASIS_POINTS, FeePlan
from payvand.money import AMOUNT_MAX, share
from tests.shared.samples import DAY

amounts = st.integers(0, AMOUNT_MAX)


@st.composite
def plans(draw: st.DrawFn) -> FeePlan:
    cap = draw(st.integers(0, 10**9))
    return FeePlan(
        basis_points=draw(st.integers(0, SWITCH_MAX_BASIS_POINTS)),
        cap_minor=cap,
        floor_minor=draw(st.integers(0, cap)),
        trial_until=draw(st.none() | st.dates()),
    )


@given(plans(), amounts, amounts)
def test_a_larger_payment_never_costs_less(plan: FeePlan, one: int, other: int) -> None:
    low, high = sorted((one, other))
    assert plan.fee(low, DAY) <= plan.fee(high, DAY)


@given(plans(), amounts)
def test_a_fee_keeps_its_bounds(plan: FeePlan, amount: int) -> None:
    fee = plan.fee(amount, DAY)
    bound = share(amount, SWITCH_MAX_BASIS_POINTS)
    assert 0 <= fee <= min(plan.cap_minor, bound)
    ledger.executed("zarinpal", amount, fee)


@given(plans(), amounts)
def test_the_floor_is_asked_unless_the_switch_forbids(plan: FeePlan, amount: int) -> None:
    plan = replace(plan, trial_until=None)
    bound = share(amount, SWITCH_MAX_BASIS_POINTS)
    assert plan.fee(amount, DAY) >= min(plan.floor_minor, bound)


@given(amounts)
def test_between_floor_and_cap_it_is_the_percentage(amount: int) -> None:
    asked = share(amount, 100)
    assume(asked <= 50_000)
    assert FeePlan().fee(amount, DAY) == asked


@pytest.mark.parametrize(
    ("amount", "fee"),
    [
        (0, 0),
        (99, 0),
        (100, 1),
        (10_000, 100),
        (4_999_990, 49_999),
        (5_000_000, 50_000),
        (5_000_010, 50_000),
        (AMOUNT_MAX, 50_000),
    ],
)
def test_one_percent_at_most_fifty_thousand_rial(amount: int, fee: int) -> None:
    assert FeePlan().fee(amount, DAY) == fee


@pytest.mark.parametrize(
    ("amount", "fee"), [(1_000, 150), (13_333, 1_999), (13_334, 2_000), (200_000, 2_000)]
)
def test_a_floor_never_passes_fifteen_percent(amount: int, fee: int) -> None:
    assert FeePlan(floor_minor=2_000).fee(amount, DAY) == fee


def test_the_last_day_of_a_trial_is_free_and_the_next_is_not() -> None:
    plan = FeePlan(trial_until=DAY)
    assert plan.fee(1_000_000, DAY - dt.timedelta(1)) == 0
    assert plan.fee(1_000_000, DAY) == 0
    assert plan.fee(1_000_000, DAY + dt.timedelta(1)) == 10_000


@pytest.mark.parametrize(
    "terms",
    [
        {"basis_points": -1},
        {"basis_points": 1_501},
        {"floor_minor": -1},
        {"floor_minor": 50_001},
        {"cap_minor": -1},
    ],
)
def test_terms_nobody_may_have(terms: dict[str, int]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - every one of them
        FeePlan(**terms)  # type: ignore[arg-type]


@given(plans())
def test_a_plan_is_read_back_as_stored(plan: FeePlan) -> None:
    assert FeePlan.from_item(plan.to_item()) == plan
