"""Five languages say the same things, each with its own digits, marks and calendar."""

import datetime as dt
import string
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.report.shown import EntryView
from payvand.money import CURRENCIES
from payvand.papers import LOCALES
from payvand.papers.wording import wording
from payvand.settlement import PayoutState

NOON = 1_774_080_000_000
"""2026-03-21 08:00 UTC, the first day of 1405."""


def test_five_languages() -> None:
    assert set(LOCALES) == {"fa", "lv", "ru", "tr", "en"}
    with pytest.raises(KeyError):
        wording("xx")
    with pytest.raises(KeyError):
        wording("../en")


@pytest.mark.parametrize("locale", LOCALES)
def test_every_text_is_there_with_its_places(locale: str) -> None:
    def places(text: str) -> set[str]:
        return {name for _, name, _, _ in string.Formatter().parse(text) if name}

    english, here = wording("en").catalogue.texts, wording(locale).catalogue.texts
    assert here.keys() == english.keys()
    for key, text in here.items():
        assert places(text) == places(english[key]), key
        assert text.strip(), key
    assert set(wording(locale).catalogue.currencies) == set(CURRENCIES)
    assert not [key for key, text in here.items() if "page" in key and not text.endswith(" ")]


@pytest.mark.parametrize("locale", LOCALES)
def test_every_kind_of_entry_and_state_of_a_payout_has_a_name(locale: str) -> None:
    texts = wording(locale).catalogue.texts
    kinds = get_args(EntryView.model_fields["kind"].annotation)
    assert not [kind for kind in (*kinds, *PayoutState) if f"kind.{kind}" not in texts]


def test_a_kind_without_a_name_is_shown_as_it_is() -> None:
    assert wording("fa").kind("some_new_kind") == "some new kind"


@pytest.mark.parametrize(
    ("locale", "shown"),
    [
        ("en", "−1,234,567.05"),
        ("fa", "−۱٬۲۳۴٬۵۶۷٫۰۵"),
        ("lv", "−1\u00a0234\u00a0567,05"),
        ("ru", "−1\u00a0234\u00a0567,05"),
        ("tr", "−1.234.567,05"),
    ],
)
def test_an_amount(locale: str, shown: str) -> None:
    words = wording(locale)
    assert words.amount(-123_456_705, "EUR") == shown
    assert words.amount(123_456_705, "EUR") == shown[1:]


@pytest.mark.parametrize(
    ("rial", "toman"),
    [
        (0, "0"),
        (10, "1"),
        (15, "1.5"),
        (-15, "−1.5"),
        (-10, "−1"),
        (9, "0.9"),
        (-123_450, "−12,345"),
    ],
)
def test_tomans(rial: int, toman: str) -> None:
    assert wording("en").toman(rial) == toman


@given(st.integers(-(10**16), 10**16))
def test_a_toman_is_ten_rials(rial: int) -> None:
    shown = wording("en").toman(rial).replace(",", "").replace("−", "-")
    whole, _, part = shown.partition(".")
    sign = -1 if shown.startswith("-") else 1
    assert int(whole) * 10 + sign * int(part or 0) == rial


@pytest.mark.parametrize(
    ("locale", "currency", "date", "time"),
    [
        ("fa", "IRR", "۱۴۰۵/۰۱/۰۱", "۱۱:۳۰"),
        ("fa", "EUR", "۱۴۰۵/۰۱/۰۱", "۱۰:۰۰"),
        ("en", "IRR", "2026-03-21", "11:30"),
        ("lv", "EUR", "21.03.2026.", "10:00"),
        ("ru", "RUB", "21.03.2026", "11:00"),
        ("tr", "TRY", "21.03.2026", "11:00"),
    ],
)
def test_a_moment_is_told_where_the_banks_are(
    locale: str, currency: str, date: str, time: str
) -> None:
    assert wording(locale).moment(NOON, currency) == (date, time)


@pytest.mark.parametrize(
    ("day", "jalali"),
    [
        (dt.date(2025, 3, 20), "۱۴۰۳/۱۲/۳۰"),  # a leap year's last day
        (dt.date(2025, 3, 21), "۱۴۰۴/۰۱/۰۱"),
        (dt.date(2026, 3, 20), "۱۴۰۴/۱۲/۲۹"),
        (dt.date(2026, 9, 22), "۱۴۰۵/۰۶/۳۱"),
        (dt.date(2026, 9, 23), "۱۴۰۵/۰۷/۰۱"),
    ],
)
def test_persian_days(day: dt.date, jalali: str) -> None:
    assert wording("fa").day(day) == jalali


def test_a_day_is_told_by_its_own_zone() -> None:
    assert wording("en").moment(1_774_040_400_000, "IRR") == ("2026-03-21", "00:30")
