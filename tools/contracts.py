"""Contracts, made from the code: OpenAPI, event schemas and the reference page.

In:  ROUTES of every function, payvand.events.PUBLISHED, contracts/examples (written by people)
Out: functions/reference/openapi.json (contracts/openapi.json is a link to it: the function serves
     the file of its own package) and docs.html, contracts/events/*.schema.json

Without a flag it writes; `--check` compares and says what differs. The dated examples of events are
never rewritten: whoever could read one last year must be able to read it still.
"""

import argparse
import ast
import importlib
import inspect
import itertools
import json
import re
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, models_json_schema

ROOT: Final = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from payvand import errors, events  # noqa: E402
from payvand.edge import api  # noqa: E402
from payvand.edge.api import Route  # noqa: E402
from tools import reference_page  # noqa: E402

SERVER: Final = "https://api.example.com"
"""functions/reference puts the deployment's own address in its place."""
EXAMPLES: Final = ROOT / "contracts" / "examples"
EVENTS: Final = ROOT / "contracts" / "events"
SERVED: Final = ROOT / "functions" / "reference"
Doc = dict[str, Any]

TAGS: Final = {
    "Payments": "A payment is made by your server, paid by the payer on a page, and executed once "
    "the channel has confirmed the money.",
    "Refunds": "Money on its way back to the payer: booked first, then asked of the channel.",
    "Settlement": "What is owed to you, entry by entry, and the payouts that pay it.",
    "Webhooks": "Where you are told what happened, and what became of each delivery.",
}
IDS: Final = {
    "payments": ("A payment's id.", r"^pay_[0-9A-HJKMNP-TV-Z]{26}$", "Payment"),
    "payouts": ("A payout's id.", r"^po_[0-9A-HJKMNP-TV-Z]{12}$", "Payout"),
    "webhook_endpoints": ("An endpoint's id.", r"^whe_[0-9A-Z]{16}$", "Endpoint"),
    "webhook_deliveries": (
        "A delivery's id.", r"^evt_[0-9A-Z]{26}\.whe_[0-9A-Z]{16}$", "Delivery",
    ),
}  # fmt: skip
"""What `{id}` means below a collection: words, shape, the example it is taken from."""
ONLY_OURS: Final = ("merchant_id", "mode")
"""Fields of an event that stay on the bus: whoever gets a webhook knows them."""
PROBLEMS: Final[dict[str, tuple[type[errors.Refusal], str]]] = {
    "400": (errors.BadInput, "Something in the request is wrong; `errors` names the fields."),
    "401": (errors.Unauthenticated, "No API key, or one that is not valid."),
    "403": (errors.Forbidden, "The key lacks the scope."),
    "404": (errors.NotFound, "Not there, or not yours: the same answer."),
    "409": (errors.Conflict, "The state, or an earlier call, says no."),
    "429": (errors.TooMany, "Too many requests. Wait as long as `Retry-After` says."),
    "500": (errors.Refusal, "We made a mistake. Send it again later."),
    "503": (errors.Unavailable, "Temporarily unavailable. Nothing was lost; send it again."),
}
RETRIED: Final = {"429", "503"}


@dataclass(frozen=True)
class Operation:
    """One route with the names the outside knows it by."""

    route: Route

    @property
    def body(self) -> type[BaseModel] | None:
        """What it takes."""
        return _model(self.route.body)

    @property
    def answer(self) -> type[BaseModel] | None:
        """What it answers."""
        return _model(self.route.answer)

    @property
    def id(self) -> str:
        """Verb and noun from method and path, so that it changes when they do and only then."""
        parts = self.route.path.strip("/").split("/")
        nouns = [part for part in parts if not part.startswith("{")]
        if self.route.method == "POST" and len(nouns) > 1 and not nouns[-1].endswith("s"):
            return "_".join([nouns[-1], *map(_one, nouns[:-1])])
        many = self.route.method == "GET" and nouns[-1].endswith("s") and parts[-1] == nouns[-1]
        verb = {"POST": "create", "GET": "list" if many else "get", "DELETE": "delete"}
        last = nouns[-1] if many else _one(nouns[-1])
        return "_".join([verb[self.route.method], *map(_one, nouns[:-1]), last])

    @property
    def collection(self) -> str:
        """The first noun of the path."""
        return self.route.path.split("/")[1]

    @property
    def tag(self) -> str:
        """The chapter it stands in."""
        if self.route.path.endswith("/refunds"):
            return "Refunds"
        if self.collection == "payments":
            return "Payments"
        return "Webhooks" if self.collection.startswith("webhook_") else "Settlement"

    @property
    def statuses(self) -> list[str]:
        """The problems it can answer."""
        route = self.route
        can = {"429", "500", "503", *route.problems}
        can |= {"401", "403"} if route.scope else set()
        can |= {"404"} if "{" in route.path else set()
        can |= {"400"} if route.args or route.body else set()
        return sorted(can)


def _model(named: type[BaseModel] | str | None) -> type[BaseModel] | None:
    """A model, or the one that "module:name" names."""
    if not isinstance(named, str):
        return named
    module, _, name = named.partition(":")
    found: type[BaseModel] = getattr(importlib.import_module(module), name)
    return found


def _one(noun: str) -> str:
    """The singular."""
    return noun[:-3] + "y" if noun.endswith("ies") else noun.removesuffix("s")


@cache
def operations() -> tuple[Operation, ...]:
    """Every operation of the API, chapter by chapter."""
    found = [Operation(route) for _, route in routes() if not route.page]
    return tuple(sorted(found, key=lambda operation: list(TAGS).index(operation.tag)))


def routes() -> Iterator[tuple[str, Route]]:
    """Every route of every function, pages too: (folder, route)."""
    for path in sorted((ROOT / "functions").glob("*/handler.py")):
        module = importlib.import_module(f"functions.{path.parent.name}.handler")
        for route in getattr(module, "ROUTES", ()):
            yield path.parent.name, route


# ── Schemas ───────────────────────────────────────────────────────────────────────────────────────


@cache
def _words(cls: type) -> dict[str, str]:
    """The docstrings under a class's fields. Read off the source: at run time they cost nothing."""
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        if base is BaseModel or not issubclass(base, BaseModel):
            continue
        tree = ast.parse(textwrap.dedent(inspect.getsource(base)))
        assert isinstance(tree.body[0], ast.ClassDef)
        body = tree.body[0].body
        for one, following in itertools.pairwise(body):
            match one, following:
                case (
                    ast.AnnAssign(target=ast.Name(id=name)),
                    ast.Expr(value=ast.Constant(value=str() as text)),
                ):
                    found[name] = inspect.cleandoc(text)
    return found


class _Schemas(GenerateJsonSchema):
    """Pydantic's, with the words under the fields and without titles that repeat names."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        del schema
        return False

    def model_schema(self, schema: Any) -> Doc:
        found = super().model_schema(schema)
        found.pop("title", None)
        for name, text in _words(schema["cls"]).items():
            found["properties"][name].setdefault("description", text)
        return found


def schemas(models: list[tuple[type[BaseModel], JsonSchemaMode]]) -> Doc:
    """Models and all they refer to, by the name the outside knows."""
    _, found = models_json_schema(
        models, schema_generator=_Schemas, ref_template="#/components/schemas/{model}"
    )
    text = re.sub(r'(/schemas/\w+)View"', r'\1"', json.dumps(found.get("$defs", {})))
    named: Doc = json.loads(text)
    return {name.removesuffix("View"): schema for name, schema in named.items()}


def _name(model: type[BaseModel]) -> str:
    return model.__name__.removesuffix("View")


def _ref(name: str) -> Doc:
    return {"$ref": f"#/components/schemas/{name}"}


@cache
def example(name: str) -> Any:
    """What people wrote in contracts/examples."""
    return json.loads((EXAMPLES / f"{name}.json").read_text(encoding="utf-8"))


def event_example(type_: str) -> Doc:
    """The newest dated example of an event."""
    newest = max(EVENTS.glob(f"{type_}.????-??-??.json"))
    found: Doc = json.loads(newest.read_text(encoding="utf-8"))
    return found


def problem_schema() -> Doc:
    """RFC 9457, as `payvand.edge.api.problem` and the gateway's own answers make it."""

    def text(words: str, shown: str) -> Doc:
        return {"type": "string", "description": words, "examples": [shown]}

    field = {
        "type": "object",
        "required": ["field", "message"],
        "properties": {
            "field": text("Which field, dots between levels.", "payer.mobile"),
            "message": text("What is wrong with it.", "must be a mobile number like +989121234567"),
        },
    }
    return {
        "type": "object",
        "description": "Why a call was refused (RFC 9457).",
        "required": ["type", "title", "code", "detail"],
        "properties": {
            "type": text("A name of the kind of problem.", "urn:payvand:problem:input_invalid"),
            "title": text("The kind of problem, for people.", "Bad input"),
            "status": {
                "type": "integer",
                "description": "The HTTP status again.",
                "examples": [400],
            },
            "code": text("Stable word for programs; new ones may come.", "input_invalid"),
            "detail": text("Sentence for people.", "Some fields are wrong."),
            "request_id": text("Name it when you ask us.", "7f9a3c1e-0a51-4a6e-9d5b-0d9c1f2b3a44"),
            "errors": {
                "type": "array",
                "description": "The fields that are wrong.",
                "items": field,
            },
        },
    }


@cache
def codes() -> list[Doc]:
    """Every stable `code` an operation can answer: read off the places that raise them."""
    folders = {folder for folder, route in routes() if not route.page}
    paths = [p for folder in sorted(folders) for p in (ROOT / "functions" / folder).glob("*.py")]
    paths += [Path(inspect.getfile(api))]
    found = {(row["status"], row["code"]): row for path in sorted(paths) for row in _raised(path)}
    missing = errors.NotFound()
    found[404, missing.code] = {"status": 404, "code": missing.code, "detail": missing.detail}
    for row in _gateway():
        found.setdefault((row["status"], row["code"]), row)
    return [found[key] for key in sorted(found)]


def _raised(path: Path) -> Iterator[Doc]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Call(
                func=ast.Name(id=kind),
                args=[ast.Constant(value=str() as code), detail, *_],
            ) if isinstance(cls := getattr(errors, kind, None), type):
                assert issubclass(cls, errors.Refusal)
                yield {"status": cls.status, "code": code, "detail": _shown(detail)}


def _shown(node: ast.expr) -> str:
    """A message with its values left open."""
    match node:
        case ast.Constant(value=str() as text):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(_shown(p) if isinstance(p, ast.Constant) else "…" for p in parts)
    return ""


class _Template(yaml.SafeLoader):
    """CloudFormation's own tags are of no interest here."""


_Template.add_multi_constructor("!", lambda *_: None)


def _gateway() -> Iterator[Doc]:
    """The problems API Gateway itself answers, from the template."""
    text = (ROOT / "template.yaml").read_text(encoding="utf-8")
    template = yaml.load(text, _Template)  # noqa: S506 - a SafeLoader, above
    for answer in template["Resources"]["Api"]["Properties"]["GatewayResponses"].values():
        body = json.loads(answer["ResponseTemplates"]["application/json"])
        if "status" in body:
            yield {name: body[name] for name in ("status", "code", "detail")}


# ── OpenAPI ───────────────────────────────────────────────────────────────────────────────────────


def openapi() -> Doc:
    """The whole document."""
    paths: Doc = {}
    for operation in operations():
        method = operation.route.method.lower()
        paths.setdefault(operation.route.path, {})[method] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Payvand",
            "version": "1",
            "summary": "Take payments, give them back, be paid out, and see every entry.",
            "description": "Amounts are integers of minor units beside a currency; the rial has no "
            "decimals. Times are RFC 3339 in UTC. Test and live keys see different books.",
        },
        "servers": [{"url": SERVER}],
        "tags": [{"name": name, "description": words} for name, words in TAGS.items()],
        "security": [{"ApiKey": []}],
        "paths": paths,
        "webhooks": {type_: _webhook(model) for type_, model in _published()},
        "components": {
            "schemas": _components(),
            "responses": {_response_name(status): _refusal(status) for status in PROBLEMS},
            "parameters": {"IdempotencyKey": _idempotency_key()},
            "securitySchemes": {
                "ApiKey": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "`pv_test_…` or `pv_live_…`. Scopes: "
                    + ", ".join(f"`{scope}`" for scope in api.SCOPES)
                    + ".",
                }
            },
        },
    }


def _published() -> list[tuple[str, type[events.Event]]]:
    return list(zip(events.TYPES, events.PUBLISHED, strict=True))


def _components() -> Doc:
    modes: dict[type[BaseModel], JsonSchemaMode] = {}
    for operation in operations():
        if operation.body:
            modes[operation.body] = "validation"
        if operation.answer:
            modes[operation.answer] = "serialization"
    modes |= dict.fromkeys(events.PUBLISHED, "serialization")
    found = schemas(list(modes.items()))
    for model in events.PUBLISHED:
        shown = found[model.__name__]
        for name in ONLY_OURS:
            del shown["properties"][name]
            shown["required"].remove(name)
    return {"Problem": problem_schema()} | dict(sorted(found.items()))


def _operation(operation: Operation) -> Doc:
    route = operation.route
    assert route.scope, f"{route.method} {route.path} is not a page and must ask for a key"
    words = inspect.getdoc(route.handle)
    assert words, f"{route.method} {route.path} says nothing about itself"
    found: Doc = {
        "operationId": operation.id,
        "tags": [operation.tag],
        "summary": route.summary,
        "description": words,
        "security": [{"ApiKey": [route.scope]}],
    }
    if parameters := list(_parameters(operation)):
        found["parameters"] = parameters
    if operation.body:
        name = _name(operation.body)
        content = {"schema": _ref(name), "example": example(name)}
        found["requestBody"] = {"required": True, "content": {"application/json": content}}
    answer: Doc = {
        "description": "Done." if operation.answer is None else _summary(operation.answer)
    }
    if operation.answer:
        answer["content"] = {"application/json": _answer(operation, operation.answer)}
    if links := dict(_links(operation)):
        answer["links"] = links
    found["responses"] = {str(route.status): answer} | {
        status: {"$ref": f"#/components/responses/{_response_name(status)}"}
        for status in operation.statuses
    }
    return found


def _summary(model: type[BaseModel]) -> str:
    return (inspect.getdoc(model) or "").partition("\n")[0]


def _answer(operation: Operation, model: type[BaseModel]) -> Doc:
    own = (EXAMPLES / f"{operation.id}.json").exists()
    return {
        "schema": _ref(_name(model)),
        "example": example(operation.id if own else _name(model)),
    }


def _parameters(operation: Operation) -> Iterator[Doc]:
    route = operation.route
    if "{id}" in route.path:
        words, pattern, source = IDS[operation.collection]
        yield {
            "name": "id",
            "in": "path",
            "required": True,
            "description": words,
            "schema": {"type": "string", "pattern": pattern},
            "example": example(source)["id"],
        }
    if route.args:
        args = route.args.model_json_schema(schema_generator=_Schemas)
        for name, schema in args["properties"].items():
            words = schema.pop("description")
            kinds = [kind for kind in schema.pop("anyOf", ()) if kind != {"type": "null"}]
            if kinds:  # absent is the only null a query string has
                del schema["default"]
            yield {
                "name": name,
                "in": "query",
                "description": words,
                "schema": schema | (kinds[0] if kinds else {}),
                "example": example("parameters")[name],
            }
    if route.body and route.status == 201:  # what is made, and not only asked for
        yield {"$ref": "#/components/parameters/IdempotencyKey"}


def _idempotency_key() -> Doc:
    return {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "Your own name for this call: sent again with the same key, it is done once "
        "and answered the same.",
        "schema": {"type": "string", "pattern": "^[ -~]{1,255}$"},
        "example": example("parameters")["Idempotency-Key"],
    }


def _links(operation: Operation) -> Iterator[tuple[str, Doc]]:
    """Where an id this operation answers can be used next."""
    if operation.route.path != f"/{operation.collection}":
        return
    made = operation.route.method == "POST"
    place = "$response.body#/id" if made else "$response.body#/data/0/id"
    for other in operations():
        below = other.route.path.startswith(f"/{operation.collection}/{{id}}")
        # What was only found in a list is not an example to delete.
        if below and (made or other.route.method != "DELETE"):
            yield other.id, {"operationId": other.id, "parameters": {"id": place}}


def _response_name(status: str) -> str:
    return "Internal" if status == "500" else PROBLEMS[status][0].__name__


def _refusal(status: str) -> Doc:
    cls, words = PROBLEMS[status]
    shown = next(row for row in codes() if row["status"] == int(status))
    if status == "400":
        shown = {"code": "input_invalid", "detail": "Some fields are wrong."}
    body: Doc = {
        "type": f"urn:payvand:problem:{shown['code']}",
        "title": cls.title,
        "status": int(status),
        "code": shown["code"],
        "detail": shown["detail"],
    }
    if status == "400":
        body["errors"] = [{"field": "amount", "message": "Input should be a valid integer"}]
    found: Doc = {
        "description": words,
        "content": {"application/problem+json": {"schema": _ref("Problem"), "example": body}},
    }
    if status in RETRIED:
        seconds = {"type": "integer", "minimum": 0}
        found["headers"] = {"Retry-After": {"description": "Seconds to wait.", "schema": seconds}}
    return found


def _webhook(model: type[events.Event]) -> Doc:
    type_ = str(model.model_fields["type"].default)
    shown = {k: v for k, v in event_example(type_).items() if k not in ONLY_OURS}
    signed = {
        "webhook-id": ("The event's id: the same on every try and replay.", shown["id"]),
        "webhook-timestamp": ("Seconds since 1970 of this try.", "1772353025"),
        "webhook-signature": (
            "`v1,` and the base64 HMAC-SHA256 of `id.timestamp.body` (Standard Webhooks).",
            "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=",
        ),
    }
    return {
        "post": {
            "operationId": "on_" + re.sub(r"\W", "_", type_),
            "tags": ["Webhooks"],
            "summary": _summary(model),
            "security": [],
            "parameters": [
                {
                    "name": name,
                    "in": "header",
                    "required": True,
                    "description": words,
                    "schema": {"type": "string"},
                    "example": value,
                }
                for name, (words, value) in signed.items()
            ],
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": _ref(model.__name__), "example": shown}},
            },
            "responses": {
                "2XX": {"description": "Understood. Anything else is tried again for 3 days."}
            },
        }
    }


# ── Files ─────────────────────────────────────────────────────────────────────────────────────────


def event_schema(model: type[events.Event]) -> Doc:
    """The JSON Schema of an event on the bus."""
    type_ = model.model_fields["type"].default
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:payvand:event:{type_}",
        "title": type_,
        **model.model_json_schema(mode="serialization", schema_generator=_Schemas),
    }


def files() -> dict[Path, str]:
    """Every generated file and what must be in it."""
    document = openapi()
    made = {
        SERVED / "openapi.json": _dump(document),
        SERVED / "docs.html": reference_page.render(document, codes()),
    }
    for type_, model in _published():
        made[EVENTS / f"{type_}.schema.json"] = _dump(event_schema(model))
    return made


def _dump(document: Doc) -> str:
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"


def stale() -> list[str]:
    """Generated files that are not what the code says, and schemas of events nobody sends."""
    made = files()
    found = [p for p, text in made.items() if not p.exists() or p.read_text("utf-8") != text]
    found += [p for p in EVENTS.glob("*.schema.json") if p not in made]
    return [str(path.relative_to(ROOT)) for path in found]


def main() -> int:
    """Write or compare."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="compare only")
    if parser.parse_args().check:
        different = stale()
        for name in different:
            print(f"{name} is not what the code says; run tools/contracts.py")
        return 1 if different else 0
    made = files()
    for path in EVENTS.glob("*.schema.json"):
        if path not in made:
            path.unlink()
    for path, text in made.items():
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
