"""The part of `ratoon bench index` that needs a GPU: one tensor searched exactly, changed in place, beside what else does that.

    python own_gpu.py --items N [--device cuda|cpu]

Figures are the last line, as JSON. On the processor it shows that it runs, and nothing else.
"""

import argparse
import importlib
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import cycle
from threading import Thread
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from ratoon.bench.indexes import mixture
from ratoon.bench.indexes.asking import percentiles
from ratoon.bench.indexes.mixture import Mixture
from ratoon.bench.indexes.worlds import named
from ratoon.domain.dial import IndexPolicy
from ratoon.domain.embedding import EmbeddingBatch, Vectors
from ratoon.index.gpu.place import Place
from ratoon.index.gpu.tensor import TensorIndex

DIM, K, BATCH = 128, 100, 256
UPDATED = 1_000_000
BATCHES, ASKED = 20, 300
"""How many batches, and how many single queries, are measured at least."""


def filled(items: int, device: str) -> TensorIndex:
    """So many items of the hard mixture, in float16."""
    index = TensorIndex(DIM, "cosine", IndexPolicy(exact=0), Place.of(device))
    first = 0
    for vectors in Mixture(DIM).vectors(items):
        ids = named(range(first, first + len(vectors)))
        index.upsert(EmbeddingBatch(ids, vectors, pa.table({"item_id": list(ids)})))
        index.settle(lambda: np.empty((0, DIM), np.float32))
        first += len(vectors)
    return index


def ours(index: TensorIndex) -> Callable[[Vectors], list[set[int]]]:
    """Answers of the index: exact scores, ids, ties in order."""
    return lambda queries: [{int(item[1:]) for item, _ in found} for found in index.search(queries, K)]


def torchs(index: TensorIndex) -> Callable[[Vectors], list[set[int]]]:
    """One product of matrices and one ranking, in blocks that fit: what anybody writes first."""
    rows = index._matrix.rows[: index._matrix.width]
    kind = rows.dtype if rows.is_cuda else torch.float32

    def search(queries: Vectors) -> list[set[int]]:
        asked, found = torch.from_numpy(queries).to(rows.device, kind), []
        for first in range(0, len(rows), 2**20):
            scores, places = (asked @ rows[first : first + 2**20].to(kind).T).topk(min(K, len(rows) - first), dim=1)
            found.append((scores, places + first))
        scores, places = (torch.cat(part, dim=1) for part in zip(*found, strict=True))
        return [set(own) for own in places.gather(1, scores.topk(min(K, len(rows)), dim=1).indices).tolist()]

    return search


def cuvs(index: TensorIndex) -> Callable[[Vectors], list[set[int]]]:
    """What cuVS does by brute force over the same tensor."""
    brute_force = importlib.import_module("cuvs.neighbors.brute_force")
    rows = index._matrix.rows[: index._matrix.width]
    built = brute_force.build(rows, metric="inner_product")

    def search(queries: Vectors) -> list[set[int]]:
        _, places = brute_force.search(built, torch.from_numpy(queries).to(rows.device, rows.dtype), K)
        return [set(own) for own in torch.as_tensor(places, device=rows.device).tolist()]

    return search


WAYS = {"ours": ours, "torch": torchs, "cuvs": cuvs}


def compared(index: TensorIndex, batches: Sequence[Vectors]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Queries a second of each way, what share of our answers it gives, or why it did not run."""
    wanted = ours(index)(batches[0])
    for name, way in WAYS.items():
        try:
            search = way(index)
            found = search(batches[0])
        except Exception as error:  # a peer that is not there, or fails, is told as such
            if name == "ours":
                raise
            yield name, {"missing": f"{type(error).__name__}: {error}"}
            continue
        took = [_seconds(partial(search, batch)) for batch in batches]
        same = float(np.mean([len(own & other) / len(own) for own, other in zip(wanted, found, strict=True)]))
        yield name, {"qps": sum(map(len, batches)) / sum(took), "batch_ms": 1e3 * float(np.median(took)), "same": same}


def updated(index: TensorIndex, vectors: Vectors) -> dict[str, float]:
    """Milliseconds until so many rows are others: by slot, from the processor's memory, and through the index, by id."""
    ids, slots = named(range(len(vectors))), np.arange(len(vectors))
    written = [index._owner.alone(lambda: _seconds(lambda: _put(index, slots, vectors))) for _ in range(3)]
    return {
        "updated": len(vectors),
        "put_ms": 1e3 * min(written),
        "overwrite_ms": 1e3 * _seconds(lambda: index.overwrite(ids, vectors)),
    }


def _put(index: TensorIndex, slots: Any, vectors: Vectors) -> None:
    index._matrix.put(slots, vectors)
    if index._matrix.rows.is_cuda:
        torch.cuda.synchronize()


def overwritten(index: TensorIndex, items: int, queries: Vectors) -> dict[str, Any]:
    """Single queries alone, and while every vector becomes another one."""
    asked, done = cycle(queries[:, None, :]), list[float]()

    def rewrite() -> None:
        first, begun = 0, time.perf_counter()
        for vectors in Mixture(DIM).vectors(items, mixture.MOVED):
            index.overwrite(named(range(first, first + len(vectors))), vectors)
            first += len(vectors)
        done.append(time.perf_counter() - begun)

    idle = [_seconds(lambda: index.search(next(asked), K)) for _ in range(ASKED)]
    writer = Thread(target=rewrite)
    writer.start()
    busy = list[float]()
    while writer.is_alive() or not busy:
        busy.append(_seconds(lambda: index.search(next(asked), K)))
    writer.join()
    return {"idle_ms": percentiles(np.array(idle)), "busy_ms": percentiles(np.array(busy)), "asked": len(busy), "all_s": done[0]}


def _seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def measured(arguments: Sequence[str]) -> dict[str, Any]:
    """Do what the arguments say."""
    asked_for = argparse.ArgumentParser()
    asked_for.add_argument("--items", type=int, required=True)
    asked_for.add_argument("--device", default="cuda")
    given = asked_for.parse_args(arguments)
    index, made = filled(given.items, given.device), Mixture(DIM)
    queries = made.queries(BATCH * BATCHES)
    batches = [queries[first : first + BATCH] for first in range(0, len(queries), BATCH)]
    said: dict[str, Any] = {"items": given.items, "dim": DIM, "k": K, "batch": BATCH, "device": given.device}
    if given.device.startswith("cuda"):
        said["device"] = torch.cuda.get_device_name()
    said["ways"] = dict(compared(index, batches))
    fresh = np.concatenate(list(made.vectors(min(UPDATED, given.items), mixture.TUNING)))
    return said | updated(index, fresh) | overwritten(index, given.items, queries)


if __name__ == "__main__":
    sys.stdout.write("\n" + json.dumps(measured(sys.argv[1:])) + "\n")
