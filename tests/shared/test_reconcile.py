"""Matching: everything in exactly one item, in any order, and what was complete stays so."""

import datetime as dt
import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payvand import ledger
from payvand.bank import Entry
from payvand.ids import Book, merchant_id
from payvand.reconcile import (
    BANK_COST,
    CHANNEL_COST,
    RULES,
    SUSPENSE,
    Code,
    Decision,
    Expected,
    Item,
    Journal,
    Kind,
    Rule,
    Side,
    State,
    announced,
    due_by,
    entry_item_id,
    item_id,
    reconcile,
    rule_of,
)

DAY = dt.date(2026, 5, 5)
LATER = DAY + dt.timedelta(30)
BOOK = Book(merchant_id(7), "test", "EUR")
OWED = ledger.receivable("stripe")


def credit(id: str = "e1", amount: int = 100, **changes: Any) -> Expected:
    """A payment that the channel's report must show."""
    fields: dict[str, Any] = {
        "id": id,
        "kind": Kind.CHANNEL_CREDIT if amount >= 0 else Kind.CHANNEL_REFUND,
        "source": "stripe:acct",
        "amount_minor": amount,
        "currency": "EUR",
        "references": (f"ref-{id}",),
        "due_by": DAY + dt.timedelta(2),
        "book": BOOK,
        "channel": "stripe",
    }
    return Expected(**fields | changes)


def payout(id: str = "po_1", amount: int = -100, **changes: Any) -> Expected:
    """A payout that the bank statement must show."""
    kind = Kind.PAYOUT if amount < 0 else Kind.PAYOUT_RETURN
    return credit(
        id,
        amount,
        **{"kind": kind, "source": "camt.053", "references": (id,), "channel": ""} | changes,
    )


def row(id: str = "t1", amount: int = 100, reference: str = "ref-e1", **changes: Any) -> Entry:
    """A row of the channel's report."""
    made = Entry("stripe:acct", id, DAY, amount, "EUR", reference, details={"kind": _word(amount)})
    return replace(made, **changes)


def booking(id: str = "b1", amount: int = -100, reference: str = "po_1", **changes: Any) -> Entry:
    """An entry of the bank statement."""
    return replace(Entry("camt.053", id, DAY, amount, "EUR", reference), **changes)


def _word(amount: int) -> str:
    return "payment" if amount >= 0 else "refund"


def run(
    expected: Iterable[Expected] = (),
    entries: Iterable[Entry] = (),
    today: dt.date = DAY,
    **changes: Any,
) -> list[Item]:
    return list(reconcile(expected, entries, today=today, **changes))


def only(*args: Any, **changes: Any) -> Item:
    (item,) = run(*args, **changes)
    return item


def legs(item: Item) -> ledger.Legs:
    return item.journal.legs if item.journal else {}


# ── one expectation ───────────────────────────────────────────────────────────────────────────────
def test_a_payment_under_our_reference_is_matched_and_its_fee_is_a_cost() -> None:
    item = only([credit()], [row(fee_minor=3)])
    assert (item.state, item.code) == (State.MATCHED, Code.REFERENCE)
    assert (item.expected_minor, item.found_minor, item.difference_minor) == (100, 100, 0)
    assert (item.expected, item.entries) == (("e1",), (("stripe:acct", "t1"),))
    assert item.journal == Journal("EUR", {CHANNEL_COST: 3, OWED: -3})
    assert item.book == BOOK
    assert item.id == item_id("stripe:acct", "e1")


def test_money_of_a_channel_on_our_account_clears_what_it_owes_and_its_fee() -> None:
    due = credit(source="camt.053", amount=97, fee_minor=3)
    item = only([due], [booking(amount=97, reference="ref-e1")])
    assert item.state is State.MATCHED
    assert legs(item) == {ledger.BANK: 97, OWED: -100, CHANNEL_COST: 3}


def test_a_payout_is_in_the_books_already() -> None:
    item = only([payout()], [booking()])
    assert item.state is State.MATCHED
    assert item.journal is None


@pytest.mark.parametrize(
    ("today", "state", "code"),
    [
        (DAY + dt.timedelta(2), State.EXPECTED, Code.WAITING),
        (DAY + dt.timedelta(3), State.MISSING, Code.LATE),
    ],
)
def test_what_has_not_come_is_expected_until_the_end_of_its_day(
    today: dt.date, state: State, code: Code
) -> None:
    item = only([credit()], today=today)
    assert (item.state, item.code, item.journal) == (state, code, None)
    assert item.difference_minor == -100


@pytest.mark.parametrize(
    ("amount", "state", "difference", "suspense"),
    [(130, State.OVER, 30, -30), (80, State.UNDER, -20, 20)],
)
def test_another_amount_goes_to_suspense(
    amount: int, state: State, difference: int, suspense: int
) -> None:
    item = only([credit()], [row(amount=amount)])
    assert (item.state, item.difference_minor) == (state, difference)
    assert legs(item) == {OWED: difference, SUSPENSE: suspense}
    due = credit(source="camt.053", fee_minor=0)
    item = only([due], [booking(amount=amount, reference="ref-e1")])
    assert (item.state, item.difference_minor) == (state, difference)
    assert legs(item) == {ledger.BANK: amount, OWED: -100, SUSPENSE: suspense}


@pytest.mark.parametrize(
    ("amount", "state", "code"),
    [(-105, State.OVER, Code.MORE), (-95, State.UNDER, Code.LESS)],
)
def test_of_what_leaves_over_means_that_more_left(amount: int, state: State, code: Code) -> None:
    item = only([payout()], [booking(amount=amount)])
    assert (item.state, item.code) == (state, code)
    assert item.difference_minor == amount + 100
    assert legs(item) == {ledger.BANK: amount + 100, SUSPENSE: -amount - 100}


@pytest.mark.parametrize(("fee", "state"), [(5, State.UNDER), (2, State.OVER), (0, State.OVER)])
def test_an_agreed_fee_is_held_against_the_one_that_was_kept(fee: int, state: State) -> None:
    due = credit(fee_minor=3)
    assert only([due], [row(fee_minor=3)]).state is State.MATCHED
    item = only([due], [row(fee_minor=fee)])
    assert (item.state, item.code) == (state, Code.FEE)
    assert (item.expected_minor, item.found_minor) == (97, 100 - fee)
    assert legs(item) == {
        account: amount
        for account, amount in {OWED: -fee, CHANNEL_COST: 3, SUSPENSE: fee - 3}.items()
        if amount
    }


def test_charges_a_bank_took_out_of_a_credit_are_named() -> None:
    due = credit(source="camt.053", fee_minor=0)
    item = only([due], [booking(amount=98, reference="ref-e1", fee_minor=2)])
    assert (item.state, item.code) == (State.UNDER, Code.FEE)
    assert legs(item) == {ledger.BANK: 98, OWED: -100, SUSPENSE: 2}


def test_another_currency_is_not_counted_and_waits_in_suspense() -> None:
    item = only([credit()], [row(currency="USD", fee_minor=4)])
    assert (item.state, item.code) == (State.WRONG_CURRENCY, Code.CURRENCY)
    assert (item.currency, item.expected_minor) == ("EUR", 100)
    assert (item.found_currency, item.found_minor, item.difference_minor) == ("USD", 100, -100)
    assert item.journal == Journal("USD", {OWED: 96, CHANNEL_COST: 4, SUSPENSE: -100})
    item = only([payout()], [booking(currency="USD")])
    assert item.journal == Journal("USD", {ledger.BANK: -100, SUSPENSE: 100})


def test_the_right_currency_wins_and_the_other_stays_an_item() -> None:
    good, wrong = run([credit()], [row("t1", currency="USD"), row("t2")])
    assert (good.state, good.entries) == (State.MATCHED, (("stripe:acct", "t2"),))
    assert (wrong.state, wrong.related) == (State.WRONG_CURRENCY, ("e1",))
    assert wrong.id == entry_item_id("stripe:acct", "t1")


def test_of_several_wrong_currencies_one_is_the_finding() -> None:
    first, other = run([credit()], [row("t1", currency="USD"), row("t2", currency="GBP")])
    assert (first.state, first.found_currency) == (State.WRONG_CURRENCY, "GBP")
    assert (other.state, other.found_currency) == (State.WRONG_CURRENCY, "USD")


def test_money_in_two_goes_is_under_then_matched() -> None:
    assert only([credit()], [row("t1", 60)]).state is State.UNDER
    item = only([credit()], [row("t1", 60), row("t2", 40)])
    assert item.state is State.MATCHED
    assert len(item.entries) == 2


def test_a_capture_of_less_than_was_reserved_is_a_payment_of_two_rows() -> None:
    taken_back = row("t2", -20, details={"kind": "payment", "type": "partial_capture_reversal"})
    assert only([credit(amount=80)], [row("t1", 100), taken_back]).state is State.MATCHED


def test_the_same_amount_again_is_a_duplicate_and_leaves_the_first_alone() -> None:
    first, again = run([credit()], [row("t1"), row("t2", booked_on=DAY + dt.timedelta(1))])
    assert (first.state, first.entries) == (State.MATCHED, (("stripe:acct", "t1"),))
    assert (again.state, again.code, again.related) == (State.DUPLICATE, Code.TWICE, ("e1",))
    assert legs(again) == {OWED: 100, SUSPENSE: -100}
    first, again = run([payout()], [booking("b1"), booking("b2")])
    assert again.state is State.DUPLICATE
    assert legs(again) == {ledger.BANK: -100, SUSPENSE: 100}


@pytest.mark.parametrize("first", [True, False])
def test_what_comes_under_a_complete_reference_is_unknown(first: bool) -> None:  # noqa: FBT001
    other = row("t0" if first else "t2", 25)
    matched, extra = run([credit()], [row("t1"), other])
    assert (matched.state, matched.found_minor) == (State.MATCHED, 100)
    assert (extra.state, extra.code, extra.related) == (State.UNKNOWN, Code.SURPLUS, ("e1",))


def test_the_other_direction_is_unknown_and_says_what_it_speaks_of() -> None:
    done, back = run([payout()], [booking("b1"), booking("b2", 100)])
    assert done.state is State.MATCHED
    assert (back.state, back.code, back.related) == (State.UNKNOWN, Code.OPPOSITE, ("po_1",))
    assert back.book == BOOK


def test_an_entry_nobody_expects_is_unknown() -> None:
    item = only([], [row(reference="", fee_minor=2)])
    assert (item.state, item.code, item.expected) == (State.UNKNOWN, Code.NOBODY, ())
    assert legs(item) == {OWED: 98, CHANNEL_COST: 2, SUSPENSE: -100}
    assert legs(only([], [booking()])) == {ledger.BANK: -100, SUSPENSE: 100}


@pytest.mark.parametrize(("word", "code"), [("fee", Code.COST), ("dispute", Code.DISPUTE)])
def test_what_a_channel_does_on_its_own_account_never_joins_a_payment(
    word: str, code: Code
) -> None:
    own = row("t2", -7, details={"kind": word})
    _, item = run([credit(), credit("e2", -7, references=("ref-e1",))], [own, row()])[1:]
    assert (item.state, item.code) == (State.UNKNOWN, code)
    account = CHANNEL_COST if code is Code.COST else SUSPENSE
    assert legs(item) == {OWED: -7, account: 7}


def test_what_a_channel_holds_back_is_no_task_and_moves_nothing() -> None:
    item = only([], [row("t2", -25, "", details={"kind": "hold"})])
    assert (item.state, item.code, item.journal) == (State.UNKNOWN, Code.HELD, None)
    assert not item.needs_person


def test_a_charge_of_the_bank_is_a_cost_even_under_our_reference() -> None:
    charge = booking("b2", -1, details={"kind": "charge"})
    done, item = run([payout()], [booking(), charge])
    assert done.state is State.MATCHED
    assert (item.state, item.code) == (State.UNKNOWN, Code.COST)
    assert legs(item) == {ledger.BANK: -1, BANK_COST: 1}


# ── several under one reference, groups, parts ────────────────────────────────────────────────────
def test_a_payment_and_its_refund_may_share_a_reference() -> None:
    both = [credit(), credit("e2", -30, references=("ref-e1",))]
    paid, back = run(both, [row("t1"), row("t2", -30)])
    assert (paid.state, paid.entries) == (State.MATCHED, (("stripe:acct", "t1"),))
    assert (back.state, back.entries) == (State.MATCHED, (("stripe:acct", "t2"),))


def test_two_refunds_under_one_reference_are_told_apart_by_their_amounts() -> None:
    both = [credit("e2", -30, references=("p",)), credit("e3", -20, references=("p",))]
    found = run(both, [row("t1", -20, "p"), row("t2", -30, "p")])
    assert [item.state for item in found] == [State.MATCHED] * 2
    assert [item.entries[0][1] for item in found] == ["t2", "t1"]
    one, other = run(both, [row("t1", -20, "p")], LATER)
    assert (one.state, other.state) == (State.MISSING, State.MATCHED)
    one, other, extra = run(both, [row("t1", -20, "p"), row("t2", -20, "p"), row("t3", -9, "p")])
    assert (one.state, one.found_minor, other.state) == (State.UNDER, -9, State.MATCHED)
    assert (extra.state, extra.related) == (State.DUPLICATE, ("e3",))


def test_equal_refunds_under_one_reference_are_each_matched_once() -> None:
    twins = [credit("e2", -30, references=("p",)), credit("e3", -30, references=("p",))]
    assert [i.state for i in run(twins, [row("t1", -30, "p")], LATER)] == [
        State.MATCHED,
        State.MISSING,
    ]
    found = run(twins, [row("t1", -30, "p"), row("t2", -30, "p")])
    assert [item.state for item in found] == [State.MATCHED] * 2
    found = run(twins, [row(f"t{n}", -30, "p") for n in range(3)])
    assert Counter(item.state for item in found) == {State.MATCHED: 2, State.DUPLICATE: 1}


def _day(*amounts: int, group: str = "acceptor-day") -> list[Expected]:
    """A day's payments and refunds, which the switch credits as one amount (or one a cycle)."""
    return [
        credit(
            f"e{n}",
            amount,
            source="paya:IR1",
            currency="IRR",
            group=group,
            channel="switch",
            fee_minor=0,
        )
        for n, amount in enumerate(amounts)
    ]


def _paya(id: str, amount: int, reference: str = "acceptor-day", **details: str) -> Entry:
    return Entry("paya:IR1", id, DAY, amount, "IRR", reference, details=details)


def test_one_credit_is_the_sum_of_a_day_s_payments_and_refunds() -> None:
    item = only(_day(500, 300, -100), [_paya("x1", 700)])
    assert (item.state, item.expected) == (State.MATCHED, ("e0", "e1", "e2"))
    assert legs(item) == {ledger.BANK: 700, "receivable:switch": -700}
    assert item.id == item_id("paya:IR1", "acceptor-day")


def test_the_cycles_of_a_day_add_up() -> None:
    day = _day(500, 300, -100)
    first = _paya("x1", 500, "instr-1", acceptor_day="acceptor-day")
    second = _paya("x2", 200, "instr-2", acceptor_day="acceptor-day")
    item = only(day, [first])
    assert (item.state, item.code, item.found_minor) == (State.EXPECTED, Code.PARTLY, 500)
    assert item.journal is None
    assert only(day, [first], LATER).state is State.UNDER
    assert only(day, [first, second]).state is State.MATCHED
    whole, extra = run(day, [first, second, _paya("x3", 5)])
    assert (whole.state, extra.code) == (State.MATCHED, Code.SURPLUS)


def test_a_day_that_cancels_out_waits_for_nothing() -> None:
    day = _day(500, -500)
    assert only(day).code is Code.WAITING
    item = only(day, today=LATER)
    assert (item.state, item.code, item.journal) == (State.MATCHED, Code.NOTHING_DUE, None)
    assert only(day, [_paya("x1", 5)]).state is State.OVER
    assert only(day, [_paya("x1", -5)], LATER).state is State.UNDER


SPLIT = payout(parts=(("po_1-1", -60), ("po_1-2", -40)), references=("po_1",))


def test_a_payout_s_transfers_are_matched_one_by_one() -> None:
    one, two = booking("b1", -60, "po_1-1"), booking("b2", -40, "po_1-2")
    assert only([SPLIT], [one, two]).state is State.MATCHED
    item = only([SPLIT], [one])
    assert (item.state, item.code) == (State.EXPECTED, Code.PARTLY)
    assert only([SPLIT], [one], LATER).state is State.UNDER


def test_a_payout_booked_as_one_amount_shows_no_parts() -> None:
    assert only([SPLIT], [booking()]).state is State.MATCHED


def test_the_right_total_in_wrong_parts_is_a_wrong_split() -> None:
    item = only([SPLIT], [booking("b1", -50, "po_1-1"), booking("b2", -50, "po_1-2")])
    assert (item.state, item.code, item.difference_minor) == (State.WRONG_SPLIT, Code.SPLIT, 0)
    assert item.journal is None
    item = only([SPLIT], [booking("b1", -100, "po_1-1")])
    assert item.state is State.WRONG_SPLIT


def test_a_transfer_made_twice_is_a_duplicate_of_its_part() -> None:
    one, two = booking("b1", -60, "po_1-1"), booking("b2", -40, "po_1-2")
    done, again = run([SPLIT], [one, two, booking("b3", -40, "po_1-2")])
    assert (done.state, again.state) == (State.MATCHED, State.DUPLICATE)
    assert again.related == ("po_1",)


def test_a_file_booked_as_one_amount_is_the_sum_of_its_payouts() -> None:
    file = [
        replace(SPLIT, group="file-1"),
        payout("po_2", -30, group="file-1"),
        payout("po_3", -20, group="file-1"),
    ]
    batch = booking("b1", -150, "", details={"kind": "batch", "payment_information": "file-1"})
    assert only(file, [batch]).state is State.MATCHED
    single = [
        booking("b1", -60, "po_1-1"),
        booking("b2", -40, "po_1-2"),
        booking("b3", -30, "po_2"),
        booking("b4", -20, "po_3"),
    ]
    assert only(file, single).state is State.MATCHED
    assert only(file, single[:3]).code is Code.PARTLY
    swapped = [replace(single[0], amount_minor=-40), replace(single[1], amount_minor=-60)]
    assert only(file, swapped + single[2:]).state is State.WRONG_SPLIT


def test_what_a_file_s_payouts_show_beside_their_parts_is_counted_once() -> None:
    file = [replace(SPLIT, group="file-1"), payout("po_2", -30, group="file-1")]
    parts = [booking("b1", -60, "po_1-1"), booking("b2", -40, "po_1-2")]
    single = [booking("b3", -30, "po_2"), booking("b4", -30, "po_2")]
    done, again = run(file, parts + single)
    assert (done.state, again.state) == (State.MATCHED, State.DUPLICATE)


def test_a_dispute_never_joins_a_group() -> None:
    dispute = _paya("x2", -700, kind="dispute")
    done, item = run(_day(500, 200), [_paya("x1", 700), dispute])
    assert (done.state, item.code) == (State.MATCHED, Code.DISPUTE)


def test_agreed_fees_of_a_group_add_up() -> None:
    known, unknown = _day(500, 200)
    day = [replace(known, fee_minor=5), replace(unknown, fee_minor=None)]
    item = only(day, [_paya("x1", 700)])
    assert legs(item) == {ledger.BANK: 700, "receivable:switch": -705, CHANNEL_COST: 5}
    assert item.fee_minor == 5


def test_the_earliest_money_counts_in_whatever_order_it_is_read() -> None:
    goes = [
        row(f"t{n}", amount, booked_on=DAY + dt.timedelta(n))
        for n, amount in enumerate((60, 40, 100))
    ]
    first, again = run([credit()], goes)
    assert [id for _, id in first.entries] == ["t0", "t1"]
    assert again.state is State.DUPLICATE
    assert run([credit()], goes[::-1]) == [first, again]


def test_twins_under_one_reference_are_told_apart_by_time_alone() -> None:
    twins = [
        credit("e3", -30, references=("p",)),
        credit("e2", -30, references=("p",), due_by=LATER),
    ]
    rows_ = [row("t2", -30, "p", booked_on=LATER), row("t1", -30, "p")]
    found = run(twins, rows_)
    assert {item.expected: item.entries[0][1] for item in found} == {("e3",): "t1", ("e2",): "t2"}
    assert run(twins[::-1], rows_) == run(twins, rows_[::-1]) == found


# ── by amount ─────────────────────────────────────────────────────────────────────────────────────
def _loose(id: str, amount: int = 100, **changes: Any) -> Entry:
    return replace(Entry("statement:RUB1", id, DAY, amount, "EUR"), **changes)


def _unnamed(id: str = "e1", amount: int = 100, **changes: Any) -> Expected:
    fields = {"source": "statement:RUB1", "references": (), "fee_minor": 0}
    return credit(id, amount, **fields | changes)


def test_an_amount_alone_joins_only_where_the_rule_says_so() -> None:
    item = only([_unnamed()], [_loose("s1")])
    assert (item.state, item.code) == (State.MATCHED, Code.AMOUNT)
    wanted, came = run([credit()], [row(reference="")])
    assert (wanted.state, came.state) == (State.EXPECTED, State.UNKNOWN)
    wanted, came = run([payout()], [booking(reference="")])
    assert (wanted.state, came.state) == (State.EXPECTED, State.UNKNOWN)


def test_an_amount_must_be_alone_on_both_sides() -> None:
    assert {i.state for i in run([_unnamed("e1"), _unnamed("e2")], [_loose("s1")])} == {
        State.EXPECTED,
        State.UNKNOWN,
    }
    assert {i.state for i in run([_unnamed("e1")], [_loose("s1"), _loose("s2")])} == {
        State.EXPECTED,
        State.UNKNOWN,
    }


@pytest.mark.parametrize(
    "entry",
    [
        _loose("s1", 101),
        _loose("s1", currency="USD"),
        _loose("s1", source="statement:RUB2"),
        _loose("s1", booked_on=DAY - dt.timedelta(1)),
        _loose("s1", details={"kind": "fee"}),
        _loose("s1", reference="po_80006A000001"),
        _loose("s1", reference="po_80006A000001-2"),
    ],
)
def test_an_amount_joins_nothing_else(entry: Entry) -> None:
    wanted, came = run([_unnamed(since=DAY)], [entry])
    assert (wanted.state, came.state) == (State.EXPECTED, State.UNKNOWN)


def test_what_has_its_money_is_no_candidate_for_an_amount() -> None:
    named = _unnamed("e2", references=("r",))
    found = run([_unnamed("e1"), named], [_loose("s1"), _loose("s2", reference="r")])
    assert [item.code for item in found] == [Code.AMOUNT, Code.REFERENCE]
    ended = Decision(item_id("statement:RUB1", "e2"), (), 0, by="operator", reason="lost")
    found = run([_unnamed("e1"), _unnamed("e2")], [_loose("s1")], decisions=[ended])
    assert [item.code for item in found] == [Code.AMOUNT, Code.PERSON]


# ── the same entry, the same expectation ──────────────────────────────────────────────────────────
def test_a_file_given_twice_is_the_same_entries() -> None:
    assert run([credit()], [row(), row()]) == run([credit()], [row()])
    assert run([credit(), credit()], [row()]) == run([credit()], [row()])


def test_a_file_that_knows_more_is_the_same_entry() -> None:
    bare = row(reference="", details={})
    rich = row(fee_minor=3, details={"kind": "payment", "payout": "po_9"})
    for entries in ([bare, rich], [rich, bare]):
        item = only([credit()], entries)
        assert (item.state, item.fee_minor) == (State.MATCHED, 3)


def test_an_id_that_says_another_amount_is_a_duplicate_and_both_are_kept() -> None:
    entries = [row(amount=100), row(amount=120, booked_on=LATER)]
    done, again = run([credit()], entries)
    assert run([credit()], entries[::-1]) == [done, again]
    assert done.state is State.MATCHED
    assert (again.state, again.code, again.found_minor) == (State.DUPLICATE, Code.REUSED, 120)
    assert again.entries == (("stripe:acct", "t1#120.0.EUR"),)
    closing = Decision(again.id, again.entries, 120, by="operator", reason="restated")
    assert run([credit()], entries, decisions=[closing])[1].state is State.CLOSED


def test_two_fees_under_one_id_contradict_each_other() -> None:
    _, again = run([credit()], [row(fee_minor=3), row(fee_minor=4)])
    assert (again.state, again.fee_minor) == (State.DUPLICATE, 4)


@pytest.mark.parametrize(
    "others",
    [
        [credit(amount=101)],
        [credit("e2", group="e1")],
        [credit("e2", group="g"), credit("e3", group="g", currency="USD")],
        [credit("e2", group="g"), credit("e3", group="g", channel="zibal")],
        [payout("e2", group="g"), credit("e3", source="camt.053", group="g")],
        [payout(source="stripe:acct")],
    ],
)
def test_expectations_that_contradict_each_other_are_refused(others: list[Expected]) -> None:
    with pytest.raises(ValueError, match=r"expectation|group|report"):
        run([credit(), *others])


@pytest.mark.parametrize(
    "changes",
    [{"amount_minor": -1}, {"parts": (("a", 60), ("b", 41))}, {"kind": Kind.PAYOUT}],
)
def test_an_expectation_that_cannot_be(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"sum|sign"):
        replace(credit(), **changes)


@pytest.mark.parametrize(
    "given_", [{"expected": [credit(source="moon:1")]}, {"entries": [row(source="moon:1")]}]
)
def test_a_source_without_a_rule_is_an_error(given_: dict[str, Any]) -> None:
    with pytest.raises(KeyError):
        run(**given_)


# ── decisions ─────────────────────────────────────────────────────────────────────────────────────
def booked(item: Item) -> Decision:
    """What is handed back once an item's journal was posted."""
    return Decision(item.id, item.entries, item.found_minor)


def test_a_person_ends_an_item_and_its_correction_is_posted() -> None:
    missing = only([credit()], today=LATER)
    lost = {OWED: -100, CHANNEL_COST: 100}
    closing = Decision(missing.id, (), 0, by="operator", reason="written off", legs=lost)
    item = only([credit()], today=LATER, decisions=[closing])
    assert (item.state, item.code, item.by) == (State.CLOSED, Code.PERSON, "operator")
    assert item.journal == Journal("EUR", lost)
    assert (item.expected, item.expected_minor) == (("e1",), 100)


def test_a_correction_that_does_not_balance_is_never_shown() -> None:
    bad = Decision(item_id("stripe:acct", "e1"), (), 0, by="operator", legs={OWED: 1})
    with pytest.raises(AssertionError, match="balances"):
        run([credit()], decisions=[bad])


def test_money_that_comes_after_an_item_was_ended_is_an_item_of_its_own() -> None:
    closing = Decision(item_id("stripe:acct", "e1"), (), 0, by="operator", reason="written off")
    ended, late = run([credit()], [row(amount=90)], decisions=[closing])
    assert ended.state is State.CLOSED
    assert (late.state, late.code, late.related) == (State.UNKNOWN, Code.SETTLED, ("e1",))


def test_a_person_joins_an_unknown_entry_to_what_missed_it() -> None:
    missing, unknown = run([credit()], [row(reference="typo")], LATER)
    joined = Decision(missing.id, unknown.entries, 100, by="operator", reason="typing error")
    item = only([credit()], [row(reference="typo")], LATER, decisions=[joined])
    assert (item.state, item.entries, item.found_minor) == (State.CLOSED, unknown.entries, 100)


def test_a_person_ends_an_entry_nobody_expected() -> None:
    unknown = only([], [row()])
    closing = Decision(unknown.id, unknown.entries, 100, by="operator", legs=legs(unknown))
    assert only([], [row()], decisions=[closing]).state is State.CLOSED
    expected, closed = run([credit()], [row()], LATER, decisions=[closing])
    assert (expected.state, closed.state) == (State.MISSING, State.CLOSED)


def test_what_was_booked_is_matched_for_ever_and_not_proposed_again() -> None:
    first = only([credit()], [row(fee_minor=3)])
    entries = [row("t0", 60), row(fee_minor=3), row("t2"), row("t3", 5)]
    again, *rest = run([credit()], entries, decisions=[booked(first)])
    assert (again.state, again.code, again.entries) == (State.MATCHED, Code.BOOKED, first.entries)
    assert (again.journal, again.id, again.difference_minor) == (None, first.id, 0)
    assert [(i.state, i.code) for i in rest] == [
        (State.UNKNOWN, Code.SETTLED),
        (State.DUPLICATE, Code.TWICE),
        (State.UNKNOWN, Code.SETTLED),
    ]


def test_an_entry_that_is_booked_needs_its_expectation_no_more() -> None:
    first = only([credit()], [row()])
    assert only([], [row()], decisions=[booked(first)]).state is State.MATCHED
    assert run([], [], decisions=[booked(first)]) == []


def test_two_decisions_on_one_thing_are_refused() -> None:
    one = Decision("rec_1", (("stripe:acct", "t1"),), 0)
    with pytest.raises(ValueError, match="one item"):
        run(decisions=[one, replace(one, found_minor=1)])
    with pytest.raises(ValueError, match="one entry"):
        run(decisions=[one, replace(one, item="rec_2")])


# ── days, words, announcements ────────────────────────────────────────────────────────────────────
def test_the_days_a_source_has_are_business_days() -> None:
    friday = dt.date(2026, 5, 8)
    assert due_by("camt.053", friday, "EUR") == dt.date(2026, 5, 11)
    assert due_by("stripe:acct", friday, "EUR") == dt.date(2026, 5, 12)
    assert due_by("paya:IR1", dt.date(2026, 5, 7), "IRR") == dt.date(2026, 5, 9)
    assert due_by("camt.053", friday, "EUR", {dt.date(2026, 5, 9): True}) == dt.date(2026, 5, 9)
    assert due_by("stripe:acct", friday, "USD") == dt.date(2026, 5, 10)


def test_a_channel_s_payout_is_expected_at_the_bank() -> None:
    out = Entry("stripe:acct", "txn_9", DAY, -970, "EUR", "po_9", details={"trace": "TRC"})
    back = replace(out, id="txn_10", amount_minor=50, reference="", details={})
    due, taken = announced([out, back], "camt.053", "stripe")
    failed = replace(out, id="txn_11", amount_minor=970)
    assert due == Expected(
        id="stripe:acct/txn_9",
        kind=Kind.CHANNEL_CREDIT,
        source="camt.053",
        amount_minor=970,
        currency="EUR",
        references=("po_9", "TRC"),
        due_by=due_by("camt.053", DAY, "EUR"),
        channel="stripe",
        group="stripe:acct/po_9",
        fee_minor=0,
        since=DAY,
    )
    assert (taken.kind, taken.amount_minor) == (Kind.CHANNEL_REFUND, -50)
    for reference in ("TRC", "words of its own"):
        item = only([due], [booking("b1", 970, reference)])
        assert item.state is State.MATCHED
        assert legs(item) == {ledger.BANK: 970, OWED: -970}
    both = [*announced([out, failed], "camt.053", "stripe")]
    assert only(both, today=LATER).code is Code.NOTHING_DUE
    less = [*announced([replace(failed, amount_minor=70), out], "camt.053", "stripe")]
    for due_ in (less, less[::-1]):
        assert only(due_, [booking("b1", 900, "words of its own")]).code is Code.AMOUNT


def test_every_finding_has_words() -> None:
    item = only([credit()], [row(amount=80)])
    assert item.reason == "80 EUR moved, 100 EUR were expected."
    for code in Code:
        assert len(replace(item, code=code).reason) > 10
    tasks = {state for state in State if replace(item, state=state).needs_person}
    assert tasks == set(State) - {State.EXPECTED, State.MATCHED, State.CLOSED}
    assert all(rule_of(name).sla_days > 0 for name in RULES)


# ── whatever comes ────────────────────────────────────────────────────────────────────────────────
SOUP_RULES = {
    "bank": Rule(Side.BANK, 1, also=("other",)),
    "report": Rule(Side.CHANNEL, 1, also=("other",)),
    "vague": Rule(Side.BANK, 1, by_amount=frozenset(Kind)),
}
names = st.sampled_from(["a", "b", "c", "d", ""])
sources = st.sampled_from(sorted(SOUP_RULES))
currencies = st.sampled_from(["EUR", "EUR", "EUR", "USD"])
dates = st.integers(-2, 2).map(lambda n: DAY + dt.timedelta(n))
amounts = st.integers(-4, 4)
_SIGNED = {
    True: [Kind.CHANNEL_CREDIT, Kind.PAYOUT_RETURN],
    False: [Kind.CHANNEL_REFUND, Kind.PAYOUT],
}


@st.composite
def expectations(draw: st.DrawFn) -> list[Expected]:
    """Few references, small amounts: everything collides."""
    made = []
    for n in range(draw(st.integers(0, 6))):
        parts = draw(st.lists(st.tuples(st.sampled_from("xyz"), st.integers(1, 3)), max_size=2))
        sign = draw(st.booleans())
        parts = [(name, amount if sign else -amount) for name, amount in dict(parts).items()]
        amount = sum(amount for _, amount in parts) or draw(st.integers(0, 4)) * (1 if sign else -1)
        source = draw(sources)
        kind = draw(st.sampled_from(_SIGNED[sign][: 1 if source == "report" else 2]))
        group = draw(st.sampled_from(["", "", "", "g"]))
        currency, channel = draw(currencies), draw(st.sampled_from(["one", "two"]))
        if group:  # as a group must be
            currency, channel, kind = "EUR", "one", _SIGNED[sign][0]
        made.append(
            Expected(
                id=f"e{n}",
                kind=kind,
                source=source,
                amount_minor=amount,
                currency=currency,
                references=tuple(draw(st.lists(names, max_size=2))),
                due_by=draw(dates),
                channel=channel,
                group=group,
                parts=tuple(parts) if kind in {Kind.PAYOUT, Kind.PAYOUT_RETURN} else (),
                fee_minor=draw(st.sampled_from([None, 0, 1])),
            )
        )
    return made


@st.composite
def rows(draw: st.DrawFn, unique: bool = False) -> list[Entry]:  # noqa: FBT001, FBT002
    made = []
    for n in range(draw(st.integers(0, 9))):
        details = {
            "kind": draw(st.sampled_from(["", "", "payment", "refund", "dispute", "fee"])),
            "other": draw(names),
        }
        made.append(
            Entry(
                source=draw(sources),
                id=f"t{n}" if unique else f"t{draw(st.integers(0, 9))}",
                booked_on=draw(dates),
                amount_minor=draw(amounts),
                currency=draw(currencies),
                reference=draw(st.sampled_from(["a", "b", "c", "g", "x", "y", "z", ""])),
                fee_minor=draw(st.sampled_from([0, 0, 1])),
                details={key: value for key, value in details.items() if value},
            )
        )
    return made


def soup(expected: Iterable[Expected], entries: Iterable[Entry], **changes: Any) -> list[Item]:
    return run(expected, entries, rules=SOUP_RULES, **changes)


def money(entries: Iterable[Entry]) -> dict[tuple[str, str], tuple[int, str]]:
    """What each entry key of an item stands for: ids used twice have a key for each content."""
    found: dict[tuple[str, str], tuple[int, str]] = {}
    for entry in sorted(entries, key=lambda e: (e.booked_on, e.amount_minor, e.fee_minor)):
        found.setdefault((entry.source, entry.id), (entry.amount_minor, entry.currency))
        twin = f"{entry.id}#{entry.amount_minor}.{entry.fee_minor}.{entry.currency}"
        found[entry.source, twin] = (entry.amount_minor, entry.currency)
    return found


@given(expectations(), rows())
def test_everything_is_in_exactly_one_item(expected: list[Expected], entries: list[Entry]) -> None:
    found = soup(expected, entries)
    assert Counter(id for item in found for id in item.expected) == Counter(e.id for e in expected)
    keys = Counter(key for item in found for key in item.entries)
    assert set(keys.values()) <= {1}
    assert {(source, id) for source, id in keys if "#" not in id} == {
        (entry.source, entry.id) for entry in entries
    }
    assert len({item.id for item in found}) == len(found)


@given(expectations(), rows(unique=True))
def test_sums_are_kept_in_every_currency(expected: list[Expected], entries: list[Entry]) -> None:
    found, worth = soup(expected, entries), money(entries)
    came = Counter[str]()
    for entry in entries:
        came[entry.currency] += entry.amount_minor
    told = Counter[str]()
    for item in found:
        for key in item.entries:
            amount, currency = worth[key]
            assert currency == item.found_currency
            told[currency] += amount
    assert +told == +came and -told == -came
    fees = {one.id: one.fee_minor or 0 for one in expected if one.source == "report"}
    agreed = {one.id for one in expected if one.source == "report" and one.fee_minor is None}
    for item in found:
        if not agreed & set(item.expected):
            net = sum(one.amount_minor for one in expected if one.id in item.expected)
            assert item.expected_minor == net - sum(fees.get(id, 0) for id in item.expected)


@given(expectations(), rows(), st.randoms(use_true_random=False))
def test_order_changes_nothing(
    expected: list[Expected], entries: list[Entry], luck: random.Random
) -> None:
    found = soup(expected, entries)
    luck.shuffle(expected)
    luck.shuffle(entries)
    assert soup(expected, entries + entries[:2]) == found


@given(expectations(), rows())
def test_states_say_what_they_mean(expected: list[Expected], entries: list[Entry]) -> None:
    for item in soup(expected, entries):
        if item.state in {State.MATCHED, State.WRONG_SPLIT}:
            assert item.difference_minor == 0
        if item.state in {State.OVER, State.UNDER}:
            assert item.difference_minor != 0
            more = item.difference_minor > 0
            assert (item.state is State.OVER) is (more if item.expected_minor >= 0 else not more)
        assert (item.state in {State.UNKNOWN, State.DUPLICATE}) <= (not item.expected)
        assert item.expected or item.state not in {State.MATCHED, State.EXPECTED, State.MISSING}
        assert (item.state is State.MISSING) <= (not item.entries)
        assert "{" not in item.reason


@given(expectations(), rows())
def test_journals_balance_and_move_what_moved(
    expected: list[Expected], entries: list[Entry]
) -> None:
    kinds = {one.id: one.kind for one in expected}
    for item in soup(expected, entries):
        moved = legs(item)
        assert sum(moved.values()) == 0
        assert 0 not in moved.values()
        if item.state in {State.EXPECTED, State.MISSING}:
            assert not moved
        elif item.source != "report" and not item.expected:
            assert moved.get(ledger.BANK, 0) == item.found_minor
        elif item.source != "report" and item.found_currency == item.currency:
            ours = kinds[item.expected[0]] in {Kind.PAYOUT, Kind.PAYOUT_RETURN}
            known = item.expected_minor if ours else 0
            assert moved.get(ledger.BANK, 0) == item.found_minor - known
        if item.state is State.MATCHED:
            assert SUSPENSE not in moved


@given(expectations(), rows(unique=True))
def test_a_second_run_over_what_was_booked_says_the_same(
    expected: list[Expected], entries: list[Entry]
) -> None:
    first = soup(expected, entries)
    decisions = [booked(item) for item in first if item.state is State.MATCHED]
    second = soup(expected, entries, decisions=decisions)
    assert [_what(item) for item in second] == [_what(item) for item in first]
    assert all(item.journal is None for item in second if item.code is Code.BOOKED)


def _what(item: Item) -> tuple[object, ...]:
    return item.id, item.state, item.expected, item.entries, item.difference_minor


@given(expectations(), rows(unique=True), rows(unique=True))
def test_what_was_booked_stays_whatever_comes(
    expected: list[Expected], before: list[Entry], after: list[Entry]
) -> None:
    first = {item.id: item for item in soup(expected, before) if item.state is State.MATCHED}
    decisions = [booked(item) for item in first.values()]
    late = [replace(entry, id=f"late-{entry.id}") for entry in after]
    second = {item.id: item for item in soup(expected, before + late, decisions=decisions)}
    for id, item in first.items():
        assert _what(second[id]) == _what(item)


@given(expectations(), rows(unique=True), rows(unique=True))
def test_what_is_complete_stays_so_when_more_comes_later(
    expected: list[Expected], before: list[Entry], after: list[Entry]
) -> None:
    expected = [one for one in expected if one.source != "vague"]
    before = [entry for entry in before if entry.source != "vague"]
    late = [
        replace(entry, id=f"u{entry.id}", booked_on=LATER)
        for entry in after
        if entry.source != "vague"
    ]
    second = {item.id: item for item in soup(expected, before + late)}
    for item in soup(expected, before):
        if item.state is State.MATCHED and item.entries:
            assert second[item.id].state is State.MATCHED


@given(st.lists(st.integers(1, 500), min_size=1, max_size=8), st.data())
def test_money_that_comes_late_ends_the_item_that_missed_it(
    sums: Sequence[int], data: st.DataObject
) -> None:
    expected = [credit(f"e{n}", amount) for n, amount in enumerate(sums)]
    entries = [row(f"t{n}", amount, f"ref-e{n}") for n, amount in enumerate(sums)]
    late = data.draw(st.sets(st.sampled_from(range(len(sums)))))
    first = run(expected, [e for n, e in enumerate(entries) if n not in late], LATER)
    second = run(expected, entries, LATER)
    assert [item.id for item in first] == [item.id for item in second]
    assert [item.state is State.MISSING for item in first] == [n in late for n in range(len(sums))]
    assert {item.state for item in second} == {State.MATCHED}


@given(expectations(), rows(unique=True), amounts)
def test_an_entry_nobody_expects_changes_nothing_else(
    expected: list[Expected], entries: list[Entry], amount: int
) -> None:
    stranger = Entry("bank", "stranger", DAY, amount, "EUR", "nobody")
    before, after = soup(expected, entries), soup(expected, [*entries, stranger])
    id = entry_item_id("bank", "stranger")
    assert [item for item in after if item.id != id] == before
    assert [item.state for item in after if item.id == id] == [State.UNKNOWN]


def test_many_claims_under_one_reference_cost_no_more_than_many_references() -> None:
    """Ten thousand of them: pairing all with all would be a hundred million."""
    many = 10_000
    expected = [credit(f"e{n}", n + 1, references=("same",)) for n in range(many)]
    entries = [row(f"t{n}", n + 1, "same") for n in reversed(range(many))]
    assert {item.state for item in run(expected, entries)} == {State.MATCHED}
