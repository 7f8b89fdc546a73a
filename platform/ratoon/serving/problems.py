"""Errors as RFC 9457 problem details: one shape for every answer that is not a success.

What a caller did wrong is explained; what went wrong inside is logged, and not told.
"""

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import BaseModel, Field, ValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Route

from ratoon.domain.errors import Conflict, DataError, Overloaded, RatoonError, StoreError, UsageError
from ratoon.domain.inputs import Unfit
from ratoon.domain.predicate import FilterRefused
from ratoon.domain.query import UnknownItems

MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = 1

logger = logging.getLogger("ratoon.serving")


class FieldProblem(BaseModel):
    """One field that is wrong."""

    pointer: str = Field(description="Where in the body, as a JSON pointer in a URI fragment (RFC 6901); empty if not in it.")
    detail: str


class Problem(BaseModel):
    """An error, RFC 9457."""

    type: str = Field(description="Names the error, and is the path of a page about it.")
    title: str
    status: int
    detail: str = Field(description="What was wrong, for a person.")
    instance: str = Field(description="The path that was asked for.")
    code: str = Field(description="What was wrong, for a program.")
    request_id: str
    errors: list[FieldProblem] = Field(description="The fields that are wrong, where single fields are.")


class UnknownSurface(UsageError):
    """The request names a surface that is not configured."""


class Unknown(UsageError):
    """Nothing is known by the name that the request has."""


class NotReady(StoreError):
    """There is no release to answer from yet."""


class OtherRelease(UsageError):
    """The request wants another release than the one that is served."""


class TooLate(RatoonError):
    """The time that the caller gave is over."""


class ReusedKey(UsageError):
    """An idempotency key came again with another body."""


class Invalid(DataError):
    """A part of the body that is wrong; `pointer` says which."""

    def __init__(self, cause: RatoonError, pointer: str) -> None:
        self.pointer = pointer
        super().__init__(cause.field, expected=cause.expected, found=cause.found, fix=cause.fix)


class Misfit(Invalid):
    """A part of the body that is well formed, and does not fit what is there: the features that are defined, the present."""


def problem(
    scope: Mapping[str, Any],
    status: int,
    code: str,
    detail: str,
    *,
    errors: Sequence[FieldProblem] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Build the answer for an error in the request that `scope` (ASGI) describes."""
    body = Problem(
        type=f"/problems/{code}",
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        instance=scope["path"],
        code=code,
        request_id=scope["state"]["request_id"],
        errors=list(errors),
    )
    return Response(body.model_dump_json(), status, headers, MEDIA_TYPE)


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI entries of a route that can answer with these errors, and with 500 like every route."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": HTTPStatus(status).phrase, "content": content} for status in sorted({*statuses, 500})}


def install(app: FastAPI) -> None:
    """Answer every error of `app` with a problem; unexpected ones are the middleware's."""

    async def told(request: Request, error: Exception) -> Response:
        return answer(request.scope, error)

    for kind in (RatoonError, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, told)


def answer(scope: Mapping[str, Any], error: Exception) -> Response:
    """The problem that an error is to the caller.

    Args:
        error: RatoonError, ValidationError of a body, RequestValidationError or HTTPException.
    """
    match error:
        case RatoonError():
            return _on_ratoon_error(scope, error)
        case ValidationError():
            return _on_invalid(scope, [{**one, "loc": ("body", *one["loc"])} for one in error.errors(include_url=False)])
        case RequestValidationError():
            return _on_invalid(scope, error.errors())
        case HTTPException():
            code = _CODES.get(error.status_code, "http_error")
            headers = {"Allow": _allowed(scope)} if error.status_code == 405 else error.headers
            return problem(scope, error.status_code, code, error.detail, headers=headers)
    raise error


def _allowed(scope: Mapping[str, Any]) -> str:
    """Every method that the path has: Starlette names those of the first route that has it."""
    routes = (route for route in scope["app"].router.routes if isinstance(route, Route))
    found = [method for route in routes if route.path_regex.match(scope["path"]) for method in route.methods or ()]
    return ", ".join(sorted(set(found)))


_KINDS: tuple[tuple[type[RatoonError], int, str], ...] = (
    (UnknownSurface, 404, "unknown_surface"),
    (Unknown, 404, "not_found"),
    (UnknownItems, 404, "not_found"),
    (FilterRefused, 409, "unfit"),
    (Unfit, 409, "unfit"),
    (Misfit, 409, "unfit"),
    (OtherRelease, 409, "other_release"),
    (ReusedKey, 409, "idempotency_key_reused"),
    (Conflict, 409, "conflict"),
    (Invalid, 422, "invalid"),
    (DataError, 422, "invalid"),
    (UsageError, 400, "usage"),
    (NotReady, 503, "not_ready"),
    (Overloaded, 503, "overloaded"),
    (TooLate, 504, "too_late"),
)
"""The first that an error is says which problem it is; what is none of them is not the caller's."""

_POINTED = (FilterRefused, Unfit, Invalid)
_LATER = {503: {"Retry-After": str(RETRY_SECONDS)}}


def _on_ratoon_error(scope: Mapping[str, Any], error: RatoonError) -> Response:
    for kind, status, code in _KINDS:
        if isinstance(error, kind):
            told = f"Expected {error.expected}, found {error.found}. {error.fix}"
            detail = f"expected {error.expected}, found {error.found}"
            wrong = [FieldProblem(pointer=_said_where(error), detail=detail)] if isinstance(error, _POINTED) else []
            return problem(scope, status, code, told, errors=wrong, headers=_LATER.get(status))
    logger.error("%s %s: %s", scope["method"], scope["path"], error)
    detail = "The service's storage cannot be used right now; nothing was changed. Try again."
    return problem(scope, 503, "unavailable", detail, headers=_LATER[503])


def _said_where(error: RatoonError) -> str:
    return error.pointer if isinstance(error, Invalid) else f"#/{error.field}"


def _on_invalid(scope: Mapping[str, Any], found: Sequence[Any]) -> Response:
    if any(one["type"] == "json_invalid" for one in found):
        return problem(scope, 400, "malformed_body", "The body is not JSON.")
    if any(_pointer(one["loc"]) == "#" for one in found) and not is_json(scope):
        return unsupported(scope)
    errors = [FieldProblem(pointer=_pointer(one["loc"]), detail=_detail(one)) for one in found[:50]]
    first = errors[0]
    return problem(scope, 422, "invalid", f"{first.pointer or 'request'}: {first.detail}", errors=errors)


def is_json(scope: Mapping[str, Any]) -> bool:
    """Whether the request says that its body is JSON."""
    kind = next((value for name, value in scope["headers"] if name == b"content-type"), b"")
    return bool(kind.partition(b";")[0].strip().lower() == b"application/json")


def unsupported(scope: Mapping[str, Any]) -> Response:
    """The problem of a body that does not say that it is JSON."""
    return problem(scope, 415, "unsupported_media_type", "Send JSON with Content-Type: application/json.")


def _pointer(place: Sequence[str | int]) -> str:
    if place[0] != "body":
        return ""
    steps = [str(step) for step in place[1:] if not str(step).startswith("{")]
    return "#" + "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in steps)


def _detail(one: Mapping[str, Any]) -> str:
    named = "" if one["loc"][0] == "body" else f"{one['loc'][0]} parameter {one['loc'][-1]}: "
    return named + str(one["msg"]).removeprefix("Value error, ")


_CODES = {400: "malformed_body", 404: "not_found", 405: "method_not_allowed", 413: "body_too_large"}
