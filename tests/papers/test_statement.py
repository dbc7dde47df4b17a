"""A statement's values: what follows from the legs, and what is refused because it does not fit."""

import datetime as dt
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payvand import ledger, settlement
from payvand.ids import Book
from payvand.pages.text import clean
from payvand.papers import Head, Line, Link, Mark, Torn, Transfer, by_time, close
from payvand.papers.statement import SORTED_MAX, joins, one_line, walk
from payvand.settlement import GENESIS
from tests.papers import samples
from tests.papers.samples import BOOK, FIRST, SHARED, Sealed

DAY = dt.timedelta(1)
SEAL = samples.chain(1, 0)[0].seal


def line(legs: ledger.Legs, *, kind: str = "payment", reference: str = "") -> Line:
    made = settlement.Line("pay_1", FIRST, 1_000, legs)
    return Line.of(made, SEAL, kind=kind, subject="pay_1", reference=reference)


@pytest.mark.parametrize(
    ("legs", "amount", "fee", "referral"),
    [
        (ledger.executed("zarinpal", 100_000, 1_000), 100_000, 1_000, 0),
        (ledger.executed("zarinpal", 100_000, 1_000, {SHARED: 200}), 100_000, 1_000, 200),
        (ledger.executed("zarinpal", 100_000, 0), 100_000, 0, 0),
        (ledger.refunded("zarinpal", 70), -70, 0, 0),
        (ledger.reversal(ledger.refunded("zarinpal", 70)), 70, 0, 0),
        (ledger.reversal(ledger.paid_out(500, 20)), 500, 0, 0),
        (ledger.earned(BOOK.merchant_id, 200), 200, 0, 0),
        ({ledger.FEE: 30, ledger.PAYABLE: -30}, 0, -30, 0),
        ({"suspense": 30, ledger.PAYABLE: -30}, 30, 0, 0),
    ],
)
def test_amount_fee_and_referral_follow_from_the_legs(
    legs: ledger.Legs, amount: int, fee: int, referral: int
) -> None:
    made = line(legs)
    assert (made.amount_minor, made.fee_minor, made.referral_minor) == (amount, fee, referral)
    assert made.net_minor == ledger.owed(legs)


def test_a_reference_is_one_visible_line() -> None:
    assert line({}, reference="a\r\nb\u202e\x00c\ud800").reference == "a b c\ufffd"
    assert len(line({}, reference="x" * 999).reference) == 200


@given(st.text(max_size=250))
def test_one_line_is_what_pages_show(text: str) -> None:
    assert one_line(text) == clean(text, 200)


@pytest.mark.parametrize("kind", ["", "Payment", "a b", "=x", "x" * 33, "paym\0nt"])
def test_a_kind_is_one_word(kind: str) -> None:
    with pytest.raises(Torn, match="kind"):
        line({}, kind=kind)


def test_a_reference_that_was_not_cleaned_is_refused() -> None:
    with pytest.raises(Torn, match="one line"):
        replace(line({}), reference="a\nb")


@pytest.mark.parametrize(("id", "subject"), [("a b", "x"), ("a", "x,y"), ("=a", "x"), ("a", "é")])
def test_entries_and_subjects_are_ids(id: str, subject: str) -> None:
    made = settlement.Line(id, FIRST, 0, {})
    with pytest.raises(Torn, match="ids"):
        Line.of(made, SEAL, kind="payment", subject=subject)


def test_lines_are_in_the_order_of_time() -> None:
    (sealed,) = samples.chain(1, 40)
    times = [made.at_ms for made in by_time(sealed.seal, sealed.lines)]
    assert times == sorted(times) != [made.at_ms for made in sealed.lines]


def test_very_many_lines_keep_the_order_of_their_seal() -> None:
    (sealed,) = samples.chain(1, 40)
    many = replace(sealed.seal, count=SORTED_MAX + 1)
    assert by_time(many, sealed.lines) == list(sealed.lines)


# ── heads ─────────────────────────────────────────────────────────────────────────────────────


def test_a_head_takes_all_from_the_seals() -> None:
    sealed = samples.chain(3, 4)
    head = samples.head(sealed)
    last = sealed[-1].seal
    assert (head.first, head.through) == (FIRST, FIRST + 2 * DAY)
    assert (head.number, head.seal, head.previous) == (1, 0, GENESIS)
    assert head.closing_minor == last.closing_minor
    assert [mark.digest for mark in head.marks] == [one.seal.digest for one in sealed]
    first = head.marks[0]
    assert (first.payout, first.payout_minor) == (
        str(sealed[0].seal.payout_id),
        sealed[0].seal.payout_minor,
    )
    assert [part.state for part in first.transfers] == ["executed"]
    assert first.transfers[0].bank_reference == sealed[0].seal.parts[0].bank_reference
    assert head.file == "statement-mer_000007.live.IRR-0001.csv"


def test_the_next_head_follows() -> None:
    first, second = samples.statements(samples.chain(4, 3), 2)
    assert second[0].head.previous == first[0].digest
    assert second[0].head.number == 2
    assert second[0].head.opening_minor == first[0].head.closing_minor
    assert second[0].link.seal == 4


def test_a_period_without_seals_is_a_statement() -> None:
    sealed = samples.chain(2, 3)
    statement, _ = samples.made(sealed)
    period = FIRST + 2 * DAY, FIRST + 30 * DAY
    before = sealed[-1].seal
    head = Head.of(BOOK, "x", period, [], after=statement.link, before=before)
    empty = close(head, [])
    assert empty.whole.count == 0
    assert empty.head.closing_minor == before.closing_minor
    assert empty.link == Link(2, period[1], before.closing_minor, 2, empty.digest)


Change = Callable[[list[Sealed]], list[Sealed]]
CHAINS: dict[str, Change] = {
    "a seal is missing": lambda c: [c[0], c[2]],
    "seals in another order": lambda c: [c[1], c[0], c[2]],
    "a seal of another book": lambda c: [
        samples.with_seal(c[0], book=Book("mer_000009", "live", "IRR")),
        *c[1:],
    ],
    "a seal that was changed": lambda c: [samples.with_seal(c[0], count=99), *c[1:]],
    "the last is of another book": lambda c: [
        *c[:-1],
        samples.with_seal(c[-1], book=Book("mer_000009", "live", "IRR")),
    ],
    "the first is not the first": lambda c: c[1:],
}


@pytest.mark.parametrize("change", CHAINS.values(), ids=CHAINS)
def test_seals_that_form_no_chain_are_refused(change: Change) -> None:
    changed = change(samples.chain(3, 2))
    with pytest.raises(Torn):
        Head.of(BOOK, "x", (FIRST, FIRST + 9 * DAY), [one.seal for one in changed])


HEADS: dict[str, dict[str, object]] = {
    "number 0": {"number": 0, "previous": "1" * 64},
    "a seal before the first": {"seal": -1, "marks": ()},
    "number 2 without one before": {"number": 2},
    "number 1 after another": {"previous": "0" * 63 + "1"},
    "no digest before": {"number": 2, "previous": "x"},
    "ends before it begins": {"through": FIRST - DAY, "marks": ()},
    "a seal ends before the period": {"first": FIRST + DAY},
    "a seal ends after the period": {"through": FIRST + DAY},
    "a balance before the first seal": {"opening_minor": 1},
    "seals counted from another": {"seal": 1},
}


@pytest.mark.parametrize("change", HEADS.values(), ids=HEADS)
def test_a_head_that_contradicts_itself_is_refused(change: dict[str, object]) -> None:
    head = samples.head(samples.chain(3, 2))
    with pytest.raises(Torn):
        replace(head, **change)  # type: ignore[arg-type]


def test_seals_end_one_after_another() -> None:
    head = samples.head(samples.chain(3, 2))
    first, second, third = head.marks
    with pytest.raises(Torn, match="one after another"):
        replace(head, marks=(first, replace(second, through=first.through), third))


def test_a_statement_follows_the_one_before_it_and_no_other() -> None:
    """Also where a head was not made by `Head.of`."""
    sealed = samples.chain(4, 2)
    first, second = (made for made, _ in samples.statements(sealed, 2))
    joins(second.head, first.link)
    with pytest.raises(Torn, match="does not follow"):
        joins(replace(second.head, number=3), first.link)


LINKS: dict[str, dict[str, object]] = {
    "another day": {"through": FIRST},
    "another balance": {"closing_minor": 5},
    "another seal": {"seal": 1},
}


@pytest.mark.parametrize("change", LINKS.values(), ids=LINKS)
def test_a_statement_joins_the_one_before(change: dict[str, object]) -> None:
    sealed = samples.chain(4, 2)
    first, _ = samples.made(sealed[:2])
    rest, before = sealed[2:], sealed[1].seal
    assert samples.head(rest, after=first.link, before=before).number == 2
    with pytest.raises(Torn):
        samples.head(rest, after=replace(first.link, **change), before=before)  # type: ignore[arg-type]


MARKS: dict[str, dict[str, object]] = {
    "transfers of another sum": {"payout_minor": 1},
    "a payout without an id": {"payout": ""},
    "an id without a payout": {"payout_minor": 0, "transfers": ()},
    "a negative payout": {"payout_minor": -1, "transfers": (Transfer("x", -1, "1", "new", 0),)},
    "no digest": {"digest": "A" * 64},
    "a payout that is no id": {"payout": "po 1"},
}


@pytest.mark.parametrize("change", MARKS.values(), ids=MARKS)
def test_a_mark_that_contradicts_itself_is_refused(change: dict[str, object]) -> None:
    (sealed,) = samples.chain(1, 2)
    with pytest.raises(Torn):
        replace(Mark.of(sealed.seal), **change)  # type: ignore[arg-type]


# ── walking ───────────────────────────────────────────────────────────────────────────────────


def test_the_balance_runs_and_the_payout_stands_before_its_seal() -> None:
    sealed = samples.chain(2, 5)
    steps = list(walk(samples.head(sealed), samples.lines_of(sealed)))
    balance = 0
    for step in steps:
        if isinstance(step, Mark):
            assert step.closing_minor == balance
        else:
            balance += step[0].net_minor
            assert step[1] == balance
    kinds = ["seal" if isinstance(step, Mark) else step[0].kind for step in steps]
    assert kinds[-2:] == ["payout", "seal"]
    assert kinds.count("payout") == kinds.count("seal") == 2


WALKS: dict[str, Callable[[list[Line]], list[Line]]] = {
    "one is missing": lambda found: found[1:],
    "the last is missing": lambda found: found[:-1],
    "one too many": lambda found: [*found, found[-1]],
    "a seal after the next": lambda found: found[::-1],
    "a seal that is not there": lambda found: [*found, replace(found[-1], seal=9)],
    "another amount": lambda found: [replace(found[0], amount_minor=1), *found[1:]],
    "another fee": lambda found: [replace(found[0], fee_minor=-1), *found[1:]],
    "none": lambda _: [],
    "one too many that moves nothing": lambda found: [
        replace(found[0], amount_minor=0, fee_minor=0),
        *found,
    ],
    "a payout of its own": lambda found: [replace(found[0], kind="payout"), *found[1:]],
}


@pytest.mark.parametrize("change", WALKS.values(), ids=WALKS)
def test_lines_that_are_not_the_seals_are_refused(
    change: Callable[[list[Line]], list[Line]],
) -> None:
    sealed = samples.chain(2, 3)
    with pytest.raises(Torn):
        close(samples.head(sealed), change(list(samples.lines_of(sealed))))


def test_what_is_refused_says_no_value() -> None:
    sealed = samples.chain(1, 3)
    lines = [replace(found, amount_minor=424_242) for found in samples.lines_of(sealed)]
    with pytest.raises(Torn) as refused:
        close(samples.head(sealed, name="NAME"), lines)
    assert "424242" not in str(refused.value) and "NAME" not in str(refused.value)
