"""Which faults are injected where."""

from ratoon.bench.chaos.cells import FAULTS, cells, left_out
from ratoon.bench.chaos.grid import grid
from ratoon.bench.chaos.works import STAGES, WORKS, stages

PASSED = {
    "durable.written": "delta read",
    "registry.pinned": "delta read",
    "training.step": "train",
    "training.pass": "train",
    "index.applied": "index apply",
    "durable.renamed": "publish",
    "registry.published": "publish",
    "durable.before_rename": "publish",
}


def test_what_is_written_belongs_to_the_stage_that_it_is_written_for() -> None:
    """A refresh's points are of the stages they end; files are of the next named point, after the last one of the publication."""
    assert stages(WORKS["refresh"], list(PASSED)) == list(PASSED.values())
    points = ["durable.written", "registry.pinned", "durable.written", "training.pass", "durable.written"]
    assert stages(WORKS["first"], points) == ["", "", "checkpoint", "checkpoint", ""]
    assert stages(WORKS["gc"], ["gc.decided", "durable.written"]) == ["gc", "gc"]


def test_every_stage_and_fault_is_played_or_left_out_with_a_reason() -> None:
    """Of all pairs of a stage and a fault none is passed over in silence."""
    found = cells({name: list(PASSED) if name == "refresh" else ["durable.written"] for name in WORKS})
    played, without = {f"{cell.stage} x {cell.fault}" for cell in found}, left_out(found, STAGES)
    assert played | set(without) == {f"{stage} x {fault}" for stage in STAGES for fault in FAULTS}
    assert not played & set(without)
    assert all(without.values())


def test_passes_of_one_point_are_all_killed_or_some_of_them() -> None:
    """Few passes are all killed; of many the first two, the middle one and the last."""
    found = cells({name: ["gc.decided"] * (9 if name == "gc" else 0) for name in WORKS})
    assert [cell.nth for cell in found if (cell.stage, cell.fault) == ("gc", "kill -9")] == [1, 2, 5, 9]


def test_the_grid_says_how_many_are_red() -> None:
    """A field has the number of its faults, and how many of them are red if one is."""
    one = {"stage": "gc", "fault": "EIO"}
    [row] = [row for row in grid([{**one, "wrong": []}, {**one, "wrong": ["lost"]}]) if row["fault"] == "EIO"]
    assert (row["gc"], row["train"]) == ("RED 1/2", "-")
    [row] = [row for row in grid([{**one, "wrong": []}]) if row["fault"] == "EIO"]
    assert row["gc"] == "1"
