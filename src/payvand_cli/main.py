"""The payvand command: one line per verb."""

import typer

from payvand_cli import calendar, reconcile, tasks
from payvand_cli.demo import demo
from payvand_cli.fire import fire
from payvand_cli.handle import NothingRuns
from payvand_cli.load.command import load
from payvand_cli.logs import logs
from payvand_cli.redrive import redrive
from payvand_cli.settle import settle
from payvand_cli.show import problem
from payvand_cli.simulate.command import simulate
from payvand_cli.story import story
from payvand_cli.up import down, up

VERBS = (up, down, demo, story, settle, logs, fire, redrive, load, simulate)

app = typer.Typer(
    help="Payvand on this machine: a whole payment facilitator, without an AWS account.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for verb in VERBS:
    app.command()(verb)
app.add_typer(calendar.app, name="calendar")
app.add_typer(reconcile.app, name="reconcile")
app.add_typer(tasks.app, name="tasks")


def main() -> None:
    """Run the verb named on the command line."""
    try:
        app()
    except NothingRuns as nothing:
        problem(str(nothing))
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
