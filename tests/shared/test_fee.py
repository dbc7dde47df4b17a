"""The fee: percent with a floor and a cap, never above the switch's bound, free in a trial."""

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from payvand import ledger
from payvand.fee import SWITCH_MAX_BASIS_POINTS, TIERS_MAX, FeePlan, Tier
from payvand.money import AMOUNT_MAX, BASIS_POINTS, share
from tests.shared.samples import DAY

amounts = st.integers(0, AMOUNT_MAX)


@st.composite
def plans(draw: st.DrawFn) -> FeePlan:
    cap = draw(st.integers(0, 10**9))
    starts = draw(st.lists(st.integers(1, 10**10), max_size=TIERS_MAX, unique=True))
    points = st.integers(0, SWITCH_MAX_BASIS_POINTS)
    return FeePlan(
        basis_points=draw(points),
        cap_minor=cap,
        floor_minor=draw(st.integers(0, cap)),
        trial_until=draw(st.none() | st.dates()),
        fixed_minor=draw(st.integers(0, 10**6)),
        tiers=tuple(Tier(start, draw(points)) for start in sorted(starts)),
        bearer=draw(st.sampled_from(["merchant", "payer"])),
        referrer=draw(st.none() | st.just("mer_00000A")),
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
        {"fixed_minor": -1},
        {"tiers": (Tier(10, 1_501),)},
        {"tiers": (Tier(10, -1),)},
        {"tiers": (Tier(0, 50),)},
        {"tiers": (Tier(10, 50), Tier(10, 40))},
        {"tiers": (Tier(10, 50), Tier(9, 40))},
        {"tiers": tuple(Tier(n + 1, 1) for n in range(TIERS_MAX + 1))},
    ],
)
def test_terms_nobody_may_have(terms: dict[str, Any]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - every one of them
        FeePlan(**terms)


@pytest.mark.parametrize(
    ("toman", "fee_toman"),
    [(499_999, 4_999), (500_000, 5_000), (500_001, 5_000), (499_900, 4_999), (100, 1)],
)
def test_the_default_at_the_cap_in_toman(toman: int, fee_toman: int) -> None:
    """Rounded down to the rial; 499 999 toman are 4 999 990 rial and cost 49 999 rial."""
    assert FeePlan().fee(toman * 10, DAY) // 10 == fee_toman


@pytest.mark.parametrize(
    ("amount", "fee"),
    [(0, 0), (999, 129), (1_000, 130), (1_001, 130), (2_000, 135), (3_000, 140), (4_000, 141)],
)
def test_each_band_costs_its_own_rate(amount: int, fee: int) -> None:
    plan = FeePlan(
        basis_points=300, cap_minor=10**9, fixed_minor=100,
        tiers=(Tier(1_000, 50), Tier(3_000, 10)),
    )  # fmt: skip
    assert plan.fee(amount, DAY) == min(fee, share(amount, SWITCH_MAX_BASIS_POINTS))


@given(plans(), amounts)
def test_a_bill_leads_to_the_fee(plan: FeePlan, amount: int) -> None:
    bill = plan.bill(amount, DAY)
    assert bill.fee_minor == plan.fee(amount, DAY)
    assert sum(band.part_minor for band in bill.bands) == amount
    assert all(band.part_minor > 0 for band in bill.bands)
    assert bill.points == sum(band.part_minor * band.basis_points for band in bill.bands)
    decided = {
        None: bill.fixed_minor + bill.points // BASIS_POINTS,
        "trial": 0,
        "floor": plan.floor_minor,
        "cap": plan.cap_minor,
        "maximum": share(amount, SWITCH_MAX_BASIS_POINTS),
    }
    assert bill.fee_minor == decided[bill.limit]
    assert (bill.limit == "trial") == (plan.trial_until is not None and plan.trial_until >= DAY)


@given(plans(), amounts)
def test_a_referrer_gets_a_fifth_of_what_we_earn(plan: FeePlan, amount: int) -> None:
    fee = plan.fee(amount, DAY)
    part = plan.referral(fee)
    assert part == (fee // 5 if plan.referrer else 0)
    if plan.referrer:
        ledger.executed("zarinpal", amount, fee, {plan.referrer: part})


@given(plans())
def test_a_plan_is_read_back_as_stored(plan: FeePlan) -> None:
    assert FeePlan.from_item(plan.to_item()) == plan
