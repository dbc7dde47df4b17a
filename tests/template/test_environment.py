"""Every variable a function gets is one its code reads, and every one it reads is there.

What a function reads is computed: the doors of `Wiring` it opens, itself or through the shared code
it imports, and the variables each of those doors reads.
"""

import ast
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support import template

ROOT: Final = template.PATH.parent
LAYER: Final = ROOT / "layers" / "shared"
WIRING: Final = LAYER / "payvand" / "edge" / "wiring.py"
OPENERS: Final = {
    "payvand.resolve": LAYER / "payvand" / "resolve.py",
    "payvand.edge.browser": LAYER / "payvand" / "edge" / "browser.py",
}
"""Shared code that opens doors itself; stores and channels are handed theirs."""
SLICE: Final = "TEST_TIMER_SLICE_S"
TIMERS: Final = {"timer", "early"}
"""The calls of the queues' door that read it; sending does without."""
OWN_WIRING: Final = {"Lab": ROOT / "functions" / "lab" / "wiring.py"}


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def read_by(node: ast.AST) -> set[str]:
    """Variables: `env["X"]`, `env.get("X")`, `table("X")`."""
    found = set()
    for part in ast.walk(node):
        match part:
            case ast.Subscript(
                value=ast.Attribute(attr="env" | "environ") | ast.Name(id="env"),
                slice=ast.Constant(value=str(name)),
            ):
                found.add(name)
            case ast.Call(
                func=ast.Attribute(
                    attr="get", value=ast.Attribute(attr="env" | "environ") | ast.Name(id="env")
                )
                | ast.Attribute(attr="table"),
                args=[ast.Constant(value=str(name)), *_],
            ):
                found.add(name)
    return found


@cache
def doors() -> dict[str, set[str]]:
    """Door of `Wiring` → the variables behind it."""
    (wiring,) = (n for n in tree(WIRING).body if isinstance(n, ast.ClassDef))
    methods = {m.name: m for m in wiring.body if isinstance(m, ast.FunctionDef)}

    def behind(name: str) -> set[str]:
        method = methods[name]
        others = {
            part.attr
            for part in ast.walk(method)
            if isinstance(part, ast.Attribute)
            and isinstance(part.value, ast.Name)
            and part.value.id == "self"
            and part.attr in methods
            and part.attr not in {name, "table", "client"}
        }
        return read_by(method).union(*map(behind, others))

    return {name: behind(name) for name in methods if not name.startswith("_")}


def opened(path: Path) -> tuple[set[str], set[str]]:
    """The attributes taken from `live` or `wiring()` in a file, and every attribute it names."""
    taken, named = set(), set()
    for part in ast.walk(tree(path)):
        if isinstance(part, ast.Attribute):
            named.add(part.attr)
            match part.value:
                case ast.Name(id="live") | ast.Call(func=ast.Name(id="wiring")):
                    taken.add(part.attr)
    return taken, named


def files(folder: str) -> list[Path]:
    """A function's own files and the shared ones it imports that open doors."""
    own = list((ROOT / "functions" / folder).glob("*.py"))
    imported = {
        node.module for p in own for node in ast.walk(tree(p)) if isinstance(node, ast.ImportFrom)
    }
    return own + [path for name, path in OPENERS.items() if name in imported]


def needed(function: str) -> set[str]:
    if function in OWN_WIRING:
        return read_by(tree(OWN_WIRING[function])) - {"PUBLIC_BASE_URL"}
    found: set[str] = set()
    attributes: set[str] = set()
    for path in files(template.folder(function)):
        taken, named = opened(path)
        attributes |= named
        found |= read_by(tree(path)).union(*(doors()[name] for name in taken & doors().keys()))
    return found if attributes & TIMERS else found - {SLICE}


@pytest.mark.parametrize("function", template.functions())
def test_a_function_gets_the_variables_it_reads_and_no_others(function: str) -> None:
    assert given(function).keys() == needed(function)


def given(function: str) -> dict[str, Any]:
    """The function's own variables; PUBLIC_BASE_URL is everybody's."""
    properties = template.functions()[function]
    found: dict[str, Any] = properties.get("Environment", {}).get("Variables", {})
    return found


def test_all_functions_share_one_variable() -> None:
    shared = template.template()["Globals"]["Function"]["Environment"]["Variables"]
    assert shared.keys() == {"PUBLIC_BASE_URL"}


@pytest.mark.parametrize("function", template.functions())
def test_a_variable_names_a_thing_and_never_holds_a_secret(function: str) -> None:
    """A literal could be one; a secret is named by its id, and read from Secrets Manager."""
    for name, value in given(function).items():
        assert isinstance(value, dict), name
        ((kind, target),) = value.items()
        assert kind in {"Ref", "GetAtt"}
        resource = template.template()["Resources"].get(target.partition(".")[0], {})
        if resource.get("Type") == "AWS::SecretsManager::Secret":
            assert (kind, target.partition(".")[2]) == ("GetAtt", "Id")
            assert "SECRET" in name


def test_no_secret_stands_in_the_template() -> None:
    for name, secret in template.resources("AWS::SecretsManager::Secret").items():
        assert secret.get("SecretString", "{}") == "{}", name
    for path in (template.PATH, template.DATA_PATH):
        assert "{{resolve:" not in path.read_text(encoding="utf-8")
    assert not [name for name in template.template()["Parameters"] if "Secret" in name]
