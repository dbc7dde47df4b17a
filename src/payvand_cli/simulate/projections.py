"""Projections of a read: which attributes come back, as far as the product names them.

A projection is names behind `#`, and names inside maps: `#id, #exe.#at`. What is not there is left
out, and so is a map of which nothing is left. Read units are those of whole items, as on AWS.
"""

import re
from collections.abc import Mapping
from functools import cache
from typing import Final

from payvand_cli.simulate.values import Item, Refused

type Tree = dict[str, "Tree"]
"""What to take of a map; an empty tree takes all."""

_PATH: Final = re.compile(r"#\w+(?:\.#\w+)*")


@cache
def _paths(fields: str) -> list[list[str]]:
    found = []
    for path in (part.strip() for part in fields.split(",")):
        if not _PATH.fullmatch(path):
            raise Refused(f'Invalid ProjectionExpression: Syntax error; token: "{path}"')
        found.append(path.split("."))
    return found


def names(fields: str) -> frozenset[str]:
    """The `#name` tokens a projection uses. Raises Refused."""
    return frozenset(step for path in _paths(fields) for step in path)


def tree(fields: str, known: Mapping[str, str]) -> Tree:
    """A projection with its names resolved. Raises Refused for a path that is in another."""
    root: Tree = {}
    for path in _paths(fields):
        at = root
        for n, step in enumerate(path, 1):
            name = known[step]
            if (n == len(path) and name in at) or (name in at and not at[name]):
                raise Refused(
                    "Invalid ProjectionExpression: Two document paths overlap with each other; "
                    f"must remove or rewrite one of these paths; path: {path}"
                )
            at = at.setdefault(name, {})
    return root


def pick(wanted: Tree, item: Item) -> Item:
    """An item, as far as it was asked for."""
    found = {}
    for name, inside in wanted.items():
        value = item.get(name)
        if value is not None and inside:
            inner = pick(inside, value.get("M", {}))
            value = {"M": inner} if inner else None
        if value is not None:
            found[name] = value
    return found
