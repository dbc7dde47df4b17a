"""The payout bank: each reference is executed at most once, whatever happens to the files."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.channels.lab_world import Lab


def iban(ending: str) -> str:
    account = "062" + "0" * 17 + ending
    check = 98 - int(account + "182700") % 97
    return f"IR{check:02d}{account}"


def order(lab: Lab, reference: str = "po_1", ending: str = "10", **change: Any) -> None:
    fields = {
        "version": 1,
        "reference": reference,
        "created_at": "2026-05-04T13:00:00Z",
        "currency": "IRR",
        "amount": 1_000_000,
        "iban": iban(ending),
        "name": "فروشگاه",
        **change,
    }
    lab.files.write(f"bank/out/{reference}.json", json.dumps(fields).encode())


def run(lab: Lab) -> list[dict[str, Any]]:
    answered = lab.call("POST", "/lab/bank/run").json()["answered"]
    assert isinstance(answered, list)
    return answered


def answer(lab: Lab, reference: str = "po_1") -> dict[str, Any]:
    value = json.loads(lab.files.kept[f"bank/in/{reference}.json"])
    assert isinstance(value, dict)
    return value


def test_an_order_is_executed_once_and_answered_as_agreed(lab: Lab) -> None:
    order(lab)
    assert [row["status"] for row in run(lab)] == ["executed"]
    first = answer(lab)
    assert first.keys() == {
        "version",
        "reference",
        "answered_at",
        "status",
        "code",
        "reason",
        "bank_reference",
    }
    assert first["answered_at"] == "2026-05-04T08:30:00Z"
    lab.later(60)
    assert run(lab) == []
    assert answer(lab) == first


def test_01_is_rejected_with_a_reason(lab: Lab) -> None:
    order(lab, ending="01")
    run(lab)
    assert (answer(lab)["status"], answer(lab)["code"]) == ("rejected", "AC04")


def test_02_is_executed_and_returned_a_day_later(lab: Lab) -> None:
    order(lab, ending="02")
    run(lab)
    assert answer(lab)["status"] == "executed"
    before = answer(lab)["bank_reference"]
    lab.later(24 * 3600 - 1)
    assert run(lab) == []
    lab.later(1)
    assert [row["status"] for row in run(lab)] == ["returned"]
    assert (answer(lab)["status"], answer(lab)["bank_reference"]) == ("returned", before)
    assert run(lab) == []


def test_03_is_silent_for_one_run(lab: Lab) -> None:
    order(lab, ending="03")
    assert run(lab) == []
    assert "bank/in/po_1.json" not in lab.files.kept
    assert [row["status"] for row in run(lab)] == ["executed"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"version": 2}, "FF01"),
        ({"reference": "po_2"}, "FF01"),
        ({"currency": "EUR"}, "AM03"),
        ({"amount": "1000"}, "AM12"),
        ({"amount": 0}, "AM12"),
        ({"amount": True}, "AM12"),
        ({"name": ""}, "BE08"),
        ({"iban": "IR" + "0" * 24}, "AC01"),
        ({"iban": None}, "AC01"),
    ],
)
def test_a_wrong_order_is_rejected_with_a_reason(
    lab: Lab, change: dict[str, Any], code: str
) -> None:
    order(lab)
    body = json.loads(lab.files.kept["bank/out/po_1.json"])
    lab.files.write("bank/out/po_1.json", json.dumps({**body, **change}).encode())
    run(lab)
    assert (answer(lab)["status"], answer(lab)["code"]) == ("rejected", code)
    assert answer(lab)["reason"]


def test_a_broken_file_is_rejected_by_the_name_it_has(lab: Lab) -> None:
    lab.files.write("bank/out/po_7.json", b"{half")
    lab.files.write("bank/out/not a reference.json", b"{half")
    lab.files.write("bank/out/readme.txt", b"hello")
    run(lab)
    assert answer(lab, "po_7")["status"] == "rejected"
    assert sorted(lab.files.names("bank/in/")) == ["bank/in/po_7.json"]


def test_a_file_that_changes_later_changes_nothing(lab: Lab) -> None:
    order(lab)
    run(lab)
    order(lab, amount=9_000_000)
    assert run(lab) == []
    listed = lab.call("GET", "/lab/bank", headers={"accept": "application/json"}).json()["data"]
    assert [(row["reference"], row["amount"]) for row in listed] == [("po_1", 1_000_000)]


def test_runs_at_once_execute_each_reference_once(lab: Lab) -> None:
    for number in range(5):
        order(lab, f"po_{number}")
    with ThreadPoolExecutor(4) as pool:
        found = [row for rows in pool.map(lambda _: run(lab), range(4)) for row in rows]
    for number in range(5):
        told = {row["bank_reference"] for row in found if row["reference"] == f"po_{number}"}
        assert told == {answer(lab, f"po_{number}")["bank_reference"]}


def test_a_run_that_died_before_the_answer_was_written_answers_next_time(lab: Lab) -> None:
    order(lab)
    write, lab.files.write = lab.files.write, _dies  # type: ignore[method-assign]
    assert lab.call("POST", "/lab/bank/run").status == 500
    lab.files.write = write  # type: ignore[method-assign]
    assert [row["status"] for row in run(lab)] == ["executed"]


def _dies(name: str, body: bytes) -> None:
    raise OSError(name, len(body))
