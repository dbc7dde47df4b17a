"""What travels with every answer: nobody keeps it, frames it, guesses its type or learns from it.

The deployed stack is asked at every route there is, with and without a key, in ways that work and
in ways that do not; a page is also held to what pages promise.
"""

import re
import secrets
from collections.abc import Iterator
from typing import Final

import httpx
import pytest

from tests.support import template
from tests.support.local_stack import LocalStack

PUBLIC_FILE: Final = "/openapi.json"
"""The one answer that is the same for everybody; it may be kept, for minutes."""
NO_FORM_ACTION: Final = "/lab"
"""A lab bank sends payers on to other hosts, and browsers hold a form's redirects to the rule."""
TRICKS: Final = {
    "Host": "evil.example",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Proto": "gopher",
    "X-Forwarded-Port": "1",
    "X-Forwarded-Prefix": "/evil.example",
    "Forwarded": "host=evil.example;proto=gopher",
    "X-Original-URL": "/evil.example",
    "X-Rewrite-URL": "/evil.example",
    "X-Host": "evil.example",
    "X-HTTP-Method-Override": "DELETE",
    "X-Method-Override": "DELETE",
    "Origin": "https://evil.example",
    "Referer": "https://evil.example/",
}


@pytest.fixture(scope="module")
def client(local_stack: LocalStack) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=local_stack.url, timeout=40) as made:
        yield made


@pytest.fixture
def payment(local_stack: LocalStack, client: httpx.Client) -> dict[str, str]:
    return _open_payment(local_stack, client)


def _open_payment(local_stack: LocalStack, client: httpx.Client) -> dict[str, str]:
    body = {
        "amount": 250_000,
        "currency": "IRR",
        "reference": f"answers-{secrets.token_hex(8)}",
        "return_url": "https://shop.example/done",
    }
    made = client.post("/payments", json=body, headers=_key(local_stack))
    assert made.status_code == 201
    found: dict[str, str] = made.json()
    return found


def _key(local_stack: LocalStack) -> dict[str, str]:
    return {"Authorization": f"Bearer {local_stack.local['api_key']}"}


@pytest.fixture(scope="module")
def answers(local_stack: LocalStack, client: httpx.Client) -> dict[str, httpx.Response]:
    """Every route: as a stranger, as its merchant, with an id that is there and one that is not."""
    found = {}
    payment = _open_payment(local_stack, client)
    for route in template.routes():
        for id in (payment["id"], "pay_nothing"):
            path = (
                route.path.replace("{id}", id)
                .replace("{channel}", "zarinpal")
                .replace("{proxy+}", "webhooks")
            )
            query = f"?payment={id}" if "/psp/" in path else ""
            for who, headers in (("nobody", {}), ("merchant", _key(local_stack))):
                name = f"{route.method} {path}{query} by {who}"
                found[name] = client.request(route.method, path + query, headers=headers)
    for path in ("/nothing", "/%2e%2e/v1", "//evil.example/", "/pay/%00", "/lab/nothing"):
        found[f"GET {path}"] = client.get(path, headers=_key(local_stack))
    found["PUT /payments"] = client.put("/payments", json={}, headers=_key(local_stack))
    return found


def test_there_is_something_to_look_at(answers: dict[str, httpx.Response]) -> None:
    seen = {answer.status_code for answer in answers.values()}
    assert {200, 303, 400, 401, 404} <= seen
    assert max(seen) < 500


def test_nobody_between_us_keeps_an_answer(answers: dict[str, httpx.Response]) -> None:
    for name, answer in answers.items():
        kept = answer.headers.get("Cache-Control")
        assert kept == ("public, max-age=300" if PUBLIC_FILE in name else "no-store"), name
        assert "Set-Cookie" not in answer.headers, name


def test_no_browser_guesses_a_type(answers: dict[str, httpx.Response]) -> None:
    for name, answer in answers.items():
        assert answer.headers.get("X-Content-Type-Options") == "nosniff", name
        kind = answer.headers["Content-Type"].partition(";")[0]
        allowed = {"application/json", "application/problem+json", "text/html", "text/plain"}
        assert kind in allowed, name


def test_no_other_site_may_read_an_answer(answers: dict[str, httpx.Response]) -> None:
    for name, answer in answers.items():
        assert not [h for h in answer.headers if h.lower().startswith("access-control-")], name


def test_every_problem_is_a_problem(answers: dict[str, httpx.Response]) -> None:
    """Pages say it to people; everything else says it in RFC 9457."""
    for name, answer in answers.items():
        if answer.status_code < 400 or "/lab" in name:
            continue
        kind = answer.headers["Content-Type"].partition(";")[0]
        page = "/pay/" in name or "/psp/" in name
        assert kind == ("text/html" if page else "application/problem+json"), name
        if not page:
            assert answer.json()["status"] == answer.status_code, name


def test_every_page_keeps_to_itself(answers: dict[str, httpx.Response]) -> None:
    pages = {n: a for n, a in answers.items() if "text/html" in a.headers["Content-Type"]}
    assert {n.split()[1].split("/")[1] for n in pages} == {"pay", "psp", "lab", "docs"}
    for name, page in pages.items():
        policy = dict(
            rule.partition(" ")[::2] for rule in page.headers["Content-Security-Policy"].split("; ")
        )
        assert policy["default-src"] == policy["base-uri"] == "'none'", name
        assert policy["frame-ancestors"] == "'none'", name
        assert "unsafe" not in str(policy) and "*" not in str(policy), name
        assert ("form-action" in policy) is not (NO_FORM_ACTION in name), name
        assert page.headers["X-Frame-Options"] == "DENY", name
        assert page.headers["Referrer-Policy"] in {"no-referrer", "strict-origin"}, name
        assert not re.search(r"<[^>]+\son\w+=|javascript:|<script(?![^>]*>if\()", page.text), name


@pytest.mark.parametrize("path", ["/payments/{id}", "/pay/{id}", "/docs", "/openapi.json", "/lab"])
def test_no_header_moves_us_elsewhere(
    local_stack: LocalStack, client: httpx.Client, payment: dict[str, str], path: str
) -> None:
    path = path.replace("{id}", payment["id"])
    usual = client.get(path, headers=_key(local_stack))
    for name, value in TRICKS.items():
        answer = client.get(path, headers=_key(local_stack) | {name: value})
        assert answer.status_code == usual.status_code == 200, name
        shown = answer.text + str(answer.headers)
        assert "evil.example" not in shown and "gopher" not in shown, name
    assert client.get(f"/payments/{payment['id']}", headers=_key(local_stack)).is_success


def test_another_host_is_not_where_a_payer_is_sent(
    client: httpx.Client, payment: dict[str, str], local_stack: LocalStack
) -> None:
    where = payment["checkout_url"].removeprefix(local_stack.url)
    for headers in (TRICKS, {"Host": "evil.example"}):
        kept = {k: v for k, v in headers.items() if k not in {"Origin", "Referer"}}
        answer = client.post(where, data={"channel": "zarinpal"}, headers=kept)
        assert answer.status_code == 303
        assert answer.headers["Location"].startswith(f"{local_stack.url}/lab/zarinpal/")


def test_another_sites_form_does_nothing(
    local_stack: LocalStack, client: httpx.Client, payment: dict[str, str]
) -> None:
    for headers in (
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
    ):
        for path in (f"/pay/{payment['id']}", f"/pay/{payment['id']}/cancel"):
            answer = client.post(path, data={"channel": "noticebank"}, headers=headers)
            assert answer.status_code == 403, (headers, path)
            assert "Location" not in answer.headers
    after = client.get(f"/payments/{payment['id']}", headers=_key(local_stack)).json()
    assert after["status"] == "created"


@pytest.mark.parametrize("name", ["X-Filler", "Authorization", "Idempotency-Key", "Cookie"])
def test_endless_headers_are_refused_or_ignored(
    local_stack: LocalStack, client: httpx.Client, name: str
) -> None:
    for size in (8_000, 60_000, 200_000):
        headers = _key(local_stack) | {name: "x" * size}
        try:
            answer = client.get("/balance", headers=headers)
        except httpx.RemoteProtocolError:
            continue  # the door hung up
        assert answer.status_code in {200, 400, 401, 431}, size
