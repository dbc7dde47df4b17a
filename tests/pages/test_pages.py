"""What every hosted page promises, whoever wrote the words on it."""

import base64
import hashlib
import json
import unicodedata
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from payvand.money import AMOUNT_MAX, Money
from payvand.pages import (
    LOCALES,
    PAGE_BYTES_MAX,
    Alert,
    ChannelChoice,
    ChannelNote,
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
from tests.pages.support import (
    MERCHANT,
    NOW,
    checkout_page,
    directives,
    every_page,
    handover_page,
    outcome_page,
    read,
)

PAGES = [
    pytest.param(html, locale, name, id=f"{name}-{locale}")
    for locale in LOCALES
    for name, html in every_page(locale).items()
]

BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
NASTY = st.one_of(
    st.text(max_size=400),
    st.text(alphabet=st.sampled_from([*BIDI, "a", "ب", " ", "\u200c", "\x00", "\ud800"])),
    st.sampled_from(
        [
            "",
            " \u200f ",
            "<script>alert(1)</script>",
            "\"><img src=x onerror=alert(1)><a href='",
            "</title></style></textarea><svg/onload=alert(1)>",
            "{{ 7*7 }}{% raw %}{merchant}{0.__class__}%s",
            "javascript:alert(1)",
            "م" * 100_000,
            "&" * 5_000,
            "🏴" * 5_000,
            "a" + "\u0301" * 5_000,
            "W" * 5_000,
        ]
    ),
)


@pytest.mark.parametrize(("html", "locale", "name"), PAGES)
def test_every_page_is_whole_small_and_in_its_own_language(
    html: Html, locale: str, name: str
) -> None:
    document = read(html)
    root = document.one("html")
    assert root.attributes == {"lang": locale, "dir": "rtl" if locale == "fa" else "ltr"}
    assert document.one("title").text.strip()
    assert document.one("h1").text.strip()
    assert len(html.body.encode()) <= PAGE_BYTES_MAX
    assert html.headers["Content-Language"] == locale
    assert not any(e.attributes.get("style") for e in document.elements), name


@pytest.mark.parametrize(("html", "locale", "name"), PAGES)
def test_the_policy_fits_the_page_exactly(html: Html, locale: str, name: str) -> None:
    document, policy = read(html), directives(html)

    def hashed(text: str) -> list[str]:
        return [f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"]

    assert policy["default-src"] == ["'none'"]
    assert policy["base-uri"] == policy["frame-ancestors"] == ["'none'"]
    assert policy["style-src"] == hashed(document.one("style").text)
    assert policy.get("script-src") == (
        hashed(document.one("script").text) if name == "handover-post" else None
    )
    assert bool(document.all("form")) == (policy["form-action"] != ["'none'"])
    assert policy.get("img-src") == (["https://cdn.example.com"] if document.all("img") else None)


@pytest.mark.parametrize(("html", "locale", "name"), PAGES)
def test_the_headers_keep_a_page_to_itself(html: Html, locale: str, name: str) -> None:
    outward = name.startswith(("checkout", "handover"))
    expected = {
        "Content-Type": "text/html; charset=utf-8",
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Cross-Origin-Opener-Policy": "same-origin",
        # Channels check where the payer comes from; everybody else learns nothing.
        "Referrer-Policy": "strict-origin" if outward else "no-referrer",
    }
    assert expected.items() <= html.headers.items()
    assert "Strict-Transport-Security" not in html.headers


@pytest.mark.parametrize(("html", "locale", "name"), PAGES)
def test_every_form_and_control_has_a_name(html: Html, locale: str, name: str) -> None:
    document = read(html)
    for form in document.all("form"):
        assert form.attributes["method"] == "post"
        assert form.attributes["aria-label"].strip()
    for control in [*document.all("button"), *document.all("a")]:
        assert control.text.strip()
    for hidden in document.all("input"):
        assert hidden.attributes["type"] == "hidden"
        assert hidden.attributes["name"]


def test_checkout_has_one_form_per_channel_in_the_order_given() -> None:
    document = read(checkout(checkout_page(hidden={"token": 'a"b'})))
    channels = [f.attributes["data-channel"] for f in document.all("form")[:-1]]
    assert channels == ["zarinpal", "noticebank"]
    assert [f.attributes.get("id") for f in document.all("form")] == [None, None, "cancel"]
    sent = [(i.attributes["name"], i.attributes["value"]) for i in document.all("input")]
    token = ("token", 'a"b')
    assert sent == [("channel", "zarinpal"), token, ("channel", "noticebank"), token, token]


def test_checkout_without_cancel_has_no_cancel_form() -> None:
    forms = read(checkout(checkout_page(cancel_url=None))).all("form")
    assert all("data-channel" in form.attributes for form in forms)


@pytest.mark.parametrize(
    ("locale", "shown"),
    [("fa", ["۲۵۰٬۰۰۰ ریال", "۲۵٬۰۰۰ تومان"]), ("en", ["250,000 rial", "25,000 toman"])],
)
def test_rial_is_shown_as_rial_with_toman_beside_it(locale: str, shown: list[str]) -> None:
    document = read(checkout(checkout_page(locale)))
    assert [document.one("strong").text, document.all("small")[0].text] == shown


def test_the_time_left_is_counted_from_the_moment_given() -> None:
    page = checkout_page("en", expires_at=NOW + timedelta(minutes=14, seconds=59))
    assert "opened: 14 min<" in checkout(page).body
    late = replace(page, expires_at=NOW - timedelta(days=1))
    assert "less than a minute" in checkout(late).body


def test_form_action_names_us_and_the_channels_and_nobody_else() -> None:
    page = checkout_page(
        form_origins=(
            "https://a.example/pay?x=1",
            "http://127.0.0.1:8080/lab",
            "https://a.example",
        ),
        cancel_url="https://pay.example:8443/cancel",
    )
    assert directives(checkout(page))["form-action"] == [
        "'self'",
        "https://pay.example:8443",
        "https://a.example",
        "http://127.0.0.1:8080",
    ]
    posted = handover(handover_page(form_origins=("https://next.example",)))
    assert directives(posted)["form-action"] == ["https://bank.example.com", "https://next.example"]
    assert directives(handover(handover_page(fields=None)))["form-action"] == ["'none'"]


ASTRAY = [
    "javascript:alert(1)",
    "http://bank.example.com/",
    "//bank.example.com/",
    "https://user@bank.example.com/",
    "https://bank.example.com;script-src *",
    "https://bank.example.com, x",
    "https://bank.example.com\\@evil.example/",
    "https://bank.example.com:99999/",
    "https://[::1/",
    "https://",
    "data:text/html,x",
    "\tjavascript:alert(1)",
    "https://bänk.example.com/",
    "https://bank.example.com/\ud800",
    "relative",
]


@pytest.mark.parametrize("url", ASTRAY)
def test_no_form_leads_astray(url: str) -> None:
    with pytest.raises(ValueError, match="address"):
        handover(handover_page(url=url))
    with pytest.raises(ValueError, match="address"):
        handover(handover_page(form_origins=(url,)))
    with pytest.raises(ValueError, match="address"):
        checkout(checkout_page(post_url=url))
    with pytest.raises(ValueError, match="address"):
        checkout(checkout_page(form_origins=(url,)))


@pytest.mark.parametrize("url", [u for u in ASTRAY if not u.startswith("http://")])
def test_giving_up_leads_to_a_merchants_page_only(url: str) -> None:
    with pytest.raises(ValueError, match="address"):
        checkout(checkout_page(return_url=url))


def test_a_merchants_page_may_be_plain_http() -> None:
    html = checkout(checkout_page(return_url="http://shop.example/done?x=1"))
    assert "form-action 'self' http://shop.example" in html.headers["Content-Security-Policy"]


@pytest.mark.parametrize("url", [u for u in ASTRAY if not u.startswith("http://")])
def test_an_unfit_link_is_left_out(url: str) -> None:
    html = outcome(outcome_page(Outcome.PAID, return_url=url, again_url=url, page_url=url))
    assert read(html).all("a") == []


@pytest.mark.parametrize("url", [*ASTRAY, "http://127.0.0.1:8080/logo.png"])
def test_an_unfit_logo_is_left_out(url: str) -> None:
    html = checkout(checkout_page(merchant=replace(MERCHANT, logo_url=url)))
    assert read(html).all("img") == []
    assert "img-src" not in directives(html)


@pytest.mark.parametrize(
    "colour", [None, "", "red", "#fff", "#12345", "#1234567", "#12345g", "#}{;"]
)
def test_an_unfit_colour_becomes_the_house_colour(colour: str | None) -> None:
    html = checkout(checkout_page(merchant=Merchant("x", primary=colour)))
    assert "--primary:#2563eb;" in html.body


def test_a_channel_is_offered_once() -> None:
    twice = (ChannelChoice("zarinpal", "a"), ChannelChoice("zarinpal", "b"))
    with pytest.raises(ValueError, match="twice"):
        checkout(checkout_page(channels=twice))
    with pytest.raises(ValueError, match="channel"):
        checkout(checkout_page(hidden={"channel": "other"}))


def test_the_language_links_keep_the_address() -> None:
    links = read(checkout(checkout_page("fa", page_url="/v1/pay/pay_1?a=1"))).all("a")
    assert [(a.attributes["href"], a.attributes["lang"]) for a in links] == [
        ("/v1/pay/pay_1?a=1&lang=en", "en")
    ]


def test_an_unknown_language_is_answered_in_english() -> None:
    assert read(problem(ProblemPage(404, "xx"))).one("html").attributes["lang"] == "en"


def test_an_undecided_payment_is_never_called_failed() -> None:
    html = outcome(outcome_page(Outcome.CHECKING, "en", again_url="/pay/pay_1"))
    document = read(html)
    assert "do not pay again" in document.one("main").text
    assert [a.attributes.get("id") for a in document.all("a")] == ["again", "back", None]


@settings(max_examples=60, deadline=None)
@given(name=NASTY, description=NASTY, title=NASTY, reference=NASTY, locale=st.sampled_from(LOCALES))
def test_outsiders_words_stay_words(
    name: str, description: str, title: str, reference: str, locale: str
) -> None:
    usual = [e.tag for e in read(checkout(checkout_page(locale))).elements]
    page = checkout_page(
        locale,
        merchant=Merchant(name, MERCHANT.logo_url),
        description=description,
        reference=reference,
        channels=(ChannelChoice("a", title), ChannelChoice("b", title, ChannelNote.SLOW)),
        alert=Alert.REFUSED,
        test=True,
    )
    html = checkout(page)
    encoded = html.body.encode()  # no half characters left
    assert len(encoded) <= PAGE_BYTES_MAX
    assert not set(html.body) & set(BIDI)
    assert all(unicodedata.category(c) != "Cc" or c == "\n" for c in html.body)
    document = read(html)
    # The same skeleton as ever: nothing an outsider wrote became an element.
    optional = {"div", "dt", "dd", "bdi", "p"}
    assert [t for e in document.elements if (t := e.tag) not in optional] == [
        t for t in usual if t not in optional
    ]
    assert all("onerror" not in e.attributes for e in document.elements)
    # … and it stands in its own direction wherever it is shown beside our words.
    for isolated in document.all("bdi"):
        assert isolated.attributes == {"dir": "auto"}
    assert sum("button" in e.inside for e in document.all("bdi")) == len(document.all("button"))
    assert sum("h1" in e.inside for e in document.all("bdi")) == 1


@settings(max_examples=40, deadline=None)
@given(fields=st.dictionaries(st.text(min_size=1, max_size=30), st.text(max_size=200), max_size=8))
def test_a_channels_fields_arrive_as_given(fields: dict[str, str]) -> None:
    # \r is the parser's to normalise and NUL is not text in HTML; no channel sends either.
    kept = {k: v for k, v in fields.items() if not {"\r", "\0"} & set(k + v) and k.isprintable()}
    inputs = read(handover(handover_page(fields=kept))).all("input")
    assert {i.attributes["name"]: i.attributes["value"] for i in inputs} == kept


@settings(max_examples=40, deadline=None)
@given(text=NASTY, which=st.sampled_from(Outcome), locale=st.sampled_from(LOCALES))
def test_outcomes_stand_any_text(text: str, which: Outcome, locale: str) -> None:
    html = outcome(
        OutcomePage(which, locale, Merchant(text), Money(0, "EUR"), text, text, text, text, text)
    )
    html.body.encode()
    document = read(html)
    assert document.one("h1").attributes["data-outcome"] == which
    assert not set(html.body) & set(BIDI)
    assert not any("javascript:" in a.attributes["href"] for a in document.all("a"))


def test_thirteen_channels_with_long_words_fit_the_budget() -> None:
    long = "&" * 100_000
    page = checkout_page(
        merchant=Merchant(long, "https://cdn.example.com/" + "x" * 200),
        money=Money(AMOUNT_MAX, "IRR"),
        description=long,
        reference=long,
        channels=[ChannelChoice(f"channel{i}", "درگاه پرداخت " * 3) for i in range(13)],
    )
    assert len(checkout(page).body.encode()) <= PAGE_BYTES_MAX


def test_a_page_has_no_outside_address_but_the_logo() -> None:
    body = checkout(checkout_page()).body
    assert body.count("https://") == 1
    assert json.dumps("http://") not in body
