"""The product survives every schedule, and the simulator finds every bug we know.

Each test runs the command in a process of its own: a simulated world takes over the product's
doors, and nothing of that may reach another test.
"""

import re
import subprocess

import pytest

from payvand.store.guards import GUARDS
from payvand_cli import paths
from payvand_cli.simulate.plants import NOT_BY_SIMULATION, PLANTS

STRETCH = 2_500
MIXED = 20_000
ALONE = 2_500
"""Schedules of a profile: a single channel, or payouts in files of many."""


def simulate(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(paths.DEV_BIN / "payvand"), "simulate", *arguments],
        cwd=paths.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("first", range(0, MIXED, STRETCH))
def test_no_rule_is_broken(first: int) -> None:
    done = simulate("--seed", str(first), "--schedules", str(STRETCH))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "profile", ["zarinpal", "noticebank", "files", "covered", "books", "rivals"]
)
def test_no_rule_is_broken_in_a_profile(profile: str) -> None:
    done = simulate("--schedules", str(ALONE), "--profile", profile)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_rule_is_broken_at_a_steady_rate_of_faults() -> None:
    done = simulate("--schedules", "300", "--fault-rate", "0.15", "--seed", "500000")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_roughest_schedule_ends_as_the_docs_say() -> None:
    """Chains of timers that multiply are not endless."""
    (seed, calls) = re.findall(
        r"Seed ([0-9]+) shows.*?after ([0-9,]+) calls",
        (paths.ROOT / "docs/simulation.md").read_text(encoding="utf-8"),
        re.DOTALL,
    )[0]
    done = simulate("--seed", seed, "--schedules", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"1 schedules, {calls} calls" in done.stdout


@pytest.mark.parametrize("bugs", ["guard [a-l]*", "guard [m-z]*", "[a-f]*", "[h-n]*", "[o-z]*"])
def test_every_planted_bug_is_found_in_its_time(bugs: str) -> None:
    done = simulate("--plant", bugs)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_hunt_covers_every_bug() -> None:
    assert len(PLANTS) >= 90
    assert all(bug.within > 0 for bug in PLANTS.values())
    hunted = re.compile(r"guard [a-z]|[a-fh-z]")
    assert all(hunted.match(name) for name in PLANTS)


def test_every_guard_is_planted_or_says_why_not() -> None:
    planted = {name.removeprefix("guard ") for name in PLANTS if name.startswith("guard ")}
    assert planted | NOT_BY_SIMULATION.keys() == GUARDS.keys()
    assert not planted & NOT_BY_SIMULATION.keys()


def test_bugs_are_looked_for_where_nothing_is_wrong_without_them() -> None:
    for bug in PLANTS.values():
        assert bug.within <= (MIXED if bug.profile == "mixed" else ALONE)


def test_a_failure_is_told_as_a_short_story() -> None:
    done = simulate("--schedules", "100", "--plant", "extra_kept")
    assert done.returncode == 1
    assert "5 no taken payment lost" in done.stdout
    assert "again: payvand simulate --seed" in done.stdout
    story = done.stdout.partition("without: ")[2].splitlines()
    assert 3 < len(story) < 40
    assert story[-1].split("  ")[1] == "BROKEN"


def test_the_same_seed_is_the_same_schedule() -> None:
    first, second = (simulate("--seed", "7", "--schedules", "30").stdout for _ in range(2))
    timeless = re.compile(r" in [0-9.]+ s \(.*\)")
    assert timeless.sub("", first) == timeless.sub("", second)


def test_what_it_does_not_know_is_refused() -> None:
    assert simulate("--plant", "no such bug").returncode == 2
    assert simulate("--profile", "no such channel").returncode == 2
