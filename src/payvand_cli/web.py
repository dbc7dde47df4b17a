"""The two people of a payment, over plain HTTP: a merchant's server and a payer with a browser.

The payer reads pages and posts their forms like a person: no script, no look behind the page.
"""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any, Final, Self, override
from urllib.parse import urljoin, urlsplit

import httpx

TIMEOUT_S: Final = 40.0
STEPS_MAX: Final = 10
"""Redirects and handover pages a browser follows before it gives up."""
REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})


class Surprise(Exception):
    """Something answered in a way nobody planned."""


@dataclass
class Form:
    """A form on a page."""

    id: str
    channel: str
    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._inside = False

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        has = {name: value or "" for name, value in attrs}
        if tag == "form":
            method = has.get("method", "get").upper()
            form = Form(
                has.get("id", ""), has.get("data-channel", ""), has.get("action", ""), method
            )
            self.forms.append(form)
            self._inside = True
        elif tag == "input" and self._inside and has.get("name"):
            self.forms[-1].fields[has["name"]] = has.get("value", "")

    @override
    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag != "form"


@dataclass(frozen=True)
class Page:
    """Where a browser stands. A page of another site is an address only: `status` is None."""

    url: str
    status: int | None = None
    html: str = ""

    @property
    def forms(self) -> list[Form]:
        """Every form on the page."""
        reader = _Reader()
        reader.feed(self.html)
        return reader.forms

    def form(self, *, id: str = "", channel: str = "") -> Form | None:
        """One form, by its id or the channel it leads to."""
        return next(
            (f for f in self.forms if (id and f.id == id) or (channel and f.channel == channel)),
            None,
        )


class Browser:
    """A payer's browser. It stops at the door of any other site."""

    def __init__(self, home: str, transport: httpx.BaseTransport | None = None) -> None:
        self._host = urlsplit(home).netloc
        self._client = httpx.Client(
            timeout=TIMEOUT_S, headers={"Accept": "text/html"}, transport=transport
        )
        self.page = Page("about:blank")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def open(self, url: str) -> Page:
        """Go to an address."""
        return self._go("GET", url, {})

    def submit(self, *, id: str = "", channel: str = "") -> Page:
        """Press the button of a form on this page.

        Raises:
            Surprise: there is no such form.
        """
        form = self.page.form(id=id, channel=channel)
        if form is None:
            raise Surprise(f"no form {id or channel} on {self.page.url} ({self.page.status})")
        return self._go(form.method, urljoin(self.page.url, form.action), form.fields)

    def _go(self, method: str, url: str, fields: dict[str, str]) -> Page:
        for _ in range(STEPS_MAX):
            if urlsplit(url).netloc != self._host:
                self.page = Page(url)
                return self.page
            reply = self._client.request(
                method,
                url,
                **({"data": fields} if method == "POST" else {"params": fields or None}),
            )
            if reply.status_code in REDIRECTS:
                method, url, fields = "GET", urljoin(url, reply.headers["location"]), {}
                continue
            self.page = Page(str(reply.url), reply.status_code, reply.text)
            handover = self.page.form(id="handover")
            if handover is None:
                return self.page
            method, url, fields = handover.method, handover.action, handover.fields
        raise Surprise(f"sent around in circles, last to {url}")


class Shop:
    """A merchant's server: an API key and what it opens."""

    def __init__(
        self, api_url: str, api_key: str, transport: httpx.BaseTransport | None = None
    ) -> None:
        self.api_url = api_url
        self._client = httpx.Client(
            base_url=api_url,
            timeout=TIMEOUT_S,
            headers={"Authorization": f"Bearer {api_key}"},
            transport=transport,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()

    def ask(
        self, method: str, path: str, body: dict[str, Any] | None = None, **query: Any
    ) -> httpx.Response:
        """Any call; the answer as it came."""
        return self._client.request(method, path, json=body, params=query or None)

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        """Read something that is there. Raises Surprise."""
        return good(self.ask("GET", path, **query))

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Make something. Raises Surprise."""
        return good(self.ask("POST", path, body))

    def all(self, path: str, **query: Any) -> list[dict[str, Any]]:
        """A whole list, page after page."""
        rows: list[dict[str, Any]] = []
        while True:
            page = self.get(path, **query)
            rows += page["data"]
            if not page["next_cursor"]:
                return rows
            query["cursor"] = page["next_cursor"]


class Lab:
    """The outside parties' own doors: their clock, their bank, the merchant's inbox."""

    def __init__(self, lab_url: str) -> None:
        self._client = httpx.Client(
            base_url=lab_url, timeout=TIMEOUT_S, headers={"Accept": "application/json"}
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def get(self, path: str) -> dict[str, Any]:
        """Read a door. Raises Surprise."""
        return good(self._client.get(path))

    def post(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Knock. Raises Surprise."""
        return good(self._client.post(path, json=body or {}))


def good(reply: httpx.Response) -> dict[str, Any]:
    """The body of an answer that says yes. Raises Surprise for any other."""
    if not reply.is_success:
        asked = f"{reply.request.method} {reply.request.url.path}"
        raise Surprise(f"{asked} answered {reply.status_code}: {reply.text[:200]}")
    found: dict[str, Any] = reply.json()
    return found
