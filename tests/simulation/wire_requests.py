"""Random requests to DynamoDB: the product's own expressions and others, on few keys and names.

A value that an expression of the product wants is mostly the one it wants, so that conditions hold
about as often as they do not.
"""

import ast
import random
import re
from collections.abc import Iterator
from typing import Any, Final

from hypothesis import strategies as st

from payvand.store.guards import GUARDS
from payvand_cli.paths import ROOT
from payvand_cli.simulate.memory import KeySchema

type Op = tuple[str, dict[str, Any]]

TABLES: Final = {
    "Pairs": KeySchema("pk", "sk"),
    "Singles": KeySchema("pk"),
    "Counted": KeySchema("pk", "sk", sort_kind="N"),
}
SOURCES: Final = ("layers/shared/payvand/store", "functions/lab")
TOKENS: Final = re.compile(r"[#:]\w+")


def _constants() -> Iterator[str]:
    for folder in SOURCES:
        for path in sorted((ROOT / folder).glob("*.py")):
            yield from _texts(ast.parse(path.read_text()))


def _texts(node: ast.AST) -> Iterator[str]:
    """Text literals; what a formatted one fills in is an index, 0 here."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        yield "".join(str(p.value) if isinstance(p, ast.Constant) else "0" for p in node.values)
    else:
        for child in ast.iter_child_nodes(node):
            yield from _texts(child)


def product(pattern: str) -> list[str]:
    """Every text of the product's stores that matches."""
    return sorted({text for text in _constants() if re.match(pattern, text)})


UPDATES: Final = [
    *product(r"(SET|ADD) \S"),
    # put together from what there is to write (settlements)
    "SET #payout_state = :new, #state_at = :now, #bank_code = :code",
]
CONDITIONS: Final = [
    *GUARDS.values(),
    *product(r"attribute_\w+\(\w"),
    "version = :seen",
]
KEY_CONDITIONS: Final = product(r"(#pk|pk) = :pk")

# ── values ────────────────────────────────────────────────────────────────────────────────────

TEXTS: Final = [
    "created",
    "accepted",
    "executed",
    "pending",
    "new",
    "sent",
    "",
    "é",
    "𐍈",
    "a",
    "ab",
]
NUMBERS: Final = ["0", "1", "2", "3", "-1", "10", "100", "1.5", "0.5", "-2.25", "1000"]
DAYS: Final = ["2026-05-04", "2026-05-05", "2026-05-06"]


def _wire(kind: str, inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return inner.map(lambda value: {kind: value})


text = _wire("S", st.sampled_from(TEXTS + DAYS))
number = _wire("N", st.sampled_from(NUMBERS) | st.integers(-(10**12), 10**12).map(str))
few = _wire("N", st.integers(0, 3).map(str))
scalars = st.one_of(
    text,
    few,
    number,
    _wire("B", st.sampled_from([b"a", b"ab", b"\xff"])),
    _wire("BOOL", st.booleans()),
    _wire("NULL", st.just(True)),  # noqa: FBT003 - as it travels
)
sets: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [
        {"SS": ["a"]},
        {"SS": ["é", "a", "ab"]},
        {"SS": ["b", "ab"]},
        {"NS": ["1", "10"]},
        {"NS": ["2", "1"]},
        {"BS": [b"b", b"a"]},
    ]
)
NAMES: Final = ("a", "b", "m", "l", "s", "key1", "asked", "state")


def _nested(rng: random.Random, depth: int) -> dict[str, Any]:
    """Drawn once, not by Hypothesis, which takes long over deep values."""
    kind = rng.choice(("S", "N", "B", "SS", "L", "M") if depth else ("S", "N", "BOOL"))
    leaves: dict[str, Any] = {
        "S": rng.choice(TEXTS + DAYS),
        "N": rng.choice(NUMBERS),
        "B": rng.choice([b"a", b"ab"]),
        "BOOL": rng.random() < 0.5,
        "SS": rng.sample(["a", "ab", "é"], rng.randint(1, 3)),
    }
    if kind in leaves:
        return {kind: leaves[kind]}
    count = rng.randint(0, 3)
    if kind == "L":
        return {"L": [_nested(rng, depth - 1) for _ in range(count)]}
    return {"M": {name: _nested(rng, depth - 1) for name in rng.sample(NAMES, count)}}


_RNG: Final = random.Random(1)
POOL: Final = [_nested(_RNG, 3) for _ in range(150)]
values = scalars | sets | st.sampled_from(POOL) | st.sampled_from(POOL)
refund = st.fixed_dictionaries(
    {"state": _wire("S", st.sampled_from(["pending", "done"])), "asked": few}
)
refunds = _wire("M", st.dictionaries(st.sampled_from(["key1", "key2"]), _wire("M", refund)))
lists = st.sampled_from([value for value in POOL if "L" in value])
maps = st.sampled_from([value for value in POOL if "M" in value])
WANTED: Final[dict[str, st.SearchStrategy[dict[str, Any]]]] = {
    **{
        f":{state}": st.just({"S": state})
        for state in ("created", "redirected", "accepted", "executed", "pending", "new", "sent")
    },
    **{f":{name}": few for name in ("seen", "next", "amount", "room", "most", "now", "at", "s")},
    ":day": _wire("S", st.sampled_from(DAYS)),
    ":payment": _wire("S", st.sampled_from(["pay_1", "pay_2"])),
    ":attempt": lists,
    ":true": _wire("BOOL", st.just(True)),  # noqa: FBT003
    ":refund": _wire("M", refund),
    ":low": _wire("N", st.sampled_from(["-1", "0", "1"])),
    ":high": _wire("N", st.sampled_from(["0", "2", "2.5"])),
    ":sized": _wire("S", st.sampled_from(["S", "B", "L", "M", "SS", "NS", "BS"])),
    ":kind": _wire("S", st.sampled_from(["S", "N", "L", "M", "SS", "BOOL", "NULL"])),
}
ANY_KIND: Final = {":seen", ":next", ":now", ":at", ":payment", ":true", ":refund"}
"""What stands where any kind of value may."""
ATTRIBUTES: Final[dict[str, st.SearchStrategy[dict[str, Any]]]] = {
    "status": _wire("S", st.sampled_from(["created", "redirected", "executed", "failed"])),
    "rev": few,
    "version": few,
    "offset_s": few,
    "moved": _wire("BOOL", st.booleans()),
    "closing": _wire("S", st.sampled_from(DAYS)),
    "payment": _wire("S", st.sampled_from(["pay_1", "pay_2"])),
    "refunds": refunds,
    "refunded": few,
    "payout_state": _wire("S", st.sampled_from(["new", "sent"])),
    "att": lists,
    "a": values,
    "b": values,
    "m": maps,
    "l": lists,
    "s": sets,
    "n": number,
}


@st.composite
def attributes(draw: st.DrawFn) -> dict[str, Any]:
    names = draw(st.lists(st.sampled_from(sorted(ATTRIBUTES)), max_size=7, unique=True))
    return {name: draw(ATTRIBUTES[name]) for name in names}


# ── expressions of our own ────────────────────────────────────────────────────────────────────

_STEPS: Final = [*(f".#{name}" for name in NAMES), *(f"[{at}]" for at in range(4))]


def _path(rng: random.Random, depth: int) -> str:
    return "#" + rng.choice("abmlsn") + "".join(rng.choices(_STEPS, k=depth))


PATHS: Final = [_path(_RNG, depth) for depth in (0, 1, 2) for _ in range(60)]


def paths() -> st.SearchStrategy[str]:
    return st.sampled_from(PATHS)


def _tokens(kind: str) -> st.SearchStrategy[str]:
    return st.sampled_from([f":{kind}0", f":{kind}1"])


tokens = _tokens("any")


@st.composite
def between_paths(draw: st.DrawFn) -> str:
    """Two attributes that are both there: of two that are not, MiniStack says they are equal."""
    one, other = draw(paths()), draw(paths())
    sign = draw(st.sampled_from(["=", "<>", "<", "<=", ">", ">="]))
    return f"(attribute_exists({one}) AND attribute_exists({other}) AND {one} {sign} {other})"


@st.composite
def sized(draw: st.DrawFn) -> str:
    """The size of what has one: MiniStack gives everything a size."""
    path = draw(paths())
    sign = draw(st.sampled_from(["=", "<>", "<", "<=", ">", ">="]))
    text = draw(
        st.sampled_from(
            [
                f"size({path}) {sign} :number0",
                f":number0 {sign} size({path})",
                f"size({path}) BETWEEN :low AND :high",
                f"size({path}) IN (:number0, :number1)",
            ]
        )
    )
    return f"(attribute_type({path}, :sized) AND {text})"


comparisons = st.one_of(
    st.builds("{} {} {}".format, paths(), st.sampled_from(["=", "<>"]), tokens),
    st.builds("{} {} {}".format, tokens, st.sampled_from(["=", "<>"]), paths()),
    st.builds(
        "{} {} {}".format,
        paths(),
        st.sampled_from(["<", "<=", ">", ">="]),
        _tokens("ordered"),
    ),
    st.builds("{} BETWEEN :low AND :high".format, paths()),
    st.builds("{} BETWEEN {} AND {}".format, _tokens("ordered"), paths(), paths()),
    st.builds("{} IN (:any0, :any1, :ordered0)".format, paths()),
    paths().map("attribute_exists({})".format),
    paths().map("attribute_not_exists({})".format),
    paths().map("attribute_type({}, :kind)".format),
    st.builds("begins_with({}, {})".format, paths(), _tokens("begin")),
    st.builds("contains({}, {})".format, paths(), tokens | paths()),
    between_paths(),
    sized(),
)
conditions = st.recursive(
    comparisons,
    lambda inner: st.one_of(
        st.builds("{} AND {}".format, inner, inner),
        st.builds("{} or {}".format, inner, inner),
        st.builds("NOT {}".format, inner),
        inner.map(lambda one: one if one[0] == "(" else f"({one})"),
    ),
    max_leaves=4,
)
numbers = st.one_of(paths(), _tokens("number"), _tokens("number"))
some = st.one_of(paths(), _tokens("list"), _tokens("list"))
sources = st.one_of(
    paths(),
    tokens,
    tokens,
    st.builds("if_not_exists({}, {})".format, paths(), tokens),
    st.builds("list_append({}, {})".format, some, some),
    st.builds("{} {} {}".format, numbers, st.sampled_from("+-"), numbers),
    st.builds("if_not_exists({}, {}) + {}".format, paths(), _tokens("number"), numbers),
)


def _clause(word: str, action: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(action, min_size=1, max_size=2).map(lambda made: f"{word} {', '.join(made)}")


updates = st.lists(
    st.one_of(
        _clause("SET", st.builds("{} = {}".format, paths(), sources)),
        _clause("SET", st.builds("{} = {}".format, paths(), sources)),
        _clause("REMOVE", paths()),
        _clause("ADD", st.builds("{} {}".format, paths(), _tokens("number") | _tokens("set"))),
        _clause("DELETE", st.builds("{} {}".format, paths(), _tokens("set"))),
    ),
    min_size=1,
    max_size=2,
    unique_by=lambda clause: clause.split()[0],
).map(" ".join)
"""Of targets that overlap MiniStack knows nothing; `known` in the differential test passes them."""
key_conditions = st.one_of(
    st.builds("#pk = :pk AND #sk {} :low".format, st.sampled_from(["=", "<", "<=", ">", ">="])),
    st.just("#sk BETWEEN :low AND :high and #pk = :pk"),
    st.just("#pk = :pk AND (begins_with(#sk, :low))"),
)
BROKEN: Final = ["#sk = :low", "#pk = :pk AND #pk = :low", ""]

# ── requests ──────────────────────────────────────────────────────────────────────────────────

SORTS: Final = {
    "S": ["0", "1", "10", "é", "𐍈", "delivery#1", "pay_1"],
    "N": ["0", "1", "10", "-2", "2"],
}
MARK: Final = "@"
"""Begins every partition key; a run puts its own name there."""


tables = st.sampled_from(["Pairs", "Pairs", "Pairs", "Singles", "Counted"])


@st.composite
def keys(draw: st.DrawFn, table: str) -> dict[str, Any]:
    schema = TABLES[table]
    key = {"pk": {"S": MARK + draw(st.sampled_from("pq"))}}
    if schema.sort is not None:
        key["sk"] = {schema.sort_kind: draw(st.sampled_from(SORTS[schema.sort_kind]))}
    return key


@st.composite
def broken_keys(draw: st.DrawFn, table: str) -> dict[str, Any]:
    """One too few, one too many, of another kind, or empty."""
    key = draw(keys(table))
    name = draw(st.sampled_from(sorted(key)))
    empty: list[Any] = [{"S": ""}] if TABLES[table].sort_kind == "S" else []
    odd = draw(st.sampled_from([None, {"BOOL": True}, {"B": b"5"}, "more", *empty]))
    if odd is None:
        del key[name]
    elif odd == "more":
        key["more"] = {"S": "x"}
    else:
        key[name] = odd
    return key


def any_keys(table: str) -> st.SearchStrategy[dict[str, Any]]:
    return st.integers(0, 19).flatmap(lambda n: broken_keys(table) if n == 0 else keys(table))


broken_kinds = st.sampled_from([{"BOOL": True}, {"NULL": True}, {"B": b"x"}])
FAULTS: Final = ["unused", "unused name", "missing", "missing name", "key"]
faults = st.integers(0, 9).flatmap(lambda n: st.just("") if n else st.sampled_from(FAULTS))
"""At most one to a request: which of two is named first is nobody's promise."""


@st.composite
def filled(draw: st.DrawFn, fault: str, *texts: str) -> dict[str, Any]:
    """Names and values for the tokens of some expressions."""
    used = sorted({token for text in texts for token in TOKENS.findall(text)})
    names = {t: draw(_name(t)) for t in used if t[0] == "#"}
    given = {t: draw(_value(t)) for t in used if t[0] == ":"}
    if fault == "unused":
        given[":unused"] = {"S": "x"}
    elif fault == "unused name":
        names["#unused"] = "unused"
    elif fault == "missing" and given:
        given.pop(draw(st.sampled_from(sorted(given))))
    elif fault == "missing name" and names:
        names.pop(draw(st.sampled_from(sorted(names))))
    fields: dict[str, Any] = {"ExpressionAttributeNames": names} if names else {}
    return fields | ({"ExpressionAttributeValues": given} if given else {})


def _name(token: str) -> st.SearchStrategy[str]:
    return st.sampled_from(["key1", "key2"]) if token == "#key" else st.just(token[1:])


KINDS: Final = {
    "any": values,
    "ordered": text | few | number,
    "begin": text,
    "number": few | number,
    "list": lists,
    "set": sets,
}


def _value(token: str) -> st.SearchStrategy[dict[str, Any]]:
    if token[1:-1] in KINDS:
        return KINDS[token[1:-1]]
    if token not in WANTED:
        return values
    odd = scalars if token in ANY_KIND else WANTED[token]
    return st.integers(0, 11).flatmap(lambda n: odd if n == 0 else WANTED[token])


@st.composite
def writes(draw: st.DrawFn, kind: str, fault: str) -> dict[str, Any]:
    table = draw(tables)
    fields: dict[str, Any] = {"TableName": table}
    texts = {}
    any_keys = broken_keys if fault == "key" else keys
    if kind == "Put":
        fields["Item"] = draw(attributes()) | draw(any_keys(table))
    else:
        fields["Key"] = draw(any_keys(table))
    if kind == "Update":
        texts["UpdateExpression"] = draw(st.sampled_from(UPDATES) | updates)
    if kind == "ConditionCheck" or draw(st.booleans()):
        ours = st.lists(st.sampled_from(CONDITIONS), min_size=1, max_size=3, unique=True)
        joined = ours.map(lambda some: " AND ".join(f"({one})" for one in some))
        texts["ConditionExpression"] = draw(joined | st.sampled_from(CONDITIONS) | conditions)
    if draw(st.booleans()):
        fields["ReturnValuesOnConditionCheckFailure"] = draw(st.sampled_from(["ALL_OLD", "NONE"]))
    return fields | texts | draw(filled(fault, *texts.values()))


@st.composite
def singles(draw: st.DrawFn) -> Op:
    kind = draw(st.sampled_from(["Put", "Put", "Update", "Update", "Update", "Delete"]))
    request = draw(writes(kind, draw(faults)))
    if draw(st.booleans()):
        shown = ["ALL_OLD", "NONE"] + ["ALL_NEW"] * (kind == "Update")
        request["ReturnValues"] = draw(st.sampled_from(shown))
    return f"{kind.lower()}_item", request


def _target(action: dict[str, Any]) -> tuple[str, Any]:
    (fields,) = action.values()
    held = fields.get("Key") or fields["Item"]
    return fields["TableName"], [held.get("pk"), held.get("sk")]


@st.composite
def transactions(draw: st.DrawFn) -> Op:
    actions: list[dict[str, Any]] = []
    fault = draw(faults)
    for _ in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from(["Put", "Update", "Update", "Delete", "ConditionCheck"]))
        fields = draw(writes(kind, fault if not actions else ""))
        action = {kind: fields}
        if fault or draw(st.integers(0, 19)):
            actions = [a for a in actions if _target(a) != _target(action)]
        actions.append(action)
    request: dict[str, Any] = {"TransactItems": actions}
    if not fault and draw(st.integers(0, 3)) == 0:
        request["ClientRequestToken"] = MARK + draw(st.sampled_from("xy"))
    return "transact_write_items", request


@st.composite
def gets(draw: st.DrawFn) -> Op:
    table = draw(tables)
    return "get_item", {
        "TableName": table,
        "Key": draw(any_keys(table)),
        "ConsistentRead": draw(st.booleans()),
    }


@st.composite
def queries(draw: st.DrawFn) -> Op:
    table = draw(tables)
    fault = draw(st.sampled_from(["kind", "start", "text", *[""] * 25]))
    paired = st.sampled_from([text.replace("#id", "#sk") for text in KEY_CONDITIONS])
    alone = st.sampled_from([text for text in KEY_CONDITIONS if " AND " not in text])
    text = draw(paired | key_conditions if "sk" in TABLES[table].names else alone)
    if fault == "text":
        text = draw(st.sampled_from(BROKEN))
    elif fault == "start":
        table, text = "Pairs", "pk = :pk"
    elif fault == "kind":
        text = "#pk = :pk AND #sk = :low" if "sk" in TABLES[table].names else "pk = :pk"
    request: dict[str, Any] = {"TableName": table, "KeyConditionExpression": text}
    used = sorted(set(TOKENS.findall(text)))
    if names := {t: t[1:] for t in used if t[0] == "#"}:
        request["ExpressionAttributeNames"] = names
    sorts = _wire(TABLES[table].sort_kind, st.sampled_from(SORTS[TABLES[table].sort_kind]))
    request["ExpressionAttributeValues"] = {
        t: draw(keys(table))["pk"]
        if t == ":pk"
        else draw(broken_kinds if fault == "kind" else sorts)
        for t in used
        if t[0] == ":"
    }
    if draw(st.booleans()):
        request["Limit"] = draw(st.integers(1, 3))
    if fault == "start":
        request["ExclusiveStartKey"] = {"pk": {"S": "p"}, "more": {"S": "x"}}
    elif draw(st.integers(0, 2)) == 0:
        here = {"pk": request["ExpressionAttributeValues"].get(":pk", {"S": MARK})}
        request["ExclusiveStartKey"] = draw(keys(table)) | here
    request["ScanIndexForward"] = draw(st.booleans())
    request["ConsistentRead"] = draw(st.booleans())
    return "query", request


ops = st.one_of(singles(), singles(), singles(), transactions(), transactions(), gets(), queries())


def marked(value: Any, run: str) -> Any:
    """A request with the run's own name in its partition keys and tokens."""
    match value:
        case str() if value.startswith(MARK):
            return run + value[1:]
        case dict():
            return {name: marked(part, run) for name, part in value.items()}
        case list():
            return [marked(part, run) for part in value]
    return value
