"""Everything we announce. Names carry a version; a change that breaks a reader is a new name."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from payvand.calendar import rfc3339
from payvand.ids import event_id
from payvand.payment import Payment, Refund, RefundState, Status
from payvand.settlement import PayoutState, Seal


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PaymentData(_Strict):
    """Which payment, and how it stands. Amounts in minor units."""

    payment_id: str
    """The payment; ask for it to know more."""
    reference: str
    """Your own name for the payment."""
    status: str
    """Where the payment stands."""
    amount: int
    """What the payer pays, in minor units."""
    currency: str
    """ISO 4217 code of the currency."""
    refunded_amount: int
    """What the payer has certainly been given back, in minor units."""


class RefundData(PaymentData):
    """Which refund of which payment."""

    refund_id: str
    """The refund."""
    refund_amount: int
    """How much this refund gives back, in minor units."""
    refund_status: Literal["done", "failed"]
    """What the channel decided."""


class PayoutData(_Strict):
    """Which payout, and how it stands. Amount in minor units."""

    payout_id: str
    """The payout."""
    status: Literal["new", "sent", "executed", "returned"]
    """Where the payout stands."""
    amount: int
    """What is paid out, in minor units."""
    currency: str
    """ISO 4217 code of the currency."""
    through: str
    """The last settlement day it pays."""
    transfer: str | None = None
    """Which transfer of a payout that is split over several accounts; null for all of it."""


class Event(_Strict):
    """What every event looks like, on the bus and in a webhook's body."""

    id: str
    """Event id, `evt_…`; the same however often it is told. Ids sort by time."""
    type: str
    """What happened; the version is part of the name."""
    timestamp: str
    """When it happened, RFC 3339 UTC."""
    merchant_id: str
    """Whose event it is."""
    mode: Literal["test", "live"]
    """Which books it is in."""
    data: PaymentData | RefundData | PayoutData
    """What it is about."""


class PaymentAccepted(Event):
    """The channel has the order; the money is not certain yet."""

    type: Literal["payment.accepted.v1"] = "payment.accepted.v1"
    data: PaymentData


class PaymentExecuted(Event):
    """The money is certain and booked."""

    type: Literal["payment.executed.v1"] = "payment.executed.v1"
    data: PaymentData


class PaymentRefused(Event):
    """The payer or the bank refused."""

    type: Literal["payment.refused.v1"] = "payment.refused.v1"
    data: PaymentData


class PaymentExpired(Event):
    """The payer did not pay in time."""

    type: Literal["payment.expired.v1"] = "payment.expired.v1"
    data: PaymentData


class PaymentReversed(Event):
    """The channel took the money and gave it back before it was confirmed."""

    type: Literal["payment.reversed.v1"] = "payment.reversed.v1"
    data: PaymentData


class PaymentRefunded(Event):
    """A refund reached the channel for certain."""

    type: Literal["payment.refunded.v1"] = "payment.refunded.v1"
    data: RefundData


class PaymentRefundFailed(Event):
    """The channel refused a refund; the amount is the merchant's again."""

    type: Literal["payment.refund_failed.v1"] = "payment.refund_failed.v1"
    data: RefundData


class PayoutCreated(Event):
    """A settlement ordered a payout."""

    type: Literal["payout.created.v1"] = "payout.created.v1"
    data: PayoutData


class PayoutExecuted(Event):
    """The bank says the payout was executed."""

    type: Literal["payout.executed.v1"] = "payout.executed.v1"
    data: PayoutData


class PayoutReturned(Event):
    """The payout came back; its amount is in the merchant's balance again."""

    type: Literal["payout.returned.v1"] = "payout.returned.v1"
    data: PayoutData


PUBLISHED: tuple[type[Event], ...] = (
    PaymentAccepted, PaymentExecuted, PaymentRefused, PaymentExpired, PaymentReversed,
    PaymentRefunded,
    PaymentRefundFailed, PayoutCreated, PayoutExecuted, PayoutReturned,
)  # fmt: skip
TYPES: tuple[str, ...] = tuple(str(model.model_fields["type"].default) for model in PUBLISHED)

_BY_STATUS: Mapping[Status, type[Event]] = {
    Status.ACCEPTED: PaymentAccepted,
    Status.EXECUTED: PaymentExecuted,
    Status.REFUSED: PaymentRefused,
    Status.EXPIRED: PaymentExpired,
    Status.REVERSED: PaymentReversed,
}
_BY_STATE: Mapping[PayoutState, type[Event]] = {
    PayoutState.NEW: PayoutCreated,
    PayoutState.EXECUTED: PayoutExecuted,
    PayoutState.RETURNED: PayoutReturned,
}


def of_payment(old: Payment | None, new: Payment) -> list[Event]:
    """What happened between two images of a payment."""
    events = []
    if (old is None or old.status is not new.status) and (model := _BY_STATUS.get(new.status)):
        events.append(_make(model, new, _status_at(new), str(new.status), _payment_data(new)))
    for key, refund in new.refunds.items():
        before = old.refunds.get(key) if old is not None else None
        if refund.state is not RefundState.PENDING and (
            before is None or before.state is not refund.state
        ):
            events.append(refund_event(new, refund))
    return events


def refund_event(payment: Payment, refund: Refund) -> Event:
    """The event of a decided refund."""
    data = _payment_data(payment) | {
        "refund_id": refund.refund_id,
        "refund_amount": refund.amount_minor,
        "refund_status": "done" if refund.state is RefundState.DONE else "failed",
    }
    model = PaymentRefunded if refund.state is RefundState.DONE else PaymentRefundFailed
    at_ms = refund.done_at_ms or refund.at_ms
    return _make(model, payment, at_ms, f"{refund.refund_id}.{refund.state}", data)


def of_payout(old: Seal | None, new: Seal) -> list[Event]:
    """What happened between two images of a seal."""
    if old is None:
        return [_of_payout(new, PayoutState.NEW, new.at_ms)] if new.parts else []
    back = [
        n
        for n, (was, now) in enumerate(zip(old.parts, new.parts, strict=True))
        if now.state is PayoutState.RETURNED is not was.state
    ]
    told = [_of_payout(new, PayoutState.RETURNED, new.parts[n].state_at_ms or 0, n) for n in back]
    if new.state is PayoutState.EXECUTED is not old.state:
        told.append(_of_payout(new, PayoutState.EXECUTED, new.state_at_ms or 0))
    return told


def _of_payout(seal: Seal, state: PayoutState, at_ms: int, part: int | None = None) -> Event:
    several = part is not None and len(seal.parts) > 1
    names = [str(seal.payout_id) if part is None else seal.transfer(part), state.value]
    paid = sum(p.amount_minor for p in seal.parts if p.state is not PayoutState.RETURNED)
    amounts = {PayoutState.NEW: seal.payout_minor, PayoutState.EXECUTED: paid}
    made = {
        "id": event_id(at_ms, *names),
        "timestamp": rfc3339(at_ms),
        "merchant_id": seal.book.merchant_id,
        "mode": seal.book.mode,
        "data": {
            "payout_id": str(seal.payout_id),
            "status": state.value,
            "amount": amounts[state] if part is None else seal.parts[part].amount_minor,
            "currency": seal.book.currency,
            "through": seal.through.isoformat(),
            "transfer": names[0] if several else None,
        },
    }
    return _BY_STATE[state].model_validate(made)


def history(payment: Payment, created_at_ms: int) -> list[tuple[int, str, dict[str, Any]]]:
    """What happened to a payment, oldest first, read off the item: (ms, what, details)."""
    rows: list[tuple[int, str, dict[str, Any]]] = [(created_at_ms, "created", {})]
    rows += [(a.at_ms, "redirected", {"channel": a.channel}) for a in payment.attempts]
    if payment.accepted_at_ms is not None:
        rows.append((payment.accepted_at_ms, "accepted", {}))
    if (x := payment.execution) is not None:
        details = {
            "channel": payment.attempts[x.attempt].channel,
            "fee_amount": x.fee_minor,
            "day": x.day.isoformat(),
        }
        rows.append((x.at_ms, "executed", details))
    if (f := payment.failure) is not None:
        rows.append((f.at_ms, str(payment.status), {"code": f.code, "message": f.message}))
    for r in payment.refunds.values():
        rows.append(
            (r.at_ms, "refund_requested", {"refund_id": r.refund_id, "amount": r.amount_minor})
        )
        if r.state is not RefundState.PENDING:
            what = "refunded" if r.state is RefundState.DONE else "refund_failed"
            rows.append(
                (
                    r.done_at_ms or r.at_ms,
                    what,
                    {"refund_id": r.refund_id, "amount": r.amount_minor},
                )
            )
    return sorted(rows, key=lambda row: row[0])


def _status_at(payment: Payment) -> int:
    if payment.execution is not None:
        return payment.execution.at_ms
    if payment.failure is not None:
        return payment.failure.at_ms
    return payment.accepted_at_ms or 0


def _payment_data(payment: Payment) -> dict[str, Any]:
    return {
        "payment_id": payment.id.text,
        "reference": payment.reference,
        "status": str(payment.shown_status),
        "amount": payment.amount_minor,
        "currency": payment.id.book.currency,
        "refunded_amount": payment.refunded_done_minor,
    }


def _make(
    model: type[Event], payment: Payment, at_ms: int, what: str, data: dict[str, Any]
) -> Event:
    return model.model_validate(
        {
            "id": event_id(at_ms, payment.id.text, what),
            "timestamp": rfc3339(at_ms),
            "merchant_id": payment.id.book.merchant_id,
            "mode": payment.id.book.mode,
            "data": data,
        }
    )
