"""The switch's files as bytes: names, orders, signatures, answers, keys."""

import datetime as dt
import json
import re
import unicodedata
from pathlib import Path
from typing import Any, Final, cast

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from hypothesis import given
from hypothesis import strategies as st
from persiantools.jdatetime import JalaliDate

from payvand.bank import FormatError, Order, Outcome, Transfer, Verdict, switch
from payvand.bank.switch import KeyVerdict
from payvand.errors import Forged
from payvand_cli.switch import trust
from tests.bank.switch_lab import (
    ALIAS,
    OURS,
    SWITCH_KEY,
    TUESDAY,
    acceptor,
    head,
    iban,
    key,
    order,
    signer,
    split,
)

SWITCH_PEM: Final = trust.public_pem(key(SWITCH_KEY))

# ---- dates and names --------------------------------------------------------------------------


def test_every_day_is_the_library_s_day() -> None:
    day = dt.date(1921, 3, 21)
    while day < dt.date(2094, 3, 20):
        theirs = JalaliDate(day)  # type: ignore[no-untyped-call]
        ours = switch.jalali(day)
        assert ours == (theirs.year, theirs.month, theirs.day)
        assert switch.gregorian(*ours) == day
        day += dt.timedelta(1)
    assert switch.jalali(dt.date(1921, 3, 21)) == (1300, 1, 1)
    assert switch.jalali(dt.date(2094, 3, 19)) == (1472, 12, 29)


@pytest.mark.parametrize(
    ("gregorian", "stamp"),
    [
        (dt.date(2025, 3, 20), "14031230"),  # a leap year's last day
        (dt.date(2026, 3, 21), "14050101"),
        (dt.date(2026, 5, 5), "14050215"),
        (dt.date(2026, 9, 22), "14050631"),
        (dt.date(2026, 9, 23), "14050701"),
    ],
)
def test_a_stamp_is_the_jalali_date(gregorian: dt.date, stamp: str) -> None:
    assert switch.stamp(gregorian) == stamp


@pytest.mark.parametrize("day", [dt.date(1921, 3, 20), dt.date(2094, 3, 20), dt.date.min])
def test_a_day_outside_the_known_years_is_none(day: dt.date) -> None:
    with pytest.raises(ValueError, match="no Jalali date"):
        switch.jalali(day)


@pytest.mark.parametrize(
    "date",
    [(1404, 12, 30), (1405, 0, 1), (1405, 13, 1), (1405, 7, 31), (1405, 1, 0), (1299, 1, 1)],
)
def test_no_gregorian_day_is_made_up(date: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="not a Jalali date"):
        switch.gregorian(*date)


def test_names_are_the_guide_s() -> None:
    name = switch.order_name("PYV", TUESDAY, 7)
    assert name == "PYV_14050215_07.json"
    assert switch.reply_name(name) == "REP_PYV_14050215_07.json"
    assert switch.key_name("PYV", TUESDAY) == "PYV_14050215.pem"


@pytest.mark.parametrize(
    "alias", ["", "PY", "PAYVAN", "PY1", "PY_", "پرد", "PYV\n", "РУВ", "../", "P\u200fYV"]
)
def test_an_alias_is_three_to_five_latin_letters(alias: str) -> None:
    with pytest.raises(FormatError, match="alias"):
        switch.order_name(alias, TUESDAY, 1)
    with pytest.raises(FormatError, match="alias"):
        switch.key_name(alias, TUESDAY)


@pytest.mark.parametrize("cycle", [0, -1, 100])
def test_a_cycle_has_two_digits(cycle: int) -> None:
    with pytest.raises(FormatError, match="1 to 99"):
        switch.order_name("PYV", TUESDAY, cycle)


# ---- orders -----------------------------------------------------------------------------------

ibans = st.integers(0, 10**19 - 1).map(iban)
amounts = st.integers(1, 10**13)
names = st.text(max_size=20) | st.sampled_from(["علی رضایی", "\u202eevil", "۱۲۳", "Ünïcødé", "O'X"])


@st.composite
def orders(draw: st.DrawFn) -> Order:
    parts = tuple(
        Transfer(f"tr_{i}", draw(amounts), draw(ibans), draw(names))
        for i in range(draw(st.integers(1, 10)))
    )
    total = sum(part.amount_minor for part in parts)
    return Order(
        payout=draw(st.from_regex(r"po_[0-9A-Z]{1,12}", fullmatch=True)),
        transfers=parts,
        wage_minor=switch.capped_wage(draw(st.integers(0, 10**15)), total),
        acceptor=draw(st.from_regex(r"[0-9A-Za-z]{15}", fullmatch=True)),
        iin=str(draw(st.integers(100_000, 999_999_999))),
    )


files = st.lists(orders(), min_size=1, max_size=12, unique_by=lambda each: each.acceptor)


@given(files, ibans)
def test_any_orders_make_a_file_that_reads_back_equal(made: list[Order], debtor: str) -> None:
    content = switch.write(head(debtor_iban=debtor), made)
    read = switch.records(content)
    assert [(r.iin, r.acceptor, r.amount_minor, r.wage_minor) for r in read] == [
        (o.iin, o.acceptor, o.amount_minor, o.wage_minor) for o in made
    ]
    for record, each in zip(read, made, strict=True):
        assert record.parts == tuple((t.iban, t.amount_minor) for t in each.transfers)
        assert sum(amount for _, amount in record.parts) == record.amount_minor
        assert record.facilitator_iban == debtor
    assert content == switch.write(head(debtor_iban=debtor), made)
    assert content.isascii(), "no name of a person is in it"


@given(files)
def test_a_file_is_what_the_guide_says(made: list[Order]) -> None:
    """Types, lengths and sums by the table of p. 35, from the bytes alone."""
    file = json.loads(switch.write(head(), made))
    assert set(file) == {"settlementDataDetails"}
    for row in file["settlementDataDetails"]:
        assert 6 <= len(str(row["iin"])) <= 9 and type(row["iin"]) is int
        assert len(row["acceptorCode"]) == 15
        assert len(row["paymentFacilitatorIban"]) == 26
        assert 1 <= len(str(row["settlementAmount"])) <= 15
        assert 100 * row["wageAmount"] <= 15 * (row["settlementAmount"] + row["wageAmount"])
        shares = row.get("scatteredSettlementDetails")
        assert (row["settlementIban"] is None) == (shares is not None)
        if shares is not None:
            assert 2 <= len(shares) <= 10
            assert sum(share["amountShare"] for share in shares) == row["settlementAmount"]


def test_the_bytes_stay_as_they_are() -> None:
    """Sent again is the same file only if no release writes it in another way."""
    content = switch.write(head(), [order(1, 2_000_000, 300_000), split(2, 700_000, 300_000)])
    assert content == (
        b'{"settlementDataDetails":[{"iin":581672000,"acceptorCode":"000000000000001",'
        b'"paymentFacilitatorIban":"IR760170000000000000000001","settlementAmount":2000000,'
        b'"wageAmount":300000,"settlementIban":"IR920170000000000000000101"},'
        b'{"iin":581672000,"acceptorCode":"000000000000002",'
        b'"paymentFacilitatorIban":"IR760170000000000000000001","settlementAmount":1000000,'
        b'"wageAmount":0,"settlementIban":null,"scatteredSettlementDetails":'
        b'[{"amountShare":700000,"settlementIban":"IR650170000000000000000102"},'
        b'{"amountShare":300000,"settlementIban":"IR810170000000000000000202"}]}]}'
    )


def to(account: str) -> Order:
    return order(3, 1, transfers=(Transfer("tr_3", 1, account, ""),))


GOOD: Final = order(3, 1_000)
WRONG: Final[dict[str, tuple[Order, str]]] = {
    "no iin": (order(3, 1_000, iin=None), "the iin"),
    "short iin": (order(3, 1_000, iin="12345"), "the iin"),
    "long iin": (order(3, 1_000, iin="1234567890"), "the iin"),
    "iin with a lost zero": (order(3, 1_000, iin="012345"), "the iin"),
    "Persian iin": (order(3, 1_000, iin="۵۸۱۶۷۲۰۰۰"), "the iin"),
    "no acceptor": (order(3, 1_000, acceptor=None), "the acceptor"),
    "short acceptor": (order(3, 1_000, acceptor="1" * 14), "the acceptor"),
    "long acceptor": (order(3, 1_000, acceptor="1" * 16), "the acceptor"),
    "Arabic acceptor": (order(3, 1_000, acceptor="٠" * 15), "the acceptor"),
    "acceptor with a mark": (order(3, 1_000, acceptor="1" * 14 + "\u200e"), "the acceptor"),
    "no parts": (order(3, 1_000, transfers=()), "one to 10"),
    "eleven parts": (split(3, *[1] * 11), "one to 10"),
    "nothing": (order(3, 0), "a part"),
    "a part of nothing": (split(3, 1_000, 0), "a part"),
    "negative": (split(3, 1_000, -1), "a part"),
    "a fraction": (order(3, 1_000.0), "a part"),  # type: ignore[arg-type]
    "true": (order(3, True), "a part"),  # noqa: FBT003
    "sixteen digits": (order(3, 10**15), "fifteen digits"),
    "sixteen digits together": (split(3, 10**15 - 1, 1), "fifteen digits"),
    "wage too high": (order(3, 17, 4), "the wage"),
    "negative wage": (order(3, 1_000, -1), "the wage"),
    "wage with a fraction": (order(3, 1_000, 1.0), "the wage"),  # type: ignore[arg-type]
    "short IBAN": (to(OURS[:-1]), "an account"),
    "Latvian IBAN": (to("LV80BANK0000435195001"), "an account"),
    "lower case": (to(OURS.lower()), "an account"),
    "spaces": (to(f" {OURS}"), "an account"),
    "Persian digits": (to("IR" + "۱" * 24), "an account"),
    "a mark": (to(f"{OURS[:-1]}\u200f"), "an account"),
    "wrong check digits": (to(OURS[:-1] + "2"), "an account"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_breaks_a_rule_is_not_written(wrong: str) -> None:
    bad, why = WRONG[wrong]
    switch.check(GOOD)
    with pytest.raises(FormatError, match=f"^(the|an|a|it) .*{why.split()[-1]}"):
        switch.check(bad)
    with pytest.raises(FormatError, match=rf"^record 2: .*{why}") as error:
        switch.write(head(), [order(1, 1), bad])
    for value in (bad.payout, bad.acceptor, bad.iin, *(t.iban for t in bad.transfers)):
        assert not value or value not in str(error.value), "an error names no value"


def test_published_accounts_are_accounts() -> None:
    """Examples that other validators' tests hold for right."""
    for account in ("IR062960000000100324200001", "IR580540105180021273113007"):
        switch.check(to(account))


def test_a_file_is_rial_for_somebody_from_us() -> None:
    with pytest.raises(FormatError, match="rial"):
        switch.write(head(currency="EUR"), [GOOD])
    with pytest.raises(FormatError, match="facilitator's account"):
        switch.write(head(debtor_iban=OURS[:-1] + "9"), [GOOD])
    with pytest.raises(FormatError, match="without orders"):
        switch.write(head(), [])


def test_an_acceptor_has_one_record_a_file() -> None:
    twice = [order(1, 5), order(2, 6), order(1, 7)]
    with pytest.raises(FormatError, match=r"^record 3: its acceptor has a record before it$"):
        switch.write(head(), twice)
    assert switch.cycles(twice) == [(twice[0], twice[1]), (twice[2],)]


@given(st.lists(st.integers(1, 4)))
def test_cycles_lose_nobody_and_repeat_nobody(acceptors: list[int]) -> None:
    made = [order(n, 1_000 + i) for i, n in enumerate(acceptors)]
    shared = switch.cycles(made)
    assert sorted((o for file in shared for o in file), key=made.index) == made
    assert len(shared) == max((acceptors.count(n) for n in acceptors), default=0)
    for file in shared:
        assert switch.write(head(), file)


@given(st.integers(0, 10**15), st.integers(0, 10**16))
def test_the_wage_cap_is_exact(amount: int, wanted: int) -> None:
    wage = switch.capped_wage(wanted, amount)
    assert 0 <= wage <= wanted
    assert 100 * wage <= 15 * (amount + wage)
    assert switch.wage_within_rule(wage, amount)
    if wage < wanted:
        assert 100 * (wage + 1) > 15 * (amount + wage + 1), "it could have been more"
        assert not switch.wage_within_rule(wage + 1, amount)


@pytest.mark.parametrize(("amount", "cap"), [(0, 0), (5, 0), (6, 1), (17, 3), (8_500, 1_500)])
def test_the_wage_cap_at_its_steps(amount: int, cap: int) -> None:
    assert switch.capped_wage(10**9, amount) == cap


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{}", b"null", b"1", b"{", b"\xff\xfe", b'{"settlementDataDetails":1}',
     b'{"settlementDataDetails":{"a":1}}', b'{"settlementDataDetails":"a"}',
     b'{"settlementDataDetails":[1]}', b'{"settlementDataDetails":[{}]}'],
)  # fmt: skip
def test_other_bytes_are_no_order_file(content: bytes) -> None:
    with pytest.raises(FormatError):
        switch.records(content)


# ---- signatures -------------------------------------------------------------------------------


def test_a_signature_is_over_the_raw_bytes() -> None:
    content = switch.write(head(), [GOOD])
    (sign_name, signature), (name, same) = switch.files("PYV_14050215_01.json", content, signer())
    assert (sign_name, name, same) == ("PYV_14050215_01.json.sign", "PYV_14050215_01.json", content)
    assert len(signature) == 256
    assert signature == signer().sign(content)
    pem = signer().public_pem()
    switch.verify(pem, content, signature)
    for other in (content + b"\n", content[:-1], content.replace(b":", b": "), b""):
        with pytest.raises(Forged):
            switch.verify(pem, other, signature)
    for wrong in (b"", signature[:-1], signature + b"\0", bytes(256), signer(1).sign(content)):
        with pytest.raises(Forged):
            switch.verify(pem, content, wrong)


class Kms:
    """KMS's Sign and GetPublicKey as documented; moto does not know MessageType DIGEST."""

    def sign(
        self, *, KeyId: str, Message: bytes, MessageType: str, SigningAlgorithm: str
    ) -> dict[str, Any]:
        assert (KeyId, SigningAlgorithm) == ("a-key", "RSASSA_PKCS1_V1_5_SHA_256")
        if MessageType == "RAW":
            assert 1 <= len(Message) <= 4096
            signed = key(0).sign(Message, padding.PKCS1v15(), hashes.SHA256())
        else:
            assert MessageType == "DIGEST" and len(Message) == 32
            signed = key(0).sign(Message, padding.PKCS1v15(), Prehashed(hashes.SHA256()))
        return {"KeyId": KeyId, "Signature": signed, "SigningAlgorithm": SigningAlgorithm}

    def get_public_key(self, *, KeyId: str) -> dict[str, Any]:
        assert KeyId == "a-key"
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        der = key(0).public_key().public_bytes(serialization.Encoding.DER, form)
        return {"KeyId": KeyId, "PublicKey": der}


@pytest.mark.parametrize("content", [b"", b"{}", b"x" * 5_000])
def test_a_key_in_kms_signs_the_same_way(content: bytes) -> None:
    held = switch.KmsSigner(cast("Any", Kms()), "a-key")
    assert held.sign(content) == signer(0).sign(content)
    assert held.public_pem() == signer(0).public_pem()
    switch.verify(held.public_pem(), content, held.sign(content))


def test_only_rsa_2048_signs() -> None:
    short = rsa.generate_private_key(65537, 1024)  # noqa: S505 - to be refused
    curve = ec.generate_private_key(ec.SECP256R1())
    for wrong in (trust.private_pem(short), trust.private_pem(curve)):
        with pytest.raises(ValueError, match="RSA key of 2048 bits"):
            switch.PemSigner(wrong)
    for pem in (
        short.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        ),
        curve.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        ),
    ):
        with pytest.raises(ValueError, match="RSA key of 2048 bits"):
            switch.verify(pem, b"", bytes(256))


# ---- answers ----------------------------------------------------------------------------------

PAYOUTS: Final = ("po_1", "po_2", "po_3", "po_4")
SENT: Final = switch.write(
    head(), [order(1, 1_000), order(2, 2_000), split(3, 700, 300, wage=9), order(4, 4_000)]
)


def entry(record: Any, code: Any, field: Any = "system", value: Any = None) -> dict[str, Any]:
    known = switch.ERRORS.get(code, "Other") if type(code) is int else "Other"
    made = {"errorMessage": known, "recordIndex": record, "errorType": code, "fieldName": field}
    return made if value is None else {**made, "fieldValue": value}


def read(reply: object, sent: bytes = SENT, payouts: tuple[str, ...] = PAYOUTS) -> list[Outcome]:
    content = reply if isinstance(reply, bytes) else json.dumps(reply).encode()
    signature = signer(SWITCH_KEY).sign(content)
    return list(switch.read_reply(sent, payouts, content, signature, SWITCH_PEM))


def verdicts(reply: object) -> list[str]:
    outcomes = read(reply)
    assert [o.reference for o in outcomes] == list(PAYOUTS)
    return [o.verdict.value for o in outcomes]


def test_no_error_is_executed_once_the_answer_is_there() -> None:
    assert read([]) == [Outcome(payout, Verdict.EXECUTED) for payout in PAYOUTS]


def test_the_guide_s_sample_answer() -> None:
    """Page 38–39, with its indexes: two errors for one record, and a balance."""
    reply = [
        entry(1, 8, "settlementIban", iban(101)),
        entry(2, 15, "accountBalance", 6_244_314),
        entry(3, 8, "settlementIban", iban(203)),
        entry(3, 14, "wageAmount", 9),
    ]
    assert read(reply) == [
        Outcome("po_1", Verdict.REJECTED, "8", "ReferencedDataNotFound: settlementIban"),
        Outcome("po_2", Verdict.REJECTED, "15", "NotEnoughResources: accountBalance 6244314"),
        Outcome(
            "po_3",
            Verdict.REJECTED,
            "8,14",
            "ReferencedDataNotFound: settlementIban; OutOfBoundsData: wageAmount",
        ),
        Outcome("po_4", Verdict.EXECUTED),
    ]


def test_each_of_the_sixteen_codes() -> None:
    refused = {code for code in range(16) if verdicts([entry(2, code)])[1] == "rejected"}
    assert refused == {2, 3, 4, 5, 8, 11, 13, 14, 15}
    for code in set(range(16)) - refused:
        assert verdicts([entry(2, code)]) == ["executed", "unknown", "executed", "executed"]
    assert len(switch.ERRORS) == 16


def test_the_page_for_people_has_the_same_table() -> None:
    page = Path(__file__).parents[2] / "docs" / "parties" / "switch.md"
    table = re.findall(r"^\| (\d+) \| (\w+).*? \| (\w+)", page.read_text("utf-8"), re.MULTILINE)
    assert {int(code): name for code, name, _ in table} == switch.ERRORS
    assert {int(code) for code, _, say in table if say == "REJECTED"} == switch.REFUSALS


def test_a_code_of_tomorrow_is_unknown() -> None:
    outcomes = read([entry(2, 16), entry(4, 999)])
    assert [o.verdict for o in outcomes] == [
        Verdict.EXECUTED,
        Verdict.UNKNOWN,
        Verdict.EXECUTED,
        Verdict.UNKNOWN,
    ]
    assert outcomes[1].code == "16"


def test_one_unclear_error_makes_the_record_unclear() -> None:
    assert verdicts([entry(2, 8), entry(2, 1)])[1] == "unknown"
    assert verdicts([entry(2, 1), entry(2, 8)])[1] == "unknown"


def test_a_code_and_a_word_that_differ_are_unclear() -> None:
    assert verdicts([{**entry(2, 8), "errorMessage": "InternalSystemError"}])[1] == "unknown"
    assert verdicts([{**entry(2, 8), "errorMessage": "referenceddatanotfound"}])[1] == "unknown"


def test_a_duplicate_is_a_refusal_only_where_the_file_repeats_it() -> None:
    # We never write one; so elsewhere it means "worked on before", and that may be "paid before".
    assert verdicts([entry(2, 6, "acceptorCode", acceptor(2))])[1] == "unknown"
    file = json.loads(SENT)
    file["settlementDataDetails"][3]["acceptorCode"] = acceptor(1)
    repeated = json.dumps(file).encode()
    outcomes = read([entry(4, 6, "acceptorCode", acceptor(1))], sent=repeated)
    assert [o.verdict for o in outcomes] == [Verdict.EXECUTED] * 3 + [Verdict.REJECTED]
    outcomes = read([entry(1, 6, "acceptorCode", acceptor(1))], sent=repeated)
    assert outcomes[0].verdict == Verdict.UNKNOWN


@pytest.mark.parametrize("index", [0, -1, 5, 10**9, "1", 1.0, True, None, [1], "۱"])
def test_an_index_outside_the_file_is_no_answer(index: object) -> None:
    with pytest.raises(FormatError, match=r"^entry 2: recordIndex"):
        read([entry(1, 8), entry(index, 8)])


@pytest.mark.parametrize("code", [-1, 1_000, "8", 8.0, None, True, {}])
def test_a_code_that_is_no_number_is_no_answer(code: object) -> None:
    with pytest.raises(FormatError, match=r"^entry 1: errorType"):
        read([entry(1, code)])


@pytest.mark.parametrize("change", [{"errorMessage": 8}, {"fieldName": None}, {"errorMessage": []}])
def test_words_that_are_no_text_are_no_answer(change: dict[str, object]) -> None:
    with pytest.raises(FormatError, match=r"^entry 1: errorMessage or fieldName"):
        read([{**entry(1, 8), **change}])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("settlementIban", iban(102)),
        ("settlementIban", ""),
        ("acceptorCode", acceptor(2)),
        ("settlementAmount", 2_000),
        ("settlementAmount", "2000"),
        ("wageAmount", 9),
        ("iin", 581_672_001),
        ("paymentFacilitatorIban", iban(2)),
    ],
)
def test_an_answer_that_counts_records_otherwise_is_none(field: str, value: object) -> None:
    """Counted from 0, say, an error would hit the wrong record and the right one look paid."""
    with pytest.raises(FormatError, match=r"^entry 1: fieldValue is not what record 1 said$"):
        read([entry(1, 8, field, value)])


def test_values_are_told_as_they_were_sent() -> None:
    for n, field, value in (
        (1, "settlementAmount", 1_000),
        (1, "settlementAmount", "1000"),
        (1, "settlementIban", f" {iban(101)}"),  # the guide's sample has such a space
        (3, "settlementIban", iban(303 - 100)),
        (3, "amountShare", 300),
        (3, "scatteredSettlementDetails", [{"amountShare": 1}]),
        (3, "settlementIban", None),
        (2, "terminalNumber", "a field the guide does not have"),
    ):
        assert verdicts([entry(n, 8, field, value)])[n - 1] == "rejected"


@pytest.mark.parametrize(
    "reply",
    [b"", b" ", b"{}", b"null", b"true", b'"[]"', b"[", b"[]]", b"[1]", b"[null]", b"[[]]", b"\xff",
     (b'[{"recordIndex":1,"errorType":8,"errorMessage":"ReferencedDataNotFound","fieldName":"iin",'
     b'"fieldValue":NaN}]'),
     b"[{}]", b"[NaN]", b"<html>", b"[" * 100_000, b"[" + b"9" * 5_000 + b"]", b"[]\0",
     '[{"recordIndex":۱}]'.encode(),
     b'[{"recordIndex":1,"recordIndex":2,"errorType":8,"errorMessage":"x","fieldName":"y"}]'],
)  # fmt: skip
def test_a_broken_answer_is_no_answer(reply: bytes) -> None:
    with pytest.raises(FormatError):
        read(reply)


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader(reply: bytes) -> None:
    try:
        outcomes = read(reply)
    except FormatError:
        return
    assert all(o.verdict == Verdict.EXECUTED for o in outcomes)
    assert json.loads(reply) == []


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
)


@given(st.lists(st.fixed_dictionaries({}, optional={
    "recordIndex": st.integers(0, 5) | _json,
    "errorType": st.integers(0, 20) | _json,
    "errorMessage": st.sampled_from(sorted(switch.ERRORS.values())) | _json,
    "fieldName": st.just("settlementIban") | _json,
    "fieldValue": _json,
}) | _json, min_size=1, max_size=4))  # fmt: skip
def test_an_answer_of_any_shape_never_makes_a_named_record_paid(entries: list[Any]) -> None:
    try:
        outcomes = read(entries)
    except FormatError:
        return
    named = {each["recordIndex"] for each in entries}
    paid = {n for n, o in enumerate(outcomes, 1) if o.verdict == Verdict.EXECUTED}
    assert named.isdisjoint(paid)
    assert len(named) + len(paid) == len(PAYOUTS)


def test_an_answer_with_a_mark_or_in_other_encodings_is_read() -> None:
    # Windows writes them.
    for encoding in ("utf-8-sig", "utf-16", "utf-16-le", "utf-32"):
        assert verdicts(json.dumps([entry(2, 8)]).encode(encoding))[1] == "rejected"


def test_an_answer_too_large_is_not_read() -> None:
    with pytest.raises(FormatError, match="too large"):
        read(b"[" + b" " * switch.REPLY_MAX_BYTES + b"]")


def test_an_answer_to_another_file_is_not_read() -> None:
    with pytest.raises(FormatError, match="another number"):
        read([], payouts=PAYOUTS[:3])


def test_an_answer_somebody_else_signed_is_forged() -> None:
    for signature in (b"", bytes(256), signer(0).sign(b"[]"), signer(SWITCH_KEY).sign(b"[ ]")):
        with pytest.raises(Forged):
            switch.read_reply(SENT, PAYOUTS, b"[]", signature, SWITCH_PEM)


def test_nothing_personal_is_in_what_is_said() -> None:
    spoof = "علی \u202e" + iban(101)
    outcomes = read(
        [
            entry(1, 8, "settlementIban", iban(101)),
            entry(2, 8, spoof, spoof),
            entry(4, 15, "accountBalance", iban(104)),
            {**entry(3, 8), "errorMessage": spoof},
        ]
    )
    said = " ".join(o.reason for o in outcomes)
    assert "IR" not in said
    assert said.isascii() and not any(unicodedata.category(c) == "Cf" for c in said)
    for broken in ([{**entry(1, 8), "fieldName": [spoof]}], [entry(spoof, 8)], [spoof]):
        with pytest.raises(FormatError) as error:
            read(broken)
        assert "IR" not in str(error.value)


# ---- keys -------------------------------------------------------------------------------------


def test_a_key_lasts_180_days_and_is_renewed_a_week_before() -> None:
    since = dt.date(2026, 1, 1)
    assert switch.key_ends(since) == dt.date(2026, 6, 30)
    assert switch.key_due(since) == dt.date(2026, 6, 23)


def test_the_three_files_of_a_new_key() -> None:
    made = switch.key_files(switch.key_name(ALIAS, TUESDAY), signer(0), signer(1))
    names = [name for name, _ in made]
    assert names == [
        "PYV_14050215.pem.cur.sign",
        "PYV_14050215.pem.new.sign",
        "PYV_14050215.pem",
    ]
    by_current, by_new, pem = (content for _, content in made)
    assert pem == signer(1).public_pem()
    switch.verify(signer(0).public_pem(), pem, by_current)
    switch.verify(pem, pem, by_new)


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [
        (b"Reason Code: 1\r\nDescription: Public Key Accepted\r\n", "accepted"),
        (b"Reason Code: 1\nDescription:", "accepted"),
        (b"\xef\xbb\xbfreason code : 1\nDESCRIPTION: ok", "accepted"),
        ("Reason Code: ۱\nDescription: Public Key Accepted".encode(), "accepted"),
        ("Reason Code: 1\nDescription: کلید عمومی پذیرفته شد".encode(), "accepted"),
        (b"Reason Code: 0\r\nDescription: Signature By New Key Is Invalid\r\n", "refused"),
        (b"Reason Code: 0\nDescription: Public Key Not Accepted", "refused"),
        (b"Reason Code: 0\nDescription: Unacceptable", "refused"),
        (b"Reason Code: 0\nDescription: ", "refused"),
        # The guide's own sample (p. 43), against its own text (p. 42).
        (b"Reason Code: 0\nDescription: Public Key Accepted", "unknown"),
        (b"Reason Code: 1\nDescription: Public Key Rejected", "unknown"),
        (b"Reason Code: 1", "unknown"),
        (b"Description: Public Key Accepted", "unknown"),
        (b"Reason Code: 2\nDescription: Public Key Accepted", "unknown"),
        (b"Reason Code: 11\nDescription: Public Key Accepted", "unknown"),
        (b"Reason Code: 1\nReason Code: 0\nDescription: x", "unknown"),
        (b"Reason Code: 1\nDescription: x\nDescription: y", "unknown"),
        (b"Reason Code: 1 \xff\nDescription: x", "unknown"),
        (b"", "unknown"),
        (b"\xff\xfe\x00", "unknown"),
        (b"x" * 5_000 + b"\nReason Code: 1\nDescription: x", "unknown"),
    ],
)
def test_what_the_switch_says_of_a_key(reply: bytes, verdict: str) -> None:
    assert switch.read_key_reply(reply) == KeyVerdict(verdict)


@pytest.mark.parametrize(
    ("content", "ends"),
    [
        (b"Key Expiry Date: 14050222\r\n", dt.date(2026, 5, 12)),
        (b"1405/02/22", dt.date(2026, 5, 12)),
        ("تاریخ پایان اعتبار: ۱۴۰۵/۰۲/۲۲".encode(), dt.date(2026, 5, 12)),
        ("٢٠٢٦-٠٥-١٢".encode(), dt.date(2026, 5, 12)),
        (b"2026-05-12T00:00:00Z", dt.date(2026, 5, 12)),
        (b"", None),
        (b"14051322", None),
        (b"114050222", None),
        (b"1405/02-22", None),
        (b"\xff\xfe\x00", None),
    ],
)
def test_a_warning_says_when_the_key_ends(content: bytes, ends: dt.date | None) -> None:
    found = switch.read_key_warning("PYV_KEY_EXPIRY_WARNING_14050215.txt", content)
    assert found == switch.KeyWarning(TUESDAY, ends)


@pytest.mark.parametrize(
    "name",
    [
        "XYZ_KEY_EXPIRY_WARNING_14050215.txt",
        "PYV_KEY_EXPIRY_WARNING_14051315.txt",
        "PYV_KEY_EXPIRY_WARNING_14050215.txt.part",
        "REP_PYV_14050215.pem",
        "PYV_KEY_EXPIRY_WARNING_۱۴۰۵۰۲۱۵.txt",
    ],
)
def test_other_files_are_no_warning(name: str) -> None:
    ours = ["PYV_KEY_EXPIRY_WARNING_14050215.txt", "PYV_KEY_EXPIRY_WARNING_14050822.txt"]
    assert switch.key_warning_names(ALIAS, [ours[1], name, ours[0]]) == ours
    if not re.fullmatch(r"XYZ_.*", name):
        with pytest.raises(FormatError, match="not the name"):
            switch.read_key_warning(name, b"14050222")
