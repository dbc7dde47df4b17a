"""One POST to an address a merchant chose, which may be anywhere and must not be inside.

The name is resolved here, every address it has must be public, and the connection goes to the very
address that was judged, so a second look-up cannot lead elsewhere (DNS rebinding). No redirects.
"""

import ipaddress
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError

from payvand.edge.http import Answer
from payvand.webhook import TIMEOUT_S, address_problem

CONNECT_TIMEOUT_S: Final = 3.0
ANSWER_BYTES_READ: Final = 1_024
"""The status is the answer; the body is read only to be polite."""

_UNICAST: Final = ipaddress.ip_network("2000::/3")
"""All public IPv6 there is; IPv4 in other clothes (mapped, compatible, translated) is outside."""
_EXAMPLES: Final = ipaddress.ip_network("3fff::/20")
"""For documents (RFC 9637), younger than this Python's own list of what is not public."""
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")

Resolve = Callable[[str, int], list[str]]


class PlainConnection(HTTPConnection):
    """HTTP with a time-out for the whole answer."""

    response_class = Answer


class SecureConnection(HTTPSConnection):
    """HTTPS with a time-out for the whole answer."""

    response_class = Answer


class PlainPool(urllib3.HTTPConnectionPool):
    """Connections to one address."""

    ConnectionCls = PlainConnection


class SecurePool(urllib3.HTTPSConnectionPool):
    """Connections to one address, over TLS, for a name of our choice: why it is urllib3's."""

    ConnectionCls = SecureConnection


@dataclass(frozen=True, slots=True)
class Try:
    """What one delivery came to: a status, or why there is none."""

    status: int | None
    error: str | None = None

    @property
    def delivered(self) -> bool:
        """2xx is the only yes."""
        return self.status is not None and 200 <= self.status < 300


def addresses(host: str, port: int) -> list[str]:
    """Every address of a name."""
    return [str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def post(
    url: str,
    headers: Mapping[str, str],
    body: bytes,
    allowed_hosts: frozenset[str],
    resolve: Resolve = addresses,
) -> Try:
    """Deliver once. Never raises for anything the other side does."""
    if problem := address_problem(url, allowed_hosts):
        return Try(None, f"address refused: {problem}")
    parts = urlsplit(url)
    host, secure = parts.hostname or "", parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    try:
        found = resolve(host, port)
    except OSError:
        return Try(None, "name not found")
    if parts.netloc not in allowed_hosts and not (found and all(map(_is_public, found))):
        return Try(None, "address refused: not public")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    timeout = urllib3.Timeout(connect=CONNECT_TIMEOUT_S, total=TIMEOUT_S)
    # IPv4 first: a function outside a network of its own has no other way out.
    target_ip = min(found, key=lambda address: ":" in address)
    pool = (
        SecurePool(
            target_ip, port, server_hostname=host, assert_hostname=host, cert_reqs="CERT_REQUIRED"
        )
        if secure
        else PlainPool(target_ip, port)
    )
    try:
        answer = pool.urlopen(
            "POST",
            target,
            body=body,
            headers={**headers, "Host": parts.netloc},
            timeout=timeout,
            retries=False,
            redirect=False,
            preload_content=False,
            assert_same_host=False,
        )
        answer.read(ANSWER_BYTES_READ)
    except (HTTPError, OSError, ValueError) as exc:
        return Try(None, type(exc).__name__)
    finally:
        pool.close()
    return Try(answer.status)


def _is_public(text: str) -> bool:
    address = ipaddress.ip_address(text.split("%", maxsplit=1)[0])
    if isinstance(address, ipaddress.IPv4Address):
        return address.is_global and not address.is_multicast
    if address in _NAT64:  # an IPv4 address in the last 32 bits
        return _is_public(str(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)))
    return address in _UNICAST and address not in _EXAMPLES and address.is_global
