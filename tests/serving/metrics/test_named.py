"""What is counted."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest

from ratoon.domain.errors import StoreError
from ratoon.domain.window import Window
from ratoon.serving import create_app
from ratoon.serving.metrics import Metrics, Shared
from tests.fakes.events import START
from tests.fakes.serving_world import Ask, World, asking


def test_requests_events_and_retrievals_are_counted(ask: Ask) -> None:
    """Requests are counted by route template and status, retrievals by source, events by whether they were new."""
    for user in ("known", "nobody", "nobody"):
        ask("POST", "/v1/retrieve", json={"user_id": user})
    ask("POST", "/v1/retrieve", json={})
    for item in ("a", "b"):
        ask("DELETE", f"/v1/items/{item}")
    for _ in range(2):
        ask("POST", "/v1/events", json={"event_id": "e", "user_id": "u", "item_id": "i"})
    ask("GET", "/no/such/path")
    ask("BREW", "/healthz")
    text = ask("GET", "/metrics").text
    for line in (
        'ratoon_requests_total{method="POST",route="/v1/retrieve",status="200"} 3.0',
        'ratoon_requests_total{method="POST",route="/v1/retrieve",status="422"} 1.0',
        'ratoon_requests_total{method="DELETE",route="/v1/items/{item_id}",status="202"} 2.0',
        'ratoon_requests_total{method="GET",route="unmatched",status="404"} 1.0',
        'ratoon_requests_total{method="other",route="/healthz",status="405"} 1.0',
        'ratoon_request_seconds_count{route="/v1/retrieve"} 4',
        'ratoon_retrievals_total{source="tower",surface="default"} 1.0',
        'ratoon_retrievals_total{source="cold",surface="default"} 2.0',
        "ratoon_events_accepted_total 3.0",
        "ratoon_events_duplicate_total 1.0",
        'ratoon_release_sequence{surface="default"} 1.0',
    ):
        assert line in text


def test_the_watermark_ages_by_the_configured_clock(world: World) -> None:
    """The age of a release is the configured clock's now less its watermark."""
    later = replace(world.rooms, clock=lambda: START + timedelta(minutes=2))
    with asking(create_app(later)) as ask:
        assert 'ratoon_watermark_age_seconds{surface="default"} 120.0' in ask("GET", "/metrics").text


def test_two_applications_count_apart(world: World) -> None:
    """Metrics live in a registry of their own, so that a second application in the process neither fails nor mixes."""
    one, other = Metrics(), Metrics()
    one.events.inc(5)
    assert b"ratoon_events_accepted_total 0.0" in other.text(world.rooms)


def test_the_age_of_the_data_is_told(world: World) -> None:
    """Each view has a gauge per store; a store that is down takes the ages away and is counted, and nothing else is lost."""
    up = iter([[("activity", "offline", 60.0), ("activity", "online", 90.5)]])

    def ages() -> Iterable[tuple[str, str, float]]:
        for found in up:
            return found
        raise StoreError("online.db", expected="a disk", found="none", fix="Buy one.")

    with asking(create_app(replace(world.rooms, feature_ages=ages))) as ask:
        text = ask("GET", "/metrics").text
        assert 'ratoon_feature_age_seconds{store="offline",view="activity"} 60.0' in text
        assert 'ratoon_feature_age_seconds{store="online",view="activity"} 90.5' in text
        text = ask("GET", "/metrics").text
        assert "ratoon_feature_age_seconds{" not in text
        assert "ratoon_feature_age_failures_total 1.0" in text
        assert "ratoon_events_accepted_total" in text


def test_freshness_is_counted_by_tier() -> None:
    """One release can make many events take effect: each counts, and the page reads quantiles from the same figures."""
    metrics = Metrics()
    metrics.fresh("default", "event_to_trained", 200, events=1000)
    metrics.fresh("default", "event_to_online", 0.004)
    assert metrics.freshness.labels("default", "event_to_trained").quantile(0.5) == 180
    assert metrics.freshness.labels("default", "event_to_online").quantile(0.95) == pytest.approx(0.00475)
    assert metrics.freshness.labels("default", "event_to_served").quantile(0.5) is None


def test_the_index_the_process_and_the_disk_are_told(world: World, tmp_path: Path) -> None:
    """What an index says of itself, what the operating system says of the process, and what is free where all state is."""
    metrics = Metrics(home=tmp_path)
    metrics.index_health("default", {"items": 10, "copies": 2, "lists": 4, "codec": "flat", "recall": None})
    metrics.index_health("ads", {"items": 3})
    text = metrics.text(world.rooms).decode()
    for line in (
        'ratoon_index_items{surface="default"} 10.0',
        'ratoon_index_copies{surface="default"} 2.0',
        'ratoon_index_lists{surface="default"} 4.0',
        'ratoon_index_items{surface="ads"} 3.0',
    ):
        assert line in text
    assert 'ratoon_index_lists{surface="ads"}' not in text
    told = {name: float(value) for name, value in re.findall(r"^(\w+)(?:{worker=\"0\"})? (\S+)$", text, re.MULTILINE)}
    assert 0 < told["ratoon_home_free_bytes"] < told["ratoon_home_size_bytes"]
    assert 0 < told["process_open_fds"] < told["process_max_fds"]
    assert told["process_resident_memory_bytes"] > 1e7
    assert "\nratoon_home_free_bytes" not in Metrics().text(world.rooms).decode()


def test_a_surface_without_a_release_is_not_ready(world: World) -> None:
    """Readiness is 0 before the first release is served and 1 from then on."""
    metrics = Metrics()
    assert 'ratoon_surface_ready{surface="default"} 0.0' in metrics.text(world.rooms).decode()
    world.adopt()
    assert 'ratoon_surface_ready{surface="default"} 1.0' in metrics.text(world.rooms).decode()


@dataclass
class Counts:
    written: int = 0
    dropped: int = 0
    unwritable: int = 0
    failures: int = 0
    waiting: int = 0


def test_exposures_are_counted_as_their_log_tells(world: World, tmp_path: Path) -> None:
    """The log's own counts since it was opened are told, each scrape once, on top of those of the process before."""
    counts = Counts()
    for _ in range(2):
        metrics = Metrics(Shared(tmp_path / "counts", "0", lambda: 0.0), exposures=lambda: counts)
        counts.written, counts.dropped, counts.unwritable, counts.failures, counts.waiting = 5, 2, 1, 3, 9
        metrics.tell(world.rooms)
        counts.written, counts.waiting = 7, 4
        text = metrics.text(world.rooms).decode()
    for line in (
        "ratoon_exposures_written_total 14.0",
        'ratoon_exposures_dropped_total{reason="queue"} 4.0',
        'ratoon_exposures_dropped_total{reason="unwritable"} 2.0',
        "ratoon_exposure_write_failures_total 6.0",
        "ratoon_exposures_waiting 4.0",
    ):
        assert line in text


def test_what_no_request_came_of_is_counted(world: World) -> None:
    """What the protocol answers itself, as half a request, is counted by its status."""
    app = create_app(world.rooms)
    with asking(app) as ask:
        for status in (400, 408, 431, 431):
            app.state.metrics.unread(status)
        text = ask("GET", "/metrics").text
    for status, count in ((400, 1), (408, 1), (431, 2)):
        assert f'ratoon_requests_total{{method="other",route="unread",status="{status}"}} {count}.0' in text


def test_refusals_are_told_by_their_status(world: World) -> None:
    """Answers 401, 403 and 429 are counted as what they refuse, and others are not."""
    metrics = Metrics()
    for status in (200, 401, 401, 403, 429, 500):
        metrics.answered("POST", "/v1/retrieve", status, 0.0001)
    text = metrics.text(world.rooms).decode()
    assert 'ratoon_auth_failures_total{reason="unauthorized"} 2.0' in text
    assert 'ratoon_auth_failures_total{reason="forbidden"} 1.0' in text
    assert "ratoon_rate_limited_total 1.0" in text


def test_failures_begin_at_nothing(world: World) -> None:
    """A surface's failures are told before the first one, so that Prometheus sees it rise."""
    text = Metrics().text(world.rooms).decode()
    assert 'ratoon_adoption_failures_total{surface="default"} 0.0' in text
    assert 'ratoon_index_probe_failures_total{surface="default"} 0.0' in text


def test_an_adopted_release_makes_its_events_fresh(world: World) -> None:
    """Each event learnt counts once, from its arrival to publication and to adoption; what was known before counts nothing."""
    metrics, first = Metrics(), world.registry.release(1, end=100)
    window = Window(100, 140, START + timedelta(seconds=200))
    second = replace(first, sequence=2, window=window, published=START + timedelta(seconds=210))
    metrics.adopted("default", first, None, START, 0.02)
    metrics.adopted("default", second, first, START + timedelta(seconds=212), 0.03)
    metrics.adopted("default", first, second, START + timedelta(seconds=300), 0.02)
    spread = metrics.freshness.labels("default", "event_to_served").figures
    assert [sum(spread[:-1]), spread[-1]] == [40, pytest.approx(40 * 112)]
    spread = metrics.freshness.labels("default", "event_to_trained").figures
    assert [sum(spread[:-1]), spread[-1]] == [40, pytest.approx(40 * 110)]
    assert sum(metrics.adoption_seconds.labels("default").figures[:-1]) == 3
