"""GET /return: the payer is back; the provider is asked."""

import os
from http import HTTPStatus
from typing import Annotated, Any

import requests
from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError, ServiceError
from aws_lambda_powertools.event_handler.openapi.params import Query
from aws_lambda_powertools.logging import correlation_paths
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from peers.conventional.observed import logger, metrics, table, tracer

app = APIGatewayRestResolver(enable_validation=True)
session = requests.Session()
VERIFY = os.environ["PROVIDER_URL"] + "/verify.json"


@app.get("/psp/<channel>/return")
@tracer.capture_method
def come_back(
    channel: str,
    payment: Annotated[str, Query(max_length=128)],
    authority: Annotated[str, Query(alias="Authority", max_length=64)],
) -> Response[str]:
    pk, _, _ = payment.rpartition("#")
    key = {"pk": pk, "id": payment}
    item = table.get_item(Key=key, ConsistentRead=True).get("Item")
    if item is None:
        raise NotFoundError(payment)
    if item["status"] == "created":
        receipt = verify(int(item["amount"]), authority)
        table.update_item(
            Key=key,
            UpdateExpression="SET #status = :executed, receipt = :receipt, card = :card",
            ConditionExpression="#status = :created",
            ExpressionAttributeNames={"#status": "status"},
            ExpressionAttributeValues={
                ":executed": "executed",
                ":created": "created",
                ":receipt": str(receipt["ref_id"]),
                ":card": receipt["card_pan"],
            },
        )
        metrics.add_metric(name="PaymentsExecuted", unit=MetricUnit.Count, value=1)
    logger.info("payer is back", extra={"payment_id": payment, "channel": channel})
    return Response(
        status_code=HTTPStatus.SEE_OTHER.value,
        content_type="text/plain",
        headers={"Location": f"{item['return_url']}&status=executed"},
        body="",
    )


@tracer.capture_method
def verify(amount: int, authority: str) -> dict[str, Any]:
    asked = {
        "merchant_id": os.environ["PROVIDER_MERCHANT"],
        "amount": amount,
        "authority": authority,
    }
    answer = session.post(VERIFY, json=asked, timeout=5)
    answer.raise_for_status()
    found = answer.json()["data"]
    if found["code"] not in {100, 101}:
        raise ServiceError(HTTPStatus.BAD_GATEWAY.value, "not verified")
    return found


@logger.inject_lambda_context(correlation_id_path=correlation_paths.API_GATEWAY_REST)
@tracer.capture_lambda_handler
@metrics.log_metrics(capture_cold_start_metric=True)
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return app.resolve(event, context)
