"""Files come together, none counts twice, and a person's rows leave all of them."""

import os
import shutil
import signal
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from ratoon.durable import FAULT
from ratoon.features.examples import folder as folders
from ratoon.features.examples.files import write
from ratoon.features.examples.folder import FAN, add, due, files_of, forget, merge, only_one
from tests.features.examples.worlds import rows


def filled(folder: Path, *sizes: int) -> pa.Table:
    """Add files of these many rows; return all rows."""
    whole, before = rows(sum(sizes)), 0
    for size in sizes:
        with only_one(folder):
            add(folder, 2 * before, 2 * (before + size), whole.slice(before, size))
        before += size
    return whole


def held(folder: Path) -> pa.Table:
    """The rows of the files that count."""
    return pa.concat_tables([file.whole() for file in files_of(folder)]).sort_by("offset")


def test_files_chain(tmp_path: Path) -> None:
    """Every offset is covered by one file, those without an interaction included."""
    whole = filled(tmp_path, 30, 10)
    add(tmp_path, 80, 81, whole.slice(0, 0))
    assert [(file.first, file.last, len(file)) for file in files_of(tmp_path)] == [(0, 60, 30), (60, 80, 10), (80, 81, 0)]
    assert held(tmp_path).equals(whole)


def test_many_rows_are_several_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows beyond a file's share go to the next one; the last file reaches as far as was read."""
    monkeypatch.setattr(folders, "MOST", 8)
    add(tmp_path, 0, 1_000, rows(20))
    assert [(file.first, file.last, len(file)) for file in files_of(tmp_path)] == [(0, 15, 8), (15, 31, 8), (31, 1_000, 4)]
    assert held(tmp_path).equals(rows(20))


def test_small_files_become_one(tmp_path: Path) -> None:
    """With enough small files the newest become one that covers them; fewer stay, and no row is lost or doubled."""
    whole = filled(tmp_path, *[5] * (FAN - 1))
    merge(tmp_path)
    assert len(files_of(tmp_path)) == FAN - 1
    shutil.rmtree(tmp_path)
    whole = filled(tmp_path, *[5] * (FAN + 2))
    merge(tmp_path)
    assert [(file.first, file.last) for file in files_of(tmp_path)] == [(0, whole.num_rows * 2)]
    assert len(list(tmp_path.glob("*.parquet"))) == 1
    assert held(tmp_path).equals(whole)


def test_the_number_of_files_stays_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After 100 additions there are no more files than a few times the fan and one per half a file's share of rows."""
    monkeypatch.setattr(folders, "GROUP", 2)
    monkeypatch.setattr(folders, "MOST", 64)
    whole = rows(200)
    for number in range(100):
        merge(tmp_path)
        add(tmp_path, 4 * number, 4 * number + 4, whole.slice(2 * number, 2))
    assert len(files_of(tmp_path)) <= 2 * FAN + 2 * 200 // 64
    assert max(len(file) for file in files_of(tmp_path)) <= 64
    assert held(tmp_path).equals(whole)


def test_only_the_newest_small_files_are_due(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A large file before small ones is left alone; large ones do not keep the small ones after them from coming together."""
    monkeypatch.setattr(folders, "GROUP", 1)
    monkeypatch.setattr(folders, "MOST", 200)
    filled(tmp_path, 150, *[9] * FAN)
    files = files_of(tmp_path)
    assert due(files) == files[1:]
    assert due(files[:FAN]) == []


def test_a_cut_off_merge_is_put_right(tmp_path: Path) -> None:
    """If the files that were put together are still there, their rows count once, and the next merge deletes them."""
    whole = filled(tmp_path, *[5] * FAN)
    shutil.copytree(tmp_path, tmp_path / "before")
    merge(tmp_path)
    for path in (tmp_path / "before").glob("*.parquet"):
        shutil.copy(path, tmp_path)
    assert len(list(tmp_path.glob("*.parquet"))) == FAN + 1
    assert len(files_of(tmp_path)) == 1
    assert held(tmp_path).equals(whole)
    add(tmp_path, 80, 90, rows(5, first=81))
    merge(tmp_path)
    for number in range(FAN):
        add(tmp_path, 90 + number, 91 + number, whole.slice(0, 0))
    merge(tmp_path)
    assert len(list(tmp_path.glob("*.parquet"))) == 1
    assert held(tmp_path).num_rows == 5 * FAN + 5


def home(folder: Path) -> list[str]:
    """Two schemas' examples of the same 60 users in seven files each; the users of odd numbers."""
    for schema in ("one", "two"):
        filled(folder / schema, *[200] * 7)
    return [f"u{number}" for number in range(400) if number % 2]


def test_a_person_is_forgotten_everywhere(tmp_path: Path) -> None:
    """No file of any schema has a row of those users any more, and every other row is still there."""
    users = home(tmp_path)
    theirs = pc.is_in(rows(1_400).column("user_id"), pa.array(users))
    assert forget(tmp_path, users) == 2 * pc.sum(theirs).as_py()
    for schema in ("one", "two"):
        assert held(tmp_path / schema).equals(rows(1_400).filter(pc.invert(theirs)))
        assert [file.last for file in files_of(tmp_path / schema)] == [400 * number for number in range(1, 8)]
    assert forget(tmp_path, users) == 0


def test_files_without_that_person_stay(tmp_path: Path) -> None:
    """A file without a row of the user is not written again; one with only such rows is empty and covers what it covered."""
    table = rows(40, users=1)
    add(tmp_path / "one", 0, 80, table)
    add(tmp_path / "one", 80, 160, rows(40, first=81, users=1).set_column(1, "user_id", pa.array(["other"] * 40)))
    with only_one(tmp_path / "one"):
        first, second = files_of(tmp_path / "one")
    before = second.path.stat().st_mtime_ns
    assert forget(tmp_path, ["u0", "unknown"]) == 40
    assert (len(first), len(second), second.path.stat().st_mtime_ns) == (0, 40, before)
    assert first.whole().schema == table.schema
    assert forget(tmp_path, []) == 0
    assert forget(tmp_path / "nowhere", ["u0"]) == 0


def test_files_of_older_rules_are_emptied_too(tmp_path: Path) -> None:
    """Rows leave files that were written without any order, as earlier versions did."""
    with only_one(tmp_path / "old"):
        pq.write_table(rows(40), tmp_path / "old" / "000000000000-000000000080.parquet")
    (user,) = rows(1).column("user_id").to_pylist()
    assert forget(tmp_path, [user]) >= 1
    assert user not in held(tmp_path / "old").column("user_id").to_pylist()


@pytest.mark.parametrize("fault", ["durable.before_rename:3", "examples.forgotten:2"])
def test_a_cut_off_forgetting_is_completed(tmp_path: Path, fault: str) -> None:
    """Killed in the middle, every file has all of a person's rows or none; run again, no byte of them is left."""
    users = home(tmp_path)
    program = "import sys; from pathlib import Path; from ratoon.features.examples.folder import forget; "
    run = [sys.executable, "-c", program + "forget(Path(sys.argv[1]), sys.argv[2:])", str(tmp_path), *users]
    assert subprocess.run(run, env={**os.environ, FAULT: fault}, check=False).returncode == -signal.SIGKILL
    for schema in ("one", "two"):
        for (first, last), file in zip(pairwise(range(0, 1_401, 200)), files_of(tmp_path / schema), strict=True):
            whole = rows(1_400).slice(first, last - first)
            rest = whole.filter(pc.invert(pc.is_in(whole.column("user_id"), pa.array(users))))
            assert any(file.whole().sort_by("offset").equals(table) for table in (whole, rest))
    assert forget(tmp_path, users) > 0
    assert not list(tmp_path.glob("*/.*.new"))
    assert not set(held(tmp_path / "one").column("user_id").to_pylist()) & set(users)


def test_an_interrupted_writing_leaves_nothing(tmp_path: Path) -> None:
    """If the rows cannot be written, there is no file."""
    with pytest.raises(KeyError, match="user_id"):
        write(tmp_path / "0-1.parquet", rows(1).drop_columns(["user_id"]))
    assert list(tmp_path.iterdir()) == []
