"""Release folders: what may lie in one, what a crash leaves, and damage that is named."""

from dataclasses import replace
from pathlib import Path

import pytest

from ratoon import durable
from ratoon.domain.errors import StoreError, UsageError
from ratoon.registry import FileRegistry
from tests.fakes import processes
from tests.registry.releases import content, published, release


def test_damaged_leftovers_are_replaced(registry: FileRegistry, tmp_path: Path) -> None:
    """If a file in the folder that a crash left behind is damaged, publishing again writes it anew."""
    new = release(None, content(0))
    assert processes.run(lambda: registry.publish(new, content(0)), "registry.renamed") == processes.KILLED
    folder = tmp_path / "releases" / "home" / f"000001-{new.id[:12]}"
    (folder / "index.faiss").write_bytes(b"torn")
    assert registry.load(registry.publish(new, content(0))) == content(0)


def test_leftovers_of_another_release(registry: FileRegistry) -> None:
    """A folder that a crash left behind is not a release, and does not keep another one from its sequence."""
    left, other = release(None, content(0)), release(None, content(1), seed=1)
    assert processes.run(lambda: registry.publish(left, content(0)), "registry.renamed") == processes.KILLED
    assert registry.releases() == []
    done = registry.publish(other, content(1))
    assert registry.releases() == [done]
    with pytest.raises(UsageError, match="which fits 0"):
        registry.get(left.id)


def test_damage_is_named(registry: FileRegistry, tmp_path: Path) -> None:
    """A flipped byte, a truncated file and a missing one are found, with both hashes and what to do."""
    parent, one = published(registry, 2)
    path = tmp_path / "releases" / "home" / f"000002-{one.id[:12]}" / "items.parquet"
    whole = path.read_bytes()
    hashed = one.files["items.parquet"]
    for damaged in (bytes([whole[0] ^ 1]) + whole[1:], whole[:-1]):
        path.write_bytes(damaged)
        message = f"items.parquet: expected SHA-256 {hashed}, found {durable.sha256(damaged)}. Bring the file back from a backup"
        with pytest.raises(StoreError, match=f"{message}, or roll back to a release before 2: `ratoon releases` lists them."):
            registry.load(one)
    path.unlink()
    with pytest.raises(StoreError, match=rf"items.parquet: expected SHA-256 {hashed}, found FileNotFoundError"):
        registry.load(one)
    assert registry.rollback(None, "damaged").files == parent.files


def test_damaged_manifest_and_current(registry: FileRegistry, tmp_path: Path) -> None:
    """A manifest or CURRENT that cannot be read, is another's, or is gone, is named."""
    first, second = published(registry, 2)
    home = tmp_path / "releases" / "home"
    manifest = home / f"000002-{second.id[:12]}" / "manifest.json"
    for text in ("{", "[]", '"x"', "{}"):
        manifest.write_text(text)
        with pytest.raises(StoreError, match=rf"manifest.json: expected the manifest of release {second.id[:12]}"):
            registry.current()
    manifest.write_text(first.to_json())
    with pytest.raises(StoreError, match=f"{second.id}, sequence 2, which .*, found release {first.id}, sequence 1"):
        registry.current()
    manifest.write_text(second.to_json())
    head = (home / "CURRENT").read_text()
    other = second.id[:-1] + ("0" if second.id[-1] != "0" else "1")
    (home / "CURRENT").write_text(head.replace(second.id, other))
    with pytest.raises(StoreError, match=f"{other}, sequence 2, which CURRENT .*, found release {second.id}"):
        registry.current()
    for text in ("", "[]", "{}"):
        (home / "CURRENT").write_text(text)
        with pytest.raises(StoreError, match="CURRENT: expected the JSON that was written there"):
            registry.current()
    (home / "CURRENT").unlink()
    with pytest.raises(StoreError, match=r"CURRENT: expected a file, found none, but 2 releases"):
        registry.current()


def test_publish_refuses_what_does_not_fit(registry: FileRegistry) -> None:
    """Another surface, files with other hashes, and names that are no plain file names are refused."""
    new = release(None, content(0))
    with pytest.raises(UsageError, match=r"release.surface: expected 'home', found 'ads'"):
        registry.publish(replace(new, surface="ads"), content(0))
    with pytest.raises(UsageError, match=r"found others: index.faiss, more.txt"):
        registry.publish(new, content(0) | {"index.faiss": b"x", "more.txt": b""})
    for name in ("../x", "manifest.json", "a/b", "..", ".hidden", "", "a.delta", "a.link"):
        message = "expected plain file names other than manifest.json, none ending in .delta or .link, found"
        with pytest.raises(UsageError, match=message):
            registry.publish(release(None, {name: b""}), {name: b""})
    assert registry.current() is None
