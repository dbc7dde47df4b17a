"""Webhooks by Standard Webhooks: addresses, secrets, signatures, when to try again.

An endpoint's secret is derived from one master secret, the endpoint's id and its version, so none
is
stored beside the data and rotating is a new version. Source: standardwebhooks.com, spec 1.0.
"""

import base64
import hashlib
import hmac
import re
from typing import Final
from urllib.parse import urlsplit

RETRY_S: Final = (
    5,
    30,
    120,
    300,
    900,
    1_800,
    3_600,
    7_200,
    14_400,
    28_800,
    36_000,
    43_200,
    43_200,
    43_200,
)
"""Waits after each failed try, about 3 days in all; 12 hours is the longest a queue can wait."""
GIVE_UP_AFTER_S: Final = 3 * 86_400
TIMEOUT_S: Final = 10.0


def secret(master: str, endpoint_id: str, version: int) -> str:
    """The signing secret of an endpoint, as its merchant gets it."""
    key = hmac.new(
        master.encode(), f"webhook.{endpoint_id}.{version}".encode(), hashlib.sha256
    ).digest()
    return "whsec_" + base64.b64encode(key).decode()


def signature(secret: str, message_id: str, timestamp_s: int, body: bytes) -> str:
    """The webhook-signature header: HMAC-SHA256 over `id.timestamp.body`."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{message_id}.{timestamp_s}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def address_problem(  # noqa: PLR0911 - one line a reason
    url: str, allowed_hosts: frozenset[str]
) -> str | None:
    """Why an address may not be an endpoint, or None. Each delivery judges what it resolves to.

    `allowed_hosts` are host:port pairs the operator trusts (a laptop's inbox), exempt from https.
    """
    if not url.isascii() or not url.isprintable() or any(c in url for c in " \\"):
        return "must be percent-encoded ASCII"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "must be an absolute https address"
    if parts.netloc in allowed_hosts and parts.scheme in {"http", "https"}:
        return None
    if parts.scheme != "https" or not parts.hostname:
        return "must be an absolute https address"
    if parts.username is not None or parts.password is not None:
        return "must not hold a user name"
    if port not in {None, 443}:
        return "must use port 443"
    if not re.fullmatch(
        r"(?=.{4,253}$)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]",
        parts.hostname,
    ):
        return "must name a public host"
    return None
