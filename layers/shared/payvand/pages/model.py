"""What each page needs to know, exactly: frozen descriptions and the rendered result."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from payvand.money import Money


class ChannelNote(StrEnum):
    """What a payer should know about a channel before choosing it."""

    SLOW = "slow"
    FAILING = "failing"


class Alert(StrEnum):
    """Why the payer sees the checkout page again."""

    REFUSED = "refused"  # the last attempt is explicitly dead; another may be made
    UNAVAILABLE = "unavailable"  # the chosen channel could not be reached


class Outcome(StrEnum):
    """How a payment stands when the payer has nothing left to choose."""

    PAID = "paid"
    REFUSED = "refused"  # an explicit "never taken"
    CANCELLED = "cancelled"  # by the payer, before any money
    EXPIRED = "expired"
    CHECKING = "checking"  # nobody knows yet; never shown as refused
    REVERSED = "reversed"  # taken, and given back by the channel
    REFUNDED = "refunded"
    PARTLY_REFUNDED = "partly_refunded"
    UNKNOWN = "unknown"  # no such payment


@dataclass(frozen=True, slots=True)
class Html:
    """A whole page and the headers it must travel with. The caller adds HSTS and the status."""

    body: str
    headers: dict[str, str]


@dataclass(frozen=True, slots=True)
class Merchant:
    """Who is paid, and how they look. `primary` is #rrggbb."""

    name: str
    logo_url: str | None = None
    primary: str | None = None


@dataclass(frozen=True, slots=True)
class Frame:
    """What every page has: language, owner, and what its headers must allow."""

    locale: str
    page_url: str | None = None
    merchant: Merchant | None = None
    test: bool = False
    form_action: tuple[str, ...] = ()
    referrer: str = "no-referrer"
    script: str | None = None


@dataclass(frozen=True, slots=True)
class ChannelChoice:
    """One way to pay: `name` is the channel's id, `title` its name in the page's language."""

    name: str
    title: str
    note: ChannelNote | None = None


@dataclass(frozen=True, slots=True)
class CheckoutPage:
    """What the payer chooses from; `channels` are shown in the order given.

    `form_origins` must name every origin a POST from here may be redirected to, because browsers
    hold a form's redirects to form-action too: the channels', and the merchant's own for cancel.
    Where a channel redirects onward to hosts we do not know, answer the POST with a handover page.
    `page_url` is this page's own address, for the language links; `return_url` is the merchant's,
    where giving up leads.
    """

    merchant: Merchant
    money: Money
    reference: str
    channels: Sequence[ChannelChoice]
    post_url: str
    page_url: str
    locale: str
    now: datetime
    expires_at: datetime
    description: str = ""
    cancel_url: str | None = None
    return_url: str | None = None
    hidden: Mapping[str, str] = field(default_factory=dict)
    form_origins: Sequence[str] = ()
    alert: Alert | None = None
    test: bool = False


@dataclass(frozen=True, slots=True)
class HandoverPage:
    """The step to a channel: `fields` to POST, or None for a link (as in `psp.Redirect`).

    `form_origins` are further origins the channel redirects that POST to.
    """

    merchant: Merchant
    channel_title: str
    url: str
    fields: Mapping[str, str] | None
    locale: str
    form_origins: Sequence[str] = ()
    test: bool = False


@dataclass(frozen=True, slots=True)
class OutcomePage:
    """One calm answer. `again_url` offers another look (checking) or another try (refused)."""

    outcome: Outcome
    locale: str
    merchant: Merchant | None = None
    money: Money | None = None
    reference: str = ""
    payment_id: str = ""
    channel_reference: str = ""
    return_url: str | None = None
    again_url: str | None = None
    page_url: str | None = None
    test: bool = False


@dataclass(frozen=True, slots=True)
class ProblemPage:
    """An error instead of a page. A status without its own words says 400's or 500's."""

    status: int
    locale: str
    page_url: str | None = None
