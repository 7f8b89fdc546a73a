"""Every error of the client, as one tree.

ClientError
├── Unreachable           no answer came: nobody listens, the connection broke, or the time was over
├── Unreadable            an answer came that is not one of this API
└── Problem               the server said what is wrong (RFC 9457)
    ├── Invalid           400, 413, 415, 422: the request cannot be right, whenever it is sent
    ├── Unauthorized      401: no key, or one that is not known
    ├── Forbidden         403: the key's role does not reach this
    ├── NotFound          404
    ├── Conflict          409: the request is well formed and does not fit what is served or stored
    ├── TooManyRequests   429: after `retry_after` seconds again
    ├── ServerFailed      500
    ├── Unavailable       502, 503: no release yet, a store that does not answer, too much to do
    └── TooLate           504: the time that the request gave was over
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

T = TypeVar("T")


class ClientError(Exception):
    """What a call can raise, except for arguments that cannot be sent at all (ValueError, TypeError)."""


class Unreachable(ClientError):
    """No answer came.

    Attributes:
        call: the method and the path.
        cause: what happened, for people.
        request_id: under which the server logged the request, if it came that far.
        sent: whether the server may have got the request, and done what it says.
    """

    def __init__(self, call: str, cause: str, request_id: str, sent: bool) -> None:
        super().__init__(call, cause, request_id, sent)
        self.call, self.cause, self.request_id, self.sent = call, cause, request_id, sent

    def __str__(self) -> str:
        done = "the server may have got it" if self.sent else "nothing was sent"
        return f"{self.call}: {self.cause}; {done} (request {self.request_id})"


class Unreadable(ClientError):
    """An answer is not what this API gives; something else may be listening there, or a server that is much older."""

    def __init__(self, call: str, cause: str, request_id: str) -> None:
        super().__init__(call, cause, request_id)
        self.call, self.cause, self.request_id = call, cause, request_id

    def __str__(self) -> str:
        return f"{self.call}: {self.cause} (request {self.request_id})"


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One field that is wrong.

    Attributes:
        pointer: where in the body, as a JSON pointer in a URI fragment (RFC 6901); empty if not in it.
    """

    pointer: str
    detail: str


@dataclass(frozen=True, slots=True)
class Details:
    """What a problem says.

    Attributes:
        status: of HTTP.
        code: what was wrong, for programs; `http_error` where something in between answered.
        type: names the error, and is the path of a page about it.
        detail: what was wrong, for people.
        instance: the path that was asked for.
        errors: the fields that are wrong, where single fields are.
        retry_after: seconds after which to ask again, where the server said so.
    """

    status: int
    code: str
    type: str
    title: str
    detail: str
    instance: str
    request_id: str
    errors: tuple[FieldProblem, ...] = ()
    retry_after: float | None = None


class Problem(ClientError):
    """The server said what is wrong; the attributes are those of `Details`."""

    def __init__(self, details: Details) -> None:
        super().__init__(details)
        self.status, self.code, self.type, self.title = details.status, details.code, details.type, details.title
        self.detail, self.instance, self.request_id = details.detail, details.instance, details.request_id
        self.errors, self.retry_after = details.errors, details.retry_after

    def __str__(self) -> str:
        return f"{self.status} {self.code}: {self.detail} (request {self.request_id})"


class Invalid(Problem):
    """The request cannot be right, whenever it is sent; `errors` says which fields are wrong."""


class Unauthorized(Problem):
    """The server asks for a key, and there is none or another one."""


class Forbidden(Problem):
    """The key's role does not reach this."""


class NotFound(Problem):
    """Nothing is known by this name."""


class Conflict(Problem):
    """The request is well formed and does not fit what is served or stored."""


class TooManyRequests(Problem):
    """The key has asked too often; `retry_after` says when it may ask again."""


class ServerFailed(Problem):
    """Something unexpected happened in the server, which logged it under `request_id`."""


class Unavailable(Problem):
    """There is nothing to answer from right now."""


class TooLate(Problem):
    """The time that the request gave (`timeout_ms`) was over."""


_BY_STATUS: dict[int, type[Problem]] = {
    400: Invalid,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    413: Invalid,
    415: Invalid,
    422: Invalid,
    429: TooManyRequests,
    500: ServerFailed,
    502: Unavailable,
    503: Unavailable,
    504: TooLate,
}


def problem(status: int, content: bytes, headers: Mapping[str, str], instance: str, request_id: str) -> Problem:
    """The error that an answer with this status is.

    Args:
        content: the body; whatever is no problem document is told as the detail.
        headers: by any case of their names.
        instance, request_id: what was asked, where the answer does not say.
    """
    try:
        said = json.loads(content)
    except ValueError:
        said = None
    if not isinstance(said, dict) or not isinstance(said.get("code"), str):
        text = " ".join(content[:400].decode("utf-8", "replace").split())
        said = {"code": "http_error", "detail": f"no problem document came, but: {text or 'nothing'}"}
    known = {"status": status, "instance": instance, "request_id": headers.get("x-request-id", request_id)} | said
    return _told(known, retry_after(headers))


def outcome(said: Mapping[str, Any], read: Callable[[Mapping[str, Any]], T]) -> T | Problem:
    """One of several answers: read, or the problem that it is."""
    return _told(said, None) if "status" in said and "code" in said else read(said)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds from now that the header `Retry-After` (RFC 9110, 10.2.3) asks for; a date is compared with the answer's own."""
    said = headers.get("retry-after", "").strip()
    if said.isdecimal():
        return float(said)
    try:
        return max(0.0, (parsedate_to_datetime(said) - parsedate_to_datetime(headers.get("date", ""))).total_seconds())
    except (TypeError, ValueError):  # neither, or one date with a zone and one without
        return None


def _told(said: Mapping[str, Any], later: float | None) -> Problem:
    wrong = said.get("errors", ())
    details = Details(
        status=said["status"],
        code=said["code"],
        type=said.get("type", "about:blank"),
        title=said.get("title", ""),
        detail=said.get("detail", ""),
        instance=said.get("instance", ""),
        request_id=said.get("request_id", ""),
        errors=tuple(FieldProblem(one["pointer"], one["detail"]) for one in wrong),
        retry_after=later,
    )
    return _BY_STATUS.get(details.status, Problem)(details)
