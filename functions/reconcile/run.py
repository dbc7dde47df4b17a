"""One comparison of a source with the books: what agrees is booked, the rest waits for a person.

read the chain's end → read what is expected and what was said → match → write the object → put
the run with all it books in one transaction → tell people. A run that stops anywhere left nothing
that counts; one that comes second reads again. Tasks are brought into line after every run, so
that what a stopped run left undone the next one does.
"""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from functions.reconcile.expect import Books, Due, Window
from payvand import calendar, ledger
from payvand.bank import Entry
from payvand.edge import log
from payvand.errors import Overtaken
from payvand.ids import Book, derived
from payvand.merchant import HOUSE
from payvand.money import CURRENCIES
from payvand.reconcile import Decision, Item, State, item_id, reconcile, rows
from payvand.store.clock import Moment
from payvand.store.reconciliations import Posting, Run, Scope
from payvand.store.tasks import Task

if TYPE_CHECKING:
    from payvand.edge.wiring import Wiring

type Heard = dict[str, bool]
"""Items of words, and whether the run took them over."""

WINDOW_DAYS: Final = 10
"""So many days are read again by every run; what is open for longer is carried."""
DECIDED_DAYS: Final = 14
"""Runs so much older than the window still say what they ended."""
TRIES: Final = 4
BOOK_TRIES: Final = 6
WORDS_MAX: Final = 10
"""People's words one run hears: each may book in a book of its own, and a transaction is small."""


@dataclass(slots=True)
class Past:
    """What the chain knows."""

    last: Run | None
    decided: dict[str, Decision] = field(default_factory=dict)
    carried: dict[str, Due] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)
    shown: dict[str, str] = field(default_factory=dict)
    """Item → state, of those that waited for a person."""


@dataclass(slots=True)
class Found:
    """What one run makes of it all."""

    decisions: list[Decision] = field(default_factory=list)
    open: list[Item] = field(default_factory=list)
    totals: dict[str, ledger.Legs] = field(default_factory=dict)
    n: int = 0
    """The newest link it knows of: its own, or that of the run before."""

    def decide(self, item: Item) -> None:
        """An item that agrees: it ends here, and its journal is booked with this run's."""
        legs = item.journal.legs if item.journal else None
        self.decisions.append(Decision(item.id, item.entries, item.found_minor, legs=legs))
        if item.journal:
            known = self.totals.get(item.journal.currency, {})
            self.totals[item.journal.currency] = ledger.total([known, item.journal.legs])

    @property
    def waiting(self) -> list[Item]:
        """Items a person must look at."""
        return [item for item in self.open if item.needs_person]


@dataclass(frozen=True, slots=True)
class Word:
    """What a person decided, as it was written down."""

    decision: Decision
    currency: str
    book: Book | None

    @classmethod
    def of(cls, item: str, row: Mapping[str, Any], source: str) -> "Word":
        """From the table. Raises ValueError, KeyError or TypeError for what is none."""
        if row["legs"]:
            rows.check_legs(row["legs"])
            if row["currency"] not in CURRENCIES:
                raise ValueError("a currency without books")
        book = Book.parse(row["book"]) if row["book"] else None
        if ledger.PAYABLE in (row["legs"] or {}) and book is None:
            raise ValueError("a merchant's account, and no merchant's book")
        decision = rows.decision({**row, "item": item, "by": row["by"] or "operator"}, source)
        return cls(decision, row["currency"], book)


def reconcile_source(live: "Wiring", scope: Scope, asked: dt.date | None) -> None:
    """Run once to the end of `asked`, or of today."""
    now = live.clock.now(scope.mode)
    day = min(asked or dt.date.max, now.when.date())
    for _ in range(TRIES):
        try:
            past, found = _run(live, scope, day, now)
        except Overtaken:
            continue  # another run was first, or a day closed: read again
        _bring_tasks_into_line(live, scope, past, found, now.ms)
        return
    raise Overtaken(f"{scope.key} could not be reconciled")


def _run(live: "Wiring", scope: Scope, day: dt.date, now: Moment) -> tuple[Past, Found]:
    since = live.reconciliations.sources(scope.mode).get(scope.source)
    last = live.reconciliations.last(scope)
    if since is None:
        return Past(last), Found()  # nothing was ever read of it
    today = max(day, last.through) if last else day
    first = today - dt.timedelta(WINDOW_DAYS)
    if last is not None:
        first = min(first, last.carried_before)
    past = _past(live, scope, last, first)
    window = Window(first, today, since)
    entries = _entries(live, scope, past, first)
    names = {name for entry in entries for name in _names(entry)}
    dues = dict(past.carried)
    told = names.intersection
    for due in Books(live, scope, window, past.decided).expected(
        lambda one: bool(told((*one.references, one.group)))
    ):
        dues[due.one.id] = due
    words, heard = _words(live, scope, past, now.ms)
    young = {
        item_id(scope.source, due.one.group)
        for due in dues.values()
        if due.one.group and due.day >= today
    }
    found = _compare(past, dues, entries, today, words, young)
    found.n = last.n if last else 0
    boundary = today - dt.timedelta(WINDOW_DAYS - 1)
    if _says_something(past, found, today, heard):
        content = _content(found, dues, entries, boundary)
        key = live.reconciliations.put_content(scope, content)
        n = found.n + 1
        left = len(found.open)
        run = Run(n, today, boundary, now.ms, key, len(found.decisions), left)
        _put(live, scope, run, _postings(scope, run, found, words, now), heard)
        found.n = n
        log.metric("ItemsMatched", len(found.decisions) - len(words))
    log.note(items=len(dues), open=len(found.open), answer="reconciled")
    return past, found


# ── what is known ─────────────────────────────────────────────────────────────────────────────────
def _past(live: "Wiring", scope: Scope, last: Run | None, first: dt.date) -> Past:
    past, until = Past(last), first - dt.timedelta(DECIDED_DAYS)
    for run in live.reconciliations.runs(scope):
        if run.through < until:
            break
        newest = last is not None and run.n == last.n
        for row in live.reconciliations.rows(run):
            if "d" in row:
                decision = rows.decision(row["d"], scope.source)
                past.decided[decision.item] = decision
            elif newest:
                _take(past, row, scope.source)
    return past


def _take(past: Past, row: Mapping[str, Any], source: str) -> None:
    if "x" in row:
        one = rows.expected(row["x"], source)
        past.carried[one.id] = Due(one, dt.date.fromisoformat(row["label"]), one.since)
    elif "e" in row:
        past.entries.append(rows.entry(row["e"], source))
    elif "i" in row:
        past.shown[row["i"]["item"]] = row["i"]["state"]


def _entries(live: "Wiring", scope: Scope, past: Past, first: dt.date) -> list[Entry]:
    """What was said in the window or late, and what is open for longer."""
    kept = live.reconciliations
    told = [rows.entry(row, scope.source) for row in kept.said(scope, first)]
    late = [rows.entry(row, scope.source) for row in kept.said_late(scope, first)]
    return [*past.entries, *told, *late]


def _names(entry: Entry) -> Iterator[str]:
    yield entry.reference
    yield from entry.details.values()


def _words(
    live: "Wiring", scope: Scope, past: Past, now_ms: int
) -> tuple[list[Word], dict[str, bool]]:
    """What people decided since; a word that contradicts what is decided is for a person again."""
    words: list[Word] = []
    heard: Heard = {}
    ended = {key for decision in past.decided.values() for key in decision.entries}
    items = set(past.decided)
    for item, row in live.reconciliations.unheard(scope, WORDS_MAX):
        try:
            word = Word.of(item, row, scope.source)
        except (ValueError, KeyError, TypeError):
            word = None
        heard[item] = not (
            word is None or item in items or ended.intersection(word.decision.entries)
        )
        if word is None or not heard[item]:
            facts = {"source": scope.source}
            if live.tasks.open(Task(scope.mode, "decision_refused", item, now_ms, facts)):
                log.metric("TasksOpened")
            continue
        words.append(word)
        items.add(item)
        ended.update(word.decision.entries)
    return words, heard


# ── what comes of it ──────────────────────────────────────────────────────────────────────────────
def _compare(
    past: Past,
    dues: Mapping[str, Due],
    entries: Iterable[Entry],
    today: dt.date,
    words: Iterable[Word],
    young: set[str],
) -> Found:
    """Match; what agrees is decided, but for a group to which its day may still add."""
    spoken = [word.decision for word in words]
    said = {decision.item for decision in spoken}
    found = Found(decisions=list(spoken))
    decided = [*past.decided.values(), *spoken]
    expected = (due.one for due in dues.values())
    for item in reconcile(expected, entries, today=today, decisions=decided):
        if item.id in past.decided or item.id in said:
            continue
        if item.state is State.MATCHED and item.id not in young:
            found.decide(item)
        else:
            found.open.append(item)
    return found


def _says_something(past: Past, found: Found, today: dt.date, heard: Heard) -> bool:
    """Whether a run is worth a link: once a day, and whenever anything is new."""
    if past.last is None or past.last.through != today or found.decisions or heard:
        return True
    return past.shown != {item.id: item.state.value for item in found.waiting}


def _content(
    found: Found, dues: Mapping[str, Due], entries: Iterable[Entry], boundary: dt.date
) -> Iterator[dict[str, Any]]:
    """What was decided, what a person must see, and what no later run would read again."""
    for decision in found.decisions:
        yield {"d": rows.of_decision(decision)}
    for item in found.waiting:
        yield {"i": rows.of_item(item)}
    yield from _carried(found.open, dues, entries, boundary)


def _carried(
    items: Iterable[Item], dues: Mapping[str, Due], entries: Iterable[Entry], boundary: dt.date
) -> Iterator[dict[str, Any]]:
    said: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry.booked_on < boundary:
            said.setdefault(entry.id, []).append(entry)
    for item in items:
        old = [dues[id] for id in item.expected if dues[id].label < boundary]
        yield from ({"x": rows.of_expected(d.one), "label": d.label.isoformat()} for d in old)
        for _, key in item.entries:
            name = key if key in said else key.rpartition("#")[0]  # an id that says two things
            yield from ({"e": rows.of_entry(entry)} for entry in said.get(name, []))


# ── into the books ────────────────────────────────────────────────────────────────────────────────
def _postings(
    scope: Scope, run: Run, found: Found, words: Iterable[Word], now: Moment
) -> list[Posting]:
    """What matched is one journal a currency in the house's book; a person's each its own.

    A journal that touches what we owe a merchant is in the merchant's book.
    """
    name = derived("rec_", "run", scope.mode, scope.source, str(run.n))
    made = [
        Posting(Book(HOUSE, scope.mode, currency), f"m:{name}", now.label(currency), kept)
        for currency, legs in sorted(found.totals.items())
        if (kept := {account: amount for account, amount in legs.items() if amount})
    ]
    for word in words:
        legs = word.decision.legs
        if legs:
            house = Book(HOUSE, scope.mode, word.currency)
            book = word.book if ledger.PAYABLE in legs and word.book else house
            day = now.label(word.currency)
            made.append(Posting(book, f"m:{word.decision.item}", day, dict(legs)))
    return made


def _put(live: "Wiring", scope: Scope, run: Run, postings: list[Posting], heard: Heard) -> None:
    """Put the run; a day that is closing gives way to the first open one (seals R3)."""
    if postings:
        live.merchants.open_house(live.clock.now("live").when.date() - dt.timedelta(1))
        live.clock.check(scope.mode, live.settlements.database_ms(postings[0].book))
    for _ in range(BOOK_TRIES):
        try:
            live.reconciliations.put(scope, run, postings, heard)
        except Overtaken as refused:
            if not postings or not refused.failed or refused.failed[0]:
                raise
            postings = _in_open_days(live, postings)
        else:
            return
    raise Overtaken(f"run {run.n} of {scope.key} could not be booked")


def _in_open_days(live: "Wiring", postings: list[Posting]) -> list[Posting]:
    """The same lines, all of a book in one day."""
    closing = {book: live.payments.closing(book) for book in {one.book for one in postings}}
    return [replace(p, day=calendar.first_open(p.day, closing[p.book])) for p in postings]


# ── people ────────────────────────────────────────────────────────────────────────────────────────
def _bring_tasks_into_line(
    live: "Wiring", scope: Scope, past: Past, found: Found, now_ms: int
) -> None:
    """A task for each item that needs a person; none for those that do not any more.

    A task closed is closed for good, so what a later run opened is not this one's to close.
    """
    wanted = {f"reconcile_{item.state.value}#{item.id}": item for item in found.waiting}
    waiting = {
        task.id: task
        for task in live.tasks.waiting(scope.mode)
        if task.kind.startswith("reconcile_") and task.facts.get("source") == scope.source
    }
    states = {item.id: item.state.value for item in found.open}
    ended = past.decided | {decision.item: decision for decision in found.decisions}
    for id, task in waiting.items():
        if id not in wanted and int(task.facts.get("run", 0)) <= found.n:
            live.tasks.close(scope.mode, id, _note(task.subject, states, ended), now_ms)
    for id, item in wanted.items():
        if id not in waiting and live.tasks.open(_task(scope, item, found.n, now_ms)):
            log.metric("TasksOpened")


def _note(item: str, states: Mapping[str, str], ended: Mapping[str, Decision]) -> str:
    if item in ended:
        by = ended[item].by
        return f"ended by {by}: {ended[item].reason}" if by else "matched"
    return f"it is {states[item]} now" if item in states else "it no longer comes up"


def _task(scope: Scope, item: Item, run: int, now_ms: int) -> Task:
    facts: dict[str, str | int] = {
        "source": scope.source,
        "run": run,
        "code": item.code.value,
        "expected_minor": item.expected_minor,
        "found_minor": item.found_minor,
        "currency": item.currency,
    }
    if item.book is not None:
        facts["book"] = item.book.key
    kind = f"reconcile_{item.state.value}"
    return Task(scope.mode, kind, item.id, now_ms, facts)
