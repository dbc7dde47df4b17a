"""Languages: complete, chosen as asked, with their own digits."""

import re
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import payvand.pages
from payvand.money import AMOUNT_MAX, CURRENCIES, Money
from payvand.pages import LOCALES, Alert, ChannelNote, Outcome
from payvand.pages.locale import catalogue, choose


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


@pytest.mark.parametrize("locale", LOCALES)
def test_every_language_says_the_same_things(locale: str) -> None:
    words, english = catalogue(locale), catalogue("en")
    assert words.texts.keys() == english.texts.keys()
    assert words.currencies.keys() == english.currencies.keys() == {*CURRENCIES, "toman"}
    for key, text in english.texts.items():
        assert placeholders(words.texts[key]) == placeholders(text), key
        assert words.texts[key].strip()
    assert words.direction in {"rtl", "ltr"}
    assert len(set(words.digits)) == 10
    assert words.name


@pytest.mark.parametrize("locale", LOCALES)
def test_every_case_has_words(locale: str) -> None:
    texts = catalogue(locale).texts
    for which in Outcome:
        assert {f"outcome.{which}.title", f"outcome.{which}.text"} <= texts.keys()
    assert {f"note.{note}" for note in ChannelNote} <= texts.keys()
    assert {f"alert.{alert}" for alert in Alert} <= texts.keys()


def test_no_text_is_left_over() -> None:
    folder = Path(payvand.pages.__file__).parent
    source = "".join(f.read_text() for f in [*folder.glob("*.py"), *folder.glob("templates/*")])
    built = re.compile(r"(outcome|note|alert|problem)\.")
    unused = [
        key for key in catalogue("en").texts if not built.match(key) and f'"{key}"' not in source
    ]
    assert unused == []


@pytest.mark.parametrize(
    ("money", "fa", "en"),
    [
        (Money(0, "IRR"), "۰ ریال", "0 rial"),
        (Money(999, "IRR"), "۹۹۹ ریال", "999 rial"),
        (Money(250_000, "IRR"), "۲۵۰٬۰۰۰ ریال", "250,000 rial"),
        (Money(1_234_567_890, "IRR"), "۱٬۲۳۴٬۵۶۷٬۸۹۰ ریال", "1,234,567,890 rial"),
        (Money(123_405, "EUR"), "۱٬۲۳۴٫۰۵ یورو", "1,234.05 EUR"),
    ],
)
def test_money_reads_as_people_write_it(money: Money, fa: str, en: str) -> None:
    assert catalogue("fa").money(money) == fa
    assert catalogue("en").money(money) == en


def test_toman_is_a_tenth_and_only_of_rials() -> None:
    fa = catalogue("fa")
    assert fa.toman(Money(250_000, "IRR")) == "۲۵٬۰۰۰ تومان"
    assert fa.toman(Money(250_005, "IRR")) == "۲۵٬۰۰۰٫۵ تومان"
    assert fa.toman(Money(100, "EUR")) is None


@given(st.integers(0, AMOUNT_MAX), st.sampled_from(LOCALES), st.sampled_from([0, 2]))
def test_a_number_can_be_read_back(value: int, locale: str, decimals: int) -> None:
    words = catalogue(locale)
    shown = words.number(value, decimals)
    latin = shown.translate(str.maketrans(words.digits, "0123456789"))
    assert int(latin.replace(words.group, "").replace(words.decimal, "")) == value


@pytest.mark.parametrize(
    ("seconds", "fa", "en"),
    [
        (-5, "کمتر از یک دقیقه", "less than a minute"),
        (59, "کمتر از یک دقیقه", "less than a minute"),
        (60, "۱ دقیقه", "1 min"),
        (899, "۱۴ دقیقه", "14 min"),
        (3600, "۱ ساعت", "1 h"),
        (3 * 3600 + 125, "۳ ساعت و ۲ دقیقه", "3 h 2 min"),
    ],
)
def test_time_left_is_never_rounded_up(seconds: int, fa: str, en: str) -> None:
    assert catalogue("fa").duration(seconds) == fa
    assert catalogue("en").duration(seconds) == en


@pytest.mark.parametrize(
    ("wanted", "accept", "fallback", "chosen"),
    [
        ("fa", "en", "en", "fa"),
        ("FA_ir", None, None, "fa"),
        ("xx", "fa-IR,fa;q=0.9,en;q=0.8", "en", "fa"),
        (None, "de, en;q=0.5, fa;q=0.7", None, "fa"),
        (None, "fa;q=0, en;q=0.1", "fa", "en"),
        (None, "fa;q=0", "en", "en"),
        (None, "*", "fa", "fa"),
        (None, "en;q=nan, fa;q=9, fa;q=x;;,;,", "fa", "fa"),
        (None, None, None, "en"),
        ("../../etc/passwd", "", "", "en"),
    ],
)
def test_the_language_is_chosen(
    wanted: str | None, accept: str | None, fallback: str | None, chosen: str
) -> None:
    assert choose(wanted, accept, fallback) == chosen


@given(st.text(), st.text(), st.text())
def test_any_header_gets_a_language(wanted: str, accept: str, fallback: str) -> None:
    assert choose(wanted, accept, fallback) in LOCALES
