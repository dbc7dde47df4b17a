"""A paper's language: its words, digits, marks, dates and calendar.

A language is one file in `texts/`; numbers are the hosted pages' (`pages.locale.Catalogue`), the
words are this room's own. Persian papers count days by the Jalali calendar.
"""

import datetime as dt
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from payvand import calendar
from payvand.money import DECIMALS
from payvand.pages.locale import RIAL_PER_TOMAN, Catalogue

_TEXTS: Final = Path(__file__).parent / "texts"
LOCALES: Final = tuple(sorted(file.stem for file in _TEXTS.glob("*.json")))
MINUS: Final = "\u2212"
TOMAN_OF: Final = "IRR"


@dataclass(frozen=True, slots=True)
class Wording:
    """One language of papers."""

    catalogue: Catalogue
    date: str
    jalali: bool

    @property
    def rtl(self) -> bool:
        """Whether its lines run from right to left."""
        return self.catalogue.direction == "rtl"

    def text(self, key: str, **values: str) -> str:
        """A text with its values."""
        return self.catalogue.texts[key].format(**values)

    def kind(self, kind: str) -> str:
        """The name of a kind of line or of a payout's state; without one, the word itself."""
        return self.catalogue.texts.get(f"kind.{kind}") or kind.replace("_", " ")

    def count(self, number: int) -> str:
        """A whole number."""
        return self._signed(number, 0)

    def amount(self, minor: int, currency: str) -> str:
        """An amount without its currency, the minus before it."""
        return self._signed(minor, DECIMALS[currency])

    def toman(self, minor: int) -> str:
        """An amount of rials in tomans; the tenth of one only where there is one."""
        whole, rest = divmod(abs(minor), RIAL_PER_TOMAN)
        sign = -1 if minor < 0 else 1
        return self._signed(minor, 1) if rest else self._signed(sign * whole, 0)

    def _signed(self, value: int, decimals: int) -> str:
        shown = self.catalogue.number(abs(value), decimals)
        return MINUS + shown if value < 0 else shown

    def currency(self, currency: str) -> str:
        """The name of a currency."""
        return self.catalogue.currencies[currency]

    def day(self, day: dt.date) -> str:
        """A date in the language's calendar."""
        year, month, date = day.year, day.month, day.day
        if self.jalali:
            from persiantools.jdatetime import JalaliDate

            found = JalaliDate(day)  # type: ignore[no-untyped-call]
            year, month, date = found.year, found.month, found.day
        return self._digits(self.date.format(y=f"{year:04d}", m=f"{month:02d}", d=f"{date:02d}"))

    def moment(self, at_ms: int, currency: str) -> tuple[str, str]:
        """Date and time of day where the currency's banks are."""
        there = calendar.local(dt.datetime.fromtimestamp(at_ms // 1000, dt.UTC), currency)
        return self.day(there.date()), self._digits(f"{there:%H:%M}")

    def _digits(self, text: str) -> str:
        return text.translate(str.maketrans("0123456789", self.catalogue.digits))


@cache
def wording(locale: str) -> Wording:
    """The wording of one of `LOCALES`. Raises KeyError for another."""
    if locale not in LOCALES:
        raise KeyError(locale)
    raw: dict[str, Any] = json.loads((_TEXTS / f"{locale}.json").read_text(encoding="utf-8"))
    date, counted = raw.pop("date"), raw.pop("calendar")
    return Wording(Catalogue(locale=locale, **raw), date, counted == "jalali")
