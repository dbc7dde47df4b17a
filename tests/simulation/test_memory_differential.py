"""Memory against MiniStack: the same random requests, equal answers and equal refusals.

Where MiniStack is known to differ from what AWS documents, the difference has a test of its own
below (`test_ministack_…`), and requests that Memory refuses for such a reason are not sent to it.
"""

import itertools
import random
import re
from collections.abc import Iterator
from typing import Any, Final

import pytest
from botocore.exceptions import ClientError

from payvand_cli.simulate.memory import Memory
from payvand_cli.stack import Stack
from tests.simulation import wire_requests
from tests.simulation.wire_requests import TABLES, Op, Requests

RUNS: Final = 14
REQUESTS: Final = 120


@pytest.fixture(scope="module")
def ministack(bare_emulator: Stack) -> Iterator[Any]:
    client: Any = bare_emulator.dynamodb
    for name, schema in TABLES.items():
        kinds = {schema.partition: schema.partition_kind}
        if schema.sort is not None:
            kinds[schema.sort] = schema.sort_kind
        client.create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[
                {"AttributeName": key, "AttributeType": kind} for key, kind in kinds.items()
            ],
            KeySchema=[
                {"AttributeName": key, "KeyType": role}
                for key, role in zip(kinds, ("HASH", "RANGE"), strict=False)
            ],
        )
    yield client
    for name in TABLES:
        client.delete_table(TableName=name)


# ── comparing ─────────────────────────────────────────────────────────────────────────────────

AT_RUN_TIME: Final = (
    "The document path provided in the update expression is invalid for update",
    "The provided expression refers to an attribute that does not exist in the item",
    "An operand in the update expression has an incorrect data type",
    # MiniStack's word for a place below a scalar
    "Supplied AttributeValue has more than one datatypes set",
)
"""Of several, which one is named first is not said anywhere."""


def tidy(value: Any) -> Any:
    """Without the order of sets, which has no meaning."""
    if isinstance(value, dict):
        return {
            name: sorted(part) if name in {"SS", "NS", "BS"} else tidy(part)
            for name, part in value.items()
        }
    return [tidy(part) for part in value] if isinstance(value, list) else value


def spoken(message: str) -> str:
    """A message without the text it quotes."""
    message = message.removeprefix("1 validation error detected: ")
    if message.startswith(AT_RUN_TIME):
        return "update refused"
    if message.startswith("ExpressionAttribute"):
        message = message.partition(":")[0]
    return re.split(r"; (?:token|attribute|lower bound)|: \[?\{", message)[0]


def outcome(client: Any, op: Op) -> Any:
    """What an operation answers, or how it is refused."""
    method, request = op
    try:
        answer = getattr(client, method)(**request)
    except ClientError as exc:
        response: Any = exc.response
        reasons = [
            (r["Code"], spoken(r.get("Message", "")), tidy(r.get("Item")))
            for r in response.get("CancellationReasons", [])
        ]
        error = response["Error"]
        return error["Code"], spoken(error["Message"]), tidy(response.get("Item")), reasons
    answer.pop("ResponseMetadata")
    return tidy(answer)


def everything(client: Any, run: str) -> list[Any]:
    """All items of a run, in order."""
    text = "pk = :pk"
    requests = [
        {
            "TableName": table,
            "KeyConditionExpression": text,
            "ExpressionAttributeValues": {":pk": {"S": run + owner}},
        }
        for table in TABLES
        for owner in "pq"
    ]
    return [outcome(client, ("query", request)) for request in requests]


def known(op: Op, answer: Any) -> bool:
    """Whether Memory's refusal is one that MiniStack is known not to give."""
    if not isinstance(answer, tuple):
        return False
    said = [answer[1], *(reason[1] for reason in answer[3])]
    if any(re.search("Two document paths|The first operand must be distinct", s) for s in said):
        return True
    schema = any(re.search("key element does not match|Missing the key", s) for s in said)
    if schema and op[0] == "transact_write_items":
        return True
    nested = re.search(r"'UpdateExpression': '[^']*[.\[]", repr(op))
    return "update refused" in said and nested is not None


def narrowed(op: Op, mine: Any, theirs: Any) -> Any:
    """Of a transaction answered twice, only the actions the answers differ about."""
    if not (isinstance(mine, tuple) and isinstance(theirs, tuple) and mine[3] and theirs[3]):
        return op
    told = zip(op[1]["TransactItems"], mine[3], theirs[3], strict=True)
    return [(action, one, other) for action, one, other in told if one != other]


@pytest.mark.parametrize("seed", range(RUNS))
def test_random_requests_are_answered_alike(ministack: Any, seed: int) -> None:
    """Seeds are fixed: what is new in MiniStack is found by who changes its pin."""
    memory = Memory(TABLES, now=lambda: 0.0)
    run = f"r{seed}."
    requests = Requests(random.Random(seed), memory, run)
    for op in requests.seed():
        assert outcome(memory, op) == outcome(ministack, op), op
    for _ in range(REQUESTS):
        op = requests.draw()
        answer = outcome(memory, op)
        if not known(op, answer):
            other = outcome(ministack, op)
            assert answer == other, narrowed(op, answer, other)
    assert everything(memory, run) == everything(ministack, run)


def test_the_product_s_own_expressions_are_among_them() -> None:
    assert set(wire_requests.GUARDED) <= set(wire_requests.CONDITIONS)
    assert "SET #refunds.#key = :refund, #refunded = #refunded + :amount" in wire_requests.UPDATES
    assert "ADD offset_s :s" in wire_requests.UPDATES
    assert "#pk = :pk AND begins_with(#sk, :prefix)" in wire_requests.KEY_CONDITIONS
    assert len(wire_requests.UPDATES) > 12
    assert len(wire_requests.KEY_CONDITIONS) > 3


# ── where MiniStack is not AWS ────────────────────────────────────────────────────────────────
# A failure of one of these is good news: the difference is gone, and the requests that avoid it in
# wire_requests or in `known` can come back.

_one = itertools.count()


@pytest.fixture
def both(ministack: Any) -> tuple[Memory, Any, dict[str, Any]]:
    """Memory, MiniStack and a key of their own in table Pairs."""
    key = {"pk": {"S": f"hole{next(_one)}"}, "sk": {"S": "0"}}
    return Memory(TABLES, now=lambda: 0.0), ministack, {"TableName": "Pairs", "Key": key}


def answers(clients: tuple[Any, ...], method: str, request: dict[str, Any]) -> list[Any]:
    return [outcome(client, (method, request)) for client in clients]


def put(clients: tuple[Any, ...], at: dict[str, Any], **attributes: Any) -> None:
    for client in clients:
        client.put_item(TableName=at["TableName"], Item=at["Key"] | attributes)


REFUSED: Final = "ValidationException"


def refused_by_memory_alone(found: list[Any], why: str) -> None:
    """AWS documents the refusal; MiniStack answers as if nothing were wrong."""
    mine, theirs = found
    assert mine[0] == REFUSED, mine
    assert re.search(why, mine[1]), mine
    assert isinstance(theirs, dict) or theirs[0] != REFUSED, theirs


def test_ministack_lets_targets_of_an_update_overlap(both: Any) -> None:
    *clients, at = both
    put(tuple(clients), at, m={"M": {}})
    request = at | {
        "UpdateExpression": "SET m.a = :v, m = :m",
        "ExpressionAttributeValues": {":v": {"N": "1"}, ":m": {"M": {}}},
    }
    found = answers(tuple(clients), "update_item", request)
    refused_by_memory_alone(found, r"Two document paths overlap .* one: \[m, a\], path two: \[m\]")


@pytest.mark.parametrize("update", ["REMOVE gone.a", "ADD gone.a :v", "ADD gone[0] :v"])
def test_ministack_changes_what_is_below_nothing(both: Any, update: str) -> None:
    *clients, at = both
    given = {"ExpressionAttributeValues": {":v": {"N": "1"}}} if ":v" in update else {}
    request = at | {"UpdateExpression": update} | given
    refused_by_memory_alone(answers(tuple(clients), "update_item", request), "update refused")


@pytest.mark.parametrize("sign", ["=", "<>", "<", "IN"])
def test_ministack_compares_an_attribute_with_itself(both: Any, sign: str) -> None:
    *clients, at = both
    put(tuple(clients), at, a={"N": "1"})
    text = "a IN (a)" if sign == "IN" else f"a {sign} a"
    found = answers(tuple(clients), "delete_item", at | {"ConditionExpression": text})
    refused_by_memory_alone(found, "The first operand must be distinct")


def test_ministack_takes_two_missing_attributes_for_equal(both: Any) -> None:
    *clients, at = both
    found = answers(tuple(clients), "delete_item", at | {"ConditionExpression": "a = b"})
    assert found[0][0] == "ConditionalCheckFailedException"
    assert found[1] == {}


def test_ministack_gives_a_number_a_size(both: Any) -> None:
    *clients, at = both
    put(tuple(clients), at, a={"N": "7"})
    request = at | {
        "ConditionExpression": "size(a) = :n",
        "ExpressionAttributeValues": {":n": {"N": "0"}},
    }
    found = answers(tuple(clients), "delete_item", request)
    assert found[0][0] == "ConditionalCheckFailedException"
    assert found[1] == {}


@pytest.mark.parametrize(
    "text", ["a = :n OR a < :m", "a = :n OR a BETWEEN :m AND :m", "a = :n OR begins_with(b, :m)"]
)
def test_ministack_judges_a_literal_s_kind_late_or_never(both: Any, text: str) -> None:
    *clients, at = both
    put(tuple(clients), at, a={"N": "7"})
    given = {":n": {"N": "7"}, ":m": {"M": {}}}
    request = at | {"ConditionExpression": text, "ExpressionAttributeValues": given}
    found = answers(tuple(clients), "delete_item", request)
    refused_by_memory_alone(found, "Incorrect operand type .*, operand type: M")


def test_ministack_reckons_with_28_digits(both: Any) -> None:
    *clients, at = both
    put(tuple(clients), at, n={"N": "1" * 38})
    request = at | {
        "UpdateExpression": "SET n = n + :one",
        "ExpressionAttributeValues": {":one": {"N": "1"}},
        "ReturnValues": "ALL_NEW",
    }
    mine, theirs = answers(tuple(clients), "update_item", request)
    assert mine["Attributes"]["n"] == {"N": "1" * 37 + "2"}
    assert theirs["Attributes"]["n"] != mine["Attributes"]["n"]


def test_ministack_shifts_a_list_between_removals(both: Any) -> None:
    *clients, at = both
    put(tuple(clients), at, l={"L": [{"N": "0"}, {"N": "1"}, {"N": "2"}]})
    request = at | {"UpdateExpression": "REMOVE l[0], l[1]", "ReturnValues": "ALL_NEW"}
    mine, theirs = answers(tuple(clients), "update_item", request)
    assert mine["Attributes"]["l"] == {"L": [{"N": "2"}]}
    assert theirs["Attributes"]["l"] == {"L": [{"N": "1"}]}


def test_ministack_keeps_a_number_s_spelling_in_a_transaction(both: Any) -> None:
    *clients, at = both
    update = at | {
        "UpdateExpression": "SET n = :n",
        "ExpressionAttributeValues": {":n": {"L": [{"N": "1E2"}]}},
    }
    answers(tuple(clients), "transact_write_items", {"TransactItems": [{"Update": update}]})
    mine, theirs = answers(tuple(clients), "get_item", at)
    assert mine["Item"]["n"] == {"L": [{"N": "100"}]}
    assert theirs["Item"]["n"] == {"L": [{"N": "1E2"}]}


@pytest.mark.parametrize("key", [{"pk": {"S": "x"}}, {"more": {"S": "x"}}])
def test_ministack_takes_any_key_in_a_transaction(both: Any, key: dict[str, Any]) -> None:
    *clients, at = both
    check = at | {
        "Key": key if "pk" in key else at["Key"] | key,
        "ConditionExpression": "attribute_not_exists(pk)",
    }
    request = {"TransactItems": [{"ConditionCheck": check}]}
    mine, theirs = answers(tuple(clients), "transact_write_items", request)
    reason = ("ValidationError", "The provided key element does not match the schema", None)
    assert mine[3] == [reason]
    assert theirs == {}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("pk = :pk OR sk = :sk", "Invalid operator used in KeyConditionExpression: OR"),
        ("pk = :pk AND sk = :sk AND", "Syntax error"),
        ("pk = :pk AND sk BETWEEN :sk AND :n", "same data type for lower and upper bounds"),
    ],
)
def test_ministack_reads_what_is_no_key_condition(both: Any, text: str, why: str) -> None:
    *clients, at = both
    given = {":pk": at["Key"]["pk"], ":sk": {"S": "a"}, ":n": {"N": "1"}}
    request = {
        "TableName": "Pairs",
        "KeyConditionExpression": text,
        "ExpressionAttributeValues": {name: v for name, v in given.items() if name in text.split()},
    }
    refused_by_memory_alone(answers(tuple(clients), "query", request), why)


def test_ministack_starts_a_page_in_another_partition(both: Any) -> None:
    *clients, at = both
    request = {
        "TableName": "Singles",
        "KeyConditionExpression": "pk = :pk",
        "ExpressionAttributeValues": {":pk": at["Key"]["pk"]},
        "ExclusiveStartKey": {"pk": {"S": "another"}},
    }
    found = answers(tuple(clients), "query", request)
    refused_by_memory_alone(found, "outside query boundaries")


def test_ministack_reads_updates_that_do_not_end(both: Any) -> None:
    *clients, at = both
    found = answers(tuple(clients), "update_item", at | {"UpdateExpression": "REMOVE l["})
    refused_by_memory_alone(found, "Syntax error")
