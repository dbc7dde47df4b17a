"""Each flow, each call it makes to AWS or to an outside party, each way it can go wrong.

A flow is run once to count its calls; then once more for every call and fault: the process dies
or after it, the request is lost, the answer is lost. Afterwards the world goes on as it would
(queues redeliver, callers send again, timers fire), and the books must balance with the payment in
its true state.
"""

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError

from payvand.ids import Book
from payvand_cli.seed import iban
from tests.bank.euros import iban as account
from tests.support.merchant import create, paid, refund, show, try_create
from tests.support.payout_files import (
    DEBTOR,
    EURO,
    close,
    earn,
    files,
    know_banks,
    last,
    sent_names,
    shop,
    states,
    tick,
)
from tests.support.world import IBAN, MERCHANT, Died, Fault, World, check_books, running_world

pytestmark = pytest.mark.long

BOOK = Book(MERCHANT, "test", "IRR")


@dataclass(frozen=True)
class Flow:
    """How to get there, what is broken, how the world goes on, what must be true in the end."""

    prepare: Callable[[World, str], Any]
    act: Callable[[World, str, Any], object]
    again: Callable[[World, str, Any], object]
    check: Callable[[World, str, Any], None]


def _is(status: str) -> Callable[[World, str, Any], None]:
    def check(world: World, key: str, payment: Any) -> None:
        assert show(world, key, payment["id"])["status"] == status

    return check


def _nothing(world: World, key: str, subject: Any) -> None:
    """The world goes on by itself."""


def _start(subject: Any) -> Callable[[World, str], Any]:
    def prepare(world: World, key: str) -> Any:
        return subject

    return prepare


def _deliver(queue: str) -> Callable[[World, str, Any], object]:
    def act(world: World, key: str, payment: Any) -> object:
        return world.deliver(queue)

    return act


# ── init ──────────────────────────────────────────────────────────────────────────────────────


def _init(world: World, key: str, channel: Any) -> object:
    payer = {"mobile": "09121234567"}
    return try_create(world, key, channel=channel, payer=payer)


def _init_again(world: World, key: str, channel: Any) -> object:
    got = _init(world, key, channel)
    assert got.status == 201, got.text  # type: ignore[attr-defined]
    world.pay(got.json(), channel or "zarinpal")  # type: ignore[attr-defined]
    return got


def _init_check(world: World, key: str, channel: Any) -> None:
    (payment,) = [i for i in world.items("PaymentsTable") if i["id"].startswith("pay_")]
    assert payment["status"] == "executed"
    assert len(payment["att"]) == 1


# ── checkout, return, notice ──────────────────────────────────────────────────────────────────


def _choose(world: World, key: str, payment: Any) -> object:
    return world.call("POST", payment["checkout_url"], b"channel=zarinpal")


def _choose_again(world: World, key: str, payment: Any) -> object:
    return world.pay(payment)


def _at_bank(ending: int) -> Callable[[World, str], Any]:
    """The payer has paid; the browser or the notice is still on its way."""

    def prepare(world: World, key: str) -> Any:
        payment = create(world, key, 250_000 + ending, channel="zarinpal")
        page = world.go_to_bank(payment)
        world.submit(page, "pay")  # 107: the page freezes
        return payment

    return prepare


def _return(world: World, key: str, payment: Any) -> object:
    token = world.payment(payment["id"]).attempts[0].token
    query = f"payment={payment['id']}&Authority={token}&Status=OK"
    return world.call("GET", f"/psp/zarinpal/return?{query}")


def _second_tab(world: World, key: str) -> Any:
    """Paid at two channels: one is booked, the other must be given back."""
    payment = create(world, key, 250_107)
    first, second = world.go_to_bank(payment, "noticebank"), world.go_to_bank(payment, "zarinpal")
    world.submit(first, "pay")
    world.submit(second, "pay")
    assert show(world, key, payment["id"])["status"] == "executed"
    return payment


def _two_takings_check(world: World, key: str, payment: Any) -> None:
    _is("executed")(world, key, payment)
    assert world.payment(payment["id"]).shut
    for party in ("zarinpal", "noticebank"):
        listed = world.lab_call(
            "GET", f"/lab/{party}", headers={"accept": "application/json"}
        ).json()
        (session,) = listed["data"]
        kept = world.payment(payment["id"])
        assert kept.execution is not None
        won = kept.attempts[kept.execution.attempt].channel == party
        words = {"zarinpal": ("VERIFIED", "REVERSED"), "noticebank": ("TAKEN", "GIVEN_BACK")}[party]
        assert words[0 if won else 1] in str(session), session


def _late_rival(world: World, key: str) -> Any:
    """Paid at two channels, and the one that lost can no longer reverse: it must refund."""
    payment = create(world, key, 250_302)
    first, second = (world.go_to_bank(payment, name) for name in ("zarinpal", "noticebank"))
    world.submit(first, "pay")
    world.submit(second, "pay")
    world.queues["VerifyQueue"].clear()
    assert show(world, key, payment["id"])["status"] == "executed"
    world.later(minutes=31)
    return payment


def _late_rival_check(world: World, key: str, payment: Any) -> None:
    _is("executed")(world, key, payment)
    stored = world.payment(payment["id"])
    assert stored.shut
    (session,) = [i for i in world.items("LabTable") if i["pk"] == "noticebank"]
    refunds = json.loads(session["doc"])["refunds"]
    assert [(key, made["rial"]) for key, made in refunds.items()] == [
        (f"extra-{stored.attempt_key(1)}", 250_302)
    ]


def _noticed(world: World, key: str) -> Any:
    """NoticeBank has the money; its notice is what is broken."""
    payment = create(world, key, 250_106, channel="noticebank")
    world.pay(payment, "noticebank")
    world.queues["VerifyQueue"].clear()  # the payer's return rang already
    return payment


def _give_notice(world: World, key: str, payment: Any) -> object:
    world.later(minutes=3)
    return world.lab_call("POST", "/lab/noticebank/run", b"{}")


# ── verify, timer ─────────────────────────────────────────────────────────────────────────────


def _unverified(world: World, key: str) -> Any:
    payment = _at_bank(107)(world, key)
    world.put_message("VerifyQueue", f'{{"payment":"{payment["id"]}"}}', 0)
    return payment


def _late(world: World, key: str) -> Any:
    """Paid before the cut-off, found after it and after the fence: booked as a posting."""
    world.now = world.now.replace(hour=12, minute=58)
    payment = _at_bank(107)(world, key)
    world.until_closed()
    world.plan_settlement()
    world.deliver("SettleQueue")
    assert world.payment(payment["id"]).moved
    return payment


def _fire_timer(world: World, key: str, payment: Any) -> object:
    world.later(minutes=6)
    return world.deliver("TimerQueue")


# ── refund ────────────────────────────────────────────────────────────────────────────────────


def _paid_at_noticebank(world: World, key: str) -> Any:
    return paid(world, key, channel="noticebank")


def _ask_refund(amount: int) -> Callable[[World, str, Any], object]:
    def act(world: World, key: str, payment: Any) -> object:
        return refund(world, key, payment["id"], "k", amount=amount)

    return act


def _refund_check(amount: int, state: str) -> Callable[[World, str, Any], None]:
    def check(world: World, key: str, payment: Any) -> None:
        (found,) = world.payment(payment["id"]).refunds.values()
        assert (found.amount_minor, found.state) == (amount, state)
        at_channel = world.lab_call(
            "GET", "/lab/noticebank", headers={"accept": "application/json"}
        )
        assert at_channel.status == 200

    return check


# ── settle, payout ────────────────────────────────────────────────────────────────────────────


def _busy_day(world: World, key: str) -> Any:
    """Executed, refunded, still open at a bank, and taken late: everything a seal can meet."""
    world.now = world.now.replace(hour=12, minute=55)
    one = paid(world, key, channel="noticebank")
    refund(world, key, one["id"], "k", amount=30_000)
    refund(world, key, one["id"], "wait", amount=20_203)
    taken = create(world, key, 250_302, channel="noticebank")  # nobody is told unless they ask
    world.pay(taken, "noticebank")
    world.queues["VerifyQueue"].clear()
    world.until_closed()
    world.queues["TimerQueue"].clear()  # and its timers are lost: settlement must find it (R10)
    world.queues["RefundQueue"].clear()
    world.plan_settlement()
    return taken


def _close(world: World, key: str, subject: Any) -> object:
    return world.deliver("SettleQueue")


def _close_again(world: World, key: str, subject: Any) -> object:
    world.run(hours=1)
    world.until_closed()
    world.settle()
    world.bank_runs()
    world.run(hours=2)
    return None


def _close_check(world: World, key: str, taken: Any) -> None:
    _is("executed")(world, key, taken)
    seals = world.seals(BOOK)
    assert sum(s.payout_minor for s in seals) == 247_500 - 30_000 - 20_203 + 247_799
    assert seals[-1].closing_minor == 0
    bank = world.bank_paid()
    assert {str(s.payout_id): s.payout_minor for s in seals if s.payout_minor} == {
        reference: order["amount"] for reference, order in bank.items()
    }
    assert {o["status"] for o in bank.values()} == {"executed"}


def _sealed(account: str) -> Callable[[World, str], Any]:
    def prepare(world: World, key: str) -> Any:
        world.add_merchant(payees=(world.payee(account),))
        paid(world, key)
        world.until_closed()
        world.plan_settlement()
        world.deliver("SettleQueue")
        return None

    return prepare


def _answered(account: str) -> Callable[[World, str], Any]:
    def prepare(world: World, key: str) -> Any:
        _sealed(account)(world, key)
        world.deliver("PayoutQueue")
        world.bank_runs()
        world.later(minutes=6)
        return None

    return prepare


def _pay_out(world: World, key: str, subject: Any) -> object:
    return world.deliver("PayoutQueue")


def _pay_out_again(world: World, key: str, subject: Any) -> object:
    world.run(hours=0.5)
    world.bank_runs()
    world.run(hours=3)
    return None


def _paid_check(world: World, key: str, subject: Any) -> None:
    (seal,) = world.seals(BOOK)
    (order,) = world.bank_paid().values()
    assert (order["amount"], order["status"], seal.state) == (247_500, "executed", "executed")


def _back_check(world: World, key: str, subject: Any) -> None:
    (seal,) = world.seals(BOOK)
    assert seal.state == "returned"
    (posting,) = [i for i in world.items("PaymentsTable") if i["id"].startswith("r:")]
    assert posting["legs"] == {"payable:merchant": -247_500, "bank:payout": 247_500}


# ── payout files ──────────────────────────────────────────────────────────────────────────────


def _waiting(world: World, key: str) -> list[Book]:
    know_banks(world, DEBTOR)
    books = [shop(world, n, account(ending)) for n, ending in enumerate(("10", "01"))]
    for book in books:
        earn(world, book, 1_000)
    close(world, *books)
    world.later(minutes=40)
    return books


def _sent(world: World, key: str) -> list[Book]:
    books = _waiting(world, key)
    tick(world, 1, EURO)
    _bank_day(world)
    return books


def _bank_day(world: World) -> None:
    """The euro bank's next morning, noon and evening."""
    for _ in range(3):
        world.later(hours=8)
        world.lab_call("POST", "/lab/sepabank/run")


def _look(world: World, key: str, books: Any) -> object:
    tick(world, 1, EURO)
    return None


def _look_again(world: World, key: str, books: Any) -> object:
    world.later(hours=1)  # what failed is seen again
    tick(world, 2, EURO)
    _bank_day(world)
    tick(world, 2, EURO)
    return None


def _file_check(world: World, key: str, books: list[Book]) -> None:
    """Each payout left in one file, and both accounts ended as the bank says."""
    known = [file for file in files(world, EURO) if file.digest]
    held = [id for file in known for id in world.live.payout_files.content(file)[1]]
    assert sorted(map(str, held)) == sorted(str(last(world, book).payout_id) for book in books)
    assert states(world, *books) == ["executed", "returned"]
    assert len(sent_names(world, "bank/out/sepa/test/")) == len(known)


BAD_ACCOUNT = iban("0170000000123456789001")

FLOWS = {
    "init_hosted": Flow(_start(None), _init, _init_again, _init_check),
    "init_zarinpal": Flow(_start("zarinpal"), _init, _init_again, _init_check),
    "init_noticebank": Flow(_start("noticebank"), _init, _init_again, _init_check),
    "checkout": Flow(create, _choose, _choose_again, _is("executed")),
    "return": Flow(_at_bank(107), _return, _nothing, _is("executed")),
    "return_silent": Flow(_at_bank(107), _return, _return, _is("executed")),
    "notice": Flow(_noticed, _give_notice, _nothing, _is("executed")),
    "verify": Flow(_unverified, _deliver("VerifyQueue"), _nothing, _is("executed")),
    "timer": Flow(_at_bank(107), _fire_timer, _nothing, _is("executed")),
    "timer_late": Flow(_late, _deliver("TimerQueue"), _nothing, _is("executed")),
    "timer_second_taking": Flow(_second_tab, _fire_timer, _nothing, _two_takings_check),
    "timer_late_rival": Flow(_late_rival, _fire_timer, _nothing, _late_rival_check),
    "refund": Flow(
        paid, _ask_refund(50_000), _ask_refund(50_000), _refund_check(50_000, "done")
    ),
    "refund_noticebank": Flow(
        _paid_at_noticebank,
        _ask_refund(50_000), _ask_refund(50_000), _refund_check(50_000, "done"),
    ),
    "refund_refused": Flow(
        paid, _ask_refund(50_201), _ask_refund(50_201), _refund_check(50_201, "failed")
    ),
    "settle": Flow(_busy_day, _close, _close_again, _close_check),
    "payout_send": Flow(_sealed(IBAN), _pay_out, _pay_out_again, _paid_check),
    "payout_executed": Flow(_answered(IBAN), _pay_out, _pay_out_again, _paid_check),
    "payout_returned": Flow(_answered(BAD_ACCOUNT), _pay_out, _pay_out_again, _back_check),
    "payout_file_made": Flow(_waiting, _look, _look_again, _file_check),
    "payout_file_answered": Flow(_sent, _look, _look_again, _file_check),
}  # fmt: skip


@pytest.fixture
def keyed() -> Iterator[Callable[[], Any]]:
    """Fresh worlds, one after the other."""
    with contextlib.ExitStack() as worlds:

        def fresh() -> tuple[World, str]:
            worlds.close()
            world = worlds.enter_context(running_world())
            return world, world.add_merchant()["test"]

        yield fresh


def _play(world: World, key: str, flow: Flow, fault: tuple[int, Fault] | None) -> int:
    subject = flow.prepare(world, key)
    before = len(world.calls)
    if fault is not None:
        world.plan = {before + fault[0]: fault[1]}
    with contextlib.suppress(Died, BotoCoreError):
        flow.act(world, key, subject)
    calls = len(world.calls) - before
    world.plan = {}
    flow.again(world, key, subject)
    world.run(hours=4)
    flow.check(world, key, subject)
    check_books(world)
    assert not any(world.dead.values()), "dead letters"
    assert not any(world.queues.values()), "something still waits"
    return calls


@pytest.mark.parametrize("fault", list(Fault))
@pytest.mark.parametrize("name", FLOWS)
def test_every_call_of_a_flow_may_fail(keyed: Callable[[], Any], name: str, fault: Fault) -> None:
    flow = FLOWS[name]
    world, key = keyed()
    calls = _play(world, key, flow, None)
    assert calls > 0
    for index in range(calls):
        world, key = keyed()
        try:
            _play(world, key, flow, (index, fault))
        except BaseException as exc:
            exc.add_note(f"{name}: call {index} of {calls}, {fault}")
            raise


@pytest.mark.parametrize("name", FLOWS)
def test_a_flow_may_be_done_twice(keyed: Callable[[], Any], name: str) -> None:
    """Duplicates: the same call, message or return again."""
    flow = FLOWS[name]
    world, key = keyed()
    subject = flow.prepare(world, key)
    waiting = {queue: list(messages) for queue, messages in world.queues.items()}
    flow.act(world, key, subject)
    for queue, messages in waiting.items():
        for message in messages:
            world.put_message(queue, message.body, 0)
    flow.act(world, key, subject)
    flow.again(world, key, subject)
    world.run(hours=4)
    flow.check(world, key, subject)
    check_books(world)
