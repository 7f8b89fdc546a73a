"""The ledger: one run in a lane, attempts in order, leases that run out, and a file that may be deleted."""

import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest

from ratoon.domain.errors import Conflict, StoreError
from ratoon.jobs.ledger import Ledger
from tests.fakes.work import T0, run

SECOND = timedelta(seconds=1)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "new" / "jobs.sqlite", lease=30.0)


def test_what_is_written_is_read(ledger: Ledger) -> None:
    """A run comes back with every field it was finished with."""
    begun = ledger.claim(run(id=0), T0)
    done = ledger.finish(run(id=begun.id, window=(3, 9), figures={"drift": 0.5}, stderr="ü", max_rss=2**40, record=7))
    assert ledger.get(begun.id) == done
    assert ledger.of_job("learn") == ledger.newest(5) == [done]
    assert ledger.get(99) is None


def test_a_slot_is_begun_once(ledger: Ledger) -> None:
    """The second to begin an attempt at a slot is told who has, running or over; the next attempt is free."""
    first = ledger.claim(run(id=0), T0)
    with pytest.raises(
        Conflict, match=r"nobody at work on releases of default, found run 1 of job 'learn' by host:1 \(running\)"
    ):
        ledger.claim(run(id=0, job="other", slot="else"), T0)
    ledger.finish(run(id=first.id, status="failed"))
    with pytest.raises(Conflict, match="nobody at work on slot 2026-03-01T12:00:00"):
        ledger.claim(run(id=0), T0)
    assert ledger.claim(run(id=0, attempt=2), T0).id == 2


def test_a_lease_runs_out(ledger: Ledger) -> None:
    """A run that nobody has heard of is lost for the next who wants its lane; a heartbeat keeps it."""
    first = ledger.claim(run(id=0), T0)
    first = ledger.beat(first, T0 + 20 * SECOND)
    with pytest.raises(Conflict):
        ledger.claim(run(id=0, attempt=2), T0 + 49 * SECOND)
    ledger.claim(run(id=0, attempt=2), T0 + 50 * SECOND)
    lost = ledger.get(first.id)
    assert lost is not None
    assert (lost.status, lost.reason) == ("lost", "nobody heard of it while its lease ran out")


def test_a_lease_from_the_future_binds_nobody(ledger: Ledger) -> None:
    """When the clock went back by an hour, a dead run does not hold its lane for that hour."""
    ledger.claim(run(id=0), T0)
    assert ledger.claim(run(id=0, attempt=2), T0 - timedelta(hours=1)).id == 2


def test_who_comes_late_says_so(ledger: Ledger) -> None:
    """A run that goes on after it was taken for lost is written down as what it was, with that."""
    first = ledger.claim(run(id=0), T0)
    ledger.claim(run(id=0, attempt=2), T0 + 40 * SECOND)
    late = ledger.finish(run(id=first.id, status="failed", reason="lost the race"))
    assert (late.id, late.reason) == (first.id, "lost the race (it went on after its lease had run out)")


def test_a_deleted_ledger_is_made_again(ledger: Ledger) -> None:
    """Under a run's feet, too: its end is written into the new file, and no other run's row is overwritten."""
    first = ledger.claim(run(id=0), T0)
    ledger.path.unlink()
    ledger.beat(first, T0)
    other = ledger.claim(run(id=0, job="fill", lane="online store", owner="host:2"), T0)
    assert other.id == first.id
    done = ledger.finish(run(id=first.id, reason="went on"))
    assert {one.id: one.job for one in ledger.newest(9)} == {other.id: "fill", done.id: "learn"}


def test_a_damaged_ledger_says_what_to_do(ledger: Ledger) -> None:
    """A file that is no database is an error that tells to delete it."""
    ledger.path.parent.mkdir()
    ledger.path.write_bytes(b"not a database" * 100)
    with pytest.raises(StoreError, match=r"found file is not a database. End whoever holds it, or delete it"):
        ledger.newest(1)


def test_alarms_are_kept_until_they_are_over(ledger: Ledger) -> None:
    """What is wrong is there once, with the newest that was said of it, for people to read in the file, too."""
    ledger.alarm("learn: failed", "first", T0, told=False)
    ledger.alarm("learn: failed", "then", T0, told=True)
    assert ledger.alarms() == {"learn: failed": ("then", T0, True)}
    db = sqlite3.connect(ledger.path)
    assert db.execute("SELECT key FROM alarms").fetchall() == [("learn: failed",)]
    db.close()
    ledger.recovered("learn: failed")
    assert ledger.alarms() == {}


def test_a_file_from_before_grows(ledger: Ledger) -> None:
    """One that lacks what is kept of runs since is read and written all the same, and what was in it is there still."""
    before = ledger.finish(run(id=0, reason="from before"))
    with sqlite3.connect(ledger.path) as db:
        for column in ("cost", "parent"):
            db.execute(f"ALTER TABLE runs DROP COLUMN {column}")
    assert ledger.newest(5) == [before]
    after = ledger.finish(run(id=0, cost=0.25, parent="abc"))
    assert ledger.newest(5) == [after, before]


def test_runs_are_found_by_their_release(ledger: Ledger) -> None:
    """By the beginning of its id, newest first; signs that mean something to SQL mean nothing here."""
    made = [ledger.finish(run(id=0, release=release)) for release in ("abc1", "abd2", "abc1")]
    assert ledger.of_release("abc") == [made[2], made[0]]
    assert ledger.of_release("ab_") == ledger.of_release("%") == []


def test_a_name_is_taken_out_of_what_went_wrong(ledger: Ledger) -> None:
    """Complaints and alarms with it as a word lose their text; runs that went well, and words that begin so, keep theirs."""
    bad = ledger.finish(run(id=0, status="failed", reason="user 'u1' is odd", stderr="u1"))
    other = ledger.finish(run(id=0, status="failed", reason="u12 is odd", stderr="u12"))
    good = ledger.finish(run(id=0, reason="u1 events"))
    ledger.alarm("learn: failed", "run 1 failed: u1", T0, told=True)
    assert ledger.forget("u1") == 2
    assert ledger.newest(5)[:2] == [good, other]
    left = ledger.get(bad.id)
    assert left is not None
    assert (left.reason, left.stderr) == (ledger.alarms()["learn: failed"][0], "") == ("it named somebody who was forgotten", "")
    assert Ledger(ledger.path.parent / "none.sqlite").forget("u1") == 0
    assert not (ledger.path.parent / "none.sqlite").exists()
