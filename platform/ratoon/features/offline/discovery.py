"""Which files a path, a folder or a glob stands for, on this machine's disk and in remote stores alike."""

import glob
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from pyarrow import fs

from ratoon.features.offline.spec import Source

_S3 = {
    "AWS_ACCESS_KEY_ID": "access_key",
    "AWS_SECRET_ACCESS_KEY": "secret_key",
    "AWS_SESSION_TOKEN": "session_token",
    "AWS_DEFAULT_REGION": "region",
    "AWS_ENDPOINT_URL": "endpoint_override",
}


def discover(source: Source) -> tuple[fs.FileSystem, list[fs.FileInfo]]:
    """The files of a source, by path, and the file system that knows them by that path.

    A folder stands for the `*.parquet` files at any depth below it. In a glob, `*`, `?` and `[...]` stay within one name
    and `**` is any number of folders, links to folders left out; a folder that matches a glob is not read itself. A name
    that begins with `.` or `_`, as of a file or a folder that is being written, is passed over unless its part of the glob
    begins so, too.

    Raises:
        OSError: if the file system cannot be asked. A path at which there is nothing is no error.
    """
    system, path = system_of(source)
    return system, listed(system, path)


def listed(system: fs.FileSystem, path: str) -> list[fs.FileInfo]:
    """`discover` within a file system."""
    here = system.get_file_info(path)
    if here.type == fs.FileType.File:
        return [here]
    if here.type == fs.FileType.Directory:
        root, pattern = path.rstrip("/") or "/", ["**", "*.parquet"]
    elif glob.has_magic(path):
        root, pattern = split(path)
    else:
        return []
    if system.get_file_info(root).type == fs.FileType.File:
        return []
    found = _walk(system, root, pattern) if isinstance(system, fs.LocalFileSystem) else _listing(system, root, pattern)
    return sorted({info.path: info for info in found}.values(), key=lambda info: str(info.path))


def split(path: str) -> tuple[str, list[str]]:
    """The folder that a glob begins at, and the glob's further parts."""
    parts = path.split("/")
    first = next((place for place, part in enumerate(parts) if glob.has_magic(part)), len(parts))
    root = "/".join(parts[:first])
    return root or ("/" if path.startswith("/") else "."), [part for part in parts[first:] if part]


def system_of(source: Source) -> tuple[fs.FileSystem, str]:
    """The file system of a source, and its path there."""
    if "://" not in source.path or source.path.startswith("file://"):
        return fs.LocalFileSystem(), source.path.removeprefix("file://")
    options = {_S3[name]: value for name, value in source.storage if value}
    if source.path.startswith("s3://") and options:
        return fs.S3FileSystem(**options), source.path.removeprefix("s3://")
    # A glob is no URI; the folder that it begins at is one.
    root, pattern = split(source.path)
    system, path = fs.FileSystem.from_uri(root)
    return system, "/".join([path.rstrip("/"), *pattern])


def _walk(system: fs.FileSystem, folder: str, pattern: Sequence[str]) -> Iterator[fs.FileInfo]:
    """Folder by folder, so that nothing is looked into that cannot match."""
    first, rest = pattern[0], pattern[1:]
    if first == "**" and rest:
        yield from _walk(system, folder, rest)
    for info in system.get_file_info(fs.FileSelector(folder, allow_not_found=True)):
        inside = info.type == fs.FileType.Directory and _fits(info.base_name, first)
        if inside and first == "**" and not Path(info.path).is_symlink():
            yield from _walk(system, info.path, pattern)
        elif inside and first != "**" and rest:
            yield from _walk(system, info.path, rest)
        elif info.type == fs.FileType.File and not rest and _fits(info.base_name, first):
            yield info


def _listing(system: fs.FileSystem, root: str, pattern: Sequence[str]) -> Iterator[fs.FileInfo]:
    """By one listing of all that is below: an object store answers for a thousand names at once."""
    root = "" if root == "." else root
    for info in system.get_file_info(fs.FileSelector(root, recursive=True, allow_not_found=True)):
        if info.type == fs.FileType.File and _matches(info.path.removeprefix(root).strip("/").split("/"), pattern):
            yield info


def _matches(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    if not pattern or not parts:
        return not pattern and not parts
    first, rest = pattern[0], pattern[1:]
    if first == "**" and rest and _matches(parts, rest):
        return True
    if not _fits(parts[0], first):
        return False
    return _matches(parts[1:], pattern if first == "**" and len(parts) > 1 else rest)


def _fits(name: str, pattern: str) -> bool:
    return fnmatchcase(name, pattern) and (name[0] not in "._" or name[0] == pattern[0])
