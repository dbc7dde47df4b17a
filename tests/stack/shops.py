"""Merchants of their own for tests on the deployed stack, and the few things all of them do."""

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

import httpx

from payvand.calendar import cut_off, settles_at
from payvand.ids import Book
from payvand_cli import seed
from payvand_cli.demo import business_day, until
from payvand_cli.doors import Doors
from payvand_cli.web import Browser, Lab, Shop
from tests.support.local_stack import LocalStack

PAYER = {
    "mobile": "+989351112233",
    "email": "somebody.paying@example.org",
    "name": "Nobody Elsewhere",
    "national_code": "0084575948",
}
CARD = "6037991234561234"


@dataclass
class Merchant:
    """A merchant with an inbox, and hands to pay with."""

    stack: LocalStack
    local: dict[str, Any]
    shop: Shop
    lab: Lab
    doors: Doors
    made: int = 0

    @property
    def id(self) -> str:
        return str(self.local["merchant_id"])

    @property
    def book(self) -> Book:
        return Book(self.id, "test", "IRR")

    @property
    def inbox(self) -> str:
        return f"/webhooks/{self.id}"

    def body(self, amount: int = 250_000, **changes: Any) -> dict[str, Any]:
        """A wish to be paid, each with a reference of its own."""
        self.made += 1
        return {
            "amount": amount,
            "currency": "IRR",
            "reference": f"order-{self.made}",
            "return_url": "https://shop.example/thanks",
            "payer": PAYER,
            **changes,
        }

    def create(self, amount: int = 250_000, **changes: Any) -> dict[str, Any]:
        return self.shop.post("/payments", self.body(amount, **changes))

    def at_the_bank(self, payment: dict[str, Any], channel: str = "zarinpal") -> str:
        """The payer pays and the browser dies on the way back: the address it was sent to."""
        with Browser(self.stack.url) as browser:
            browser.open(payment["checkout_url"])
            if browser.page.form(channel=channel):
                browser.submit(channel=channel)
            form = browser.page.form(id="pay")
            assert form, browser.page.html
            url = urljoin(browser.page.url, form.action)
        return str(httpx.post(url, data=form.fields, timeout=40).headers["location"])

    def paid(self, amount: int = 250_000, **changes: Any) -> dict[str, Any]:
        """A payment, executed."""
        payment = self.create(amount, **changes)
        httpx.get(self.at_the_bank(payment), timeout=40)
        self.until(lambda: self.status(payment["id"]) == "executed")
        return payment

    def status(self, id: str) -> str:
        return str(self.shop.get(f"/payments/{id}")["status"])

    def entries(self, id: str) -> list[dict[str, Any]]:
        """The journal entries of a payment, on whatever day."""
        last = self.now().date() + dt.timedelta(2)
        rows = self.shop.all("/ledger/entries", first_day=last - dt.timedelta(30), last_day=last)
        return [row for row in rows if row["subject"] == id]

    def told(self, subject: str, type_: str = "") -> list[dict[str, Any]]:
        """What came into the inbox about something, and was answered 200."""
        rows = self.lab.get(self.inbox)["data"]
        return [
            row
            for row in rows
            if subject in row["body"] and type_ in row["body"] and row["answered"] == 200
        ]

    def now(self) -> dt.datetime:
        return dt.datetime.fromisoformat(self.lab.get("/clock")["now"])

    def move(self, when: dt.datetime) -> None:
        if when > self.now():
            self.lab.post("/clock", {"advance_to": when.isoformat()})

    def afternoon(self) -> dt.date:
        """A business day, an hour before its cut-off."""
        day = business_day(self.now())
        self.move(cut_off(day, "IRR") - dt.timedelta(hours=1))
        return day

    def after(self, day: dt.date) -> None:
        """Past a day's cut-off and grace."""
        self.move(settles_at(day, "IRR") + dt.timedelta(seconds=2))

    def until[T](self, look: Callable[[], T | None]) -> T:
        return until("the test's condition", look)


@contextmanager
def open_shop(stack: LocalStack, name: str, **changes: Any) -> Iterator[Merchant]:
    """A new merchant."""
    account = seed.iban("0170000000" + "000123456789")
    made = seed.add_merchant(stack.stack, name, account, **changes)
    inbox = f"{stack.url}/lab/webhooks/{made['merchant_id']}"
    with Shop(stack.url, made["api_key"]) as shop, Lab(f"{stack.url}/lab") as lab:
        endpoint = shop.post("/webhook_endpoints", {"url": inbox})
        local = {**made, "webhook_secret": endpoint["secret"]}
        yield Merchant(stack, local, shop, lab, Doors(stack.stack))
