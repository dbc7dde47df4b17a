"""A deployed stack and its AWS clients."""

import threading
from functools import cached_property
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from payvand_cli import cloudformation

if TYPE_CHECKING:
    from mypy_boto3_apigateway import APIGatewayClient
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_kms import KMSClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_scheduler import EventBridgeSchedulerClient
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sqs import SQSClient

REGION = "us-east-1"
ACCOUNT = "000000000000"
NAME = "payvand"
DATA_NAME = f"{NAME}-data"
"""The stack of what the other imports; template.yaml expects it to be called so."""
# The emulator's root user; it exists nowhere else.
CREDENTIALS = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}


class Stack:
    """What a deployed stack is made of, and clients that speak to it.

    Clients are made on first use. One object may be used from several threads.
    """

    def __init__(self, endpoint: str, name: str = NAME) -> None:
        self.endpoint = endpoint
        self.name = name
        self._lock = threading.Lock()
        self._session = boto3.Session(
            aws_access_key_id=CREDENTIALS["aws_access_key_id"],
            aws_secret_access_key=CREDENTIALS["aws_secret_access_key"],
            region_name=REGION,
        )

    def client(self, service: Any) -> Any:
        """A client of any service, with time-outs fit for a loopback endpoint."""
        with self._lock:
            return self._session.client(
                service,
                endpoint_url=self.endpoint,
                config=Config(
                    connect_timeout=2,
                    read_timeout=40,
                    retries={"total_max_attempts": 2},
                    signature_version="s3v4" if service == "s3" else None,
                ),
            )

    @cached_property
    def apigateway(self) -> "APIGatewayClient":
        """REST APIs."""
        return self.client("apigateway")  # type: ignore[no-any-return]

    @cached_property
    def cloudformation(self) -> "CloudFormationClient":
        """The stack itself."""
        return self.client("cloudformation")  # type: ignore[no-any-return]

    @cached_property
    def cloudwatch(self) -> "CloudWatchClient":
        """Metrics and alarms."""
        return self.client("cloudwatch")  # type: ignore[no-any-return]

    @cached_property
    def dynamodb(self) -> "DynamoDBClient":
        """Tables."""
        return self.client("dynamodb")  # type: ignore[no-any-return]

    @cached_property
    def events(self) -> "EventBridgeClient":
        """The bus."""
        return self.client("events")  # type: ignore[no-any-return]

    @cached_property
    def iam(self) -> "IAMClient":
        """Roles and their policies."""
        return self.client("iam")  # type: ignore[no-any-return]

    @cached_property
    def kms(self) -> "KMSClient":
        """Keys."""
        return self.client("kms")  # type: ignore[no-any-return]

    @cached_property
    def functions(self) -> "LambdaClient":
        """Lambda, under a name Python allows."""
        return self.client("lambda")  # type: ignore[no-any-return]

    @cached_property
    def logs(self) -> "CloudWatchLogsClient":
        """Log groups."""
        return self.client("logs")  # type: ignore[no-any-return]

    @cached_property
    def s3(self) -> "S3Client":
        """Files."""
        return self.client("s3")  # type: ignore[no-any-return]

    @cached_property
    def scheduler(self) -> "EventBridgeSchedulerClient":
        """Schedules."""
        return self.client("scheduler")  # type: ignore[no-any-return]

    @cached_property
    def secrets(self) -> "SecretsManagerClient":
        """Secrets."""
        return self.client("secretsmanager")  # type: ignore[no-any-return]

    @cached_property
    def sqs(self) -> "SQSClient":
        """Queues."""
        return self.client("sqs")  # type: ignore[no-any-return]

    @cached_property
    def outputs(self) -> dict[str, str]:
        """The stack's outputs by their key."""
        found = self.cloudformation.describe_stacks(StackName=self.name)["Stacks"][0]
        return {o["OutputKey"]: o["OutputValue"] for o in found.get("Outputs", [])}

    @cached_property
    def resources(self) -> dict[str, str]:
        """Physical ids by logical id."""
        pages = self.cloudformation.get_paginator("list_stack_resources")
        return {
            r["LogicalResourceId"]: r["PhysicalResourceId"]
            for page in pages.paginate(StackName=self.name)
            for r in page["StackResourceSummaries"]
        }

    @cached_property
    def template(self) -> dict[str, Any]:
        """The template after the SAM transform."""
        body: object = self.cloudformation.get_template(
            StackName=self.name, TemplateStage="Processed"
        )["TemplateBody"]
        return cloudformation.read(body) if isinstance(body, str) else body  # type: ignore[return-value]
