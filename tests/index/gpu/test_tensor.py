"""What only the tensor promises: files that FAISS's index reads, changes in place, and one thread that keeps the order."""

import gc
import threading
import time
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from ratoon.domain.dial import Dial, IndexPolicy
from ratoon.domain.embedding import EmbeddingBatch, Vectors
from ratoon.domain.errors import DataError, StoreError
from ratoon.domain.predicate import Equals, FilterRefused, Predicate
from ratoon.index.exact import ExactIndex
from ratoon.index.faiss_cpu import FaissIndex
from ratoon.index.gpu.matrix import LEAST
from ratoon.index.gpu.place import Place
from ratoon.index.gpu.tensor import TensorIndex

POLICY = IndexPolicy(exact=100)


def place(free: int = 2**40) -> Place:
    return Place(torch.device("cpu"), lambda: free, budget=2**16)


def batch(numbers: list[int], vectors: Vectors) -> EmbeddingBatch:
    """Items i0, i1, ... by number."""
    ids = [f"i{number}" for number in numbers]
    return EmbeddingBatch(tuple(ids), vectors, pa.table({"item_id": ids, "n": numbers}))


def drawn(count: int, seed: int = 0) -> Vectors:
    """Random vectors of length 8."""
    return np.random.default_rng(seed).standard_normal((count, 8)).astype(np.float32)


def filled(count: int, policy: IndexPolicy = POLICY) -> TensorIndex:
    """An index with `count` random items."""
    index = TensorIndex(8, "dot", policy, place())
    index.upsert(batch(list(range(count)), drawn(count)))
    return index


def nothing() -> Vectors:
    raise AssertionError("asked for queries")


@pytest.mark.parametrize(("lists", "codec"), [(1, "flat"), (1, "fp16"), (12, "fp16"), (12, "flat"), (12, "sq8")])
def test_each_reads_what_the_other_wrote(lists: int, codec: Any) -> None:
    """A snapshot of FAISS's is the same items, columns and answers in a tensor, and what that writes is so in FAISS's index."""
    faiss = FaissIndex(8, "dot", IndexPolicy(copies=1))
    faiss.upsert(batch(list(range(600)), drawn(600)))
    faiss.remove(["i5", "i590"])
    faiss.rebuild(Dial(lists, codec, nprobe=lists), drawn(50, 4) if lists > 1 else None)
    tensor = TensorIndex.load(faiss.snapshot(), POLICY, place())
    kept: Any = "fp16" if codec == "sq8" else codec
    assert (tensor.dial, len(tensor), tensor.kinds()) == (Dial(codec=kept), 598, faiss.kinds())
    ids = faiss.ids()
    near = {"rtol": 2e-3, "atol": 2e-3} if codec == "sq8" else {"rtol": 0, "atol": 0}
    np.testing.assert_allclose(tensor.vectors(ids), faiss.vectors(ids), **near)
    tensor.upsert(batch([5, 700], drawn(2, 5)))
    again = FaissIndex.load(tensor.snapshot())
    assert (again.dial, again.ids(), again.columns(again.ids())) == (tensor.dial, tensor.ids(), tensor.columns(again.ids()))
    assert np.array_equal(again.vectors(again.ids()), tensor.vectors(again.ids()))
    oracle = ExactIndex(8, "dot")
    oracle.upsert(EmbeddingBatch(tuple(again.ids()), tensor.vectors(again.ids()), pa.table({"item_id": again.ids()})))
    assert tensor.search(drawn(20, 3), 30) == oracle.search(drawn(20, 3), 30)
    found = [[item for item, _ in own] for own in tensor.search(drawn(20, 3), 30)]
    assert [[item for item, _ in own] for own in again.search(drawn(20, 3), 30)] == found


def test_one_list_is_written_as_faiss_writes_it() -> None:
    """After the same changes both write the same bytes, so that what differs between releases is what was written."""
    faiss = FaissIndex(8, "dot")
    faiss.upsert(batch(list(range(50)), drawn(50)))
    tensor = TensorIndex.load(faiss.snapshot(), POLICY, place())
    for index in (faiss, tensor):
        index.remove(["i7"])
        index.upsert(batch([3, 90, 91], drawn(3, 1)))
        index.overwrite(["i1"], drawn(1, 2))
    assert tensor.snapshot() == faiss.snapshot()
    dial = {"lists": 1, "codec": "flat", "nprobe": 1, "recall": None, "deep": 1.0, "chosen": False}
    assert tensor.stats() == {"items": 51, "device": "cpu", **dial}
    assert tensor.probe() == 1.0


def test_so_many_are_kept_otherwise() -> None:
    """Beyond the limit a refresh keeps them in float16, well below it in float32 again, and in between as they are."""
    index = filled(100)
    assert index.settle(nothing).codec == "flat"
    index.upsert(batch([100], drawn(1, 9)))
    before = index.vectors(index.ids())
    assert index.settle(nothing).codec == "fp16"
    assert np.array_equal(index.vectors(index.ids()), before.astype(np.float16).astype(np.float32))
    assert index.recall(drawn(10, 3), 10) == 1.0
    index.remove([f"i{number}" for number in range(40)])
    assert index.settle(nothing).codec == "fp16"
    index.remove([f"i{number}" for number in range(52)])
    assert index.settle(nothing).codec == "flat"
    assert index.recall(drawn(10, 3), 10) == 1.0
    for codec, kept in (("sq8", "fp16"), ("flat", "flat")):
        assert filled(101, IndexPolicy(exact=100, codec=codec)).settle(nothing).codec == kept  # type: ignore[arg-type]


def test_changed_in_place() -> None:
    """Replacing, overwriting and filling freed slots leaves the tensor where it is; twice as many find room beside it."""
    index = filled(LEAST)
    address = index._matrix.rows.data_ptr()
    index.upsert(batch([10], drawn(1, 1)))
    index.overwrite(["i11", "i12"], drawn(2, 2))
    index.remove(["i20", "nobody"])
    index.upsert(batch([5_000], drawn(1, 3)))
    assert (index._matrix.rows.data_ptr(), len(index._matrix.rows)) == (address, LEAST)
    index.upsert(batch([5_001], drawn(1, 4)))
    assert len(index._matrix.rows) == 2 * LEAST
    assert np.array_equal(index.vectors(["i10", "i12", "i5000"]), np.concatenate([drawn(1, 1), drawn(2, 2)[1:], drawn(1, 3)]))
    assert index.search(drawn(1, 4), 1)[0][0][0] in index.ids()
    assert index.recall(drawn(10, 7), 20) == 1.0


def test_what_does_not_fit_is_refused_before_anything_changed() -> None:
    """Where a device has no room that is said in bytes, by name, when an index is opened, loaded, grown or copied."""
    files = filled(50).snapshot()
    message = r"index.device: expected [\d,]+ bytes free on cpu for 1,024 vectors of 8 numbers, torch.float32.*found 5 bytes.*cpu"
    with pytest.raises(StoreError, match=message):
        TensorIndex(8, "dot", POLICY, place(5))
    with pytest.raises(StoreError, match=message):
        TensorIndex.load(files, POLICY, place(5))
    free = [2**40]
    index = TensorIndex(8, "dot", POLICY, Place(torch.device("cpu"), lambda: free[0], budget=2**16))
    index.upsert(batch(list(range(LEAST)), drawn(LEAST)))
    before = index.snapshot()
    free[0] = 0
    with pytest.raises(StoreError, match="for 2,048 vectors of 8 numbers.*found 0 bytes"):
        index.upsert(batch([3, 5_000], drawn(2, 1)))
    with pytest.raises(StoreError, match="found 0 bytes"):
        index.copy()
    assert index.snapshot() == before
    with pytest.raises(StoreError, match="found [0-9,]+ bytes, not in one piece"):
        Place(torch.device("cpu"), lambda: 2**62).zeros(2**52, 8, torch.float32)
    assert 0 < Place.of("cpu").free() < 2**50


def test_an_error_of_one_search_is_its_own() -> None:
    """A filter that fits no column is refused to who asked it, while the searches beside it are answered."""
    index, said = filled(200), dict[int, object]()
    release = threading.Event()
    threading.Thread(target=lambda: index._owner.alone(lambda: release.wait(60))).start()

    def ask(number: int) -> None:
        only: Predicate = Equals("n", number if number else "none")
        try:
            said[number] = index.search(drawn(1), 5, (), only)
        except FilterRefused as error:
            said[number] = error

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    while len(index._owner._waiting) < 7:
        time.sleep(0)
    release.set()
    for thread in threads:
        thread.join()
    assert isinstance(said.pop(0), FilterRefused)
    assert {number: [item for item, _ in own[0]] for number, own in said.items()} == {n: [f"i{n}"] for n in range(1, 6)}  # type: ignore[index]


def test_refused_changes_leave_it_as_it_was() -> None:
    """What is refused inside the thread, an unknown item or a column that cannot be read, is raised, and nothing has changed."""
    index = filled(30)
    before = index.snapshot()
    with pytest.raises(KeyError, match="nobody"):
        index.overwrite(["i1", "nobody"], drawn(2))
    with pytest.raises(DataError, match="n: expected the index's column type"):
        index.upsert(EmbeddingBatch(("new",), drawn(1), pa.table({"item_id": ["new"], "n": [["list"]]})))
    assert index.snapshot() == before
    assert len(index.search(drawn(1), 40)[0]) == 30


def test_searches_beside_changes() -> None:
    """Of many searches at once, while items come, move and go, each sees all that returned before it, whole and once."""
    index, wrong = TensorIndex(2, "dot", POLICY, place()), list[object]()
    stop, version = threading.Event(), [0]

    def put(numbers: list[int], now: int) -> None:
        # An item's vector tells its number and when it was written.
        vectors = np.array([[number, now] for number in numbers], np.float32)
        table = pa.table({"item_id": [f"i{number}" for number in numbers], "n": [now] * len(numbers)})
        index.upsert(EmbeddingBatch(tuple(table.column("item_id").to_pylist()), vectors, table))

    def write() -> None:
        while not stop.is_set():
            now = version[0] + 1
            put(list(range(50)), now)
            version[0] = now
            index.remove([f"i{number}" for number in range(30, 50, 1 + now % 3)])

    def read(seed: int) -> None:
        query = np.array([[0, 1]], np.float32)
        while not stop.is_set():
            least = version[0]
            ((*found,),) = index.search(query, 60 + seed)
            ids = [item for item, _ in found]
            times = {score for _, score in found}
            if len(set(ids)) != len(ids) or not {f"i{n}" for n in range(30)} <= set(ids):
                wrong.append(ids)
            # One change is seen as a whole; what was removed since keeps nothing of an older one alive.
            if len(times) != 1 or min(times) < least:
                wrong.append((least, times))

    put(list(range(50)), 0)
    threads = [threading.Thread(target=write), *(threading.Thread(target=read, args=(seed,)) for seed in range(4))]
    for thread in threads:
        thread.start()
    time.sleep(1.0)
    stop.set()
    for thread in threads:
        thread.join()
    assert not wrong
    assert version[0] > 5


def test_the_thread_ends_with_its_index() -> None:
    """When nobody holds an index any more its thread ends, and its vectors are let go."""
    index = filled(10)
    index.search(drawn(1), 3)
    thread = index._owner.thread
    assert thread.daemon
    del index
    gc.collect()
    thread.join(60)
    assert not thread.is_alive()
