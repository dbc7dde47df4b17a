"""Seals: a chain that follows, balances that add up, lines named by their content."""

import dataclasses
import datetime as dt
import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payvand import ledger
from payvand.ids import Book
from payvand.merchant import Payee
from payvand.settlement import (
    GENESIS,
    PARTS_MAX,
    Line,
    Lines,
    Part,
    PayoutState,
    Seal,
    Terms,
    Withheld,
    follows,
    lines_key,
    payable,
    seal,
    split,
    wage_max,
    with_part,
    with_state,
)
from tests.shared.samples import BOOK, DAY, books

PAYEE = Payee(b"sealed", "9088", "فروشگاه")
PAID = Terms(payees=(PAYEE,))
UNPAID = Terms()
AMOUNT_MAX = 10**12


def line(id: str, gain: int) -> Line:
    """A movement that gains the merchant this much."""
    legs = ledger.executed("zarinpal", gain, 0) if gain >= 0 else ledger.refunded("zarinpal", -gain)
    return Line(id, DAY, 1, legs)


def run(runs: list[tuple[list[int], bool]], gaps: list[int] | None = None) -> list[Seal]:
    """A chain from each run's gains, and whether the merchant had an account then."""
    chain: list[Seal] = []
    for n, (gains, has_account) in enumerate(runs):
        last = chain[-1] if chain else None
        first = last.through + dt.timedelta(1) if last else DAY
        lines = Lines.of((line(f"pay_{n}_{m}", gain) for m, gain in enumerate(gains)), [])
        through = first + dt.timedelta((gaps or [0])[n % len(gaps or [0])])
        terms = PAID if has_account else UNPAID
        chain.append(seal(BOOK, last, (first, through), lines, terms, at_ms=n))
    return chain


runs = st.lists(
    st.tuples(st.lists(st.integers(-AMOUNT_MAX, AMOUNT_MAX), max_size=4), st.booleans()),
    min_size=1,
    max_size=8,
)


@given(runs, st.lists(st.integers(0, 6), min_size=1, max_size=4))
def test_any_days_make_a_chain_that_follows_and_adds_up(
    days: list[tuple[list[int], bool]], gaps: list[int]
) -> None:
    chain = run(days, gaps)
    balance, paid = 0, 0
    for n, (found, (gains, has_account)) in enumerate(zip(chain, days, strict=True)):
        assert follows(found, chain[n - 1] if n else None)
        assert found.n == n + 1
        assert found.opening_minor == balance
        assert found.payout_minor == (max(0, balance + sum(gains)) if has_account else 0)
        balance += sum(gains) - found.payout_minor
        paid += found.payout_minor
        assert found.closing_minor == balance
        assert found.count == len(gains)
        assert found.state is (PayoutState.NEW if found.payout_minor else None)
        assert sum(part.amount_minor for part in found.parts) == found.payout_minor
    assert paid + balance == sum(sum(gains) for gains, _ in days)


@given(runs)
def test_a_merchant_with_an_account_is_never_owed_after_a_seal(
    days: list[tuple[list[int], bool]],
) -> None:
    for found in run([(gains, True) for gains, _ in days]):
        assert found.closing_minor <= 0
        assert found.payout_minor == 0 or found.closing_minor == 0


def test_a_debt_is_carried_until_it_is_earned_back() -> None:
    chain = run([([-300], True), ([], True), ([200], True), ([150], True)])
    assert [s.closing_minor for s in chain] == [-300, -300, -100, 0]
    assert [s.payout_minor for s in chain] == [0, 0, 0, 50]


def test_without_an_account_the_balance_waits() -> None:
    chain = run([([300], False), ([200], False), ([1], True)])
    assert [s.closing_minor for s in chain] == [300, 500, 0]
    assert [s.payout_minor for s in chain] == [0, 0, 501]
    assert chain[0].parts == ()


def test_a_payout_s_reference_is_its_seal() -> None:
    one, two = run([([300], True), ([200], True)])
    assert (str(one.payout_id.book.key), one.payout_id.n, two.payout_id.n) == (BOOK.key, 1, 2)


@given(runs)
def test_no_seal_follows_another_place(days: list[tuple[list[int], bool]]) -> None:
    chain = run(days)
    for i, found in enumerate(chain):
        for j in range(-1, len(chain)):
            previous = chain[j] if j >= 0 else None
            assert follows(found, previous) == (j == i - 1)


@pytest.mark.parametrize(
    "changes",
    [
        {"n": 3},
        {"previous": "0" * 64},
        {"first": DAY + dt.timedelta(2)},
        {"first": DAY},
        {"opening_minor": 1},
    ],
)
def test_what_does_not_continue_the_chain_does_not_follow(changes: dict[str, Any]) -> None:
    one, two = run([([300], True), ([200], True)])
    assert follows(two, one)
    assert not follows(dataclasses.replace(two, **changes), one)
    for wrong in ({"n": 2}, {"previous": two.digest}, {"opening_minor": 1}):
        assert not follows(dataclasses.replace(one, **wrong), None)


WHO: dict[str, Any] = {
    "iban": b"another",
    "iban_last4": "0000",
    "name": "another",
    "amount_minor": 299,
}
SAID: dict[str, Any] = {
    "state": PayoutState.RETURNED,
    "state_at_ms": 5,
    "paid_at_ms": 6,
    "bank_code": "AC04",
    "bank_reason": "closed",
    "bank_reference": "b1",
}
SAID_LATER: dict[str, Any] = {"file": "PVD_14050214_01", "shared": frozenset({BOOK.merchant_id})}
SEALED: dict[str, Any] = {
    "book": Book(BOOK.merchant_id, "live", "IRR"),
    "n": 2,
    "first": DAY - dt.timedelta(1),
    "through": DAY + dt.timedelta(1),
    "at_ms": 1,
    "count": 2,
    "sums": {ledger.PAYABLE: -301, "receivable:zarinpal": 301},
    "opening_minor": 1,
    "payout_minor": 301,
    "closing_minor": 1,
    "lines_key": "lines/other",
    "lines_digest": "f" * 64,
    "previous": "f" * 64,
    "withheld": (Withheld(DAY, 1),),
    "held_minor": 1,
    "wage_minor": 1,
    "fees_minor": 1,
    "parts": (),
}


def test_every_field_is_sealed_or_said_later() -> None:
    names = {field.name for field in dataclasses.fields(Seal)}
    assert names == SEALED.keys() | SAID_LATER.keys()
    assert {field.name for field in dataclasses.fields(Part)} == WHO.keys() | SAID.keys()


@pytest.mark.parametrize("name", SEALED)
def test_another_sealed_field_is_another_digest(name: str) -> None:
    (found,) = run([([300], True)])
    changed = dataclasses.replace(found, **{name: SEALED[name]})
    assert getattr(found, name) != getattr(changed, name)
    assert found.digest != changed.digest


@pytest.mark.parametrize("name", WHO)
def test_another_receiver_is_another_digest(name: str) -> None:
    (found,) = run([([300], True)])
    part = dataclasses.replace(found.parts[0], **{name: WHO[name]})
    assert found.digest != dataclasses.replace(found, parts=(part,)).digest


@pytest.mark.parametrize("name", SAID_LATER)
def test_where_a_seal_went_changes_no_digest(name: str) -> None:
    (found,) = run([([300], True)])
    changed = dataclasses.replace(found, **{name: SAID_LATER[name]})
    assert getattr(found, name) != getattr(changed, name)
    assert found.digest == changed.digest


@pytest.mark.parametrize("name", SAID)
def test_what_the_bank_says_changes_no_digest(name: str) -> None:
    (found,) = run([([300], True)])
    part = dataclasses.replace(found.parts[0], **{name: SAID[name]})
    assert part != found.parts[0]
    assert found.digest == dataclasses.replace(found, parts=(part,)).digest


def test_the_bank_s_word_is_put_beside_the_seal() -> None:
    (found,) = run([([300], True)])
    told = with_state(found, PayoutState.EXECUTED, 9, bank_reference="b1")
    assert (told.state, told.state_at_ms, told.parts[0].bank_reference) == ("executed", 9, "b1")
    assert told.parts[0].paid_at_ms == 9
    assert told.digest == found.digest


def test_one_digest_holds_all_before_it() -> None:
    days: list[tuple[list[int], bool]] = [([300], True), ([200], True), ([100], True)]
    changed = [([299], True), *days[1:]]
    assert run(days)[-1].digest != run(changed)[-1].digest
    assert run(days)[0].previous == GENESIS


def test_journals_that_do_not_balance_are_never_sealed() -> None:
    lines = Lines.of([Line("pay_1", DAY, 1, {ledger.PAYABLE: 1})], [])
    with pytest.raises(AssertionError):
        seal(BOOK, None, (DAY, DAY), lines, UNPAID, at_ms=1)


def test_accounts_that_cancel_out_are_left_out_of_the_sums() -> None:
    lines = Lines.of([line("pay_1", 5), line("f:pay_1:k", -5)], [])
    assert seal(BOOK, None, (DAY, DAY), lines, PAID, at_ms=1).sums == {}


# ── what is held back ─────────────────────────────────────────────────────────────────────────


def held_run(gains: list[int], terms: list[Terms]) -> list[Seal]:
    """A chain of single days under each day's terms."""
    chain: list[Seal] = []
    for n, gain in enumerate(gains):
        day = DAY + dt.timedelta(n)
        lines = Lines.of([line(f"pay_{n}", gain)] if gain else [], [])
        last = chain[-1] if chain else None
        made = seal(BOOK, last, (day, day), lines, terms[n % len(terms)], at_ms=n, earlier=chain)
        chain.append(made)
    return chain


terms = st.builds(
    Terms,
    payees=st.just((PAYEE,)),
    minimum_minor=st.integers(0, 1_000),
    hold_days=st.integers(0, 4),
    reserve_basis_points=st.integers(0, 10_000),
    reserve_days=st.integers(0, 9),
)
QUIET = [0] * 12


@given(st.lists(st.integers(-1_000, 1_000), max_size=8), st.lists(terms, min_size=1, max_size=3))
def test_what_is_held_back_is_paid_in_the_end_and_nothing_twice(
    gains: list[int], each: list[Terms]
) -> None:
    chain = held_run(gains + QUIET, [*each[: len(gains) or 1]])
    last = held_run([0], [PAID])[0] if not chain else chain[-1]
    day = last.through + dt.timedelta(1)
    final = seal(BOOK, last, (day, day), Lines.of([], []), PAID, at_ms=99, earlier=chain)
    paid = sum(found.payout_minor for found in [*chain, final])
    assert final.held_minor == 0
    assert paid + final.closing_minor == sum(gains)
    assert final.closing_minor <= 0


@given(st.lists(st.integers(-1_000, 1_000), min_size=1, max_size=8), terms)
def test_nothing_is_paid_of_what_is_held_nor_below_the_minimum(
    gains: list[int], each: Terms
) -> None:
    chain = held_run(gains, [each])
    for found in chain:
        available = found.opening_minor + ledger.owed(found.sums) - found.held_minor
        enough = available >= max(1, each.minimum_minor)
        assert found.payout_minor == (available if enough else 0)
        kept = [w for s in chain[: found.n] for w in s.withheld if w.until > found.through]
        assert found.held_minor == sum(w.minor for w in kept)


def test_earnings_wait_for_the_hold_and_a_part_of_them_for_the_reserve() -> None:
    each = Terms((PAYEE,), hold_days=1, reserve_basis_points=1_000, reserve_days=3)
    chain = held_run([1_000, 0, 0, 0, 0], [each])
    assert [s.payout_minor for s in chain] == [0, 900, 0, 100, 0]
    assert [s.held_minor for s in chain] == [1_000, 100, 100, 0, 0]


@pytest.mark.parametrize("wage", [0, 30])
def test_what_a_bank_returns_was_held_before_and_is_paid_again_at_once(wage: int) -> None:
    back = Line("r:po_1", DAY, 1, ledger.reversal(ledger.paid_out(500, wage)))
    each = Terms((PAYEE,), hold_days=3)
    made = seal(BOOK, None, (DAY, DAY), Lines.of([line("pay_1", 200), back], []), each, at_ms=1)
    assert [held.minor for held in made.withheld] == [200]
    assert made.payout_minor == 500


def test_a_loss_holds_nothing_back_and_lowers_what_may_be_paid() -> None:
    each = Terms((PAYEE,), hold_days=2)
    chain = held_run([1_000, -400, 0, 0], [each])
    assert [s.payout_minor for s in chain] == [0, 0, 600, 0]
    assert chain[1].withheld == ()


@given(st.lists(st.integers(-1_000, 1_000), min_size=1, max_size=8), terms)
def test_a_quiet_day_is_sealed_when_it_would_pay(gains: list[int], each: Terms) -> None:
    chain = held_run(gains, [each])
    day = chain[-1].through + dt.timedelta(1)
    quiet = seal(BOOK, chain[-1], (day, day), Lines.of([], []), each, at_ms=9, earlier=chain)
    assert payable(chain[-1], day, each, chain) == (quiet.payout_minor > 0)


# ── parts ─────────────────────────────────────────────────────────────────────────────────────


@st.composite
def payees(draw: st.DrawFn) -> tuple[Payee, ...]:
    count = draw(st.integers(1, PARTS_MAX))
    left, found = 10_000, [PAYEE]
    for n in range(1, count):
        points = draw(st.integers(0, left))
        left -= points
        found.append(Payee(b"%d" % n, f"{n:04d}", f"n{n}", draw(st.integers(0, 10**6)), points))
    return tuple(found)


@given(st.integers(0, AMOUNT_MAX), payees())
def test_parts_sum_to_the_payout(payout: int, who: tuple[Payee, ...]) -> None:
    parts = split(payout, who)
    assert sum(part.amount_minor for part in parts) == payout
    assert all(part.amount_minor > 0 for part in parts)
    assert {part.iban for part in parts} <= {payee.iban for payee in who}


def test_fixed_amounts_come_first_then_shares_then_the_rest() -> None:
    who = (
        PAYEE,
        Payee(b"1", "0001", "rent", amount_minor=300),
        Payee(b"2", "0002", "partner", basis_points=2_500),
    )
    assert [(p.iban_last4, p.amount_minor) for p in split(1_001, who)] == [
        ("9088", 526), ("0001", 300), ("0002", 175)
    ]  # fmt: skip
    assert [(p.iban_last4, p.amount_minor) for p in split(200, who)] == [("0001", 200)]


def test_parts_of_several_have_names_of_their_own() -> None:
    who = (PAYEE, Payee(b"1", "0001", "rent", amount_minor=100))
    lines = Lines.of([line("pay_1", 300)], [])
    found = seal(BOOK, None, (DAY, DAY), lines, Terms(who), at_ms=1)
    assert [found.transfer(0), found.transfer(1)] == [
        f"{found.payout_id}-1", f"{found.payout_id}-2"
    ]  # fmt: skip
    (alone,) = run([([300], True)])
    assert alone.transfer(0) == str(alone.payout_id)


def test_a_payout_is_as_far_as_the_least_of_its_parts() -> None:
    who = (PAYEE, Payee(b"1", "0001", "rent", amount_minor=100))
    found = seal(BOOK, None, (DAY, DAY), Lines.of([line("pay_1", 300)], []), Terms(who), at_ms=1)
    sent = with_state(found, PayoutState.SENT, 2)
    paid = with_part(sent, 0, PayoutState.EXECUTED, 3)
    back = with_part(paid, 1, PayoutState.RETURNED, 4)
    both = with_part(back, 0, PayoutState.RETURNED, 5)
    states = [s.state for s in (found, sent, paid, back, both)]
    assert states == ["new", "sent", "sent", "executed", "returned"]


# ── our own fee leaves with the payout ────────────────────────────────────────────────────────


@given(st.integers(0, 10**15))
def test_a_wage_is_fifteen_percent_at_most(payout: int) -> None:
    wage = wage_max(payout)
    assert wage * 100 <= 15 * (payout + wage)
    assert (wage + 1) * 100 > 15 * (payout + wage + 1)


@given(st.lists(st.tuples(st.integers(1, 10**6), st.integers(0, 100)), min_size=1, max_size=6))
def test_fees_leave_with_payouts_or_wait(days: list[tuple[int, int]]) -> None:
    last, fees, wages = None, 0, 0
    for n, (amount, percent) in enumerate(days):
        fee, day = amount * percent // 100, DAY + dt.timedelta(n)
        moved = [Line("pay_1", day, 1, ledger.executed("zarinpal", amount, fee))]
        switch = Terms((PAYEE,), takes_wage=True)
        last = seal(BOOK, last, (day, day), Lines.of(moved, []), switch, at_ms=n)
        fees, wages = fees + fee, wages + last.wage_minor
        assert last.wage_minor <= wage_max(last.payout_minor)
        assert wages + last.fees_minor == fees
        assert last.fees_minor == 0 or last.wage_minor == wage_max(last.payout_minor)


def test_a_wage_that_came_back_leaves_again() -> None:
    switch = Terms((PAYEE,), takes_wage=True)
    took = Line("pay_1", DAY, 1, ledger.executed("zarinpal", 1_000, 100))
    one = seal(BOOK, None, (DAY, DAY), Lines.of([took], []), switch, at_ms=1)
    back = ledger.reversal(ledger.paid_out(one.payout_minor, one.wage_minor))
    day = DAY + dt.timedelta(1)
    lines = Lines.of([Line(f"r:{one.payout_id}", day, 2, back)], [])
    two = seal(BOOK, one, (day, day), lines, switch, at_ms=2)
    assert (one.payout_minor, one.wage_minor, one.fees_minor) == (900, 100, 0)
    assert (two.payout_minor, two.wage_minor, two.fees_minor) == (900, 100, 0)


def test_elsewhere_our_fee_stays_where_it_is() -> None:
    took = Line("pay_1", DAY, 1, ledger.executed("zarinpal", 1_000, 100))
    found = seal(BOOK, None, (DAY, DAY), Lines.of([took], []), PAID, at_ms=1)
    assert (found.wage_minor, found.fees_minor) == (0, 100)


def test_a_referrer_s_share_is_known_until_it_is_in_its_book() -> None:
    took = ledger.executed("zarinpal", 1_000, 100, {"mer_00000A": 20})
    lines = Lines.of([Line("pay_1", DAY, 1, took)], [])
    found = seal(BOOK, None, (DAY, DAY), lines, PAID, at_ms=1)
    assert found.unshared == {"mer_00000A": 20}
    assert dataclasses.replace(found, shared=frozenset({"mer_00000A"})).unshared == {}
    assert found.fees_minor == 80


# ── lines ─────────────────────────────────────────────────────────────────────────────────────

ids = st.text(min_size=1, max_size=12).filter(lambda t: t.isprintable()) | st.from_regex(
    r"[xfcr]:pay_[0-9A-Z]{4}(:[ -~]{1,8})?", fullmatch=True
)
movements = st.builds(
    Line,
    ids,
    st.dates(),
    st.integers(0, 1 << 45),
    st.dictionaries(st.text(max_size=8), st.integers(-AMOUNT_MAX, AMOUNT_MAX), max_size=4),
)
contents = st.tuples(
    st.lists(movements, max_size=6, unique_by=lambda x: x.id), st.lists(ids, max_size=4)
)


@given(contents)
def test_lines_are_read_back_as_written(content: tuple[list[Line], list[str]]) -> None:
    lines = Lines.of(*content)
    assert Lines.from_bytes(lines.to_bytes()) == lines
    assert Lines.from_bytes(lines.to_bytes()).to_bytes() == lines.to_bytes()


@given(contents, st.randoms(use_true_random=False))
def test_the_order_they_are_met_in_changes_no_byte(
    content: tuple[list[Line], list[str]], random: Any
) -> None:
    movements, open_ids = content
    before = Lines.of(movements, open_ids).to_bytes()
    mixed = [
        dataclasses.replace(x, legs=dict(random.sample(list(x.legs.items()), len(x.legs))))
        for x in random.sample(movements, len(movements))
    ]
    again = random.sample(open_ids, len(open_ids)) + open_ids[:1]
    assert Lines.of(mixed, again).to_bytes() == before


@given(books, st.integers(1, 10**8 - 1), st.binary(), st.binary())
def test_another_content_is_another_object(book: Book, n: int, one: bytes, other: bytes) -> None:
    key = lines_key(book, n, one)
    assert key == f"lines/{book.key}/{n:08d}/{hashlib.sha256(one).hexdigest()}"
    assert (lines_key(book, n, other) == key) == (one == other)


def test_a_seal_names_its_lines_by_their_digest() -> None:
    lines = Lines.of([line("pay_1", 5)], ["pay_2"])
    found = seal(BOOK, None, (DAY, DAY), lines, UNPAID, at_ms=1)
    assert found.lines_digest == hashlib.sha256(lines.to_bytes()).hexdigest()
    assert found.lines_key == lines_key(BOOK, 1, lines.to_bytes())
