"""Channels' reports: what they say comes through in every shape, and what is broken is named."""

import datetime as dt
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payvand.bank import Entry, FormatError, reports
from payvand.bank.reports import (
    SIZE_MAX_BYTES,
    BadRecord,
    Problem,
    Report,
    day_of,
    document,
    minor,
    plain,
    read,
    whole_minor,
    word,
)
from payvand.money import AMOUNT_MAX
from payvand.reconcile import Expected, Kind, State, reconcile
from tests.bank import told
from tests.bank.told import DAY, Told, as_json

FILES = Path(__file__).parent / "files/reports"
PERSONAL = (
    *("Order", "Roses", "Заказ", "срочно", "گل", "09120000000"),
    *("62741", "4477", "410000000000001", "Blumenhof", "example.org"),
)


def of_file(kind: str, name: str) -> Report:
    return read(kind, (FILES / name).read_bytes())


def seen(report: Report) -> list[tuple[object, ...]]:
    """Entries as movements: what the samples were made of."""
    return sorted(
        (e.details["kind"], e.id, e.amount_minor, e.fee_minor, e.booked_on, e.currency)
        for e in (*report.entries, *report.payouts)
    )


def made(movements: Sequence[Told], prefix: str = "") -> list[tuple[object, ...]]:
    return sorted(
        (one.kind, prefix + one.id, one.signed, one.fee_minor, one.on, one.currency)
        for one in movements
    )


def clean(report: Report) -> Report:
    assert report.problems == ()
    for entry in (*report.entries, *report.payouts):
        told_ = " ".join((entry.reference, entry.account, *entry.details.values()))
        assert not any(text in told_ for text in PERSONAL)
    return report


# ── what was told is what is read ─────────────────────────────────────────────────────────────────
ALL = ("payment", "refund", "payout")


@given(told.movements("EUR", ALL), st.sampled_from([(".", ""), (",", "."), (".", ","), (",", " ")]))
def test_stripe_says_the_same_in_every_shape(
    movements: list[Told], locale: tuple[str, str]
) -> None:
    wanted = made(movements, "txn_")
    point, group = locale
    texts = [
        told.stripe_report(movements),
        "\ufeff" + told.stripe_report(movements, point, group),
        told.stripe_activity(movements, ",", point, group),
        told.stripe_activity(movements, ";", point, group),
        told.stripe_activity(movements, "\t", point),
    ]
    for text in texts:
        report = clean(read("stripe", text.encode()))
        assert seen(report) == wanted
        assert report == read("stripe", text.encode())
    assert seen(clean(read("stripe", texts[0].encode("utf-16")))) == wanted
    listed = told.stripe_list(movements)
    half = len(movements) // 2
    pages = [{**listed, "data": listed["data"][:half]}, {**listed, "data": listed["data"][half:]}]
    for value in (listed, pages, listed["data"]):
        assert seen(clean(read("stripe", as_json(value)))) == wanted


@given(told.movements("RUB", ("payment", "refund")))
def test_yookassa_says_the_same_in_every_shape(movements: list[Told]) -> None:
    wanted = made(movements)
    text = told.yookassa_registry(movements) + told.yookassa_registry(movements, "refund")
    for content in (text.encode(), text.encode("utf-8-sig"), text.encode("cp1251")):
        assert seen(clean(read("yookassa", content))) == wanted
    listed = clean(read("yookassa", as_json(told.yookassa_list(movements))))
    assert seen(listed) == wanted
    assert {e.id: e.reference for e in listed.entries} == {one.id: one.id for one in movements}


@given(told.movements("IRR", ALL))
def test_zibal_says_what_it_was_told(movements: list[Told]) -> None:
    pages = told.zibal_reports(movements)
    assert seen(clean(read("zibal", as_json(pages)))) == made(movements)
    each = [read("zibal", as_json(page)) for page in pages]
    assert [len(one.entries) + len(one.payouts) for one in each] == [
        sum(one.kind == kind for one in movements) for kind in ALL
    ]


def test_a_report_s_entries_are_those_of_its_account() -> None:
    content = as_json(told.stripe_list([Told("payment", "1", "1", 5)]))
    assert read("stripe", content).entries[0].source == "stripe"
    assert read("stripe", content, "stripe:acct_1").entries[0].source == "stripe:acct_1"
    with pytest.raises(KeyError):
        read("moonbank", content)


def test_what_is_read_is_matched() -> None:
    """The names of readers' details are those that the rules look for."""
    day = [Told("payment", "p", "p", 10_000, 175), Told("refund", "r", "p", 2_500)]
    contents = {
        "stripe": told.stripe_report(day).encode(),
        "yookassa": told.yookassa_registry(day).encode(),
        "zibal": as_json(told.zibal_reports([Told("payment", "p", "p", 10_000, currency="IRR")])),
    }
    references = {"stripe": ("pi_p", "ch_p"), "yookassa": ("p",), "zibal": ("p",)}
    for channel, content in contents.items():
        entries = read(channel, content).entries
        for reference in references[channel]:
            expected = Expected(
                id="pay_1",
                kind=Kind.CHANNEL_CREDIT,
                source=channel,
                amount_minor=10_000,
                currency=entries[0].currency,
                references=(reference,),
                due_by=DAY,
                channel=channel,
            )
            states = [item.state for item in reconcile([expected], entries, today=DAY)]
            assert states[0] is State.MATCHED


# ── files as channels send them ───────────────────────────────────────────────────────────────────
def test_a_report_file_of_stripe() -> None:
    report = clean(of_file("stripe", "stripe-itemized-with-reserve.csv"))
    assert len(report.entries) == 8
    payout = report.entries[0].details["payout"]
    assert report.entries[4] == Entry(
        source="stripe",
        id=report.entries[4].id,
        booked_on=dt.date(2026, 5, 8),
        amount_minor=63_00,
        currency="EUR",
        fee_minor=1_20,
        details={"kind": "payment", "type": "charge", "payout": payout},
    )
    assert report.entries[4].id.startswith("txn_3T")
    assert {e.details["kind"] for e in report.entries[:4]} == {"hold"}
    assert [e.details.get("payout") for e in report.entries[4:]] == [payout, payout, None, None]


def test_a_payout_of_stripe_is_the_sum_of_its_rows() -> None:
    report = clean(of_file("stripe", "stripe-activity-decimal-commas.csv"))
    assert (len(report.entries), len(report.payouts)) == (8, 3)
    sums = {payout.reference: payout.amount_minor for payout in report.payouts}
    assert sorted(sums.values()) == [-1195_53, -64_58, -22_83]
    for entry in report.entries:
        if "payout" in entry.details:
            sums[entry.details["payout"]] += entry.amount_minor - entry.fee_minor
    assert set(sums.values()) == {0}
    local = next(e for e in report.entries if e.details.get("source", "").startswith("py_"))
    assert (local.reference, local.details["type"]) == (local.details["source"], "payment")


def test_the_api_s_own_objects() -> None:
    report = clean(of_file("stripe", "stripe-list.json"))
    (entry,), (payout,) = report.entries, report.payouts
    assert (entry.id, entry.reference, entry.amount_minor, entry.fee_minor, entry.currency) == (
        "txn_3TexampleCharge0001",
        "ch_3TexampleCharge0001",
        42_50,
        92,
        "EUR",
    )
    assert (payout.reference, payout.amount_minor) == ("po_1TexamplePayout0001", -41_58)
    more = (Problem(0, "the list has further pages"),)
    report = of_file("yookassa", "yookassa-list-of-payments.json")
    assert report.problems == more
    assert [(e.booked_on, e.amount_minor, e.fee_minor) for e in report.entries] == [
        (dt.date(2026, 5, 5), 1830_50, 64_07),
        (dt.date(2026, 5, 5), 45_00, 0),
    ]
    refunds = of_file("yookassa", "yookassa-list-of-refunds-older.json")
    assert refunds.problems == more
    assert (refunds.entries[0].amount_minor, refunds.entries[0].details["payment"]) == (
        -500_50,
        report.entries[0].id,
    )


def test_a_registry_of_yookassa() -> None:
    report = clean(of_file("yookassa", "yookassa-registry-payments.csv"))
    assert [(e.amount_minor, e.fee_minor) for e in report.entries] == [
        (320_00, 11_71),
        (1250_00, 45_75),
    ]
    assert report.entries[1].booked_on == dt.date(2026, 5, 5)
    (refund,) = clean(of_file("yookassa", "yookassa-registry-refunds.csv")).entries
    assert (refund.amount_minor, refund.details["payment"]) == (
        -500_00,
        "2d8f1c35-0016-50fb-9000-07aebf184c41",
    )


# ── Stripe ────────────────────────────────────────────────────────────────────────────────────────
def stripe_rows(*rows: str, head: str = "") -> Report:
    head = head or "balance_transaction_id,created,currency,gross,fee,net,reporting_category"
    return read("stripe", "\n".join([head, *rows]).encode())


@pytest.mark.parametrize(
    ("category", "kind"),
    [
        ("charge", "payment"),
        ("partial_capture_reversal", "payment"),
        ("refund_failure", "refund"),
        ("payout_reversal", "payout"),
        ("network_cost", "fee"),
        ("dispute_reversal", "dispute"),
        ("risk_reserved_funds", "hold"),
        ("tomorrow's category", "other"),
    ],
)
def test_stripe_s_categories(category: str, kind: str) -> None:
    report = stripe_rows(f"txn_1,2026-05-05 10:00:00,eur,1.00,0.00,1.00,{category}")
    (entry,) = (*report.entries, *report.payouts)
    assert (entry.details["kind"], entry.details["type"]) == (kind, category)
    assert (kind == "payout") is bool(report.payouts)


def test_an_adjustment_for_a_dispute_is_a_dispute() -> None:
    head = "id,Type,Source,Amount,Fee,Net,Currency,Created (UTC)"
    report = stripe_rows("t,adjustment,dp_1,-5.00,15.00,-20.00,eur,2026-05-05 10:00", head=head)
    assert report.entries[0].details["kind"] == "dispute"
    assert (report.entries[0].amount_minor, report.entries[0].fee_minor) == (-500, 1500)


@pytest.mark.parametrize(
    ("currency", "api", "table", "minor_"),
    [("isk", 50_000, "500.00", 500), ("jpy", 500, "500", 500), ("bhd", 1_230, "1.230", 1_230)],
)
def test_units_that_are_not_hundredths(currency: str, api: int, table: str, minor_: int) -> None:
    one = told.stripe_list([Told("payment", "1", "1", 1)])
    one["data"][0] |= {"currency": currency, "amount": api, "net": api}
    assert read("stripe", as_json(one)).entries[0].amount_minor == minor_
    report = stripe_rows(f"txn_1,2026-05-05 10:00:00,{currency},{table},0,{table},charge")
    assert report.entries[0].amount_minor == minor_


def test_an_amount_below_what_a_unit_can_say() -> None:
    one = told.stripe_list([Told("payment", "1", "1", 1)])
    one["data"][0] |= {"currency": "isk", "amount": -50_050, "net": -50_050}
    assert read("stripe", as_json(one)).problems == (
        Problem(1, "amount is finer than the currency"),
    )
    one["data"][0] |= {"currency": "mga", "amount": 7, "net": 7}
    assert read("stripe", as_json(one)).entries[0].amount_minor == 700


def test_an_expanded_source_names_its_charge() -> None:
    one = told.stripe_list([Told("payment", "1", "1", 5)])
    about = {"id": "ch_1", "object": "charge", "payment_intent": "pi_1", "receipt_email": "a@b"}
    one["data"][0]["source"] = about
    entry = read("stripe", as_json(one)).entries[0]
    assert entry.reference == "pi_1"
    assert entry.details["source"] == "ch_1"


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("txn_2,2026-05-05 10:00:00,eur,1.00,0.10,1.00,charge", "gross less fee is not net"),
        ("txn_2,2026-05-05 10:00:00,eur,1.00,0.10,charge", "6 cells under 7 columns"),
        (",2026-05-05 10:00:00,eur,1.00,0.00,1.00,charge", "id is missing"),
        ("txn_2,yesterday,eur,1.00,0.00,1.00,charge", "created is not a date"),
        ("txn_2,2026-13-05,eur,1.00,0.00,1.00,charge", "created is not a date"),
        ("txn_2,2026-05-05,euro,1.00,0.00,1.00,charge", "currency is not three letters"),
        ("txn_2,2026-05-05,eur,NaN,0.00,1.00,charge", "gross is not a number"),
        ("txn_2,2026-05-05,eur,,0.00,1.00,charge", "gross is missing"),
        ("txn_2,2026-05-05,eur,1.005,0.00,1.005,charge", "gross may mean two numbers"),
        ("txn_2,2026-05-05,eur,1e3,0.00,1e3,charge", "gross is not a number"),
        (f"{'x' * 201},2026-05-05,eur,1.00,0.00,1.00,charge", "id is too long or not readable"),
        ("txn\x07,2026-05-05,eur,1.00,0.00,1.00,charge", "id is too long or not readable"),
        ("txn_2,2026-05-05,eur,9999999999999999.00,0.00,0.00,charge", "gross is too large"),
    ],
)
def test_a_broken_row_is_named_and_the_others_stand(row: str, why: str) -> None:
    good = "txn_{},2026-05-05 10:00:00,eur,1.00,0.00,1.00,charge"
    report = stripe_rows(good.format(1), row, good.format(3))
    assert [entry.id for entry in report.entries] == ["txn_1", "txn_3"]
    assert report.problems == (Problem(3, why),)


def test_a_quote_that_is_never_closed_hides_no_rows() -> None:
    good = "txn_{},2026-05-05,eur,1.00,0.00,1.00,{}"
    rows = [good.format(1, "charge"), good.format(2, '"charge')]
    rows += [good.format(n, "charge") for n in range(3, 9)]
    report = stripe_rows(*rows)
    assert [entry.id for entry in report.entries] == ["txn_1"]
    assert report.problems == (Problem(3, "a quote is not closed; lines 3 to 9 are not read"),)


def test_a_cell_that_is_too_long_is_one_bad_row() -> None:
    good = "txn_{},2026-05-05,eur,1.00,0.00,1.00,charge"
    report = stripe_rows(good.format(1), "x" * 200_000, good.format(3))
    assert [entry.id for entry in report.entries] == ["txn_1", "txn_3"]
    assert report.problems == (Problem(3, "a cell is too long"),)


@pytest.mark.parametrize(
    ("one", "why"),
    [
        (None, "not a balance transaction"),
        ({"object": "payout"}, "not a balance transaction"),
        ({"amount": 1.5}, "amount is not a whole number"),
        ({"amount": True}, "amount is not a whole number"),
        ({"fee": None}, "fee is not a whole number"),
        ({"created": "2026"}, "created is not a time"),
        ({"created": 10**18}, "created is not a time"),
        ({"currency": None}, "currency is missing"),
        ({"id": ["txn"]}, "id is neither text nor a whole number"),
        ({"amount": AMOUNT_MAX + 1}, "amount is too large"),
    ],
)
def test_a_broken_object_is_named_and_the_others_stand(
    one: dict[str, Any] | None, why: str
) -> None:
    value = told.stripe_list([Told("payment", str(n), "1", 5) for n in range(3)])
    value["data"][1] = None if one is None else value["data"][1] | one
    report = read("stripe", as_json(value))
    assert (len(report.entries), report.problems) == (2, (Problem(2, why),))


def test_a_list_with_further_pages_says_so() -> None:
    value = told.stripe_list([Told("payment", "1", "1", 5)]) | {"has_more": True}
    assert read("stripe", as_json(value)).problems == (Problem(0, "the list has further pages"),)
    last = value | {"has_more": False}
    assert read("stripe", as_json([value, last])).problems == ()


# ── YooKassa ──────────────────────────────────────────────────────────────────────────────────────
SAMPLE = told.yookassa_registry([Told("payment", "p1", "p1", 100_00, 3_66, currency="RUB")])


def test_older_registries_have_other_names() -> None:
    old = (
        "Номер транзакции;Идентификатор клиента;Сумма платежа;Валюта платежа;"
        "Сумма за вычетом комиссии;Время платежа;Номер кошелька плательщика;Краткое описание;"
        "Тип платежа\n2000001;77;1 250,50;RUB;1 213,00;18.06.2021 17:46:58;4100;Заказ;AC\n"
    )
    (entry,) = clean(read("yookassa", old.encode("cp1251"))).entries
    assert (entry.id, entry.amount_minor, entry.fee_minor, entry.booked_on) == (
        "2000001",
        1250_50,
        37_50,
        dt.date(2021, 6, 18),
    )


def test_a_registry_without_times_has_its_title_s_day() -> None:
    text = "Дата платежей: 05.05.2026\nИдентификатор платежа;Сумма платежа\np1;1000\n"
    (entry,) = clean(read("yookassa", text.encode())).entries
    assert (entry.booked_on, entry.amount_minor, entry.currency) == (DAY, 1000_00, "RUB")
    text = "Идентификатор платежа;Сумма платежа\np1;1000\n"
    assert read("yookassa", text.encode()).problems == (
        Problem(2, "no time, and the registry names no date"),
    )


def test_an_empty_registry_is_no_error() -> None:
    assert clean(read("yookassa", told.yookassa_registry([]).encode())) == Report(())


@pytest.mark.parametrize(
    ("old", "new", "problems"),
    [
        (
            "Число платежей: 1",
            "Число платежей: 2",
            ["the registry counts other rows than are there"],
        ),
        (": 100.00 RUB", ": 101.00 RUB", ["the registry counts other money than the rows have"]),
        ("Дата платежей: 2026", "Дата платежей: 26", ["the registry's date is not a date"]),
        ("\r\nСумма", "\r\nнечто\r\nСумма", ["neither a row nor a title nor a sum"]),
        (": 100.00 RUB", ": 1.000 RUB", ["the sum may mean two numbers"]),
    ],
)
def test_a_registry_that_contradicts_itself_says_so_and_its_rows_stand(
    old: str, new: str, problems: list[str]
) -> None:
    assert old in SAMPLE
    report = read("yookassa", SAMPLE.replace(old, new).encode())
    assert [problem.text for problem in report.problems] == problems
    assert [entry.id for entry in report.entries] == ["p1"]


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("96.34", "96.35", "amount, commission and what is left disagree"),
        (";100.00;", ";;", "the amount is missing"),
        (";100.00;", ";-100.00;", "amount, commission and what is left disagree"),
        ("p1;", ";", "the payment's id is missing"),
        (";RUB;", ";рубль;", "currency is not three letters"),
        ("05.05.2026 23:59:59", "вчера", "the time is not a date"),
        (";AC;", ";AC;;", "11 cells under 10 columns"),
    ],
)
def test_a_broken_row_of_a_registry_is_named_and_its_sum_not_checked(
    old: str, new: str, why: str
) -> None:
    assert old in SAMPLE
    report = read("yookassa", SAMPLE.replace(old, new).encode())
    assert report.problems == (Problem(4, why),)
    assert report.entries == ()


def test_a_payment_below_zero_is_refused() -> None:
    text = "Дата платежей: 2026-05-05\nИдентификатор платежа;Сумма платежа\np1;-5.00\n"
    assert read("yookassa", text.encode()).problems == (Problem(3, "an amount below zero"),)
    text = "Дата платежей: 2026-05-05\np0;5.00\nИдентификатор платежа;Сумма платежа\np1;5.00\n"
    report = read("yookassa", text.encode())
    assert report.problems == (Problem(2, "a row before any line of columns"),)
    assert len(report.entries) == 1


@pytest.mark.parametrize(
    ("change", "entries", "skipped", "problems"),
    [
        ({"status": "canceled"}, 0, 1, []),
        ({"status": "waiting_for_capture"}, 0, 1, []),
        ({"status": "lost"}, 0, 0, ["status is not one that is known"]),
        ({"status": None}, 0, 0, ["status is missing"]),
        ({"income_amount": None}, 1, 0, []),
        ({"income_amount": {"value": "1.00", "currency": "USD"}}, 0, 0, None),
        ({"amount": {"value": "NaN", "currency": "RUB"}}, 0, 0, ["amount is not a number"]),
        ({"amount": {"value": None, "currency": "RUB"}}, 0, 0, ["amount is missing"]),
        ({"amount": "100"}, 0, 0, ["neither a payment nor a refund"]),
        ({"captured_at": "soon"}, 0, 0, ["the time is not a date"]),
        ({"payment_method": None}, 1, 0, []),
    ],
)
def test_payments_of_the_api(
    change: dict[str, Any], entries: int, skipped: int, problems: list[str] | None
) -> None:
    value = told.yookassa_list([Told("payment", "p1", "p1", 5_00, 10, currency="RUB")])
    value["items"][0] |= change
    report = read("yookassa", as_json(value))
    assert (len(report.entries), report.skipped) == (entries, skipped)
    texts = ["income_amount is of another currency"] if problems is None else problems
    assert [problem.text for problem in report.problems] == texts


# ── Zibal ─────────────────────────────────────────────────────────────────────────────────────────
def zibal(kind: str, **change: Any) -> Report:
    page = told.zibal_reports([Told(kind, "1", "0", 5_000, currency="IRR")])[ALL.index(kind)]
    page["data"][0] |= change
    return read("zibal", as_json(page))


@pytest.mark.parametrize(
    ("kind", "status", "counts"),
    [
        *[("payment", status, True) for status in (1, 15, 16, "1", "۱")],
        *[("payment", status, False) for status in (-2, -1, 2, 3, 12, 18, 21)],
        ("refund", 2, True),
        *[("refund", status, False) for status in (0, 1, 3)],
        ("payout", 0, True),
        *[("payout", status, False) for status in (1, 2)],
    ],
)
def test_only_what_moved_money_counts(kind: str, status: object, counts: bool) -> None:  # noqa: FBT001
    report = zibal(kind, status=status)
    assert report.problems == ()
    assert (len(report.entries) + len(report.payouts), report.skipped) == (counts, not counts)


@pytest.mark.parametrize(
    ("kind", "change", "why"),
    [
        ("payment", {"status": 99}, "status is not one that is known"),
        ("payment", {"status": 10**9}, "status is not one that is known"),
        ("payment", {"status": None}, "status is missing"),
        ("payment", {"amount": None}, "amount is missing"),
        ("payment", {"amount": -5}, "amount is below zero"),
        ("payment", {"amount": 5.5}, "amount is finer than the currency or too large"),
        ("payment", {"amount": {}}, "amount is not a number"),
        ("payment", {"amount": "1,2,3"}, "amount is not a number"),
        ("payment", {"trackId": ""}, "trackId is missing"),
        ("payment", {"paidAt": None, "createdAt": None}, "paidAt is missing"),
        ("refund", {"status": "2a"}, "status is not one that is known"),
        ("payout", {"refNumber": None, "details": []}, "refNumber is missing"),
        ("payout", {"settlementDate": "1405/13/01"}, "settlementDate is not a date"),
    ],
)
def test_a_broken_record_of_zibal_is_named(kind: str, change: dict[str, Any], why: str) -> None:
    report = zibal(kind, **change)
    assert report.problems == (Problem(1, why),)
    assert (report.entries, report.payouts, report.skipped) == ((), (), 0)


@pytest.mark.parametrize("one", [None, [], {"id": 1}, "x"])
def test_a_record_of_no_kind(one: object) -> None:
    (problem,) = read("zibal", as_json({"result": 1, "data": [one]})).problems
    assert problem.line == 1


@pytest.mark.parametrize(
    ("change", "amount"),
    [
        ({"amount": "۵۰۰۰"}, 5_000),
        ({"amount": "5,000"}, 5_000),
        ({"amount": "\u202b۵٬۰۰۰\u202c"}, 5_000),
        ({"amount": "12,345,678"}, 12_345_678),
        ({"amount": 5000.0}, 5_000),
    ],
)
def test_amounts_as_people_in_iran_write_them(change: dict[str, Any], amount: int) -> None:
    assert zibal("payment", **change).entries[0].amount_minor == amount


def test_a_settlement_s_date_may_be_jalali_and_its_name_a_request() -> None:
    report = zibal(
        "payout", settlementDate=None, persianSettlementDate="۱۴۰۵/۰۲/۱۵", refNumber=None
    )
    (payout,) = report.payouts
    assert payout.booked_on == DAY
    assert (payout.id, payout.reference, payout.account) == ("req-1", "req-1", "IR8701700000")


def test_zibal_s_refusal_is_no_report() -> None:
    with pytest.raises(FormatError, match="refusal"):
        read("zibal", as_json({"result": 2, "message": "دسترسی نامعتبر"}))


def test_a_page_of_a_longer_report_says_so() -> None:
    page = told.zibal_reports([Told("payment", "1", "1", 5, currency="IRR")])[0] | {"total": 3}
    assert read("zibal", as_json(page)).problems == (
        Problem(0, "the report has 3 records, 1 of them are here"),
    )


# ── whole files ───────────────────────────────────────────────────────────────────────────────────
KINDS = ("stripe", "yookassa", "zibal")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xef\xbb\xbf \r\n",
        b"<html>502 Bad Gateway</html>",
        b"PK\x03\x04 a workbook",
        b"\x00\x01\x02\xff\xfe",
        b"\xff\xfe\x00",
        b"{",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"data": {}, "items": 5}',
        b'{"data": [NaN], "items": [NaN]}',
        b'{"data": [' + b"9" * 5_000 + b"]}",
        b'"text"',
        b"[1e400000000]",
        b"id,name\n1,2\n",
        "Идентификатор".encode("utf-16-be"),
        b"x" * (SIZE_MAX_BYTES + 1),
    ],
    ids=range(17),
)
def test_what_is_no_report_is_a_clear_error(kind: str, content: bytes) -> None:
    try:
        report = read(kind, content)
    except FormatError as error:
        report, text = None, str(error)
        assert 0 < len(text) < 200
    if report is not None:  # a list of something else
        assert report.entries == report.payouts == ()
        assert report.problems


def test_what_is_wrong_with_a_file_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FormatError, match="workbook"):
        read("stripe", b"PK\x03\x04 a workbook")
    with pytest.raises(FormatError, match="not JSON"):
        document(b"[NaN]")
    with pytest.raises(FormatError, match=r"not JSON \(line 2\)"):
        document(b"[\n1 2]")
    good = as_json(told.stripe_list([Told("payment", "1", "1", 5)]))
    monkeypatch.setattr(reports, "SIZE_MAX_BYTES", len(good))
    assert len(read("stripe", good).entries) == 1
    with pytest.raises(FormatError, match="ask for it in parts"):
        read("stripe", good + b" ")


@given(st.binary(max_size=300), st.sampled_from(KINDS))
def test_any_bytes_are_a_report_or_a_clear_error(content: bytes, kind: str) -> None:
    try:
        report = read(kind, content)
    except FormatError:
        return
    assert report.entries == ()


@given(st.data(), st.sampled_from(KINDS))
def test_a_damaged_report_loses_nothing(data: st.DataObject, kind: str) -> None:
    """Each record is an entry, an announcement, skipped, or a problem; none is two of them."""
    currency = {"stripe": "EUR", "yookassa": "RUB", "zibal": "IRR"}[kind]
    movements = data.draw(told.movements(currency, ("payment", "refund")))
    write: dict[str, Callable[[list[Told]], Any]] = {
        "stripe": told.stripe_list,
        "yookassa": told.yookassa_list,
        "zibal": lambda m: {"result": 1, "data": told.zibal_reports(m)[0]["data"]},
    }
    value = json.loads(as_json(write[kind](movements)))
    name = "items" if kind == "yookassa" else "data"
    junk = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
    for one in value[name]:
        if data.draw(st.booleans()):
            field = data.draw(st.sampled_from(sorted(one)))
            one[field] = data.draw(junk | st.just([]) | st.just({}))
    try:
        report = read(kind, json.dumps(value).encode())
    except FormatError:  # NaN and Infinity are not JSON
        assert any(text in json.dumps(value) for text in ("NaN", "Infinity"))
        return
    whole = len(report.entries) + len(report.payouts) + len(report.problems) + report.skipped
    assert whole == len(value[name])
    for problem in report.problems:
        assert not any(one.id in problem.text for one in movements)


# ── numbers, days, words ──────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("text", "currency", "amount"),
    [
        ("0", "EUR", 0),
        ("-0.00", "EUR", 0),
        ("12", "EUR", 12_00),
        ("12.5", "EUR", 12_50),
        ("1,050.00", "EUR", 1_050_00),
        ("1.050,00", "EUR", 1_050_00),
        ("1'050.00", "EUR", 1_050_00),
        ("1\u00a0050,00", "EUR", 1_050_00),
        ("1\u202f234\u202f567,89", "RUB", 1_234_567_89),
        ("1,234,567", "EUR", 1_234_567_00),
        ("\u22125,5", "EUR", -5_50),
        ("- 5.50", "EUR", -5_50),
        ("+5.50", "EUR", 5_50),
        ("5.5000", "EUR", 5_50),
        ("1234.500", "EUR", 1_234_50),
        ("۱۲٬۳۴۵٫۶۷", "EUR", 12_345_67),
        ("١٢٣", "IRR", 123),
        ("1,234", "IRR", 1_234),
        ("1,234.00", "IRR", 1_234),
        ("500.00", "JPY", 500),
        ("1.234", "KWD", 1_234),
        ("1,234.567", "KWD", 1_234_567),
    ],
)
def test_numbers_of_every_locale(text: str, currency: str, amount: int) -> None:
    assert minor(text, currency, "it") == amount


@pytest.mark.parametrize(
    ("text", "currency"),
    [
        *[(text, "EUR") for text in ("", " ", "-", "1,050", "1.050", "5.505", "1.2.3", "1,23,456")],
        *[(text, "EUR") for text in ("1 23", "12,345,6", "0x10", "1e2", "∞", "１．", "1,2.3,4")],
        *[(text, "EUR") for text in ("1.000.000.00", "--1", "1-", "(5)", "5 EUR", "1,234.567")],
        *[(text, "IRR") for text in ("0,123", "1.234", "5.5", "1,2")],
        ("9" * 40, "EUR"),
        ("9" * 5_000, "EUR"),
        ("1" + ",000" * 2_000, "EUR"),
    ],
)
def test_what_is_no_amount_or_two_is_refused(text: str, currency: str) -> None:
    with pytest.raises(BadRecord) as caught:
        minor(text, currency, "it")
    assert len(str(caught.value)) < 60


@given(st.integers(-AMOUNT_MAX, AMOUNT_MAX), st.sampled_from(["EUR", "IRR", "RUB", "TRY"]))
def test_an_amount_comes_back_from_every_locale(amount: int, currency: str) -> None:
    for point, group in ((".", ""), (",", "."), (".", ","), (",", " "), (".", "'")):
        text = told.decimal(amount, currency, point, group)
        if currency == "IRR" and group == "." and len(text.lstrip("-")) in range(5, 8):
            continue  # 1.234 rial may be a fraction
        assert minor(text, currency, "it") == amount
    assert whole_minor(told.decimal(amount, currency), currency, "it") == amount


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2026-05-05 08:20:04", DAY),
        ("2026-05-05", DAY),
        ("2026-05-05T08:20:04.053000", DAY),
        ("2026/05/05-14:00:00", DAY),
        ("05.05.2026 17:46:58", DAY),
        ("5/5/2026", DAY),
        ("1405/02/15", DAY),
        ("۱۴۰۵/۰۲/۱۵", DAY),
        ("1405-02-15T10:00:00", DAY),
        ("2026-05-04T21:30:00.000Z", DAY),
        ("2026-05-05T23:30:00+03:00", DAY),
    ],
)
def test_days_as_they_are_written(text: str, day: dt.date) -> None:
    assert day_of(text, "it", "RUB") == day


@pytest.mark.parametrize(
    "text", ["", "tomorrow", "2026", "2026-02-30", "1405/12/31", "0000-00-00", "20260505", 20.5]
)
def test_what_is_no_day(text: object) -> None:
    with pytest.raises(BadRecord):
        day_of(text, "it")


def test_words() -> None:
    assert word(12, "it") == "12"
    assert word("\u200f۱۲۳ ", "it") == "123"
    assert word(None, "it") == word("", "it") == ""
    assert plain("é") == "é"
    wrong: list[object] = [True, 1.5, [], {}]
    for bad in wrong:
        with pytest.raises(BadRecord):
            word(bad, "it")


def test_decimals_are_exact() -> None:
    assert whole_minor(document(b"[0.1]")[0], "EUR", "it") == 10
    assert whole_minor(document(b"[-1.10]")[0], "EUR", "it") == -110
    for bad in (b"[0.101]", b"[1e30]", b"[true]", b"[null]"):
        with pytest.raises(BadRecord):
            whole_minor(document(bad)[0], "EUR", "it")
