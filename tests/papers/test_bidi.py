"""Letters stand where the Unicode standard's own cases say."""

import unicodedata
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payvand.papers.pdf import bidi

FILE: Final = Path(__file__).parent / "files/BidiCharacterTest.txt"
CASES: Final = [
    line.split(";") for line in FILE.read_text("utf-8").splitlines() if line and line[0] != "#"
]


def order(text: str, *, rtl: bool) -> list[int]:
    """Positions of letters from left to right."""
    found: list[int] = []
    for start, end, level in bidi.runs(text, rtl=rtl):
        found += range(start, end) if level % 2 == 0 else range(end - 1, start - 1, -1)
    return found


def shown(text: str, *, rtl: bool) -> str:
    return "".join(text[at] for at in order(text, rtl=rtl))


def test_the_standards_cases() -> None:
    assert len(CASES) > 450
    for points, direction, level, levels, positions in CASES:
        text = "".join(chr(int(point, 16)) for point in points.split())
        rtl = bidi.is_rtl(text) if direction == "2" else direction == "1"
        assert int(level) == rtl, points
        assert bidi._levels(text, rtl=rtl) == [int(n) for n in levels.split()], points
        assert order(text, rtl=rtl) == [int(n) for n in positions.split()], points


@pytest.mark.parametrize(
    ("text", "rtl", "seen"),
    [
        ("abc", False, "abc"),
        ("", True, ""),
        ("سلام", True, "مالس"),
        ("پرداخت ۱۲۳", True, "۱۲۳ تخادرپ"),
        ("صفحهٔ ۳ از ۱۲", True, "۱۲ زا ۳ ٔهحفص"),
        ("۱۴۰۵/۰۱/۰۱ ۱۶:۳۰", True, "۱۶:۳۰ ۱۴۰۵/۰۱/۰۱"),
        ("سفارش INV-12 ثبت شد", True, "دش تبث INV-12 شرافس"),
        ("Payment: سفارش ۱۲ done", False, "Payment: ۱۲ شرافس done"),
        ("مبلغ (۱۲٬۰۰۰) ریال", True, "لایر )۱۲٬۰۰۰( غلبم"),
    ],
)
def test_what_papers_say(text: str, rtl: bool, seen: str) -> None:  # noqa: FBT001
    assert shown(text, rtl=rtl) == seen


@given(st.text(st.characters(exclude_categories=["Cs", "Cf", "Cc"]), max_size=60), st.booleans())
def test_every_letter_stands_once(text: str, rtl: bool) -> None:  # noqa: FBT001
    assert sorted(order(text, rtl=rtl)) == list(range(len(text)))


@given(st.text("abc 0123456789-:/.,", max_size=40))
def test_text_without_right_to_left_letters_is_left_alone(text: str) -> None:
    assert shown(text, rtl=False) == text


def test_more_brackets_than_are_remembered_are_no_pairs() -> None:
    text = "(" * 64 + "ا" + ")" * 64
    assert bidi._pairs(text, [unicodedata.bidirectional(c) for c in text]) == []
    assert len(bidi._pairs(text[1:-1], [unicodedata.bidirectional(c) for c in text[1:-1]])) == 63
