"""Payout files in euro: official schema, sepaxml's reading of it, the same bytes for ever."""

import datetime as dt
import re
from functools import cache
from importlib.resources import files
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import sepaxml  # type: ignore[import-untyped]
import xmlschema
from hypothesis import given
from hypothesis import strategies as st
from sepaxml.validation import try_valid_xml  # type: ignore[import-untyped]

from payvand.bank import FileHead, FormatError, Order, Transfer, sepa
from payvand.bank.latin import latin
from tests.bank.euros import DEBTOR, NOW, head, iban, order

NS = {"p": "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"}
LETTERS = re.compile(r"[a-zA-Z0-9/?:().,'+ -]*")


@cache
def schema() -> xmlschema.XMLSchema10:
    """The official pain.001.001.09.xsd, as sepaxml ships it."""
    text = (files("sepaxml") / "schemas/pain.001.001.09.xsd").read_text(encoding="utf-8")
    return xmlschema.XMLSchema10(text)


def said(body: bytes, path: str) -> list[str]:
    return [node.text or "" for node in ET.fromstring(body).iterfind(path, NS)]  # noqa: S314 - ours


references = st.text("ABCXYZabcxyz0123456789_-", min_size=1, max_size=35)
names = st.text(max_size=200) | st.sampled_from(
    [
        "فروشگاه نمونه",
        "ООО «Ромашка»",
        "Ģirts Bērziņš",
        "İŞÇİ ığüşöç",
        "<&>\"'",
        "\u202e\u0000\ud800",
    ]
)
transfers = st.builds(
    Transfer,
    references,
    st.integers(1, sepa.AMOUNT_MAX_MINOR),
    st.from_regex(r"[0-9]{2}", fullmatch=True).map(iban),
    names,
)
orders = (
    st.lists(st.lists(transfers, min_size=1, max_size=3), min_size=1, max_size=5)
    .map(lambda found: [Order(f"po_{n}", tuple(parts)) for n, parts in enumerate(found)])
    .filter(
        lambda found: (
            len({sepa.wire(t.reference) for o in found for t in o.transfers})
            == sum(len(o.transfers) for o in found)
        )
    )
)
heads = st.builds(
    FileHead,
    st.just("EUR"),
    st.dates(dt.date(2020, 1, 1), dt.date(2063, 12, 31)),
    st.integers(1, 999),
    st.datetimes(dt.datetime(2020, 1, 1), dt.datetime(2063, 1, 1), timezones=st.just(dt.UTC)),  # noqa: DTZ001 - bounds are naive
    st.just(DEBTOR),
    names,
)


@given(heads, orders, st.booleans())
def test_any_orders_make_a_file_of_the_official_schema(
    head: FileHead,
    orders: list[Order],
    batch: bool,  # noqa: FBT001 - drawn
) -> None:
    body = sepa.payment_file(head, orders, batch_booking=batch)
    schema().validate(body.decode())
    assert body == sepa.payment_file(head, list(orders), batch_booking=batch)
    sent = [transfer for order in orders for transfer in order.transfers]
    root = ET.fromstring(body)  # noqa: S314 - ours
    found = root.findall(".//p:CdtTrfTxInf", NS)
    assert [
        (
            sepa.ours(tx.findtext("p:PmtId/p:EndToEndId", "", NS)),
            tx.findtext("p:Amt/p:InstdAmt", "", NS),
            tx.findtext("p:CdtrAcct/p:Id/p:IBAN", "", NS),
        )
        for tx in found
    ] == [
        (t.reference, f"{t.amount_minor // 100}.{t.amount_minor % 100:02d}", t.iban) for t in sent
    ]
    total = sum(t.amount_minor for t in sent)
    sums = said(body, ".//p:CtrlSum")
    assert sums == [f"{total // 100}.{total % 100:02d}"] * 2
    assert said(body, ".//p:NbOfTxs") == [str(len(sent))] * 2
    for text in root.itertext():
        assert LETTERS.fullmatch(text.strip("\n")), "a letter that some bank refuses"


def test_the_file_is_these_bytes() -> None:
    body = sepa.payment_file(head(), [order(1, 5, name="Ģirts & Ko"), order(2, 100_000)])
    assert body.decode() == (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"><CstmrCdtTrfInitn>'
        "<GrpHdr><MsgId>PV-EUR-20260506-1-B9643B44</MsgId><CreDtTm>2026-05-05T13:00:04Z</CreDtTm>"
        "<NbOfTxs>2</NbOfTxs><CtrlSum>1000.05</CtrlSum>"
        "<InitgPty><Nm>Payvand</Nm></InitgPty></GrpHdr>"
        "<PmtInf><PmtInfId>PV-EUR-20260506-1-B9643B44</PmtInfId><PmtMtd>TRF</PmtMtd>"
        "<BtchBookg>true</BtchBookg><NbOfTxs>2</NbOfTxs><CtrlSum>1000.05</CtrlSum>"
        "<PmtTpInf><SvcLvl><Cd>SEPA</Cd></SvcLvl></PmtTpInf>"
        "<ReqdExctnDt><Dt>2026-05-06</Dt></ReqdExctnDt><Dbtr><Nm>Payvand</Nm></Dbtr>"
        "<DbtrAcct><Id><IBAN>LV80BANK0000435195001</IBAN></Id></DbtrAcct>"
        "<DbtrAgt><FinInstnId><Othr><Id>NOTPROVIDED</Id></Othr></FinInstnId></DbtrAgt>"
        "<ChrgBr>SLEV</ChrgBr>"
        "<CdtTrfTxInf><PmtId><InstrId>po.80096E000001</InstrId>"
        "<EndToEndId>po.80096E000001</EndToEndId></PmtId>"
        '<Amt><InstdAmt Ccy="EUR">0.05</InstdAmt></Amt><Cdtr><Nm>Girts + Ko</Nm></Cdtr>'
        f"<CdtrAcct><Id><IBAN>{iban()}</IBAN></Id></CdtrAcct>"
        "<RmtInf><Ustrd>po.80096E000001</Ustrd></RmtInf></CdtTrfTxInf>"
        "<CdtTrfTxInf><PmtId><InstrId>po.80096E000002</InstrId>"
        "<EndToEndId>po.80096E000002</EndToEndId></PmtId>"
        '<Amt><InstdAmt Ccy="EUR">1000.00</InstdAmt></Amt><Cdtr><Nm>SIA Jura</Nm></Cdtr>'
        f"<CdtrAcct><Id><IBAN>{iban()}</IBAN></Id></CdtrAcct>"
        "<RmtInf><Ustrd>po.80096E000002</Ustrd></RmtInf></CdtTrfTxInf>"
        "</PmtInf></CstmrCdtTrfInitn></Document>\n"
    )


def test_sepaxml_says_the_same_of_the_same_payments() -> None:
    """Its ids and times are its own; every amount, account, name and total is ours."""
    sent = [order(n, 10 ** (n % 9) + n, f"{n:02d}") for n in range(1, 30)]
    theirs = sepaxml.SepaTransfer(
        {"name": "Payvand", "IBAN": DEBTOR, "currency": "EUR", "batch": True},
        schema="pain.001.001.09",
    )
    for one in sent:
        (transfer,) = one.transfers
        theirs.add_payment(
            {
                "name": transfer.name,
                "IBAN": transfer.iban,
                "amount": transfer.amount_minor,
                "execution_date": head().date,
                "description": sepa.wire(one.payout),
                "endtoend_id": sepa.wire(transfer.reference),
            }
        )
    expected, body = theirs.export(), sepa.payment_file(head(), sent)
    try_valid_xml(body, "pain.001.001.09")
    for path in (
        *(".//p:NbOfTxs", ".//p:CtrlSum", ".//p:EndToEndId", ".//p:InstdAmt", ".//p:Cdtr/p:Nm"),
        *(".//p:CdtrAcct/p:Id/p:IBAN", ".//p:DbtrAcct/p:Id/p:IBAN", ".//p:ReqdExctnDt/p:Dt"),
        *(".//p:ChrgBr", ".//p:SvcLvl/p:Cd", ".//p:PmtMtd", ".//p:BtchBookg", ".//p:Ustrd"),
    ):
        assert said(body, path) == said(expected, path), path


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"currency": "TRY"}, "euro only"),
        ({"debtor_iban": "LV81BANK0000435195001"}, "debtor's IBAN"),
        ({"cycle": 0}, "message id"),
        ({"cycle": 10**12}, "message id"),
    ],
)
def test_a_head_that_no_file_can_carry_is_refused(change: dict[str, Any], why: str) -> None:
    with pytest.raises(FormatError, match=why):
        sepa.payment_file(head(**change), [order()])


@pytest.mark.parametrize(
    ("transfer", "why"),
    [
        (Transfer("", 1, iban(), "a"), "reference"),
        (Transfer("a" * 36, 1, iban(), "a"), "reference"),
        (Transfer("a/b", 1, iban(), "a"), "reference"),
        (Transfer("a.b", 1, iban(), "a"), "reference"),
        (Transfer("a", 0, iban(), "a"), "amount"),
        (Transfer("a", -1, iban(), "a"), "amount"),
        (Transfer("a", amount_minor=True, iban=iban(), name="a"), "amount"),
        (Transfer("a", 10**11, iban(), "a"), "amount"),
        (Transfer("a", 1, "LV00BANK0000435195001", "a"), "IBAN"),
        (Transfer("a", 1, "lv80BANK0000435195001", "a"), "IBAN"),
        (Transfer("a", 1, "", "a"), "IBAN"),
    ],
)
def test_a_transfer_that_no_file_can_carry_is_named_without_its_values(
    transfer: Transfer, why: str
) -> None:
    bad = Order("po_2", (order().transfers[0], transfer))
    with pytest.raises(FormatError, match=f"po_2, transfer 2: the {why}") as raised:
        sepa.payment_file(head(), [order(), bad])
    if transfer.iban:
        assert transfer.iban not in str(raised.value)


def test_nothing_is_paid_twice_or_not_at_all_by_a_file() -> None:
    with pytest.raises(FormatError, match="twice"):
        sepa.payment_file(head(), [order(1), order(1)])
    with pytest.raises(FormatError, match="no orders"):
        sepa.payment_file(head(), [])
    with pytest.raises(FormatError, match="no transfer"):
        sepa.payment_file(head(), [Order("po_1", ())])


def test_heads_of_two_files_are_two_messages() -> None:
    ids = [
        sepa.message_id(head(**change))
        for change in (
            {},
            {"cycle": 2},
            {"date": dt.date(2026, 5, 7)},
            {"debtor_iban": iban()},
        )
    ]
    assert len(set(ids)) == len(ids)
    assert all(len(one) <= 35 for one in ids)
    later = NOW + dt.timedelta(hours=1)
    assert sepa.message_id(head(created_at=later)) == ids[0], "a file made again is no second one"


@given(references)
def test_a_reference_comes_back_as_it_left_in_letters_every_bank_keeps(reference: str) -> None:
    assert sepa.ours(sepa.wire(reference)) == reference
    assert "_" not in sepa.wire(reference)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Ģirts Bērziņš, Rīga", "Girts Berzins, Riga"),
        ("G\u0327irts", "Girts"),  # composed of two characters
        ("Щукина Юлия Ильинична", "Shchukina Yuliya Ilinichna"),
        ("ООО «Подъезд»", "OOO Podezd"),
        ("İŞÇİ ığüşöç ĞÜŞİÖÇ", "ISCI igusoc GUSIOC"),
        ("فروشگاه نمونه", "Frushgah Nmune"),
        ("كيوان علي", "Kivan Ali"),  # Arabic letters for Persian ones
        ("آزاد علی اکبری", "Azad Ali Akbri"),
        ("خانه\u200cسازی مهر ۱۲", "Khanesazi Mhr 12"),
        ("Käthe Weiß & Söhne", "Kathe Weiss + Sohne"),
        ('A_B [C] {D} "E" F;G', "A-B (C) (D) 'E' F,G"),
        ("O’Neil", "O'Neil"),
        ("/ a //", "a"),
        ("\u202eabc\u0000\x1f", "abc"),
        ("株式会社", "ZhuShiHuiShe"),
        ("…", "..."),
        ("", ""),
        ("\u200c \t", ""),
    ],
)
def test_names_are_spelt_in_the_letters_of_every_bank(name: str, expected: str) -> None:
    assert latin(name, 70) == expected


@given(st.text(max_size=300), st.integers(1, 70))
def test_any_text_becomes_letters_that_every_bank_takes(text: str, length: int) -> None:
    found = latin(text, length)
    assert LETTERS.fullmatch(found) and len(found) <= length and found == found.strip()
    assert latin(found, length) == found


def test_a_name_without_a_readable_letter_is_still_paid() -> None:
    body = sepa.payment_file(head(debtor_name="\u200f"), [order(name="\u200c")])
    assert said(body, ".//p:Nm") == ["NOTPROVIDED"] * 3
