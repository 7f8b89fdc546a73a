"""Lists over a mapped base against lists in memory, and what they refuse."""

import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ratoon.domain.dial import Codec, Dial, IndexPolicy
from ratoon.domain.errors import UsageError
from ratoon.index.faiss_cpu import FaissIndex
from ratoon.index.ivf.centroids import shape_for
from ratoon.index.ivf.lists import Lists
from ratoon.index.mapped.files import MappedFiles
from ratoon.index.mapped.lists import MappedLists
from ratoon.index.stored import Written
from tests.index.mapped.released import DIM, batch, drawn, mapped, released


@cache
def written(codec: Codec, count: int, held: int) -> Written:
    """So many vectors in lists; in some lists lies nothing."""
    shape, vectors = shape_for(Dial(count, codec), drawn(500, 7)), drawn(held, 8)
    scratch = Lists(shape)
    return Written(shape, f"{codec} {count} {held}".encode(), scratch.assigned(vectors), scratch.encoded(vectors))


def pair(folder: Path, codec: Codec, count: int, held: int) -> tuple[Lists, MappedLists]:
    """The same vectors in memory, and in a file."""
    made = written(codec, count, held)
    return made.laid(), MappedFiles(folder).laid(made)


@pytest.mark.parametrize("codec", ["flat", "fp16", "sq8"])
@pytest.mark.parametrize("count", [1, 9])
@given(seed=st.integers(0, 2**32), held=st.sampled_from([0, 5, 70]), steps=st.lists(st.sampled_from(["put", "drop", "copy"])))
@settings(max_examples=15, deadline=None)
def test_any_changes_leave_what_lists_in_memory_have(codec: Codec, count: int, seed: int, held: int, steps: list[str]) -> None:
    """After any puts, drops and copies both hold the same, and find the same with the same scores to the last bit."""
    with tempfile.TemporaryDirectory() as folder:
        rng, (own, over) = np.random.default_rng(seed), pair(Path(folder), codec, count, held)
        for step in steps:
            slots = rng.choice(90, rng.integers(0, 40), replace=False)
            vectors = drawn(len(slots), int(rng.integers(99)))
            if step == "put":
                for lists in (own, over):
                    lists.put(slots, lists.assigned(vectors), lists.encoded(vectors))
            elif step == "drop":
                own.drop(slots)
                over.drop(slots)
            else:
                before, over = over, over.copy()
                before.drop(slots)
        agree(own, over, rng)


def agree(own: Lists, over: MappedLists, rng: np.random.Generator) -> None:
    """Whether all that can be asked of both is answered alike."""
    assert len(own) == len(over)
    assert own.sizes().tolist() == over.sizes().tolist()
    slots = own.held_slots()
    assert over.held_slots().tolist() == slots.tolist()
    assert own.has(np.arange(200)).tolist() == over.has(np.arange(200)).tolist()
    assert own.place(slots).tolist() == over.place(slots).tolist()
    assert own.vectors(slots).tobytes() == over.vectors(slots).tobytes()
    held, also = own.held(), over.held()
    rows = also.rows(held.slots)
    assert held.vectors.tobytes() == also.vectors[rows].tobytes()
    queries, odd, bits = drawn(3, int(rng.integers(99))), np.arange(1, 90, 2), np.full(4, 0b01110101, np.uint8)
    for nprobe in (1, 3, 99):
        for without, only in ((None, None), (odd, None), (None, bits), (odd, bits)):
            left, right = (lists.search(queries, 12, nprobe, without, only) for lists in (own, over))
            assert left[0].tobytes() == right[0].tobytes()
            # Which of those that tie with the last are there may differ: the same vector lies in several slots at times.
            surely = left[0] > left[0][:, -1:]
            for row, ahead in enumerate(surely):
                assert set(left[1][row][ahead].tolist()) == set(right[1][row][ahead].tolist())


@pytest.mark.parametrize("count", [1, 5])
def test_the_best_may_all_be_gone(tmp_path: Path, count: int) -> None:
    """Where far more of the best are hidden than elsewhere, an answer is as long and as good as from memory."""
    own, over = pair(tmp_path, "fp16", count, 400)
    queries = np.concatenate([drawn(1, 5), -drawn(1, 5)])
    gone = own.search(queries[:1], 60, count)[1][0]
    for lists in (own, over):
        lists.drop(gone)
    left, right = (lists.search(queries, 12, count) for lists in (own, over))
    assert left[0].tobytes() == right[0].tobytes()
    assert left[1].tolist() == right[1].tolist()


def test_what_is_laid_out_stays(tmp_path: Path) -> None:
    """Rebuilding, mending and settling are refused by name, before FAISS hears of them; what is there is found as before."""
    for dial in (None, Dial(6, "fp16", 6)):
        index = mapped(released(dial=dial), tmp_path)
        before, (file,) = index.search(drawn(2), 9), tmp_path.glob("*.ivf")
        said = f"index.mapped: expected a change of items, found {{}} of an index that is mapped from {file}. Refresh"
        with pytest.raises(UsageError, match=said.format("a rebuild")):
            index.rebuild(Dial(4, "flat", 4))
        with pytest.raises(UsageError, match=said.format("upkeep")):
            index.upkeep()
        with pytest.raises(UsageError, match=said.format("(a rebuild|upkeep)")):
            index.settle(lambda: drawn(5))
        with pytest.raises(UsageError, match=said.format("other centroids")):
            index._layout.live.recentre(np.array([0]), np.zeros((1, DIM), np.float32))
        with pytest.raises(ValueError, match="read-only"):
            index._layout.live.entries(0)[1][0] = 0
        assert index.search(drawn(2), 9) == before
        file.unlink()


def test_lists_to_look_into_are_chosen_over_a_file_too(tmp_path: Path) -> None:
    """A probe that finds too little lets searches look into more of the mapped lists."""
    index = mapped(released(2_000, Dial(40, "fp16", 1)), tmp_path, IndexPolicy(recall=1.0, k=50))
    index.upsert(batch(list(range(1_900, 2_300)), seed=4))
    for row in range(2_000):
        index.search(drawn(1, row), 5)
    share = index.probe()
    assert share is not None
    assert share < 0.9
    assert index.dial.nprobe > 1
    assert index.recall(drawn(20), 50) > share


def test_what_is_told(tmp_path: Path) -> None:
    """Items over the file, items of it that are gone, and which file are told; what was replaced is not gone."""
    files = released(300)
    index = mapped(files, tmp_path)
    index.upsert(batch([1, 2, 3, 1_000]))
    index.remove(["i3", "i4", "i5", "nobody"])
    said, (file,) = index.stats(), tmp_path.glob("*.ivf")
    assert (said["items"], said["overlay"], said["gone"], said["file"]) == (298, 3, 3, str(file))
    assert "mode" not in FaissIndex.load(files).stats()
