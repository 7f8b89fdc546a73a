"""What is answered without the application: to requests that are refused unread, and to what is none."""

import re
from collections.abc import Callable
from http import HTTPStatus

from ratoon.serving.around.context import SANE
from ratoon.serving.around.pressure import prebuilt
from ratoon.serving.problems import MEDIA_TYPE, Problem

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
_ID = re.compile(rb"\r\nx-request-id: *(%b)\r\n" % SANE.pattern, re.IGNORECASE | re.ASCII)
_OTHERWISE = re.compile(rb"\r\n(?:connection:(?! *keep-alive\r\n)|transfer-encoding:|expect:|upgrade:)", re.IGNORECASE)
"""Fields of a head that has to be looked at before it is answered."""
_REFUSALS = {f"POST {path} HTTP/1.1\r\n".encode(): prebuilt(path) for path in ("/v1/retrieve", "/v1/retrieve/batch")}


def refusal(data: bytes) -> Callable[[Callable[[], str]], bytes] | None:
    """What makes the refusal of a request that is all there, given what makes ids; None if it has to be parsed.

    Args:
        data: what was received, from a request's first byte on.
    """
    made = _REFUSALS.get(data[: data.find(b"\n") + 1])
    end = data.find(b"\r\n\r\n")
    if made is None or end < 0:
        return None
    head = data[: end + 2]
    length = _LENGTH.search(head)
    if length is None or len(data) != end + 4 + int(length[1]) or _OTHERWISE.search(head):
        return None
    said = _ID.search(head)
    return lambda new_id: made(said[1] if said else new_id().encode())


def ending(status: int, code: str, detail: str, request_id: str) -> bytes:
    """A whole answer that is a problem, and the last one on its connection."""
    title = HTTPStatus(status).phrase
    told = Problem(
        type=f"/problems/{code}",
        title=title,
        status=status,
        detail=detail,
        instance="",
        code=code,
        request_id=request_id,
        errors=[],
    )
    body = told.model_dump_json()
    lines = (
        f"HTTP/1.1 {status} {title}",
        f"content-type: {MEDIA_TYPE}",
        f"content-length: {len(body)}",
        f"x-request-id: {request_id}",
        "connection: close",
    )
    return "\r\n".join((*lines, "", body)).encode()
