"""Names in the only letters that every SEPA bank takes: a–z A–Z 0–9 / - ? : ( ) . , ' + and space.

Source: EPC132-08 (the basic Latin set of the schemes' guidelines). Anything becomes something: a
payment is never refused for its payee's name.

The package anyascii does all scripts but one: it leaves out alef and other letters that a Persian
name is made of, so Arabic script goes by the table below. Short vowels are not written there and
cannot be guessed; the long ones are told from consonants by where they stand.
"""

import re
import unicodedata
from typing import Final

_SINGLE: Final = ("ابپتثجحدذرزسصضطظفقکگلمنهأإآٱكةىیي", "abptsjhdzrzssztzfqkglmnhaaaakhiii")
_DOUBLE: Final = ("چخژشغ", ("ch", "kh", "zh", "sh", "gh"))
_VOWELS: Final = ("وؤ\u064e\u064f\u0650", "uuaoe")
_SILENT_MARKS: Final = "عءئ\u200c\u0640\u064b\u064c\u064d\u0651\u0652"
_LETTERS: Final[dict[str, str]] = {
    **dict(zip(*_SINGLE, strict=True)),
    **dict(zip(*_DOUBLE, strict=True)),
    **dict(zip(*_VOWELS, strict=True)),
    **dict.fromkeys(_SILENT_MARKS, ""),
}
_LONG_A: Final = frozenset("اآأٱ")
_BEFORE_SILENT_H: Final = frozenset("اآأٱویيى ")
_ARABIC: Final = re.compile("[\u0600-\u06ff\u200c]+")
_MUTE: Final = str.maketrans(dict.fromkeys("ьъЬЪ"))
"""Cyrillic signs that are no sound (as in passports, ICAO 9303)."""
_NEAREST: Final = str.maketrans('&_[]{}`"\\|~;', "+-()()''//-,")
_OTHER: Final = re.compile(r"[^a-zA-Z0-9/?:().,'+-]+")


def latin(text: str, length: int) -> str:
    """The text in those letters, at most `length` of them; "" when it has nothing to read."""
    text = unicodedata.normalize("NFKC", text)
    if not text.isascii():
        from anyascii import anyascii

        text = anyascii(_ARABIC.sub(_persian, text).translate(_MUTE))
    text = _OTHER.sub(" ", text.translate(_NEAREST)).strip(" /")
    return text[:length].rstrip(" /")


def _persian(found: re.Match[str]) -> str:
    run = found[0]
    letters = (_letter(run, at) for at in range(len(run)))
    return "".join(letters).capitalize()


def _letter(run: str, at: int) -> str:
    letter = run[at]
    before = run[at - 1] if at else " "
    after = run[at + 1] if at + 1 < len(run) else " "
    beside_a = before in _LONG_A or after in _LONG_A
    if letter == "و":
        return "v" if before in " \u200c" or beside_a else "u"
    if letter in "یي":
        return "y" if before in " \u200c" or beside_a else "i"
    if letter == "ه" and after in " \u200c":
        return "h" if before in _BEFORE_SILENT_H else "e"
    if letter == "ع":
        return "a" if before in " \u200c" and after not in _LONG_A else ""
    return _LETTERS.get(letter, letter)
