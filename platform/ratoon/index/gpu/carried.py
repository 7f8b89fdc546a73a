"""The same files as FAISS's index: each loads what the other wrote.

A tensor has no lists: those of a snapshot are ignored, and what is written has one.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from ratoon.domain.dial import Codec, Dial
from ratoon.domain.release import Metric
from ratoon.index.gpu.matrix import Matrix
from ratoon.index.gpu.place import Place
from ratoon.index.items.slots import Slots
from ratoon.index.snapshots import ITEMS, part, placed, read_items, write_items
from ratoon.index.stored import VECTORS, packed, parsed
from ratoon.ports import Files


def kept_as(codec: Codec) -> Codec:
    """How a tensor keeps what another index keeps so: no device multiplies codes of which each dimension has its own scale."""
    return "fp16" if codec in ("sq8", "sq4") else codec


def write(slots: Slots, matrix: Matrix, metric: Metric, items: bytes | None) -> Files:
    """The files of a snapshot; items stay in their rows.

    Args:
        items: what `write_items` says of the slots, if that is known.
    """
    order, ones = slots.packed(), np.ones(matrix.dim, np.float32)
    tensors = {
        "centroids": np.zeros((1, matrix.dim), np.float32),
        "scale": ones,
        "usual": np.zeros(1),
        "trained": np.empty(0, np.float32),
        "lists": np.zeros(len(order), np.int32),
        "vectors": matrix.codes(order),
    }
    return {VECTORS: packed(Dial(codec=matrix.codec), tensors), ITEMS: items or write_items(slots, order, metric)}


def read(files: Files, place: Place) -> tuple[Slots, Matrix, Metric]:
    """What is in a snapshot, whichever index wrote it, the vectors on the device.

    Raises:
        StoreError: a file is missing, is not an index's, or does not fit the other; or the vectors do not fit the device.
    """
    table, metric = read_items(files)
    dial, tensors = parsed(part(files, VECTORS))
    vectors: npt.NDArray[Any] = tensors["vectors"]
    places = placed(table, len(vectors), VECTORS)
    slots = Slots.told(places, table)
    if dial.codec == "sq8":
        least, span = np.split(tensors["trained"], 2)
        vectors = least + (vectors.astype(np.float32) + np.float32(0.5)) / np.float32(255) * span
    matrix = Matrix(place, vectors.shape[1], kept_as(dial.codec), len(vectors))
    matrix.put(np.arange(len(vectors)), vectors)
    return slots, matrix, metric
