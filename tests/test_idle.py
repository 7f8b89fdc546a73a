"""Whether anything changed is told by stamps: never a change missed, and never an error."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from ratoon import idle

QUERY = "SELECT max(n) FROM t"


@pytest.fixture
def world(tmp_path: Path) -> Path:
    (tmp_path / "files").mkdir()
    for name in ("a.txt", "b.txt"):
        (tmp_path / "files" / name).write_text(name)
    execute(tmp_path, "CREATE TABLE t (n)")
    execute(tmp_path, "INSERT INTO t VALUES (1)")
    sight = idle.look([f"{tmp_path}/files/**", f"{tmp_path}/one.json"], [(str(tmp_path / "db"), QUERY)])
    idle.remember(tmp_path / "idle.json", sight, {"said": "nothing"})
    return tmp_path


def execute(folder: Path, text: str) -> None:
    db = sqlite3.connect(folder / "db")
    with db:
        db.execute(text)
    db.close()


def test_what_is_as_it_was_is_said_again(world: Path) -> None:
    """Reading a file changes nothing, nor does a file that nobody looked at; what was said comes back."""
    (world / "files" / "a.txt").read_text()
    (world / "other").write_text("x")
    execute(world, "CREATE TABLE u (n)")
    assert idle.still(world / "idle.json") == {"said": "nothing"}


def rewritten(world: Path) -> None:
    (world / "files" / "a.txt").write_text("A.txt")


CHANGES: dict[str, Callable[[Path], object]] = {
    "a file of the same size": rewritten,
    "a new file": lambda world: (world / "files" / "c.txt").write_text(""),
    "a file that was asked for by name": lambda world: (world / "one.json").write_text(""),
    "a file that went": lambda world: (world / "files" / "b.txt").unlink(),
    "a file in the place of another": lambda world: (world / "files" / "a.txt").replace(world / "files" / "b.txt"),
    "a new row": lambda world: execute(world, "INSERT INTO t VALUES (2)"),
    "no database": lambda world: (world / "db").unlink(),
    "another database": lambda world: (world / "db").write_bytes(b"x" * 5000),
    "a damaged memory": lambda world: (world / "idle.json").write_text('{"sight": {"patterns": 3}}'),
    "no memory": lambda world: (world / "idle.json").unlink(),
}


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_is_seen(world: Path, change: str) -> None:
    """A file written, made, taken away or replaced, a row more, a store or memory that cannot be read: then it is not certain."""
    CHANGES[change](world)
    assert idle.still(world / "idle.json") is None


def test_the_newest_change_is_known(world: Path) -> None:
    """Of all files looked at, by the later of both their times."""
    sight = idle.look([f"{world}/files/*"], [])
    assert sight.newest() == max(Path(name).stat().st_ctime_ns for name in sight.files)
    assert idle.look([f"{world}/nothing*"], []).newest() == 0
