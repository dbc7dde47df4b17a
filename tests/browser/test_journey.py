"""Payers in a real browser on the deployed local stack: page, bank, back to the merchant.

The merchant's page is a page of the stack itself, so that nothing leaves 127.0.0.1. Screenshots are
left in pytest's temporary folder.
"""

import json
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.support.chromium import CHROMIUM, FLAGS, needs_chromium
from tests.support.local_stack import LocalStack

WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 360, "height": 740}
ANSWER_MS = 30_000
"""First calls meet cold functions on two busy cores."""

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as play:
        launched = play.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield launched
        launched.close()


@pytest.fixture
def page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A browser that complains about everything its console complains about."""
    width, scripts = request.param
    context = browser.new_context(viewport=width, java_script_enabled=scripts)
    context.set_default_timeout(ANSWER_MS)
    opened = context.new_page()
    complaints: list[str] = []
    opened.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
    yield opened
    context.close()
    assert complaints == []


def create(stack: LocalStack, amount: int, **changes: Any) -> dict[str, Any]:
    body = {
        "amount": amount,
        "currency": "IRR",
        "reference": uuid.uuid4().hex,
        "return_url": f"{stack.url}/docs",
        "description": "دو جلد کتاب و یک دفتر",
        **changes,
    }
    found: dict[str, Any] = _call(stack, "/payments", json.dumps(body).encode())
    return found


def status(stack: LocalStack, id: str) -> str:
    return str(_call(stack, f"/payments/{id}")["status"])


def _call(stack: LocalStack, path: str, body: bytes | None = None) -> Any:
    headers = {"Authorization": f"Bearer {stack.local['api_key']}"}
    request = urllib.request.Request(stack.url + path, body, headers)
    with urllib.request.urlopen(request, timeout=40) as answer:
        return json.load(answer)


def shot(page: Page, folder: Path, name: str) -> None:
    page.screenshot(path=folder / f"{name}.png", full_page=True)


def no_sideways(page: Page) -> None:
    assert page.locator("html").evaluate("e => e.scrollWidth <= e.clientWidth")


@pytest.mark.parametrize(
    "page", [(NARROW, True), (WIDE, False)], indirect=True, ids=["narrow", "wide-noscript"]
)
@pytest.mark.parametrize("locale", ["fa", "en"])
@pytest.mark.parametrize("channel", ["zarinpal", "noticebank"])
def test_a_payer_pays(
    local_stack: LocalStack,
    page: Page,
    locale: Literal["fa", "en"],
    channel: str,
    tmp_path: Path,
) -> None:
    payment = create(local_stack, 250_000, locale=locale)
    page.goto(payment["checkout_url"])
    assert page.locator("html").get_attribute("dir") == ("rtl" if locale == "fa" else "ltr")
    assert ("۲۵۰٬۰۰۰" if locale == "fa" else "250,000") in page.content()
    shot(page, tmp_path, "checkout")
    page.locator(f'form[data-channel="{channel}"] button').click()
    if page.locator("#handover").count():  # without scripts the payer presses the button
        page.locator("#handover button").click()
    page.wait_for_selector("form#pay")
    shot(page, tmp_path, "bank")
    page.locator("form#pay button").click()
    page.wait_for_url("**/docs?**")
    assert f"payment_id={payment['id']}" in page.url
    assert status(local_stack, payment["id"]) == "executed"
    page.goto(payment["checkout_url"])
    assert page.locator("[data-outcome]").get_attribute("data-outcome") == "paid"
    shot(page, tmp_path, "outcome")


@pytest.mark.parametrize("page", [(NARROW, True)], indirect=True)
def test_a_payer_changes_the_language_refuses_and_gives_up(
    local_stack: LocalStack, page: Page
) -> None:
    payment = create(local_stack, 250_000)
    page.goto(payment["checkout_url"])
    page.locator('a[href*="lang=en"]').click()
    assert page.locator("html").get_attribute("lang") == "en"
    no_sideways(page)
    page.locator('form[data-channel="zarinpal"] button').click()
    page.locator("form#refuse button").click()
    page.wait_for_url("**/docs?**")
    assert "status=refused" in page.url

    other = create(local_stack, 260_000)
    page.goto(other["checkout_url"])
    page.locator("form#cancel button").click()
    page.wait_for_url("**/docs?**")
    assert "status=refused" in page.url


@pytest.mark.parametrize("page", [(NARROW, True)], indirect=True)
def test_an_unknown_invitation_is_a_calm_page(local_stack: LocalStack, page: Page) -> None:
    for id in ("pay_0", "pay_" + "0" * 26, "%00"):
        answer = page.request.get(f"{local_stack.url}/pay/{id}")
        assert answer.status == 404
        assert "text/html" in answer.headers["content-type"]


@pytest.mark.parametrize("page", [(NARROW, True)], indirect=True)
def test_the_lab_and_the_reference_can_be_read(
    local_stack: LocalStack, page: Page, tmp_path: Path
) -> None:
    for path in ("/lab", "/lab/zarinpal", "/lab/noticebank", "/lab/bank", "/lab/webhooks", "/docs"):
        answer = page.goto(local_stack.url + path)
        assert answer is not None and answer.ok, path
        no_sideways(page)
        shot(page, tmp_path, path.strip("/").replace("/", "-"))
