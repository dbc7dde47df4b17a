"""What an accountant asks for: every journal by account code, and the trial balance.

Each account of the ledger has a code of the plan below; one that has none is refused, as are a
journal whose debits and credits differ and a balance that does not sum to zero.
"""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from payvand import ledger, settlement
from payvand.ids import Book, Mode
from payvand.money import DECIMALS
from payvand.pages.text import clean
from payvand.papers.rows import Row, amount, encoded, safe
from payvand.papers.statement import TEXT_MAX, PaperError


class Unbalanced(PaperError):
    """Debits and credits differ, or stand in an account the plan does not know."""


@dataclass(frozen=True, slots=True)
class Account:
    """An account of the plan. `name` may end in what the ledger's name ends in (`of`)."""

    code: str
    name: str


PLAN: Final = {
    "bank:payout": Account("1010", "Bank: payouts"),
    "bank:own": Account("1020", "Bank: own account"),
    "receivable:": Account("1100", "Receivable from channel"),
    "suspense": Account("1900", "Suspense: not yet explained"),
    "payable:merchant": Account("2100", "Payable to merchants"),
    "payable:referral:": Account("2200", "Payable to referrer"),
    "income:fee": Account("4100", "Fee income"),
    "expense:channel": Account("5100", "Channel costs"),
    "expense:bank": Account("5200", "Bank charges"),
}
"""Ledger account → code and name. One that ends in a colon has a sub-account for each name."""


def account(name: str) -> Account:
    """Code and name of a ledger account: `receivable:zarinpal` is `1100.zarinpal`.

    Raises Unbalanced for one that is not in the plan.
    """
    found = PLAN.get(name)
    if found is not None and not name.endswith(":"):
        return found
    group, colon, rest = name.rpartition(":")
    found = PLAN.get(group + colon)
    if found is None or not rest:
        raise Unbalanced("an account is not in the plan")
    return Account(f"{found.code}.{rest}", f"{found.name} {rest}")


@dataclass(frozen=True, slots=True)
class Entry:
    """One journal. `legs`: debits positive, in minor units of the book's currency."""

    id: str
    date: dt.date
    book: Book
    legs: Mapping[str, int]
    subject: str
    description: str = ""

    @classmethod
    def of_line(
        cls, line: settlement.Line, book: Book, *, subject: str, description: str = ""
    ) -> "Entry":
        """From a line of a seal."""
        return cls(line.id, line.day, book, line.legs, subject, description)

    @classmethod
    def of_payout(cls, seal: settlement.Seal, description: str = "payout") -> "Entry":
        """What a seal's payout moves, our wage with it. Only for a seal that pays."""
        legs = ledger.paid_out(seal.payout_minor, seal.wage_minor)
        id = str(seal.payout_id)
        return cls(id, seal.through, seal.book, legs, id, description)


JOURNAL_COLUMNS: Final = (
    *("entry", "date", "book", "account", "name", "debit", "credit", "currency"),
    *("subject", "description"),
)
BALANCE_COLUMNS: Final = (
    *("account", "name", "currency", "opening_debit", "opening_credit"),
    *("debit", "credit", "closing_debit", "closing_credit"),
)
TOTAL: Final = "total"


class TrialBalance:
    """Collects journals; its file has every account, and totals per currency."""

    def __init__(self, opening: Mapping[str, ledger.Legs] | None = None) -> None:
        """`opening`: currency → balance of each account before the first journal."""
        self._accounts: dict[tuple[str, str, str], list[int]] = {}
        """Currency, code and name → opening, debits, credits."""
        self._mode: Mode | None = None
        for currency, legs in (opening or {}).items():
            if sum(legs.values()):
                raise Unbalanced(f"{currency} opens unbalanced")
            for name, minor in legs.items():
                self._of(currency, name)[0] += minor

    def _of(self, currency: str, name: str) -> list[int]:
        found = account(name)
        return self._accounts.setdefault((currency, found.code, found.name), [0, 0, 0])

    def add(self, entry: Entry) -> None:
        """Count a journal. Raises Unbalanced, and counts nothing, for one that does not balance."""
        _check(entry)
        if self._mode not in {None, entry.book.mode}:
            raise Unbalanced("test and live books are never summed")
        self._mode = entry.book.mode
        for name, leg in entry.legs.items():
            self._of(entry.book.currency, name)[1 if leg > 0 else 2] += abs(leg)

    def closing(self) -> dict[str, ledger.Legs]:
        """Currency → code → balance; debits positive."""
        found: dict[str, ledger.Legs] = {}
        for (currency, code, _), (opening, debit, credit) in sorted(self._accounts.items()):
            found.setdefault(currency, {})[code] = opening + debit - credit
        return found

    def csv(self) -> bytes:
        """The file. Raises Unbalanced rather than write one that does not sum to zero."""
        for currency, balances in self.closing().items():
            if sum(balances.values()):
                raise Unbalanced(f"{currency} does not sum to zero")
        return b"".join(encoded(self._rows()))

    def _rows(self) -> Iterator[Row]:
        yield BALANCE_COLUMNS
        totals: dict[str, list[int]] = {}
        for (currency, code, name), (opening, debit, credit) in sorted(self._accounts.items()):
            moved = [*_sides(opening), debit, credit, *_sides(opening + debit - credit)]
            yield code, safe(name), currency, *_amounts(moved, currency)
            total = totals.setdefault(currency, [0] * len(moved))
            totals[currency] = [a + b for a, b in zip(total, moved, strict=True)]
        for currency, total in sorted(totals.items()):
            yield TOTAL, "", currency, *_amounts(total, currency)


def _sides(balance_minor: int) -> tuple[int, int]:
    return max(0, balance_minor), max(0, -balance_minor)


def _amounts(minors: Iterable[int], currency: str) -> list[str]:
    return [amount(minor, DECIMALS[currency]) for minor in minors]


def journal_csv(entries: Iterable[Entry], balance: TrialBalance | None = None) -> Iterator[bytes]:
    """Every leg of every journal, one row each, chunk by chunk; also counted in `balance`.

    Memory does not grow with the journals. Raises Unbalanced before a journal that does not
    balance is written.
    """
    return encoded(_journal(entries, balance))


def _journal(entries: Iterable[Entry], balance: TrialBalance | None) -> Iterator[Row]:
    yield JOURNAL_COLUMNS
    for entry in entries:
        if balance is None:
            _check(entry)
        else:
            balance.add(entry)
        yield from _legs(entry)


def _check(entry: Entry) -> None:
    if sum(entry.legs.values()) or not entry.legs:
        raise Unbalanced("a journal's debits and credits differ")
    for name in entry.legs:
        account(name)


def _legs(entry: Entry) -> Iterator[Row]:
    """Debits first, then credits, each by account code."""
    currency = entry.book.currency
    legs = sorted((leg < 0, account(name).code, name, leg) for name, leg in entry.legs.items())
    for _, code, name, leg in legs:
        yield (
            safe(entry.id),
            entry.date.isoformat(),
            entry.book.key,
            safe(code),
            safe(account(name).name),
            *_amounts(_sides(leg), currency),
            currency,
            safe(entry.subject),
            safe(clean(entry.description, TEXT_MAX)),
        )
