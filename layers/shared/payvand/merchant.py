"""A merchant as the payment path sees it."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from payvand.fee import FeePlan
from payvand.ids import MODES, Book, Mode, merchant_id
from payvand.money import CURRENCIES

SHARDS_MAX: Final = 64
HOUSE: Final = merchant_id(0)
"""The facilitator itself: its books hold what is no merchant's, as channels' costs. It has no key,
no account to be paid to and no channel, so nothing but reconciliation ever posts there.
"""

RefundPolicy = Literal["carry", "refuse"]
"""What a refund does that the balance does not cover: carries a debt, or is refused."""


@dataclass(frozen=True, slots=True)
class Contract:
    """A merchant's contract with a channel; `credentials` names an entry of the channel secret."""

    channel: str
    credentials: str = "default"


@dataclass(frozen=True, slots=True)
class Payee:
    """Who is paid: an account (encrypted, bound to the merchant id), its last digits, a name.

    The first payee of several gets what the others leave: each of them a fixed amount, or a share
    of what is left after the fixed amounts.
    """

    iban: bytes
    iban_last4: str
    name: str
    amount_minor: int = 0
    basis_points: int = 0


@dataclass(frozen=True, slots=True)
class Merchant:
    """What checkout, fees and settlement need.

    `reserve_basis_points` of a day's earnings wait `reserve_days` before they are paid out.
    `acceptor` and `iin` are its names at the switch. Who reads a day reads all `shards`; who writes
    asks `shards_on`: `widened` says before which day there were fewer. They are never lowered.
    """

    id: str
    name: str
    since: dt.date
    contracts: tuple[Contract, ...] = ()
    currencies: tuple[str, ...] = ("IRR",)
    modes: tuple[Mode, ...] = ("test",)
    fee_plan: FeePlan = field(default_factory=FeePlan)
    shards: int = 1
    widened: tuple[tuple[dt.date, int], ...] = ()
    payees: tuple[Payee, ...] = ()
    minimum_payout_minor: int = 0
    reserve_basis_points: int = 0
    reserve_days: int = 0
    refunds: RefundPolicy = "carry"
    acceptor: str | None = None
    iin: str | None = None
    logo_url: str | None = None
    colour: str = "#0f766e"
    locale: str = "fa"

    @property
    def books(self) -> tuple[Book, ...]:
        """Every set of accounts this merchant has."""
        return tuple(
            Book(self.id, mode, currency) for mode in self.modes for currency in self.currencies
        )

    def shards_on(self, day: dt.date) -> int:
        """How many shards new payments of a day are spread over."""
        return min([before for since, before in self.widened if day < since], default=self.shards)

    def contract(self, channel: str) -> Contract | None:
        """The contract with a channel, if there is one."""
        return next((c for c in self.contracts if c.channel == channel), None)

    def to_item(self) -> dict[str, Any]:
        """The merchant as stored, and as the authorizer hands it on (without `payees`)."""
        return {
            "id": self.id,
            "name": self.name,
            "since": self.since.isoformat(),
            "contracts": [
                {"channel": c.channel, "credentials": c.credentials} for c in self.contracts
            ],
            "currencies": list(self.currencies),
            "modes": list(self.modes),
            "fee": self.fee_plan.to_item(),
            "shards": self.shards,
            "widened": [[since.isoformat(), before] for since, before in self.widened] or None,
            "payees": [_payee_to_item(payee) for payee in self.payees],
            "minimum_payout": self.minimum_payout_minor,
            "reserve": [self.reserve_basis_points, self.reserve_days],
            "refunds": self.refunds,
            "acceptor": self.acceptor,
            "iin": self.iin,
            "logo_url": self.logo_url,
            "colour": self.colour,
            "locale": self.locale,
        }

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> "Merchant":
        """The inverse of `to_item`."""
        return cls(
            id=item["id"],
            name=item["name"],
            since=dt.date.fromisoformat(item["since"]),
            contracts=tuple(Contract(c["channel"], c["credentials"]) for c in item["contracts"]),
            currencies=tuple(item["currencies"]),
            modes=tuple(item["modes"]),
            fee_plan=FeePlan.from_item(item["fee"]),
            shards=item["shards"],
            widened=tuple(
                (dt.date.fromisoformat(since), before)
                for since, before in item.get("widened") or ()
            ),
            payees=tuple(map(_payee, item["payees"])),
            minimum_payout_minor=item["minimum_payout"],
            reserve_basis_points=item["reserve"][0],
            reserve_days=item["reserve"][1],
            refunds=item["refunds"],
            acceptor=item.get("acceptor"),
            iin=item.get("iin"),
            logo_url=item.get("logo_url"),
            colour=item["colour"],
            locale=item["locale"],
        )


def house(since: dt.date) -> Merchant:
    """The facilitator as the keeper of books of its own."""
    return Merchant(HOUSE, "", since, currencies=CURRENCIES, modes=MODES)


def _payee_to_item(payee: Payee) -> dict[str, Any]:
    return {
        "iban": payee.iban,
        "last4": payee.iban_last4,
        "name": payee.name,
        "amount": payee.amount_minor,
        "bps": payee.basis_points,
    }


def _payee(item: Mapping[str, Any]) -> Payee:
    return Payee(item["iban"], item["last4"], item["name"], item["amount"], item["bps"])
