"""The event table: ids from content, appearances before first interactions, one schema and one order."""

from collections.abc import Sequence

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from ratoon.data.table import entity_events, event_table, interaction_events
from ratoon.domain.event import EVENT_SCHEMA

S = 1_000_000


def interactions(*rows: tuple[str, str, int]) -> pl.DataFrame:
    users, items, us = zip(*rows, strict=True)
    frame = pl.DataFrame({"user": users, "item": items, "us": us, "value": [1.0] * len(rows)})
    return frame.with_columns(type=pl.lit("rating"))


def entities(*rows: tuple[str, int | None]) -> pl.DataFrame:
    schema = {"id": pl.String, "us": pl.Int64}
    return pl.DataFrame(list(rows), schema=schema, orient="row").with_columns(features=pl.lit("{}"))


def test_an_interaction_is_known_by_user_item_and_moment() -> None:
    """The id is i:USER:ITEM:US, and later rows of the same three get :2, :3, in the order of the file."""
    rows = interactions(("u", "a", 5), ("u", "b", 5), ("u", "a", 5), ("u", "a", 6), ("u", "a", 5))
    assert interaction_events(rows)["event_id"].to_list() == ["i:u:a:5", "i:u:b:5", "i:u:a:5:2", "i:u:a:6", "i:u:a:5:3"]


def test_escapes_are_told_from_what_they_escape() -> None:
    """Users `a:` and `a%3A` are two users, also in event ids."""
    rows = interactions(("a:", "b", 5), ("a%3A", "b", 5), ("a", ":b", 5))
    assert interaction_events(rows)["event_id"].to_list() == ["i:a%3A:b:5", "i:a%253A:b:5", "i:a:%3Ab:5"]


names = st.text(alphabet=st.sampled_from("a:%52iA"), min_size=1, max_size=4)


@given(st.lists(st.tuples(names, names, st.integers(0, 22)), min_size=1, max_size=20))
def test_two_interactions_never_share_an_id(rows: Sequence[tuple[str, str, int]]) -> None:
    """Colons and percent signs inside ids cannot make the event ids of different rows equal."""
    assert interaction_events(interactions(*rows))["event_id"].n_unique() == len(rows)


def test_who_appears_does_so_a_second_before_their_first_interaction() -> None:
    """Without a time of its own an item comes 1 s before its first interaction; one never touched, before anyone's."""
    log = interactions(("u", "a", 9 * S), ("v", "b", 5 * S), ("u", "b", 7 * S))
    rows = entity_events(entities(("a", None), ("b", None), ("c", None)), "item", log)
    assert dict(rows.select("item_id", "us").iter_rows()) == {"a": 8 * S, "b": 4 * S, "c": 4 * S}
    assert rows["event_id"].to_list() == ["item:a", "item:b", "item:c"]
    users = entity_events(entities(("u", None)), "user", log)
    assert users.select("event_id", "kind", "user_id", "us").rows() == [("user:u", "user", "u", 6 * S)]


def test_a_time_of_its_own_is_kept() -> None:
    """A given time stands, even after the first interaction, and is part of the event id."""
    log = interactions(("u", "a:1", 5 * S))
    rows = entity_events(entities(("a:1", 7 * S), ("a:1", 8 * S)), "item", log)
    assert rows.select("event_id", "us").rows() == [("item:a%3A1:7000000", 7 * S), ("item:a%3A1:8000000", 8 * S)]


def test_the_table_has_the_schema_and_one_order() -> None:
    """The table is EVENT_SCHEMA exactly, sorted by time, then event id, whatever the order of rows and parts."""
    log = interactions(("u", "b", 9 * S), ("u", "a", 9 * S), ("v", "a", 5 * S))
    parts = [interaction_events(log), entity_events(entities(("u", None)), "user", log)]
    table = event_table(parts)
    assert table.schema.equals(EVENT_SCHEMA)
    assert table["event_id"].to_pylist() == ["i:v:a:5000000", "user:u", "i:u:a:9000000", "i:u:b:9000000"]
    assert table["item_id"].to_pylist() == ["a", None, "a", "b"]
    assert table["features"].to_pylist() == [None, "{}", None, None]
    assert [moment.timestamp() for moment in table["event_timestamp"].to_pylist()] == [5.0, 8.0, 9.0, 9.0]
    assert event_table(reversed([part.reverse() for part in parts])).equals(table)
