"""What people put into a request that wants something else of us than the reference says.

Every request model of the contract, field by field: fields that are the server's, values of other
types, numbers that are none, text that lies about itself, card numbers. All of it is refused by
name, and nothing is kept.
"""

import copy
import gzip
import itertools
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

import httpx
import pytest

from payvand.money import AMOUNT_MAX
from tests.adversary.matrix import Operation, operations
from tests.support.local_stack import LocalStack
from tests.support.merchant import create, show, try_create
from tests.support.world import Got, World
from tools import contracts

DOCUMENT: Final = json.loads((contracts.SERVED / "openapi.json").read_text("utf-8"))
SCHEMAS: Final[dict[str, Any]] = DOCUMENT["components"]["schemas"]
WRITES: Final = [row for row in operations() if row.body is not None]
KEPT_IN: Final = ("PaymentsTable", "ReferencesTable", "SettlementTable", "WebhooksTable")
Path = tuple[str | int, ...]

PAN: Final = "4111111111111111"
GROUPED: Final = "4111 1111 1111 1111"
MAY_LOOK_LIKE_A_CARD: Final = {
    "reference": "a name may be any number; in groups it is refused",
    "return_url": "an address may name an order by any number; it is never shown",
    "url": "the same, of a webhook",
    "payer.email": "an address before the @; stored sealed",
    "allowed_cards.0": "asks for card numbers; stored sealed, docs/threat-model.md",
}
"""Fields that take sixteen digits which happen to be a card's, and why."""


def schema_of(row: Operation) -> dict[str, Any]:
    item = DOCUMENT["paths"][row.path][row.method.lower()]["requestBody"]
    return resolved(item["content"]["application/json"]["schema"])


def resolved(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A schema without references and without the null beside it."""
    if "$ref" in schema:
        return resolved(SCHEMAS[schema["$ref"].rpartition("/")[2]])
    options = [s for s in schema.get("anyOf", ()) if s.get("type") != "null"]
    if options:
        return {**schema, **resolved(options[0])}
    return dict(schema)


def leaves(schema: Mapping[str, Any], at: Path = ()) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Every place in a body where a plain value stands."""
    schema = resolved(schema)
    if "properties" in schema:
        for name, inner in schema["properties"].items():
            yield from leaves(inner, (*at, name))
    elif schema.get("type") == "array":
        yield from leaves(schema["items"], (*at, 0))
    elif schema.get("type") == "object":
        yield from leaves(schema.get("additionalProperties", {}), (*at, "note"))
    else:
        yield at, schema


def put(body: Any, at: Path, value: Any) -> Any:
    """A body with a value at a place."""
    changed = copy.deepcopy(body)
    inner = changed
    for step, following in itertools.pairwise(at):
        if isinstance(following, int):
            inner[step] = [None]
        else:
            inner.setdefault(step, {})
        inner = inner[step]
    inner[at[-1]] = value
    return changed


def name(at: Path) -> str:
    return ".".join(map(str, at))


@pytest.fixture
def paths(world: World, key: str) -> dict[str, str]:
    """Where each operation of writing goes, with an id of the merchant's own."""
    payment = create(world, key, 77_000)
    return {row.id: row.path.replace("{id}", payment["id"]) for row in WRITES}


@pytest.fixture
def kept(world: World, paths: dict[str, str]) -> Iterator[None]:
    """Nothing is stored by a test that asks for this."""

    def look() -> list[str]:
        return sorted(repr(item) for table in KEPT_IN for item in world.items(table))

    before = look()
    yield
    assert look() == before


def refused(got: Got, at: str = "") -> None:
    """A problem that names the field and repeats nothing that was sent."""
    assert got.status == 400, got.text
    assert got.headers["Content-Type"] == "application/problem+json"
    problem = got.json()
    assert problem["code"] in {"input_invalid", "json_invalid", "body_too_large"}, problem
    if at:
        assert at in {error["field"] for error in problem["errors"]}, (at, problem)


# ── fields that are the server's ──────────────────────────────────────────────────────────────

SERVERS_OWN: Final = sorted(
    {
        name
        for schema in SCHEMAS.values()
        for name in schema.get("properties", {})
    }
    | {
        "merchant", "merchant_id", "mode", "fee_plan", "fee_minor", "rev", "legs", "attempts",
        "execution", "payer_sealed", "__proto__", "constructor", "__class__", "$ref", "pk", "sk",
        "shard", "amount_minor", "secret", "version", "is_admin",
    }
)  # fmt: skip


@pytest.mark.parametrize("row", WRITES, ids=lambda row: row.id)
def test_nobody_sets_what_is_the_servers(
    world: World, key: str, paths: dict[str, str], kept: None, row: Operation
) -> None:
    own = set(resolved(schema_of(row))["properties"])
    for extra in SERVERS_OWN:
        if extra not in own:
            refused(world.call("POST", paths[row.id], row.body | {extra: "executed"}, key), extra)
    for at, schema in [((n,), resolved(s)) for n, s in schema_of(row)["properties"].items()]:
        if "properties" in schema:
            refused(world.call("POST", paths[row.id], put(row.body, (*at, "id"), 1), key))


# ── values of other types ─────────────────────────────────────────────────────────────────────

NO_INTEGER: Final[tuple[Any, ...]] = (
    True, False, 1.0, 250_000.0, 1.5, 1e3, "250000", "250_000", "۲۵۰۰۰۰", "٢٥٠٠٠٠", "1e3", "0x10",
    "", "-0", [], [1], {}, {"value": 1}, 0, -1, AMOUNT_MAX + 1, 2**63, 10**30, 10**4_000,
)  # fmt: skip
NO_TEXT: Final[tuple[Any, ...]] = (True, 0, 1.5, 10**30, [], ["a"], {}, {"a": "b"})
LITERALS: Final = ("NaN", "Infinity", "-Infinity", "1e400", "-1e400", "0x10", "01", "+1", "1_0",
                   "۱۲", "1.", ".5", "9" * 5_000, "undefined", "'a'")  # fmt: skip

TOO_FAR: Final = ("1e400", "-1e400")
"""JSON, though no float holds them."""


@pytest.mark.parametrize("row", WRITES, ids=lambda row: row.id)
def test_a_value_of_another_type_is_refused_by_name(
    world: World, key: str, paths: dict[str, str], kept: None, row: Operation
) -> None:
    for at, schema in leaves(schema_of(row)):
        values = NO_INTEGER if schema.get("type") == "integer" else NO_TEXT
        for value in values:
            got = world.call("POST", paths[row.id], put(row.body, at, value), key)
            refused(got, name(at))


@pytest.mark.parametrize("row", WRITES, ids=lambda row: row.id)
def test_a_number_that_is_none_is_not_json(
    world: World, key: str, paths: dict[str, str], kept: None, row: Operation
) -> None:
    for at, _ in leaves(schema_of(row)):
        text = json.dumps(put(row.body, at, "@@"))
        for literal in LITERALS:
            got = world.call("POST", paths[row.id], text.replace('"@@"', literal), key)
            refused(got)
            assert (got.json()["code"] == "json_invalid") is (literal not in TOO_FAR), literal


# ── text that lies about itself ───────────────────────────────────────────────────────────────

LIES: Final = {
    "NUL": "a\0b", "newline": "a\nb", "header": "a\r\nSet-Cookie: a=b", "escape": "\x1b[31m",
    "delete": "a\x7f", "right to left": "abc\u202egnp.exe", "isolate": "\u2066a", "pop": "a\u2069",
    "line": "a\u2028b", "paragraph": "a\u2029b", "private": "\ue000", "lost": "a\ufffd",
    "next line": "a\x85b",
}  # fmt: skip


@pytest.mark.parametrize("row", WRITES, ids=lambda row: row.id)
def test_text_that_lies_about_itself_is_refused(
    world: World, key: str, paths: dict[str, str], kept: None, row: Operation
) -> None:
    for at, schema in leaves(schema_of(row)):
        if schema.get("type") != "string":
            continue
        for lie in LIES.values():
            refused(world.call("POST", paths[row.id], put(row.body, at, lie), key), name(at))
        for half in (r"\ud800", r"\udfff", r"\ude00\ud83d"):
            body = json.dumps(put(row.body, at, "@@")).replace("@@", half)
            refused(world.call("POST", paths[row.id], body, key))


def test_names_in_metadata_lie_no_more_than_values(world: World, key: str, kept: None) -> None:
    for lie in (*LIES.values(), "", PAN, GROUPED):
        refused(try_create(world, key, metadata={lie: "x"}))


# ── card numbers ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("row", WRITES, ids=lambda row: row.id)
def test_no_field_takes_a_card_number(
    world: World, key: str, paths: dict[str, str], kept: None, row: Operation
) -> None:
    in_digits = str.maketrans("0123456789", "۰۱۲۳۴۵۶۷۸۹")
    for at, schema in leaves(schema_of(row)):
        if schema.get("type") != "string" or name(at) in MAY_LOOK_LIKE_A_CARD:
            continue
        for card in (PAN, GROUPED, PAN.translate(in_digits), f"card {GROUPED} 12/27"):
            refused(world.call("POST", paths[row.id], put(row.body, at, card), key), name(at))


def test_a_reference_written_as_on_a_card_is_refused(world: World, key: str, kept: None) -> None:
    for card in (GROUPED, GROUPED.replace(" ", "-"), f"order {GROUPED}"):
        refused(try_create(world, key, reference=card), "reference")


def test_a_merchants_own_numbers_are_taken(world: World, key: str) -> None:
    """Else one shop in twenty-five orders could not be paid."""
    assert try_create(world, key, reference=PAN).status == 201
    letter: dict[str, Any] = {
        "reference": "r-2",
        "description": f"order A{PAN}",
        "metadata": {"order": f"A{PAN}"},
    }
    assert try_create(world, key, **letter).status == 201


# ── bodies ────────────────────────────────────────────────────────────────────────────────────


def bodies() -> dict[str, tuple[bytes, dict[str, str]]]:
    """Bytes that are no JSON object of ours, and the headers they come with."""
    good = contracts.example("CreatePayment")
    text = json.dumps(good).encode()
    kind = "Content-Type"
    twice = text.replace(b'{"amount"', b'{"amount": 1, "amount"')
    assert twice != text
    return {
        "nothing": (b"", {}),
        "a mark before it": (b"\xef\xbb\xbf" + text, {}),
        "another encoding": (json.dumps(good).encode("utf-16"), {}),
        "not UTF-8": (text.replace(b"order-1042", b"order-\xff\xfe"), {}),
        "cut off": (text[:-1], {}),
        "two of them": (text + text, {}),
        "a list of it": (b"[" + text + b"]", {}),
        "a name twice": (twice, {}),
        "ten thousand levels": (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, {}),
        "levels in metadata": (put_raw(good, b"[" * 10_000 + b"]" * 10_000), {}),
        "lists without end": (b"[" * 60_000, {}),
        "too much": (put_raw(good, b'"' + b"x" * 70_000 + b'"'), {}),
        "far too much": (b'{"a":"' + b"x" * 2_000_000 + b'"}', {}),
        "a million names": (b"{" + b",".join(b'"%d":1' % n for n in range(5_000)) + b"}", {}),
        "a form": (b"amount=1&currency=IRR", {kind: "application/x-www-form-urlencoded"}),
        "parts": (b"--x\r\n\r\n{}\r\n--x--", {kind: "multipart/form-data; boundary=x"}),
        "XML": (b"<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>",
                {kind: "application/xml"}),
        "packed": (gzip.compress(text), {"Content-Encoding": "gzip"}),
        "a pickle": (b"\x80\x04\x95.", {kind: "application/python-pickle"}),
    }  # fmt: skip


def put_raw(body: Mapping[str, Any], value: bytes) -> bytes:
    return json.dumps({**body, "metadata": {"a": "@@"}}).encode().replace(b'"@@"', value)


def test_deployed_every_odd_body_is_refused_in_our_words(local_stack: LocalStack) -> None:
    headers = {"Authorization": f"Bearer {local_stack.local['api_key']}"}
    with httpx.Client(base_url=local_stack.url, headers=headers, timeout=40) as client:
        before = client.get("/payments").json()
        for what, (body, more) in bodies().items():
            sent = {"Content-Type": "application/json", **more}
            answer = client.post("/payments", content=body, headers=sent)
            assert answer.status_code == 400, (what, answer.text)
            assert answer.headers["Content-Type"] == "application/problem+json", what
            assert answer.json()["code"] in {"json_invalid", "input_invalid", "body_too_large"}
            assert "Traceback" not in answer.text and "/var/task" not in answer.text
        assert client.get("/payments").json() == before


def test_what_the_body_says_it_is_changes_nothing(world: World, key: str) -> None:
    """A call needs its key, which no page of another site can send: the type guards nothing."""
    body = json.dumps(contracts.example("CreatePayment"))
    for kind in ("text/plain", "application/json; charset=utf-7", "image/png", ""):
        got = world.call("POST", "/payments", body, key, {"Content-Type": kind})
        assert got.status == 201
        assert got.headers["Content-Type"] == "application/json"
    got = world.call("POST", "/payments", body, key)
    assert show(world, key, got.json()["id"])["reference"] == "order-1042"
