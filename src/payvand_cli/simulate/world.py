"""One schedule's world: the product's own handlers on simulated doors, and who uses them."""

import datetime as dt
import json
import os
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from types import SimpleNamespace
from typing import Any, Final, cast

from botocore.exceptions import ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as NoConnection

from functions.announce import handler as announce
from functions.merchant_notify import handler as notify
from functions.merchant_notify.send import Try
from functions.payment_init import create
from functions.payment_timer import handler as timer
from functions.payment_verify import handler as verify
from functions.payout import handler as payout
from functions.payout_file import handler as payout_file
from functions.psp_callback import handler as callback
from functions.reconcile import handler as reconcile
from functions.refund import give_back
from functions.refund import handler as refund
from functions.settle import handler as settle
from functions.settle import reading
from payvand import calendar, pages, resolve
from payvand.bank.doors import Doors
from payvand.edge import log
from payvand.edge.api import Request, Response
from payvand.edge.queue import Queues
from payvand.edge.wiring import Wiring, wiring
from payvand.errors import Overtaken, Refusal, Silence, Skewed
from payvand.ids import Mode, PaymentId
from payvand.merchant import Merchant
from payvand.store import merchants, webhooks
from payvand.store.clock import Clock
from payvand.store.payments import Payments
from payvand.store.payout_files import PayoutFiles
from payvand.store.reconciliations import Reconciliations
from payvand.store.settlements import Settlements
from payvand.store.table import Table, item_to_wire
from payvand.store.tasks import Tasks
from payvand_cli import cloudformation, paths
from payvand_cli.reconcile import Refused
from payvand_cli.simulate import aws
from payvand_cli.simulate.book_rules import BookRules
from payvand_cli.simulate.engine import HOUR_MS, Draws, Engine, Mood, Process
from payvand_cli.simulate.file_bank import FileBank
from payvand_cli.simulate.file_rules import FileRules
from payvand_cli.simulate.memory import KeySchema, Memory
from payvand_cli.simulate.parties import (
    Session,
    SimulatedBank,
    SimulatedChannel,
    notice_body,
    traits,
)
from payvand_cli.simulate.rules import OPEN, RuleBroken, Rules, hold
from payvand_cli.simulate.statements import Statements

BASE: Final = "https://pay.example"
GATEWAY_MS: Final = 29_000
STEPS_MAX: Final = 100_000
"""Calls of one schedule; some 200 are usual, 30,000 were seen. What makes more never ends."""
PAGE_ITEMS: Final = (2, 3, 100)
"""Items of a page of the store: small ones, so that reading goes on over several."""
SHEETS: Final = ((1, 1), (2, 2), (reading.SHEET_LINES, 1), (reading.SHEET_LINES, 1))
"""Lines of a sheet and sheets of a turn: small ones, so that a day is big."""
FILE_TICKS_MS: Final = tuple(
    minutes * 60_000 for minutes in (52, 58, 90, 5 * 60, 15 * 60 + 35, 20 * 60)
)
"""From a cut-off on: those of the quarter-hourly ticks that have something to do, or may have."""
PARTITION_MAX_MS: Final = 3_600_000
LATE_PER_MILLE: Final = 60
LATE_MS: Final = 9 * 24 * HOUR_MS
"""A statement so much later is of days no run reads again."""
TEST_SLICE_S: Final = 900
_LOGICAL: Final = re.compile(r"(?<!^)(?=[A-Z])")
_SECRET_IDS: Final = {"test": "test", "live": "live"}
_EXPECTED: Final = (
    Refusal,
    Overtaken,
    Skewed,
    Silence,
    HTTPClientError,
    NoConnection,
    resolve.TakenByAnother,
    log.Failed,
)
"""What product code may end with when the outside misbehaves. Anything else is a finding."""


# ── what the template says ────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Deployed:
    """Tables and queues as the templates declare them, by the names the environment gives."""

    tables: Mapping[str, KeySchema]
    queues: Mapping[str, aws.QueueTraits]


@cache
def deployed() -> Deployed:
    """Read both templates once."""
    resources: dict[str, Any] = {}
    for path in filter(None, (paths.data_beside(paths.TEMPLATE), paths.TEMPLATE)):
        resources |= cloudformation.read(path.read_text())["Resources"]
    tables, queues = {}, {}
    for name, resource in resources.items():
        properties = resource.get("Properties", {})
        if resource["Type"] == "AWS::DynamoDB::Table":
            keys = {k["KeyType"]: k["AttributeName"] for k in properties["KeySchema"]}
            tables[short(name, "Table")] = KeySchema(keys["HASH"], keys.get("RANGE"))
        elif resource["Type"] == "AWS::SQS::Queue" and "RedrivePolicy" in properties:
            most = properties["RedrivePolicy"]["maxReceiveCount"]
            queues[short(name, "Queue")] = aws.QueueTraits(properties["VisibilityTimeout"], most)
    return Deployed(tables, queues)


def short(logical: str, kind: str) -> str:
    """PaymentsTable → payments."""
    return _LOGICAL.sub("_", logical.removesuffix(kind)).lower()


# ── the doors ─────────────────────────────────────────────────────────────────────────────────


@cache
def doors() -> Wiring:
    """The product's wiring with every door to the outside still open; schedules fill them."""
    names = {f"{name.upper()}_TABLE": name for name in deployed().tables}
    names |= {f"{name.upper()}_QUEUE": name for name in deployed().queues}
    kept = dict(os.environ)
    os.environ.update(
        names,
        BUS="bus",
        FILES_BUCKET="files",
        WEBHOOK_SECRET="webhook",  # noqa: S106 - a name
        PUBLIC_BASE_URL=BASE,
        TEST_TIMER_SLICE_S=str(TEST_SLICE_S),
    )
    wiring.cache_clear()
    live = wiring()
    os.environ.clear()
    os.environ.update(kept)
    _silence()
    return live


def _silence() -> None:
    """Log lines and pages go nowhere; errors are looked at."""

    def nothing(*_: object, **__: object) -> None:
        return None

    for name in ("begin", "end", "note", "metric"):
        setattr(log, name, nothing)
    blank = pages.Html("", {})
    for name in ("checkout", "handover", "outcome", "problem"):
        setattr(pages, name, lambda *_, **__: blank)


class _Secrets:
    """What product code takes `os` and `secrets` for, drawn from the running process."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def urandom(self, n: int) -> bytes:
        """Random bytes."""
        return self._draws().token(n)

    def token_hex(self, n: int) -> str:
        """The same in hexadecimal."""
        return self._draws().token(n).hex()

    def _draws(self) -> Draws:
        process = self._engine.process
        return process.draws if process else Draws(self._engine.seed, "hub")


class _Channels:
    """payvand.edge.secrets.Channels: a channel by mode, name and credentials."""

    def __init__(self, channels: Mapping[str, SimulatedChannel]) -> None:
        self._channels = channels

    def get(self, mode: Mode, name: str, credentials: str = "default") -> SimulatedChannel:
        del mode, credentials
        return self._channels[name]


_CURRENCIES: Final = calendar.currencies


def _of_files(hold_days: int) -> Callable[[], dict[str, calendar.Currency]]:
    """The calendar of a world whose rial leaves in files; it has no other currency."""
    rial = _CURRENCIES()["IRR"]
    profiles = tuple(replace(p, door="csv", hold_days=hold_days) for p in rial.profiles)
    found = {"IRR": replace(rial, profiles=profiles)}
    return lambda: found


class _Secret:
    """payvand.edge.secrets.Secrets, as far as webhooks need it."""

    @staticmethod
    def text(secret_id: str) -> str:
        del secret_id
        return "0" * 64


@dataclass(frozen=True, slots=True)
class ByFile:
    """How payouts leave in files of many."""

    hold_days: int
    known_from_ms: int
    """When an operator has said which bank it is."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How big one schedule is, and what kind of shops live in it."""

    mode: Mode
    shops: tuple[Merchant, ...]
    channels: tuple[str, ...]
    start_ms: int
    busy_until_ms: int
    told: bool
    """Whether the bus has its rule, and the first shop a webhook endpoint."""
    edge: bool
    """Whether everything happens around the cut-offs."""
    by_file: ByFile | None = None
    """None: each payout is a file of its own."""
    reconciled: bool = False
    rivals: bool = False
    """Whether somebody keeps a table of the bank account."""


class World:
    """Everything of one schedule."""

    def __init__(
        self, seed: int, mood: Mood, shape: Shape, only: Collection[str] | None = None
    ) -> None:
        self.seed, self.shape = seed, shape
        self.engine = engine = Engine(seed, shape.start_ms, mood, only)
        engine.calm_at_ms = shape.busy_until_ms
        self.wished: tuple[str, ...] = ()
        self.objects: dict[str, bytes] = {}
        known = {name: traits(name) for name in shape.channels}
        if shape.rivals:
            rough: dict[str, Any] = {"reverses": False, "refund_keys": False, "tells_twice": True}
            known = {name: replace(trait, **rough) for name, trait in known.items()}
        self.channels = {name: SimulatedChannel(trait, engine) for name, trait in known.items()}
        files = FileBank(engine, self.objects, shape.mode) if shape.by_file else None
        self.bank = files or SimulatedBank(engine, self.objects)
        self.rules = Rules(engine, self.channels, self.bank, self.objects)
        self.files = self.rules.files = FileRules(self.rules, files)
        self.statements = Statements(self) if shape.reconciled else None
        if self.statements is not None:
            self.bank.moved = self.statements.moved
            self.rules.books = BookRules(self.rules, self.statements)
        self.memory = Memory(
            deployed().tables,
            now=lambda: engine.now_ms / 1000,
            page_items=Draws(seed, "pages").pick(PAGE_ITEMS),
            on_write=self._wrote,
        )
        self.queues = aws.Queues(engine, deployed().queues, WORKERS)
        self.streams = aws.Streams(engine, announce.lambda_handler)
        self.queues.failed = self.streams.failed = self.judge
        self._open_doors()
        engine.steps_max, engine.exhausted = STEPS_MAX, self._exhausted
        for channel in self.channels.values():
            channel.notify = self._notice
            channel.gave_back = self._gave_back_by_itself
            channel.booked = partial(self._is_booked, channel.name)
        self.handed: set[str] = set()
        self.callers = {shop.id: self._caller(shop) for shop in shape.shops}

    def _open_doors(self) -> None:
        engine, live = self.engine, doors()
        dynamo: Any = aws.Dynamo(engine, self.memory, self.rules.committed)

        def table(name: str) -> Table:
            return Table(dynamo, name, sleep=lambda s: engine.sleep(int(s * 1000)))

        def monotonic() -> float:
            return engine.now_ms / 1000

        files = aws.Files(engine, self.objects)
        files.written = self._file_written
        self.payments = Payments(table("payments"), table("references"), table("settlement"))
        self.merchants = merchants.Merchants(table("merchants"), table("keys"), monotonic)
        self.webhooks = webhooks.WebhookStore(table("webhooks"))
        queues: Any = self.queues
        self.desk = desk(table("settlement"), self.payments, files, queues)
        given: dict[str, Any] = {
            "clock": Clock(table("lab"), engine.wall_s),
            "payments": self.payments,
            "settlements": Settlements(
                table("settlement"), self.payments, cast("Any", files), "f", monotonic
            ),
            "merchants": self.merchants,
            "webhooks": self.webhooks,
            "tasks": Tasks(table("operations")),
            "payout_files": PayoutFiles(table("operations"), cast("Any", files), "f"),
            "doors": Doors(self._banks, _SECRET_IDS, cast("Any", files), cast("Any", None), "f"),
            "reconciliations": Reconciliations(
                table("settlement"), self.payments, cast("Any", files), "f"
            ),
            "queues": Queues(queues, TEST_SLICE_S),
            "events": aws.Bus(engine, self.queues, told=self.shape.told),
            "secrets": _Secret(),
            "channels": _Channels(self.channels),
            "vault": aws.Vault(),
            "webhook_allowed_hosts": frozenset(),
        }
        live.__dict__.update(given)
        by_file = self.shape.by_file
        vars(calendar)["currencies"] = _of_files(by_file.hold_days) if by_file else _CURRENCIES
        lines, turn = Draws(self.seed, "sheets").pick(SHEETS)
        vars(reading).update(SHEET_LINES=lines, SHEETS_A_TURN=turn)
        vars(create)["os"] = vars(give_back)["secrets"] = _Secrets(engine)
        vars(notify)["post"], vars(log)["error"] = self._deliver, self.judge
        for shop in self.shape.shops:
            self.put_shop(shop)
            if self.shape.told and shop.id == self.shape.shops[0].id:
                types = ("payment.executed.v1", "payment.refunded.v1", "payment.refused.v1")
                self.webhooks.put_endpoint(
                    webhooks.Endpoint("we_1", shop.id, self.shape.mode, f"{BASE}/hook", types)
                )

    def put_shop(self, shop: Merchant) -> None:
        """Store a merchant, past any fault."""
        self.memory.put_item(TableName="merchants", Item=item_to_wire(shop.to_item()))
        self.rules.minimum |= {book.key: shop.minimum_payout_minor for book in shop.books}
        if shop.refunds == "refuse":
            self.rules.never_in_debt |= {book.key for book in shop.books}

    def _banks(self, secret_id: str) -> Mapping[str, Any]:
        """The bank secret of a mode: empty until somebody filled it in."""
        del secret_id
        by_file = self.shape.by_file
        known = by_file is not None and self.engine.now_ms >= by_file.known_from_ms
        return {"IRR": {"debtor_iban": "IR00", "debtor_name": "us"}} if known else {}

    def _caller(self, shop: Merchant) -> Mapping[str, Any]:
        known = shop.to_item() | {"payees": []}
        scopes = "payments:read payments:write refunds:write"
        return {"merchant": json.dumps(known), "mode": self.shape.mode, "scopes": scopes}

    # ── what happens by itself ────────────────────────────────────────────────────────────────

    def _wrote(self, table: str, key: Any, old: Any, new: Any) -> None:
        if self.engine.note:
            self._tell(table, old, new)
        self.rules.wrote(table, key, old, new)
        if new is not None:
            self.streams.wrote(table, old, new)

    def _tell(self, table: str, old: Any, new: Any) -> None:
        """A line of the story for a change that matters."""
        if table not in aws.MONEY or new is None or self.engine.note is None:
            return
        name = new.get("id", new.get("sk"))["S"]
        parts = []
        for field in ("status", "closing", "through", "payout", "refunded", "state", "file"):
            was, now = (old or {}).get(field), new.get(field)
            if now is not None and now != was:
                parts.append(f"{field}={next(iter(now.values()))}")
        parts += [f"paying={part['M']['state']['S']}" for part in new.get("parts", {}).get("L", ())]
        if "legs" in new and "legs" not in (old or {}):
            parts.append("booked " + new["pk"]["S"].split("#")[1])
        who = self.engine.process
        by = f" by {who.name}" if who else ""
        if parts:
            self.engine.note(f"{name} {' '.join(parts)}{by}")

    def _file_written(self, key: str, content: bytes) -> None:
        if key.startswith("bank/out/csv/"):
            self.files.delivered(key.rpartition("/")[2], content)
            self.bank.saw(key, content)
            hold(not self.bank.differing, "7 paid once", f"{key}: two different files")
        elif key.startswith("bank/out/"):
            self.bank.saw(key, content)
            reference = key.removeprefix("bank/out/").removesuffix(".json")
            self.rules.ordered(reference, json.loads(content))

    def judge(self, exc: BaseException) -> None:
        """An error a function ended with: expected when the outside fails, else a finding."""
        if isinstance(exc, ClientError):
            code = exc.response["Error"]["Code"]
            known = code in {
                "ProvisionedThroughputExceededException",
                "TransactionCanceledException",
            }
            if known:
                return
        elif isinstance(exc, _EXPECTED):
            return
        raise RuleBroken("errors are classified", f"{type(exc).__name__}: {exc}") from exc

    def _is_booked(self, channel: str, receipt: str) -> bool:
        return (channel, receipt) in self.rules.receipts

    def _exhausted(self) -> None:
        left = self.rules.unfinished(self.handed) or "messages"
        raise RuleBroken("13 everything ends", f"after {STEPS_MAX} calls there is still: {left}")

    def _gave_back_by_itself(self, session: Session) -> None:
        """A channel waited its whole time for our verification: somebody must have been at it."""
        row = self.rules.payments.get(session.payment_id)
        if row is None or self.engine.mood.timers_lost_per_mille:
            return
        tokens = [attempt["t"] for attempt in row["att"]]
        if session.token not in tokens or (row["status"] not in OPEN and len(tokens) == 1):
            return
        if row.get("shut"):
            return
        watched = self.queues.waits_for(session.payment_id)
        hold(watched, "6 resolved in time", f"{session.payment_id}: taken, and nobody was to ask")

    def cut_off_channels(self, long_ms: int) -> None:
        """No channel is reached for a while: past a fence, but not for days."""
        until_ms = self.engine.now_ms + min(long_ms, PARTITION_MAX_MS)
        for channel in self.channels.values():
            channel.silent = (self.engine.now_ms, until_ms)

    def jump(self, seconds: int) -> None:
        """Move the lab's clock; it never goes back."""
        self.engine.lab_offset_ms += seconds * 1000
        item = {"pk": "clock", "sk": "clock", "offset_s": self.engine.lab_offset_ms // 1000}
        self.memory.put_item(TableName="lab", Item=item_to_wire(item))

    def _deliver(self, url: str, headers: Mapping[str, str], raw: bytes, allowed: object) -> Try:
        """A merchant's server, which is sometimes down."""
        del url, headers, allowed

        def answer() -> Try:
            self.rules.notified(json.loads(raw))
            calm = self.engine.now_ms >= self.engine.calm_at_ms
            process = self.engine.process
            down = process is not None and not calm and process.draws.chance(100)
            return Try(500 if down else 200)

        try:
            tried: Try = self.engine.call("merchant POST", answer, lambda: Silence("merchant"))
        except Silence:
            return Try(None, "time-out")
        return tried

    def _notice(self, session: Session, body: str, tries: int) -> None:
        channel = session_channel(self.channels, session)
        work = partial(self._tell_us, channel, session, body, tries)
        self.engine.spawn(f"notice {session.token}", work, 500, ours=False)

    def _tell_us(self, channel: SimulatedChannel, session: Session, body: str, tries: int) -> None:
        """A channel's server repeats itself until it is understood."""
        me = self.engine.process
        assert me is not None
        self.engine.sleep(me.draws.below(50 if channel.traits.tells_twice else 20_000))
        stale = me.draws.chance(300) or tries < 60
        for n in range(tries):
            silent_ms = channel.silent[1] - self.engine.now_ms
            if silent_ms > 0:
                self.engine.sleep(silent_ms)
            told = body if stale else notice_body(session)
            answer = self.http(
                callback.give_notice,
                "POST",
                {"channel": channel.name},
                query={"payment": session.payment_id},
                headers={"x-signature": channel.name},
                body=told.encode(),
                subject=session.token,
            )
            if answer is not None and answer.status == 200:
                self.rules.acknowledged(session, json.loads(told))
                return
            self.engine.sleep(min(3_600_000, 120_000 * (n + 1)) + me.draws.below(60_000))

    # ── calling the product ───────────────────────────────────────────────────────────────────

    def http(
        self,
        handle: Callable[[Request], Response],
        method: str,
        path: Mapping[str, str],
        *,
        shop: str | None = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        subject: str = "",
    ) -> Response | None:
        """One request; None when no answer came (the function died, or took too long)."""
        request = Request(
            method=method,
            path=path,
            query=query or {},
            headers=headers or {},
            body=body,
            base_url=BASE,
            request_id="req",
            authorizer=self.callers[shop] if shop else None,
        )
        process = self.engine.spawn(f"{handle.__name__} {subject}", partial(handle, request))
        if not self.engine.join(process, GATEWAY_MS) or process.gone:
            return None
        if process.failure is not None:
            self.judge(process.failure)
            if isinstance(process.failure, Refusal):
                return Response(process.failure.status, process.failure.code)
            return Response(503)
        answer: Response = process.result
        return answer

    # ── the end ───────────────────────────────────────────────────────────────────────────────

    def run(self, days: list[dt.date]) -> None:
        """The whole schedule: its busy days, then calm ones until nothing is left to do.

        Raises RuleBroken.
        """
        for day in days:
            ends = int(calendar.cut_off(day, "IRR").timestamp() * 1000)
            self.engine.at(ends, self.queues.put, "settle", json.dumps({"currency": "IRR"}), 0)
            if self.shape.by_file:
                self._tick_files(ends)
        self.engine.run(self.shape.busy_until_ms)
        for channel in self.channels.values():
            channel.silent = (0, 0)
        left = "nothing ran"
        for day in days:
            ends = int(calendar.cut_off(day, "IRR").timestamp() * 1000) + 2 * 3_600_000
            if ends <= self.shape.busy_until_ms:
                continue
            self.queues.redrive()
            self.engine.run(ends)
            left = self._left()
            if left == "" and self.statements is not None and self.statements.all_in is None:
                left = self._reconcile_all()
            if left == "":
                break
        hold(left == "", "13 everything ends", left)
        self.rules.at_the_end()
        self._told()

    def _reconcile_all(self) -> str:
        """Hand in the last statement, now or much later; what is not over after it."""
        assert self.statements is not None
        if Draws(self.seed, "last statement").chance(LATE_PER_MILLE):
            self.engine.run(self.engine.now_ms + LATE_MS)
        self.statements.hand_in_all()
        self.engine.run(self.engine.now_ms + HOUR_MS)
        return self._left()

    def tick_books(self) -> None:
        """What the schedule of reconciliation sends every morning."""
        self.queues.put("reconcile", json.dumps({"tick": True}), 0)

    def by_hand(self, name: str, work: Callable[[], Any], delay_ms: int = 0) -> None:
        """Something a person does from a host of ours, which may fail between two steps."""

        def judged(process: Process) -> None:
            if process.failure is not None and not isinstance(process.failure, Refused):
                self.judge(process.failure)

        self.engine.spawn(name, work, delay_ms).done = judged

    def _tick_files(self, cut_off_ms: int) -> None:
        """What the schedule of payout files sends: a tick, or what one before it sent; or two."""
        draws = Draws(self.seed, f"ticks {cut_off_ms}")
        lane = f"{self.shape.mode}.IRR.csv"
        for after_ms in FILE_TICKS_MS:
            at_ms = cut_off_ms + after_ms + draws.below(6 * 60_000)
            for _ in range(1 + draws.chance(250)):
                message = {"tick": True} if draws.chance(300) else {"lane": lane}
                self.engine.at(at_ms, self._tick_file, message, draws.chance(100))
                at_ms += draws.below(draws.pick((300, 20_000)))

    def _tick_file(self, message: Mapping[str, Any], idle: bool) -> None:  # noqa: FBT001
        """One of them; most that would find nothing are left out, for speed."""
        if idle or self.files.stirs():
            self.queues.put("payout_file", json.dumps(message), 0)

    def counts(self) -> dict[str, int]:
        """What there was in this schedule."""
        found = {"seals": sum(map(len, self.rules.seals.values()))}
        found["refunds"] = sum(len(row["refunds"]) for row in self.rules.payments.values())
        found["payouts"] = len(self.bank.transfers)
        found["payout files"] = len(self.files.contents)
        found["tasks"] = len(self.files.tasks.keys() | self.files.done.keys())
        found["booked late"] = sum(id.startswith("x:") for id in self.rules.postings)
        if self.rules.books is not None:
            found["links"] = len(self.rules.books.chain)
            found["matched or ended"] = len(self.rules.books.decided)
            found["words"] = len(self.rules.books.words)
        for row in self.rules.payments.values():
            found[row["status"]] = found.get(row["status"], 0) + 1
        return found

    def _left(self) -> str:
        left = self.rules.unfinished(self.handed) or self.files.unfinished()
        told = self.statements is not None and self.statements.all_in is not None
        if left is None and told and self.rules.books is not None:
            left = self.rules.books.unfinished()
        if left is None and (self.queues.live or self.queues.dead):
            about = next(iter([*self.queues.live.values(), *self.queues.dead]))
            if about.queue not in {"settle", "payout_file"} or about in self.queues.dead:
                left = f"a message about {about.subject} in {about.queue}"
        return left or ""

    def _told(self) -> None:
        """At least one message about each executed payment of the shop that asked for them."""
        for id, row in self.rules.payments.items():
            if row["status"] == "executed" and self._asked(id):
                told = self.rules.told_types.get(id, set())
                hold(
                    "payment.executed.v1" in told, "11 told after the commit", f"{id}: nobody told"
                )

    def _asked(self, id: str) -> bool:
        return self.shape.told and PaymentId.parse(id).book.merchant_id == self.shape.shops[0].id


def desk(table: Table, payments: Payments, files: aws.Files, queues: aws.Queues) -> Any:
    """The doors of an operator's host (payvand_cli.doors.Doors), on the simulated services."""
    outputs = {"FilesBucket": "f", "ReconcileQueue": "reconcile"}
    stack = SimpleNamespace(outputs=outputs, s3=files, sqs=queues)
    return SimpleNamespace(stack=stack, payments=payments, table=lambda _: table)


def session_channel(channels: Mapping[str, SimulatedChannel], session: Session) -> SimulatedChannel:
    """Where a session lives."""
    return next(c for c in channels.values() if session.token in c.sessions)


WORKERS: Final[Mapping[str, Callable[[dict[str, Any], Any], Any]]] = {
    "verify": verify.lambda_handler,
    "timer": timer.lambda_handler,
    "refund": refund.lambda_handler,
    "settle": settle.lambda_handler,
    "payout": payout.lambda_handler,
    "payout_file": payout_file.lambda_handler,
    "reconcile": reconcile.lambda_handler,
    "notify": notify.lambda_handler,
}
