"""What must hold after the rush, one function for each; every one says what is wrong, in words."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from payvand.payment import Payment, RefundState, Status
from payvand.settlement import Lines, Part, PayoutState
from payvand_cli import audit
from payvand_cli.load.facts import Books, Facts, Taking
from payvand_cli.load.memory import Growth

SHOWN: Final = 5
OUTAGE: Final = 503
OUR_FAULT: Final = 500
FINAL_EVENTS: Final = {
    Status.EXECUTED: "payment.executed.v1",
    Status.REFUSED: "payment.refused.v1",
    Status.EXPIRED: "payment.expired.v1",
    Status.REVERSED: "payment.reversed.v1",
}
REFUND_EVENTS: Final = {
    RefundState.DONE: "payment.refunded.v1",
    RefundState.FAILED: "payment.refund_failed.v1",
}
PAYOUT_EVENTS: Final = {
    PayoutState.NEW: ("created",),
    PayoutState.SENT: ("created",),
    PayoutState.EXECUTED: ("created", "executed"),
    PayoutState.RETURNED: ("created", "returned"),
}


@dataclass(frozen=True)
class Verdict:
    """One thing that must hold, and where it does not."""

    name: str
    wrong: Sequence[str]

    def __str__(self) -> str:
        """A line, and the first few of what is wrong."""
        if not self.wrong:
            return f"✓ {self.name}"
        more = len(self.wrong) - SHOWN
        shown = [f"    {text}" for text in self.wrong[:SHOWN]]
        return "\n".join(
            [f"✗ {self.name}", *shown, *([f"    and {more} more"] if more > 0 else [])]
        )


def verdicts(facts: Facts) -> list[Verdict]:
    """All of them but those on what was seen on the way."""
    payments = [p for book in facts.books for p in book.payments.values()]
    executed = sum(p.status is Status.EXECUTED for p in payments)
    entries = sum(len(book.entries) for book in facts.books)
    seals = sum(len(book.seals) for book in facts.books)
    webhooks = sum(len(book.told) for book in facts.books)
    checks: tuple[tuple[str, Callable[[Facts], Iterable[str]]], ...] = (
        (f"{len(payments)} payments, each wished for once, each final", finished),
        (
            f"of {len(facts.takings)} takings {executed} executed, the others given back",
            taken_once,
        ),
        (f"{entries} journal entries, one for each thing booked", booked_once),
        (f"{entries} journal entries balance, and balances are their sums", balanced),
        (f"{executed} executed payments in one seal each", sealed_once),
        (f"{seals} seals follow each other and own their lines", chained),
        ("what the bank executed = what was paid out", paid_out_once),
        (f"{webhooks} webhooks, each event told at least once, all signed", told),
        ("no dead letters", lambda found: found.dead),
        ("no timer and no message left", drained),
    )
    return [Verdict(name, list(check(facts))) for name, check in checks]


def finished(facts: Facts) -> Iterator[str]:
    """A wish that was accepted is one payment; every payment is known to somebody and is final."""
    known = {id: payment for book in facts.books for id, payment in book.payments.items()}
    for wish in facts.wishes:
        if len(wish.seen) > 1:
            yield f"{wish.reference} made {len(wish.seen)} payments: {', '.join(wish.seen)}"
        if wish.id and wish.id not in known:
            yield f"{wish.id} was accepted and is not there ({wish.plan.name})"
    references = Counter(payment.reference for payment in known.values())
    wished = {wish.reference for wish in facts.wishes}
    for id, payment in known.items():
        if references[payment.reference] > 1 or payment.reference not in wished:
            yield f"{id} was wished for {references[payment.reference]} times or by nobody"
        if payment.is_open:
            yield f"{id} is still {payment.status}"
        if payment.pending_refunds:
            yield f"{id} has an undecided refund"


def taken_once(facts: Facts) -> Iterator[str]:
    """Nothing lost: what a channel keeps is one executed payment, and the other way round."""
    known = {id: payment for book in facts.books for id, payment in book.payments.items()}
    kept: dict[str, list[Taking]] = {}
    for taking in facts.takings:
        if taking.state == "undecided":
            yield f"{taking.channel} has not decided on {taking.amount} of {taking.payment}"
        elif taking.state == "kept":
            kept.setdefault(taking.payment, []).append(taking)
    for id in kept.keys() - known.keys():
        yield f"lost: {kept[id][0].channel} took {kept[id][0].amount} for {id}, which is not there"
    for id, payment in known.items():
        yield from _agreed(payment, kept.get(id, []))


def _agreed(payment: Payment, taken: Sequence[Taking]) -> Iterator[str]:
    """What one payment says beside what the channels kept for it.

    A second taking that was too late to reverse is refunded whole, and so is kept no more.
    """
    attempt = payment.attempts[payment.execution.attempt] if payment.execution else None
    kept = [t for t in taken if t.refunded < t.amount or (attempt and t.token == attempt.token)]
    if attempt is None:
        for taking in kept:
            yield (
                f"lost: {taking.channel} took {taking.amount} for {payment.id}, "
                f"which is {payment.status}"
            )
        return
    said = [(taking.channel, taking.token, taking.amount) for taking in kept]
    if said != [(attempt.channel, attempt.token, payment.amount_minor)]:
        yield f"{payment.id} is executed, its payer's money was kept {len(said)} times: {said}"
    back = sum(taking.refunded for taking in kept)
    if back != payment.refunded_done_minor:
        yield f"{payment.id} refunded {payment.refunded_done_minor}, its channel gave back {back}"


def booked_once(facts: Facts) -> Iterator[str]:
    """Each entry has a name of its own, and each thing that happened is booked exactly once."""
    for book in facts.books:
        times = Counter(entry["id"] for entry in book.entries)
        yield from (f"{id} is in the journal {n} times" for id, n in times.items() if n > 1)
        booked = Counter((entry["kind"], entry["subject"]) for entry in book.entries)
        for kind, id, wanted in _happened(book):
            if booked.pop((kind, id), 0) != wanted:
                yield f"{kind} of {id} is not booked {wanted} times"
        yield from (
            f"{n} × {kind} of {id} booked, and it is not there" for (kind, id), n in booked.items()
        )


def _happened(book: Books) -> Iterator[tuple[str, str, int]]:
    for id, payment in book.payments.items():
        failed = sum(r.state is RefundState.FAILED for r in payment.refunds.values())
        yield "payment", id, int(payment.status is Status.EXECUTED)
        yield "refund", id, len(payment.refunds)
        yield "refund_undone", id, failed
    for seal in book.seals:
        if seal.payout_minor:
            yield "payout", str(seal.payout_id), 1
            for n, part in enumerate(seal.parts):
                back = part.state is PayoutState.RETURNED
                yield "payout_returned", seal.transfer(n), int(back)


def balanced(facts: Facts) -> Iterator[str]:
    """As `payvand demo` checks it, merchant by merchant."""
    for book in facts.books:
        for wrong in (
            *audit.sums(book.entries, book.balance),
            *audit.owed(book.entries, book.balance),
        ):
            yield f"{book.book.merchant_id}: {wrong}"


def sealed_once(facts: Facts) -> Iterator[str]:
    """Every executed payment is in exactly one seal of its book."""
    for book in facts.books:
        executed = [id for id, p in book.payments.items() if p.status is Status.EXECUTED]
        yield from audit.sealed_once(executed, map(Lines.from_bytes, book.lines.values()))


def chained(facts: Facts) -> Iterator[str]:
    """The seals of each book are a chain."""
    for book in facts.books:
        for wrong in audit.chain(book.seals, book.lines):
            yield f"{book.book.merchant_id}: {wrong}"


def paid_out_once(facts: Facts) -> Iterator[str]:
    """The bank's orders are the seals' payouts, and came to what we believe."""
    orders = dict(facts.orders)
    for book in facts.books:
        for seal in book.seals:
            for n, part in enumerate(seal.parts):
                order = orders.pop(seal.transfer(n), {})
                said = order.get("amount"), order.get("status")
                if not _agrees(said, part):
                    yield f"{seal.transfer(n)} of {part.amount_minor} is {said} at the bank"
    yield from (f"the bank paid {id}, which no seal ordered" for id in orders)


def _agrees(said: tuple[object, object], part: Part) -> bool:
    # The bank says rejected of what it never paid: to us it came back.
    back = part.state is PayoutState.RETURNED
    words = {"returned", "rejected"} if back else {part.state.value}
    return said[0] == part.amount_minor and said[1] in words


def told(facts: Facts) -> Iterator[str]:
    """At least once for each event that came to be, and signed by us each time."""
    for book in facts.books:
        heard = {(one.type, one.about) for one in book.told}
        yield from (f"nobody told {type_} of {id}" for type_, id in sorted(expected(book) - heard))
        yield from (
            f"{one.type} of {one.about} is signed wrongly" for one in book.told if not one.signed
        )


def expected(book: Books) -> set[tuple[str, str]]:
    """Every event a merchant must have heard of, whatever else was told."""
    events = set()
    for id, payment in book.payments.items():
        if type_ := FINAL_EVENTS.get(payment.status):
            events.add((type_, id))
        for refund in payment.refunds.values():
            if type_ := REFUND_EVENTS.get(refund.state):
                events.add((type_, refund.refund_id))
    for seal in book.seals:
        if seal.payout_minor and seal.state:
            events |= {
                (f"payout.{what}.v1", str(seal.payout_id)) for what in PAYOUT_EVENTS[seal.state]
            }
    return events


def drained(facts: Facts) -> Iterator[str]:
    """A finished payment's timer ends, and so does every other message."""
    yield from (f"{count} in {name}" for name, count in facts.queues.items() if count)


# ── on the way ────────────────────────────────────────────────────────────────────────────────


def answered(refused: Mapping[tuple[str, int, str], int]) -> Verdict:
    """No answer was our fault: silence and 5xx, but 503 while a channel is down on purpose."""
    wrong = [
        f"{count} × {at}: {status or 'no answer'} {code}".rstrip()
        for (at, status, code), count in refused.items()
        if not status or (status >= OUR_FAULT and status != OUTAGE)
    ]
    return Verdict("no door broke", wrong)


def flat(growths: Sequence[Growth]) -> Verdict:
    """No warm worker grows."""
    wrong = [
        f"{g.function} (pid {g.pid}) rose {g.rose_kb:.0f} KB over {g.median_kb:.0f} KB "
        f"in {g.seconds:.0f} s"
        for g in growths
        if not g.flat
    ]
    seen = f"{len(growths)} warm workers" if growths else "no worker lived long enough:"
    return Verdict(f"{seen} do not grow", wrong if growths else ["nothing was measured"])
