"""Vectors as FAISS is given them: where they are decoded, as many numbers of them as it decodes at once.

FAISS decodes eight numbers by one instruction, but only of vectors whose length eight divides; of others number by number. A
scan of 50,000 vectors of 68 numbers in float16 takes 4.5 ms of a core that has AVX2, one of 72 takes 0.5. So vectors are
filled up with zeros, which change no inner product, and nobody outside the lists sees them.
"""

from typing import TypeVar

import numpy as np
import numpy.typing as npt

from ratoon.domain.embedding import Vectors

S = TypeVar("S", bound=np.generic)


def longer(rows: npt.NDArray[S], length: int) -> npt.NDArray[S]:
    """Rows with zeros after them up to a length, side by side in memory: the same rows where they are so already."""
    if rows.shape[1] == length:
        return np.ascontiguousarray(rows)
    made = np.zeros((len(rows), length), rows.dtype)
    made[:, : rows.shape[1]] = rows
    return made


def learnt(trained: Vectors, dim: int, length: int) -> Vectors:
    """What a codec has learnt, in rows of a number for each dimension, of longer vectors: zeros span nothing."""
    return longer(trained.reshape(-1, dim), length).ravel() if len(trained) else trained
