"""What a refresh learns from, and with."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import pyarrow as pa

from ratoon.domain.delta import FeatureDelta, Split
from ratoon.domain.drift import Drift, Profile
from ratoon.domain.embedding import Vectors
from ratoon.domain.plan import RefreshPlan
from ratoon.domain.release import Metric
from ratoon.domain.replay import Draw
from ratoon.domain.schema import TowerSchema
from ratoon.domain.shape import Shape
from ratoon.domain.window import Window
from ratoon.ports.releases import Files


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

    def older(self, window: Window, split: Split, before: int, count: int) -> pa.Table:
        """Up to `count` rows of such a part with offsets below `before`, spread over all of `past`, by offset."""

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


@dataclass(frozen=True, slots=True)
class Teaching:
    """Whom a model imitates while it learns.

    Attributes:
        teachers: the files of models that are fed no column which the lesson lacks; their logits are averaged.
        share: how much of the loss is imitation; the rest is what is learnt without teachers. Above 0, at most 1.
    """

    teachers: tuple[Files, ...]
    share: float


class Trainer(Protocol):
    """Advances the two towers. A model is its files; nothing is kept between calls."""

    def train(
        self, plan: RefreshPlan, schema: TowerSchema, parent: Files | None, lesson: Lesson, teaching: Teaching | None = None
    ) -> Files:
        """A model that has learnt `lesson`, from `parent` under `rows` and `dense`, from nothing under `full`."""

    def grafted(self, schema: TowerSchema, donor: Files, ids: Mapping[str, Mapping[str, str]]) -> Files:
        """What another catalogue's model and this one have in common, to be taught under `dense` as a parent.

        Args:
            ids: vocabulary of ids -> theirs to ours; no other ids are shared.
        """

    def varied(self, settings: Mapping[str, Any], seed: int | None = None, kept: str | None = None) -> "Trainer":
        """This trainer with other settings.

        Args:
            settings: name -> value, of those that are other.
            seed: another one, if it is another.
            kept: the name under which a training that is done stays to be found by a rerun, until one without a name is done.
        """

    def absorb(self, plan: RefreshPlan, model: Files, lesson: Lesson) -> Files:
        """A model that has also learnt `lesson.new`, each learned row moved by a bounded amount."""

    def reshaped(self, model: Files, shape: Shape) -> Files:
        """A model with fewer rows or units, or in another form; it learns nothing."""

    def averaged(self, models: Sequence[Files]) -> Files:
        """The newest of some models of one chain with its weights the mean of all, rows by what they stand for.

        DataError if another is of other features or of another shape.

        Args:
            models: newest first.
        """


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
