"""A surface with one release published into a registry of files, and others to try."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow as pa

from ratoon.domain.embedding import EmbeddingBatch, Vectors
from ratoon.domain.release import release_id
from ratoon.domain.trial import Guards, Terms, Trial
from ratoon.durable import sha256
from ratoon.index import ExactIndexes
from ratoon.ports import Files, Values
from ratoon.registry import FileRegistry
from ratoon.serving import Surface, create_app
from ratoon.serving.trials import TrialSlot
from tests.fakes.serving_world import DIM, Ask, FakeTowers, World, asking, plan, published, release_files

QUICK = Guards(least=20)
HALF = Terms("canary", 50, QUICK)
SHADOW = Terms("shadow", guards=QUICK)
USERS = [f"user {number}" for number in range(60)]


class Broken(FakeTowers):
    """Towers that embed nobody."""

    def user(self, values: Values) -> Vectors:
        raise ArithmeticError(f"these towers know nothing of {sorted(values)}")


def opened(files: Files) -> FakeTowers:
    """Towers; those of release 13 are broken."""
    said = json.loads(files["towers.json"])
    return Broken(**said) if said["number"] == 13 else FakeTowers(**said)


def with_items(names: Sequence[str], number: int = 1) -> dict[str, bytes]:
    """The files of a release with these items, the best first."""
    index = ExactIndexes().empty(DIM, "dot")
    vectors = np.array([[len(names) - place] * DIM for place in range(len(names))], dtype=np.float32)
    index.upsert(EmbeddingBatch(tuple(names), vectors, pa.table({"item_id": names, "title": [f"Title {one}" for one in names]})))
    return release_files(number) | dict(index.snapshot())


def begin(registry: FileRegistry, files: Files, terms: Terms) -> Trial:
    """Try a release with these files on top of what is current."""
    current = registry.current()
    assert current is not None
    named = {name: sha256(data) for name, data in files.items()}
    made = replace(plan(2), sequence=0, parent=current.id, files=named)
    whole = release_id(parent=made.parent, window=made.window, scope=made.scope, seed=made.seed, files=made.files)
    return registry.trials.begin(replace(made, id=whole), files, terms)


class Tried:
    """A world whose releases are in a registry of files; release 1 is published."""

    def __init__(self, folder: Path, **changes: Any) -> None:
        self.folder = folder
        self.registry = FileRegistry(folder / "releases", "default")
        if self.registry.current() is None:
            published(self.registry, 1, indexes=changes.get("indexes"))
        self.world = World.at(folder, releases=self.registry, open_towers=opened, **changes)
        surfaces = {"default": replace(self.surface, trial=TrialSlot(every=1))}
        self.world.rooms = replace(self.world.rooms, surfaces=surfaces)
        self.world.online.known.update(USERS)

    def beside(self) -> "Tried":
        """Another server over the same registry and log."""
        return Tried(self.folder)

    @property
    def surface(self) -> Surface:
        return self.world.rooms.surfaces["default"]

    @property
    def slot(self) -> TrialSlot:
        return self.surface.trial

    def how_ended(self) -> list[tuple[str, str]]:
        return [(one.how, one.reason) for one in self.registry.trials.ended()]

    @contextmanager
    def asking(self) -> Iterator[Ask]:
        with asking(create_app(self.world.rooms)) as ask:
            yield ask


def answer(ask: Ask, user: str, **more: Any) -> dict[str, Any]:
    """What a user is answered."""
    given = ask("POST", "/v1/retrieve", json={"user_id": user, "k": 5} | more)
    assert given.status_code == 200, given.text
    told: dict[str, Any] = given.json()
    return told


def release_of(told: dict[str, Any]) -> set[str]:
    """The numbers of the releases whose items an answer has."""
    return {one["item_id"].partition("-")[0] for one in told["candidates"]}


def soon(ask: Ask, fact: Callable[[], bool]) -> None:
    """Let what runs beside the answers go on until `fact` is true; a minute is far beyond any poll, on any machine."""
    deadline = time.monotonic() + 60
    while not fact():
        assert time.monotonic() < deadline
        time.sleep(0.005)
        ask("GET", "/healthz")


def status(given: httpx.Response, wanted: int) -> dict[str, Any]:
    assert given.status_code == wanted, given.text
    told: dict[str, Any] = given.json()
    return told
