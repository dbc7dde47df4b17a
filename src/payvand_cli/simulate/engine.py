"""Virtual time, processes that can die anywhere, and the faults of every call they make.

A process is a greenlet that gives way at each call to the outside, so the product's own code runs
unchanged and any two processes interleave. Every decision is a draw from the process's own
sequence, seeded by the schedule's seed and the process's name: taking one fault or one actor out
of a schedule leaves the draws of all others as they were, which is what makes shrinking work.
"""

import heapq
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final
from zlib import crc32

from botocore.exceptions import ClientError, ConnectTimeoutError, ReadTimeoutError
from greenlet import getcurrent, greenlet

SDK_TRIES: Final = 3
"""How often the AWS client sends one request (payvand.edge.wiring)."""
CLIENT_GIVES_UP_MS: Final = 6_000
HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
FAULTS_MAX: Final = 80
"""Of one schedule: each may leave a second chain of timers, and chains multiply."""
ALIGNED_MS: Final = 20_000
LATE_MS: Final = (5_000, 40_000, 600_000, 5 * HOUR_MS, 26 * HOUR_MS, 62 * HOUR_MS)
"""How long a lost request may travel, or a process stand still, before it goes on."""
_MASK: Final = (1 << 64) - 1
_STEP: Final = 6_364_136_223_846_793_005
_ADD: Final = 1_442_695_040_888_963_407


class Died(BaseException):
    """The process is gone: no product code catches this."""


class Fault(StrEnum):
    """How one call to the outside goes wrong."""

    DIE_BEFORE = "dies before"
    DIE_AFTER = "dies after"
    LOST = "request lost"
    ANSWER_LOST = "answer lost"
    LATE = "lands late"
    FREEZE = "stands still before"
    THROTTLE = "throttled"
    CONFLICT = "conflicts"


class Draws:
    """A small, fast, seeded sequence (64-bit linear congruential, high bits used)."""

    __slots__ = ("_state",)

    def __init__(self, seed: int, name: str) -> None:
        mixed = (seed * 0x9E3779B97F4A7C15 ^ crc32(name.encode()) * 0xD6E8FEB86659FD93) & _MASK
        mixed ^= mixed >> 31
        self._state = (mixed * 0xBF58476D1CE4E5B9 + _ADD) & _MASK

    def bits(self) -> int:
        """Forty bits."""
        self._state = (self._state * _STEP + _ADD) & _MASK
        return self._state >> 24

    def below(self, n: int) -> int:
        """A number from 0 to n − 1."""
        self._state = (self._state * _STEP + _ADD) & _MASK
        return (self._state >> 32) * n >> 32

    def chance(self, per_mille: int) -> bool:
        """Whether something with this chance happens."""
        return self.below(1000) < per_mille

    def pick[T](self, options: tuple[T, ...]) -> T:
        """One of the options."""
        return options[self.below(len(options))]

    def token(self, n: int) -> bytes:
        """`n` bytes."""
        return b"".join(self.bits().to_bytes(5)[:1] for _ in range(n))


@dataclass(slots=True)
class Mood:
    """How rough one schedule is (drawn from its seed: every schedule is rough in its own way)."""

    fault_per_mille: int
    kinds: tuple[Fault, ...]
    aimed_per_mille: int
    """The chance of a fault for a money write near a cut-off, where holes hide."""
    skew_ms: int
    repeats_per_mille: int
    """Messages and stream batches that arrive twice."""
    timers_lost_per_mille: int
    delays_ms: tuple[int, ...] = LATE_MS
    partitions: bool = False
    """Whether a call is late because the network fails: then channels are not reached, either."""


class Process:
    """One run of a function, or one person's doing."""

    __slots__ = (
        "begun_ms",
        "calls",
        "done",
        "draws",
        "engine",
        "failure",
        "gone",
        "name",
        "ours",
        "over",
        "result",
        "skew_ms",
        "waiter",
        "work",
        "worker",
    )

    def __init__(self, engine: "Engine", name: str, work: Callable[[], Any], *, ours: bool) -> None:
        self.engine = engine
        self.name = name
        self.work = work
        self.ours = ours
        self.draws = Draws(engine.seed, name)
        self.worker: Worker | None = None
        self.skew_ms = 0
        self.calls = 0
        self.begun_ms = 0
        self.gone = False
        self.over = False
        self.result: Any = None
        self.failure: Exception | None = None
        self.waiter: Process | None = None
        self.done: Callable[[Process], None] | None = None

    def run(self) -> None:
        """Work to the end, or to death."""
        try:
            self.result = self.work()
        except Died:
            self.gone = True
        except Exception as exc:
            if not self.ours:
                self.over = True
                raise  # a person's doing has no excuse: the simulator itself is wrong
            self.failure = exc
        self.over = True
        if self.done is not None:
            self.done(self)
        if self.waiter is not None:
            waiter, self.waiter = self.waiter, None
            self.engine.at(self.engine.now_ms, waiter.resume)

    def begin(self) -> None:
        """Run on a stack of its own, until it first gives way."""
        idle = self.engine.idle
        self.worker = idle.pop() if idle else Worker(self.engine.hub, idle)
        self.worker.process = self
        self.resume()

    def resume(self) -> None:
        """Go on where it gave way, until it gives way again."""
        assert self.worker is not None
        self.engine.process = self
        self.worker.switch()
        self.engine.process = None

    def kill(self) -> None:
        """End it where it stands, if it has begun and is not over."""
        if self.worker is not None and self.worker.process is self and not self.worker.dead:
            self.gone = True
            self.engine.process = self
            self.worker.throw(Died)


class Worker(greenlet):
    """A stack that processes run on, one after another: a new one for each would be slow."""

    def __init__(self, hub: greenlet, idle: "list[Worker]") -> None:
        super().__init__(self._serve, hub)
        self.process: Process | None = None
        self._hub = hub
        self._idle = idle

    def _serve(self) -> None:
        while True:
            assert self.process is not None
            self.process.run()  # what it raises ends this worker, and is the hub's
            self.process = None
            self._idle.append(self)
            self._hub.switch()


_IDLE: Final[dict[greenlet, list[Worker]]] = {}
"""Workers without work, of each thread's main greenlet."""


class Engine:
    """The clock, the queue of what comes next, and the faults."""

    def __init__(
        self, seed: int, start_ms: int, mood: Mood, only: Collection[str] | None = None
    ) -> None:
        self.seed = seed
        self.now_ms = start_ms
        self.mood = mood
        self.only = only
        self.hub = getcurrent()
        self.idle = _IDLE.setdefault(self.hub, [])
        self.process: Process | None = None
        """The one that runs now; None between them."""
        self.calm_at_ms = start_ms
        self.lab_offset_ms = 0
        self.fences: tuple[int, ...] = ()
        """When days are closed."""
        self.hot: tuple[tuple[int, int], ...] = ()
        self.faults: list[tuple[int, str, str]] = []
        self.steps = 0
        self.steps_max = 1 << 62
        self.exhausted: Callable[[], None] = lambda: None
        self.partitioned: Callable[[int], None] = lambda _: None
        self.names: dict[str, int] = {}
        self.note: Callable[[str], None] | None = None
        self._heap: list[tuple[int, int, Callable[..., Any], tuple[Any, ...]]] = []
        self._order = 0
        self._until_ms = start_ms
        self._begun: list[Process] = []

    # ── time ──────────────────────────────────────────────────────────────────────────────────

    def at(self, when_ms: int, do: Callable[..., Any], *args: Any) -> None:
        """Do something at a moment."""
        self._order += 1
        heapq.heappush(self._heap, (when_ms, self._order, do, args))

    def run(self, until_ms: int) -> None:
        """Let time pass until then."""
        heap, pop = self._heap, heapq.heappop
        self._until_ms = until_ms
        while heap and heap[0][0] <= until_ms:
            when, _, do, args = pop(heap)
            self.now_ms = max(self.now_ms, when)
            do(*args)
        self.now_ms = max(self.now_ms, until_ms)

    def pause(self, process: Process, ms: int) -> None:
        """Give way for a while; to nobody, when nothing else happens in that time."""
        then_ms = self.now_ms + ms
        heap = self._heap
        if then_ms <= self._until_ms and (not heap or then_ms < heap[0][0]):
            self.now_ms = then_ms
            return
        self._order += 1
        heapq.heappush(heap, (then_ms, self._order, process.resume, ()))
        self.hub.switch()
        if process.gone:
            raise Died

    def sleep(self, ms: int) -> None:
        """The current process waits."""
        if self.process is not None:
            self.pause(self.process, ms)

    # ── processes ─────────────────────────────────────────────────────────────────────────────

    def spawn(
        self, name: str, work: Callable[[], Any], delay_ms: int = 0, *, ours: bool = True
    ) -> Process:
        """Start a process; `ours` runs on a host of ours, with its clock and its faults."""
        n = self.names.get(name, 0) + 1
        self.names[name] = n
        process = Process(self, f"{name}#{n}", work, ours=ours)
        if ours and self.mood.skew_ms and self.now_ms < self.calm_at_ms:
            process.skew_ms = process.draws.below(2 * self.mood.skew_ms + 1) - self.mood.skew_ms
        self.at(self.now_ms + delay_ms, self._begin, process)
        return process

    def _begin(self, process: Process) -> None:
        self._begun.append(process)
        process.begun_ms = self.now_ms
        process.begin()

    def join(self, process: Process, within_ms: int) -> bool:
        """Wait for another process; False when it took longer than we wait."""
        me = self.process
        assert me is not None
        if not process.over:
            process.waiter = me
            self.at(self.now_ms + within_ms, self._tired, process, me)
            self.hub.switch()
        return process.over

    def _tired(self, process: Process, waiter: Process) -> None:
        if process.waiter is waiter:
            process.waiter = None
            waiter.resume()

    def outlived(self, life_max_ms: int) -> None:
        """End the current process if it is older than that, as Lambda does at the time-out."""
        process = self.process
        if process is not None and self.now_ms - process.begun_ms > life_max_ms:
            process.gone = True
            raise Died

    @property
    def lab_ms(self) -> int:
        """The lab's clock: real time, and what a developer added to it."""
        return self.now_ms + self.lab_offset_ms

    def wall_s(self) -> float:
        """The host's clock as the current process sees it."""
        skew_ms = self.process.skew_ms if self.process is not None else 0
        return (self.now_ms + skew_ms) / 1000

    def end(self) -> None:
        """Kill whatever still waits, so that nothing of this schedule lives on."""
        self._heap.clear()
        for process in self._begun:
            process.kill()
        self.process = None

    # ── calls ─────────────────────────────────────────────────────────────────────────────────

    def call(
        self,
        where: str,
        effect: Callable[[], Any],
        silence: Callable[[], Exception] | None = None,
        *,
        money: bool = False,
        late_max_ms: int = LATE_MS[-1],
    ) -> Any:
        """One call of the current process to the outside, with whatever befalls it.

        With `silence` the caller sends once and gets that when no answer comes; without, it is the
        AWS client, which sends again a few times.
        """
        process = self.process
        if process is None:
            return effect()
        if process.gone:
            raise Died
        self.steps += 1
        if self.steps > self.steps_max:
            self.exhausted()
        error: Exception | None = None
        for _ in range(1 if silence else SDK_TRIES):
            drawn = process.draws.bits()
            self.pause(process, 2 + (drawn & 63))
            process.calls += 1
            fault = self._fault(process, where, drawn, money=money)
            if fault is None:
                return effect()
            error = self._suffer(process, fault, effect, late_max_ms)
            if error is None:
                return effect()
            # One bad moment is over for the next try; a bad minute outlasts the client.
            if fault is Fault.CONFLICT or process.draws.chance(500):
                break
        assert error is not None
        raise silence() if silence else error

    def _fault(self, process: Process, where: str, drawn: int, *, money: bool) -> Fault | None:
        if self.now_ms >= self.calm_at_ms or not process.ours or len(self.faults) >= FAULTS_MAX:
            return None
        rate = self.mood.fault_per_mille
        if money and any(first <= self.now_ms <= last for first, last in self.hot):
            rate = max(rate, self.mood.aimed_per_mille)
        if (drawn >> 8) % 1000 >= rate:
            return None
        kinds = self.mood.kinds
        fault = kinds[(drawn >> 20) % len(kinds)]
        if fault is Fault.CONFLICT and "TransactWrite" not in where:
            fault = Fault.ANSWER_LOST
        if fault is Fault.THROTTLE and not where.startswith("dynamodb"):
            fault = Fault.LOST
        label = f"{process.name}/{process.calls} {where}"
        if self.only is not None and label not in self.only:
            return None
        self.faults.append((self.now_ms, label, fault.value))
        if self.note:
            self.note(f"{fault.value}: {where} of {process.name}")
        return fault

    def _suffer(
        self, process: Process, fault: Fault, effect: Callable[[], Any], late_max_ms: int
    ) -> Exception | None:
        """Let a fault happen; the error the caller sees, or None when the call goes on after it."""
        if fault in {Fault.DIE_AFTER, Fault.ANSWER_LOST}:
            _quietly(effect)
        if fault in {Fault.DIE_BEFORE, Fault.DIE_AFTER}:
            process.gone = True
            raise Died
        if fault is Fault.CONFLICT:
            return _client_error("TransactionCanceledException", ("TransactionConflict",))
        if fault is Fault.THROTTLE:
            self.pause(process, 50)
            return _client_error("ProvisionedThroughputExceededException")
        return self._late(process, fault, effect, late_max_ms)

    def _late(
        self, process: Process, fault: Fault, effect: Callable[[], Any], late_max_ms: int
    ) -> Exception | None:
        delay_ms = min(self._delay(process), late_max_ms, max(1, self.calm_at_ms - self.now_ms))
        if self.mood.partitions:
            self.partitioned(delay_ms)
        if fault is Fault.FREEZE:
            self.pause(process, delay_ms)
            return None
        if fault is Fault.LATE:
            self.at(self.now_ms + delay_ms, _quietly, effect)
        self.pause(process, CLIENT_GIVES_UP_MS)
        if fault is Fault.LOST:
            return ConnectTimeoutError(endpoint_url="simulated")
        return ReadTimeoutError(endpoint_url="simulated")

    def _delay(self, process: Process) -> int:
        """Any time; in a partition as often as not until a little after the next fence."""
        if self.mood.partitions and process.draws.chance(500):
            ahead_ms = next((m - self.now_ms for m in self.fences if m > self.now_ms), DAY_MS)
            if ahead_ms < HOUR_MS:
                return ahead_ms + process.draws.below(ALIGNED_MS)
        longest = process.draws.pick(self.mood.delays_ms)
        return 1_000 + process.draws.below(longest)


def _quietly(effect: Callable[[], Any]) -> None:
    """A write nobody hears the answer of."""
    with suppress(Exception):
        effect()


def _client_error(code: str, reasons: tuple[str, ...] = ()) -> ClientError:
    answer: Any = {"Error": {"Code": code, "Message": "simulated"}}
    if reasons:
        answer["CancellationReasons"] = [{"Code": reason} for reason in reasons]
    return ClientError(answer, "Simulated")
