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
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from ratoon.domain.errors import Conflict, DataError, RatoonError, StoreError, UsageError
from ratoon.domain.predicate import FilterRefused

MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = 1

logger = logging.getLogger("ratoon.serving")


class FieldProblem(BaseModel):
    """One field that is wrong."""

    pointer: str = Field(description="Where in the body, as a JSON pointer in a URI fragment (RFC 6901); empty if not in it.")
    detail: str


class Problem(BaseModel):
    """An error, RFC 9457."""

    type: str = Field(default="about:blank", description="`about:blank`: `title` says as much as the status; see `code`.")
    title: str
    status: int
    detail: str = Field(description="What was wrong, for a person.")
    instance: str = Field(description="The path that was asked for.")
    code: str = Field(description="What was wrong, for a program.")
    request_id: str
    errors: list[FieldProblem] = Field(description="The fields that are wrong, where single fields are.")


class UnknownSurface(UsageError):
    """The request names a surface that is not configured."""


class NotReady(StoreError):
    """There is no release to answer from yet."""


class InvalidEvent(DataError):
    """The log refused an event; `pointer` says where in the body it is."""

    def __init__(self, cause: DataError, pointer: str) -> None:
        self.pointer = pointer
        super().__init__(cause.field, expected=cause.expected, found=cause.found, fix=cause.fix)


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
    app.add_exception_handler(RatoonError, _on_ratoon_error)
    app.add_exception_handler(RequestValidationError, _on_invalid_body)
    app.add_exception_handler(HTTPException, _on_http_exception)


async def _on_ratoon_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RatoonError)
    told = f"Expected {error.expected}, found {error.found}. {error.fix}"
    retry = {"Retry-After": str(RETRY_SECONDS)}
    match error:
        case UnknownSurface():
            return problem(request.scope, 404, "unknown_surface", told)
        case FilterRefused():
            wrong = FieldProblem(pointer=f"#/{error.field}", detail=f"expected {error.expected}, found {error.found}")
            return problem(request.scope, 422, "invalid", told, errors=[wrong])
        case UsageError():
            return problem(request.scope, 400, "usage", told)
        case InvalidEvent():
            wrong = FieldProblem(pointer=error.pointer, detail=f"expected {error.expected}, found {error.found}")
            return problem(request.scope, 422, "invalid", told, errors=[wrong])
        case DataError():
            return problem(request.scope, 422, "invalid", told)
        case Conflict():
            return problem(request.scope, 409, "conflict", told)
        case NotReady():
            return problem(request.scope, 503, "not_ready", error.found + ": " + error.fix, headers=retry)
    logger.error("%s %s: %s", request.method, request.url.path, error)
    detail = "The service's storage cannot be used right now; nothing was changed. Try again."
    return problem(request.scope, 503, "unavailable", detail, headers=retry)


async def _on_invalid_body(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    found = error.errors()
    if any(one["type"] == "json_invalid" for one in found):
        return problem(request.scope, 400, "malformed_body", "The body is not JSON.")
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if any(one["loc"] == ("body",) for one in found) and media_type != "application/json":
        return problem(request.scope, 415, "unsupported_media_type", "Send JSON with Content-Type: application/json.")
    errors = [FieldProblem(pointer=_pointer(one["loc"]), detail=_detail(one)) for one in found[:50]]
    first = errors[0]
    return problem(request.scope, 422, "invalid", f"{first.pointer or 'request'}: {first.detail}", errors=errors)


def _pointer(place: Sequence[str | int]) -> str:
    if place[0] != "body":
        return ""
    steps = [str(step) for step in place[1:] if not str(step).startswith("{")]
    return "#" + "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in steps)


def _detail(one: Mapping[str, Any]) -> str:
    named = "" if one["loc"][0] == "body" else f"{one['loc'][0]} parameter {one['loc'][-1]}: "
    return named + str(one["msg"]).removeprefix("Value error, ")


_CODES = {400: "malformed_body", 404: "not_found", 405: "method_not_allowed", 413: "body_too_large"}


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = _CODES.get(error.status_code, "http_error")
    return problem(request.scope, error.status_code, code, error.detail, headers=error.headers)
