"""Sets cut into slices, and what happened before each question."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from ratoon import data
from ratoon.bench.refreshes.worlds import Kind, World, open_world, past_of
from ratoon.domain.errors import DataError
from ratoon.domain.event import EVENT_SCHEMA


@pytest.fixture(scope="module")
def synth(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sets") / "synth"
    data.write_generic(folder, data.synth(60, 90, 1_200, seed=2))
    return folder


def event(number: int, kind: str, user: str | None, item: str | None) -> dict[str, object]:
    at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=number)
    return {"event_id": f"e{number:03d}", "kind": kind, "user_id": user, "item_id": item, "event_timestamp": at}


def test_slices_follow_the_history_without_gaps(synth: Path, tmp_path: Path) -> None:
    """The first 60 % of the events are history; the others fall into slices of one size, in order, to the last."""
    world = open_world("synth", synth, tmp_path, 1.0, 4)
    assert world.bounds[0] == int(world.events.num_rows * 0.6)
    slices = list(world.slices)
    assert [number for number, _, _ in slices] == [1, 2, 3, 4]
    assert [start for _, start, _ in slices[1:]] == [stop for _, _, stop in slices[:-1]]
    assert slices[-1][2] == world.events.num_rows == 1_200 + 60 + 90
    lengths = [stop - start for _, start, stop in slices]
    assert max(lengths) - min(lengths) <= 1


def test_weeks_are_slices_where_the_set_has_weeks(tmp_path: Path) -> None:
    """Files of weeks give slices that begin where a file does, the newest ones; a session may take an item again."""
    folder = tmp_path / "diginetica"
    folder.mkdir()
    for week in range(5):
        (folder / f"period_{week}.txt").write_text("".join(f"{week}{line} {line % 3}\n" for line in range(10 + week)))
    world = open_world("diginetica", folder, tmp_path, 1.0, 3)
    assert [stop - start for _, start, stop in world.slices] == [12, 13, 14]
    assert world.bounds[0] == 21
    assert not world.kind.mask_seen


def test_a_share_keeps_whole_users_and_the_items_they_met(synth: Path, tmp_path: Path) -> None:
    """At a smaller scale some users are kept with all they did, and of the items those they met, in order of time."""
    whole, part = (open_world("synth", synth, tmp_path, scale, 2).events for scale in (1.0, 0.4))
    users = set(part.column("user_id").drop_null().to_pylist())
    assert 0.2 < len(users) / 60 < 0.6
    kept = [row["event_id"] for row in whole.to_pylist() if row["user_id"] in users]
    assert set(kept) < set(part.column("event_id").to_pylist())
    met = {row["item_id"] for row in part.to_pylist() if row["kind"] == "interaction"}
    assert {row["item_id"] for row in part.to_pylist() if row["kind"] == "item"} == met
    times = part.column("event_timestamp").to_pylist()
    assert times == sorted(times)


def test_a_set_too_small_is_refused(synth: Path, tmp_path: Path) -> None:
    """More refreshes than events after the history cannot be played."""
    with pytest.raises(DataError, match="bench refresh, synth: expected events for a history and 5000 slices, found 1350 events"):
        open_world("synth", synth, tmp_path, 1.0, 5_000)


def test_what_was_before_a_question_is_told_apart() -> None:
    """A question hides what its user had had before it and no more; an item is new until its first interaction is past."""
    rows = [
        event(0, "item", None, "a"),
        event(1, "interaction", "u", "a"),
        event(2, "interaction", "v", "b"),
        event(3, "user", "u", None),
        event(4, "interaction", "u", "b"),
        event(5, "interaction", "u", "c"),
        event(6, "interaction", "v", "c"),
    ]
    world = World("made up", Kind(), pa.Table.from_pylist(rows, EVENT_SCHEMA), (3, 5, 7))
    past = past_of(world)
    assert [past.seen(offset) for offset in (2, 3, 5, 6, 7)] == [set(), set(), {"a"}, {"a", "b"}, {"b"}]
    assert [past.is_new(offset, 3) for offset in (5, 6, 7)] == [False, True, True]
    assert [past.is_new(offset, 6) for offset in (6, 7)] == [False, False]
