"""Where the online store is, and how it is opened."""

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path

from ratoon import durable
from ratoon.domain.errors import StoreError
from ratoon.features.online.store import RowStore
from ratoon.features.places import found, written


@dataclass(frozen=True)
class Place:
    """Where an online store is, as `feature_store.yaml` says.

    Attributes:
        kind: sqlite or redis.
        address: a file's path, or a connection string, as it is written in the file; environment variables in it are filled
            in where it is opened, once, so that no password is written down.
    """

    kind: str
    address: str
    project: str

    def save(self, path: Path) -> None:
        """Write it down for processes that do not import Feast; see `written` for what lies beside `path`."""
        address = written(self.address, path.parent) if self.kind == "sqlite" else self.address
        durable.write(path, json.dumps({**vars(self), "address": address}, sort_keys=True).encode())

    @classmethod
    def load(cls, path: Path) -> "Place":
        """The inverse of `save`, wherever the folder is by now.

        Raises:
            StoreError: if no repository was applied here.
        """
        if not path.exists():
            raise StoreError(
                str(path),
                expected="the online store of an applied feature repository",
                found="no such file",
                fix="Run `ratoon bootstrap` or `ratoon ingest` first.",
            )
        place = cls(**json.loads(path.read_bytes()))
        return replace(place, address=found(place.address, path.parent)) if place.kind == "sqlite" else place

    def open(self) -> RowStore:
        """The store itself."""
        return open_rows(self.kind, os.path.expandvars(self.address), self.project)


def open_rows(kind: str, address: str, project: str) -> RowStore:
    """The store at an address in which nothing is to be filled in any more."""
    if kind == "sqlite":
        from ratoon.features.online.sqlite import SqliteRows

        return SqliteRows(Path(address), project)
    from ratoon.features.online.redis import RedisRows

    return RedisRows(address, project)
