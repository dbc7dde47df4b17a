"""API Gateway authorizer: an API key → merchant, mode, scopes. Never a card authorisation.

In:    the Authorization header, `Bearer pv_test_…` or `Bearer pv_live_…`
Out:   an allow policy for the whole stage and the context {merchant, mode, scopes}; cached for a
       minute
Fails: "Unauthorized" (401) for anything unknown, revoked or expired: one answer, so keys cannot
       be probed
"""

import json
import re
from typing import Any, Final

from payvand.edge import log
from payvand.edge.wiring import wiring

KEY: Final = re.compile(r"Bearer (pv_(test|live)_[0-9A-Za-z_-]{32,128})")


class Unauthorized(Exception):
    """API Gateway turns exactly this word into a 401."""

    def __init__(self) -> None:
        super().__init__("Unauthorized")


def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Say who is calling."""
    with log.line(context):
        headers = {k.lower(): v for k, v in (event.get("headers") or {}).items()}
        found = _find(headers.get("authorization", ""))
        log.note(
            key_state="known" if found else "unknown",
            merchant=found["principalId"] if found else None,
        )
    if found is None:
        raise Unauthorized
    stage = "/".join(event["methodArn"].split("/")[:2])
    statement = {"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": f"{stage}/*"}
    return {**found, "policyDocument": {"Version": "2012-10-17", "Statement": [statement]}}


def _find(header: str) -> dict[str, Any] | None:
    match = KEY.fullmatch(header)
    if match is None:
        return None
    live = wiring()
    key = live.merchants.key(match[1])
    if key is None or key.revoked or key.mode != match[2]:
        return None
    if key.expires_at_ms is not None and key.expires_at_ms <= live.clock.wall_ms():
        return None
    merchant = live.merchants.get(key.merchant_id)
    if merchant is None or key.mode not in merchant.modes:
        return None
    profile = {**merchant.to_item(), "payees": []}
    return {
        "principalId": merchant.id,
        "context": {
            "merchant": json.dumps(profile),
            "mode": key.mode,
            "scopes": " ".join(key.scopes),
        },
    }
