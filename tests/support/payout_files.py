"""Merchants who are paid through files, their banks, and the quarters of an hour between."""

import datetime as dt
import json
from typing import Any

from payvand import calendar, ledger
from payvand.ids import Book, Mode, merchant_id
from payvand.settlement import PayoutState, Seal
from payvand.store.payout_files import Lane, PayoutFile
from tests.support.world import World

EURO = Lane("test", "EUR", "sepa")
LIRA = Lane("test", "TRY", "csv")
RIAL = Lane("test", "IRR", "switch")
DEBTOR = {
    "EUR": {"debtor_iban": "LV94LABB0000000000001", "debtor_name": "Payvand"},
    "TRY": {"debtor_iban": "TR330006100519786457841326", "debtor_name": "Payvand"},
}
QUARTER = dt.timedelta(minutes=15)


def know_banks(world: World, banks: dict[str, Any]) -> None:
    for mode in ("Test", "Live"):
        world.raw["secretsmanager"].put_secret_value(
            SecretId=f"BankSecret{mode}", SecretString=json.dumps(banks)
        )


def shop(world: World, n: int, account: str, currency: str = "EUR", **changes: Any) -> Book:
    """A merchant who is owed money in a currency."""
    id = merchant_id(5_000 + n)
    payees = changes.pop("payees", None) or (world.payee(account, id),)
    world.add_merchant(id, currencies=(currency,), payees=payees, **changes)
    return Book(id, "test", currency)


def earn(world: World, book: Book, minor: int, name: str = "1") -> None:
    """Money that came to a book today."""
    day = calendar.label(world.now, book.currency)
    at_ms = int(world.now.timestamp() * 1000)
    legs = ledger.earned(book.merchant_id, minor)
    with world.unwatched():
        requests = world.books[0].posting_requests(
            book, f"e:{book.merchant_id}-{name}", day, at_ms, legs
        )
        world.live.table("PAYMENTS_TABLE").transact(requests)


def close(world: World, *books: Book) -> None:
    """Their day ends; its payouts wait for a file."""
    currency = books[0].currency
    day = calendar.label(world.now, currency)
    world.now = calendar.settles_at(day, currency) + dt.timedelta(seconds=1)
    for book in books:
        world.put_message("SettleQueue", json.dumps({"book": book.key}), 0)
    work(world)


def work(world: World) -> None:
    """Everything that can be done now."""
    for _ in range(20):
        if not world.deliver():
            return
    raise AssertionError("there is always more")


def tick(world: World, times: int = 1, lane: Lane | None = None) -> None:
    """The schedule fires, a quarter of an hour after another; or one lane alone is looked at."""
    message = {"tick": True} if lane is None else {"lane": lane.key}
    for _ in range(times):
        world.now += QUARTER
        world.put_message("PayoutFileQueue", json.dumps(message), 0)
        work(world)


def last(world: World, book: Book) -> Seal:
    return world.seals(book)[-1]


def states(world: World, *books: Book) -> list[PayoutState | None]:
    return [last(world, book).state for book in books]


def files(world: World, lane: Lane) -> list[PayoutFile]:
    return list(reversed(world.live.payout_files.newest(lane, 50)))


def tasks(world: World, mode: Mode = "test") -> list[str]:
    return [task.id for task in world.live.tasks.waiting(mode)]


def body(world: World, key: str) -> bytes:
    found: bytes = world.raw["s3"].get_object(Bucket="filesbucket", Key=key)["Body"].read()
    return found


def leave(world: World, key: str, content: bytes) -> None:
    world.raw["s3"].put_object(Bucket="filesbucket", Key=key, Body=content)


def sent_names(world: World, prefix: str) -> list[str]:
    found = world.raw["s3"].list_objects_v2(Bucket="filesbucket", Prefix=prefix)
    return [one["Key"] for one in found.get("Contents", ())]
