"""Card numbers in text for people: found, so that they can be refused before anything is stored.

Own code: what finds card numbers elsewhere comes with whole suites for scanning, and this is a
checksum. A number counts when it has the length, the first digits and the check digit of a card;
about one in twenty-five numbers of sixteen random digits has all three, so a letter before one
makes it somebody's own.
"""

import re
from collections.abc import Iterator
from typing import Final

_RUN: Final = re.compile(
    r"(?<![0-9A-Za-z])[0-9](?:[ \u00a0.\u2010-\u2013-]?[0-9]){14,}(?![0-9A-Za-z])"
)
_BREAK: Final = re.compile(r"[^0-9]")
_ISSUED: Final = re.compile(
    r"(?=[0-9]{16}$)(?:4|5[0-8]|6|2[2-7]|35|9792|9919)[0-9]*|3[47][0-9]{13}|[46][0-9]{18}"
)
"""Visa, Mastercard, Maestro, Shetab, UnionPay, Mir, JCB, Troy of 16 digits; Amex; the long ones."""
_GROUPS_MIN: Final = 3


def holds_card_number(text: str, *, grouped: bool = False) -> bool:
    """Whether a card number stands in it; `grouped`: only one written as on a card, in groups."""
    return any(
        _ISSUED.fullmatch("".join(groups)) and _luhn("".join(groups))
        for run in _RUN.findall(text)
        for groups in _windows(_BREAK.split(run))
        if not grouped or len(groups) >= _GROUPS_MIN
    )


def _windows(groups: list[str]) -> Iterator[list[str]]:
    """Neighbouring groups that have a card's length together."""
    for start in range(len(groups)):
        for end in range(start + 1, len(groups) + 1):
            length = sum(map(len, groups[start:end]))
            if length > 19:
                break
            if length >= 15:
                yield groups[start:end]


def _luhn(digits: str) -> bool:
    doubled = (int(d) * 2 for d in digits[-2::-2])
    return (sum(map(int, digits[-1::-2])) + sum(d - 9 * (d > 9) for d in doubled)) % 10 == 0
