"""How a story is laid out: nothing wraps, nothing is markup, columns stand under each other."""

import pytest

from payvand_cli.doors import find_stack
from payvand_cli.handle import NothingRuns
from payvand_cli.story import Section, Unknown, money, tell, text_of


def test_columns_stand_under_each_other_and_end_with_their_text() -> None:
    text = text_of(Section("x", [("a", "long id"), ("فروش", "b")], ("name", "value")))
    assert text.splitlines() == ["[dim]  name  value[/]", "  a     long id", "  فروش  b"]


def test_an_id_is_never_broken() -> None:
    id = "pay_" + "0" * 300
    assert id in text_of(Section("x", [("id", id)]))


def test_brackets_in_what_a_merchant_wrote_are_text() -> None:
    assert r"\[bold]" in text_of(Section("x", [("description", "[bold]two books")]))


def test_amounts_read_well() -> None:
    assert money(-1_250_000, "IRR") == "-1,250,000 IRR"


@pytest.mark.parametrize("id", ["", "hello", "rfd_1", "PAY_1"])
def test_what_is_no_id_is_said_to_be_none(id: str) -> None:
    with pytest.raises(Unknown, match="is no payment"):
        tell(None, id)  # type: ignore[arg-type]


@pytest.mark.parametrize("id", ["pay_1", "po_" + "0" * 12, "mer_1", "mer_ILOU00"])
def test_what_looks_like_an_id_and_is_none_is_said_so(id: str) -> None:
    with pytest.raises(Unknown, match="is not an id"):
        tell(None, id)  # type: ignore[arg-type]


def test_an_account_that_cannot_be_reached_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    monkeypatch.delenv("AWS_REGION", raising=False)
    with pytest.raises(NothingRuns, match="stack payvand: You must specify a region"):
        find_stack("payvand")
