"""How long each door takes and what it says, seen from the caller's side of the wire."""

import ssl
import threading
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from functools import cache
from statistics import quantiles
from typing import Final, override
from urllib.parse import urlsplit

import httpx

REFUSED_FROM: Final = 400
SHORTEST_ID: Final = 10
PERCENT: Final = 100


@cache
def _trust() -> ssl.SSLContext:
    """Made once: every client would make its own, and nothing here speaks TLS."""
    return ssl.create_default_context()


def door(method: str, path: str) -> str:
    """The route of a request: names of single things are left out."""
    parts = ("{}" if _names_one(part) else part for part in path.split("/"))
    return f"{method} {'/'.join(parts)}"


def _names_one(part: str) -> bool:
    return len(part) >= SHORTEST_ID and any(letter.isdigit() for letter in part)


@dataclass(frozen=True)
class Timing:
    """A door's answers: how many, and milliseconds until their head came."""

    door: str
    calls: int
    p50: float
    p95: float
    p99: float


@dataclass
class Meter:
    """What every caller saw together. Safe for threads."""

    times: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    refused: Counter[tuple[str, int, str]] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def saw(self, at: str, took_ms: float, status: int, code: str) -> None:
        """One answer; status 0 when none came."""
        with self.lock:
            self.times[at].append(took_ms)
            if not status or status >= REFUSED_FROM:
                self.refused[at, status, code] += 1

    def forget(self) -> None:
        """Begin anew."""
        with self.lock:
            self.times.clear()

    def timings(self) -> list[Timing]:
        """Every door, the busiest first."""
        with self.lock:
            found = {at: list(times) for at, times in self.times.items()}
        rows = []
        for at, times in found.items():
            cuts = quantiles(times, n=PERCENT, method="inclusive") if len(times) > 1 else times * 99
            rows.append(Timing(at, len(times), *(round(cuts[n - 1], 1) for n in (50, 95, 99))))
        return sorted(rows, key=lambda row: -row.calls)

    def wire(self) -> httpx.BaseTransport:
        """A transport that tells this meter; one for each client, which closes it."""
        return _Wire(self)


class _Wire(httpx.HTTPTransport):
    def __init__(self, meter: Meter) -> None:
        super().__init__(verify=_trust())
        self._meter = meter

    @override
    def handle_request(self, request: httpx.Request) -> httpx.Response:
        at, began = door(request.method, request.url.path), time.perf_counter()
        try:
            reply = super().handle_request(request)
        except httpx.HTTPError as error:
            took = (time.perf_counter() - began) * 1000
            self._meter.saw(at, took, 0, type(error).__name__)
            raise
        took, code = (time.perf_counter() - began) * 1000, ""
        if reply.status_code >= REFUSED_FROM:
            reply.read()
            code = _code(reply)
        self._meter.saw(at, took, reply.status_code, code)
        return reply


def _code(reply: httpx.Response) -> str:
    """The problem's own code, where the answer is one."""
    try:
        found = reply.json()
    except ValueError:
        return ""
    said = found.get("code") if isinstance(found, dict) else None
    return said if isinstance(said, str) else ""


def only_here(url: str) -> bool:
    """Whether an address is on this machine: nothing else is ever put under load."""
    parts = urlsplit(url)
    return parts.scheme == "http" and parts.hostname in {"127.0.0.1", "::1"}
