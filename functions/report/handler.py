"""Balance, ledger entries, payouts, and the reasons for each: read off seals and open days.

Reads only.

In:    API Gateway, an API key with settlement:read
Out:   nothing
Fails: problem+json
"""

import base64
import binascii
import datetime as dt
from collections.abc import Iterator
from typing import Annotated, Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from functions.report.explain import ExplanationView, get_explanation
from functions.report.preview import PreviewArgs, PreviewView, get_preview
from functions.report.shown import EntryView, PayoutView
from payvand import calendar, ledger
from payvand.calendar import rfc3339
from payvand.edge.api import Caller, Request, Response, Route, found, serve
from payvand.edge.views import Currency, Day
from payvand.edge.wiring import wiring
from payvand.errors import BadInput, NotFound
from payvand.ids import EPOCH, Book, PayoutId
from payvand.settlement import Line, Part, PayoutState, Seal

DAYS_MAX: Final = 93


class BalanceArgs(BaseModel):
    """Which moment; now when absent."""

    model_config = ConfigDict(extra="forbid")
    currency: Currency = "IRR"
    """Which currency's books."""
    at: Annotated[
        AwareDatetime, Field(ge=dt.datetime.combine(EPOCH, dt.time(), dt.UTC))
    ] | None = None  # fmt: skip
    """The moment to look at, RFC 3339 with an offset; now when absent or still to come."""


class BalanceView(BaseModel):
    """What is owed to the merchant at a moment: sealed chain plus open days. May be negative."""

    currency: str
    """ISO 4217 code of the currency."""
    at: str
    """The moment this is true for."""
    balance: int
    """What is owed to you, in minor units; negative when refunds exceed payments."""
    held: int
    """What of it the last seal kept back (hold days, reserve), in minor units."""
    in_payout: int
    """Ordered at the bank and not yet answered, in minor units. Not part of `balance`."""
    sealed_through: str | None
    """The last settlement day that is closed for ever."""
    accounts: dict[str, int]
    """Every account since the beginning, debits positive; sums to zero."""


class EntryArgs(BaseModel):
    """Which days, and paging."""

    model_config = ConfigDict(extra="forbid")
    currency: Currency = "IRR"
    """Which currency's books."""
    first_day: Day | None = None
    """From this settlement day on; six days before `last_day` when absent. At most 93 days."""
    last_day: Day | None = None
    """Up to this settlement day, included; today when absent."""
    limit: Annotated[int, Field(ge=1, le=1000)] = 100
    """Entries a page."""
    cursor: Annotated[str, Field(max_length=300)] | None = None
    """`next_cursor` of the page before."""


class EntryList(BaseModel):
    """A page of entries, by day."""

    data: list[EntryView]
    """The entries of this page."""
    next_cursor: str | None
    """Send it as `cursor` for the next page; null on the last one."""


class PayoutArgs(BaseModel):
    """Paging, newest first."""

    model_config = ConfigDict(extra="forbid")
    currency: Currency = "IRR"
    """Which currency's books."""
    limit: Annotated[int, Field(ge=1, le=100)] = 20
    """Payouts a page."""
    cursor: Annotated[str, Field(max_length=50)] | None = None
    """`next_cursor` of the page before."""


class PayoutList(BaseModel):
    """A page of payouts."""

    data: list[PayoutView]
    """The payouts of this page, newest first."""
    next_cursor: str | None
    """Send it as `cursor` for the next page; null on the last one."""


class PayoutEntryList(BaseModel):
    """Every entry a payout pays."""

    data: list[EntryView]
    """The entries, as sealed."""
    next_cursor: str | None = None
    """Always null: the entries come on one page."""


def _book(caller: Caller, currency: str) -> Book:
    return Book(caller.merchant.id, caller.mode, currency)


def _lines(book: Book, day: dt.date, shards: int) -> Iterator[Line]:
    live = wiring()
    for shard in range(shards):
        for entry in live.payments.entries(book, day, shard):
            if entry.line is not None:
                yield entry.line


def get_balance(request: Request) -> Response:
    """What is owed, now or at any past moment."""
    args, caller, live = request.args(BalanceArgs), request.caller, wiring()
    book = _book(caller, args.currency)
    now = live.clock.now(caller.mode)
    at_ms = now.ms if args.at is None else min(now.ms, int(args.at.timestamp() * 1000))
    moment_day = calendar.label(dt.datetime.fromtimestamp(at_ms / 1000, dt.UTC), args.currency)
    seals = [s for s in _chain(book) if s.first <= moment_day]
    accounts: list[ledger.Legs] = []
    for seal in seals:
        if seal.through < moment_day:
            accounts.append(seal.sums)
        if seal.payout_minor and seal.at_ms <= at_ms:
            accounts.append(ledger.paid_out(seal.payout_minor, seal.wage_minor))
    whole = [s for s in seals if s.through < moment_day]
    first = whole[-1].through + dt.timedelta(1) if whole else caller.merchant.since
    for day in calendar.days(first, moment_day):
        accounts += [
            line.legs for line in _lines(book, day, caller.merchant.shards) if line.at_ms <= at_ms
        ]
    sums = {k: v for k, v in sorted(ledger.total(accounts).items()) if v}
    sealed = [s for s in seals if s.at_ms <= at_ms]
    in_payout = sum(_on_its_way(part, at_ms) for seal in sealed for part in seal.parts)
    view = BalanceView(
        currency=args.currency,
        at=rfc3339(at_ms),
        balance=ledger.owed(sums),
        held=sealed[-1].held_minor if sealed else 0,
        in_payout=in_payout,
        sealed_through=seals[-1].through.isoformat() if seals else None,
        accounts=sums,
    )
    return Response.of(view)


def _on_its_way(part: Part, at_ms: int) -> int:
    """What of a transfer the bank had not answered yet at a moment."""
    answered_ms = part.paid_at_ms or part.state_at_ms or 0
    answered = part.state not in {PayoutState.NEW, PayoutState.SENT} and answered_ms <= at_ms
    return 0 if answered else part.amount_minor


def _chain(book: Book) -> list[Seal]:
    """The whole chain, oldest first: one item per settlement day."""
    return list(reversed(list(wiring().settlements.seals(book, limit=10_000))))


def get_entries(request: Request) -> Response:
    """The journal of some days, payouts included."""
    args, caller, live = request.args(EntryArgs), request.caller, wiring()
    book = _book(caller, args.currency)
    last = args.last_day or live.clock.now(caller.mode).label(args.currency)
    first = args.first_day or last - dt.timedelta(6)
    if not 0 <= (last - first).days < DAYS_MAX:
        raise BadInput(
            "input_invalid",
            f"Ask for 1 to {DAYS_MAX} days.",
            errors=[("first_day", "out of range")],
        )
    after = _entry_cursor(args.cursor)
    data: list[EntryView] = []
    for entry in _journal(
        book, max(first, after[0]) if after else first, last, caller.merchant.shards
    ):
        if after is not None and (dt.date.fromisoformat(entry.day), entry.id) <= after:
            continue
        if len(data) == args.limit:
            mark = f"{data[-1].day} {data[-1].id}"
            cursor = base64.urlsafe_b64encode(mark.encode()).decode()
            return Response.of(EntryList(data=data, next_cursor=cursor))
        data.append(entry)
    return Response.of(EntryList(data=data, next_cursor=None))


def _entry_cursor(text: str | None) -> tuple[dt.date, str] | None:
    if text is None:
        return None
    try:
        day, _, id = base64.urlsafe_b64decode(text.encode()).decode().partition(" ")
        return dt.date.fromisoformat(day), id
    except (ValueError, binascii.Error):
        raise BadInput(
            "cursor_invalid", "This cursor is not from this list.", errors=[("cursor", "not ours")]
        ) from None


def _journal(book: Book, first: dt.date, last: dt.date, shards: int) -> Iterator[EntryView]:
    """Entries day by day, within a day by id; a payout stands in the last day it pays."""
    payouts = {s.through: s for s in _chain(book) if s.payout_minor}
    for day in calendar.days(first, last):
        entries = [EntryView.of(line) for line in _lines(book, day, shards)]
        if (seal := payouts.get(day)) is not None:
            entries.append(EntryView.of_payout(seal))
        yield from sorted(entries, key=lambda e: e.id)


def get_payouts(request: Request) -> Response:
    """A page of payouts, newest first."""
    args, caller, live = request.args(PayoutArgs), request.caller, wiring()
    book = _book(caller, args.currency)
    before = None
    if args.cursor is not None:
        before = _own_payout(
            args.cursor, caller, BadInput("cursor_invalid", "This cursor is not from this list.")
        ).n
    data: list[PayoutView] = []
    for seal in live.settlements.seals(book, before=before, limit=10_000):
        if seal.payout_minor:
            if len(data) == args.limit:
                return Response.of(PayoutList(data=data, next_cursor=data[-1].id))
            data.append(PayoutView.of(seal))
    return Response.of(PayoutList(data=data, next_cursor=None))


def _own_payout(text: str, caller: Caller, otherwise: Exception) -> PayoutId:
    try:
        id = PayoutId.parse(text)
    except ValueError:
        raise otherwise from None
    if id.book.merchant_id != caller.merchant.id or id.book.mode != caller.mode:
        raise otherwise
    return id


def _own_seal(request: Request) -> Seal:
    caller = request.caller
    id = _own_payout(request.path["id"], caller, NotFound())
    seal: Seal = found(wiring().settlements.get(id.book, id.n))
    if not seal.payout_minor:
        raise NotFound
    return seal


def get_payout(request: Request) -> Response:
    """One payout."""
    return Response.of(PayoutView.of(_own_seal(request)))


def get_payout_entries(request: Request) -> Response:
    """Every entry a payout pays, as sealed."""
    seal = _own_seal(request)
    lines = wiring().settlements.lines(seal).lines
    return Response.of(PayoutEntryList(data=[EntryView.of(line) for line in lines]))


ROUTES = (
    Route(
        "GET",
        "/balance",
        get_balance,
        "Get the balance at any moment",
        scope="settlement:read",
        args=BalanceArgs,
        answer=BalanceView,
        problems=("400",),
    ),
    Route(
        "GET",
        "/ledger/entries",
        get_entries,
        "List journal entries",
        scope="settlement:read",
        args=EntryArgs,
        answer=EntryList,
        problems=("400",),
    ),
    Route(
        "GET",
        "/payments/{id}/explain",
        get_explanation,
        "Explain a payment to the last unit",
        scope="settlement:read",
        answer=ExplanationView,
        problems=("404",),
    ),
    Route(
        "GET",
        "/settlement/preview",
        get_preview,
        "Preview the next payout",
        scope="settlement:read",
        args=PreviewArgs,
        answer=PreviewView,
        problems=("400", "409"),
    ),
    Route(
        "GET",
        "/payouts",
        get_payouts,
        "List payouts",
        scope="settlement:read",
        args=PayoutArgs,
        answer=PayoutList,
        problems=("400",),
    ),
    Route(
        "GET",
        "/payouts/{id}",
        get_payout,
        "Get a payout",
        scope="settlement:read",
        answer=PayoutView,
        problems=("404",),
    ),
    Route(
        "GET",
        "/payouts/{id}/entries",
        get_payout_entries,
        "List what a payout pays",
        scope="settlement:read",
        answer=PayoutEntryList,
        problems=("404",),
    ),
)
lambda_handler = serve(*ROUTES)
