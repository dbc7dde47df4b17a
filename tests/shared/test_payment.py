"""A payment's life, walked at random: what has ended stays ended."""

import dataclasses
import datetime as dt
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from payvand.fee import FeePlan
from payvand.payment import (
    ATTEMPTS_MAX,
    FAILED,
    MOVES,
    OPEN,
    AttemptRecord,
    Failure,
    Payment,
    Refund,
    RefundState,
    Status,
    execution,
)
from tests.shared.samples import AT_MS, DAY, payment

STORED = frozenset(MOVES)
SHOWN_ONLY = frozenset({Status.PARTIALLY_REFUNDED, Status.REFUNDED})


def taken(of: Payment, attempt: int = 0) -> Payment:
    return of.executed(execution(of, attempt, "r1", None, at_ms=AT_MS, day=DAY))


def refund(key: str, amount: int, state: RefundState) -> Refund:
    return Refund(key, f"rfd_{key}", amount, DAY, AT_MS, state)


class Life(RuleBasedStateMachine):
    """Every step the stores can write, taken in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.payment = payment()
        self.ended: Status | None = None

    @rule(channel=st.sampled_from(["zarinpal", "noticebank"]))
    def attempt(self, channel: str) -> None:
        if self.payment.is_open and len(self.payment.attempts) < ATTEMPTS_MAX:
            record = AttemptRecord(channel, f"t{self.payment.rev}", AT_MS)
            self.payment = dataclasses.replace(
                self.payment,
                status=Status.REDIRECTED,
                attempts=(*self.payment.attempts, record),
                rev=self.payment.rev + 1,
            )

    @rule()
    def accept(self) -> None:
        if Status.ACCEPTED in MOVES[self.payment.status] and self.payment.attempts:
            self.payment = dataclasses.replace(
                self.payment, status=Status.ACCEPTED, accepted_at_ms=AT_MS
            )

    @precondition(lambda self: self.payment.attempts)
    @rule(data=st.data())
    def execute(self, data: st.DataObject) -> None:
        index = data.draw(st.integers(0, len(self.payment.attempts) - 1))
        if self.payment.is_open:
            self.payment = taken(self.payment, index)
            return
        with pytest.raises(AssertionError):
            taken(self.payment, index)

    @rule(status=st.sampled_from(sorted(FAILED)))
    def fail(self, status: Status) -> None:
        failure = Failure("x", "", AT_MS)
        if self.payment.is_open:
            self.payment = self.payment.failed(status, failure)
            return
        with pytest.raises(AssertionError):
            self.payment.failed(status, failure)

    @rule()
    def shut(self) -> None:
        if not self.payment.is_open:
            self.payment = dataclasses.replace(self.payment, shut=True)

    @precondition(lambda self: self.payment.status is Status.EXECUTED)
    @rule(amount=st.integers(1, 250_000), state=st.sampled_from(RefundState))
    def refund(self, amount: int, state: RefundState) -> None:
        if amount > self.payment.amount_minor - self.payment.refunded_minor:
            return
        key = f"k{len(self.payment.refunds)}"
        kept = 0 if state is RefundState.FAILED else amount
        self.payment = dataclasses.replace(
            self.payment,
            refunds={**self.payment.refunds, key: refund(key, amount, state)},
            refunded_minor=self.payment.refunded_minor + kept,
        )

    @invariant()
    def terminal_stays_terminal(self) -> None:
        if self.ended is not None:
            assert self.payment.status is self.ended
        elif not self.payment.is_open:
            self.ended = self.payment.status

    @invariant()
    def the_status_is_one_that_is_stored(self) -> None:
        assert self.payment.status in STORED
        assert self.payment.is_open == (self.payment.status in OPEN)
        assert (self.payment.execution is not None) == (self.payment.status is Status.EXECUTED)
        assert (self.payment.failure is not None) == (self.payment.status in FAILED)

    @invariant()
    def merchants_see_what_was_given_back(self) -> None:
        done = self.payment.refunded_done_minor
        shown = self.payment.shown_status
        if self.payment.status is not Status.EXECUTED:
            assert shown is self.payment.status
        else:
            assert (shown is Status.EXECUTED) == (done == 0)
            assert (shown is Status.REFUNDED) == (done == self.payment.amount_minor)
        assert done <= self.payment.refunded_minor <= self.payment.amount_minor

    @invariant()
    def finished_means_nothing_can_come(self) -> None:
        rivals = len(self.payment.attempts) > 1 and not self.payment.shut
        assert self.payment.is_finished == (not self.payment.is_open and not rivals)


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=60, stateful_step_count=15, deadline=None)


def test_nothing_leaves_an_ending_and_nothing_returns_to_the_start() -> None:
    assert MOVES[Status.EXECUTED] == frozenset()
    assert all(MOVES[status] == frozenset() for status in FAILED)
    assert all(Status.CREATED not in after for after in MOVES.values())
    assert OPEN | FAILED | {Status.EXECUTED} == STORED


def test_statuses_that_are_only_shown_are_never_stored() -> None:
    for status in SHOWN_ONLY | {Status.DISPUTED}:
        assert status not in STORED


@pytest.mark.parametrize("start", sorted(STORED))
@pytest.mark.parametrize("to", sorted(Status))
def test_a_step_is_one_of_the_table_or_a_fault(start: Status, to: Status) -> None:
    before = payment("zarinpal", status=start)
    if to in MOVES[start]:
        assert before._move(to).status is to
    else:
        with pytest.raises(AssertionError):
            before._move(to)


def test_a_failure_is_not_an_execution() -> None:
    with pytest.raises(AssertionError):
        payment("zarinpal").failed(Status.EXECUTED, Failure("x", "", 1))


def test_the_status_shown_is_read_off_the_refunds() -> None:
    done = taken(payment("zarinpal"))

    def shown(*refunds: Refund) -> Status:
        return dataclasses.replace(done, refunds={r.key: r for r in refunds}).shown_status

    part = refund("a", 100_000, RefundState.DONE)
    rest = refund("b", 150_000, RefundState.DONE)
    waits = refund("b", 150_000, RefundState.PENDING)
    refused = refund("b", 150_000, RefundState.FAILED)
    assert shown() is Status.EXECUTED
    assert shown(waits) is Status.EXECUTED
    assert shown(refused) is Status.EXECUTED
    assert shown(part, waits) is Status.PARTIALLY_REFUNDED
    assert shown(part, refused) is Status.PARTIALLY_REFUNDED
    assert shown(part, rest) is Status.REFUNDED
    assert dataclasses.replace(done, refunds={"b": waits}).pending_refunds == (waits,)


@pytest.mark.parametrize(
    ("channels", "shut", "finished"),
    [
        ([], False, True),
        (["zarinpal"], False, True),
        (["zarinpal", "noticebank"], False, False),
        (["zarinpal", "noticebank"], True, True),
    ],
)
def test_a_payment_with_rivals_is_finished_when_they_are_shut(
    channels: list[str],
    shut: bool,  # noqa: FBT001
    finished: bool,  # noqa: FBT001
) -> None:
    opened = payment(*channels, shut=shut)
    assert not opened.is_finished
    assert opened.failed(Status.EXPIRED, Failure("x", "", 1)).is_finished is finished


def test_attempts_of_a_payment_have_names_of_their_own() -> None:
    one = payment("zarinpal", "noticebank")
    names = [one.attempt_key(n) for n in range(2)]
    assert len(set(names)) == 2
    assert all(len(name) <= 32 and name.startswith(one.id.text[4:]) for name in names)


def test_a_booking_takes_the_fee_of_its_day() -> None:
    trial = payment("zarinpal", fee_plan=FeePlan(trial_until=DAY))
    next_day = DAY + dt.timedelta(1)
    fees: list[Any] = [
        execution(trial, 0, "r", None, at_ms=1, day=day).fee_minor for day in (DAY, next_day)
    ]
    assert fees == [0, 2_500]
