"""Journals balance, undo each other, and say what a merchant gains."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payvand import ledger
from payvand.ledger import BANK, FEE, PAYABLE
from payvand.money import AMOUNT_MAX

amounts = st.integers(1, AMOUNT_MAX)
channels = st.sampled_from(["zarinpal", "noticebank"])


@st.composite
def journals(draw: st.DrawFn) -> ledger.Legs:
    amount, channel = draw(amounts), draw(channels)
    made = draw(
        st.sampled_from(
            [
                ledger.executed(channel, amount, draw(st.integers(0, amount))),
                ledger.refunded(channel, amount),
                ledger.paid_out(amount),
            ]
        )
    )
    return ledger.reversal(made) if draw(st.booleans()) else made


@given(journals())
def test_every_journal_sums_to_zero_and_holds_no_empty_leg(legs: ledger.Legs) -> None:
    assert sum(legs.values()) == 0
    assert all(legs.values())


@given(journals())
def test_a_reversal_undoes_and_its_own_reversal_is_the_journal(legs: ledger.Legs) -> None:
    undone = ledger.reversal(legs)
    assert not any(ledger.total([legs, undone]).values())
    assert ledger.reversal(undone) == legs


@given(st.lists(journals(), max_size=8))
def test_a_total_is_the_sum_of_its_journals(many: list[ledger.Legs]) -> None:
    total = ledger.total(many)
    assert sum(total.values()) == 0
    assert ledger.owed(total) == sum(map(ledger.owed, many))
    assert ledger.total(reversed(many)) == total


@given(amounts, channels, st.data())
def test_a_merchant_gains_the_amount_without_the_fee(
    amount: int, channel: str, data: st.DataObject
) -> None:
    fee = data.draw(st.integers(0, amount))
    legs = ledger.executed(channel, amount, fee)
    assert ledger.owed(legs) == amount - fee
    assert legs.get(FEE, 0) == -fee
    assert legs[ledger.receivable(channel)] == amount


@given(amounts, channels)
def test_a_refund_takes_the_whole_amount_and_keeps_the_fee(amount: int, channel: str) -> None:
    legs = ledger.refunded(channel, amount)
    assert ledger.owed(legs) == -amount
    assert FEE not in legs
    assert ledger.owed(ledger.reversal(legs)) == amount


@given(amounts)
def test_a_payout_settles_what_is_owed(amount: int) -> None:
    assert ledger.paid_out(amount) == {PAYABLE: amount, BANK: -amount}
    assert ledger.owed(ledger.paid_out(amount)) == -amount


@pytest.mark.parametrize(("amount", "fee"), [(100, -1), (100, 101), (0, 1)])
def test_an_impossible_fee_is_a_fault(amount: int, fee: int) -> None:
    with pytest.raises(AssertionError):
        ledger.executed("zarinpal", amount, fee)


@pytest.mark.parametrize("legs", [{}, {FEE: -5, BANK: 5}])
def test_who_has_no_payable_leg_gains_nothing(legs: Mapping[str, int]) -> None:
    assert ledger.owed(legs) == 0
