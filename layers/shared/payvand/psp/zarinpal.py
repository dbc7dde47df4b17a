"""ZarinPal, REST v4 for payments and GraphQL for refunds.

Unit:     rial, whole numbers (`currency` is said on every request, although rial is the default).
Truth:    `verify`. Their page sends the browser back with Authority and Status, unsigned; there is
          no server notice. Without our `verify` they give the money back by themselves.
Quirks:   `data` and `errors` flip between object and `[]`; `code` comes as number or string; errors
          come with any HTTP status; 101 is success again; a repeated request opens a second
          authority; -51 means "not paid" for several reasons, which `inquiry` tells apart; refunds
          have no key of their own, so ours is their description and is looked for first.
Fields:   merchant_id, graphql_url, access_token; optional terminal_id (else looked up by
          merchant_id) and pay_url (where the payer's browser goes, if that is not `api_url`).
Source:   docs/channels/zarinpal.md, with what is settled and what is not.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, NoReturn

from payvand.errors import Forged, Silence
from payvand.money import Money
from payvand.psp import (
    Answer,
    Attempt,
    Credentials,
    Declined,
    Hint,
    Http,
    Inbound,
    Opened,
    Order,
    Redirect,
    RefundAnswer,
    RefundVerdict,
    Reply,
    Verdict,
)
from payvand.psp.wire import JSON_HEADERS, answer_object, card_mask, mapping, rows, whole, word

REQUEST_TIMEOUT_S: Final = 6.0
VERIFY_TIMEOUT_S: Final = 5.0
INQUIRY_TIMEOUT_S: Final = 4.0
REVERSE_TIMEOUT_S: Final = 6.0
REFUND_TIMEOUT_S: Final = 8.0
LOOKUP_TIMEOUT_S: Final = 4.0

DESCRIPTION_MAX: Final = 500
REFUNDS_PER_PAGE: Final = 100
REFUND_PAGES_MAX: Final = 20
"""Beyond this many pages a repeated refund is UNKNOWN: not finding it is then no proof."""
REFUND_PAGES_FIRST: Final = 2
"""How far a first try looks: enough to meet one that was sent just before a crash."""

_AUTHORITY: Final = re.compile(r"[AS][0-9A-Za-z]{35}", re.ASCII)
_IRAN_MOBILE: Final = re.compile(r"\+98(9[0-9]{9})", re.ASCII)

_OK: Final = 100
_OK_AGAIN: Final = 101
_WRONG_AMOUNT: Final = -50
_NOT_PAID: Final = -51
_BANK_WILL_NOT_REVERSE: Final = -60
_NOTHING_TO_REVERSE: Final = -61
_TOO_LATE_TO_REVERSE: Final = -63

_DECLINED: Final[dict[int, str]] = {
    -9: "ZarinPal found the request invalid",
    -10: "ZarinPal does not know this merchant or address",
    -11: "The ZarinPal contract is not active",
    -14: "The return address is not on the contract's domain",
    -15: "The ZarinPal contract is suspended",
    -16: "The ZarinPal contract's level is too low",
    -17: "The ZarinPal contract's level is too low",
    -19: "The ZarinPal contract may not take payments",
    -30: "The ZarinPal contract may not share payments",
    -40: "ZarinPal found the expiry invalid",
    -41: "The amount is above ZarinPal's ceiling",
}
"""Explicit refusals to open, in our words: theirs may repeat what we sent. A code that is missing
here (-12 "too often", -52 "unexpected", a new one) is Silence on purpose: worth another try."""

_INQUIRY: Final[dict[str, Verdict]] = {
    "IN_BANK": Verdict.PENDING,
    "FAILED": Verdict.DEAD,
    "REVERSED": Verdict.REVERSED,
}
"""PAID and VERIFIED are missing on purpose: only `verify` books, and it will say so next time."""

_REFUND: Final[dict[str, RefundVerdict]] = {
    "SUCCESS": RefundVerdict.DONE,
    "PENDING": RefundVerdict.PENDING,
    "FAILED": RefundVerdict.REFUSED,
}

_TERMINALS: Final = "query Terminals { Terminals { id key } }"
_SESSIONS: Final = (
    "query Sessions($terminal_id: ID!, $reference_id: String, $limit: Int) {"
    " Session(terminal_id: $terminal_id, reference_id: $reference_id, limit: $limit)"
    " { id status amount } }"
)
_REFUNDS: Final = (
    "query GetRefunds($terminal_id: ID!, $limit: Int, $offset: Int) {"
    " refunds: GetRefunds(terminal_id: $terminal_id, limit: $limit, offset: $offset)"
    " { id amount status description } }"
)
_ADD_REFUND: Final = (
    "mutation AddRefund($session_id: ID!, $amount: BigInteger!, $description: String,"
    " $method: InstantPayoutActionTypeEnum, $reason: RefundReasonEnum) {"
    " resource: AddRefund(session_id: $session_id, amount: $amount, description: $description,"
    " method: $method, reason: $reason)"
    " { id terminal_id amount timeline { refund_amount refund_time refund_status } } }"
)


@dataclass(frozen=True, slots=True)
class _Said:
    """One readable answer: the code wherever it stood, and the data object (empty on an error)."""

    code: int | None
    data: Mapping[str, object]


class ZarinPal:
    """The channel; see the module's header."""

    name = "zarinpal"
    title: Mapping[str, str] = MappingProxyType({"fa": "زرین‌پال", "en": "ZarinPal"})
    currencies: tuple[str, ...] = ("IRR",)
    amount_min_minor = 1_000
    amount_max_minor = 1_000_000_000
    verify_within_s = 30 * 60
    reverse_within_s = 30 * 60
    binds_reference = True

    def __init__(self, credentials: Credentials, http: Http) -> None:
        fields = credentials.fields
        missing = [n for n in ("merchant_id", "graphql_url", "access_token") if not fields.get(n)]
        if missing:
            raise ValueError(f"zarinpal: the channel secret lacks {', '.join(missing)}")
        self._api_url = credentials.api_url.rstrip("/")
        self._pay_url = fields.get("pay_url", self._api_url).rstrip("/")
        self._merchant_id = fields["merchant_id"]
        self._graphql_url = fields["graphql_url"]
        self._access_token = fields["access_token"]
        self._terminal_id = fields.get("terminal_id")
        self._http = http

    # ---- opening ------------------------------------------------------------------------------

    def open(self, order: Order) -> Opened | Declined:
        said = self._post(
            "request",
            REQUEST_TIMEOUT_S,
            amount=order.money.amount_minor,
            currency="IRR",
            description=(order.description.strip() or order.payment_id)[:DESCRIPTION_MAX],
            callback_url=order.return_url,
            metadata=_metadata(order),
        )
        authority = said.data.get("authority")
        if said.code == _OK and isinstance(authority, str) and _AUTHORITY.fullmatch(authority):
            return Opened(authority, self.redirect(authority))
        if said.code in _DECLINED:
            return Declined(str(said.code), _DECLINED[said.code])
        raise Silence("zarinpal request: no usable answer")

    def redirect(self, token: str) -> Redirect:
        return Redirect(f"{self._pay_url}/pg/StartPay/{token}")

    # ---- what outsiders bring -----------------------------------------------------------------

    def read_return(self, inbound: Inbound) -> Hint:
        authority = inbound.query.get("Authority", "")
        return Hint(
            token=authority if _AUTHORITY.fullmatch(authority) else None,
            claims_success={"OK": True, "NOK": False}.get(inbound.query.get("Status", "")),
        )

    def read_notice(self, inbound: Inbound) -> NoReturn:  # noqa: ARG002 - the protocol's argument
        raise Forged("zarinpal sends no notices")

    def notice_reply(self) -> Reply:
        return Reply()

    # ---- the truth ----------------------------------------------------------------------------

    def ask(self, attempt: Attempt) -> Answer:
        try:
            said = self._post(
                "verify",
                VERIFY_TIMEOUT_S,
                amount=attempt.money.amount_minor,
                authority=attempt.token,
            )
        except Silence:
            return Answer(Verdict.UNKNOWN)
        if said.code in {_OK, _OK_AGAIN} and said.data:
            # verify does not repeat the amount; it compares ours with its own and says -50.
            return Answer(
                Verdict.PAID,
                money=attempt.money,
                reference=word(said.data.get("ref_id")),
                card_mask=card_mask(said.data.get("card_pan")),
                code=str(said.code),
            )
        if said.code in {_NOT_PAID, _WRONG_AMOUNT}:
            return self._inquire(attempt, said.code)
        return Answer(Verdict.UNKNOWN, code=_code(said))

    def _inquire(self, attempt: Attempt, after: int) -> Answer:
        """Tell the reasons behind "not paid" apart; never a way to PAID."""
        try:
            said = self._post("inquiry", INQUIRY_TIMEOUT_S, authority=attempt.token)
        except Silence:
            return Answer(Verdict.UNKNOWN, code=str(after))
        status = word(said.data.get("status"))
        verdict = _INQUIRY.get(status or "", Verdict.UNKNOWN)
        if verdict is Verdict.PENDING and after == _WRONG_AMOUNT:
            verdict = Verdict.UNKNOWN  # waiting will not make the amounts equal
        return Answer(verdict, code=str(after) if verdict is Verdict.UNKNOWN else status)

    def reverse(self, attempt: Attempt) -> Answer:
        try:
            said = self._post("reverse", REVERSE_TIMEOUT_S, authority=attempt.token)
        except Silence:
            return Answer(Verdict.UNKNOWN)
        code = _code(said)
        if said.code == _OK and said.data:
            return Answer(Verdict.REVERSED, code=code)
        if said.code in {_BANK_WILL_NOT_REVERSE, _TOO_LATE_TO_REVERSE}:
            return Answer(Verdict.PAID, code=code)
        if said.code == _NOTHING_TO_REVERSE:  # reversed before, or never taken: inquiry knows which
            answer = self._inquire(attempt, said.code)
            return answer if answer.verdict is not Verdict.PENDING else Answer(Verdict.UNKNOWN)
        return Answer(Verdict.UNKNOWN, code=code)

    def unverified(self) -> list[tuple[str, Money]]:
        """The last hundred payments they took and we have not verified, for a sweep.

        Raises:
            Silence: no usable answer.
        """
        said = self._post("unVerified", VERIFY_TIMEOUT_S)
        if said.code != _OK:
            raise Silence("zarinpal unVerified: no usable answer")
        found = [
            (row.get("authority"), whole(row.get("amount")))
            for row in rows(said.data.get("authorities"))
        ]
        return [
            (authority, Money(amount, "IRR"))
            for authority, amount in found
            if isinstance(authority, str)
            and _AUTHORITY.fullmatch(authority)
            and amount is not None
            and 0 < amount <= self.amount_max_minor
        ]

    # ---- refunds ------------------------------------------------------------------------------

    def refund(
        self,
        attempt: Attempt,
        reference: str,
        money: Money,
        refund_key: str,
        first_try: bool,  # noqa: FBT001 - the protocol's argument
    ) -> RefundAnswer:
        """Look for our key, and only when it is surely absent, send.

        ZarinPal would pay a repeated mutation again. A first try looks too, though not as far: it
        may have been sent by a run that crashed before it could say so. Two tries must be further
        apart than REFUND_TIMEOUT_S: a mutation still under way is in no list yet.
        """
        del attempt
        try:
            terminal_id = self._terminal()
            known = self._find_refund(terminal_id, refund_key, first_try=first_try)
            if known is not None:
                return known
            return self._send_refund(
                self._session(terminal_id, reference, money), money, refund_key
            )
        except Silence:
            return RefundAnswer(RefundVerdict.UNKNOWN)

    def _send_refund(self, session_id: str, money: Money, refund_key: str) -> RefundAnswer:
        answer = self._graphql(
            _ADD_REFUND,
            REFUND_TIMEOUT_S,
            session_id=session_id,
            amount=money.amount_minor,
            description=refund_key,
            method="PAYA",
            reason="CUSTOMER_REQUEST",
        )
        if _is_refusal(answer):
            return RefundAnswer(RefundVerdict.REFUSED, code="validation")
        made = mapping(mapping(answer.get("data")).get("resource"))
        timeline = made.get("timeline")
        step = rows(timeline)[-1:] or [mapping(timeline)]
        if answer.get("errors") or whole(made.get("amount")) is None:
            raise Silence("zarinpal refund: no usable answer")
        return _refund_answer(made.get("id"), step[0].get("refund_status"))

    def _find_refund(
        self, terminal_id: str, refund_key: str, *, first_try: bool
    ) -> RefundAnswer | None:
        """What became of our key; None when it is not in the list."""
        offset = 0
        for _ in range(REFUND_PAGES_FIRST if first_try else REFUND_PAGES_MAX):
            page = self._listed(
                "refunds",
                self._graphql(
                    _REFUNDS,
                    LOOKUP_TIMEOUT_S,
                    terminal_id=terminal_id,
                    limit=REFUNDS_PER_PAGE,
                    offset=offset,
                ),
            )
            for row in page:
                if row.get("description") == refund_key:
                    return _refund_answer(row.get("id"), row.get("status"))
            if not page:  # a short page is no end: they may cap `limit` without saying so
                return None
            offset += len(page)
        if first_try:
            return None
        raise Silence("zarinpal refunds: the list is longer than we read")

    def _session(self, terminal_id: str, reference: str, money: Money) -> str:
        """Their number of the payment, which refunds want and verify does not give."""
        answer = self._graphql(
            _SESSIONS, LOOKUP_TIMEOUT_S, terminal_id=terminal_id, reference_id=reference, limit=2
        )
        found = self._listed("Session", answer)
        session_id = word(found[0].get("id")) if len(found) == 1 else None
        amount = whole(found[0].get("amount")) if session_id else None
        if session_id is None or amount is None or amount < money.amount_minor:
            raise Silence("zarinpal session: not found, or not the one we know")
        return session_id

    def _terminal(self) -> str:
        if self._terminal_id:
            return self._terminal_id
        answer = self._graphql(_TERMINALS, LOOKUP_TIMEOUT_S)
        for row in self._listed("Terminals", answer):
            key, terminal_id = row.get("key"), word(row.get("id"))
            if isinstance(key, str) and key.lower() == self._merchant_id.lower() and terminal_id:
                return terminal_id
        raise Silence("zarinpal terminals: none for this merchant")

    @staticmethod
    def _listed(name: str, answer: Mapping[str, object]) -> list[Mapping[str, object]]:
        listed = mapping(answer.get("data")).get(name)
        if answer.get("errors") or not isinstance(listed, list):
            raise Silence(f"zarinpal {name}: no usable answer")
        if any(not isinstance(row, dict) for row in listed):
            raise Silence(f"zarinpal {name}: no usable answer")
        return rows(listed)

    # ---- the wire -----------------------------------------------------------------------------

    def _post(self, verb: str, timeout_s: float, **fields: object) -> _Said:
        body = json.dumps({"merchant_id": self._merchant_id, **fields}).encode()
        url = f"{self._api_url}/pg/v4/payment/{verb}.json"
        status, answer = self._exchange(verb, url, JSON_HEADERS, body, timeout_s)
        data, errors = mapping(answer.get("data")), mapping(answer.get("errors"))
        good, bad = whole(data.get("code")), whole(errors.get("code"))
        if answer.get("errors") or status >= 300:
            # "100" beside an error, or under a 4xx, is no success
            return _Said(bad if bad is not None and bad < 0 and good is None else None, {})
        return _Said(good, data)

    def _graphql(self, query: str, timeout_s: float, **variables: object) -> Mapping[str, object]:
        headers = {**JSON_HEADERS, "authorization": f"Bearer {self._access_token}"}
        body = json.dumps({"query": query, "variables": variables}).encode()
        status, answer = self._exchange("graphql", self._graphql_url, headers, body, timeout_s)
        if status >= 300 and not _is_refusal(answer):
            raise Silence("zarinpal graphql: no usable answer")
        return answer

    def _exchange(
        self, verb: str, url: str, headers: Mapping[str, str], body: bytes, timeout_s: float
    ) -> tuple[int, Mapping[str, object]]:
        try:
            reply = self._http.send("POST", url, headers=headers, body=body, timeout_s=timeout_s)
        except Silence:
            raise Silence(f"zarinpal {verb}: silence") from None  # the cause may hold the request
        answer = answer_object(reply)
        if answer is None:
            raise Silence(f"zarinpal {verb}: no usable answer")
        return reply.status, answer


def _metadata(order: Order) -> dict[str, str]:
    """What ZarinPal shows and remembers; only what it can use."""
    metadata = {"order_id": order.attempt_key}
    mobile = _IRAN_MOBILE.fullmatch(order.payer_mobile or "")
    if mobile:
        metadata["mobile"] = f"0{mobile[1]}"
    if order.payer_email:
        metadata["email"] = order.payer_email
    if len(order.allowed_cards) == 1:
        metadata["card_pan"] = order.allowed_cards[0]
    return metadata


def _code(said: _Said) -> str | None:
    return None if said.code is None else str(said.code)


def _is_refusal(answer: Mapping[str, object]) -> bool:
    """An error that says the refund itself is wrong; "internal", "unauthenticated"… say nothing."""
    errors = rows(answer.get("errors"))
    return bool(errors) and all(
        mapping(error.get("extensions")).get("category") == "validation" for error in errors
    )


def _refund_answer(refund_id: object, status: object) -> RefundAnswer:
    said = word(status)
    return RefundAnswer(
        _REFUND.get(said or "", RefundVerdict.UNKNOWN), reference=word(refund_id), code=said
    )


KIND: Final = ZarinPal
"""What the registry makes and reads the limits of."""
