"""Filters in Python.

`where("genres").has("Drama") & (where("year") >= 1990)` is what the API calls
`{"all": [{"column": "genres", "has": "Drama"}, {"column": "year", "ge": 1990}]}`.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, NoReturn

Value = str | int | float | bool | datetime


class Condition(Mapping[str, Any]):
    """What must be true of a candidate; the API's JSON, which `&`, `|` and `~` combine."""

    __slots__ = ("_said",)

    def __init__(self, said: Mapping[str, Any]) -> None:
        self._said = dict(said)

    def __getitem__(self, name: str) -> Any:
        return self._said[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._said)

    def __len__(self) -> int:
        return len(self._said)

    def __repr__(self) -> str:
        return f"Condition({self._said!r})"

    def __bool__(self) -> NoReturn:
        raise TypeError("a condition is neither true nor false here: combine with &, | and ~, and use between() for a range")

    def __and__(self, other: Mapping[str, Any]) -> "Condition":
        return Condition({"all": [*self._parts("all"), *_parts(other, "all")]})

    def __or__(self, other: Mapping[str, Any]) -> "Condition":
        return Condition({"any": [*self._parts("any"), *_parts(other, "any")]})

    def __invert__(self) -> "Condition":
        return Condition({"not": self})

    def _parts(self, word: str) -> list[Mapping[str, Any]]:
        return _parts(self, word)


class Column:
    """A column of the items, to say something of."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def equals(self, value: Value) -> Condition:
        """It is this value."""
        return self._says(eq=value)

    def one_of(self, values: Iterable[Value]) -> Condition:
        """It is one of these."""
        return Condition({"column": self._name, "in": list(values)})

    def has(self, value: Value) -> Condition:
        """It is a list with this entry."""
        return self._says(has=value)

    def between(self, low: Value, high: Value) -> Condition:
        """It is at least `low` and at most `high`."""
        return self._says(ge=low, le=high)

    def exists(self, yes: bool = True) -> Condition:
        """It says something of the item, or, with False, nothing."""
        return self._says(exists=yes)

    def __ge__(self, low: Value) -> Condition:
        return self._says(ge=low)

    def __le__(self, high: Value) -> Condition:
        return self._says(le=high)

    def _says(self, **said: Value) -> Condition:
        return Condition({"column": self._name} | said)


def where(column: str) -> Column:
    """Begin a condition on a column."""
    return Column(column)


def _parts(condition: Mapping[str, Any], word: str) -> list[Mapping[str, Any]]:
    """A filter has only so many levels: what says `word` already is taken apart."""
    return list(condition[word]) if list(condition) == [word] else [condition]
