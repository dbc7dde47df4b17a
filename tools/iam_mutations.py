"""Every permission of every function, and what proves that it is needed.

    .venv/bin/python -m tools.iam_mutations              the list
    .venv/bin/python -m tools.iam_mutations --prove      take each out of the deployed role, once
    .venv/bin/python -m tools.iam_mutations --prove Settle

`make test` proves them all, and that none is wider than the calls its function makes; this shows
them, or proves those of one function while it is written.
"""

import argparse
import sys
from collections import Counter

import pytest

from tests.stack.iam_scenes import NEEDS, POLLING, UNPROVEN
from tests.support.grants import Grant, grants

PROOF = "tests/stack/test_iam.py"


def proof(grant: Grant) -> str:
    """How a grant is shown to be needed, or why it cannot be."""
    name = (grant.function, grant.action, grant.resource)
    if grant.action in POLLING:
        return "exempt: the poller's, which the emulator does not check"
    if name in UNPROVEN:
        return f"exempt: {UNPROVEN[name]}"
    return "denied in a cold container" if NEEDS[name].cold else "denied"


def main() -> int:
    """List, or prove."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--prove", action="store_true", help="on a stack of its own")
    parser.add_argument("function", nargs="?", default="", help="logical id, e.g. Settle")
    asked = parser.parse_args()
    if asked.prove:
        return pytest.main(
            [PROOF, "-n", "1", "-v", *(["-k", asked.function] * bool(asked.function))]
        )
    shown = [grant for grant in grants() if asked.function in {"", grant.function}]
    for grant in shown:
        print(f"{grant.function:<15} {grant.action:<30} {grant.resource:<28} {proof(grant)}")
    counts = Counter(proof(grant).partition(":")[0].partition(" ")[0] for grant in shown)
    print(", ".join(f"{count} {how}" for how, count in counts.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
