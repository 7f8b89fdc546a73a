"""The point-in-time join as it is defined, row by row, in plain Python; slow, and nothing to get wrong."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Value = str | int | None


@dataclass(frozen=True)
class Row:
    """One row of a view, in the order of the files; times in microseconds."""

    key: tuple[Value, ...]
    since: int
    created: int | None
    values: tuple[Value, ...]


@dataclass(frozen=True)
class Asked:
    """One entity row."""

    key: tuple[Value, ...]
    at: int
    arrival: int | None


def joined(rows: Sequence[Row], asked: Asked, ttl: int, *, stamped: bool, arrived: bool) -> tuple[Value, ...] | None:
    """The values that hold for an entity row, None if none do.

    Args:
        stamped: whether the view has a created column.
        arrived: whether only rows that had arrived by the entity row's arrival count.
    """
    best: tuple[tuple[int, int, int], Row] | None = None
    for place, row in enumerate(rows):
        if None in asked.key or row.key != asked.key or row.since > asked.at:
            continue
        if ttl and row.since + ttl < asked.at:
            continue
        if arrived and stamped and (row.created is None or asked.arrival is None or row.created > asked.arrival):
            continue
        rank = (row.since, -(2**63) if row.created is None or not stamped else row.created, place)
        if best is None or rank > best[0]:
            best = (rank, row)
    return best[1].values if best else None


def column(found: Sequence[tuple[Value, ...] | None], place: int) -> list[Value]:
    """One feature of many answers."""
    return [None if values is None else values[place] for values in found]


def newest(rows: Sequence[Row], start: int, end: int) -> Mapping[tuple[Value, ...], Row]:
    """Each key's newest row with a time in start..end."""
    best: dict[tuple[Value, ...], tuple[tuple[int, int, int], Row]] = {}
    for place, row in enumerate(rows):
        rank = (row.since, -(2**63) if row.created is None else row.created, place)
        if start <= row.since <= end and (row.key not in best or rank > best[row.key][0]):
            best[row.key] = (rank, row)
    return {key: row for key, (_, row) in best.items()}
