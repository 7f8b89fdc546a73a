"""From feature columns to the arrays that a tower multiplies: vocabularies that only grow, numbers standardised once."""

import json
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from itertools import chain, repeat
from weakref import WeakValueDictionary

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ratoon.domain.ngrams import hashed
from ratoon.domain.places import AT_ONCE
from ratoon.domain.schema import Feature, FeatureKind, TowerSchema

Inputs = dict[str, npt.NDArray[np.float32] | npt.NDArray[np.int64]]
"""Feature name -> array. id, category: int64 (n,). ids, history, attention: int64 (n, length), 0 = nothing there, newest last.
text: int64 (n, length), 0 = nothing there; all of it for a missing text, never for an empty one.
number, count: float32 (n, 2), value and presence. vector: float32 (n, dim + 1), presence last."""

DAY_US = 86_400_000_000.0

ESCAPED = bytes(range(32)) + b'"\\'
"""What stands in JSON as an escape."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Values and their rows in a table of learned vectors: value i has row i + 1, row 0 is for values never seen.

    It grows at the end and never renumbers, so that a row learned once keeps its meaning in every later release. A row that was
    lost is nobody's from then on: a value that comes back gets a new one at the end, and stands in `values` twice.

    Attributes:
        lost: the rows that values have lost, in the order in which they lost them.
    """

    values: tuple[str, ...] = ()
    rows: Mapping[str, int] = field(default_factory=dict, repr=False, compare=False)
    lost: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Index the values, unless that was done."""
        if len(self.rows) != len(self.values) - len(self.lost):
            object.__setattr__(self, "rows", _without(_numbered(self.values, 1), self.values, self.lost))

    def __len__(self) -> int:
        """The number of rows the table needs, row 0 included."""
        return len(self.values) + 1

    def grown(self, values: Iterable[str]) -> "Vocabulary":
        """This vocabulary followed by the new ones among `values`, in sorted order."""
        # Not a difference of sets, which would look at every value there is.
        new = sorted({value for value in values if value not in self.rows})
        if not new:
            return self
        # Copied and not indexed again: a copy of a dictionary hashes nothing.
        return Vocabulary((*self.values, *new), {**self.rows, **_numbered(new, len(self))}, self.lost)

    def losing(self, rows: Sequence[int]) -> "Vocabulary":
        """This vocabulary without what `rows` stand for, each of which is somebody's; every other value keeps its row."""
        if not rows:
            return self
        return Vocabulary(self.values, _without(dict(self.rows), self.values, rows), (*self.lost, *rows))

    def lookup(self, values: pa.Array) -> npt.NDArray[np.int64]:
        """The row of each value; 0 for nulls and values never seen. Shape (n,)."""
        encoded = pc.dictionary_encode(values)
        known = map(self.rows.get, encoded.dictionary.to_pylist(), repeat(0))
        rows = np.fromiter(chain(known, (0,)), np.int64, len(encoded.dictionary) + 1)
        at: npt.NDArray[np.int32] = encoded.indices.fill_null(len(rows) - 1).to_numpy(zero_copy_only=False)
        return rows[at]


def _numbered(values: Sequence[str], first: int) -> dict[str, int]:
    numbered: dict[str, int] = {}
    for start in range(0, len(values), AT_ONCE):
        part = values[start : start + AT_ONCE]
        numbered.update(zip(part, range(first + start, first + start + len(part)), strict=True))
    return numbered


def _without(numbered: dict[str, int], values: Sequence[str], lost: Iterable[int]) -> dict[str, int]:
    for row in lost:
        # A value that has come back has a later row.
        if numbered[values[row - 1]] == row:
            del numbered[values[row - 1]]
    return numbered


@dataclass(frozen=True, slots=True)
class Scale:
    """Mean and standard deviation of a number, taken once from the rows a model was first trained on."""

    mean: float
    deviation: float


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Encoding:
    """Everything that has to be remembered to encode features the same way for ever.

    Attributes:
        vocabularies: vocabulary name -> values.
        scales: number or count feature name -> scale.
    """

    vocabularies: Mapping[str, Vocabulary] = field(default_factory=dict)
    scales: Mapping[str, Scale] = field(default_factory=dict)

    def grown(self, features: Iterable[Feature], table: pa.Table, held: Container[str] = ()) -> "Encoding":
        """This encoding with every value of `table` in its vocabularies, and a scale for each number that has none.

        Args:
            held: the vocabularies that do not grow so, because values are admitted to them; see `ratoon.domain.admission`.
        """
        vocabularies, scales = dict(self.vocabularies), dict(self.scales)
        for feature in features:
            column = _array(table, feature.name)
            if feature.vocabulary and feature.kind != "text":
                flat = _strings(column.flatten() if feature.kind in ("ids", "history", "attention") else column)
                known = vocabularies.get(feature.vocabulary, Vocabulary())
                values = () if feature.vocabulary in held else pc.unique(flat.drop_null()).to_pylist()
                vocabularies[feature.vocabulary] = known.grown(values)
            elif feature.kind in ("number", "count") and feature.name not in scales:
                scales[feature.name] = _scale(_numbers(column, feature))
        return replace(self, vocabularies=vocabularies, scales=scales)

    def encode(self, features: Iterable[Feature], table: pa.Table) -> Inputs:
        """Arrays for `features` from the columns of `table`, n rows. Batch and single rows give the same numbers."""
        return {feature.name: self._encode(feature, _array(table, feature.name)) for feature in features}

    def _encode(self, feature: Feature, column: pa.Array) -> npt.NDArray[np.float32] | npt.NDArray[np.int64]:
        match feature.kind:
            case "id" | "category":
                return self.vocabularies[feature.vocabulary].lookup(_strings(column))
            case "text":
                return _hashed(_strings(column), feature)
            case "ids" | "history" | "attention":
                rows = self.vocabularies[feature.vocabulary].lookup(_strings(column.flatten()))
                return _padded(rows, column, feature.dim)
            case "number" | "count":
                return _standardised(_numbers(column, feature), self.scales[feature.name])
            case "vector":
                return _vectors(column, feature.dim)

    def to_json(self) -> str:
        """The encoding as JSON, keys sorted; lists only grow at their ends."""
        said: dict[str, object] = {"scales": {name: [scale.mean, scale.deviation] for name, scale in self.scales.items()}}
        if lost := {name: list(vocabulary.lost) for name, vocabulary in self.vocabularies.items() if vocabulary.lost}:
            said["lost"] = lost
        lists = (f"{_quoted([name])[1:-1]}: {_quoted(self.vocabularies[name].values)}" for name in sorted(self.vocabularies))
        return f'{json.dumps(said, sort_keys=True, ensure_ascii=False)[:-1]}, "vocabularies": {{{", ".join(lists)}}}}}'

    @classmethod
    def from_json(cls, text: str) -> "Encoding":
        """The inverse of `to_json`; of equal texts the same object, as long as somebody has it."""
        key = blake2b(text.encode(), digest_size=32).digest()
        if (known := _OPEN.get(key)) is not None:
            return known
        raw = json.loads(text)
        made = cls(
            {
                name: Vocabulary(tuple(values), lost=tuple(raw.get("lost", {}).get(name, ())))
                for name, values in raw["vocabularies"].items()
            },
            {name: Scale(*scale) for name, scale in raw["scales"].items()},
        )
        _OPEN[key] = made
        return made

    @classmethod
    def of(cls, schema: TowerSchema, examples: pa.Table, catalogue: pa.Table, held: Container[str] = ()) -> "Encoding":
        """The encoding of a model that starts from nothing: users from `examples`, items from the whole catalogue."""
        return cls().grown(schema.item, catalogue, held).grown(schema.user, examples, held)


_OPEN: WeakValueDictionary[bytes, Encoding] = WeakValueDictionary()
"""What is in use, by the hash of its text: a refresh opens one model for several rooms, and its catalogue is parsed once."""


def _quoted(values: Sequence[str]) -> str:
    """`json.dumps` of a list of strings, several times faster where none of them has anything to escape, as ids have not."""
    joined = '", "'.join(values)
    bare = "".join(values).encode(errors="surrogatepass")
    if not values or len(bare.translate(None, ESCAPED)) < len(bare):
        return json.dumps(list(values), ensure_ascii=False)
    return f'["{joined}"]'


def completed(features: Iterable[Feature], table: pa.Table) -> pa.Table:
    """`table` with a column of nulls for each feature that it lacks: what a repository dropped is missing for a model."""
    for feature in features:
        if feature.name not in table.column_names:
            table = table.append_column(feature.name, pa.nulls(table.num_rows, _TYPES[feature.kind]))
    return table


_TYPES: dict[FeatureKind, pa.DataType] = {
    "id": pa.string(),
    "category": pa.string(),
    "number": pa.float64(),
    "count": pa.float64(),
    "text": pa.string(),
    "ids": pa.list_(pa.string()),
    "history": pa.list_(pa.string()),
    "attention": pa.list_(pa.string()),
    "vector": pa.list_(pa.float32()),
}


def _array(table: pa.Table, name: str) -> pa.Array:
    column = table.column(name)
    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks) if len(column) else _empty(column)


def _empty(column: pa.ChunkedArray) -> pa.Array:
    return pa.array([], column.type)


def _strings(column: pa.Array) -> pa.Array:
    return column if pa.types.is_string(column.type) else column.cast(pa.string())


def _numbers(column: pa.Array, feature: Feature) -> npt.NDArray[np.float64]:
    if pa.types.is_timestamp(column.type):
        # Unsafe casts, because a float that is a microsecond off is near enough and an error in the year 2256 is not.
        micros = pc.cast(column, pa.timestamp("us", column.type.tz), safe=False).cast(pa.int64())
        return np.asarray(micros.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)) / DAY_US
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.uint8())
    numbers = np.asarray(column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False), dtype=np.float64)
    return np.sign(numbers) * np.log1p(np.abs(numbers)) if feature.kind == "count" else numbers


def _scale(numbers: npt.NDArray[np.float64]) -> Scale:
    known = numbers[np.isfinite(numbers)]
    if not len(known):
        return Scale(0.0, 1.0)
    return Scale(float(known.mean()), float(known.std()) or 1.0)


def _standardised(numbers: npt.NDArray[np.float64], scale: Scale) -> npt.NDArray[np.float32]:
    present = np.isfinite(numbers)
    values = np.where(present, (np.where(present, numbers, 0.0) - scale.mean) / scale.deviation, 0.0)
    # Later data can lie far outside what the scale was taken from; a tower must not be thrown by it.
    return np.stack([np.clip(values, -5.0, 5.0), present], axis=1).astype(np.float32)


def _padded(rows: npt.NDArray[np.int64], lists: pa.Array, length: int) -> npt.NDArray[np.int64]:
    """The newest `length` known entries of each list, newest last, left-padded with 0; shape (n, length)."""
    counts = np.asarray(pc.list_value_length(lists).fill_null(0).to_numpy(zero_copy_only=False), dtype=np.int64)
    owner = np.repeat(np.arange(len(counts)), counts)[rows > 0]
    rows = rows[rows > 0]
    kept = np.bincount(owner, minlength=len(counts))
    from_end = np.repeat(np.cumsum(kept), kept) - np.arange(len(rows))
    padded = np.zeros((len(counts), length), dtype=np.int64)
    fits = from_end <= length
    padded[owner[fits], length - from_end[fits]] = rows[fits]
    return padded


def _hashed(texts: pa.Array, feature: Feature) -> npt.NDArray[np.int64]:
    """Each text's rows from the left, then 0; shape (n, dim). Equal texts are hashed once."""
    encoded = pc.dictionary_encode(texts)
    rows = np.zeros((len(encoded.dictionary) + 1, feature.dim), dtype=np.int64)
    for place, text in enumerate(encoded.dictionary.to_pylist()):
        found = hashed(text, feature.ngram, feature.buckets, feature.dim)
        rows[place, : len(found)] = found
    at: npt.NDArray[np.int32] = encoded.indices.fill_null(len(rows) - 1).to_numpy(zero_copy_only=False)
    return rows[at]


def _vectors(column: pa.Array, dim: int) -> npt.NDArray[np.float32]:
    """Each vector and 1, or zeros for one that is missing, of another length, or has an entry that is no finite number."""
    values = np.zeros((len(column), dim + 1), dtype=np.float32)
    whole = np.asarray(pc.fill_null(pc.equal(pc.list_value_length(column), dim), False).to_numpy(zero_copy_only=False))
    flat = column.filter(pa.array(whole)).flatten().cast(pa.float32(), safe=False)
    found = np.asarray(flat.to_numpy(zero_copy_only=False), dtype=np.float32).reshape(-1, dim)
    finite = np.isfinite(found).all(axis=1)
    values[np.flatnonzero(whole)[finite], :dim] = found[finite]
    values[np.flatnonzero(whole)[finite], dim] = 1.0
    return values
