"""Statements for merchants, journals and trial balances for their accountants.

In:    API Gateway, an API key with settlement:read
Out:   a file in the bucket under the merchant's prefix, and a link to it that ends soon
Fails: problem+json; of a period that is not over, or of too many lines, no file is made
"""

import datetime as dt
import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from functions.statements.period import Period, days, period, references
from payvand import calendar, ledger, papers
from payvand.calendar import rfc3339
from payvand.edge import log
from payvand.edge.api import Request, Response, Route, serve
from payvand.edge.views import Currency, Day
from payvand.edge.wiring import wiring
from payvand.errors import BadInput
from payvand.ids import Book
from payvand.settlement import GENESIS

if TYPE_CHECKING:
    from payvand.edge.wiring import Wiring

LINES_MAX: Final = {"csv": 100_000, "pdf": 10_000}
"""What is made in half of the time API Gateway waits, on a slow processor."""
CHAIN_MAX: Final = 10_000
ISSUER: Final = "Payvand"


class ExportArgs(BaseModel):
    """Which days."""

    model_config = ConfigDict(extra="forbid")
    currency: Currency = "IRR"
    """Which currency's books."""
    first_day: Day | None = None
    """From this settlement day on; six days before `last_day` when absent. At most 93 days."""
    last_day: Day | None = None
    """Up to this settlement day, included; the last one that is over when absent."""


class StatementArgs(ExportArgs):
    """Which days, how it looks, and which statement it follows."""

    format: Literal["csv", "pdf"] = "csv"
    """The file to make. The CSV is the statement; the PDF shows the same and its digest."""
    locale: Literal["fa", "lv", "ru", "tr", "en"] | None = None
    """Language of the PDF; yours when absent."""
    after: Annotated[str, Field(pattern=r"^[1-9][0-9]{0,4}\.[0-9a-f]{64}$")] | None = None
    """`next_after` of your statement before, which ended the day before `first_day`."""


class StatementView(BaseModel):
    """A statement that was made, and where to read it."""

    url: str
    """Read the file here, without a key. Whoever holds it can: do not pass it on."""
    expires_at: str
    """When the address ends. Ask again for another one."""
    file: str
    """The name of the file."""
    size_bytes: int
    """How long it is."""
    currency: str
    """ISO 4217 code of the currency."""
    first_day: str
    """The first settlement day."""
    last_day: str
    """The last settlement day."""
    number: int
    """Its position in your chain of statements; 1 unless it follows another."""
    entries_count: int
    """How many entries it has, payouts not counted."""
    opening_balance: int
    """What was owed to you before, in minor units."""
    closing_balance: int
    """What is owed to you after the last seal of the period, in minor units."""
    digest: str
    """SHA-256 of the CSV, which also stands on every page of the PDF."""
    previous_digest: str
    """The same of the statement before; 64 zeros for the first."""
    next_after: str
    """Send it as `after` for the next period, so that both form a chain."""


class ExportView(BaseModel):
    """A file that was made, and where to read it."""

    url: str
    """Read the file here, without a key. Whoever holds it can: do not pass it on."""
    expires_at: str
    """When the address ends. Ask again for another one."""
    file: str
    """The name of the file."""
    size_bytes: int
    """How long it is."""
    currency: str
    """ISO 4217 code of the currency."""
    first_day: str
    """The first settlement day."""
    last_day: str
    """The last settlement day."""
    entries_count: int
    """How many journals it is made from, payouts included."""
    digest: str
    """SHA-256 of the file."""


def _asked(request: Request, args: ExportArgs, limit: int) -> Period:
    """The period of a call, if it is over and not too long. Raises BadInput, Conflict."""
    caller, live = request.caller, wiring()
    book = Book(caller.merchant.id, caller.mode, args.currency)
    closed = calendar.closed_through(live.clock.now(caller.mode).when, args.currency)
    found = period(live, caller.merchant, book, *days(args.first_day, args.last_day, closed))
    if found.count > limit:
        raise BadInput(
            "too_many_entries",
            f"These days have {found.count} entries, and a file at most {limit}: fewer days.",
            errors=[("first_day", "too many entries")],
        )
    log.note(book=book.key, lines=found.count)
    return found


def get_statement(request: Request) -> Response:
    """A statement of days that are over, as CSV or PDF, chained to the one before.

    Without `after` it is the first of its chain. The states of transfers are as known now.
    """
    args, caller, live = request.args(StatementArgs), request.caller, wiring()
    found = _asked(request, args, LINES_MAX[args.format])
    head = papers.Head.of(
        found.book,
        caller.merchant.name,
        (found.first, found.last),
        found.seals,
        after=_link(args.after, found),
        before=found.before,
    )
    lines = list(_lines(live, found))
    chunks: list[bytes] = []
    statement = papers.close(head, lines, chunks.append)
    file = head.file
    if args.format == "pdf":
        locale = args.locale or caller.merchant.locale
        file = f"{file.removesuffix('.csv')}.{locale}.pdf"
        chunks = list(papers.statement_pdf(statement, lines, locale, issuer=ISSUER))
    content = b"".join(chunks)
    url, expires_at = _kept(live, found.book, statement.digest, file, content)
    return Response.of(
        StatementView(
            url=url,
            expires_at=expires_at,
            file=file,
            size_bytes=len(content),
            currency=found.book.currency,
            first_day=found.first.isoformat(),
            last_day=found.last.isoformat(),
            number=head.number,
            entries_count=found.count,
            opening_balance=head.opening_minor,
            closing_balance=head.closing_minor,
            digest=statement.digest,
            previous_digest=head.previous,
            next_after=f"{head.number}.{statement.digest}",
        )
    )


def _link(after: str | None, found: Period) -> papers.Link | None:
    """The statement before: its reader names it, and where it ended follows from the chain."""
    if after is None:
        return None
    number, _, digest = after.partition(".")
    if digest == GENESIS:
        raise BadInput(
            "input_invalid", "Some fields are wrong.", errors=[("after", "no statement's digest")]
        )
    before = found.before
    return papers.Link(
        number=int(number),
        through=found.first - dt.timedelta(1),
        closing_minor=0 if before is None else before.closing_minor,
        seal=0 if before is None else before.n,
        digest=digest,
    )


def _lines(live: "Wiring", found: Period) -> Iterator[papers.Line]:
    for seal, lines in found.lines(live):
        names = references(live, lines)
        for line in lines:
            subject = line.subject
            reference = names.get(subject, "")
            yield papers.Line.of(line, seal, kind=line.kind, subject=subject, reference=reference)


def _kept(live: "Wiring", book: Book, digest: str, file: str, content: bytes) -> tuple[str, str]:
    """Keep a file; the link to it and when that ends."""
    key = live.papers.keep(book, digest, file, content)
    wall = dt.datetime.fromtimestamp(live.clock.wall_ms() / 1000, dt.UTC)
    link = live.papers.link(key, wall)
    return link.url, rfc3339(link.until_ms)


# ── for the accountant ────────────────────────────────────────────────────────────────────────


def get_journal(request: Request) -> Response:
    """Every journal of days that are over, leg by leg with account codes, as CSV."""
    found = _asked(request, request.args(ExportArgs), LINES_MAX["csv"])
    entries = list(_entries(wiring(), found, named=True))
    content = b"".join(papers.journal_csv(entries))
    return _export(found, "journal", content, len(entries))


def get_trial_balance(request: Request) -> Response:
    """Every account with opening balance, movements and closing balance of days, as CSV."""
    live = wiring()
    found = _asked(request, request.args(ExportArgs), LINES_MAX["csv"])
    balance = papers.TrialBalance({found.book.currency: _opening(live, found)})
    count = 0
    for entry in _entries(live, found, named=False):
        balance.add(entry)
        count += 1
    return _export(found, "trial-balance", balance.csv(), count)


def _opening(live: "Wiring", found: Period) -> ledger.Legs:
    """Every account before the period: all seals before, and what their payouts moved."""
    if found.before is None:
        return {}
    chain = live.settlements.seals(found.book, before=found.before.n + 1, limit=CHAIN_MAX)
    journals: list[ledger.Legs] = []
    for seal in chain:
        journals.append(seal.sums)
        if seal.payout_minor:
            journals.append(ledger.paid_out(seal.payout_minor, seal.wage_minor))
    return {account: minor for account, minor in ledger.total(journals).items() if minor}


def _entries(live: "Wiring", found: Period, *, named: bool) -> Iterator[papers.Entry]:
    """Journals seal after seal, a payout after what it pays; `named` with the merchant's names."""
    for seal, lines in found.lines(live):
        names = references(live, lines) if named else {}
        for line in lines:
            about = f"{line.kind} {names.get(line.subject, '')}".strip()
            yield papers.Entry.of_line(line, found.book, subject=line.subject, description=about)
        if seal.payout_minor:
            yield papers.Entry.of_payout(seal)


def _export(found: Period, name: str, content: bytes, count: int) -> Response:
    digest = hashlib.sha256(content).hexdigest()
    file = f"{name}-{found.book.key}-{found.first}-{found.last}.csv"
    url, expires_at = _kept(wiring(), found.book, digest, file, content)
    return Response.of(
        ExportView(
            url=url,
            expires_at=expires_at,
            file=file,
            size_bytes=len(content),
            currency=found.book.currency,
            first_day=found.first.isoformat(),
            last_day=found.last.isoformat(),
            entries_count=count,
            digest=digest,
        )
    )


ROUTES = (
    Route(
        "GET",
        "/statements",
        get_statement,
        "Make a statement",
        scope="settlement:read",
        args=StatementArgs,
        answer=StatementView,
        problems=("400", "409"),
    ),
    Route(
        "GET",
        "/exports/journal",
        get_journal,
        "Export the journal for an accountant",
        scope="settlement:read",
        args=ExportArgs,
        answer=ExportView,
        problems=("400", "409"),
    ),
    Route(
        "GET",
        "/exports/trial_balance",
        get_trial_balance,
        "Export a trial balance",
        scope="settlement:read",
        args=ExportArgs,
        answer=ExportView,
        problems=("400", "409"),
    ),
)
lambda_handler = serve(*ROUTES)
