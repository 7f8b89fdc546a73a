"""Answers at any moment are those of an index made for that moment."""

from itertools import islice

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ratoon import answering
from ratoon.answering import Lately, answered, lately, set_traits, shift, traited
from ratoon.domain import popularity
from ratoon.domain.embedding import EmbeddingBatch, Vectors
from ratoon.domain.popularity import WIDTH, Timeline
from ratoon.domain.predicate import Equals
from ratoon.events import SqliteEventLog
from ratoon.index import FaissIndexes
from ratoon.ports import Index
from tests.fakes.events import START, batch, event

DIM = 6
ITEMS = [f"i{number:02}" for number in range(40)]


def events(count: int, seed: int) -> list[tuple[int, str, str]]:
    """Interactions of which the later ones are with other items than the earlier ones."""
    rng = np.random.default_rng(seed)
    centre = np.linspace(0, len(ITEMS) - 8, count).astype(int)
    items = centre + rng.integers(0, 8, count)
    return [(number + 1, f"u{rng.integers(200)}", ITEMS[item]) for number, item in enumerate(items)]


def filled(ids: list[str], seed: int) -> Index:
    """An index of random vectors, the same for the same items, without traits."""
    index = FaissIndexes().empty(DIM + WIDTH, "dot")
    rng = np.random.default_rng(seed)
    vectors = np.zeros((len(ids), DIM + WIDTH), np.float32)
    vectors[:, :DIM] = [rng.standard_normal(DIM) for _ in ids]
    index.upsert(EmbeddingBatch(tuple(ids), vectors, pa.table({"item_id": ids})))
    return index


def made_for(ids: list[str], seed: int, timeline: Timeline, rows: list[tuple[int, str, str]], upto: int) -> Index:
    index = filled(ids, seed)
    firsts = {(user, item): offset for offset, user, item in reversed(rows)}
    ever = [sum(had == item and offset <= upto for (_, had), offset in firsts.items()) for item in ids]
    set_traits(index, ids, np.array(ever), timeline, upto)
    return index


def asked(count: int, worth: Vectors, seed: int) -> Vectors:
    queries = np.random.default_rng(seed).standard_normal((count, DIM)).astype(np.float32)
    return np.concatenate([queries, np.broadcast_to(worth, (count, WIDTH))], axis=1).astype(np.float32)


@pytest.fixture(autouse=True)
def short_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(popularity, "WINDOWS", (10, 60))
    monkeypatch.setattr(answering, "SPARE", 2)


WORTH = np.array([0.7, 0.3, 0.2, 1.5], np.float32)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000), st.integers(20, 180), st.lists(st.integers(2, 200), min_size=1, max_size=4), st.integers(1, 12))
def test_a_shifted_index_answers_like_one_made_for_the_moment(seed: int, upto: int, moments: list[int], k: int) -> None:
    """For a moment before or after that of the index, and with items hidden, ids and scores are those of an index made then."""
    rows = events(200, seed)
    timeline = Timeline.of(rows)
    index = made_for(ITEMS, seed, timeline, rows, upto)
    queries, hidden = asked(len(moments), WORTH, seed), [{ITEMS[(seed + place) % 40]} for place in range(len(moments))]
    moved = shift(index, WORTH, timeline, upto, moments)
    found = answered(index, queries, k, hidden, moved)
    for place, moment in enumerate(moments):
        then = made_for(ITEMS, seed, timeline, rows, moment - 1)
        (wanted,) = then.search(queries[place : place + 1], k, [hidden[place]])
        assert [score for _, score in found[place]] == pytest.approx([score for _, score in wanted], abs=1e-4)
        ours, theirs = dict(found[place]), dict(wanted)
        assert all(theirs.get(item, wanted[-1][1]) == pytest.approx(score, abs=1e-4) for item, score in ours.items())


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000), st.integers(20, 120), st.integers(0, 60))
def test_traits_that_grew_are_traits_counted_anew(seed: int, since: int, more: int) -> None:
    """Bringing an index forward writes few items and gives the bytes of one whose traits were counted from nothing."""
    rows = events(200, seed)
    timeline = Timeline.of(rows)
    before = made_for(ITEMS[:30], seed, timeline, rows, since)
    index = made_for(ITEMS[:30], seed, timeline, rows, since)
    fresh = filled(ITEMS, seed)
    written = [*ITEMS[30:], ITEMS[3]]
    index.upsert(EmbeddingBatch(tuple(written), fresh.vectors(written), pa.table({"item_id": written})))
    moved = traited(index, written, timeline, since + more, before, since)
    assert moved <= len(ITEMS)
    wanted = made_for(ITEMS, seed, timeline, rows, since + more)
    known = [item for item in ITEMS[:30] if item != ITEMS[3]]
    assert np.array_equal(index.vectors(known)[:, :DIM], before.vectors(known)[:, :DIM])
    # An item that is new to the index is counted from then on.
    assert np.array_equal(index.vectors(ITEMS[:30])[:, DIM:], wanted.vectors(ITEMS[:30])[:, DIM:])


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 99), since=st.integers(0, 60), steps=st.lists(st.integers(0, 60), min_size=1, max_size=4))
def test_a_timeline_that_is_followed_is_one_that_is_read_anew(
    tmp_path_factory: pytest.TempPathFactory, seed: int, since: int, steps: list[int]
) -> None:
    """However the log grew, with other events in between and ranges left out: interactions, items and their order are alike."""
    log = SqliteEventLog(tmp_path_factory.mktemp("log") / "events.sqlite", "wall", lambda: START)
    rows, left_out, followed = iter(events(400, seed)), [(20, 24)], Lately()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(answering, "KEPT", 30)
        for step in steps:
            grown = [
                event(f"e{number}", kind="interaction" if number % 5 else "user", user_id=f"{user}-{number}", item_id=item)
                for number, user, item in islice(rows, step)
            ]
            log.append(batch(*grown))
            found, anew = followed.upto(log, log.end(), since, left_out), lately(log, log.end(), since, left_out)
            tail = len(found.offsets) - len(anew.offsets)  # what was read once stays, however far the log goes on
            assert found.offsets[max(tail, 0) :].tolist() == anew.offsets[max(-tail, 0) :].tolist()
            named = [[one.items[code] for code in one.codes] for one in (found, anew)]
            assert named[0][max(tail, 0) :] == named[1][max(-tail, 0) :]
    log.close()


def test_nothing_moves_where_popularity_is_worth_nothing() -> None:
    """Without weights, or at the index's own moment, there is no shift, and answers are the index's."""
    rows = events(100, 1)
    timeline = Timeline.of(rows)
    index = made_for(ITEMS, 1, timeline, rows, 50)
    assert shift(index, np.zeros(WIDTH, np.float32), timeline, 50, [90]) is None
    assert shift(index, WORTH[:0], timeline, 50, [90]) is None
    assert shift(index, WORTH, timeline, 50, [51]) is None
    queries = asked(3, WORTH, 2)
    assert answered(index, queries, 5) == index.search(queries, 5)


def test_a_shift_without_an_item_leaves_it_out() -> None:
    """What was taken out of the index is not answered by its shift either."""
    rows = events(100, 1)
    timeline = Timeline.of(rows)
    index = made_for(ITEMS, 1, timeline, rows, 20)
    moved = shift(index, WORTH, timeline, 20, [101])
    assert moved is not None
    best = moved.items[int(np.argmax(moved.amounts[0]))]
    index.remove([best])
    (found,) = answered(index, asked(1, WORTH * 100, 3), 40, [set()], moved.without({best}))
    assert best not in {item for item, _ in found}
    assert len(found) == len(ITEMS) - 1


def test_a_filter_holds_for_what_moved() -> None:
    """With a filter the answers are those of an index of what matches, made for the moment; also where nothing moved matches."""
    rows = events(160, 5)
    timeline = Timeline.of(rows)
    index, then = (made_for(ITEMS, 5, timeline, rows, upto) for upto in (20, 120))
    moved = shift(index, WORTH, timeline, 20, [121])
    assert moved is not None
    still = [item for item in ITEMS if item not in moved.items]
    assert still
    queries, hidden = asked(3, WORTH, 5), [{ITEMS[30]}, set(ITEMS[:3]), set[str]()]
    for wanted in (set(ITEMS[::2]), set(still)):
        told = pa.table({"item_id": ITEMS, "wanted": [item in wanted for item in ITEMS]})
        index.upsert(EmbeddingBatch(tuple(ITEMS), index.vectors(ITEMS), told))
        others = [gone | (set(ITEMS) - wanted) for gone in hidden]
        found = answered(index, queries, 25, hidden, moved, Equals("wanted", True))
        for own, right in zip(found, then.search(queries, 25, others), strict=True):
            assert [item for item, _ in own] == [item for item, _ in right]
            np.testing.assert_allclose([score for _, score in own], [score for _, score in right], rtol=1e-4, atol=1e-4)


def test_equal_scores_come_in_the_order_of_ids() -> None:
    """Where popularity makes items equal they are answered by id, as an index made for the moment does, hidden ones left out."""
    rows = events(160, 5)
    timeline = Timeline.of(rows)
    worth = np.array([0, 0, 0, 2], np.float32)  # a trait that is 0 or 1: scores are exact
    index, then = (made_for(ITEMS, 5, timeline, rows, upto) for upto in (20, 120))
    queries, hidden = asked(2, worth, 5), [{ITEMS[30]}, set[str]()]
    queries[:, :DIM] = 0
    found = answered(index, queries, 25, hidden, shift(index, worth, timeline, 20, [121]))
    assert found == then.search(queries, 25, hidden)
    assert found[0] != index.search(queries, 25, hidden)[0]
    assert [item for item, score in found[1] if score == 2] == sorted(item for item, score in found[1] if score == 2)
