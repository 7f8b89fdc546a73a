"""Live features as folds over an entity's interactions: one definition for the batch job and for the server.

Expressions, as a field of `feature_repo/` carries them in its tag `ratoon.aggregate`:

    count            count(7d)              how many interactions, ever or in a window
    sum(value)       sum(value, 7d)         of a numeric column
    mean(value)      mean(value, 28d)       missing while there is none
    deviation(value) deviation(value, 28d)  population standard deviation
    last(item_id, 20)                       the newest n values of a column, newest last
    last(type)                              the newest value

A window is `<n>s|m|h|d`; it ends at the interaction the row is valued at and excludes what is exactly its length old.
"""

import math
import re
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ratoon.domain.errors import DataError

Row = Mapping[str, object]
"""One interaction: column name -> value; `event_timestamp` in microseconds since 1970."""

_UNITS = {"s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000}
_SHAPE = re.compile(r"^(?P<name>[a-z]+)(?:\((?P<arguments>[^()]*)\))?$")
_WINDOW = re.compile(r"^([1-9]\d*)([smhd])$")
_COLUMNS = ("user_id", "item_id", "type", "value")


@dataclass(slots=True)
class Moments:
    """Count, mean and deviation of a numeric column, ever or in a window (Welford 1962, extended by removal)."""

    column: str | None
    window: int
    result: Callable[[int, float, float], object]
    count: int = 0
    mean: float = 0.0
    squares: float = 0.0
    inside: deque[tuple[int, float]] | None = None

    def step(self, row: Row) -> object:
        """Take one interaction in, later than all before it; return the value just after it."""
        number = 1.0 if self.column is None else row[self.column]
        moment = row["event_timestamp"]
        assert isinstance(moment, int)
        if self.window:
            self.inside = self.inside if self.inside is not None else deque()
            while self.inside and self.inside[0][0] <= moment - self.window:
                self._take(-1, self.inside.popleft()[1])
        if isinstance(number, int | float) and math.isfinite(number):
            self._take(1, float(number))
            if self.inside is not None:
                self.inside.append((moment, float(number)))
        return self.result(self.count, self.mean, self.squares)

    def _take(self, sign: int, number: float) -> None:
        self.count += sign
        if not self.count:
            self.mean = self.squares = 0.0
            return
        before = number - self.mean
        self.mean += sign * before / self.count
        self.squares = max(0.0, self.squares + sign * before * (number - self.mean))


@dataclass(slots=True)
class Last:
    """The newest values of a column that are not missing."""

    column: str
    kept: deque[object]
    single: bool

    def step(self, row: Row) -> object:
        """Take one interaction in, later than all before it; return the value just after it."""
        value = row[self.column]
        if value is not None:
            self.kept.append(value)
        return (self.kept[-1] if self.kept else None) if self.single else list(self.kept)


Aggregate = Moments | Last

_RESULTS: dict[str, Callable[[int, float, float], object]] = {
    "count": lambda count, _mean, _squares: count,
    "sum": lambda count, mean, _squares: count * mean,
    "mean": lambda count, mean, _squares: mean if count else None,
    "deviation": lambda count, _mean, squares: math.sqrt(squares / count) if count else None,
}


def parse(field: str, expression: str) -> Callable[[], Aggregate]:
    """A factory of fresh states for `expression`; `field` names the feature in errors."""
    shape = _SHAPE.match(expression.strip())
    if shape is None:
        raise _malformed(field, expression)
    name = shape["name"]
    arguments = [part.strip() for part in (shape["arguments"] or "").split(",") if part.strip()]
    if name == "last" and arguments and arguments[0] in _COLUMNS and len(arguments) <= 2:
        column, size = arguments[0], arguments[1] if len(arguments) == 2 else "1"
        if size.isdecimal() and int(size) > 0:
            return lambda: Last(column, deque(maxlen=int(size)), single=len(arguments) == 1)
    if name in _RESULTS:
        window = _WINDOW.match(arguments[-1]) if arguments else None
        columns = arguments[:-1] if window else arguments
        span = int(window[1]) * _UNITS[window[2]] if window else 0
        if columns == ([] if name == "count" else ["value"]):
            return lambda: Moments(columns[0] if columns else None, span, _RESULTS[name])
    raise _malformed(field, expression)


def _malformed(field: str, expression: str) -> DataError:
    return DataError(
        f"tag ratoon.aggregate of field {field!r}",
        expected="count | count(7d) | sum|mean|deviation(value[, 7d]) | last(column[, n])",
        found=repr(expression),
        fix=f"Correct it in feature_repo/; columns are {', '.join(_COLUMNS)}.",
    )
