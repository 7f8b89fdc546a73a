"""One thread, so that vectors are laid out alike on every machine.

FAISS cuts a product of matrices into as many parts as there are threads, and numbers at their edges are summed in another order:
a distance differs in its last bit, a vector that lies between two centroids goes to the other one, and the release has another
id. One thread costs less CPU than two, which wait for each other, and most where others want the machine.
"""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import faiss

P = ParamSpec("P")
T = TypeVar("T")


def alone(work: Callable[P, T]) -> Callable[P, T]:
    """Let FAISS do this work in the calling thread alone; OpenMP keeps a number for each thread, so that others go on as ever."""

    @wraps(work)
    def done(*args: P.args, **kwargs: P.kwargs) -> T:
        before = faiss.omp_get_max_threads()
        faiss.omp_set_num_threads(1)
        try:
            return work(*args, **kwargs)
        finally:
            faiss.omp_set_num_threads(before)

    return done
