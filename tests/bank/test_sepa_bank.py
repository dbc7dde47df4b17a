"""The lab's SEPA bank, spoken to in the product's own files: paid once, told late, every cent."""

import datetime as dt
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import holidays
import pytest
import xmlschema
from hypothesis import given
from hypothesis import strategies as st

from functions.lab import sepabank
from functions.lab.sepabank import ACCOUNT, IN, OPENING_CENTS, OUT
from functions.lab.sepabank_files import Movement
from functions.lab.store import Doc
from payvand.bank import Order, Outcome, Transfer, camt, sepa
from tests.bank.euros import head, iban, pain001
from tests.channels.lab_world import Lab, running_lab

TUESDAY = dt.datetime(2026, 5, 5, 9, 0, tzinfo=dt.UTC)  # noon in Riga
DAY = dt.timedelta(days=1)


def pay(reference: str, cents: int = 1_000, ending: str = "10") -> Order:
    return Order(reference, (Transfer(reference, cents, iban(ending), "SIA Jūra"),))


def file(*orders: Order, cycle: int = 1, on: dt.datetime = TUESDAY, batch: bool = True) -> bytes:
    about = head(debtor_iban=ACCOUNT, date=on.date(), cycle=cycle, created_at=on)
    return sepa.payment_file(about, orders, batch_booking=batch)


class Bank:
    """The pure core with a clock; what it says is read by the product's own readers."""

    def __init__(self) -> None:
        self.state = sepabank.new()
        self.now = TUESDAY
        self.told: dict[str, bytes] = {}
        self.number = 0

    def turn(self, *bodies: bytes) -> list[bytes]:
        """Hand over files and let it live; what it says now, in order."""
        files = {}
        for body in bodies:
            self.number += 1
            files[f"{OUT}f{self.number}.xml"] = body
        sepabank.turn(self.state, files, self.now)
        self.state = json.loads(json.dumps(self.state))  # as it is kept
        said = {name: text.encode() for name, text in self.state["outbox"].items()}
        self.state["outbox"] = {}
        assert not said.keys() & self.told.keys(), "no word is taken back"
        self.told |= said
        return list(said.values())

    def reports(self, *bodies: bytes) -> list[sepa.StatusReport]:
        return [sepa.read_status(one) for one in self.turn(*bodies) if b"pain.002" in one]

    def later(self, days: float) -> list[camt.Statement]:
        """Live on, day by day; the statements of the days that ended."""
        self.now += days * DAY
        found = [one for one in self.turn() if b"camt.053" in one]
        return [statement for one in found for statement in camt.read_statements(one)]

    @property
    def cents(self) -> int:
        return int(self.state["accounts"][ACCOUNT]["cents"])


def words(report: sepa.StatusReport, *references: str) -> dict[str, str]:
    """Verdict and code of each transfer."""
    return {one.reference: f"{one.verdict} {one.code}".strip() for one in report.of(references)}


# ── a day ─────────────────────────────────────────────────────────────────────────────────────────
def test_a_file_is_accepted_then_executed_then_told_in_the_statement() -> None:
    bank = Bank()
    first, second = bank.reports(file(pay("po_1", 1_000), pay("po_2", 234)))
    assert words(first, "po_1", "po_2") == {"po_1": "pending", "po_2": "pending"}
    assert words(second, "po_1", "po_2") == {"po_1": "executed", "po_2": "executed"}
    assert first.about == second.about == "PV-EUR-20260505-1-" + first.about[-8:]
    assert not first.problems + second.problems
    assert bank.reports() == []
    (statement,) = bank.later(1)
    assert (statement.account, statement.problems) == (ACCOUNT, ())
    assert statement.opening_minor == OPENING_CENTS
    assert statement.closing_minor == OPENING_CENTS - 1_234 - 10 == bank.cents
    assert [
        (one.reference, one.amount_minor, one.details["kind"]) for one in statement.entries
    ] == [
        ("po_1", -1_000, "transfer"),
        ("po_2", -234, "transfer"),
        ("", -10, "charge"),
    ]
    assert {one.details.get("payment_information") for one in statement.entries[:2]} == {
        first.about
    }
    assert words_of(camt.outcomes(statement)) == {"po_1": "executed", "po_2": "executed"}


def words_of(outcomes: Sequence[Outcome]) -> dict[str, str]:
    return {one.reference: f"{one.verdict} {one.code}".strip() for one in outcomes}


def test_without_batch_booking_each_transfer_is_an_entry() -> None:
    bank = Bank()
    body = file(pay("po_1"), pay("po_2"), batch=False)
    bank.turn(body)
    bank.now += DAY
    (told,) = bank.turn()
    assert told.count(b"<Ntry>") == 3
    assert b"<Btch>" not in told


@pytest.mark.parametrize(
    ("ending", "first", "second", "statement"),
    [
        ("10", "pending", "executed", ["executed"]),
        ("01", "rejected AC04", None, []),
        ("04", "rejected AC06", None, []),
        ("05", "rejected AC01", None, []),
        ("06", "pending", "rejected AM04", []),
        ("02", "pending", "executed", ["executed", "returned AC06"]),
        ("03", "pending", None, ["executed"]),
        ("08", "pending", "pending", ["executed"]),
    ],
)
def test_the_ending_of_the_iban_chooses(
    ending: str, first: str, second: str | None, statement: list[str]
) -> None:
    bank = Bank()
    reports = bank.reports(file(pay("po_1", 700, ending)))
    assert [words(report, "po_1").get("po_1") for report in reports] == [
        word for word in (first, second) if word
    ]
    proofs = [
        f"{one.verdict} {one.code}".strip()
        for told in (*bank.later(1), *bank.later(1))
        for one in camt.outcomes(told)
    ]
    assert proofs == statement
    executed, back = "executed" in statement, "returned AC06" in statement
    assert bank.cents == OPENING_CENTS - 705 * executed + 700 * back


def test_a_part_refused_is_named_and_of_the_rest_nothing_is_said_until_it_is_done() -> None:
    bank = Bank()
    first, second = bank.reports(
        file(pay("po_1"), pay("po_2", ending="01"), pay("po_3", ending="03"), pay("po_4"))
    )
    sent = ("po_1", "po_2", "po_3", "po_4")
    assert words(first, *sent) == {"po_2": "rejected AC04"}
    assert words(second, *sent) == {"po_1": "executed", "po_4": "executed"}
    (statement,) = bank.later(1)
    assert words_of(camt.outcomes(statement)) == {
        "po_1": "executed",
        "po_3": "executed",
        "po_4": "executed",
    }


def test_a_waiting_transfer_is_executed_on_the_next_day() -> None:
    bank = Bank()
    bank.turn(file(pay("po_1", ending="08"), pay("po_2")))
    bank.now += DAY
    (report,) = (sepa.read_status(one) for one in bank.turn() if b"pain.002" in one)
    assert words(report, "po_1", "po_2") == {"po_1": "executed"}


# ── never twice ───────────────────────────────────────────────────────────────────────────────────
def test_the_same_message_again_is_refused_and_paid_once() -> None:
    bank = Bank()
    body = file(pay("po_1"))
    bank.turn(body)
    before = bank.cents
    (again,) = bank.reports(body)
    assert words(again, "po_1") == {"po_1": "unknown AM05"}, "a copy says nothing of the first"
    assert bank.cents == before
    sepabank.turn(bank.state, {f"{OUT}f1.xml": file(pay("po_9"))}, bank.now)
    assert bank.state["outbox"] == {}, "a name is looked at once"


def test_a_message_id_is_taken_once_whatever_the_file_holds() -> None:
    bank = Bank()
    bank.turn(file(pay("po_1")))
    (other,) = bank.reports(file(pay("po_2"), pay("po_3")))
    assert words(other, "po_2", "po_3") == dict.fromkeys(("po_2", "po_3"), "unknown AM05")
    assert bank.cents == OPENING_CENTS - 1_000


def test_a_reference_is_paid_once_for_ever() -> None:
    bank = Bank()
    bank.turn(file(pay("po_1"), pay("po_2")))
    bank.later(300)
    left = bank.cents
    first, second = bank.reports(file(pay("po_2"), pay("po_3"), cycle=2, on=bank.now))
    assert words(first) == {"po_2": "unknown AM05"}
    assert words(second) == {"po_3": "executed"}
    assert bank.cents == left - 1_000


def test_a_reference_twice_in_a_file_is_paid_once() -> None:
    bank = Bank()
    twice = file(pay("po_1"), pay("po_2")).replace(b"po.2", b"po.1")
    first, second = bank.reports(twice)
    assert words(first) == {"po_1": "unknown AM05"}
    assert words(second) == {"po_1": "executed"}
    assert bank.cents == OPENING_CENTS - 1_000


def test_a_reference_refused_for_its_account_may_be_sent_again_to_a_right_one() -> None:
    bank = Bank()
    bank.turn(file(pay("po_1", ending="05"), pay("po_2", ending="06")))
    _, second = bank.reports(file(pay("po_1"), pay("po_2"), cycle=2))
    assert words(second, "po_1", "po_2") == {"po_1": "executed", "po_2": "executed"}


# ── money and time ────────────────────────────────────────────────────────────────────────────────
def test_what_is_not_on_the_account_is_not_paid_until_it_is() -> None:
    bank = Bank()
    _, second = bank.reports(file(pay("po_1", OPENING_CENTS + 1), pay("po_2", OPENING_CENTS)))
    assert words(second) == {"po_1": "rejected AM04", "po_2": "executed"}
    assert bank.cents == 0
    sepabank.receive(bank.state, Movement(900, "zarinpal-7", name="A", text="takings"), bank.now)
    _, second = bank.reports(file(pay("po_3", 901), pay("po_4", 900), cycle=2))
    assert words(second) == {"po_3": "rejected AM04", "po_4": "executed"}
    (statement,) = bank.later(1)
    income = next(one for one in statement.entries if one.amount_minor > 0)
    assert (income.reference, income.amount_minor, income.details["kind"]) == (
        "zarinpal-7",
        900,
        "transfer",
    )
    assert income.details["remittance"] == "takings"
    assert statement.closing_minor == -10, "the charges of a day are taken whatever is left"


def test_money_is_spent_once_within_a_file() -> None:
    bank = Bank()
    half = OPENING_CENTS // 2
    _, second = bank.reports(file(pay("po_1", half), pay("po_2", half + 1), pay("po_3", half)))
    assert words(second) == {"po_1": "executed", "po_2": "rejected AM04", "po_3": "executed"}
    assert bank.cents == 0


@pytest.mark.parametrize(
    ("handed_over", "asked_for", "worked_on"),
    [
        ("2026-05-05T11:59:59Z", "2026-05-05", "2026-05-05"),
        ("2026-05-05T12:00:00Z", "2026-05-05", "2026-05-06"),  # 15:00 in Riga
        ("2026-12-01T13:00:00Z", "2026-12-01", "2026-12-02"),  # 15:00 in winter
        ("2026-05-08T12:00:00Z", "2026-05-08", "2026-05-11"),  # Friday afternoon
        ("2026-05-09T06:00:00Z", "2026-05-08", "2026-05-11"),  # Saturday
        ("2026-04-02T12:00:00Z", "2026-04-02", "2026-04-07"),  # before Easter
        ("2026-12-24T13:00:00Z", "2026-12-24", "2026-12-28"),
        ("2026-05-05T09:00:00Z", "2026-05-04", "2026-05-05"),  # asked for too late
        ("2026-05-05T09:00:00Z", "2026-05-20", "2026-05-20"),  # asked for ahead
        ("2026-05-05T09:00:00Z", "2026-05-23", "2026-05-25"),  # ahead, on a Saturday
    ],
)
def test_a_file_is_worked_on_an_open_day_and_late_ones_on_the_next(
    handed_over: str, asked_for: str, worked_on: str
) -> None:
    bank = Bank()
    bank.now = dt.datetime.fromisoformat(handed_over)
    asked = dt.datetime.fromisoformat(f"{asked_for}T09:00:00Z")
    bank.turn(file(pay("po_1"), on=asked))
    booked = [
        entry.booked_on.isoformat()
        for statement in bank.later(40)
        for entry in statement.entries
        if entry.reference == "po_1"
    ]
    assert booked == [worked_on]


def test_a_run_after_a_week_tells_every_open_day_and_returns_on_its_own() -> None:
    bank = Bank()
    bank.turn(file(pay("po_1", 500, "02")))
    statements = bank.later(9)
    assert [one.closing_on for one in statements] == [
        dt.date(2026, 5, day) for day in (5, 6, 7, 8, 11, 12, 13)
    ]
    back = [(one.booked_on.day, one.details["code"]) for one in statements[1].entries]
    assert back == [(6, "AC06")]
    for before, after in itertools.pairwise(statements):
        assert before.closing_minor == after.opening_minor
    assert [one.entries for one in statements[2:]] == [()] * 5


def test_target_s_days_are_the_ecb_s() -> None:
    known = holidays.financial_holidays("ECB", years=range(2020, 2045))
    for n in range(25 * 365):
        day = dt.date(2020, 1, 1) + n * DAY
        assert sepabank.is_open(day) == (day.weekday() < 5 and day not in known), day


# ── what it refuses ───────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (b"<MsgId>", b"<MsgId", "FF01"),
        (b"pain.001.001.09", b"pain.001.001.03", "FF01"),
        (b"Document", b"Papers", "FF01"),
        (b"<?xml", b"<!DOCTYPE x><?xml", "FF01"),
        (b"<ChrgBr>SLEV", b"<ChrgBr>SHAR", "CH16"),
        (b"<PmtMtd>TRF", b"<PmtMtd>CHK", "CH16"),
        (b"<Cd>SEPA", b"<Cd>URGP", "CH16"),
        (b"<Nm>Payvand", b"<Nm>P\xc4\x81yvand", "CH16"),
        (b"<Nm>SIA Jura", b"<Nm>" + b"a" * 71, "CH16"),
        (b"po.1</EndToEndId>", b"po_1</EndToEndId>", "CH16"),
        (b"po.1</EndToEndId>", b"/po1</EndToEndId>", "CH16"),
        (b"po.1</EndToEndId>", b"p//o1</EndToEndId>", "CH16"),
        (b"po.1</EndToEndId>", b"a" * 36 + b"</EndToEndId>", "CH16"),
        (b"<EndToEndId>po.1</EndToEndId>", b"", "CH21"),
        (b"<InstdAmt Ccy", b"<EqvtAmt/><InstdAmt Ccy", "CH17"),
        (b">10.00</InstdAmt>", b">10,00</InstdAmt>", "CH16"),
        (b">10.00</InstdAmt>", b">10.001</InstdAmt>", "CH16"),
        (b">10.00</InstdAmt>", b">-10.00</InstdAmt>", "CH16"),
        (b"<NbOfTxs>1", b"<NbOfTxs>2", "AM18"),
        (b"<CtrlSum>10.00", b"<CtrlSum>10.01", "AM10"),
        (b"<Dt>2026-05-05", b"<Dt>2026-02-30", "DT01"),
        (b"<Dt>2026-05-05", b"<Dt>2027-05-06", "DT01"),
        (ACCOUNT.encode(), iban().encode(), "AC02"),
        (ACCOUNT.encode(), b"LV00" + ACCOUNT[4:].encode(), "AC02"),
        (
            b"<PmtMtd>TRF</PmtMtd><BtchBookg>true</BtchBookg>",
            b"<BtchBookg>true</BtchBookg>",
            "CH21",
        ),
        (
            b"<PmtMtd>TRF</PmtMtd><BtchBookg>true</BtchBookg>",
            b"<BtchBookg>true</BtchBookg><PmtMtd>TRF</PmtMtd>",
            "CH16",
        ),
    ],
)
def test_a_file_that_is_not_as_it_should_be_is_refused_whole(
    old: bytes, new: bytes, code: str
) -> None:
    bank = Bank()
    good = file(pay("po_1"))
    assert old in good
    (report,) = bank.reports(good.replace(old, new))
    assert report.outcomes == ()
    assert report.rest is not None
    assert (str(report.rest.verdict), report.rest.code) == ("rejected", code)
    assert report.about in {"NOTPROVIDED", good.split(b"MsgId>")[1][:-2].decode()}
    assert bank.state["waiting"] == []
    first, _ = bank.reports(good)
    assert words(first, "po_1") == {"po_1": "pending"}, "mended, it is taken"


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (b'Ccy="EUR"', b'Ccy="USD"', "AM03"),
        (iban().encode(), b"LV00" + iban()[4:].encode(), "AC01"),
        (iban().encode(), b"LV8", "CH16"),
        (iban().encode(), b"IR870170000000123456789088", "CNOR"),
    ],
)
def test_a_transfer_that_cannot_be_paid_is_refused_alone(old: bytes, new: bytes, code: str) -> None:
    bank = Bank()
    body = file(pay("po_1"), pay("po_2", ending="11")).replace(old, new, 1)
    first = bank.reports(body)[0]
    if code == "CH16":
        assert first.rest is not None
        assert first.rest.code == code
    else:
        assert words(first) == {"po_1": f"rejected {code}"}


def test_nothing_is_a_file() -> None:
    bank = Bank()
    for body in (b"", b"<", b"\xff" * 9, b"<Document/>"):
        (report,) = bank.reports(body)
        assert report.rest is not None
        assert (report.about, report.rest.code) == ("NOTPROVIDED", "FF01")


# ── any life ──────────────────────────────────────────────────────────────────────────────────────
lives = st.lists(
    st.tuples(
        st.integers(0, 9),  # days that pass before
        st.lists(
            st.tuples(
                st.integers(1, 12),
                st.integers(1, 60_000_000),
                st.sampled_from(["01", "02", "03", "04", "05", "06", "08", "10", "11"]),
            ),
            max_size=4,
            unique_by=lambda one: one[0],
        ),
        st.booleans(),
    ),
    max_size=6,
)


@given(lives)
def test_whatever_happens_every_cent_is_told_once(
    life: list[tuple[int, list[tuple[int, int, str]], bool]],
) -> None:
    bank = Bank()
    statements: list[camt.Statement] = []
    executed: list[str] = []
    for cycle, (days, orders, batch) in enumerate(life, 1):
        statements += bank.later(days)
        sent = [pay(f"po_{n}", cents, ending) for n, cents, ending in orders]
        if sent:
            body = file(*sent, cycle=cycle, on=bank.now, batch=batch)
            for report in bank.reports(body, body.replace(b"PmtMtd", b"PmtMtb"), body):
                assert not report.problems
    statements += bank.later(30)
    executed = [
        one.reference
        for statement in statements
        for one in camt.outcomes(statement)
        if str(one.verdict) == "executed"
    ]
    assert len(executed) == len(set(executed)), "paid twice"
    ids = [one.id for statement in statements for one in statement.entries]
    assert len(ids) == len(set(ids))
    moved = sum(one.amount_minor for statement in statements for one in statement.entries)
    if statements:
        assert statements[0].opening_minor == OPENING_CENTS
        assert bank.cents == OPENING_CENTS + moved == statements[-1].closing_minor
    for before, after in itertools.pairwise(statements):
        assert before.closing_minor == after.opening_minor
    assert not bank.state["waiting"]


# ── the door ──────────────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with running_lab() as made:
        yield made


START = dt.datetime(2026, 5, 4, 8, 30, tzinfo=dt.UTC)


def run(lab: Lab) -> list[str]:
    written = lab.call("POST", "/lab/sepabank/run").json()["written"]
    assert isinstance(written, list)
    return written


def test_the_door_reads_and_writes_the_bucket_and_remembers(lab: Lab) -> None:
    lab.files.write(f"{OUT}one.xml", file(pay("po_1"), on=START))
    lab.files.write(f"{OUT}notes.txt", b"not for the bank")
    written = run(lab)
    assert [name.partition("-")[0] for name in written] == [f"{IN}one"] * 2
    assert written == sorted(lab.files.names(IN))
    assert run(lab) == []
    lab.later(24 * 3600)
    (statement,) = run(lab)
    assert statement.startswith(f"{IN}2026-05-04-")
    assert len(camt.read_statements(lab.files.kept[statement])[0].entries) == 2
    rows = lab.call("GET", "/lab/sepabank", headers={"accept": "application/json"}).json()["data"]
    assert [(row["what"], row["reference"]) for row in rows] == [
        ("executed", "po.1"),
        ("accepted", "po.1"),
    ]
    assert lab.call("GET", "/lab/sepabank").body.startswith(b"<!doctype html>")


def test_what_a_killed_run_did_not_write_the_next_one_does(lab: Lab) -> None:
    lab.files.write(f"{OUT}one.xml", file(pay("po_1"), on=START))
    write, lost = lab.files.write, list[str]()

    def killed(name: str, body: bytes) -> None:
        del body
        lost.append(name)
        raise OSError("killed")

    lab.files.write = killed  # type: ignore[method-assign]
    assert lab.call("POST", "/lab/sepabank/run").status == 500
    lab.files.write = write  # type: ignore[method-assign]
    written = run(lab)
    assert len(written) == 2
    assert lost[0] in written
    assert run(lab) == []


def test_runs_at_once_pay_once(lab: Lab) -> None:
    for n in range(3):
        lab.files.write(f"{OUT}{n}.xml", file(pay(f"po_{n}"), cycle=n + 1, on=START))
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: run(lab), range(4)))
    lab.later(24 * 3600)
    (statement,) = run(lab)
    (found,) = camt.read_statements(lab.files.kept[statement])
    assert sorted(one.reference for one in camt.outcomes(found)) == ["po_0", "po_1", "po_2"]


def test_somebody_pays_in(lab: Lab) -> None:
    asked: dict[str, Any] = {"cents": 4_200, "name": "A", "reference": "inv-1", "text": "x"}
    got = lab.call("POST", "/lab/sepabank/credits", asked)
    assert got.json() == {"account": ACCOUNT, "cents": 4_200}
    lab.later(24 * 3600)
    (statement,) = run(lab)
    (found,) = camt.read_statements(lab.files.kept[statement])
    assert [(one.reference, one.amount_minor) for one in found.entries] == [("inv-1", 4_200)]
    for wrong in ({}, {"cents": 0}, {"cents": 1.5}, {"cents": True}, {"cents": 1, "name": 7}):
        assert lab.call("POST", "/lab/sepabank/credits", wrong).status == 400
    long: Mapping[str, Any] = {"cents": 1, "text": "a" * 36}
    assert lab.call("POST", "/lab/sepabank/credits", dict(long)).status == 400


def test_a_full_memory_is_said_and_nothing_is_half_done(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(lab)
    monkeypatch.setattr(sepabank, "MEMORY_MAX", 100)
    lab.files.write(f"{OUT}one.xml", file(pay("po_1"), on=START))
    assert lab.call("POST", "/lab/sepabank/run").status == 507
    assert lab.call("POST", "/lab/sepabank/credits", {"cents": 1}).status == 507
    monkeypatch.undo()
    assert len(run(lab)) == 2


def test_a_day_s_memory_fits(lab: Lab) -> None:
    """What a document holds: a thousand transfers a day, told and remembered."""
    sizes = []
    for day in range(2):
        on = START + day * DAY
        orders = [pay(f"po_8009{day}E{n:06d}", 100 + n, f"{n % 90 + 10:02d}") for n in range(1000)]
        lab.files.write(f"{OUT}{day}.xml", file(*orders, on=on))
        run(lab)
        doc: Doc | None = lab.world.store.get(*sepabank.KEY)
        assert doc is not None
        sizes.append(len(doc["memory"]))
        lab.later(24 * 3600)
    assert max(sizes) < sepabank.MEMORY_MAX / 4


def test_its_words_are_of_the_official_schemas() -> None:
    """The statement was found valid by camt.053.001.08.xsd when this was written.

    No package ships the schema of pain.002.001.10, so its words are checked as those of .12; they
    were also found valid as those of .11.
    """
    bank = Bank()
    said = [*bank.turn(file(pay("po_1", 1_000, "02"), pay("po_2", ending="01")))]
    bank.later(1)
    bank.now += DAY
    said += bank.turn()
    schema = xmlschema.XMLSchema10(pain001("pain002/schemas/pain.002.001.12.xsd").decode())
    reports = [one.decode() for one in said if b"pain.002.001.10" in one]
    assert len(reports) == 2
    for one in reports:
        schema.validate(one.replace("pain.002.001.10", "pain.002.001.12"))
    assert [one.decode().partition("\n")[2].strip() for one in said] == [
        (
            '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.002.001.10"><CstmrPmtStsRpt>'
            "<GrpHdr><MsgId>LAB000000000001</MsgId><CreDtTm>2026-05-05T09:00:00Z</CreDtTm></GrpHdr>"
            "<OrgnlGrpInfAndSts><OrgnlMsgId>PV-EUR-20260505-1-91114853</OrgnlMsgId>"
            "<OrgnlMsgNmId>pain.001.001.09</OrgnlMsgNmId><GrpSts>PART</GrpSts></OrgnlGrpInfAndSts>"
            "<OrgnlPmtInfAndSts><OrgnlPmtInfId>PV-EUR-20260505-1-91114853</OrgnlPmtInfId>"
            "<PmtInfSts>PART</PmtInfSts><TxInfAndSts><OrgnlEndToEndId>po.2</OrgnlEndToEndId>"
            "<TxSts>RJCT</TxSts><StsRsnInf><Rsn><Cd>AC04</Cd></Rsn>"
            "<AddtlInf>The account is closed.</AddtlInf></StsRsnInf></TxInfAndSts>"
            "</OrgnlPmtInfAndSts></CstmrPmtStsRpt></Document>"
        ),
        (
            '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.002.001.10"><CstmrPmtStsRpt>'
            "<GrpHdr><MsgId>LAB000000000003</MsgId><CreDtTm>2026-05-05T09:00:00Z</CreDtTm></GrpHdr>"
            "<OrgnlGrpInfAndSts><OrgnlMsgId>PV-EUR-20260505-1-91114853</OrgnlMsgId>"
            "<OrgnlMsgNmId>pain.001.001.09</OrgnlMsgNmId></OrgnlGrpInfAndSts>"
            "<OrgnlPmtInfAndSts><OrgnlPmtInfId>PV-EUR-20260505-1-91114853</OrgnlPmtInfId>"
            "<PmtInfSts>PART</PmtInfSts><TxInfAndSts><OrgnlEndToEndId>po.1</OrgnlEndToEndId>"
            "<TxSts>ACSC</TxSts><AcctSvcrRef>LAB000000000002</AcctSvcrRef></TxInfAndSts>"
            "</OrgnlPmtInfAndSts></CstmrPmtStsRpt></Document>"
        ),
        (
            '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"><BkToCstmrStmt>'
            "<GrpHdr><MsgId>LAB00000120260506</MsgId><CreDtTm>2026-05-07T09:00:00Z</CreDtTm></GrpHdr>"
            "<Stmt><Id>LAB00000120260506</Id><ElctrncSeqNb>2</ElctrncSeqNb>"
            "<CreDtTm>2026-05-07T09:00:00Z</CreDtTm>"
            "<Acct><Id><IBAN>LV94LABB0000000000001</IBAN></Id><Ccy>EUR</Ccy></Acct>"
            "<Bal><Tp><CdOrPrtry><Cd>OPBD</Cd></CdOrPrtry></Tp>"
            '<Amt Ccy="EUR">999989.95</Amt><CdtDbtInd>CRDT</CdtDbtInd>'
            "<Dt><Dt>2026-05-06</Dt></Dt></Bal>"
            "<Bal><Tp><CdOrPrtry><Cd>CLBD</Cd></CdOrPrtry></Tp>"
            '<Amt Ccy="EUR">999999.95</Amt><CdtDbtInd>CRDT</CdtDbtInd>'
            "<Dt><Dt>2026-05-06</Dt></Dt></Bal>"
            '<Ntry><NtryRef>1</NtryRef><Amt Ccy="EUR">10.00</Amt><CdtDbtInd>CRDT</CdtDbtInd>'
            "<Sts><Cd>BOOK</Cd></Sts><BookgDt><Dt>2026-05-06</Dt></BookgDt>"
            "<ValDt><Dt>2026-05-06</Dt></ValDt><AcctSvcrRef>LAB000000000005</AcctSvcrRef>"
            "<BkTxCd><Domn><Cd>PMNT</Cd><Fmly><Cd>ICDT</Cd><SubFmlyCd>RRTN</SubFmlyCd></Fmly></Domn>"
            "</BkTxCd><NtryDtls><TxDtls><Refs><PmtInfId>PV-EUR-20260505-1-91114853</PmtInfId>"
            '<EndToEndId>po.1</EndToEndId></Refs><Amt Ccy="EUR">10.00</Amt>'
            "<CdtDbtInd>CRDT</CdtDbtInd>"
            "<RltdPties><Cdtr><Pty><Nm>SIA Jura</Nm></Pty></Cdtr>"
            f"<CdtrAcct><Id><IBAN>{iban('02')}</IBAN></Id></CdtrAcct></RltdPties>"
            "<RmtInf><Ustrd>po.1</Ustrd></RmtInf><RtrInf><Rsn><Cd>AC06</Cd></Rsn></RtrInf></TxDtls>"
            "</NtryDtls></Ntry></Stmt></BkToCstmrStmt></Document>"
        ),
    ]
