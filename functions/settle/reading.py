"""A range's days, read after their fence (seals R2, R7, R10): lines, and what is still open.

A place is one shard of one day. A range of a few thousand lines is read at once and is one object.
A bigger one is cut into sheets of `SHEET_LINES`: its places are sent to SettleQueue, each is read
by whoever gets it, sheet after sheet, and whoever finds them all there names them in an index.
After the fence a place reads the same for everybody, so two who read it write the same sheets.
"""

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from payvand.edge import log
from payvand.errors import Overtaken
from payvand.ids import Book, PaymentId
from payvand.merchant import SHARDS_MAX, Merchant
from payvand.settlement import Index, Line, Lines, Sheet, digest_of, sheet_key
from payvand.store.movements import Movement

if TYPE_CHECKING:
    from payvand.edge.wiring import Wiring
    from payvand.store.settlements import Place

SHEET_LINES: Final = 10_000
"""About 2 MB of lines: what one invocation holds in memory."""
SHEETS_A_TURN: Final = 40
"""After so many an invocation hands its place on, long before its time is over."""
WINDOW_END: Final = 10
PEAK_S: Final = 16.384
"""The letters of a payment's id up to `WINDOW_END` change so often: after 2¹⁴ ms (see ids.py)."""
PEAK_MAX: Final = int(150 * PEAK_S)
"""Payments of one shard in that time: 150 a second. A partition takes 1,000 write units a second, a
payment needs 3 in its first minutes: this is not yet half of it, because a raise needs two days."""
WIDER_AFTER_DAYS: Final = 2
"""From the label after the next one on: by then no writer keeps the merchant as it was."""
NOWHERE: Final = -1
"""The shard of the sheet that carries what earlier days left open."""


@dataclass(frozen=True, slots=True)
class Range:
    """The days of a book that one seal closes."""

    merchant: Merchant
    book: Book
    first: dt.date
    through: dt.date


@dataclass(slots=True)
class Block:
    """The next lines of a place, and what is met among them that is not finished, by id."""

    after: str
    last: str
    end: bool = False
    lines: list[Line] = field(default_factory=list)
    open: dict[str, Movement] = field(default_factory=dict)
    peak: int = 0
    """Payments made in the busiest `PEAK_S` of it."""

    @property
    def content(self) -> Lines:
        """As an object holds it."""
        return Lines.of(self.lines, self.open)


def blocks(live: "Wiring", range_: Range, place: "Place", after: str = "") -> Iterator[Block]:
    """A place's items that follow `after`, `SHEET_LINES` lines at a time; the last one ends it."""
    block = Block(after, after)
    window, made = "-", 0
    for met in live.payments.movements(range_.book, *place, after):
        now = held(live, met)
        block.last = now.id
        if met.id.startswith("pay_"):
            made = made + 1 if met.id.startswith(window, 4) else 1
            window, block.peak = met.id[4:WINDOW_END], max(block.peak, made)
        if now.line is not None:
            block.lines.append(now.line)
        elsewhere = None if now.unfinished else _of_sealed_day(now.id, range_.first)
        if elsewhere is not None:
            now = again(live, elsewhere)
        if now.unfinished:
            block.open[now.id] = now
        if len(block.lines) == SHEET_LINES:
            yield _measured(live, range_, place[0], block)
            block = Block(block.last, block.last)
    block.end = True
    yield _measured(live, range_, place[0], block)


def _measured(live: "Wiring", range_: Range, day: dt.date, block: Block) -> Block:
    """Spread a busy merchant's payments over twice as many shards, if a shard was too busy."""
    merchant, book = range_.merchant, range_.book
    shards = min(SHARDS_MAX, 2 * merchant.shards_on(day))
    if block.peak > PEAK_MAX and shards > merchant.shards and book.mode == "live":
        today = live.clock.now(book.mode).label(book.currency)
        with suppress(Overtaken):  # another shard was as busy
            live.merchants.widen(merchant, shards, today + dt.timedelta(WIDER_AFTER_DAYS))
            log.metric("ShardsRaised")
    return block


def held(live: "Wiring", met: Movement) -> Movement:
    """An item, held out of its day for good if it is open (seals R2)."""
    if not met.is_open or met.moved:
        return met
    try:
        live.payments.move(PaymentId.parse(met.id))
    except Overtaken:
        return again(live, met.id)
    return met


def again(live: "Wiring", id: str) -> Movement:
    """A payment as it is now (strong read)."""
    return Movement.of(live.payments.entry(PaymentId.parse(id)))


def _of_sealed_day(id: str, first: dt.date) -> str | None:
    """The payment a refund or a late booking is of, if no place of this range holds it."""
    if not id.startswith(("f:", "x:")):
        return None
    payment = id.split(":")[1]
    return payment if PaymentId.parse(payment).day < first else None


def still_open(live: "Wiring", ids: Iterable[str]) -> dict[str, Movement]:
    """Those of some payments that are not finished."""
    return {now.id: now for id in ids if (now := again(live, id)).unfinished}


def arm(live: "Wiring", open_: Iterable[Movement]) -> None:
    """Timers for everything open, before the seal: no lost timer outlives a day (R9, R10)."""
    ordered = sorted(open_, key=lambda movement: movement.id)
    refunds = [{"payment": m.id, "refund": key} for m in ordered for key in m.pending]
    live.queues.send_many(live.env["TIMER_QUEUE"], [{"payment": m.id} for m in ordered])
    live.queues.send_many(live.env["REFUND_QUEUE"], refunds)


# ── a small range ─────────────────────────────────────────────────────────────────────────────


def gathered(
    live: "Wiring",
    range_: Range,
    places: Sequence["Place"],
    carried: Sequence[str],
    order: dict[str, Any],
) -> Lines | Index | None:
    """All of a range, if it is small; None when it is big: its places are on their way to others.

    `order` is what they are sent with, beside their place.
    """
    read: list[tuple[Place, Block]] = []
    for at, place in enumerate(places):
        block = next(blocks(live, range_, place))
        read.append((place, block))
        if block.end and sum(len(b.lines) for _, b in read) <= SHEET_LINES:
            continue
        for done, kept in read:
            keep(live, range_.book, done, 0, kept)
        left = places[at + 1 :] if block.end else places[at:]
        if not left:
            return merged(live, range_, places, carried)
        messages = [{**order, "place": [day.isoformat(), shard]} for day, shard in left]
        live.queues.send_many(live.env["SETTLE_QUEUE"], messages)
        return None
    open_ = {id: now for _, block in read for id, now in block.open.items()}
    open_ |= still_open(live, [id for id in carried if id not in open_])
    arm(live, open_.values())
    return Lines.of((line for _, block in read for line in block.lines), open_)


# ── a big one ─────────────────────────────────────────────────────────────────────────────────


def keep(live: "Wiring", book: Book, place: "Place", number: int, block: Block) -> None:
    """Write a block as a sheet, and wake what is open in it."""
    arm(live, block.open.values())
    content = block.content
    sheet = Sheet(
        *place,
        number=number,
        after=block.after,
        last=block.last,
        end=block.end,
        digest=digest_of(content.to_bytes()),
        count=content.count,
        open_count=len(content.open_ids),
        sums=content.sums,
    )
    live.settlements.put_sheet(book, sheet, content)


def turn(live: "Wiring", range_: Range, place: "Place") -> bool:
    """Read a place on from where its sheets end, for a while; whether it is at its end."""
    kept = live.settlements.sheets_of(range_.book, place)
    if kept and kept[-1].end:
        return True
    after = kept[-1].last if kept else ""
    for made, block in enumerate(blocks(live, range_, place, after), 1):
        keep(live, range_.book, place, len(kept) + made - 1, block)
        if block.end or made == SHEETS_A_TURN:
            return block.end
    raise AssertionError("the last block is an end")


def merged(
    live: "Wiring",
    range_: Range,
    places: Sequence["Place"],
    carried: Sequence[str],
) -> Index | None:
    """The index of a range's sheets, if every place is whole; else None: somebody still reads."""
    noted = live.settlements.sheets(range_.book, range_.first, range_.through)
    sheets: list[Sheet] = []
    for place in places:
        of = noted.get(place, [])
        if not of or not of[-1].end:
            return None
        sheets += of
    open_ = still_open(live, carried)
    if open_:
        sheets.append(_carry(live, range_, open_))
    return Index(tuple(sheets))


def _carry(live: "Wiring", range_: Range, open_: dict[str, Movement]) -> Sheet:
    """A sheet of what earlier days left open."""
    arm(live, open_.values())
    content = Lines.of((), open_)
    digest = digest_of(content.to_bytes())
    live.settlements.put_lines(sheet_key(range_.book, digest), content)
    return Sheet(
        range_.through,
        NOWHERE,
        0,
        "",
        "",
        end=True,
        digest=digest,
        count=0,
        open_count=len(open_),
        sums={},
    )
