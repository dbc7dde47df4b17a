"""Text that outsiders wrote, made safe to show beside ours. Escaping is the template's work."""

import unicodedata
from typing import Final

_JOINERS: Final = "\u200c\u200d"
"""Persian is misspelt without the non-joiner, and some emoji fall apart without the joiner."""


def clean(text: str, length_max: int) -> str:
    """One line of visible text: no controls, no bidi marks, no half characters, at most so long.

    Every other format character goes too (zero-width space, tags, byte-order mark): they let one
    name look like another.
    """
    # Nothing beyond this is ever shown, and a payer's page must not wait for it.
    kept = "".join(map(_visible, text[: length_max * 8]))
    line = " ".join(kept.split()).strip(_JOINERS + " ")
    if len(line) <= length_max:
        return line
    cut = line[: length_max - 1]
    # Not between a letter and its marks: a mark left out changes the word.
    while cut and (unicodedata.combining(line[len(cut)]) or cut[-1] in _JOINERS):
        cut = cut[:-1]
    return (cut or line[: length_max - 1]).rstrip() + "…"


def _visible(character: str) -> str:
    category = unicodedata.category(character)
    if character in _JOINERS:
        return character
    if category in ("Cc", "Zl", "Zp"):
        return " "
    if category == "Cs":
        return "\ufffd"
    return "" if category == "Cf" else character
