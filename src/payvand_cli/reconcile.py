"""`payvand reconcile`: hand in a statement or report, see what does not agree, decide it."""

import datetime as dt
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.markup import escape

from payvand import ledger
from payvand.bank.reports import SIZE_MAX_BYTES
from payvand.errors import Overtaken
from payvand.ids import MODES, Book
from payvand.money import CURRENCIES
from payvand.reconcile import rows, rule_of
from payvand.store.reconciliations import Reconciliations, Scope
from payvand_cli.doors import Doors, StackName, find_stack
from payvand_cli.show import line, problem
from payvand_cli.story import money

app = typer.Typer(help=__doc__, no_args_is_help=True)
ModeName = Annotated[str, typer.Option("--mode", help="test or live.")]

_NAME: Final = re.compile(r"[^A-Za-z0-9._-]+")
REASON_MAX: Final = 500


class Refused(Exception):
    """The order makes no sense."""


def kept(doors: Doors) -> Reconciliations:
    """Sources, runs and words of a stack."""
    bucket = doors.stack.outputs["FilesBucket"]
    return Reconciliations(doors.table("SettlementTable"), doors.payments, doors.stack.s3, bucket)


def scope_of(mode: str, source: str) -> Scope:
    """A source that can be read.

    Raises:
        Refused: with what is possible.
    """
    try:
        rule_of(source)
        return Scope.of(mode, source)
    except (KeyError, ValueError):
        known = "stripe:…, yookassa:…, zibal:…, paya:…, camt.053 or statement:CUR"
        raise Refused(f"{mode} {source}: a source is {known}, in test or live") from None


def upload(doors: Doors, scope: Scope, path: Path, now: dt.datetime) -> str:
    """Put a file where it is read and say so; its key.

    Raises:
        Refused: it cannot be read here, or is too large.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise Refused(f"{path}: {error.strerror}") from None
    if len(content) > SIZE_MAX_BYTES:
        raise Refused(f"{path} is larger than {SIZE_MAX_BYTES} bytes; hand it in in parts")
    name = _NAME.sub("-", path.name)[-80:]
    key = f"bank/in/{scope.source.replace(':', '/')}/{scope.mode}/{now:%Y%m%dT%H%M%S}-{name}"
    bucket = doors.stack.outputs["FilesBucket"]
    doors.stack.s3.put_object(Bucket=bucket, Key=key, Body=content)
    _send(doors, {"file": key, "source": scope.source, "mode": scope.mode})
    return key


def open_items(doors: Doors, mode: str) -> Iterator[tuple[Scope, Mapping[str, Any]]]:
    """Every item that waits for a person, as the last run of its source found it."""
    door = kept(doors)
    for source in door.sources(Scope.of(mode, "x").mode):
        scope = Scope.of(mode, source)
        last = door.last(scope)
        decided = {item for item, _ in door.unheard(scope, limit=1_000)}
        for row in door.rows(last) if last else ():
            if "i" in row and row["i"]["item"] not in decided:
                yield scope, row["i"]


def journal(legs: Iterable[str]) -> ledger.Legs | None:
    """`account=amount` in minor units, as a journal.

    Raises:
        Refused: none that the ledger takes.
    """
    found: ledger.Legs = {}
    try:
        for leg in legs:
            account, _, amount = leg.partition("=")
            if account in found:
                raise ValueError("an account stands twice")
            found[account] = int(amount)
        if found:
            rows.check_legs(found)
    except ValueError as why:
        raise Refused(f"--legs account=amount: {why}") from None
    return found or None


@dataclass(frozen=True, slots=True)
class Said:
    """What an operator typed: why, further entries, legs, and a book for an item that has none."""

    reason: str
    entries: tuple[str, ...] = ()
    legs: tuple[str, ...] = ()
    book: str = ""


def word(scope: Scope, item: Mapping[str, Any], said: Said) -> dict[str, Any]:
    """What is written down of a decision. Who took it is in CloudTrail.

    Raises:
        Refused: its journal has no book to go to.
    """
    currency = item["found_currency"] or item["currency"]
    legs, book = journal(said.legs), item["book"] or said.book or None
    if legs and currency not in CURRENCIES:
        raise Refused(f"there are no books in {currency}: have it converted, and book what came")
    if legs and ledger.PAYABLE in legs:
        _check_book(scope, book, currency)
    return {
        "entries": [*dict.fromkeys([*item["entries"], *said.entries])],
        "found": item["found"],
        "currency": currency,
        "by": "operator",
        "reason": said.reason[:REASON_MAX],
        "legs": legs,
        "book": book,
    }


def _check_book(scope: Scope, key: str | None, currency: str) -> None:
    try:
        book = Book.parse(key or "")
    except ValueError:
        raise Refused(
            f"{ledger.PAYABLE} needs a book: --book mer_….{scope.mode}.{currency}"
        ) from None
    if (book.mode, book.currency) != (scope.mode, currency):
        raise Refused(f"{book.key}: the book is of another mode or currency")


def decide(doors: Doors, mode: str, id: str, said: Said) -> Scope:
    """Write a decision down and wake its source.

    Raises:
        Refused: no such item waits, or it was decided already.
    """
    if not said.reason.strip():
        raise Refused("a decision has a reason")
    found = next(((s, i) for s, i in open_items(doors, mode) if i["item"] == id), None)
    if found is None:
        raise Refused(f"{id}: no such item waits in {mode}; see: payvand reconcile list")
    scope, item = found
    try:
        kept(doors).say(scope, id, word(scope, item, said))
    except Overtaken:
        raise Refused(f"{id} was decided already") from None
    _send(doors, {"run": scope.source, "mode": scope.mode})
    return scope


def _send(doors: Doors, message: Mapping[str, str]) -> None:
    url = doors.stack.outputs["ReconcileQueue"]
    doors.stack.sqs.send_message(QueueUrl=url, MessageBody=json.dumps(message))


# ── commands ──────────────────────────────────────────────────────────────────────────────────────
@app.command("upload")
def upload_command(
    source: Annotated[str, typer.Argument(help="stripe:acct_1, camt.053, statement:RUB, …")],
    file: Annotated[Path, typer.Argument(help="What the bank or channel gave you.")],
    mode: ModeName = "live",
    stack: StackName = "",
) -> None:
    """Hand in a statement or report; it is read and compared at once."""
    doors = Doors(find_stack(stack))
    try:
        key = upload(doors, scope_of(mode, source), file, dt.datetime.now(dt.UTC))
    except Refused as refused:
        problem(escape(str(refused)))
        raise typer.Exit(1) from None
    line(f"[green]✓[/] {escape(key)}")


@app.command("list")
def list_command(mode: ModeName = "live", stack: StackName = "") -> None:
    """What does not agree and waits for a decision."""
    doors = Doors(find_stack(stack))
    if mode not in MODES:
        problem(f"{escape(mode)}: test or live")
        raise typer.Exit(1)
    some = False
    for scope, item in open_items(doors, mode):
        some = True
        line(f"{item['item']}  [bold]{item['state']}[/]  {scope.source}")
        line(f"  {_sentence(item)}")
        _tell("entries", item["entries"])
        _tell("expected", item["about"])
        _tell("see also", item["related"])
        legs = [f"{account}={minor}" for account, minor in (item["journal"] or {}).items()]
        _tell("proposed", legs)
    if not some:
        line("[dim]nothing waits[/]")


def _sentence(item: Mapping[str, Any]) -> str:
    found = _amount(item["found"], item["found_currency"] or item["currency"])
    if not item["about"]:
        return f"{item['code']}: {found}"
    return f"{item['code']}: {found} of {_amount(item['expected'], item['currency'])}"


def _amount(minor: int, currency: str) -> str:
    return money(minor, currency) if currency in CURRENCIES else f"{minor} {currency}"


def _tell(name: str, values: list[str]) -> None:
    if values:
        line(f"  [dim]{name}[/] {escape('  '.join(values))}")


@app.command("decide")
def decide_command(
    item: Annotated[str, typer.Argument(help="rec_…, from `payvand reconcile list`.")],
    reason: Annotated[str, typer.Option(help="Why, in a sentence; no names.")],
    entry: Annotated[
        list[str] | None, typer.Option(help="An entry this item ends with; may stand often.")
    ] = None,
    legs: Annotated[
        list[str] | None,
        typer.Option(help="account=amount in minor units, debits positive; all sum to zero."),
    ] = None,
    book: Annotated[str, typer.Option(help="For an item without one: mer_….live.EUR.")] = "",
    mode: ModeName = "live",
    stack: StackName = "",
) -> None:
    """End an item, with the entries and the correcting journal you name."""
    doors = Doors(find_stack(stack))
    try:
        said = Said(reason, tuple(entry or ()), tuple(legs or ()), book)
        scope = decide(doors, mode, item, said)
    except Refused as refused:
        problem(escape(str(refused)))
        raise typer.Exit(1) from None
    line(f"[green]✓[/] {item} is decided; {scope.source} is compared again")
