"""Several worker processes, one answer to a scrape."""

import os
import re
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from ratoon.domain.errors import StoreError
from ratoon.serving.metrics import Metrics, Shared
from ratoon.serving.metrics.shared import LONGEST_SILENCE
from tests.fakes.processes import DONE, KILLED, end, start
from tests.fakes.serving_world import World

TOOK = {"search": 0.2, "total": 0.4}


def worker(folder: Path, name: str, now: float = 0.0) -> Metrics:
    return Metrics(Shared(folder, name, lambda: now))


def told(metrics: Metrics, world: World, line: str) -> float:
    """The figure of one series."""
    text = metrics.text(world.rooms).decode()
    found = re.search(rf"^{re.escape(line)} (\S+)$", text, re.MULTILINE)
    assert found, text
    return float(found[1])


def work(folder: Path, name: str, requests: int, world: World) -> None:
    metrics = worker(folder, name)
    for _ in range(requests):
        metrics.answered("POST", "/v1/retrieve", 200, 0.0004)
        metrics.retrieved("default", "tower", 3, TOOK)
        metrics.in_flight.labels().inc()
    metrics.recall.labels("default").set(0.9 + requests / 100)
    metrics.tell(world.rooms)


def test_any_worker_tells_the_sum_of_all(tmp_path: Path, world: World) -> None:
    """Counts, buckets and requests in flight of three processes add up; of recall the worst is told, of memory each one's."""
    assert {end(pid) for pid in [start(lambda n=n: work(tmp_path, str(n), n, world)) for n in (1, 2)]} == {DONE}  # type: ignore[misc]
    own = worker(tmp_path, "3")
    own.answered("POST", "/v1/retrieve", 200, 0.0004)
    own.recall.labels("default").set(0.99)
    assert told(own, world, 'ratoon_requests_total{method="POST",route="/v1/retrieve",status="200"}') == 4
    assert told(own, world, 'ratoon_request_seconds_bucket{route="/v1/retrieve",le="0.0005"}') == 4
    assert told(own, world, 'ratoon_stage_seconds_sum{stage="search",surface="default"}') == pytest.approx(0.0006)
    assert told(own, world, 'ratoon_release_retrievals_total{release="3",source="tower",surface="default"}') == 3
    assert told(own, world, "ratoon_requests_in_flight") == 3
    assert told(own, world, 'ratoon_index_recall{surface="default"}') == 0.91
    for name in "123":
        assert told(own, world, f'process_resident_memory_bytes{{worker="{name}"}}') > 1e6


def test_what_was_told_is_never_taken_back(tmp_path: Path, world: World) -> None:
    """After a worker is scraped and killed no other one tells less, and whoever takes its place goes on from there."""

    def scraped_then_killed() -> None:
        metrics = worker(tmp_path, "0")
        metrics.events.inc(5)
        metrics.text(world.rooms)
        os.kill(os.getpid(), signal.SIGKILL)

    assert end(start(scraped_then_killed)) == KILLED
    assert told(worker(tmp_path, "1"), world, "ratoon_events_accepted_total") == 5
    successor = worker(tmp_path, "0")
    successor.events.inc()
    assert told(successor, world, "ratoon_events_accepted_total") == 6
    assert told(worker(tmp_path, "1"), world, "ratoon_events_accepted_total") == 6


def test_a_silent_worker_counts_but_says_nothing_of_now(tmp_path: Path, world: World) -> None:
    """After the longest silence its gauges are left out, its counters stay, and its age says how stale they are."""
    gone = worker(tmp_path, "0")
    gone.in_flight.labels().inc(7)
    gone.events.inc(2)
    gone.tell(world.rooms)
    just, late = worker(tmp_path, "1", LONGEST_SILENCE), worker(tmp_path, "1", LONGEST_SILENCE + 0.5)
    for other in (just, late):
        other.in_flight.labels().inc()
    assert told(just, world, "ratoon_requests_in_flight") == 8
    assert told(late, world, "ratoon_requests_in_flight") == 1
    assert told(late, world, "ratoon_events_accepted_total") == 2
    assert told(late, world, 'ratoon_worker_age_seconds{worker="0"}') == LONGEST_SILENCE + 0.5
    assert told(late, world, 'ratoon_worker_age_seconds{worker="1"}') == 0


def test_a_file_of_something_else_is_said(tmp_path: Path, world: World) -> None:
    """A file that is no worker's figures fails the scrape by its name."""
    (tmp_path / "worker-7.json").write_text("{}")
    with pytest.raises(StoreError, match=r"worker-7\.json: expected a worker's figures, found KeyError\('series'\)\. Delete it"):
        worker(tmp_path, "0").text(world.rooms)


def test_who_serves_alone_tells_no_one(world: World) -> None:
    """Without a folder nothing is written, and the one worker's figures are of this moment."""
    alone = Metrics()
    alone.tell(world.rooms)
    assert told(alone, world, 'ratoon_worker_age_seconds{worker="0"}') == 0


def test_what_is_so_now_is_of_now_in_every_worker(tmp_path: Path, world: World) -> None:
    """A worker that nobody scrapes tells what it serves all the same; what each worker knows of all, the one asked says."""
    one = worker(tmp_path, "0")
    ages = [("activity", "offline", 60.0)]
    assert 'ratoon_surface_ready{surface="default"} 0.0' in one.text(replace(world.rooms, feature_ages=lambda: ages)).decode()
    world.adopt()
    other = worker(tmp_path, "1")
    assert told(other, world, 'ratoon_surface_ready{surface="default"}') == 0
    one.tell(world.rooms)
    assert told(other, world, 'ratoon_surface_ready{surface="default"}') == 1
    assert told(other, world, 'ratoon_release_sequence{surface="default"}') == 1
    assert "ratoon_feature_age_seconds{" not in other.text(world.rooms).decode()
