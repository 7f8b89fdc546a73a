"""Ingestion can be repeated, killed and cut into steps: the rows are the same."""

import json
import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ratoon import durable
from ratoon.events import SqliteEventLog
from ratoon.features.folds import ingest as room
from ratoon.features.folds.ingest import column, ingest, part_name, position
from ratoon.features.views import View, ViewField
from tests.fakes.events import START, at, batch, event
from tests.features.worlds import World, rows, world


def offline(there: World) -> dict[str, set[str]]:
    """Every view's rows."""
    return {view.name: rows(pq.read_table(view.folder)) for view in there.features.repository.views}


def files(there: World) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in sorted((there.home / "features").glob("[iu]*_*/*.parquet"))}


def test_repeating_adds_nothing(read_only: World) -> None:
    """A second ingestion says that nothing was new and writes no file."""
    before = files(read_only)
    assert len(before) == 8  # an empty one and a full one for each of the four views
    assert read_only.features.ingest() == 0
    assert files(read_only) == before


def test_every_event_has_its_rows(read_only: World, events: pa.Table) -> None:
    """An interaction gives a row in each view of interactions, a user or item event one in its own."""
    counts = {name: len(found) for name, found in offline(read_only).items()}
    assert counts == {"item_popularity": 1_500, "user_activity": 1_500, "item_profile": 80, "user_profile": 60}
    assert events.num_rows == 1_640


@pytest.mark.parametrize("chunk", [70, 1_000_000])
def test_many_steps_are_one_go(
    read_only: World, events: pa.Table, tmp_path: Path, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the log is ingested at once or step by step, in one chunk or in many, the rows are the same."""
    monkeypatch.setattr(room, "CHUNK", chunk)
    log = SqliteEventLog(tmp_path / "events.sqlite", "log", lambda: START)
    views = moved(read_only, tmp_path)
    new = []
    for start in (0, 100, 101, 900):
        log.append(events.slice(start, {0: 100, 100: 1, 101: 799}.get(start)), backfill=True)
        new.append(ingest(views, log, tmp_path / "quarantine"))
    assert new == [100, 1, 799, 740]
    assert {view.name: rows(pq.read_table(view.folder)) for view in views} == offline(read_only)
    assert [position(view.folder) for view in views] == [1_640] * 4
    log.close()


def test_late_events_in_any_steps_give_the_rows_of_one_go(read_only: World, events: pa.Table, tmp_path: Path) -> None:
    """Events that arrive in a random order rewrite later rows alike, whether they are ingested at once or in steps."""
    shuffled = events.take(pa.array(np.random.default_rng(3).permutation(events.num_rows)))
    log = SqliteEventLog(tmp_path / "events.sqlite", "log", lambda: START)
    steps, once = moved(read_only, tmp_path / "steps"), moved(read_only, tmp_path / "once")
    for start in range(0, 1_640, 400):
        log.append(shuffled.slice(start, 400), backfill=True)
        ingest(steps, log, tmp_path / "steps" / "quarantine")
    ingest(once, log, tmp_path / "once" / "quarantine")
    assert [rows(pq.read_table(view.folder)) for view in steps] == [rows(pq.read_table(view.folder)) for view in once]
    assert all(pq.read_table(view.folder).num_rows > 1_500 for view in once if view.origin == "interaction")
    log.close()


@pytest.mark.parametrize("damage", ["deleted", "behind", "ahead"])
def test_states_are_derived(read_only: World, events: pa.Table, tmp_path: Path, damage: str) -> None:
    """States deleted, older than the part files or newer than them are brought to where the part files are; no row changes."""
    log = SqliteEventLog(tmp_path / "events.sqlite", "log", lambda: START)
    views = moved(read_only, tmp_path)
    for start in (0, 1_200, 1_400):
        for state in tmp_path.glob("*/.state/*") if damage == "deleted" else ():
            state.unlink()
        if damage == "behind" and start == 1_400:
            for view in views:
                shutil.rmtree(view.folder / ".state", ignore_errors=True)
                if (tmp_path / "kept" / view.name).exists():
                    shutil.copytree(tmp_path / "kept" / view.name, view.folder / ".state")
        if damage == "ahead" and start == 1_400:
            for view in views:
                (view.folder / part_name(1_200, 1_400)).unlink()
        log.append(events.slice(start, {0: 1_200, 1_200: 200}.get(start)), backfill=True)
        ingest(views, log, tmp_path / "quarantine")
        for view in views if start == 0 else ():
            if view.origin == "interaction":
                shutil.copytree(view.folder / ".state", tmp_path / "kept" / view.name)
    assert {view.name: rows(pq.read_table(view.folder)) for view in views} == offline(read_only)
    log.close()


def test_progress_is_told_after_each_chunk(read_only: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A long ingestion says after each chunk how many of its events are done; long lists make chunks smaller."""
    told = list[tuple[int, int]]()
    monkeypatch.setattr(room, "CHUNK", 600)
    ingest(moved(read_only, tmp_path), read_only.log, tmp_path / "quarantine", lambda done, all_: told.append((done, all_)))
    assert told == [(600, 1_640), (1_200, 1_640), (1_640, 1_640)]
    monkeypatch.setattr(room, "ENTRIES", 10_000)
    long = View(
        "p", "v", "user", "interaction", f"{tmp_path}/v/*.parquet", "t", (ViewField("f", "STRING_LIST", "last(type, 20)"),)
    )
    ingest([long], read_only.log, tmp_path / "quarantine")
    assert (long.folder / part_name(0, 500)).exists()


def test_values_out_of_range_are_kept_apart(tmp_path: Path) -> None:
    """A value too large to be counted is a line of quarantine for each view that counts values; its interaction still counts."""
    there = world(tmp_path, batch(event("good", value=3.5), event("huge", value=-2e9, event_timestamp=at(1)))).ingest()
    table = pq.read_table(tmp_path / "features" / "item_popularity").sort_by("event_timestamp")
    assert table.select(["item_events", "item_value_mean"]).to_pylist()[-1] == {"item_events": 2, "item_value_mean": 3.5}
    reports = sorted((tmp_path / "features" / "quarantine" / "values").iterdir())
    assert [report.name for report in reports] == ["item_popularity-0-2.jsonl", "user_activity-0-2.jsonl"]
    expected = {"event_id": "huge", "field": "value", "expected": "a number within -1e+09 and 1e+09", "found": "-2000000000.0"}
    assert json.loads(reports[0].read_text()) == expected
    there.log.close()


def moved(there: World, home: Path) -> list[View]:
    """A world's views, with their files under another home."""
    views = there.features.repository.views
    return [View(v.project, v.name, v.entity, v.origin, f"{home}/{v.name}/*.parquet", v.timestamp_field, v.fields) for v in views]


@pytest.mark.parametrize("point", ["ingest.view:2", "ingest.state:1", "ingest.state:2"])
def test_killed_between_files_it_goes_on(read_only: World, events: pa.Table, tmp_path: Path, point: str) -> None:
    """Killed before a view's file or a state's appears and run again, ingestion leaves the rows of an undisturbed run."""
    views = moved(read_only, tmp_path)
    log = SqliteEventLog(tmp_path / "events.sqlite", "log", lambda: START)
    log.append(events.slice(0, 1_600), backfill=True)
    log.close()  # SQLite connections must not cross a fork
    child = os.fork()
    if not child:
        os.environ[durable.FAULT] = point
        durable.passed.clear()
        ingest(views, SqliteEventLog(tmp_path / "events.sqlite", "log", lambda: START), tmp_path / "quarantine")
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert {position(view.folder) for view in views} >= {1_600}
    log = SqliteEventLog(tmp_path / "events.sqlite", "log", lambda: START)
    log.append(events.slice(1_600), backfill=True)
    ingest(views, log, tmp_path / "quarantine")
    assert {view.name: rows(pq.read_table(view.folder)) for view in views} == offline(read_only)
    log.close()


def test_unusable_values_are_kept_apart(tmp_path: Path) -> None:
    """A value that does not fit is null in its row, and a line of quarantine names its event, field and both types."""
    there = world(
        tmp_path,
        batch(
            event("good", kind="user", item_id=None, features=json.dumps({"age": 30})),
            event("bad", kind="user", user_id="u2", item_id=None, features=json.dumps({"age": "old", "gender": "F"})),
        ),
    ).ingest()
    table = pq.read_table(tmp_path / "features" / "user_profile").sort_by("user_id")
    assert table.select(["age", "gender"]).to_pylist() == [{"age": 30, "gender": None}, {"age": None, "gender": "F"}]
    (report,) = (tmp_path / "features" / "quarantine" / "values").iterdir()
    assert report.name == "user_profile-0-2.jsonl"
    assert json.loads(report.read_text()) == {"event_id": "bad", "field": "age", "expected": "int64", "found": "'old'"}
    there.log.append(batch(event("more", kind="user", user_id="u2", item_id=None, features='{"gender": "M"}')))
    there.ingest()
    assert len(list((tmp_path / "features" / "quarantine" / "values").iterdir())) == 1


def test_a_value_no_store_can_hold_does_not_stop_the_others(tmp_path: Path) -> None:
    """Huge numbers and gaps in lists, which JSON allows, are quarantined; everything else goes through to the online store."""
    poison = '{"title": "t", "genres": ["a", null], "release_date": 1' + "0" * 400 + "}"
    item = event("poison", kind="item", user_id=None, features=poison)
    person = event("p", kind="user", item_id=None, features='{"age": 1' + "0" * 400 + "}")
    world(tmp_path, batch(item, person, event("a", event_timestamp=at(1)))).learnt()
    reports = (tmp_path / "features" / "quarantine" / "values").iterdir()
    lines = [json.loads(line) for path in reports for line in path.read_text().splitlines()]
    found = {(line["event_id"], line["field"]) for line in lines}
    assert found == {("poison", "genres"), ("poison", "release_date"), ("p", "age")}


def test_files_are_named_by_what_they_hold(tmp_path: Path) -> None:
    """A folder's position is the newest offset that a file's name states, 0 where there is none."""
    assert part_name(17, 1_640) == "part-000000000017-000000001640.parquet"
    assert position(tmp_path / "nowhere") == 0
    for name in (part_name(0, 0), part_name(0, 20), part_name(20, 100), "other.parquet"):
        (tmp_path / name).touch()
    assert position(tmp_path) == 100


def test_a_foreign_view_is_left_alone(tmp_path: Path, read_only: World) -> None:
    """Ingestion writes nothing into the folder of a view that somebody else's job fills."""
    view = View("p", "prices", "item", "foreign", f"{tmp_path}/prices/*.parquet", "at", (ViewField("price", "FLOAT"),))
    assert ingest([view], read_only.log, tmp_path / "quarantine") == 0
    assert not (tmp_path / "prices").exists()


def test_a_column_takes_times_as_microseconds() -> None:
    """Times, alone and in lists, go in as microseconds since 1970; missing values stay missing."""
    moment = pa.timestamp("us", "UTC")
    assert column([1_000_000, None], moment).to_pylist() == [pa.scalar(1_000_000, moment).as_py(), None]
    assert column([[0], None], pa.list_(moment)).to_pylist() == [[pa.scalar(0, moment).as_py()], None]
    assert column(["a", None], pa.string()).to_pylist() == ["a", None]
