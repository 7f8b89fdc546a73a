"""Single fields of requests: what the document says of them is what is taken."""

import re

from pydantic import TypeAdapter, ValidationError

from ratoon.serving.bodies.fields import Reason

READER = TypeAdapter[str](Reason)
ECMASCRIPT = set("\t\n\v\f\r \u00a0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff") | {chr(code) for code in range(0x2000, 0x200B)}
"""White space, by ECMA-262, whose expressions JSON Schema has."""


def taken(text: str) -> bool:
    try:
        READER.validate_python(text)
    except ValidationError:
        return False
    return True


def test_a_reason_says_something_to_every_reader() -> None:
    """Of one character it is taken if Python's expressions, which made the cases, and ECMAScript's both see more than space."""
    pattern = re.compile(READER.json_schema()["pattern"])
    for code in (*range(0xD800), *range(0xE000, 0x10000)):
        text = chr(code)
        assert taken(text) == bool(pattern.search(text)), hex(code)
        assert not (taken(text) and (text.isspace() or text in ECMASCRIPT)), hex(code)
    assert taken(" because ")
