"""By how much the tensors of two releases differ."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load

from ratoon.ports import Files

SUFFIX = ".safetensors"

Tensor = npt.NDArray[np.generic]


@dataclass(frozen=True, slots=True)
class Differing:
    """One tensor that is not the same in two releases, or one file that holds none.

    Attributes:
        tensor: empty for a file of another kind, whose bytes differ.
        how: in words where there is more to say than numbers, such as `only in the second`.
        rows, of: how many indices of the first axis differ, of those that both have; a scalar has one.
        largest: the largest absolute difference between two numbers; None where there are none to compare.
        relative: the length of the difference over that of the first tensor, both in the rows that both have; None likewise.
    """

    file: str
    tensor: str
    how: str = ""
    rows: int = 0
    of: int = 0
    largest: float | None = None
    relative: float | None = None


@dataclass(frozen=True, slots=True)
class Tensors:
    """Two releases' files side by side.

    Attributes:
        equal: how many tensors are the same bit for bit.
    """

    equal: int
    differing: tuple[Differing, ...]


def compared(first: Files, second: Files) -> Tensors:
    """What differs between the files of two releases, by file and name."""
    equal, differing = 0, list[Differing]()
    for file in sorted({*first, *second}):
        if file not in first or file not in second:
            differing.append(Differing(file, "", _only(file in first)))
        elif not file.endswith(SUFFIX):
            differing += [Differing(file, "", "bytes differ")] if first[file] != second[file] else []
        else:
            for one in _tensors(file, first[file], second[file]):
                equal += one is None
                differing += [one] if one else []
    return Tensors(equal, tuple(differing))


def _tensors(file: str, first: bytes, second: bytes) -> Iterator[Differing | None]:
    """None for each that is the same."""
    try:
        before, after = load(first), load(second)
    except (SafetensorError, KeyError, TypeError):  # numbers that NumPy does not know
        yield Differing(file, "", "bytes differ") if first != second else None
        return
    for name in sorted({*before, *after}):
        if name not in before or name not in after:
            yield Differing(file, name, _only(name in before))
        else:
            yield _differing(file, name, before[name], after[name])


def _differing(file: str, name: str, first: Tensor, second: Tensor) -> Differing | None:
    if (first.shape, first.dtype) == (second.shape, second.dtype) and first.tobytes() == second.tobytes():
        return None
    how = "" if first.shape == second.shape else f"{_shape(first)} against {_shape(second)}"
    if first.shape[1:] != second.shape[1:] or first.ndim != second.ndim:
        return Differing(file, name, how)
    a, b = np.atleast_1d(first), np.atleast_1d(second)
    shared = min(len(a), len(b))
    old, new = a[:shared].astype(np.float64), b[:shared].astype(np.float64)
    same = (old == new) | (np.isnan(old) & np.isnan(new))
    rows = int((~same).reshape(shared, -1).any(axis=1).sum()) if same.size else 0
    apart = np.where(same, 0.0, new) - np.where(same, 0.0, old)
    if not apart.size or not np.isfinite(apart).all():
        return Differing(file, name, how or ("some are no numbers" if apart.size else ""), rows, shared)
    length = float(np.linalg.norm(np.where(np.isfinite(old), old, 0.0)))
    relative = float(np.linalg.norm(apart)) / length if length else None
    return Differing(file, name, how, rows, shared, float(np.abs(apart).max()), relative)


def _only(in_first: bool) -> str:
    return "only in the first" if in_first else "only in the second"


def _shape(tensor: Tensor) -> str:
    return " x ".join(map(str, tensor.shape)) or "one number"
