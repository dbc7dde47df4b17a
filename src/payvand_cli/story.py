"""`payvand story ID`: everything that happened to a payment, a payout or a merchant, in one place.

Reads the tables, the sealed lines and the log groups of a stack, local or in an AWS account. What
is kept encrypted stays so: no key is asked to open anything.
"""

import datetime as dt
import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

import typer
from rich.cells import cell_len
from rich.markup import escape

from payvand import events
from payvand.calendar import days, label
from payvand.errors import Forged
from payvand.ids import Book, PaymentId, PayoutId, event_id, merchant_number, partition
from payvand.merchant import Merchant
from payvand.payment import Payment, RefundState
from payvand.settlement import PayoutState, Seal, follows
from payvand.store.payments import created_at_ms
from payvand.store.webhooks import Delivery
from payvand_cli.doors import Doors, StackName, find_stack
from payvand_cli.logs import GROUPS, Line, print_lines
from payvand_cli.show import line, problem
from payvand_cli.stack import Stack

UNDONE_WITHIN_DAYS: Final = 10
"""How far past its decision a refused refund's posting is looked for: the first open day has it."""
MERCHANT_DAYS: Final = 7
MERCHANT_SEALS: Final = 5
MERCHANT_LOGS_S: Final = 3600
LOG_LINES_MAX: Final = 200
Row = tuple[str, ...]
Rows = list[Row]


class Unknown(Exception):
    """Nothing has this id."""


@dataclass(frozen=True)
class Section:
    """A part of the story: a heading and rows; without columns each row is a name and a value."""

    title: str
    rows: Sequence[Row]
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Story:
    """The parts, and where in the logs to look for the rest."""

    sections: list[Section]
    logs_since_ms: int


def moment(ms: int | None) -> str:
    """A time for people, to the second."""
    return "" if ms is None else f"{dt.datetime.fromtimestamp(ms / 1000, dt.UTC):%Y-%m-%d %H:%M:%S}"


def money(minor: int, currency: str) -> str:
    """An amount for people."""
    return f"{minor:,} {currency}"


def legs_text(legs: Mapping[str, int]) -> str:
    """A journal in one line."""
    return "  ".join(f"{account} {amount:+,}" for account, amount in sorted(legs.items()))


def tell(doors: Doors, id: str) -> Story:
    """The story behind an id.

    Raises:
        Unknown: it is no id of ours, or nothing has it.
    """
    kinds = {"pay_": _payment, "po_": _payout, "mer_": _merchant}
    for prefix, teller in kinds.items():
        if id.startswith(prefix):
            try:
                return teller(doors, id)
            except ValueError:
                raise Unknown(f"{id} is not an id this product makes") from None
    raise Unknown(f"{id} is no payment (pay_…), payout (po_…) or merchant (mer_…)")


# ── a payment ─────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Posting:
    """A line of the journal: its key, its day and what it moves."""

    key: str
    day: dt.date
    legs: Mapping[str, int]


def _payment(doors: Doors, text: str) -> Story:
    id = PaymentId.parse(text)
    seen = doors.payments.get(id)
    if seen is None:
        raise Unknown(f"no payment {id} in {doors.stack.name}")
    payment = seen.payment
    merchant = doors.merchants.get(id.book.merchant_id)
    postings = list(_postings(doors, payment))
    seals = {p.key: _seal_of(doors, id.book, p.day) for p in postings}
    currency = id.book.currency
    sections = [
        Section("Payment", _payment_rows(payment, merchant)),
        Section(
            "What happened",
            [
                (moment(at), what, _details(details))
                for at, what, details in events.history(payment, created_at_ms(id))
            ],
            ("at", "what", ""),
        ),
        Section(
            "Attempts",
            [(str(n), a.channel, a.token, moment(a.at_ms)) for n, a in enumerate(payment.attempts)],
            ("", "channel", "the channel's token", "at"),
        ),
    ]
    if payment.refunds:
        sections.append(
            Section(
                "Refunds",
                [
                    (
                        r.refund_id,
                        money(r.amount_minor, currency),
                        r.state.value,
                        r.code or "",
                        r.reference or "",
                        moment(r.done_at_ms),
                    )
                    for r in payment.refunds.values()
                ],
                ("id", "amount", "state", "code", "channel reference", "decided"),
            )
        )
    sections += [
        Section(
            "Journal",
            [
                (p.key, p.day.isoformat(), f"seal {s.n}" if (s := seals[p.key]) else "open day",
                 legs_text(p.legs))
                for p in postings
            ],
            ("entry", "day", "in", "moves"),
        ),
        Section("Seals and payouts", _seal_rows(doors, postings, seals), SEAL_COLUMNS),
        Section("Webhooks", _deliveries(doors, id.book, _event_ids(payment)), HOOK_COLUMNS),
    ]  # fmt: skip
    return Story(sections, _wall(doors, id.book, created_at_ms(id)))


def _payment_rows(payment: Payment, merchant: Merchant | None) -> Rows:
    id, x = payment.id, payment.execution
    flags = [name for name in ("moved", "shut") if getattr(payment, name)]
    rows = [
        ("id", id.text),
        ("merchant", f"{id.book.merchant_id} {merchant.name if merchant else ''}".strip()),
        ("mode", id.book.mode),
        ("status", str(payment.shown_status)),
        ("amount", money(payment.amount_minor, id.book.currency)),
        ("fee", money(x.fee_minor, id.book.currency) if x else ""),
        ("refunded", money(payment.refunded_done_minor, id.book.currency)),
        ("reference", payment.reference),
        ("description", payment.description),
        ("wanted channel", " → ".join(filter(None, (payment.channel, *payment.fallback_channels)))),
        ("channel reference", x.reference if x else ""),
        ("expires", moment(payment.expires_at_ms)),
        (
            "failure",
            f"{payment.failure.code}: {payment.failure.message}" if payment.failure else "",
        ),
        ("payer", "kept encrypted, not opened here" if payment.payer else "nothing known"),
        ("kept in", id.partition),
        ("flags", " ".join(flags)),
    ]
    return [row for row in rows if row[1]]


def _details(details: Mapping[str, Any]) -> str:
    return " ".join(f"{name}={value}" for name, value in details.items())


def _postings(doors: Doors, payment: Payment) -> Iterator[Posting]:
    """Every line of the journal this payment caused."""
    id = payment.id
    if (x := payment.execution) is not None:
        own = doors.payments.entry(id).line
        if own is not None:
            yield Posting(id.text, id.day, own.legs)
        else:
            yield from _posting(doors, id, f"x:{id}", [x.day])
    for refund in payment.refunds.values():
        yield from _posting(doors, id, f"f:{id}:{refund.key}", [refund.day])
        if refund.state is RefundState.FAILED and refund.done_at_ms is not None:
            decided = dt.datetime.fromtimestamp(refund.done_at_ms / 1000, dt.UTC)
            first = label(decided, id.book.currency)
            span = days(first, first + dt.timedelta(UNDONE_WITHIN_DAYS))
            yield from _posting(doors, id, f"c:{id}:{refund.key}", span)


def _posting(doors: Doors, id: PaymentId, key: str, where: list[dt.date]) -> Iterator[Posting]:
    table = doors.table("PaymentsTable")
    for day in where:
        item = table.get({"pk": partition(id.book, day, id.shard), "id": key}).item
        if item is not None:
            yield Posting(key, day, item["legs"])
            return


def _event_ids(payment: Payment) -> list[str]:
    told = [event.id for event in events.of_payment(None, payment)]
    if payment.accepted_at_ms is not None:
        told.append(event_id(payment.accepted_at_ms, payment.id.text, "accepted"))
    return sorted(set(told))


# ── seals ─────────────────────────────────────────────────────────────────────────────────────

SEAL_COLUMNS: Final = ("seal", "days", "lines", "payout", "amount", "state", "chain", "holds")


def _seal_of(doors: Doors, book: Book, day: dt.date) -> Seal | None:
    """The seal that closed a day."""
    for seal in doors.settlements.seals(book, limit=10_000):
        if seal.first <= day <= seal.through:
            return seal
        if seal.through < day:
            return None
    return None


def _seal_rows(doors: Doors, postings: list[Posting], seals: Mapping[str, Seal | None]) -> Rows:
    rows: Rows = []
    for seal in sorted({s.n: s for s in seals.values() if s}.values(), key=lambda s: s.n):
        mine = {p.key: dict(p.legs) for p in postings if seals[p.key] == seal}
        held = {x.id: x.legs for x in doors.settlements.lines(seal).lines}
        holds = all(held.get(key) == legs for key, legs in mine.items())
        rows.append((*_seal_row(doors, seal), "its entries" if holds else "NOT its entries"))
    return rows


def _seal_row(doors: Doors, seal: Seal) -> tuple[str, ...]:
    span = f"{seal.first} … {seal.through}" if seal.first != seal.through else str(seal.through)
    payout = str(seal.payout_id) if seal.payout_minor else ""
    amount = money(seal.payout_minor, seal.book.currency) if payout else ""
    state = str(seal.state or "nothing to pay")
    return str(seal.n), span, str(seal.count), payout, amount, state, chain_word(doors, seal)


def chain_word(doors: Doors, seal: Seal) -> str:
    """Whether a seal stands where it says and over the lines it names."""
    before = doors.settlements.get(seal.book, seal.n - 1) if seal.n > 1 else None
    after = doors.settlements.get(seal.book, seal.n + 1)
    if not follows(seal, before):
        return "BROKEN: does not follow"
    try:
        for _ in doors.settlements.lines(seal).lines:
            pass
    except Forged:
        return "BROKEN: other lines"
    if after is not None and not follows(after, seal):
        return "BROKEN: not followed"
    return "holds"


# ── a payout ──────────────────────────────────────────────────────────────────────────────────


def _payout(doors: Doors, text: str) -> Story:
    id = PayoutId.parse(text)
    seal = doors.settlements.get(id.book, id.n)
    if seal is None or not seal.payout_minor:
        raise Unknown(f"no payout {id} in {doors.stack.name}")
    merchant = doors.merchants.get(id.book.merchant_id)
    currency, content = id.book.currency, doors.settlements.lines(seal)
    state = f"{seal.state} since {moment(seal.state_at_ms or seal.at_ms)}"
    rows = [
        ("id", str(id)),
        ("merchant", f"{id.book.merchant_id} {merchant.name if merchant else ''}".strip()),
        ("mode", id.book.mode),
        ("state", state),
        ("amount", money(seal.payout_minor, currency)),
        ("pays", f"{seal.first} … {seal.through}, {seal.count} entries"),
        ("opening", money(seal.opening_minor, currency)),
        ("closing", money(seal.closing_minor, currency)),
        ("accounts", legs_text(seal.sums)),
        ("digest", seal.digest),
        ("previous", seal.previous),
        ("lines", seal.lines_key),
        ("chain", chain_word(doors, seal)),
    ]
    told = {event_id(seal.at_ms, str(id), "new")}
    for n, part in enumerate(seal.parts):
        if part.paid_at_ms is not None:
            told.add(event_id(part.paid_at_ms, str(id), "executed"))
        if part.state is PayoutState.RETURNED:
            told.add(event_id(part.state_at_ms or 0, seal.transfer(n), "returned"))
    sections = [
        Section("Payout", [row for row in rows if row[1]]),
        Section("Transfers", [_transfer(seal, n) for n in range(len(seal.parts))], TRANSFERS),
        Section(
            "Entries",
            [(x.id, moment(x.at_ms), legs_text(x.legs)) for x in content.lines],
            ("entry", "at", "moves"),
        ),
        *(Section("Came back", [row], ("entry", "day", "moves")) for row in _returned(doors, seal)),
        Section("Open when sealed", [(x,) for x in content.open_ids], ("payment",)),
        Section("Bank files", list(_files(doors, seal)), ("file", "says")),
        Section("Webhooks", _deliveries(doors, id.book, sorted(told)), HOOK_COLUMNS),
    ]
    return Story(sections, _wall(doors, id.book, seal.at_ms))


def _transfer(seal: Seal, n: int) -> Row:
    part = seal.parts[n]
    said = " ".join(filter(None, (part.bank_code, part.bank_reason, part.bank_reference)))
    return (
        seal.transfer(n),
        money(part.amount_minor, seal.book.currency),
        f"{part.name}, IBAN kept encrypted, ends in {part.iban_last4}",
        f"{part.state} {moment(part.state_at_ms)}".strip(),
        said,
    )


def _returned(doors: Doors, seal: Seal) -> Iterator[Row]:
    """The postings of what came back."""
    for n, part in enumerate(seal.parts):
        if part.state is PayoutState.RETURNED and part.state_at_ms is not None:
            yield from _return_of(doors, seal, seal.transfer(n), part.state_at_ms)


def _return_of(doors: Doors, seal: Seal, transfer: str, at_ms: int) -> Iterator[Row]:
    key, back = f"r:{transfer}", dt.datetime.fromtimestamp(at_ms / 1000, dt.UTC)
    first = label(back, seal.book.currency)
    for day in days(first, first + dt.timedelta(UNDONE_WITHIN_DAYS)):
        where = {"pk": partition(seal.book, day, 0), "id": key}
        item = doors.table("PaymentsTable").get(where).item
        if item is not None:
            yield key, day.isoformat(), legs_text(item["legs"])
            return


def _files(doors: Doors, seal: Seal) -> Iterator[tuple[str, str]]:
    for n in range(len(seal.parts)):
        yield from _file(doors, seal.transfer(n))


def _file(doors: Doors, id: str) -> Iterator[tuple[str, str]]:
    order = f"bank/out/{id}.json"
    there = doors.stack.s3.list_objects_v2(Bucket=doors.stack.outputs["FilesBucket"], Prefix=order)
    if there.get("KeyCount"):
        yield order, "the order"  # holds the account and the name, so it is not shown
    answer = doors.settlements.answer(id)
    if answer is not None:
        try:
            said = {
                k: v for k, v in json.loads(answer).items() if k not in {"version", "reference"}
            }
        except ValueError:
            yield f"bank/in/{id}.json", "unreadable"
        else:
            yield f"bank/in/{id}.json", _details({k: v for k, v in said.items() if v})


# ── a merchant ────────────────────────────────────────────────────────────────────────────────


def _merchant(doors: Doors, id: str) -> Story:
    merchant_number(id)
    merchant = doors.merchants.get(id)
    if merchant is None:
        raise Unknown(f"no merchant {id} in {doors.stack.name}")
    plan = merchant.fee_plan
    fee = (
        f"{plan.basis_points / 100:g} %, at least {plan.floor_minor:,}, at most {plan.cap_minor:,}"
    )
    account = ", ".join(f"IBAN kept encrypted, ends in {p.iban_last4}" for p in merchant.payees)
    rows = [
        ("id", merchant.id),
        ("name", merchant.name),
        ("since", merchant.since.isoformat()),
        ("modes", " ".join(merchant.modes)),
        ("currencies", " ".join(merchant.currencies)),
        ("channels", " ".join(c.channel for c in merchant.contracts)),
        ("fee", fee),
        ("paid out to", account or "no account yet"),
    ]
    sections = [Section("Merchant", rows)]
    for book in merchant.books:
        sections += _book(doors, merchant, book)
    return Story(sections, int((time.time() - MERCHANT_LOGS_S) * 1000))


def _book(doors: Doors, merchant: Merchant, book: Book) -> Iterator[Section]:
    today = doors.clock.now(book.mode).label(book.currency)
    rows: Rows = []
    for day in days(max(merchant.since, today - dt.timedelta(MERCHANT_DAYS - 1)), today):
        entries = [
            entry
            for shard in range(merchant.shards)
            for entry in doors.payments.entries(book, day, shard)
        ]
        states = Counter(str(e.payment.shown_status) for e in entries if e.payment)
        moved = sum(-e.line.legs.get("payable:merchant", 0) for e in entries if e.line)
        rows.append((day.isoformat(), f"{moved:+,}", _details(dict(states.most_common()))))
    yield Section(
        f"Last days of the {book.mode} book in {book.currency}",
        rows,
        ("day", "gained", "payments"),
    )
    seals = doors.settlements.seals(book, limit=MERCHANT_SEALS)
    yield Section(
        "Last seals",
        [_seal_row(doors, s) for s in seals],
        SEAL_COLUMNS[:-1],
    )
    endpoints = doors.webhooks.endpoints(merchant.id, book.mode)
    yield Section(
        "Webhook endpoints",
        [(e.id, e.url, f"{len(e.events)} kinds of events") for e in endpoints],
        ("id", "address", "told"),
    )
    waiting = [
        d
        for d in doors.webhooks.deliveries(merchant.id, book.mode, before=None, limit=200)
        if d.state != "delivered"
    ]
    yield Section("Deliveries not through", [_delivery(d) for d in waiting], HOOK_COLUMNS)


# ── webhooks and logs ─────────────────────────────────────────────────────────────────────────

HOOK_COLUMNS: Final = ("event", "id", "endpoint", "state", "tries", "last answer")
TRANSFERS: Final = ("transfer", "amount", "to", "state", "bank")


def _deliveries(doors: Doors, book: Book, told: list[str]) -> Rows:
    rows: Rows = []
    for id in told:
        for endpoint in doors.webhooks.endpoints(book.merchant_id, book.mode):
            known = doors.webhooks.delivery(book.merchant_id, book.mode, id, endpoint.id)
            if known is not None:
                rows.append(_delivery(known))
    return rows


def _delivery(d: Delivery) -> tuple[str, ...]:
    last = d.tries[-1] if d.tries else {}
    answer = str(last.get("status") or last.get("error") or "")
    return d.event_type, d.event_id, d.endpoint_id, d.state, str(d.tries_count), answer


def _wall(doors: Doors, book: Book, book_ms: int) -> int:
    """The earliest moment of the wall clock at which a book's clock can have shown this time."""
    ahead_ms = doors.clock.now(book.mode).ms - doors.clock.wall_ms()
    return book_ms - max(0, ahead_ms) - 60_000


def log_lines(stack: Stack, id: str, since_ms: int) -> list[Line]:
    """What any function wrote about an id."""
    found: list[Line] = []
    prefix = f"{GROUPS}{stack.name}-"
    groups = stack.logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=prefix)
    for group in (g["logGroupName"] for page in groups for g in page["logGroups"]):
        pages = stack.logs.get_paginator("filter_log_events").paginate(
            logGroupName=group, startTime=since_ms, filterPattern=f'"{id}"'
        )
        for page in pages:
            found += [
                Line(group.removeprefix(prefix), e["timestamp"], e["message"].rstrip())
                for e in page["events"]
                if id in e["message"]
            ]
    return sorted(found, key=lambda one: one.at_ms)


def text_of(section: Section) -> str:
    """A section as text. Nothing wraps: ids are copied from here, whatever the width."""
    table = [section.columns, *section.rows] if section.columns else section.rows
    widths = [max(map(cell_len, column)) for column in zip(*table, strict=True)]
    lines = []
    for n, row in enumerate(table):
        cells = [
            cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True)
        ]
        text = "  " + escape("  ".join(cells).rstrip())
        lines.append(f"[dim]{text}[/]" if section.columns and n == 0 else text)
    return "\n".join(lines)


def show(section: Section) -> None:
    """Print a section."""
    line(f"\n[bold]{section.title}[/]")
    line(text_of(section) if section.rows else "  [dim]none[/]")


def story(
    id: Annotated[str, typer.Argument(help="pay_…, po_… or mer_…")],
    stack: StackName = "",
    *,
    logs: Annotated[bool, typer.Option(help="Look through the functions' logs too.")] = True,
) -> None:
    """Tell everything that happened to a payment, a payout or a merchant."""
    doors = Doors(find_stack(stack))
    try:
        told = tell(doors, id.strip())
    except Unknown as unknown:
        problem(str(unknown))
        raise typer.Exit(1) from None
    for section in told.sections:
        show(section)
    if logs:
        lines = log_lines(doors.stack, id.strip(), told.logs_since_ms)
        telling = [one for one in lines if '"answer":"early"' not in one.message]
        line(
            f"\n[bold]Logs[/] [dim]{len(lines)} lines name it, {len(lines) - len(telling)} of them "
            "timers that woke early, left out; times of this machine[/]"
        )
        if len(telling) > LOG_LINES_MAX:
            line(f"  [dim]the last {LOG_LINES_MAX}[/]")
        print_lines(telling[-LOG_LINES_MAX:])
