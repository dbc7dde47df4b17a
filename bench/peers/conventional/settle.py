"""SQS: a merchant's day is read back and summed."""

from typing import Any

from aws_lambda_powertools.utilities.batch import (
    BatchProcessor,
    EventType,
    process_partial_response,
)
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext
from boto3.dynamodb.conditions import Key

from peers.conventional.observed import logger, metrics, table, tracer

processor = BatchProcessor(event_type=EventType.SQS)


@tracer.capture_method
def settle(record: SQSRecord) -> None:
    book = record.json_body["book"]
    asked: dict[str, Any] = {
        "KeyConditionExpression": Key("pk").eq(book),
        "ConsistentRead": True,
    }
    count = total = 0
    while True:
        page = table.query(**asked)
        for item in page["Items"]:
            if item["status"] == "executed":
                count += 1
                total += item["amount"]
        if "LastEvaluatedKey" not in page:
            break
        asked["ExclusiveStartKey"] = page["LastEvaluatedKey"]
    table.put_item(
        Item={"pk": "sum", "id": book, "count": count, "total": total},
        ConditionExpression="attribute_not_exists(pk)",
    )
    logger.info("settled", extra={"book": book, "count": count})


@logger.inject_lambda_context
@tracer.capture_lambda_handler
@metrics.log_metrics
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return process_partial_response(
        event=event, record_handler=settle, processor=processor, context=context
    )
