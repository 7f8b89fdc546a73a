"""The whole measurement, small: one made-up world walked, costed, compared, told and drawn."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ratoon import data
from ratoon.bench import Walks, refreshes, run
from ratoon.bench.refreshes import costs, keeping, measuring, others
from ratoon.bench.refreshes.home import CHAINS, Home
from ratoon.bench.refreshes.play import NEVER, K, Played, play
from ratoon.bench.refreshes.retraining import RETRAINS
from ratoon.bench.refreshes.worlds import World, past_of
from ratoon.domain.errors import UsageError

FEATURE_REPO = Path(__file__).parents[3] / "feature_repo"
STAMP = {"hardware": "a machine", "date": "2026-01-01", "commit": "abc"}


@dataclass
class Run:
    """What was measured, and the walk it was measured on."""

    found: dict[str, dict[str, Any]]
    world: World
    played: Played
    told: list[str]


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("sets")
    data.write_generic(folder / "synth", data.synth(80, 110, 1_300, seed=4))
    walked: list[tuple[World, Played]] = []
    told: list[str] = []

    def recorded(*arguments: Any) -> Played:
        walked.append((arguments[2], play(*arguments)))
        return walked[-1][1]

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(measuring, "play", recorded)
        for name, size in (("USERS", 60), ("ITEMS", 80), ("EVENTS", 700), ("DELTA", 100)):
            patched.setattr(costs, name, size)
        patched.setattr(costs, "DELTAS", (costs.ONE_PERCENT, 0.04))
        patched.setattr(others, "SASREC_CPU_SECONDS", 0)
        found = refreshes.measure(
            folder,
            FEATURE_REPO,
            ("synth", "absent", "freshness"),
            refreshes.Size(1.0, 3, 1),
            STAMP,
            lambda what, _: told.append(what),
        )
    return Run(found, *walked[0], told)


def test_every_row_of_the_table_is_there(measured: Run) -> None:
    """A set has all its rows with their bars; an absent one has a row that says so."""
    rows = {row["quantity"]: row for row in measured.found["synth"]["rows"]}
    missing = {row["quantity"].rpartition(" / ")[2] for row in rows.values() if row["unit"] == "not run"}
    assert missing in ({"SASRec"}, {"SASRec", "iALS, 16 factors", "iALS, 64 factors"})
    assert rows["synth: recall@50, auto / SASRec"]["against"] == "does not fit into 0 CPU s"
    bars = {name.removeprefix("synth: "): row["bar"] for name, row in rows.items() if row["bar"]}
    assert bars == {
        "recall@50, rows - best retrain, lower 95 % bound": ">= -0.01",
        "recall@50, rows - best retrain, mean": ">= 0",
        "recall@50, rows - best retrain, last third, lower 95 % bound": ">= -0.01",
        "recall@50, auto - best retrain, last third, lower 95 % bound": ">= -0.01",
        "CPU seconds, delta of 1 % / that retrain": "<= 0.015",
        "CPU seconds over deltas of 0.25 to 4 %, explained by a line": ">= 0.98",
        "top-50 overlap, moved items written / all embedded anew": ">= 0.999",
        "unwritable item vectors that changed": "<= 0",
        "recall@10, auto / best baseline": ">= 1",
        "recall@50, auto / best baseline": ">= 1",
    } | {f"recall@50, auto / {name}": ">= 1" for name in missing}
    assert 0 < rows["synth: recall@50, ItemKNN"]["value"] <= 1
    assert measured.found["synth"]["hardware"] == "a machine"
    absent = measured.found["absent"]["rows"]
    assert [(row["value"], row["unit"]) for row in absent] == [(None, "not run")]
    assert "has no folder absent" in absent[0]["against"]
    fresh, gpu = measured.found["freshness"]["rows"]
    assert fresh["quantity"].startswith("100 events to a servable release, catalogue ")
    assert (fresh["bar"], gpu["unit"]) == ("<= 1", "not run")


def test_what_holds_still_holds_still(measured: Run) -> None:
    """No vector outside the writable items changed in a bit, and what was written row by row equals what is embedded anew."""
    assert measured.played.moved == 0
    assert measured.played.compared > 0
    assert measured.played.overlap == [pytest.approx(1.0, abs=0.001)]


def test_everyone_answers_the_same_questions(measured: Run) -> None:
    """Every policy has a rank for every question; before the first refresh all chains are the first release.

    Retrains answer the slices before which they were made, and no other.
    """
    played = measured.played
    assert played.ranks.keys() == {NEVER, "rows", "auto", *RETRAINS}
    for policy in (NEVER, "rows", "auto"):
        assert list(played.ranks[policy][0]) == played.offsets
    first = [offset for offset, number in zip(played.offsets, played.slices, strict=True) if number == 1]
    assert first
    for chain in ("rows", "auto"):
        assert [played.ranks[chain][0][one] for one in first] == [played.ranks[NEVER][0][one] for one in first]
    for policy in RETRAINS:
        asked = {offset for offset, number in zip(played.offsets, played.slices, strict=True) if number in (2, 3)}
        assert played.ranks[policy][0].keys() == asked
    assert played.ranks["rows"][0] != played.ranks[NEVER][0]
    assert any(rank < K for rank in played.ranks["rows"][0].values())


def test_questions_are_of_their_slice_and_answerable(measured: Run) -> None:
    """Each question is an interaction of its own slice, and none asks for what its user had had and is not offered again."""
    world, played, past = measured.world, measured.played, past_of(measured.world)
    users, items = (world.events.column(name).to_pylist() for name in ("user_id", "item_id"))
    for offset, user, number in zip(played.offsets, played.users, played.slices, strict=True):
        assert world.bounds[number - 1] < offset <= world.bounds[number]
        assert users[offset - 1] == user
        assert items[offset - 1] not in past.seen(offset)


def test_progress_and_costs_are_told(measured: Run) -> None:
    """Slices, retrains, deltas and baselines are named while they run; every refresh and retrain has its CPU seconds."""
    for what in ("synth: slice 3: features", "synth: slice 2, seed 0: window retrain", "synth: baselines"):
        assert what in measured.told
    assert any("a delta of" in what for what in measured.told)
    assert {policy: len(cpu) for policy, cpu in measured.played.cpu.items()} == {
        "rows": 3,
        "auto": 3,
        **dict.fromkeys(RETRAINS, 2),
    }
    assert all(second > 0 for cpu in measured.played.cpu.values() for second in cpu)
    curves = measured.found["synth"]["curves"]
    assert np.array(curves["cost"]).shape == (2, 2)
    assert [number for number, _ in curves["recall"]["auto"]] == [1, 2, 3]
    assert [number for number, _ in curves["difference"]["auto"]] == [2, 3]
    assert len(curves["recall"]) == 4
    assert measured.found["synth"]["refreshes"] == 3


def test_a_walk_out_of_time_ends_where_it_can_be_compared(tmp_path: Path, measured: Run) -> None:
    """Once it is late the walk ends with the next slice that retrains were asked about, and what was walked is whole."""
    played = play(tmp_path / "home", FEATURE_REPO, measured.world, 1, 800, lambda *_: None, lambda: True)
    assert set(played.slices) == {1, 2}
    for policy in (NEVER, "rows", "auto"):
        known = measured.played.ranks[policy][0]
        assert played.ranks[policy][0] == {offset: known[offset] for offset in played.offsets}


def test_chains_that_plan_alike_are_alike(tmp_path: Path, measured: Run) -> None:
    """A refresh forced to move rows gives the release of one whose plan chose that, so that one may stand for both."""
    world = measured.world
    home = Home(tmp_path / "home", FEATURE_REPO, world, 1, 0, lambda *_: None)
    home.append(0, world.bounds[0])
    home.bootstrap()
    assert home.current("auto")[0].id == home.current("rows")[0].id
    home.append(world.bounds[0], world.bounds[1])
    reports = [home.refresh(chain, CHAINS[chain]) for chain in ("auto", "rows")]
    assert [report.plan.scope for report in reports] == ["rows", "rows"]
    assert home.current("auto")[0].id == home.current("rows")[0].id


def test_a_small_run_is_not_kept_and_a_stored_one_is_printed(
    measured: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is kept is printed without measuring, as a table and as JSON, with its picture beside it; small runs keep nothing."""
    results = tmp_path / "refresh.json"
    monkeypatch.setattr(keeping, "RESULTS", results)
    refreshes.measure(tmp_path, FEATURE_REPO, ("absent",), refreshes.Size(0.5, 3, 1), STAMP, lambda *_: None)
    assert refreshes.kept() == {}
    keeping.keep("synth", measured.found["synth"])
    assert results.with_suffix(".svg").read_text().startswith("<svg")
    run("refresh", as_json=True, stored=True)
    assert json.loads(capsys.readouterr().out)["groups"] == json.loads(json.dumps({"synth": measured.found["synth"]}))
    run("refresh", as_json=False, stored=True)
    said = capsys.readouterr().out
    assert "a machine, 2026-01-01, abc" in said
    assert "not run" in said


def test_a_walk_that_cannot_be_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A scale, a number of refreshes or seeds out of range, and a folder that is not there are usage errors."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"--scale: expected 0\.001 to 1, found 2"):
        run("refresh", as_json=False, scale=2)
    with pytest.raises(UsageError, match="--refreshes: expected at least 2, found 1"):
        run("refresh", as_json=False, walks=Walks(tmp_path, (), 1))
    with pytest.raises(UsageError, match="--seeds: expected at least 1, found 0"):
        run("refresh", as_json=False, walks=Walks(tmp_path, (), 2, 0))
    with pytest.raises(UsageError, match="--data: expected a folder, found .*cache.* holds the sets as folders: movietweetings"):
        run("refresh", as_json=False)
