"""NoticeBank, a made-up bank that does everything differently; it exists in the lab only.

It keeps the channel protocol honest: whatever passes for ZarinPal and for this one should pass for
the twelve that follow.

Unit:     toman as a decimal string ("25000.5" is 250 005 rial).
Truth:    a signed server notice, and nothing else. The browser comes back bare; there is no
          inquiry, `ask` only makes the bank repeat its notice. Every session ends in a final
          notice: one that nobody pays dies after 15 minutes and is told as CANCELLED.
Signing:  requests: `x-shop-signature` = hex HMAC-SHA256(shop_secret, body). Notices:
          `x-notice-signature: t=<unix>,v1=<hex HMAC-SHA256(notice_secret, "t." + body)>`.
Quirks:   the payer is sent by a form POST; a notice may come hours late, before or after the
          browser, and up to 100 times, so its timestamp is signed but never judged: an old notice
          is a legal one, and a replayed one books nothing twice because booking is idempotent.
          Receipt numbers are unique per bank only, so one could be claimed for two payments:
          `binds_reference` is False and the booking guards it.
Fields:   shop, shop_secret, notice_secret; optional pay_url (where the payer's browser goes).
Source:   docs/channels/noticebank.md
"""

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from payvand.errors import Forged, Silence
from payvand.money import AMOUNT_MAX, Money
from payvand.psp import (
    Answer,
    Attempt,
    Credentials,
    Declined,
    Hint,
    Http,
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
from payvand.psp.wire import JSON_HEADERS, answer_object, json_object, mapping, word

OPEN_TIMEOUT_S: Final = 6.0
REMIND_TIMEOUT_S: Final = 5.0
GIVE_BACK_TIMEOUT_S: Final = 6.0
REFUND_TIMEOUT_S: Final = 8.0

_SESSION: Final = re.compile(r"nb_[0-9A-Za-z]{16,40}", re.ASCII)
_ORDER: Final = re.compile(r"[0-9A-Za-z_-]{1,64}", re.ASCII)
_TOMAN: Final = re.compile(r"(0|[1-9][0-9]{0,13})(?:\.([0-9])0*)?", re.ASCII)
_SIGNATURE: Final = re.compile(r"t=([0-9]{1,12}),v1=([0-9a-f]{64})", re.ASCII)

_STATES: Final[dict[str, Verdict]] = {
    "TAKEN": Verdict.PAID,
    "CANCELLED": Verdict.DEAD,
    "GIVEN_BACK": Verdict.REVERSED,
}
"""The words of a notice. Any other is UNKNOWN, however well it is signed."""

_REFUNDS: Final[dict[str, RefundVerdict]] = {
    "DONE": RefundVerdict.DONE,
    "PENDING": RefundVerdict.PENDING,
    "REFUSED": RefundVerdict.REFUSED,
}

_DECLINED: Final[dict[str, str]] = {
    "shop_closed": "The bank has closed this shop's contract",
    "shop_unknown": "The bank does not know this shop",
    "amount": "The bank does not take this amount",
    "order": "The bank found the order invalid",
}


class NoticeBank:
    """The channel; see the module's header."""

    name = "noticebank"
    title: Mapping[str, str] = MappingProxyType({"fa": "بانک آزمایشی", "en": "NoticeBank"})
    currencies: tuple[str, ...] = ("IRR",)
    amount_min_minor = 1_000
    amount_max_minor = 10_000_000_000
    verify_within_s = 30 * 24 * 3600  # it never gives money back for want of a verification
    reverse_within_s = 30 * 60
    binds_reference = False

    def __init__(self, credentials: Credentials, http: Http) -> None:
        fields = credentials.fields
        missing = [n for n in ("shop", "shop_secret", "notice_secret") if not fields.get(n)]
        if missing:
            raise ValueError(f"noticebank: the channel secret lacks {', '.join(missing)}")
        self._api_url = credentials.api_url.rstrip("/")
        self._pay_url = fields.get("pay_url", self._api_url).rstrip("/")
        self._shop = fields["shop"]
        self._shop_secret = fields["shop_secret"].encode()
        self._notice_secret = fields["notice_secret"].encode()
        self._http = http

    def open(self, order: Order) -> Opened | Declined:
        status, answer = self._post(
            "sessions",
            OPEN_TIMEOUT_S,
            order=order.payment_id,
            amount_toman=toman(order.money),
            back=order.return_url,
            notify=order.notice_url,
            text=order.description,
        )
        session = answer.get("session")
        if status == 201 and isinstance(session, str) and _SESSION.fullmatch(session):
            return Opened(session, self.redirect(session))
        code = _error(answer)
        if 400 <= status < 500 and code in _DECLINED:
            return Declined(code, _DECLINED[code])
        raise Silence("noticebank sessions: no usable answer")

    def redirect(self, token: str) -> Redirect:
        return Redirect(f"{self._pay_url}/page", {"session": token})

    def read_return(self, inbound: Inbound) -> Hint:  # noqa: ARG002 - the return carries nothing
        return Hint(token=None, claims_success=None)

    def read_notice(self, inbound: Inbound) -> Notice:
        self._check_signature(inbound)
        told = json_object(inbound.body)
        if told is None or told.get("shop") != self._shop:
            raise Forged("noticebank notice: not for this shop")
        order, session = told.get("order"), told.get("session")
        if not (isinstance(order, str) and _ORDER.fullmatch(order)):
            raise Forged("noticebank notice: no order")
        if not (isinstance(session, str) and _SESSION.fullmatch(session)):
            raise Forged("noticebank notice: no session")
        state = word(told.get("state"))
        verdict = _STATES.get(state or "", Verdict.UNKNOWN)
        money = from_toman(told.get("amount_toman"))
        if verdict is Verdict.PAID and money is None:
            raise Forged("noticebank notice: taken, but how much?")
        reference = word(told.get("receipt"))
        return Notice(order, session, Answer(verdict, money, reference, code=state))

    def notice_reply(self) -> Reply:
        return Reply(body="RECEIVED")

    def ask(self, attempt: Attempt) -> Answer:
        """Have the notice repeated. The only word an answer itself can carry is "still here"."""
        try:
            status, answer = self._post(f"sessions/{attempt.token}/remind", REMIND_TIMEOUT_S)
        except Silence:
            return Answer(Verdict.UNKNOWN)
        state = word(answer.get("state"))
        waiting = status == 202 and state == "WAITING"
        return Answer(Verdict.PENDING if waiting else Verdict.UNKNOWN, code=state)

    def reverse(self, attempt: Attempt) -> Answer:
        try:
            status, answer = self._post(f"sessions/{attempt.token}/give-back", GIVE_BACK_TIMEOUT_S)
        except Silence:
            return Answer(Verdict.UNKNOWN)
        if status == 409 and _error(answer) == "too_late":
            return Answer(Verdict.PAID, code="too_late")
        state = word(answer.get("state"))
        if status != 200 or state not in {"GIVEN_BACK", "CANCELLED"}:
            return Answer(Verdict.UNKNOWN, code=state)
        return Answer(_STATES[state], code=state)

    def refund(
        self,
        attempt: Attempt,
        reference: str,
        money: Money,
        refund_key: str,
        first_try: bool,  # noqa: FBT001 - the protocol's argument
    ) -> RefundAnswer:
        """Send under our key, every time: the bank answers a known key without paying again."""
        del first_try
        try:
            status, answer = self._post(
                "refunds",
                REFUND_TIMEOUT_S,
                session=attempt.token,
                refund=refund_key,
                receipt=reference,
                amount_toman=toman(money),
            )
        except Silence:
            return RefundAnswer(RefundVerdict.UNKNOWN)
        state = word(answer.get("state"))
        if status != 200 or answer.get("refund") != refund_key:
            return RefundAnswer(RefundVerdict.UNKNOWN)
        verdict = _REFUNDS.get(state or "", RefundVerdict.UNKNOWN)
        return RefundAnswer(
            verdict, word(answer.get("receipt")), word(answer.get("reason")) or state
        )

    def _check_signature(self, inbound: Inbound) -> None:
        found = _SIGNATURE.fullmatch(inbound.headers.get("x-notice-signature", ""))
        if found is None:
            raise Forged("noticebank notice: no signature")
        signed = found[1].encode() + b"." + inbound.body
        right = hmac.new(self._notice_secret, signed, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(right, found[2]):
            raise Forged("noticebank notice: wrong signature")

    def _post(
        self, path: str, timeout_s: float, **fields: object
    ) -> tuple[int, Mapping[str, object]]:
        what = path.rsplit("/", 1)[-1]
        body = json.dumps({"shop": self._shop, **fields}).encode()
        signature = hmac.new(self._shop_secret, body, hashlib.sha256).hexdigest()
        headers = {**JSON_HEADERS, "x-shop-signature": signature}
        try:
            reply = self._http.send(
                "POST", f"{self._api_url}/{path}", headers=headers, body=body, timeout_s=timeout_s
            )
        except Silence:
            raise Silence(f"noticebank {what}: silence") from None  # the cause may hold the request
        answer = answer_object(reply)
        if answer is None:
            raise Silence(f"noticebank {what}: no usable answer")
        return reply.status, answer


def toman(money: Money) -> str:
    """Rial to the bank's toman string; the last rial digit goes behind the point."""
    whole, tenth = divmod(money.amount_minor, 10)
    return f"{whole}.{tenth}" if tenth else str(whole)


def from_toman(value: object) -> Money | None:
    """The bank's toman string as rial; None for anything that is not exactly one amount."""
    found = _TOMAN.fullmatch(value) if isinstance(value, str) else None
    rial = int(found[1]) * 10 + int(found[2] or 0) if found else None
    return Money(rial, "IRR") if rial is not None and rial <= AMOUNT_MAX else None


def _error(answer: Mapping[str, object]) -> str | None:
    return word(mapping(answer.get("error")).get("code"))


KIND: Final = NoticeBank
"""What the registry makes and reads the limits of."""
