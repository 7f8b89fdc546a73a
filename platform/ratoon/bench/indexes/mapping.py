"""An index that several processes map from one file, against one that each holds whole: loading, memory, CPU a query."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ratoon import durable
from ratoon.bench.indexes.asking import RECALL
from ratoon.bench.indexes.worlds import K, World
from ratoon.domain.dial import IndexPolicy
from ratoon.domain.embedding import EmbeddingBatch, Vectors
from ratoon.index import FaissIndexes
from ratoon.index.faiss_cpu import FaissIndex
from ratoon.index.items.slots import Slots
from ratoon.index.snapshots import placed, read_items
from ratoon.ports import Files, Index

WIDTH = 64
"""Dimensions of a world's that are taken: its first ones."""

Load = Callable[[Files], Index]


def snapshot(world: World, folder: Path) -> dict[str, Any]:
    """Lay the world's items out and write the files of a release, which the other parts load."""
    index = FaissIndex(WIDTH, "dot", IndexPolicy(recall=RECALL, k=K, copies=1))
    for batch in world.batches():
        vectors = np.ascontiguousarray(batch.vectors[:, :WIDTH])
        index.upsert(EmbeddingBatch(batch.ids, vectors, pa.table({"item_id": list(batch.ids)})))
    index.rebuild(queries=_queries(world, "tuning"))
    for name, data in index.snapshot().items():
        durable.write(folder / name, data)
    return {**index.stats()}


def whole(world: World, folder: Path) -> dict[str, Any]:
    """One copy in memory of this process's own."""
    return _loaded(world, folder, lambda files: FaissIndex.load(files, IndexPolicy(copies=1)))


def mapped(world: World, folder: Path, beside: list[str] | None) -> dict[str, Any]:
    """The file mapped by this process, and as long as it is, by another.

    Args:
        beside: the command of the other one, whose figures are its last line; None if this is the other one.
    """
    indexes = FaissIndexes(mapped=folder / "mapped").shared()
    if beside is None:
        return _loaded(world, folder, indexes.load)
    files = _files(folder)
    cpu = time.process_time()
    index = indexes.load(files)
    cpu = time.process_time() - cpu
    _ask(index, _queries(world, "judged"))  # it has its pages in memory, as a server that serves
    done = subprocess.run([sys.executable, *beside], capture_output=True, text=True, check=True)
    return {"made_cpu_s": cpu, "items": len(index), "second": json.loads(done.stdout.strip().splitlines()[-1])}


def _loaded(world: World, folder: Path, load: Load) -> dict[str, Any]:
    """What a process takes to load, MiB above what it had before, and what it takes to answer."""
    queries = _queries(world, "judged")
    few = FaissIndex(WIDTH, "dot")
    few.upsert(EmbeddingBatch(("i0",), queries[:1], pa.table({"item_id": ["i0"]})))
    _ask(load(few.snapshot()), queries[:1])  # what libraries take once is not the index's
    before = _memory()
    said: dict[str, Any] = {"ids_mb": _ids(folder) - before["private_mb"]}
    files, cpu, begun = _files(folder), time.process_time(), time.perf_counter()
    index = load(files)
    said |= {"cpu_s": time.process_time() - cpu, "wall_s": time.perf_counter() - begun}
    del files
    _ask(index, queries)  # the pages that answers need are in memory now
    said["cpu_us"] = _ask(index, queries)
    return said | {name: now - before[name] for name, now in _memory().items()}


def _ids(folder: Path) -> float:
    """Private MiB of a process that holds the ids alone; that memory is used again for those that the index holds."""
    table = read_items(_files(folder))[0]
    slots = Slots.told(placed(table, table.num_rows, "items"), table)
    assert len(slots)
    return _memory()["private_mb"]


def _files(folder: Path) -> Files:
    return {name: (folder / name).read_bytes() for name in ("index.safetensors", "items.parquet")}


def _queries(world: World, name: str) -> Vectors:
    return np.ascontiguousarray(world.array(name)[:, :WIDTH])


def _ask(index: Index, queries: Vectors) -> float:
    """CPU microseconds a query, asked one at a time."""
    begun = time.process_time()
    for query in queries:
        index.search(query[None, :], K)
    return 1e6 * (time.process_time() - begun) / len(queries)


def _memory() -> dict[str, float]:
    """MiB of this process, by the kernel: resident; its part of what it shares; what it shares with nobody."""
    told = Path("/proc/self/smaps_rollup").read_text().splitlines()[1:]
    kib = {name.rstrip(":"): float(value) for name, value, *_ in map(str.split, told)}
    private = kib["Private_Clean"] + kib["Private_Dirty"]
    return {"rss_mb": kib["Rss"] / 1024, "pss_mb": kib["Pss"] / 1024, "private_mb": private / 1024}
