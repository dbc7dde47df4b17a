"""API Gateway in, problem+json out: routes, callers, bodies, errors.

Own code, because a resolver with validation costs 107 ms of cold start and 75 µs a call; this one
loads next to nothing, and pydantic only where a function has models. A route states what OpenAPI
needs to know, so contracts/openapi.json is made from the handlers themselves (tools/contracts.py).
"""

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from payvand.edge import log
from payvand.errors import (
    BadInput,
    Forbidden,
    NotFound,
    Overtaken,
    Refusal,
    Unavailable,
    refusals,
    silences,
)
from payvand.ids import Mode
from payvand.merchant import Merchant

if TYPE_CHECKING:
    from pydantic import BaseModel

BODY_MAX: Final = 64 * 1024
"""Bytes of any request body of ours; the largest real one is under 8 KB."""
RETRY_AFTER_S: Final = 2
ERRORS_MAX: Final = 20
FIELD_MAX: Final = 100
"""Letters of a field's name in a problem: unknown names are the caller's own, however long."""
Scope = Literal[
    "payments:read", "payments:write", "refunds:write", "settlement:read", "settlement:write",
    "webhooks:write",
]  # fmt: skip
SCOPES: Final[tuple[Scope, ...]] = (
    "payments:read", "payments:write", "refunds:write", "settlement:read", "settlement:write",
    "webhooks:write",
)  # fmt: skip
HEADERS: Final = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Strict-Transport-Security": "max-age=63072000; includeSubDomains",
}
_THROTTLES: Final = frozenset(
    {
        "ThrottlingException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "TransactionCanceledException",
        "TransactionConflictException",
        "InternalServerError",
        "ServiceUnavailable",
    }
)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is calling, as `authorize` found out."""

    merchant: Merchant
    mode: Mode
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True)
class Request:
    """One call. Header names are lower-case; `base_url` is where the outside world reaches us."""

    method: str
    path: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    base_url: str
    request_id: str
    authorizer: Mapping[str, Any] | None = None

    @property
    def caller(self) -> Caller:
        """The merchant behind the key; only on routes with a scope."""
        found = self.authorizer or {}
        merchant = Merchant.from_item(json.loads(found["merchant"]))
        return Caller(merchant, cast("Mode", found["mode"]), frozenset(found["scopes"].split()))

    def json[Model: BaseModel](self, model: type[Model]) -> Model:
        """The body as `model`. Raises BadInput."""
        return _validated(model, _json_object(self.body))

    def object(self) -> dict[str, Any]:
        """The body, a JSON object. Raises BadInput."""
        return _json_object(self.body)

    def args[Model: BaseModel](self, model: type[Model]) -> Model:
        """The query string as `model`. Raises BadInput."""
        return _validated(model, dict(self.query))

    def form(self) -> dict[str, str]:
        """A posted form, first value of each field. Raises BadInput."""
        from urllib.parse import parse_qsl

        try:
            pairs = parse_qsl(self.body.decode(), keep_blank_values=True, max_num_fields=50)
        except ValueError:
            raise BadInput("form_unreadable", "The form cannot be read.") from None
        return dict(reversed(pairs))

    @property
    def idempotency_key(self) -> str | None:
        """The Idempotency-Key header (IETF draft), quotes optional. Raises BadInput."""
        text = self.headers.get("idempotency-key")
        if text is None:
            return None
        key = text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text
        if not 1 <= len(key) <= 255 or not key.isascii() or not key.isprintable():
            raise BadInput("idempotency_key_invalid", "1 to 255 printable ASCII characters.")
        return key


@dataclass(frozen=True, slots=True)
class Response:
    """An answer."""

    status: int
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, model: "BaseModel", status: int = 200) -> "Response":
        """A JSON answer."""
        return cls(status, model.model_dump_json(), {"Content-Type": "application/json"})

    @classmethod
    def json(cls, fields: Mapping[str, Any], status: int = 200) -> "Response":
        """The same of plain values."""
        body = json.dumps(fields, separators=(",", ":"), ensure_ascii=False)
        return cls(status, body, {"Content-Type": "application/json"})

    @classmethod
    def to(cls, url: str) -> "Response":
        """See Other: the browser goes on with a GET."""
        return cls(303, "", {"Location": url})


@dataclass(frozen=True, slots=True)
class Route:
    """One operation. `scope` None means public: no key is asked for.

    A model named as "module:name" is for the OpenAPI alone: the function does without pydantic.
    """

    method: str
    path: str
    handle: Callable[[Request], Response]
    summary: str
    scope: Scope | None = None
    body: "type[BaseModel] | str | None" = None
    args: "type[BaseModel] | None" = None
    answer: "type[BaseModel] | str | None" = None
    status: int = 200
    problems: tuple[str, ...] = ()
    page: bool = False  # HTML for browsers: not in the OpenAPI


def serve(
    *routes: Route, refuse: Callable[[Request, Refusal], Response] | None = None
) -> Callable[[dict[str, Any], Any], dict[str, Any]]:
    """A Lambda handler for these routes. `refuse` turns a refusal into a page instead of JSON."""
    table = {(route.method, route.path): route for route in routes}

    def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
        log.begin()
        request = _request(event)
        try:
            request = replace(request, body=_body(event))
            route = table[event["httpMethod"], event["resource"]]
            log.note(route=f"{route.method} {route.path}")
            response = _answer(route, request)
        except Exception as exc:  # noqa: BLE001 - the door: nothing may leave as a stack trace
            refusal = _refusal(exc)
            log.note(code=refusal.code)
            response = refuse(request, refusal) if refuse else problem(refusal, request.request_id)
        log.note(status=response.status)
        log.end(context)
        return {
            "statusCode": response.status,
            "headers": {**HEADERS, **response.headers},
            "body": response.body,
        }

    return lambda_handler


def _answer(route: Route, request: Request) -> Response:
    if len(request.body) > BODY_MAX:
        raise BadInput("body_too_large", f"At most {BODY_MAX} bytes.")
    if route.scope is not None:
        caller = request.caller
        log.note(merchant=caller.merchant.id, mode=caller.mode)
        if route.scope not in caller.scopes:
            raise Forbidden("scope_missing", f"This key lacks the scope {route.scope}.")
    return route.handle(request)


def _refusal(exc: Exception) -> Refusal:
    if isinstance(exc, Refusal):
        return exc
    log.error(exc)
    if isinstance(exc, Overtaken):
        return Unavailable(
            "busy",
            "Something else changed this at the same moment. Send it again.",
            retry_after_s=1,
        )
    if isinstance(exc, silences()) or (
        isinstance(exc, refusals()) and exc.response["Error"].get("Code") in _THROTTLES
    ):
        return Unavailable("busy", "Too much at once. Send it again.", retry_after_s=RETRY_AFTER_S)
    return Refusal(
        "internal_error", "We made a mistake. Nothing you can mend; send it again later."
    )


def problem(refusal: Refusal, request_id: str) -> Response:
    """RFC 9457: the refusal as application/problem+json."""
    body: dict[str, Any] = {
        "type": f"urn:payvand:problem:{refusal.code}",
        "title": refusal.title,
        "status": refusal.status,
        "code": refusal.code,
        "detail": refusal.detail,
        "request_id": request_id,
    }
    if refusal.errors:
        body["errors"] = [{"field": name, "message": message} for name, message in refusal.errors]
    headers = {"Content-Type": "application/problem+json"}
    if refusal.retry_after_s is not None:
        headers["Retry-After"] = str(refusal.retry_after_s)
    return Response(refusal.status, json.dumps(body, ensure_ascii=False), headers)


def _request(event: Mapping[str, Any]) -> Request:
    from payvand.edge.wiring import public_base_url

    context = event.get("requestContext") or {}
    multi = event.get("multiValueQueryStringParameters") or {}
    return Request(
        method=event["httpMethod"],
        path=event.get("pathParameters") or {},
        # The last of repeated query keys, as API Gateway itself says in queryStringParameters.
        query={k: v[-1] for k, v in multi.items()} or (event.get("queryStringParameters") or {}),
        headers={k.lower(): v for k, v in (event.get("headers") or {}).items()},
        body=b"",
        base_url=public_base_url() or f"https://{context.get('domainName')}/{context.get('stage')}",
        request_id=context.get("requestId", ""),
        authorizer=context.get("authorizer"),
    )


def _body(event: Mapping[str, Any]) -> bytes:
    text: str = event.get("body") or ""
    if not event.get("isBase64Encoded"):
        return text.encode("utf-8", "surrogatepass")
    try:
        return base64.b64decode(text)
    except binascii.Error:
        raise BadInput("body_unreadable", "The body cannot be read.") from None


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(
            body.decode("utf-8"), parse_constant=_no_constant, object_pairs_hook=_no_twins
        )
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise BadInput("json_invalid", "The body must be one JSON object in UTF-8.")
    return value


def _no_constant(name: str) -> float:
    raise ValueError(name)  # NaN and Infinity are not JSON


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name twice")  # two amounts: which one was meant is not ours to guess
    return found


def _validated[Model: BaseModel](model: type[Model], value: dict[str, Any]) -> Model:
    from pydantic import ValidationError

    try:
        return model.model_validate(value)
    except ValidationError as exc:
        errors = [
            (_place(e["loc"]), str(e["msg"]).removeprefix("Value error, "))
            for e in exc.errors(include_url=False, include_context=False, include_input=False)
        ]
        raise BadInput(
            "input_invalid", "Some fields are wrong.", errors=errors[:ERRORS_MAX]
        ) from None


def _place(parts: tuple[int | str, ...]) -> str:
    """Where in the input; a name the caller made up may be endless."""
    return ".".join(map(str, parts))[:FIELD_MAX] or "(body)"


def found(thing: Any | None) -> Any:
    """The thing, or the one answer for "not there" and "not yours"."""
    if thing is None:
        raise NotFound
    return thing
