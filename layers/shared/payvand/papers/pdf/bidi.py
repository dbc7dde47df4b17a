"""In which order the letters of a line stand: the Unicode Bidirectional Algorithm (UAX #9).

For one paragraph without explicit formatting characters: `text.clean` takes those away, so rules X1
to X8 have nothing to do. All the rest is here: W1–W7, N0–N2, I1–I2, L1–L2; mirroring (L4) is the
shaper's. The character classes are Python's own. Own code because the libraries that do it
(python-bidi, fribidi) are under the LGPL, and ICU is forty times this layer.
"""

import unicodedata
from functools import cache
from itertools import groupby
from typing import Final

RTL: Final = frozenset({"R", "AL"})
_STRONG: Final = frozenset({"L", "R", "AL"})
_NEUTRAL: Final = frozenset({"B", "S", "WS", "ON"})
_OPPOSITE: Final = {"L": "R", "R": "L"}
_BRACKETS_MAX: Final = 63
"""Openers that are remembered (BD16)."""
_SAME: Final = {"\u2329": "\u3008", "\u232a": "\u3009"}
"""Brackets that are canonically the same as others."""


def is_rtl(text: str) -> bool:
    """Whether a text's first strong letter runs from right to left (P2, P3)."""
    for character in text:
        kind = _kind(character)
        if kind in _STRONG:
            return kind in RTL
    return False


def runs(text: str, *, rtl: bool) -> list[tuple[int, int, int]]:
    """Parts of a line as they stand from left to right: start, end, level (odd: right to left)."""
    found = _runs(_levels(text, rtl=rtl))
    highest = max((level for _, _, level in found), default=0)
    lowest_odd = min((level for _, _, level in found if level % 2), default=highest + 1)
    for level in range(highest, lowest_odd - 1, -1):  # L2
        at = 0
        for high, group in groupby([run[2] >= level for run in found]):
            end = at + len(list(group))
            if high:
                found[at:end] = found[at:end][::-1]
            at = end
    return found


def _runs(levels: list[int]) -> list[tuple[int, int, int]]:
    found, start = [], 0
    for level, group in groupby(levels):
        end = start + sum(1 for _ in group)
        found.append((start, end, level))
        start = end
    return found


@cache
def _kind(character: str) -> str:
    """The bidirectional class; of a letter Python does not know, what its block defaults to."""
    kind = unicodedata.bidirectional(character)
    return kind or ("R" if "\u0590" <= character <= "\u08ff" else "L")


def _levels(text: str, *, rtl: bool) -> list[int]:
    first = list(map(_kind, text))
    base, outer = int(rtl), "R" if rtl else "L"
    if not rtl and not {"R", "AL", "AN"} & set(first):
        return [0] * len(first)
    kinds = list(first)
    _weak_marks(kinds, outer)
    _weak_numbers(kinds)
    _weak_signs(kinds)
    _weak_latin(kinds, outer)
    _brackets(text, first, kinds, outer)
    _neutral(kinds, outer)
    levels = [base + _up(kind, base) for kind in kinds]
    _trailing(first, levels, base)
    return levels


def _up(kind: str, base: int) -> int:
    """I1, I2."""
    if base:
        return 0 if kind == "R" else 1
    return {"L": 0, "R": 1}.get(kind, 2)


def _trailing(first: list[str], levels: list[int], base: int) -> None:
    """L1: separators, and white space before them and at the end, stand as the line does."""
    white = True
    for n in range(len(first) - 1, -1, -1):
        if first[n] in {"B", "S"}:
            white = True
        elif first[n] != "WS":
            white = False
        if white:
            levels[n] = base


def _weak_marks(kinds: list[str], outer: str) -> None:
    """W1: a mark is as the letter it stands on."""
    before = outer
    for n, kind in enumerate(kinds):
        if kind == "NSM":
            kinds[n] = before
        before = kinds[n]


def _weak_numbers(kinds: list[str]) -> None:
    """W2, W3: European digits after an Arabic letter are Arabic ones; Arabic letters are R."""
    strong = ""
    for n, kind in enumerate(kinds):
        if kind in _STRONG:
            strong = kind
        elif kind == "EN" and strong == "AL":
            kinds[n] = "AN"
    kinds[:] = ["R" if kind == "AL" else kind for kind in kinds]


def _weak_signs(kinds: list[str]) -> None:
    """W4–W6: one sign between two numbers is of the number, percent and currency signs beside."""
    for n in range(1, len(kinds) - 1):
        left, kind, right = kinds[n - 1 : n + 2]
        if left == right and (
            (kind == "CS" and left in {"EN", "AN"}) or (kind, left) == ("ES", "EN")
        ):
            kinds[n] = left
    at = 0
    for kind, group in [(k, len(list(g))) for k, g in groupby(kinds)]:
        beside = {kinds[at - 1] if at else "", *kinds[at + group : at + group + 1]}
        if kind == "ET" and "EN" in beside:
            kinds[at : at + group] = ["EN"] * group
        at += group
    kinds[:] = ["ON" if kind in {"ES", "ET", "CS", "BN"} else kind for kind in kinds]


def _weak_latin(kinds: list[str], outer: str) -> None:
    """W7: digits after a Latin letter are Latin."""
    strong = outer
    for n, kind in enumerate(kinds):
        if kind in {"L", "R"}:
            strong = kind
        elif kind == "EN" and strong == "L":
            kinds[n] = "L"


def _brackets(text: str, first: list[str], kinds: list[str], outer: str) -> None:
    """N0: a pair of brackets is as what it holds."""
    for start, end in _pairs(text, kinds):
        inside = {_side(kind) for kind in kinds[start + 1 : end]}
        if outer in inside:
            side = outer
        elif _OPPOSITE[outer] in inside:
            before = next((s for k in reversed(kinds[:start]) if (s := _side(k))), outer)
            side = before if before != outer else outer
        else:
            continue
        for at in (start, end):
            kinds[at] = side
            after = at + 1
            while after < len(first) and first[after] == "NSM":
                kinds[after] = side
                after += 1


def _side(kind: str) -> str:
    """What a kind counts for among neutrals: numbers are as right-to-left letters."""
    return "R" if kind in {"R", "EN", "AN"} else "L" if kind == "L" else ""


def _pairs(text: str, kinds: list[str]) -> list[tuple[int, int]]:
    """Where brackets open and close (BD16)."""
    found: list[tuple[int, int]] = []
    open_: list[tuple[str, int]] = []
    for n, character in enumerate(text):
        if kinds[n] != "ON":
            continue
        partner = _partner(character)
        if partner:
            if len(open_) == _BRACKETS_MAX:
                return []
            open_.append((partner, n))
            continue
        mine = _SAME.get(character, character)
        at = next((i for i in range(len(open_) - 1, -1, -1) if open_[i][0] == mine), None)
        if at is not None:
            found.append((open_[at][1], n))
            del open_[at:]
    return sorted(found)


@cache
def _partner(character: str) -> str:
    """What closes an opening bracket: it stands one or two code points on."""
    character = _SAME.get(character, character)
    if unicodedata.category(character) != "Ps" or not unicodedata.mirrored(character):
        return ""
    for step in (1, 2):
        other = chr(ord(character) + step)
        if unicodedata.category(other) == "Pe" and unicodedata.mirrored(other):
            return other
    return ""


def _neutral(kinds: list[str], outer: str) -> None:
    """N1, N2: between two of one side as they, else as the line."""
    at = 0
    parts = [(k, len(list(g))) for k, g in groupby(k in _NEUTRAL for k in kinds)]
    for neutral, count in parts:
        if neutral:
            left = _side(kinds[at - 1]) if at else outer
            right = _side(kinds[at + count]) if at + count < len(kinds) else outer
            kinds[at : at + count] = [left if left == right else outer] * count
        at += count
