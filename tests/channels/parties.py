"""The channels under contract: how to make each, and how a payer and time act on it.

A new channel joins every test of the suite by one entry in `PARTIES`.
"""

import json
from abc import ABC, abstractmethod
from typing import ClassVar
from urllib.parse import parse_qsl, urlsplit

from payvand.money import Money
from payvand.psp import (
    Answer,
    Attempt,
    Channel,
    Credentials,
    Http,
    Inbound,
    Opened,
    Order,
    Redirect,
    Verdict,
)
from payvand.psp.registry import channel
from tests.channels.lab_world import BASE, Lab, LabHttp

MERCHANT = "2f7c1d3e-9b54-4a68-8f10-5d2e7a9c4b31"
SECRETS = ("s3cret-shop-9f2", "s3cret-notice-7aa", f"lab-{MERCHANT}", MERCHANT)


def order_of(rial: int, payment_id: str = "pay_1") -> Order:
    return Order(
        payment_id=payment_id,
        attempt_key=f"{payment_id}_a1",
        money=Money(rial, "IRR"),
        description="سفارش ۱۲",
        return_url=f"{BASE}/psp/x/return?payment={payment_id}",
        notice_url=f"{BASE}/psp/x/notify",
        locale="fa",
        payer_mobile="+989121234567",
    )


class Party(ABC):
    """One channel beside the lab's party behind it."""

    name: str
    fields: ClassVar[dict[str, str]]

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.http = LabHttp(lab)
        self.channel = self.speaking(self.http)

    @classmethod
    def speaking(cls, http: Http) -> Channel:
        credentials = Credentials(f"{BASE}/lab/{cls.name}", cls.fields)
        return channel(cls.name, credentials, http)

    def opened(self, rial: int, payment_id: str = "pay_1") -> Attempt:
        order = order_of(rial, payment_id)
        made = self.channel.open(order)
        assert isinstance(made, Opened)
        assert made.redirect == self.channel.redirect(made.token)
        return Attempt(payment_id, order.attempt_key, made.token, order.money)

    def browse(self, redirect: Redirect) -> bytes:
        """What the payer's browser shows after our redirect."""
        method = "GET" if redirect.fields is None else "POST"
        page = self.lab.call(method, redirect.url, form=redirect.fields)
        assert page.status == 200
        return page.body

    @abstractmethod
    def choose(self, attempt: Attempt, choice: str) -> str:
        """The payer presses pay or refuse; the address the browser is sent to."""

    @abstractmethod
    def truth(self, attempt: Attempt) -> Answer:
        """What we know of an attempt after asking, and after any notice that this brought."""

    def taken(self, rial: int, payment_id: str = "pay_1") -> tuple[Attempt, Answer]:
        attempt = self.opened(rial, payment_id)
        self.choose(attempt, "pay")
        return attempt, self.truth(attempt)

    @staticmethod
    def came_back(url: str) -> Inbound:
        return Inbound("GET", dict(parse_qsl(urlsplit(url).query)), {}, b"")


class ZarinPalParty(Party):
    name = "zarinpal"
    fields: ClassVar[dict[str, str]] = {
        "merchant_id": MERCHANT,
        "graphql_url": f"{BASE}/lab/zarinpal/api/v4/graphql/",
        "access_token": f"lab-{MERCHANT}",
    }

    def choose(self, attempt: Attempt, choice: str) -> str:
        path = f"/lab/zarinpal/pg/StartPay/{attempt.token}/{choice}"
        return self.lab.call("POST", path).headers.get("location", "")

    def truth(self, attempt: Attempt) -> Answer:
        return self.channel.ask(attempt)


class NoticeBankParty(Party):
    name = "noticebank"
    fields: ClassVar[dict[str, str]] = {
        "shop": "shop-1",
        "shop_secret": SECRETS[0],
        "notice_secret": SECRETS[1],
    }

    def __init__(self, lab: Lab) -> None:
        super().__init__(lab)
        assert lab.call("POST", "/lab/noticebank/shops", self.fields).status == 201

    def choose(self, attempt: Attempt, choice: str) -> str:
        path = f"/lab/noticebank/page/{attempt.token}/{choice}"
        return self.lab.call("POST", path).headers.get("location", "")

    def truth(self, attempt: Attempt) -> Answer:
        asked = self.channel.ask(attempt)
        told = [self.read(call[2], call[3]) for call in self.lab.product.calls if call[3]]
        return told[-1] if told and asked.verdict is Verdict.UNKNOWN else asked

    def read(self, headers: object, body: bytes) -> Answer:
        assert isinstance(headers, dict)
        notice = self.channel.read_notice(Inbound("POST", {}, headers, body))
        assert json.loads(body)["order"] == notice.payment_id
        return notice.answer


PARTIES: tuple[type[Party], ...] = (ZarinPalParty, NoticeBankParty)
