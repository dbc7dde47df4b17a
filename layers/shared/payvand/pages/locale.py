"""Languages of the hosted pages: which one to speak, its words, its digits.

Numbers are formatted by hand because Babel with its locale data is larger than the whole layer, and
all a page needs is digits, a grouping mark and a decimal mark. A language is one file in `texts/`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from payvand.money import DECIMALS, Money

_TEXTS: Final = Path(__file__).parent / "texts"
_LATIN: Final = "0123456789"

LOCALES: Final = tuple(sorted(file.stem for file in _TEXTS.glob("*.json")))
"""Every language that has a file."""

DEFAULT: Final = "en"

RIAL_PER_TOMAN: Final = 10
"""People in Iran speak in tomans; nothing is stored in them."""

_ACCEPT_LANGUAGE_MAX: Final = 500
"""Characters of Accept-Language that are read; browsers send under 100."""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """One language: direction, own name, number marks, names of currencies, texts by key."""

    locale: str
    direction: str
    name: str
    digits: str
    group: str
    decimal: str
    currencies: Mapping[str, str]
    texts: Mapping[str, str]

    def number(self, value: int, decimals: int = 0) -> str:
        """`value` units of 10^-decimals, grouped by threes, in this language's digits."""
        whole, part = divmod(value, 10**decimals)
        shown = f"{whole:,}".replace(",", self.group)
        if decimals:
            shown += f"{self.decimal}{part:0{decimals}d}"
        return shown.translate(str.maketrans(_LATIN, self.digits))

    def money(self, money: Money) -> str:
        """The amount and the currency's name."""
        number = self.number(money.amount_minor, DECIMALS[money.currency])
        return f"{number} {self.currencies[money.currency]}"

    def toman(self, money: Money) -> str | None:
        """The same amount as people in Iran say it; None for other currencies."""
        if money.currency != "IRR":
            return None
        whole, rest = divmod(money.amount_minor, RIAL_PER_TOMAN)
        shown = self.number(money.amount_minor, 1) if rest else self.number(whole)
        return f"{shown} {self.currencies['toman']}"

    def duration(self, seconds: int) -> str:
        """Hours and minutes, rounded down: nobody is promised time that is not there."""
        hours, minutes = divmod(max(seconds, 0) // 60, 60)
        if hours:
            text = self.texts["time.hours" if minutes else "time.whole_hours"]
        else:
            text = self.texts["time.minutes" if minutes else "time.under_minute"]
        return text.format(hours=self.number(hours), minutes=self.number(minutes))


@cache
def catalogue(locale: str) -> Catalogue:
    """The catalogue of one of `LOCALES`; another name gets the default's."""
    name = locale if locale in LOCALES else DEFAULT
    raw: dict[str, Any] = json.loads((_TEXTS / f"{name}.json").read_text(encoding="utf-8"))
    return Catalogue(locale=name, **raw)


def choose(wanted: str | None, accept_language: str | None, fallback: str | None) -> str:
    """The language to answer in: the one asked for, else the browser's, else `fallback`."""
    candidates = [wanted or "", *_accepted(accept_language or ""), fallback or ""]
    return next((found for found in map(_match, candidates) if found), DEFAULT)


def _match(tag: str) -> str | None:
    language = tag.strip().replace("_", "-").split("-", 1)[0].lower()
    return language if language in LOCALES else None


def _accepted(header: str) -> list[str]:
    """Tags of an Accept-Language header, best first; nonsense is skipped (RFC 9110 §12.5.4)."""
    ranked: list[tuple[float, str]] = []
    for item in header[:_ACCEPT_LANGUAGE_MAX].split(","):
        tag, _, weight = item.partition(";")
        try:
            quality = float(weight.strip().removeprefix("q=")) if weight else 1.0
        except ValueError:
            continue
        if 0 < quality <= 1:
            ranked.append((quality, tag))
    return [tag for _, tag in sorted(ranked, key=lambda pair: -pair[0])]
