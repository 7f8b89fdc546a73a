"""What a server counts, by name."""

from bisect import bisect_left
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from shutil import disk_usage
from threading import Lock

import numpy as np
import numpy.typing as npt

from ratoon.domain.errors import RatoonError
from ratoon.domain.release import Release
from ratoon.serving.metrics.exposition import exposed
from ratoon.serving.metrics.present import PROCESS, ExposureCounts, process_figures
from ratoon.serving.metrics.retrievals import Retrievals
from ratoon.serving.metrics.shared import Shared
from ratoon.serving.metrics.tallies import State, Tallies
from ratoon.serving.metrics.trials import TrialFigures
from ratoon.serving.rooms import Rooms

BUCKETS = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""Seconds: retrieval takes a fraction of a millisecond, an append as long as the disk takes to sync."""
ADOPTIONS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0)
FRESHNESS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 21600.0, 86400.0, 600000.0)

TIERS = ("event_to_online", "event_to_trained", "event_to_indexed", "event_to_served")
STEPS = 20
"""Moments between a window's beginning and its end at which its events are taken to have arrived."""


class Metrics:
    """One application's metrics; two applications in a process count apart.

    Args:
        shared: where several worker processes keep what each has counted; None for a process that serves alone.
        home: the folder whose disk is watched, with all state; None to watch none.
        exposures: what became of the exposures that this process handed over; None where there is no exposure log.
    """

    def __init__(
        self, shared: Shared | None = None, home: Path | None = None, exposures: Callable[[], ExposureCounts] | None = None
    ) -> None:
        own = self._tallies = Tallies()
        self._shared, self._home, self._exposures = shared, home, exposures
        self._telling = Lock()
        counter, gauge, histogram = own.counter, own.gauge, own.histogram

        self.requests = counter("ratoon_requests", "Requests answered", "method", "route", "status")
        self.seconds = histogram("ratoon_request_seconds", "Time to answer", "route", bounds=BUCKETS)
        self.spans_dropped = counter("ratoon_spans_dropped", "Traced requests that left no spans, because too many were waiting")
        self.in_flight = gauge("ratoon_requests_in_flight", "Requests being answered", join="sum")
        self.shed = counter("ratoon_shed", "Requests turned away before they were looked at", "reason")
        self.rate_limited = counter("ratoon_rate_limited", "Requests beyond their key's rate")
        self.auth_failures = counter("ratoon_auth_failures", "Requests whose key is missing or unknown, or not enough", "reason")

        counted = Retrievals(own)
        self.retrievals, self.stages, self.retrieved = counted.total, counted.stages, counted.count

        self.events = counter("ratoon_events_accepted", "Events made durable")
        self.refused = counter("ratoon_events_refused", "Events that broke a rule")
        self.ahead = counter("ratoon_events_ahead", "Events dated after their arrival")
        self.lateness = histogram("ratoon_event_lateness_seconds", "Time from an event to its arrival", bounds=FRESHNESS)
        self.duplicates = counter("ratoon_events_duplicate", "Events passed over")
        self.unapplied = counter("ratoon_events_unapplied", "Requests whose events did not reach online features")
        self.append_failures = counter("ratoon_event_append_failures", "Requests whose events could not be made durable")
        self.freshness = histogram(
            "ratoon_freshness_seconds", "Time from a posted event to its effect", "surface", "tier", bounds=FRESHNESS
        )
        self.catch_up_failures = counter("ratoon_catch_up_failures", "Online features not brought up to date")
        self.feature_ages = gauge(
            "ratoon_feature_age_seconds", "Time since a view's newest event time", "view", "store", join="own"
        )
        self.feature_age_failures = counter("ratoon_feature_age_failures", "Times a view's age could not be told")

        self.ready = gauge("ratoon_surface_ready", "Whether a release is served: 1 or 0", "surface", join="min")
        self.sequence = gauge("ratoon_release_sequence", "Number of the release served", "surface", join="min")
        self.age = gauge("ratoon_watermark_age_seconds", "Time since the watermark", "surface")
        self.adoption_seconds = histogram("ratoon_adoption_seconds", "Time to adopt a release", "surface", bounds=ADOPTIONS)
        self.adoption_failures = counter("ratoon_adoption_failures", "Releases not adopted", "surface")

        self.trials = TrialFigures(own)
        self.taken_back = counter("ratoon_releases_taken_back", "Releases that broke the limits of [guard]", "surface")

        self.recall = gauge("ratoon_index_recall", "Share of the exact answers that searches find", "surface", join="min")
        self.probe_failures = counter("ratoon_index_probe_failures", "Times recall could not be told", "surface")
        self.items = gauge("ratoon_index_items", "Items that can be found", "surface")
        self.copies = gauge("ratoon_index_copies", "Copies of the index in memory", "surface", join="sum")
        self.lists = gauge("ratoon_index_lists", "Lists the vectors are in", "surface")

        self.exposures = counter("ratoon_exposures_written", "Answers in the exposure log")
        self.exposures_dropped = counter("ratoon_exposures_dropped", "Answers that the exposure log lost", "reason")
        self.exposure_failures = counter("ratoon_exposure_write_failures", "Times the exposure log could not be written")
        self.exposures_waiting = gauge("ratoon_exposures_waiting", "Answers not yet in the exposure log", join="sum")

        self.home_free = gauge("ratoon_home_free_bytes", "Free space where all state is")
        self.home_size = gauge("ratoon_home_size_bytes", "All space there")
        self.workers = gauge("ratoon_worker_age_seconds", "Time since a worker told its figures", "worker")
        self._process = {name: gauge(name, about, "worker") for name, about in PROCESS.items()}
        if shared is not None:
            own.go_on(shared.before())

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one request of any kind, under its route's template: ids in paths would make a series each."""
        count, spread = self.requests.labels(method, route, status).figures, self.seconds.labels(route).figures
        with self._tallies.lock:
            count[0] += 1
            spread[bisect_left(BUCKETS, seconds)] += 1
            spread[-1] += seconds
        if status == 429:
            self.rate_limited.inc()
        elif status in (401, 403):
            self.auth_failures.labels("unauthorized" if status == 401 else "forbidden").inc()

    def unread(self, status: int) -> None:
        """Count an answer to what was no request, or not a whole one; how long it took says nothing."""
        self.requests.labels("other", "unread", status).inc()

    def fresh(self, surface: str, tier: str, seconds: float, events: int = 1) -> None:
        """So many events had an effect so long after they were posted; `tier` is one of TIERS."""
        self.freshness.labels(surface, tier).observe(seconds, events)

    def arrived(self, seconds: npt.NDArray[np.float64]) -> None:
        """Events arrived so long after they happened; shape (n,), below 0 where a clock is ahead of ours."""
        self.ahead.inc(int((seconds < 0).sum()))
        late = np.maximum(seconds, 0.0)
        buckets = np.searchsorted(FRESHNESS, late)
        for bucket in np.unique(buckets):
            own = late[buckets == bucket]
            # Of one bucket their mean stands for each: buckets and sum are the same.
            self.lateness.labels().observe(float(own.mean()), len(own))

    def adopted(self, surface: str, release: Release, before: Release | None, now: datetime, seconds: float) -> None:
        """A release is served from now on, and the events that it learnt have had their effect.

        When they had arrived is known of the first and the last of them, and taken to be even between.

        Args:
            before: what was served until now; None for the first.
            now: by the configured clock.
            seconds: how long adoption took.
        """
        self.adoption_seconds.labels(surface).observe(seconds)
        learnt = 0 if before is None else release.window.end - before.window.end
        if before is None or learnt <= 0:  # a first release comes of history, a rollback of what was known
            return
        first, last = before.window.as_of, release.window.as_of
        for step in range(STEPS):
            arrived = first + (last - first) * ((step + 0.5) / STEPS)
            events = learnt * (step + 1) // STEPS - learnt * step // STEPS
            self.fresh(surface, "event_to_served", (now - arrived).total_seconds(), events)
            if release.published is not None:
                self.fresh(surface, "event_to_trained", (release.published - arrived).total_seconds(), events)

    def index_health(self, surface: str, stats: Mapping[str, object]) -> None:
        """What an index says of itself; what it does not say stays as it is. Asking it may wait for a change to end."""
        for name, gauge in (("items", self.items), ("copies", self.copies), ("lists", self.lists)):
            if isinstance(value := stats.get(name), int | float):
                gauge.labels(surface).set(value)

    def tell(self, rooms: Rooms) -> None:
        """Let the other workers know this one's figures: to be called every second, and before the last goodbye."""
        if self._shared is not None:
            self._look(rooms)
            self._tell(self._shared)

    def text(self, rooms: Rooms) -> bytes:
        """Everything counted so far in all workers, and what is so now, in the Prometheus text format.

        Raises:
            StoreError: what another worker told cannot be read.
        """
        self._look(rooms)
        try:
            self.feature_ages.become({(view, store): seconds for view, store, seconds in rooms.feature_ages()})
        except RatoonError:  # a store that is down must not hide everything else: it shows as a count, and as no age at all
            self.feature_ages.become({})
            self.feature_age_failures.inc()
        if self._shared is None:
            state, ages = self._own("0"), {"0": 0.0}
        else:
            self._tell(self._shared)
            state, ages = self._shared.joined(self._tallies.named())
        state["ratoon_worker_age_seconds"] = {(worker,): [age] for worker, age in ages.items()}
        return exposed(self._tallies.named(), state)

    def _tell(self, shared: Shared) -> None:
        with self._telling:  # what is written last is the newest
            shared.write(self._own(shared.worker))

    def _look(self, rooms: Rooms) -> None:
        tried = {name: surface.trial.figures() for name, surface in rooms.surfaces.items() if surface.trial.tried is not None}
        self.trials.look(rooms.surfaces, tried)
        for name, surface in rooms.surfaces.items():
            slot = surface.live.slot
            for failures in (self.adoption_failures, self.probe_failures, self.taken_back):
                failures.labels(name)  # from 0 on: Prometheus does not see a series rise that appears with its first failure
            self.ready.labels(name).set(slot is not None)
            if slot is not None:
                self.sequence.labels(name).set(slot.release.sequence)
                self.age.labels(name).set((rooms.clock() - slot.release.window.as_of).total_seconds())

    def _own(self, worker: str) -> State:
        for name, value in process_figures():
            self._process[name].labels(worker).set(value)
        if self._home is not None and self._home.exists():
            disk = disk_usage(self._home)
            self.home_free.labels().set(disk.free)
            self.home_size.labels().set(disk.total)
        if self._exposures is not None:
            self._expose(self._exposures())
        return self._tallies.state()

    def _expose(self, now: ExposureCounts) -> None:
        self.exposures_waiting.labels().set(now.waiting)
        self.exposures.labels().follow(now.written)
        self.exposures_dropped.labels("queue").follow(now.dropped)
        self.exposures_dropped.labels("unwritable").follow(now.unwritable)
        self.exposure_failures.labels().follow(now.failures)
