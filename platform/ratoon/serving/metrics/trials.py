"""What is seen of a release on trial, as metrics."""

from collections.abc import Iterable, Mapping

from ratoon.domain.trial import Figures
from ratoon.serving.metrics.tallies import Tallies


class TrialFigures:
    """Figures of the trials of all surfaces in this process."""

    def __init__(self, tallies: Tallies) -> None:
        counter, gauge = tallies.counter, tallies.gauge
        self.running = gauge("ratoon_trial_running", "Whether a release on trial answers here: 1 or 0", "surface")
        self.answers = gauge("ratoon_trial_answers", "Answers of the release on trial, shown or in shadow", "surface", join="sum")
        self.errors = gauge("ratoon_trial_errors", "Those of them that failed", "surface", join="sum")
        self.dropped = gauge("ratoon_trial_comparisons_dropped", "Comparisons for which there was no time", "surface", join="sum")
        self.overlap = gauge("ratoon_trial_overlap", "Share of candidates that both releases show", "surface", join="min")
        self.latency = gauge("ratoon_trial_latency_ratio", "Time of its stages over the current release's", "surface")
        self.fallbacks = counter("ratoon_trial_fallbacks", "Trials that fell back", "surface")

    def look(self, surfaces: Iterable[str], tried: Mapping[str, Figures]) -> None:
        """What is so now.

        Args:
            tried: of those that try a release here: what was seen of it.
        """
        for surface in surfaces:
            self.fallbacks.labels(surface)  # from 0 on: Prometheus does not see a series rise that appears with its first failure
            self.running.labels(surface).set(surface in tried)
        self.answers.become({(name,): seen.answers for name, seen in tried.items()})
        self.errors.become({(name,): seen.errors for name, seen in tried.items()})
        self.dropped.become({(name,): seen.dropped for name, seen in tried.items()})
        self.overlap.become({(name,): seen.overlap.mean for name, seen in tried.items() if seen.overlap.n})
        self.latency.become({(name,): seen.slower for name, seen in tried.items() if seen.took.n and seen.usual.n})
