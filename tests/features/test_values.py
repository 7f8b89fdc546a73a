"""Ratoon's bytes are Feast's own, for every type that a view can have."""

import struct
from typing import Any

import pytest
from feast.infra.key_encoding_utils import serialize_entity_key
from feast.protos.feast.types import Value_pb2
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value as ValueProto
from hypothesis import given
from hypothesis import strategies as st

from ratoon.features.values import decode, encode, entity_key
from ratoon.features.views import ARROW_TYPES

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
SECOND = 1_000_000
SCALARS: dict[str, tuple[str, st.SearchStrategy[Any]]] = {
    "BYTES": ("bytes", st.binary(max_size=8)),
    "STRING": ("string", TEXT),
    "INT32": ("int32", st.integers(-(2**31), 2**31 - 1)),
    "INT64": ("int64", st.integers(-(2**63), 2**63 - 1)),
    "DOUBLE": ("double", st.floats(allow_nan=False)),
    "FLOAT": ("float", st.floats(width=32, allow_nan=False)),
    "BOOL": ("bool", st.booleans()),
    "UNIX_TIMESTAMP": ("unix_timestamp", st.integers(-(10**11), 10**11).map(lambda seconds: seconds * SECOND)),
}
LISTS = {
    "BYTES": Value_pb2.BytesList,
    "STRING": Value_pb2.StringList,
    "INT32": Value_pb2.Int32List,
    "INT64": Value_pb2.Int64List,
    "DOUBLE": Value_pb2.DoubleList,
    "FLOAT": Value_pb2.FloatList,
    "BOOL": Value_pb2.BoolList,
    "UNIX_TIMESTAMP": Value_pb2.Int64List,
}


def stored(value: Any, dtype: str) -> Any:
    """A value as Feast holds it: times in seconds."""
    return value // SECOND if dtype == "UNIX_TIMESTAMP" else value


def test_every_type_of_a_view_is_covered() -> None:
    """The types compared below are the types that a view can have."""
    assert {name for dtype in SCALARS for name in (dtype, f"{dtype}_LIST")} == set(ARROW_TYPES)


@pytest.mark.parametrize("dtype", SCALARS)
@given(data=st.data())
def test_a_value_is_feasts_bytes(dtype: str, data: st.DataObject) -> None:
    """A value is encoded to the bytes of Feast's own message, and decoded to itself."""
    name, strategy = SCALARS[dtype]
    value = data.draw(strategy)
    assert encode(value, dtype) == ValueProto(**{f"{name}_val": stored(value, dtype)}).SerializeToString()
    assert decode(encode(value, dtype), dtype) == value


@pytest.mark.parametrize("dtype", SCALARS)
@given(data=st.data())
def test_a_list_is_feasts_bytes(dtype: str, data: st.DataObject) -> None:
    """A list, an empty one too, is encoded to the bytes of Feast's own message, and decoded to itself."""
    name, strategy = SCALARS[dtype]
    values = data.draw(st.lists(strategy, max_size=4))
    theirs = ValueProto(**{f"{name}_list_val": LISTS[dtype](val=[stored(value, dtype) for value in values])})
    assert encode(values, f"{dtype}_LIST") == theirs.SerializeToString()
    assert decode(encode(values, f"{dtype}_LIST"), f"{dtype}_LIST") == values


@pytest.mark.parametrize("dtype", ARROW_TYPES)
def test_nothing_is_feasts_empty_value(dtype: str) -> None:
    """A missing value is Feast's empty message, and decodes to nothing under every type."""
    assert encode(None, dtype) == ValueProto().SerializeToString()
    assert decode(b"", dtype) is None


def test_a_value_of_another_type_is_missing() -> None:
    """What was stored before a view's type changed is missing under the new type, not misread."""
    assert decode(encode("3", "STRING"), "INT64") is None
    assert decode(encode([3], "INT64_LIST"), "INT64") is None


def test_infinity_and_nan_survive() -> None:
    """Numbers that are not finite keep their bits."""
    data = encode(float("nan"), "DOUBLE")
    assert struct.pack("<d", decode(data, "DOUBLE")) == struct.pack("<d", float("nan"))


@given(name=TEXT, value=TEXT)
def test_an_entity_key_is_feasts_bytes(name: str, value: str) -> None:
    """The key of one string entity is Feast's serialization version 3, whatever the texts."""
    theirs = serialize_entity_key(EntityKey(join_keys=[name], entity_values=[ValueProto(string_val=value)]), 3)
    assert entity_key(name, value) == theirs
