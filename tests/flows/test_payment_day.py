"""A payment day in one process: every outcome the lab can play, to the books."""

import datetime as dt
from typing import Any

import pytest

from payvand.ids import Book
from payvand.resolve import APART_S
from tests.support.merchant import balance, create, paid, refund, show, try_create
from tests.support.world import BASE, MERCHANT, OTHER, World, check_books

BOOK = Book(MERCHANT, "test", "IRR")


@pytest.mark.parametrize("channel", ["zarinpal", "noticebank"])
@pytest.mark.parametrize("named", [True, False], ids=["named", "hosted"])
def test_a_payment_is_taken_sealed_and_paid_out(
    world: World,
    key: str,
    channel: str,
    named: bool,  # noqa: FBT001
) -> None:
    payment = create(world, key, channel=channel if named else None)
    back = world.pay(payment, channel)
    assert back.headers["Location"].startswith("https://shop.example/done?x=1&payment_id=pay_")
    assert "status=executed" in back.headers["Location"]
    assert show(world, key, payment["id"])["fee_amount"] == 2_500

    world.until_closed()
    world.settle()
    world.bank_runs()
    world.run()

    (seal,) = world.seals(BOOK)
    assert (seal.payout_minor, seal.state) == (247_500, "executed")
    assert world.bank_paid()[str(seal.payout_id)]["amount"] == 247_500
    assert balance(world, key)["balance"] == 0
    check_books(world)


OUTCOMES = [
    ("zarinpal", 250_101, "executed"),
    ("zarinpal", 250_102, "executed"),
    ("zarinpal", 250_103, "executed"),
    ("zarinpal", 250_104, "reversed"),
    ("zarinpal", 250_105, "reversed"),
    ("zarinpal", 250_106, "executed"),
    ("zarinpal", 250_108, "executed"),
    ("noticebank", 250_101, "executed"),
    ("noticebank", 250_102, "executed"),
    ("noticebank", 250_103, "executed"),
    ("noticebank", 250_104, "reversed"),
    ("noticebank", 250_105, "reversed"),
    ("noticebank", 250_106, "executed"),
    ("noticebank", 250_108, "executed"),
    ("noticebank", 250_301, "executed"),
    ("noticebank", 250_302, "executed"),
    ("noticebank", 250_303, "executed"),
    ("noticebank", 250_304, "executed"),
]


@pytest.mark.parametrize(("channel", "amount", "expected"), OUTCOMES)
def test_every_outcome_ends_in_its_true_state(
    world: World, key: str, channel: str, amount: int, expected: str
) -> None:
    payment = create(world, key, amount)
    world.pay(payment, channel)
    world.run(hours=3)
    assert show(world, key, payment["id"])["status"] == expected
    told = [e["type"] for e in world.events if e["data"]["payment_id"] == payment["id"]]
    assert told.count(f"payment.{expected}.v1") == 1, told
    assert not any(world.dead.values())
    check_books(world)


def test_a_payer_who_pays_and_closes_the_window_is_found(world: World, key: str) -> None:
    payment = create(world, key, 250_107)
    world.pay(payment)
    assert show(world, key, payment["id"])["status"] == "redirected"
    world.run(hours=0.2)
    assert show(world, key, payment["id"])["status"] == "executed"


def test_a_payer_who_refuses(world: World, key: str) -> None:
    payment = create(world, key)
    back = world.pay(payment, button="refuse")
    assert "status=refused" in back.headers["Location"]
    found = show(world, key, payment["id"])
    assert found["failure"]["code"] == "refused_by_channel"


def test_a_payer_who_never_comes(world: World, key: str) -> None:
    payment = create(world, key)
    world.later(minutes=31)
    assert show(world, key, payment["id"])["status"] == "expired"  # on read, before any timer
    world.run()
    assert world.payment(payment["id"]).status == "expired"
    assert "error" not in world.browse("GET", payment["checkout_url"]).text.lower()


def test_a_payer_who_leaves_the_bank_page(world: World, key: str) -> None:
    payment = create(world, key)
    world.go_to_bank(payment)
    world.run(hours=3)
    assert show(world, key, payment["id"])["status"] == "expired"
    assert not any(world.queues.values()), "its timers have ended"


def test_a_payer_who_gives_up_on_the_page(world: World, key: str) -> None:
    payment = create(world, key)
    back = world.submit(world.browse("GET", payment["checkout_url"]), "cancel")
    assert "status=refused" in back.headers["Location"]
    assert show(world, key, payment["id"])["failure"]["code"] == "cancelled_by_payer"


def test_giving_up_after_paying_is_still_paid(world: World, key: str) -> None:
    payment = create(world, key, 250_107)
    page = world.browse("GET", payment["checkout_url"])
    world.pay(payment)
    world.submit(page, "cancel")
    world.run(hours=0.2)
    assert show(world, key, payment["id"])["status"] == "executed"


@pytest.mark.parametrize("amount", [250_001, 250_002])
def test_a_silent_channel_is_no_refusal(world: World, key: str, amount: int) -> None:
    got = try_create(world, key, amount, channel="zarinpal")
    assert got.status == 503
    assert got.headers["Retry-After"]
    assert got.json()["code"] == "channel_unavailable"


def test_a_silent_channel_falls_back(world: World, key: str) -> None:
    payment = create(world, key, 250_003, channel="zarinpal", fallback_channels=["noticebank"])
    assert payment["status"] == "refused"  # the ending refuses at both parties
    payment = create(world, key, 250_000, channel="noticebank", fallback_channels=["zarinpal"])
    assert payment["channel"] == "noticebank"


def test_the_page_comes_back_when_the_chosen_channel_is_silent(world: World, key: str) -> None:
    payment = create(world, key, 250_001)
    page = world.submit(world.browse("GET", payment["checkout_url"]), "zarinpal")
    assert page.status == 503
    assert 'data-channel="noticebank"' in page.text


def test_two_channels_paid_one_is_given_back(world: World, key: str) -> None:
    payment = create(world, key, 250_107)
    first = world.go_to_bank(payment, "zarinpal")
    second = world.go_to_bank(payment, "noticebank")
    world.submit(first, "pay")
    world.submit(second, "pay")
    world.run(hours=3)
    found = world.payment(payment["id"])
    assert (found.status, found.shut) == ("executed", True)
    assert [
        line["legs"]["income:fee"] for line in world.items("PaymentsTable") if "legs" in line
    ] == [-2_501]
    check_books(world)


@pytest.mark.parametrize("first", ["refuse", "pay"])
def test_a_rival_refused_by_notice_alone_ends_too(world: World, key: str, first: str) -> None:
    """NoticeBank tells of an ended session by notice only; its word must not be forgotten."""
    payment = create(world, key, 250_107)
    banks = [world.go_to_bank(payment, name) for name in ("noticebank", "zarinpal")]
    world.submit(banks[0], "refuse")
    if first == "pay":
        world.submit(banks[1], "pay")
    world.run(hours=3)
    found = world.payment(payment["id"])
    assert (found.is_finished, found.attempts[0].over) == (True, "dead")
    assert found.status == ("executed" if first == "pay" else "expired")
    assert world.queues["TimerQueue"] == [], "nobody is asked for ever"
    check_books(world)


def test_who_may_have_paid_is_not_led_to_another_channel(world: World, key: str) -> None:
    """The bank said yes to the browser and is silent since: the page waits, and offers nothing."""
    payment = create(world, key, 250_106)
    bank = world.go_to_bank(payment, "zarinpal")
    world.live.payments.accept(world.payment(payment["id"]), 1)
    page = world.browse("GET", payment["checkout_url"])
    assert "data-channel" not in page.text
    got = world.call(
        "POST", f"/pay/{payment['id']}", b"channel=noticebank", headers={"Origin": BASE}
    )
    assert "Location" not in got.headers
    assert len(world.payment(payment["id"]).attempts) == 1
    world.submit(bank, "pay")
    world.run(hours=3)
    assert show(world, key, payment["id"])["status"] == "executed"
    check_books(world)


# ── the same again, others, and the clock ─────────────────────────────────────────────────────


def test_the_same_reference_is_the_same_payment(world: World, key: str) -> None:
    one = create(world, key, channel="zarinpal")
    with world.counted() as calls:
        again = create(world, key, channel="zarinpal")
    assert again == one
    assert not [c for c in calls if c.service == "http"], "no second order at the channel"
    world.later(days=2)
    assert create(world, key, channel="zarinpal")["id"] == one["id"], "for ever"
    other = try_create(world, key, channel="zarinpal", description="another body")
    assert (other.status, other.json()["code"]) == (409, "reference_reused")


def test_an_idempotency_key_names_one_payment(world: World, key: str) -> None:
    headers = {"Idempotency-Key": '"abc"'}
    body = {
        "amount": 250_000,
        "currency": "IRR",
        "reference": "r1",
        "return_url": "https://s.example/",
    }
    one = world.call("POST", "/payments", body, key, headers).json()
    assert world.call("POST", "/payments", body, key, headers).json()["id"] == one["id"]
    other = world.call("POST", "/payments", {**body, "reference": "r2"}, key, headers)
    assert (other.status, other.json()["code"]) == (409, "idempotency_key_reused")


def test_another_merchants_things_look_like_missing_ones(world: World, key: str) -> None:
    theirs = world.add_merchant(OTHER)
    payment = paid(world, theirs["test"])
    live = create(world, theirs["live"])
    missing = payment["id"][:-4] + "0000"
    for path in ("", "/events", "/refunds"):
        answers = {
            (got.status, got.json()["code"], got.json()["detail"])
            for id in (payment["id"], live["id"], missing, "pay_x", "po_1")
            for got in [world.call("GET", f"/payments/{id}{path}", key=key)]
        }
        assert answers == {(404, "not_found", "There is no such thing.")}
    assert refund(world, key, payment["id"]).status == 404
    assert world.call("GET", f"/payments/{live['id']}", key=theirs["test"]).status == 404
    assert world.call("GET", "/payments", key=key).json()["data"] == []


def test_a_payment_confirmed_after_the_cut_off_is_booked_in_the_next_day(
    world: World, key: str
) -> None:
    world.now = world.now.replace(hour=12, minute=55)  # 16:25 in Tehran
    payment = create(world, key, 250_107)
    world.pay(payment)
    today = world.until_closed()
    world.plan_settlement()
    world.deliver("SettleQueue")
    assert world.payment(payment["id"]).moved
    world.run(hours=1)
    found = world.payment(payment["id"])
    assert found.execution is not None
    assert found.execution.day == today + dt.timedelta(1)
    world.until_closed()
    world.settle()
    seals = world.seals(BOOK)
    assert [s.payout_minor for s in seals] == [0, 247_606]
    check_books(world)


def test_settling_again_pays_nobody_twice(world: World, key: str) -> None:
    paid(world, key)
    world.until_closed()
    for _ in range(3):
        world.settle()
    assert len(world.seals(BOOK)) == 1
    world.bank_runs()
    world.run()
    for _ in range(2):
        world.settle()
        world.bank_runs()
    assert [o["status"] for o in world.bank_paid().values()] == ["executed"]
    check_books(world)


def test_an_idle_merchant_costs_no_write(world: World, key: str) -> None:
    world.until_closed()
    with world.counted() as calls:
        world.settle()
    assert sum(c.write_units for c in calls) == 0
    assert world.seals(BOOK) == []


def test_banks_rest_on_friday(world: World, key: str) -> None:
    paid(world, key)
    friday = dt.date(2026, 5, 8)
    world.until_closed(friday)
    world.settle()
    assert world.seals(BOOK) == []
    world.until_closed(dt.date(2026, 5, 9))
    world.settle()
    assert world.seals(BOOK)[0].payout_minor == 247_500


def test_a_returned_payout_goes_back_to_the_balance(world: World, key: str) -> None:
    from payvand_cli.seed import iban

    world.add_merchant(payees=(world.payee(_ending(iban, "02")),))
    paid(world, key)
    world.until_closed()
    world.settle()
    world.bank_runs()
    world.run()
    (seal,) = world.seals(BOOK)
    assert seal.state == "executed"
    world.later(days=1)
    world.bank_runs()
    world.until_closed()
    world.settle()
    world.run()
    assert world.seals(BOOK)[0].state == "returned"
    assert balance(world, key)["balance"] == 247_500
    payout = world.call("GET", "/payouts", key=key).json()["data"][-1]
    assert payout["status"] == "returned"
    assert payout["failure_reason"]
    check_books(world)


def test_a_rejected_payout_goes_back_to_the_balance(world: World, key: str) -> None:
    from payvand_cli.seed import iban

    world.add_merchant(payees=(world.payee(_ending(iban, "01")),))
    paid(world, key)
    world.until_closed()
    world.settle()
    world.bank_runs()
    world.run()
    assert world.seals(BOOK)[0].state == "returned"
    assert balance(world, key)["balance"] == 247_500
    world.until_closed()
    world.settle()
    assert [s.payout_minor for s in world.seals(BOOK)] == [247_500, 247_500], "paid the next day"
    check_books(world)


def _ending(iban: Any, digits: str) -> str:
    """An account of the lab's bank that behaves by its last digits."""
    found: str = iban("01700000001234567890" + digits)
    return found


# ── refunds ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("channel", ["zarinpal", "noticebank"])
def test_refunds_in_part_and_whole(world: World, key: str, channel: str) -> None:
    payment = paid(world, key, channel=channel)
    assert refund(world, key, payment["id"], "k1", amount=100_000).json()["status"] == "done"
    assert show(world, key, payment["id"])["status"] == "partially_refunded"
    again = refund(world, key, payment["id"], "k1", amount=100_000)
    assert again.status == 201
    assert show(world, key, payment["id"])["refunded_amount"] == 100_000
    assert (
        refund(world, key, payment["id"], "k1", amount=5_000).json()["code"]
        == "idempotency_key_reused"
    )
    assert refund(world, key, payment["id"], "k2", amount=200_000).status == 409
    assert refund(world, key, payment["id"], "k3").json()["amount"] == 150_000
    assert show(world, key, payment["id"])["status"] == "refunded"
    assert refund(world, key, payment["id"], "k4").status == 409
    assert balance(world, key)["balance"] == -2_500, "the fee is kept"
    check_books(world)


@pytest.mark.parametrize("channel", ["zarinpal", "noticebank"])
@pytest.mark.parametrize(("amount", "first", "last"), [
    (100_201, "failed", "failed"),
    (100_202, "pending", "done"),
    (100_203, "pending", "done"),
    (100_204, "pending", "done"),
])  # fmt: skip
def test_refunds_by_the_channels_word(
    world: World, key: str, channel: str, amount: int, first: str, last: str
) -> None:
    payment = paid(world, key, channel=channel)
    made = refund(world, key, payment["id"], "k", amount=amount).json()
    assert made["status"] == first
    world.run(hours=3)
    (seen,) = world.call("GET", f"/payments/{payment['id']}/refunds", key=key).json()["data"]
    assert (seen["id"], seen["status"]) == (made["id"], last)
    kept = 0 if last == "failed" else amount
    assert balance(world, key)["balance"] == 247_500 - kept
    check_books(world)


def test_a_refund_after_the_payout_is_carried_as_a_debt(world: World, key: str) -> None:
    payment = paid(world, key)
    world.until_closed()
    world.settle()
    assert refund(world, key, payment["id"], "k").json()["status"] == "done"
    assert balance(world, key)["balance"] == -250_000
    world.until_closed()
    world.settle()
    seal = world.seals(BOOK)[-1]
    assert (seal.payout_minor, seal.closing_minor) == (0, -250_000)
    paid(world, key, 400_000)
    world.until_closed()
    world.settle()
    assert world.seals(BOOK)[-1].payout_minor == 396_000 - 250_000
    check_books(world)


def test_a_refund_that_lost_its_timer_is_met_by_settlement(world: World, key: str) -> None:
    """Its payment is sealed already: only the refund's own posting leads back to it."""
    payment = paid(world, key)
    world.until_closed()
    world.settle()
    made = refund(world, key, payment["id"], "k", amount=100_202).json()
    assert made["status"] == "pending"
    world.queues["RefundQueue"].clear()
    world.until_closed()
    world.settle()
    world.run(hours=3)
    (seen,) = world.call("GET", f"/payments/{payment['id']}/refunds", key=key).json()["data"]
    assert seen["status"] == "done"
    check_books(world)


def test_a_clock_that_jumps_does_not_ask_for_a_refund_twice(
    world: World, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the channel is asked, the lab's clock is moved and the refund's timer wakes."""
    payment, asked, answer = paid(world, key), [], world.lab_call

    def slow(method: str, url: str, body: bytes = b"", headers: Any = None) -> Any:
        if b"AddRefund" in body:
            asked.append(body)
        if len(asked) == 1:
            asked.append(b"")
            answer("POST", f"{BASE}/lab/clock", b'{"advance_s": 960}')
            for message in world.queues["RefundQueue"]:
                message.visible_at = world.now  # a laptop's timers look every two seconds
            world.deliver("RefundQueue")
        return answer(method, url, body, headers)

    monkeypatch.setattr(world, "lab_call", slow)
    refund(world, key, payment["id"], "k", amount=200_000)
    assert len([body for body in asked if body]) == 1
    world.run(hours=1)
    (seen,) = world.call("GET", f"/payments/{payment['id']}/refunds", key=key).json()["data"]
    assert seen["status"] == "done"
    check_books(world)


def test_a_clock_that_jumps_often_does_not_put_a_refund_off(world: World, key: str) -> None:
    """Timers that woke too soon after the last question ask as soon as one may again."""
    payment = paid(world, key)
    assert refund(world, key, payment["id"], "k", amount=100_202).json()["status"] == "pending"
    for _ in range(4):
        world.lab_call("POST", f"{BASE}/lab/clock", b'{"advance_s": 960}')
        for message in world.queues["RefundQueue"]:
            message.visible_at = world.now
        world.deliver("RefundQueue")
    world.later(seconds=APART_S + 1)
    world.deliver("RefundQueue")
    (seen,) = world.call("GET", f"/payments/{payment['id']}/refunds", key=key).json()["data"]
    assert seen["status"] == "done"


def test_what_is_not_executed_cannot_be_refunded(world: World, key: str) -> None:
    payment = create(world, key)
    got = refund(world, key, payment["id"])
    assert (got.status, got.json()["code"]) == (409, "not_refundable")


def test_a_refund_after_a_new_fence_is_booked_in_the_first_open_day(world: World, key: str) -> None:
    """The clock of this refund stands before the cut-off; the fence says the day is closing."""
    payment = paid(world, key)
    today = world.payment(payment["id"]).id.day
    world.books[1].fence(BOOK, today)
    assert refund(world, key, payment["id"], "k").json()["status"] == "done"
    (item,) = [i for i in world.items("PaymentsTable") if i["id"].startswith("f:")]
    assert item["pk"].split("#")[1] == (today + dt.timedelta(1)).isoformat()


# ── balance at any date, history, lists ───────────────────────────────────────────────────────


def test_balance_at_any_moment(world: World, key: str) -> None:
    moments = [world.now.isoformat()]
    expected = [0]
    for day in range(4):
        world.later(hours=1)
        payment = paid(world, key, 300_000 + 10 * day, reference=f"d{day}")
        moments.append(world.now.isoformat())
        expected.append(expected[-1] + 297_000 + 10 * day)
        if day == 1:
            world.later(minutes=1)
            refund(world, key, payment["id"], "k", amount=50_000)
            moments.append(world.now.isoformat())
            expected.append(expected[-1] - 50_000)
        world.until_closed()
        world.later(seconds=1)
        world.settle()
        world.later(minutes=1)
        moments.append(world.now.isoformat())
        expected.append(0)
    seen = [balance(world, key, at)["balance"] for at in moments]
    assert seen == expected
    for at in moments:
        assert sum(balance(world, key, at)["accounts"].values()) == 0


def test_the_list_pages_newest_first_through_days(world: World, key: str) -> None:
    ids = []
    for n in range(7):
        world.later(hours=9)
        ids.append(create(world, key, 250_000 + n)["id"])
    seen: list[str] = []
    cursor = ""
    while True:
        page = world.call("GET", f"/payments?limit=2{cursor}", key=key).json()
        seen += [p["id"] for p in page["data"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert seen == ids[::-1]
    one = world.call("GET", "/payments?reference=order-250003", key=key).json()["data"]
    assert [p["id"] for p in one] == [ids[3]]
    assert world.call("GET", "/payments?status=executed", key=key).json()["data"] == []


def test_the_history_of_a_payment(world: World, key: str) -> None:
    payment = paid(world, key)
    world.later(minutes=1)
    refund(world, key, payment["id"], "k", amount=20_000)
    rows = world.call("GET", f"/payments/{payment['id']}/events", key=key).json()["data"]
    expected = ["created", "redirected", "executed", "refund_requested", "refunded"]
    assert [r["event"] for r in rows] == expected


def test_the_journal_pages_and_sums_to_the_balance(world: World, key: str) -> None:
    for n in range(5):
        paid(world, key, 250_000 + 10 * n)
    world.until_closed()
    world.settle()
    cursor, entries = "", []
    while True:
        page = world.call("GET", f"/ledger/entries?limit=2{cursor}", key=key).json()
        entries += page["data"]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert [e["kind"] for e in entries] == ["payment"] * 5 + ["payout"]
    assert sum(e["legs"].get("payable:merchant", 0) for e in entries) == 0
    payout = world.call("GET", "/payouts", key=key).json()["data"][0]
    inside = world.call("GET", f"/payouts/{payout['id']}/entries", key=key).json()["data"]
    assert {e["id"] for e in inside} == {e["id"] for e in entries if e["kind"] == "payment"}
