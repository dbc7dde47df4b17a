"""The API reference as one page: the OpenAPI document, made readable. No script, one inline style.

In:  the document tools/contracts.py makes, and the stable codes
Out: functions/reference/docs.html; the style's hash is computed by the function that serves it
"""

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

Doc = dict[str, Any]
TEMPLATES: Final = Path(__file__).parent
_KINDS: Final = {"string": "text", "date": "date", "date-time": "time", "uri": "web address"}
JSON_WIDTH: Final = 60
"""A value shorter than this stands on one line."""
INNER: Final = frozenset(
    {"Payer", "Failure", "Try", "Transfer", "PaymentData", "RefundData", "PayoutData"}
)
"""Schemas without a chapter of their own: they are told where they are used."""


VERIFY: Final = """\
import base64, hashlib, hmac, time

def verified(headers, body: bytes, secret: str) -> bool:
    sent = headers["webhook-timestamp"]
    if abs(time.time() - int(sent)) > 300:
        return False
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{sent}.".encode() + body
    digest = hmac.new(key, signed, hashlib.sha256).digest()
    ours = "v1," + base64.b64encode(digest).decode()
    given = headers["webhook-signature"].split()
    return any(hmac.compare_digest(ours, one) for one in given)"""
"""A test runs it against what we send."""


@dataclass(frozen=True)
class Field:
    """One row of a table."""

    name: str
    kind: str
    words: str
    required: bool
    notes: tuple[str, ...] = ()
    see: str | None = None


class Page:
    """Looks things up in the document."""

    def __init__(self, document: Doc) -> None:
        self.document = document
        self.schemas: Doc = document["components"]["schemas"]

    def follow(self, schema: Doc) -> Doc:
        """What a reference points to; the words beside it win."""
        if "$ref" not in schema:
            return schema
        target: Doc = self.document
        for part in schema["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        return target | {k: v for k, v in schema.items() if k != "$ref"}

    def fields(self, schema: Doc, prefix: str = "") -> Iterator[Field]:
        """The rows of an object; objects of a request's own are told level by level."""
        whole = self.follow(schema)
        for name, one in whole.get("properties", {}).items():
            some, null = _without_null(one)
            target = _object(some)
            yield Field(
                name=prefix + name,
                kind=self._kind(some) + (" or null" if null else ""),
                words=one.get("description") or self.follow(some).get("description", ""),
                required=name in whole.get("required", ()),
                notes=tuple(_notes(some, one)),
                see=target if target and not self._is_inner(target) else None,
            )
            if target and self._is_inner(target):
                inner = some if "$ref" in some else some["items"]
                yield from self.fields(inner, f"{prefix}{name}{'' if '$ref' in some else '[]'}.")

    def parameters(self, operation: Doc, place: str) -> list[Field]:
        """The rows of path, query or header parameters."""
        found = [self.follow(one) for one in operation.get("parameters", ())]
        return [
            Field(
                name=one["name"],
                kind=self._kind(one["schema"]),
                words=one["description"],
                required=one.get("required", False),
                notes=tuple(_notes(one["schema"], one["schema"])),
            )
            for one in found
            if one["in"] == place
        ]

    def _is_inner(self, name: str) -> bool:
        """Whether a schema has no chapter of its own."""
        return name in INNER

    def _kind(self, schema: Doc) -> str:
        if "const" in schema:
            return f"“{schema['const']}”"
        if "enum" in schema:
            return " | ".join(f"“{word}”" for word in schema["enum"])
        if "$ref" in schema:
            return "object"
        match schema.get("type"):
            case "array":
                inner = schema["items"]
                return "list of " + ("objects" if "$ref" in inner else f"{self._kind(inner)}s")
            case "object":
                values = schema.get("additionalProperties")
                return f"object of {self._kind(values)}s" if isinstance(values, dict) else "object"
        kind: str = schema.get("type", "any")
        return _KINDS.get(schema.get("format", kind), kind)

    def operation(self, path: str, method: str, operation: Doc) -> Doc:
        """What the template shows of one operation."""
        body = operation.get("requestBody", {}).get("content", {}).get("application/json")
        status, answer = next(iter(operation["responses"].items()))
        content = answer.get("content", {}).get("application/json")
        return {
            "id": operation["operationId"],
            "method": method.upper(),
            "path": path,
            "summary": operation["summary"],
            "words": operation["description"],
            "scope": operation["security"][0]["ApiKey"][0],
            "tables": [
                ("In the path", self.parameters(operation, "path")),
                ("In the query", self.parameters(operation, "query")),
                ("Headers", self.parameters(operation, "header")),
                ("Body", list(self.fields(body["schema"])) if body else []),
            ],
            "curl": _curl(self.document, path, method, operation, body),
            "status": status,
            "answer": content["schema"]["$ref"].rpartition("/")[2] if content else None,
            "shown": pretty(content["example"]) if content else "",
            "problems": [code for code in operation["responses"] if code != status],
        }


def _without_null(schema: Doc) -> tuple[Doc, bool]:
    kinds = schema.get("anyOf")
    if not kinds:
        return schema, False
    some = [kind for kind in kinds if kind != {"type": "null"}]
    return some[0], len(some) < len(kinds)


def _object(schema: Doc) -> str | None:
    """The name of the object a field holds, or holds many of."""
    ref = schema.get("$ref") or schema.get("items", {}).get("$ref")
    return ref.rpartition("/")[2] if ref else None


def _notes(some: Doc, whole: Doc) -> Iterator[str]:
    """Limits and defaults, in words."""
    inner = some.get("items", some)
    low, high = some.get("minimum"), some.get("maximum")
    if low is not None and high is not None:
        yield f"{low:,} to {high:,}".replace(",", " ")
    length = inner.get("maxLength")
    if length is not None:
        yield f"at most {length} characters"
    if "maxItems" in some:
        yield f"at most {some['maxItems']} items"
    if "maxProperties" in some:
        keys, values = some["propertyNames"]["maxLength"], some["additionalProperties"]["maxLength"]
        yield f"at most {some['maxProperties']} names of {keys} and values of {values} characters"
    if (default := whole.get("default")) not in (None, "", [], {}) and not isinstance(
        default, list
    ):
        yield f"default {default}"


def pretty(value: Any, indent: str = "") -> str:
    """JSON for people: short values on one line."""
    flat = json.dumps(value, ensure_ascii=False)
    if len(flat) <= JSON_WIDTH or not isinstance(value, dict | list) or not value:
        return flat
    deeper = indent + "  "
    if isinstance(value, dict):
        rows = [f"{deeper}{json.dumps(k)}: {pretty(v, deeper)}" for k, v in value.items()]
        return "{\n" + ",\n".join(rows) + f"\n{indent}}}"
    return "[\n" + ",\n".join(deeper + pretty(v, deeper) for v in value) + f"\n{indent}]"


def _curl(document: Doc, path: str, method: str, operation: Doc, body: Doc | None) -> str:
    parts = [Page(document).follow(one) for one in operation.get("parameters", ())]
    for one in parts:
        if one["in"] == "path":
            path = path.replace(f"{{{one['name']}}}", one["example"])
    url = document["servers"][0]["url"] + path
    lines = [f"curl {'' if method == 'get' else f'-X {method.upper()} '}{url}"]
    lines.append('-H "Authorization: Bearer $PAYVAND_KEY"')
    if body:
        keys = [one["example"] for one in parts if one["name"] == "Idempotency-Key"]
        if "reference" not in body["example"]:
            lines += [f"-H 'Idempotency-Key: {key}'" for key in keys]
        lines += [
            "-H 'Content-Type: application/json'",
            f"-d {shlex.quote(pretty(body['example']))}",
        ]
    return " \\\n  ".join(lines)


def _code(text: str) -> Markup:
    """Words between backticks as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704 - escaped


def _told(page: Page, names: set[str]) -> set[str]:
    """Objects, and all that their fields lead to."""
    found = names
    while names:
        fields = [field for name in names for field in page.fields(page.schemas[name])]
        names = {field.see for field in fields if field.see} - found
        found = found | names
    return found


def render(document: Doc, codes: list[Doc]) -> str:
    """The page."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["code"] = _code
    page = Page(document)
    chapters: dict[str, list[Doc]] = {tag["name"]: [] for tag in document["tags"]}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            chapters[operation["tags"][0]].append(page.operation(path, method, operation))
    answers = {one["answer"] for operations in chapters.values() for one in operations} - {None}
    objects = sorted(_told(page, {_thing(page, name) for name in answers}))
    events = [
        {
            "type": type_,
            "words": one["post"]["summary"],
            "shown": pretty(_content(one)["example"]),
        }
        for type_, one in document["webhooks"].items()
    ]
    first = next(iter(document["webhooks"].values()))["post"]
    return environment.get_template("reference_page.html").render(
        info=document["info"],
        server=document["servers"][0]["url"],
        tags=document["tags"],
        chapters=chapters,
        objects=[
            (name, page.schemas[name]["description"], list(page.fields(page.schemas[name])))
            for name in objects
        ],
        events=events,
        event_fields=list(
            page.fields(_content(next(iter(document["webhooks"].values())))["schema"])
        ),
        data={
            name: list(page.fields(page.schemas[name]))
            for name in ("PaymentData", "RefundData", "PayoutData")
        },
        headers=page.parameters(first, "header"),
        problem=list(page.fields(page.schemas["Problem"])),
        problem_shown=pretty(
            document["components"]["responses"]["BadInput"]["content"]["application/problem+json"][
                "example"
            ]
        ),
        codes=codes,
        verify=VERIFY,
        is_list=lambda name: name.endswith("List"),
        thing=lambda name: _thing(page, name),
    )


def _content(webhook: Doc) -> Doc:
    found: Doc = webhook["post"]["requestBody"]["content"]["application/json"]
    return found


def _thing(page: Page, name: str) -> str:
    """The object an answer is, or is a list of."""
    if not name.endswith("List"):
        return name
    return _object(page.schemas[name]["properties"]["data"]) or name
