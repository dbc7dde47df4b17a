"""`payvand load`: put the running local stack under load, then look whether its books hold."""

import datetime as dt
import re
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

import typer

from payvand_cli import paths
from payvand_cli.doors import Doors
from payvand_cli.handle import opened
from payvand_cli.load import facts, memory, report, verdicts
from payvand_cli.load.course import ACTORS_MAX, Asked, Course
from payvand_cli.load.meter import only_here
from payvand_cli.load.profiles import EACH_IN_TURN, PROFILES
from payvand_cli.load.report import Report
from payvand_cli.show import line, problem
from payvand_cli.stack import Stack
from payvand_cli.web import Lab

SECONDS_MAX = 7200
PAYMENTS_MAX = 50_000
_NAMES = re.compile(r"\b(?:pay|po|nb|S\d{14})[0-9A-Za-z_]{8,}")


class NotHere(Exception):
    """What was to be put under load is not on this machine."""


def run(local: dict[str, Any], asked: Asked, command: str) -> Report:
    """Rush, rest, look.

    Raises:
        NotHere: an address is not on this machine's loopback.
    """
    for name in ("api_url", "lab_url", "aws_endpoint"):
        if not only_here(local[name]):
            raise NotHere(f"{name} is {local[name]}: only this machine is put under load")
    began = time.monotonic()
    doors = Doors(Stack(local["aws_endpoint"], local["stack"]))
    with Lab(local["lab_url"]) as lab, closing(Course(local, doors, lab, asked)) as course:
        course.open()
        sampler = memory.Sampler(local["emulator_pid"])
        sampler.start()
        rushed_s = course.rush(line)
        course.settle()
        growths = sampler.stop()
        found = facts.collect(doors, course.merchants, course.wishes)
    refused = dict(course.meter.refused)
    return Report(
        command=command,
        at=f"{dt.datetime.now(dt.UTC):%Y-%m-%d}",
        machine=report.machine(),
        revision=revision(),
        rushed_s=round(rushed_s, 1),
        took_s=round(time.monotonic() - began, 1),
        lab_days=course.days,
        payments=dict(
            Counter(str(p.shown_status) for book in found.books for p in book.payments.values())
        ),
        plans=dict(Counter(wish.plan.name for wish in course.wishes)),
        timings=course.meter.timings(),
        refused=[(*key, count) for key, count in course.meter.refused.most_common()],
        troubles=_troubles(course),
        memory=growths,
        verdicts=[
            *verdicts.verdicts(found),
            verdicts.answered(refused),
            verdicts.flat(growths),
        ],
    )


def _troubles(course: Course) -> dict[str, int]:
    said = [wish.trouble for wish in course.wishes if wish.trouble] + course.troubles
    return report.counted(Counter(_NAMES.sub("…", text) for text in said))


def revision() -> str:
    """The commit this is, and whether something was changed since."""
    asked = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--exclude=*"],
        cwd=paths.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return asked.stdout.strip() or "unknown"


def load(
    *,
    profile: Annotated[
        str, typer.Option(help=f"{', '.join(PROFILES)}, or {EACH_IN_TURN}: each in turn.")
    ] = EACH_IN_TURN,
    seconds: Annotated[
        float, typer.Option(min=1, max=SECONDS_MAX, help="How long payers come.")
    ] = 120,
    payments: Annotated[
        int, typer.Option(min=1, max=PAYMENTS_MAX, help="How many at most.")
    ] = 2_000,
    turn: Annotated[float, typer.Option(min=10, max=600, help="Seconds of a lab day.")] = 30,
    actors: Annotated[int, typer.Option(min=1, max=ACTORS_MAX, help="At once at most.")] = 8,
    seed: Annotated[int, typer.Option(help="Chooses who pays how.")] = 1,
    out: Annotated[Path | None, typer.Option("--json", help="Keep the report here.")] = None,
) -> None:
    """Put the local stack under load, then check that nothing was lost."""
    if profile not in {*PROFILES, EACH_IN_TURN}:
        problem(f"no profile {profile}; there are: {', '.join(PROFILES)}, {EACH_IN_TURN}")
        raise typer.Exit(2)
    asked = Asked(profile, seconds, payments, turn, actors, seed)
    try:
        done = run(opened().local, asked, command(sys.argv[1:]))
    except NotHere as elsewhere:
        problem(str(elsewhere))
        raise typer.Exit(2) from None
    if out:
        report.write(done, out)
    line(f"\n{done}")
    raise typer.Exit(0 if done.holds else 1)


def command(arguments: list[str]) -> str:
    """The command as it was given, without where the report went."""
    shown = list(arguments)
    if "--json" in shown:
        at = shown.index("--json")
        del shown[at : at + 2]
    return " ".join(["payvand", *shown])
