"""What is built is what is deployed, again and again, and nothing runs on."""

import os
import threading
from pathlib import Path

import pytest

from payvand_cli import build, packaged, paths, processes
from payvand_cli.build import Sam, StepFailed
from payvand_cli.paths import Site
from tests.support.waiting import until

TEMPLATE = """
Parameters:
  Local: {Type: String, Default: "false"}
  PublicBaseUrl: {Type: String, Default: ""}
Conditions:
  IsLocal: !Equals [!Ref Local, "true"]
Resources: {}
"""


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path, tmp_path / "local.json", 8080)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "template.yaml").write_text(TEMPLATE)
    (tmp_path / "functions" / "a").mkdir(parents=True)
    (tmp_path / "functions" / "a" / "handler.py").write_text("x = 1\n")
    for source in packaged.SOURCES:
        if not (tmp_path / source).exists():
            (tmp_path / source).parent.mkdir(exist_ok=True)
            (tmp_path / source).write_text("")
    return tmp_path


def test_only_declared_parameters_are_given(site: Site, tree: Path) -> None:
    given = build.parameters(site, tree / "template.yaml")
    assert given == {"Local": "true", "PublicBaseUrl": "http://127.0.0.1:8080"}


def test_any_change_of_a_source_is_another_build(tree: Path) -> None:
    template = tree / "template.yaml"
    seen = {packaged.digest(template)}
    (tree / "functions" / "a" / "handler.py").write_text("x = 2\n")
    seen.add(packaged.digest(template))
    (tree / "functions" / "a" / "other.py").write_text("")
    seen.add(packaged.digest(template))
    template.write_text(TEMPLATE + "\n")
    seen.add(packaged.digest(template))
    assert len(seen) == 4


def test_bytecode_and_files_nobody_builds_change_nothing(tree: Path) -> None:
    before = packaged.digest(tree / "template.yaml")
    cache = tree / "functions" / "a" / "__pycache__"
    cache.mkdir()
    (cache / "handler.cpython-313.pyc").write_bytes(b"x")
    (tree / "README.md").write_text("x")
    assert packaged.digest(tree / "template.yaml") == before


def test_another_makefile_is_another_cache(tree: Path) -> None:
    template = tree / "template.yaml"
    bare = build.cache(template)
    (tree / "functions" / "Makefile").write_text("build-%:\n")
    assert build.cache(template) != bare == build.cache(tree / "elsewhere" / "template.yaml")


def fake_sam(folder: Path, script: str) -> Path:
    program = folder / "sam"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return program


def test_a_step_that_fails_shows_the_end_of_its_log(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "SAM", fake_sam(site.folder, "echo no such resource; exit 3"))
    with pytest.raises(StepFailed, match="no such resource"):
        Sam(site).run("deploy")


def test_stopping_ends_what_sam_started(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    pid = site.folder / "pid"
    script = f"sleep 60 & echo $! > {pid}.new; mv {pid}.new {pid}; wait"
    monkeypatch.setattr(paths, "SAM", fake_sam(site.folder, script))
    sam = Sam(site)
    failures: list[BaseException] = []

    def run() -> None:
        try:
            sam.run("build")
        except StepFailed as failure:
            failures.append(failure)

    thread = threading.Thread(target=run)
    thread.start()
    until(pid.exists, 5)
    sam.stop()
    thread.join(5)
    child = int(pid.read_text())
    until(lambda: not processes.find(child), 5)
    assert len(failures) == 1
    with pytest.raises(StepFailed, match="not started"):
        sam.run("deploy")


def test_sam_sees_nothing_of_the_persons_aws(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("SAM_CLI_POLL_DELAY", "9")
    env = build.environment(site)
    assert "AWS_PROFILE" not in env
    assert env["AWS_ENDPOINT_URL"] == site.endpoint
    assert env["SAM_CLI_POLL_DELAY"] == "0.1"
    assert env["PATH"].split(os.pathsep)[0] == str(paths.DEV_BIN)
