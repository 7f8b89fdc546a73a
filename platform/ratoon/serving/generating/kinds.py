"""JSON Schemas as Python types, and as what reads their values."""

import re
from collections.abc import Mapping
from typing import Any

from ratoon.domain.errors import UsageError

Schema = Mapping[str, Any]

_SCALARS = {"string": "str", "integer": "int", "number": "float", "boolean": "bool"}


def named(schema: Schema) -> str | None:
    """The name of the schema that is referred to; all levels of a filter are one, and any JSON has none."""
    name = str(schema.get("$ref", "")).rpartition("/")[2]
    return None if name in ("", "JsonValue") else re.sub(r"^Filter\d+$", "Filter", name)


def optional(schema: Schema) -> tuple[Schema, bool]:
    """The schema without null, and whether null is among its values."""
    several = schema.get("anyOf", [])
    others = [one for one in several if one != {"type": "null"}]
    return (others[0], True) if len(others) == 1 and len(several) == 2 else (schema, False)


def answered(schema: Schema) -> str:
    """The type of a value in an answer."""
    inner, null = optional(schema)
    return _typed(inner, "list[{}]", "dict[str, {}]", "datetime") + " | None" * (null and inner.get("type") != "array")


def sent(schema: Schema) -> str:
    """The type of a value in a body."""
    inner, null = optional(schema)
    return _typed(inner, "Sequence[{}]", "Mapping[str, {}]", "datetime | str") + " | None" * null


def reading(schema: Schema, value: str, perhaps: str | None = None) -> str:
    """An expression that makes what `answered` says of JSON.

    Args:
        value: an expression that is the JSON.
        perhaps: the same, None where there is nothing.
    """
    inner, null = optional(schema)
    perhaps = perhaps or value
    if inner.get("type") == "array":
        made = reading(inner["items"], "one")
        several = f"{perhaps} or ()" if null else value
        return f"list({several})" if made == "one" else f"[{made} for one in {several}]"
    made = _made(inner, value)
    return perhaps if made == value else f"None if {perhaps} is None else {made}" if null else made


def _made(schema: Schema, value: str) -> str:
    if name := named(schema):
        return f"{name}.read({value})"
    if schema.get("format") == "date-time":
        return f"datetime.fromisoformat({value})"
    entry = schema.get("additionalProperties")
    if isinstance(entry, Mapping) and (made := reading(entry, "one")) != "one":
        return f"{{name: {made} for name, one in {value}.items()}}"
    return value


def _typed(schema: Schema, array: str, mapping: str, moment: str) -> str:
    if name := named(schema):
        return name
    if "enum" in schema or "const" in schema:
        return "Literal[" + ", ".join(repr(one) for one in schema.get("enum", [schema.get("const")])) + "]"
    match schema.get("type"):
        case "string" if schema.get("format") == "date-time":
            return moment
        case "array":
            return array.format(_typed(schema["items"], array, mapping, moment))
        case "object" if "properties" not in schema:
            entry = schema.get("additionalProperties", {})
            return mapping.format(_typed(entry if isinstance(entry, Mapping) else {}, array, mapping, moment))
        case str(kind) if kind in _SCALARS:
            return _SCALARS[kind]
        case None if not schema.keys() - {"$ref", "title", "description", "default"}:
            return "Json"
    raise UsageError(
        "the OpenAPI document",
        expected="a schema with a Python type",
        found=str(dict(schema)),
        fix="Teach it to `_typed`.",
    )
