"""Files that survive a crash, and dying on purpose."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ratoon import durable
from tests.fakes import processes


def test_write_replaces_whole(tmp_path: Path) -> None:
    """A file is written with its folders, replaced whole, and nothing is left beside it."""
    path = tmp_path / "a" / "b.json"
    durable.write(path, b"old and long")
    durable.write(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(path.parent.iterdir()) == [path]


def test_a_body_that_fails_writes_nothing(tmp_path: Path) -> None:
    """If what is being written fails half-way, the old bytes stay and nothing is left beside them."""
    path = tmp_path / "CURRENT"
    durable.write(path, b"old")

    def fail() -> None:
        with durable.writing(path) as file:
            file.write(b"new")
            raise ValueError("half-way")

    with pytest.raises(ValueError, match="half-way"):
        fail()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_reader_keeps_what_it_opened(tmp_path: Path) -> None:
    """Replacing a file does not touch the bytes that somebody is reading: it is a rename, not a rewrite."""
    path = tmp_path / "CURRENT"
    durable.write(path, b"old")
    with path.open("rb") as reader:
        durable.write(path, b"new and longer")
        assert reader.read() == b"old"


def test_a_crash_leaves_the_old_bytes(tmp_path: Path) -> None:
    """Killed before the rename, a reader sees the old file; written again, the new one."""
    path = tmp_path / "CURRENT"
    durable.write(path, b"old")
    assert processes.run(lambda: durable.write(path, b"new"), "durable.before_rename") == processes.KILLED
    assert path.read_bytes() == b"old"
    durable.write(path, b"new")
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize(("fault", "passes"), [("here", 1), ("here:1", 1), ("here:3", 3)])
def test_fault_points_count(fault: str, passes: int) -> None:
    """A fault point kills at the Nth pass, not before, and only under its own name."""

    def walk(times: int) -> Callable[[], None]:
        def steps() -> None:
            for _ in range(times):
                durable.fault_point("elsewhere")
                durable.fault_point("here")

        return steps

    assert processes.run(walk(passes - 1), fault) == processes.DONE
    assert processes.run(walk(passes), fault) == processes.KILLED


def test_fault_points_are_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the environment variable a fault point does nothing and counts nothing."""
    monkeypatch.delenv(durable.FAULT, raising=False)
    durable.fault_point("quiet")
    assert "quiet" not in durable.passed


def test_sha256_is_the_standards(tmp_path: Path) -> None:
    """Bytes and files have the digest that FIPS 180-4 gives for `abc`."""
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    (tmp_path / "abc").write_bytes(b"abc")
    assert durable.sha256(b"abc") == digest
    assert durable.sha256_file(tmp_path / "abc") == digest


def test_sync_folder_of_nothing_is_an_error(tmp_path: Path) -> None:
    """A folder that is not there is not passed over."""
    durable.sync_folder(tmp_path)
    with pytest.raises(FileNotFoundError):
        durable.sync_folder(tmp_path / "gone")
