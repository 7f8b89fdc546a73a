"""A surface's registry: publishing, loading, finding, and dying at any moment."""

import json
import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from ratoon.domain.errors import Conflict, StoreError, UsageError
from ratoon.domain.release import Release
from ratoon.domain.schema import TowerSchema
from ratoon.ports import Registry
from ratoon.registry import FileRegistry
from tests.fakes import processes
from tests.registry.releases import T0, content, published, release, window


def test_is_the_port(registry: FileRegistry) -> None:
    """The registry fits `ports.Registry`; mypy proves it, and an empty one has nothing."""
    port: Registry = registry
    assert port.current() is None
    assert registry.releases() == []
    assert (port.held(), port.left_out(), registry.refused()) == ("", (), [])


def test_publish_and_load(registry: FileRegistry, tmp_path: Path) -> None:
    """Releases get dense sequences, and each is loaded byte for byte."""
    made = published(registry, 3)
    assert [one.sequence for one in made] == [1, 2, 3]
    assert registry.current() == made[2]
    assert registry.releases() == made[::-1]
    for number, one in enumerate(made):
        assert registry.load(one) == content(number)
    home = tmp_path / "releases" / "home"
    assert json.loads((home / "CURRENT").read_text()) == {"id": made[2].id, "sequence": 3}
    assert (home / f"000003-{made[2].id[:12]}" / "manifest.json").read_text() == made[2].to_json()
    assert FileRegistry(tmp_path / "releases", "similar").current() is None


def test_a_release_says_from_when_it_is_served(tmp_path: Path) -> None:
    """It is the configured clock's present, but always later than all that was seen and than the release before it."""
    clock = [T0 - timedelta(days=1), T0 + timedelta(days=3), T0 + timedelta(days=3), T0]
    registry = FileRegistry(tmp_path / "releases", "home", present=lambda: clock.pop(0))
    day, us = timedelta(days=3), timedelta(microseconds=1)
    made = published(registry, 3)
    assert [one.published for one in made] == [T0 + us, T0 + day + us, T0 + day + 2 * us]
    assert registry.rollback(None, "back").published == T0 + day + 3 * us
    assert registry.get(None).published == T0 + day + 3 * us


def test_the_current_release_by_no_id(registry: FileRegistry) -> None:
    """`get(None)` is the current release; before the first one there is none to be had."""
    with pytest.raises(
        UsageError, match="release: expected the id of one published release, or its beginning, found none published"
    ):
        registry.get(None)
    published(registry, 2)
    assert registry.get(None) == registry.current()


def test_publish_needs_the_current_parent(registry: FileRegistry) -> None:
    """A release on top of another than the current one is refused with both ids, and nothing is written."""
    first = release(None, content(0))
    late = release(None, content(9), seed=9)
    registry.publish(first, content(0))
    with pytest.raises(Conflict, match=rf"CURRENT: expected release \(none\), found release {first.id[:12]}"):
        registry.publish(late, content(9))
    orphan = replace(release(None, content(1)), parent="f" * 64)
    with pytest.raises(Conflict, match=f"expected release ffffffffffff, found release {first.id[:12]}"):
        registry.publish(orphan, content(1))
    assert [one.id for one in registry.releases()] == [first.id]
    assert registry._shelf.last() == 1


def test_publish_twice_is_once(registry: FileRegistry) -> None:
    """Publishing what is current already returns it and takes no new sequence."""
    new = release(None, content(0))
    assert registry.publish(new, content(0)) == registry.publish(new, content(0))
    assert len(registry.releases()) == 1


@pytest.mark.parametrize(
    "point",
    "durable.before_rename registry.pinned registry.staging registry.staging:3 registry.staged registry.renamed "
    "durable.before_rename:2 registry.published".split(),
)
@pytest.mark.parametrize("before", [0, 2])
def test_crash_and_again(registry: FileRegistry, tmp_path: Path, point: str, before: int) -> None:
    """Killed at any moment of a publication, a second run over the pinned window gives the same release."""
    made = published(registry, before)
    parent = made[-1] if made else None
    files = content(7)

    def refresh(upto: int) -> Release:
        with registry.lease():
            base = registry.current()
            seen = registry.pin(window(base.window.end if base else 0, upto))
            return registry.publish(release(base, files, end=seen.end), files)

    wanted = replace(release(parent, files, end=before * 10 + 5), sequence=before + 1)
    assert processes.run(lambda: refresh(before * 10 + 5), point) == processes.KILLED
    assert registry.current() == (wanted if point == "registry.published" else parent)
    if point != "registry.published":
        # More has arrived since; the pinned window wins, unless it died before it was pinned.
        pinned = point != "durable.before_rename"
        again = refresh(before * 10 + (8 if pinned else 5))
        assert again == wanted
    assert registry.current() == wanted
    assert registry.load(wanted) == files
    assert registry.releases() == [wanted, *made[::-1]]
    following = window(wanted.window.end, wanted.window.end + 1)
    assert registry.pin(following) == following
    registry.publish(release(wanted, content(8), end=following.end), content(8))
    assert not list((tmp_path / "releases" / "home").glob(".staging-*"))


def test_readers_always_load_a_whole_release(registry: FileRegistry) -> None:
    """While fifty releases are published, every load gives the files of one release, and sequences only grow."""
    published(registry, 1)
    stop, wrong, seen = threading.Event(), list[object](), set[int]()

    def read() -> None:
        last = 0
        while not stop.is_set():
            now = registry.current()
            assert now is not None
            if registry.load(now) != content(now.sequence - 1) or now.sequence < last:
                wrong.append(now)
            seen.add(last := now.sequence)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for number in range(1, 51):
        registry.publish(release(registry.current(), content(number)), content(number))
    stop.set()
    for reader in readers:
        reader.join()
    assert not wrong
    assert len(seen) > 1


def test_get(registry: FileRegistry) -> None:
    """An id, or as much of it as is unique, finds a release."""
    made = published(registry, 20)
    assert registry.get(made[4].id) == made[4]
    assert registry.get(made[4].id[:12]) == made[4]
    with pytest.raises(UsageError, match="found 'xyz', which fits 0. `ratoon releases` lists them"):
        registry.get("xyz")
    with pytest.raises(UsageError, match="found '', which fits 20"):
        registry.get("")


def test_forgetting_takes_a_release_and_all_before_it(registry: FileRegistry) -> None:
    """What is forgotten is gone, oldest first; what is served stays, and so does the sequence."""
    first, second, third = published(registry, 3)
    assert registry.forget(second.id[:8]) == [first, second]
    assert registry.releases() == [third]
    assert registry.current() == third
    assert published(registry, 1)[0].sequence == 4
    message = r"release: expected one that is not served, found [0-9a-f]{12}, the current one\. `ratoon releases` lists those"
    current = registry.current()
    assert current is not None
    with pytest.raises(UsageError, match=message):
        registry.forget(current.id)


def test_what_a_damaged_release_could_go_back_to_is_kept(registry: FileRegistry) -> None:
    """While a file of the served release is not as it was published none of those before it is forgotten."""
    first, _, third = published(registry, 3)
    path = next(file for file in (registry._root / f"000003-{third.id[:12]}").iterdir() if file.name in third.files)
    path.write_bytes(path.read_bytes() + b"!")
    with pytest.raises(StoreError, match=rf"{path.name}: expected SHA-256"):
        registry.forget(first.id)
    assert first in registry.releases()
    registry.load(first)


def test_a_release_knows_its_schema(registry: FileRegistry) -> None:
    """The schema is read alone, and only as it was published."""
    schema = TowerSchema("p", (), (), ("title",))
    files = {**content(0), "schema.json": schema.to_json().encode()}
    new = registry.publish(release(None, files), files)
    assert registry.schema(new) == schema
    (path,) = registry._root.glob("*/schema.json")
    path.write_text("{}")
    with pytest.raises(StoreError, match="schema.json: expected SHA-256"):
        registry.schema(new)
