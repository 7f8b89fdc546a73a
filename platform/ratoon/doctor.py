"""`ratoon doctor`: what is installed, what it can use, whether the stores are sound, and a tiny search."""

import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import pyarrow as pa

from ratoon.domain.embedding import EmbeddingBatch
from ratoon.domain.errors import RatoonError
from ratoon.index import faiss_info, refuse_two_faiss
from ratoon.wiring import House

LIBRARIES = ("ratoon", "feast", "duckdb", "polars", "torch", "fastapi", "pyarrow", "numpy")


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at: whether it is as it should be, and what was found."""

    name: str
    ok: bool
    found: str


def examine(house: House) -> list[Check]:
    """Look at everything; a thing that is broken becomes a check that is not ok, never an exception."""
    return [*_versions(), *_devices(house), *_paths(house), *_stores(house), _tried("tiny search", lambda: _tiny_search(house))]


def _versions() -> Iterator[Check]:
    yield Check("python", sys.version_info >= (3, 11), sys.version.split()[0])
    for name in LIBRARIES:
        yield _tried(name, lambda name=name: version(name))  # type: ignore[misc]  # bound now, called at once


def _devices(house: House) -> Iterator[Check]:
    def one_faiss() -> str:
        refuse_two_faiss()
        return ", ".join(f"{name} {value}" for name, value in faiss_info().items())

    yield _tried("faiss", one_faiss)
    yield _tried("torch devices", _torch_devices)
    yield _tried("index", lambda: _index_device(house))


def _torch_devices() -> str:
    from ratoon.training import devices

    return devices()


def _index_device(house: House) -> str:
    choice = house.index_device
    searched = "exactly in one tensor on CUDA" if choice.device == "cuda" else "by FAISS on the processor"
    return f"servers search {searched}: {choice.why}"


def _paths(house: House) -> Iterator[Check]:
    paths = house.settings.paths
    yield Check("home", True, f"{paths.home}{'' if paths.home.exists() else ' (not made yet)'}")
    yield Check("feature_repo", (paths.feature_repo / "feature_store.yaml").exists(), str(paths.feature_repo))


def _stores(house: House) -> Iterator[Check]:
    if not (house.home / "events.sqlite").exists():
        yield Check("state", True, "none yet; `ratoon bootstrap` makes it")
        return
    yield _tried("event log", lambda: f"{house.log.check()}, {house.log.end()} events", wanted="ok")
    online = house.home / "features" / "online.db"
    if online.exists():
        yield _tried("online store", lambda: _quick_check(online), wanted="ok")
    for surface in house.settings.surfaces:
        yield _tried(f"releases of {surface}", lambda surface=surface: _current(house, surface))  # type: ignore[misc]


def _quick_check(database: Path) -> str:
    with closing(sqlite3.connect(database)) as store:
        return str(store.execute("PRAGMA quick_check").fetchone()[0])


def _current(house: House, surface: str) -> str:
    registry = house.registry(surface)
    release = registry.current()
    if release is None:
        return "none yet"
    return f"release {release.sequence} ({release.id[:12]}), {len(registry.load(release))} files, every hash right"


def _tiny_search(house: House) -> str:
    index = house.indexes.empty(2, "cosine")
    vectors = np.array([[1, 0], [0, 1]], np.float32)
    index.upsert(EmbeddingBatch(("east", "north"), vectors, pa.table({"item_id": ["east", "north"]})))
    ((found, _score),) = index.search(np.array([[0.9, 0.1]], np.float32), 1)[0]
    return f"nearest to east: {found}"


def _tried(name: str, look: Callable[[], str], wanted: str = "") -> Check:
    try:
        found = look()
    except (RatoonError, PackageNotFoundError, OSError, sqlite3.Error) as error:
        return Check(name, False, str(error))
    return Check(name, found.startswith(wanted), found)
