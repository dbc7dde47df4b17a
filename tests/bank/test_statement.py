"""A table of an account's movements that a person keeps."""

import datetime as dt

import pytest

from payvand.bank import Entry, FormatError
from payvand.bank.reports import read

HEAD = "id,date,amount,currency,reference\n"


def test_a_table_is_read_whatever_program_wrote_it() -> None:
    told = read("statement", f"{HEAD}7,2026-05-04,-12.50,EUR,po_1\n".encode(), "statement:EUR")
    entry = Entry("statement:EUR", "7", dt.date(2026, 5, 4), -1_250, "EUR", "po_1")
    assert told.entries == (entry,)
    rows = "ID;Reference;Currency;Date;Amount\r\n7;po_1;eur;04.05.2026;-12,50\r\n\r\n"
    for content in (rows.encode("utf-8-sig"), rows.encode("utf-16")):
        assert read("statement", content, "statement:EUR").entries == (entry,)


def test_digits_of_any_script_are_digits() -> None:
    told = read("statement", f"{HEAD}۷,۱۴۰۵/۰۲/۱۴,۲۵۰۰۰۰,IRR,\n".encode(), "statement:IRR")
    (entry,) = told.entries
    assert (entry.id, entry.booked_on, entry.amount_minor) == (
        "7", dt.date(2026, 5, 4), 250_000,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (",2026-05-04,1,IRR,", "id is missing"),
        ("1,soon,1,IRR,", "date is not a date"),
        ("1,2026-05-04,1.5,IRR,", "amount is finer than the currency"),
        ("1,2026-05-04,0,IRR,", "amount is 0"),
        ("1,2026-05-04,1,rials,", "currency is not three letters"),
        ("1,2026-05-04,1,IRR", "4 cells under 5 columns"),
        (f"1,2026-05-04,{'9' * 16},IRR,", "amount is too large"),
    ],
)
def test_a_line_that_cannot_be_read_is_a_problem_and_the_others_count(row: str, why: str) -> None:
    told = read("statement", f"{HEAD}{row}\n2,2026-05-04,5,IRR,x\n".encode(), "statement:IRR")
    assert [(problem.line, problem.text) for problem in told.problems] == [(2, why)]
    assert [entry.id for entry in told.entries] == ["2"]


@pytest.mark.parametrize(
    "content", [b"", b"\n\n", b"id,date\n1,2", b"PK\x03\x04", b"\xff\xfe\xd8", b'{"data": []}']
)
def test_what_is_no_table_is_refused(content: bytes) -> None:
    with pytest.raises(FormatError):
        read("statement", content, "statement:IRR")
