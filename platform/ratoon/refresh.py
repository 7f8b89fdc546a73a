"""Flow 1, write: what changed -> the next release, or a reason why not.

    ingest -> pin the window -> delta -> score the parent -> plan -> train -> embed -> judge -> absorb -> publish

Every step can be killed. Nothing is visible before the publication, which is one compare-and-swap; a run that died is
run again over the same pinned window and gives the same release.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from ratoon import durable
from ratoon.domain import popularity, quality
from ratoon.domain.delta import part
from ratoon.domain.errors import DataError, UsageError
from ratoon.domain.evolution import effect
from ratoon.domain.labels import Untaught
from ratoon.domain.plan import RefreshPlan, Scope, decide
from ratoon.domain.quality import Answers, Record
from ratoon.domain.release import Release, release_id
from ratoon.domain.report import Outcome, RefreshReport, Stopwatch, losses
from ratoon.domain.schema import SCHEMA, TowerSchema
from ratoon.domain.signals import Signals
from ratoon.domain.trial import Terms
from ratoon.domain.window import Window
from ratoon.judging import Jury, Pair, Questions, answers, askable, priced, questions, recorded, timeline
from ratoon.ports import Files
from ratoon.workshop import (
    PROFILE,
    STILL,
    Made,
    Task,
    Workshop,
    catalogue,
    drifts,
    early,
    embed,
    lesson,
    opened,
    prior,
    profile,
    relaid,
    remembering,
    served,
    settle,
    signals,
    start,
    written,
)


def refresh(shop: Workshop, watch: Stopwatch, scope: Scope | None = None, terms: Terms | None = None) -> RefreshReport:
    """Bring one surface up to date; see the module for the steps.

    While a release is on trial nothing is made: whatever was published would end the trial, or be without what it has learnt.

    Args:
        scope: force a plan instead of the cheapest one.
        terms: put the release on trial instead of publishing it.

    Raises:
        Conflict: another refresh of this surface runs, or published first.
        UsageError: there is no release that one on trial could be compared with.
    """
    with shop.registry.lease():
        current = shop.registry.current()
        if reason := _held(shop):
            return _report(shop, watch, "held", current, RefreshPlan("skip", reason))
        if terms is not None and current is None:
            raise UsageError(
                "--trial",
                expected="a release to compare with",
                found="none",
                fix="Publish the first one without a trial.",
            )
        with watch.stage("ingest") as rows:
            rows.count = shop.features.ingest()
        window = shop.features.window(current.window if current else None)
        if current and scope is None and (reason := early(shop, window, current)):
            return _report(shop, watch, "skipped", current, RefreshPlan("skip", reason, waits=True))
        window = shop.registry.pin(replace(window, left_out=shop.registry.left_out()))
        try:
            task = _task(shop, watch, window, current, scope)
            if task.plan.scope == "skip":
                shop.registry.unpin()
                return _report(shop, watch, "skipped", current, task.plan, task)
            task = _learning(shop, task)
            made = _make(shop, watch, task)
            if not made.verdict.publish and task.plan.instead:
                task = _instead(task, task.plan.instead, made.verdict.reasons)
                made = _make(shop, watch, task)
        except DataError:
            shop.registry.unpin()  # what corrects the data comes after this window
            raise
        if not made.verdict.publish:
            shop.registry.refuse(window, made.verdict.reasons)
            return _report(shop, watch, "refused", current, task.plan, task, made)
        with watch.stage("publish"):
            release, files = _released(shop, task, made.pair, current)
            if terms is None:
                current = shop.registry.publish(release, files)
            else:
                shop.registry.trials.begin(release, files, terms)
                shop.registry.unpin()  # the next refresh looks at the present, whatever becomes of this one
        return _report(shop, watch, "published" if terms is None else "tried", current, task.plan, task, made)


def considered(shop: Workshop, watch: Stopwatch) -> tuple[Task, str]:
    """What a refresh would do now, and why it would not even look; nothing is pinned, learnt, published or kept.

    What is new is ingested, as any command does that looks at features.
    """
    current = shop.registry.current()
    with watch.stage("ingest") as rows:
        rows.count = shop.features.ingest()
    window = replace(shop.features.window(current.window if current else None), left_out=shop.registry.left_out())
    return _task(shop, watch, window, current, None), _held(shop)


def _held(shop: Workshop) -> str:
    """Why nothing may be made at present; empty if something may."""
    if reason := shop.registry.held():
        return f"on hold: {reason}"
    trial = shop.registry.trials.running()
    return trial.told() if trial is not None else ""


def _task(shop: Workshop, watch: Stopwatch, window: Window, current: Release | None, scope: Scope | None) -> Task:
    with watch.stage("join") as rows:
        schema = shop.features.schema()
        parent = opened(shop, current) if current else None
        delta = shop.features.delta(window, current.window if current else None, parent.index.ids() if parent else [])
        rows.count = delta.interactions.num_rows
        drifted = drifts(shop, parent, delta)
    with watch.stage("score") as rows:
        few = askable(delta.interactions, scored=shop.scored if parent else 0, held=shop.gate_rows)
        asked = questions(shop.log, few, shop.labels).without(delta.removed_items)
        live = timeline(shop.log, window, min([*asked.offsets, window.start + 1]))
        said = answers(parent, asked, shop.gate.k, live) if parent else None
        rng = np.random.default_rng([shop.seed, window.end, 1])
        record = recorded(shop.log, parent, asked, said, window.start, rng) if parent and said is not None else Record()
        record = replace(record, churned=record.churned + len(delta.new_items) + len(delta.removed_items))
        seen = signals(shop, window, current, parent, asked, record, drifted) if current and parent else Signals()
        rows.count = len(asked)
    differs = effect(TowerSchema.from_json(parent.model[SCHEMA].decode()), schema) if parent else "same"
    plan = decide(
        delta,
        has_parent=current is not None,
        schema_changed=differs in ("gained", "changed"),
        gained=differs == "gained",
        recent_items=current.written_items if current else (),
        reshown=tuple(shop.log.catalogue(window.end)) if differs == "shown" else (),
        forced=scope,
        seen=seen,
        policy=replace(shop.plan, drift=shop.gate.drift),
    )
    last = current.taught if current and plan.scope in STILL else window.end
    if current and plan.scope == "index":
        window = current.window  # nothing of this one is learnt: it goes on waiting
    past = delta.interactions.slice(0, 0)
    return Task(plan, seen, window, schema, delta, past, parent, asked, said, live, record, drifted, last)


def _learning(shop: Workshop, task: Task) -> Task:
    """The task with all of the past, where it is learnt from or told of."""
    return replace(task, past=shop.features.past(task.window)) if task.plan.scope in ("dense", "full") else task


def _instead(task: Task, plan: RefreshPlan, reasons: Sequence[str]) -> Task:
    """The same task by the plan kept for a refusal. The shared layers have had their try and are not old again at once."""
    said = f"{plan.reason}; {task.plan.scope} was tried, because {task.plan.reason}, and refused: {reasons[0]}"
    return replace(task, plan=replace(plan, reason=said), past=task.past.slice(0, 0))


def _make(shop: Workshop, watch: Stopwatch, task: Task) -> Made:
    """A candidate that has learnt the train rows, judged by the gate rows; if it passes, one that has learnt all rows."""
    if task.plan.scope == "index" and task.parent:
        return _relaid(shop, watch, task, task.parent)
    rng = np.random.default_rng([shop.seed, task.window.end])
    with watch.stage("train") as rows:
        live = catalogue(shop, task)
        taught, untaught = lesson(shop, task, ("train",), live, rng)
        rows.count = taught.new.num_rows + taught.replay.num_rows
        model = shop.trainer.train(start(shop, task), task.schema, task.parent.model if task.parent else None, taught)
    durable.fault_point("refresh.trained")
    with watch.stage("embed") as rows:
        candidate, rows.count = embed(shop, task, model, prior(shop, task), live)
    durable.fault_point("refresh.embedded")
    with watch.stage("judge") as rows:
        jury = _jury(shop, watch, task)
        candidate, new = _priced(shop, task, candidate, jury.new, live, rng)
        settle(shop, task, candidate)
        said, rows.count = jury.hears(candidate, new), len(jury.new) + len(jury.past)
        verdict = jury.verdict(candidate, said, task.plan, task.drifts, rng)
    durable.fault_point("refresh.judged")
    if not verdict.publish:
        return Made(candidate, verdict, untaught)
    with watch.stage("absorb") as rows:
        held, _ = lesson(shop, task, ("fit", "gate"), live, rng)
        rows.count = held.new.num_rows
        model = shop.trainer.absorb(task.plan, candidate.model, held)
        absorbed, _ = embed(shop, task, model, candidate.model.get(popularity.FILE), live)
        settle(shop, task, absorbed)
        again = jury.again(said, absorbed, rng)
    durable.fault_point("refresh.absorbed")
    if again.publish:
        return Made(absorbed, verdict, untaught)
    kept = f"the gate and fit rows were not absorbed: {again.reasons[0]}"
    return Made(candidate, replace(verdict, reasons=(*verdict.reasons, kept)), untaught)


def _relaid(shop: Workshop, watch: Stopwatch, task: Task, parent: Pair) -> Made:
    """The parent with its index laid out anew, judged by the rows that wait; drift is not its fault."""
    with watch.stage("embed") as rows:
        candidate = relaid(shop, task, parent)
        rows.count = len(candidate.index)
    durable.fault_point("refresh.embedded")
    with watch.stage("judge") as rows:
        jury = _jury(shop, watch, task)
        rows.count = len(jury.new) + len(jury.past)
        verdict = jury.verdict(
            candidate, jury.hears(candidate), task.plan, (), np.random.default_rng([shop.seed, task.window.end])
        )
    durable.fault_point("refresh.judged")
    return Made(candidate, verdict, Untaught())


def _jury(shop: Workshop, watch: Stopwatch, task: Task) -> Jury:
    """The newest held-out rows inside the window and before it, older ones, and what the parent answered to the first."""
    held = task.asked.newest(shop.gate_rows, "gate", "reserve")
    gone, new = task.delta.removed_items, task.delta.new_items  # nobody could be offered new ones then
    past, old = (questions(shop.log, rows, shop.labels).without(gone).hiding(new) for rows in remembering(shop, task))
    said = task.said.where(held) if task.said is not None else None
    return Jury(shop.gate, task.asked.where(held), past, old, task.live, task.window.start, task.parent, said, watch.cpu)


def _priced(
    shop: Workshop, task: Task, candidate: Pair, held: Questions, items: pa.Table, rng: np.random.Generator
) -> tuple[Pair, Answers]:
    """The candidate with what popularity is worth: by what served in the window, or by all newest fit rows where none did."""
    if task.parent and len(task.parent.towers.popularity) and task.plan.scope != "full":
        asked = task.asked.where(task.asked.spread(shop.priced, "train", "fit"))
        return priced(candidate, served(task, task.parent, items), asked, held, task.live, shop.gate.k, rng)
    earlier = shop.features.newest(task.window, "fit", shop.fit_rows)
    fit = pa.concat_tables([earlier, part(task.delta.interactions, "fit")], promote_options="permissive")
    asked = questions(shop.log, fit.slice(max(0, fit.num_rows - shop.fit_rows)), shop.labels)
    live = timeline(shop.log, task.window, min([*asked.offsets, *held.offsets, task.window.end]))
    return priced(candidate, candidate, asked, held, live, shop.gate.k, rng)


def _released(shop: Workshop, task: Task, pair: Pair, current: Release | None) -> tuple[Release, Files]:
    """A pair as a release on top of the current one, and its files."""
    files = {**pair.model, **pair.index.snapshot(), PROFILE: profile(shop, task)}
    if task.plan.scope != "index":
        files[quality.FILE] = (task.record if task.plan.scope in STILL else Record(task.record.newest)).to_json().encode()
    durable.fault_point("index.snapshot")
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
        written_items=written(task, current),
        files=hashes,
        space=current.vector_space if current and task.plan.scope in STILL else "",
        taught=task.taught,
    )
    return release, files


def _report(
    shop: Workshop,
    watch: Stopwatch,
    outcome: Outcome,
    current: Release | None,
    plan: RefreshPlan,
    task: Task | None = None,
    made: Made | None = None,
) -> RefreshReport:
    release, stages = (current.id, current.sequence) if current else ("", 0), tuple(watch.stages)
    report = RefreshReport(shop.surface, outcome, *release, plan, None, None, stages, gate=shop.gate)
    if task:
        report = replace(report, window=task.window, drift=task.drifts, truth=task.record.newest)
    if made:
        learnt = losses(made.pair.model["model.json"], stages)
        report = replace(report, verdict=made.verdict, losses=learnt, untaught=made.untaught)
    shop.registry.record(report)
    return report
