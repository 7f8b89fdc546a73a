"""Published data sets, taken out of the Python wheels that carry them, and checked by hash.

It does not know what is inside the files: `layouts` reads them.
"""

import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from ratoon import durable
from ratoon.domain.errors import StoreError, UsageError

Download = Callable[[str, Path], None]
"""Puts the wheel of a pinned requirement into a folder; raises StoreError when it cannot."""

SOURCE = "SOURCE.txt"


@dataclass(frozen=True, slots=True)
class Published:
    """A data set inside a wheel.

    Attributes:
        requirement: the pinned requirement whose wheel holds it.
        wheel: the wheel's file name.
        sha256: the wheel's SHA-256, hex.
        members: path inside the wheel -> SHA-256 of that file, hex.
        terms: what it is, whose it is and what its owner allows; written beside the files.
    """

    requirement: str
    wheel: str
    sha256: str
    members: Mapping[str, str]
    terms: str


_ML_100K = "recbole/dataset_example/ml-100k/ml-100k"

PUBLISHED: Mapping[str, Published] = MappingProxyType(
    {
        "movielens-100k": Published(
            requirement="recbole==1.2.1",
            wheel="recbole-1.2.1-py3-none-any.whl",
            sha256="9c9948202011f37eb0a7c6768129313f00d6403ad221ec940d5e2d5d5f33a407",
            members=MappingProxyType(
                {
                    f"{_ML_100K}.inter": "4edb74e2a81178c2ba9ff381495f754f996c4aea351b1272ca36b43da0935eff",
                    f"{_ML_100K}.item": "51d7cdf777ce5c0f5b32c1d947a4a81fe07d75e78abbe761e0cd4d0756064532",
                    f"{_ML_100K}.user": "4f670007d9cfbeb9807e757209af1555b9bcc186bde25e767f67cb67c6dd5972",
                }
            ),
            terms=(
                "MovieLens 100K: 100,000 ratings of 1,682 films by 943 people, September 1997 to April 1998,\n"
                "collected by the GroupLens research group at the University of Minnesota.\n\n"
                "GroupLens allows research use. It does not allow redistribution or commercial use without its\n"
                "permission, nor any suggestion that it or the university endorses the result. So these files\n"
                "belong in a cache, not in a repository or an image.\n\n"
                "Cite: F. Maxwell Harper and Joseph A. Konstan. 2015. The MovieLens Datasets: History and Context.\n"
                "ACM Transactions on Interactive Intelligent Systems 5, 4, Article 19. https://doi.org/10.1145/2827872\n"
            ),
        )
    }
)


def pip_download(requirement: str, folder: Path) -> None:
    """Let this interpreter's pip put the wheel of `requirement`, and nothing it depends on, into `folder`.

    Raises:
        StoreError: pip ended with an error; the last error it printed is in the message.
    """
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "-q", "-d", str(folder), requirement]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["nothing on stderr"]
        # Below its error pip may still advertise its own update.
        said = [line for line in said if line.startswith("ERROR")] or said
        raise StoreError(
            f"pip download {requirement}",
            expected="exit status 0",
            found=f"{done.returncode} ({said[-1]})",
            fix="Check the network and pip's index settings, then run the same command again.",
        )


def fetch(
    name: str,
    cache: Path,
    *,
    download: Download = pip_download,
    published: Mapping[str, Published] = PUBLISHED,
) -> Path:
    """The folder `cache/name` with the published files in it; downloads only what is not there already.

    Each file appears whole or not at all, and `SOURCE.txt` beside them names origin and terms.

    Raises:
        UsageError: no data set has this name.
        StoreError: the download failed, or brought something else than what was published.
    """
    if name not in published:
        raise UsageError(
            "data set",
            expected=f"one of {', '.join(sorted(published))}",
            found=repr(name),
            fix="To use data of your own, import its folder instead.",
        )
    data, folder = published[name], cache / name
    if not _complete(data, folder):
        for path, content in _download(data, download).items():
            durable.write(folder / Path(path).name, content)
        durable.write(folder / SOURCE, _source(data).encode())
    return folder


def _complete(data: Published, folder: Path) -> bool:
    files = {folder / Path(path).name: sha256 for path, sha256 in data.members.items()}
    return (folder / SOURCE).is_file() and all(
        path.is_file() and durable.sha256_file(path) == sha256 for path, sha256 in files.items()
    )


def _download(data: Published, download: Download) -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as temporary:
        wheel = Path(temporary) / data.wheel
        download(data.requirement, Path(temporary))
        if not wheel.is_file():
            found = ", ".join(sorted(path.name for path in Path(temporary).iterdir())) or "nothing"
            raise _changed(data.requirement, f"the wheel {data.wheel}", found)
        _check(data.wheel, data.sha256, durable.sha256_file(wheel))
        with zipfile.ZipFile(wheel) as archive:
            contents = {path: archive.read(path) for path in data.members}
    for path, sha256 in data.members.items():
        _check(path, sha256, durable.sha256(contents[path]))
    return contents


def _check(what: str, expected: str, found: str) -> None:
    if found != expected:
        raise _changed(what, f"sha256 {expected}", f"sha256 {found}")


def _changed(what: str, expected: str, found: str) -> StoreError:
    return StoreError(
        what,
        expected=expected,
        found=found,
        fix="The source no longer serves the published files: check pip's index settings; nothing was kept.",
    )


def _source(data: Published) -> str:
    members = "".join(f"  {path}\n    sha256 {sha256}\n" for path, sha256 in data.members.items())
    return f"{data.terms}\nTaken, unchanged, from {data.wheel} ({data.requirement},\nsha256 {data.sha256}):\n{members}"
