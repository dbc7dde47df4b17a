"""Our fee: percent in bands, a fixed part, a floor and a cap, free during a trial.

What a plan asks is never less for more, and never above 15 %. Who bears it decides what the payer
is charged: the amount, or the amount and the fee. A referrer gets a fifth of what we earn.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from payvand.money import BASIS_POINTS, share

SWITCH_MAX_BASIS_POINTS: Final = 1500
"""The switch refuses a settlement record with a wage above 15 % (facilitator guide, p. 35)."""
REFERRAL_BASIS_POINTS: Final = 2000
"""What a referrer gets of our fee (product B6)."""
TIERS_MAX: Final = 8

Bearer = Literal["merchant", "payer"]


@dataclass(frozen=True, slots=True)
class Tier:
    """From this amount on, the part above it costs this much instead."""

    above_minor: int
    basis_points: int


@dataclass(frozen=True, slots=True)
class Band:
    """What of an amount lies in one band of a plan, and what it costs there."""

    above_minor: int
    part_minor: int
    basis_points: int


Limit = Literal["trial", "floor", "cap", "maximum"]
"""What decided a fee instead of the rate; `maximum` is the switch's 15 %."""


@dataclass(frozen=True, slots=True)
class Bill:
    """How a fee came about. `points` are ten-thousandths of a minor unit, before rounding down."""

    bands: tuple[Band, ...]
    points: int
    fixed_minor: int
    limit: Limit | None
    fee_minor: int


@dataclass(frozen=True, slots=True)
class FeePlan:
    """The terms of one merchant; the default is 1 %, at most 50 000 rial (5 000 toman).

    `referrer` is the merchant id of who brought this one; it is kept with the terms, so that a
    payment's fee and its share are decided by the same facts.
    """

    basis_points: int = 100
    cap_minor: int = 50_000
    floor_minor: int = 0
    trial_until: dt.date | None = None
    fixed_minor: int = 0
    tiers: tuple[Tier, ...] = ()
    bearer: Bearer = "merchant"
    referrer: str | None = None

    def __post_init__(self) -> None:
        bands = (self.basis_points, *(tier.basis_points for tier in self.tiers))
        if not all(0 <= points <= SWITCH_MAX_BASIS_POINTS for points in bands):
            raise ValueError("a fee is between 0 and 15 %")
        if not 0 <= self.floor_minor <= self.cap_minor:
            raise ValueError("0 <= floor <= cap")
        if self.fixed_minor < 0:
            raise ValueError("0 <= fixed part")
        starts = [0, *(tier.above_minor for tier in self.tiers)]
        if len(self.tiers) > TIERS_MAX or sorted(set(starts)) != starts:
            raise ValueError(f"at most {TIERS_MAX} tiers, each above the one before")

    def fee(self, amount_minor: int, day: dt.date) -> int:
        """The fee on a payment executed on settlement day `day`, in minor units."""
        if self.trial_until is not None and day <= self.trial_until:
            return 0
        asked = max(self.floor_minor, min(self.cap_minor, self._rate(amount_minor)))
        return min(asked, share(amount_minor, SWITCH_MAX_BASIS_POINTS))

    def _rate(self, amount_minor: int) -> int:
        """The fixed part and each band's percentage, rounded down once."""
        points = self.basis_points * amount_minor
        before = self.basis_points
        for tier in self.tiers:  # what lies above a tier costs its rate instead of the last one's
            points += (tier.basis_points - before) * max(0, amount_minor - tier.above_minor)
            before = tier.basis_points
        return self.fixed_minor + points // BASIS_POINTS

    def bill(self, amount_minor: int, day: dt.date) -> Bill:
        """The same as `fee`, step by step."""
        edges = [(0, self.basis_points), *((t.above_minor, t.basis_points) for t in self.tiers)]
        ends = [*(above for above, _ in edges[1:]), amount_minor]
        bands = tuple(
            Band(above, min(end, amount_minor) - above, points)
            for (above, points), end in zip(edges, ends, strict=True)
            if above < amount_minor
        )
        points = sum(band.part_minor * band.basis_points for band in bands)
        fee, rate = self.fee(amount_minor, day), self.fixed_minor + points // BASIS_POINTS
        limit: Limit | None = None
        if self.trial_until is not None and day <= self.trial_until:
            limit = "trial"
        elif fee < max(self.floor_minor, min(self.cap_minor, rate)):
            limit = "maximum"
        elif fee != rate:
            limit = "floor" if fee > rate else "cap"
        return Bill(bands, points, self.fixed_minor, limit, fee)

    def referral(self, fee_minor: int) -> int:
        """What the referrer gets of a fee, in minor units."""
        return share(fee_minor, REFERRAL_BASIS_POINTS) if self.referrer else 0

    def to_item(self) -> dict[str, object]:
        """The plan as stored; it stands on every payment, so what is usual is left out."""
        until = None if self.trial_until is None else self.trial_until.isoformat()
        item: dict[str, object] = {
            "bps": self.basis_points,
            "cap": self.cap_minor,
            "floor": self.floor_minor,
            "trial": until,
        }
        unusual: dict[str, object] = {
            "fixed": self.fixed_minor,
            "tiers": [[tier.above_minor, tier.basis_points] for tier in self.tiers],
            "payer": self.bearer == "payer",
            "by": self.referrer,
        }
        return item | {name: value for name, value in unusual.items() if value}

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> "FeePlan":
        """The inverse of `to_item`."""
        until = item.get("trial")
        return cls(
            basis_points=item["bps"],
            cap_minor=item["cap"],
            floor_minor=item["floor"],
            trial_until=None if until is None else dt.date.fromisoformat(until),
            fixed_minor=item.get("fixed", 0),
            tiers=tuple(Tier(above, points) for above, points in item.get("tiers", ())),
            bearer="payer" if item.get("payer") else "merchant",
            referrer=item.get("by"),
        )
