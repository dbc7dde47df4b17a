"""A merchant's server as far as webhooks go: inboxes that keep what comes, or fail when told to."""

import secrets
from typing import Final

from functions.lab import pages
from functions.lab.clock import rfc3339
from functions.lab.door import Request, Response, as_json
from functions.lab.store import Doc
from functions.lab.world import World

INBOXES: Final = "inboxes"
TIMES_MAX: Final = 1000
NOT_KEPT: Final = frozenset({"authorization", "cookie", "x-api-key"})


def receive(world: World, req: Request, inbox: str) -> Response:
    """POST /lab/webhooks/{inbox}: keep it and say 200, or what the inbox was told to say."""
    status = _answer(world, inbox)
    entry = {
        "received_at": rfc3339(req.now),
        "answered": status,
        "headers": {k: v for k, v in req.headers.items() if k not in NOT_KEPT},
        "body": req.body.decode("utf-8", "replace"),
    }
    millis = int(req.now.timestamp() * 1000)
    world.store.put_new(f"inbox#{inbox}", f"{millis:014d}#{secrets.token_hex(4)}", entry)
    return as_json({"received": status < 300}, status)


def _answer(world: World, inbox: str) -> int:
    def count_down(doc: Doc) -> int:
        if doc["times"] < 1:
            return 200
        doc["times"] -= 1
        status: int = doc["status"]
        return status

    world.store.put_new(INBOXES, inbox, {"times": 0, "status": 500})
    return world.store.change(INBOXES, inbox, count_down)


def fail(world: World, req: Request, inbox: str) -> Response:
    """POST /lab/webhooks/{inbox}/fail {"times": n, "status": 500}: the next n deliveries fail."""
    asked = req.json() or {}
    times, status = asked.get("times", 1), asked.get("status", 500)
    if type(times) is not int or not 0 <= times <= TIMES_MAX:
        return as_json({"error": f"times is a number from 0 to {TIMES_MAX}"}, 400)
    if type(status) is not int or not 300 <= status <= 599:
        return as_json({"error": "status is a number from 300 to 599"}, 400)
    told = {"times": times, "status": status}
    if not world.store.put_new(INBOXES, inbox, told):
        world.store.change(INBOXES, inbox, lambda doc: doc.update(told))
    return as_json({"inbox": inbox, **told})


def read(world: World, req: Request, inbox: str) -> Response:
    """GET /lab/webhooks/{inbox}: what came, newest first."""
    found = [{"id": sk, **entry} for sk, entry in world.store.newest(f"inbox#{inbox}", 200)]
    return pages.listing(req, f"Webhooks · {inbox}", found)


def listing(world: World, req: Request) -> Response:
    """GET /lab/webhooks: the inboxes."""
    found = [
        {"inbox": name, "fails_next": doc["times"], "fails_with": doc["status"]}
        for name, doc in world.store.newest(INBOXES, 200)
    ]
    return pages.listing(req, "Webhooks", found)
