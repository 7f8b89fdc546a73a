"""Rows that are carried on are those that a whole history gives, whatever else the log is told meanwhile."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ratoon.domain.event import Event
from ratoon.events import SqliteEventLog
from ratoon.features.online import known as module
from ratoon.features.online.known import Known, as_told
from ratoon.features.online.store import Batch
from ratoon.features.online.valued import valued
from ratoon.features.quality.accepted import Accepted
from ratoon.features.quality.sift import sift
from ratoon.features.views import View, ViewField
from tests.fakes.events import at, batch, event
from tests.features.quality.conditions import profile_rules

ACTIVITY = View(
    "s",
    "activity",
    "user",
    "interaction",
    "/a/*",
    "event_timestamp",
    (ViewField("n", "INT64", "count"), ViewField("recent", "STRING_LIST", "last(item_id, 3)")),
)
PROFILE = View("s", "profile", "user", "user", "/p/*", "event_timestamp", (ViewField("age", "INT64"),))
VIEWS = (ACTIVITY, PROFILE)


def opened(folder: Path) -> SqliteEventLog:
    return SqliteEventLog(folder / "events.sqlite", "wall", lambda: at(10_000))


def rows(batches: Sequence[Batch]) -> dict[str, dict[bytes, bytes]]:
    """View -> key -> the row's bytes."""
    return {one.view: dict(zip(one.packed.keys, one.packed.rows, strict=True)) for one in batches}


def whole(log: Any, users: Sequence[str]) -> dict[str, dict[bytes, bytes]]:
    return rows(valued(VIEWS, log.history("user", users)))


def said(name: str, user: str, second: int, age: int) -> dict[str, Any]:
    return event(
        name, kind="user", user_id=user, item_id=None, event_timestamp=at(second), features=f'{{"age": {age}}}', type=None
    )


TOLD = st.tuples(st.sampled_from("abc"), st.integers(0, 20), st.booleans())
TURNS = st.lists(st.tuples(st.lists(TOLD, max_size=4), st.sets(st.sampled_from("abc"), min_size=1)), max_size=6)


@settings(max_examples=25, deadline=None)
@given(turns=TURNS, kept=st.sampled_from([0, 4, 10**6]))
def test_carried_on_or_begun_anew_is_the_same(
    tmp_path_factory: pytest.TempPathFactory, turns: list[tuple[list[tuple[str, int, bool]], set[str]]], kept: int
) -> None:
    """Late events, users who are left out for a while, users whose state is forgotten: always the rows of the whole log."""
    log = opened(tmp_path_factory.mktemp("log"))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(module, "VALUES", kept)
        carried = Known(VIEWS, log)
        for turn, (events, asked) in enumerate(turns):
            made = []
            for place, (user, second, speaks) in enumerate(events):
                name = f"{turn}-{place}"
                made.append(said(name, user, second, place) if speaks else event(name, user_id=user, event_timestamp=at(second)))
            log.append(batch(*made))
            assert rows(carried.batches(sorted(asked))) == whole(log, sorted(asked))
    log.close()


def test_the_past_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a user who is known only the new events are read; a late one has the past read again."""
    log, read = opened(tmp_path), list[int]()
    log.append(batch(*(event(f"e{n}", event_timestamp=at(n)) for n in range(10))))
    plain = log.history

    def counted(*asked: Any) -> Any:
        found = plain(*asked)
        read.append(found.num_rows)
        return found

    monkeypatch.setattr(log, "history", counted)
    carried = Known(VIEWS, log)
    carried.batches(["u1"])
    log.append(batch(event("new", event_timestamp=at(50))))
    carried.batches(["u1"])
    log.append(batch(event("late", event_timestamp=at(5))))
    carried.batches(["u1"])
    assert read == [10, 1, 1, 12]
    log.close()


def test_what_is_put_aside_later_counts_no_more(tmp_path: Path) -> None:
    """Events that a sifting puts aside are gone from rows that were carried on with them."""
    log = opened(tmp_path)
    seen = Accepted(log, tmp_path)
    carried = Known(VIEWS, seen)
    log.append(batch(said("wrong", "u1", 1, 500), said("right", "u2", 1, 50)))
    before = rows(carried.batches(["u1", "u2"]))
    assert len(before["profile"]) == 2
    sift(profile_rules(age="range(0, 120)"), log, tmp_path / "quarantine")
    assert rows(carried.batches(["u1", "u2"])) == whole(seen, ["u1", "u2"]) != before
    log.close()


def test_a_session_is_not_kept(tmp_path: Path) -> None:
    """A row with a session's events is that of a log that has them; the next row knows nothing of them."""
    log = opened(tmp_path)
    log.append(batch(event("a", item_id="a", event_timestamp=at(1))))
    carried = Known(VIEWS, log)
    before = rows(carried.batches(["u1"]))
    session = as_told([Event("s", "interaction", at(9), "u1", "b", "view")])
    with_it = rows(carried.with_session("u1", session))
    assert rows(carried.batches(["u1"])) == before != with_it
    log.append(batch(event("s", item_id="b", event_timestamp=at(9))))
    (key,) = with_it["activity"]
    assert with_it["activity"][key][24:] == whole(log, ["u1"])["activity"][key][24:]  # all but when they arrived
    log.close()
