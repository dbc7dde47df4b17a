"""Pages to look at, and a strict reader of their HTML."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import Final

from payvand.money import Money
from payvand.pages import (
    Alert,
    ChannelChoice,
    ChannelNote,
    CheckoutPage,
    HandoverPage,
    Html,
    Merchant,
    Outcome,
    OutcomePage,
    ProblemPage,
    checkout,
    handover,
    outcome,
    problem,
)

NOW: Final = datetime(2026, 3, 1, 10, 0, tzinfo=UTC)
MERCHANT: Final = Merchant("کتاب‌فروشی مهر", "https://cdn.example.com/logo.png", "#0f766e")
AMOUNT: Final = Money(250_000, "IRR")

ZARINPAL: Final = {"fa": "زرین‌پال", "en": "ZarinPal"}
NOTICEBANK: Final = {"fa": "بانک نمونه", "en": "Sample bank"}


def checkout_page(locale: str = "fa", **changes: object) -> CheckoutPage:
    """A usual checkout page with two channels; `changes` are its other fields."""
    usual: dict[str, object] = {
        "merchant": MERCHANT,
        "money": AMOUNT,
        "reference": "order-1042",
        "description": "دو جلد شاهنامه" if locale == "fa" else "Two volumes of the Shahnameh",
        "channels": (
            ChannelChoice("zarinpal", ZARINPAL[locale]),
            ChannelChoice("noticebank", NOTICEBANK[locale], ChannelNote.SLOW),
        ),
        "post_url": "/pay/pay_1",
        "page_url": "/pay/pay_1",
        "cancel_url": "/pay/pay_1/cancel",
        "locale": locale,
        "now": NOW,
        "expires_at": NOW + timedelta(minutes=14, seconds=30),
        "form_origins": ("https://payment.zarinpal.com",),
    }
    return CheckoutPage(**{**usual, **changes})  # type: ignore[arg-type]


def handover_page(locale: str = "fa", **changes: object) -> HandoverPage:
    """A usual handover by POST."""
    usual: dict[str, object] = {
        "merchant": MERCHANT,
        "channel_title": ZARINPAL[locale],
        "url": "https://bank.example.com/start",
        "fields": {"RefId": "AF82041a2Bf6989c7fF9"},
        "locale": locale,
    }
    return HandoverPage(**{**usual, **changes})  # type: ignore[arg-type]


def outcome_page(which: Outcome, locale: str = "fa", **changes: object) -> OutcomePage:
    """A usual result page with everything on it."""
    usual: dict[str, object] = {
        "outcome": which,
        "locale": locale,
        "merchant": MERCHANT,
        "money": AMOUNT,
        "reference": "order-1042",
        "payment_id": "pay_01J0000000000000000000",
        "channel_reference": "201",
        "return_url": "https://shop.example.com/done?payment_id=pay_1",
        "page_url": "/pay/pay_1",
    }
    return OutcomePage(**{**usual, **changes})  # type: ignore[arg-type]


def every_page(locale: str) -> dict[str, Html]:
    """One of each page a payer can meet, by name."""
    return {
        "checkout": checkout(checkout_page(locale)),
        "checkout-again": checkout(
            checkout_page(
                locale,
                alert=Alert.UNAVAILABLE,
                test=True,
                channels=(
                    ChannelChoice("noticebank", NOTICEBANK[locale]),
                    ChannelChoice("zarinpal", ZARINPAL[locale], ChannelNote.FAILING),
                ),
            )
        ),
        "checkout-none": checkout(checkout_page(locale, channels=(), description="")),
        "handover-post": handover(handover_page(locale)),
        "handover-link": handover(handover_page(locale, fields=None)),
        **{
            f"outcome-{which}": outcome(
                outcome_page(
                    which, locale, again_url="/pay/pay_1" if which is Outcome.CHECKING else None
                )
            )
            for which in Outcome
        },
        "outcome-bare": outcome(OutcomePage(Outcome.UNKNOWN, locale)),
        **{
            f"problem-{status}": problem(ProblemPage(status, locale, page_url="/pay/pay_1"))
            for status in (400, 404, 418, 429, 500, 502, 503)
        },
    }


@dataclass
class Element:
    """One element with its attributes, the text under it and what it stands in."""

    tag: str
    attributes: dict[str, str]
    inside: tuple[str, ...]
    text: str = ""
    ends: bool = False


@dataclass
class Document:
    """Every element of a page, in order."""

    elements: list[Element] = field(default_factory=list)

    def all(self, tag: str) -> list[Element]:
        return [element for element in self.elements if element.tag == tag]

    def one(self, tag: str) -> Element:
        (element,) = self.all(tag)
        return element


_VOID: Final = {"meta", "img", "input", "link", "br"}


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.document = Document()
        self._open: list[Element] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(set(names)) == len(names), f"<{tag}> has an attribute twice"
        element = Element(
            tag,
            {name: value or "" for name, value in attrs},
            tuple(outer.tag for outer in self._open),
        )
        self.document.elements.append(element)
        if tag not in _VOID:
            self._open.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self._open, f"</{tag}> closes nothing"
        assert self._open[-1].tag == tag, f"</{tag}> closes <{self._open[-1].tag}>"
        self._open.pop().ends = True

    def handle_data(self, data: str) -> None:
        for element in self._open:
            element.text += data

    def finish(self) -> Document:
        self.close()
        assert not self._open, f"<{self._open[-1].tag}> is never closed"
        return self.document


def read(html: Html) -> Document:
    """Parse a page; fails on anything unbalanced, doubled or with an id used twice."""
    assert html.body.startswith("<!doctype html>\n")
    reader = _Reader()
    reader.feed(html.body)
    document = reader.finish()
    ids = [e.attributes["id"] for e in document.elements if "id" in e.attributes]
    assert len(set(ids)) == len(ids)
    return document


def directives(html: Html) -> dict[str, list[str]]:
    """The Content-Security-Policy as a mapping."""
    rules = html.headers["Content-Security-Policy"].split("; ")
    return {name: values for name, *values in (rule.split(" ") for rule in rules)}
