"""A world of vectors in a folder: items, what they change into, queries and their exact answers; made once and kept."""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ratoon import durable
from ratoon.bench.indexes import mixture
from ratoon.bench.indexes.mixture import CHUNK, Mixture
from ratoon.bench.indexes.truth import Truth, exact
from ratoon.domain.embedding import EmbeddingBatch, Vectors
from ratoon.domain.release import Metric

FORMAT = 2
DIM, K, QUERIES = 128, 100, 1_000

Tell = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class World:
    """Files of one folder, which scripts that know nothing of Ratoon read as well.

    `items.npy` and `moved.npy`, float16, shape (items, dim); `tuning.npy` and `judged.npy`, float32, shape (queries, dim);
    `tuning_rows.npy`, `judged_rows.npy` and `judged_scores.npy`, shape (queries, k).

    Attributes:
        metric: how vectors are compared.
    """

    folder: Path
    items: int
    dim: int = DIM
    metric: Metric = "cosine"

    def chunks(self, name: str = "items") -> Iterator[Vectors]:
        """Item vectors, a bounded number at a time, shape (n, dim); the file is read and not mapped."""
        with (self.folder / f"{name}.npy").open("rb") as file:
            np.lib.format.read_magic(file)
            (count, dim), _, dtype = np.lib.format.read_array_header_1_0(file)
            for first in range(0, count, CHUNK):
                yield np.fromfile(file, dtype, min(CHUNK, count - first) * dim).reshape(-1, dim).astype(np.float32)

    def batches(self) -> Iterator[EmbeddingBatch]:
        """The items as an index takes them."""
        first = 0
        for vectors in self.chunks():
            ids = named(range(first, first + len(vectors)))
            yield EmbeddingBatch(ids, vectors, pa.table({"item_id": list(ids)}))
            first += len(vectors)

    def array(self, name: str) -> Vectors:
        """One of the files whole."""
        values: Vectors = np.load(self.folder / f"{name}.npy")
        return values

    def truth(self) -> Truth:
        """The exact answers to `judged`."""
        rows: npt.NDArray[np.int64] = np.load(self.folder / "judged_rows.npy")
        return Truth(rows, self.array("judged_scores"))

    def write(self, name: str, chunks: Iterable[Vectors]) -> None:
        """Put `items` or `moved` into their file, rounded to float16."""
        with (self.folder / f"{name}.npy").open("wb") as file:
            shape = (self.items, self.dim)
            np.lib.format.write_array_header_1_0(file, {"descr": "<f2", "fortran_order": False, "shape": shape})
            for chunk in chunks:
                chunk.astype(np.float16).tofile(file)

    def ask(self, name: str, queries: Vectors, k: int) -> Truth:
        """Put `tuning` or `judged` into their files, with their exact answers among the items that are there."""
        truth = exact(self.chunks(), queries, k)
        np.save(self.folder / f"{name}.npy", queries)
        np.save(self.folder / f"{name}_rows.npy", truth.rows)
        np.save(self.folder / f"{name}_scores.npy", truth.scores)
        return truth


def named(rows: Iterable[int]) -> tuple[str, ...]:
    """The ids of these items."""
    return tuple(f"i{row}" for row in rows)


def open_world(cache: Path, items: int, tell: Tell, *, dim: int = DIM, k: int = K, queries: int = QUERIES) -> World:
    """The world of so many items, made if it is not there."""
    said = {"format": FORMAT, "items": items, "dim": dim, "k": k, "queries": queries}
    folder, seal = cache / f"mixture-{items}x{dim}", cache / f"mixture-{items}x{dim}" / "world.json"
    world = World(folder, items, dim)
    if seal.exists() and json.loads(seal.read_text()) == said:
        return world
    folder.mkdir(parents=True, exist_ok=True)
    seal.unlink(missing_ok=True)
    made = Mixture(dim)
    for number, (name, stream) in enumerate((("items", mixture.ITEMS), ("moved", mixture.MOVED))):
        tell(f"vectors: {name}", 0.1 * number)
        world.write(name, made.vectors(items, stream))
    for number, (name, stream) in enumerate((("tuning", mixture.TUNING), ("judged", mixture.JUDGED))):
        tell(f"exact answers: {name}", 0.2 + 0.4 * number)
        world.ask(name, made.queries(queries if name == "judged" else queries // 2, stream), k)
    durable.write(seal, json.dumps(said).encode())
    return world
