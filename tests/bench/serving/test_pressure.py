"""Under a flood every request is one of three: answered, refused so that it may come again, or failed."""

from ratoon.bench.row import Row
from ratoon.bench.serving.lines import Heard
from ratoon.bench.serving.pressure import flooded, p99
from ratoon.bench.serving.streams import Sent

REFUSED = b"http/1.1 503 no\r\nretry-after: 1"


def answer(status: int, ms: float, at: float, head: bytes = b"") -> Heard:
    return Heard(status, head, b"", at - ms / 1e3, at)


def rows(heard: list[Heard], count: int, broken: int = 0, patient: tuple[Heard, ...] = ()) -> dict[str, Row]:
    sent = Sent()
    sent.count, sent.broken, sent.begun, sent.seconds = count, broken, 0.0, 1.0
    return {row.quantity: row for row in flooded(3, 100.0, 10.0, heard, sent, list(patient))}


def test_everything_is_well() -> None:
    """As much as it can answer is answered soon, the rest is refused at once, and no connection is closed."""
    heard = [answer(200, 12, 0.5) for _ in range(95)] + [answer(503, 2, 0.5, REFUSED) for _ in range(205)]
    found = rows(heard, 300)
    assert all(row.holds for row in found.values())
    assert found["goodput at 3x capacity / capacity"].value == 0.95
    assert found["accepted p99 at 3x / at 80 %"].value == 1.2


def test_what_is_neither_answered_nor_refused_is_counted() -> None:
    """A 503 that does not say when to come again, a connection that broke, and a request that nobody answered."""
    heard = [answer(200, 12, 0.5) for _ in range(95)] + [answer(503, 2, 0.5), answer(0, 2, 0.5)]
    found = rows(heard, 98, broken=1)
    assert found["neither answered nor refused so at 3x"].value == 3
    assert found["connections that were closed at 3x"].value == 1
    assert not found["neither answered nor refused so at 3x"].holds


def test_who_waits_as_told_is_told_soon() -> None:
    """Of them refusals alone count, each by how long it took; where none was refused there is nothing to be late."""
    slow, soon = answer(503, 9, 0.5, REFUSED), answer(503, 2, 0.5, REFUSED)
    named = "refusals at 3x of who waits as told: p99"
    assert rows([], 0, patient=(answer(200, 90, 0.5), soon, soon))[named].holds
    assert not rows([], 0, patient=(soon, slow))[named].holds
    assert rows([], 0, patient=(answer(200, 90, 0.5),))[named].value == 0


def test_answers_after_the_flood_are_no_goodput() -> None:
    """A queue that is worked off afterwards does not count as throughput."""
    heard = [answer(200, 12, 0.5) for _ in range(50)] + [answer(200, 900, 1.5) for _ in range(50)]
    assert rows(heard, 100)["goodput at 3x capacity / capacity"].value == 0.5


def test_without_answers_the_tail_is_infinite() -> None:
    """A server that answers nobody has no good tail, and one that refuses nobody has not refused in time."""
    assert p99([]) == float("inf")
    assert not rows([], 100)["accepted p99 at 3x / at 80 %"].holds
