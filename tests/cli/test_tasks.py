"""`payvand tasks` as an operator reads it, and what it makes of whatever is typed."""

import datetime as dt
import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from payvand.ids import Book, merchant_id
from payvand.merchant import Payee
from payvand.settlement import Lines, PayoutState, Seal, Terms, seal, split, with_state
from payvand.store.tasks import Task
from payvand_cli import tasks as command
from payvand_cli.doors import Doors
from payvand_cli.main import app
from payvand_cli.simulate.memory import KeySchema, Memory

NOW = dt.datetime(2026, 11, 24, 9, 0, tzinfo=dt.UTC)
TABLES = {
    "PaymentsTable": KeySchema("pk", "id"),
    "ReferencesTable": KeySchema("pk"),
    "SettlementTable": KeySchema("pk", "sk"),
    "OperationsTable": KeySchema("pk", "sk"),
    "LabTable": KeySchema("pk", "sk"),
}
AT_MS = int(NOW.timestamp() * 1000)
DAY = dt.date(2026, 11, 23)


class Sqs:
    """What was sent."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, dict[str, Any]]] = []

    def send_message(self, *, QueueUrl: str, MessageBody: str) -> None:
        self.sent.append((QueueUrl, json.loads(MessageBody)))


@pytest.fixture
def sqs() -> Sqs:
    return Sqs()


@pytest.fixture
def doors(monkeypatch: pytest.MonkeyPatch, sqs: Sqs) -> Doors:
    """A stack whose tables are in memory, the one the command finds."""
    monkeypatch.setattr("time.time", NOW.timestamp)
    memory = Memory(TABLES, now=NOW.timestamp)
    outputs = {name: name for name in (*TABLES, "PayoutFileQueue")} | {"FilesBucket": "files"}
    stack: Any = SimpleNamespace(dynamodb=memory, s3=None, sqs=sqs, outputs=outputs)
    monkeypatch.setattr(command, "find_stack", lambda _: stack)
    return Doors(stack)


def payvand(*words: str) -> Result:
    return CliRunner().invoke(app, ["tasks", *words])


def paid_by_file(doors: Doors, *, file: str | None = "2026-11-24.01") -> Seal:
    """A payout that left in a file."""
    book = Book(merchant_id(7), "test", "EUR")
    payees = (Payee(b"", "0001", "a"), Payee(b"", "0002", "b", basis_points=5_000))
    made = seal(book, None, (DAY, DAY), Lines.of([], []), Terms(payees=payees), at_ms=AT_MS)
    made = replace(made, payout_minor=900, parts=split(900, payees))
    doors.settlements.put(made)
    if file is not None:
        doors.settlements.claim(with_state(made, PayoutState.SENT, AT_MS), file)
    return made


def test_nothing_waits(doors: Doors) -> None:
    told = payvand()
    assert (told.exit_code, told.stdout) == (0, "Nothing of test books waits for a person.\n")
    assert json.loads(payvand("--json").stdout) == []


def test_tasks_are_shown_oldest_first_with_their_facts(doors: Doors) -> None:
    doors.tasks.open(Task("test", "payout_returned", "po_2", AT_MS, {"code": "AC04"}))
    doors.tasks.open(Task("test", "bank_not_configured", "test.EUR.sepa", AT_MS - 60_000))
    doors.tasks.open(Task("live", "payout_returned", "po_1", AT_MS))
    told = payvand()
    rows = [" ".join(row.split()) for row in told.stdout.splitlines()]
    assert rows[1:3] == [
        "Tue 2026-11-24 08:59 bank_not_configured test.EUR.sepa",
        "Tue 2026-11-24 09:00 payout_returned po_2 code AC04",
    ]
    assert "po_1" not in told.stdout
    (alone,) = json.loads(payvand("--live", "--json").stdout)
    assert (alone["id"], alone["since"]) == ("payout_returned#po_1", "2026-11-24T09:00:00Z")


def test_a_closed_task_is_gone_and_its_note_is_kept(doors: Doors) -> None:
    doors.tasks.open(Task("test", "payout_returned", "po_2", AT_MS))
    told = payvand("close", "payout_returned#po_2", "--note", "حساب بسته بود")
    assert (told.exit_code, told.stdout) == (0, "closed: payout_returned#po_2\n")
    assert list(doors.tasks.waiting("test")) == []
    done = doors.tasks.closed("test", "payout_returned#po_2")
    assert done is not None
    assert done.note == "حساب بسته بود"
    assert done.closed_at_ms is not None
    again = payvand("close", "payout_returned#po_2", "--note", "x")
    assert again.exit_code == 2
    assert "no task 'payout_returned#po_2' waits in test books" in again.output


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("close", "a#b", "--note", ""), "--note must have 1 to 1000 characters"),
        (("close", "a#b", "--note", "x" * 1_001), "--note must have 1 to 1000 characters"),
        (("close", "a#b", "--note", "x\u202ey"), "--note"),
        (("close", "[bold]", "--note", "x"), "no task '[bold]' waits"),
        (("answer", "po_1", "executed", "--note", "x"), "'po_1' is no payout's reference"),
        (("answer", "۱۲۳", "executed", "--note", "x"), "'۱۲۳' is no payout's reference"),
        (("answer", "po_80000E400001", "unknown", "--note", "x"), "'unknown' decides nothing"),
        (("answer", "po_80000E400001", "executed", "--note", "x"), "there is no payout"),
        (("withdraw", "po_80000E400001", "--note", "x"), "there is no payout"),
        (("withdraw", "x", "--note", "x"), "'x' is no payout's reference"),
    ],
)
def test_what_makes_no_sense_is_told(
    doors: Doors, sqs: Sqs, words: tuple[str, ...], told: str
) -> None:
    found = payvand(*words)
    assert found.exit_code == 2, found.output
    assert told in found.output
    assert "Traceback" not in found.output
    assert sqs.sent == []


def test_what_a_person_heard_is_booked_as_if_read(doors: Doors, sqs: Sqs) -> None:
    made = paid_by_file(doors)
    reference = made.transfer(1)
    doors.tasks.open(Task("test", "payout_in_doubt", reference, AT_MS))
    words = ("executed", "--note", "by telephone", "--bank-reference", "77")
    assert payvand("answer", reference, *words).exit_code == 0
    ((queue, message),) = sqs.sent
    assert queue == "PayoutFileQueue"
    assert message["lane"] == "test.EUR.sepa"
    (said,) = message["said"]
    assert (said["reference"], said["verdict"], said["bank_reference"]) == (
        reference,
        "executed",
        "77",
    )
    assert list(doors.tasks.waiting("test")) == []


def test_a_payout_that_left_alone_is_not_answered_here(doors: Doors, sqs: Sqs) -> None:
    made = paid_by_file(doors, file=None)
    found = payvand("answer", str(made.payout_id), "executed", "--note", "x")
    assert found.exit_code == 2
    assert "did not leave in a file" in found.output
    assert payvand("answer", f"{made.payout_id}-9", "executed", "--note", "x").exit_code == 2
    assert sqs.sent == []


def test_only_what_waits_for_a_file_is_taken_back(doors: Doors, sqs: Sqs) -> None:
    made = paid_by_file(doors, file=None)
    id = str(made.payout_id)
    doors.tasks.open(Task("test", "payout_unsendable", id, AT_MS))
    assert payvand("withdraw", id, "--note", "a wrong account").exit_code == 0
    assert sqs.sent == [("PayoutFileQueue", {"lane": "test.EUR.sepa", "withdraw": id})]
    assert list(doors.tasks.waiting("test")) == []
    doors.settlements.claim(with_state(made, PayoutState.SENT, AT_MS), "2026-11-24.01")
    found = payvand("withdraw", id, "--note", "x")
    assert found.exit_code == 2
    assert "does not wait for a file" in found.output
