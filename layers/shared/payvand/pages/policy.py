"""The headers of a hosted page, and which addresses may stand in it.

Content-Security-Policy allows nothing but the page's own inline style and script (by hash), the
logo's origin, and the origins its forms may reach.
"""

import base64
import hashlib
import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final
from urllib.parse import urlsplit

_HOST: Final = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
ANY_HTTPS: Final = "https:"
"""Any host over TLS: where a channel sends its payers on is known to the channel alone."""

_LOOPBACK: Final = ("127.0.0.1", "localhost")
_UNSAFE: Final = re.compile(r"[\x00-\x20\x7f-\xa0\\]|[\ud800-\udfff]")
"""Browsers drop some of these and read \\ as /: what we checked is not where they would go."""

_FIXED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "Content-Type": "text/html; charset=utf-8",
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "X-Robots-Tag": "noindex",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    }
)


def headers(
    *,
    locale: str,
    style: str,
    script: str | None,
    logo_url: str | None,
    form_action: Iterable[str],
    referrer: str,
) -> dict[str, str]:
    """All headers of one page, but for HSTS, which belongs to the host and not to a page."""
    rules = ["default-src 'none'", f"style-src {_hash(style)}"]
    if script:
        rules.append(f"script-src {_hash(script)}")
    if logo_url and (logo := logo_origin(logo_url)):
        rules.append(f"img-src {logo}")
    allowed = " ".join(dict.fromkeys(form_action)) or "'none'"
    rules += [f"form-action {allowed}", "base-uri 'none'", "frame-ancestors 'none'"]
    return {
        **_FIXED,
        "Content-Language": locale,
        "Referrer-Policy": referrer,
        "Content-Security-Policy": "; ".join(rules),
    }


def origin(url: str) -> str:
    """The origin of an https address; plain http only on loopback. Raises ValueError otherwise."""
    found = _origin(url)
    if not found:
        raise ValueError("not an address a payer may be sent to")
    return found


def redirect_origin(url: str) -> str:
    """What form-action must allow for a redirect: an origin, or every https host (`ANY_HTTPS`)."""
    return url if url == ANY_HTTPS else origin(url)


def merchant_origin(url: str) -> str:
    """The same for the way back to a merchant, whose page may be plain http. Raises ValueError."""
    found = _origin(url, plain_http=True)
    if not found:
        raise ValueError("not an address a payer may be sent to")
    return found


def form_target(url: str) -> str:
    """What form-action must allow for a form posted to `url`: a path of ours, or another origin."""
    return "'self'" if _is_path(url) else origin(url)


def link(url: str | None) -> str | None:
    """An address fit for a link (a path of ours, https, or http), else None.

    Plain http is let through because a link carries nothing: the merchant's own page is behind it.
    """
    if not url or _is_path(url):
        return url or None
    return url if _origin(url, plain_http=True) else None


def logo_origin(url: str) -> str | None:
    """The origin of a logo we are willing to show: https only."""
    return _origin(url) if url[:8].lower() == "https://" else None


def _is_path(url: str) -> bool:
    return url.startswith("/") and not url.startswith("//") and not _UNSAFE.search(url)


def _origin(url: str, *, plain_http: bool = False) -> str | None:
    if _UNSAFE.search(url):
        return None
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    host = parts.hostname or ""
    if not _HOST.fullmatch(host) or "@" in parts.netloc:
        return None
    if parts.scheme != "https" and not (
        parts.scheme == "http" and (plain_http or host in _LOOPBACK)
    ):
        return None
    return f"{parts.scheme}://{host}" + (f":{port}" if port is not None else "")


def _hash(inline: str) -> str:
    digest = hashlib.sha256(inline.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
