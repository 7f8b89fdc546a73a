"""What is counted."""

from dataclasses import replace
from datetime import timedelta

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
