"""Each expression is what a loop over all interactions so far would compute."""

import math
import re
from collections.abc import Callable, Sequence
from statistics import pstdev

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ratoon.domain.errors import DataError
from ratoon.features.aggregates import Row, parse

SPANS = {"": 10**18, "3s": 3_000_000, "2m": 120_000_000, "1h": 3_600_000_000, "1d": 86_400_000_000}
SECOND = 1_000_000

EVENT = st.fixed_dictionaries(
    {
        "gap": st.sampled_from([0, 1, SECOND, 3 * SECOND - 1, 3 * SECOND, 3 * SECOND + 1, 60 * SECOND, 1_800 * SECOND]),
        "value": st.none() | st.floats(-100, 100) | st.sampled_from([1.0, 5.0, math.nan, math.inf, -math.inf]),
        "item_id": st.sampled_from("abc"),
        "type": st.none() | st.sampled_from(["click", "buy"]),
    }
)
EVENTS = st.lists(EVENT, min_size=1, max_size=12)
SPAN = st.sampled_from(sorted(SPANS))


def timed(events: Sequence[dict[str, object]]) -> list[Row]:
    """Events with gaps as interactions in time order."""
    moment, timed_events = 0, list[Row]()
    for one in events:
        moment += int(str(one["gap"]))
        timed_events.append({**one, "user_id": "u", "event_timestamp": moment})
    return timed_events


def inside(events: Sequence[Row], span: str) -> list[Row]:
    """The events that a window ending at the last of them holds."""
    now = int(str(events[-1]["event_timestamp"]))
    return [one for one in events if int(str(one["event_timestamp"])) > now - SPANS[span]]


def numbers(events: Sequence[Row]) -> list[float]:
    return [value for one in events if isinstance(value := one["value"], float) and math.isfinite(value)]


BRUTE: dict[str, Callable[[list[float]], float | None]] = {
    "sum": lambda values: math.fsum(values),
    "mean": lambda values: math.fsum(values) / len(values) if values else None,
    "deviation": lambda values: pstdev(values) if values else None,
}


@given(events=EVENTS, span=SPAN)
def test_count_is_how_many_the_window_holds(events: list[dict[str, object]], span: str) -> None:
    """A count counts every interaction in the window, those without a value too."""
    state, interactions = parse("n", f"count({span})" if span else "count")(), timed(events)
    for end, row in enumerate(interactions, 1):
        assert state.step(row) == len(inside(interactions[:end], span))


@given(events=EVENTS, span=SPAN, name=st.sampled_from(sorted(BRUTE)))
def test_moments_are_those_of_the_finite_values(events: list[dict[str, object]], span: str, name: str) -> None:
    """Sum, mean and deviation are over the window's finite values; without any, the latter two are missing and sum is 0."""
    state, interactions = parse("x", f"{name}(value, {span})" if span else f"{name}(value)")(), timed(events)
    for end, row in enumerate(interactions, 1):
        expected, found = BRUTE[name](numbers(inside(interactions[:end], span))), state.step(row)
        assert found is None if expected is None else found == pytest.approx(expected, rel=1e-9, abs=1e-5)


@given(events=EVENTS, column=st.sampled_from(["item_id", "type", "value", "user_id"]), size=st.integers(1, 4))
@example(events=[{"gap": 0, "value": None, "item_id": "a", "type": None}], column="type", size=1)
def test_last_is_the_newest_present_values(events: list[dict[str, object]], column: str, size: int) -> None:
    """`last(c, n)` is the newest n values that are not missing, newest last; `last(c)` is the newest one, or missing."""
    several, single = parse("l", f"last({column}, {size})")(), parse("l", f"last({column})")()
    interactions = timed(events)
    for end, row in enumerate(interactions, 1):
        present = [one[column] for one in interactions[:end] if one[column] is not None]
        assert repr(several.step(row)) == repr(present[-size:])
        assert repr(single.step(row)) == repr(present[-1] if present else None)


def test_a_window_excludes_what_is_exactly_its_length_old() -> None:
    """An interaction leaves a window of 3 s exactly 3 s later, and is still inside one microsecond before."""
    row = {"user_id": "u", "item_id": "i", "type": None, "value": 2.0}
    for gap, count in ((3 * SECOND - 1, 2), (3 * SECOND, 1)):
        state = parse("n", "count(3s)")()
        state.step(row | {"event_timestamp": 0})
        assert state.step(row | {"event_timestamp": gap}) == count


def test_an_emptied_window_forgets_rounding() -> None:
    """When large values have left a window, what remains of them is nothing, not a rounding error."""
    state = parse("d", "deviation(value, 1s)")()
    for moment, value in enumerate([1e15, 0.1, 0.3]):
        state.step({"event_timestamp": moment, "value": value})
    assert state.step({"event_timestamp": 5 * SECOND, "value": 0.25}) == 0.0
    assert state.step({"event_timestamp": 5 * SECOND + 1, "value": 0.75}) == 0.25


def test_states_do_not_share() -> None:
    """One parsed expression makes any number of independent states: one per entity."""
    fresh = parse("l", "last(item_id, 3)")
    first, second = fresh(), fresh()
    first.step({"item_id": "a", "event_timestamp": 0})
    assert second.step({"item_id": "b", "event_timestamp": 0}) == ["b"]


def test_spaces_do_not_matter() -> None:
    """Spaces around an expression and its arguments change nothing."""
    assert parse("l", " last( item_id ,2 ) ")().step({"item_id": "a", "event_timestamp": 0}) == ["a"]


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "total",
        "count(value)",
        "count(7)",
        "count(7w)",
        "count(0x7d)",
        "count(7d, 7d)",
        "sum",
        "sum(7d)",
        "sum(item_id)",
        "mean(value, 7)",
        "mean(value, item_id)",
        "mean(price, 7d)",
        "deviation(7d, value)",
        "last",
        "last()",
        "last(price)",
        "last(item_id, 0)",
        "last(item_id, -1)",
        "last(item_id, 2, 3)",
        "last(item_id, 7d)",
        "last(item_id, 20",
        "Count",
        "count(last(item_id))",
        "count; count",
        "count(0d)",
    ],
)
def test_a_malformed_expression_is_named(expression: str) -> None:
    """Whatever is not an expression is refused with the field, the text found and the forms there are."""
    message = (
        f"tag ratoon.aggregate of field 'n': expected count | count(7d) | sum|mean|deviation(value[, 7d]) | last(column[, n]), "
        f"found {expression!r}. Correct it in feature_repo/; columns are user_id, item_id, type, value."
    )
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        parse("n", expression)
