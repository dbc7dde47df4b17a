"""Resolving: only certain words move a payment, and money that is not booked goes back.

Channels answer what a test tells them; payments and books are the product's own, on real tables.
"""

import dataclasses
import json
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest

from payvand.edge import log
from payvand.errors import NotFound, Silence
from payvand.ids import Book, PaymentId
from payvand.money import Money
from payvand.payment import AttemptRecord, Payment, Status
from payvand.psp import Answer, Attempt, Channel, RefundAnswer, RefundVerdict, Verdict
from payvand.resolve import (
    APART_S,
    EXTRA_KEYS_MAX,
    Resolution,
    TakenByAnother,
    end,
    read,
    resolve,
    take,
)
from tests.shared.samples import payment as sample
from tests.support.merchant import create
from tests.support.world import MERCHANT, World, check_books, running_world

PAID, PENDING, DEAD, REVERSED, UNKNOWN = (
    Verdict.PAID,
    Verdict.PENDING,
    Verdict.DEAD,
    Verdict.REVERSED,
    Verdict.UNKNOWN,
)


class Scripted:
    """A channel that says, per attempt, what it is told; the last word of a list for ever."""

    def __init__(self, name: str, *, binds_reference: bool) -> None:
        self.name = name
        self.binds_reference = binds_reference
        self.verify_within_s = 1_800
        self.says: dict[str, list[Answer]] = {}
        self.reverses: Answer = Answer(REVERSED)
        self.refunds = RefundAnswer(RefundVerdict.DONE)
        self.asked: list[str] = []
        self.reversed: list[str] = []
        self.refunded: list[tuple[str, str, Money, str, bool]] = []
        self.meanwhile: Callable[[], object] = lambda: None

    def ask(self, attempt: Attempt) -> Answer:
        self.asked.append(attempt.token)
        answers = self.says[attempt.token]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        self.meanwhile()
        return answer

    def reverse(self, attempt: Attempt) -> Answer:
        self.reversed.append(attempt.token)
        return self.reverses

    def refund(
        self,
        attempt: Attempt,
        reference: str,
        money: Money,
        refund_key: str,
        first_try: bool,  # noqa: FBT001
    ) -> RefundAnswer:
        self.refunded.append((attempt.token, reference, money, refund_key, first_try))
        return self.refunds


class Scene:
    """A world with a merchant, two scripted channels, and payments handed to them."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.keys = world.add_merchant()
        self.channels = {
            "zarinpal": Scripted("zarinpal", binds_reference=True),
            "noticebank": Scripted("noticebank", binds_reference=False),
        }
        self.wall_s = 0.0
        world.live.__dict__["channels"] = self
        self._made = 0

    def get(self, mode: str, name: str, credentials: str) -> Scripted:
        assert mode in {"test", "live"}
        assert credentials == "default"
        return self.channels[name]

    def opened(self, *channels: str, mode: str = "test", **changes: Any) -> Payment:
        """A payment with an attempt at each channel, under tokens t0, t1 and so on."""
        self._made += 1
        reference = f"order-{self._made}"
        key = self.keys[mode]  # type: ignore[index]
        made = create(self.world, key, reference=reference, **changes)
        for channel in channels:
            self.hand(made["id"], channel)
        return self.world.payment(made["id"])

    def hand(self, id: str, channel: str) -> None:
        """The payer is sent to a channel."""
        payment = self.world.payment(id)
        record = AttemptRecord(channel, f"t{len(payment.attempts)}", self.now_ms)
        self.world.books[0].add_attempt(payment, record)

    @property
    def now_ms(self) -> int:
        return int(self.world.now.timestamp() * 1000)

    def says(self, payment: Payment, *answers: Answer | list[Answer]) -> None:
        """What the channels will say about each attempt."""
        for attempt, answer in zip(payment.attempts, answers, strict=False):
            heard = answer if isinstance(answer, list) else [answer]
            self.channels[attempt.channel].says[attempt.token] = heard

    def resolve(
        self, payment: Payment, *, payer_is_back: bool = True, within_s: float = 60
    ) -> Resolution:
        return resolve(self.world.live, payment, payer_is_back=payer_is_back, within_s=within_s)

    def stored(self, payment: Payment) -> Payment:
        return self.world.payment(payment.id.text)

    @property
    def taken_back(self) -> list[str]:
        return [token for channel in self.channels.values() for token in channel.reversed]


@pytest.fixture
def scene() -> Iterator[Scene]:
    with running_world() as world:
        yield Scene(world)
        check_books(world)


def paid(amount: int = 250_000, reference: str | None = "r1", currency: str = "IRR") -> Answer:
    return Answer(PAID, Money(amount, currency), reference)


# ── certain and uncertain words ───────────────────────────────────────────────────────────────


def test_a_taking_is_booked_with_the_channel_s_receipt(scene: Scene) -> None:
    payment = scene.opened("zarinpal")
    scene.says(payment, dataclasses.replace(paid(), card_mask="603799******1234"))
    found = scene.resolve(payment)
    execution = scene.stored(payment).execution
    assert execution is not None
    assert found.payment.execution == execution
    assert (execution.reference, execution.card_mask) == ("r1", "603799******1234")
    assert (execution.fee_minor, execution.day) == (2_500, payment.id.day)
    assert found.answers == (None,)
    assert not found.unknown


def test_a_taking_without_a_receipt_is_booked_under_its_token(scene: Scene) -> None:
    payment = scene.opened("zarinpal")
    scene.says(payment, paid(reference=None))
    execution = scene.resolve(payment).payment.execution
    assert execution is not None
    assert execution.reference == "t0"


@pytest.mark.parametrize("verdict", [UNKNOWN, PENDING])
@pytest.mark.parametrize("payer_is_back", [True, False])
@pytest.mark.parametrize("late", [True, False])
def test_an_uncertain_word_moves_nothing_ever(
    scene: Scene,
    verdict: Verdict,
    payer_is_back: bool,  # noqa: FBT001
    late: bool,  # noqa: FBT001
) -> None:
    payment = scene.opened("zarinpal", "noticebank")
    if late:
        scene.world.later(hours=20)
    for answers in ((Answer(verdict), Answer(DEAD)), (Answer(REVERSED), Answer(verdict))):
        scene.says(payment, *answers)
        found = scene.resolve(payment, payer_is_back=payer_is_back)
        assert found.unknown
        assert scene.stored(payment) == payment == found.payment
    assert scene.taken_back == []


@pytest.mark.parametrize(
    ("money", "given"),
    [
        (Money(249_999, "IRR"), Money(249_999, "IRR")),
        (Money(250_001, "IRR"), Money(250_001, "IRR")),
        (Money(2_500_000, "IRR"), Money(2_500_000, "IRR")),
        (Money(25_000, "IRR"), Money(25_000, "IRR")),  # tomans
        (Money(250_000, "TRY"), Money(250_000, "TRY")),
        (None, Money(250_000, "IRR")),
    ],
)
@pytest.mark.parametrize("by_refund", [False, True])
def test_another_amount_is_never_booked_and_goes_back(
    scene: Scene,
    money: Money | None,
    given: Money,
    by_refund: bool,  # noqa: FBT001
) -> None:
    payment = scene.opened("zarinpal")
    channel = scene.channels["zarinpal"]
    scene.says(payment, Answer(PAID, money, "r1"))
    if by_refund:
        channel.reverses = Answer(PAID)
    found = scene.resolve(payment, payer_is_back=False)
    assert channel.reversed == ["t0"]
    key = f"extra-{payment.attempt_key(0)}"
    assert channel.refunded == ([("t0", "r1", given, key, False)] if by_refund else [])
    assert found.payment.status is scene.stored(payment).status is Status.REVERSED
    assert scene.stored(payment).execution is None


def test_what_could_not_be_given_back_is_asked_again(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    payment = scene.opened("zarinpal")
    channel = scene.channels["zarinpal"]
    scene.says(payment, paid(1))
    channel.reverses = Answer(UNKNOWN, code="silence")
    counted: list[str] = []
    monkeypatch.setattr(log, "metric", counted.append)
    assert scene.resolve(payment).answers == (Answer(UNKNOWN, code="silence"),)
    channel.reverses = Answer(PAID, code="too late")
    for verdict in (RefundVerdict.PENDING, RefundVerdict.UNKNOWN):
        channel.refunds = RefundAnswer(verdict)
        assert scene.resolve(payment).unknown
        assert scene.stored(payment).status is Status.REDIRECTED
        scene.world.later(seconds=APART_S)
    assert counted == []
    channel.refunds = RefundAnswer(RefundVerdict.DONE)
    assert scene.resolve(payment).payment.status is Status.REVERSED
    assert counted == ["ExtraTakingsReturned"]
    assert len({key for *_, key, _ in channel.refunded}) == 1, "the same refund every time"


def extra(scene: Scene) -> tuple[Payment, Scripted]:
    """A taking of a wrong amount that is too old to be reversed; its refund is undecided."""
    payment = scene.opened("zarinpal")
    channel = scene.channels["zarinpal"]
    scene.says(payment, paid(1))
    channel.reverses = Answer(PAID, code="too late")
    channel.refunds = RefundAnswer(RefundVerdict.PENDING)
    return payment, channel


@pytest.mark.parametrize("skew_s", [0, 600, -600])
def test_two_questions_about_one_refund_are_apart_by_the_database_s_clock(
    scene: Scene, skew_s: int
) -> None:
    """A channel without refund keys would give back twice; hosts' clocks tell nothing of that."""
    payment, channel = extra(scene)
    for later_s, asked in ((0, 1), (0, 1), (APART_S - 1, 1), (1, 2), (1, 2), (APART_S, 3)):
        scene.world.later(seconds=later_s + skew_s)
        scene.world.server_skew_s -= skew_s
        before = len(channel.refunded)
        (answer,) = scene.resolve(payment).answers
        assert len(channel.refunded) == asked
        assert answer is not None
        assert answer.verdict is (PENDING if asked == before else UNKNOWN)


def test_two_workers_in_one_moment_ask_once(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    payment, channel = extra(scene)
    books = scene.world.live.payments
    real = books.ask_extra

    def overtaken(*turn: Any) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(books, "ask_extra", real)
            scene.resolve(payment)
        real(*turn)

    monkeypatch.setattr(books, "ask_extra", overtaken)
    assert scene.resolve(payment).unknown
    assert len(channel.refunded) == 1


def test_a_turn_belongs_to_one_attempt(scene: Scene) -> None:
    """Two rivals of a booked payment go back in the same moment."""
    payment = scene.opened("zarinpal", "zarinpal", "zarinpal")
    scene.says(payment, paid(), paid(), paid())
    channel = scene.channels["zarinpal"]
    channel.reverses = Answer(PAID, code="too late")
    scene.resolve(payment)
    assert [token for token, *_ in channel.refunded] == ["t1", "t2"]
    assert scene.stored(payment).shut


def test_a_refused_refund_is_asked_anew_each_day_and_a_person_is_called(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    payment = scene.opened("zarinpal")
    channel = scene.channels["zarinpal"]
    scene.says(payment, Answer(PAID, Money(1, "IRR"), "r1"))
    channel.reverses = Answer(PAID, code="too late")
    channel.refunds = RefundAnswer(RefundVerdict.REFUSED, code="no funds")
    counted: list[str] = []
    monkeypatch.setattr(log, "metric", counted.append)
    key = f"extra-{payment.attempt_key(0)}"
    keys = [key, *(f"{key}-{n}" for n in range(1, EXTRA_KEYS_MAX))]
    for day in range(EXTRA_KEYS_MAX + 2):
        channel.refunded.clear()
        found = scene.resolve(payment)
        assert found.answers == (Answer(PAID, code="no funds"),)
        assert not found.unknown, "nothing to be told again soon"
        assert [key for *_, key, _ in channel.refunded] == keys[: day + 1]
        assert scene.stored(payment).status is Status.REDIRECTED
        scene.world.later(hours=24)
    assert counted == ["ExtraTakingsRefused"] * (EXTRA_KEYS_MAX + 2)
    channel.refunds = RefundAnswer(RefundVerdict.DONE)
    assert scene.resolve(payment).payment.status is Status.REVERSED


def test_a_further_key_is_not_used_while_the_fate_of_one_is_open(scene: Scene) -> None:
    payment = scene.opened("zarinpal")
    channel = scene.channels["zarinpal"]
    scene.says(payment, Answer(PAID, Money(1, "IRR"), "r1"))
    channel.reverses = Answer(PAID)
    scene.world.later(hours=72)
    for verdict in (RefundVerdict.UNKNOWN, RefundVerdict.PENDING):
        channel.refunds = RefundAnswer(verdict)
        channel.refunded.clear()
        assert scene.resolve(payment).unknown
        assert len(channel.refunded) == 1
        scene.world.later(seconds=APART_S)


# ── the end of a payment ──────────────────────────────────────────────────────────────────────

RULES = [
    # payer is back, past expiry, words, becomes
    (False, False, [DEAD], Status.REDIRECTED),
    (True, False, [DEAD], Status.REFUSED),
    (False, True, [DEAD], Status.EXPIRED),
    (True, True, [DEAD], Status.EXPIRED),
    (False, False, [REVERSED], Status.REVERSED),
    (True, True, [REVERSED], Status.REVERSED),
    (False, False, [DEAD, DEAD], Status.REDIRECTED),
    (True, False, [DEAD, DEAD], Status.REFUSED),
    (False, False, [DEAD, REVERSED], Status.REVERSED),
    (True, True, [DEAD, UNKNOWN], Status.REDIRECTED),
    (False, False, [], Status.CREATED),
    (True, False, [], Status.CREATED),
    (False, True, [], Status.EXPIRED),
]


@pytest.mark.parametrize(("back", "late", "words", "becomes"), RULES)
def test_when_a_payment_ends_without_money(
    scene: Scene,
    back: bool,  # noqa: FBT001
    late: bool,  # noqa: FBT001
    words: list[Verdict],
    becomes: Status,
) -> None:
    payment = scene.opened(*["zarinpal"] * len(words))
    scene.says(payment, *[Answer(word, code="51") for word in words])
    if late:
        scene.world.later(hours=1)
    found = scene.resolve(payment, payer_is_back=back).payment
    assert found.status is scene.stored(payment).status is becomes
    if found.is_open:
        return
    assert found.failure is not None
    assert (
        found.failure.code
        == {
            Status.REFUSED: "refused_by_channel",
            Status.EXPIRED: "expired",
            Status.REVERSED: "reversed_by_channel",
        }[becomes]
    )
    assert ("51" in found.failure.message) == (becomes is Status.REFUSED)
    assert scene.stored(payment).is_finished


def test_a_payment_that_ended_is_only_shut(scene: Scene) -> None:
    payment = scene.opened("zarinpal", "noticebank")
    scene.says(payment, Answer(DEAD), Answer(DEAD))
    scene.resolve(payment)
    before = scene.stored(payment)
    assert before.shut
    scene.world.later(hours=1)
    end(scene.world.live, before, [Answer(DEAD), Answer(DEAD)], payer_is_back=True)
    assert scene.stored(payment) == before


# ── rivals ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("order", [("zarinpal", "noticebank"), ("noticebank", "zarinpal")])
@pytest.mark.parametrize("refuses", [False, True])
def test_of_two_takings_one_is_booked_and_the_other_given_back(
    scene: Scene,
    order: tuple[str, str],
    refuses: bool,  # noqa: FBT001
) -> None:
    payment = scene.opened(*order)
    scene.says(payment, paid(reference="r1"), paid(reference="r2"))
    loser = scene.channels[order[1]]
    if refuses:
        loser.reverses = Answer(PAID)
    found = scene.resolve(payment)
    stored = scene.stored(payment)
    assert stored.execution is not None
    assert stored.execution.attempt == 0
    assert scene.taken_back == ["t1"]
    key = f"extra-{payment.attempt_key(1)}"
    assert loser.refunded == ([("t1", "r2", payment.money, key, False)] if refuses else [])
    assert found.answers[0] is None
    assert stored.shut
    assert stored.is_finished


def test_a_rival_is_given_back_after_the_payment_was_booked_or_ended(scene: Scene) -> None:
    for first in (paid(), Answer(DEAD)):
        payment = scene.opened("zarinpal", "zarinpal")
        scene.says(payment, first, [Answer(DEAD if first.verdict is DEAD else UNKNOWN), paid()])
        scene.resolve(payment)
        stored = scene.stored(payment)
        assert not stored.is_open
        scene.channels["zarinpal"].reversed.clear()
        scene.resolve(stored)
        assert scene.taken_back == ["t1"]
        assert scene.stored(payment).is_finished


def test_the_winner_is_not_asked_again(scene: Scene) -> None:
    payment = scene.opened("zarinpal", "noticebank")
    scene.says(payment, paid(), Answer(UNKNOWN))
    scene.resolve(payment)
    scene.channels["zarinpal"].asked.clear()
    found = scene.resolve(scene.stored(payment))
    assert scene.channels["zarinpal"].asked == []
    assert found.answers == (None, Answer(UNKNOWN))
    assert not scene.stored(payment).is_finished, "its rival may still take money"


def test_two_workers_with_the_same_news_book_once_and_give_nothing_back(scene: Scene) -> None:
    payment = scene.opened("zarinpal")
    scene.says(payment, paid())
    one, other = scene.resolve(payment), scene.resolve(payment)
    assert one.payment.execution == other.payment.execution
    assert scene.taken_back == []


@pytest.mark.parametrize("words", [[paid()], [Answer(DEAD)], [Answer(DEAD), paid()]])
def test_a_rival_opened_meanwhile_is_never_taken_for_dead(
    scene: Scene, words: list[Answer]
) -> None:
    """While we ask, the payer opens two more tabs and pays in one: both stay to be asked."""
    payment = scene.opened(*["zarinpal"] * len(words))
    channel = scene.channels["zarinpal"]
    scene.says(payment, *words)

    def two_more_tabs() -> None:
        channel.meanwhile = lambda: None
        scene.hand(payment.id.text, "zarinpal")
        scene.hand(payment.id.text, "zarinpal")
        if words == [Answer(DEAD)]:
            found = paid(reference="r2")
            scene.says(scene.stored(payment), Answer(DEAD), found, Answer(UNKNOWN))
            take(scene.world.live, cast("Channel", channel), scene.stored(payment), 1, found)

    channel.meanwhile = two_more_tabs
    resolution = scene.resolve(payment)
    found, answers = resolution.payment, resolution.answers
    stored = scene.stored(payment)
    assert stored.execution is not None
    assert len(stored.attempts) == len(words) + 2
    assert not stored.shut
    assert [a and a.verdict for a in answers[len(words) :]] in ([UNKNOWN] * 2, [None, UNKNOWN])
    assert not found.is_finished, "who resolves must know that there is more to ask"

    scene.says(stored, *[paid(reference=f"late-{n}") for n in range(len(stored.attempts))])
    scene.resolve(stored)
    rivals = {a.token for a in stored.attempts} - {f"t{stored.execution.attempt}"}
    assert rivals <= set(scene.taken_back)
    assert scene.stored(payment).is_finished


# ── receipts that name no payment ─────────────────────────────────────────────────────────────


def test_a_receipt_pays_one_payment(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    one, other = scene.opened("noticebank"), scene.opened("noticebank")
    scene.says(one, paid(reference="7"))
    scene.resolve(one)
    with pytest.raises(TakenByAnother):
        scene.resolve(other)
    assert scene.stored(other) == other
    assert scene.taken_back == [], "the money is the first payment's"

    scene.world.put_message("VerifyQueue", json.dumps({"payment": other.id.text}), 0)
    capsys.readouterr()
    scene.world.deliver("VerifyQueue")
    lines = [json.loads(row) for row in capsys.readouterr().out.splitlines()]
    (line,) = [row for row in lines if row.get("payment") == other.id.text]
    assert (line["error"], line["Errors"]) == ("TakenByAnother", 1)
    assert [m.tries for m in scene.world.queues["VerifyQueue"]] == [1], "it is seen again"
    assert scene.stored(other) == other


def test_a_receipt_pays_one_payment_on_a_later_day_too(scene: Scene) -> None:
    one, other = scene.opened("noticebank"), scene.opened("noticebank")
    scene.world.later(days=1)
    scene.says(one, paid(reference="7"))
    scene.resolve(one)
    with pytest.raises(TakenByAnother):
        scene.resolve(other)
    assert scene.stored(other) == other


def test_a_receipt_that_came_twice_for_its_own_payment_is_no_thief(scene: Scene) -> None:
    payment = scene.opened("noticebank")
    scene.says(payment, paid(reference="7"))
    scene.resolve(payment)
    assert scene.resolve(payment).payment.execution is not None
    assert scene.taken_back == []


def test_a_channel_that_binds_its_receipts_claims_none(scene: Scene) -> None:
    one, other = scene.opened("zarinpal"), scene.opened("zarinpal")
    scene.says(one, paid(reference="7"))
    scene.resolve(one)
    claimed = [i["pk"] for i in scene.world.items("ReferencesTable") if "=" in i["pk"]]
    assert claimed == []
    del other


# ── days ──────────────────────────────────────────────────────────────────────────────────────


def test_a_taking_found_on_a_later_day_is_a_posting_of_that_day(scene: Scene) -> None:
    payment = scene.opened("zarinpal")
    scene.says(payment, paid())
    scene.world.later(days=2)
    execution = scene.resolve(payment).payment.execution
    assert execution is not None
    assert (execution.day - payment.id.day).days == 2
    postings = [i for i in scene.world.items("PaymentsTable") if i["id"].startswith("x:")]
    assert len(postings) == 1
    assert f"#{execution.day}#" in postings[0]["pk"]


def test_a_day_that_is_closing_is_never_booked_into(scene: Scene) -> None:
    payment = scene.opened("zarinpal")
    scene.says(payment, paid())
    scene.world.books[1].fence(Book(MERCHANT, "test", "IRR"), payment.id.day)
    execution = scene.resolve(payment).payment.execution
    assert execution is not None
    assert (execution.day - payment.id.day).days == 1


def test_a_payment_held_out_of_its_day_is_booked_as_a_posting(scene: Scene) -> None:
    payment = scene.opened("zarinpal", mode="live")
    scene.says(payment, paid())
    scene.world.books[0].move(payment.id)
    execution = scene.resolve(payment).payment.execution
    assert execution is not None
    assert [i["id"] for i in scene.world.items("PaymentsTable") if "legs" in i] == [
        f"x:{payment.id}"
    ]


# ── time ──────────────────────────────────────────────────────────────────────────────────────


def test_what_is_not_asked_in_time_stays_unknown(scene: Scene) -> None:
    payment = scene.opened("zarinpal", "noticebank", "zarinpal")
    scene.says(payment, Answer(DEAD), Answer(DEAD), Answer(DEAD))
    slow = scene.channels["zarinpal"]
    slow.meanwhile = lambda: scene.world.later(seconds=13)
    found = scene.resolve(payment, within_s=12)
    assert [a and a.verdict for a in found.answers] == [DEAD, UNKNOWN, UNKNOWN]
    assert found.unknown
    assert scene.stored(payment) == payment
    assert (slow.asked, scene.channels["noticebank"].asked) == (["t0"], [])


def test_without_time_nobody_is_asked(scene: Scene) -> None:
    payment = scene.opened("zarinpal")
    scene.world.later(hours=1)
    assert scene.resolve(payment, within_s=0).payment.is_open
    assert scene.channels["zarinpal"].asked == []


def test_a_payment_that_is_not_there_is_not_found(scene: Scene) -> None:
    with pytest.raises(NotFound):
        read(scene.world.live, sample().id)


def test_resolution_of_certain_words_is_not_unknown() -> None:
    for answers, unknown in (
        ((), False),
        ((None, Answer(DEAD)), False),
        ((Answer(REVERSED),), False),
        ((None, Answer(PENDING)), True),
        ((Answer(UNKNOWN), None), True),
    ):
        assert Resolution(sample(), answers).unknown is unknown


# ── money at risk ─────────────────────────────────────────────────────────────────────────────


def metrics(out: str, id: PaymentId) -> list[dict[str, Any]]:
    lines = [json.loads(row) for row in out.splitlines()]
    return [row for row in lines if row.get("payment") == id.text]


@pytest.mark.parametrize(
    ("mode", "verdict", "counted", "after_s"),
    [
        *[("live", UNKNOWN, True, after_s) for after_s in (20, 700, 1_500, 2_440, 9_000)],
        ("test", UNKNOWN, False, 700),
        ("live", PENDING, False, 700),
        ("live", DEAD, False, 700),
    ],
)
def test_somebody_is_woken_ten_minutes_before_a_channel_s_deadline(
    scene: Scene,
    capsys: pytest.CaptureFixture[str],
    mode: str,
    verdict: Verdict,
    counted: bool,  # noqa: FBT001
    after_s: int,
) -> None:
    """Whenever the payer is handed over, a question falls into the last minutes."""
    payment = scene.opened("noticebank", mode=mode, expires_in_s=86_400)
    scene.channels["noticebank"].verify_within_s = 30 * 86_400
    scene.says(payment, Answer(PENDING))
    scene.world.run(hours=after_s / 3600)
    scene.hand(payment.id.text, "zarinpal")
    handed_ms, deadline_s = scene.now_ms, scene.channels["zarinpal"].verify_within_s
    scene.says(scene.stored(payment), Answer(PENDING), Answer(verdict))
    capsys.readouterr()
    left: list[float] = []
    while scene.now_ms - handed_ms < 2 * deadline_s * 1000:
        scene.world.later(seconds=60)
        scene.world.deliver("TimerQueue")
        if any("MoneyAtRisk" in row for row in metrics(capsys.readouterr().out, payment.id)):
            left.append(deadline_s - (scene.now_ms - handed_ms) / 1000)
    assert bool(left) is counted
    assert all(0 <= seconds <= 600 for seconds in left)
    assert not counted or left[0] >= 480, "in time to do something"
    assert not any(scene.world.dead.values())


def test_a_silent_channel_is_unknown_by_contract() -> None:
    """`ask` never raises; were it to, nothing would be written."""
    with running_world() as world:
        scene = Scene(world)
        payment = scene.opened("zarinpal")

        def silence() -> None:
            raise Silence

        scene.says(payment, paid())
        scene.channels["zarinpal"].meanwhile = silence
        with pytest.raises(Silence):
            scene.resolve(payment)
        assert scene.stored(payment) == payment
