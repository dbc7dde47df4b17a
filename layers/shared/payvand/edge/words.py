"""What a text, an address or a number that a merchant sends may hold. Each returns it or raises."""

import re
import unicodedata
from typing import Any, Final
from urllib.parse import urlsplit

from payvand.edge.cards import holds_card_number

_FORBIDDEN_CATEGORIES: Final = frozenset({"Cc", "Cs", "Co", "Zl", "Zp"})
_LOST: Final = "\ufffd"
"""What the gateway puts for bytes that are not UTF-8: two references must not become one."""
_BIDI_CONTROLS: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_HOST: Final = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
"""What a page's form-action can name; the page of a payment must be able to send its payer on."""
_DIGITS: Final = {
    **{ord("۰") + n: str(n) for n in range(10)},
    **{ord("٠") + n: str(n) for n in range(10)},
}


def visible(value: str) -> str:
    """Letters a person can see, none of them lost."""
    if _LOST in value:
        raise ValueError("must be UTF-8; some letters were lost")
    if any(unicodedata.category(c) in _FORBIDDEN_CATEGORIES or c in _BIDI_CONTROLS for c in value):
        raise ValueError("must not hold control characters")
    return value


def no_card(value: str) -> str:
    """Words for people hold no card number: they are stored and shown as they are."""
    if holds_card_number(value.translate(_DIGITS)):
        raise ValueError("must not hold a card number; put a letter before a number of your own")
    return value


def no_grouped_card(value: str) -> str:
    """A name may be any number, and some look like a card's; written in groups it is a card's."""
    if holds_card_number(value.translate(_DIGITS), grouped=True):
        raise ValueError("must not hold a card number")
    return value


def web_address(value: str) -> str:
    """Where a browser can be sent."""
    parts = urlsplit(value)
    _ = parts.port  # raises for a port that is none
    if parts.scheme not in {"https", "http"} or not _HOST.fullmatch(parts.hostname or ""):
        raise ValueError("must be an absolute http(s) address")
    if "@" in parts.netloc:
        raise ValueError("must not hold a user name")
    if not value.isascii() or any(c in value for c in " \"'<>\\^`{|}") or not value.isprintable():
        raise ValueError("must be percent-encoded ASCII")
    return value


def ascii_digits(value: Any) -> Any:
    """People type these with whatever digits their keyboard has."""
    return (
        value.translate(_DIGITS).replace(" ", "").replace("-", "")
        if isinstance(value, str)
        else value
    )


def mobile(value: str) -> str:
    """A mobile number, with its country."""
    # A pattern, not a library: the one that knows all numbering plans is 48 MB, the party checks
    # the rest.
    if re.fullmatch(r"09[0-9]{9}", value):
        return "+98" + value[1:]
    if not re.fullmatch(r"\+[1-9][0-9]{7,14}", value):
        raise ValueError("must be a mobile number like +989121234567")
    return value
