"""What the server counts, for Prometheus."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ratoon.domain.errors import RatoonError
from ratoon.serving.rooms import Rooms

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""Seconds: retrieval takes milliseconds, an append as long as the disk takes to sync."""


class Metrics:
    """One application's metrics, in a registry of their own so that two applications fit into one process."""

    def __init__(self) -> None:
        own = self._registry = CollectorRegistry()
        self.requests = Counter("ratoon_requests", "Requests answered", ["method", "route", "status"], registry=own)
        self.seconds = Histogram("ratoon_request_seconds", "Time to answer", ["route"], registry=own, buckets=BUCKETS)
        self.retrievals = Counter("ratoon_retrievals", "Retrievals answered", ["surface", "source"], registry=own)
        self.events = Counter("ratoon_events_accepted", "Events made durable", registry=own)
        self.duplicates = Counter("ratoon_events_duplicate", "Events passed over", registry=own)
        self.unapplied = Counter("ratoon_events_unapplied", "Requests whose events did not reach online features", registry=own)
        self.sequence = Gauge("ratoon_release_sequence", "Number of the release served", ["surface"], registry=own)
        self.age = Gauge("ratoon_watermark_age_seconds", "Time since the watermark", ["surface"], registry=own)
        self.recall = Gauge("ratoon_index_recall", "Share of the exact answers that searches find", ["surface"], registry=own)
        self._feature_ages = _Ages()
        own.register(self._feature_ages)
        self.feature_age_failures = Counter("ratoon_feature_age_failures", "Times a view's age could not be told", registry=own)
        self.adoption_failures = Counter("ratoon_adoption_failures", "Releases not adopted", ["surface"], registry=own)
        self.probe_failures = Counter("ratoon_index_probe_failures", "Times recall could not be told", ["surface"], registry=own)
        self.catch_up_failures = Counter("ratoon_catch_up_failures", "Online features not brought up to date", registry=own)

    def text(self, rooms: Rooms) -> bytes:
        """Everything counted so far, and how old each surface's release is now, in the Prometheus text format."""
        for name, surface in rooms.surfaces.items():
            if (slot := surface.live.slot) is not None:
                self.sequence.labels(name).set(slot.release.sequence)
                self.age.labels(name).set((rooms.clock() - slot.release.window.as_of).total_seconds())
        try:
            self._feature_ages.known = tuple(rooms.feature_ages())
        except RatoonError:  # a store that is down must not hide everything else: it shows as a count, and as no age at all
            self._feature_ages.known = ()
            self.feature_age_failures.inc()
        return generate_latest(self._registry)


class _Ages(Collector):
    """The ages known now and no others: a view that is gone leaves no figure behind."""

    known: tuple[tuple[str, str, float], ...] = ()

    def collect(self) -> Iterator[Metric]:
        family = GaugeMetricFamily(
            "ratoon_feature_age_seconds", "Time since a view's newest event time", labels=("view", "store")
        )
        for view, store, seconds in self.known:
            family.add_metric((view, store), seconds)
        yield family
