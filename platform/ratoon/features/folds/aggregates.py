"""Live features as folds over an entity's interactions: the expressions, as definitions carry them.

A field of `feature_repo/` has one in its tag `ratoon.aggregate`:

    count            count(7d)                how many interactions, ever or in a window
    sum(value)       sum(value, 7d)           of a numeric column
    mean(value)      mean(value, 28d)         missing while there is none
    deviation(value) deviation(value, 28d)    population standard deviation
    decayed(7d)      decayed(value, 7d)       interactions, or their values, each halved every 7 days
    last(item_id, 20)                         the newest n values of a column, newest last
    last(type)                                the newest value

A time is `<n>s|m|h|d`. A window ends at the interaction the row is valued at and excludes what is exactly its length old.
Values are counted in millionths; one beyond `exact.LARGEST` counts as missing. A result that its dtype cannot hold is missing.
"""

import re
from dataclasses import dataclass
from typing import Literal

from ratoon.domain.errors import DataError

Name = Literal["count", "sum", "mean", "deviation", "decayed", "last"]

LONGEST_US = 36_500 * 86_400_000_000
"""The longest window or half-life: 100 years of microseconds."""

_UNITS = {"s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000}
_SHAPE = re.compile(r"^(?P<name>[a-z]+)(?:\((?P<arguments>[^()]*)\))?$")
_SPAN = re.compile(r"^([1-9]\d*)([smhd])$")
_COLUMNS = ("user_id", "item_id", "type", "value")
_NUMBERS = ("INT32", "INT64", "FLOAT", "DOUBLE")


@dataclass(frozen=True, slots=True)
class Aggregate:
    """One expression, read.

    Attributes:
        column: what it looks at; empty where interactions themselves are counted.
        span: its window or half-life in microseconds; 0 for ever.
        size: how many values `last` keeps; 0 for the newest one alone, outside a list.
    """

    name: Name
    column: str = ""
    span: int = 0
    size: int = 0


def parse(field: str, expression: str, dtype: str) -> Aggregate:
    """Read `expression`.

    Args:
        field: the feature's name, for errors.
        dtype: Feast's value type name of the feature.

    Raises:
        DataError: it is no expression, or its result is of another type.
    """
    aggregate = _read(expression.strip())
    if aggregate is None:
        raise DataError(
            f"tag ratoon.aggregate of field {field!r}",
            expected="count[(7d)] | sum|mean|deviation(value[, 7d]) | decayed([value, ]7d) | last(column[, n])",
            found=repr(expression),
            fix=f"Correct it in feature_repo/; columns are {', '.join(_COLUMNS)}, times <n>s|m|h|d up to 36500d.",
        )
    fitting = _fitting(aggregate)
    if dtype not in fitting:
        raise DataError(
            f"dtype of field {field!r}",
            expected=f"{' or '.join(fitting)}, as {expression.strip()} gives",
            found=dtype,
            fix="Change the dtype or the tag ratoon.aggregate in feature_repo/.",
        )
    return aggregate


def _read(expression: str) -> Aggregate | None:
    shape = _SHAPE.match(expression)
    if shape is None:
        return None
    arguments = [part.strip() for part in (shape["arguments"] or "").split(",") if part.strip()]
    match shape["name"], arguments:
        case "last", [column] if column in _COLUMNS:
            return Aggregate("last", column)
        case "last", [column, size] if column in _COLUMNS and size.isdecimal() and 0 < int(size) < 2**31:
            return Aggregate("last", column, size=int(size))
        case ("count" | "sum" | "mean" | "deviation" | "decayed") as name, _:
            span = _span(arguments[-1]) if arguments else 0
            columns = arguments[:-1] if span else arguments
            counts = not columns and name in ("count", "decayed")
            if (counts or (columns == ["value"] and name != "count")) and (span or name != "decayed"):
                return Aggregate(name, "".join(columns), span)
    return None


def _span(text: str) -> int:
    found = _SPAN.match(text)
    span = int(found[1]) * _UNITS[found[2]] if found else 0
    return span if span <= LONGEST_US else 0


def _fitting(aggregate: Aggregate) -> tuple[str, ...]:
    if aggregate.name != "last":
        return _NUMBERS
    fitting = _NUMBERS if aggregate.column == "value" else ("STRING",)
    return tuple(f"{dtype}_LIST" for dtype in fitting) if aggregate.size else fitting
