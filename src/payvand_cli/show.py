"""How the command speaks: plain lines that read well in a terminal, a pipe and a log."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)


def line(text: str) -> None:
    """One line, wrapped by nobody."""
    console.print(text, soft_wrap=True)


def problem(text: str) -> None:
    """What went wrong and what to do, on standard error."""
    errors.print(f"[red]✗[/] {text}", soft_wrap=True)


@contextmanager
def step(doing: str, done: str | None = None) -> Iterator[None]:
    """A step with its time: a spinner in a terminal, then one line."""
    start = time.monotonic()
    if console.is_terminal:
        with console.status(doing):
            yield
    else:
        yield
    took = time.monotonic() - start
    console.print(f"[green]✓[/] {done or doing} [dim]{took:.1f} s[/]", soft_wrap=True)
