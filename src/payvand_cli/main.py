"""The payvand command: one line per verb."""


def main() -> None:
    """Run the command named on the command line."""
