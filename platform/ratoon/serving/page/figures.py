"""What the page shows of a surface, read once from the rooms."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from ratoon.domain.release import Release
from ratoon.domain.report import Run
from ratoon.serving.metrics import STAGES, TIERS, Metrics
from ratoon.serving.metrics.tallies import Histogram
from ratoon.serving.rooms import Rooms

SHARES = (0.5, 0.95, 0.99)


@dataclass(frozen=True, slots=True)
class Spread:
    """How durations are spread.

    Attributes:
        count: of observations.
        p50, p95, p99: seconds; None before the first observation.
        bounds: of the buckets, seconds, ascending.
        counts: per bucket, and last those above the last bound.
    """

    count: int
    p50: float | None
    p95: float | None
    p99: float | None
    bounds: tuple[float, ...]
    counts: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Figures:
    """One surface as it is now.

    Attributes:
        surface, surfaces: its name, and all names.
        release: what is served; None before the first.
        items: that can be retrieved.
        adopting: whether the index is still on its way to the release.
        events: in the log of all surfaces.
        now: by the configured clock.
        held: why refreshing is on hold; empty if it is not.
        fresh: tier -> how long events took, of TIERS.
        stages: stage of a retrieval -> how long it took, of STAGES.
        index: what the index says of itself.
        recall: the share of the exact answers that searches found lately; None if nobody has searched.
        runs: what refreshes did, newest first.
        releases: those that are kept, newest first.
    """

    surface: str
    surfaces: tuple[str, ...]
    release: Release | None
    items: int
    adopting: bool
    events: int
    now: datetime
    held: str
    fresh: Mapping[str, Spread]
    stages: Mapping[str, Spread]
    index: Mapping[str, int | float | str | None]
    recall: float | None
    runs: Sequence[Run]
    releases: Sequence[Release]


def figures(rooms: Rooms, metrics: Metrics, name: str) -> Figures:
    """Look at everything; reads files, so call it from a thread.

    Args:
        name: of a configured surface.

    Raises:
        StoreError: a release's manifest or a run's record cannot be read.
    """
    surface = rooms.surfaces[name]
    slot = surface.live.slot
    recalls = metrics.recall.figures()
    return Figures(
        surface=name,
        surfaces=tuple(rooms.surfaces),
        release=slot.release if slot else None,
        items=len(slot.index) if slot else 0,
        adopting=bool(slot and slot.adopting),
        events=rooms.log.end(),
        now=rooms.clock(),
        held=surface.registry.held(),
        fresh={tier: _spread(metrics.freshness, name, tier) for tier in TIERS},
        stages={stage: _spread(metrics.stages, name, stage) for stage in STAGES},
        index=slot.index.stats() if slot else {},
        recall=recalls[(name,)][0] if (name,) in recalls else None,
        runs=surface.runs(),
        releases=surface.registry.releases(),
    )


def _spread(histogram: Histogram, *labels: str) -> Spread:
    series, bounds = histogram.labels(*labels), histogram.named.bounds
    counts = tuple(series.figures[:-1])
    p50, p95, p99 = (series.quantile(share) for share in SHARES)
    return Spread(int(sum(counts)), p50, p95, p99, bounds, counts)
