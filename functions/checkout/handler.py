"""The hosted page /pay/{id}: the payer chooses a channel, or gives up.

In:    GET /pay/{id}, POST /pay/{id} (field `channel`), POST /pay/{id}/cancel; no key, the id is
       the invitation
Out:   an attempt on the payment (status redirected) before the payer is sent on; no JavaScript
       anywhere
Fails: a calm page with the right status; a channel that does not answer brings the page back
"""

import json
from typing import TYPE_CHECKING, Final

from payvand import pages
from payvand.edge import log
from payvand.edge.api import Request, Response, Route, serve
from payvand.edge.browser import locale_of, outcome_page, refuse_as_page, same_site, send_back
from payvand.edge.wiring import wiring
from payvand.errors import BadInput, Conflict, NotFound, Overtaken, Silence
from payvand.ids import PaymentId
from payvand.merchant import Merchant
from payvand.pages.policy import ANY_HTTPS
from payvand.payment import ATTEMPTS_MAX, AttemptRecord, Failure, Payment, Status
from payvand.psp import Declined, Opened, Order, Redirect
from payvand.psp.registry import limits, title
from payvand.resolve import channel_of, read
from payvand.store.clock import Moment

if TYPE_CHECKING:
    from payvand.edge.wiring import Wiring

REUSE_S: Final = 600
"""A payer who comes back to the page within this time goes to the same session at the channel."""


def get(request: Request) -> Response:
    """The page, or straight on to the channel the merchant named."""
    live = wiring()
    payment, merchant = _invited(live, request)
    now = live.clock.now(payment.id.book.mode)
    if not _is_payable(payment, now):
        return outcome_page(request, payment, merchant)
    fresh = payment.attempts and now.ms - payment.attempts[-1].at_ms < REUSE_S * 1000
    if payment.channel is not None and fresh:
        return _hand_over(live, request, payment, merchant, len(payment.attempts) - 1)
    return _page(request, payment, merchant, now)


def post(request: Request) -> Response:
    """Open the chosen channel and send the payer there."""
    same_site(request)
    live = wiring()
    payment, merchant = _invited(live, request)
    now = live.clock.now(payment.id.book.mode)
    if not _is_payable(payment, now):
        return outcome_page(request, payment, merchant)
    name = request.form().get("channel", "")
    if name not in _offered(payment, merchant):
        raise BadInput("channel_unknown", "There is no such channel here.")
    for index, attempt in enumerate(payment.attempts):
        if attempt.channel == name and now.ms - attempt.at_ms < REUSE_S * 1000:
            return _hand_over(live, request, payment, merchant, index)
    if len(payment.attempts) >= ATTEMPTS_MAX:
        raise Conflict(
            "too_many_attempts", "This payment was tried too often. Ask the merchant for a new one."
        )
    opened = _open(live, request, payment, name)
    if not isinstance(opened, Opened):
        return _page(request, payment, merchant, now, pages.Alert.UNAVAILABLE)
    try:
        live.payments.add_attempt(payment, AttemptRecord(name, opened.token, now.ms))
    except Overtaken:
        return Response.to(
            f"{request.base_url}/pay/{payment.id}"
        )  # another tab was first: look again
    log.note(channel=name, mode=payment.id.book.mode)
    log.metric("PayersRedirected")
    return _go(request, merchant, name, opened.redirect)


def cancel(request: Request) -> Response:
    """The payer gives up. Who was at a channel may have paid: then only the channel can refuse."""
    same_site(request)
    live = wiring()
    payment, _ = _invited(live, request)
    if payment.is_open and not payment.attempts:
        now = live.clock.now(payment.id.book.mode)
        failed = payment.failed(
            Status.REFUSED, Failure("cancelled_by_payer", "The payer gave up.", now.ms)
        )
        try:
            live.payments.fail(failed)
        except Overtaken:
            failed = read(live, payment.id)
        return send_back(failed)
    if payment.is_open:
        live.queues.send(live.env["VERIFY_QUEUE"], {"payment": payment.id.text})
    return send_back(payment)


def _invited(live: "Wiring", request: Request) -> tuple[Payment, Merchant]:
    try:
        id = PaymentId.parse(request.path["id"])
    except ValueError:
        raise NotFound from None
    log.note(payment=id.text)
    merchant = live.merchants.get(id.book.merchant_id)
    if merchant is None:
        raise NotFound
    return read(live, id), merchant


def _is_payable(payment: Payment, now: Moment) -> bool:
    """Whether the payer may be led to a channel: not while one is said to have the money."""
    return payment.status in {Status.CREATED, Status.REDIRECTED} and now.ms < payment.expires_at_ms


def _offered(payment: Payment, merchant: Merchant) -> list[str]:
    """The channels this payer may choose: they take the amount, and are named if any is."""
    names = [c.channel for c in merchant.contracts]
    if payment.channel is not None:
        names = [n for n in (payment.channel, *payment.fallback_channels) if n in names]
    return [n for n in names if _takes(n, payment)]


def _takes(name: str, payment: Payment) -> bool:
    low, high = limits(name, payment.id.book.currency)
    return low <= payment.money.amount_minor <= high


def _page(
    request: Request,
    payment: Payment,
    merchant: Merchant,
    now: Moment,
    alert: pages.Alert | None = None,
) -> Response:
    locale = locale_of(request, payment.locale)
    here = f"{request.base_url}/pay/{payment.id}"
    html = pages.checkout(
        pages.CheckoutPage(
            merchant=pages.Merchant(merchant.name, merchant.logo_url, merchant.colour),
            money=payment.money,
            reference=payment.reference,
            channels=[
                pages.ChannelChoice(n, title(n, locale)) for n in _offered(payment, merchant)
            ],
            post_url=here,
            page_url=here,
            locale=locale,
            now=now.when,
            expires_at=Moment(payment.expires_at_ms, now.mode).when,
            description=payment.description,
            cancel_url=f"{here}/cancel",
            return_url=payment.return_url,
            form_origins=(ANY_HTTPS,),  # browsers hold redirects to form-action
            alert=alert,
            test=payment.id.book.mode == "test",
        )
    )
    return Response(503 if alert else 200, html.body, html.headers)


def _open(
    live: "Wiring", request: Request, payment: Payment, name: str
) -> Opened | Declined | None:
    channel = channel_of(live, payment, name)
    known = json.loads(live.vault.open(payment.payer, payment.id.text)) if payment.payer else {}
    base = f"{request.base_url}/psp/{name}"
    order = Order(
        payment_id=payment.id.text,
        attempt_key=payment.attempt_key(len(payment.attempts)),
        money=payment.money,
        description=payment.description or payment.reference,
        return_url=f"{base}/return?payment={payment.id}",
        notice_url=f"{base}/notify?payment={payment.id}",
        locale=payment.locale,
        payer_mobile=known.get("mobile"),
        payer_email=known.get("email"),
        allowed_cards=tuple(known.get("allowed_cards", ())),
    )
    try:
        return channel.open(order)
    except Silence:
        log.note(channel=name, mode=payment.id.book.mode, verdict="silence")
        log.metric("ChannelSilent")
        return None


def _hand_over(
    live: "Wiring", request: Request, payment: Payment, merchant: Merchant, index: int
) -> Response:
    attempt = payment.attempts[index]
    redirect = channel_of(live, payment, attempt.channel).redirect(attempt.token)
    return _go(request, merchant, attempt.channel, redirect)


def _go(request: Request, merchant: Merchant, name: str, redirect: Redirect) -> Response:
    if redirect.fields is None:
        return Response.to(redirect.url)
    locale = locale_of(request, merchant.locale)
    html = pages.handover(
        pages.HandoverPage(
            merchant=pages.Merchant(merchant.name, merchant.logo_url, merchant.colour),
            channel_title=title(name, locale),
            url=redirect.url,
            fields=redirect.fields,
            locale=locale,
            form_origins=(ANY_HTTPS,),
        )
    )
    return Response(200, html.body, html.headers)


ROUTES = (
    Route("GET", "/pay/{id}", get, "The hosted page", page=True),
    Route("POST", "/pay/{id}", post, "Choose a channel", page=True),
    Route("POST", "/pay/{id}/cancel", cancel, "Give up", page=True),
)
lambda_handler = serve(*ROUTES, refuse=refuse_as_page)
