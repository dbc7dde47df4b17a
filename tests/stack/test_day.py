"""Whole days on the deployed stack, over HTTP, with IAM enforced: what must hold whoever races."""

import datetime as dt
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from payvand import webhook
from payvand.calendar import cut_off
from payvand_cli import demo, fire
from tests.stack.shops import CARD, PAYER, Merchant, open_shop
from tests.support.local_stack import LocalStack

AT_ONCE = 10
"""Real parallelism without a worker of every function for each request."""


@pytest.fixture
def merchant(local_stack: LocalStack) -> Iterator[Merchant]:
    with open_shop(local_stack, "فروشگاه آزمون") as shop:
        yield shop


@pytest.fixture
def stranger(local_stack: LocalStack) -> Iterator[Merchant]:
    with open_shop(local_stack, "other") as shop:
        yield shop


def together[T](calls: list[Callable[[], T]]) -> list[T]:
    """All of them, as much at once as two cores give."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return [future.result() for future in [pool.submit(call) for call in calls]]


def test_a_played_day_is_in_order_and_so_is_the_next(
    local_stack: LocalStack, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        code = demo.play(local_stack.local)
        printed = capsys.readouterr()
        assert code == 0, printed.out + printed.err
        assert "the day is in order" in printed.out
        assert printed.err == ""


# ── once ──────────────────────────────────────────────────────────────────────────────────────


def booked_once(merchant: Merchant, id: str) -> None:
    merchant.until(lambda: merchant.status(id) == "executed")
    merchant.until(lambda: merchant.told(id, "payment.executed.v1"))
    assert [entry["kind"] for entry in merchant.entries(id)] == ["payment"]
    told = merchant.told(id, "payment.executed.v1")
    assert len({row["headers"]["webhook-id"] for row in told}) == 1


def test_fifty_returns_book_once(merchant: Merchant) -> None:
    payment = merchant.create(channel="zarinpal")
    back = merchant.at_the_bank(payment)
    answers = together([lambda: httpx.get(back, timeout=60)] * 50)
    assert {a.status_code for a in answers} == {303}
    booked_once(merchant, payment["id"])


def test_fifty_returns_and_notices_book_once(merchant: Merchant, local_stack: LocalStack) -> None:
    payment = merchant.create(amount=250_302, channel="noticebank")
    back = merchant.at_the_bank(payment, "noticebank")
    notify, body, headers = _notice(merchant, local_stack, payment["id"])
    calls = [
        lambda: httpx.get(back, timeout=60),
        lambda: httpx.post(notify, content=body, headers=headers, timeout=60),
    ]
    answers = together(calls * 25)
    assert {a.status_code for a in answers} == {200, 303}
    booked_once(merchant, payment["id"])


def _notice(
    merchant: Merchant, local_stack: LocalStack, id: str
) -> tuple[str, bytes, dict[str, str]]:
    """A notice as the bank signs it, with the contract's own secret."""
    secret = local_stack.stack.secrets.get_secret_value(
        SecretId=local_stack.stack.outputs["ChannelSecretTest"]
    )["SecretString"]
    contract = json.loads(secret)["noticebank"]["default"]
    rows = merchant.lab.get("/noticebank")["data"]
    session = next(row["session"] for row in rows if row["order"] == id)
    told = {
        "shop": contract["shop"],
        "order": id,
        "session": session,
        "state": "TAKEN",
        "amount_toman": "25030.2",
        "receipt": 12345678,
    }
    body, stamp = json.dumps(told).encode(), int(time.time())
    mac = hmac.new(contract["notice_secret"].encode(), f"{stamp}.".encode() + body, hashlib.sha256)
    headers = {"content-type": "application/json"}
    headers["x-notice-signature"] = f"t={stamp},v1={mac.hexdigest()}"
    return f"{local_stack.url}/psp/noticebank/notify?payment={id}", body, headers


def test_the_same_reference_is_one_payment_and_another_body_a_conflict(merchant: Merchant) -> None:
    body = merchant.body(amount=310_000, channel="zarinpal")
    answers = together([lambda: merchant.shop.ask("POST", "/payments", body)] * 20)
    assert {a.status_code for a in answers} == {201}
    assert len({a.json()["id"] for a in answers}) == 1
    assert merchant.shop.post("/payments", body)["id"] == answers[0].json()["id"]
    assert len(merchant.shop.all("/payments")) == 1
    other = merchant.shop.ask("POST", "/payments", body | {"amount": 320_000})
    assert (other.status_code, other.json()["code"]) == (409, "reference_reused")


# ── mine and thine ────────────────────────────────────────────────────────────────────────────


def test_another_merchants_ids_look_like_missing_ones(
    merchant: Merchant, stranger: Merchant, local_stack: LocalStack
) -> None:
    day = merchant.afternoon()
    payment = merchant.paid()
    merchant.until(lambda: merchant.told(payment["id"], "payment.executed.v1"))
    merchant.after(day)
    fire.run(local_stack.stack, "SettleSchedule", merchant.now())
    payout = merchant.until(lambda: merchant.shop.all("/payouts"))[0]
    delivery = merchant.shop.all("/webhook_deliveries")[0]
    missing_payout = payout["id"][:-1] + ("2" if payout["id"][-1] != "2" else "3")
    for method, path, known, missing in (
        ("GET", "/payments/{}", payment["id"], _other(payment["id"])),
        ("GET", "/payments/{}/events", payment["id"], _other(payment["id"])),
        ("GET", "/payments/{}/refunds", payment["id"], _other(payment["id"])),
        ("POST", "/payments/{}/refunds", payment["id"], _other(payment["id"])),
        ("GET", "/payouts/{}", payout["id"], missing_payout),
        ("GET", "/payouts/{}/entries", payout["id"], missing_payout),
        ("POST", "/webhook_deliveries/{}/replay", delivery["id"], _other(delivery["id"])),
    ):
        body: dict[str, Any] | None = {} if method == "POST" else None
        assert merchant.shop.ask(method, path.format(known), body).is_success
        foreign = stranger.shop.ask(method, path.format(known), body)
        absent = merchant.shop.ask(method, path.format(missing), body)
        assert foreign.status_code == absent.status_code == 404, path
        assert _said(foreign) == _said(absent), path
    assert merchant.told(payment["id"]) and not stranger.told(payment["id"])


def _other(id: str) -> str:
    return id[:-1] + ("0" if id[-1] != "0" else "1")


def _said(answer: httpx.Response) -> dict[str, Any]:
    return {name: value for name, value in answer.json().items() if name != "request_id"}


# ── the day's end ─────────────────────────────────────────────────────────────────────────────


def send_to_settle(merchant: Merchant, through: dt.date) -> None:
    merchant.stack.stack.sqs.send_message(
        QueueUrl=merchant.stack.stack.outputs["SettleQueue"],
        MessageBody=json.dumps({"book": merchant.book.key, "through": through.isoformat()}),
    )


def seals_through(merchant: Merchant, day: dt.date) -> bool:
    last = merchant.doors.settlements.last(merchant.book)
    return last is not None and last.through >= day


def test_settling_twice_at_once_and_again_pays_once(merchant: Merchant) -> None:
    day = merchant.afternoon()
    merchant.paid(amount=1_000_000)
    merchant.paid(amount=2_000_000)
    merchant.after(day)
    together([lambda: send_to_settle(merchant, day)] * 6)
    fire.run(merchant.stack.stack, "SettleSchedule", merchant.now())
    merchant.until(lambda: seals_through(merchant, day))
    send_to_settle(merchant, day)
    merchant.until(lambda: merchant.shop.all("/payouts")[0]["status"] == "sent")
    together([lambda: merchant.lab.post("/bank/run")] * 3)
    merchant.move(merchant.now() + dt.timedelta(hours=1))
    merchant.until(lambda: merchant.shop.all("/payouts")[0]["status"] == "executed")
    send_to_settle(merchant, day)
    merchant.lab.post("/bank/run")
    (payout,) = merchant.shop.all("/payouts")
    assert payout["amount"] == 3_000_000 - 10_000 - 20_000
    orders = [o for o in merchant.lab.get("/bank")["data"] if o["reference"] == payout["id"]]
    assert [(o["amount"], o["status"]) for o in orders] == [(payout["amount"], "executed")]
    assert merchant.shop.get("/balance")["balance"] == 0
    assert len(list(merchant.doors.settlements.seals(merchant.book, limit=10))) == 1


def test_a_payment_that_lands_while_its_day_closes_is_paid_the_next_day(merchant: Merchant) -> None:
    day = merchant.afternoon()
    merchant.paid(amount=1_000_000)
    merchant.move(cut_off(day, "IRR") - dt.timedelta(seconds=90))
    late = merchant.create(amount=2_000_000, channel="zarinpal")
    back = merchant.at_the_bank(late)
    merchant.after(day)
    together([lambda: send_to_settle(merchant, day), lambda: _visit(back)])
    merchant.until(lambda: seals_through(merchant, day))
    merchant.until(lambda: merchant.status(late["id"]) == "executed")
    following = demo.next_business_day(day)
    merchant.after(following)
    send_to_settle(merchant, following)
    merchant.until(lambda: seals_through(merchant, following))
    second, first = merchant.until(lambda: _two(merchant.shop.all("/payouts")))
    assert (first["amount"], second["amount"]) == (990_000, 1_980_000)
    assert [e["subject"] for e in merchant.shop.all(f"/payouts/{second['id']}/entries")] == [
        late["id"]
    ]


def _visit(url: str) -> None:
    assert httpx.get(url, timeout=60).status_code == 303


def _two(rows: list[dict[str, Any]]) -> list[dict[str, Any]] | None:
    return rows if len(rows) == 2 else None


# ── webhooks ──────────────────────────────────────────────────────────────────────────────────


def test_a_webhook_is_told_again_until_it_is_heard_and_again_when_asked(merchant: Merchant) -> None:
    merchant.lab.post(f"{merchant.inbox}/fail", {"times": 1, "status": 503})
    payment = merchant.paid()
    merchant.until(lambda: merchant.told(payment["id"], "payment.executed.v1"))
    heard = merchant.until(lambda: _delivered(merchant, payment["id"]))
    assert [tried["status"] for tried in heard["tries"]] == [503, 200]
    answer = merchant.shop.post(f"/webhook_deliveries/{heard['id']}/replay", {})
    assert answer["event_id"] == heard["event_id"]
    merchant.until(lambda: len(merchant.told(payment["id"])) == 2)
    again, before = merchant.told(payment["id"])
    assert again["headers"]["webhook-id"] == before["headers"]["webhook-id"] == heard["event_id"]
    assert again["body"] == before["body"]
    for row in (again, before):
        stamp = int(row["headers"]["webhook-timestamp"])
        right = webhook.signature(
            merchant.local["webhook_secret"], heard["event_id"], stamp, row["body"].encode()
        )
        assert row["headers"]["webhook-signature"] == right


def _delivered(merchant: Merchant, id: str) -> dict[str, Any] | None:
    rows = merchant.shop.all("/webhook_deliveries")
    return next(
        (r for r in rows if r["state"] == "delivered" and r["event"]["data"]["payment_id"] == id),
        None,
    )


# ── what nobody may read in a log ─────────────────────────────────────────────────────────────


def test_no_log_line_holds_what_is_personal_or_secret(
    merchant: Merchant, local_stack: LocalStack
) -> None:
    merchant.paid(allowed_cards=[CARD], channel="zarinpal")
    merchant.paid(allowed_cards=[CARD])
    stack = local_stack.stack
    channels = json.loads(
        stack.secrets.get_secret_value(SecretId=stack.outputs["ChannelSecretTest"])["SecretString"]
    )
    secrets = [
        value
        for accounts in channels.values()
        for fields in accounts.values()
        for name, value in fields.items()
        if "secret" in name or "token" in name
    ]
    personal = [*PAYER.values(), *demo.PAYER.values(), CARD, "0170000000000123456789"]
    for mobile in (PAYER["mobile"], demo.PAYER["mobile"]):
        personal += [mobile.removeprefix("+98"), f"0{mobile.removeprefix('+98')}"]
    keys = [merchant.local["api_key"], local_stack.local["api_key"]]
    hooks = [merchant.local["webhook_secret"], local_stack.local["webhook_secret"]]
    forbidden = [*personal, *keys, *hooks, *secrets, "603799******1234"]
    seen = _log_text(local_stack)
    assert merchant.id in seen
    assert [word for word in forbidden if word in seen] == []


def _log_text(local_stack: LocalStack) -> str:
    logs = local_stack.stack.logs
    return "\n".join(
        event["message"]
        for page in logs.get_paginator("describe_log_groups").paginate(
            logGroupNamePrefix="/aws/lambda/"
        )
        for group in page["logGroups"]
        for found in logs.get_paginator("filter_log_events").paginate(
            logGroupName=group["logGroupName"]
        )
        for event in found["events"]
    )
