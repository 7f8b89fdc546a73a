"""What is served is what a join would find, whoever wrote it last."""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pytest

from ratoon.domain.event import TIME
from ratoon.domain.schema import Feature, TowerSchema
from ratoon.events import SqliteEventLog
from ratoon.features.joins import point_in_time
from ratoon.features.online import OnlineUsers, applied, connect, guard, mark_applied
from ratoon.features.values import encode, entity_key
from ratoon.features.views import load
from tests.fakes.events import START, at, batch, event
from tests.features.worlds import US, World, world

DAY = 86_400


@pytest.fixture
def small(tmp_path: Path) -> Iterator[World]:
    """One interaction, ingested and materialised."""
    there = world(tmp_path, batch(event("a", item_id="a", value=4.0))).learnt()
    yield there
    there.log.close()


def users(there: World) -> OnlineUsers:
    return OnlineUsers(there.home / "features", there.log)


def get(online: OnlineUsers, there: World, user: str) -> dict[str, object] | None:
    row = online.user(user, there.features.schema())
    return None if row is None else row.to_pylist()[0]


def references(schema: TowerSchema) -> list[str]:
    return [f"{feature.view}:{feature.name}" for feature in schema.user if feature.view]


def last_events(there: World) -> dict[str, datetime]:
    """Each user's newest event."""
    log = there.log.read(0).to_pylist()
    return {row["user_id"]: row["event_timestamp"] for row in log if row["user_id"]}


def offline(there: World, ids: Sequence[str], moments: Sequence[datetime]) -> list[dict[str, object]]:
    """What a join just after these moments gives."""
    keys = pa.table({"user_id": list(ids), "event_timestamp": pa.array([moment + US for moment in moments], TIME)})
    joined = point_in_time(there.features.repository, keys, references(there.features.schema()))
    rows: list[dict[str, object]] = joined.drop_columns(["event_timestamp"]).to_pylist()
    return rows


def test_online_is_offline(read_only: World) -> None:
    """After a materialisation every user's online row is, value for value, what a join just after their last event gives."""
    newest, online = last_events(read_only), users(read_only)
    expected = offline(read_only, list(newest), list(newest.values()))
    assert len(expected) == 60
    assert [get(online, read_only, user) for user in newest] == expected


def test_what_the_server_computes_is_offline_too(read_only: World, tmp_path: Path, events: pa.Table) -> None:
    """Rows computed at once from the log are, byte for byte, the rows that ingestion and Feast bring later."""
    log = SqliteEventLog(tmp_path / "events.sqlite", "log", lambda: START)
    empty = World(tmp_path, log, world(tmp_path).features)
    empty.features.repository.apply()
    online = users(empty)
    log.append(events, backfill=True)
    online.refresh(sorted(last_events(empty)))
    with connect(tmp_path / "features" / "online.db") as mine, connect(read_only.home / "features" / "online.db") as theirs:
        for view in load(tmp_path / "features" / "views.json"):
            if view.entity == "user":
                select = f'SELECT entity_key, feature_name, value, event_ts, created_ts FROM "{view.table}" ORDER BY 1, 2'
                assert mine.execute(select).fetchall() == theirs.execute(select).fetchall()
    mine.close()
    theirs.close()
    log.close()


def test_a_new_user_is_served_from_the_log(small: World) -> None:
    """A user whom only the log knows has no row until `refresh`, and then every feature of the history."""
    online = users(small)
    assert get(online, small, "new") is None
    small.log.append(batch(event("n1", user_id="new", item_id="x", value=3.0, event_timestamp=at(5))))
    small.log.append(batch(event("n2", user_id="new", kind="user", item_id=None, features='{"age": 9}', event_timestamp=at(6))))
    online.refresh(["new"])
    row = get(online, small, "new")
    assert row is not None
    wanted = {"user_id": "new", "recent_items": ["x"], "user_events": 1, "user_value_mean_28d": 3.0, "age": 9, "gender": None}
    assert wanted.items() <= row.items()
    small.learnt()
    assert get(online, small, "new") == row == offline(small, ["new"], [at(6)])[0]


def test_an_unknown_user_has_no_row(small: World) -> None:
    """Somebody without a single stored value is None, after a refresh too."""
    online = users(small)
    online.refresh(["nobody"])
    assert online.user("nobody", small.features.schema()) is None


def test_a_newer_value_is_never_replaced_by_an_older_one(small: World) -> None:
    """What the server wrote for an event stays when Feast materialises an older window, by our hand or its own."""
    online = users(small)
    small.log.append(batch(event("b", item_id="b", event_timestamp=at(50))))
    small.ingest()
    small.log.append(batch(event("c", item_id="c", event_timestamp=at(100))))
    online.refresh(["u1"])
    small.features.materialize()
    store = small.features.repository.store
    with warnings.catch_warnings(action="ignore"):  # Feast's own calls of what ibis and DuckDB call old
        store.materialize(start_date=START, end_date=at(60), feature_views=["user_activity"])
    row = get(online, small, "u1")
    assert row is not None
    assert row["recent_items"] == ["a", "b", "c"]


def test_the_store_itself_guards(small: World) -> None:
    """An update with an older time changes nothing and fails nothing; one with the same or a newer time does."""
    connection = connect(small.home / "features" / "online.db")
    (view,) = (view for view in load(small.home / "features" / "views.json") if view.name == "user_activity")
    key = entity_key("user_id", "u1")
    select = f'SELECT value, event_ts FROM "{view.table}" WHERE entity_key = ? AND feature_name = ?'
    (_, moment) = connection.execute(select, (key, "user_events")).fetchone()
    for change, kept in ((-1, False), (0, True), (5, True), (4, False)):
        value = encode(100 + change, "INT64")
        update = f'UPDATE "{view.table}" SET value = ?, event_ts = ? WHERE entity_key = ? AND feature_name = ?'
        connection.execute(update, (value, moment + change, key, "user_events"))
        assert (connection.execute(select, (key, "user_events")).fetchone() == (value, moment + change)) == kept
    guard(connection, [view])  # again: allowed
    connection.close()


def test_a_value_expires_by_the_logs_clock(small: World) -> None:
    """A value is served until it is exactly its view's ttl old by the log's clock, and missing one second later."""
    online = users(small)
    for second, events in ((365 * DAY, 1), (365 * DAY + 1, None)):
        small.log.append(batch(event(f"tick-{second}", user_id="other", event_timestamp=at(second))))
        row = get(online, small, "u1")
        assert row is not None
        assert (row["user_events"], row["user_id"]) == (events, "u1")


def test_a_feature_the_repository_dropped_is_missing(small: World) -> None:
    """A release still asks for a feature that the repository has no more: it is missing, and the others are served."""
    schema = small.features.schema()
    gone = Feature("gone", "user_activity", "user", "count")
    row = users(small).user("u1", replace(schema, user=(*schema.user, gone)))
    assert row is not None
    assert (row.column("gone").to_pylist(), row.column("user_events").to_pylist()) == ([None], [1])


def test_catching_up_applies_what_the_log_has_beyond(small: World) -> None:
    """At the start, users with events beyond the newest materialisation are refreshed; then nothing until it moves."""
    small.log.append(batch(event("b", item_id="b", event_timestamp=at(10)), event("c", user_id="u2", event_timestamp=at(11))))
    online = users(small)
    assert (online.catch_up(), online.catch_up()) == (2, 0)
    row, other = get(online, small, "u1"), get(online, small, "u2")
    assert row is not None
    assert other is not None
    assert (row["recent_items"], other["recent_items"]) == (["a", "b"], ["i1"])


def test_catching_up_follows_a_later_materialisation(small: World) -> None:
    """When a materialisation has moved, what the log has beyond it is applied again: here over a store that lost it."""
    online = users(small)
    online.catch_up()
    small.log.append(batch(event("b", item_id="b", event_timestamp=at(10))))
    small.ingest()
    small.log.append(batch(event("c", item_id="c", event_timestamp=at(10) + 5 * US)))
    online.refresh(["u1"])
    small.features.materialize()  # its rows carry the same second, which is all that the store keeps
    row = get(online, small, "u1")
    assert row is not None
    assert online.catch_up() == 1
    row = get(online, small, "u1")
    assert row is not None
    assert row["recent_items"] == ["a", "b", "c"]


def test_positions_are_kept_per_view(small: World) -> None:
    """A view's position is what was marked last, 0 before, and other views' positions are their own."""
    connection = connect(small.home / "features" / "online.db")
    views = {view.name: view for view in load(small.home / "features" / "views.json")}
    connection.execute("DELETE FROM ratoon_applied")
    mark_applied(connection, views["user_activity"], 5)
    mark_applied(connection, views["user_activity"], 7)
    assert (applied(connection, views["user_activity"]), applied(connection, views["user_profile"])) == (7, 0)
    connection.close()
