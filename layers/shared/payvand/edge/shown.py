"""A payment as its merchant sees it, as plain values: views.PaymentView says what each means."""

from typing import Any

from payvand.calendar import rfc3339
from payvand.payment import Payment, Status
from payvand.store.payments import created_at_ms


def payment_fields(payment: Payment, base_url: str, now_ms: int) -> dict[str, Any]:
    """The fields at a moment: a payment nobody was sent to pay expires with its time (seals R9)."""
    x, failure, status = payment.execution, payment.failure, payment.shown_status
    seen = None if failure is None else {"code": failure.code, "message": failure.message}
    if payment.is_open and not payment.attempts and now_ms >= payment.expires_at_ms:
        status = Status.EXPIRED
        seen = {"code": "expired", "message": "The payer did not pay in time."}
    attempt = payment.attempts[x.attempt if x else -1] if payment.attempts else None
    return {
        "id": payment.id.text,
        "status": status.value,
        "mode": payment.id.book.mode,
        "amount": payment.amount_minor,
        "currency": payment.id.book.currency,
        "reference": payment.reference,
        "description": payment.description,
        "channel": attempt.channel if attempt else payment.channel,
        "channel_reference": x.reference if x else None,
        "checkout_url": f"{base_url}/pay/{payment.id}",
        "return_url": payment.return_url,
        "charged_amount": payment.money.amount_minor,
        "fee_amount": x.fee_minor if x else None,
        "refunded_amount": payment.refunded_done_minor,
        "metadata": dict(payment.metadata),
        "created_at": rfc3339(created_at_ms(payment.id)),
        "expires_at": rfc3339(payment.expires_at_ms),
        "executed_at": rfc3339(x.at_ms) if x else None,
        "failure": seen,
    }
