"""What the switch finds wrong with the records of a payout order file.

Written from the guide (SHP_STD_PFGUIDELINE 01-00, p. 30, 35–40) and from nothing of ours, so that a
misreading on our side meets another reader. Which code goes with which fault is printed in the
guide's sample for three of them only (p. 38–39); the others are the nearest by their names.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

NAMES: Final = (
    "UnknownError",
    "InternalSystemError",
    "MandatoryDataNotSet",
    "DataFormatMismatch",
    "DataLengthMismatch",
    "InconsistentData",
    "DuplicateData",
    "ErrorAccessingData",
    "ReferencedDataNotFound",
    "ExternalServiceUnreachable",
    "InvalidExternalServiceResponse",
    "ExpiredReference",
    "GeneralExternalServiceError",
    "UnknownDataProvided",
    "OutOfBoundsData",
    "NotEnoughResources",
)
"""By number, page 39–40."""

MISSING, FORMAT, LENGTH, INCONSISTENT, DUPLICATE = 2, 3, 4, 5, 6
NOT_FOUND, EXPIRED, UNREADABLE, OUT_OF_BOUNDS, NOT_ENOUGH = 8, 11, 13, 14, 15

PARTS_MAX: Final = 10
WAGE_MAX_PERCENT: Final = 15

_FIELDS: Final = (
    ("iin", int, 6, 9),
    ("acceptorCode", str, 15, 15),
    ("paymentFacilitatorIban", str, 26, 26),
    ("settlementAmount", int, 1, 15),
    ("wageAmount", int, 1, 15),
)
_SHARE: Final = (("amountShare", int, 1, 15), ("settlementIban", str, 26, 26))
_IBAN: Final = re.compile(r"IR[0-9]{24}", re.ASCII)


@dataclass
class Acceptor:
    """A merchant as the switch knows it. `ibans`: registered accounts, and whether still active."""

    code: str
    alias: str
    iin: int
    ibans: dict[str, bool]
    balance_minor: int = 0


@dataclass
class Error:
    """One entry of an answer."""

    record: int
    code: int
    field: str
    value: Any = None

    def entry(self) -> dict[str, Any]:
        """As it is written; fieldValue is optional."""
        made = {
            "errorMessage": NAMES[self.code],
            "recordIndex": self.record,
            "errorType": self.code,
            "fieldName": self.field,
        }
        return made if self.value is None else made | {"fieldValue": self.value}


@dataclass(frozen=True)
class Payment:
    """What a good record moves."""

    record: int
    acceptor: str
    amount_minor: int
    wage_minor: int
    parts: tuple[tuple[str, int], ...]  # IBAN, amount


class Judge:
    """Reads one file of one facilitator against what is registered."""

    def __init__(self, alias: str, iban: str, find: Callable[[str], Acceptor | None]) -> None:
        self._alias = alias
        self._iban = iban
        self._find = find

    def file(self, content: bytes) -> Iterator[list[Error] | Payment]:
        """One verdict for each record; the caller moves the money of each before the next.

        A file that is no order file has the one error of a record 0: the guide has no other place.
        """
        try:
            rows = json.loads(content)["settlementDataDetails"]
        except (ValueError, TypeError, KeyError, RecursionError):
            rows = None
        if not isinstance(rows, list):
            yield [Error(0, UNREADABLE, "settlementDataDetails")]
            return
        seen: set[str] = set()
        for n, row in enumerate(rows, 1):
            yield self._record(n, row, seen)

    def _record(self, n: int, row: object, seen: set[str]) -> list[Error] | Payment:
        if not isinstance(row, dict):
            return [Error(n, UNREADABLE, "settlementDataDetails")]
        code = row.get("acceptorCode")
        if isinstance(code, str):
            if code in seen:  # "the first is processed, the others meet an error", page 30
                return [Error(n, DUPLICATE, "acceptorCode", code)]
            seen.add(code)
        errors = _shape(n, row, _FIELDS) or _destinations(n, row)
        if errors:
            return errors
        found = self._find(row["acceptorCode"])
        acceptor = found if found and found.alias == self._alias else None
        parts = _parts(row)
        errors = [
            *self._references(n, row, acceptor),
            *_accounts(n, acceptor, parts),
            *_amounts(n, row, parts),
        ]
        if errors or not acceptor:
            return errors
        amount, wage = row["settlementAmount"], row["wageAmount"]
        if amount + wage > acceptor.balance_minor:
            return [Error(n, NOT_ENOUGH, "accountBalance", acceptor.balance_minor)]
        return Payment(n, acceptor.code, amount, wage, parts)

    def _references(
        self, n: int, row: Mapping[str, Any], acceptor: Acceptor | None
    ) -> Iterator[Error]:
        if not acceptor:
            yield Error(n, NOT_FOUND, "acceptorCode", row["acceptorCode"])
        elif acceptor.iin != row["iin"]:
            yield Error(n, NOT_FOUND, "iin", row["iin"])
        if row["paymentFacilitatorIban"] != self._iban:
            yield Error(n, NOT_FOUND, "paymentFacilitatorIban", row["paymentFacilitatorIban"])


def _accounts(
    n: int, acceptor: Acceptor | None, parts: tuple[tuple[str, int], ...]
) -> Iterator[Error]:
    """Every account must be registered beforehand, and active (page 35)."""
    if not acceptor:
        return
    for iban, _ in parts:
        if iban not in acceptor.ibans:
            yield Error(n, NOT_FOUND, "settlementIban", iban)
        elif not acceptor.ibans[iban]:
            yield Error(n, EXPIRED, "settlementIban", iban)


def _shape(n: int, row: Mapping[str, Any], fields: tuple[Any, ...]) -> list[Error]:
    """What is missing, of the wrong type, or of the wrong length (page 35)."""
    found = []
    for name, kind, least, most in fields:
        value = row.get(name)
        if value is None:
            found.append(Error(n, MISSING, name))
        elif type(value) is not kind or (kind is int and value < 0):
            found.append(Error(n, FORMAT, name, value))
        elif not least <= len(str(value)) <= most:
            found.append(Error(n, LENGTH, name, value))
        elif name.endswith("Iban") and not _IBAN.fullmatch(value):
            found.append(Error(n, FORMAT, name, value))
    return found


def _destinations(n: int, row: Mapping[str, Any]) -> list[Error]:
    """Exactly one of an account and a list of shares (page 35)."""
    iban, shares = row.get("settlementIban"), row.get("scatteredSettlementDetails")
    if iban is not None and shares is not None:
        return [Error(n, INCONSISTENT, "settlementIban", iban)]
    if shares is None:
        return _shape(n, row, _SHARE[1:])
    if not isinstance(shares, list):
        return [Error(n, FORMAT, "scatteredSettlementDetails", shares)]
    if not 1 <= len(shares) <= PARTS_MAX:
        return [Error(n, LENGTH, "scatteredSettlementDetails", shares)]
    if not all(isinstance(share, dict) for share in shares):
        return [Error(n, FORMAT, "scatteredSettlementDetails", shares)]
    return [error for share in shares for error in _shape(n, share, _SHARE)]


def _parts(row: Mapping[str, Any]) -> tuple[tuple[str, int], ...]:
    shares = row.get("scatteredSettlementDetails")
    if shares is None:
        return ((row["settlementIban"], row["settlementAmount"]),)
    return tuple((share["settlementIban"], share["amountShare"]) for share in shares)


def _amounts(n: int, row: Mapping[str, Any], parts: tuple[tuple[str, int], ...]) -> Iterator[Error]:
    amount, wage = row["settlementAmount"], row["wageAmount"]
    if amount == 0:
        yield Error(n, OUT_OF_BOUNDS, "settlementAmount", amount)
    if sum(share for _, share in parts) != amount:
        yield Error(n, INCONSISTENT, "settlementAmount", amount)
    if 100 * wage > WAGE_MAX_PERCENT * (amount + wage):
        yield Error(n, OUT_OF_BOUNDS, "wageAmount", wage)
