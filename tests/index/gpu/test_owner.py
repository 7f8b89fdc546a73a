"""The thread that owns a device: order, lots, errors and its end."""

import gc
import threading
import time
import weakref
from collections.abc import Callable, Sequence

import pytest

from ratoon.domain.errors import StoreError, UsageError
from ratoon.index.gpu.owner import Owner


def held_up(owner: Owner) -> Callable[[], None]:
    """Let the thread wait inside a job until what is returned is called."""
    begun, go = threading.Event(), threading.Event()

    def wait() -> None:
        begun.set()
        assert go.wait(60)

    threading.Thread(target=lambda: owner.alone(wait)).start()
    assert begun.wait(60)
    return go.set


def asking(owner: Owner, work: Callable[[list[int]], Sequence[int | Exception]], number: int) -> threading.Thread:
    """Ask in a thread, and return when the question waits."""
    before = len(owner._waiting)
    thread = threading.Thread(target=lambda: owner.together(work, number))
    thread.start()
    while len(owner._waiting) == before:
        time.sleep(0)
    return thread


def test_what_waits_in_a_row_is_done_together() -> None:
    """Questions that came while the thread was busy are one lot, a change between them parts it, and order is kept."""
    owner, seen = Owner(), list[object]()

    def answer(numbers: list[int]) -> list[int]:
        seen.append(numbers)
        return numbers

    def change(numbers: list[int]) -> list[int]:
        seen.append("change")
        return numbers

    release = held_up(owner)
    threads = [asking(owner, work, n) for n, work in enumerate([answer, answer, answer, change, answer, answer])]
    release()
    for thread in threads:
        thread.join()
    assert seen == [[0, 1, 2], "change", [4, 5]]
    owner.close()


@pytest.mark.parametrize("broken", [False, True])
def test_each_gets_its_own_answer_or_error(broken: bool) -> None:
    """In one lot an error goes to whom it concerns, and the others have their answers, even if the lot fails as a whole."""
    owner, release, said = Owner(), None, dict[int, object]()

    def answer(numbers: list[int]) -> list[int | Exception]:
        if broken and 0 in numbers:
            raise ZeroDivisionError
        return [UsageError("n", expected="even", found=str(n), fix="Ask another.") if n % 2 else 10 * n for n in numbers]

    def ask(number: int) -> None:
        try:
            said[number] = owner.together(answer, number)
        except (UsageError, ZeroDivisionError) as error:
            said[number] = f"{type(error).__name__} {error}"

    release = held_up(owner)
    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    while len(owner._waiting) < 5:
        time.sleep(0)
    release()
    for thread in threads:
        thread.join()
    assert (said[0], said[2]) == ("ZeroDivisionError " if broken else 0, 20)
    assert "expected even, found 1" in str(said[1])
    assert "expected even, found 3" in str(said[3])
    owner.close()


def test_what_fails_is_raised_where_it_was_asked() -> None:
    """An exception inside, and an answer too few, are raised by the call; the thread goes on."""
    owner = Owner()
    with pytest.raises(ZeroDivisionError):
        owner.alone(lambda: 1 // 0)
    with pytest.raises(ValueError, match="zip"):
        owner.together(lambda _: [], 1)
    assert owner.alone(lambda: 5) == 5
    owner.close()


def test_closed_after_what_waits() -> None:
    """What waited when it was closed is done; what is asked later is refused, and the thread has ended."""
    owner, done = Owner(), list[int]()

    def answer(numbers: list[int]) -> list[int]:
        done.extend(numbers)
        return numbers

    release = held_up(owner)
    waiting = asking(owner, answer, 1)
    owner.close()
    release()
    waiting.join()
    owner.thread.join(60)
    assert (done, owner.thread.is_alive()) == ([1], False)
    with pytest.raises(StoreError, match="index: expected the thread that owns its device, found that it has ended"):
        owner.alone(lambda: None)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_whatever_the_thread_dies_of_nobody_waits_for_it() -> None:
    """If the thread itself ends in the middle of a lot, all who wait are told, and so are those who come later."""
    owner, told = Owner(), list[str]()

    def die(_: list[int]) -> list[int]:
        raise SystemExit

    def ask(work: Callable[[list[int]], list[int]]) -> None:
        try:
            owner.together(work, 1)
        except StoreError as error:
            told.append(error.found)

    release = held_up(owner)
    threads = [threading.Thread(target=ask, args=(work,)) for work in (die, lambda numbers: numbers)]
    for thread in threads:
        thread.start()
    while len(owner._waiting) < 3:
        time.sleep(0)
    release()
    for thread in threads:
        thread.join(60)
    owner.thread.join(60)
    assert told == ["that it has ended"] * 2
    with pytest.raises(StoreError, match="has ended"):
        owner.alone(lambda: None)


def test_nothing_is_kept_of_what_was_done() -> None:
    """While the thread waits for more it holds neither what it was asked nor what it answered."""

    class Thing:
        """Something to be let go."""

    owner, thing = Owner(), Thing()
    gone = weakref.ref(thing)
    assert owner.together(list, thing) is thing
    owner.alone(lambda: None)
    del thing
    gc.collect()
    assert gone() is None
    owner.close()
