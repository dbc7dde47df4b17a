"""Make a payment: once per reference, whatever is sent again, crashes or races (seals R9)."""

import json
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from functions.payment_init.wish import Wish
from payvand.calendar import ms_into
from payvand.edge.api import Caller, Request
from payvand.errors import BadInput, Conflict, Overtaken, Silence, Unavailable
from payvand.ids import RANDOM_BYTES, Book, PaymentId
from payvand.payment import FIRST_TIMER_S, AttemptRecord, Failure, Payment, Status
from payvand.psp import Channel, Declined, Order
from payvand.psp.registry import limits
from payvand.store.clock import Moment

if TYPE_CHECKING:
    from payvand.edge.wiring import Wiring

OPEN_WITHIN_S: Final = 11
"""After this no further channel is tried: the last one begun ends before the function does."""
ANSWER_WITHIN_S: Final = 30
"""A link answered later could outlive the timer that watches the payment (seals H12)."""


def create(live: "Wiring", request: Request, body: Wish, caller: Caller) -> tuple[Payment, Moment]:
    """The payment of this reference: new, or the one an earlier call made.

    Raises BadInput, Conflict (the reference or key stands for another body), Unavailable.
    """
    started_ms = live.clock.wall_ms()
    now = live.clock.now(caller.mode)
    channels = _wanted(body, caller, body.amount + _surcharge(body, caller, now))
    id, ours = _claim(live, body, caller, now, request.idempotency_key)
    seen = None if ours else live.payments.get(id)
    stored = seen.payment if seen else _store(live, request, body, caller, now, id, channels)
    if live.clock.wall_ms() - started_ms > ANSWER_WITHIN_S * 1000:
        raise Unavailable("too_late", "This took too long. Send it again.", retry_after_s=1)
    return stored, now


def _surcharge(body: Wish, caller: Caller, now: Moment) -> int:
    """The fee on top, where the payer bears it: fixed by the day the payment is made."""
    plan = caller.merchant.fee_plan
    return plan.fee(body.amount, now.label(body.currency)) if plan.bearer == "payer" else 0


def _wanted(body: Wish, caller: Caller, charged_minor: int) -> list[str]:
    """The channels to open, best first; empty means the payer chooses on the hosted page."""
    wanted = [body.channel, *body.fallback_channels] if body.channel else []
    if body.fallback_channels and not body.channel:
        raise BadInput(
            "input_invalid",
            "Some fields are wrong.",
            errors=[("fallback_channels", "needs a channel")],
        )
    contracts = {c.channel for c in caller.merchant.contracts}
    names = list(dict.fromkeys(name for name in wanted if name))
    for name in names:
        if name not in contracts:
            errors = [("channel", f"you have no contract with {name}")]
            raise BadInput("channel_unknown", "There is no such channel for you.", errors=errors)
    fitting = [
        name
        for name in (names or sorted(contracts))
        if _fits(*limits(name, body.currency), charged_minor)
    ]
    if not fitting:
        raise BadInput(
            "amount_out_of_range",
            "No channel takes this amount.",
            errors=[("amount", "no channel takes this amount")],
        )
    return [name for name in names if name in fitting]


def _fits(low: int, high: int, amount: int) -> bool:
    return low <= amount <= high


def _claim(
    live: "Wiring", body: Wish, caller: Caller, now: Moment, key: str | None
) -> tuple[PaymentId, bool]:
    """The payment id of this reference, and whether this very call minted it.

    Its timer is sent before anything is stored (seals R9, H9).
    """
    merchant = caller.merchant
    book = Book(merchant.id, caller.mode, body.currency)
    day = now.label(body.currency)
    entropy = os.urandom(RANDOM_BYTES)
    shard = entropy[0] % merchant.shards_on(day)
    candidate = PaymentId.mint(book, day, ms_into(now.when, day, body.currency), shard, entropy)
    arm(live, candidate, now)
    id = candidate
    if key is not None:
        claim = live.payments.claim_key(id, key, body.digest)
        if claim.body_hash != body.digest:
            raise Conflict(
                "idempotency_key_reused", "This Idempotency-Key was sent with another body."
            )
        id = claim.payment_id
    claim = live.payments.claim(id, body.reference, body.digest)
    if claim.body_hash != body.digest:
        raise Conflict(
            "reference_reused", "This reference already stands for a payment with another body."
        )
    id = claim.payment_id
    if id != candidate:
        arm(live, id, now)
    return id, id == candidate


def arm(live: "Wiring", id: PaymentId, now: Moment) -> None:
    """Send the first timer of a payment."""
    live.queues.timer(live.env["TIMER_QUEUE"], {"payment": id.text}, now, FIRST_TIMER_S)


def _store(
    live: "Wiring",
    request: Request,
    body: Wish,
    caller: Caller,
    now: Moment,
    id: PaymentId,
    channels: list[str],
) -> Payment:
    wished = Payment(
        id=id,
        status=Status.CREATED,
        amount_minor=body.amount,
        reference=body.reference,
        return_url=body.return_url,
        expires_at_ms=now.ms + body.expires_in_s * 1000,
        fee_plan=caller.merchant.fee_plan,
        description=body.description,
        channel=body.channel,
        fallback_channels=body.fallback_channels,
        locale=body.locale or caller.merchant.locale,
        metadata=body.metadata,
        payer=_sealed_payer(live, body, id),
        moved=id.day
        != now.label(body.currency),  # a retry on a later day: its own may be sealed (seals H15)
        surcharge_minor=_surcharge(body, caller, now),
    )
    attempt, failure = _open(live, request, body, caller, wished, now, channels)
    payment = replace(
        wished,
        status=Status.REFUSED if failure else Status.CREATED,
        attempts=() if attempt is None else (attempt,),
        rev=0 if attempt is None else 1,
        failure=failure,
    )
    try:
        live.payments.create(payment)
    except Overtaken:
        seen = live.payments.get(id)
        assert seen is not None
        return seen.payment  # with its own token: ours was handed to nobody
    return payment


def _sealed_payer(live: "Wiring", body: Wish, id: PaymentId) -> bytes | None:
    known: dict[str, Any] = dict(body.payer)
    if body.allowed_cards:
        known["allowed_cards"] = list(body.allowed_cards)
    return live.vault.seal(json.dumps(known).encode(), id.text) if known else None


def _open(
    live: "Wiring",
    request: Request,
    body: Wish,
    caller: Caller,
    payment: Payment,
    now: Moment,
    names: list[str],
) -> tuple[AttemptRecord | None, Failure | None]:
    """Open the first channel that takes the order.

    Raises Unavailable when none took it and one did not answer: that one may take it yet.
    """
    if not names:
        return None, None
    silent, declined = False, ""
    until_ms = live.clock.wall_ms() + OPEN_WITHIN_S * 1000
    for name in names:
        if live.clock.wall_ms() >= until_ms:
            silent = True
            break
        contract = caller.merchant.contract(name)
        assert contract is not None
        channel: Channel = live.channels.get(caller.mode, name, contract.credentials)
        try:
            opened = channel.open(_order(request, body, payment, name))
        except Silence:
            silent = True
            continue
        if isinstance(opened, Declined):
            declined = opened.code
            continue
        return AttemptRecord(name, opened.token, now.ms), None
    if silent:
        raise Unavailable(
            "channel_unavailable", "The channel did not answer. Send it again.", retry_after_s=5
        )
    return None, Failure(
        "declined_by_channel", f"The channel refused the order (code {declined}).", now.ms
    )


def _order(request: Request, body: Wish, payment: Payment, channel: str) -> Order:
    base = f"{request.base_url}/psp/{channel}"
    return Order(
        payment_id=payment.id.text,
        attempt_key=payment.attempt_key(0),
        money=payment.money,
        description=body.description or body.reference,
        return_url=f"{base}/return?payment={payment.id}",
        notice_url=f"{base}/notify?payment={payment.id}",
        locale=body.locale or "fa",
        payer_mobile=body.payer.get("mobile"),
        payer_email=body.payer.get("email"),
        allowed_cards=body.allowed_cards,
    )
