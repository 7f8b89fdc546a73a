"""A flag for signal handlers."""

import sys
from types import FrameType
from typing import Any

from ratoon.jobs.told import Told


def test_it_may_be_set_in_the_middle_of_a_wait() -> None:
    """Set at each line of its own waiting, by the thread that waits, it neither waits for itself nor forgets."""
    told = Told()

    def interrupting(frame: FrameType, event: str, _: Any) -> Any:
        if event == "line" and frame.f_code is Told.wait.__code__:
            told.set()
        return interrupting

    before = sys.gettrace()
    sys.settrace(interrupting)
    try:
        assert told.wait(60)
    finally:
        sys.settrace(before)
    assert told.wait(60)


def test_it_is_not_told_by_itself() -> None:
    """Time alone tells nothing."""
    assert not Told().wait(0.01)
