"""One entity's newest row, carried on event by event: what `newest_rows` makes of columns, bit for bit, without a column.

A step over a column costs microseconds whatever its length, and a fold takes hundreds of them. For the one event that a user has
just sent that is a hundred times what there is to add up.
"""

import json
import math
from collections import deque
from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np

from ratoon.domain.errors import DataError
from ratoon.features.folds import decay, exact, stamps
from ratoon.features.folds.aggregates import Aggregate
from ratoon.features.folds.fold import Plan
from ratoon.features.folds.given import convert
from ratoon.features.views import View, ViewField

_LOW = 2**32 - 1
_SQUARE = 2**25 - 1
_UNBEGUN = (-(2**63), "")
_CHANNELS = decay.BACK + 1


class Told(NamedTuple):
    """An event as the log has it; times in microseconds since 1970."""

    time: int
    event_id: str
    kind: str
    user_id: str | None
    item_id: str | None
    type: str | None
    value: float | None
    features: str | None
    created: int
    offset: int


class Row(NamedTuple):
    """An entity's newest row in a view: the features in the view's order, None for missing, and its two stamps."""

    values: list[object]
    event_ts: int
    created: int


class Carried(Protocol):
    """What is known of one entity's events for one view."""

    def add(self, event: Told) -> bool:
        """Take the next event in the order of (time, event id); False, and nothing is changed, if it is not the next."""

    def row(self) -> Row | None:
        """The row that is valid after all events; None if they say nothing about the view."""

    @property
    def size(self) -> int:
        """How many values it keeps."""


def carrying(view: View) -> Callable[[], Carried]:
    """What makes the state of an entity without events, for a view that is made of events."""
    if view.origin != "interaction":
        return lambda: Saying(view)
    plan = Plan(view)
    return lambda: Acting(plan)


class Saying:
    """What an entity says of itself: each event changes the features it names."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._values: dict[str, object] = {}
        self._at, self._created = _UNBEGUN, 0

    @property
    def size(self) -> int:
        """One per feature."""
        return len(self._values)

    def add(self, event: Told) -> bool:
        """See `Carried`."""
        if event.kind != self._view.origin:
            return True
        if event[:2] < self._at:
            return False
        self._at, self._created = event[:2], event.created
        given = json.loads(event.features or "{}")
        for field in self._view.fields:
            if field.name in given and not field.embed:
                self._values[field.name] = _converted(given[field.name], field)
        return True

    def row(self) -> Row | None:
        """See `Carried`."""
        if self._at == _UNBEGUN:
            return None
        values = [self._values.get(field.name) for field in self._view.fields]
        return Row(values, self._at[0] + stamps.TICK_US, self._created + stamps.TICK_US)


def _converted(value: object, field: ViewField) -> object:
    try:
        return convert(value, field)
    except DataError:
        return None


class Acting:
    """What an entity did: totals that nothing later can change, and what windows and lists may still need."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._at, self._created = _UNBEGUN, 0
        self._ever = _Total()
        self._recent: deque[tuple[int, int | None]] = deque()
        self._lasts: dict[str, deque[object]] = {column: deque(maxlen=size) for column, size in plan.lasts}
        self._decayed = {key: _Decaying(key[1]) for key in plan.decayed}

    @property
    def size(self) -> int:
        """Interactions in windows, and values in lists."""
        return len(self._recent) + sum(map(len, self._lasts.values()))

    def add(self, event: Told) -> bool:
        """See `Carried`."""
        if event.kind != "interaction":
            return True
        if event[:2] < self._at:
            return False
        self._at, self._created = event[:2], event.created
        value = event.value if event.value is not None and abs(event.value) <= exact.LARGEST else None
        units = None if value is None else round(value * exact.UNIT)
        self._ever.add(units)
        if self._plan.window:
            self._recent.append((event.time, units))
            while self._recent[0][0] <= event.time - self._plan.window:
                self._recent.popleft()
        for column, kept in self._lasts.items():
            found = value if column == "value" else getattr(event, column)
            if found is not None:
                kept.append(found)
        for (column, _), total in self._decayed.items():
            total.add(event.time, float(units or 0) if column else decay.COUNT_SCALE)
        return True

    def row(self) -> Row | None:
        """See `Carried`."""
        if self._at == _UNBEGUN:
            return None
        values = [self._field(field, one) for field, one in self._plan.aggregates]
        return Row(values, self._at[0] + stamps.TICK_US, self._created + stamps.TICK_US)

    def _field(self, field: ViewField, one: Aggregate) -> object:
        if one.name == "last":
            kept = list(self._lasts[one.column])
            if one.size:
                entry = ViewField(field.name, field.dtype.removesuffix("_LIST"))
                return [_fitting(value, entry) for value in kept[-one.size :]]
            return _fitting(kept[-1], field) if kept else None
        if one.name == "decayed":
            decayed = self._decayed[one.column, one.span].value(self._at[0])
            return _fitting(decayed / (exact.UNIT if one.column else decay.COUNT_SCALE), field)
        total = self._since(self._at[0] - one.span) if one.span else self._ever
        return _fitting(total.result(one.name), field)

    def _since(self, moment: int) -> "_Total":
        total = _Total()
        for time, units in reversed(self._recent):
            if time <= moment:
                break
            total.add(units)
        return total


class _Total:
    """How many interactions, how many of them have a value, and exact sums of the values and of their squares, in millionths."""

    __slots__ = ("count", "squares", "sum", "valid")

    def __init__(self) -> None:
        self.count = self.valid = self.sum = self.squares = 0

    def add(self, units: int | None) -> None:
        self.count += 1
        if units is not None:
            self.valid += 1
            self.sum += units
            self.squares += units * units

    def result(self, name: str) -> float | None:
        if name == "count":
            return self.count
        if name == "sum":
            return _nearest(self.sum) / exact.UNIT
        if not self.valid:
            return None
        if name == "mean":
            return _nearest(self.sum) / (self.valid * exact.UNIT)
        sums = [np.array([limb]) for limb in (self.sum >> 32, self.sum & _LOW)]
        squares = [np.array([self.squares >> bits & (_SQUARE if bits < 75 else -1)]) for bits in (75, 50, 25, 0)]
        return float(exact.deviations(np.array([self.valid]), sums, squares)[0]) / exact.UNIT


class _Decaying:
    """An exact sum of each of the newest blocks of time; see `ratoon.features.folds.decay`."""

    def __init__(self, half_life: int) -> None:
        self._half_life, self._block = half_life, 0
        self._sums = [0] * _CHANNELS

    def add(self, time: int, amount: float) -> None:
        self._sums = self._upto(time)
        self._block = time // (decay.BLOCK * self._half_life)
        self._sums[0] += round(self._weight(time) * amount)

    def value(self, time: int) -> float:
        total = decay.combined([np.array([_nearest(one)]) for one in self._upto(time)])
        return float(total[0]) / self._weight(time)

    def _upto(self, time: int) -> list[int]:
        passed = time // (decay.BLOCK * self._half_life) - self._block
        return ([0] * min(passed, _CHANNELS) + self._sums)[:_CHANNELS]

    def _weight(self, time: int) -> float:
        return float(decay.weights(np.array([time]), self._half_life)[0])


def _nearest(total: int) -> float:
    """As `exact.number`: the same two roundings."""
    return float(total >> 32) * 2.0**32 + float(total & _LOW)


def _fitting(value: object, field: ViewField) -> object:
    """What a field of this type holds of a value; None if it cannot."""
    if field.dtype not in ("INT32", "INT64") or value is None:
        return value
    assert isinstance(value, int | float)
    whole, bits = round(value) if math.isfinite(value) else 2**63, int(field.dtype[3:]) - 1
    return whole if -(2**bits) <= whole < 2**bits else None
