"""The body of POST /payments, read without pydantic: its models are half of a cold start.

views.CreatePayment is what is published; a test holds this reader to it, field by field, whatever
is sent (tests/functions/payment_init). A reader takes a value and returns it, or raises `Wrong`
with everything that is wrong.
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from payvand.edge.api import ERRORS_MAX, FIELD_MAX
from payvand.edge.words import (
    ascii_digits,
    mobile,
    no_card,
    no_grouped_card,
    visible,
    web_address,
)
from payvand.errors import BadInput
from payvand.money import AMOUNT_MAX, CURRENCIES
from payvand.payment import EXPIRES_IN_S, EXPIRES_IN_S_MAX, EXPIRES_IN_S_MIN

Read = Callable[[Any], Any]


class Wrong(Exception):
    """Faults: where, as path, and what."""

    def __init__(self, *faults: tuple[str, str]) -> None:
        super().__init__(faults)
        self.faults = faults


def _wrong(message: str) -> Wrong:
    return Wrong(("", message))


def _text(
    low: int, high: int, *checks: Callable[[str], str], pattern: str = "", digits: bool = False
) -> Read:
    """A string of `low` to `high` letters. `digits`: whatever digits the sender's keyboard has."""
    form = re.compile(pattern) if pattern else None

    def read(value: Any) -> str:
        text = ascii_digits(value) if digits else value
        if not isinstance(text, str):
            raise _wrong("must be a text")
        if not low <= len(text) <= high:
            raise _wrong(f"must have {low} to {high} characters")
        if form and not form.fullmatch(text):
            raise _wrong(f"must match {pattern}")
        try:
            for check in checks:
                text = check(text)
        except ValueError as exc:
            raise _wrong(str(exc)) from None
        return text

    return read


def _whole(low: int, high: int) -> Read:
    def read(value: Any) -> int:
        if type(value) is not int:
            raise _wrong("must be a whole number")
        if not low <= value <= high:
            raise _wrong(f"must be {low} to {high}")
        return value

    return read


def _one_of(*known: str) -> Read:
    def read(value: Any) -> str:
        if value not in known or not isinstance(value, str):
            raise _wrong(f"must be {' or '.join(known)}")
        return value

    return read


def _or_null(inner: Read) -> Read:
    return lambda value: None if value is None else inner(value)


def _collect(pairs: list[tuple[str, Callable[[], Any]]]) -> list[Any]:
    """Every value, or every fault."""
    found, faults = [], list[tuple[str, str]]()
    for where, read in pairs:
        try:
            found.append(read())
        except Wrong as wrong:
            faults += [(f"{where}.{place}".rstrip("."), what) for place, what in wrong.faults]
    if faults:
        raise Wrong(*faults)
    return found


def _many(inner: Read, most: int) -> Read:
    def read(value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise _wrong("must be a list")
        if len(value) > most:
            raise _wrong(f"must have at most {most} items")
        return _collect([(str(n), partial(inner, part)) for n, part in enumerate(value)])

    return read


def _texts(name: Read, inner: Read, most: int) -> Read:
    """An object whose names are the sender's own."""

    def read(value: Any) -> dict[str, str]:
        if not isinstance(value, dict):
            raise _wrong("must be an object")
        if len(value) > most:
            raise _wrong(f"must have at most {most} names")
        names = _collect([(key, partial(name, key)) for key in value])
        texts = _collect([(key, partial(inner, part)) for key, part in value.items()])
        return dict(zip(names, texts, strict=True))

    return read


def _object(fields: Mapping[str, Read], defaults: Mapping[str, Any]) -> Read:
    """An object of known names; the others are refused."""

    def one(value: Mapping[str, Any], name: str) -> Any:
        if name in value:
            return fields[name](value[name])
        if name in defaults:
            return defaults[name]
        raise _wrong("is required")

    def stranger() -> None:
        raise _wrong("is not known here")

    def read(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise _wrong("must be an object")
        known = [(name, partial(one, value, name)) for name in fields]
        strange = [(name, stranger) for name in value if name not in fields]
        return dict(zip(fields, _collect([*known, *strange]), strict=True))

    return read


_CHANNEL: Final = _text(2, 32, pattern=r"[a-z][a-z0-9_]{1,31}")
_PAYER: Final = _object(
    {
        "mobile": _or_null(_text(0, 1_000, mobile, digits=True)),
        "email": _or_null(_text(0, 254, visible, pattern=r"[^@\s]+@[^@\s]+\.[^@\s]+")),
        "name": _or_null(_text(1, 100, visible, no_card)),
        "national_code": _or_null(_text(10, 10, pattern="[0-9]{10}", digits=True)),
    },
    dict.fromkeys(("mobile", "email", "name", "national_code")),
)
_WISH: Final = _object(
    {
        "amount": _whole(1, AMOUNT_MAX),
        "currency": _one_of(*CURRENCIES),
        "reference": _text(1, 64, visible, no_grouped_card),
        "return_url": _text(8, 2000, web_address),
        "description": _text(0, 255, visible, no_card),
        "channel": _or_null(_CHANNEL),
        "fallback_channels": _many(_CHANNEL, 5),
        "payer": _or_null(_PAYER),
        "allowed_cards": _many(_text(16, 16, pattern="[0-9]{16}", digits=True), 10),
        "locale": _or_null(_one_of("fa", "en")),
        "expires_in_s": _whole(EXPIRES_IN_S_MIN, EXPIRES_IN_S_MAX),
        "metadata": _texts(
            _text(1, 40, visible, no_card), _text(0, 200, visible, no_card), 20
        ),
    },
    {
        "description": "", "channel": None, "fallback_channels": [], "payer": None,
        "allowed_cards": [], "locale": None, "expires_in_s": EXPIRES_IN_S, "metadata": {},
    },
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Wish:
    """A wish to be paid."""

    amount: int
    currency: str
    reference: str
    return_url: str
    description: str
    channel: str | None
    fallback_channels: tuple[str, ...]
    payer: Mapping[str, str]  # what is known, no more
    allowed_cards: tuple[str, ...]
    locale: str | None
    expires_in_s: int
    metadata: Mapping[str, str]
    digest: str
    """One hash of all fields, whatever their order and whatever was left to its default."""


def read(value: dict[str, Any]) -> Wish:
    """The wish in a body. Raises BadInput."""
    try:
        fields = _WISH(value)
    except Wrong as wrong:
        errors = [(where[:FIELD_MAX], what) for where, what in wrong.faults]
        raise BadInput(
            "input_invalid", "Some fields are wrong.", errors=errors[:ERRORS_MAX]
        ) from None
    digest = hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()
    known = {name: text for name, text in (fields["payer"] or {}).items() if text is not None}
    lists = {name: tuple(fields[name]) for name in ("fallback_channels", "allowed_cards")}
    return Wish(**fields | lists | {"payer": known, "digest": digest})
