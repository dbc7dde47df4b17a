"""Bank statements: camt.053 of any version and bank, to entries.

Source: ISO 20022 message definition report "Bank-to-Customer Cash Management"; its names are the
same from version 02 to 13 but for wrappers (`Sts/Cd`, `Pty/Nm`, `Chrgs/Rcrd`), which are looked for
in both shapes. What banks send taught the rest: an entry's bank reference may stand on two
entries, a batch may come without its parts, a balance may be of another day.
"""

import datetime as dt
import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from payvand.bank import Entry, FormatError, Outcome, Verdict, xml
from payvand.bank.sepa import REASON_MAX, ours
from payvand.bank.xml import Node, printable, tag
from payvand.money import AMOUNT_MAX, DECIMALS

SOURCE: Final = "camt.053"
TRANSFER: Final = "transfer"
BATCH: Final = "batch"
RETURN: Final = "return"
REVERSAL: Final = "reversal"
CHARGE: Final = "charge"

_EXACT: Final = re.compile(r"\+?([0-9]{0,18})(?:\.([0-9]{0,5}))?", re.ASCII)
_CURRENCY: Final = re.compile(r"[A-Z]{3}", re.ASCII)
_NO_DECIMALS: Final = (
    *("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG"),
    *("RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF"),
)
_THREE_DECIMALS: Final = ("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND")
_DECIMALS: Final = {
    **dict.fromkeys(_NO_DECIMALS, 0),
    **dict.fromkeys(_THREE_DECIMALS, 3),
    **DECIMALS,
}
"""Digits after the point where they are not two (ISO 4217); the rial as we count it."""
_CHARGE_CODES: Final = frozenset({"CHRG", "FEES", "COMM", "COMT"})
_RETURN_CODE: Final = "RRTN"
"""Subfamilies of the external code set ExternalBankTransactionSubFamily1Code."""
_PROVES: Final = {
    (TRANSFER, False): Verdict.EXECUTED,
    (RETURN, True): Verdict.RETURNED,
    (REVERSAL, True): Verdict.RETURNED,
}
"""By the kind of an entry and whether money came."""
_TEXT_MAX: Final = 500


class _Bad(ValueError):
    """One element that cannot be read; the text says what, never its value."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One account's statement of a period.

    `entries` are booked money and the sum of them is `closing_minor - opening_minor`; None where
    the file has no such balance, and then `problems` says so. `pending` is announced, not money
    yet. `problems` is what could not be read and where, for a person to look at.
    """

    id: str
    account: str
    currency: str
    opening_minor: int | None
    closing_minor: int | None
    closing_on: dt.date | None
    entries: tuple[Entry, ...]
    pending: tuple[Entry, ...] = ()
    problems: tuple[str, ...] = ()


def read_statements(body: bytes) -> tuple[Statement, ...]:
    """The statements of a file.

    Every transaction of a batch is an entry of its own. An entry that cannot be read is left out
    and named in `problems`; the balances are then not checked, as the sum cannot hold.

    Raises:
        FormatError: not a camt.053, or a statement whose booked entries do not lead from its
            opening to its closing balance.
    """
    reading = _Reading()
    root = xml.read(
        body, {"TxDtls": reading.part, "Ntry": reading.entry, "Stmt": reading.statement}
    )
    if root.get("BkToCstmrStmt") is None:
        found = root.children[0].name if root.children else root.name
        name = (
            found if found.isascii() and found.isalnum() and len(found) < 40 else "something else"
        )
        raise FormatError(f"line {root.line}: not a BkToCstmrStmt (camt.053) but {name}")
    if not reading.statements:
        raise FormatError("it has no statement")
    return tuple(reading.statements)


def outcomes(statement: Statement) -> tuple[Outcome, ...]:
    """What the booked entries prove of transfers: a debit executed it, a return gave it back.

    The last word on a transfer: a bank may never send its pain.002, and tells of returns only here.
    """
    found = []
    for entry in statement.entries:
        verdict = _PROVES.get((entry.details["kind"], entry.amount_minor > 0))
        if verdict is not None and entry.reference:
            told = [entry.details.get(name, "") for name in ("code", "reason", "bank_reference")]
            found.append(Outcome(entry.reference, verdict, *told))
    return tuple(found)


# ── reading ───────────────────────────────────────────────────────────────────────────────────────
@dataclass(frozen=True, slots=True)
class _Part:
    """A transaction below an entry. `minor` is signed, None when the bank gives no amount."""

    minor: int | None
    fee_minor: int
    details: Mapping[str, str]


@dataclass(slots=True)
class _Reading:
    statements: list[Statement] = field(default_factory=list)
    booked: list[Entry] = field(default_factory=list)
    pending: list[Entry] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    parts: list[_Part] = field(default_factory=list)
    seen: Counter[str] = field(default_factory=Counter)
    whole: bool = True  # no entry of the statement was left out

    def part(self, node: Node, within: Sequence[Node]) -> None:
        if not _in_statement(within):
            return
        entry = within[-2] if within[-1].name == "NtryDtls" else within[-1]
        currency = _currency(within)
        minor = None
        try:
            minor = _part_minor(node, entry, currency)
        except _Bad as exc:
            self.problems.append(f"line {node.line}: a transaction's {exc}")
        self.parts.append(_Part(minor, self._fee(node, currency), _details(node)))

    def entry(self, node: Node, within: Sequence[Node]) -> None:
        parts, self.parts = self.parts, []
        if not _in_statement(within):
            return
        try:
            status = node.say("Sts/Cd") or node.say("Sts")
            if not status:
                raise _Bad("status is missing")
            account = _account(within)
            currency = _currency(within)
            minor = _signed(node, currency)
            on = _booked_on(node, within, booked=status == "BOOK")
        except _Bad as exc:
            self.problems.append(f"line {node.line}: an entry is left out: its {exc}")
            self.whole = False
            return
        about = _details(node) | {"status": status}
        movements = self._movements(node, minor, parts, self._fee(node, currency))
        if len(movements) > 1:
            about.pop("batch", None)  # each is one now
        made = [
            Entry(
                source=SOURCE,
                id=self._id(within, on, (account, currency, str(amount)), {**about, **details}, n),
                booked_on=on,
                amount_minor=amount,
                currency=currency,
                reference=ours(details.get("end_to_end_id", "")),
                account=account,
                fee_minor=fee,
                details=_told(about, details),
            )
            for n, (amount, fee, details) in enumerate(movements)
        ]
        (self.booked if status == "BOOK" else self.pending).extend(made)

    def _movements(
        self, node: Node, minor: int, parts: Sequence[_Part], fee_minor: int
    ) -> list[tuple[int, int, Mapping[str, str]]]:
        """The entry's transactions: amount, what was kept of it, details. They sum to the entry."""
        if len(parts) <= 1:
            details = parts[0].details if parts else {}
            return [(minor, fee_minor or (parts[0].fee_minor if parts else 0), details)]
        known = [
            (part.minor, part.fee_minor, part.details) for part in parts if part.minor is not None
        ]
        if len(known) == len(parts):
            rest = minor - sum(amount for amount, _, _ in known)
            if rest == 0:
                return known
            if rest == -(fee_minor or sum(fee for _, fee, _ in known)):
                gross = [(amount, 0, details) for amount, _, details in known]
                return [*gross, (rest, 0, {"kind": CHARGE})]
        self.problems.append(f"line {node.line}: the transactions of an entry are not its amount")
        return [(minor, fee_minor, {"kind": BATCH, "batch": str(len(parts))})]

    def _fee(self, node: Node, currency: str) -> int:
        """Charges taken out of the amount; those booked apart are entries of their own."""
        try:
            return _fee_minor(node, currency)
        except _Bad as exc:
            self.problems.append(f"line {node.line}: a charge's {exc}")
            return 0

    def _id(
        self,
        within: Sequence[Node],
        on: dt.date,
        what: tuple[str, ...],
        details: Mapping[str, str],
        n: int,
    ) -> str:
        """What an entry is, whichever statement tells it, and a number among equals in it.

        A bank reference alone would lose money: banks put one reference on two entries.
        """
        keys = ("bank_reference", "transaction_id", "part_reference", "end_to_end_id")
        known = [details.get(key, "") for key in keys]
        if not any(known[:3]):  # nothing of the bank's own: then where it stands
            known += [details.get("entry_reference", ""), *_pages(within)]
        digest = hashlib.sha256("\0".join([on.isoformat(), *what, str(n), *known]).encode())
        key = digest.hexdigest()[:32]
        self.seen[key] += 1
        return key if self.seen[key] == 1 else f"{key}-{self.seen[key]}"

    def statement(self, node: Node, within: Sequence[Node]) -> None:
        del within
        booked, pending, problems = self.booked, self.pending, self.problems
        self.booked, self.pending, self.problems = [], [], []
        self.seen.clear()
        whole, self.whole = self.whole, True
        currency = _currency([node])
        try:
            opening, closing, on = _balances(node, currency)
        except _Bad as exc:
            raise FormatError(f"line {node.line}: {exc}") from None
        if opening is None or closing is None:
            side = "opening" if opening is None else "closing"
            problems.append(f"line {node.line}: no {side} booked balance; the sum is not checked")
        elif whole and opening + sum(entry.amount_minor for entry in booked) != closing:
            raise FormatError(
                f"line {node.line}: the closing balance (CLBD) is not the opening balance and the"
                f" {len(booked)} booked entries"
            )
        self.statements.append(
            Statement(
                id=node.say("Id"),
                account=_account([node]),
                currency=currency,
                opening_minor=opening,
                closing_minor=closing,
                closing_on=on,
                entries=tuple(booked),
                pending=tuple(pending),
                problems=tuple(problems),
            )
        )


def _in_statement(within: Sequence[Node]) -> bool:
    return any(parent.name == "Stmt" for parent in within)


def _statement(within: Sequence[Node]) -> Node:
    return next(parent for parent in reversed(within) if parent.name == "Stmt")


def _account(within: Sequence[Node]) -> str:
    node = _statement(within)
    account = node.say("Acct/Id/IBAN") or node.say("Acct/Id/Othr/Id")
    if not account:
        raise FormatError(f"line {node.line}: the statement names no account")
    return account.replace(" ", "")


def _currency(within: Sequence[Node]) -> str:
    """The account's currency; a statement that does not say takes its first balance's."""
    node = _statement(within)
    amount = node.get("Bal/Amt")
    found = node.say("Acct/Ccy") or (amount.attributes.get("Ccy", "") if amount else "")
    if not _CURRENCY.fullmatch(found):
        raise FormatError(f"line {node.line}: the statement names no currency")
    return found


def _pages(within: Sequence[Node]) -> tuple[str, str]:
    node = _statement(within)
    return node.say("Id"), node.say("StmtPgntn/PgNb")


def _balances(node: Node, currency: str) -> tuple[int | None, int | None, dt.date | None]:
    """The booked balances before and after the entries, and the day of the second.

    A page of several has interim ones (ITBD) where the pages meet.
    """
    found: dict[str, list[Node]] = {}
    for balance in node.all("Bal"):
        found.setdefault(balance.say("Tp/CdOrPrtry/Cd"), []).append(balance)
    interim = found.get("ITBD", [])
    opening = found.get("OPBD") or found.get("PRCD") or []
    closing = found.get("CLBD") or []
    several = len(interim) > 1
    before = opening or (interim[:1] if closing or several else [])
    after = closing or (interim[-1:] if opening or several else [])
    on = _date(after[-1].get("Dt")) if after else None
    return _balance(before, currency), _balance(after, currency), on


def _balance(balances: Sequence[Node], currency: str) -> int | None:
    if not balances:
        return None
    code = tag(balances[0].say("Tp/CdOrPrtry/Cd"))
    try:
        amounts = {_signed(balance, currency) for balance in balances}
    except _Bad as exc:
        raise _Bad(f"the balance {code}: its {exc}") from None
    if len(amounts) > 1:
        raise _Bad(f"the balance {code} stands twice with two amounts")
    return amounts.pop()


# ── values ────────────────────────────────────────────────────────────────────────────────────────
def _signed(node: Node, currency: str) -> int:
    """`Amt` with the sign of `CdtDbtInd`: money in is positive."""
    side = node.say("CdtDbtInd")
    if side not in {"CRDT", "DBIT"}:
        raise _Bad("CdtDbtInd is neither CRDT nor DBIT")
    amount = _minor(node.get("Amt"), currency)
    return amount if side == "CRDT" else -amount


def _minor(node: Node | None, currency: str) -> int:
    if node is None:
        raise _Bad("amount is missing")
    if node.attributes.get("Ccy", currency) != currency:
        raise _Bad("amount is of another currency than the account")
    found = _EXACT.fullmatch(node.text)
    if found is None or not (found[1] or found[2]):
        why = "is negative" if node.text.startswith("-") else "is no decimal number with a point"
        raise _Bad(f"amount {why}")
    digits = _DECIMALS.get(currency, 2)
    fraction = (found[2] or "").ljust(digits, "0")
    if fraction[digits:].strip("0"):
        raise _Bad("amount has more digits than the currency")
    amount = int(f"{found[1] or 0}{fraction[:digits]}")
    if amount > AMOUNT_MAX:
        raise _Bad("amount is too large")
    return amount


def _part_minor(node: Node, entry: Node, currency: str) -> int | None:
    """A transaction's amount in the account's currency, signed like the entry unless it says so."""
    side = node.say("CdtDbtInd") or entry.say("CdtDbtInd")
    for path in ("Amt", "AmtDtls/TxAmt/Amt", "AmtDtls/InstdAmt/Amt"):
        amount = node.get(path)
        if amount is not None and amount.attributes.get("Ccy", currency) == currency:
            return _minor(amount, currency) * (-1 if side == "DBIT" else 1)
    return None


def _fee_minor(node: Node, currency: str) -> int:
    total = 0
    for charges in node.all("Chrgs"):
        for charge in charges.all("Rcrd") or [charges]:
            amount = charge.get("Amt")
            if amount is None or charge.say("ChrgInclInd") == "false":
                continue
            total += _minor(amount, currency) * (-1 if charge.say("CdtDbtInd") == "CRDT" else 1)
    return total


def _date(node: Node | None) -> dt.date | None:
    """A date, or the date of a time: what the bank's own calendar says, whatever its zone."""
    if node is None:
        return None
    text = (node.say("Dt") or node.say("DtTm"))[:10]
    try:
        return dt.date.fromisoformat(text) if len(text) == 10 else None
    except ValueError:
        return None


def _booked_on(node: Node, within: Sequence[Node], *, booked: bool) -> dt.date:
    found = _date(node.get("BookgDt")) or _date(node.get("ValDt"))
    if found is None and not booked:  # what is not booked yet has no day of booking
        said = _statement(within).say("CreDtTm")[:10]
        found = dt.date.fromisoformat(said) if re.fullmatch(r"\d{4}-\d\d-\d\d", said) else None
    if found is None:
        raise _Bad("booking date is missing or none")
    return found


_PATHS: Final = {
    "bank_reference": ("AcctSvcrRef",),
    "part_reference": ("Refs/AcctSvcrRef",),
    "entry_reference": ("NtryRef",),
    "end_to_end_id": ("Refs/EndToEndId",),
    "transaction_id": ("Refs/TxId", "Refs/UETR"),
    "message_id": ("Refs/MsgId", "NtryDtls/Btch/MsgId"),
    "payment_information": ("Refs/PmtInfId", "NtryDtls/Btch/PmtInfId"),
    "batch": ("NtryDtls/Btch/NbOfTxs",),
    "domain": ("BkTxCd/Domn/Cd",),
    "family": ("BkTxCd/Domn/Fmly/Cd",),
    "subfamily": ("BkTxCd/Domn/Fmly/SubFmlyCd",),
    "bank_code": ("BkTxCd/Prtry/Cd",),
    "code": ("RtrInf/Rsn/Cd", "RtrInf/Rsn/Prtry"),
    "structured": ("RmtInf/Strd/CdtrRefInf/Ref",),
    "text": ("AddtlNtryInf", "AddtlTxInf"),
}
_REPEATED: Final = {"remittance": ("RmtInf", "Ustrd"), "reason": ("RtrInf", "AddtlInf")}
_SIDES: Final = {"debtor": "Dbtr", "creditor": "Cdtr"}


def _details(node: Node) -> dict[str, str]:
    """What an entry or a transaction says beside its money; only what is there."""
    found = {
        name: next((text for path in paths if (text := node.say(path))), "")
        for name, paths in _PATHS.items()
    }
    for name, (parent, child) in _REPEATED.items():
        block = node.get(parent)
        found[name] = " ".join(line.text for line in block.all(child)) if block else ""
    for name, side in _SIDES.items():
        parties = node.get("RltdPties")
        if parties is not None:
            found[name] = parties.say(f"{side}/Nm") or parties.say(f"{side}/Pty/Nm")
            found[f"{name}_iban"] = parties.say(f"{side}Acct/Id/IBAN")
    if node.say("RvslInd") in {"true", "1"}:
        found["kind"] = REVERSAL
    if node.get("RtrInf") is not None or found["subfamily"] == _RETURN_CODE:
        found["kind"] = RETURN
    return {name: printable(text)[:_TEXT_MAX] for name, text in found.items() if text}


def _told(about: Mapping[str, str], details: Mapping[str, str]) -> dict[str, str]:
    """An entry's details: its own, its transaction's over them, and what kind of movement it is."""
    told = {**about, **details}
    if "reason" in told:
        told["reason"] = told["reason"][:REASON_MAX]
    if "kind" not in told:
        told["kind"] = _kind(told)
    return told


def _kind(told: Mapping[str, str]) -> str:
    if told.get("subfamily") in _CHARGE_CODES:
        return CHARGE
    if told.get("batch", "1") not in {"", "0", "1"} and "end_to_end_id" not in told:
        return BATCH
    return TRANSFER
