"""The in-memory DynamoDB by itself: what it bills, tells, keeps, and refuses."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from payvand.errors import Overtaken
from payvand.store.table import Table
from payvand_cli.simulate.memory import KeySchema, Memory, NotModelled
from payvand_cli.simulate.values import canonical, weigh, weigh_item
from tests.support import template

KB = 1024
KEY = {"pk": {"S": "p"}, "sk": {"S": "s"}}
TABLES = {"T": KeySchema("pk", "sk"), "U": KeySchema("id")}


class Clock:
    def __init__(self) -> None:
        self.now = 1_777_883_400.25

    def __call__(self) -> float:
        return self.now


def made(**options: Any) -> Memory:
    return Memory(TABLES, now=lambda: 0.0, **options)


def sized(total: int, **attributes: Any) -> dict[str, Any]:
    """An item of just so many bytes."""
    item = KEY | attributes | {"x": {"S": ""}}
    return item | {"x": {"S": "x" * (total - weigh_item(item))}}


def put(memory: Memory, item: dict[str, Any], **more: Any) -> Any:
    return memory.put_item(TableName="T", Item=item, **more)


def refusal(do: Callable[..., Any], **request: Any) -> Any:
    with pytest.raises(ClientError) as refused:
        do(**request)
    return refused.value.response


# ── sizes: AWS, "DynamoDB item sizes and formats" ─────────────────────────────────────────────


@pytest.mark.parametrize(
    ("value", "size"),
    [
        ({"S": "abc"}, 3),
        ({"S": "é"}, 2),  # UTF-8
        ({"S": "سلام"}, 8),
        ({"N": "0"}, 1),
        ({"N": "7"}, 2),  # one byte for two digits, and one
        ({"N": "12"}, 2),
        ({"N": "123"}, 3),
        ({"N": "100000000"}, 2),  # zeros at either end are trimmed
        ({"N": "-5"}, 3),
        ({"N": "0.0001"}, 2),
        ({"N": "1777883400000"}, 6),
        ({"B": b"\x00\x01"}, 2),
        ({"BOOL": False}, 1),
        ({"NULL": True}, 1),
        ({"L": []}, 3),
        ({"M": {}}, 3),
        ({"L": [{"S": "a"}, {"S": "bc"}]}, 3 + 2 + 3),  # and one byte for each element
        ({"M": {"k": {"S": "a"}}}, 3 + 1 + 1 + 1),
        ({"SS": ["a", "bc"]}, 3),
        ({"NS": ["1", "100"]}, 4),
    ],
)
def test_a_value_weighs_what_aws_says(value: Any, size: int) -> None:
    assert weigh(value) == size
    assert weigh_item({"né": value}) == 3 + size


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4))
def test_a_number_has_one_spelling(number: Any) -> None:
    text = canonical(str(number)) if abs(number) < 10**30 else "1"
    assert canonical(text) == text
    assert "E" not in text
    assert abs(number) >= 10**30 or float(text) == float(number)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("1.0", "1"), ("-0", "0"), ("007", "7"), ("+4", "4"), ("1E2", "100"), ("1.50", "1.5"),
        ("-2.5e-3", "-0.0025"), ("1" * 38, "1" * 38), ("9e125", "9" + "0" * 125),
    ],
)  # fmt: skip
def test_spellings(text: str, kept: str) -> None:
    memory = made()
    put(memory, KEY | {"n": {"M": {"deep": {"L": [{"N": text}]}}}})
    item = memory.peek("T", KEY)
    assert item is not None
    assert item["n"] == {"M": {"deep": {"L": [{"N": kept}]}}}


@pytest.mark.parametrize("text", ["", "x", "NaN", "Infinity", "1" * 39, "1E126", "1E-131"])
def test_what_is_no_number_is_refused(text: str) -> None:
    memory = made()
    response = refusal(memory.put_item, TableName="T", Item=KEY | {"n": {"N": text}})
    assert response["Error"]["Code"] == "ValidationException"
    assert memory.items("T") == []


# ── units ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("size", "units"), [(20, 1), (KB, 1), (KB + 1, 2), (5 * KB, 5)])
def test_a_write_costs_a_unit_for_each_kilobyte(size: int, units: int) -> None:
    memory = made()
    put(memory, sized(size))
    assert memory.meter.wru == units
    memory.delete_item(TableName="T", Key=KEY)
    assert memory.meter.wru == 2 * units
    memory.delete_item(TableName="T", Key=KEY)
    assert memory.meter.wru == 2 * units + 1, "nothing there costs one"


def test_the_larger_of_old_and_new_is_billed() -> None:
    memory = made()
    put(memory, sized(3 * KB))
    put(memory, KEY)
    assert memory.meter.wru == 3 + 3
    put(memory, sized(2 * KB))
    assert memory.meter.wru == 3 + 3 + 2
    update = {"UpdateExpression": "REMOVE x"}
    memory.update_item(TableName="T", Key=KEY, **update)
    assert memory.meter.wru == 3 + 3 + 2 + 2


def test_an_update_weighs_the_item_as_a_put_of_it_would() -> None:
    memory = made()
    put(memory, KEY | {"l": {"L": [{"N": "1"}]}, "m": {"M": {"a": {"S": "x"}}}, "gone": {"S": "y"}})
    memory.update_item(
        TableName="T",
        Key=KEY,
        UpdateExpression="SET l[3] = :v, m.b = :v, fresh = :v REMOVE gone, m.a ADD n :n",
        ExpressionAttributeValues={":v": {"S": "é" * 700}, ":n": {"N": "12345"}},
    )
    item = memory.peek("T", KEY)
    assert item is not None
    before = memory.meter.wru
    put(memory, item)
    assert memory.meter.wru - before == -(-weigh_item(item) // KB) == 5


def test_a_refused_write_is_billed_too() -> None:
    memory = made()
    put(memory, sized(2 * KB + 1))
    absent = "attribute_not_exists(pk)"
    response = refusal(memory.put_item, TableName="T", Item=KEY, ConditionExpression=absent)
    assert response["Error"]["Code"] == "ConditionalCheckFailedException"
    assert memory.meter.wru == 3 + 3
    refusal(memory.delete_item, TableName="T", Key=KEY, ConditionExpression=absent)
    assert memory.meter.wru == 3 + 3 + 3


def test_a_transaction_costs_twice_and_its_repetition_reads() -> None:
    memory = made()
    big = sized(5 * KB)
    check = {"Key": {"id": {"S": "u"}}, "ConditionExpression": "attribute_not_exists(id)"}
    request: Any = {
        "TransactItems": [
            {"Put": {"TableName": "T", "Item": big}},
            {"ConditionCheck": {"TableName": "U"} | check},
        ],
        "ClientRequestToken": "once",
    }
    memory.transact_write_items(**request)
    assert (memory.meter.wru, memory.meter.rru) == (2 * 5 + 2 * 1, 0)
    memory.transact_write_items(**request)
    assert (memory.meter.wru, memory.meter.rru) == (2 * 5 + 2 * 1, 2 * 2 + 2 * 1)


@pytest.mark.parametrize(("size", "units"), [(20, 1), (4 * KB, 1), (4 * KB + 1, 2)])
def test_a_read_costs_a_unit_for_each_four_kilobytes(size: int, units: int) -> None:
    memory = made()
    put(memory, sized(size))
    memory.get_item(TableName="T", Key=KEY, ConsistentRead=True)
    assert memory.meter.rru == units
    memory.get_item(TableName="T", Key=KEY)
    assert memory.meter.rru == 1.5 * units
    memory.get_item(TableName="U", Key={"id": {"S": "none"}}, ConsistentRead=True)
    assert memory.meter.rru == 1.5 * units + 1, "nothing there costs one"


def test_a_query_costs_what_its_items_weigh_together() -> None:
    memory = made()
    for n in range(10):
        put(memory, sized(KB) | {"sk": {"S": str(n)}})
    values = {":pk": {"S": "p"}}
    condition = "pk = :pk"
    memory.query(
        TableName="T",
        KeyConditionExpression=condition,
        ExpressionAttributeValues=values,
        ConsistentRead=True,
    )
    assert memory.meter.rru == 3
    assert memory.meter.calls == {"PutItem": 10, "Query": 1}


# ── transactions ──────────────────────────────────────────────────────────────────────────────


def test_all_or_nothing_and_every_reason() -> None:
    memory = made()
    put(memory, KEY | {"n": {"N": "1"}})
    items: Any = [
        {"Put": {"TableName": "U", "Item": {"id": {"S": "new"}}}},
        {
            "Update": {
                "TableName": "T",
                "Key": KEY,
                "UpdateExpression": "SET n = :v",
                "ConditionExpression": "n > :v",
                "ExpressionAttributeValues": {":v": {"N": "5"}},
                "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            }
        },
        {
            "Update": {
                "TableName": "U",
                "Key": {"id": {"S": "other"}},
                "UpdateExpression": "SET a = b",
            }
        },
    ]
    response = refusal(memory.transact_write_items, TransactItems=items)
    assert response["Error"] == {
        "Code": "TransactionCanceledException",
        "Message": "Transaction cancelled, please refer cancellation reasons for specific "
        "reasons [None, ConditionalCheckFailed, ValidationError]",
    }
    assert response["CancellationReasons"] == [
        {"Code": "None"},
        {
            "Code": "ConditionalCheckFailed",
            "Message": "The conditional request failed",
            "Item": KEY | {"n": {"N": "1"}},
        },
        {
            "Code": "ValidationError",
            "Message": "The provided expression refers to an attribute that does not exist in "
            "the item",
        },
    ]
    assert memory.items("U") == []


def test_a_token_is_good_for_ten_minutes_and_one_request() -> None:
    clock = Clock()
    memory = Memory(TABLES, now=clock)

    def add(amount: str) -> None:
        update = {
            "TableName": "T",
            "Key": KEY,
            "UpdateExpression": "ADD n :n",
            "ExpressionAttributeValues": {":n": {"N": amount}},
        }
        memory.transact_write_items(TransactItems=[{"Update": update}], ClientRequestToken="t")

    def total() -> Any:
        return (memory.peek("T", KEY) or {})["n"]["N"]

    add("1")
    clock.now += 599
    add("1")
    assert total() == "1"
    with pytest.raises(ClientError, match="IdempotentParameterMismatchException"):
        add("2")
    clock.now += 1
    add("2")
    assert total() == "3"


def test_what_was_canceled_may_be_tried_again_under_its_token() -> None:
    memory = made()
    action = {
        "TableName": "T",
        "Item": KEY,
        "ConditionExpression": "attribute_not_exists(pk)",
    }
    request: Any = {"TransactItems": [{"Put": action}], "ClientRequestToken": "t"}
    put(memory, KEY)
    refusal(memory.transact_write_items, **request)
    memory.delete_item(TableName="T", Key=KEY)
    memory.transact_write_items(**request)
    assert memory.items("T") == [KEY]


def test_no_two_actions_on_one_item_and_no_more_than_a_hundred() -> None:
    memory = made()
    twice: Any = [{"Put": {"TableName": "T", "Item": KEY}}] * 2
    assert "multiple operations on one item" in str(
        refusal(memory.transact_write_items, TransactItems=twice)
    )
    many: Any = [{"Put": {"TableName": "U", "Item": {"id": {"S": str(n)}}}} for n in range(101)]
    assert "less than or equal to 100" in str(
        refusal(memory.transact_write_items, TransactItems=many)
    )
    memory.transact_write_items(TransactItems=many[:100])
    assert len(memory.items("U")) == 100


# ── the simulator's door ──────────────────────────────────────────────────────────────────────


def test_a_stream_hears_of_changes_and_only_of_changes() -> None:
    told: list[Any] = []
    memory = made(on_write=lambda *change: told.append(change))
    old, new = KEY | {"a": {"N": "1"}}, KEY | {"a": {"N": "2"}}
    put(memory, old)
    put(memory, dict(old))
    refusal(memory.put_item, TableName="T", Item=new, ConditionExpression="attribute_exists(b)")
    put(memory, new)
    memory.delete_item(TableName="T", Key=KEY)
    memory.delete_item(TableName="T", Key=KEY)
    assert told == [("T", KEY, None, old), ("T", KEY, old, new), ("T", KEY, new, None)]


def test_a_stream_hears_of_a_transaction_when_all_of_it_is_in() -> None:
    seen: list[int] = []
    memory: Memory = made(on_write=lambda *_: seen.append(len(memory.items("U"))))
    items: Any = [{"Put": {"TableName": "U", "Item": {"id": {"S": str(n)}}}} for n in range(3)]
    memory.transact_write_items(TransactItems=items)
    assert seen == [3, 3, 3]


def test_a_page_is_as_short_as_asked() -> None:
    memory = made(page_items=2)
    table = Table(memory, "T")  # type: ignore[arg-type]
    for n in range(5):
        table.write(table.put_request({"pk": "p", "sk": f"{n}"}))
    assert [i["sk"] for i in table.query("#pk = :pk", {":pk": "p"})] == list("01234")
    assert [i["sk"] for i in table.query("#pk = :pk", {":pk": "p"}, limit=3, forward=False)] == [
        "4", "3", "2",
    ]  # fmt: skip
    assert memory.meter.calls["Query"] == 3 + 2
    pages = table.query("#pk = :pk", {":pk": "p"})
    assert next(pages)["sk"] == "0"
    table.write(table.put_request({"pk": "p", "sk": "3b"}))
    table.delete({"pk": "p", "sk": "1"})
    assert [i["sk"] for i in pages] == ["1", "2", "3", "3b", "4"], "a read is not atomic"
    assert sorted(i["sk"] for i in table.scan()) == ["0", "2", "3", "3b", "4"]


def test_a_page_ends_at_a_megabyte() -> None:
    memory = made()
    for n in range(4):
        put(memory, sized(350 * KB) | {"sk": {"S": str(n)}})
    request: Any = {
        "TableName": "T",
        "KeyConditionExpression": "pk = :pk",
        "ExpressionAttributeValues": {":pk": {"S": "p"}},
    }
    first = memory.query(**request)
    assert (first["Count"], first["LastEvaluatedKey"]["sk"]) == (2, {"S": "1"})
    pages = memory.get_paginator("query").paginate(**request)
    assert [page["Count"] for page in pages] == [2, 2]


def test_a_paginator_stops_at_its_bound() -> None:
    memory = made(page_items=2)
    for n in range(5):
        put(memory, KEY | {"sk": {"S": str(n)}})
    pages = memory.get_paginator("query").paginate(
        TableName="T",
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues={":pk": {"S": "p"}},
        PaginationConfig={"MaxItems": 3},
    )
    assert [len(page["Items"]) for page in pages] == [2, 1]


def test_a_read_that_is_not_consistent_may_be_late_by_one_change() -> None:
    late = True
    memory = made(stale=lambda: late)
    old, new = KEY | {"a": {"N": "1"}}, KEY | {"a": {"N": "2"}}
    values = {":pk": {"S": "p"}}

    def got(**how: bool) -> Any:
        return memory.get_item(TableName="T", Key=KEY, **how).get("Item")

    def queried(**how: bool) -> Any:
        return memory.query(
            TableName="T",
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues=values,
            **how,
        )["Items"]

    put(memory, old)
    assert (got(), queried()) == (None, [])
    put(memory, new)
    assert (got(), queried()) == (old, [old])
    assert (got(ConsistentRead=True), queried(ConsistentRead=True)) == (new, [new])
    memory.delete_item(TableName="T", Key=KEY)
    assert (got(), queried()) == (new, [new])
    late = False
    assert (got(), queried()) == (None, [])


def test_a_snapshot_is_returned_to_again_and_again() -> None:
    memory = made()
    put(memory, KEY | {"a": {"N": "1"}})
    snapshot = memory.snapshot()
    for n in ("2", "3"):
        put(memory, KEY | {"a": {"N": n}})
        put(memory, KEY | {"sk": {"S": n}})
        memory.delete_item(TableName="T", Key=KEY)
        memory.restore(snapshot)
        assert memory.items("T") == [KEY | {"a": {"N": "1"}}]
        assert memory.peek("T", KEY | {}) == KEY | {"a": {"N": "1"}}


@given(st.lists(st.tuples(st.sampled_from("prsx"), st.integers(0, 4)), max_size=30))
def test_snapshots_hold_whatever_is_written_later(steps: list[tuple[str, int]]) -> None:
    memory = made()
    kept: list[tuple[Any, Any]] = []

    def state() -> Any:
        return sorted(i["sk"]["S"] for i in memory.items("T"))

    for what, n in steps:
        key = KEY | {"sk": {"S": str(n)}}
        if what == "p":
            put(memory, key)
        elif what == "x":
            memory.delete_item(TableName="T", Key=key)
        elif what == "s":
            kept.append((memory.snapshot(), state()))
        elif kept:
            snapshot, expected = kept[n % len(kept)]
            memory.restore(snapshot)
            assert state() == expected


def test_nothing_read_before_changes_under_the_reader() -> None:
    memory = made()
    put(memory, KEY | {"m": {"M": {"l": {"L": [{"N": "1"}]}}}})
    before = memory.get_item(TableName="T", Key=KEY)["Item"]
    memory.update_item(
        TableName="T",
        Key=KEY,
        UpdateExpression="SET m.l[0] = :v, m.k = :v",
        ExpressionAttributeValues={":v": {"N": "2"}},
    )
    assert before == KEY | {"m": {"M": {"l": {"L": [{"N": "1"}]}}}}


def test_the_date_is_the_clock_s() -> None:
    clock = Clock()
    memory = Memory(TABLES, now=clock)
    table = Table(memory, "T")  # type: ignore[arg-type]
    assert table.get({"pk": "p", "sk": "s"}).server_ms == 1_777_883_400_000
    clock.now += 2
    assert table.get({"pk": "p", "sk": "s"}).server_ms == 1_777_883_402_000
    response = refusal(memory.put_item, TableName="T", Item=KEY, ConditionExpression="pk = pk")
    assert response["ResponseMetadata"]["HTTPHeaders"]["date"] == "Mon, 04 May 2026 08:30:02 GMT"


def test_a_table_that_is_not_there() -> None:
    response = refusal(made().get_item, TableName="V", Key=KEY)
    assert response["Error"]["Code"] == "ResourceNotFoundException"


def test_what_is_not_modelled_is_not_passed_over() -> None:
    with pytest.raises(NotModelled, match="IndexName"):
        made().query(TableName="T", IndexName="i", KeyConditionExpression="pk = :pk")
    with pytest.raises(NotModelled, match="UPDATED_NEW"):
        made().update_item(TableName="T", Key=KEY, ReturnValues="UPDATED_NEW")


def test_the_template_s_tables() -> None:
    tables = {n: KeySchema.of(p) for n, p in template.resources("AWS::DynamoDB::Table").items()}
    assert tables["PaymentsTable"] == KeySchema("pk", "id")
    assert tables["KeysTable"] == KeySchema("hash")


def test_the_product_s_table_is_overtaken_as_on_aws() -> None:
    table = Table(made(), "T")  # type: ignore[arg-type]
    request = table.put_request({"pk": "p", "sk": "s"}, "attribute_not_exists(#pk)")
    table.write(request)
    with pytest.raises(Overtaken):
        table.write(request)
    other = table.put_request({"pk": "p", "sk": "t"}, "attribute_not_exists(#pk)")
    with pytest.raises(Overtaken) as refused:
        table.transact([other, request])
    assert refused.value.failed == (False, True)


# ── updates and refusals by their exact words ─────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("update", "after"),
    [
        ("REMOVE l[0], l[2]", ["1"]),
        ("SET l[7] = :b, l[5] = :a", ["0", "1", "2", "a", "b"]),
        ("SET l[1] = :a REMOVE l[0]", ["a", "2"]),
        ("REMOVE l[9] SET l[0] = :b, l[1] = :a", ["b", "a", "2"]),
        ("SET l[0] = l[2], l[2] = l[0]", ["2", "1", "0"]),
    ],
)
def test_indexes_mean_the_list_as_it_was(update: str, after: list[str]) -> None:
    memory = made()
    put(memory, KEY | {"l": {"L": [{"S": str(n)} for n in range(3)]}})
    given = {name: {"S": name[1]} for name in (":a", ":b") if name in update}
    more: Any = {"ExpressionAttributeValues": given} if given else {}
    memory.update_item(TableName="T", Key=KEY, UpdateExpression=update, **more)
    item = memory.peek("T", KEY)
    assert item is not None
    assert item["l"] == {"L": [{"S": text} for text in after]}


@pytest.mark.parametrize(
    ("update", "why"),
    [
        ("SET a = b", "The provided expression refers to an attribute that does not exist in "),
        ("SET a.b = :v", "The document path provided in the update expression is invalid for "),
        ("SET s = s + :v", "An operand in the update expression has an incorrect data type"),
        ("SET pk = :v", "Cannot update attribute pk. This attribute is part of the key"),
        ("SET a = :v, a = :v", "Two document paths overlap with each other; must remove or "),
        ("SET a = :v SET b = :v", 'The "SET" section can only be used once in an update expr'),
        ("PUT a = :v", 'Syntax error; token: "PUT", near: "PUT a"'),
        ("SET a = size(:v)", "The function is not allowed to be used this way in an expression"),
        ("SET a = :v + :v + :v", "Syntax error"),
    ],
)
def test_an_update_is_refused(update: str, why: str) -> None:
    memory = made()
    put(memory, KEY | {"s": {"S": "text"}})
    before = memory.items("T")
    given: Any = {"ExpressionAttributeValues": {":v": {"N": "1"}}} if ":v" in update else {}
    response = refusal(memory.update_item, TableName="T", Key=KEY, UpdateExpression=update, **given)
    assert response["Error"]["Code"] == "ValidationException"
    assert why in response["Error"]["Message"]
    assert memory.items("T") == before


@pytest.mark.parametrize(
    ("condition", "why"),
    [
        ("((a = :v))", "The expression has redundant parentheses"),
        ("a = :v AND", 'Syntax error; token: "<EOF>"'),
        ("a = :v b", 'Syntax error; token: "b"'),
        ("a LIKE :v", 'Syntax error; token: "LIKE"'),
        ("twice(a, :v)", "Invalid function name; function: twice"),
        ("begins_with(a)", "Incorrect number of operands"),
        ("a < :m", "Incorrect operand type for operator or function; operator: <, operand type: M"),
        ("a BETWEEN :w AND :v", "requires upper bound to be greater than or equal to lower bound"),
        ("attribute_exists(:v)", "requires a document path"),
        ("", "The expression can not be empty"),
    ],
)
def test_a_condition_is_refused_before_any_item_is_looked_at(condition: str, why: str) -> None:
    known = {":v": {"N": "1"}, ":w": {"N": "2"}, ":m": {"M": {}}}
    given = {token: value for token, value in known.items() if token in condition}
    more: Any = {"ExpressionAttributeValues": given} if given else {}
    memory = made()
    response = refusal(
        memory.delete_item, TableName="T", Key=KEY, ConditionExpression=condition, **more
    )
    assert response["Error"]["Code"] == "ValidationException"
    assert why in response["Error"]["Message"]
    assert memory.meter.wru == 0
