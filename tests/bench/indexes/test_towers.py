"""The world of the real towers is kept as other worlds are, and knows how its vectors are compared."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from ratoon.bench.indexes import Size, asking, measure, measuring, towers
from ratoon.bench.indexes.asking import asked, built
from ratoon.bench.indexes.tower_rows import tower_rows, without_towers
from ratoon.bench.peers import own_index
from ratoon.bench.row import Row
from ratoon.cli.app import app
from ratoon.domain.errors import UsageError
from tests.bench.indexes.test_rows import searched

DIM, COUNT, STILL = 6, 1_200, 400
BULK = {"all_s": 0.2, "all_cpu_s": 0.3, "rebuild_s": 0.5, "rebuild_cpu_s": 0.4, "failed": 0, "asked": 9, "load": 1.0}
MADE = {
    "items": 31_000, "dim": 68, "metric": "dot", "story": "5 clicks learnt", "moved": 7, "same": 0.9999, "off": 0.0001,
}  # fmt: skip


def silent(_what: str, _share: float) -> None:
    return None


def drawn() -> towers.Drawn:
    """Vectors of many lengths, of which the first ones stay what they are."""
    random = np.random.default_rng(0)
    items, tuning, judged = (random.normal(size=(rows, DIM)).astype(np.float32) for rows in (COUNT, 40, 60))
    items *= random.uniform(0.1, 5.0, (COUNT, 1)).astype(np.float32)
    after = items + (np.arange(COUNT) >= STILL)[:, None].astype(np.float32)
    return towers.Drawn(items, after, tuning, judged, "dot", "some clicks")


def clicks(folder: Path, weeks: int) -> Path:
    folder.mkdir()
    for week in range(weeks):
        (folder / f"period_{week}.txt").write_text("1 2\n" * (week + 1))
    return folder


def test_what_was_drawn_is_kept(tmp_path: Path) -> None:
    """Opened later it has its width and metric, items as float16 keeps them, and exact answers by products among just these."""
    given = drawn()
    towers.keep(tmp_path, given, {"by": "hand"})
    world = towers.opened(tmp_path)
    assert (world.items, world.dim, world.metric) == (COUNT, DIM, "dot")
    items = np.concatenate(list(world.chunks()))
    assert np.array_equal(items, given.items.astype(np.float16))
    assert np.allclose(world.truth().scores, -np.sort(-given.judged @ items.T, axis=1)[:, :100], atol=1e-5)
    assert np.array_equal(world.array("tuning"), given.tuning)


def test_the_index_compares_as_the_world_does(tmp_path: Path) -> None:
    """Long vectors are taken as they are, and all of the exact answer by products is found where every item is looked at."""
    index = built(towers.keep(tmp_path, drawn(), {}))
    assert (index.metric, index.dim) == ("dot", DIM)
    assert asked(index, towers.opened(tmp_path)).recall == 1.0


def test_every_item_changes() -> None:
    """One that moved becomes what the next release says; one that did not becomes another of those, none twice."""
    given = drawn()
    changed, moved = towers.unlike(given.items, given.after)
    assert moved == COUNT - STILL
    assert np.array_equal(changed[STILL:], given.after[STILL:])
    assert not (changed == given.items).all(axis=1).any()
    assert np.array_equal(np.sort(changed[:STILL], axis=0), np.sort(given.items[:STILL], axis=0))
    alone, _ = towers.unlike(given.items, np.concatenate([given.items[:1], given.items[1:] + 1]))
    assert not np.array_equal(alone[0], given.items[0])


def test_the_cost_of_rounding_is_told(tmp_path: Path) -> None:
    """Of numbers that float16 has nothing is lost; of others a little."""
    towers.keep(tmp_path, drawn(), {})
    little = towers.story(tmp_path)
    assert 0 < little["off"] < 1e-3
    assert 0.99 < little["same"] <= 1
    whole = drawn()
    even = towers.Drawn(np.round(whole.items * 8), whole.after, whole.tuning, whole.judged, "dot", "")
    towers.keep(tmp_path, even, {})
    none = towers.story(tmp_path)
    assert (none["off"], none["same"]) == (0, 1)


def test_a_world_is_of_one_set(tmp_path: Path) -> None:
    """It is there for the set that it was made of, as the set is now; without its seal it is not there."""
    folder = clicks(tmp_path / "set", 5)
    assert not towers.there(tmp_path, folder)
    towers.keep(tmp_path, drawn(), towers.made_of(folder))
    assert towers.there(tmp_path, folder)
    (folder / "period_5.txt").write_text("1 2\n")
    assert not towers.there(tmp_path, folder)


def test_a_folder_without_enough_weeks_is_refused(tmp_path: Path) -> None:
    """Before anything is made."""
    folder = clicks(tmp_path / "set", 4)
    message = r"--towers: expected at least 5 files period_\*\.txt, found 4 in .*set.*Pass --towers"
    with pytest.raises(UsageError, match=message):
        measure(tmp_path / "cache", Size(towers=folder), {}, silent)
    assert not (tmp_path / "cache").exists()


def test_the_option_names_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `--towers` says is looked at first, and nothing is left in the home."""
    home = tmp_path / "home"
    monkeypatch.setenv("RATOON_HOME", str(home))
    ended = CliRunner().invoke(app, ["bench", "index", "--towers", str(clicks(tmp_path / "set", 1))])
    assert isinstance(ended.exception, UsageError)
    assert "found 1 in" in str(ended.exception)
    assert not home.exists()


def test_the_real_towers_have_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The world is made if it is not there, once, and both parts ask it and not the mixture."""
    folder, made = clicks(tmp_path / "set", 5), list[str]()

    def finished(script: str, first: object, cache: Path, *more: object, **_limits: object) -> dict[str, Any]:
        if script == "real_towers":
            made.append(str(first))
            towers.keep(cache, drawn(), towers.made_of(folder))
            return {}
        return own_index.measured([str(first), str(cache), *map(str, more)])

    monkeypatch.setattr(measuring, "finished", finished)
    monkeypatch.setattr(asking, "LEAST_SECONDS", 0.0)
    for _ in range(2):
        rows = {row.quantity: row for row in measuring._towers(tmp_path, Size(checked=300, towers=folder), silent)}
        assert rows["recall@100, real towers (diginetica, 1,200 x 6)"].value == 1.0
    assert made == [str(folder)]


def test_what_is_told_of_the_real_towers() -> None:
    """Recall has its bar; all else is told, under names that the mixture's rows do not have."""
    rows = list(tower_rows(MADE, searched(), BULK))
    what = "real towers (diginetica, 31,000 x 68)"
    values = {row.quantity: row.value for row in rows}
    assert len(values) == len(rows)
    assert all(name.endswith(f", {what}") for name in values)
    assert values[f"search p99 while 2,000 upserts/s stream in / idle p99, {what}"] == 1.2
    assert values[f"lists looked at, {what}"] == 3
    assert values[f"update of all in place, {what}"] == 0.2
    assert values[f"rebuild, {what}"] == 0.5
    (barred,) = [row for row in rows if row.bar]
    assert (barred.quantity, barred.value, barred.bar) == (f"recall@100, {what}", 0.96, ">= 0.95")
    assert "0.9999 of the exact answer, scores off by 1.0e-04" in barred.against


def test_without_a_set_there_is_no_figure() -> None:
    """The row is there and names the option."""
    assert list(without_towers()) == [
        Row("recall@100, real towers (diginetica)", None, "not run", ">= 0.95", False, "no --towers with the set diginetica")
    ]
