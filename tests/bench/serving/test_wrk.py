"""wrk is told what to ask, and what it saw comes back as figures."""

import json
import shutil

import pytest

from ratoon.bench.serving import wrk
from ratoon.bench.serving.wrk import Load, load_of, middle
from ratoon.domain.errors import StoreError, UsageError
from tests.bench.serving.stub import http, listening

HERE = pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed")


def test_without_wrk_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is measured by something else instead."""
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UsageError, match=r"expected wrk on the path, found none\. Install it: `apt-get install wrk`"):
        wrk.installed()


@HERE
def test_every_body_is_sent_with_its_headers() -> None:
    """One after the other, and again from the first; answers are counted, and those that failed apart."""
    asked: list[bytes] = []

    def answer(number: int, request: bytes) -> bytes:
        asked.append(request)
        return http(503 if number % 10 == 0 else 200)

    with listening(answer) as port:
        bodies = [{"user_id": "u1"}, {"user_id": "u/2"}]
        load = wrk.run(f"http://127.0.0.1:{port}/v1/retrieve", bodies, 2, 1.0, {"Authorization": 'Bearer "k"'})
    sent = [json.loads(request.partition(b"\r\n\r\n")[2]) for request in asked]
    assert {one["user_id"] for one in sent} == {"u1", "u/2"}
    assert all(b'Authorization: Bearer "k"\r\n' in request for request in asked)
    assert all(request.startswith(b"POST /v1/retrieve HTTP/1.1\r\n") for request in asked)
    assert 0 <= len(asked) - load.requests <= 2
    assert load.failed == pytest.approx(load.requests / 10, abs=2)
    assert 0 < load.p50 <= load.p99 <= load.longest
    assert load.qps == load.requests / load.seconds


@HERE
def test_a_server_that_is_not_there_is_an_error() -> None:
    """And no load of zero."""
    with listening(lambda _number, _: http()) as port:
        pass
    with pytest.raises(StoreError, match=rf"wrk http://127.0.0.1:{port}/: expected to finish, found .*See that the server lives"):
        wrk.run(f"http://127.0.0.1:{port}/", [{}], 1, 1.0, {})


def test_what_the_script_told_is_read() -> None:
    """Answers that are not 2xx and connections that broke are failures alike."""
    said = {"requests": 10, "seconds": 2.0, "status": 3, "lost": 1, "p50": 1.5, "p99": 2.5, "max": 3.5}
    assert load_of(said) == Load(10, 2.0, 4, 1.5, 2.5, 3.5)


def test_the_middle_of_several_is_taken_figure_by_figure() -> None:
    """Failures are added up: none of them is to be lost in a median."""
    loads = [Load(100, 1.0, 1, 1.0, 9.0, 9.0), Load(300, 1.0, 0, 2.0, 5.0, 6.0), Load(200, 1.0, 2, 3.0, 7.0, 8.0)]
    assert middle(loads) == Load(200, 1.0, 3, 2.0, 7.0, 8.0)
