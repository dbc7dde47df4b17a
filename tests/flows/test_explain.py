"""Where every unit of a payment went: the explanation against the journal, in every kind of end."""

import dataclasses
import datetime as dt
from collections import Counter
from typing import Any, Final

import pytest

from payvand import calendar, ledger
from payvand.fee import Bill, FeePlan, Tier
from payvand.ids import Book, PaymentId
from payvand.settlement import Seal
from payvand.store.settlements import Settlements
from tests.support.merchant import create, paid, refund, show
from tests.support.world import MERCHANT, OTHER, World, check_books

BOOK: Final = Book(MERCHANT, "test", "IRR")


def explain(world: World, key: str, id: str) -> dict[str, Any]:
    """The explanation, after it was held against the journal and the payment."""
    got = world.call("GET", f"/payments/{id}/explain", key=key)
    assert got.status == 200, got.text
    found: dict[str, Any] = got.json()
    journal = {item["id"]: item for item in world.items("PaymentsTable") if "legs" in item}
    own = {name for name in journal if id in name}
    told = [one for one in (found["booked"], *_refunds(found)) if one]
    assert {one["entry"]["id"] for one in told} == own
    for one in told:
        item = journal[one["entry"]["id"]]
        assert one["entry"]["legs"] == item["legs"]
        assert one["entry"]["day"] == item["pk"].split("#")[1]
        assert one["amount"] == ledger.owed(item["legs"])
    assert found["balance"] == sum(ledger.owed(journal[name]["legs"]) for name in own)
    assert (found["fee"] or {"amount": None})["amount"] == show(world, key, id)["fee_amount"]
    return found


def _refunds(found: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for refund in found["refunds"] for one in refund["booked"]]


def settle(world: World) -> None:
    world.until_closed()
    world.settle()


def test_a_payment_from_the_wish_to_the_bank(world: World, key: str) -> None:
    wished = create(world, key)
    assert explain(world, key, wished["id"]) == {
        "id": wished["id"],
        "status": "created",
        "currency": "IRR",
        "amount": 250_000,
        "charged": 250_000,
        "fee": None,
        "booked": None,
        "refunds": [],
        "balance": 0,
    }
    world.pay(wished)
    found = explain(world, key, wished["id"])
    booked = found["booked"]
    assert (booked["seal"], booked["payout"], booked["free_from"]) == (None, None, None)
    assert booked["settlement_day"] == "2026-05-04"
    assert booked["settles_at"] == "2026-05-04T13:20:00.000Z", "cut-off and grace"

    settle(world)
    world.bank_runs()
    world.run()
    booked = explain(world, key, wished["id"])["booked"]
    (seal,) = world.seals(BOOK)
    assert booked["seal"]["n"] == 1
    assert booked["seal"]["digest"] == seal.digest
    assert booked["payout"]["id"] == str(seal.payout_id)
    assert booked["payout"]["status"] == "executed"
    (transfer,) = booked["payout"]["transfers"]
    assert (transfer["status"], transfer["amount"]) == ("executed", 247_500)
    assert transfer["bank_reference"] == seal.parts[0].bank_reference is not None
    assert (booked["settlement_day"], booked["settles_at"]) == (None, None)


def test_a_day_on_which_banks_rest_is_settled_with_the_next(world: World, key: str) -> None:
    world.later(days=3)  # until Thursday noon
    world.now = world.now.replace(hour=14)  # Friday's day has begun
    payment = paid(world, key)
    assert explain(world, key, payment["id"])["booked"]["settlement_day"] == "2026-05-09"
    world.live.settlements.override("IRR", dt.date(2026, 5, 9), is_open=False, why="storm")
    world.live.settlements._overrides.clear()
    booked = explain(world, key, payment["id"])["booked"]
    assert booked["settlement_day"] == "2026-05-10"
    assert booked["settles_at"] == "2026-05-10T13:20:00.000Z"


TIERS: Final = (Tier(100_000, 50), Tier(200_000, 25))
PLANS: Final = [
    (FeePlan(), 250_000, "2500.0000", None, 2_500),
    (FeePlan(), 250_077, "2500.7700", None, 2_500),
    (FeePlan(), 9_000_000, "90000.0000", "cap", 50_000),
    (FeePlan(floor_minor=4_000), 250_000, "2500.0000", "floor", 4_000),
    (FeePlan(fixed_minor=1_000), 250_000, "3500.0000", None, 3_500),
    (FeePlan(fixed_minor=40_000), 20_000, "40200.0000", "maximum", 3_000),
    (FeePlan(fixed_minor=90_000), 250_000, "92500.0000", "maximum", 37_500),
    (FeePlan(tiers=TIERS), 250_000, "1625.0000", None, 1_625),
    (FeePlan(tiers=TIERS), 250_099, "1625.2475", None, 1_625),
    (FeePlan(trial_until=dt.date(2026, 5, 4)), 250_000, "2500.0000", "trial", 0),
    (FeePlan(bearer="payer"), 250_077, "2500.7700", None, 2_500),
    (FeePlan(bearer="payer", trial_until=dt.date(2026, 5, 4)), 250_000, "2500.0000", "trial", 0),
]


@pytest.mark.parametrize(("plan", "amount", "exact", "limit", "fee"), PLANS)
def test_how_a_fee_came_about(
    world: World, plan: FeePlan, amount: int, exact: str, limit: str | None, fee: int
) -> None:
    key = world.add_merchant(fee_plan=plan)["test"]
    payment = paid(world, key, amount)
    found = explain(world, key, payment["id"])
    on_top = fee if plan.bearer == "payer" else 0
    assert found["charged"] == amount + on_top
    assert found["balance"] == amount - fee + on_top
    told = found["fee"]
    assert (told["amount"], told["borne_by"], told["referral"]) == (fee, plan.bearer, None)
    how = told["calculation"]
    assert (how["exact"], how["limited_by"]) == (exact, limit)
    assert how["rounded_off"] == "0." + exact.split(".")[1]
    assert sum(band["part"] for band in how["bands"]) == amount
    edges = [0, *(tier.above_minor for tier in plan.tiers)]
    assert [band["above"] for band in how["bands"]] == [e for e in edges if e < amount]


def test_a_referrers_part_of_the_fee(world: World) -> None:
    world.add_merchant(OTHER)
    key = world.add_merchant(fee_plan=FeePlan(referrer=OTHER))["test"]
    payment = paid(world, key, 250_300)
    fee = explain(world, key, payment["id"])["fee"]
    assert (fee["amount"], fee["referral"]) == (2_503, {"amount": 500, "exact": "500.6000"})


def test_rules_that_changed_since_explain_nothing(
    world: World, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The journal stands; a calculation that leads elsewhere is not shown."""
    payment = paid(world, key)
    made = FeePlan.bill

    def other(*terms: Any) -> Bill:
        bill = made(*terms)
        return dataclasses.replace(bill, fee_minor=bill.fee_minor + 1)

    monkeypatch.setattr(FeePlan, "bill", other)
    fee = explain(world, key, payment["id"])["fee"]
    assert (fee["amount"], fee["calculation"]) == (2_500, None)


def test_booked_in_a_later_day(world: World, key: str) -> None:
    world.now = world.now.replace(hour=12, minute=55)  # 16:25 in Tehran
    payment = create(world, key, 250_107)  # paid, and the payer never comes back to say so
    world.pay(payment)
    world.until_closed()
    world.plan_settlement()
    world.deliver("SettleQueue")
    world.run(hours=1)
    found = explain(world, key, payment["id"])
    assert found["status"] == "executed"
    assert found["booked"]["entry"]["id"] == f"x:{payment['id']}"
    assert found["booked"]["entry"]["day"] == "2026-05-05"
    assert found["booked"]["seal"] is None
    check_books(world)


def test_refunds_with_what_they_booked(world: World, key: str) -> None:
    payment = paid(world, key)
    assert refund(world, key, payment["id"], amount=50_000).status == 201
    settle(world)
    world.later(days=1)
    refused = refund(world, key, payment["id"], amount=50_201)  # an ending: the channel refuses
    assert refused.status == 201
    world.run(hours=3)
    found = explain(world, key, payment["id"])
    kept, back = found["refunds"]
    assert kept["refund"]["status"] == "done"
    assert [one["amount"] for one in kept["booked"]] == [-50_000]
    assert kept["booked"][0]["seal"]["n"] == 1
    assert back["refund"]["status"] == "failed"
    assert [one["amount"] for one in back["booked"]] == [-50_201, 50_201]
    assert [one["seal"] for one in back["booked"]] == [None, None]
    assert found["balance"] == 247_500 - 50_000


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> int:
    """A currency whose earnings wait two days."""
    found = calendar.currencies()["IRR"]
    waiting = dataclasses.replace(found.profiles[0], hold_days=2)
    changed = dataclasses.replace(found, profiles=(waiting,))
    monkeypatch.setitem(calendar.currencies(), "IRR", changed)
    return waiting.hold_days


def test_earnings_that_wait_are_paid_by_a_later_seal(world: World, held: int) -> None:
    key = world.add_merchant(reserve_basis_points=1_000, reserve_days=30)["test"]
    first = paid(world, key, reference="first")
    settle(world)
    booked = explain(world, key, first["id"])["booked"]
    assert booked["seal"]["n"] == 1
    assert booked["free_from"] == "2026-05-06" == str(dt.date(2026, 5, 4) + dt.timedelta(held))
    assert (booked["payout"], booked["settlement_day"]) == (None, "2026-05-05")
    later = []
    for day in range(3):
        later.append(paid(world, key, reference=f"later-{day}"))  # the next day has begun
        settle(world)
    booked = explain(world, key, first["id"])["booked"]
    third = world.seals(BOOK)[2]
    assert third.payout_minor == 247_500 - 24_750
    assert (booked["seal"]["n"], booked["payout"]["id"]) == (1, str(third.payout_id))
    # The third seal pays while the second day's earnings still wait: the fourth is theirs.
    booked = explain(world, key, later[0]["id"])["booked"]
    fourth = world.seals(BOOK)[3]
    assert (booked["seal"]["n"], booked["payout"]["id"]) == (2, str(fourth.payout_id))


def test_a_merchant_without_an_account_waits(world: World) -> None:
    key = world.add_merchant(payees=())["test"]
    payment = paid(world, key)
    settle(world)
    booked = explain(world, key, payment["id"])["booked"]
    assert (booked["seal"]["n"], booked["payout"]) == (1, None)
    assert booked["settlement_day"] == "2026-05-05"


def test_others_payments_look_like_missing_ones(world: World, key: str) -> None:
    id = paid(world, key)["id"]
    stranger = world.add_merchant(OTHER)["test"]
    missing = PaymentId.mint(Book(OTHER, "test", "IRR"), PaymentId.parse(id).day, 1, 0, b"absent")
    answers = [
        world.call("GET", f"/payments/{name}/explain", key=stranger)
        for name in (id, missing.text, "pay_x", "%00")
    ]
    assert {got.status for got in answers} == {404}
    assert len({got.text for got in answers}) == 1


@pytest.mark.parametrize("days", [1, 6, 7, 45, 400])
def test_a_day_is_found_in_few_reads(
    world: World, key: str, days: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A chain with gaps: each seal holds one to four days, and every day is found."""
    paid(world, key)
    settle(world)
    (first,) = seals = world.seals(BOOK)
    while (seals[-1].through - first.through).days < days:
        seal = seals[-1]
        begin = seal.through + dt.timedelta(1)
        end = begin + dt.timedelta(seal.n * 7 % 4)
        seals.append(dataclasses.replace(seal, n=seal.n + 1, first=begin, through=end))
    reads = Counter[dt.date]()

    def get(_: Settlements, __: Book, n: int) -> Seal:
        reads[day] += 1
        return seals[n - 1]

    store, last = world.books[1], seals[-1]
    monkeypatch.setattr(Settlements, "get", get)
    for day in calendar.days(first.first, last.through):
        found = store.covering(last, day)
        assert found is not None and found.first <= day <= found.through
    assert max(reads.values()) <= len(seals).bit_length()
    for outside in (first.first - dt.timedelta(1), last.through + dt.timedelta(1)):
        assert store.covering(last, outside) is None
