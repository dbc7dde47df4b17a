"""What merchants send and see. Amounts are minor units, times RFC 3339 UTC.

The words under a field are its description in the API reference (tools/contracts.py reads them).
"""

import datetime as dt
import re
import unicodedata
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StrictInt

from payvand import events
from payvand.edge.cards import holds_card_number
from payvand.errors import NotFound
from payvand.ids import EPOCH, PaymentId
from payvand.money import AMOUNT_MAX
from payvand.payment import (
    EXPIRES_IN_S,
    EXPIRES_IN_S_MAX,
    EXPIRES_IN_S_MIN,
    Payment,
    Refund,
    RefundState,
    Status,
)
from payvand.store.payments import created_at_ms

_FORBIDDEN_CATEGORIES: Final = frozenset({"Cc", "Cs", "Co", "Zl", "Zp"})
_LOST: Final = "\ufffd"
"""What the gateway puts for bytes that are not UTF-8: two references must not become one."""
_BIDI_CONTROLS: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_HOST: Final = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
"""What a page's form-action can name; the page of a payment must be able to send its payer on."""
_DIGITS: Final = {
    **{ord("۰") + n: str(n) for n in range(10)},
    **{ord("٠") + n: str(n) for n in range(10)},
}


def _text(value: str) -> str:
    if _LOST in value:
        raise ValueError("must be UTF-8; some letters were lost")
    if any(unicodedata.category(c) in _FORBIDDEN_CATEGORIES or c in _BIDI_CONTROLS for c in value):
        raise ValueError("must not hold control characters")
    return value


def _no_card(value: str) -> str:
    if holds_card_number(value.translate(_DIGITS)):
        raise ValueError("must not hold a card number; put a letter before a number of your own")
    return value


def _no_grouped_card(value: str) -> str:
    """A name may be any number, and some look like a card's; written in groups it is a card's."""
    if holds_card_number(value.translate(_DIGITS), grouped=True):
        raise ValueError("must not hold a card number")
    return value


def _web_address(value: str) -> str:
    parts = urlsplit(value)
    _ = parts.port  # raises for a port that is none
    if parts.scheme not in {"https", "http"} or not _HOST.fullmatch(parts.hostname or ""):
        raise ValueError("must be an absolute http(s) address")
    if "@" in parts.netloc:
        raise ValueError("must not hold a user name")
    if not value.isascii() or any(c in value for c in " \"'<>\\^`{|}") or not value.isprintable():
        raise ValueError("must be percent-encoded ASCII")
    return value


def _ascii_digits(value: Any) -> Any:
    """People type these with whatever digits their keyboard has."""
    return (
        value.translate(_DIGITS).replace(" ", "").replace("-", "")
        if isinstance(value, str)
        else value
    )


def _mobile(value: str) -> str:
    # A pattern, not a library: the one that knows all numbering plans is 48 MB, the party checks
    # the rest.
    if re.fullmatch(r"09[0-9]{9}", value):
        return "+98" + value[1:]
    if not re.fullmatch(r"\+[1-9][0-9]{7,14}", value):
        raise ValueError("must be a mobile number like +989121234567")
    return value


def _day(value: Any) -> Any:
    if isinstance(value, str) and not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        raise ValueError("must be a date like 2026-03-01")
    return value


_Visible = Annotated[str, AfterValidator(_text)]
Text = Annotated[_Visible, AfterValidator(_no_card)]
"""Words for people. A card number has no place in them: they are stored and shown as they are."""
Reference = Annotated[
    _Visible, AfterValidator(_no_grouped_card), Field(min_length=1, max_length=64)
]
WebAddress = Annotated[
    str,
    Field(min_length=8, max_length=2000, json_schema_extra={"format": "uri"}),
    AfterValidator(_web_address),
]
Mobile = Annotated[str, BeforeValidator(_ascii_digits), AfterValidator(_mobile)]
NationalCode = Annotated[str, Field(pattern=r"^[0-9]{10}$"), BeforeValidator(_ascii_digits)]
CardNumber = Annotated[str, Field(pattern=r"^[0-9]{16}$"), BeforeValidator(_ascii_digits)]
ChannelName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{1,31}$")]
Amount = Annotated[StrictInt, Field(ge=1, le=AMOUNT_MAX)]
Day = Annotated[dt.date, BeforeValidator(_day), Field(ge=EPOCH, le=dt.date(2063, 12, 31))]
"""A settlement day; the range is what ids can carry."""


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Payer(_Body):
    """What the merchant knows of the payer: for the channel, stored encrypted, never logged."""

    mobile: Mobile | None = None
    """Mobile number, `09…` or international with `+`. Persian and Arabic digits are understood."""
    email: (
        Annotated[
            str, Field(max_length=254, pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$"), AfterValidator(_text)
        ]
        | None
    ) = None
    """E-mail address."""
    name: Annotated[Text, Field(min_length=1, max_length=100)] | None = None
    """Name, in any alphabet."""
    national_code: NationalCode | None = None
    """Iranian national code, 10 digits. Persian and Arabic digits are understood."""


class CreatePayment(_Body):
    """A wish to be paid."""

    amount: Amount
    """What the payer pays, in minor units (rials), a JSON integer."""
    currency: Literal["IRR"]
    """ISO 4217 code of the currency."""
    reference: Reference
    """Your own name for it, unique for ever: the same call again answers the same payment."""
    return_url: WebAddress
    """Where the payer goes afterwards; `payment_id`, `reference` and `status` are added."""
    description: Annotated[Text, Field(max_length=255)] = ""
    """What the payment is for; the payer reads it. Any alphabet, no card number."""
    channel: ChannelName | None = None
    """The channel to pay through. Without it the payer chooses on the hosted page."""
    fallback_channels: Annotated[tuple[ChannelName, ...], Field(max_length=5)] = ()
    """Channels to try, in this order, when `channel` does not answer. Needs `channel`."""
    payer: Payer | None = None
    """What you know of the payer."""
    allowed_cards: Annotated[tuple[CardNumber, ...], Field(max_length=10)] = ()
    """Card numbers that may pay, 16 digits each; any card when empty."""
    locale: Literal["fa", "en"] | None = None
    """Language of the hosted page; yours when absent."""
    expires_in_s: Annotated[StrictInt, Field(ge=EXPIRES_IN_S_MIN, le=EXPIRES_IN_S_MAX)] = (
        EXPIRES_IN_S
    )
    """Seconds the payer has to go to a channel."""
    metadata: Annotated[
        dict[
            Annotated[Text, Field(min_length=1, max_length=40)],
            Annotated[Text, Field(max_length=200)],
        ],
        Field(max_length=20),
    ] = Field(default_factory=dict)
    """Up to 20 texts of your own, given back with the payment. Nothing personal, no card number."""


class CreateRefund(_Body):
    """A wish to give money back. Without `amount`: all that is left."""

    amount: Amount | None = None
    """How much, in minor units; all that is left when absent."""
    reason: Annotated[Text, Field(max_length=255)] = ""
    """Why, for your own records. No card number."""
    reference: Reference | None = None
    """Your own name for it, unique per payment: the same call again answers the same refund."""


class FailureView(BaseModel):
    """Why a payment ended without money."""

    code: str
    """Stable word for programs."""
    message: str
    """Sentence for people."""


class PaymentView(BaseModel):
    """A payment as its merchant sees it."""

    id: str
    """Payment id, `pay_…`; ids sort by time."""
    status: Literal[
        "created", "redirected", "accepted", "executed", "refused", "expired", "reversed",
        "partially_refunded", "refunded", "disputed",
    ]  # fmt: skip
    """Where it stands. `executed` is the first status in which the money is certain."""
    mode: Literal["test", "live"]
    """Which books it is in: those of the key that made it."""
    amount: int
    """What the payer pays, in minor units."""
    currency: str
    """ISO 4217 code of the currency."""
    reference: str
    """Your own name for the payment."""
    description: str
    """What the payment is for."""
    channel: str | None
    """The channel that took it, or was tried last; null while the payer has chosen none."""
    channel_reference: str | None
    """The channel's receipt number, once executed."""
    checkout_url: str
    """The hosted page: send the payer's browser here."""
    return_url: str
    """Where the payer's browser goes afterwards."""
    fee_amount: int | None
    """Our fee in minor units, once executed."""
    refunded_amount: int
    """What the payer has certainly been given back, in minor units."""
    metadata: dict[str, str]
    """Your own texts."""
    created_at: str
    """When it was made."""
    expires_at: str
    """Until when a payer can begin to pay."""
    executed_at: str | None
    """When the money became certain."""
    failure: FailureView | None
    """Why it ended without money."""

    @classmethod
    def of(cls, payment: Payment, base_url: str, now_ms: int) -> "PaymentView":
        """The view at a moment: one nobody was sent to pay expires with its time (seals R9)."""
        x, failure, status = payment.execution, payment.failure, payment.shown_status
        seen = None if failure is None else FailureView(code=failure.code, message=failure.message)
        if payment.is_open and not payment.attempts and now_ms >= payment.expires_at_ms:
            status, seen = (
                Status.EXPIRED,
                FailureView(code="expired", message="The payer did not pay in time."),
            )
        attempt = payment.attempts[x.attempt if x else -1] if payment.attempts else None
        return cls(
            id=payment.id.text,
            status=status.value,
            mode=payment.id.book.mode,
            amount=payment.amount_minor,
            currency=payment.id.book.currency,
            reference=payment.reference,
            description=payment.description,
            channel=attempt.channel if attempt else payment.channel,
            channel_reference=x.reference if x else None,
            checkout_url=f"{base_url}/pay/{payment.id}",
            return_url=payment.return_url,
            fee_amount=x.fee_minor if x else None,
            refunded_amount=payment.refunded_done_minor,
            metadata=dict(payment.metadata),
            created_at=events.rfc3339(created_at_ms(payment.id)),
            expires_at=events.rfc3339(payment.expires_at_ms),
            executed_at=events.rfc3339(x.at_ms) if x else None,
            failure=seen,
        )


class PaymentList(BaseModel):
    """A page of payments, newest first."""

    data: list[PaymentView]
    """The payments of this page."""
    next_cursor: str | None
    """Send it as `cursor` for the next page; null on the last one."""


class RefundView(BaseModel):
    """A refund as its merchant sees it. `failed` means the amount is the merchant's again."""

    id: str
    """Refund id, `rfd_…`."""
    payment_id: str
    """The payment it belongs to."""
    status: Literal["pending", "done", "failed"]
    """`pending` until the channel decides; `failed` means the channel refused."""
    amount: int
    """How much, in minor units."""
    currency: str
    """ISO 4217 code of the currency."""
    reason: str
    """Why, as you said."""
    channel_reference: str | None
    """The channel's receipt number of the refund, when it gives one."""
    failure_code: str | None
    """The channel's code when it refused."""
    created_at: str
    """When it was booked."""
    decided_at: str | None
    """When the channel decided."""

    @classmethod
    def of(cls, payment: Payment, refund: Refund) -> "RefundView":
        """The view."""
        return cls(
            id=refund.refund_id,
            payment_id=payment.id.text,
            status=refund.state.value,
            amount=refund.amount_minor,
            currency=payment.id.book.currency,
            reason=refund.reason,
            channel_reference=refund.reference,
            failure_code=refund.code if refund.state is RefundState.FAILED else None,
            created_at=events.rfc3339(refund.at_ms),
            decided_at=None if refund.done_at_ms is None else events.rfc3339(refund.done_at_ms),
        )


class RefundList(BaseModel):
    """All refunds of a payment."""

    data: list[RefundView]
    """The refunds, oldest first."""
    next_cursor: str | None = None
    """Always null: all refunds of a payment fit on one page."""


def own_payment_id(text: str, merchant_id: str, mode: str) -> PaymentId:
    """A payment id from a path. Raises NotFound: what cannot be the caller's looks missing."""
    try:
        id = PaymentId.parse(text)
    except ValueError:
        raise NotFound from None
    if id.book.merchant_id != merchant_id or id.book.mode != mode:
        raise NotFound
    return id
