"""Money is a whole number in a known currency, and a share of it never more than asked."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payvand.money import AMOUNT_MAX, BASIS_POINTS, CURRENCIES, Money, share

amounts = st.integers(0, AMOUNT_MAX)


@given(amounts, st.sampled_from(CURRENCIES))
def test_whole_amounts_of_known_currencies_are_money(amount: int, currency: str) -> None:
    assert Money(amount, currency).amount_minor == amount


@pytest.mark.parametrize("amount", [True, False, 1.0, 0.1, "1", None, Decimal(1), b"1", 1 + 0j])
def test_only_an_int_is_an_amount(amount: Any) -> None:
    with pytest.raises(TypeError):
        Money(amount, "IRR")


@pytest.mark.parametrize("amount", [-1, AMOUNT_MAX + 1, -(10**30), 10**30])
def test_amounts_out_of_range_are_refused(amount: int) -> None:
    with pytest.raises(ValueError, match="range"):
        Money(amount, "IRR")


@pytest.mark.parametrize("currency", ["", "irr", "IRT", "USD", "IRR ", "ریال"])
def test_other_currencies_are_refused(currency: str) -> None:
    with pytest.raises(ValueError, match="currency"):
        Money(1, currency)


def test_the_same_number_of_two_currencies_is_not_equal() -> None:
    assert Money(1, "IRR") != Money(1, "EUR")


def test_the_widest_amount_fits_fifteen_digits() -> None:
    assert len(str(AMOUNT_MAX)) == 15


@given(amounts, st.integers(0, BASIS_POINTS))
def test_a_share_is_rounded_down_and_never_by_a_whole_unit(amount: int, points: int) -> None:
    part = share(amount, points)
    assert 0 <= part <= amount
    assert 0 <= amount * points - part * BASIS_POINTS < BASIS_POINTS


@given(amounts, st.integers(0, BASIS_POINTS))
def test_shares_of_a_whole_never_exceed_it(amount: int, points: int) -> None:
    assert share(amount, points) + share(amount, BASIS_POINTS - points) <= amount
