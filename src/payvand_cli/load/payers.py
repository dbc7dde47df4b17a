"""Who pays, and how: each plan is one way a payment can go, weighted as it might be on a bad day.

The last three digits of an amount choose what the lab's channel does (docs/lab.md).
"""

import random
import secrets
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urljoin

import httpx

from payvand.psp.registry import names
from payvand_cli.load.meter import Meter
from payvand_cli.web import TIMEOUT_S, Browser, Shop, Surprise

SHOP_PAGE: Final = "https://shop.example/thanks"
PAYER: Final = {"mobile": "+989121234567", "name": "Load Payer"}
THOUSANDS: Final = (150, 9_000)
"""Rial amounts, in thousands: the three digits behind are an ending."""
CREATE_TRIES: Final = 4
SENT_TWICE: Final = 0.05
BESIDE: Final = 2
"""Twice at once: two returns, two tabs, two equal requests."""


@dataclass(frozen=True)
class Plan:
    """What a payer does. `endings` by channel; a channel that is not in it is not chosen."""

    name: str
    weight: int
    endings: Mapping[str, int]
    presses: str = "pay"
    on_page: bool = False
    """The payer chooses the channel on our page, instead of the merchant."""
    fallback: bool = False


def _every(ending: int = 0) -> dict[str, int]:
    return dict.fromkeys(names(), ending)


PLANS: Final = (
    Plan("pays", 40, _every()),
    Plan("chooses on the page and pays", 14, _every(), on_page=True),
    Plan("refuses at the bank", 6, _every(), "refuse"),
    Plan("leaves the bank page", 4, _every(), ""),
    Plan("gives up on our page", 3, _every(), "cancel", on_page=True),
    Plan("never comes", 3, _every(), "nothing", on_page=True),
    Plan("returns twice at once", 5, _every(), "return twice"),
    Plan("pays in two tabs", 4, _every(), "two tabs", on_page=True),
    Plan("closes the window after paying", 3, _every(107)),
    Plan("is sent back twice by the bank", 3, _every(108)),
    Plan("verify takes effect and answers 502", 2, {"zarinpal": 101}),
    Plan("verify takes effect in silence", 1, {"zarinpal": 102}),
    Plan("money certain minutes late", 2, _every(106)),
    Plan("given back before verify", 1, _every(104)),
    Plan("another amount reported", 1, _every(105)),
    Plan("first notice lost", 1, {"noticebank": 101}),
    Plan("notice early, and again later", 2, {"noticebank": 301}),
    Plan("no notice until reminded", 1, {"noticebank": 302}),
    Plan("a forged notice first", 1, {"noticebank": 303}),
    Plan("the notice three times", 2, {"noticebank": 304}),
    Plan("channel down, another taken", 2, {"zarinpal": 4}, fallback=True),
)


@dataclass(frozen=True)
class Merchant:
    """A merchant's server, and where its webhooks go."""

    id: str
    shop: Shop
    secret: str


@dataclass
class Wish:
    """A payment somebody wished for and what came of asking. `id` is empty if never accepted."""

    plan: Plan
    merchant: Merchant
    reference: str
    amount: int
    channel: str
    id: str = ""
    trouble: str = ""
    seen: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Payers:
    """Everybody who pays, each with a browser of its own."""

    api_url: str
    meter: Meter

    def play(self, merchant: Merchant, chance: random.Random, plan: Plan | None = None) -> Wish:
        """One payer, from the wish to wherever it ends; by chance, unless there is a plan."""
        plan = plan or chance.choices(PLANS, [plan.weight for plan in PLANS])[0]
        channel = chance.choice(sorted(plan.endings))
        amount = chance.randint(*THOUSANDS) * 1000 + plan.endings[channel]
        wish = Wish(plan, merchant, f"load-{secrets.token_hex(8)}", amount, channel)
        try:
            page = self._wished(wish, chance)
            if page:
                self._pay(wish, page)
        except (Surprise, httpx.HTTPError) as trouble:
            wish.trouble = str(trouble) or type(trouble).__name__
        return wish

    def _wished(self, wish: Wish, chance: random.Random) -> str:
        """Ask for the payment, again while told to; the hosted page, or nothing."""
        plan = wish.plan
        body: dict[str, Any] = {
            "amount": wish.amount,
            "currency": "IRR",
            "reference": wish.reference,
            "return_url": SHOP_PAGE,
            "payer": PAYER,
        }
        if not plan.on_page:
            others = [name for name in names() if name != wish.channel] if plan.fallback else []
            body |= {"channel": wish.channel, "fallback_channels": others}
        for _ in range(CREATE_TRIES):
            answers = self._asked(wish.merchant.shop, body, twice=chance.random() < SENT_TWICE)
            made = [answer.json() for answer in answers if answer.status_code == 201]
            wish.seen += sorted({one["id"] for one in made} - set(wish.seen))
            if made:
                wish.id = made[0]["id"]
                return str(made[0]["checkout_url"])
            if all(answer.status_code < 500 for answer in answers):
                break
        return ""

    def _asked(self, shop: Shop, body: dict[str, Any], *, twice: bool) -> list[httpx.Response]:
        if not twice:
            return [shop.ask("POST", "/payments", body)]
        with ThreadPoolExecutor(BESIDE) as pool:
            return list(pool.map(lambda _: shop.ask("POST", "/payments", body), range(BESIDE)))

    def _pay(self, wish: Wish, page: str) -> None:
        presses = wish.plan.presses
        if presses == "nothing":
            return
        if presses == "two tabs":
            self._in_tabs(page)
            return
        with self._browser() as browser:
            browser.open(page)
            if wish.plan.on_page and presses != "cancel":
                browser.submit(channel=wish.channel)
            if presses == "return twice":
                self._twice(browser)
            elif presses:
                browser.submit(id=presses)

    def _browser(self) -> Browser:
        return Browser(self.api_url, self.meter.wire())

    def _in_tabs(self, page: str) -> None:
        """The same payer pays with every channel, as far as each lets it."""
        with self._browser() as one, self._browser() as other:
            tabs: Sequence[tuple[Browser, str]] = list(zip((one, other), names(), strict=False))
            for tab, _ in tabs:
                tab.open(page)
            for tab, channel in tabs:
                if tab.page.form(channel=channel):
                    tab.submit(channel=channel)
            for tab, _ in tabs:
                if tab.page.form(id="pay"):
                    tab.submit(id="pay")

    def _twice(self, browser: Browser) -> None:
        """Pays, and comes back two times at once."""
        form = browser.page.form(id="pay")
        if form is None:
            raise Surprise(f"no form pay on {browser.page.url} ({browser.page.status})")
        with httpx.Client(timeout=TIMEOUT_S, transport=self.meter.wire()) as client:
            paid = client.post(urljoin(browser.page.url, form.action), data=form.fields)
            back = paid.headers.get("location")
            if back is None:
                raise Surprise(f"the bank sent nobody back ({paid.status_code})")
            with ThreadPoolExecutor(BESIDE) as pool:
                list(pool.map(lambda _: client.get(back), range(BESIDE)))
