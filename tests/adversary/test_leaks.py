"""A whole day with marked secrets, and then everything anybody can read is searched for the marks.

Every log line and metric, every event on the bus, every message and dead letter, every problem and
page, every item at rest. The day goes wrong on purpose: calls are lost, channels refuse, merchants'
servers fail, strangers send nonsense made of other people's secrets.
"""

import base64
import contextlib
import dataclasses
import itertools
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

import pytest

from functions.authorize.handler import Unauthorized
from functions.merchant_notify.send import Try
from payvand.errors import NotFound
from payvand.payment import Payment
from payvand.store.payments import Payments
from tests.bank.euros import iban as euro_iban
from tests.support import template
from tests.support.merchant import refund, try_create
from tests.support.payout_files import DEBTOR, close, earn, know_banks, leave, shop, tick
from tests.support.world import BASE, IBAN, Died, Fault, Got, World

PAYER: Final = {
    "mobile": "+989354447788",
    "email": "canary.payer@mark.example",
    "name": "Canary Payername",
    "national_code": "0084575948",
}
CARD: Final = "6037991234561235"
MASK: Final = "603799******1234"
MASTER: Final = "canary-master-secret-of-webhooks"
EURO_ACCOUNT: Final = euro_iban("77")
HOLD_IBANS: Final = ("bank/out/", "bank/in/", "bank/reports/in/")
"""The bank's orders name the account in clear: for the bank, in a bucket one function may read."""


class Day:
    """A world whose every way out is written down."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.key = world.add_merchant()["test"]
        world.raw["secretsmanager"].put_secret_value(SecretId="WebhookSecret", SecretString=MASTER)
        self.messages: list[str] = []
        self.answers: list[tuple[str, Got]] = []
        self._keep_messages()
        self._keep_answers()
        self.hook = world.call(
            "POST", "/webhook_endpoints", {"url": f"{BASE}/lab/webhooks/day"}, self.key
        ).json()["secret"]
        self.answers.clear()  # the one place where its merchant reads it

    def _keep_messages(self) -> None:
        put = self.world.put_message

        def kept(queue: str, body: str, delay_s: int) -> None:
            self.messages.append(body)
            put(queue, body, delay_s)

        self.world.put_message = kept  # type: ignore[method-assign]

    def _keep_answers(self) -> None:
        call = self.world.call

        def kept(method: str, url: str, *args: Any, **kwargs: Any) -> Got:
            got = call(method, url, *args, **kwargs)
            self.answers.append((f"{method} {url}", got))
            return got

        self.world.call = kept  # type: ignore[method-assign]

    @property
    def marks(self) -> dict[str, str]:
        """What must be read nowhere, in every way it is written."""
        found = dict(PAYER)
        found["mobile at home"] = "09354447788"
        found["card"], found["mask"], found["IBAN"] = CARD, MASK, IBAN
        found["euro IBAN"] = EURO_ACCOUNT
        found["master secret"], found["webhook secret"] = MASTER, self.hook
        found["API key"] = self.key
        secret = self.world.raw["secretsmanager"].get_secret_value(SecretId="ChannelSecretTest")
        for channel, contracts in json.loads(secret["SecretString"]).items():
            for name, value in contracts["default"].items():
                if "secret" in name or "token" in name:
                    found[f"{channel} {name}"] = value
        for name, text in list(found.items()):
            found[f"{name} in base64"] = base64.b64encode(text.encode()).decode().rstrip("=")
        return found

    def play(self) -> None:
        """Everything a day has, tolerating whatever is broken in it."""
        steps = (
            self.pay, self.refuse, self.give_up, self.refund, self.fail_webhooks, self.nonsense,
            self.strangers, self.look, self.settle,
        )  # fmt: skip
        for step in steps:
            with contextlib.suppress(AssertionError, KeyError, Died, NotFound, IndexError):
                step()

    def create(self, amount: int, **changes: Any) -> dict[str, Any]:
        got = try_create(self.world, self.key, amount, payer=PAYER, **changes)
        assert got.status == 201
        found: dict[str, Any] = got.json()
        return found

    def pay(self) -> None:
        for n, channel in enumerate(("zarinpal", "noticebank")):
            named = self.create(250_300 + n * 1_000, channel=channel, allowed_cards=[CARD])
            self.world.pay(named, channel)
            chosen = self.create(350_300 + n * 1_000, allowed_cards=[CARD])
            self.world.pay(chosen, channel)

    def refuse(self) -> None:
        for ending in (101, 102, 103, 104, 105, 106, 107):
            payment = self.create(450_000 + ending, channel="zarinpal")
            self.world.pay(payment)
        self.world.pay(self.create(550_000), button="refuse")

    def give_up(self) -> None:
        payment = self.create(650_000)
        self.world.browse("POST", f"{payment['checkout_url']}/cancel", {})

    def refund(self) -> None:
        payment = self.create(750_300)
        self.world.pay(payment)
        refund(self.world, self.key, payment["id"], amount=20_000, reason="sent back")
        refund(self.world, self.key, payment["id"], amount=9_999_999)

    def fail_webhooks(self) -> None:
        self.world.webhook_answer = lambda: Try(500, None)
        self.world.run(hours=1)
        self.world.webhook_answer = lambda: Try(200)

    def nonsense(self) -> None:
        """Other people's secrets, sent to every door as values and paths.

        Not as names: an unknown field is told to its sender by the name it was sent under.
        """
        for mark in self.marks.values():
            body = {"amount": mark, "currency": mark, "return_url": mark}
            self.world.call("POST", "/payments", body, self.key)
            self.world.call("POST", "/payments", f'{{"reference": {mark}', self.key)
            self.world.call("POST", "/webhook_endpoints", {"url": mark}, self.key)
            headers = {"Idempotency-Key": f"{mark}\x7f"}
            self.world.call("POST", "/payments", body, self.key, headers)
            with contextlib.suppress(Unauthorized):
                self.world.call("GET", "/balance", key=mark)
            for path in ("/payments?limit={}", "/balance?at={}", "/payouts?cursor={}"):
                self.world.call("GET", path.format(mark.replace("+", "%2B")), key=self.key)

    def strangers(self) -> None:
        for mark in self.marks.values():
            safe = mark.replace("/", "_").replace("+", "%2B")
            for path in (f"/pay/{safe}", f"/psp/zarinpal/return?payment={safe}"):
                self.world.call("GET", path)
            url = f"/psp/noticebank/notify?payment={safe}"
            self.world.call("POST", url, mark.encode(), headers={"x-notice-signature": mark})

    def look(self) -> None:
        listed = self.world.call("GET", "/payments?limit=100", key=self.key).json()["data"]
        for payment in listed:
            for path in ("", "/events", "/refunds", "/explain"):
                self.world.call("GET", f"/payments/{payment['id']}{path}", key=self.key)
            for lang in ("fa", "en"):
                self.world.call("GET", f"/pay/{payment['id']}?lang={lang}")
        self.world.call("GET", "/webhook_deliveries", key=self.key)

    def settle(self) -> None:
        self.world.run(hours=1)
        self.world.until_closed()
        self.world.settle()
        self.world.bank_runs()
        self.world.run(hours=3)
        self.world.call("POST", "/payouts", {"currency": "IRR"}, self.key)
        self.pay_by_file()
        self.world.later(days=1)
        for path in (
            *("/balance", "/ledger/entries", "/payouts", "/settlement/preview", "/statements"),
            *("/statements?format=pdf", "/exports/journal", "/exports/trial_balance"),
        ):
            self.world.call("GET", path, key=self.key)

    def pay_by_file(self) -> None:
        """A euro payout to the marked person's account, a file nobody can read, and a report."""
        know_banks(self.world, DEBTOR)
        book = shop(self.world, 9, EURO_ACCOUNT)
        earn(self.world, book, 900)
        close(self.world, book)
        leave(self.world, "bank/in/sepa/test/x.xml", f"<a>{EURO_ACCOUNT}{CARD}".encode())
        tick(self.world, 4)
        leave(self.world, "bank/reports/in/x.csv", f"{CARD};{IBAN}".encode())
        message = {"file": "bank/reports/in/x.csv", "source": "stripe:acct_1", "mode": "test"}
        self.world.put_message("ReconcileQueue", json.dumps(message), 0)
        self.world.put_message("ReconcileQueue", '{"tick":true}', 0)
        self.world.run(hours=2)

    # ── what can be read afterwards ───────────────────────────────────────────────────────────

    def readable(self, printed: str) -> Iterator[tuple[str, str]]:
        yield "the log", printed
        for event in self.world.events:
            yield "the bus", json.dumps(event, ensure_ascii=False)
        for body in self.messages:
            yield "a queue", body
        for queue, messages in self.world.dead.items():
            yield from ((queue, message.body) for message in messages)
        for url, headers, raw in self.world.webhooks:
            yield f"a webhook to {url}", raw.decode() + repr(headers)
        for asked, got in self.answers:
            yield asked.partition("?")[0][:40], got.text + repr(dict(got.headers))
        for table in ("PaymentsTable", "ReferencesTable", "SettlementTable", "WebhooksTable",
                      "MerchantsTable", "KeysTable", "OperationsTable"):  # fmt: skip
            for item in self.world.items(table):
                yield table, repr(item)
        yield from self._files()

    def _files(self) -> Iterator[tuple[str, str]]:
        s3 = self.world.raw["s3"]
        for found in s3.list_objects_v2(Bucket="filesbucket").get("Contents", ()):
            content = s3.get_object(Bucket="filesbucket", Key=found["Key"])["Body"].read()
            if not found["Key"].startswith(HOLD_IBANS):
                yield found["Key"], content.decode("utf-8", "replace")


ANSWERED_TO_ITS_OWN: Final = {"mask": "PaymentsTable"}
"""What the channel says of a card, six and four digits, stays on the payment (docs/security.md)."""


UNSEEN: Final = {"PaymentVerify", "Refund", "Payout", "MerchantNotify", "PayoutFile", "Reconcile"}
"""Who may have nothing to do on a day on which a step was lost."""


def found(marks: Mapping[str, str], readable: Iterator[tuple[str, str]]) -> list[str]:
    """Which mark stands where."""
    return sorted(
        {
            f"{name} in {where}"
            for where, text in readable
            for name, mark in marks.items()
            if mark in text and ANSWERED_TO_ITS_OWN.get(name) != where
        }
    )


@pytest.mark.parametrize("fault", [None, Fault.LOST, Fault.ANSWER_LOST], ids=str)
def test_a_day_leaves_no_mark_anywhere(
    world: World, capsys: pytest.CaptureFixture[str], fault: Fault | None
) -> None:
    day = Day(world)
    if fault is not None:
        world.plan = dict.fromkeys(range(40, 4_000, 23), fault)
    day.play()
    printed = capsys.readouterr().out
    assert len(day.answers) > 150
    woken = {name for name in template.functions() if f'"function":"{name}"' in printed}
    missing = template.functions().keys() - woken
    assert missing <= {"Reference", "Lab"} | (UNSEEN if fault else set())
    assert found(day.marks, day.readable(printed)) == []
    assert "/papers/" not in printed, "a link opens a file for whoever reads it"


def test_a_worker_that_breaks_says_nothing_of_what_it_held(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worst case: an exception whose text is the whole payment, until the letter is dead."""
    day = Day(world)
    payment = day.create(250_300, channel="zarinpal")
    world.pay(payment)

    def broken(self: Payments, id: Any) -> Any:
        raise ValueError(PAYER, CARD, IBAN, day.key, MASTER)

    monkeypatch.setattr(Payments, "get", broken)
    world.put_message("VerifyQueue", json.dumps({"payment": payment["id"]}), 0)
    for path in (f"/payments/{payment['id']}", f"/pay/{payment['id']}"):
        assert world.call("GET", path, key=day.key).status == 500
    for _ in itertools.repeat(None, 30):
        world.later(hours=1)
        world.deliver()
    assert world.dead["VerifyDeadQueue"], "it was seen again until it was given up"
    monkeypatch.undo()
    printed = capsys.readouterr().out
    assert '"error":"ValueError"' in printed
    assert found(day.marks, day.readable(printed)) == []


def test_the_search_finds_what_is_there(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    day = Day(world)
    day.create(250_300)
    capsys.readouterr()
    for name, mark in day.marks.items():
        assert found(day.marks, iter([("the log", f'{{"x":"{mark}"}}')])), name
    assert found(day.marks, day.readable("")) == []
    write = Payments.create
    monkeypatch.setattr(
        Payments,
        "create",
        lambda self, payment: write(self, _with_description(payment)),
    )
    day.create(350_300)
    assert any("mobile in PaymentsTable" in text for text in found(day.marks, day.readable("")))


def _with_description(payment: Payment) -> Payment:
    return dataclasses.replace(payment, description=PAYER["mobile"])
