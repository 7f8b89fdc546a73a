"""What an adoption makes a request wait is told by the answers around it."""

from contextlib import nullcontext

from ratoon.bench.serving.changing import Change, longest_around, over_rest
from ratoon.bench.serving.wrk import Load


def test_the_longest_request_around_each_change() -> None:
    """Within half a second of the first answer of another release; requests elsewhere may take what they like."""
    heard = [
        (0.0, 900.0, "a"),
        (1.0, 5.0, "a"),
        (1.4, 30.0, "a"),
        (1.5, 40.0, "b"),
        (1.6, 7.0, "b"),
        (3.0, 800.0, "b"),
        (4.0, 9.0, "c"),
    ]
    assert longest_around(heard) == [40.0, 9.0]


def test_without_a_change_there_is_nothing_to_tell() -> None:
    """Nor is an answer that failed a release of its own."""
    assert longest_around([(0.0, 1.0, "a"), (1.0, 2.0, ""), (1.1, 2.0, "a")]) == []
    assert longest_around([]) == []


def change(*, seen: bool = False, rate: float = 0.0) -> Change:
    return Change("it rains", nullcontext, seen=seen, rate=rate)  # type: ignore[arg-type]  # it is never started


QUIET, LOADED = Load(1_000, 1.0, 0, 1.0, 10.0, 20.0), Load(950, 1.0, 2, 1.0, 14.0, 50.0)


def test_a_change_is_held_against_rest() -> None:
    """Tail over tail, throughput over throughput; failures of both are told."""
    tail, throughput = over_rest(change(), QUIET, LOADED, 0.0, 6.0)
    assert (tail.value, tail.holds) == (1.4, True)
    assert (throughput.value, throughput.holds) == (0.95, True)
    assert "2 requests failed" in throughput.against


def test_what_did_not_happen_is_not_passed_for_harmless() -> None:
    """Where some of it must have been seen, rows without any are not run."""
    rows = list(over_rest(change(seen=True), QUIET, LOADED, 0.0, 6.0))
    assert [(row.unit, row.holds) for row in rows] == [("not run", False)] * 2
    assert all(row.holds for row in over_rest(change(seen=True), QUIET, LOADED, 1.0, 6.0))


def test_a_stream_must_have_been_as_wide_as_it_says() -> None:
    """Otherwise the server was spared by not taking what was sent."""
    *_, row = over_rest(change(rate=2_000), QUIET, LOADED, 6_000.0, 6.0)
    assert (row.value, row.holds) == (1_000.0, False)
    *_, row = over_rest(change(rate=2_000), QUIET, LOADED, 11_700.0, 6.0)
    assert row.holds
