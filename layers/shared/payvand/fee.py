"""Our fee: percent with a floor and a cap, free during a trial."""

import datetime as dt
from dataclasses import dataclass
from typing import Final

from payvand.money import share

SWITCH_MAX_BASIS_POINTS: Final = 1500
"""The switch refuses a settlement record with a wage above 15 % (facilitator guide, p. 35)."""


@dataclass(frozen=True, slots=True)
class FeePlan:
    """The terms of one merchant; the default is 1 %, at most 50 000 rial (5 000 toman)."""

    basis_points: int = 100
    cap_minor: int = 50_000
    floor_minor: int = 0
    trial_until: dt.date | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.basis_points <= SWITCH_MAX_BASIS_POINTS:
            raise ValueError("a fee is between 0 and 15 %")
        if not 0 <= self.floor_minor <= self.cap_minor:
            raise ValueError("0 <= floor <= cap")

    def fee(self, amount_minor: int, day: dt.date) -> int:
        """The fee on a payment executed on settlement day `day`, in minor units."""
        if self.trial_until is not None and day <= self.trial_until:
            return 0
        asked = max(self.floor_minor, min(self.cap_minor, share(amount_minor, self.basis_points)))
        return min(asked, share(amount_minor, SWITCH_MAX_BASIS_POINTS))

    def to_item(self) -> dict[str, object]:
        """The plan as stored."""
        until = None if self.trial_until is None else self.trial_until.isoformat()
        return {
            "bps": self.basis_points,
            "cap": self.cap_minor,
            "floor": self.floor_minor,
            "trial": until,
        }

    @classmethod
    def from_item(cls, item: dict[str, object]) -> "FeePlan":
        """The inverse of `to_item`."""
        until = item.get("trial")
        return cls(
            basis_points=int(str(item["bps"])),
            cap_minor=int(str(item["cap"])),
            floor_minor=int(str(item["floor"])),
            trial_until=None if until is None else dt.date.fromisoformat(str(until)),
        )
