"""The smallest call that needs each permission: a past made by hand, then one function is woken.

A scene prepares tables, secrets and files with the account's own rights, and answers with the
event. The function runs afterwards, deployed, under its own role.
"""

import datetime as dt
import hashlib
import hmac
import json
import secrets
import time
import uuid
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import batched
from typing import Any, Final

import httpx

from payvand import calendar, ledger
from payvand.edge.api import SCOPES
from payvand.edge.http import Http
from payvand.edge.vault import Vault
from payvand.fee import FeePlan
from payvand.ids import RANDOM_BYTES, Book, Mode, PaymentId, derived, merchant_id
from payvand.merchant import HOUSE, Contract, Merchant
from payvand.money import Money
from payvand.payment import (
    AttemptRecord,
    Payment,
    Refund,
    RefundState,
    Status,
    execution,
)
from payvand.psp import Credentials, Opened, Order
from payvand.psp.registry import channel
from payvand.reconcile import entry_item_id
from payvand.settlement import PayoutState, Seal, with_state
from payvand.store.merchants import ApiKey, Merchants
from payvand.store.payments import Payments, to_item
from payvand.store.payout_files import Lane, PayoutFiles
from payvand.store.reconciliations import Reconciliations, Scope
from payvand.store.settlements import Settlements
from payvand.store.table import Table, item_to_wire
from payvand.store.webhooks import Delivery, Endpoint, WebhookStore
from payvand_cli.seed import iban, payee
from payvand_cli.stack import Stack

IBAN: Final = iban("0170000000" + "123456789088")
ACCOUNTS: Final = {"EUR": "LV97HABA0012345678910", "TRY": "TR330006100519786457841326"}
RETURN_URL: Final = "https://shop.example/done"
NOWHERE: Final = "http://127.0.0.1:9"
EVENT: Final[dict[str, Any]] = {
    "type": "payment.executed.v1",
    "timestamp": "2026-05-04T08:30:00.000Z",
    "mode": "test",
    "data": {},
}


@dataclass(frozen=True)
class Answer:
    """What a woken function said, in every place it says things."""

    payload: Any
    error: bool
    log: str

    @property
    def text(self) -> str:
        return f"{json.dumps(self.payload)}\n{self.log}"

    @property
    def fine(self) -> bool:
        """Whether it did what it was woken for."""
        found = self.payload if isinstance(self.payload, dict) else {}
        return (not self.error and found.get("statusCode", 200) < 500) and not found.get(
            "batchItemFailures"
        )


class Past:
    """Makes what was before, with the account's own rights."""

    def __init__(self, stack: Stack, url: str, zarinpal: Mapping[str, str]) -> None:
        self.stack, self.url, self.zarinpal = stack, url, zarinpal
        self.payments = Payments(
            self.table("PaymentsTable"),
            self.table("ReferencesTable"),
            self.table("SettlementTable"),
        )
        self.settlements = Settlements(
            self.table("SettlementTable"), self.payments, stack.s3, stack.outputs["FilesBucket"]
        )
        self.webhooks = WebhookStore(self.table("WebhooksTable"))
        self.payout_files = PayoutFiles(
            self.table("OperationsTable"), stack.s3, stack.outputs["FilesBucket"]
        )
        self.reconciliations = Reconciliations(
            self.table("SettlementTable"), self.payments, stack.s3, stack.outputs["FilesBucket"]
        )
        self.merchants = Merchants(self.table("MerchantsTable"), self.table("KeysTable"))
        self.today = calendar.label(dt.datetime.now(dt.UTC), "IRR")
        self.closed = calendar.closed_through(dt.datetime.now(dt.UTC), "IRR")

    @classmethod
    def of(cls, stack: Stack, url: str) -> "Past":
        """On a seeded stack; both modes get the lab's channels, and one that nobody answers at."""
        found = stack.secrets.get_secret_value(SecretId=stack.outputs["ChannelSecretTest"])
        channels = json.loads(found["SecretString"])
        channels["zarinpal"]["silent"] = {**channels["zarinpal"]["default"], "api_url": NOWHERE}
        for name in ("ChannelSecretTest", "ChannelSecretLive"):
            stack.secrets.put_secret_value(
                SecretId=stack.outputs[name], SecretString=json.dumps(channels)
            )
        banks = stack.secrets.get_secret_value(SecretId=stack.outputs["BankSecretTest"])
        stack.secrets.put_secret_value(
            SecretId=stack.outputs["BankSecretLive"], SecretString=banks["SecretString"]
        )
        past = cls(stack, url, channels["zarinpal"]["default"])
        today = dt.datetime.now(dt.UTC).date()
        for n in range(-1, 3):
            for currency in ("EUR", "TRY"):
                day = today + dt.timedelta(n)
                past.settlements.override(currency, day, is_open=True, why="a scene")
        return past

    def table(self, name: str) -> Table:
        return Table(self.stack.dynamodb, self.stack.outputs[name])

    # ── merchants ─────────────────────────────────────────────────────────────────────────────

    def merchant(self, credentials: str = "default") -> Merchant:
        """A merchant nobody has heard of, so that no container remembers it."""
        id = merchant_id(secrets.randbits(26))
        made = Merchant(
            id=id,
            name="فروشگاه",
            since=self.closed - dt.timedelta(2),
            contracts=(Contract("zarinpal", credentials), Contract("noticebank")),
            modes=("test", "live"),
            payees=(payee(self.stack, id, IBAN, "فروشگاه"),),
        )
        self.merchants.put(made)
        return made

    def key(self, merchant: Merchant) -> str:
        api_key = f"pv_test_{secrets.token_urlsafe(32)}"
        opens = ApiKey(merchant.id, "test", SCOPES, revoked=False, expires_at_ms=None)
        self.merchants.put_key(api_key, opens)
        return api_key

    # ── payments ──────────────────────────────────────────────────────────────────────────────

    def id(self, merchant: Merchant, mode: Mode = "test", day: dt.date | None = None) -> PaymentId:
        now, book = dt.datetime.now(dt.UTC), Book(merchant.id, mode, "IRR")
        ms = calendar.ms_into(now, self.today, "IRR") if day is None else 1_000
        entropy = secrets.token_bytes(RANDOM_BYTES)
        return PaymentId.mint(book, day or self.today, ms, 0, entropy)

    def payment(
        self,
        merchant: Merchant,
        mode: Mode = "test",
        day: dt.date | None = None,
        token: str | None = None,
        payer: bool = False,  # noqa: FBT001, FBT002 - a scene reads as a sentence
    ) -> Payment:
        """An open payment; with a token its payer was sent to ZarinPal."""
        id, now_ms = self.id(merchant, mode, day), int(time.time() * 1000)
        vault = Vault(self.stack.kms, self.stack.outputs["DataKey"])
        made = Payment(
            id=id,
            status=Status.REDIRECTED if token else Status.CREATED,
            amount_minor=250_000,
            reference=uuid.uuid4().hex,
            return_url=RETURN_URL,
            expires_at_ms=now_ms + 1_800_000,
            fee_plan=merchant.fee_plan,
            payer=vault.seal(b'{"mobile":"+989120000000"}', id.text) if payer else None,
            attempts=(AttemptRecord("zarinpal", token, now_ms),) if token else (),
            rev=1 if token else 0,
        )
        self.payments.create(made)
        return made

    def paid(self, merchant: Merchant, mode: Mode = "test", day: dt.date | None = None) -> Payment:
        """A payment whose payer has paid at ZarinPal, which nobody was told yet."""
        fields = dict(self.zarinpal)
        door = channel("zarinpal", Credentials(fields.pop("api_url"), fields), Http())
        order = Order(
            "pay_x", uuid.uuid4().hex, Money(250_000, "IRR"), "x", RETURN_URL, RETURN_URL, "fa"
        )
        opened = door.open(order)
        assert isinstance(opened, Opened)
        page = f"{self.url}/lab/zarinpal/pg/StartPay/{opened.token}/pay"
        assert httpx.post(page).status_code in {302, 303}
        return self.payment(merchant, mode, day, opened.token)

    def executed(
        self, merchant: Merchant, mode: Mode = "test", day: dt.date | None = None
    ) -> Payment:
        """A payment with its money booked."""
        payment = self.payment(merchant, mode, day, "S" + "0" * 35)
        booked = execution(
            payment, 0, uuid.uuid4().hex, None, at_ms=int(time.time() * 1000), day=payment.id.day
        )
        self.payments.confirm(payment, booked, unique=False)
        return payment.executed(booked)

    def busy(self, merchant: Merchant) -> Book:
        """Real books in which more was asked for at once than one shard should take."""
        book = Book(merchant.id, "live", "IRR")
        made = self.payment(merchant, "live", self.closed)
        ids = (PaymentId.mint(book, self.closed, 1_000, 0, n.to_bytes(6)) for n in range(2_500))
        items = (to_item(replace(made, id=id, status=Status.EXPIRED)) for id in ids)
        puts: Any = ({"PutRequest": {"Item": item_to_wire(item)}} for item in items)
        for some in batched(puts, 25, strict=False):
            name = self.stack.outputs["PaymentsTable"]
            self.stack.dynamodb.batch_write_item(RequestItems={name: list(some)})
        return book

    def referred(self) -> Merchant:
        """A merchant whose fees somebody has a part of."""
        made = replace(self.merchant(), fee_plan=FeePlan(referrer=self.merchant().id))
        self.merchants.put(made)
        return made

    def refund(self, payment: Payment, key: str = "k" * 24) -> Refund:
        """A refund that is booked and undecided."""
        made = Refund(key, "rfd_x", 1_000, self.today, int(time.time() * 1000), RefundState.PENDING)
        self.payments.begin_refund(payment, made, ledger.refunded("zarinpal", 1_000))
        return made

    # ── settlement ────────────────────────────────────────────────────────────────────────────

    def seal(self, merchant: Merchant, state: PayoutState = PayoutState.NEW) -> Seal:
        """A book whose closed days are sealed, its payout in this state."""
        payment = self.executed(merchant, day=self.closed)
        self.settled(settle(payment))
        seal = self.settlements.last(payment.id.book)
        assert seal is not None
        if state is not PayoutState.NEW:
            seal = with_state(seal, PayoutState.SENT, int(time.time() * 1000))
            self.settlements.sent(seal)
        return seal

    def payout_by_file(
        self, mode: Mode = "test", currency: str = "EUR", *, sent: bool = False
    ) -> Seal:
        """A payout that has waited long enough for its file, or has left in one."""
        merchant = replace(self.merchant(), currencies=(currency,))
        account = ACCOUNTS[currency]
        self.merchants.put(
            replace(merchant, payees=(payee(self.stack, merchant.id, account, "S"),))
        )
        book = Book(merchant.id, mode, currency)
        day = calendar.closed_through(dt.datetime.now(dt.UTC), currency)
        legs = ledger.earned(merchant.id, 1_000)
        request = self.payments.posting_requests(book, f"e:{merchant.id}", day, 1, legs)
        self.table("PaymentsTable").transact(request)
        self.settled(queue({"book": book.key, "through": day.isoformat()}))
        seal = self.settlements.last(book)
        assert seal is not None
        lane = Lane.of(seal)
        self.payout_files.wait(seal.payout_id, lane, 1)
        if sent:
            answer = wake(self.stack, "PayoutFile", queue({"lane": lane.key}))
            assert answer.fine, answer.text
        return seal

    def settled(self, event: Mapping[str, Any]) -> None:
        answer = wake(self.stack, "Settle", event)
        assert answer.fine, answer.text

    def bank_says(self, seal: Seal, status: str) -> None:
        told = {"version": 1, "reference": str(seal.payout_id), "status": status}
        self.file(f"bank/in/{seal.payout_id}.json", told)

    def file(self, key: str, content: Mapping[str, Any]) -> None:
        self.stack.s3.put_object(
            Bucket=self.stack.outputs["FilesBucket"], Key=key, Body=json.dumps(content).encode()
        )

    def raw(self, table: str, key: Mapping[str, Any]) -> dict[str, Any]:
        """An item as a stream shows it."""
        found: Any = self.stack.dynamodb.get_item(
            TableName=self.stack.outputs[table], Key=item_to_wire(key)
        )
        return {name: streamed(value) for name, value in found["Item"].items()}

    # ── webhooks ──────────────────────────────────────────────────────────────────────────────

    def endpoint(self, merchant: Merchant, url: str | None = None) -> Endpoint:
        address = url or f"{self.url}/lab/webhooks/{merchant.id}"
        id = derived("whe_", merchant.id)
        made = Endpoint(id, merchant.id, "test", address, (EVENT["type"],), 1, 1)
        self.webhooks.put_endpoint(made)
        return made


def streamed(value: Any) -> Any:
    """An attribute as a stream's event writes it: bytes in base64, at any depth."""
    ((kind, inner),) = value.items()
    match kind:
        case "B":
            return {"B": b64encode(inner).decode()}
        case "M":
            return {"M": {name: streamed(part) for name, part in inner.items()}}
        case "L":
            return {"L": [streamed(part) for part in inner]}
    return value


# ── events ────────────────────────────────────────────────────────────────────────────────────


def api(
    merchant: Merchant | None,
    route: str,
    path: Mapping[str, str] | None = None,
    *,
    body: Any = None,
    query: Mapping[str, str] | None = None,
    mode: Mode = "test",
) -> dict[str, Any]:
    """API Gateway's proxy event; without a merchant, nobody was asked who they are."""
    method, _, resource = route.partition(" ")
    profile = json.dumps({**merchant.to_item(), "payees": []}) if merchant else ""
    who = {"merchant": profile, "mode": mode, "scopes": " ".join(SCOPES)}
    return {
        "httpMethod": method,
        "resource": resource,
        "path": resource.replace("{id}", (path or {}).get("id", "")),
        "pathParameters": path,
        "queryStringParameters": query,
        "headers": {},
        "body": json.dumps(body) if isinstance(body, dict) else body,
        "requestContext": {
            "requestId": "scene",
            "domainName": "api.example",
            "stage": "v1",
            **({"authorizer": who} if merchant else {}),
        },
    }


def queue(message: Mapping[str, Any]) -> dict[str, Any]:
    """SQS's event with one message."""
    record = {
        "messageId": "m-1",
        "receiptHandle": "none",
        "body": json.dumps(message),
        "attributes": {"ApproximateReceiveCount": "1"},
    }
    return {"Records": [record]}


def settle(payment: Payment, **more: Any) -> dict[str, Any]:
    """Wake Settle for a payment's book."""
    return queue({"book": payment.id.book.key, **more})


def soon() -> int:
    """A time that has not come."""
    return int(time.time() * 1000) + 3_600_000


def wake(stack: Stack, function: str, event: Mapping[str, Any]) -> Answer:
    """Run the deployed function; what it answered and logged."""
    reply = stack.functions.invoke(
        FunctionName=stack.resources[function], Payload=json.dumps(event).encode(), LogType="Tail"
    )
    return Answer(
        json.loads(reply["Payload"].read() or b"null"),
        "FunctionError" in reply,
        b64decode(reply.get("LogResult", "")).decode(errors="replace"),
    )


# ── scenes ────────────────────────────────────────────────────────────────────────────────────

type Scene = Callable[[Past], dict[str, Any]]


@dataclass(frozen=True)
class Need:
    """A scene that needs a permission.

    `cold`: a container that ran before remembers what it once was given. `ends_well` False: the
    scene goes wrong on purpose, whatever is allowed.
    """

    scene: Scene
    cold: bool = False
    ends_well: bool = True


def _create(past: Past, mode: Mode = "test", **more: Any) -> dict[str, Any]:
    body = {"amount": 250_000, "currency": "IRR", "reference": uuid.uuid4().hex}
    merchant = past.merchant()
    return api(
        merchant, "POST /payments", body={**body, "return_url": RETURN_URL, **more}, mode=mode
    )


def _create_again(past: Past) -> dict[str, Any]:
    event = _create(past)
    answer = wake(past.stack, "PaymentInit", event)
    assert answer.fine, answer.text
    return event


def _show(payment: Payment, merchant: Merchant) -> dict[str, Any]:
    return api(merchant, "GET /payments/{id}", {"id": payment.id.text})


def _shown(past: Past) -> dict[str, Any]:
    merchant = past.merchant()
    return _show(past.payment(merchant), merchant)


def _listed(past: Past, **query: str) -> dict[str, Any]:
    return api(past.merchant(), "GET /payments", query=query)


def _page(past: Past) -> dict[str, Any]:
    return api(None, "GET /pay/{id}", {"id": past.payment(past.merchant()).id.text})


def _choice(past: Past, mode: Mode = "test", *, payer: bool = False) -> dict[str, Any]:
    payment = past.payment(past.merchant(), mode, payer=payer)
    return api(None, "POST /pay/{id}", {"id": payment.id.text}, body="channel=zarinpal")


def _gives_up(past: Past, token: str | None = None) -> dict[str, Any]:
    payment = past.payment(past.merchant(), token=token)
    return api(None, "POST /pay/{id}/cancel", {"id": payment.id.text}, body="")


def _back(payment: Payment) -> dict[str, Any]:
    token = payment.attempts[0].token
    query = {"payment": payment.id.text, "Authority": token, "Status": "OK"}
    return api(None, "GET /psp/{channel}/return", {"channel": "zarinpal"}, query=query)


def _returns(past: Past, mode: Mode = "test") -> dict[str, Any]:
    return _back(past.paid(past.merchant(), mode))


def _returns_late(past: Past) -> dict[str, Any]:
    return _back(past.paid(past.merchant(), day=past.closed))


def _returns_in_silence(past: Past) -> dict[str, Any]:
    return _back(past.payment(past.merchant("silent"), token="S" + "0" * 35))


def _notice(past: Past) -> dict[str, Any]:
    """NoticeBank tells that it took the money, signed: its receipt must be claimed with it."""
    found = past.stack.secrets.get_secret_value(SecretId=past.stack.outputs["ChannelSecretTest"])
    shop = json.loads(found["SecretString"])["noticebank"]["default"]
    merchant, session = past.merchant(), f"nb_{'0' * 14}{secrets.token_hex(8)}"
    payment = past.payment(merchant)
    past.payments.add_attempt(
        payment, AttemptRecord("noticebank", session, int(time.time() * 1000))
    )
    told = {
        "shop": shop["shop"],
        "order": payment.id.text,
        "session": session,
        "state": "TAKEN",
        "amount_toman": "25000",
        "receipt": secrets.token_hex(5),
    }
    event = api(
        None,
        "POST /psp/{channel}/notify",
        {"channel": "noticebank"},
        query={"payment": payment.id.text},
        body=told,
    )
    at = str(int(time.time()))
    signed = at.encode() + b"." + event["body"].encode()
    signature = hmac.new(shop["notice_secret"].encode(), signed, hashlib.sha256).hexdigest()
    event["headers"] = {"x-notice-signature": f"t={at},v1={signature}"}
    return event


def _asks(past: Past, mode: Mode = "test") -> dict[str, Any]:
    return queue({"payment": past.paid(past.merchant(), mode).id.text})


def _asks_late(past: Past) -> dict[str, Any]:
    return queue({"payment": past.paid(past.merchant(), day=past.closed).id.text})


def _asks_in_silence(past: Past) -> dict[str, Any]:
    return queue({"payment": past.payment(past.merchant("silent"), token="S" + "0" * 35).id.text})


def _waits(past: Past) -> dict[str, Any]:
    return queue({"payment": past.payment(past.merchant()).id.text, "due": soon()})


def _refunds(past: Past, mode: Mode = "test") -> dict[str, Any]:
    merchant = past.merchant()
    payment = past.executed(merchant, mode)
    return api(
        merchant,
        "POST /payments/{id}/refunds",
        {"id": payment.id.text},
        body={"amount": 1_000},
        mode=mode,
    )


def _refunds_from_balance(past: Past) -> dict[str, Any]:
    """Of a merchant that may not owe; a second payment covers our fee."""
    merchant = replace(past.merchant(), refunds="refuse")
    past.merchants.put(merchant)
    payment = past.executed(merchant)
    return api(merchant, "POST /payments/{id}/refunds", {"id": payment.id.text}, body={"amount": 9})


def _refunds_while_closing(past: Past) -> dict[str, Any]:
    event = _refunds(past)
    book = PaymentId.parse(event["pathParameters"]["id"]).book
    past.settlements.fence(book, past.today)
    return event


def _tells(past: Past) -> dict[str, Any]:
    payment = past.payment(past.merchant())
    image = past.raw("PaymentsTable", {"pk": payment.id.partition, "id": payment.id.text})
    refused = {**image, "status": {"S": "refused"}}
    return {"Records": [{"dynamodb": {"OldImage": image, "NewImage": refused}}]}


def _tells_of_shares(past: Past) -> dict[str, Any]:
    return _tells_of_a_seal(past, past.referred())


def _tells_of_a_seal(past: Past, merchant: Merchant | None = None) -> dict[str, Any]:
    seal = past.seal(merchant or past.merchant())
    image = past.raw("SettlementTable", {"pk": seal.book.key, "sk": f"seal#{seal.n:08d}"})
    return {"Records": [{"dynamodb": {"NewImage": image}}]}


def _notifies(past: Past, url: str | None = None) -> dict[str, Any]:
    merchant = past.merchant()
    past.endpoint(merchant, url)
    return queue({"detail": {**EVENT, "id": f"evt_{uuid.uuid4().hex}", "merchant_id": merchant.id}})


def _notifies_nobody(past: Past) -> dict[str, Any]:
    return _notifies(past, "https://127.0.0.1/inside")  # refused as not public: tried again later


def _adds_endpoint(past: Past) -> dict[str, Any]:
    url = f"{past.url}/lab/webhooks/x"
    return api(past.merchant(), "POST /webhook_endpoints", body={"url": url})


def _lists_endpoints(past: Past) -> dict[str, Any]:
    merchant = past.merchant()
    past.endpoint(merchant)
    return api(merchant, "GET /webhook_endpoints")


def _removes_endpoint(past: Past) -> dict[str, Any]:
    merchant = past.merchant()
    return api(merchant, "DELETE /webhook_endpoints/{id}", {"id": past.endpoint(merchant).id})


def _replays(past: Past) -> dict[str, Any]:
    merchant = past.merchant()
    endpoint, id = past.endpoint(merchant), f"evt_{'0' * 26}"
    event = {**EVENT, "id": id, "merchant_id": merchant.id}
    delivery = Delivery(id, endpoint.id, EVENT["type"], "delivered", (), 1, json.dumps(event), 1)
    past.webhooks.put_delivery(merchant.id, "test", delivery)
    return api(merchant, "POST /webhook_deliveries/{id}/replay", {"id": f"{id}.{endpoint.id}"})


def _plans(past: Past) -> dict[str, Any]:
    del past
    return queue({"currency": "TRY"})


def _closes(past: Past) -> dict[str, Any]:
    return settle(past.executed(past.merchant(), day=past.closed))


def _closes_early(past: Past) -> dict[str, Any]:
    return settle(past.executed(past.merchant(), day=past.closed), due=soon())


def _closes_with_open(past: Past) -> dict[str, Any]:
    return settle(past.payment(past.merchant(), day=past.closed))


def _closes_what_was_left(past: Past) -> dict[str, Any]:
    """A payment that is open since a day that was sealed."""
    payment = past.payment(past.merchant(), day=past.closed - dt.timedelta(1))
    past.settled(settle(payment, through=payment.id.day.isoformat()))
    return settle(payment)


def _closes_a_busy_day(past: Past) -> dict[str, Any]:
    return queue({"book": past.busy(past.merchant()).key})


def _shares(past: Past) -> dict[str, Any]:
    return queue({"share": str(past.seal(past.referred()).payout_id)})


def _closes_with_refund(past: Past) -> dict[str, Any]:
    payment = past.executed(past.merchant(), day=past.closed)
    past.refund(payment)
    return settle(payment)


def _closes_again(past: Past) -> dict[str, Any]:
    merchant = past.merchant()
    payment = past.executed(merchant, day=past.closed - dt.timedelta(1))
    first = settle(payment, through=payment.id.day.isoformat())
    past.settled(first)
    return settle(past.executed(merchant, day=past.closed))


def _pays_out(past: Past) -> dict[str, Any]:
    return queue({"payout": str(past.seal(past.merchant()).payout_id)})


def _looks_for_answer(past: Past) -> dict[str, Any]:
    return queue({"payout": str(past.seal(past.merchant(), PayoutState.SENT).payout_id)})


def _comes_back(past: Past) -> dict[str, Any]:
    seal = past.seal(past.merchant(), PayoutState.SENT)
    past.bank_says(seal, "returned")
    return queue({"payout": str(seal.payout_id)})


def _makes_file(past: Past, mode: Mode = "test", currency: str = "EUR") -> dict[str, Any]:
    return queue({"lane": Lane.of(past.payout_by_file(mode, currency)).key})


def _makes_table(past: Past) -> dict[str, Any]:
    return _makes_file(past, currency="TRY")


def _hears(past: Past) -> dict[str, Any]:
    """A bank's report about a payout nobody else speaks of, left as a file."""
    seal = past.payout_by_file(sent=True)
    said = {"reference": str(seal.payout_id), "verdict": "returned"}
    return queue({"lane": Lane.of(seal).key, "said": [said]})


def _reads(past: Past, root: str) -> dict[str, Any]:
    lane = Lane.of(past.payout_by_file(sent=True))
    key = f"bank/in/sepa/test/{uuid.uuid4().hex}.xml"
    past.stack.s3.put_object(Bucket=past.stack.outputs["FilesBucket"], Key=key, Body=root.encode())
    return queue({"lane": lane.key, "read": key})


def _reads_table(past: Past) -> dict[str, Any]:
    seal = past.payout_by_file(currency="TRY", sent=True)
    key = f"bank/in/csv/test/TRY/{uuid.uuid4().hex}.csv"
    answer = f"reference,status\r\n{seal.payout_id},executed\r\n".encode()
    past.stack.s3.put_object(Bucket=past.stack.outputs["FilesBucket"], Key=key, Body=answer)
    return queue({"lane": Lane.of(seal).key, "read": key})


def _reads_statement(past: Past) -> dict[str, Any]:
    balance = (
        "<Bal><Tp><CdOrPrtry><Cd>{}</Cd></CdOrPrtry></Tp><Amt Ccy='EUR'>1.00</Amt>"
        "<CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>2026-05-05</Dt></Dt></Bal>"
    )
    return _reads(
        past,
        "<Document xmlns='urn:iso:std:iso:20022:tech:xsd:camt.053.001.08'><BkToCstmrStmt><Stmt>"
        "<Id>1</Id><Acct><Id><IBAN>LV94LABB0000000000001</IBAN></Id><Ccy>EUR</Ccy></Acct>"
        f"{balance.format('OPBD')}{balance.format('CLBD')}</Stmt></BkToCstmrStmt></Document>",
    )


def _lets_go(past: Past) -> dict[str, Any]:
    """A payout that was claimed for a file which was then written without it."""
    seal = past.payout_by_file(sent=True)
    lane = Lane.of(seal)
    written = past.payout_files.newest(lane)[0]
    other = past.payout_by_file()
    now_ms = int(time.time() * 1000)
    past.settlements.claim(with_state(other, PayoutState.SENT, now_ms), written.key)
    return queue({"lane": lane.key})


def _reported(past: Past, *tracks: str, refund: bool = False, mode: Mode = "test") -> Scope:
    """A source of its own, read: a payment it reports with a fee, and money of these numbers."""
    name, track = uuid.uuid4().hex, str(secrets.randbits(40))
    merchant = replace(past.merchant(), contracts=(Contract("zibal", name),))
    past.merchants.put(merchant)
    payment, now_ms = past.payment(merchant, mode), int(time.time() * 1000)
    past.payments.add_attempt(payment, AttemptRecord("zibal", track, now_ms))
    seen = past.payments.get(payment.id)
    assert seen is not None
    booked = execution(seen.payment, 0, track, None, at_ms=now_ms, day=payment.id.day)
    past.payments.confirm(seen.payment, booked, unique=False)
    if refund:
        made = Refund("k", "rfd_x", 1_000, past.today, now_ms, RefundState.PENDING)
        past.payments.begin_refund(payment, made, ledger.refunded("zibal", 1_000))
    paid_at = f"{dt.datetime.now(dt.UTC):%Y-%m-%dT%H:%M:%S}"
    fields = {"amount": 250_000, "wage": 1, "status": 1, "paidAt": paid_at}
    rows = [{"trackId": id, **fields} for id in (track, *tracks)]
    scope = Scope(mode, f"zibal:{name}")
    past.file(f"bank/in/{name}.json", {"result": 1, "data": rows})
    answer = wake(past.stack, "Reconcile", _hands_in(scope))
    assert answer.fine, answer.text
    return scope


def _hands_in(scope: Scope) -> dict[str, Any]:
    key = f"bank/in/{scope.source.partition(':')[2]}.json"
    return queue({"file": key, "source": scope.source, "mode": scope.mode})


def _reads_report(past: Past) -> dict[str, Any]:
    scope = Scope("test", f"zibal:{uuid.uuid4().hex}")
    paid_at = f"{dt.datetime.now(dt.UTC):%Y-%m-%dT%H:%M:%S}"
    row = {"trackId": 1, "amount": 1, "status": 1, "paidAt": paid_at}
    past.file(f"bank/in/{scope.source.partition(':')[2]}.json", {"result": 1, "data": [row]})
    return _hands_in(scope)


def _compares(past: Past, *tracks: str, refund: bool = False) -> dict[str, Any]:
    scope = _reported(past, *tracks, refund=refund)
    return queue({"run": scope.source, "mode": scope.mode})


def _compares_real_ones(past: Past) -> dict[str, Any]:
    scope = _reported(past, mode="live")
    return queue({"run": scope.source, "mode": scope.mode})


def _asks_a_person(past: Past) -> dict[str, Any]:
    return _compares(past, "7")


def _compares_refund(past: Past) -> dict[str, Any]:
    return _compares(past, refund=True)


def _begins_house(past: Past) -> dict[str, Any]:
    event = _compares(past)
    past.table("MerchantsTable").delete({"id": HOUSE})
    return event


def _hears_a_word(past: Past) -> dict[str, Any]:
    """A task waits, and a person has decided its item."""
    scope = _reported(past, "7")
    event = queue({"run": scope.source, "mode": scope.mode})
    answer = wake(past.stack, "Reconcile", event)
    assert answer.fine, answer.text
    word = {"entries": ["7"], "found": 250_000, "currency": "IRR", "by": "operator"}
    item = entry_item_id(scope.source, "7")
    past.reconciliations.say(scope, item, {**word, "reason": "x", "legs": None, "book": None})
    return event


def _reports(past: Past, route: str) -> dict[str, Any]:
    return api(past.merchant(), route)


def _reports_payout(past: Past, route: str) -> dict[str, Any]:
    merchant = past.merchant()
    return api(merchant, route, {"id": str(past.seal(merchant).payout_id)})


def _explains(past: Past) -> dict[str, Any]:
    merchant = past.merchant()
    id = past.executed(merchant).id.text
    return api(merchant, "GET /payments/{id}/explain", {"id": id})


def _stated(past: Past, merchant: Merchant, first: dt.date | None = None) -> dict[str, Any]:
    """A statement of days that are over, of which banks worked on the last one."""
    past.settlements.override("IRR", past.closed, is_open=True, why="a scene")
    days = {} if first is None else {"first_day": first.isoformat()}
    query = {"last_day": past.closed.isoformat(), **days}
    return api(merchant, "GET /statements", query=query)


def _states(past: Past) -> dict[str, Any]:
    merchant = past.merchant()
    past.seal(merchant)
    return _stated(past, merchant)


def _states_of_a_second_seal(past: Past) -> dict[str, Any]:
    merchant = past.merchant()
    payment = past.executed(merchant, day=past.closed - dt.timedelta(1))
    past.settled(settle(payment, through=payment.id.day.isoformat()))
    past.settled(settle(past.executed(merchant, day=past.closed)))
    return _stated(past, merchant, past.closed)


def _asks_for_payout(past: Past) -> dict[str, Any]:
    """Of a day that is over, today, whatever the calendar says of today."""
    today = calendar.local(dt.datetime.now(dt.UTC), "IRR").date()
    past.settlements.override("IRR", today, is_open=True, why="a scene")
    merchant = past.merchant()
    past.executed(merchant, day=past.closed)
    return api(merchant, "POST /payouts", body={"currency": "IRR"})


def _lab(method: str, path: str, body: str = "") -> Scene:
    def scene(past: Past) -> dict[str, Any]:
        del past
        return {
            "httpMethod": method,
            "path": path,
            "headers": {"content-type": "application/json", "accept": "application/json"},
            "body": body,
            "requestContext": {"stage": "v1", "domainName": "api.example", "path": path},
        }

    return scene


def _lab_bank(past: Past) -> dict[str, Any]:
    name = f"po_{uuid.uuid4().hex}"
    order = {"version": 1, "reference": name, "currency": "IRR", "amount": 1, "iban": IBAN}
    past.file(f"bank/out/{name}.json", {**order, "name": "x"})
    return _lab("POST", "/lab/bank/run")(past)


def _lab_bank_of_files(past: Past) -> dict[str, Any]:
    past.file(f"bank/out/sepa/test/{uuid.uuid4().hex}.xml", {})
    return _lab("POST", "/lab/sepabank/run")(past)


def _known_key(past: Past) -> dict[str, Any]:
    return _key(past.key(past.merchant()))


def _key(api_key: str) -> dict[str, Any]:
    arn = "arn:aws:execute-api:us-east-1:000000000000:api/v1/GET/payments"
    return {"headers": {"Authorization": f"Bearer {api_key}"}, "methodArn": arn}


def live(scene: Callable[[Past, Mode], dict[str, Any]]) -> Scene:
    """The same with real books."""
    return lambda past: scene(past, "live")


def _opens(past: Past, mode: Mode = "test") -> dict[str, Any]:
    return _create(past, mode, channel="zarinpal")


NEEDS: Final[dict[tuple[str, str, str], Need]] = {
    ("Authorize", "dynamodb:GetItem", "KeysTable"): Need(_known_key),
    ("Authorize", "dynamodb:GetItem", "MerchantsTable"): Need(_known_key),
    ("PaymentInit", "dynamodb:GetItem", "PaymentsTable"): Need(_create_again),
    ("PaymentInit", "dynamodb:PutItem", "PaymentsTable"): Need(_create),
    ("PaymentInit", "dynamodb:GetItem", "ReferencesTable"): Need(_create_again),
    ("PaymentInit", "dynamodb:PutItem", "ReferencesTable"): Need(_create),
    ("PaymentInit", "dynamodb:GetItem", "LabTable"): Need(_create),
    ("PaymentInit", "sqs:SendMessage", "TimerQueue"): Need(_create),
    ("PaymentInit", "secretsmanager:GetSecretValue", "ChannelSecretTest"): Need(_opens, cold=True),
    ("PaymentInit", "secretsmanager:GetSecretValue", "ChannelSecretLive"): Need(
        live(_opens), cold=True
    ),
    ("PaymentInit", "kms:GenerateDataKey", "DataKey"): Need(
        lambda past: _create(past, payer={"mobile": "+989120000000"}), cold=True
    ),
    ("PaymentStatus", "dynamodb:GetItem", "PaymentsTable"): Need(_shown),
    ("PaymentStatus", "dynamodb:GetItem", "ReferencesTable"): Need(
        lambda past: _listed(past, reference="x")
    ),
    ("PaymentStatus", "dynamodb:GetItem", "LabTable"): Need(_shown),
    ("PaymentStatus", "dynamodb:Query", "PaymentsTable"): Need(_listed),
    ("Checkout", "dynamodb:GetItem", "PaymentsTable"): Need(_page),
    ("Checkout", "dynamodb:GetItem", "MerchantsTable"): Need(_page),
    ("Checkout", "dynamodb:GetItem", "LabTable"): Need(_page),
    ("Checkout", "dynamodb:UpdateItem", "PaymentsTable"): Need(_gives_up),
    ("Checkout", "sqs:SendMessage", "VerifyQueue"): Need(
        lambda past: _gives_up(past, "S" + "0" * 35)
    ),
    ("Checkout", "secretsmanager:GetSecretValue", "ChannelSecretTest"): Need(_choice, cold=True),
    ("Checkout", "secretsmanager:GetSecretValue", "ChannelSecretLive"): Need(
        live(_choice), cold=True
    ),
    ("Checkout", "kms:Decrypt", "DataKey"): Need(lambda past: _choice(past, payer=True)),
    ("PspCallback", "dynamodb:GetItem", "PaymentsTable"): Need(_returns),
    ("PspCallback", "dynamodb:UpdateItem", "PaymentsTable"): Need(_returns),
    ("PspCallback", "dynamodb:PutItem", "PaymentsTable"): Need(_returns_late),
    ("PspCallback", "dynamodb:PutItem", "ReferencesTable"): Need(_notice),
    ("PspCallback", "dynamodb:GetItem", "SettlementTable"): Need(_returns),
    ("PspCallback", "dynamodb:ConditionCheckItem", "SettlementTable"): Need(_returns_late),
    ("PspCallback", "dynamodb:GetItem", "MerchantsTable"): Need(_returns),
    ("PspCallback", "dynamodb:GetItem", "LabTable"): Need(_returns),
    ("PspCallback", "secretsmanager:GetSecretValue", "ChannelSecretTest"): Need(
        _returns, cold=True
    ),
    ("PspCallback", "secretsmanager:GetSecretValue", "ChannelSecretLive"): Need(
        live(_returns), cold=True
    ),
    ("PspCallback", "sqs:SendMessage", "VerifyQueue"): Need(_returns_in_silence),
    **{
        (worker, action, resource): need
        for worker in ("PaymentVerify", "PaymentTimer")
        for (action, resource), need in {
            ("dynamodb:GetItem", "PaymentsTable"): Need(_asks),
            ("dynamodb:UpdateItem", "PaymentsTable"): Need(_asks),
            ("dynamodb:PutItem", "PaymentsTable"): Need(_asks_late),
            ("dynamodb:GetItem", "SettlementTable"): Need(_asks),
            ("dynamodb:ConditionCheckItem", "SettlementTable"): Need(_asks_late),
            ("dynamodb:GetItem", "MerchantsTable"): Need(_asks),
            ("dynamodb:GetItem", "LabTable"): Need(_asks),
            ("secretsmanager:GetSecretValue", "ChannelSecretTest"): Need(_asks, cold=True),
            ("secretsmanager:GetSecretValue", "ChannelSecretLive"): Need(live(_asks), cold=True),
        }.items()
    },
    ("PaymentVerify", "sqs:ChangeMessageVisibility", "VerifyQueue"): Need(
        _asks_in_silence, ends_well=False
    ),
    ("PaymentTimer", "sqs:SendMessage", "TimerQueue"): Need(_waits),
    ("Refund", "dynamodb:GetItem", "PaymentsTable"): Need(_refunds),
    ("Refund", "dynamodb:PutItem", "PaymentsTable"): Need(_refunds),
    ("Refund", "dynamodb:UpdateItem", "PaymentsTable"): Need(_refunds),
    ("Refund", "dynamodb:Query", "PaymentsTable"): Need(_refunds_from_balance),
    ("Refund", "dynamodb:Query", "SettlementTable"): Need(_refunds_from_balance),
    ("Refund", "dynamodb:UpdateItem", "SettlementTable"): Need(_refunds_from_balance),
    ("Refund", "dynamodb:GetItem", "SettlementTable"): Need(_refunds_while_closing),
    ("Refund", "dynamodb:ConditionCheckItem", "SettlementTable"): Need(_refunds),
    ("Refund", "dynamodb:GetItem", "MerchantsTable"): Need(_refunds),
    ("Refund", "dynamodb:GetItem", "LabTable"): Need(_refunds),
    ("Refund", "secretsmanager:GetSecretValue", "ChannelSecretTest"): Need(_refunds, cold=True),
    ("Refund", "secretsmanager:GetSecretValue", "ChannelSecretLive"): Need(
        live(_refunds), cold=True
    ),
    ("Refund", "sqs:SendMessage", "RefundQueue"): Need(_refunds),
    ("Announce", "events:PutEvents", "Bus"): Need(_tells),
    ("Announce", "sqs:SendMessage", "PayoutQueue"): Need(_tells_of_a_seal),
    ("Announce", "sqs:SendMessage", "SettleQueue"): Need(_tells_of_shares),
    ("MerchantNotify", "dynamodb:Query", "WebhooksTable"): Need(_notifies),
    ("MerchantNotify", "dynamodb:GetItem", "WebhooksTable"): Need(_notifies),
    ("MerchantNotify", "dynamodb:PutItem", "WebhooksTable"): Need(_notifies),
    ("MerchantNotify", "secretsmanager:GetSecretValue", "WebhookSecret"): Need(
        _notifies, cold=True
    ),
    ("MerchantNotify", "sqs:ChangeMessageVisibility", "NotifyQueue"): Need(
        _notifies_nobody, ends_well=False
    ),
    ("Webhooks", "dynamodb:GetItem", "WebhooksTable"): Need(_removes_endpoint),
    ("Webhooks", "dynamodb:DeleteItem", "WebhooksTable"): Need(_removes_endpoint),
    ("Webhooks", "dynamodb:PutItem", "WebhooksTable"): Need(_adds_endpoint),
    ("Webhooks", "dynamodb:Query", "WebhooksTable"): Need(_lists_endpoints),
    ("Webhooks", "secretsmanager:GetSecretValue", "WebhookSecret"): Need(
        _lists_endpoints, cold=True
    ),
    ("Webhooks", "sqs:SendMessage", "NotifyQueue"): Need(_replays),
    ("Settle", "dynamodb:Scan", "MerchantsTable"): Need(_plans),
    ("Settle", "dynamodb:GetItem", "MerchantsTable"): Need(_closes),
    ("Settle", "dynamodb:UpdateItem", "MerchantsTable"): Need(_closes_a_busy_day),
    ("Settle", "dynamodb:GetItem", "LabTable"): Need(_closes),
    ("Settle", "dynamodb:GetItem", "SettlementTable"): Need(_closes),
    ("Settle", "dynamodb:Query", "SettlementTable"): Need(_closes),
    ("Settle", "dynamodb:PutItem", "SettlementTable"): Need(_closes),
    ("Settle", "dynamodb:UpdateItem", "SettlementTable"): Need(_closes),
    ("Settle", "dynamodb:ConditionCheckItem", "SettlementTable"): Need(_shares),
    ("Settle", "dynamodb:Query", "PaymentsTable"): Need(_closes),
    ("Settle", "dynamodb:GetItem", "PaymentsTable"): Need(_closes_what_was_left),
    ("Settle", "dynamodb:PutItem", "PaymentsTable"): Need(_shares),
    ("Settle", "dynamodb:UpdateItem", "PaymentsTable"): Need(_closes_with_open),
    ("Settle", "s3:PutObject", "FilesBucket/lines/*"): Need(_closes),
    ("Settle", "s3:GetObject", "FilesBucket/lines/*"): Need(_closes_again),
    ("Settle", "sqs:SendMessage", "TimerQueue"): Need(_closes_with_open),
    ("Settle", "sqs:SendMessage", "RefundQueue"): Need(_closes_with_refund),
    ("Settle", "sqs:SendMessage", "SettleQueue"): Need(_closes_early),
    ("Settle", "sqs:SendMessage", "PayoutQueue"): Need(_closes),
    ("Payout", "dynamodb:GetItem", "SettlementTable"): Need(_pays_out),
    ("Payout", "dynamodb:UpdateItem", "SettlementTable"): Need(_pays_out),
    ("Payout", "dynamodb:ConditionCheckItem", "SettlementTable"): Need(_comes_back),
    ("Payout", "dynamodb:PutItem", "PaymentsTable"): Need(_comes_back),
    ("Payout", "dynamodb:GetItem", "LabTable"): Need(_pays_out),
    ("Payout", "kms:Decrypt", "DataKey"): Need(_pays_out),
    ("Payout", "s3:PutObject", "FilesBucket/bank/out/*"): Need(_pays_out),
    ("Payout", "s3:GetObject", "FilesBucket/bank/in/*"): Need(_looks_for_answer),
    ("Payout", "sqs:SendMessage", "PayoutQueue"): Need(_looks_for_answer),
    ("Payout", "dynamodb:PutItem", "OperationsTable"): Need(_comes_back),
    ("Payout", "dynamodb:ConditionCheckItem", "OperationsTable"): Need(_comes_back),
    ("Reconcile", "dynamodb:Scan", "MerchantsTable"): Need(_compares),
    ("Reconcile", "dynamodb:GetItem", "MerchantsTable"): Need(_compares, cold=True),
    ("Reconcile", "dynamodb:PutItem", "MerchantsTable"): Need(_begins_house, cold=True),
    ("Reconcile", "dynamodb:GetItem", "LabTable"): Need(_compares),
    ("Reconcile", "dynamodb:GetItem", "SettlementTable"): Need(_reads_report),
    ("Reconcile", "dynamodb:Query", "SettlementTable"): Need(_compares),
    ("Reconcile", "dynamodb:PutItem", "SettlementTable"): Need(_reads_report),
    ("Reconcile", "dynamodb:UpdateItem", "SettlementTable"): Need(_hears_a_word),
    ("Reconcile", "dynamodb:ConditionCheckItem", "SettlementTable"): Need(_compares),
    ("Reconcile", "dynamodb:GetItem", "OperationsTable"): Need(_hears_a_word),
    ("Reconcile", "dynamodb:Query", "OperationsTable"): Need(_compares),
    ("Reconcile", "dynamodb:PutItem", "OperationsTable"): Need(_asks_a_person),
    ("Reconcile", "dynamodb:DeleteItem", "OperationsTable"): Need(_hears_a_word),
    ("Reconcile", "dynamodb:ConditionCheckItem", "OperationsTable"): Need(_asks_a_person),
    ("Reconcile", "dynamodb:GetItem", "PaymentsTable"): Need(_compares_refund),
    ("Reconcile", "dynamodb:Query", "PaymentsTable"): Need(_compares),
    ("Reconcile", "dynamodb:PutItem", "PaymentsTable"): Need(_compares),
    ("Reconcile", "s3:GetObject", "FilesBucket/bank/reconcile/*"): Need(_compares_real_ones),
    ("Reconcile", "s3:PutObject", "FilesBucket/bank/reconcile/*"): Need(_compares),
    ("Reconcile", "s3:GetObject", "FilesBucket/bank/in/*"): Need(_reads_report),
    ("Reconcile", "sqs:SendMessage", "ReconcileQueue"): Need(_reads_report),
    ("PayoutFile", "dynamodb:GetItem", "SettlementTable"): Need(_makes_file),
    ("PayoutFile", "dynamodb:Query", "SettlementTable"): Need(_makes_file, cold=True),
    ("PayoutFile", "dynamodb:UpdateItem", "SettlementTable"): Need(_makes_file),
    ("PayoutFile", "dynamodb:ConditionCheckItem", "SettlementTable"): Need(_hears),
    ("PayoutFile", "dynamodb:PutItem", "PaymentsTable"): Need(_hears),
    ("PayoutFile", "dynamodb:GetItem", "OperationsTable"): Need(_lets_go),
    ("PayoutFile", "dynamodb:Query", "OperationsTable"): Need(_makes_file),
    ("PayoutFile", "dynamodb:PutItem", "OperationsTable"): Need(_hears),
    ("PayoutFile", "dynamodb:UpdateItem", "OperationsTable"): Need(_makes_file),
    ("PayoutFile", "dynamodb:DeleteItem", "OperationsTable"): Need(_makes_file),
    ("PayoutFile", "dynamodb:ConditionCheckItem", "OperationsTable"): Need(_hears),
    ("PayoutFile", "dynamodb:GetItem", "LabTable"): Need(_makes_file),
    ("PayoutFile", "kms:Decrypt", "DataKey"): Need(_makes_file, cold=True),
    ("PayoutFile", "secretsmanager:GetSecretValue", "BankSecretTest"): Need(_makes_file, cold=True),
    ("PayoutFile", "secretsmanager:GetSecretValue", "BankSecretLive"): Need(
        live(_makes_file), cold=True
    ),
    ("PayoutFile", "s3:PutObject", "FilesBucket/bank/files/*"): Need(_makes_file),
    ("PayoutFile", "s3:GetObject", "FilesBucket/bank/files/*"): Need(_makes_file),
    ("PayoutFile", "s3:PutObject", "FilesBucket/bank/out/*"): Need(_makes_table),
    ("PayoutFile", "s3:GetObject", "FilesBucket/bank/in/*"): Need(_reads_table),
    ("PayoutFile", "s3:ListBucket", "FilesBucket"): Need(_makes_file),
    ("PayoutFile", "sqs:SendMessage", "PayoutFileQueue"): Need(lambda _: queue({"tick": True})),
    ("PayoutFile", "sqs:SendMessage", "ReconcileQueue"): Need(_reads_statement),
    ("Report", "dynamodb:Query", "PaymentsTable"): Need(
        lambda past: _reports(past, "GET /ledger/entries")
    ),
    ("Report", "dynamodb:Query", "SettlementTable"): Need(
        lambda past: _reports(past, "GET /payouts")
    ),
    ("Report", "dynamodb:GetItem", "SettlementTable"): Need(
        lambda past: _reports_payout(past, "GET /payouts/{id}")
    ),
    ("Report", "dynamodb:GetItem", "LabTable"): Need(lambda past: _reports(past, "GET /balance")),
    ("Report", "s3:GetObject", "FilesBucket/lines/*"): Need(
        lambda past: _reports_payout(past, "GET /payouts/{id}/entries")
    ),
    ("Report", "dynamodb:GetItem", "PaymentsTable"): Need(_explains),
    ("Report", "dynamodb:GetItem", "MerchantsTable"): Need(
        lambda past: _reports(past, "GET /settlement/preview")
    ),
    ("PayoutAsk", "dynamodb:Query", "PaymentsTable"): Need(_asks_for_payout),
    ("PayoutAsk", "dynamodb:Query", "SettlementTable"): Need(_asks_for_payout),
    ("PayoutAsk", "dynamodb:GetItem", "MerchantsTable"): Need(_asks_for_payout),
    ("PayoutAsk", "dynamodb:GetItem", "LabTable"): Need(_asks_for_payout),
    ("PayoutAsk", "sqs:SendMessage", "SettleQueue"): Need(_asks_for_payout),
    ("Statements", "dynamodb:Query", "PaymentsTable"): Need(
        lambda past: _stated(past, past.merchant())
    ),
    ("Statements", "dynamodb:GetItem", "PaymentsTable"): Need(_states),
    ("Statements", "dynamodb:Query", "SettlementTable"): Need(_states),
    ("Statements", "dynamodb:GetItem", "SettlementTable"): Need(_states_of_a_second_seal),
    ("Statements", "dynamodb:GetItem", "LabTable"): Need(_states),
    ("Statements", "s3:GetObject", "FilesBucket/lines/*"): Need(_states),
    ("Statements", "s3:PutObject", "FilesBucket/papers/*"): Need(_states),
    ("Lab", "dynamodb:GetItem", "LabTable"): Need(_lab("GET", "/lab/clock")),
    ("Lab", "dynamodb:PutItem", "LabTable"): Need(_lab("POST", "/lab/webhooks/scene", "{}")),
    ("Lab", "dynamodb:UpdateItem", "LabTable"): Need(
        _lab("POST", "/lab/clock", '{"advance_s": 0}')
    ),
    ("Lab", "dynamodb:Query", "LabTable"): Need(_lab("GET", "/lab/webhooks")),
    ("Lab", "s3:ListBucket", "FilesBucket"): Need(_lab_bank),
    ("Lab", "s3:GetObject", "FilesBucket/bank/out/*"): Need(_lab_bank_of_files),
    ("Lab", "s3:PutObject", "FilesBucket/bank/in/*"): Need(_lab_bank),
}

POLLING: Final = frozenset(
    {
        "sqs:ReceiveMessage",
        "sqs:DeleteMessage",
        "sqs:GetQueueAttributes",
        "dynamodb:DescribeStream",
        "dynamodb:GetRecords",
        "dynamodb:GetShardIterator",
    }
)
"""What Lambda's poller does with the function's role; the emulator polls with its own rights."""

UNPROVEN: Final[dict[tuple[str, str, str], str]] = {
    ("PayoutFile", "dynamodb:GetItem", "MerchantsTable"): (
        "for the merchant's name at the switch, a door no shipped profile has"
    ),
    ("PayoutFile", "kms:Sign", "SwitchKey"): "for the switch, a door no shipped profile has",
    ("Statements", "s3:GetObject", "FilesBucket/papers/*"): (
        "used by whoever follows a link, which has the rights of who signed it"
    ),
    ("Payout", "s3:ListBucket", "FilesBucket"): (
        "S3 answers 403 for a missing key to who may not list, and 404 to who may; the emulator "
        "answers 404 to both"
    ),
}
"""Grants that no call on the emulator can show to be needed, each with its reason."""
