"""A release's files, whole or as what differs from its parent's: how they lie in its folder, and how they are put together.

    NAME                        the file, whole; where it lies, the next two do not count
    NAME.delta                  what differs from the parent's file of that name
    NAME.link                   the parent's folder and the two SHA-256s that the delta goes with, as JSON

A chain starts at a whole file and is at most LONGEST links long. It is read with every hash checked: of the whole file it
starts at, of each delta, and of what comes out. Folding a file writes it whole beside its delta before that goes, so that
whoever reads, or dies, at any moment finds one of them.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ratoon import durable
from ratoon.domain.errors import StoreError
from ratoon.registry import appended, changed_rows
from ratoon.registry.notes import parsed

DELTA, LINK = ".delta", ".link"

LONGEST = 8
"""Links in a chain: the file after them is written whole again."""

BLOCK = 4096
"""Bytes that a file system gives a file at a time."""

FORMS: dict[str, tuple[Callable[[bytes, bytes], bytes | None], Callable[[bytes, Sequence[bytes]], bytes]]] = {
    ".safetensors": (changed_rows.difference, changed_rows.rebuilt),
    ".json": (appended.difference, appended.rebuilt),
}
"""Suffix -> how two files of that kind differ, and how the newest comes back from the oldest."""

FOLDER = re.compile(r"\d{6,}-\w{1,12}")


@dataclass(frozen=True, slots=True)
class Link:
    """What a delta goes with.

    Attributes:
        base: the parent's folder.
        whole: SHA-256 of the parent's whole file.
        delta: SHA-256 of the delta.
    """

    base: str
    whole: str
    delta: str


@dataclass(frozen=True, slots=True)
class Chain:
    """Where a file's bytes are: a whole one and the links after it, newest first, each with the path that it stands for."""

    links: tuple[tuple[Path, Link], ...]
    start: Path


class Chains:
    """The files in a surface's release folders. Only `fold` changes what lies there."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def read(self, path: Path, wanted: str) -> bytes:
        """The whole file that `path` stands for, if its SHA-256 is `wanted`.

        Raises:
            StoreError: a link, a delta or the whole file is missing, or its bytes are not those that were published.
        """
        chain = self._chain(path)
        while True:
            try:
                return self._replayed(chain, wanted)
            except StoreError:
                # A fold may have taken away what was about to be read; a chain only gets shorter, so this ends.
                if (again := self._chain(path)) == chain:
                    raise
                chain = again

    def stored(self, name: str, data: bytes, base: Path, whole: str) -> dict[str, bytes]:
        """The files to write for `data`: a delta and its link if they take less room and come back as `data`, else `data` itself.

        Args:
            base: the parent's file of that name.
            whole: its SHA-256.
        """
        if base.suffix not in FORMS or len(data) <= 2 * BLOCK:
            return {name: data}
        differ, rebuild = FORMS[base.suffix]
        try:
            chain, old = self._chain(base), self.read(base, whole)
        except StoreError:
            # A damaged parent must not keep a rollback from being published: nothing builds on it.
            return {name: data}
        delta = differ(old, data)
        if delta is None or not self._pays(chain, delta, data) or rebuild(old, [delta]) != data:
            return {name: data}
        link = Link(base.parent.name, whole, durable.sha256(delta))
        return {f"{name}{DELTA}": delta, f"{name}{LINK}": json.dumps(asdict(link), sort_keys=True).encode()}

    def fold(self, folder: Path, files: Mapping[str, str]) -> None:
        """Write whole what lies in `folder` as deltas, so that nothing in it needs another folder.

        Args:
            files: name -> SHA-256 of the release in that folder.
        """
        for torn in folder.glob(".*.new"):
            torn.unlink()
        for name, wanted in files.items():
            path = folder / name
            if not _beside(path, LINK).exists():
                continue
            durable.write(path, self.read(path, wanted))
            durable.fault_point("registry.folded")
            # The link last: a reader that looked before the file was whole takes a delta without a link for damage.
            _beside(path, DELTA).unlink(missing_ok=True)
            _beside(path, LINK).unlink()
            durable.sync_folder(folder)

    def _chain(self, path: Path) -> Chain:
        links: list[tuple[Path, Link]] = []
        while not path.exists() and (link := self._link(path)) is not None:
            links.append((path, link))
            path = self._root / link.base / path.name
        if _beside(path, DELTA).exists() and not path.exists():
            expected = f"what {path.name}{DELTA} goes with"
            raise StoreError(str(_beside(path, LINK)), expected=expected, found="no such file", fix=_fix(path))
        return Chain(tuple(links), path)

    def _link(self, path: Path) -> Link | None:
        link = parsed(_beside(path, LINK), lambda text: Link(**json.loads(text)), _fix(path))
        # A chain that leads back to itself would never end.
        if link and not (FOLDER.fullmatch(link.base) and sequence_of(link.base) < sequence_of(path.parent.name)):
            where, expected = str(_beside(path, LINK)), "the folder of an earlier release"
            raise StoreError(where, expected=expected, found=repr(link.base), fix=_fix(path))
        return link

    def _replayed(self, chain: Chain, wanted: str) -> bytes:
        start = self._checked(chain.start, chain.links[-1][1].whole if chain.links else wanted)
        if not chain.links:
            return start
        path = chain.links[0][0]
        deltas = [self._checked(_beside(at, DELTA), link.delta) for at, link in reversed(chain.links)]
        try:
            data = FORMS[path.suffix][1](start, deltas)
        except ValueError as error:
            expected = f"{len(deltas)} differences that lead here from {chain.start.parent.name}"
            raise StoreError(str(path), expected=expected, found=repr(error), fix=_fix(path)) from error
        if (found := durable.sha256(data)) != wanted:
            raise StoreError(str(path), expected=f"SHA-256 {wanted}", found=f"{found} from its links", fix=_fix(path))
        return data

    def _checked(self, path: Path, wanted: str) -> bytes:
        try:
            data = path.read_bytes()
        except OSError as error:
            raise StoreError(str(path), expected=f"SHA-256 {wanted}", found=repr(error), fix=_fix(path)) from error
        if (found := durable.sha256(data)) != wanted:
            raise StoreError(str(path), expected=f"SHA-256 {wanted}", found=found, fix=_fix(path))
        return data

    def _pays(self, chain: Chain, delta: bytes, data: bytes) -> bool:
        if len(chain.links) >= LONGEST:
            return False
        earlier = sum(_beside(path, DELTA).stat().st_size for path, _ in chain.links)
        return earlier + len(delta) <= len(data) and _blocks(len(delta)) + 1 < _blocks(len(data))


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _fix(path: Path) -> str:
    number = sequence_of(path.parent.name)
    # What came after the damage may be built on it.
    back = f", or roll back to a release before {number}: `ratoon releases` lists them" if number > 1 else ""
    return f"Bring the file back from a backup{back}."


def sequence_of(folder: str) -> int:
    """The sequence in the name of a release's folder."""
    return int(folder.partition("-")[0])


def _blocks(size: int) -> int:
    return -(-size // BLOCK)
