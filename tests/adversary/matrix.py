"""Who may call what: every operation of contracts/openapi.json times everybody who should not.

The rows are the contract's own, so a new operation is judged from its first day. The same judge
looks at the handlers in process (with a guard taken out, too) and at the deployed stack.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from payvand.edge.api import SCOPES
from tools import contracts

METHODS: Final = ("get", "post", "put", "patch", "delete")
NOTHING_TO_PAY: Final = {"create_payout": 409}
"""Operations that say of books in which nothing is due that it is so."""
KIN: Final = "the live key"
"""The victim's own key of its other books: it may read whose it is."""
HIS_OWN_EACH_TIME: Final = {"date", "content-length"}
"""Answer headers that say nothing; so do all that name the request."""


@dataclass(frozen=True)
class Operation:
    """One row."""

    id: str
    method: str
    path: str
    scopes: tuple[str, ...]
    body: Any
    parameters: frozenset[str]
    statuses: frozenset[str]

    @property
    def collection(self) -> str | None:
        """What `{id}` is an id of."""
        return self.path.split("/")[1] if "{id}" in self.path else None

    @property
    def success(self) -> int:
        return int(next(status for status in sorted(self.statuses) if status.startswith("2")))

    def answers(self, status: int) -> bool:
        """Whether this is what somebody is told in books of their own."""
        return status in {self.success, NOTHING_TO_PAY.get(self.id)}


def operations(document: Mapping[str, Any] | None = None) -> list[Operation]:
    """Every operation of the committed document."""
    found = document or json.loads((contracts.SERVED / "openapi.json").read_text("utf-8"))
    return [
        _operation(found, method, path, item)
        for path, methods in found["paths"].items()
        for method, item in methods.items()
        if method in METHODS
    ]


def _operation(
    document: Mapping[str, Any], method: str, path: str, item: Mapping[str, Any]
) -> Operation:
    wanted = item.get("security", document.get("security", []))
    return Operation(
        id=item["operationId"],
        method=method.upper(),
        path=path,
        scopes=tuple(scope for one in wanted for scope in one.get("ApiKey", ())),
        body=_body(item),
        parameters=frozenset(p["name"] for p in item.get("parameters", ()) if "name" in p),
        statuses=frozenset(item["responses"]),
    )


def _body(item: Mapping[str, Any]) -> Any:
    if "requestBody" not in item:
        return None
    example = dict(item["requestBody"]["content"]["application/json"]["example"])
    example.pop("channel", None)  # the payer chooses: a live key needs no live channel then
    example.pop("fallback_channels", None)
    return example


@dataclass(frozen=True)
class Answer:
    """What came back; header names are lower-case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """A problem's word."""
        try:
            return str(json.loads(self.body).get("code"))
        except (ValueError, AttributeError):
            return ""

    @property
    def told(self) -> tuple[int, dict[str, str], Any]:
        """Everything but what names this very request."""
        try:
            body = json.loads(self.body)
            body.pop("request_id", None)
        except (ValueError, AttributeError):
            body = self.body
        kept = {
            name: value
            for name, value in self.headers.items()
            if name not in HIS_OWN_EACH_TIME and "request" not in name and "trace" not in name
        }
        return self.status, kept, body


class Door(Protocol):
    """The API, in process or deployed."""

    def ask(self, method: str, path: str, body: Any, authorization: str | None) -> Answer:
        """One call."""

    def holds(self, books: str) -> str:
        """Everything stored in these books, as one text."""


@dataclass(frozen=True)
class Cast:
    """The victim's things and everybody's Authorization headers."""

    victim: str
    ids: Mapping[str, str]  # collection → an id of the victim's
    missing: Mapping[str, str]  # collection → a well-formed id of nothing
    queries: Mapping[str, str]  # parameter → a value of the victim's
    secrets: tuple[str, ...]  # what no stranger may ever read
    nobody: Mapping[str, str | None]  # why it is no key → header
    without: Mapping[str, str]  # scope → the victim's key that has all others
    elsewhere: Mapping[str, str]  # whose → a good key with every scope that is not of these books
    owner: str

    @property
    def books(self) -> str:
        return f"{self.victim}.test"

    def path(self, operation: Operation, ids: Mapping[str, str] | None = None) -> str:
        collection = operation.collection
        return (
            operation.path.replace("{id}", (ids or self.ids)[collection])
            if collection
            else (operation.path)
        )


def complaints(operation: Operation, door: Door, cast: Cast) -> list[str]:
    """What is wrong with this row; nothing, one hopes."""
    before = door.holds(cast.books)
    found = [
        *_unguarded(operation),
        *_nobody(operation, door, cast),
        *_without_scope(operation, door, cast),
        *_elsewhere(operation, door, cast),
    ]
    if door.holds(cast.books) != before:
        found.append("something was changed")
    return [f"{operation.id}: {text}" for text in found]


def _unguarded(operation: Operation) -> Iterator[str]:
    if len(operation.scopes) != 1 or operation.scopes[0] not in SCOPES:
        yield f"needs exactly one known scope, has {operation.scopes}"
    if missing := {"401", "403"} - operation.statuses:
        yield f"does not promise {sorted(missing)}"
    if operation.collection and "404" not in operation.statuses:
        yield "does not promise 404"


def _nobody(operation: Operation, door: Door, cast: Cast) -> Iterator[str]:
    answers = {
        why: door.ask(operation.method, cast.path(operation), operation.body, header)
        for why, header in cast.nobody.items()
    }
    for why, answer in answers.items():
        if answer.status != 401:
            yield f"{why} is answered {answer.status}"
        yield from _leaks(why, answer, cast)
    if len({repr(answer.told) for answer in answers.values()}) != 1:
        yield "one can tell why a key is none"


def _without_scope(operation: Operation, door: Door, cast: Cast) -> Iterator[str]:
    for scope in operation.scopes:
        header = cast.without.get(scope)
        answer = door.ask(operation.method, cast.path(operation), operation.body, header)
        if (answer.status, answer.code) != (403, "scope_missing"):
            yield f"without {scope}: {answer.status} {answer.code}"
        yield from _leaks(f"without {scope}", answer, cast)


def _elsewhere(operation: Operation, door: Door, cast: Cast) -> Iterator[str]:
    for whose, header in cast.elsewhere.items():
        answer = door.ask(operation.method, cast.path(operation), operation.body, header)
        yield from _leaks(whose, answer, cast)
        if operation.collection:
            path = cast.path(operation, cast.missing)
            absent = door.ask(operation.method, path, operation.body, header)
            if answer.status != 404:
                yield f"{whose} is answered {answer.status}"
            if answer.told != absent.told:
                yield f"{whose} can tell a foreign id from a missing one"
        elif not operation.answers(answer.status):
            yield f"{whose} is answered {answer.status} in books of its own"
        for name in sorted(operation.parameters & cast.queries.keys()):
            path = f"{cast.path(operation)}?{name}={cast.queries[name]}"
            asked = door.ask(operation.method, path, operation.body, header)
            yield from _leaks(f"{whose} with ?{name}", asked, cast)
            if asked.status not in {200, 400}:
                yield f"{whose} with ?{name} is answered {asked.status}"


def _leaks(who: str, answer: Answer, cast: Cast) -> Iterator[str]:
    shown = answer.body.decode("utf-8", "replace") + repr(sorted(answer.headers.items()))
    for secret in cast.secrets:
        if secret in shown and not (secret == cast.victim and who.startswith(KIN)):
            yield f"{who} reads {secret}"
