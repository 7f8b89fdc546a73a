"""Other libraries keep their side of the script: what they find, overwrite, lose and get back."""

import importlib.util
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from ratoon.bench.indexes.mixture import MOVED, Mixture
from ratoon.bench.indexes.rivals import PACKAGES
from ratoon.bench.indexes.truth import exact
from ratoon.bench.peers import ann

MODULES = {
    "ScaNN": "scann",
    "hnswlib": "hnswlib",
    "usearch": "usearch",
    "SVS": "svs",
    "qdrant-edge": "qdrant_edge",
    "zvec": "zvec",
}


def test_each_peer_has_its_package() -> None:
    """What is installed is what the script measures."""
    assert {name: peer().package for name, peer in ann.PEERS.items()} == PACKAGES


@pytest.mark.parametrize("name", PACKAGES)
def test_a_peer_finds_what_it_was_told(name: str, tmp_path: Path) -> None:
    """With effort nearly all of the exact answer comes back; overwritten items are where they went, deleted ones nowhere."""
    if importlib.util.find_spec(MODULES[name]) is None:
        pytest.skip(f"{PACKAGES[name]} is not installed; `ratoon bench index` installs it into an environment of its own")
    vectors, moved = (np.concatenate(list(Mixture(32).vectors(2_000, stream))) for stream in (1, MOVED))
    peer, queries, effort = ann.PEERS[name](), Mixture(32).queries(20), ann.PEERS[name]().efforts[-1]
    peer.build(vectors, tmp_path / "index")
    assert ann._share(peer, queries, exact([vectors], queries, 10).rows, 10, effort) > 0.9
    rows = np.arange(5)
    peer.upsert(rows, moved[rows])
    assert all(row in peer.search(moved[row], 10, effort) for row in rows.tolist())
    peer.delete(rows)
    assert not any(row in peer.search(moved[row], 10, effort) for row in rows.tolist())


class Exact:
    """A library that looks at everything."""

    package: str = "none"
    efforts: Sequence[int] = (1, 2, 3)

    def build(self, vectors: ann.Floats, scratch: Path) -> None:
        self.vectors, self.scratch = vectors.copy(), scratch

    def search(self, query: ann.Floats, k: int, effort: int) -> list[int]:
        order: list[int] = np.argsort(-(self.vectors @ query)).tolist()
        return order[: k * effort // 3]

    def upsert(self, rows: ann.Ints, vectors: ann.Floats) -> None:
        self.vectors[rows] = vectors

    def delete(self, rows: ann.Ints) -> None:
        self.vectors[rows] = -9.0


def test_the_share_is_that_of_the_exact_answer() -> None:
    """All of it, or two of three."""
    vectors, queries = np.concatenate(list(Mixture(16).vectors(500))), Mixture(16).queries(10)
    peer, truth = Exact(), exact([vectors], queries, 9).rows
    peer.build(vectors, Path())
    assert ann._share(peer, queries, truth, 9, 3) == 1.0
    assert ann._share(peer, queries, truth, 9, 2) == pytest.approx(6 / 9)


def test_changes_are_made_in_batches_of_all_rows() -> None:
    """Every row is overwritten once, and the vectors are those it moves to."""
    moved = np.concatenate(list(Mixture(16).vectors(500, MOVED))).astype(np.float16)
    peer = Exact()
    peer.build(np.zeros((500, 16), np.float32), Path())
    said = ann._changed(peer, moved)
    assert np.array_equal(peer.vectors, moved.astype(np.float32))
    assert set(said) == {f"{name}{kind}" for name in ("upserts", "deletes", "inserts") for kind in ("", "_cpu_us")}
