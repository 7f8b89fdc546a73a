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
from ratoon.domain import fusion, popularity
from ratoon.domain.delta import part
from ratoon.domain.errors import DataError, UsageError
from ratoon.domain.evolution import effect
from ratoon.domain.labels import Untaught
from ratoon.domain.plan import REMADE, RefreshPlan, Scope, decide
from ratoon.domain.quality import Answers, Record
from ratoon.domain.release import Release
from ratoon.domain.report import RefreshReport, Stopwatch
from ratoon.domain.schema import SCHEMA, TowerSchema
from ratoon.domain.signals import Signals
from ratoon.domain.trial import Terms
from ratoon.domain.window import Window
from ratoon.judging import Jury, Pair, Questions, answers, askable, priced, questions, recorded, timeline, weighed
from ratoon.releasing import concluded, reported
from ratoon.remaking import Remaking, relaid, signed
from ratoon.workshop import (
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
    remembering,
    served,
    settle,
    signals,
    start,
)


def refresh(
    shop: Workshop,
    watch: Stopwatch,
    scope: Scope | None = None,
    terms: Terms | None = None,
    remaking: Remaking | None = None,
) -> RefreshReport:
    """Bring one surface up to date; see the module for the steps.

    While a release is on trial nothing is made: whatever was published would end the trial, or be without what it has learnt.

    Args:
        scope: force a plan instead of the cheapest one.
        terms: put the release on trial instead of publishing it.
        remaking: under the scope `upkeep`: what is made of which release.

    Raises:
        Conflict: another refresh of this surface runs, or published first.
        UsageError: there is no release that one on trial, or one made otherwise, could be compared with.
    """
    with shop.registry.lease():
        current = shop.registry.current()
        if reason := _held(shop):
            return reported(shop, watch, "held", current, RefreshPlan("skip", reason))
        if current is None and (terms is not None or remaking is not None):
            raise _first("--trial" if terms is not None else "--release")
        with watch.stage("ingest") as rows:
            rows.count = shop.features.ingest()
        window = shop.features.window(current.window if current else None)
        if current and scope is None and (reason := early(shop, window, current)):
            return reported(shop, watch, "skipped", current, RefreshPlan("skip", reason, waits=True))
        window = shop.registry.pin(replace(window, left_out=shop.registry.left_out()))
        try:
            task = _task(shop, watch, window, current, scope, remaking)
            if task.plan.scope == "skip":
                shop.registry.unpin()
                return reported(shop, watch, "skipped", current, task.plan, task)
            task = _learning(shop, task)
            made = _make(shop, watch, task, remaking)
            if not made.verdict.publish and task.plan.instead:
                task = _instead(task, task.plan.instead, made.verdict.reasons)
                made = _make(shop, watch, task)
            task = _named(task, made)
        except (DataError, UsageError):
            shop.registry.unpin()  # what corrects the data comes after this window; an operation may refuse what it was asked
            raise
        if remaking is not None and remaking.rehearsed:
            shop.registry.unpin()
            return reported(shop, watch, "rehearsed", current, task.plan, task, made)
        return concluded(shop, watch, task, made, current, terms)


def _first(field: str) -> UsageError:
    return UsageError(
        field,
        expected="a release to compare with",
        found="none",
        fix="Publish the first one with `ratoon refresh`.",
    )


def considered(shop: Workshop, watch: Stopwatch, scope: Scope | None = None) -> tuple[Task, str]:
    """What a refresh would do now, and why it would not even look; nothing is pinned, learnt, published or kept.

    What is new is ingested, as any command does that looks at features.

    Args:
        scope: as for `refresh`.
    """
    current = shop.registry.current()
    with watch.stage("ingest") as rows:
        rows.count = shop.features.ingest()
    window = replace(shop.features.window(current.window if current else None), left_out=shop.registry.left_out())
    return _task(shop, watch, window, current, scope, None), _held(shop)


def beginning(shop: Workshop, watch: Stopwatch, window: Window) -> Task:
    """What a first release that learns all of a window has to do, whatever is served and whatever has come since."""
    return _task(shop, watch, window, None, "full", None)


def rehearsal(shop: Workshop, watch: Stopwatch, task: Task) -> Pair:
    """What a refresh would publish of a task; nothing is published or kept."""
    return _make(shop, watch, task).pair


def _held(shop: Workshop) -> str:
    """Why nothing may be made at present; empty if something may."""
    if reason := shop.registry.held():
        return f"on hold: {reason}"
    trial = shop.registry.trials.running()
    return trial.told() if trial is not None else ""


def _task(
    shop: Workshop,
    watch: Stopwatch,
    window: Window,
    current: Release | None,
    scope: Scope | None,
    remaking: Remaking | None,
) -> Task:
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
    if plan.scope == "full" and parent and fusion.FILE in parent.model:
        plan = replace(
            plan, reason=f"{plan.reason}; other sources than its own towers are left behind, until `ratoon upkeep fuse`"
        )
    past, upto = delta.interactions.slice(0, 0), window
    last, source = current.taught if current and plan.scope in STILL else window.end, ""
    if current and plan.scope in REMADE:  # nothing of this window is learnt: it goes on waiting
        base = _source(shop, current, remaking)
        upto, last, source = base.window, base.taught, base.id
    return Task(plan, seen, window, schema, delta, past, parent, asked, said, live, record, drifted, upto, last, source)


def _source(shop: Workshop, current: Release, remaking: Remaking | None) -> Release:
    """The release that another is made of."""
    return shop.registry.get(remaking.source) if remaking and remaking.source else current


def _learning(shop: Workshop, task: Task) -> Task:
    """The task with all of the past, where it is learnt from."""
    return replace(task, past=shop.features.past(task.window)) if task.plan.scope in ("upkeep", "dense", "full") else task


def _named(task: Task, made: Made) -> Task:
    """The task by what an operation did, where one did it."""
    said = made.said
    return replace(task, plan=replace(task.plan, reason=f"{said.operation}: {said.choice}")) if said else task


def _instead(task: Task, plan: RefreshPlan, reasons: Sequence[str]) -> Task:
    """The same task by the plan kept for a refusal. The shared layers have had their try and are not old again at once."""
    said = f"{plan.reason}; {task.plan.scope} was tried, because {task.plan.reason}, and refused: {reasons[0]}"
    return replace(task, plan=replace(plan, reason=said), past=task.past.slice(0, 0))


def _make(shop: Workshop, watch: Stopwatch, task: Task, remaking: Remaking | None = None) -> Made:
    """A candidate that has learnt the train rows, judged by the gate rows; if it passes, one that has learnt all rows."""
    if task.plan.scope in REMADE and task.parent:
        return _remade(shop, watch, task, task.parent, remaking or Remaking(relaid))
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


def _remade(shop: Workshop, watch: Stopwatch, task: Task, parent: Pair, remaking: Remaking) -> Made:
    """A release made otherwise, judged by rows that neither has learnt; drift is not its fault."""
    rng = np.random.default_rng([shop.seed, task.window.end])
    with watch.stage("remake") as rows:
        source = opened(shop, shop.registry.get(remaking.source)) if remaking.source else parent
        remade = remaking.make(shop, task, source)
        candidate = signed(remade)
        rows.count = len(candidate.index)
    durable.fault_point("refresh.embedded")
    with watch.stage("judge") as rows:
        jury = _jury(shop, watch, task)
        rows.count = len(jury.new) + len(jury.past)
        verdict = jury.verdict(candidate, jury.hears(candidate), task.plan, (), rng, remade.rivals)
        said = weighed(remade.said, source, candidate, jury, rng) if remade.said else None
    durable.fault_point("refresh.judged")
    return Made(candidate, verdict, Untaught(), said)


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
