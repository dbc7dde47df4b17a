"""The bank that pays merchants out: takes order files, answers with files.

A run reads `bank/out/*.json` and writes `bank/in/<same name>.json`. What a reference came to is
decided once and kept, so a run repeated, killed or doubled executes nothing twice; a file that
changes after its reference was decided changes nothing.

The last two digits of the IBAN choose: 01 rejected · 02 executed, and returned by a run a day
later · 03 no answer from the first run, executed by the next · anything else executed.
"""

import json
import re
import secrets
from typing import Final

from functions.lab import pages
from functions.lab.clock import rfc3339
from functions.lab.door import Request, Response, as_json, see
from functions.lab.store import Doc
from functions.lab.world import World

OUT: Final = "bank/out/"
IN: Final = "bank/in/"
ORDERS: Final = "bank"
RETURNED_AFTER_S: Final = 24 * 3600
AMOUNT_MAX: Final = 10**15 - 1

_REFERENCE: Final = re.compile(r"[0-9A-Za-z_-]{1,64}", re.ASCII)
_IBAN: Final = re.compile(r"IR[0-9]{24}", re.ASCII)


def run(world: World, req: Request) -> Response:
    """POST /lab/bank/run: look at every order file once more."""
    answered = [
        answer
        for name in sorted(world.files.names(OUT))
        if name.endswith(".json") and (answer := _process(world, req, name))
    ]
    if req.wants_json or req.json() is not None or not req.body:
        return as_json({"answered": answered})
    return see(f"{req.base}/lab/bank")


def _process(world: World, req: Request, name: str) -> Doc | None:
    """Decide one order if it is new, and write the answer that is due; None if none is."""
    stem = name.removeprefix(OUT).removesuffix(".json")
    if not _REFERENCE.fullmatch(stem):
        return None  # no reference can be read: nobody to answer
    if world.store.get(ORDERS, stem) is None:
        body = world.files.read(name)
        if body is None:
            return None
        world.store.put_new(ORDERS, stem, {**_decide(body, stem), "runs": 0, "written": ""})
    answer, due = world.store.change(ORDERS, stem, _Step(req))
    if not due:
        return None
    told = {
        "version": 1,
        "reference": stem,
        "answered_at": rfc3339(req.now),
        **{key: answer[key] for key in ("status", "code", "reason", "bank_reference")},
    }
    world.files.write(f"{IN}{stem}.json", json.dumps(told, ensure_ascii=False).encode())
    world.store.change(ORDERS, stem, lambda doc: doc.update(written=answer["status"]))
    return told


def _decide(body: bytes, stem: str) -> Doc:
    """What the bank will do with an order file, for ever."""
    doc: Doc = {
        "reference": stem,
        "amount": None,
        "iban": "",
        "status": "executed",
        "code": "",
        "reason": "",
        "bank_reference": f"B{secrets.token_hex(8).upper()}",
    }
    wrong = _wrong(body, stem, doc)
    if wrong:
        return {**doc, "status": "rejected", "code": wrong[0], "reason": wrong[1]}
    return doc


def _wrong(body: bytes, stem: str, doc: Doc) -> tuple[str, str] | None:
    """Why an order cannot be executed (ISO 20022 reason codes); fills in what could be read."""
    try:
        order = json.loads(body)
    except (ValueError, RecursionError):
        order = None
    if not isinstance(order, dict):
        return "FF01", "The file is not a JSON object."
    amount, iban = order.get("amount"), order.get("iban")
    doc["amount"], doc["iban"] = amount, iban if isinstance(iban, str) else ""
    checks = (
        (order.get("version") != 1, "FF01", "The file's version is not known here."),
        (order.get("reference") != stem, "FF01", "The reference is not the file's name."),
        (order.get("currency") != "IRR", "AM03", "The currency cannot be paid from here."),
        (
            type(amount) is not int or not 0 < amount <= AMOUNT_MAX,
            "AM12",
            "The amount is not a positive whole number.",
        ),
        (not order.get("name"), "BE08", "The receiver has no name."),
        (not _iban_holds(doc["iban"]), "AC01", "The IBAN is not one."),
        (doc["iban"].endswith("01"), "AC04", "The account is closed."),
    )
    return next(((code, reason) for bad, code, reason in checks if bad), None)


def _iban_holds(iban: str) -> bool:
    """ISO 13616: the country's letters as numbers, moved to the end, leave 1 of 97."""
    return bool(_IBAN.fullmatch(iban)) and int(iban[4:] + "1827" + iban[2:4]) % 97 == 1


class _Step:
    """One run's look at a decided order: the order as it now stands, and whether to answer."""

    def __init__(self, req: Request) -> None:
        self.now = req.epoch

    def __call__(self, doc: Doc) -> tuple[Doc, bool]:
        doc["runs"] += 1
        if doc["iban"].endswith("03") and doc["status"] == "executed" and doc["runs"] == 1:
            return doc, False
        if doc["status"] == "executed":
            executed_at = doc.setdefault("executed_at", self.now)
            late = self.now >= executed_at + RETURNED_AFTER_S
            if doc["iban"].endswith("02") and late:
                doc.update(status="returned", code="AC06", reason="The account is blocked.")
        return doc, doc["written"] != doc["status"]


def listing(world: World, req: Request) -> Response:
    """GET /lab/bank: the orders the bank knows."""
    keys = ("reference", "amount", "iban", "status", "code", "reason", "written", "runs")
    found = [{key: doc[key] for key in keys} for _, doc in world.store.newest(ORDERS, 500)]
    return pages.listing(req, "Bank", found, action=f"{req.base}/lab/bank/run")
