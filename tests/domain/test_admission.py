"""Rows are earned by interactions and lost by silence, and no row is ever anybody else's."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ratoon.domain.admission import NEVER, Attendance, Rule, Waiting, counted, enrolled, remembered, rules
from ratoon.domain.encoding import Encoding, Vocabulary
from ratoon.domain.plan import Scope
from ratoon.domain.schema import ITEM_TABLE, Feature, TowerSchema

DAY = 86_400_000_000
USER = Feature("user_id", "", "user", "id", "user_id", admit=2, evict=10 * 86_400)
ITEM = Feature("item_id", "", "item", "id", ITEM_TABLE, admit=2, evict=10 * 86_400)
GENRES = Feature("genres", "v", "item", "ids", "genres", 4, admit=2)
RECENT = Feature("recent", "v", "user", "history", ITEM_TABLE, 3)
SCHEMA = TowerSchema("shop", (USER, RECENT), (ITEM, GENRES))
EMPTY = Encoding({name: Vocabulary() for name in ("user_id", "item_id", "genres")})

Met = tuple[str, int]
METS = st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 30)), max_size=25)


def rows(*met: tuple[str, str, int], genres: list[str | None] | None = None) -> pa.Table:
    """Interactions: user, item, day."""
    return pa.table(
        {
            "user_id": pa.array([user for user, _, _ in met], pa.string()),
            "item_id": pa.array([item for _, item, _ in met], pa.string()),
            "event_timestamp": pa.array([day * DAY for _, _, day in met], pa.timestamp("us", "UTC")),
            "genres": pa.array([genres] * len(met), pa.list_(pa.string())),
        }
    )


def _counted(waiting: Waiting, met: list[Met], rule: Rule) -> tuple[dict[str, tuple[int, int]], list[str]]:
    values, times = [value for value, _ in met], [time for _, time in met]
    return counted(waiting, pa.array(values, pa.string()), np.array(times, np.int64), rule)


def _slowly(met: list[Met], rule: Rule) -> tuple[dict[str, tuple[int, int]], set[str]]:
    """What `counted` gives, one interaction at a time."""
    waiting: dict[str, tuple[int, int]] = {}
    ripe: set[str] = set()
    for value, time in sorted(met, key=lambda one: one[1]):
        count, last = waiting.get(value, (0, 0))
        waiting[value] = (1 if rule.pause and time - last > rule.pause else count + 1, time)
        if waiting[value][0] >= rule.after:
            ripe.add(value)
    return waiting, ripe


@settings(deadline=None)
@given(met=METS, after=st.integers(1, 4), pause=st.sampled_from([0, 3, 10]))
def test_counting_at_once_is_counting_one_by_one(met: list[Met], after: int, pause: int) -> None:
    """The counts, the newest times and who was ripe at some moment are those of a plain loop over the interactions."""
    found, ripe = _counted({}, met, Rule(after, pause))
    expected = _slowly(met, Rule(after, pause))
    assert (found, set(ripe)) == expected
    assert len(set(ripe)) == len(ripe)


@settings(deadline=None)
@given(met=METS, cut=st.integers(0, 25), after=st.integers(1, 4), pause=st.sampled_from([0, 3, 10]))
def test_counting_in_pieces_is_counting_at_once(met: list[Met], cut: int, after: int, pause: int) -> None:
    """Interactions counted in two goes, in order of time where pauses count, with what is too old forgotten between them."""
    rule = Rule(after, pause)
    met = sorted(met, key=lambda one: one[1]) if pause else met
    once, ripe = _counted({}, met, rule)
    first, early = _counted({}, met[:cut], rule)
    kept = remembered(first, max((time for _, time in met[:cut]), default=0), rule)
    second, late = _counted(kept, met[cut:], rule)
    newest = max((time for _, time in met), default=0)
    assert remembered({**first, **second}, newest, rule) == remembered(once, newest, rule)
    assert {*early, *late} == set(ripe)


def test_only_so_many_wait() -> None:
    """Beyond the limit those are forgotten that were seen least lately."""
    waiting = {"a": (1, 5), "b": (9, 1), "c": (2, 7), "d": (1, 5)}
    assert remembered(waiting, 7, Rule(2, 0), most=3) == {"a": (1, 5), "c": (2, 7), "d": (1, 5)}
    assert remembered(waiting, 7, Rule(2, 0), most=2) == {"c": (2, 7), "d": (1, 5)}
    assert remembered(waiting, 8, Rule(2, 3)) == {"a": (1, 5), "c": (2, 7), "d": (1, 5)}


def test_a_row_is_earned() -> None:
    """The second interaction gives a row, across refreshes; the first leaves the value at row 0."""
    encoding, seen = enrolled(EMPTY, {}, SCHEMA, rows(("u1", "a", 1), ("u2", "b", 1), ("u1", "c", 1)), "full")
    assert encoding.vocabularies["user_id"].values == ("u1",)
    assert encoding.vocabularies[ITEM_TABLE].values == ()
    assert seen["user_id"].waiting == {"u2": (1, DAY)}
    encoding, seen = enrolled(encoding, seen, SCHEMA, rows(("u2", "b", 2), ("u3", "b", 3)), "full")
    assert encoding.vocabularies["user_id"].values == ("u1", "u2")
    assert encoding.vocabularies[ITEM_TABLE].values == ("b",)
    assert seen["user_id"].seen.tolist() == [NEVER, DAY, 2 * DAY]
    assert seen["user_id"].waiting == {"u3": (1, 3 * DAY)}
    assert seen["user_id"].newest == 3 * DAY


def test_a_list_counts_each_value_once_an_interaction() -> None:
    """A genre that is named twice by one item has been met once."""
    encoding, seen = enrolled(EMPTY, {}, SCHEMA, rows(("u1", "a", 1), genres=["x", "x", None, "y"]), "full")
    assert encoding.vocabularies["genres"].values == ()
    assert seen["genres"].waiting == {"x": (1, DAY), "y": (1, DAY)}
    encoding, _ = enrolled(encoding, seen, SCHEMA, rows(("u1", "a", 1), genres=["y"]), "full")
    assert encoding.vocabularies["genres"].values == ("y",)


def test_silence_costs_the_row_and_a_return_starts_anew() -> None:
    """After ten days without interactions a user is row 0 again; back again they wait, and get a new row at the end."""
    met = [(user, "a", day) for user, day in (("u1", 0), ("u1", 0), ("u2", 5), ("u2", 5), ("u4", 0), ("u5", 5))]
    encoding, seen = enrolled(EMPTY, {}, SCHEMA, rows(*met), "full")
    assert encoding.vocabularies["user_id"].rows == {"u1": 1, "u2": 2}
    encoding, seen = enrolled(encoding, seen, SCHEMA, rows(("u3", "a", 11), ("u3", "a", 11)), "rows")
    assert encoding.vocabularies["user_id"].rows == {"u2": 2, "u3": 3}
    assert encoding.vocabularies["user_id"].lost == (1,)
    assert seen["user_id"].waiting == {"u5": (1, 5 * DAY)}, "who waited for longer is forgotten"
    encoding, seen = enrolled(encoding, seen, SCHEMA, rows(("u1", "a", 12)), "rows")
    assert "u1" not in encoding.vocabularies["user_id"].rows
    encoding, seen = enrolled(encoding, seen, SCHEMA, rows(("u1", "a", 13)), "rows")
    assert encoding.vocabularies["user_id"].rows == {"u1": 4, "u2": 2, "u3": 3}
    assert seen["user_id"].seen.tolist() == [NEVER, NEVER, 5 * DAY, 11 * DAY, 13 * DAY]


def test_rows_leave_what_unwritable_items_are_made_of() -> None:
    """Under `rows` only writable items are admitted, none is evicted, and genres wait; a dense refresh makes up for it."""
    encoding, seen = enrolled(EMPTY, {}, SCHEMA, rows(("u", "a", 0), ("u", "a", 0)), "full")
    late = rows(*[("u", item, 20) for item in "bbcc"], genres=["x"])
    encoding, seen = enrolled(encoding, seen, SCHEMA, late, "rows", ("b", "never seen"))
    assert encoding.vocabularies[ITEM_TABLE].rows == {"a": 1, "b": 2}
    assert encoding.vocabularies["genres"].values == ()
    encoding, seen = enrolled(encoding, seen, SCHEMA, rows(("u", "b", 21), genres=["z"]), "dense")
    assert encoding.vocabularies[ITEM_TABLE].rows == {"b": 2, "c": 3}
    assert encoding.vocabularies["genres"].values == ("x",)
    assert seen["genres"].waiting == {"z": (1, 21 * DAY)}


def test_nothing_met_changes_nothing() -> None:
    """Without interactions nobody is admitted or evicted, and no attendance begins."""
    start = enrolled(EMPTY, {}, SCHEMA, rows(("u1", "a", 1)), "full")
    assert enrolled(*start, SCHEMA, rows(), "dense") == start
    assert enrolled(EMPTY, {}, SCHEMA, rows(), "full") == (EMPTY, {})
    free = replace(SCHEMA, user=(replace(USER, admit=0, evict=0), RECENT), item=(replace(ITEM, admit=0, evict=0),))
    assert rules(free, {}) == {}
    assert enrolled(EMPTY, {}, free, rows(("u1", "a", 1)), "rows", ("a",)) == (EMPTY, {})


def test_a_rule_that_comes_late_starts_from_now() -> None:
    """Rows that were there before the rule were last seen when it came, so that it evicts nobody at once."""
    before = Encoding({**EMPTY.vocabularies, "user_id": Vocabulary(("old", "gone", "older"), lost=(2,))})
    _, seen = enrolled(before, {}, SCHEMA, rows(("u1", "a", 50)), "rows")
    assert seen["user_id"].seen.tolist() == [NEVER, 50 * DAY, NEVER, 50 * DAY]


def test_a_rule_that_is_taken_back_gives_rows_to_whom_it_held() -> None:
    """Without the rule one interaction is enough, and nobody is evicted; an item that waited needs to be writable still."""
    encoding, seen = enrolled(EMPTY, {}, SCHEMA, rows(("u1", "a", 0), ("u2", "b", 0)), "full")
    free = replace(SCHEMA, user=(replace(USER, admit=0, evict=0), RECENT), item=(replace(ITEM, admit=0, evict=0),))
    assert rules(free, seen)["user_id"] == Rule(1, 0)
    encoding, seen = enrolled(encoding, seen, free, rows(("u2", "b", 90)), "rows", ("b",))
    assert encoding.vocabularies["user_id"].values == ("u1", "u2")
    assert encoding.vocabularies[ITEM_TABLE].values == ("b",)
    assert seen[ITEM_TABLE].waiting == {"a": (1, 0)}


@settings(deadline=None)
@given(
    steps=st.lists(
        st.tuples(METS, st.sampled_from(["rows", "dense"]), st.sets(st.sampled_from("abcd"))),
        max_size=6,
    )
)
def test_no_row_is_ever_given_twice(steps: list[tuple[list[Met], Scope, set[str]]]) -> None:
    """Through any refreshes a row stands for one value; one that lost it is not found, and files give the same back."""
    encoding, seen, owners = EMPTY, dict[str, Attendance](), dict[tuple[str, int], str]()
    for number, (met, scope, writable) in enumerate(steps):
        table = rows(*[(value, value, number * 8 + day // 4) for value, day in met])
        before = encoding
        encoding, seen = enrolled(encoding, seen, SCHEMA, table, scope, writable)
        assert Encoding.from_json(encoding.to_json()) == encoding
        for name, vocabulary in encoding.vocabularies.items():
            old = before.vocabularies[name]
            assert vocabulary.values[: len(old.values)] == old.values
            assert vocabulary.lost[: len(old.lost)] == old.lost
            assert not {*vocabulary.lost} & {*vocabulary.rows.values()}
            for value, row in vocabulary.rows.items():
                assert owners.setdefault((name, row), value) == value
            if name in seen:
                assert len(seen[name].seen) == len(vocabulary)
                assert not seen[name].waiting.keys() & vocabulary.rows.keys()
        if scope == "rows":
            was, now = before.vocabularies[ITEM_TABLE].rows, encoding.vocabularies[ITEM_TABLE].rows
            assert all(was.get(item) == now.get(item) for item in "abcd" if item not in writable)


def test_batch_is_single_rows_after_eviction() -> None:
    """A value that lost its row is encoded as 0, alone and among others, after a trip through files too."""
    vocabulary = Vocabulary(("a", "b", "a", "c")).losing((1,)).losing((4,))
    assert vocabulary.rows == {"b": 2, "a": 3}
    encoding = Encoding.from_json(Encoding({ITEM_TABLE: vocabulary}).to_json())
    table = pa.table({"item_id": ["a", "c", "b", "never"], "recent": [["a", "c"], ["c"], [], ["b", "a"]]})
    arrays = encoding.encode([ITEM, RECENT], table)
    assert arrays["item_id"].tolist() == [3, 0, 2, 0]
    assert arrays["recent"].tolist() == [[0, 0, 3], [0, 0, 0], [0, 0, 0], [0, 2, 3]]
    assert vocabulary.losing(()) is vocabulary


def test_a_missing_time_is_an_error() -> None:
    """Whoever counts interactions has to say when they were."""
    with pytest.raises(KeyError, match="event_timestamp"):
        enrolled(EMPTY, {}, SCHEMA, rows(("u", "a", 1)).drop_columns(["event_timestamp"]), "full")
