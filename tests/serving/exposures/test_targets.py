"""Policies as scores of what could have been shown."""

from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from ratoon.domain.embedding import Vectors
from ratoon.domain.event import EVENT_SCHEMA
from ratoon.domain.exploration import Exploration
from ratoon.domain.labels import Types
from ratoon.domain.schema import Feature, TowerSchema
from ratoon.events import SqliteEventLog
from ratoon.ports import Index, ServedTowers, Values
from ratoon.serving.exposures import Kept, interactions_since, released, unlogged
from ratoon.serving.exposures import targets as module
from ratoon.serving.exposures.exposure import kept, row_of
from ratoon.serving.exposures.targets import popularity
from ratoon.towers import open_towers
from ratoon.wiring import House
from tests.serving.exposures.answers import after, answer, drawn, happened


def explored(seconds: float) -> Kept:
    return kept(row_of(drawn(f"r{seconds}", seconds, "u", Exploration(1, 0.5, 2), ("a", "b", "c", "d"), 2), 1.0))


@pytest.mark.parametrize(
    ("types", "expected"),
    [(None, [[1, 0, 0], [2, 1, 0], [1, 1, 1]]), (("buy",), [[0, 0, 0], [1, 0, 0], [1, 0, 1]])],
)
def test_popular_is_what_was_popular_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, types: Types, expected: list[list[int]]
) -> None:
    """Counts are over the newest interactions that count, as of each exposure: nothing that came after is in them."""
    monkeypatch.setattr(module, "RECENT", 3)
    told = [(1.0, "b", "view"), (12.0, "b", "buy"), (13.0, "c", "view"), (22.0, "d", "buy")]
    clock = [after(0)]

    class Counting(SqliteEventLog):
        def recent(self, upto: int, count: int, without: Sequence[int] = (), types: Types = types) -> list[tuple[int, str, str]]:
            return super().recent(upto, count, without, types)

    with closing(Counting(tmp_path / "events", "wall", lambda: clock[0])) as log:
        for number, (seconds, item, kind) in enumerate(told):
            clock[0] = after(seconds)
            event = happened((seconds, None, item, kind)).select(EVENT_SCHEMA.names)
            log.append(event.set_column(0, EVENT_SCHEMA.field("event_id"), pa.array([f"e{number}"])))
        exposures = [explored(seconds) for seconds in (10, 20, 30)]
        found = popularity(exposures, log, interactions_since(log, after(10), "default"), types)
    assert [counts.tolist() for counts in found] == expected


def test_nothing_was_shown(tmp_path: Path) -> None:
    """Without exposures there is nothing to count."""
    with closing(SqliteEventLog(tmp_path / "events", "log", lambda: after(0))) as log:
        assert popularity([], log, happened(), None) == []


def opened(house: House) -> tuple[TowerSchema, ServedTowers, Index]:
    registry = house.registry("default")
    files = registry.load(release := registry.get(None))
    return registry.schema(release), open_towers(files), house.indexes.load(files)


def test_a_release_scores_as_it_would_have_answered(house: House) -> None:
    """From values that went through the log a release gives each choice the score that its search gives it."""
    schema, towers, index = opened(house)
    asked: list[Kept] = []
    best: list[list[tuple[str, float]]] = []
    for user in ("u1", "u2", "u3"):
        values = house.online().user(user, schema)
        assert values is not None
        (found,) = index.search(towers.user(values), 8)
        best.append(found)
        one = answer(f"r{user}")._replace(features=values, choices=[(item, 0.0) for item, _ in found], slots=1)
        asked.append(kept(row_of(one, 1.0)))
    for mine, found in zip(released(asked, schema, towers, index), best, strict=True):
        assert mine == pytest.approx([score for _, score in found], rel=1e-5)
    assert unlogged(asked, schema) == []


def test_what_a_release_cannot_score(house: House) -> None:
    """No score without logged values or known choices; a single unknown choice is never shown; unlogged features are named."""
    schema, towers, index = opened(house)
    known = index.ids()[:2]
    values = house.online().user("u1", schema)

    def asked(choices: Sequence[str], features: Values | None) -> Kept:
        return kept(row_of(answer()._replace(choices=[(item, 0.0) for item in choices], features=features), 1.0))

    exposures = [asked(known, None), asked(["none", "neither"], values), asked([known[0], "none"], values)]
    one, two, three = released(exposures, schema, towers, index)
    assert one is None
    assert two is None
    assert three is not None
    assert np.isfinite(three).tolist() == [True, False]
    assert released(exposures[:1], schema, towers, index) == [None]
    few = asked(known, {"user_id": "u1"})
    assert unlogged([few], schema) == sorted(feature.name for feature in schema.user if feature.name != "user_id")


def test_times_come_back_as_times() -> None:
    """A time that a tower reads as a number is read from the log as the time it was."""

    class Seen:
        def users(self, table: pa.Table) -> Vectors:
            assert table.column("at").to_pylist() == [datetime(2024, 1, 1, tzinfo=UTC), None]
            assert table.column("text").null_count == 2
            return np.ones((2, 1), np.float32)

    class Held:
        def __contains__(self, item: object) -> bool:
            return True

        def vectors(self, ids: Sequence[str]) -> Vectors:
            return np.ones((len(ids), 1), np.float32)

    schema = TowerSchema("p", (Feature("at", "v", "user", "number"), Feature("text", "v", "user", "text")), ())
    told: list[Values] = [{"at": datetime(2024, 1, 1, tzinfo=UTC)}, {"text": None}]
    asked = [kept(row_of(answer()._replace(choices=[("a", 0.0)], features=values), 1.0)) for values in told]
    assert [scores is not None for scores in released(asked, schema, Seen(), Held())] == [True, True]  # type: ignore[arg-type]
