"""A small world behind the API: a real log, a real exact index, and towers and releases made so that a mix of two shows.

Release n serves the items `rN-i0` ... `rN-i9`; item i of release n scores exactly n * n * (10 - i) for every known user,
n from the tower and n from the index, times the user's `taste`, which is 1 unless somebody says otherwise. An item posted with
the feature `worth` scores n * n * worth.
"""

import asyncio
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
from fastapi import FastAPI

from ratoon.adopt import Live, adopt, arrivals, finish, replay
from ratoon.domain.embedding import EmbeddingBatch, Vectors
from ratoon.domain.errors import StoreError, UsageError
from ratoon.domain.event import Event
from ratoon.domain.release import Metric, Release, release_id
from ratoon.domain.report import RefreshReport
from ratoon.domain.schema import Feature, TowerSchema
from ratoon.domain.trial import Terms, Trial
from ratoon.domain.window import Window
from ratoon.durable import sha256
from ratoon.events import SqliteEventLog
from ratoon.events.arrival import Clock
from ratoon.features.online.posted import posted
from ratoon.features.views import View, ViewField, save
from ratoon.index import ExactIndexes, FaissIndexes
from ratoon.jobs.child import PROGRAM
from ratoon.ports import Files, Indexes, Registry, Values
from ratoon.registry import FileRegistry
from ratoon.serving import Policy, Rooms, Surface
from ratoon.serving.online import ServedFeatures
from ratoon.serving.refreshing import Refreshes
from ratoon.serving.rooms import Keys
from tests.fakes.events import START, batch, event
from tests.fakes.work import book, reported, says

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

    @property
    def nbytes(self) -> int:
        return 8

    def weighed(self, popularity: Vectors) -> "FakeTowers":
        raise NotImplementedError(popularity)

    def user(self, values: Values) -> Vectors:
        assert values.keys() <= {"taste"}
        taste = values.get("taste", 1.0)
        assert isinstance(taste, int | float)
        return np.full((1, DIM), taste * self.number / DIM, dtype=np.float32)

    def users(self, table: pa.Table) -> Vectors:
        return np.concatenate([self.user(row) for row in table.to_pylist()])

    def items(self, table: pa.Table) -> Vectors:
        assert table.column_names == ["item_id", "title", "worth", "clicks"]
        assert table.column("clicks").null_count == table.num_rows
        worth = table.column("worth").fill_null(0).to_numpy()
        return np.repeat(self.number * worth.astype(np.float32)[:, None], DIM, axis=1)


def open_fake_towers(files: Files) -> FakeTowers:
    return FakeTowers(**json.loads(files["towers.json"]))


def plan(number: int, surface: str = "default", end: int = 0) -> Release:
    """The manifest of release `number` with the window up to log offset `end`."""
    return Release(
        id=f"{number:064x}",
        surface=surface,
        sequence=number,
        parent="",
        window=Window(0, end, START),
        scope="full",
        dim=DIM,
        metric="dot",
        schema_hash=SCHEMA.hash,
        seed=0,
    )


def published(registry: FileRegistry, number: int, end: int = 0, indexes: Indexes | None = None) -> Release:
    """Release `number` in a registry of files."""
    files, parent = release_files(number, indexes=indexes), registry.current()
    named = {name: sha256(data) for name, data in files.items()}
    made = replace(plan(number, end=end), parent=parent.id if parent else "", files=named)
    whole = release_id(parent=made.parent, window=made.window, scope=made.scope, seed=made.seed, files=made.files)
    return registry.publish(replace(made, id=whole), files)


def release_files(number: int, items: int = ITEMS, dim: int = DIM, indexes: Indexes | None = None) -> dict[str, bytes]:
    ids = tuple(f"r{number}-i{place}" for place in range(items))
    index = (indexes or ExactIndexes()).empty(DIM, "dot")
    vectors = np.array([[number * (items - place)] * DIM for place in range(items)], dtype=np.float32)
    columns = pa.table({"item_id": ids, "title": [f"Title {item}" for item in ids]})
    index.upsert(EmbeddingBatch(ids, vectors, columns))
    towers = json.dumps({"number": number, "dim": dim}).encode()
    return {**index.snapshot(), "schema.json": SCHEMA.to_json().encode(), "towers.json": towers}


class NoTrials:
    """Nothing is tried."""

    def running(self) -> Trial | None:
        return None

    def settled(self) -> Trial | None:
        return None

    def begin(self, release: Release, files: Files, terms: Terms) -> Trial:
        raise NotImplementedError(release, files, terms)

    def release(self, trial: Trial) -> Release:
        raise NotImplementedError(trial)

    def load(self, release: Release) -> Files:
        raise NotImplementedError(release)

    def promote(self) -> Release:
        raise NotImplementedError

    def end(self, reason: str, *, of: Trial | None = None, how: str = "ended") -> Trial:
        raise NotImplementedError(reason, of, how)


@dataclass
class MemoryRegistry:
    """Releases in memory, as far as a server looks at them."""

    surface: str = "default"
    history: list[Release] = field(default_factory=list)
    stored: dict[str, Files] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)

    @property
    def trials(self) -> "NoTrials":
        return NoTrials()

    def release(self, number: int, end: int = 0, **more: Any) -> Release:
        """Publish release `number` with the window up to log offset `end`."""
        return self.publish(plan(number, self.surface, end), release_files(number, **more))

    def publish(self, release: Release, files: Files) -> Release:
        self.stored[release.id] = files
        self.history.append(release)
        return release

    def current(self) -> Release | None:
        return self.history[-1] if self.history else None

    def releases(self) -> Sequence[Release]:
        return self.history[::-1]

    def get(self, id_prefix: str | None) -> Release:
        return next(one for one in self.history[::-1] if one.id.startswith(id_prefix or ""))

    def rollback(self, to: str | None, reason: str, *, of: str | None = None) -> Release:
        raise UsageError("rollback", expected="a registry of files", found=f"{to} {reason} {of}", fix="Use one.")

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
    """Online features of the users that `apply` was called for: a taste of 1, or the value of a session's last event."""

    known: set[str] = field(default_factory=set)
    fails: bool = False
    down: bool = False
    asked: int = 0

    def user(self, user_id: str, schema: TowerSchema, session: Sequence[Event] = ()) -> Values | None:
        assert schema == SCHEMA
        self.asked += 1
        if self.down:
            raise StoreError("online.db", expected="a disk", found="none", fix="Buy one.")
        if user_id not in self.known and not session:
            return None
        return {"taste": 1.0 if not session or session[-1].value is None else session[-1].value}

    def remembered(self, user_id: str, schema: TowerSchema) -> Values | None:
        del user_id, schema
        return None

    def stored(self, user_id: str) -> dict[str, tuple[datetime | None, Values]]:
        if user_id not in self.known:
            return {}
        return {"user_profile": (START, {"taste": 1.0}), "user_stale": (None, {"mood": None})}

    def refresh(self, user_ids: Sequence[str]) -> None:
        self.apply(list(user_ids))

    def catch_up(self) -> None:
        return

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
    def at(
        cls,
        folder: Path,
        clock: Clock = "wall",
        policy: Policy | None = None,
        releases: Registry | None = None,
        program: Sequence[str] = PROGRAM,
        **changes: Any,
    ) -> "World":
        """Everything in `folder`.

        Args:
            releases: where they come from, if not from `registry`.
            program: what a refresh runs.
        """
        log = SqliteEventLog(folder / "events.sqlite", clock, lambda: START)
        registry, online, live = MemoryRegistry(), MemoryOnline(), Live()
        save(folder / "views.json", [VIEW])
        rooms = Rooms(
            log=log,
            surfaces={"default": Surface(live, releases or registry, log, policy or Policy())},
            online=online,
            open_towers=open_fake_towers,
            indexes=ExactIndexes(),
            posted_items=partial(posted, folder / "views.json", log),
            clock=log.now,
            apply_user_events=online.apply,
            refreshes=Refreshes(partial(book, folder, {}, program)),
            stored_features=online.stored,
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


def whole(folder: Path, keys: Keys | None = None) -> World:
    """A world of real rooms, but for towers and users' features: two releases in files, FAISS, refreshes that refuse."""
    registry = FileRegistry(folder / "releases", "default")
    for number in (1, 2):
        published(registry, number, indexes=FaissIndexes())
    program = says(f"print({json.dumps(reported('refused'))!r}); raise SystemExit(3)")
    made = World.at(folder, releases=registry, program=program, indexes=FaissIndexes().shared(), keys=keys)
    made.online.apply(["known", "u1"])
    served = ServedFeatures(lambda: made.online, time.monotonic)
    rooms = replace(made.rooms, online=served, stored_features=served.stored, apply_user_events=served.refresh)
    return replace(made, rooms=rooms)
