"""What is answered without the application."""

import json

import pytest

from ratoon.serving.processes.unread import ending, refusal
from tests.serving.processes.small import post


def test_a_whole_request_is_refused_under_its_id() -> None:
    """Where the request names itself sanely so does the refusal; else it is given an id."""
    for more, named in ((("X-Request-ID: mine",), "mine"), ((), "made"), (("x-request-id: <b>",), "made")):
        made = refusal(post("/v1/retrieve", b"{}", *more))
        assert made is not None
        head, _, body = made(lambda: "made").partition(b"\r\n\r\n")
        assert f"\r\nx-request-id: {named}\r\n".encode() in head
        assert json.loads(body)["request_id"] == named


@pytest.mark.parametrize(
    "data",
    [
        post("/v1/retrieve", b"{}")[:-1],
        post("/v1/retrieve", b"{}") + b"P",
        post("/v1/retrieve")[:-2],
        post("/v1/events", b"{}"),
        post("/v1/retrieve", b"{}").replace(b"POST", b"PUT"),
        post("/v1/retrieve", b"{}").replace(b"1.1", b"1.0"),
        post("/v1/retrieve", b"{}", "Connection: close"),
        post("/v1/retrieve", b"{}", "Expect: 100-continue"),
        post("/v1/retrieve", b"{}", "Transfer-Encoding: chunked"),
        post("/v1/retrieve", b"{}", "Upgrade: h2c"),
        b"POST /v1/retrieve HTTP/1.1\r\nHost: x\r\n\r\n",
        b"",
    ],
)
def test_what_has_to_be_parsed_is_left(data: bytes) -> None:
    """A part, more than one, another path, no length, or a head that says how the connection goes on."""
    assert refusal(data) is None


def test_an_ending_is_a_whole_problem() -> None:
    """Its length is that of its body, and it says that the connection ends."""
    head, _, body = ending(408, "too_slow", "Be quick.", "r1").partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert {b"connection: close", b"x-request-id: r1", b"content-length: %d" % len(body)} < set(head.split(b"\r\n"))
    told = json.loads(body)
    assert (told["status"], told["code"], told["detail"], told["request_id"]) == (408, "too_slow", "Be quick.", "r1")
