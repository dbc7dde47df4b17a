"""The rush itself: payers, a busy clerk, and the lab's days going by, cut-offs and all."""

import datetime as dt
import json
import random
import secrets
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

import httpx

from payvand.calendar import cut_off, settles_at
from payvand.settlement import PayoutState
from payvand_cli import demo, fire, seed
from payvand_cli.doors import Doors
from payvand_cli.load import facts, verdicts
from payvand_cli.load.meter import Meter
from payvand_cli.load.payers import PLANS, Merchant, Payers, Wish
from payvand_cli.load.profiles import Budget, Pace, Profile, chosen
from payvand_cli.web import Lab, Shop, Surprise

ACTORS_MAX: Final = 16
WARMED: Final = 4
MERCHANTS: Final = 4
ACCOUNTS: Final = ("88", "88", "02", "03")
"""The last digits of each merchant's account: what the payout bank does with it (docs/lab.md)."""
DAY_ENDS_AT: Final = 0.65
SESSIONS_DIE_AT: Final = 0.8
BANK_ANSWERS_AT: Final = 0.9
"""Parts of a turn: the cut-off is passed, the clock jumps, and jumps again, while people pay."""
SESSIONS_DIE: Final = dt.timedelta(minutes=16)
LONG_AFTER: Final = dt.timedelta(minutes=35)
BANK_ANSWERS: Final = dt.timedelta(hours=1)
BANK_RUNS: Final = 2
"""An account that ends in 03 is answered by the second."""
UNANSWERED: Final = (PayoutState.NEW, PayoutState.SENT)
SEALS_WATCHED: Final = 5
CLERK_EVERY_S: Final = 0.7
REFUNDS: Final = 0.12
INBOX_FAILS: Final = 0.02
REPLAYS: Final = 0.02
REFUND_ENDINGS: Final = (0, 0, 0, 201, 202, 203)
LAST_DAYS: Final = 2
"""What was booked late is in the second one's seal."""
QUIET_S: Final = 90.0
LOOK_S: Final = 1.0
CURRENCY: Final = demo.CURRENCY


@dataclass(frozen=True)
class Asked:
    """What was asked for on the command line."""

    profile: str
    seconds: float
    payments: int
    turn_s: float
    actors: int
    seed: int


class Course:
    """One load run on a running local stack."""

    def __init__(self, local: dict[str, Any], doors: Doors, lab: Lab, asked: Asked) -> None:
        self.local, self.doors, self.lab, self.asked = local, doors, lab, asked
        self.meter = Meter()
        self.payers = Payers(local["api_url"], self.meter)
        self.wishes: list[Wish] = []
        self.troubles: list[str] = []
        self.merchants: list[Merchant] = []
        self.days = 0
        self._over = threading.Event()

    # ── before ────────────────────────────────────────────────────────────────────────────────

    def open(self) -> None:
        """Merchants nobody has heard of, each with an inbox."""
        today = demo.business_day(self.now())
        for digits in ACCOUNTS:
            account = _account(digits)
            made = seed.add_merchant(
                self.doors.stack, f"load {digits}", account, since=today - dt.timedelta(1)
            )
            shop = Shop(self.local["api_url"], made["api_key"], self.meter.wire())
            inbox = f"{self.local['lab_url']}/webhooks/{made['merchant_id']}"
            endpoint = shop.post("/webhook_endpoints", {"url": inbox})
            self.merchants.append(Merchant(made["merchant_id"], shop, endpoint["secret"]))
        self._first()

    def close(self) -> None:
        """Let go of the merchants' connections."""
        for merchant in self.merchants:
            merchant.shop.close()

    def _first(self) -> None:
        """One payer after another, each way once, so that the rush meets workers that run.

        Whoever comes at once would start a worker of each function for each of them.
        """
        chance = random.Random(f"{self.asked.seed}.first")
        for plan in PLANS[:WARMED]:
            self.wishes.append(self.payers.play(self.merchants[0], chance, plan))
        self._try(lambda: self._desk(chance))
        self.meter.forget()

    def now(self) -> dt.datetime:
        """The lab's time."""
        return dt.datetime.fromisoformat(self.lab.get("/clock")["now"])

    def move(self, when: dt.datetime) -> None:
        """Move the lab's clock forward, if it is not there yet."""
        if when > self.now():
            self.lab.post("/clock", {"advance_to": when.isoformat()})

    # ── the rush ──────────────────────────────────────────────────────────────────────────────

    def rush(self, say: Callable[[str], None]) -> float:
        """Turn after turn, a lab day each, until time or count is up; the seconds it took."""
        began, budget = time.monotonic(), Budget(self.asked.payments)
        clerk = threading.Thread(target=self._clerk, name="clerk", daemon=True)
        clerk.start()
        try:
            with ThreadPoolExecutor(ACTORS_MAX) as pool:
                while budget.left > 0 and time.monotonic() - began < self.asked.seconds:
                    profile = chosen(self.asked.profile, self.days)
                    self._turn(pool, profile, budget)
                    self.days += 1
                    say(f"{self.days} lab days, {len(self.wishes)} payments ({profile.name})")
        finally:
            self._over.set()
            clerk.join()
        return time.monotonic() - began

    def _turn(self, pool: ThreadPoolExecutor, profile: Profile, budget: Budget) -> None:
        turn_s = self.asked.turn_s
        day = demo.business_day(self.now())
        # By its own pace the clock reaches the cut-off while people pay.
        self.move(cut_off(day, CURRENCY) - dt.timedelta(seconds=turn_s * DAY_ENDS_AT * 0.8))
        began, pace = time.monotonic(), Pace(profile, turn_s, budget)
        actors = [pool.submit(self._actor, pace, profile, n) for n in range(self._actors(profile))]
        steps: tuple[tuple[float, Callable[[], None]], ...] = (
            (DAY_ENDS_AT, lambda: self._close(day)),
            (SESSIONS_DIE_AT, lambda: self.move(self.now() + SESSIONS_DIE)),
            (BANK_ANSWERS_AT, self._bank),
        )
        for part, step in steps:
            time.sleep(max(0.0, began + part * turn_s - time.monotonic()))
            self._try(step)
        for actor in actors:
            actor.result()

    def _actors(self, profile: Profile) -> int:
        return min(profile.actors, self.asked.actors)

    def _actor(self, pace: Pace, profile: Profile, number: int) -> None:
        chance = random.Random(f"{self.asked.seed}.{self.days}.{number}")
        while pace.next():
            hot = chance.random() < profile.hot
            merchant = self.merchants[0] if hot else chance.choice(self.merchants)
            self.wishes.append(self.payers.play(merchant, chance))

    def _close(self, day: dt.date) -> None:
        self.move(settles_at(day, CURRENCY) + dt.timedelta(seconds=2))
        fire.run(self.doors.stack, "SettleSchedule", self.now())

    def _bank(self) -> None:
        self.lab.post("/bank/run")
        self.move(self.now() + BANK_ANSWERS)

    def _try(self, step: Callable[[], object]) -> None:
        """A step of the world; that it failed is told, and the next one tries again."""
        try:
            step()
        except (Surprise, httpx.HTTPError, RuntimeError) as trouble:
            self.troubles.append(str(trouble) or type(trouble).__name__)

    # ── the merchant's people ─────────────────────────────────────────────────────────────────

    def _clerk(self) -> None:
        chance = random.Random(f"{self.asked.seed}.clerk")
        while not self._over.wait(CLERK_EVERY_S):
            self._try(lambda: self._desk(chance))

    def _desk(self, chance: random.Random) -> None:
        """Looks after one merchant: lists, a refund now and then, a webhook that fails."""
        merchant = chance.choice(self.merchants)
        rows = merchant.shop.get("/payments", limit=20)["data"]
        merchant.shop.get("/balance")
        paid = [row for row in rows if row["status"] == "executed"]
        for row in paid:
            if chance.random() < REFUNDS:
                most = row["amount"] // 1000 - 20
                amount = (20 + chance.randint(0, most)) * 1000 + chance.choice(REFUND_ENDINGS)
                body = {"amount": min(amount, row["amount"]), "reason": "load"}
                merchant.shop.ask("POST", f"/payments/{row['id']}/refunds", body)
        if chance.random() < INBOX_FAILS:
            self.lab.post(f"/webhooks/{merchant.id}/fail", {"times": 2, "status": 503})
        if chance.random() < REPLAYS:
            for row in merchant.shop.get("/webhook_deliveries", limit=1)["data"]:
                merchant.shop.ask("POST", f"/webhook_deliveries/{row['id']}/replay", {})

    # ── afterwards ────────────────────────────────────────────────────────────────────────────

    def settle(self) -> None:
        """Let the world come to rest: what is open ends, days close, the bank answers."""
        for merchant in self.merchants:
            self._try(lambda m=merchant: self.lab.post(f"/webhooks/{m.id}/fail", {"times": 0}))  # type: ignore[misc]
        self._quiet("questions answered", lambda: not self._left("VerifyQueue"))
        self.move(self.now() + SESSIONS_DIE)
        self._try(lambda: self.lab.post("/noticebank/run"))
        self._quiet("what was taken is decided", self._decided)
        self.move(self.now() + LONG_AFTER)
        self._try(lambda: self.lab.post("/noticebank/run"))
        self._quiet("every payment final", self._final)
        for _ in range(LAST_DAYS):
            day = demo.business_day(self.now())
            self._try(lambda d=day: self._close(d))  # type: ignore[misc]
            self._quiet("books sealed", lambda: not self._left("SettleQueue"))
            self._quiet("payouts sent", lambda: self._paid_out(PayoutState.NEW))
            for _ in range(BANK_RUNS):
                self._try(self._bank)
            self._quiet("the bank's answers", lambda: self._paid_out(*UNANSWERED))
        self._try(self._look_again)
        self._quiet("books looked at", lambda: not self._left("SettleQueue"))
        self._quiet("queues empty", lambda: not any(facts.waiting(self.doors).values()))
        self._quiet("every webhook", self._all_told)

    def _look_again(self) -> None:
        """The books once more, on the day that is sealed: payouts that came back are looked at."""
        plan = json.dumps({"currency": CURRENCY})
        url = self.doors.stack.outputs["SettleQueue"]
        self.doors.stack.sqs.send_message(QueueUrl=url, MessageBody=plan)

    def _left(self, queue: str) -> int:
        return facts.waiting(self.doors)[queue]

    def _paid_out(self, *waiting: PayoutState) -> bool:
        """Whether no payout is in one of these states."""
        return not any(
            seal.state in waiting
            for merchant in self.merchants
            for seal in self.doors.settlements.seals(facts.book_of(merchant), limit=SEALS_WATCHED)
        )

    def _decided(self) -> bool:
        """Whether no payment is open whose payer's money somebody has."""
        taken = {t.payment for t in facts.takings(self.doors, 0) if t.state != "given back"}
        return not any(
            payment.is_open and id in taken
            for merchant in self.merchants
            for id, payment in facts.payments(self.doors, merchant).items()
        )

    def _final(self) -> bool:
        return not any(
            payment.is_open or payment.pending_refunds
            for merchant in self.merchants
            for payment in facts.payments(self.doors, merchant).values()
        )

    def _all_told(self) -> bool:
        books = [facts.hearsay(self.doors, merchant) for merchant in self.merchants]
        return not any(
            verdicts.expected(book) - {(one.type, one.about) for one in book.told} for book in books
        )

    def _quiet(self, what: str, look: Callable[[], bool]) -> None:
        """Wait for something, for long; that it did not come shows in the verdicts."""
        ends = time.monotonic() + QUIET_S
        while not look():
            if time.monotonic() > ends:
                self.troubles.append(f"waited {QUIET_S:.0f} s in vain: {what}")
                return
            time.sleep(LOOK_S)


def _account(digits: str) -> str:
    """A made-up account whose IBAN ends like this."""
    return seed.iban(f"017{secrets.randbelow(10**17):017d}{digits}")
