"""One call of the API as a value: what is sent, and how its answer is read."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Generic, TypedDict, TypeVar
from urllib.parse import quote
from uuid import uuid4

T = TypeVar("T")

Json = Any
"""What JSON can say."""


class Options(TypedDict, total=False):
    """What every call takes beside its own arguments."""

    timeout: float
    """Seconds, all attempts and the waits between them included, instead of the client's."""

    request_id: str
    """Under which the server logs the request; made up if absent."""

    traceparent: str
    """The caller's span (W3C Trace Context), passed on."""


class OnSurface(Options, total=False):
    """What every call about a surface takes beside its own arguments."""

    surface: str
    """The product surface, instead of the client's."""


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One call.

    Attributes:
        path: quoted, after the server's address.
        read: makes the answer of what came as JSON, or of the text.
        repeatable: whether sending it twice does what sending it once does.
        body: sent as JSON.
        idempotency_key: sent along.
        text: whether the answer is text.
    """

    method: str
    path: str
    read: Callable[[Any], T]
    repeatable: bool
    query: Mapping[str, str | int] = field(default_factory=dict)
    body: object = None
    idempotency_key: str | None = None
    text: bool = False


def segment(text: str) -> str:
    """An id as one segment of a path, whatever it holds.

    Raises:
        ValueError: it is empty, or no text that UTF-8 can say.
    """
    if not text:
        raise ValueError("an id in a path must not be empty")
    # A segment of dots alone means another folder to everything on the way.
    return text.replace(".", "%2E") if text in (".", "..") else quote(text, safe="")


def said(**given: Any) -> dict[str, Any]:
    """What was given: the API tells what is left out from null."""
    return {name: value for name, value in given.items() if value is not None}


def made_id() -> str:
    """A new id."""
    return uuid4().hex


def jsonable(value: object) -> object:
    """What `json` cannot write by itself: filters and other mappings, times, and arrays.

    Raises:
        TypeError: it cannot be written.
    """
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, date):
        return value.isoformat()
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, tuple | set | frozenset):
        return list(value)
    raise TypeError(f"{type(value).__name__} cannot be sent as JSON")


def checked(name: str, value: str) -> str:
    """A header's value.

    Raises:
        ValueError: a header cannot hold it. It is not told, since it may be a secret.
    """
    if not re.fullmatch(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?", value):
        raise ValueError(f"{name} must be printable ASCII, without spaces around it")
    return value
