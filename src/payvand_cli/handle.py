""".payvand/local.json: how programs and the other verbs find the running stack."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from payvand_cli import paths
from payvand_cli.stack import Stack


class NothingRuns(Exception):
    """No stack runs from this checkout."""


@dataclass(frozen=True)
class Handle:
    """The running stack as the file describes it."""

    stack: Stack
    local: dict[str, Any]


def write(local: dict[str, Any], path: Path) -> None:
    """Leave the handle, readable by its owner only: it holds keys."""
    path.parent.mkdir(exist_ok=True)
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(local, file, indent=2, ensure_ascii=False)
        file.write("\n")
    draft.replace(path)


def opened(path: Path | None = None) -> Handle:
    """The running stack.

    Raises:
        NothingRuns: there is no handle.
    """
    try:
        local = json.loads((path or paths.site(0).handle).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise NothingRuns("no local stack runs here; start one with: make up") from error
    return Handle(Stack(local["aws_endpoint"], local["stack"]), local)
