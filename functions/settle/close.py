"""Seal a book's days by the journal's rules (R1–R12), resumable and safe to run twice at once.

fence the head → read the days → hold open payments out of them → send timers for what is open →
write the lines object → put the seal at the next position of the chain. A run that stops anywhere
left nothing that counts; a run that comes second finds the seal and agrees. What a range holds is
read in functions/settle/reading.py, a big one by many.
"""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from functions.settle.reading import Range, gathered, merged, turn
from payvand import calendar, ledger
from payvand.edge import log
from payvand.errors import Overtaken
from payvand.ids import Book, PayoutId
from payvand.settlement import (
    PAYOUTS_WATCHED,
    RESERVE_DAYS_MAX,
    RETURN_WATCH_DAYS,
    SEAL_IDLE_DAYS,
    Index,
    Lines,
    PayoutState,
    Seal,
    Terms,
    holding,
    payable,
    seal,
)

if TYPE_CHECKING:
    from payvand.edge.wiring import Wiring
    from payvand.store.settlements import Place

SEAL_TRIES: Final = 3
BOOK_TRIES: Final = 6


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be sealed: a book up to a day, or to the last closed one."""

    book: Book
    through: dt.date | None = None
    on_demand: bool = False
    """A payout that was asked for has no minimum."""

    @property
    def message(self) -> dict[str, Any]:
        """How SettleQueue says it."""
        found: dict[str, Any] = {"book": self.book.key}
        if self.through is not None:
            found["through"] = self.through.isoformat()
        return found | {"on_demand": True} if self.on_demand else found


def settle_book(live: "Wiring", asked: Asked) -> Seal | None:
    """Seal all of a book as far as it was asked for.

    None when there was nothing, or so much that it is read by others (functions/settle/reading.py).
    A day that is not closed yet is never sealed, whatever was asked (seals R5, H18).
    """
    made = _sealed(live, _closed(live, asked), _whole_book)
    _watch_payouts(live, asked.book)
    return made


def settle_place(live: "Wiring", asked: Asked, place: "Place") -> Seal | None:
    """Read one place of a big range into sheets; seal the range if that was the last of them."""
    asked = _closed(live, asked)
    assert asked.through is not None
    range_ = _range(live, asked, live.settlements.last(asked.book))
    if not range_.first <= place[0] <= range_.through:
        return None  # it was sealed meanwhile
    _shut(live, range_)
    if not turn(live, range_, place):
        left = {**asked.message, "place": [place[0].isoformat(), place[1]]}
        live.queues.send(live.env["SETTLE_QUEUE"], left)
        return None
    return _sealed(live, asked, _sheets_of_book)


def _closed(live: "Wiring", asked: Asked) -> Asked:
    closed = calendar.closed_through(live.clock.now(asked.book.mode).when, asked.book.currency)
    return replace(asked, through=closed if asked.through is None else min(asked.through, closed))


def _range(live: "Wiring", asked: Asked, last: Seal | None) -> Range:
    """The days to close, and whose: read now, when they are over, so with every shard they used."""
    assert asked.through is not None
    merchant = live.merchants.get(asked.book.merchant_id, fresh=True)
    assert merchant is not None, f"no merchant behind {asked.book.key}"
    first = merchant.since if last is None else last.through + dt.timedelta(1)
    return Range(merchant, asked.book, first, asked.through)


def _shut(live: "Wiring", range_: Range) -> None:
    """No read before this: from here on a range's days accept nothing (seals R1, R5)."""
    book = range_.book
    live.clock.check(book.mode, live.settlements.database_ms(book))
    live.settlements.fence(book, range_.through)


@dataclass(frozen=True, slots=True)
class Run:
    """One try at sealing a range, after the seal `last`."""

    asked: Asked
    last: Seal | None
    range: Range
    earlier: list[Seal]

    @classmethod
    def of(cls, live: "Wiring", asked: Asked, last: Seal | None, range_: Range) -> "Run":
        """With the seals that may hold something back still."""
        chain = live.settlements.seals(asked.book, limit=RESERVE_DAYS_MAX + 1)
        return cls(asked, last, range_, holding(last, chain, range_.through))

    @property
    def terms(self) -> Terms:
        """How the merchant is paid."""
        currency, through = self.range.book.currency, self.range.through
        return Terms.of(self.range.merchant, currency, through, on_demand=self.asked.on_demand)

    @property
    def places(self) -> list["Place"]:
        """Every shard of every day, in order."""
        days = calendar.days(self.range.first, self.range.through)
        return [(day, shard) for day in days for shard in range(self.range.merchant.shards)]


type _Content = Callable[["Wiring", Run], Lines | Index | None]


def _sealed(live: "Wiring", asked: Asked, read: _Content) -> Seal | None:
    """Put the next seals of a chain until its days are closed, or somebody else has to go on."""
    for _ in range(SEAL_TRIES):
        last = live.settlements.last(asked.book)
        range_ = _range(live, asked, last)
        if range_.first > range_.through:
            break
        try:
            return _seal(live, Run.of(live, asked, last, range_), read)
        except Overtaken:
            continue  # another run was first: start again from its seal
    return None


def _seal(live: "Wiring", run: Run, read: _Content) -> Seal | None:
    content = read(live, run)
    if content is None:
        return None
    book, through = run.range.book, run.range.through
    now = live.clock.now(book.mode)
    span = (run.range.first, through)
    made = seal(book, run.last, span, content, run.terms, at_ms=now.ms, earlier=run.earlier)
    live.settlements.put_lines(made.lines_key, content)
    live.settlements.put(made)
    log.metric("SealsMade")
    log.note(seal=made.n, lines=made.count, open=content.open_count)
    return made


def _carried(live: "Wiring", run: Run) -> tuple[str, ...]:
    return () if run.last is None else live.settlements.lines(run.last).open_ids


def _whole_book(live: "Wiring", run: Run) -> Lines | Index | None:
    """What a range holds; None when there is nothing to seal, or when others read it."""
    range_, places, carried = run.range, run.places, _carried(live, run)
    idle = (
        not carried
        and not payable(run.last, range_.through, run.terms, run.earlier)
        and not any(live.payments.peek(range_.book, *place) for place in places)
    )
    if idle and (range_.through - range_.first).days < SEAL_IDLE_DAYS:
        return None
    _shut(live, range_)
    return gathered(live, range_, places, carried, run.asked.message)


def _sheets_of_book(live: "Wiring", run: Run) -> Index | None:
    """The same of a big range whose places are being read."""
    _shut(live, run.range)
    return merged(live, run.range, run.places, _carried(live, run))


def _watch_payouts(live: "Wiring", book: Book) -> None:
    """Wake the payouts of the last seals that are not final, or may still come back (seals R11).

    A referrer's share that did not reach its book is sent again, too.
    """
    now = live.clock.now(book.mode)
    since_ms = now.ms - RETURN_WATCH_DAYS * 86_400_000
    recent = list(live.settlements.seals(book, limit=PAYOUTS_WATCHED))
    waiting = [
        {"payout": str(s.payout_id)}
        for s in recent
        if s.state in {PayoutState.NEW, PayoutState.SENT}
        or (s.state is PayoutState.EXECUTED and s.at_ms >= since_ms)
    ]
    shares = [{"share": str(s.payout_id)} for s in recent if s.unshared]
    live.queues.send_many(live.env["PAYOUT_QUEUE"], waiting)
    live.queues.send_many(live.env["SETTLE_QUEUE"], shares)


def share_fees(live: "Wiring", id: PayoutId) -> None:
    """Bring the referrers' shares of a sealed range into their own books, once each (R3, R4)."""
    seal = live.settlements.get(id.book, id.n)
    assert seal is not None, f"{id} has no seal"
    for merchant_id, minor in seal.unshared.items():
        book = Book(merchant_id, id.book.mode, id.book.currency)
        now = live.clock.now(book.mode)
        day = now.label(book.currency)
        for _ in range(BOOK_TRIES):
            day = calendar.first_open(day, live.payments.closing(book))
            try:
                live.settlements.share(seal, book, day, now.ms, ledger.earned(merchant_id, minor))
            except Overtaken as refused:
                if refused.failed and refused.failed[0]:
                    break  # another run was first
            else:
                log.metric("ReferralsShared")
                break
        else:
            raise Overtaken(f"the share of {merchant_id} in {id} could not be booked")
