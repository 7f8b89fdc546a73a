"""The pinned window, refusals, holds and what is left out."""

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratoon.domain.errors import StoreError, UsageError
from ratoon.registry import FileRegistry, Refusal
from ratoon.registry.notes import merged
from tests.registry.releases import content, published, release, window


def test_pin(registry: FileRegistry) -> None:
    """A pinned window wins until it is published, refused or forgotten, or something else was published."""
    (first,) = published(registry, 1)
    assert registry.pin(window(10, 15)) == window(10, 15)
    assert registry.pin(window(10, 99)) == window(10, 15)
    registry.publish(release(first, content(1), end=15), content(1))
    assert registry._notes.pinned() is None
    assert registry.pin(window(15, 18)) == window(15, 18)
    registry.unpin()
    registry.unpin()
    assert registry.pin(window(15, 20)) == window(15, 20)
    registry.refuse(window(15, 20), ["worse", "much"])
    assert registry.pin(window(15, 30)) == window(15, 30)
    assert registry.refused() == [Refusal(window(15, 20), ("worse", "much"))]
    registry.refuse(window(15, 30), ["again"])
    assert [refusal.reasons for refusal in registry.refused()] == [("worse", "much"), ("again",)]


def test_stale_pins_are_dropped(registry: FileRegistry) -> None:
    """A pin that belongs to another current release, or that has been published, is not run again."""
    (first,) = published(registry, 1)
    registry._notes.pin(window(5, 8))
    assert registry.pin(window(10, 15)) == window(10, 15)
    # A window without new events, published by a run that died before it could forget the pin.
    registry.publish(release(first, content(1), end=10), content(1))
    registry._notes.pin(window(10, 10))
    assert registry.pin(window(10, 12)) == window(10, 12)


def test_damaged_notes_are_named(registry: FileRegistry, tmp_path: Path) -> None:
    """Each small file that cannot be read is named with what to do about it."""
    home = tmp_path / "releases" / "home"
    home.mkdir(parents=True)
    calls: dict[str, Callable[[], object]] = {
        "pinned.json": lambda: registry.pin(window(0, 1)),
        "refused.jsonl": registry.refused,
        "hold.json": registry.held,
    }
    for name, call in calls.items():
        (home / name).write_text("{")
        with pytest.raises(StoreError, match=rf"{name}: expected the JSON that was written there, found .* (Delete|Move) it"):
            call()


def test_hold_and_resume(registry: FileRegistry) -> None:
    """A hold lasts until resume, which adds what is to be left out for ever, and forgets the pinned window."""
    registry.hold("maintenance")
    assert FileRegistry(registry._root.parent, "home").held() == "maintenance"
    registry.pin(window(0, 50))
    registry.resume(((21, 30), (1, 3)))
    assert (registry.held(), registry.left_out()) == ("", ((1, 3), (21, 30)))
    assert registry.pin(window(0, 60)) == window(0, 60)
    registry.hold("again")
    assert registry.left_out() == ((1, 3), (21, 30))
    registry.resume(((4, 9), (25, 40)))
    assert registry.left_out() == ((1, 9), (21, 40))
    for bad in ((5, 4), (0, 3)):
        with pytest.raises(UsageError, match=f"ranges of offsets, first <= last, from 1, found {bad[0]}-{bad[1]}"):
            registry.resume((bad,))


@given(ranges=st.lists(st.tuples(st.integers(1, 40), st.integers(0, 8)).map(lambda pair: (pair[0], sum(pair)))))
def test_merged_ranges_hold_the_same_offsets(ranges: list[tuple[int, int]]) -> None:
    """Merging ranges changes neither which offsets are inside nor leaves neighbours apart."""
    result = merged(tuple(ranges))
    inside = {offset for first, last in ranges for offset in range(first, last + 1)}
    assert [offset for first, last in result for offset in range(first, last + 1)] == sorted(inside)
    assert all(later[0] > earlier[1] + 1 for earlier, later in itertools.pairwise(result))
