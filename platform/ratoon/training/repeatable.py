"""The same inputs give the same bytes: where randomness comes from, and which of torch's global switches are set."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch.utils import deterministic

FILLING = "fill_uninitialized_memory"
"""A switch of `torch.utils.deterministic` that its type hints leave out."""


def generator(seed: int, *purpose: object) -> torch.Generator:
    """A source of randomness for one purpose, always on the processor, so that every device draws the same numbers."""
    digest = hashlib.blake2b(repr((seed, *purpose)).encode(), digest_size=8).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest) >> 1)


@contextmanager
def repeatable(threads: int) -> Iterator[None]:
    """Deterministic kernels on a fixed number of threads inside; whatever was set before, after.

    The number of threads matters because it decides the order in which floats are summed.
    """
    threads_before, kernels_before = torch.get_num_threads(), torch.get_deterministic_debug_mode()
    filling_before = getattr(deterministic, FILLING)
    torch.set_num_threads(threads)
    # Not use_deterministic_algorithms, which loads torch's compiler to tell it the same: CPU seconds.
    torch.set_deterministic_debug_mode("error")
    # Nothing here reads memory it has not written, and filling it first costs a seventh of a step.
    setattr(deterministic, FILLING, False)
    try:
        yield
    finally:
        torch.set_num_threads(threads_before)
        torch.set_deterministic_debug_mode(kernels_before)
        setattr(deterministic, FILLING, filling_before)
