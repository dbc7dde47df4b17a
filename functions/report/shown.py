"""Entries and payouts as merchants see them."""

from typing import Literal

from pydantic import BaseModel

from payvand import ledger
from payvand.calendar import rfc3339
from payvand.settlement import Kind, Line, PayoutState, Seal


class EntryView(BaseModel):
    """One journal entry. Legs sum to zero; debits are positive."""

    id: str
    """Names the entry for ever."""
    kind: Kind
    """What was booked."""
    subject: str
    """The payment or payout it belongs to."""
    day: str
    """The settlement day it is booked in."""
    at: str
    """When it was booked."""
    legs: dict[str, int]
    """Account to amount in minor units, debits positive; sums to zero."""

    @classmethod
    def of(cls, line: Line) -> "EntryView":
        """A line of a merchant-day."""
        return cls(
            id=line.id,
            kind=line.kind,
            subject=line.subject,
            day=line.day.isoformat(),
            at=rfc3339(line.at_ms),
            legs=line.legs,
        )

    @classmethod
    def of_payout(cls, seal: Seal) -> "EntryView":
        """What a seal's payout moves."""
        id = str(seal.payout_id)
        return cls(
            id=id,
            kind="payout",
            subject=id,
            day=seal.through.isoformat(),
            at=rfc3339(seal.at_ms),
            legs=ledger.paid_out(seal.payout_minor, seal.wage_minor),
        )


class TransferView(BaseModel):
    """One transfer of a payout, to one of your accounts."""

    reference: str
    """What the bank transfer carries as its reference."""
    status: Literal["new", "sent", "executed", "returned"]
    """`returned` means the amount is in your balance again."""
    amount: int
    """What is paid to this account, in minor units."""
    iban_last4: str
    """The last four characters of the IBAN."""
    status_at: str
    """When it got its status."""
    bank_reference: str | None
    """The bank's own number of the transfer."""
    failure_code: str | None
    """The bank's code when it came back."""
    failure_reason: str | None
    """The bank's words when it came back."""

    @classmethod
    def of(cls, seal: Seal, n: int) -> "TransferView":
        """One part of a payout, and what the bank said of it."""
        part = seal.parts[n]
        back = part.state is PayoutState.RETURNED
        return cls(
            reference=seal.transfer(n),
            status=part.state.value,
            amount=part.amount_minor,
            iban_last4=part.iban_last4,
            status_at=rfc3339(part.state_at_ms or seal.at_ms),
            bank_reference=part.bank_reference,
            failure_code=part.bank_code if back else None,
            failure_reason=part.bank_reason if back else None,
        )


class PayoutView(BaseModel):
    """A payout: what it pays, to where, and what the bank said."""

    id: str
    """Payout id, `po_…`; the bank transfer carries it as its reference."""
    status: Literal["new", "sent", "executed", "returned"]
    """`returned` means the amount is in your balance again."""
    amount: int
    """What is paid out, in minor units."""
    currency: str
    """ISO 4217 code of the currency."""
    first_day: str
    """The first settlement day it pays."""
    through: str
    """The last settlement day it pays."""
    iban_last4: str
    """The last four characters of your first account's IBAN."""
    opening_balance: int
    """What was owed before these days, in minor units."""
    closing_balance: int
    """What is still owed after this payout, in minor units."""
    entries_count: int
    """How many journal entries it pays."""
    created_at: str
    """When the days were sealed and the payout ordered."""
    status_at: str
    """When it got its status."""
    bank_reference: str | None
    """The bank's own number of the first transfer."""
    failure_code: str | None
    """The bank's code for a transfer that came back."""
    failure_reason: str | None
    """The bank's words for a transfer that came back."""
    held: int
    """What of the balance was kept back (hold days, reserve), in minor units."""
    transfers: list[TransferView]
    """Where it goes: one transfer for each account."""
    digest: str
    """SHA-256 of the seal; the next seal repeats it."""
    previous_digest: str
    """SHA-256 of the seal before."""

    @classmethod
    def of(cls, seal: Seal) -> "PayoutView":
        """What a seal that pays orders."""
        assert seal.state is not None
        back = next((p for p in seal.parts if p.state is PayoutState.RETURNED), None)
        return cls(
            id=str(seal.payout_id),
            status=seal.state.value,
            amount=seal.payout_minor,
            currency=seal.book.currency,
            first_day=seal.first.isoformat(),
            through=seal.through.isoformat(),
            iban_last4=seal.parts[0].iban_last4,
            opening_balance=seal.opening_minor,
            closing_balance=seal.closing_minor,
            entries_count=seal.count,
            created_at=rfc3339(seal.at_ms),
            status_at=rfc3339(seal.state_at_ms or seal.at_ms),
            bank_reference=seal.parts[0].bank_reference,
            failure_code=back.bank_code if back else None,
            failure_reason=back.bank_reason if back else None,
            held=seal.held_minor,
            transfers=[TransferView.of(seal, n) for n in range(len(seal.parts))],
            digest=seal.digest,
            previous_digest=seal.previous,
        )
