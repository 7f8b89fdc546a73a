"""How a search among few goes, and what it finds."""

import numpy as np
import pyarrow as pa
import pytest

from ratoon.domain.dial import Dial, IndexPolicy
from ratoon.domain.embedding import EmbeddingBatch, Vectors
from ratoon.domain.predicate import Range
from ratoon.index.faiss_cpu import FaissIndex
from ratoon.index.filters import narrowing
from ratoon.index.filters.matches import Matches
from ratoon.index.filters.narrowing import Narrow, one_by_one
from ratoon.index.ivf.centroids import shape_for
from ratoon.index.ivf.lists import Lists

COUNT, DIM, CLUSTERS, K = 20_000, 32, 200, 50


def drawn(rng: np.random.Generator, centres: Vectors, which: np.ndarray) -> Vectors:
    """Vectors around these of the centres."""
    return np.asarray(centres[which] + 0.7 * rng.standard_normal((len(which), DIM)), np.float32)


@pytest.fixture(scope="module")
def clustered() -> tuple[FaissIndex, dict[str, np.ndarray], Vectors, Vectors]:
    """A tuned index of clusters, its columns (shares of the items that have less), all vectors, and queries like them."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((CLUSTERS, DIM)).astype(np.float32)
    which = rng.integers(0, CLUSTERS, COUNT)
    vectors = drawn(rng, centres, which)
    queries = drawn(rng, centres, rng.integers(0, CLUSTERS, 300))
    keys = {"alone": rng.random(COUNT), "cluster": which + rng.random(COUNT), "side": vectors @ rng.standard_normal(DIM)}
    columns = {name: np.argsort(np.argsort(key)) / COUNT for name, key in keys.items()}
    ids = [f"i{number}" for number in range(COUNT)]
    index = FaissIndex(DIM, "dot", IndexPolicy(k=K, exact=1_000))
    index.upsert(EmbeddingBatch(tuple(ids), vectors, pa.table({"item_id": ids, **columns})))
    index.rebuild(queries=queries[100:])
    return index, columns, vectors, queries[:100]


@pytest.mark.parametrize("selected", [0.01, 0.1, 0.5])
@pytest.mark.parametrize("column", ["alone", "cluster", "side"])
def test_the_recall_target_holds(
    clustered: tuple[FaissIndex, dict[str, np.ndarray], Vectors, Vectors], column: str, selected: float
) -> None:
    """Where 1 %, 10 % or 50 % match, all over, in whole clusters or to one side, the policy's recall is measured."""
    index, columns, vectors, queries = clustered
    assert index.dial.lists > 100
    assert index.dial.nprobe < index.dial.lists / 8
    rows = np.flatnonzero(columns[column] < selected)
    found = index.search(queries, K, (), Range(column, None, selected - 0.5 / COUNT))
    assert {item for pairs in found for item, _ in pairs} <= {f"i{row}" for row in rows}
    exact = np.sort(queries @ vectors[rows].T, axis=1)[:, -min(K, len(rows))]
    hits = sum(score >= least - 0.01 for pairs, least in zip(found, exact, strict=True) for _, score in pairs)
    assert hits / (len(queries) * min(K, len(rows))) >= index.policy.recall


def lists(count: int, dial: Dial) -> Lists:
    """Lists of random vectors in slots 0, 1, ..."""
    vectors = np.random.default_rng(1).standard_normal((count, DIM)).astype(np.float32)
    made = Lists(shape_for(dial, vectors))
    made.load(np.arange(count), made.assigned(vectors), made.encoded(vectors))
    return made


def test_few_are_fetched_and_many_are_scanned_for() -> None:
    """From some number of matches on lists are scanned; more queries at once, which share what is fetched, move it up."""
    made, borders = lists(4_000, Dial(lists=60, codec="fp16", nprobe=4)), []
    for queries in (1, 30):
        ways = [one_by_one(made, Matches.of(np.arange(4_000) < count), 4, queries) for count in range(0, 4_001, 20)]
        assert ways == sorted(ways, reverse=True)
        borders.append(sum(ways))
    assert 0 < borders[0] < borders[1] <= len(range(0, 4_001, 20))


def test_as_many_matches_are_looked_at_wherever_they_lie() -> None:
    """Lists are taken in the order of the query until four times what an unfiltered search sees would be in them, and no more."""
    made = lists(4_000, Dial(lists=60, codec="flat", nprobe=3))
    queries = np.random.default_rng(2).standard_normal((5, DIM)).astype(np.float32)
    order, place = made.nearest_first(queries), made.place(np.arange(4_000))
    for truth in (np.arange(4_000) % 3 == 0, np.isin(place, np.arange(20))):
        narrow = Narrow.of(Matches.of(truth), made)
        for row, keys in enumerate(narrow.keys(made, queries, 3)):
            taken = keys[keys >= 0]
            there = np.array([np.count_nonzero(truth & (place == number)) for number in taken])
            assert there.all()
            assert there.sum() >= 4 * 4_000 * 3 / 60 > there[:-1].sum()
            assert taken.tolist() == [number for number in order[row] if number in taken]
    assert np.sort(narrow.keys(made, queries, 60), axis=1).tolist() == [list(range(60))] * 5


def test_a_list_is_skipped_only_if_it_is_known_to_have_no_match(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where only a sample of the matches was looked up, lists without any of it are looked at in their turn."""
    monkeypatch.setattr(narrowing, "LOOKED_UP", 30)
    made = lists(4_000, Dial(lists=60, codec="flat", nprobe=3))
    narrow = Narrow.of(Matches.of(np.arange(4_000) % 3 == 0), made)
    assert not narrow.there.all()
    queries = np.random.default_rng(2).standard_normal((5, DIM)).astype(np.float32)
    for own, order in zip(narrow.keys(made, queries, 3), made.nearest_first(queries), strict=True):
        taken = own[own >= 0]
        assert taken.tolist() == order[: len(taken)].tolist()
        assert len(taken) < 60


def test_k_matches_are_found_wherever_they_lie(monkeypatch: pytest.MonkeyPatch) -> None:
    """With one list of many looked at, k matches are found, or all, though most of what is excluded would not match anyway."""
    monkeypatch.setattr(narrowing, "FETCH", dict.fromkeys(narrowing.FETCH, 1e9))
    vectors, ids = np.random.default_rng(3).standard_normal((3_000, DIM)).astype(np.float32), [f"i{n}" for n in range(3_000)]
    index = FaissIndex(DIM, "dot")
    index.upsert(EmbeddingBatch(tuple(ids), vectors, pa.table({"item_id": ids, "n": np.arange(3_000)})))
    index.rebuild(Dial(lists=50, codec="flat", nprobe=1))
    for hidden, wanted in ((ids[1_100:2_100], 900), (ids[:2_500], 500)):
        for k in (600, 1_000):
            for found in index.search(vectors[:20], k, [hidden] * 20, Range("n", 2_000, None)):
                assert len(found) == len({item for item, _ in found}) == min(k, wanted)
                assert {item for item, _ in found} <= set(ids[2_000:]).difference(hidden)
