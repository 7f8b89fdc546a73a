"""What is kept of users is what would be read, whoever writes."""

from collections.abc import Callable

import pytest

from ratoon.domain.inputs import Inputs
from ratoon.features.online import kept as module
from ratoon.features.online.kept import Kept, Reading

PLAN, OTHER = object(), object()


def reading(number: int, good: range = range(100)) -> Reading:
    return Reading(PLAN, Inputs({"number": number}), good)


def test_what_is_kept_is_given_to_who_reads_alike() -> None:
    """What a user was read as is given again, as the same object; not for another plan, and not at a moment it does not hold."""
    kept, said = Kept(), reading(1, range(10, 20))
    kept.keep(kept.turn(1), "u", said)
    assert kept.of("u", PLAN, 10) is said.inputs
    assert kept.of("u", PLAN, 20) is None
    assert kept.of("u", OTHER, 10) is None
    assert kept.of("nobody", PLAN, 10) is None


def test_a_write_takes_away_what_it_changes() -> None:
    """Own writes take away their users, or all; somebody else's takes all away, for nobody knows whose rows those were."""
    kept = Kept()
    for user in ("a", "b"):
        kept.keep(kept.turn(1), user, reading(1))
    kept.forget(["a"])
    assert (kept.of("a", PLAN, 0), kept.of("b", PLAN, 0)) == (None, {"number": 1})
    kept.turn(2)
    assert kept.of("b", PLAN, 0) is None
    kept.keep(kept.turn(2), "b", reading(2))
    kept.forget()
    assert kept.of("b", PLAN, 0) is None


@pytest.mark.parametrize("writes", [lambda kept: kept.forget(["u"]), lambda kept: kept.forget(), lambda kept: kept.turn(2)])
def test_what_was_read_before_a_write_is_not_kept_after_it(writes: Callable[[Kept], object]) -> None:
    """A reader that is overtaken by a write keeps nothing: its rows may be those of before."""
    kept = Kept()
    turn = kept.turn(1)
    writes(kept)
    kept.keep(turn, "u", reading(1))
    assert kept.of("u", PLAN, 0) is None


def test_the_users_who_ask_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond so many users, who has not asked for longest is forgotten."""
    monkeypatch.setattr(module, "USERS", 2)
    kept = Kept()
    for user in ("a", "b"):
        kept.keep(kept.turn(1), user, reading(1))
    kept.of("a", PLAN, 0)
    kept.keep(kept.turn(1), "c", reading(1))
    assert [kept.of(user, PLAN, 0) is not None for user in "abc"] == [True, False, True]
