"""POST /payments."""

import os
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any, Literal
from uuid import uuid4

from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response
from aws_lambda_powertools.logging import correlation_paths
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.idempotency import (
    DynamoDBPersistenceLayer,
    IdempotencyConfig,
    idempotent_function,
)
from aws_lambda_powertools.utilities.idempotency.serialization.pydantic import PydanticSerializer
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import AnyHttpUrl, BaseModel, ConfigDict, Field

from peers.conventional.observed import logger, metrics, table, tracer

app = APIGatewayRestResolver(enable_validation=True)
persistence = DynamoDBPersistenceLayer(table_name=os.environ["IDEMPOTENCY_TABLE"])
config = IdempotencyConfig(
    event_key_jmespath="[merchant_id, body.reference]",
    payload_validation_jmespath="body.amount",
    expires_after_seconds=24 * 3600,
)


class CreatePayment(BaseModel):
    model_config = ConfigDict(extra="forbid")

    amount: Annotated[int, Field(gt=0, le=10**12)]
    currency: Literal["IRR"]
    reference: Annotated[str, Field(min_length=1, max_length=64)]
    return_url: AnyHttpUrl
    description: Annotated[str, Field(max_length=255)] = ""
    locale: Literal["fa", "en"] = "fa"
    metadata: dict[str, str] = Field(default_factory=dict)


class Payment(BaseModel):
    id: str
    status: str
    amount: int
    currency: str
    reference: str
    description: str
    return_url: str
    metadata: dict[str, str]
    created_at: str


@app.post("/payments")
@tracer.capture_method
def create_payment(body: CreatePayment) -> Response[Payment]:
    merchant_id = app.current_event.request_context.authorizer["merchant_id"]
    wish = {"merchant_id": merchant_id, "body": body.model_dump(mode="json")}
    payment = store(wish=wish)
    metrics.add_metric(name="PaymentsCreated", unit=MetricUnit.Count, value=1)
    logger.info("payment created", extra={"payment_id": payment.id, "merchant_id": merchant_id})
    return Response(
        status_code=HTTPStatus.CREATED.value, content_type="application/json", body=payment
    )


@tracer.capture_method
@idempotent_function(
    data_keyword_argument="wish",
    persistence_store=persistence,
    config=config,
    output_serializer=PydanticSerializer(model=Payment),
)
def store(wish: dict[str, Any]) -> Payment:
    merchant_id, body = wish["merchant_id"], wish["body"]
    now = datetime.now(UTC)
    pk = f"{merchant_id}#{now.date().isoformat()}"
    payment = Payment(
        id=f"{pk}#{uuid4().hex}",
        status="created",
        amount=body["amount"],
        currency=body["currency"],
        reference=body["reference"],
        description=body["description"],
        return_url=body["return_url"],
        metadata=body["metadata"],
        created_at=now.isoformat(),
    )
    table.put_item(
        Item={"pk": pk, **payment.model_dump()}, ConditionExpression="attribute_not_exists(id)"
    )
    return payment


@logger.inject_lambda_context(correlation_id_path=correlation_paths.API_GATEWAY_REST)
@tracer.capture_lambda_handler
@metrics.log_metrics(capture_cold_start_metric=True)
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    config.register_lambda_context(context)
    return app.resolve(event, context)
