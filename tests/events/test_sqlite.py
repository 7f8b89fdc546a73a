"""The SQLite event log, beyond what every log promises."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from ratoon.domain.errors import DataError, StoreError
from ratoon.events import Limits, SqliteEventLog
from ratoon.events.connection import INDEXES
from ratoon.events.tail import ENDS
from tests.fakes.events import START, at, batch, event

US = timedelta(microseconds=1)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SqliteEventLog]:
    opened = SqliteEventLog(tmp_path / "state" / "events.sqlite", "log", lambda: START, recent=3)
    yield opened
    opened.close()


def test_history_arrives_when_it_happened(log: SqliteEventLog) -> None:
    """Backfilled events are dated by their own times, an event out of order one microsecond after its predecessor."""
    events = [event("a", event_timestamp=at(5)), event("b", event_timestamp=at(9)), event("c", event_timestamp=at(7))]
    assert log.append(batch(*events), backfill=True).column("created_timestamp").to_pylist() == [at(5), at(9), at(9) + US]


def test_loading_is_one_backfill(log: SqliteEventLog, tmp_path: Path) -> None:
    """Batches loaded into an empty log, and more into a full one, leave what one backfill of them all leaves."""
    first = [event("a", event_timestamp=at(5)), event("b", event_timestamp=at(9))]
    second = [event("c", event_timestamp=at(9), user_id="u2"), event("d", kind="item", user_id=None, event_timestamp=at(20))]
    assert log.load([batch(*first), batch(*second)]) == 4
    assert log.load([batch(*second), batch(event("e", event_timestamp=at(21)))]) == 1
    other = SqliteEventLog(tmp_path / "other.sqlite", "log", lambda: START)
    other.append(batch(*first, *second, event("e", event_timestamp=at(21))), backfill=True)
    assert log.read(0).equals(other.read(0))
    assert (log.seen("u2"), log.now()) == (other.seen("u2"), other.now())
    other.close()
    with sqlite3.connect(tmp_path / "state" / "events.sqlite") as db:
        names = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'index'")}
    db.close()
    assert names == set(INDEXES)


@pytest.mark.parametrize("known", [[], ["x"]])
def test_loading_is_all_or_nothing(log: SqliteEventLog, known: list[str]) -> None:
    """If the third batch is bad, nothing of the first two stays, and the log goes on as before."""
    log.append(batch(*map(event, known)))

    def batches() -> Iterator[pa.Table]:
        yield batch(event("a"))
        yield batch(event("b"))
        yield batch(event("c", item_id=None))

    with pytest.raises(DataError, match=r"events\[0\]\.item_id: expected a value"):
        log.load(batches())
    assert log.end() == len(known)
    assert log.append(batch(event("a"), event("a"))).num_rows == 1


def test_one_id_twice_is_not_loaded(log: SqliteEventLog) -> None:
    """Two events with one id in what fills an empty log are an error, and nothing is stored."""
    with pytest.raises(DataError, match=r"events\.event_id: expected another id for each event, found 'a' twice.*; nothing was"):
        log.load([batch(event("a")), batch(event("a", item_id="i2"))])
    assert (log.end(), log.append(batch(event("a"))).num_rows) == (0, 1)


def test_unknown_events_are_those_not_in_the_log(log: SqliteEventLog) -> None:
    """Asked which of some events it has not, the log answers with each of them once."""
    log.append(batch(event("a"), event("b")))
    assert log.unknown(batch(event("b"), event("c"), event("c"), event("d"))).column("event_id").to_pylist() == ["c", "d"]


def test_an_empty_log_lives_in_1970(log: SqliteEventLog) -> None:
    """Before the first event a clock made of event times stands at the epoch, and every question has an empty answer."""
    assert log.now() == datetime(1970, 1, 1, tzinfo=UTC)
    assert (log.end(), log.read(0).num_rows, log.seen("u1"), log.catalogue(9), log.popular(9)) == (0, 0, [], [], [])


def test_an_empty_batch_changes_nothing(log: SqliteEventLog) -> None:
    """Appending no events is allowed."""
    assert (log.append(batch()).num_rows, log.end()) == (0, 0)


def test_a_duplicate_does_not_move_the_clock(log: SqliteEventLog) -> None:
    """A second event with a known id changes nothing, not even now."""
    log.append(batch(event("a")))
    assert log.append(batch(event("a", event_timestamp=at(99), item_id="other"))).num_rows == 0
    assert (log.now(), log.seen("u1")) == (START, ["i1"])


def test_popularity_follows_another_process(log: SqliteEventLog, tmp_path: Path) -> None:
    """What another connection appends is counted at the next question, though answers are remembered."""
    log.append(batch(event("a"), event("b", item_id="i2")))
    assert log.popular(5) == log.popular(5) == [("i1", 1), ("i2", 1)]
    other = SqliteEventLog(tmp_path / "state" / "events.sqlite", "log", lambda: START)
    other.append(batch(event("c", item_id="i2"), event("d", item_id="i2")))
    other.close()
    assert log.popular(5) == [("i2", 3)]


def test_many_ids_have_one_order(log: SqliteEventLog) -> None:
    """The histories of more users than one statement takes come back in one order by id."""
    users = [f"u{number}" for number in range(2_000)]
    log.append(batch(*(event(f"e{user}", user_id=user) for user in users)))
    assert log.history("user", [*users, *users]).column("user_id").to_pylist() == sorted(users)


def test_threads_share_one_log(log: SqliteEventLog) -> None:
    """Readers and writers in several threads see whole batches and lose nothing."""
    halves: list[int] = []

    def write(first: int) -> None:
        for number in range(first, first + 20, 2):
            log.append(batch(event(f"e{number}"), event(f"e{number + 1}")))
            halves.append(log.read(0).num_rows % 2)

    threads = [threading.Thread(target=write, args=(first,)) for first in (0, 100, 200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (log.end(), set(halves)) == (60, {0})


def test_check_counts_or_complains(log: SqliteEventLog, tmp_path: Path) -> None:
    """A sound file is `ok` with its count; a damaged one is reported, not passed over."""
    log.append(batch(*(event(f"e{number}", features='{"a": 1}') for number in range(500))))
    assert log.check() == "ok, 500 events"
    log.settle()
    assert log.check() == "ok, 500 events"
    log.close()
    path = tmp_path / "state" / "events.sqlite"
    whole = bytearray(path.read_bytes())
    for page in range(4096 * 8, len(whole), 4096):
        whole[page : page + 200] = b"\x5a" * 200
    path.write_bytes(whole)
    try:  # SQLite may notice before it is asked
        with closing(SqliteEventLog(path, "log", lambda: START)) as damaged:
            found = damaged.check()
    except StoreError as complaint:
        found = str(complaint)
    assert "malformed" in found or found.startswith("damaged: ")


QUESTIONS: dict[str, Callable[[SqliteEventLog], object]] = {
    "end": lambda log: log.end(),
    "now": lambda log: log.now(),
    "read": lambda log: log.read(5, 9),
    "seen": lambda log: log.seen("u1", 9),
    "seen by": lambda log: log.seen_by(["u1", "u2"], [9, 5]),
    "recent": lambda log: log.recent(9, 5),
    "user": lambda log: log.history("user", ["u1", "u2"]),
    "item": lambda log: log.history("item", ["i1"], 9),
    "catalogue": lambda log: log.catalogue(9),
    "removed": lambda log: log.removed(5),
    "posted": lambda log: log.posted(5),
    "popular": lambda log: log.popular(5),
    "seen of types": lambda log: log.seen("u1", 9, ["click", "watch"]),
    "seen by of types": lambda log: log.seen_by([f"u{n}" for n in range(900)], [9] * 900, ["click", "watch"]),
    "recent of types": lambda log: log.recent(9, 5, (), ["click", "watch"]),
    "and all but one": lambda log: log.recent(9, 5, [3], ["click", "watch"]),
}


@pytest.fixture
def served(tmp_path: Path) -> Iterator[SqliteEventLog]:
    """A log as a server has it, which takes what indexes alone say."""
    opened = SqliteEventLog(tmp_path / "state" / "served.sqlite", "log", lambda: START, recent=3, checked=False)
    yield opened
    opened.close()


def planned(log: SqliteEventLog, question: Callable[[SqliteEventLog], object]) -> list[list[str]]:
    """How SQLite goes about each statement of a question, besides following the tail."""
    db, asked = log._reader._db, list[str]()
    db.set_trace_callback(asked.append)
    question(log)
    db.set_trace_callback(None)
    own = [said for said in asked if said not in ("BEGIN", "COMMIT", ENDS, "PRAGMA data_version")]
    return [[str(step[3]) for step in db.execute(f"EXPLAIN QUERY PLAN {said}")] for said in own]


@pytest.mark.parametrize("name", QUESTIONS)
@pytest.mark.parametrize("whose", ["log", "served"])
def test_no_question_reads_the_whole_table(name: str, whose: str, request: pytest.FixtureRequest) -> None:
    """Each question is answered from an index or a range of offsets, so that its cost follows its answer; checked or not."""
    plans = [step for asked in planned(request.getfixturevalue(whose), QUESTIONS[name]) for step in asked]
    assert plans
    # What the file keeps of each item, the offsets that are asked for, what a part of the question has found, and the newest.
    small = ("items", "told", "json_each", "odd", "late", "logged", "gone", "(", "tail", "CONSTANT ROW", "noted")
    scanned = [step.removeprefix("SCAN ") for step in plans if step.startswith("SCAN") and "USING" not in step]
    assert [one for one in scanned if not one.startswith(small)] == []


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("seen of types", "of_user"),
        ("seen by of types", "of_user"),
        ("recent of types", "of_type"),
        ("and all but one", "of_type"),
    ],
)
def test_what_counts_is_found_past_what_does_not(served: SqliteEventLog, name: str, index: str) -> None:
    """What a user has had is read from the user's own rows, and the newest of a rare type from those of that type alone."""
    plan = [step for step in planned(served, QUESTIONS[name])[-1] if step.startswith(("SEARCH", "SCAN"))]
    searched = [step for step in plan if step.startswith("SEARCH")]
    assert searched[0].startswith(f"SEARCH main.events USING INDEX {index} (")
    assert searched[1].startswith(f"SEARCH temp.newest USING INDEX newest_{index} (")


@pytest.mark.parametrize("every", [1, 3, 100])
def test_the_catalogue_follows_deletions_and_files_of_earlier_days(tmp_path: Path, every: int) -> None:
    """However seldom the file notes what is said of each item; it is noted again where it was not, or events were deleted."""
    path, limits = tmp_path / "log", Limits(settle_every=every)
    said = [
        ("i1", "interaction"),
        ("i2", "item"),
        ("i2", "remove"),
        ("i3", "interaction"),
        ("i2", "interaction"),
        ("i3", "remove"),
    ]
    events = [event(f"e{n}", kind=kind, item_id=item) for n, (item, kind) in enumerate(said)]
    with closing(SqliteEventLog(path, "log", lambda: START, limits=limits)) as log:
        for row in events:
            log.append(batch(row))
        assert [log.catalogue(upto) for upto in range(7)] == [
            [],
            ["i1"],
            ["i1", "i2"],
            ["i1"],
            ["i1", "i3"],
            ["i1", "i3"],
            ["i1"],
        ]
        assert log.catalogue(6, [1, 6]) == ["i3"]
        log.settle()
    with closing(sqlite3.connect(path)) as db, db:
        for gone in ("TRIGGER items_forgotten", "TABLE items", "TABLE told"):
            db.execute(f"DROP {gone}")
    with closing(SqliteEventLog(path, "log", lambda: START, limits=limits)) as log:
        assert log.catalogue(6) == ["i1"]
        log.append(batch(event("more", item_id="i4")))
        assert log.catalogue(7) == ["i1", "i4"]
        log.settle()
    with closing(sqlite3.connect(path)) as db, db:
        db.execute('DELETE FROM events WHERE "offset" IN (1, 3)')
    with closing(SqliteEventLog(path, "log", lambda: START, limits=limits)) as log:
        assert log.catalogue(7) == ["i2", "i4"]
    with closing(sqlite3.connect(path)) as db, db:
        db.execute('DELETE FROM events WHERE "offset" = 7')
    (tmp_path / "log-end").unlink()  # which says that there were seven
    with closing(SqliteEventLog(path, "log", lambda: START, limits=limits)) as log:
        log.append(batch(event("at the offset of what is gone", item_id="i5")))
        assert log.catalogue(7) == ["i2", "i5"]


def test_events_are_found_by_their_ids(log: SqliteEventLog) -> None:
    """Those of some ids that it has come as the log has them, however many are asked for; unknown ids say nothing."""
    log.append(batch(*(event(f"e{number}", item_id=f"i{number}") for number in range(3_000))))
    everything = log.read(0)
    assert log.known([]).num_rows == log.known(["nobody"]).num_rows == 0
    found = log.known([f"e{number}" for number in range(0, 6_000, 2)])
    assert found.schema == everything.schema
    expected = everything.filter(pa.array([number % 2 == 0 for number in range(3_000)]))
    assert found.sort_by("offset").equals(expected)
