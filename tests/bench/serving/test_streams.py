"""Loads hear every answer, whatever it is, and count what gets none."""

import pytest

from ratoon.bench.serving.lines import Heard, request
from ratoon.bench.serving.streams import Patient, closed_loop, open_loop
from tests.bench.serving.stub import http, listening

ASKED = [request("/a", b'{"n": 1}', {"X-Key": "k"}), request("/b", b"{}", {})]


def test_a_request_is_whole() -> None:
    """Method, path, length and the headers that were asked for."""
    head, _, body = ASKED[0].partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /a HTTP/1.1"
    assert {"Content-Length: 8", "X-Key: k", "Host: 127.0.0.1"} <= set(lines)
    assert body == b'{"n": 1}'


def test_a_closed_loop_asks_again_when_it_is_answered() -> None:
    """Requests go round in order over its connections until it is told to stop; bodies may come in pieces."""
    heard: list[Heard] = []
    with listening(lambda number, _: http(200, b"x" * 100_000 if number % 3 else b"y")) as port:
        broken = closed_loop(port, ASKED, 3, heard.append, lambda: len(heard) < 30)
    assert broken == 0
    assert 30 <= len(heard) <= 33
    assert all(answer.ok for answer in heard)
    assert {len(answer.body) for answer in heard} == {1, 100_000}
    assert {answer.place for answer in heard} == {0, 1}


def test_what_is_refused_says_when_to_come_again() -> None:
    """429 and 503 with Retry-After are refusals; without it they are failures, as every other status is."""
    answers = [http(429, b"", "Retry-After: 1\r\n"), http(503, b"", "retry-after: 2\r\n"), http(503), http(404), http(202)]
    heard: list[Heard] = []
    with listening(lambda number, _: answers[number % 5]) as port:
        closed_loop(port, ASKED, 1, heard.append, lambda: len(heard) < 5)
    assert [answer.status for answer in heard[:5]] == [429, 503, 503, 404, 202]
    assert [answer.refused for answer in heard[:5]] == [True, True, False, False, False]
    assert [answer.ok for answer in heard[:5]] == [False, False, False, False, True]


def test_a_connection_that_breaks_is_heard_of() -> None:
    """A question that stays without an answer has status 0; the connection counts as broken, and the loop ends."""
    heard: list[Heard] = []
    with listening(lambda number, _: http() if number < 4 else None) as port:
        assert closed_loop(port, ASKED, 1, heard.append, lambda: len(heard) < 100) == 1
    assert [answer.status for answer in heard] == [200] * 4 + [0]


def test_a_connection_that_is_said_to_close_is_not_asked_any_more() -> None:
    """So nothing is sent into a connection that the server has announced to end."""
    heard: list[Heard] = []
    with listening(lambda _number, _: http(200, b"", "Connection: close\r\n")) as port:
        closed_loop(port, ASKED, 2, heard.append, lambda: len(heard) < 2)
    assert len(heard) == 2


def test_an_open_loop_sends_what_is_due() -> None:
    """The rate times the time, and every answer is heard."""
    heard: list[Heard] = []
    with listening(lambda _number, _: http()) as port:
        sent = open_loop(port, ASKED, 200, 0.5, 8, heard.append)
    assert sent.count == len(heard)
    assert sent.count + sent.late == pytest.approx(100, abs=5)
    assert sent.broken == 0


def test_patient_callers_wait_for_a_second() -> None:
    """Beside an open loop each asks once, and again a second after it was answered and not before."""
    heard, patient = list[Heard](), list[Heard]()
    with listening(lambda *_: http(503, b"", "Retry-After: 1\r\n")) as port:
        open_loop(port, ASKED, 100, 1.4, 2, heard.append, patient=Patient(4, patient.append))
    assert len(heard) > 4
    assert 4 <= len(patient) <= 8
    assert all(later.sent - one.at > 0.99 for one, later in zip(patient, patient[4:], strict=False))


def test_an_open_loop_counts_what_finds_no_connection() -> None:
    """With one connection that is never answered one request is sent, and all others are late."""
    heard: list[Heard] = []
    with listening(lambda _number, _: b"") as port:
        sent = open_loop(port, ASKED, 200, 0.2, 1, heard.append, drain=0.0)
    assert (sent.count, heard) == (1, [])
    assert sent.late >= 30


def test_what_goes_wrong_in_a_listener_is_raised() -> None:
    """It is not lost in the event loop."""

    def listen(_answer: Heard) -> None:
        raise ValueError("no such release")

    with listening(lambda _number, _: http()) as port:
        with pytest.raises(ValueError, match="no such release"):
            closed_loop(port, ASKED, 1, listen, lambda: True)
        with pytest.raises(ValueError, match="no such release"):
            open_loop(port, ASKED, 100, 5.0, 1, listen)
