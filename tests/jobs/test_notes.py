"""What a process knows of runs while the ledger cannot be used, and what becomes of it."""

import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from ratoon.domain.errors import Conflict
from ratoon.jobs import ledger as ledgers
from ratoon.jobs import notes
from ratoon.jobs.ledger import Ledger
from ratoon.jobs.notes import Notes
from tests.fakes.work import T0, run


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    monkeypatch.setattr(ledgers, "BUSY_SECONDS", 0.05)
    monkeypatch.setattr(notes, "PAUSE", 0.0)
    return Ledger(tmp_path / "jobs.sqlite")


@pytest.fixture
def other(ledger: Ledger) -> Iterator[sqlite3.Connection]:
    """A connection of somebody else to the ledger, which has been written to."""
    ledger.writable()
    db = sqlite3.connect(ledger.path, isolation_level=None)
    yield db
    db.close()


@pytest.mark.parametrize("lock", ["IMMEDIATE", "EXCLUSIVE"])
def test_what_happened_meanwhile_is_written_later(ledger: Ledger, other: sqlite3.Connection, lock: str) -> None:
    """A run without a claim is known to its own process, and to all once the lock is gone: once, with how it began."""
    own = Notes(ledger)
    other.execute(f"BEGIN {lock}")
    begun = own.claim(run(id=0), T0)
    assert (begun.id, begun.status, begun.lease) == (0, "running", T0 + ledger.lease)
    assert own.of_job("learn") == own.newest(5) == [begun]
    assert own.beat(begun, T0 + timedelta(seconds=9)).lease == T0 + timedelta(seconds=9) + ledger.lease
    done = own.finish(run(id=0, reason="two events"))
    own.alarm("learn: failed", "words", T0, told=True)
    own.recovered("never there")
    assert own.of_job("learn") == [done]
    assert own.alarms() == {"learn: failed": ("words", T0, True)}
    assert "database is locked" in own.trouble
    other.execute("ROLLBACK")
    own.settle()
    assert own.trouble == "" or lock == "EXCLUSIVE"
    assert [(one.id, one.reason) for one in ledger.newest(5)] == [
        (1, "two events (it began without a claim: the ledger could not be used)")
    ]
    assert own.newest(5) == ledger.newest(5)
    assert own.trouble == ""
    assert own.alarms() == ledger.alarms() == {"learn: failed": ("words", T0, True)}


def test_an_end_that_could_not_be_written_is_known(ledger: Ledger, other: sqlite3.Connection) -> None:
    """A claimed run whose end meets a lock is over for its process, and its own row says so later."""
    own = Notes(ledger)
    begun = own.claim(run(id=0), T0)
    other.execute("BEGIN IMMEDIATE")
    own.finish(run(id=begun.id))
    assert [one.status for one in own.of_job("learn")] == ["ok"]
    assert [one.status for one in ledger.of_job("learn")] == ["running"]
    other.execute("ROLLBACK")
    own.settle()
    assert [(one.id, one.status) for one in ledger.of_job("learn")] == [(begun.id, "ok")]


def test_one_process_keeps_its_lanes(ledger: Ledger, other: sqlite3.Connection) -> None:
    """Without the ledger, too, one lane has one run, until it ends or nobody has looked after it for its lease."""
    own = Notes(ledger)
    other.execute("BEGIN EXCLUSIVE")
    begun = own.claim(run(id=0), T0)
    with pytest.raises(Conflict, match="nobody at work on releases of default, found a run of job 'learn' by this process"):
        own.claim(run(id=0, job="anew"), T0)
    assert own.claim(run(id=0, job="fill", lane="online store"), T0).status == "running"
    own.finish(begun)
    assert own.claim(run(id=0, job="anew"), T0).job == "anew"
    assert own.claim(run(id=0, job="more"), T0 + ledger.lease).job == "more"


def test_who_has_the_lane_is_no_trouble(ledger: Ledger) -> None:
    """Another process's claim is a conflict still, and nothing runs beside it."""
    Notes(ledger).claim(run(id=0), T0)
    with pytest.raises(Conflict, match="found run 1 of job 'learn'"):
        Notes(ledger).claim(run(id=0, attempt=2), T0)


def test_a_damaged_ledger_is_trouble_too(ledger: Ledger) -> None:
    """What is no database is said to be unusable, and nothing waits for it."""
    ledger.path.write_bytes(b"not a database" * 100)
    own = Notes(ledger)
    assert own.newest(5) == []
    assert own.claim(run(id=0), T0).id == 0
    assert own.probe() == "the ledger of runs cannot be written to (file is not a database)"
