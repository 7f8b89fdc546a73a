"""A judged candidate as a release, and a refresh as its report."""

from dataclasses import replace

from ratoon import durable
from ratoon.domain import quality
from ratoon.domain.plan import REMADE, RefreshPlan
from ratoon.domain.quality import Record
from ratoon.domain.release import Release, release_id
from ratoon.domain.report import Outcome, RefreshReport, Stopwatch, losses
from ratoon.domain.schema import SCHEMA, TowerSchema
from ratoon.domain.trial import Terms
from ratoon.judging import Pair
from ratoon.ports import Files
from ratoon.workshop import PROFILE, STILL, Made, Task, Workshop, profile, written


def released(shop: Workshop, task: Task, pair: Pair, current: Release | None) -> tuple[Release, Files]:
    """A pair as a release on top of the current one, and its files."""
    files = {**pair.model, **pair.index.snapshot()}
    if task.plan.scope not in REMADE:
        files[PROFILE] = profile(shop, task)
        files[quality.FILE] = (task.record if task.plan.scope in STILL else Record(task.record.newest)).to_json().encode()
    durable.fault_point("index.snapshot")
    hashes = {name: durable.sha256(data) for name, data in sorted(files.items())}
    parent = current.id if current else ""
    release = Release(
        id=release_id(parent=parent, window=task.upto, scope=task.plan.scope, seed=shop.seed, files=hashes),
        surface=shop.surface,
        sequence=0,
        parent=parent,
        window=task.upto,
        scope=task.plan.scope,
        dim=pair.towers.dim,
        metric=pair.towers.metric,
        schema_hash=TowerSchema.from_json(pair.model[SCHEMA].decode()).hash,
        seed=shop.seed,
        written_items=written(task, current),
        files=hashes,
        space=current.vector_space if current and task.plan.scope in STILL else "",
        taught=task.taught,
    )
    return release, files


def concluded(
    shop: Workshop, watch: Stopwatch, task: Task, made: Made, current: Release | None, terms: Terms | None
) -> RefreshReport:
    """A candidate that was judged goes where the verdict says: out, on trial, or nowhere."""
    if not made.verdict.publish:
        shop.registry.refuse(task.window, made.verdict.reasons)
        return reported(shop, watch, "refused", current, task.plan, task, made)
    with watch.stage("publish"):
        release, files = released(shop, task, made.pair, current)
        if terms is None:
            current = shop.registry.publish(release, files)
        else:
            shop.registry.trials.begin(release, files, terms)
            shop.registry.unpin()  # the next refresh looks at the present, whatever becomes of this one
    return reported(shop, watch, "published" if terms is None else "tried", current, task.plan, task, made)


def reported(
    shop: Workshop,
    watch: Stopwatch,
    outcome: Outcome,
    current: Release | None,
    plan: RefreshPlan,
    task: Task | None = None,
    made: Made | None = None,
) -> RefreshReport:
    """What a refresh did, which is kept for people too."""
    release, stages = (current.id, current.sequence) if current else ("", 0), tuple(watch.stages)
    report = RefreshReport(shop.surface, outcome, *release, plan, None, None, stages, gate=shop.gate)
    if task:
        report = replace(report, window=task.window, drift=task.drifts, truth=task.record.newest)
    if made:
        learnt = losses(made.pair.model["model.json"], stages)
        report = replace(report, verdict=made.verdict, losses=learnt, untaught=made.untaught, upkeep=made.said)
    shop.registry.record(report)
    return report
