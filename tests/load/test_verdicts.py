"""Each verdict on a load run is silent when all holds, and speaks when one thing was broken."""

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from payvand.payment import RefundState, Status
from payvand.settlement import Lines, PayoutState, with_state
from payvand_cli.load import verdicts
from payvand_cli.load.facts import Facts, Taking, Told
from payvand_cli.load.memory import Growth
from tests.load.planted import AMOUNT, BACK, books, entry, expired, facts, paid_id, wish


def changed(**changes: Any) -> Facts:
    """A rush with other books."""
    return facts(dataclasses.replace(books(), **changes))


def with_payment(**changes: Any) -> Facts:
    """A rush whose executed payment is another."""
    known = dict(books().payments)
    known[paid_id()] = dataclasses.replace(known[paid_id()], **changes)
    return changed(payments=known)


def without(kind: str) -> list[dict[str, Any]]:
    return [each for each in books().entries if each["kind"] != kind]


def with_seal(**changes: Any) -> Facts:
    (last,) = books().seals
    return changed(seals=[dataclasses.replace(last, **changes)])


def facts_of_seal(seal: Any) -> Facts:
    return changed(seals=[seal])


def _sealed(*lines: Any) -> dict[int, bytes]:
    return {1: Lines.of(list(lines), []).to_bytes()}


def _line() -> Any:
    return next(one for one in Lines.from_bytes(books().lines[1]).lines if one.id == paid_id())


def taken(**changes: Any) -> Facts:
    one = facts().takings[0]
    return facts(takings=[dataclasses.replace(one, **changes)])


def second_taking(refunded: int) -> Taking:
    """Another tab paid the executed payment, too."""
    return Taking("noticebank", "nb_1", paid_id(), AMOUNT, "kept", refunded)


def test_a_second_taking_that_was_refunded_whole_is_in_order() -> None:
    found = facts(takings=[*facts().takings, second_taking(refunded=AMOUNT)])
    assert list(verdicts.taken_once(found)) == []


def test_a_rush_in_order_is_silent() -> None:
    found = verdicts.verdicts(facts())
    assert [verdict for verdict in found if verdict.wrong] == []
    assert len(found) == 10
    assert str(found[0]) == "✓ 2 payments, each wished for once, each final"


BROKEN: list[tuple[str, Callable[[Facts], Any], Facts, str]] = [
    # nothing lost
    ("accepted and gone", verdicts.finished, facts(wishes=[wish(expired("Z"))]), "is not there"),
    ("two for one wish", verdicts.finished, facts(wishes=[]), "by nobody"),
    ("open for ever", verdicts.finished, with_payment(status=Status.ACCEPTED), "still accepted"),
    (
        "a refund nobody decides",
        verdicts.finished,
        with_payment(
            refunds={
                "k": dataclasses.replace(
                    books().payments[paid_id()].refunds["k"], state=RefundState.PENDING
                )
            }
        ),
        "undecided refund",
    ),
    ("kept, not executed", verdicts.taken_once, taken(payment=expired("B").id.text), "lost: "),
    ("kept for nobody", verdicts.taken_once, taken(payment="pay_none"), "lost: "),
    ("executed, given back", verdicts.taken_once, taken(state="given back"), "kept 0 times"),
    ("executed, undecided", verdicts.taken_once, taken(state="undecided"), "has not decided"),
    ("another amount", verdicts.taken_once, taken(amount=AMOUNT + 1), "kept 1 times"),
    ("another tab's money", verdicts.taken_once, taken(token="other"), "kept 1 times"),
    ("refund never given", verdicts.taken_once, taken(refunded=0), f"refunded {BACK}"),
    (
        "taken twice, kept twice",
        verdicts.taken_once,
        facts(takings=[*facts().takings, second_taking(refunded=0)]),
        "kept 2 times",
    ),
    (
        "taken twice, the second refunded in part",
        verdicts.taken_once,
        facts(takings=[*facts().takings, second_taking(refunded=AMOUNT - 1)]),
        "kept 2 times",
    ),
    # booked once
    (
        "a posting twice",
        verdicts.booked_once,
        changed(entries=[*books().entries, books().entries[0]]),
        "2 times",
    ),
    ("no posting", verdicts.booked_once, changed(entries=without("payment")), "not booked 1"),
    ("no refund posting", verdicts.booked_once, changed(entries=without("refund")), "refund of"),
    ("no payout posting", verdicts.booked_once, changed(entries=without("payout")), "payout of"),
    (
        "a posting of nothing",
        verdicts.booked_once,
        changed(entries=[*books().entries, entry("payment", "pay_none", {})]),
        "it is not there",
    ),
    # balanced
    (
        "a posting doubled",
        verdicts.balanced,
        changed(entries=[*books().entries, books().entries[0]]),
        "not the sums",
    ),
    (
        "a leg changed",
        verdicts.balanced,
        changed(entries=[entry("payment", paid_id(), {"bank:payout": 1}), *without("payment")]),
        "does not balance",
    ),
    (
        "another balance",
        verdicts.balanced,
        changed(balance={**books().balance, "balance": 7}),
        "the balance is 7",
    ),
    # sealed once
    ("in no seal", verdicts.sealed_once, changed(lines=_sealed()), "in 0 seals"),
    (
        "in two seals",
        verdicts.sealed_once,
        changed(lines={1: books().lines[1], 2: _sealed(_line())[1]}),
        "in 2 seals",
    ),
    ("other lines", verdicts.chained, changed(lines=_sealed(_line())), "not those it was made"),
    ("a chain cut", verdicts.chained, with_seal(previous="0" * 63 + "1"), "does not follow"),
    # paid out once
    ("never at the bank", verdicts.paid_out_once, facts(orders={}), "(None, None) at the bank"),
    (
        "not executed at the bank",
        verdicts.paid_out_once,
        facts_of_seal(with_state(books().seals[0], PayoutState.RETURNED, 1)),
        "at the bank",
    ),
    (
        "paid without a seal",
        verdicts.paid_out_once,
        facts(orders={**facts().orders, "po_other": {"amount": 1, "status": "executed"}}),
        "no seal ordered",
    ),
    # told
    ("a delivery lost", verdicts.told, changed(told=books().told[1:]), "nobody told payment.exec"),
    ("a refund untold", verdicts.told, changed(told=books().told[:1]), "payment.refunded.v1"),
    (
        "a false signature",
        verdicts.told,
        changed(told=[*books().told, Told("payment.executed.v1", paid_id(), signed=False)]),
        "signed wrongly",
    ),
    # queues
    ("a timer left", verdicts.drained, facts(queues={"TimerQueue": 1}), "1 in TimerQueue"),
]


@pytest.mark.parametrize(
    ("check", "found", "said"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN]
)
def test_one_thing_broken_is_said(check: Callable[[Facts], Any], found: Facts, said: str) -> None:
    assert any(said in text for text in check(found)), list(check(found))


def test_one_thing_broken_is_in_the_report() -> None:
    for name, _, found, _ in BROKEN:
        assert any(verdict.wrong for verdict in verdicts.verdicts(found)), name
    (dead,) = [v for v in verdicts.verdicts(facts(dead=["1 in TimerDeadQueue"])) if v.wrong]
    assert str(dead) == "✗ no dead letters\n    1 in TimerDeadQueue"


def test_two_payments_of_one_wish_are_said() -> None:
    double = wish(books().payments[paid_id()])
    double.seen.append("pay_other")
    assert any("made 2 payments" in text for text in verdicts.finished(facts(wishes=[double])))


def test_what_came_back_may_be_called_rejected() -> None:
    (last,) = books().seals
    back = with_state(last, PayoutState.RETURNED, 1)
    for said, right in (("rejected", True), ("returned", True), ("executed", False)):
        order = {str(last.payout_id): {"amount": last.payout_minor, "status": said}}
        of = dataclasses.replace(books(), seals=[back])
        assert (not list(verdicts.paid_out_once(facts(of, orders=order)))) is right


def test_a_payout_at_the_bank_is_told_as_made() -> None:
    def events(state: PayoutState) -> set[str]:
        (last,) = books().seals
        of = dataclasses.replace(books(), seals=[with_state(last, state, 1)])
        return {type_ for type_, _ in verdicts.expected(of) if type_.startswith("payout")}

    assert events(PayoutState.SENT) == {"payout.created.v1"}
    assert events(PayoutState.RETURNED) == {"payout.created.v1", "payout.returned.v1"}


@pytest.mark.parametrize(
    ("status", "code", "right"),
    [(0, "ReadTimeout", False), (500, "internal_error", False), (502, "", False), (504, "", False),
     (503, "channel_unavailable", True), (410, "", True), (409, "x", True)],
)  # fmt: skip
def test_an_answer_that_is_our_fault_is_said(status: int, code: str, right: object) -> None:
    verdict = verdicts.answered({("POST /payments", status, code): 2})
    assert (not verdict.wrong) is right


def test_a_worker_that_grows_is_said() -> None:
    small, large = 50_000.0, 100_000.0
    for median, rose, flat in ((small, 2_048, True), (small, 3_000, False), (large, 4_900, True)):
        assert (not verdicts.flat([Growth("refund", 1, 600.0, median, rose)]).wrong) is flat


def test_a_worker_may_grow_as_far_as_there_is_a_reason_for() -> None:
    for rose, flat in ((8_000, True), (8_400, False)):
        assert (not verdicts.flat([Growth("lab", 1, 600.0, 60_000.0, rose)]).wrong) is flat


def test_that_nothing_was_measured_is_said() -> None:
    assert verdicts.flat([]).wrong


def test_few_are_shown_and_the_others_counted() -> None:
    shown = str(verdicts.Verdict("x", [f"n{n}" for n in range(7)]))
    assert shown.splitlines()[-1] == "    and 2 more"
    assert "n4" in shown and "n5" not in shown
