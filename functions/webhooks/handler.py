"""/webhook_endpoints, /webhook_deliveries: where a merchant is told, what became of it, again.

In:    API Gateway, an API key with webhooks:write
Out:   table Webhooks; a replay goes to NotifyQueue with the event's own id
Fails: problem+json
"""

import base64
import binascii
import json
import re
import secrets
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from payvand import events, webhook
from payvand.calendar import rfc3339
from payvand.edge.api import Request, Response, Route, found, serve
from payvand.edge.wiring import wiring
from payvand.errors import BadInput, Conflict, NotFound
from payvand.ids import derived
from payvand.store.webhooks import ENDPOINTS_MAX, Delivery, Endpoint

EventType = Literal[*events.TYPES]  # type: ignore[valid-type]
DEFAULT: Final = tuple(events.TYPES)
ENDPOINT_ID: Final = re.compile(r"whe_[0-9A-Z]{16}")
DELIVERY_ID: Final = re.compile(r"(evt_[0-9A-Z]{26})[.#](whe_[0-9A-Z]{16})")


class CreateEndpoint(BaseModel):
    """Where to be told of what. The address must be https, on a public host."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    url: Annotated[str, Field(min_length=12, max_length=2000)]
    """Where to POST events: https, port 443, a public host name."""
    events: Annotated[tuple[EventType, ...], Field(min_length=1, max_length=50)] = DEFAULT
    """Which events; all of today's types when absent."""


class EndpointView(BaseModel):
    """An endpoint. `secret` signs its deliveries (Standard Webhooks)."""

    id: str
    """Endpoint id, `whe_…`."""
    url: str
    """Where events are POSTed."""
    events: list[str]
    """Which events."""
    secret: str
    """Signing secret, `whsec_…`. Keep it as you keep your API key."""
    created_at: str
    """When it was added."""


class EndpointList(BaseModel):
    """All endpoints of this mode."""

    data: list[EndpointView]
    """The endpoints."""
    next_cursor: str | None = None
    """Always null: all endpoints fit on one page."""


class TryView(BaseModel):
    """One try: a status, or why there was none."""

    at: str
    """When."""
    status: int | None
    """The HTTP status your server answered."""
    error: str | None
    """Why there was no answer."""


class DeliveryView(BaseModel):
    """One event at one endpoint, with its last tries."""

    id: str
    """Delivery id: the event's id, a dot, the endpoint's id."""
    event_id: str
    """The event, `evt_…`; the `webhook-id` header of every try."""
    endpoint_id: str
    """The endpoint, `whe_…`."""
    type: str
    """The event's type."""
    state: Literal["delivered", "retrying", "failed"]
    """`failed` after three days without a 2xx answer."""
    tries_count: int
    """How often it was tried."""
    tries: list[TryView]
    """The last tries, oldest first."""
    event: dict[str, Any]
    """The event itself."""


class DeliveryList(BaseModel):
    """A page of deliveries, newest event first."""

    data: list[DeliveryView]
    """The deliveries of this page."""
    next_cursor: str | None
    """Send it as `cursor` for the next page; null on the last one."""


class ListArgs(BaseModel):
    """Paging."""

    model_config = ConfigDict(extra="forbid")
    limit: Annotated[int, Field(ge=1, le=100)] = 20
    """Deliveries a page."""
    cursor: Annotated[str, Field(max_length=300)] | None = None
    """`next_cursor` of the page before."""


def post_endpoint(request: Request) -> Response:
    """Add an endpoint."""
    body, caller, live = request.json(CreateEndpoint), request.caller, wiring()
    if problem := webhook.address_problem(body.url, live.webhook_allowed_hosts):
        raise BadInput("input_invalid", "Some fields are wrong.", errors=[("url", problem)])
    key = request.idempotency_key or secrets.token_hex(16)
    id = derived("whe_", caller.merchant.id, caller.mode, key)
    known = live.webhooks.endpoint(caller.merchant.id, caller.mode, id)
    if known is not None:
        if known.url != body.url or known.events != body.events:
            raise Conflict(
                "idempotency_key_reused", "This Idempotency-Key was sent with another body."
            )
        return Response.of(_view(known), 201)
    if len(live.webhooks.endpoints(caller.merchant.id, caller.mode)) >= ENDPOINTS_MAX:
        raise Conflict("too_many_endpoints", f"At most {ENDPOINTS_MAX} endpoints.")
    made = Endpoint(
        id, caller.merchant.id, caller.mode, body.url, body.events, 1, live.clock.wall_ms()
    )
    live.webhooks.put_endpoint(made)
    return Response.of(_view(made), 201)


def get_endpoints(request: Request) -> Response:
    """All endpoints."""
    caller = request.caller
    views = [_view(e) for e in wiring().webhooks.endpoints(caller.merchant.id, caller.mode)]
    return Response.of(EndpointList(data=views))


def delete_endpoint(request: Request) -> Response:
    """Remove an endpoint."""
    caller, live, id = request.caller, wiring(), request.path["id"]
    if not ENDPOINT_ID.fullmatch(id):
        raise NotFound
    endpoint = found(live.webhooks.endpoint(caller.merchant.id, caller.mode, id))
    live.webhooks.delete_endpoint(endpoint)
    return Response(204)


def get_deliveries(request: Request) -> Response:
    """The delivery log."""
    args, caller, live = request.args(ListArgs), request.caller, wiring()
    before = None if args.cursor is None else _before(args.cursor)
    page = list(
        live.webhooks.deliveries(caller.merchant.id, caller.mode, before=before, limit=args.limit)
    )
    mark = f"{page[-1].event_id}#{page[-1].endpoint_id}" if len(page) == args.limit else None
    cursor = base64.urlsafe_b64encode(mark.encode()).decode() if mark else None
    return Response.of(DeliveryList(data=[_delivery_view(d) for d in page], next_cursor=cursor))


def _before(cursor: str) -> str:
    try:
        mark = base64.urlsafe_b64decode(cursor.encode()).decode()
    except (ValueError, binascii.Error):
        mark = ""
    if not DELIVERY_ID.fullmatch(mark):
        errors = [("cursor", "not ours")]
        raise BadInput("cursor_invalid", "This cursor is not from this list.", errors=errors)
    return mark


def post_replay(request: Request) -> Response:
    """Tell an event again, with its own id."""
    caller, live = request.caller, wiring()
    id = DELIVERY_ID.fullmatch(request.path["id"])
    if id is None:
        raise NotFound
    event_id, endpoint_id = id.groups()
    delivery = found(live.webhooks.delivery(caller.merchant.id, caller.mode, event_id, endpoint_id))
    found(live.webhooks.endpoint(caller.merchant.id, caller.mode, endpoint_id))
    message = {
        "detail": json.loads(delivery.body),
        "endpoint": endpoint_id,
        "asked": live.clock.wall_ms(),
    }
    live.queues.send(live.env["NOTIFY_QUEUE"], message)
    return Response.of(_delivery_view(delivery), 202)


def _view(endpoint: Endpoint) -> EndpointView:
    live = wiring()
    master = live.secrets.text(live.env["WEBHOOK_SECRET"])
    return EndpointView(
        id=endpoint.id,
        url=endpoint.url,
        events=list(endpoint.events),
        secret=webhook.secret(master, endpoint.id, endpoint.version),
        created_at=rfc3339(endpoint.created_at_ms),
    )


def _delivery_view(delivery: Delivery) -> DeliveryView:
    return DeliveryView(
        id=f"{delivery.event_id}.{delivery.endpoint_id}",
        event_id=delivery.event_id,
        endpoint_id=delivery.endpoint_id,
        type=delivery.event_type,
        state=delivery.state,
        tries_count=delivery.tries_count,
        tries=[
            TryView(at=rfc3339(t["at"]), status=t.get("status"), error=t.get("error"))
            for t in delivery.tries
        ],
        event=json.loads(delivery.body),
    )


ROUTES = (
    Route(
        "POST",
        "/webhook_endpoints",
        post_endpoint,
        "Add a webhook endpoint",
        scope="webhooks:write",
        body=CreateEndpoint,
        answer=EndpointView,
        status=201,
        problems=("400", "409"),
    ),
    Route(
        "GET",
        "/webhook_endpoints",
        get_endpoints,
        "List webhook endpoints",
        scope="webhooks:write",
        answer=EndpointList,
    ),
    Route(
        "DELETE",
        "/webhook_endpoints/{id}",
        delete_endpoint,
        "Remove a webhook endpoint",
        scope="webhooks:write",
        status=204,
        problems=("404",),
    ),
    Route(
        "GET",
        "/webhook_deliveries",
        get_deliveries,
        "List webhook deliveries",
        scope="webhooks:write",
        args=ListArgs,
        answer=DeliveryList,
        problems=("400",),
    ),
    Route(
        "POST",
        "/webhook_deliveries/{id}/replay",
        post_replay,
        "Tell an event again",
        scope="webhooks:write",
        answer=DeliveryView,
        status=202,
        problems=("404",),
    ),
)
lambda_handler = serve(*ROUTES)
