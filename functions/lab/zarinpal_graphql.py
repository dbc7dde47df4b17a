"""ZarinPal's GraphQL as far as refunds need it: Terminals, Session, GetRefunds, AddRefund.

A token is `lab-<merchant uuid>`. A mutation that is sent twice refunds twice, as theirs does.
Fields are recognised by name in the query text; every field is answered, asked for or not.
"""

import re
import secrets
import zlib
from typing import Final

from functions.lab import endings
from functions.lab.door import Request, Response, as_json, crash
from functions.lab.store import Doc
from functions.lab.world import World
from functions.lab.zarinpal import BY_REFERENCE, BY_SESSION, SESSIONS

REFUND_MIN: Final = 20_000
PAGE_MAX: Final = 100

_FIELD: Final = re.compile(r"(?:(\w+)\s*:\s*)?\b(AddRefund|GetRefunds|Session|Terminals)\s*[({]")
_TOKEN: Final = re.compile(
    r"Bearer lab-([0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})", re.ASCII
)


def terminal_id(merchant: str) -> str:
    """The lab's terminal number of a merchant."""
    return str(1_000_000 + zlib.crc32(merchant.encode()) % 9_000_000)


def door(world: World, req: Request) -> Response:
    """POST /lab/zarinpal/api/v4/graphql/."""
    token = _TOKEN.fullmatch(req.headers.get("authorization", ""))
    if token is None:
        return _error("Unauthenticated.", "authentication", 401)
    merchant = token[1].lower()
    asked = req.json() or {}
    query, given = asked.get("query"), asked.get("variables")
    body = query.partition("{")[2] if isinstance(query, str) else ""
    field = _FIELD.search(body)
    given = given if isinstance(given, dict) else {}
    if field is None:
        return _error("Syntax Error: nothing known is asked for.", "graphql", 400)
    name = field[1] or field[2]
    if field[2] == "AddRefund":
        return _add_refund(world, req, merchant, name, given)
    if field[2] == "Terminals":
        own = {"id": terminal_id(merchant), "key": merchant, "status": "ACTIVE", "name": "lab"}
        return _data(name, [own])
    if str(given.get("terminal_id")) != terminal_id(merchant):
        return _error("Terminal not found.", "validation")
    look = _sessions if field[2] == "Session" else _refunds
    return _data(name, look(world, req, merchant, given))


def _data(name: str, value: object) -> Response:
    return as_json({"data": {name: value}})


def _error(message: str, category: str, status: int = 200) -> Response:
    error = {"message": message, "extensions": {"category": category}}
    return as_json({"errors": [error], "data": None}, status)


def _sessions(world: World, req: Request, merchant: str, given: Doc) -> list[Doc]:  # noqa: ARG001
    pointer = world.store.get(BY_REFERENCE, str(given.get("reference_id")))
    doc = world.store.get(SESSIONS, pointer["authority"]) if pointer else None
    if doc is None or doc["merchant_id"] != merchant or doc["state"] != "VERIFIED":
        return []
    status = "REFUNDED" if doc["refunds"] else "VERIFIED"
    row = {"id": doc["session_id"], "status": status, "amount": doc["rial"]}
    return [{**row, "description": doc["description"]}]


def _refunds(world: World, req: Request, merchant: str, given: Doc) -> list[Doc]:
    offset, limit = given.get("offset") or 0, given.get("limit") or 25
    found = world.store.newest(f"zarinpal#refunds#{merchant}", offset + min(limit, PAGE_MAX))
    return [{**doc, "status": _status(doc, req.epoch)} for _, doc in found[offset:]]


def _status(doc: Doc, now: int) -> str:
    return "PENDING" if now < doc["done_at"] else "SUCCESS"


def _session(world: World, merchant: str, session_id: str) -> tuple[str, Doc | None]:
    pointer = world.store.get(BY_SESSION, session_id)
    doc = world.store.get(SESSIONS, pointer["authority"]) if pointer else None
    if pointer is None or doc is None or doc["merchant_id"] != merchant:
        return "", None
    return pointer["authority"], doc


def _made(req: Request, merchant: str, amount: int, description: str, ending: int) -> Doc:
    return {
        "id": str(secrets.randbelow(9 * 10**8) + 10**8),
        "terminal_id": terminal_id(merchant),
        "amount": amount,
        "description": description,
        "created_at": req.now.isoformat(),
        "done_at": req.epoch + (endings.REFUND_PENDING_S if ending == 203 else 0),
    }


def _add_refund(world: World, req: Request, merchant: str, name: str, given: Doc) -> Response:
    authority, session = _session(world, merchant, str(given.get("session_id")))
    amount = given.get("amount")
    if session is None or type(amount) is not int or amount < REFUND_MIN:
        wrong = "Session not found." if session is None else "The amount must be at least 20000."
        return _error(wrong, "validation")
    ending = endings.of_refund(amount, session["rial"])
    if ending == 201:
        return _error("The wallet balance is not enough for this refund.", "validation")
    refund = _made(req, merchant, amount, str(given.get("description") or ""), ending)

    def take(doc: Doc) -> bool:
        left = doc["rial"] - sum(entry["amount"] for entry in doc["refunds"])
        if doc["state"] != "VERIFIED" or amount > left:
            return False
        doc["refunds"].append({"id": refund["id"], "amount": amount})
        return True

    if not world.store.change(SESSIONS, authority, take):
        return _error("The session cannot be refunded by this amount.", "validation")
    millis = int(req.now.timestamp() * 1000)
    world.store.put_new(f"zarinpal#refunds#{merchant}", f"{millis:014d}#{refund['id']}", refund)
    if ending == 204:
        world.sleep(endings.REFUND_SILENT_S)
    timeline = {
        "refund_amount": amount,
        "refund_time": refund["created_at"],
        "refund_status": _status(refund, req.epoch),
    }
    shown = {key: refund[key] for key in ("id", "terminal_id", "amount")}
    return crash() if ending == 202 else _data(name, {**shown, "timeline": timeline})
