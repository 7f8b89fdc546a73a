"""What is counted."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

from ratoon.domain.errors import StoreError
from ratoon.serving import create_app
from ratoon.serving.metrics import Metrics
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
        'ratoon_request_seconds_count{route="/v1/retrieve"} 4.0',
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
