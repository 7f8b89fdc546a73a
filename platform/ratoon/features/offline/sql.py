"""A join as one SQL statement for DuckDB, to be read, kept or run elsewhere; it gives the rows that the engines give."""

from collections.abc import Sequence

import pyarrow as pa

from ratoon.features.offline import sources
from ratoon.features.offline.keys import plain
from ratoon.features.offline.spec import ViewSide
from ratoon.features.offline.times import ZONED


def render(query: str, columns: pa.Schema, views: Sequence[ViewSide], *, timestamp: str, arrival: bool) -> str:
    """The statement.

    Args:
        query: a relation or query that gives the entity rows.
        columns: of the entity rows.
        arrival: whether a row's created timestamp must not exceed the entity row's time.
    """
    numbered = f"SELECT row_number() OVER () AS ratoon_row, {_us(timestamp, columns)} AS ratoon_us, * FROM {query}"
    parts, chosen = [f"entity_rows AS ({numbered})"], []
    for place, view in enumerate(views):
        met = _met(view, place, arrived=arrival and bool(view.created))
        parts += [f"view_{place} AS ({_view(view)})", f"met_{place} AS ({met})"]
        chosen += [f"met_{place}.features.{_name(output)} AS {_name(output)}" for _, output in view.features]
    time = f"make_timestamp(ratoon_us) AT TIME ZONE 'UTC' AS {_name(timestamp)}"
    own = [time if name == timestamp else f"entity_rows.{_name(name)}" for name in columns.names]
    joins = [f"LEFT JOIN met_{place} USING (ratoon_row)" for place in range(len(views))]
    head = "WITH " + ",\n".join(parts)
    return "\n".join([head, f"SELECT {', '.join([*own, *chosen])}", "FROM entity_rows", *joins, "ORDER BY ratoon_row"])


def relation(query: str) -> str:
    """A query as a relation, without the semicolon at its end; a comment there keeps its line to itself."""
    statement = query.rstrip("; \t\r\n")
    return f"({statement}\n)"


def _view(view: ViewSide) -> str:
    opened = sources.open_parts(view.source, view.where)
    schema, paths = opened[0].schema, ", ".join(_text(part.path) for part in opened)
    keys = "".join(f"{_name(column)} AS key_{place}, " for place, (column, _) in enumerate(view.keys))
    created = f"{_us(view.created, schema)} AS created, " if view.created else "NULL::BIGINT AS created, "
    features = ", ".join(f"{_name(output)} := {_name(column)}" for column, output in view.features)
    return (
        f"SELECT {keys}{_us(view.timestamp, schema)} AS since, {created}filename, file_row_number, "
        f"struct_pack({features}) AS features "
        f"FROM read_parquet([{paths}], filename = true, file_row_number = true, union_by_name = true, hive_partitioning = false)"
    )


_NEWEST = "(coalesce(v.created, -9223372036854775808), v.filename, v.file_row_number)"


def _met(view: ViewSide, place: int, *, arrived: bool) -> str:
    same = [f"e.{_name(name)} = v.key_{number}" for number, (_, name) in enumerate(view.keys)]
    held = [f"v.since >= e.ratoon_us - {view.ttl_us}"] if view.ttl_us else []
    if arrived:
        conditions = " AND ".join([*same, "v.since <= e.ratoon_us", "v.created <= e.ratoon_us", *held])
        newest = f"(v.since, {_NEWEST})"
        return (
            f"SELECT e.ratoon_row, arg_max(v.features, {newest}) AS features "
            f"FROM entity_rows AS e JOIN view_{place} AS v ON {conditions} GROUP BY e.ratoon_row"
        )
    keys = "".join(f"key_{number}, " for number in range(len(view.keys)))
    single = f"SELECT {keys}since, arg_max(features, {_NEWEST}) AS features FROM view_{place} AS v GROUP BY ALL"
    conditions = " AND ".join([*same, "e.ratoon_us >= v.since"])
    where = f" WHERE {held[0]}" if held else ""
    return f"SELECT e.ratoon_row, v.features FROM entity_rows AS e ASOF JOIN ({single}) AS v ON {conditions}{where}"


def _us(column: str, schema: pa.Schema) -> str:
    """Microseconds since 1970, whatever the session's time zone: what names no zone is UTC, finer units are cut down."""
    name, kind = _name(column), plain(schema.field(column).type)
    if pa.types.is_timestamp(kind) and kind.unit == "ns":
        # DuckDB knows no epoch_us of zoned nanoseconds, its casts round, and its division goes towards 0.
        return f"(epoch_ns({name}) // 1000 - (epoch_ns({name}) % 1000 < 0)::BIGINT)"
    if pa.types.is_timestamp(kind):
        return f"epoch_us({name})"
    if pa.types.is_date(kind):
        return f"epoch_us({name}::TIMESTAMP)"
    text = f"trim({name}::VARCHAR)"
    zoned = f"regexp_matches({text}, {_text(ZONED)})"
    return f"CASE WHEN {zoned} THEN epoch_us({text}::TIMESTAMPTZ) ELSE epoch_us({text}::TIMESTAMP) END"


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
