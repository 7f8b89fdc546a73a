"""A server process over a home that refreshes move: what it serves survives its own end."""

import os
from collections.abc import Callable
from pathlib import Path

from ratoon import config
from ratoon.bench.api import Api, server
from ratoon.refresh import refresh
from ratoon.wiring import House


def _served(api: Api, user: str) -> list[str]:
    return api.items(user, "default", 1000, exclude_seen=False)


def test_items_come_go_and_survive_a_restart(copied: Callable[[str], Path]) -> None:
    """A posted item is served after one refresh, a removed one is gone at once; a restarted server says the same."""
    file = copied("served")
    environment = {**os.environ, config.CONFIG: str(file), "OMP_NUM_THREADS": "1"}
    house = House(config.load(file, environment={}))
    with server(0, environment) as (api, _process):
        removed = _served(api, "a-fan")[0]
        api.call("POST", "/v1/items", {"item_id": "brand-new", "features": {"title": "Brand new", "genres": ["Drama"]}})
        api.call("POST", "/v1/events", {"user_id": "a-fan", "item_id": "brand-new", "type": "rating", "value": 5})
        assert "brand-new" not in _served(api, "a-fan")
        report = refresh(house.workshop("default"), house.stopwatch())
        assert report.outcome == "published"
        api.await_release("default", report.sequence)
        assert "brand-new" in _served(api, "a-fan")
        api.call("DELETE", f"/v1/items/{removed}")
        assert removed not in _served(api, "a-fan")
        before = _served(api, "a-fan")
    with server(0, environment) as (api, _process):
        assert _served(api, "a-fan") == before
        assert removed not in before
        assert api.retrieve("a-fan", k=5)["source"] == "tower"
