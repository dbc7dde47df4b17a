"""POST /payouts: what days that are over have earned, without waiting for the next cut-off.

In:    API Gateway, an API key with settlement:write
Out:   SettleQueue {"book": key, "on_demand": true}: settle makes the seal, with its own rules
Fails: problem+json. Asked twice is the same seal: whoever comes second finds nothing left
"""

import datetime as dt

from pydantic import BaseModel, ConfigDict

from payvand import calendar
from payvand.calendar import rfc3339
from payvand.edge import log
from payvand.edge.api import Request, Response, Route, found, serve
from payvand.edge.views import Currency
from payvand.edge.wiring import wiring
from payvand.errors import Conflict
from payvand.ids import Book, PayoutId
from payvand.store.drafts import Unsealed


class CreatePayout(BaseModel):
    """A wish to be paid out now."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    currency: Currency
    """Which currency's books."""


class AskedPayoutView(BaseModel):
    """What was asked for. The seal that is made of it decides."""

    id: str
    """The payout's id, `po_…`; it can be read as soon as the days are sealed."""
    currency: str
    """ISO 4217 code of the currency."""
    amount: int
    """What will be paid out as things stand, in minor units."""
    first_day: str
    """The first settlement day it pays."""
    through: str
    """The last settlement day it pays: the last that is over."""
    asked_at: str
    """When it was asked for."""


def create_payout(request: Request) -> Response:
    """Be paid what days that are over have earned, below the minimum payout, too.

    Asking twice pays once. The current day is not over and waits for its own cut-off.
    """
    body, caller, live = request.json(CreatePayout), request.caller, wiring()
    book = Book(caller.merchant.id, caller.mode, body.currency)
    now = live.clock.now(caller.mode)
    _may_ask(now.when, book.currency, live.settlements.overrides(book.currency))
    merchant = found(live.merchants.get(book.merchant_id))  # the caller's own has no accounts
    chain = Unsealed.of(live.settlements, merchant, book)
    through = calendar.closed_through(now.when, book.currency)
    stores = live.payments, live.settlements
    draft = chain.draft(stores, through, now.ms, on_demand=True) if chain.first <= through else None
    if draft is None or not draft.seal.payout_minor:
        raise Conflict(
            "nothing_payable",
            "Days that are over leave nothing to pay out; GET /settlement/preview says what comes.",
        )
    live.queues.send(live.env["SETTLE_QUEUE"], {"book": book.key, "on_demand": True})
    log.note(book=book.key, seal=draft.seal.n)
    view = AskedPayoutView(
        id=str(PayoutId.of(book, draft.seal.n)),
        currency=book.currency,
        amount=draft.seal.payout_minor,
        first_day=draft.seal.first.isoformat(),
        through=through.isoformat(),
        asked_at=rfc3339(now.ms),
    )
    return Response.of(view, 202)


def _may_ask(now: dt.datetime, currency: str, overrides: dict[dt.date, bool]) -> None:
    """Raises Conflict where a payout could not leave today."""
    today = calendar.local(now, currency).date()
    if not calendar.profile(today, currency).on_demand:
        raise Conflict("not_on_demand", f"Payouts in {currency} leave at the cut-off alone.")
    try:
        is_open = calendar.is_business_day(today, currency, overrides)
    except LookupError:
        raise Conflict(
            "calendar_unknown", "No holidays are known that far ahead. Ask again later."
        ) from None
    if not is_open:
        raise Conflict("banks_closed", f"Banks that pay out {currency} are closed today.")


ROUTES = (
    Route(
        "POST",
        "/payouts",
        create_payout,
        "Ask for a payout now",
        scope="settlement:write",
        body=CreatePayout,
        answer=AskedPayoutView,
        status=202,
        problems=("409",),
    ),
)
lambda_handler = serve(*ROUTES)
