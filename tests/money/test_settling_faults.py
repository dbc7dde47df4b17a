"""Settlement of 200 merchants, killed at every call to AWS and run again, and run twice at once.

Nobody is paid twice, nobody is left out: every line is in one seal, every seal's payout is what its
days add, whatever died when. A message that fails comes again, as from SQS.
"""

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Any, Final, cast

import pytest
from botocore.exceptions import ConnectTimeoutError, ReadTimeoutError

from functions.settle import reading
from payvand import ledger
from payvand.ids import Book
from payvand.merchant import Merchant
from payvand.payment import RefundState, Status
from payvand_cli.simulate.books import CURRENCY, DAY, Books
from payvand_cli.simulate.memory import Meter
from tests.support.world import World, check_books

pytestmark = pytest.mark.long

MERCHANTS: Final = 200
EACH: Final = 2
"""Merchants of every kind whose calls are all broken one by one."""
BEFORE: Final = DAY.replace(day=DAY.day - 1)
Message = dict[str, Any]


class Died(BaseException):
    """The process is gone: nothing catches this."""


class Fault(StrEnum):
    """How one call goes wrong."""

    DIE_BEFORE = "die_before"
    DIE_AFTER = "die_after"
    LOST = "lost"
    ANSWER_LOST = "answer_lost"


# ── who is settled ────────────────────────────────────────────────────────────────────────────


def _busy(world: Books, merchant: Merchant) -> None:
    for n in range(9):
        world.paid(merchant, hours=4 - n / 10)
    world.failed(merchant)


def _two_days(world: Books, merchant: Merchant) -> None:
    """Two days that no seal has closed yet."""
    world.paid(merchant, BEFORE)
    world.paid(merchant)


def _idle(world: Books, merchant: Merchant) -> None:
    """Nothing at all."""


def _open(world: Books, merchant: Merchant) -> None:
    """At the channel still when the day is sealed."""
    world.paid(merchant)
    world.opened(merchant, hours=0.1)


def _gives_back(world: Books, merchant: Merchant) -> None:
    one, two, three = (world.paid(merchant) for _ in range(3))
    world.refunded(one, DAY, 30_000, RefundState.PENDING)
    world.refunded(two, DAY, 20_000, RefundState.DONE)
    world.refunded(three, DAY, 10_000, RefundState.FAILED)


def _late(world: Books, merchant: Merchant) -> None:
    """Of the day before, booked today; and a refund of what was sealed long ago."""
    world.paid(merchant)
    world.paid_late(world.opened(merchant, BEFORE), DAY)
    world.refunded(world.paid(merchant, BEFORE), DAY, 1_000, RefundState.PENDING)


def _debtor(world: Books, merchant: Merchant) -> None:
    """Gives back more than the day brought: nothing is paid, the debt is carried."""
    sealed = world.paid(merchant, BEFORE)
    world.close(BEFORE)
    assert world.hand({"book": Book(merchant.id, "live", CURRENCY).key})
    world.refunded(sealed, DAY, 200_000, RefundState.DONE)


KINDS: Final[tuple[tuple[Callable[[Books, Merchant], None], dict[str, Any]], ...]] = (
    (_busy, {}),
    (_busy, {"shards": 3}),
    (_two_days, {"since": BEFORE}),
    (_idle, {}),
    (_open, {}),
    (_open, {"shards": 2}),
    (_gives_back, {}),
    (_late, {"since": BEFORE}),
    (_debtor, {"since": BEFORE}),
    (_busy, {"payees": ()}),
)


def _world(merchants: int = MERCHANTS) -> Books:
    world = Books(page_items=7)
    with world.at_work():
        for number in range(merchants):
            live_through, terms = KINDS[number % len(KINDS)]
            live_through(world, world.merchant(number, modes=("live",), **terms))
    world.aws.queues["settle"].clear()
    world.close()
    return world


# ── what must be true ─────────────────────────────────────────────────────────────────────────


def _check(world: Books) -> None:
    """Everybody's day is sealed once and pays what it earned."""
    check_books(cast("World", world))
    earned: dict[str, int] = {}
    for item in world.items("PaymentsTable"):
        if "legs" in item:
            book = item["pk"].split("#")[0]
            earned[book] = earned.get(book, 0) + ledger.owed(item["legs"])
    for merchant in world.live.merchants.all():
        book = Book(merchant.id, "live", CURRENCY)
        chain = world.seals(book)
        paid = sum(seal.payout_minor for seal in chain)
        owed = earned.get(book.key, 0)
        assert [seal.through for seal in chain][-1:] == ([DAY] if book.key in earned else [])
        carried = chain[-1].closing_minor if chain else 0
        assert paid + carried == owed, f"{book.key} earned {owed}, was paid {paid}"
        assert carried <= 0 or not merchant.payees, "what is owed is paid"
        if chain:
            _check_open(world, book)


def _check_open(world: Books, book: Book) -> None:
    """What is still undecided is carried, and somebody was sent to ask (R10)."""
    undecided = {
        item["id"]
        for item in world.items("PaymentsTable")
        if item["pk"].startswith(f"{book.key}#")
        and item["id"].startswith("pay_")
        and (
            item["status"] == Status.REDIRECTED
            or any(r["state"] == RefundState.PENDING for r in item["refunds"].values())
        )
    }
    assert set(world.lines(world.seals(book)[-1]).open_ids) == undecided
    asked = {m["payment"] for m in world.aws.queues["timer"]}
    refunds = {m["payment"] for m in world.aws.queues["refund"]}
    for id in undecided:
        payment = world.payment(id)
        assert id in asked
        assert not payment.is_open or payment.moved
        assert not payment.pending_refunds or id in refunds


# ── how it is broken ──────────────────────────────────────────────────────────────────────────


@contextmanager
def _breaking(world: Books, at: int, fault: Fault) -> Iterator[list[str]]:
    """The call number `at` from now goes wrong; the calls that were made."""
    made: list[str] = []

    def broken(name: str, do: Callable[[], Any]) -> Any:
        made.append(name)
        if len(made) != at:
            return do()
        if fault is Fault.DIE_BEFORE:
            raise Died(name)
        if fault is Fault.LOST:
            raise ConnectTimeoutError(endpoint_url=name)
        do()
        if fault is Fault.DIE_AFTER:
            raise Died(name)
        raise ReadTimeoutError(endpoint_url=name)

    kept, world.aws.pass_ = world.aws.pass_, broken
    try:
        yield made
    finally:
        world.aws.pass_ = kept


def _tried(world: Books, message: Message, at: int, fault: Fault) -> bool:
    """Whether a message was done with before the call that breaks was reached."""
    with _breaking(world, at, fault) as made:
        try:
            done = world.hand(message)
        except Died:
            done = False
    assert done or len(made) >= at, "it fails only where it is broken"
    return done and len(made) < at


def _forced(world: Books, message: Message, fault: Fault) -> int:
    """Hand a message until it is done, broken one call later each time; how often that was."""
    for at in range(1, 500):
        if _tried(world, message, at, fault):
            return at
    raise AssertionError(f"{message} never ends")


@pytest.fixture(scope="module")
def _made() -> Books:
    return _world()


@pytest.fixture(params=["whole", "sheets"])
def world(
    request: pytest.FixtureRequest, _made: Books, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Books]:
    """The same 200 merchants for every test; with small sheets, nearly all of them are big."""
    if request.param == "sheets":
        monkeypatch.setattr(reading, "SHEET_LINES", 2)
        monkeypatch.setattr(reading, "SHEETS_A_TURN", 2)
    snapshot, objects = _made.aws.memory.snapshot(), dict(_made.aws.objects)
    _made.aws.memory.meter = Meter()
    with _made.at_work():
        yield _made
    _made.aws.memory.restore(snapshot)
    _made.aws.objects.clear()
    _made.aws.objects.update(objects)
    for messages in _made.aws.queues.values():
        messages.clear()


EVERY = [("whole", fault) for fault in Fault] + [("sheets", Fault.DIE_AFTER)]
"""Whoever dies and what fails break at the same calls: one of them is enough for sheets."""


@pytest.mark.parametrize(("world", "fault"), EVERY, indirect=["world"])
def test_killed_at_every_call(world: Books, fault: Fault) -> None:
    """One long day: each message dies at its first call, comes again, dies at its second."""
    waiting = world.aws.queues["settle"]
    _forced(world, {"currency": CURRENCY}, fault)
    killed = 0
    while waiting:
        killed += _forced(world, waiting.pop(0), fault)
    assert killed > 5 * MERCHANTS
    _check(world)


@pytest.mark.parametrize("fault", [Fault.DIE_BEFORE, Fault.ANSWER_LOST])
def test_killed_at_any_one_call(world: Books, fault: Fault) -> None:
    """Each call of a book alone: one run dies there, the next one finishes."""
    assert world.hand({"currency": CURRENCY})
    for message in _each_kind(world):
        before, queued = world.aws.memory.snapshot(), len(world.aws.queues["settle"])
        for at in range(1, 500):
            if _tried(world, message, at, fault):
                break
            assert world.hand(message)
            _drain(world, queued)
            seals = world.seals(Book.parse(message["book"]))
            _check_chain_of(world, seals)
            world.aws.memory.restore(before)
        _drain(world, queued)
    _drain(world)
    _check(world)


def _each_kind(world: Books) -> list[Message]:
    """The messages of a few merchants of every kind, taken from the queue."""
    waiting = sorted(world.aws.queues["settle"], key=lambda message: str(message["book"]))
    chosen = waiting[: EACH * len(KINDS)]
    for message in chosen:
        world.aws.queues["settle"].remove(message)
    return chosen


def _drain(world: Books, left: int = 0) -> None:
    """Hand over what a run sent."""
    waiting = world.aws.queues["settle"]
    while len(waiting) > left:
        assert world.hand(waiting.pop())


def _check_chain_of(world: Books, seals: list[Any]) -> None:
    """One book's chain, closed: what its lines add is what is paid and carried."""
    sealed: set[str] = set()
    for seal in seals:
        for line in world.lines(seal).lines:
            assert line.id not in sealed, "twice"
            sealed.add(line.id)
    if not seals:
        return
    book, (payments, _) = seals[-1].book, world.books
    entries = [
        entry for day in (BEFORE, DAY) for s in range(3) for entry in payments.entries(book, day, s)
    ]
    booked = {entry.line.id: entry.line.legs for entry in entries if entry.line}
    assert booked.keys() == sealed
    owed = sum(map(ledger.owed, booked.values()))
    assert sum(s.payout_minor for s in seals) + seals[-1].closing_minor == owed


# ── twice at once ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_second_run_at_every_call_of_the_first(world: Books, after: bool) -> None:  # noqa: FBT001
    """Another run of the same book begins and ends while the first stands at a call."""
    assert world.hand({"currency": CURRENCY})
    for message in _each_kind(world):
        before, queued = world.aws.memory.snapshot(), len(world.aws.queues["settle"])
        for at in range(1, 500):
            calls = _overtaken(world, message, at, after=after)
            _drain(world, queued)
            _check_chain_of(world, world.seals(Book.parse(message["book"])))
            if calls < at:
                break
            world.aws.memory.restore(before)
    _drain(world)
    _check(world)


def _overtaken(world: Books, message: Message, at: int, *, after: bool) -> int:
    """Run a message; at its call number `at` another run does it all. The calls of the first."""
    made = 0

    def meeting(_: str, do: Callable[[], Any]) -> Any:
        nonlocal made
        made += 1
        if made != at:
            return do()
        answer = do() if after else None
        world.aws.pass_ = plain
        assert world.hand(message)
        world.aws.pass_ = meeting
        return answer if after else do()

    plain, world.aws.pass_ = world.aws.pass_, meeting
    try:
        assert world.hand(message)
    finally:
        world.aws.pass_ = plain
    return made


@pytest.mark.parametrize("seed", range(2))
def test_two_runs_that_take_turns(world: Books, seed: int) -> None:
    """Two runs of each book, a coin before each call saying who goes on; one may ask for less."""
    draws = random.Random(seed)
    assert world.hand({"currency": CURRENCY})
    waiting = world.aws.queues["settle"]
    while waiting:
        message = waiting.pop(0)
        less = {"book": message["book"], "through": BEFORE.isoformat()}
        _side_by_side(world, (message, draws.choice((message, less))), draws)
    _check(world)


def _side_by_side(world: Books, messages: tuple[Message, Message], draws: random.Random) -> None:
    """Two threads of which one runs at a time, up to its next call."""
    turns = [threading.Semaphore(0), threading.Semaphore(0)]
    back, done, me = threading.Semaphore(0), [False, False], threading.local()

    def run(who: int) -> None:
        turns[who].acquire()
        me.who = who
        try:
            results[who] = world.hand(messages[who])
        finally:
            done[who] = True
            back.release()

    def pausing(_: str, do: Callable[[], Any]) -> Any:
        back.release()
        turns[me.who].acquire()
        return do()

    results = [False, False]
    threads = [threading.Thread(target=run, args=(who,)) for who in (0, 1)]
    plain, world.aws.pass_ = world.aws.pass_, pausing
    try:
        for thread in threads:
            thread.start()
        while not all(done):
            turns[draws.choice([who for who in (0, 1) if not done[who]])].release()
            back.acquire()
        for thread in threads:
            thread.join()
    finally:
        world.aws.pass_ = plain
    assert results == [True, True]


def test_a_clean_run_is_right_and_cheap(world: Books, request: pytest.FixtureRequest) -> None:
    """What all of the above is measured against: two writes a merchant that had a day."""
    world.settle()
    _check(world)
    if request.node.callspec.params["world"] == "sheets":
        return
    active = sum(1 for book in world.live.merchants.all() if world.seals(_book(book)))
    open_now = sum(1 for i in world.items("PaymentsTable") if i.get("moved"))
    assert world.aws.memory.meter.wru == 2 * active + open_now


def _book(merchant: Merchant) -> Book:
    return Book(merchant.id, "live", CURRENCY)
