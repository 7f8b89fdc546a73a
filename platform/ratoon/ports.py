"""The Protocols that the three flows speak, one per room they call. Nothing else."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ratoon.domain.delta import FeatureDelta, Split
from ratoon.domain.drift import Drift, Profile
from ratoon.domain.embedding import EmbeddingBatch, Vectors
from ratoon.domain.labels import Types
from ratoon.domain.plan import RefreshPlan
from ratoon.domain.release import Metric, Release
from ratoon.domain.replay import Draw
from ratoon.domain.report import RefreshReport
from ratoon.domain.schema import Entity, TowerSchema
from ratoon.domain.shift import Shift
from ratoon.domain.window import Window

Files = Mapping[str, bytes]
"""File name -> bytes: how a model, a schema or an index travels between the room that makes it and the registry."""


class EventLog(Protocol):
    """The one place where an event is acknowledged. A surface's own sees and ranks by interactions that count there alone."""

    def append(self, events: pa.Table) -> pa.Table:
        """Make `events` (EVENT_SCHEMA) durable; return those that were new, as the log has them (LOG_SCHEMA)."""

    def read(self, after: int, upto: int | None = None) -> pa.Table:
        """Acknowledged events with after < offset <= upto, by offset (LOG_SCHEMA)."""

    def end(self) -> int:
        """The newest acknowledged offset; 0 when there is none."""

    def now(self) -> datetime:
        """The present by the configured clock: the wall's, or the newest acknowledged event time."""

    def history(self, entity: Entity, ids: Sequence[str], upto: int | None = None) -> pa.Table:
        """All events of these users or items at offsets <= `upto`, by (entity id, event_timestamp, event_id) (LOG_SCHEMA)."""

    def seen(self, user_id: str, before: int | None = None) -> list[str]:
        """The items a user interacted with at offsets below `before`, or ever; without duplicates."""

    def seen_by(self, users: Sequence[str], before: Sequence[int]) -> list[list[str]]:
        """What `seen` says of each user and the offset beside it, in order; each user's events are read once."""

    def catalogue(self, upto: int) -> list[str]:
        """The items alive at offset `upto`, sorted: seen in any event and not removed since."""

    def removed(self, after: int) -> list[str]:
        """The items removed at offsets above `after` and not posted again since."""

    def posted(self, after: int) -> list[tuple[str, bool]]:
        """The items posted at offsets above `after` and not removed since, and whether they had been removed above it too."""

    def recent(self, upto: int, count: int) -> list[tuple[int, str, str]]:
        """Offset, user and item of the newest `count` interactions at offsets <= `upto`, by offset."""

    def popular(self, count: int) -> list[tuple[str, int]]:
        """The items of the newest interactions with how often each occurs, most frequent first; at most `count`."""


class WholeLog(EventLog, Protocol):
    """The log itself, which also answers as if some of its events were not there, or only some types of interactions were."""

    @property
    def clock(self) -> Literal["wall", "log"]:
        """Whose present `now` is."""

    def now(self, accepted: Callable[[pa.Table], pa.Table] | None = None) -> datetime:
        """As `EventLog`; by the log's clock the newest event time among those events (LOG_SCHEMA) that `accepted` lets pass."""

    def seen(self, user_id: str, before: int | None = None, types: Types = None) -> list[str]:
        """As `EventLog`, by interactions of these types."""

    def seen_by(self, users: Sequence[str], before: Sequence[int], types: Types = None) -> list[list[str]]:
        """As `EventLog`, by interactions of these types."""

    def catalogue(self, upto: int, without: Sequence[int] = ()) -> list[str]:
        """As `EventLog`, as if there were no events at the offsets `without`."""

    def removed(self, after: int, without: Sequence[int] = ()) -> list[str]:
        """As `EventLog`, as if there were no events at the offsets `without`."""

    def posted(self, after: int, without: Sequence[int] = ()) -> list[tuple[str, bool]]:
        """As `EventLog`, as if there were no events at the offsets `without`."""

    def recent(self, upto: int, count: int, without: Sequence[int] = (), types: Types = None) -> list[tuple[int, str, str]]:
        """As `EventLog`, by interactions of these types, as if there were no events at the offsets `without`."""

    def popular(self, count: int, without: Sequence[int] = (), types: Types = None) -> list[tuple[str, int]]:
        """As `EventLog`, by interactions of these types, as if there were no events at the offsets `without`."""


class Features(Protocol):
    """Feast and what surrounds it, as a refresh needs it."""

    def schema(self) -> TowerSchema:
        """What the surface's two services feed the towers now."""

    def ingest(self) -> int:
        """Bring offline storage up to the log's end; return how many events were new to it."""

    def window(self, since: Window | None) -> Window:
        """Everything that arrived after `since` and is ingested."""

    def delta(self, window: Window, since: Window | None, parent_items: Iterable[str]) -> FeatureDelta:
        """What changed inside `window`, against a parent made of `since` that serves `parent_items`."""

    def past(self, window: Window) -> pa.Table:
        """The interactions before `window` that may be learnt from, joined like `FeatureDelta.interactions`."""

    def replay(self, window: Window, draw: Draw) -> pa.Table:
        """A sample of the train rows of `past`, by offset; reads no more of the others than decides it."""

    def newest(self, window: Window, split: Split, count: int) -> pa.Table:
        """The newest `count` rows of `past` of a part other than train, or all, by offset; reads no older ones."""

    def items(self, ids: Sequence[str], as_of: datetime) -> pa.Table:
        """One row per id, in order: `item_id`, the item tower's inputs, display and filter columns as of then."""

    def profiles(self, interactions: pa.Table) -> tuple[Profile, ...]:
        """What the towers' inputs look like over these interactions, joined like `FeatureDelta.interactions`."""

    def drifts(self, known: Iterable[Profile], interactions: pa.Table) -> tuple[Drift, ...]:
        """How far the inputs of these interactions are from known profiles."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """What a model learns from: new rows, rows to replay, and rows that say when to stop. Columns as in FeatureDelta.

    Attributes:
        catalogue: the live items' features now: where negatives are drawn from.
    """

    new: pa.Table
    replay: pa.Table
    fit: pa.Table
    catalogue: pa.Table


class Trainer(Protocol):
    """Advances the two towers. A model is its files; nothing is kept between calls."""

    def train(self, plan: RefreshPlan, schema: TowerSchema, parent: Files | None, lesson: Lesson) -> Files:
        """A model that has learnt `lesson`, from `parent` under `rows` and `dense`, from nothing under `full`."""

    def absorb(self, plan: RefreshPlan, model: Files, lesson: Lesson) -> Files:
        """A model that has also learnt `lesson.new`, each learned row moved by a bounded amount."""


class Towers(Protocol):
    """The two exported towers of one release, without torch."""

    @property
    def dim(self) -> int:
        """The length of their vectors, `popularity` included."""

    @property
    def popularity(self) -> Vectors:
        """What the traits at the end of item vectors are worth, see `ratoon.domain.popularity`; empty where there are none."""

    def weighed(self, popularity: Vectors) -> "Towers":
        """The same towers, to whose users the traits are worth something else."""

    @property
    def metric(self) -> Metric:
        """How their vectors are compared."""

    def users(self, table: pa.Table) -> Vectors:
        """User vectors for rows of user features; shape (n, dim)."""

    def items(self, table: pa.Table) -> Vectors:
        """Item vectors for rows of item features, with zeros where traits go; shape (n, dim)."""


class Index(Protocol):
    """Item vectors that can be searched and changed in place. Inner product; larger is better."""

    def __len__(self) -> int:
        """How many items it holds."""

    def __contains__(self, item_id: object) -> bool:
        """Whether it holds this item."""

    def ids(self) -> list[str]:
        """The item ids it holds, sorted."""

    def upsert(self, batch: EmbeddingBatch) -> None:
        """Insert the batch's items, or replace them where they are."""

    def overwrite(self, ids: Sequence[str], vectors: Vectors) -> None:
        """Other vectors for items it holds, without duplicates, whose columns stay as they are; shape (n, dim)."""

    def remove(self, ids: Iterable[str]) -> int:
        """Take items away; ids it does not hold are passed over. Returns how many were there."""

    def search(self, queries: Vectors, k: int, exclude: Sequence[Iterable[str]] = ()) -> list[list[tuple[str, float]]]:
        """For each query its k best (item id, score), best first, ties by id; fewer if there are fewer.

        Args:
            queries: shape (n, dim).
            exclude: n sets of item ids that must not be returned, or nothing.
        """

    def ranks(
        self, queries: Vectors, wanted: Sequence[str], k: int, exclude: Sequence[Iterable[str]] = (), moved: Shift | None = None
    ) -> npt.NDArray[np.int64]:
        """For each query the place, from 0, of one item among its exact k best; k if it is not among them.

        Args:
            wanted: n item ids.
            moved: what is added to the scores of some items.
        """

    def best(
        self, queries: Vectors, k: int, exclude: Sequence[Iterable[str]] = (), moved: Shift | None = None
    ) -> list[tuple[str, ...]]:
        """For each query the ids of its exact k best, best first, ties by id: for many queries what `search` is for few."""

    def columns(self, ids: Sequence[str]) -> list[dict[str, object]]:
        """The display and filter columns of items it holds, in order."""

    def recall(self, queries: Vectors, k: int) -> float:
        """The share of the exact top k, found by brute force over its own vectors, that `search` returns."""

    def vectors(self, ids: Sequence[str]) -> Vectors:
        """The vectors of items it holds, in order, bit for bit as they are searched; shape (n, dim)."""

    def copy(self) -> "Index":
        """The same items and vectors in memory of their own: what is changed in one stays as it is in the other."""

    def snapshot(self) -> Files:
        """Everything needed to load it again, byte for byte the same for the same content."""


class Indexes(Protocol):
    """Where indexes come from."""

    def empty(self, dim: int, metric: Metric) -> Index:
        """An index without items."""

    def load(self, files: Files) -> Index:
        """The index that `snapshot` described."""


class Registry(Protocol):
    """What is published, per surface; the only writer of CURRENT."""

    def lease(self) -> AbstractContextManager[None]:
        """Be the only refresh of this surface on this machine, or raise Conflict."""

    def current(self) -> Release | None:
        """The release that is served."""

    def load(self, release: Release) -> Files:
        """A release's files, every hash checked."""

    def pin(self, window: Window) -> Window:
        """Write the window down before work starts; a window pinned earlier and not finished wins."""

    def publish(self, release: Release, files: Files) -> Release:
        """Make `release` current, if `release.parent` still is; return it with its sequence."""

    def unpin(self) -> None:
        """Forget the pinned window: there was nothing to do in it."""

    def refuse(self, window: Window, reasons: Sequence[str]) -> None:
        """Forget the pinned window and remember why it was refused."""

    def record(self, report: RefreshReport) -> None:
        """Keep what a refresh did, for people."""

    def held(self) -> str:
        """Why refreshing is on hold; empty if it is not."""

    def left_out(self) -> tuple[tuple[int, int], ...]:
        """The ranges of offsets that must not be learnt from."""


class OnlineFeatures(Protocol):
    """User features at request time."""

    def user(self, user_id: str, schema: TowerSchema) -> pa.Table | None:
        """One row of the user tower's inputs, or None for a user without a single stored feature."""


PostedItems = Callable[[Sequence[str], TowerSchema], pa.Table]
"""Items -> what their own events say: one row each of `item_id`, the item tower's inputs, display and filter columns.

A column of which no event says anything may be missing; so are the rows of items whose events say nothing that can be used.
"""
