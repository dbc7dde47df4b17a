"""The Paya reference file: what the switch paid in, whole or broken."""

import datetime as dt
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from persiantools.jdatetime import JalaliDate

from payvand.bank import Entry, FormatError, reports
from payvand.bank.paya import Credit, Cycle, acceptor_day, instruction, read, write
from payvand.money import AMOUNT_MAX
from payvand.reconcile import Expected, Kind, State, reconcile

FILES = Path(__file__).parent / "files/paya"
DAY = dt.date(2026, 5, 5)  # 1405-02-15
IIN, ACCEPTOR = "581672031", "000000012345678"
OURS = "IR870170000000123456789088"


def head(**changes: Any) -> Cycle:
    fields: dict[str, Any] = {
        "bank": "BMJI",
        "bank_code": "010",
        "created_at": dt.datetime(2026, 5, 6, 9, 45, 0),  # noqa: DTZ001 - a wall clock in Tehran
        "settled_on": dt.date(2026, 5, 6),
        "cycle": 2,
        "serial": 7,
        "debtor_iban": "IR062960000000100324200001",
        "debtor_name": "شاپرک",
        "creditor_iban": OURS,
    }
    return Cycle(**fields | changes)


def credit(amount: int = 1_250_000, acceptor: str = ACCEPTOR, cycle: int = 2) -> Credit:
    return Credit(instruction(DAY, cycle, IIN, acceptor), amount, "گل‌فروشی <رز>", "0012345679")


def sample(*amounts: int) -> bytes:
    paid = [credit(amount, f"{n:015}") for n, amount in enumerate(amounts, 1)]
    return write(head(), paid)


def changed(content: bytes, old: str, new: str, count: int = 1) -> bytes:
    text = content.decode()
    assert old in text
    return text.replace(old, new, count).encode()


def texts(report: reports.Report) -> list[str]:
    return [problem.text for problem in report.problems]


# ── what is written is what is read ───────────────────────────────────────────────────────────────
def test_a_credit_says_whose_day_and_cycle_it_is() -> None:
    report = read(write(head(), [credit()]), "paya:IR1")
    assert report == reports.Report(
        (
            Entry(
                source="paya:IR1",
                id="BMJI05021620007.CT00001",
                booked_on=dt.date(2026, 5, 6),
                amount_minor=1_250_000,
                currency="IRR",
                reference="1405021502031000000012345678",
                account=OURS,
                details={
                    "end_to_end_id": "0502160102000001",
                    "day": "2026-05-05",
                    "cycle": "02",
                    "iin": "031",
                    "acceptor": ACCEPTOR,
                    "acceptor_day": "14050215031000000012345678",
                },
            ),
        )
    )
    assert reports.read("paya", write(head(), [credit()]), "paya:IR1") == report


def test_names_of_people_and_shops_are_not_taken_over() -> None:
    (entry,) = read(write(head(), [credit()])).entries
    assert not any("رز" in text or "0012345679" in text for text in entry.details.values())


def test_the_file_has_the_guide_s_tags_and_jalali_dates() -> None:
    root = ET.fromstring(sample(5, 6))  # noqa: S314 - ours
    names = [re.sub("{.*}", "", node.tag) for node in root.iter()]
    assert names[:8] == [
        *("Document", "pacs.008.001.01", "GrpHdr", "MsgId", "CrDtTm", "NbOfTxs"),
        *("TtlIntrBkSttlmAmt", "IntrBkSttlmDt"),
    ]
    texts_ = [node.text for node in root.iter()]
    for text in ("BMJI05021620007.CT", "1405-02-16T09:45:00", "2", "11", "1405-02-16", "CLRG"):
        assert text in texts_
    assert {"OthrId", "IdTp", "SvcLvl", "Ustrd"} <= set(names)


@given(
    st.lists(st.integers(1, AMOUNT_MAX), max_size=5),
    st.dates(dt.date(2020, 1, 1), dt.date(2050, 1, 1)),
    st.integers(1, 9),
)
def test_what_is_written_is_read(amounts: list[int], day: dt.date, cycle: int) -> None:
    paid = [
        Credit(instruction(day, cycle, IIN, f"{n:015}"), amount, "x", "1")
        for n, amount in enumerate(amounts)
    ]
    content = write(head(settled_on=day, cycle=cycle), paid)
    report = read(content)
    assert report.problems == ()
    assert [entry.amount_minor for entry in report.entries] == amounts
    assert [entry.reference for entry in report.entries] == [one.instruction for one in paid]
    assert {entry.booked_on for entry in report.entries} <= {day}
    assert {entry.details["day"] for entry in report.entries} <= {day.isoformat()}
    assert report == read(content)


@given(st.dates(dt.date(2000, 1, 1), dt.date(2060, 1, 1)))
def test_the_day_in_an_instruction_is_jalali(day: dt.date) -> None:
    jalali = JalaliDate(day)  # type: ignore[no-untyped-call]
    assert instruction(day, 1, IIN, ACCEPTOR).startswith(f"{jalali:%Y%m%d}")


@pytest.mark.parametrize(
    ("day", "cycle", "iin", "acceptor"),
    [
        (DAY, 100, IIN, ACCEPTOR),
        (DAY, 1, "31", ACCEPTOR),
        (DAY, 1, IIN, "123"),
        (DAY, -1, IIN, "x"),
    ],
)
def test_an_instruction_that_cannot_be(day: dt.date, cycle: int, iin: str, acceptor: str) -> None:
    with pytest.raises(FormatError):
        instruction(day, cycle, iin, acceptor)


@pytest.mark.parametrize("changes", [{"bank": "BMJIX"}, {"cycle": 10}, {"serial": 10_000}])
def test_a_head_that_cannot_be(changes: dict[str, Any]) -> None:
    with pytest.raises(FormatError):
        write(head(**changes), [])


def test_the_day_s_credit_of_an_acceptor_is_the_sum_of_its_payments() -> None:
    day = acceptor_day(DAY, IIN, ACCEPTOR)
    expected = [
        Expected(
            id=f"pay_{n}",
            kind=Kind.CHANNEL_CREDIT,
            source="paya:IR1",
            amount_minor=amount,
            currency="IRR",
            references=(),
            due_by=DAY,
            channel="switch",
            group=day,
        )
        for n, amount in enumerate((400_000, 850_000))
    ]
    cycles = [credit(1_000_000, cycle=1), credit(250_000, cycle=2)]
    entries = read(write(head(), cycles), "paya:IR1").entries
    (item,) = reconcile(expected, entries, today=DAY)
    assert (item.state, len(item.entries)) == (State.MATCHED, 2)


# ── other shapes of the same ──────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("CrDtTm>", "CreDtTm>"),
        (' xmlns="urn:iso:std:iso:20022:tech:xsd:pacs.008.001.01"', ""),
        ("pacs.008.001.01>", "FIToFICstmrCdtTrf>"),
        (' Ccy="IRR">1250000', ">1250000"),
        (">1250000<", ">۱٬۲۵۰٬۰۰۰<"),
        (">1250000<", ">1250000.00<"),
        (">1405-02-16<", ">۱۴۰۵/۰۲/۱۶<"),
        ("<CdtTrfTxInf>", "<CdtTrfTxInf><PmtTpInf><Cd>SEPA</Cd></PmtTpInf>"),
    ],
)
def test_the_same_in_other_letters(old: str, new: str) -> None:
    whole = write(head(), [credit()])
    report = read(changed(whole, old, new, count=9))
    assert (report.entries, report.problems) == (read(whole).entries, ())


def test_an_instruction_may_stand_in_the_remittance_only() -> None:
    whole = write(head(), [credit()])
    text = "<InstrId>1405021502031000000012345678</InstrId>"
    report = read(changed(whole, text, ""))
    assert report.entries == read(whole).entries


@pytest.mark.parametrize("said", ["", "something", "14051332020310000000012345678"[:28]])
def test_a_credit_without_a_known_instruction_is_money_all_the_same(said: str) -> None:
    whole = write(head(), [credit()]).replace(b"1405021502031000000012345678", said.encode())
    (entry,) = read(whole).entries
    assert (entry.reference, entry.amount_minor) == (said, 1_250_000)
    assert set(entry.details) == {"end_to_end_id"}


def test_another_currency_is_told_as_such() -> None:
    report = read(changed(sample(5), 'Ccy="IRR">5</IntrBkSttlmAmt', 'Ccy="EUR">5</IntrBkSttlmAmt'))
    assert (report.entries[0].currency, report.entries[0].amount_minor) == ("EUR", 500)


# ── broken ────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        (">7</IntrBkSttlmAmt>", "></IntrBkSttlmAmt>", "IntrBkSttlmAmt is missing"),
        (">7</IntrBkSttlmAmt>", ">-7</IntrBkSttlmAmt>", "IntrBkSttlmAmt is not above zero"),
        (">7</IntrBkSttlmAmt>", ">0</IntrBkSttlmAmt>", "IntrBkSttlmAmt is not above zero"),
        (
            ">7</IntrBkSttlmAmt>",
            ">7.5</IntrBkSttlmAmt>",
            "IntrBkSttlmAmt is finer than the currency",
        ),
        (">7</IntrBkSttlmAmt>", ">many</IntrBkSttlmAmt>", "IntrBkSttlmAmt is not a number"),
        ('"IRR">7</', '"rial">7</', "the currency is not three letters"),
        (".CT00002</TxId>", "</TxId>", ""),
        ("<TxId>BMJI05021620007.CT00002</TxId>", "", "TxId is missing"),
    ],
)
def test_a_broken_transaction_is_named_and_the_others_stand(old: str, new: str, why: str) -> None:
    report = read(changed(sample(5, 7, 9), old, new))
    if not why:  # another id is another id
        assert len(report.entries) == 3
        return
    assert [entry.amount_minor for entry in report.entries] == [5, 9]
    (problem,) = report.problems
    assert problem.text == f"transaction 2: {why}"
    assert problem.line > 0


@pytest.mark.parametrize(
    ("old", "new", "problems"),
    [
        ("<NbOfTxs>2", "<NbOfTxs>3", ["NbOfTxs is not the 2 transactions in the file"]),
        ("<NbOfTxs>2", "<NbOfTxs>two", ["NbOfTxs is not the 2 transactions in the file"]),
        (
            ">12</TtlIntrBkSttlmAmt>",
            ">13</TtlIntrBkSttlmAmt>",
            ["TtlIntrBkSttlmAmt is not the sum of the transactions"],
        ),
        (
            '<TtlIntrBkSttlmAmt Ccy="IRR">12</TtlIntrBkSttlmAmt>',
            "",
            [
                "TtlIntrBkSttlmAmt is missing",
                "TtlIntrBkSttlmAmt is not the sum of the transactions",
            ],
        ),
    ],
)
def test_a_head_that_contradicts_its_transactions_says_so(
    old: str, new: str, problems: list[str]
) -> None:
    report = read(changed(sample(5, 7), old, new))
    assert texts(report) == problems
    assert len(report.entries) == 2


def test_a_transaction_left_out_is_noticed() -> None:
    content = sample(5, 7)
    cut = re.sub(rb"<CdtTrfTxInf>.*?</CdtTrfTxInf>", b"", content, count=1)
    assert len(texts(read(cut))) == 2


def test_an_id_on_two_transactions_is_two_credits_and_a_problem() -> None:
    content = changed(sample(5, 7), ".CT00002<", ".CT00001<")
    report = read(content)
    assert [entry.id for entry in report.entries] == [
        "BMJI05021620007.CT00001",
        "BMJI05021620007.CT00001-2",
    ]
    assert texts(report) == ["the TxId stands on an earlier transaction, too"]


def test_a_day_that_is_none_is_named() -> None:
    report = read(changed(sample(5), ">1405-02-16<", ">1405-13-16<"))
    assert texts(report) == ["transaction 1: IntrBkSttlmDt is not a date"]


def test_a_head_after_its_transactions_is_no_head_of_theirs() -> None:
    content = sample(5)
    found = re.search(rb"<GrpHdr>.*</GrpHdr>", content)
    assert found
    late = content.replace(found[0], b"").replace(b"</pacs.", found[0] + b"</pacs.")
    assert texts(read(late)) == ["transaction 1: a transaction before any head (GrpHdr)"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"<Document>",
        b"<Document/>",
        b"<Document><CdtTrfTxInf/></Document>",
        b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
        b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>',
        b"<a>" * 1_000,
        b"\xff\xfe<\x00",
        b'<?xml version="1.0" encoding="punycode"?><a/>',
    ],
    ids=range(10),
)
def test_what_is_no_paya_file_is_a_clear_error(content: bytes) -> None:
    with pytest.raises(FormatError) as caught:
        read(content)
    assert "passwd" not in str(caught.value)


def test_entities_are_never_expanded() -> None:
    bomb = "<!DOCTYPE lolz [" + "".join(
        f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10)
    )
    with pytest.raises(FormatError, match="document type"):
        read(f'{bomb}<!ENTITY l0 "lol">]><a>&l9;</a>'.encode())


@given(st.integers(0, 2_000), st.integers(0, 255))
def test_a_damaged_byte_is_an_error_or_loses_nothing(at: int, byte: int) -> None:
    content = bytearray(sample(5, 7))
    content[at % len(content)] = byte
    try:
        report = read(bytes(content))
    except FormatError:
        return
    told = len(report.entries) + sum("transaction " in text for text in texts(report))
    assert told == 2 or report.problems


def test_the_kept_file_of_a_switch() -> None:
    """A file as the guide describes it, kept byte for byte: readers must not drift."""
    report = read((FILES / "cycle.xml").read_bytes(), "paya:IR1")
    assert report.problems == ()
    assert [
        (e.amount_minor, e.details["acceptor"], e.details["cycle"]) for e in report.entries
    ] == [
        (12_500_000, "000000012345678", "01"),
        (980_000, "000000012345679", "01"),
        (3_000_000, "000000012345678", "02"),
    ]
