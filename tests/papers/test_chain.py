"""Files of statements: golden bytes, what they sum to, and that any change is found."""

import hashlib
import io
import random
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from decimal import Decimal
from itertools import chain as chained
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payvand import ledger, settlement
from payvand.ids import Book
from payvand.papers import (
    Broken,
    Line,
    Statement,
    Torn,
    close,
    read,
    statement_csv,
    verify,
)
from payvand.papers.chain import COLUMNS, Source
from tests.papers import samples

BOOKS = [Book("mer_000007", "live", currency) for currency in ("IRR", "EUR")]


def source(content: bytes) -> Source:
    return lambda: io.BytesIO(content)


def cells(content: bytes) -> list[dict[str, str]]:
    """Read as anybody would, without our reader."""
    import csv

    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def test_golden() -> None:
    sealed = samples.chain(2, 2, book=BOOKS[1])
    _, content = samples.made(sealed, ["Rēķins, Nr. 7", "=1+1"])
    file = Path(__file__).parent / "files/statement.csv"
    assert content == file.read_bytes()


def test_the_file_and_what_it_says_are_one() -> None:
    sealed = samples.chain(3, 9)
    statement, content = samples.made(sealed, ["", "سفارش ۱", "'=x", 'a"b,c'])
    assert hashlib.sha256(content).hexdigest() == statement.digest
    assert read(source(content)) == statement
    lines = samples.lines_of(sealed, ["", "سفارش ۱", "'=x", 'a"b,c'])
    assert b"".join(statement_csv(statement, lines)) == content


def test_other_lines_are_not_written_as_the_statement() -> None:
    sealed = samples.chain(1, 4)
    statement, _ = samples.made(sealed)
    with pytest.raises(Torn):
        list(statement_csv(statement, samples.lines_of(sealed, ["other"])))


@given(st.integers(1, 5), st.integers(0, 15), st.integers(0, 99), st.sampled_from(BOOKS))
def test_all_that_is_summed_agrees(days: int, a_day: int, seed: int, book: Book) -> None:
    sealed = samples.chain(days, a_day, seed=seed, book=book)
    statement, content = samples.made(sealed)
    rows = cells(content)

    def total(record: str, column: str) -> Decimal:
        return sum((Decimal(row[column]) for row in rows if row["record"] == record), Decimal(0))

    (closing,) = (row for row in rows if row["record"] == "closing")
    for column in ("amount", "fee", "referral"):
        assert total("line", column) == total("total", column) == Decimal(closing[column])
    (opening,) = (row for row in rows if row["record"] == "opening")
    moved = total("line", "amount") - total("line", "fee")
    assert Decimal(opening["balance"]) + moved == Decimal(closing["balance"])
    unit = Decimal(10) ** (0 if book.currency == "IRR" else 2)
    legs = ledger.total(line.legs for one in sealed for line in one.lines)
    paid = sum(one.seal.payout_minor for one in sealed)
    assert Decimal(closing["balance"]) * unit == ledger.owed(legs) - paid
    assert total("line", "fee") - total("line", "referral") == -legs.get(ledger.FEE, 0) / unit
    lines = [row for row in rows if row["record"] == "line"]
    assert [int(row["number"]) for row in lines] == list(range(1, len(lines) + 1))
    assert len(lines) == int(closing["count"]) == statement.whole.count
    kinds = [row["kind"] for row in rows if row["record"] == "total"]
    assert kinds == sorted({row["kind"] for row in lines})
    assert total("transfer", "amount") == -sum(
        Decimal(row["amount"]) for row in lines if row["kind"] == "payout"
    )


def test_every_row_has_every_column() -> None:
    _, content = samples.made(samples.chain(2, 3))
    rows = cells(content)
    assert all(set(row) == set(COLUMNS) and None not in row.values() for row in rows)
    assert {row["currency"] for row in rows} == {"IRR"}


def test_only_the_last_column_holds_text_of_outsiders() -> None:
    """So that every other can be cut at commas by hand."""
    sealed = samples.chain(2, 9)
    _, content = samples.made(sealed, ['a,"b', "x,,,y"])
    for row in content.decode("utf-8-sig").splitlines():
        *cells_before, _ = row.split(",", len(COLUMNS) - 1)
        assert len(cells_before) == len(COLUMNS) - 1
        assert '"' not in "".join(cells_before)


# ── chains ────────────────────────────────────────────────────────────────────────────────────


def known(made: list[tuple[Statement, bytes]]) -> list[tuple[Source, str]]:
    return [(source(content), statement.digest) for statement, content in made]


def test_a_chain_holds() -> None:
    made = samples.statements(samples.chain(7, 4), 2)
    assert verify(known(made)) == made[-1][0].link
    assert verify(known(made[2:]), after=made[1][0].link) == made[-1][0].link
    assert verify([]) is None


CHAINS: dict[str, Callable[[list[tuple[Source, str]]], list[tuple[Source, str]]]] = {
    "one is missing": lambda c: [c[0], *c[2:]],
    "the first is missing": lambda c: c[1:],
    "another order": lambda c: [c[1], c[0], *c[2:]],
    "one is there twice": lambda c: [c[0], *c],
    "digests changed places": lambda c: [(c[0][0], c[1][1]), (c[1][0], c[0][1]), *c[2:]],
}


@pytest.mark.parametrize("change", CHAINS.values(), ids=CHAINS)
def test_a_chain_with_a_gap_is_broken(
    change: Callable[[list[tuple[Source, str]]], list[tuple[Source, str]]],
) -> None:
    chain = known(samples.statements(samples.chain(6, 2), 2))
    with pytest.raises(Broken):
        verify(change(chain))


def test_any_changed_byte_is_found() -> None:
    made = samples.statements(samples.chain(4, 2), 2)
    chance = random.Random(7)
    content = made[0][1]
    for at in chance.sample(range(len(content)), 150):
        changed = bytearray(content)
        changed[at] ^= 1 << chance.randrange(8)
        with pytest.raises(Broken):
            verify([(source(bytes(changed)), made[0][0].digest), *known(made[1:])])


def test_a_changed_file_with_a_new_digest_is_found_by_the_next() -> None:
    """Who changes a statement so that it still adds up must change all that follow."""
    made = samples.statements(samples.chain(4, 2), 2)
    content = made[0][1].replace("فروشگاه".encode(), "فروشنده".encode())
    digest = hashlib.sha256(content).hexdigest()
    assert read(source(content)).digest == digest
    with pytest.raises(Broken, match="statement 2 names another digest"):
        verify([(source(content), digest), *known(made[1:])])


def others(value: object) -> Iterator[tuple[str, object]]:
    """Each number and text of a value, and another one in its place."""
    for field in fields(value):  # type: ignore[arg-type]
        now = getattr(value, field.name)
        if type(now) is int:
            yield field.name, now + 1
        elif type(now) is str:
            yield field.name, now + "0" if now[-1:].isdigit() else now + "x"


def variants(statement: Statement, lines: list[Line]) -> Iterator[tuple[Statement, list[Line]]]:
    """The statement with one field changed, each field of each kind of value once."""
    for name, new in others(lines[0]):
        if (line := try_replace(lines[0], name, new)) is not None:
            yield statement, [line, *lines[1:]]
    head = statement.head
    heads = [try_replace(head, name, new) for name, new in others(head)]
    for name, new in others(head.marks[0]):
        if (mark := try_replace(head.marks[0], name, new)) is not None:
            heads.append(try_replace(head, "marks", (mark, *head.marks[1:])))
    yield from ((replace(statement, head=new), lines) for new in heads if new is not None)


def try_replace[T](value: T, name: str, new: object) -> T | None:
    """None when the value itself refuses."""
    try:
        return replace(value, **{name: new})  # type: ignore[type-var]
    except Torn:
        return None


def test_any_single_changed_field_changes_the_digest_or_is_refused() -> None:
    sealed = samples.chain(2, 3)
    statement, _ = samples.made(sealed, ["r"])
    lines = list(samples.lines_of(sealed, ["r"]))
    found = 0
    for changed, with_lines in variants(statement, lines):
        found += 1
        try:
            digest = close(changed.head, with_lines).digest
        except Torn:
            continue
        assert digest != statement.digest
    assert found > 12


# ── files that are none ───────────────────────────────────────────────────────────────────────

GOOD = samples.made(samples.chain(2, 2))[1]
ROWS = GOOD.split(b"\r\n")
BAD: dict[str, bytes] = {
    "empty": b"",
    "only a mark": b"\xef\xbb\xbf",
    "only the head": ROWS[0] + b"\r\n",
    "binary": bytes(range(256)) * 9,
    "UTF-16": GOOD.decode("utf-8-sig").encode("utf-16"),
    "no byte-order mark": GOOD[3:],
    "other line ends": GOOD.replace(b"\r\n", b"\n"),
    "cut in a row": GOOD[: len(GOOD) // 2],
    "cut after a row": b"\r\n".join(ROWS[:6]) + b"\r\n",
    "no closing": b"\r\n".join([*ROWS[:-2], b""]),
    "a row more": GOOD + ROWS[3] + b"\r\n",
    "an unknown row": GOOD + b"x" + b"," * (len(COLUMNS) - 1) + b"\r\n",
    "an empty row": GOOD + b"\r\n",
    "a row twice": GOOD.replace(ROWS[3], ROWS[3] + b"\r\n" + ROWS[3]),
    "a cell more": GOOD.replace(ROWS[3], ROWS[3] + b","),
    "a quote left open": GOOD.replace(ROWS[3], ROWS[3] + b'"'),
    "a huge cell": GOOD.replace(ROWS[3], ROWS[3] + b"x" * 200_000),
    "a huge number": GOOD.replace(b"line,1,1", b"line,1," + b"9" * 9_000),
    "Persian digits": GOOD.replace(b"line,1,1", "line,۱,1".encode()),
    "another currency": GOOD.replace(b",IRR,", b",EUR,"),
    "no currency": GOOD.replace(b",IRR,", b",XXX,"),
    "another book": GOOD.replace(b"mer_000007.live", b"mer_00000U.live"),
    "another format": GOOD.replace(b"book,1", b"book,2"),
    "half a byte": GOOD[:-1] + b"\xc3",
    "NUL": GOOD.replace(b"payment", b"paym\0nt"),
    "a day that is none": GOOD.replace(b"2026-03-18,2026", b"2026-02-30,2026"),
    "a time without an offset": GOOD.replace(b"000Z,payment", b"000,payment"),
    "an amount with a sign more": GOOD.replace(b"payment,,", b"payment,,+"),
}


@pytest.mark.parametrize("content", BAD.values(), ids=BAD)
def test_what_is_no_statement_is_told_apart(content: bytes) -> None:
    assert content != GOOD
    with pytest.raises(Broken) as broken:
        read(source(content))
    assert "mer_" not in str(broken.value)


SAID = {
    "UTF-16": "not UTF-8",
    "only the head": "a row is missing",
    "a cell more": "row 4: 16 cells are needed",
    "an empty row": "16 cells are needed",
    "another format": "another format",
    "an unknown row": "has ended",
    "no currency": "not spelt as it must be",
    "a quote left open": "not comma-separated",
}


@pytest.mark.parametrize("name", SAID)
def test_what_is_wrong_is_said(name: str) -> None:
    with pytest.raises(Broken, match=SAID[name]):
        read(source(BAD[name]))


def test_a_file_with_other_columns_is_another_file() -> None:
    with pytest.raises(Broken, match="row 1: not the columns"):
        read(source(GOOD.replace(b"referral,balance", b"balance,referral", 1)))


@given(st.binary(max_size=300))
def test_noise_is_no_statement(content: bytes) -> None:
    with pytest.raises(Broken):
        read(source(content))


def test_the_first_row_that_is_wrong_is_named() -> None:
    at = next(n for n, row in enumerate(ROWS) if row.startswith(b"total,"))
    wrong = [*ROWS[:at], ROWS[at].replace(b"payment", b"refund"), *ROWS[at + 1 :]]
    with pytest.raises(Broken, match=f"row {at + 1} "):
        read(source(b"\r\n".join(wrong)))


# ── size ──────────────────────────────────────────────────────────────────────────────────────


def test_memory_does_not_grow_with_the_lines() -> None:
    """20 000 lines and their file are written, verified and thrown away."""
    day = samples.FIRST
    legs = ledger.executed("zarinpal", 1_000, 10)
    one = settlement.Line("pay_1", day, 1_000, legs)
    (sealed,) = samples.chain(1, 0)
    count = 20_000
    net = ledger.owed(legs) * count
    seal = replace(sealed.seal, count=count, closing_minor=net)

    def lines() -> Iterator[Line]:
        for _ in range(count):
            yield Line.of(one, seal, kind="payment", subject="pay_1")

    head = samples.head([samples.Sealed(seal, ())])
    tracemalloc.start()
    try:
        close(head, chained(lines()))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2_000_000
