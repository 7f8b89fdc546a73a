"""The age of the data, whatever jobs ran."""

import re
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ratoon.domain.errors import DataError
from ratoon.domain.event import TIME
from ratoon.features.quality.freshness import Freshness, freshness, newest
from ratoon.features.views import save
from tests.fakes.events import batch, event
from tests.features.quality.conditions import at, view
from tests.features.worlds import US, World, world


def written(path: Path, *seconds: float, **options: bool) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"event_timestamp": pa.array([at(second) for second in seconds], TIME)}), path, **options)


@pytest.fixture
def live(tmp_path: Path) -> Iterator[World]:
    there = world(tmp_path, batch(event("a", event_timestamp=at(10)), event("b", event_timestamp=at(5))))
    yield there
    there.log.close()


def test_ages_are_of_rows_that_are_there(live: World) -> None:
    """Offline moves by ingestion, online by materialisation; a job without new rows makes nothing fresher."""
    live.ingest()
    folder = live.features.repository.folder
    first = {one.view: one for one in freshness(folder, at(60))}
    assert first["user_activity"] == Freshness("user_activity", at(10) + US, 50.0 - 1e-6, None, None)
    assert first["user_profile"] == Freshness("user_profile", None, None, None, None)
    live.features.materialize()
    assert {one.view: one.online for one in freshness(folder, at(60))}["user_activity"] == at(10) + US
    live.learnt()
    again = {one.view: one for one in freshness(folder, at(600))}["user_activity"]
    assert (again.offline_age, again.online_age) == (590.0 - 1e-6, 590.0 - 1e-6)
    live.log.append(batch(event("c", event_timestamp=at(100))))
    live.ingest()
    later = {one.view: one for one in freshness(folder, at(600))}["user_activity"]
    assert (later.offline_age, later.online_age) == (500.0 - 1e-6, 590.0 - 1e-6)


def test_footers_are_enough_and_not_needed(tmp_path: Path) -> None:
    """The newest time over all files of a view, with or without statistics in their footers; empty files say nothing."""
    one = view("v", "foreign", str(tmp_path / "v" / "*.parquet"))
    assert newest(one) is None
    written(tmp_path / "v" / "a.parquet", 1, 9)
    written(tmp_path / "v" / "b.parquet", 30, 20, write_statistics=False)
    written(tmp_path / "v" / "c.parquet")
    assert newest(one) == at(30)
    written(tmp_path / "v" / "c.parquet", 77)
    assert newest(one) == at(77)


def test_before_anything_is_applied_nothing_is_told(tmp_path: Path) -> None:
    """A home without an applied repository has no views, and one without rows no ages."""
    assert freshness(tmp_path, at(0)) == []
    save(tmp_path / "views.json", [view("v", "foreign", str(tmp_path / "v" / "*.parquet"))])
    assert freshness(tmp_path, at(0)) == [Freshness("v", None, None, None, None)]


def test_a_file_cut_short_is_named(tmp_path: Path) -> None:
    """Half a Parquet file is refused by its name and its view's."""
    path = tmp_path / "v" / "a.parquet"
    path.parent.mkdir()
    path.write_bytes(b"PAR1 and no more")
    with pytest.raises(DataError, match=re.escape(f"file {path} of view 'v': expected a whole Parquet file")):
        newest(view("v", "foreign", str(tmp_path / "v" / "*.parquet")))
