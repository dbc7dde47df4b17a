"""The deployed stack in one process, on a clock set by hand, where any call out can fail.

Tables, routes, queues and their workers come from the templates; handlers, domain and stores are
the product's own; AWS is moto, the outside parties are the lab. Each call that leaves a function
(AWS or HTTP) passes `World.leaving`, which counts it and, when asked, breaks it: the process dies
before or after the call, or its request or its answer is lost. Queues redeliver as SQS does.
"""

import dataclasses
import datetime as dt
import importlib
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from email.utils import format_datetime
from enum import StrEnum
from functools import cache
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import boto3
from botocore.exceptions import ConnectTimeoutError, ReadTimeoutError
from moto import mock_aws
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.dynamodb.models import dynamodb_backends

from functions.lab import handler as lab_handler
from functions.lab.clock import Clock as LabClock
from functions.lab.store import Store as LabStore
from functions.lab.world import Bucket
from functions.lab.world import World as LabWorld
from functions.merchant_notify import handler as notify_handler
from functions.merchant_notify.send import Try
from payvand import calendar, ledger
from payvand.edge.api import SCOPES
from payvand.edge.queue import Queues
from payvand.edge.secrets import Channels
from payvand.edge.wiring import Wiring, wiring
from payvand.errors import Silence
from payvand.ids import MODES, Book, Mode, PaymentId, merchant_id
from payvand.merchant import Contract, Merchant, Payee
from payvand.payment import Payment
from payvand.settlement import Lines, Seal, follows
from payvand.store.clock import Clock
from payvand.store.merchants import ApiKey, Merchants
from payvand.store.payments import Payments
from payvand.store.settlements import Settlements, Volume
from payvand.store.table import Table
from payvand_cli.seed import iban
from tests.support import template

BASE: Final = "https://pay.example"
START: Final = dt.datetime(2026, 5, 4, 8, 30, tzinfo=dt.UTC)
"""A Monday, noon in Tehran."""
REGION: Final = "us-east-1"
MERCHANT: Final = merchant_id(4_711)
OTHER: Final = merchant_id(4_712)
IBAN: Final = iban("0170000000123456789088")


class Died(BaseException):
    """The process is gone: nothing catches this."""


class Fault(StrEnum):
    """How one call to the outside goes wrong."""

    DIE_BEFORE = "die_before"
    DIE_AFTER = "die_after"
    LOST = "lost"  # the request never arrived
    ANSWER_LOST = "answer_lost"  # it arrived and took effect


@dataclasses.dataclass
class Call:
    """One call that left a function, and the units it wrote (a refused write is billed, too)."""

    service: str
    operation: str
    write_units: int = 0

    @property
    def name(self) -> str:
        return f"{self.service}.{self.operation}"


@dataclasses.dataclass
class Message:
    body: str
    visible_at: dt.datetime
    receipt: str
    tries: int = 0


@dataclasses.dataclass(frozen=True)
class Got:
    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode()


class _Context:
    """What Lambda hands a handler beside the event."""

    memory_limit_in_mb = 512
    invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:x"
    aws_request_id = "00000000-0000-0000-0000-000000000000"

    def __init__(self, name: str) -> None:
        self.function_name = name


@cache
def _raw(service: str) -> Any:
    """A client nobody breaks; kept, because making one takes longer than a test."""
    return boto3.client(service, region_name=REGION)  # type: ignore[call-overload]


class _Watched:
    world: "World"


_watched = _Watched()


def _before(**call: Any) -> None:
    _watched.world._before(**call)


def _after(**call: Any) -> None:
    _watched.world._after(**call)


@cache
def _broken(service: str) -> Any:
    """A client whose calls pass the current world."""
    client = boto3.client(service, region_name=REGION)  # type: ignore[call-overload]
    client.meta.events.register("before-call.*", _before)
    client.meta.events.register("after-call.*", _after)
    return client


class World:
    """Everything. Use `running_world()`."""

    def __init__(self) -> None:
        self.now = START
        self.calls: list[Call] = []
        self.queues: dict[str, list[Message]] = {}
        self.dead: dict[str, list[Message]] = {}
        self.plan: dict[int, Fault] = {}
        self.watching = True
        self.slept: list[float] = []
        self.server_skew_s = 0
        self.webhooks: list[tuple[str, Mapping[str, str], bytes]] = []
        self.webhook_answer: Callable[[], Try] = lambda: Try(200)
        self.events: list[dict[str, Any]] = []
        self._stream_at: dict[str, int] = {}
        self._fresh_receipt = 0
        self._account()
        self._environment()
        self.live = self._wiring()
        self.lab = self._lab()
        setattr(notify_handler, "post", self._deliver)  # noqa: B010 - its way out

    # ── building ──────────────────────────────────────────────────────────────────────────────

    def _account(self) -> None:
        self.raw = {name: _raw(name) for name in ("dynamodb", "s3", "kms", "secretsmanager")}
        for name, p in template.resources("AWS::DynamoDB::Table").items():
            stream = p.get("StreamSpecification")
            extra = {"StreamSpecification": {"StreamEnabled": True, **stream}} if stream else {}
            self.raw["dynamodb"].create_table(
                TableName=name,
                AttributeDefinitions=p["AttributeDefinitions"],
                KeySchema=p["KeySchema"],
                BillingMode=p["BillingMode"],
                **extra,
            )
        for name in template.resources("AWS::SQS::Queue"):
            (self.dead if name.endswith("DeadQueue") else self.queues)[name] = []
        self.raw["s3"].create_bucket(Bucket="filesbucket")
        self.key_id = self.raw["kms"].create_key()["KeyMetadata"]["KeyId"]
        for name in template.resources("AWS::SecretsManager::Secret"):
            self.raw["secretsmanager"].create_secret(Name=name, SecretString="0" * 64)

    def _environment(self) -> None:
        """One environment that holds every variable any function gets."""
        special = {"FILES_BUCKET": "filesbucket", "DATA_KEY": self.key_id, "BUS": "Bus"}
        names = {
            variable
            for p in template.functions().values()
            for variable in p.get("Environment", {}).get("Variables", {})
        }
        for variable in names:
            logical = "".join(part.capitalize() for part in variable.split("_"))
            os.environ[variable] = special.get(variable, logical)
        os.environ["PUBLIC_BASE_URL"] = BASE
        os.environ["TEST_TIMER_SLICE_S"] = "900"
        os.environ["WEBHOOK_ALLOWED_HOSTS"] = "pay.example"

    def _wiring(self) -> Wiring:
        wiring.cache_clear()
        live = wiring()
        live.client = self._client  # type: ignore[method-assign]
        live.__dict__["clock"] = Clock(live.table("LAB_TABLE"), self._wall)
        live.__dict__["queues"] = Queues(_Sqs(self), 900)  # type: ignore[arg-type]
        live.__dict__["events"] = _Bus(self)
        ids: dict[Mode, str] = {mode: live.env[f"CHANNEL_SECRET_{mode.upper()}"] for mode in MODES}
        live.__dict__["channels"] = Channels(live.secrets, ids, _Outside(self))
        return live

    def _client(self, service: str) -> Any:
        _watched.world = self
        return _broken(service)

    def _lab(self) -> LabWorld:
        dynamodb: Any = self.raw["dynamodb"]
        return LabWorld(
            store=LabStore(dynamodb, "LabTable"),
            clock=LabClock(dynamodb, "LabTable", self._moment),
            files=Bucket(self.raw["s3"], "filesbucket"),
            http=_Inside(self),
            sleep=self._sleep,
            public_base=BASE,
            controls_open=True,
        )

    def _wall(self) -> float:
        return self.now.timestamp()

    def _moment(self) -> dt.datetime:
        return self.now

    def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    # ── faults and counting ───────────────────────────────────────────────────────────────────

    def leaving(self, service: str, operation: str) -> Fault | None:
        """A call is about to leave: count it, and say how it will fail, if it will."""
        if not self.watching:
            return None
        self.calls.append(Call(service, operation))
        fault = self.plan.get(len(self.calls) - 1)
        if fault is Fault.DIE_BEFORE:
            raise Died(f"before {service}.{operation}")
        return fault

    def _before(self, model: Any, params: Any, **_: Any) -> None:
        service = model.service_model.service_name
        fault = self.leaving(service, model.name)
        if fault is Fault.LOST:
            raise ConnectTimeoutError(endpoint_url=f"https://{service}")
        self._pending = (fault, params.get("body", b""))

    def _after(self, parsed: Any, model: Any, **_: Any) -> None:
        at = self.now + dt.timedelta(seconds=self.server_skew_s)
        parsed["ResponseMetadata"]["HTTPHeaders"]["date"] = format_datetime(at, usegmt=True)
        if not self.watching:
            return
        service = model.service_model.service_name
        fault, body = self._pending
        if service == "dynamodb" and "Error" not in parsed:
            self.calls[-1].write_units = _write_units(model.name, json.loads(body))
        if fault is Fault.DIE_AFTER:
            raise Died(f"after {service}.{model.name}")
        if fault is Fault.ANSWER_LOST:
            raise ReadTimeoutError(endpoint_url=f"https://{service}")

    @contextmanager
    def unwatched(self) -> Iterator[None]:
        """Look without being counted or broken."""
        before, self.watching = self.watching, False
        try:
            yield
        finally:
            self.watching = before

    @contextmanager
    def counted(self) -> Iterator[list[Call]]:
        """The calls made inside."""
        start = len(self.calls)
        seen: list[Call] = []
        yield seen
        seen += self.calls[start:]

    # ── actors ────────────────────────────────────────────────────────────────────────────────

    def add_merchant(self, id: str = MERCHANT, **changes: Any) -> dict[Mode, str]:
        """A merchant with both channels; its keys by mode."""
        with self.unwatched():
            fields: dict[str, Any] = {
                "id": id,
                "name": "فروشگاه نمونه",
                "since": START.date() - dt.timedelta(1),
                "contracts": (Contract("zarinpal"), Contract("noticebank")),
                "modes": MODES,
                "payees": (self.payee(IBAN, id),),
            }
            store = Merchants(self._raw_table("MerchantsTable"), self._raw_table("KeysTable"))
            store.put(Merchant(**(fields | changes)))
            keys: dict[Mode, str] = {}
            for mode in MODES:
                keys[mode] = f"pv_{mode}_{id[4:]}{'k' * 40}"
                store.put_key(
                    keys[mode], ApiKey(id, mode, SCOPES, revoked=False, expires_at_ms=None)
                )
        return keys

    def payee(self, account: str, id: str = MERCHANT, **terms: int) -> Payee:
        """An account of a merchant."""
        sealed = self.live.vault.seal(account.encode(), id)
        return Payee(sealed, account[-4:], "فروشگاه نمونه", **terms)

    def open_channels(self) -> None:
        """Contracts with the lab's parties, in both modes."""
        shop = self.lab_call("POST", "/lab/noticebank/shops", b"{}").json()
        uuid = "5f0c1a4e-8c52-4d0e-9a53-0a5f5c1f7a01"
        value = {
            "zarinpal": {
                "default": {
                    "api_url": f"{BASE}/lab/zarinpal",
                    "graphql_url": f"{BASE}/lab/zarinpal/api/v4/graphql/",
                    "merchant_id": uuid,
                    "access_token": f"lab-{uuid}",
                }
            },
            "noticebank": {"default": {"api_url": f"{BASE}/lab/noticebank", **shop}},
        }
        for name in ("ChannelSecretTest", "ChannelSecretLive"):
            self.raw["secretsmanager"].put_secret_value(
                SecretId=name, SecretString=json.dumps(value)
            )

    def call(
        self,
        method: str,
        url: str,
        body: Any = None,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Got:
        """One request at the API's door: a JSON body (dict), a form or raw bytes."""
        parts = urlsplit(url)
        route, path_parameters = _match(method, parts.path)
        sent = {k.lower(): v for k, v in (headers or {}).items()}
        context: dict[str, Any] = {"requestId": "req-1", "stage": "v1", "domainName": "x.example"}
        if key is not None:
            sent["authorization"] = f"Bearer {key}"
        if not route.public:
            context["authorizer"] = self._authorize(sent)
        raw = json.dumps(body) if isinstance(body, (dict, list)) else body
        pairs = parse_qsl(parts.query, keep_blank_values=True)
        event = {
            "httpMethod": method,
            "resource": route.path,
            "path": parts.path,
            "pathParameters": path_parameters,
            "queryStringParameters": dict(pairs) or None,
            "multiValueQueryStringParameters": _multi(pairs) or None,
            "headers": sent,
            "body": raw.decode("utf-8", "surrogatepass") if isinstance(raw, bytes) else raw,
            "isBase64Encoded": False,
            "requestContext": context,
        }
        answer = self.invoke(route.function, event)
        return Got(answer["statusCode"], answer["headers"], answer["body"].encode())

    def _authorize(self, headers: Mapping[str, str]) -> dict[str, Any]:
        event = {"headers": dict(headers), "methodArn": "arn:aws:execute-api:r:a:api/v1/GET/x"}
        with self.unwatched():
            found: dict[str, Any] = self.invoke("Authorize", event)["context"]
        return found

    def invoke(self, function: str, event: dict[str, Any]) -> Any:
        """Wake a function."""
        module = importlib.import_module(f"functions.{template.folder(function)}.handler")
        return module.lambda_handler(event, _Context(function))

    def lab_call(
        self, method: str, url: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Got:
        """One request at the lab's door."""
        parts = urlsplit(url)
        event = {
            "httpMethod": method,
            "path": parts.path,
            "queryStringParameters": dict(parse_qsl(parts.query)) or None,
            "headers": dict(headers or {}),
            "body": body.decode() or None,
            "isBase64Encoded": False,
            "requestContext": {"stage": "v1", "domainName": "x.example", "path": parts.path},
        }
        self.slept = []
        answer = lab_handler.answer(event, self.lab)
        return Got(answer["statusCode"], answer["headers"], answer["body"].encode())

    def browse(self, method: str, url: str, form: Mapping[str, str] | None = None) -> Got:
        """The payer's browser: any page of ours or the lab's, redirects followed within them."""
        from urllib.parse import urlencode

        for _ in range(10):
            body = urlencode(form).encode() if form is not None else b""
            got = (
                self.lab_call(
                    method, url, body, {"content-type": "application/x-www-form-urlencoded"}
                )
                if urlsplit(url).path.startswith("/lab")
                else self.call(method, url, body)
            )
            where = {k.lower(): v for k, v in got.headers.items()}.get("location")
            if where is None or not where.startswith(BASE):
                return got
            method, url, form = "GET", where, None
        raise AssertionError("redirects without end")

    def submit(self, page: Got, selector: str) -> Got:
        """Submit the form with this id or channel, as found on a page."""
        pattern = rf'<form[^>]*(?:id|data-channel)="?{selector}"?.*?</form>'
        match = re.search(pattern, page.text, re.DOTALL)
        assert match is not None, f"no form {selector} on: {page.text[:400]}"
        action = re.search(r'action="([^"]*)"', match[0])
        assert action is not None
        fields = dict(re.findall(r'name="([^"]+)"[^>]*value="([^"]*)"', match[0]))
        where = action[1].replace("&amp;", "&")
        return self.browse("POST", where if where.startswith("http") else BASE + where, fields)

    def go_to_bank(self, payment: Mapping[str, Any], channel: str = "zarinpal") -> Got:
        """From checkout_url to the bank's page."""
        page = self.browse("GET", payment["checkout_url"])
        if f'data-channel="{channel}"' in page.text:
            page = self.submit(page, channel)
        return self.submit(page, "handover") if 'id="handover"' in page.text else page

    def pay(
        self, payment: Mapping[str, Any], channel: str = "zarinpal", button: str = "pay"
    ) -> Got:
        """The payer goes to the bank and presses a button; comes back to the merchant."""
        return self.submit(self.go_to_bank(payment, channel), button)

    # ── time and messages ─────────────────────────────────────────────────────────────────────

    def later(self, **delta: float) -> None:
        """Let time pass."""
        self.now += dt.timedelta(**delta)

    def until_closed(self, day: dt.date | None = None) -> dt.date:
        """Let time pass until a day (today's by default) may be sealed; that day."""
        day = day or calendar.label(self.now, "IRR")
        self.now = max(self.now, calendar.settles_at(day, "IRR") + dt.timedelta(seconds=1))
        return day

    def deliver(self, *only: str) -> int:
        """Hand every visible message to its worker, once; how many were handed over."""
        done = 0
        workers = template.queue_workers()
        self.relay()
        for queue in only or tuple(workers):
            function, size = workers[queue]
            ready = [m for m in self.queues[queue] if m.visible_at <= self.now]
            for start in range(0, len(ready), size):
                self._hand(queue, function, ready[start : start + size])
                done += 1
            self.relay()
        return done

    def _hand(self, queue: str, function: str, batch: list[Message]) -> None:
        properties = template.resources("AWS::SQS::Queue")[queue]
        for message in batch:
            message.tries += 1
            message.visible_at = self.now + dt.timedelta(seconds=properties["VisibilityTimeout"])
        records = [
            {
                "messageId": m.receipt,
                "receiptHandle": m.receipt,
                "body": m.body,
                "attributes": {"ApproximateReceiveCount": str(m.tries)},
                "eventSource": "aws:sqs",
            }
            for m in batch
        ]
        try:
            answer = self.invoke(function, {"Records": records})
        except Died:
            failed = {m.receipt for m in batch}
        else:
            failed = {f["itemIdentifier"] for f in answer["batchItemFailures"]}
        for message in batch:
            if message.receipt not in failed:
                self.queues[queue].remove(message)
            elif message.tries >= properties["RedrivePolicy"]["maxReceiveCount"]:
                self.queues[queue].remove(message)
                self.dead[queue.replace("Queue", "DeadQueue")].append(message)

    def relay(self) -> None:
        """Hand new stream records to `announce`; a batch that fails is kept and handed again."""
        for name, p in template.resources("AWS::DynamoDB::Table").items():
            if "StreamSpecification" not in p:
                continue
            shard = dynamodb_backends[DEFAULT_ACCOUNT_ID][REGION].tables[name].stream_shard
            assert shard is not None
            records = [r.to_json() for r in shard.items[self._stream_at.get(name, 0) :]]
            if not records:
                continue
            try:
                self.invoke("Announce", {"Records": records})
            except (Died, Exception):  # noqa: BLE001 - the stream hands it over again
                continue
            self._stream_at[name] = self._stream_at.get(name, 0) + len(records)

    def run(self, hours: float = 2) -> None:
        """Deliver and let time pass until nothing is waiting, at most this long."""
        end = self.now + dt.timedelta(hours=hours)
        while self.now < end:
            self.relay()
            waiting = [m.visible_at for messages in self.queues.values() for m in messages]
            if not waiting:
                return
            self.now = min(max(self.now, min(waiting)), end)
            self.deliver()

    def settle(self) -> None:
        """The schedule fires, and the day's messages are delivered when their grace is over."""
        self.plan_settlement()
        self.run(hours=1)

    def plan_settlement(self) -> None:
        """The schedule fires: a message per book waits for its day's grace to be over."""
        self.put_message("SettleQueue", '{"currency":"IRR"}', 0)
        self.deliver("SettleQueue")

    def put_message(self, queue: str, body: str, delay_s: int) -> None:
        self._fresh_receipt += 1
        at = self.now + dt.timedelta(seconds=delay_s)
        self.queues[queue].append(Message(body, at, f"r{self._fresh_receipt}"))

    def find_message(self, queue: str, receipt: str) -> Message:
        return next(m for m in self.queues[queue] if m.receipt == receipt)

    def _deliver(self, url: str, headers: Mapping[str, str], body: bytes, *_: Any) -> Try:
        self.webhooks.append((url, headers, body))
        return self.webhook_answer()

    # ── looking ───────────────────────────────────────────────────────────────────────────────

    def _raw_table(self, name: str) -> Table:
        return Table(self.raw["dynamodb"], name)

    @property
    def books(self) -> tuple[Payments, Settlements]:
        """The product's stores on a client nobody breaks."""
        payments = Payments(
            *(self._raw_table(n) for n in ("PaymentsTable", "ReferencesTable", "SettlementTable"))
        )
        return payments, Settlements(
            self._raw_table("SettlementTable"), payments, self.raw["s3"], "filesbucket"
        )

    def payment(self, id: str) -> Payment:
        """A payment as stored."""
        seen = self.books[0].get(PaymentId.parse(id))
        assert seen is not None
        return seen.payment

    def items(self, table: str) -> list[dict[str, Any]]:
        """Every item of a table."""
        return list(self._raw_table(table).scan())

    def seals(self, book: Book) -> list[Seal]:
        """A book's chain, oldest first."""
        return list(reversed(list(self.books[1].seals(book, limit=1_000))))

    def lines(self, seal: Seal) -> Lines | Volume:
        """What a seal names."""
        return self.books[1].lines(seal)

    def bank_paid(self) -> dict[str, dict[str, Any]]:
        """Orders the bank has been given, by reference."""
        listed = self.lab_call("GET", "/lab/bank", headers={"accept": "application/json"}).json()
        return {o["reference"]: o for o in listed["data"]}

    def bank_runs(self) -> None:
        """The bank works through its folder."""
        self.lab_call("POST", "/lab/bank/run")


def check_books(world: World) -> None:
    """What must hold in any state the tables can be in (architecture §5: 1, 2, 4, 7, 8, 10, 15)."""
    lines: dict[str, dict[str, Any]] = {}
    payments: list[Payment] = []
    for item in world.items("PaymentsTable"):
        if "legs" in item:
            assert item["id"] not in lines, f"{item['id']} is booked in two days"
            assert sum(item["legs"].values()) == 0, item
            lines[item["id"]] = item
        if item["id"].startswith("pay_"):
            payments.append(world.payment(item["id"]))
    for payment in payments:
        _check_execution(payment, lines)
        _check_refunds(payment, lines)
    executed = [(p, p.execution) for p in payments if p.execution is not None]
    takings = [(p.attempts[x.attempt].channel, x.reference) for p, x in executed]
    assert len(takings) == len(set(takings)), "one channel reference booked twice"
    sealed: set[str] = set()
    rows = world.items("SettlementTable")
    for key in {i["pk"] for i in rows if i["sk"].startswith(("seal#", "head"))}:
        _check_chain(world, Book.parse(key), lines, sealed)


def _check_execution(payment: Payment, lines: Mapping[str, Any]) -> None:
    names = (f"{payment.id}", f"x:{payment.id}")
    journals = [lines[name]["legs"] for name in names if name in lines]
    assert len(journals) == (payment.execution is not None), f"{payment.id}: {journals}"
    if payment.execution is not None:
        x = payment.execution
        channel = payment.attempts[x.attempt].channel
        plan = payment.fee_plan
        shared = {plan.referrer: plan.referral(x.fee_minor)} if plan.referrer else {}
        taken = payment.money.amount_minor
        assert journals[0] == ledger.executed(channel, taken, x.fee_minor, shared)


def _check_refunds(payment: Payment, lines: Mapping[str, Any]) -> None:
    kept = 0
    for refund in payment.refunds.values():
        assert f"f:{payment.id}:{refund.key}" in lines
        undone = f"c:{payment.id}:{refund.key}" in lines
        assert undone == (refund.state == "failed")
        kept += 0 if undone else refund.amount_minor
    assert kept == payment.refunded_minor <= payment.amount_minor


def _check_chain(world: World, book: Book, lines: Mapping[str, Any], sealed: set[str]) -> None:
    previous = None
    for seal in world.seals(book):
        assert follows(seal, previous)
        content = world.lines(seal)
        assert seal.lines_digest in seal.lines_key
        sums = {k: v for k, v in ledger.total(x.legs for x in content.lines).items() if v}
        assert sums == seal.sums
        for line in content.lines:
            assert line.id not in sealed, f"{line.id} is in two seals"
            assert lines[line.id]["legs"] == line.legs
            sealed.add(line.id)
        previous = seal
    for id, item in lines.items():
        key, day, _ = item["pk"].split("#")
        if previous and key == book.key and dt.date.fromisoformat(day) <= previous.through:
            assert id in sealed, f"{id} of {day} is in no seal"


class _Sqs:
    """SQS as `Queues` uses it."""

    def __init__(self, world: World) -> None:
        self._world = world

    def _leave(self, operation: str, act: Callable[[], None]) -> None:
        fault = self._world.leaving("sqs", operation)
        if fault is Fault.LOST:
            raise ConnectTimeoutError(endpoint_url="https://sqs")
        act()
        if fault is Fault.DIE_AFTER:
            raise Died(f"after sqs.{operation}")
        if fault is Fault.ANSWER_LOST:
            raise ReadTimeoutError(endpoint_url="https://sqs")

    def send_message(self, *, QueueUrl: str, MessageBody: str, DelaySeconds: int) -> None:
        assert 0 <= DelaySeconds <= 900
        self._leave(
            "SendMessage", lambda: self._world.put_message(QueueUrl, MessageBody, DelaySeconds)
        )

    def send_message_batch(self, *, QueueUrl: str, Entries: list[dict[str, Any]]) -> dict[str, Any]:
        assert 1 <= len(Entries) <= 10

        def act() -> None:
            for entry in Entries:
                self._world.put_message(QueueUrl, entry["MessageBody"], 0)

        self._leave("SendMessageBatch", act)
        return {}

    def change_message_visibility(
        self, *, QueueUrl: str, ReceiptHandle: str, VisibilityTimeout: int
    ) -> None:
        def act() -> None:
            at = self._world.now + dt.timedelta(seconds=VisibilityTimeout)
            self._world.find_message(QueueUrl, ReceiptHandle).visible_at = at

        self._leave("ChangeMessageVisibility", act)


class _Bus:
    """EventBridge with the template's one rule."""

    def __init__(self, world: World) -> None:
        self._world = world

    def put_events(self, *, Entries: list[dict[str, Any]]) -> dict[str, Any]:
        fault = self._world.leaving("events", "PutEvents")
        if fault is Fault.LOST:
            raise ConnectTimeoutError(endpoint_url="https://events")
        for entry in Entries:
            detail = json.loads(entry["Detail"])
            self._world.events.append(detail)
            body = {"detail-type": entry["DetailType"], "source": entry["Source"], "detail": detail}
            self._world.put_message("NotifyQueue", json.dumps(body), 0)
        if fault is Fault.DIE_AFTER:
            raise Died("after events.PutEvents")
        if fault is Fault.ANSWER_LOST:
            raise ReadTimeoutError(endpoint_url="https://events")
        return {"FailedEntryCount": 0}


class _Outside:
    """The way out to the lab's parties."""

    def __init__(self, world: World) -> None:
        self._world = world

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes = b"",
        timeout_s: float,
    ) -> Got:
        assert timeout_s > 0
        fault = self._world.leaving("http", urlsplit(url).path.rsplit("/", 1)[-1])
        if fault is Fault.LOST:
            raise Silence("made up")
        with self._world.unwatched():
            got = self._world.lab_call(method, url, body, headers)
        if fault is Fault.DIE_AFTER:
            raise Died("after http")
        if fault is Fault.ANSWER_LOST or sum(self._world.slept) >= timeout_s:
            raise Silence("made up")
        return got


class _Inside:
    """The lab's parties' way to our doors."""

    def __init__(self, world: World) -> None:
        self._world = world

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes = b"",
        timeout_s: float,
    ) -> Got:
        assert timeout_s > 0
        try:
            return self._world.call(method, url, body, headers=headers)
        except Died:
            raise Silence("the product died") from None


def _match(method: str, path: str) -> tuple[template.ApiRoute, dict[str, str]]:
    for route in template.routes():
        pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", route.path)
        found = (
            re.fullmatch(pattern, path)
            if (route.method, "+" in route.path) == (method, False)
            else None
        )
        if found:
            return route, found.groupdict()
    raise AssertionError(f"no route {method} {path}")


def _multi(pairs: list[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found


def _write_units(operation: str, request: Mapping[str, Any]) -> int:
    """Write units of a call that succeeded: one per KB begun, two in a transaction."""

    def size(table: str, key: Mapping[str, Any]) -> int:
        found = dynamodb_backends[DEFAULT_ACCOUNT_ID][REGION].tables[table]
        names = [k["AttributeName"] for k in found.schema]
        values = [next(iter(key[n].values())) for n in names]
        item = found.get_item(*(_attribute(v) for v in values))
        return -(-item.size() // 1024) if item is not None else 1

    match operation:
        case "PutItem":
            return size(request["TableName"], request["Item"])
        case "UpdateItem":
            return size(request["TableName"], request["Key"])
        case "DeleteItem":
            return 1  # the item is gone; what is deleted here is small
        case "TransactWriteItems":
            units = 0
            for entry in request["TransactItems"]:
                (fields,) = entry.values()
                units += 2 * size(fields["TableName"], fields.get("Key") or fields["Item"])
            return units
    return 0


def _attribute(value: str) -> Any:
    from moto.dynamodb.models.dynamo_type import DynamoType

    return DynamoType({"S": value})


@contextmanager
def running_world() -> Iterator[World]:
    """A fresh world with a merchant, its keys and its channels."""
    kept = dict(os.environ)
    post = vars(notify_handler)["post"]
    with mock_aws():
        try:
            world = World()
            with world.unwatched():
                world.open_channels()
            yield world
        finally:
            setattr(notify_handler, "post", post)  # noqa: B010
            wiring.cache_clear()
            os.environ.clear()
            os.environ.update(kept)
