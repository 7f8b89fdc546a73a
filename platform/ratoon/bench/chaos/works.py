"""What harm is done to: every stage between a posted event and a served answer, as a work that can be repeated."""

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ratoon import adopt
from ratoon.bench.chaos.victims import ratoon
from ratoon.bench.chaos.world import EVENTS, LEARNT, SECOND, WAITING, house, post, read
from ratoon.domain.errors import RatoonError
from ratoon.domain.event import Event
from ratoon.domain.query import Query
from ratoon.domain.schema import TowerSchema
from ratoon.features.online import OnlineUsers
from ratoon.ports import Values
from ratoon.retrieve import retrieve
from ratoon.towers import open_towers

STAGES = (
    *("ingest", "append", "push online", "offline write", "materialise", "delta read", "train", "checkpoint"),
    *("gate", "embed", "index apply", "snapshot", "publish", "adopt", "gc", "backup"),
)

FIRST_WAITING = LEARNT + SECOND


@dataclass(frozen=True, slots=True)
class Work:
    """One thing that is done to a home.

    Attributes:
        name: of the stage it is, but for `refresh`, which is many.
        base: the home it begins from, see `world.BASES`.
        begin: the function to run in a process, and its arguments, for a home and the world's folder.
        goal: what of a `Sight` it settles: the same however often it had to be begun.
        refreshes: whether a refresh of the home afterwards publishes the release that an undisturbed one does.
    """

    name: str
    base: str
    begin: Callable[[Path, Path], tuple[object, ...]]
    goal: tuple[str, ...]
    refreshes: bool = True


def _command(*arguments: str) -> Callable[[Path, Path], tuple[object, ...]]:
    return lambda home, _world: (ratoon, home, *arguments)


WORKS = {
    work.name: work
    for work in (
        Work("ingest", "empty", lambda home, world: (load, home, world / EVENTS), ("log", "ordered"), refreshes=False),
        Work("append", "quiet", lambda home, world: (post, home, world / EVENTS, FIRST_WAITING, WAITING, 10), ("log", "ordered")),
        Work("push online", "quiet", lambda home, world: (push, home, world / EVENTS), ("log", "online")),
        Work("offline write", "waiting", _command("ingest"), ("log", "offline", "counted")),
        Work("materialise", "ingested", _command("materialize"), ("log", "online")),
        Work("refresh", "ingested", _command("refresh"), ("log", "offline", "releases", "counted")),
        Work("first", "unlearnt", _command("refresh"), ("log", "releases", "counted"), refreshes=False),
        Work("adopt", "released", lambda home, _world: (swap, home), ("log", "releases"), refreshes=False),
        Work("gc", "waiting", _command("gc", "--releases", "1"), ("log", "releases")),
        Work("backup", "waiting", lambda home, _world: (ratoon, home, "backup", str(backups(home))), ("log", "releases")),
    )
}

STAGE_OF = {
    **dict.fromkeys(("quality.recorded", "ingest.view", "ingest.state", "ingest.done"), "offline write"),
    **dict.fromkeys(("registry.pinned", "features.joined", "features.merged"), "delta read"),
    **dict.fromkeys(("training.step", "training.pass", "training.trained", "refresh.trained"), "train"),
    **dict.fromkeys(("embed.computed", "refresh.embedded"), "embed"),
    "index.applied": "index apply",
    **dict.fromkeys(("refresh.judged", "refresh.absorbed"), "gate"),
    **dict.fromkeys(("index.snapshot", "registry.staging", "registry.staged"), "snapshot"),
    **dict.fromkeys(("registry.renamed", "registry.published"), "publish"),
}
"""Of a refresh: which stage has passed when a fault point is; what `durable` writes belongs to the next of these."""


def backups(home: Path) -> Path:
    """Where a home's backups go."""
    return home.parent / "backups"


def stages(work: Work, passed: Sequence[str]) -> list[str]:
    """The stage of each fault point that a work passes; of a first release only what its training keeps, empty for the rest."""
    if work.name not in ("refresh", "first"):
        return [work.name] * len(passed)
    first = work.name == "first"
    known, others = ({"training.pass": "checkpoint"}, "") if first else (STAGE_OF, "publish")
    found, stage = list[str](), others
    for point in reversed(passed):
        stage = known.get(point, "" if first and not point.startswith("durable.") else stage)
        found.append(stage)
    return found[::-1]


def load(home: Path, events: Path) -> None:
    """Bring history in, all of it or nothing."""
    log = house(home).log
    log.load(read(events, first, 50) for first in range(0, FIRST_WAITING, 50))
    log.close()


def push(home: Path, events: Path) -> None:
    """What a server does with posted events, from its start on: append, then value their users' online rows."""
    rooms = house(home)
    online, table = rooms.online(), read(events, FIRST_WAITING, WAITING)
    online.catch_up()
    for start in range(0, WAITING, 20):
        batch = table.slice(start, 20)
        rooms.log.append(batch)
        print(start + 20, flush=True)
        online.refresh(sorted({user for user in batch.column("user_id").to_pylist() if user}))


@dataclass(frozen=True, slots=True)
class _Forgetful:
    """A server's online features without what it remembers of them."""

    users: OnlineUsers

    def user(self, user_id: str, schema: TowerSchema, session: Sequence[Event] = ()) -> Values | None:
        return self.users.user(user_id, schema, session)

    def remembered(self, user_id: str, schema: TowerSchema) -> Values | None:
        del user_id, schema
        return None


def swap(home: Path) -> None:
    """What a server does when a release comes, and what it answers then; prints `release` and `source` of each answer."""
    rooms = house(home)
    registry, live, log = rooms.registry("default"), adopt.Live(), rooms.log_of("default")
    indexes, posted, online, failed = rooms.served_indexes(), rooms.posted_items, _Forgetful(rooms.online()), ""
    before = registry.releases()[1]
    adopt.serve(live, before, registry.load(before), log, open_towers, indexes, posted)
    try:
        adopt.adopt(live, registry, log, open_towers, indexes, posted)
    except (RatoonError, OSError, MemoryError) as error:
        failed = f"{type(error).__name__} {error}"
    assert live.slot is not None
    asked = (Query(5, user_id=f"u{number}") for number in range(1, 9))
    answers = [retrieve(query, live.slot, online, log) for query in asked]
    print(json.dumps([(one.release, one.source, len(one.found)) for one in answers]), flush=True)
    if failed:
        sys.stderr.write(failed)
        sys.stderr.flush()
        raise OSError(failed)
