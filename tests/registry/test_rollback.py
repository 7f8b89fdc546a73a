"""Going back to an earlier release."""

from pathlib import Path

import pytest

from ratoon.domain.errors import StoreError, UsageError
from ratoon.domain.release import release_id
from ratoon.registry import FileRegistry
from tests.fakes import processes
from tests.registry.releases import content, published, release, window


def test_rollback(registry: FileRegistry) -> None:
    """Going back publishes a new release with old content and holds refreshing; twice goes back two steps."""
    first, second, third = published(registry, 3)
    registry.pin(window(30, 40))
    back = registry.rollback(None, "bad titles")
    assert (back.sequence, back.parent, back.scope, back.window) == (4, third.id, "rollback", second.window)
    assert back.files == second.files
    assert back.id == release_id(parent=third.id, window=second.window, scope="rollback", seed=0, files=second.files)
    assert registry.load(back) == content(1)
    assert registry.held() == "bad titles"
    assert registry.pin(window(20, 40)) == window(20, 40)
    assert registry.rollback(None, "still bad").files == first.files
    with pytest.raises(UsageError, match="rollback: expected an earlier release with other content .*, found none"):
        registry.rollback(None, "further")
    forth = registry.rollback(third.id[:10], "it was fine")
    assert (forth.sequence, forth.files) == (6, third.files)
    assert registry.rollback(None, "no, it was not").files == second.files
    assert [one.sequence for one in registry.releases()] == [7, 6, 5, 4, 3, 2, 1]


def test_rollback_to_nothing(registry: FileRegistry) -> None:
    """Without an earlier release, or to what is served, nothing happens."""
    with pytest.raises(UsageError, match="other content than the current one, found none"):
        registry.rollback(None, "why")
    (first,) = published(registry, 1)
    with pytest.raises(UsageError, match=f"found release {first.id[:12]}, which is served"):
        registry.rollback(first.id, "why")
    second = registry.publish(release(first, content(1)), content(1))
    with pytest.raises(UsageError, match="reason: expected a few words, found nothing"):
        registry.rollback(None, " ")
    assert registry.current() == second
    assert registry.held() == ""


def test_rollback_to_damaged_changes_nothing(registry: FileRegistry, tmp_path: Path) -> None:
    """The old files are checked before anything is published or held."""
    first, second = published(registry, 2)
    (tmp_path / "releases" / "home" / f"000001-{first.id[:12]}" / "index.faiss").write_bytes(b"")
    with pytest.raises(StoreError, match=r"index.faiss: expected SHA-256 .* Bring the file back from a backup\.$"):
        registry.rollback(None, "why")
    assert registry.current() == second
    assert registry.held() == ""


@pytest.mark.parametrize("point", ["durable.before_rename", "registry.staged", "registry.renamed"])
def test_rollback_crashes_on_the_safe_side(registry: FileRegistry, point: str) -> None:
    """A rollback that dies has either done nothing, or holds refreshing already; run again it ends the same."""
    _, second, third = published(registry, 3)
    assert processes.run(lambda: registry.rollback(None, "bad"), point) == processes.KILLED
    assert registry.current() == third
    assert registry.held() == ("" if point == "durable.before_rename" else "bad")
    assert registry.rollback(None, "bad").files == second.files
