"""What a repository describes is believed only as it was written."""

import json
import re
from pathlib import Path

import pytest

from ratoon.domain.errors import RatoonError, StoreError
from ratoon.features.described import read, there, write

ROWS = [{"name": "a", "online": True, "fields": [1, 2.5]}, {"name": "b", "online": False, "fields": []}]


def test_read_is_the_inverse_of_write(tmp_path: Path) -> None:
    """Rows come back equal; a list from before there were checksums is taken as it is."""
    path = tmp_path / "views.json"
    write(path, ROWS)
    assert read(path) == ROWS
    path.write_text(json.dumps(ROWS))
    assert read(path) == ROWS


def test_no_changed_bit_is_believed(tmp_path: Path) -> None:
    """Whichever bit changes: the rows are what they were, or the error names the file and says how it is made again."""
    path, named = tmp_path / "views.json", list[str]()
    write(path, ROWS)
    good = path.read_bytes()
    for place in range(len(good)):
        path.write_bytes(good[:place] + bytes([good[place] ^ 0x10]) + good[place + 1 :])
        try:
            assert read(path) == ROWS
        except RatoonError as error:
            named.append(str(error))
    assert len(named) > len(good) // 2
    assert all(str(path) in one for one in named)
    path.write_bytes(good.replace(b'"a"', b'"c"'))
    message = (
        f"{path}: expected what was written there of feature_repo/, found other content, by its checksum. "
        "Delete it, then run `ratoon ingest`: it is made again from feature_repo/."
    )
    with pytest.raises(StoreError, match=f"^{re.escape(message)}$"):
        read(path)


def test_all_files_are_there_or_not(tmp_path: Path) -> None:
    """One that is missing is enough for the repository to be applied again."""
    write(tmp_path / "views.json", ROWS)
    assert not there(tmp_path)
    write(tmp_path / "rules.json", [])
    assert there(tmp_path)
