"""What plain `sam build` leaves, made once: no step of the command line's own is in it."""

import subprocess
from pathlib import Path

import pytest

from payvand_cli import build, paths
from payvand_cli.paths import Site
from tests.support import template


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every function's package and the layer, the layer for this machine."""
    folder = tmp_path_factory.mktemp("cold")
    done = subprocess.run(
        [
            *(str(paths.SAM), "build", "--parallel", "--template-file", str(template.PATH)),
            *("--build-dir", str(folder / "build")),
            *("--parameter-overrides", f"Architecture={paths.ARCHITECTURE}"),
        ],
        cwd=folder,  # away from samconfig.toml
        env=build.environment(Site(folder, folder / "local.json", 8080)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder / "build"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One worker, so that one build serves all."""
    for item in items:
        if "built" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("cold"))
