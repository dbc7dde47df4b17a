"""The product's own stores on a deployed stack, local or in an AWS account, read from outside."""

import os
from functools import cached_property
from typing import Annotated, Any, override

import boto3
import typer
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from payvand.store.clock import Clock
from payvand.store.merchants import Merchants
from payvand.store.payments import Payments
from payvand.store.settlements import Settlements
from payvand.store.table import Table
from payvand.store.tasks import Tasks
from payvand.store.webhooks import WebhookStore
from payvand_cli.handle import NothingRuns, opened
from payvand_cli.stack import Stack

StackName = Annotated[
    str, typer.Option("--stack", help="A stack in an AWS account, by this shell's credentials.")
]


class CloudStack(Stack):
    """A stack in an AWS account, through whatever credentials and region this shell has."""

    def __init__(self, name: str) -> None:
        super().__init__("", name)
        self._session = boto3.Session(region_name=os.environ.get("AWS_REGION"))

    @override
    def client(self, service: Any) -> Any:
        config = Config(connect_timeout=5, read_timeout=60, retries={"total_max_attempts": 4})
        return self._session.client(service, config=config)


def find_stack(name: str) -> Stack:
    """The named stack of an AWS account, or the local one when no name is given.

    Raises:
        NothingRuns: it cannot be reached, in AWS's own words.
    """
    if not name:
        return opened().stack
    stack = CloudStack(name)
    try:
        _ = stack.outputs
    except (BotoCoreError, ClientError) as error:
        raise NothingRuns(f"stack {name}: {error}") from None
    return stack


class Doors:
    """Stores, as the functions have them."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack

    def table(self, logical: str) -> Table:
        """A table by its logical id."""
        return Table(self.stack.dynamodb, self.stack.outputs[logical])

    @cached_property
    def payments(self) -> Payments:
        """Payments, postings, references."""
        return Payments(
            self.table("PaymentsTable"),
            self.table("ReferencesTable"),
            self.table("SettlementTable"),
        )

    @cached_property
    def settlements(self) -> Settlements:
        """Heads, seals, lines, bank files."""
        return Settlements(
            self.table("SettlementTable"),
            self.payments,
            self.stack.s3,
            self.stack.outputs["FilesBucket"],
        )

    @cached_property
    def tasks(self) -> Tasks:
        """What waits for an operator."""
        return Tasks(self.table("OperationsTable"))

    @cached_property
    def merchants(self) -> Merchants:
        """Merchants and keys."""
        return Merchants(self.table("MerchantsTable"), self.table("KeysTable"))

    @cached_property
    def webhooks(self) -> WebhookStore:
        """Endpoints and deliveries."""
        return WebhookStore(self.table("WebhooksTable"))

    @cached_property
    def clock(self) -> Clock:
        """What time it is for a book."""
        return Clock(self.table("LabTable"))
