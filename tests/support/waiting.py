"""Waiting for another process, which offers nothing to wait on: the one place where tests poll."""

import time
from collections.abc import Callable


def until(true: Callable[[], bool], seconds: float) -> None:
    """Return once it is true; fail when it is not in time. A verdict never depends on how long."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)
