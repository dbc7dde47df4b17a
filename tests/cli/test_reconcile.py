"""`payvand reconcile` over the real worker: hand in, look, decide; and whatever is typed."""

import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from payvand_cli import reconcile as command
from payvand_cli.main import app
from tests.support.reports import (
    BOOK,
    CONTRACTS,
    balanced,
    decided,
    house,
    item_of,
    report,
    taken,
    tasks,
    transaction,
    work,
)
from tests.support.world import START, World, running_world

TODAY = START.date()


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A world the command finds as its stack; its queue hands on at once."""
    with running_world() as made:

        def send(*, QueueUrl: str, MessageBody: str) -> None:
            made.put_message(QueueUrl, MessageBody, 0)
            work(made)

        tables = ("PaymentsTable", "ReferencesTable", "SettlementTable")
        outputs = {name: name for name in (*tables, "ReconcileQueue")}
        stack: Any = SimpleNamespace(
            dynamodb=made.raw["dynamodb"],
            s3=made.raw["s3"],
            sqs=SimpleNamespace(send_message=send),
            outputs=outputs | {"FilesBucket": "filesbucket"},
        )
        monkeypatch.setattr(command, "find_stack", lambda _: stack)
        made.add_merchant(contracts=CONTRACTS)
        yield made


def payvand(*words: str, ok: bool = True) -> Result:
    told = CliRunner().invoke(app, ["reconcile", *words])
    assert (told.exit_code == 0) is ok, told.output
    assert "Traceback" not in told.output
    return told


def hand_in(folder: Path, content: bytes, source: str = "zibal:main", *, ok: bool = True) -> Result:
    file = folder / "گزارش روز.json"
    file.write_bytes(content)
    return payvand("upload", source, str(file), "--mode", "test", ok=ok)


def test_what_is_handed_in_is_compared_listed_and_decided(world: World, tmp_path: Path) -> None:
    payment = taken(world, 250_000, 77)
    told = hand_in(tmp_path, report(transaction(240_000, 77, TODAY)))
    assert re.search(r"bank/in/zibal/main/test/\d{8}T\d{6}--.json", told.output)
    listed = payvand("list", "--mode", "test").output
    assert item_of(payment) in listed
    assert "less_than_expected: 240,000 IRR of 250,000 IRR" in listed
    assert "proposed receivable:zibal=-10000  suspense=10000" in listed
    payvand(
        "decide", item_of(payment), "--reason", "the channel keeps more", "--mode", "test",
        "--legs", "receivable:zibal=-10000", "--legs", "expense:channel=10000",
    )  # fmt: skip
    assert house(world) == {"receivable:zibal": -10_000, "expense:channel": 10_000}
    assert tasks(world) == {}
    assert "nothing waits" in payvand("list", "--mode", "test").output
    told = payvand("decide", item_of(payment), "--reason", "x", "--mode", "test", ok=False)
    assert "no such item waits" in told.output
    balanced(world)


def test_money_nobody_expected_is_given_to_the_missing(world: World, tmp_path: Path) -> None:
    hand_in(tmp_path, report(transaction(5, 99, TODAY)))
    (unknown,) = [task.subject for task in tasks(world).values()]
    legs = ("--legs", "payable:merchant=-5", "--legs", "receivable:zibal=5")
    order = ("decide", unknown, "--reason", "it is theirs", "--mode", "test", *legs)
    assert "needs a book" in payvand(*order, ok=False).output
    wrong = BOOK.key.replace("test", "live")
    assert "another mode" in payvand(*order, "--book", wrong, ok=False).output
    payvand(*order, "--book", BOOK.key)
    (line,) = [i for i in world.items("PaymentsTable") if i["id"] == f"m:{unknown}"]
    assert line["pk"].startswith(BOOK.key)
    assert decided(world) == {unknown: ["99"]}
    balanced(world)


@pytest.mark.parametrize(
    "legs",
    [
        ("suspense=1",), ("suspense=1", "bank:payout=1"), ("suspense=1.5", "bank:payout=-1.5"),
        ("suspense=1", "suspense=-1"), ("suspense=0", "bank:payout=0"), ("no=1", "suspense=-1"),
        ("=", "="), ("suspense",), ("[red]=1", "suspense=-1"),
    ],
)  # fmt: skip
def test_a_journal_that_is_none_is_refused_and_nothing_is_decided(
    world: World, tmp_path: Path, legs: tuple[str, ...]
) -> None:
    hand_in(tmp_path, report(transaction(5, 99, TODAY)))
    (unknown,) = [task.subject for task in tasks(world).values()]
    words = [part for leg in legs for part in ("--legs", leg)]
    told = payvand("decide", unknown, "--reason", "x", "--mode", "test", *words, ok=False)
    assert "--legs account=amount" in told.output
    assert set(tasks(world)) == {"reconcile_unknown"}


@pytest.mark.parametrize(
    "source", ["", "stripe", "nobody:1", "zibal:ا", "camt.053/../x", "zibal: "]
)
def test_a_source_that_is_none_is_refused(world: World, tmp_path: Path, source: str) -> None:
    ok = source == "stripe"
    told = hand_in(tmp_path, b"{}", source, ok=ok)
    assert ok or "a source is" in told.output


def test_files_that_are_not_there_or_too_large_are_refused(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = payvand("upload", "zibal:main", str(tmp_path / "no"), "--mode", "test", ok=False)
    assert "No such file" in told.output
    monkeypatch.setattr(command, "SIZE_MAX_BYTES", 3)
    assert "larger than 3 bytes" in hand_in(tmp_path, b"{    }", ok=False).output
    assert "test or live" in payvand("list", "--mode", "x", ok=False).output
    told = payvand("decide", "rec_x", "--reason", " ", "--mode", "test", ok=False)
    assert "has a reason" in told.output
