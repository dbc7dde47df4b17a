"""What becomes of text an outsider wrote before a payer sees it."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payvand.pages.text import clean


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("  می\u200cروم  تو ", "می\u200cروم تو"),  # the non-joiner is spelling
        ("abc\u202edef", "abcdef"),
        ("a\r\nb\x00\u2028c", "a b c"),
        ("pay\u200bpal\ufeff", "paypal"),
        ("\u200c\u200d", ""),
        ("\ud83d", "\ufffd"),
        ("👨\u200d👩\u200d👧", "👨\u200d👩\u200d👧"),
        ("x" * 11, "x" * 9 + "…"),
        ("xxxxxxxxe\u0301xx", "xxxxxxxx…"),  # not between a letter and its accent
        ("x" * 10, "x" * 10),
    ],
)
def test_text_is_cleaned(raw: str, shown: str) -> None:
    assert clean(raw, 10) == shown


@given(st.text(), st.integers(1, 50))
def test_cleaned_text_is_one_short_visible_line_and_stays_so(raw: str, length_max: int) -> None:
    shown = clean(raw, length_max)
    assert len(shown) <= length_max
    assert clean(shown, length_max) == shown
    assert not {unicodedata.category(c) for c in shown} & {"Cc", "Cs", "Zl", "Zp"}
    assert {c for c in shown if unicodedata.category(c) == "Cf"} <= set("\u200c\u200d")
