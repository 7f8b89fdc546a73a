"""Checked interactions on disk: added in any order, given back in order of time, a bounded number at once.

Each part is sorted as it comes; a span of time is then read from the blocks of all parts that touch it (the merge of an
external sort: Knuth, The Art of Computer Programming 3, 5.4). It does not know what a row means but its time.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import polars as pl
import pyarrow as pa


@dataclass(frozen=True, slots=True)
class _Block:
    part: int
    number: int
    first: int
    last: int
    rows: int


class Spool:
    """Rows (user, item, us, type, value) in a folder.

    Args:
        folder: an empty one that is there; the caller removes it.
        block: rows read from a part at once, at least.
    """

    def __init__(self, folder: Path, block: int = 1 << 14) -> None:
        self._folder, self._block, self._parts, self.rows = folder, block, 0, 0
        self._blocks: list[_Block] = []

    def add(self, rows: pl.DataFrame) -> None:
        """Keep n rows; rows of one moment stay in the order in which they were added."""
        if rows.is_empty():
            return
        ordered = rows.sort("us", maintain_order=True)
        table = ordered.to_arrow(compat_level=pl.CompatLevel.oldest())
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        with pa.OSFile(str(self._file(self._parts)), "wb") as file, pa.ipc.new_file(file, table.schema, options=options) as out:
            out.write_table(table.combine_chunks(), max_chunksize=self._block)
        us = ordered["us"].to_numpy()
        for number, start in enumerate(range(0, len(us), self._block)):
            block = us[start : start + self._block]
            self._blocks.append(_Block(self._parts, number, int(block[0]), int(block[-1]), len(block)))
        self._parts, self.rows = self._parts + 1, self.rows + rows.height

    def spans(self, size: int) -> list[int]:
        """Moments that cut time into half-open spans of about `size` rows; a moment with more rows is never cut.

        Returns:
            ascending microseconds; the first is the earliest moment, the last lies behind the latest.
        """
        blocks = sorted(self._blocks, key=lambda block: block.first)
        cuts, gathered = [blocks[0].first], 0
        for block in blocks:
            if gathered >= size and block.first > cuts[-1]:
                cuts.append(block.first)
                gathered = 0
            gathered += block.rows
        return [*cuts, max(block.last for block in blocks) + 1]

    def read(self, begin: int, end: int) -> pl.DataFrame:
        """The rows with begin <= us < end, those of one moment in the order in which they were added."""
        wanted = [block for block in self._blocks if block.first < end and block.last >= begin]
        parts = sorted({block.part for block in wanted})
        pieces = [self._read(part, [block.number for block in wanted if block.part == part]) for part in parts]
        return pl.concat(pieces).filter(pl.col("us").is_between(begin, end, closed="left"))

    def batches(self, size: int) -> Iterator[pl.DataFrame]:
        """All rows, span by span."""
        return (self.read(begin, end) for begin, end in pairwise(self.spans(size)))

    def _read(self, part: int, numbers: list[int]) -> pl.DataFrame:
        with pa.OSFile(str(self._file(part))) as file, pa.ipc.open_file(file) as stored:
            found = pl.from_arrow(pa.Table.from_batches([stored.get_batch(number) for number in numbers]))
        assert isinstance(found, pl.DataFrame)
        return found

    def _file(self, part: int) -> Path:
        return self._folder / f"{part:06}.arrow"
