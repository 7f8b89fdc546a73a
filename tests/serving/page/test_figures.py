"""What the page is told."""

from ratoon.serving.metrics import Metrics
from ratoon.serving.page import figures
from tests.fakes.events import batch, event
from tests.fakes.serving_world import World


def test_the_figures_are_those_of_the_rooms(world: World) -> None:
    """Release, items, events, recall and spreads are what the live slot, the log, the index and the metrics say."""
    metrics = Metrics()
    world.adopt()
    world.log.append(batch(event("e1"), event("e2")))
    metrics.fresh("default", "event_to_online", 0.004, 3)
    metrics.recall.labels("default").set(0.97)
    metrics.retrieved("default", "tower", 1, {"total": 0.4, "search": 0.2})
    found = figures(world.rooms, metrics, "default")
    assert found.release == world.registry.history[0]
    assert (found.items, found.events, found.recall, found.adopting) == (10, 2, 0.97, False)
    assert found.fresh["event_to_online"].count == 3
    assert found.fresh["event_to_online"].p50 == metrics.freshness.labels("default", "event_to_online").quantile(0.5)
    assert found.fresh["event_to_trained"].p95 is None
    assert found.stages["total"].p95 == metrics.stages.labels("default", "total").quantile(0.95)
    assert sum(found.stages["search"].counts) == 1
    assert found.index == {"items": 10}


def test_before_the_first_release_there_is_nothing_to_tell(world: World) -> None:
    """A surface that serves nothing has no release, no items and no index."""
    found = figures(world.rooms, Metrics(), "default")
    assert (found.release, found.items, found.index, found.recall) == (None, 0, {}, None)
