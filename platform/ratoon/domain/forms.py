"""Learned numbers in fewer bits than 32: how they lie in a model's files, and in the memory of a server. Pure.

float32  as they are learnt
float16  half of the bytes; numbers beyond its range are the greatest that it has
int8     a quarter: each row is whole numbers from -127 to 127 times a scale of its own

What was read from one form and is written in it again is the same bytes. With that a row that a refresh does not move stays as it
was, bit for bit, and so does every vector made of it; nothing needs to know what a model was read from. For int8 it is so because
scales have 12 significant bits: 127 times one is a float32 without rounding, and so is what the scale is found from again.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

Form = Literal["float32", "float16", "int8"]

Floats = npt.NDArray[np.float32]
Packed = npt.NDArray[np.float32] | npt.NDArray[np.float16] | npt.NDArray[np.int8]

TABLE = "table."
"""How the names of tables of learned rows begin; what is called otherwise is of a layer."""

SCALES = "/scales"
"""After the name of a tensor of whole numbers: the scale of each of its rows, float32."""

MOST = 127

DROPPED = 12
"""The bits at the end of a scale's 24 that are zero."""


@dataclass(frozen=True, slots=True)
class Forms:
    """In which form a model's files have what is learnt; single numbers per unit of a layer are never whole numbers."""

    tables: Form = "float32"
    layers: Form = "float32"

    def of(self, name: str) -> Form:
        """The form of a tensor."""
        return self.tables if name.startswith(TABLE) else self.layers


PLAIN = Forms()


class Rows(Protocol):
    """A table of learned rows in some form, of which only what is asked for becomes float32."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and their length."""

    @property
    def nbytes(self) -> int:
        """What it takes."""

    def __getitem__(self, rows: Any, /) -> Floats:
        """These rows: one number, or an array or list of them, gives an array of that shape and the rows' length."""


@dataclass(frozen=True, slots=True, eq=False)
class Halved:
    """Rows in float16; shape (rows, width)."""

    values: npt.NDArray[np.float16]

    @property
    def shape(self) -> tuple[int, ...]:
        """See `Rows`."""
        return self.values.shape

    @property
    def nbytes(self) -> int:
        """See `Rows`."""
        return self.values.nbytes

    def __getitem__(self, rows: Any, /) -> Floats:
        """See `Rows`."""
        return np.asarray(self.values[rows], np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Scaled:
    """Rows in int8.

    Attributes:
        codes: whole numbers; shape (rows, width).
        scales: what each row's are multiplied by; shape (rows,).
    """

    codes: npt.NDArray[np.int8]
    scales: Floats

    @property
    def shape(self) -> tuple[int, ...]:
        """See `Rows`."""
        return self.codes.shape

    @property
    def nbytes(self) -> int:
        """See `Rows`."""
        return self.codes.nbytes + self.scales.nbytes

    def __getitem__(self, rows: Any, /) -> Floats:
        """See `Rows`."""
        scales = self.scales[rows]
        return np.asarray(self.codes[rows] * (scales[..., None] if isinstance(scales, np.ndarray) else scales), np.float32)


def averaging(table: Rows) -> Callable[[list[int]], Floats]:
    """Gives the mean of some rows, at least one, of a table; a row that is named twice counts twice. Shape (width,).

    Made for the few rows of one user, where each call of NumPy costs more than its arithmetic: whole numbers are scaled in the
    product that adds them up.
    """
    if isinstance(table, Scaled):
        codes, scales = table.codes, table.scales

        def scaled(rows: list[int]) -> Floats:
            at = np.array(rows)
            mean: Floats = (scales.take(at) * np.float32(1 / len(rows))).dot(codes.take(at, 0).astype(np.float32))
            return mean

        return scaled
    values = table.values if isinstance(table, Halved) else np.asarray(table)

    def plainly(rows: list[int]) -> Floats:
        mean: Floats = np.full(len(rows), 1 / len(rows), np.float32).dot(values.take(rows, 0).astype(np.float32, copy=False))
        return mean

    return plainly


def packed(name: str, values: Floats, form: Form) -> Iterator[tuple[str, Packed]]:
    """A tensor as the tensors that a file has of it, by name."""
    if form == "int8" and values.ndim == 2:
        scaled = _scaled(values)
        yield name, scaled.codes
        yield f"{name}{SCALES}", scaled.scales
    elif form == "float16":
        most = np.finfo(np.float16).max
        yield name, np.clip(values, -most, most).astype(np.float16)
    else:
        yield name, values


def opened(tensors: Mapping[str, Packed]) -> dict[str, Rows]:
    """A file's tensors, which stay in their form, without copying them.

    Raises:
        KeyError: there are whole numbers without their scales.
        ValueError: there is not one scale for each row of whole numbers.
    """
    return {name: _opened(name, values, tensors) for name, values in tensors.items() if not name.endswith(SCALES)}


def plain(rows: Rows) -> Floats:
    """All of a tensor as float32."""
    return rows if isinstance(rows, np.ndarray) else rows[:]


def _opened(name: str, values: Packed, tensors: Mapping[str, Packed]) -> Rows:
    if values.dtype == np.int8:
        scales = tensors[f"{name}{SCALES}"]
        if values.ndim != 2 or scales.shape != values.shape[:1]:
            raise ValueError(f"{name}: {values.shape} whole numbers, {scales.shape} scales")
        return Scaled(values.astype(np.int8, copy=False), scales.astype(np.float32, copy=False))
    if values.dtype == np.float16:
        return Halved(values.astype(np.float16, copy=False))
    return values.astype(np.float32, copy=False)


def _scaled(values: Floats) -> Scaled:
    largest = np.abs(values).max(axis=1, initial=0.0)
    bits = (largest / np.float32(MOST)).view(np.uint32)
    low = np.uint32((1 << DROPPED) - 1)
    scales = ((bits + low) & ~low).view(np.float32)
    # Rows so short that a scale of theirs would have fewer bits are nothing.
    scales = np.where(scales < np.finfo(np.float32).tiny, np.float32(0.0), scales)
    codes = np.rint(np.divide(values, scales[:, None], out=np.zeros_like(values), where=scales[:, None] > 0))
    return Scaled(codes.astype(np.int8), scales)
