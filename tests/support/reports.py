"""A channel that reports, a merchant it pays for, and files left for reconciliation."""

import datetime as dt
import json
from dataclasses import replace
from typing import Any

from payvand import calendar, ledger
from payvand.fee import FeePlan
from payvand.ids import Book, PaymentId
from payvand.merchant import HOUSE, Contract
from payvand.payment import AttemptRecord, Payment, Refund, RefundState, Status, execution
from payvand.reconcile import item_id
from payvand.store.reconciliations import Run, Scope
from payvand.store.tasks import Task
from tests.support.world import MERCHANT, World, check_books

ZIBAL = Scope("test", "zibal:main")
BOOK = Book(MERCHANT, "test", "IRR")
HOUSE_BOOK = Book(HOUSE, "test", "IRR")
CONTRACTS = (Contract("zarinpal"), Contract("noticebank"), Contract("zibal", "main"))


def taken(world: World, amount: int, track: int, book: Book = BOOK) -> Payment:
    """A payment taken at the channel that reports, under its own id."""
    at_ms = int(world.now.timestamp() * 1000)
    day = calendar.label(world.now, book.currency)
    ms = calendar.ms_into(world.now, day, book.currency)
    id = PaymentId.mint(book, day, ms, 0, track.to_bytes(6))
    attempt = AttemptRecord("zibal", str(track), at_ms)
    plan = FeePlan()
    made = Payment(
        id, Status.CREATED, amount, f"order-{track}", "https://shop.example/", at_ms, plan
    )
    with world.unwatched():
        payments = world.books[0]
        payments.create(made)
        payments.add_attempt(made, attempt)
        seen = world.payment(id.text)
        done = execution(seen, 0, f"rrn-{track}", None, at_ms=at_ms, day=day)
        payments.confirm(seen, done, unique=False)
    return world.payment(id.text)


def given_back(
    world: World,
    payment: Payment,
    amount: int,
    number: int,
    state: RefundState = RefundState.DONE,
) -> None:
    """A refund the channel decided, under an id of its own."""
    at_ms = int(world.now.timestamp() * 1000)
    day, legs = payment.id.day, ledger.refunded("zibal", amount)
    refund = Refund("k", f"rfd_{number}", amount, day, at_ms, RefundState.PENDING)
    decided = replace(refund, state=state, reference=str(number))
    with world.unwatched():
        payments = world.books[0]
        payments.begin_refund(payment, refund, legs)
        if state is RefundState.FAILED:
            payments.undo_refund(payment, decided, day, at_ms, ledger.reversal(legs))
        else:
            payments.refund_done(payment, decided)


def transaction(amount: int, track: int, on: dt.date, wage: int = 0) -> dict[str, Any]:
    """A payment as the channel tells of it."""
    paid_at = f"{on.isoformat()}T12:00:00"
    return {"trackId": track, "amount": amount, "wage": wage, "status": 1, "paidAt": paid_at}


def report(*records: dict[str, Any]) -> bytes:
    return json.dumps({"result": 1, "total": len(records), "data": list(records)}).encode()


def leave(world: World, name: str, content: bytes, scope: Scope = ZIBAL) -> None:
    """Put a file where it is read, and say so."""
    key = f"bank/in/reports/{name}"
    world.raw["s3"].put_object(Bucket="filesbucket", Key=key, Body=content)
    message = {"file": key, "source": scope.source, "mode": scope.mode}
    world.put_message("ReconcileQueue", json.dumps(message), 0)


def tell(world: World, name: str, content: bytes, scope: Scope = ZIBAL) -> None:
    """Leave a file, and let everything be done that follows."""
    leave(world, name, content, scope)
    work(world)


def wake(world: World, scope: Scope = ZIBAL) -> None:
    """Compare once more."""
    message = {"run": scope.source, "mode": scope.mode}
    world.put_message("ReconcileQueue", json.dumps(message), 0)
    work(world)


def work(world: World) -> None:
    """The queue of reconciliation, until it is empty or only failures are left."""
    for _ in range(10):
        if not any(m.visible_at <= world.now for m in world.queues["ReconcileQueue"]):
            return
        world.deliver("ReconcileQueue")
    raise AssertionError("there is always more")


def tasks(world: World) -> dict[str, Task]:
    """Tasks of reconciliation that wait: kind → task; there is one of a kind."""
    with world.unwatched():
        found = list(world.live.tasks.waiting("test"))
    kinds = {task.kind: task for task in found}
    assert len(kinds) == len(found), found
    return kinds


def runs(world: World, scope: Scope = ZIBAL) -> list[Run]:
    """The chain, oldest first, without a gap."""
    with world.unwatched():
        found = list(world.live.reconciliations.runs(scope))[::-1]
    assert [run.n for run in found] == list(range(1, len(found) + 1))
    return found


def decided(world: World, scope: Scope = ZIBAL) -> dict[str, list[str]]:
    """Item → the entries it ended with, over the whole chain: none of them twice."""
    made: dict[str, list[str]] = {}
    used: list[str] = []
    with world.unwatched():
        for run in world.live.reconciliations.runs(scope):
            for row in world.live.reconciliations.rows(run):
                if "d" in row:
                    assert row["d"]["item"] not in made, "an item is decided twice"
                    made[row["d"]["item"]] = row["d"]["entries"]
                    used += row["d"]["entries"]
    assert len(used) == len(set(used)), "an entry is in two items"
    return made


def run_items(world: World, scope: Scope = ZIBAL) -> list[dict[str, Any]]:
    """What the last run showed to people."""
    with world.unwatched():
        rows = world.live.reconciliations.rows(runs(world, scope)[-1])
        return [row["i"] for row in rows if "i" in row]


def item_of(payment: Payment, scope: Scope = ZIBAL) -> str:
    return item_id(scope.source, payment.id.text)


def house(world: World, book: Book = HOUSE_BOOK) -> ledger.Legs:
    """What the house's books hold, account by account."""
    found = [
        item["legs"]
        for item in world.items("PaymentsTable")
        if item["pk"].startswith(book.key) and "legs" in item
    ]
    return {account: minor for account, minor in ledger.total(found).items() if minor}


def balanced(world: World) -> None:
    """All accounts of all books sum to zero, and every book is whole."""
    legs = [item["legs"] for item in world.items("PaymentsTable") if "legs" in item]
    assert sum(ledger.total(legs).values()) == 0
    check_books(world)
