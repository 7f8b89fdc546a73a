"""Tests of where randomness comes from."""

import pytest
import torch
from torch.utils import deterministic

from ratoon.training.repeatable import FILLING, generator, repeatable


def _draw(source: torch.Generator) -> float:
    return float(torch.rand(1, generator=source))


def test_same_purpose_draws_the_same() -> None:
    """A generator depends on the seed and its purpose, and on nothing else."""
    assert _draw(generator(1, "a", 2)) == _draw(generator(1, "a", 2))
    assert len({_draw(source) for source in (generator(1, "a"), generator(2, "a"), generator(1, "b"), generator(1, "a", 0))}) == 4


def test_global_switches_are_put_back() -> None:
    """Threads and the deterministic switch are as before, even after an error."""
    threads = torch.get_num_threads()
    with pytest.raises(KeyError), repeatable(threads + 1):  # noqa: PT012  # the state inside is what is asserted
        assert torch.are_deterministic_algorithms_enabled()
        assert torch.get_num_threads() == threads + 1
        raise KeyError
    assert not torch.are_deterministic_algorithms_enabled()
    assert getattr(deterministic, FILLING)
    assert torch.get_num_threads() == threads


def test_global_randomness_is_not_touched() -> None:
    """Making and using generators leaves torch's own generator where it was."""
    before = torch.get_rng_state()
    _draw(generator(1, "a"))
    assert torch.equal(before, torch.get_rng_state())
