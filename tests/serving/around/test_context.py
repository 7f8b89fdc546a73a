"""What surrounds every request."""

import asyncio
import logging
from typing import Any

import pytest

from ratoon.serving import create_app
from ratoon.serving.around.context import RequestContext
from ratoon.serving.around.limits import LARGEST_BODY
from ratoon.serving.metrics import Metrics
from tests.fakes.serving_world import Ask, World, asking


def test_every_answer_carries_a_request_id(ask: Ask) -> None:
    """The caller's id comes back if it is sane; otherwise, and without one, each request gets an id of its own."""
    assert ask("GET", "/healthz", headers={"X-Request-ID": "a-1.b:c"}).headers["X-Request-ID"] == "a-1.b:c"
    made = {
        ask("GET", "/nowhere", headers=headers).headers["X-Request-ID"]
        for headers in ({}, {}, {"X-Request-ID": "x" * 129}, {"X-Request-ID": "a b"}, {"X-Request-ID": "<script>"})
    }
    assert len(made) == 5
    assert all(len(one) == 36 for one in made)


def test_the_unexpected_is_logged_and_not_told(
    world: World, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A defect is a 500 problem without a word of the exception, which stands in the log beside the request's id."""

    def broken(*_: object) -> None:
        raise ZeroDivisionError("password=hunter2")

    monkeypatch.setattr(world.online, "user", broken)
    with asking(create_app(world.rooms)) as ask, caplog.at_level(logging.ERROR, "ratoon.serving"):
        answer = ask("POST", "/v1/retrieve", json={"user_id": "u"}, headers={"X-Request-ID": "mine"})
        assert 'route="/v1/retrieve",status="500"} 1.0' in ask("GET", "/metrics").text
    assert (answer.status_code, answer.json()["code"], answer.json()["request_id"]) == (500, "internal", "mine")
    assert answer.headers["X-Request-ID"] == "mine"
    assert "hunter2" not in answer.text
    assert "POST /v1/retrieve failed" in caplog.text
    assert "hunter2" in caplog.text


def test_an_answer_that_breaks_half_way_is_cut() -> None:
    """An exception after the answer has begun is not followed by a second answer; the server sees it and hangs up."""

    async def half(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise ZeroDivisionError("half way")

    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    app = RequestContext(half, Metrics(), lambda: "id")
    scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
    with pytest.raises(ZeroDivisionError, match="half way"):
        asyncio.run(app(scope, receive, send))  # type: ignore[arg-type]  # plain dicts for ASGI's mappings
    assert [message["type"] for message in sent] == ["http.response.start"]


@pytest.mark.parametrize("declared", [True, False])
def test_a_large_body_is_refused(world: World, ask: Ask, declared: bool) -> None:
    """A body above 5 MiB is a 413, whether its length is declared or only shows; one just below is read."""
    large = b'{"user_id": "' + b"x" * LARGEST_BODY + b'"}'

    async def pieces() -> Any:
        for start in range(0, len(large), 2**20):
            yield large[start : start + 2**20]

    content = large if declared else pieces()
    answer = ask("POST", "/v1/events", content=content, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    just = large[: LARGEST_BODY - 2] + b'"}'
    assert ask("POST", "/v1/events", content=just, headers={"Content-Type": "application/json"}).status_code == 422
    assert world.log.end() == 0
