"""The README's first payment, pasted line by line into a shell, works."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from payvand_cli import handle, paths
from tests.support.local_stack import LocalStack

README = paths.ROOT / "README.md"


def pasted() -> list[str]:
    """Every line of the README's shell blocks."""
    text = README.read_text(encoding="utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


@pytest.fixture
def folder(local_stack: LocalStack, tmp_path: Path) -> Path:
    """A checkout as `make up` leaves it, as far as the README looks."""
    handle.write(local_stack.local, tmp_path / ".payvand" / "local.json")
    (tmp_path / ".venv").symlink_to(paths.ROOT / ".venv")
    return tmp_path


def test_pasting_the_readme_takes_a_payment_and_gives_part_of_it_back(folder: Path) -> None:
    shell = subprocess.run(
        ["/bin/bash", "--noprofile", "--norc"],
        input="\n".join(["set -e", *pasted()]) + "\n",
        cwd=folder,
        env={**os.environ, "PAYVAND_HOME": str(folder / ".payvand")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (shell.returncode, shell.stderr) == (0, ""), shell.stdout
    checkout, landed, *rest = shell.stdout.splitlines()
    id = checkout.rpartition("/")[2]
    assert f"/lab?payment_id={id}&" in landed
    assert landed.endswith("&status=executed")
    payment, end = json.JSONDecoder().raw_decode("\n".join(rest))
    assert (payment["id"], payment["status"], payment["amount"]) == (id, "executed", 250_000)
    refund, end = json.JSONDecoder().raw_decode("\n".join(rest)[end:].lstrip())
    assert (refund["payment_id"], refund["status"], refund["amount"]) == (id, "done", 100_000)
    story = shell.stdout[shell.stdout.index("\nPayment\n") :]
    assert "partially_refunded" in story
    assert "receivable:zarinpal -100,000" in story


def test_each_line_says_what_a_person_can_read() -> None:
    assert pasted()
    for line in pasted():
        assert "jq" not in line
        assert not line.startswith(("$ ", "> "))
