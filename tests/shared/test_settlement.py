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
from payvand.settlement import (
    GENESIS,
    Line,
    Lines,
    Payee,
    PayoutState,
    Seal,
    follows,
    lines_key,
    seal,
    with_state,
)
from tests.shared.samples import BOOK, DAY, books

PAYEE = Payee(b"sealed", "9088", "فروشگاه")
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
        payee = PAYEE if has_account else None
        chain.append(seal(BOOK, last, first, through, lines, at_ms=n, payee=payee))
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
        assert (found.iban is not None) == (found.payout_minor > 0)
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
    assert chain[0].payee is None


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


SAID_LATER: dict[str, Any] = {
    "state": PayoutState.RETURNED,
    "state_at_ms": 5,
    "paid_at_ms": 6,
    "bank_code": "AC04",
    "bank_reason": "closed",
    "bank_reference": "b1",
}
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
    "iban": b"another",
    "iban_last4": "0000",
    "payee": "another",
}


def test_every_field_is_sealed_or_said_later() -> None:
    names = {field.name for field in dataclasses.fields(Seal)}
    assert names == SEALED.keys() | SAID_LATER.keys()


@pytest.mark.parametrize("name", SEALED)
def test_another_sealed_field_is_another_digest(name: str) -> None:
    (found,) = run([([300], True)])
    changed = dataclasses.replace(found, **{name: SEALED[name]})
    assert getattr(found, name) != getattr(changed, name)
    assert found.digest != changed.digest


@pytest.mark.parametrize("name", SAID_LATER)
def test_what_the_bank_says_changes_no_digest(name: str) -> None:
    (found,) = run([([300], True)])
    changed = dataclasses.replace(found, **{name: SAID_LATER[name]})
    assert getattr(found, name) != getattr(changed, name)
    assert found.digest == changed.digest


def test_the_bank_s_word_is_put_beside_the_seal() -> None:
    (found,) = run([([300], True)])
    told = with_state(found, PayoutState.EXECUTED, 9, bank_reference="b1")
    assert (told.state, told.state_at_ms, told.bank_reference) == ("executed", 9, "b1")
    assert told.digest == found.digest


def test_one_digest_holds_all_before_it() -> None:
    days: list[tuple[list[int], bool]] = [([300], True), ([200], True), ([100], True)]
    changed = [([299], True), *days[1:]]
    assert run(days)[-1].digest != run(changed)[-1].digest
    assert run(days)[0].previous == GENESIS


def test_journals_that_do_not_balance_are_never_sealed() -> None:
    lines = Lines.of([Line("pay_1", DAY, 1, {ledger.PAYABLE: 1})], [])
    with pytest.raises(AssertionError):
        seal(BOOK, None, DAY, DAY, lines, at_ms=1, payee=None)


def test_accounts_that_cancel_out_are_left_out_of_the_sums() -> None:
    lines = Lines.of([line("pay_1", 5), line("f:pay_1:k", -5)], [])
    assert seal(BOOK, None, DAY, DAY, lines, at_ms=1, payee=PAYEE).sums == {}


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
    found = seal(BOOK, None, DAY, DAY, lines, at_ms=1, payee=None)
    assert found.lines_digest == hashlib.sha256(lines.to_bytes()).hexdigest()
    assert found.lines_key == lines_key(BOOK, 1, lines.to_bytes())
