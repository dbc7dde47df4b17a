"""Everything live, built once per container on first use. The only reader of the environment.

Each door is built when it is first asked for, so a function pays for what it uses. Every AWS client
has short time-outs and few tries: a caller waits for us, and the books are safe to ask again.
"""

import os
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

from payvand.edge.aws import SERVICES, TRIES, Client, Lender
from payvand.edge.line import ANSWER_TIMEOUT_S, CONNECT_TIMEOUT_S
from payvand.store.clock import Clock
from payvand.store.payments import Payments
from payvand.store.table import Table

if TYPE_CHECKING:
    import boto3

    from payvand.bank.doors import Doors
    from payvand.edge.queue import Queues
    from payvand.edge.secrets import Channels, Secrets
    from payvand.edge.vault import Vault
    from payvand.store.merchants import Merchants
    from payvand.store.papers import Papers
    from payvand.store.payout_files import PayoutFiles
    from payvand.store.reconciliations import Reconciliations
    from payvand.store.settlements import Settlements
    from payvand.store.tasks import Tasks
    from payvand.store.webhooks import WebhookStore


def public_base_url() -> str:
    """Where the outside world reaches the API; empty means "as API Gateway names itself"."""
    return os.environ.get("PUBLIC_BASE_URL", "").rstrip("/")


class Wiring:
    """The doors, ready to use."""

    def __init__(self, env: dict[str, str]) -> None:
        self.env = env

    @cached_property
    def _session(self) -> "boto3.Session":
        import boto3

        return boto3.Session()

    @cached_property
    def _lender(self) -> Lender:
        return Lender(self.env)

    def client(self, service: str) -> Any:
        """An AWS client: our own, or boto3's with the same time-outs for what ours cannot speak."""
        if service in SERVICES:
            return Client(service, self.env, self._lender)
        from botocore.config import Config

        config = Config(
            connect_timeout=CONNECT_TIMEOUT_S,
            read_timeout=ANSWER_TIMEOUT_S,
            retries={"total_max_attempts": TRIES, "mode": "standard"},
            signature_version="s3v4",
            s3={"addressing_style": "virtual"},  # a link names the bucket's own region
        )
        return self._session.client(service, config=config)  # type: ignore[call-overload]

    @cached_property
    def dynamodb(self) -> Any:
        """The one DynamoDB client."""
        return self.client("dynamodb")

    def table(self, name: str) -> Table:
        """A table by the name of its environment variable."""
        return Table(self.dynamodb, self.env[name])

    @cached_property
    def clock(self) -> Clock:
        """What time it is for a book."""
        return Clock(self.table("LAB_TABLE"))

    @cached_property
    def payments(self) -> Payments:
        """Payments, postings, references."""
        return Payments(
            self.table("PAYMENTS_TABLE"),
            self.table("REFERENCES_TABLE"),
            self.table("SETTLEMENT_TABLE"),
        )

    @cached_property
    def settlements(self) -> "Settlements":
        """Heads, seals, lines, bank files."""
        from payvand.store.settlements import Settlements

        return Settlements(
            self.table("SETTLEMENT_TABLE"),
            self.payments,
            self.client("s3"),
            self.env["FILES_BUCKET"],
        )

    @cached_property
    def payout_files(self) -> "PayoutFiles":
        """Payouts that leave in files of many."""
        from payvand.store.payout_files import PayoutFiles

        return PayoutFiles(
            self.table("OPERATIONS_TABLE"), self.client("s3"), self.env["FILES_BUCKET"]
        )

    @cached_property
    def doors(self) -> "Doors":
        """Banks and switches that take payout files."""
        from payvand.bank.doors import Doors

        ids = {"test": self.env["BANK_SECRET_TEST"], "live": self.env["BANK_SECRET_LIVE"]}
        clients = (self.client("s3"), self.client("kms"))
        return Doors(self.secrets.mapping, ids, *clients, self.env["FILES_BUCKET"])

    @cached_property
    def reconciliations(self) -> "Reconciliations":
        """What statements and reports said, and what runs decided."""
        from payvand.store.reconciliations import Reconciliations

        return Reconciliations(
            self.table("SETTLEMENT_TABLE"),
            self.payments,
            self.client("s3"),
            self.env["FILES_BUCKET"],
        )

    @cached_property
    def tasks(self) -> "Tasks":
        """What waits for an operator."""
        from payvand.store.tasks import Tasks

        return Tasks(self.table("OPERATIONS_TABLE"))

    @cached_property
    def papers(self) -> "Papers":
        """Files made for one reader."""
        from payvand.store.papers import Papers

        return Papers(self.client("s3"), self.env["FILES_BUCKET"])

    @cached_property
    def merchants(self) -> "Merchants":
        """Merchants and API keys."""
        from payvand.store.merchants import Merchants

        return Merchants(self.table("MERCHANTS_TABLE"), self.table("KEYS_TABLE"))

    @cached_property
    def webhooks(self) -> "WebhookStore":
        """Webhook endpoints and deliveries."""
        from payvand.store.webhooks import WebhookStore

        return WebhookStore(self.table("WEBHOOKS_TABLE"))

    @cached_property
    def queues(self) -> "Queues":
        """SQS."""
        from payvand.edge.queue import Queues

        return Queues(self.client("sqs"), int(self.env.get("TEST_TIMER_SLICE_S", "60")))

    @cached_property
    def events(self) -> Any:
        """EventBridge."""
        return self.client("events")

    @cached_property
    def secrets(self) -> "Secrets":
        """Secrets Manager."""
        from payvand.edge.secrets import Secrets

        return Secrets(self.client("secretsmanager"))

    @cached_property
    def channels(self) -> "Channels":
        """Outside parties that take payments."""
        from payvand.edge.http import Http  # http.client: only where a channel is called
        from payvand.edge.secrets import Channels

        ids = {"test": self.env["CHANNEL_SECRET_TEST"], "live": self.env["CHANNEL_SECRET_LIVE"]}
        return Channels(self.secrets, ids, Http())  # type: ignore[arg-type]

    @cached_property
    def webhook_allowed_hosts(self) -> frozenset[str]:
        """host:port pairs the operator lets webhooks reach although they are not public."""
        return frozenset(filter(None, self.env.get("WEBHOOK_ALLOWED_HOSTS", "").split(",")))

    @cached_property
    def vault(self) -> "Vault":
        """Personal data at rest."""
        from payvand.edge.vault import Vault

        return Vault(self.client("kms"), self.env["DATA_KEY"])


@cache
def wiring() -> Wiring:
    """The doors of this container."""
    return Wiring(dict(os.environ))
