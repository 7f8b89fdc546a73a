"""What the plan decides, over real rooms: when nothing is worth doing yet, what money is left for, and an index laid out anew."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from ratoon import config
from ratoon.cli.app import app
from ratoon.domain.dial import IndexPolicy
from ratoon.domain.plan import PlanPolicy
from ratoon.index import FaissIndexes
from ratoon.refresh import refresh
from ratoon.wiring import House
from ratoon.workshop import opened
from tests.fakes.runs import run


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_what_is_too_little_waits(house: House) -> None:
    """Fewer events than are asked for are ingested and no more; once one has waited for long enough they are learnt."""
    shop = house.workshop("default")
    waiting = replace(shop, plan=PlanPolicy(least=501, patience=1e9))
    report = refresh(waiting, house.stopwatch())
    assert (report.outcome, report.plan.scope, report.plan.waits) == ("skipped", "skip", True)
    assert [stage.name for stage in report.stages] == ["ingest"]
    assert not (house.home / "releases" / "default" / "pinned.json").exists()
    report = refresh(replace(shop, plan=PlanPolicy(least=501, patience=60.0)), house.stopwatch())
    assert (report.outcome, report.plan.scope) == ("published", "rows")


def test_what_is_spent_is_spent(house: House) -> None:
    """Where the day's budget is used up what waits goes on waiting, and the window is not pinned; the reason says how much."""
    now = house.accepted.now()
    costly = run(outcome="published")
    assert costly.report.window is not None
    costly = replace(costly, report=replace(costly.report, window=replace(costly.report.window, as_of=now)))
    shop = replace(house.workshop("default"), plan=PlanPolicy(budget=5.0), runs=lambda: [costly, costly])
    report = refresh(shop, house.stopwatch())
    assert (report.outcome, report.plan.scope, report.plan.waits) == ("skipped", "skip", True)
    assert "6 of 5 CPU seconds of a day are spent" in report.plan.reason
    assert not (house.home / "releases" / "default" / "pinned.json").exists()


def test_an_index_is_laid_out_anew(house: House) -> None:
    """Vectors, towers, space and watermark stay; the lists are new; and what waited is learnt by the next refresh."""
    shop = replace(house.workshop("default"), indexes=FaissIndexes(IndexPolicy(exact=50)))
    before = shop.registry.current()
    assert before is not None
    report = refresh(shop, house.stopwatch(), "index")
    after = shop.registry.current()
    assert after is not None
    assert (report.outcome, after.scope, after.parent) == ("published", "index", before.id)
    assert (after.window, after.space, after.taught) == (before.window, before.vector_space, before.taught)
    old, new = opened(shop, before), opened(shop, after)
    assert (old.index.dial.lists, new.index.dial.lists > 1) == (1, True)
    ids = old.index.ids()
    assert new.index.ids() == ids
    np.testing.assert_allclose(new.index.vectors(ids), old.index.vectors(ids), atol=1e-3)  # half precision in lists
    assert new.index.columns(ids) == old.index.columns(ids)
    kept = {name: data for name, data in old.model.items() if name not in old.index.snapshot()}
    assert {name: new.model[name] for name in kept} == kept
    report = refresh(shop, house.stopwatch())
    assert (report.outcome, report.plan.scope) == ("published", "rows")
    assert report.window is not None
    assert (report.window.start, report.window.end) == (3_000, 3_500)


def test_advice_is_what_is_then_done(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """`ratoon advise` says what the next refresh does and why, leaves nothing among the releases, and tells of a hold."""
    monkeypatch.setenv(config.CONFIG, str(house.home.parent / "ratoon.toml"))
    monkeypatch.delenv(config.HOME, raising=False)
    before = content(house.home / "releases")
    done = CliRunner().invoke(app, ["advise", "--json"])
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert content(house.home / "releases") == before
    looked = {one["name"]: one for one in said["looked_at"]}
    waiting, lost = looked["events that wait"], looked["recall on new interactions lost since then"]
    assert (waiting["found"], waiting["limit"], waiting["scope"]) == (500, 1, "rows")
    assert waiting["reason"] == "500 events wait"
    assert (lost["found"], lost["limit"]) == (0.0, 0.2)
    known = {one["scope"]: one for one in said["costs"]}
    assert known["full"]["runs"] == 1
    assert known["full"]["cpu_seconds"] > 0
    assert known["dense"]["cpu_seconds"] is None
    report = refresh(house.workshop("default"), house.stopwatch())
    assert (said["plan"]["scope"], said["plan"]["reason"]) == (report.plan.scope, report.plan.reason)
    house.registry("default").hold("the shop is closed")
    done = CliRunner().invoke(app, ["advise"])
    assert done.exit_code == 0, done.output
    words = " ".join(done.stdout.split())
    assert "default: skip, because: on hold: the shop is closed" in words
    assert "events that wait 0 1" in words
    assert "dense has not run 0" in words
