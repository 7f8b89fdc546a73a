"""The tensor under any mixture of what can happen to it, against the oracle, with FAISS's index reading its files in between."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import rule, run_state_machine_as_test

from ratoon.index.exact import ExactIndex
from ratoon.index.faiss_cpu import FaissIndex
from ratoon.index.gpu.place import Place
from ratoon.index.gpu.tensor import TensorIndex
from tests.index.test_machine import DIM, ROWS, AgainstOracle

PLACE = Place(torch.device("cpu"), lambda: 2**40, budget=2**14)


class TensorAgainstOracle(AgainstOracle):
    """A tensor of so little room for scores that most searches go over several blocks."""

    rebuild: Any = None
    upkeep: Any = None
    follow: Any = None

    def __init__(self) -> None:
        super().__init__()
        self.index: Any = TensorIndex(DIM, "dot", self.policy, PLACE)
        self.kept = self.index.snapshot(), self.oracle.snapshot()

    @rule(query=ROWS)
    def settle(self, query: list[float]) -> None:
        """Float32 or float16."""
        self.index.settle(lambda: np.array([query], np.float32))

    @rule(shared=st.booleans())
    def die(self, shared: bool) -> None:
        """All that was done since the snapshot is lost; now and then FAISS's index writes it again."""
        files = FaissIndex.load(self.kept[0]).snapshot() if shared else self.kept[0]
        assert dict(files) == dict(self.kept[0])
        self.index = TensorIndex.load(files, self.policy, PLACE)
        self.oracle = ExactIndex.load(self.kept[1])


def run(examples: int, steps: int) -> None:
    """So many histories of so many operations."""
    run_state_machine_as_test(
        TensorAgainstOracle, settings=settings(max_examples=examples, stateful_step_count=steps, deadline=None)
    )


def test_anything_may_happen() -> None:
    """Any mixture of changes, changes of width, snapshots and losses leaves what brute force has, in every answer."""
    run(25, 30)


@pytest.mark.soak
def test_anything_may_happen_for_long() -> None:
    """The same over 10^5 operations."""
    run(2_000, 50)
