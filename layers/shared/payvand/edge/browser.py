"""What the two browser-facing functions share: language, cross-site refusal, the way back."""

from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from payvand import pages
from payvand.edge.api import Request, Response
from payvand.errors import Forbidden, Refusal
from payvand.merchant import Merchant
from payvand.payment import Payment, Status

_OUTCOMES: Final[dict[Status, pages.Outcome]] = {
    Status.EXECUTED: pages.Outcome.PAID,
    Status.REFUSED: pages.Outcome.REFUSED,
    Status.EXPIRED: pages.Outcome.EXPIRED,
    Status.REVERSED: pages.Outcome.REVERSED,
    Status.REFUNDED: pages.Outcome.REFUNDED,
    Status.PARTIALLY_REFUNDED: pages.Outcome.PARTLY_REFUNDED,
    Status.ACCEPTED: pages.Outcome.CHECKING,
}


def locale_of(request: Request, stored: str | None) -> str:
    """The page's language: the link's choice, else the payment's, else the browser's."""
    wanted = request.query.get("lang")
    accepted = None if stored else request.headers.get("accept-language")
    return pages.choose(wanted, accepted, stored or "fa")


def same_site(request: Request) -> None:
    """Refuse a form posted from another site (CSRF); the browser says from where. Raises Forbidden.

    Sec-Fetch-Site comes from every current browser and cannot be set by a page; Origin covers the
    older ones. A client that sends neither is no browser, so there is nobody to trick.
    """
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    if site is not None:
        foreign = site not in {"same-origin", "none"}
    else:
        foreign = origin is not None and origin != _origin(request.base_url)
    if foreign:
        raise Forbidden("cross_site", "This form was sent from another site.")


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def send_back(payment: Payment) -> Response:
    """To the merchant's return_url, with payment_id, reference and status added."""
    parts = urlsplit(payment.return_url)
    ours = {
        "payment_id": payment.id.text,
        "reference": payment.reference,
        "status": payment.shown_status.value,
    }
    kept = [(k, v) for k, v in parse_qsl(parts.query, keep_blank_values=True) if k not in ours]
    return Response.to(urlunsplit(parts._replace(query=urlencode([*kept, *ours.items()]))))


def outcome_page(request: Request, payment: Payment, merchant: Merchant) -> Response:
    """How a payment stands, for a payer with nothing left to choose."""
    outcome = _OUTCOMES.get(payment.shown_status, pages.Outcome.EXPIRED)
    if payment.is_open and payment.attempts:
        outcome = pages.Outcome.CHECKING
    html = pages.outcome(
        pages.OutcomePage(
            outcome=outcome,
            locale=locale_of(request, payment.locale),
            merchant=pages.Merchant(merchant.name, merchant.logo_url, merchant.colour),
            money=payment.money,
            reference=payment.reference,
            payment_id=payment.id.text,
            channel_reference=payment.execution.reference if payment.execution else "",
            return_url=send_back(payment).headers["Location"],
            page_url=f"{request.base_url}/pay/{payment.id}",
            test=payment.id.book.mode == "test",
        )
    )
    return Response(200, html.body, html.headers)


def refuse_as_page(request: Request, refusal: Refusal) -> Response:
    """A refusal as a page instead of JSON."""
    html = pages.problem(pages.ProblemPage(status=refusal.status, locale=locale_of(request, None)))
    headers = dict(html.headers)
    if refusal.retry_after_s is not None:
        headers["Retry-After"] = str(refusal.retry_after_s)
    return Response(refusal.status, html.body, headers)
