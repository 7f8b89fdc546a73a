"""Encoding is remembered, grows without renumbering, and treats one row as it treats many."""

import gc
import json
import weakref
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ratoon.domain.encoding import Encoding, Scale, Vocabulary, completed
from ratoon.domain.ngrams import hashed
from ratoon.domain.schema import ITEM_TABLE, Feature, TowerSchema

WORDS = st.lists(st.text(max_size=3), max_size=6)
USER = (
    Feature("user_id", "", "user", "id", "user_id"),
    Feature("job", "profile", "user", "category", "job"),
    Feature("age", "profile", "user", "number"),
    Feature("clicks", "activity", "user", "count"),
    Feature("recent", "activity", "user", "history", ITEM_TABLE, 3),
    Feature("taste", "activity", "user", "vector", "", 2),
    Feature("bio", "profile", "user", "text", "bio", 5, buckets=9, ngram=2),
    Feature("path", "activity", "user", "attention", ITEM_TABLE, 3),
)
ITEM = (Feature("item_id", "", "item", "id", ITEM_TABLE), Feature("genres", "catalogue", "item", "ids", "genres", 4))
SCHEMA = TowerSchema("shop", USER, ITEM)

ROW = st.fixed_dictionaries(
    {
        "user_id": st.sampled_from(["u1", "u2", "u3"]),
        "job": st.none() | st.sampled_from(["smith", "poet", "never seen"]),
        "age": st.none() | st.floats(-1e6, 1e6, width=32) | st.just(float("nan")),
        "clicks": st.none() | st.integers(0, 10**9),
        "recent": st.none() | st.lists(st.none() | st.sampled_from(["a", "b", "c", "unknown"]), max_size=6),
        "taste": st.none() | st.lists(st.floats(-1, 1, width=32) | st.none() | st.just(float("nan")), min_size=1, max_size=3),
        "bio": st.none() | st.text(max_size=8),
        "path": st.none() | st.lists(st.none() | st.sampled_from(["a", "b", "c", "unknown"]), max_size=6),
    }
)
TYPES = pa.schema(
    {
        "user_id": pa.string(),
        "job": pa.string(),
        "age": pa.float32(),
        "clicks": pa.int64(),
        "recent": pa.list_(pa.string()),
        "taste": pa.list_(pa.float32()),
        "bio": pa.string(),
        "path": pa.list_(pa.string()),
    }
)


@given(st.dictionaries(st.text(max_size=3), st.lists(st.text(max_size=4), unique=True, max_size=5), max_size=3))
def test_the_json_is_what_the_library_writes(values: dict[str, list[str]]) -> None:
    """Whatever the ids hold, quotes and control characters included, the text is `json.dumps` of it, and it comes back."""
    encoding = Encoding({name: Vocabulary(tuple(found)) for name, found in values.items()}, {"age": Scale(1.5, 2.0)})
    plain = {"vocabularies": values, "scales": {"age": [1.5, 2.0]}}
    assert encoding.to_json() == json.dumps(plain, sort_keys=True, ensure_ascii=False)
    assert Encoding.from_json(encoding.to_json()) == encoding


def test_equal_texts_are_one_object_as_long_as_somebody_has_it() -> None:
    """Opening a model that is open gives what is there; once nobody has it, it is gone."""
    text = Encoding({"item_id": Vocabulary(("a", "b"))}).to_json()
    first = Encoding.from_json(text)
    assert Encoding.from_json(text) is first
    there = weakref.ref(first)
    del first
    gc.collect()
    assert there() is None


@given(WORDS, WORDS)
def test_a_grown_vocabulary_is_indexed_as_a_new_one_is(before: list[str], more: list[str]) -> None:
    """Growing carries the index on: the rows are those of the same values indexed from nothing."""
    grown = Vocabulary().grown(before).grown(more)
    assert grown.rows == Vocabulary(grown.values).rows == {value: row for row, value in enumerate(grown.values, 1)}


def users(*rows: dict[str, object]) -> pa.Table:
    """A table of user features."""
    return pa.Table.from_pylist(list(rows), schema=TYPES)


def items(**genres: list[str] | None) -> pa.Table:
    """A table of items and their genres."""
    return pa.table({"item_id": list(genres), "genres": pa.array(list(genres.values()), pa.list_(pa.string()))})


EXAMPLES = users(
    {"user_id": "u1", "job": "smith", "age": 20.0, "clicks": 0, "recent": ["a"], "taste": [0.5, 0.5]},
    {"user_id": "u2", "job": "poet", "age": 40.0, "clicks": 9, "recent": ["b", "a"], "taste": [1.0, 0.0]},
)
LEARNT = Encoding.of(SCHEMA, EXAMPLES, items(a=["x"], b=["y", "x"], c=None))


@given(steps=st.lists(WORDS, max_size=5))
def test_growing_never_renumbers(steps: list[list[str]]) -> None:
    """However a vocabulary grows, a value keeps the row that it was first given, and rows stay dense from 1."""
    vocabulary, given_rows = Vocabulary(), dict[str, int]()
    for words in steps:
        vocabulary = vocabulary.grown(words)
        assert given_rows.items() <= vocabulary.rows.items()
        given_rows = dict(vocabulary.rows)
        assert set(words) <= given_rows.keys()
        assert sorted(given_rows.values()) == list(range(1, len(vocabulary)))


def test_growth_does_not_depend_on_order() -> None:
    """New values are added in sorted order, so that the order of rows in a table does not show."""
    first = Vocabulary(("m",))
    assert first.grown(["z", "a", "m", "z"]) == first.grown(["a", "z"]) == Vocabulary(("m", "a", "z"))
    assert first.grown(["m"]) is first


def test_unknown_is_row_0() -> None:
    """Values never seen and nulls get row 0; known ones theirs."""
    vocabulary = Vocabulary(("b", "a"))
    assert vocabulary.lookup(pa.array(["a", None, "new", "b", "a"])).tolist() == [2, 0, 0, 1, 2]
    assert vocabulary.lookup(pa.array([], pa.string())).tolist() == []
    assert Vocabulary().lookup(pa.array([None, "x"])).tolist() == [0, 0]
    assert len(vocabulary) == 3


@settings(deadline=None)
@given(rows=st.lists(ROW, min_size=1, max_size=5))
def test_batch_is_single_rows(rows: list[dict[str, object]]) -> None:
    """Encoding many rows gives, row for row, what each gives alone."""
    together = LEARNT.encode(USER, users(*rows))
    for at, row in enumerate(rows):
        alone = LEARNT.encode(USER, users(row))
        for name, values in together.items():
            np.testing.assert_array_equal(values[at], alone[name][0])
            assert np.isfinite(values).all()


def test_arrays() -> None:
    """Each kind has its documented shape, type and padding; the newest entries are kept, newest last."""
    table = users(
        {"user_id": "u2", "job": None, "age": 30.0, "clicks": 3, "recent": ["a", "nobody", "b", "c", "a"], "taste": [1.0, 2.0]},
        {"user_id": "u9", "job": "smith", "age": None, "clicks": None, "recent": [None, "b"], "taste": [1.0]},
        {"user_id": "u1", "job": "poet", "age": 60.0, "clicks": 0, "recent": None, "taste": None},
    )
    arrays = LEARNT.encode(USER, table)
    assert arrays["user_id"].tolist() == [2, 0, 1]
    assert arrays["job"].tolist() == [0, 2, 1]
    assert arrays["age"].tolist() == [[0.0, 1.0], [0.0, 0.0], [3.0, 1.0]]
    assert arrays["recent"].tolist() == [[2, 3, 1], [0, 0, 2], [0, 0, 0]]
    assert arrays["taste"].tolist() == [[1.0, 2.0, 1.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    # Scale of log(1 + x) over 0 and 9: mean and deviation are both log(10) / 2.
    np.testing.assert_allclose(arrays["clicks"], [[2 * np.log(4) / np.log(10) - 1, 1], [0, 0], [-1, 1]], rtol=1e-6)
    assert {name: values.dtype.name for name, values in arrays.items()} == {
        "user_id": "int64",
        "job": "int64",
        "age": "float32",
        "clicks": "float32",
        "recent": "int64",
        "taste": "float32",
        "bio": "int64",
        "path": "int64",
    }
    assert LEARNT.encode(ITEM, items(c=["y", "new", "x"], d=[]))["genres"].tolist() == [[0, 0, 2, 1], [0, 0, 0, 0]]


def test_history_shares_the_items_rows() -> None:
    """A history looks its items up in the item tower's own table, which the whole catalogue has filled, attended to or not."""
    assert LEARNT.vocabularies[ITEM_TABLE].values == ("a", "b", "c")
    row: dict[str, object] = {"recent": ["a", "nobody", "b"], "path": ["a", "nobody", "b"]}
    arrays = LEARNT.encode(USER, users(row))
    assert arrays["path"].tolist() == arrays["recent"].tolist() == [[0, 1, 2]]


def test_a_missing_text_is_not_an_empty_one() -> None:
    """No text has no rows; an empty one has the row of no word; nothing is remembered of either."""
    rows: list[dict[str, object]] = [{"bio": bio} for bio in (None, "", "?!", "Ada Ada", "ada", None)]
    table = users(*rows)
    arrays = LEARNT.encode(USER, table)["bio"].tolist()
    assert arrays[0] == arrays[5] == [0, 0, 0, 0, 0]
    assert arrays[1] == arrays[2] == [*hashed("", 2, 9, 5), 0, 0, 0, 0]
    assert arrays[3] == arrays[4] == hashed("ada", 2, 9, 5)
    assert len(arrays[3]) == 5
    assert LEARNT.grown(USER, table).vocabularies == LEARNT.vocabularies


@pytest.mark.parametrize(
    "kind", [pa.list_(pa.float32()), pa.list_(pa.float64()), pa.list_(pa.int64()), pa.large_list(pa.float32())]
)
def test_a_vector_is_whole_or_missing(kind: pa.DataType) -> None:
    """Null, of another length, empty, or with an entry that is null: zeros, and a presence of 0."""
    column = pa.array([[1, 2], None, [1], [1, 2, 3], [], [1, None], [3, 4]], kind)
    expected = [[1.0, 2.0, 1.0], *[[0.0, 0.0, 0.0]] * 5, [3.0, 4.0, 1.0]]
    feature = Feature("taste", "v", "user", "vector", "", 2)
    for table, rows in [(pa.table({"taste": column}), expected), (pa.table({"taste": column.slice(1)}), expected[1:])]:
        assert Encoding().encode([feature], table)["taste"].tolist() == rows
    assert Encoding().encode([feature], pa.table({"taste": column.slice(1, 3)}))["taste"].tolist() == expected[1:4]


def test_a_vector_that_is_not_finite_is_missing() -> None:
    """NaN, infinity and what is infinite as a 32-bit float would spoil a whole batch; the vector counts as missing."""
    column = pa.array([[0.0, float("nan")], [float("-inf"), 0.0], [1e300, 0.0], [0.5, 0.5]], pa.list_(pa.float64()))
    found = Encoding().encode([Feature("taste", "v", "user", "vector", "", 2)], pa.table({"taste": column}))["taste"]
    assert found.tolist() == [[0.0, 0.0, 0.0]] * 3 + [[0.5, 0.5, 1.0]]
    fixed = pa.array([[1.0, 2.0], None, [3.0, float("nan")]], pa.list_(pa.float32(), 2))
    found = Encoding().encode([Feature("taste", "v", "user", "vector", "", 2)], pa.table({"taste": fixed}))["taste"]
    assert found.tolist() == [[1.0, 2.0, 1.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]


def test_scales_are_taken_once() -> None:
    """Later rows extend vocabularies and leave scales as they are; far values are clipped at 5 deviations."""
    later = users({"user_id": "u3", "job": "clerk", "age": 1e6, "clicks": 1, "recent": [], "taste": None})
    grown = LEARNT.grown(USER, later)
    assert grown.scales == LEARNT.scales == {"age": Scale(30.0, 10.0), "clicks": LEARNT.scales["clicks"]}
    assert grown.vocabularies["job"].values == ("poet", "smith", "clerk")
    assert grown.encode(USER, later)["age"].tolist() == [[5.0, 1.0]]
    assert LEARNT.encode(USER, later)["job"].tolist() == [0]


@pytest.mark.parametrize("ages", [[7.0, 7.0], [None, None], [None, float("nan")]])
def test_constant_and_missing_numbers(ages: list[float | None]) -> None:
    """A number without spread, or without any value, is encoded without dividing by zero."""
    table = pa.table({"age": pa.array(ages, pa.float64())})
    age = (Feature("age", "profile", "user", "number"),)
    encoded = Encoding().grown(age, table).encode(age, table)["age"]
    assert encoded.tolist() == [[0.0, float(ages[0] is not None)]] * 2


def test_times_and_flags_are_numbers() -> None:
    """A timestamp counts as days, whatever its unit; a boolean as 0 and 1."""
    days = [datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 1, 3, tzinfo=UTC), None]
    flags = pa.array([True, False, None])
    features = (Feature("at", "v", "item", "number"), Feature("on", "v", "item", "number"))
    tables = [pa.table({"at": pa.array(days, pa.timestamp(unit, "UTC")), "on": flags}) for unit in ("s", "us", "ns")]
    encoding = Encoding().grown(features, tables[0])
    assert encoding.scales == {"at": Scale(18263.0, 1.0), "on": Scale(0.5, 0.5)}
    for table in tables:
        assert encoding.encode(features, table)["at"].tolist() == [[-1.0, 1.0], [1.0, 1.0], [0.0, 0.0]]
        assert encoding.encode(features, table)["on"].tolist() == [[1.0, 1.0], [-1.0, 1.0], [0.0, 0.0]]


def test_numbers_too_large_for_a_float_are_near_enough() -> None:
    """An integer or a time that float64 cannot hold exactly is rounded, not refused."""
    far = datetime(2300, 1, 1, 0, 0, 0, 1, tzinfo=UTC)
    table = pa.table({"at": pa.array([far], pa.timestamp("us", "UTC")), "count": pa.array([2**53 + 1])})
    features = (Feature("at", "v", "item", "number"), Feature("count", "v", "item", "number"))
    scales = Encoding().grown(features, table).scales
    assert scales["at"].mean == pytest.approx((far - datetime(1970, 1, 1, tzinfo=UTC)).days)
    assert scales["count"].mean == 2.0**53


def test_categories_of_any_type_are_strings() -> None:
    """Integers and booleans as categories and in lists are known by their text."""
    table = pa.table({"job": pa.array([3, None, 12]), "genres": pa.array([[True], [False, True], None])})
    features = (Feature("job", "v", "user", "category", "job"), Feature("genres", "v", "item", "ids", "genres", 2))
    encoding = Encoding().grown(features, table)
    assert {name: vocabulary.values for name, vocabulary in encoding.vocabularies.items()} == {
        "job": ("12", "3"),
        "genres": ("false", "true"),
    }
    arrays = encoding.encode(features, table)
    assert arrays["job"].tolist() == [2, 0, 1]
    assert arrays["genres"].tolist() == [[0, 2], [1, 2], [0, 0]]


def test_chunks_and_slices_do_not_show() -> None:
    """A table in chunks, a slice of one, and an empty one are encoded like any other."""
    rows = [{"user_id": "u1", "recent": ["a", "b"], "clicks": 3}, {"user_id": "u2", "recent": ["c"], "clicks": 0}]
    whole, chunked = users(*rows), pa.concat_tables([users(rows[0]), users(rows[1])])
    for name, values in LEARNT.encode(USER, whole).items():
        np.testing.assert_array_equal(values, LEARNT.encode(USER, chunked)[name])
        np.testing.assert_array_equal(values[1:], LEARNT.encode(USER, whole.slice(1))[name])
        np.testing.assert_array_equal(values[:0], LEARNT.encode(USER, users())[name])


@given(words=WORDS, mean=st.floats(allow_nan=False, allow_infinity=False))
def test_json_round_trip(words: list[str], mean: float) -> None:
    """JSON gives the same encoding back, whatever the strings and numbers."""
    encoding = Encoding({"v": Vocabulary().grown(words)}, {"n": Scale(mean, 1.5)})
    again = Encoding.from_json(encoding.to_json())
    assert again == encoding
    assert again.to_json() == encoding.to_json()


def test_a_missing_column_is_an_error() -> None:
    """A tower input that the table lacks is not passed over."""
    with pytest.raises(KeyError, match="job"):
        LEARNT.encode(USER, EXAMPLES.drop_columns(["job"]))


def test_a_dropped_column_is_missing_in_every_row() -> None:
    """What a repository has no more is encoded as missing, whatever its kind."""
    left = EXAMPLES.select(["user_id"])
    arrays = LEARNT.encode(USER, completed(USER, left))
    assert not any(arrays[feature.name].any() for feature in USER[1:])
    assert completed(USER[:1], left) is left
