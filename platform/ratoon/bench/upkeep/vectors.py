"""Item vectors in every codec of the index, in one process: what each finds, in which memory, for which CPU."""

import time
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from ratoon.bench.indexes.mixture import TUNING, Mixture
from ratoon.bench.row import Row, at_least, at_most, told
from ratoon.bench.upkeep.scene import Scene
from ratoon.domain.dial import Codec, Dial
from ratoon.domain.embedding import EmbeddingBatch
from ratoon.index.faiss_cpu import FaissIndex
from ratoon.upkeep.operation import Choosing
from ratoon.upkeep.vectors import CODECS, TUNED, K, Tried, compared, timed, tried, users

MADE_UP, DIM, ASKED = 100_000, 64, 500
"""Items, their numbers, and queries, of what is made up because the sets are small."""

Figures = Mapping[str, Sequence[Mapping[str, float]]]


def measure(scene: Scene) -> Mapping[str, float]:
    """Every codec on a release's items and fit users."""
    asked = users(scene.source, Choosing.of(scene.shop, scene.task, scene.source).asked)
    return {**_found(compared(scene.shop, scene.task, scene.source, *asked)), "items": len(scene.source.index)}


def made_up() -> Mapping[str, float]:
    """Every codec on overlapping clusters, with queries between them."""
    mixture = Mixture(DIM)
    vectors, ids = np.concatenate(list(mixture.vectors(MADE_UP))), tuple(map(str, range(MADE_UP)))
    tuned, asked = mixture.queries(TUNED, TUNING), mixture.queries(ASKED)
    found, exact = dict[Codec, Tried](), list[tuple[str, ...]]()
    for codec in CODECS:
        index = FaissIndex(DIM, "cosine")
        index.upsert(EmbeddingBatch(ids, vectors, pa.table({"item_id": list(ids)})))
        exact = exact or index.best(asked, K)
        index.settle(lambda: tuned, Dial(codec=codec, chosen=True))
        found[codec] = tried(index, asked, exact)
    return {**_found(timed(found, asked, time.process_time)), "items": MADE_UP}


def _found(codecs: Mapping[Codec, Tried]) -> dict[str, float]:
    said = dict[str, float]()
    for codec, one in codecs.items():
        said |= {f"{codec} recall": one.recall, f"{codec} us": one.search_us, f"{codec} bytes": float(one.memory)}
    return said


def rows(figures: Figures) -> list[Row]:
    """Four bits a number against float16, and the others beside them."""
    made: dict[str, Sequence[Mapping[str, float]]] = {**figures, f"{MADE_UP:,} x {DIM} made up": [made_up()]}
    return [row for name, seeds in made.items() for row in _rows(name, seeds)]


def _rows(name: str, seeds: Sequence[Mapping[str, float]]) -> list[Row]:
    mean = {key: float(np.mean([one[key] for one in seeds])) for key in seeds[0]}
    others = "; ".join(
        f"{codec} {mean[f'{codec} recall']:.4f}, {mean[f'{codec} us']:.0f} us, {mean[f'{codec} bytes']:,.0f} bytes"
        for codec in CODECS
    )
    against = f"{mean['items']:,.0f} items, {len(seeds)} seeds, one thread, mean over users of fit rows: {others}"
    return [
        at_least(f"{name}: recall@{K} of 4-bit vectors, of float16's", mean["sq4 recall"] / mean["fp16 recall"], 0.98, against),
        at_most(f"{name}: CPU of a search, of float16's", mean["sq4 us"] / mean["fp16 us"], 1.2, against),
        at_most(f"{name}: bytes of memory, of float16's", mean["sq4 bytes"] / mean["fp16 bytes"], 0.25, "vectors alone"),
        told(f"{name}: bytes of a file aside, of float16's", 2.0, "ratio", "float32, of which memory holds what is asked for"),
    ]
