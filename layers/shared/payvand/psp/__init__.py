"""The channel protocol: how Payvand speaks to any bank or card channel.

A channel is a **stateless translator**: no storage, no clock of its own, no retry. It turns our few
questions into the outside party's wire format and its answers into the five verdicts below.
Thirteen channels share this door, so it names what payments have in common and nothing one party
alone has.

Rules every channel keeps (tests/channels proves them for each):
- Only an explicit word makes PAID, DEAD or REVERSED. Silence, a time-out, a 5xx, another shape or a
  word never seen is UNKNOWN: it will be asked again (architecture decision 10).
- A browser's return is a hint. It may name an attempt; it proves nothing.
- A server's notice is proof only if its signature over the raw bytes holds; else `Forged`.
- Secrets never appear in an exception, a log line or a URL that a payer sees.
- `ask` may be called any number of times, at any moment, for any attempt.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from payvand.money import Money


class Verdict(StrEnum):
    """What the outside party says about one attempt to take money."""

    PAID = "paid"  # the money is taken and is ours; `Answer.money` is what was taken
    PENDING = "pending"  # an explicit "not decided yet": the payer may still pay
    DEAD = "dead"  # an explicit "never taken and never will be"
    REVERSED = "reversed"  # an explicit "taken, and given back to the payer"
    UNKNOWN = "unknown"  # no usable answer; ask again


class RefundVerdict(StrEnum):
    """What the outside party says about one refund key."""

    DONE = "done"
    PENDING = "pending"  # it has it and will decide
    REFUSED = "refused"  # an explicit no; nothing was or will be given back
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Credentials:
    """One contract with a channel, as kept in the channel secret.

    `api_url` is where the party answers us, `fields` whatever else the channel's header lists
    (merchant ids, tokens, shared secrets, further hosts). Never printed: repr hides it.
    """

    api_url: str
    fields: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        return "Credentials(…)"


@dataclass(frozen=True, slots=True)
class Order:
    """What we want taken."""

    payment_id: str
    attempt_key: str  # ours, unique per attempt, ≤ 32 characters of [0-9A-Za-z_-]
    money: Money
    description: str
    return_url: str  # the payer's browser comes back here; carries ?payment=… already
    notice_url: str  # the party's server may call this
    locale: str  # fa, en, …
    payer_mobile: str | None = None  # E.164
    payer_email: str | None = None
    allowed_cards: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Redirect:
    """Where the payer's browser goes: a link, or a form that must be POSTed (with `fields`)."""

    url: str
    fields: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Opened:
    """The party knows the order under `token` (its authority, ref id, session…)."""

    token: str
    redirect: Redirect


@dataclass(frozen=True, slots=True)
class Declined:
    """An explicit refusal to open (bad amount, inactive contract…); `code` is the party's own."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Attempt:
    """One open try to take money, as stored on the payment."""

    payment_id: str
    attempt_key: str
    token: str
    money: Money


@dataclass(frozen=True, slots=True)
class Inbound:
    """A request an outsider made to our channel door, untouched. Header names are lower-case."""

    method: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """The party's word on an attempt.

    `money` is what the party says it took (None when it did not say); the caller compares it with
    the payment, whatever the channel compared already. `reference` is the party's own receipt
    (RRN, ref_id…).
    """

    verdict: Verdict
    money: Money | None = None
    reference: str | None = None
    card_mask: str | None = None  # at most first six and last four digits
    code: str | None = None  # the party's own code, for the story and for `failure.code`


@dataclass(frozen=True, slots=True)
class Hint:
    """What an unsigned browser return claims. `token` names the attempt, if the party sends one."""

    token: str | None
    claims_success: bool | None


@dataclass(frozen=True, slots=True)
class Notice:
    """A signed server notice whose signature held: proof, with everything needed to book."""

    payment_id: str
    token: str
    answer: Answer


@dataclass(frozen=True, slots=True)
class Reply:
    """What the party's server must be told when its notice is durable."""

    status: int = 200
    content_type: str = "text/plain"
    body: str = "OK"


@dataclass(frozen=True, slots=True)
class RefundAnswer:
    """The party's word on a refund key."""

    verdict: RefundVerdict
    reference: str | None = None
    code: str | None = None


class HttpReply(Protocol):
    """One whole HTTP answer; header names are lower-case."""

    @property
    def status(self) -> int: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def body(self) -> bytes: ...


class Http(Protocol):
    """The only way out. Raises `errors.Silence` when no whole answer came in `timeout_s`."""

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes = b"",
        timeout_s: float,
    ) -> HttpReply: ...


class Channel(Protocol):
    """One outside party. See the module docstring for the promises."""

    name: str
    title: Mapping[str, str]  # locale → name shown to the payer; "fa" and "en" at least
    currencies: tuple[str, ...]
    amount_min_minor: int
    amount_max_minor: int
    verify_within_s: int
    """After this long without our verification the party gives the money back by itself."""
    reverse_within_s: int
    """A taken payment can be reversed this long after it was taken; 0 = never."""
    binds_reference: bool
    """True when `token` was made for our payment, so that one reference cannot pay two payments."""

    def open(self, order: Order) -> Opened | Declined:
        """Tell the party about the order.

        Raises Silence: nothing was handed to the payer, so it is safe to repeat.
        """

    def redirect(self, token: str) -> Redirect:
        """Where the payer goes for an already opened token; makes no call."""

    def read_return(self, inbound: Inbound) -> Hint:
        """Read the payer's return. Never raises on nonsense: an empty hint."""

    def read_notice(self, inbound: Inbound) -> Notice:
        """Read a server's notice. Raises Forged; channels without notices always do."""

    def notice_reply(self) -> Reply:
        """What to answer when a notice is durable."""

    def ask(self, attempt: Attempt) -> Answer:
        """Ask what became of an attempt, and confirm it where the party wants that.

        Never raises Silence: that is UNKNOWN.
        """

    def reverse(self, attempt: Attempt) -> Answer:
        """Give a taken attempt back whole, inside `reverse_within_s`.

        Answers REVERSED, DEAD (never taken), PAID (an explicit no) or UNKNOWN.
        """

    def refund(
        self,
        attempt: Attempt,
        reference: str,
        money: Money,
        refund_key: str,
        first_try: bool,  # noqa: FBT001
    ) -> RefundAnswer:
        """Give back `money` under `refund_key`; the same key again is the same refund.

        Where the party has no keys of its own and this is not the first try, the channel asks
        before it sends.
        """
