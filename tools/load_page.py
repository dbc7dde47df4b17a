"""Puts the report in docs/load.json on the page about load, as `make soak` left it.

.venv/bin/python -m tools.load_page
"""

import re
from pathlib import Path

from payvand_cli.load.report import Report

DOCS = Path(__file__).resolve().parents[1] / "docs"
BLOCK = re.compile(r"(?<=\n## The last soak\n```text\n).*?(?=^```$)", re.DOTALL | re.MULTILINE)


def page(text: str, report: Report) -> str:
    """The page with this report on it."""
    assert BLOCK.search(text), "the page has a place for it"
    return BLOCK.sub(lambda _: f"{report}\n", text)


def main() -> None:
    """Write it."""
    path = DOCS / "load.md"
    report = Report.from_json((DOCS / "load.json").read_text(encoding="utf-8"))
    path.write_text(page(path.read_text(encoding="utf-8"), report), encoding="utf-8")


if __name__ == "__main__":
    main()
