"""The SEPA bank that keeps our euro account: takes pain.001, answers pain.002, tells in camt.053.

A run looks at `bank/out/sepa/test/*.xml` and writes to `bank/in/sepa/test/`. It is a bank: a file
is taken once by its name and once by its message id (AM05), a reference is paid once for ever, a
file after 15:00 in Riga or on a day TARGET is closed is worked on the next open day, money that is
not on the account is not paid (AM04), and what it says first (accepted) is not what it says last.
Its words come late: executed by a second report, returned only in the statement of a later day.

The last two digits of the payee's IBAN choose: 01 closed (AC04) · 02 executed, and returned (AC06)
on the next TARGET day · 03 executed without a word but the statement's · 04 blocked (AC06) · 05 no
such account (AC01) · 06 no money (AM04) · 08 waiting (PDNG) for a TARGET day · else executed.

The core is pure: `turn` takes the bank's memory, files and a time, and leaves files in its outbox.
The memory is one document, changed at once, so that runs killed or doubled do everything once.
"""

import base64
import functools
import hashlib
import json
import re
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from datetime import date, datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from functions.lab import pages
from functions.lab.door import Request, Response, as_json, see
from functions.lab.sepabank_files import (
    CURRENCY,
    Booked,
    Day,
    Instruction,
    Movement,
    Ordered,
    Refused,
    Said,
    read_orders,
    statement,
    status_report,
)
from functions.lab.store import Doc
from functions.lab.world import World

OUT: Final = "bank/out/sepa/test/"
IN: Final = "bank/in/sepa/test/"
KEY: Final = ("sepabank", "memory")
BANK: Final = "LABB"
ACCOUNT: Final = "LV94LABB0000000000001"
"""The product's account. The bank keeps any Latvian account with its own letters."""
OPENING_CENTS: Final = 100_000_000
CHARGE_CENTS: Final = 5
"""For each transfer executed, booked once a day."""
CUT_OFF: Final = time(15, 0)
AHEAD_MAX_DAYS: Final = 365
AMOUNT_MAX_CENTS: Final = 99_999_999_999
LOG_MAX: Final = 200
MEMORY_MAX: Final = 380_000
"""Of the 400 kB a document may have; some ten thousand transfers."""

_DAY: Final = timedelta(days=1)
_AT_ONCE: Final = {"01": "AC04", "04": "AC06", "05": "AC01"}
_WHY: Final = {
    "AC01": "The account number is not one.",
    "AC04": "The account is closed.",
    "AC06": "The account is blocked.",
    "AM02": "The amount is not one this scheme carries.",
    "AM03": "The currency is not euro.",
    "AM04": "There is not enough money on the account.",
    "AM05": "It was sent before.",
    "CNOR": "The payee's bank cannot be reached.",
}
_SEPA: Final = re.compile(
    "AD|AL|AT|BE|BG|CH|CY|CZ|DE|DK|EE|ES|FI|FR|GB|GI|GR|HR|HU|IE|IS|IT|LI|LT|LU|LV|MC|MD|ME|MK|MT"
    "|NL|NO|PL|PT|RO|RS|SE|SI|SK|SM|VA"
)
"""Countries of the schemes' area, by their accounts (EPC409-09)."""


# ── TARGET ────────────────────────────────────────────────────────────────────────────────────────
@functools.cache
def _riga() -> ZoneInfo:
    return ZoneInfo("Europe/Riga")


@functools.cache
def closed(year: int) -> frozenset[date]:
    """TARGET's holidays: 1 January, Good Friday, Easter Monday, 1 May, 25 and 26 December.

    The bank reckons them itself (Easter after Meeus), as nobody's bank asks us for a calendar.
    """
    a, (b, c) = year % 19, divmod(year, 100)
    d, e = divmod(b, 4)
    h = (19 * a + b - d - (b - (b + 8) // 25 + 1) // 3 + 15) % 30
    i, k = divmod(c, 4)
    m = (32 + 2 * e + 2 * i - h - k) % 7
    month, day = divmod(h + m - 7 * ((a + 11 * h + 22 * m) // 451) + 114, 31)
    easter = date(year, month, day + 1)
    fixed = (date(year, 1, 1), date(year, 5, 1), date(year, 12, 25), date(year, 12, 26))
    return frozenset((*fixed, easter - 2 * _DAY, easter + _DAY))


def is_open(day: date) -> bool:
    """Whether TARGET works."""
    return day.weekday() < 5 and day not in closed(day.year)


def open_from(day: date) -> date:
    """The day itself, or the next one that TARGET works."""
    while not is_open(day):
        day += _DAY
    return day


# ── the bank ──────────────────────────────────────────────────────────────────────────────────────
def new() -> Doc:
    """A bank on its first day."""
    return {
        "day": "",  # the first day that is not closed
        "files": {},  # names taken
        "messages": {},  # message id → the name its reports go by, its blocks with a refusal
        "paid": {},  # references it has taken an order for
        "accounts": {},
        "waiting": [],  # transfers, returns and incomes, each with the day it is due
        "outbox": {},  # part of the memory until it is in the bucket
        "number": 0,
        "log": [],
    }


def turn(state: Doc, files: Mapping[str, bytes], now: datetime) -> None:
    """Live until `now` and take files; what there is to say stands in the outbox."""
    bank = _Bank(state, now)
    for name, body in sorted(files.items()):
        if name not in state["files"]:
            state["files"][name] = now.isoformat()
            bank.take(name, body)
    bank.work(bank.today)


def receive(state: Doc, movement: Movement, now: datetime, account: str = ACCOUNT) -> None:
    """Somebody pays in; booked on this day, or the next that TARGET works."""
    bank = _Bank(state, now)
    bank.account(account)
    bank.wait("income", open_from(bank.today), account=account, **asdict(movement))
    bank.work(bank.today)


class _Bank:
    """The memory at a time, with every day before it worked and closed."""

    def __init__(self, state: Doc, now: datetime) -> None:
        self.state = state
        self.now = now
        local = now.astimezone(_riga())
        self.today = local.date()
        self.late = local.time() >= CUT_OFF
        day = date.fromisoformat(state["day"]) if state["day"] else self.today
        while day < self.today:
            if is_open(day):
                self.work(day)
                self._close(day)
            day += _DAY
        state["day"] = day.isoformat()

    def account(self, iban: str) -> Doc:
        """An account, opened when somebody first speaks of it."""
        fresh = {"opening": OPENING_CENTS, "cents": OPENING_CENTS, "executed": 0, "statements": 0}
        found: Doc = self.state["accounts"].setdefault(iban, {**fresh, "entries": []})
        return found

    def wait(self, what: str, due: date, **about: Any) -> None:
        """Do something on a day."""
        self.state["waiting"].append({**about, "what": what, "due": due.isoformat()})

    # ── orders ────────────────────────────────────────────────────────────────────────────────────
    def take(self, name: str, body: bytes) -> None:
        """Look at a file; say what is wrong with it or with parts of it."""
        stem = re.sub(r"[^0-9A-Za-z_-]", "-", name.removeprefix(OUT).removesuffix(".xml"))[:80]
        try:
            ordered = read_orders(body)
            self._check(ordered)
        except Refused as refused:
            self._log("file refused", refused.message, 0, refused.code)
            self._report(stem, refused.message, Said("RJCT", refused.code, refused.why))
            return
        blocks: dict[str, list[Said]] = {one.block: [] for one in ordered.instructions}
        for one in ordered.instructions:
            code = self._refusal(one)
            self._log("refused" if code else "accepted", one.reference, one.cents, code)
            if code:
                blocks[one.block].append(Said("RJCT", code, _WHY[code], one.reference))
                continue
            self.state["paid"][one.reference] = self.today.isoformat()
            about = asdict(one) | {"asked_for": one.asked_for.isoformat()}
            self.wait("transfer", self._due(one.asked_for), message=ordered.message, **about)
        partly = [block for block, refused in blocks.items() if refused]
        self.state["messages"][ordered.message] = {"stem": stem, "partly": partly}
        self._accept(stem, ordered, blocks)

    def _accept(self, stem: str, ordered: Ordered, blocks: Mapping[str, list[Said]]) -> None:
        """The first report: what is refused by name, the rest by the status of its block."""
        told = []
        for block, refused in blocks.items():
            size = sum(one.block == block for one in ordered.instructions)
            word = "ACCP" if not refused else "RJCT" if len(refused) == size else "PART"
            told.append((block, Said(word), refused))
        words = {said.status for _, said, _ in told}
        group = "PART" if len(words) > 1 else words.pop()
        self._report(stem, ordered.message, Said("ACTC" if group == "ACCP" else group), told)

    def _check(self, ordered: Ordered) -> None:
        """What makes a bank refuse a file whose shape is right."""
        if ordered.message in self.state["messages"]:
            raise Refused("AM05", _WHY["AM05"], ordered.message)
        for one in ordered.instructions:
            if one.account[:2] != "LV" or one.account[4:8] != BANK or not _holds(one.account):
                raise Refused("AC02", "The debtor's account is not kept here.", ordered.message)
            if one.asked_for > self.today + AHEAD_MAX_DAYS * _DAY:
                raise Refused("DT01", "The execution date is too far ahead.", ordered.message)
        for one in ordered.instructions:
            self.account(one.account)

    def _refusal(self, one: Instruction) -> str:
        """Why a transfer is refused at once, or ""."""
        checks = (
            (one.reference in self.state["paid"], "AM05"),
            (one.currency != CURRENCY, "AM03"),
            (not 0 < one.cents <= AMOUNT_MAX_CENTS, "AM02"),
            (not _holds(one.iban), "AC01"),
            (not _SEPA.match(one.iban), "CNOR"),
        )
        found = next((code for bad, code in checks if bad), "")
        return found or _AT_ONCE.get(one.iban[-2:], "")

    def _due(self, asked_for: date) -> date:
        earliest = self.today + _DAY if self.late else self.today
        return max(open_from(asked_for), open_from(earliest))

    # ── days ──────────────────────────────────────────────────────────────────────────────────────
    def work(self, day: date) -> None:
        """Book what is due, which is on open days only; what comes in first, to be paid out."""
        due = [one for one in self.state["waiting"] if one["due"] <= day.isoformat()]
        self.state["waiting"] = [
            one for one in self.state["waiting"] if one["due"] > day.isoformat()
        ]
        for one in due:
            if one["what"] != "transfer":
                movement = Movement(**{name: one[name] for name in Movement.__slots__})
                kind = "ICDT/RRTN" if one["what"] == "return" else "RCDT/ESCT"
                self._book(one["account"], kind, [movement])
                self._log(one["what"], movement.reference, movement.cents, movement.code)
        orders = [one for one in due if one["what"] == "transfer"]
        for message in dict.fromkeys(one["message"] for one in orders):
            self._execute(message, [one for one in orders if one["message"] == message], day)

    def _execute(self, message: str, orders: list[Doc], day: date) -> None:
        """Pay a message's transfers of a day and report on them."""
        known = self.state["messages"][message]
        told: list[tuple[str, Said, list[Said]]] = []
        for block in dict.fromkeys(one["block"] for one in orders):
            mine = [one for one in orders if one["block"] == block]
            said = self._pay(message, mine, day)
            whole = len(said) == len(mine) and {word.status for word in said} == {"ACSC"}
            if whole and block not in known["partly"]:
                told.append((block, Said("ACSC"), []))  # one word for all of them
            elif said:
                told.append((block, Said("PART"), said))
            if not whole and block not in known["partly"]:
                known["partly"].append(block)
        if told:
            self._report(known["stem"], message, Said(), told)

    def _pay(self, message: str, orders: list[Doc], day: date) -> list[Said]:
        """Book a block's transfers; the words on those it has a word on."""
        account = orders[0]["account"]
        left = self.account(account)["cents"]
        executed, said = [], []
        for one in orders:
            ending = one["iban"][-2:]
            if ending == "08" and "waited" not in one:
                self.wait(**{**one, "due": open_from(day + _DAY), "waited": True})
                said.append(Said("PDNG", reference=one["reference"]))
            elif ending == "06" or one["cents"] > left:
                del self.state["paid"][one["reference"]]
                self._log("refused", one["reference"], one["cents"], "AM04")
                said.append(Said("RJCT", "AM04", _WHY["AM04"], one["reference"]))
            else:
                left -= one["cents"]
                executed.append(one)
        references = self._debit(message, account, executed)
        for one, reference in zip(executed, references, strict=True):
            self._log("executed", one["reference"], one["cents"])
            if one["iban"].endswith("02"):
                back = asdict(_movement(one)) | {"cents": one["cents"], "code": "AC06"}
                self.wait("return", open_from(day + _DAY), account=account, **back)
            if not one["iban"].endswith("03"):
                word = Said("ACSC", reference=one["reference"], bank_reference=reference)
                said.append(word)
        return said

    def _debit(self, message: str, account: str, executed: list[Doc]) -> list[str]:
        """Book transfers as one entry or as many; the bank's reference of each."""
        self.account(account)["executed"] += len(executed)
        movements = [_movement(one) for one in executed]
        if executed and executed[0]["batch"]:
            entry = self._book(account, "ICDT/ESCT", movements, message)
            return [entry] * len(executed)
        return [self._book(account, "ICDT/ESCT", [movement]) for movement in movements]

    def _book(
        self, account: str, kind: str, movements: Iterable[Movement], message: str = ""
    ) -> str:
        booked = Booked(f"LAB{self._number():012d}", kind, tuple(movements), message)
        kept = self.account(account)
        kept["entries"].append(asdict(booked))
        kept["cents"] += booked.cents
        return booked.bank_reference

    def _close(self, day: date) -> None:
        """Book the day's charges and tell each account's owner of the day."""
        for iban, account in self.state["accounts"].items():
            if account["executed"]:
                charge = Movement(-CHARGE_CENTS * account["executed"], text="Credit transfers")
                self._book(iban, "ICDT/CHRG", [charge])
            account["statements"] += 1
            account["executed"] = 0
            entries = tuple(
                Booked(
                    **{**entry, "movements": tuple(Movement(**one) for one in entry["movements"])}
                )
                for entry in account["entries"]
            )
            told = Day(iban, day, account["statements"], account["opening"], entries)
            identity = f"LAB{iban[-6:]}{day:%Y%m%d}"
            short = hashlib.sha256(iban.encode()).hexdigest()[:8]
            self._write(f"{day}-{short}.camt.053.xml", statement(identity, self.now, told))
            account.update(opening=account["cents"], entries=[])

    # ── words ─────────────────────────────────────────────────────────────────────────────────────
    def _report(
        self,
        stem: str,
        message: str,
        group: Said,
        blocks: Iterable[tuple[str, Said, list[Said]]] = (),
    ) -> None:
        identity = f"LAB{self._number():012d}"
        body = status_report(identity, self.now, message, group, blocks)
        self._write(f"{stem}-{identity}.pain.002.xml", body)

    def _write(self, name: str, body: bytes) -> None:
        self.state["outbox"][f"{IN}{name}"] = body.decode()

    def _number(self) -> int:
        self.state["number"] += 1
        return int(self.state["number"])

    def _log(self, what: str, reference: str, cents: int, code: str = "") -> None:
        row = {"day": self.today.isoformat(), "what": what, "reference": reference}
        self.state["log"] = [*self.state["log"], {**row, "cents": cents, "code": code}][-LOG_MAX:]


def _movement(order: Doc) -> Movement:
    names = ("reference", "block", "name", "iban", "text")
    return Movement(-order["cents"], **{name: order[name] for name in names})


def _holds(iban: str) -> bool:
    """ISO 13616: the country's letters as numbers, moved to the end, leave 1 of 97."""
    digits = "".join(str(int(letter, 36)) for letter in iban[4:] + iban[:4])
    return len(iban) > 14 and int(digits) % 97 == 1


# ── the door ──────────────────────────────────────────────────────────────────────────────────────
class _Full(Exception):
    """The memory no longer fits its document."""


def run(world: World, req: Request) -> Response:
    """POST /lab/sepabank/run: live until now, take new files, write what there is to say."""
    known = _memory(world)["files"]
    files = {
        name: body
        for name in world.files.names(OUT)
        if name.endswith(".xml")
        and name not in known
        and (body := world.files.read(name)) is not None
    }
    written = _change(world, lambda state: turn(state, files, req.now))
    if written is None:
        return as_json({"error": "The bank's memory is full."}, 507)
    if req.wants_json or req.json() is not None or not req.body:
        return as_json({"written": sorted(written)})
    return see(f"{req.base}/lab/sepabank")


def pay_in(world: World, req: Request) -> Response:
    """POST /lab/sepabank/credits: {"cents", "name", "reference", "text"} comes to our account."""
    asked = req.json() or {}
    cents = asked.get("cents")
    texts = {name: asked.get(name, "") for name in ("name", "reference", "text")}
    if type(cents) is not int or not 0 < cents <= AMOUNT_MAX_CENTS:
        return as_json({"error": "cents must be a positive whole number"}, 400)
    if not all(isinstance(text, str) and len(text) <= 35 for text in texts.values()):
        return as_json({"error": "name, reference and text have at most 35 letters"}, 400)
    movement = Movement(cents, **texts)
    if _change(world, lambda state: receive(state, movement, req.now)) is None:
        return as_json({"error": "The bank's memory is full."}, 507)
    return as_json({"account": ACCOUNT, "cents": cents})


def listing(world: World, req: Request) -> Response:
    """GET /lab/sepabank: what the bank did last."""
    rows = _memory(world)["log"][::-1]
    return pages.listing(req, "SEPA bank", rows, action=f"{req.base}/lab/sepabank/run")


def _memory(world: World) -> Doc:
    doc = world.store.get(*KEY)
    return new() if doc is None else _unpacked(doc)


def _change(world: World, step: Callable[[Doc], None]) -> dict[str, str] | None:
    """Change the memory, then write its outbox, then forget that; None if it is full.

    Whoever is killed in between leaves the outbox to the next, who writes the same bytes.
    """
    if world.store.get(*KEY) is None:
        world.store.put_new(*KEY, _packed(new()))

    def change(doc: Doc) -> dict[str, str]:
        state = _unpacked(doc)
        step(state)
        doc.update(_packed(state))
        if len(doc["memory"]) > MEMORY_MAX:
            raise _Full
        outbox: dict[str, str] = state["outbox"]
        return outbox

    try:
        outbox = world.store.change(*KEY, change)
    except _Full:
        return None
    for name, text in outbox.items():
        world.files.write(name, text.encode())
    if outbox:
        world.store.change(*KEY, lambda doc: _forget(doc, outbox))
    return outbox


def _forget(doc: Doc, written: Mapping[str, str]) -> None:
    state = _unpacked(doc)
    for name in written:
        state["outbox"].pop(name, None)
    doc.update(_packed(state))


def _packed(state: Doc) -> Doc:
    text = json.dumps(state, ensure_ascii=False, separators=(",", ":")).encode()
    return {"memory": base64.b64encode(zlib.compress(text)).decode()}


def _unpacked(doc: Doc) -> Doc:
    state: Doc = json.loads(zlib.decompress(base64.b64decode(doc["memory"])))
    return state
