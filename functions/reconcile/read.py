"""A file that was left for us becomes entries that are kept, each once.

An entry that is known already, from another file or another reading, is not kept again; so a day
that was reconciled long ago does not come back when its month is read once more.
"""

import datetime as dt
import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from payvand.bank import Entry, FormatError
from payvand.bank.reports import SIZE_MAX_BYTES, Problem, Report
from payvand.edge import log
from payvand.reconcile import rows
from payvand.store.reconciliations import Scope
from payvand.store.tasks import Task

if TYPE_CHECKING:
    from payvand.edge.wiring import Wiring

LATE_DAYS: Final = 7
"""What is booked so long before it is read is looked for by the day it was read."""
_SUBJECT: Final = re.compile(r"[\x21-\x7e]{1,200}", re.ASCII)


def read_file(live: "Wiring", scope: Scope, key: str) -> bool:
    """Keep what a file says; False when it cannot be read, and then a person is told.

    The file itself is never changed, so nothing of it is lost.
    """
    now = live.clock.now(scope.mode)
    content = live.reconciliations.load(key, SIZE_MAX_BYTES)
    digest = hashlib.sha256(content or b"").hexdigest()
    if content is not None and live.reconciliations.was_read(scope, digest):
        log.note(answer="known")
        return True
    try:
        if content is None:
            raise FormatError(f"more than {SIZE_MAX_BYTES} bytes; ask for it in parts")
        report = parse(scope, content)
    except FormatError as why:
        log.metric("ReportsUnreadable")
        log.note(answer="unreadable")
        _tell(live, scope, "report_unreadable", key, now.ms, {"why": str(why)[:200]})
        return False
    today = now.when.date()
    _keep(live, scope, report.entries, today)
    for currency in sorted({payout.currency for payout in report.payouts}):
        place = Scope(scope.mode, f"announced:{currency}")
        some = [payout for payout in report.payouts if payout.currency == currency]
        _keep(live, place, some, today, told_by=scope.source)
    if report.problems:
        log.metric("ReportsUnreadable")
        _tell(live, scope, "report_incomplete", key, now.ms, _problems(report.problems))
    live.reconciliations.add_source(
        scope, min((e.booked_on for e in report.entries), default=today)
    )
    live.reconciliations.mark_read(scope, digest, key, now.ms)
    log.note(items=len(report.entries), answer="read")
    return True


def parse(scope: Scope, content: bytes) -> Report:
    """A file's content by the kind of its source.

    Raises:
        FormatError: not what this source writes.
    """
    kind = scope.source.partition(":")[0]
    if kind == "camt.053":
        from payvand.bank import camt

        statements = camt.read_statements(content)
        return Report(
            entries=tuple(entry for one in statements for entry in one.entries),
            problems=tuple(Problem(0, text) for one in statements for text in one.problems),
        )
    from payvand.bank import reports

    return reports.read(kind, content, scope.source)


def _keep(
    live: "Wiring", scope: Scope, entries: Iterable[Entry], today: dt.date, told_by: str = ""
) -> None:
    by_day: dict[dt.date, list[dict[str, Any]]] = {}
    for entry in entries:
        made = rows.of_entry(entry) | ({"from": told_by} if told_by else {})
        by_day.setdefault(entry.booked_on, []).append(made)
    for booked, told in sorted(by_day.items()):
        late_on = today if booked < today - dt.timedelta(LATE_DAYS) else None
        known: dict[str, list[Mapping[str, Any]]] = {}
        for row in live.reconciliations.said(scope, booked, booked):
            known.setdefault(row["id"], []).append(row)
        fresh = [row for row in told if not _is_known(row, known, late=late_on is not None)]
        if fresh:
            fresh.sort(key=lambda row: sorted(map(str, row.items())))
            live.reconciliations.keep(scope, booked, fresh, late_on)


def _is_known(
    row: Mapping[str, Any], known: Mapping[str, list[Mapping[str, Any]]], *, late: bool
) -> bool:
    """Whether an entry says nothing new; of old days what only knows more is not new, either."""
    versions = known.get(row["id"], ())
    if late:
        return any(_money(row) == _money(one) for one in versions)
    return row in versions


def _money(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return row.get("amount", 0), row["currency"]


def _problems(problems: tuple[Problem, ...]) -> dict[str, str | int]:
    first = problems[0]
    return {"problems": len(problems), "line": first.line, "why": first.text[:200]}


def _tell(
    live: "Wiring",
    scope: Scope,
    kind: str,
    key: str,
    at_ms: int,
    facts: Mapping[str, str | int],
) -> None:
    subject = key if _SUBJECT.fullmatch(key) else hashlib.sha256(key.encode()).hexdigest()
    known = {"source": scope.source, "file": key, **facts}
    if live.tasks.open(Task(scope.mode, kind, subject, at_ms, known)):
        log.metric("TasksOpened")
