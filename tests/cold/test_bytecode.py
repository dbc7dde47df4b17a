"""No module of ours or of the layer's libraries is compiled while somebody waits for an answer."""

import importlib.util
import shutil
from pathlib import Path

import pytest

from tests.cold.starts import start
from tests.support import template

BY_HASH_UNCHECKED = 0b01


def faults(folder: Path) -> list[str]:
    """Sources whose bytecode is missing, of another Python, checked at start, or of other text."""
    found = []
    for source in sorted(folder.rglob("*.py")):
        bytecode = Path(importlib.util.cache_from_source(str(source)))
        head = bytecode.read_bytes()[:16] if bytecode.exists() else b""
        magic, flags, digest = head[:4], head[4:8], head[8:16]
        right = (
            magic == importlib.util.MAGIC_NUMBER
            and int.from_bytes(flags, "little") == BY_HASH_UNCHECKED
            and digest == importlib.util.source_hash(source.read_bytes())
        )
        if not right:
            found.append(str(source.relative_to(folder)))
    return found


@pytest.mark.parametrize("function", template.functions())
def test_a_cold_start_compiles_nothing(built: Path, function: str) -> None:
    assert start(built, function)["compiled"] == []


def test_all_bytecode_is_of_this_python_and_this_source(built: Path) -> None:
    packages = [folder for folder in built.iterdir() if folder.is_dir()]
    assert {p.name for p in packages} == {*template.functions(), "SharedLayer", "PapersLayer"}
    assert {p.name: faults(p) for p in packages if faults(p)} == {}
    assert list(built.glob("*/functions/*/__pycache__/handler.*.pyc"))


def test_a_package_without_bytecode_is_noticed(built: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    shutil.copytree(built / "PaymentInit", bare, ignore=shutil.ignore_patterns("__pycache__"))
    compiled = start(built, "PaymentInit", bare)["compiled"]
    assert {Path(path).name for path in compiled} >= {"handler.py", "create.py"}
    assert "functions/payment_init/handler.py" in faults(bare)


def test_bytecode_of_another_text_is_noticed(built: Path, tmp_path: Path) -> None:
    stale = tmp_path / "stale"
    shutil.copytree(built / "PaymentInit", stale)
    source = stale / "functions/payment_init/create.py"
    source.write_text(source.read_text() + "\n# edited later\n")
    assert faults(stale) == ["functions/payment_init/create.py"]
