"""What a fresh local stack starts with."""

from payvand_cli.stack import Stack


def seed(stack: Stack) -> dict[str, str]:
    """Fill an empty stack; what callers need to know goes into `.payvand/local.json`."""
    del stack
    return {}
