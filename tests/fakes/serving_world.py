"""A small world behind the API: a real log, a real exact index, and towers and releases made so that a mix of two shows.

Release n serves the items `rN-i0` ... `rN-i9`; item i of release n scores exactly n * n * (10 - i) for every known user,
n from the tower and n from the index. An item posted with the feature `worth` scores n * n * worth.
"""

import asyncio
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
from fastapi import FastAPI

from ratoon.adopt import Live, adopt, arrivals, finish, replay
from ratoon.domain.embedding import EmbeddingBatch, Vectors
from ratoon.domain.errors import StoreError
from ratoon.domain.release import Metric, Release
from ratoon.domain.report import RefreshReport
from ratoon.domain.schema import Feature, TowerSchema
from ratoon.domain.window import Window
from ratoon.events import SqliteEventLog
from ratoon.events.arrival import Clock
from ratoon.features.online.posted import posted
from ratoon.features.views import View, ViewField, save
from ratoon.index import ExactIndexes
from ratoon.ports import Files, Indexes
from ratoon.serving import Policy, Rooms, Surface
from tests.fakes.events import START, batch, event

DIM = 2
ITEMS = 10
SCHEMA = TowerSchema(
    project="test",
    user=(Feature("taste", view="user_profile", entity="user", kind="number"),),
    item=(
        Feature("item_id", view="", entity="item", kind="id", vocabulary="item_id"),
        Feature("worth", view="item_profile", entity="item", kind="number"),
        Feature("clicks", view="item_clicks", entity="item", kind="count"),
    ),
    display=("title",),
    filters=("title",),
)
FIELDS = (ViewField("title", "STRING"), ViewField("worth", "DOUBLE"), ViewField("unlearnt", "DOUBLE"))
VIEW = View("test", "item_profile", "item", "item", "", "event_timestamp", FIELDS)


@dataclass
class FakeTowers:
    """User vectors that carry the release's number."""

    number: int
    dim: int = DIM
    metric: Metric = "dot"

    @property
    def popularity(self) -> Vectors:
        return np.zeros(0, np.float32)

    def weighed(self, popularity: Vectors) -> "FakeTowers":
        raise NotImplementedError(popularity)

    def users(self, table: pa.Table) -> Vectors:
        assert table.column_names == ["taste"]
        return np.full((table.num_rows, DIM), self.number / DIM, dtype=np.float32)

    def items(self, table: pa.Table) -> Vectors:
        assert table.column_names == ["item_id", "title", "worth", "clicks"]
        assert table.column("clicks").null_count == table.num_rows
        worth = table.column("worth").fill_null(0).to_numpy()
        return np.repeat(self.number * worth.astype(np.float32)[:, None], DIM, axis=1)


def open_fake_towers(files: Files) -> FakeTowers:
    return FakeTowers(**json.loads(files["towers.json"]))


def release_files(number: int, items: int = ITEMS, dim: int = DIM, indexes: Indexes | None = None) -> dict[str, bytes]:
    ids = tuple(f"r{number}-i{place}" for place in range(items))
    index = (indexes or ExactIndexes()).empty(DIM, "dot")
    vectors = np.array([[number * (items - place)] * DIM for place in range(items)], dtype=np.float32)
    columns = pa.table({"item_id": ids, "title": [f"Title {item}" for item in ids]})
    index.upsert(EmbeddingBatch(ids, vectors, columns))
    towers = json.dumps({"number": number, "dim": dim}).encode()
    return {**index.snapshot(), "schema.json": SCHEMA.to_json().encode(), "towers.json": towers}


@dataclass
class MemoryRegistry:
    """Releases in memory, as far as a server looks at them."""

    surface: str = "default"
    releases: list[Release] = field(default_factory=list)
    stored: dict[str, Files] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)

    def release(self, number: int, end: int = 0, **more: Any) -> Release:
        """Publish release `number` with the window up to log offset `end`."""
        release = Release(
            id=f"{number:064x}",
            surface=self.surface,
            sequence=number,
            parent="",
            window=Window(0, end, START),
            scope="full",
            dim=DIM,
            metric="dot",
            schema_hash=SCHEMA.hash,
            seed=0,
        )
        return self.publish(release, release_files(number, **more))

    def publish(self, release: Release, files: Files) -> Release:
        self.stored[release.id] = files
        self.releases.append(release)
        return release

    def current(self) -> Release | None:
        return self.releases[-1] if self.releases else None

    def load(self, release: Release) -> Files:
        if release.id in self.broken:
            raise StoreError("index", expected="its hash", found="another", fix="Roll back.")
        return self.stored[release.id]

    def lease(self) -> AbstractContextManager[None]:
        return nullcontext()

    def pin(self, window: Window) -> Window:
        return window

    def unpin(self) -> None:
        return

    def refuse(self, window: Window, reasons: Sequence[str]) -> None:
        del window, reasons

    def record(self, report: RefreshReport) -> None:
        del report

    def held(self) -> str:
        return ""

    def left_out(self) -> tuple[tuple[int, int], ...]:
        return ()


@dataclass
class MemoryOnline:
    """Online features of the users that `apply` was called for."""

    known: set[str] = field(default_factory=set)
    fails: bool = False

    def user(self, user_id: str, schema: TowerSchema) -> pa.Table | None:
        assert schema == SCHEMA
        return pa.table({"taste": [1.0]}) if user_id in self.known else None

    def apply(self, user_ids: list[str]) -> None:
        if self.fails:
            raise StoreError("online.db", expected="a disk", found="none", fix="Buy one.")
        self.known.update(user_ids)


@dataclass
class World:
    """Everything behind one application with the surface `default`."""

    log: SqliteEventLog
    registry: MemoryRegistry
    online: MemoryOnline
    live: Live
    rooms: Rooms

    @classmethod
    def at(cls, folder: Path, clock: Clock = "wall", policy: Policy | None = None, **changes: Any) -> "World":
        log = SqliteEventLog(folder / "events.sqlite", clock, lambda: START)
        registry, online, live = MemoryRegistry(), MemoryOnline(), Live()
        save(folder / "views.json", [VIEW])
        rooms = Rooms(
            log=log,
            surfaces={"default": Surface(live, registry, log, policy or Policy())},
            online=online,
            open_towers=open_fake_towers,
            indexes=ExactIndexes(),
            posted_items=partial(posted, folder / "views.json", log),
            clock=log.now,
            apply_user_events=online.apply,
            poll_seconds=0.01,
        )
        return cls(log, registry, online, live, replace(rooms, **changes))

    def adopt(self) -> Release | None:
        """As a server looks for a release."""
        rooms = self.rooms
        try:
            return adopt(self.live, self.registry, self.log, rooms.open_towers, rooms.indexes, rooms.posted_items)
        finally:
            finish(self.live)

    def look(self) -> None:
        replay(self.live, self.log, arrivals(self.live, self.log, self.rooms.posted_items))

    def post(self, event_id: str, item_id: str, **features: object) -> None:
        """Another process posts an item."""
        given = json.dumps(features)
        self.log.append(batch(event(event_id, kind="item", user_id=None, item_id=item_id, features=given)))


Ask = Callable[..., httpx.Response]


@contextmanager
def asking(app: FastAPI) -> Iterator[Ask]:
    """Call `app` in this thread, its lifespan included: `ask("POST", "/v1/retrieve", json={...})`.

    What runs beside the answers moves on while something is asked.
    """
    lifespan = app.router.lifespan_context(app)
    http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://ratoon.test")
    with asyncio.Runner() as runner:
        runner.run(lifespan.__aenter__())

        def ask(method: str, path: str, **more: Any) -> httpx.Response:
            return runner.run(http.request(method, path, **more))

        yield ask
        runner.run(lifespan.__aexit__(None, None, None))
        runner.run(http.aclose())


def ids(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [candidate["item_id"] for candidate in answer.json()["candidates"]]
