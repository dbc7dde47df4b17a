"""The lab: truthful sandboxes of the outside parties, one function for all of them.

In:    any request under /lab (REST proxy event)
Out:   the party's answer; its state in the lab's table, the bank's files in the bucket
Fails: a fault of the lab's own is a plain 500 without a word about it; the log line has its name
"""

import base64
import json
import re
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from functions.lab import (
    bank,
    clock,
    noticebank,
    pages,
    sepabank,
    webhooks,
    zarinpal,
    zarinpal_graphql,
)
from functions.lab.door import Request, Response, as_json
from functions.lab.wiring import wiring
from functions.lab.world import World

BODY_MAX_BYTES: Final = 256 * 1024
HEADERS: Final = {
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
"""Whatever a party answers is for one reader, once, and is what it says it is."""

type Door = Callable[..., Response]

_ONE: Final = r"([0-9A-Za-z_.-]{1,64})"


def _index(world: World, req: Request) -> Response:
    return pages.index(req, world.clock.offset_s(), controls_open=world.controls_open)


def _show_clock(world: World, req: Request) -> Response:  # noqa: ARG001 - every door's shape
    return clock.show(world.clock)


def _move_clock(world: World, req: Request) -> Response:
    answer = clock.move(world.clock, req)
    if answer.status < 400:  # time alone ends sessions: NoticeBank tells so when time moves
        later = Request(**{**_fields(req), "now": world.clock.now()})
        noticebank.flush(world, later)
    return answer


def _fields(req: Request) -> dict[str, Any]:
    return {name: getattr(req, name) for name in Request.__slots__}


_ROUTES: Final[tuple[tuple[str, str, Door], ...]] = (
    ("GET", r"", _index),
    ("GET", r"clock", _show_clock),
    ("POST", r"clock", _move_clock),
    ("POST", rf"zarinpal/pg/v4/payment/{_ONE}", zarinpal.pay_api),
    ("GET", rf"zarinpal/pg/StartPay/{_ONE}", zarinpal.start_pay),
    ("POST", rf"zarinpal/pg/StartPay/{_ONE}/(pay|refuse)", zarinpal.decide),
    ("POST", r"zarinpal/api/v4/graphql", zarinpal_graphql.door),
    ("GET", r"zarinpal", zarinpal.listing),
    ("POST", r"noticebank/shops", noticebank.sign_up),
    ("POST", r"noticebank/sessions", noticebank.open_session),
    ("POST", rf"noticebank/sessions/{_ONE}/remind", noticebank.remind),
    ("POST", rf"noticebank/sessions/{_ONE}/give-back", noticebank.give_back),
    ("POST", r"noticebank/refunds", noticebank.refund),
    ("POST", r"noticebank/run", noticebank.run),
    ("POST", r"noticebank/page", noticebank.page),
    ("GET", r"noticebank/page", noticebank.page),
    ("POST", rf"noticebank/page/{_ONE}/(pay|refuse)", noticebank.decide),
    ("GET", r"noticebank", noticebank.listing),
    ("POST", r"bank/run", bank.run),
    ("GET", r"bank", bank.listing),
    ("POST", r"sepabank/run", sepabank.run),
    ("POST", r"sepabank/credits", sepabank.pay_in),
    ("GET", r"sepabank", sepabank.listing),
    ("GET", r"webhooks", webhooks.listing),
    ("POST", rf"webhooks/{_ONE}/fail", webhooks.fail),
    ("POST", rf"webhooks/{_ONE}", webhooks.receive),
    ("GET", rf"webhooks/{_ONE}", webhooks.read),
)
_CONTROLS: Final = frozenset(
    {_move_clock, bank.run, noticebank.run, sepabank.run, sepabank.pay_in, webhooks.fail}
)
"""Doors that change how the outside world goes for every test book: never a stranger's."""
_PATTERNS: Final = tuple(
    (method, re.compile(path, re.ASCII), door) for method, path, door in _ROUTES
)


def lambda_handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Answer one request."""
    del context
    return answer(event, wiring())


def answer(event: Mapping[str, Any], world: World) -> dict[str, Any]:
    """One request to one answer, in a world that a test may have made."""
    started = time.perf_counter()
    fault = ""
    try:
        response = _route(world, _request(event, world))
    except Exception as exc:  # noqa: BLE001 - the outermost door: nothing may leak through it
        fault, response = type(exc).__name__, as_json({"error": "The lab failed."}, 500)
    line = {
        "lab": "/".join(_segments(event)[:2]) or "index",  # the party's door, never its ids
        "method": event.get("httpMethod"),
        "status": response.status,
        "ms": round((time.perf_counter() - started) * 1000),
    }
    sys.stdout.write(json.dumps({**line, "fault": fault} if fault else line) + "\n")
    return {
        "statusCode": response.status,
        "headers": {"content-type": response.content_type, **HEADERS, **response.headers},
        "body": response.body,
        "isBase64Encoded": False,
    }


def _route(world: World, req: Request) -> Response:
    if len(req.body) > BODY_MAX_BYTES:
        return as_json({"error": "Too much."}, 413)
    path, allowed = "/".join(req.path), set[str]()
    for method, pattern, door in _PATTERNS:
        found = pattern.fullmatch(path)
        if found and method == req.method and door in _CONTROLS and not world.controls_open:
            return as_json({"error": "The lab's controls are closed on this stack."}, 403)
        if found and method == req.method:
            return door(world, req, *found.groups())
        if found:
            allowed.add(method)
    return as_json({"error": "Not here."}, 405 if allowed else 404)


def _segments(event: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(part for part in str(event.get("path", "")).split("/") if part)[1:]


def _request(event: Mapping[str, Any], world: World) -> Request:
    body = event.get("body") or ""
    method = event.get("httpMethod", "GET")
    return Request(
        method="GET" if method == "HEAD" else method,
        path=_segments(event),
        query=event.get("queryStringParameters") or {},
        headers={name.lower(): value for name, value in (event.get("headers") or {}).items()},
        body=base64.b64decode(body) if event.get("isBase64Encoded") else body.encode(),
        base=world.public_base or _base(event),
        now=world.clock.now(),
    )


def _base(event: Mapping[str, Any]) -> str:
    """Where this stack is from outside: the host, and whatever stands before /lab."""
    context = event.get("requestContext") or {}
    inner, outer = str(event.get("path", "")), str(context.get("path", ""))
    prefix = outer.removesuffix(inner) if outer.endswith(inner) else f"/{context.get('stage', '')}"
    return f"https://{context.get('domainName', 'localhost')}{prefix.rstrip('/')}"
