"""The table door: what a spreadsheet and a person do to a file on its way there and back."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payvand.bank import FormatError, Order, Outcome, Transfer, Verdict, spreadsheet
from payvand.bank.spreadsheet import Answers, payout_file, read_answers
from payvand.money import AMOUNT_MAX, DECIMALS
from tests.bank.euros import head, iban

RUB = head(currency="RUB")


def pay(n: int = 1, minor: int = 123_456, name: str = "ООО «Ромашка»") -> Order:
    return Order(f"po_{n}", (Transfer(f"po_{n}", minor, iban(), name),))


def read(text: str, currency: str = "RUB") -> Answers:
    return read_answers(text.encode(), currency)


def verdicts(found: Answers) -> dict[str, str]:
    return {outcome.reference: str(outcome.verdict) for outcome in found.outcomes}


# ── out ───────────────────────────────────────────────────────────────────────────────────────────
def test_the_file_is_these_bytes() -> None:
    two = Order("po_2", (Transfer("po_2-1", 5, iban(), "a"), Transfer("po_2-2", 70, iban(), "b")))
    assert payout_file(RUB, [pay(name='Rose, "Red"'), two]).decode() == (
        "\ufeffreference,payout,date,currency,amount,iban,name\r\n"
        f'po_1,po_1,2026-05-06,RUB,1234.56,{iban()},"Rose, ""Red"""\r\n'
        f"po_2-1,po_2,2026-05-06,RUB,0.05,{iban()},a\r\n"
        f"po_2-2,po_2,2026-05-06,RUB,0.70,{iban()},b\r\n"
    )
    assert not payout_file(RUB, [pay()], bom=False).startswith(b"\xef\xbb\xbf")


@given(
    st.lists(st.tuples(st.integers(1, AMOUNT_MAX), st.text(max_size=60)), min_size=1, max_size=9),
    st.sampled_from(sorted(DECIMALS)),
)
def test_any_names_and_amounts_come_back_whole_and_compute_nothing(
    wanted: list[tuple[int, str]], currency: str
) -> None:
    orders = [pay(n, minor, name) for n, (minor, name) in enumerate(wanted)]
    body = payout_file(head(currency=currency), orders)
    assert body == payout_file(head(currency=currency), list(orders))
    rows = list(csv.reader(io.StringIO(body.decode("utf-8-sig"), newline=""), strict=True))
    assert [len(row) for row in rows] == [7] * (len(orders) + 1)
    digits = DECIMALS[currency]
    assert [int(row[4].replace(".", "")) for row in rows[1:]] == [minor for minor, _ in wanted]
    assert all(digits == 0 or row[4][-digits - 1] == "." for row in rows[1:])
    for row in rows:
        for cell in row:
            assert not cell.startswith(
                ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
            )
            assert cell.isprintable()


@pytest.mark.parametrize(
    "name", ["=1+1", "+371", "-5", "@SUM(A1)", "\t=1", "＝1", " =1", "\u200f=1"]
)
def test_a_name_never_computes(name: str) -> None:
    row = payout_file(RUB, [pay(name=name)]).decode().splitlines()[1]
    assert row.rpartition(",")[2].startswith("'")


@pytest.mark.parametrize(
    ("orders", "why"),
    [
        ([], "no orders"),
        ([Order("po_1", ())], "no orders"),
        ([pay(), pay()], "po_1, transfer 1: the reference"),
        ([Order("po_1", (Transfer("a,b", 1, "", ""),))], "po_1, transfer 1: the reference"),
        ([pay(minor=0)], "po_1, transfer 1: the amount"),
        ([pay(minor=AMOUNT_MAX + 1)], "po_1, transfer 1: the amount"),
    ],
)
def test_what_no_file_can_carry_is_refused(orders: list[Order], why: str) -> None:
    with pytest.raises(FormatError, match=why):
        payout_file(RUB, orders)


def test_a_currency_that_is_not_ours_is_refused() -> None:
    with pytest.raises(FormatError, match="currency"):
        payout_file(head(currency="USD"), [pay()])
    with pytest.raises(FormatError, match="currency"):
        read("reference,status\n", "USD")


# ── back ──────────────────────────────────────────────────────────────────────────────────────────
def test_answers_in_full() -> None:
    found = read(
        "reference,status,code,reason,bank_reference\r\n"
        'po_1,executed,,,B77\r\npo_2,rejected,AC04,"closed, since\nMay",\r\n'
        "po_3,Returned ,,,\r\npo_4, PENDING,,,\r\n"
    )
    assert found.outcomes == (
        Outcome("po_1", Verdict.EXECUTED, bank_reference="B77"),
        Outcome("po_2", Verdict.REJECTED, "AC04", "closed, since May"),
        Outcome("po_3", Verdict.RETURNED),
        Outcome("po_4", Verdict.PENDING),
    )
    assert found.problems == ()


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("hint", [0, 1])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_columns_in_any_order_separator_and_encoding(
    separator: str,
    hint: int,
    encoding: str,
) -> None:
    rows = (
        ("Bank Reference", '"STATUS"', "note", "Amount", " reference "),
        ("B1", "executed", "x", '"1 234,50"', "po_1"),
        ("", "rejected", '"a;b,c\td"', "7", "'po_2"),
    )
    text = "".join(separator.join(row) + "\r\n" for row in rows)
    text = f"sep={separator}\r\n{text}" if hint else text
    found = read_answers(text.encode(encoding), "RUB")
    assert [(row.outcome.reference, row.amount_minor, row.line) for row in found.rows] == [
        ("po_1", 123_450, 2 + hint),
        ("po_2", 700, 3 + hint),
    ]
    assert found.rows[0].outcome.bank_reference == "B1"


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("1234.56", "RUB", 123_456),
        ("1234,56", "RUB", 123_456),
        ("1 234,5", "RUB", 123_450),
        ("1\u00a0234\u202f567,80", "RUB", 123_456_780),
        ("1.234,56", "TRY", 123_456),
        ("1,234.56", "TRY", 123_456),
        ("1'234.56", "EUR", 123_456),
        ("1.234", "TRY", 123_400),
        ("1,234,567", "TRY", 123_456_700),
        ("۱۲۳۴٫۵۶", "TRY", 123_456),
        ("۱٬۲۳۴٫۵", "TRY", 123_450),
        ("١٬٢٣٤٫٥٦", "TRY", 123_456),
        ("\u200f۱۲۳۴٫۵۶\u200e", "TRY", 123_456),
        ("۲٬۵۰۰٬۰۰۰", "IRR", 2_500_000),
        ("2.500.000", "IRR", 2_500_000),
        ("5", "IRR", 5),
        ("", "RUB", None),
    ],
)
def test_amounts_as_people_write_them(text: str, currency: str, minor: int | None) -> None:
    found = read(f"reference;status;amount\npo_1;executed;{text}\n", currency)
    assert ([row.amount_minor for row in found.rows], found.problems) == ([minor], ())


@pytest.mark.parametrize(
    "text",
    [
        *("-5", "0", "0.00", "five", "1.23.45", "1,2,3", "1.5.", "5,", ".5", "1.234.56", "12.3456"),
        *("1,234,56", "1.234.567.89", "1٫234", "1٫2٫3", "१२", "1e3", "9" * 16, "=5", "5 RUB", "∞"),
    ],
)
def test_an_amount_that_is_none_makes_its_row_unclear_and_loses_no_other(text: str) -> None:
    found = read(f"reference;amount;status\npo_1;{text};executed\npo_2;1;executed\n")
    assert verdicts(found) == {"po_1": "unknown", "po_2": "executed"}
    (problem,) = found.problems
    assert problem.startswith("line 2: the amount is ")


def test_a_fraction_of_a_rial_is_no_amount() -> None:
    found = read("reference,status,amount\npo_1,executed,12.5\n", "IRR")
    assert verdicts(found) == {"po_1": "unknown"}


@pytest.mark.parametrize("status", ["", "paid", "executed?", "exécuted", "unknown", "انجام شد"])
def test_any_other_word_decides_nothing(status: str) -> None:
    found = read(f"reference,status\npo_1,{status}\npo_2,executed\n")
    assert verdicts(found) == {"po_1": "unknown", "po_2": "executed"}
    assert found.problems == (
        "line 2: the status is none of executed, rejected, returned, pending",
    )


def test_rows_that_are_not_clear_are_named_and_lose_no_other() -> None:
    found = read(
        "reference,status,reason\n"
        ",executed,\n"
        "\n"
        " , , \n"
        "po 3,executed,\n"
        "po_4,rejected,closed, since May\n"
        "po_5\n"
        "po_6,executed\n"
    )
    assert verdicts(found) == {"po_4": "unknown", "po_5": "unknown", "po_6": "executed"}
    assert found.problems == (
        "line 2: no reference of ours",
        "line 5: no reference of ours",
        "line 6: more cells than the header has columns",
        "line 7: the status is none of executed, rejected, returned, pending",
    )


def test_two_answers_to_one_reference_decide_nothing() -> None:
    found = read("reference,status\npo_1,executed\npo_2,executed\npo_1,rejected\npo_1,executed\n")
    assert verdicts(found) == {"po_1": "unknown", "po_2": "executed"}
    assert found.problems == (
        "line 4: another answer to the reference of line 2",
        "line 5: another answer to the reference of line 2",
    )
    found = read("reference,status,amount\npo_1,executed,1\npo_1,executed,2\n")
    assert verdicts(found) == {"po_1": "unknown"}
    found = read("reference,status,amount\npo_1,executed,1\npo_1,executed,1.00\n")
    assert (verdicts(found), found.problems) == ({"po_1": "executed"}, ())


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "empty"),
        (b"\xef\xbb\xbf \r\n", "empty"),
        (b"\r\n\r\n", "empty"),
        (b"a,b,c\n1,2,3\n", "no columns reference and status"),
        (b"reference status\n", "no columns reference and status"),
        (b"reference,status,status\n", "line 1: a column stands twice"),
        (b'reference,status\npo_1,"executed\n', "line 2: "),
        (b'reference,status\npo_1,"exec"uted\n', "line 2: "),
        (b'"reference', "line 1: "),
        (b"reference,status\npo_1," + b"x" * 200_000 + b"\n", "line 2: field larger"),
        ("reference,status\npo_1,исполнен\n".encode("cp1251"), "byte 23: not UTF-8"),
        (b"\xff\xfea", "not UTF-8"),
        (b"reference,status\n" + b"\n" * spreadsheet.SIZE_MAX_BYTES, "more than 16777216 bytes"),
        (b"<html>", "no columns"),
    ],
)
def test_a_file_that_is_no_table_of_answers_says_why(body: bytes, why: str) -> None:
    with pytest.raises(FormatError, match=why):
        read_answers(body, "RUB")


def test_our_own_file_with_two_columns_added_is_an_answer() -> None:
    lines = payout_file(RUB, [pay(1), pay(2, 70)]).decode().splitlines()
    text = "\r\n".join(
        line + more
        for line, more in zip(lines, (",status,code", ",executed,", ",rejected,AC04"), strict=True)
    )
    found = read(text)
    assert verdicts(found) == {"po_1": "executed", "po_2": "rejected"}
    assert [row.amount_minor for row in found.rows] == [123_456, 70]


def test_problems_and_errors_never_repeat_a_cell() -> None:
    found = read(
        "reference,status,amount\nSECRET 1,executed,1\npo_1,SECRET,1\npo_2,executed,SECRET\n"
    )
    assert len(found.problems) == 3
    assert "SECRET" not in str(found.problems)


@given(st.binary(max_size=200), st.sampled_from(sorted(DECIMALS)))
def test_any_bytes_are_read_or_refused(body: bytes, currency: str) -> None:
    for whole in (body, b"reference,status,amount\n" + body):
        try:
            found = read_answers(whole, currency)
        except FormatError:
            continue
        assert len({row.outcome.reference for row in found.rows}) == len(found.rows)
