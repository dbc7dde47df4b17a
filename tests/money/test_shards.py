"""A merchant whose shards are written too fast is spread over twice as many of a coming day."""

import datetime as dt
from collections.abc import Iterator

import pytest

from functions.settle import reading
from payvand import calendar
from payvand.errors import Overtaken
from payvand.ids import Book, PaymentId
from payvand.merchant import SHARDS_MAX, Merchant
from payvand_cli.simulate.books import CURRENCY, DAY, Books
from tests.support.merchant import create as pay
from tests.support.world import running_world

ONE = dt.timedelta(1)
NEXT = DAY + ONE
WIDE = NEXT + reading.WIDER_AFTER_DAYS * ONE
"""The day is sealed in the next one; payments are spread wider from this one on."""


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[Books]:
    monkeypatch.setattr(reading, "PEAK_MAX", 3)
    made = Books(page_items=4)
    with made.at_work():
        yield made


def _stored(world: Books) -> Merchant:
    (found,) = world.live.merchants.all()
    return found


def _busy(world: Books, merchant: Merchant, payments: int, day: dt.date = DAY) -> None:
    """So many at once."""
    for _ in range(payments):
        world.paid(merchant, day)


def test_a_busy_shard_is_spread_wider_from_a_coming_day_on(world: Books) -> None:
    merchant = world.merchant(1, modes=("live",))
    _busy(world, merchant, 4)
    world.close()
    world.settle()
    after = _stored(world)
    assert (after.shards, after.widened) == (2, ((WIDE, 1),))
    assert [after.shards_on(WIDE + n * ONE) for n in (-1, 0, 1)] == [1, 2, 2]
    assert Merchant.from_item(after.to_item()) == after


@pytest.mark.parametrize("mode", ["live", "test"])
def test_a_calm_or_a_test_book_is_left_alone(world: Books, mode: str) -> None:
    merchant = world.merchant(1, modes=(mode,))
    _busy(world, merchant, 3)
    for n in range(9):  # as many, but not at once
        world.paid(merchant, hours=3 - n / 10)
    world.close()
    world.settle()
    assert _stored(world) == merchant


def test_a_busy_test_book_is_left_alone(world: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its clock may be moved past any day."""
    merchant = world.merchant(1)
    block = reading.Block("", "", peak=100)
    range_ = reading.Range(merchant, Book(merchant.id, "test", CURRENCY), DAY, DAY)
    reading._measured(world.live, range_, DAY, block)
    assert _stored(world) == merchant
    live = Book(merchant.id, "live", CURRENCY)
    reading._measured(world.live, reading.Range(merchant, live, DAY, DAY), DAY, block)
    assert _stored(world).shards == 2


def test_it_is_spread_again_when_that_is_not_enough_and_not_before(world: Books) -> None:
    merchant = world.merchant(1, modes=("live",))
    for n in range(5):
        _busy(world, _stored(world), 12, DAY + n * ONE)
        world.close(DAY + n * ONE)
        world.settle(Book(merchant.id, "live", CURRENCY))
        expected = 2 if DAY + n * ONE < WIDE else 4
        assert _stored(world).shards == expected
    assert _stored(world).widened[0] == (WIDE, 1)
    book = Book(merchant.id, "live", CURRENCY)
    assert sum(seal.count for seal in world.seals(book)) == 60


def test_every_shard_ever_used_is_sealed_whatever_writers_know(world: Books) -> None:
    """A writer that still has the old record, one that has the new one, and money booked late."""
    old = world.merchant(1, modes=("live",))
    _busy(world, old, 4)
    world.close()
    world.settle()
    book, new = Book(old.id, "live", CURRENCY), _stored(world)
    _busy(world, old, 6, WIDE)
    _busy(world, new, 6, WIDE)
    used = {i["pk"].rpartition("#")[2] for i in world.items("PaymentsTable")}
    assert used == {"0", "1"}
    late = next(p for p in iter(lambda: world.opened(new, WIDE), None) if p.id.shard == 1)
    world.close(WIDE)
    world.settle(book)
    world.paid_late(late, WIDE + ONE)
    world.close(WIDE + ONE)
    world.settle(book)
    sealed = [line.id for seal in world.seals(book) for line in world.lines(seal).lines]
    booked = [i["id"] for i in world.items("PaymentsTable") if "legs" in i]
    assert sorted(sealed) == sorted(booked)
    assert f"x:{late.id}" in sealed


def test_settlement_reads_the_record_anew(world: Books) -> None:
    """A container that kept the merchant as it was would miss the new shards."""
    old = world.merchant(1, modes=("live",))
    assert world.live.merchants.get(old.id) == old
    world.books  # noqa: B018 - the stores that look have kept nothing
    fresh = Books.doors(world, world.aws.quiet).merchants
    fresh.widen(old, 4, DAY)
    _busy(world, _stored(world), 12)
    world.close()
    world.settle()
    (seal,) = world.seals(Book(old.id, "live", CURRENCY))
    assert seal.count == 12


def test_there_is_an_end_to_it(world: Books) -> None:
    merchant = world.merchant(1, modes=("live",), shards=SHARDS_MAX)
    range_ = reading.Range(merchant, Book(merchant.id, "live", CURRENCY), DAY, DAY)
    reading._measured(world.live, range_, DAY, reading.Block("", "", peak=100))
    assert _stored(world) == merchant


def test_two_busy_shards_raise_it_once(world: Books) -> None:
    merchant = world.merchant(1, modes=("live",))
    range_ = reading.Range(merchant, Book(merchant.id, "live", CURRENCY), DAY, DAY)
    for _ in range(2):
        reading._measured(world.live, range_, DAY, reading.Block("", "", peak=100))
    assert len(_stored(world).widened) == 1
    with pytest.raises(Overtaken):
        world.live.merchants.put(merchant)


def test_new_payments_ask_for_the_day_they_are_of() -> None:
    merchant = Merchant("mer_000001", "", DAY, shards=4, widened=((WIDE, 2), (WIDE + ONE, 3)))
    assert [merchant.shards_on(WIDE + n * ONE) for n in (-1, 0, 1, 2)] == [2, 3, 4, 4]
    for since, shards in ((dt.date(2030, 1, 1), {0}), (dt.date(2020, 1, 1), {0, 1})):
        with running_world() as world:
            key = world.add_merchant(shards=2, widened=((since, 1),))["test"]
            made = [pay(world, key, reference=f"{since} {n}")["id"] for n in range(20)]
            assert {PaymentId.parse(id).shard for id in made} == shards


def test_a_window_is_what_the_letters_of_an_id_say(world: Books) -> None:
    merchant = world.merchant(1, modes=("live",))
    opens = calendar.cut_off(DAY, CURRENCY) - dt.timedelta(hours=4)
    ids = [world.opened(merchant, hours=4 - s / 3600).id for s in range(0, 66, 2)]
    assert ids[0].ms == calendar.ms_into(opens, DAY, CURRENCY)
    for id in ids:
        same = id.text[4 : reading.WINDOW_END] == ids[0].text[4 : reading.WINDOW_END]
        assert same == (id.ms >> 14 == ids[0].ms >> 14)
    assert reading.PEAK_S == 2**14 / 1000
