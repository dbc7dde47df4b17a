"""Calls to AWS and write units of each flow, counted exactly (architecture §7, seals §4).

Live books are counted: test books read the lab's clock and the head besides. A budget is a limit
and today's figure: a change that makes a flow dearer must change the figure here and say why.
"""

import json
from collections import Counter
from collections.abc import Iterator

import pytest

from payvand.ids import Book
from tests.bank.euros import iban
from tests.support.merchant import create, paid, refund
from tests.support.payout_files import (
    DEBTOR,
    EURO,
    close,
    earn,
    know_banks,
    last,
    shop,
    states,
    tick,
)
from tests.support.world import MERCHANT, Call, World, running_world

BOOK = Book(MERCHANT, "live", "IRR")


@pytest.fixture
def world() -> Iterator[World]:
    with running_world() as made:
        yield made


@pytest.fixture
def key(world: World) -> str:
    """A live key, in a container that has read its secrets and merchant."""
    key = world.add_merchant()["live"]
    paid(world, key, reference="warm", channel="zarinpal")
    world.run()
    return key


def aws(calls: list[Call]) -> Counter[str]:
    """What the flow itself calls; telling others comes after it."""
    return Counter(c.name for c in calls if c.service not in {"http", "events"})


def units(calls: list[Call]) -> int:
    return sum(c.write_units for c in calls)


def test_create_with_a_channel_named(world: World, key: str) -> None:
    with world.counted() as calls:
        create(world, key, channel="zarinpal")
    assert aws(calls) == {"sqs.SendMessage": 1, "dynamodb.PutItem": 2}
    assert units(calls) == 2
    assert sum(aws(calls).values()) <= 4


def test_create_for_the_hosted_page(world: World, key: str) -> None:
    with world.counted() as calls:
        create(world, key)
    assert not [c for c in calls if c.service == "http"]
    assert sum(aws(calls).values()) <= 4
    assert units(calls) == 2


def test_a_replayed_create_writes_nothing_and_asks_no_channel(world: World, key: str) -> None:
    create(world, key, channel="zarinpal")
    with world.counted() as calls:
        create(world, key, channel="zarinpal")
    assert units(calls) == 0
    assert not [c for c in calls if c.service == "http"]
    assert sum(aws(calls).values()) <= 5


def test_a_whole_life_to_executed(world: World, key: str) -> None:
    with world.counted() as calls:
        paid(world, key, channel="zarinpal")
        world.relay()
        world.later(minutes=6)
        world.deliver("TimerQueue")
    # Timer, reference, payment, its page read and chosen, its return, its timer.
    assert sum(aws(calls).values()) <= 8, aws(calls)
    assert units(calls) == 3


def test_confirm_in_its_own_day(world: World, key: str) -> None:
    payment = create(world, key, 250_107, channel="zarinpal")
    world.pay(payment)
    with world.counted() as calls:
        world.later(minutes=6)
        world.deliver("TimerQueue")
    assert aws(calls) == {"dynamodb.GetItem": 1, "dynamodb.UpdateItem": 1}
    assert units(calls) == 1


def test_confirm_across_the_cut_off(world: World, key: str) -> None:
    world.now = world.now.replace(hour=12, minute=58)
    payment = create(world, key, 250_107, channel="zarinpal")
    world.pay(payment)
    world.later(minutes=6)
    with world.counted() as calls:
        world.deliver("TimerQueue")
    assert aws(calls) == {"dynamodb.GetItem": 2, "dynamodb.TransactWriteItems": 1}
    assert units(calls) == 6


@pytest.mark.parametrize(("amount", "expected"), [(50_000, 7), (50_201, 12)])
def test_refund(world: World, key: str, amount: int, expected: int) -> None:
    payment = paid(world, key, channel="zarinpal")
    with world.counted() as calls:
        refund(world, key, payment["id"], "k", amount=amount)
    assert sum(aws(calls).values()) <= 5, aws(calls)
    assert units(calls) == expected <= (7 if amount == 50_000 else 14)


def test_settlement_writes_two_units_a_merchant(world: World, key: str) -> None:
    for n in range(5):
        paid(world, key, 250_000 + 10 * n, channel="zarinpal")
    world.until_closed()
    with world.counted() as calls:
        world.settle()
    seals = [c for c in calls if c.write_units and c.service == "dynamodb"]
    # Fence and seal, then the payout: new → sent.
    assert [(c.operation, c.write_units) for c in seals] == [
        ("UpdateItem", 1),
        ("PutItem", 1),
        ("UpdateItem", 1),
    ]


def test_settlement_writes_one_unit_for_each_payment_still_open(world: World, key: str) -> None:
    world.now = world.now.replace(hour=12, minute=59)
    open_now = 4
    for n in range(open_now):
        create(world, key, 250_000 + 10 * n)
    world.until_closed()
    world.queues["TimerQueue"].clear()
    with world.counted() as calls:
        world.plan_settlement()
        world.deliver("SettleQueue")
    assert units(calls) == 2 + open_now


def test_settlement_does_not_read_a_payment_twice(world: World, key: str) -> None:
    """Reads grow with pages of the day, not with payments."""
    world.add_merchant(modes=("live",))  # an idle book is peeked into once a day, whatever happens
    counts: list[Counter[str]] = []
    for day, many in enumerate((1, 3, 12)):
        for n in range(many):
            paid(world, key, 250_000 + 10 * n, channel="zarinpal", reference=f"{day}-{n}")
        world.until_closed()
        with world.counted() as calls:
            world.plan_settlement()
            world.deliver("SettleQueue")
        counts.append(aws(calls))
    assert counts[1]["dynamodb.Query"] == counts[2]["dynamodb.Query"]
    assert counts[1]["dynamodb.GetItem"] == counts[2]["dynamodb.GetItem"]


def test_an_explanation_reads_what_it_tells_and_no_chain(world: World, key: str) -> None:
    payment = paid(world, key, channel="zarinpal")
    path = f"/payments/{payment['id']}/explain"
    with world.counted() as calls:
        world.call("GET", path, key=key)
    # The payment; the last seal and the calendar's overrides, which are kept for a minute.
    assert aws(calls) == {"dynamodb.GetItem": 1, "dynamodb.Query": 2}
    refund(world, key, payment["id"], "k", amount=50_000)
    world.until_closed()
    world.settle()
    with world.counted() as calls:
        world.call("GET", path, key=key)
    # The payment and its refund's posting; the last seal, which holds both and pays them.
    assert aws(calls) == {"dynamodb.GetItem": 2, "dynamodb.Query": 1}


def test_a_preview_reads_the_days_that_are_not_sealed(world: World, key: str) -> None:
    for n in range(3):
        paid(world, key, 250_000 + 10 * n, channel="zarinpal")
    with world.counted() as calls:
        world.call("GET", "/settlement/preview", key=key)
    # The last seal, the calendar's overrides, and the two days there are; the merchant is kept.
    assert aws(calls) == {"dynamodb.Query": 4}
    assert units(calls) == 0


def test_a_payout_that_is_asked_for_costs_one_message(world: World, key: str) -> None:
    world.until_closed()
    with world.counted() as calls:
        got = world.call("POST", "/payouts", {"currency": "IRR"}, key)
    assert got.status == 202
    assert aws(calls) == {"dynamodb.Query": 4, "sqs.SendMessage": 1}
    assert units(calls) == 0


def test_a_usual_payment_fits_in_one_write_unit(world: World, key: str) -> None:
    payment = create(
        world,
        key,
        channel="zarinpal",
        reference="order-2026-000123456",
        description="سفارش شماره ۱۲۳۴۵۶ از فروشگاه نمونه",
        return_url="https://shop.example/payments/return?order=123456&token=abcdefghij",
        metadata={"order_id": "123456", "customer": "c-778899"},
    )
    world.pay(payment)
    writes = [c.write_units for c in world.calls if c.service == "dynamodb" and c.write_units]
    assert set(writes) == {1}


def test_a_line_of_log_is_short(world: World, key: str, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    paid(world, key, channel="zarinpal")
    lines = [row for row in capsys.readouterr().out.splitlines() if '"lab"' not in row]
    assert max(len(row.encode()) for row in lines) <= 1_200
    routes = [row for row in lines if '"route"' in row]
    assert len(routes) == 4, "one line a call"


@pytest.mark.parametrize("count", [1, 5])
def test_a_payout_in_a_file_costs_four_units_and_the_file_three(world: World, count: int) -> None:
    """Waiting, claimed, waiting no more, executed; opened, written, sent."""
    know_banks(world, DEBTOR)
    books = [shop(world, n, iban("10")) for n in range(count)]
    for book in books:
        earn(world, book, 900)
    close(world, *books)
    world.later(minutes=40)
    with world.counted() as calls:
        tick(world, 1, EURO)
    assert states(world, *books) == ["sent"] * count
    assert units(calls) == 3 + 2 * count
    assert Counter(call.name for call in calls)["s3.PutObject"] == 2
    said = [
        {"reference": str(last(world, book).payout_id), "verdict": "executed"} for book in books
    ]
    message = {"lane": EURO.key, "said": said}
    world.put_message("PayoutFileQueue", json.dumps(message), 0)
    with world.counted() as calls:
        world.deliver("PayoutFileQueue")
    assert states(world, *books) == ["executed"] * count
    assert units(calls) == count
    assert aws(calls)["dynamodb.GetItem"] == count + 1, "each seal, and the clock of test books"


def test_an_idle_lane_reads_twice_and_writes_nothing(world: World) -> None:
    with world.counted() as calls:
        tick(world, 1, EURO)
    assert aws(calls) == {"dynamodb.GetItem": 1, "dynamodb.Query": 2}
    assert units(calls) == 0
