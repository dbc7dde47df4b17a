"""Payouts in files of many, from the seal to the bank and back: euro, lira and rial."""

import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from payvand import calendar, ledger
from payvand.bank import sepa, spreadsheet
from payvand.calendar import DOORS
from payvand.ids import Book, merchant_id
from payvand.settlement import PayoutState, with_state
from payvand.store.payout_files import FileState, Lane
from payvand_cli.switch import trust
from payvand_cli.switch.books import RecordFault, ReplyFault
from tests.bank import switch_lab
from tests.bank.euros import iban
from tests.support.payout_files import (
    DEBTOR,
    EURO,
    LIRA,
    RIAL,
    body,
    close,
    earn,
    files,
    know_banks,
    last,
    leave,
    sent_names,
    shop,
    states,
    tasks,
    tick,
    work,
)
from tests.support.world import World, check_books


@pytest.fixture
def world(world: World) -> World:
    know_banks(world, DEBTOR)
    return world


# ── euro: pain.001 out, pain.002 and camt.053 back ────────────────────────────────────────────────
def test_euro_payouts_leave_in_one_file_and_the_bank_says_what_became_of_each(world: World) -> None:
    paid, refused, back = (shop(world, n, iban(end)) for n, end in enumerate(("10", "01", "02")))
    for n, book in enumerate((paid, refused, back)):
        earn(world, book, 1_000 + n)
    close(world, paid, refused, back)
    assert states(world, paid, refused, back) == [PayoutState.NEW] * 3
    assert files(world, EURO) == []
    tick(world, 3)
    (file,) = files(world, EURO)
    assert file.state is FileState.SENT
    assert (file.count, file.amount_minor) == (3, 3_003)
    assert file.date == dt.date(2026, 5, 5), "after 15:00 the next day's"
    assert states(world, paid, refused, back) == [PayoutState.SENT] * 3
    (name,) = sent_names(world, "bank/out/sepa/test/")
    assert body(world, name) == world.live.payout_files.content(file)[0]
    assert not list(world.live.payout_files.waiting(EURO, 10))
    for _ in range(16):
        world.later(hours=6)
        world.lab_call("POST", "/lab/sepabank/run")
        tick(world)
    assert states(world, paid, refused, back) == [
        PayoutState.EXECUTED,
        PayoutState.RETURNED,
        PayoutState.RETURNED,
    ]
    assert last(world, refused).parts[0].bank_code == "AC04"
    assert f"payout_returned#{last(world, refused).payout_id}" in tasks(world)
    check_books(world)
    balance = sum(
        item["legs"].get(ledger.PAYABLE, 0)
        for item in world.items("PaymentsTable")
        if item["pk"].startswith(back.key) and "legs" in item
    )
    assert balance == -2 * 1_002, "earned, and come back"


def test_what_a_bank_says_again_changes_nothing(world: World) -> None:
    book = shop(world, 1, iban("10"))
    earn(world, book, 5_000)
    close(world, book)
    tick(world, 3)
    for _ in range(6):
        world.later(hours=6)
        world.lab_call("POST", "/lab/sepabank/run")
        tick(world)
    assert states(world, book) == [PayoutState.EXECUTED]
    before = last(world, book), len(world.items("PaymentsTable"))
    for key in sent_names(world, "bank/in/sepa/test/"):
        leave(world, key.replace(".xml", "-again.xml"), body(world, key))
    tick(world, 2)
    assert (last(world, book), len(world.items("PaymentsTable"))) == before


def test_a_file_nobody_can_read_is_a_task_and_the_next_one_is_read(world: World) -> None:
    book = shop(world, 1, iban("01"))
    earn(world, book, 5_000)
    close(world, book)
    tick(world, 3)
    for n, junk in enumerate((b"", b"<a", b"\xff\xfe", b"<Document/>", b"{}")):
        leave(world, f"bank/in/sepa/test/junk-{n}.xml", junk)
    tick(world)
    assert [t for t in tasks(world) if t.startswith("bank_answer_unreadable#")] == [
        f"bank_answer_unreadable#bank/in/sepa/test/junk-{n}.xml" for n in range(5)
    ]
    assert states(world, book) == [PayoutState.SENT]
    for _ in range(4):
        world.later(hours=6)
        world.lab_call("POST", "/lab/sepabank/run")
        tick(world)
    assert states(world, book) == [PayoutState.RETURNED]


def test_an_account_no_file_can_carry_waits_for_a_person_and_holds_nobody_up(world: World) -> None:
    good, bad = shop(world, 1, iban("10")), shop(world, 2, "LV00BAD")
    for book in (good, bad):
        earn(world, book, 700)
    close(world, good, bad)
    tick(world, 3)
    assert states(world, good, bad) == [PayoutState.SENT, PayoutState.NEW]
    assert tasks(world) == [f"payout_unsendable#{last(world, bad).payout_id}"]
    assert [id for id, _ in world.live.payout_files.waiting(EURO, 9)] == [
        last(world, bad).payout_id
    ]
    tick(world)
    assert [file.state for file in files(world, EURO)] == [FileState.SENT, FileState.OPEN]


def test_a_payout_that_waits_is_taken_back_one_that_left_is_not(world: World) -> None:
    good, bad = shop(world, 1, iban("10")), shop(world, 2, "LV00BAD")
    for book in (good, bad):
        earn(world, book, 700)
    close(world, good, bad)
    tick(world, 3)
    for book in (good, bad, good, bad):
        message = {"lane": EURO.key, "withdraw": str(last(world, book).payout_id)}
        world.put_message("PayoutFileQueue", json.dumps(message), 0)
    work(world)
    assert states(world, good, bad) == [PayoutState.SENT, PayoutState.RETURNED]
    assert last(world, bad).parts[0].bank_code == "withdrawn"
    assert not list(world.live.payout_files.waiting(EURO, 9))
    check_books(world)
    close(world, bad)
    assert last(world, bad).payout_minor == 700, "and is paid anew"


def test_a_report_about_all_is_about_those_it_does_not_name(world: World) -> None:
    books = [shop(world, n, iban("10")) for n in range(3)]
    for book in books:
        earn(world, book, 900)
    close(world, *books)
    tick(world, 3)
    (file,) = files(world, EURO)
    assert file.message.startswith("PV-EUR-")
    status = "".join(
        (
            '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.002.001.03"><CstmrPmtStsRpt>',
            f"<OrgnlGrpInfAndSts><OrgnlMsgId>{file.message}</OrgnlMsgId><GrpSts>RJCT</GrpSts>",
            "<StsRsnInf><Rsn><Cd>AM04</Cd></Rsn></StsRsnInf></OrgnlGrpInfAndSts>",
            "</CstmrPmtStsRpt></Document>",
        )
    )
    leave(world, "bank/in/sepa/test/all.xml", status.encode())
    tick(world)
    assert states(world, *books) == [PayoutState.RETURNED] * 3


def test_another_lanes_words_and_other_peoples_are_nobodys(world: World) -> None:
    book = shop(world, 1, iban("10"))
    earn(world, book, 900)
    close(world, book)
    id = last(world, book).payout_id
    said = [{"reference": str(id), "verdict": "executed"}]
    for lane, told in (
        (EURO, said),  # not in any file yet
        (LIRA, said),
        (Lane("live", "EUR", "sepa"), said),
        (EURO, [{"reference": "po_ZZZ", "verdict": "executed"}]),
    ):
        world.put_message("PayoutFileQueue", json.dumps({"lane": lane.key, "said": told}), 0)
    work(world)
    assert states(world, book) == [PayoutState.NEW]
    assert not world.dead["PayoutFileDeadQueue"]


def test_without_a_bank_payouts_wait_and_somebody_is_told(world: World) -> None:
    know_banks(world, {})
    world.live.secrets._kept.clear()
    book = shop(world, 1, iban("10"))
    earn(world, book, 900)
    close(world, book)
    tick(world, 3)
    assert states(world, book) == [PayoutState.NEW]
    assert tasks(world) == [f"bank_not_configured#{EURO.key}"]
    know_banks(world, DEBTOR)
    world.live.secrets._kept.clear()
    tick(world)
    assert states(world, book) == [PayoutState.SENT]


def test_a_file_without_any_word_is_a_persons_after_three_days(world: World) -> None:
    book = shop(world, 1, iban("10"))
    earn(world, book, 900)
    close(world, book)
    tick(world, 3)
    world.later(days=3)
    tick(world)
    (file,) = files(world, EURO)
    assert file.state is FileState.CLOSED
    assert f"payout_file_unanswered#{file.key}" in tasks(world)


@pytest.mark.parametrize(
    ("now", "date"),
    [
        ("2026-05-05T06:00", "2026-05-05"),  # a business day, before the bank's hour
        ("2026-05-05T12:30", "2026-05-06"),  # 15:30 in Riga
        ("2026-05-08T14:00", None),  # Friday after the hour: not before Sunday
        ("2026-05-09T20:00", None),
        ("2026-05-10T06:00", "2026-05-11"),
        ("2026-12-24T14:00", None),  # Christmas: the 28th is next
        ("2026-12-27T06:00", "2026-12-28"),
    ],
)
def test_a_file_is_dated_for_the_day_it_is_worked_on(
    world: World, now: str, date: str | None
) -> None:
    from functions.payout_file.assemble import due

    world.now = dt.datetime.fromisoformat(now).replace(tzinfo=dt.UTC)
    moment = world.live.clock.now("test")
    waited_ms = moment.ms - 3_600_000
    found = due(world.live, EURO, moment, waited_ms)
    assert (found and found.isoformat()) == date
    fresh = due(world.live, EURO, moment, moment.ms)
    assert fresh is None, "it gathers for half an hour"


def test_near_the_banks_hour_nothing_is_waited_for(world: World) -> None:
    from functions.payout_file.assemble import due

    world.now = dt.datetime(2026, 5, 5, 11, 40, tzinfo=dt.UTC)  # 14:40 in Riga
    moment = world.live.clock.now("test")
    assert due(world.live, EURO, moment, moment.ms) == dt.date(2026, 5, 5)


def test_of_two_open_files_the_older_is_written_first_under_a_name_of_its_own(
    world: World,
) -> None:
    """A host with an old clock opened yesterday's file when today's was open already."""
    books = [shop(world, n, iban("10")) for n in range(2)]
    for book in books:
        earn(world, book, 900)
    close(world, *books)
    store, today = world.live.payout_files, dt.date(2026, 5, 5)
    at_ms = int(world.now.timestamp() * 1000)
    newer = store.open(EURO, today, at_ms)
    with mock.patch.object(store, "newest", return_value=[]):
        older = store.open(EURO, today - dt.timedelta(1), at_ms)
    for book, file in zip(books, (older, newer), strict=True):
        sent = with_state(last(world, book), PayoutState.SENT, 1)
        world.books[1].claim(sent, file.key)
    tick(world, 4)
    assert [(f.key, f.state, f.count) for f in files(world, EURO)] == [
        (older.key, FileState.SENT, 1),
        (newer.key, FileState.SENT, 1),
    ]
    assert [f.name for f in files(world, EURO)] == ["20260505-02.xml", "20260505-01.xml"]
    assert not list(store.waiting(EURO, 9))


# ── lira: a table out, a table back ───────────────────────────────────────────────────────────────
def test_a_table_goes_out_and_the_table_with_answers_comes_back(world: World) -> None:
    one = shop(world, 1, "TR330006100519786457841326", "TRY")
    two = shop(world, 2, "TR330006100519786457841326", "TRY")
    for book in (one, two):
        earn(world, book, 123_456)
    close(world, one, two)
    tick(world, 3)
    (name,) = sent_names(world, "bank/out/csv/test/TRY/")
    rows = body(world, name).decode("utf-8-sig").splitlines()
    assert rows[0] == ",".join(spreadsheet.COLUMNS)
    ids = [str(last(world, book).payout_id) for book in (one, two)]
    told = f"reference;status;code\n{ids[0]};executed;\n{ids[1]};REJECTED;AC04\nx y;?;\n"
    leave(world, "bank/in/csv/test/TRY/answers.csv", told.encode())
    tick(world)
    assert states(world, one, two) == [PayoutState.EXECUTED, PayoutState.RETURNED]
    assert "bank_answer_doubtful#bank/in/csv/test/TRY/answers.csv" in tasks(world)
    check_books(world)


# ── rial: the switch ──────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def switch(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The lab's switch on our clock, and the currency's door moved to it."""
    currencies = calendar.currencies()
    rial = currencies["IRR"]
    moved = replace(rial, profiles=tuple(replace(p, door="switch") for p in rial.profiles))
    monkeypatch.setattr(calendar, "currencies", lambda: {**currencies, "IRR": moved})
    assert "switch" in DOORS
    clock = switch_lab.Clock(world.now)
    with switch_lab.started(tmp_path / "switch", clock) as lab:
        switch_lab.furnish(lab)
        server = lab.server
        fields = {
            "host": server.host, "port": server.port, "user": server.user,
            "password": server.password, "ca_pem": server.ca_pem, "alias": switch_lab.ALIAS,
            "switch_pem": lab.running.switch.public_pem.decode(), "debtor_iban": switch_lab.OURS,
            "debtor_name": "پیوند",
            "signing_pem": trust.private_pem(switch_lab.key(0)).decode(),
        }  # fmt: skip
        know_banks(world, {**DEBTOR, "IRR": fields})
        yield lab


def acceptors(world: World, *ns: int, **changes: Any) -> list[Book]:
    return [
        shop(
            world, n, switch_lab.iban(100 + n), "IRR",
            acceptor=switch_lab.acceptor(n), iin=str(switch_lab.IIN), **changes,
        )
        for n in ns
    ]  # fmt: skip


def morning(world: World, lab: Any) -> None:
    """The switch works through its night, then we look."""
    world.now = dt.datetime(2026, 5, 5, 6, 45, tzinfo=dt.UTC)  # 10:15 in Tehran
    lab.clock.at = world.now
    lab.running.switch.process()
    tick(world)


def test_rial_payouts_go_to_the_switch_signed_and_its_answer_is_read(
    world: World, switch: Any
) -> None:
    books = acceptors(world, 1, 2, 3)
    for n, book in enumerate(books):
        earn(world, book, 1_000_000 * (n + 1))
    earn(world, books[2], switch_lab.BALANCE, "more than the acceptor has there")
    close(world, *books)
    tick(world, 3)
    (file,) = files(world, RIAL)
    assert file.name == "PYV_14050215_01.json"
    assert file.state is FileState.SENT
    tick(world)
    assert files(world, RIAL)[0].state is FileState.SENT, "no answer yet"
    morning(world, switch)
    assert files(world, RIAL)[0].state is FileState.CLOSED
    assert states(world, *books) == [
        PayoutState.EXECUTED,
        PayoutState.EXECUTED,
        PayoutState.RETURNED,
    ]
    assert last(world, books[2]).parts[0].bank_code == "15"
    switch.at(dt.date(2026, 5, 5), "14:31")
    assert switch.accounts() == {switch_lab.iban(101): 1_000_000, switch_lab.iban(102): 2_000_000}
    check_books(world)


def test_a_merchant_the_switch_does_not_know_by_name_waits(world: World, switch: Any) -> None:
    (known,) = acceptors(world, 1)
    (nameless,) = acceptors(world, 2)
    world.add_merchant(
        nameless.merchant_id,
        currencies=("IRR",),
        payees=(world.payee(switch_lab.iban(102), nameless.merchant_id),),
    )
    for book in (known, nameless):
        earn(world, book, 5_000_000)
    close(world, known, nameless)
    tick(world, 3)
    assert states(world, known, nameless) == [PayoutState.SENT, PayoutState.NEW]
    assert tasks(world) == [f"payout_unsendable#{last(world, nameless).payout_id}"]


def test_one_acceptor_has_one_record_a_file_and_the_next_has_the_other(
    world: World, switch: Any
) -> None:
    (book,) = acceptors(world, 1)
    earn(world, book, 1_000_000)
    close(world, book)
    world.now += dt.timedelta(hours=12)
    other = Book(merchant_id(5_050), "test", "IRR")
    world.add_merchant(
        other.merchant_id,
        currencies=("IRR",),
        payees=(world.payee(switch_lab.iban(101), other.merchant_id),),
        acceptor=switch_lab.acceptor(1),
        iin=str(switch_lab.IIN),
    )
    world.now = dt.datetime(2026, 5, 4, 13, 25, tzinfo=dt.UTC)
    day = dt.date(2026, 5, 4)
    legs = ledger.earned(other.merchant_id, 2_000_000)
    requests = world.books[0].posting_requests(other, "e:1", day, 1, legs)
    world.live.table("PAYMENTS_TABLE").transact(requests)
    world.put_message("SettleQueue", json.dumps({"book": other.key}), 0)
    work(world)
    tick(world, 6)
    assert [(file.cycle, file.count) for file in files(world, RIAL)] == [(1, 1), (2, 1)]
    assert states(world, book, other) == [PayoutState.SENT] * 2


def test_a_switch_that_is_away_gets_the_same_file_later(world: World, switch: Any) -> None:
    (book,) = acceptors(world, 1)
    earn(world, book, 1_000_000)
    close(world, book)
    secret = world.raw["secretsmanager"].get_secret_value(SecretId="BankSecretTest")
    right = json.loads(secret["SecretString"])
    know_banks(world, {**right, "IRR": {**right["IRR"], "port": 1}})
    world.live.secrets._kept.clear()
    tick(world, 3)
    (file,) = files(world, RIAL)
    assert file.state is FileState.WRITTEN
    assert states(world, book) == [PayoutState.SENT], "claimed: nobody else pays it"
    know_banks(world, right)
    world.live.secrets._kept.clear()
    tick(world)
    (again,) = files(world, RIAL)
    assert again.state is FileState.SENT
    assert (again.name, again.digest) == (file.name, file.digest)


def test_an_answer_signed_by_another_decides_nothing(world: World, switch: Any) -> None:
    (book,) = acceptors(world, 1)
    earn(world, book, 1_000_000)
    close(world, book)
    tick(world, 3)
    (file,) = files(world, RIAL)
    switch.running.switch.plant(ReplyFault(switch_lab.ALIAS, "forged"))
    morning(world, switch)
    assert f"bank_answer_unreadable#{file.key}" in tasks(world)
    assert states(world, book) == [PayoutState.SENT]


def test_an_answer_that_does_not_know_is_a_persons(world: World, switch: Any) -> None:
    (book,) = acceptors(world, 1)
    earn(world, book, 1_000_000)
    close(world, book)
    tick(world, 3)
    switch.running.switch.plant(RecordFault(switch_lab.acceptor(1), 1, paid=True))
    morning(world, switch)
    id = last(world, book).payout_id
    assert f"payout_in_doubt#{id}" in tasks(world)
    assert states(world, book) == [PayoutState.SENT]


def test_sepa_reads_what_it_wrote() -> None:
    assert EURO.currency == sepa.CURRENCY
