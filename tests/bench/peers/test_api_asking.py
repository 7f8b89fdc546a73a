"""What measures databases over their APIs knows a whole answer, the cheapest effort that is enough, and what was asked."""

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from ratoon.bench.peers import api_asking
from ratoon.bench.peers.api_asking import Asked, Found, ask, asked, tell, tuned, whole_http
from tests.bench.serving.stub import http, listening

WANTED = Asked(0.5, 2, 0.95, np.zeros((0, 4), np.float32), np.eye(4, dtype=np.float32), np.arange(400).reshape(4, 100))


def test_an_answer_is_whole_at_its_length_or_last_chunk() -> None:
    """Not before; and one that is no success ends the measurement."""
    answer = http(200, b"x" * 10)
    assert [whole_http(answer[:-1]), whole_http(answer), whole_http(answer[:9])] == [False, True, False]
    chunks = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n"
    assert [whole_http(chunks[:-5]), whole_http(chunks)] == [False, True]
    with pytest.raises(SystemExit, match="answered b'HTTP/1.1 500 Told'"):
        whole_http(http(500, b"no"))


def test_the_first_effort_that_is_enough_is_taken() -> None:
    """Or the last one, with the recall that it reaches."""

    def search(effort: int, query: np.ndarray) -> list[int]:
        best = WANTED.best[int(np.argmax(query))]
        return [*best[:effort].tolist(), *range(1_000, 1_100 - effort)]

    assert tuned(WANTED, (50, 96, 100), search) == (96, 0.96)
    assert tuned(WANTED, (50, 90), search) == (90, 0.9)


def test_everybody_asks_again_when_answered() -> None:
    """Requests a second, a tail, and the CPU of whoever answers."""
    with listening(lambda _number, _: http()) as port:
        qps, p99, cpu = ask(WANTED, port, [b"GET / HTTP/1.1\r\n\r\n"] * 4, whole_http, os.getpid())
    assert qps > 10
    assert p99 > 0
    assert cpu > 0


def test_the_fastest_that_is_enough_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """If none is, the one that comes nearest."""
    slow, fast, loose = (
        Found("v", name, recall, qps, 1.0, 1.0, 1.0) for name, recall, qps in (("a", 0.97, 5), ("b", 0.96, 9), ("c", 0.8, 99))
    )
    tell([slow, fast, loose], 0.95)
    tell([loose, slow], 0.99)
    assert [json.loads(line)["effort"] for line in capsys.readouterr().out.splitlines()] == ["b", "a"]


def test_the_command_line_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures and the three files."""
    for name in ("items", "queries", "best"):
        np.save(tmp_path / f"{name}.npy", np.ones((3, 2)))
    monkeypatch.setattr(sys, "argv", ["api_x.py", str(tmp_path), "--seconds", "2", "--connections", "16", "--recall", "0.95"])
    found = asked()
    assert (found.seconds, found.connections, found.recall, found.items.shape) == (2.0, 16, 0.95, (3, 2))


def test_a_port_that_nobody_listens_on_is_given_up() -> None:
    """After its time, and not for ever."""
    with pytest.raises(SystemExit, match="nobody listens on port"):
        api_asking.await_port(api_asking.free_port(), 0.1)
