"""What a FAISS index writes: `index.safetensors` and `items.parquet`, a row per item.

Items stay in their rows from one snapshot to the next, so that what differs between two of them is what was written.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any, get_args

import numpy as np
import pyarrow as pa
from safetensors.numpy import save

from ratoon.domain.dial import Codec, Dial
from ratoon.domain.errors import StoreError
from ratoon.domain.places import Places
from ratoon.domain.release import Metric
from ratoon.index.items.slots import Rows, Slots
from ratoon.index.ivf.fours import lists_of
from ratoon.index.ivf.levels import LEVELS
from ratoon.index.ivf.lists import Codes, Lists
from ratoon.index.ivf.shape import Shape
from ratoon.index.snapshots import FIX, ITEMS, part, placed, read_items, write_items
from ratoon.ports import Files

VECTORS = "index.safetensors"
DIAL = "dial"
LENGTH = 8
"""Bytes of the header's length."""

KINDS: dict[Codec, type[np.generic]] = {"flat": np.float32, "fp16": np.float16, "sq8": np.uint8, "sq4": np.float16}
"""What a snapshot holds of a vector: of `sq4` the vector itself, of which the codes are made again."""

NUMBERS = (np.uint8, np.uint16, np.int32)
"""What the numbers of lists may be kept in: the narrowest that holds them, where earlier snapshots had the last."""

LEARNT: dict[Codec, int] = {"flat": 0, "fp16": 0, "sq8": 2, "sq4": LEVELS}
"""Numbers for each dimension that a codec learns."""


@dataclass(frozen=True, slots=True, eq=False)
class Stored:
    """An index's content."""

    slots: Slots
    lists: Lists
    metric: Metric
    dial: Dial


@dataclass(frozen=True, slots=True, eq=False)
class Written:
    """The vectors of a snapshot.

    Attributes:
        shape: of the lists.
        data: the bytes of `index.safetensors`.
        lists: of each row, shape (n,).
        codes: of each row, shape (n, bytes).
    """

    shape: Shape
    data: bytes
    lists: Rows
    codes: Codes

    def laid(self) -> Lists:
        """In lists in memory, each row's number being its slot."""
        lists = lists_of(self.shape)
        lists.load(np.arange(len(self.lists)), self.lists, self.codes)
        return lists


def write(stored: Stored, items: bytes | None) -> Files:
    """The files of a snapshot; the same bytes for the same items in the same slots and lists.

    Args:
        items: what `write_items` says of the slots, if that is known.
    """
    order, lists = stored.slots.packed(), stored.lists
    shape, kind = lists.shape, KINDS[lists.codec]
    codes = np.empty((len(stored.slots.ids), lists.dim), kind)
    numbers = np.empty(len(codes), np.int32)
    for number in np.flatnonzero(lists.sizes()).tolist():
        slots, own = lists.entries(number)
        codes[slots], numbers[slots] = own.view(kind), number
    tensors = {
        "centroids": shape.centroids,
        "scale": shape.scale,
        "usual": np.array([shape.usual]),
        "trained": shape.trained,
        "lists": numbers[order],
        "vectors": codes[order],
    }
    return {VECTORS: packed(stored.dial, tensors), ITEMS: items or write_items(stored.slots, order, stored.metric)}


def packed(dial: Dial, tensors: dict[str, Any]) -> bytes:
    """The file of the vectors; see `write` for which tensors."""
    kind = next(kind for kind in NUMBERS if dial.lists - 1 <= np.iinfo(kind).max)
    tensors = {**tensors, "lists": tensors["lists"].astype(kind)}
    # One entry alone: several would come in no certain order.
    return save(tensors, {DIAL: json.dumps(asdict(dial), sort_keys=True)})


@dataclass(frozen=True, slots=True, eq=False)
class Told:
    """What a snapshot says, of items by row.

    Attributes:
        places: the row of each item.
    """

    table: pa.Table
    places: Places
    metric: Metric
    dial: Dial
    written: Written


def unpacked(files: Files) -> Told:
    """What `write` wrote, vectors as views on the bytes.

    Raises:
        StoreError: a file is missing, is not an index's, or does not fit the other.
    """
    table, metric = read_items(files)
    data = part(files, VECTORS)
    dial, tensors = parsed(data)
    # Copies: what is kept of the snapshot must not keep all of its bytes.
    centroids, scale, trained = (tensors[name].copy() for name in ("centroids", "scale", "trained"))
    shape = Shape(centroids, scale, float(tensors["usual"][0]), dial.codec, trained, dial.deep)
    places = placed(table, len(tensors["vectors"]), VECTORS)
    written = Written(shape, data, tensors["lists"].astype(np.int64), tensors["vectors"].view(np.uint8))
    return Told(table, places, metric, dial, written)


def read(files: Files, laid: Callable[[Written], Lists] = Written.laid) -> Stored:
    """What `write` wrote, as what is searched; StoreError like `unpacked`.

    Args:
        laid: where the vectors come to lie.
    """
    told = unpacked(files)
    lists = laid(told.written)
    return Stored(Slots.told(told.places, told.table), lists, told.metric, replace(told.dial, codec=lists.codec))


def parsed(data: bytes) -> tuple[Dial, dict[str, Any]]:
    """What `packed` wrote, the tensors as read-only views; StoreError if it is something else."""
    try:
        start = LENGTH + int.from_bytes(data[:LENGTH], "little")
        header = json.loads(data[LENGTH:start])
        dial = Dial(**json.loads(header.pop("__metadata__")[DIAL]))
        tensors = {name: _array(data, start, told) for name, told in header.items()}
        fits = _fits(dial, tensors)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreError(VECTORS, expected="an index's safetensors file", found=str(error), fix=FIX) from error
    if not fits:
        told = ", ".join(f"{name} {array.dtype}{list(array.shape)}" for name, array in sorted(tensors.items()))
        raise StoreError(VECTORS, expected=f"the tensors of {dial}", found=told, fix=FIX)
    return dial, tensors


def _array(data: bytes, start: int, told: Any) -> Any:
    """A tensor; see `ratoon.towers.tensors` for the format. What the library gives is a copy, made while every thread waits."""
    kinds = {"F32": np.float32, "F64": np.float64, "F16": np.float16, "U8": np.uint8, "U16": np.uint16, "I32": np.int32}
    kind, (first, last) = np.dtype(kinds[told["dtype"]]), told["data_offsets"]
    count, rest = divmod(last - first, kind.itemsize)
    if first < 0 or count < 0 or rest:
        raise ValueError(f"{told['dtype']} from byte {first} to {last}")
    return np.frombuffer(data, kind, count, start + first).reshape(told["shape"])


def _fits(dial: Dial, tensors: dict[str, Any]) -> bool:
    centroids, scale, trained = (tensors[name] for name in ("centroids", "scale", "trained"))
    lists, vectors = tensors["lists"], tensors["vectors"]
    return (
        dial.codec in get_args(Codec)
        and centroids.dtype == scale.dtype == trained.dtype == np.float32
        and lists.dtype in NUMBERS
        and vectors.dtype == KINDS[dial.codec]
        and (tensors["usual"].dtype, tensors["usual"].shape) == (np.float64, (1,))
        and centroids.shape == (dial.lists, *scale.shape)
        and vectors.shape == (len(lists), len(scale))
        and trained.shape == (LEARNT[dial.codec] * len(scale),)
        and (not len(lists) or 0 <= lists.min() <= lists.max() < dial.lists)
    )
