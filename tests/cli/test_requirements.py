"""What is installed is pinned, names no registry, and handlers import nothing else."""

import ast
import importlib.util
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from payvand_cli import paths

LOCKS = sorted((paths.ROOT / "requirements").glob("*.txt"))
RUNTIME = {"boto3", "botocore", "urllib3"}
"""Lambda brings these."""
EM_AARCH64 = 183


def pins(lock: Path) -> dict[str, str]:
    """Names and versions of one lock."""
    return dict(re.findall(r"(?m)^([a-z0-9-]+)(?:\[[^]]*\])?==(\S+)", lock.read_text()))


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_every_requirement_is_pinned_with_hashes_and_no_address(lock: Path) -> None:
    text = lock.read_text()
    assert not re.search(r"https?://|file:|index-url|find-links", text)
    for requirement in re.split(r"(?m)^(?=[a-z])", text):
        if requirement and not requirement.startswith("#"):
            assert re.match(r"[a-z0-9-]+(\[[^]]*\])?==", requirement), requirement
            assert "--hash=sha256:" in requirement, requirement


def test_every_lock_comes_from_a_list_of_wishes() -> None:
    assert {lock.stem for lock in LOCKS} == {
        wish.stem for wish in (paths.ROOT / "requirements").glob("*.in")
    }


@pytest.mark.parametrize("lock", ["layer", "papers"])
def test_tests_run_with_the_layers_own_versions(lock: str) -> None:
    layer, dev = (pins(paths.ROOT / f"requirements/{name}.txt") for name in (lock, "dev"))
    assert {name: dev.get(name) for name in layer} == layer


@pytest.mark.parametrize(("layer", "lock"), [("shared", "layer"), ("papers", "papers")])
def test_sam_builds_a_layer_from_its_lock(layer: str, lock: str) -> None:
    link = paths.ROOT / f"layers/{layer}/requirements.txt"
    assert link.resolve() == paths.ROOT / f"requirements/{lock}.txt"


def imported(file: Path) -> Iterator[str]:
    """Top-level packages a file imports, wherever in it."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.partition(".")[0]


def modules(*locks: str) -> set[str]:
    """What the packages of these locks are imported as."""
    wanted = {name for lock in locks for name in pins(paths.ROOT / f"requirements/{lock}.txt")}
    return {
        module
        for module, distributions in packages_distributions().items()
        if any(d.lower().replace("_", "-") in wanted for d in distributions)
    }


def test_handlers_import_only_what_lambda_and_the_layers_have() -> None:
    """The emulator's own libraries are in reach of local workers; in AWS they are not."""
    everywhere = {*sys.stdlib_module_names, *RUNTIME, *modules("layer"), "payvand", "functions"}
    papers = modules("papers") | {"payvand_faces"}
    for folder in ("functions", "layers/shared/payvand", "layers/papers"):
        for file in (paths.ROOT / folder).rglob("*.py"):
            strangers = set(imported(file)) - everywhere
            if {"papers", "bank"} & set(file.parts):
                strangers -= papers
            # Stubs are for the type checker alone.
            assert not {s for s in strangers if not s.startswith(("mypy_boto3", "types_"))}, file


def test_the_layer_for_the_cloud_is_arm_and_brings_its_bytecode(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            *("make", "-s", "-C", "layers/shared", "build-SharedLayer"),
            *(f"ARTIFACTS_DIR={tmp_path}", f"UV={paths.UV}"),
            f"LAYER_PYTHON={paths.DEV_BIN / 'python'}",
        ],
        cwd=paths.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    compiled = list(tmp_path.rglob("*.so"))
    assert compiled
    for library in compiled:
        machine = int.from_bytes(library.read_bytes()[18:20], "little")
        assert machine == EM_AARCH64, library.name
    source = tmp_path / "python/payvand/money.py"
    bytecode = Path(importlib.util.cache_from_source(str(source)))
    assert bytecode.read_bytes()[4:8] == b"\x01\0\0\0"  # by hash, and the hash is not compared
    assert not list(tmp_path.rglob("RECORD"))
    assert not (tmp_path / "python/bin").exists()
