"""SQS worker: tell merchants, signed, until they answer 2xx or three days have passed.

In:    NotifyQueue, from the bus's rule {"detail": event}, or a replay {"detail": event,
       "endpoint": id}
Out:   a POST per endpoint that wants the event; the delivery log
Fails: seen again after a growing wait (visibility); a crash goes to NotifyDeadQueue (alarm)
"""

import json
from typing import TYPE_CHECKING, Any, Final, Literal

from functions.merchant_notify.send import Try, post
from payvand import webhook
from payvand.edge import log
from payvand.edge.queue import Delivery as Message
from payvand.edge.queue import Later, worker
from payvand.edge.wiring import wiring
from payvand.store.webhooks import Delivery, Endpoint

if TYPE_CHECKING:
    from payvand.edge.wiring import Wiring

USER_AGENT: Final = "Payvand-Webhooks/1"


def notify(message: Message) -> None:
    """Tell every endpoint that was not told yet."""
    live, event = wiring(), message.message["detail"]
    only = message.message.get("endpoint")
    log.note(
        event=event["type"],
        payment=event["data"].get("payment_id"),
        payout=event["data"].get("payout_id"),
        merchant=event["merchant_id"],
        mode=event["mode"],
        tries=message.tries,
    )
    waiting = False
    for endpoint in live.webhooks.endpoints(event["merchant_id"], event["mode"]):
        if endpoint.id != only if only else event["type"] not in endpoint.events:
            continue
        waiting |= not _told(live, endpoint, event, asked_ms=message.message.get("asked", 0))
    if waiting:
        raise Later(webhook.RETRY_S[min(message.tries, len(webhook.RETRY_S)) - 1])


def _told(live: "Wiring", endpoint: Endpoint, event: dict[str, Any], *, asked_ms: int) -> bool:
    """Deliver an event to an endpoint, unless done or given up; True when nothing is left to do."""
    known = live.webhooks.delivery(endpoint.merchant_id, endpoint.mode, event["id"], endpoint.id)
    # A replay asks for a try of its own, once: what was tried before it was asked does not count.
    again = known is not None and known.tries[-1]["at"] < asked_ms
    if known is not None and known.state != "retrying" and not again:
        return True
    now_ms = live.clock.wall_ms()
    first_ms = now_ms if known is None or again else known.first_at_ms
    shown = {name: event[name] for name in ("id", "type", "timestamp", "data")}
    body = json.dumps(shown, separators=(",", ":"), ensure_ascii=False)
    result = _send(live, endpoint, event["id"], body, now_ms)
    state: Literal["delivered", "retrying", "failed"]
    state = "delivered" if result.delivered else "retrying"
    if state == "retrying" and now_ms - first_ms >= webhook.GIVE_UP_AFTER_S * 1000:
        state = "failed"
        log.metric("WebhooksGivenUp")
    attempt = {"at": now_ms, "status": result.status, "error": result.error}
    delivery = Delivery(
        event_id=event["id"],
        endpoint_id=endpoint.id,
        event_type=event["type"],
        state=state,
        tries=(*(known.tries if known else ()), attempt),
        tries_count=(known.tries_count if known else 0) + 1,
        body=json.dumps(event, separators=(",", ":"), ensure_ascii=False),
        first_at_ms=first_ms,
    )
    live.webhooks.put_delivery(endpoint.merchant_id, endpoint.mode, delivery)
    log.note(endpoint=endpoint.id, answer=result.status or result.error)
    log.metric("WebhooksDelivered" if result.delivered else "WebhooksFailed")
    return state != "retrying"


def _send(live: "Wiring", endpoint: Endpoint, event_id: str, body: str, now_ms: int) -> Try:
    master = live.secrets.text(live.env["WEBHOOK_SECRET"])
    raw, timestamp_s = body.encode(), now_ms // 1000
    secret = webhook.secret(master, endpoint.id, endpoint.version)
    headers = {
        "Content-Type": "application/json",
        "User-Agent": USER_AGENT,
        "webhook-id": event_id,
        "webhook-timestamp": str(timestamp_s),
        "webhook-signature": webhook.signature(secret, event_id, timestamp_s, raw),
    }
    return post(endpoint.url, headers, raw, live.webhook_allowed_hosts)


def _postpone(receipt: str, delay_s: int) -> None:
    live = wiring()
    live.queues.postpone(live.env["NOTIFY_QUEUE"], receipt, delay_s)


lambda_handler = worker(notify, postpone=_postpone)
