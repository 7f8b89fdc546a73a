"""The OpenAPI document: FastAPI's, with what only error answers and filters are made of, and every path under its surface too."""

from copy import deepcopy
from typing import Any

from fastapi import FastAPI

from ratoon.domain.filters import CONDITIONS, VALUES
from ratoon.serving.keys.roles import OPEN
from ratoon.serving.problems import FieldProblem, Problem, documented

LEVELS = 8
SURFACE = {
    "name": "surface",
    "in": "path",
    "required": True,
    "description": "The product surface.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 256},
}


SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "As `ratoon keys create` makes it; asked for since the first."},
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}
_ANYWHERE = documented(401, 403, 408, 429, 431, 503)
"""What stands before all routes may answer, whichever is asked."""


class Described(FastAPI):
    """FastAPI, whose document also says what it cannot know."""

    def openapi(self) -> dict[str, Any]:
        """The document, as served."""
        if self.openapi_schema is None:
            document = super().openapi()
            document.setdefault("components", {}).setdefault("schemas", {}).update(_problems() | _filters())
            document["components"]["securitySchemes"] = SCHEMES
            for path, operations in document["paths"].items():
                for operation in operations.values():
                    _guard(path, operation)
            document["paths"] |= _under_surfaces(document["paths"])
            self.openapi_schema = document
        return self.openapi_schema


def _guard(path: str, operation: dict[str, Any]) -> None:
    """Say who may ask, and how they may be refused."""
    refusals = {str(status): answer for status, answer in _ANYWHERE.items()}
    operation["responses"] = refusals | operation["responses"]
    if path not in OPEN and not path.startswith("/problems/"):
        operation["security"] = [{}, {"bearer": []}, {"key": []}]


def _problems() -> dict[str, Any]:
    schemas = {}
    for model in (Problem, FieldProblem):
        schemas[model.__name__] = model.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas[model.__name__].pop("$defs", None)
    return schemas


def _filters() -> dict[str, Any]:
    """The language of `ratoon.domain.filters`, a schema for each level, since a filter has only so many."""
    return {_name(level): _filter(level) for level in range(1, LEVELS + 1)} | {"Condition": _condition()}


def _name(level: int) -> str:
    return "Filter" if level == 1 else f"Filter{level}"


def _filter(level: int) -> dict[str, Any]:
    condition = {"$ref": "#/components/schemas/Condition"}
    if level == LEVELS:
        return condition
    deeper = {"$ref": f"#/components/schemas/{_name(level + 1)}"}
    several = {"type": "array", "items": deeper, "minItems": 1, "maxItems": CONDITIONS}
    forms = [_only({"all": several}), _only({"any": several}), _only({"not": deeper}), condition]
    return {"anyOf": forms, "description": "What must be true of every candidate."}


def _condition() -> dict[str, Any]:
    column, value = {"type": "string"}, {"type": ["string", "number", "boolean"]}
    several = {"type": "array", "items": value, "minItems": 1, "maxItems": VALUES}
    words: list[dict[str, Any]] = [
        {"eq": value},
        {"has": value},
        {"in": several},
        {"ge": value},
        {"le": value},
        {"ge": value, "le": value},
    ]
    forms = [_only({"column": column} | word) for word in words]
    about = (
        "`eq`, `in` (a list), `ge` and `le` (one or both), `has` (a list has this entry), `exists`. Times are RFC 3339. Of an "
        "item whose column says nothing no other condition on it is true, negated or not; `exists` asks just that."
    )
    return {"anyOf": forms, "description": about}


def _only(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _under_surfaces(paths: dict[str, Any]) -> dict[str, Any]:
    more = {}
    for path, operations in paths.items():
        if path.startswith("/v1/"):
            copied = more[f"/v1/surfaces/{{surface}}/{path.removeprefix('/v1/')}"] = deepcopy(operations)
            for operation in copied.values():
                operation["operationId"] += "_on_surface"
                kept = [one for one in operation.get("parameters", ()) if one["name"] != "surface"]
                operation["parameters"] = [SURFACE, *kept]
    return more
