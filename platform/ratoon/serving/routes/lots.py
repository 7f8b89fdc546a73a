"""Routes that take one thing or many of it in a body, all or none."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Header
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field, TypeAdapter, ValidationError
from pydantic_core import from_json
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from ratoon.domain.errors import DataError, RatoonError
from ratoon.serving.bodies.requests import MOST_EVENTS
from ratoon.serving.posting import Posting, Row
from ratoon.serving.problems import Misfit, answer, is_json, unsupported
from ratoon.serving.rendering import encoded
from ratoon.serving.rooms import Rooms
from ratoon.serving.routes.direct import body_of
from ratoon.serving.routes.surfaces import placed_on

Key = Annotated[str, Field(min_length=1, max_length=200)]
IdempotencyKey = Annotated[
    Key | None,
    Header(description="Sent twice with the same body, it counts once; for events without an `event_id` of their own."),
]
JSON = [(b"content-type", b"application/json")]

LARGE = 16 * 1024
"""Bytes from which on a body is read in another thread, so that answers go on meanwhile."""
AT_ONCE = 200
"""Things that are validated in one step, in which no other thread runs."""

_KEY: TypeAdapter[str] = TypeAdapter(Key)


@dataclass(frozen=True, slots=True)
class Lots:
    """An ASGI application that answers 202 once what came is taken, without what FastAPI's way there would cost.

    Attributes:
        name: of the list in the body of many.
        body: reads either body.
        given: what one of them says, by the columns of an event, and the surface that it was posted to.
        taken: takes them, and makes the answer: the rows, where each is in the body, and the key.
    """

    rooms: Rooms
    posting: Posting
    name: str
    body: TypeAdapter[Any]
    given: Callable[[Any, str | None], Mapping[str, Any]]
    taken: Callable[[list[Row], str, str | None], Awaitable[dict[str, object]]]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, its errors too."""
        try:
            if not is_json(scope):
                await unsupported(scope)(scope, receive, send)
                return
            key, placed = _key_of(scope), placed_on(self.rooms, scope)
            data = await body_of(receive)
            if len(data) > LARGE:
                rows, pointer = await run_in_threadpool(self._rows, data, placed, key)
            else:
                rows, pointer = self._rows(data, placed, key)
            told = encoded(await self.taken(rows, pointer, key))
        except (RatoonError, ValidationError, RequestValidationError, HTTPException) as error:
            await answer(scope, error)(scope, receive, send)
            return
        length = (b"content-length", str(len(told)).encode())
        await send({"type": "http.response.start", "status": 202, "headers": [*JSON, length]})
        await send({"type": "http.response.body", "body": told})

    def _rows(self, data: bytes, placed: str | None, key: str | None) -> tuple[list[Row], str]:
        """What is to be logged, and what leads to each in the body."""
        body = _parsed(data)
        pointer = f"#/{self.name}/{{place}}" if isinstance(body, dict) and self.name in body else "#"
        return [self._row(place, key, placed, one, pointer) for place, one in enumerate(self._validated(body))], pointer

    def _row(self, place: int, key: str | None, placed: str | None, one: BaseModel, pointer: str) -> Row:
        try:
            return self.posting.row(place, key, **self.given(one, placed))
        except DataError as wrong:
            raise Misfit(wrong, f"{pointer.format(place=place)}/{wrong.field.replace('.', '/')}") from wrong

    def _validated(self, body: Any) -> Iterator[BaseModel]:
        """The things in a body; RequestValidationError or ValidationError names what is wrong, of many in the first lot."""
        many = body.get(self.name) if isinstance(body, dict) else None
        if not isinstance(many, list) or not AT_ONCE < len(many) <= MOST_EVENTS:
            yield from self._parts(self.body.validate_python(body, from_attributes=True))
            return
        for first in range(0, len(many), AT_ONCE):
            try:
                made = self.body.validate_python(body | {self.name: many[first : first + AT_ONCE]})
            except ValidationError as wrong:
                found = [{**one, "loc": ("body", *self._further(one["loc"], first))} for one in wrong.errors(include_url=False)]
                raise RequestValidationError(found) from wrong
            yield from self._parts(made)

    def _parts(self, made: BaseModel) -> Sequence[BaseModel]:
        several: Sequence[BaseModel] | None = getattr(made, self.name, None)
        return [made] if several is None else several

    def _further(self, place: Sequence[str | int], by: int) -> list[str | int]:
        """Where something is in the whole body that was found in the lot from the place `by` on."""
        return [
            step + by if isinstance(step, int) and at and place[at - 1] == self.name else step for at, step in enumerate(place)
        ]


def _key_of(scope: Scope) -> str | None:
    """The request's Idempotency-Key, if it has one; RequestValidationError if it cannot be one."""
    said = next((value for name, value in scope["headers"] if name == b"idempotency-key"), None)
    if said is None:
        return None
    try:
        return _KEY.validate_python(said.decode("latin-1"))
    except ValidationError as wrong:
        found = [{**one, "loc": ("header", "idempotency-key")} for one in wrong.errors(include_url=False)]
        raise RequestValidationError(found) from wrong


def _parsed(data: bytes) -> object:
    try:
        return from_json(data)
    except ValueError as wrong:
        raise RequestValidationError([{"type": "json_invalid", "loc": ("body",), "msg": str(wrong)}]) from wrong
