"""Events: one for each thing that happened, under an id that follows from it."""

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payvand.calendar import rfc3339
from payvand.events import (
    PUBLISHED,
    TYPES,
    Event,
    PaymentData,
    PayoutData,
    PayoutExecuted,
    PayoutReturned,
    RefundData,
    history,
    of_payment,
    of_payout,
)
from payvand.merchant import Payee
from payvand.payment import (
    FAILED,
    MOVES,
    Failure,
    Payment,
    Refund,
    RefundState,
    Status,
    execution,
)
from payvand.settlement import (
    Line,
    Lines,
    PayoutState,
    Seal,
    Terms,
    seal,
    with_part,
    with_state,
)
from tests.shared.samples import AT_MS, BOOK, DAY, payment
from tests.shared.test_settlement import line

ANNOUNCED = {Status.ACCEPTED, Status.EXECUTED} | FAILED


def at(status: Status, ms: int = AT_MS, **changes: Any) -> Payment:
    """A payment that reached a status at a moment."""
    one = payment("zarinpal", **changes)
    match status:
        case Status.CREATED:
            return payment(**changes)
        case Status.REDIRECTED:
            return one
        case Status.ACCEPTED:
            return dataclasses.replace(one, status=status, accepted_at_ms=ms)
        case Status.EXECUTED:
            return one.executed(execution(one, 0, "r1", None, at_ms=ms, day=DAY))
    return one.failed(status, Failure("code", "text", ms))


def refunded(of: Payment, *refunds: Refund) -> Payment:
    kept = {**of.refunds, **{r.key: r for r in refunds}}
    return dataclasses.replace(of, refunds=kept)


def refund(
    key: str, state: RefundState, amount: int = 100_000, done_at_ms: int | None = None
) -> Refund:
    return Refund(key, f"rfd_{key}", amount, DAY, AT_MS, state, done_at_ms=done_at_ms)


@pytest.mark.parametrize("old", [None, *MOVES])
@pytest.mark.parametrize("new", MOVES)
def test_a_step_is_told_once_and_standing_still_is_not(old: Status | None, new: Status) -> None:
    before = None if old is None else at(old)
    events = of_payment(before, at(new))
    if new is old or new not in ANNOUNCED:
        assert events == []
        return
    (event,) = events
    assert event.type == f"payment.{new}.v1"
    assert event.timestamp == rfc3339(AT_MS)
    assert (event.merchant_id, event.mode) == (BOOK.merchant_id, "test")
    assert event.data == PaymentData(
        payment_id=at(new).id.text,
        reference="order-1",
        status=str(new),
        amount=250_000,
        currency="IRR",
        refunded_amount=0,
    )


@given(
    st.sampled_from(sorted(ANNOUNCED)),
    st.integers(0, 1 << 41),
    st.integers(0, 1 << 41),
    st.sampled_from(sorted(MOVES)),
)
def test_an_event_s_id_follows_from_what_happened_and_sorts_by_time(
    status: Status, one_ms: int, other_ms: int, old: Status
) -> None:
    if old is status:
        return
    (one,) = of_payment(at(old), at(status, one_ms))
    (again,) = of_payment(None, at(status, one_ms, shut=True, moved=True))
    (other,) = of_payment(at(old), at(status, other_ms))
    assert one.id == again.id
    assert one.id.startswith("evt_")
    assert (one.id < other.id) == (one_ms < other_ms)


def test_other_changes_of_a_payment_are_nobody_s_news() -> None:
    done = at(Status.EXECUTED)
    for change in ({"shut": True}, {"moved": True}, {"rev": 5}, {"refunded_minor": 5}):
        assert of_payment(done, dataclasses.replace(done, **change)) == []


@pytest.mark.parametrize("state", [RefundState.DONE, RefundState.FAILED])
def test_a_refund_is_told_once_when_it_is_decided(state: RefundState) -> None:
    executed = at(Status.EXECUTED)
    pending = refunded(executed, refund("a", RefundState.PENDING))
    decided = refunded(executed, refund("a", state, done_at_ms=AT_MS + 5))
    assert of_payment(executed, pending) == []
    (event,) = of_payment(pending, decided)
    assert of_payment(executed, decided) == [event], "an image may be skipped"
    assert of_payment(decided, decided) == []
    name = "refunded" if state is RefundState.DONE else "refund_failed"
    assert event.type == f"payment.{name}.v1"
    assert event.timestamp == rfc3339(AT_MS + 5)
    assert isinstance(event.data, RefundData)
    assert event.data.refund_id == "rfd_a"
    assert event.data.refund_amount == 100_000
    assert event.data.refund_status == ("done" if state is RefundState.DONE else "failed")
    given_back = 100_000 if state is RefundState.DONE else 0
    assert event.data.refunded_amount == given_back
    assert event.data.status == ("partially_refunded" if given_back else "executed")


def test_two_refunds_decided_in_one_image_are_two_events() -> None:
    executed = at(Status.EXECUTED)
    decided = refunded(executed, refund("a", RefundState.DONE), refund("b", RefundState.FAILED))
    found = of_payment(refunded(executed, refund("a", RefundState.PENDING)), decided)
    assert [e.type for e in found] == ["payment.refunded.v1", "payment.refund_failed.v1"]
    assert len({e.id for e in found}) == 2
    more = refunded(decided, refund("c", RefundState.DONE))
    (event,) = of_payment(decided, more)
    assert isinstance(event.data, RefundData)
    assert event.data.refund_id == "rfd_c"


def test_executed_and_refunded_in_one_image_are_both_told() -> None:
    both = refunded(at(Status.EXECUTED), refund("a", RefundState.DONE, 250_000))
    assert [e.type for e in of_payment(None, both)] == [
        "payment.executed.v1",
        "payment.refunded.v1",
    ]


def sealed(gain: int = 300, other: int = 0) -> Seal:
    lines = Lines.of([line("pay_1", gain)] if gain else list[Line](), [])
    payees = (Payee(b"x", "1234", "n"), Payee(b"y", "5678", "m", amount_minor=other))
    return seal(BOOK, None, (DAY, DAY), lines, Terms(payees), at_ms=AT_MS)


@pytest.mark.parametrize("old", [None, *PayoutState])
@pytest.mark.parametrize("new", PayoutState)
def test_a_payout_s_states_are_told_once(old: PayoutState | None, new: PayoutState) -> None:
    def image(state: PayoutState | None) -> Seal | None:
        if state is None:
            return None
        return sealed() if state is PayoutState.NEW else with_state(sealed(), state, AT_MS + 9)

    after = image(new)
    assert after is not None
    events = of_payout(image(old), after)
    if old is None:
        new = PayoutState.NEW  # a seal is written with a payout that is new, or with none
    elif new in {old, PayoutState.SENT, PayoutState.NEW}:
        assert events == []
        return
    (event,) = events
    told = {"new": "created"}.get(new.value, new.value)
    assert event.type == f"payout.{told}.v1"
    assert event.timestamp == rfc3339(AT_MS + (0 if new is PayoutState.NEW else 9))
    assert event.data == PayoutData(
        payout_id=str(after.payout_id),
        status=new.value,
        amount=300,
        currency="IRR",
        through=DAY.isoformat(),
    )


def test_each_part_that_comes_back_is_told_by_its_own_name() -> None:
    sent = with_state(sealed(300, 100), PayoutState.SENT, AT_MS + 1)
    one = with_part(sent, 1, PayoutState.RETURNED, AT_MS + 2)
    paid = with_part(one, 0, PayoutState.EXECUTED, AT_MS + 3)
    (back,) = of_payout(sent, one)
    assert isinstance(back, PayoutReturned)
    assert (back.data.amount, back.data.transfer) == (100, f"{sent.payout_id}-2")
    (executed,) = of_payout(one, paid)
    assert isinstance(executed, PayoutExecuted)
    assert (executed.data.amount, executed.data.transfer) == (200, None)
    other = with_part(sent, 0, PayoutState.RETURNED, AT_MS + 2)
    assert of_payout(sent, other)[0].id != back.id


def test_a_seal_without_a_payout_is_nobody_s_news() -> None:
    assert of_payout(None, sealed(0)) == []


def test_every_type_is_published_once_with_its_version() -> None:
    assert len(set(TYPES)) == len(PUBLISHED)
    assert all(name.endswith(".v1") for name in TYPES)
    assert set(Event.__subclasses__()) == set(PUBLISHED)


def test_nothing_more_than_its_fields_fits_into_an_event() -> None:
    (event,) = of_payment(None, at(Status.EXECUTED))
    told = event.model_dump()
    with pytest.raises(ValueError, match="extra"):
        type(event).model_validate(told | {"card": "6037"})


@pytest.mark.parametrize(
    ("ms", "text"),
    [(0, "1970-01-01T00:00:00.000Z"), (1_777_883_400_007, "2026-05-04T08:30:00.007Z")],
)
def test_moments_are_written_in_utc_to_the_millisecond(ms: int, text: str) -> None:
    assert rfc3339(ms) == text


@given(st.integers(0, 1 << 41))
def test_no_millisecond_is_lost(ms: int) -> None:
    assert rfc3339(ms).endswith(f".{ms % 1000:03d}Z")


def test_a_history_is_told_oldest_first() -> None:
    executed = dataclasses.replace(at(Status.EXECUTED, AT_MS + 20), accepted_at_ms=AT_MS + 10)
    whole = refunded(
        executed,
        dataclasses.replace(refund("a", RefundState.DONE, done_at_ms=AT_MS + 40), at_ms=AT_MS + 30),
        dataclasses.replace(refund("b", RefundState.PENDING), at_ms=AT_MS + 50),
    )
    rows = history(whole, AT_MS - 10)
    assert [what for _, what, _ in rows] == [
        "created", "redirected", "accepted", "executed", "refund_requested", "refunded",
        "refund_requested",
    ]  # fmt: skip
    assert [ms for ms, _, _ in rows] == sorted(ms for ms, _, _ in rows)
    failed = history(at(Status.REFUSED), AT_MS - 10)
    assert failed[-1][1:] == ("refused", {"code": "code", "message": "text"})
