"""DynamoDB's expression language, compiled once per text into closures.

A closure is called with an item, the names and the values of a request, so that one compiled text
serves every request that carries it. Grammar: a regular expression for tokens, a Pratt parser for
conditions, plain descent for updates and key conditions.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, NoReturn

from payvand_cli.simulate.values import (
    ORDERED,
    SETS,
    Item,
    Refused,
    Wire,
    ordered,
    same,
    total,
)

type Names = Mapping[str, str]
type Values = Mapping[str, Wire]
type Get = Callable[[Item, Names, Values], Wire | None]
type Test = Callable[[Item, Names, Values], bool]
type Check = Callable[[Names, Values], None]

CONDITION: Final = "ConditionExpression"
UPDATE: Final = "UpdateExpression"
KEY_CONDITION: Final = "KeyConditionExpression"

_TOKEN: Final = re.compile(
    r"\s*(?:([#:]\w+|[A-Za-z_]\w*|[0-9]+|<>|<=|>=|[<>=()\[\],.+-])|(\S))", re.ASCII
)
_KINDS: Final = frozenset({"S", "SS", "N", "NS", "B", "BS", "BOOL", "NULL", "L", "M"})
_POWER: Final = {"OR": 1, "AND": 2}
_NOT_POWER: Final = 3
_LONG: Final = {
    "S": "STRING",
    "N": "NUMBER",
    "B": "BINARY",
    "M": "MAP",
    "L": "LIST",
    "BOOL": "BOOLEAN",
}
"""Kinds as the refusals of ADD and DELETE call them."""
_KEYWORDS: Final = frozenset({"AND", "OR", "NOT", "BETWEEN", "IN", ""})
GONE: Final[Wire] = {"gone": True}
"""What an action puts where nothing shall be."""


@dataclass(frozen=True, slots=True)
class Path:
    """A document path: names (tokens or as they are) and list indexes."""

    parts: tuple[str | int, ...]
    get: Get

    def at(self, names: Names) -> tuple[str | int, ...]:
        """With every name resolved."""
        return tuple(names[p] if type(p) is str and p[0] == "#" else p for p in self.parts)

    def text(self, names: Names) -> str:
        """As DynamoDB spells it in its messages."""
        inner = ", ".join(f"[{p}]" if type(p) is int else str(p) for p in self.at(names))
        return f"[{inner}]"


@dataclass(frozen=True, slots=True)
class Operand:
    """One side of a comparison: a path, a value, or what a function makes of them."""

    get: Get
    path: Path | None = None
    value: str | None = None


@dataclass(frozen=True, slots=True)
class Action:
    """One change of an update: where, and what will stand there (GONE, None: as it is)."""

    path: Path
    get: Get


@dataclass(frozen=True, slots=True)
class Update:
    """Every change of an update, and the attributes they start at."""

    actions: tuple[Action, ...]
    firsts: tuple[str, ...]
    deep: bool

    @classmethod
    def of(cls, actions: tuple[Action, ...]) -> "Update":
        """Look once at what every request of this text would look at."""
        firsts = tuple(str(action.path.parts[0]) for action in actions)
        return cls(actions, firsts, any(len(action.path.parts) > 1 for action in actions))

    def targets(self, names: Names) -> list[str]:
        """The attributes that change, one an action."""
        return [names[first] if first[0] == "#" else first for first in self.firsts]


@dataclass(frozen=True, slots=True)
class KeyRange:
    """A key condition's clause: a name, an operator, value tokens."""

    name: str
    sign: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Compiled[T]:
    """A text's meaning, the tokens it uses, and what can be judged before any item is seen."""

    slot: str
    run: T
    names: frozenset[str]
    values: frozenset[str]
    checks: tuple[Check, ...]


@cache
def condition(text: str) -> Compiled[Test]:
    """A condition. Raises Refused."""
    parser = _Parser(text, CONDITION)
    return parser.done(parser.condition())


@cache
def update(text: str) -> Compiled[Update]:
    """An update. Raises Refused."""
    parser = _Parser(text, UPDATE)
    return parser.done(Update.of(tuple(parser.clauses())))


@cache
def key_condition(text: str) -> Compiled[tuple[KeyRange, ...]]:
    """A key condition. Raises Refused."""
    parser = _Parser(text, KEY_CONDITION)
    return parser.done(tuple(parser.key_clauses()))


# ── reading ───────────────────────────────────────────────────────────────────────────────────


class _Parser:
    """One pass over one text."""

    def __init__(self, text: str, slot: str) -> None:
        self._slot = slot
        self._at = 0
        self._tokens: list[str] = []
        self._names: set[str] = set()
        self._values: set[str] = set()
        self._checks: list[Check] = []
        if not text.strip():
            self.refuse("The expression can not be empty;")
        for token, odd in _TOKEN.findall(text):
            if odd:
                self._syntax(odd)
            self._tokens.append(token)
        self._tokens += ["", "", ""]

    def refuse(self, why: str) -> NoReturn:
        raise Refused(f"Invalid {self._slot}: {why}")

    def _syntax(self, token: str) -> NoReturn:
        near = " ".join(self._tokens[max(self._at - 1, 0) : self._at + 2])
        self.refuse(f'Syntax error; token: "{token or "<EOF>"}", near: "{near}"')

    def done[T](self, run: T) -> Compiled[T]:
        if self._peek():
            self._syntax(self._peek())
        names, values = frozenset(self._names), frozenset(self._values)
        return Compiled(self._slot, run, names, values, tuple(self._checks))

    def _peek(self, ahead: int = 0) -> str:
        return self._tokens[self._at + ahead]

    def _take(self) -> str:
        token = self._tokens[self._at]
        self._at += 1
        return token

    def _expect(self, token: str) -> None:
        if self._peek().upper() != token:
            self._syntax(self._peek())
        self._at += 1

    def _skip(self, token: str) -> bool:
        found = self._peek().upper() == token
        self._at += found
        return found

    def _list[T](self, one: Callable[[], T]) -> Iterator[T]:
        yield one()
        while self._skip(","):
            yield one()

    # ── operands ──────────────────────────────────────────────────────────────────────────────

    def _name(self) -> str:
        token = self._peek()
        if not (token[:1] == "#" or token[:1].isalpha() or token[:1] == "_"):
            self._syntax(token)
        if token.upper() in _KEYWORDS:
            self._syntax(token)
        if token[0] == "#":
            self._names.add(token)
        return self._take()

    def _path(self) -> Path:
        parts: list[str | int] = [self._name()]
        while True:
            if self._skip("."):
                parts.append(self._name())
            elif self._skip("["):
                if not self._peek().isdecimal():
                    self._syntax(self._peek())
                parts.append(int(self._take()))
                self._expect("]")
            else:
                return Path(tuple(parts), _reader(tuple(parts)))

    def _value(self) -> str:
        if self._peek()[:1] != ":":
            self._syntax(self._peek())
        self._values.add(self._peek())
        return self._take()

    def _operand(self) -> Operand:
        if self._peek()[:1] == ":":
            token = self._value()
            return Operand(lambda _item, _names, values: values[token], value=token)
        if self._peek() == "size" and self._peek(1) == "(":
            self._at += 2
            inner = self._operand()
            self._literal("operator or function: size", _SIZED, inner)
            self._expect(")")
            return Operand(_size(inner.get))
        if self._peek(1) == "(":
            self._bad_function()
        path = self._path()
        return Operand(path.get, path=path)

    def _bad_function(self) -> NoReturn:
        name = self._peek()
        if name in _TESTS or name in {"size", "if_not_exists", "list_append"}:
            self.refuse(
                "The function is not allowed to be used this way in an expression; "
                f"function: {name}"
            )
        self.refuse(f"Invalid function name; function: {name}")

    def _literal(self, what: str, kinds: frozenset[str], *operands: Operand) -> None:
        """Judge the kind of values that stand in a text as soon as they are known."""
        for token in [o.value for o in operands if o.value is not None]:
            self._checks.append(_kind_check(self._slot, what, kinds, token))

    def _distinct(self, sign: str, first: Operand, *others: Operand) -> None:
        for other in others:
            if first.path is not None and other.path is not None:
                self._checks.append(_distinct_check(self._slot, sign, first.path, other.path))

    # ── conditions ────────────────────────────────────────────────────────────────────────────

    def condition(self, power: int = 0) -> Test:
        """Pratt: an operator takes what binds tighter than itself."""
        left = self._prefix()
        while (bound := _POWER.get(word := self._peek().upper(), 0)) > power:
            self._at += 1
            left = _JOIN[word](left, self.condition(bound))
        return left

    def _prefix(self) -> Test:
        if self._skip("NOT"):
            return _not(self.condition(_NOT_POWER))
        if self._peek() == "(":
            return self._parentheses()
        if self._peek() in _TESTS and self._peek(1) == "(":
            return self._function()
        return self._comparison()

    def _parentheses(self) -> Test:
        start = self._at
        self._expect("(")
        doubled = self._peek() == "("
        inner = self.condition()
        self._expect(")")
        if doubled and self._closes(start + 1) == self._at - 2:
            self.refuse("The expression has redundant parentheses;")
        return inner

    def _closes(self, start: int) -> int:
        depth = 0
        for at in range(start, len(self._tokens)):
            depth += (self._tokens[at] == "(") - (self._tokens[at] == ")")
            if depth == 0:
                return at
        return -1

    def _function(self) -> Test:
        name = self._take()
        self._expect("(")
        arguments = list(self._list(self._operand))
        self._expect(")")
        wanted, build = _TESTS[name]
        if len(arguments) != wanted:
            self.refuse(
                "Incorrect number of operands for operator or function; "
                f"operator or function: {name}, number of operands: {len(arguments)}"
            )
        first = arguments[0]
        if name.startswith("attribute_") and first.path is None:
            self.refuse(
                f"Operator or function requires a document path; operator or function: {name}"
            )
        if name == "begins_with":
            self._literal(f"operator or function: {name}", frozenset("SB"), *arguments)
        if name == "attribute_type":
            self._attribute_type(arguments[1])
        self._distinct(name, first, *arguments[1:])
        return build(*(a.get for a in arguments))

    def _attribute_type(self, operand: Operand) -> None:
        token = operand.value
        if token is None:
            self._syntax(self._peek())
        self._literal("operator or function: attribute_type", frozenset("S"), operand)
        slot = self._slot

        def check(_names: Names, values: Values) -> None:
            if (kind := values[token]["S"]) not in _KINDS:
                raise Refused(
                    f"Invalid {slot}: Invalid attribute type name found; type: {kind}, "
                    f"valid types: {{{','.join(sorted(_KINDS))}}}"
                )

        self._checks.append(check)

    def _comparison(self) -> Test:
        left = self._operand()
        if self._skip("BETWEEN"):
            low = self._operand()
            self._expect("AND")
            return self._between(left, low, self._operand())
        if self._skip("IN"):
            self._expect("(")
            options = list(self._list(self._operand))
            self._expect(")")
            self._distinct("IN", left, *options)
            return _among(left.get, tuple(o.get for o in options))
        sign = self._peek()
        if sign not in _COMPARE:
            self._syntax(sign)
        self._at += 1
        right = self._operand()
        self._distinct(sign, left, right)
        if sign not in {"=", "<>"}:
            self._literal(f"operator: {sign}", ORDERED, left, right)
        return _COMPARE[sign](left.get, right.get)

    def _between(self, left: Operand, low: Operand, high: Operand) -> Test:
        self._literal("operator: BETWEEN", ORDERED, left, low, high)
        if low.value is not None and high.value is not None:
            self._checks.append(_bounds_check(self._slot, low.value, high.value))
        return _both(_at_most(low.get, left.get), _at_most(left.get, high.get))

    # ── updates ───────────────────────────────────────────────────────────────────────────────

    def clauses(self) -> Iterator[Action]:
        """Every action; each clause at most once."""
        read = {
            "SET": self._set,
            "REMOVE": self._remove,
            "ADD": self._add,
            "DELETE": self._delete,
        }
        seen: set[str] = set()
        while word := self._peek().upper():
            if word not in read:
                self._syntax(self._peek())
            if word in seen:
                self.refuse(f'The "{word}" section can only be used once in an update expression;')
            seen.add(word)
            self._at += 1
            yield from self._list(read[word])

    def _set(self) -> Action:
        path = self._path()
        self._expect("=")
        left = self._source()
        sign = self._peek()
        if sign not in {"+", "-"}:
            return Action(path, left.get)
        self._at += 1
        right = self._source()
        self._literal(f"operator: {sign}", frozenset("N"), left, right)
        return Action(path, _sum(left.get, right.get, 1 if sign == "+" else -1))

    def _source(self) -> Operand:
        """What a SET may take its value from; there or refused."""
        if self._peek(1) != "(":
            operand = self._operand()
            return operand if operand.path is None else Operand(_there(operand.get))
        name = self._peek()
        if name not in {"if_not_exists", "list_append"}:
            self._bad_function()
        self._at += 2
        if name == "if_not_exists":
            first, second = self._pair(self._path)
            return Operand(_if_not_exists(first.get, second.get))
        one, two = self._pair(self._source)
        self._literal("operator or function: list_append", frozenset("L"), one, two)
        return Operand(_append(one.get, two.get))

    def _pair[T](self, first: Callable[[], T]) -> tuple[T, Operand]:
        one = first()
        self._expect(",")
        two = self._source()
        self._expect(")")
        return one, two

    def _remove(self) -> Action:
        return Action(self._path(), lambda _item, _names, _values: GONE)

    def _add(self) -> Action:
        path, token = self._path(), self._value()
        self._checks.append(_set_check("ADD", _ADDABLE, token))
        return Action(path, _added(path.get, token))

    def _delete(self) -> Action:
        path, token = self._path(), self._value()
        self._checks.append(_set_check("DELETE", SETS, token))
        return Action(path, _without(path.get, token))

    # ── key conditions ────────────────────────────────────────────────────────────────────────

    def key_clauses(self) -> Iterator[KeyRange]:
        """Clauses joined by AND."""
        yield self._key_clause()
        while self._skip("AND"):
            yield self._key_clause()
        if self._peek().upper() in {"OR", "IN"}:
            self._bad_key_operator(self._peek().upper())

    def _bad_key_operator(self, sign: str) -> NoReturn:
        raise Refused(f"Invalid operator used in {KEY_CONDITION}: {sign}")

    def _key_clause(self) -> KeyRange:
        if self._skip("("):
            inner = self._key_clause()
            self._expect(")")
            return inner
        if self._peek() == "begins_with" and self._peek(1) == "(":
            self._at += 2
            name = self._name()
            self._expect(",")
            token = self._value()
            self._expect(")")
            self._literal(
                "operator or function: begins_with",
                frozenset("SB"),
                Operand(_nothing, value=token),
            )
            return KeyRange(name, "begins_with", (token,))
        name = self._name()
        if self._skip("BETWEEN"):
            low = self._value()
            self._expect("AND")
            high = self._value()
            self._checks.append(_bounds_check(self._slot, low, high))
            return KeyRange(name, "BETWEEN", (low, high))
        sign = self._take()
        if sign == "<>":
            self._bad_key_operator(sign)
        if sign not in _COMPARE:
            self._at -= 1
            self._syntax(sign)
        return KeyRange(name, sign, (self._value(),))


# ── what is judged before an item is seen ─────────────────────────────────────────────────────


def _kind_check(slot: str, what: str, kinds: frozenset[str], token: str) -> Check:
    def check(_names: Names, values: Values) -> None:
        (kind,) = values[token]
        if kind not in kinds:
            raise Refused(
                f"Invalid {slot}: Incorrect operand type for operator or function; "
                f"{what}, operand type: {kind}"
            )

    return check


def _set_check(word: str, kinds: frozenset[str], token: str) -> Check:
    def check(_names: Names, values: Values) -> None:
        (kind,) = values[token]
        if kind not in kinds:
            raise Refused(
                f"Invalid {UPDATE}: Incorrect operand type for operator or function; operator: "
                f"{word}, operand type: {_LONG.get(kind, kind)}, typeSet: ALLOWED_FOR_ADD_OPERAND"
            )

    return check


def _distinct_check(slot: str, sign: str, first: Path, other: Path) -> Check:
    def check(names: Names, _values: Values) -> None:
        if first.at(names) == other.at(names):
            raise Refused(
                f"Invalid {slot}: The first operand must be distinct from the remaining operands "
                f"for this operator or function; operator: {sign}, "
                f"first operand: {first.text(names)}"
            )

    return check


def _bounds_check(slot: str, low: str, high: str) -> Check:
    def check(_names: Names, values: Values) -> None:
        if values[low].keys() != values[high].keys():
            raise Refused(
                f"Invalid {slot}: The BETWEEN operator requires same data type for lower and "
                "upper bounds"
            )
        pair = ordered(values[low], values[high])
        if pair is not None and pair[0] > pair[1]:
            raise Refused(
                f"Invalid {slot}: The BETWEEN operator requires upper bound to be greater than "
                "or equal to lower bound; lower bound operand: AttributeValue: "
                f"{_shown(values[low])}, upper bound operand: AttributeValue: "
                f"{_shown(values[high])}"
            )

    return check


def _shown(value: Wire) -> str:
    ((kind, inner),) = value.items()
    return f"{{{kind}:{inner}}}"


# ── closures ──────────────────────────────────────────────────────────────────────────────────


def _nothing(_item: Item, _names: Names, _values: Values) -> Wire | None:
    return None


def _reader(parts: tuple[str | int, ...]) -> Get:
    first, rest = str(parts[0]), parts[1:]
    if rest:
        return _deep_reader(first, rest)
    if first[0] == "#":
        return lambda item, names, _values: item.get(names[first])
    return lambda item, _names, _values: item.get(first)


def _deep_reader(first: str, rest: tuple[str | int, ...]) -> Get:
    def read(item: Item, names: Names, _values: Values) -> Wire | None:
        found = item.get(names[first] if first[0] == "#" else first)
        for part in rest:
            if found is None:
                return None
            found = step(found, names[part] if type(part) is str and part[0] == "#" else part)
        return found

    return read


def step(found: Wire, part: str | int) -> Wire | None:
    """What a map or list holds at a name or index."""
    inner: Any
    if type(part) is int:
        inner = found.get("L")
        return inner[part] if inner is not None and part < len(inner) else None
    inner = found.get("M")
    return inner.get(part) if inner is not None else None


def _both(left: Test, right: Test) -> Test:
    return lambda item, names, values: left(item, names, values) and right(item, names, values)


def _either(left: Test, right: Test) -> Test:
    return lambda item, names, values: left(item, names, values) or right(item, names, values)


def _not(inner: Test) -> Test:
    return lambda item, names, values: not inner(item, names, values)


_JOIN: Final = {"AND": _both, "OR": _either}


def _equal(left: Get, right: Get) -> Test:
    def test(item: Item, names: Names, values: Values) -> bool:
        one, other = left(item, names, values), right(item, names, values)
        return one is not None and other is not None and same(one, other)

    return test


def _unequal(left: Get, right: Get) -> Test:
    return _not(_equal(left, right))


def _less(left: Get, right: Get) -> Test:
    def test(item: Item, names: Names, values: Values) -> bool:
        pair = ordered(left(item, names, values), right(item, names, values))
        return pair is not None and pair[0] < pair[1]

    return test


def _at_most(left: Get, right: Get) -> Test:
    def test(item: Item, names: Names, values: Values) -> bool:
        pair = ordered(left(item, names, values), right(item, names, values))
        return pair is not None and pair[0] <= pair[1]

    return test


_COMPARE: Final[Mapping[str, Callable[[Get, Get], Test]]] = {
    "=": _equal,
    "<>": _unequal,
    "<": _less,
    "<=": _at_most,
    ">": lambda left, right: _less(right, left),
    ">=": lambda left, right: _at_most(right, left),
}


def _among(left: Get, options: tuple[Get, ...]) -> Test:
    def test(item: Item, names: Names, values: Values) -> bool:
        one = left(item, names, values)
        if one is None:
            return False
        for option in options:
            other = option(item, names, values)
            if other is not None and same(one, other):
                return True
        return False

    return test


def _exists(path: Get) -> Test:
    return lambda item, names, values: path(item, names, values) is not None


def _missing(path: Get) -> Test:
    return lambda item, names, values: path(item, names, values) is None


def _is_kind(path: Get, kind: Get) -> Test:
    def test(item: Item, names: Names, values: Values) -> bool:
        found, wanted = path(item, names, values), kind(item, names, values)
        return found is not None and wanted is not None and wanted["S"] in found

    return test


def _begins(whole: Get, start: Get) -> Test:
    def test(item: Item, names: Names, values: Values) -> bool:
        pair = ordered(whole(item, names, values), start(item, names, values))
        return pair is not None and hasattr(pair[0], "startswith") and pair[0].startswith(pair[1])

    return test


def _contains(whole: Get, part: Get) -> Test:
    def test(item: Item, names: Names, values: Values) -> bool:
        found, wanted = whole(item, names, values), part(item, names, values)
        if found is None or wanted is None:
            return False
        ((kind, inner),) = found.items()
        if kind == "L":
            return any(same(one, wanted) for one in inner)
        # Text holds text, bytes hold bytes; a set holds what it is a set of.
        sought = wanted.get(kind[0]) if kind in {"S", "B", *SETS} else None
        return sought is not None and sought in inner

    return test


_TESTS: Final[Mapping[str, tuple[int, Callable[..., Test]]]] = {
    "attribute_exists": (1, _exists),
    "attribute_not_exists": (1, _missing),
    "attribute_type": (2, _is_kind),
    "begins_with": (2, _begins),
    "contains": (2, _contains),
}
_SIZED: Final = frozenset({"S", "B", "L", "M"}) | SETS
_ADDABLE: Final = SETS | {"N"}


def _size(inner: Get) -> Get:
    def size(item: Item, names: Names, values: Values) -> Wire | None:
        found = inner(item, names, values)
        if found is None:
            return None
        ((kind, content),) = found.items()
        if kind == "S":
            content = content.encode("utf-16-le")[::2]  # a code point beyond the BMP counts as two
        return {"N": str(len(content))} if kind in _SIZED else None

    return size


_TYPE = "An operand in the update expression has an incorrect data type"


def _there(path: Get) -> Get:
    def read(item: Item, names: Names, values: Values) -> Wire:
        found = path(item, names, values)
        if found is None:
            raise Refused(
                "The provided expression refers to an attribute that does not exist in the item"
            )
        return found

    return read


def _if_not_exists(path: Get, otherwise: Get) -> Get:
    def read(item: Item, names: Names, values: Values) -> Wire | None:
        found = path(item, names, values)
        return otherwise(item, names, values) if found is None else found

    return read


def _append(left: Get, right: Get) -> Get:
    def read(item: Item, names: Names, values: Values) -> Wire:
        one, other = left(item, names, values), right(item, names, values)
        if one is None or other is None or "L" not in one or "L" not in other:
            raise Refused(_TYPE)
        return {"L": one["L"] + other["L"]}

    return read


def _sum(left: Get, right: Get, sign: int) -> Get:
    def read(item: Item, names: Names, values: Values) -> Wire:
        one, other = left(item, names, values), right(item, names, values)
        if one is None or other is None or "N" not in one or "N" not in other:
            raise Refused(_TYPE)
        return {"N": total(one["N"], other["N"], sign)}

    return read


def _added(path: Get, token: str) -> Get:
    def read(item: Item, names: Names, values: Values) -> Wire:
        found, more = path(item, names, values), values[token]
        if found is None:
            return more
        ((kind, inner),) = more.items()
        if kind not in found:
            raise Refused(_TYPE)
        if kind == "N":
            return {"N": total(found["N"], inner)}
        return {kind: found[kind] + [one for one in inner if one not in found[kind]]}

    return read


def _without(path: Get, token: str) -> Get:
    def read(item: Item, names: Names, values: Values) -> Wire | None:
        found = path(item, names, values)
        if found is None:
            return None
        ((kind, inner),) = values[token].items()
        if kind not in found:
            raise Refused(_TYPE)
        left = [one for one in found[kind] if one not in inner]
        return {kind: left} if left else GONE

    return read


# ── applying an update ────────────────────────────────────────────────────────────────────────


def apply(update: Update, item: Item, base: Item, names: Names, values: Values) -> Item:
    """A changed copy of `base`; what is read is `item`.

    Every value is computed from the item before the update. Raises Refused.
    """
    if update.deep:
        tree = _Tree(base)
        for action in update.actions:
            value = action.get(item, names, values)
            if value is not None:
                tree.put(action.path.at(names), value)
        return tree.done()
    new = base.copy()
    for name, action in zip(update.targets(names), update.actions, strict=True):
        value = action.get(item, names, values)
        if value is GONE:
            new.pop(name, None)
        elif value is not None:
            new[name] = value
    return new


class _Tree:
    """An item changed along paths; what a path does not touch is shared with the old item.

    List indexes mean the list as it was: removed elements leave when all is done, elements past
    the end arrive then, in the order of their indexes.
    """

    def __init__(self, base: Item) -> None:
        self._root: Wire = {"M": dict(base)}
        self._own: set[int] = {id(self._root)}
        self._kept: list[Wire] = []  # an id is ours only while its object lives
        self._late: dict[int, tuple[list[Any], dict[int, Wire]]] = {}

    def put(self, parts: tuple[str | int, ...], value: Wire) -> None:
        """Set or remove. Raises Refused when there is nothing to hold it."""
        holder = self._root
        for part in parts[:-1]:
            holder = self._open(holder, part)
        last = parts[-1]
        inner = holder.get("L" if type(last) is int else "M")
        if inner is None:
            raise Refused(_NO_PATH)
        if type(last) is int:
            self._put_element(inner, last, value)
        elif value is GONE:
            inner.pop(last, None)
        else:
            inner[last] = value

    def _open(self, holder: Wire, part: str | int) -> Wire:
        found = step(holder, part)
        if found is None:
            raise Refused(_NO_PATH)
        if id(found) in self._own:
            return found
        ((kind, inner),) = found.items()
        if kind not in {"L", "M"}:
            raise Refused(_NO_PATH)
        copy: Wire = {kind: inner.copy()}
        self._own.add(id(copy))
        self._kept.append(copy)
        holder["L" if type(part) is int else "M"][part] = copy
        return copy

    def _put_element(self, inner: list[Any], at: int, value: Wire) -> None:
        _, late = self._late.setdefault(id(inner), (inner, {}))
        if at < len(inner):
            inner[at] = value
        elif value is not GONE:
            late[at] = value

    def done(self) -> Item:
        for inner, late in self._late.values():
            inner[:] = [one for one in inner if one is not GONE]
            inner.extend(late[at] for at in sorted(late))
        item: Item = self._root["M"]
        return item


_NO_PATH: Final = "The document path provided in the update expression is invalid for update"


def overlap(update: Update, names: Names) -> str | None:
    """Why two targets of an update cannot stand side by side."""
    seen: list[Path] = []
    for action in update.actions:
        mine = action.path.at(names)
        for path in seen:
            other = path.at(names)
            shorter = min(len(mine), len(other))
            if mine[:shorter] == other[:shorter]:
                return _clash("overlap", path, action.path, names)
            if _differ_in_kind(mine, other):
                return _clash("conflict", path, action.path, names)
        seen.append(action.path)
    return None


def _differ_in_kind(one: tuple[str | int, ...], other: tuple[str | int, ...]) -> bool:
    for mine, yours in zip(one, other, strict=False):
        if mine != yours:
            return type(mine) is not type(yours)
    return False


def _clash(how: str, one: Path, other: Path, names: Names) -> str:
    return (
        f"Invalid {UPDATE}: Two document paths {how} with each other; must remove or rewrite one "
        f"of these paths; path one: {one.text(names)}, path two: {other.text(names)}"
    )
