"""The features of a view over many entities at once, and the state from which their next interactions can be folded.

A state holds what no later interaction can change (totals), and a tail: the interactions that a window or a list may still
need. Both follow from the entity's interactions alone, however they were cut into steps.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import pyarrow as pa

from ratoon.features.folds import decay, exact
from ratoon.features.folds.aggregates import Aggregate, parse
from ratoon.features.folds.exact import Bools, Floats, Ints
from ratoon.features.folds.segments import Segments, Sums, decayed_channel
from ratoon.features.views import View, ViewField

_CHANNELS: Mapping[str, tuple[str, ...]] = {
    "count": ("count",),
    "sum": ("sum",),
    "mean": ("valid", "sum"),
    "deviation": ("valid", "sum", "square"),
}
_LISTS = 500_000
"""How many list entries are gathered at once: little enough for a processor's cache."""

_LIMBS = {"count": 1, "valid": 1, "sum": 2, "square": 4}


@dataclass(frozen=True)
class Plan:
    """What a view of interactions asks for."""

    view: View

    @cached_property
    def aggregates(self) -> tuple[tuple[ViewField, Aggregate], ...]:
        """Each field with its expression."""
        return tuple((field, parse(field.name, field.aggregate, field.dtype)) for field in self.view.fields)

    @cached_property
    def columns(self) -> frozenset[str]:
        """What is looked at of an interaction, besides its time."""
        return frozenset(one.column for _, one in self.aggregates if one.column)

    @cached_property
    def texts(self) -> tuple[str, ...]:
        """The string columns that are looked at."""
        return tuple(sorted(self.columns - {"value"}))

    @cached_property
    def lasts(self) -> tuple[tuple[str, int], ...]:
        """Columns whose newest values are asked for, and how many of each."""
        sizes: dict[str, int] = {}
        for _, one in self.aggregates:
            if one.name == "last":
                sizes[one.column] = max(sizes.get(one.column, 0), one.size, 1)
        return tuple(sorted(sizes.items()))

    @cached_property
    def window(self) -> int:
        """The longest window, in microseconds."""
        return max((one.span for _, one in self.aggregates if one.name != "decayed"), default=0)

    @cached_property
    def channels(self) -> tuple[str, ...]:
        """What is summed over an entity's whole past."""
        asked = (_CHANNELS[one.name] for _, one in self.aggregates if one.name in _CHANNELS and not one.span)
        return tuple(sorted({channel for channels in asked for channel in channels}))

    @cached_property
    def decayed(self) -> tuple[tuple[str, int], ...]:
        """Columns (empty: the interactions themselves) and half-lives of decayed sums."""
        return tuple(sorted({(one.column, one.span) for _, one in self.aggregates if one.name == "decayed"}))

    @cached_property
    def totals(self) -> tuple[str, ...]:
        """The names of all numbers that a state keeps."""
        plain = [f"{channel}.{limb}" for channel in self.channels for limb in range(_LIMBS[channel])]
        for column, half_life in self.decayed:
            name = decayed_channel(column, half_life)
            plain += [f"{name}.block", *(f"{name}.{back}.{limb}" for back in range(decay.BACK + 1) for limb in range(2))]
        return tuple(plain)


class Fold:
    """One view over some segments."""

    def __init__(self, plan: Plan, segments: Segments) -> None:
        self.plan, self.segments, self.sums = plan, segments, Sums(segments)

    def valued(self, rows: Ints, owners: Ints, order: Ints) -> list[pa.Array]:
        """The view's features just after some interactions, one array per field.

        Args:
            rows: (r,) places in the segments, ascending.
            owners: (r,) their segments.
            order: (r,) the places in `rows` in the order of the results.
        """
        return [self._field(field, one, rows, owners, order) for field, one in self.plan.aggregates]

    def totals(self) -> dict[str, Ints]:
        """Each entity's totals after its last row."""
        ends = self.segments.starts[1:] - 1
        everyone = np.arange(len(ends))
        kept: dict[str, Ints] = {}
        for channel in self.plan.channels:
            limbs = exact.carried(self.sums.ever(channel, ends, everyone))
            kept |= {f"{channel}.{limb}": total for limb, total in enumerate(limbs)}
        for column, half_life in self.plan.decayed:
            name = decayed_channel(column, half_life)
            kept[f"{name}.block"] = decay.blocks(self.segments.times[ends], half_life)
            for back, limbs in enumerate(self.sums.decayed(column, half_life, ends, everyone)):
                kept |= {f"{name}.{back}.{limb}": total for limb, total in enumerate(exact.carried(limbs))}
        return kept

    def tail(self) -> Bools:
        """(n,) which rows a later interaction may still need."""
        segments, owners = self.segments, self.segments.owners
        ends = segments.starts[1:]
        keep = np.zeros(len(segments.times), np.bool_)
        if self.plan.window:
            keep |= segments.times > (segments.times[ends - 1] - self.plan.window)[owners]
        for column, size in self.plan.lasts:
            ranks = self.sums.ranks(column)
            keep |= self.sums.present(column) & (ranks[ends][owners] - ranks[1:] < size)
        return keep

    def _field(self, field: ViewField, one: Aggregate, rows: Ints, owners: Ints, order: Ints) -> pa.Array:
        if one.name == "last":
            return self._last(field, one, rows, owners, order)
        if one.name == "decayed":
            return _numbers(self._decayed(one, rows, owners)[order], None, field)
        names = _CHANNELS[one.name]
        if one.span:
            channels = self.sums.window(names, rows, owners, one.span)
        else:
            channels = [self.sums.ever(name, rows, owners) for name in names]
        numbers, missing = _result(one.name, channels)
        return _numbers(numbers[order], missing[order], field)

    def _decayed(self, one: Aggregate, rows: Ints, owners: Ints) -> Floats:
        parts = self.sums.decayed(one.column, one.span, rows, owners)
        total = decay.combined([exact.number(limbs) for limbs in parts])
        scale = exact.UNIT if one.column else decay.COUNT_SCALE
        return total / decay.weights(self.segments.times[rows], one.span) / scale

    def _last(self, field: ViewField, one: Aggregate, rows: Ints, owners: Ints, order: Ints) -> pa.Array:
        ranks, there = self.sums.ranks(one.column), np.flatnonzero(self.sums.present(one.column))
        end = ranks[rows + 1][order]
        begin = np.maximum(ranks[self.segments.starts[:-1]][owners][order], end - max(one.size, 1))
        if not one.size:
            missing = begin == end
            return self._entries(field, one.column, there[np.where(missing, 0, end - 1)] if len(there) else end, missing)
        entry = ViewField(field.name, field.dtype.removesuffix("_LIST"))
        edges = [*range(0, len(rows), _LISTS // one.size + 1), len(rows)]
        cuts = pairwise(edges)
        lists = [self._lists(entry, one.column, there, begin[first:last], end[first:last]) for first, last in cuts]
        return pa.chunked_array(lists, field.arrow)

    def _lists(self, entry: ViewField, column: str, there: Ints, begin: Ints, end: Ints) -> pa.ListArray:
        sizes = end - begin
        offsets = np.zeros(len(sizes) + 1, np.int32)
        np.cumsum(sizes, out=offsets[1:])
        places = there[np.arange(offsets[-1]) + np.repeat((begin - offsets[:-1]), sizes)]
        return pa.ListArray.from_arrays(pa.array(offsets), self._entries(entry, column, places, None))

    def _entries(self, field: ViewField, column: str, places: Ints, missing: Bools | None) -> pa.Array:
        if column == "value":
            values = self.segments.values
            return _numbers(values[places] if len(values) else values, missing, field)
        texts = self.segments.texts[column]
        codes = texts.codes[places] if len(texts.words) else np.zeros(len(places), np.int32)
        return texts.words.take(pa.array(codes, mask=missing))


def _result(name: str, channels: Sequence[list[Ints]]) -> tuple[Ints | Floats, Bools]:
    """Numbers, and where there is none."""
    if name == "count":
        return channels[0][0], np.zeros(len(channels[0][0]), np.bool_)
    if name == "sum":
        return exact.number(channels[0]) / exact.UNIT, np.zeros(len(channels[0][0]), np.bool_)
    counts = channels[0][0]
    missing, counts = counts == 0, np.maximum(counts, 1)
    if name == "mean":
        return exact.number(channels[1]) / (counts * exact.UNIT), missing
    return exact.deviations(counts, channels[1], channels[2]) / exact.UNIT, missing


def _numbers(values: Ints | Floats, missing: Bools | None, field: ViewField) -> pa.Array:
    """A column of `field`'s type; what it cannot hold is missing. Whole numbers are rounded, half to even."""
    kind = field.arrow.to_pandas_dtype()
    if np.issubdtype(kind, np.integer):
        whole, limits = np.rint(values), np.iinfo(kind)
        unfit = ~((whole >= limits.min) & (whole < -float(limits.min)))
        missing = unfit if missing is None else missing | unfit
        return pa.array(np.where(missing, 0, whole).astype(kind), mask=missing)
    return pa.array(values.astype(kind), mask=missing)
