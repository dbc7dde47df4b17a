"""A server's side: events in, ASGI to the application, and the night's sum."""

import asyncio
import json

from peers.fastapi_shop.shop import Base, Payment, Sessions, app, engine, settled

runner = asyncio.Runner()


def door(event: dict, context: object) -> dict:
    return runner.run(_call(event))


async def _call(event: dict) -> dict:
    headers = [(k.lower().encode(), v.encode()) for k, v in event["headers"].items()]
    headers.append((b"x-merchant", event["merchant_id"].encode()))
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": event["httpMethod"],
        "scheme": "https",
        "path": event["path"],
        "raw_path": event["path"].encode(),
        "query_string": event["query"].encode(),
        "root_path": "",
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("pay.example", 443),
    }
    sent = []
    message = {"type": "http.request", "body": (event["body"] or "").encode(), "more_body": False}

    async def receive() -> dict:
        return message

    async def send(part: dict) -> None:
        sent.append(part)

    await app(scope, receive, send)
    return {
        "statusCode": sent[0]["status"],
        "headers": {k.decode(): v.decode() for k, v in sent[0]["headers"]},
        "body": b"".join(part.get("body", b"") for part in sent[1:]).decode(),
    }


def settle(event: dict, context: object) -> dict:
    return settled(json.loads(event["Records"][0]["body"])["book"])


def prepare(spec: dict) -> dict:
    """A database with open payments to come back to and paid ones to settle."""
    from datetime import UTC, datetime

    Base.metadata.create_all(engine)

    def made(merchant: str, n: int, status: str) -> Payment:
        return Payment(
            id=f"{merchant}-{n:08d}",
            merchant_id=merchant,
            reference=f"seed-{n}",
            status=status,
            amount=250_000 + n,
            currency="IRR",
            return_url="https://shop.example/done?x=1",
            description="Order",
            metadata_={},
            created_at=datetime.now(UTC),
        )

    opened = [made("open", n, "created") for n in range(spec["open"])]
    ids = [[p.id, "A" + "0" * 35, p.amount] for p in opened]
    with Sessions() as db:
        db.add_all(opened)
        for size in spec["books"]:
            db.add_all([made(f"b{size}", n, "executed") for n in range(size)])
        db.commit()
    engine.dispose()
    return {"open": ids}
