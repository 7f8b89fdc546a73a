"""What came and went between two positions, whatever happened to the files in between."""

import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ratoon.domain.errors import UsageError
from ratoon.features.deltas import Changed, Position, changed, remember, touched
from ratoon.features.deltas.sidecars import HASH
from tests.features.deltas.lakes import Row, keys, plain, prices, settle, write


def test_the_first_delta_is_the_table(tmp_path: Path, state: Path) -> None:
    """Without a position every row came, duplicates included, and none went; the columns are the view's and a hash."""
    write(tmp_path / "lake" / "1.parquet", [("a", 1.0, 1), ("a", 1.0, 1), (None, None, 2)])
    first = changed(prices(tmp_path), None, state)
    assert first.rows.column_names == ["item_id", "price", "tags", "at", "seen", HASH]
    assert plain(first.rows) == [("a", 1.0, 1), ("a", 1.0, 1), (None, None, 2)]
    assert first.gone.num_rows == 0
    assert first.gone.column_names == [HASH, "item_id", "at", "seen"]


def test_chained_deltas_give_each_row_once(tmp_path: Path, state: Path) -> None:
    """A row stamped early in a file that appears late is in the next delta, and in that one alone."""
    view, lake = prices(tmp_path), tmp_path / "lake"
    write(lake / "1.parquet", [("a", 1.0, 500)])
    first = changed(view, None, state)
    write(lake / "0.parquet", [("late", 2.0, 1)])
    second = changed(view, first.position, state)
    assert (plain(second.rows), second.gone.num_rows) == ([("late", 2.0, 1)], 0)
    third = changed(view, second.position, state)
    assert (third.rows.num_rows, third.gone.num_rows, third.position) == (0, 0, second.position)


def test_only_what_changed_is_read(tmp_path: Path, state: Path) -> None:
    """A delta after one new file of a hundred opens that file alone, once the others have settled."""
    view, lake = prices(tmp_path), tmp_path / "lake"
    for number in range(100):
        write(lake / f"{number:03d}.parquet", [(f"i{row}", float(row), number) for row in range(20)])
        settle(lake / f"{number:03d}.parquet")
    first = changed(view, None, state)
    assert (first.stats.files_read, first.stats.row_groups) == (100, 100)
    assert first.stats.bytes_read > first.stats.bytes_of_scan
    write(lake / "100.parquet", [("new", 1.0, 1)])
    second = changed(view, first.position, state)
    assert (second.stats.files_read, second.stats.files, second.stats.hashed) == (1, 101, ("100.parquet",))
    assert second.stats.bytes_read < 0.05 * second.stats.bytes_of_scan
    shutil.rmtree(state)
    third = changed(view, second.position, state)
    assert (len(third.stats.hashed), len(third.stats.rebuilt), third.rows.num_rows) == (101, 101, 0)


def test_a_rewritten_row_comes_and_goes_alone(tmp_path: Path, state: Path) -> None:
    """Of a rewritten file only the rows that differ are in the delta: the new ones as rows, the old ones as gone."""
    view, lake = prices(tmp_path), tmp_path / "lake"
    write(lake / "1.parquet", [("a", 1.0, 1), ("b", 2.0, 2), ("c", 3.0, 3)])
    first = changed(view, None, state)
    write(lake / "1.parquet", [("c", 3.0, 3), ("b", 2.5, 2), ("a", 1.0, 1)])
    second = changed(view, first.position, state)
    assert (plain(second.rows), keys(second.gone)) == ([("b", 2.5, 2)], ["b"])
    assert second.gone.column("at").cast(pa.int64()).to_pylist() == [2_000_000]


def test_compaction_and_renaming_are_no_change(tmp_path: Path, state: Path) -> None:
    """Files merged into one, or moved to another partition, give an empty delta; a changed column of no feature too."""
    view, lake = prices(tmp_path, "**/*.parquet"), tmp_path / "lake"
    write(lake / "day=1" / "x.parquet", [("a", 1.0, 1), ("b", 2.0, 2)])
    write(lake / "day=2" / "x.parquet", [("a", 1.0, 1), ("c", None, 3)])
    first = changed(view, None, state)
    write(lake / "all.parquet", [("c", None, 3), ("a", 1.0, 1), ("b", 2.0, 2), ("a", 1.0, 1)])
    (lake / "day=1" / "x.parquet").unlink()
    (lake / "day=2" / "x.parquet").unlink()
    second = changed(view, first.position, state)
    assert (second.rows.num_rows, second.gone.num_rows) == (0, 0)
    assert second.position != first.position
    (lake / "all.parquet").rename(lake / "day=2" / "y.parquet")
    third = changed(view, second.position, state)
    assert (third.rows.num_rows, third.gone.num_rows, third.stats.row_groups) == (0, 0, 0)


def test_a_deleted_file_is_carried(tmp_path: Path, state: Path) -> None:
    """The rows of a file that was deleted are gone, once for each copy that vanished."""
    view, lake = prices(tmp_path), tmp_path / "lake"
    write(lake / "1.parquet", [("a", 1.0, 1), ("a", 1.0, 1)])
    write(lake / "2.parquet", [("a", 1.0, 1), ("b", 1.0, 1)])
    first = changed(view, None, state)
    (lake / "1.parquet").unlink()
    assert keys(changed(view, first.position, state).gone) == ["a", "a"]


def test_without_sidecars_rows_count_as_changed(tmp_path: Path, state: Path) -> None:
    """If nothing is known of a rewritten file's old rows, all its new ones count as changed, and the stats name the file."""
    view, lake = prices(tmp_path), tmp_path / "lake"
    write(lake / "1.parquet", [("a", 1.0, 1), ("b", 2.0, 2)])
    first = changed(view, None, state)
    shutil.rmtree(state)
    write(lake / "1.parquet", [("a", 1.0, 1)])
    second = changed(view, first.position, state)
    assert (plain(second.rows), second.gone.num_rows, second.stats.unknown) == ([("a", 1.0, 1)], 0, ("1.parquet",))


def test_touched_needs_neither_present_nor_past_files(tmp_path: Path, state: Path) -> None:
    """The entities between two positions are known after both have passed; null keys are nobody."""
    view, lake = prices(tmp_path), tmp_path / "lake"
    write(lake / "1.parquet", [("a", 1.0, 1), ("b", 2.0, 2)])
    first = remember(view, None, state)
    write(lake / "1.parquet", [("a", 1.5, 1), ("b", 2.0, 2)])
    write(lake / "2.parquet", [(None, 1.0, 1), ("n", 2.0, 2)])
    second = remember(view, None, state)
    shutil.rmtree(lake)
    assert touched(view, first, second, state).keys == {"a", "n"}
    assert touched(view, None, second, state).keys == {"a", "b", "n"}
    assert touched(view, second, second, state).keys == set()
    assert touched(view, None, Position("prices", {"x": "123"}), state).unknown == ("x",)


def fold(table: Counter[str], delta: Changed) -> Counter[str]:
    """A copy of the table, by row hashes, after one delta: what went is taken away, what came is added."""
    went, came = (Counter(map(repr, part.column(HASH).to_pylist())) for part in (delta.gone, delta.rows))
    assert not went - table
    return table - went + came


ROWS = st.lists(
    st.tuples(st.sampled_from(["a", "b", "ä" * 9, None]), st.sampled_from([0.0, 1.0, None]), st.integers(0, 3)), max_size=4
)


NAMES = st.sampled_from(["1.parquet", "2.parquet", "d/3.parquet"])


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), NAMES, ROWS),
        st.tuples(st.just("delete"), NAMES, st.just([])),
        st.tuples(st.just("compact"), NAMES, st.just([])),
        st.tuples(st.just("delta"), st.just(""), st.just([])),
    ),
    max_size=9,
)


@settings(max_examples=40, deadline=None)
@given(steps=STEPS)
def test_folded_deltas_are_the_table(steps: Sequence[tuple[str, str, list[Row]]]) -> None:
    """Whatever is written, rewritten, merged and deleted, in whatever order deltas are taken, their sum is the table."""
    with TemporaryDirectory() as name:
        view, lake, files = prices(Path(name), "**/*.parquet"), Path(name) / "lake", dict[str, list[Row]]()
        lake.mkdir()
        position, table = None, Counter[str]()
        for what, file, rows in [*steps, ("delta", "", [])]:
            if what == "delta":
                delta = changed(view, position, Path(name) / "state")
                position, table = delta.position, fold(table, delta)
                whole = changed(view, None, Path(name) / "fresh")
                assert table == Counter(map(repr, whole.rows.column(HASH).to_pylist()))
                assert Counter(plain(whole.rows)) == Counter(row for part in files.values() for row in part)
            else:
                files = after(what, file, rows, files)
                store(lake, files)


def after(what: str, file: str, rows: list[Row], files: Mapping[str, list[Row]]) -> dict[str, list[Row]]:
    if what == "write":
        return {**files, file: rows}
    if what == "compact":
        return {file: [row for part in files.values() for row in part]}
    return {name: part for name, part in files.items() if name != file}


def store(lake: Path, files: Mapping[str, list[Row]]) -> None:
    for path in lake.rglob("*.parquet"):
        if path.relative_to(lake).as_posix() not in files:
            path.unlink()
    for name, rows in files.items():
        write(lake / name, rows)


def test_another_views_position_is_refused(tmp_path: Path, state: Path) -> None:
    """A position belongs to one view, and only what a delta gave is one."""
    with pytest.raises(UsageError, match="position: expected one of view 'prices', found one of view 'stock'"):
        changed(prices(tmp_path), Position("stock"), state)
    for text in ("[]", "{", '{"view": "prices"}'):
        with pytest.raises(UsageError, match='position: expected {"view": ..., "files": {...}}, as an earlier delta gave it'):
            Position.from_json(text)
