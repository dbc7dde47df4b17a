"""NoticeBank as it behaves: signed requests in, signed notices out, and its bank page.

It has no inquiry and no timer of its own: what is due is sent when somebody touches the bank (a
reminder, the clock, POST /lab/noticebank/run). A notice counts as delivered when the answer is 200
with the word RECEIVED; else it is due again a minute later, a hundred times at most.
"""

import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

from functions.lab import endings, pages
from functions.lab.door import Request, Response, as_json, crash, see
from functions.lab.store import Doc
from functions.lab.world import World
from functions.lab.zarinpal import visit
from payvand.errors import Silence

SESSION_DIES_S: Final = 15 * 60
GIVE_BACK_S: Final = 30 * 60
RIAL_MAX: Final = 10_000_000_000
RETRY_S: Final = 60
NOTICES_MAX: Final = 100
NOTICE_TIMEOUT_S: Final = 5.0
FLUSH_MAX: Final = 20

SESSIONS: Final = "noticebank"
SHOPS: Final = "noticebank#shop"

_NAME: Final = re.compile(r"[0-9A-Za-z_-]{1,64}", re.ASCII)
_TOMAN: Final = re.compile(r"([0-9]{1,12})(?:\.([0-9]))?", re.ASCII)


class _No(Exception):
    """A refusal: status and the bank's own code."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(status, code)
        self.status = status
        self.code = code


def sign_up(world: World, req: Request) -> Response:
    """POST /lab/noticebank/shops: a contract. The same call again answers the same."""
    asked = req.json() or {}
    shop = asked.get("shop") or f"shop-{secrets.token_hex(4)}"
    contract = {
        "shop_secret": asked.get("shop_secret") or secrets.token_hex(24),
        "notice_secret": asked.get("notice_secret") or secrets.token_hex(24),
    }
    if not isinstance(shop, str) or not _NAME.fullmatch(shop):
        return _refused(_No(400, "shop"))
    if not all(isinstance(value, str) for value in contract.values()):
        return _refused(_No(400, "secret"))
    if not world.store.put_new(SHOPS, shop, contract):
        return (
            _refused(_No(409, "shop_taken"))
            if contract != world.store.get(SHOPS, shop)
            else (as_json({"shop": shop, **contract}))
        )
    return as_json({"shop": shop, **contract}, 201)


def _refused(no: _No) -> Response:
    return as_json({"error": {"code": no.code, "text": f"The bank says no: {no.code}."}}, no.status)


def signed(
    door: Callable[..., Response],
) -> Callable[..., Response]:
    """A door that only a shop with the right signature opens; the shop's call is its third word."""

    def checked(world: World, req: Request, *rest: str) -> Response:
        asked = req.json() or {}
        shop = asked.get("shop")
        contract = world.store.get(SHOPS, shop) if isinstance(shop, str) and shop else None
        if contract is None:
            return _refused(_No(401, "shop_unknown"))
        right = hmac.new(contract["shop_secret"].encode(), req.body, hashlib.sha256).hexdigest()
        given = req.headers.get("x-shop-signature", "")
        if not hmac.compare_digest(right.encode(), given.encode("utf-8", "surrogatepass")):
            return _refused(_No(401, "signature"))
        try:
            return door(world, req, asked, *rest)
        except _No as no:
            return _refused(no)

    return checked


@signed
def open_session(world: World, req: Request, asked: Doc) -> Response:
    """POST /lab/noticebank/sessions."""
    rial = _rial(asked.get("amount_toman"))
    order = asked.get("order")
    if not isinstance(order, str) or not _NAME.fullmatch(order):
        raise _No(422, "order")
    if any(not _is_url(asked.get(name)) for name in ("back", "notify")):
        raise _No(422, "order")
    if not 0 < rial <= RIAL_MAX:
        raise _No(422, "amount")
    ending = endings.of(rial)
    if ending == 1:
        return crash()
    if ending == 3:
        raise _No(403, "shop_closed")
    token = f"nb_{int(req.now.timestamp() * 1000):014d}{secrets.token_hex(8)}"
    doc = {
        "shop": asked["shop"],
        "order": order,
        "rial": rial,
        "back": asked["back"],
        "notify": asked["notify"],
        "text": str(asked.get("text") or order)[:500],
        "created": req.epoch,
        "state": "OPEN",
        "receipt": secrets.randbelow(9 * 10**7) + 10**7,
        "due": [],
        "sent": 0,
        "reminds": 0,
        "refunds": {},
        "log": [],
    }
    world.store.put_new(SESSIONS, token, doc)
    if ending == 2:
        world.sleep(endings.OPEN_SILENT_S)
    return as_json({"session": token, "page": f"{req.base}/lab/noticebank/page"}, 201)


def _is_url(value: object) -> bool:
    return isinstance(value, str) and urlsplit(value).scheme in {"http", "https"}


def _rial(toman: object) -> int:
    found = _TOMAN.fullmatch(toman) if isinstance(toman, str) else None
    if found is None:
        raise _No(422, "amount")
    return int(found[1]) * 10 + int(found[2] or 0)


def _toman(rial: int) -> str:
    return f"{rial // 10}.{rial % 10}"


def _age(doc: Doc, now: int) -> None:
    """A session that nobody decided in time is cancelled, and that is told."""
    if doc["state"] == "OPEN" and now >= doc["created"] + SESSION_DIES_S:
        doc["state"] = "CANCELLED"
        doc["due"].append({"at": now, "kind": "right"})


def _change[T](world: World, token: str, asked: Doc, step: Callable[[Doc], T]) -> T:
    """Change one of the shop's own sessions."""

    def own(doc: Doc) -> T:
        if doc["shop"] != asked["shop"]:
            raise _No(404, "session_unknown")
        return step(doc)

    try:
        return world.store.change(SESSIONS, token, own)
    except KeyError:
        raise _No(404, "session_unknown") from None


@signed
def remind(world: World, req: Request, asked: Doc, token: str) -> Response:
    """POST /lab/noticebank/sessions/{token}/remind: 202, and the notice again."""

    def wake(doc: Doc) -> tuple[bool, int, int]:
        _age(doc, req.epoch)
        late = any(due["at"] > req.epoch for due in doc["due"]) and endings.of(doc["rial"]) == 106
        waiting = doc["state"] == "OPEN" or late
        if not waiting and not any(due["at"] <= req.epoch for due in doc["due"]):
            doc["due"].append({"at": req.epoch, "kind": "right"})
        doc["reminds"] += 1
        return waiting, endings.of(doc["rial"]), doc["reminds"]

    waiting, ending, times = _change(world, token, asked, wake)
    if not waiting:
        deliver(world, req, token)
    if ending == 102 and times == 1:
        world.sleep(endings.VERIFY_SILENT_S)
    if ending == 103:
        world.sleep(endings.VERIFY_SLOW_S)
    return as_json({"state": "WAITING" if waiting else "NOTIFIED"}, 202)


@signed
def give_back(world: World, req: Request, asked: Doc, token: str) -> Response:
    """POST /lab/noticebank/sessions/{token}/give-back: the whole amount, within half an hour."""

    def reverse(doc: Doc) -> str:
        _age(doc, req.epoch)
        if doc["state"] == "OPEN":
            doc["state"] = "CANCELLED"
        elif doc["state"] == "TAKEN":
            if req.epoch > doc["taken_at"] + GIVE_BACK_S or doc["refunds"]:
                raise _No(409, "too_late")
            doc["state"] = "GIVEN_BACK"
        state: str = doc["state"]
        return state

    return as_json({"state": _change(world, token, asked, reverse)})


@signed
def refund(world: World, req: Request, asked: Doc) -> Response:
    """POST /lab/noticebank/refunds: at most once per key, whatever comes."""
    key, rial = asked.get("refund"), _rial(asked.get("amount_toman"))
    if not isinstance(key, str) or not _NAME.fullmatch(key):
        raise _No(422, "refund")

    def take(doc: Doc) -> tuple[Doc, bool, int]:
        known = doc["refunds"].get(key)
        if known is not None:
            return known, False, 0
        ending = endings.of_refund(rial, doc["rial"])
        left = doc["rial"] - sum(r["rial"] for r in doc["refunds"].values() if not r["no"])
        no = "refused" if ending == 201 else ""
        if doc["state"] != "TAKEN" or rial > left:
            no = "amount"
        made = {
            "rial": rial,
            "no": no,
            "receipt": secrets.randbelow(9 * 10**7) + 10**7,
            "done_at": req.epoch + (endings.REFUND_PENDING_S if ending == 203 else 0),
        }
        doc["refunds"][key] = made
        return made, True, ending

    made, new, ending = _change(world, str(asked.get("session")), asked, take)
    if made["rial"] != rial:
        raise _No(409, "key_reused")
    if new and ending == 202:
        return crash()
    if new and ending == 204:
        world.sleep(endings.REFUND_SILENT_S)
    state = "PENDING" if req.epoch < made["done_at"] else "DONE"
    told = {"refund": key, "state": "REFUSED" if made["no"] else state, "receipt": made["receipt"]}
    return as_json({**told, "reason": made["no"]} if made["no"] else told)


# ---- notices ----


def deliver(world: World, req: Request, token: str) -> int:
    """Send what is due of one session; how many were sent."""

    def take(doc: Doc) -> tuple[Doc, list[Doc]]:
        _age(doc, req.epoch)
        due = [entry for entry in doc["due"] if entry["at"] <= req.epoch]
        due = due[: max(0, NOTICES_MAX - doc["sent"])]
        doc["due"] = [entry for entry in doc["due"] if entry["at"] > req.epoch]
        doc["sent"] += len(due)
        return doc, due

    doc, due = world.store.change(SESSIONS, token, take)
    for entry in due:
        answer = _notify(world, req, token, doc, entry["kind"])
        world.store.change(SESSIONS, token, _Noted(req.epoch, entry["kind"], answer))
    return len(due)


class _Noted:
    """Write down one delivery, and that it is due again unless the shop received it."""

    def __init__(self, now: int, kind: str, answer: str) -> None:
        self.now, self.kind, self.answer = now, kind, answer

    def __call__(self, doc: Doc) -> None:
        entry = {"at": self.now, "kind": self.kind, "answer": self.answer}
        doc["log"] = [*doc["log"][-19:], entry]
        if self.answer != "RECEIVED" and self.kind == "right":
            doc["due"].append({"at": self.now + RETRY_S, "kind": "right"})


def _notify(world: World, req: Request, token: str, doc: Doc, kind: str) -> str:
    if urlsplit(doc["notify"]).netloc != urlsplit(req.base).netloc:
        return "not sent: another host"
    body, headers = notice(world, req, token, doc, kind)
    try:
        reply = world.http.send(
            "POST", doc["notify"], headers=headers, body=body, timeout_s=NOTICE_TIMEOUT_S
        )
    except Silence:
        return "silence"
    received = reply.status == 200 and reply.body.strip() == b"RECEIVED"
    return "RECEIVED" if received else f"status {reply.status}"


def notice(
    world: World, req: Request, token: str, doc: Doc, kind: str
) -> tuple[bytes, dict[str, str]]:
    """A notice as it goes over the wire: body and headers."""
    contract = world.store.get(SHOPS, doc["shop"]) or {"notice_secret": ""}
    wrong_by = 10_000 if endings.of(doc["rial"]) == 105 else 0
    told = {
        "shop": doc["shop"],
        "order": doc["order"],
        "session": token,
        "state": doc["state"],
        "amount_toman": _toman(doc["rial"] + wrong_by),
        "receipt": doc["receipt"],
    }
    body = json.dumps(told).encode()
    secret = contract["notice_secret"] if kind == "right" else secrets.token_hex(24)
    stamped = f"{req.epoch}.".encode() + body
    mac = hmac.new(secret.encode(), stamped, hashlib.sha256).hexdigest()
    signature = f"t={req.epoch},v1={mac}"
    return body, {"content-type": "application/json", "x-notice-signature": signature}


def run(world: World, req: Request) -> Response:
    """POST /lab/noticebank/run: send everything that is due."""
    return as_json({"sent": flush(world, req)})


def flush(world: World, req: Request) -> int:
    """Send what is due of the last sessions, `FLUSH_MAX` of them at most per call."""
    ready = [
        token
        for token, doc in reversed(world.store.newest(SESSIONS, 500))
        if any(entry["at"] <= req.epoch for entry in doc["due"])
        or (doc["state"] == "OPEN" and req.epoch >= doc["created"] + SESSION_DIES_S)
    ]
    return sum(deliver(world, req, token) for token in ready[:FLUSH_MAX])


# ---- the payer's side ----


def page(world: World, req: Request) -> Response:
    """POST /lab/noticebank/page with `session`: the bank page."""
    token = req.form().get("session", "") or req.query.get("session", "")
    doc = world.store.get(SESSIONS, token) if _NAME.fullmatch(token) else None
    if doc is None:
        return pages.note(req, "unknown", status=404)
    if doc["state"] != "OPEN":
        return pages.note(req, "decided", link=doc["back"])
    if req.epoch >= doc["created"] + SESSION_DIES_S:
        return pages.note(req, "expired", link=doc["back"], status=410)
    here = f"{req.base}/lab/noticebank/page/{token}"
    return pages.bank(req, "NoticeBank", doc["text"], doc["rial"], here)


_DUE: Final[dict[int, tuple[tuple[int, str], ...]]] = {
    101: ((RETRY_S, "right"),),
    102: (),
    103: (),
    106: ((endings.LATE_S, "right"),),
    301: ((0, "right"), (5, "right")),
    302: (),
    303: ((0, "forged"), (0, "right")),
    304: ((0, "right"), (0, "right"), (0, "right")),
}
"""When which notices are sent after a payer paid; anything else: one, at once."""


def decide(world: World, req: Request, token: str, choice: str) -> Response:
    """POST /lab/noticebank/page/{token}/pay|refuse: the first decision counts."""

    def settle(doc: Doc) -> Doc:
        _age(doc, req.epoch)
        if doc["state"] != "OPEN":
            return doc
        ending = endings.of(doc["rial"])
        plan: tuple[tuple[int, str], ...] = ((0, "right"),)
        if choice == "pay":
            doc["state"] = "GIVEN_BACK" if ending == 104 else "TAKEN"
            doc["taken_at"] = req.epoch
            plan = _DUE.get(ending, plan)
        else:
            doc["state"] = "CANCELLED"
        doc["due"] += [{"at": req.epoch + after, "kind": kind} for after, kind in plan]
        return doc

    try:
        doc = world.store.change(SESSIONS, token, settle)
    except KeyError:
        return pages.note(req, "unknown", status=404)
    deliver(world, req, token)
    if doc["state"] == "CANCELLED" and choice == "pay":
        return pages.note(req, "expired", link=doc["back"], status=410)
    ending = endings.of(doc["rial"])
    if "taken_at" in doc and ending == 107:
        return pages.note(req, "frozen")
    if "taken_at" in doc and ending == 108:
        visit(world, req, doc["back"])
    return see(doc["back"])


def listing(world: World, req: Request) -> Response:
    """GET /lab/noticebank: the last sessions."""
    found = [
        {
            "session": token,
            "order": doc["order"],
            "amount": doc["rial"],
            "state": doc["state"],
            "notices": " · ".join(f"{entry['kind']}: {entry['answer']}" for entry in doc["log"]),
        }
        for token, doc in world.store.newest(SESSIONS)
    ]
    return pages.listing(req, "NoticeBank", found)
