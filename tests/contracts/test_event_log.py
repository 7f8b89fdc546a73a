"""What every event log promises, checked against a plain list."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from ratoon.domain.errors import DataError
from ratoon.domain.event import LOG_SCHEMA
from ratoon.domain.labels import Types
from ratoon.domain.schema import Entity
from tests.fakes.events import START, at, batch, event
from tests.fakes.logs import LOGS, RECENT, STREAM, Clock, ClosableLog, Opener
from tests.fakes.processes import DONE, KILLED, end, run, start
from tests.fakes.valkey import valkey


@pytest.fixture(scope="module", autouse=True)
def _stream() -> Iterator[None]:
    """A server that loses nothing, with a database for each log."""
    with valkey(appendonly="yes", appendfsync="always", databases=200) as url, pytest.MonkeyPatch.context() as patch:
        patch.setenv(STREAM, url)
        yield


Row = dict[str, Any]
US = timedelta(microseconds=1)

rows = st.fixed_dictionaries(
    {
        "event_id": st.integers(0, 40).map("e{}".format),
        "kind": st.sampled_from(["interaction", "interaction", "interaction", "user", "item", "remove"]),
        "user_id": st.sampled_from(["u1", "u2", "ü3"]),
        "item_id": st.sampled_from(["i1", "i2", "i3", "i/4"]),
        "event_timestamp": st.integers(0, 60).map(at),
        "features": st.sampled_from([None, "{}", '{"genres": ["a", "b"]}']),
        "value": st.sampled_from([None, 4.5]),
        "type": st.sampled_from([None, "click", "impression", 'a "view"']),
    }
)
counting = st.none() | st.lists(st.sampled_from(["click", 'a "view"', "never"]), max_size=3)


class LogMachine(RuleBasedStateMachine):
    """Appends at random and asks everything; the model is the list of rows that were acknowledged."""

    opener: Opener
    clock: Clock

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.present = START
        self.log = self.open()
        self.rows: list[Row] = []

    def open(self) -> ClosableLog:
        return type(self).opener(Path(self.folder.name), self.clock, lambda: self.present)

    def teardown(self) -> None:
        self.log.close()
        self.folder.cleanup()

    @rule(seconds=st.integers(-2, 3))
    def time_passes(self, seconds: int) -> None:
        self.present += timedelta(seconds=seconds)

    @rule(new=st.lists(rows, max_size=8))
    def append(self, new: list[Row]) -> None:
        answer = self.log.append(batch(*new)).to_pylist()
        expected = []
        for row in new:
            if row["event_id"] not in {old["event_id"] for old in self.rows}:
                self.rows.append(self.logged(row))
                expected.append(self.rows[-1])
        assert answer == expected

    def logged(self, row: Row) -> Row:
        arrival = self.present if self.clock == "wall" else max([row["event_timestamp"], self.newest()])
        if self.rows:
            arrival = max(arrival, self.rows[-1]["created_timestamp"] + US)
        whole = dict.fromkeys(LOG_SCHEMA.names) | row
        return whole | {"created_timestamp": arrival, "offset": len(self.rows) + 1}

    def newest(self) -> datetime:
        return max((row["event_timestamp"] for row in self.rows), default=datetime(1970, 1, 1, tzinfo=UTC))

    @precondition(lambda self: self.rows)
    @rule(new=st.lists(rows, max_size=3))
    def append_with_one_bad(self, new: list[Row]) -> None:
        bad = {**event("bad"), "item_id": None}
        with pytest.raises(DataError, match=rf"events\[{len(new)}\]\.item_id"):
            self.log.append(batch(*new, bad))

    @rule()
    def reopen(self) -> None:
        self.log.close()
        self.log = self.open()

    @invariant()
    def end_and_now(self) -> None:
        assert self.log.end() == len(self.rows)
        assert self.log.now() == (self.present if self.clock == "wall" else self.newest())

    @rule(after=st.integers(0, 30), upto=st.none() | st.integers(1, 30))
    def read(self, after: int, upto: int | None) -> None:
        answer = self.log.read(after, upto)
        assert answer.schema == LOG_SCHEMA
        assert answer.to_pylist() == [row for row in self.rows if after < row["offset"] <= (upto or 10**9)]

    @rule(
        entity=st.sampled_from(["user", "item"]),
        ids=st.lists(st.sampled_from(["u1", "ü3", "i1", "i/4", "nobody"]), max_size=3),
        upto=st.none() | st.integers(1, 30),
        after=st.integers(0, 30),
    )
    def history(self, entity: Entity, ids: list[str], upto: int | None, after: int) -> None:
        key = f"{entity}_id"
        mine = [row for row in self.rows if row[key] in ids and after < row["offset"] <= (upto or 10**9)]
        expected = sorted(mine, key=lambda row: (row[key], row["event_timestamp"], row["event_id"]))
        assert self.log.history(entity, ids, upto, after).to_pylist() == expected

    @rule(user=st.sampled_from(["u1", "u2", "nobody"]), before=st.none() | st.integers(1, 30), types=counting)
    def seen(self, user: str, before: int | None, types: Types) -> None:
        mine = [row["item_id"] for row in self.counted(types) if row["user_id"] == user and row["offset"] < (before or 10**9)]
        assert self.log.seen(user, before, types) == list(dict.fromkeys(mine))

    @rule(asked=st.lists(st.tuples(st.sampled_from(["u1", "u2", "nobody"]), st.integers(0, 30)), max_size=5), types=counting)
    def seen_by(self, asked: list[tuple[str, int]], types: Types) -> None:
        users, before = [user for user, _ in asked], [offset for _, offset in asked]
        assert self.log.seen_by(users, before, types) == [self.log.seen(user, offset, types) for user, offset in asked]

    def counted(self, types: Types) -> list[Row]:
        return [row for row in self.rows if row["kind"] == "interaction" and (types is None or row["type"] in types)]

    @rule(upto=st.integers(0, 30))
    def catalogue(self, upto: int) -> None:
        alive, gone = set(), set()
        for row in self.rows[:upto]:
            if row["kind"] == "remove":
                alive.discard(row["item_id"])
                gone.add(row["item_id"])
            elif row["kind"] == "item":
                gone.discard(row["item_id"])
                alive.add(row["item_id"])
            elif row["kind"] == "interaction" and row["item_id"] not in gone:
                alive.add(row["item_id"])
        assert self.log.catalogue(upto) == sorted(alive)

    @rule(after=st.integers(0, 30))
    def removed(self, after: int) -> None:
        gone = set()
        for row in self.rows[after:]:
            if row["kind"] == "remove":
                gone.add(row["item_id"])
            elif row["kind"] == "item":
                gone.discard(row["item_id"])
        assert self.log.removed(after) == sorted(gone)

    @rule(after=st.integers(0, 30))
    def posted(self, after: int) -> None:
        alive, gone = set(), set()
        for row in self.rows[after:]:
            if row["kind"] == "remove":
                alive.discard(row["item_id"])
                gone.add(row["item_id"])
            elif row["kind"] == "item":
                alive.add(row["item_id"])
        assert self.log.posted(after) == [(item, item in gone) for item in sorted(alive)]

    @rule(upto=st.integers(0, 30), count=st.integers(0, 5), types=counting)
    def recent(self, upto: int, count: int, types: Types) -> None:
        mine = [row for row in self.counted(types) if row["offset"] <= upto]
        assert self.log.recent(upto, count, (), types) == [
            (row["offset"], row["user_id"], row["item_id"]) for row in mine[len(mine) - min(count, len(mine)) :]
        ]

    @rule(count=st.integers(0, 5), types=counting)
    def popular(self, count: int, types: Types) -> None:
        items = [row["item_id"] for row in self.counted(types)][-RECENT:]
        ranked = sorted(Counter(items).items(), key=lambda pair: (-pair[1], pair[0]))
        assert self.log.popular(count, (), types) == ranked[:count]


@pytest.mark.parametrize("clock", ["wall", "log"])
@pytest.mark.parametrize("name", LOGS)
def test_a_log_answers_like_a_list(name: str, clock: Clock) -> None:
    """Whatever is appended, passed over, refused or reopened, every question is answered as a plain list would."""
    machine = type("Machine", (LogMachine,), {"opener": staticmethod(LOGS[name]), "clock": clock})
    examples = 15 if name == "sqlite" else 3  # each of a stream starts from an empty server
    bounded = settings(max_examples=examples, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(machine, settings=bounded)


@pytest.mark.parametrize("name", LOGS)
def test_only_some_types_are_told_of(name: str, tmp_path: Path) -> None:
    """Where types are named, interactions of others or without one are no sight and no fashion; the rest is told in order."""
    log = LOGS[name](tmp_path, "wall", lambda: START)
    types = ("click", None, "impression", "buy", "click")
    log.append(batch(*(event(f"e{n}", item_id=f"i{n}", type=kind) for n, kind in enumerate(types))))
    asked = ("buy", "click")
    assert log.seen("u1", types=asked) == ["i0", "i3", "i4"]
    assert log.seen_by(["u1", "u1", "u2"], [4, 9, 9], asked) == [["i0"], ["i0", "i3", "i4"], []]
    assert log.recent(9, 2, (), asked) == [(4, "u1", "i3"), (5, "u1", "i4")]
    assert log.recent(9, 2, [4], asked) == [(1, "u1", "i0"), (5, "u1", "i4")]
    assert log.popular(9, (), asked) == [("i0", 1), ("i3", 1), ("i4", 1)]
    assert (log.seen("u1", types=()), log.recent(9, 9, (), ()), log.popular(9, (), ())) == ([], [], [])
    assert log.seen("u1") == [item for item, _ in log.popular(9)] == [f"i{n}" for n in range(5)]
    log.close()


@pytest.mark.parametrize("name", LOGS)
def test_only_an_item_event_brings_an_item_back(name: str, tmp_path: Path) -> None:
    """A removed item stays out of the catalogue through later interactions, until it is posted again."""
    log = LOGS[name](tmp_path, "wall", lambda: START)
    kinds = ("interaction", "remove", "interaction", "user", "item")
    log.append(batch(*(event(f"e{n}", kind=kind, item_id="i1", user_id="u1") for n, kind in enumerate(kinds))))
    assert [log.catalogue(upto) for upto in range(6)] == [[], ["i1"], [], [], [], ["i1"]]
    assert (log.removed(0), log.removed(2)) == ([], [])
    assert [log.posted(after) for after in (0, 2, 5)] == [[("i1", True)], [("i1", False)], []]
    log.append(batch(event("again", kind="remove", item_id="i1"), event("late", item_id="i1")))
    assert (log.removed(0), log.removed(5), log.removed(6), log.catalogue(9)) == (["i1"], ["i1"], [], [])
    assert log.posted(0) == []
    log.close()


def appended(name: str, folder: Path, told: Path, first: int, batches: int, size: int) -> None:
    """Append `batches` batches of `size` events, and write down each one's first number once it is acknowledged."""
    log = LOGS[name](folder, "wall", lambda: datetime.now(UTC))
    with told.open("w") as file:
        for start in range(first, first + batches * size, size):
            log.append(batch(*(event(f"e{number}") for number in range(start, start + size))))
            print(start, file=file, flush=True)


@pytest.mark.parametrize(("point", "kept"), [("events.before_commit", 10), ("events.after_commit", 15)])
@pytest.mark.parametrize("name", LOGS)
def test_a_killed_append_is_whole_or_absent(name: str, point: str, kept: int, tmp_path: Path) -> None:
    """Killed at its third batch a log holds every acknowledged event and whole batches only, and goes on from there."""
    told = tmp_path / "told"
    assert run(lambda: appended(name, tmp_path, told, 0, 4, 5), f"{point}:3") == KILLED
    assert told.read_text().split() == ["0", "5"]
    log = LOGS[name](tmp_path, "wall", lambda: START)
    log.append(batch(event("next")))
    found = log.read(0).to_pylist()
    assert [row["event_id"] for row in found] == [*(f"e{number}" for number in range(kept)), "next"]
    assert [row["offset"] for row in found] == list(range(1, kept + 2))
    log.close()


@pytest.mark.parametrize("name", LOGS)
def test_two_processes_append_without_losing_an_offset(name: str, tmp_path: Path) -> None:
    """Two processes that append at once lose no event, double no offset, and arrivals still strictly increase."""
    firsts = (0, 1000)
    pids = [start(partial(appended, name, tmp_path, tmp_path / f"told {first}", first, 40, 5)) for first in firsts]
    assert [end(pid) for pid in pids] == [DONE, DONE]
    assert [len((tmp_path / f"told {first}").read_text().split()) for first in firsts] == [40, 40]
    log = LOGS[name](tmp_path, "wall", lambda: START)
    found = log.read(0)
    assert found.column("offset").to_pylist() == list(range(1, 401))
    assert set(found.column("event_id").to_pylist()) == {f"e{n}" for n in [*range(200), *range(1000, 1200)]}
    arrived = found.column("created_timestamp").to_pylist()
    assert all(earlier < later for earlier, later in pairwise(arrived))
    log.close()
