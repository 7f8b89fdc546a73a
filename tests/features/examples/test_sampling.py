"""What is drawn from many files is what would be drawn from one table."""

from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ratoon.domain.delta import part
from ratoon.domain.replay import Draw
from ratoon.domain.window import Window
from ratoon.features.examples import files
from ratoon.features.examples.files import ExampleFile, ints, write
from ratoon.features.examples.sampling import newest, older, replayed
from tests.fakes.events import START
from tests.features.examples.worlds import damage, rows

COUNT = 2_000
AS_OF = START + timedelta(minutes=2 * COUNT)
WINDOW = Window(3_001, 4_000, AS_OF, left_out=((500, 600), (2_900, 2_950)))
HALF_LIVES = [None, 12 * 3_600.0]


@pytest.fixture(autouse=True)
def _small_row_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "GROUP", 16)


def stored(folder: Path, *cuts: int) -> list[ExampleFile]:
    """COUNT examples in files that end at these offsets."""
    table = rows(COUNT)
    found = []
    for first, last in pairwise([0, *cuts, 2 * COUNT]):
        path = folder / f"{first}-{last}.parquet"
        write(path, table.slice(first // 2, last // 2 - first // 2))
        found.append(ExampleFile.at(path))
    return found


def past() -> pa.Table:
    """What of them lies before WINDOW and may be learnt from."""
    table = rows(COUNT)
    offsets = ints(table, "offset")
    left_out = ((offsets >= 500) & (offsets <= 600)) | ((offsets >= 2_900) & (offsets <= 2_950))
    return table.filter(pa.array((offsets <= 3_001) & ~left_out))


def by_offset(tables: list[pa.Table]) -> pa.Table:
    return pa.concat_tables(tables).sort_by("offset").combine_chunks()


@pytest.mark.parametrize("half_life", HALF_LIVES)
@pytest.mark.parametrize("cuts", [(), (2, 4, 1_000, 3_002), (3_000,)])
@pytest.mark.parametrize("count", [1, 90, 10_000])
def test_files_are_one_table(tmp_path: Path, half_life: float | None, cuts: tuple[int, ...], count: int) -> None:
    """However rows are spread over files, the sample is that of the train rows before the window that are not left out."""
    draw = Draw(count, 7, AS_OF, half_life)
    train = part(past(), "train")
    offsets = ints(train, "offset")
    wanted = train.take(draw.first(draw.keys(offsets, ints(train, "event_timestamp")), offsets))
    assert wanted.num_rows == min(count, train.num_rows)
    assert by_offset(replayed(stored(tmp_path, *cuts), WINDOW, draw)).equals(wanted.combine_chunks())


def test_a_sample_reads_its_row_groups(tmp_path: Path) -> None:
    """Beyond the offsets, a sample of a hundredth reads at most one row group in each file that it would not need if alone."""
    stores = stored(tmp_path, 1_000, 2_000, 3_000)
    draw = Draw(16, 3, AS_OF)
    drawn = by_offset(replayed(stores, WINDOW, draw))
    wanted = set(drawn.column("offset").to_pylist())
    for store in stores:
        with pq.ParquetFile(store.path) as file:
            held = [set(file.read_row_group(group).column("offset").to_pylist()) for group in range(file.num_row_groups)]
        needed = {group for group, offsets in enumerate(held) if offsets & wanted}
        assert len(needed) <= 2
        damage(store.path, lambda group, column, needed=needed: column == "offset" or group in needed)  # type: ignore[misc]
    assert by_offset(replayed(stores, WINDOW, draw)).equals(drawn)


def test_old_rows_are_not_read_where_they_do_not_count(tmp_path: Path) -> None:
    """With a short half-life nothing but offsets and times is read of files that are many half-lives old."""
    stores = stored(tmp_path, 1_000, 2_000)
    draw = Draw(50, 3, AS_OF, 3_600.0)
    drawn = by_offset(replayed(stores, WINDOW, draw))
    for store in stores[:2]:
        damage(store.path, lambda _, column: column in ("offset", "event_timestamp"))
    assert by_offset(replayed(stores, WINDOW, draw)).equals(drawn)


@pytest.mark.parametrize("cuts", [(), (2, 4, 1_000, 2_990, 3_002)])
@pytest.mark.parametrize("count", [0, 1, 50, 10_000])
def test_the_newest_of_many_files(tmp_path: Path, cuts: tuple[int, ...], count: int) -> None:
    """The newest rows of a part are the last ones before the window that are not left out, however files are cut."""
    reserve = part(past(), "reserve")
    found = [*newest(stored(tmp_path, *cuts), WINDOW, "reserve", count), rows(0)]
    assert by_offset(found).equals(reserve.slice(max(0, reserve.num_rows - count)).combine_chunks())


def test_older_files_are_not_read_for_the_newest(tmp_path: Path) -> None:
    """Once there are enough rows no older file is opened."""
    stores = stored(tmp_path, 1_000, 2_000)
    stores[0].path.write_bytes(b"")
    found = by_offset(list(newest(stores, WINDOW, "reserve", 30)))
    assert found.num_rows == 30
    assert np.all(ints(found, "offset") > 1_000)


@pytest.mark.parametrize("cuts", [(), (2, 4, 1_000, 1_600, 3_002)])
def test_old_rows_come_from_all_over_the_past(tmp_path: Path, cuts: tuple[int, ...]) -> None:
    """Of the rows below an offset that are not left out: stretches from the first to the last, or all if there are as few."""
    stores, reserve = stored(tmp_path, *cuts), part(past(), "reserve")
    below = reserve.filter(pa.array(ints(reserve, "offset") < 2_000))
    assert by_offset(older(stores, WINDOW, "reserve", 2_000, 10_000)).equals(below.combine_chunks())
    some = by_offset(older(stores, WINDOW, "reserve", 2_000, 24))
    places = np.searchsorted(ints(below, "offset"), ints(some, "offset"))
    assert below.take(places).combine_chunks().equals(some)
    assert (places[0], places[-1], len(places)) == (0, below.num_rows - 1, 24)
    assert np.flatnonzero(np.diff(places) > 1).tolist() == [2, 5, 8, 11, 14, 17, 20]
    assert older([], WINDOW, "reserve", 2_000, 24) == []


def test_without_files_there_is_nothing() -> None:
    """No file, no table."""
    assert replayed([], WINDOW, Draw(5, 0, AS_OF)) == []
    assert list(newest([], WINDOW, "reserve", 5)) == []
