"""What lists are made of: where they lie, how their entries are kept, and FAISS's own index of so many empty ones."""

from dataclasses import dataclass
from typing import Any

import faiss
import numpy as np

from ratoon.domain.dial import Codec, filled_up
from ratoon.domain.embedding import Vectors
from ratoon.index.ivf.eights import learnt, longer
from ratoon.index.ivf.levels import LEVELS


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """What two list indexes have in common if entries can be carried from one to the other.

    Attributes:
        centroids: of the vectors times `scale`, shape (lists, dim).
        scale: of each dimension where vectors are compared with each other, shape (dim,).
        codec: how entries are kept.
        usual: the mean squared distance of scaled vectors from their centroids when these were made.
        trained: what the codec has learnt: for `sq8` the least value and the span of each dimension, for `sq4` the levels of
            each; otherwise empty.
        deep: see `Dial`.
    """

    centroids: Vectors
    scale: Vectors
    usual: float
    codec: Codec
    trained: Vectors
    deep: float = 1.0

    def alike(self, other: "Shape") -> bool:
        """Whether entries of one mean the same in the other, except for where the centroids are."""
        return (
            self.codec == other.codec
            and self.usual == other.usual
            and self.centroids.shape == other.centroids.shape
            and np.array_equal(self.scale, other.scale)
            and np.array_equal(self.trained, other.trained)
        )


def quantizer(shape: Shape) -> Any:
    """A FAISS index of centroids, in the order in which a query finds them."""
    length = filled_up(shape.centroids.shape[1], shape.codec)
    made = faiss.IndexFlatIP(length)
    made.add(longer(shape.centroids / shape.scale, length))
    return made


def made(quantizer: Any, lists: int, shape: Shape) -> Any:
    """A FAISS index of so many empty lists."""
    length = quantizer.d
    index: Any
    if shape.codec == "flat":
        index = faiss.IndexIVFFlat(quantizer, length, lists, faiss.METRIC_INNER_PRODUCT)
    elif shape.codec == "sq4":
        index = faiss.IndexIVFPQFastScan(quantizer, length, lists, length, 4, faiss.METRIC_INNER_PRODUCT)
        index.by_residual = True
        levels = learnt(shape.trained, shape.centroids.shape[1], length).reshape(LEVELS, length)
        faiss.copy_array_to_vector(np.ascontiguousarray(levels.T).ravel(), index.pq.centroids)
    else:
        kind = faiss.ScalarQuantizer.QT_fp16 if shape.codec == "fp16" else faiss.ScalarQuantizer.QT_8bit
        index = faiss.IndexIVFScalarQuantizer(quantizer, length, lists, kind, faiss.METRIC_INNER_PRODUCT, False)
        faiss.copy_array_to_vector(learnt(shape.trained, shape.centroids.shape[1], length), index.sq.trained)
    # FAISS counts lists and centroids, and finds one centroid too few where there is a lobby, which has none.
    index.is_trained = True
    return index
