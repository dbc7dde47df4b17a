"""`make check` runs what fits in three minutes, and nobody's tests fall between the rooms."""

from pathlib import Path

from hypothesis import settings

from tools import check

TESTS = Path(__file__).parents[1]


def rooms() -> set[str]:
    """The folders of tests/ that hold tests, at whatever depth."""
    return {path.relative_to(TESTS).parts[0] for path in TESTS.rglob("test_*.py")}


def test_each_room_of_tests_is_quick_or_for_later() -> None:
    assert not check.QUICK & check.LATER
    assert rooms() <= check.QUICK | check.LATER
    assert rooms() >= check.QUICK


def test_quick_names_each_quick_room_and_leaves_out_what_takes_long() -> None:
    told = check.quick(TESTS)
    assert {Path(name).name for name in told[:-4]} == check.QUICK
    assert told[-4:] == ["--hypothesis-profile", "quick", "-m", "not stack and not long"]


def test_properties_are_tried_on_fewer_examples_and_no_other_time() -> None:
    assert settings.get_profile("quick").max_examples < settings.get_profile("payvand").max_examples
    assert settings.get_profile("quick").deadline is None
