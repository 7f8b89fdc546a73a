"""Files that survive a crash, and dying on purpose."""

import errno
import os
import signal
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


@pytest.mark.parametrize(("way", "error"), [("eio", OSError), ("enospc", OSError), ("oom", MemoryError)])
def test_fault_points_fail_as_the_system_does(monkeypatch: pytest.MonkeyPatch, way: str, error: type[Exception]) -> None:
    """Asked for an error a fault point raises it, with the system's own words, and a file being written stays as it was."""
    monkeypatch.setenv(durable.FAULT, f"here:1:{way}")
    monkeypatch.setattr(durable, "passed", [])
    with pytest.raises(error, match="Input/output error|No space left on device|here") as raised:
        durable.fault_point("here")
    assert isinstance(raised.value, MemoryError) or getattr(raised.value, "errno", None) in (errno.EIO, errno.ENOSPC)
    durable.fault_point("here")


def test_a_process_can_be_asked_to_end_or_to_wait() -> None:
    """By SIGTERM a process ends; by SIGSTOP it stands still until it is told to go on, and then goes on."""
    pid = processes.start(lambda: durable.fault_point("here"), "here:1:stop")
    _, status = os.waitpid(pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    os.kill(pid, signal.SIGCONT)
    assert processes.end(pid) == processes.DONE
    assert processes.run(lambda: durable.fault_point("here"), "here:1:term") == signal.SIGTERM


@pytest.mark.parametrize("point", ["durable.written", "durable.before_rename", "durable.renamed"])
def test_a_full_disk_leaves_the_old_bytes_or_the_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str) -> None:
    """Whenever writing fails, what is there is whole, and nothing lies beside it."""
    path = tmp_path / "CURRENT"
    durable.write(path, b"old")
    monkeypatch.setenv(durable.FAULT, f"{point}:1:enospc")
    monkeypatch.setattr(durable, "passed", [])
    with pytest.raises(OSError, match="No space left"):
        durable.write(path, b"new")
    assert path.read_bytes() == (b"new" if point == "durable.renamed" else b"old")
    assert list(tmp_path.iterdir()) == [path]


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
