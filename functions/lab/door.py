"""What comes into the lab and what goes out, whatever the outside party."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from urllib.parse import parse_qsl

JSON_TYPE: Final = "application/json"
HTML_TYPE: Final = "text/html; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Request:
    """One call. `base` is the stack's public address, `now` the lab's time when it came in."""

    method: str
    path: tuple[str, ...]  # the segments behind /lab
    query: Mapping[str, str]
    headers: Mapping[str, str]  # lower-case names
    body: bytes
    base: str
    now: datetime

    @property
    def epoch(self) -> int:
        return int(self.now.timestamp())

    @property
    def lang(self) -> str:
        return "en" if self.query.get("lang") == "en" else "fa"

    @property
    def wants_json(self) -> bool:
        return JSON_TYPE in self.headers.get("accept", "")

    def json(self) -> dict[str, Any] | None:
        """The body's JSON object, or None for anything else."""
        try:
            value = json.loads(self.body)
        except (ValueError, RecursionError):
            return None
        return value if isinstance(value, dict) else None

    def form(self) -> dict[str, str]:
        """The body's form fields; empty for anything else."""
        try:
            return dict(parse_qsl(self.body.decode(), keep_blank_values=True))
        except UnicodeDecodeError:
            return {}


@dataclass(frozen=True, slots=True)
class Response:
    """One answer."""

    status: int
    body: str = ""
    content_type: str = JSON_TYPE
    headers: Mapping[str, str] = field(default_factory=dict)


def as_json(value: object, status: int = 200) -> Response:
    """A JSON answer."""
    return Response(status, json.dumps(value, ensure_ascii=False))


def see(url: str) -> Response:
    """Send the browser on with a GET, whatever it came with."""
    return Response(303, "", "text/plain", {"location": url})


def crash() -> Response:
    """A 5xx as gateways send it: HTML, and no word about what happened."""
    page = "<html><head><title>502 Bad Gateway</title></head><body>502 Bad Gateway</body></html>"
    return Response(502, page, HTML_TYPE)
