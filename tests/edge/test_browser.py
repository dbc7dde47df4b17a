"""What browsers tell us and where we send them."""

import dataclasses
import datetime as dt
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payvand.edge.api import Request
from payvand.edge.browser import locale_of, refuse_as_page, same_site, send_back
from payvand.errors import Forbidden, NotFound, Unavailable
from payvand.fee import FeePlan
from payvand.ids import Book, PaymentId
from payvand.payment import Payment, Status
from tests.edge.rest import MERCHANT

ID = PaymentId.mint(Book(MERCHANT, "test", "IRR"), dt.date(2026, 3, 1), 0, 0, bytes(6))
PAYMENT = Payment(
    ID, Status.REFUSED, 250_000, "order-1042", "https://shop.example/done", 0, FeePlan()
)


def asked(
    headers: dict[str, str] | None = None,
    query: dict[str, str] | None = None,
    base_url: str = "https://pay.example/v1",
) -> Request:
    return Request("POST", {}, query or {}, headers or {}, b"", base_url, "r-1")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"sec-fetch-site": "same-origin"},
        {"sec-fetch-site": "none"},
        {"origin": "https://pay.example"},
        {"sec-fetch-site": "same-origin", "origin": "null"},
    ],
)
def test_our_own_form_is_taken(headers: dict[str, str]) -> None:
    same_site(asked(headers))


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": ""},
        {"sec-fetch-site": "cross-site", "origin": "https://pay.example"},
        {"origin": "null"},
        {"origin": ""},
        {"origin": "https://evil.example"},
        {"origin": "http://pay.example"},
        {"origin": "https://pay.example:8443"},
        {"origin": "https://pay.example.evil.example"},
        {"origin": "https://PAY.example/"},
    ],
)
def test_another_sites_form_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(Forbidden, match="cross_site"):
        same_site(asked(headers))


def back(return_url: str, payment: Payment = PAYMENT) -> str:
    answer = send_back(dataclasses.replace(payment, return_url=return_url))
    assert answer.status == 303 and answer.body == ""
    return answer.headers["Location"]


OURS = [("payment_id", ID.text), ("reference", "order-1042"), ("status", "refused")]


@pytest.mark.parametrize(
    ("return_url", "kept"),
    [
        ("https://shop.example/done", []),
        ("https://shop.example", []),
        ("https://shop.example/done?", []),
        ("https://shop.example/done?a=1&b=&a=2", [("a", "1"), ("b", ""), ("a", "2")]),
        ("https://shop.example/done?x=%D8%B4%26y", [("x", "ش&y")]),
        ("https://shop.example/done?status=executed&payment_id=1&reference=2&z=3", [("z", "3")]),
    ],
)
def test_the_merchants_query_is_kept_and_ours_is_added(
    return_url: str, kept: list[tuple[str, str]]
) -> None:
    parts = urlsplit(back(return_url))
    assert parse_qsl(parts.query, keep_blank_values=True) == kept + OURS
    was = urlsplit(return_url)
    assert parts[:3] == was[:3] and parts.fragment == was.fragment


def test_a_fragment_stays_last() -> None:
    assert back("https://shop.example/#/done").endswith("status=refused#/done")


@given(st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=64))
def test_any_reference_comes_back_as_it_was(reference: str) -> None:
    payment = dataclasses.replace(PAYMENT, reference=reference)
    location = back("https://shop.example/done", payment)
    assert location.isascii() and "\n" not in location
    assert dict(parse_qsl(urlsplit(location).query))["reference"] == reference


@pytest.mark.parametrize(
    ("query", "accept", "fallback", "locale"),
    [
        ({"lang": "en"}, "fa", "fa", "en"),
        ({"lang": "fa"}, "en", "en", "fa"),
        ({"lang": "xx"}, None, "fa", "fa"),
        ({"lang": "<script>"}, None, "en", "en"),
        ({}, None, "fa", "fa"),
        ({}, None, "en", "en"),
    ],
)
def test_the_links_choice_of_language_comes_first(
    query: dict[str, str], accept: str | None, fallback: str, locale: str
) -> None:
    headers = {} if accept is None else {"accept-language": accept}
    assert locale_of(asked(headers, query), fallback) == locale


@given(st.text(), st.text())
def test_no_language_is_too_odd(lang: str, accept: str) -> None:
    assert locale_of(asked({"accept-language": accept}, {"lang": lang}), "fa") in {"fa", "en"}


def test_a_refusal_is_a_page() -> None:
    answer = refuse_as_page(asked(), NotFound())
    assert answer.status == 404 and "<html" in answer.body
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "not_found" not in answer.body
    answer = refuse_as_page(asked(), Unavailable("busy", retry_after_s=7))
    assert answer.status == 503 and answer.headers["Retry-After"] == "7"


def test_a_payments_language_beats_the_browsers() -> None:
    english = {"accept-language": "en-US,en;q=0.9"}
    assert locale_of(_asked({}, english), "fa") == "fa"
    assert locale_of(_asked({"lang": "en"}, english), "fa") == "en"
    assert locale_of(_asked({"lang": "xx"}, english), "fa") == "fa"
    assert locale_of(_asked({}, english), None) == "en"
    assert locale_of(_asked({}, {}), None) == "fa"


def _asked(query: dict[str, str], headers: dict[str, str]) -> Request:
    return Request("GET", {}, query, headers, b"", "https://pay.example", "r")
