"""A process that is about to stop."""

import asyncio

import pytest
from starlette.types import Message, Receive, Scope, Send

from ratoon.serving.around.draining import Closing, Draining
from ratoon.serving.problems import NotReady


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    del scope, receive
    await send({"type": "http.response.start", "status": 200, "headers": [(b"a", b"b")]})
    await send({"type": "http.response.body", "body": b"told"})


async def nothing() -> Message:
    raise AssertionError("nobody asks for the body")


def answered(draining: Draining, kind: str = "http") -> list[Message]:
    sent = list[Message]()

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(Closing(application, draining)({"type": kind}, nothing, send))
    return sent


def test_answers_say_goodbye_once_it_has_begun() -> None:
    """Before, an answer passes as it is; afterwards it also says `Connection: close`."""
    draining = Draining()
    before, body = answered(draining)
    draining.begin()
    after, same = answered(draining)
    assert before["headers"] == [(b"a", b"b")]
    assert after["headers"] == [(b"a", b"b"), (b"connection", b"close")]
    assert body == same
    assert answered(draining, "lifespan")[0]["headers"] == [(b"a", b"b")]


def test_it_is_not_ready_any_more() -> None:
    """Asked whether it is ready, it passes until it was told to stop."""
    draining = Draining()
    draining.refuse()
    draining.begin()
    assert draining.begun
    with pytest.raises(NotReady, match="expected one that goes on, found it was told to stop"):
        draining.refuse()
