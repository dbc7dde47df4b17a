"""Every condition on a money write, taken out once: a scenario must notice.

`SCENARIOS` names, for each guard, the smallest history that needs it. Each runs as it is (and
holds), and with that one guard taken out (and breaks).
"""

import ast
import dataclasses
import datetime as dt
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

import payvand.store
from payvand import ledger
from payvand.errors import Overtaken
from payvand.fee import FeePlan
from payvand.ids import Book, PaymentId
from payvand.merchant import HOUSE
from payvand.payment import (
    REFUNDS_MAX,
    AttemptRecord,
    Execution,
    Failure,
    Payment,
    Refund,
    RefundState,
    Status,
    execution,
)
from payvand.settlement import Lines, PayoutState, Terms, seal, with_state
from payvand.store.guards import GUARDS
from payvand.store.merchants import Merchants
from payvand.store.payout_files import FileState
from payvand.store.reconciliations import Posting, Run
from payvand.store.tasks import Task
from tests.support.merchant import create, paid
from tests.support.payout_files import EURO, close, earn, last, shop
from tests.support.reports import ZIBAL
from tests.support.world import MERCHANT, World, check_books, running_world

BOOK = Book(MERCHANT, "test", "IRR")
DAY = dt.timedelta(1)
REFERRER = "mer_00000A"
ALWAYS = "attribute_not_exists(#nothing)"
"""A condition that no item fails."""


@pytest.fixture
def world() -> Iterator[World]:
    with running_world() as made:
        made.key = made.add_merchant()["test"]  # type: ignore[attr-defined]
        yield made


def refused(write: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
    """The database must say no."""
    try:
        write(*args, **kwargs)
    except Overtaken:
        return
    raise AssertionError(f"{write.__name__} was let through")


def opened(world: World, channels: int = 1) -> Payment:
    """A payment whose payer stands at the bank."""
    made = create(world, world.key, channel="zarinpal")  # type: ignore[attr-defined]
    payment = world.payment(made["id"])
    for n in range(1, channels):
        world.books[0].add_attempt(payment, AttemptRecord("noticebank", f"nb_{n}", 1))
        payment = world.payment(made["id"])
    return payment


def executed(world: World) -> Payment:
    """A payment with its money booked."""
    made = paid(world, world.key, channel="zarinpal")  # type: ignore[attr-defined]
    return world.payment(made["id"])


def taking(payment: Payment, attempt: int = 0, reference: str = "1", later: int = 0) -> Execution:
    day = payment.id.day + later * DAY
    return execution(payment, attempt, reference, None, at_ms=1, day=day)


def giving(payment: Payment, key: str = "k", amount: int = 1_000, later: int = 0) -> Refund:
    day = payment.id.day + later * DAY
    return Refund(key, f"rfd_{key}", amount, day, 1, RefundState.PENDING)


def begin(world: World, payment: Payment, refund: Refund) -> None:
    world.books[0].begin_refund(payment, refund, ledger.refunded("zarinpal", refund.amount_minor))


def undo(world: World, payment: Payment, refund: Refund, later: int = 0) -> None:
    failed = dataclasses.replace(refund, state=RefundState.FAILED)
    legs = ledger.reversal(ledger.refunded("zarinpal", refund.amount_minor))
    world.books[0].undo_refund(payment, failed, payment.id.day + later * DAY, 1, legs)


def one_reference(world: World, claim: str) -> None:
    one, two = opened(world).id, PaymentId.mint(BOOK, dt.date(2026, 5, 4), 1, 0, b"abcdef")
    assert getattr(world.books[0], claim)(one, "r", "h").ours
    assert getattr(world.books[0], claim)(two, "r", "h").payment_id == one


def payment_absent(world: World) -> None:
    stale = opened(world)
    world.books[0].confirm(stale, taking(stale), unique=False)
    refused(world.books[0].create, stale)


def attempt_open(world: World) -> None:
    stale = opened(world)
    world.books[0].confirm(stale, taking(stale), unique=False)
    refused(world.books[0].add_attempt, stale, AttemptRecord("zarinpal", "t", 1))


def attempt_rev(world: World) -> None:
    two_tabs = opened(world)
    world.books[0].add_attempt(two_tabs, AttemptRecord("zarinpal", "t1", 1))
    refused(world.books[0].add_attempt, two_tabs, AttemptRecord("noticebank", "t2", 1))


def _failed(payment: Payment) -> Payment:
    return payment.failed(Status.REFUSED, Failure("refused_by_channel", "", 1))


def fail_open(world: World) -> None:
    stale = opened(world)
    world.books[0].confirm(stale, taking(stale), unique=False)
    refused(world.books[0].fail, _failed(stale))


def fail_rev(world: World) -> None:
    stale = opened(world)
    world.books[0].add_attempt(stale, AttemptRecord("zarinpal", "t1", 1))
    refused(world.books[0].fail, _failed(stale))


def accept_open(world: World) -> None:
    stale = opened(world)
    world.books[0].confirm(stale, taking(stale), unique=False)
    refused(world.books[0].accept, stale, 1)


def confirm_open(world: World) -> None:
    stale = opened(world, channels=2)
    world.books[0].confirm(stale, taking(stale, 0, "1"), unique=False)
    refused(world.books[0].confirm, stale, taking(stale, 1, "2"), unique=False)


def confirm_not_moved(world: World) -> None:
    stale = opened(world)
    world.books[0].move(stale.id)
    refused(world.books[0].confirm, stale, taking(stale), unique=False)


def confirm_rev(world: World) -> None:
    """Another tab opened a rival meanwhile: who books must know of it, or nobody asks about it."""
    stale = opened(world)
    world.books[0].add_attempt(stale, AttemptRecord("noticebank", "nb_1", 1))
    refused(world.books[0].confirm, stale, taking(stale), unique=False)


def late_rev(world: World) -> None:
    stale = opened(world)
    world.books[0].add_attempt(stale, AttemptRecord("noticebank", "nb_1", 1))
    refused(world.books[0].confirm_late, stale, taking(stale, later=1), unique=False)


def late_open(world: World) -> None:
    stale = opened(world)
    world.books[0].confirm(stale, taking(stale), unique=False)
    refused(world.books[0].confirm_late, stale, taking(stale, later=1), unique=False)


def posting_absent(world: World) -> None:
    """A payment restored from a backup, while its posting was not."""
    payment = executed(world)
    key = {"pk": {"S": payment.id.partition}, "id": {"S": payment.id.text}}
    backup = world.raw["dynamodb"].get_item(TableName="PaymentsTable", Key=key)["Item"]
    begin(world, payment, giving(payment))
    world.raw["dynamodb"].put_item(TableName="PaymentsTable", Item=backup)
    refused(begin, world, payment, giving(payment))


def posting_day_open(world: World) -> None:
    payment = executed(world)
    world.books[1].fence(BOOK, payment.id.day)
    refused(begin, world, payment, giving(payment))


def taking_once(world: World) -> None:
    one = opened(world)
    other = world.payment(create(world, world.key, 250_010, channel="zarinpal")["id"])  # type: ignore[attr-defined]
    world.books[0].confirm(one, taking(one, reference="7"), unique=True)
    refused(world.books[0].confirm, other, taking(other, reference="7"), unique=True)


def extra_turn(world: World) -> None:
    """Two workers find money that cannot be booked: only one may ask for it back at a time."""
    first = opened(world)
    world.books[0].ask_extra(first, 0, 5)
    refused(world.books[0].ask_extra, first, 0, 6)
    again = world.payment(first.id.text)
    world.books[0].ask_extra(again, 0, 106)
    refused(world.books[0].ask_extra, again, 0, 107)


def refund_executed(world: World) -> None:
    refused(begin, world, payment := opened(world), giving(payment))


def refund_once(world: World) -> None:
    """The same key again on the next day: another posting, so only the subject can say no (H6)."""
    payment = executed(world)
    begin(world, payment, giving(payment))
    refused(begin, world, payment, giving(payment, later=1))


def refund_bound(world: World) -> None:
    payment = executed(world)
    begin(world, payment, giving(payment, "a", 200_000))
    refused(begin, world, payment, giving(payment, "b", 200_000))


def refund_count(world: World) -> None:
    payment = executed(world)
    for n in range(REFUNDS_MAX):
        begin(world, payment, giving(payment, f"k{n}"))
    refused(begin, world, payment, giving(payment, "one more"))


def refund_ask_turn(world: World) -> None:
    """Two timers of one refund: only one may ask the channel."""
    payment = executed(world)
    refund = giving(payment)
    begin(world, payment, refund)
    world.books[0].ask_refund(payment, refund, 2)
    refused(world.books[0].ask_refund, payment, refund, 3)


def refund_ask_pending(world: World) -> None:
    """A timer that stood still asks nobody about a refund decided meanwhile."""
    payment = executed(world)
    refund = giving(payment)
    begin(world, payment, refund)
    undo(world, payment, refund)
    refused(world.books[0].ask_refund, payment, refund, 3)


def refund_done_pending(world: World) -> None:
    payment = executed(world)
    refund = giving(payment)
    begin(world, payment, refund)
    undo(world, payment, refund)
    done = dataclasses.replace(refund, state=RefundState.DONE)
    refused(world.books[0].refund_done, payment, done)


def refund_undo_pending(world: World) -> None:
    payment = executed(world)
    refund = giving(payment)
    begin(world, payment, refund)
    undo(world, payment, refund)
    refused(undo, world, payment, refund, later=1)


def fence_forward(world: World) -> None:
    world.books[1].fence(BOOK, dt.date(2026, 5, 5))
    world.books[1].fence(BOOK, dt.date(2026, 5, 4))
    assert world.books[0].closing(BOOK) == dt.date(2026, 5, 5)


def move_open(world: World) -> None:
    """Settlement saw it open; it was booked meanwhile: settlement must take its line."""
    stale = opened(world)
    world.books[0].confirm(stale, taking(stale), unique=False)
    refused(world.books[0].move, stale.id)


def seal_absent(world: World) -> None:
    day = dt.date(2026, 5, 4)
    one = seal(BOOK, None, (day, day), Lines.of([], []), Terms(), at_ms=1)
    two = seal(BOOK, None, (day, day + DAY), Lines.of([], []), Terms(), at_ms=2)
    world.books[1].put_lines(one.lines_key, Lines.of([], []))
    world.books[1].put(one)
    refused(world.books[1].put, two)


def sealed(world: World) -> Any:
    executed(world)
    world.until_closed()
    world.settle()
    return world.seals(BOOK)[0]


def payout_new(world: World) -> None:
    found = sealed(world)  # its worker has sent it
    world.books[1].paid(with_state(found, PayoutState.EXECUTED, 2), (0,))
    refused(world.books[1].sent, with_state(found, PayoutState.SENT, 3))


def back(world: World, found: Any, later: int = 0) -> None:
    legs = ledger.reversal(ledger.paid_out(found.payout_minor))
    day = found.through + (1 + later) * DAY
    world.books[1].returned(with_state(found, PayoutState.RETURNED, 2), (0,), day, legs)


def payout_sent(world: World) -> None:
    found = sealed(world)
    back(world, found)
    refused(world.books[1].paid, with_state(found, PayoutState.EXECUTED, 3), (0,))


def payout_not_returned(world: World) -> None:
    found = sealed(world)
    back(world, found)
    refused(back, world, found, later=1)


def share_once(world: World) -> None:
    """A referrer's share is booked once, on whatever day it is tried again."""
    world.add_merchant(REFERRER)
    world.add_merchant(fee_plan=FeePlan(referrer=REFERRER))
    found = sealed(world)
    assert found.shared == {REFERRER}, "its worker has booked it"
    book = Book(REFERRER, BOOK.mode, BOOK.currency)
    ((_, minor),) = ledger.referrers(found.sums).items()
    legs = ledger.earned(REFERRER, minor)
    refused(world.books[1].share, found, book, found.through + 2 * DAY, 2, legs)


def run_absent(world: World) -> None:
    """Two runs at once matched the same money: only one of them may book it."""
    day, stores = dt.date(2026, 5, 4), [world.live.reconciliations, world.live.reconciliations]
    legs = {"expense:channel": 1, "receivable:zibal": -1}
    for n, store in enumerate(stores):
        key = store.put_content(ZIBAL, [{"n": n}])
        run = Run(1, day, day, n, key, 1, 0)
        posting = Posting(Book(HOUSE, "test", "IRR"), f"m:rec_{n}", day, legs)
        if n:
            refused(store.put, ZIBAL, run, [posting])
        else:
            store.put(ZIBAL, run, [posting])


def source_absent(world: World) -> None:
    """A second first file must not excuse the days since the first one."""
    store, day = world.live.reconciliations, dt.date(2026, 5, 4)
    store.add_source(ZIBAL, day)
    store.add_source(ZIBAL, day + DAY)
    assert store.sources("test") == {ZIBAL.source: day}


def word_absent(world: World) -> None:
    """Two operators decide one item: the second must not undo what the first one's run books."""
    store = world.live.reconciliations
    store.say(ZIBAL, "rec_1", {"reason": "first"})
    refused(store.say, ZIBAL, "rec_1", {"reason": "second"})


def house_absent(world: World) -> None:
    """Two first bookings at once: a later beginning would leave the earlier one in no seal."""
    day = dt.date(2026, 5, 4)
    for began in (day, day + DAY):
        store = Merchants(world.live.table("MERCHANTS_TABLE"), world.live.table("KEYS_TABLE"))
        setattr(store, "get", lambda _: None)  # noqa: B010 - it looked before the other began
        store.open_house(began)
    house = world.live.merchants.get(HOUSE)
    assert house is not None and house.since == day


def refund_cover(world: World) -> None:
    """Two refunds that saw the same balance: one is booked."""
    one, two = executed(world), world.payment(paid(world, world.key, 250_100)["id"])  # type: ignore[attr-defined]
    seen = world.books[0].head(BOOK)
    legs = ledger.refunded("zarinpal", 1_000)
    world.books[0].begin_refund(one, giving(one), legs, seen)
    refused(world.books[0].begin_refund, two, giving(two), legs, seen)


def refund_sealed(world: World) -> None:
    """A balance that was paid out since it was seen covers nothing."""
    payment = executed(world)
    seen = world.books[0].head(BOOK)
    world.until_closed()
    world.settle()
    late = giving(payment, later=2)
    refused(world.books[0].begin_refund, payment, late, ledger.refunded("zarinpal", 1_000), seen)


def waiting(world: World) -> tuple[Any, Any]:
    """A euro payout that waits for a file."""
    book = shop(world, 1, "LV97HABA0012345678910")
    earn(world, book, 5_000)
    close(world, book)
    return last(world, book), world.live.payout_files


def due_absent(world: World) -> None:
    """Who waits is as old as the first time it was said, so a file is not put off for ever."""
    found, files = waiting(world)
    ((_, since),) = files.waiting(EURO, 9)
    files.wait(found.payout_id, EURO, since + 1)
    assert list(files.waiting(EURO, 9)) == [(found.payout_id, since)]


def file_absent(world: World) -> None:
    """Two runs that both see no open file open one."""
    files = world.live.payout_files
    first = files.open(EURO, dt.date(2026, 5, 5), 1)
    with mock.patch.object(files, "newest", side_effect=[[], [first]]):
        assert files.open(EURO, dt.date(2026, 5, 5), 2) == first
    assert files.newest(EURO) == [first]


def file_open(world: World) -> None:
    """The first bytes of a file are its bytes."""
    found, files = waiting(world)
    file = files.open(EURO, dt.date(2026, 5, 5), 1)
    first = files.write(file, b"one", [found.payout_id])
    assert files.write(file, b"other", []).digest == first.digest


def file_before(world: World) -> None:
    """A file that was closed is not sent again by a run that read it before."""
    files = world.live.payout_files
    file = files.write(files.open(EURO, dt.date(2026, 5, 5), 1), b"one", [])
    files.mark(file, FileState.SENT)
    files.mark(file, FileState.CLOSED)
    refused(files.mark, file, FileState.SENT)


def payout_of_file(world: World) -> None:
    """A late hand that lets a payout go from one file does not take it out of the next."""
    found, _ = waiting(world)
    sent, free = with_state(found, PayoutState.SENT, 2), with_state(found, PayoutState.NEW, 3)
    world.books[1].claim(sent, "one")
    world.books[1].release(free, "one")
    world.books[1].claim(sent, "two")
    refused(world.books[1].release, free, "one")


def _task(at_ms: int) -> Task:
    return Task("test", "payout_returned", "po_1", at_ms)


def task_absent(world: World) -> None:
    """The same thing met again is the same task, since when it was."""
    assert world.live.tasks.open(_task(1))
    assert not world.live.tasks.open(_task(2))
    assert [task.at_ms for task in world.live.tasks.waiting("test")] == [1]


def task_not_done(world: World) -> None:
    """What a person closed stays closed."""
    assert world.live.tasks.open(_task(1))
    world.live.tasks.close("test", _task(1).id, "looked at", 2)
    assert not world.live.tasks.open(_task(3))
    assert not list(world.live.tasks.waiting("test"))


def shards_kept(world: World) -> None:
    """An operator's record from before a merchant was spread wider: money is in the new shards."""
    store, old = world.live.merchants, world.live.merchants.get(MERCHANT)
    assert old is not None
    store.widen(old, 2, dt.date(2026, 5, 6))
    refused(store.put, old)


def shards_seen(world: World) -> None:
    """Two busy shards of one merchant: it is spread wider once."""
    store, old = world.live.merchants, world.live.merchants.get(MERCHANT)
    assert old is not None
    store.widen(old, 2, dt.date(2026, 5, 6))
    refused(store.widen, old, 2, dt.date(2026, 5, 7))


SCENARIOS: dict[str, Callable[[World], None]] = {
    "reference.absent": lambda world: one_reference(world, "claim"),
    "idempotency.absent": lambda world: one_reference(world, "claim_key"),
    "payment.absent": payment_absent,
    "attempt.open": attempt_open,
    "attempt.rev": attempt_rev,
    "fail.open": fail_open,
    "fail.rev": fail_rev,
    "accept.open": accept_open,
    "confirm.open": confirm_open,
    "confirm.not_moved": confirm_not_moved,
    "confirm.rev": confirm_rev,
    "late.open": late_open,
    "late.rev": late_rev,
    "posting.absent": posting_absent,
    "posting.day_open": posting_day_open,
    "taking.once": taking_once,
    "refund.executed": refund_executed,
    "refund.once": refund_once,
    "refund.bound": refund_bound,
    "refund.count": refund_count,
    "refund.cover": refund_cover,
    "refund.sealed": refund_sealed,
    "extra.turn": extra_turn,
    "refund_ask.turn": refund_ask_turn,
    "refund_ask.pending": refund_ask_pending,
    "refund_done.pending": refund_done_pending,
    "refund_undo.pending": refund_undo_pending,
    "fence.forward": fence_forward,
    "move.open": move_open,
    "seal.absent": seal_absent,
    "payout.new": payout_new,
    "payout.sent": payout_sent,
    "payout.not_returned": payout_not_returned,
    "due.absent": due_absent,
    "file.absent": file_absent,
    "file.open": file_open,
    "file.before": file_before,
    "payout.of_file": payout_of_file,
    "task.absent": task_absent,
    "task.not_done": task_not_done,
    "share.once": share_once,
    "shards.kept": shards_kept,
    "shards.seen": shards_seen,
    "run.absent": run_absent,
    "source.absent": source_absent,
    "word.absent": word_absent,
    "house.absent": house_absent,
}


def test_every_guard_has_a_scenario() -> None:
    assert SCENARIOS.keys() == GUARDS.keys()


@pytest.mark.parametrize("name", sorted(GUARDS))
def test_with_every_guard_the_history_holds(world: World, name: str) -> None:
    SCENARIOS[name](world)
    check_books(world)


@pytest.mark.parametrize("name", sorted(GUARDS))
def test_without_this_guard_it_breaks(
    world: World, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(GUARDS, name, ALWAYS)
    with pytest.raises(AssertionError):
        SCENARIOS[name](world)


STORE = Path(payvand.store.__file__).parent
UNGUARDED = {
    "shut",  # only ever true, written after the last attempt was found dead
    "put_sheet",  # after the fence a place reads the same for everybody
    "put",  # merchants: an operator's whole write, no money in it
    "put_key",
    "put_endpoint",
    "put_delivery",
    "override",  # an operator's whole word about a date
    "mark_read",  # reading a bank's file again changes nothing
    "keep",  # the name is the content's digest
    "mark_planned",  # planning a day again seals nothing twice
}


def test_no_money_write_goes_round_the_guards() -> None:
    """Conditions are written in guards.py alone, and a write without one is on the list above."""
    for path in STORE.glob("*.py"):
        source = path.read_text(encoding="utf-8")
        if path.name not in {"guards.py", "table.py"}:
            assert "ConditionExpression" not in source
            assert "attribute_not_exists" not in source
        for function in ast.walk(ast.parse(source)):
            if not isinstance(function, ast.FunctionDef) or path.name == "table.py":
                continue
            calls = [n for n in ast.walk(function) if isinstance(n, ast.Call)]
            writes = [
                c for c in calls if _name(c) in {"put_request", "update_request", "check_request"}
            ]
            guards = [c for c in calls if _name(c) == "guard"]
            rest = function.args.vararg
            passed_on = "condition" in {a.arg for a in function.args.args} or rest is not None
            if writes and not guards and not passed_on:
                assert function.name in UNGUARDED, f"{path.name}: {function.name}"
            for call in guards:
                handed = (ast.Name, ast.Starred) if passed_on else ()
                named = [a for a in call.args if not isinstance(a, handed)]
                assert {ast.literal_eval(a) for a in named} <= GUARDS.keys()


def _name(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
