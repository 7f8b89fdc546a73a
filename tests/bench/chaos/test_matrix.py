"""Forty faults of the matrix, done to a small world, and what has to hold after each."""

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from ratoon.bench.chaos.cells import Cell
from ratoon.bench.chaos.matrix import CALM, Outcome, outcomes, prepared
from ratoon.bench.chaos.torrent import Poured, found, poured

ROOT = Path(__file__).parents[3]

BRIEF = {
    "ingest": ("kill -9", "ENOSPC", "NaN/inf", "schema change", "SIGTERM", "OOM"),
    "append": (
        *("kill -9", "ENOSPC", "EIO", "truncated file", "flipped bit", "clock back 1 h", "duplicate event", "late event"),
        *("out of order", "two workers", "SIGTERM"),
    ),
    "push online": (
        *("kill -9", "EIO", "schema change", "NaN/inf", "online store down", "two workers", "SIGTERM", "late event"),
    ),
    "offline write": ("kill -9", "OOM", "two workers"),
    "materialise": ("kill -9", "online store down", "truncated file"),
    "delta read": ("registry locked",),
    "train": ("kill -9",),
    "checkpoint": ("flipped bit",),
    "publish": ("two workers",),
    "adopt": ("truncated file", "flipped bit", "kill -9"),
    "gc": ("ENOSPC",),
    "backup": ("kill -9",),
}
"""Stage -> faults, of each of which the first cell is played: those that cost least, and a few whole refreshes."""

PAIRS = [(stage, fault) for stage, faults in BRIEF.items() for fault in faults]

World = tuple[Path, list[Cell]]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """The homes that are disturbed, and all cells."""
    folder = tmp_path_factory.mktemp("chaos") / "world"
    return folder, prepared(folder, ROOT / "feature_repo")


@pytest.fixture(scope="module")
def played(world: World, tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Outcome]:
    """What became of the first cell of each pair."""
    folder, cells = world
    chosen = [next(cell for cell in cells if (cell.stage, cell.fault) == pair) for pair in PAIRS]
    found = outcomes(folder, tmp_path_factory.mktemp("cells"), chosen, 2, brief=True)
    return {(one.cell.stage, one.cell.fault): one for one in found}


@pytest.mark.parametrize(("stage", "fault"), PAIRS)
def test_what_has_to_hold_holds(played: dict[tuple[str, str], Outcome], stage: str, fault: str) -> None:
    """No acknowledged event is lost or doubled, what is served is good, the next run repairs, and somebody is told why."""
    one = played[stage, fault]
    assert one.wrong == ()
    assert (one.lost, one.doubled) == (0, 0)


def test_there_are_faults_enough(world: World) -> None:
    """The matrix has at least 250 cells, no two of them the same fault in the same place, and forty are played here."""
    _, cells = world
    assert len({cell.name for cell in cells}) == len(cells) >= 250
    assert len(PAIRS) >= 40


def test_what_does_not_hold_is_red(world: World, tmp_path: Path) -> None:
    """A home that ends with other rows, another release or fewer events than an undisturbed one is not passed for repaired."""
    folder, cells = world
    shutil.copytree(folder, tmp_path / "world")
    calm = json.loads((folder / CALM).read_text())
    calm["works"]["append"]["before"]["events"] += 200
    calm["works"]["append"]["after"]["log"] = "another"
    (tmp_path / "world" / CALM).write_text(json.dumps(calm))
    cell = next(cell for cell in cells if (cell.stage, cell.fault) == ("append", "kill -9"))
    [one] = outcomes(tmp_path / "world", tmp_path / "cells", [cell], 1, brief=True)
    assert one.lost > 0
    assert any("acknowledged events are lost" in wrong for wrong in one.wrong)
    assert "log is not as in an undisturbed home" in one.wrong


def test_nothing_of_a_torrent_is_lost_or_doubled(world: World, tmp_path: Path) -> None:
    """Callers who send again what they were not told of find all of it there once, however often the log's process was struck."""
    told = poured(world[0], tmp_path / "torrent", lambda *_: None, count=10_000, strikes=5)
    assert told == Poured(acknowledged=10_000, lost=0, doubled=0, strikes=5)


def test_a_loss_in_a_torrent_is_seen(world: World, tmp_path: Path) -> None:
    """Acknowledged events that are gone count as lost, those that are there twice as doubled."""
    poured(world[0], tmp_path / "torrent", lambda *_: None, count=1_000, strikes=0)
    home = tmp_path / "torrent" / "home"
    with closing(sqlite3.connect(home / "var" / "events.sqlite")) as db, db:
        db.execute("DELETE FROM tail WHERE event_id IN ('e3', 'e700')")
        db.execute("UPDATE tail SET event_id = 'e5' WHERE event_id = 'e6'")
    assert found(home, range(2)) == {"lost": 3, "doubled": 1}
