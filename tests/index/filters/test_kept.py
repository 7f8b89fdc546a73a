"""Which filters' vectors are kept, how long, and that they are those of now."""

from collections.abc import Callable
from threading import Event, Thread

import numpy as np
import pyarrow as pa
import pytest

from ratoon.domain.dial import Dial, IndexPolicy
from ratoon.domain.embedding import EmbeddingBatch, Vectors
from ratoon.domain.predicate import Equals, Predicate, Range
from ratoon.index.faiss_cpu import FaissIndex
from ratoon.index.filters import narrowing
from ratoon.index.filters.block import bytes_for

COUNT, DIM = 6_000, 8
TENTH = Equals("n", 3)


@pytest.fixture(autouse=True)
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """It always pays."""
    monkeypatch.setattr(narrowing, "CHOICE", -1e18)


def drawn(count: int, seed: int = 0) -> Vectors:
    """Random vectors."""
    return np.random.default_rng(seed).standard_normal((count, DIM)).astype(np.float32)


def made(policy: IndexPolicy | None = None) -> FaissIndex:
    """Items i0, i1, ... in lists, whose column n is their number's last digit."""
    index = FaissIndex(DIM, "dot", policy or IndexPolicy(exact=100))
    ids = [f"i{number}" for number in range(COUNT)]
    index.upsert(EmbeddingBatch(tuple(ids), drawn(COUNT), pa.table({"item_id": ids, "n": np.arange(COUNT) % 10})))
    index.rebuild(Dial(lists=40, codec="flat", nprobe=2))
    return index


def ask(index: FaissIndex, only: Predicate = TENTH, times: int = 3) -> list[tuple[str, float]]:
    """The last of some answers to one query."""
    for _ in range(times):
        (found,) = index.search(drawn(1, 9), 20, (), only)
    return found


def exact(index: FaissIndex) -> list[str]:
    """What TENTH must find in an index of such items."""
    ids = [item for item in index.ids() if index.columns([item])[item]["n"] == 3]
    scores = index.vectors(ids) @ drawn(1, 9)[0]
    return [ids[place] for place in np.argsort(-scores)[:20]]


def test_what_is_asked_again_is_kept() -> None:
    """The first time nothing is kept; from the second on every match is looked at, and the answer is exact."""
    index = made()
    ask(index, times=1)
    assert index._kept.asked() == []
    assert [item for item, _ in ask(index)] == exact(index)
    assert index._kept.asked() == [TENTH]
    assert index._kept.size == bytes_for(COUNT // 10, DIM)


def another(index: FaissIndex) -> None:
    """An item gives its slot to another."""
    index.remove(exact(index)[:1])
    index.remove([])
    index.upsert(EmbeddingBatch(("other",), -drawn(1, 9), pa.table({"item_id": ["other"], "n": [3]})))


def mended(index: FaissIndex) -> None:
    """Many go elsewhere, and lists go after them."""
    index.overwrite([f"i{n}" for n in range(0, 4_000, 2)], 5 + drawn(2_000, 5))
    index.upkeep()


CHANGES: dict[str, Callable[[FaissIndex], object]] = {
    "upsert": lambda index: index.upsert(
        EmbeddingBatch(("new", "i3"), 100 * drawn(2, 9), pa.table({"item_id": ["new", "i3"], "n": [3, 4]}))
    ),
    "overwrite": lambda index: index.overwrite(["i13", "i14"], np.concatenate([100 * drawn(1, 9), drawn(1, 4)])),
    "amend": lambda index: index.amend(pa.table({"item_id": ["i4", "i23"], "n": [3, 5]})),
    "remove": lambda index: index.remove(exact(index)[:5]),
    "another in its slot": another,
    "rebuild": lambda index: index.rebuild(Dial(lists=30, codec="sq8", nprobe=2)),
    "upkeep": mended,
    "settle": lambda index: index.settle(lambda: drawn(50, 6)),
    "many": lambda index: index.overwrite([f"i{n}" for n in range(COUNT)], drawn(COUNT, 5)),
}


@pytest.mark.parametrize("copies", [1, 2])
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_is_kept_is_what_there_is(change: Callable[[FaissIndex], object], copies: int) -> None:
    """After every kind of change, twice, the answer is that of the vectors and columns of now, in the index and in a copy."""
    index = made(IndexPolicy(exact=100, copies=2 if copies == 2 else 1))
    assert [item for item, _ in ask(index)] == exact(index)
    for _ in range(2):
        change(index)
        wanted = exact(index)
        assert [item for item, _ in ask(index, times=1)] == wanted or index._kept.asked() == []
        assert [item for item, _ in ask(index)] == wanted
        assert [item for item, _ in ask(index.copy())] == wanted


def test_who_follows_has_kept_it_before_anybody_asks() -> None:
    """An index that follows another keeps what that kept, as it is in the release."""
    index, release = made(IndexPolicy(exact=100)), made(IndexPolicy(exact=100))
    release.overwrite(["i13"], 100 * drawn(1, 9))
    ask(index)
    followed = index.follow(release.snapshot(), lambda: None)
    assert followed is not None
    assert followed._kept.asked() == [TENTH]
    assert ask(followed, times=1)[0][0] == "i13"


def test_no_more_bytes_than_the_budget() -> None:
    """The filter that was asked longest ago makes room, and one that is larger than the budget is not kept."""
    index = made(IndexPolicy(exact=100, filter_mib=1))
    one = bytes_for(COUNT // 10, DIM)
    for number in range(10):
        ask(index, Equals("n", number))
        ask(index, TENTH, times=1)
        assert index._kept.size <= 2**20
    assert len(index._kept.asked()) == min(10, 2**20 // one)
    assert index._kept.asked()[-1] == TENTH
    small = made(IndexPolicy(exact=100, filter_mib=0))
    assert len(ask(small)) == 20
    assert small._kept.asked() == []


def test_it_is_kept_only_where_it_pays(monkeypatch: pytest.MonkeyPatch) -> None:
    """By what is measured: not the few that are fetched as fast, nor most of the items."""
    monkeypatch.setattr(narrowing, "CHOICE", 60_000.0)
    index = made(IndexPolicy(exact=100))
    index.rebuild(Dial(lists=40, codec="fp16", nprobe=1))
    for only in (Range("n", 0, 8), Equals("n", 12)):
        ask(index, only)
    assert index._kept.asked() == []


def test_readers_beside_a_writer() -> None:
    """While vectors change again and again no answer has an item with a vector that it had before the last change returned."""
    index, stop, wrong = made(IndexPolicy(exact=100)), Event(), list[object]()
    index.overwrite(["i3"], np.full((1, DIM), 50, np.float32))
    now, query = [50.0], np.ones((1, DIM), np.float32)

    def read() -> None:
        while not stop.is_set():
            least = now[0]
            (found,) = index.search(query, 1, (), TENTH)
            if found[0][0] != "i3" or found[0][1] < DIM * least:
                wrong.append((least, found))

    readers = [Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for number in range(51, 350):
        index.overwrite(["i3"], np.full((1, DIM), number, np.float32))
        now[0] = float(number)
    stop.set()
    for reader in readers:
        reader.join()
    assert not wrong
