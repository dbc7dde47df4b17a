"""What a claim comes to, how it stands, and what that does to the books."""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import accumulate

from payvand import ledger
from payvand.bank import Entry
from payvand.ids import Book
from payvand.reconcile import (
    BANK_COST,
    CHANNEL_COST,
    OF_CHANNEL,
    SUSPENSE,
    Code,
    Decision,
    EntryKey,
    Expected,
    Item,
    Journal,
    Rule,
    Side,
    State,
    entry_item_id,
)
from payvand.reconcile.matching import Alone, Claim, order


@dataclass(slots=True)
class Due:
    """What a claim comes to. `fee` is the channel's as agreed; None: as the report says."""

    id: str
    side: Side
    members: tuple[Expected, ...]
    amount: int
    fee: int | None
    by: dt.date
    parts: Mapping[str, int]
    book: Book | None

    @property
    def source(self) -> str:
        return self.members[0].source

    @property
    def currency(self) -> str:
        return self.members[0].currency

    @property
    def channel(self) -> str:
        return self.members[0].channel

    @property
    def several(self) -> bool:
        """Whether more than one entry may make it up, so that part of it is no difference yet."""
        return bool(self.members[0].group or self.parts)

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(sorted(one.id for one in self.members))

    @property
    def net(self) -> int:
        """What the entries must come to."""
        return self.amount - (self.fee or 0) if self.side is Side.CHANNEL else self.amount

    def worth(self, entry: Entry) -> int:
        """What an entry counts for: its amount, less the fee where one was agreed."""
        if self.side is Side.CHANNEL and self.fee is not None:
            return entry.amount_minor - entry.fee_minor
        return entry.amount_minor

    def total(self, entries: Iterable[Entry]) -> int:
        """What entries count for together."""
        return sum(self.worth(entry) for entry in entries)


def due(id: str, side: Side, claim: Claim) -> Due:
    """The sum of a claim's members; `id` is its item's."""
    members = claim.members
    fees = [one.fee_minor for one in members]
    reported = side is Side.CHANNEL and None in fees
    return Due(
        id=id,
        side=side,
        members=tuple(members),
        amount=claim.amount_minor,
        fee=None if reported else sum(fee or 0 for fee in fees),
        by=max(one.due_by for one in members),
        parts=dict(part for one in members for part in one.parts),
        book=_book(members),
    )


def judge(
    due: Due, claim: Claim, today: dt.date, decision: Decision | None
) -> tuple[Item, list[Alone]]:
    """A claim's item, and the entries under its references that do not belong in it."""
    entries = sorted(claim.entries or (), key=order)
    if decision is not None:
        surplus = [_surplus(entry, due, Code.SETTLED, due.net) for entry in entries]
        return ended(decision, due.source, due.currency, due), surplus
    currency = due.currency
    if entries and all(entry.currency != currency for entry in entries):
        currency = min(entry.currency for entry in entries)
    foreign = [_foreign(entry, due) for entry in entries if entry.currency != currency]
    counted = [entry for entry in entries if entry.currency == currency]
    if currency != due.currency:
        return _item(due, State.WRONG_CURRENCY, Code.CURRENCY, counted, currency), foreign
    chosen, surplus, in_parts = _chosen(due, counted)
    state, code = _verdict(due, chosen, in_time=today <= due.by, in_parts=in_parts)
    code = claim.code if code is Code.REFERENCE else code
    return _item(due, state, code, chosen, currency), foreign + surplus


def alone(one: Alone, rule: Rule, decided: Mapping[str, Decision]) -> Item:
    """The item of an entry that counts for nothing expected."""
    entry, key = one.entry, one.key or one.entry.id
    id = entry_item_id(entry.source, key)
    if id in decided:
        return ended(decided[id], entry.source, entry.currency)
    return Item(
        id=id,
        state=one.state,
        code=one.code,
        source=entry.source,
        currency=entry.currency,
        found_minor=entry.amount_minor,
        found_currency=entry.currency,
        fee_minor=entry.fee_minor,
        entries=((entry.source, key),),
        related=tuple(sorted(member.id for member in one.about)),
        book=_book(one.about),
        journal=_unexplained(rule.side, entry.source.partition(":")[0], [entry], one.code),
    )


def ended(decision: Decision, source: str, currency: str, due: Due | None = None) -> Item:
    """An item as its decision left it; what we booked ourselves is not proposed again."""
    return Item(
        id=decision.item,
        state=State.CLOSED if decision.by else State.MATCHED,
        code=Code.PERSON if decision.by else Code.BOOKED,
        source=source,
        currency=currency,
        expected_minor=due.net if due else 0,
        found_minor=decision.found_minor,
        found_currency=currency,
        expected=due.ids if due else (),
        entries=tuple(sorted(decision.entries)),
        book=due.book if due else None,
        journal=_legs(currency, decision.legs or {}),
        by=decision.by,
    )


def _item(due: Due, state: State, code: Code, entries: list[Entry], currency: str) -> Item:
    gross, fee = _sums(entries)
    if state in {State.EXPECTED, State.MISSING}:
        journal = None
    elif currency != due.currency:
        journal = _unexplained(due.side, due.channel, entries, code)
    else:
        journal = _journal(due, gross, fee)
    return Item(
        id=due.id,
        state=state,
        code=code,
        source=due.source,
        currency=due.currency,
        expected_minor=due.net,
        found_minor=due.total(entries),
        found_currency=currency,
        fee_minor=fee if due.side is Side.CHANNEL else due.fee or 0,
        expected=due.ids,
        entries=_keys(entries),
        book=due.book,
        journal=journal,
    )


def _chosen(due: Due, entries: list[Entry]) -> tuple[list[Entry], list[Alone], bool]:
    """The entries that count, those that do not, and whether each part is as it should be.

    A bank that books a payout as one amount, under the payout's own reference, shows no parts.
    """
    by_part: dict[str, list[Entry]] = {}
    for entry in entries:
        part = entry.reference if entry.reference in due.parts else ""
        by_part.setdefault(part, []).append(entry)
    whole = by_part.pop("", [])
    goal = due.net - sum(due.parts.values()) if by_part else due.net
    chosen, surplus = _choose(due, goal, whole)
    in_parts = True
    if by_part:
        for part, amount in due.parts.items():
            picked, left = _choose(due, amount, by_part.get(part, []))
            in_parts = in_parts and due.total(picked) == amount
            chosen, surplus = chosen + picked, surplus + left
    return chosen, surplus, in_parts


def _choose(due: Due, goal: int, entries: list[Entry]) -> tuple[list[Entry], list[Alone]]:
    """The entries that make up `goal`, and those left over.

    The shortest run of the earliest that comes to it, else the first that does so alone, else all:
    so an amount that was complete stays complete, whatever comes after it.
    """
    if len(entries) < 2:
        return entries, []
    worths = [due.worth(entry) for entry in entries]
    reached = list(accumulate(worths))
    if goal in reached:
        n = reached.index(goal) + 1
        chosen, left = entries[:n], entries[n:]
    elif goal in worths:
        n = worths.index(goal)
        chosen, left = entries[n : n + 1], entries[:n] + entries[n + 1 :]
    else:
        return entries, []
    return chosen, [_surplus(entry, due, Code.SURPLUS, goal) for entry in left]


def _foreign(entry: Entry, due: Due) -> Alone:
    return Alone(entry, State.WRONG_CURRENCY, Code.CURRENCY, due.members)


def _surplus(entry: Entry, due: Due, code: Code, goal: int) -> Alone:
    if entry.currency != due.currency:
        return _foreign(entry, due)
    if due.worth(entry) == goal:
        return Alone(entry, State.DUPLICATE, Code.TWICE, due.members)
    return Alone(entry, State.UNKNOWN, code, due.members)


def _verdict(due: Due, chosen: list[Entry], *, in_time: bool, in_parts: bool) -> tuple[State, Code]:
    found, goal = due.total(chosen), due.net
    if not chosen:
        if in_time:
            return State.EXPECTED, Code.WAITING
        return (State.MISSING, Code.LATE) if goal else (State.MATCHED, Code.NOTHING_DUE)
    if found == goal:
        split = State.WRONG_SPLIT, Code.SPLIT
        return (State.MATCHED, Code.REFERENCE) if in_parts else split
    less = found < goal if goal >= 0 else found > goal
    if less and due.several and in_time:
        return State.EXPECTED, Code.PARTLY
    return (State.UNDER if less else State.OVER), _difference(due, chosen, less=less)


def _difference(due: Due, chosen: list[Entry], *, less: bool) -> Code:
    gross, fee = _sums(chosen)
    kept = gross if due.side is Side.CHANNEL else gross + fee
    if kept == due.amount:
        return Code.FEE
    return Code.LESS if less else Code.MORE


def _journal(due: Due, gross: int, fee: int) -> Journal | None:
    """What a finding does to the books; what differs from the expected goes to suspense.

    What we pay out is in the books before a bank says anything of it, so only a difference moves.
    """
    over = gross - due.amount
    if due.members[0].kind not in OF_CHANNEL:
        return _legs(due.currency, {ledger.BANK: over, SUSPENSE: -over})
    owed = ledger.receivable(due.channel)
    if due.side is Side.BANK:
        cost = due.fee or 0
        moved = {ledger.BANK: gross, owed: -due.amount - cost, CHANNEL_COST: cost}
    else:
        cost = fee if due.fee is None else due.fee
        moved = {owed: over - fee, CHANNEL_COST: cost}
    return _legs(due.currency, {**moved, SUSPENSE: -sum(moved.values())})


def _unexplained(side: Side, channel: str, entries: list[Entry], code: Code) -> Journal | None:
    """Money nobody can explain waits in suspense; a charge for services is a cost.

    What a channel holds back it still owes.
    """
    if code is Code.HELD:
        return None
    amount, fee = _sums(entries)
    if side is Side.BANK:
        against = BANK_COST if code is Code.COST else SUSPENSE
        return _legs(entries[0].currency, {ledger.BANK: amount, against: -amount})
    cost = fee - amount if code is Code.COST else fee
    moved = {ledger.receivable(channel): amount - fee, CHANNEL_COST: cost}
    return _legs(entries[0].currency, {**moved, SUSPENSE: -sum(moved.values())})


def _legs(currency: str, legs: Mapping[str, int]) -> Journal | None:
    kept = {account: amount for account, amount in legs.items() if amount}
    assert sum(kept.values()) == 0, "a journal balances"
    return Journal(currency, kept) if kept else None


def _sums(entries: Iterable[Entry]) -> tuple[int, int]:
    """Amounts and fees."""
    amount = fee = 0
    for entry in entries:
        amount += entry.amount_minor
        fee += entry.fee_minor
    return amount, fee


def _keys(entries: Iterable[Entry]) -> tuple[EntryKey, ...]:
    return tuple(sorted((entry.source, entry.id) for entry in entries))


def _book(members: Iterable[Expected]) -> Book | None:
    books = {one.book for one in members}
    return books.pop() if len(books) == 1 else None
