"""A small rush whose books hold, and hands to break it in one place."""

import dataclasses
from typing import Any, Final

from payvand import ledger
from payvand.fee import FeePlan
from payvand.merchant import Payee
from payvand.payment import (
    AttemptRecord,
    Execution,
    Failure,
    Payment,
    Refund,
    RefundState,
    Status,
)
from payvand.settlement import Line, Lines, PayoutState, Seal, Terms, seal, with_state
from payvand_cli.load.facts import Books, Facts, Taking, Told
from payvand_cli.load.payers import PLANS, Merchant, Wish
from tests.shared.samples import AT_MS, BOOK, DAY, payment

AMOUNT: Final = 250_000
BACK: Final = 50_000
FEE: Final = FeePlan().fee(AMOUNT, DAY)


def _named(base: Payment, name: str) -> Payment:
    """The same payment under another id and reference."""
    id = dataclasses.replace(base.id, text=base.id.text[:-1] + name)
    return dataclasses.replace(base, id=id, reference=f"order-{name}")


def executed(name: str) -> Payment:
    """Paid at ZarinPal; part of it went back."""
    open_ = _named(payment("zarinpal"), name)
    open_ = dataclasses.replace(open_, attempts=(AttemptRecord("zarinpal", f"T{name}", AT_MS),))
    legs = ledger.executed("zarinpal", AMOUNT, FEE)
    paid = open_.executed(Execution(0, f"receipt-{name}", AT_MS, DAY, FEE, legs))
    done = Refund("k", f"rfd_{name}", BACK, DAY, AT_MS, RefundState.DONE)
    return dataclasses.replace(paid, refunds={"k": done}, refunded_minor=BACK)


def expired(name: str) -> Payment:
    """Nobody came."""
    return _named(payment(), name).failed(Status.EXPIRED, Failure("expired", "", AT_MS))


def entry(kind: str, subject: str, legs: ledger.Legs, name: str = "") -> dict[str, Any]:
    """A journal entry as the API shows it."""
    return {"id": name or subject, "kind": kind, "subject": subject, "legs": legs}


def _seal(lines: Lines) -> Seal:
    terms = Terms(payees=(Payee(b"x", "1234", "shop"),))
    made = seal(BOOK, None, (DAY, DAY), lines, terms, at_ms=AT_MS)
    return with_state(made, PayoutState.EXECUTED, AT_MS)


def books() -> Books:
    """Two payments, a refund, a seal, a payout: all told."""
    paid, never = executed("A"), expired("B")
    id = paid.id.text
    taken = ledger.executed("zarinpal", AMOUNT, FEE)
    back = ledger.refunded("zarinpal", BACK)
    lines = Lines.of([Line(f"f:{id}:k", DAY, AT_MS, back), Line(id, DAY, AT_MS, taken)], [])
    last = _seal(lines)
    out = ledger.paid_out(last.payout_minor)
    payout = str(last.payout_id)
    entries = [
        entry("payment", id, taken),
        entry("refund", id, back, f"f:{id}:k"),
        entry("payout", payout, out),
    ]
    sums = {name: amount for name, amount in ledger.total([taken, back, out]).items() if amount}
    told = [
        Told("payment.executed.v1", id, signed=True),
        Told("payment.refunded.v1", "rfd_A", signed=True),
        Told("payment.expired.v1", never.id.text, signed=True),
        Told("payout.created.v1", payout, signed=True),
        Told("payout.executed.v1", payout, signed=True),
    ]
    return Books(
        BOOK,
        {id: paid, never.id.text: never},
        entries,
        {"balance": 0, "accounts": sums},
        [last],
        {1: lines.to_bytes()},
        told,
    )


def wish(payment: Payment) -> Wish:
    """What a payer asked for."""
    made = Wish(PLANS[0], None, payment.reference, AMOUNT, "zarinpal", payment.id.text)  # type: ignore[arg-type]
    made.seen.append(payment.id.text)
    return made


def facts(of: Books | None = None, **changes: Any) -> Facts:
    """All in order, but for the changes."""
    one = of or books()
    (last,) = books().seals
    fields: dict[str, Any] = {
        "wishes": [wish(payment) for payment in books().payments.values()],
        "books": [one],
        "takings": [Taking("zarinpal", "TA", paid_id(), AMOUNT, "kept", BACK)],
        "orders": {
            str(last.payout_id): {"amount": last.payout_minor, "status": "executed"},
        },
        "dead": [],
        "queues": {"TimerQueue": 0},
    }
    return Facts(**(fields | changes))


def paid_id() -> str:
    """The executed payment."""
    return executed("A").id.text


def merchant() -> Merchant:
    """Nobody's server."""
    return Merchant(BOOK.merchant_id, None, "")  # type: ignore[arg-type]
