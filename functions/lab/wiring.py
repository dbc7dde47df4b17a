"""The lab's real world, built once per environment on first use; the only reader of os.environ."""

import os
import time
from datetime import UTC, datetime
from functools import cache

import boto3
from botocore.config import Config

from functions.lab.clock import Clock
from functions.lab.store import Store
from functions.lab.world import Bucket, World
from payvand.edge.http import Http


@cache
def wiring() -> World:
    """Everything outside, with a time limit on each call."""
    env = os.environ
    config = Config(
        connect_timeout=2, read_timeout=5, retries={"mode": "standard", "max_attempts": 3}
    )
    tables = boto3.client("dynamodb", config=config)
    table = env["LAB_TABLE"]
    return World(
        store=Store(tables, table),
        clock=Clock(tables, table, lambda: datetime.now(UTC)),
        files=Bucket(boto3.client("s3", config=config), env["FILES_BUCKET"]),
        http=Http(),
        sleep=time.sleep,
        public_base=env.get("PUBLIC_BASE_URL", "").rstrip("/"),
        controls_open=env.get("LAB_CONTROLS") == "open",
    )
