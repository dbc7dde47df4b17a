"""Channel doors: the payer is back (a hint), or a channel's server gives notice (proof, if signed).

In:    GET or POST /psp/{channel}/return?payment=pay_…, POST /psp/{channel}/notify
Out:   the payment resolved at once if the channel answers in time, else a message to VerifyQueue;
       then 303 to the merchant
Fails: a page for browsers; for servers a status that makes them send the notice again
"""

import dataclasses
from typing import Final

from payvand.edge import log
from payvand.edge.api import Request, Response, Route, serve
from payvand.edge.browser import refuse_as_page, send_back
from payvand.edge.wiring import wiring
from payvand.errors import BadInput, Forged, NotFound, Overtaken, Unavailable
from payvand.ids import PaymentId
from payvand.payment import Payment, Status
from payvand.psp import Answer, Channel, Inbound, Verdict
from payvand.psp.registry import names
from payvand.resolve import channel_of, end, read, resolve, take

ASK_WITHIN_S: Final = 12
"""The payer waits, the gateway no longer than 29 s: what is not asked by then is asked later."""
VERIFY_AGAIN_S: Final = 5
"""Soon after the payer's return: the channel was slow, not down."""


def come_back(request: Request) -> Response:
    """The payer's browser returns. Whatever it says, the channel is asked."""
    live = wiring()
    name = _channel_name(request)
    payment = read(live, _payment_id(request.query.get("payment", "")))
    log.note(payment=payment.id.text, channel=name, mode=payment.id.book.mode)
    if not payment.is_open:
        return send_back(payment)
    if name not in {attempt.channel for attempt in payment.attempts}:
        raise NotFound
    hint = channel_of(live, payment, name).read_return(_inbound(request))
    resolution = resolve(live, payment, payer_is_back=True, within_s=ASK_WITHIN_S)
    payment = resolution.payment
    if payment.is_open and resolution.unknown:
        live.queues.send(live.env["VERIFY_QUEUE"], {"payment": payment.id.text}, VERIFY_AGAIN_S)
        if hint.claims_success:
            payment = _accepted(payment)
        log.metric("ReturnsUnresolved")
    log.note(verdict=payment.status.value)
    if payment.status is Status.EXECUTED:
        log.metric("PaymentsExecuted")
    return send_back(payment)


def give_notice(request: Request) -> Response:
    """A channel's server tells. We answer after the booking, so a crash makes it tell again."""
    live = wiring()
    name = _channel_name(request)
    payment_id = _payment_id(request.query.get("payment", ""))
    channel = _speaker(payment_id, name)
    try:
        notice = channel.read_notice(_inbound(request))
    except Forged:
        log.metric("NoticesForged")
        raise BadInput("notice_refused", "This notice cannot be trusted.") from None
    if notice.payment_id != payment_id.text:
        raise BadInput("notice_refused", "This notice cannot be trusted.")
    payment = read(live, payment_id)
    log.note(
        payment=payment.id.text,
        channel=name,
        mode=payment.id.book.mode,
        verdict=notice.answer.verdict.value,
    )
    index = next(
        (
            n
            for n, a in enumerate(payment.attempts)
            if a.channel == name and a.token == notice.token
        ),
        None,
    )
    if index is None:
        raise NotFound
    was_open = payment.is_open
    payment, answer = take(live, channel, payment, index, notice.answer)
    if answer is not None:
        payment = _noted(payment, index, answer)
    if (
        answer is not None
        and notice.answer.verdict is Verdict.PAID
        and answer.verdict is Verdict.UNKNOWN
    ):
        raise Unavailable("not_given_back", "Tell us again.", retry_after_s=60)
    if was_open and payment.status is Status.EXECUTED:
        log.metric("PaymentsExecuted")
    reply = channel.notice_reply()
    return Response(reply.status, reply.body, {"Content-Type": reply.content_type})


def _noted(payment: Payment, index: int, answer: Answer) -> Payment:
    """Act on a channel's last word. With rivals it is kept, and the timer asks the others first."""
    live = wiring()
    if len(payment.attempts) == 1:
        return end(live, payment, [answer], payer_is_back=True) if payment.is_open else payment
    if answer.verdict in {Verdict.DEAD, Verdict.REVERSED} and not payment.attempts[index].over:
        live.payments.end_attempt(payment, index, answer.verdict.value)
    return payment


def _speaker(id: PaymentId, name: str) -> Channel:
    """Our notice address names the payment: its merchant's secret must have signed the notice."""
    live = wiring()
    merchant = live.merchants.get(id.book.merchant_id)
    contract = merchant.contract(name) if merchant else None
    if contract is None:
        raise NotFound
    return live.channels.get(id.book.mode, name, contract.credentials)


def _accepted(payment: Payment) -> Payment:
    live = wiring()
    if payment.status is Status.ACCEPTED:
        return payment
    try:
        live.payments.accept(payment, live.clock.now(payment.id.book.mode).ms)
    except Overtaken:
        return read(live, payment.id)
    return dataclasses.replace(payment, status=Status.ACCEPTED)


def _channel_name(request: Request) -> str:
    name = request.path["channel"]
    if name not in names():
        raise NotFound
    return name


def _payment_id(text: str) -> PaymentId:
    try:
        return PaymentId.parse(text)
    except ValueError:
        raise NotFound from None


def _inbound(request: Request) -> Inbound:
    return Inbound(request.method, request.query, request.headers, request.body)


ROUTES = (
    Route("GET", "/psp/{channel}/return", come_back, "The payer is back", page=True),
    Route("POST", "/psp/{channel}/return", come_back, "The payer is back", page=True),
    Route("POST", "/psp/{channel}/notify", give_notice, "A channel's notice", page=True),
)
lambda_handler = serve(*ROUTES, refuse=refuse_as_page)
