"""Changes a second in batches, and how long it takes to change a tenth of the items, and all of them, in place."""

import time
from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa

from ratoon.bench.indexes.worlds import World, named
from ratoon.domain.embedding import EmbeddingBatch, Vectors
from ratoon.index.faiss_cpu import FaissIndex

BATCH = 200
MOST = 60_000
"""Items changed in batches, of each kind of change."""


def batched(index: FaissIndex, world: World) -> dict[str, float]:
    """Items a second, and CPU microseconds of each: overwritten by id, taken away, and put back; `BATCH` at a time."""
    chosen = np.random.default_rng(0).permutation(world.items)[:MOST]
    moved = world.array("moved")[np.sort(chosen)].astype(np.float32)
    parts = [(named(np.sort(chosen)[at : at + BATCH]), moved[at : at + BATCH]) for at in range(0, len(chosen), BATCH)]
    batches = [EmbeddingBatch(ids, vectors, pa.table({"item_id": list(ids)})) for ids, vectors in parts]
    kinds: dict[str, Callable[[int], object]] = {
        "upserts": lambda number: index.overwrite(*parts[number]),
        "deletes": lambda number: index.remove(parts[number][0]),
        "inserts": lambda number: index.upsert(batches[number]),
    }
    found: dict[str, float] = {}
    for name, change in kinds.items():
        wall, cpu = time.perf_counter(), time.process_time()
        for number in range(len(parts)):
            change(number)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        found |= {name: len(chosen) / wall, f"{name}_cpu_us": 1e6 * cpu / len(chosen)}
    return found


def in_place(index: FaissIndex, world: World) -> dict[str, float]:
    """Seconds, and CPU seconds, to overwrite a tenth of all items in one call, then all, by vectors unlike the old ones."""
    ids, moved = named(range(world.items)), world.array("moved").astype(np.float32)
    tenth = np.random.default_rng(1).permutation(world.items)[: world.items // 10]
    share = _timed(index, [ids[row] for row in tenth.tolist()], moved[tenth])
    whole = _timed(index, ids, moved)
    return {"tenth_s": share[0], "tenth_cpu_s": share[1], "all_s": whole[0], "all_cpu_s": whole[1]}


def _timed(index: FaissIndex, ids: Sequence[str], vectors: Vectors) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    index.overwrite(ids, vectors)
    return time.perf_counter() - wall, time.process_time() - cpu
