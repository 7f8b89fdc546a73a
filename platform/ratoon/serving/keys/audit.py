"""The audit file: one JSON line for every operating call and every change of keys, durable before the writer goes on."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from ratoon.domain.errors import StoreError
from ratoon.serving.keys.secret import redacted

NAME = "audit.jsonl"
LONGEST = 200
"""Characters of one value that a caller chose."""


@dataclass(frozen=True, slots=True)
class Act:
    """What somebody did, or was refused.

    Attributes:
        time: when it was done, UTC.
        key: the id of their key; empty without one.
        name: of their key; `cli` or `anonymous` without one.
        action: method and path template, or the command.
        status: of the answer; None for a command.
        request_id: empty for a command.
        on: what was acted upon: the path's parameters, or the key that was changed.
    """

    time: datetime
    key: str
    name: str
    action: str
    status: int | None = None
    request_id: str = ""
    on: Mapping[str, object] = field(default_factory=dict)


class Audit:
    """The file `audit.jsonl` of a home. Any number of processes append to it."""

    def __init__(self, home: Path) -> None:
        self.path = home / NAME

    def record(self, act: Act) -> None:
        """Append one line and sync it: one write at the end of the file (O_APPEND), so that no two lines mix.

        Raises:
            StoreError: it could not be written, as a whole.
        """
        said = {
            "time": act.time.isoformat(),
            "key": act.key,
            "name": act.name,
            "action": act.action[:LONGEST],
            "status": act.status,
            "request_id": act.request_id[:LONGEST],
            "on": {name: str(value)[:LONGEST] for name, value in act.on.items()},
        }
        line = redacted(json.dumps(said)).encode() + b"\n"
        try:
            self._append(line)
        except OSError as error:
            raise self._failed(error.strerror or type(error).__name__) from error

    def _append(self, line: bytes) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # O_NOFOLLOW: a link planted here would let its maker choose which file of ours grows.
        handle = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            written = os.write(handle, line)
            os.fsync(handle)
        finally:
            os.close(handle)
        if written < len(line):
            raise self._failed(f"room for {written} of {len(line)} bytes")

    def _failed(self, found: str) -> StoreError:
        fix = "What it should say was done, or refused, all the same; make room or correct the file's permissions."
        return StoreError(str(self.path), expected="a file to append to", found=found, fix=fix)
