"""The outside parties: channels that take money, the bank that pays merchants, a merchant's server.

They tell the truth about themselves, so the rules are checked against what they hold, never against
what we believe. A channel here answers at the `Channel` door with the limits and powers of the real
adapter of the same name; wire formats are the contract suite's matter (tests/channels).
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from payvand.errors import Forged, Silence
from payvand.money import Money
from payvand.psp import (
    Answer,
    Attempt,
    Channel,
    Declined,
    Hint,
    Inbound,
    Notice,
    Opened,
    Order,
    Redirect,
    RefundAnswer,
    RefundVerdict,
    Reply,
    Verdict,
)
from payvand.psp.registry import _MODULES, names
from payvand_cli.simulate.engine import LATE_MS, Draws, Engine

SESSION_MS: Final = 20 * 60_000
"""How long a payer can still pay at a channel."""
LIFE_MAX_MS: Final = 60_000
IN_FLIGHT_MAX_MS: Final = 40_000
"""Who asks a channel without refund keys is ended by Lambda after so long, and what it sent is
under way no longer than this: product code waits both out.

Without that no protocol could be safe (assumption 4 of docs/simulation.md).
"""
REFUSES_PER_MILLE: Final = 200
BANK_TAKES_MS: Final = (4 * 60_000, 4 * 60_000, 30 * 60_000)
BANK_RETURNS_MS: Final = 40 * 3_600_000


class Held(StrEnum):
    """What a channel has of a session."""

    OPEN = "open"
    TAKEN = "taken"
    VERIFIED = "verified"
    CANCELLED = "cancelled"
    GIVEN_BACK = "given back"


_ENDED: Final = {Held.CANCELLED: Verdict.DEAD, Held.GIVEN_BACK: Verdict.REVERSED}


@dataclass(slots=True)
class Session:
    """One order at a channel."""

    token: str
    payment_id: str
    attempt_key: str
    money: Money
    opened_ms: int
    held: Held = Held.OPEN
    taken: Money | None = None
    taken_ms: int = 0
    receipt: str = ""
    refunds: dict[str, list["AtChannel"]] = field(default_factory=dict)

    @property
    def has_money(self) -> bool:
        """Whether the channel holds the payer's money for us."""
        return self.held in {Held.TAKEN, Held.VERIFIED}

    @property
    def refunded_minor(self) -> int:
        """What went back to the payer by refunds."""
        return sum(
            r.minor
            for made in self.refunds.values()
            for r in made
            if r.verdict is RefundVerdict.DONE
        )


@dataclass(slots=True)
class AtChannel:
    """A refund as the channel has it."""

    minor: int
    verdict: RefundVerdict


@dataclass(frozen=True, slots=True)
class Traits:
    """How a channel differs from the next."""

    name: str
    verify_within_s: int
    reverse_within_s: int
    binds_reference: bool
    notices: bool
    """Proof comes by signed notices, and `ask` only has them repeated."""
    tells_amount: bool
    refund_keys: bool
    reverses: bool = True
    """Some never do: what cannot be booked is refunded."""
    tells_twice: bool = False
    """Whether each notice comes twice in one moment."""


def traits(name: str) -> Traits:
    """The traits of a channel, read off the adapter that speaks to the real one."""
    from importlib import import_module

    kind: type[Channel] = import_module(_MODULES[name]).KIND
    keyless = name == "zarinpal"
    return Traits(
        name=name,
        verify_within_s=kind.verify_within_s,
        reverse_within_s=kind.reverse_within_s,
        binds_reference=kind.binds_reference,
        notices=not keyless,
        tells_amount=not keyless,
        refund_keys=not keyless,
    )


PROFILES: Final = names()
"""Every channel there is; a schedule of the profile `mixed` has them all."""


class SimulatedChannel:
    """One channel at its door (payvand.psp.Channel)."""

    currencies = ("IRR",)
    amount_min_minor = 1_000
    amount_max_minor = 1_000_000_000

    def __init__(self, traits: Traits, engine: Engine) -> None:
        self.traits = traits
        self.engine = engine
        self.name = traits.name
        self.title = {"fa": traits.name, "en": traits.name}
        self.verify_within_s = traits.verify_within_s
        self.reverse_within_s = traits.reverse_within_s
        self.binds_reference = traits.binds_reference
        self.sessions: dict[str, Session] = {}
        self.by_payment: dict[str, list[Session]] = {}
        self.silent: tuple[int, int] = (0, 0)
        """An outage: from, until."""
        self.notify: Callable[[Session, str, int], None] | None = None
        self.booked: Callable[[str], bool] = lambda _: False
        self.gave_back: Callable[[Session], None] = lambda _: None
        """Called when an unverified taking goes back by itself."""
        self._draws = Draws(engine.seed, f"channel {traits.name}")

    # ── what the payer does there ─────────────────────────────────────────────────────────────

    def pay(self, token: str, minor: int | None = None, receipt: str | None = None) -> bool:
        """The payer pays (`minor`: another amount than asked); whether the bank took it."""
        session = self.sessions[token]
        self._age(session)
        if session.held is not Held.OPEN:
            return False
        session.held, session.taken_ms = Held.TAKEN, self.engine.lab_ms
        session.taken = session.money if minor is None else Money(minor, session.money.currency)
        session.receipt = receipt or f"{self.name[:2]}-{len(self.sessions)}-{session.token[-6:]}"
        self._say(f"the payer of {session.payment_id} pays {session.taken.amount_minor}", token)
        if self.traits.notices:
            self._tell(session)
        else:
            patience_ms = self.verify_within_s * 1000 + 1
            self.engine.at(self.engine.now_ms + patience_ms, self._age, session)
        return True

    def refuse(self, token: str) -> None:
        """The payer, or their bank, says no."""
        session = self.sessions[token]
        if session.held is Held.OPEN:
            session.held = Held.CANCELLED
            self._say(f"the payer of {session.payment_id} refuses", token)
            if self.traits.notices:
                self._tell(session)

    def _say(self, what: str, token: str) -> None:
        if self.engine.note is not None:
            self.engine.note(f"{what} at {self.name} ({token})")

    def show_old_receipt(self, token: str) -> None:
        """The bank errs: it tells of a session what it told of another, long since booked."""
        old = [s for s in self.sessions.values() if s.receipt and self.booked(s.receipt)]
        session = self.sessions[token]
        if old and session.held is Held.OPEN and self.notify is not None:
            told = json.loads(notice_body(session)) | {
                "verdict": Verdict.PAID,
                "minor": session.money.amount_minor,
                "receipt": old[0].receipt,
            }
            self.notify(session, json.dumps(told), 3)
        self.refuse(token)

    def _tell(self, session: Session) -> None:
        if self.notify is not None:
            self.notify(session, notice_body(session), 60)
            if self.traits.tells_twice:
                self.notify(session, notice_body(session), 60)

    def _age(self, session: Session) -> None:
        """What time alone does: an unpaid session ends, an unverified taking goes back."""
        now = self.engine.lab_ms
        if session.held is Held.OPEN and now - session.opened_ms > SESSION_MS:
            session.held = Held.CANCELLED
        elif (
            session.held is Held.TAKEN
            and not self.traits.notices
            and now - session.taken_ms > self.verify_within_s * 1000
        ):
            session.held = Held.GIVEN_BACK
            self._say(f"nobody verified {session.payment_id}: given back", session.token)
            self.gave_back(session)

    # ── the door ──────────────────────────────────────────────────────────────────────────────

    def _call(self, verb: str, effect: Callable[[], Any], late_max_ms: int = LATE_MS[-1]) -> Any:
        def answer() -> Any:
            first, until = self.silent
            if first <= self.engine.now_ms < until:
                raise Silence(f"{self.name} {verb}")
            return effect()

        return self.engine.call(
            f"{self.name} {verb}",
            answer,
            lambda: Silence(f"{self.name} {verb}"),
            late_max_ms=late_max_ms,
        )

    def open(self, order: Order) -> Opened | Declined:
        def effect() -> Opened | Declined:
            if self._draws.chance(15):
                return Declined("-9", "declined")
            token = f"{self.name[0]}{len(self.sessions):04d}{order.attempt_key[-8:]}"
            session = Session(
                token, order.payment_id, order.attempt_key, order.money, self.engine.lab_ms
            )
            self.sessions[token] = session
            self.by_payment.setdefault(order.payment_id, []).append(session)
            return Opened(token, self.redirect(token))

        opened: Opened | Declined = self._call("open", effect)
        return opened

    def redirect(self, token: str) -> Redirect:
        return Redirect(f"https://{self.name}.example/{token}")

    def read_return(self, inbound: Inbound) -> Hint:
        claims = {"OK": True, "NOK": False}.get(inbound.query.get("Status", ""))
        return Hint(inbound.query.get("Authority"), claims)

    def read_notice(self, inbound: Inbound) -> Notice:
        if not self.traits.notices or inbound.headers.get("x-signature") != self.name:
            raise Forged("signature")
        told = json.loads(inbound.body)
        verdict = Verdict(told["verdict"])
        money = None if told["minor"] is None else Money(told["minor"], told["currency"])
        answer = Answer(verdict, money, told["receipt"] or None, code=told["held"])
        return Notice(told["payment"], told["token"], answer)

    def notice_reply(self) -> Reply:
        return Reply(body="RECEIVED")

    def ask(self, attempt: Attempt) -> Answer:
        try:
            answer: Answer = self._call("ask", lambda: self._asked(attempt))
        except Silence:
            return Answer(Verdict.UNKNOWN)
        return answer

    def _asked(self, attempt: Attempt) -> Answer:
        session = self.sessions.get(attempt.token)
        if session is None:
            return Answer(Verdict.UNKNOWN, code="unknown")
        self._age(session)
        if session.held is Held.OPEN:
            return Answer(Verdict.PENDING)
        if self.traits.notices:
            self._tell(session)
            return Answer(Verdict.UNKNOWN, code=session.held)
        if session.held in _ENDED:
            return Answer(_ENDED[session.held])
        if session.taken != attempt.money:
            return Answer(Verdict.UNKNOWN, code="-50")
        session.held = Held.VERIFIED
        return Answer(Verdict.PAID, money=attempt.money, reference=session.receipt)

    def reverse(self, attempt: Attempt) -> Answer:
        try:
            answer: Answer = self._call("reverse", lambda: self._reversed(attempt))
        except Silence:
            return Answer(Verdict.UNKNOWN)
        return answer

    def _reversed(self, attempt: Attempt) -> Answer:
        session = self.sessions.get(attempt.token)
        if session is None:
            return Answer(Verdict.UNKNOWN)
        self._age(session)
        if session.has_money:
            old_ms = self.engine.lab_ms - session.taken_ms
            if not self.traits.reverses or old_ms > self.reverse_within_s * 1000:
                return Answer(Verdict.PAID, code="not_reversed")
            session.held = Held.GIVEN_BACK
            self._say(f"{session.payment_id} is reversed", session.token)
            if self.traits.notices:
                self._tell(session)
        if session.held is Held.GIVEN_BACK:
            return Answer(Verdict.REVERSED)
        if session.held is Held.CANCELLED:
            return Answer(Verdict.DEAD)
        return Answer(Verdict.UNKNOWN)

    def refund(
        self,
        attempt: Attempt,
        reference: str,
        money: Money,
        refund_key: str,
        first_try: bool,  # noqa: FBT001 - the protocol's argument
    ) -> RefundAnswer:
        del reference, first_try

        def find() -> RefundAnswer | None:
            made = self.sessions[attempt.token].refunds.get(refund_key)
            return None if not made else RefundAnswer(self._ripen(made[0]), code="listed")

        def send() -> RefundAnswer:
            session = self.sessions[attempt.token]
            made = session.refunds.setdefault(refund_key, [])
            if made and self.traits.refund_keys:
                return RefundAnswer(self._ripen(made[0]))
            verdict = (
                RefundVerdict.REFUSED
                if self._refuses(REFUSES_PER_MILLE)
                else (
                    self._draws.pick(
                        (RefundVerdict.DONE, RefundVerdict.DONE, RefundVerdict.PENDING)
                    )
                )
            )
            made.append(AtChannel(money.amount_minor, verdict))
            self._say(f"refund {refund_key} of {money.amount_minor}: {verdict}", attempt.token)
            return RefundAnswer(verdict)

        try:
            if not self.traits.refund_keys:  # a first try looks, too: it may be a second life
                known: RefundAnswer | None = self._call("refunds", find)
                if known is not None:
                    return known
                self.engine.outlived(LIFE_MAX_MS)
            late_max_ms = LATE_MS[-1] if self.traits.refund_keys else IN_FLIGHT_MAX_MS
            sent: RefundAnswer = self._call("refund", send, late_max_ms)
        except Silence:
            return RefundAnswer(RefundVerdict.UNKNOWN)
        return sent

    def _ripen(self, made: AtChannel) -> RefundVerdict:
        if made.verdict is RefundVerdict.PENDING:
            made.verdict = RefundVerdict.REFUSED if self._refuses(300) else RefundVerdict.DONE
        return made.verdict

    def _refuses(self, per_mille: int) -> bool:
        """In calm times our account there is full, and nothing is refused."""
        return self.engine.now_ms < self.engine.calm_at_ms and self._draws.chance(per_mille)


def notice_body(session: Session) -> str:
    """What a channel's notice says of a session."""
    verdict = {
        Held.OPEN: Verdict.PENDING,
        Held.TAKEN: Verdict.PAID,
        Held.VERIFIED: Verdict.PAID,
        Held.CANCELLED: Verdict.DEAD,
        Held.GIVEN_BACK: Verdict.REVERSED,
    }[session.held]
    told = {
        "payment": session.payment_id,
        "token": session.token,
        "verdict": verdict.value,
        "minor": session.taken and session.taken.amount_minor,
        "currency": session.money.currency,
        "receipt": session.receipt,
        "held": session.held.value,
    }
    return json.dumps(told)


@dataclass(slots=True)
class Transfer:
    """A payout at the bank: executed once per reference, whatever is sent again."""

    order: dict[str, Any]
    paid: bool
    returned: bool = False


class SimulatedBank:
    """Reads order files, pays once per reference, leaves answers; some payouts come back later."""

    def __init__(self, engine: Engine, objects: dict[str, bytes]) -> None:
        self.engine = engine
        self.objects = objects
        self.transfers: dict[str, Transfer] = {}
        self.sent: dict[str, bytes] = {}
        """Every order ever seen, as first sent."""
        self.differing: list[str] = []
        self.moved: Callable[[str, int], None] = lambda _reference, _minor: None
        """Called when money leaves the account, or comes back."""
        self._draws = Draws(engine.seed, "bank")

    def saw(self, key: str, content: bytes) -> None:
        """An order file was written."""
        reference = key.removeprefix("bank/out/").removesuffix(".json")
        if self.sent.setdefault(reference, content) != content:
            self.differing.append(reference)
        delay_ms = 30_000 + self._draws.below(self._draws.pick(BANK_TAKES_MS))
        self.engine.at(self.engine.now_ms + delay_ms, self._work, reference)

    def _work(self, reference: str) -> None:
        """Pay an order, unless it was paid before. In calm times nothing goes wrong any more."""
        if reference in self.transfers:
            return
        calm = self.engine.now_ms >= self.engine.calm_at_ms
        rejected = not calm and self._draws.chance(120)
        order = json.loads(self.sent[reference])
        self.transfers[reference] = Transfer(order, paid=not rejected)
        if not rejected:
            self.moved(reference, -order["amount"])
        self._answer(reference, "rejected" if rejected else "executed")
        if not rejected and not calm and self._draws.chance(200):
            delay_ms = 60_000 + self._draws.below(BANK_RETURNS_MS)
            self.engine.at(self.engine.now_ms + delay_ms, self._come_back, reference)

    def _come_back(self, reference: str) -> None:
        transfer = self.transfers[reference]
        transfer.returned = True
        self.moved(reference, transfer.order["amount"])
        self._answer(reference, "returned")

    def _answer(self, reference: str, status: str) -> None:
        answer = {"version": 1, "reference": reference, "status": status, "code": "00"}
        self.objects[f"bank/in/{reference}.json"] = json.dumps(answer).encode()
