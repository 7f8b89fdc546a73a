"""The user tower for one user at a time: values straight to a vector, as requests come.

`Encoding.encode` and `ratoon.towers.forward` are the reference, for any number of rows; a test holds the two together to 1e-5.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

import numpy as np

from ratoon.domain.embedding import Vectors
from ratoon.domain.encoding import DAY_US, Encoding, Scale
from ratoon.domain.forms import Floats, Rows, averaging
from ratoon.domain.ngrams import hashed
from ratoon.domain.release import Metric
from ratoon.domain.schema import Feature
from ratoon.ports import Values
from ratoon.towers.forward import Weights, attended

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Filler = Callable[[object, Floats], None]
"""Writes what a value, which is not None, becomes into its part of the joined features, which holds zeros."""


class UserTower:
    """One release's user tower, laid out once. Immutable, so any number of threads may ask it."""

    def __init__(self, features: Sequence[Feature], encoding: Encoding, weights: Weights, metric: Metric, worth: Vectors) -> None:
        """Args: worth: what traits are worth, the end of every vector."""
        self._metric, self._learned = metric, "user.w1" in weights.layers
        self._parts: list[tuple[str, slice, Filler, Floats | None]] = []
        end = 0
        for feature in features:
            width, filler, missing = _part(feature, encoding, weights)
            self._parts.append((feature.name, slice(end, end + width), filler, missing))
            end += width
        self._width, self._worth = end, worth
        if self._learned:
            layers = {name: weights.layers[f"user.{name}"] for name in ("w1", "b1", "w2", "b2", "p")}
            # One product for both that the joined features go into.
            self._into = np.concatenate([layers["w1"], layers["p"]])
            self._hidden, self._b1, self._w2, self._b2 = len(layers["w1"]), layers["b1"], layers["w2"], layers["b2"]

    def vector(self, values: Values) -> Vectors:
        """The vector of one user; shape (1, dim)."""
        joined = np.zeros(self._width, np.float32)
        for name, place, fill, missing in self._parts:
            value = values.get(name)
            if value is not None:
                fill(value, joined[place])
            elif missing is not None:
                joined[place] = missing
        if self._learned:
            both = self._into.dot(joined)
            hidden = np.maximum(both[: self._hidden] + self._b1, 0.0)
            joined = self._w2.dot(hidden) + self._b2 + both[self._hidden :]
        if self._metric == "cosine":
            joined = joined / max(math.sqrt(float(joined @ joined)), 1e-12)
        return np.concatenate([joined, self._worth], dtype=np.float32)[None, :]


def _part(feature: Feature, encoding: Encoding, weights: Weights) -> tuple[int, Filler, Floats | None]:
    """How wide a feature is, how it is filled, and what it is where it is missing if that is not zeros."""
    if feature.kind in ("number", "count"):
        return 2, _number(encoding.scales[feature.name], logarithmic=feature.kind == "count"), None
    if feature.kind == "vector":
        return feature.dim + 1, _vector(feature.dim), None
    table = weights.tables[feature.vocabulary]
    width = table.shape[1]
    if feature.kind == "text":
        return width + 1, _text(feature, table), None
    rows = encoding.vocabularies[feature.vocabulary].rows
    match feature.kind:
        case "ids":
            return width, _ids(rows, table, feature.dim), None
        case "history":
            return 2 * width, _history(rows, table, feature.dim), None
        case "attention":
            return 2 * width, _attention(rows, table, feature, weights.layers), None
        case _:
            return width, _category(rows, table), table[0]


def _category(rows: Mapping[str, int], table: Rows) -> Filler:
    def fill(value: object, into: Floats) -> None:
        into[:] = table[rows.get(str(value), 0)]

    return fill


def _known(values: object, rows: Mapping[str, int], length: int) -> list[int]:
    """The rows of the newest known entries."""
    entries = values if isinstance(values, list) else ()
    return [row for entry in entries if entry is not None and (row := rows.get(str(entry), 0))][-length:]


def _ids(rows: Mapping[str, int], table: Rows, length: int) -> Filler:
    mean = averaging(table)

    def fill(value: object, into: Floats) -> None:
        if found := _known(value, rows, length):
            into[:] = mean(found)

    return fill


def _history(rows: Mapping[str, int], table: Rows, length: int) -> Filler:
    width, mean = table.shape[1], averaging(table)

    def fill(value: object, into: Floats) -> None:
        if found := _known(value, rows, length):
            into[:width] = mean(found)
            into[width:] = table[found[-1]]

    return fill


def _attention(rows: Mapping[str, int], table: Rows, feature: Feature, layers: Mapping[str, Floats]) -> Filler:
    width = table.shape[1]

    def fill(value: object, into: Floats) -> None:
        if found := _known(value, rows, feature.dim):
            padded = np.array([[0] * (feature.dim - len(found)) + found], np.int64)
            into[:width] = attended(feature, padded, table, layers)[0]
            into[width:] = table[found[-1]]

    return fill


def _text(feature: Feature, table: Rows) -> Filler:
    mean = averaging(table)

    def fill(value: object, into: Floats) -> None:
        into[:-1] = mean(hashed(str(value), feature.ngram, feature.buckets, feature.dim))
        into[-1] = 1.0

    return fill


def _number(scale: Scale, *, logarithmic: bool) -> Filler:
    def fill(value: object, into: Floats) -> None:
        number = _measured(value)
        if math.isfinite(number):
            if logarithmic:
                number = math.copysign(math.log1p(abs(number)), number)
            into[0], into[1] = min(max((number - scale.mean) / scale.deviation, -5.0), 5.0), 1.0

    return fill


def _measured(value: object) -> float:
    """A number, or days since 1970; not a number where there is none."""
    if isinstance(value, datetime):
        return (value - EPOCH).total_seconds() * 1e6 / DAY_US
    return float(value) if isinstance(value, int | float) else math.nan


def _narrowed(value: object) -> Floats:
    with np.errstate(over="ignore"):  # what is too large for the towers is infinite, and so missing
        return np.asarray(value, np.float32)


def _vector(dim: int) -> Filler:
    def fill(value: object, into: Floats) -> None:
        if not isinstance(value, list | np.ndarray) or len(value) != dim or (isinstance(value, list) and None in value):
            return
        found = value if isinstance(value, np.ndarray) and value.dtype == np.float32 else _narrowed(value)
        if np.isfinite(found).all():
            into[:dim], into[dim] = found, 1.0

    return fill
