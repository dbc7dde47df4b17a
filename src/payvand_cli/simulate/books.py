"""Many books' days in memory, behind the product's own doors, for whoever settles them.

Not a simulation: each call to AWS is done at once and nothing goes wrong unless `Aws.pass_` makes
it. The bench counts here what settlement costs, tests break it at every call. Payments, postings
and refunds are written by the product's stores; nobody is asked at a channel.
"""

import dataclasses
import datetime as dt
import io
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from random import Random
from types import SimpleNamespace
from typing import Any, Final

from botocore.exceptions import ClientError

from functions.settle import handler as settle
from payvand import calendar, ledger
from payvand.edge.queue import Queues
from payvand.edge.wiring import Wiring
from payvand.ids import MODES, Book, PaymentId, merchant_id
from payvand.merchant import Merchant, Payee
from payvand.payment import (
    AttemptRecord,
    Failure,
    Payment,
    Refund,
    RefundState,
    Status,
    execution,
)
from payvand.settlement import Lines, Seal
from payvand.store.clock import Clock
from payvand.store.settlements import Volume
from payvand.store.table import item_from_wire
from payvand_cli.simulate.memory import Memory
from payvand_cli.simulate.world import deployed, short

CHANNEL: Final = "zarinpal"
CURRENCY: Final = "IRR"
DAY: Final = dt.date(2026, 5, 4)
"""A Monday. What is settled unless a test says otherwise."""
IBAN: Final = b"kms:IR000000000000000000009088"
DYNAMODB: Final = (
    "get_item", "put_item", "update_item", "delete_item", "query", "scan", "transact_write_items",
)  # fmt: skip

type Pass = Callable[[str, Callable[[], Any]], Any]
"""What every call to AWS goes through: its name, and what does it."""


def _through(name: str, do: Callable[[], Any]) -> Any:
    del name
    return do()


class Aws:
    """DynamoDB, SQS and S3 as the product's doors call them."""

    def __init__(self, now: Callable[[], float], page_items: int | None = None) -> None:
        self.memory = Memory(deployed().tables, now, page_items)
        self.objects: dict[str, bytes] = {}
        self.queues: dict[str, list[dict[str, Any]]] = {name: [] for name in deployed().queues}
        self.pass_: Pass = _through

    def client(self, service: str) -> Any:
        """A client with the methods the product calls."""
        offered = self._offered(service)
        return SimpleNamespace(
            **{name: partial(self._call, name, offered[name]) for name in offered}
        )

    def quiet(self, service: str) -> Any:
        """The same past every fault."""
        return SimpleNamespace(**self._offered(service))

    def _offered(self, service: str) -> dict[str, Callable[..., Any]]:
        offered: dict[str, dict[str, Callable[..., Any]]] = {
            "dynamodb": {name: getattr(self.memory, name) for name in DYNAMODB},
            "sqs": {"send_message": self._send, "send_message_batch": self._send_batch},
            "s3": {"put_object": self._put, "get_object": self._get},
        }
        return offered[service]

    def _call(self, name: str, do: Callable[..., Any], **request: Any) -> Any:
        return self.pass_(name, partial(do, **request))

    def _send(self, *, QueueUrl: str, MessageBody: str, DelaySeconds: int) -> Any:
        del DelaySeconds
        self.queues[QueueUrl].append(json.loads(MessageBody))
        return {}

    def _send_batch(self, *, QueueUrl: str, Entries: list[Any]) -> Any:
        self.queues[QueueUrl] += [json.loads(entry["MessageBody"]) for entry in Entries]
        return {}

    def _put(self, *, Bucket: str, Key: str, Body: bytes, ContentType: str) -> Any:
        del Bucket, ContentType
        self.objects[Key] = Body
        return {}

    def _get(self, *, Bucket: str, Key: str) -> Any:
        del Bucket
        if Key not in self.objects:
            answer: Any = {"Error": {"Code": "NoSuchKey", "Message": "There is no such object."}}
            raise ClientError(answer, "GetObject")
        return {"Body": io.BytesIO(self.objects[Key])}


class Books:
    """Merchants with days to settle, and the settle function that does it.

    `seals`, `lines`, `items` and `payment` are for looking; they pass no fault.
    """

    def __init__(self, page_items: int | None = None) -> None:
        self.now = calendar.cut_off(DAY, CURRENCY) - dt.timedelta(hours=4)
        self.aws = Aws(self._wall, page_items)
        self.live = self.doors(self.aws.client)
        self._looking = self.doors(self.aws.quiet)
        self._draws = Random(20)
        self._number = 0

    def _wall(self) -> float:
        return self.now.timestamp()

    def doors(self, client: Callable[[str], Any]) -> Wiring:
        """The product's wiring on these clients."""
        env = {f"{name.upper()}_TABLE": name for name in deployed().tables}
        env |= {f"{name.upper()}_QUEUE": name for name in deployed().queues}
        live = Wiring(env | {"FILES_BUCKET": "files"})
        vars(live)["client"] = client
        vars(live)["clock"] = Clock(live.table("LAB_TABLE"), self._wall)
        vars(live)["queues"] = Queues(client("sqs"), 900)
        return live

    # ── what happened in a day ────────────────────────────────────────────────────────────────

    def merchant(self, number: int, **changes: Any) -> Merchant:
        """A merchant with an account to be paid to."""
        fields: dict[str, Any] = {
            "id": merchant_id(number),
            "name": f"shop {number}",
            "since": DAY,
            "modes": MODES,
            "payees": (Payee(IBAN, "9088", f"shop {number}"),),
        }
        made = Merchant(**(fields | changes))
        self._looking.merchants.put(made)
        return made

    def opened(self, merchant: Merchant, day: dt.date = DAY, hours: float = 4) -> Payment:
        """A payment whose payer is at the channel, made so long before the day's cut-off."""
        self._number += 1
        n, entropy = self._number, self._draws.randbytes(6)
        when = calendar.cut_off(day, CURRENCY) - dt.timedelta(hours=hours)
        at_ms = int(when.timestamp() * 1000)
        book = Book(merchant.id, "live", CURRENCY)
        ms = calendar.ms_into(when, day, CURRENCY)
        made = Payment(
            id=PaymentId.mint(book, day, ms, entropy[0] % merchant.shards_on(day), entropy),
            status=Status.REDIRECTED,
            amount_minor=250_000 + n,
            reference=f"order-{n}",
            return_url="https://shop.example/done?x=1",
            expires_at_ms=at_ms + 1_800_000,
            fee_plan=merchant.fee_plan,
            attempts=(AttemptRecord(CHANNEL, f"A{n:035d}", at_ms),),
            rev=1,
        )
        self._looking.payments.create(made)
        return made

    def paid(self, merchant: Merchant, day: dt.date = DAY, hours: float = 4) -> Payment:
        """A payment booked in its own day."""
        made = self.opened(merchant, day, hours)
        self._looking.payments.confirm(made, self._taken(made, made.id.day), unique=False)
        return self.payment(made.id.text)

    def paid_late(self, payment: Payment, day: dt.date) -> Payment:
        """The same, booked in a later day."""
        self._looking.payments.confirm_late(payment, self._taken(payment, day), unique=False)
        return self.payment(payment.id.text)

    def _taken(self, payment: Payment, day: dt.date) -> Any:
        at_ms = payment.attempts[0].at_ms + 60_000
        return execution(payment, 0, f"r{payment.reference}", None, at_ms=at_ms, day=day)

    def failed(self, merchant: Merchant, day: dt.date = DAY) -> Payment:
        """A payment that ended without money."""
        made = self.opened(merchant, day)
        over = made.failed(Status.REFUSED, Failure("refused_by_channel", "", 1))
        self._looking.payments.fail(over)
        return over

    def refunded(self, payment: Payment, day: dt.date, amount: int, state: RefundState) -> None:
        """Part of a payment given back, or about to be."""
        refund = Refund(f"k{amount}", f"rfd_{amount}", amount, day, 1, RefundState.PENDING)
        store, legs = self._looking.payments, ledger.refunded(CHANNEL, amount)
        store.begin_refund(payment, refund, legs)
        if state is RefundState.DONE:
            done = dataclasses.replace(refund, state=state)
            store.refund_done(self.payment(payment.id.text), done)
        elif state is RefundState.FAILED:
            done = dataclasses.replace(refund, state=state)
            again = self.payment(payment.id.text)
            store.undo_refund(again, done, day, 1, ledger.reversal(legs))

    # ── settling ──────────────────────────────────────────────────────────────────────────────

    def close(self, day: dt.date = DAY) -> None:
        """Let time pass until a day may be sealed."""
        self.now = max(self.now, calendar.settles_at(day, CURRENCY) + dt.timedelta(seconds=1))

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """The settle function on these doors."""
        kept = vars(settle)["wiring"]
        vars(settle)["wiring"] = lambda: self.live
        try:
            yield
        finally:
            vars(settle)["wiring"] = kept

    def hand(self, message: dict[str, Any], tries: int = 1) -> bool:
        """Hand one message to the function; whether it is done with it."""
        record = {
            "messageId": "m",
            "receiptHandle": "m",
            "body": json.dumps(message),
            "attributes": {"ApproximateReceiveCount": str(tries)},
        }
        answer = settle.lambda_handler({"Records": [record]}, None)
        return not answer["batchItemFailures"]

    def settle(self, *books: Book) -> None:
        """The day's plan, or these books, and all that is sent for it, until nothing waits."""
        waiting = self.aws.queues["settle"]
        waiting += [{"book": book.key} for book in books] or [{"currency": CURRENCY}]
        while waiting:
            message = waiting.pop(0)
            assert self.hand(message), message

    # ── looking ───────────────────────────────────────────────────────────────────────────────

    def items(self, table: str) -> list[dict[str, Any]]:
        """Every item of a table, by its logical id."""
        return [item_from_wire(i) for i in self.aws.memory.items(short(table, "Table"))]

    def payment(self, id: str) -> Payment:
        """A payment as stored."""
        seen = self._looking.payments.get(PaymentId.parse(id))
        assert seen is not None
        return seen.payment

    def seals(self, book: Book) -> list[Seal]:
        """A book's chain, oldest first."""
        return list(reversed(list(self._looking.settlements.seals(book, limit=1_000))))

    def lines(self, seal: Seal) -> Lines | Volume:
        """What a seal names."""
        return self._looking.settlements.lines(seal)

    @property
    def books(self) -> Any:
        """The product's stores, for looking and for making days by hand."""
        return self._looking.payments, self._looking.settlements


def moved(payments: Iterable[Payment]) -> int:
    """What a merchant gained by payments booked, in minor units."""
    return sum(ledger.owed(p.execution.legs) for p in payments if p.execution is not None)
