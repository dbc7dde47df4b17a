"""GET /settlement/preview: what the next seal would pay, and why, by the functions that seal."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from payvand import calendar, ledger
from payvand.calendar import rfc3339
from payvand.edge.api import Request, Response, found
from payvand.edge.views import Currency
from payvand.edge.wiring import wiring
from payvand.errors import Conflict
from payvand.ids import Book
from payvand.settlement import Kind, Seal
from payvand.store.drafts import Draft, Unsealed, moved


class PreviewArgs(BaseModel):
    """Which books."""

    model_config = ConfigDict(extra="forbid")
    currency: Currency = "IRR"
    """Which currency's books."""


class MovementView(BaseModel):
    """All entries of one kind since the last seal."""

    kind: Kind
    """What was booked."""
    count: int
    """How many entries."""
    amount: int
    """What they change in your balance, in minor units."""


class HoldView(BaseModel):
    """Earnings that wait."""

    earned_through: str
    """The last settlement day of those that earned it."""
    until: str
    """The settlement day with which it can be paid."""
    amount: int
    """How much, in minor units."""


class PartView(BaseModel):
    """What one of your accounts would get."""

    iban_last4: str
    """The last four characters of the IBAN."""
    amount: int
    """How much, in minor units."""


class PreviewView(BaseModel):
    """The next payout as it would be if nothing else happened."""

    currency: str
    """ISO 4217 code of the currency."""
    at: str
    """The moment this is true for."""
    settles_at: str
    """When the days are sealed and the payout is ordered."""
    first_day: str
    """The first settlement day it will hold."""
    through: str
    """The last settlement day it will hold: the next one whose end banks work on."""
    opening_balance: int
    """What was owed to you after the last seal, in minor units."""
    movements: list[MovementView]
    """What was booked since, kind by kind."""
    earned: int
    """What all of that changes in your balance, in minor units."""
    held: int
    """What would be kept back, in minor units."""
    holds: list[HoldView]
    """What is kept back, and until when."""
    hold_days: int
    """Days that a day's earnings wait."""
    reserve_basis_points: int
    """The part of a day's earnings that waits longer, in hundredths of a percent."""
    reserve_days: int
    """Days that this part waits."""
    minimum_payout: int
    """Less than this is not paid out but carried on, in minor units."""
    payout: int
    """What would be paid out, in minor units."""
    wage: int
    """Our own fee that leaves the bank with it; not taken from what you get."""
    closing_balance: int
    """What would still be owed to you afterwards, in minor units."""
    parts: list[PartView]
    """What each of your accounts would get."""
    reasons: list[Literal["no_account", "nothing_owed", "held", "below_minimum"]]
    """Why nothing would be paid; empty when something is."""
    on_demand: bool
    """Whether you may ask for a payout yourself, with `POST /payouts`."""

    @classmethod
    def of(cls, draft: Draft, at_ms: int) -> "PreviewView":
        """What a draft says."""
        seal, terms, currency = draft.seal, draft.terms, draft.seal.book.currency
        return cls(
            currency=currency,
            at=rfc3339(at_ms),
            settles_at=rfc3339(int(calendar.settles_at(seal.through, currency).timestamp() * 1000)),
            first_day=seal.first.isoformat(),
            through=seal.through.isoformat(),
            opening_balance=seal.opening_minor,
            movements=[
                MovementView.model_validate({"kind": kind, "count": count, "amount": minor})
                for kind, (count, minor) in moved(draft.lines).items()
            ],
            earned=ledger.owed(seal.sums),
            held=seal.held_minor,
            holds=[*_holds(draft.earlier, seal), *_holds((seal,), seal)],
            hold_days=terms.hold_days,
            reserve_basis_points=terms.reserve_basis_points,
            reserve_days=terms.reserve_days,
            minimum_payout=terms.minimum_minor,
            payout=seal.payout_minor,
            wage=seal.wage_minor,
            closing_balance=seal.closing_minor,
            parts=[PartView(iban_last4=p.iban_last4, amount=p.amount_minor) for p in seal.parts],
            reasons=draft.reasons,
            on_demand=calendar.profile(seal.through, currency).on_demand,
        )


def _holds(seals: tuple[Seal, ...], at: Seal) -> list[HoldView]:
    """What these seals still hold back when another is made."""
    return [
        HoldView(
            earned_through=seal.through.isoformat(),
            until=held.until.isoformat(),
            amount=held.minor,
        )
        for seal in sorted(seals, key=lambda s: s.n)
        for held in seal.withheld
        if held.until > at.through
    ]


def get_preview(request: Request) -> Response:
    """What would be paid at the next cut-off if nothing else happened, and why."""
    args, caller, live = request.args(PreviewArgs), request.caller, wiring()
    book = Book(caller.merchant.id, caller.mode, args.currency)
    merchant = found(live.merchants.get(book.merchant_id))  # the caller's own has no accounts
    now = live.clock.now(caller.mode)
    chain = Unsealed.of(live.settlements, merchant, book)
    try:
        through = chain.due(now.when, live.settlements.overrides(book.currency))
    except LookupError:
        raise Conflict(
            "calendar_unknown", "No holidays are known that far ahead. Ask again later."
        ) from None
    draft = chain.draft((live.payments, live.settlements), through, now.ms)
    return Response.of(PreviewView.of(draft, now.ms))
