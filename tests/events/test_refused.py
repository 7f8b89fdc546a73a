"""Events that were refused: kept, bounded, and appended after all."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ratoon.domain.errors import DataError, StoreError
from ratoon.events import RefusedEvents, SqliteEventLog, refused
from tests.fakes.events import START, event

LATER = datetime(2026, 3, 2, tzinfo=UTC)


def test_what_has_become_right_comes_back_once(tmp_path: Path) -> None:
    """A date that was ahead is the present's a day later: it is in the log then, once, and the other keeps today's reason."""
    present, kept = [START], RefusedEvents(tmp_path / "refused")
    with closing(SqliteEventLog(tmp_path / "log", "wall", lambda: present[0])) as log:
        kept.note(event("ahead", event_timestamp=START + timedelta(hours=1), value=2.5, features='{"a": 1}'), "ahead", START)
        kept.note(event("bad", item_id=None), "as it was", START)
        assert [(row["number"], row["event_id"], row["when"]) for row in kept.listed()] == [
            (1, "ahead", START.isoformat()),
            (2, "bad", START.isoformat()),
        ]
        assert kept.replay(log.append) == (0, 2)
        present[0] = LATER
        assert kept.replay(log.append, [1]) == (1, 0)
        assert kept.replay(log.append) == (0, 1)
        (row,) = log.read(0).to_pylist()
        assert (row["event_id"], row["event_timestamp"], row["value"], row["features"]) == (
            "ahead",
            START + timedelta(hours=1),
            2.5,
            '{"a": 1}',
        )
        assert [(row["event_id"], "events[0].item_id" in str(row["reason"])) for row in kept.listed()] == [("bad", True)]
        with pytest.raises(DataError, match="refused event 1: expected the number of a refused event, found no such one"):
            kept.replay(log.append, [1])


def test_what_is_kept_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of too many the oldest go, one that comes again is there once, and a huge one is not kept at all."""
    monkeypatch.setattr(refused, "MOST", 3)
    kept = RefusedEvents(tmp_path / "refused")
    for number in (1, 2, 3, 3, 4):
        kept.note(event(f"e{number}"), "why", START)
    kept.note(event("huge", features="x" * refused.LARGEST), "why", START)
    assert [row["event_id"] for row in kept.listed()] == ["e3", "e4"]


def test_one_person_can_be_forgotten(tmp_path: Path) -> None:
    """Their refused events go, others' stay; where there is no file there is nothing, and none is made."""
    kept = RefusedEvents(tmp_path / "refused")
    assert (kept.listed(), kept.forget("u1")) == ([], 0)
    assert not list(tmp_path.iterdir())
    kept.note(event("a"), "why", START)
    kept.note(event("b", user_id="u2"), "why", START)
    assert (kept.forget("u1", dry_run=True), kept.forget("u1"), kept.forget("u1")) == (1, 1, 0)
    assert [row["event_id"] for row in kept.listed()] == ["b"]


def test_nobody_waits_for_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """While the file is locked, or damaged, an event is not kept, and that is logged; whoever lists it is told."""
    kept = RefusedEvents(tmp_path / "refused")
    kept.note(event("a"), "why", START)
    with closing(sqlite3.connect(tmp_path / "refused", isolation_level=None)) as db:
        db.execute("BEGIN EXCLUSIVE")
        kept.note(event("b"), "why", START)
    assert "a refused event was not kept" in caplog.text
    assert [row["event_id"] for row in kept.listed()] == ["a"]
    (tmp_path / "refused").write_bytes(b"no database at all, and long enough to be one" * 100)
    kept.note(event("c"), "why", START)
    with pytest.raises(StoreError, match="file is not a database"):
        kept.listed()
