"""Journal legs: what a money movement does to accounts.

A journal is a mapping account → signed minor units, debits positive, credits negative, and sums to
zero. Balance of what we owe a merchant = −(sum of its `payable` legs).

    movement            receivable:<channel>   payable:merchant   income:fee   bank:payout
    payment executed            +amount          −(amount − fee)        −fee
    refund                      −amount                 +amount
    refund refused              +amount                 −amount
    payout                                              +amount                     −amount
    payout returned                                     −amount                     +amount

The fee is kept when a payment is refunded: the channel's cost has been paid.
"""

from collections.abc import Iterable, Mapping
from typing import Final

Legs = dict[str, int]

PAYABLE: Final = "payable:merchant"
FEE: Final = "income:fee"
BANK: Final = "bank:payout"


def receivable(channel: str) -> str:
    """What a channel owes us."""
    return f"receivable:{channel}"


def _balanced(legs: Legs) -> Legs:
    kept = {account: amount for account, amount in legs.items() if amount}
    assert sum(kept.values()) == 0, "a journal balances"
    return kept


def executed(channel: str, amount_minor: int, fee_minor: int) -> Legs:
    """A payment was taken."""
    assert 0 <= fee_minor <= amount_minor
    return _balanced(
        {receivable(channel): amount_minor, PAYABLE: fee_minor - amount_minor, FEE: -fee_minor}
    )


def refunded(channel: str, amount_minor: int) -> Legs:
    """Part of a payment goes back to the payer."""
    return _balanced({receivable(channel): -amount_minor, PAYABLE: amount_minor})


def paid_out(amount_minor: int) -> Legs:
    """A payout leaves for the merchant's bank."""
    return _balanced({PAYABLE: amount_minor, BANK: -amount_minor})


def reversal(legs: Mapping[str, int]) -> Legs:
    """The journal that undoes another: refund refused, payout returned."""
    return {account: -amount for account, amount in legs.items()}


def owed(legs: Mapping[str, int]) -> int:
    """What the merchant gains by a journal."""
    return -legs.get(PAYABLE, 0)


def total(journals: Iterable[Mapping[str, int]]) -> Legs:
    """The sum of journals, account by account."""
    sums: Legs = {}
    for legs in journals:
        for account, amount in legs.items():
            sums[account] = sums.get(account, 0) + amount
    return sums
