"""What every index does, whatever is beneath it: one suite for the exact oracle, for FAISS and for a tensor."""

import atexit
import shutil
import tempfile
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from ratoon.domain.dial import Dial, IndexPolicy
from ratoon.domain.embedding import EmbeddingBatch, Vectors
from ratoon.domain.errors import DataError, StoreError, UsageError
from ratoon.domain.release import Metric
from ratoon.index import ExactIndexes, FaissIndexes
from ratoon.index.faiss_cpu import FaissIndex
from ratoon.index.opening import MappedIndexes, TensorIndexes
from ratoon.ports import Files, Index, Indexes

DIM = 4


def _shared() -> Indexes:
    return FaissIndexes().shared()


class _Mapped(MappedIndexes):
    """Where nothing is yet, a file of other items is mapped, and they have been taken away."""

    def empty(self, dim: int, metric: Metric) -> Index:
        others = FaissIndexes().empty(dim, metric)
        others.upsert(batch({f"other {number}": [1.0] + [0.0] * (dim - 1) for number in range(20)}))
        index = self.load(others.snapshot())
        index.remove(index.ids())
        return index


@cache
def _folder() -> Path:
    """One for the files of this process, gone when it ends."""
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder)
    return folder


def _mapped() -> Indexes:
    return _Mapped(IndexPolicy(), _folder())


@cache
def _fours(dim: int, metric: Metric) -> Files:
    """A snapshot of items in four bits a number, all of which are looked at whole: no code is too rough then to find the best."""
    index = FaissIndex(dim, metric)
    vectors = np.random.default_rng(dim).uniform(-1, 1, (200, dim)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    index.upsert(batch({f"other {number}": row.tolist() for number, row in enumerate(vectors)}))
    index.rebuild(Dial(codec="sq4", deep=1e6, chosen=True))
    return index.snapshot()


class _FourBits(FaissIndexes):
    """Where nothing is yet, levels have been learnt from other items, which have been taken away."""

    def empty(self, dim: int, metric: Metric) -> Index:
        index = self.load(_fours(dim, metric))
        index.remove(index.ids())
        return index


def _tensor() -> Indexes:
    return TensorIndexes(device="cpu")


def _cuda() -> Indexes:
    return TensorIndexes(device="cuda")


NO_CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
KINDS = [
    ExactIndexes,
    FaissIndexes,
    staticmethod(_shared),
    staticmethod(_mapped),
    _FourBits,
    staticmethod(_tensor),
    pytest.param(staticmethod(_cuda), marks=[pytest.mark.gpu, NO_CUDA]),
]
NAMES = ["exact", "faiss", "faiss_pair", "mapped", "sq4", "tensor", "cuda"]
IDS = ["a", "b", "c", "10", "9", "ß", "東京", "🎬 film", "", "a\x00b"]
# Few values on a coarse grid: ties are common, and every inner product is exact in float32.
GRID = [-1.0, -0.5, 0.0, 0.5, 1.0]


@pytest.fixture(params=KINDS, ids=NAMES)
def indexes(request: pytest.FixtureRequest) -> Indexes:
    """Each implementation in turn."""
    made: Indexes = request.param()
    return made


def batch(vectors: dict[str, list[float]], **columns: list[object]) -> EmbeddingBatch:
    """A batch of these items, with these columns."""
    table = pa.table({"item_id": pa.array(list(vectors), pa.string()), **columns})
    return EmbeddingBatch(tuple(vectors), np.array(list(vectors.values()), np.float32).reshape(len(vectors), -1), table)


def filled(indexes: Indexes, count: int, dim: int = 8, seed: int = 0) -> Index:
    """An index with `count` random items i0, i1, ... and a column n with their numbers."""
    index = indexes.empty(dim, "dot")
    vectors = queries(count, dim, seed)
    ids = [f"i{number}" for number in range(count)]
    index.upsert(EmbeddingBatch(tuple(ids), vectors, pa.table({"item_id": ids, "n": list(range(count))})))
    return index


def queries(count: int, dim: int = 8, seed: int = 1) -> Vectors:
    """Random queries, shape (count, dim), of numbers that every codec keeps whole."""
    return np.random.default_rng(seed).standard_normal((count, dim)).astype(np.float16).astype(np.float32)


def test_overwriting_keeps_what_goes_with_an_item(indexes: Indexes) -> None:
    """Other vectors for some items are searched from then on; columns and all other vectors stay as they were."""
    index = filled(indexes, 20)
    before, columns = index.vectors(["i1", "i2"]), index.columns(["i3", "i1"])
    other = queries(2, seed=5)
    index.overwrite(["i3", "i1"], other)
    assert np.array_equal(index.vectors(["i3", "i1"]), other)
    assert np.array_equal(index.vectors(["i2"]), before[1:])
    assert index.columns(["i3", "i1"]) == columns
    scores = dict(index.search(queries(1), 20)[0])
    assert scores["i1"] == pytest.approx(float(queries(1)[0] @ other[1]), abs=1e-5)
    with pytest.raises(KeyError, match="nobody"):
        index.overwrite(["nobody"], other[:1])
    with pytest.raises(DataError, match="shape"):
        index.overwrite(["i1"], other[:1, :4])


class AgainstDict(RuleBasedStateMachine):
    """An index and a plain dict of id -> (vector, title) under the same random operations."""

    kind: Callable[[], Indexes]

    def __init__(self) -> None:
        super().__init__()
        self.indexes = self.kind()
        self.index = self.indexes.empty(DIM, "dot")
        self.model: dict[str, tuple[list[float], str]] = {}

    @rule(
        items=st.lists(
            st.tuples(st.sampled_from(IDS), st.lists(st.sampled_from(GRID), min_size=DIM, max_size=DIM), st.text(max_size=3)),
            max_size=8,
        )
    )
    def upsert(self, items: list[tuple[str, list[float], str]]) -> None:
        """Insert and replace, now and then one id twice in a batch."""
        ids = [item for item, _, _ in items]
        vectors = np.array([vector for _, vector, _ in items], np.float32).reshape(-1, DIM)
        titles = pa.array([title for _, _, title in items], pa.string())
        self.index.upsert(EmbeddingBatch(tuple(ids), vectors, pa.table({"item_id": pa.array(ids, pa.string()), "title": titles})))
        self.model |= {item: (vector, title) for item, vector, title in items}

    @rule(ids=st.lists(st.sampled_from(IDS), max_size=4))
    def remove(self, ids: list[str]) -> None:
        """Take away items, some of which are not there, some named twice."""
        there = set(ids) & self.model.keys()
        assert self.index.remove(ids) == len(there)
        for item in there:
            del self.model[item]

    @rule(
        query=st.lists(st.sampled_from(GRID), min_size=DIM, max_size=DIM),
        k=st.integers(1, 12),
        exclude=st.sets(st.sampled_from([*IDS, "unknown"]), max_size=4),
    )
    def search(self, query: list[float], k: int, exclude: set[str]) -> None:
        """The same answer as sorting everything."""
        scores = {item: float(np.dot(query, vector)) for item, (vector, _) in self.model.items() if item not in exclude}
        wanted = sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))[:k]
        asked = np.array([query], np.float32)
        assert self.index.search(asked, k, [exclude]) == [wanted]
        if not exclude:
            assert self.index.search(asked, k) == [wanted]

    @rule(
        asked=st.lists(
            st.tuples(
                st.lists(st.sampled_from(GRID), min_size=DIM, max_size=DIM),
                st.sampled_from([*IDS, "unknown"]),
                st.sets(st.sampled_from([*IDS, "unknown"]), max_size=4),
            ),
            min_size=1,
            max_size=6,
        ),
        k=st.integers(1, 12),
    )
    def together(self, asked: list[tuple[list[float], str, set[str]]], k: int) -> None:
        """Queries with exclusions of their own find together what each finds alone, and places are those in what is found."""
        queries = np.array([query for query, _, _ in asked], np.float32)
        wanted, exclude = [item for _, item, _ in asked], [items for _, _, items in asked]
        found = self.index.search(queries, k, exclude)
        assert found == [self.index.search(queries[row : row + 1], k, [items])[0] for row, items in enumerate(exclude)]
        places = [[item for item, _ in pairs] for pairs in found]
        expected = [own.index(item) if item in own else k for own, item in zip(places, wanted, strict=True)]
        assert self.index.best(queries, k, exclude) == [tuple(own) for own in places]
        assert self.index.ranks(queries, wanted, k, exclude).tolist() == expected

    @rule(items=st.lists(st.sampled_from(IDS), max_size=3))
    def copy(self, items: list[str]) -> None:
        """A copy says the same, byte for byte, and what is done to it is not done to the other."""
        before = dict(self.index.snapshot())
        copy = self.index.copy()
        assert dict(copy.snapshot()) == before
        copy.remove(items)
        copy.upsert(batch({"new": [9.0] * DIM}, title=["changed"]))
        assert dict(self.index.snapshot()) == before

    @rule()
    def reload(self) -> None:
        """A snapshot stands for the index from then on."""
        self.index = self.indexes.load(self.index.snapshot())

    @invariant()
    def same(self) -> None:
        """The same ids and columns."""
        assert len(self.index) == len(self.model)
        assert self.index.ids() == sorted(self.model)
        assert self.index.columns(self.model) == {item: {"title": title} for item, (_, title) in self.model.items()}


@pytest.mark.parametrize("kind", KINDS, ids=NAMES)
def test_behaves_like_a_dict(kind: Callable[[], Indexes]) -> None:
    """Any sequence of upsert, remove, search and reload gives what a dict and a sort give."""
    machine = type("Machine", (AgainstDict,), {"kind": kind})
    run_state_machine_as_test(machine, settings=settings(max_examples=15, stateful_step_count=20, deadline=None))


@pytest.mark.parametrize("kind", KINDS, ids=NAMES)
@given(order=st.permutations(range(6)), removed=st.lists(st.integers(0, 9), unique=True), cut=st.integers(0, 6))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.differing_executors])
def test_the_same_changes_give_the_same_bytes(
    kind: Callable[[], Indexes], order: list[int], removed: list[int], cut: int
) -> None:
    """A snapshot that is loaded twice and changed alike is the same bytes twice, and says what the index says."""
    vectors = np.random.default_rng(3).standard_normal((10, DIM)).astype(np.float32)

    def part(numbers: list[int]) -> EmbeddingBatch:
        ids = [f"é{number}" for number in numbers]
        table = pa.table({"title": [f"t{n}" for n in numbers], "item_id": ids, "year": numbers})
        return EmbeddingBatch(tuple(ids), vectors[numbers].reshape(-1, DIM), table)

    first = kind().empty(DIM, "dot")
    first.upsert(part(list(range(8))))
    files = []
    for _ in range(2):
        index = kind().load(first.snapshot())
        index.upsert(part(order[:cut]))
        index.remove([f"é{number}" for number in removed])
        index.upsert(part(order))
        files.append(dict(index.snapshot()))
    assert files[0] == files[1]
    loaded = kind().load(files[0])
    assert np.array_equal(loaded.vectors(index.ids()), index.vectors(index.ids()))
    assert loaded.columns(index.ids()) == index.columns(index.ids())


def test_both_agree() -> None:
    """FAISS and the oracle return the same items with the same scores up to rounding, exclusions included."""
    exact, faiss = filled(ExactIndexes(), 500), filled(FaissIndexes(), 500)
    asked = queries(40)
    for exclude in ([], [[f"i{number}" for number in range(row, 400, 3)] for row in range(40)]):
        for left, right in zip(exact.search(asked, 20, exclude), faiss.search(asked, 20, exclude), strict=True):
            assert [item for item, _ in left] == [item for item, _ in right]
            np.testing.assert_allclose([score for _, score in left], [score for _, score in right], rtol=1e-5, atol=1e-6)


def test_batch_is_scalar(indexes: Indexes) -> None:
    """Many queries at once find what each finds alone."""
    index, asked = filled(indexes, 300), queries(30)
    for row, found in enumerate(index.search(asked, 10)):
        (alone,) = index.search(asked[row : row + 1], 10)
        assert [item for item, _ in found] == [item for item, _ in alone]
        np.testing.assert_allclose([score for _, score in found], [score for _, score in alone], rtol=1e-5, atol=1e-6)


def test_ties_by_id(indexes: Indexes) -> None:
    """Of a hundred equal items the k with the smallest ids are returned, wherever they lie."""
    index = indexes.empty(2, "dot")
    names = [f"{number:03d}" for number in np.random.default_rng(5).permutation(100)]
    index.upsert(batch({name: [1.0, 0.0] for name in names} | {"best": [2.0, 0.0], "worst": [0.0, 0.0]}))
    (found,) = index.search(np.array([[1, 0]], np.float32), 4)
    assert found == [("best", 2.0), ("000", 1.0), ("001", 1.0), ("002", 1.0)]


def test_few_and_none(indexes: Indexes) -> None:
    """Fewer items than k are all returned; an empty index and no query give empty lists."""
    index = indexes.empty(DIM, "dot")
    assert index.search(np.ones((2, DIM), np.float32), 5) == [[], []]
    index.upsert(batch({"a": [1, 0, 0, 0], "b": [0, 1, 0, 0]}))
    assert index.search(np.array([[1, 0, 0, 0]], np.float32), 5) == [[("a", 1.0), ("b", 0.0)]]
    assert index.search(np.array([[1, 0, 0, 0]], np.float32), 5, [["a", "b"]]) == [[]]
    assert index.search(np.empty((0, DIM), np.float32), 5) == []


def test_recall_is_one(indexes: Indexes) -> None:
    """A flat index finds the exact top k; an empty one misses nothing."""
    assert filled(indexes, 700).recall(queries(300), 50) == 1.0
    assert filled(indexes, 10).recall(queries(3), 50) == 1.0
    assert indexes.empty(8, "dot").recall(queries(3), 50) == 1.0


def test_columns_follow_the_newest(indexes: Indexes) -> None:
    """A later batch decides which columns there are; what an older item never had is null, and types are kept or cast."""
    index = indexes.empty(2, "dot")
    index.upsert(batch({"a": [1, 0], "b": [0, 1]}, title=["A", "B"], year=pa.array([1990, None], pa.int32())))
    index.upsert(batch({"c": [1, 1]}, year=pa.array([2.5], pa.float64()), genre=["x"]))
    wanted: dict[str, dict[str, object]] = {"c": {"year": 2.5, "genre": "x"}, "a": {"year": 1990.0, "genre": None}}
    assert index.columns(["c", "a"]) == wanted
    index.upsert(batch({"d": [1, 1]}, year=pa.nulls(1), genre=pa.nulls(1)))
    assert indexes.load(index.snapshot()).columns(["c", "a"]) == wanted
    index.upsert(EmbeddingBatch((), np.empty((0, 2), np.float32), pa.table({"item_id": pa.array([], pa.string())})))
    assert index.columns(["c", "a"]) == wanted
    assert index.columns(["nobody", "a"]) == {"a": wanted["a"]}


def test_refused_upsert_changes_nothing(indexes: Indexes) -> None:
    """A batch of the wrong shape, length, ids or column type is refused by name, and the index is as before."""
    index = indexes.empty(2, "cosine")
    index.upsert(batch({"a": [1, 0]}, year=["new"]))
    before = dict(index.snapshot())
    ok = np.array([[0.6, 0.8]], np.float32)
    refused = [
        (EmbeddingBatch(("b",), np.ones((1, 3), np.float32), pa.table({"item_id": ["b"]})), r"expected shape \(1, 2\)"),
        (batch({"b": [1.0, 0.0], "long": [1.0, 0.1]}), r"length 1 \(metric cosine\), found length 1.00499 for item 'long'"),
        (EmbeddingBatch(("b",), ok, pa.table({"item_id": ["c"]})), "expected a column item_id with the batch's ids"),
        (EmbeddingBatch(("b",), ok, pa.table({"title": ["c"]})), "expected a column item_id with the batch's ids"),
        (batch({"a": [0.6, 0.8]}, year=[1990]), "year: expected the index's column type string.*found int64"),
    ]
    for bad, message in refused:
        with pytest.raises(DataError, match=message):
            index.upsert(bad)
    assert dict(index.snapshot()) == before
    assert index.search(np.array([[1, 0]], np.float32), 3) == [[("a", 1.0)]]


def test_refused_search(indexes: Indexes) -> None:
    """NaN, a wrong shape, k below 1 and too few exclusions are refused by name."""
    index = filled(indexes, 3)
    bad = queries(2)
    bad[1, 3] = np.nan
    with pytest.raises(DataError, match="expected finite numbers, found NaN or infinity in query 1"):
        index.search(bad, 3)
    with pytest.raises(DataError, match=r"expected shape \(n, 8\), found \(2, 5\)"):
        index.search(queries(2, 5), 3)
    with pytest.raises(DataError, match=r"expected shape \(n, 8\), found \(8,\)"):
        index.search(queries(1)[0], 3)
    with pytest.raises(UsageError, match="k: expected 1 or more, found 0"):
        index.search(queries(1), 0)
    with pytest.raises(UsageError, match="expected 2 sets of item ids, or none at all, found 1 sets"):
        index.search(queries(2), 1, [["i1"]])
    with pytest.raises(UsageError, match="wanted: expected 2 item ids, found 1"):
        index.ranks(queries(2), ["i1"], 1)


def test_load_keeps_metric_and_ignores_strangers(indexes: Indexes) -> None:
    """A snapshot among a release's other files gives the same index, metric included."""
    index = indexes.empty(2, "cosine")
    index.upsert(batch({"a": [1, 0], "b": [0.6, 0.8]}, title=["A", "B"]))
    loaded = indexes.load({**index.snapshot(), "model.safetensors": b"other"})
    assert dict(loaded.snapshot()) == dict(index.snapshot())
    with pytest.raises(DataError, match="metric cosine"):
        loaded.upsert(batch({"c": [2, 0]}))


def test_vectors_are_those_that_are_searched(indexes: Indexes) -> None:
    """`vectors` gives copies in the order asked for, bit for bit, through changes and a snapshot; an unknown id is a KeyError."""
    index = indexes.empty(2, "dot")
    index.upsert(batch({"a": [0.1, -0.0], "b": [3e-39, 2], "c": [5, 6]}))
    index.upsert(batch({"b": [0.7, 8]}))
    index.remove(["a"])
    for one in (index, indexes.load(index.snapshot())):
        kept = np.float16 if index.dial.codec == "sq4" else np.float32
        assert one.vectors(["c", "b"]).tobytes() == np.array([[5, 6], [0.7, 8]], kept).astype(np.float32).tobytes()
        one.vectors(["c"])[:] = 0.0
        assert one.vectors(["c"]).tolist() == [[5, 6]]
        assert one.vectors([]).shape == (0, 2)
        with pytest.raises(KeyError, match="a"):
            one.vectors(["a"])


def test_damaged_snapshots(indexes: Indexes) -> None:
    """A missing, torn or foreign file is named."""
    files = dict(filled(indexes, 5).snapshot())
    others = dict(filled(indexes, 4).snapshot())
    (vectors,) = files.keys() - {"items.parquet"}
    for name in files:
        with pytest.raises(StoreError, match=f"{name}: expected a file of the index's snapshot, found no such file"):
            indexes.load({key: value for key, value in files.items() if key != name})
        with pytest.raises(StoreError, match=f"{name}: expected (an index's safetensors file|a NumPy array|a Parquet file)"):
            indexes.load(files | {name: files[name][:-20]})
        with pytest.raises(StoreError, match=rf"{vectors}: expected a vector for each of the \d items in items.parquet"):
            indexes.load(files | {name: others[name]})


def test_readers_beside_a_writer(indexes: Indexes) -> None:
    """While items come, move and go, no search returns an id twice, a removed id, or an id with another item's vector."""
    index = filled(indexes, 200, dim=2)
    # An item's vector tells its number, so a score that belongs to another item shows.
    stable = {f"s{number}": [1000.0 + number, 0.0] for number in range(20)}
    index.upsert(batch(stable, n=list(range(20))))
    stop, looks, wrong = threading.Event(), list[int](), list[object]()

    def write() -> None:
        rng = np.random.default_rng(0)
        try:
            for _ in range(50):
                ids = [f"i{number}" for number in rng.choice(400, 50, replace=False)]
                vectors = rng.standard_normal((50, 2)).astype(np.float16).astype(np.float32)
                index.upsert(EmbeddingBatch(tuple(ids), vectors, pa.table({"item_id": ids, "n": list(range(50))})))
                index.remove([f"i{number}" for number in rng.choice(400, 60, replace=False)])
        finally:
            stop.set()

    def read() -> None:
        while not stop.is_set():
            (found,) = index.search(np.array([[1, 0]], np.float32), 40, [["s3"]])
            looks.append(len(found))
            ids = [item for item, _ in found]
            if ids[:19] != [f"s{number}" for number in range(19, -1, -1) if number != 3] or len(set(ids)) != len(ids):
                wrong.append(found)
            if any(score != stable[item][0] for item, score in found[:19] if item in stable):
                wrong.append(found)

    threads = [threading.Thread(target=target) for target in (read, read, write)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert looks
    assert index.recall(queries(5, 2), 10) == 1.0
