"""The hosted pages in a real browser: both languages, narrow and wide, with and without JavaScript.

Nothing here leaves 127.0.0.1: addresses of outsiders are answered inside the browser or not at all.
Screenshots are left in pytest's temporary folder.
"""

import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qsl

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, sync_playwright

from payvand.money import AMOUNT_MAX, Money
from payvand.pages import LOCALES, Html, Merchant, checkout, handover
from payvand.pages.colour import contrast
from tests.pages.support import checkout_page, every_page, handover_page
from tests.support.chromium import CHROMIUM, FLAGS, needs_chromium

LOGO = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 48 48">'
    '<rect width="48" height="48" rx="8" fill="#0f766e"/>'
    '<path d="M12 14h10v22H12zM26 14h10v22H26z" fill="#fff"/></svg>'
)
TARGET_PX_MIN = 44

type Scheme = Literal["light", "dark"]

pytestmark = [
    needs_chromium,
    pytest.mark.xdist_group("browser"),
]


@dataclass
class Site:
    """A web server on loopback that serves pages by path and remembers what was posted."""

    address: str
    pages: dict[str, Html] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    requests: list[tuple[str, str, dict[str, str], str | None]] = field(default_factory=list)

    def show(self, html: Html, path: str = "/pay/pay_1") -> str:
        self.pages[path] = html
        return self.address + path

    def posted(self) -> list[tuple[str, dict[str, str]]]:
        return [(path, form) for method, path, form, _ in self.requests if method == "POST"]


def serve(site_of: list[Site]) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer({})

        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            self._answer(dict(parse_qsl(self.rfile.read(length).decode())))

        def _answer(self, form: dict[str, str]) -> None:
            site, path = site_of[0], self.path.split("?")[0]
            site.requests.append((self.command, self.path, form, self.headers["Referer"]))
            html = site.pages.get(path) if self.command == "GET" else None
            self.send_response(303 if path in site.redirects else 200)
            if path in site.redirects:
                self.send_header("Location", site.redirects[path])
            for name, value in html.headers.items() if html else [("Content-Type", "text/html")]:
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write((html.body if html else "<title>arrived</title>").encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    return ThreadingHTTPServer(("127.0.0.1", 0), Handler)


def sites(count: int) -> Iterator[list[Site]]:
    servers, found = [], []
    for _ in range(count):
        holder: list[Site] = []
        server = serve(holder)
        holder.append(Site(f"http://127.0.0.1:{server.server_port}"))
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        servers.append(server)
        found.extend(holder)
    yield found
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def site() -> Iterator[Site]:
    for found in sites(1):
        yield found[0]


@pytest.fixture
def ours_and_bank() -> Iterator[tuple[Site, Site]]:
    for found in sites(2):
        yield found[0], found[1]


@pytest.fixture
def elsewhere() -> Iterator[Site]:
    for found in sites(1):
        yield found[0]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield chromium
        chromium.close()


@dataclass
class Visit:
    """One payer's browser window and everything it complained about."""

    page: Page
    complaints: list[str] = field(default_factory=list)


def visit(context: BrowserContext) -> Visit:
    def logo(route: Route) -> None:
        route.fulfill(body=LOGO, content_type="image/svg+xml")

    context.route(re.compile("^https:"), logo)
    found = Visit(context.new_page())
    found.page.on("console", lambda message: found.complaints.append(message.text))
    found.page.on("pageerror", lambda error: found.complaints.append(str(error)))
    return found


def rgb(colour: str) -> str:
    """#rrggbb of a computed `rgb(r, g, b)`."""
    red, green, blue = colour.removeprefix("rgb(").removesuffix(")").split(", ")
    return f"#{int(red):02x}{int(green):02x}{int(blue):02x}"


LOOK = """() => ({
  dir: getComputedStyle(document.documentElement).direction,
  wide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
  card: getComputedStyle(document.querySelector('main')).backgroundColor,
  ink: getComputedStyle(document.querySelector('h1')).color,
  quiet: [...document.querySelectorAll('.quiet, dt')].map(e => getComputedStyle(e).color),
  targets: [...document.querySelectorAll('button, a')].map(e => {
    const box = e.getBoundingClientRect(), style = getComputedStyle(e);
    return {text: e.innerText, width: box.width, height: box.height, left: box.left,
            right: box.right, color: style.color, fill: style.backgroundColor};
  }),
})"""


@pytest.mark.parametrize(("scripts", "scheme"), [("on", "light"), ("off", "dark")])
@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("locale", LOCALES)
def test_pages_can_be_read_and_pressed(
    browser: Browser,
    site: Site,
    tmp_path: Path,
    locale: str,
    width: int,
    scripts: str,
    scheme: Scheme,
) -> None:
    context = browser.new_context(
        viewport={"width": width, "height": 740},
        java_script_enabled=scripts == "on",
        color_scheme=scheme,
    )
    seen = visit(context)
    for name, html in every_page(locale).items():
        if name.startswith("handover"):
            continue  # they do not stay; below
        seen.page.goto(site.show(html))
        seen.page.screenshot(
            path=tmp_path / f"{name}-{locale}-{width}-{scheme}.png", full_page=True
        )
        # Evaluating works through the debugger even where the page itself may run no script.
        look = seen.page.evaluate(LOOK)
        assert look["dir"] == ("rtl" if locale == "fa" else "ltr")
        assert look["wide"] <= 0, f"{name} scrolls sideways"
        card = rgb(look["card"])
        assert contrast(rgb(look["ink"]), card) >= 7
        for quiet in look["quiet"]:
            assert contrast(rgb(quiet), card) >= 4.5
        for target in look["targets"]:
            assert target["width"] >= TARGET_PX_MIN, target
            assert target["height"] >= TARGET_PX_MIN, target
            assert 0 <= target["left"] <= target["right"] <= width, target
            see_through = target["fill"].startswith("rgba(")
            fill = card if see_through else rgb(target["fill"])
            assert contrast(rgb(target["color"]), fill) >= 4.5, target
    assert seen.complaints == []
    context.close()


@pytest.mark.parametrize("primary", ["#ffffff", "#000000", "#facc15", "#777777"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_any_colour_leaves_a_button_that_can_be_read(
    browser: Browser, site: Site, primary: str, scheme: Scheme
) -> None:
    context = browser.new_context(color_scheme=scheme)
    seen = visit(context)
    seen.page.goto(
        site.show(checkout(checkout_page("fa", merchant=Merchant("فروشگاه", None, primary))))
    )
    button = seen.page.evaluate(LOOK)["targets"][0]
    assert rgb(button["fill"]) == primary
    assert contrast(rgb(button["color"]), primary) >= 4.5
    context.close()


@pytest.mark.parametrize("locale", LOCALES)
def test_long_words_do_not_push_the_page_wide_nor_break_the_amount(
    browser: Browser, site: Site, locale: str
) -> None:
    context = browser.new_context(viewport={"width": 320, "height": 640})
    seen = visit(context)
    page = checkout_page(
        locale,
        merchant=Merchant("W" * 500),
        description="م" * 500,
        reference="9" * 64,
        money=Money(AMOUNT_MAX, "IRR"),
    )
    seen.page.goto(site.show(checkout(page)))
    assert seen.page.evaluate(LOOK)["wide"] <= 0
    # A number cut in two lines is read as two numbers.
    assert (
        seen.page.evaluate(
            """() => {
          const text = document.querySelector('strong').firstChild, range = document.createRange();
          range.setStart(text, 0);
          range.setEnd(text, text.data.indexOf(' '));
          return new Set([...range.getClientRects()].map(box => box.top)).size;
        }"""
        )
        == 1
    )
    context.close()


@pytest.mark.parametrize("scripts", ["on", "off"])
def test_a_channel_is_chosen_and_the_redirect_followed(
    browser: Browser, ours_and_bank: tuple[Site, Site], scripts: str
) -> None:
    ours, bank = ours_and_bank
    context = browser.new_context(java_script_enabled=scripts == "on")
    seen = visit(context)
    ours.redirects["/pay/pay_1/choose"] = f"{bank.address}/StartPay/A1"
    page = checkout_page(post_url="/pay/pay_1/choose", form_origins=(bank.address,))
    seen.page.goto(ours.show(checkout(page)))
    seen.page.locator('form[data-channel="zarinpal"] button').click()
    seen.page.wait_for_url(f"{bank.address}/**")
    assert ours.posted() == [("/pay/pay_1/choose", {"channel": "zarinpal"})]
    # The channel learns where the payer comes from, and not which payment page it was.
    assert bank.requests[0] == ("GET", "/StartPay/A1", {}, f"{ours.address}/")
    assert seen.complaints == []
    context.close()


def test_a_redirect_to_an_unnamed_origin_is_stopped(
    browser: Browser, ours_and_bank: tuple[Site, Site]
) -> None:
    ours, bank = ours_and_bank
    context = browser.new_context()
    seen = visit(context)
    ours.redirects["/pay/pay_1/choose"] = f"{bank.address}/StartPay/A1"
    seen.page.goto(ours.show(checkout(checkout_page(post_url="/pay/pay_1/choose"))))
    with seen.page.expect_event("console") as complaint:
        seen.page.locator('form[data-channel="zarinpal"] button').click()
    assert "form-action" in complaint.value.text
    assert bank.requests == []
    context.close()


@pytest.mark.parametrize("scripts", ["on", "off"])
def test_handover_posts_the_channels_form(
    browser: Browser, ours_and_bank: tuple[Site, Site], scripts: str
) -> None:
    ours, bank = ours_and_bank
    context = browser.new_context(java_script_enabled=scripts == "on")
    seen = visit(context)
    # A field named like the form's own method must not stop it.
    fields = {"submit": "1", "RefId": 'a"<b>', "نام": "مهر"}
    html = handover(handover_page(url=f"{bank.address}/start", fields=fields))
    seen.page.goto(ours.show(html))
    if scripts == "off":
        seen.page.locator("#handover button").click()
    seen.page.wait_for_url(f"{bank.address}/start")
    assert bank.requests == [("POST", "/start", fields, f"{ours.address}/")]
    assert seen.complaints == []
    context.close()


def test_a_payer_who_comes_back_is_not_sent_again(
    browser: Browser, ours_and_bank: tuple[Site, Site]
) -> None:
    ours, bank = ours_and_bank
    context = browser.new_context()
    seen = visit(context)
    html = handover(handover_page(url=f"{bank.address}/start"))
    ours.show(html)
    ours.pages["/"] = checkout(checkout_page())
    seen.page.goto(f"{ours.address}/")
    seen.page.goto(f"{ours.address}/pay/pay_1")
    seen.page.wait_for_url(f"{bank.address}/start")
    seen.page.go_back()
    assert seen.page.url.startswith(ours.address)
    assert len(bank.posted()) == 1
    context.close()


@pytest.mark.parametrize("scripts", ["on", "off"])
def test_handover_by_link_goes_by_itself_and_past_any_redirect(
    browser: Browser, ours_and_bank: tuple[Site, Site], elsewhere: Site, scripts: str
) -> None:
    ours, bank = ours_and_bank
    context = browser.new_context(java_script_enabled=scripts == "on")
    seen = visit(context)
    bank.redirects["/StartPay/A1"] = f"{elsewhere.address}/card"
    html = handover(handover_page(url=f"{bank.address}/StartPay/A1", fields=None))
    seen.page.goto(ours.show(html), wait_until="commit")
    seen.page.wait_for_url(f"{elsewhere.address}/card")
    assert bank.requests[0][3] == f"{ours.address}/"
    assert seen.complaints == []
    context.close()


def test_the_keyboard_reaches_everything_and_shows_where_it_is(
    browser: Browser, site: Site
) -> None:
    context = browser.new_context()
    seen = visit(context)
    seen.page.goto(site.show(checkout(checkout_page("en"))))
    reached = []
    for _ in range(4):
        seen.page.keyboard.press("Tab")
        focus = seen.page.evaluate(
            "() => { const e = document.activeElement, s = getComputedStyle(e);"
            " return [e.innerText.split('\\n')[0], s.outlineStyle, parseFloat(s.outlineWidth)]; }"
        )
        reached.append(focus[0])
        assert focus[1] == "solid"
        assert focus[2] >= 2
    assert reached == [
        "Pay with ZarinPal",
        "Pay with Sample bank",
        "Cancel and return to کتاب‌فروشی مهر",
        "فارسی",
    ]
    context.close()


def test_names_and_landmarks_are_what_a_screen_reader_says(browser: Browser, site: Site) -> None:
    context = browser.new_context()
    seen = visit(context)
    seen.page.goto(site.show(checkout(checkout_page("en"))))
    page = seen.page
    assert page.get_by_role("main").count() == 1
    assert page.get_by_role("heading", level=1).count() == 1
    assert page.get_by_role("form", name="Pay with ZarinPal", exact=True).count() == 1
    assert page.get_by_role("button", name="Pay with Sample bank Slow right now").count() == 1
    assert page.get_by_role("navigation", name="Language").count() == 1
    context.close()
