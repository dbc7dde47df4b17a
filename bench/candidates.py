"""Who is measured, on which flows, with which events; and how a run's effect is checked."""

import json
import sqlite3
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from bench import sites

MERCHANT: Final = "mer_0004K7"
BOOKS: Final = (10, 1_000, 10_000)
"""Payments of the days to settle; the first warms the process."""
Json = dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """How many calls of each kind one process makes."""

    warmup: int = 20
    warm: int = 200
    books: tuple[int, ...] = BOOKS

    @property
    def open(self) -> int:
        """Payments to come back to."""
        return 1 + self.warmup + self.warm


@dataclass
class Candidate:
    """One way to do it."""

    name: str
    title: str
    path: list[Path]
    handlers: Mapping[str, str]
    """Flow → module:function."""
    family: str = "lambda"
    seed: Json = field(default_factory=dict)
    database: Path | None = None
    package: list[Path] = field(default_factory=list)
    """What it ships, without the runtime."""


# ── events ────────────────────────────────────────────────────────────────────────────────────


def body(n: int) -> str:
    """A wish to be paid, as a shop sends it."""
    wish = {
        "amount": 250_000 + n,
        "currency": "IRR",
        "reference": f"order-2026-{n:09d}",
        "return_url": f"https://shop.example/payments/return?order={n}",
        "description": "سفارش شماره ۱۲۳۴۵۶ از فروشگاه نمونه",
        "locale": "fa",
        "metadata": {"order_id": "123456", "customer": "c-778899"},
    }
    return json.dumps(wish, ensure_ascii=False)


def rest(method: str, resource: str, **changes: Any) -> Json:
    """A REST API proxy event with everything API Gateway puts into one."""
    headers = {
        "Accept": "application/json",
        "Accept-Encoding": "gzip, deflate, br",
        "Authorization": "Bearer pv_live_kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk",
        "CloudFront-Forwarded-Proto": "https",
        "CloudFront-Is-Desktop-Viewer": "true",
        "CloudFront-Viewer-Country": "IR",
        "Content-Type": "application/json",
        "Host": "pay.example",
        "User-Agent": "shop/1.0 (+https://shop.example)",
        "Via": "2.0 2afae0d44e2d4f6d.cloudfront.net (CloudFront)",
        "X-Amz-Cf-Id": "JMh1v8h6Dx0vN0m3Y4oH0QbXlJ8dQ1p0R4t2u5w7y9A1C3E5G7I9K1==",
        "X-Amzn-Trace-Id": "Root=1-5759e988-bd862e3fe1be46a994272793",
        "X-Forwarded-For": "203.0.113.7, 130.176.1.1",
        "X-Forwarded-Port": "443",
        "X-Forwarded-Proto": "https",
    }
    context = {
        "accountId": "123456789012",
        "apiId": "a1b2c3d4e5",
        "authorizer": {"merchant_id": MERCHANT, "principalId": MERCHANT},
        "domainName": "pay.example",
        "domainPrefix": "pay",
        "extendedRequestId": "JKJaXmPLvHcESHA=",
        "httpMethod": method,
        "identity": {
            "accessKey": None,
            "accountId": None,
            "caller": None,
            "sourceIp": "203.0.113.7",
            "user": None,
            "userAgent": headers["User-Agent"],
            "userArn": None,
        },
        "path": "/v1" + resource,
        "protocol": "HTTP/1.1",
        "requestId": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
        "requestTime": "23/Nov/2026:07:30:00 +0000",
        "requestTimeEpoch": 1795418000000,
        "resourceId": "0sb5hq",
        "resourcePath": resource,
        "stage": "v1",
    }
    event = {
        "resource": resource,
        "path": resource,
        "httpMethod": method,
        "headers": headers,
        "multiValueHeaders": {k: [v] for k, v in headers.items()},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "pathParameters": None,
        "stageVariables": None,
        "requestContext": context,
        "body": None,
        "isBase64Encoded": False,
    }
    return event | changes


def _create(candidate: Candidate, n: int) -> Json:
    if candidate.family == "server":
        return _served("POST", "/payments", "", body(n))
    event = rest("POST", "/payments", body=body(n))
    if "profile" in candidate.seed:
        event["requestContext"]["authorizer"] = {
            "merchant": candidate.seed["profile"],
            "mode": "live",
            "scopes": "payments:read payments:write",
            "principalId": MERCHANT,
        }
    return event


def _callback(candidate: Candidate, n: int) -> Json:
    payment, authority, _ = candidate.seed["open"][n]
    if candidate.family == "server":
        if candidate.name == "django":
            return _served("GET", f"/process/{payment}/", "verification_result=confirmed", "")
        query = f"payment={payment}&Authority={authority}&Status=OK"
        return _served("GET", "/psp/zarinpal/return", query, "")
    pairs = {"payment": payment, "Authority": authority, "Status": "OK"}
    resource = "/psp/{channel}/return"
    event = rest(
        "GET",
        resource,
        path="/psp/zarinpal/return",
        pathParameters={"channel": "zarinpal"},
        queryStringParameters=pairs,
        multiValueQueryStringParameters={k: [v] for k, v in pairs.items()},
    )
    event["requestContext"]["authorizer"] = None
    return event


def _served(method: str, path: str, query: str, text: str) -> Json:
    headers = rest(method, path)["headers"]
    return {
        "httpMethod": method,
        "path": path,
        "query": query,
        "headers": headers,
        "merchant_id": MERCHANT,
        "body": text,
    }


def _message(text: Json) -> Json:
    record = {
        "messageId": "059f36b4-87a3-44ab-83d2-661975830a7d",
        "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a",
        "body": json.dumps(text),
        "attributes": {
            "ApproximateReceiveCount": "1",
            "SentTimestamp": "1795418000000",
            "SenderId": "AIDAIENQZJOLO23YVJ4VO",
            "ApproximateFirstReceiveTimestamp": "1795418000001",
        },
        "messageAttributes": {},
        "md5OfBody": "e4e68fb7bd0e697a0ae8f1bb342846b3",
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:settle",
        "awsRegion": "us-east-1",
    }
    return {"Records": [record]}


# ── phases ────────────────────────────────────────────────────────────────────────────────────


def phases(candidate: Candidate, flow: str, plan: Plan) -> list[Json]:
    """What one process does: the cold call, a warm-up, the measured calls."""
    if flow == "settle":
        return [
            {
                "name": "cold" if size == plan.books[0] else f"settle_{size}",
                "events": [_message({"book": candidate.seed["books"][str(size)]})],
                "status": None,
                "contains": [""],
            }
            for size in plan.books
        ]
    if flow == "watch":
        wake = _message({"payment": candidate.seed["finished"], "due": 1, "n": 0})
        return [_phase("cold", [wake], None), _phase("warm", [wake] * plan.warm, None)]
    make = {"create": _create, "callback": _callback}[flow]
    events = [make(candidate, n) for n in range(plan.open)]
    status = {"create": 201, "callback": 303 if candidate.name != "django" else 302}[flow]
    contains = (
        [f"order-2026-{n:09d}" for n in range(plan.open)]
        if flow == "create"
        else ["status=executed"] * plan.open
    )
    made = [
        _phase("cold", events[:1], status, contains[:1]),
        _phase("warmup", events[1 : 1 + plan.warmup], status, contains[1 : 1 + plan.warmup]),
        _phase("warm", events[1 + plan.warmup :], status, contains[1 + plan.warmup :]),
    ]
    if flow == "create":
        made.append(made[2] | {"name": "replay"})
    return made


def _phase(
    name: str, events: list[Json], status: int | None, texts: list[str] | None = None
) -> Json:
    return {
        "name": name,
        "events": events,
        "status": status,
        "contains": texts or [""] * len(events),
    }


# ── who ───────────────────────────────────────────────────────────────────────────────────────

OURS: Final = {
    "create": ("PaymentInit", "functions.payment_init.handler:lambda_handler"),
    "callback": ("PspCallback", "functions.psp_callback.handler:lambda_handler"),
    "settle": ("Settle", "functions.settle.handler:lambda_handler"),
    "watch": ("PaymentTimer", "functions.payment_timer.handler:lambda_handler"),
}
CONVENTIONAL: Final = {
    flow: f"peers.conventional.{flow}:lambda_handler" for flow in ("create", "callback", "settle")
}
TABLES: Final = {
    "PaymentsTable": ["pk", "id"],
    "ReferencesTable": ["pk"],
    "SettlementTable": ["pk", "sk"],
    "MerchantsTable": ["id"],
    "KeysTable": ["hash"],
    "LabTable": ["pk", "sk"],
    "IdempotencyTable": ["id"],
}


def ours_seed(build: Path, runtime: Path, plan: Plan) -> Json:
    """Books made with the product's own code."""
    path = f"{build / 'Settle'}:{build / sites.LAYER / 'python'}:{runtime}"
    found = subprocess.run(
        [sites.interpreter(), "-S", str(sites.ROOT / "bench" / "ours.py")],
        input=json.dumps({"open": plan.open, "books": plan.books}),
        env={"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    seed: Json = json.loads(found.stdout)
    return seed


def plain_seed(plan: Plan) -> Json:
    """The same books as the floor and the conventional stack keep them."""
    items = []
    opened = []
    for n in range(plan.open):
        pk = f"{MERCHANT}#2026-11-23"
        items.append(_plain(pk, f"{pk}#{n:032x}", n, "created"))
        opened.append([f"{pk}#{n:032x}", f"A{n:035d}", 250_000 + n])
    books = {}
    for size in plan.books:
        book = books[str(size)] = f"b{size}#2026-11-22"
        items += [_plain(book, f"{book}#{n:032x}", n, "executed") for n in range(size)]
    return {"items": {"PaymentsTable": items}, "open": opened, "books": books}


def _plain(pk: str, id: str, n: int, status: str) -> Json:
    return {
        "pk": {"S": pk},
        "id": {"S": id},
        "status": {"S": status},
        "amount": {"N": str(250_000 + n)},
        "currency": {"S": "IRR"},
        "reference": {"S": f"seed-{n}"},
        "description": {"S": "Order 2026-000123456"},
        "return_url": {"S": "https://shop.example/done?x=1"},
        "ret": {"S": "https://shop.example/done?x=1"},
        "metadata": {"M": {"order_id": {"S": "123456"}, "customer": {"S": "c-778899"}}},
        "created_at": {"S": "2026-11-22T10:00:00+00:00"},
        "receipt": {"S": f"r{n}"},
        "card": {"S": "603799******1234"},
    }


def served_seed(candidate: Candidate, plan: Plan) -> None:
    """A SQLite file with the same books, made by the candidate itself."""
    target = sites.WORK / f"{candidate.name}.sqlite"
    for file in target.parent.glob(target.name + "*"):
        file.unlink()
    module = candidate.handlers["create"].partition(":")[0]
    code = (
        "import json,sys; sys.path[:0]=sys.argv[1].split(':'); "
        f"from {module} import prepare; "
        "print(json.dumps(prepare(json.load(sys.stdin))))"
    )
    found = subprocess.run(
        [sites.interpreter(), "-S", "-c", code, ":".join(map(str, candidate.path))],
        input=json.dumps({"open": plan.open, "books": plan.books}),
        env={"SQLITE_PATH": str(target), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    candidate.seed = json.loads(found.stdout) | {"books": {str(s): f"b{s}" for s in plan.books}}
    candidate.database = target


# ── what a run must have left ─────────────────────────────────────────────────────────────────


def check(
    candidate: Candidate, flow: str, plan: Plan, left: Callable[[], Json], database: Path
) -> None:
    """The effect of a whole run is in the store, once each."""
    if candidate.family == "server":
        found = _in_sqlite(candidate, flow, database)
    else:
        found = _in_world(candidate, flow, left())
    expected = {
        "create": plan.open,
        "callback": plan.open,
        "settle": sum(sum(250_000 + n for n in range(size)) for size in plan.books),
        "watch": 0,
    }[flow]
    assert found == expected, f"{candidate.name} {flow}: {found} instead of {expected}"


def _in_world(candidate: Candidate, flow: str, world: Json) -> int:
    if flow == "watch":
        return int(world["messages"])
    if flow in {"create", "callback"}:
        status = "created" if flow == "create" else "executed"
        planted: list[Json] = candidate.seed["items"]["PaymentsTable"]
        before: int = sum(item["status"]["S"] == status for item in planted)
        return int(world["statuses"].get(status, 0)) - before
    if candidate.name.startswith("ours"):
        sums = [seal["sums"]["M"]["receivable:zarinpal"]["N"] for seal in world["seals"]]
    else:
        sums = [item["total"]["N"] for item in world["sums"]]
    return sum(map(int, sums))


def _in_sqlite(candidate: Candidate, flow: str, database: Path) -> int:
    django = candidate.name == "django"
    table = "django_shop_payment" if django else "payments"
    paid = "confirmed" if django else "executed"
    merchant = MERCHANT if flow == "create" else "open"
    mine = f"FROM {table} WHERE merchant_id = '{merchant}'"
    query = {
        "create": f"SELECT count(*) {mine}",
        "callback": f"SELECT count(*) {mine} AND status = '{paid}'",
        "settle": f"SELECT sum(total) FROM {'django_shop_sum' if django else 'sums'}",  # noqa: S608
    }[flow]
    with sqlite3.connect(database) as connection:
        (found,) = connection.execute(query).fetchone()
    connection.close()
    return int(found)
