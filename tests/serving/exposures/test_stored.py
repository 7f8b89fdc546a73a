"""Reading the log, and letting go of parts of it."""

from contextlib import closing
from pathlib import Path

import pytest

from ratoon.domain.errors import StoreError
from ratoon.domain.exploration import Exploration
from ratoon.serving.exposures import Exposure, ExposureLog, StoredExposures, connection, stored
from tests.serving.exposures.answers import START, after, answer, drawn


def logged(path: Path, *exposures: Exposure) -> StoredExposures:
    with closing(ExposureLog(path)) as log:
        for one in exposures:
            log.add(one)
    return StoredExposures(path)


def test_by_time_and_surface(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A surface's exposures come by time, page after page, those of one moment once each; a start leaves earlier ones out."""
    monkeypatch.setattr(stored, "_READ", stored._READ.replace("2000", "2"))
    monkeypatch.setattr(stored, "_PAGE", 2)
    log = logged(
        tmp_path / "log",
        *(answer(f"r{number}", number // 3) for number in (8, 1, 0, 2, 3, 4, 5, 6, 7)),
        answer("other", surface="home"),
    )
    assert [one.request_id for one in log.read("default")] == [f"r{number}" for number in range(9)]
    assert [one.request_id for one in log.read("default", after(1))] == [f"r{number}" for number in range(3, 9)]
    assert [one.request_id for one in log.read("home")] == ["other"]
    assert (log.began("default"), log.began("none")) == (START, None)


def test_only_what_was_explored(tmp_path: Path) -> None:
    """Asked for explored exposures it leaves out those in which nothing was left to chance."""
    log = logged(tmp_path / "log", answer("r1"), drawn("r2", 1, "u", Exploration(1, 0.5, 1), ("a", "b"), 1))
    assert [one.request_id for one in log.read("default", explored=True)] == ["r2"]


def test_a_user_is_forgotten(tmp_path: Path) -> None:
    """After `forget` no byte of the files names the user, though a server has them open; others' exposures stay."""
    with closing(ExposureLog(tmp_path / "log")) as server:
        for number in range(6):
            server.add(answer(f"r{number}", user=f"somebody-{number % 2}"))
        server.flush()
        log = StoredExposures(tmp_path / "log")
        assert log.forget("somebody-1") == 3
        assert [one.user_id for one in log.read("default")] == ["somebody-0"] * 3
        left = b"".join(path.read_bytes() for path in tmp_path.iterdir())
        assert b"somebody-1" not in left
        assert b"somebody-0" in left
        assert log.forget("somebody-1") == 0


def test_a_reader_that_holds_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While somebody reads what was there before, its bytes cannot be overwritten, and that is said; afterwards they can."""
    monkeypatch.setattr(connection, "BUSY_MS", 50)
    log = logged(tmp_path / "log", answer("r1", user="somebody"))
    with closing(connection.connect(tmp_path / "log")) as reader:
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM exposures").fetchone() == (1,)
        with pytest.raises(StoreError, match="expected to overwrite what is deleted, found a reader that holds on to it"):
            log.forget("somebody")
        reader.execute("COMMIT")
        assert (log.forget("somebody"), list(log.read("default"))) == (0, [])
        assert b"somebody" not in b"".join(path.read_bytes() for path in tmp_path.iterdir())


def test_what_is_old_goes(tmp_path: Path) -> None:
    """`prune` deletes what is older than a moment, on every surface, and nothing else."""
    log = logged(tmp_path / "log", answer("r1"), answer("r2", 1, surface="home"), answer("r3", 2), answer("r4", 3))
    assert log.prune(after(2)) == 2
    assert [[one.request_id for one in log.read(name)] for name in ("default", "home")] == [["r3", "r4"], []]
    assert log.began("default") == after(2)


def test_what_is_older_than_the_newest_goes(tmp_path: Path) -> None:
    """`expire` counts ages from the newest there is, as servers do, so that a log of old data is not emptied."""
    log = logged(tmp_path / "log", answer("r1"), answer("r2", 1, surface="home"), answer("r3", 2), answer("r4", 3))
    assert log.expire((after(3) - after(1)).total_seconds()) == 1
    assert [[one.request_id for one in log.read(name)] for name in ("default", "home")] == [["r3", "r4"], ["r2"]]


def test_before_anything_was_logged(tmp_path: Path) -> None:
    """Without a file there is nothing, and none is made."""
    log = StoredExposures(tmp_path / "log")
    assert (list(log.read("default")), log.began("default"), log.forget("u"), log.prune(START), log.expire(1.0)) == (
        [],
        None,
        0,
        0,
        0,
    )
    assert list(tmp_path.iterdir()) == []
