"""Retrievals: the one thing counted where microseconds matter, each in one call that finds all of its series by one key."""

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field

from ratoon.serving.metrics.tallies import Figures, Tallies

BUCKETS = (0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0)
"""Seconds of a stage."""
STAGES = ("features", "embed", "search", "filter", "render", "total")
NEWEST = 4
"""Releases of a surface that have series of their own; what older ones answered is told as `older`."""


@dataclass(frozen=True, slots=True)
class _Found:
    """The figures of one surface: by stage, by source, and by source and release."""

    stages: Mapping[str, Figures]
    sources: dict[str, Figures] = field(default_factory=dict)
    releases: dict[tuple[str, int], Figures] = field(default_factory=dict)


class Retrievals:
    """How many retrievals were answered, from what, and how long each stage took."""

    def __init__(self, tallies: Tallies) -> None:
        self._lock = tallies.lock
        self.total = tallies.counter("ratoon_retrievals", "Retrievals answered", "surface", "source")
        self.by_release = tallies.counter(
            "ratoon_release_retrievals", "Retrievals answered, by the release's number", "surface", "source", "release"
        )
        self.stages = tallies.histogram("ratoon_stage_seconds", "Time of a retrieval's stage", "surface", "stage", bounds=BUCKETS)
        self._surfaces: dict[str, _Found] = {}

    def count(self, surface: str, source: str, sequence: int, took_ms: Mapping[str, float]) -> None:
        """Count one retrieval, in the thread that answers.

        Args:
            sequence: the number of the release that answered.
            took_ms: milliseconds by stage, of STAGES; those that it had, as the answer says them.
        """
        found = self._surfaces.get(surface) or self._surface(surface)
        total = found.sources.get(source) or self._source(found, surface, source)
        by_release = found.releases.get((source, sequence)) or self._release(found, surface, source, sequence)
        with self._lock:
            total[0] += 1
            by_release[0] += 1
            for stage, milliseconds in took_ms.items():
                figures, seconds = found.stages[stage], milliseconds * 0.001
                figures[bisect_left(BUCKETS, seconds)] += 1
                figures[-1] += seconds

    def _surface(self, surface: str) -> _Found:
        stages = {stage: self.stages.labels(surface, stage).figures for stage in STAGES}
        return self._surfaces.setdefault(surface, _Found(stages))

    def _source(self, found: _Found, surface: str, source: str) -> Figures:
        return found.sources.setdefault(source, self.total.labels(surface, source).figures)

    def _release(self, found: _Found, surface: str, source: str, sequence: int) -> Figures:
        """The figures of a release, which may take the oldest one's place."""
        newest = sorted({number for _, number in found.releases} | {sequence})[-NEWEST:]
        for other, number in [key for key in found.releases if key[1] not in newest]:
            counted = found.releases.pop((other, number))
            self.by_release.drop(surface, other, number)
            self.by_release.labels(surface, other, "older").inc(counted[0])
        if sequence not in newest:
            return self.by_release.labels(surface, source, "older").figures
        return found.releases.setdefault((source, sequence), self.by_release.labels(surface, source, sequence).figures)
