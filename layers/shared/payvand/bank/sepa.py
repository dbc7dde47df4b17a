"""Euro payouts: pain.001.001.09 out, pain.002 back. Statements are payvand.bank.camt.

Sources: ISO 20022 message definition report "Payments Initiation" (2019 and later); EPC132-08 SEPA
credit transfer, customer to bank: service level SEPA, charges SLEV, IBAN only, amounts from 0.01 to
999 999 999.99, references of the basic Latin set.

`sepaxml` (MIT) was tried: its ids are random, its times are now, both out of a caller's reach, and
it brings xmlschema (0.3 s of import). A payout file must be the same bytes on every try, so it is
written here and sepaxml's schemas judge it in the tests.
"""

import datetime as dt
import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from payvand.bank import FileHead, FormatError, Order, Outcome, Transfer, Verdict, xml
from payvand.bank.latin import latin
from payvand.bank.xml import Node, element, leaf, printable, tag

CURRENCY: Final = "EUR"
SCHEMA: Final = "pain.001.001.09"
AMOUNT_MAX_MINOR: Final = 99_999_999_999
"""999 999 999.99 euro (EPC132-08, AT-T002)."""
REFERENCE_MAX: Final = 35
NAME_MAX: Final = 70
REASON_MAX: Final = 200
NOT_PROVIDED: Final = "NOTPROVIDED"
"""What EPC132-08 wants where there is nothing to say and an element must be."""

_REFERENCE: Final = re.compile(r"[0-9A-Za-z_-]{1,35}", re.ASCII)
_IBAN: Final = re.compile(r"[A-Z]{2}[0-9]{2}[0-9A-Z]{11,30}", re.ASCII)


# ── references ────────────────────────────────────────────────────────────────────────────────────
def wire(reference: str) -> str:
    """One of our references as a bank may carry it: `_` is outside its letters, `.` outside ours.

    Banks refuse or replace what is outside the basic Latin set, and a replaced reference comes back
    as nobody's.
    """
    return reference.replace("_", ".")


def ours(reference: str) -> str:
    """The reference a bank gives back, as we know it; "" for none."""
    return "" if reference == NOT_PROVIDED else reference.replace(".", "_")


def message_id(head: FileHead) -> str:
    """The message's id and that of its only payment block: the same head is the same message.

    A bank refuses a second message of the same id (AM05), so a file sent again pays nobody twice.
    """
    account = hashlib.sha256(head.debtor_iban.encode()).hexdigest()[:8].upper()
    return f"PV-{head.currency}-{head.date:%Y%m%d}-{head.cycle}-{account}"


# ── pain.001 ──────────────────────────────────────────────────────────────────────────────────────
def check(order: Order) -> None:
    """Raise FormatError for an order that no file can carry. Its name is never the reason."""
    if not order.transfers:
        raise FormatError(f"{order.payout}: no transfer")
    for n, transfer in enumerate(order.transfers, 1):
        wrong = _wrong(transfer)
        if wrong:
            raise FormatError(f"{order.payout}, transfer {n}: {wrong}")


def _wrong(transfer: Transfer) -> str:
    if not _REFERENCE.fullmatch(transfer.reference):
        return "the reference is not 1 to 35 letters, digits, _ or -"
    if type(transfer.amount_minor) is not int or not 0 < transfer.amount_minor <= AMOUNT_MAX_MINOR:
        return "the amount is not between 0.01 and 999999999.99"
    if not iban_holds(transfer.iban):
        return "the IBAN is not one"
    return ""


def iban_holds(iban: str) -> bool:
    """ISO 13616: the country's letters as numbers, moved to the end, leave 1 of 97."""
    moved = iban[4:] + iban[:4]
    return bool(_IBAN.fullmatch(iban)) and int("".join(str(int(c, 36)) for c in moved)) % 97 == 1


def payment_file(head: FileHead, orders: Sequence[Order], *, batch_booking: bool = True) -> bytes:
    """The pain.001.001.09 message: the same head and orders are the same bytes.

    `batch_booking`: the bank books one debit for the file and lists its transfers below it; False:
    one debit for each. A bank may know better and do as its contract says.

    Raises:
        FormatError: not euro, no orders, a bad debtor account, a reference twice, or `check`.
    """
    if head.currency != CURRENCY:
        raise FormatError("a SEPA file carries euro only")
    if not iban_holds(head.debtor_iban):
        raise FormatError("the debtor's IBAN is not one")
    if head.cycle < 1 or len(message_id(head)) > REFERENCE_MAX:
        raise FormatError("the head makes no message id of at most 35 letters")
    for order in orders:
        check(order)
    transfers = [(order, transfer) for order in orders for transfer in order.transfers]
    if not transfers:
        raise FormatError("no orders")
    if len({wire(transfer.reference) for _, transfer in transfers}) < len(transfers):
        raise FormatError("a reference stands twice")
    parts = _message(head, transfers, "true" if batch_booking else "false")
    return xml.document(SCHEMA, element("CstmrCdtTrfInitn", *parts))


def _message(
    head: FileHead, transfers: Sequence[tuple[Order, Transfer]], batch: str
) -> Iterator[str]:
    message, debtor = message_id(head), latin(head.debtor_name, NAME_MAX) or NOT_PROVIDED
    totals = leaf("NbOfTxs", str(len(transfers))) + leaf(
        "CtrlSum", _decimal(sum(transfer.amount_minor for _, transfer in transfers))
    )
    yield element(
        "GrpHdr",
        leaf("MsgId", message),
        leaf("CreDtTm", head.created_at.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")),
        totals,
        element("InitgPty", leaf("Nm", debtor)),
    )
    yield element(
        "PmtInf",
        leaf("PmtInfId", message),
        leaf("PmtMtd", "TRF"),
        leaf("BtchBookg", batch),
        totals,
        element("PmtTpInf", element("SvcLvl", leaf("Cd", "SEPA"))),
        element("ReqdExctnDt", leaf("Dt", head.date.isoformat())),
        element("Dbtr", leaf("Nm", debtor)),
        _account("DbtrAcct", head.debtor_iban),
        element("DbtrAgt", element("FinInstnId", element("Othr", leaf("Id", NOT_PROVIDED)))),
        leaf("ChrgBr", "SLEV"),
        *(_transaction(order, transfer) for order, transfer in transfers),
    )


def _transaction(order: Order, transfer: Transfer) -> str:
    reference = wire(transfer.reference)
    return element(
        "CdtTrfTxInf",
        element("PmtId", leaf("InstrId", reference), leaf("EndToEndId", reference)),
        element("Amt", leaf("InstdAmt", _decimal(transfer.amount_minor), Ccy=CURRENCY)),
        element("Cdtr", leaf("Nm", latin(transfer.name, NAME_MAX) or NOT_PROVIDED)),
        _account("CdtrAcct", transfer.iban),
        element("RmtInf", leaf("Ustrd", latin(wire(order.payout), 140))),
    )


def _account(name: str, iban: str) -> str:
    return element(name, element("Id", leaf("IBAN", iban)))


def _decimal(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"


# ── pain.002 ──────────────────────────────────────────────────────────────────────────────────────
_VERDICTS: Final = {
    **dict.fromkeys(("ACSC", "ACCC"), Verdict.EXECUTED),
    **dict.fromkeys(("RJCT",), Verdict.REJECTED),
    **dict.fromkeys(("RCVD", "ACTC", "ACCP", "ACSP", "PDNG"), Verdict.PENDING),
}
"""ISO 20022 external code set ExternalPaymentTransactionStatus1Code. ACSC: the debtor's account is
settled; ACCC: the creditor's too. Any other word (PART, CANC, ACWC …) decides nothing."""

_SENT_BEFORE: Final = frozenset({"AM05", "DUPL", "DU01", "DU02", "DU03", "DU04", "DU05"})
_SAYS_SENT_BEFORE: Final = re.compile(r"duplic|dublik|doppel|already", re.IGNORECASE)
_NARRATIVE: Final = "NARR"
_WHOLE: Final = frozenset({Verdict.EXECUTED, Verdict.REJECTED})


@dataclass(frozen=True, slots=True)
class StatusReport:
    """What one pain.002 says. `about` is the id of the message it answers, "" if it does not say.

    `outcomes` are the transfers it names, in its order. `rest` is the verdict on those it does not
    name, None when the standard gives them none. `problems` is what could not be read and where.
    """

    about: str
    outcomes: tuple[Outcome, ...]
    rest: Outcome | None = None
    problems: tuple[str, ...] = ()

    def of(self, references: Iterable[str]) -> tuple[Outcome, ...]:
        """The outcomes for the transfers of the message it is about: named ones, then the rest."""
        named = {outcome.reference for outcome in self.outcomes}
        rest = self.rest
        if rest is None:
            return self.outcomes
        others = (reference for reference in references if reference not in named)
        return (*self.outcomes, *(replace(rest, reference=reference) for reference in others))


def read_status(body: bytes) -> StatusReport:
    """A pain.002 of any version.

    The rules of the message definition (GroupStatus…Rule, PaymentInformationStatus…Rule): a status
    of the group or the payment block holds for every transaction below it; rejected or settled as a
    whole means each of them; PART says nothing of those not named. A report that contradicts itself
    is UNKNOWN where it does. So is a refusal because it was sent before (AM05, DU01…): it is about
    the copy, and the first one may well have been paid.

    Raises:
        FormatError: not a customer payment status report.
    """
    reading = _Status()
    root = xml.read(body, {"TxInfAndSts": reading.transaction, "OrgnlPmtInfAndSts": reading.block})
    report = root.get("CstmrPmtStsRpt")
    if report is None:
        found = root.children[0].name if root.children else root.name
        raise FormatError(f"line {root.line}: not a CstmrPmtStsRpt (pain.002) but {tag(found)}")
    return reading.report(report)


@dataclass(frozen=True, slots=True)
class _Word:
    """What stands at one level: the verdict and its reason. `status` is "" where none is given."""

    status: str = ""
    verdict: Verdict = Verdict.UNKNOWN
    code: str = ""
    reason: str = ""

    @classmethod
    def at(cls, node: Node | None, name: str) -> "_Word":
        if node is None:
            return cls()
        statuses = {found.text for found in node.all(name)}
        codes = [
            code
            for block in node.all("StsRsnInf")
            if (code := block.say("Rsn/Cd") or block.say("Rsn/Prtry"))
        ]
        reason = " ".join(
            text.text for block in node.all("StsRsnInf") for text in block.all("AddtlInf")
        )
        status = statuses.pop() if len(statuses) == 1 else "/".join(sorted(statuses))
        return cls(
            status,
            _VERDICTS.get(status, Verdict.UNKNOWN),
            next((code for code in codes if code != _NARRATIVE), codes[0] if codes else "")[:35],
            printable(reason)[:REASON_MAX],
        )

    @property
    def sent_before(self) -> bool:
        """Whether it refuses a copy, by its code or (NARR) only by its words."""
        return self.verdict is Verdict.REJECTED and (
            self.code in _SENT_BEFORE
            or (self.code in {"", _NARRATIVE} and bool(_SAYS_SENT_BEFORE.search(self.reason)))
        )

    def outcome(self, reference: str, bank_reference: str = "") -> Outcome:
        verdict = Verdict.UNKNOWN if self.sent_before else self.verdict
        return Outcome(reference, verdict, self.code, self.reason, bank_reference)

    def below(self, above: Sequence["_Word"]) -> "_Word":
        """Itself under the words of the levels above, nearest first; UNKNOWN if they clash."""
        said = next((word for word in (self, *above) if word.status), self)
        if self.status and not self.code and not self.reason:
            told = next((word for word in above if word.verdict is said.verdict), said)
            said = replace(said, code=told.code, reason=told.reason)
        if any(word.verdict in _WHOLE and word.verdict is not said.verdict for word in above):
            said = replace(said, verdict=Verdict.UNKNOWN)
        return said


_LEVELS: Final = frozenset({"CstmrPmtStsRpt", "OrgnlPmtInfAndSts"})


def _level(node: Node) -> _Word:
    if node.name == "OrgnlPmtInfAndSts":
        return _Word.at(node, "PmtInfSts")
    return _Word.at(node.get("OrgnlGrpInfAndSts"), "GrpSts")


@dataclass(slots=True)
class _Status:
    """Takes the records of a report as they end; levels above stand before those below."""

    named: dict[str, Outcome] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    blocks: list[tuple[str, _Word]] = field(default_factory=list)
    parents: list[Node] = field(default_factory=list)
    words: list[_Word] = field(default_factory=list)
    sent_before: bool = False

    def transaction(self, node: Node, within: Sequence[Node]) -> None:
        reference = ours(node.say("OrgnlEndToEndId")) or ours(node.say("OrgnlInstrId"))
        if not reference:
            self.problems.append(f"line {node.line}: TxInfAndSts names no transfer")
            return
        own = _Word.at(node, "TxSts")
        word = own.below(self._levels(within))
        outcome = word.outcome(reference, printable(node.say("AcctSvcrRef"))[:REFERENCE_MAX])
        self.sent_before |= word.sent_before
        before = self.named.get(reference)
        if word.verdict is Verdict.UNKNOWN:
            clash = own.verdict is not Verdict.UNKNOWN
            why = "contradicts the status above it" if clash else "decides nothing"
            self.problems.append(f"line {node.line}: the status {tag(own.status)} {why}")
        elif before is not None and before.verdict is not outcome.verdict:
            self.problems.append(f"line {node.line}: a second, different status of one transfer")
            outcome = replace(outcome, verdict=Verdict.UNKNOWN)
        self.named[reference] = outcome

    def block(self, node: Node, within: Sequence[Node]) -> None:
        del within
        self.blocks.append((node.say("OrgnlPmtInfId"), _Word.at(node, "PmtInfSts")))

    def _levels(self, within: Sequence[Node]) -> Sequence[_Word]:
        """The words above a transaction, nearest first; read once for all that stand below."""
        parents = [parent for parent in within if parent.name in _LEVELS]
        if parents != self.parents:
            self.parents, self.words = parents, [_level(parent) for parent in reversed(parents)]
        return self.words

    def report(self, node: Node) -> StatusReport:
        group = _level(node)
        about = node.say("OrgnlGrpInfAndSts/OrgnlMsgId")
        if not about:
            self.problems.append(f"line {node.line}: it does not say which message it answers")
        return StatusReport(
            about,
            tuple(self.named.values()),
            self._rest(about, group) if about else None,
            tuple(self.problems),
        )

    def _rest(self, about: str, group: _Word) -> Outcome | None:
        """What holds for transfers not named. Our messages have one block, named as they are."""
        above = [group]
        if self.blocks:
            (name, block), *more = self.blocks
            if more or name != about:
                self.problems.append("it speaks of a payment block that is not the message's")
            else:
                above = [block, group]
        word = above[0].below(above[1:])
        if not any(level.status for level in above) or word.status == "PART":
            return None
        if self.sent_before and not word.code:  # refused whole, and copies are the reason it gives
            word = replace(word, verdict=Verdict.UNKNOWN)
        return word.outcome("")
