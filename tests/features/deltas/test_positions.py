"""What has arrived, and what a position is worth."""

import json
import shutil
from pathlib import Path

import pytest

from ratoon import durable
from ratoon.features.deltas import Position, changed
from ratoon.features.views import View
from tests.features.deltas.lakes import FIELDS, failure, plain, prices, settle, write


def test_a_damaged_memory_is_made_anew(tmp_path: Path, state: Path) -> None:
    """Fingerprints that cannot be read cost hashing every file again, nothing else."""
    view, lake = prices(tmp_path), tmp_path / "lake"
    write(lake / "1.parquet", [("a", 1.0, 1)])
    settle(lake / "1.parquet")
    first = changed(view, None, state)
    assert changed(view, first.position, state).stats.hashed == ()
    (state / "prices" / "fingerprints.json").write_text('{"1.parquet": 7}')
    again = changed(view, first.position, state)
    assert (again.stats.hashed, again.position) == (("1.parquet",), first.position)


def test_a_vanished_source_is_named(tmp_path: Path, state: Path) -> None:
    """A folder that is not there, a single file that is not there and a remote address are refused, naming the view."""
    folder, file = tmp_path / "lake", tmp_path / "lake" / "one.parquet"
    there = "view 'prices', source {}: expected Parquet files on this machine, found {}"
    assert failure(prices(tmp_path), state).startswith(there.format(folder, "no such folder. Bring the source back, "))
    assert failure(prices(tmp_path, file.name), state).startswith(there.format(file, "FileNotFoundError("))
    remote = View("p", "prices", "item", "foreign", "s3://b/*.parquet", "at", FIELDS)
    assert "found a remote address" in failure(remote, state)


def test_positions_travel_as_json(tmp_path: Path, state: Path) -> None:
    """A position is the same after JSON, and two homes with the same files have the same one."""
    write(tmp_path / "lake" / "1.parquet", [("a", 1.0, 1)])
    first = changed(prices(tmp_path), None, state).position
    assert Position.from_json(first.to_json()) == first
    shutil.copytree(tmp_path / "lake", tmp_path / "elsewhere" / "lake")
    other = changed(prices(tmp_path / "elsewhere"), None, state / "other").position
    assert json.loads(other.to_json()) == json.loads(first.to_json())


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file rewritten in place between its digest and its rows is refused instead of being half old and half new."""
    view, path = prices(tmp_path), tmp_path / "lake" / "1.parquet"
    write(path, [("a", 1.0, 1)])

    def meddled(file: Path) -> str:
        digest = honest(file)
        file.write_bytes(file.read_bytes() + b" ")
        return digest

    honest = durable.sha256_file
    monkeypatch.setattr(durable, "sha256_file", meddled)
    assert "expected a file that stays as it is while it is read" in failure(view, state)


def test_a_rewrite_that_hides_is_noticed(tmp_path: Path, state: Path) -> None:
    """A file overwritten in place with as many bytes and the same modification time is hashed again all the same."""
    view, path = prices(tmp_path), tmp_path / "lake" / "1.parquet"
    write(path, [("a", 1.0, 1)])
    settle(path)
    first = changed(view, None, state)
    assert changed(view, first.position, state).stats.hashed == ()
    write(tmp_path / "other.parquet", [("a", 2.0, 1)])
    other = (tmp_path / "other.parquet").read_bytes()
    assert len(other) == path.stat().st_size
    path.write_bytes(other)
    settle(path)
    assert plain(changed(view, first.position, state).rows) == [("a", 2.0, 1)]


def test_a_file_just_written_is_hashed_again(tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until a file has settled nothing is remembered of it: a second change might leave the same time stamp."""
    monkeypatch.setattr("ratoon.features.deltas.positions.SETTLED_NS", 10**15)
    view = prices(tmp_path)
    write(tmp_path / "lake" / "1.parquet", [("a", 1.0, 1)])
    first = changed(view, None, state)
    assert changed(view, first.position, state).stats.hashed == ("1.parquet",)
