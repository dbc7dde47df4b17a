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
from dataclasses import dataclass
from typing import Any, Final

import httpx

from payvand import calendar, ledger
from payvand.edge.api import SCOPES
from payvand.edge.http import Http
from payvand.edge.vault import Vault
from payvand.fee import FeePlan
from payvand.ids import RANDOM_BYTES, Book, Mode, PaymentId, derived, merchant_id
from payvand.merchant import Contract, Merchant
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
from payvand.settlement import PayoutState, Seal, with_state
from payvand.store.merchants import ApiKey, Merchants
from payvand.store.payments import Payments
from payvand.store.settlements import Settlements
from payvand.store.table import Table, item_to_wire
from payvand.store.webhooks import Delivery, Endpoint, WebhookStore
from payvand_cli.seed import iban
from payvand_cli.stack import Stack
from tests.support import template

IBAN: Final = iban("0170000000" + "123456789088")
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
        return cls(stack, url, channels["zarinpal"]["default"])

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
            iban=Vault(self.stack.kms, self.stack.outputs["DataKey"]).seal(IBAN.encode(), id),
            iban_last4=IBAN[-4:],
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
            fee_plan=FeePlan(),
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
        return {
            name: {"B": b64encode(value["B"]).decode()} if "B" in value else value
            for name, value in found["Item"].items()
        }

    # ── webhooks ──────────────────────────────────────────────────────────────────────────────

    def endpoint(self, merchant: Merchant, url: str | None = None) -> Endpoint:
        address = url or f"{self.url}/lab/webhooks/{merchant.id}"
        id = derived("whe_", merchant.id)
        made = Endpoint(id, merchant.id, "test", address, (EVENT["type"],), 1, 1)
        self.webhooks.put_endpoint(made)
        return made


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
    profile = json.dumps({**merchant.to_item(), "iban": None}) if merchant else ""
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


def _tells_of_a_seal(past: Past) -> dict[str, Any]:
    seal = past.seal(past.merchant())
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
    wish = {"currency": "XTS"}  # nobody's: the merchants are read and nothing is sent
    (schedule,) = template.resources("AWS::Scheduler::Schedule").values()
    return queue(wish) if schedule["Target"]["Arn"]["GetAtt"] == "SettleQueue.Arn" else wish


def _closes(past: Past) -> dict[str, Any]:
    return settle(past.executed(past.merchant(), day=past.closed))


def _closes_early(past: Past) -> dict[str, Any]:
    return settle(past.executed(past.merchant(), day=past.closed), due=soon())


def _closes_with_open(past: Past) -> dict[str, Any]:
    return settle(past.payment(past.merchant(), day=past.closed))


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


def _reports(past: Past, route: str) -> dict[str, Any]:
    return api(past.merchant(), route)


def _reports_payout(past: Past, route: str) -> dict[str, Any]:
    merchant = past.merchant()
    return api(merchant, route, {"id": str(past.seal(merchant).payout_id)})


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
    ("Settle", "dynamodb:GetItem", "LabTable"): Need(_closes),
    ("Settle", "dynamodb:GetItem", "SettlementTable"): Need(_closes),
    ("Settle", "dynamodb:Query", "SettlementTable"): Need(_closes),
    ("Settle", "dynamodb:PutItem", "SettlementTable"): Need(_closes),
    ("Settle", "dynamodb:UpdateItem", "SettlementTable"): Need(_closes),
    ("Settle", "dynamodb:Query", "PaymentsTable"): Need(_closes),
    ("Settle", "dynamodb:GetItem", "PaymentsTable"): Need(_closes_with_open),
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
    ("Lab", "dynamodb:GetItem", "LabTable"): Need(_lab("GET", "/lab/clock")),
    ("Lab", "dynamodb:PutItem", "LabTable"): Need(_lab("POST", "/lab/webhooks/scene", "{}")),
    ("Lab", "dynamodb:UpdateItem", "LabTable"): Need(
        _lab("POST", "/lab/clock", '{"advance_s": 0}')
    ),
    ("Lab", "dynamodb:Query", "LabTable"): Need(_lab("GET", "/lab/webhooks")),
    ("Lab", "s3:ListBucket", "FilesBucket"): Need(_lab_bank),
    ("Lab", "s3:GetObject", "FilesBucket/bank/out/*"): Need(_lab_bank),
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
    ("Payout", "s3:ListBucket", "FilesBucket"): (
        "S3 answers 403 for a missing key to who may not list, and 404 to who may; the emulator "
        "answers 404 to both"
    ),
}
"""Grants that no call on the emulator can show to be needed, each with its reason."""
