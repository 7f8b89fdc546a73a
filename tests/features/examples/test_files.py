"""A file of examples gives back what was written, and parts of it without the rest."""

from pathlib import Path
from typing import get_args

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ratoon.domain.delta import Split, part, split_of
from ratoon.domain.replay import places
from ratoon.features.examples import files
from ratoon.features.examples.files import ExampleFile, ints, write
from tests.features.examples.worlds import damage, rows


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ExampleFile:
    """1,000 examples in row groups of 16."""
    monkeypatch.setattr(files, "GROUP", 16)
    write(tmp_path / "000-2000.parquet", rows(1_000))
    return ExampleFile.at(tmp_path / "000-2000.parquet")


def test_what_was_written_is_read(file: ExampleFile) -> None:
    """A file has the rows that were written, each once, and says how many and of which offsets."""
    assert (file.first, file.last, len(file)) == (0, 2_000, 1_000)
    assert file.whole().sort_by("offset").equals(rows(1_000))


def test_the_order_of_writing_does_not_show(file: ExampleFile, tmp_path: Path) -> None:
    """The same rows in another order are the same bytes."""
    shuffled = rows(1_000).take(np.random.default_rng(0).permutation(1_000))
    write(tmp_path / "1-1.parquet", shuffled)
    assert (tmp_path / "1-1.parquet").read_bytes() == file.path.read_bytes()


def test_a_row_group_has_one_part(file: ExampleFile) -> None:
    """Row groups hold rows of one part of the data: train rows by their places, the others by offset."""
    found: dict[Split, list[int]] = {}
    with pq.ParquetFile(file.path) as parquet:
        for group in range(parquet.metadata.num_row_groups):
            table = parquet.read_row_group(group)
            assert table.num_rows <= 16
            (split,) = {split_of(user) for user in table.column("user_id").to_pylist()}
            found.setdefault(split, []).extend(table.column("offset").to_pylist())
    assert tuple(found) == get_args(Split)
    assert np.array_equal(np.argsort(places(np.array(found["train"]))), np.arange(len(found["train"])))
    assert all(offsets == sorted(offsets) for split, offsets in found.items() if split != "train")


def test_train_rows_are_read_without_the_others(file: ExampleFile) -> None:
    """Rows at any positions come in the order asked for, whatever state the row groups are in that do not hold them."""
    train = part(rows(1_000), "train")
    inside = train.take(np.argsort(places(ints(train, "offset"))))
    wanted = np.array([40, 33, 700, 701, 41])
    assert file.rows_of("train", np.arange(inside.num_rows)).equals(inside)
    damage(file.path, lambda group, _: group in (33 // 16, 700 // 16))
    assert file.rows_of("train", wanted).equals(inside.take(wanted))
    assert file.rows_of("train", wanted[:0]).equals(inside.slice(0, 0))
    with pytest.raises(OSError, match="."):
        file.rows_of("train", np.array([64]))


def test_single_columns_are_read_without_the_others(file: ExampleFile) -> None:
    """The train rows' offsets and times are read whatever state the other columns are in."""
    train = part(rows(1_000), "train")
    inside = train.take(np.argsort(places(ints(train, "offset"))))
    damage(file.path, lambda _, column: column in ("offset", "event_timestamp"))
    offsets, times = file.ints_of("train", "offset", "event_timestamp")
    assert np.array_equal(offsets, ints(inside, "offset"))
    assert np.array_equal(times, ints(inside, "event_timestamp"))


def test_the_newest_come_first(file: ExampleFile) -> None:
    """Tables of a part that is not train go backwards in time and hold all its rows; nothing else is read for them."""
    reserve = part(rows(1_000), "reserve")
    assert reserve.num_rows > 32
    tables = list(file.newest("reserve"))
    assert pa.concat_tables(reversed(tables)).combine_chunks().equals(reserve.combine_chunks())
    groups = pq.read_metadata(file.path).num_row_groups
    damage(file.path, lambda group, _: group == groups - 1)
    assert next(file.newest("reserve")).equals(tables[0])


@pytest.mark.parametrize("users", [1, 2])
def test_a_part_may_be_empty(tmp_path: Path, users: int) -> None:
    """A file in which some or all parts have no row is like any other."""
    for count in (0, 5):
        write(tmp_path / "0-10.parquet", rows(count, users=users))
        file = ExampleFile.at(tmp_path / "0-10.parquet")
        assert file.whole().schema == rows(1).schema
        assert len(file.ints_of("train", "offset")[0]) + sum(table.num_rows for table in file.newest("fit")) <= count
        assert file.rows_of("train", np.empty(0, np.intp)).schema == rows(1).schema
