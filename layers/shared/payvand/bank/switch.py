"""The payout order file of the Iranian switch (Shaparak), its signature, its answer, its keys.

Unit:     rial, whole numbers, 1 to 15 digits.
Sent:     `<ALIAS>_YYYYMMDD_CC.json` (Jalali date) and the same with `.sign`; one record per
          acceptor. Names of people are not part of it.
Answer:   `REP_<same>.json` and its `.sign`: an array of errors only. So a record that is not in it
          was executed, but only once the answer is there and bears the switch's signature.
Keys:     RSA 2048, good for 180 days; the next one is handed over a week before the end.
Quirks:   the guide does not say which digest and encoding `.sign` has (here: SHA-256, PKCS #1 v1.5,
          the bare bytes), and contradicts itself on what the answer to a new key says.
Source:   SHP_STD_PFGUIDELINE 01-00 (1399/03/26), appendix 4, pages 34–43; the acceptance test on
          pages 29–31. docs/parties/switch.md says what is settled and what is not.
"""

import datetime as dt
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, NoReturn, Protocol

from payvand.bank import TRANSFERS_MAX, FileHead, FormatError, Order, Outcome, Verdict
from payvand.errors import Forged

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from mypy_boto3_kms import KMSClient

AMOUNT_MAX_MINOR: Final = 10**15 - 1
CYCLE_MAX: Final = 99
REPLY_MAX_BYTES: Final = 32 * 1024 * 1024
"""Above an answer with every record of a hundred thousand refused twice; more is not read."""
SIGNATURE: Final = ".sign"

KEY_BITS: Final = 2048
KEY_LIFE_DAYS: Final = 180
KEY_RENEWAL_DAYS: Final = 7
"""This long before a key's end the next one is handed over, and the switch warns (p. 42–43)."""

_ALIAS: Final = re.compile(r"[A-Za-z]{3,5}", re.ASCII)
_IIN: Final = re.compile(r"[1-9][0-9]{5,8}", re.ASCII)
_ACCEPTOR: Final = re.compile(r"[0-9A-Za-z]{15}", re.ASCII)
_IBAN: Final = re.compile(r"IR[0-9]{24}", re.ASCII)
_FIELD: Final = re.compile(r"[A-Za-z]{1,64}", re.ASCII)


# ---- dates and names --------------------------------------------------------------------------

_FARVARDIN_1: Final = dt.date(622, 3, 21).toordinal()
_JALALI_YEARS: Final = range(1300, 1473)
"""Where counting by 33 years agrees with the equinox, that is, with the calendar in use."""


def jalali(day: dt.date) -> tuple[int, int, int]:
    """Year, month, day of the Iranian solar calendar. Raises ValueError outside 1300–1472.

    Own code because it is these lines of arithmetic, and persiantools (MIT; jdatetime needs an LGPL
    package) takes 17 ms of a cold start; the tests compare every day with persiantools.
    """
    ordinal = day.toordinal()
    year = day.year - 621
    if ordinal < _new_year(year):
        year -= 1
    if year not in _JALALI_YEARS:
        raise ValueError(f"no Jalali date is known for {day}")
    n = ordinal - _new_year(year)
    if n < 186:
        return year, n // 31 + 1, n % 31 + 1
    return year, (n - 186) // 30 + 7, (n - 186) % 30 + 1


def gregorian(year: int, month: int, day: int) -> dt.date:
    """The inverse of `jalali`. Raises ValueError for a date that is none."""
    if year in _JALALI_YEARS and 1 <= month <= 12 and 1 <= day <= 31:
        n = 31 * (month - 1) - max(0, month - 7) + day - 1
        found = dt.date.fromordinal(_new_year(year) + n)
        if jalali(found) == (year, month, day):
            return found
    raise ValueError("not a Jalali date")


def _new_year(year: int) -> int:
    """1 Farvardin as an ordinal; 8 leap years in 33."""
    return _FARVARDIN_1 + 365 * (year - 1) + (8 * year + 21) // 33


def stamp(day: dt.date) -> str:
    """A date as the switch's file names have it: Jalali, YYYYMMDD."""
    return "{:04}{:02}{:02}".format(*jalali(day))


def order_name(alias: str, date: dt.date, cycle: int) -> str:
    """The name of an order file (p. 41). Raises FormatError for an alias or cycle that is none."""
    if not 1 <= cycle <= CYCLE_MAX:
        raise FormatError(f"a day has files 1 to {CYCLE_MAX}")
    return f"{_alias(alias)}_{stamp(date)}_{cycle:02}.json"


def reply_name(order_name: str) -> str:
    """The name of the answer to an order file, or to a key; its signature is this plus `.sign`."""
    return f"REP_{order_name}"


def _alias(alias: str) -> str:
    if not _ALIAS.fullmatch(alias):
        raise FormatError("the alias is three to five letters")
    return alias


# ---- the order file ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Record:
    """One record of an order file: what one acceptor is paid, and to which accounts."""

    iin: str
    acceptor: str
    facilitator_iban: str
    amount_minor: int
    wage_minor: int
    parts: tuple[tuple[str, int], ...]  # IBAN, amount


def wage_within_rule(wage_minor: int, amount_minor: int) -> bool:
    """Whether the wage is at most 15 % of settlement + wage (p. 30), exactly."""
    return 0 <= 17 * wage_minor <= 3 * amount_minor  # w ≤ 15/100 (a + w), without fractions


def capped_wage(wage_minor: int, amount_minor: int) -> int:
    """The largest wage up to ours that the rule allows beside this settlement amount."""
    return min(wage_minor, 3 * amount_minor // 17)


def cycles(orders: Iterable[Order]) -> list[tuple[Order, ...]]:
    """Orders shared out to as few files as one record per acceptor and file allows.

    Each file keeps the order they came in; what is left of an acceptor goes to the next cycle.
    """
    files: list[list[Order]] = []
    seen: defaultdict[str | None, int] = defaultdict(int)
    for order in orders:
        n = seen[order.acceptor]
        seen[order.acceptor] += 1
        if n == len(files):
            files.append([])
        files[n].append(order)
    return [tuple(file) for file in files]


def check(order: Order) -> None:
    """Raise FormatError for an order no file of the switch can carry; says what, never which."""
    if not order.iin or not _IIN.fullmatch(order.iin):
        raise FormatError("the iin is not six to nine digits")
    if not order.acceptor or not _ACCEPTOR.fullmatch(order.acceptor):
        raise FormatError("the acceptor code is not fifteen letters or digits")
    if not 1 <= len(order.transfers) <= TRANSFERS_MAX:
        raise FormatError(f"it has not one to {TRANSFERS_MAX} parts")
    amounts = [transfer.amount_minor for transfer in order.transfers]
    if any(type(amount) is not int or amount < 1 for amount in amounts):
        raise FormatError("a part is not a positive whole amount")
    if sum(amounts) > AMOUNT_MAX_MINOR:
        raise FormatError("the amount has more than fifteen digits")
    if type(order.wage_minor) is not int or not wage_within_rule(order.wage_minor, sum(amounts)):
        raise FormatError("the wage is not between 0 and 15 % of settlement and wage")
    if not all(_is_iban(transfer.iban) for transfer in order.transfers):
        raise FormatError("an account is not an Iranian IBAN")


def write(head: FileHead, orders: Sequence[Order]) -> bytes:
    """The order file (p. 35–38): equal values, equal bytes.

    Raises FormatError, naming the record by its number (from 1), for a broken rule of the guide.
    `check` tells beforehand which orders to leave out, `cycles` shares out repeated acceptors.
    """
    if head.currency != "IRR":
        raise FormatError("the switch settles rial only")
    if not _is_iban(head.debtor_iban):
        raise FormatError("the facilitator's account is not an Iranian IBAN")
    if not orders:
        raise FormatError("a file without orders")
    seen: set[str | None] = set()
    for n, order in enumerate(orders, 1):
        try:
            check(order)
        except FormatError as error:
            raise FormatError(f"record {n}: {error}") from None
        if order.acceptor in seen:
            raise FormatError(f"record {n}: its acceptor has a record before it")
        seen.add(order.acceptor)
    details = [_details(head.debtor_iban, order) for order in orders]
    return json.dumps({"settlementDataDetails": details}, separators=(",", ":")).encode()


def _details(facilitator_iban: str, order: Order) -> dict[str, object]:
    parts = order.transfers
    return {
        "iin": int(order.iin or 0),
        "acceptorCode": order.acceptor,
        "paymentFacilitatorIban": facilitator_iban,
        "settlementAmount": order.amount_minor,
        "wageAmount": order.wage_minor,
    } | (
        {"settlementIban": parts[0].iban}
        if len(parts) == 1
        # The text wants a null settlementIban beside the parts, the sample leaves it out (p. 35,
        # 37). Readers of JSON take both for the same; null is what the text says.
        else {
            "settlementIban": None,
            "scatteredSettlementDetails": [
                {"amountShare": part.amount_minor, "settlementIban": part.iban} for part in parts
            ],
        }
    )


def records(content: bytes) -> tuple[Record, ...]:
    """What an order file of ours says. Raises FormatError for any other."""
    try:
        rows: list[Any] = _json(content)["settlementDataDetails"]
        return tuple(_record(rows[n]) for n in range(len(rows)))
    except (AttributeError, KeyError, TypeError):
        raise FormatError("not an order file") from None


def _record(row: dict[str, Any]) -> Record:
    amount = row["settlementAmount"]
    scattered = row.get("scatteredSettlementDetails")
    parts = (
        tuple((part["settlementIban"], part["amountShare"]) for part in scattered)
        if scattered is not None
        else ((row["settlementIban"], amount),)
    )
    return Record(
        iin=str(row["iin"]),
        acceptor=row["acceptorCode"],
        facilitator_iban=row["paymentFacilitatorIban"],
        amount_minor=amount,
        wage_minor=row["wageAmount"],
        parts=parts,
    )


def _is_iban(text: str) -> bool:
    # ISO 13616: the country and check digits go last, I is 18, R is 27.
    return bool(_IBAN.fullmatch(text)) and int(text[4:] + "1827" + text[2:4]) % 97 == 1


def _json(content: bytes) -> Any:
    """JSON without repeated names: two readers of such a file may read two different things."""
    try:
        return json.loads(content, object_pairs_hook=_once, parse_constant=_no_number)
    except FormatError:
        raise
    except (ValueError, RecursionError):
        raise FormatError("it is not JSON") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise FormatError("an object names a field twice")
    return made


def _no_number(_name: str) -> NoReturn:
    raise FormatError("a number is none")


# ---- signatures -------------------------------------------------------------------------------


class Signer(Protocol):
    """Holds the facilitator's private key, or knows who does."""

    def sign(self, content: bytes) -> bytes:
        """PKCS #1 v1.5 over the SHA-256 of `content`: 256 bare bytes, each time the same."""

    def public_pem(self) -> bytes:
        """The public half, as SubjectPublicKeyInfo in PEM."""


class PemSigner:
    """A key in memory."""

    def __init__(self, pem: bytes) -> None:
        """`pem`: an unencrypted RSA key of 2048 bits. Raises ValueError for anything else."""
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        key = load_pem_private_key(pem, None)
        if not isinstance(key, RSAPrivateKey) or key.key_size != KEY_BITS:
            raise ValueError(f"the switch's signatures need an RSA key of {KEY_BITS} bits")
        self._key = key

    def sign(self, content: bytes) -> bytes:
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
        from cryptography.hazmat.primitives.hashes import SHA256

        return self._key.sign(content, PKCS1v15(), SHA256())

    def public_pem(self) -> bytes:
        return _pem(self._key.public_key())


class KmsSigner:
    """A key that never leaves KMS: RSA_2048, SIGN_VERIFY."""

    def __init__(self, kms: "KMSClient", key_id: str) -> None:
        self._kms = kms
        self._key_id = key_id

    def sign(self, content: bytes) -> bytes:
        # KMS takes 4096 bytes at most, or a digest of any amount.
        made = self._kms.sign(
            KeyId=self._key_id,
            Message=sha256(content).digest(),
            MessageType="DIGEST",
            SigningAlgorithm="RSASSA_PKCS1_V1_5_SHA_256",
        )
        return made["Signature"]

    def public_pem(self) -> bytes:
        from cryptography.hazmat.primitives.serialization import load_der_public_key

        der = self._kms.get_public_key(KeyId=self._key_id)["PublicKey"]
        return _pem(_rsa(load_der_public_key(der)))


def files(name: str, content: bytes, signer: Signer) -> tuple[tuple[str, bytes], ...]:
    """An order file and its signature in the order to send them: the signature first.

    The switch takes what ends in .json; by then its signature is there, whichever moment it looks.
    """
    return (name + SIGNATURE, signer.sign(content)), (name, content)


def verify(public_pem: bytes, content: bytes, signature: bytes) -> None:
    """Raise Forged unless the signature is over exactly these bytes."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        _rsa(load_pem_public_key(public_pem)).verify(signature, content, PKCS1v15(), SHA256())
    except InvalidSignature:
        raise Forged("the switch's signature is not over these bytes") from None


def _rsa(key: object) -> "RSAPublicKey":
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

    if not isinstance(key, RSAPublicKey) or key.key_size < KEY_BITS:
        raise ValueError(f"the switch's signatures need an RSA key of {KEY_BITS} bits")
    return key


def _pem(key: "RSAPublicKey") -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


# ---- the answer -------------------------------------------------------------------------------

ERRORS: Final[Mapping[int, str]] = {
    0: "UnknownError",
    1: "InternalSystemError",
    2: "MandatoryDataNotSet",
    3: "DataFormatMismatch",
    4: "DataLengthMismatch",
    5: "InconsistentData",
    6: "DuplicateData",
    7: "ErrorAccessingData",
    8: "ReferencedDataNotFound",
    9: "ExternalServiceUnreachable",
    10: "InvalidExternalServiceResponse",
    11: "ExpiredReference",
    12: "GeneralExternalServiceError",
    13: "UnknownDataProvided",
    14: "OutOfBoundsData",
    15: "NotEnoughResources",
}
"""Page 39–40, all there are."""

REFUSALS: Final = frozenset({2, 3, 4, 5, 8, 11, 13, 14, 15})
"""Codes that say the record itself was judged and turned down: nothing was paid for it.

The others (0, 1, 7, 9, 10, 12) say that the switch or a service behind it broke down, not at which
point: the money may be on its way. 6 is a refusal only where the file itself repeats the acceptor;
we never write that, so in an answer to us it hints at a record worked on before, perhaps paid.
"""
_DUPLICATE: Final = 6
_BALANCE: Final = "accountBalance"


@dataclass(frozen=True, slots=True)
class _Error:
    """One entry of an answer."""

    n: int  # its own place in the answer, from 1
    record: int
    code: int
    message: str
    field: str
    value: object


def read_reply(
    sent: bytes, payouts: Sequence[str], reply: bytes, signature: bytes, switch_pem: bytes
) -> tuple[Outcome, ...]:
    """What became of each payout of an order file, in the file's order.

    `sent`: the file as it was sent; `payouts`: the ids of its records, in order. A record no error
    names is EXECUTED; one with explicit refusals only is REJECTED; all else is UNKNOWN.

    Raises:
        Forged: the signature is not the switch's over these bytes.
        FormatError: it cannot be read as an answer to this file, so it says nothing of any record.
    """
    verify(switch_pem, reply, signature)
    rows = records(sent)
    if len(rows) != len(payouts):
        raise FormatError("the file sent has another number of records")
    found: defaultdict[int, list[_Error]] = defaultdict(list)
    for error in _errors(reply, len(rows)):
        _belongs(error, rows[error.record - 1])
        found[error.record].append(error)
    before: set[str] = set()
    outcomes = []
    for n, (row, payout) in enumerate(zip(rows, payouts, strict=True), 1):
        outcomes.append(_outcome(payout, found.get(n, []), repeats=row.acceptor in before))
        before.add(row.acceptor)
    return tuple(outcomes)


def _errors(reply: bytes, count: int) -> list[_Error]:
    if len(reply) > REPLY_MAX_BYTES:
        raise FormatError("the answer is too large")
    entries = _json(reply)
    if not isinstance(entries, list):
        raise FormatError("the answer is not an array")
    return [_error(n, entry, count) for n, entry in enumerate(entries, 1)]


def _error(n: int, entry: object, count: int) -> _Error:
    if not isinstance(entry, dict):
        raise FormatError(f"entry {n} is not an object")
    record, code = entry.get("recordIndex"), entry.get("errorType")
    if type(record) is not int or not 1 <= record <= count:
        raise FormatError(f"entry {n}: recordIndex is not a record of the file")
    if type(code) is not int or not 0 <= code <= 999:
        raise FormatError(f"entry {n}: errorType is not a number of three digits")
    message, field = entry.get("errorMessage"), entry.get("fieldName")
    if not isinstance(message, str) or not isinstance(field, str):
        raise FormatError(f"entry {n}: errorMessage or fieldName is not text")
    return _Error(n, record, code, message.strip(), field.strip(), entry.get("fieldValue"))


def _belongs(error: _Error, row: Record) -> None:
    """Refuse an entry that repeats a value of another record.

    Except for the balance, fieldValue is the value as it was sent (p. 38). If it is not, records
    are counted differently than we think, and silence about a record would prove nothing.
    """
    sent: dict[str, set[str]] = {
        "iin": {row.iin},
        "acceptorCode": {row.acceptor},
        "paymentFacilitatorIban": {row.facilitator_iban},
        "settlementAmount": {str(row.amount_minor)},
        "wageAmount": {str(row.wage_minor)},
        "settlementIban": {iban for iban, _ in row.parts},
        "amountShare": {str(amount) for _, amount in row.parts},
    }
    value = str(error.value).strip() if type(error.value) in {int, str} else None
    if value is not None and value not in sent.get(error.field, {value}):
        raise FormatError(f"entry {error.n}: fieldValue is not what record {error.record} said")


def _outcome(payout: str, errors: Sequence[_Error], *, repeats: bool) -> Outcome:
    if not errors:
        return Outcome(payout, Verdict.EXECUTED)
    refusals = REFUSALS | {_DUPLICATE} if repeats else REFUSALS
    refused = all(e.code in refusals and ERRORS[e.code] == e.message for e in errors)
    return Outcome(
        payout,
        Verdict.REJECTED if refused else Verdict.UNKNOWN,
        code=",".join(str(e.code) for e in errors),
        reason="; ".join(_reason(e) for e in errors),
    )


def _reason(error: _Error) -> str:
    """The switch's words as far as they are its own: the name of an error and of a field."""
    title = ERRORS.get(error.code, "a code the guide does not have")
    if not _FIELD.fullmatch(error.field):
        return title
    if error.field == _BALANCE and type(error.value) is int:
        return f"{title}: {error.field} {error.value}"
    return f"{title}: {error.field}"


# ---- keys -------------------------------------------------------------------------------------


class KeyVerdict(StrEnum):
    """What the switch said of a new key."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class KeyWarning:
    """The switch's word that our key ends; None where the file does not say it readably."""

    named: dt.date
    ends: dt.date | None


def key_ends(since: dt.date) -> dt.date:
    """The first day a key is refused that the switch took on `since`."""
    return since + dt.timedelta(KEY_LIFE_DAYS)


def key_due(since: dt.date) -> dt.date:
    """The first day its successor is to be handed over."""
    return key_ends(since) - dt.timedelta(KEY_RENEWAL_DAYS)


def key_name(alias: str, date: dt.date) -> str:
    """The name of a new public key's file (p. 43)."""
    return f"{_alias(alias)}_{stamp(date)}.pem"


def key_files(name: str, current: Signer, new: Signer) -> tuple[tuple[str, bytes], ...]:
    """The three files of a key exchange, in the order to send them: the key itself last.

    `current` proves that it is we who hand it over, `new` that we hold its private half.
    """
    pem = new.public_pem()
    return (
        (f"{name}.cur{SIGNATURE}", current.sign(pem)),
        (f"{name}.new{SIGNATURE}", new.sign(pem)),
        (name, pem),
    )


_DIGITS: Final = {
    ord(digit): str(n) for digits in ("۰۱۲۳۴۵۶۷۸۹", "٠١٢٣٤٥٦٧٨٩") for n, digit in enumerate(digits)
}
_LINE: Final = re.IGNORECASE | re.MULTILINE
_REASON_CODE: Final = re.compile(r"^[ \t]*reason[ \t]+code[ \t]*:[ \t]*(\S*)[ \t\r]*$", _LINE)
_DESCRIPTION: Final = re.compile(r"^[ \t]*description[ \t]*:(.*)$", _LINE)
_YES: Final = re.compile(r"\baccept(ed)?\b", re.IGNORECASE)
_NO: Final = re.compile(
    r"\b(not|un\w+|invalid|reject\w*|refus\w*|denied|fail\w*|expired|error)\b", re.IGNORECASE
)


def read_key_reply(content: bytes) -> KeyVerdict:
    """The switch's answer to a new key, `REP_<ALIAS>_YYYYMMDD.pem` (it has no signature).

    The text says that Reason Code 1 accepts and 0 does not; the sample below it has 0 with "Public
    Key Accepted" (p. 42, 43). So a code its description contradicts is UNKNOWN, as is all else.
    """
    text = _text(content)
    codes, descriptions = _REASON_CODE.findall(text), _DESCRIPTION.findall(text)
    if len(descriptions) != 1:
        return KeyVerdict.UNKNOWN
    yes, no = bool(_YES.search(descriptions[0])), bool(_NO.search(descriptions[0]))
    if codes == ["1"] and not no:
        return KeyVerdict.ACCEPTED
    if codes == ["0"] and (no or not yes):
        return KeyVerdict.REFUSED
    return KeyVerdict.UNKNOWN


_WARNING: Final = re.compile(r"([A-Za-z]{3,5})_KEY_EXPIRY_WARNING_([0-9]{8})\.txt", re.ASCII)
_DATE: Final = re.compile(r"(?<!\d)(\d{4})([-/.]?)(\d{2})\2(\d{2})(?!\d)", re.ASCII)


def key_warning_names(alias: str, names: Iterable[str]) -> list[str]:
    """Those of a folder's names that are warnings to us (p. 43), oldest first."""
    found = [each for name in names if (each := _WARNING.fullmatch(name))]
    return sorted(each[0] for each in found if each[1] == alias and _date(each[2]))


def read_key_warning(name: str, content: bytes) -> KeyWarning:
    """What a warning of `key_warning_names` says.

    The guide names the file and says that the key's end is in it, not how it is written: the first
    date is taken, Jalali or Gregorian, in whichever digits. A warning without one is still one.
    """
    found = _WARNING.fullmatch(name)
    named = _date(found[2]) if found else None
    if not named:
        raise FormatError("not the name of a warning")
    return KeyWarning(named, _date(_text(content)))


def _text(content: bytes) -> str:
    """A small file for people; its digits may be Persian or Arabic ones."""
    return content[:4096].decode("utf-8-sig", "replace").translate(_DIGITS)


def _date(text: str) -> dt.date | None:
    found = _DATE.search(text)
    if not found:
        return None
    year, month, day = int(found[1]), int(found[3]), int(found[4])
    try:
        return gregorian(year, month, day) if year < 1600 else dt.date(year, month, day)
    except ValueError:
        return None
