"""Nobody learns a secret from how long we think: by construction, never by a watch.

A keyed digest is compared by hmac.compare_digest and by nothing else; an API key is only ever
hashed, and its hash is looked up; a key that is no good takes the same calls whatever is wrong.
"""

import ast
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from functions.authorize.handler import Unauthorized
from payvand.edge.api import SCOPES
from payvand.store.merchants import ApiKey, Merchants, key_hash
from payvand_cli.paths import ROOT
from tests.support.world import MERCHANT, World

SOURCES: Final = sorted(
    itertools.chain((ROOT / "functions").rglob("*.py"), (ROOT / "layers/shared").rglob("*.py"))
)
SECRET_NAMES: Final = ("secret", "signature", "api_key", "password", "hmac", "mac", "token")
LOOKS: Final = frozenset({"startswith", "endswith", "find", "index", "count"})
"""Methods that stop at the first difference."""

ALLOWED: Final = {
    "functions/psp_callback/handler.py: a.token == notice.token":
        "a channel's name of a session, from a notice whose signature was right",
    "functions/lab/noticebank.py: kind == 'right'": "a word of the lab's own",
}  # fmt: skip


def complaints(source: str, name: str) -> list[str]:
    """Comparisons of a keyed digest, or of what is named like a secret, that may stop early."""
    tree = ast.parse(source)
    found: list[ast.AST] = []
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            found += _comparisons(function)
    shown = dict.fromkeys(f"{name}: {ast.unparse(node)}" for node in found)
    return [text for text in shown if text not in ALLOWED]


def _comparisons(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[ast.AST]:
    keyed = _keyed(function)
    for node in ast.walk(function):
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            if any(_is_none(side) for side in sides):
                continue
        elif isinstance(node, ast.Call) and _method(node) in LOOKS:
            sides = [node.func, *node.args]
        elif isinstance(node, ast.Match):
            sides = [node.subject]
        else:
            continue
        if any(_secret(side, keyed) for side in sides):
            yield node


def _keyed(function: ast.AST) -> set[str]:
    """Names that hold what hmac made, or what was made of that."""
    names: set[str] = set()
    while True:
        found = {
            target.id
            for node in ast.walk(function)
            if isinstance(node, ast.Assign) and _holds(node.value, names)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        if found <= names:
            return names
        names |= found


def _holds(value: ast.AST, names: set[str]) -> bool:
    return any(
        (isinstance(node, ast.Name) and node.id in names | {"hmac"}) and not _compares(value)
        for node in ast.walk(value)
    )


def _compares(value: ast.AST) -> bool:
    return any(_method(node) == "compare_digest" for node in ast.walk(value))


def _secret(side: ast.AST, keyed: set[str]) -> bool:
    """Whether one side of a comparison is a secret itself (a length of one, or a key, is not)."""
    node = side.value if isinstance(side, ast.Attribute) and side.attr in LOOKS else side
    if isinstance(node, ast.Call):
        return "hmac" in ast.unparse(node.func) and not _compares(node)
    if isinstance(node, ast.Subscript):
        return _secret(node.value, keyed)
    word = node.id if isinstance(node, ast.Name) else getattr(node, "attr", "")
    return word in keyed or any(part in SECRET_NAMES for part in (word, *word.lower().split("_")))


def _method(node: ast.AST) -> str:
    is_method = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    return str(node.func.attr) if is_method else ""  # type: ignore[attr-defined]


def _is_none(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_secret_is_compared_in_constant_time(path: Path) -> None:
    assert complaints(path.read_text("utf-8"), str(path.relative_to(ROOT))) == []


def test_nothing_is_allowed_that_is_not_there() -> None:
    for text in ALLOWED:
        name, _, code = text.partition(": ")
        tree = ast.parse((ROOT / name).read_text("utf-8"))
        assert code in {ast.unparse(n) for n in ast.walk(tree) if isinstance(n, ast.Compare)}


@pytest.mark.parametrize(
    "line",
    [
        "return hmac.new(k, b, 'sha256').hexdigest() == given",
        "right = hmac.new(k, b, 'sha256').hexdigest(); return right == given",
        "right = hmac.new(k, b, 'sha256').digest(); hex = right.hex(); return given != hex",
        "right = hmac.digest(k, b, 'sha256'); return given in (right,) or given == right",
        "right = hmac.new(k, b).hexdigest(); return right[:8] == given[:8]",
        "right = hmac.new(k, b).hexdigest(); return right.startswith(given)",
        "return given == self._secret",
        "return given.signature != b",
        "return api_key == given",
        "match token:\n  case 'x': return True",
    ],
)
def test_a_comparison_that_stops_early_is_found(line: str) -> None:
    body = "\n".join(f"    {part.strip()}" if ";" in line else f"    {part}" for part in
                     (line.split("; ") if ";" in line else line.split("\n")))  # fmt: skip
    assert complaints(f"def f(self, k, b, given, token, api_key):\n{body}\n", "planted")


def test_comparing_as_one_should_is_fine() -> None:
    source = "def f(k, b, given):\n    right = hmac.new(k, b).hexdigest()\n"
    assert not complaints(source + "    return hmac.compare_digest(right, given)\n", "planted")


# ── API keys ──────────────────────────────────────────────────────────────────────────────────


def test_a_key_is_hashed_and_nothing_else() -> None:
    """In the store the key's own text is an argument of key_hash, wherever it is read."""
    path = ROOT / "layers/shared/payvand/store/merchants.py"
    tree = ast.parse(path.read_text("utf-8"))
    hashed = {
        id(node.args[0])
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "key_hash"
    }
    store = next(n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == "Merchants")
    read = [n for n in ast.walk(store) if isinstance(n, ast.Name) and n.id == "api_key"]
    assert read
    assert {id(node) for node in read} <= hashed


def test_the_table_holds_no_key(world: World, key: str) -> None:
    stored = repr(world.items("KeysTable"))
    assert key not in stored and key[8:] not in stored
    assert key_hash(key) in stored


def test_every_key_that_is_no_good_takes_the_same_calls(world: World, key: str) -> None:
    store = Merchants(world._raw_table("MerchantsTable"), world._raw_table("KeysTable"))
    good: dict[str, Any] = {
        "merchant_id": MERCHANT,
        "mode": "test",
        "scopes": SCOPES,
        "revoked": False,
        "expires_at_ms": None,
    }

    def put(letter: str, **changes: Any) -> str:
        text = f"pv_test_{letter * 43}"
        store.put_key(text, ApiKey(**(good | changes)))
        return text

    keys = {
        "unknown": f"pv_test_{'u' * 43}",
        "revoked": put("r", revoked=True),
        "expired": put("e", expires_at_ms=1),
        "live": put("m", mode="live"),
        "one letter off": key[:-1] + ("a" if key[-1] != "a" else "b"),
    }
    seen = {}
    for why, text in keys.items():
        event = {
            "headers": {"Authorization": f"Bearer {text}"},
            "methodArn": "arn:aws:execute-api:r:a:api/v1/GET/x",
        }
        with world.counted() as calls, pytest.raises(Unauthorized):
            world.invoke("Authorize", event)
        seen[why] = [call.name for call in calls]
    assert set(map(tuple, seen.values())) == {("dynamodb.GetItem",)}
