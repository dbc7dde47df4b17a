"""Pages of a Query, decoded into the types their reader needs.

Our own client hands over the bytes of an answer, so that they are decoded once, by msgspec; any
other client's answer is converted.
"""

from collections.abc import Hashable
from functools import cache
from typing import Any, cast

import msgspec


class Page[T](msgspec.Struct):
    """One answer of Query."""

    Items: list[T]
    LastEvaluatedKey: dict[str, Any] | None = None


@cache
def _decoder(kind: Hashable) -> "msgspec.json.Decoder[Any]":
    return msgspec.json.Decoder(Page[kind])  # type: ignore[valid-type]


def ask[T](client: Any, kind: type[T], request: dict[str, Any]) -> Page[T]:
    """Ask for one page. Raises what the client raises, ValueError for what is not such a page."""
    raw = getattr(client, "raw", None)
    if raw is not None:
        page: Page[T] = _decoder(cast("Hashable", kind)).decode(raw("Query", **request))
        return page
    answer = client.query(**request)
    return msgspec.convert(answer, Page[kind])  # type: ignore[valid-type]
