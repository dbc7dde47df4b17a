"""Journals an accountant can book, and a trial balance that sums to zero or is not written."""

import csv
import datetime as dt
import io
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payvand import ledger
from payvand.ids import Book
from payvand.papers import Entry, TrialBalance, Unbalanced, account, journal_csv
from payvand.settlement import Terms
from tests.papers import samples
from tests.papers.samples import BOOK, FIRST, SHARED, Sealed

EUR = Book("mer_000007", "live", "EUR")


def rows(content: Iterable[bytes]) -> list[dict[str, str]]:
    text = b"".join(content).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


def entries(sealed: list[Sealed]) -> list[Entry]:
    found = []
    for one in sealed:
        for line in one.lines:
            name = samples.subject(line)
            found.append(Entry.of_line(line, one.seal.book, subject=name, description="x"))
        if one.seal.payout_minor:
            found.append(Entry.of_payout(one.seal))
    return found


def entry(legs: ledger.Legs, book: Book = BOOK, description: str = "") -> Entry:
    return Entry("e1", FIRST, book, legs, "pay_1", description)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("receivable:zarinpal", "1100.zarinpal"),
        ("payable:merchant", "2100"),
        (ledger.referral(SHARED), f"2200.{SHARED}"),
        ("income:fee", "4100"),
        ("bank:payout", "1010"),
        ("bank:own", "1020"),
        ("expense:channel", "5100"),
        ("expense:bank", "5200"),
        ("suspense", "1900"),
    ],
)
def test_every_account_of_the_ledger_has_its_code(name: str, code: str) -> None:
    assert account(name).code == code


@pytest.mark.parametrize(
    "name", ["", "receivable", "receivable:", "cash", "income:fee:x", "payable:", "suspense:x", ":"]
)
def test_an_account_that_is_not_in_the_plan_is_refused(name: str) -> None:
    with pytest.raises(Unbalanced):
        account(name)


def test_codes_are_unique() -> None:
    from payvand.papers import PLAN

    assert len({found.code for found in PLAN.values()}) == len(PLAN)


def test_golden() -> None:
    balance = TrialBalance({"EUR": {"receivable:stripe": 500, "payable:merchant": -500}})
    journal = journal_csv(entries(samples.chain(1, 4, book=EUR)), balance)
    folder = Path(__file__).parent / "files"
    assert b"".join(journal) == (folder / "journal.csv").read_bytes()
    assert balance.csv() == (folder / "trial-balance.csv").read_bytes()


@given(st.integers(1, 4), st.integers(0, 12), st.integers(0, 99), st.sampled_from([BOOK, EUR]))
def test_statement_journal_and_trial_balance_agree(
    days: int, a_day: int, seed: int, book: Book
) -> None:
    sealed = samples.chain(days, a_day, seed=seed, book=book)
    statement, _ = samples.made(sealed)
    balance = TrialBalance()
    journal = rows(journal_csv(entries(sealed), balance))
    by_entry: dict[str, Decimal] = {}
    for row in journal:
        moved = Decimal(row["debit"]) - Decimal(row["credit"])
        by_entry[row["entry"]] = by_entry.get(row["entry"], Decimal(0)) + moved
    assert set(by_entry.values()) <= {Decimal(0)}
    assert len(by_entry) == statement.whole.count
    closing = balance.closing().get(book.currency, {})
    assert sum(closing.values()) == 0
    assert -closing.get("2100", 0) == statement.head.closing_minor
    whole = statement.whole
    assert -closing.get("4100", 0) == whole.fee_minor - whole.referral_minor
    trial = rows([balance.csv()])
    accounts = [row for row in trial if row["account"] != "total"]
    for side in ("debit", "credit", "closing_debit", "closing_credit"):
        total = sum((Decimal(row[side]) for row in accounts), Decimal(0))
        assert [total] == [Decimal(row[side]) for row in trial if row["account"] == "total"] or (
            not trial and total == 0
        )
    for row in trial:
        if row["account"] == "total":
            assert row["debit"] == row["credit"]
            assert row["closing_debit"] == row["closing_credit"]


def test_each_currency_sums_to_zero_by_itself() -> None:
    balance = TrialBalance()
    balance.add(entry(ledger.executed("zarinpal", 1_000, 10)))
    balance.add(entry(ledger.executed("stripe", 500, 5), EUR))
    totals = [row for row in rows([balance.csv()]) if row["account"] == "total"]
    assert [(row["currency"], row["debit"], row["credit"]) for row in totals] == [
        ("EUR", "5.00", "5.00"),
        ("IRR", "1000", "1000"),
    ]


@pytest.mark.parametrize(
    "legs",
    [
        {"bank:own": 1},
        {"bank:own": 1, "suspense": -2},
        {},
        {"bank:own": 1, "cash": -1},
        {"bank:own": 5, "suspense": -4, "income:fee": -2},
    ],
)
def test_a_journal_that_does_not_balance_is_neither_written_nor_counted(legs: ledger.Legs) -> None:
    balance = TrialBalance()
    balance.add(entry(ledger.refunded("zarinpal", 5)))
    before = balance.closing()
    with pytest.raises(Unbalanced):
        balance.add(entry(legs))
    assert balance.closing() == before
    with pytest.raises(Unbalanced):
        b"".join(journal_csv([entry(legs)]))
    with pytest.raises(Unbalanced):
        b"".join(journal_csv([entry(legs)], balance))


def test_a_trial_balance_that_does_not_sum_to_zero_is_not_written() -> None:
    balance = TrialBalance()
    balance.add(entry(ledger.refunded("zarinpal", 5)))
    next(iter(balance._accounts.values()))[1] += 1
    with pytest.raises(Unbalanced, match="IRR"):
        balance.csv()


def test_what_opens_unbalanced_is_refused() -> None:
    with pytest.raises(Unbalanced):
        TrialBalance({"IRR": {"bank:own": 1}})


def test_test_books_are_not_summed_with_live_ones() -> None:
    legs = ledger.refunded("zarinpal", 5)
    balance = TrialBalance()
    balance.add(entry(legs))
    with pytest.raises(Unbalanced, match="never"):
        balance.add(entry(legs, Book("mer_000007", "test", "IRR")))


def test_a_payout_moves_our_wage_with_it() -> None:
    (sealed,) = samples.chain(1, 3, terms=Terms(samples.PAYEES, takes_wage=True))
    made = Entry.of_payout(sealed.seal)
    assert made.legs["bank:own"] == sealed.seal.wage_minor > 0
    assert made.date == sealed.seal.through


def test_a_description_is_one_line_and_no_formula() -> None:
    made = entry(ledger.refunded("zarinpal", 5), description='=1+1\n"x"\u202e')
    found = rows(journal_csv([made]))
    assert {row["description"] for row in found} == {'\'=1+1 "x"'}


def test_an_empty_journal_has_its_columns() -> None:
    assert b"".join(journal_csv([])).startswith("\ufeffentry,date,book,account".encode())
    assert rows([TrialBalance().csv()]) == []


def test_debits_come_first() -> None:
    made = Entry("e", dt.date(2026, 1, 2), EUR, ledger.executed("stripe", 1_000, 29), "pay_1")
    assert [(row["account"], row["debit"], row["credit"]) for row in rows(journal_csv([made]))] == [
        ("1100.stripe", "10.00", "0.00"),
        ("2100", "0.00", "9.71"),
        ("4100", "0.00", "0.29"),
    ]
