"""What is committed is what the code says, and the template deploys it."""

import importlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import schemathesis

from functions.announce import handler as announce
from payvand import events
from payvand.edge import api
from payvand.edge.api import Route
from payvand.errors import BadInput, TooMany
from tests.support import template
from tools import contracts

ROOT = contracts.ROOT
DOCUMENT: dict[str, Any] = contracts.openapi()


def operations() -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def validator(name: str) -> jsonschema_rs.Validator:
    schema = {"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]}
    return jsonschema_rs.validator_for(schema)


def test_committed_files_are_what_the_code_says() -> None:
    assert contracts.stale() == [], "run tools/contracts.py"


def test_the_document_is_kept_once() -> None:
    link = ROOT / "contracts" / "openapi.json"
    assert link.is_symlink()
    assert link.resolve() == ROOT / "functions" / "reference" / "openapi.json"


def test_the_document_is_valid_openapi() -> None:
    schemathesis.openapi.from_dict(DOCUMENT).validate()


def test_every_reference_leads_somewhere() -> None:
    for ref in references(DOCUMENT):
        target = DOCUMENT
        for part in ref.removeprefix("#/").split("/"):
            target = target[part]
        assert target


def test_no_component_is_left_over() -> None:
    used = {ref.rpartition("/")[2] for ref in references(DOCUMENT)}
    named = set(DOCUMENT["components"]["schemas"]) | set(DOCUMENT["components"]["responses"])
    assert named <= used


def test_operation_names_are_unique_and_links_lead_to_them() -> None:
    names = [operation["operationId"] for _, operation in operations()]
    assert len(names) == len(set(names))
    for _, operation in operations():
        for response in operation["responses"].values():
            for link in response.get("links", {}).values():
                assert link["operationId"] in names


# ── The template deploys what the code serves ─────────────────────────────────────────────────────


def in_code() -> dict[tuple[str, str, str], bool]:
    """(method, path, folder) → public."""
    return {
        (route.method, route.path, folder): route.scope is None
        for folder, route in contracts.routes()
    }


def in_template() -> dict[tuple[str, str, str], bool]:
    return {
        (route.method, route.path, template.folder(route.function)): route.public
        for route in template.routes()
        if template.folder(route.function) != "lab"  # it has one door for all of its own paths
    }


def test_every_route_is_an_event_of_its_function_and_nothing_else_is() -> None:
    assert in_code() == in_template()


def test_only_pages_are_public() -> None:
    for folder, route in contracts.routes():
        assert (route.scope is None) == route.page, f"{folder}: {route.method} {route.path}"


def test_every_function_with_api_events_serves_routes() -> None:
    for route in template.routes():
        name = template.folder(route.function)
        assert hasattr(importlib.import_module(f"functions.{name}.handler"), "lambda_handler")


def test_rules_match_exactly_what_is_published() -> None:
    for rule in template.resources("AWS::Events::Rule").values():
        pattern = rule["EventPattern"]
        assert pattern["source"] == [announce.SOURCE]
        asked = pattern["detail-type"]
        for one in asked:
            assert any(matches(one, type_) for type_ in events.TYPES), f"{one} matches nothing"
        for type_ in events.TYPES:
            assert any(matches(one, type_) for one in asked), f"{type_} is not relayed"


def matches(pattern: str | dict[str, str], type_: str) -> bool:
    """EventBridge's own rule for the two forms that are used."""
    if isinstance(pattern, str):
        return pattern == type_
    assert set(pattern) == {"prefix"}
    return type_.startswith(pattern["prefix"])


# ── Words and examples ────────────────────────────────────────────────────────────────────────────


def test_every_operation_is_described() -> None:
    for name, operation in operations():
        assert operation["summary"] and operation["description"].endswith("."), name
        for parameter in operation.get("parameters", ()):
            if "$ref" not in parameter:
                assert parameter["description"] and "example" in parameter, name


def test_every_field_is_described() -> None:
    for name, schema in DOCUMENT["components"]["schemas"].items():
        for field, one in schema.get("properties", {}).items():
            words = one.get("description", "")
            assert len(words) > 3 and words.endswith((".", ")")), f"{name}.{field}"


def bodies() -> Iterator[tuple[str, str, Any]]:
    """(where, schema name, example) of everything that is sent, answered or told."""
    told = ((name, one["post"]) for name, one in DOCUMENT["webhooks"].items())
    for name, operation in [*operations(), *told]:
        whole = [operation.get("requestBody", {}), *operation["responses"].values()]
        for one in whole:
            found = one
            if "$ref" in one:
                found = DOCUMENT["components"]["responses"][one["$ref"].rpartition("/")[2]]
            for content in found.get("content", {}).values():
                yield name, content["schema"]["$ref"].rpartition("/")[2], content["example"]


def test_every_example_is_valid_and_whole() -> None:
    for name, schema, example in bodies():
        errors = [error.message for error in validator(schema).iter_errors(example)]
        assert not errors, f"{name}: {schema}: {errors}"
        if schema.startswith(("Create", "Problem")):
            continue
        missing = DOCUMENT["components"]["schemas"][schema]["properties"].keys() - example.keys()
        assert not missing, f"{name}: {schema} lacks {missing}"


def test_request_examples_are_taken_by_the_models() -> None:
    for operation in contracts.operations():
        if operation.body:
            name = operation.body.__name__
            operation.body.model_validate(contracts.example(name))
        if operation.route.args:
            fields = operation.route.args.model_fields
            asked = {field: contracts.example("parameters")[field] for field in fields}
            operation.route.args.model_validate(asked)


def test_no_example_is_left_over() -> None:
    models = [m for o in contracts.operations() for m in (o.body, o.answer) if m]
    names = {m.__name__.removesuffix("View") for m in models} | {"parameters"}
    names |= {operation.id for operation in contracts.operations()}
    assert {path.stem for path in contracts.EXAMPLES.glob("*.json")} <= names


# ── Problems ──────────────────────────────────────────────────────────────────────────────────────


def test_our_own_problems_are_as_described() -> None:
    for refusal in (
        BadInput("input_invalid", "Some fields are wrong.", errors=[("amount", "too much")]),
        TooMany("too_many_requests", "Slow down.", retry_after_s=1),
    ):
        validator("Problem").validate(json.loads(api.problem(refusal, "r-1").body))


def test_the_gateways_problems_are_as_described() -> None:
    answers = template.resources("AWS::Serverless::Api")["Api"]["GatewayResponses"]
    for answer in answers.values():
        body = json.loads(answer["ResponseTemplates"]["application/json"])
        validator("Problem").validate(body)
        assert body["type"] == f"urn:payvand:problem:{body['code']}"


def test_every_code_that_is_raised_is_listed() -> None:
    listed = {(row["status"], row["code"]) for row in contracts.codes()}
    assert {
        (400, "input_invalid"), (400, "json_invalid"), (400, "idempotency_key_invalid"),
        (401, "unauthenticated"), (403, "scope_missing"), (404, "not_found"),
        (409, "reference_reused"), (409, "refund_exceeds_payment"),
        (429, "too_many_requests"), (500, "internal_error"), (503, "busy"),
        (503, "channel_unavailable"),
    } <= listed  # fmt: skip
    for row in contracts.codes():
        assert re.fullmatch(r"[a-z][a-z_]+", row["code"]) and row["detail"].endswith("."), row


def test_a_route_names_only_problems_that_are_known() -> None:
    for _, route in contracts.routes():
        assert set(route.problems) <= set(contracts.PROBLEMS)


# ── Events ────────────────────────────────────────────────────────────────────────────────────────


def dated() -> list[Path]:
    return sorted(contracts.EVENTS.glob("*.????-??-??.json"))


@pytest.mark.parametrize("model", events.PUBLISHED, ids=events.TYPES)
def test_every_event_has_a_dated_example(model: type[events.Event]) -> None:
    type_ = str(model.model_fields["type"].default)
    assert [path for path in dated() if path.name.startswith(f"{type_}.")]


@pytest.mark.parametrize("path", dated(), ids=lambda path: path.name)
def test_whoever_wrote_a_dated_example_is_still_understood(path: Path) -> None:
    type_, _, _ = path.name.removesuffix(".json").rpartition(".")
    model = dict(zip(events.TYPES, events.PUBLISHED, strict=True))[type_]
    event = json.loads(path.read_text(encoding="utf-8"))
    known = model.model_validate(event)  # what was added since is not in it
    assert json.loads(known.model_dump_json(exclude_unset=True)) == event
    schema = json.loads((contracts.EVENTS / f"{type_}.schema.json").read_text(encoding="utf-8"))
    jsonschema_rs.validator_for(schema).validate(event)


def test_a_version_is_part_of_every_name() -> None:
    for type_ in events.TYPES:
        assert re.fullmatch(r"(payment|payout)\.[a-z_]+\.v[1-9][0-9]*", type_)


# ── The generator itself ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("POST", "/payments", "create_payment"),
        ("GET", "/payments", "list_payments"),
        ("GET", "/payments/{id}", "get_payment"),
        ("GET", "/payments/{id}/refunds", "list_payment_refunds"),
        ("GET", "/balance", "get_balance"),
        ("GET", "/ledger/entries", "list_ledger_entries"),
        ("DELETE", "/webhook_endpoints/{id}", "delete_webhook_endpoint"),
        ("POST", "/webhook_deliveries/{id}/replay", "replay_webhook_delivery"),
    ],
)
def test_names_follow_from_method_and_path(method: str, path: str, name: str) -> None:
    route = Route(method, path, lambda _: api.Response(200), "")
    assert contracts.Operation(route).id == name
