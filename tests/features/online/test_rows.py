"""Columns become packed rows and columns again, whatever the types, and keys are Feast's own."""

import struct
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from feast.infra.key_encoding_utils import serialize_entity_key
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value as ValueProto
from hypothesis import given
from hypothesis import strategies as st

from ratoon.domain.errors import DataError
from ratoon.domain.schema import Feature
from ratoon.features.online.block import block
from ratoon.features.online.keys import key_column, text_keys
from ratoon.features.online.layout import NEVER, OTHER, Layout
from ratoon.features.online.pack import pack, to_list
from ratoon.features.online.rows import RowReader, moment
from ratoon.features.views import ARROW_TYPES, ViewField

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
MICROS = st.integers(-(2**62), 2**62)
SCALARS: dict[str, st.SearchStrategy[Any]] = {
    "BYTES": st.binary(max_size=6),
    "STRING": TEXT,
    "INT32": st.integers(-(2**31), 2**31 - 1),
    "INT64": st.integers(-(2**63), 2**63 - 1),
    "DOUBLE": st.floats(allow_nan=False),
    "FLOAT": st.floats(width=32, allow_nan=False),
    "BOOL": st.booleans(),
    "UNIX_TIMESTAMP": MICROS,
}
VALUES = SCALARS | {f"{name}_LIST": st.lists(values, max_size=4) for name, values in SCALARS.items()}


def raw(of: pa.DataType) -> pa.DataType:
    """The type in which times are plain integers."""
    if pa.types.is_list(of):
        return pa.list_(raw(of.value_type))
    return pa.int64() if pa.types.is_timestamp(of) else of


def array(values: list[Any], of: pa.DataType) -> pa.Array:
    return pa.array(values, raw(of)).cast(of)


@st.composite
def tables(draw: st.DrawFn) -> tuple[Layout, pa.Table]:
    """Any columns of any types, in any order and chunks, with missing values."""
    dtypes = draw(st.lists(st.sampled_from(sorted(VALUES)), min_size=1, max_size=11))
    count = draw(st.integers(0, 6))
    layout = Layout(tuple((f"f{at}", dtype) for at, dtype in enumerate(dtypes)))
    columns = {
        name: array(draw(st.lists(st.none() | VALUES[dtype], min_size=count, max_size=count)), ARROW_TYPES[dtype])
        for name, dtype in layout.fields
    }
    table = pa.table(columns)
    cut = draw(st.integers(0, count))
    return layout, pa.concat_tables([table.slice(0, cut), table.slice(cut)])


def unknown(_fingerprint: bytes) -> Layout | None:
    return None


def packed(layout: Layout, table: pa.Table) -> list[bytes]:
    times = np.arange(table.num_rows, dtype=np.int64) - 3
    return pack(layout, table, times, times * 7)


def test_every_type_of_a_view_is_covered() -> None:
    """The types that are generated below are the types that a view can have."""
    assert set(VALUES) == set(ARROW_TYPES)


@given(tables())
def test_a_table_survives(world: tuple[Layout, pa.Table]) -> None:
    """Packed and unpacked, every value, missing value, empty text and empty list is what it was; so are the times."""
    layout, table = world
    rows = packed(layout, table)
    found = block(layout, rows, unknown)
    assert found.table().equals(table.combine_chunks())
    assert found.records["event_ts"].tolist() == [at - 3 for at in range(table.num_rows)]
    assert found.records["created"].tolist() == [(at - 3) * 7 for at in range(table.num_rows)]


@given(tables(), st.data())
def test_any_choice_of_rows_can_be_read(world: tuple[Layout, pa.Table], data: st.DataObject) -> None:
    """Rows in any order, twice or not there, are the table's rows in that order, and rows without values."""
    layout, table = world
    rows = packed(layout, table)
    chosen = data.draw(st.lists(st.none() | st.integers(0, len(rows) - 1) if rows else st.none(), max_size=8))
    found = block(layout, [None if at is None else rows[at] for at in chosen], unknown)
    expected = table.take(pa.array(chosen, pa.int64())).combine_chunks()
    assert found.table().equals(expected)
    assert found.found.tolist() == [at is not None for at in chosen]


@given(tables())
def test_a_single_row_is_read_as_python_values(world: tuple[Layout, pa.Table]) -> None:
    """`Block.row` gives what the columns give, times as microseconds."""
    layout, table = world
    found = block(layout, packed(layout, table), unknown)
    plain = pa.table({name: table.column(name).cast(raw(table.column(name).type)) for name in table.column_names})
    assert [found.row(at) for at in range(table.num_rows)] == plain.to_pylist()


LAST = 253_402_300_799_999_999
"""The last microsecond that Python has a time for."""


def known(value: Any, dtype: str) -> Any:
    """What a tower is fed of one value of a column: times as Python has them."""
    if "UNIX_TIMESTAMP" in dtype:
        return [moment(one) for one in value] if isinstance(value, list) else moment(value)
    return value


@given(tables())
def test_a_reader_reads_what_the_columns_hold(world: tuple[Layout, pa.Table]) -> None:
    """Of every row, each value that is there comes as the columns have it, whatever its type; what is missing is left out."""
    layout, table = world
    reader = RowReader(layout, [Feature(name, "v", "user", "number") for name, _ in layout.fields])
    raws = {name: table.column(name).cast(raw(table.column(name).type)).to_pylist() for name in table.column_names}
    for at, row in enumerate(packed(layout, table)):
        expected = {name: known(raws[name][at], dtype) for name, dtype in layout.fields if raws[name][at] is not None}
        assert reader.read(row) == expected


@given(tables())
def test_ids_and_categories_are_spelt_as_in_a_batch(world: tuple[Layout, pa.Table]) -> None:
    """A number, a truth or a time that stands for itself is the text that Arrow makes of the column."""
    layout, table = world
    spelt = [name for name, dtype in layout.fields if not dtype.endswith("_LIST") and dtype not in ("BYTES", "STRING")]
    reader = RowReader(layout, [Feature(name, "v", "user", "category", "any") for name in spelt])
    for at, row in enumerate(packed(layout, table)):
        found = reader.read(row)
        for name in spelt:
            column = table.column(name)[at : at + 1]
            if column.null_count:
                assert name not in found
            elif not pa.types.is_timestamp(column.type) or 0 <= column.cast(pa.int64())[0].as_py() <= LAST:
                assert found[name] == column.cast(pa.string())[0].as_py()


def test_vectors_are_arrays() -> None:
    """A feature that the tower takes as a vector is an array of its own type, without a copy through Python's numbers."""
    layout = Layout((("v", "FLOAT_LIST"),))
    (row,) = packed(layout, pa.table({"v": pa.array([[0.5, 2.0]], pa.list_(pa.float32()))}))
    found = RowReader(layout, [Feature("v", "v", "user", "vector", dim=2)]).read(row)["v"]
    assert isinstance(found, np.ndarray)
    assert (found.dtype, found.tolist()) == (np.float32, [0.5, 2.0])


def test_a_reader_knows_its_layout_alone() -> None:
    """A feature that the layout does not have is not read; a time beyond the year 9999 is missing."""
    layout = Layout((("t", "UNIX_TIMESTAMP"),))
    (row,) = packed(layout, pa.table({"t": pa.array([LAST + 1], pa.int64()).cast(pa.timestamp("us", "UTC"))}))
    reader = RowReader(layout, [Feature("t", "v", "user", "number"), Feature("gone", "v", "user", "number")])
    assert reader.read(row) == {"t": None}


@given(tables(), st.data())
def test_rows_of_an_older_layout_are_read(world: tuple[Layout, pa.Table], data: st.DataObject) -> None:
    """A view whose features were added, dropped, reordered or retyped reads old rows: same name and type is kept."""
    layout, table = world
    kept = data.draw(st.permutations(layout.fields)) if layout.fields else []
    changed = tuple(kept[: data.draw(st.integers(0, len(kept)))])
    retyped = tuple((name, "INT32" if dtype != "INT32" else "STRING") for name, dtype in layout.fields[-1:])
    now = Layout(tuple(dict((*changed, *retyped, ("new", "STRING_LIST"))).items()))
    rows = packed(layout, table)
    new = pack(now, pa.table({name: pa.nulls(1, of.type) for name, of in zip(now.schema.names, now.schema, strict=True)}),
               np.array([9]), None)  # fmt: skip
    found = block(now, [*rows, *new], {layout.fingerprint: layout}.get)
    old = dict(layout.fields)
    for name, dtype in now.fields:
        of = ARROW_TYPES[dtype]
        values = table.column(name).chunks if old.get(name) == dtype else [pa.nulls(table.num_rows, of)]
        assert found.arrow(name).equals(pa.concat_arrays([*values, pa.nulls(1, of)]))
    assert found.records["created"].tolist()[-1] == NEVER


def test_numbers_are_numpy_records() -> None:
    """Numbers are read without copying, under their positions, with a mask of what is there."""
    layout = Layout((("a", "INT32"), ("b", "FLOAT"), ("flag", "BOOL")))
    table = pa.table({"a": pa.array([1, None], pa.int32()), "b": pa.array([0.5, 2.0], pa.float32()), "flag": [True, False]})
    found = block(layout, packed(layout, table), unknown)
    assert found.records.dtype.names is not None
    assert (found.numbers("a").tolist(), found.valid("a").tolist()) == ([1, 0], [True, False])
    assert (found.numbers("b").tolist(), found.numbers("flag").tolist()) == ([0.5, 2.0], [1, 0])
    assert np.shares_memory(found.numbers("b"), found.records)


def test_variable_features_are_offsets_and_bytes() -> None:
    """Texts are one run of bytes and where each begins; a missing one has no length."""
    layout = Layout((("number", "INT64"), ("text", "STRING")))
    table = pa.table({"number": [1, 2, 3], "text": ["one", None, "three"]})
    data, offsets = block(layout, packed(layout, table), unknown).variable("text")
    assert (data.tobytes(), offsets.tolist()) == (b"onethree", [0, 3, 3, 8])


def test_the_bytes_are_as_documented() -> None:
    """One row, byte by byte, as the layout's description says."""
    layout = Layout((("n", "INT32"), ("t", "STRING"), ("gone", "DOUBLE"), ("l", "STRING_LIST")))
    columns = {
        "n": pa.array([7], pa.int32()),
        "t": pa.array(["ab"]),
        "gone": pa.nulls(1, pa.float64()),
        "l": pa.array([["x", "yz"]]),
    }
    (row,) = pack(layout, pa.table(columns), np.array([5]), np.array([6]))
    variable = b"ab" + struct.pack("<III", 2, 1, 2) + b"xyz"
    head = layout.fingerprint + struct.pack("<qq", 5, 6) + bytes([0b1011])
    assert row == head + struct.pack("<iIdI", 7, 2, 0.0, len(variable)) + variable


def test_nan_and_infinity_keep_their_bits() -> None:
    """Numbers that are not finite are values, not missing ones."""
    layout = Layout((("a", "DOUBLE"), ("b", "FLOAT_LIST")))
    table = pa.table(
        {"a": [float("nan"), float("-inf")], "b": pa.array([[float("nan")], [float("inf")]], pa.list_(pa.float32()))}
    )
    found = block(layout, packed(layout, table), unknown).table().to_pylist()
    assert repr(found) == "[{'a': nan, 'b': [nan]}, {'a': -inf, 'b': [inf]}]"


def test_a_list_with_a_missing_entry_is_refused() -> None:
    """Feast's values cannot hold such a list either."""
    layout = Layout((("l", "INT64_LIST"),))
    with pytest.raises(DataError, match=r"^feature 'l': expected lists without missing entries, found 1 missing\. "):
        packed(layout, pa.table({"l": [[1, None]]}))


def test_layouts_are_known_by_their_fields() -> None:
    """Name, type and order make the fingerprint; a type that only Feast reads is kept as its bytes."""
    one = Layout.of([ViewField("a", "INT64"), ViewField("b", "JSON")])
    assert one.fields == (("a", "INT64"), ("b", OTHER))
    assert Layout.parse(one.text) == one
    others = [Layout((("a", "INT64"),)), Layout(one.fields[::-1]), Layout((("a", "INT32"), ("b", OTHER)))]
    assert len({one.fingerprint, *(other.fingerprint for other in others)}) == 4


KEYS: dict[str, tuple[str, st.SearchStrategy[Any]]] = {
    "BYTES": ("bytes_val", st.binary(max_size=6)),
    "STRING": ("string_val", TEXT),
    "INT32": ("int32_val", SCALARS["INT32"]),
    "INT64": ("int64_val", SCALARS["INT64"]),
    "UNIX_TIMESTAMP": ("unix_timestamp_val", st.integers(-(10**11), 10**11)),
}


@given(st.data())
def test_keys_are_feasts(data: st.DataObject) -> None:
    """The keys of columns of any entity types, single or composite, are the bytes that Feast makes one by one."""
    names = data.draw(st.lists(TEXT.filter(bool), min_size=1, max_size=3, unique=True))
    dtypes = [data.draw(st.sampled_from(sorted(KEYS))) for _ in names]
    count = data.draw(st.integers(0, 4))
    values = [data.draw(st.lists(KEYS[dtype][1], min_size=count, max_size=count)) for dtype in dtypes]
    columns = [
        array([value * 1_000_000 for value in column] if dtype == "UNIX_TIMESTAMP" else column, ARROW_TYPES[dtype])
        for dtype, column in zip(dtypes, values, strict=True)
    ]
    feast = [
        serialize_entity_key(
            EntityKey(
                join_keys=names,
                entity_values=[ValueProto(**{KEYS[dtype][0]: column[row]}) for dtype, column in zip(dtypes, values, strict=True)],
            ),
            3,
        )
        for row in range(count)
    ]
    assert to_list(key_column(names, dtypes, columns)) == feast


@given(TEXT, st.lists(TEXT, max_size=5))
def test_keys_of_texts_are_the_same(name: str, values: list[str]) -> None:
    """The short way for one text key gives the bytes of the long one."""
    assert text_keys(name, values) == to_list(key_column([name], ["STRING"], [pa.array(values, pa.string())]))


def test_a_key_of_another_type_is_refused() -> None:
    """A type that no entity of Feast's can have is named."""
    with pytest.raises(
        DataError, match=r"^join key 'k': expected one of BYTES, STRING, INT32, INT64, UNIX_TIMESTAMP, found FLOAT"
    ):
        key_column(["k"], ["FLOAT"], [pa.array([1.5])])


def test_times_of_a_block_are_times() -> None:
    """A time comes back as timestamp[us, UTC]."""
    layout = Layout((("t", "UNIX_TIMESTAMP"),))
    moment = datetime(2026, 3, 1, 1, 2, 3, 4, tzinfo=UTC)
    found = block(layout, packed(layout, pa.table({"t": pa.array([moment], pa.timestamp("us", "UTC"))})), unknown)
    assert found.arrow("t").to_pylist() == [moment]
