"""What merchants send and see. Amounts are minor units, times RFC 3339 UTC.

The words under a field are its description in the API reference (tools/contracts.py reads them).
"""

import datetime as dt
import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StrictInt

from payvand.calendar import rfc3339
from payvand.edge.shown import payment_fields
from payvand.edge.words import (
    ascii_digits,
    mobile,
    no_card,
    no_grouped_card,
    visible,
    web_address,
)
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
)


def _day(value: Any) -> Any:
    if isinstance(value, str) and not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        raise ValueError("must be a date like 2026-03-01")
    return value


_Visible = Annotated[str, AfterValidator(visible)]
Text = Annotated[_Visible, AfterValidator(no_card)]
"""Words for people. A card number has no place in them: they are stored and shown as they are."""
Reference = Annotated[_Visible, AfterValidator(no_grouped_card), Field(min_length=1, max_length=64)]
WebAddress = Annotated[
    str,
    Field(min_length=8, max_length=2000, json_schema_extra={"format": "uri"}),
    AfterValidator(web_address),
]
Mobile = Annotated[str, BeforeValidator(ascii_digits), AfterValidator(mobile)]
NationalCode = Annotated[str, Field(pattern=r"^[0-9]{10}$"), BeforeValidator(ascii_digits)]
CardNumber = Annotated[str, Field(pattern=r"^[0-9]{16}$"), BeforeValidator(ascii_digits)]
ChannelName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{1,31}$")]
Currency = Literal["IRR", "EUR", "RUB", "TRY"]
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
            str,
            Field(max_length=254, pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$"),
            AfterValidator(visible),
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
    """What the payer pays you, in minor units (rials, cents), a JSON integer.

    Where your plan lets the payer bear the fee, it comes on top.
    """
    currency: Currency
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
    charged_amount: int
    """What the payer is asked for: `amount`, and the fee where your plan lets the payer bear it."""
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
        return cls.model_validate(payment_fields(payment, base_url, now_ms))


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
            created_at=rfc3339(refund.at_ms),
            decided_at=None if refund.done_at_ms is None else rfc3339(refund.done_at_ms),
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
