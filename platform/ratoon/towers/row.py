"""Encodes one row without columns: on the request path a column of one value costs more to set up than to encode.

`Encoding.encode` is the reference, and a test holds the two together.
"""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ratoon.domain.encoding import Encoding, Inputs, Scale, Vocabulary
from ratoon.domain.schema import Feature

Encoded = npt.NDArray[np.float32] | npt.NDArray[np.int64]


def encode_row(encoding: Encoding, features: Sequence[Feature], table: pa.Table) -> Inputs:
    """What `encoding.encode` gives for a table of one row."""
    return {feature.name: _encode(encoding, feature, table) for feature in features}


def _encode(encoding: Encoding, feature: Feature, table: pa.Table) -> Encoded:
    value = table.column(feature.name)[0].as_py()
    match feature.kind:
        case "id" | "category" if value is None or isinstance(value, str):
            rows = encoding.vocabularies[feature.vocabulary].rows
            return np.array([0 if value is None else rows.get(value, 0)], dtype=np.int64)
        case "ids" | "history" | "attention" if all(isinstance(entry, str) for entry in value or ()):
            return _list(encoding.vocabularies[feature.vocabulary], value or (), feature.dim)
        case "number" | "count" if value is None or isinstance(value, int | float):
            if feature.kind == "count" and value is not None:
                value = math.copysign(math.log1p(abs(value)), value)
            return _number(value, encoding.scales[feature.name])
    return encoding.encode([feature], table)[feature.name]


def _list(vocabulary: Vocabulary, values: Sequence[str | None], length: int) -> npt.NDArray[np.int64]:
    rows = [row for value in values if value is not None and (row := vocabulary.rows.get(value, 0))][-length:]
    return np.array([[0] * (length - len(rows)) + rows], dtype=np.int64)


def _number(value: float | None, scale: Scale) -> npt.NDArray[np.float32]:
    if value is None or not math.isfinite(value):
        return np.array([[0.0, 0.0]], dtype=np.float32)
    return np.array([[min(max((value - scale.mean) / scale.deviation, -5.0), 5.0), 1.0]], dtype=np.float32)
