"""The only way out to other parties' servers.

urllib3, because botocore has loaded it already: no cold-start cost. No redirects and no retries: a
channel's answer is asked for again by those who know what asking again means.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import urllib3
from urllib3.exceptions import HTTPError

from payvand.errors import Silence

CONNECT_TIMEOUT_S: Final = 3.0
BODY_MAX: Final = 1_000_000
"""No answer a party may send is larger; more is nonsense, and nonsense is Silence."""


@dataclass(frozen=True, slots=True)
class HttpReply:
    """One whole answer; header names are lower-case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Http:
    """A small client with a hard time-out."""

    def __init__(self) -> None:
        self._pool = urllib3.PoolManager(num_pools=8, maxsize=4, retries=False)

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes = b"",
        timeout_s: float,
    ) -> HttpReply:
        """Send one request. Raises Silence unless a whole answer came within `timeout_s`."""
        timeout = urllib3.Timeout(connect=min(CONNECT_TIMEOUT_S, timeout_s), total=timeout_s)
        try:
            reply = self._pool.request(
                method,
                url,
                headers=dict(headers),
                body=body or None,
                timeout=timeout,
                redirect=False,
                preload_content=False,
            )
            try:
                content = reply.read(BODY_MAX + 1, decode_content=True)
            finally:
                reply.release_conn()
        except (HTTPError, OSError, ValueError) as exc:
            raise Silence(type(exc).__name__) from None
        if len(content) > BODY_MAX:
            raise Silence("answer too large")
        return HttpReply(reply.status, {k.lower(): v for k, v in reply.headers.items()}, content)
