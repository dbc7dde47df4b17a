"""The threat model names tests that are there, and every test of the adversary folder has a row."""

import ast
import re
from functools import cache
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "docs" / "threat-model.md"
NAMED: Final = sorted(set(re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", PAGE.read_text("utf-8"))))
HEAD: Final = ("they try", "stopped by", "proved by")


@cache
def names_in(path: Path) -> frozenset[str]:
    """Names of the tests in a file."""
    tree = ast.parse(path.read_text("utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    return frozenset(f.name for f in functions if f.name.startswith("test_"))


@pytest.mark.parametrize(("path", "name"), NAMED, ids=lambda value: str(value)[-60:])
def test_every_named_test_exists(path: str, name: str) -> None:
    assert (ROOT / path).is_file()
    assert not name or name in names_in(ROOT / path)


def test_every_file_of_adversaries_is_named() -> None:
    files = {path.name for path in (ROOT / "tests" / "adversary").glob("test_*.py")}
    assert files <= {Path(path).name for path, _ in NAMED}


def test_every_row_is_proved() -> None:
    rows = [
        [cell.strip() for cell in line.strip("|").split(" | ")]
        for line in PAGE.read_text("utf-8").splitlines()
        if line.startswith("| ")
    ]
    tables = [row for row in rows if len(row) == len(HEAD) and "tests/" in row[-1]]
    heads = [row for row in rows if tuple(row) == HEAD]
    assert len(heads) == 5 and len(tables) >= 35
    after_head = PAGE.read_text("utf-8").split("| they try | stopped by | proved by |")[1:]
    for part in after_head:
        for line in part.split("\n\n")[0].splitlines()[2:]:
            assert re.search(r"`tests/[\w/]+\.py(::\w+)?`", line), line
