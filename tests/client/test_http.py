"""What is sent, what comes back, and what happens when it does not."""

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ratoon.client import (
    Client,
    ClientError,
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    Problem,
    Retries,
    ServerFailed,
    TooLate,
    TooManyRequests,
    Unauthorized,
    Unavailable,
    Unreachable,
    Unreadable,
    where,
)
from ratoon.jobs.book import Shown
from ratoon.serving import create_app
from tests.client.conftest import Opened
from tests.client.servers import ANSWER, Answer, App, Scripted, breaking, listening, problem
from tests.fakes.serving_world import World
from tests.fakes.work import run

EVENTS = {"accepted": 1, "duplicates": 0, "offset": 1, "applied": True}
RUN = Shown(run(), None).plain() | {"id": "r"}
NONE = Retries(most=0)
CERTAIN = Retries(chance=lambda: 1.0, clock=lambda: 0.0)


@contextmanager
def scripted(*answers: Answer) -> Iterator[tuple[str, Scripted]]:
    app = Scripted(list(answers))
    with listening(app) as url:
        yield url, app


def answered(content: bytes = json.dumps(ANSWER).encode()) -> bytes:
    return b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%s" % (len(content), content)


def nobody() -> str:
    """An address where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_what_is_sent(opened: Opened) -> None:
    """A call carries the key, a request id, the trace and JSON: filters and times as the API has them, and no nulls."""
    with scripted(Answer(body=ANSWER)) as (url, server):
        ask = opened(url + "/", key="rtn_secret", surface="home page/1")
        ask.retrieve(
            user_id="196",
            filter=where("seen") >= datetime(2026, 3, 1, tzinfo=UTC),
            exclude_ids={"a"},
            request_id="mine",
            traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        )
        ask.similar("a/b", k=3, surface="ads")
    first, second = server.asked
    assert (first.method, first.path) == ("POST", "/v1/surfaces/home%20page%2F1/retrieve")
    assert json.loads(first.body) == {
        "user_id": "196",
        "filter": {"column": "seen", "ge": "2026-03-01T00:00:00+00:00"},
        "exclude_ids": ["a"],
    }
    assert first.headers["authorization"] == "Bearer rtn_secret"
    assert first.headers["content-type"] == "application/json"
    assert first.headers["x-request-id"] == "mine"
    assert first.headers["traceparent"] == "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    assert (second.method, second.path, second.query) == ("GET", "/v1/surfaces/ads/items/a%2Fb/similar", "k=3")
    assert (second.body, "content-type" in second.headers, "traceparent" in second.headers) == (b"", False, False)
    assert len(second.headers["x-request-id"]) == 32


def test_a_connection_is_kept(opened: Opened) -> None:
    """Several calls in a row go over one connection."""
    ports = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            ports.append(scope["client"][1])
            await Scripted([Answer(body=ANSWER)])(scope, receive, send)

    with listening(app) as url:
        ask = opened(url)
        for _ in range(3):
            ask.retrieve(user_id="196")
    assert len(ports) == 3
    assert len(set(ports)) == 1


def test_a_later_server_may_say_more(opened: Opened) -> None:
    """Fields that this client does not know are passed over."""
    with scripted(Answer(body=ANSWER | {"coming": {"later": 1}})) as (url, _):
        assert opened(url).retrieve(user_id="196").candidates[1].item_id == "i2"


ERRORS = {
    400: Invalid,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    413: Invalid,
    415: Invalid,
    418: Problem,
    422: Invalid,
    429: TooManyRequests,
    500: ServerFailed,
    502: Unavailable,
    503: Unavailable,
    504: TooLate,
}


def test_each_problem_is_an_error_of_its_own(opened: Opened) -> None:
    """A problem document becomes the error of its status, with everything that it says."""
    told = [problem(status, "some_code") for status in ERRORS]
    for one in told:
        one.headers["retry-after"] = "7"
    with scripted(*told) as (url, _):
        ask = opened(url, retries=NONE)
        for status, error in ERRORS.items():
            with pytest.raises(Problem) as raised:
                ask.retrieve(user_id="196")
            said = raised.value
            assert type(said) is error
            assert (said.status, said.code, said.type) == (status, "some_code", "/problems/some_code")
            assert (said.title, said.detail, said.instance) == ("Title", "What was wrong.", "/v1/retrieve")
            assert [(one.pointer, one.detail) for one in said.errors] == [("#/k", "too large")]
            assert (said.retry_after, said.request_id) == (7.0, "the-server's")
            assert str(said) == f"{status} some_code: What was wrong. (request the-server's)"


def test_something_in_between_may_answer(opened: Opened) -> None:
    """An error without a problem document tells what came, under the id that was sent."""
    told = [b"<html>Bad Gateway</html>", b"", b"\xff\xfe", b"[1]", b'{"error": "x"}']
    with scripted(*(Answer(502, one) for one in told)) as (url, _):
        ask = opened(url, retries=NONE)
        for _ in told:
            with pytest.raises(Unavailable, match="502 http_error: no problem document came, but: ") as raised:
                ask.retrieve(user_id="196", request_id="mine")
            assert (raised.value.request_id, raised.value.errors, raised.value.instance) == ("mine", (), "/v1/retrieve")


def test_an_answer_of_another_kind_is_unreadable(opened: Opened) -> None:
    """What is not an answer of this API is told with the reason, and not asked for again."""
    told: list[tuple[object, str]] = [
        (b"<html>", "JSONDecodeError"),
        ({"request_id": "r"}, "KeyError 'source'"),
        ([], "list"),
        (ANSWER | {"watermark": "soon"}, "soon"),
    ]
    with scripted(*(Answer(body=body) for body, _ in told)) as (url, server):
        ask = opened(url)
        for _, cause in told:
            with pytest.raises(Unreadable, match=f"POST /v1/retrieve: the answer is not what was expected: .*{cause}"):
                ask.retrieve(user_id="196")
    assert len(server.asked) == len(told)


def test_waits_grow_and_end(opened: Opened) -> None:
    """A busy server is asked again after growing waits, `most` times, under one request id."""
    with scripted(problem(503)) as (url, server):
        ask = opened(url, retries=Retries(most=4, first=0.5, longest=1.5, chance=lambda: 0.5, clock=lambda: 0.0))
        with pytest.raises(Unavailable):
            ask.retrieve(user_id="196")
    assert ask.slept == [0.25, 0.5, 0.75, 0.75]
    assert len({one.headers["x-request-id"] for one in server.asked}) == 1
    assert len(server.asked) == 5


def test_retry_after_is_honoured(opened: Opened) -> None:
    """What `Retry-After` asks for is waited, and the jitter on top of it."""
    told = problem(429)
    told.headers["retry-after"] = "3"
    with scripted(told, Answer(body=ANSWER)) as (url, server):
        ask = opened(url, retries=CERTAIN)
        assert ask.retrieve(user_id="196").sequence == 3
    assert ask.slept == [3.1]
    assert len(server.asked) == 2


def test_no_wait_outlasts_the_call(opened: Opened) -> None:
    """Where the wait would end after the call's time, the error is raised at once."""
    told = problem(429)
    told.headers["retry-after"] = "3"
    with scripted(told) as (url, server):
        ask = opened(url, retries=CERTAIN)
        with pytest.raises(TooManyRequests) as raised:
            ask.retrieve(user_id="196", timeout=2.0)
    assert (raised.value.retry_after, ask.slept, len(server.asked)) == (3.0, [], 1)


def test_time_that_passed_counts(opened: Opened) -> None:
    """The call's time runs on while it waits: two waits of 6 s do not fit into 10."""
    told, passed = problem(503), iter([0.0, 0.0, 0.0, 6.1, 6.1, 6.1])
    told.headers["retry-after"] = "6"
    with scripted(told) as (url, server):
        ask = opened(url, retries=Retries(chance=lambda: 0.0, clock=lambda: next(passed)))
        with pytest.raises(Unavailable):
            ask.retrieve(user_id="196")
    assert (ask.slept, len(server.asked)) == ([6.0], 2)


def test_what_will_not_get_better_is_not_repeated(opened: Opened) -> None:
    """An error of the request, or one that may have done something, is raised at once."""
    told = [problem(status) for status in (400, 401, 404, 409, 422, 500, 504)]
    with scripted(*told) as (url, server):
        ask = opened(url)
        for _ in told:
            with pytest.raises(Problem):
                ask.events({"user_id": "u", "item_id": "i"})
    assert (len(server.asked), ask.slept) == (len(told), [])


def test_what_counts_twice_is_not_repeated(opened: Opened) -> None:
    """A refresh or an activation is sent again only where the server promises that nothing was done."""
    with scripted(problem(503), Answer(202, RUN)) as (url, server):
        with pytest.raises(Unavailable):
            opened(url).refresh()
        assert len(server.asked) == 1
    with scripted(problem(502), problem(502)) as (url, server):
        with pytest.raises(Unavailable):
            opened(url).activate("abcd", "why")
        assert len(server.asked) == 1
    with scripted(problem(429), Answer(202, RUN)) as (url, server):
        assert opened(url).refresh().id == "r"
        assert len(server.asked) == 2


def test_each_call_has_its_own_idempotency_key(opened: Opened) -> None:
    """All attempts of one call carry one key, two calls carry two, and the caller's own goes as it is."""
    done = Answer(202, EVENTS)
    with scripted(problem(503), done, done, done) as (url, server):
        ask = opened(url)
        for _ in range(2):
            ask.events({"user_id": "u", "item_id": "i"})
        ask.events([{"user_id": "u", "item_id": "i"}], idempotency_key="order 7")
    first, again, second, own = (one.headers["idempotency-key"] for one in server.asked)
    assert (first == again, first == second, own) == (True, False, "order 7")


@dataclass
class Losing:
    """Lets the application do its work, and says 503 instead of the first answer to a POST, as a gateway may."""

    app: App
    lost: list[int] = field(default_factory=list)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or self.lost:
            await self.app(scope, receive, send)
            return

        async def swallow(message: Any) -> None:
            self.lost.extend([message["status"]] if "status" in message else [])

        await self.app(scope, receive, swallow)
        await Scripted([Answer(503, b"gateway")])(scope, _nothing_more, send)


async def _nothing_more() -> dict[str, object]:
    return {"type": "http.request", "body": b""}


def test_events_that_are_sent_again_count_once(opened: Opened, tmp_path: Path) -> None:
    """Where the server stored events and its answer was lost, the second attempt stores nothing twice."""
    world = World.at(tmp_path)
    app = Losing(create_app(world.rooms))
    with closing(world.log), listening(app) as url:
        ask = opened(url)
        done = ask.events([{"user_id": "u", "item_id": "a"}, {"user_id": "u", "item_id": "b"}])
        assert (app.lost, len(ask.slept)) == ([202], 1)
        assert (done.accepted, done.duplicates) == (0, 2)
        assert world.log.end() == 2


def test_nobody_listens(opened: Opened) -> None:
    """Where nothing was sent anything is tried again, and then told as such."""
    ask = opened(nobody())
    calls: list[Callable[[], object]] = [lambda: ask.retrieve(user_id="196"), lambda: ask.refresh()]
    for call in calls:
        with pytest.raises(Unreachable, match="ConnectError .*; nothing was sent") as raised:
            call()
        assert raised.value.sent is False
    assert len(ask.slept) == 4


@pytest.mark.parametrize(
    "half", [b"", b"HTTP/1.1 200", b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{", b"SSH-2.0-OpenSSH\r\n"]
)
def test_a_server_that_breaks_off(opened: Opened, half: bytes) -> None:
    """A broken answer is asked for again where that is safe; elsewhere the error says that the server may have acted."""
    with breaking(half, answered()) as (url, came):
        assert opened(url).retrieve(user_id="196").sequence == 3
        assert len(came) == 2
    with breaking(half, answered()) as (url, came):
        ask = opened(url)
        with pytest.raises(Unreachable, match="POST /v1/refresh: .*; the server may have got it") as raised:
            ask.refresh(request_id="mine")
        assert (raised.value.sent, raised.value.request_id, len(came), ask.slept) == (True, "mine", 1, [])


def test_a_server_that_does_not_answer(opened: Opened) -> None:
    """A call ends with its time."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ask = opened(f"http://127.0.0.1:{listener.getsockname()[1]}")
        with pytest.raises(Unreachable, match="GET /healthz: ReadTimeout"):
            ask.healthz(timeout=0.05)


@pytest.mark.parametrize("url", ["localhost:8080", "127.0.0.1", "ftp://host", "http://", ""])
def test_an_address_that_cannot_be_one(opened: Opened, url: str) -> None:
    """An address without a scheme or a host is refused before anything is sent."""
    with pytest.raises(ValueError, match="expected an address like http://127.0.0.1:8080, found"):
        opened(url)


def test_a_key_is_not_told(opened: Opened) -> None:
    """A key that no header can hold is refused without being shown."""
    for key in ("rtn_secret\n", "rtn_sécret", "", " rtn_secret"):
        with pytest.raises(ValueError, match="key must be printable ASCII, without spaces around it") as refused:
            opened(nobody(), key=key)
        assert "cret" not in str(refused.value)


def test_what_cannot_be_sent(opened: Opened) -> None:
    """Headers, ids and values that HTTP or JSON cannot hold are refused before anything is sent."""
    ask = opened(nobody())
    with pytest.raises(ValueError, match="X-Request-ID must be printable ASCII"):
        ask.healthz(request_id="a\r\nb")
    with pytest.raises(ValueError, match="Idempotency-Key must be printable ASCII"):
        ask.events({"user_id": "u", "item_id": "i"}, idempotency_key="é")
    with pytest.raises(ValueError, match="an id in a path must not be empty"):
        ask.item("")
    with pytest.raises(ValueError, match="Out of range float values"):
        ask.retrieve(vector=[float("nan")])
    with pytest.raises(TypeError, match="object cannot be sent as JSON"):
        ask.retrieve(user_id=object())
    assert ask.slept == []


def test_closed_connections() -> None:
    """A client that was closed sends nothing more."""
    with scripted(Answer(body=ANSWER)) as (url, _):
        with Client(url) as ratoon:
            ratoon.retrieve(user_id="196")
        with pytest.raises(RuntimeError, match="closed"):
            ratoon.retrieve(user_id="196")


def test_one_tree() -> None:
    """Whatever a call raises about the answer is a ClientError."""
    assert {one.__name__ for one in ClientError.__subclasses__()} == {"Problem", "Unreachable", "Unreadable"}
