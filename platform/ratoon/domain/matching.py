"""Which rows of some columns a predicate is true of, all rows at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import reduce
from math import ceil, floor
from typing import Any as Scalar

import numpy as np
import numpy.typing as npt

from ratoon.domain.predicate import All, Any, Equals, Exists, Has, In, Not, Predicate, Range, Value

Bools = npt.NDArray[np.bool_]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """What n items have in one column.

    Attributes:
        values: numbers, booleans or microseconds since 1970 (int64); or, with `codes`, numbers below `size` that stand for a
            string or a list, -1 for none; shape (n,).
        known: whether it says anything of the item; shape (n,).
        codes: for each string the number that stands for it, for each entry of lists those of the lists that have it.
        size: how many strings or lists there are.
        held: whether there is an item at all; shape (n,); None: in every row.
    """

    values: npt.NDArray[Scalar]
    known: Bools
    codes: Mapping[Value, Sequence[int]] | None = None
    size: int = 0
    held: Bools | None = None


def columns_of(predicate: Predicate) -> set[str]:
    """The columns that it is about."""
    match predicate:
        case All(parts) | Any(parts):
            return set().union(*map(columns_of, parts))
        case Not(part):
            return columns_of(part)
        case _:
            return {predicate.column}


def matching(predicate: Predicate, columns: Mapping[str, Column]) -> Bools:
    """Whether it is true of each row.

    Numbers are compared as the column holds them: in a column of float32, 0.1 means the float32 next to it.

    Args:
        predicate: bound to the kinds of these columns.
        columns: all of n rows.
    """
    return _told(predicate, columns)[0]


def _told(predicate: Predicate, columns: Mapping[str, Column]) -> tuple[Bools, Bools]:
    """Of which rows it is true, and of which it is false; of neither where something is unknown (Kleene 1938)."""
    match predicate:
        case Not(part):
            return _told(part, columns)[::-1]
        case All(parts):
            told = [_told(part, columns) for part in parts]
            return reduce(np.logical_and, (yes for yes, _ in told)), reduce(np.logical_or, (no for _, no in told))
        case Any(parts):
            told = [_told(part, columns) for part in parts]
            return reduce(np.logical_or, (yes for yes, _ in told)), reduce(np.logical_and, (no for _, no in told))
        case Exists(name, exists):
            said = columns[name].known
            unsaid = ~said if (held := columns[name].held) is None else held & ~said
            return (said, unsaid) if exists else (unsaid, said)
        case _:
            column = columns[predicate.column]
            holds = _holds(predicate, column)
            return column.known & holds, column.known & ~holds


def _holds(condition: Equals | In | Range | Has, column: Column) -> Bools:
    match condition:
        case Equals(_, value) | Has(_, value):
            return _among(column, (value,))
        case In(_, values):
            return _among(column, values)
        case Range(_, low, high):
            return _between(column, low, high)


def _among(column: Column, values: Sequence[Value]) -> Bools:
    if column.codes is None:
        return np.isin(column.values, _alike(values, column.values.dtype))
    truth = np.zeros(column.size + 1, np.bool_)  # the last is what -1 finds
    for value in values:
        truth[list(column.codes.get(value, ()))] = True
    found: Bools = truth[column.values]
    return found


def _between(column: Column, low: Value | None, high: Value | None) -> Bools:
    inside = np.full(len(column.values), column.codes is None)  # strings and lists have no order here
    if column.codes is not None:
        return inside
    if low is not None:
        inside &= column.values >= _end(low, column.values.dtype, ceil)
    if high is not None:
        inside &= column.values <= _end(high, column.values.dtype, floor)
    return inside


def _end(value: Value, dtype: np.dtype[Scalar], rounded: Scalar) -> Scalar:
    """An end of a range, to be compared with whole numbers without losing digits."""
    number = _number(value)
    return rounded(number) if dtype.kind == "i" else _alike([number], dtype)[0]


def _alike(values: Sequence[Value], dtype: np.dtype[Scalar]) -> npt.NDArray[Scalar]:
    """Those of the values that a column of this type can hold."""
    numbers = [_number(value) for value in values]
    if dtype.kind == "i":
        whole = [int(number) for number in numbers if number == int(number) and -(2**63) <= number < 2**63]
        return np.array(whole, dtype)
    with np.errstate(over="ignore"):
        return np.array(numbers).astype(dtype)


def _number(value: Value) -> Scalar:
    return (value - EPOCH) // timedelta(microseconds=1) if isinstance(value, datetime) else value
