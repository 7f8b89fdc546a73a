"""The queue of one process: whose turn it is, and who is refused."""

import json
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from math import inf
from statistics import quantiles

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratoon.serving.around.pressure import AGAIN, FEW, MOST, REFUSAL_SECONDS, TURN_SECONDS, Pressure, prebuilt
from ratoon.serving.problems import RETRY_SECONDS

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
    pressure, _ = made(loop)
    for number in range(500):
        pressure.take(loop, loop.begins(number))
        while loop.soon:
            loop.turn()
    for number in range(12):
        pressure.take(loop, loop.begins(number))
    assert pressure.full(MANY)
    assert not pressure.full(FEW)
    assert pressure.refuses("POST", "/v1/retrieve", MANY, 0) == "queue"
    assert not pressure.refuses("POST", "/v1/retrieve", FEW, 0)
    assert not pressure.refuses("POST", "/v1/releases/x/activate", MANY, 0)
    while loop.soon:
        loop.turn()
    assert not pressure.refuses("POST", "/v1/retrieve", MANY, 0)


def test_who_does_not_wait_is_told_little_by_little() -> None:
    """While requests wait, who asks on too soon is told in a share of the time that is taken; who waited is told at once."""
    loop = Loop(0.0003)
    pressure, counted = made(loop)
    told = list[int]()
    for number in range(4):
        pressure.take(loop, loop.begins(number))
    for number in range(20):
        pressure.refuse("queue", loop.now, lambda number=number: told.append(number))  # type: ignore[misc]
    pressure.refuse("queue", loop.now - RETRY_SECONDS, lambda: told.append(-1))
    assert (told, counted) == ([-1], ["queue"] * 21)
    seen = []
    while loop.soon:
        loop.turn()
        seen.append((len(loop.begun), len(told) - 1))
    assert told == [-1, *range(20)]
    assert all(late * REFUSAL_SECONDS <= AGAIN * begun * loop.seconds + 1e-9 for begun, late in seen[:-1])
    assert seen[-1] == (4, 20)


def test_nobody_waits_for_a_refusal_longer_than_it_says() -> None:
    """Who asked too soon is told after as long as a refusal asks them to wait, however many there are."""
    loop = Loop(RETRY_SECONDS / 2)
    pressure, _ = made(loop)
    told = list[int]()
    for number in range(40):
        pressure.take(loop, loop.begins(number))
    for number in range(600):
        pressure.refuse("queue", loop.now, lambda number=number: told.append(number))  # type: ignore[misc]
    while len(told) < 600:
        loop.turn()
    assert len(loop.begun) * AGAIN * pressure.each / REFUSAL_SECONDS < 300


@dataclass
class Crowd:
    """A server and its clients in made-up time: a request takes 300 us, to read one 4, to refuse one 11.

    Attributes:
        patient: that wait as a refusal tells them; the others ask on at once, as fast as the rate lets them.
        waits: seconds that each answer took, by whether it was a refusal, of patient clients and of the others.
    """

    clients: int
    patient: int
    rate: float
    now: float = 100.0
    waits: dict[tuple[bool, bool], list[float]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        self.pressure = Pressure(lambda: self.now, lambda _: None)
        self.soon = deque[Callable[[], object]]()
        self.free = deque((self.now, client) for client in range(self.patient, self.clients))
        self.due = deque((self.now + number / self.patient, number) for number in range(self.patient))
        self.told = [-inf] * self.clients

    def call_soon(self, callback: Callable[..., object], /, *given: object) -> None:
        self.soon.append(lambda: callback(*given))

    def run(self, seconds: float) -> None:
        begun, sent = self.now, 0
        while self.now < begun + seconds:
            self.now += 0.00001
            coming = list[tuple[float, int]]()
            while self.due and self.due[0][0] <= self.now:
                coming.append(self.due.popleft())
            while self.free and sent < (self.now - begun) * self.rate:
                since, client = self.free.popleft()
                coming.append((max(since, begun + sent / self.rate), client))
                sent += 1
            for at, client in sorted(coming):
                self.read(at, client)
            for _ in range(len(self.soon)):
                self.soon.popleft()()

    def read(self, at: float, client: int) -> None:
        self.now += 0.000004
        if self.pressure.full(self.clients):
            self.pressure.refuse("queue", self.told[client], partial(self.refused, at, client))
        else:
            self.pressure.take(self, partial(self.begun, at, client))

    def begun(self, at: float, client: int) -> bool:
        self.soon.append(partial(self.answered, at, client))
        return True

    def refused(self, at: float, client: int) -> None:
        self.now += 0.000011
        self.told[client] = self.now
        self.heard(at, client, refused=True)

    def answered(self, at: float, client: int) -> None:
        self.now += 0.0003
        self.heard(at, client, refused=False)

    def heard(self, at: float, client: int, *, refused: bool) -> None:
        self.waits[refused, client < self.patient].append(self.now - at)
        if client < self.patient:
            self.due.append((self.now + RETRY_SECONDS, client))
        else:
            self.free.append((self.now, client))

    def p99(self, *, refused: bool, patient: bool) -> float:
        return quantiles(self.waits[refused, patient], n=100)[98]


@pytest.mark.parametrize(("times", "told_ms"), [(3, 5), (10, 60)])
def test_a_crowd_that_does_not_wait_leaves_most_of_the_answers(times: int, told_ms: float) -> None:
    """At three and ten times what can be answered: how much still is and how fast, and who waits is told within a turn or two."""
    crowd = Crowd(512, 64, times / 0.0003)
    crowd.run(1.5)
    answers = len(crowd.waits[False, False]) + len(crowd.waits[False, True])
    assert answers / 1.5 >= 0.85 / 0.0003
    assert crowd.p99(refused=False, patient=False) < 0.016
    assert crowd.p99(refused=True, patient=False) < told_ms / 1_000
    assert crowd.p99(refused=True, patient=True) < 0.005


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
    pressure, _ = made(Loop())
    assert not pressure.refuses("POST", "/v1/events", 1, MOST - 1)
    assert pressure.refuses("POST", "/v1/events", 1, MOST) == "under_way"


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
