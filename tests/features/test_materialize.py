"""The online store gets exactly the rows that are not there yet."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ratoon import durable
from ratoon.domain.errors import DataError
from ratoon.domain.event import TIME
from ratoon.features.materialize import materialize
from ratoon.features.online import OnlineUsers
from ratoon.features.online.store import APPLIED
from ratoon.features.repository import FeastRepository
from tests.fakes.events import START, at, batch, event
from tests.features.worlds import US, World, opened, repo_copy, world


def online(there: World, user: str, *features: str) -> list[object]:
    """What a server reads from the online store."""
    row = OnlineUsers(there.home / "features", there.log).user(user, there.features.schema())
    assert row is not None
    return [row.get(name) for name in features]


def test_nothing_new_is_nothing_done(read_only: World) -> None:
    """A second materialisation passes over every view."""
    assert materialize(read_only.features.repository) == []


def test_the_interval_is_that_of_the_new_rows(tmp_path: Path) -> None:
    """The interval starts at the oldest row that is new, so that a late one is not lost, and ends just after the newest."""
    there = world(tmp_path, batch(event("a"), event("b", event_timestamp=at(10)))).ingest()
    spans = {span.view: span for span in there.features.materialize()}
    assert set(spans) == {"user_activity", "item_popularity"}
    activity = spans["user_activity"]
    assert (activity.start, activity.end, activity.rows) == (START + US, at(10) + 2 * US, 2)
    there.log.append(batch(event("late", item_id="i2", user_id="u2", event_timestamp=at(4))))
    spans = {span.view: span for span in there.learnt().features.materialize()}
    assert spans == {}
    assert online(there, "u2", "user_events", "recent_items") == [1, ["i2"]]
    assert online(there, "u1", "user_events", "recent_items") == [2, ["i1", "i1"]]


def test_a_late_event_changes_the_newest_value(tmp_path: Path) -> None:
    """An event that happened before the newest one and arrived later is in the values that are served."""
    there = world(tmp_path, batch(event("a", item_id="a"), event("c", item_id="c", event_timestamp=at(10)))).learnt()
    there.log.append(batch(event("b", item_id="b", event_timestamp=at(4))))
    there.learnt()
    assert online(there, "u1", "recent_items", "user_events") == [["a", "b", "c"], 3]


def test_interrupted_it_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken off after the first view, the next materialisation brings what is missing and leaves the first alone."""

    class Killed(Exception):
        pass

    there = world(tmp_path, batch(event("a"))).ingest()

    def die(point: str) -> None:
        if point == "materialize.view":
            done.append(point)
        elif point == "online.file" and done:
            raise Killed

    done: list[str] = []
    monkeypatch.setattr(durable, "fault_point", die)
    with pytest.raises(Killed):
        there.features.materialize()
    monkeypatch.undo()
    assert [span.view for span in there.features.materialize()] == ["user_activity"]
    assert online(there, "u1", "user_events") == [1]


FOREIGN = """
from feast import FileSource
prices_source = FileSource(name="prices", path="../var/prices/*.parquet", timestamp_field="seen")
user_prices = FeatureView(
    name="user_prices", entities=[user], ttl=timedelta(0), source=prices_source, online=True,
    schema=[Field(name="user_id", dtype=String), Field(name="limit", dtype=Int64)],
)
"""


def test_a_foreign_view_is_materialised_when_its_files_change(tmp_path: Path) -> None:
    """A view that another job fills, without an arrival column, is read as far as its files are new."""
    repo = repo_copy(tmp_path, {"users.py": [("user_activity = FeatureView(", f"{FOREIGN}\nuser_activity = FeatureView(")]})
    folder = tmp_path / "home" / "prices"
    folder.mkdir(parents=True)

    def write(name: str, second: int, limit: int) -> None:
        seen = pa.array([at(second)], TIME)
        pq.write_table(pa.table({"user_id": ["u1"], "limit": pa.array([limit], pa.int64()), "seen": seen}), folder / name)

    write("1.parquet", 1, 10)
    repository = FeastRepository(repo, tmp_path / "home")
    done = materialize(repository)
    assert [(span.view, span.start, span.end) for span in done] == [("user_prices", at(1), at(1) + US)]
    assert materialize(repository) == []
    write("2.parquet", 2, 20)
    assert [(span.rows, span.start) for span in materialize(repository)] == [(1, at(2))]
    answer = repository.store.get_online_features(["user_prices:limit"], [{"user_id": "u1"}]).to_dict()
    assert answer["limit"] == [20]


def test_rows_pushed_beside_ingestions_are_served(tmp_path: Path) -> None:
    """Rows that somebody else adds to a view that events fill are served, whatever their file is called, and move no position."""
    there = world(tmp_path, batch(event("a", item_id="a"))).learnt()
    folder = there.home / "features" / "user_activity"
    (part,) = (path for path in folder.glob("part-*.parquet") if pq.read_metadata(path).num_rows)
    for user, name in (("p1", "01795316665159922325"), ("p2", "mine"), ("p3", "part-01795316665159922325"), ("p4", "part-mine")):
        table = pq.read_table(part)
        pushed = table.set_column(table.schema.get_field_index("user_id"), "user_id", pa.array([user]))
        pq.write_table(pushed, folder / f"{name}.parquet")
    assert [(span.view, span.rows) for span in there.ingest().features.materialize()] == [("user_activity", 4)]
    there.log.append(batch(event("b", item_id="b", event_timestamp=at(10))))
    assert OnlineUsers(there.home / "features", there.log).catch_up() == 1
    assert [online(there, user, "recent_items") for user in ("u1", "p1", "p2", "p3", "p4")] == [[["a", "b"]], *[[["a"]]] * 4]
    there.learnt()
    store = there.features.repository.place.open()
    assert set(store.notes(APPLIED).values()) == {"2"}
    store.close()


def test_a_view_that_comes_back_is_served(tmp_path: Path) -> None:
    """A view that was taken out of the repository, applied, and put back is filled anew by the next materialisation."""
    repo = repo_copy(tmp_path)
    home = tmp_path / "home"
    there = world(home, batch(event("a", item_id="a")), repo=repo).learnt()
    whole = {name: (repo / name).read_text() for name in ("users.py", "services.py")}
    head = whole["users.py"].partition("user_activity = FeatureView")[0].replace("user_activity_push, ", "")
    (repo / "users.py").write_text(head)
    text = whole["services.py"].replace("user_activity, user_profile", "user_profile")
    (repo / "services.py").write_text(text.replace("[user_profile, user_activity]", "[user_profile]"))
    assert opened(home, there.log, repo).repository.apply()
    for name, content in whole.items():
        (repo / name).write_text(content)
    back = World(home, there.log, opened(home, there.log, repo))
    assert [(span.view, span.rows) for span in back.features.materialize()] == [("user_activity", 1)]
    assert online(back, "u1", "recent_items") == [["a"]]


def test_feast_is_quiet(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Feast's own lines and bars do not reach the terminal."""
    there = world(tmp_path, batch(event("a"))).ingest()
    capfd.readouterr()
    there.features.materialize()
    assert capfd.readouterr() == ("", "")


def test_progress_is_told(tmp_path: Path) -> None:
    """Each view is named with its rows done, of how many."""
    there = world(tmp_path, batch(event("a"), event("b", event_timestamp=at(10)))).ingest()
    told: list[tuple[str, int, int]] = []
    materialize(there.features.repository, lambda *progress: told.append(progress))
    assert told == [("item_popularity", 2, 2), ("user_activity", 2, 2)]


def test_feasts_registry_knows(tmp_path: Path) -> None:
    """Feast's own incremental materialisation goes on where ours ended, and the list of intervals stays as short as its holes."""
    there = world(tmp_path, batch(event("a"))).learnt()
    for second in (10, 20):
        there.log.append(batch(event(f"b{second}", event_timestamp=at(second))))
        there.learnt()
    view = there.features.repository.feature_view("user_activity")
    assert view.most_recent_end_time == at(20) + 2 * US
    assert len(view.materialization_intervals) == 3  # three moments with nothing between them
    there.features.repository.store.materialize(START, at(20) + 2 * US, ["user_activity"])
    view = there.features.repository.feature_view("user_activity")
    assert view.materialization_intervals == [(START, at(20) + 2 * US)]


def test_a_view_that_is_more_than_columns_is_refused(tmp_path: Path) -> None:
    """A view over files that are not Parquet is named, with the command that still brings it."""
    text = FOREIGN.replace('timestamp_field="seen"', 'timestamp_field="seen", file_format=DeltaFormat()')
    text = f"from feast.data_format import DeltaFormat\n{text}"
    repo = repo_copy(tmp_path, {"users.py": [("user_activity = FeatureView(", f"{text}\nuser_activity = FeatureView(")]})
    with pytest.raises(DataError, match=r"^feature view 'user_prices': expected columns of Parquet .* `feast materialize`"):
        materialize(FeastRepository(repo, tmp_path / "home"))
