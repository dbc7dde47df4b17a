"""AWS's JSON services, with the methods, answers and errors of boto3's clients.

Own code, because botocore is most of what a call costs: warm ten times this, and cold 100 ms
(docs/adr/0017). It does what botocore's standard mode does: Signature Version 4, three tries, the
same errors tried again after the same waits; tests/edge/test_aws.py holds one against the other.
It knows the services and operations below and no profile, no role, no other protocol: S3 is
boto3's. Bytes in DynamoDB's answers stay base64, as they are in a stream's event.
"""

import hashlib
import hmac
import json
import os
import time
from base64 import b64decode, b64encode
from binascii import crc32
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, NamedTuple

from payvand.edge.line import Line
from payvand.errors import AwsRefused, AwsSilent

TRIES: Final = 3
THROTTLE_SCALE_S: Final = 1.0
"""Of the waits before another try, when AWS said that it is too much."""
KEYS_RENEWED_S: Final = 900
"""So long before they end, borrowed keys are renewed."""
OVERLOADED: Final = frozenset({500, 502, 503, 504})
THROTTLES: Final = frozenset(
    {
        "Throttling", "ThrottlingException", "ThrottledException", "RequestThrottledException",
        "TooManyRequestsException", "ProvisionedThroughputExceededException",
        "TransactionInProgressException", "RequestLimitExceeded", "BandwidthLimitExceeded",
        "LimitExceededException", "RequestThrottled", "SlowDown", "PriorRequestNotComplete",
        "EC2ThrottledException",
    }
)  # fmt: skip
TRANSIENT: Final = frozenset(
    {"RequestTimeout", "RequestTimeoutException", "ReplicatedWriteConflictException"}
)
_HERE: Final = frozenset({"127.0.0.1", "localhost"})
_LENDERS: Final = _HERE | {"169.254.170.2", "169.254.170.23"}


class Service(NamedTuple):
    """How one service is spoken to."""

    target: str
    version: str
    variable: str  # the end of its AWS_ENDPOINT_URL_…
    operations: tuple[str, ...]
    scale_s: float = 0.05  # of the waits before another try
    blobs: tuple[str, ...] = ()  # members of an answer that are bytes


SERVICES: Final[Mapping[str, Service]] = {
    "dynamodb": Service(
        "DynamoDB_20120810", "1.0", "DYNAMODB",
        ("get_item", "put_item", "update_item", "delete_item", "query", "scan",
         "transact_write_items"),
        scale_s=0.025,
    ),
    "sqs": Service(
        "AmazonSQS", "1.0", "SQS",
        ("send_message", "send_message_batch", "change_message_visibility"),
    ),
    "kms": Service(
        "TrentService", "1.1", "KMS",
        ("generate_data_key", "decrypt", "sign", "get_public_key"),
        blobs=("Plaintext", "CiphertextBlob", "Message", "Signature", "PublicKey"),
    ),
    "secretsmanager": Service(
        "secretsmanager", "1.1", "SECRETS_MANAGER", ("get_secret_value",)
    ),
    "events": Service("AWSEvents", "1.1", "EVENTBRIDGE", ("put_events",)),
}  # fmt: skip


def _jitter() -> float:
    return int.from_bytes(os.urandom(4)) / 2**32  # what `random` would take 2 ms to load for


class Keys(NamedTuple):
    """Who signs. Never printed."""

    access: str
    secret: str
    token: str
    until_s: float

    def __repr__(self) -> str:
        return "Keys(…)"


def endpoint(service: str, env: Mapping[str, str]) -> tuple[str, int, bool]:
    """Host, port and whether TLS is spoken: AWS's own address, or what the operator set instead.

    Signed requests leave this machine over TLS only. Raises ValueError.
    """
    variables = (f"AWS_ENDPOINT_URL_{SERVICES[service].variable}", "AWS_ENDPOINT_URL")
    ignored = env.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() == "true"
    url = "" if ignored else next((env[name] for name in variables if env.get(name)), "")
    if not url:
        region = _region(env)
        return f"{service}.{region}.amazonaws.com{'.cn' * region.startswith('cn-')}", 443, True
    return _host(url.removesuffix("/"), _HERE)


def _region(env: Mapping[str, str]) -> str:
    region = env.get("AWS_REGION") or env.get("AWS_DEFAULT_REGION") or ""
    if not region.replace("-", "").isalnum():
        raise ValueError("AWS_REGION is not set")
    return region


def _host(url: str, plain: frozenset[str]) -> tuple[str, int, bool]:
    scheme, _, rest = url.partition("://")
    host, _, port = rest.partition(":")
    secure = scheme == "https"
    if not host.replace("-", "").replace(".", "").isalnum() or not (
        secure or (scheme == "http" and host in plain)
    ):
        raise ValueError("not an endpoint")
    return host, int(port) if port else 443 if secure else 80, secure


class Lender:
    """Keys from the environment or, where Lambda restores a snapshot, from its own endpoint."""

    def __init__(self, env: Mapping[str, str], now: Callable[[], float] = time.time) -> None:
        self._env, self._now = env, now
        self._keys: Keys | None = None
        if access := env.get("AWS_ACCESS_KEY_ID"):
            secret, token = env["AWS_SECRET_ACCESS_KEY"], env.get("AWS_SESSION_TOKEN", "")
            self._keys = Keys(access, secret, token, float("inf"))

    def keys(self) -> Keys:
        """Keys that hold for a while. Raises AwsSilent."""
        left_s = -1.0 if self._keys is None else self._keys.until_s - self._now()
        if left_s < KEYS_RENEWED_S:
            try:
                self._keys = self._borrowed()
            except AwsSilent:
                if left_s <= 0:
                    raise
        assert self._keys is not None
        return self._keys

    def _borrowed(self) -> Keys:
        import datetime as dt

        try:
            url = self._env["AWS_CONTAINER_CREDENTIALS_FULL_URI"]
            scheme, _, rest = url.partition("://")
            place, slash, path = rest.partition("/")
            host, port, secure = _host(f"{scheme}://{place}", _LENDERS)
            token = self._env.get("AWS_CONTAINER_AUTHORIZATION_TOKEN", "")
            request = f"GET {slash}{path} HTTP/1.1\r\nHost: {place}\r\nAuthorization: {token}\r\n"
            line = Line(host, port, secure=secure)
            status, _, body = line.ask(f"{request}Accept: application/json\r\n\r\n".encode())
            line.close()
            lent = json.loads(body) if status == 200 else {}
            until = dt.datetime.fromisoformat(lent["Expiration"]).timestamp()
            return Keys(lent["AccessKeyId"], lent["SecretAccessKey"], lent["Token"], until)
        except (KeyError, TypeError, ValueError) as exc:
            raise AwsSilent(f"no keys: {type(exc).__name__}") from None


class Signer:
    """Signature Version 4 of one service's requests; the day's key is derived once."""

    def __init__(self, scope: str, host: str) -> None:
        self._scope, self._host = scope, host
        self._made: tuple[str, Keys] | None = None
        self._key = b""

    def head(self, keys: Keys, fixed: tuple[str, str], body: bytes, now: float) -> bytes:
        """The head of a request, signed; `fixed` is its content type and its target."""
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
        scope = f"{stamp[:8]}/{self._scope}"
        if self._made != (scope, keys):
            key = b"AWS4" + keys.secret.encode()
            for part in scope.split("/"):
                key = hmac.digest(key, part.encode(), "sha256")
            self._made, self._key = (scope, keys), key
        kind, target = fixed
        token = f"x-amz-security-token:{keys.token}\n" if keys.token else ""
        names = f"content-type;host;x-amz-date;{'x-amz-security-token;' * bool(token)}x-amz-target"
        headers = (
            f"content-type:{kind}\nhost:{self._host}\nx-amz-date:{stamp}\n"
            f"{token}x-amz-target:{target}\n"
        )
        canonical = f"POST\n/\n\n{headers}\n{names}\n{hashlib.sha256(body).hexdigest()}"
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{digest}"
        signature = hmac.digest(self._key, text.encode(), "sha256").hex()
        lines = (
            f"POST / HTTP/1.1\n{headers}content-length:{len(body)}\nuser-agent:payvand\n"
            f"authorization:AWS4-HMAC-SHA256 Credential={keys.access}/{scope}, "
            f"SignedHeaders={names}, Signature={signature}\n\n"
        )
        return lines.replace("\n", "\r\n").encode("latin-1")


class Client:
    """One service; its operations are its methods: `get_item(**request)`."""

    def __init__(
        self,
        service: str,
        env: Mapping[str, str],
        lender: Lender,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = _jitter,
    ) -> None:
        self._service = SERVICES[service]
        self._kind = f"application/x-amz-json-{self._service.version}"
        self._lender = lender
        self._now, self._sleep, self._jitter = now, sleep, jitter
        host, port, secure = endpoint(service, env)
        usual = port == (443 if secure else 80)
        self._line = Line(host, port, secure=secure)
        scope = f"{_region(env)}/{service}/aws4_request"
        self._signer = Signer(scope, host if usual else f"{host}:{port}")
        for method in self._service.operations:
            operation = "".join(part.capitalize() for part in method.split("_"))
            setattr(self, method, partial(self._call, operation))

    def close(self) -> None:
        """Forget the connection."""
        self._line.close()

    def _call(self, operation: str, /, **request: Any) -> dict[str, Any]:
        """Do one operation. Raises AwsRefused and AwsSilent, after the tries that may help."""
        if operation == "TransactWriteItems":  # one write, however often it is sent
            request.setdefault("ClientRequestToken", os.urandom(16).hex())
        return self._tried(self._once, operation, _dump(request).encode())

    def raw(self, operation: str, /, **request: Any) -> bytes:
        """The same for who decodes the answer into types of its own: its bytes."""
        return self._tried(self._bytes, operation, _dump(request).encode())

    def _tried[T](self, once: Callable[[str, bytes, int], T], operation: str, body: bytes) -> T:
        for tried in range(1, TRIES + 1):
            scale_s = self._service.scale_s
            try:
                return once(operation, body, tried)
            except AwsRefused as refused:
                code, status = refused.code, refused.status
                if tried == TRIES or not (_throttled(code, status) or _passing(code, status)):
                    raise
                if _throttled(code, status):
                    scale_s = THROTTLE_SCALE_S
            except AwsSilent:
                if tried == TRIES:
                    raise
            self._sleep(self._jitter() * scale_s * 2 ** (tried - 1))
        raise AssertionError  # the last try returns or raises

    def _asked(self, operation: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        fixed = self._kind, f"{self._service.target}.{operation}"
        head = self._signer.head(self._lender.keys(), fixed, body, self._now())
        status, headers, content = self._line.ask(head + body)
        _check(headers.get("x-amz-crc32"), content)
        return status, headers, content

    def _bytes(self, operation: str, body: bytes, tried: int) -> bytes:
        del tried
        status, headers, content = self._asked(operation, body)
        if status != 200:
            answer = _object(content, status)
            answer["ResponseMetadata"] = {"HTTPStatusCode": status, "HTTPHeaders": headers}
            raise _refused(operation, status, headers, answer)
        return content

    def _once(self, operation: str, body: bytes, tried: int) -> dict[str, Any]:
        status, headers, content = self._asked(operation, body)
        answer = _object(content, status)
        answer["ResponseMetadata"] = {
            "RequestId": headers.get("x-amzn-requestid", ""),
            "HTTPStatusCode": status,
            "HTTPHeaders": headers,
            "RetryAttempts": tried - 1,
        }
        if status != 200:
            raise _refused(operation, status, headers, answer)
        for name in self._service.blobs:
            if name in answer:
                answer[name] = b64decode(answer[name])
        return answer


def _blob(value: object) -> str:
    if isinstance(value, bytes):
        return b64encode(value).decode()
    raise TypeError(f"{type(value).__name__} has no place in a request")


_dump: Final = json.JSONEncoder(separators=(",", ":"), default=_blob).encode


def _check(said: str | None, content: bytes) -> None:
    """DynamoDB says the sum of what it sent."""
    if said is not None and said != str(crc32(content)):
        raise AwsSilent("checksum")


def _object(content: bytes, status: int) -> dict[str, Any]:
    """The answer's object; an error may say nothing, or nothing we can read."""
    try:
        found = json.loads(content or b"{}")
    except (ValueError, RecursionError):
        found = None
    if isinstance(found, dict):
        return found
    if status == 200:
        raise AwsSilent("not an object")
    return {}


def _refused(
    operation: str, status: int, headers: Mapping[str, str], answer: dict[str, Any]
) -> AwsRefused:
    code = str(answer.pop("__type", status)).partition(":")[0].rpartition("#")[2]
    old, semicolon, _ = headers.get("x-amzn-query-error", "").partition(";")
    message = answer.get("message") or answer.get("Message") or ""
    answer["Error"] = {"Message": message, "Code": old if old and semicolon else code}
    return AwsRefused(answer, operation)


def _throttled(code: str, status: int) -> bool:
    return code in THROTTLES or status == 429


def _passing(code: str, status: int) -> bool:
    return status in OVERLOADED or code in TRANSIENT
