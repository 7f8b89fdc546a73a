"""Item vectors that are searched and changed in place: FAISS, and the exact search it is measured by.

Importing this package does not import FAISS, so that two FAISS distributions can be told apart from a broken one first.
"""

from ratoon.index.distributions import faiss_info, refuse_two_faiss
from ratoon.index.opening import ExactIndexes, FaissIndexes

__all__ = ["ExactIndexes", "FaissIndexes", "faiss_info", "refuse_two_faiss"]
