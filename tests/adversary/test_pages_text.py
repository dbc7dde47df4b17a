"""What merchants, payers and strangers write, on every page of ours and in both languages.

It is shown as text in its own direction, or not at all; it never becomes an element, an address, a
header or a template. The way back is the merchant's own address and nobody else's.
"""

import dataclasses
import html
import re
from html.parser import HTMLParser
from typing import Any, Final, override
from urllib.parse import parse_qs, quote, urlsplit

import pytest

from payvand.payment import Payment
from payvand.store.payments import Payments
from tests.support.merchant import create, try_create
from tests.support.world import BASE, MERCHANT, Got, World

LANGUAGES: Final = ("fa", "en")
NASTY: Final = (
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "'><svg/onload=alert(1)>",
    "</title></style><base href=//evil.example>",
    "</form><form action=//evil.example id=pay>",
    "javascript:alert(1)",
    "{{7*7}}{% print(config) %}${7*7}#{7*7}",
    "&lt;b&gt;&#x202e;",
    "%3Cscript%3E%0d%0aSet-Cookie:a=b",
    "a\u200eb\u200fc",
    "٪s %s {0} {name}",
    "=cmd|' /C calc'!A0",
)  # fmt: skip
OPERATORS: Final = ("\u202egnp.exe", "a\u2066b", "zero\u200bwidth", "tag\U000e0041", "bom\ufeff")
"""What an operator may paste into a merchant's name; requests with these are refused."""


class Skeleton(HTMLParser):
    """Elements with their attributes' names, and where things lead."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, tuple[str, ...]]] = []
        self.leads: list[str] = []

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, tuple(sorted(name for name, _ in attrs))))
        self.leads += [v or "" for n, v in attrs if n in {"href", "src", "action", "formaction"}]

    @classmethod
    def of(cls, page: Got) -> "Skeleton":
        found = cls()
        found.feed(page.text)
        return found


def pages(world: World, payment: dict[str, Any]) -> list[Got]:
    """Each page this payment has now, in each language."""
    where = payment["checkout_url"]
    return [world.call("GET", f"{where}?lang={lang}") for lang in LANGUAGES]


def compare(world: World, key: str, calm: str, nasty: str) -> None:
    """Two payments that differ in their words alone have the same pages but for the words."""
    made = [
        create(world, key, 250_300, reference=f"{text}", description=text, metadata={"a": text})
        for text in (calm, nasty)
    ]
    for step in ("checkout", "outcome"):
        if step == "outcome":
            for payment in made:
                world.call("POST", f"{payment['checkout_url']}/cancel", b"")
        for one, two in zip(*(pages(world, payment) for payment in made), strict=True):
            first, second = Skeleton.of(one), Skeleton.of(two)
            assert first.elements == second.elements, (step, nasty)
            assert all(_ours(lead) for lead in second.leads), second.leads
            assert (
                html.escape(nasty, quote=False)[:20]
                in html.escape(html.unescape(two.text), quote=False)
                or not nasty.isascii()
            )
            assert one.headers["Content-Security-Policy"] == two.headers["Content-Security-Policy"]


def _ours(lead: str) -> bool:
    return lead.startswith((f"{BASE}/pay/", "https://shop.example/done?"))


@pytest.mark.parametrize("nasty", NASTY)
def test_words_stay_words(world: World, key: str, nasty: str) -> None:
    compare(world, key, "order 7", nasty)


@pytest.mark.parametrize("name", [*NASTY, *OPERATORS])
def test_a_merchants_name_is_words_too(world: World, name: str) -> None:
    key = world.add_merchant(
        MERCHANT, name=name, logo_url=f"https://{name}/x", colour=name, locale="fa"
    )["test"]
    payment = create(world, key)
    for page in pages(world, payment):
        assert page.status == 200
        tags = {tag for tag, _ in Skeleton.of(page).elements}
        assert not tags & {"script", "img", "svg", "base", "iframe", "object"}
        assert not set(page.text) & set("\u202e\u2066\u200b\U000e0041\ufeff")
        assert "49" not in re.findall(r"<bdi[^>]*>(\d+)", page.text)


def test_a_logos_address_is_an_attribute(world: World) -> None:
    """It may hold quotes and brackets; a browser reads it as one address."""
    for nasty in NASTY:
        logo = f"https://cdn.example/{nasty.replace(' ', '')}"
        payment = create(world, world.add_merchant(MERCHANT, logo_url=logo)["test"])
        world.live.merchants._kept.clear()
        for page in pages(world, payment):
            found = Skeleton.of(page)
            images = [attributes for tag, attributes in found.elements if tag == "img"]
            assert images == [("alt", "referrerpolicy", "src")], nasty
            assert logo in found.leads, nasty
            assert not {tag for tag, _ in found.elements} & {"script", "svg", "base"}


def test_a_channels_words_are_words(
    world: World, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A receipt number is the channel's text, and stands on the page."""
    payment = create(world, key, 250_300, channel="zarinpal")
    world.pay(payment)
    read = Payments.get

    def changed(self: Payments, id: Any) -> Any:
        seen = read(self, id)
        assert seen is not None and seen.payment.execution is not None
        execution = dataclasses.replace(seen.payment.execution, reference=NASTY[0])
        return dataclasses.replace(
            seen, payment=dataclasses.replace(seen.payment, execution=execution)
        )

    monkeypatch.setattr(Payments, "get", changed)
    for page in pages(world, payment):
        assert "<script>" not in page.text and "&lt;script&gt;" in page.text


@pytest.mark.parametrize("lang", [*NASTY, "../../etc/passwd", "en\r\nSet-Cookie: a=b", "x" * 9_000])
def test_what_a_stranger_asks_for_is_not_on_the_page(world: World, key: str, lang: str) -> None:
    payment = create(world, key)
    for url in (
        f"{payment['checkout_url']}?lang={quote(lang)}",
        f"{payment['checkout_url']}?a={quote(lang)}&next={quote(lang)}",
        f"/pay/{quote(lang, safe='')}",
        f"/psp/{quote(lang, safe='')}/return",
        f"/psp/zarinpal/return?payment={quote(lang)}",
    ):
        page = world.call("GET", url, headers={"accept-language": lang, "user-agent": lang})
        assert page.status in {200, 404}
        assert lang not in page.text and html.escape(lang) not in page.text
        assert "\r" not in repr(page.headers) and "Set-Cookie" not in page.headers


# ── the way back ──────────────────────────────────────────────────────────────────────────────

ELSEWHERE: Final = (
    "javascript:alert(1)", "data:text/html,x", "//evil.example/", "/evil", "\\\\evil.example",
    "https:evil.example", "https:/evil.example", "ftp://shop.example/", "file:///etc/passwd",
    "https://shop.example@evil.example/", "https://evil.example\\@shop.example/",
    "https://shop.example/\r\nSet-Cookie: a=b", "https://shop.example/\nLocation: //evil.example",
    "https://shop.example/%0d%0a\x00",
    "https://shop.example/ش", "https://shop.example/?q=ü", "https://shop.example/ a", "https://shop.example/\t",
    "https://shop.example/'><script>", "https://فروشگاه.example/", "https://shop.example/\u202e",
    "https://[::1]/", "https://shop.example:99999/", "https://", "https:///x", "x" * 2_001,
    "https://shop.example;form-action *", "https://*/", "https://shop.example, https://evil.example",
)  # fmt: skip


def test_no_return_address_leads_elsewhere(world: World, key: str) -> None:
    for url in ELSEWHERE:
        got = try_create(world, key, return_url=url)
        assert got.status == 400, url
        assert [e["field"] for e in got.json()["errors"]] == ["return_url"], url


def test_nobody_but_the_merchant_says_where_the_payer_goes(world: World, key: str) -> None:
    payment = create(world, key, reference="a&status=executed#x")
    tricks = "return_url=//evil.example&next=//evil.example&redirect=//evil.example&url=//evil"
    for method, path in (
        ("POST", f"/pay/{payment['id']}/cancel?{tricks}"),
        ("GET", f"/psp/zarinpal/return?payment={payment['id']}&{tricks}"),
    ):
        got = world.call(method, path, tricks.encode() if method == "POST" else b"")
        where = urlsplit(got.headers["Location"])
        assert (got.status, where.netloc, where.path) == (303, "shop.example", "/done")
        assert "evil" not in got.headers["Location"]
        said = parse_qs(where.query)
        assert said["reference"] == ["a&status=executed#x"] and said["status"] == ["refused"]


def test_a_merchants_query_cannot_say_that_it_was_paid(world: World, key: str) -> None:
    url = "https://shop.example/done?status=executed&payment_id=pay_x&reference=y&keep=1"
    payment = create(world, key, return_url=url)
    got = world.call("POST", f"/pay/{payment['id']}/cancel", b"")
    said = parse_qs(urlsplit(got.headers["Location"]).query)
    assert said == {
        "keep": ["1"],
        "payment_id": [payment["id"]],
        "reference": [payment["reference"]],
        "status": ["refused"],
    }


def test_what_is_stored_is_what_was_said(world: World, key: str) -> None:
    """Escaping belongs to a page: nobody else's copy is changed."""
    for n, nasty in enumerate(NASTY):
        made = create(
            world, key, reference=f"{n} {nasty}", description=nasty, metadata={"a": nasty}
        )
        stored: Payment = world.payment(made["id"])
        assert (stored.description, dict(stored.metadata)) == (nasty, {"a": nasty})
        assert made["metadata"] == {"a": nasty}
