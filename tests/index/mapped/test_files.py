"""Files that are made once, taken only if they are whole, and removed when nobody needs them."""

import logging
import time
from pathlib import Path

import pytest

from ratoon import durable
from ratoon.domain.dial import Dial
from ratoon.index.faiss_cpu import FaissIndex
from ratoon.index.mapped import files as making
from ratoon.index.stored import VECTORS
from ratoon.ports import Files
from tests.fakes import processes
from tests.index.mapped.released import drawn, mapped, names, released

DIAL = Dial(5, "fp16", 5)


def right(files: Files, folder: Path) -> None:
    """Open what is mapped, and see that it answers as the snapshot does."""
    assert mapped(files, folder).search(drawn(3), 20) == FaissIndex.load(files).search(drawn(3), 20)


def test_four_bits_are_mapped_as_float16(tmp_path: Path) -> None:
    """Of a snapshot in four bits a number the vectors themselves are mapped, and answers have the same scores."""
    files = released(dial=Dial(5, "sq4", 5, deep=1e6, chosen=True))
    index = mapped(files, tmp_path)
    assert index.dial.codec == "fp16"
    found, wanted = (one.search(drawn(3), 20) for one in (index, FaissIndex.load(files)))
    assert [[item for item, _ in own] for own in found] == [[item for item, _ in own] for own in wanted]
    assert [score for _, score in found[0]] == pytest.approx([score for _, score in wanted[0]], abs=1e-5)


def test_the_name_is_the_snapshots_and_the_seal_the_files(tmp_path: Path) -> None:
    """A file is called by the hash and length of its vectors, and beside it is its own hash; again it is not written."""
    files = released(dial=DIAL)
    right(files, tmp_path)
    name = f"{durable.sha256(files[VECTORS])}.8.ivf"
    assert names(tmp_path) == [name, f"{name}.sha256"]
    assert (tmp_path / f"{name}.sha256").read_text() == durable.sha256_file(tmp_path / name)
    before = (tmp_path / name).stat().st_ino
    right(files, tmp_path)
    assert (tmp_path / name).stat().st_ino == before


@pytest.mark.parametrize("suffix", [".ivf", ".ivf.sha256"])
def test_a_flipped_bit_is_refused_and_named(tmp_path: Path, suffix: str, caplog: pytest.LogCaptureFixture) -> None:
    """With any other bit in the file or in its seal it is not mapped: that is logged by name, and it is made anew."""
    files = released(dial=DIAL)
    right(files, tmp_path)
    for part in (0, 2, -1):
        (file,) = tmp_path.glob(f"*{suffix}")
        data = bytearray(file.read_bytes())
        data[part * len(data) // 4] ^= 1
        file.write_bytes(data)
        caplog.clear()
        with caplog.at_level(logging.WARNING, logger="ratoon.index"):
            right(files, tmp_path)
        (ivf,) = tmp_path.glob("*.ivf")
        assert [f"{ivf}: expected the SHA-256 " in message for message in caplog.messages] == [True]
        assert durable.sha256_file(ivf) == ivf.with_name(f"{ivf.name}.sha256").read_text()


@pytest.mark.parametrize("fault", ["durable.before_rename:1", "durable.before_rename:2", "mapped.made"])
def test_killed_while_it_writes(tmp_path: Path, fault: str) -> None:
    """Killed at any point of writing the file or its seal, a process leaves nothing that the next one takes, and no litter."""
    files = released(dial=DIAL)
    assert processes.run(lambda: mapped(files, tmp_path), fault) == processes.KILLED
    assert not list(tmp_path.glob("*.sha256"))
    assert list(tmp_path.glob(".*.new")) or fault == "mapped.made"
    for unsealed in tmp_path.glob("*.ivf"):
        unsealed.write_bytes(b"half of it")
    right(files, tmp_path)
    assert len(names(tmp_path)) == 2


def test_many_that_start_at_once_make_it_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of four processes one makes the file, the others wait and map it, and all hold the same."""
    files, made, make = released(dial=DIAL), tmp_path / "made", making._make

    def noted(*arguments: object) -> None:
        with made.open("a") as file:
            file.write("x")
        time.sleep(0.5)  # the others arrive
        make(*arguments)  # type: ignore[arg-type]  # passed on as they came

    monkeypatch.setattr(making, "_make", noted)

    def same() -> None:
        # Nothing is searched: what FAISS does in threads ends with a fork.
        assert dict(mapped(files, tmp_path / "folder").snapshot()) == dict(files)

    started = [processes.start(same) for _ in range(4)]
    assert [processes.end(one) for one in started] == [processes.DONE] * 4
    assert made.read_text() == "x"


def test_another_release_is_another_file(tmp_path: Path) -> None:
    """What is mapped does not follow a release, not even one of the same lists: that is loaded, from a file of its own."""
    index = FaissIndex.load(first := released(dial=DIAL))
    index.remove(["i1"])
    opened = mapped(first, tmp_path)
    assert opened.follow(index.snapshot(), lambda: None) is None
    right(index.snapshot(), tmp_path)
    assert len(names(tmp_path)) == 4
    assert "i1" in opened


def test_files_that_nobody_maps_are_removed(tmp_path: Path) -> None:
    """The two that were opened last stay, and those that are mapped; the others go when the next one is opened."""
    held = mapped(first := released(50), tmp_path)
    others = [released(50, seed=seed) for seed in range(1, 5)]
    for files in others:
        right(files, tmp_path)
    wanted = [first, *others[-2:]]
    assert {name.split(".")[0] for name in names(tmp_path)} == {durable.sha256(files[VECTORS]) for files in wanted}
    assert held.search(drawn(1), 5) == FaissIndex.load(first).search(drawn(1), 5)
    del held
    right(others[-2], tmp_path)
    wanted = others[-2:]
    assert {name.split(".")[0] for name in names(tmp_path)} == {durable.sha256(files[VECTORS]) for files in wanted}
