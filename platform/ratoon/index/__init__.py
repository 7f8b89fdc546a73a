"""Item vectors that are searched and changed in place: FAISS, and the exact search it is measured by.

Importing this package imports neither torch nor FAISS: two FAISS distributions can be told apart from a broken one first.
"""

from ratoon.index.devices import Choice, chosen, processor_for_mapped
from ratoon.index.distributions import faiss_info, refuse_two_faiss
from ratoon.index.opening import ExactIndexes, FaissIndexes, TensorIndexes

__all__ = [
    "Choice",
    "ExactIndexes",
    "FaissIndexes",
    "TensorIndexes",
    "chosen",
    "faiss_info",
    "processor_for_mapped",
    "refuse_two_faiss",
]
