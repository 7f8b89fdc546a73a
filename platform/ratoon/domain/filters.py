"""Filters as JSON: what a request says, read into the tree of `ratoon.domain.predicate`.

    {"all": [{"column": "genres", "has": "Drama"}, {"column": "year", "ge": 1990}, {"not": {"column": "lang", "eq": "en"}}]}

`all`, `any` and `not` hold conditions. A condition names a `column` and says `eq` (equals), `in` (equals one of), `ge` and
`le` (at least, at most: either or both), `has` (a list has this entry) or `exists` (true, or false: the column says nothing).
"""

from collections.abc import Mapping

from ratoon.domain.predicate import (
    All,
    Any,
    Condition,
    Equals,
    Exists,
    FilterRefused,
    Has,
    In,
    Not,
    Predicate,
    Range,
    Value,
    refused,
)
from ratoon.domain.said import shown

DEPTH, CONDITIONS, VALUES = 8, 64, 1_000
"""The most levels of a filter, conditions in it, and values of one `in`."""

_FORM = "one of all, any and not, or a column with one of eq, in, has, exists, or with ge, le or both"


def parsed(raw: object) -> Predicate:
    """The tree that a JSON value describes, whatever columns there are: `bound` looks at those.

    Raises:
        FilterRefused: it is no filter, or one that is too deep or too large.
    """
    return _Reading().read(raw, "filter", 1)


class _Reading:
    """Counts conditions while it reads."""

    def __init__(self) -> None:
        self._conditions = 0

    def read(self, raw: object, path: str, depth: int) -> Predicate:
        if depth > DEPTH:
            raise refused(path, f"at most {DEPTH} levels", "more", "Say it with fewer levels.")
        match raw:
            case {"all": parts, **rest} if not rest:
                return All(self._parts(parts, f"{path}/all", depth))
            case {"any": parts, **rest} if not rest:
                return Any(self._parts(parts, f"{path}/any", depth))
            case {"not": part, **rest} if not rest:
                return Not(self.read(part, f"{path}/not", depth + 1))
            case {"column": str(column), **said}:
                self._conditions += 1
                if self._conditions > CONDITIONS:
                    raise refused(path, f"at most {CONDITIONS} conditions", "more", "List the values of one column with `in`.")
                return _condition(column, said, path)
        raise _malformed(path, raw)

    def _parts(self, raw: object, path: str, depth: int) -> tuple[Predicate, ...]:
        if not isinstance(raw, list) or not raw:
            raise refused(path, "a list of one condition or more", shown(raw), "Leave out what is empty.")
        return tuple(self.read(part, f"{path}/{place}", depth + 1) for place, part in enumerate(raw))


def _condition(column: str, said: Mapping[object, object], path: str) -> Condition:
    match said:
        case {"eq": value, **rest} if not rest:
            return Equals(column, _value(value, f"{path}/eq"))
        case {"has": value, **rest} if not rest:
            return Has(column, _value(value, f"{path}/has"))
        case {"in": values, **rest} if not rest:
            return In(column, _values(values, f"{path}/in"))
        case {"exists": bool(exists), **rest} if not rest:
            return Exists(column, exists)
        case {"ge": _} | {"le": _} if not said.keys() - {"ge", "le"}:
            low, high = (_value(said[end], f"{path}/{end}") if end in said else None for end in ("ge", "le"))
            return Range(column, low, high)
    raise _malformed(path, {"column": column} | dict(said))


def _values(raw: object, path: str) -> tuple[Value, ...]:
    if not isinstance(raw, list) or not 1 <= len(raw) <= VALUES:
        found = f"{len(raw)} of them" if isinstance(raw, list) else shown(raw)
        raise refused(path, f"a list of 1 to {VALUES} values", found, "Leave out what is empty, or split what is long.")
    return tuple(_value(value, f"{path}/{place}") for place, value in enumerate(raw))


def _value(raw: object, path: str) -> Value:
    if isinstance(raw, str | bool | int | float):
        return raw
    raise refused(path, "a string, a number, true or false", shown(raw), "Give one value to compare with.")


def _malformed(path: str, raw: object) -> FilterRefused:
    return refused(path, _FORM, shown(raw), "Say one thing per condition; `all` holds several.")
