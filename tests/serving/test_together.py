"""Work shared by all who wait for it at once."""

import asyncio
from collections.abc import Sequence

import pytest

from ratoon.serving.together import MOST, Together


def test_who_comes_meanwhile_shares_the_next_turn() -> None:
    """One alone is served at once; all that come while that lasts are served together, each with its own result, in order."""
    lots: list[list[int]] = []
    begun, going = asyncio.Event(), asyncio.Event()

    async def double(numbers: Sequence[int]) -> list[int | Exception]:
        lots.append(list(numbers))
        begun.set()
        await going.wait()
        return [2 * number for number in numbers]

    async def ask() -> list[int]:
        together = Together(double)
        first = asyncio.create_task(together.do(1))
        await begun.wait()
        others = [asyncio.create_task(together.do(number)) for number in range(2, 2 + MOST + 1)]
        await asyncio.sleep(0)
        going.set()
        return [await first, *[await other for other in others]]

    assert asyncio.run(ask()) == [2 * number for number in range(1, MOST + 3)]
    assert [len(lot) for lot in lots] == [1, MOST, 1]


def test_what_is_wrong_with_one_is_told_to_one() -> None:
    """An exception among the results is raised to who asked for it; one that the work raises, to everybody of that turn."""

    async def odd(numbers: Sequence[int]) -> list[int | Exception]:
        if 0 in numbers:
            raise OSError("the disk")
        return [number if number % 2 else ValueError(str(number)) for number in numbers]

    async def ask(*numbers: int) -> list[object]:
        together = Together(odd)
        return list(await asyncio.gather(*map(together.do, numbers), return_exceptions=True))

    first, second, third = asyncio.run(ask(1, 2, 3))
    assert (first, third) == (1, 3)
    with pytest.raises(ValueError, match="2"):
        raise second if isinstance(second, Exception) else AssertionError
    assert [type(one) for one in asyncio.run(ask(1, 0))] == [OSError, OSError]


def test_who_has_gone_holds_nobody_up() -> None:
    """A caller that is cancelled while its turn lasts takes nothing from the others, nor from the turns after it."""
    going = asyncio.Event()

    async def same(numbers: Sequence[int]) -> list[int | Exception]:
        await going.wait()
        return list(numbers)

    async def ask() -> list[int]:
        together = Together(same)
        gone, stays = asyncio.create_task(together.do(1)), asyncio.create_task(together.do(2))
        await asyncio.sleep(0)
        gone.cancel()
        going.set()
        return [await stays, await together.do(3)]

    assert asyncio.run(ask()) == [2, 3]
