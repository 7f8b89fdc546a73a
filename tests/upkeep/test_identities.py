"""Which ids of two catalogues mean the same."""

from pathlib import Path

import pytest

from ratoon.domain.errors import DataError, UsageError
from ratoon.upkeep.identities import identities

THEIRS = {"a": 1, "b": 2, "c": 3}
OURS = {"x", "y", "a"}


def _read(path: Path, text: str) -> dict[str, str]:
    path.write_text(text, encoding="utf-8")
    return identities("--items", str(path), THEIRS, OURS.__contains__)


def test_a_file_pairs_them(tmp_path: Path) -> None:
    """Each line is a pair; ids without a line are not shared."""
    assert _read(tmp_path / "map.csv", 'their_id,our_id\na,x\n"b",y\n') == {"a": "x", "b": "y"}


def test_a_word_pairs_all_that_both_have() -> None:
    """`same` pairs the ids that both know, and nothing pairs none."""
    assert identities("--items", "same", THEIRS, OURS.__contains__) == {"a": "a"}
    assert identities("--items", "", THEIRS, OURS.__contains__) == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "line 1: expected the header their_id,our_id, found nothing"),
        ("a,x\n", "line 1: expected the header their_id,our_id, found a,x"),
        ("their_id,our_id\na,x\nb\n", "line 3: expected two ids, found b"),
        ("their_id,our_id\na,x\na,y\n", "line 3: expected each id once, found a again"),
        ("their_id,our_id\na,x\nb,x\n", "line 3: expected each id once, found x again"),
        ("their_id,our_id\nz,x\n", "line 2: expected an id that the other catalogue knows, found z"),
        ("their_id,our_id\na,z\n", "line 2: expected an id that the own catalogue knows, found z"),
    ],
)
def test_what_pairs_nothing_is_refused_by_line(tmp_path: Path, text: str, said: str) -> None:
    """Another header, a line that is no pair, an id twice or unknown: with the number of the line."""
    with pytest.raises(DataError, match=said):
        _read(tmp_path / "map.csv", text)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """Is refused by the option's name."""
    with pytest.raises(UsageError, match="--items: expected a CSV file, or the word same"):
        identities("--items", str(tmp_path / "none.csv"), THEIRS, OURS.__contains__)
