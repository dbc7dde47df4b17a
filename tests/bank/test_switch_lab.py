"""The lab's switch does what the guide says, traps included."""

import datetime as dt
import ftplib
import json
import os
import signal
import ssl
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from payvand.bank import FormatError, ftps, switch
from payvand.errors import Forged
from payvand_cli.switch import run
from payvand_cli.switch.books import RecordFault, ReplyFault
from payvand_cli.switch.judge import Judge
from payvand_cli.switch.party import Unknown, is_open
from tests.bank.switch_lab import (
    ALIAS,
    BALANCE,
    IIN,
    IN,
    IN_KEYS,
    OURS,
    OUT,
    OUT_KEYS,
    PASSWORD,
    TUESDAY,
    Clock,
    Lab,
    acceptor,
    furnished,
    head,
    iban,
    order,
    signer,
    split,
    started,
)

DAY: Final = dt.timedelta(days=1)
WEDNESDAY, THURSDAY, FRIDAY, SATURDAY = (TUESDAY + n * DAY for n in (1, 2, 3, 4))
NOWRUZ: Final = dt.date(2027, 3, 21)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with furnished(tmp_path / "switch") as lab:
        yield lab


# ---- times ------------------------------------------------------------------------------------


def test_a_day_has_its_hours(lab: Lab) -> None:
    lab.clock.set(TUESDAY, "08:30")
    name = lab.send(order(1, 1_000))
    lab.at(TUESDAY, "09:29")
    assert not lab.replied(name)
    assert lab.balance(1) == BALANCE - 1_000
    lab.at(TUESDAY, "09:30")
    assert lab.outcomes(name) == {"po_1": ("executed", "")}
    lab.at(TUESDAY, "13:59")
    assert lab.accounts() == {}
    lab.at(TUESDAY, "14:00")
    assert lab.accounts() == {iban(101): 1_000}


def test_a_late_file_waits_for_the_next_working_day(lab: Lab) -> None:
    lab.clock.set(TUESDAY, "08:31")
    name = lab.send(order(1, 1_000))
    lab.at(TUESDAY, "23:59")
    assert not lab.replied(name)
    lab.at(WEDNESDAY, "09:29")
    assert not lab.replied(name)
    lab.at(WEDNESDAY, "09:30")
    assert lab.outcomes(name) == {"po_1": ("executed", "")}


def test_a_file_whose_signature_is_late_is_late(lab: Lab) -> None:
    content = switch.write(head(), [order(1, 1_000)])
    name = switch.order_name(ALIAS, TUESDAY, 1)
    (sign_name, signature), _ = switch.files(name, content, signer())
    lab.clock.set(TUESDAY, "08:00")
    ftps.deliver(lab.server, IN, [(name, content)])
    lab.at(TUESDAY, "08:31")
    ftps.deliver(lab.server, IN, [(sign_name, signature)])
    lab.at(TUESDAY, "12:00")
    assert not lab.replied(name)
    lab.at(WEDNESDAY, "12:00")
    assert lab.replied(name)


def test_friday_and_holidays_wait_for_the_first_working_day(tmp_path: Path) -> None:
    with furnished(tmp_path / "friday", THURSDAY, "18:00") as lab:
        name = lab.send(order(1, 1_000), day=SATURDAY)
        lab.at(FRIDAY, "23:00")
        assert not lab.replied(name)
        lab.at(SATURDAY, "09:30")
        assert lab.replied(name)
    with furnished(tmp_path / "nowruz", NOWRUZ, "08:00") as lab:
        name = lab.send(order(1, 1_000), day=NOWRUZ)
        day = NOWRUZ
        while not is_open(day):
            lab.at(day, "23:00")
            assert not lab.replied(name)
            day += DAY
        assert day > NOWRUZ
        lab.at(day, "09:30")
        assert lab.replied(name)


def test_the_same_work_is_done_however_seldom_one_looks(tmp_path: Path) -> None:
    states = []
    for looks in (["08:30", "09:30", "14:00", "23:00"], ["23:00"]):
        with furnished(tmp_path / str(len(looks))) as lab:
            lab.send(order(1, 1_000), order(2, BALANCE + 1))
            lab.clock.set(TUESDAY, "08:31")
            late = lab.send(order(1, 2_000), cycle=2)
            for day in (TUESDAY, WEDNESDAY):
                for time in looks:
                    lab.at(day, time)
            assert lab.outcomes(late) == {"po_1": ("executed", "")}
            state = lab.running.switch.state()
            states.append([state["files"], state["credits"], state["accounts"]])
    assert states[0] == states[1]


def test_a_file_for_a_later_day_waits_for_it(lab: Lab) -> None:
    name = lab.send(order(1, 1_000), day=WEDNESDAY)
    lab.at(TUESDAY, "23:00")
    assert not lab.replied(name)
    lab.at(WEDNESDAY, "09:30")
    assert lab.replied(name)


# ---- signatures -------------------------------------------------------------------------------


def refusals(lab: Lab) -> list[str]:
    return [file["refused"] for file in lab.running.switch.state()["files"]]


def test_a_file_without_a_signature_is_never_looked_at(lab: Lab) -> None:
    content = switch.write(head(), [order(1, 1_000)])
    name = switch.order_name(ALIAS, TUESDAY, 1)
    ftps.deliver(lab.server, IN, [(name, content)])
    lab.at(WEDNESDAY, "23:00")
    assert not lab.replied(name)
    assert refusals(lab) == []
    assert lab.balance(1) == BALANCE


@pytest.mark.parametrize("kind", ["a stranger's", "of other bytes", "half", "none"])
def test_a_wrong_signature_is_refused_in_silence(lab: Lab, kind: str) -> None:
    content = switch.write(head(), [order(1, 1_000)])
    name = switch.order_name(ALIAS, TUESDAY, 1)
    wrong = {
        "a stranger's": signer(1).sign(content),
        "of other bytes": signer().sign(content + b" "),
        "half": signer().sign(content)[:128],
        "none": b"",
    }[kind]
    ftps.deliver(lab.server, IN, [(f"{name}.sign", wrong), (name, content)])
    lab.at(TUESDAY, "23:00")
    assert refusals(lab) == ["the signature is wrong"]
    assert not lab.replied(name)
    assert lab.balance(1) == BALANCE
    with ftps.Session(lab.server) as session:
        assert session.names(IN) == {"KEY_EXCHANGE"}


def test_a_file_of_another_name_is_not_read(lab: Lab) -> None:
    content = switch.write(head(), [order(1, 1_000)])
    for name in ("XYZ_14050215_01.json", "PYV_14051315_01.json", "PYV_20260505_1.json"):
        lab.put(name, content)
    lab.at(TUESDAY, "23:00")
    assert lab.running.switch.state()["files"] == []


# ---- the same twice ---------------------------------------------------------------------------


def test_the_same_file_twice_is_paid_once(lab: Lab) -> None:
    name = lab.send(order(1, 1_000))
    assert lab.send(order(1, 1_000)) == name
    lab.at(TUESDAY, "09:30")
    reply = lab.reply(name)
    assert lab.send(order(1, 1_000)) == name  # it was taken away, so this puts it there again
    for day in (TUESDAY, WEDNESDAY):
        lab.at(day, "23:00")
    assert lab.accounts() == {iban(101): 1_000}
    assert lab.reply(name) == reply
    with ftps.Session(lab.server) as session:
        assert session.names(IN) == {"KEY_EXCHANGE"}


def test_a_taken_name_with_other_orders_is_not_worked_on(lab: Lab) -> None:
    name = lab.send(order(1, 1_000))
    lab.at(TUESDAY, "09:30")
    reply = lab.reply(name)
    assert lab.send(order(1, 999)) == name
    lab.at(WEDNESDAY, "23:00")
    assert lab.accounts() == {iban(101): 1_000}
    assert lab.reply(name) == reply


def test_the_same_orders_under_another_name_are_paid_again(lab: Lab) -> None:
    """The trap: to the switch a name is a file, so ours must be fixed before it is first sent."""
    lab.send(order(1, 1_000))
    lab.send(order(1, 1_000), cycle=2)
    lab.at(TUESDAY, "23:00")
    assert lab.accounts() == {iban(101): 2_000}


def test_a_half_upload_is_not_taken(lab: Lab) -> None:
    content = switch.write(head(), [order(1, 1_000)])
    name = switch.order_name(ALIAS, TUESDAY, 1)
    (sign_name, signature), _ = switch.files(name, content, signer())
    home = lab.running.switch.home(ALIAS) / IN
    for half in (f"{name}.0123abcd.part", f"{sign_name}.0123abcd.part"):
        (home / half).write_bytes(content[:100])
        lab.running.switch.arrived(home / half)
    ftps.deliver(lab.server, IN, [(sign_name, signature)])
    lab.at(TUESDAY, "08:30")
    assert lab.running.switch.state()["files"] == []


# ---- what is wrong with a record --------------------------------------------------------------


def answer(lab: Lab, *rows: Any, cycle: int = 1) -> list[dict[str, Any]]:
    """What the switch says of hand-made records."""
    name = switch.order_name(ALIAS, TUESDAY, cycle)
    lab.put(name, json.dumps({"settlementDataDetails": rows}).encode())
    lab.at(TUESDAY, "09:30")
    content, signature = lab.reply(name)
    switch.verify(lab.running.switch.public_pem, content, signature)
    found: list[dict[str, Any]] = json.loads(content)
    return found


def row(n: int = 1, **changes: Any) -> dict[str, Any]:
    made = {
        "iin": IIN,
        "acceptorCode": acceptor(n),
        "paymentFacilitatorIban": OURS,
        "settlementAmount": 8_500,
        "wageAmount": 1_500,
        "settlementIban": iban(100 + n),
    }
    return {k: v for k, v in {**made, **changes}.items() if v != "left out"}


def shares(*amounts: int, n: int = 1) -> list[dict[str, Any]]:
    return [
        {"amountShare": amount, "settlementIban": iban(100 * (i + 1) + n)}
        for i, amount in enumerate(amounts)
    ]


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"iin": None}, 2, "iin"),
        ({"acceptorCode": "left out"}, 2, "acceptorCode"),
        ({"settlementIban": None}, 2, "settlementIban"),
        ({"settlementIban": "left out"}, 2, "settlementIban"),
        ({"iin": str(IIN)}, 3, "iin"),
        ({"settlementAmount": 8500.0}, 3, "settlementAmount"),
        ({"settlementAmount": True}, 3, "settlementAmount"),
        ({"wageAmount": -1}, 3, "wageAmount"),
        ({"settlementIban": "LV" + "0" * 24}, 3, "settlementIban"),
        ({"settlementIban": "IR" + "۱" * 24}, 3, "settlementIban"),
        (
            {"settlementIban": None, "scatteredSettlementDetails": {}},
            3,
            "scatteredSettlementDetails",
        ),
        (
            {"settlementIban": None, "scatteredSettlementDetails": [1]},
            3,
            "scatteredSettlementDetails",
        ),
        ({"iin": 58167}, 4, "iin"),
        ({"acceptorCode": "1" * 14}, 4, "acceptorCode"),
        ({"settlementAmount": 10**15}, 4, "settlementAmount"),
        ({"settlementIban": f" {iban(101)}"}, 4, "settlementIban"),
        (
            {"settlementIban": None, "scatteredSettlementDetails": []},
            4,
            "scatteredSettlementDetails",
        ),
        (
            {"settlementIban": None, "scatteredSettlementDetails": shares(*[850] * 10, 1)},
            4,
            "scatteredSettlementDetails",
        ),
        ({"scatteredSettlementDetails": shares(8_500)}, 5, "settlementIban"),
        (
            {"settlementIban": None, "scatteredSettlementDetails": shares(8_000, 499)},
            5,
            "settlementAmount",
        ),
        ({"iin": IIN + 1}, 8, "iin"),
        ({"acceptorCode": acceptor(9)}, 8, "acceptorCode"),
        ({"acceptorCode": "X" * 15}, 8, "acceptorCode"),
        ({"paymentFacilitatorIban": iban(2)}, 8, "paymentFacilitatorIban"),
        ({"settlementIban": iban(102)}, 8, "settlementIban"),
        (
            {"settlementIban": None, "scatteredSettlementDetails": shares(8_000, 500, n=2)},
            8,
            "settlementIban",
        ),
        ({"wageAmount": 1_501}, 14, "wageAmount"),
        ({"settlementAmount": 0, "wageAmount": 0}, 14, "settlementAmount"),
        ({"settlementAmount": BALANCE, "wageAmount": 1}, 15, "accountBalance"),
    ],
)
def test_a_wrong_record_is_refused(
    lab: Lab, changes: dict[str, Any], code: int, field: str
) -> None:
    errors = answer(lab, row(2), row(**changes), row(3))
    assert {(e["recordIndex"], e["errorType"], e["fieldName"]) for e in errors} == {
        (2, code, field)
    }
    assert {e["errorMessage"] for e in errors} == {switch.ERRORS[code]}
    if field == "accountBalance":
        assert errors[0]["fieldValue"] == BALANCE
    elif code != 2:
        assert errors[0]["fieldValue"] == changes.get(field, iban(101)) or "scattered" in str(
            changes
        )
    lab.at(TUESDAY, "14:00")
    assert lab.accounts() == {iban(102): 8_500, iban(103): 8_500}
    assert lab.balance(1) == BALANCE


def test_the_wage_may_be_15_percent_and_no_more(lab: Lab) -> None:
    errors = answer(lab, row(1, settlementAmount=849_900, wageAmount=150_100), row(2))
    assert [(e["recordIndex"], e["errorType"], e["fieldValue"]) for e in errors] == [
        (1, 14, 150_100)
    ]
    lab.at(TUESDAY, "14:00")
    assert lab.accounts() == {iban(102): 8_500}


def test_the_first_of_two_records_is_worked_on(lab: Lab) -> None:
    errors = answer(lab, row(1), row(2), row(1, settlementAmount=1_000, wageAmount=0), row(1))
    assert [(e["recordIndex"], e["errorType"]) for e in errors] == [(3, 6), (4, 6)]
    lab.at(TUESDAY, "14:00")
    assert lab.accounts() == {iban(101): 8_500, iban(102): 8_500}


def test_a_later_record_fails_even_when_the_first_did(lab: Lab) -> None:
    errors = answer(lab, row(1, wageAmount=9_999), row(1))
    assert [(e["recordIndex"], e["errorType"]) for e in errors] == [(1, 14), (2, 6)]


def test_a_record_may_have_several_errors(lab: Lab) -> None:
    errors = answer(lab, row(1, settlementIban=iban(9), wageAmount=9_999))
    assert [(e["recordIndex"], e["errorType"]) for e in errors] == [(1, 8), (1, 14)]


def test_an_account_that_is_not_active_any_more_is_refused(lab: Lab) -> None:
    lab.running.switch.register(acceptor(1), ALIAS, IIN, {iban(101): False})
    assert [e["errorType"] for e in answer(lab, row(1))] == [11]
    assert lab.balance(1) == BALANCE


def test_an_acceptor_of_another_facilitator_is_refused(lab: Lab) -> None:
    lab.running.switch.enrol("XYZ", iban(3), "other", signer(1).public_pem())
    lab.running.switch.register(acceptor(1), "XYZ", IIN, {iban(101): True})
    assert [e["errorType"] for e in answer(lab, row(1))] == [8]


def test_shares_are_paid_each(lab: Lab) -> None:
    name = lab.send(split(1, 500, 300, 200, wage=100))
    lab.at(TUESDAY, "14:00")
    assert lab.outcomes(name) == {"po_1": ("executed", "")}
    assert lab.accounts() == {iban(101): 500, iban(201): 300, iban(301): 200}
    assert lab.balance(1) == BALANCE - 1_100


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{", b'{"settlementDataDetails":1}', b"[" * 9_999]
)
def test_a_file_that_is_none_has_an_answer_nobody_can_place(lab: Lab, content: bytes) -> None:
    name = switch.order_name(ALIAS, TUESDAY, 1)
    lab.put(name, content)
    lab.sent[name] = (switch.write(head(), [order(1, 1)]), ("po_1",))
    lab.at(TUESDAY, "09:30")
    with pytest.raises(FormatError, match="recordIndex"):
        lab.outcomes(name)


def test_records_that_are_none_are_refused(lab: Lab) -> None:
    errors = answer(lab, 1, None, row(1), [])
    assert [(e["recordIndex"], e["errorType"]) for e in errors] == [(1, 13), (2, 13), (4, 13)]


# ---- planted faults ---------------------------------------------------------------------------


@pytest.mark.parametrize("code", [0, 1, 7, 9, 10, 12])
@pytest.mark.parametrize("paid", [True, False])
def test_an_unclear_answer_may_be_paid_or_not(lab: Lab, code: int, paid: bool) -> None:  # noqa: FBT001
    lab.running.switch.plant(RecordFault(acceptor(2), code, paid))
    name = lab.send(order(1, 1_000), order(2, 2_000), order(3, 3_000))
    lab.at(TUESDAY, "14:00")
    assert lab.outcomes(name) == {
        "po_1": ("executed", ""),
        "po_2": ("unknown", str(code)),
        "po_3": ("executed", ""),
    }
    assert lab.accounts().get(iban(102), 0) == (2_000 if paid else 0)
    assert lab.running.switch.state()["record_faults"] == []


def test_an_answer_may_never_come(lab: Lab) -> None:
    lab.running.switch.plant(ReplyFault(ALIAS, "withheld"))
    name = lab.send(order(1, 1_000))
    lab.at(WEDNESDAY, "23:00")
    assert not lab.replied(name)
    assert lab.accounts() == {iban(101): 1_000}


def test_half_an_answer_is_forged(lab: Lab) -> None:
    lab.running.switch.plant(ReplyFault(ALIAS, "truncated"))
    name = lab.send(order(1, 1_000), order(2, BALANCE + 1))
    lab.at(TUESDAY, "09:30")
    assert len(lab.reply(name)[0]) > 1
    with pytest.raises(Forged):
        lab.outcomes(name)


def test_a_stranger_s_answer_is_forged(lab: Lab) -> None:
    lab.running.switch.plant(ReplyFault(ALIAS, "forged"))
    name = lab.send(order(1, 1_000))
    lab.at(TUESDAY, "09:30")
    assert json.loads(lab.reply(name)[0]) == []
    with pytest.raises(Forged):
        lab.outcomes(name)


def test_a_credit_may_come_back(lab: Lab) -> None:
    name = lab.send(split(1, 600, 400))
    party = lab.running.switch
    lab.at(TUESDAY, "09:30")
    first, second = (credit["id"] for credit in party.state()["credits"])
    with pytest.raises(ValueError, match="ordered"):
        party.give_back(first, "too early")
    lab.at(TUESDAY, "14:00")
    party.give_back(second, "the account is closed")
    with pytest.raises(ValueError, match="returned"):
        party.give_back(second, "again")
    with pytest.raises(Unknown):
        party.give_back("CR9", "")
    assert lab.accounts() == {iban(101): 600}
    assert lab.balance(1) == BALANCE - 600
    assert lab.outcomes(name) == {"po_1": ("executed", "")}, "the answer does not change any more"


# ---- keys -------------------------------------------------------------------------------------


def exchange(lab: Lab, day: dt.date, current: int, new: int) -> switch.KeyVerdict:
    """Hand over a new key on a day and read the answer."""
    name = switch.key_name(ALIAS, day)
    lab.clock.set(day, "11:00")
    files = switch.key_files(name, signer(current), signer(new))
    assert ftps.deliver(lab.server, IN_KEYS, files) == ftps.Delivery.SENT
    lab.at(day, "11:01")
    with ftps.Session(lab.server) as session:
        assert session.names(IN_KEYS) == frozenset()
        return switch.read_key_reply(session.read(OUT_KEYS, switch.reply_name(name)))


def warnings(lab: Lab) -> list[switch.KeyWarning]:
    with ftps.Session(lab.server) as session:
        return [
            switch.read_key_warning(name, session.read(OUT_KEYS, name))
            for name in switch.key_warning_names(ALIAS, session.names(OUT_KEYS))
        ]


def open_from(day: dt.date) -> dt.date:
    while not is_open(day):
        day += DAY
    return day


def sent_on(lab: Lab, day: dt.date, signed_by: int) -> str:
    """Send a file on a day; what the switch made of it by the evening."""
    lab.clock.set(day, "07:00")
    name = lab.send(order(1, 1_000), day=day, signed_by=signed_by)
    lab.at(day, "23:00")
    return "answered" if lab.replied(name) else refusals(lab)[-1]


def test_a_key_s_whole_life(lab: Lab) -> None:
    """From its first day over warning, exchange and end, with the next one already in use."""
    due, end = switch.key_due(TUESDAY), switch.key_ends(TUESDAY)
    assert sent_on(lab, TUESDAY, 0) == "answered"
    lab.at(due - DAY, "23:59")
    assert warnings(lab) == []
    lab.at(due, "00:01")
    assert warnings(lab) == [switch.KeyWarning(named=due, ends=end)]

    assert exchange(lab, due, current=0, new=1) == "accepted"
    day = open_from(due + DAY)
    assert sent_on(lab, day, 0) == "the signature is wrong", "from now on only the new key"
    day = open_from(day + DAY)
    assert sent_on(lab, day, 1) == "answered"
    assert sent_on(lab, open_from(end), 1) == "answered"
    lab.at(switch.key_due(due), "12:00")
    assert warnings(lab)[-1] == switch.KeyWarning(switch.key_due(due), switch.key_ends(due))


def test_a_key_of_180_days_is_refused(lab: Lab) -> None:
    end = switch.key_ends(TUESDAY)
    last = end - DAY
    while not is_open(last):
        last -= DAY
    assert sent_on(lab, last, 0) == "answered"
    assert sent_on(lab, open_from(end), 0) == "the key has ended"
    assert lab.balance(1) == BALANCE - 1_000
    # An ended key cannot introduce the next; a letter can.
    day = open_from(end) + DAY
    assert exchange(lab, day, current=0, new=1) == "refused"
    lab.running.switch.take_key(ALIAS, signer(1).public_pem())
    assert sent_on(lab, open_from(day + DAY), 1) == "answered"


def test_a_file_that_waits_is_judged_by_the_key_of_its_morning(lab: Lab) -> None:
    """Why an operator rotates when no file is under way."""
    lab.clock.set(TUESDAY, "10:00")
    name = lab.send(order(1, 1_000))
    assert exchange(lab, TUESDAY, current=0, new=1) == "accepted"
    lab.at(WEDNESDAY, "23:00")
    assert refusals(lab) == ["the signature is wrong"]
    assert not lab.replied(name)


def test_a_key_that_comes_after_the_file_was_taken_does_not_touch_it(lab: Lab) -> None:
    name = lab.send(order(1, 1_000))
    lab.clock.set(TUESDAY, "09:00")  # nobody looked since
    key_name = switch.key_name(ALIAS, TUESDAY)
    ftps.deliver(lab.server, IN_KEYS, switch.key_files(key_name, signer(0), signer(1)))
    lab.at(TUESDAY, "12:00")
    assert lab.outcomes(name) == {"po_1": ("executed", "")}


@pytest.mark.parametrize(
    ("current", "new", "why"),
    [(1, 2, "Current Key Is Invalid"), (0, 0, "Accepted"), (1, 1, "Current Key Is Invalid")],
)
def test_a_key_nobody_vouches_for_is_refused(lab: Lab, current: int, new: int, why: str) -> None:
    assert exchange(lab, TUESDAY, current, new) == ("accepted" if new == 0 else "refused")
    with ftps.Session(lab.server) as session:
        reply = session.read(OUT_KEYS, "REP_PYV_14050215.pem").decode()
    assert why in reply
    assert len(lab.running.switch.state()["facilitators"][ALIAS]["keys"]) == 1


def test_a_key_that_cannot_sign_for_itself_is_refused(lab: Lab) -> None:
    name = switch.key_name(ALIAS, TUESDAY)
    by_current, _, pem = switch.key_files(name, signer(0), signer(1))
    ftps.deliver(lab.server, IN_KEYS, [by_current, (f"{name}.new.sign", bytes(256)), pem])
    lab.at(TUESDAY, "12:00")
    with ftps.Session(lab.server) as session:
        reply = session.read(OUT_KEYS, f"REP_{name}")
    assert switch.read_key_reply(reply) == "refused"
    # The same day again, done right.
    assert exchange(lab, TUESDAY, current=0, new=1) == "accepted"
    assert exchange(lab, WEDNESDAY, current=1, new=0) == "refused", "an old key does not come back"


@pytest.mark.parametrize("pem", [b"", b"not PEM", b"\xff", b"-----BEGIN PUBLIC KEY-----\n"])
def test_a_file_that_is_no_key_is_refused(lab: Lab, pem: bytes) -> None:
    name = switch.key_name(ALIAS, TUESDAY)
    signed = [(f"{name}.cur.sign", signer(0).sign(pem)), (f"{name}.new.sign", b"")]
    ftps.deliver(lab.server, IN_KEYS, [*signed, (name, pem)])
    lab.at(TUESDAY, "12:00")
    with ftps.Session(lab.server) as session:
        reply = session.read(OUT_KEYS, f"REP_{name}")
    assert switch.read_key_reply(reply) == "refused"


def test_two_thirds_of_an_exchange_wait(lab: Lab) -> None:
    name = switch.key_name(ALIAS, TUESDAY)
    files = switch.key_files(name, signer(0), signer(1))
    ftps.deliver(lab.server, IN_KEYS, files[1:])
    lab.at(TUESDAY, "12:00")
    with ftps.Session(lab.server) as session:
        assert session.names(OUT_KEYS) == frozenset()
    ftps.deliver(lab.server, IN_KEYS, files)
    lab.at(TUESDAY, "12:01")
    with ftps.Session(lab.server) as session:
        assert session.names(OUT_KEYS) == {f"REP_{name}"}


def test_the_guide_s_contradictory_answer_is_unknown(lab: Lab) -> None:
    lab.running.switch.plant(ReplyFault(ALIAS, "contradictory"))
    assert exchange(lab, TUESDAY, current=0, new=1) == "unknown"
    assert sent_on(lab, WEDNESDAY, 1) == "answered"


# ---- who may do what --------------------------------------------------------------------------


def test_facilitators_see_their_own_home_only(lab: Lab) -> None:
    lab.running.switch.enrol("XYZ", iban(3), "other", signer(1).public_pem())
    name = lab.send(order(1, 1_000))
    theirs = ftps.Server("127.0.0.1", lab.running.ftps_port, "XYZ", "other", lab.running.ca_pem)
    with ftps.Session(theirs) as session:
        assert session.names(IN) == {"KEY_EXCHANGE"}
        session._line.cwd("/")
        for escape in ("..", "../PYV", "../PYV/IN", "/../PYV"):
            session._line.cwd("/")
            with pytest.raises(Exception, match="550"):
                session._line.cwd(f"{escape}/{name}")
        session._line.cwd("/../..")
        assert session._line.pwd() == "/"
    with ftps.Session(lab.server) as session:
        for refused in ("MKD IN/x", "RMD IN/KEY_EXCHANGE", "STOR x", "SITE CHMOD 777 IN"):
            with pytest.raises(Exception, match=r"^55"):
                session._line.voidcmd(refused)
        session._line.cwd("OUT")
        for refused in ("STOR x", "DELE x", "RNFR KEY_EXCHANGE"):
            with pytest.raises(Exception, match=r"^55"):
                session._line.voidcmd(refused)


def test_nothing_is_done_in_the_clear(lab: Lab) -> None:
    with ftplib.FTP() as plain:  # noqa: S321 - to be refused
        plain.connect("127.0.0.1", lab.running.ftps_port, timeout=5)
        with pytest.raises(ftplib.error_perm, match=r"^550"):
            plain.login(ALIAS, PASSWORD)
    context = ssl.create_default_context(cadata=lab.running.ca_pem)
    with ftplib.FTP_TLS(context=context, timeout=5) as half:  # noqa: S321 - to be refused
        half.connect("127.0.0.1", lab.running.ftps_port)
        half.login(ALIAS, PASSWORD)
        with pytest.raises(ftplib.error_perm, match=r"^550"):
            half.nlst()


def test_a_password_is_not_kept(lab: Lab) -> None:
    kept = (lab.folder / "books.json").read_text()
    assert PASSWORD not in kept
    shown = json.dumps(lab.running.switch.state())
    assert "salt" not in shown
    assert "password" not in shown
    for secret in ("books.json", "switch-key.pem", "server.pem"):
        assert (lab.folder / secret).stat().st_mode & 0o077 == 0


# ---- a restart --------------------------------------------------------------------------------


def test_it_remembers_after_a_restart(tmp_path: Path) -> None:
    folder = tmp_path / "switch"
    with furnished(folder) as lab:
        lab.running.switch.advance(60)
        name = lab.send(order(1, 1_000), order(2, BALANCE + 1))
        sent, clock, state = lab.sent, lab.clock, lab.running.switch.state()
        pem, ca = lab.running.switch.public_pem, lab.running.ca_pem
    with started(folder, clock) as lab:
        lab.sent = sent
        assert lab.running.switch.state() == state
        assert (lab.running.switch.public_pem, lab.running.ca_pem) == (pem, ca)
        lab.at(TUESDAY, "08:30")
    with started(folder, clock) as lab:
        lab.sent = sent
        lab.at(TUESDAY, "14:00")
        assert lab.outcomes(name) == {"po_1": ("executed", ""), "po_2": ("rejected", "15")}
        assert lab.accounts() == {iban(101): 1_000}


def test_a_crash_between_paying_and_telling_pays_once(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = lab.send(order(1, 1_000))
    party = lab.running.switch

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    for point in ("_put_away", "_reply", "_warn"):
        monkeypatch.setattr(party, point, crash)
        with pytest.raises(KeyboardInterrupt):
            lab.at(TUESDAY, "14:00")
        monkeypatch.undo()
    lab.at(TUESDAY, "14:01")
    assert lab.outcomes(name) == {"po_1": ("executed", "")}
    assert lab.accounts() == {iban(101): 1_000}


def test_a_crash_within_a_file_leaves_no_half_of_it(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = lab.send(order(1, 1_000), order(2, 2_000))
    record = Judge._record

    def crash(judge: Judge, n: int, *rest: Any) -> Any:
        if n == 2:
            raise KeyboardInterrupt
        return record(judge, n, *rest)

    monkeypatch.setattr(Judge, "_record", crash)
    with pytest.raises(KeyboardInterrupt):
        lab.at(TUESDAY, "14:00")
    assert lab.running.switch.state()["files"] == []
    assert lab.balance(1) == BALANCE
    monkeypatch.undo()
    lab.at(TUESDAY, "14:01")
    assert set(lab.outcomes(name).values()) == {("executed", "")}
    assert lab.accounts() == {iban(101): 1_000, iban(102): 2_000}


# ---- the control door -------------------------------------------------------------------------


def ask(
    lab: Lab, method: str, path: str, body: Any = None, **headers: str
) -> tuple[int, dict[str, Any]]:
    raw = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    url = lab.running.door_url + path
    request = urllib.request.Request(url, raw, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_everything_can_be_done_by_the_door(tmp_path: Path) -> None:
    clock = Clock(dt.datetime(2026, 5, 5, 3, 30, tzinfo=dt.UTC))  # 07:00 in Tehran
    with started(tmp_path / "switch", clock) as lab:
        us = {"iban": OURS, "password": PASSWORD, "public_pem": signer().public_pem().decode()}
        assert ask(lab, "PUT", f"/facilitators/{ALIAS}", us)[0] == 200
        shop = {"alias": ALIAS, "iin": IIN, "ibans": {iban(101): True}}
        assert ask(lab, "PUT", f"/acceptors/{acceptor(1)}", shop)[0] == 200
        ask(lab, "POST", f"/acceptors/{acceptor(1)}/takings", {"amount_minor": 3_000})
        first, second = lab.send(order(1, 1_000)), lab.send(order(1, 500), cycle=2)
        ask(lab, "POST", "/faults", {"acceptor": acceptor(1), "code": 1, "paid": True})
        ask(lab, "POST", "/clock", {"advance_s": 3 * 3_600})
        status, state = ask(lab, "POST", "/process")
        assert (status, state["acceptors"][acceptor(1)]["balance_minor"]) == (200, 1_500)
        assert lab.outcomes(first) == {"po_1": ("unknown", "1")}
        assert lab.outcomes(second) == {"po_1": ("executed", "")}
        ask(lab, "POST", "/clock", {"advance_to": "2026-05-05T14:00:00+03:30"})
        _, state = ask(lab, "POST", "/process")
        assert state["accounts"] == {iban(101): 1_500}
        _, state = ask(lab, "POST", f"/credits/{state['credits'][1]['id']}/return", {"reason": "x"})
        assert state["accounts"] == {iban(101): 1_000}
        key = {"public_pem": signer(1).public_pem().decode()}
        assert ask(lab, "POST", f"/facilitators/{ALIAS}/key", key)[0] == 200
        assert ask(lab, "POST", "/faults", {"alias": ALIAS, "how": "withheld"})[0] == 200
        assert ask(lab, "GET", "/")[1]["reply_faults"] == [{"alias": ALIAS, "how": "withheld"}]
        pem = lab.running.switch.public_pem.decode()
        assert ask(lab, "GET", "/key") == (200, {"public_pem": pem})
        assert ask(lab, "GET", "/ca") == (200, {"ca_pem": lab.running.ca_pem})


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/nothing", None, 404),
        ("POST", "/nothing", {}, 404),
        ("POST", "/facilitators/PYV", {}, 404),
        ("POST", "/acceptors/x/takings", {"amount_minor": 1}, 404),
        ("POST", "/credits/CR1/return", {"reason": "x"}, 404),
        ("POST", "/facilitators/XYZ/key", {"public_pem": "SIGNER"}, 404),
        ("PUT", f"/acceptors/{acceptor(1)}", {"alias": "XYZ", "iin": 1, "ibans": {}}, 404),
        ("PUT", "/facilitators/X", {"iban": "", "password": "", "public_pem": "SIGNER"}, 400),
        ("PUT", "/facilitators/XYZ", {"iban": "", "password": "", "public_pem": "x"}, 400),
        ("POST", "/clock", {}, 400),
        ("POST", "/clock", {"advance_s": -1}, 400),
        ("POST", "/clock", {"advance_s": 1, "advance_to": "2027-01-01T00:00:00Z"}, 400),
        ("POST", "/clock", {"advance_to": "2020-01-01T00:00:00Z"}, 400),
        ("POST", "/clock", {"advance_to": "2027-01-01T00:00:00"}, 400),
        ("POST", "/clock", {"advance_s": "1"}, 400),
        ("POST", "/faults", {"alias": ALIAS}, 400),
        ("POST", "/faults", {"alias": ALIAS, "how": "loudly"}, 400),
        ("POST", "/faults", {"acceptor": acceptor(1), "code": 16}, 400),
        ("POST", "/process", {"now": 1}, 400),
        ("POST", "/process", b"{", 400),
        ("POST", "/process", b"[" * 60_000, 400),
        ("POST", "/process", b"\xff", 400),
        ("POST", "/process", b"{}" + b" " * 70_000, 400),
    ],
)
def test_the_door_says_what_is_wrong(
    lab: Lab, method: str, path: str, body: Any, status: int
) -> None:
    if isinstance(body, dict) and body.get("public_pem") == "SIGNER":
        body = {**body, "public_pem": signer().public_pem().decode()}
    before = lab.running.switch.state()
    answered, said = ask(lab, method, path, body)
    assert (answered, set(said)) == (status, {"error"})
    assert lab.running.switch.state() == before


def test_no_web_page_opens_the_door(lab: Lab) -> None:
    for headers in ({"Origin": "http://127.0.0.1:8080"}, {"Host": "evil.example"}):
        assert ask(lab, "POST", "/process", {}, **headers)[0] == 403


# ---- as a process -----------------------------------------------------------------------------


class Ticks(threading.Event):
    """An end that comes after so many looks at it."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self._left = count

    def wait(self, timeout: float | None = None) -> bool:
        self._left -= 1
        return self._left < 0


@pytest.mark.parametrize("ticks", [0, 1, 3])
def test_left_alone_it_works_by_itself(tmp_path: Path, ticks: int) -> None:
    with furnished(tmp_path / "switch") as lab:
        lab.send(order(1, 1_000))
        clock = lab.clock
    clock.set(TUESDAY, "14:00")
    run(tmp_path / "switch", 0, 0, Ticks(ticks), clock)
    with started(tmp_path / "switch", clock) as lab:
        assert lab.accounts() == ({iban(101): 1_000} if ticks else {})


def test_a_look_at_nothing_writes_nothing(lab: Lab) -> None:
    day = switch.key_due(TUESDAY)
    lab.at(day, "23:00")
    (warning,) = (lab.running.switch.home(ALIAS) / OUT_KEYS).iterdir()
    written = [path.stat().st_mtime_ns for path in (lab.folder / "books.json", warning)]
    lab.at(day, "23:01")
    assert [path.stat().st_mtime_ns for path in (lab.folder / "books.json", warning)] == written


def test_it_runs_as_a_process_and_ends_when_told(tmp_path: Path) -> None:
    folder = tmp_path / "switch"
    with furnished(folder):
        pass
    command = [sys.executable, "-m", "payvand_cli.switch", "--folder", str(folder)]
    paths = os.pathsep.join(path for path in sys.path if path)
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": paths}
    ) as process:
        try:
            assert process.stdout
            said = json.loads(process.stdout.readline())
            with urllib.request.urlopen(said["door_url"], timeout=5) as answer:
                assert ALIAS in json.load(answer)["facilitators"]
            ca = (folder / "ca.pem").read_text()
            server = ftps.Server("127.0.0.1", said["ftps_port"], ALIAS, PASSWORD, ca)
            with ftps.Session(server) as session:
                assert session.names(OUT) == {"KEY_EXCHANGE"}
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0
