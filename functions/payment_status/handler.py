"""GET /payments…: what became of payments. Reads only.

In:    API Gateway, an API key with payments:read
Out:   nothing
Fails: problem+json; another merchant's id looks like a missing one
"""

import base64
import binascii
import datetime as dt
import heapq
from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from payvand import events
from payvand.calendar import days, rfc3339
from payvand.edge.api import Caller, Request, Response, Route, found, serve
from payvand.edge.views import (
    Currency,
    Day,
    PaymentList,
    PaymentView,
    RefundList,
    RefundView,
    own_payment_id,
)
from payvand.edge.wiring import wiring
from payvand.errors import BadInput
from payvand.ids import Book, PaymentId
from payvand.payment import Payment
from payvand.store.payments import Payments, created_at_ms

DAYS_DEFAULT: Final = 7
DAYS_MAX: Final = 93
"""A list names its days; three months of partitions is as far as one call looks."""
EXAMINED_MAX: Final = 1_000
"""Payments read for one page; a filter that finds nothing answers a cursor to go on from."""


class ListArgs(BaseModel):
    """Filters of the list. Days are settlement days."""

    model_config = ConfigDict(extra="forbid")
    limit: Annotated[int, Field(ge=1, le=100)] = 20
    """Payments a page."""
    cursor: Annotated[str, Field(max_length=200)] | None = None
    """`next_cursor` of the page before."""
    status: Literal[
        "created", "redirected", "accepted", "executed", "refused", "expired", "reversed",
        "partially_refunded", "refunded", "disputed",
    ] | None = None  # fmt: skip
    """Only payments of this status."""
    channel: Annotated[str, Field(max_length=32)] | None = None
    """Only payments of this channel."""
    reference: Annotated[str, Field(max_length=64)] | None = None
    """Only the payment of this reference, whatever its day; other filters are not looked at."""
    currency: Currency = "IRR"
    """Only payments in this currency."""
    first_day: Day | None = None
    """From this settlement day on; six days before `last_day` when absent. At most 93 days."""
    last_day: Day | None = None
    """Up to this settlement day, included; today when absent."""


class EventView(BaseModel):
    """One thing that happened to a payment."""

    at: str
    """When."""
    event: str
    """What happened: `created`, `redirected`, `accepted`, `executed`, `refunded` and so on."""
    details: dict[str, Any]
    """What belongs to it: the channel, the fee, the refund."""


class EventList(BaseModel):
    """Everything that happened to a payment, oldest first."""

    data: list[EventView]
    """What happened."""
    next_cursor: str | None = None
    """Always null: a payment's history fits on one page."""


def _own(request: Request) -> tuple[Payment, Caller]:
    caller = request.caller
    id = own_payment_id(request.path["id"], caller.merchant.id, caller.mode)
    return found(wiring().payments.get(id)).payment, caller


def get_one(request: Request) -> Response:
    """One payment."""
    payment, caller = _own(request)
    now = wiring().clock.now(caller.mode)
    return Response.of(PaymentView.of(payment, request.base_url, now.ms))


def get_events(request: Request) -> Response:
    """A payment's history."""
    payment, _ = _own(request)
    rows = events.history(payment, created_at_ms(payment.id))
    data = [EventView(at=rfc3339(ms), event=what, details=details) for ms, what, details in rows]
    return Response.of(EventList(data=data))


def get_refunds(request: Request) -> Response:
    """A payment's refunds."""
    payment, _ = _own(request)
    refunds = sorted(payment.refunds.values(), key=lambda refund: refund.at_ms)
    return Response.of(RefundList(data=[RefundView.of(payment, refund) for refund in refunds]))


def get_list(request: Request) -> Response:
    """A page of payments, newest first."""
    args, caller, live = request.args(ListArgs), request.caller, wiring()
    now = live.clock.now(caller.mode)
    if args.reference is not None:
        id = live.payments.find(caller.merchant.id, caller.mode, args.reference)
        seen = live.payments.get(id) if id else None
        found_one = [PaymentView.of(seen.payment, request.base_url, now.ms)] if seen else []
        return Response.of(PaymentList(data=found_one, next_cursor=None))
    book = Book(caller.merchant.id, caller.mode, args.currency)
    last = args.last_day or now.label(args.currency)
    first = args.first_day or last - dt.timedelta(DAYS_DEFAULT - 1)
    if not 0 <= (last - first).days < DAYS_MAX:
        raise BadInput(
            "input_invalid",
            f"Ask for 1 to {DAYS_MAX} days.",
            errors=[("first_day", "out of range")],
        )
    cursor = _cursor(args.cursor, book)
    if cursor is not None:
        last = min(last, cursor.day)
    views: list[PaymentView] = []
    mark = None
    newest = _newest(book, first, last, caller.merchant.shards, cursor, args.limit)
    for examined, payment in enumerate(newest):
        if len(views) == args.limit or examined == EXAMINED_MAX:
            return Response.of(PaymentList(data=views, next_cursor=mark))
        mark = base64.urlsafe_b64encode(payment.id.text.encode()).decode()
        view = PaymentView.of(payment, request.base_url, now.ms)
        if args.status in {None, view.status} and args.channel in {None, view.channel}:
            views.append(view)
    return Response.of(PaymentList(data=views, next_cursor=None))


def _cursor(text: str | None, book: Book) -> PaymentId | None:
    if text is None:
        return None
    try:
        id = PaymentId.parse(base64.urlsafe_b64decode(text.encode()).decode())
    except (ValueError, binascii.Error):
        id = None
    if id is None or id.book != book:
        raise BadInput(
            "cursor_invalid", "This cursor is not from this list.", errors=[("cursor", "not ours")]
        )
    return id


def _newest(
    book: Book, first: dt.date, last: dt.date, shards: int, cursor: PaymentId | None, limit: int
) -> Iterator[Payment]:
    """Payments of a book, newest first: ids carry their time, so shards merge by id."""
    store = wiring().payments
    for day in reversed(days(first, last)):
        before = cursor.text if cursor is not None and cursor.day == day else None
        streams = [_shard(store, book, day, shard, before, limit) for shard in range(shards)]
        yield from heapq.merge(*streams, key=lambda p: p.id.text, reverse=True)


def _shard(
    store: Payments, book: Book, day: dt.date, shard: int, before: str | None, limit: int
) -> Iterator[Payment]:
    """One shard of one day, read a page at a time as far as the reader goes."""
    while True:
        page = list(store.payments(book, day, shard, before=before, limit=limit))
        yield from page
        if len(page) < limit:
            return
        before = page[-1].id.text


ROUTES = (
    Route(
        "GET",
        "/payments",
        get_list,
        "List payments",
        scope="payments:read",
        args=ListArgs,
        answer=PaymentList,
        problems=("400",),
    ),
    Route(
        "GET",
        "/payments/{id}",
        get_one,
        "Get a payment",
        scope="payments:read",
        answer=PaymentView,
        problems=("404",),
    ),
    Route(
        "GET",
        "/payments/{id}/events",
        get_events,
        "Get a payment's history",
        scope="payments:read",
        answer=EventList,
        problems=("404",),
    ),
    Route(
        "GET",
        "/payments/{id}/refunds",
        get_refunds,
        "List a payment's refunds",
        scope="payments:read",
        answer=RefundList,
        problems=("404",),
    ),
)
lambda_handler = serve(*ROUTES)
