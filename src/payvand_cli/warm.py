"""Start the functions' workers while the second core has nothing to do.

A cold worker costs half a second of imports. Seeding waits for three of them one after the other;
meanwhile the others are woken by events that ask nothing of them.
"""

import contextlib
import json
import threading
import urllib.request
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError

from payvand_cli.stack import Stack

WORKERS: Final = (
    "announce",
    "payment_timer",
    "merchant_notify",
    "settle",
    "payment_verify",
    "payout",
    "refund",
)
"""Woken by messages: an empty batch of them loads all they need."""
PAGES: Final = ("/pay/none", "/psp/none/return")
"""Addresses that name nothing."""


def begin(stack: Stack, api_url: str) -> threading.Thread:
    """Wake them one after the other, in a thread of its own; what fails will start when needed."""
    thread = threading.Thread(target=_wake, args=(stack, api_url), name="warm", daemon=True)
    thread.start()
    return thread


def _wake(stack: Stack, api_url: str) -> None:
    for path in PAGES:
        with contextlib.suppress(OSError):
            urllib.request.urlopen(api_url + path, timeout=20)
    for name in WORKERS:
        with contextlib.suppress(BotoCoreError, ClientError):
            stack.functions.invoke(
                FunctionName=f"{stack.name}-{name}", Payload=json.dumps({"Records": []}).encode()
            )
