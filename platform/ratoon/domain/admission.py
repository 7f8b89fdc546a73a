"""Which values get a learned row of their own, and which lose it again: by the interactions that are learnt from. Pure.

Until a value is admitted it has row 0, as one never seen, and what is known of it is what its other features say. Admission by
a count and eviction by inactivity are those of Monolith (Liu et al. 2022, arXiv:2209.07663); here the counts are exact, and time
is that of the interactions and no clock's. A vocabulary is under admission if its feature says so, or did when the model was
last taught: dropping the rule gives rows to what is met from then on, and not to all that has gone without. So is one whose rows
were taken away by a count: what has lost its row needs that count of new interactions to have another.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from heapq import nlargest

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ratoon.domain.encoding import Encoding, Vocabulary
from ratoon.domain.plan import Scope
from ratoon.domain.schema import ITEM_TABLE, Feature, TowerSchema

Times = npt.NDArray[np.int64]
"""Microseconds since 1970, UTC."""

Waiting = Mapping[str, tuple[int, int]]
"""Value -> its interactions so far and the time of the newest, in microseconds."""

MOST = 1_000_000
"""Values that wait for a row in one vocabulary: beyond that the ones unseen for longest are forgotten."""

NEVER = np.iinfo(np.int64).max
"""In place of a time, for a row that nobody can lose: it is nobody's."""


@dataclass(frozen=True, slots=True)
class Rule:
    """When values of one vocabulary get and lose their rows.

    Attributes:
        after: interactions, at least 1.
        pause: microseconds without an interaction; 0 for never.
    """

    after: int
    pause: int


@dataclass(frozen=True, slots=True)
class Attendance:
    """Who has come how often, and when last, in one vocabulary.

    Attributes:
        waiting: the values without a row.
        seen: by row, the time of its value's newest interaction; `NEVER` for rows that are nobody's. Shape (rows,).
        newest: the time of the newest interaction of all.
        after: the interactions after which a value gets a row, if its feature asks for fewer.
    """

    waiting: Waiting
    seen: Times
    newest: int
    after: int = 1


def rules(schema: TowerSchema, known: Mapping[str, Attendance]) -> dict[str, Rule]:
    """Vocabulary under admission -> its rule."""
    found = {}
    for feature in _ruled(schema):
        attendance = known.get(feature.vocabulary)
        if after := max(feature.admit, attendance.after if attendance else 0):
            found[feature.vocabulary] = Rule(after, feature.evict * 1_000_000)
    return found


def enrolled(
    encoding: Encoding,
    known: Mapping[str, Attendance],
    schema: TowerSchema,
    rows: pa.Table,
    scope: Scope,
    writable: Collection[str] = (),
) -> tuple[Encoding, dict[str, Attendance]]:
    """The encoding and the attendances after the interactions `rows`, each of which is counted once in a model's life.

    Under `rows` nothing changes that the vector of an item outside `writable` is made from.

    Args:
        rows: with `event_timestamp` and a column for each feature under admission.
        scope: of the refresh.
        writable: the items that may get rows under `rows`.
    """
    vocabularies, attendances = dict(encoding.vocabularies), dict(known)
    ruled = rules(schema, known)
    shown = {feature.vocabulary for feature in schema.item} | {ITEM_TABLE}
    for feature in _ruled(schema) if rows.num_rows else ():
        name = feature.vocabulary
        if name not in ruled:
            continue
        values, times = _met(feature, rows)
        before = vocabularies.get(name, Vocabulary())
        attendance = known.get(name) or _started(before, int(times.max(initial=0)))
        free = scope != "rows" or name not in shown
        allowed = None if free else frozenset(writable if name == ITEM_TABLE else ())
        vocabularies[name], attendances[name] = _step(before, attendance, values, times, ruled[name], allowed)
    return replace(encoding, vocabularies=vocabularies), attendances


def counted(waiting: Waiting, values: pa.Array, times: Times, rule: Rule) -> tuple[dict[str, tuple[int, int]], list[str]]:
    """`waiting` after interactions with `values` at `times`, and those that reached the rule's count at some moment.

    A value that pauses for longer than the rule's pause starts anew. Counting in pieces, each later than the one before if
    there is a pause, is counting at once.

    Args:
        values: strings, shape (n,); none of them null.
        times: shape (n,).
    """
    if not len(values):
        return dict(waiting), []
    encoded = pc.dictionary_encode(values)
    names: list[str] = encoded.dictionary.to_pylist()
    codes = encoded.indices.to_numpy()
    order = np.lexsort((times, codes))
    codes, times = codes[order], times[order]
    carried = np.array([waiting.get(name, (0, 0)) for name in names], dtype=np.int64)
    first = np.diff(codes, prepend=-1) > 0
    before = np.where(first, carried[codes, 1], np.roll(times, 1))
    apart = times - before > rule.pause if rule.pause else np.zeros(len(codes), np.bool_)
    start = np.maximum.accumulate(np.where(first | apart, np.arange(len(codes)), 0))
    count = np.arange(len(codes)) - start + 1 + np.where(first & ~apart, carried[codes, 0], 0)[start]
    starts = np.flatnonzero(first)
    ends = np.append(starts[1:], len(codes)) - 1
    newest = np.maximum(times[ends], carried[:, 1])
    ripe = np.maximum.reduceat(count, starts) >= rule.after
    met = zip(names, zip(count[ends].tolist(), newest.tolist(), strict=True), strict=True)
    return {**waiting, **dict(met)}, [name for name, done in zip(names, ripe.tolist(), strict=True) if done]


def remembered(waiting: Waiting, newest: int, rule: Rule, most: int = MOST) -> dict[str, tuple[int, int]]:
    """The values whose newest interaction is at most a pause before `newest`; of these the `most` that were seen last."""
    kept = {value: met for value, met in waiting.items() if not rule.pause or newest - met[1] <= rule.pause}
    if len(kept) <= most:
        return kept
    return dict(nlargest(most, kept.items(), key=lambda entry: (entry[1][1], entry[0])))


def _step(
    vocabulary: Vocabulary,
    attendance: Attendance,
    values: pa.Array,
    times: Times,
    rule: Rule,
    allowed: Collection[str] | None,
) -> tuple[Vocabulary, Attendance]:
    """One vocabulary and its attendance after some interactions.

    Args:
        allowed: the values that may get a row, of which none may lose its own; None for all.
    """
    newest = max(attendance.newest, int(times.max(initial=0)))
    rows, seen = vocabulary.lookup(values), attendance.seen.copy()
    np.maximum.at(seen, rows[rows > 0], times[rows > 0])
    waiting, ripe = counted(attendance.waiting, values.filter(pa.array(rows == 0)), times[rows == 0], rule)
    if allowed is None:
        ripe += [value for value, (count, _) in waiting.items() if count >= rule.after]
    waiting = remembered(waiting, newest, rule)
    admitted = {value for value in ripe if value in waiting and (allowed is None or value in allowed)}
    grown = vocabulary.grown(admitted)
    seen = np.append(seen, np.array([waiting.pop(value)[1] for value in grown.values[len(vocabulary.values) :]], np.int64))
    if allowed is None and rule.pause:
        lost = np.flatnonzero(seen < newest - rule.pause)
        grown, seen[lost] = grown.losing(lost.tolist()), NEVER
    return grown, replace(attendance, waiting=waiting, seen=seen, newest=newest)


def renumbered(known: Attendance | None, vocabulary: Vocabulary, rows: Sequence[int], after: int, newest: int) -> Attendance:
    """The attendance of a vocabulary of which only `rows`, ascending and without row 0, are left.

    Those who lose their rows start anew: what they have done is not kept, which would take about as much as their rows do.

    Args:
        vocabulary: as it was.
        newest: when all were seen last if nobody has kept an attendance.
    """
    attendance = known or _started(vocabulary, newest)
    return replace(attendance, seen=attendance.seen[[0, *rows]], after=max(after, attendance.after))


def attended(vocabulary: Vocabulary, name: str, schema: TowerSchema, rows: pa.Table) -> tuple[Times, Times]:
    """How many of the interactions `rows` each row's value was met in, and when last; zeros where in none. Shapes (rows,).

    Args:
        name: of the vocabulary.
    """
    counts, newest = np.zeros(len(vocabulary), np.int64), np.zeros(len(vocabulary), np.int64)
    for feature in (one for one in _ruled(schema) if one.vocabulary == name):
        values, times = _met(feature, rows)
        at = vocabulary.lookup(values)
        counts += np.bincount(at, minlength=len(vocabulary))
        np.maximum.at(newest, at, times)
    counts[0] = newest[0] = 0
    return counts, newest


def _ruled(schema: TowerSchema) -> Iterator[Feature]:
    """What can be under admission: every feature with a row per value, but for histories, which look into the items' table."""
    return (feature for feature in (*schema.user, *schema.item) if feature.kind in ("id", "category", "ids"))


def _started(vocabulary: Vocabulary, newest: int) -> Attendance:
    """The attendance of a vocabulary that nobody has kept one of: all were seen just now."""
    seen = np.full(len(vocabulary), newest, np.int64)
    seen[[0, *vocabulary.lost]] = NEVER
    return Attendance({}, seen, newest)


def _met(feature: Feature, rows: pa.Table) -> tuple[pa.Array, Times]:
    """Each interaction's values of a feature, each value once, and its time."""
    column = rows.column(feature.name).combine_chunks()
    times = np.asarray(pc.cast(rows.column("event_timestamp"), pa.timestamp("us", "UTC")).cast(pa.int64()).to_numpy())
    if feature.kind == "ids":
        pairs = pa.table({"row": pc.list_parent_indices(column), "value": pc.list_flatten(column)})
        pairs = pairs.group_by(["row", "value"], use_threads=False).aggregate([]).combine_chunks()
        column, times = pairs.column("value").combine_chunks(), times[pairs.column("row").to_numpy()]
    known = pc.is_valid(column)
    return column.filter(known).cast(pa.string()), times[known.to_numpy(zero_copy_only=False)]
