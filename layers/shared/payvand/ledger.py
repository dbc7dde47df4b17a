"""Journal legs: what a money movement does to accounts.

A journal is a mapping account → signed minor units, debits positive, credits negative, and sums to
zero. Balance of what we owe a merchant = −(sum of its `payable:merchant` legs).

    movement            receivable:<channel>  payable:merchant  income:fee  bank:payout  bank:own
    payment executed          +taken             −(taken − fee)     −fee
    refund                    −amount              +amount
    refund refused            +amount              −amount
    payout, and our wage                           +amount              −(amount+wage)   +wage
    payout returned                                −amount              +(amount+wage)   −wage

A referrer's share of a fee is credited to `payable:referral:<referrer>` instead of `income:fee`, in
the book of the merchant who was referred; when that book's days are sealed, one journal in the
referrer's own book moves it on to `payable:merchant`. So the account sums to zero over all books.

The fee is kept when a payment is refunded: the channel's cost has been paid. What a payer was
charged on top as the fee (`taken` − amount) is not refunded, either.
"""

from collections.abc import Iterable, Mapping
from typing import Final

Legs = dict[str, int]

PAYABLE: Final = "payable:merchant"
FEE: Final = "income:fee"
BANK: Final = "bank:payout"
"""The account payouts are paid from, and channels pay into."""
OWN: Final = "bank:own"
"""Our own account, which the switch pays our wage into."""
_REFERRAL: Final = "payable:referral:"


def receivable(channel: str) -> str:
    """What a channel owes us."""
    return f"receivable:{channel}"


def referral(merchant_id: str) -> str:
    """What is owed to a referrer and not yet in its own book."""
    return _REFERRAL + merchant_id


def referrers(sums: Mapping[str, int]) -> dict[str, int]:
    """Merchant id → what these journals earned it as a referrer."""
    return {
        account.removeprefix(_REFERRAL): -amount
        for account, amount in sorted(sums.items())
        if account.startswith(_REFERRAL) and amount < 0
    }


def _balanced(legs: Legs) -> Legs:
    kept = {account: amount for account, amount in legs.items() if amount}
    assert sum(kept.values()) == 0, "a journal balances"
    return kept


def executed(
    channel: str, taken_minor: int, fee_minor: int, shared: Mapping[str, int] | None = None
) -> Legs:
    """A payment was taken; `shared` says how much of the fee is which referrer's."""
    assert 0 <= fee_minor <= taken_minor
    parts = {referral(merchant): -minor for merchant, minor in (shared or {}).items()}
    ours = fee_minor + sum(parts.values())
    assert ours >= 0, "no more is shared than was earned"
    return _balanced(
        {receivable(channel): taken_minor, PAYABLE: fee_minor - taken_minor, FEE: -ours, **parts}
    )


def refunded(channel: str, amount_minor: int) -> Legs:
    """Part of a payment goes back to the payer."""
    return _balanced({receivable(channel): -amount_minor, PAYABLE: amount_minor})


def paid_out(amount_minor: int, wage_minor: int = 0) -> Legs:
    """A payout leaves for the merchant's bank, and our wage with it for ours."""
    return _balanced({PAYABLE: amount_minor, BANK: -amount_minor - wage_minor, OWN: wage_minor})


def earned(referrer: str, amount_minor: int) -> Legs:
    """A referrer's share reaches its own book."""
    return _balanced({referral(referrer): amount_minor, PAYABLE: -amount_minor})


def reversal(legs: Mapping[str, int]) -> Legs:
    """The journal that undoes another: refund refused, payout returned."""
    return {account: -amount for account, amount in legs.items()}


def owed(legs: Mapping[str, int]) -> int:
    """What the merchant gains by a journal."""
    return -legs.get(PAYABLE, 0)


def came_back(legs: Mapping[str, int]) -> int:
    """What of these journals a bank returned to the merchant: it was earned, and held, before."""
    return max(0, legs.get(BANK, 0) + legs.get(OWN, 0))


def withdrawable(legs: Mapping[str, int]) -> int:
    """What of our fees these journals leave to be taken to our own account."""
    return -legs.get(FEE, 0) - legs.get(OWN, 0)


def total(journals: Iterable[Mapping[str, int]]) -> Legs:
    """The sum of journals, account by account."""
    sums: Legs = {}
    for legs in journals:
        for account, amount in legs.items():
            sums[account] = sums.get(account, 0) + amount
    return sums
