"""GET /payments/{id}/explain: where every unit of a payment went.

Amounts are those of the journal. How a fee came about is worked out from the plan that is stored
with the payment, and shown only where it leads to what was booked.
"""

import datetime as dt
from typing import TYPE_CHECKING, Final, Literal

from pydantic import BaseModel

from functions.report.shown import EntryView, TransferView
from payvand import calendar, ledger
from payvand.calendar import rfc3339
from payvand.edge import log
from payvand.edge.api import Request, Response, found
from payvand.edge.shown import payment_fields
from payvand.edge.views import RefundView, own_payment_id
from payvand.edge.wiring import wiring
from payvand.fee import REFERRAL_BASIS_POINTS, Bill, Limit
from payvand.ids import Book, PaymentId
from payvand.money import BASIS_POINTS
from payvand.payment import Payment, Refund, RefundState
from payvand.settlement import RESERVE_DAYS_MAX, Line, Seal

if TYPE_CHECKING:
    from payvand.edge.wiring import Wiring

LATE_DAYS: Final = 3
"""A posting is put into the day of its moment, or the next that is not fenced."""


class BandView(BaseModel):
    """What of the amount lies in one band of your plan."""

    above: int
    """Where the band begins, in minor units."""
    part: int
    """What of the amount lies in it, in minor units."""
    basis_points: int
    """What it costs there, in hundredths of a percent."""
    exact: str
    """The cost before rounding: minor units with four decimals."""


class CalculationView(BaseModel):
    """How a fee follows from your plan as it was when the payment was made."""

    bands: list[BandView]
    """The percentages."""
    fixed: int
    """The fixed part, in minor units."""
    exact: str
    """All of it before rounding: minor units with four decimals."""
    rounded_off: str
    """What rounding down took away, once for all bands."""
    floor: int
    """The least a fee is in your plan, in minor units."""
    cap: int
    """The most a fee is in your plan, in minor units."""
    limited_by: Limit | None
    """What decided instead: `trial`, `floor`, `cap`, or `maximum` (15 % of the amount)."""
    trial_until: str | None
    """The last settlement day that is free."""


class ReferralView(BaseModel):
    """The part of the fee that went to who referred you."""

    amount: int
    """How much, in minor units; the fee is not higher by it."""
    exact: str
    """A fifth of the fee before rounding down: minor units with four decimals."""


class FeeView(BaseModel):
    """Our fee."""

    amount: int
    """What was booked, in minor units."""
    borne_by: Literal["merchant", "payer"]
    """Whether it was taken from the amount, or the payer was charged it on top."""
    calculation: CalculationView | None
    """How it came about; null if the rules have changed since and no longer lead to it."""
    referral: ReferralView | None
    """The referrer's part of it; null when nobody referred you."""


class SealView(BaseModel):
    """The seal that closed the day."""

    n: int
    """Its position in your chain of seals."""
    digest: str
    """Its SHA-256; the next seal repeats it."""
    first_day: str
    """The first settlement day it holds."""
    through: str
    """The last settlement day it holds."""
    sealed_at: str
    """When it was made."""


class PaidView(BaseModel):
    """The first payout that the day's earnings can be part of."""

    id: str
    """Payout id, `po_…`."""
    status: Literal["new", "sent", "executed", "returned"]
    """`returned` means the amount is in your balance again."""
    amount: int
    """What the whole payout pays, in minor units."""
    transfers: list[TransferView]
    """Where it goes: one transfer for each account."""


class BookedView(BaseModel):
    """A journal entry, and how it is settled."""

    entry: EntryView
    """The entry as booked."""
    amount: int
    """What it changed in your balance, in minor units."""
    seal: SealView | None
    """The seal that closed its day; null while the day is not sealed."""
    free_from: str | None
    """The settlement day with which the day's earnings can be paid; null while not sealed."""
    payout: PaidView | None
    """The first payout from then on; null while there is none."""
    settlement_day: str | None
    """While there is no payout: the day with whose end the next one can be ordered."""
    settles_at: str | None
    """The moment of that."""


class RefundedView(BaseModel):
    """A refund and what it booked."""

    refund: RefundView
    """The refund."""
    booked: list[BookedView]
    """What it booked: the amount, and the amount back where the channel refused."""


class ExplanationView(BaseModel):
    """Where every unit of a payment went."""

    id: str
    """Payment id, `pay_…`."""
    status: str
    """Where it stands."""
    currency: str
    """ISO 4217 code of the currency."""
    amount: int
    """What the payment is over, in minor units."""
    charged: int
    """What the payer is asked for: the amount, and the fee where the payer bears it."""
    fee: FeeView | None
    """Our fee; null until the payment is executed."""
    booked: BookedView | None
    """What the payment booked; null until it is executed."""
    refunds: list[RefundedView]
    """Its refunds, oldest first."""
    balance: int
    """What all of it together changed in your balance, in minor units."""


def get_explanation(request: Request) -> Response:
    """Where every unit of a payment went: fee, referral, refunds, seal, payout and transfers."""
    caller, live = request.caller, wiring()
    id = own_payment_id(request.path["id"], caller.merchant.id, caller.mode)
    payment: Payment = found(live.payments.get(id)).payment
    now = live.clock.now(caller.mode)
    settling = _Settling(live, id.book, now.when)
    line = _execution_line(live, payment)
    refunds = [
        RefundedView(
            refund=RefundView.of(payment, refund),
            booked=[settling.booked(posted) for posted in _refund_lines(live, id, refund)],
        )
        for refund in sorted(payment.refunds.values(), key=lambda refund: refund.at_ms)
    ]
    booked = None if line is None else settling.booked(line)
    parts = [one.amount for refund in refunds for one in refund.booked]
    return Response.of(
        ExplanationView(
            id=id.text,
            status=payment_fields(payment, request.base_url, now.ms)["status"],
            currency=id.book.currency,
            amount=payment.amount_minor,
            charged=payment.money.amount_minor,
            fee=None if line is None else _fee(payment, line),
            booked=booked,
            refunds=refunds,
            balance=sum(parts) + (booked.amount if booked else 0),
        )
    )


# ── what was booked ───────────────────────────────────────────────────────────────────────────


def _execution_line(live: "Wiring", payment: Payment) -> Line | None:
    """The journal of the taking: on the payment itself, or a posting of a later day."""
    x = payment.execution
    if x is None:
        return None
    if x.legs:
        return Line(payment.id.text, x.day, x.at_ms, x.legs)
    line = live.payments.posting(payment.id, f"x:{payment.id}", x.day)
    assert line is not None, f"{payment.id} was booked with its posting"
    return line


def _refund_lines(live: "Wiring", id: PaymentId, refund: Refund) -> list[Line]:
    posted = live.payments.posting(id, f"f:{id}:{refund.key}", refund.day)
    assert posted is not None, f"{refund.refund_id} was booked with its posting"
    if refund.state is not RefundState.FAILED or refund.done_at_ms is None:
        return [posted]
    undone = dt.datetime.fromtimestamp(refund.done_at_ms / 1000, dt.UTC)
    first = calendar.label(undone, id.book.currency)
    for late in range(LATE_DAYS):
        day = first + dt.timedelta(late)
        if (back := live.payments.posting(id, f"c:{id}:{refund.key}", day)) is not None:
            return [posted, back]
    raise AssertionError(f"{refund.refund_id} was booked back with its posting")


# ── the fee ───────────────────────────────────────────────────────────────────────────────────


def _decimal(points: int) -> str:
    """Ten-thousandths of a minor unit."""
    whole, rest = divmod(points, BASIS_POINTS)
    return f"{whole}.{rest:04d}"


def _fee(payment: Payment, line: Line) -> FeeView:
    plan, shares = payment.fee_plan, ledger.referrers(line.legs)
    shared = sum(shares.values())
    fee = shared - line.legs.get(ledger.FEE, 0)
    # What a payer bears is asked for when the payment is made, so that day decides.
    day = payment.id.day if plan.bearer == "payer" else line.day
    bill = plan.bill(payment.amount_minor, day)
    agrees = bill.fee_minor == fee
    if not agrees:
        log.note(answer="fee not explained")
    return FeeView(
        amount=fee,
        borne_by=plan.bearer,
        calculation=_calculation(payment, bill) if agrees else None,
        referral=ReferralView(amount=shared, exact=_decimal(fee * REFERRAL_BASIS_POINTS))
        if plan.referrer
        else None,
    )


def _calculation(payment: Payment, bill: Bill) -> CalculationView:
    plan = payment.fee_plan
    return CalculationView(
        bands=[
            BandView(
                above=band.above_minor,
                part=band.part_minor,
                basis_points=band.basis_points,
                exact=_decimal(band.part_minor * band.basis_points),
            )
            for band in bill.bands
        ],
        fixed=bill.fixed_minor,
        exact=_decimal(bill.points + bill.fixed_minor * BASIS_POINTS),
        rounded_off=_decimal(bill.points % BASIS_POINTS),
        floor=plan.floor_minor,
        cap=plan.cap_minor,
        limited_by=bill.limit,
        trial_until=plan.trial_until.isoformat() if plan.trial_until else None,
    )


# ── seal and payout ───────────────────────────────────────────────────────────────────────────


class _Settling:
    """How the days of a book were, or will be, settled; what was read once is kept."""

    def __init__(self, live: "Wiring", book: Book, now: dt.datetime) -> None:
        self._live = live
        self._book = book
        self._now = now
        self._last: Seal | None = None
        self._looked = False
        self._seals: list[Seal] = []

    def booked(self, line: Line) -> BookedView:
        """A line with its settlement."""
        seal = self._seal(line.day)
        paid = None if seal is None else self._paying(seal)
        next_day = None if paid else self._next_day(line.day if seal is None else None)
        return BookedView(
            entry=EntryView.of(line),
            amount=ledger.owed(line.legs),
            seal=None if seal is None else _seal_view(seal),
            free_from=None if seal is None else _free_from(seal).isoformat(),
            payout=None if paid is None else _paid_view(paid),
            settlement_day=None if next_day is None else next_day.isoformat(),
            settles_at=None if next_day is None else self._settles_at(next_day),
        )

    def _seal(self, day: dt.date) -> Seal | None:
        if not self._looked:
            self._last, self._looked = self._live.settlements.last(self._book), True
        if self._last is None or day > self._last.through:
            return None
        for seal in self._seals:
            if seal.first <= day <= seal.through:
                return seal
        found_one = self._live.settlements.covering(self._last, day)
        assert found_one is not None, f"a gap in the chain at {day}"
        self._seals.append(found_one)
        return found_one

    def _paying(self, seal: Seal) -> Seal | None:
        """The first seal that pays, when what this one's days earned is free."""
        free = _free_from(seal)
        if seal.payout_minor and seal.through >= free:
            return seal
        later = self._live.settlements.after(self._book, seal.n, limit=RESERVE_DAYS_MAX)
        return next((s for s in later if s.payout_minor and s.through >= free), None)

    def _next_day(self, unsealed: dt.date | None) -> dt.date | None:
        """The day that will settle an unsealed one; of a sealed one that waits, the next at all."""
        currency = self._book.currency
        closed = calendar.closed_through(self._now, currency)
        day = unsealed or closed + dt.timedelta(1)
        try:
            overrides = self._live.settlements.overrides(currency)
            return calendar.settlement_day(day, currency, overrides)
        except LookupError:
            return None  # no holidays are known that far ahead

    def _settles_at(self, day: dt.date) -> str:
        at = calendar.settles_at(day, self._book.currency)
        return rfc3339(int(at.timestamp() * 1000))


def _free_from(seal: Seal) -> dt.date:
    """The day with which a seal's own earnings can be paid, but for a reserve that waits longer."""
    waiting = sum(held.minor for held in seal.withheld)
    if not seal.withheld or waiting < ledger.owed(seal.sums):
        return seal.through
    return min(held.until for held in seal.withheld)


def _seal_view(seal: Seal) -> SealView:
    return SealView(
        n=seal.n,
        digest=seal.digest,
        first_day=seal.first.isoformat(),
        through=seal.through.isoformat(),
        sealed_at=rfc3339(seal.at_ms),
    )


def _paid_view(seal: Seal) -> PaidView:
    assert seal.state is not None
    return PaidView(
        id=str(seal.payout_id),
        status=seal.state.value,
        amount=seal.payout_minor,
        transfers=[TransferView.of(seal, n) for n in range(len(seal.parts))],
    )
