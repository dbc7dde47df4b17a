"""ZarinPal as it behaves: REST v4, its traps, and its bank page.

Any well-formed merchant UUID is a merchant, except those ending in 0010 (unknown, -10), 0011
(inactive, -11) and 0012 (too often, -12). Nothing here is idempotent that is not at ZarinPal.
"""

import json
import re
import secrets
import uuid
from typing import Final
from urllib.parse import urlencode, urlsplit

from functions.lab import endings, pages
from functions.lab.door import Request, Response, as_json, crash, see
from functions.lab.store import Doc
from functions.lab.world import World
from payvand.errors import Silence

SESSION_DIES_S: Final = 15 * 60
GIVEN_BACK_S: Final = 30 * 60
REVERSE_S: Final = 30 * 60
AMOUNT_MIN: Final = 1_000
AMOUNT_MAX: Final = 1_000_000_000
TEST_CARD: Final = "603799******1234"

SESSIONS: Final = "zarinpal"
BY_REFERENCE: Final = "zarinpal#reference"
BY_SESSION: Final = "zarinpal#session"

_AUTHORITY: Final = re.compile(r"[AS][0-9A-Za-z]{35}", re.ASCII)

_MESSAGES: Final[dict[int, tuple[int, str]]] = {
    -9: (422, "The input params invalid, validation error."),
    -10: (401, "Terminal is not valid, please check merchant_id or ip address."),
    -11: (401, "Terminal is not active, please contact our support team."),
    -12: (429, "To many attempts, please try again later."),
    -41: (422, "Maximum amount is 100,000,000 tomans."),
    -50: (200, "Session is not valid, amounts values is not the same."),
    -51: (200, "Session is not valid, session is not active paid try."),
    -53: (403, "Session is not this merchant_id session."),
    -54: (404, "Invalid authority."),
    -55: (404, "Manual payment request not found."),
    -61: (200, "Session is not success or already reversed."),
    -63: (200, "The reverse time is over."),
}
"""Code → HTTP status and message. That some errors come with 200 and some do not is theirs."""


_VERIFY_TAKES_S: Final = {
    (100, 102): endings.VERIFY_SILENT_S,
    (100, 103): endings.VERIFY_SLOW_S,
    (101, 103): endings.VERIFY_SLOW_S,
}


class _No(Exception):
    """One of their refusals, by code."""

    def __init__(self, code: int, validations: dict[str, str] | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.validations = validations or {}


def pay_api(world: World, req: Request, verb: str) -> Response:
    """POST /lab/zarinpal/pg/v4/payment/{verb}.json."""
    doors = {
        "request.json": _request,
        "verify.json": _verify,
        "inquiry.json": _inquiry,
        "unVerified.json": _unverified,
        "reverse.json": _reverse,
    }
    door = doors.get(verb)
    if door is None:
        return Response(404, "<html><body>404 Not Found</body></html>", "text/html")
    try:
        asked = req.json()
        if asked is None:
            raise _No(-9, {"body": "The body is not a JSON object."})
        return door(world, req, asked, _merchant(asked))
    except _No as no:
        status, message = _MESSAGES[no.code]
        errors = {
            "code": no.code,
            "message": message,
            "validations": [{name: text} for name, text in no.validations.items()],
        }
        return as_json({"data": [], "errors": errors}, status)


def _yes(**data: object) -> Response:
    return as_json({"data": data, "errors": []})


def _merchant(asked: Doc) -> str:
    merchant = asked.get("merchant_id")
    try:
        if not isinstance(merchant, str) or len(merchant) != 36:
            raise ValueError
        uuid.UUID(merchant)
    except ValueError:
        raise _No(-9, {"merchant_id": "The merchant id must be 36 characters."}) from None
    for ending, code in (("0010", -10), ("0011", -11), ("0012", -12)):
        if merchant.endswith(ending):
            raise _No(code)
    return merchant.lower()


def _request(world: World, req: Request, asked: Doc, merchant: str) -> Response:
    wrong = _wrong(asked)
    if wrong:
        raise _No(-9, wrong)
    rial: int = asked["amount"] * (10 if asked.get("currency") == "IRT" else 1)
    if rial < AMOUNT_MIN:
        raise _No(-9, {"amount": "The amount must be at least 1000 rial."})
    if rial > AMOUNT_MAX:
        raise _No(-41)
    ending = endings.of(rial)
    if ending in {1, 4}:
        return crash()
    if ending == 3:
        raise _No(-11)
    doc: Doc = {
        "merchant_id": merchant,
        "amount": asked["amount"],
        "rial": rial,
        "description": asked["description"],
        "callback_url": asked["callback_url"],
        "created": req.epoch,
        "state": "OPEN",
        "session_id": str(secrets.randbelow(9 * 10**9) + 10**9),
        "ref_id": secrets.randbelow(9 * 10**8) + 10**8,
        "refunds": [],
    }
    authority = _open(world, req, doc)
    if ending == 2:
        world.sleep(endings.OPEN_SILENT_S)
    return _yes(code=100, message="Success", authority=authority, fee_type="Merchant", fee=350)


def _wrong(asked: Doc) -> dict[str, str]:
    """What their validation says of a request's fields; keys it does not know are ignored."""
    description, callback = asked.get("description"), asked.get("callback_url")
    checks = {
        "amount": (type(asked.get("amount")) is int, "The amount must be an integer."),
        "currency": (
            asked.get("currency", "IRR") in {"IRR", "IRT"},
            "The selected currency is invalid.",
        ),
        "description": (
            isinstance(description, str) and 0 < len(description) <= 500,
            "The description field is required, 500 characters at most.",
        ),
        "callback_url": (
            isinstance(callback, str) and urlsplit(callback).scheme in {"http", "https"},
            "The callback url format is invalid.",
        ),
    }
    return {name: text for name, (right, text) in checks.items() if not right}


def _open(world: World, req: Request, doc: Doc) -> str:
    """A new authority for every request: a repeated one makes a second, as theirs does."""
    millis = int(req.now.timestamp() * 1000)
    authority = f"S{millis:014d}{secrets.token_hex(11)[:21]}"  # sorts by time, cannot be guessed
    world.store.put_new(BY_SESSION, doc["session_id"], {"authority": authority})
    world.store.put_new(BY_REFERENCE, str(doc["ref_id"]), {"authority": authority})
    world.store.put_new(SESSIONS, authority, doc)
    return authority


def status_of(doc: Doc, now: int) -> str:
    """What inquiry says of a session now; time moves it without anybody writing."""
    state: str = doc["state"]
    if state == "OPEN":
        return "FAILED" if now >= doc["created"] + SESSION_DIES_S else "IN_BANK"
    if state != "PAID":
        return state
    if endings.of(doc["rial"]) == 106 and now < doc["paid_at"] + endings.LATE_S:
        return "IN_BANK"
    return "REVERSED" if now >= doc["paid_at"] + GIVEN_BACK_S else "PAID"


def _authority(world: World, asked: Doc, merchant: str) -> str:
    authority = asked.get("authority")
    if not isinstance(authority, str) or not _AUTHORITY.fullmatch(authority):
        raise _No(-54)
    doc = world.store.get(SESSIONS, authority)
    if doc is None:
        raise _No(-55)
    if doc["merchant_id"] != merchant:
        raise _No(-53)
    return authority


def _verify(world: World, req: Request, asked: Doc, merchant: str) -> Response:
    authority = _authority(world, asked, merchant)
    amount = asked.get("amount")
    if type(amount) is not int:
        raise _No(-9, {"amount": "The amount must be an integer."})

    def confirm(doc: Doc) -> tuple[int, Doc]:
        status = status_of(doc, req.epoch)
        if amount != doc["amount"] or (endings.of(doc["rial"]) == 105 and status == "PAID"):
            return -50, doc
        if status == "PAID":
            doc["state"] = "VERIFIED"
            return 100, doc
        return (101 if status == "VERIFIED" else -51), doc

    code, doc = world.store.change(SESSIONS, authority, confirm)
    if code < 0:
        raise _No(code)
    ending = endings.of(doc["rial"])
    if code == 100 and ending == 101:
        return crash()
    if (code, ending) in _VERIFY_TAKES_S:
        world.sleep(_VERIFY_TAKES_S[code, ending])
    return _yes(
        code=str(code) if ending == 108 else code,
        message="Paid" if code == 100 else "Verified",
        card_hash="0" * 64,
        card_pan=TEST_CARD,
        ref_id=doc["ref_id"],
        fee_type="Merchant",
        fee=350,
    )


def _inquiry(world: World, req: Request, asked: Doc, merchant: str) -> Response:
    doc = world.store.get(SESSIONS, _authority(world, asked, merchant)) or {}
    return _yes(code=100, message="Success", status=status_of(doc, req.epoch))


def _unverified(world: World, req: Request, asked: Doc, merchant: str) -> Response:  # noqa: ARG001
    waiting = [
        {
            "authority": authority,
            "amount": doc["amount"],
            "callback_url": doc["callback_url"],
            "referer": "/",
            "date": req.now.strftime("%Y-%m-%d %H:%M:%S"),
        }
        for authority, doc in world.store.newest(SESSIONS, 1000)
        if doc["merchant_id"] == merchant and status_of(doc, req.epoch) == "PAID"
    ]
    return _yes(code="100", message="Success", authorities=waiting[:100])


def _reverse(world: World, req: Request, asked: Doc, merchant: str) -> Response:
    authority = _authority(world, asked, merchant)

    def give_back(doc: Doc) -> int:
        if status_of(doc, req.epoch) not in {"PAID", "VERIFIED"} or doc["refunds"]:
            return -61
        if req.epoch > doc["paid_at"] + REVERSE_S:
            return -63
        doc["state"] = "REVERSED"
        return 100

    code = world.store.change(SESSIONS, authority, give_back)
    if code < 0:
        raise _No(code)
    return _yes(code=100, message="Reversed")


# ---- the payer's side ----


def start_pay(world: World, req: Request, authority: str) -> Response:
    """GET /lab/zarinpal/pg/StartPay/{authority}: the bank page."""
    doc = world.store.get(SESSIONS, authority)
    if doc is None:
        return pages.note(req, "unknown", status=404)
    if doc["state"] != "OPEN":
        return pages.note(req, "decided", link=_way_back(doc, authority))
    if status_of(doc, req.epoch) == "FAILED":
        return pages.note(req, "expired", link=_way_back(doc, authority), status=410)
    here = f"{req.base}/lab/zarinpal/pg/StartPay/{authority}"
    return pages.bank(req, "ZarinPal", doc["description"], doc["rial"], here)


def decide(world: World, req: Request, authority: str, choice: str) -> Response:
    """POST …/StartPay/{authority}/pay|refuse: the payer's one decision; the first one counts."""

    def settle(doc: Doc) -> Doc:
        if doc["state"] == "OPEN" and status_of(doc, req.epoch) == "IN_BANK":
            if choice == "pay":
                doc["state"] = "REVERSED" if endings.of(doc["rial"]) == 104 else "PAID"
                doc["paid_at"] = req.epoch
            else:
                doc["state"] = "FAILED"
        return doc

    try:
        doc = world.store.change(SESSIONS, authority, settle)
    except KeyError:
        return pages.note(req, "unknown", status=404)
    back = _way_back(doc, authority)
    if doc["state"] == "OPEN":
        return pages.note(req, "expired", link=back, status=410)
    ending = endings.of(doc["rial"])
    if "paid_at" in doc and ending == 107:
        return pages.note(req, "frozen")
    if "paid_at" in doc and ending == 108:
        visit(world, req, back)
    return see(back)


def visit(world: World, req: Request, url: str) -> None:
    """The browser's first, lost return. Only to our own host: the lab is nobody's proxy."""
    if urlsplit(url).netloc != urlsplit(req.base).netloc:
        return
    try:
        world.http.send("GET", url, headers={"accept": "text/html"}, timeout_s=5.0)
    except Silence:
        return


def _way_back(doc: Doc, authority: str) -> str:
    """Their return: Authority and Status behind whatever query the callback has."""
    status = "OK" if "paid_at" in doc else "NOK"
    callback: str = doc["callback_url"]
    parts = urlsplit(callback)
    added = urlencode({"Authority": authority, "Status": status})
    query = f"{parts.query}&{added}" if parts.query else added
    return parts._replace(query=query, fragment="").geturl()


def listing(world: World, req: Request) -> Response:
    """GET /lab/zarinpal: the last sessions."""
    found = [
        {
            "authority": authority,
            "amount": doc["rial"],
            "status": status_of(doc, req.epoch),
            "ref_id": doc["ref_id"] if "paid_at" in doc else None,
            "refunds": json.dumps(doc["refunds"]) if doc["refunds"] else "",
        }
        for authority, doc in world.store.newest(SESSIONS)
    ]
    return pages.listing(req, "ZarinPal", found)
