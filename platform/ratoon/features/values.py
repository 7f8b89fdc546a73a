"""Feast's online wire format without Feast: entity keys (serialization version 3) and protobuf values.

Layouts: feast/infra/key_encoding_utils.py and protos/feast/types/Value.proto of Feast 0.67. The message type is declared
here field by field, since importing Feast's own would import Feast.
"""

import struct
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_FIELDS = descriptor_pb2.FieldDescriptorProto
_SCALARS: dict[str, tuple[int, int]] = {
    "BYTES": (1, _FIELDS.TYPE_BYTES),
    "STRING": (2, _FIELDS.TYPE_STRING),
    "INT32": (3, _FIELDS.TYPE_INT32),
    "INT64": (4, _FIELDS.TYPE_INT64),
    "DOUBLE": (5, _FIELDS.TYPE_DOUBLE),
    "FLOAT": (6, _FIELDS.TYPE_FLOAT),
    "BOOL": (7, _FIELDS.TYPE_BOOL),
    "UNIX_TIMESTAMP": (8, _FIELDS.TYPE_INT64),
}
_LIST_OFFSET = 10
"""A list's field number is its element's plus this."""

_STRING_TYPE = 2
"""Feast's ValueType number for strings, as entity keys carry it."""


def _declare() -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="ratoon/value.proto", package="ratoon.features", syntax="proto3")
    value = file.message_type.add(name="Value")
    value.oneof_decl.add(name="val")
    for dtype, (number, kind) in _SCALARS.items():
        value.field.add(name=dtype, number=number, type=kind, label=_FIELDS.LABEL_OPTIONAL, oneof_index=0)
        entries = file.message_type.add(name=f"List{dtype}")
        entries.field.add(name="val", number=1, type=kind, label=_FIELDS.LABEL_REPEATED)
        value.field.add(
            name=f"{dtype}_LIST",
            number=number + _LIST_OFFSET,
            type=_FIELDS.TYPE_MESSAGE,
            type_name=f".ratoon.features.List{dtype}",
            label=_FIELDS.LABEL_OPTIONAL,
            oneof_index=0,
        )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("ratoon.features.Value"))


_Value = _declare()


def entity_key(join_key: str, value: str) -> bytes:
    """The online store's key for one string entity."""
    name, text = join_key.encode(), value.encode()
    head = struct.pack("<III", 1, _STRING_TYPE, len(name))
    return head + name + struct.pack("<II", _STRING_TYPE, len(text)) + text


def encode(value: object, dtype: str) -> bytes:
    """A value as Feast stores it; times are microseconds here and seconds there. None is the empty value."""
    message = _Value()
    if value is None:
        return b""
    if dtype.endswith("_LIST"):
        assert isinstance(value, list)
        entries = [entry // 1_000_000 for entry in value] if dtype == "UNIX_TIMESTAMP_LIST" else value
        getattr(message, dtype).val.extend(entries)
        getattr(message, dtype).SetInParent()
    else:
        assert not isinstance(value, list)
        setattr(message, dtype, value // 1_000_000 if dtype == "UNIX_TIMESTAMP" else value)  # type: ignore[operator]  # an int
    return bytes(message.SerializeToString())


def decode(data: bytes, dtype: str) -> object:
    """The inverse of `encode`; None for a missing value, or one of another type than the view declares now."""
    message = _Value()
    message.ParseFromString(data)
    if message.WhichOneof("val") != dtype:
        return None
    value = getattr(message, dtype)
    if dtype.endswith("_LIST"):
        return [entry * 1_000_000 for entry in value.val] if dtype == "UNIX_TIMESTAMP_LIST" else list(value.val)
    return value * 1_000_000 if dtype == "UNIX_TIMESTAMP" else value
