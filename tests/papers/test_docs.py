"""The page on statements: its commands work, its tables are the code's."""

import re
import subprocess
from pathlib import Path
from typing import Final

import pytest

from payvand.papers import PDF_LINES_MAX, PLAN, Broken, close
from payvand.papers.chain import COLUMNS
from payvand.papers.statement import SORTED_MAX
from payvand_cli.paths import ROOT
from tests.papers import samples

PAGE: Final = (ROOT / "docs/flows/statements.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


DIGEST, CHAIN, SUMS = blocks("sh")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three statements of a book, with text that is hard to cut."""
    sealed = samples.chain(6, 9)
    after, before = None, None
    for at in (0, 2, 4):
        part = sealed[at : at + 2]
        head = samples.head(part, name='A, "B" ; =C', after=after, before=before)
        with (tmp_path / head.file).open("wb") as file:
            lines = samples.lines_of(part, ["a,b", '"', "سفارش, ۱۲"])
            after, before = close(head, lines, file.write).link, part[-1].seal
    return tmp_path


def run(command: str, folder: Path) -> list[str]:
    done = subprocess.run(
        ["bash", "-euc", command],  # noqa: S607
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    assert not done.stderr
    return done.stdout.splitlines()


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.csv"))


def change(file: Path, old: bytes, new: bytes) -> None:
    content = file.read_bytes()
    assert old in content
    file.write_bytes(content.replace(old, new, 1))


def test_a_whole_chain_passes_by_hand(folder: Path) -> None:
    digests = [line.split()[0] for line in run(DIGEST, folder)]
    assert len(digests) == 3
    assert run(CHAIN, folder) == [digests[-1]]
    assert run(SUMS, folder) == [f"{file.name} adds up" for file in files(folder)]


def test_a_changed_byte_is_found_by_hand(folder: Path) -> None:
    _, second, third = files(folder)
    change(second, b"A, ", b"E, ")
    assert run(CHAIN, folder)[0] == f"{third.name} does not follow"


def test_a_missing_file_is_found_by_hand(folder: Path) -> None:
    first, second, _ = files(folder)
    first.unlink()
    assert run(CHAIN, folder)[0] == f"{second.name} does not follow"


def test_a_changed_amount_is_found_by_hand(folder: Path) -> None:
    second = files(folder)[1]
    content = second.read_bytes()
    row = next(row for row in content.split(b"\r\n") if row.startswith(b"line,"))
    cells = row.split(b",")
    cells[7] = b"1"
    change(second, row, b",".join(cells))
    found = run(SUMS, folder)
    assert f"{second.name}: seal 3 does not add up" in found
    assert f"{second.name} does not add up" in found


def test_the_library_checks_as_the_page_says(folder: Path) -> None:
    (snippet,) = blocks("python")
    scope: dict[str, object] = {}
    exec(snippet, scope)  # noqa: S102 - it is our own page
    check = scope["check"]
    assert callable(check)
    digests = [line.split()[0] for line in run(DIGEST, folder)]
    assert check(files(folder), digests) == digests[-1]
    change(files(folder)[0], b"A, ", b"E, ")
    with pytest.raises(Broken):
        check(files(folder), digests)


def test_the_columns_are_those_of_the_files() -> None:
    named = re.findall(r"^\| (\d+) `(\w+)` \|", PAGE, re.MULTILINE)
    assert [name for _, name in named] == list(COLUMNS)
    assert [int(number) for number, _ in named] == list(range(1, len(COLUMNS) + 1))


def test_the_plan_is_the_codes() -> None:
    rows = re.findall(r"^\| (\d{4})\S* \| `([a-z:]+)(?:\{\w+\})?` \| (.+) \|$", PAGE, re.MULTILINE)
    assert {account: (code, name) for code, account, name in rows} == {
        account: (found.code, found.name) for account, found in PLAN.items()
    }


def test_the_limits_are_the_codes() -> None:
    for number in (PDF_LINES_MAX, SORTED_MAX):
        assert f"{number:,}".replace(",", " ") in PAGE
