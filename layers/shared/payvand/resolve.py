"""What became of a payment: ask the channels, book what is certain, fail what is dead.

Three functions share this: the payer's return, the verify queue and the timer. It may run any
number of times, at once, and stop anywhere: every step is a conditional write that a second run
repeats without effect (seals R2–R4, R12). Nothing here decides by silence.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from payvand.calendar import first_open
from payvand.edge import log
from payvand.errors import NotFound, Overtaken, PayvandError
from payvand.ids import PaymentId
from payvand.payment import Failure, Payment, Status, execution
from payvand.psp import Answer, Attempt, Channel, RefundVerdict, Verdict

if TYPE_CHECKING:
    from payvand.edge.wiring import Wiring
    from payvand.store.payments import Seen

BOOK_TRIES: Final = 8
"""Each refusal names a new fact (moved, day closing, another attempt).

More rounds than facts means a fault.
"""
DAY_MS: Final = 86_400_000
EXTRA_KEYS_MAX: Final = 5
"""Days on which a channel is asked anew to refund what it refused; then only a person can help."""
LIFE_MAX_S: Final = 60
"""No function that gives money back lives longer (tests/template)."""
IN_FLIGHT_MAX_S: Final = 40
"""After that, what a function sent before it ended is in the channel's list of refunds, or lost."""
APART_S: Final = LIFE_MAX_S + IN_FLIGHT_MAX_S + 1
"""Between two turns at asking a channel for one refund; the database tells whole seconds.

A channel without refund keys would give the money back to each of two that ask at once.
"""


class TakenByAnother(PayvandError):
    """The channel's receipt already paid another payment: never book it twice."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """The payment as it stands, and the last word of each attempt (None: the winner, not asked)."""

    payment: Payment
    answers: tuple[Answer | None, ...]

    @property
    def unknown(self) -> bool:
        """Whether any attempt's fate is still open."""
        return any(
            a is not None and a.verdict in {Verdict.UNKNOWN, Verdict.PENDING} for a in self.answers
        )


def read(live: "Wiring", id: PaymentId) -> Payment:
    """A money writer's strong read, with clocks compared (seals R5). Raises NotFound, Skewed."""
    return read_at(live, id).payment


def read_at(live: "Wiring", id: PaymentId) -> "Seen":
    """The same, with the database's clock. Raises NotFound, Skewed."""
    seen = live.payments.get(id)
    if seen is None:
        raise NotFound
    live.clock.check(id.book.mode, seen.server_ms)
    return seen


def early_s(seen: "Seen", asked_at_ms: int) -> float:
    """How long until a refund that was last asked for then may be asked for again; 0 is now.

    By the database's clock alone: it is one, hosts differ by minutes, and test books' clocks jump.
    """
    return max(0.0, APART_S - (seen.server_ms - asked_at_ms) / 1000)


def channel_of(live: "Wiring", payment: Payment, name: str) -> Channel:
    """The channel an attempt went to, under its merchant's contract."""
    merchant = live.merchants.get(payment.id.book.merchant_id)
    contract = merchant and merchant.contract(name)
    credentials = contract.credentials if contract else "default"
    return live.channels.get(payment.id.book.mode, name, credentials)


def attempt_of(payment: Payment, index: int) -> Attempt:
    """An attempt as its channel knows it."""
    return Attempt(
        payment.id.text, payment.attempt_key(index), payment.attempts[index].token, payment.money
    )


def resolve(
    live: "Wiring", payment: Payment, *, payer_is_back: bool, within_s: float
) -> Resolution:
    """Ask about every attempt that is not the winner, and write what is certain.

    After `within_s` no further attempt is asked: it stays unknown until the next time.

    While the payer may still be on the way, a dead attempt leaves the payment open for another one.
    """
    answers: list[Answer | None] = []
    until_ms = live.clock.wall_ms() + within_s * 1000
    for index in range(len(payment.attempts)):
        if payment.execution is not None and payment.execution.attempt == index:
            answers.append(None)
            continue
        if (word := payment.attempts[index].over) is not None:
            answers.append(Answer(Verdict(word)))
            continue
        if live.clock.wall_ms() >= until_ms:
            answers.append(Answer(Verdict.UNKNOWN))
            continue
        channel = channel_of(live, payment, payment.attempts[index].channel)
        payment, answer = take(
            live, channel, payment, index, channel.ask(attempt_of(payment, index))
        )
        answers.append(answer)
    payment = end(live, payment, answers, payer_is_back=payer_is_back)
    won = None if payment.execution is None else payment.execution.attempt
    added = range(len(answers), len(payment.attempts))  # by another tab, while we asked
    answers += [None if index == won else Answer(Verdict.UNKNOWN) for index in added]
    return Resolution(payment, tuple(answers))


def take(
    live: "Wiring", channel: Channel, payment: Payment, index: int, answer: Answer
) -> tuple[Payment, Answer | None]:
    """Act on a channel's word about one attempt. A taking that cannot be booked is given back."""
    if answer.verdict is not Verdict.PAID:
        return payment, answer
    if answer.money == payment.money and payment.is_open:
        payment = _book(live, channel, payment, index, answer)
    if payment.execution is not None and payment.execution.attempt == index:
        return payment, None
    return payment, _give_back(live, channel, payment, index, answer)


def _book(
    live: "Wiring", channel: Channel, payment: Payment, index: int, answer: Answer
) -> Payment:
    """Book a verified taking: in the payment's own day if that is open, else as a posting."""
    reference = answer.reference or payment.attempts[index].token
    unique = not channel.binds_reference
    book = payment.id.book
    for _ in range(BOOK_TRIES):
        now = live.clock.now(book.mode)
        today = now.label(book.currency)
        day = payment.id.day
        # A test book's clock can be moved, so its head is read after the payment (seals R5b).
        closing = (
            live.payments.closing(book)
            if payment.moved or day != today or book.mode == "test"
            else None
        )
        in_place = not payment.moved and day == today and (closing is None or closing < day)
        if not in_place:
            day = first_open(today, closing)
        booked = execution(payment, index, reference, answer.card_mask, at_ms=now.ms, day=day)
        try:
            if in_place:
                live.payments.confirm(payment, booked, unique=unique)
            else:
                live.payments.confirm_late(payment, booked, unique=unique)
        except Overtaken as refused:
            payment = read(live, payment.id)
            if not payment.is_open:
                return payment
            if unique and refused.failed and refused.failed[-1] and not any(refused.failed[:-1]):
                raise TakenByAnother(f"{channel.name} receipt of {payment.id}") from None
        else:
            return payment.executed(booked)
    raise Overtaken(f"{payment.id} could not be booked")


def _give_back(
    live: "Wiring", channel: Channel, payment: Payment, index: int, taken: Answer
) -> Answer:
    """Money that cannot be booked (second taking, other amount) goes back to the payer (R12).

    PAID says: the channel has it still, and refuses to give it back for now. PENDING: another
    worker has just asked, and a notice that says so again need not be repeated.
    """
    answer = channel.reverse(attempt_of(payment, index))
    if answer.verdict is Verdict.PAID:  # an explicit no: too late to reverse, so refund
        answer = _refund_extra(live, channel, payment, index, taken)
    if answer.verdict in {Verdict.REVERSED, Verdict.DEAD}:
        log.metric("ExtraTakingsReturned")
    elif answer.verdict is Verdict.PAID:
        log.metric("ExtraTakingsRefused")
    elif answer.verdict is not Verdict.PENDING:
        return Answer(Verdict.UNKNOWN, code=answer.code)
    return answer


def _refund_extra(
    live: "Wiring", channel: Channel, payment: Payment, index: int, taken: Answer
) -> Answer:
    """Refund under a key of the attempt's own, and a further one each day the channel refuses.

    A refusal is final for its key, and often only says that our account there is empty today. A
    key is used when every one before it was explicitly refused, so two never both succeed.
    """
    if not _take_turn(live, payment.id, index):
        return Answer(Verdict.PENDING)
    attempt = attempt_of(payment, index)
    reference, money = taken.reference or attempt.token, taken.money or attempt.money
    age_ms = live.clock.now(payment.id.book.mode).ms - payment.attempts[index].at_ms
    days = max(0, age_ms) // DAY_MS  # another host handed the payer over, maybe by a later clock
    code = None
    for n in range(min(1 + days, EXTRA_KEYS_MAX)):
        key = f"extra-{attempt.attempt_key}" + (f"-{n}" if n else "")
        refund = channel.refund(attempt, reference, money, key, first_try=False)
        if refund.verdict is RefundVerdict.DONE:
            return Answer(Verdict.REVERSED, code=refund.code)
        if refund.verdict is not RefundVerdict.REFUSED:
            return Answer(Verdict.UNKNOWN, code=refund.code)
        code = refund.code
    return Answer(Verdict.PAID, code=code)


def _take_turn(live: "Wiring", id: PaymentId, index: int) -> bool:
    """Whether this worker may ask now; the payment is read anew, a turn begins in this moment."""
    seen = read_at(live, id)
    if early_s(seen, seen.payment.attempts[index].asked_at_ms) > 0:
        return False
    try:
        live.payments.ask_extra(seen.payment, index, seen.server_ms)
    except Overtaken:
        return False
    return True


def end(
    live: "Wiring", payment: Payment, answers: Sequence[Answer | None], *, payer_is_back: bool
) -> Payment:
    """Fail a payment whose every attempt is explicitly dead; close the file of a finished one."""
    given = [a for a in answers if a is not None]
    dead = all(a.verdict in {Verdict.DEAD, Verdict.REVERSED} for a in given)
    if payment.is_open:
        now = live.clock.now(payment.id.book.mode)
        late = now.ms >= payment.expires_at_ms
        given_back = any(a.verdict is Verdict.REVERSED for a in given)
        if not dead or not (late or given_back or (given and payer_is_back)):
            return payment
        payment = _fail(live, payment, given, now.ms, late=late)
    asked_all = len(answers) == len(payment.attempts)  # another tab may have added one meanwhile
    if dead and asked_all and not payment.is_open and not payment.is_finished:
        live.payments.shut(payment)
    return payment


def _fail(
    live: "Wiring", payment: Payment, answers: list[Answer], now_ms: int, *, late: bool
) -> Payment:
    code = next((a.code for a in reversed(answers) if a.code), None)
    if any(a.verdict is Verdict.REVERSED for a in answers):
        status, failure = (
            Status.REVERSED,
            Failure("reversed_by_channel", "The channel gave the money back.", now_ms),
        )
    elif late:
        status, failure = (
            Status.EXPIRED,
            Failure("expired", "The payer did not pay in time.", now_ms),
        )
    else:
        message = (
            f"The payer or the bank refused (channel code {code})."
            if code
            else "The payer or the bank refused."
        )
        status, failure = Status.REFUSED, Failure("refused_by_channel", message, now_ms)
    failed = payment.failed(status, failure)
    try:
        live.payments.fail(failed)
    except Overtaken:
        return read(live, payment.id)
    return failed
