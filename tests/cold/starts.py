"""Built functions, started as Lambda starts them."""

import json
import subprocess
import sys
import sysconfig
from functools import cache
from pathlib import Path
from typing import Any

from tests.support import template

PROGRAM = Path(__file__).with_name("lambda_start.py")
RUNTIME = sysconfig.get_paths()["purelib"]
"""Stands for the libraries Lambda brings (boto3); what they compile is not ours to ship."""


@cache
def start(built: Path, function: str, package: Path | None = None) -> dict[str, Any]:
    """One function's cold start, and then every module its calls could load later."""
    handler = template.functions()[function]["Handler"].removesuffix(".lambda_handler")
    own = [layer["Ref"] for layer in template.functions()[function].get("Layers", ())]
    layers = ":".join(str(built / layer / "python") for layer in ("SharedLayer", *own))
    arguments = [package or built / function, layers, RUNTIME, handler]
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(PROGRAM), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found
