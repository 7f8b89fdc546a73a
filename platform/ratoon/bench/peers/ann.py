"""Other libraries' indexes on the same vectors; a script that knows nothing of Ratoon.

    python ann.py LIBRARY FOLDER SCRATCH K RECALL

FOLDER: `items.npy`, `moved.npy`, `tuning.npy`, `tuning_rows.npy`, `judged.npy` and `judged_rows.npy`. SCRATCH: for libraries
that keep files. The last line says, as JSON, what was measured: one query at a time at the first parameter that reaches RECALL
at K on the tuning queries, and changes in batches. Graphs are built as usual: 32 neighbours, chosen of 200 candidates.
"""

import importlib
import importlib.metadata
import json
import resource
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

BATCH, MOST, THREADS = 200, 20_000, 2
"""Items changed at once; changed in all; threads that build."""

ASK_SECONDS, CHANGE_SECONDS = 3.0, 15.0
"""How long queries are asked at least, and items changed at most, of each kind of change."""

EFFORTS: Sequence[int] = (100, 128, 160, 200, 250, 320, 400, 500, 640, 800, 1_000, 1_600)


class Peer(Protocol):
    """One library. Ids are row numbers.

    Attributes:
        package: what it is installed by.
        efforts: parameters of a search, the cheapest first.
    """

    package: str
    efforts: Sequence[Any]

    def build(self, vectors: Floats, scratch: Path) -> None:
        """Index these vectors; shape (n, dim)."""

    def search(self, query: Floats, k: int, effort: Any) -> Sequence[int]:
        """The ids of about the k best, shape of `query`: (dim,)."""

    def upsert(self, rows: Ints, vectors: Floats) -> None:
        """Overwrite some, or put back what was deleted."""

    def delete(self, rows: Ints) -> None:
        """Take some away."""


class _Hnswlib:
    """Malkov and Yashunin 2016 (arXiv:1603.09320)."""

    package, efforts = "hnswlib", EFFORTS

    def build(self, vectors: Floats, scratch: Path) -> None:  # noqa: ARG002  # in memory
        self.index: Any = importlib.import_module("hnswlib").Index("ip", vectors.shape[1])
        self.index.init_index(len(vectors), ef_construction=200, M=16)
        self.index.add_items(vectors, np.arange(len(vectors)), num_threads=THREADS)
        self.gone = np.zeros(len(vectors), bool)

    def search(self, query: Floats, k: int, effort: Any) -> Sequence[int]:
        self.index.set_ef(effort)
        found: Sequence[int] = self.index.knn_query(query, k, num_threads=1)[0][0].tolist()
        return found

    def upsert(self, rows: Ints, vectors: Floats) -> None:
        for row in rows[self.gone[rows]].tolist():
            self.index.unmark_deleted(row)
        self.gone[rows] = False
        self.index.add_items(vectors, rows, num_threads=1)

    def delete(self, rows: Ints) -> None:
        for row in rows.tolist():
            self.index.mark_deleted(row)
        self.gone[rows] = True


class _USearch:
    """The same graph, by another hand."""

    package, efforts = "usearch", EFFORTS

    def build(self, vectors: Floats, scratch: Path) -> None:  # noqa: ARG002  # in memory
        library: Any = importlib.import_module("usearch.index")
        self.index = library.Index(ndim=vectors.shape[1], metric="ip", dtype="f16", connectivity=16, expansion_add=200)
        self.index.add(np.arange(len(vectors)), vectors, threads=THREADS)

    def search(self, query: Floats, k: int, effort: Any) -> Sequence[int]:
        self.index.expansion_search = effort
        found: Sequence[int] = self.index.search(query, k, threads=1).keys.tolist()
        return found

    def upsert(self, rows: Ints, vectors: Floats) -> None:
        self.index.remove(rows)
        self.index.add(rows, vectors, threads=1)

    def delete(self, rows: Ints) -> None:
        self.index.remove(rows)


class _Svs:
    """Intel's Scalable Vector Search: a Vamana graph that changes (Aguerrebere et al. 2024, arXiv:2402.02044)."""

    package, efforts = "scalable-vs", EFFORTS

    def build(self, vectors: Floats, scratch: Path) -> None:  # noqa: ARG002  # in memory
        svs: Any = importlib.import_module("svs")
        parameters = svs.VamanaBuildParameters(alpha=0.95, graph_max_degree=32, window_size=200)
        ids = np.arange(len(vectors), dtype=np.uint64)
        self.index = svs.DynamicVamana.build(parameters, vectors, ids, svs.DistanceType.MIP, THREADS)
        self.index.num_threads = 1

    def search(self, query: Floats, k: int, effort: Any) -> Sequence[int]:
        self.index.search_window_size = effort
        found: Sequence[int] = self.index.search(query[None, :], k)[0][0].tolist()
        return found

    def upsert(self, rows: Ints, vectors: Floats) -> None:
        self.delete(np.array([row for row in rows.tolist() if self.index.has_id(row)], np.int64))
        self.index.add(vectors, rows.astype(np.uint64))

    def delete(self, rows: Ints) -> None:
        self.index.delete(rows.astype(np.uint64))


class _Scann:
    """Guo et al. 2020 (arXiv:1908.10396): a tree of lists, products of them quantised, the best scored again."""

    package = "scann"
    efforts: Sequence[Any] = tuple((leaves, again) for leaves in (20, 30, 40, 60, 80, 120, 160, 240, 400) for again in (250, 500))

    def build(self, vectors: Floats, scratch: Path) -> None:  # noqa: ARG002  # in memory
        library: Any = importlib.import_module("scann").scann_ops_pybind
        leaves, sample = max(10, round(2 * len(vectors) ** 0.5)), min(len(vectors), 250_000)
        made = library.builder(vectors, 100, "dot_product").set_n_training_threads(THREADS)
        made = made.tree(num_leaves=leaves, num_leaves_to_search=20, training_sample_size=sample)
        made = made.score_ah(2, anisotropic_quantization_threshold=0.2).reorder(500)
        self.index = made.build(docids=[str(row) for row in range(len(vectors))])
        self.index.set_num_threads(1)

    def search(self, query: Floats, k: int, effort: Any) -> Sequence[int]:
        leaves, again = effort
        found = self.index.search(query, k, pre_reorder_num_neighbors=again, leaves_to_search=leaves)[0]
        return [int(row) for row in found]

    def upsert(self, rows: Ints, vectors: Floats) -> None:
        self.index.upsert([str(row) for row in rows.tolist()], vectors, batch_size=len(rows))

    def delete(self, rows: Ints) -> None:
        self.index.delete([str(row) for row in rows.tolist()])


class _Qdrant:
    """Qdrant's engine in this process."""

    package, efforts = "qdrant-edge-py", EFFORTS

    def build(self, vectors: Floats, scratch: Path) -> None:
        self.q: Any = importlib.import_module("qdrant_edge")
        graph = self.q.HnswIndexConfig(m=16, ef_construct=200, full_scan_threshold=10, max_indexing_threads=THREADS)
        field = self.q.EdgeVectorParams(vectors.shape[1], self.q.Distance.Dot, hnsw_config=graph)
        self.shard = self.q.EdgeShard.create(str(scratch), self.q.EdgeConfig(vectors={"v": field}, max_search_threads=1))
        for at in range(0, len(vectors), 1_000):
            self.upsert(np.arange(at, min(at + 1_000, len(vectors))), vectors[at : at + 1_000])
        self.shard.optimize()

    def search(self, query: Floats, k: int, effort: Any) -> Sequence[int]:
        near = self.q.Query.Nearest(query.tolist(), using="v")
        asked = self.q.QueryRequest(limit=k, query=near, params=self.q.SearchParams(hnsw_ef=effort))
        return [int(point.id) for point in self.shard.query(asked)]

    def upsert(self, rows: Ints, vectors: Floats) -> None:
        points = [self.q.Point(row, {"v": vector}, {}) for row, vector in zip(rows.tolist(), vectors.tolist(), strict=True)]
        self.shard.update(self.q.UpdateOperation.upsert_points(points))

    def delete(self, rows: Ints) -> None:
        self.shard.update(self.q.UpdateOperation.delete_points(rows.tolist()))


class _Zvec:
    """Alibaba's engine in this process."""

    package, efforts = "zvec", EFFORTS

    def build(self, vectors: Floats, scratch: Path) -> None:
        self.z: Any = importlib.import_module("zvec")
        self.z.init(log_level=self.z.LogLevel.ERROR, query_threads=1, optimize_threads=THREADS)
        graph = self.z.HnswIndexParam(self.z.MetricType.IP, m=16, ef_construction=200)
        field = self.z.VectorSchema("v", self.z.DataType.VECTOR_FP32, vectors.shape[1], graph)
        self.held = self.z.create_and_open(str(scratch), self.z.CollectionSchema("items", vectors=field))
        for at in range(0, len(vectors), 1_000):
            self.upsert(np.arange(at, min(at + 1_000, len(vectors))), vectors[at : at + 1_000])
        self.held.optimize(self.z.OptimizeOption(concurrency=THREADS))

    def search(self, query: Floats, k: int, effort: Any) -> Sequence[int]:
        asked = self.z.Query("v", vector=query, param=self.z.HnswQueryParam(ef=effort))
        return [int(found.id) for found in self.held.query(asked, topk=k)]

    def upsert(self, rows: Ints, vectors: Floats) -> None:
        self.held.upsert([self.z.Doc(str(row), vectors={"v": own}) for row, own in zip(rows.tolist(), vectors, strict=True)])

    def delete(self, rows: Ints) -> None:
        self.held.delete([str(row) for row in rows.tolist()])


PEERS: dict[str, Callable[[], Peer]] = {
    "ScaNN": _Scann,
    "hnswlib": _Hnswlib,
    "usearch": _USearch,
    "SVS": _Svs,
    "qdrant-edge": _Qdrant,
    "zvec": _Zvec,
}


def main() -> None:
    """Do what the command line says and print what was measured."""
    library, folder, scratch, k, recall = sys.argv[1:]
    peer = PEERS[library]()
    read = {name: np.load(f"{folder}/{name}.npy") for name in ("tuning", "tuning_rows", "judged", "judged_rows")}
    begun = time.perf_counter()
    peer.build(np.load(f"{folder}/items.npy").astype(np.float32), Path(scratch) / "index")
    said: dict[str, Any] = {"version": importlib.metadata.version(peer.package), "build_s": time.perf_counter() - begun}
    for effort in peer.efforts:
        if _share(peer, read["tuning"], read["tuning_rows"], int(k), effort) >= float(recall):
            break
    said |= {"effort": effort, "recall": _share(peer, read["judged"], read["judged_rows"], int(k), effort)}
    said |= _asked(peer, read["judged"], int(k), effort)
    said |= _changed(peer, np.load(f"{folder}/moved.npy", mmap_mode="r"))
    said["rss_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sys.stdout.write("\n" + json.dumps(said) + "\n")


def _share(peer: Peer, queries: Floats, truth: Ints, k: int, effort: Any) -> float:
    hits = [len({*peer.search(query, k, effort)} & {*best.tolist()}) for query, best in zip(queries, truth, strict=True)]
    return float(np.mean(hits)) / k


def _asked(peer: Peer, queries: Floats, k: int, effort: Any) -> dict[str, float]:
    took, cpu, begun = list[float](), time.process_time(), time.perf_counter()
    while time.perf_counter() - begun < ASK_SECONDS or len(took) < len(queries):
        start = time.perf_counter()
        peer.search(queries[len(took) % len(queries)], k, effort)
        took.append(time.perf_counter() - start)
    spent = 1e6 * (time.process_time() - cpu) / len(took)
    return {"qps": len(took) / sum(took), "cpu_us": spent, "p50_ms": 1e3 * float(np.median(took))}


def _changed(peer: Peer, moved: npt.NDArray[np.float16]) -> dict[str, float]:
    """Items a second, and CPU microseconds of each, of each kind of change."""
    rows = np.random.default_rng(0).permutation(len(moved))[:MOST]
    steps = {
        "upserts": lambda part: peer.upsert(part, moved[part].astype(np.float32)),
        "deletes": peer.delete,
        "inserts": lambda part: peer.upsert(part, moved[part].astype(np.float32)),
    }
    done = {name: _rate(change, rows) for name, change in steps.items()}
    return {f"{name}{kind}": value for name, pair in done.items() for kind, value in zip(("", "_cpu_us"), pair, strict=True)}


def _rate(change: Callable[[Ints], None], rows: Ints) -> tuple[float, float]:
    wall, cpu, count = time.perf_counter(), time.process_time(), 0
    for part in _parts(rows):
        change(part)
        count += len(part)
        if time.perf_counter() - wall > CHANGE_SECONDS:
            break
    return count / (time.perf_counter() - wall), 1e6 * (time.process_time() - cpu) / count


def _parts(rows: Ints) -> Iterator[Ints]:
    return (rows[at : at + BATCH] for at in range(0, len(rows), BATCH))


if __name__ == "__main__":
    main()
