"""SQS worker: ask again about a payment whose payer is back but whose channel did not answer.

In:    VerifyQueue, {"payment": "pay_…"}
Out:   what resolve writes
Fails: the message is seen again, then VerifyDeadQueue (alarm); the payment's own timer goes on
       regardless
"""

from typing import Final

from payvand.edge import log
from payvand.edge.queue import Delivery, Later, worker
from payvand.edge.wiring import wiring
from payvand.ids import PaymentId
from payvand.payment import Status
from payvand.resolve import read, resolve

ASK_WITHIN_S: Final = 40
"""Well inside the function's time-out; the next turn asks the rest."""
AGAIN_S: Final = (5, 15, 30, 60)
"""Waits between questions; after the last one the payment's timer takes over."""


def verify(delivery: Delivery) -> None:
    """Ask once more."""
    live = wiring()
    id = PaymentId.parse(delivery.message["payment"])
    log.note(payment=id.text, mode=id.book.mode, tries=delivery.tries)
    payment = read(live, id)
    if not payment.is_open:
        return
    resolution = resolve(live, payment, payer_is_back=True, within_s=ASK_WITHIN_S)
    log.note(verdict=resolution.payment.status.value)
    if resolution.payment.status is Status.EXECUTED:
        log.metric("PaymentsExecuted")
    if resolution.payment.is_open and delivery.tries <= len(AGAIN_S):
        raise Later(AGAIN_S[delivery.tries - 1])


def _postpone(receipt: str, delay_s: int) -> None:
    live = wiring()
    live.queues.postpone(live.env["VERIFY_QUEUE"], receipt, delay_s)


lambda_handler = worker(verify, postpone=_postpone)
