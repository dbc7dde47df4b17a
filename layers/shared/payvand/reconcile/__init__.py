"""Reconciliation: what the books expect, beside what statements and reports show (pure).

    expected ──────► matched                        expected and seen, to the last minor unit
        │  ╲───────► over · under · wrong_split     seen, but not so
        │  ╲───────► wrong_currency
        ▼
    missing_after_sla ──► any of them               it came after all

    an entry nobody expects:  unknown · duplicate         whatever a person ended:  closed

Every expected amount and every entry is in exactly one item. An item's id follows from what is
expected (or, where nothing is, from the entry), so a later run finds the same items, and money
that comes late ends the item that missed it. Nothing here depends on the order of the input.

Entries are joined by reference, never by amount alone, unless a source's rule says so and there is
one candidate on either side. What has been booked is handed back as a `Decision` and never moves
again. The words: docs/flows/reconciliation.md; the states are those of Hyperswitch's
reconciliation (docs.hyperswitch.io, "Reconciliation statuses").
"""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from payvand import calendar, ledger
from payvand.bank import Entry
from payvand.ids import Book, derived

SUSPENSE: Final = "suspense"
"""Money that came, or failed to come, for a reason nobody knows yet."""
CHANNEL_COST: Final = "expense:channel"
"""What channels keep of the payments they take."""
BANK_COST: Final = "expense:bank"
"""What a bank takes for its services."""

type EntryKey = tuple[str, str]
"""`source` and `id` of an entry."""


class Kind(StrEnum):
    """What is expected. The sign of its amount is as the statement shows it."""

    CHANNEL_CREDIT = "channel_credit"  # +: a payment, or a channel's transfer of many
    CHANNEL_REFUND = "channel_refund"  # −
    PAYOUT = "payout"  # −
    PAYOUT_RETURN = "payout_return"  # +


class State(StrEnum):
    """How an item stands."""

    EXPECTED = "expected"
    MATCHED = "matched"
    OVER = "over"
    UNDER = "under"
    WRONG_CURRENCY = "wrong_currency"
    WRONG_SPLIT = "wrong_split"
    MISSING = "missing_after_sla"
    UNKNOWN = "unknown"
    DUPLICATE = "duplicate"
    CLOSED = "closed"


_QUIET: Final = frozenset({State.EXPECTED, State.MATCHED, State.CLOSED})


class Code(StrEnum):
    """Why an item is in its state: stable words for machines."""

    WAITING = "waiting"
    PARTLY = "partly_there"
    NOTHING_DUE = "nothing_due"
    REFERENCE = "by_reference"
    AMOUNT = "by_unique_amount"
    BOOKED = "booked_before"
    MORE = "more_than_expected"
    LESS = "less_than_expected"
    FEE = "fee_not_as_agreed"
    CURRENCY = "other_currency"
    SPLIT = "parts_differ"
    LATE = "not_by_due_date"
    NOBODY = "nobody_expects_it"
    OPPOSITE = "other_direction"
    SURPLUS = "already_complete"
    SETTLED = "already_ended"
    TWICE = "same_amount_again"
    REUSED = "id_used_again"
    COST = "own_charge"
    DISPUTE = "payer_disputes"
    HELD = "held_by_channel"
    PERSON = "ended_by_person"


_SENTENCES: Final[dict[Code, str]] = {
    Code.WAITING: "Nothing of {expected} has come; it is not late.",
    Code.PARTLY: "{found} of {expected} have come; the rest is not late.",
    Code.NOTHING_DUE: "The parts cancel out; nothing is to come.",
    Code.REFERENCE: "{found} came under our reference.",
    Code.AMOUNT: "{found} came; nothing else of this amount was open, and nothing else came.",
    Code.BOOKED: "{found} came and were booked.",
    Code.MORE: "{found} moved, {expected} were expected.",
    Code.LESS: "{found} moved, {expected} were expected.",
    Code.FEE: "A fee was kept that was not agreed: {found} net, {expected} were expected.",
    Code.CURRENCY: "{found} came instead of {expected}.",
    Code.SPLIT: "The total of {expected} is right, its parts are not.",
    Code.LATE: "Nothing of {expected} came by the day it was due.",
    Code.NOBODY: "{found} moved; nothing like it is expected.",
    Code.OPPOSITE: "{found} moved under our reference, in the other direction.",
    Code.SURPLUS: "{found} moved under a reference whose money is complete.",
    Code.SETTLED: "{found} moved under a reference that was ended before.",
    Code.TWICE: "{found} moved a second time under the same reference.",
    Code.REUSED: "{found} stand under an id that said something else before.",
    Code.COST: "{found} were charged for services.",
    Code.DISPUTE: "{found} moved because a payer disputes a payment.",
    Code.HELD: "{found} were held back or freed; the channel owes the same.",
    Code.PERSON: "A person ended it.",
}


class Side(StrEnum):
    """What a source tells of: our account at a bank, or what a channel owes us."""

    BANK = "bank"
    CHANNEL = "channel"


@dataclass(frozen=True, slots=True)
class Rule:
    """How entries of one kind of source are joined to what is expected of it.

    An entry is joined by `reference`, then by the details named in `also`, in this order. Of the
    kinds in `by_amount`, one expectation and one entry that are left, alone of their amount on
    either side, are joined too. `sla_days`: business days until what is expected is late.
    """

    side: Side
    sla_days: int
    also: tuple[str, ...] = ()
    by_amount: frozenset[Kind] = frozenset()


RULES: Final[Mapping[str, Rule]] = {
    "paya": Rule(Side.BANK, 1, also=("acceptor_day", "end_to_end_id")),
    "camt.053": Rule(
        Side.BANK,
        1,
        also=("payment_information", "message_id", "end_to_end_id", "structured"),
        by_amount=frozenset({Kind.CHANNEL_CREDIT}),
    ),
    "statement": Rule(Side.BANK, 2, by_amount=frozenset(Kind)),
    "zibal": Rule(Side.CHANNEL, 1, also=("payment",)),
    "yookassa": Rule(Side.CHANNEL, 1, also=("payment",)),
    "stripe": Rule(Side.CHANNEL, 2, also=("source", "charge")),
}
"""By the word before the colon of a source's name, as in `stripe:acct_1`.

A channel that pays into a European account names its payout in words of its own, so its credit may
be known by its amount; what we pay out carries our references. `statement` is a bank that carries
nothing of ours, read by hand.
"""


@dataclass(frozen=True, slots=True)
class Expected:
    """What the books say must show on the statement or report called `source`.

    `amount_minor` is signed as an entry would be: of a channel's report what the payer paid, of a
    bank statement what reaches or leaves the account. `fee_minor` is what the channel keeps beside
    it and is not booked yet; None on a report: whatever the report says. All that share a `group`
    come as one amount, or as several that only together make sense (a day's credits, a batch
    booking, a refund reported by its payment). `parts` are a payout's transfers: reference and
    signed amount; they sum to `amount_minor`.
    """

    id: str
    kind: Kind
    source: str
    amount_minor: int
    currency: str
    references: tuple[str, ...]
    due_by: dt.date
    book: Book | None = None
    channel: str = ""
    group: str = ""
    parts: tuple[tuple[str, int], ...] = ()
    fee_minor: int | None = None
    since: dt.date = dt.date.min

    def __post_init__(self) -> None:
        if self.parts and sum(amount for _, amount in self.parts) != self.amount_minor:
            raise ValueError("parts sum to the amount")
        if self.amount_minor and (self.amount_minor > 0) is not (self.kind in _CREDITS):
            raise ValueError(f"a {self.kind} has the other sign")


_CREDITS: Final = frozenset({Kind.CHANNEL_CREDIT, Kind.PAYOUT_RETURN})
OF_CHANNEL: Final = frozenset({Kind.CHANNEL_CREDIT, Kind.CHANNEL_REFUND})


@dataclass(frozen=True, slots=True)
class Journal:
    """Legs of one currency that sum to zero. It is booked once, with what decides its item."""

    currency: str
    legs: ledger.Legs


@dataclass(frozen=True, slots=True)
class Decision:
    """What ended an item: our own booking of it, or a person (`by`). It wins over any state.

    `entries` are those it covers; what comes later under the same reference is an item of its own.
    A person may join an entry to an item by naming both, and may add a correcting journal.
    """

    item: str
    entries: tuple[EntryKey, ...]
    found_minor: int
    by: str = ""
    reason: str = ""
    legs: ledger.Legs | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """One finding: what was expected, what was seen, and what it does to the books.

    `found_minor` is in `found_currency`, which is `currency` unless that is the finding. Both
    amounts are net of the channel's fee where one was agreed. `related` names what the entries
    speak of without being counted for it. `journal` is a proposal; only that of a matched item may
    be posted unseen.
    """

    id: str
    state: State
    code: Code
    source: str
    currency: str
    expected_minor: int = 0
    found_minor: int = 0
    found_currency: str = ""
    fee_minor: int = 0
    expected: tuple[str, ...] = ()
    entries: tuple[EntryKey, ...] = ()
    related: tuple[str, ...] = ()
    book: Book | None = None
    journal: Journal | None = None
    by: str = ""

    @property
    def difference_minor(self) -> int:
        """Found less expected, in `currency`."""
        same = self.found_currency == self.currency
        return (self.found_minor if same else 0) - self.expected_minor

    @property
    def needs_person(self) -> bool:
        """Whether it is a task for an operator."""
        return self.state not in _QUIET and self.code is not Code.HELD

    @property
    def reason(self) -> str:
        """The finding in English; amounts in minor units."""
        return _SENTENCES[self.code].format(
            expected=f"{self.expected_minor} {self.currency}",
            found=f"{self.found_minor} {self.found_currency or self.currency}",
        )


def rule_of(source: str, rules: Mapping[str, Rule] = RULES) -> Rule:
    """The rule a source falls under. Raises KeyError when there is none."""
    return rules[source.partition(":")[0]]


def due_by(
    source: str, day: dt.date, currency: str, overrides: Mapping[dt.date, bool] | None = None
) -> dt.date:
    """The last day on which what happened on `day` is not yet missing from `source`.

    A currency we do not settle has no calendar here; its days all count.
    """
    settled = currency in calendar.currencies()
    for _ in range(rule_of(source).sla_days):
        following = day + dt.timedelta(1)
        day = calendar.next_business_day(day, currency, overrides) if settled else following
    return day


def announced(payouts: Iterable[Entry], source: str, channel: str) -> Iterator[Expected]:
    """What a channel's report says will reach our account: one item per payout of it.

    The fees were booked with the report's rows, so what comes is what is owed. A payout that takes
    (refunds were more than payments) leaves our account; one that failed takes itself back.
    """
    for payout in payouts:
        amount = -payout.amount_minor
        name = payout.reference or payout.id
        yield Expected(
            id=f"{payout.source}/{payout.id}",
            kind=Kind.CHANNEL_CREDIT if amount >= 0 else Kind.CHANNEL_REFUND,
            source=source,
            amount_minor=amount,
            currency=payout.currency,
            references=tuple(filter(None, (name, payout.details.get("trace")))),
            due_by=due_by(source, payout.booked_on, payout.currency),
            channel=channel,
            group=f"{payout.source}/{name}",
            fee_minor=0,
            since=payout.booked_on,
        )


def item_id(source: str, name: str) -> str:
    """The id of the item of a group, or of an expectation without one."""
    return derived("rec_", "expected", source, name)


def entry_item_id(source: str, id: str) -> str:
    """The id of the item of an entry nobody expects."""
    return derived("rec_", "entry", source, id)


def reconcile(
    expected: Iterable[Expected],
    entries: Iterable[Entry],
    *,
    today: dt.date,
    rules: Mapping[str, Rule] = RULES,
    decisions: Iterable[Decision] = (),
) -> Iterator[Item]:
    """Every expectation and every entry, each in exactly one item; the same for any order.

    An entry given twice is one entry. O(n log n); items come one at a time, expectations first.

    Raises:
        KeyError: a source has no rule.
        ValueError: the same expectation with two contents, a payout on a channel's report, a group
            of two currencies, channels or kinds of trade, two decisions on one item or entry.
    """
    from payvand.reconcile import verdict
    from payvand.reconcile.matching import Matching

    decided = _by_item(decisions)
    matching = Matching(rules, decided)
    for one in expected:
        matching.expect(one)
    for entry in entries:
        matching.see(entry)
    matching.assign()
    left = matching.alone
    for source in sorted(matching.claims):
        claims, rule = matching.claims[source], rule_of(source, rules)
        for name in sorted(claims):
            due = verdict.due(item_id(source, name), rule.side, claims[name])
            item, surplus = verdict.judge(due, claims[name], today, decided.pop(due.id, None))
            left += surplus
            yield item
    items = [verdict.alone(one, rule_of(one.entry.source, rules), decided) for one in left]
    for id, held in matching.held.items():
        if id in decided:
            items.append(verdict.ended(decided[id], held[0].source, held[0].currency))
    yield from sorted(items, key=lambda item: (item.source, item.entries, item.id))


def _by_item(decisions: Iterable[Decision]) -> dict[str, Decision]:
    found: dict[str, Decision] = {}
    for decision in decisions:
        if found.setdefault(decision.item, decision) != decision:
            raise ValueError("two decisions on one item")
    return found
