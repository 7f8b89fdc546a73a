"""The types of what is sent and of what comes back."""

import textwrap
from collections.abc import Iterable, Mapping, Sequence

from ratoon.serving.generating.kinds import Schema, answered, optional, reading, sent
from ratoon.serving.generating.operations import Operation, parts, reached

WIDTH = 118

_ANSWERS = '''"""What the API answers. A list that an answer does not have is empty; anything else it does not have is None."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Self

from ratoon.client.call import Json
from ratoon.client.errors import Problem, outcome
'''
_BODIES = '''"""What is sent, where it is more than arguments."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal, Required, TypedDict

from ratoon.client.call import Json

Filter = Mapping[str, Json]
"""What must be true of every candidate: the JSON of the API, or what `where` makes."""
'''

RESULTS = (
    "BatchAnswer",
    "results",
    "list[RetrieveAnswer | Problem]",
    '[outcome(one, RetrieveAnswer.read) for one in raw["results"]]',
)
"""A schema, a field of it, and the type and the reading of what the document can only call JSON."""


def answers(schemas: Mapping[str, Schema], asked: Sequence[Operation]) -> str:
    """A module with a frozen dataclass for each answer of these operations, and for its parts."""
    names = reached(schemas, [one.answer for one in asked if one.answer])
    return "\n\n".join([_ANSWERS, *(_answer(name, schemas[name]) for name in names)])


def bodies(schemas: Mapping[str, Schema], asked: Sequence[Operation]) -> str:
    """A module with a TypedDict for each part of a body; the bodies' own fields are arguments."""
    direct = [one.body_name for one in asked if one.body_name and one.several]
    inner = [name for one in asked if one.body for name in parts(one.body)]
    return "\n\n".join([_BODIES, *(_body(name, schemas[name]) for name in reached(schemas, [*direct, *inner]))])


def documented(text: str, indent: str = "    ") -> str:
    """A docstring."""
    text = text.replace("\\", r"\\")
    return indent + '"""' + f"\n{indent}".join(textwrap.wrap(text, WIDTH - len(indent))) + '"""\n'


def _answer(name: str, schema: Schema) -> str:
    needed = set(schema.get("required", ()))
    fields = [(field, said if field in needed else _lackable(said)) for field, said in schema["properties"].items()]
    lines = [f"@dataclass(frozen=True, slots=True)\nclass {name}:\n{documented(schema.get('description', name))}\n"]
    for field, said in fields:
        lines.append(f"    {field}: {_type(name, field, said)}\n" + _about(said))
    arguments = ", ".join(f"{field}={_reading(name, field, said, needed)}" for field, said in fields)
    lines.append(
        '    @classmethod\n    def read(cls, raw: Mapping[str, Json]) -> Self:\n        """From the JSON of the API."""\n'
    )
    return "".join(lines) + f"        return cls({arguments})\n"


def _lackable(schema: Schema) -> Schema:
    return schema if optional(schema)[1] else {"anyOf": [schema, {"type": "null"}], "description": schema.get("description", "")}


def _type(name: str, field: str, schema: Schema) -> str:
    return RESULTS[2] if (name, field) == RESULTS[:2] else answered(schema)


def _reading(name: str, field: str, schema: Schema, needed: Iterable[str]) -> str:
    if (name, field) == RESULTS[:2]:
        return RESULTS[3]
    return reading(schema, f'raw["{field}"]', None if field in needed else f'raw.get("{field}")')


def _body(name: str, schema: Schema) -> str:
    needed = set(schema.get("required", ()))
    lines = [f"class {name}(TypedDict, total=False):\n{documented(schema.get('description', name))}\n"]
    for field, said in schema["properties"].items():
        kind = sent(said)
        lines.append(f"    {field}: {f'Required[{kind}]' if field in needed else kind}\n" + _about(said))
    return "".join(lines)


def _about(schema: Schema) -> str:
    return documented(schema["description"]) + "\n" if schema.get("description") else "\n"
