"""`payvand tasks`: what waits for a person, and what the person found out.

What each kind asks for is in docs/runbook.md, "tasks". Bad input ends with exit code 2 and a
sentence.
"""

import datetime as dt
import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from typing import Annotated, Any, Final

import typer
from botocore.exceptions import BotoCoreError, ClientError

from payvand.bank import Outcome, Verdict
from payvand.edge.words import visible
from payvand.errors import NotFound
from payvand.ids import Mode, PayoutId
from payvand.settlement import PayoutState, Seal
from payvand.store.payout_files import Lane
from payvand.store.tasks import NOTE_MAX, Task
from payvand_cli.doors import Doors, StackName, find_stack
from payvand_cli.show import line, problem
from payvand_cli.story import Section, text_of

DECIDE: Final = (Verdict.EXECUTED, Verdict.REJECTED, Verdict.RETURNED)

app = typer.Typer(no_args_is_help=False, add_completion=False)
Note = Annotated[str, typer.Option(help="What was found out, for whoever reads it later.")]


class Wrong(Exception):
    """What was typed makes no sense; a sentence for who typed it."""


@contextmanager
def _told() -> Iterator[None]:
    """What was typed wrong is told with exit code 2, what the stack refused with 1."""
    try:
        yield
    except Wrong as wrong:
        problem(str(wrong).replace("[", r"\["))
        raise typer.Exit(2) from None
    except (BotoCoreError, ClientError) as error:
        problem(str(error).replace("[", r"\["))
        raise typer.Exit(1) from None


def _mode(*, live: bool) -> Mode:
    return "live" if live else "test"


def _note(text: str) -> str:
    kept = text.strip()
    try:
        visible(kept)
    except ValueError as error:
        raise Wrong(f"--note {error}") from None
    if not 0 < len(kept) <= NOTE_MAX:
        raise Wrong(f"--note must have 1 to {NOTE_MAX} characters")
    return kept


def _as_json(task: Task) -> dict[str, Any]:
    at = dt.datetime.fromtimestamp(task.at_ms // 1000, dt.UTC)
    return {
        "id": task.id,
        "kind": task.kind,
        "subject": task.subject,
        "mode": task.mode,
        "since": at.isoformat().replace("+00:00", "Z"),
        "facts": dict(task.facts),
    }


def _row(task: Task) -> tuple[str, ...]:
    at = dt.datetime.fromtimestamp(task.at_ms / 1000, dt.UTC)
    facts = ", ".join(f"{name} {value}" for name, value in sorted(task.facts.items()))
    return (f"{at:%a %Y-%m-%d %H:%M}", task.kind, task.subject, facts)


@app.callback(invoke_without_command=True)
def waiting(
    context: typer.Context,
    stack: StackName = "",
    *,
    live: Annotated[bool, typer.Option("--live", help="Of live books, not test books.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Show what waits for a person, oldest first."""
    if context.invoked_subcommand is not None:
        return
    with _told():
        found = list(Doors(find_stack(stack)).tasks.waiting(_mode(live=live)))
    found.sort(key=lambda task: (task.at_ms, task.id))
    if json_:
        typer.echo(json.dumps([_as_json(task) for task in found], ensure_ascii=False, indent=1))
        return
    if not found:
        line(f"Nothing of {_mode(live=live)} books waits for a person.")
        return
    columns = ("since (UTC)", "task", "about", "facts")
    line(text_of(Section("tasks", [_row(task) for task in found], columns)))
    line(
        "\nWhat each task asks for: docs/runbook.md, “tasks”.\n"
        "[dim]When it is done: payvand tasks close 'TASK#ABOUT' --note '…'. What a bank said of a "
        "payout in doubt: payvand tasks answer REFERENCE executed|rejected|returned[/]"
    )


@app.command()
def close(
    id: Annotated[str, typer.Argument(help="TASK#ABOUT, as the list shows it.")],
    note: Note,
    stack: StackName = "",
    *,
    live: Annotated[bool, typer.Option("--live", help="Of live books.")] = False,
) -> None:
    """Close a task for good, with what was found out."""
    with _told():
        kept, doors = _note(note), Doors(find_stack(stack))
        mode = _mode(live=live)
        try:
            task = doors.tasks.close(mode, id, kept, doors.clock.now(mode).ms)
        except NotFound:
            raise Wrong(f"no task {id!r} waits in {mode} books") from None
    line(f"closed: {task.id}")


@app.command()
def withdraw(
    payout: Annotated[str, typer.Argument(help="The payout, po_…")],
    note: Note,
    stack: StackName = "",
) -> None:
    """Take back a payout that no file can carry; its amount is in the balance again."""
    with _told():
        kept = _note(note)
        doors = Doors(find_stack(stack))
        seal = _seal(doors, payout)
        if seal.state is not PayoutState.NEW or Lane.of(seal).door == "json":
            raise Wrong(f"{payout} does not wait for a file")
        message = {"lane": Lane.of(seal).key, "withdraw": payout}
        url = doors.stack.outputs["PayoutFileQueue"]
        doors.stack.sqs.send_message(QueueUrl=url, MessageBody=json.dumps(message))
        mode = seal.book.mode
        with suppress(NotFound):
            doors.tasks.close(mode, f"payout_unsendable#{payout}", kept, doors.clock.now(mode).ms)
    line(f"taken back, unless it leaves at this moment: {payout}")


def _seal(doors: Doors, reference: str) -> Seal:
    """The seal behind a payout's or a transfer's reference."""
    try:
        id = PayoutId.parse(reference.partition("-")[0])
    except ValueError:
        raise Wrong(f"{reference!r} is no payout's reference, like po_8009RG400001") from None
    seal = doors.settlements.get(id.book, id.n)
    known = () if seal is None else map(seal.transfer, range(len(seal.parts)))
    if seal is None or reference not in {str(id), *known}:
        raise Wrong(f"there is no payout or transfer {reference}")
    return seal


@app.command()
def answer(
    reference: Annotated[str, typer.Argument(help="The transfer's or payout's reference, po_…")],
    verdict: Annotated[str, typer.Argument(help="executed, rejected or returned.")],
    note: Note,
    code: Annotated[str, typer.Option(help="The bank's code.")] = "",
    bank_reference: Annotated[str, typer.Option(help="The bank's own number.")] = "",
    stack: StackName = "",
) -> None:
    """Say what a bank told a person of a payout that left in a file; it is booked as if read."""
    with _told():
        kept = _note(note)
        if verdict not in DECIDE:
            raise Wrong(f"{verdict!r} decides nothing; say {', '.join(DECIDE)}")
        doors = Doors(find_stack(stack))
        seal = _seal(doors, reference)
        if seal.file is None:
            raise Wrong(f"{reference} did not leave in a file")
        said = Outcome(reference, Verdict(verdict), code[:35], "", bank_reference[:35])
        message = {"lane": Lane.of(seal).key, "said": [asdict(said)]}
        url = doors.stack.outputs["PayoutFileQueue"]
        doors.stack.sqs.send_message(QueueUrl=url, MessageBody=json.dumps(message))
        mode, doubt = seal.book.mode, f"payout_in_doubt#{reference}"
        try:
            doors.tasks.close(mode, doubt, kept, doors.clock.now(mode).ms)
        except NotFound:
            line("nobody was in doubt about it; it is said all the same")
    line(f"said: {reference} {verdict}")
