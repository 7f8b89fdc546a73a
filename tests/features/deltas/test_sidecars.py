"""Rows of files: read, remembered, forgotten."""

import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ratoon.domain.errors import DataError
from ratoon.features.deltas import changed, remember, touched
from tests.features.deltas.lakes import failure, plain, prices, write


def test_a_damaged_sidecar_is_as_good_as_none(tmp_path: Path, state: Path) -> None:
    """A sidecar that cannot be read is told like a missing one, and is made anew when its file is there."""
    view, lake = prices(tmp_path), tmp_path / "lake"
    write(lake / "1.parquet", [("a", 1.0, 1)])
    first = changed(view, None, state)
    (sidecar,) = state.glob("prices/rows-*/*.arrow")
    sidecar.write_bytes(b"ARROW1")
    assert touched(view, None, first.position, state).unknown == ("1.parquet",)
    assert changed(view, first.position, state).stats.rebuilt == ("1.parquet",)
    assert touched(view, None, first.position, state).keys == {"a"}


def test_sidecars_of_vanished_files_are_collected(tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once they take more room than allowed, sidecars that no position at hand needs are deleted, the least used first."""
    monkeypatch.setattr("ratoon.features.deltas.sidecars.LEAST_BYTES", 0)
    view, lake = prices(tmp_path), tmp_path / "lake"
    position = None
    for number in range(7):
        write(lake / "1.parquet", [("a", float(number), 1)])
        position = changed(view, position, state).position
    assert len(list(state.glob("prices/rows-*/*.arrow"))) == 4
    for number in range(7, 12):
        write(lake / "1.parquet", [("a", float(number), 1)])
        position = remember(view, position, state)
    assert len(list(state.glob("prices/rows-*/*.arrow"))) == 4


def test_a_file_cut_short_is_named(tmp_path: Path, state: Path) -> None:
    """Half a Parquet file is refused with view and file; once it is whole the delta goes on from the old position."""
    view, lake = prices(tmp_path), tmp_path / "lake"
    write(lake / "1.parquet", [("a", 1.0, 1)])
    first = changed(view, None, state)
    write(lake / "2.parquet", [("b", 1.0, 1)])
    whole = (lake / "2.parquet").read_bytes()
    (lake / "2.parquet").write_bytes(whole[: len(whole) // 2])
    message = f"view 'prices', file {lake / '2.parquet'}: expected a whole Parquet file, found "
    with pytest.raises(DataError, match=re.escape(message)):
        changed(view, first.position, state)
    (lake / "2.parquet").write_bytes(whole)
    assert plain(changed(view, first.position, state).rows) == [("b", 1.0, 1)]


def test_a_missing_or_odd_column_is_named(tmp_path: Path, state: Path) -> None:
    """A file without a column of the view, or with values that cannot be its dtype, is refused by name."""
    view, path = prices(tmp_path), tmp_path / "lake" / "1.parquet"
    path.parent.mkdir()
    columns = {"item_id": ["a"], "price": ["dear"], "at": [0], "seen": [0]}
    pq.write_table(pa.table(columns), path)
    assert f"view 'prices', file {path}: expected the columns item_id, price, tags, at, seen, found no tags." in failure(
        view, state
    )
    pq.write_table(pa.table({**columns, "tags": pa.array([[]], pa.list_(pa.string()))}), path)
    assert f"view 'prices', file {path}: expected float in column 'price', found string: " in failure(view, state)
