"""What a feature repository describes, written down with a checksum for processes that do not import Feast.

One flipped bit can leave JSON whole: a view would be filled by another fold, a rule would let other rows pass.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ratoon import durable
from ratoon.domain.errors import StoreError

Rows = Sequence[dict[str, Any]]
"""Values that JSON has."""

FILES = ("views.json", "rules.json")
"""Under `features/`; made again from the repository where one of them is missing."""


def write(path: Path, rows: Rows) -> None:
    """Replace the file, whole or not at all."""
    durable.write(path, json.dumps({"sha256": _sum(rows), "rows": rows}, indent=1, sort_keys=True).encode())


def read(path: Path) -> Rows:
    """The inverse of `write`; a file from before there were checksums is a plain list, and believed.

    Raises:
        StoreError: it is not as it was written.
        FileNotFoundError: it is not there.
    """
    try:
        said = json.loads(path.read_bytes())
        rows: Rows = said if isinstance(said, list) else said["rows"]
        found = "other content, by its checksum" if rows is not said and said["sha256"] != _sum(rows) else ""
    except (ValueError, TypeError, KeyError) as error:
        rows, found = (), repr(error)
    if found:
        raise StoreError(
            str(path),
            expected="what was written there of feature_repo/",
            found=found,
            fix="Delete it, then run `ratoon ingest`: it is made again from feature_repo/.",
        )
    return rows


def there(folder: Path) -> bool:
    """Whether a folder has them all."""
    return all((folder / name).exists() for name in FILES)


def _sum(rows: Rows) -> str:
    return durable.sha256(json.dumps(rows, sort_keys=True).encode())
