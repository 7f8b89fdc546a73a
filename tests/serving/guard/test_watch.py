"""What is counted of the release that is served, and what of those before it."""

from dataclasses import replace
from typing import Literal, cast

import pytest

from ratoon.adopt import Slot
from ratoon.domain.errors import UsageError
from ratoon.domain.guard import Limits
from ratoon.domain.query import Answer, Source
from ratoon.serving.exposures import Exposure
from ratoon.serving.guard import Guard
from ratoon.serving.trials import Given
from tests.fakes.events import START
from tests.fakes.serving_world import plan

LIMITS = Limits(3_600.0, wait=60.0, least=4, alpha=0.1)


class Present:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Present:
    return Present()


@pytest.fixture
def guard(clock: Present) -> Guard:
    return Guard(LIMITS, clock)


def slot(number: int, scope: Literal["full", "rollback"] = "full") -> Slot:
    """A slot, as far as a guard looks at it."""
    release = replace(plan(number), scope=scope)
    return cast("Slot", type("S", (), {"release": release})())


def given(source: Source = "tower", milliseconds: float = 1.0) -> Given:
    found = Answer((), source, "", 1, START)
    return b"", found, cast("Exposure", None), {"embed": milliseconds}


def ask(guard: Guard, number: int, count: int = 1, source: Source = "tower", ms: float = 1.0, user: str = "u") -> list[str]:
    """So many answers of a release to as many users; their request ids."""
    ids = [f"{user}{number}-{place}" for place in range(count)]
    for one in ids:
        guard.answered(lambda *_: given(source, ms), one, one, slot(number))
    return ids


def fail(guard: Guard, number: int, error: Exception, scope: Literal["full", "rollback"] = "full") -> None:
    def broken(*_: object) -> Given:
        raise error

    with pytest.raises(type(error)):
        guard.answered(broken, "u", "r", slot(number, scope))


def test_each_release_counts_apart(guard: Guard) -> None:
    """Answers count where their release is: a request that began before the swap with the one before; those on trial nowhere."""
    ask(guard, 1, 5)
    ask(guard, 2, 3)
    ask(guard, 1, 2, user="late")
    ask(guard, 0, 9)
    guard.answered(lambda *_: given(), "u", "r", slot(2), True)
    assert (guard.before.seen().answers, guard.now.seen().answers) == (7, 3)
    assert guard.judged() is None


def test_failures_end_a_release_and_refused_questions_do_not(guard: Guard) -> None:
    """What nobody meant counts as a failure; what was wrong with the question does not, and the first release is not judged."""
    for _ in range(9):
        fail(guard, 1, ArithmeticError("x"))
    assert guard.judged() is None  # there is nothing that it could be compared with
    guard = Guard(LIMITS, Present())
    ask(guard, 1, 5)
    for _ in range(9):
        fail(guard, 2, UsageError("k", expected="1", found="0", fix="Ask for one."))
    assert guard.judged() is None
    for _ in range(4):
        fail(guard, 2, ArithmeticError("x"))
    found = guard.judged()
    assert found is not None
    assert (found[0].sequence, found[1]) == (2, "4 of 4 answers failed; 1.00% may")
    guard.dismiss()
    assert guard.judged() is None


def test_a_release_is_watched_for_a_while(guard: Guard, clock: Present) -> None:
    """After its time it is everybody's for good; what is rolled back to is never judged, nor measured by what was bad."""
    ask(guard, 1, 5)
    for _ in range(4):
        fail(guard, 2, ArithmeticError("x"))
    clock.now += 3_601
    assert guard.judged() is None
    good = guard.before
    for _ in range(9):
        fail(guard, 3, ArithmeticError("x"), "rollback")
    assert (guard.judged(), guard.now) == (None, good)
    ask(guard, 4, 3)
    assert (guard.before.seen().answers, guard.before.seen().errors) == (14, 9)


def test_few_answers_are_counted_with_those_before(guard: Guard) -> None:
    """A release that was asked for little does not become the measure of the next one; one that was asked for much does."""
    ask(guard, 1, 50)
    ask(guard, 2, 3)
    ask(guard, 3, 100, ms=5.0)
    assert guard.before.seen().answers == 53
    ask(guard, 4, 1)
    assert guard.before.seen().answers == 100


def test_answers_have_the_same_time_to_be_followed(guard: Guard, clock: Present) -> None:
    """An answer counts when its time is over, by whether it was named till then; also after its release was replaced."""
    first = ask(guard, 1, 8)
    clock.now += 30
    second = ask(guard, 2, 8)
    guard.followed([*first[:4], *second[:2], "unknown"])
    assert guard.before.seen().followed.shown == 0
    clock.now += 30
    guard.followed(())
    assert (guard.before.seen().followed.rate, guard.now.seen().followed.shown) == (0.5, 0)
    clock.now += 30
    guard.followed(second[2:])
    assert guard.now.seen().followed.rate == 1.0
    ask(guard, 3, 1)
    late = ask(guard, 3, 1, user="x")
    ask(guard, 4, 1)
    clock.now += 61
    guard.followed(late)
    assert guard.before.seen().followed.shown == 10


def test_what_is_popular_and_what_takes_long_are_told(guard: Guard) -> None:
    """Users without a vector and stage times are compared with those before."""
    ask(guard, 1, 400)
    ask(guard, 2, 400, "cold")
    found = guard.judged()
    assert found is not None
    assert found[1].startswith("100.0% of users are shown what is popular instead of 0.0%")
    slow = Guard(LIMITS, Present())
    ask(slow, 1, 400)
    ask(slow, 2, 400, ms=20.0)
    found = slow.judged()
    assert found is not None
    assert found[1] == "stages take 20.00 times as long; 3 times may be"
