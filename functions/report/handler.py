"""Balance, ledger entries and payouts: read off seals and open days, at any date. Reads only.

In:    API Gateway, an API key with settlement:read
Out:   nothing
Fails: problem+json
"""

import base64
import binascii
import datetime as dt
from collections.abc import Iterator
from typing import Annotated, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from payvand import calendar, ledger
from payvand.calendar import rfc3339
from payvand.edge.api import Caller, Request, Response, Route, found, serve
from payvand.edge.views import Day
from payvand.edge.wiring import wiring
from payvand.errors import BadInput, NotFound
from payvand.ids import EPOCH, Book, PayoutId
from payvand.settlement import Line, PayoutState, Seal

DAYS_MAX: Final = 93


class BalanceArgs(BaseModel):
    """Which moment; now when absent."""

    model_config = ConfigDict(extra="forbid")
    currency: Literal["IRR"] = "IRR"
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
    in_payout: int
    """Ordered at the bank and not yet answered, in minor units. Not part of `balance`."""
    sealed_through: str | None
    """The last settlement day that is closed for ever."""
    accounts: dict[str, int]
    """Every account since the beginning, debits positive; sums to zero."""


class EntryArgs(BaseModel):
    """Which days, and paging."""

    model_config = ConfigDict(extra="forbid")
    currency: Literal["IRR"] = "IRR"
    """Which currency's books."""
    first_day: Day | None = None
    """From this settlement day on; six days before `last_day` when absent. At most 93 days."""
    last_day: Day | None = None
    """Up to this settlement day, included; today when absent."""
    limit: Annotated[int, Field(ge=1, le=1000)] = 100
    """Entries a page."""
    cursor: Annotated[str, Field(max_length=300)] | None = None
    """`next_cursor` of the page before."""


class EntryView(BaseModel):
    """One journal entry. Legs sum to zero; debits are positive."""

    id: str
    """Names the entry for ever."""
    kind: Literal["payment", "refund", "refund_undone", "payout_returned", "payout"]
    """What was booked."""
    subject: str
    """The payment or payout it belongs to."""
    day: str
    """The settlement day it is booked in."""
    at: str
    """When it was booked."""
    legs: dict[str, int]
    """Account to amount in minor units, debits positive; sums to zero."""


class EntryList(BaseModel):
    """A page of entries, by day."""

    data: list[EntryView]
    """The entries of this page."""
    next_cursor: str | None
    """Send it as `cursor` for the next page; null on the last one."""


class PayoutArgs(BaseModel):
    """Paging, newest first."""

    model_config = ConfigDict(extra="forbid")
    currency: Literal["IRR"] = "IRR"
    """Which currency's books."""
    limit: Annotated[int, Field(ge=1, le=100)] = 20
    """Payouts a page."""
    cursor: Annotated[str, Field(max_length=50)] | None = None
    """`next_cursor` of the page before."""


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
    """The last four characters of your IBAN."""
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
    """The bank's own number of the transfer."""
    failure_code: str | None
    """The bank's code when it came back."""
    failure_reason: str | None
    """The bank's words when it came back."""
    digest: str
    """SHA-256 of the seal; the next seal repeats it."""
    previous_digest: str
    """SHA-256 of the seal before."""


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


_KINDS: Final[dict[str, Literal["payment", "refund", "refund_undone", "payout_returned"]]] = {
    "pay_": "payment", "x:": "payment", "f:": "refund", "c:": "refund_undone", "r:":
    "payout_returned",
}  # fmt: skip


def _kind(id: str) -> Literal["payment", "refund", "refund_undone", "payout_returned"]:
    return next(kind for prefix, kind in _KINDS.items() if id.startswith(prefix))


def _entry(line: Line) -> EntryView:
    subject = line.id.split(":")[1] if ":" in line.id else line.id
    return EntryView(
        id=line.id,
        kind=_kind(line.id),
        subject=subject,
        day=line.day.isoformat(),
        at=rfc3339(line.at_ms),
        legs=line.legs,
    )


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
            accounts.append(ledger.paid_out(seal.payout_minor))
    whole = [s for s in seals if s.through < moment_day]
    first = whole[-1].through + dt.timedelta(1) if whole else caller.merchant.since
    for day in calendar.days(first, moment_day):
        accounts += [
            line.legs for line in _lines(book, day, caller.merchant.shards) if line.at_ms <= at_ms
        ]
    sums = {k: v for k, v in sorted(ledger.total(accounts).items()) if v}
    in_payout = sum(s.payout_minor for s in seals if s.at_ms <= at_ms and _on_its_way(s, at_ms))
    view = BalanceView(
        currency=args.currency,
        at=rfc3339(at_ms),
        balance=ledger.owed(sums),
        in_payout=in_payout,
        sealed_through=seals[-1].through.isoformat() if seals else None,
        accounts=sums,
    )
    return Response.of(view)


def _on_its_way(seal: Seal, at_ms: int) -> bool:
    """Whether the bank had not answered a payout yet at a moment."""
    if seal.state in {None, PayoutState.NEW, PayoutState.SENT}:
        return True
    answered_ms = seal.paid_at_ms or seal.state_at_ms or 0
    return at_ms < answered_ms


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
        entries = [_entry(line) for line in _lines(book, day, shards)]
        if (seal := payouts.get(day)) is not None:
            entries.append(_payout_entry(seal))
        yield from sorted(entries, key=lambda e: e.id)


def _payout_entry(seal: Seal) -> EntryView:
    id = str(seal.payout_id)
    legs = ledger.paid_out(seal.payout_minor)
    return EntryView(
        id=id,
        kind="payout",
        subject=id,
        day=seal.through.isoformat(),
        at=rfc3339(seal.at_ms),
        legs=legs,
    )


def _payout_view(seal: Seal) -> PayoutView:
    assert seal.state is not None
    back = seal.state.value == "returned"
    return PayoutView(
        id=str(seal.payout_id),
        status=seal.state.value,
        amount=seal.payout_minor,
        currency=seal.book.currency,
        first_day=seal.first.isoformat(),
        through=seal.through.isoformat(),
        iban_last4=seal.iban_last4 or "",
        opening_balance=seal.opening_minor,
        closing_balance=seal.closing_minor,
        entries_count=seal.count,
        created_at=rfc3339(seal.at_ms),
        status_at=rfc3339(seal.state_at_ms or seal.at_ms),
        bank_reference=seal.bank_reference,
        failure_code=seal.bank_code if back else None,
        failure_reason=seal.bank_reason if back else None,
        digest=seal.digest,
        previous_digest=seal.previous,
    )


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
            data.append(_payout_view(seal))
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
    return Response.of(_payout_view(_own_seal(request)))


def get_payout_entries(request: Request) -> Response:
    """Every entry a payout pays, as sealed."""
    seal = _own_seal(request)
    lines = wiring().settlements.lines(seal).lines
    return Response.of(PayoutEntryList(data=[_entry(line) for line in lines]))


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
