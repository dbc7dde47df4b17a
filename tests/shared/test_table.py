"""The table door: what DynamoDB is sent, and what its refusals become."""

import base64
import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from email.utils import format_datetime
from typing import Any

import boto3
import pytest
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from payvand.errors import Overtaken
from payvand.store.table import (
    TRANSACTION_TRIES,
    Table,
    from_wire,
    item_from_wire,
    item_to_wire,
    to_wire,
)
from tests.support.world import running_world

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**38) + 1, 10**38 - 1)
    | st.text()
    | st.binary(max_size=20)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_a_value_is_written_as_the_sdk_s_own_serializer_writes_it(value: Any) -> None:
    assert to_wire(value) == TypeSerializer().serialize(value)


@given(VALUES)
def test_what_is_written_is_read_back(value: Any) -> None:
    assert from_wire(to_wire(value)) == value


@given(st.integers(-(10**38) + 1, 10**38 - 1))
def test_numbers_come_back_whole_where_the_sdk_has_decimals(number: int) -> None:
    wire = TypeSerializer().serialize(number)
    assert TypeDeserializer().deserialize(wire) == Decimal(number)
    assert type(from_wire(wire)) is int
    assert from_wire(wire) == number


@given(st.binary())
def test_a_stream_says_bytes_in_base64(content: bytes) -> None:
    assert from_wire({"B": base64.b64encode(content).decode()}) == content
    assert from_wire({"B": bytearray(content)}) == content


@pytest.mark.parametrize("value", [{}, {"S": "1", "N": "1"}, {"N": "1", "S": "1"}])
def test_a_value_of_no_or_several_kinds_is_refused(value: dict[str, str]) -> None:
    for read in (lambda: from_wire(value), lambda: item_from_wire({"name": value})):
        with pytest.raises(ValueError, match="unpack"):
            read()


def test_tuples_are_lists() -> None:
    assert to_wire((1, ("a",))) == to_wire([1, ["a"]])


@pytest.mark.parametrize(
    "value", [0.0, 1.5, float("nan"), Decimal(1), {1}, frozenset("a"), object(), 1j]
)
def test_what_is_not_exact_has_no_place(value: Any) -> None:
    for nested in (value, [value], {"a": {"b": [value]}}):
        with pytest.raises(TypeError, match="no place"):
            to_wire(nested)


@pytest.mark.parametrize("wire", [{"NS": ["1"]}, {"SS": ["a"]}, {"X": 1}])
def test_kinds_we_never_write_are_not_read(wire: Mapping[str, Any]) -> None:
    with pytest.raises(TypeError, match="no place"):
        from_wire(wire)


@pytest.mark.parametrize("text", ["1.5", "1E-2"])
def test_a_broken_number_is_a_fault_and_never_rounded(text: str) -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        from_wire({"N": text})


@given(st.dictionaries(st.text(min_size=1), VALUES, max_size=5))
def test_an_item_leaves_out_what_is_none(item: dict[str, Any]) -> None:
    kept = {name: value for name, value in item.items() if value is not None}
    assert item_from_wire(item_to_wire(item)) == kept


# ── requests ──────────────────────────────────────────────────────────────────────────────────


class TooMany(Exception):
    """A page more than was asked for."""


class Client:
    """DynamoDB that answers what it is told to, in order, the last one for ever."""

    def __init__(self, *script: Any) -> None:
        self.script = list(script) or [{}]
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def __getattr__(self, operation: str) -> Any:
        def call(**request: Any) -> Any:
            self.calls.append((operation, dict(request)))
            answer = self.script.pop(0) if len(self.script) > 1 else self.script[0]
            if isinstance(answer, Exception):
                raise answer
            return answer

        return call


def made(*script: Any) -> tuple[Table, Client, list[float]]:
    client, slept = Client(*script), list[float]()
    return Table(client, "t", slept.append), client, slept  # type: ignore[arg-type]


def no(code: str, *reasons: str) -> ClientError:
    response: Any = {
        "Error": {"Code": code, "Message": ""},
        "CancellationReasons": [{"Code": reason} for reason in reasons],
    }
    return ClientError(response, "Write")


def test_only_the_names_and_values_an_expression_uses_are_sent() -> None:
    table, _, _ = made()
    values = {":a": 1, ":b": "x", ":unused": 1.5}
    request = table.update_request({"pk": "p"}, "SET #a = :a, #m.#key = :b", "#a < :a", values)
    fields = request["Update"]
    assert fields["ExpressionAttributeNames"] == {"#a": "a", "#m": "m", "#key": "key"}
    assert fields["ExpressionAttributeValues"] == {":a": {"N": "1"}, ":b": {"S": "x"}}
    renamed = table.update_request(
        {"pk": "p"}, "SET #m.#key = :b", "", values, {"#key": "any-thing.at all"}
    )["Update"]
    assert renamed["ExpressionAttributeNames"] == {"#m": "m", "#key": "any-thing.at all"}
    assert "ConditionExpression" not in renamed


def test_a_put_without_a_condition_sends_no_expression() -> None:
    table, _, _ = made()
    assert table.put_request({"pk": "p", "x": None}) == {
        "Put": {"TableName": "t", "Item": {"pk": {"S": "p"}}}
    }


def test_a_value_that_was_forgotten_is_a_fault() -> None:
    table, _, _ = made()
    with pytest.raises(KeyError):
        table.check_request({"pk": "p"}, "#a = :a", {})


def test_a_read_is_strong_and_tells_the_database_s_clock() -> None:
    headers = {"HTTPHeaders": {"date": "Mon, 04 May 2026 08:30:00 GMT"}}
    table, client, _ = made(
        {"Item": {"pk": {"S": "p"}, "n": {"N": "1"}}, "ResponseMetadata": headers}, {}
    )
    read = table.get({"pk": "p"})
    assert (read.item, read.server_ms) == ({"pk": "p", "n": 1}, 1_777_883_400_000)
    nothing = table.get({"pk": "p"})
    assert (nothing.item, nothing.server_ms) == (None, None)
    assert all(request["ConsistentRead"] for _, request in client.calls)


@given(st.datetimes(dt.datetime(1970, 1, 2), dt.datetime(2099, 12, 31)))  # noqa: DTZ001 - naive, then UTC
def test_the_database_s_clock_is_read_as_http_writes_it(when: dt.datetime) -> None:
    at = when.replace(microsecond=0, tzinfo=dt.UTC)
    headers = {"HTTPHeaders": {"date": format_datetime(at, usegmt=True)}}
    table, _, _ = made({"ResponseMetadata": headers})
    assert table.get({"pk": "p"}).server_ms == int(at.timestamp() * 1000)


@pytest.mark.parametrize(
    "text", ["", "2026-05-04T08:30:00Z", "Mon, 04 Xyz 2026 08:30:00 GMT", "Mon, 04 May 2026"]
)
def test_a_clock_that_cannot_be_read_is_a_fault(text: str) -> None:
    table, _, _ = made({"ResponseMetadata": {"HTTPHeaders": {"date": text}}})
    with pytest.raises(ValueError, match=r"date|substring"):
        table.get({"pk": "p"})


@pytest.mark.parametrize("kind", ["Put", "Update"])
def test_a_condition_that_says_no_is_overtaken(kind: str) -> None:
    table, _, _ = made(no("ConditionalCheckFailedException"))
    with pytest.raises(Overtaken) as refused:
        table.write({kind: {"TableName": "t"}})
    assert refused.value.failed == ()


@pytest.mark.parametrize("code", ["ValidationException", "AccessDeniedException"])
def test_any_other_refusal_stays_what_it_is(code: str) -> None:
    table, _, slept = made(no(code))
    with pytest.raises(ClientError, match=code):
        table.write({"Put": {}})
    with pytest.raises(ClientError, match=code):
        table.transact([{"Put": {}}])
    assert slept == []


@pytest.mark.parametrize(
    ("reasons", "failed"),
    [
        (("ConditionalCheckFailed", "None"), (True, False)),
        (("None", "None", "ConditionalCheckFailed"), (False, False, True)),
        (("TransactionConflict", "ConditionalCheckFailed"), (False, True)),
    ],
)
def test_a_transaction_says_which_condition_refused(
    reasons: tuple[str, ...], failed: tuple[bool, ...]
) -> None:
    table, client, slept = made(no("TransactionCanceledException", *reasons))
    with pytest.raises(Overtaken) as refused:
        table.transact([{"Put": {}}])
    assert refused.value.failed == failed
    assert (len(client.calls), slept) == (1, [])


@pytest.mark.parametrize("reason", ["TransactionConflict", "ThrottlingError"])
def test_a_conflict_with_a_neighbour_is_tried_again(reason: str) -> None:
    busy = no("TransactionCanceledException", "None", reason)
    table, client, slept = made(busy, busy, {})
    table.transact([{"Put": {}}, {"Put": {}}])
    assert len(client.calls) == 3
    assert slept == [0.04, 0.08]


def test_a_conflict_without_end_is_raised_after_a_few_tries() -> None:
    table, client, slept = made(no("TransactionCanceledException", "TransactionConflict"))
    with pytest.raises(ClientError, match="TransactionCanceled"):
        table.transact([{"Put": {}}])
    assert len(client.calls) == TRANSACTION_TRIES
    assert slept == sorted(slept)
    assert len(slept) == TRANSACTION_TRIES - 1
    assert sum(slept) < 1


def page(*numbers: int, more: bool) -> dict[str, Any]:
    found: dict[str, Any] = {"Items": [{"n": {"N": str(n)}} for n in numbers]}
    return found | ({"LastEvaluatedKey": {"n": {"N": str(numbers[-1])}}} if more else {})


def test_pages_are_followed_to_the_end() -> None:
    empty: dict[str, Any] = {"Items": [], "LastEvaluatedKey": {"n": {"N": "9"}}}
    table, client, _ = made(page(1, 2, more=True), empty, page(3, more=False))
    assert [item["n"] for item in table.query("#pk = :pk", {":pk": "p"})] == [1, 2, 3]
    starts = [request.get("ExclusiveStartKey") for _, request in client.calls]
    assert starts[1:] == [{"n": {"N": "2"}}, {"n": {"N": "9"}}]
    assert all(request["ConsistentRead"] for _, request in client.calls)
    assert all("Limit" not in request for _, request in client.calls)


def test_a_limit_holds_over_pages_and_asks_for_no_more_than_is_left() -> None:
    table, client, _ = made(
        page(1, 2, more=True), page(3, more=True), page(4, more=True), TooMany()
    )
    assert [i["n"] for i in table.query("#pk = :pk", {":pk": "p"}, limit=4)] == [1, 2, 3, 4]
    assert [request["Limit"] for _, request in client.calls] == [4, 2, 1]


def test_a_scan_follows_its_pages() -> None:
    table, client, _ = made(page(1, more=True), page(2, more=False))
    assert [item["n"] for item in table.scan()] == [1, 2]
    assert len(client.calls) == 2


# ── against a table ───────────────────────────────────────────────────────────────────────────


def test_the_real_client_writes_refuses_and_pages() -> None:
    with running_world():
        table = Table(boto3.client("dynamodb", region_name="us-east-1"), "LabTable")
        for n in range(5):
            item = {"pk": "p", "sk": f"{n}", "raw": b"\x00\xff", "deep": {"a": [1, None, True]}}
            table.write(table.put_request(item, "attribute_not_exists(#pk)"))
        assert table.get({"pk": "p", "sk": "0"}).item == {
            "pk": "p", "sk": "0", "raw": b"\x00\xff", "deep": {"a": [1, None, True]},
        }  # fmt: skip
        again = table.put_request({"pk": "p", "sk": "0"}, "attribute_not_exists(#pk)")
        other = table.put_request({"pk": "p", "sk": "9"}, "attribute_not_exists(#pk)")
        with pytest.raises(Overtaken):
            table.write(again)
        with pytest.raises(Overtaken) as refused:
            table.transact([other, again])
        assert refused.value.failed == (False, True)
        assert table.get({"pk": "p", "sk": "9"}).item is None
        found = table.query("#pk = :pk", {":pk": "p"}, limit=3, forward=False)
        assert [i["sk"] for i in found] == ["4", "3", "2"]
        start = {"pk": "p", "sk": "2"}
        found = table.query("#pk = :pk", {":pk": "p"}, start=start)
        assert [i["sk"] for i in found] == ["3", "4"]
        table.delete({"pk": "p", "sk": "0"})
        assert len([item for item in table.scan() if item["pk"] == "p"]) == 4
