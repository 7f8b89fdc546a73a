"""Which files a source stands for."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import fs

from ratoon.features.offline.discovery import discover, listed
from ratoon.features.offline.spec import Source

FILES = (
    "a.parquet",
    "b.parquet",
    "a.txt",
    ".half.parquet",
    "_half.parquet",
    "sub/c.parquet",
    "sub/deep/d.parquet",
    "_temporary/e.parquet",
    ".trash/f.parquet",
    "day=1/g.parquet",
    "day=2/_h.parquet",
    "table.parquet/part.parquet",
)


def tree(folder: Path, files: tuple[str, ...] | list[str] = FILES) -> None:
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def names(folder: Path, pattern: str, scheme: str = "") -> list[str]:
    _, found = discover(Source(f"{scheme}{folder}/{pattern}".rstrip("/")))
    return [str(Path(info.path).relative_to(folder)) for info in found]


VISIBLE = ["a.parquet", "b.parquet", "day=1/g.parquet", "sub/c.parquet", "sub/deep/d.parquet", "table.parquet/part.parquet"]


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_files_folders_and_globs(tmp_path: Path, scheme: str) -> None:
    """Hidden names are passed over unless asked for, a star stays within a name, folders that match are no files."""
    folder = tmp_path / "x[1]"  # a name that looks like a pattern
    tree(folder)
    assert names(folder, "", scheme) == VISIBLE
    assert names(folder, "a.parquet", scheme) == ["a.parquet"]
    assert names(folder, "_half.parquet", scheme) == ["_half.parquet"]
    assert names(folder, "gone", scheme) == []
    folder = folder.rename(tmp_path / "x")
    assert names(folder, "*.parquet", scheme) == ["a.parquet", "b.parquet"]
    assert names(folder, "**/*.parquet", scheme) == VISIBLE
    assert names(folder, "*/*.parquet", scheme) == ["day=1/g.parquet", "sub/c.parquet", "table.parquet/part.parquet"]
    assert names(folder, "day=*/*.parquet", scheme) == ["day=1/g.parquet"]
    assert names(folder, "_*/*.parquet", scheme) == ["_temporary/e.parquet"]
    assert names(folder, ".[!x]*.parquet", scheme) == [".half.parquet"]
    assert names(folder, "[ab].p?rquet", scheme) == ["a.parquet", "b.parquet"]
    assert names(folder, "gone/*.parquet", scheme) == []
    assert names(folder, "a.txt/*", scheme) == []
    assert names(tmp_path, "_*", scheme) == []


def test_links(tmp_path: Path) -> None:
    """A link to a folder is followed where the pattern names it; below it could lead back, so `**` leaves it out."""
    tree(tmp_path / "x", ["a.parquet"])
    (tmp_path / "x" / "again").symlink_to(".")
    assert names(tmp_path / "x", "") == ["a.parquet"]
    assert names(tmp_path / "x", "again/*.parquet") == ["again/a.parquet"]
    assert names(tmp_path / "x", "a*/*.parquet") == ["again/a.parquet"]


parts = st.sampled_from(["a", "b", "_a", ".a", "ab"])
paths = st.lists(parts, min_size=1, max_size=3).map("/".join)
patterns = st.lists(st.sampled_from(["*", "a*", "?", "[!b]", "_*", "**", "**", "b"]), min_size=1, max_size=3).map("/".join)


@given(st.lists(paths, max_size=6), patterns)
@settings(max_examples=200, deadline=None)
def test_a_remote_store_answers_as_the_disk_does(found: list[str], pattern: str) -> None:
    """A file system that is listed at once gives the files that a walk from folder to folder gives."""
    with tempfile.TemporaryDirectory() as name:
        # What lies below a name makes that name a folder.
        tree(Path(name) / "root", [path for path in found if not any(other.startswith(f"{path}/") for other in found)])
        local, remote = fs.LocalFileSystem(), fs.SubTreeFileSystem(name, fs.LocalFileSystem())
        near = [info.path.removeprefix(f"{name}/") for info in listed(local, f"{name}/root/{pattern}")]
        assert [info.path for info in listed(remote, f"root/{pattern}")] == near


def test_a_remote_folder_and_file(tmp_path: Path) -> None:
    """In a remote store, too, a path may be a file, a folder, or nothing."""
    tree(tmp_path / "x")
    remote = fs.SubTreeFileSystem(str(tmp_path), fs.LocalFileSystem())
    assert [info.path for info in listed(remote, "x")] == [f"x/{name}" for name in VISIBLE]
    assert [info.path for info in listed(remote, "x/a.parquet")] == ["x/a.parquet"]
    assert [info.path for info in listed(remote, "*/a.parquet")] == ["x/a.parquet"]
    assert listed(remote, "gone") == []
