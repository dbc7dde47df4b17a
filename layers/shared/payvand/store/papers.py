"""Files made for one reader: kept a week under the merchant's own prefix, read by a short link.

An answer of Lambda's may have 6 MB and no bytes, so a file is never part of one. The link is signed
with the function's own rights; whoever holds it can read this one file until it ends.
"""

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from payvand.ids import Book

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PREFIX: Final = "papers/"
LINK_S: Final = 300
"""Long enough to begin to read it, too short to be worth passing on."""
TYPES: Final = {"csv": "text/csv; charset=utf-8", "pdf": "application/pdf"}


@dataclass(frozen=True, slots=True)
class Link:
    """Where a file can be read, and until when."""

    url: str
    until_ms: int


class Papers:
    """The door to files made for merchants."""

    def __init__(self, s3: "S3Client", bucket: str) -> None:
        self._s3 = s3
        self._bucket = bucket

    def keep(self, book: Book, digest: str, file: str, content: bytes) -> str:
        """Put a file under its own digest; its key. The same file has the same key."""
        kind = file.rpartition(".")[2]
        key = f"{PREFIX}{book.key}/{digest}/{file}"
        self._s3.put_object(
            Bucket=self._bucket,
            Key=key,
            Body=content,
            ContentType=TYPES[kind],
            ContentDisposition=f'attachment; filename="{file}"',
            CacheControl="no-store",
        )
        return key

    def link(self, key: str, now: dt.datetime) -> Link:
        """A link to a file, for whoever holds it; `now` is the host's time, which S3 goes by."""
        where = {"Bucket": self._bucket, "Key": key}
        url = self._s3.generate_presigned_url("get_object", Params=where, ExpiresIn=LINK_S)
        return Link(url, int(now.timestamp() * 1000) + LINK_S * 1000)
