"""DynamoDB values in wire shape ({"S": "x"}, {"N": "1"}): admitted, weighed, compared.

A value is never changed in place. Numbers are kept in one spelling ("1.0" becomes "1"), so that
two equal values are equal dicts, sets aside.
"""

from collections.abc import Callable, Mapping
from decimal import Context, Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, Final

type Wire = dict[str, Any]
type Item = dict[str, Wire]

DIGITS_MAX: Final = 38
SETS: Final = frozenset({"SS", "NS", "BS"})
_COMPOUND: Final = SETS | {"L", "M"}
ORDERED: Final = frozenset({"S", "N", "B"})
_EXACT: Final = Context(prec=400)


class Refused(Exception):
    """What DynamoDB answers with a ValidationException."""


class _Uneven(Exception):
    """A number in another spelling than ours."""


def admit(value: Wire) -> Wire:
    """A value as it is kept. Raises Refused."""
    try:
        weigh(value)
    except _Uneven:
        return _even(value)
    return value


def admit_item(item: Item) -> tuple[Item, int]:
    """An item as it is kept, and its size in bytes. Raises Refused."""
    try:
        return item, weigh_item(item)
    except _Uneven:
        item = {name: _even(value) for name, value in item.items()}
        return item, weigh_item(item)


def weigh_item(item: Item) -> int:
    """Bytes as DynamoDB counts them: names and values."""
    total = 0
    for name, value in item.items():
        total += weigh(value) + (len(name) if name.isascii() else len(name.encode()))
    return total


def weigh_named(name: str, item: Item) -> int:
    """Bytes of one attribute of an item; 0 when it is not there."""
    value = item.get(name)
    if value is None:
        return 0
    return weigh(value) + (len(name) if name.isascii() else len(name.encode()))


def weigh(value: Wire) -> int:
    """Bytes of one value."""
    try:
        ((kind, inner),) = value.items()
    except ValueError:
        many = "has more than one datatypes set" if value else "is empty"
        raise Refused(
            f"Supplied AttributeValue {many}, must contain exactly one of the supported datatypes"
        ) from None
    if kind == "S":
        return len(inner) if inner.isascii() else len(inner.encode())
    return _WEIGHT[kind](inner)


@lru_cache(maxsize=65_536)
def _weigh_number(text: str) -> int:
    negative = text[:1] == "-"
    digits = text[1:] if negative else text
    if digits.isdecimal() and digits.isascii() and digits[0] != "0" and len(digits) <= DIGITS_MAX:
        zeros = len(digits) - len(digits.rstrip("0"))
        # One byte holds two decimal digits, in pairs from the decimal point on.
        return 1 + (len(digits) + 1) // 2 - zeros // 2 + negative
    if canonical(text) != text:
        raise _Uneven
    return _weigh_decimal(digits) + negative


def _weigh_decimal(digits: str) -> int:
    whole, _, fraction = digits.partition(".")
    whole = whole.lstrip("0")
    pairs = "0" * (len(whole) % 2) + whole + fraction + "0" * (len(fraction) % 2)
    kept = [pairs[at : at + 2] for at in range(0, len(pairs), 2)]
    while kept and kept[0] == "00":
        kept.pop(0)
    while kept and kept[-1] == "00":
        kept.pop()
    return 1 + len(kept)


def _weigh_list(inner: list[Wire]) -> int:
    return 3 + len(inner) + sum(map(weigh, inner))


def _weigh_map(inner: Item) -> int:
    return 3 + len(inner) + weigh_item(inner)


def _weigh_set(weight: Callable[[Any], int]) -> Callable[[list[Any]], int]:
    def weigh_all(inner: list[Any]) -> int:
        if not inner:
            raise Refused("One or more parameter values were invalid: a set may not be empty")
        if len(set(inner)) != len(inner):
            raise Refused(
                "One or more parameter values were invalid: "
                f"Input collection [{', '.join(map(str, inner))}] contains duplicates."
            )
        return sum(map(weight, inner))

    return weigh_all


_WEIGHT: Final[Mapping[str, Callable[[Any], int]]] = {
    "S": lambda text: len(text.encode()),
    "N": _weigh_number,
    "B": len,
    "BOOL": lambda _: 1,
    "NULL": lambda _: 1,
    "L": _weigh_list,
    "M": _weigh_map,
    "SS": _weigh_set(lambda text: len(text.encode())),
    "NS": _weigh_set(_weigh_number),
    "BS": _weigh_set(len),
}


def _even(value: Wire) -> Wire:
    ((kind, inner),) = value.items()
    match kind:
        case "N":
            return {kind: canonical(inner)}
        case "NS":
            return {kind: [canonical(text) for text in inner]}
        case "L":
            return {kind: [_even(part) for part in inner]}
        case "M":
            return {kind: {name: _even(part) for name, part in inner.items()}}
    return value


def canonical(text: str) -> str:
    """A number in its one spelling: no exponent, no needless zeros. Raises Refused."""
    if text.isdecimal() and text.isascii() and text[0] != "0" and len(text) <= DIGITS_MAX:
        return text
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite():
        raise Refused(f"The parameter cannot be converted to a numeric value: {text}")
    digits = "".join(map(str, number.as_tuple().digits)).strip("0")
    if not digits:
        return "0"
    if len(digits) > DIGITS_MAX:
        raise Refused("Attempting to store more than 38 significant digits in a Number")
    if number.adjusted() > 125:
        raise Refused(
            "Number overflow. Attempting to store a number with magnitude larger than "
            "supported range"
        )
    if number.adjusted() < -130:
        raise Refused(
            "Number underflow. Attempting to store a number with magnitude smaller than "
            "supported range"
        )
    plain = format(number, "f")
    return plain.rstrip("0").rstrip(".").lstrip("+") if "." in plain else plain.lstrip("+")


def number(text: str) -> int | Decimal:
    """A canonical number to reckon with."""
    try:
        return int(text)
    except ValueError:
        return Decimal(text)


def total(one: str, other: str, sign: int = 1) -> str:
    """The sum (or with sign -1 the difference) of two canonical numbers. Raises Refused."""
    mine, yours = number(one), number(other)
    if type(mine) is int and type(yours) is int:
        return canonical(str(mine + sign * yours))
    do = _EXACT.add if sign > 0 else _EXACT.subtract
    return canonical(str(do(Decimal(mine), Decimal(yours))))


def same(one: Wire, other: Wire) -> bool:
    """Whether two values are equal; sets have no order."""
    if one == other:
        return True
    ((kind, inner),) = one.items()
    outer = other.get(kind)
    if outer is None or kind not in _COMPOUND:
        return False
    if kind in SETS:
        return set(inner) == set(outer)
    if kind == "L":
        return len(inner) == len(outer) and all(map(same, inner, outer))
    return inner.keys() == outer.keys() and all(same(inner[n], outer[n]) for n in inner)


def sortable(value: Wire) -> Any:
    """What a sort key is ordered by: text by code points (as UTF-8 is), numbers, bytes."""
    ((kind, inner),) = value.items()
    return number(inner) if kind == "N" else inner


def ordered(one: Wire | None, other: Wire | None) -> tuple[Any, Any] | None:
    """Two values as Python compares them, or None when DynamoDB gives them no order."""
    if one is None or other is None:
        return None
    ((kind, inner),) = one.items()
    outer = other.get(kind)
    if outer is None or kind not in ORDERED:
        return None
    return (number(inner), number(outer)) if kind == "N" else (inner, outer)
