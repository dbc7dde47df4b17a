"""Every operation, asked by everybody who should not be answered.

In process the same judge is shown handlers with one guard taken out, and must complain; deployed
it looks at the stack as it is.
"""

import copy
import dataclasses
import datetime as dt
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import httpx
import pytest

from functions.authorize.handler import Unauthorized
from functions.payment_status import handler as payment_status
from functions.refund import handler as refund
from functions.report import explain
from functions.report import handler as report
from payvand.edge import api, views
from payvand.edge.api import SCOPES
from payvand.errors import Forbidden
from payvand.ids import Book, Mode, PaymentId, PayoutId, merchant_id
from payvand.store.merchants import ApiKey, Merchants
from payvand.store.table import Table
from payvand_cli import fire
from tests.adversary.matrix import KIN, Answer, Cast, Operation, complaints, operations
from tests.stack.shops import Merchant as Shopkeeper
from tests.stack.shops import open_shop
from tests.support import template
from tests.support.local_stack import LocalStack
from tests.support.merchant import paid
from tests.support.world import MERCHANT, OTHER, World, running_world
from tools import contracts

ROWS: Final = operations()
CANARY: Final = "canary-7f3d"
TABLES: Final = ("PaymentsTable", "ReferencesTable", "SettlementTable", "WebhooksTable")
NO_DELIVERY: Final = f"evt_{'0' * 26}.whe_{'0' * 16}"


def key_text(mode: str, letter: str) -> str:
    return f"pv_{mode}_{letter * 43}"


def bearer(key: str) -> str:
    return f"Bearer {key}"


def put_keys(merchants: Merchants, victim: str) -> dict[str, dict[str, str | None]]:
    """Every kind of key somebody may come with: `nobody` and `without`."""

    def put(letter: str, **changes: Any) -> str:
        key = key_text(changes.pop("named", "test"), letter)
        fields: dict[str, Any] = {
            "merchant_id": victim,
            "mode": "test",
            "scopes": SCOPES,
            "revoked": False,
            "expires_at_ms": None,
        }
        merchants.put_key(key, ApiKey(**(fields | changes)))
        return bearer(key)

    return {
        "nobody": {
            "no key": None,
            "an empty header": "",
            "a key without its scheme": key_text("test", "u"),
            "another scheme": "Basic dXNlcjpwYXNz",
            "half a key": bearer("pv_test_short"),
            "a key with a tail": bearer(key_text("test", "u")) + " x",
            "an unknown key": bearer(key_text("test", "u")),
            "a revoked key": put("r", revoked=True),
            "an expired key": put("e", expires_at_ms=1),
            "a live key that is stored as test": put("m", named="live"),
            "a key of nobody": put("n", merchant_id=merchant_id(3)),
        },
        "without": {
            scope: put(str(n), scopes=tuple(s for s in SCOPES if s != scope))
            for n, scope in enumerate(SCOPES)
        },
    }


def cast_of(victim: str, stranger: str, mode: Mode, **rest: Any) -> Cast:
    """Ids of nothing are well-formed and in the stranger's own books."""
    book = Book(stranger, mode, "IRR")
    id = PaymentId.parse(rest["ids"]["payments"])
    missing = {
        "payments": PaymentId.mint(book, id.day, id.ms, 0, b"absent").text,
        "payouts": PayoutId.of(book, 77).text,
        "webhook_endpoints": NO_DELIVERY.split(".")[1],
        "webhook_deliveries": NO_DELIVERY,
    }
    ids = rest["ids"]
    secrets = (*ids.values(), victim, CANARY, *rest.pop("also_secret"))
    return Cast(victim=victim, missing=missing, secrets=secrets, **rest)


# ── in process ────────────────────────────────────────────────────────────────────────────────


class InProcess:
    """The handlers, behind an authorizer as the gateway asks it."""

    def __init__(self, world: World) -> None:
        self.world = world

    def ask(self, method: str, path: str, body: Any, authorization: str | None) -> Answer:
        headers = {} if authorization is None else {"Authorization": authorization}
        try:
            got = self.world.call(method, path, body, headers=headers)
        except Unauthorized:
            return Answer(401, {}, b"as the gateway says it")
        return Answer(got.status, {k.lower(): v for k, v in got.headers.items()}, got.body)

    def holds(self, books: str) -> str:
        rows = [repr(row) for table in TABLES for row in self.world.items(table)]
        return "\n".join(sorted(row for row in rows if books in row))


@contextmanager
def staged() -> Iterator[tuple[InProcess, Cast]]:
    """A world with a victim who has one of everything, and all kinds of keys."""
    with running_world() as world:
        keys, others = world.add_merchant(), world.add_merchant(OTHER)
        hook = f"https://{CANARY}.example/hook"
        endpoint = world.call("POST", "/webhook_endpoints", {"url": hook}, keys["test"]).json()
        payment = paid(world, keys["test"], metadata={"note": CANARY})
        world.run()
        world.until_closed()
        world.settle()
        world.bank_runs()
        world.run()
        delivery = world.call("GET", "/webhook_deliveries", key=keys["test"]).json()["data"][0]
        payout = world.call("GET", "/payouts", key=keys["test"]).json()["data"][0]
        store = Merchants(world._raw_table("MerchantsTable"), world._raw_table("KeysTable"))
        cast = cast_of(
            MERCHANT,
            OTHER,
            "test",
            ids={
                "payments": payment["id"],
                "payouts": payout["id"],
                "webhook_endpoints": endpoint["id"],
                "webhook_deliveries": delivery["id"],
            },
            queries={"reference": payment["reference"], "cursor": payout["id"]},
            also_secret=(endpoint["secret"], payout["digest"]),
            elsewhere={
                "another merchant": bearer(others["test"]),
                "another merchant in live mode": bearer(others["live"]),
                KIN: bearer(keys["live"]),
            },
            owner=bearer(keys["test"]),
            **put_keys(store, MERCHANT),
        )
        yield InProcess(world), cast


@pytest.fixture
def stage() -> Iterator[tuple[InProcess, Cast]]:
    with staged() as made:
        yield made


def test_no_stranger_is_answered(stage: tuple[InProcess, Cast]) -> None:
    assert [text for row in ROWS for text in complaints(row, *stage)] == []


def test_the_rows_are_all_there_is() -> None:
    guarded = {(r.method, r.path) for r in template.routes() if not r.public}
    assert {(row.method, row.path) for row in ROWS} == guarded
    door = template.resources("AWS::Serverless::Api")["Api"]["Auth"]
    assert door["DefaultAuthorizer"] == "ApiKey", "a route that says nothing asks for a key"


def test_an_operation_nobody_guards_is_complained_about(stage: tuple[InProcess, Cast]) -> None:
    document = json.loads((contracts.SERVED / "openapi.json").read_text("utf-8"))
    unguarded: list[Any] = [[], [{}], [{"ApiKey": []}], [{"ApiKey": ["payments:everything"]}]]
    for security in unguarded:
        changed = copy.deepcopy(document)
        changed["paths"]["/balance"]["get"]["security"] = security
        (row,) = (row for row in operations(changed) if row.path == "/balance")
        assert complaints(row, *stage), security


def test_the_same_names_in_other_books_are_other_things(world: World) -> None:
    """Reference, Idempotency-Key and body of another merchant, or of the other mode."""
    keys = [*world.add_merchant().values(), *world.add_merchant(OTHER).values()]
    headers = {"Idempotency-Key": "the-same"}
    body = next(row.body for row in ROWS if row.id == "create_payment")
    hook = {"url": "https://shop.example/hook"}
    for path, sent in (("/payments", body), ("/webhook_endpoints", hook)):
        made = [world.call("POST", path, sent, key, headers) for key in keys]
        assert [got.status for got in made] == [201] * len(keys)
        assert len({got.json()["id"] for got in made}) == len(keys)
        again = [world.call("POST", path, sent, key, headers) for key in keys]
        assert [got.json()["id"] for got in again] == [got.json()["id"] for got in made]
    secrets = {world.call("GET", "/webhook_endpoints", key=key).json()["data"][0]["secret"]
               for key in keys}  # fmt: skip
    assert len(secrets) == len(keys)


# ── the judge has teeth ───────────────────────────────────────────────────────────────────────

Removal = Callable[[pytest.MonkeyPatch], None]


def _any_scope(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(api, "_answer", lambda route, request: route.handle(request))


def _any_merchant(patch: pytest.MonkeyPatch) -> None:
    for module in (payment_status, refund, explain):
        patch.setattr(module, "own_payment_id", lambda text, *_: PaymentId.parse(text))


def _any_mode(patch: pytest.MonkeyPatch) -> None:
    def own(text: str, merchant: str, mode: str) -> PaymentId:
        return views.own_payment_id(text, merchant, PaymentId.parse(text).book.mode)

    for module in (payment_status, refund, explain):
        patch.setattr(module, "own_payment_id", own)


def _any_payout(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(report, "_own_payout", lambda text, *_: PayoutId.parse(text))


def _foreign_is_forbidden(patch: pytest.MonkeyPatch) -> None:
    def own(text: str, merchant: str, mode: str) -> PaymentId:
        id = PaymentId.parse(text)
        if id.book.merchant_id != merchant:
            raise Forbidden("not_yours")
        return id

    patch.setattr(payment_status, "own_payment_id", own)


def _changed_key(**changes: Any) -> Removal:
    def remove(patch: pytest.MonkeyPatch) -> None:
        found = Merchants.key

        def key(self: Merchants, api_key: str) -> ApiKey | None:
            known = found(self, api_key)
            return dataclasses.replace(known, **changes) if known else None

        patch.setattr(Merchants, "key", key)

    return remove


def _any_key(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        Merchants,
        "key",
        lambda *_: ApiKey(MERCHANT, "test", SCOPES, revoked=False, expires_at_ms=None),
    )


def _any_reference(patch: pytest.MonkeyPatch) -> None:
    from payvand.store.payments import Payments

    find = Payments.find
    patch.setattr(Payments, "find", lambda self, _, mode, ref: find(self, MERCHANT, mode, ref))


def _any_endpoint(patch: pytest.MonkeyPatch) -> None:
    from payvand.store import webhooks

    key = webhooks._key
    patch.setattr(webhooks, "_key", lambda _, __, sort: key(MERCHANT, "test", sort))


REMOVALS: Final[dict[str, tuple[Removal, str]]] = {
    "scopes": (_any_scope, "get_balance"),
    "whose payment": (_any_merchant, "get_payment"),
    "whose payment is refunded": (_any_merchant, "create_payment_refund"),
    "whose payment is explained": (_any_merchant, "get_payment_explain"),
    "which mode": (_any_mode, "get_payment"),
    "which mode is explained": (_any_mode, "get_payment_explain"),
    "whose payout": (_any_payout, "get_payout"),
    "whose payout in a cursor": (_any_payout, "list_payout_entries"),
    "foreign looks missing": (_foreign_is_forbidden, "get_payment"),
    "revoked": (_changed_key(revoked=False), "get_balance"),
    "expired": (_changed_key(expires_at_ms=None), "get_balance"),
    "known": (_any_key, "list_payments"),
    "whose reference": (_any_reference, "list_payments"),
    "whose delivery": (_any_endpoint, "replay_webhook_delivery"),
    "whose endpoint": (_any_endpoint, "delete_webhook_endpoint"),  # last: it is gone then
}


def test_without_a_guard_the_judge_complains(stage: tuple[InProcess, Cast]) -> None:
    for name, (remove, operation) in REMOVALS.items():
        (row,) = (row for row in ROWS if row.id == operation)
        with pytest.MonkeyPatch.context() as patch:
            remove(patch)
            assert complaints(row, *stage), f"nobody noticed that it no longer matters: {name}"


# ── deployed ──────────────────────────────────────────────────────────────────────────────────


ASKED_TWICE: Final = {"no key", "half a key", "an unknown key", "a revoked key", "an expired key"}
"""One authorizer stands before every route; what it reads a header as is tried in process."""


class Deployed:
    """The stack's own address."""

    def __init__(self, stack: LocalStack) -> None:
        self.client = httpx.Client(base_url=stack.url, timeout=40)
        self.tables = [Table(stack.stack.dynamodb, stack.stack.outputs[name]) for name in TABLES]

    def ask(self, method: str, path: str, body: Any, authorization: str | None) -> Answer:
        headers = {} if authorization is None else {"Authorization": authorization}
        got = self.client.request(method, path, json=body, headers=headers)
        kept = {k.lower(): v for k, v in got.headers.items()}
        return Answer(got.status_code, kept, got.content)

    def holds(self, books: str) -> str:
        rows = [repr(row) for table in self.tables for row in table.scan()]
        return "\n".join(sorted(row for row in rows if books in row))


@pytest.fixture(scope="module")
def deployed(local_stack: LocalStack) -> Iterator[tuple[Deployed, Cast]]:
    modes: Any = {"modes": ("test", "live")}
    with (
        open_shop(local_stack, "victim", **modes) as victim,
        open_shop(local_stack, "stranger", **modes) as stranger,
    ):
        ids, secrets = _one_of_everything(victim)
        found = put_keys(victim.doors.merchants, victim.id)
        cast = cast_of(
            victim.id,
            stranger.id,
            "test",
            ids=ids,
            queries={"reference": "order-1", "cursor": ids["payouts"]},
            also_secret=secrets,
            elsewhere={
                "another merchant": bearer(stranger.local["api_key"]),
                KIN: bearer(_live_key(victim)),
            },
            owner=bearer(victim.local["api_key"]),
            nobody={why: header for why, header in found["nobody"].items() if why in ASKED_TWICE},
            without=found["without"],
        )
        door = Deployed(local_stack)
        with door.client:
            yield door, cast


def _live_key(merchant: Shopkeeper) -> str:
    key = f"pv_live_{merchant.id[4:]}{'l' * 37}"
    merchant.doors.merchants.put_key(
        key, ApiKey(merchant.id, "live", SCOPES, revoked=False, expires_at_ms=None)
    )
    return key


def _one_of_everything(victim: Shopkeeper) -> tuple[dict[str, str], tuple[str, ...]]:
    """Made, told and settled, so that nothing moves while strangers knock."""
    day = victim.afternoon()
    payment = victim.paid(metadata={"note": CANARY})
    victim.until(lambda: victim.told(payment["id"], "payment.executed.v1"))
    victim.after(day)
    fire.run(victim.stack.stack, "SettleSchedule", victim.now())
    payout = victim.until(lambda: victim.shop.all("/payouts"))[0]
    victim.until(lambda: victim.shop.all("/payouts")[0]["status"] == "sent")
    victim.lab.post("/bank/run")
    victim.move(victim.now() + dt.timedelta(hours=1))
    victim.until(lambda: victim.told(payout["id"], "payout.executed.v1"))
    endpoint = victim.shop.all("/webhook_endpoints")[0]
    delivery = victim.until(
        lambda: [d for d in victim.shop.all("/webhook_deliveries") if d["state"] == "delivered"]
    )[0]
    ids = {
        "payments": payment["id"],
        "payouts": payout["id"],
        "webhook_endpoints": endpoint["id"],
        "webhook_deliveries": delivery["id"],
    }
    return ids, (endpoint["secret"], payout["digest"])


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_deployed_no_stranger_is_answered(deployed: tuple[Deployed, Cast], row: Operation) -> None:
    assert complaints(row, *deployed) == []


def test_deployed_the_owner_is_answered(deployed: tuple[Deployed, Cast]) -> None:
    """Else all of the above would prove nothing; what removes something comes last."""
    door, cast = deployed
    for row in sorted(ROWS, key=lambda row: row.method == "DELETE"):
        answer = door.ask(row.method, cast.path(row), row.body, cast.owner)
        assert row.answers(answer.status), (row.id, answer.body)
