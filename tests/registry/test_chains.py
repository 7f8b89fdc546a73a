"""Releases stored as what differs from their parents: any sequence comes back, damage is named, dying breaks none."""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from threading import Lock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save

from ratoon import durable
from ratoon.domain.encoding import Encoding, Vocabulary
from ratoon.domain.errors import StoreError
from ratoon.domain.release import Release
from ratoon.registry import FileRegistry
from ratoon.registry.chains import LONGEST
from tests.fakes import processes
from tests.registry.releases import release

TABLE = "item.safetensors"
ROWS, WIDTH = 400, 16
KINDS: tuple[type[np.generic], ...] = (np.float32, np.float16, np.int64)


def model(number: int, rows: int = ROWS, kind: type[np.generic] = np.float32, every: int = 97) -> dict[str, bytes]:
    """A model's files: number 0, with one small tensor and every `every`th row from the `number`th on moved."""
    table = np.random.default_rng(0).integers(0, 99, (2 * ROWS, WIDTH))[:rows].astype(kind)
    if number:
        table[number::every] = np.full(WIDTH, number, kind)
    layer = np.full((4, 4), number, np.float32)
    encoding = Encoding({"item_id": Vocabulary(tuple(f"a rather long item id {n}" for n in range(rows)))})
    tables = save({"table.item_id": table, "item.layer": layer}, {"format": "pt"} if number % 3 == 2 else None)
    return {TABLE: tables, "encoding.json": encoding.to_json().encode(), "model.json": b"{}"}


def publish(registry: FileRegistry, files: dict[str, bytes]) -> Release:
    return registry.publish(release(registry.current(), files), files)


def folder(registry: FileRegistry, number: int) -> Path:
    (found,) = registry._root.glob(f"{number:06d}-*")
    return found


def lengths(registry: FileRegistry) -> list[int]:
    """Links of every release's table, oldest first."""
    paths = [registry._shelf.folder(one.sequence, one.id) / TABLE for one in reversed(registry.releases())]
    return [len(registry._shelf._chains._chain(path).links) for path in paths]


STEPS = st.tuples(st.integers(1, 90), st.integers(ROWS - 50, ROWS + 90), st.sampled_from(KINDS), st.sampled_from([1, 2, 40, 97]))


@settings(max_examples=10, deadline=None)
@given(
    steps=st.lists(STEPS | st.integers(90, 98).map(lambda number: (number, ROWS, np.float32, 97)), min_size=1, max_size=12),
    cut=st.integers(0, 11),
)
def test_any_sequence_of_releases_comes_back(steps: list[tuple[int, int, type[np.generic], int]], cut: int) -> None:
    """Rows change, tables grow, shrink and change their dtype: every release loads bit-exact, also after older ones are gone."""
    with tempfile.TemporaryDirectory() as root:
        registry, wanted = FileRegistry(Path(root), "home"), list[tuple[Release, dict[str, bytes]]]()
        for step in steps:
            files = model(*step)
            wanted.append((publish(registry, files), files))
        assert [registry.load(one) for one, _ in wanted] == [files for _, files in wanted]
        assert max(lengths(registry)) <= LONGEST
        if cut < len(steps) - 1:
            registry.forget(wanted[cut][0].id)
            wanted = wanted[cut + 1 :]
        assert [registry.load(one) for one, _ in wanted] == [files for _, files in wanted]


def test_a_release_holds_what_changed(registry: FileRegistry) -> None:
    """Beside its manifest a release has the changed rows, the new rows and the new ids; the manifest has whole files' hashes."""
    first, second = publish(registry, model(0)), publish(registry, model(1, ROWS + 5))
    assert sorted(path.name for path in folder(registry, 2).iterdir()) == [
        "encoding.json.delta", "encoding.json.link", f"{TABLE}.delta", f"{TABLE}.link", "manifest.json", "model.json",
    ]  # fmt: skip
    assert second.files == {name: durable.sha256(data) for name, data in model(1, ROWS + 5).items()}
    link = json.loads((folder(registry, 2) / f"{TABLE}.link").read_text())
    assert (link["base"], link["whole"]) == (folder(registry, 1).name, first.files[TABLE])
    assert registry.occupied(second) == sum(path.stat().st_size for path in folder(registry, 2).iterdir())
    assert 4 * registry.occupied(second) < registry.occupied(first)
    assert FileRegistry(registry._root.parent, "home").load(second) == model(1, ROWS + 5)


def test_chains_are_short(registry: FileRegistry) -> None:
    """After LONGEST links the file is whole again, and sooner if the links would be larger than the file."""
    for number in range(LONGEST + 3):
        publish(registry, model(number))
    assert lengths(registry) == [*range(LONGEST + 1), 0, 1]
    for number in range(1, 8):
        publish(registry, model(number, every=5 + number))
    counts = lengths(registry)[LONGEST + 3 :]
    assert counts.count(0) == 1
    assert max(counts) < LONGEST


def test_what_does_not_pay_or_does_not_come_back_is_whole(registry: FileRegistry) -> None:
    """Written whole: a file that all changed, a small one, one that is not what its name says, one with bytes in no tensor."""
    publish(registry, model(0))
    publish(registry, model(1, every=1))
    assert lengths(registry) == [0, 0]
    odd = model(1) | {TABLE: model(1)[TABLE] + b"more", "small.safetensors": save({"t": np.zeros(9)}), "x.parquet": b"x" * 20_000}
    publish(registry, odd)
    again = publish(registry, odd | {"encoding.json": b"{" * 20_000})
    assert lengths(registry) == [0, 0, 0, 0]
    assert not list(folder(registry, 4).glob("*.link"))
    assert registry.load(again)[TABLE].endswith(b"more")


def test_rollback_and_forget(registry: FileRegistry) -> None:
    """Going back stores a difference too; forgetting writes whole what the next release has as a difference, once."""
    made = [publish(registry, model(number)) for number in range(5)]
    back = registry.rollback(made[1].id, "why")
    assert lengths(registry) == [0, 1, 2, 3, 4, 5]
    registry.forget(made[2].id)
    assert lengths(registry) == [0, 1, 2]
    assert sorted(path.name for path in folder(registry, 4).iterdir()) == [
        "encoding.json", TABLE, "manifest.json", "model.json",
    ]  # fmt: skip
    assert [registry.load(one) for one in (made[3], made[4], back)] == [model(3), model(4), model(1)]
    assert not list(registry._root.glob("00000[123]-*"))


def test_damage_in_a_chain_is_named(registry: FileRegistry) -> None:
    """Whatever is wrong on the way to a file, the file at fault is named with what was expected, found and to be done."""
    made = [publish(registry, model(number)) for number in range(4)]
    start, delta, link = folder(registry, 1) / TABLE, *(folder(registry, 3) / f"{TABLE}{end}" for end in (".delta", ".link"))
    whole, right = delta.read_bytes(), json.loads(link.read_text())
    hashed, back = (
        right["delta"],
        "Bring the file back from a backup, or roll back to a release before 3: `ratoon releases` lists them.",
    )

    def refused(path: Path, data: bytes | None, message: str, upto: int = 4) -> None:
        kept = path.read_bytes()
        path.unlink() if data is None else path.write_bytes(data)
        for one in made[2:upto]:
            with pytest.raises(StoreError, match=message):
                registry.load(one)
        assert registry.load(made[0]) == model(0) if path != start else True
        path.write_bytes(kept)

    for damaged in (whole[:-1], bytes([whole[0] ^ 1]) + whole[1:]):
        refused(delta, damaged, f"{delta}: expected SHA-256 {hashed}, found {durable.sha256(damaged)}. {back}")
    refused(delta, None, f"{delta}: expected SHA-256 {hashed}, found FileNotFoundError.* {back}")
    refused(start, b"", f"{start}: expected SHA-256 {made[0].files[TABLE]}, found .* Bring the file back from a backup.$")
    refused(start, None, f"{start}: expected SHA-256 {made[0].files[TABLE]}, found FileNotFoundError")
    refused(link, None, f"{link}: expected what {TABLE}.delta goes with, found no such file. {back}")
    refused(link, b"{", f"{link}: expected the JSON that was written there, found JSONDecodeError.* {back}")
    for base in (folder(registry, 3).name, "../000001-0123456789ab"):
        loop = json.dumps(right | {"base": base}).encode()
        refused(link, loop, f"{link}: expected the folder of an earlier release, found '{base}'. {back}")
    # Tampered together with its link a delta passes for itself, and what comes out of it does not.
    # The fourth release replaces the row that was tampered with.
    other = bytearray(whole)
    other[-1] ^= 1
    for forged, message in (
        (bytes(other), rf"{TABLE}: expected SHA-256 [0-9a-f]+, found [0-9a-f]+ from its links. Bring"),
        (b"x", rf"{TABLE}: expected 2 differences that lead here from 000001-\w+, found ValueError.*SafetensorError.* {back}"),
    ):
        delta.write_bytes(forged)
        refused(link, json.dumps(right | {"delta": durable.sha256(forged)}).encode(), message, 3)
        delta.write_bytes(whole)
    assert [registry.load(one) for one in made] == [model(number) for number in range(4)]


def test_a_damaged_chain_can_be_left(registry: FileRegistry) -> None:
    """Going back from a release that cannot be put together gives one that is whole, and what is broken can be forgotten."""
    made = [publish(registry, model(number)) for number in range(3)]
    (folder(registry, 2) / f"{TABLE}.delta").unlink()
    with pytest.raises(StoreError, match=f"000002-.*{TABLE}.delta: expected SHA-256 .* found FileNotFoundError"):
        registry.forget(made[0].id)
    assert len(registry.releases()) == 3
    back = registry.rollback(made[0].id, "damaged")
    assert registry.load(back) == model(0)
    assert registry.forget(made[2].id) == made
    assert registry.load(back) == model(0)


def loaded(registry: FileRegistry) -> list[int]:
    """The sequences of all published releases, every one of them loaded."""
    return [one.sequence for one in reversed(registry.releases()) if registry.load(one) == model(one.sequence - 1)]


@pytest.mark.parametrize(
    "point",
    "registry.staging registry.staging:5 registry.staged registry.renamed durable.before_rename registry.published".split(),
)
def test_dying_while_publishing_a_difference(registry: FileRegistry, point: str) -> None:
    """Killed anywhere, the releases before it load; published again, so does the new one."""
    for number in range(2):
        publish(registry, model(number))
    new = release(registry.current(), model(2))
    assert processes.run(lambda: registry.publish(new, model(2)), point) == processes.KILLED
    assert loaded(registry) == ([1, 2, 3] if point == "registry.published" else [1, 2])
    registry.publish(new, model(2))
    assert loaded(registry) == [1, 2, 3]
    assert lengths(registry) == [0, 1, 2]


@pytest.mark.parametrize(
    ("point", "left"),
    [
        ("durable.before_rename", [1, 2, 3, 4]),
        ("registry.folded", [1, 2, 3, 4]),
        ("registry.folded:2", [1, 2, 3, 4]),
        ("registry.forgotten", [3, 4]),
        ("registry.forgotten:2", [3, 4]),
    ],
)
def test_dying_while_forgetting(registry: FileRegistry, point: str, left: list[int]) -> None:
    """Killed anywhere, every release that is still listed loads, and forgetting and publishing go on from there."""
    second = [publish(registry, model(number)) for number in range(4)][1]
    assert processes.run(lambda: registry.forget(second.id), point) == processes.KILLED
    assert loaded(registry) == left
    if left[0] == 1:
        registry.forget(second.id)
    publish(registry, model(4))
    assert loaded(registry) == [3, 4, 5]
    assert not list(registry._root.rglob(".*.new"))
    assert not list(registry._root.glob(".staging*"))
    registry.forget(registry.releases()[-1].id)
    assert loaded(registry) == [4, 5]
    assert sorted(path.name[:6] for path in registry._root.glob("[0-9]*")) == ["000004", "000005"]


def test_a_reader_goes_on_while_chains_are_folded(registry: FileRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    """A release whose base is taken away while it is being read is read from what was folded."""
    made = [publish(registry, model(number)) for number in range(4)]
    chains = registry._shelf._chains
    replayed: Callable[..., bytes] = chains._replayed
    forgotten, once = list[Release](), Lock()

    def late(*arguments: object) -> bytes:
        with once:  # files are read side by side
            if not forgotten:
                forgotten.extend(FileRegistry(registry._root.parent, "home").forget(made[1].id))
        return replayed(*arguments)

    monkeypatch.setattr(chains, "_replayed", late)
    assert registry.load(made[3]) == model(3)
    assert forgotten == made[:2]
