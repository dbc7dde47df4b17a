"""Webhook endpoints and the delivery log.

pk = {merchant}.{mode}   sk = endpoint#{id}            where to, which events, which secret version
                         sk = delivery#{event}#{endpoint}
                              every try of one event at one endpoint; kept 30 days
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from payvand.ids import Mode
from payvand.store.table import Item, Table

KEPT_S: Final = 30 * 86_400
TRIES_KEPT: Final = 10
ENDPOINTS_MAX: Final = 10


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a merchant wants to be told. Its secret comes from `id` and `version`, not stored."""

    id: str
    merchant_id: str
    mode: Mode
    url: str
    events: tuple[str, ...]
    version: int = 1
    created_at_ms: int = 0


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event at one endpoint: its state and its last tries."""

    event_id: str
    endpoint_id: str
    event_type: str
    state: Literal["delivered", "retrying", "failed"]
    tries: tuple[Mapping[str, Any], ...]  # {"at": ms, "status": int | None, "error": str | None}
    tries_count: int
    body: str
    first_at_ms: int


class WebhookStore:
    """The door to endpoints and deliveries of one merchant and mode."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def endpoints(self, merchant_id: str, mode: Mode) -> list[Endpoint]:
        """All endpoints of a merchant."""
        found = self._table.query(
            "#pk = :pk AND begins_with(#sk, :prefix)",
            {":pk": f"{merchant_id}.{mode}", ":prefix": "endpoint#"},
        )
        return [_endpoint(item, merchant_id, mode) for item in found]

    def endpoint(self, merchant_id: str, mode: Mode, id: str) -> Endpoint | None:
        """One endpoint."""
        item = self._table.get(_key(merchant_id, mode, f"endpoint#{id}")).item
        return None if item is None else _endpoint(item, merchant_id, mode)

    def put_endpoint(self, endpoint: Endpoint) -> None:
        """Store an endpoint; the same again changes nothing."""
        item = {
            **_key(endpoint.merchant_id, endpoint.mode, f"endpoint#{endpoint.id}"),
            "id": endpoint.id,
            "url": endpoint.url,
            "events": list(endpoint.events),
            "version": endpoint.version,
            "at": endpoint.created_at_ms,
        }
        self._table.write(self._table.put_request(item))

    def delete_endpoint(self, endpoint: Endpoint) -> None:
        """Remove an endpoint; its deliveries stay readable."""
        self._table.delete(_key(endpoint.merchant_id, endpoint.mode, f"endpoint#{endpoint.id}"))

    def delivery(
        self, merchant_id: str, mode: Mode, event_id: str, endpoint_id: str
    ) -> Delivery | None:
        """What became of one event at one endpoint."""
        item = self._table.get(_key(merchant_id, mode, f"delivery#{event_id}#{endpoint_id}")).item
        return None if item is None else _delivery(item)

    def put_delivery(self, merchant_id: str, mode: Mode, delivery: Delivery) -> None:
        """Write what is known of a delivery; one worker handles an event at a time."""
        item = {
            **_key(merchant_id, mode, f"delivery#{delivery.event_id}#{delivery.endpoint_id}"),
            "event": delivery.event_id,
            "endpoint": delivery.endpoint_id,
            "type": delivery.event_type,
            "state": delivery.state,
            "tries": [dict(t) for t in delivery.tries[-TRIES_KEPT:]],
            "count": delivery.tries_count,
            "body": delivery.body,
            "first": delivery.first_at_ms,
            "ttl": delivery.first_at_ms // 1000 + KEPT_S,
        }
        self._table.write(self._table.put_request(item))

    def deliveries(
        self, merchant_id: str, mode: Mode, *, before: str | None, limit: int
    ) -> Iterator[Delivery]:
        """Deliveries, newest event first, older than the key `before`."""
        found = self._table.query(
            "#pk = :pk AND begins_with(#sk, :prefix)",
            {":pk": f"{merchant_id}.{mode}", ":prefix": "delivery#"},
            limit=limit,
            forward=False,
            start=None if before is None else _key(merchant_id, mode, f"delivery#{before}"),
        )
        return map(_delivery, found)


def _key(merchant_id: str, mode: Mode, sort: str) -> Item:
    return {"pk": f"{merchant_id}.{mode}", "sk": sort}


def _endpoint(item: Mapping[str, Any], merchant_id: str, mode: Mode) -> Endpoint:
    events = tuple(item["events"])
    return Endpoint(item["id"], merchant_id, mode, item["url"], events, item["version"], item["at"])


def _delivery(item: Mapping[str, Any]) -> Delivery:
    return Delivery(
        event_id=item["event"],
        endpoint_id=item["endpoint"],
        event_type=item["type"],
        state=item["state"],
        tries=tuple(item["tries"]),
        tries_count=item["count"],
        body=item["body"],
        first_at_ms=item["first"],
    )
