"""Counters, gauges and histograms in plain lists: what is counted for a request costs a microsecond, not ten.

The names and meanings are Prometheus's (https://prometheus.io/docs/concepts/metric_types/). Figures become Prometheus's own
samples only when somebody asks for them.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Generic, Literal, TypeVar

Figures = list[float]
"""One series. Counters and gauges: the value. Histograms: observations per bucket, those above the last bound, and the sum."""

State = dict[str, dict[tuple[str, ...], Figures]]
"""Metric -> label values -> figures."""

Join = Literal["sum", "max", "min", "own"]
"""What becomes of the figures that several processes have for one series; `own`: each knows all, so whoever is asked says."""


@dataclass(frozen=True, slots=True)
class Named:
    """What Prometheus is told of a metric, and how processes' figures are joined.

    Attributes:
        bounds: upper bounds of a histogram's buckets, ascending, each inclusive.
    """

    name: str
    about: str
    kind: Literal["counter", "gauge", "histogram"]
    labels: tuple[str, ...] = ()
    join: Join = "sum"
    bounds: tuple[float, ...] = ()


class Count:
    """A number that only grows."""

    __slots__ = ("_followed", "_lock", "figures")

    def __init__(self, figures: Figures, _: tuple[float, ...], lock: Lock) -> None:
        self.figures, self._lock = figures, lock
        self._followed = 0.0

    def inc(self, amount: float = 1) -> None:
        """So many more."""
        with self._lock:
            self.figures[0] += amount

    def follow(self, total: float) -> None:
        """Something else in this process counts the same and stands at `total`: count what is new there."""
        with self._lock:
            self.figures[0] += total - self._followed
            self._followed = total


class Level(Count):
    """A number that comes and goes."""

    __slots__ = ()

    def dec(self, amount: float = 1) -> None:
        """So many fewer."""
        self.inc(-amount)

    def set(self, value: float) -> None:
        """It is this much now."""
        with self._lock:
            self.figures[0] = float(value)


class Spread:
    """How observations are spread over buckets."""

    __slots__ = ("_bounds", "_lock", "figures")

    def __init__(self, figures: Figures, bounds: tuple[float, ...], lock: Lock) -> None:
        self.figures, self._bounds, self._lock = figures, bounds, lock

    def observe(self, value: float, times: int = 1) -> None:
        """This much, once or several times."""
        with self._lock:
            self.figures[bisect_left(self._bounds, value)] += times
            self.figures[-1] += value * times

    def quantile(self, share: float) -> float | None:
        """The value below which so many lie, as Prometheus's `histogram_quantile` tells it; None before the first observation."""
        return quantile(self.figures, self._bounds, share)


Series = TypeVar("Series", Count, Level, Spread)


class Tally(Generic[Series]):
    """One metric and its series."""

    def __init__(self, named: Named, made_of: Callable[[Figures, tuple[float, ...], Lock], Series], lock: Lock) -> None:
        self.named, self._lock = named, lock
        self._made_of: Callable[[Figures, tuple[float, ...], Lock], Series] = made_of
        self._width = len(named.bounds) + 2 if named.kind == "histogram" else 1
        self._series: dict[tuple[str, ...], Series] = {}
        self._met: dict[tuple[object, ...], Series] = {}  # by label values as they are given: a status is a number there
        if not named.labels and named.kind != "gauge":  # a gauge that nobody has set is not 0
            self.labels()

    def labels(self, *values: object) -> Series:
        """The series with these label values, in the order of the metric's labels; keep it where it is needed often."""
        known = self._met.get(values)
        if known is None:
            if len(values) != len(self.named.labels):
                raise TypeError(f"{self.named.name} has the labels {self.named.labels}, found the values {values}")
            fresh = self._made_of([0.0] * self._width, self.named.bounds, self._lock)
            with self._lock:
                known = self._met[values] = self._series.setdefault(tuple(map(str, values)), fresh)
        return known

    def drop(self, *values: object) -> Figures:
        """Take a series away; what it had."""
        with self._lock:
            self._met.clear()
            return self._series.pop(tuple(map(str, values))).figures

    def figures(self) -> dict[tuple[str, ...], Figures]:
        """A copy of all figures. The caller holds the lock."""
        return {values: list(one.figures) for values, one in self._series.items()}


class Counter(Tally[Count]):
    """A metric made of counts; without labels it counts by itself."""

    def inc(self, amount: float = 1) -> None:
        """So many more."""
        self.labels().inc(amount)


class Gauge(Tally[Level]):
    """A metric made of levels."""

    def become(self, known: Mapping[tuple[str, ...], float]) -> None:
        """These series and no others: what is not known any more leaves no figure behind."""
        with self._lock:
            self._met.clear()
            self._series = {values: Level([float(value)], (), self._lock) for values, value in known.items()}


class Histogram(Tally[Spread]):
    """A metric made of spreads."""


class Tallies:
    """All metrics of one application, counted under one lock, so that a copy of them fits together."""

    def __init__(self) -> None:
        self.lock = Lock()
        self._all: dict[str, Counter | Gauge | Histogram] = {}

    def counter(self, name: str, about: str, *labels: str) -> Counter:
        """A new counter; `_total` is added to its name where it is told."""
        return self._add(Counter(Named(name, about, "counter", labels), Count, self.lock))

    def gauge(self, name: str, about: str, *labels: str, join: Join = "max") -> Gauge:
        """A new gauge."""
        return self._add(Gauge(Named(name, about, "gauge", labels, join), Level, self.lock))

    def histogram(self, name: str, about: str, *labels: str, bounds: tuple[float, ...]) -> Histogram:
        """A new histogram."""
        return self._add(Histogram(Named(name, about, "histogram", labels, bounds=bounds), Spread, self.lock))

    def named(self) -> Iterable[Named]:
        """What there is, in the order it was made."""
        return [tally.named for tally in self._all.values()]

    def state(self) -> State:
        """A copy of all figures at one moment."""
        with self.lock:
            return {name: tally.figures() for name, tally in self._all.items()}

    def go_on(self, state: State) -> None:
        """Add what was counted before; gauges are left, as they tell of now."""
        for name, series in state.items():
            tally = self._all[name]
            if tally.named.kind != "gauge":
                for values, figures in series.items():
                    mine = tally.labels(*values).figures
                    mine[:] = [one + other for one, other in zip(mine, figures, strict=True)]

    def _add(self, tally: "Added") -> "Added":
        self._all[tally.named.name] = tally
        return tally


Added = TypeVar("Added", Counter, Gauge, Histogram)


def quantile(figures: Figures, bounds: tuple[float, ...], share: float) -> float | None:
    """Interpolated within its bucket, whose lower bound is 0 for the first; the last bound for what lies above it."""
    counts = figures[:-1]
    wanted, below = share * sum(counts), 0.0
    if not any(counts):
        return None
    for place, (bound, count) in enumerate(zip(bounds, counts, strict=False)):
        if below + count >= wanted and count:
            low = bounds[place - 1] if place else 0.0
            return low + (bound - low) * (wanted - below) / count
        below += count
    return bounds[-1]
