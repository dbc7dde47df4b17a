"""The reference file of incoming Paya credits: what the switch paid into our blocked account.

Shape:  a pacs.008 of the first generation (`OthrId/IdTp`). Head: MsgId `<4 of the bank's code>`
        `YYMMDD` cycle `XXXX.CT`, NbOfTxs, TtlIntrBkSttlmAmt, IntrBkSttlmDt. One CdtTrfTxInf an
        acceptor and cycle: the sum of its successful transactions.
Join:   InstrId = day of the transactions `YYYYMMDD`, cycle of 2, last 3 of the acquiring switch's
        number (IIN), acceptor code of 15. RmtInf/Ustrd repeats it "in most cases".
Ids:    TxId = MsgId and 5 digits.
Dates:  all Jalali. Amounts: rial.
Quirks: the guide prints `CrDtTm` for CreDtTm and `PmtTpInf/Cd/SvcLvl`; it names neither root nor
        namespace, so neither is looked at.
Source: SHP_STD_PFGUIDELINE 01-00 (1399/03/26), section 1-5-8, tables 3 and 4, pages 31–33.
"""

import datetime as dt
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from payvand.bank import Entry, FormatError, xml
from payvand.bank.reports import (
    TOTAL_MAX,
    BadRecord,
    Gathering,
    Report,
    currency_of,
    day_of,
    minor,
    plain,
    word,
)
from payvand.bank.switch import gregorian, stamp
from payvand.bank.xml import Node, element, leaf

_INSTRUCTION: Final = re.compile(r"([0-9]{8})([0-9]{2})([0-9]{3})([0-9A-Za-z]{15})", re.ASCII)
_BANK: Final = re.compile(r"[0-9A-Z]{4}", re.ASCII)


def instruction(day: dt.date, cycle: int, iin: str, acceptor: str) -> str:
    """The InstrId of an acceptor's credit for the transactions of `day` in one cycle."""
    made = f"{stamp(day)}{cycle:02}{iin[-3:]}{acceptor}"
    if not _INSTRUCTION.fullmatch(made):
        raise FormatError("an instruction is of a day, a cycle, an IIN and an acceptor of 15")
    return made


def acceptor_day(day: dt.date, iin: str, acceptor: str) -> str:
    """What all credits of an acceptor for one day have in common; entries have it as a detail."""
    made = instruction(day, 0, iin, acceptor)
    return made[:8] + made[10:]


def read(content: bytes, source: str = "paya") -> Report:
    """The file's credits.

    A transaction that cannot be read is a problem, and the head's sum is then not checked. One
    whose InstrId is in no known form is an entry all the same: the money is there.

    Raises:
        FormatError: not well-formed XML, or not such a file.
    """
    reading = _Reading(source)
    root = xml.read(content, {"CdtTrfTxInf": reading.transaction, "GrpHdr": reading.head})
    if not reading.heads:
        raise FormatError(f"line {root.line}: no head (GrpHdr) of a Paya file")
    return reading.report()


class _Reading:
    def __init__(self, source: str) -> None:
        self._source, self._found = source, Gathering()
        self._ids = Counter[str]()
        self._count = 0
        self.heads: list[Node] = []

    def head(self, node: Node, within: Sequence[Node]) -> None:
        del within
        self.heads.append(node)

    def transaction(self, node: Node, within: Sequence[Node]) -> None:
        del within
        self._count += 1
        try:
            if not self.heads:
                raise BadRecord("a transaction before any head (GrpHdr)")
            entry = self._entry(node, self.heads[-1])
        except BadRecord as why:
            self._found.bad(node.line, f"transaction {self._count}: {why}")
        else:
            self._found.add(entry)

    def _entry(self, node: Node, head: Node) -> Entry:
        amount = node.get("IntrBkSttlmAmt")
        if amount is None:
            raise BadRecord("IntrBkSttlmAmt is missing")
        currency = currency_of(amount.attributes.get("Ccy", "IRR"), "the currency")
        rial = minor(amount.text, currency, "IntrBkSttlmAmt")
        if rial <= 0:
            raise BadRecord("IntrBkSttlmAmt is not above zero")
        ids = {
            "end_to_end_id": word(node.say("PmtId/EndToEndId"), "EndToEndId"),
            **self._instruction(node),
        }
        on = day_of(node.say("IntrBkSttlmDt") or head.say("IntrBkSttlmDt"), "IntrBkSttlmDt")
        reference = ids.pop("instruction")
        return Entry(
            source=self._source,
            id=self._id(node),
            booked_on=on,
            amount_minor=rial,
            currency=currency,
            reference=reference,
            account=plain(node.say("CdtrAcct/Id/IBAN")).replace(" ", ""),
            details={name: text for name, text in ids.items() if text},
        )

    def _id(self, node: Node) -> str:
        """TxId; a file that has it twice means two credits, or its sum would not hold."""
        id = word(node.say("PmtId/TxId"), "TxId", needed=True)
        self._ids[id] += 1
        if self._ids[id] == 1:
            return id
        self._found.bad(node.line, "the TxId stands on an earlier transaction, too")
        return f"{id}-{self._ids[id]}"

    @staticmethod
    def _instruction(node: Node) -> dict[str, str]:
        said = word(node.say("PmtId/InstrId"), "InstrId")
        repeated = plain(node.say("RmtInf/Ustrd"))
        for text in (said, repeated):
            parts = _INSTRUCTION.fullmatch(text)
            if parts and (day := _gregorian(parts[1])):
                return {
                    "instruction": text,
                    "day": day.isoformat(),
                    "cycle": parts[2],
                    "iin": parts[3],
                    "acceptor": parts[4],
                    "acceptor_day": parts[1] + parts[3] + parts[4],
                }
        return {"instruction": said}

    def report(self) -> Report:
        whole = not self._found.problems
        count, total = 0, 0
        for head in self.heads:
            said = plain(head.say("NbOfTxs"))
            count += int(said) if said.isdigit() and len(said) < 10 else 0
            try:
                said = head.say("TtlIntrBkSttlmAmt")
                total += minor(said, "IRR", "TtlIntrBkSttlmAmt", TOTAL_MAX)
            except BadRecord as why:
                self._found.bad(head.line, why)
        if count != self._count:
            self._found.bad(0, f"NbOfTxs is not the {self._count} transactions in the file")
        if whole and total != sum(entry.amount_minor for entry in self._found.entries):
            self._found.bad(0, "TtlIntrBkSttlmAmt is not the sum of the transactions")
        return self._found.report()


def _gregorian(text: str) -> dt.date | None:
    try:
        return gregorian(int(text[:4]), int(text[4:6]), int(text[6:]))
    except ValueError:
        return None


# ── writing: what a switch or central bank sends; ours is the lab's ───────────────────────────────
@dataclass(frozen=True, slots=True)
class Cycle:
    """One file of a Paya cycle. `bank`: 4 letters of the sender's code, `bank_code` 3 digits of it.

    `created_at` is written as its own clock says; `cycle` 1–9, `serial` 1–9999.
    """

    bank: str
    bank_code: str
    created_at: dt.datetime
    settled_on: dt.date
    cycle: int
    serial: int
    debtor_iban: str
    debtor_name: str
    creditor_iban: str

    @property
    def message_id(self) -> str:
        """MsgId, which is also the file's name."""
        if not (_BANK.fullmatch(self.bank) and 0 < self.cycle < 10 and 0 < self.serial < 10_000):
            raise FormatError("a Paya file has a bank of 4, a cycle of 1 and a serial of 4 digits")
        return f"{self.bank}{stamp(self.settled_on)[2:]}{self.cycle}{self.serial:04}.CT"


@dataclass(frozen=True, slots=True)
class Credit:
    """An acceptor's transactions of one day and cycle, in one sum."""

    instruction: str
    amount_minor: int
    shop: str
    national_id: str


def write(head: Cycle, paid: Sequence[Credit]) -> bytes:
    """The file of a cycle."""
    total = sum(credit.amount_minor for credit in paid)
    created = f"{_dashed(head.created_at.date())}T{head.created_at:%H:%M:%S}"
    return xml.document(
        "pacs.008.001.01",
        element(
            "pacs.008.001.01",
            element(
                "GrpHdr",
                leaf("MsgId", head.message_id),
                leaf("CrDtTm", created),  # as the guide prints it
                leaf("NbOfTxs", str(len(paid))),
                leaf("TtlIntrBkSttlmAmt", str(total), Ccy="IRR"),
                leaf("IntrBkSttlmDt", _dashed(head.settled_on)),
                element("SttlmInf", leaf("SttlmMtd", "CLRG")),
                element("PmtTpInf", element("SvcLvl", leaf("Cd", "SEPA"))),
            ),
            *(_transaction(head, n, credit) for n, credit in enumerate(paid, 1)),
        ),
    )


def _transaction(head: Cycle, n: int, credit: Credit) -> str:
    end_to_end = f"{stamp(head.settled_on)[2:]}{head.bank_code}2{n:06}"
    return element(
        "CdtTrfTxInf",
        element(
            "PmtId",
            leaf("InstrId", credit.instruction),
            leaf("EndToEndId", end_to_end),
            leaf("TxId", f"{head.message_id}{n:05}"),
        ),
        leaf("IntrBkSttlmAmt", str(credit.amount_minor), Ccy="IRR"),
        leaf("ChrgBr", "SLEV"),
        element("Dbtr", leaf("Nm", head.debtor_name), _private("", "0000")),
        element("DbtrAcct", element("Id", leaf("IBAN", head.debtor_iban))),
        element("DbtrAgt", element("FinInstnId", leaf("BIC", head.bank))),
        element("CdtrAgt", element("FinInstnId", leaf("BIC", head.bank))),
        element("Cdtr", leaf("Nm", credit.shop), _private(credit.national_id)),
        element("CdtrAcct", element("Id", leaf("IBAN", head.creditor_iban))),
        element("RmtInf", leaf("Ustrd", credit.instruction)),
    )


def _private(id: str, branch: str = "") -> str:
    inside = leaf("Id", id) + leaf("IdTp", branch)
    return element("Id", element("PrvtId", element("OthrId", inside)))


def _dashed(day: dt.date) -> str:
    text = stamp(day)
    return f"{text[:4]}-{text[4:6]}-{text[6:]}"
