"""Interactions of many entities side by side, and what can be asked of them in one pass: totals, windows, the newest values."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ratoon.features.folds import decay, exact
from ratoon.features.folds.exact import Bools, Floats, Ints


@dataclass(frozen=True, slots=True)
class Texts:
    """A column of strings: places in `words`, -1 for missing."""

    codes: NDArray[np.int32]
    words: pa.Array


@dataclass(frozen=True, slots=True)
class Segments:
    """n interactions of m entities, each entity's together and in (event_timestamp, event_id) order.

    Attributes:
        starts: (m + 1,) where each segment begins; the last one is n. No segment is empty.
        fresh: (m,) the first row of each segment that `totals` do not hold yet; the rows before it are its past's tail.
        times: (n,) microseconds since 1970.
        values: (n,) NaN for missing.
        totals: channel -> (m,) what each entity's past left behind; a channel that is not there is 0.
    """

    starts: Ints
    fresh: Ints
    times: Ints
    values: Floats
    texts: dict[str, Texts]
    totals: dict[str, Ints]

    @property
    def owners(self) -> Ints:
        """(n,) the segment of each row."""
        return np.repeat(np.arange(len(self.fresh)), np.diff(self.starts))


class Sums:
    """Prefix sums over segments, each computed when it is first asked for.

    A channel is one or more limbs (`ratoon.features.folds.exact`) that add up on their own.
    """

    def __init__(self, segments: Segments) -> None:
        self.segments = segments
        self.valid: Bools = exact.usable(segments.values)
        lengths = segments.fresh - segments.starts[:-1]
        self._tails: Ints = np.cumsum(lengths)
        self._fresh = np.arange(len(segments.times) - lengths.sum()) + np.repeat(self._tails, np.diff(segments.starts) - lengths)
        self._units: Ints | None = None
        self._prefixes: dict[tuple[str, bool], list[Ints]] = {}
        self._ranks: dict[str, Ints] = {}

    def ever(self, channel: str, rows: Ints, owners: Ints) -> list[Ints]:
        """A channel's limbs over all that happened up to each of `rows`, the entity's past included."""
        behind = self._tails[owners]
        since, upto = self.segments.fresh[owners] - behind, rows + 1 - behind
        parts = [prefix[upto] - prefix[since] for prefix in self._prefix(channel, fresh=True)]
        zero = np.zeros(len(self.segments.fresh), np.int64)
        return [part + self.segments.totals.get(f"{channel}.{limb}", zero)[owners] for limb, part in enumerate(parts)]

    def window(self, channels: Sequence[str], rows: Ints, owners: Ints, span: int) -> list[list[Ints]]:
        """Some channels' limbs over the `span` microseconds that end at each of `rows`."""
        times, end = self.segments.times, rows + 1
        begin = _first_above(times, self.segments.starts[owners], rows, times[rows] - span)
        return [
            [end - begin] if channel == "count" else [prefix[end] - prefix[begin] for prefix in self._prefix(channel)]
            for channel in channels
        ]

    def decayed(self, column: str, half_life: int, rows: Ints, owners: Ints) -> list[list[Ints]]:
        """The limbs of each row's block so far, and of the `decay.BACK` blocks before it; the entity's past included."""
        channel, segments = decayed_channel(column, half_life), self.segments
        prefix, block, totals = self._prefix(channel), decay.blocks(segments.times, half_life), segments.totals
        parts, end, zero = list[list[Ints]](), rows + 1, np.zeros(len(segments.fresh), np.int64)
        behind = block[rows] - totals.get(f"{channel}.block", zero)[owners]
        for back in range(decay.BACK + 1):
            begin = _first_above(block, segments.fresh[owners], rows, block[rows] - back - 1)
            limbs = [one[end] - one[begin] for one in prefix]
            end = begin
            for past in range(back + 1):  # the past's block `past` is this row's block `back` if it lies that far behind
                same = behind == back - past
                for limb in range(len(limbs)):
                    limbs[limb] += np.where(same, totals.get(f"{channel}.{past}.{limb}", zero)[owners], 0)
            parts.append(limbs)
        return parts

    def ranks(self, column: str) -> Ints:
        """(n + 1,) how many rows before each place have something in `column`."""
        if column not in self._ranks:
            self._ranks[column] = _prefix(self.present(column))
        return self._ranks[column]

    def present(self, column: str) -> Bools:
        """(n,) whether a row has something in `column`."""
        there: Bools = self.valid if column == "value" else self.segments.texts[column].codes >= 0
        return there

    def _prefix(self, channel: str, fresh: bool = False) -> list[Ints]:
        """Prefix sums over all rows, or over those that are not in the totals yet."""
        if (channel, fresh) not in self._prefixes:
            limbs = self._limbs(channel, self._fresh) if fresh else self._limbs(channel, slice(None))
            self._prefixes[channel, fresh] = [_prefix(limb) for limb in limbs]
        return self._prefixes[channel, fresh]

    def _limbs(self, channel: str, rows: Ints | slice) -> Sequence[Ints | Bools]:
        match channel.split(":"):
            case ["count"]:
                return [np.ones(len(self.segments.times[rows]), np.bool_)]
            case ["valid"]:
                return [self.valid[rows]]
            case ["sum"]:
                return exact.plain_limbs(self._parts()[rows])
            case ["square"]:
                return exact.square_limbs(self._parts()[rows])
            case ["decayed", column, half_life]:
                weights = decay.weights(self.segments.times[rows], int(half_life))
                return decay.weighted(weights * (self._parts()[rows].astype(np.float64) if column else decay.COUNT_SCALE))
        raise AssertionError(channel)

    def _parts(self) -> Ints:
        if self._units is None:
            self._units = exact.units(self.segments.values, self.valid)
        return self._units


def decayed_channel(column: str, half_life: int) -> str:
    """The channel of decayed counts (no column) or values."""
    return f"decayed:{column}:{half_life}"


def _first_above(keys: Ints, low: Ints, high: Ints, bound: Ints) -> Ints:
    """The first place in low..high where `keys`, which never fall there and end above `bound`, are above it: all at once."""
    for _ in range(int(np.max(high - low, initial=0)).bit_length()):
        middle = (low + high) >> 1
        above = keys[middle] > bound
        low, high = np.where(above, low, middle + 1), np.where(above, middle, high)
    return low


def _prefix(limb: Ints | Bools) -> Ints:
    out = np.zeros(len(limb) + 1, np.int64)
    np.cumsum(limb, out=out[1:])
    return out
