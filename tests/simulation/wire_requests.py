"""Random requests to DynamoDB, drawn to hit: on items that are there, with values near theirs.

Expressions are the product's own and others. One `random.Random` draws everything, as a test sends
thousands; Hypothesis takes longer over a request than the emulator over its answer.
"""

import ast
import random
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from payvand.store.guards import GUARDS
from payvand_cli.paths import ROOT
from payvand_cli.simulate.memory import KeySchema, Memory

type Wire = dict[str, Any]
type Op = tuple[str, dict[str, Any]]

TABLES: Final = {
    "Pairs": KeySchema("pk", "sk"),
    "Singles": KeySchema("pk"),
    "Counted": KeySchema("pk", "sk", sort_kind="N"),
}
SORTS: Final = {
    "Pairs": ["0", "1", "10", "é", "𐍈", "delivery#1", "pay_1"],
    "Counted": ["0", "1", "10", "-2"],
}
TOKENS: Final = re.compile(r"[#:]\w+")

# ── the product's expressions ─────────────────────────────────────────────────────────────────

SOURCES: Final = ("layers/shared/payvand/store", "functions/lab")


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
    files = [path for folder in SOURCES for path in sorted((ROOT / folder).glob("*.py"))]
    texts = {text for path in files for text in _texts(ast.parse(path.read_text()))}
    return sorted(text for text in texts if re.match(pattern, text))


UPDATES: Final = [
    *product(r"(SET|ADD) \S"),
    # put together from what there is to write (settlements)
    "SET #payout_state = :new, #state_at = :now, #bank_code = :code",
]
GUARDED: Final = [condition.replace("[n]", "[0]") for condition in GUARDS.values()]
CONDITIONS: Final = [*GUARDED, *product(r"attribute_\w+\(\w"), "version = :seen"]
KEY_CONDITIONS: Final = [text.replace("#id", "#sk") for text in product(r"(#pk|pk) = :pk")]

# ── values ────────────────────────────────────────────────────────────────────────────────────

TEXTS: Final = ["created", "executed", "pending", "new", "", "é", "𐍈", "a", "ab", "2026-05-05"]
NUMBERS: Final = ["0", "1", "2", "3", "-1", "10", "100", "1.5", "-2.25", "1000", "123456789012"]
NAMES: Final = ("a", "b", "m", "key1", "asked", "state")
SIZED: Final = ("S", "B", "L", "M", "SS", "NS", "BS")
STATES: Final = ("created", "redirected", "accepted", "executed", "failed")
_FIELDS: Final[dict[str, Sequence[Wire]]] = {
    "status": [{"S": state} for state in STATES],
    "closing": [{"S": f"2026-05-0{n}"} for n in (4, 5, 6)],
    "payment": [{"S": "pay_1"}, {"S": "pay_2"}],
    "payout_state": [{"S": "new"}, {"S": "sent"}, {"S": "executed"}],
    "moved": [{"BOOL": True}],
    **{
        name: [{"N": str(n)} for n in range(4)]
        for name in ("rev", "version", "offset_s", "refunded", "shards")
    },
}
_WANTED: Final[dict[str, Sequence[Wire]]] = {
    **{f":{state}": [{"S": state}] for state in (*STATES, "pending", "new", "sent")},
    **{
        f":{name}": _FIELDS["rev"]
        for name in ("seen", "next", "rev", "shards", "amount", "room", "most", "now", "at", "s")
    },
    ":day": _FIELDS["closing"],
    ":payment": _FIELDS["payment"],
    ":attempt": [{"L": [{"M": {"c": {"S": "zarinpal"}}}]}, {"L": []}],
    ":true": [{"BOOL": True}],
}
_ORDINARY: Final = (":seen", ":next", ":now", ":payment", ":true", ":to")
"""Tokens in whose place any kind of value may stand."""


def scalar(rng: random.Random) -> Wire:
    kind = rng.choice("SSNNNBXY")
    if kind == "S":
        return {"S": rng.choice(TEXTS)}
    if kind == "N":
        return {"N": rng.choice(NUMBERS)}
    if kind == "B":
        return {"B": rng.choice([b"a", b"ab", b"\xff"])}
    return {"BOOL": rng.random() < 0.5} if kind == "X" else {"NULL": True}


def some_set(rng: random.Random) -> Wire:
    choices: dict[str, list[Any]] = {
        "SS": ["a", "ab", "é"],
        "NS": ["1", "2", "10"],
        "BS": [b"a", b"b"],
    }
    kind, members = rng.choice(list(choices.items()))
    return {kind: rng.sample(members, rng.randint(1, len(members)))}


def value(rng: random.Random, depth: int = 2) -> Wire:
    kind = rng.choice("--sLM") if depth else "-"
    if kind == "L":
        return {"L": [value(rng, depth - 1) for _ in range(rng.randint(0, 3))]}
    if kind == "M":
        return {"M": {name: value(rng, depth - 1) for name in rng.sample(NAMES, rng.randint(0, 3))}}
    return some_set(rng) if kind == "s" else scalar(rng)


def near(rng: random.Random, found: Wire) -> Wire:
    """The same, or something of its kind that is hardly more or less."""
    ((kind, inner),) = found.items()
    if rng.random() < 0.4:
        return found
    if kind == "N" and "." not in inner:
        return {"N": str(int(inner) + rng.choice((-1, 1)))}
    if kind == "S":
        return {"S": rng.choice([inner + "a", inner[:1], rng.choice(TEXTS)])}
    if kind in {"SS", "NS", "BS"}:
        return {kind: inner[::-1]}
    return value(rng)


def refunds(rng: random.Random) -> Wire:
    made = {
        key: {
            "M": {
                "state": {"S": rng.choice(["pending", "done"])},
                "asked": {"N": rng.choice("0123")},
            }
        }
        for key in rng.sample(["key1", "key2"], rng.randint(0, 2))
    }
    return {"M": made}


def attributes(rng: random.Random) -> dict[str, Wire]:
    """Most of what the product's expressions and ours speak of."""
    made = {name: rng.choice(choices) for name, choices in _FIELDS.items() if rng.random() < 0.6}
    others = {
        "refunds": refunds(rng),
        "att": {"L": [value(rng, 1) for _ in range(rng.randint(0, 2))]},
        "a": value(rng),
        "b": value(rng),
        "m": {"M": {name: value(rng, 1) for name in rng.sample(NAMES, 3)}},
        "l": {"L": [value(rng, 1) for _ in range(rng.randint(0, 4))]},
        "s": some_set(rng),
        "n": {"N": rng.choice(NUMBERS)},
    }
    return made | {name: part for name, part in others.items() if rng.random() < 0.8}


# ── one expression, its names and its values ──────────────────────────────────────────────────


def walk(item: dict[str, Wire], start: str = "") -> Iterator[tuple[str, Wire]]:
    """Every path of an item and what is there."""
    for name, found in item.items():
        yield f"{start}#{name}", found
        yield from _below(f"{start}#{name}", found)


def _below(path: str, found: Wire) -> Iterator[tuple[str, Wire]]:
    if "M" in found:
        yield from walk(found["M"], f"{path}.")
    for at, part in enumerate(found.get("L", [])):
        yield f"{path}[{at}]", part
        yield from _below(f"{path}[{at}]", part)


class Writer:
    """Writes expressions about one item and collects the values they need."""

    def __init__(self, rng: random.Random, item: dict[str, Wire]) -> None:
        self.rng = rng
        self.values: dict[str, Wire] = {}
        self._there = [(p, v) for p, v in walk(item) if not re.match(r"#(pk|sk)\b", p)]

    def token(self, found: Wire) -> str:
        name = f":t{len(self.values)}"
        self.values[name] = found
        return name

    def path(self) -> tuple[str, Wire | None]:
        """A path, mostly one that leads somewhere."""
        if self._there and self.rng.random() < 0.8:
            return self.rng.choice(self._there)
        steps = [*(f".#{name}" for name in NAMES), "[0]", "[1]", "[3]"]
        path = f"#{self.rng.choice('abmlns')}" + "".join(
            self.rng.choices(steps, k=self.rng.choice((0, 1, 1, 2)))
        )
        return path, dict(self._there).get(path)

    def near(self, found: Wire | None, kinds: Sequence[str] = ()) -> str:
        """A token for a value like this one, of these kinds."""
        made = value(self.rng) if found is None else near(self.rng, found)
        while kinds and next(iter(made)) not in kinds:
            made = scalar(self.rng)
        return self.token(made)

    # ── conditions ────────────────────────────────────────────────────────────────────────────

    def condition(self, depth: int = 2) -> str:
        how = self.rng.choice(("AND", "or", "NOT", "(", "", "")) if depth else ""
        if how == "NOT":
            return f"NOT {self.condition(depth - 1)}"
        if how == "(":
            inner = self.condition(depth - 1)
            return inner if inner[0] == "(" else f"({inner})"
        if how:
            return f"{self.condition(depth - 1)} {how} {self.condition(depth - 1)}"
        return self.rng.choice(
            (
                self.equal, self.ordered, self.ordered, self.between, self.among, self.function,
                self.function, self.holds, self.size, self.pair,
            )
        )()  # fmt: skip

    def equal(self) -> str:
        path, found = self.path()
        sides = [path, self.near(found)]
        self.rng.shuffle(sides)
        return f" {self.rng.choice(('=', '<>'))} ".join(sides)

    def ordered(self) -> str:
        path, found = self.path()
        sides = [path, self.near(found, "SNB")]
        self.rng.shuffle(sides)
        return f" {self.rng.choice(('<', '<=', '>', '>='))} ".join(sides)

    def between(self) -> str:
        path, found = self.path()
        kind = next(iter(found)) if found else "N"
        if kind == "N":
            bounds = sorted(self.rng.choices(range(-2, 12), k=2))
            return f"{path} BETWEEN " + " AND ".join(self.token({"N": str(n)}) for n in bounds)
        if kind == "S":
            return f"{path} BETWEEN " + " AND ".join(
                self.token({"S": text}) for text in sorted(self.rng.choices(TEXTS, k=2))
            )
        return f"{self.token(scalar_ordered(self.rng))} BETWEEN {path} AND {path}"

    def among(self) -> str:
        path, found = self.path()
        return f"{path} IN ({', '.join(self.near(found) for _ in range(self.rng.randint(1, 3)))})"

    def function(self) -> str:
        path, found = self.path()
        kinds = ("S", "N", "L", "M", "SS", "BOOL", "NULL")
        kind = next(iter(found)) if found and self.rng.random() < 0.5 else self.rng.choice(kinds)
        made = [
            f"attribute_exists({path})",
            f"attribute_not_exists({path})",
            f"attribute_type({path}, {self.token({'S': kind})})",
        ]
        start = next(iter(found)) if found else "S"
        if start in {"S", "B"}:  # of another kind MiniStack says it is no condition at all
            made.append(f"begins_with({path}, {self.near(found, start)})")
        return self.rng.choice(made)

    def holds(self) -> str:
        path, found = self.path()
        parts = [part for _, part in _below("", found)] if found else []
        for kind in ("SS", "NS", "BS"):
            parts += [{kind[0]: one} for one in (found or {}).get(kind, [])]
        if found and found.get("S"):
            parts.append({"S": found["S"][-1]})
        wanted = near(self.rng, self.rng.choice(parts)) if parts else value(self.rng)
        return f"contains({path}, {self.token(wanted)})"

    def size(self) -> str:
        """Of what has one: MiniStack gives everything a size."""
        path, found = self.path()
        if found is not None and next(iter(found)) not in SIZED:
            return f"attribute_exists({path})"
        count = len(next(iter(found.values()))) if found else 1  # of an astral letter, one too few
        token = self.token({"N": str(count + self.rng.choice((-1, 0, 0, 1)))})
        sign = self.rng.choice(("=", "<>", "<", "<=", ">", ">="))
        return self.rng.choice((f"size({path}) {sign} {token}", f"{token} {sign} size({path})"))

    def pair(self) -> str:
        """Two attributes that are both there: two that are not, MiniStack takes for equal."""
        there = self.rng.sample(self._there, 2) if len(self._there) > 1 else []
        if not there:
            return self.equal()
        sign = self.rng.choice(("=", "<>", "<", "<=", ">", ">="))
        return f" {sign} ".join(path for path, _ in there)

    # ── updates ───────────────────────────────────────────────────────────────────────────────

    def update(self) -> str:
        """Up to three changes, each of another attribute: of overlaps MiniStack knows nothing."""
        targets: dict[str, tuple[str, Wire | None]] = {}
        for _ in range(self.rng.randint(1, 3)):
            path, found = self.path()
            targets.setdefault(re.split(r"[.\[]", path)[0], (path, found))
        clauses: dict[str, list[str]] = {}
        for path, found in targets.values():
            word, action = self._change(path, found)
            clauses.setdefault(word, []).append(action)
        return " ".join(f"{word} {', '.join(actions)}" for word, actions in clauses.items())

    def _change(self, path: str, found: Wire | None) -> tuple[str, str]:
        kind = next(iter(found)) if found else ""
        if kind in {"SS", "NS", "BS"} and self.rng.random() < 0.7:
            choices: dict[str, list[Any]] = {
                "SS": ["a", "ab", "z"],
                "NS": ["1", "10", "7"],
                "BS": [b"a", b"z"],
            }
            more = self.token({kind: self.rng.sample(choices[kind], self.rng.randint(1, 2))})
            return self.rng.choice(("ADD", "DELETE")), f"{path} {more}"
        if self.rng.random() < 0.2:
            return "REMOVE", path
        if kind in {"N", ""} and self.rng.random() < 0.3:
            return "ADD", f"{path} {self.near(found, 'N')}"
        return "SET", f"{path} = {self._source(path, found)}"

    def _source(self, path: str, found: Wire | None) -> str:
        other, there = self.path()
        kind = next(iter(found)) if found else ""
        if kind == "N" and self.rng.random() < 0.6:
            number = self.near(there, "N")
            return self.rng.choice(
                (f"{path} + {number}", f"{number} - {path}", f"if_not_exists({other}, {number})")
            )
        if kind == "L" and self.rng.random() < 0.6:
            more = self.token({"L": [scalar(self.rng)]})
            return self.rng.choice((f"list_append({path}, {more})", f"list_append({more}, {path})"))
        return self.rng.choice(
            (
                self.token(value(self.rng)),
                other,
                f"if_not_exists({other}, {self.token(value(self.rng))})",
                f"if_not_exists({path}, {self.token(value(self.rng))})",
            )
        )

    # ── the product's ─────────────────────────────────────────────────────────────────────────

    def measures_the_unsized(self, text: str) -> bool:
        """Whether MiniStack will take a size of what has none (see `size`)."""
        there = dict(self._there)
        measured = [path for path in re.findall(r"size\((.*?)\)", text) if path in there]
        return any(next(iter(there[path])) not in SIZED for path in measured)

    def fill(self, text: str) -> None:
        """Values for the tokens of one of the product's texts."""
        for token in sorted(t for t in set(TOKENS.findall(text)) if t[0] == ":"):
            wanted = _WANTED.get(token)
            if wanted is None:
                self.values[token] = value(self.rng)
            elif token in _ORDINARY and self.rng.random() < 0.1:
                self.values[token] = scalar(self.rng)
            else:
                self.values[token] = self.rng.choice(wanted)


def scalar_ordered(rng: random.Random) -> Wire:
    return {"S": rng.choice(TEXTS)} if rng.random() < 0.5 else {"N": rng.choice(NUMBERS)}


# ── requests ──────────────────────────────────────────────────────────────────────────────────

FAULTS: Final = ("unused", "unused name", "missing", "missing name", "key")


class Requests:
    """Requests of one run: its partitions are its own; Memory knows what is in them."""

    def __init__(self, rng: random.Random, memory: Memory, run: str) -> None:
        self.rng = rng
        self.memory = memory
        self.run = run

    def draw(self) -> Op:
        kinds = (self.single,) * 6 + (self.several,) * 3 + (self.checks,) * 6
        return self.rng.choice((*kinds, self.get, self.query, self.query))()

    def key(self, table: str) -> dict[str, Wire]:
        key = {"pk": {"S": self.run + self.rng.choice("pq")}}
        if table in SORTS:
            key["sk"] = {TABLES[table].sort_kind: self.rng.choice(SORTS[table])}
        return key

    def broken_key(self, table: str) -> dict[str, Wire]:
        """One part too few or too many, of another kind, or empty."""
        key = self.key(table)
        name = self.rng.choice(sorted(key))
        odd: list[Wire] = [{"BOOL": True}, {"B": b"5"}]
        if TABLES[table].sort_kind == "S":
            odd.append({"S": ""})
        how = self.rng.choice(("less", "more", "odd", "odd"))
        if how == "less":
            del key[name]
        key |= {"more": {"S": "x"}} if how == "more" else {}
        key |= {name: self.rng.choice(odd)} if how == "odd" else {}
        return key

    def table(self) -> str:
        return self.rng.choice(("Pairs", "Pairs", "Singles", "Counted"))

    def fault(self) -> str:
        """At most one to a request: which of two is named first is nobody's promise."""
        return self.rng.choice(FAULTS) if self.rng.random() < 0.06 else ""

    def seed(self) -> Iterator[Op]:
        """Something to ask about."""
        for table in TABLES:
            for sort in SORTS.get(table, [""])[:4]:
                for owner in "pq":
                    key = {"pk": {"S": self.run + owner}}
                    if sort:
                        key["sk"] = {TABLES[table].sort_kind: sort}
                    yield "put_item", {"TableName": table, "Item": attributes(self.rng) | key}

    def write(self, kind: str, fault: str, key: dict[str, Wire] | None = None) -> dict[str, Any]:
        """The fields of a write; with a condition, half of the time."""
        table = self.table()
        if key is not None:
            table = self.rng.choice([name for name in TABLES if TABLES[name].names == tuple(key)])
        key = key or (self.broken_key(table) if fault == "key" else self.key(table))
        fields: dict[str, Any] = {"TableName": table}
        if kind == "Put":
            fields["Item"] = attributes(self.rng) | key
        else:
            fields["Key"] = key
        item = {} if fault == "key" else self.memory.peek(table, key) or {}
        writer = Writer(self.rng, item)
        texts: dict[str, str] = {}
        if kind == "Update":
            texts["UpdateExpression"] = self._text(writer, UPDATES, writer.update)
        if kind == "ConditionCheck" or self.rng.random() < 0.4:
            texts["ConditionExpression"] = self._text(writer, CONDITIONS, writer.condition)
        if self.rng.random() < 0.3:
            fields["ReturnValuesOnConditionCheckFailure"] = self.rng.choice(["ALL_OLD", "NONE"])
        return fields | texts | self._tokens(writer, fault, *texts.values())

    def _text(self, writer: Writer, ours: Sequence[str], other: Any) -> str:
        if self.rng.random() < 0.6:
            return str(other())
        text = self.rng.choice(ours)
        if ours is CONDITIONS and self.rng.random() < 0.5:
            text = f"({text}) AND ({self.rng.choice(ours)})"
        if writer.measures_the_unsized(text):
            return str(other())
        writer.fill(text)
        return text

    def _tokens(self, writer: Writer, fault: str, *texts: str) -> dict[str, Any]:
        used = {token for text in texts for token in TOKENS.findall(text)}
        key = self.rng.choice(["key1", "key2"])
        names = {t: key if t == "#key" else t[1:] for t in sorted(used) if t[0] == "#"}
        given = {t: found for t, found in writer.values.items() if t in used}
        if fault == "unused":
            given[":unused"] = {"S": "x"}
        elif fault == "unused name":
            names["#unused"] = "unused"
        elif fault == "missing" and given:
            given.pop(self.rng.choice(sorted(given)))
        elif fault == "missing name" and names:
            names.pop(self.rng.choice(sorted(names)))
        fields: dict[str, Any] = {"ExpressionAttributeNames": names} if names else {}
        return fields | ({"ExpressionAttributeValues": given} if given else {})

    def single(self) -> Op:
        kind = self.rng.choice(("Put", "Update", "Update", "Update", "Update", "Delete"))
        request = self.write(kind, self.fault())
        shown = "ALL_NEW" if kind == "Update" else "ALL_OLD"
        return f"{kind.lower()}_item", request | {"ReturnValues": shown}

    def several(self) -> Op:
        """A transaction; now and then two actions on one item, or a token that was used."""
        fault = self.fault()
        actions: list[dict[str, Any]] = []
        for _ in range(self.rng.randint(1, 4)):
            kind = self.rng.choice(("Put", "Update", "Update", "Delete", "ConditionCheck"))
            action = {kind: self.write(kind, "" if actions else fault)}
            if fault or self.rng.random() < 0.95:
                actions = [a for a in actions if _target(a) != _target(action)]
            actions.append(action)
        request: dict[str, Any] = {"TransactItems": actions}
        if not fault and self.rng.random() < 0.25:
            request["ClientRequestToken"] = self.run + self.rng.choice("xy")
        return "transact_write_items", request

    def checks(self) -> Op:
        """As many conditions as there are items: each reason is an answer."""
        actions: list[dict[str, Any]] = []
        for table in TABLES:
            for sort in SORTS.get(table, [""])[:4]:
                for owner in "pq":
                    key = {"pk": {"S": self.run + owner}}
                    if sort:
                        key["sk"] = {TABLES[table].sort_kind: sort}
                    writer = Writer(self.rng, self.memory.peek(table, key) or {})
                    text = self._text(writer, CONDITIONS, writer.condition)
                    check = {"TableName": table, "Key": key, "ConditionExpression": text}
                    check |= {"ReturnValuesOnConditionCheckFailure": self.rng.choice(SHOWN)}
                    actions.append({"ConditionCheck": check | self._tokens(writer, "", text)})
        return "transact_write_items", {"TransactItems": actions}

    def get(self) -> Op:
        table = self.table()
        key = self.broken_key(table) if self.rng.random() < 0.2 else self.key(table)
        return "get_item", {"TableName": table, "Key": key, "ConsistentRead": True}

    def query(self) -> Op:
        """Key conditions over small partitions, page by page."""
        table = self.rng.choice(("Pairs", "Pairs", "Counted"))
        kind = TABLES[table].sort_kind
        texts = [t for t in KEY_CONDITIONS if kind == "S" or "begins" not in t] + RANGES
        if kind == "S":
            texts.append("#pk = :pk AND (begins_with(#sk, :low))")
        text = self.rng.choice(BROKEN if self.rng.random() < 0.05 else texts)
        used = set(TOKENS.findall(text))
        sorts = sorted(self.rng.choices(SORTS[table], k=2), key=float if kind == "N" else str)
        low, high = ({kind: sort} for sort in sorts)
        values = {":pk": {"S": self.run + self.rng.choice("pq")}, ":low": low, ":high": high}
        values |= {":first": low, ":last": high, ":prefix": {kind: low[kind][:1]}}
        request: dict[str, Any] = {
            "TableName": table,
            "KeyConditionExpression": text,
            "ExpressionAttributeValues": {t: v for t, v in values.items() if t in used},
            "ScanIndexForward": self.rng.random() < 0.5,
            "ConsistentRead": True,
        }
        if names := {t: t[1:] for t in used if t[0] == "#"}:
            request["ExpressionAttributeNames"] = names
        if self.rng.random() < 0.5:
            request["Limit"] = self.rng.randint(1, 4)
        if text not in BROKEN and self.rng.random() < 0.4:
            request["ExclusiveStartKey"] = self.key(table) | {"pk": values[":pk"]}
        return "query", request


SHOWN: Final = ("ALL_OLD", "NONE")
RANGES: Final = [
    *(f"#pk = :pk AND #sk {sign} :low" for sign in ("=", "<", "<=", ">", ">=")),
    "#sk BETWEEN :low AND :high and #pk = :pk",
]
BROKEN: Final = [
    "#sk = :low",
    "#pk = :pk AND #pk = :low",
    "#pk = :pk AND #sk BETWEEN :high AND :low",
]


def _target(action: dict[str, Any]) -> tuple[str, Any]:
    (fields,) = action.values()
    held = fields["Key"] if "Key" in fields else fields["Item"]
    return fields["TableName"], [held.get("pk"), held.get("sk")]
