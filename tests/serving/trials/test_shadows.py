"""Questions that are worked out between requests."""

import asyncio
from collections.abc import Callable
from itertools import pairwise

from ratoon.serving.trials import shadows
from ratoon.serving.trials.shadows import Shadows


def run(offered: int, every: int, done: list[int], then: Callable[[Shadows], object] = lambda _: None) -> list[bool]:
    """Offer so many at once, and let the loop go on until nothing waits."""

    async def all_of_it() -> list[bool]:
        made = Shadows(every)
        taken = [made.offer(lambda number=number: done.append(number)) for number in range(offered)]  # type: ignore[misc]
        assert done == []
        then(made)
        while made._working:
            await asyncio.sleep(0)
        return taken

    return asyncio.run(all_of_it())


def test_nothing_is_worked_out_before_the_answer_is_sent() -> None:
    """Work begins once whoever offers it lets go of the thread; all of it is done, in order."""
    done = list[int]()
    assert run(5, 1, done) == [True] * 5
    assert done == [0, 1, 2, 3, 4]


def test_one_in_so_many_is_taken() -> None:
    """The others are passed over, and that is no loss."""
    done = list[int]()
    assert run(30, 10, done) == [True] * 30
    assert done == [9, 19, 29]


def test_what_finds_the_queue_full_is_dropped() -> None:
    """And told so; what waits is done."""
    done = list[int]()
    assert run(shadows.WAITING + 2, 1, done) == [True] * shadows.WAITING + [False] * 2
    assert done == list(range(shadows.WAITING))


def test_what_is_cleared_is_not_done() -> None:
    """The queue can be used again afterwards."""
    done = list[int]()
    run(5, 1, done, lambda made: made.clear())
    assert done == []


def test_others_are_answered_in_between() -> None:
    """After each question the loop is free at least as long as that took: not even two are worked out in one go."""
    order = list[str]()

    async def both() -> None:
        made = Shadows(1)
        for number in range(3):
            made.offer(lambda number=number: order.append(f"shadow {number}"))  # type: ignore[misc]
        while made._working:
            await asyncio.sleep(0)
            order.append("request")

    asyncio.run(both())
    shadowed = [place for place, one in enumerate(order) if one.startswith("shadow")]
    assert len(shadowed) == 3
    assert all(later - earlier > 1 for earlier, later in pairwise(shadowed))
