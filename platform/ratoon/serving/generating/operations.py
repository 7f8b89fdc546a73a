"""What can be called, read from an OpenAPI document."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any

from ratoon.domain.errors import UsageError
from ratoon.serving.generating.kinds import Schema, named

SURFACES = "/v1/surfaces/"

METHODS = {
    ("post", "/v1/retrieve"): "retrieving.retrieve",
    ("post", "/v1/retrieve/batch"): "retrieving.retrieve_batch",
    ("get", "/v1/items/{item_id}/similar"): "retrieving.similar",
    ("post", "/v1/events"): "changing.events",
    ("post", "/v1/items"): "changing.add_item",
    ("patch", "/v1/items/{item_id}"): "changing.change_item",
    ("delete", "/v1/items/{item_id}"): "changing.remove_item",
    ("get", "/v1/items/{item_id}"): "changing.item",
    ("get", "/v1/users/{user_id}"): "changing.user",
    ("get", "/v1/releases/current"): "operating.current_release",
    ("get", "/v1/releases"): "operating.releases",
    ("post", "/v1/releases/{release_id}/activate"): "operating.activate",
    ("post", "/v1/refresh"): "running.refresh",
    ("get", "/v1/runs/{run_id}"): "running.run",
    ("get", "/v1/trial"): "operating.trial",
    ("post", "/v1/trial/promote"): "operating.promote_trial",
    ("post", "/v1/trial/end"): "operating.end_trial",
    ("get", "/healthz"): "operating.healthz",
    ("get", "/readyz"): "operating.readyz",
    ("get", "/metrics"): "operating.metrics",
}
"""In which group and how the client calls what the API has. The names are its own: a handler may be renamed, these may not."""

MANY = {"add_item": "add_items"}
"""Methods that take one thing by its fields, and the method beside each that takes many in a list."""

REPEATABLE = {"retrieve", "retrieve_batch"}
"""What is posted and changes nothing. Beside it, whatever is no POST and what goes under an idempotency key can be repeated."""

UNNAMED = {"refresh": "RunAnswer"}
"""Answers that the document does not name."""

LEFT_OUT = {"if-none-match", "surface"}
"""Parameters that no method has: its answer would be none half of the time; the path says it."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of the client.

    Attributes:
        group: the package of the client that has it.
        placed: names of the parts of the path that ids fill.
        query: name -> schema of the parameters after the path.
        keyed: whether it takes an idempotency key.
        body: the schema of its body, and the name of that schema.
        several: the name of the one list in the other body that it takes as well.
        answer: the name of its answer's schema; none for text.
        statuses: those of its errors.
    """

    group: str
    name: str
    method: str
    path: str
    about: str
    placed: tuple[str, ...]
    query: Mapping[str, Schema]
    keyed: bool
    body: Schema | None
    body_name: str | None
    several: str | None
    answer: str | None
    statuses: tuple[int, ...]

    @property
    def surfaced(self) -> bool:
        """Whether it is about a surface."""
        return self.path.startswith("/v1/")

    @property
    def repeatable(self) -> bool:
        """Whether sending it twice does what sending it once does."""
        return self.method != "post" or self.keyed or self.name in REPEATABLE


def operations(document: Mapping[str, Any]) -> list[Operation]:
    """Every operation, but for those under a surface, where the client puts them itself, and pages for people.

    Raises:
        UsageError: an operation has no name in METHODS, or a name no operation.
    """
    found = {
        (method, path): said
        for path, methods in document["paths"].items()
        if not path.startswith(SURFACES)
        for method, said in methods.items()
        if path.startswith("/v1/") or (method, path) in METHODS
    }
    if differ := sorted(map(" ".join, found.keys() ^ METHODS.keys())):
        fix = "Name it in METHODS of ratoon.serving.generating.operations."
        raise UsageError("the OpenAPI document", expected="the operations that have names", found=", ".join(differ), fix=fix)
    schemas = document["components"]["schemas"]
    made = [_operation(schemas, name, *key, found[key]) for key, name in METHODS.items()]
    return [one for each in made for one in _apart(each)]


def reached(schemas: Mapping[str, Schema], names: Iterable[str]) -> list[str]:
    """These schemas and all that they are made of, every one after those it is made of."""
    order: list[str] = []
    for name in names:
        if name not in order and "properties" in schemas[name]:
            order += [one for one in reached(schemas, parts(schemas[name])) if one not in order]
            order.append(name)
    return order


def parts(schema: object) -> list[str]:
    """The names of the schemas that one refers to."""
    if isinstance(schema, list):
        return [name for one in schema for name in parts(one)]
    if not isinstance(schema, Mapping):
        return []
    name = named(schema)
    return [name] if name else [one for value in schema.values() for one in parts(value)]


def _operation(schemas: Mapping[str, Schema], name: str, method: str, path: str, said: Mapping[str, Any]) -> Operation:
    group, _, name = name.partition(".")
    parameters = [one for one in said.get("parameters", ()) if one["name"] not in LEFT_OUT]
    body_name, several = _body(schemas, said)
    (answer,) = [one["content"] for status, one in said["responses"].items() if status.startswith("2")]
    told = answer.get("application/json")
    return Operation(
        group=group,
        name=name,
        method=method,
        path=path,
        about=said["summary"] + ".\n\n" + said.get("description", ""),
        placed=tuple(one["name"] for one in parameters if one["in"] == "path"),
        query={one["name"]: one["schema"] for one in parameters if one["in"] == "query"},
        keyed=any(one["name"].lower() == "idempotency-key" for one in parameters),
        body=None if body_name is None else schemas[body_name],
        body_name=body_name,
        several=several,
        answer=None if told is None else named(told["schema"]) or UNNAMED[name],
        statuses=tuple(int(status) for status in said["responses"] if int(status) >= HTTPStatus.BAD_REQUEST),
    )


def _apart(operation: Operation) -> list[Operation]:
    if operation.name not in MANY:
        return [operation]
    return [replace(operation, several=None), replace(operation, name=MANY[operation.name])]


def _body(schemas: Mapping[str, Schema], said: Mapping[str, Any]) -> tuple[str | None, str | None]:
    if "requestBody" not in said:
        return None, None
    schema = said["requestBody"]["content"]["application/json"]["schema"]
    if "oneOf" not in schema:
        return named(schema), None
    one, many = (named(form) or "" for form in schema["oneOf"])
    (several,) = schemas[many]["properties"]
    return one, several
