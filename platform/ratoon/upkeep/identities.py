"""Which ids of another catalogue mean the same as which of ours: a CSV file of two columns, or word that all do."""

import csv
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from ratoon.domain.errors import DataError, UsageError

HEADER = ["their_id", "our_id"]

SAME = "same"
"""Instead of a file: an id that both have means the same."""

Known = Callable[[str], bool]


def identities(option: str, said: str, theirs: Mapping[str, int], ours: Known) -> dict[str, str]:
    """Theirs to ours.

    Args:
        option: what the user calls it, for errors.
        said: `same`, the path of a file, or nothing: then no ids are shared.
        theirs: the ids that the other release knows.
        ours: whether we know an id.

    Raises:
        UsageError: there is no such file.
        DataError: a line is not a pair, or names an id that is not known or that an earlier line named; with its number.
    """
    if not said:
        return {}
    if said == SAME:
        return {name: name for name in theirs if ours(name)}
    path = Path(said)
    if not path.is_file():
        raise UsageError(option, expected=f"a CSV file, or the word {SAME}", found=said, fix="Name a file that is there.")
    with path.open(newline="", encoding="utf-8") as lines:
        reader = csv.reader(lines)
        return _read(option, path, ((reader.line_num, row) for row in reader), theirs, ours)


def _read(
    option: str, path: Path, rows: Iterator[tuple[int, list[str]]], theirs: Mapping[str, int], ours: Known
) -> dict[str, str]:
    _, header = next(rows, (1, list[str]()))
    if header != HEADER:
        raise _wrong(option, path, 1, f"the header {','.join(HEADER)}", ",".join(header) or "nothing")
    found, taken = dict[str, str](), set[str]()
    for line, row in rows:
        if len(row) != len(HEADER):
            raise _wrong(option, path, line, "two ids", ",".join(row) or "an empty line")
        their, our = row
        for name, again, known, whose in (
            (their, their in found, their in theirs, "other"),
            (our, our in taken, ours(our), "own"),
        ):
            if again:
                raise _wrong(option, path, line, "each id once", f"{name} again")
            if not known:
                raise _wrong(option, path, line, f"an id that the {whose} catalogue knows", name or "an empty one")
        found[their] = our
        taken.add(our)
    return found


def _wrong(option: str, path: Path, line: int, expected: str, found: str) -> DataError:
    return DataError(f"{option} {path}, line {line}", expected=expected, found=found, fix="Correct the line, or take it out.")
