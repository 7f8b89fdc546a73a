"""How FAISS is asked to look through lists: which, how deep, and past which entries."""

from collections.abc import Sequence
from functools import cache, reduce
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt

from ratoon.domain.embedding import Vectors
from ratoon.index.items.slots import Rows
from ratoon.index.ivf.eights import longer

Scored = tuple[Vectors, Rows]
"""Scores, falling, and slots, -1 where there is no more; shape (queries, depth) each."""


NOTHING = -np.finfo(np.float32).max
"""FAISS's score of no entry."""


def selector(bits: Sequence[npt.NDArray[np.uint8]], without: Rows | None = None) -> Any:
    """What FAISS asks which slots to look at: those whose bit is set in all of `bits` and that are not in `without`."""
    sels: list[Any] = [faiss.IDSelectorBitmap(one) for one in bits]  # type: ignore[call-arg, arg-type]  # as are arrays
    if without is not None:
        sels.append(faiss.IDSelectorNot(faiss.IDSelectorBatch(without)))
    return reduce(faiss.IDSelectorAnd, sels) if sels else None


def scanned(
    index: Any, queries: Vectors, depth: int, nprobe: int, sel: Any, keys: Rows | None, near: Vectors | None = None
) -> Scored:
    """The best entries of some lists of a FAISS index; see `Lists.search`.

    Args:
        near: the inner products of queries and the centroids of `keys`, for an index that keeps how entries differ from those.
    """
    queries = longer(queries, index.d)
    scores, slots = np.empty((len(queries), depth), np.float32), np.empty((len(queries), depth), np.int64)
    if keys is None:
        params = _probing(nprobe) if sel is None else faiss.SearchParametersIVF(nprobe=nprobe, sel=sel)  # type: ignore[call-arg]
        # Past FAISS's own wrapper, which checks once more what was checked, and takes as long as it takes to look into a list.
        index.search_c(len(queries), faiss.swig_ptr(queries), depth, faiss.swig_ptr(scores), faiss.swig_ptr(slots), params)
        return scores, slots
    params = faiss.SearchParametersIVF(nprobe=nprobe, sel=sel)  # type: ignore[call-arg]  # missing in FAISS's stubs
    given = [queries, depth, keys, np.zeros(keys.shape, np.float32) if near is None else near, scores, slots]
    pointers = [faiss.swig_ptr(one) if isinstance(one, np.ndarray) else one for one in given]
    index.search_preassigned_c(len(queries), *pointers, False, params)
    return scores, slots


@cache
def _probing(nprobe: int) -> Any:
    """How many lists to look at, and nothing else; a search only reads it."""
    return faiss.SearchParametersIVF(nprobe=nprobe)  # type: ignore[call-arg]  # missing in FAISS's stubs
