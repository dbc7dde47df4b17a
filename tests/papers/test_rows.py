"""What programs read exactly, and spreadsheets open safely."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payvand.money import CURRENCIES, DECIMALS
from payvand.papers import rows

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


@pytest.mark.parametrize(
    ("minor", "decimals", "text"),
    [
        (0, 0, "0"),
        (0, 2, "0.00"),
        (-5, 2, "-0.05"),
        (-1205, 2, "-12.05"),
        (999_999_999_999_999, 0, "999999999999999"),
        (-999_999_999_999_999, 2, "-9999999999999.99"),
    ],
)
def test_an_amount_is_a_decimal_made_of_integers(minor: int, decimals: int, text: str) -> None:
    assert rows.amount(minor, decimals) == text
    assert rows.minor(text, decimals) == minor


@given(st.integers(-(10**18), 10**18), st.sampled_from(CURRENCIES))
def test_amounts_come_back(minor: int, currency: str) -> None:
    assert rows.minor(rows.amount(minor, DECIMALS[currency]), DECIMALS[currency]) == minor


@pytest.mark.parametrize(
    "text",
    [
        *("", "-", "+1", "1e3", "01", "1,5", " 1", "1 ", "1.", ".5", "--1", "۱۲", "1_0", "0x1"),
        *("12.5", "12.505", "1\n", "NaN", "9" * 5_000),
    ],
)
def test_any_other_spelling_is_no_amount(text: str) -> None:
    with pytest.raises(ValueError, match=r"not an amount|digits"):
        rows.minor(text, 2)


@pytest.mark.parametrize("minor", [1.0, True, "1", None])
def test_what_is_no_integer_is_not_written(minor: object) -> None:
    with pytest.raises(TypeError):
        rows.amount(minor, 2)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ('=HYPERLINK("http://x")', '\'=HYPERLINK("http://x")'),
        ("+49 30", "'+49 30"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("＝1+1", "'＝1+1"),
        ("'quoted", "''quoted"),
        ("a;=1+1", "a;'=1+1"),
        ("a,-b", "a,'-b"),
        ("a|+b", "a|'+b"),
        ("plain - text = x", "plain - text = x"),
        ("سفارش ۱۲", "سفارش ۱۲"),
        ("", ""),
    ],
)
def test_text_of_outsiders_is_no_formula(text: str, written: str) -> None:
    assert rows.safe(text) == written
    assert rows.plain(written) == text


@given(TEXT)
def test_the_apostrophes_go_again(text: str) -> None:
    assert rows.plain(rows.safe(text)) == text


@given(TEXT, st.sampled_from(";,|"))
def test_no_cell_begins_a_formula_whatever_separates(text: str, separator: str) -> None:
    for cell in rows.safe(text).split(separator):
        assert not cell.startswith(("=", "+", "-", "@", "＝", "＋", "－", "＠")), cell


@given(st.lists(st.tuples(TEXT, st.integers()), max_size=20))
def test_a_reader_gets_what_was_written(given_rows: list[tuple[str, int]]) -> None:
    content = b"".join(rows.encoded(given_rows))
    read = list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True))
    assert [tuple(row) for row in read] == [(text, str(number)) for text, number in given_rows]
    assert content.startswith("\ufeff".encode())


def test_a_file_comes_in_chunks() -> None:
    taken = []

    def endless() -> object:
        for n in range(10**9):
            taken.append(n)
            yield n, "x"

    chunks = rows.encoded(endless())  # type: ignore[arg-type]
    next(chunks)
    next(chunks)
    assert len(taken) <= 2 * rows.ROWS_A_CHUNK
