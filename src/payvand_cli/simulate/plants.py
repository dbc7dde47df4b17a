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
from functools import partial, partialmethod
from itertools import islice
from types import SimpleNamespace
from typing import Any, Final

from functions.announce import handler as announce
from functions.payment_init import create
from functions.payment_status import handler as status
from functions.payment_timer import handler as timer
from functions.payout import handler as payout
from functions.payout_file import assemble, replies
from functions.psp_callback import handler as callback
from functions.reconcile import read
from functions.reconcile import run as comparison
from functions.refund import give_back
from functions.refund import handler as refund
from functions.settle import close, reading
from payvand import calendar, ledger, outcomes, resolve, settlement
from payvand.bank import Verdict as BankVerdict
from payvand.bank.doors import SpreadsheetDoor
from payvand.edge.api import Response
from payvand.errors import Overtaken
from payvand.fee import FeePlan
from payvand.ids import PaymentId
from payvand.payment import Payment
from payvand.psp import Answer, RefundVerdict, Verdict
from payvand.reconcile import Code, State, item_id, verdict
from payvand.reconcile.matching import Matching
from payvand.settlement import Lines
from payvand.store.clock import Clock
from payvand.store.guards import GUARDS
from payvand.store.payments import Payments
from payvand.store.reconciliations import Reconciliations
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
    "fail.rev": 2_000,
    "house.absent": 1_000,
    "move.open": 4_000,
    "payout.not_returned": 8_000,
    "posting.day_open": 2_000,
    "refund.once": 3_000,
    "refund.sealed": 2_000,
    "refund_ask.turn": 1_000,
}
"""Seed a search begins with, where two processes must meet in one moment: once in thousands."""
OF_BOOKS: Final = frozenset({"run.absent", "source.absent", "word.absent", "house.absent"})
OF_COVERED: Final = frozenset({"refund.cover", "refund.sealed"})
OF_MIXED: Final = frozenset({"posting.day_open"})
OF_ZARINPAL: Final = frozenset(
    {"confirm.not_moved", *RARE_FIRST} - OF_COVERED - OF_BOOKS - OF_MIXED
)
"""Met sooner where payers choose among one channel, which is asked and keeps no refund keys."""
NOT_BY_SIMULATION: Final[Mapping[str, str]] = {
    "confirm.rev": "settlement meets the payment again: only the hours until then are lost",
    "late.rev": "settlement meets the payment again: only the hours until then are lost",
    "posting.absent": "the guard on the posting's subject stands before it (seals R4)",
    "refund.executed": "nothing leaves executed, and product code reads the status first",
    "refund.count": "no schedule makes twenty refunds of one payment",
    "shards.kept": "nobody rewrites a merchant's record who has an older one",
    "shards.seen": "schedules are too small for a shard to be busy",
    "file.before": "a mark that is refused changes nothing else, and two rarely cross",
    "payout.of_file": "takes two payouts that begin to wait between two runs that both stand still",
    "share.once": "the key of its posting stands behind it, unless a fence parts two runs",
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


def _profile(name: str) -> str:
    """Where a guard's lack is met soonest."""
    if name.partition(".")[0] in {"due", "file", "task"}:
        return "files"
    if name in OF_COVERED:
        return "covered"
    if name in OF_BOOKS:
        return "books"
    if name == "extra.turn":
        return "rivals"
    return "zarinpal" if name in OF_ZARINPAL else "mixed"


for _name in GUARDS:
    if _name not in NOT_BY_SIMULATION:
        _plant = f"guard {_name}"
        PLANTS[_plant] = Plant(
            _plant,
            f"the condition {_name} is not asked of the database",
            GUARD_WITHIN,
            _profile(_name),
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


@plant(1_000, first=1_058_000)
@contextmanager
def turns_by_host_clock() -> Iterator[None]:
    """Questions about a refund are kept apart by hosts' clocks, which differ."""
    real = resolve.read_at

    def read_at(live: Any, id: PaymentId) -> Any:
        return replace(real(live, id), server_ms=live.clock.wall_ms())

    with swapped(resolve, read_at=read_at), swapped(refund, read_at=read_at):
        yield


@plant(1_000, "rivals")
@contextmanager
def extra_without_turn() -> Iterator[None]:
    """Every worker that meets a taking it cannot book asks for it back at once."""
    with swapped(resolve, _take_turn=lambda *_: True):
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


@plant(1_000, "noticebank", first=2_000)
@contextmanager
def fence_after_reading() -> Iterator[None]:
    """The fence stands after the days were read, when the seal is put."""
    fence, put = Settlements.fence, Settlements.put
    waiting: list[Any] = []

    def later(self: Any, book: Any, day: Any) -> None:
        del self
        waiting.append((book, day))

    def sealing(self: Any, seal: Any) -> None:
        while waiting:
            fence(self, *waiting.pop())
        put(self, seal)

    with swapped(Settlements, fence=later, put=sealing):
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

    def held(live: Any, met: Any) -> Any:
        if met.is_open and not met.moved:
            with suppress(Overtaken):
                live.payments.move(PaymentId.parse(met.id))
        return met

    with swapped(reading, held=held):
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
    kept = Table.query, Table.query_rows

    def first(real: Any, self: Any, *args: Any, **more: Any) -> Iterator[Any]:
        return islice(real(self, *args, **more), 2)

    query, rows = (partialmethod(partial(first, real)) for real in kept)
    with swapped(Table, query=query, query_rows=rows):
        yield


class _Endless(dict[Any, Any]):
    """Every place that nobody has read yet is empty."""

    def get(self, key: Any, default: Any = None) -> Any:
        del default
        day, shard = key
        empty = settlement.Sheet(day, shard, 0, "", "", True, _EMPTY, 0, 0, {})  # noqa: FBT003
        return super().get(key, [empty])


_EMPTY: Final = settlement.digest_of(b"")


@plant(1_000)
@contextmanager
def sheets_missing() -> Iterator[None]:
    """A big range is sealed with the sheets there are, whether or not its places are whole."""
    real = Settlements.sheets

    def sheets(self: Any, book: Any, first: Any, through: Any) -> Any:
        found = real(self, book, first, through)
        whole = {at: [*of[:-1], replace(of[-1], end=True)] for at, of in found.items()}
        return _Endless(whole)

    with swapped(Settlements, sheets=sheets):
        yield


@plant(1_000)
@contextmanager
def sheet_noted_first() -> Iterator[None]:
    """A sheet is noted before it is written."""
    real = Settlements.put_lines

    def put_sheet(self: Any, book: Any, sheet: Any, lines: Any) -> None:
        with swapped(Settlements, put_lines=nothing):
            noted(self, book, sheet, lines)
        real(self, settlement.sheet_key(book, sheet.digest), lines)

    noted = Settlements.put_sheet
    with swapped(Settlements, put_sheet=put_sheet):
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

    with swapped(Lines, of=of), swapped(reading, arm=nothing):
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
        ibans = zip(seal.parts, merchant.payees, strict=False)
        parts = tuple(replace(part, iban=payee.iban) for part, payee in ibans)
        return real(live, replace(seal, parts=parts), now_ms)

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


# ── payouts in files of many ──────────────────────────────────────────────────────────────────


@plant(1_000, "files")
@contextmanager
def file_name_anew() -> Iterator[None]:
    """A file is handed over under a new name when it is handed over again."""
    with _again_as(lambda n, name, content: (f"{n}-{name}", content)):
        yield


@plant(1_000, "files")
@contextmanager
def file_bytes_anew() -> Iterator[None]:
    """A file is written anew when it is handed over again."""
    with _again_as(lambda n, name, content: (name, content + b"\r\n" * n)):
        yield


@contextmanager
def _again_as(anew: Callable[[int, str, bytes], tuple[str, bytes]]) -> Iterator[None]:
    real = SpreadsheetDoor.deliver
    tries: dict[tuple[int, str], int] = {}

    def deliver(self: Any, name: str, content: bytes) -> bool:
        me = (self._s3.engine.seed, name)
        tries[me] = tries.get(me, 0) + 1
        if tries[me] > 1:
            name, content = anew(tries[me], name, content)
        return real(self, name, content)

    with swapped(SpreadsheetDoor, deliver=deliver):
        yield


@plant(1_000, "files")
@contextmanager
def claim_without_condition() -> Iterator[None]:
    """A payout is claimed for a file whatever it is."""

    def claim(self: Any, seal: Any, file: str) -> None:
        parts, known, kept = range(len(seal.parts)), {":file": file}, GUARDS["payout.new"]
        GUARDS["payout.new"] = ALWAYS
        try:  # nothing else runs while the request is built
            update = "SET #file = :file, "
            request = self._said(seal, parts, "payout.new", update=update, more=known)
        finally:
            GUARDS["payout.new"] = kept
        self._table.write(request)

    with swapped(Settlements, claim=claim):
        yield


@plant(1_000, "files")
@contextmanager
def waits_deleted_first() -> Iterator[None]:
    """Payouts wait no more before the file they go into is written."""
    real = assemble._write

    def write(live: Any, door: Any, file: Any, found: Any) -> Any:
        live.payout_files.waits_no_more([one.seal.payout_id for one in found], file.lane)
        return real(live, door, file, found)

    with swapped(assemble, _write=write):
        yield


@plant(1_000, "files")
@contextmanager
def unsent_files_ignored() -> Iterator[None]:
    """A file is handed over by the run that wrote it, or not at all."""
    real = assemble.deliver
    first: dict[tuple[int, str], str] = {}

    def deliver(live: Any, door: Any, file: Any, now: Any) -> None:
        engine = live.queues._client.engine
        me = engine.process.name
        if first.setdefault((engine.seed, file.key), me) == me:
            real(live, door, file, now)

    with swapped(assemble, deliver=deliver):
        yield


@plant(1_000, "files")
@contextmanager
def parts_to_main_account() -> Iterator[None]:
    """Every part of a payout goes to the first payee."""
    real = assemble._order

    def order(live: Any, seal: Any) -> Any:
        parts = tuple(replace(part, iban=seal.parts[0].iban) for part in seal.parts)
        return real(live, replace(seal, parts=parts))

    with swapped(assemble, _order=order):
        yield


@plant(1_000, "files")
@contextmanager
def unknown_is_rejected() -> Iterator[None]:
    """A word nobody knows is taken for a refusal."""
    real = replies._spread

    def spread(live: Any, lane: Any, said: Any) -> None:
        unknown = BankVerdict.UNKNOWN
        no = [replace(x, verdict=BankVerdict.REJECTED) if x.verdict is unknown else x for x in said]
        real(live, lane, no)

    with swapped(replies, _spread=spread):
        yield


@plant(1_000, "files")
@contextmanager
def return_booked_per_answer() -> Iterator[None]:
    """A return that is told twice is booked twice."""
    real = outcomes._come_back
    count = iter(range(1, 1_000_000_000))

    def come_back(live: Any, seal: Any, parts: Any, outcome: Any, now_ms: int) -> Any:
        for n in parts:
            if seal.parts[n].state is settlement.PayoutState.RETURNED:
                legs = ledger.reversal(ledger.paid_out(seal.parts[n].amount_minor))
                day = live.clock.now(seal.book.mode).label(seal.book.currency)
                name = f"r:{seal.transfer(n)}:{next(count)}"
                requests = live.payments.posting_requests(seal.book, name, day, now_ms, legs)
                live.settlements._table.transact(requests)
        return real(live, seal, parts, outcome, now_ms)

    with swapped(outcomes, _come_back=come_back):
        yield


@plant(1_000, "files")
@contextmanager
def doubts_not_asked() -> Iterator[None]:
    """Nobody is told of a transfer the bank knows nothing of."""
    with swapped(replies, _doubts=nothing):
        yield


@plant(1_000, "files")
@contextmanager
def withdrawn_after_it_left() -> Iterator[None]:
    """An operator takes a payout back whether or not it left."""

    def withdraw(live: Any, lane: Any, id: Any, now: Any) -> None:
        del lane
        seal = live.settlements.get(id.book, id.n)
        with suppress(Overtaken):
            back = settlement.with_state(
                seal, settlement.PayoutState.RETURNED, now.ms, bank_code=outcomes.WITHDRAWN
            )
            legs = ledger.reversal(ledger.paid_out(seal.payout_minor))
            day = live.clock.now(id.book.mode).label(id.book.currency)
            if seal.parts:
                live.settlements.returned(back, range(len(seal.parts)), day, legs)

    with swapped(replies, withdraw=withdraw):
        yield


@plant(1_000, "files")
@contextmanager
def share_of_everything() -> Iterator[None]:
    """A referrer gets the fee, not its fifth."""

    def referral(self: Any, fee_minor: int) -> int:
        return fee_minor if self.referrer else 0

    with swapped(FeePlan, referral=referral):
        yield


# ── reconciliation ────────────────────────────────────────────────────────────────────────────


@plant(1_000, "books")
@contextmanager
def amount_before_reference() -> Iterator[None]:
    """What moved is joined to the first that expects its amount, whatever its reference says."""
    real = Matching._place

    def place(self: Any, entry: Any, found: Any, loose: Any) -> None:
        same = (
            claim
            for name, claim in self.claims.get(entry.source, {}).items()
            if claim.entries is None
            and claim.amount_minor == entry.amount_minor
            and item_id(entry.source, name) not in self._decided
        )
        real(self, entry, next(same, found), loose)

    with swapped(Matching, _place=place):
        yield


@plant(1_000, "books")
@contextmanager
def any_amount_matches() -> Iterator[None]:
    """What stands under a payout's reference is the payout."""
    real = verdict._verdict

    def judged(due: Any, chosen: Any, **more: Any) -> Any:
        return (State.MATCHED, Code.REFERENCE) if chosen else real(due, chosen, **more)

    with swapped(verdict, _verdict=judged):
        yield


@plant(1_000, "books")
@contextmanager
def entry_named_by_its_file() -> Iterator[None]:
    """A line that is handed in again, in another file, is another entry."""
    real = read.parse

    def parse(scope: Any, content: bytes) -> Any:
        report, file = real(scope, content), settlement.digest_of(content)[:8]
        return replace(
            report, entries=tuple(replace(one, id=f"{file}-{one.id}") for one in report.entries)
        )

    with swapped(read, parse=parse):
        yield


@plant(1_000, "books")
@contextmanager
def journal_before_its_link() -> Iterator[None]:
    """What a run books is written before the link that decides it."""
    real = Reconciliations.put

    def put(self: Any, scope: Any, run: Any, postings: Any, heard: Any) -> None:
        for one in postings:
            line = self._payments.posting_requests(one.book, one.id, one.day, run.at_ms, one.legs)
            self._table.transact(line)
        real(self, scope, run, [], heard)

    with swapped(Reconciliations, put=put):
        yield


@plant(1_000, "books")
@contextmanager
def link_before_its_object() -> Iterator[None]:
    """A link is put before the object it names."""
    real, put = Reconciliations._put_rows, Reconciliations.put
    waiting: dict[str, Any] = {}

    def put_content(self: Any, scope: Any, rows: Any) -> str:
        kept = list(rows)
        with swapped(self._s3, put_object=nothing):
            key: str = self._object(scope, real(self, scope, kept))
        waiting[key] = kept
        return key

    def link(self: Any, scope: Any, run: Any, *more: Any) -> None:
        put(self, scope, run, *more)
        real(self, scope, waiting[run.key])

    with swapped(Reconciliations, put_content=put_content, put=link):
        yield


@plant(1_000, "books")
@contextmanager
def only_the_last_link_counts() -> Iterator[None]:
    """A run knows what the one before it decided, and nothing of those before that."""
    real = Reconciliations.runs

    def runs(self: Any, scope: Any, limit: int | None = None) -> Any:
        del limit
        return real(self, scope, limit=1)

    with swapped(Reconciliations, runs=runs):
        yield


@plant(1_000, "books")
@contextmanager
def words_not_marked() -> Iterator[None]:
    """What a person said is taken over, and not marked as heard."""
    real = Reconciliations.put

    def put(self: Any, scope: Any, run: Any, postings: Any, heard: Any) -> None:
        del heard
        real(self, scope, run, postings)

    with swapped(Reconciliations, put=put):
        yield


@plant(1_000, "books")
@contextmanager
def tasks_by_the_first_run_only() -> Iterator[None]:
    """What a run shows that an earlier one showed gets no task, though that one stopped before."""
    real = comparison._bring_tasks_into_line

    def bring(live: Any, scope: Any, past: Any, found: Any, now_ms: int) -> None:
        shown = {f"reconcile_{state}#{item}" for item, state in past.shown.items()}

        def open_new(task: Any) -> bool:
            return task.id not in shown and tasks.open(task)

        tasks = live.tasks
        doors = SimpleNamespace(waiting=tasks.waiting, close=tasks.close, open=open_new)
        real(SimpleNamespace(tasks=doors), scope, past, found, now_ms)  # type: ignore[arg-type]

    with swapped(comparison, _bring_tasks_into_line=bring):
        yield


@plant(1_000, "books")
@contextmanager
def any_run_closes_tasks() -> Iterator[None]:
    """A run that stood still closes tasks of one that knew more."""
    real = comparison._task

    def task(scope: Any, item: Any, run: int, now_ms: int) -> Any:
        del run
        return real(scope, item, 0, now_ms)

    with swapped(comparison, _task=task):
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
