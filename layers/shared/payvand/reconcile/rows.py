"""Entries, expectations and decisions as rows of JSON, and back.

Of an entry's details only what joins or explains it is kept: no name, no account, no free text.
"""

import datetime as dt
from collections.abc import Mapping
from typing import Any, Final

from payvand import ledger
from payvand.bank import Entry
from payvand.ids import Book
from payvand.reconcile import Decision, Expected, Item, Kind

type Row = Mapping[str, Any]

KEPT: Final = frozenset(
    {
        "kind", "type", "code", "payment", "payout", "trace", "source", "charge", "payment_intent",
        "acceptor_day", "end_to_end_id", "payment_information", "message_id", "structured",
    }
)  # fmt: skip
"""Details of an entry that are kept: ids at banks and channels, and their words for a kind."""


def of_entry(entry: Entry) -> dict[str, Any]:
    """An entry without what is personal."""
    row: dict[str, Any] = {
        "id": entry.id,
        "on": entry.booked_on.isoformat(),
        "amount": entry.amount_minor,
        "currency": entry.currency,
        "ref": entry.reference,
        "fee": entry.fee_minor,
        "about": {name: text for name, text in entry.details.items() if name in KEPT},
    }
    return {name: value for name, value in row.items() if value not in ("", 0, {})}


def entry(row: Row, source: str) -> Entry:
    """The inverse of `of_entry`."""
    return Entry(
        source=source,
        id=row["id"],
        booked_on=dt.date.fromisoformat(row["on"]),
        amount_minor=row.get("amount", 0),
        currency=row["currency"],
        reference=row.get("ref", ""),
        fee_minor=row.get("fee", 0),
        details=row.get("about", {}),
    )


def of_expected(one: Expected) -> dict[str, Any]:
    """What is expected; its source is its run's."""
    return {
        "id": one.id,
        "kind": one.kind.value,
        "amount": one.amount_minor,
        "currency": one.currency,
        "refs": one.references,
        "due": one.due_by.isoformat(),
        "book": one.book and one.book.key,
        "channel": one.channel,
        "group": one.group,
        "parts": one.parts,
        "fee": one.fee_minor,
        "since": one.since.isoformat(),
    }


def expected(row: Row, source: str) -> Expected:
    """The inverse of `of_expected`."""
    return Expected(
        id=row["id"],
        kind=Kind(row["kind"]),
        source=source,
        amount_minor=row["amount"],
        currency=row["currency"],
        references=tuple(row["refs"]),
        due_by=dt.date.fromisoformat(row["due"]),
        book=Book.parse(row["book"]) if row["book"] else None,
        channel=row["channel"],
        group=row["group"],
        parts=tuple((reference, amount) for reference, amount in row["parts"]),
        fee_minor=row["fee"],
        since=dt.date.fromisoformat(row["since"]),
    )


def of_decision(decision: Decision) -> dict[str, Any]:
    """What ended an item."""
    return {
        "item": decision.item,
        "entries": [id for _, id in decision.entries],
        "found": decision.found_minor,
        "by": decision.by,
        "reason": decision.reason,
        "legs": decision.legs,
    }


def decision(row: Row, source: str) -> Decision:
    """The inverse of `of_decision`; an item's entries are of its own source."""
    return Decision(
        item=row["item"],
        entries=tuple((source, id) for id in row["entries"]),
        found_minor=row["found"],
        by=row["by"],
        reason=row["reason"],
        legs=row["legs"],
    )


def of_item(item: Item) -> dict[str, Any]:
    """An item as a person is shown it; its journal is a proposal."""
    return {
        "item": item.id,
        "state": item.state.value,
        "code": item.code.value,
        "currency": item.currency,
        "expected": item.expected_minor,
        "found": item.found_minor,
        "found_currency": item.found_currency,
        "fee": item.fee_minor,
        "about": item.expected,
        "entries": [id for _, id in item.entries],
        "related": item.related,
        "book": item.book and item.book.key,
        "journal": item.journal and item.journal.legs,
        "reason": item.reason,
        "person": item.needs_person,
    }


_ACCOUNTS: Final = frozenset(
    {ledger.PAYABLE, ledger.FEE, ledger.BANK, ledger.OWN, "suspense", "expense:bank"}
)
_GROUPS: Final = ("receivable:", "payable:referral:", "expense:channel")


def check_legs(legs: Mapping[str, int]) -> None:
    """Raise ValueError for legs that no journal may have."""
    if not all(type(amount) is int and amount for amount in legs.values()):
        raise ValueError("a leg is a whole number of minor units, not 0")
    if sum(legs.values()) or len(legs) < 2:
        raise ValueError("a journal has two legs or more, and they sum to zero")
    for account in legs:
        if account not in _ACCOUNTS and not account.startswith(_GROUPS):
            raise ValueError("an account the ledger does not have")
