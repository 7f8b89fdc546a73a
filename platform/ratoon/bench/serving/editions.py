"""Releases of a world: the same items and users, of which some have moved."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ratoon import durable
from ratoon.bench.serving.crowd import CHUNK, DIM, Crowd, item_ids
from ratoon.bench.serving.inputs import CATEGORY_NAMES, SCHEMA
from ratoon.bench.serving.model import UNIT, WORTH, user_file
from ratoon.domain.dial import IndexPolicy
from ratoon.domain.embedding import EmbeddingBatch, Vectors
from ratoon.domain.plan import Scope
from ratoon.domain.popularity import WIDTH
from ratoon.domain.release import Release, release_id
from ratoon.domain.window import Window
from ratoon.index import FaissIndexes
from ratoon.ports import Files, Index
from ratoon.registry import FileRegistry

SHARES: Final = (0.0, 0.01, 0.1)
"""Edition -> the share of its items whose vectors are others than in edition 0."""

POLICY = IndexPolicy(recall=0.965)
"""More than the 0.95 that answers are held to: an answer leaves out what its user has had, so its hundredth is further down."""

TUNED = 1_000
"""Users whose tastes the index is laid out for."""

NEAREST = 200
"""How far down the best items for a user are those that they may have had."""

Ints = npt.NDArray[np.int64]


def filled(crowd: Crowd, vectors: Vectors) -> Index:
    """An index of all items, to whose popularity nothing is known yet; laid out."""
    index = FaissIndexes(POLICY).empty(vectors.shape[1] + WIDTH, "dot")
    categories = pa.DictionaryArray.from_arrays(crowd.categories(), CATEGORY_NAMES).cast(pa.string())
    prices = pa.array(crowd.prices())
    for first in range(0, len(vectors), CHUNK):
        part = vectors[first : first + CHUNK]
        ids = item_ids(np.arange(first, first + len(part)))
        columns = {
            "item_id": pa.array(ids),
            "title": pa.array([f"A thing of no use, the {one[1:]}th of its kind" for one in ids]),
            "category": categories.slice(first, len(part)),
            "price": prices.slice(first, len(part)),
        }
        index.upsert(EmbeddingBatch(tuple(ids), widened(part), pa.table(columns)))
    return index


def widened(vectors: Vectors, worth: Sequence[float] = (0.0,) * WIDTH) -> Vectors:
    """With room for popularity at the end, or with what it is worth to a user; shape (n, dim + WIDTH)."""
    return np.concatenate([vectors, np.broadcast_to(np.array(worth, np.float32), (len(vectors), WIDTH))], axis=1)


def nearest(index: Index, tastes: Vectors) -> Ints:
    """The items that are best for each user before popularity is known, shape (users, NEAREST)."""
    made = np.empty((len(tastes), NEAREST), np.int64)
    for first in range(0, len(tastes), CHUNK // 16):
        part = tastes[first : first + CHUNK // 16]
        for place, found in enumerate(index.search(widened(part), NEAREST), first):
            made[place] = [int(item[1:]) for item, _ in found]
    return made


def set_all(index: Index, vectors: Vectors, known: Vectors) -> None:
    """Write every item's vector and popularity; shapes (items, dim) and (items, WIDTH)."""
    for first in range(0, len(vectors), CHUNK):
        part = slice(first, first + CHUNK)
        rows = np.concatenate([vectors[part], known[part]], axis=1)
        index.overwrite(item_ids(np.arange(first, first + len(rows))), rows)


def settled(index: Index, tastes: Vectors) -> Index:
    """Laid out for such users."""
    queries = widened(tastes[:TUNED], [one * UNIT for one in WORTH])
    index.settle(lambda: queries)
    return index


def edition(index: Index, crowd: Crowd, number: int, known: Vectors, tastes: Vectors) -> Files:
    """What an edition has instead of edition 0's files.

    Args:
        index: edition 0's.
        known: the popularity of each item; shape (items, WIDTH).
    """
    own = index.copy()
    count = round(SHARES[number] * crowd.items)
    rows = np.sort(np.random.default_rng([41, number]).choice(crowd.items, count, replace=False))
    if count:
        moved = np.concatenate([crowd.moved(rows, 100 * number), known[rows]], axis=1)
        own.overwrite(item_ids(rows), moved)
    return {**settled(own, tastes).snapshot(), **user_file(number)}


def keep(folder: Path, number: int, files: Files) -> None:
    """Put an edition's own files away."""
    own = folder / str(number)
    own.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (own / name).write_bytes(data)


def kept(folder: Path, number: int) -> Files:
    """What `keep` put away."""
    return {path.name: path.read_bytes() for path in sorted((folder / str(number)).iterdir())}


def publish(registry: FileRegistry, files: Files, window: Window) -> Release:
    """Make these files the current release."""
    current = registry.current()
    hashes = {name: durable.sha256(data) for name, data in files.items()}
    parent = current.id if current else ""
    scope: Scope = "rows" if current else "full"
    release = Release(
        id=release_id(parent=parent, window=window, scope=scope, seed=0, files=hashes),
        surface=registry.surface,
        sequence=0,
        parent=parent,
        window=window,
        scope=scope,
        dim=DIM + WIDTH,
        metric="dot",
        schema_hash=SCHEMA.hash,
        seed=0,
        files=hashes,
    )
    return registry.publish(release if current is None else replace(release, space=current.vector_space), files)
