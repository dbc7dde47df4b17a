"""The product's own handlers through months of days, on a clock that moves from event to event.

Payments are made, paid (promptly, past the cut-off, days later, never) and refunded, the schedule
ticks every quarter of an hour, banks answer and send money back, and operators close and open days.
Tables, files and queues are in memory; nothing fails here.
"""

import datetime as dt
import heapq
import itertools
import json
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from types import SimpleNamespace
from typing import Any, Final

import pytest

from functions.announce import handler as announce
from functions.payment_init import create, wish
from functions.payment_verify import handler as verify
from functions.payout import handler as payout
from functions.refund.give_back import request_refund
from functions.settle import handler as settle
from payvand import calendar
from payvand.edge import log
from payvand.edge.api import Caller, Request
from payvand.edge.queue import Queues
from payvand.edge.views import CreateRefund
from payvand.edge.wiring import Wiring, wiring
from payvand.ids import Book, PaymentId, PayoutId, merchant_id
from payvand.merchant import Contract, Merchant, Payee
from payvand.money import AMOUNT_MAX
from payvand.psp import (
    Answer,
    Attempt,
    Opened,
    Order,
    Redirect,
    RefundAnswer,
    RefundVerdict,
    Verdict,
)
from payvand.settlement import Line, Seal
from payvand.store import clock
from payvand.store.merchants import Merchants
from payvand.store.settlements import Settlements
from payvand.store.table import Item, item_from_wire
from payvand_cli.simulate import aws
from payvand_cli.simulate.memory import Memory
from payvand_cli.simulate.world import deployed
from tests.support.days import (
    CURRENCIES,
    DAY,
    FIRST,
    MINUTE_MS,
    RULES,
    TICK_MS,
    Oracle,
    Word,
    span,
)

DAY_MS: Final = 86_400_000
BANK_TAKES_MS: Final = 40 * MINUTE_MS
COMES_BACK_MS: Final = 26 * 60 * MINUTE_MS

SHOPS: Final = tuple(
    Merchant(
        id=merchant_id(7_000 + n),
        name=f"shop {n}",
        since=FIRST,
        contracts=(Contract("till"),),
        currencies=CURRENCIES,
        modes=("live",),
        payees=(Payee(f"kms:{n}|{merchant_id(7_000 + n)}".encode(), "0000", "shop"),),
        **terms,  # type: ignore[arg-type]
    )
    for n, terms in enumerate(
        (
            {},
            {"reserve_basis_points": 1_000, "reserve_days": 11, "minimum_payout_minor": 2_500_000},
            {"shards": 2},
        )
    )
)
PLAIN, RESERVED, REFUNDING = (shop.id for shop in SHOPS)


class Till:
    """A channel that takes every currency and knows who has paid."""

    name = "till"
    binds_reference = True

    def __init__(self) -> None:
        self.paid: dict[str, bool] = {}

    def open(self, order: Order) -> Opened:
        return Opened(order.attempt_key, Redirect("https://till.example"))

    def ask(self, attempt: Attempt) -> Answer:
        paid = self.paid[attempt.payment_id]
        return Answer(Verdict.PAID if paid else Verdict.DEAD, attempt.money, attempt.token)

    def refund(self, *_: object) -> RefundAnswer:
        return RefundAnswer(RefundVerdict.DONE)

    def get(self, *_: object) -> "Till":
        """Every merchant's contract is with it."""
        return self


@dataclass
class Paid:
    """A payment that came to something."""

    id: PaymentId
    made_ms: int
    booked_ms: int
    amount: int
    refunds: list[tuple[int, int]] = field(default_factory=list)

    @property
    def net(self) -> int:
        """Less the usual fee: one per cent, at most 50 000."""
        return self.amount - min(50_000, self.amount // 100)


class Year:
    """The product from the first day to the end of the last, and what it did."""

    def __init__(self, live: Wiring, span_: tuple[dt.date, dt.date], words: list[Word]) -> None:
        self.live = live
        self.first, self.last = span_
        self.random, self.bank = random.Random(1), random.Random(2)
        self.shops = tuple(replace(shop, since=self.first) for shop in SHOPS)
        self.oracle = Oracle(words)
        self.now_ms = self.oracle.ends_ms("IRR", self.first - DAY) - 6 * 60 * MINUTE_MS
        self.till = Till()
        self.objects: dict[str, bytes] = {}
        self.payments: list[Paid] = []
        self.made: dict[str, int] = {}
        self.returned: dict[Book, list[tuple[int, int]]] = defaultdict(list)
        self.orders: dict[str, int] = {}
        self.twice: list[str] = []
        self.sealed_ms: dict[tuple[Book, int], int] = {}
        self.single = {c: calendar.profile(self.first, c).door == "json" for c in CURRENCIES}
        self.seals: dict[Book, list[Seal]] = {}
        self.lines: dict[Book, list[Line]] = {}
        self._next: list[tuple[int, int, Callable[[], None]]] = []
        self._count = itertools.count()
        self._stream: list[Any] = []
        self._open_doors()

    def _open_doors(self) -> None:
        """The product's own stores on tables and files in memory, by this clock."""
        live = self.live
        memory: Any = Memory(deployed().tables, now=self._wall, on_write=self._wrote)
        direct: Any = SimpleNamespace(call=lambda _where, effect, **_: effect())
        files = aws.Files(direct, self.objects)
        files.written = self._filed
        clients: dict[str, Any] = {"dynamodb": memory, "s3": files, "events": self}
        live.client = clients.__getitem__  # type: ignore[assignment,method-assign]
        sqs: Any = self
        settlement, s3 = live.table("SETTLEMENT_TABLE"), clients["s3"]
        merchants = live.table("MERCHANTS_TABLE"), live.table("KEYS_TABLE")
        live.__dict__.update(
            clock=clock.Clock(live.table("LAB_TABLE"), self._wall),
            settlements=Settlements(settlement, live.payments, s3, "files", self._wall),
            merchants=Merchants(*merchants, self._wall),
            queues=Queues(sqs, 900),
            channels=self.till,
            vault=aws.Vault(),
        )
        for shop in self.shops:
            live.merchants.put(shop)

    def _wall(self) -> float:
        return (self.now_ms + 0.5) / 1000  # the half, so that no millisecond is rounded away

    # ── what AWS does ─────────────────────────────────────────────────────────────────────────

    def send_message(self, *, QueueUrl: str, MessageBody: str, DelaySeconds: int) -> None:
        self._put(QueueUrl, MessageBody, DelaySeconds * 1000)

    def send_message_batch(self, *, QueueUrl: str, Entries: list[dict[str, Any]]) -> dict[str, Any]:
        for entry in Entries:
            self._put(QueueUrl, entry["MessageBody"], 0)
        return {}

    def put_events(self, **_: Any) -> dict[str, int]:
        return {"FailedEntryCount": 0}

    def _put(self, queue: str, body: str, delay_ms: int) -> None:
        """Payments' own timers are not needed: each is asked about when its payer is back."""
        if queue == "settle":
            self.at(self.now_ms + delay_ms, partial(self._hand, settle.lambda_handler, body))
        if queue == "payout" and self._is_single(json.loads(body)["payout"]):
            self.at(self.now_ms + delay_ms, partial(self._hand, payout.lambda_handler, body))

    def _is_single(self, payout_id: str) -> bool:
        """Whether a payout leaves alone; files of many are another function's."""
        return self.single[PayoutId.parse(payout_id).book.currency]

    def _hand(self, worker: Callable[[dict[str, Any], Any], Any], body: str) -> None:
        record = {"messageId": "m", "receiptHandle": "m", "body": body}
        answer = worker({"Records": [record]}, None)
        assert answer == {"batchItemFailures": []}, f"{body} failed: {log._fields}"

    def _wrote(self, table: str, key: Any, old: Item | None, new: Item | None) -> None:
        if table == "settlement" and new is not None and new["sk"]["S"].startswith("seal#"):
            change = {"NewImage": new} if old is None else {"NewImage": new, "OldImage": old}
            self._stream.append({"dynamodb": change})
            if old is None:
                book = Book.parse(new["pk"]["S"])
                self.sealed_ms[book, int(new["n"]["N"])] = self.now_ms
        if table == "payments" and new is not None and new["id"]["S"].startswith("r:"):
            item = item_from_wire(new)
            book = Book.parse(item["pk"].split("#")[0])
            self.returned[book].append((self.now_ms, -item["legs"]["payable:merchant"]))

    def _filed(self, key: str, content: bytes) -> None:
        if not key.startswith("bank/out/"):
            return
        reference = key.removeprefix("bank/out/").removesuffix(".json")
        if reference in self.orders:
            self.twice.append(reference)
        self.orders[reference] = self.now_ms
        answer = partial(self._answer, reference)
        self.at(self.now_ms + BANK_TAKES_MS, partial(answer, "executed"))
        if self._may_come_back(reference) and self.bank.random() < 0.04:
            self.at(self.now_ms + COMES_BACK_MS, partial(answer, "returned"))

    def _may_come_back(self, reference: str) -> bool:
        """Only of who has nothing held, so that the walk need not say how a return is held."""
        book = PayoutId.parse(reference).book
        return book.merchant_id == PLAIN and not any(r.hold_days for r in RULES[book.currency])

    def _answer(self, reference: str, status: str) -> None:
        said = {"version": 1, "reference": reference, "status": status}
        self.objects[f"bank/in/{reference}.json"] = json.dumps(said).encode()

    # ── time ──────────────────────────────────────────────────────────────────────────────────

    def at(self, when_ms: int, do: Callable[[], None]) -> None:
        heapq.heappush(self._next, (when_ms, next(self._count), do))

    def run(self) -> None:
        """From the first event to the last tick."""
        self._plan_people()
        end_ms = self.oracle.ends_ms("IRR", self.last) + 12 * 60 * MINUTE_MS
        first_ms = -(-self.now_ms // TICK_MS) * TICK_MS
        tick = partial(self._hand, settle.lambda_handler, '{"tick":true}')
        for tick_ms in range(first_ms, end_ms, TICK_MS):
            self._until(tick_ms)
            self.now_ms = tick_ms
            tick()
        self._until(end_ms)
        for shop in self.shops:
            for book in shop.books:
                chain = list(self.live.settlements.seals(book, limit=1_000))[::-1]
                self.seals[book] = chain
                read = [self.live.settlements.lines(seal).lines for seal in chain]
                self.lines[book] = list(itertools.chain(*read))

    def _until(self, until_ms: int) -> None:
        while self._next and self._next[0][0] <= until_ms:
            self.now_ms, _, do = heapq.heappop(self._next)
            do()
            while self._stream:
                records, self._stream = self._stream, []
                announce.lambda_handler({"Records": records}, None)

    # ── what people do ────────────────────────────────────────────────────────────────────────

    def _plan_people(self) -> None:
        for word in self.oracle.words:
            self.at(word.at_ms, partial(self._declare, word))
        for shop, currency in itertools.product(self.shops, CURRENCIES):
            for day in span(self.first, self.last):
                for _ in range(self._how_many(shop, day)):
                    self.at(self._moment(currency, day), partial(self._make, shop, currency))

    def _declare(self, word: Word) -> None:
        store = self.live.settlements
        if word.is_open is None:
            store.forget(word.currency, word.day)
        else:
            store.override(word.currency, word.day, is_open=word.is_open, why="declared")

    def _how_many(self, shop: Merchant, day: dt.date) -> int:
        if shop.id == RESERVED and day.month in {6, 12}:  # quiet: what is held comes free alone
            return 0
        return self.random.choice((1, 1, 2, 2) if shop.id == PLAIN else (0, 0, 1))

    def _moment(self, currency: str, day: dt.date) -> int:
        """In a day's window, mostly around the cut-off that ends it."""
        ends_ms = self.oracle.ends_ms(currency, day)
        if self.random.random() < 0.6:
            near = (-1, 0, 1, -30_000, 59_000, 10 * MINUTE_MS, 20 * MINUTE_MS, -25 * MINUTE_MS)
            return ends_ms + self.random.choice(near)
        return ends_ms - self.random.randrange(20 * 60 * MINUTE_MS)

    def _make(self, shop: Merchant, currency: str) -> None:
        draw = self.random
        amount = draw.randrange(1_000, 6_000_000)
        order = f"order-{next(self._count)}"
        body = {"amount": amount, "currency": currency, "reference": order, "channel": "till"}
        body["return_url"] = "https://shop.example/back"
        caller = Caller(shop, "live", frozenset())
        request = Request("POST", {}, {}, {}, b"", "https://pay.example", "r")
        made, _ = create.create(self.live, request, wish.read(body), caller)
        self.made[made.id.text] = self.now_ms
        self.till.paid[made.id.text] = draw.random() < 0.9
        back = draw.choice((0, 5_000, 30_000, 20 * MINUTE_MS, 40 * MINUTE_MS))
        if draw.random() < 0.1:  # the channel knows it days later: it was open when its day ended
            back = draw.randrange(5 * DAY_MS)
        self.at(self.now_ms + back, partial(self._comes_back, made.id, amount, self.now_ms))

    def _comes_back(self, id: PaymentId, amount: int, made_ms: int) -> None:
        self._hand(verify.lambda_handler, json.dumps({"payment": id.text}))
        if not self.till.paid[id.text]:
            return
        paid = Paid(id, made_ms, self.now_ms, amount)
        self.payments.append(paid)
        if self.random.random() < (0.5 if id.book.merchant_id == REFUNDING else 0.05):
            later_ms = self.random.randrange(12 * DAY_MS)
            self.at(self.now_ms + later_ms, partial(self._refund, paid))

    def _refund(self, paid: Paid) -> None:
        amount = self.random.choice((paid.amount, paid.amount // 2))
        seen = self.live.payments.get(paid.id)
        assert seen is not None
        merchant = self.live.merchants.get(paid.id.book.merchant_id)
        assert merchant is not None
        request_refund(self.live, merchant, seen, CreateRefund(amount=amount), "once")
        paid.refunds.append((self.now_ms, amount))

    # ── looking ───────────────────────────────────────────────────────────────────────────────

    def movements(self, book: Book) -> Iterator[tuple[int, int]]:
        """When, and how much more (or less) the merchant is owed then."""
        for paid in self.payments:
            if paid.id.book == book:
                yield paid.booked_ms, paid.net
                yield from ((at_ms, -amount) for at_ms, amount in paid.refunds)
        yield from self.returned[book]

    def books(self, currency: str) -> list[tuple[Merchant, Book]]:
        return [(shop, Book(shop.id, "live", currency)) for shop in self.shops]

    def by_day(self, book: Book) -> dict[dt.date, int]:
        """The same, summed by the day each moment belongs to."""
        found: dict[dt.date, int] = defaultdict(int)
        for at_ms, minor in self.movements(book):
            found[self.oracle.label(book.currency, at_ms)] += minor
        return found


class _Urandom:
    """`os`, as far as ids need it."""

    def __init__(self) -> None:
        self._random = random.Random(3)

    def urandom(self, n: int) -> bytes:
        return self._random.randbytes(n)


def profiles() -> dict[str, Any]:
    """The shipped profiles with this year's versions after them; rials leave one by one."""
    table: dict[str, Any] = json.loads(json.dumps(calendar._table("profiles")))
    for currency, rules in RULES.items():
        shipped = table[currency]["versions"][-1]
        if currency == "IRR":
            shipped["door"] = "json"
        for rule in rules[1:]:
            changes = {
                "since": rule.since.isoformat(),
                "cut_off": rule.cut_off.isoformat("minutes"),
                "closed_weekdays": [calendar.WEEKDAYS[n] for n in sorted(rule.weekend)],
                "hold_days": rule.hold_days,
                "minimum_payout": rule.minimum,
            }
            table[currency]["versions"].append(shipped | changes)
    return table


@contextmanager
def given_profiles(patch: pytest.MonkeyPatch) -> Iterator[None]:
    """This year's table, read by the product's own loader."""
    real, table = calendar._table, profiles()
    patch.setattr(calendar, "_table", lambda name: table if name == "profiles" else real(name))
    calendar.currencies.cache_clear()
    try:
        yield
    finally:
        calendar.currencies.cache_clear()


def play(first: dt.date, last: dt.date, words: Iterable[Word]) -> Year:
    """A whole run; everything is put back after it."""
    names = {f"{name.upper()}_TABLE": name for name in deployed().tables}
    names |= {f"{name.upper()}_QUEUE": name for name in deployed().queues}
    with pytest.MonkeyPatch.context() as patch, given_profiles(patch):
        for name, value in {**names, "BUS": "bus", "FILES_BUCKET": "files"}.items():
            patch.setenv(name, value)
        wiring.cache_clear()
        patch.setattr(log, "end", lambda *_: None)
        patch.setattr(create, "limits", lambda *_: (1, AMOUNT_MAX))
        patch.setattr(create, "os", _Urandom())
        try:
            year = Year(wiring(), (first, last), sorted(words, key=lambda word: word.at_ms))
            year.run()
        finally:
            wiring.cache_clear()
    calendar.currencies.cache_clear()
    return year
