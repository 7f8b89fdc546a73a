"""Writes the tables that feature stores are measured on; a script, so that whoever is measured never held them.

`views.json` beside the tables says what a store has to know of them: name, entity, ttl in days, file, fields.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

START_US = 1_767_225_600_000_000
"""2026-01-01T00:00:00Z."""
DAY_US = 86_400_000_000
DAYS = 60
VERSIONS = 20
TTL_DAYS = (7, 0, 3, 0)
TIES, UNKNOWN = 0.01, 0.02
FIELDS = ("Float64", "Float64", "Float64", "Int64", "String")
KEYS = {"user": "user_id", "item": "item_id"}
TIME = pa.timestamp("us", "UTC")


def main() -> None:
    """One world into a folder."""
    asked = argparse.ArgumentParser()
    asked.add_argument("world", choices=("joins", "profiles"))
    asked.add_argument("folder", type=Path)
    asked.add_argument("--rows", type=int, required=True, help="of each table")
    asked.add_argument("--entities", type=int, default=0, help="rows to join")
    asked.add_argument("--views", type=int, default=1)
    asked.add_argument("--fields", type=int, default=10)
    asked.add_argument("--seed", type=int, default=0)
    given = asked.parse_args()
    given.folder.mkdir(parents=True)
    random = np.random.default_rng(given.seed)
    if given.world == "joins":
        views = [joined(given.folder, number, given.rows, random) for number in range(len(TTL_DAYS))]
        pq.write_table(entities(given.rows // VERSIONS, given.entities, random), given.folder / "entities.parquet")
    else:
        views = [profile(given.folder, number, given.rows, given.fields, random) for number in range(given.views)]
    (given.folder / "views.json").write_text(json.dumps(views))


def joined(folder: Path, number: int, rows: int, random: np.random.Generator) -> dict[str, object]:
    """A table sorted by time with 20 versions of every key, 1 % of them with the key and time of another row."""
    entity, keys = ("user", "item")[number // 2], rows // VERSIONS
    names = [f"view{number}_f{place}" for place in range(len(FIELDS))]
    file = folder / f"view{number}.parquet"
    writer = None
    for version in range(VERSIONS):
        key = random.permutation(keys)
        us = np.sort(random.integers(0, DAYS * DAY_US // VERSIONS, keys)) + START_US + version * DAYS * DAY_US // VERSIONS
        created = us + random.integers(0, DAY_US, keys)
        tied = np.flatnonzero(random.uniform(size=keys) < TIES)
        key[tied], us[tied] = key[tied - 1], us[tied - 1]
        order = np.argsort(us, kind="stable")
        columns = {KEYS[entity]: text(entity[0], key[order]), "event_timestamp": times(us[order])}
        columns |= {"created_timestamp": times(created[order])} | features(names, FIELDS, keys, random)
        table = pa.table(columns)
        writer = writer or pq.ParquetWriter(file, table.schema)
        writer.write_table(table)
    assert writer is not None
    writer.close()
    fields = [*zip(names, FIELDS, strict=True)]
    return {"name": f"view{number}", "entity": entity, "ttl_days": TTL_DAYS[number], "file": file.name, "fields": fields}


def entities(keys: int, rows: int, random: np.random.Generator) -> pa.Table:
    """Rows to join, in no order: a number, a user, an item, a time; 2 % of the users and items are in no table."""
    columns: dict[str, pa.Array] = {"row": pa.array(np.arange(rows))}
    for entity, column in KEYS.items():
        who = random.integers(0, keys, rows)
        columns[column] = text(entity[0], np.where(random.uniform(size=rows) < UNKNOWN, who + keys, who))
    return pa.table(columns | {"event_timestamp": times(START_US + random.integers(0, DAYS * DAY_US, rows))})


def profile(folder: Path, number: int, rows: int, count: int, random: np.random.Generator) -> dict[str, object]:
    """A table with one row per user: numbers, and every fifth feature a text."""
    names = [f"profile{number}_f{place}" for place in range(count)]
    kinds = [FIELDS[place % len(FIELDS)] for place in range(count)]
    us = np.sort(random.integers(0, DAYS * DAY_US, rows)) + START_US
    columns = {"user_id": text("u", np.arange(rows)), "event_timestamp": times(us), "created_timestamp": times(us + 1)}
    file = folder / f"profile{number}.parquet"
    pq.write_table(pa.table(columns | features(names, kinds, rows, random)), file)
    fields = [*zip(names, kinds, strict=True)]
    return {"name": f"profile{number}", "entity": "user", "ttl_days": 0, "file": file.name, "fields": fields}


def features(names: list[str], kinds: list[str] | tuple[str, ...], rows: int, random: np.random.Generator) -> dict[str, pa.Array]:
    """One column per name; one value in fifty is missing."""
    columns: dict[str, pa.Array] = {}
    for name, kind in zip(names, kinds, strict=True):
        if kind == "String":
            column = text("c", random.integers(0, 1000, rows))
        elif kind == "Int64":
            column = pa.array(random.integers(0, 1_000_000, rows))
        else:
            column = pa.array(random.normal(size=rows))
        columns[name] = pc.if_else(pa.array(random.uniform(size=rows) < 0.02), pa.scalar(None, column.type), column)
    return columns


def text(letter: str, numbers: np.ndarray) -> pa.Array:
    """`u7` and the like."""
    return pc.binary_join_element_wise(letter, pc.cast(pa.array(numbers), pa.string()), "")


def times(us: np.ndarray) -> pa.Array:
    """Microseconds as moments."""
    return pa.array(us).cast(TIME)


if __name__ == "__main__":
    main()
