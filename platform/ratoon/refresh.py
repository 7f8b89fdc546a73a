"""Flow 1, write: what changed -> the next release, or a reason why not.

    ingest -> pin the window -> delta -> plan -> train -> embed -> judge -> absorb -> publish

Every step can be killed. Nothing is visible before the publication, which is one compare-and-swap; a run that died is
run again over the same pinned window and gives the same release.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from ratoon import durable
from ratoon.domain.delta import FeatureDelta, Split, part
from ratoon.domain.drift import Drift, from_json, to_json
from ratoon.domain.embedding import EmbeddingBatch, Vectors
from ratoon.domain.encoding import completed
from ratoon.domain.evolution import effect
from ratoon.domain.gate import GatePolicy, Hits, Verdict, judge
from ratoon.domain.plan import RefreshPlan, Scope, decide
from ratoon.domain.release import Release, release_id
from ratoon.domain.replay import Draw, to_replay
from ratoon.domain.report import Outcome, RefreshReport, Stopwatch, losses
from ratoon.domain.schema import TowerSchema
from ratoon.domain.window import Window
from ratoon.ports import EventLog, Features, Files, Index, Indexes, Lesson, Registry, Towers, Trainer

PROFILE = "profile.json"
"""The file of a release that says what its inputs looked like."""


@dataclass(frozen=True, slots=True)
class Workshop:
    """The rooms that make one surface's releases, opened by `wiring`, and the surface's policies.

    Attributes:
        mask_seen: whether an item a user has interacted with can still be a right answer: no, when true.
        gate_rows: the most interactions judged per slice, the newest ones.
        negatives: the most catalogue items whose features are fetched to draw negatives from under `rows`.
        half_life: the seconds of age that halve the odds of a past interaction to be replayed; None for the same odds.
    """

    surface: str
    log: EventLog
    features: Features
    trainer: Trainer
    open_towers: Callable[[Files], Towers]
    indexes: Indexes
    registry: Registry
    gate: GatePolicy
    seed: int
    mask_seen: bool = True
    gate_rows: int = 2_000
    negatives: int = 20_000
    half_life: float | None = None


@dataclass(frozen=True, slots=True)
class Pair:
    """A user tower and the index it belongs to, with the files they are made of: what is judged is what is published."""

    model: Files
    towers: Towers
    index: Index


@dataclass(frozen=True, slots=True)
class Task:
    """What one run works on; all of the past under `dense` and `full` only."""

    plan: RefreshPlan
    window: Window
    schema: TowerSchema
    delta: FeatureDelta
    past: pa.Table
    parent: Pair | None
    drifts: tuple[Drift, ...] = ()


def refresh(shop: Workshop, watch: Stopwatch, scope: Scope | None = None) -> RefreshReport:
    """Bring one surface up to date; see the module for the steps.

    Args:
        scope: force a plan instead of the cheapest one.

    Raises:
        Conflict: another refresh of this surface runs, or published first.
    """
    with shop.registry.lease():
        current = shop.registry.current()
        if reason := shop.registry.held():
            return _report(shop, watch, "held", current, RefreshPlan("skip", f"on hold: {reason}"), None, None)
        with watch.stage("ingest") as rows:
            rows.count = shop.features.ingest()
        window = shop.features.window(current.window if current else None)
        window = shop.registry.pin(replace(window, left_out=shop.registry.left_out()))
        with watch.stage("join") as rows:
            task = _task(shop, window, current, scope)
            rows.count = task.delta.interactions.num_rows
        if task.plan.scope == "skip":
            shop.registry.unpin()
            return _report(shop, watch, "skipped", current, task.plan, window, None, task.drifts)
        candidate, verdict = _make(shop, watch, task)
        if not verdict.publish:
            shop.registry.refuse(window, verdict.reasons)
            return _report(shop, watch, "refused", current, task.plan, window, verdict, task.drifts, candidate)
        with watch.stage("publish"):
            published = _publish(shop, task, candidate, current)
        return _report(shop, watch, "published", published, task.plan, window, verdict, task.drifts, candidate)


def _task(shop: Workshop, window: Window, current: Release | None, scope: Scope | None) -> Task:
    schema = shop.features.schema()
    parent = _open(shop, shop.registry.load(current)) if current else None
    items = parent.index.ids() if parent else []
    delta = shop.features.delta(window, current.window if current else None, items)
    drifts = _drifts(shop, parent, delta)
    differs = effect(TowerSchema.from_json(parent.model["schema.json"].decode()), schema) if parent else "same"
    plan = decide(
        delta,
        has_parent=current is not None,
        schema_changed=differs in ("gained", "changed"),
        gained=differs == "gained",
        recent_items=current.written_items if current else (),
        reshown=tuple(shop.log.catalogue(window.end)) if differs == "shown" else (),
        drift=next(iter(shop.gate.drift.beyond(shop.gate.drift.full, drifts)), None),
        forced=scope,
    )
    past = shop.features.past(window) if plan.scope in ("dense", "full") else delta.interactions.slice(0, 0)
    return Task(plan, window, schema, delta, past, parent, drifts)


def _drifts(shop: Workshop, parent: Pair | None, delta: FeatureDelta) -> tuple[Drift, ...]:
    """How far the window's inputs are from what the parent's shared layers learnt."""
    known = from_json(parent.model[PROFILE].decode()) if parent and PROFILE in parent.model else ()
    return shop.features.drifts(known, delta.interactions)


def _profile(shop: Workshop, task: Task) -> bytes:
    """What the shared layers have learnt: under `rows` they do not move, so what the parent's learnt still holds."""
    if task.plan.scope == "rows" and task.parent and PROFILE in task.parent.model:
        return task.parent.model[PROFILE]
    past = shop.features.past(task.window) if task.plan.scope == "rows" else task.past
    return to_json(shop.features.profiles(pa.concat_tables([past, task.delta.interactions]))).encode()


def _make(shop: Workshop, watch: Stopwatch, task: Task) -> tuple[Pair, Verdict]:
    """A candidate that has learnt the train rows, judged by the gate rows; if it passes, one that has learnt all rows."""
    rng = np.random.default_rng([shop.seed, task.window.end])
    catalogue = _negatives(shop, task)
    with watch.stage("train") as rows:
        lesson = _lesson(shop, task, ("train",), catalogue, rng)
        rows.count = lesson.new.num_rows + lesson.replay.num_rows
        model = shop.trainer.train(task.plan, task.schema, task.parent.model if task.parent else None, lesson)
    durable.fault_point("refresh.trained")
    with watch.stage("embed") as rows:
        candidate, rows.count = _embed(shop, task, model)
    durable.fault_point("refresh.embedded")
    with watch.stage("judge") as rows:
        slices = _gate_slices(shop, task)
        rows.count = sum(table.num_rows for table in slices.values())
        verdict = _verdict(shop, slices, task.parent, candidate, rng, task.drifts)
    durable.fault_point("refresh.judged")
    if not verdict.publish:
        return candidate, verdict
    with watch.stage("absorb") as rows:
        lesson = _lesson(shop, task, ("fit", "gate"), catalogue, rng)
        rows.count = lesson.new.num_rows
        absorbed, _ = _embed(shop, task, shop.trainer.absorb(task.plan, candidate.model, lesson))
        again = _verdict(shop, slices, candidate, absorbed, rng)
    durable.fault_point("refresh.absorbed")
    if again.publish:
        return absorbed, verdict
    kept = f"the gate and fit rows were not absorbed: {again.reasons[0]}"
    return candidate, replace(verdict, reasons=(*verdict.reasons, kept))


def _lesson(shop: Workshop, task: Task, parts: Sequence[Split], catalogue: pa.Table, rng: np.random.Generator) -> Lesson:
    """The rows of some parts: under `full` of all history, else of the window; and train rows from before it, replayed."""
    rows = task.delta.interactions
    if task.plan.scope == "full":
        rows = pa.concat_tables([task.past, rows])
    new = part(rows, *parts)
    count = to_replay(task.plan.scope, new.num_rows, learns_train="train" in parts)
    draw = Draw(count, int(rng.integers(2**62)), task.window.as_of, shop.half_life)
    return Lesson(new, shop.features.replay(task.window, draw), part(rows, "fit"), catalogue)


def _negatives(shop: Workshop, task: Task) -> pa.Table:
    """The items that negatives are drawn from, with their features; all of them when everything is learnt anew."""
    ids = shop.log.catalogue(task.window.end)
    if task.plan.scope == "rows" and len(ids) > shop.negatives:
        drawn = sorted(ids, key=lambda item: durable.sha256(f"{task.window.end}:{item}".encode()))[: shop.negatives]
        ids = sorted({*drawn, *task.plan.writable})
    return shop.features.items(ids, task.window.as_of)


def _embed(shop: Workshop, task: Task, model: Files) -> tuple[Pair, int]:
    """The candidate pair: under `rows` the parent's index with exactly the writable items written again."""
    towers = shop.open_towers(model)
    if task.plan.scope == "rows" and task.parent:
        index, ids = shop.indexes.load(task.parent.index.snapshot()), list(task.plan.writable)
        index.remove(task.delta.removed_items)
    else:
        index, ids = shop.indexes.empty(towers.dim, towers.metric), shop.log.catalogue(task.window.end)
    items = shop.features.items(ids, task.window.as_of)
    columns = items.select(list(dict.fromkeys(["item_id", *task.schema.display, *task.schema.filters])))
    index.upsert(EmbeddingBatch(tuple(ids), towers.items(items), columns))
    return Pair(model, towers, index), len(ids)


def _gate_slices(shop: Workshop, task: Task) -> dict[str, pa.Table]:
    """The newest held-out rows inside the window and before it; a window of poison cannot change the second."""
    new = part(task.delta.interactions, "gate", "reserve")
    past = shop.features.newest(task.window, "reserve", shop.gate_rows)
    return {"new": new.slice(max(0, new.num_rows - shop.gate_rows)), "past": past}


def _verdict(
    shop: Workshop,
    slices: dict[str, pa.Table],
    parent: Pair | None,
    candidate: Pair,
    rng: np.random.Generator,
    drifts: tuple[Drift, ...] = (),
) -> Verdict:
    hits = {}
    for name, table in slices.items():
        after = _hits(shop, candidate, table)
        hits[name] = (_hits(shop, parent, table) if parent else after, after)
    queries = _queries(candidate, [table for table in slices.values() if table.num_rows])
    recall = candidate.index.recall(queries, shop.gate.k) if len(queries) else 1.0
    return judge(hits, index_recall=recall, policy=shop.gate, rng=rng, drifts=drifts)


def _queries(pair: Pair, tables: Sequence[pa.Table]) -> Vectors:
    vectors = [pair.towers.users(table.slice(0, 100)) for table in tables]
    return np.concatenate(vectors) if vectors else np.empty((0, pair.towers.dim), np.float32)


def _hits(shop: Workshop, pair: Pair, table: pa.Table) -> Hits:
    """For each row whether its item is among the k candidates that `pair` would have given its user just before."""
    if not table.num_rows:
        return np.zeros(0, np.bool_)
    users, offsets, wanted = (table.column(name).to_pylist() for name in ("user_id", "offset", "item_id"))
    seen = [shop.log.seen(user, before) if shop.mask_seen else [] for user, before in zip(users, offsets, strict=True)]
    hidden = [set(items) - {item} for items, item in zip(seen, wanted, strict=True)]
    features = TowerSchema.from_json(pair.model["schema.json"].decode()).user
    found = pair.index.search(pair.towers.users(completed(features, table)), shop.gate.k, hidden)
    return np.array([item in {name for name, _ in row} for item, row in zip(wanted, found, strict=True)])


def _publish(shop: Workshop, task: Task, pair: Pair, current: Release | None) -> Release:
    files = {**pair.model, **pair.index.snapshot(), PROFILE: _profile(shop, task)}
    hashes = {name: durable.sha256(data) for name, data in sorted(files.items())}
    parent = current.id if current else ""
    release = Release(
        id=release_id(parent=parent, window=task.window, scope=task.plan.scope, seed=shop.seed, files=hashes),
        surface=shop.surface,
        sequence=0,
        parent=parent,
        window=task.window,
        scope=task.plan.scope,
        dim=pair.towers.dim,
        metric=pair.towers.metric,
        schema_hash=task.schema.hash,
        seed=shop.seed,
        written_items=task.delta.changed_items if task.plan.scope == "rows" else (),
        files=hashes,
        space=current.vector_space if current and task.plan.scope == "rows" else "",
    )
    return shop.registry.publish(release, files)


def _open(shop: Workshop, files: Files) -> Pair:
    return Pair(files, shop.open_towers(files), shop.indexes.load(files))


def _report(
    shop: Workshop,
    watch: Stopwatch,
    outcome: Outcome,
    current: Release | None,
    plan: RefreshPlan,
    window: Window | None,
    verdict: Verdict | None,
    drifts: tuple[Drift, ...] = (),
    made: Pair | None = None,
) -> RefreshReport:
    release, stages = (current.id, current.sequence) if current else ("", 0), tuple(watch.stages)
    learnt = losses(made.model["model.json"], stages) if made else {}
    report = RefreshReport(shop.surface, outcome, *release, plan, window, verdict, stages, drifts, learnt, shop.gate)
    shop.registry.record(report)
    return report
