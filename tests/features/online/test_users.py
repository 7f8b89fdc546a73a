"""What is served is what a join would find, whoever wrote it last."""

import shutil
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from ratoon.domain.errors import StoreError
from ratoon.domain.event import TIME, Event
from ratoon.domain.schema import Entity, Feature, TowerSchema
from ratoon.events import SqliteEventLog
from ratoon.features.joins import point_in_time
from ratoon.features.online import OnlineUsers
from ratoon.features.online import users as module
from ratoon.features.online.keys import text_keys
from ratoon.features.online.opening import Place
from ratoon.features.online.store import APPLIED, RowStore
from ratoon.features.views import load, save
from tests.fakes.events import START, at, batch, event
from tests.fakes.valkey import valkey
from tests.features.worlds import US, World, opened, repo_copy, world

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
    """Every input of the user tower, None for what is missing."""
    schema = there.features.schema()
    values = online.user(user, schema)
    return None if values is None else {feature.name: plain(values.get(feature.name)) for feature in schema.user}


def plain(value: object) -> object:
    return value.tolist() if isinstance(value, np.ndarray) else value


def test_a_copy_of_a_home_writes_into_itself(small: World, tmp_path: Path) -> None:
    """What a server of a copied home writes before anything is applied there leaves the first home as it was, and is read."""
    there = tmp_path / "copied"
    shutil.copytree(small.home, there)
    log = SqliteEventLog(there / "events.sqlite", "log", lambda: START)
    log.append(batch(event("b", item_id="b", event_timestamp=at(1))))
    before = stored(small.home, "user_activity", ["u1"])
    OnlineUsers(there / "features", log).refresh(["u1"])
    log.close()
    assert stored(small.home, "user_activity", ["u1"]) == before
    assert stored(there, "user_activity", ["u1"]) != before


def stored(home: Path, view: str, users: Sequence[str]) -> list[bytes | None]:
    """A view's rows, byte by byte."""
    store = Place.load(home / "features" / "online.json").open()
    (rows,) = store.rows([view], text_keys("user_id", users))
    store.close()
    return rows


def opened_store(there: World) -> RowStore:
    return Place.load(there.home / "features" / "online.json").open()


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
    everybody = sorted(last_events(empty))
    online.refresh(everybody)
    for view in load(tmp_path / "features" / "views.json"):
        if view.entity == "user":
            mine, theirs = (stored(home, view.name, everybody) for home in (tmp_path, read_only.home))
            assert mine == theirs
            assert any(mine)
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


def test_what_is_kept_of_a_user_is_what_is_stored(small: World) -> None:
    """Asked again, a user has the very inputs of before, until this server, or another, values them anew."""
    online, another, schema = users(small), users(small), small.features.schema()
    before = online.user("u1", schema)
    assert online.user("u1", schema) is before
    assert online.user("u1", schema, [Event("s", "interaction", at(7), "u1", "s", "view")]) != before
    for count, server in ((2, online), (3, another)):
        small.log.append(batch(event(f"n{count}", item_id="x", event_timestamp=at(5 + count))))
        server.refresh(["u1"])
        row = online.user("u1", schema)
        assert row is not None
        assert row["user_events"] == count
        assert online.user("u1", schema) is row


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


def test_many_users_are_read_like_one(read_only: World) -> None:
    """A batch gives, in the caller's order, what reading one by one gives; unknown users are rows without values."""
    online, schema = users(read_only), read_only.features.schema()
    ids = [*sorted(last_events(read_only)), "nobody"][::-1]
    table = online.users([*ids, ids[5]], schema)
    nobody = {feature.name: None for feature in schema.user} | {"user_id": "nobody"}
    assert table.to_pylist() == [get(online, read_only, user) or nobody for user in [*ids, ids[5]]]


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
    lacking = replace(schema, user=(*schema.user, gone, replace(gone, name="view_gone", view="no_more")))
    online = users(small)
    one, (row,) = online.user("u1", lacking), online.users(["u1"], lacking).to_pylist()
    assert one is not None
    for values in (one, row):
        assert [values.get(name) for name in ("gone", "view_gone", "user_events")] == [None, None, 1]


def session(user: str, *items: str, second: int = 20) -> list[Event]:
    return [Event(f"s-{item}", "interaction", at(second + n), user, item, "view") for n, item in enumerate(items)]


def test_a_session_is_as_if_the_log_had_it(small: World) -> None:
    """Features with a session's events are, value for value, those that posting the same events would give; nothing is kept."""
    online, schema = users(small), small.features.schema()
    done = session("u1", "b", "c")
    before, foreseen = online.user("u1", schema), online.user("u1", schema, done)
    assert foreseen is not None
    assert foreseen["recent_items"] == ["a", "b", "c"]
    assert (online.user("u1", schema), small.log.end()) == (before, 1)
    rows = [event(one.event_id, item_id=one.item_id, type="view", event_timestamp=one.event_timestamp) for one in done]
    small.log.append(batch(*rows))
    online.refresh(["u1"])
    assert online.user("u1", schema) == foreseen


def test_a_session_makes_a_user_of_nobody(small: World) -> None:
    """Somebody of whom nothing is stored has the features that the session gives, and none in the next answer."""
    online, schema = users(small), small.features.schema()
    values = online.user("new", schema, session("new", "x"))
    assert values is not None
    assert (values["user_id"], values["recent_items"], values["user_events"]) == ("new", ["x"], 1)
    assert online.user("new", schema) is None


def test_what_is_stored_is_told_by_view(small: World) -> None:
    """Each view that has a row of the user says when its newest event happened, and every feature; a stranger has none."""
    online = users(small)
    told = online.stored("u1")
    moment, values = told["user_activity"]
    assert (moment, values["recent_items"], values["user_events"]) == (START + US, ["a"], 1)  # it holds just after the event
    assert online.stored("nobody") == {}


def test_views_that_change_are_read_as_they_are(small: World) -> None:
    """After the applied views change, a reader that knew the old ones reads the new ones once it has caught up."""
    online, schema = users(small), small.features.schema()
    assert online.user("u1", schema) == online.user("u1", schema)
    path = small.home / "features" / "views.json"
    save(path, [view for view in load(path) if view.name != "user_activity"])
    online.catch_up()
    assert online.user("u1", schema) is None


def test_catching_up_applies_what_the_log_has_beyond(small: World) -> None:
    """At the start, users with events beyond the newest materialisation are refreshed; then nothing until it moves."""
    small.log.append(batch(event("b", item_id="b", event_timestamp=at(10)), event("c", user_id="u2", event_timestamp=at(11))))
    online = users(small)
    assert (online.catch_up(), online.catch_up()) == (2, 0)
    row, other = get(online, small, "u1"), get(online, small, "u2")
    assert row is not None
    assert other is not None
    assert (row["recent_items"], other["recent_items"]) == (["a", "b"], ["i1"])


def test_catching_up_is_done_in_parts(small: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many events and users there are, only so many are read at once, and everybody is served in the end."""
    late = [event(f"e{n}", user_id=f"n{n % 5}", item_id=f"i{n}", event_timestamp=at(n)) for n in range(1, 11)]
    small.log.append(batch(*late))
    monkeypatch.setattr(module, "EVENTS_AT_ONCE", 3)
    monkeypatch.setattr(module, "USERS_AT_ONCE", 2)
    asked: list[int] = []
    plain = small.log.history

    def history(entity: Entity, ids: Sequence[str], upto: int | None = None) -> pa.Table:
        asked.append(len(ids))
        return plain(entity, ids, upto)

    online = users(small)
    monkeypatch.setattr(small.log, "history", history)
    assert (online.catch_up(), asked) == (5, [2, 2, 1])
    served = online.users([f"n{at}" for at in range(5)], small.features.schema()).column("user_events").to_pylist()
    assert served == [2] * 5


def test_a_position_beyond_the_log_is_none(small: World) -> None:
    """A position that the log never reached, as of another log, hides no event: catching up begins at the beginning."""
    (activity,) = (view for view in load(small.home / "features" / "views.json") if view.name == "user_activity")
    store = opened_store(small)
    store.write([], {APPLIED: {activity.edition: str(1_795_316_665_159_922_325)}})
    small.log.append(batch(event("b", item_id="b", event_timestamp=at(10))))
    online = users(small)
    assert online.catch_up() == 1
    row = get(online, small, "u1")
    assert row is not None
    assert row["recent_items"] == ["a", "b"]
    small.learnt()
    assert store.notes(APPLIED)[activity.edition] == "2"
    store.close()


def test_catching_up_follows_a_later_materialisation(small: World) -> None:
    """When a materialisation has moved, what the log has beyond it is applied again: here over a store that lost it."""
    online = users(small)
    online.catch_up()
    small.log.append(batch(event("b", item_id="b", event_timestamp=at(10))))
    small.ingest()
    small.log.append(batch(event("c", item_id="c", event_timestamp=at(10) + 5 * US)))
    online.refresh(["u1"])
    lost = opened_store(small)
    lost.forget(text_keys("user_id", ["u1"]))
    lost.close()
    small.features.materialize()
    row = get(online, small, "u1")
    assert row is not None
    assert row["recent_items"] == ["a", "b"]
    assert online.catch_up() == 1
    row = get(online, small, "u1")
    assert row is not None
    assert row["recent_items"] == ["a", "b", "c"]


def test_positions_are_kept_per_view(small: World) -> None:
    """A view's position is the log's end when it was materialised, under its fields and folds."""
    store = opened_store(small)
    views = {view.name: view for view in load(small.home / "features" / "views.json")}
    small.log.append(batch(event("b", item_id="b", event_timestamp=at(10))))
    small.ingest()
    assert {edition: int(offset) for edition, offset in store.notes(APPLIED).items()} == {
        view.edition: 1 for view in views.values()
    }
    small.features.materialize()
    assert {int(offset) for offset in store.notes(APPLIED).values()} == {2}
    store.close()


def test_a_home_without_a_repository_is_named(tmp_path: Path) -> None:
    """Before the first bootstrap there is no online store, and the error says what makes one."""
    there = world(tmp_path)
    with pytest.raises(StoreError, match=r"online\.json: expected the online store of an applied .* Run `ratoon bootstrap`"):
        users(there)
    there.log.close()


def test_the_same_users_from_redis(small: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a Redis in feature_store.yaml, materialisation, server and Feast meet there; no password is written down."""
    with valkey() as url:
        monkeypatch.setenv("RATOON_TEST_REDIS", url)
        edits = {"feature_store.yaml": [(SQLITE, REDIS)]}
        repo = repo_copy(tmp_path / "redis", edits)
        home = tmp_path / "redis" / "home"
        there = World(home, small.log, opened(home, small.log, repo)).learnt()
        assert url not in (home / "features" / "online.json").read_text()
        online = users(there)
        assert get(online, there, "u1") == get(users(small), small, "u1")
        small.log.append(batch(event("b", item_id="b", event_timestamp=at(10))))
        assert online.catch_up() == 1
        table = online.users(["u1", "u2"], there.features.schema())
        assert table.column("recent_items").to_pylist() == [["a", "b"], None]
        feast = there.features.repository.store
        answer = feast.get_online_features(["item_popularity:item_events"], [{"item_id": "a"}]).to_dict()
        assert answer["item_events"] == [1]


SQLITE = "type: ratoon.features.online.feast_stores.PackedSqliteOnlineStore\n  path: ../var/features/online.db"
REDIS = "type: ratoon.features.online.feast_stores.PackedRedisOnlineStore\n  connection_string: ${RATOON_TEST_REDIS}"
