"""Rows of a view of interactions: many entities at once, in arrival order from their states, or after late events anew."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ratoon.features.folds import exact, stamps
from ratoon.features.folds.exact import Bools, Ints
from ratoon.features.folds.fold import Fold, Plan
from ratoon.features.folds.segments import Segments, Texts
from ratoon.features.folds.states import schema

History = Callable[[Sequence[str]], pa.Table]
"""Entities -> their earlier events (LOG_SCHEMA), in any order."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Segments with what is to be made of them.

    Attributes:
        keys: (m,) the entity of each segment; one may have several.
        newest: (m,) the event id of each segment's last row.
        rows, owners: (r,) the rows that are valued, ascending, and their segments.
        causes: (r,) the arrival that makes each row known: its place among the new events.
        final: (m,) which segments know all of their entity's interactions.
    """

    segments: Segments
    keys: pa.Array
    newest: pa.Array
    rows: Ints
    owners: Ints
    causes: Ints
    final: Bools


def step(plan: Plan, new: pa.Table, states: Callable[[pa.Array], tuple[pa.Table, Ints]], history: History) -> "Step":
    """Fold new interactions into `plan`'s view.

    Args:
        new: interactions by offset.
        states: entities -> the states of those that have one, and their places.
        history: their events before `new`; asked only for entities that had an event arrive late.
    """
    coded = new.column(plan.view.key).combine_chunks().dictionary_encode()
    codes, keys = coded.indices.to_numpy(zero_copy_only=False).astype(np.int64), coded.dictionary
    known, places = states(keys)
    order = np.argsort(codes, kind="stable")
    late = _late(new, codes, order, known, places)
    pieces = list[Piece]()
    if not late.all():
        mine = order[~late[codes[order]]]
        kept = ~late[places]
        theirs = known if kept.all() else known.filter(pa.array(kept))
        pieces.append(_carried_on(plan, new, mine, codes[mine], keys, theirs, places[kept]))
    if late.any():
        names = keys.filter(pa.array(late))
        past = history(names.to_pylist())
        past = past.filter(pc.equal(past.column("kind"), "interaction"))
        pieces += anew(plan, past, new, np.flatnonzero(late[codes]))
    return Step(plan, new, pieces)


@dataclass(frozen=True)
class Step:
    """New interactions, folded."""

    plan: Plan
    new: pa.Table
    pieces: Sequence[Piece]

    @cached_property
    def _folds(self) -> list[tuple[Piece, Fold]]:
        return [(piece, Fold(self.plan, piece.segments)) for piece in self.pieces]

    def rows(self) -> pa.Table:
        """The feature rows they give, by (created_timestamp, event_timestamp)."""
        made = [_valued(self.plan, self.new, piece, fold) for piece, fold in self._folds]
        if len(made) == 1:
            return made[0]
        table = pa.concat_tables([self.plan.view.arrow_schema.empty_table(), *made])
        return table.sort_by([("created_timestamp", "ascending"), ("event_timestamp", "ascending")])

    def states(self) -> pa.Table:
        """The states of all entities they touch."""
        kept = [_states(self.plan, piece, fold) for piece, fold in self._folds]
        return pa.concat_tables([schema(self.plan).empty_table(), *kept])


def _late(new: pa.Table, codes: Ints, order: Ints, known: pa.Table, places: Ints) -> Bools:
    """Which entities have an event that does not follow, in (event_timestamp, event_id), all that arrived before it."""
    late = np.zeros(int(codes.max()) + 1 if len(codes) else 0, np.bool_)
    times, ids = _times(new)[order], new.column("event_id").combine_chunks()
    of = codes[order]
    same, gap = of[1:] == of[:-1], np.diff(times)
    late[of[1:][same & (gap < 0)]] = True
    ties = np.flatnonzero(same & (gap == 0))
    backwards = pc.less(ids.take(pa.array(order[ties + 1])), ids.take(pa.array(order[ties])))
    late[of[1:][ties[backwards.to_numpy(zero_copy_only=False)]]] = True
    firsts = np.flatnonzero(np.diff(of, prepend=-1))[places]
    before = known.column("at").to_numpy()
    late[places[times[firsts] < before]] = True
    ties = np.flatnonzero(times[firsts] == before)
    newest = known.column("newest").take(pa.array(ties))
    backwards = pc.less(ids.take(pa.array(order[firsts[ties]])), newest)
    late[places[ties[backwards.to_numpy()]]] = True
    return late


def _carried_on(plan: Plan, new: pa.Table, order: Ints, codes: Ints, keys: pa.Array, known: pa.Table, places: Ints) -> Piece:
    """Every entity's tail, then its new interactions.

    Args:
        order: the new interactions' places, by entity; codes: their entities.
        places: the entities that the rows of `known` are about.
    """
    present, counts = np.unique(codes, return_counts=True)
    ranks, lengths = np.searchsorted(present, places), pc.list_value_length(known.column("tail time")).to_numpy()
    tails = np.zeros(len(present), np.int64)
    tails[ranks] = lengths
    starts = np.concatenate([[0], np.cumsum(tails + counts)])
    fresh = starts[:-1] + tails
    slots = np.arange(len(order)) + np.repeat(np.cumsum(tails), counts)
    old = np.arange(tails.sum()) + np.repeat(starts[ranks] - np.cumsum(lengths) + lengths, lengths)
    size = int(starts[-1])
    times, values = np.empty(size, np.int64), np.empty(size, np.float64)
    times[slots], values[slots] = _times(new)[order], _values(new)[order]
    times[old] = pc.list_flatten(known.column("tail time")).to_numpy()
    values[old] = pc.list_flatten(known.column("tail value")).to_numpy()
    texts = {}
    for column in plan.texts:
        past = pc.list_flatten(known.column(f"tail {column}")).combine_chunks()
        both = _coded(pa.concat_arrays([past, new.column(column).combine_chunks()]))
        merged = np.empty(size, np.int32)
        merged[old], merged[slots] = both.codes[: len(past)], both.codes[len(past) :][order]
        texts[column] = Texts(merged, both.words)
    totals = {name: np.zeros(len(present), np.int64) for name in plan.totals}
    for name, total in totals.items():
        total[ranks] = known.column(f"total {name}").to_numpy()
    newest = new.column("event_id").combine_chunks().take(pa.array(order[np.cumsum(counts) - 1]))
    segments = Segments(starts, fresh, times, values, texts, totals)
    owners, final = np.repeat(np.arange(len(present)), counts), np.ones(len(present), np.bool_)
    return Piece(segments, keys.take(pa.array(present)), newest, slots, owners, order, final)


def anew(plan: Plan, past: pa.Table, new: pa.Table, arrivals: Ints) -> list[Piece]:
    """Entities whose events did not arrive in order, from all their interactions.

    Args:
        past: their earlier interactions, in any order.
        new: new interactions in the order of their arrival; arrivals: the places of theirs.
    """
    if not len(arrivals):
        return []
    columns = [plan.view.key, "event_timestamp", "event_id", "value", *(set(plan.texts) - {plan.view.key})]
    both = pa.concat_tables([past.select(columns), new.take(pa.array(arrivals)).select(columns)]).combine_chunks()
    arrived = np.concatenate([np.full(past.num_rows, -1), arrivals])
    order = pc.sort_indices(both, [(name, "ascending") for name in columns[:3]]).to_numpy().astype(np.int64)
    both, arrived = both.take(pa.array(order)), arrived[order]
    keys = both.column(plan.view.key).combine_chunks()
    edges = np.flatnonzero(pc.not_equal(keys[1:], keys[:-1]).to_numpy(zero_copy_only=False)) + 1
    runs, pieces, size = list[_Run](), list[Piece](), 0
    for first, last in zip([0, *edges], [*edges, len(keys)], strict=True):
        for run in _runs(arrived[first:last], _times(both)[first:last], first):
            runs.append(run)
            size += len(run.places)
            if size > _ROWS:
                pieces.append(_replayed(plan, both, runs))
                runs, size = [], 0
    return [*pieces, _replayed(plan, both, runs)] if runs else pieces


_ROWS = 2_000_000
"""How many rows are replayed at once, to bound memory."""


@dataclass(frozen=True, slots=True)
class _Run:
    """All of an entity's interactions known at one moment, and which of them have to be valued.

    Attributes:
        places: where they are, in order; valued: which of `places`; causes: of the valued ones.
        final: whether these are all.
    """

    places: Ints
    valued: Ints
    causes: Ints
    final: bool


def _runs(arrived: Ints, times: Ints, base: int) -> list[_Run]:
    """Cut arrivals into runs that each begin with a late one; every run values the rows that its first one made wrong."""
    ranks = np.flatnonzero(arrived >= 0)
    ranks = ranks[np.argsort(arrived[ranks])]
    highest = np.maximum.accumulate([np.max(np.flatnonzero(arrived < 0), initial=-1), *ranks])
    begins = np.flatnonzero((ranks < highest[:-1]) | (np.arange(len(ranks)) == 0))
    runs = list[_Run]()
    for begin, end in zip(begins, [*begins[1:], len(ranks)], strict=True):
        opening = arrived[ranks[begin]]
        known = np.flatnonzero(arrived <= arrived[ranks[end - 1]])
        valued = np.arange(np.searchsorted(known, ranks[begin]), len(known))
        causes = np.maximum(arrived[known[valued]], opening)
        moments = times[known[valued]]
        # Of rows with the same two stamps a join would take any; the last one knows all the events of its moment.
        last = np.append((np.diff(moments) > 0) | (np.diff(causes) != 0), True)
        runs.append(_Run(known + base, valued[last], causes[last], end == len(ranks)))
    return runs


def _replayed(plan: Plan, both: pa.Table, runs: Sequence[_Run]) -> Piece:
    sizes = np.array([len(run.places) for run in runs])
    starts = np.concatenate([[0], np.cumsum(sizes)])
    taken = both.take(pa.array(np.concatenate([run.places for run in runs])))
    texts = {column: _coded(taken.column(column).combine_chunks()) for column in plan.texts}
    segments = Segments(starts, starts[:-1], _times(taken), _values(taken), texts, {})
    ends = taken.take(pa.array(starts[1:] - 1))
    rows = np.concatenate([run.valued + start for run, start in zip(runs, starts, strict=False)])
    owners = np.repeat(np.arange(len(runs)), [len(run.valued) for run in runs])
    causes = np.concatenate([run.causes for run in runs])
    final = np.array([run.final for run in runs])
    return Piece(segments, _column(ends, plan.view.key), _column(ends, "event_id"), rows, owners, causes, final)


def _valued(plan: Plan, new: pa.Table, piece: Piece, fold: Fold) -> pa.Table:
    times = piece.segments.times[piece.rows]
    order = _by_arrival(times, piece.causes, new.num_rows)
    features = fold.valued(piece.rows, piece.owners, order)
    created = new.column("created_timestamp").cast(pa.int64()).to_numpy()[piece.causes[order]]
    stamped = [pa.array(stamp + stamps.TICK_US) for stamp in (times[order], created)]
    columns = [piece.keys.take(pa.array(piece.owners[order])), *features, *stamped]
    schema = plan.view.arrow_schema
    return pa.table([column.cast(field.type) for column, field in zip(columns, schema, strict=True)], schema=schema)


def _by_arrival(times: Ints, causes: Ints, arrivals: int) -> Ints:
    """The order by (cause, time), without sorting where no cause has two rows."""
    slots = np.full(arrivals, -1)
    slots[causes] = np.arange(len(causes))
    order: Ints = slots[slots >= 0]
    return order if len(order) == len(causes) else np.lexsort((times, causes))


def _states(plan: Plan, piece: Piece, fold: Fold) -> pa.Table:
    segments, final = piece.segments, piece.final
    keep = fold.tail() if final.all() else fold.tail() & final[segments.owners]
    sizes = np.add.reduceat(keep, segments.starts[:-1], dtype=np.int64)[final]
    offsets = pa.array(np.concatenate([[0], np.cumsum(sizes)]), pa.int32())
    tails = [pa.array(segments.times[keep]), pa.array(segments.values[keep])]
    for column in plan.texts:
        texts = segments.texts[column]
        codes = texts.codes[keep]
        tails.append(texts.words.take(pa.array(codes, mask=codes < 0)))
    columns = [piece.keys, pa.array(segments.times[segments.starts[1:] - 1]), piece.newest]
    columns += [pa.array(total) for total in fold.totals().values()]
    columns = [column.filter(pa.array(final)) for column in columns]
    return pa.table([*columns, *(pa.ListArray.from_arrays(offsets, tail) for tail in tails)], schema=schema(plan))


def _column(table: pa.Table, name: str) -> pa.Array:
    return table.column(name).combine_chunks()


def _times(table: pa.Table) -> Ints:
    times: Ints = table.column("event_timestamp").cast(pa.int64()).to_numpy()
    return times


def _values(table: pa.Table) -> exact.Floats:
    values: exact.Floats = table.column("value").cast(pa.float64()).to_numpy()
    return values


def _coded(texts: pa.Array) -> Texts:
    coded = texts.dictionary_encode()
    return Texts(coded.indices.fill_null(-1).to_numpy(), coded.dictionary)
