"""camt.053: every movement once, with its sign; sums checked; one bad entry loses no other."""

import datetime as dt
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payvand.bank import Entry, FormatError, Outcome, Verdict, camt
from payvand.bank.camt import Statement, read_statements
from tests.bank.euros import DEBTOR, example, pain001

MAY_6 = dt.date(2026, 5, 6)


def balance(code: str, amount: str, currency: str = "EUR", on: str = "2026-05-06") -> str:
    side = "DBIT" if amount.startswith("-") else "CRDT"
    return (
        f"<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp>"
        f'<Amt Ccy="{currency}">{amount.lstrip("-")}</Amt><CdtDbtInd>{side}</CdtDbtInd>'
        f"<Dt><Dt>{on}</Dt></Dt></Bal>"
    )


def ntry(amount: str, inside: str = "", *, status: str = "BOOK", on: str = "2026-05-06") -> str:
    side = "DBIT" if amount.startswith("-") else "CRDT"
    return (
        f'<Ntry><Amt Ccy="EUR">{amount.lstrip("-")}</Amt><CdtDbtInd>{side}</CdtDbtInd>'
        f"<Sts><Cd>{status}</Cd></Sts><BookgDt><Dt>{on}</Dt></BookgDt>{inside}</Ntry>"
    )


def tx(reference: str, amount: str = "", inside: str = "") -> str:
    money = f'<Amt Ccy="EUR">{amount}</Amt>' if amount else ""
    return f"<TxDtls><Refs><EndToEndId>{reference}</EndToEndId></Refs>{money}{inside}</TxDtls>"


def details(*transactions: str, batch: str = "") -> str:
    return f"<NtryDtls>{batch}{''.join(transactions)}</NtryDtls>"


def statement(*entries: str, opening: str = "100.00", closing: str = "", more: str = "") -> str:
    if not closing:
        closing = str(Decimal(opening) + sum((_amount(one) for one in entries), Decimal()))
    balances = balance("OPBD", opening) + balance("CLBD", closing)
    return (
        f"<Stmt><Id>S1</Id>{more}<CreDtTm>2026-05-06T20:00:00Z</CreDtTm>"
        f"<Acct><Id><IBAN>{DEBTOR}</IBAN></Id><Ccy>EUR</Ccy></Acct>{balances}"
        f"{''.join(entries)}</Stmt>"
    )


def _amount(entry: str) -> Decimal:
    if "<Cd>BOOK" not in entry:
        return Decimal()
    amount = Decimal(entry.partition('"EUR">')[2].partition("<")[0])
    return -amount if "<CdtDbtInd>DBIT" in entry else amount


def message(*statements: str, version: str = "08") -> bytes:
    return (
        f'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.{version}"><BkToCstmrStmt>'
        f"<GrpHdr><MsgId>M1</MsgId></GrpHdr>{''.join(statements)}</BkToCstmrStmt></Document>"
    ).encode()


def read(*entries: str, **more: str) -> Statement:
    (found,) = read_statements(message(statement(*entries, **more)))
    return found


def moves(found: Statement) -> list[tuple[str, int, str]]:
    return [(one.reference, one.amount_minor, one.details["kind"]) for one in found.entries]


# ── money ─────────────────────────────────────────────────────────────────────────────────────────
def test_a_payout_and_an_income() -> None:
    found = read(
        ntry("-12.34", "<AcctSvcrRef>B1</AcctSvcrRef>" + details(tx("po.1"))),
        ntry("50", details(tx("NOTPROVIDED", inside="<RmtInf><Ustrd>inv 7</Ustrd></RmtInf>"))),
    )
    assert moves(found) == [("po_1", -1234, "transfer"), ("", 5000, "transfer")]
    assert (found.opening_minor, found.closing_minor, found.closing_on) == (10000, 13766, MAY_6)
    assert (found.account, found.currency, found.problems) == (DEBTOR, "EUR", ())
    first = found.entries[0]
    assert first == Entry(
        source="camt.053",
        id=first.id,
        booked_on=MAY_6,
        amount_minor=-1234,
        currency="EUR",
        reference="po_1",
        account=DEBTOR,
        details={
            "bank_reference": "B1",
            "end_to_end_id": "po.1",
            "status": "BOOK",
            "kind": "transfer",
        },
    )
    assert found.entries[1].details["remittance"] == "inv 7"


@given(st.lists(st.integers(-(10**9), 10**9), max_size=20), st.integers(-(10**9), 10**9))
def test_any_entries_add_up_and_one_cent_off_does_not(cents: list[int], opening: int) -> None:
    entries = [ntry(f"{Decimal(one) / 100:.2f}") for one in cents]
    found = read(*entries, opening=f"{Decimal(opening) / 100:.2f}")
    assert [one.amount_minor for one in found.entries] == cents
    assert len({one.id for one in found.entries}) == len(cents)
    off = f"{Decimal(opening + sum(cents) + 1) / 100:.2f}"
    with pytest.raises(FormatError, match="is not the opening balance"):
        read(*entries, opening=f"{Decimal(opening) / 100:.2f}", closing=off)


def test_a_batch_is_its_transactions_with_references() -> None:
    batch = "<Btch><PmtInfId>PV-1</PmtInfId><NbOfTxs>3</NbOfTxs></Btch>"
    found = read(
        ntry("-6.00", details(tx("po.1", "1"), tx("po.2", "2.00"), tx("po.3", "3.0"), batch=batch))
    )
    assert moves(found) == [(f"po_{n}", -100 * n, "transfer") for n in (1, 2, 3)]
    assert {one.details["payment_information"] for one in found.entries} == {"PV-1"}
    assert len({one.id for one in found.entries}) == 3


def test_the_parts_of_a_batch_are_transfers_with_or_without_a_reference() -> None:
    batch = "<Btch><NbOfTxs>2</NbOfTxs></Btch>"
    found = read(ntry("3.00", details(tx("", "1"), tx("NOTPROVIDED", "2"), batch=batch)))
    assert moves(found) == [("", 100, "transfer"), ("", 200, "transfer")]


def test_a_batch_over_two_blocks_of_details_is_one() -> None:
    found = read(ntry("-3.00", details(tx("po.1", "1")) + details(tx("po.2", "2"))))
    assert moves(found) == [("po_1", -100, "transfer"), ("po_2", -200, "transfer")]


def test_a_batch_with_amounts_in_the_old_places() -> None:
    old = '<AmtDtls><TxAmt><Amt Ccy="EUR">1.00</Amt></TxAmt></AmtDtls>'
    older = (
        '<AmtDtls><InstdAmt><Amt Ccy="EUR">2.00</Amt></InstdAmt>'
        '<TxAmt><Amt Ccy="USD">2.30</Amt></TxAmt></AmtDtls>'
    )
    found = read(ntry("-3.00", details(tx("po.1", inside=old), tx("po.2", inside=older))))
    assert moves(found) == [("po_1", -100, "transfer"), ("po_2", -200, "transfer")]


def test_a_batch_with_a_movement_the_other_way() -> None:
    back = "<CdtDbtInd>CRDT</CdtDbtInd>"
    found = read(ntry("-3.00", details(tx("po.1", "5"), tx("po.2", "2", back))))
    assert moves(found) == [("po_1", -500, "transfer"), ("po_2", 200, "transfer")]


def test_a_batch_whose_parts_are_not_its_sum_is_one_entry_and_a_problem() -> None:
    for parts in (
        (tx("po.1", "1"), tx("po.2", "2.01")),
        (tx("po.1", "1"), tx("po.2")),
        (tx("po.1", "1"), tx("po.2", "2,00")),
    ):
        found = read(ntry("-3.00", details(*parts)), ntry("1"))
        assert moves(found) == [("", -300, "batch"), ("", 100, "transfer")]
        assert found.problems[-1] == "line 1: the transactions of an entry are not its amount"
        assert found.entries[0].details["batch"] == "2"


def test_charges_taken_out_of_the_amount_are_told_and_those_apart_are_entries() -> None:
    def charged(amount: str, included: str = "") -> str:
        mark = f"<ChrgInclInd>{included}</ChrgInclInd>" if included else ""
        return f'<Chrgs><Rcrd><Amt Ccy="EUR">{amount}</Amt>{mark}</Rcrd></Chrgs>'

    found = read(
        ntry("97.00", charged("3.00") + details(tx("a"))),
        ntry("98.00", details(tx("b", inside=charged("2.00", "true")))),
        ntry("99.00", charged("1.00", "false")),
        ntry("1.00", '<Chrgs><Amt Ccy="EUR">0.25</Amt></Chrgs>'),  # as up to version 03
        ntry("-0.35", "<BkTxCd><Domn><Fmly><SubFmlyCd>CHRG</SubFmlyCd></Fmly></Domn></BkTxCd>"),
    )
    assert [(one.amount_minor, one.fee_minor) for one in found.entries] == [
        (9700, 300),
        (9800, 200),
        (9900, 0),
        (100, 25),
        (-35, 0),
    ]
    assert found.entries[4].details["kind"] == "charge"
    batch = read(ntry("297.00", charged("3.00") + details(*(tx(c, "100") for c in "abc"))))
    assert moves(batch) == [*((c, 10000, "transfer") for c in "abc"), ("", -300, "charge")]
    own = (tx("a", "100", charged("1.00")), tx("b", "50", charged("0.50")))
    batch = read(ntry("148.50", details(*own)))
    assert [(one.amount_minor, one.fee_minor) for one in batch.entries] == [
        (10000, 0),
        (5000, 0),
        (-150, 0),
    ]


def test_returns_and_reversals_name_what_came_back_and_why() -> None:
    why = "<RtrInf><Rsn><Cd>AC04</Cd></Rsn><AddtlInf>Closed</AddtlInf></RtrInf>"
    code = "<BkTxCd><Domn><Fmly><SubFmlyCd>RRTN</SubFmlyCd></Fmly></Domn></BkTxCd>"
    found = read(
        ntry("-5.00", "<AcctSvcrRef>B1</AcctSvcrRef>" + details(tx("po.1"))),
        ntry("5.00", "<AcctSvcrRef>B2</AcctSvcrRef>" + details(tx("po.1", inside=why))),
        ntry("6.00", code + details(tx("po.2"))),
        ntry("7.00", "<RvslInd>true</RvslInd>" + details(tx("po.3"))),
        ntry("-8.00", "<RvslInd>true</RvslInd>" + details(tx("theirs"))),
        ntry("-9.00", details(tx("their.debit", inside=why))),
        ntry("9.00", details(tx("income.1"))),
    )
    assert [one.details["kind"] for one in found.entries] == [
        *("transfer", "return", "return", "reversal", "reversal", "return", "transfer")
    ]
    assert camt.outcomes(found) == (
        Outcome("po_1", Verdict.EXECUTED, bank_reference="B1"),
        Outcome("po_1", Verdict.RETURNED, "AC04", "Closed", "B2"),
        Outcome("po_2", Verdict.RETURNED),
        Outcome("po_3", Verdict.RETURNED),
    )


def test_what_is_only_announced_is_no_money() -> None:
    found = read(
        ntry("1.00"),
        ntry("5.00", status="PDNG"),
        ntry("6.00", status="INFO"),
        ntry("7.00", status="PDNG").replace("<BookgDt><Dt>2026-05-06</Dt></BookgDt>", ""),
        ntry("-8.00", details(tx("po.1")), status="PDNG"),
    )
    assert [one.amount_minor for one in found.entries] == [100]
    assert [(one.amount_minor, one.details["status"]) for one in found.pending] == [
        (500, "PDNG"),
        (600, "INFO"),
        (700, "PDNG"),
        (-800, "PDNG"),
    ]
    assert camt.outcomes(found) == ()


# ── balances ──────────────────────────────────────────────────────────────────────────────────────
def test_pages_are_checked_each_by_its_interim_balances() -> None:
    def page(first: str, second: str, entry: str) -> str:
        opening = balance("OPBD", "100.00") + balance("CLBD", "0")
        return statement(entry, opening="100.00", closing="0").replace(opening, first + second)

    pages = (
        page(balance("OPBD", "100.00"), balance("ITBD", "101.00"), ntry("1.00")),
        page(balance("ITBD", "101.00"), balance("ITBD", "103.00"), ntry("2.00")),
        page(balance("ITBD", "103.00"), balance("CLBD", "106.00"), ntry("3.00")),
    )
    found = read_statements(message(*pages))
    assert [(one.opening_minor, one.closing_minor) for one in found] == [
        (10000, 10100),
        (10100, 10300),
        (10300, 10600),
    ]
    assert not any(one.problems for one in found)


def test_interim_balances_between_own_ones_do_not_count() -> None:
    body = statement(ntry("1.00")).replace("<Ntry>", balance("ITBD", "5.00") + "<Ntry>", 1)
    assert read_statements(message(body))[0].closing_minor == 10100


def test_a_previous_closing_balance_opens() -> None:
    body = message(statement(ntry("1.00"))).replace(b"OPBD", b"PRCD")
    assert read_statements(body)[0].opening_minor == 10000


@pytest.mark.parametrize(("code", "side"), [("OPBD", "opening"), ("CLBD", "closing")])
def test_without_a_booked_balance_the_entries_are_told_and_the_check_is_missed(
    code: str, side: str
) -> None:
    body = message(statement(ntry("1.00"))).replace(code.encode(), b"OPAV")
    (found,) = read_statements(body)
    assert found.problems == (f"line 1: no {side} booked balance; the sum is not checked",)
    assert [one.amount_minor for one in found.entries] == [100]


@pytest.mark.parametrize(
    ("extra", "why"),
    [
        (balance("CLBD", "99.00"), "the balance CLBD stands twice with two amounts"),
        (balance("OPBD", "1,00"), "the balance OPBD: its amount is no decimal number"),
        (balance("OPBD", "1.00", "USD"), "the balance OPBD: its amount is of another currency"),
        (
            balance("OPBD", "1.00").replace("CRDT", "X"),
            "the balance OPBD: its CdtDbtInd is neither",
        ),
        ("<Bal><Tp><CdOrPrtry><Cd>CLBD</Cd></CdOrPrtry></Tp></Bal>", "the balance CLBD: its"),
    ],
)
def test_a_broken_balance_is_an_error_that_names_it(extra: str, why: str) -> None:
    body = statement(ntry("1.00")).replace("<Ntry>", extra + "<Ntry>", 1)
    with pytest.raises(FormatError, match=why):
        read_statements(message(body))


def test_the_same_balance_told_twice_is_one() -> None:
    body = statement(ntry("1.00")).replace("<Ntry>", balance("CLBD", "101.0") + "<Ntry>", 1)
    assert read_statements(message(body))[0].closing_minor == 10100


def test_an_overdrawn_account() -> None:
    found = read(ntry("-150.00"), opening="100.00", closing="-50.00")
    assert found.closing_minor == -5000


# ── broken entries ────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (ntry("1.00").replace('"EUR"', '"USD"'), "amount is of another currency than the account"),
        (ntry("1,00"), "amount is no decimal number with a point"),
        (ntry("1.000,00"), "amount is no decimal number with a point"),
        (ntry("1 000.00"), "amount is no decimal number with a point"),
        (ntry("۱۲.۰۰"), "amount is no decimal number with a point"),
        (ntry("1e3"), "amount is no decimal number with a point"),
        (ntry(""), "amount is no decimal number with a point"),
        (ntry("."), "amount is no decimal number with a point"),
        (ntry("1.00").replace(">1.00", ">-1.00"), "amount is negative"),
        (ntry("1.005"), "amount has more digits than the currency"),
        (ntry("9" * 14), "amount is too large"),
        (ntry("9" * 40), "amount is no decimal number with a point"),
        (ntry("1.00").replace("CRDT", ""), "CdtDbtInd is neither CRDT nor DBIT"),
        (ntry("1.00").replace("<Cd>BOOK</Cd>", ""), "status is missing"),
        (ntry("1.00", on="2026-02-30"), "booking date is missing or none"),
        (ntry("1.00", on=""), "booking date is missing or none"),
        ("<Ntry/>", "status is missing"),
    ],
)
def test_a_broken_entry_is_named_and_loses_no_other(bad: str, why: str) -> None:
    body = message(statement(ntry("2.00"), bad, ntry("-3.00", details(tx("po.1"))), closing="5"))
    (found,) = read_statements(body.replace(bad.encode(), b"\n" + bad.encode()))
    assert moves(found) == [("", 200, "transfer"), ("po_1", -300, "transfer")]
    assert found.problems == (f"line 2: an entry is left out: its {why}",)


def test_a_broken_entry_leaves_its_parts_behind() -> None:
    found = read(ntry("1,00", details(tx("po.9", "1"))).replace("Cd>BOOK", "Cd>BOOK"), closing="1")
    assert (found.entries, len(found.problems)) == ((), 1)
    found = read(ntry("1,00", details(tx("po.9", "1"))), ntry("2.00"), closing="1")
    assert moves(found) == [("", 200, "transfer")]


def test_each_statement_of_a_file_stands_for_itself() -> None:
    found = read_statements(
        message(statement(ntry("1.00"), ntry("1,00"), closing="7"), statement(ntry("4.00")))
    )
    assert [len(one.problems) for one in found] == [1, 0]
    with pytest.raises(FormatError, match="closing balance"):
        read_statements(message(statement(), statement(ntry("4.00"), closing="3")))


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (message(), "it has no statement"),
        (message("<Stmt><Id>1</Id></Stmt>"), "names no currency"),
        (message(statement()).replace(b"IBAN", b"BBAN"), "names no account"),
        (message(statement()).replace(b"<Ccy>EUR", b"<Ccy>euro"), "names no currency"),
        (
            message(statement(ntry("1"))).replace(b"Stmt>", b"Rpt>"),
            "not a BkToCstmrStmt .camt.053. but BkToCstmrRpt",
        ),
        (b"<Document><CstmrPmtStsRpt/></Document>", "but CstmrPmtStsRpt"),
        (b"<BkToCstmrStmt/>", "but BkToCstmrStmt"),
        (message(statement(ntry("1")))[:-40], "not well-formed"),
    ],
)
def test_a_file_that_is_no_statement_says_what_it_is(body: bytes, why: str) -> None:
    with pytest.raises(FormatError, match=why):
        read_statements(body)


def test_errors_and_problems_never_repeat_a_value() -> None:
    secret = "LV80BANK0000435195001"
    for body in (
        message(statement(ntry("1,00", details(tx(secret))), closing="1")),
        message(statement(ntry("1.00").replace("BOOK", secret[:4]), closing="1")),
        message(statement(ntry("1.00"), closing="3")),
        message(statement(balance(secret, "1,00"))),
    ):
        try:
            told = str(read_statements(body)[0].problems)
        except FormatError as exc:
            told = str(exc)
        assert secret not in told
        assert "1,00" not in told


# ── identity ──────────────────────────────────────────────────────────────────────────────────────
REFERENCED = (
    ntry("1.00", "<NtryRef>1</NtryRef><AcctSvcrRef>A</AcctSvcrRef>"),
    ntry("1.00", "<NtryRef>2</NtryRef><AcctSvcrRef>A</AcctSvcrRef>"),
    ntry("2.00", "<NtryRef>3</NtryRef><AcctSvcrRef>A</AcctSvcrRef>"),
)


def ids(found: Statement) -> list[str]:
    return [one.id for one in found.entries]


def test_an_entry_is_the_same_in_every_statement_that_tells_it() -> None:
    day = read(*REFERENCED)
    assert len(set(ids(day))) == 3, "one bank reference on three entries"
    week = read(ntry("9.00", "<AcctSvcrRef>Z</AcctSvcrRef>", on="2026-05-04"), *REFERENCED)
    assert ids(week)[1:] == ids(day)
    again = message(statement(*REFERENCED)).replace(b"<Id>S1", b"<Id>S2")
    assert ids(read_statements(again)[0]) == ids(day)
    twice = read_statements(message(statement(*REFERENCED), statement(*REFERENCED)))
    assert ids(twice[0]) == ids(twice[1]) == ids(day)


def test_entries_without_any_reference_are_told_apart_by_where_they_stand() -> None:
    one = read_statements(message(statement(ntry("1.00"), ntry("1.00"))))[0]
    other = read_statements(message(statement(ntry("1.00"))).replace(b"<Id>S1", b"<Id>S2"))[0]
    page = read(ntry("1.00"), more="<StmtPgntn><PgNb>2</PgNb></StmtPgntn>")
    assert len({*ids(one), *ids(other), *ids(page)}) == 4
    assert ids(read(ntry("1.00"), ntry("1.00"))) == ids(one)


def test_entries_that_differ_in_anything_of_theirs_are_two() -> None:
    base = ntry("1.00", "<AcctSvcrRef>A</AcctSvcrRef>" + details(tx("po.1")))
    others = (
        base.replace("1.00", "1.01"),
        base.replace("CRDT", "DBIT"),
        base.replace("05-06", "05-07"),
        base.replace(">A<", ">B<"),
        base.replace("po.1", "po.2"),
    )
    assert len({ids(read(one))[0] for one in (base, *others)}) == 6


# ── whole files ───────────────────────────────────────────────────────────────────────────────────
def test_references_on_the_entry_and_on_its_part() -> None:
    (found,) = read_statements(example("camt.053.001.02-references-on-both.xml"))
    assert (found.account, found.opening_minor, found.closing_minor, found.problems) == (
        "FI2112345600000785",
        31_075,
        87_950,
        (),
    )
    assert moves(found) == [
        ("INV-2026-0117", 125_000, "transfer"),
        ("", 6_420, "transfer"),
        ("RENT-FEB", -48_010, "transfer"),
        ("", -15_000, "transfer"),
        ("", -9_535, "transfer"),
        ("", -2_000, "transfer"),
    ]
    third = found.entries[2]
    assert third.booked_on == dt.date(2026, 2, 17)
    assert third.details == {
        "entry_reference": "3",
        "bank_reference": "26048FI000003",
        "part_reference": "26048FI000003",
        "message_id": "OUT-0217",
        "payment_information": "OUT-0217-1",
        "end_to_end_id": "RENT-FEB",
        "structured": "RF712348231",
        "domain": "PMNT",
        "family": "ICDT",
        "subfamily": "ESCT",
        "status": "BOOK",
        "kind": "transfer",
    }
    assert found.entries[1].details["remittance"] == (
        "Order 5512 comes in two parcels, th e second on Friday"
    )


def test_parties_and_statuses_wrapped_as_from_version_8() -> None:
    body = example("camt.053.001.08-parties-wrapped.xml")
    (found,) = read_statements(body)
    assert moves(found) == [
        ("40000000000000000017", 31_050, "transfer"),
        ("0F3C5A7E9B1D2468ACE013579BDF2468", 4_215, "transfer"),
        ("5120033", -1_890, "transfer"),
    ]
    assert (found.currency, found.problems) == ("CHF", ())
    assert found.entries[0].details["debtor"] == "Rosa Ähre"
    assert found.entries[2].details["payment_information"] == "VB-77-P"
    without_last = body[: body.rindex(b"<Ntry>")] + body[body.rindex(b"</Ntry>") + 7 :]
    with pytest.raises(FormatError, match="line 20: the closing balance"):
        read_statements(without_last)


def test_a_batch_told_as_one_sum() -> None:
    (found,) = read_statements(example("camt.053.001.02-batch-without-parts.xml"))
    assert moves(found) == [
        ("", -183_045, "batch"),
        ("STALL-8-MARCH", 92_000, "transfer"),
        ("", 7_500, "transfer"),
    ]
    batch = found.entries[0].details
    assert (batch["payment_information"], batch["batch"]) == ("PAYROLL-MAR-2026", "3")
    assert camt.outcomes(found) == (), "a sum proves no single transfer"


def test_version_12_with_returns_and_a_pending_entry() -> None:
    body = example("camt.053.001.12-returns.xml")
    with pytest.raises(FormatError, match="CLBD"):
        read_statements(body)  # it counts what is pending
    (found,) = read_statements(body.replace(b"2259.15", b"2265.20"))
    assert moves(found) == [
        ("LAMP-1", 1_740, "transfer"),
        ("LAMP-3", -220, "return"),
        ("", 25_000, "return"),
    ]
    assert [one.details.get("code") for one in found.entries] == [None, "AC06", "NOPAYEE"]
    assert found.entries[1].details["reason"] == "Account blocked Given back by the payee's bank"
    assert [(one.amount_minor, one.booked_on) for one in found.pending] == [
        (-605, dt.date(2026, 4, 2))
    ]
    assert found.closing_on == dt.date(2026, 4, 1)


def test_another_project_s_statement() -> None:
    """As pain001 (Apache-2.0 or MIT) tests itself: a status of an old version, no balances."""
    (found,) = read_statements(pain001("test_fixtures/camt053_sample.xml"))
    assert moves(found) == [("", 15_000, "transfer")]
    assert found.entries[0].details["bank_reference"] == "ENTRY-001"
    assert found.entries[0].details["remittance"] == "Incoming transfer from Jane Subscriber"
    assert found.problems == ("line 4: no opening booked balance; the sum is not checked",)


@pytest.mark.parametrize("version", [f"{n:02d}" for n in range(2, 14)])
def test_the_version_s_number_does_not_matter(version: str) -> None:
    (found,) = read_statements(message(statement(ntry("1.00")), version=version))
    assert [one.amount_minor for one in found.entries] == [100]


@pytest.mark.parametrize(
    ("currency", "amount", "minor"),
    [("EUR", "1.5", 150), ("JPY", "15", 15), ("KWD", "1.5", 1500), ("EUR", "1.50000", 150)],
)
def test_amounts_are_exact_in_every_currency(currency: str, amount: str, minor: int) -> None:
    body = message(statement(ntry(amount), opening="0", closing=amount))
    (found,) = read_statements(body.replace(b"EUR", currency.encode()))
    assert [one.amount_minor for one in found.entries] == [minor]
