"""What was popular at every moment, where much of the log counts for nothing."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from ratoon import answering
from ratoon.answering import set_traits, traited
from ratoon.domain import popularity
from ratoon.domain.embedding import EmbeddingBatch
from ratoon.domain.popularity import WIDTH, Timeline, ever_of
from ratoon.domain.window import Window
from ratoon.events import SqliteEventLog
from ratoon.index import ExactIndexes
from ratoon.judging import timeline
from tests.fakes.events import START, at, batch, event

ITEMS = tuple(f"i{number}" for number in range(5))
END = 60
SINCE = 40
MOMENTS = np.arange(SINCE, END + 2)

Counts = dict[str, list[list[int]]]


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SqliteEventLog]:
    """15 users who take one item each, four times in a row; popularity looks at six interactions."""
    monkeypatch.setattr(popularity, "WINDOWS", (2, 6))
    monkeypatch.setattr(answering, "WINDOWS", (2, 6))
    monkeypatch.setattr(answering, "KEPT", 6)
    made = SqliteEventLog(tmp_path / "events.sqlite", "log", lambda: START)
    pairs = [number // 4 for number in range(END)]
    rows = [event(f"e{n}", user_id=f"u{p}", item_id=ITEMS[p % 5], event_timestamp=at(n)) for n, p in enumerate(pairs)]
    made.append(batch(*rows))
    yield made
    made.close()


def counts(made: Timeline) -> Counts:
    """Item -> how often it is among the newest two and six at every moment from SINCE on."""
    recent = made.recent(MOMENTS, np.arange(len(made.items)))
    known = {item: recent[:, code].tolist() for code, item in enumerate(made.items)}
    return {item: known.get(item, [[0, 0]] * len(MOMENTS)) for item in ITEMS}


def looked(log: SqliteEventLog, left_out: Sequence[tuple[int, int]] = ()) -> Timeline:
    return timeline(log, Window(SINCE, END, START, left_out=tuple(left_out)), SINCE)


def test_repeats_do_not_shorten_what_is_counted(log: SqliteEventLog) -> None:
    """Where three of four interactions are repeats, the newest six are still six, as if the whole log had been read."""
    whole = Timeline.of(log.recent(END, END))
    assert len(whole.offsets) == END // 4
    assert counts(looked(log)) == counts(whole)
    assert sum(each[0][1] for each in counts(looked(log)).values()) == 6


def test_what_is_left_out_is_neither_counted_nor_in_the_way(log: SqliteEventLog) -> None:
    """Ranges that must not be learnt from count for nothing at any moment, and older interactions take their places."""
    poison = [(17, 36), (45, 52)]
    clean = [row for row in log.recent(END, END) if not any(first <= row[0] <= last for first, last in poison)]
    found = looked(log, poison)
    assert counts(found) == counts(Timeline.of(clean))
    assert counts(found) != counts(looked(log))
    assert not {*range(17, 37), *range(45, 53)} & {*found.offsets.tolist()}


def test_what_is_left_out_adds_to_no_count_of_ever(log: SqliteEventLog) -> None:
    """An index brought forward over a range that is left out has the counts of the others alone."""
    index = ExactIndexes().empty(2 + WIDTH, "dot")
    index.upsert(EmbeddingBatch(ITEMS, np.zeros((5, 2 + WIDTH), np.float32), pa.table({"item_id": list(ITEMS)})))
    set_traits(index, ITEMS, np.full(5, 2), looked(log), SINCE)
    traited(index, (), looked(log, [(41, 52)]), END, index.copy(), SINCE)
    # Of the users after offset 40 those of offsets 53 to 56 and 57 to 60 are left: they took the items i3 and i4.
    assert ever_of(index.vectors(ITEMS)[:, -WIDTH:]).tolist() == [2, 2, 2, 3, 3]
