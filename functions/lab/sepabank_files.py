"""What the lab's SEPA bank reads and writes: pain.001 in, pain.002 and camt.053 out.

It knows nothing of the product's own writer: the shape and letters it asks for are the guidelines'
(EPC132-08 and the schemas of pain.001.001.09, pain.002.001.10, camt.053.001.08).
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from payvand.bank import FormatError
from payvand.bank.xml import Node, document, element, leaf, read

NAMESPACE: Final = "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"
CURRENCY: Final = "EUR"

_SHAPES: Final = {
    "Document": "CstmrCdtTrfInitn",
    "CstmrCdtTrfInitn": "GrpHdr PmtInf+",
    "GrpHdr": "MsgId CreDtTm NbOfTxs CtrlSum InitgPty",
    "InitgPty": "Nm? Id?",
    "PmtInf": "PmtInfId PmtMtd BtchBookg? NbOfTxs CtrlSum PmtTpInf ReqdExctnDt Dbtr DbtrAcct "
    "DbtrAgt ChrgBr? CdtTrfTxInf+",
    "PmtTpInf": "InstrPrty? SvcLvl",
    "SvcLvl": "Cd",
    "ReqdExctnDt": "Dt",
    "Dbtr": "Nm",
    "DbtrAcct": "Id Ccy?",
    "DbtrAgt": "FinInstnId",
    "FinInstnId": "BICFI? Othr?",
    "Othr": "Id",
    "CdtTrfTxInf": "PmtId Amt ChrgBr? CdtrAgt? Cdtr CdtrAcct Purp? RmtInf?",
    "PmtId": "InstrId? EndToEndId UETR?",
    "Amt": "InstdAmt",
    "CdtrAgt": "FinInstnId",
    "Cdtr": "Nm",
    "CdtrAcct": "Id",
    "Purp": "Cd",
    "RmtInf": "Ustrd",
    "Id": "IBAN?",
}
"""Elements this bank takes, in the schema's order; any other element or order is refused."""

_LETTERS: Final = r"[a-zA-Z0-9/?:().,'+ -]"
_REFERENCE: Final = rf"(?!/)(?!.*//){_LETTERS}{{1,35}}(?<!/)"
_CONTENTS: Final = {
    **dict.fromkeys(("MsgId", "PmtInfId", "InstrId", "EndToEndId"), _REFERENCE),
    **dict.fromkeys(("Nm",), rf"{_LETTERS}{{1,70}}"),
    "Ustrd": rf"{_LETTERS}{{1,140}}",
    "CreDtTm": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?",
    "NbOfTxs": r"[0-9]{1,15}",
    "CtrlSum": r"[0-9]{1,15}(\.[0-9]{1,2})?",
    "InstdAmt": r"[0-9]{1,9}(\.[0-9]{1,2})?",
    "PmtMtd": "TRF",
    "ChrgBr": "SLEV",
    "BtchBookg": "true|false",
    "IBAN": r"[A-Z]{2}[0-9]{2}[a-zA-Z0-9]{1,30}",
    "BICFI": r"[A-Z0-9]{4}[A-Z]{2}[A-Z0-9]{2}([A-Z0-9]{3})?",
    "Ccy": CURRENCY,
}


class Refused(Exception):
    """A whole file that the bank does not take: an ISO 20022 code, and its id if that was read."""

    def __init__(self, code: str, why: str, message: str = "NOTPROVIDED") -> None:
        super().__init__(why)
        self.code = code
        self.why = why
        self.message = message


@dataclass(frozen=True, slots=True)
class Instruction:
    """One transfer as ordered, cents. `account` is whose money, `block` its PmtInf."""

    reference: str
    block: str
    account: str
    batch: bool
    asked_for: date
    currency: str
    cents: int
    iban: str
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Ordered:
    """A pain.001 of the right shape."""

    message: str
    instructions: tuple[Instruction, ...]


# ── pain.001 ──────────────────────────────────────────────────────────────────────────────────────
def read_orders(body: bytes) -> Ordered:
    """The instructions of a file. Raises Refused."""
    try:
        root = read(body)
    except FormatError as exc:
        raise Refused("FF01", str(exc)) from None
    if root.name != "Document" or NAMESPACE.encode() not in body[:400]:
        raise Refused("FF01", f"not a Document of {NAMESPACE}")
    message = root.say("CstmrCdtTrfInitn/GrpHdr/MsgId")
    known = message if re.fullmatch(_REFERENCE, message) else "NOTPROVIDED"
    for node in root.walk():
        wrong = _wrong(node)
        if wrong:
            raise Refused(wrong[0], f"line {node.line}: {node.name}: {wrong[1]}", known)
    initiation = root.children[0]
    blocks = initiation.all("PmtInf")
    _totals(
        initiation.children[0], [tx for block in blocks for tx in block.all("CdtTrfTxInf")], known
    )
    for block in blocks:
        _totals(block, block.all("CdtTrfTxInf"), known)
    return Ordered(message, tuple(one for block in blocks for one in _instructions(block, known)))


def _wrong(node: Node) -> tuple[str, str] | None:
    shape = _SHAPES.get(node.name)
    if shape is None:
        pattern = _CONTENTS.get(node.name, r".{1,35}")
        if node.children or not re.fullmatch(pattern, node.text, re.ASCII):
            return "CH16", "what it holds is not as the schema wants"
        return None
    names = [child.name for child in node.children]
    if re.fullmatch(_pattern(shape), "".join(f"{name} " for name in names)):
        return None
    strange = set(names) - set(re.findall(r"\w+", shape))
    missing = {part for part in shape.split() if part.isalnum()} - set(names)
    if strange:
        return "CH17", f"{min(strange)} is not taken here"
    return ("CH21", f"{min(missing)} is missing") if missing else ("CH16", "the order is wrong")


def _pattern(shape: str) -> str:
    return "".join(re.sub(r"(\w+)(.?)", r"(?:\1 )\2", part) for part in shape.split())


def _totals(node: Node, transactions: Sequence[Node], message: str) -> None:
    if int(node.say("NbOfTxs")) != len(transactions):
        raise Refused(
            "AM18", f"line {node.line}: NbOfTxs is not the number of CdtTrfTxInf", message
        )
    total = sum(_cents(tx.say("Amt/InstdAmt")) for tx in transactions)
    if _cents(node.say("CtrlSum")) != total:
        raise Refused("AM10", f"line {node.line}: CtrlSum is not the sum of InstdAmt", message)


def _instructions(block: Node, message: str) -> Iterator[Instruction]:
    if block.say("PmtTpInf/SvcLvl/Cd") != "SEPA":
        raise Refused("CH16", f"line {block.line}: the service level is not SEPA", message)
    try:
        asked_for = date.fromisoformat(block.say("ReqdExctnDt/Dt"))
    except ValueError:
        raise Refused("DT01", f"line {block.line}: ReqdExctnDt is no date", message) from None
    for tx in block.all("CdtTrfTxInf"):
        amount = tx.get("Amt/InstdAmt")
        assert amount is not None, "the shape was checked"
        yield Instruction(
            reference=tx.say("PmtId/EndToEndId"),
            block=block.say("PmtInfId"),
            account=block.say("DbtrAcct/Id/IBAN"),
            batch=block.say("BtchBookg") == "true",
            asked_for=asked_for,
            currency=amount.attributes.get("Ccy", ""),
            cents=_cents(amount.text),
            iban=tx.say("CdtrAcct/Id/IBAN"),
            name=tx.say("Cdtr/Nm"),
            text=tx.say("RmtInf/Ustrd"),
        )


def _cents(text: str) -> int:
    whole, _, fraction = text.partition(".")
    return int(whole) * 100 + int(fraction.ljust(2, "0"))


def decimal(cents: int) -> str:
    """Cents as the messages write amounts; the sign is CdtDbtInd's."""
    return f"{abs(cents) // 100}.{abs(cents) % 100:02d}"


# ── pain.002 ──────────────────────────────────────────────────────────────────────────────────────
@dataclass(frozen=True, slots=True)
class Said:
    """What the bank says of a file, a block or a transfer; "" for no status."""

    status: str = ""
    code: str = ""
    why: str = ""
    reference: str = ""
    bank_reference: str = ""

    def marks(self, tag: str) -> str:
        reason = element("Rsn", leaf("Cd", self.code)) if self.code else ""
        told = reason + leaf("AddtlInf", self.why[:105])
        return leaf(tag, self.status) + (element("StsRsnInf", told) if told else "")


def status_report(
    identity: str,
    now: datetime,
    message: str,
    group: Said,
    blocks: Iterable[tuple[str, Said, Sequence[Said]]] = (),
) -> bytes:
    """A pain.002: words on the file, on its blocks, and on the transfers that need their own."""
    told = [
        element(
            "OrgnlPmtInfAndSts",
            leaf("OrgnlPmtInfId", block),
            said.marks("PmtInfSts"),
            *(
                element(
                    "TxInfAndSts",
                    leaf("OrgnlEndToEndId", one.reference),
                    one.marks("TxSts"),
                    leaf("AcctSvcrRef", one.bank_reference),
                )
                for one in transfers
            ),
        )
        for block, said, transfers in blocks
    ]
    head = element("GrpHdr", leaf("MsgId", identity), leaf("CreDtTm", _time(now)))
    original = element(
        "OrgnlGrpInfAndSts",
        leaf("OrgnlMsgId", message),
        leaf("OrgnlMsgNmId", "pain.001.001.09"),
        group.marks("GrpSts"),
    )
    return document("pain.002.001.10", element("CstmrPmtStsRpt", head, original, *told))


def _time(now: datetime) -> str:
    return now.strftime("%Y-%m-%dT%H:%M:%SZ")


# ── camt.053 ──────────────────────────────────────────────────────────────────────────────────────
@dataclass(frozen=True, slots=True)
class Movement:
    """One transaction below an entry; cents, money in is positive."""

    cents: int
    reference: str = ""
    block: str = ""
    name: str = ""
    iban: str = ""
    text: str = ""
    code: str = ""


@dataclass(frozen=True, slots=True)
class Booked:
    """One entry of a day, `kind` as `Fmly/SubFmlyCd`. `message` is set for a batch of a file's."""

    bank_reference: str
    kind: str
    movements: tuple[Movement, ...]
    message: str = ""

    @property
    def cents(self) -> int:
        return sum(movement.cents for movement in self.movements)


@dataclass(frozen=True, slots=True)
class Day:
    """An account's day: cents before, and what was booked."""

    account: str
    on: date
    number: int
    opening: int
    entries: tuple[Booked, ...]


def statement(identity: str, now: datetime, day: Day) -> bytes:
    """The camt.053 of a day."""
    closing = day.opening + sum(entry.cents for entry in day.entries)
    inside = (
        leaf("Id", identity),
        leaf("ElctrncSeqNb", str(day.number)),
        leaf("CreDtTm", _time(now)),
        element("Acct", element("Id", leaf("IBAN", day.account)), leaf("Ccy", CURRENCY)),
        _balance("OPBD", day.opening, day.on),
        _balance("CLBD", closing, day.on),
        *(_entry(n, entry, day.on) for n, entry in enumerate(day.entries, 1)),
    )
    head = element("GrpHdr", leaf("MsgId", identity), leaf("CreDtTm", _time(now)))
    return document("camt.053.001.08", element("BkToCstmrStmt", head, element("Stmt", *inside)))


def _money(cents: int) -> str:
    side = "DBIT" if cents < 0 else "CRDT"
    return leaf("Amt", decimal(cents), Ccy=CURRENCY) + leaf("CdtDbtInd", side)


def _balance(code: str, cents: int, on: date) -> str:
    kind = element("Tp", element("CdOrPrtry", leaf("Cd", code)))
    return element("Bal", kind, _money(cents), element("Dt", leaf("Dt", on.isoformat())))


def _entry(n: int, entry: Booked, on: date) -> str:
    family, _, subfamily = entry.kind.partition("/")
    code = element("Fmly", leaf("Cd", family), leaf("SubFmlyCd", subfamily))
    batch = ""
    if entry.message:
        batch = element(
            "Btch",
            leaf("MsgId", entry.message),
            leaf("PmtInfId", entry.movements[0].block),
            leaf("NbOfTxs", str(len(entry.movements))),
        )
    day = leaf("Dt", on.isoformat())
    return element(
        "Ntry",
        leaf("NtryRef", str(n)),
        _money(entry.cents),
        element("Sts", leaf("Cd", "BOOK")),
        element("BookgDt", day),
        element("ValDt", day),
        leaf("AcctSvcrRef", entry.bank_reference),
        element("BkTxCd", element("Domn", leaf("Cd", "PMNT"), code)),
        element("NtryDtls", batch, *(_movement(movement) for movement in entry.movements)),
    )


def _movement(movement: Movement) -> str:
    party, account = ("Dbtr", "DbtrAcct") if movement.cents > 0 else ("Cdtr", "CdtrAcct")
    if movement.code:  # a return: the parties stay those of the transfer that comes back
        party, account = "Cdtr", "CdtrAcct"
    name = element(party, element("Pty", leaf("Nm", movement.name))) if movement.name else ""
    other = element(account, element("Id", leaf("IBAN", movement.iban))) if movement.iban else ""
    refs = leaf("PmtInfId", movement.block) + leaf("EndToEndId", movement.reference)
    why = element("RtrInf", element("Rsn", leaf("Cd", movement.code))) if movement.code else ""
    return element(
        "TxDtls",
        element("Refs", refs) if refs else "",
        _money(movement.cents),
        element("RltdPties", name, other) if name or other else "",
        element("RmtInf", leaf("Ustrd", movement.text)) if movement.text else "",
        why,
    )
