"""Releases to publish."""

from datetime import UTC, datetime

from ratoon import durable
from ratoon.domain.release import Release, release_id
from ratoon.domain.window import Window
from ratoon.registry import FileRegistry

T0 = datetime(2020, 1, 1, tzinfo=UTC)


def window(start: int, end: int) -> Window:
    """A window over these offsets."""
    return Window(start, end, T0, {"profile": {"a.parquet": str(end)}})


def content(number: int, size: int = 40) -> dict[str, bytes]:
    """The files of the release with this number: three of them, all of its own."""
    return {name: f"{name}{number}".encode() * size for name in ("model.safetensors", "index.faiss", "items.parquet")}


def release(parent: Release | None, files: dict[str, bytes], *, end: int | None = None, seed: int = 0) -> Release:
    """A release with these files on top of `parent`, as a refresh would make it."""
    start = parent.window.end if parent else 0
    seen = window(start, start + 10 if end is None else end)
    hashes = {name: durable.sha256(data) for name, data in files.items()}
    above = parent.id if parent else ""
    made = release_id(parent=above, window=seen, scope="rows", seed=seed, files=hashes)
    return Release(made, "home", 0, above, seen, "rows", 32, "cosine", "schema", seed, ("i1", "ü2"), hashes)


def published(registry: FileRegistry, count: int) -> list[Release]:
    """Publish this many releases, oldest first."""
    made: list[Release] = []
    for number in range(count):
        new = release(registry.current(), content(number))
        made.append(registry.publish(new, content(number)))
    return made
