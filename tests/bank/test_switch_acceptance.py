"""The switch's own acceptance test: twelve cases (facilitator guide p. 29–31), over real FTPS.

One file of four good records and two of four bad ones, through our writer, our signature, our FTPS
client, the lab's switch and our reader. What our writer refuses to write is changed in its bytes:
the switch has to refuse it all the same.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from payvand.bank import FormatError, Order, switch
from tests.bank.switch_lab import (
    ALIAS,
    BALANCE,
    OURS,
    TUESDAY,
    Lab,
    acceptor,
    furnished,
    head,
    iban,
    order,
    split,
)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with furnished(tmp_path / "switch") as lab:
        yield lab


def changed(content: bytes, change: Callable[[list[Any]], None]) -> bytes:
    file = json.loads(content)
    change(file["settlementDataDetails"])
    return json.dumps(file).encode()


def send(lab: Lab, cycle: int, orders: list[Order], content: bytes) -> str:
    name = switch.order_name(ALIAS, TUESDAY, cycle)
    lab.put(name, content)
    lab.sent[name] = (content, tuple(order.payout for order in orders))
    return name


def test_the_four_good_cases(lab: Lab) -> None:
    paid_before = 3_000_000
    lab.running.switch.take_in(acceptor(3), -paid_before)
    rest = BALANCE - paid_before
    wage = switch.capped_wage(rest, rest - rest * 15 // 100)
    name = lab.send(
        order(1, BALANCE),  # 1: no wage, the whole balance
        order(2, BALANCE // 2),  # 2: no wage, a part of it
        order(3, rest - wage, wage),  # 3: a wage, all that remains
        split(4, 1_000_000, 500_000, wage=50_000),  # 4: a wage, a part of what remains
    )
    lab.at(TUESDAY, "08:30")
    assert not lab.replied(name)
    lab.at(TUESDAY, "09:30")
    assert set(lab.outcomes(name).values()) == {("executed", "")}
    assert json.loads(lab.reply(name)[0]) == []
    assert lab.accounts() == {}
    lab.at(TUESDAY, "14:00")
    assert lab.accounts() == {
        iban(101): BALANCE,
        iban(102): BALANCE // 2,
        iban(103): rest - wage,
        iban(104): 1_000_000,
        iban(204): 500_000,
    }
    assert [lab.balance(n) for n in (1, 2, 3, 4)] == [0, BALANCE // 2, 0, BALANCE - 1_550_000]
    assert [w["amount_minor"] for w in lab.running.switch.state()["wages"]] == [wage, 50_000]


def test_the_first_four_bad_cases(lab: Lab) -> None:
    orders = [
        order(1, BALANCE + 1),  # 1: no wage, more than the balance
        order(2, BALANCE - 1, 2),  # 2: with the wage more than the balance
        order(3, 8_500_000, 1_500_000),  # 3: see below
        order(4, 1_000),  # 4: see below
    ]

    def change(rows: list[Any]) -> None:
        rows[2]["settlementAmount"] -= 1_000  # 3: the wage is 15.0015 %
        rows[3]["acceptorCode"] = acceptor(1)  # 4: a good record, but its acceptor had one
        rows[3]["settlementIban"] = iban(101)

    with pytest.raises(FormatError, match=r"^record 2: the wage"):
        switch.write(head(), [order(1, 1), order(3, 8_499_000, 1_500_000)])
    with pytest.raises(FormatError, match=r"^record 2: its acceptor"):
        switch.write(head(), [order(1, 1), order(1, 1_000)])

    name = send(lab, 1, orders, changed(switch.write(head(), orders), change))
    lab.at(TUESDAY, "10:00")
    assert lab.outcomes(name) == {
        "po_1": ("rejected", "15"),
        "po_2": ("rejected", "15"),
        "po_3": ("rejected", "14"),
        "po_4": ("rejected", "6"),
    }
    assert json.loads(lab.reply(name)[0])[0] == {
        "errorMessage": "NotEnoughResources",
        "recordIndex": 1,
        "errorType": 15,
        "fieldName": "accountBalance",
        "fieldValue": BALANCE,
    }
    lab.at(TUESDAY, "15:00")
    assert lab.accounts() == {}
    assert [lab.balance(n) for n in (1, 2, 3, 4)] == [BALANCE] * 4


def test_the_last_four_bad_cases(lab: Lab) -> None:
    orders = [
        order(1, 1_000, iin="581672001"),  # 5: no such switch
        order(2, 1_000, acceptor=acceptor(77)),  # 6: no such acceptor
        order(3, 1_000),  # 7: see below
        split(4, 900, 100),  # 8: see below
    ]

    def change(rows: list[Any]) -> None:
        assert rows[2]["paymentFacilitatorIban"] == OURS
        rows[2]["paymentFacilitatorIban"] = iban(2)  # 7: another facilitator's account
        rows[3]["scatteredSettlementDetails"][1]["settlementIban"] = iban(
            9_999
        )  # 8: not registered

    name = send(lab, 2, orders, changed(switch.write(head(), orders), change))
    lab.at(TUESDAY, "10:00")
    assert lab.outcomes(name) == dict.fromkeys(("po_1", "po_2", "po_3", "po_4"), ("rejected", "8"))
    fields = [error["fieldName"] for error in json.loads(lab.reply(name)[0])]
    assert fields == ["iin", "acceptorCode", "paymentFacilitatorIban", "settlementIban"]
    lab.at(TUESDAY, "15:00")
    assert lab.accounts() == {}
    assert [lab.balance(n) for n in (1, 2, 3, 4)] == [BALANCE] * 4
