"""What only the FAISS index promises: changes in place, lists that are made anew under way, and files of its own."""

import json
import threading
from dataclasses import asdict
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from safetensors.numpy import load, save

from ratoon.domain.dial import Dial, IndexPolicy
from ratoon.domain.embedding import EmbeddingBatch, Vectors
from ratoon.domain.errors import DataError, StoreError
from ratoon.index.answers.found import Found
from ratoon.index.exact import ExactIndex
from ratoon.index.faiss_cpu import FaissIndex
from ratoon.index.ivf.centroids import shape_for
from ratoon.index.ivf.lists import Lists

PAIR = IndexPolicy(copies=2)


def batch(numbers: list[int], vectors: Vectors) -> EmbeddingBatch:
    """Items i0, i1, ... by number."""
    ids = [f"i{number}" for number in numbers]
    return EmbeddingBatch(tuple(ids), vectors, pa.table({"item_id": ids, "n": numbers}))


def drawn(count: int, seed: int = 0) -> Vectors:
    """Random vectors of length 8."""
    return np.random.default_rng(seed).standard_normal((count, 8)).astype(np.float32)


def filled(count: int, policy: IndexPolicy = PAIR) -> FaissIndex:
    """An index with `count` random items."""
    index = FaissIndex(8, "dot", policy)
    index.upsert(batch(list(range(count)), drawn(count)))
    return index


def test_replacing_writes_in_place() -> None:
    """Replacing items and filling freed slots leaves FAISS's memory where it was, and every other vector bit for bit."""
    index = filled(1000, IndexPolicy(copies=1))
    lists = index._layout.live
    address, before = lists.entries(0)[1].ctypes.data, index.vectors([f"i{number}" for number in range(1000)])
    index.upsert(batch([10, 500], np.full((2, 8), 7.0, np.float32)))
    assert index.remove(["i3", "i999", "nobody"]) == 2
    index.upsert(batch([2000], np.full((1, 8), 9.0, np.float32)))
    assert index._layout.live.entries(0)[1].ctypes.data == address
    assert len(index._slots.ids) == 1000
    kept = [number for number in range(999) if number not in (3, 10, 500)]
    assert np.array_equal(index.vectors([f"i{number}" for number in kept]), before[kept])
    assert index.vectors(["i2000", "i10"])[:, 0].tolist() == [9.0, 7.0]


@pytest.mark.parametrize("copies", [1, 2])
@pytest.mark.parametrize("codec", ["flat", "fp16", "sq8", "sq4"])
def test_laid_out_anew(copies: Any, codec: Any) -> None:
    """In many lists of which all are looked at, the same items are found as by brute force over the vectors that are kept."""
    index, oracle = filled(600, IndexPolicy(copies=copies)), ExactIndex(8, "dot")
    index.remove(["i5", "i7"])
    index.rebuild(Dial(lists=12, codec=codec, nprobe=12))
    index.upsert(batch([7, 700], drawn(2, 5)))
    assert index.dial == Dial(12, codec, 12)
    for one in (index, FaissIndex.load(index.snapshot(), PAIR), index.copy()):
        oracle.upsert(EmbeddingBatch(tuple(one.ids()), one.vectors(one.ids()), pa.table({"item_id": one.ids()})))
        for row in drawn(20, 3):
            own, wanted = one.search(row[None], 10)[0], oracle.search(row[None], 10)[0]
            assert [item for item, _ in own] == [item for item, _ in wanted]
        assert one.columns(["i700", "i7"]) == {"i700": {"n": 700}, "i7": {"n": 7}}
        assert one.recall(drawn(20, 3), 10) == 1.0
        assert len(one) == len(oracle) == 600


def test_few_lists_are_looked_at_and_more_if_they_have_too_little() -> None:
    """With one list of many looked at some of the best are missed, and yet k items are found as long as there are k."""
    index = filled(2_000)
    index.rebuild(Dial(lists=50, codec="flat", nprobe=1))
    asked = drawn(30, 9)
    assert 0.05 < index.recall(asked, 20) < 0.95
    hidden = [[f"i{number}" for number in range(row * 60)] for row in range(30)]
    for exclude in ([], hidden):
        for row, found in enumerate(index.search(asked, 200, exclude)):
            assert len(found) == len({item for item, _ in found}) == 200
            assert not exclude or not {item for item, _ in found} & set(exclude[row])
    assert len(index.search(asked[:1], 3_000)[0]) == 2_000


@pytest.mark.parametrize("copies", [1, 2])
def test_rebuilt_under_way(copies: Any) -> None:
    """Items that come, change and go while the lists are made anew are afterwards what they were last said to be."""
    index, stop, model = filled(3_000, IndexPolicy(copies=copies)), threading.Event(), dict[str, Vectors]()
    model |= dict(zip(index.ids(), index.vectors(index.ids()), strict=True))
    steps: list[int] = []

    def write() -> None:
        rng = np.random.default_rng(1)
        while not stop.is_set() or len(steps) < 50:
            numbers = rng.choice(4_000, 20, replace=False).tolist()
            vectors = rng.standard_normal((20, 8)).astype(np.float32)
            index.upsert(batch(numbers, vectors))
            model.update({f"i{number}": row for number, row in zip(numbers, vectors, strict=True)})
            gone = [f"i{number}" for number in rng.choice(4_000, 15, replace=False)]
            index.remove(gone)
            for item in gone:
                model.pop(item, None)
            steps.append(len(model))

    writer = threading.Thread(target=write)
    writer.start()
    for lists in (20, 1, 30):
        before = len(steps)
        while len(steps) == before:
            pass
        index.rebuild(Dial(lists=lists, codec="flat", nprobe=lists))
    stop.set()
    writer.join(60)
    index.upsert(batch([1], drawn(1, 8)))  # the copies have changed places once more
    model["i1"] = drawn(1, 8)[0]
    for _ in range(copies):
        assert index.ids() == sorted(model)
        assert index.vectors(sorted(model)).tobytes() == b"".join(model[item].tobytes() for item in sorted(model))
        index.overwrite(["i1"], drawn(1, 8))


def test_what_is_told_of_items_is_written_when_it_changed() -> None:
    """New vectors alone leave the items file that was loaded; a new item writes it again."""
    files = dict(filled(3).snapshot())
    index = FaissIndex.load(files)
    index.upsert(batch([1], drawn(1, 4)))
    assert index.copy().snapshot()["items.parquet"] is index.snapshot()["items.parquet"] is files["items.parquet"]
    assert index.snapshot()["index.safetensors"] != files["index.safetensors"]
    index.upsert(batch([9], drawn(1, 4)))
    assert FaissIndex.load(index.snapshot()).ids() == ["i0", "i1", "i2", "i9"]


def test_all_removed_and_filled_again() -> None:
    """An index that was emptied is an empty one, and takes new items."""
    index = filled(10)
    assert index.remove(f"i{number}" for number in range(10)) == 10
    assert len(index) == 0
    assert FaissIndex.load(index.snapshot()).ids() == []
    index.upsert(batch([4], np.ones((1, 8), np.float32)))
    assert index.search(np.ones((1, 8), np.float32), 2) == [[("i4", 8.0)]]


def test_recall_sees_a_broken_search(monkeypatch: pytest.MonkeyPatch) -> None:
    """Recall is counted against the vectors that are held, so a search that loses half of the top k is caught."""
    index, whole = filled(100), FaissIndex.search

    def half(self: FaissIndex, queries: Vectors, k: int) -> list[Found]:
        found = whole(self, queries, 2 * k)
        return [pairs[:5] + pairs[-5:] for pairs in found]

    assert index.recall(drawn(3, 1), 10) == 1.0
    monkeypatch.setattr(FaissIndex, "search", half)
    assert index.recall(drawn(3, 1), 10) == 0.5


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"lists": np.full(3, 7, np.int32)},
            r"the tensors of Dial\(lists=1,.*found centroids float32\[1, 8\], ",
        ),
        ({"lists": np.zeros(3, np.float32)}, r"lists float32\[3\]"),
        ({"vectors": np.zeros((3, 4), np.float32)}, r"vectors float32\[3, 4\]"),
        ({"trained": np.zeros(2, np.float32)}, r"trained float32\[2\]"),
        ({"vectors": np.zeros((3, 8), np.int64)}, r"an index's safetensors file, found 'I64'"),
    ],
)
def test_tensors_that_do_not_fit_are_refused(changed: dict[str, np.ndarray], message: str) -> None:
    """A readable file whose tensors are not those of an index is refused by what it holds."""
    files = dict(filled(3).snapshot())
    dial = json.dumps({"lists": 1, "codec": "flat", "nprobe": 1})
    files["index.safetensors"] = save(load(files["index.safetensors"]) | changed, {"dial": dial})
    with pytest.raises(StoreError, match="index.safetensors: .*" + message):
        FaissIndex.load(files)


@pytest.mark.parametrize(("lists", "kind"), [(1, np.uint8), (256, np.uint8), (257, np.uint16)])
def test_numbers_of_lists_take_as_few_bytes_as_they_need(lists: int, kind: type[np.generic]) -> None:
    """What was written when all took four is the same index, and is written again with fewer."""
    index = filled(300)
    index.rebuild(Dial(lists, "fp16", nprobe=lists))
    files = dict(index.snapshot())
    tensors = load(files["index.safetensors"])
    assert tensors["lists"].dtype == kind
    header = json.dumps(asdict(index.dial), sort_keys=True)
    wide = save(tensors | {"lists": tensors["lists"].astype(np.int32)}, {"dial": header})
    again = FaissIndex.load({**files, "index.safetensors": wide})
    assert again.search(drawn(3, 1), 10) == index.search(drawn(3, 1), 10)
    assert again.snapshot() == files


@pytest.mark.parametrize("lists", [1, 30])
def test_what_differs_between_snapshots_is_what_was_written(lists: int) -> None:
    """After few items were changed, taken away and added the file differs in about as many rows, wherever their ids sort."""
    index = filled(2_000)
    index.rebuild(Dial(lists, "fp16" if lists > 1 else "flat", nprobe=lists))
    before = load(index.snapshot()["index.safetensors"])
    index = FaissIndex.load(index.snapshot())
    index.remove(["i3", "i1500"])
    index.upsert(batch([100, 1_999, 5_000, 5_001, 5_002], drawn(5, 6)))
    after = load(index.snapshot()["index.safetensors"])
    assert len(after["vectors"]) == 2_001
    differs = (after["vectors"][:2_000] != before["vectors"]).any(axis=1) | (after["lists"][:2_000] != before["lists"])
    assert np.count_nonzero(differs) == 4
    assert np.array_equal(after["centroids"], before["centroids"])


@pytest.mark.parametrize("copies", [1, 2])
def test_what_failed_has_left_nothing(copies: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """An upsert for which there is no memory leaves no id without a vector; a rebuild that fails leaves as many copies."""
    index = filled(100, IndexPolicy(copies=copies))
    before = dict(index.snapshot())

    def full(*_: object) -> None:
        raise MemoryError

    with monkeypatch.context() as patched:
        patched.setattr(Lists, "put", full)
        with pytest.raises(MemoryError):
            index.upsert(batch([7, 500], drawn(2, 3)))
    assert "i500" not in index
    assert (
        load(index.snapshot()["index.safetensors"])["vectors"].tobytes() == load(before["index.safetensors"])["vectors"].tobytes()
    )
    with monkeypatch.context() as patched:
        patched.setattr("ratoon.index.ivf.layout.shape_for", full)
        with pytest.raises(MemoryError):
            index.rebuild(Dial(5, "fp16", 5))
    index.upsert(batch([500], drawn(1, 3)))
    index.rebuild(Dial(5, "flat", 5))
    assert index.stats()["copies"] == copies
    assert np.array_equal(index.vectors(["i500"]), drawn(1, 3))


def test_numbers_that_float16_cannot_hold_are_refused() -> None:
    """A vector with a number that would become infinite is refused by item, and nothing has changed."""
    index, far = filled(3), drawn(2)
    far[1, 2] = 1e5
    with pytest.raises(DataError, match=r"expected numbers from -65,504 to 65,504, .* found 100000 for item 'i8'"):
        index.upsert(batch([7, 8], far))
    assert index.ids() == ["i0", "i1", "i2"]


def test_a_rebuild_brings_back_nothing_that_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    """An upsert that fails while the lists are made anew is in neither the old ones nor the new ones."""
    index, whole = filled(200), Lists.put

    def full(lists: Lists, slots: np.ndarray, *rest: Any) -> None:
        if not failed:
            failed.append(1)
            raise MemoryError
        whole(lists, slots, *rest)

    failed: list[int] = []

    def late(*arguments: Any) -> Any:
        monkeypatch.setattr(Lists, "put", full)
        with pytest.raises(MemoryError):
            index.upsert(batch([900], drawn(1, 3)))
        return shape_for(*arguments)

    monkeypatch.setattr("ratoon.index.ivf.layout.shape_for", late)
    index.rebuild(Dial(5, "flat", 5))
    assert failed
    assert len(index._layout.live) == len(index) == 200
    assert len(index.search(drawn(1), 300)[0]) == 200
