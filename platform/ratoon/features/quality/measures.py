"""What a rule measures of each row, as one number or text per row; null where it says nothing of a row.

Every rule but `one_of` comes down to low <= measure <= high:

range       the value itself; times in microseconds since 1970
robust_z    |x - median| / (1.4826 MAD): deviations of a normal distribution (Iglewicz & Hoaglin 1993)
null_share  1 for a missing value, 0 for one that is there: its mean is judged
not_before, not_after   seconds from the bound to the event
rate        events of the same user in the window that ends with this one, this one included
schema      how many of the event's values do not fit their field's type
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ratoon.domain.event import TIME
from ratoon.features.quality.ledger import Spread
from ratoon.features.quality.rules import Rule

Floats = npt.NDArray[np.float64]

FEWEST = 30
"""With fewer known values than this nothing is called an outlier."""

_NONE = pa.schema([pa.field("user_id", pa.string()), pa.field("event_timestamp", TIME)]).empty_table()


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows to be judged, and what they are judged against.

    Attributes:
        columns: n rows: the fields that rules look at, `event_timestamp`, `created_timestamp`; for events `user_id` too,
            and `unfit`, the number of values that do not fit.
        earlier: events before these rows, for `rate`: `user_id` and `event_timestamp`.
        spreads: rule key -> what `robust_z` measures against; a rule without one is measured against the rows themselves.
    """

    columns: Mapping[str, pa.Array]
    now: datetime
    earlier: pa.Table = field(default_factory=lambda: _NONE)
    spreads: Mapping[str, Spread] = field(default_factory=dict)


def measure(rule: Rule, rows: Rows) -> pa.Array:
    """The measure of `rule` for each of n rows: float64 (n,), or string (n,) for `one_of`."""
    match rule.kind:
        case "one_of":
            return rows.columns[rule.field].cast(pa.string())
        case "range":
            return _array(numbers(rows.columns[rule.field]))
        case "robust_z":
            found = numbers(rows.columns[rule.field])
            against = rows.spreads.get(rule.key)
            return _array(_deviations(found, against if against and against.rows >= FEWEST else spread(found)))
        case "null_share":
            return pc.is_null(rows.columns[rule.field], nan_is_null=True).cast(pa.float64())
        case "not_before" | "not_after":
            return _array(_seconds_from(rule, rows))
        case "rate":
            return _array(_in_window(rows, rule.span, rule.high))
        case "schema":
            return rows.columns["unfit"].cast(pa.float64())


def numbers(column: pa.Array) -> Floats:
    """A column as floats, times as microseconds since 1970; NaN for missing."""
    if pa.types.is_timestamp(column.type):
        column = pc.cast(column, TIME, safe=False).cast(pa.int64())
    return np.asarray(column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False), dtype=np.float64)


def spread(values: Floats) -> Spread:
    """Median and robust scale of the finite ones among `values`.

    Where more than half are equal their MAD is 0, and 1.2533 times the mean absolute deviation stands in for it.
    """
    known = values[np.isfinite(values)]
    if not len(known):
        return Spread(0.0, 0.0, 0)
    median = float(np.median(known))
    away = np.abs(known - median)
    scale = 1.4826 * float(np.median(away)) or 1.2533 * float(away.mean())
    return Spread(median, scale, len(known))


def _deviations(values: Floats, against: Spread) -> Floats:
    if against.rows < FEWEST or not against.scale:
        return np.full(len(values), np.nan)
    return np.abs(values - against.median) / against.scale


def _seconds_from(rule: Rule, rows: Rows) -> Floats:
    happened = rows.columns["event_timestamp"].cast(pa.int64()).to_numpy(zero_copy_only=False)
    bound: object = rule.span
    if rule.anchor == "now":
        bound = pa.scalar(rows.now, TIME).cast(pa.int64()).as_py() + rule.span
    elif rule.anchor == "arrival":
        bound = rows.columns["created_timestamp"].cast(pa.int64()).to_numpy(zero_copy_only=False) + rule.span
    return np.asarray((happened - bound) / 1e6, dtype=np.float64)


def _in_window(rows: Rows, span: int, most: float) -> Floats:
    """For each row the events of its user in (its time - span, its time], those earlier in the log first among equals."""
    users = pa.concat_arrays([*_chunks(rows.earlier, "user_id"), rows.columns["user_id"]])
    times = pa.concat_arrays([*_chunks(rows.earlier, "event_timestamp"), rows.columns["event_timestamp"]])
    codes = users.dictionary_encode().indices.fill_null(-1).to_numpy(zero_copy_only=False)
    micros = times.cast(pa.int64()).to_numpy(zero_copy_only=False)
    counts = np.ones(len(codes), np.float64)
    order = np.lexsort((np.arange(len(codes)), micros, codes))
    bounds = np.r_[0, np.flatnonzero(np.diff(codes[order])) + 1, len(order)]
    for start, end in pairwise(bounds.tolist()):
        if end - start > most:  # no other user can have too many
            mine = order[start:end]
            counts[mine] = np.arange(1, len(mine) + 1) - np.searchsorted(micros[mine], micros[mine] - span, side="right")
    return counts[len(codes) - len(rows.columns["user_id"]) :]


def _chunks(table: pa.Table, name: str) -> Sequence[pa.Array]:
    return list(table.column(name).chunks)


def _array(values: Floats) -> pa.Array:
    return pa.array(values, pa.float64(), from_pandas=True)
