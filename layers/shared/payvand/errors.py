"""Every error this product raises on purpose.

    PayvandError
    ├── Refusal                  the caller can read it: becomes application/problem+json (RFC 9457)
    │   ├── BadInput        400  the request itself is wrong; `errors` names the fields
    │   ├── Unauthenticated 401  no key, or one we do not know
    │   ├── Forbidden       403  known, but lacks the scope
    │   ├── NotFound        404  not there, or not yours: the same answer
    │   ├── Conflict        409  the state or an earlier call says no
    │   ├── TooMany         429  with `retry_after_s`
    │   └── Unavailable     503  an outside party did not answer; safe to send again
    ├── Silence                  an outside party gave no whole answer: the outcome is UNKNOWN
    ├── Forged                   a signature or shape proves that a message is not from who it says
    ├── Overtaken                a condition in the database said no: somebody else was first
    └── Skewed                   our clock and the database's differ more than the books allow
    AwsRefused                   AWS answered, and the answer is no
    AwsSilent                    AWS gave no whole answer, several times

`Silence` is never a failure of the payment (architecture decision 10); `Overtaken` means "read
again".
"""

import sys
from collections.abc import Mapping, Sequence
from typing import Any


class PayvandError(Exception):
    """The root; nothing raises it directly."""


class Refusal(PayvandError):
    """An answer a caller may read. `code` is stable and documented; `detail` is for people."""

    status = 500
    title = "Internal error"

    def __init__(
        self,
        code: str,
        detail: str = "",
        *,
        errors: Sequence[tuple[str, str]] = (),
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(code, detail)
        self.code = code
        self.detail = detail
        self.errors = tuple(errors)
        self.retry_after_s = retry_after_s


class BadInput(Refusal):
    """The request itself is wrong."""

    status = 400
    title = "Bad input"


class Unauthenticated(Refusal):
    """Nobody we know."""

    status = 401
    title = "Who is calling?"


class Forbidden(Refusal):
    """Known, but not allowed to do this."""

    status = 403
    title = "Not allowed"


class NotFound(Refusal):
    """Not there, or not the caller's: the same answer, so that ids cannot be probed."""

    status = 404
    title = "Not found"

    def __init__(self, code: str = "not_found", detail: str = "There is no such thing.") -> None:
        super().__init__(code, detail)


class Conflict(Refusal):
    """The state, or an earlier call, says no."""

    status = 409
    title = "Conflict"


class TooMany(Refusal):
    """Slow down."""

    status = 429
    title = "Too many requests"


class Unavailable(Refusal):
    """An outside party did not answer in time. Nothing was lost; send the same call again."""

    status = 503
    title = "Temporarily unavailable"


class Silence(PayvandError):
    """No whole answer from an outside party: time-out, reset, 5xx without a verdict, nonsense."""


class Forged(PayvandError):
    """A message is not from the party it names."""


class Overtaken(PayvandError):
    """A database condition said no: the item moved on since it was read.

    `failed` says, for a transaction, which of its writes were refused.
    """

    def __init__(self, message: str, failed: Sequence[bool] = ()) -> None:
        super().__init__(message)
        self.failed = tuple(failed)


class Skewed(PayvandError):
    """This host's clock is further from the database's than the books allow (seals R5)."""


class AwsRefused(Exception):
    """AWS's own no, shaped like botocore's ClientError; says no more than operation and code."""

    def __init__(self, response: Mapping[str, Any], operation_name: str) -> None:
        self.response, self.operation_name = response, operation_name
        self.code = str(response["Error"]["Code"])
        self.status = int(response["ResponseMetadata"]["HTTPStatusCode"])
        super().__init__(f"{operation_name}: {self.code}")


class AwsSilent(Exception):
    """AWS gave no whole answer; whether it did what it was asked is not known."""


def refusals() -> tuple[type[AwsRefused], ...]:
    """For `except`: AWS's no, from whichever client; botocore's where a function has loaded it."""
    botocore: Any = sys.modules.get("botocore.exceptions")
    return (AwsRefused, botocore.ClientError) if botocore else (AwsRefused,)


def silences() -> tuple[type[Exception], ...]:
    """The same for no whole answer."""
    botocore: Any = sys.modules.get("botocore.exceptions")
    if not botocore:
        return (AwsSilent,)
    return AwsSilent, botocore.ConnectionError, botocore.HTTPClientError
