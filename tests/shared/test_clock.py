"""The clock door: test books follow the lab, live books the host, and a wrong host stops."""

import datetime as dt
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payvand.calendar import SKEW_MAX_S
from payvand.errors import Skewed
from payvand.ids import MODES, Mode
from payvand.store.clock import Clock, Moment
from payvand.store.table import Read
from tests.support.merchant import create, show
from tests.support.world import World, check_books, running_world

NOW_S = 1_777_883_400.5
NOW_MS = 1_777_883_400_500


class Lab:
    """The lab's table: one item, or none; how often it was read."""

    def __init__(self, offset_s: int | None) -> None:
        self.offset_s = offset_s
        self.reads = 0

    def get(self, key: dict[str, str]) -> Read:
        assert key == {"pk": "clock", "sk": "clock"}
        self.reads += 1
        return Read(None if self.offset_s is None else {"offset_s": self.offset_s}, None)


def clock(lab: Lab) -> Clock:
    return Clock(lab, lambda: NOW_S)  # type: ignore[arg-type]


@given(st.integers(0, 10**9))
def test_test_books_follow_the_lab_and_live_books_never(offset_s: int) -> None:
    lab = Lab(offset_s)
    assert clock(lab).now("test") == Moment(NOW_MS + offset_s * 1000, "test")
    assert lab.reads == 1
    assert clock(lab).now("live") == Moment(NOW_MS, "live")
    assert lab.reads == 1, "a live book does not even ask"


def test_the_lab_s_clock_is_read_every_time() -> None:
    lab = Lab(None)
    door = clock(lab)
    assert door.now("test").ms == NOW_MS
    lab.offset_s = 60
    assert door.now("test").ms == NOW_MS + 60_000


def test_a_moment_names_its_time_and_day() -> None:
    moment = Moment(NOW_MS, "test")
    assert moment.when == dt.datetime(2026, 5, 4, 8, 30, 0, 500_000, tzinfo=dt.UTC)
    assert moment.label("IRR") == dt.date(2026, 5, 4)
    assert Moment(NOW_MS + 5 * 3_600_000, "test").label("IRR") == dt.date(2026, 5, 5)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("by_s", [0, 1, 30, SKEW_MAX_S, -1, -SKEW_MAX_S])
def test_a_small_difference_is_let_through(mode: Mode, by_s: int) -> None:
    clock(Lab(0)).check(mode, NOW_MS + by_s * 1000)


@pytest.mark.parametrize("by_s", [SKEW_MAX_S + 2, 120, 86_400, -SKEW_MAX_S - 2, -86_400])
def test_a_large_difference_stops_live_books_alone(by_s: int) -> None:
    with pytest.raises(Skewed):
        clock(Lab(0)).check("live", NOW_MS + by_s * 1000)
    clock(Lab(0)).check("test", NOW_MS + by_s * 1000)


@given(st.integers(-200_000, 200_000))
def test_whole_seconds_of_the_date_header_never_stop_an_allowed_clock(by_ms: int) -> None:
    """The header drops its milliseconds, so up to a second more may be seen than there is."""
    header_ms = (NOW_MS + by_ms) // 1000 * 1000
    try:
        clock(Lab(0)).check("live", header_ms)
    except Skewed:
        assert abs(by_ms) > SKEW_MAX_S * 1000
    else:
        assert abs(by_ms) <= SKEW_MAX_S * 1000 + 2_000


def test_an_answer_without_a_date_is_not_compared() -> None:
    clock(Lab(0)).check("live", None)


@pytest.fixture
def world() -> Iterator[World]:
    with running_world() as made:
        yield made


@pytest.mark.parametrize("skew_s", [180, -180])
def test_a_wrong_host_books_nothing_and_is_put_right_when_its_clock_is(
    world: World, skew_s: int
) -> None:
    key = world.add_merchant()["live"]
    payment = create(world, key, channel="zarinpal")
    bank = world.go_to_bank(payment)

    world.server_skew_s = skew_s
    back = world.submit(bank, "pay")
    assert back.status == 500
    world.later(minutes=6)
    world.deliver("TimerQueue")  # its timer cannot book either, and is seen again
    assert world.payment(payment["id"]).execution is None
    assert not any(item for item in world.items("PaymentsTable") if "legs" in item)

    world.server_skew_s = 0
    world.later(minutes=6)
    world.run(hours=1)
    assert show(world, key, payment["id"])["status"] == "executed"
    assert not any(world.dead.values())
    check_books(world)


def test_test_books_do_not_mind_a_wrong_host(world: World) -> None:
    key = world.add_merchant()["test"]
    world.server_skew_s = 180
    payment = create(world, key, channel="zarinpal")
    world.pay(payment)
    assert show(world, key, payment["id"])["status"] == "executed"
    check_books(world)
