"""One payout file: claim what waits, fix its bytes, hand it over.

A payout is claimed for the open file on its own seal; the file's members are fixed by the one write
that names its bytes. A run that stops anywhere is taken up by the next: what was claimed and is not
in the file when it is written is let go, what is in it waits no more.
"""

import datetime as dt
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from functions.payout_file.raised import raise_task
from payvand import calendar
from payvand.bank import FileHead, FormatError, Order, Transfer
from payvand.bank.doors import Door, Refused
from payvand.edge import log
from payvand.errors import Overtaken
from payvand.ids import PayoutId
from payvand.settlement import PayoutState, Seal, with_state
from payvand.store.clock import Moment
from payvand.store.payout_files import FileState, Lane, PayoutFile

if TYPE_CHECKING:
    from payvand.edge.wiring import Wiring

MEMBERS_MAX: Final = 2_000
"""Payouts of one file: what a run assembles well within its time. The next file has the rest."""
GATHER_S: Final = 1_800
"""A file waits this long for the payouts of books that are still being sealed."""
_DAY: Final = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Gathered:
    """A payout that goes into a file."""

    seal: Seal
    order: Order


def due(live: "Wiring", lane: Lane, now: Moment, oldest_ms: int) -> dt.date | None:
    """The business day the next file is worked on; None while it still gathers.

    A file is made from midnight before that day on, once the first payout waited half an hour or
    the bank's hour is near.
    """
    currency = lane.currency
    date = calendar.worked_on(now.when, currency, live.settlements.overrides(currency))
    if calendar.local(now.when, currency).date() < date - _DAY:
        return None
    until = calendar.at(date, calendar.profile(date, currency).file_until, currency)
    near = until - now.when < dt.timedelta(seconds=GATHER_S)
    return date if near or now.ms - oldest_ms >= GATHER_S * 1000 else None


def assemble(live: "Wiring", lane: Lane, now: Moment) -> None:
    """Make the lane's next file of what waits, if it is time. Raises NotConfigured."""
    waiting = list(live.payout_files.waiting(lane, MEMBERS_MAX))
    if not waiting:
        return
    date = due(live, lane, now, min(at_ms for _, at_ms in waiting))
    if date is None:
        log.note(answer="gathers")
        return
    door = live.doors.get(lane.mode, lane.currency, lane.door)
    file = live.payout_files.open(lane, date, now.ms)
    found = list(_gather(live, door, file, [id for id, _ in waiting], now))
    if not found:
        return
    made = _write(live, door, file, found)
    members = frozenset(live.payout_files.content(made)[1])
    for one in found:  # another run's bytes were first: let go what they do not hold
        if one.seal.payout_id not in members:
            _let_go(live, one.seal, file.key, now.ms)
    live.payout_files.waits_no_more(members, lane)
    log.metric("PayoutFilesMade")
    log.note(file=made.key, items=made.count)


def _gather(
    live: "Wiring", door: Door, file: PayoutFile, ids: list[PayoutId], now: Moment
) -> Iterator[Gathered]:
    """Claim what can go into the file: one order of a kind of which a file may have but one."""
    taken: set[str] = set()
    for id in ids:
        seal = live.settlements.get(id.book, id.n)
        assert seal is not None, f"{id} has no seal"
        earlier = _earlier(live, seal, file)
        if earlier is not None and earlier.state is FileState.OPEN:
            continue  # claimed for a file that is open too: its own run has it
        if earlier is not None and id not in live.payout_files.content(earlier)[1]:
            seal = _let_go(live, seal, earlier.key, now.ms)  # it was written without it
        ours = seal.file == file.key
        if seal.state is not PayoutState.NEW and not ours:
            live.payout_files.waits_no_more([id], file.lane)
            continue
        order = _carried(live, door, file.lane, seal, now.ms)
        if order is None or (slot := door.slot(order)) in taken:
            continue  # a person's, or the next file's
        taken.add(slot)
        if not ours:
            try:
                seal = _claimed(live, seal, file.key, now.ms)
            except Overtaken:
                continue  # the next run sees what became of it
        yield Gathered(seal, order)


def _carried(live: "Wiring", door: Door, lane: Lane, seal: Seal, now_ms: int) -> Order | None:
    """The order, if a file can carry it; else a person is told."""
    order = _order(live, seal)
    try:
        door.check(order)
    except FormatError as exc:
        why = {"why": str(exc)}
        raise_task(live, lane, "payout_unsendable", str(seal.payout_id), now_ms, why)
        return None
    return order


def _claimed(live: "Wiring", seal: Seal, key: str, now_ms: int) -> Seal:
    sent = replace(with_state(seal, PayoutState.SENT, now_ms), file=key)
    live.settlements.claim(sent, key)
    return sent


def _earlier(live: "Wiring", seal: Seal, file: PayoutFile) -> PayoutFile | None:
    """The other file a payout is claimed for."""
    if seal.state is not PayoutState.SENT or seal.file is None or seal.file == file.key:
        return None
    return live.payout_files.get(file.lane, seal.file)


def _let_go(live: "Wiring", seal: Seal, key: str, now_ms: int) -> Seal:
    free = replace(with_state(seal, PayoutState.NEW, now_ms), file=None)
    with suppress(Overtaken):  # another run let it go
        live.settlements.release(free, key)
        return free
    again = live.settlements.get(seal.book, seal.n)
    assert again is not None
    return again


def _order(live: "Wiring", seal: Seal) -> Order:
    """Amounts, accounts and references come from the seal on every try (seals R11)."""
    book = seal.book
    merchant = live.merchants.get(book.merchant_id) if _names_acceptor(seal) else None
    transfers = [
        Transfer(
            seal.transfer(n),
            part.amount_minor,
            live.vault.open(part.iban, book.merchant_id).decode(),
            part.name,
        )
        for n, part in enumerate(seal.parts)
    ]
    return Order(
        payout=str(seal.payout_id),
        transfers=tuple(transfers),
        wage_minor=seal.wage_minor,
        acceptor=merchant.acceptor if merchant else None,
        iin=merchant.iin if merchant else None,
    )


def _names_acceptor(seal: Seal) -> bool:
    return Lane.of(seal).door == "switch"


def _write(live: "Wiring", door: Door, file: PayoutFile, found: list[Gathered]) -> PayoutFile:
    """Fix the file; the file as it stands, whoever wrote it."""
    at = dt.datetime.fromtimestamp(file.at_ms // 1000, dt.UTC)
    currency = file.lane.currency
    head = FileHead(currency, file.date, file.cycle, at, door.debtor_iban, door.debtor_name)
    orders = [one.order for one in found]
    named = replace(
        file,
        name=door.name(head),
        message=door.message(head),
        count=len(orders),
        amount_minor=sum(order.amount_minor for order in orders),
    )
    members = [one.seal.payout_id for one in found]
    return live.payout_files.write(named, door.write(head, orders), members)


def deliver(live: "Wiring", door: Door, file: PayoutFile, now: Moment) -> None:
    """Hand a written file over: the same name and bytes on every try."""
    content, _ = live.payout_files.content(file)
    try:
        there = door.deliver(file.name, content)
    except Refused as no:
        log.metric("PayoutFilesRefused")
        facts = {"code": no.code, "name": file.name}
        raise_task(live, file.lane, "payout_file_refused", file.key, now.ms, facts)
        return
    if not there:
        log.note(answer="unknown")  # the next tick sends it again
        return
    with suppress(Overtaken):
        live.payout_files.mark(file, FileState.SENT)
        log.metric("PayoutFilesSent")
