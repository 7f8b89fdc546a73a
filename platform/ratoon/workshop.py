"""What a refresh works with: the rooms and policies of a surface, one run's task, and the steps that no order is in."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from math import inf
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ratoon import arrivals, durable
from ratoon.answering import set_traits, traited
from ratoon.domain import drift, fusion, popularity, upkeep
from ratoon.domain.caps import Caps
from ratoon.domain.delta import FeatureDelta, Split, part
from ratoon.domain.dial import Dial
from ratoon.domain.drift import Drift, from_bytes, renamed, to_bytes
from ratoon.domain.embedding import EmbeddingBatch
from ratoon.domain.gate import GatePolicy, Verdict
from ratoon.domain.labels import LabelPolicy, Untaught, had, taught
from ratoon.domain.plan import REMADE, PlanPolicy, RefreshPlan, Scope
from ratoon.domain.popularity import Popularity, Timeline
from ratoon.domain.quality import Answers, Record
from ratoon.domain.release import Release
from ratoon.domain.replay import Draw, to_replay
from ratoon.domain.report import Run, costs
from ratoon.domain.schema import SCHEMA, TowerSchema
from ratoon.domain.signals import Signals
from ratoon.domain.window import Window
from ratoon.judging import Pair, Questions, index_recall, questions, user_vectors
from ratoon.ports import EventLog, Features, Files, Indexes, Lesson, Registry, ServedTowers, TextTower, Trainer

STILL: tuple[Scope, ...] = ("rows", "index")
"""Scopes under which the item tower's shared layers stay as they are, and with them the space of its vectors."""

PROFILE = drift.FILE
"""The file of a release that says what its inputs looked like."""


@dataclass(frozen=True, slots=True)
class Workshop:
    """The rooms that make one surface's releases, opened by `wiring`, and the surface's policies.

    Attributes:
        labels: what each interaction counts, and which can be right answers.
        caps: how much one person can teach.
        scored: the most interactions of a window that the release before it is scored on, the newest ones.
        gate_rows: the most interactions judged per slice, the newest ones.
        fit_rows: the most interactions of history that weights of popularity are fitted on from nothing, the newest ones.
        priced: the most interactions of a window that they are fitted on further, spread over it. What was seen before counts
            on, so few are enough; 1,000 cost .8 CPU s more on 8,000 items.
        tuned: the most interactions by whose users it is found out how many lists to look into, spread over ten times as many.
        negatives: the most catalogue items whose features are fetched to draw negatives from under `rows`.
        half_life: the seconds of age that halve the odds of a past interaction to be replayed; None for the same odds.
        runs: what earlier refreshes of the surface did, newest first; asked only where there is a budget.
        elsewhere: the registry of a surface of another home; None where nothing else can be reached.
        texts: what reads texts and learns to; None where it is not installed.
    """

    surface: str
    log: EventLog
    features: Features
    trainer: Trainer
    open_towers: Callable[[Files], ServedTowers]
    indexes: Indexes
    registry: Registry
    gate: GatePolicy
    seed: int
    plan: PlanPolicy = field(default_factory=PlanPolicy)
    labels: LabelPolicy = field(default_factory=LabelPolicy)
    caps: Caps = field(default_factory=Caps)
    unit: float = 0.1
    scored: int = 5_000
    gate_rows: int = 1_000
    fit_rows: int = 1_000
    priced: int = 250
    tuned: int = 300
    negatives: int = 5_000
    half_life: float | None = None
    runs: Callable[[], Sequence[Run]] = tuple
    elsewhere: Callable[[Path, str], Registry] | None = None
    texts: TextTower | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """What one run works on; all of the past under `dense` and `full` only.

    Attributes:
        seen: what the plan was made from.
        asked: the window's interactions as questions: those that the parent is scored on, and the gate's.
        said: what the parent answered to them; None without a parent.
        live: what was popular at every moment that is asked about.
        record: what the parent was worth on the window.
        upto: what a release made of it has seen: the window, or, where nothing of that is learnt, what its source had.
        taught: the watermark of the last release whose shared layers moved or should have, this one included.
        source: the id of the release that another is made of; empty where one learns.
    """

    plan: RefreshPlan
    seen: Signals
    window: Window
    schema: TowerSchema
    delta: FeatureDelta
    past: pa.Table
    parent: Pair | None
    asked: Questions
    said: Answers | None
    live: Timeline
    record: Record
    drifts: tuple[Drift, ...]
    upto: Window
    taught: int
    source: str = ""


@dataclass(frozen=True, slots=True)
class Made:
    """What came of a task, what of its window was not learnt, and what the operation that made it says of itself."""

    pair: Pair
    verdict: Verdict
    untaught: Untaught
    said: upkeep.Upkeep | None = None


def waiting(shop: Workshop, window: Window, current: Release) -> Signals:
    """What is known of a window without joining anything to it."""
    start, now = current.window.end, shop.log.now()
    arrived = shop.log.read(start, min(window.end, start + shop.plan.least)).column("created_timestamp")
    waited = (now - pc.min(arrived).as_py()).total_seconds() if len(arrived) else 0.0
    return Signals(window.end - start, max(0.0, waited), window.end, current.taught)


def early(shop: Workshop, window: Window, current: Release) -> str:
    """Why what waits is not even worth looking at yet; empty if it is."""
    changed = shop.features.schema().hash != current.schema_hash
    return "" if changed else shop.plan.waits(waiting(shop, window, current))


def signals(
    shop: Workshop, window: Window, current: Release, parent: Pair, asked: Questions, record: Record, drifts: tuple[Drift, ...]
) -> Signals:
    """All that the plan is made from."""
    searched = parent.index.dial.misses and len(asked) > 0
    return replace(
        waiting(shop, window, current),
        drifts=drifts,
        record=record,
        items=len(parent.index),
        index_recall=index_recall(parent, [asked], shop.gate.k) if searched else None,
        costs=costs(shop.runs() if shop.plan.budget < inf else (), window.as_of),
    )


def drifts(shop: Workshop, parent: Pair | None, delta: FeatureDelta) -> tuple[Drift, ...]:
    """How far the window's inputs are from what the parent's shared layers learnt."""
    known = from_bytes(parent.model[PROFILE]) if parent and PROFILE in parent.model else ()
    return shop.features.drifts(known, delta.interactions)


def profile(shop: Workshop, task: Task) -> bytes:
    """What the shared layers have learnt: where they do not move, what the parent's learnt still holds."""
    if task.plan.scope in STILL and task.parent and PROFILE in task.parent.model:
        return task.parent.model[PROFILE]
    past = shop.features.past(task.window) if task.plan.scope == "rows" else task.past
    return to_bytes(shop.features.profiles(pa.concat_tables([past, task.delta.interactions])))


def lesson(
    shop: Workshop, task: Task, parts: Sequence[Split], catalogue: pa.Table, rng: np.random.Generator
) -> tuple[Lesson, Untaught]:
    """The rows of some parts: under `full` of all history, else of the window; and train rows from before it, replayed."""
    rows = task.delta.interactions
    if task.plan.scope == "full":
        rows = pa.concat_tables([task.past, rows])
        rows = rows.slice(rows.num_rows // 2) if shop.plan.full == "window" else rows
    new, untaught = taught(part(rows, *parts), shop.labels, shop.caps)
    count = to_replay(task.plan.scope, new.num_rows, learns_train="train" in parts)
    draw = Draw(count, int(rng.integers(2**62)), task.window.as_of, shop.half_life)
    replay, _ = taught(shop.features.replay(task.window, draw), shop.labels, shop.caps)
    fit, _ = taught(part(rows, "fit"), shop.labels, shop.caps)
    return Lesson(new, replay, fit, catalogue), untaught


def start(shop: Workshop, task: Task) -> RefreshPlan:
    """The plan as the trainer is told it: a warm `full` goes on from the parent, with all of history for its lesson."""
    same = task.parent and TowerSchema.from_json(task.parent.model[SCHEMA].decode()).hash == task.schema.hash
    return replace(task.plan, scope="dense") if task.plan.scope == "full" and shop.plan.full == "warm" and same else task.plan


def catalogue(shop: Workshop, task: Task) -> pa.Table:
    """The live items with their features: all of them, or under `rows` the writable ones and enough to draw negatives from."""
    ids = shop.log.catalogue(task.window.end)
    if task.plan.scope == "rows":
        drawn: Sequence[str] = ids
        if len(ids) > shop.negatives:
            places = np.random.default_rng([shop.seed, task.window.end, 2]).choice(len(ids), shop.negatives, replace=False)
            drawn = [ids[place] for place in places]
        ids = sorted({*drawn, *task.plan.writable})
    return shop.features.items(ids, task.window.as_of)


def remembering(shop: Workshop, task: Task) -> tuple[pa.Table, pa.Table]:
    """Rows of the reserve from before the window: the newest, and as many from all over what lies before those.

    Both are drawn from the offline store each time, so that who is forgotten there is in neither. Without a parent nothing can
    have been forgotten.
    """
    past = shop.features.newest(task.window, "reserve", shop.gate_rows)
    if task.parent is None or past.num_rows < shop.gate_rows:
        return past, past.slice(0, 0)
    return past, shop.features.older(task.window, "reserve", past.column("offset")[0].as_py(), shop.gate_rows)


def prior(shop: Workshop, task: Task) -> bytes | None:
    """What popularity is worth so far; None while a chain of `rows` goes on from vectors without traits."""
    if task.plan.scope != "full" and task.parent and popularity.FILE in task.parent.model:
        return task.parent.model[popularity.FILE]
    return None if task.plan.scope == "rows" else Popularity(shop.unit).to_json().encode()


def served(task: Task, parent: Pair, live: pa.Table) -> Pair:
    """The parent as it answered in the window: items that came in it are there too, by their features of when they came.

    Args:
        live: see `catalogue`.
    """
    new, tables = pa.array(task.delta.new_items, pa.string()), (task.delta.interactions, live)
    names = {"item_id", *(feature.name for feature in task.schema.item)}.intersection(*(table.column_names for table in tables))
    found = [table.filter(pc.is_in(table.column("item_id"), value_set=new)).select(sorted(names)) for table in tables]
    items = pa.concat_tables(found, promote_options="permissive")
    _, first = np.unique(np.array(items.column("item_id").to_pylist(), np.str_), return_index=True)
    index = parent.index.copy()
    batch = arrivals.embedded(parent.towers, TowerSchema.from_json(parent.model[SCHEMA].decode()), items.take(pa.array(first)))
    arrivals.put(index, batch, set(batch.ids))
    return replace(parent, index=index)


def kept_beside(task: Task) -> dict[str, bytes]:
    """What stands beside the parent's own towers, and what operations it went through; `full` starts without either."""
    model = task.parent.model if task.parent and task.plan.scope in ("rows", "dense") else {}
    return fusion.beside(model) | {name: data for name, data in model.items() if name == upkeep.FILE}


def embed(shop: Workshop, task: Task, model: Files, worth: bytes | None, live: pa.Table) -> tuple[Pair, int]:
    """The candidate pair, and how many items were written: under `rows` exactly those that moved, into the parent's index.

    Args:
        live: see `catalogue`.
    """
    model = {**model, **({} if worth is None else {popularity.FILE: worth}), **kept_beside(task)}
    towers, upto = shop.open_towers(model), task.window.end
    if task.plan.scope == "rows" and task.parent:
        index = task.parent.index.copy()
        index.remove(task.delta.removed_items)
        items = live.filter(pc.is_in(live.column("item_id"), value_set=pa.array(task.plan.writable, pa.string())))
    else:
        index, items = shop.indexes.empty(towers.dim, towers.metric), live
    ids: list[str] = items.column("item_id").to_pylist()
    columns = items.select(list(dict.fromkeys(["item_id", *task.schema.display, *task.schema.filters])))
    batch = EmbeddingBatch(tuple(ids), towers.items(items), columns)
    durable.fault_point("embed.computed")
    index.upsert(batch)
    durable.fault_point("index.applied")
    pair = Pair(model, towers, index, upto)
    if worth is None:
        return pair, len(ids)
    if task.plan.scope == "rows" and task.parent:
        return pair, traited(index, ids, task.live, upto, task.parent.index, task.parent.upto)
    counts = popularity.ever(ids, had(pa.concat_tables([task.past, task.delta.interactions]), shop.labels))
    return pair, set_traits(index, ids, counts, task.live, upto)


def written(task: Task, current: Release | None) -> tuple[str, ...]:
    """The items that the next refresh may write again."""
    if task.plan.scope in REMADE and current:
        return current.written_items
    return task.delta.changed_items if task.plan.scope == "rows" else ()


def settle(shop: Workshop, task: Task, pair: Pair, before: Dial | None = None) -> None:
    """Let the index lay itself out for what it holds now; by new fit rows, which judge nothing, if it has to ask.

    Args:
        before: of the index that it takes the place of; the parent's without it.
    """
    fit = part(task.delta.interactions, "fit")
    newest = fit.slice(max(0, fit.num_rows - 10 * shop.tuned))
    # Rows of one user come in a row: the newest alone would be few users, asked again and again.
    some = newest.take(np.linspace(0, newest.num_rows - 1, min(shop.tuned, newest.num_rows)).astype(np.int64))
    before = before or (task.parent.index.dial if task.parent else None)
    pair.index.settle(lambda: user_vectors(pair, questions(shop.log, some, shop.labels)), before)


def opened(shop: Workshop, current: Release) -> Pair:
    """A published release as a pair."""
    files = renamed(shop.registry.load(current))
    return Pair(files, shop.open_towers(files), shop.indexes.load(files), current.window.end)
