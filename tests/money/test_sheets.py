"""A big book is read into sheets by many, and sealed as a small one would be."""

import dataclasses
import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.settle import reading
from payvand.errors import Forged
from payvand.ids import Book
from payvand.settlement import Index, Lines, Seal, Sheet, sheet_key, whole
from payvand.store.settlements import Volume
from payvand_cli.simulate.books import CURRENCY, DAY, Books

SHARDS = 3
PAYMENTS = 40


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[Books]:
    monkeypatch.setattr(reading, "SHEET_LINES", 5)
    monkeypatch.setattr(reading, "SHEETS_A_TURN", 2)
    made = Books(page_items=4)
    with made.at_work():
        yield made


def _day(world: Books, **terms: Any) -> Book:
    """A merchant's busy day, over, with payments open at its end."""
    merchant = world.merchant(1, modes=("live",), shards=SHARDS, **terms)
    for n in range(PAYMENTS):
        world.paid(merchant, hours=4 - n / 20)
    for _ in range(4):
        world.opened(merchant, hours=0.1)
    world.close()
    return Book(merchant.id, "live", CURRENCY)


def _sealed(world: Books, book: Book) -> Seal:
    world.settle()
    (seal,) = world.seals(book)
    return seal


def _objects(world: Books) -> dict[str, bytes]:
    return {key: body for key, body in world.aws.objects.items() if "/sheets/" in key}


def test_a_big_book_is_sealed_as_a_small_one_would_be(
    world: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = _day(world)
    before = world.aws.memory.snapshot()
    big, big_lines = (seal := _sealed(world, book)), world.lines(seal)
    assert isinstance(big_lines, Volume)
    world.aws.memory.restore(before)
    monkeypatch.undo()
    small, small_lines = (seal := _sealed(world, book)), world.lines(seal)
    assert isinstance(small_lines, Lines)
    assert sorted(big_lines.lines, key=lambda line: line.id) == list(small_lines.lines)
    assert sorted(big_lines.open_ids) == list(small_lines.open_ids)
    assert big_lines.count == PAYMENTS
    assert _of_any_lines(big) == _of_any_lines(small)


def _of_any_lines(seal: Seal) -> Seal:
    return dataclasses.replace(seal, lines_key="", lines_digest="")


def test_a_small_book_is_one_object(world: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "SHEET_LINES", PAYMENTS)
    seal = _sealed(world, _day(world))
    assert list(world.aws.objects) == [seal.lines_key]


def test_no_object_holds_more_than_a_sheet(world: Books) -> None:
    seal = _sealed(world, _day(world))
    sheets = _objects(world)
    assert len(sheets) > PAYMENTS / 5
    assert all(body.count(b'"legs"') <= 5 for body in sheets.values())
    assert b'"legs"' not in world.aws.objects[seal.lines_key]


def test_each_payment_is_read_once(world: Books) -> None:
    """Pages of the days, whoever reads them: none is asked for again."""
    book = _day(world)
    reads: list[tuple[str, str]] = []

    def watching(name: str, do: Any) -> Any:
        request = do.keywords
        if name == "query" and "ProjectionExpression" in request:
            start = request.get("ExclusiveStartKey", {}).get("id", {}).get("S", "")
            reads.append((request["ExpressionAttributeValues"][":pk"]["S"], start))
        return do()

    world.aws.pass_ = watching
    _sealed(world, book)
    assert len(reads) == len(set(reads)) > PAYMENTS / 5


def test_a_place_goes_on_where_its_sheets_end(world: Books) -> None:
    book = _day(world)
    waiting = world.aws.queues["settle"]
    assert world.hand({"book": book.key})
    message = waiting.pop()
    day, shard = message["place"]
    place = dt.date.fromisoformat(day), shard
    assert world.hand(message)
    (again,) = [m for m in waiting if m.get("place") == message["place"]]
    kept = world.books[1].sheets_of(book, place)
    assert [sheet.end for sheet in kept] == [False, False]
    assert world.hand(again)
    more = world.books[1].sheets_of(book, place)
    assert more[:2] == kept
    assert more[2].after == kept[1].last


def test_nothing_is_sealed_while_a_place_is_missing(world: Books) -> None:
    book = _day(world)
    assert world.hand({"book": book.key})
    waiting = world.aws.queues["settle"]
    missing = waiting.pop()
    while waiting:
        assert world.hand(waiting.pop())
    assert not world.seals(book)
    assert world.hand(missing)
    while waiting:
        assert world.hand(waiting.pop())
    assert len(world.seals(book)) == 1


def test_what_is_left_open_is_carried_on_in_sheets(world: Books) -> None:
    book = _day(world)
    first = world.lines(_sealed(world, book)).open_ids
    assert len(first) == 4
    merchant = world.live.merchants.get(book.merchant_id)
    assert merchant is not None
    for _ in range(PAYMENTS):
        world.paid(merchant, DAY + dt.timedelta(1))
    world.close(DAY + dt.timedelta(1))
    world.settle()
    assert sorted(world.lines(world.seals(book)[-1]).open_ids) == sorted(first)


def test_another_content_is_refused(world: Books) -> None:
    seal = _sealed(world, _day(world))
    lines = world.lines(seal)
    assert isinstance(lines, Volume)
    key = sheet_key(seal.book, lines.index.sheets[0].digest)
    world.aws.objects[key] = world.aws.objects[key].replace(b"250", b"251", 1)
    with pytest.raises(Forged, match="not what was sealed"):
        list(lines.lines)
    world.aws.objects[seal.lines_key] += b"\n"
    with pytest.raises(Forged, match="not what was sealed"):
        world.lines(seal)


def test_a_place_is_fenced_before_it_is_read(world: Books) -> None:
    """Even when nobody else has: the message alone is enough."""
    book = _day(world)
    world.hand({"book": book.key, "through": DAY.isoformat(), "place": [DAY.isoformat(), 0]})
    assert world.books[0].closing(book) == DAY


@pytest.mark.parametrize("day", [DAY - dt.timedelta(1), DAY + dt.timedelta(1)])
def test_a_place_outside_the_range_is_nobody_s_work(world: Books, day: dt.date) -> None:
    book = _day(world)
    assert world.hand({"book": book.key, "place": [day.isoformat(), 0]})
    assert not _objects(world)


def _sheet(number: int, after: str, last: str, *, end: bool = False) -> Sheet:
    return Sheet(
        DAY, 0, number, after, last, end, f"{number}{after}{last}", 1, 0, {"a": 1, "b": -1}
    )


CHAIN = [_sheet(0, "", "c"), _sheet(1, "c", "f"), _sheet(2, "f", "f", end=True)]


@given(st.permutations(CHAIN))
def test_sheets_are_whole_in_any_order(sheets: list[Sheet]) -> None:
    assert whole(sheets) == CHAIN
    assert Index.from_bytes(Index(tuple(CHAIN)).to_bytes()) == Index(tuple(CHAIN))


@pytest.mark.parametrize(
    ("sheets", "kept"),
    [
        ([], 0),
        (CHAIN[1:], 0),
        ([CHAIN[0], CHAIN[2]], 1),
        ([_sheet(0, "", "b"), *CHAIN[1:]], 1),  # read with sheets of another size
        ([*CHAIN, _sheet(3, "f", "g")], 3),  # nothing comes after an end
    ],
)
def test_sheets_hold_as_far_as_they_follow_each_other(sheets: list[Sheet], kept: int) -> None:
    assert len(whole(sheets)) == kept


def test_an_index_says_what_its_sheets_hold() -> None:
    index = Index(tuple(CHAIN))
    assert (index.count, index.open_count, index.sums) == (3, 0, {"a": 3, "b": -3})
    assert Index.from_bytes(Lines((), ()).to_bytes()) is None
    assert Index.from_bytes(Lines((), ("pay_x",)).to_bytes()) is None
