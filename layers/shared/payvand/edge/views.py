"""What merchants send and see. Amounts are minor units, times RFC 3339 UTC."""

import re
import unicodedata
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StrictInt

from payvand import events
from payvand.errors import NotFound
from payvand.ids import PaymentId
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
_BIDI_CONTROLS: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_DIGITS: Final = {
    **{ord("۰") + n: str(n) for n in range(10)},
    **{ord("٠") + n: str(n) for n in range(10)},
}


def _text(value: str) -> str:
    if any(unicodedata.category(c) in _FORBIDDEN_CATEGORIES or c in _BIDI_CONTROLS for c in value):
        raise ValueError("must not hold control characters")
    return value


def _web_address(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"https", "http"} or not parts.hostname or parts.username is not None:
        raise ValueError("must be an absolute http(s) address without a user name")
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
    if re.fullmatch(r"09\d{9}", value):
        return "+98" + value[1:]
    if not re.fullmatch(r"\+[1-9]\d{7,14}", value):
        raise ValueError("must be a mobile number like +989121234567")
    return value


Text = Annotated[str, AfterValidator(_text)]
WebAddress = Annotated[str, Field(min_length=8, max_length=2000), AfterValidator(_web_address)]
Digits = Annotated[str, BeforeValidator(_ascii_digits)]
ChannelName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{1,31}$")]
Amount = Annotated[StrictInt, Field(ge=1, le=AMOUNT_MAX, description="Minor units (rial).")]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Payer(_Body):
    """What the merchant knows of the payer: handed to the channel, stored encrypted, never logged."""

    mobile: Annotated[Digits, AfterValidator(_mobile)] | None = None
    email: (
        Annotated[
            str, Field(max_length=254, pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$"), AfterValidator(_text)
        ]
        | None
    ) = None
    name: Annotated[Text, Field(min_length=1, max_length=100)] | None = None
    national_code: Annotated[Digits, Field(pattern=r"^\d{10}$")] | None = None


class CreatePayment(_Body):
    """A wish to be paid."""

    amount: Amount
    currency: Literal["IRR"]
    reference: Annotated[
        Text, Field(min_length=1, max_length=64, description="Yours; unique for ever.")
    ]
    return_url: Annotated[
        WebAddress, Field(description="Where the payer's browser goes afterwards.")
    ]
    description: Annotated[Text, Field(max_length=255)] = ""
    channel: ChannelName | None = None
    fallback_channels: Annotated[tuple[ChannelName, ...], Field(max_length=5)] = ()
    payer: Payer | None = None
    allowed_cards: Annotated[
        tuple[Annotated[Digits, Field(pattern=r"^\d{16}$")], ...], Field(max_length=10)
    ] = ()
    locale: Literal["fa", "en"] | None = None
    expires_in_s: Annotated[StrictInt, Field(ge=EXPIRES_IN_S_MIN, le=EXPIRES_IN_S_MAX)] = (
        EXPIRES_IN_S
    )
    metadata: Annotated[
        dict[
            Annotated[Text, Field(min_length=1, max_length=40)],
            Annotated[Text, Field(max_length=200)],
        ],
        Field(max_length=20),
    ] = Field(default_factory=dict)


class CreateRefund(_Body):
    """A wish to give money back. Without `amount`: all that is left."""

    amount: Amount | None = None
    reason: Annotated[Text, Field(max_length=255)] = ""
    reference: (
        Annotated[
            Text, Field(min_length=1, max_length=64, description="Yours; unique per payment.")
        ]
        | None
    ) = None


class FailureView(BaseModel):
    """Why a payment ended without money."""

    code: str
    message: str


class PaymentView(BaseModel):
    """A payment as its merchant sees it."""

    id: str
    status: Literal[
        "created", "redirected", "accepted", "executed", "refused", "expired", "reversed",
        "partially_refunded", "refunded", "disputed",
    ]  # fmt: skip
    mode: Literal["test", "live"]
    amount: int
    currency: str
    reference: str
    description: str
    channel: str | None
    channel_reference: str | None
    checkout_url: str
    return_url: str
    fee_amount: int | None
    refunded_amount: int
    metadata: dict[str, str]
    created_at: str
    expires_at: str
    executed_at: str | None
    failure: FailureView | None

    @classmethod
    def of(cls, payment: Payment, base_url: str, now_ms: int) -> "PaymentView":
        """The view at a moment: a payment nobody was sent to pay is expired once its time is over (seals R9)."""
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
    next_cursor: str | None


class RefundView(BaseModel):
    """A refund as its merchant sees it. `failed` means the amount is the merchant's again."""

    id: str
    payment_id: str
    status: Literal["pending", "done", "failed"]
    amount: int
    currency: str
    reason: str
    channel_reference: str | None
    failure_code: str | None
    created_at: str
    decided_at: str | None

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
    next_cursor: str | None = None


def own_payment_id(text: str, merchant_id: str, mode: str) -> PaymentId:
    """A payment id from a path, if it can be the caller's. Raises NotFound: foreign and missing look alike."""
    try:
        id = PaymentId.parse(text)
    except ValueError:
        raise NotFound from None
    if id.book.merchant_id != merchant_id or id.book.mode != mode:
        raise NotFound
    return id
