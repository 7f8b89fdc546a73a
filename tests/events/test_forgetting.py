"""A person's events are emptied where they stand: everybody else's log is what it was."""

from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pyarrow.compute as pc
import pytest

from ratoon.events import SqliteEventLog
from ratoon.events.forgetting import FORGOTTEN, events_of, forget
from tests.fakes import processes
from tests.fakes.events import START, at, batch, event


def written(path: Path) -> SqliteEventLog:
    log = SqliteEventLog(path, "log", lambda: START)
    told = [
        event(f"e{place}", user_id=f"u{place % 3}", item_id=f"i{place % 5}", event_timestamp=at(place)) for place in range(30)
    ]
    log.append(batch(*told, event("p", kind="user", user_id="u1", item_id=None, features="{}", event_timestamp=at(40))))
    return log


def test_offsets_and_everybody_else_stay(tmp_path: Path) -> None:
    """Other rows are equal, offsets and arrivals have no gap, the log's clock stands, and one row at the end tells of it."""
    with closing(written(tmp_path / "log")) as log:
        before, now, alive = log.read(0), log.now(), log.catalogue(log.end())
        assert [offset for offset, _ in events_of(tmp_path / "log", "u1")] == [*range(2, 31, 3), 31]
        assert forget(tmp_path / "log", "u1", START) == 11
        after = log.read(0)
        assert after.num_rows == before.num_rows + 1
        assert after.column("offset").to_pylist() == list(range(1, 33))
        others = pc.not_equal(before.column("user_id"), "u1")
        assert after.slice(0, 31).filter(others).equals(before.filter(others))
        gone = after.filter(pc.equal(after.column("kind"), FORGOTTEN))
        assert gone.column("offset").to_pylist() == [*range(2, 31, 3), 31, 32]
        assert {name for name in gone.column_names if gone.column(name).null_count < gone.num_rows} == {
            "event_id",
            "kind",
            "event_timestamp",
            "created_timestamp",
            "offset",
        }
        assert (log.now(), log.catalogue(log.end())) == (now, alive)
        assert events_of(tmp_path / "log", "u1") == []
        assert forget(tmp_path / "log", "u1", START) == 0
        assert log.end() == 32


def test_the_row_that_tells_arrives_last(tmp_path: Path) -> None:
    """It arrives after all others and not before now, and what is posted then arrives after it."""
    with closing(written(tmp_path / "log")) as log:
        later = START + timedelta(days=2)
        forget(tmp_path / "log", "u1", later)
        assert log.read(31).column("created_timestamp").to_pylist() == [later]
        log.append(batch(event("next", event_timestamp=at(50))))
        assert log.read(32).column("created_timestamp").to_pylist()[0] > later


def test_what_is_remembered_of_users_is_looked_for_again(tmp_path: Path) -> None:
    """A log that knew what they had had knows it no more, and still knows it of others; they may come back."""
    with closing(written(tmp_path / "log")) as log:
        had = {user: log.seen(user) for user in ("u0", "u1")}
        assert all(had.values())
        forget(tmp_path / "log", "u1", START)
        assert (log.seen("u0"), log.seen("u1")) == (had["u0"], [])
        log.append(batch(event("back", user_id="u1", item_id="i4", event_timestamp=at(60))))
        assert log.seen("u1") == ["i4"]


@pytest.mark.parametrize("after", [False, True])
def test_killed_all_or_none(tmp_path: Path, after: bool) -> None:
    """Killed before the commit, everything stands; there is nothing in between."""
    written(tmp_path / "log").close()
    fault = "" if after else "events.forgetting"
    assert processes.run(lambda: forget(tmp_path / "log", "u1", START), fault) == (processes.DONE if after else processes.KILLED)
    assert len(events_of(tmp_path / "log", "u1")) == (0 if after else 11)


def test_where_there_is_no_log(tmp_path: Path) -> None:
    """Nothing is forgotten and no file is made."""
    assert (events_of(tmp_path / "log", "u1"), forget(tmp_path / "log", "u1", START)) == ([], 0)
    assert not list(tmp_path.iterdir())
