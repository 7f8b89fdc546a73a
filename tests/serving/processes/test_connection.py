"""Connections over real sockets: whose turn it is, who is told that it is too much, and who is too slow."""

import json
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack, closing

import pytest
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from ratoon.serving.around.pressure import FEW
from ratoon.serving.processes.connection import LEANT_ON, Connection
from tests.serving.processes.small import answer, ended, post, serving


def test_uvicorn_has_what_is_leant_on() -> None:
    """Every member of uvicorn's protocol that is overridden or read is there, by the name that it is known by."""
    for name in LEANT_ON["methods"]:
        assert callable(getattr(HttpToolsProtocol, name)), name
    assert {name for name in vars(Connection) if hasattr(HttpToolsProtocol, name) and not name.startswith("__")} <= set(
        LEANT_ON["methods"]
    )
    for kind, names in ((HttpToolsProtocol, LEANT_ON["attributes"]), (RequestResponseCycle, LEANT_ON["cycle"])):
        assert set(names) <= set(kind.__init__.__code__.co_names), kind


def crowded(few: int, queue_ms: float = 1e-6) -> tuple[list[tuple[int, bytes, bytes]], list[tuple[int, bytes, bytes]], list[str]]:
    """So many connections ask while the loop is held, then each again when it has time: the answers, and what was counted."""
    with serving(queue_ms=queue_ms) as small, ExitStack() as stack:
        first = stack.enter_context(closing(small.connect()))
        lines = [stack.enter_context(closing(small.connect())) for _ in range(few - 1)]
        for line in lines:  # so that all are connected
            line.sendall(post("/v1/retrieve", b"hello"))
            assert answer(line)[0] == 200
        first.sendall(post("/hold"))
        assert small.held.wait(30)
        for place, line in enumerate(lines):
            line.sendall(post("/v1/retrieve", b"{}", f"X-Request-ID: mine-{place}"))
        small.go.set()
        once = [answer(line) for line in lines]
        again = []
        for line in lines:
            line.sendall(post("/v1/retrieve", b"again"))
            again.append(answer(line))
        return once, again, small.shed


def test_what_would_wait_too_long_is_refused_and_its_connection_kept() -> None:
    """Of a crowd some are answered and the others told 503 `overloaded` with Retry-After; every connection goes on."""
    once, again, shed = crowded(FEW + 16)
    refused = [(place, head, body) for place, (status, head, body) in enumerate(once) if status == 503]
    assert {status for status, _, _ in once} == {200, 503}
    assert shed == ["queue"] * len(refused)
    for place, head, body in refused:
        told = json.loads(body)
        assert b"\r\nretry-after: 1\r\n" in head
        assert b"\r\ncontent-type: application/problem+json\r\n" in head
        assert f"\r\nx-request-id: mine-{place}\r\n".encode() in head
        assert b"connection: close" not in head
        assert (told["code"], told["status"], told["instance"]) == ("overloaded", 503, "/v1/retrieve")
        assert told["request_id"] == f"mine-{place}"
    assert [(status, body) for status, _, body in again] == [(200, b"again")] * len(again)


def test_few_connections_are_never_refused() -> None:
    """Up to FEW connections at full speed all get their answers, however long the last one waits."""
    once, again, shed = crowded(FEW)
    assert {status for status, _, _ in once + again} == {200}
    assert shed == []


@pytest.mark.parametrize(
    "asked", [b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", post("/v1/refresh")]
)
def test_health_and_operators_are_always_answered(asked: bytes) -> None:
    """While others are refused, those who look after the server are not."""
    with serving(queue_ms=1e-6) as small, ExitStack() as stack:
        lines = [stack.enter_context(closing(small.connect())) for _ in range(FEW + 16)]
        for line in lines:
            line.sendall(post("/v1/retrieve"))
            assert answer(line)[0] == 200
        lines[0].sendall(post("/hold"))
        assert small.held.wait(30)
        for line in lines[1:-1]:
            line.sendall(post("/v1/users", b"", "Expect: nothing"))  # which has to be parsed to be refused
        lines[-1].sendall(asked)
        small.go.set()
        found = [answer(line)[0] for line in lines[1:]]
    assert 503 not in found[-1:]
    assert found[-1] == 200


def test_a_request_that_has_to_be_parsed_is_refused_too() -> None:
    """A refusal does not depend on how the request came: here in two parts, and to a path that has no prebuilt answer."""
    with serving(queue_ms=1e-6) as small, ExitStack() as stack:
        lines = [stack.enter_context(closing(small.connect())) for _ in range(FEW + 16)]
        for line in lines:
            line.sendall(post("/v1/events"))
            assert answer(line)[0] == 200
        lines[0].sendall(post("/hold"))
        assert small.held.wait(30)
        for place, line in enumerate(lines[1:]):
            line.sendall(post("/v1/events", b"{}", f"X-Request-ID: mine-{place}"))
        small.go.set()
        found = [answer(line) for line in lines[1:]]
    refused = [(place, head, json.loads(body)) for place, (status, head, body) in enumerate(found) if status == 503]
    assert refused
    for place, head, told in refused:
        assert b"\r\nretry-after: 1\r\n" in head
        assert (told["code"], told["request_id"], told["instance"]) == ("overloaded", f"mine-{place}", "/v1/events")


def test_who_asks_on_too_soon_is_told_in_order_and_goes_on() -> None:
    """A client that was refused and asks on at once, more than one request at a time, gets every answer in its order."""
    with serving(queue_ms=1e-6) as small, ExitStack() as stack:
        lines = [stack.enter_context(closing(small.connect())) for _ in range(FEW + 16)]
        for line in lines:
            line.sendall(post("/v1/retrieve"))
            assert answer(line)[0] == 200
        turns = 5
        for turn in range(turns):
            small.go.clear()
            small.held.clear()
            lines[0].sendall(post("/hold"))
            assert small.held.wait(30)
            for place, line in enumerate(lines[1:]):
                line.sendall(post("/v1/retrieve", b"{}", f"X-Request-ID: {place}.{turn}.0"))
            small.go.set()
            assert answer(lines[0])[0] == 200
            for place, line in enumerate(lines[1:]):  # while the first may still be owed
                line.sendall(post("/v1/retrieve", b"{}", f"X-Request-ID: {place}.{turn}.1"))
            for place, line in enumerate(lines[1:]):
                for number in range(2):
                    status, head, _ = answer(line)
                    assert status == 200 or f"\r\nx-request-id: {place}.{turn}.{number}\r\n".encode() in head
        assert small.shed


def test_a_refusal_of_what_has_no_body_has_none() -> None:
    """HEAD is refused by a head alone, so that the next answer on the connection is read as what it is."""
    with serving(queue_ms=1e-6) as small, ExitStack() as stack:
        lines = [stack.enter_context(closing(small.connect())) for _ in range(FEW + 16)]
        for line in lines:
            line.sendall(post("/v1/events"))
            assert answer(line)[0] == 200
        lines[0].sendall(post("/hold"))
        assert small.held.wait(30)
        for line in lines[-8:]:
            line.sendall(b"HEAD /v1/users/u HTTP/1.1\r\nHost: x\r\n\r\n" * 300 + post("/healthz", b"last"))
        small.go.set()
        for line in lines[-8:]:
            told = b""
            while not told.endswith(b"\r\n\r\nlast"):
                told += line.recv(2**16)
            heads = told.removesuffix(b"last").split(b"\r\n\r\n")[:-1]
            assert len(heads) == 301
            assert {head.split()[1] for head in heads} <= {b"200", b"503"}
            assert b"{" not in told
    assert small.shed


def test_pipelined_requests_are_answered_in_order() -> None:
    """What is sent before the answer to what came first is answered after it."""
    with serving() as small, closing(small.connect()) as line:
        line.sendall(b"".join(post("/echo", b"%d" % number) for number in range(20)))
        assert [answer(line)[2] for _ in range(20)] == [b"%d" % number for number in range(20)]


def test_the_clock_starts_when_a_request_is_read() -> None:
    """A request that waits for its turn has its time taken from when its bytes were read, not from when it was begun."""
    with serving() as small, closing(small.connect()) as first, closing(small.connect()) as second:
        second.sendall(post("/echo"))
        answer(second)
        first.sendall(post("/hold") + post("/echo"))
        assert small.held.wait(30)
        before = time.perf_counter()
        small.go.set()
        answer(first)
        answer(first)
        began = [scope["state"]["began"] for scope in small.asked if scope["path"] == "/echo"][-1]
    assert began < before


SLOW: list[Callable[[socket.socket], None]] = [
    lambda line: line.sendall(b"POST /echo HTTP/1.1\r\nHost: x\r\nX-Long: "),
    lambda line: line.sendall(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nfive!"),
    lambda line: line.sendall(post("/echo", b"first") + b"POST /echo HTTP/1.1\r\nHost"),
]


@pytest.mark.parametrize("send", SLOW, ids=["head", "body", "second"])
def test_a_request_has_to_be_sent_in_time(send: Callable[[socket.socket], None]) -> None:
    """Half a head or half a body is answered 408 `too_slow` after a while, and the connection closed."""
    with serving(client_seconds=0.2) as small, closing(small.connect()) as line:
        send(line)
        status, head, body = answer(line)
        if body == b"first":
            status, head, body = answer(line)
        assert status == 408
        assert b"\r\nconnection: close\r\n" in head
        assert json.loads(body)["code"] == "too_slow"
        assert ended(line)
    assert small.unread == [408]


def test_a_connection_on_which_nothing_is_asked_is_closed() -> None:
    """Who connects and says nothing is let go, without an answer to what was not asked."""
    with serving(client_seconds=0.1) as small, closing(small.connect()) as line:
        assert ended(line)
    assert small.closed == [1]


def test_an_idle_connection_is_closed() -> None:
    """A connection that was used once and then not is let go."""
    with serving(idle_seconds=0.1) as small, closing(small.connect()) as line:
        line.sendall(post("/echo", b"x"))
        assert answer(line)[0] == 200
        assert ended(line)


def test_who_does_not_read_is_cut_off() -> None:
    """A client that does not take its answer loses its connection, and the others are answered meanwhile."""
    with serving(client_seconds=0.2) as small, closing(small.connect()) as line, closing(small.connect()) as other:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.sendall(post("/big"))
        while not small.closed:
            other.sendall(post("/echo", b"x"))
            assert answer(other)[0] == 200
            time.sleep(0.01)
        other.sendall(post("/echo", b"x"))
        assert answer(other)[0] == 200
        assert len(small.closed) == 1


HEADS = {
    "many": "".join(f"X-{number}: y\r\n" for number in range(101)),
    "long": "X-Long: " + "y" * 40_000 + "\r\n",
}


@pytest.mark.parametrize("fields", HEADS.values(), ids=HEADS)
def test_a_head_has_bounds(fields: str) -> None:
    """Too many fields, or too long ones, are answered 431, and the connection is closed."""
    with serving() as small, closing(small.connect()) as line:
        line.sendall(f"POST /echo HTTP/1.1\r\nHost: x\r\n{fields}Content-Length: 0\r\n\r\n".encode())
        status, head, body = answer(line)
        assert status == 431
        assert json.loads(body)["code"] == "head_too_large"
        assert b"\r\nconnection: close\r\n" in head
    assert (small.asked, small.unread) == ([], [431])


def test_a_head_without_an_end_is_not_kept() -> None:
    """A head that goes on and on is refused once it is too long, whether it ends or not."""
    with serving() as small, closing(small.connect()) as line:
        line.sendall(b"POST /echo HTTP/1.1\r\nX-Long: ")
        status = 0
        try:
            for _ in range(64):
                line.sendall(b"y" * 1024)
        except (ConnectionResetError, BrokenPipeError):
            status = 431  # closed while we wrote: nothing more is taken
        else:
            status = answer(line)[0]
    assert status == 431
    assert small.asked == []


def test_what_is_not_http_is_a_problem() -> None:
    """Other bytes are answered 400 in the one shape that errors have."""
    with serving() as small, closing(small.connect()) as line:
        line.sendall(b"\x16\x03\x01 hello\r\n\r\n")
        status, _, body = answer(line)
        assert (status, json.loads(body)["code"]) == (400, "malformed_request")
        assert ended(line)
    assert small.unread == [400]


def test_a_caller_that_has_gone_costs_nothing() -> None:
    """A request whose caller has hung up before its turn is not begun."""
    with serving() as small, ExitStack() as stack:
        first = stack.enter_context(closing(small.connect()))
        lines = [stack.enter_context(closing(small.connect())) for _ in range(40)]
        for line in lines:
            line.sendall(post("/echo"))
            answer(line)
        small.asked.clear()
        first.sendall(post("/hold"))
        assert small.held.wait(30)
        for line in lines:
            line.sendall(post("/gone"))
            line.close()
        small.go.set()
        answer(first)
        first.sendall(post("/echo"))
        answer(first)
    # The first of them may have had its turn in the moment that it came; the rest were known to have gone.
    assert sum(scope["path"] == "/gone" for scope in small.asked) < len(lines)
