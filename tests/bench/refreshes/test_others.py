"""Methods without towers get the questions of the walk, and their answers come back in its order."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from ratoon.bench.refreshes import others
from ratoon.bench.refreshes.play import Played
from ratoon.bench.refreshes.worlds import Kind, World
from ratoon.domain.event import EVENT_SCHEMA


def circle(users: int = 30, items: int = 12, steps: int = 6) -> World:
    """Users go round a circle of items; the last two steps are a slice each, and every step begins with a user's event."""
    rows: list[dict[str, object]] = []
    for step in range(steps):
        for user in range(-1, users):
            kind = "interaction" if user >= 0 else "user"
            item = f"i{(5 * user + step) % items}" if user >= 0 else None
            at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=len(rows))
            who = f"u{max(user, 0)}"
            rows.append({"event_id": f"e{len(rows):04d}", "kind": kind, "user_id": who, "item_id": item, "event_timestamp": at})
    end = len(rows)
    return World("circle", Kind(), pa.Table.from_pylist(rows, EVENT_SCHEMA), (end - 2 * (users + 1), end - users - 1, end))


def test_every_method_answers_every_question(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rank per question from whoever ran, and SASRec, which can know what comes next, knows it better than counting."""
    world = circle()
    first, second, last = world.bounds
    offsets = [place + 1 for place in range(first, last) if place not in (first, second)]
    played = Played(offsets=offsets, slices=[1 if offset <= second else 2 for offset in offsets])
    told: list[str] = []
    monkeypatch.setattr(others, "SASREC_CPU_SECONDS", 200)
    found = others.others(tmp_path, world, played, lambda what, _: told.append(what))
    assert told == ["baselines", "SASRec"]
    assert {len(found.ranks[name]) for name in found.run} == {len(offsets)}
    assert "SASRec" in found.run
    every = np.ones(len(offsets), np.bool_)
    assert found.hits("SASRec", 3)[every].mean() > found.hits("popularity, all", 3)[every].mean()
    assert found.seconds["SASRec"] > 0
