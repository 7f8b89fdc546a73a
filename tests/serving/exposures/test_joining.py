"""What followed on what was shown, and how much of it is known."""

from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from ratoon.domain.event import EVENT_SCHEMA
from ratoon.events import SqliteEventLog
from ratoon.serving.exposures import coverage, interactions_since, joined
from ratoon.serving.exposures.exposure import kept, row_of
from ratoon.serving.exposures.joining import POSITION_SCHEMA, offset_at
from tests.serving.exposures.answers import START, after, answer, happened

HOUR = timedelta(hours=1)
KEPT = [kept(row_of(answer("r1"), 1.0)), kept(row_of(answer("r2", 10), 0.5))]


def test_positions_and_what_followed() -> None:
    """Each position has its interactions, oldest first; what names another request or item, or comes too late, is not there."""
    events = happened(
        (50, "r1", "b", "buy"),
        (40, "r1", "b", "click"),
        (45, "r1", "z", "click"),
        (46, "r9", "a", "click"),
        (47, None, "a", "click"),
        (3_601, "r1", "a", "click"),
        (3_610, "r2", "a", "click"),
    )
    found = joined(KEPT, events, HOUR)
    assert found.schema == POSITION_SCHEMA
    rows = found.to_pylist()
    told = [(row["request_id"], row["position"], row["item_id"], [event["type"] for event in row["events"]]) for row in rows]
    assert told == [("r1", 1, "a", []), ("r1", 2, "b", ["click", "buy"]), ("r2", 1, "a", ["click"]), ("r2", 2, "b", [])]
    assert rows[1]["events"][0] == {"type": "click", "value": 1.0, "event_timestamp": after(40)}
    assert (rows[2]["score"], rows[2]["propensity"], rows[2]["share"], rows[2]["time"]) == (2.0, 1.0, 0.5, after(10))


def test_a_slow_clock_is_no_reason() -> None:
    """An interaction that names a request came after it, also if its device's clock is behind."""
    assert joined(KEPT[:1], happened((-30, "r1", "a", "click")), HOUR).column("events").to_pylist()[0] != []


def test_nothing_to_join() -> None:
    """Without exposures there are no positions, in the same columns."""
    assert joined([], happened((1, "r1", "a", "click")), HOUR).schema == POSITION_SCHEMA


def test_coverage_by_hand() -> None:
    """Of six interactions three are known, one unknown, two name nothing; the sample is what the shares say it is."""
    events = happened(
        (1, "r1", "a", "click"),
        (2, "r1", "b", "click"),
        (3, "r1", "z", "click"),
        (4, "lost", "a", "click"),
        (5, None, "a", "click"),
        (6, None, "b", "click"),
    )
    found = coverage(iter(KEPT), events)
    assert (found.known, found.unknown, found.missing, found.interactions) == (3 / 6, 1 / 6, 2 / 6, 6)
    assert (found.elsewhere, found.answered, found.exposures) == (1 / 3, 1 / 2, 2)
    assert found.sampled == pytest.approx(2 / 3)


def test_coverage_of_nothing() -> None:
    """Without exposures and interactions every share is 0, and the sample has no share."""
    found = coverage([], happened().select(["request_id", "item_id"]))
    assert (found.known, found.missing, found.answered, found.sampled) == (0, 0, 0, None)


def test_interactions_are_found_by_when_they_arrived(tmp_path: Path) -> None:
    """From a log of many events those are read that arrived from a moment on, of this surface or of none, and no others."""
    clock = [START]
    names = ("event_id", "kind", "surface", "user_id", "item_id", "event_timestamp", "request_id", "features")
    with closing(SqliteEventLog(tmp_path / "events", "wall", lambda: clock[0])) as log:
        for number in range(20):
            clock[0] = after(number)
            kind, surface = ("item", None) if number == 15 else ("interaction", (None, "default", "home")[number % 3])
            row = (f"e{number}", kind, surface, None if kind == "item" else "u", f"i{number}", START, f"r{number}", None)
            log.append(pa.Table.from_pylist([dict(zip(names, row, strict=True))], EVENT_SCHEMA))
        found = interactions_since(log, after(10), "default")
        assert found.column("item_id").to_pylist() == ["i10", "i12", "i13", "i16", "i18", "i19"]
        assert [offset_at(log, after(moment)) for moment in (-5, 0, 10.5, 19, 30)] == [1, 1, 12, 20, 21]
        assert interactions_since(log, after(30), "default").num_rows == 0


def test_a_gap_in_the_log_hides_nothing(tmp_path: Path) -> None:
    """Where the log does not show every offset the search begins too early, never too late, and earlier ones are left out."""

    class Sifted(SqliteEventLog):
        def read(self, after: int, upto: int | None = None) -> pa.Table:
            found = super().read(after, upto)
            return found.filter(pa.array([offset not in (5, 8) for offset in found.column("offset").to_pylist()], pa.bool_()))

    clock = [START]
    with closing(Sifted(tmp_path / "events", "wall", lambda: clock[0])) as log:
        for number in range(1, 11):
            clock[0] = after(number)
            log.append(happened((number, f"r{number}", f"i{number}", "click")).set_column(
                0, EVENT_SCHEMA.field("event_id"), pa.array([f"e{number}"])).select(EVENT_SCHEMA.names))  # fmt: skip
        for moment in range(1, 12):
            wanted = [f"i{number}" for number in range(moment, 11) if number not in (5, 8)]
            assert interactions_since(log, after(moment), "default").column("item_id").to_pylist() == wanted


def test_an_exposure_twice_in_an_answer_is_two_positions() -> None:
    """What follows on an item counts at every position that showed it."""
    twice = replace(KEPT[0], items=("a", "a"))
    assert [len(row) for row in joined([twice], happened((1, "r1", "a", "click")), HOUR).column("events").to_pylist()] == [1, 1]
