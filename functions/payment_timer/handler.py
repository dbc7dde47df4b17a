"""SQS worker: the timer of a payment. It goes on until nothing can come of the payment any more.

In:    TimerQueue, {"payment": "pay_…", "due": ms, "n": how many timers before this one}
Out:   what resolve writes; the next timer; the metric MoneyAtRisk when a channel's own deadline
       nears
Fails: the message is seen again, then TimerDeadQueue (alarm); settle re-arms what it meets
       unfinished
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from payvand.edge import log
from payvand.edge.queue import Delivery, worker
from payvand.edge.wiring import wiring
from payvand.errors import NotFound
from payvand.ids import PaymentId
from payvand.payment import Payment, Status
from payvand.psp import Verdict
from payvand.resolve import Resolution, channel_of, read, resolve
from payvand.store.clock import Moment

if TYPE_CHECKING:
    from payvand.edge.wiring import Wiring

ASK_WITHIN_S: Final = 40
"""Well inside the function's time-out; the next timer asks the rest."""
STEPS_S: Final = (120, 180, 300, 300, 600, 900)
"""Book time between timers; the last one repeats. 30 minutes see at least five questions."""
MISSING_MAX: Final = 4
"""A payment not stored after this many timers never will be (seals R9)."""
RISK_MARGIN_S: Final = 600
"""A taken, unconfirmed payment this close to the channel's deadline is money at risk."""


def wake(delivery: Delivery) -> None:
    """Ask, and set the next timer before anything is forgotten."""
    live = wiring()
    message = delivery.message
    id = PaymentId.parse(message["payment"])
    log.note(payment=id.text, mode=id.book.mode, tries=message.get("n", 0))
    now = live.clock.now(id.book.mode)
    if message.get("due", 0) > now.ms and _is_over(live, id):
        log.note(answer="over")  # a test timer sleeps in slices: no need to sleep on
        return
    if live.queues.early(live.env["TIMER_QUEUE"], message, now):
        log.note(answer="early")
        return
    try:
        payment = read(live, id)
    except NotFound:
        log.note(answer="missing")
        if message.get("n", 0) < MISSING_MAX:
            _again(live, message, now, STEPS_S[0])
        return
    if payment.is_finished:
        log.note(answer=payment.status.value)
        return
    resolution = resolve(live, payment, payer_is_back=False, within_s=ASK_WITHIN_S)
    payment = resolution.payment
    log.note(answer=payment.status.value)
    if payment.status is Status.EXECUTED:
        log.metric("PaymentsExecuted")
    if not payment.is_finished:
        waits_s = [_wait(payment, message.get("n", 0), now), *_watch(live, resolution, now)]
        _again(live, message, now, min(waits_s))


def _is_over(live: "Wiring", id: PaymentId) -> bool:
    seen = live.payments.get(id)
    return seen is not None and seen.payment.is_finished


def _wait(payment: Payment, n: int, now: Moment) -> int:
    """Until the next question; nobody needs to be asked about a payer who chose no channel yet."""
    left_s = (payment.expires_at_ms - now.ms) // 1000 + 1
    if not payment.attempts and left_s > 0:
        return left_s
    step_s = STEPS_S[min(n, len(STEPS_S) - 1)]
    return min(step_s, left_s) if left_s > 0 else step_s


def _again(live: "Wiring", message: Mapping[str, Any], now: Moment, after_s: int) -> None:
    following = {"payment": message["payment"], "n": message.get("n", 0) + 1}
    live.queues.timer(live.env["TIMER_QUEUE"], following, now, after_s)


def _watch(live: "Wiring", resolution: Resolution, now: Moment) -> list[int]:
    """Warn while a person can still do something about a live attempt nobody can tell us about.

    The seconds until each warning still to come: a step between questions may be longer than the
    margin, and would pass over it.
    """
    payment = resolution.payment
    ahead_s = []
    for attempt, answer in zip(payment.attempts, resolution.answers, strict=True):
        if now.mode == "test" or answer is None or answer.verdict is not Verdict.UNKNOWN:
            continue
        deadline_ms = (
            attempt.at_ms + channel_of(live, payment, attempt.channel).verify_within_s * 1000
        )
        risk_in_s = (deadline_ms - now.ms) // 1000 - RISK_MARGIN_S
        if risk_in_s > 0:
            ahead_s.append(risk_in_s)
        elif now.ms <= deadline_ms:
            log.metric("MoneyAtRisk")
    return ahead_s


lambda_handler = worker(wake)
