"""REST events as API Gateway builds them, and a door to knock at."""

import datetime as dt
import json
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel

from payvand.edge.api import SCOPES, Request, Response, Route, Scope, serve
from payvand.errors import Refusal
from payvand.ids import merchant_id
from payvand.merchant import Contract, Merchant

MERCHANT = merchant_id(4_211)
OTHER = merchant_id(4_212)


def authorizer(scopes: tuple[str, ...] = SCOPES, merchant: str = MERCHANT) -> dict[str, str]:
    """What `authorize` hands on."""
    profile = Merchant(
        merchant, "فروشگاه نمونه", dt.date(2026, 1, 1), contracts=(Contract("zarinpal"),)
    )
    return {
        "merchant": json.dumps({**profile.to_item(), "iban": None}),
        "mode": "test",
        "scopes": " ".join(scopes),
    }


def event(
    method: str = "POST",
    resource: str = "/things",
    *,
    body: str | None = None,
    base64: bool = False,
    path: Mapping[str, str] | None = None,
    query: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    who: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """One call."""
    context: dict[str, Any] = {
        "requestId": "r-1",
        "domainName": "pay.example",
        "stage": "v1",
    }
    if who is not None:
        context["authorizer"] = who
    return {
        "httpMethod": method,
        "resource": resource,
        "path": resource,
        "pathParameters": path,
        "queryStringParameters": query,
        "multiValueQueryStringParameters": None
        if query is None
        else {k: [v] for k, v in query.items()},
        "headers": headers,
        "body": body,
        "isBase64Encoded": base64,
        "requestContext": context,
    }


Answer = dict[str, Any]
Handler = Callable[[dict[str, Any], Any], Answer]


def taking(model: type[BaseModel]) -> Handler:
    """A door whose one route reads a body and gives it back."""
    return serve(Route("POST", "/things", lambda r: Response.of(r.json(model)), "", body=model))


def asking(model: type[BaseModel]) -> Handler:
    """A door whose one route reads a query and gives it back."""
    return serve(Route("GET", "/things", lambda r: Response.of(r.args(model)), "", args=model))


def doing(
    handle: Callable[[Request], Response],
    scope: Scope | None = None,
    refuse: Callable[[Request, Refusal], Response] | None = None,
) -> Handler:
    """A door whose one route does this."""
    return serve(Route("POST", "/things", handle, "", scope=scope), refuse=refuse)


def problem(answer: Answer, status: int, code: str) -> dict[str, Any]:
    """The problem an answer is; checks that it is one, and fit for Lambda's own JSON."""
    assert answer["statusCode"] == status, answer
    assert answer["headers"]["Content-Type"] == "application/problem+json"
    assert answer["headers"]["Cache-Control"] == "no-store"
    json.dumps(answer, ensure_ascii=False).encode()
    found: dict[str, Any] = json.loads(answer["body"])
    assert found["status"] == status and found["code"] == code, found
    assert found["request_id"] == "r-1"
    assert "Traceback" not in answer["body"]
    return found


def fields(found: dict[str, Any]) -> list[str]:
    """The fields a problem names."""
    return [error["field"] for error in found["errors"]]
