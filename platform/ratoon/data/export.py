"""Events -> a folder in the generic layout, as `layouts.read` reads it."""

import io
import json
from pathlib import Path

import polars as pl
import pyarrow as pa

from ratoon import durable
from ratoon.domain.errors import DataError

ENTITIES = {"item": "items.parquet", "user": "users.parquet"}


def write_generic(folder: Path, events: pa.Table) -> None:
    """Write interactions.parquet, items.parquet and users.parquet, each whole or not at all; reading them gives `events`.

    Event ids are not written: reading derives them again from users, items and times.

    Args:
        folder: made if it is not there; files of these names are replaced.
        events: `ratoon.domain.event.EVENT_SCHEMA`, of kinds interaction, user and item.

    Raises:
        DataError: an event says what the layout cannot: a removal, a surface, a request, a feature named like an id.
    """
    frame = pl.DataFrame(events)
    _check(frame)
    log = frame.filter(kind="interaction").select(
        user="user_id", item="item_id", timestamp="event_timestamp", type="type", value="value"
    )
    _write(folder / "interactions.parquet", log)
    for kind, name in ENTITIES.items():
        _write(folder / name, _entities(frame.filter(kind=kind), kind))


def _check(frame: pl.DataFrame) -> None:
    found = [f"{kind} events" for kind in sorted(set(frame["kind"]) - {"interaction", *ENTITIES})]
    found += [f"a {name}" for name in ("surface", "request_id") if frame[name].is_not_null().any()]
    if found:
        raise DataError(
            "events",
            expected="interactions, users and items, without surface and request",
            found=", ".join(found),
            fix="The generic layout has no place for them; leave them out.",
        )


def _entities(frame: pl.DataFrame, kind: str) -> pl.DataFrame:
    known = [json.loads(text) for text in frame["features"].fill_null("{}")]
    features = pl.from_dicts(known, infer_schema_length=None) if any(known) else pl.DataFrame()
    clash = sorted({kind, "timestamp"} & set(features.columns))
    if clash:
        raise DataError(
            f"features of {kind} events",
            expected=f"names other than {kind} and timestamp",
            found=clash[0],
            fix="Give the feature another name.",
        )
    return frame.select(pl.col(f"{kind}_id").alias(kind), timestamp="event_timestamp").hstack(features)


def _write(path: Path, frame: pl.DataFrame) -> None:
    content = io.BytesIO()
    frame.write_parquet(content)
    durable.write(path, content.getvalue())
