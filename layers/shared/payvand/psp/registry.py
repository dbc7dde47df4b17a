"""Which channels exist, by name. Adding one: its module here, its contract tests, its page.

A channel's module is imported when it is first asked for, so that a function which speaks to one
party does not load thirteen.
"""

from importlib import import_module
from typing import Final

from payvand.psp import Channel, Credentials, Http

_MODULES: Final[dict[str, str]] = {
    "zarinpal": "payvand.psp.zarinpal",
    "noticebank": "payvand.psp.noticebank",
}
"""Each has `KIND`, the channel's class."""


def names() -> tuple[str, ...]:
    """Every channel's name, in the order a payer should see them."""
    return tuple(_MODULES)


def channel(name: str, credentials: Credentials, http: Http) -> Channel:
    """The channel called `name`, speaking with these credentials.

    Raises:
        KeyError: there is no such channel.
        ValueError: the credentials lack a field (named; values are never repeated).
    """
    made: Channel = import_module(_MODULES[name]).KIND(credentials, http)
    return made


def limits(name: str, currency: str) -> tuple[int, int]:
    """The least and greatest amount a channel takes, in minor units; (1, 0) for another currency.

    Raises:
        KeyError: there is no such channel.
    """
    kind: type[Channel] = import_module(_MODULES[name]).KIND
    if currency not in kind.currencies:
        return 1, 0
    return kind.amount_min_minor, kind.amount_max_minor


def title(name: str, locale: str) -> str:
    """A channel's name as the payer reads it."""
    kind: type[Channel] = import_module(_MODULES[name]).KIND
    return kind.title.get(locale, kind.title["en"])
