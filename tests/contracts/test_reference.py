"""The reference page: readable without a script, and shut to everything that is not its own."""

import base64
import hashlib
import json
import re
import shlex
from html.parser import HTMLParser
from typing import Any, override

import pytest

from functions.reference.handler import lambda_handler
from payvand import events
from tests.edge.rest import event
from tools import contracts


def get(path: str) -> dict[str, Any]:
    answer = lambda_handler(event("GET", path), None)
    assert answer["statusCode"] == 200
    return answer


class Reader(HTMLParser):
    """What a browser would make of the page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.inline: list[str] = []
        self.code: list[str] = []
        self._in_code = False
        self.feed(text)

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self._in_code = tag == "code" or (self._in_code and tag == "pre")
        if tag == "code":
            self.code.append("")
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name in {"href", "src"}:
                self.links.append(value or "")
            if name == "style" or name.startswith("on"):
                self.inline.append(name)

    @override
    def handle_endtag(self, tag: str) -> None:
        if tag == "code":
            self._in_code = False

    @override
    def handle_data(self, data: str) -> None:
        if self._in_code:
            self.code[-1] += data


@pytest.fixture(scope="module")
def page() -> Reader:
    return Reader(get("/docs")["body"])


def test_it_needs_no_script_and_loads_nothing(page: Reader) -> None:
    assert not page.tags & {"script", "link", "img", "iframe", "object", "form"}
    assert page.inline == []


def test_its_policy_allows_its_own_style_alone() -> None:
    answer = get("/docs")
    [style] = re.findall(r"<style>(.*?)</style>", answer["body"], re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = answer["headers"]["Content-Security-Policy"]
    assert f"style-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy and "unsafe" not in policy and "script-src" not in policy


def test_every_anchor_leads_somewhere_and_is_one_place(page: Reader) -> None:
    assert len(page.ids) == len(set(page.ids))
    inner = {link[1:] for link in page.links if link.startswith("#")}
    assert inner <= set(page.ids)


def test_every_operation_event_and_code_has_its_place(page: Reader) -> None:
    assert {operation.id for operation in contracts.operations()} <= set(page.ids)
    assert set(events.TYPES) <= set(page.ids)
    shown = " ".join(page.code)
    assert all(row["code"] in shown for row in contracts.codes())


def test_every_operation_has_a_command_that_a_shell_understands(page: Reader) -> None:
    commands = [text for text in page.code if text.startswith("curl ")]
    assert len(commands) == len(contracts.operations())
    for command in commands:
        words = shlex.split(command.replace("\\\n", " "))
        if "-d" in words:
            assert isinstance(json.loads(words[words.index("-d") + 1]), dict)


def test_both_files_name_this_deployment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBLIC_BASE_URL", 'https://pay.example/"<b>&')
    document = json.loads(get("/openapi.json")["body"])
    assert document["servers"] == [{"url": 'https://pay.example/"<b>&'}]
    assert contracts.SERVER not in json.dumps(document)
    assert "<b>&" not in get("/docs")["body"]
