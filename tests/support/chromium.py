"""The browser the page tests drive, and who may go without it."""

import os
from pathlib import Path
from typing import Final

import pytest

CHROMIUM: Final = Path("/usr/bin/chromium")
FLAGS: Final = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]

# tools/browser.sh installs it for root, as CI is: there a missing browser fails, it does not skip.
needs_chromium = pytest.mark.skipif(
    not CHROMIUM.exists() and os.geteuid() != 0,
    reason="needs chromium, which only root can install",
)
