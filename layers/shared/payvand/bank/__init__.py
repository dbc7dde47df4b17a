"""What banks and switches read and write: pure, bytes to values and back, one module per format.

A payout is what one seal orders; it is one or several transfers (a merchant's split). A payout file
holds many payouts of one currency; its name and bytes are fixed before it is sent, so that sending
it again is the same file.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

TRANSFERS_MAX: Final = 10
"""Accounts one payout may be split over (the switch's limit, facilitator guide p. 36)."""


class FormatError(ValueError):
    """A file that cannot be read, or values that no file can carry.

    The text says what and where (line, record, element), never the value: it may be personal.
    """


@dataclass(frozen=True, slots=True)
class Transfer:
    """One amount to one account; `reference` (≤ 35 of A–Z a–z 0–9 _ -) is unique for ever."""

    reference: str
    amount_minor: int
    iban: str
    name: str


@dataclass(frozen=True, slots=True)
class Order:
    """One payout in a file. `acceptor` and `iin` name the merchant at the switch.

    `wage_minor` is our own fee, which only the switch takes with the order.
    """

    payout: str
    transfers: tuple[Transfer, ...]
    wage_minor: int = 0
    acceptor: str | None = None
    iin: str | None = None

    @property
    def amount_minor(self) -> int:
        """What the merchant is paid."""
        return sum(transfer.amount_minor for transfer in self.transfers)


@dataclass(frozen=True, slots=True)
class FileHead:
    """What is fixed of a payout file before its orders are.

    `date` is the business day it is worked on, `cycle` counts the files of that day from 1.
    """

    currency: str
    date: dt.date
    cycle: int
    created_at: dt.datetime
    debtor_iban: str
    debtor_name: str


class Verdict(StrEnum):
    """What a bank said of a transfer. Only explicit words make `executed` or `rejected`."""

    PENDING = "pending"
    EXECUTED = "executed"
    REJECTED = "rejected"
    RETURNED = "returned"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Outcome:
    """A bank's word on one transfer, or on a whole payout when the bank decides it as one.

    `reference` is a transfer's reference or a payout id. `code` and `reason` are the bank's own.
    """

    reference: str
    verdict: Verdict
    code: str = ""
    reason: str = ""
    bank_reference: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One movement a statement or a channel's report tells of.

    `id` is unique within `source` for ever, so that a file read twice is the same entries.
    `amount_minor` is positive for money that came, negative for money that left. `reference` is
    what joins it to ours; `fee_minor` what the channel kept of it.
    """

    source: str
    id: str
    booked_on: dt.date
    amount_minor: int
    currency: str
    reference: str = ""
    account: str = ""
    fee_minor: int = 0
    details: Mapping[str, str] = field(default_factory=dict)
