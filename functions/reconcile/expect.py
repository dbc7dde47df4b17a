"""What the books expect a source to show, read from seals and days.

A channel's report shows the payments and refunds of the channel; a Paya file the days of its
acceptors; a bank's statement what is paid out, what came back, and what channels announced.
Seals say which days hold anything; the days themselves say with which receipt, because a sealed
day's items never change (seals I8).
"""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from payvand import calendar, ledger
from payvand.bank import paya
from payvand.ids import Book, PaymentId
from payvand.merchant import Merchant
from payvand.payment import Payment, RefundState
from payvand.reconcile import (
    Decision,
    Expected,
    Kind,
    Side,
    announced,
    due_by,
    item_id,
    rows,
    rule_of,
)
from payvand.settlement import Line, Part, PayoutState, Seal
from payvand.store.reconciliations import Scope

if TYPE_CHECKING:
    from payvand.edge.wiring import Wiring

CURRENCIES: Final = {"camt.053": "EUR"}
"""The currency of an account; of one kept by hand it is the account's name, `statement:RUB`."""
PAYOUTS_BACK_DAYS: Final = 45
"""So long after its days are sealed a payout may still leave, or come back."""


@dataclass(frozen=True, slots=True)
class Due:
    """An expectation; `label` is the day it is read again from, `day` the date it is of."""

    one: Expected
    label: dt.date
    day: dt.date


@dataclass(frozen=True, slots=True)
class Window:
    """From the label `first` to `today`. Of `since` and before, only what was told of is due."""

    first: dt.date
    today: dt.date
    since: dt.date


class Books:
    """The books of a mode, asked for what one source must show."""

    def __init__(
        self, live: "Wiring", scope: Scope, window: Window, decided: Mapping[str, Decision]
    ) -> None:
        self._live = live
        self._scope = scope
        self._window = window
        self._decided = decided
        kind, _, self._account = scope.source.partition(":")
        self._kind = kind
        self._ready = {
            currency: live.settlements.overrides(currency) for currency in calendar.currencies()
        }

    def expected(self, told: Callable[[Expected], bool]) -> Iterator[Due]:
        """Everything due in the window; `told` says whether any entry names it."""
        for due in self._all():
            if due.day > self._window.since or told(due.one):
                yield due

    def _all(self) -> Iterator[Due]:
        if self._kind == "paya":
            yield from self._of_channel(self._account)
        elif rule_of(self._scope.source).side is Side.CHANNEL:
            yield from self._of_channel(self._kind)
        else:
            currency = CURRENCIES.get(self._kind, self._account)
            yield from self._of_payouts(currency)
            yield from self._of_announced(currency)

    def _books(self) -> Iterator[tuple[Merchant, Book]]:
        for merchant in self._live.merchants.all():
            for book in merchant.books:
                if book.mode == self._scope.mode:
                    yield merchant, book

    # ── payments and refunds ──────────────────────────────────────────────────────────────────

    def _of_channel(self, channel: str) -> Iterator[Due]:
        for merchant, book in self._books():
            contract = merchant.contract(channel)
            if contract is None or not self._is_its_account(contract.credentials):
                continue
            if self._kind == "paya" and not _is_acceptor(merchant, book):
                continue
            for payment, line in self._money(merchant, book, channel):
                due = self._due(merchant, channel, payment, line)
                if due is not None:
                    yield due

    def _is_its_account(self, credentials: str) -> bool:
        """A report is of one account at the channel, unless its source names none."""
        return self._kind == "paya" or self._account in {"", credentials}

    def _money(
        self, merchant: Merchant, book: Book, channel: str
    ) -> Iterator[tuple[Payment, Line]]:
        account = ledger.receivable(channel)
        for day in self._days(merchant, book):
            for shard in range(merchant.shards):
                for entry in self._live.payments.entries(book, day, shard):
                    line = entry.line
                    if line is None or account not in line.legs:
                        continue
                    if line.kind not in {"payment", "refund"}:
                        continue
                    payment = entry.payment
                    if payment is None:  # a posting: its payment may be of another day
                        payment = self._live.payments.entry(PaymentId.parse(line.subject)).payment
                    assert payment is not None, f"{line.id} has no payment"
                    yield payment, line

    def _days(self, merchant: Merchant, book: Book) -> Iterator[dt.date]:
        """Days that may hold anything: those of seals that hold lines, and those not sealed."""
        last = calendar.label(self._live.clock.now(book.mode).when, book.currency)
        opened, first = merchant.since, self._window.first
        limit = (last - first).days + 2
        for n, seal in enumerate(self._live.settlements.seals(book, limit=max(1, limit))):
            if n == 0:
                opened = seal.through + dt.timedelta(1)
            if seal.through < first:
                break
            if seal.count:
                yield from calendar.days(max(first, seal.first), seal.through)
        # a late posting goes into the first open day, which may be tomorrow
        yield from calendar.days(max(first, opened), last + dt.timedelta(1))

    def _due(self, merchant: Merchant, channel: str, payment: Payment, line: Line) -> Due | None:
        book, x = payment.id.book, payment.execution
        assert x is not None, f"{payment.id} has a line and was not executed"
        names = [x.reference, payment.attempts[x.attempt].token, payment.attempt_key(x.attempt)]
        kind = Kind.CHANNEL_CREDIT
        if line.kind == "refund":
            refund = payment.refunds[line.id.split(":", 2)[2]]
            if refund.state is RefundState.FAILED:  # booked back: nothing left the channel
                return None
            kind, names = Kind.CHANNEL_REFUND, [refund.reference or "", refund.refund_id, *names]
        at = dt.datetime.fromtimestamp(line.at_ms / 1000, dt.UTC)
        day = calendar.local(at, book.currency).date()
        group = ""
        if self._kind == "paya":
            group = paya.acceptor_day(day, merchant.iin or "", merchant.acceptor or "")
        one = Expected(
            id=line.id,
            kind=kind,
            source=self._scope.source,
            amount_minor=line.legs[ledger.receivable(channel)],
            currency=book.currency,
            references=tuple(dict.fromkeys(filter(None, names))),
            due_by=self._late_after(day, book.currency),
            book=book,
            channel=channel,
            group=group,
            since=day,
        )
        return Due(one, line.day, day)

    def _late_after(self, day: dt.date, currency: str) -> dt.date:
        return due_by(self._scope.source, day, currency, self._ready.get(currency))

    # ── payouts ───────────────────────────────────────────────────────────────────────────────

    def _of_payouts(self, currency: str) -> Iterator[Due]:
        back = self._window.first - dt.timedelta(PAYOUTS_BACK_DAYS)
        limit = (self._window.today - back).days + 2
        for _, book in self._books():
            if book.currency != currency:
                continue
            for seal in self._live.settlements.seals(book, limit=limit):
                if seal.through < back:
                    break
                for due in self._of_payout(seal):
                    if due.label >= self._window.first:
                        yield due

    def _of_payout(self, seal: Seal) -> Iterator[Due]:
        """What left, what came back, and what came back although nobody said that it had left."""
        parts = [(seal.transfer(n), part) for n, part in enumerate(seal.parts)]
        left = [(name, part) for name, part in parts if _left_at(part) is not None]
        if left:
            day = min(self._date(_left_at(part), seal) for _, part in left)
            amounts = tuple((name, -part.amount_minor) for name, part in left)
            names = (str(seal.payout_id), *(name for name, _ in left))
            one = self._payout(seal, names, sum(amount for _, amount in amounts), day)
            if len(amounts) > 1:
                one = _with_parts(one, amounts)
            yield Due(one, day, day)
        for name, part in parts:
            if part.state is not PayoutState.RETURNED:
                continue
            day = self._date(part.state_at_ms, seal)
            known = part.paid_at_ms is not None or self._was_seen(seal)
            group = "" if known else f"back/{name}"
            if group:
                gone = self._payout(seal, (name,), -part.amount_minor, day, f"{name}/gone", group)
                yield Due(gone, day, day)
            came = self._payout(seal, (name,), part.amount_minor, day, f"{name}/back", group)
            yield Due(came, day, day)

    def _was_seen(self, seal: Seal) -> bool:
        """Whether the account showed the whole payout leaving, before anybody said so."""
        decision = self._decided.get(item_id(self._scope.source, str(seal.payout_id)))
        return decision is not None and decision.found_minor == -seal.payout_minor

    def _payout(
        self,
        seal: Seal,
        names: tuple[str, ...],
        amount_minor: int,
        day: dt.date,
        id: str = "",
        group: str = "",
    ) -> Expected:
        return Expected(
            id=id or str(seal.payout_id),
            kind=Kind.PAYOUT if amount_minor < 0 else Kind.PAYOUT_RETURN,
            source=self._scope.source,
            amount_minor=amount_minor,
            currency=seal.book.currency,
            references=tuple(dict.fromkeys(names)),
            due_by=self._late_after(day, seal.book.currency),
            book=seal.book,
            group=group,
            since=day,
        )

    def _date(self, at_ms: int | None, seal: Seal) -> dt.date:
        at = dt.datetime.fromtimestamp((at_ms or seal.at_ms) / 1000, dt.UTC)
        return calendar.local(at, seal.book.currency).date()

    # ── what channels announced ───────────────────────────────────────────────────────────────

    def _of_announced(self, currency: str) -> Iterator[Due]:
        place = Scope(self._scope.mode, f"announced:{currency}")
        kept, first = self._live.reconciliations, self._window.first
        said = {str(sorted(map(str, row.items()))): row for row in kept.said(place, first)}
        for row in kept.said_late(place, first):
            said.setdefault(str(sorted(map(str, row.items()))), row)
        for row in said.values():
            payout = rows.entry(row, row["from"])
            for one in announced([payout], self._scope.source, row["from"].partition(":")[0]):
                yield Due(one, payout.booked_on, payout.booked_on)


def _is_acceptor(merchant: Merchant, book: Book) -> bool:
    """Whether the switch pays a book's takings: it knows the merchant, and knows only rial."""
    return book.currency == "IRR" and bool(merchant.acceptor and merchant.iin)


def _left_at(part: Part) -> int | None:
    """When a part left us, as far as anybody said so."""
    if part.state is PayoutState.SENT:
        return part.state_at_ms
    return part.paid_at_ms


def _with_parts(one: Expected, parts: tuple[tuple[str, int], ...]) -> Expected:
    return replace(one, parts=parts)
