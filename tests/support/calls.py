"""What a role grants beside what its function asked for: unused, or wider than any call."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from tests.support.grants import listed


@dataclass(frozen=True)
class Call:
    """One kind of call, as the emulator's IAM saw it."""

    function: str
    action: str
    resource: str
    context: Mapping[str, Any]
    allowed: bool


def read(path: Path, start: int = 0) -> list[Call]:
    """What was written from this byte on."""
    with path.open("rb") as file:
        file.seek(start)
        return [Call(**json.loads(line)) for line in file]


@dataclass(frozen=True)
class Granted:
    """An action on a resource under a condition, as a policy document says it."""

    action: str
    resource: str
    condition: Mapping[str, Mapping[str, Any]]

    def __str__(self) -> str:
        asked = f" if {json.dumps(self.condition)}" if self.condition else ""
        return f"{self.action} on {self.resource}{asked}"


def granted(document: Mapping[str, Any]) -> Iterator[Granted]:
    """Every grant of a document."""
    for statement in document["Statement"]:
        for action in listed(statement["Action"]):
            for resource in listed(statement["Resource"]):
                yield Granted(action, resource, statement.get("Condition", {}))


def wider(
    document: Mapping[str, Any], calls: Sequence[Call], prefixes: Collection[str]
) -> Iterator[str]:
    """What the document allows and the calls do not need, in words.

    A resource may end in `*` when it is one of the known prefixes and the calls differ right
    behind it: a longer prefix would then stop one of them. The same holds for a condition's value.
    """
    for one in granted(document):
        used = [
            call for call in calls if call.allowed and call.action == one.action and _on(one, call)
        ]
        if not used:
            yield f"unused: {one}"
            continue
        if "*" in one.action or "?" in one.action:
            yield f"an action by pattern: {one}"
        if one.resource not in prefixes and ("*" in one.resource or "?" in one.resource):
            yield f"a pattern nobody gave a reason for: {one}"
        elif not _narrow(one.resource, {call.resource for call in used}):
            yield f"wider than {len(used)} calls: {one}"
        yield from _conditions(one, used)


def covers(pattern: str, resource: str) -> bool:
    """Whether a policy's resource names this one."""
    return fnmatchcase(resource, pattern)


def _on(one: Granted, call: Call) -> bool:
    if not covers(one.resource, call.resource):
        return False
    return all(
        any(fnmatchcase(_said(call, key), value) for value in listed(values))
        for block in one.condition.values()
        for key, values in block.items()
    )


def _said(call: Call, key: str) -> str:
    found = listed(call.context.get(key.lower(), []))
    return str(found[0]) if found else ""


def _conditions(one: Granted, used: Sequence[Call]) -> Iterator[str]:
    named = {key.lower(): listed(v) for b in one.condition.values() for key, v in b.items()}
    for key, values in named.items():
        said = {_said(call, key) for call in used}
        for value in values:
            if not _narrow(value, {s for s in said if fnmatchcase(s, value)}):
                yield f"a condition wider than its calls, which say {sorted(said)}: {one}"
    # A listing that always names a prefix could be held to it.
    always = all(_said(call, "s3:prefix") for call in used)
    if one.action == "s3:ListBucket" and always and "s3:prefix" not in named:
        yield f"no condition, and each call names a prefix: {one}"


def _narrow(pattern: str, used: set[str]) -> bool:
    fixed, star, rest = pattern.partition("*")
    if not star:
        return used == {pattern}
    behind = {name.removeprefix(fixed).partition("/")[0] for name in used}
    return fixed.endswith("/") and not rest and len(behind) > 1
