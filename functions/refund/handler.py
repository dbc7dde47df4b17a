"""POST /payments/{id}/refunds, and the timer that asks about refunds the channel has not decided.

In:    API Gateway with refunds:write; RefundQueue, {"payment": "pay_…", "refund": key, "due": ms,
       "n": tries}
Out:   the payment's refunds and a posting, in one transaction; the channel is asked after the
       booking
Fails: problem+json; the timer's message is seen again, then RefundDeadQueue (alarm)
"""

import dataclasses
from typing import TYPE_CHECKING, Any, Final

from functions.refund.give_back import arm, decide, request_refund
from payvand.edge import log
from payvand.edge.api import Request, Response, Route, serve
from payvand.edge.queue import Delivery, worker
from payvand.edge.views import CreateRefund, RefundView, own_payment_id
from payvand.edge.wiring import wiring
from payvand.errors import NotFound, Overtaken
from payvand.ids import PaymentId
from payvand.payment import Refund, RefundState
from payvand.resolve import early_s, read_at

if TYPE_CHECKING:
    from payvand.edge.wiring import Wiring
    from payvand.store.payments import Seen

STEPS_S: Final = (120, 120, 300, 900)
"""Book time between questions about a pending refund; the last one repeats until it is decided."""
MISSING_MAX: Final = 4


def post(request: Request) -> Response:
    """Refund a payment, whole or in part."""
    body, caller, live = request.json(CreateRefund), request.caller, wiring()
    id = own_payment_id(request.path["id"], caller.merchant.id, caller.mode)
    seen = read_at(live, id)
    refund = request_refund(live, caller.merchant, seen, body, request.idempotency_key)
    log.note(payment=id.text, refund=refund.refund_id)
    return Response.of(RefundView.of(seen.payment, refund), 201)


def wake(delivery: Delivery) -> None:
    """Ask about a pending refund."""
    live, message = wiring(), delivery.message
    id, key, n = PaymentId.parse(message["payment"]), message["refund"], message.get("n", 0)
    log.note(payment=id.text, mode=id.book.mode, tries=n)
    now = live.clock.now(id.book.mode)
    if live.queues.early(live.env["REFUND_QUEUE"], message, now):
        log.note(answer="early")
        return
    try:
        seen = read_at(live, id)
    except NotFound:
        return  # refunds are only begun on stored payments
    payment, refund = seen.payment, seen.payment.refunds.get(key)
    if refund is None:
        log.note(answer="missing")
        if n < MISSING_MAX:
            arm(live, payment, key, now, STEPS_S[0], n + 1)
        return
    step_s: float = STEPS_S[min(n, len(STEPS_S) - 1)]
    if refund.state is RefundState.PENDING:
        if wait_s := early_s(seen, refund.asked_at_ms):
            step_s, n = wait_s + 1, n - 1  # not asked: the same step again, as soon as one may
        else:
            refund = _ask(live, seen, refund)
    log.note(refund=refund.refund_id, answer=refund.state.value)
    if refund.state is RefundState.PENDING:
        arm(live, payment, key, now, step_s, n + 1)


def _ask(live: "Wiring", seen: "Seen", refund: Refund) -> Refund:
    """Take a turn and ask; when another timer has the turn, leave it to that one."""
    try:
        live.payments.ask_refund(seen.payment, refund, seen.server_ms)
    except Overtaken:
        return refund
    asked = dataclasses.replace(refund, asked_at_ms=seen.server_ms)
    return decide(live, seen.payment, asked, first_try=False)


ROUTES = (
    Route(
        "POST",
        "/payments/{id}/refunds",
        post,
        "Refund a payment",
        scope="refunds:write",
        body=CreateRefund,
        answer=RefundView,
        status=201,
        problems=("400", "404", "409", "503"),
    ),
)
_api, _queue = serve(*ROUTES), worker(wake)


def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Woken by the API or by the queue."""
    return _queue(event, context) if "Records" in event else _api(event, context)
