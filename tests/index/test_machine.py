"""The FAISS index under any mixture of what can happen to it, against the oracle."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from ratoon.domain.dial import Dial, IndexPolicy
from ratoon.domain.embedding import EmbeddingBatch, Vectors
from ratoon.domain.predicate import Equals, Not, Range
from ratoon.index.exact import ExactIndex
from ratoon.index.faiss_cpu import FaissIndex
from ratoon.index.filters import block, narrowing
from ratoon.ports import Files

DIM = 4
IDS = [f"i{number}" for number in range(40)]
# Few values on a coarse grid: ties are common, every inner product is exact in float32 and every number in float16.
ROWS = st.lists(st.sampled_from([-1.0, -0.5, 0.0, 0.5, 1.0]), min_size=DIM, max_size=DIM)
FILTERS = (Range("n", 1, None), Not(Equals("n", 3)), Equals("n", 0))
ITEMS = st.lists(st.tuples(st.sampled_from(IDS), ROWS, st.integers(0, 3)), min_size=1, max_size=25)


class AgainstOracle(RuleBasedStateMachine):
    """An index that looks into all of its lists, and brute force, under the same operations."""

    policy = IndexPolicy(recall=1.0, k=10, exact=12, codec="fp16", copies=2)

    def __init__(self) -> None:
        super().__init__()
        self.index, self.oracle = FaissIndex(DIM, "dot", self.policy), ExactIndex(DIM, "dot")
        self.kept: tuple[Files, Files] = (self.index.snapshot(), self.oracle.snapshot())

    @rule(items=ITEMS)
    def upsert(self, items: list[tuple[str, list[float], int]]) -> None:
        """Insert and replace."""
        ids = [item for item, _, _ in items]
        vectors = np.array([row for _, row, _ in items], np.float32)
        table = pa.table({"item_id": pa.array(ids, pa.string()), "n": [n for _, _, n in items]})
        for one in (self.index, self.oracle):
            one.upsert(EmbeddingBatch(tuple(ids), vectors, table))

    @rule(items=ITEMS)
    def overwrite(self, items: list[tuple[str, list[float], int]]) -> None:
        """Other vectors for what is there."""
        new = {item: row for item, row, _ in items if item in self.oracle}
        for one in (self.index, self.oracle):
            one.overwrite(list(new), np.array(list(new.values()), np.float32).reshape(len(new), DIM))

    @rule(ids=st.lists(st.sampled_from([*IDS, "nobody"]), max_size=20))
    def remove(self, ids: list[str]) -> None:
        """Take away, some that are not there."""
        assert self.index.remove(ids) == self.oracle.remove(ids)

    @rule(lists=st.integers(1, 6), codec=st.sampled_from(["flat", "fp16", "sq4"]))
    def rebuild(self, lists: int, codec: Any) -> None:
        """Other lists."""
        if len(self.index) >= lists:
            self.index.rebuild(Dial(lists, codec, nprobe=lists))

    @rule(query=ROWS)
    def settle(self, query: list[float]) -> None:
        """Whatever layout it chooses; then every list is looked at again."""
        self.index.settle(lambda: np.array([query], np.float32))
        self.index._layout.dial = Dial(self.index.dial.lists, self.index.dial.codec, self.index.dial.lists)

    @rule()
    def upkeep(self) -> None:
        """One step of mending."""
        self.index.upkeep()

    @rule()
    def keep(self) -> None:
        """Write snapshots."""
        self.kept = self.index.snapshot(), self.oracle.snapshot()

    @rule(shared=st.booleans())
    def die(self, shared: bool) -> None:
        """All that was done since the snapshot is lost."""
        self.index = FaissIndex.load(self.kept[0], self.policy if shared else IndexPolicy(recall=1.0, k=10, exact=12, copies=1))
        self.oracle = ExactIndex.load(self.kept[1])

    @rule()
    def follow(self) -> None:
        """What the snapshot says is reached from here, by what differs if the lists are alike."""
        self.index = self.index.follow(self.kept[0], lambda: None) or FaissIndex.load(self.kept[0], self.index.policy)
        self.index.finish()
        assert self.index.stats()["copies"] == self.index.policy.copies
        self.oracle = ExactIndex.load(self.kept[1])

    @rule()
    def copy(self) -> None:
        """A copy goes on, and what it was copied from is emptied."""
        before, self.index = self.index, self.index.copy()
        before.remove(IDS)

    @rule(query=ROWS, k=st.integers(1, 45), exclude=st.sets(st.sampled_from(IDS), max_size=30))
    def search(self, query: list[float], k: int, exclude: set[str]) -> None:
        """The same items with the same scores in the same order."""
        asked: Vectors = np.array([query], np.float32)
        assert self.index.search(asked, k, [exclude]) == self.oracle.search(asked, k, [exclude])
        assert self.index.best(asked, k, [exclude]) == self.oracle.best(asked, k, [exclude])

    @precondition(lambda self: len(self.oracle) > 0)
    @rule(query=ROWS, k=st.integers(1, 45), exclude=st.sets(st.sampled_from(IDS), max_size=30))
    def filtered(self, query: list[float], k: int, exclude: set[str]) -> None:
        """The same of those that match, for filters that are asked all along: what is kept of them is what there is now."""
        asked: Vectors = np.array([query], np.float32)
        for only in FILTERS:
            assert self.index.search(asked, k, [exclude], only) == self.oracle.search(asked, k, [exclude], only)

    @precondition(lambda self: len(self.oracle) > 0)
    @rule(items=ITEMS)
    def amend(self, items: list[tuple[str, list[float], int]]) -> None:
        """Other columns, whose vectors stay."""
        told = {item: n for item, _, n in items}
        table = pa.table({"item_id": pa.array(list(told), pa.string()), "n": list(told.values())})
        assert self.index.amend(table) == self.oracle.amend(table)

    @precondition(lambda self: len(self.oracle) > 0)
    @rule()
    def found_by_itself(self) -> None:
        """Recall is whole."""
        assert self.index.recall(self.index.vectors(self.index.ids()), 5) == 1.0

    @invariant()
    def same(self) -> None:
        """The same ids, columns and vectors."""
        ids = self.oracle.ids()
        assert self.index.ids() == ids
        assert len(self.index) == len(ids)
        assert self.index.columns(ids) == self.oracle.columns(ids)
        assert np.array_equal(self.index.vectors(ids), self.oracle.vectors(ids))


def run(examples: int, steps: int) -> None:
    """So many histories of so many operations."""
    run_state_machine_as_test(AgainstOracle, settings=settings(max_examples=examples, stateful_step_count=steps, deadline=None))


@pytest.fixture(autouse=True)
def kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """What filters match is kept however few items there are, and decoded a few at a time."""
    monkeypatch.setattr(narrowing, "CHOICE", -1e18)
    monkeypatch.setattr(block, "PIECE", 4)


def test_anything_may_happen() -> None:
    """Any mixture of changes, rebuilds, upkeep, snapshots and losses leaves what brute force has, in every answer."""
    run(60, 30)


@pytest.mark.soak
def test_anything_may_happen_for_long() -> None:
    """The same over 10^5 operations."""
    run(2_000, 50)
