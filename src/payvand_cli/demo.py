"""`payvand demo`: a payment day on the local stack, played over HTTP as merchant and payer.

Twenty payments with every way a payment can go, two refunds, two settlements, two payouts, and an
audit. The day is the lab's: its clock is moved to the afternoon of a business day, past the
cut-off, and on. It may be played again on the same stack; it then takes the next business days.
"""

import datetime as dt
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
import typer
from rich import box
from rich.console import Console
from rich.table import Table

from payvand.calendar import cut_off, is_business_day, label, settles_at
from payvand.ids import Book
from payvand_cli import audit, fire
from payvand_cli.doors import Doors
from payvand_cli.handle import opened
from payvand_cli.show import console, line, problem, step
from payvand_cli.stack import Stack
from payvand_cli.web import Browser, Lab, Shop, Surprise, good

CURRENCY: Final = "IRR"
PAYERS_AT_ONCE: Final = 2
"""More would only start more workers of every function on two cores."""
BEFORE_CUT_OFF: Final = dt.timedelta(hours=2)
SESSIONS_DIE: Final = dt.timedelta(minutes=16)
"""Later than the channels' sessions live, sooner than they give unverified money back."""
LAST_MINUTES: Final = dt.timedelta(minutes=3)
BANK_ANSWERS: Final = dt.timedelta(hours=1)
CREATE_TRIES: Final = 4
PATIENCE_S: Final = 60.0
LOOK_S: Final = 0.15
PIPE_WIDTH: Final = 140
ROOMY_WIDTH: Final = 120
SHOP_PAGE: Final = "https://shop.example/thanks"
PAYER: Final = {
    "mobile": "+989121234567",
    "email": "payer@example.com",
    "name": "Demo Payer",
    "national_code": "0012345679",
}
TITLES: Final = {"zarinpal": "ZarinPal", "noticebank": "NoticeBank"}


@dataclass(frozen=True)
class Refund:
    """A refund that is asked for once its payment is executed."""

    amount: int
    expected: str


@dataclass(frozen=True)
class Plan:
    """One payment of the day: what is tried and what must come of it."""

    tried: str
    amount: int
    expected: str
    channel: str = ""
    fallbacks: tuple[str, ...] = ()
    chooses: tuple[str, ...] = ()
    """On the hosted page, one after the other; the last one is where the payer decides."""
    presses: str = "pay"
    expires_in_s: int = 1800
    sent_twice: bool = False
    refund: Refund | None = None

    @property
    def way(self) -> str:
        """How the payer gets to a channel, for the table."""
        if self.channel:
            return " → ".join(TITLES[name] for name in (self.channel, *self.fallbacks))
        return "page" + "".join(f" → {TITLES[name]}" for name in self.chooses)


# The last three digits of an amount choose what the lab does (docs/lab.md). Slow ones early.
DAY: Final = (
    Plan(
        "paid on the page, part given back later",
        1_500_000,
        "partially_refunded",
        chooses=("zarinpal",),
        refund=Refund(400_000, "done"),
    ),
    Plan("channel silent when asked to verify", 420_102, "executed", "zarinpal"),
    Plan(
        "two channels tried; refund refused by channel",
        2_400_000,
        "executed",
        chooses=("zarinpal", "noticebank"),
        refund=Refund(90_201, "failed"),
    ),
    Plan("plain, fee at its cap", 9_000_000, "executed", "zarinpal"),
    Plan("told three times by the bank", 330_304, "executed", "noticebank"),
    Plan("refused at the bank", 250_000, "refused", "zarinpal", presses="refuse"),
    Plan("given up on the page", 250_000, "refused", presses="cancel"),
    Plan("nobody came", 250_000, "expired", presses="", expires_in_s=600),
    Plan(
        "bank page left open, undecided",
        250_000,
        "expired",
        "zarinpal",
        presses="",
        expires_in_s=900,
    ),
    Plan("paid, then the window was closed", 510_107, "executed", "zarinpal"),
    Plan("verify took effect and answered 502", 640_101, "executed", "zarinpal"),
    Plan("payer came back twice", 720_108, "executed", "zarinpal"),
    Plan("channel gave it back before verify", 250_104, "reversed", "zarinpal"),
    Plan("channel reports another amount", 250_105, "reversed", "zarinpal"),
    Plan("money certain two minutes late", 860_106, "executed", "zarinpal"),
    Plan("no notice until reminded", 930_302, "executed", "noticebank"),
    Plan("a forged notice before the true one", 1_010_303, "executed", "noticebank"),
    Plan(
        "channel down, fallback taken",
        1_120_004,
        "executed",
        "zarinpal",
        fallbacks=("noticebank",),
    ),
    Plan("same reference sent twice", 1_240_000, "executed", "zarinpal", sent_twice=True),
)
AT_THE_CUT_OFF: Final = Plan(
    "paid before the cut-off, known after it", 1_330_107, "executed", "zarinpal"
)


@dataclass
class Played:
    """A plan and what became of it."""

    plan: Plan
    id: str = ""
    seen: dict[str, Any] = field(default_factory=dict)
    refund: dict[str, Any] = field(default_factory=dict)
    trouble: str = ""


class TooLate(Exception):
    """Something that must happen did not, for too long."""


def until[T](what: str, look: Callable[[], T | None]) -> T:
    """Look again and again until there is something to see.

    Raises:
        TooLate: saying what was waited for.
    """
    end = time.monotonic() + PATIENCE_S
    while not (found := look()):
        if time.monotonic() > end:
            raise TooLate(f"waited {PATIENCE_S:.0f} s in vain: {what}")
        time.sleep(LOOK_S)
    return found


def business_day(now: dt.datetime) -> dt.date:
    """The first settlement day on which banks work and that leaves time for a day's play."""
    day = label(now, CURRENCY)
    while not is_business_day(day, CURRENCY) or cut_off(day, CURRENCY) - now < BEFORE_CUT_OFF:
        day += dt.timedelta(1)
    return day


def next_business_day(day: dt.date) -> dt.date:
    """The one after."""
    day += dt.timedelta(1)
    while not is_business_day(day, CURRENCY):
        day += dt.timedelta(1)
    return day


class Day:
    """The day in its course."""

    def __init__(self, local: dict[str, Any], stack: Stack, shop: Shop, lab: Lab) -> None:
        self.local, self.stack, self.shop, self.lab = local, stack, shop, lab
        self.doors = Doors(stack)
        self.book = Book(local["merchant_id"], "test", CURRENCY)
        self.run = secrets.token_hex(4)
        self.played: list[Played] = []
        self.day = dt.date.min

    def now(self) -> dt.datetime:
        """The lab's time."""
        return dt.datetime.fromisoformat(self.lab.get("/clock")["now"])

    def move(self, when: dt.datetime) -> None:
        """Move the lab's clock forward, if it is not there yet."""
        if when > self.now():
            self.lab.post("/clock", {"advance_to": when.isoformat()})

    # ── payers ────────────────────────────────────────────────────────────────────────────────

    def play(self, plans: Sequence[Plan]) -> None:
        """Let several payers pay at once."""
        with ThreadPoolExecutor(PAYERS_AT_ONCE) as pool:
            self.played += pool.map(self._one, plans)

    def _one(self, plan: Plan) -> Played:
        played = Played(plan)
        try:
            payment = self._create(plan)
            played.id = payment["id"]
            with Browser(self.local["api_url"]) as browser:
                _pay(browser, payment["checkout_url"], plan)
        except (Surprise, httpx.HTTPError) as trouble:
            played.trouble = str(trouble) or type(trouble).__name__
        return played

    def _create(self, plan: Plan) -> dict[str, Any]:
        body: dict[str, Any] = {
            "amount": plan.amount,
            "currency": CURRENCY,
            "reference": f"demo-{self.run}-{secrets.token_hex(4)}",
            "description": plan.tried,
            "return_url": SHOP_PAGE,
            "expires_in_s": plan.expires_in_s,
            "payer": PAYER,
        }
        if plan.channel:
            body |= {"channel": plan.channel, "fallback_channels": plan.fallbacks}
        payment = self._sent(body)
        if plan.sent_twice:
            if self.shop.post("/payments", body)["id"] != payment["id"]:
                raise Surprise("the same reference made two payments")
            other = self.shop.ask("POST", "/payments", body | {"amount": plan.amount + 1000})
            if other.status_code != 409:
                raise Surprise(f"the same reference with another body got {other.status_code}")
        return payment

    def _sent(self, body: dict[str, Any]) -> dict[str, Any]:
        """A wish to be paid, sent again under its reference while the answer is "try again"."""
        for _ in range(CREATE_TRIES):
            answer = self.shop.ask("POST", "/payments", body)
            if answer.status_code != 503:
                return good(answer)
        raise Surprise(f"the channel did not answer {CREATE_TRIES} times")

    def look(self) -> dict[str, dict[str, Any]]:
        """Every payment of the day, as the merchant sees it."""
        last = label(self.now(), CURRENCY)
        mine = {played.id for played in self.played}
        rows = self.shop.all("/payments", first_day=self.day, last_day=last, limit=100)
        return {row["id"]: row for row in rows if row["id"] in mine}

    def settled(self, *, but: str = "") -> bool:
        """Whether every payment is final (one kind of trouble may take longer).

        Asked of the table, because it is asked often and two cores have other work.
        """
        waiting = {p.id for p in self.played if p.id and p.plan.tried != but}
        stored = self.doors.payments.payments(self.book, self.day, 0, before=None, limit=1000)
        return not any(p.is_open for p in stored if p.id.text in waiting)

    # ── refunds, settlement, bank ─────────────────────────────────────────────────────────────

    def refund(self) -> None:
        """Ask for the refunds."""
        for played in self.played:
            if played.plan.refund and played.id:
                body = {"amount": played.plan.refund.amount, "reason": "demo"}
                played.refund = self.shop.post(f"/payments/{played.id}/refunds", body)

    def close(self, day: dt.date) -> None:
        """Past a day's cut-off and grace, run the schedule and wait for the seal."""
        self.move(settles_at(day, CURRENCY) + dt.timedelta(seconds=2))
        fire.run(self.stack, "SettleSchedule", self.now())
        until(
            f"a seal through {day}",
            lambda: (last := self.doors.settlements.last(self.book)) and last.through >= day,
        )

    def payouts(self, *states: str) -> bool:
        """Whether every payout is in one of these states."""
        seals = self.doors.settlements.seals(self.book, limit=10)
        return all(seal.state in states for seal in seals if seal.payout_minor)

    def finish(self) -> None:
        """Read every payment and refund a last time."""
        seen = self.look()
        for played in self.played:
            played.seen = seen.get(played.id, {})
            if played.refund:
                refunds = self.shop.get(f"/payments/{played.id}/refunds")["data"]
                played.refund = next(r for r in refunds if r["id"] == played.refund["id"])


def _pay(browser: Browser, checkout_url: str, plan: Plan) -> None:
    """What the payer does."""
    if plan.channel:
        browser.open(checkout_url)
    for channel in plan.chooses:
        browser.open(checkout_url)
        browser.submit(channel=channel)
    if plan.presses == "cancel":
        browser.open(checkout_url)
    if plan.presses:
        browser.submit(id=plan.presses)


def _course(day: Day) -> None:
    """The day from the first payer to the bank's last answer. Raises TooLate, Surprise."""
    day.day = business_day(day.now())
    end = cut_off(day.day, CURRENCY)
    day.move(end - BEFORE_CUT_OFF)
    with step(f"{len(DAY)} payers", f"{len(DAY)} payers on {day.day}"):
        # The first one starts a worker of each function; whoever comes at once would start more.
        day.play(DAY[:1])
        day.play(DAY[1:])
    with step("sixteen minutes later", "sixteen minutes later: what was left open is resolved"):
        day.move(day.now() + SESSIONS_DIE)
        until("every payment final", lambda: day.settled(but="channel reports another amount"))
        day.refund()
    with step("the cut-off", f"cut-off of {day.day}: sealed, one payment left to the next day"):
        day.move(end - LAST_MINUTES)
        day.play([AT_THE_CUT_OFF])
        day.close(day.day)
        until("every payment final", day.settled)
    following = next_business_day(day.day)
    with step("the next business day", f"{following} sealed as well"):
        day.close(following)
    with step("payouts", "two payouts executed by the bank"):
        until("payouts at the bank", lambda: day.payouts("sent", "executed", "returned"))
        day.lab.post("/bank/run")
        day.move(day.now() + BANK_ANSWERS)
        until("the bank's answers", lambda: day.payouts("executed", "returned"))
    day.finish()


@contextmanager
def _opened(local: dict[str, Any], stack: Stack) -> Iterator[Day]:
    with (
        Shop(local["api_url"], local["api_key"]) as shop,
        Lab(local["lab_url"]) as lab,
    ):
        yield Day(local, stack, shop, lab)


def play(local: dict[str, Any]) -> int:
    """Play the day and check the books; the exit code."""
    started = time.monotonic()
    line("\n[bold]A payment day[/] [dim]on the lab's clock[/]")
    with _opened(local, Stack(local["aws_endpoint"], local["stack"])) as day:
        try:
            _course(day)
        except (TooLate, Surprise, httpx.HTTPError) as trouble:
            day.finish()
            _show(day.played)
            for one in day.played:
                if one.trouble:
                    problem(f"{one.plan.tried}: {one.trouble}")
            problem(f"the day stopped: {trouble}")
            return 1
        _show(day.played)
        with step("checking the books"):
            checks = audit.audit(day)
    for check in checks:
        mark = "[red]✗[/]" if check.wrong else "[green]✓[/]"
        line(f"{mark} {check.name}")
        for wrong in check.wrong:
            problem(f"  {wrong}")
    bad = sum(bool(check.wrong) for check in checks)
    took = f"[dim]{time.monotonic() - started:.1f} s[/]"
    if bad:
        problem(f"the day is not in order: {bad} of {len(checks)} checks failed {took}")
        return 1
    line(f"[bold green]the day is in order[/] {took}")
    line(f"[dim]one payment in full:[/] payvand story {day.played[0].id}")
    return 0


def _show(played: Sequence[Played]) -> None:
    # A pipe has no width of its own; what reads it is wider than 80 columns.
    wide = console if console.is_terminal else Console(width=PIPE_WIDTH, highlight=False)
    roomy = wide.width >= ROOMY_WIDTH
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("", "tried", "channel", *(("rial",) if roomy else ()), "expected", "seen", "fee"):
        table.add_column(
            name,
            justify="right" if name in {"", "rial", "fee"} else "left",
            no_wrap=name not in {"tried", "channel"},
        )
    for number, one in enumerate(played, 1):
        fee = one.seen.get("fee_amount")
        rows = [
            (
                (str(number), one.plan.tried, one.plan.way),
                one.plan.amount,
                one.plan.expected,
                one.seen.get("status", "?"),
                "" if fee is None else f"{fee:,}",
            )
        ]
        if one.plan.refund:
            state = one.refund.get("status", "?")
            back = -one.plan.refund.amount
            rows.append((("", "  └ refund", ""), back, one.plan.refund.expected, state, ""))
        for begin, amount, expected, seen, cost in rows:
            right = seen == expected and not one.trouble
            said = seen if roomy or not right else "✓"
            colour = "green" if right else "red"
            table.add_row(
                *begin,
                *((f"{amount:,}",) if roomy else ()),
                expected,
                f"[{colour}]{said}[/]",
                cost,
            )
    wide.print(table)


def demo() -> None:
    """Play a payment day on the running stack and check the books."""
    raise typer.Exit(play(opened().local))
