"""The lab's memory: JSON documents in one DynamoDB table, changed one at a time.

Every change is a conditional write on the version that was read, tried again when somebody was
first, so that two parallel calls end in one order or the other and never in half of each.
"""

from __future__ import annotations  # the client types exist for the type checker only

import copy
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

type Doc = dict[str, Any]

TRIES_MAX: Final = 50


class Store:
    """Documents by (pk, sk); `sk` sorts, so a time in front of it gives "newest first"."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self.client = client
        self.table = table

    def get(self, pk: str, sk: str) -> Doc | None:
        """The document as it stands, or None."""
        return self._read(pk, sk)[0]

    def put_new(self, pk: str, sk: str, doc: Doc) -> bool:
        """Write a document that is not there yet; False if it is."""
        return self._write(pk, sk, doc, seen=0)

    def change[T](self, pk: str, sk: str, step: Callable[[Doc], T]) -> T:
        """Let `step` change the document in place; it may run several times, so it only computes.

        Raises:
            KeyError: there is no such document.
        """
        for _ in range(TRIES_MAX):
            doc, seen = self._read(pk, sk)
            if doc is None:
                raise KeyError(sk)
            before = copy.deepcopy(doc)
            result = step(doc)
            if doc == before or self._write(pk, sk, doc, seen=seen):
                return result
        raise RuntimeError("too many writers on one lab document")

    def newest(self, pk: str, limit: int = 100) -> list[tuple[str, Doc]]:
        """The last `limit` documents of a partition with their sort keys, newest first."""
        found: list[tuple[str, Doc]] = []
        pages = self.client.get_paginator("query").paginate(
            TableName=self.table,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": pk}},
            ScanIndexForward=False,
            ConsistentRead=True,
            PaginationConfig={"MaxItems": limit},
        )
        for page in pages:
            found += [(item["sk"]["S"], json.loads(item["doc"]["S"])) for item in page["Items"]]
        return found

    def _read(self, pk: str, sk: str) -> tuple[Doc | None, int]:
        answer = self.client.get_item(
            TableName=self.table, Key={"pk": {"S": pk}, "sk": {"S": sk}}, ConsistentRead=True
        )
        item = answer.get("Item")
        if item is None:
            return None, 0
        return json.loads(item["doc"]["S"]), int(item["version"]["N"])

    def _write(self, pk: str, sk: str, doc: Doc, *, seen: int) -> bool:
        item: dict[str, Any] = {
            "pk": {"S": pk},
            "sk": {"S": sk},
            "version": {"N": str(seen + 1)},
            "doc": {"S": json.dumps(doc, ensure_ascii=False)},
        }
        try:
            if seen:
                self.client.put_item(
                    TableName=self.table,
                    Item=item,
                    ConditionExpression="version = :seen",
                    ExpressionAttributeValues={":seen": {"N": str(seen)}},
                )
            else:
                self.client.put_item(
                    TableName=self.table, Item=item, ConditionExpression="attribute_not_exists(pk)"
                )
        except ClientError as exc:
            if exc.response["Error"]["Code"] == "ConditionalCheckFailedException":
                return False
            raise
        return True
