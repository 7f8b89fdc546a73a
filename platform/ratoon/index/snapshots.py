"""The part of a snapshot that every index shares: `items.parquet`, one row per vector, with the metric in its metadata."""

import io

import pyarrow as pa
import pyarrow.parquet as pq

from ratoon.domain.errors import StoreError
from ratoon.domain.places import Places
from ratoon.domain.release import Metric
from ratoon.index.items.slots import Rows, Slots
from ratoon.ports import Files

ITEMS = "items.parquet"
METRIC = b"ratoon.metric"
FIX = "Publish again, or roll back to a release whose index can be read."


def write_items(slots: Slots, order: Rows, metric: Metric) -> bytes:
    """The items in the slots of `order`; the same bytes for the same content in the same order."""
    sink, table = io.BytesIO(), slots.table(order).replace_schema_metadata({METRIC: metric.encode()})
    # Half of what Parquet's defaults take, and as quick to read. Ids are all different, so that a dictionary of them is more
    # than they are; those beside each other often begin alike.
    pq.write_table(
        table,
        sink,
        compression="zstd",
        use_dictionary=[name for name in table.column_names if name != "item_id"],
        column_encoding={"item_id": "DELTA_BYTE_ARRAY"},
        write_statistics=False,
    )
    return sink.getvalue()


def read_items(files: Files) -> tuple[pa.Table, Metric]:
    """What `write_items` wrote.

    Raises:
        StoreError: the file is missing, is no Parquet file, or is not an index's.
    """
    try:
        # Not `read_table`, which takes twice as long: it looks for folders of files, and imports what that takes.
        table = pq.ParquetFile(pa.BufferReader(part(files, ITEMS))).read(use_threads=False)
    except (pa.ArrowInvalid, OSError) as error:
        raise StoreError(ITEMS, expected="a Parquet file", found=str(error), fix=FIX) from error
    metric = (table.schema.metadata or {}).get(METRIC, b"").decode()
    if metric not in ("cosine", "dot") or "item_id" not in table.column_names:
        raise StoreError(
            ITEMS,
            expected="a column item_id and the metric cosine or dot in the file's metadata",
            found=f"columns {', '.join(table.column_names)} and metric {metric!r}",
            fix=FIX,
        )
    return table.replace_schema_metadata(None), "cosine" if metric == "cosine" else "dot"


def part(files: Files, name: str) -> bytes:
    """One file of a snapshot; StoreError naming it if it is not there."""
    if name not in files:
        raise StoreError(name, expected="a file of the index's snapshot", found="no such file", fix=FIX)
    return files[name]


def placed(table: pa.Table, vectors: int, name: str) -> Places:
    """Where each item is.

    Raises:
        StoreError: `name`, a file of vectors, has more or fewer of them than there are items, or one occurs twice.
    """
    places = Places(table.column("item_id").combine_chunks())
    items, rows = places.distinct(), table.num_rows
    if not items == rows == vectors:
        raise StoreError(
            name,
            expected=f"a vector for each of the {items} items in {ITEMS}",
            found=f"{vectors} vectors for {rows} rows",
            fix=FIX,
        )
    return places
