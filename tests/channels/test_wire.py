"""Reading outside JSON: what is recognised, and that nothing else is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payvand.psp.wire import card_mask, json_object, mapping, rows, whole, word


@pytest.mark.parametrize(("value", "read"), [(5, 5), ("5", 5), ("-51", -51), (0, 0)])
def test_a_number_may_come_as_digits(value: object, read: int) -> None:
    assert whole(value) == read


@pytest.mark.parametrize(
    "value", [True, False, 1.0, "", "1.0", "٥", " 5", "+5", "1" * 19, None, [], {}]
)
def test_nothing_else_is_a_number(value: object) -> None:
    assert whole(value) is None


@pytest.mark.parametrize("value", ["", "x" * 65, "a\nb", "\x00", True, 1.5, None, [], {}])
def test_nothing_long_or_unprintable_is_a_word(value: object) -> None:
    assert word(value) is None


@pytest.mark.parametrize("mask", ["603799******1234", "603799XXXXXX1234", "6037-1234", "****1234"])
def test_a_mask_comes_out_in_one_shape(mask: str) -> None:
    read = card_mask(mask)
    assert read is not None
    assert read.startswith(mask[:4].strip("*"))
    assert read.endswith("******1234")


@given(value=st.text("0123456789*X-. ", max_size=24))
def test_no_mask_has_more_than_ten_digits(value: str) -> None:
    read = card_mask(value)
    assert read is None or sum(c.isdigit() for c in read) <= 10


@given(body=st.binary(max_size=300))
def test_no_bytes_make_reading_fail(body: bytes) -> None:
    value = json_object(body)
    assert value is None or isinstance(value, dict)


def test_a_list_where_an_object_should_be_is_nothing() -> None:
    assert mapping([]) == {}
    assert rows({"a": 1}) == []
    assert rows([1, {"a": 1}, None]) == [{"a": 1}]
