"""Reading what an outside party sent, without trusting its shape.

Every reader here answers None (or an empty mapping) for anything it does not recognise; the channel
then says UNKNOWN or Silence. Nothing here raises, whatever the bytes.
"""

import json
import re
from collections.abc import Mapping
from typing import Final

from payvand.psp import HttpReply

BODY_MAX_BYTES: Final = 512 * 1024
"""Far above any honest answer of any channel; more than this is not read at all."""

JSON_HEADERS: Final[Mapping[str, str]] = {
    "content-type": "application/json",
    "accept": "application/json",
}

_WHOLE: Final = re.compile(r"-?[0-9]{1,18}", re.ASCII)
_CARD_MASK: Final = re.compile(r"([0-9]{0,6})[*xX•.-]+([0-9]{0,4})", re.ASCII)


def json_object(body: bytes) -> dict[str, object] | None:
    """The JSON object in `body`; None for another JSON value, no JSON or too much of it."""
    if len(body) > BODY_MAX_BYTES:
        return None
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def answer_object(reply: HttpReply) -> dict[str, object] | None:
    """The JSON object of an answer that may carry a verdict: a 5xx never does."""
    return json_object(reply.body) if reply.status < 500 else None


def mapping(value: object) -> Mapping[str, object]:
    """`value` if it is an object, else an empty one: some parties send `[]` for "nothing"."""
    return value if isinstance(value, dict) else {}


def rows(value: object) -> list[Mapping[str, object]]:
    """The objects in a list; anything else is left out."""
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


def whole(value: object) -> int | None:
    """An integer that came as a number or as digits in a string. True is not 1."""
    if type(value) is int:
        return value
    if isinstance(value, str) and _WHOLE.fullmatch(value):
        return int(value)
    return None


def word(value: object, longest: int = 64) -> str | None:
    """A short printable string, or a number as one; None for everything else."""
    text = str(value) if type(value) is int else value
    if isinstance(text, str) and 0 < len(text) <= longest and text.isprintable():
        return text
    return None


def card_mask(value: object) -> str | None:
    """A masked card number, at most six and four digits of it: `603799******1234`.

    A party that sends more digits than it should gives None: the rest of us never sees them.
    """
    found = _CARD_MASK.fullmatch(value) if isinstance(value, str) and len(value) <= 32 else None
    return f"{found[1]}******{found[2]}" if found else None
