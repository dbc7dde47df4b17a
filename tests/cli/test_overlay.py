"""Schedules are shifted to UTC exactly, or not at all."""

from unittest.mock import Mock

import pytest

from payvand_cli.overlay import fixed_offset, mapping, to_utc

TEHRAN = "Asia/Tehran"


@pytest.mark.parametrize(
    ("local", "utc"),
    [
        ("cron(30 16 * * ? *)", "cron(0 13 * * ? *)"),
        ("cron(0 16 * * ? *)", "cron(30 12 * * ? *)"),
        ("cron(15 1 * * ? *)", "cron(45 21 * * ? *)"),
        ("cron(0 9,12,18 ? * SAT-WED *)", "cron(30 5,8,14 ? * SAT-WED *)"),
        ("cron(10 * * * ? *)", "cron(40 * * * ? *)"),
        ("rate(5 minutes)", "rate(5 minutes)"),
        ("at(2026-11-23T01:00:00)", "at(2026-11-22T21:30:00)"),
    ],
)
def test_tehran_is_three_and_a_half_hours_ahead(local: str, utc: str) -> None:
    assert to_utc(local, TEHRAN) == utc


def test_utc_stays_as_it_is() -> None:
    assert to_utc("cron(7 1 * * ? *)", "UTC") == "cron(7 1 * * ? *)"


@pytest.mark.parametrize(
    "expression",
    [
        "cron(0 1 1 * ? *)",  # the first of the month begins on the last one in UTC
        "cron(0 1 ? * SAT *)",
        "cron(0/5 16 * * ? *)",
        "cron(0 8-10 * * ? *)",
        "every day at noon",
    ],
)
def test_what_cannot_be_shifted_exactly_is_refused(expression: str) -> None:
    with pytest.raises(ValueError, match=r"cannot shift|not a schedule"):
        to_utc(expression, TEHRAN)


def test_a_zone_with_summer_time_is_refused() -> None:
    with pytest.raises(ValueError, match="clocks change"):
        fixed_offset("Europe/Riga")


@pytest.mark.parametrize(
    ("source", "scaling", "limited"),
    [
        ("arn:aws:sqs:us-east-1:1:payvand-timer", None, True),
        ("arn:aws:sqs:us-east-1:1:payvand-timer", {"MaximumConcurrency": 7}, False),
        ("arn:aws:dynamodb:us-east-1:1:table/t/stream/s", None, False),
    ],
)
def test_a_queues_worker_runs_twice_at_once_unless_the_template_says_otherwise(
    source: str, scaling: dict[str, int] | None, *, limited: bool
) -> None:
    functions = Mock()
    functions.get_event_source_mapping.return_value = {
        "EventSourceArn": source,
        **({"ScalingConfig": scaling} if scaling else {}),
    }
    done = list(mapping(Mock(functions=functions), "id-1"))
    assert done == (["payvand-timer: 2 workers at once"] if limited else [])
    assert functions.update_event_source_mapping.called is limited
