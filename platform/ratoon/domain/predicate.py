"""Which items may be answered, said over their columns.

Where a column says nothing of an item (null, or not a number) no condition on it is true and none is false, as in SQL: then
its negation is not true either. Only `Exists` asks for just that. Only items of which the whole is true match.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from ratoon.domain.errors import UsageError
from ratoon.domain.said import moment_of, shown

Value = str | int | float | bool | datetime

Kind = Literal["text", "number", "truth", "time", "texts", "numbers", "nothing", "other"]
"""What a column holds; `texts` and `numbers` are lists; `nothing`: no value yet, so that anything may be asked of it;
`other`: what nothing can be asked of."""

_SCALAR, _ORDERED = ("text", "number", "truth", "time", "nothing"), ("number", "time", "nothing")
_LISTED = ("texts", "numbers", "nothing")
_ANYTHING = (*_SCALAR, "texts", "numbers", "other")
_SUITED = {"eq": _SCALAR, "in": _SCALAR, "ge": _ORDERED, "le": _ORDERED, "has": _LISTED, "exists": _ANYTHING}
_WORDS = {"text": "a string", "number": "a number", "truth": "true or false", "time": "a time like 1995-01-01T00:00:00Z"}
_HELD = {"text": "strings", "number": "numbers", "truth": "true or false", "time": "times", "other": "what cannot be compared"}
_HELD |= {"texts": "lists of strings", "numbers": "lists of numbers"}


class FilterRefused(UsageError):
    """A filter says something that cannot be; `field` is the path to it, as `filter/all/0/ge`."""


@dataclass(frozen=True, slots=True)
class Equals:
    """The column's value is this one."""

    column: str
    value: Value


@dataclass(frozen=True, slots=True)
class In:
    """The column's value is one of these."""

    column: str
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Range:
    """The column's value is at least `low` and at most `high`; None leaves an end open."""

    column: str
    low: Value | None = None
    high: Value | None = None


@dataclass(frozen=True, slots=True)
class Has:
    """The column's list has this entry."""

    column: str
    value: Value


@dataclass(frozen=True, slots=True)
class Exists:
    """The column says something of the item; or, if not `exists`, it says nothing. Never unknown."""

    column: str
    exists: bool = True


@dataclass(frozen=True, slots=True)
class All:
    """Every part holds."""

    parts: "tuple[Predicate, ...]"


@dataclass(frozen=True, slots=True)
class Any:
    """A part holds."""

    parts: "tuple[Predicate, ...]"


@dataclass(frozen=True, slots=True)
class Not:
    """The part is false."""

    part: "Predicate"


Condition = Equals | In | Range | Has | Exists
Predicate = Condition | All | Any | Not


def bound(predicate: Predicate, kinds: Mapping[str, Kind], path: str = "filter") -> Predicate:
    """The same, with each value as its column holds it: times are read from strings (RFC 3339). It may be bound already.

    Args:
        kinds: the columns that may be named.

    Raises:
        FilterRefused: there is no such column, a value is not of its column's type, or nothing is inside a range or a list.
    """
    match predicate:
        case All(parts):
            return All(_all(parts, kinds, f"{path}/all"))
        case Any(parts):
            return Any(_all(parts, kinds, f"{path}/any"))
        case Not(part):
            return Not(bound(part, kinds, f"{path}/not"))
    kind, column = _kind(predicate, kinds, path), predicate.column
    match predicate:
        case Equals(_, value):
            return Equals(column, _fitting(value, column, kind, f"{path}/eq"))
        case Has(_, value):
            return Has(column, _fitting(value, column, kind, f"{path}/has"))
        case In(_, values):
            return In(column, tuple(_fitting(value, column, kind, f"{path}/in/{place}") for place, value in enumerate(values)))
        case Exists():
            return predicate
    low = None if predicate.low is None else _fitting(predicate.low, column, kind, f"{path}/ge")
    high = None if predicate.high is None else _fitting(predicate.high, column, kind, f"{path}/le")
    if kind != "nothing" and low is not None and high is not None and low > high:  # type: ignore[operator]  # of one kind
        raise refused(path, "`ge` to be at most `le`", f"{shown(low)} and {shown(high)}", "Change the ends round.")
    return Range(column, low, high)


def _all(parts: Sequence[Predicate], kinds: Mapping[str, Kind], path: str) -> tuple[Predicate, ...]:
    if not parts:
        raise refused(path, "one condition or more", "none", "Leave out what is empty.")
    return tuple(bound(part, kinds, f"{path}/{place}") for place, part in enumerate(parts))


def _kind(asked: Condition, kinds: Mapping[str, Kind], path: str) -> Kind:
    """What the column holds, if that can be asked of it."""
    kind = kinds.get(asked.column)
    if kind is None:
        known = ", ".join(sorted(kinds)) or "there is none"
        raise refused(f"{path}/column", f"a column to filter by ({known})", repr(asked.column), "Name one that there is.")
    word = _word(asked)
    if kind not in _SUITED[word]:
        words = ", ".join(one for one, suited in _SUITED.items() if kind in suited)
        expected = f"what column {asked.column} of {_HELD[kind]} can be asked: {words}"
        raise refused(f"{path}/{word}", expected, word, "Ask it that, or another column.")
    return kind


def _word(asked: Condition) -> str:
    match asked:
        case Equals():
            return "eq"
        case In():
            return "in"
        case Has():
            return "has"
        case Exists():
            return "exists"
        case Range(low=None):
            return "le"
        case Range():
            return "ge"


def _fitting(value: Value, column: str, kind: Kind, path: str) -> Value:
    if isinstance(value, int | float) and not (math.isfinite(value) if isinstance(value, float) else -(2**63) <= value < 2**63):
        raise refused(path, "a finite number of at most 64 bits", shown(value), "Give a number that a column can hold.")
    one = kind.removesuffix("s")
    fits = value if kind == "nothing" else _read(value, one)
    if fits is None:
        raise refused(path, f"{_WORDS[one]}, as in column {column}", shown(value), "Give a value of that type.")
    return fits


def _read(value: Value, kind: str) -> Value | None:
    """The value as a column of this kind holds it; None if none can."""
    match kind, value:
        case ("text", str()) | ("truth", bool()):
            return value
        case ("number", int() | float()) if not isinstance(value, bool):
            return value
        case ("time", datetime()) if value.tzinfo:
            return value
        case ("time", str()):
            return moment_of(value)
    return None


def refused(path: str, expected: str, found: str, fix: str) -> FilterRefused:
    """The error about the part of a filter at `path`."""
    return FilterRefused(path, expected=expected, found=found, fix=fix)
