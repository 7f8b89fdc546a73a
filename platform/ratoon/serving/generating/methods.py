"""A class with one method for each operation."""

import textwrap
from collections.abc import Mapping, Sequence

from ratoon.serving.generating.kinds import Schema, optional, sent
from ratoon.serving.generating.models import WIDTH
from ratoon.serving.generating.operations import Operation, parts

_ERRORS = {
    400: "Invalid",
    404: "NotFound",
    409: "Conflict",
    422: "Invalid",
    429: "TooManyRequests",
    503: "Unavailable",
    504: "TooLate",
}
"""Those that a caller may want to tell apart; see `ratoon.client.errors` for the others."""

_HEAD = '''"""{about}."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal, Unpack

from ratoon.client.call import Call, Json, OnSurface, Options, made_id, said, segment
from ratoon.client.generated.{group}.answers import {answers}
{bodies}from ratoon.client.sending import {base}


class {name}({base}):
    """{words}."""

'''


def methods(asked: Sequence[Operation], group: str, words: str, *, awaited: bool) -> str:
    """A module for the operations of a group."""
    used = ", ".join(sorted({name for one in asked for name in _used(one)}))
    head = _HEAD.format(
        about=f"{words}, to wait for in an event loop" if awaited else words,
        answers=", ".join(sorted({one.answer for one in asked if one.answer})),
        base="AsyncSending" if awaited else "Sending",
        bodies=f"from ratoon.client.generated.bodies import {used}\n" if used else "",
        group=group,
        name=("Async" if awaited else "") + group.capitalize(),
        words=words,
    )
    return head + "\n".join(_method(one, "async " * awaited, "await " * awaited) for one in asked)


def _used(operation: Operation) -> list[str]:
    return [operation.body_name or ""] if operation.several else parts((operation.body or {}).get("properties"))


def _method(operation: Operation, begun: str, waited: str) -> str:
    answer = operation.answer or "str"
    arguments = ", ".join(["self", *_arguments(operation)])
    call = ", ".join(_call(operation))
    return (
        f"    {begun}def {operation.name}({arguments}) -> {answer}:\n"
        f"{_documented(operation)}"
        f"        return {waited}self._send(Call({call}), options)\n"
    )


def _fields(operation: Operation) -> list[tuple[str, Schema, bool]]:
    """Name, schema and whether it is needed, of what the body's fields make arguments of."""
    if operation.body is None or operation.several:
        return []
    needed = operation.body.get("required", ())
    return [(name, one, name in needed) for name, one in operation.body["properties"].items() if name != "surface"]


def _arguments(operation: Operation) -> list[str]:
    ids = [f"{name}: str" for name in operation.placed]
    needed = [f"{name}: {_bare(schema)}" for name, schema, must in _fields(operation) if must]
    several = [f"{operation.several}: {operation.body_name} | Sequence[{operation.body_name}]"] if operation.several else []
    more = [f"{name}: {_bare(schema)} | None = None" for name, schema, must in _fields(operation) if not must]
    more += [f"{name}: {_bare(schema)} | None = None" for name, schema in operation.query.items()]
    more += ["idempotency_key: str | None = None"] * operation.keyed
    options = f"**options: Unpack[{'OnSurface' if operation.surfaced else 'Options'}]"
    return [*ids, *needed, *several, *(["*", *more] if more else []), options]


def _bare(schema: Schema) -> str:
    return sent(optional(schema)[0])


def _call(operation: Operation) -> list[str]:
    # A server that is not ready says so at once; asking again is for whoever waits for it.
    repeatable = operation.repeatable and operation.surfaced
    path = operation.path
    for name in operation.placed:
        path = path.replace(f"{{{name}}}", f"{{segment({name})}}")
    call = [f'"{operation.method.upper()}"', f'{"f" * bool(operation.placed)}"{path}"']
    call += [f"{operation.answer}.read" if operation.answer else "str", str(repeatable)]
    if operation.query:
        call.append(f"query=said({', '.join(f'{name}={name}' for name in operation.query)})")
    if operation.several:
        one = operation.several
        call.append(f'body={one} if isinstance({one}, Mapping) else {{"{one}": list({one})}}')
    elif operation.body is not None:
        call.append(f"body=said({', '.join(f'{name}={name}' for name, *_ in _fields(operation))})")
    call += ["idempotency_key=idempotency_key or made_id()"] * operation.keyed
    return [*call, *(["text=True"] if operation.answer is None else [])]


def _documented(operation: Operation) -> str:
    lines = [one for part in operation.about.split("\n\n") for one in [*textwrap.wrap(part, WIDTH - 8), ""]]
    told: Mapping[str, Schema] = {name: schema for name, schema, _ in _fields(operation)} | dict(operation.query)
    if told := {name: schema["description"] for name, schema in told.items() if "description" in schema}:
        lines.append("Args:")
        for name, about in told.items():
            lines += textwrap.wrap(f"{name}: {about}", WIDTH - 8, initial_indent="    ", subsequent_indent=" " * 8)
        lines.append("")
    if raised := sorted({_ERRORS[one] for one in operation.statuses if one in _ERRORS}):
        lines += ["Raises:", f"    {', '.join(raised)}: see `ratoon.client.errors`.", ""]
    text = "\n".join(" " * 8 + one if one else "" for one in lines).strip()
    return f'        """{text}\n        """\n'
