"""Bugs we know, each switched on alone: the simulator must find every one of them.

A plant changes product code in this process only, from here; nothing in the layer or in a function
knows of it, so no deployed build can reach one. `guard …` plants take one named condition of
payvand.store.guards out of the database's hands. `within` is how many schedules of the plant's
profile may pass before it is found; tests hold each to it, and prove that the same schedules are
clean without it.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any, Final

from functions.announce import handler as announce
from functions.payment_init import create
from functions.payment_status import handler as status
from functions.payment_timer import handler as timer
from functions.payout import handler as payout
from functions.psp_callback import handler as callback
from functions.refund import give_back
from functions.refund import handler as refund
from functions.settle import close
from payvand import calendar, ledger, resolve, settlement
from payvand.edge.api import Response
from payvand.errors import Overtaken
from payvand.ids import PaymentId
from payvand.payment import Payment
from payvand.psp import Answer, RefundVerdict, Verdict
from payvand.settlement import Lines
from payvand.store.clock import Clock
from payvand.store.guards import GUARDS
from payvand.store.payments import Payments
from payvand.store.settlements import Settlements
from payvand.store.table import Table

ALWAYS: Final = "attribute_not_exists(#nothing)"
Planted = Callable[[], AbstractContextManager[None]]


@dataclass(frozen=True, slots=True)
class Plant:
    """One known bug."""

    name: str
    what: str
    within: int
    profile: str
    put: Planted
    first: int = 0
    """The seed its search begins with: for what is met once in some thousand schedules."""


PLANTS: Final[dict[str, Plant]] = {}


@contextmanager
def swapped(owner: Any, **changes: Any) -> Iterator[None]:
    """Attributes replaced for a while."""
    kept = {name: getattr(owner, name) for name in changes}
    for name, value in changes.items():
        setattr(owner, name, value)
    try:
        yield
    finally:
        for name, value in kept.items():
            setattr(owner, name, value)


def plant(within: int, profile: str = "mixed", first: int = 0) -> Callable[[Planted], Planted]:
    """Register a bug under the name of the function that plants it."""

    def register(put: Planted) -> Planted:
        name = put.__name__.strip("_")
        PLANTS[name] = Plant(name, (put.__doc__ or "").strip(), within, profile, put, first)
        return put

    return register


def nothing(*_: Any, **__: Any) -> None:
    """Do nothing."""


# ── guards ────────────────────────────────────────────────────────────────────────────────────

GUARD_WITHIN: Final = 1_000
RARE_FIRST: Final[Mapping[str, int]] = {
    "move.open": 4_000,
    "payout.not_returned": 3_000,
    "refund_ask.turn": 1_000,
}
"""Seed a search begins with, where two processes must meet in one moment: once in thousands."""
OF_ZARINPAL: Final = frozenset({"confirm.not_moved", "refund.once", *RARE_FIRST})
"""Met sooner where payers choose among one channel, which is asked and keeps no refund keys."""
NOT_BY_SIMULATION: Final[Mapping[str, str]] = {
    "confirm.rev": "settlement meets the payment again: only the hours until then are lost",
    "late.rev": "settlement meets the payment again: only the hours until then are lost",
    "posting.absent": "the guard on the posting's subject stands before it (seals R4)",
    "refund.executed": "nothing leaves executed, and product code reads the status first",
    "refund.count": "no schedule makes twenty refunds of one payment",
    "payout.sent": "takes a payout worker that stands still from the bank's yes past its return",
}
"""Guards another one stands behind, or that schedules are too small for; tests/money has them."""


def _without_guard(name: str) -> Planted:
    @contextmanager
    def put() -> Iterator[None]:
        kept = GUARDS[name]
        GUARDS[name] = ALWAYS
        try:
            yield
        finally:
            GUARDS[name] = kept

    return put


for _name in GUARDS:
    if _name not in NOT_BY_SIMULATION:
        _plant = f"guard {_name}"
        PLANTS[_plant] = Plant(
            _plant,
            f"the condition {_name} is not asked of the database",
            GUARD_WITHIN,
            "zarinpal" if _name in OF_ZARINPAL else "mixed",
            _without_guard(_name),
            RARE_FIRST.get(_name, 0),
        )


# ── making and resolving payments ─────────────────────────────────────────────────────────────


@plant(1_000)
@contextmanager
def timeout_is_failure() -> Iterator[None]:
    """A channel that does not answer is taken for one that says no."""
    real = resolve.end

    def end(live: Any, payment: Any, answers: Any, **more: Any) -> Any:
        dead = [Answer(Verdict.DEAD) if a and a.verdict is Verdict.UNKNOWN else a for a in answers]
        return real(live, payment, dead, **more)

    with swapped(resolve, end=end):
        yield


@plant(1_000)
@contextmanager
def any_amount_pays() -> Iterator[None]:
    """What the channel took is not compared with what was asked."""
    real = resolve.take

    def take(live: Any, channel: Any, payment: Any, index: Any, answer: Any) -> Any:
        return real(live, channel, payment, index, replace(answer, money=payment.money))

    with swapped(resolve, take=take), swapped(callback, take=take):
        yield


@plant(1_000, "zarinpal")
@contextmanager
def timer_for_candidate() -> Iterator[None]:
    """The timer is sent for the id just minted, also when the reference names another."""
    real = create.arm
    armed: set[tuple[int, str]] = set()

    def arm(live: Any, id: PaymentId, now: Any) -> None:
        engine = live.queues._client.engine
        me = (engine.seed, engine.process.name)
        if me not in armed:
            armed.add(me)
            real(live, id, now)

    with swapped(create, arm=arm):
        yield


@plant(1_000)
@contextmanager
def no_timers() -> Iterator[None]:
    """A payment is left to itself until settlement meets it."""
    with swapped(create, arm=nothing):
        yield


@plant(1_000)
@contextmanager
def one_timer() -> Iterator[None]:
    """The timer does not send the next one."""
    with swapped(timer, _again=nothing):
        yield


@plant(1_000)
@contextmanager
def extra_kept() -> Iterator[None]:
    """Money that cannot be booked is not given back."""

    def keep(*_: Any) -> Answer:
        return Answer(Verdict.DEAD)

    with swapped(resolve, _give_back=keep):
        yield


@plant(1_000)
@contextmanager
def rivals_forgotten() -> Iterator[None]:
    """An executed payment ends although another attempt may still be paid."""
    with swapped(Payment, is_finished=property(lambda self: not self.is_open)):
        yield


@plant(1_000)
@contextmanager
def last_word_forgotten() -> Iterator[None]:
    """A rival's end that came by notice is not kept."""
    with swapped(Payments, end_attempt=nothing):
        yield


@plant(1_000)
@contextmanager
def notice_acknowledged_first() -> Iterator[None]:
    """A notice gets its 200 whether or not it was booked."""
    real = callback.give_notice

    def give_notice(request: Any) -> Response:
        try:
            return real(request)
        except Exception:  # noqa: BLE001 - that is the bug
            return Response(200)

    with swapped(callback, give_notice=give_notice):
        yield


@plant(1_000)
@contextmanager
def two_writes_for_one_fact() -> Iterator[None]:
    """A payment confirmed on a later day and its posting are not one transaction."""
    real = Table.transact

    def transact(self: Any, requests: Any) -> None:
        if any("x:" in str(r) for r in requests):
            self.write(requests[0])
            real(self, requests[1:])
        else:
            real(self, requests)

    with swapped(Table, transact=transact):
        yield


# ── refunds ───────────────────────────────────────────────────────────────────────────────────


@plant(1_000)
@contextmanager
def refund_new_key() -> Iterator[None]:
    """Each question about a refund goes to the channel under a new key."""
    real = give_back.decide
    count = iter(range(1_000_000_000))

    def decide(live: Any, payment: Any, asked: Any, *, first_try: bool) -> Any:
        renamed = replace(asked, refund_id=f"{asked.refund_id}-{next(count)}")
        done = real(live, payment, renamed, first_try=first_try)
        return replace(done, refund_id=asked.refund_id)

    with swapped(give_back, decide=decide), swapped(refund, decide=decide):
        yield


@plant(1_000)
@contextmanager
def refund_silence_is_refusal() -> Iterator[None]:
    """A refund the channel does not answer about is booked back."""
    real = resolve.channel_of

    class Impatient:
        def __init__(self, channel: Any) -> None:
            self.channel = channel
            self.name = channel.name

        def refund(self, *asked: Any) -> Any:
            answer = self.channel.refund(*asked)
            if answer.verdict is RefundVerdict.UNKNOWN:
                return replace(answer, verdict=RefundVerdict.REFUSED)
            return answer

    with swapped(give_back, channel_of=lambda *a: Impatient(real(*a))):
        yield


@plant(1_000)
@contextmanager
def refund_undone_without_posting() -> Iterator[None]:
    """A refused refund changes the payment, and no journal."""

    def undo(self: Any, payment: Any, failed: Any, *_: Any) -> None:
        real(self, payment, failed)

    real = Payments.refund_done
    with swapped(Payments, undo_refund=undo):
        yield


@plant(1_000)
@contextmanager
def refund_guarded_by_its_posting() -> Iterator[None]:
    """A refund's key and bound are only those of its posting, whose key has the day in it."""
    names = ("refund.once", "refund.bound")
    kept = {name: GUARDS[name] for name in names}
    GUARDS.update(dict.fromkeys(names, ALWAYS))
    try:
        yield
    finally:
        GUARDS.update(kept)


# ── settlement ────────────────────────────────────────────────────────────────────────────────


@plant(1_000)
@contextmanager
def no_fence() -> Iterator[None]:
    """A day is read and sealed while it can still be written."""
    with swapped(Settlements, fence=nothing):
        yield


@plant(1_000, "zarinpal", first=13_000)
@contextmanager
def fence_after_reading() -> Iterator[None]:
    """The fence stands after the days were read."""
    fence, put_lines = Settlements.fence, Settlements.put_lines
    waiting: list[Any] = []

    def later(self: Any, book: Any, day: Any) -> None:
        del self
        waiting.append((book, day))

    def lines(self: Any, key: Any, content: Any) -> None:
        while waiting:
            fence(self, *waiting.pop())
        put_lines(self, key, content)

    with swapped(Settlements, fence=later, put_lines=lines):
        yield


@plant(1_000, "zarinpal")
@contextmanager
def moved_in_memory() -> Iterator[None]:
    """Settlement leaves open payments out of the day without saying so on them."""
    with swapped(Payments, move=nothing):
        yield


@plant(1_000, "zarinpal", first=4_000)
@contextmanager
def refused_move_keeps_the_copy() -> Iterator[None]:
    """A payment booked while settlement read its day is taken as it was read."""

    def entries(live: Any, book: Any, day: Any, shard: Any) -> Iterator[Any]:
        for entry in live.payments.movements(book, day, shard):
            if entry.payment is not None and entry.payment.is_open and not entry.payment.moved:
                with suppress(Overtaken):
                    live.payments.move(entry.payment.id)
            yield entry.payment, entry.line

    with swapped(close, _entries=entries):
        yield


@plant(1_000)
@contextmanager
def running_day_sealed() -> Iterator[None]:
    """A day is sealed when somebody asks, over or not."""

    def through(now: Any, currency: str) -> Any:
        return calendar.label(now, currency)

    with swapped(calendar, closed_through=through):
        yield


@plant(1_000)
@contextmanager
def seal_before_lines() -> Iterator[None]:
    """The seal is written before the lines it names."""
    put_lines, put = Settlements.put_lines, Settlements.put
    waiting: dict[Any, Any] = {}

    def later(self: Any, key: Any, content: Any) -> None:
        del self
        waiting[key] = content

    def seal(self: Any, made: Any) -> None:
        put(self, made)
        put_lines(self, made.lines_key, waiting[made.lines_key])

    with swapped(Settlements, put_lines=later, put=seal):
        yield


@plant(1_000)
@contextmanager
def lines_under_one_key() -> Iterator[None]:
    """Every run writes its lines to the same object."""

    def key(book: Any, n: int, content: bytes) -> str:
        del content
        return f"lines/{book.key}/{n:08d}"

    with swapped(settlement, lines_key=key):
        yield


@plant(1_000)
@contextmanager
def first_page_only() -> Iterator[None]:
    """A query is read no further than its first page."""
    real = Table.query

    def query(self: Any, *args: Any, **more: Any) -> Iterator[Any]:
        for n, item in enumerate(real(self, *args, **more)):
            if n < 2:
                yield item

    with swapped(Table, query=query):
        yield


@plant(1_000)
@contextmanager
def last_day_only() -> Iterator[None]:
    """A seal reads its last day, and forgets those banks were closed on."""
    with swapped(calendar, days=lambda first, last: [last] if first <= last else []):
        yield


@plant(1_000)
@contextmanager
def debt_dropped() -> Iterator[None]:
    """A negative balance is not carried."""
    real = settlement.seal

    def seal(*args: Any, **more: Any) -> Any:
        made = real(*args, **more)
        return replace(made, closing_minor=max(0, made.closing_minor))

    with swapped(close, seal=seal):
        yield


@plant(1_000)
@contextmanager
def nothing_carried() -> Iterator[None]:
    """What is still open is neither armed nor named for the next seal."""
    real = Lines.of

    def of(lines: Any, open_ids: Any) -> Any:
        del open_ids
        return real(lines, ())

    with swapped(Lines, of=of), swapped(close, _arm=nothing):
        yield


@plant(1_000)
@contextmanager
def unbalanced_journal() -> Iterator[None]:
    """The fee is not taken from what we owe."""

    def executed(channel: str, amount: int, fee: int) -> ledger.Legs:
        return {ledger.receivable(channel): amount, ledger.PAYABLE: -amount, ledger.FEE: -fee}

    with swapped(ledger, executed=executed):
        yield


# ── payouts and messages ──────────────────────────────────────────────────────────────────────


@plant(1_000)
@contextmanager
def new_payout_reference() -> Iterator[None]:
    """Each try at a payout has a reference of its own."""
    real = Settlements.put_order
    count = iter(range(1, 1_000_000_000))

    def put_order(self: Any, name: str, content: bytes) -> None:
        stamped = content.replace(b'"version": 1', b'"try": %d, "version": 1' % next(count))
        real(self, name, stamped)

    with swapped(Settlements, put_order=put_order):
        yield


@plant(1_000)
@contextmanager
def iban_of_today() -> Iterator[None]:
    """A payout goes to the merchant's present account, not to the one its seal names."""
    real = payout._send

    def send(live: Any, seal: Any, now_ms: int) -> Any:
        merchant = live.merchants.get(seal.book.merchant_id)
        return real(live, replace(seal, iban=merchant.iban), now_ms)

    with swapped(payout, _send=send):
        yield


@plant(1_000)
@contextmanager
def payouts_not_watched() -> Iterator[None]:
    """Settlement does not look at the payouts of earlier seals."""
    with swapped(close, _watch_payouts=nothing):
        yield


@plant(1_000)
@contextmanager
def told_before_the_commit() -> Iterator[None]:
    """The event leaves before the booking is written."""
    from payvand import events

    real = Payments.confirm

    def confirm(self: Any, payment: Any, booked: Any, *, unique: bool) -> None:
        announce._put(events.of_payment(payment, payment.executed(booked)))
        real(self, payment, booked, unique=unique)

    with swapped(Payments, confirm=confirm):
        yield


@plant(1_000)
@contextmanager
def stream_read_without_telling() -> Iterator[None]:
    """A batch the bus did not take counts as told."""
    real = announce._put

    def put(told: Any) -> None:
        try:
            real(told)
        except Exception:  # noqa: BLE001 - that is the bug
            return

    with swapped(announce, _put=put):
        yield


# ── clocks and tenants ────────────────────────────────────────────────────────────────────────


@plant(1_000, "zarinpal", first=10_000)
@contextmanager
def clocks_not_compared() -> Iterator[None]:
    """A host whose clock is wrong writes money all the same."""
    with swapped(Clock, check=nothing):
        yield


@plant(1_000)
@contextmanager
def any_merchants_payment() -> Iterator[None]:
    """A payment's id is enough to read and refund it."""

    def own(text: str, merchant: str, mode: str) -> PaymentId:
        del merchant, mode
        return PaymentId.parse(text)

    with swapped(status, own_payment_id=own), swapped(refund, own_payment_id=own):
        yield
