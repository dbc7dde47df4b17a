"""What a channel reports beside what the books hold, over the real worker."""

import datetime as dt
import json
from collections import Counter
from typing import Any

import pytest

from payvand import calendar, ledger
from payvand.bank import paya
from payvand.errors import Overtaken
from payvand.payment import RefundState
from payvand.reconcile import item_id
from payvand.settlement import Seal
from payvand.store.reconciliations import Reconciliations, Scope
from payvand.store.tasks import Tasks
from payvand_cli.seed import iban
from tests.bank.euros import iban as euro_iban
from tests.support.merchant import paid
from tests.support.payout_files import DEBTOR, close, earn, know_banks, last, shop, tick
from tests.support.reports import (
    BOOK,
    CONTRACTS,
    HOUSE_BOOK,
    ZIBAL,
    balanced,
    decided,
    given_back,
    house,
    item_of,
    leave,
    report,
    run_items,
    runs,
    taken,
    tasks,
    tell,
    transaction,
    wake,
    work,
)
from tests.support.world import IBAN, START, World

TODAY = START.date()
BAD_ACCOUNT = iban("0170000000123456789001")
DAY = dt.timedelta(1)


@pytest.fixture
def key(world: World) -> str:
    return world.add_merchant(contracts=CONTRACTS)["test"]


@pytest.fixture
def began(world: World, key: str) -> None:
    """The channel reports since the day before yesterday."""
    tell(world, "began", report(transaction(1_000, 1, TODAY - 2 * DAY)))
    (task,) = tasks(world).values()
    world.live.tasks.close("test", task.id, "before our time", 1)


# ── each state ────────────────────────────────────────────────────────────────────────────────────
def test_a_payment_that_is_reported_is_matched_and_its_fee_booked_once(
    world: World, key: str
) -> None:
    payment = taken(world, 250_000, 77)
    tell(world, "a", report(transaction(250_000, 77, TODAY, wage=900)))
    assert decided(world) == {item_of(payment): ["77"]}
    assert house(world) == {"expense:channel": 900, "receivable:zibal": -900}
    assert tasks(world) == {}
    balanced(world)


def test_a_refund_is_matched_by_its_own_id_or_by_its_payment(world: World, key: str) -> None:
    one, two = taken(world, 250_000, 77), taken(world, 300_000, 78)
    given_back(world, one, 100_000, 501)
    given_back(world, two, 50_000, 0)  # the channel told us another number than it reports
    back = {"status": 2, "createdAt": f"{TODAY}T13:00:00"}
    tell(
        world,
        "a",
        report(
            transaction(250_000, 77, TODAY),
            transaction(300_000, 78, TODAY),
            {"refundId": 501, "amount": 100_000, "transactionDetail": {"trackId": 77}, **back},
            {"refundId": 502, "amount": 50_000, "transactionDetail": {"trackId": 78}, **back},
        ),
    )
    assert len(decided(world)) == 4
    assert house(world) == {}
    assert tasks(world) == {}
    balanced(world)


@pytest.mark.usefixtures("began")
def test_a_payment_that_is_not_reported_is_waited_for_then_missed_then_found(world: World) -> None:
    payment = taken(world, 250_000, 77)
    wake(world)
    assert tasks(world) == {}
    world.later(days=3)
    world.put_message("ReconcileQueue", '{"tick":true}', 0)
    work(world)
    task = tasks(world)["reconcile_missing_after_sla"]
    assert task.subject == item_of(payment)
    assert task.facts == {
        "source": "zibal:main",
        "run": len(runs(world)),
        "code": "not_by_due_date",
        "expected_minor": 250_000,
        "found_minor": 0,
        "currency": "IRR",
        "book": BOOK.key,
    }
    tell(world, "late", report(transaction(250_000, 77, TODAY, wage=5)))
    assert tasks(world) == {}
    closed = world.live.tasks.closed("test", task.id)
    assert closed is not None and closed.note == "matched"
    assert house(world) == {"expense:channel": 5, "receivable:zibal": -5}
    balanced(world)


@pytest.mark.usefixtures("began")
def test_nothing_is_late_before_its_time_whatever_day_is_asked_for(world: World) -> None:
    taken(world, 250_000, 77)
    asked = {"run": ZIBAL.source, "mode": "test", "through": "2030-01-01"}
    world.put_message("ReconcileQueue", json.dumps(asked), 0)
    work(world)
    assert tasks(world) == {}
    assert runs(world)[-1].through == TODAY


@pytest.mark.parametrize(
    ("amount", "state", "code"),
    [(240_000, "under", "less_than_expected"), (260_000, "over", "more_than_expected")],
)
def test_another_amount_books_nothing_and_asks_a_person(
    world: World, key: str, amount: int, state: str, code: str
) -> None:
    payment = taken(world, 250_000, 77)
    tell(world, "a", report(transaction(amount, 77, TODAY)))
    task = tasks(world)[f"reconcile_{state}"]
    assert (task.subject, task.facts["code"]) == (item_of(payment), code)
    assert (task.facts["expected_minor"], task.facts["found_minor"]) == (250_000, amount)
    assert decided(world) == {}
    assert house(world) == {}
    balanced(world)


def test_what_was_before_the_first_file_is_not_missed_but_matched_if_it_is_told_of(
    world: World, key: str
) -> None:
    taken(world, 250_000, 77)
    told = taken(world, 300_000, 78)
    world.later(days=1)
    tell(world, "a", report(transaction(300_000, 78, TODAY + DAY)))
    world.later(days=4)
    wake(world)
    assert tasks(world) == {}
    assert list(decided(world)) == [item_of(told)]


def test_money_nobody_expects_asks_a_person(world: World, key: str) -> None:
    tell(world, "a", report(transaction(250_000, 99, TODAY)))
    task = tasks(world)["reconcile_unknown"]
    assert task.facts["code"] == "nobody_expects_it"
    assert house(world) == {}


def test_an_id_that_says_two_things_asks_a_person_and_keeps_the_first(
    world: World, key: str
) -> None:
    payment = taken(world, 250_000, 77)
    tell(world, "a", report(transaction(250_000, 77, TODAY)))
    tell(world, "b", report(transaction(260_000, 77, TODAY)))
    assert decided(world) == {item_of(payment): ["77"]}
    assert tasks(world)["reconcile_duplicate"].facts["code"] == "id_used_again"


def test_a_refund_the_channel_refused_is_not_waited_for(
    world: World, key: str, began: None
) -> None:
    payment = taken(world, 250_000, 77)
    given_back(world, payment, 100_000, 501, state=RefundState.FAILED)
    tell(world, "a", report(transaction(250_000, 77, TODAY)))
    world.later(days=3)
    wake(world)
    assert tasks(world) == {}
    assert list(decided(world)) == [item_of(payment)]


# ── files ─────────────────────────────────────────────────────────────────────────────────────────
def test_a_file_twice_and_its_content_in_another_file_change_nothing(
    world: World, key: str
) -> None:
    taken(world, 250_000, 77)
    content = report(transaction(250_000, 77, TODAY, wage=900))
    tell(world, "a", content)
    before = runs(world)
    tell(world, "a", content)
    tell(world, "b", content)
    tell(world, "c", report(transaction(250_000, 77, TODAY, wage=900), transaction(1, 5, TODAY)))
    assert runs(world)[: len(before)] == before
    assert house(world) == {"expense:channel": 900, "receivable:zibal": -900}
    assert len(decided(world)) == 1
    balanced(world)


def test_a_month_read_again_long_after_brings_nothing_back(world: World, key: str) -> None:
    """Not even what a month's file knows better than a day's, like a fee."""
    taken(world, 250_000, 77)
    taken(world, 300_000, 78)
    first = transaction(250_000, 77, TODAY, wage=900), transaction(300_000, 78, TODAY)
    tell(world, "a", report(*first))
    for _ in range(40):
        world.later(days=1)
        wake(world)
    better = transaction(300_000, 78, TODAY, wage=50)
    tell(world, "month", report(first[0], better, transaction(7, 5, TODAY)))
    assert [task.facts["found_minor"] for task in tasks(world).values()] == [7]
    assert house(world) == {"expense:channel": 900, "receivable:zibal": -900}
    assert len(decided(world)) == 2


@pytest.mark.usefixtures("began")
def test_what_is_open_outlives_the_window(world: World) -> None:
    """A payment missed and money unknown for two months: still there, and they find each other."""
    payment = taken(world, 250_000, 77)
    tell(world, "stray", report(transaction(250_000, 99, TODAY)))
    for _ in range(60):
        world.later(days=1)
        wake(world)
    assert set(tasks(world)) == {"reconcile_missing_after_sla", "reconcile_unknown"}
    tell(world, "late", report(transaction(250_000, 77, TODAY)))
    assert set(tasks(world)) == {"reconcile_unknown"}
    assert list(decided(world)) == [item_of(payment)]
    balanced(world)


@pytest.mark.usefixtures("began")
def test_a_source_nobody_woke_for_weeks_misses_no_day(world: World) -> None:
    payments = []
    for n in range(30):
        payments.append(taken(world, 250_000 + n, 100 + n))
        world.later(days=1)
    wake(world)
    missing = {i["item"] for i in run_items(world) if i["state"] == "missing_after_sla"}
    assert missing == {item_of(payment) for payment in payments[:-1]}, "yesterday's is not late"


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff\xfe\x00", b"[" * 100_000, b'{"result": 3}', b"PK\x03\x04"]
)
def test_a_broken_file_is_a_task_and_a_count_and_loses_nothing(
    world: World, key: str, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    payment = taken(world, 250_000, 77)
    tell(world, "bad", content)
    task = tasks(world)["report_unreadable"]
    assert task.subject == "bank/in/reports/bad"
    assert world.raw["s3"].get_object(Bucket="filesbucket", Key=task.subject)["Body"].read() == (
        content
    )
    assert '"ReportsUnreadable":1.0' in capsys.readouterr().out
    assert not world.dead["ReconcileDeadQueue"]
    tell(world, "good", report(transaction(250_000, 77, TODAY)))
    assert list(decided(world)) == [item_of(payment)]


def test_a_line_that_cannot_be_read_is_a_task_and_the_others_count(world: World, key: str) -> None:
    payment = taken(world, 250_000, 77)
    bad = transaction(5, 6, TODAY) | {"amount": "۱٫۵"}
    tell(world, "a", report(transaction(250_000, 77, TODAY), bad))
    assert tasks(world)["report_incomplete"].facts["line"] == 2
    assert list(decided(world)) == [item_of(payment)]


def test_a_file_that_is_too_large_is_not_read(
    world: World, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("functions.reconcile.read.SIZE_MAX_BYTES", 10)
    tell(world, "a", report(transaction(250_000, 77, TODAY)))
    assert "more than 10 bytes" in str(tasks(world)["report_unreadable"].facts["why"])


# ── runs ──────────────────────────────────────────────────────────────────────────────────────────
def test_a_day_that_is_closing_gives_way_to_the_next(world: World, key: str) -> None:
    world.live.merchants.open_house(TODAY - DAY)
    world.books[1].fence(HOUSE_BOOK, TODAY + DAY)
    taken(world, 250_000, 77)
    tell(world, "a", report(transaction(250_000, 77, TODAY, wage=900)))
    (line,) = [i for i in world.items("PaymentsTable") if i["id"].startswith("m:")]
    assert line["pk"] == f"{HOUSE_BOOK.key}#{TODAY + 2 * DAY}#0"
    balanced(world)


def test_the_house_is_sealed_like_any_merchant_and_is_paid_nothing(world: World, key: str) -> None:
    taken(world, 250_000, 77)
    tell(world, "a", report(transaction(250_000, 77, TODAY, wage=900)))
    world.until_closed()
    world.settle()
    (seal,) = world.seals(HOUSE_BOOK)
    assert seal.sums == {"expense:channel": 900, "receivable:zibal": -900}
    assert (seal.payout_minor, seal.closing_minor, seal.parts) == (0, 0, ())
    assert [line.kind for line in world.lines(seal).lines] == ["correction"]
    balanced(world)


def test_sealed_days_are_expected_as_open_ones_are(world: World, key: str, began: None) -> None:
    payment = taken(world, 250_000, 77)
    world.until_closed()
    world.settle()
    world.later(days=1)
    tell(world, "a", report(transaction(250_000, 77, TODAY)))
    assert list(decided(world)) == [item_of(payment)]


def test_a_payment_of_another_contract_is_not_this_accounts(world: World, key: str) -> None:
    other = Scope("test", "zibal:other")
    tell(world, "began", report(transaction(1, 1, TODAY - 2 * DAY)), other)
    taken(world, 250_000, 77)
    world.later(days=3)
    wake(world, other)
    assert [task.kind for task in tasks(world).values()] == ["reconcile_unknown"]


# ── people ────────────────────────────────────────────────────────────────────────────────────────
def word(**changes: Any) -> dict[str, Any]:
    """What an operator writes down."""
    fields = {"entries": [], "found": 0, "currency": "IRR", "by": "operator", "reason": "why"}
    return fields | {"legs": None, "book": None} | changes


def test_a_person_ends_an_item_and_books_what_came_of_it(world: World, key: str) -> None:
    taken(world, 250_000, 77)
    tell(world, "a", report(transaction(240_000, 77, TODAY)))
    task = tasks(world)["reconcile_under"]
    legs = {"suspense": -10_000, "receivable:zibal": -10_000, "expense:channel": 20_000}
    said = word(entries=["77"], found=240_000, legs=legs, reason="the channel keeps more")
    world.live.reconciliations.say(ZIBAL, task.subject, said)
    wake(world)
    wake(world)
    assert tasks(world) == {}
    closed = world.live.tasks.closed("test", task.id)
    assert closed is not None and closed.note == "ended by operator: the channel keeps more"
    assert house(world) == legs
    assert decided(world) == {task.subject: ["77"]}
    balanced(world)


@pytest.mark.usefixtures("key")
def test_one_run_books_what_matched_and_two_words_in_the_same_book(world: World) -> None:
    """Their day is asked for once; a day that is closing moves all of them together."""
    tell(world, "a", report(transaction(5, 98, TODAY), transaction(7, 99, TODAY)))
    for row in run_items(world):
        legs = {"suspense": row["found"], "expense:channel": -row["found"]}
        said = word(entries=row["entries"], found=row["found"], legs=legs)
        world.live.reconciliations.say(ZIBAL, row["item"], said)
    taken(world, 250_000, 77)
    with world.unwatched():
        world.books[1].fence(HOUSE_BOOK, calendar.label(world.now, "IRR"))
    tell(world, "b", report(transaction(250_000, 77, TODAY, wage=900)))
    assert tasks(world) == {}
    assert house(world) == {"suspense": 12, "expense:channel": 888, "receivable:zibal": -900}
    lines = [item for item in world.items("PaymentsTable") if item["id"].startswith("m:")]
    assert len(lines) == 3
    assert len({line["pk"] for line in lines}) == 1
    balanced(world)


def test_a_correction_that_touches_a_merchant_is_in_the_merchants_book(
    world: World, key: str
) -> None:
    taken(world, 250_000, 77)
    tell(world, "a", report(transaction(240_000, 77, TODAY)))
    task = tasks(world)["reconcile_under"]
    legs = {"payable:merchant": 10_000, "receivable:zibal": -10_000}
    said = word(entries=["77"], found=240_000, legs=legs, book=BOOK.key)
    world.live.reconciliations.say(ZIBAL, task.subject, said)
    wake(world)
    (line,) = [i for i in world.items("PaymentsTable") if i["id"].startswith("m:")]
    assert line["pk"].startswith(BOOK.key)
    assert line["id"] == f"m:{task.subject}"
    world.until_closed()
    world.settle()
    (seal,) = world.seals(BOOK)
    assert seal.payout_minor == 247_500 - 10_000
    balanced(world)
    entries = world.call("GET", "/ledger/entries", key=key).json()["data"]
    (shown,) = [entry for entry in entries if entry["kind"] == "correction"]
    assert (shown["subject"], shown["legs"]) == (task.subject, legs)


@pytest.mark.usefixtures("began")
def test_a_person_joins_money_nobody_expected_to_what_was_missing(world: World) -> None:
    payment = taken(world, 250_000, 77)
    tell(world, "a", report(transaction(250_000, 99, TODAY)))
    world.later(days=3)
    wake(world)
    assert set(tasks(world)) == {"reconcile_missing_after_sla", "reconcile_unknown"}
    said = word(entries=["99"], found=250_000)
    world.live.reconciliations.say(ZIBAL, item_of(payment), said)
    wake(world)
    assert tasks(world) == {}
    assert decided(world)[item_of(payment)] == ["99"]


@pytest.mark.parametrize(
    "said",
    [
        word(legs={"suspense": 1}),
        word(legs={"suspense": 1, "bank:payout": 1}),
        word(legs={"suspense": 1, "made:up": -1}),
        word(legs={"payable:merchant": 1, "suspense": -1}),
        word(legs={"suspense": 1, "bank:payout": -1}, currency="USD"),
        {"nonsense": 1},
    ],
)
def test_a_word_that_no_journal_can_follow_is_refused_and_stops_nothing(
    world: World, key: str, said: dict[str, Any]
) -> None:
    payment = taken(world, 250_000, 77)
    world.live.reconciliations.say(ZIBAL, "rec_0000000000000000", said)
    tell(world, "a", report(transaction(250_000, 77, TODAY)))
    assert set(tasks(world)) == {"decision_refused"}
    assert list(decided(world)) == [item_of(payment)]
    balanced(world)


def test_a_word_on_what_is_decided_or_on_an_entry_that_is_used_is_refused(
    world: World, key: str
) -> None:
    payment = taken(world, 250_000, 77)
    content = report(transaction(250_000, 77, TODAY), transaction(5, 5, TODAY))
    tell(world, "a", content)
    unknown = tasks(world)["reconcile_unknown"].subject
    world.live.reconciliations.say(ZIBAL, item_of(payment), word())
    world.live.reconciliations.say(ZIBAL, unknown, word(entries=["77"]))
    wake(world)
    with world.unwatched():
        refused = [t for t in world.live.tasks.waiting("test") if t.kind == "decision_refused"]
    assert {task.subject for task in refused} == {item_of(payment), unknown}
    assert decided(world) == {item_of(payment): ["77"]}


def test_a_word_that_was_refused_may_be_said_anew(world: World, key: str) -> None:
    tell(world, "a", report(transaction(5, 99, TODAY)))
    unknown = tasks(world)["reconcile_unknown"].subject
    world.live.reconciliations.say(ZIBAL, unknown, word(entries=["99"], legs={"suspense": 1}))
    wake(world)
    assert decided(world) == {}
    world.live.reconciliations.say(ZIBAL, unknown, word(entries=["99"]))
    wake(world)
    assert decided(world) == {unknown: ["99"]}
    with pytest.raises(Overtaken):
        world.live.reconciliations.say(ZIBAL, unknown, word(entries=["99"]))


# ── two runs at once ──────────────────────────────────────────────────────────────────────────────
def test_two_runs_at_once_book_once(
    world: World, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second begins and ends while the first is about to put its run."""
    taken(world, 250_000, 77)
    leave(world, "a", report(transaction(250_000, 77, TODAY, wage=900)))
    put = Reconciliations.put
    inside: list[bool] = []

    def late(self: Reconciliations, *args: Any) -> None:
        if not inside:
            inside.append(True)
            world.invoke("Reconcile", message({"run": ZIBAL.source, "mode": "test"}))
        put(self, *args)

    monkeypatch.setattr(Reconciliations, "put", late)
    work(world)
    assert inside
    assert len(decided(world)) == 1
    assert house(world) == {"expense:channel": 900, "receivable:zibal": -900}
    balanced(world)


def test_a_run_that_stands_still_closes_no_task_a_later_one_opened(
    world: World, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A task closed is closed for good, so nobody would ever be asked."""
    waiting = Tasks.waiting
    inside: list[bool] = []

    def late(self: Tasks, *args: Any) -> Any:
        if not inside:
            inside.append(True)
            leave(world, "b", report(transaction(7, 99, TODAY)))
            work(world)
        return waiting(self, *args)

    taken(world, 250_000, 77)
    leave(world, "a", report(transaction(250_000, 77, TODAY)))
    world.deliver("ReconcileQueue")
    with monkeypatch.context() as patch:
        patch.setattr(Tasks, "waiting", late)
        world.deliver("ReconcileQueue")
    assert inside
    assert len(runs(world)) == 2
    task = tasks(world)["reconcile_unknown"]
    assert task.facts["run"] == 2


def message(body: dict[str, Any]) -> dict[str, Any]:
    return {"Records": [{"messageId": "1", "receiptHandle": "1", "body": json.dumps(body)}]}


# ── banks ─────────────────────────────────────────────────────────────────────────────────────────
RIAL = Scope("test", "statement:IRR")


def table(*rows: tuple[Any, ...]) -> bytes:
    """A statement kept by hand."""
    lines = ["id,date,amount,currency,reference", *(",".join(map(str, row)) for row in rows)]
    return "\n".join(lines).encode()


def sent_out(world: World, **changes: Any) -> Seal:
    """A payout that has left for the bank today."""
    key = world.add_merchant(**changes)["test"]
    paid(world, key)
    world.until_closed()
    world.settle()
    world.deliver("PayoutQueue")
    (seal,) = world.seals(BOOK)
    return seal


def begun_at_bank(world: World) -> None:
    tell(world, "began", table((0, TODAY - 2 * DAY, -1, "IRR", "x")), RIAL)
    (task,) = tasks(world).values()
    world.live.tasks.close("test", task.id, "before our time", 1)


def test_a_payout_on_the_statement_is_matched_and_books_nothing(world: World) -> None:
    seal = sent_out(world)
    tell(world, "a", table((1, TODAY, -247_500, "IRR", seal.payout_id)), RIAL)
    assert len(decided(world, RIAL)) == 1
    assert tasks(world) == {}
    assert house(world) == {}


def test_a_payout_in_another_currency_or_split_otherwise_asks_a_person(world: World) -> None:
    payees = (world.payee(IBAN), world.payee(IBAN, basis_points=2_000))
    seal = sent_out(world, payees=payees)
    first, second = (seal.transfer(n) for n in (0, 1))
    assert [part.amount_minor for part in seal.parts] == [198_000, 49_500]
    wrong = table((1, TODAY, -197_000, "IRR", first), (2, TODAY, -50_500, "IRR", second))
    tell(world, "a", wrong, RIAL)
    assert tasks(world)["reconcile_wrong_split"].facts["found_minor"] == -247_500
    assert decided(world, RIAL) == {}


def test_another_currency_under_our_reference_asks_a_person(world: World) -> None:
    seal = sent_out(world)
    tell(world, "a", table((1, TODAY, "-24.75", "EUR", seal.payout_id)), RIAL)
    assert tasks(world)["reconcile_wrong_currency"].facts["found_minor"] == -2_475
    assert house(world) == {}


def test_a_payout_executed_twice_asks_a_person(world: World) -> None:
    seal = sent_out(world)
    tell(world, "a", table((1, TODAY, -247_500, "IRR", seal.payout_id)), RIAL)
    tell(world, "b", table((2, TODAY, -247_500, "IRR", seal.payout_id)), RIAL)
    assert tasks(world)["reconcile_duplicate"].facts["code"] == "same_amount_again"


def test_a_payout_that_never_shows_is_missed(world: World) -> None:
    begun_at_bank(world)
    seal = sent_out(world)
    world.later(days=8)
    wake(world, RIAL)
    assert tasks(world)["reconcile_missing_after_sla"].subject == item_id(
        RIAL.source, str(seal.payout_id)
    )


@pytest.mark.parametrize("shown", [True, False])
def test_a_payout_refused_by_the_bank_is_not_waited_for(world: World, shown: bool) -> None:  # noqa: FBT001
    """Whether it left and came back or never left, nothing is missing."""
    begun_at_bank(world)
    seal = sent_out(world, payees=(world.payee(BAD_ACCOUNT),))
    world.bank_runs()
    world.run(hours=3)
    assert world.seals(BOOK)[0].state == "returned"
    world.later(days=1)
    on, name = TODAY + DAY, seal.payout_id
    if shown:
        both = table((1, on, -247_500, "IRR", name), (2, on, 247_500, "IRR", name))
        tell(world, "both", both, RIAL)
    world.later(days=7)
    wake(world, RIAL)
    assert set(tasks(world)) == {"payout_returned"}
    assert len(decided(world, RIAL)) == 1


def test_a_payout_that_was_seen_leaving_before_the_bank_refused_it_comes_back(
    world: World,
) -> None:
    """Out in one statement and back in a later one: two items that agree."""
    seal = sent_out(world, payees=(world.payee(BAD_ACCOUNT),))
    tell(world, "out", table((1, TODAY, -247_500, "IRR", seal.payout_id)), RIAL)
    assert len(decided(world, RIAL)) == 1
    world.bank_runs()
    world.run(hours=3)
    assert world.seals(BOOK)[0].state == "returned"
    world.later(days=1)
    tell(world, "back", table((2, TODAY + DAY, 247_500, "IRR", seal.payout_id)), RIAL)
    assert set(tasks(world)) == {"payout_returned"}
    assert set(decided(world, RIAL)) == {
        item_id(RIAL.source, str(seal.payout_id)),
        item_id(RIAL.source, f"{seal.payout_id}/back"),
    }


def test_what_a_channel_announces_is_known_at_the_bank_by_its_reference(
    world: World, key: str
) -> None:
    taken(world, 250_000, 77)
    settled = {
        "refNumber": "777", "amount": 249_100, "status": 0, "settlementDate": f"{TODAY}T20:00:00",
    }  # fmt: skip
    tell(world, "a", report(transaction(250_000, 77, TODAY, wage=900), settled))
    tell(world, "bank", table((1, TODAY, 249_100, "IRR", 777)), RIAL)
    world.later(days=1)
    wake(world, RIAL)
    assert len(decided(world, RIAL)) == 1
    assert house(world) == {
        "expense:channel": 900, "receivable:zibal": -250_000, "bank:payout": 249_100,
    }  # fmt: skip
    everything = [i["legs"] for i in world.items("PaymentsTable") if "legs" in i]
    assert ledger.total(everything)["receivable:zibal"] == 0, "the channel owes nothing"
    balanced(world)


def test_euro_payouts_are_found_on_the_banks_own_statement(world: World) -> None:
    """Paid, refused and sent back: read from camt.053, which the worker of answers hands on."""
    know_banks(world, DEBTOR)
    endings = ("10", "01", "02")
    good, refused, back = (shop(world, n, euro_iban(end)) for n, end in enumerate(endings))
    for n, book in enumerate((good, refused, back)):
        earn(world, book, 1_000 + n)
    close(world, good, refused, back)
    tick(world, 3)
    for _ in range(24):
        world.later(hours=6)
        world.lab_call("POST", "/lab/sepabank/run")
        tick(world)
    kinds = {task.kind: task for task in world.live.tasks.waiting("test")}
    assert set(kinds) == {"payout_returned", "reconcile_unknown"}
    facts = kinds["reconcile_unknown"].facts
    assert (facts["code"], facts["found_minor"]) == ("own_charge", -10)
    found = decided(world, Scope("test", "camt.053"))
    sent_back = last(world, back).transfer(0)
    assert item_id("camt.053", last(world, good).payout_id.text) in found
    assert item_id("camt.053", last(world, back).payout_id.text) in found
    assert item_id("camt.053", f"{sent_back}/back") in found
    balanced(world)


def test_a_run_writes_as_little_for_a_hundred_payments_as_for_one(world: World, key: str) -> None:
    counts, units = [], []
    for many in (1, 100):
        tracks = range(1_000 * many, 1_000 * many + many)
        told = [transaction(taken(world, 5_000, n).amount_minor, n, TODAY, wage=1) for n in tracks]
        leave(world, f"report-{many}", report(*told))
        world.deliver("ReconcileQueue")
        with world.counted() as calls:
            world.deliver("ReconcileQueue")
        counts.append(Counter(call.name for call in calls))
        units.append(sum(call.write_units for call in calls))
    assert len(decided(world)) == 101
    assert units == [6 + 1, 6], "the first one begins the house's book, too"
    assert [count["dynamodb.TransactWriteItems"] for count in counts] == [1, 1]
    assert counts[1].total() <= 25


# ── Paya ──────────────────────────────────────────────────────────────────────────────────────────
PAYA = Scope("test", "paya:zibal")
ACCEPTOR, IIN = "000000000012345", "581672999"


def credits_of(day: dt.date, *cycles: int) -> bytes:
    """The switch's file: what an acceptor's day came to in each cycle."""
    head = paya.Cycle(
        "MELI", "017", dt.datetime.combine(day, dt.time(15)), day, 1, 1, IBAN, "x", IBAN
    )
    return paya.write(
        head,
        [
            paya.Credit(paya.instruction(day, n, IIN, ACCEPTOR), amount, "shop", "0012345678")
            for n, amount in enumerate(cycles, 1)
        ],
    )


def test_an_acceptors_day_is_decided_when_it_is_over(world: World) -> None:
    """Two cycles pay one day: the first one matches what there is, and more is taken after it."""
    world.add_merchant(contracts=CONTRACTS, acceptor=ACCEPTOR, iin=IIN)
    first = taken(world, 250_000, 77)
    tell(world, "one", credits_of(TODAY, 250_000), PAYA)
    assert decided(world, PAYA) == {}
    assert tasks(world) == {}
    taken(world, 50_000, 78)
    given_back(world, first, 20_000, 501)
    tell(world, "both", credits_of(TODAY, 250_000, 30_000), PAYA)
    assert decided(world, PAYA) == {}
    world.later(days=1)
    wake(world, PAYA)
    (entries,) = decided(world, PAYA).values()
    assert len(entries) == 2
    assert house(world) == {"bank:payout": 280_000, "receivable:zibal": -280_000}
    assert tasks(world) == {}
    balanced(world)
