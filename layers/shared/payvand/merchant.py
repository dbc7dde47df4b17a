"""A merchant as the payment path sees it."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from payvand.fee import FeePlan
from payvand.ids import Book, Mode

SHARDS_MAX: Final = 64


@dataclass(frozen=True, slots=True)
class Contract:
    """A merchant's contract with a channel; `credentials` names an entry of the channel secret."""

    channel: str
    credentials: str = "default"


@dataclass(frozen=True, slots=True)
class Merchant:
    """What checkout, fees and settlement need. `iban` is encrypted, bound to the merchant id."""

    id: str
    name: str
    since: dt.date
    contracts: tuple[Contract, ...] = ()
    currencies: tuple[str, ...] = ("IRR",)
    modes: tuple[Mode, ...] = ("test",)
    fee_plan: FeePlan = field(default_factory=FeePlan)
    shards: int = 1
    iban: bytes | None = None
    iban_last4: str = ""
    logo_url: str | None = None
    colour: str = "#0f766e"
    locale: str = "fa"

    @property
    def books(self) -> tuple[Book, ...]:
        """Every set of accounts this merchant has."""
        return tuple(
            Book(self.id, mode, currency) for mode in self.modes for currency in self.currencies
        )

    def contract(self, channel: str) -> Contract | None:
        """The contract with a channel, if there is one."""
        return next((c for c in self.contracts if c.channel == channel), None)

    def to_item(self) -> dict[str, Any]:
        """The merchant as stored, and as the authorizer hands it on (without `iban`)."""
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
            "iban": self.iban,
            "iban_last4": self.iban_last4,
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
            iban=item.get("iban"),
            iban_last4=item["iban_last4"],
            logo_url=item.get("logo_url"),
            colour=item["colour"],
            locale=item["locale"],
        )
