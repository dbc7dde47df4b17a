"""Who is whose: entries are joined to what is expected under their references."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from payvand.bank import Entry
from payvand.ids import PayoutId
from payvand.reconcile import (
    OF_CHANNEL,
    Code,
    Decision,
    EntryKey,
    Expected,
    Kind,
    Rule,
    Side,
    State,
    item_id,
    rule_of,
)

_CREDITS: Final = frozenset({Kind.CHANNEL_CREDIT, Kind.PAYOUT_RETURN})
_DIRECTIONS: Final = {"payment": True, "refund": False}
_NEVER_EXPECTED: Final = frozenset({"payout", "fee", "charge", "dispute", "hold", "other"})
"""What readers of reports and statements call such an entry, in its details as `kind`."""
_OWN_CODES: Final = {
    "fee": Code.COST,
    "charge": Code.COST,
    "dispute": Code.DISPUTE,
    "hold": Code.HELD,
}


class Claim:
    """What is expected together: one expectation, or all that share a group."""

    __slots__ = ("code", "entries", "members")

    def __init__(self, first: Expected) -> None:
        self.members = [first]
        self.entries: list[Entry] | None = None
        self.code = Code.REFERENCE

    def take(self, entry: Entry) -> None:
        """Count an entry for this claim."""
        if self.entries is None:
            self.entries = [entry]
        else:
            self.entries.append(entry)

    @property
    def amount_minor(self) -> int:
        return sum(one.amount_minor for one in self.members)

    @property
    def is_credit(self) -> bool:
        if self.is_group:
            return self.amount_minor >= 0
        return self.members[0].kind in _CREDITS

    @property
    def is_group(self) -> bool:
        return bool(self.members[0].group)


@dataclass(frozen=True, slots=True)
class Alone:
    """An entry that counts for nothing expected; `about` is what it speaks of all the same."""

    entry: Entry
    state: State
    code: Code
    about: tuple[Expected, ...] = ()
    key: str = ""


class _Shared:
    """Claims that one reference names: a payment and its refund, two refunds of a payment."""

    __slots__ = ("claims", "entries")

    def __init__(self, first: Claim) -> None:
        self.claims = {first: None}
        self.entries: list[Entry] = []


type _Index = dict[str, Claim | _Shared]


class Matching:
    """What is expected and what came, of every source; `assign` brings them together."""

    def __init__(self, rules: Mapping[str, Rule], decided: Mapping[str, Decision]) -> None:
        self.claims: dict[str, dict[str, Claim]] = {}
        self.alone: list[Alone] = []
        self.held: dict[str, list[Entry]] = {}
        """Item → the entries a decision holds in it."""
        self._rules, self._decided = rules, decided
        self._pinned: dict[EntryKey, str] = {}
        for decision in decided.values():
            for key in decision.entries:
                if self._pinned.setdefault(key, decision.item) != decision.item:
                    raise ValueError("two decisions on one entry")
        self._known: dict[str, dict[str, Expected]] = {}
        self._index: dict[str, _Index] = {}
        self._entries: dict[str, dict[str, Entry]] = {}
        self._versions: dict[EntryKey, list[Entry]] = {}

    def expect(self, one: Expected) -> None:
        """Add an expectation; the same one twice is one."""
        if rule_of(one.source, self._rules).side is Side.CHANNEL and one.kind not in OF_CHANNEL:
            raise ValueError("a channel's report tells of payments and refunds")
        known = self._known.setdefault(one.source, {})
        if known.setdefault(one.id, one) is not one:
            if known[one.id] != one:
                raise ValueError("the same expectation with two contents")
            return
        claims, name = self.claims.setdefault(one.source, {}), one.group or one.id
        claim = claims.get(name)
        if claim is None:
            claim = claims[name] = Claim(one)
        else:
            _check_group(claim.members[0], one)
            claim.members.append(one)
        index = self._index.setdefault(one.source, {})
        for key in (*one.references, one.group, *(reference for reference, _ in one.parts)):
            if key:
                _file(index, key, claim)

    def see(self, entry: Entry) -> None:
        """Add an entry; the same one twice is one."""
        if entry.source not in self._entries:
            rule_of(entry.source, self._rules)
        known = self._entries.setdefault(entry.source, {})
        old = known.setdefault(entry.id, entry)
        if old is not entry and old != entry:
            self._versions.setdefault((entry.source, entry.id), [old]).append(entry)

    def assign(self) -> None:
        """Give every entry to a claim, to a decision, or to `alone`."""
        for key in self._versions:
            self._one_version(key)
        loose: list[Entry] = []
        for source, known in self._entries.items():
            index, also = self._index.get(source, {}), rule_of(source, self._rules).also
            for entry in known.values():
                item = self._pinned.get((source, entry.id)) if self._pinned else None
                if item is not None:
                    self.held.setdefault(item, []).append(entry)
                else:
                    self._place(entry, _look(index, entry, also), loose)
        for index in self._index.values():
            for shared in {id(x): x for x in index.values() if isinstance(x, _Shared)}.values():
                self._share_out(shared)
        self._by_amount(loose)

    def _one_version(self, key: EntryKey) -> None:
        """Of an id with several contents the first counts; amounts that contradict it show.

        A file that only knows more (a payout, a fee that was 0) is the same entry, known better.
        """
        versions = sorted(
            self._versions[key],
            key=lambda e: (*order(e), e.currency, e.reference, sorted(e.details.items())),
        )
        same = [e for e in versions if _agree(e, versions[0])]
        best = max(same, key=lambda e: (bool(e.fee_minor), bool(e.reference), len(e.details)))
        self._entries[key[0]][key[1]] = best
        others = {(e.amount_minor, e.fee_minor, e.currency): e for e in versions}
        for entry in others.values():
            if not _agree(entry, best):
                twin = f"{entry.id}#{entry.amount_minor}.{entry.fee_minor}.{entry.currency}"
                self.alone.append(Alone(entry, State.DUPLICATE, Code.REUSED, key=twin))

    def _place(self, entry: Entry, found: Claim | _Shared | None, loose: list[Entry]) -> None:
        if found is None:
            loose.append(entry)
        elif isinstance(found, _Shared):
            found.entries.append(entry)
        elif _may_take(found, _direction(entry)):
            found.take(entry)
        else:
            self._unexpected(entry, Code.OPPOSITE, tuple(found.members))

    def _share_out(self, shared: _Shared) -> None:
        """Entries and claims under one reference: equal amounts first, in order of time."""
        claims = sorted(
            shared.claims, key=lambda claim: min((one.due_by, one.id) for one in claim.members)
        )
        entries = sorted(shared.entries, key=order)
        left = [entry for entry in entries if _direction(entry) is None]
        for direction in (True, False):
            left += _pair(
                [claim for claim in claims if claim.is_credit is direction],
                [entry for entry in entries if _direction(entry) is direction],
            )
        about = tuple(one for claim in claims for one in claim.members)
        for entry in left:
            self._unexpected(entry, Code.OPPOSITE, about)

    def _by_amount(self, loose: list[Entry]) -> None:
        """Join what is alone of its amount on both sides, where the source's rule allows it."""
        wanted = self._open_amounts({entry.source for entry in loose})
        came: dict[tuple[str, str, int], list[Entry]] = {}
        for entry in loose:
            key = entry.source, entry.currency, entry.amount_minor
            if key in wanted and _direction(entry) is not None and not _names_a_payout(entry):
                came.setdefault(key, []).append(entry)
        joined = set()
        for key, entries in came.items():
            claim, entry = wanted[key][0], entries[0]
            since = min(one.since for one in claim.members)
            if len(entries) == len(wanted[key]) == 1 and since <= entry.booked_on:
                claim.take(entry)
                claim.code = Code.AMOUNT
                joined.add(id(entry))
        for entry in loose:
            if id(entry) not in joined:
                self._unexpected(entry, Code.NOBODY)

    def _open_amounts(self, sources: set[str]) -> dict[tuple[str, str, int], list[Claim]]:
        found: dict[tuple[str, str, int], list[Claim]] = {}
        for source in sources:
            kinds = rule_of(source, self._rules).by_amount
            for name, claim in self.claims.get(source, {}).items() if kinds else ():
                if (
                    claim.entries is None
                    and any(one.kind in kinds for one in claim.members)
                    and item_id(source, name) not in self._decided
                ):
                    key = source, claim.members[0].currency, claim.amount_minor
                    found.setdefault(key, []).append(claim)
        return found

    def _unexpected(self, entry: Entry, code: Code, about: tuple[Expected, ...] = ()) -> None:
        own = _OWN_CODES.get(entry.details.get("kind", ""), code)
        self.alone.append(Alone(entry, State.UNKNOWN, own, about))


def order(entry: Entry) -> tuple[dt.date, str, int, int]:
    """The order in which entries of one reference count."""
    return entry.booked_on, entry.id, entry.amount_minor, entry.fee_minor


def _direction(entry: Entry) -> bool | None:
    """Whether an entry is a credit; None for what a channel or bank does on its own account.

    A report's word counts before the sign: a capture of less than was reserved is a payment of two
    rows, and one of them takes away.
    """
    word = entry.details.get("kind", "")
    if word in _NEVER_EXPECTED:
        return None
    return _DIRECTIONS.get(word, entry.amount_minor >= 0)


def _names_a_payout(entry: Entry) -> bool:
    """Whether it is about one payout of ours and no other, though the books do not wait for it."""
    try:
        PayoutId.parse(entry.reference.partition("-")[0])  # and which of several transfers
    except ValueError:
        return False
    return True


def _may_take(claim: Claim, direction: bool | None) -> bool:  # noqa: FBT001 - see `_direction`
    """A group nets payments and refunds, so it takes either."""
    return direction is not None and (claim.is_group or direction is claim.is_credit)


def _check_group(first: Expected, one: Expected) -> None:
    if not first.group or not one.group:
        raise ValueError("a group is named like an expectation outside it")
    if (first.currency, first.channel, first.kind in OF_CHANNEL) != (
        one.currency,
        one.channel,
        one.kind in OF_CHANNEL,
    ):
        raise ValueError("a group has one currency, one channel and one kind of trade")


def _file(index: _Index, key: str, claim: Claim) -> None:
    old = index.setdefault(key, claim)
    if isinstance(old, _Shared):
        old.claims[claim] = None
    elif old is not claim:
        index[key] = shared = _Shared(old)
        shared.claims[claim] = None


def _look(index: _Index, entry: Entry, also: tuple[str, ...]) -> Claim | _Shared | None:
    found = index.get(entry.reference)
    if found is None and index:
        details = entry.details
        for name in also:
            found = index.get(details.get(name, ""))
            if found is not None:
                break
    return found


def _agree(one: Entry, other: Entry) -> bool:
    """Whether two contents under one id tell of the same money."""
    return (one.amount_minor, one.currency) == (other.amount_minor, other.currency) and (
        one.fee_minor == other.fee_minor or not one.fee_minor or not other.fee_minor
    )


def _pair(claims: list[Claim], entries: list[Entry]) -> list[Entry]:
    """Give entries to claims under one reference; what no claim can have comes back.

    What is equal to no claim goes to the first that has nothing, so that a claim which is complete
    keeps what it has when more comes.
    """
    if not claims:
        return entries
    amounts: dict[tuple[str, int], list[Claim]] = {}
    for claim in reversed(claims):
        key = claim.members[0].currency, claim.amount_minor
        amounts.setdefault(key, []).append(claim)
    rest = []
    for entry in entries:
        same = amounts.get((entry.currency, entry.amount_minor))
        if same is None:
            rest.append(entry)
        else:  # the last claim of an amount also takes what comes twice
            (same.pop() if len(same) > 1 else same[0]).take(entry)
    left = next((claim for claim in claims if claim.entries is None), claims[-1])
    for entry in rest:
        left.take(entry)
    return []
