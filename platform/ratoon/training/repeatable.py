"""The same inputs give the same bytes: where randomness comes from, and which of torch's global switches are set."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch


def generator(seed: int, *purpose: object) -> torch.Generator:
    """A source of randomness for one purpose, always on the processor, so that every device draws the same numbers."""
    digest = hashlib.blake2b(repr((seed, *purpose)).encode(), digest_size=8).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest) >> 1)


@contextmanager
def repeatable(threads: int) -> Iterator[None]:
    """Deterministic kernels on a fixed number of threads inside; whatever was set before, after.

    The number of threads matters because it decides the order in which floats are summed.
    """
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        torch.use_deterministic_algorithms(before[1])
