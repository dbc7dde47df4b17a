"""The layer of papers: what Lambda gets, how heavy it is, and who needs it."""

import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from payvand_cli import paths

EM_AARCH64: Final = 183
BYTES_MAX: Final = 8_000_000
HEAVY: Final = ("uharfbuzz", "persiantools", "payvand_faces")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As it is uploaded."""
    folder = tmp_path_factory.mktemp("layer")
    done = subprocess.run(
        [
            *("make", "-s", "-C", "layers/papers", "build-PapersLayer"),
            *(f"ARTIFACTS_DIR={folder}", f"UV={paths.UV}"),
            f"LAYER_PYTHON={paths.DEV_BIN / 'python'}",
        ],
        cwd=paths.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_it_is_for_arm_with_bytecode_and_all_licences(built: Path) -> None:
    compiled = list(built.rglob("*.so"))
    assert compiled
    for library in compiled:
        assert int.from_bytes(library.read_bytes()[18:20], "little") == EM_AARCH64
    assert list(built.glob("python/payvand_faces/__pycache__/*.pyc"))
    assert len(list(built.glob("python/payvand_faces/*.ttf"))) == 4
    assert len(list(built.glob("python/payvand_faces/OFL-*.txt"))) == 2
    assert not list(built.rglob("RECORD"))


def test_it_is_light(built: Path) -> None:
    size = sum(file.stat().st_size for file in built.rglob("*") if file.is_file())
    assert size < BYTES_MAX


def test_only_paper_needs_it() -> None:
    """Statements as files, chains and journals work without: no import of the layer's."""
    code = (
        "import sys; from tests.papers import samples; from payvand import papers;"
        "c = samples.chain(1, 3); m, b = samples.made(c);"
        f"print(*(name for name in {HEAVY} if name in sys.modules));"
        "list(papers.statement_pdf(m, samples.lines_of(c), 'fa'));"
        f"print(*(name for name in {HEAVY} if name in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=paths.ROOT,
        env={
            "PYTHONPATH": ":".join(
                str(paths.ROOT / p) for p in (".", "layers/shared", "layers/papers")
            )
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == ["", " ".join(HEAVY)]
