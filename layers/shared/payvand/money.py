"""Exact money: an integer of minor units beside a currency. Floats do not exist here."""

from dataclasses import dataclass
from typing import Final

AMOUNT_MAX: Final = 10**15 - 1
"""15 digits: the widest amount field of any bank file we write (the switch's settlement file)."""

DECIMALS: Final[dict[str, int]] = {"IRR": 0, "EUR": 2, "RUB": 2, "TRY": 2}
"""Digits after the point (ISO 4217). The rial has none; the toman exists only at outside doors."""

CURRENCIES: Final = tuple(DECIMALS)
"""Their position is part of every id (ids.py): append, never reorder."""

BASIS_POINTS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Money:
    """An exact, non-negative amount of one currency.

    Units:   `amount_minor` counts the smallest unit (1 rial, 1 euro cent).
    Range:   0 … `AMOUNT_MAX`; a debt is the sign of a journal leg, never of a Money.
    Errors:  TypeError for anything but an int; ValueError outside the range or for another
    currency.
    Source:  ISO 4217 for the decimals.
    """

    amount_minor: int
    currency: str

    def __post_init__(self) -> None:
        if type(self.amount_minor) is not int:
            raise TypeError("amount_minor must be an int")
        if not 0 <= self.amount_minor <= AMOUNT_MAX:
            raise ValueError("amount_minor out of range")
        if self.currency not in DECIMALS:
            raise ValueError("unknown currency")


def share(amount_minor: int, basis_points: int) -> int:
    """The part of an amount that `basis_points` name, rounded down (in the payer's favour)."""
    return amount_minor * basis_points // BASIS_POINTS
