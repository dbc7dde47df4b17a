"""The hosted pages a payer sees, as one small door: a frozen description in, `Html` out.

Pure: no AWS, no environment, no clock, no network. Every page works without JavaScript, in every
language that has a file in `texts/`, in light and dark, and weighs at most `PAGE_BYTES_MAX`.

What a merchant decorates a page with (logo, colour) never stops a payment: what is not an https
address or #rrggbb is left out. What could send a payer astray (a form's address) raises ValueError.

    checkout   choose a channel          forms POST back to us; we then redirect or hand over
    handover   on the way to a channel   a form the channel wants POSTed, or a link to follow
    outcome    nothing left to choose    paid, refused, expired, being checked, not found …
    problem    the request went wrong    400, 404, 503 …
"""

from typing import Final

from payvand.pages import policy
from payvand.pages.locale import LOCALES, choose
from payvand.pages.model import (
    Alert,
    ChannelChoice,
    ChannelNote,
    CheckoutPage,
    Frame,
    HandoverPage,
    Html,
    Merchant,
    Outcome,
    OutcomePage,
    ProblemPage,
)
from payvand.pages.text import clean

__all__ = [
    "LOCALES",
    "PAGE_BYTES_MAX",
    "Alert",
    "ChannelChoice",
    "ChannelNote",
    "CheckoutPage",
    "HandoverPage",
    "Html",
    "Merchant",
    "Outcome",
    "OutcomePage",
    "ProblemPage",
    "checkout",
    "choose",
    "handover",
    "outcome",
    "problem",
]

PAGE_BYTES_MAX: Final = 15_000
"""One trip on a poor network. Hidden fields come on top: a channel's form is as big as it wants."""

NAME_MAX: Final = 60
DESCRIPTION_MAX: Final = 280
REFERENCE_MAX: Final = 64
"""Characters shown; what is longer ends in an ellipsis. The stored values stay whole."""

REFERRER_OUTWARD: Final = "strict-origin"
"""Iranian channels check that the payer comes from the registered domain; they see no path."""

AUTO_POST: Final = (
    'if((performance.getEntriesByType("navigation")[0]||{}).type!="back_forward")'
    'HTMLFormElement.prototype.submit.call(document.getElementById("handover"))'
)
"""Submits the handover form, unless the payer came back to it: then the button is theirs to press.
By way of the prototype, because a channel may well have a field called `submit`."""


def checkout(page: CheckoutPage) -> Html:
    """The page to choose a channel on."""
    names = [choice.name for choice in page.channels]
    if len(set(names)) != len(names):
        raise ValueError("a channel is listed twice")
    if "channel" in page.hidden:
        raise ValueError("the field 'channel' is the page's own")
    targets = [policy.form_target(url) for url in (page.post_url, page.cancel_url) if url]
    if page.return_url:
        targets.append(policy.merchant_origin(page.return_url))
    frame = Frame(
        page.locale,
        page_url=page.page_url,
        merchant=_shown(page.merchant),
        test=page.test,
        form_action=("'self'", *targets, *map(policy.redirect_origin, page.form_origins)),
        referrer=REFERRER_OUTWARD,
    )
    return _render(
        "checkout.html",
        frame,
        money=page.money,
        description=clean(page.description, DESCRIPTION_MAX),
        reference=clean(page.reference, REFERENCE_MAX),
        channels=[
            ChannelChoice(choice.name, clean(choice.title, NAME_MAX) or choice.name, choice.note)
            for choice in page.channels
        ],
        post_url=page.post_url,
        cancel_url=page.cancel_url,
        hidden=page.hidden,
        alert=page.alert,
        seconds_left=int((page.expires_at - page.now).total_seconds()),
    )


def handover(page: HandoverPage) -> Html:
    """The page that carries the payer's browser to a channel, by itself where it can."""
    origins = (policy.origin(page.url), *map(policy.redirect_origin, page.form_origins))
    posts = page.fields is not None
    frame = Frame(
        page.locale,
        merchant=_shown(page.merchant),
        test=page.test,
        form_action=origins if posts else (),
        referrer=REFERRER_OUTWARD,
        script=AUTO_POST if posts else None,
    )
    title = clean(page.channel_title, NAME_MAX)
    return _render("handover.html", frame, channel_title=title, url=page.url, fields=page.fields)


def outcome(page: OutcomePage) -> Html:
    """The page that says how a payment ended, or that nobody knows yet."""
    frame = Frame(
        page.locale,
        page_url=page.page_url,
        merchant=_shown(page.merchant) if page.merchant else None,
        test=page.test,
    )
    return _render(
        "outcome.html",
        frame,
        outcome=page.outcome,
        money=page.money,
        reference=clean(page.reference, REFERENCE_MAX),
        payment_id=clean(page.payment_id, REFERENCE_MAX),
        channel_reference=clean(page.channel_reference, REFERENCE_MAX),
        return_url=policy.link(page.return_url),
        again_url=policy.link(page.again_url),
    )


def problem(page: ProblemPage) -> Html:
    """The page for a request that cannot be answered; never says more than its status does."""
    return _render("problem.html", Frame(page.locale, page_url=page.page_url), status=page.status)


def _shown(merchant: Merchant) -> Merchant:
    logo = merchant.logo_url if policy.logo_origin(merchant.logo_url or "") else None
    return Merchant(clean(merchant.name, NAME_MAX), logo, merchant.primary)


def _render(template: str, frame: Frame, **values: object) -> Html:
    # Jinja2 is imported with the first page: a function that only redirects never pays for it.
    from payvand.pages import render

    return render.page(template, frame, values)
