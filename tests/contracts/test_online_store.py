"""Every online store of packed rows keeps the same promises: SQLite, and Redis on a real server."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from ratoon import durable
from ratoon.domain.errors import StoreError
from ratoon.features.online import sqlite
from ratoon.features.online.keys import text_keys
from ratoon.features.online.layout import NEVER, Layout
from ratoon.features.online.pack import Packed, pack
from ratoon.features.online.redis import RedisRows
from ratoon.features.online.sqlite import SqliteRows
from ratoon.features.online.store import APPLIED, Batch, RowStore, Wanted, arrived, read
from tests.fakes.valkey import valkey

LAYOUT = Layout((("number", "INT64"), ("text", "STRING"), ("items", "STRING_LIST")))
WIDER = Layout((*LAYOUT.fields, ("more", "FLOAT")))

Opener = Callable[[str], RowStore]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with valkey() as url:
        yield url


@pytest.fixture(params=["sqlite", "redis"])
def opener(request: pytest.FixtureRequest, tmp_path: Path, server: str) -> Iterator[Opener]:
    """Opens the same store again and again, as other processes would; empty at first."""
    opened: list[RowStore] = []

    def opening(project: str) -> RowStore:
        sql = request.param == "sqlite"
        store: RowStore = SqliteRows(tmp_path / "online.db", project) if sql else RedisRows(server, project)
        opened.append(store)
        return store

    if request.param == "redis":
        emptied = RedisRows(server, "any")
        emptied._client.flushdb()
        emptied.close()
    yield opening
    for store in opened:
        store.close()


@pytest.fixture
def store(opener: Opener) -> RowStore:
    made = opener("shop")
    made.prepare(["a", "b"])
    return made


def batch(view: str, *rows: tuple[str, int, int, int], layout: Layout = LAYOUT) -> Batch:
    """Rows of (user, event time, arrival, number); the other features repeat the number."""
    numbers = [number for *_, number in rows]
    columns = {
        "number": pa.array(numbers, pa.int64()),
        "text": pa.array([f"<{number}>" for number in numbers]),
        "items": pa.array([[str(number)] * 2 for number in numbers], pa.list_(pa.string())),
        "more": pa.array([number / 2 for number in numbers], pa.float32()),
    }
    times, arrivals = (np.array([row[at] for row in rows], np.int64) for at in (1, 2))
    packed = pack(layout, pa.table(columns), times, arrivals)
    return Batch(view, layout, Packed(text_keys("user_id", [user for user, *_ in rows]), packed, times, arrivals))


def numbers(store: RowStore, view: str, *users: str, layout: Layout = LAYOUT) -> list[object]:
    (found,) = read(store, [Wanted(view, layout)], text_keys("user_id", users), 0)
    return list(found.arrow("number").to_pylist())


def test_others_writes_are_told(opener: Opener) -> None:
    """A store that says whether rows were written says it of what others write and delete, and not of what it does itself."""
    own, other = opener("shop"), opener("shop")
    own.prepare(["a"])
    said = own.written()
    own.write([batch("a", ("u1", 1, 1, 11))])
    assert own.written() == said
    if said is None:
        return
    other.write([batch("a", ("u1", 2, 2, 12))])
    after = own.written()
    assert after != said
    assert numbers(own, "a", "u1") == [12]
    assert own.written() == after
    other.forget(text_keys("user_id", ["u1"]))
    assert own.written() != after


def test_what_is_written_is_read(store: RowStore) -> None:
    """All views come in one read, in the order of the ids, the same id twice and unknown ids included."""
    store.write([batch("a", ("u1", 1, 1, 11), ("u2", 1, 1, 12)), batch("b", ("u2", 1, 1, 22))])
    first, second = read(store, [Wanted("a", LAYOUT), Wanted("b", LAYOUT)], text_keys("user_id", ["u2", "?", "u1", "u2"]), 0)
    assert first.table().to_pylist() == [
        {"number": 12, "text": "<12>", "items": ["12", "12"]},
        {"number": None, "text": None, "items": None},
        {"number": 11, "text": "<11>", "items": ["11", "11"]},
        {"number": 12, "text": "<12>", "items": ["12", "12"]},
    ]
    assert second.arrow("number").to_pylist() == [22, None, None, 22]
    assert (first.found.tolist(), second.found.tolist()) == ([True, False, True, True], [True, False, False, True])


def test_one_entity_is_read_like_many(store: RowStore) -> None:
    """A read of one id gives what a read of several gives for it, also when it has no row."""
    store.write([batch("a", ("u1", 1, 1, 11))])
    for user in ("u1", "?"):
        wanted, keys = [Wanted("a", LAYOUT), Wanted("b", LAYOUT)], text_keys("user_id", [user])
        one, two = read(store, wanted, keys, 0), read(store, wanted, keys * 2, 0)
        assert [block.table().to_pylist() * 2 for block in one] == [block.table().to_pylist() for block in two]


def test_nothing_asked_is_nothing_read(store: RowStore) -> None:
    """A read of no ids gives blocks of no rows."""
    assert [len(block.records) for block in read(store, [Wanted("a", LAYOUT), Wanted("b", LAYOUT)], [], 0)] == [0, 0]


@pytest.mark.parametrize(
    ("second", "kept"),
    [
        ((99, 9, 2), 1),
        ((101, 1, 2), 2),
        ((100, 4, 2), 1),
        ((100, 5, 2), 2),
        ((100, 6, 2), 2),
        ((-100, 9, 2), 1),
        ((100 + 2**32, 0, 2), 2),
        ((100, NEVER, 2), 1),
    ],
)
def test_the_newest_row_stays(store: RowStore, second: tuple[int, int, int], kept: int) -> None:
    """The later event time wins; of equal ones the later arrival; equal in both is written again. Whatever the order."""
    store.write([batch("a", ("u", 100, 5, 1))])
    store.write([batch("a", ("u", *second))])
    assert numbers(store, "a", "u") == [kept]


@pytest.mark.parametrize("moments", [(-5, -6), (-1, 2**31), (2**31, 2**31 - 1), (2**52 + 1, 2**52), (-(2**52) - 1, -(2**52))])
def test_times_of_every_size_are_compared_exactly(store: RowStore, moments: tuple[int, int]) -> None:
    """Times before 1970, around the halves of 64 bits and far ahead are ordered to the microsecond."""
    for moment in (*moments, *moments):
        store.write([batch("a", ("u", moment, 0, moment))])
    assert numbers(store, "a", "u") == [max(moments)]


def test_rows_of_one_entity_in_one_batch_end_with_the_newest(store: RowStore) -> None:
    """A batch that has an entity twice leaves its newest row, whatever their order in the batch."""
    store.write([batch("a", ("u", 3, 0, 3), ("u", 1, 0, 1), ("u", 2, 0, 2))])
    assert numbers(store, "a", "u") == [3]


def test_expired_values_are_missing(store: RowStore) -> None:
    """A row is read until it is exactly ttl old, and comes without values after that, alone and among others; 0 is never."""
    store.write([batch("a", ("old", 10, 0, 1), ("new", 11, 0, 2))])
    for ids in (["old"], ["old", "new"]):
        for now, ttl, values in ((20, 10, [1, 2]), (21, 10, [None, 2]), (10**15, 0, [1, 2])):
            (found,) = read(store, [Wanted("a", LAYOUT, ttl)], text_keys("user_id", ids), now)
            assert found.arrow("number").to_pylist() == values[: len(ids)]
            assert found.live.tolist() == [value is not None for value in values[: len(ids)]]
            assert found.found.all()


@pytest.mark.parametrize(("written", "wanted"), [(WIDER, LAYOUT), (LAYOUT, WIDER)])
@pytest.mark.parametrize("ids", [["u"], ["u", "?"]])
def test_an_expired_row_of_another_layout_has_no_values(store: RowStore, written: Layout, wanted: Layout, ids: list[str]) -> None:
    """A row that expired, and that was written when the view had more features or fewer, is there and without values."""
    store.write([batch("a", ("u", 10, 0, 1), layout=written)])
    (found,) = read(store, [Wanted("a", wanted, 5)], text_keys("user_id", ids), 100)
    assert found.table().to_pylist() == [dict.fromkeys(wanted.positions)] * len(ids)
    assert (found.found[0], found.live[0]) == (True, False)


def test_a_feature_added_later_is_missing_in_older_rows(opener: Opener) -> None:
    """Rows keep the layout they were written with: a view with one feature more reads both, in another process too."""
    first = opener("shop")
    first.prepare(["a"])
    first.write([batch("a", ("old", 1, 1, 1))])
    opener("shop").write([batch("a", ("new", 1, 1, 2), layout=WIDER)])
    for ids, more in ((["old", "new"], [None, 1.0]), (["old"], [None])):
        (found,) = read(opener("shop"), [Wanted("a", WIDER)], text_keys("user_id", ids), 0)
        assert found.arrow("more").to_pylist() == more
        assert found.arrow("items").to_pylist() == [["1", "1"], ["2", "2"]][: len(ids)]
    assert numbers(first, "a", "new", "old") == [2, 1]  # and one that does not know the feature yet


def test_an_unknown_layout_is_refused(store: RowStore, opener: Opener) -> None:
    """A row whose layout nobody stored is an error, not a guess."""
    one = batch("a", ("u", 1, 1, 1))
    stranger = Packed(one.packed.keys, [b"stranger" + one.packed.rows[0][8:]], one.packed.event_ts, one.packed.created)
    store.write([Batch("a", LAYOUT, stranger)])
    with pytest.raises(StoreError, match=r"online row: expected the fingerprint of a layout .* found 737472616e676572\."):
        numbers(opener("shop"), "a", "u")


def test_projects_do_not_meet(store: RowStore, opener: Opener) -> None:
    """Two projects in one store have their own rows and notes, even if one's name begins like the other's."""
    other = opener("shop2")
    other.prepare(["a"])
    store.write([batch("a", ("u", 1, 1, 1))], {"applied": {"a": "7"}})
    assert (numbers(other, "a", "u"), other.notes("applied")) == ([None], {})
    other.drop(["a"])
    assert numbers(store, "a", "u") == [1]


def test_notes_are_kept_changed_and_taken_away(store: RowStore, opener: Opener) -> None:
    """Notes are what was written last, by kind; None takes one away; another process sees them."""
    store.write([], {"x": {"a": "1", "b": "2"}, "y": {"a": "3"}})
    store.write([], {"x": {"a": "4", "b": None, "c": None}})
    assert (opener("shop").notes("x"), store.notes("y"), store.notes("z")) == ({"a": "4"}, {"a": "3"}, {})


def test_one_subject_can_be_forgotten(store: RowStore) -> None:
    """Forgetting an entity takes its rows out of all views and leaves everybody else's."""
    store.write([batch(view, ("u1", 1, 1, 1), ("u2", 1, 1, 2)) for view in ("a", "b")])
    store.forget(text_keys("user_id", ["u1"]))
    assert [numbers(store, view, "u1", "u2") for view in ("a", "b")] == [[None, 2]] * 2


def test_a_dropped_view_is_empty_when_it_comes_back(store: RowStore) -> None:
    """Dropping a view deletes its rows and no other view's."""
    store.write([batch(view, ("u1", 1, 1, 1)) for view in ("a", "b")])
    store.drop(["a"])
    store.prepare(["a"])
    assert [numbers(store, view, "u1") for view in ("a", "b")] == [[None], [1]]


def test_a_dropped_view_forgets_what_was_brought(store: RowStore, opener: Opener) -> None:
    """Notes of a dropped view's files, under all its layouts, and its position go with it; other views' stay, alike or not."""
    for view in ("a", "A", "a_", "ab", "b"):
        positions = {f"{view}:0123456789abcdef": "7"}
        store.write([], {APPLIED: positions, arrived(view, LAYOUT): {"x": "1"}, arrived(view, WIDER): {"x": "1"}})
    store.drop(["a", "none"])
    other = opener("shop")
    assert set(other.notes(APPLIED)) == {f"{view}:0123456789abcdef" for view in ("A", "a_", "ab", "b")}
    left = {view: [other.notes(arrived(view, layout)) for layout in (LAYOUT, WIDER)] for view in ("a", "A", "a_", "ab", "b")}
    assert left == {view: [{} if view == "a" else {"x": "1"}] * 2 for view in left}


def test_many_entities(store: RowStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """More entities than go into one statement or one call of a script are written and read in order."""
    monkeypatch.setattr(sqlite, "KEYS_AT_ONCE", 300)
    users = [f"u{at}" for at in range(1_203)]
    store.write([batch("a", *((user, 1, 1, at) for at, user in enumerate(users)))])
    assert numbers(store, "a", *reversed(users)) == list(reversed(range(1_203)))


def test_two_writers_leave_the_newest(store: RowStore, opener: Opener) -> None:
    """Two writers at once, one going up in time and one down, leave every entity's newest row."""
    users = [f"u{at}" for at in range(50)]

    def run(moments: range) -> None:
        mine = opener("shop")
        for moment in moments:
            mine.write([batch("a", *((user, moment, 0, moment) for user in users))])

    writers = [threading.Thread(target=run, args=(moments,)) for moments in (range(20), range(20, 0, -1))]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert numbers(store, "a", *users) == [20] * 50


def test_a_writer_that_dies_leaves_whole_rows(store: RowStore, opener: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken off between rows and notes, a write leaves each row old or new, no note, and can be done again."""

    class Killed(Exception):
        pass

    def die(point: str) -> None:
        if point == "online.written":
            raise Killed

    users = [f"u{at}" for at in range(700)]
    store.write([batch("a", *((user, 1, 1, 1) for user in users))])
    monkeypatch.setattr(durable, "fault_point", die)
    with pytest.raises(Killed):
        store.write([batch("a", *((user, 2, 1, 2) for user in users))], {"x": {"done": "yes"}})
    monkeypatch.undo()
    other = opener("shop")
    (found,) = read(other, [Wanted("a", LAYOUT)], text_keys("user_id", users), 0)
    assert {(row["number"], row["text"]) for row in found.table().to_pylist()} <= {(1, "<1>"), (2, "<2>")}
    assert other.notes("x") == {}
    other.write([batch("a", *((user, 2, 1, 2) for user in users))], {"x": {"done": "yes"}})
    assert set(numbers(store, "a", *users)) == {2}


def test_a_server_that_is_down_is_named() -> None:
    """A Redis that does not answer is an error with its address and without its password, reading and writing."""
    store = RedisRows("redis://:secret@127.0.0.1:1/0", "shop")
    for attempt in (
        lambda: store.write([batch("a", ("u", 1, 1, 1))]),
        lambda: numbers(store, "a", "u"),
        lambda: store.notes("x"),
    ):
        with pytest.raises(StoreError, match=r"^online store at 127\.0\.0\.1:1/0: expected a Redis or Valkey server") as refused:
            attempt()
        assert "secret" not in str(refused.value)


def test_a_server_that_goes_down_mid_write_loses_nothing_written() -> None:
    """A write that meets a stopped server is an error, and one to a server that runs again goes through."""
    with valkey() as url:
        store = RedisRows(url, "shop")
        store.write([batch("a", ("u", 1, 1, 1))])
        assert numbers(store, "a", "u") == [1]
    with pytest.raises(StoreError, match="expected a Redis or Valkey server that answers"):
        store.write([batch("a", ("u", 2, 1, 2))])
    store.close()


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("localhost:6379", "redis://localhost:6379?"),
        ("host:1,db=2,password=p@s", "redis://:p%40s@host:1?db=2"),
        ("host:1,username=me,password=x,ssl=true", "rediss://me:x@host:1?"),
        ("unix:///run/redis.sock", "unix:///run/redis.sock"),
    ],
)
def test_feasts_connection_strings_are_understood(address: str, url: str) -> None:
    """Addresses are URLs, or what Feast's own Redis store is configured with."""
    from ratoon.features.online.redis import _url

    assert _url(address) == url


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    """A file that SQLite cannot read is an error with its path, and stays as it is."""
    path = tmp_path / "online.db"
    path.write_bytes(b"no database, but long enough to be looked at " * 30)
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"online\.db: expected an SQLite file that can be read and written, found .*not a data"):
        SqliteRows(path, "shop")
    assert path.read_bytes() == before


def test_a_busy_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that another writer keeps locked is an error, and nothing of the batch is in it."""
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.0)
    store = SqliteRows(tmp_path / "online.db", "shop")
    store.prepare(["a"])
    other = sqlite3.connect(tmp_path / "online.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="found database is locked"):
        store.write([batch("a", ("u", 1, 1, 1))])
    other.execute("ROLLBACK")
    other.close()
    assert numbers(store, "a", "u") == [None]
    store.close()


def test_a_read_waits_for_no_writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While another process is in the middle of a write, a store is opened, prepared and read; a missing table has to wait."""
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.0)
    first = SqliteRows(tmp_path / "online.db", "shop")
    first.prepare(["a"])
    first.write([batch("a", ("u", 1, 1, 1))])
    other = sqlite3.connect(tmp_path / "online.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    second = SqliteRows(tmp_path / "online.db", "shop")
    for store in (first, second):
        store.prepare(["a"])
        assert numbers(store, "a", "u") == [1]
    with pytest.raises(StoreError, match="found database is locked"):
        second.prepare(["a", "new"])
    other.execute("ROLLBACK")
    for one in (first, second, other):
        one.close()


def test_a_read_that_failed_is_not_the_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After an error between the statements of a long read, the store is written and read as before."""
    monkeypatch.setattr(sqlite, "KEYS_AT_ONCE", 2)
    store = SqliteRows(tmp_path / "online.db", "shop")
    with pytest.raises(StoreError, match="no such table: shop/a"):
        numbers(store, "a", "u", "v", "w")
    store.prepare(["a"])
    store.write([batch("a", ("u", 1, 1, 1))])
    assert numbers(store, "a", "u", "v", "w") == [1, None, None]
    store.close()


def test_a_view_that_was_never_prepared_is_named(tmp_path: Path) -> None:
    """Reading a view without a table is an error, for one id and for several, not an empty answer."""
    store = SqliteRows(tmp_path / "online.db", "shop")
    for ids in (["u"], ["u", "v"]):
        with pytest.raises(StoreError, match="no such table: shop/a"):
            numbers(store, "a", *ids)
    store.close()
