"""What every index finds of the items that match a filter: all of them, as brute force over those rows does."""

import threading
from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice, product
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from _pytest.mark import ParameterSet
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from ratoon.domain.dial import Dial
from ratoon.domain.embedding import EmbeddingBatch
from ratoon.domain.predicate import All, Equals, Exists, FilterRefused, Has, Not, Predicate, Range
from ratoon.index.faiss_cpu import FaissIndex
from ratoon.index.filters import block, narrowing
from ratoon.ports import Index, Indexes
from tests.contracts.test_index import DIM, GRID, KINDS, NAMES, indexes, queries
from tests.domain.test_matching import PREDICATES, ROWS, Row, naive

__all__ = ["indexes"]

IDS = [f"{number}" for number in range(40)]
TYPES = pa.schema(
    [
        ("n", pa.int64()),
        ("x", pa.float64()),
        ("t", pa.timestamp("us", "UTC")),
        ("b", pa.bool_()),
        ("w", pa.string()),
        ("l", pa.list_(pa.string())),
    ]
)
WAYS = ["fetched", "scanned", "kept"]
LAID = {"faiss", "faiss_pair", "mapped"}
"""What has lists, and more than one way to a filter's matches; the others look at each row, whatever is set."""
FAR = [1.0, -0.5, 0.25, -0.125]
"""Asked after every edit: different vectors of the grid seldom have the same product with it."""
VECTOR = st.lists(st.sampled_from(GRID), min_size=DIM, max_size=DIM)


def narrowed(*others: Sequence[Any]) -> list[ParameterSet]:
    """Every kind under all combinations of what `LAID` can be set to, and the others under the first."""
    found = []
    for kind, name in zip(KINDS, NAMES, strict=True):
        value, marks = (kind.values[0], kind.marks) if isinstance(kind, ParameterSet) else (kind, ())
        each = islice(product(*others), None if name in LAID else 1)
        found += [pytest.param(value, *one, marks=marks, id="-".join([name, *map(named, one)])) for one in each]
    return found


def named(value: Any) -> str:
    return f"{value.lists} lists" if isinstance(value, Dial) else {True: "lists", False: "one_list"}.get(value, str(value))


def batch(items: dict[str, tuple[list[float], Row]]) -> EmbeddingBatch:
    """These items with their columns."""
    vectors = np.array([vector for vector, _ in items.values()], np.float32).reshape(-1, DIM)
    table = pa.Table.from_pylist([row for _, row in items.values()], TYPES)
    return EmbeddingBatch(tuple(items), vectors, table.append_column("item_id", pa.array(list(items), pa.string())))


class AgainstRows(RuleBasedStateMachine):
    """An index and a plain dict of id -> (vector, row) under the same random edits, asked the same filters all along."""

    kind: Callable[[], Indexes]
    many: bool

    def __init__(self) -> None:
        super().__init__()
        self.index = self.kind().empty(DIM, "dot")
        self.model: dict[str, tuple[list[float], Row]] = {}
        self.asked: list[Predicate] = [Not(Has("l", "a")), Range("n", 0, None), All((Equals("w", "a"), Not(Equals("b", True))))]

    @rule(items=st.dictionaries(st.sampled_from(IDS), st.tuples(VECTOR, ROWS), max_size=20))
    def upsert(self, items: dict[str, tuple[list[float], Row]]) -> None:
        """Insert and replace; a change of columns alone is one too."""
        self.index.upsert(batch(items))
        self.model |= items
        self.lay_out()
        self.compare(FAR, 45, set())

    @rule(vector=VECTOR, number=st.integers(0, 39))
    def move(self, vector: list[float], number: int) -> None:
        """One item has another vector and its old columns."""
        if (item := IDS[number]) in self.model:
            self.model[item] = (vector, self.model[item][1])
            self.index.overwrite([item], np.array([vector], np.float32))
            self.compare(FAR, 45, set())

    @rule(row=ROWS)
    def tell(self, row: Row) -> None:
        """One item has other columns and its old vector."""
        for item in list(self.model)[:1]:
            self.model[item] = (self.model[item][0], row)
            self.index.upsert(batch({item: self.model[item]}))
            self.compare(FAR, 45, set())

    @rule(ids=st.lists(st.sampled_from(IDS), max_size=10, unique=True))
    def remove(self, ids: list[str]) -> None:
        """Slots become free, and are taken by others later."""
        self.index.remove(ids)
        self.model = {item: told for item, told in self.model.items() if item not in ids}
        self.compare(FAR, 45, set())

    @rule(predicate=PREDICATES)
    def ask_another(self, predicate: Predicate) -> None:
        """A filter that is asked from now on."""
        self.asked = [*self.asked[-3:], predicate]

    @rule()
    def reload(self) -> None:
        """A snapshot knows what matches."""
        self.index = self.kind().load(self.index.snapshot())
        self.lay_out()

    @rule()
    def copy(self) -> None:
        """A copy knows what matches, and its edits are its own."""
        other = self.index.copy()
        other.remove(IDS)
        other.upsert(batch({"other": ([1.0] * DIM, dict.fromkeys(TYPES.names))}))
        assert other.matching(["other"], Range("n")) == []

    def lay_out(self) -> None:
        """Put the vectors into many lists, of which all are looked at."""
        if self.many and len(self.model) > 12:
            self.index = laid_out(self.index, self.kind(), Dial(lists=12, codec="flat", nprobe=12))

    @rule(query=VECTOR, k=st.integers(1, 45), exclude=st.sets(st.sampled_from([*IDS, "unknown"]), max_size=8))
    def search(self, query: list[float], k: int, exclude: set[str]) -> None:
        """Anybody may ask anything in between."""
        self.compare(query, k, exclude)

    def compare(self, query: list[float], k: int, exclude: set[str]) -> None:
        """The same answer as looking at each row."""
        for only in self.asked if self.model else ():
            kept = {item: vector for item, (vector, row) in self.model.items() if naive(only, row)}
            scores = {item: float(np.dot(query, vector)) for item, vector in kept.items() if item not in exclude}
            wanted = sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))[:k]
            assert self.index.search(np.array([query], np.float32), k, [exclude], only) == [wanted]
            assert self.index.matching(["unknown", *IDS], only) == [item for item in IDS if item in kept]

    @invariant()
    def nothing_of_nothing(self) -> None:
        """Of no items none match, whatever the filter names."""
        if not self.model:
            assert self.index.search(np.ones((1, DIM), np.float32), 3, (), Equals("whatever", 1)) == [[]]


@pytest.mark.parametrize(("kind", "many", "way"), narrowed([False, True], WAYS))
def test_what_matches_is_found(kind: Callable[[], Indexes], many: bool, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through any edits any filter finds what brute force over the matching rows does, exclusions and ties included.

    Whichever way is taken, as so few items would always be fetched one by one.
    """
    go(monkeypatch, way)
    edit_and_ask(kind, many, 8)


@pytest.mark.soak
@pytest.mark.parametrize(("kind", "many", "way"), narrowed([False, True], WAYS))
def test_what_matches_is_found_for_long(
    kind: Callable[[], Indexes], many: bool, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same through many more edits."""
    go(monkeypatch, way)
    edit_and_ask(kind, many, 200)


def edit_and_ask(kind: Callable[[], Indexes], many: bool, examples: int) -> None:
    machine = type("Machine", (AgainstRows,), {"kind": staticmethod(kind), "many": many})
    run_state_machine_as_test(machine, settings=settings(max_examples=examples, stateful_step_count=20, deadline=None))


def laid_out(index: Index, indexes: Indexes, dial: Dial) -> Index:
    """The same items laid out like this, where there are lists: in place, or by another process if they are mapped."""
    if not isinstance(index, FaissIndex):
        return index
    other = FaissIndex.load(index.snapshot()) if index.stats().get("mode") == "mapped" else index
    other.rebuild(dial)
    return index if other is index else indexes.load(other.snapshot())


def go(monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    """Let matches be fetched one by one, scanned for, or kept side by side in pieces of a few, however many there are."""
    monkeypatch.setattr(narrowing, "FETCH", dict.fromkeys(narrowing.FETCH, -1e9 if way == "fetched" else 1e9))
    monkeypatch.setattr(narrowing, "CHOICE", -1e18 if way == "kept" else 1e18)
    monkeypatch.setattr(block, "PIECE", 4)


def numbered(indexes: Indexes, count: int) -> Index:
    """An index with `count` random items whose column n is their number; n of every seventh is unknown."""
    index = indexes.empty(8, "dot")
    vectors = np.random.default_rng(0).standard_normal((count, 8)).astype(np.float16).astype(np.float32)
    ids = [f"i{number}" for number in range(count)]
    numbers = [None if number % 7 == 0 else number for number in range(count)]
    index.upsert(EmbeddingBatch(tuple(ids), vectors, pa.table({"item_id": ids, "n": pa.array(numbers, pa.int64())})))
    return index


DIALS = [Dial(), Dial(lists=12, codec="flat", nprobe=12), Dial(lists=40, codec="fp16", nprobe=40)]


@pytest.mark.parametrize(("kind", "dial"), narrowed(DIALS))
def test_few_and_many_matches(kind: Callable[[], Indexes], dial: Dial) -> None:
    """However many match, and however many of them are excluded, the others are ranked as if nothing else were there."""
    indexes = kind()
    index, asked = laid_out(numbered(indexes, 5_000), indexes, dial), queries(4)
    ids = index.ids()
    exact = (index.vectors(ids) @ asked.T).T
    ranked = [[(ids[row], float(row_scores[row])) for row in np.argsort(-row_scores)] for row_scores in exact]
    exclude = [set[str](), {"i1", "unknown"}, {f"i{number}" for number in range(60)}, {f"i{number}" for number in range(4_000)}]
    for least in (0, 2_500, 4_500, 4_950, 4_999, 5_000):
        matches = {f"i{number}" for number in range(least, 5_000) if number % 7}
        found = index.search(asked, 40, exclude, Range("n", least, None))
        for pairs, scores, gone in zip(found, ranked, exclude, strict=True):
            wanted = list(islice(((item, score) for item, score in scores if item in matches and item not in gone), 40))
            known = dict(scores)
            assert len(pairs) == len(wanted)
            for (item, score), (_, best) in zip(pairs, wanted, strict=True):
                assert item in matches
                assert item not in gone
                assert score == pytest.approx(known[item], abs=1e-3)
                assert known[item] == pytest.approx(best, abs=2e-3)


def test_an_unfiltered_search_is_as_before(indexes: Indexes) -> None:
    """A filter that every item matches finds what no filter finds; without items in it nothing is found."""
    index, asked = numbered(indexes, 300), queries(3)
    everything = Not(Equals("n", -1))
    unknown = [f"i{number}" for number in range(0, 300, 7)]
    assert index.search(asked, 10, [unknown] * 3) == index.search(asked, 10, (), everything)
    assert index.search(asked, 10, (), Equals("n", -1)) == [[], [], []]
    assert index.search(asked[:0], 10, (), everything) == []


def test_what_columns_can_be_asked(indexes: Indexes) -> None:
    """Each column's kind is told, and what does not fit one is refused before anything is looked for."""
    index = indexes.empty(2, "dot")
    assert index.kinds() == {}
    columns: dict[str, Any] = {
        "n": pa.array([1], pa.int8()),
        "x": pa.array([1], pa.float32()),
        "t": pa.array([0], pa.timestamp("s")),
        "b": [True],
        "w": ["a"],
        "l": [["a"]],
        "p": [[1]],
        "v": [[0.5]],
        "e": pa.nulls(1),
        "h": pa.array([[]], pa.list_(pa.null())),
        "u": pa.array([1], pa.uint64()),
    }
    vectors = np.ones((1, 2), np.float32)
    index.upsert(EmbeddingBatch(("a",), vectors, pa.table({"item_id": ["a"], **columns})))
    assert index.kinds() == {
        "n": "number", "x": "number", "t": "time", "b": "truth", "w": "text", "l": "texts", "p": "numbers", "v": "other",
        "e": "nothing", "h": "nothing", "u": "other",
    }  # fmt: skip
    for refused in (Equals("w", 1), Equals("l", "a"), Has("v", 0.5), Equals("u", 1), Equals("whatever", 1)):
        with pytest.raises(FilterRefused, match="filter/"):
            index.search(vectors, 1, (), refused)
        with pytest.raises(FilterRefused, match="filter/"):
            index.matching(["a"], refused)
    fits = All(
        (Equals("n", 1), Equals("x", 1), Range("t", "1970-01-01T00:00:00Z"), Equals("b", True), Has("l", "a"), Has("p", 1))
    )
    assert index.search(vectors, 1, (), All((fits, Not(Has("h", "a"))))) == [[("a", 2.0)]]
    assert index.matching(["a"], Not(Equals("e", 1))) == []
    assert index.matching(["a"], All((*map(Exists, "nxtbwlpvhu"), Exists("e", exists=False)))) == ["a"]


def test_a_column_of_another_type_is_asked_as_such(indexes: Indexes) -> None:
    """When numbers become strings and a column is new, filters follow; what an older item never had is unknown of it."""
    index, vectors = indexes.empty(2, "dot"), np.ones((1, 2), np.float32)
    index.upsert(EmbeddingBatch(("a",), vectors, pa.table({"item_id": ["a"], "year": [1990]})))
    assert index.matching(["a"], Equals("year", 1990)) == ["a"]
    index.upsert(EmbeddingBatch(("b",), vectors, pa.table({"item_id": ["b"], "year": ["MCM"], "new": [1]})))
    assert index.matching(["a", "b"], Equals("year", "1990")) == ["a"]
    assert index.matching(["a", "b"], Not(Equals("new", 2))) == ["b"]
    with pytest.raises(FilterRefused, match="expected a string, as in column year, found 1990"):
        index.matching(["a"], Equals("year", 1990))


@pytest.mark.parametrize(("kind", "way"), narrowed(WAYS))
def test_readers_with_filters_beside_a_writer(kind: Callable[[], Indexes], way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """While items come, change columns and go, nobody finds an item of half a change, or one with another's vector."""
    go(monkeypatch, way)
    index, stop, looks, wrong = kind().empty(2, "dot"), threading.Event(), list[int](), list[object]()

    def put(rng: np.random.Generator, numbers: list[int]) -> None:
        # In every state of an item both columns agree, and its vector tells its number.
        told = rng.integers(0, 4, len(numbers))
        table = pa.table({"item_id": [f"i{n}" for n in numbers], "left": told, "right": [f"w{value}" for value in told]})
        vectors = np.array([[1_000.0 + number, 0.0] for number in numbers], np.float32)
        index.upsert(EmbeddingBatch(tuple(table.column("item_id").to_pylist()), vectors, table))

    def write() -> None:
        rng = np.random.default_rng(0)
        try:
            for _ in range(50):
                put(rng, rng.choice(400, 30, replace=False).tolist())
                index.remove([f"i{number}" for number in rng.choice(400, 20, replace=False)])
        finally:
            stop.set()

    def read(torn: Predicate, ever: Predicate) -> None:
        try:
            while not stop.is_set():
                found, ok = (index.search(np.array([[1, 0]], np.float32), 30, (), only)[0] for only in (torn, ever))
                looks.append(len(ok))
                if found or any(score != 1_000.0 + int(item[1:]) for item, score in ok):
                    wrong.append((found, ok))
        except Exception as error:
            wrong.append(error)
            raise

    put(np.random.default_rng(1), list(range(300)))
    torn = All((Equals("left", 1), Not(Equals("right", "w1"))))
    targets: list[Callable[[], None]] = [*[partial(read, torn, Equals("left", 2))] * 2, write]
    threads = [threading.Thread(target=target) for target in targets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert max(looks) > 0
