"""Batches that wait for the disk together."""

import shutil
import threading
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from ratoon.domain.errors import DataError, Overloaded, StoreError
from ratoon.events import Limits, SqliteEventLog
from ratoon.events.turns import Ticket, Turns, fitting
from tests.fakes.events import START, batch, event


def test_a_wrong_batch_does_not_keep_others_out() -> None:
    """Of batches that come together the wrong one is refused by its own place, and the others go on."""
    tickets = [Ticket(batch(event(name, item_id=item)), False) for name, item in (("a", "i"), ("b", None), ("c", "i"))]
    assert fitting(tickets, None) == [tickets[0], tickets[2]]
    assert isinstance(tickets[1].wrong, DataError)
    assert "events[0].item_id" in str(tickets[1].wrong)


def test_what_waits_is_bounded_and_shares_a_turn() -> None:
    """While a turn takes its time others wait, up to the bound; who comes then is refused, and those who waited share a turn."""
    begun, go, turns_had = threading.Event(), threading.Event(), list[int]()

    def work(tickets: list[Ticket]) -> None:
        turns_had.append(len(tickets))
        begun.set()
        go.wait(20)
        for one in tickets:
            one.logged = one.events

    turns = Turns(work, rows=2, size=2**20)  # type: ignore[arg-type]  # a list is what it gets
    answers: list[int] = []
    threads = [
        threading.Thread(target=lambda: answers.append(turns.do(Ticket(batch(event("e")), False)).num_rows)) for _ in range(3)
    ]
    threads[0].start()
    begun.wait(20)
    for thread in threads[1:]:
        thread.start()
    while turns._waiting_rows < 2:
        threading.Event().wait(0.001)
    with pytest.raises(Overloaded, match="expected at most 2 events .* nothing of them was stored"):
        turns.do(Ticket(batch(event("e")), False))
    go.set()
    for thread in threads:
        thread.join()
    assert (answers, turns_had) == ([1, 1, 1], [1, 2])


def test_a_disk_that_is_nearly_full_takes_nothing(tmp_path: Path) -> None:
    """With less free than is to stay free, a batch is refused, nothing of it is there, and reading goes on."""
    with closing(SqliteEventLog(tmp_path / "log", "log", lambda: START, limits=Limits(spare=2**60))) as log:
        with pytest.raises(Overloaded, match=r"expected .* MiB free on its disk \(\[events\] spare_mb\)"):
            log.append(batch(event("a")))
        assert (log.end(), log.seen("u1")) == (0, [])


@pytest.mark.parametrize("settled", [False, True])
def test_a_flipped_byte_is_said(tmp_path: Path, settled: bool) -> None:
    """One other letter in one event, which SQLite takes for sound, is found by whoever reads it, and by the check."""
    path = tmp_path / "log"
    with closing(SqliteEventLog(path, "log", lambda: START)) as log:
        log.append(batch(*(event(f"e{number}", features=f'{{"told": "word {number}"}}') for number in range(50))))
        if settled:
            log.settle()
    whole = path.read_bytes()
    assert whole.count(b'"word 33"') == 1
    path.write_bytes(whole.replace(b'"word 33"', b'"work 33"'))
    with closing(SqliteEventLog(path, "log", lambda: START)) as log:
        with pytest.raises(StoreError, match="expected event 34 as it was acknowledged, found another, by its checksum"):
            log.read(0)
        assert log.check().startswith("damaged: ")


def test_a_cut_log_is_said(tmp_path: Path) -> None:
    """A flipped byte in the write-ahead log makes SQLite forget what follows: the log does not open as if that had not been."""
    log = SqliteEventLog(tmp_path / "log", "log", lambda: START)
    log.append(batch(event("a")))
    log.append(batch(event("b")))
    for name in ("log", "log-wal", "log-end"):  # as a process leaves them that is killed
        shutil.copy(tmp_path / name, tmp_path / name.replace("log", "copy"))
    log.close()
    ahead = tmp_path / "copy-wal"
    flipped = bytearray(ahead.read_bytes())
    flipped[-2000] ^= 1
    ahead.write_bytes(flipped)
    with pytest.raises(StoreError, match="expected the events up to offset 2, which were acknowledged, found 1 events"):
        SqliteEventLog(tmp_path / "copy", "log", lambda: START)


def test_a_clock_that_goes_back_doubles_no_arrival(tmp_path: Path) -> None:
    """When the machine's clock goes back an hour, what arrives then still arrives after what was there."""
    present = [START]
    with closing(SqliteEventLog(tmp_path / "log", "wall", lambda: present[0])) as log:
        log.append(batch(event("a")))
        present[0] -= timedelta(hours=1)
        log.append(batch(event("b", event_timestamp=present[0])))
        assert log.read(0).column("created_timestamp").to_pylist() == [START, START + timedelta(microseconds=1)]


def test_whoever_is_done_is_back_before_the_turn_after_the_next() -> None:
    """Threads that come again and again share turns: with eight of them there are far fewer turns than batches."""
    turns_had = list[int]()

    def work(tickets: list[Ticket]) -> None:
        turns_had.append(len(tickets))
        threading.Event().wait(0.002)
        for one in tickets:
            one.logged = one.events

    turns = Turns(work, rows=1000, size=2**20)  # type: ignore[arg-type]  # a list is what it gets

    def come() -> None:
        for _ in range(20):
            turns.do(Ticket(batch(event("e")), False))

    threads = [threading.Thread(target=come) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(turns_had) == 160
    assert len(turns_had) < 80


def test_somebody_who_was_interrupted_leaves_the_turn_to_others() -> None:
    """Interrupted while they wait, or just when it is their turn, their batch is gone from the queue and the next one works."""
    begun, go, done = threading.Event(), threading.Event(), list[str]()

    def work(tickets: list[Ticket]) -> None:
        begun.set()
        go.wait(20)
        for one in tickets:
            one.logged = one.events

    class Interrupted(Ticket):
        def wait(self) -> None:
            super().wait()
            raise KeyboardInterrupt

    turns = Turns(work, rows=1000, size=2**20)  # type: ignore[arg-type]  # a list is what it gets

    def come(kind: type[Ticket]) -> None:
        try:
            turns.do(kind(batch(event("e")), False))
            done.append("done")
        except KeyboardInterrupt:
            done.append("interrupted")

    threads = [threading.Thread(target=come, args=(kind,)) for kind in (Ticket, Interrupted, Ticket)]
    for number, thread in enumerate(threads):
        thread.start()
        begun.wait(20)
        while turns._waiting_rows < number:
            threading.Event().wait(0.001)
    go.set()
    for thread in threads:
        thread.join(20)
    assert sorted(done) == ["done", "done", "interrupted"]
    assert turns.do(Ticket(batch(event("e")), False)).num_rows == 1
    assert turns._waiting_rows == turns._waiting_size == 0
