"""The refresh flow over real rooms: what it publishes, what it refuses, what a kill leaves behind."""

import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pyarrow as pa
import pytest
from safetensors.numpy import load, save

from ratoon import config
from ratoon.bench.api import asking, server
from ratoon.domain.drift import DriftPolicy
from ratoon.domain.embedding import EmbeddingBatch
from ratoon.domain.errors import Conflict, DataError
from ratoon.domain.event import EVENT_SCHEMA
from ratoon.domain.plan import Full, PlanPolicy, RefreshPlan
from ratoon.domain.popularity import FILE, WIDTH
from ratoon.domain.quality import Answers
from ratoon.domain.release import Release
from ratoon.domain.report import RefreshReport
from ratoon.domain.schema import TowerSchema
from ratoon.judging import Pair, Questions, priced
from ratoon.pictures import run_page
from ratoon.ports import Files, Lesson, Teaching
from ratoon.refresh import refresh
from ratoon.training import TrainingSettings, TwoTowerTrainer
from ratoon.wiring import House
from ratoon.workshop import PROFILE, Workshop, opened
from tests.flow.children import refresh_in_child

QUICK = ["registry.staged"]
EVERY = [
    "ingest.view:1",
    "ingest.view:2",
    "ingest.done",
    "registry.pinned",
    "features.joined",
    "training.step:1",
    "training.step:3",
    "training.trained",
    "refresh.embedded",
    "refresh.judged",
    "refresh.absorbed",
    "registry.staging",
    "registry.renamed",
    "registry.published",
]


def run(house: House) -> RefreshReport:
    return refresh(house.workshop("default"), house.stopwatch())


def test_a_rows_refresh_moves_only_writable_items(house: House) -> None:
    """What was learnt of items outside the plan stays bit for bit, only their popularity moves; releases chain without a gap."""
    registry = house.registry("default")
    parent = registry.current()
    assert parent is not None
    before = house.indexes.load(registry.load(parent))

    report = run(house)

    release = registry.current()
    assert release is not None
    assert (report.outcome, report.plan.scope) == ("published", "rows")
    assert (release.parent, release.window.start) == (parent.id, parent.window.end)
    after = house.indexes.load(registry.load(release))
    untouched = sorted(set(before.ids()) - set(report.plan.writable))
    assert untouched
    learned = release.dim - WIDTH
    assert np.array_equal(before.vectors(untouched)[:, :learned], after.vectors(untouched)[:, :learned])
    assert not np.array_equal(before.vectors(untouched), after.vectors(untouched))


def test_nothing_new_is_skipped(house: House) -> None:
    """A second refresh without new events publishes nothing and says why."""
    first = run(house)
    second = run(house)
    assert (second.outcome, second.release) == ("skipped", first.release)
    assert second.plan.reason == "nothing changed since the current release"


def test_two_refreshes_at_once(house: House) -> None:
    """The second of two concurrent refreshes of a surface is refused instead of racing."""
    with house.registry("default").lease(), pytest.raises(Conflict, match="lease"):
        run(house)


def test_a_refresh_on_hold_waits(house: House) -> None:
    """After a rollback refreshing is held, and goes on after resume."""
    run(house)
    house.registry("default").rollback(None, "a bad day")
    held = run(house)
    assert (held.outcome, held.plan.reason) == ("held", "on hold: a bad day")
    house.registry("default").resume()
    assert run(house).outcome == "published"


def test_a_model_that_memorises_its_delta_is_refused(house: House) -> None:
    """Training far too long on the window alone loses held-out recall; the gate refuses it and the parent stays."""
    before = house.registry("default").current()
    memorising = TwoTowerTrainer(TrainingSettings(dim=16, passes=60, lr_rows=0.3, lr_dense=0.03), 0)
    report = refresh(replace(house.workshop("default"), trainer=memorising), house.stopwatch())
    assert report.outcome == "refused"
    assert report.verdict is not None
    assert any("held-out rows" in reason for reason in report.verdict.reasons)
    assert house.registry("default").current() == before


def turned(files: Files) -> Files:
    """The model with every user turned round: who liked something is kept away from it."""
    last = ("user.p", "user.w2", "user.b2")
    tensors = {name: -old if name in last else old for name, old in load(files["user.safetensors"]).items()}
    return {**files, "user.safetensors": save(tensors)}


class Forgetful(TwoTowerTrainer):
    """Learns as it should, then loses the user tower."""

    def train(
        self, plan: RefreshPlan, schema: TowerSchema, parent: Files | None, lesson: Lesson, teaching: Teaching | None = None
    ) -> Files:
        return turned(super().train(plan, schema, parent, lesson, teaching))


def test_a_candidate_that_forgot_is_refused_and_its_window_left_out(house: House) -> None:
    """Losing recall on rows from before the window is reason enough; with the window left out refreshing goes on."""
    registry, before = house.registry("default"), house.registry("default").current()
    forgetful = Forgetful(TrainingSettings(dim=16), 0)
    report = refresh(replace(house.workshop("default"), trainer=forgetful), house.stopwatch())
    assert report.outcome == "refused"
    assert report.verdict is not None
    assert any("answered by the towers alone, fell" in reason for reason in report.verdict.reasons)
    assert registry.current() == before
    assert report.window is not None
    registry.resume(((report.window.start + 1, report.window.end),))
    after = run(house)
    assert after.outcome == "published"
    assert after.plan.reason.startswith("0 interactions,")


def test_what_is_left_out_is_not_learnt(house: House) -> None:
    """With the whole window left out there is nothing to learn from, whatever arrived in it."""
    registry = house.registry("default")
    current = registry.current()
    assert current is not None
    registry.resume(((current.window.end + 1, house.log.end()),))
    report = run(house)
    assert report.window is not None
    delta = house.features("default").delta(report.window, current.window, [])
    assert delta.interactions.num_rows == 0


@pytest.fixture(scope="session")
def undisturbed(bootstrapped: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The release of a refresh that nobody disturbs."""
    folder = tmp_path_factory.mktemp("undisturbed")
    shutil.copytree(bootstrapped, folder, dirs_exist_ok=True)
    assert refresh_in_child(folder / "ratoon.toml") == 0
    return _current_id(folder / "ratoon.toml")


def _killed_and_rerun(disturbed: Path, fault: str) -> str:
    """The release of a refresh that was killed at `fault` and run again, under a live server that must not fail."""
    environment = {**os.environ, config.CONFIG: str(disturbed), "OMP_NUM_THREADS": "1"}
    with server(0, environment) as (api, _process):
        with asking(api, "user-0"):
            assert refresh_in_child(disturbed, fault) == -signal.SIGKILL
            assert refresh_in_child(disturbed) == 0
            api.await_release("default", 2)
        assert api.failed == 0
        assert api.sent > 10
    return _current_id(disturbed)


def _current_id(file: Path) -> str:
    current = House(config.load(file, environment={})).registry("default").current()
    assert current is not None
    return current.id


@pytest.mark.parametrize("fault", QUICK)
def test_a_killed_refresh_run_again(copied: Callable[[str], Path], undisturbed: str, fault: str) -> None:
    """Killed by SIGKILL and run again, a refresh publishes the release it would have; no request fails meanwhile."""
    disturbed = copied("disturbed")
    assert _killed_and_rerun(disturbed, fault) == undisturbed
    runs = House(config.load(disturbed, environment={})).registry("default").runs.all()
    assert [(run.number, run.report.outcome) for run in runs] == [(2, "published"), (1, "published")]


def test_every_outcome_leaves_a_run(house: House, events: pa.Table) -> None:
    """Published, skipped, refused or held: the run is kept with what it learnt, asked and cost, and can be drawn."""
    registry, shop = house.registry("default"), house.workshop("default")
    parent = registry.current()
    published, skipped = run(house), run(house)
    strict = DriftPolicy(warn=0.0, full=9.0, refuse=0.0, least=1)
    house.log.append(events.slice(3_500, 200))
    refused = refresh(replace(shop, gate=replace(shop.gate, drift=strict)), house.stopwatch())
    registry.hold("a bad day")
    held = run(house)
    runs = registry.runs.all()
    assert [one.report for one in runs[:4]] == [told.brief() for told in (held, refused, skipped, published)]
    assert [one.report.outcome for one in runs] == ["held", "refused", "skipped", "published", "published"]
    first, current = runs[3], registry.current()
    assert parent is not None
    assert current is not None
    assert (first.parent, first.report.release) == (parent.id, current.id)
    assert first.files.keys() >= {"manifest.json"}
    assert [len(first.report.losses["train"]), len(runs[4].report.losses["fit"]), len(refused.losses["train"])] == [1, 2, 1]
    assert (skipped.losses, refused.gate.drift) == ({}, strict)
    for one in runs:
        ElementTree.fromstring(run_page(one, runs))


@pytest.mark.chaos
@pytest.mark.parametrize("fault", EVERY)
def test_a_refresh_killed_anywhere(copied: Callable[[str], Path], undisturbed: str, fault: str) -> None:
    """The same at every other step of the flow."""
    assert _killed_and_rerun(copied("disturbed"), fault) == undisturbed


def test_posted_and_removed_items(house: House, events: pa.Table) -> None:
    """A posted item is in the index after one refresh, a removed one is not."""
    now = house.log.now()
    removed = house.log.catalogue(house.log.end())[0]
    rows = [
        {"event_id": "n", "kind": "item", "item_id": "brand-new", "event_timestamp": now, "features": '{"title": "Brand new"}'},
        {"event_id": "r", "kind": "remove", "item_id": removed, "event_timestamp": now},
    ]
    house.log.append(pa.Table.from_pylist(rows, events.schema))
    report = run(house)
    assert report.outcome == "published"
    registry = house.registry("default")
    current = registry.current()
    assert current is not None
    index = house.indexes.load(registry.load(current))
    assert "brand-new" in index.ids()
    assert index.columns(["brand-new"])["brand-new"]["title"] == "Brand new"
    assert removed not in index.ids()


def test_drift_decides_the_plan_and_the_gate(house: House) -> None:
    """Under `rows` the profile of what the shared layers learnt stays; beyond the limits the plan is full, the gate refuses."""
    registry = house.registry("default")
    current = registry.current()
    assert current is not None
    learnt = registry.load(current)[PROFILE]
    shop = house.workshop("default")
    strict = DriftPolicy(warn=0.0, full=0.0, refuse=0.0, least=1)
    refused = refresh(replace(shop, gate=replace(shop.gate, drift=strict)), house.stopwatch())
    assert (refused.outcome, refused.plan.scope) == ("refused", "full")
    assert "drifted by PSI" in refused.plan.reason
    assert refused.verdict is not None
    assert any("drifted by PSI" in reason for reason in refused.verdict.reasons)

    report = run(house)
    assert (report.outcome, report.plan.scope) == ("published", "rows")
    assert {"age", "user_events", "release_date"} <= {one.feature for one in report.drift}
    after = registry.current()
    assert after is not None
    assert registry.load(after)[PROFILE] == learnt
    assert house.drifts("default") == ()


def test_an_item_that_only_quarantined_events_know_is_not_served(house: House) -> None:
    """Interactions put aside move neither plan nor clock nor index: the item they name is learnt, embedded and shown nowhere."""
    assert run(house).outcome == "published"
    end, now = house.log.end(), house.accepted.now()
    row = dict.fromkeys(EVENT_SCHEMA.names) | {"kind": "interaction", "item_id": "junk", "type": "click", "value": 1.0}
    far = now + timedelta(days=20_000)
    junk = [row | {"event_id": f"junk{n}", "user_id": f"bot{n}", "event_timestamp": far} for n in range(5)]
    house.log.append(pa.Table.from_pylist(junk, EVENT_SCHEMA))
    house.quarantine.put_aside(end + 1, end + 5, "junk")
    skipped = run(house)
    assert (skipped.outcome, skipped.plan.reason) == ("skipped", "nothing changed since the current release")
    assert skipped.window is not None
    assert skipped.window.as_of < far
    assert (house.accepted.now(), "junk" in dict(house.accepted.popular(10_000))) == (now, False)
    assert max(age for _, _, age in house.feature_ages()) < 20_000 * 86_400
    shop = house.workshop("default")
    assert refresh(shop, house.stopwatch(), "full").outcome == "published"
    release = shop.registry.current()
    assert release is not None
    assert "junk" not in house.indexes.load(shop.registry.load(release)).ids()


def test_a_full_refresh_learns_what_the_policy_says(house: House) -> None:
    """Beside a release, `window` learns half of what `scratch` does, and `warm` goes on from the parent's rows and layers."""
    shop, counts = house.workshop("default"), dict[Full, int]()
    kinds: tuple[Full, ...] = ("scratch", "window", "warm")
    for full in kinds:
        report = refresh(replace(shop, plan=PlanPolicy(full=full)), house.stopwatch(), "full")
        assert report.plan.must_win
        counts[full] = next(stage.rows for stage in report.stages if stage.name == "train")
        if report.outcome == "refused":
            assert report.verdict is not None
            assert any("has to win" in reason or "fell" in reason for reason in report.verdict.reasons)
    assert counts["warm"] == counts["scratch"]
    assert 0.4 < counts["window"] / counts["scratch"] < 0.6


class Clumsy(TwoTowerTrainer):
    """Loses the user tower whenever the shared layers learn."""

    def train(
        self, plan: RefreshPlan, schema: TowerSchema, parent: Files | None, lesson: Lesson, teaching: Teaching | None = None
    ) -> Files:
        files = super().train(plan, schema, parent, lesson, teaching)
        return turned(files) if plan.scope == "dense" else files


def test_where_aged_layers_cannot_learn_rows_go_on(house: House) -> None:
    """A dense refresh that ageing asked for and the gate refused gives way to rows, says so, and is not tried again at once."""
    shop = replace(house.workshop("default"), trainer=Clumsy(TrainingSettings(dim=16), 0), plan=PlanPolicy(ageing=0.01))
    report = refresh(shop, house.stopwatch())
    assert (report.outcome, report.plan.scope) == ("published", "rows")
    assert "dense was tried, because the log has grown by" in report.plan.reason
    release = house.registry("default").current()
    assert release is not None
    assert (release.scope, release.taught) == ("rows", release.window.end)


def test_a_window_without_rows_does_not_open_the_gate(house: House) -> None:
    """Where nothing is new a candidate is still judged by the past: one that lost its user tower is refused."""
    run(house)
    before = house.registry("default").current()
    report = refresh(
        replace(house.workshop("default"), trainer=Forgetful(TrainingSettings(dim=16), 0)), house.stopwatch(), "dense"
    )
    assert report.outcome == "refused"
    assert house.registry("default").current() == before


class Choosy(TwoTowerTrainer):
    """Finds the data wanting."""

    def train(
        self, plan: RefreshPlan, schema: TowerSchema, parent: Files | None, lesson: Lesson, teaching: Teaching | None = None
    ) -> Files:
        del plan, schema, parent, lesson, teaching
        raise DataError("rows", expected="better ones", found="these", fix="Post others.")


def test_what_corrects_the_data_is_in_the_next_window(house: House, events: pa.Table) -> None:
    """A refresh that the data stopped does not pin its window: events that come after it are in the next one."""
    with pytest.raises(DataError, match="better ones"):
        refresh(replace(house.workshop("default"), trainer=Choosy(TrainingSettings(dim=16), 0)), house.stopwatch())
    house.log.append(events.slice(3_500, 100))
    report = run(house)
    assert report.outcome == "published"
    assert report.window is not None
    assert report.window.end == house.log.end()


def test_items_that_are_gone_are_no_right_answers(house: House) -> None:
    """Taking the most popular items away is no loss of recall: the refresh is published and the index lacks them."""
    gone = [item for item, _ in house.log.popular(8)]
    when = house.log.now()
    rows = [
        {"event_id": f"gone-{item}", "kind": "remove", "item_id": item, "event_timestamp": when + timedelta(seconds=number)}
        for number, item in enumerate(gone)
    ]
    house.log.append(pa.Table.from_pylist(rows, EVENT_SCHEMA))
    assert run(house).outcome == "published"
    registry = house.registry("default")
    release = registry.current()
    assert release is not None
    assert not set(gone) & set(house.indexes.load(registry.load(release)).ids())


def test_popularity_is_priced_by_what_served(house: House, events: pa.Table, monkeypatch: pytest.MonkeyPatch) -> None:
    """What popularity is worth is told by the release before, where a window's new items are as nobody has had them."""
    asked: list[tuple[Pair, Questions]] = []

    def heard(pair: Pair, by: Pair, fit: Questions, *rest: Any) -> tuple[Pair, Answers]:
        asked.append((by, fit))
        return priced(pair, by, fit, *rest)

    monkeypatch.setattr("ratoon.refresh.priced", heard)
    now, users = house.log.now(), [f"somebody{number}" for number in range(40)]
    seen = {"kind": "interaction", "item_id": "brand-new", "type": "watch", "event_timestamp": now}
    rows = [{**seen, "event_id": "new", "kind": "item"}, *({**seen, "event_id": user, "user_id": user} for user in users)]
    house.log.append(pa.Table.from_pylist(rows, events.schema))
    before = opened(house.workshop("default"), _current(house))
    assert run(house).outcome == "published"
    after = opened(house.workshop("default"), _current(house))
    [(by, fit)] = asked
    assert fit.of("train", "fit").all()
    assert "brand-new" in fit.column("item_id")
    never = [pair.index.vectors(["brand-new"])[0, -1] for pair in (by, after)]
    assert never == [1.0, 0.0]
    old = before.index.ids()
    assert np.array_equal(by.index.vectors(old), before.index.vectors(old))


def test_a_parent_without_traits_prices_nothing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a release from before popularity went with the vectors, the candidate itself says what popularity is worth."""
    asked: list[bool] = []

    def bare(shop: Workshop, release: Release) -> Pair:
        pair = opened(shop, release)
        model = {name: data for name, data in pair.model.items() if name != FILE}
        towers, ids = shop.open_towers(model), pair.index.ids()
        index = shop.indexes.empty(towers.dim, towers.metric)
        columns = pa.Table.from_pylist([{"item_id": item, **shown} for item, shown in pair.index.columns(ids).items()])
        index.upsert(EmbeddingBatch(tuple(ids), np.ascontiguousarray(pair.index.vectors(ids)[:, : towers.dim]), columns))
        return replace(pair, model=model, towers=towers, index=index)

    def heard(pair: Pair, by: Pair, *rest: Any) -> tuple[Pair, Answers]:
        asked.append(by is pair)
        return priced(pair, by, *rest)

    monkeypatch.setattr("ratoon.refresh.opened", bare)
    monkeypatch.setattr("ratoon.refresh.priced", heard)
    report = refresh(house.workshop("default"), house.stopwatch(), "dense")
    assert (asked, report.plan.scope) == ([True], "dense")


def _current(house: House) -> Release:
    release = house.registry("default").current()
    assert release is not None
    return release
