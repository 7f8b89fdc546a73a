"""The spool: whatever the order and the sizes in which rows come, they leave in order of time and nothing is lost."""

import tempfile
from pathlib import Path

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from ratoon.data.spool import Spool

parts = st.lists(st.lists(st.integers(0, 30), max_size=40), min_size=1, max_size=5).filter(any)


def rows(moments: list[int], number: int) -> pl.DataFrame:
    names = [f"{number}:{place}" for place in range(len(moments))]
    return pl.DataFrame({"us": moments, "row": names}, schema={"us": pl.Int64, "row": pl.String})


@given(parts, st.integers(1, 20))
def test_rows_come_back_sorted_and_stable(given_parts: list[list[int]], size: int) -> None:
    """The batches, each sorted by time, are all rows sorted by time, rows of one moment in the order of adding."""
    with tempfile.TemporaryDirectory() as folder:
        spool = Spool(Path(folder), block=4)
        frames = [rows(moments, number) for number, moments in enumerate(given_parts)]
        for frame in frames:
            spool.add(frame)
        batches = list(spool.batches(size))
    assert pl.concat([batch.sort("us", maintain_order=True) for batch in batches]).equals(
        pl.concat(frames).sort("us", maintain_order=True)
    )
    assert spool.rows == sum(map(len, given_parts))


def test_a_batch_is_bounded(tmp_path: Path) -> None:
    """Batches hold about as many rows as asked for, and a moment is never in two of them."""
    spool = Spool(tmp_path, block=4)
    for number in range(5):
        spool.add(rows(list(range(0, 4000, 2)), number))
    batches = list(spool.batches(500))
    assert len(batches) > 10
    assert max(batch.height for batch in batches) <= 2 * 500
    moments = [set(batch["us"]) for batch in batches]
    assert sum(map(len, moments)) == len(set().union(*moments)) == 2000
