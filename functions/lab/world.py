"""Everything outside itself that the lab touches, in one value that a test can make by hand."""

from __future__ import annotations  # the client types exist for the type checker only

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from botocore.exceptions import ClientError

from functions.lab.clock import Clock
from functions.lab.store import Store
from payvand.psp import Http

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class Files(Protocol):
    """The folder that we and the payout bank share."""

    def names(self, prefix: str) -> list[str]: ...
    def read(self, name: str) -> bytes | None: ...
    def write(self, name: str, body: bytes) -> None: ...


class Bucket:
    """That folder in S3."""

    def __init__(self, client: S3Client, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def names(self, prefix: str) -> list[str]:
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=prefix
        )
        return [item["Key"] for page in pages for item in page.get("Contents", [])]

    def read(self, name: str) -> bytes | None:
        try:
            return self._client.get_object(Bucket=self._bucket, Key=name)["Body"].read()
        except ClientError as exc:
            if exc.response["Error"]["Code"] == "NoSuchKey":
                return None
            raise

    def write(self, name: str, body: bytes) -> None:
        self._client.put_object(
            Bucket=self._bucket, Key=name, Body=body, ContentType="application/json"
        )


@dataclass(frozen=True, slots=True)
class World:
    """The lab's outside. `sleep` is how a party is slow; a test passes one that only notes it."""

    store: Store
    clock: Clock
    files: Files
    http: Http
    sleep: Callable[[float], None]
    public_base: str  # "" = take it from the request
    controls_open: bool = False  # whether anybody may move the clock and drive the parties
