"""What a request may not exceed."""

import asyncio
import json
from collections.abc import Sequence

import pytest
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive, Scope, Send

from ratoon.serving.around.limits import BodyLimit


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    del scope
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


def posted(parts: Sequence[bytes], declared: int | None = None) -> tuple[list[Message], int]:
    """What a body in parts is answered under a limit of 10 bytes, and how many parts were read."""
    sent, left = list[Message](), list(parts)

    async def receive() -> Message:
        return {"type": "http.request", "body": left.pop(0), "more_body": bool(left)}

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [] if declared is None else [(b"content-length", b"%d" % declared)]
    scope = {"type": "http", "path": "/v1/events", "method": "POST", "headers": headers, "state": {"request_id": "r"}}
    asyncio.run(BodyLimit(application, 10)(scope, receive, send))
    return sent, len(parts) - len(left)


def test_a_body_up_to_the_limit_passes() -> None:
    """Ten bytes of ten, in one part or in several, come through as they are."""
    for parts in ([b"0123456789"], [b"01234", b"", b"56789"]):
        assert posted(parts, 10)[0][1]["body"] == b"0123456789"


def test_a_declared_length_above_it_is_refused_unread() -> None:
    """A body that says it is too long is answered 413 `body_too_large` before a byte of it is read."""
    sent, read = posted([b"x" * 11], 11)
    assert (sent[0]["status"], json.loads(sent[1]["body"])["code"], read) == (413, "body_too_large", 0)


def test_a_body_that_grows_above_it_is_stopped() -> None:
    """A body that does not say how long it is, is read up to the limit and no further."""
    with pytest.raises(HTTPException, match="at most 10 bytes; send several requests") as refused:
        posted([b"01234", b"56789", b"x", b"never read"])
    assert refused.value.status_code == 413
