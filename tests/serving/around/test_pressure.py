"""The queue of one process: whose turn it is, and who is refused."""

import json
from collections import deque
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratoon.serving.around.pressure import AGAIN, FEW, MOST, TURN_SECONDS, Pressure, prebuilt

MANY = FEW + 1


class Loop:
    """An event loop of which each turn takes as long as what was begun in it."""

    def __init__(self, seconds: float = 0.001) -> None:
        self.now, self.seconds = 100.0, seconds
        self.soon = deque[Callable[[], object]]()
        self.begun, self.turns = list[int](), list[int]()

    def call_soon(self, callback: Callable[..., object], /, *given: object) -> object:
        self.soon.append(lambda: callback(*given))
        return None

    def turn(self) -> None:
        before = len(self.begun)
        self.now += self.seconds * (before - sum(self.turns))
        self.turns.append(before - sum(self.turns))
        for _ in range(len(self.soon)):
            self.soon.popleft()()

    def begins(self, number: int) -> Callable[[], bool]:
        def begin() -> bool:
            self.begun.append(number)
            return True

        return begin


def made(loop: Loop, queue_ms: float = 10.0) -> tuple[Pressure, list[str]]:
    told = list[str]()
    return Pressure(lambda: loop.now, told.append, queue_ms), told


@given(count=st.integers(1, 80), seconds=st.floats(0.0001, 0.01))
def test_requests_are_begun_in_order(count: int, seconds: float) -> None:
    """Everything that is taken is begun once, in the order it came, and the queue comes to rest."""
    loop = Loop(seconds)
    pressure, _ = made(loop)
    for number in range(count):
        pressure.take(loop, loop.begins(number))
    while loop.soon:
        loop.turn()
    assert loop.begun == list(range(count))


@given(seconds=st.floats(0.0001, 0.01))
def test_a_turn_of_the_loop_is_short(seconds: float) -> None:
    """Once the time of a request is known, a turn begins no more than fit, and at least one."""
    loop = Loop(seconds)
    pressure, _ = made(loop)
    for number in range(2_000):
        pressure.take(loop, loop.begins(number))
    while loop.soon:
        loop.turn()
    assert pressure.each == pytest.approx(seconds, rel=0.05)
    assert max(loop.turns[-20:]) <= max(1, TURN_SECONDS / seconds + 1)


def test_one_that_has_gone_takes_no_turn() -> None:
    """A request nobody waits for is passed over, and the next one has its turn."""
    loop = Loop()
    pressure, _ = made(loop)
    pressure.take(loop, lambda: False)
    pressure.take(loop, loop.begins(1))
    pressure.take(loop, lambda: False)
    pressure.take(loop, loop.begins(2))
    while loop.soon:
        loop.turn()
    assert loop.begun == [1, 2]


def test_who_would_wait_too_long_is_refused() -> None:
    """At 1 ms a request, ten may wait for 10 ms and the next is refused; those who operate never are."""
    loop = Loop(0.001)
    pressure, told = made(loop)
    for number in range(500):
        pressure.take(loop, loop.begins(number))
        while loop.soon:
            loop.turn()
    for number in range(12):
        pressure.take(loop, loop.begins(number))
    assert pressure.full(MANY)
    assert not pressure.full(FEW)
    assert pressure.refuses("POST", "/v1/retrieve", MANY, 0)
    assert not pressure.refuses("POST", "/v1/retrieve", FEW, 0)
    assert not pressure.refuses("POST", "/v1/releases/x/activate", MANY, 0)
    assert told == ["queue"]
    while loop.soon:
        loop.turn()
    assert not pressure.refuses("POST", "/v1/retrieve", MANY, 0)


def test_who_was_refused_is_read_again_little_by_little() -> None:
    """While requests wait, three of those who were refused are read again for each that is begun; then all at once."""
    loop = Loop(0.1)
    pressure, _ = made(loop)
    again = list[int]()
    for number in range(4):
        pressure.take(loop, loop.begins(number))
    for number in range(20):
        pressure.hold(lambda number=number: again.append(number))  # type: ignore[misc]
    seen = []
    while loop.soon:
        loop.turn()
        seen.append((len(loop.begun), len(again)))
    assert again == list(range(20))
    assert all(read <= AGAIN * begun for begun, read in seen[:-1])
    assert seen[-1] == (4, 20)


def test_one_stall_is_not_taken_for_the_rule() -> None:
    """A single request of half a second moves the estimate by an eighth at most; many of them move it to what they take."""
    loop = Loop(0.001)
    pressure, _ = made(loop)

    def once() -> None:
        pressure.take(loop, loop.begins(0))
        while loop.soon:
            loop.turn()

    for _ in range(500):
        once()
    before, loop.seconds = pressure.each, 0.5
    once()
    assert pressure.each <= before * 1.125
    for _ in range(500):
        once()
    assert pressure.each == pytest.approx(0.5, rel=0.01)


def test_what_is_under_way_is_bounded() -> None:
    """Requests that wait for a disk are in no queue; too many of them are refused as well, over however few connections."""
    pressure, told = made(Loop())
    assert not pressure.refuses("POST", "/v1/events", 1, MOST - 1)
    assert pressure.refuses("POST", "/v1/events", 1, MOST)
    assert told == ["under_way"]


@given(name=st.from_regex(rb"[\w.:/+=-]{1,128}", fullmatch=True).filter(lambda name: name.isascii()))
def test_a_prebuilt_refusal_is_a_whole_answer(name: bytes) -> None:
    """Its length is right, and its body is the problem, for every id."""
    head, _, body = prebuilt("/v1/retrieve")(name).partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == b"HTTP/1.1 503 Service Unavailable"
    assert {b"x-request-id: " + name, b"retry-after: 1", b"content-length: %d" % len(body)} < set(lines)
    told = json.loads(body)
    assert (told["request_id"], told["code"], told["instance"], told["status"]) == (
        name.decode(),
        "overloaded",
        "/v1/retrieve",
        503,
    )
