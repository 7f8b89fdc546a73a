"""The file of keys in a home, `keys.json`: who may ask for what. It holds no secret, only their hashes."""

import fcntl
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, ConfigDict, Field, TypeAdapter, ValidationError

from ratoon import durable
from ratoon.domain.errors import StoreError, UsageError
from ratoon.serving.keys import secret
from ratoon.serving.keys.rates import Limit
from ratoon.serving.keys.roles import Role

NAME = "keys.json"
Stamp = tuple[int, int, int]
"""Modification time in ns, size and inode: a file that was replaced or changed has another."""


def _rate(text: str) -> str:
    Limit.parse(text)
    return text


@dataclass(frozen=True, slots=True)
class Key:
    """One key, without its secret.

    Attributes:
        id: 12 hexadecimal digits.
        name: whose it is or what for, at most 64 printable characters.
        digest: SHA-256 of the whole key, in hex.
        rate: in the notation of `Limit.parse`; None for the server's default.
        revoked: since when it is good for nothing.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    id: Annotated[str, Field(pattern=f"^{secret.ID}$")]
    name: str
    role: Role
    created: AwareDatetime
    digest: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] = field(repr=False)
    rate: Annotated[str, AfterValidator(_rate)] | None = None
    expires: AwareDatetime | None = None
    revoked: AwareDatetime | None = None

    def state(self, now: datetime) -> Literal["active", "expired", "revoked"]:
        """Whether it opens anything at `now`."""
        if self.revoked is not None:
            return "revoked"
        return "expired" if self.expires is not None and self.expires <= now else "active"


@dataclass(frozen=True, slots=True)
class _Kept:
    __pydantic_config__ = ConfigDict(extra="forbid")

    version: Literal[1]
    keys: tuple[Key, ...]


_FORMAT = TypeAdapter(_Kept)


class KeyFile:
    """The keys of a home, for those who change them. Any number of processes may at once; none loses another's change."""

    def __init__(self, home: Path) -> None:
        self.path = home / NAME

    def all(self) -> tuple[Key, ...]:
        """All that were ever made, oldest first; none before the first.

        Raises:
            StoreError: the file cannot be read or trusted.
        """
        try:
            return read(self.path)[0]
        except FileNotFoundError:
            return ()

    def create(
        self, role: Role, now: datetime, *, name: str = "", rate: str | None = None, expires: datetime | None = None
    ) -> tuple[Key, str]:
        """Make a key; with it comes its text, which is kept nowhere.

        Raises:
            UsageError: the name or the rate cannot be.
            StoreError: the file cannot be read or trusted.
        """
        _check(name, rate)
        with self._changing() as keys:
            taken = {key.id for key in keys}
            id = next(one for one in iter(secret.new_id, "") if one not in taken)
            text = secret.new_key(id)
            key = Key(id, name, role, now, secret.digest(text.encode()).hex(), rate, expires)
            self._write([*keys, key])
        return key, text

    def revoke(self, id: str, now: datetime) -> Key:
        """Make a key good for nothing. One that was revoked before stays as it is.

        Raises:
            UsageError: there is no such key.
            StoreError: the file cannot be read or trusted.
        """
        with self._changing() as keys:
            known = {key.id: key for key in keys}
            if id not in known:
                # Not what was typed: somebody may have put the whole key there.
                raise UsageError("ID", expected="the id of a key", found="another", fix="`ratoon keys list` shows the ids.")
            if known[id].revoked is None:
                known[id] = replace(known[id], revoked=now)
                self._write([*known.values()])
        return known[id]

    @contextmanager
    def _changing(self) -> Iterator[tuple[Key, ...]]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        handle = os.open(self.path.with_name(f".{NAME}.lock"), flags, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield self.all()
        finally:
            os.close(handle)

    def _write(self, keys: Sequence[Key]) -> None:
        with durable.writing(self.path) as file:
            os.fchmod(file.fileno(), 0o600)  # while it is empty
            file.write(_FORMAT.dump_json(_Kept(1, tuple(keys)), indent=1) + b"\n")


def read(path: Path) -> tuple[tuple[Key, ...], Stamp]:
    """The keys in a file, and the stamp of the bytes they were read from.

    Raises:
        FileNotFoundError: there is none.
        StoreError: it cannot be read, others could have written it, or it does not hold keys.
    """
    try:
        # Neither a link nor a pipe is waited on: both would let somebody else say what is read.
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as file:
            status = os.fstat(handle)
            _trust(path, status)
            raw = file.read()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _untrusted(path, f"one that cannot be read ({error.strerror})") from error
    try:
        keys = _FORMAT.validate_json(raw).keys
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"])) or "the whole"
        raise _untrusted(path, f"{place}: {first['msg']}") from None  # its cause would quote the file
    if len({key.id for key in keys}) < len(keys):
        raise _untrusted(path, "an id that two keys have")
    return keys, stamp(status)


def stamp(status: os.stat_result) -> Stamp:
    """What tells one state of a file from another."""
    return status.st_mtime_ns, status.st_size, status.st_ino


def _check(name: str, rate: str | None) -> None:
    if len(name) > 64 or not name.isprintable():
        fix = "Give it a shorter or plainer name."
        raise UsageError("--name", expected="at most 64 printable characters", found=repr(name[:80]), fix=fix)
    try:
        if rate is not None:
            Limit.parse(rate)
    except ValueError as error:
        fix = "Say how many in how long, once."
        raise UsageError("--rate", expected="a rate such as 100/second", found=repr(rate), fix=fix) from error


def _trust(path: Path, status: os.stat_result) -> None:
    folder = path.parent.stat()
    if not stat.S_ISREG(status.st_mode):
        raise _untrusted(path, "something that is no file")
    if status.st_mode & 0o022:
        raise _untrusted(path, f"mode {stat.S_IMODE(status.st_mode):04o}, by which others may write it")
    if status.st_uid not in (0, os.geteuid(), folder.st_uid):
        raise _untrusted(path, f"one that user {status.st_uid} owns")
    if folder.st_mode & 0o002 and not folder.st_mode & stat.S_ISVTX:
        raise _untrusted(path, f"a folder of mode {stat.S_IMODE(folder.st_mode):04o}, in which anybody may replace it")


def _untrusted(path: Path, found: str) -> StoreError:
    fix = "Put it back as `ratoon keys` wrote it, yours alone (chmod 600); or move it away and make new keys."
    return StoreError(str(path), expected="a file of keys that only its owner writes", found=found, fix=fix)
