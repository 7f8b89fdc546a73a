"""A server process over a home that refreshes move: what it serves survives its own end."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from ratoon import config
from ratoon.bench.api import Api, server
from ratoon.refresh import refresh
from ratoon.wiring import House


def _served(api: Api, user: str) -> list[str]:
    return api.items(user, "default", 1000, exclude_seen=False)


def _sources(api: Api, user: str) -> dict[str, str]:
    found = api.retrieve(user, k=1000, exclude_seen=False)["candidates"]
    return {one["item_id"]: one["source"] for one in found}


POSTING = """
import sys
from pathlib import Path
from ratoon import config
from ratoon.serving.opening import open_app
from ratoon.wiring import House
from tests.fakes.serving_world import asking

house = House(config.load(Path(sys.argv[1]), environment={}))
user = house.log.recent(house.log.end(), 1)[0][1]
with asking(open_app(house)) as ask:
    for item, features in (("drama", {"title": "A", "genres": ["Drama"]}), ("dated", {"release_date": "1995-01-01"})):
        assert ask("POST", "/v1/items", json={"item_id": item, "features": features}).json()["retrievable"] == "now"
    found = ask("POST", "/v1/retrieve", json={"user_id": user, "k": 1000}).json()
    def kept(**only):
        return ask("POST", "/v1/retrieve", json={"user_id": user, "k": 1000, "filter": only}).json()["candidates"]
    dramas = kept(all=[{"column": "genres", "has": "Drama"}])
    early = kept(column="release_date", le="1995-01-01T00:00:00Z")
posted = {one["item_id"]: one["item"]["title"] for one in found["candidates"] if one["source"] == "features"}
every = found["candidates"]
assert [one["item_id"] for one in dramas] == [one["item_id"] for one in every if "Drama" in (one["item"]["genres"] or ())]
assert all(one["item"]["release_date"] <= "1995-01-01T00:00:00Z" for one in early)
assert 1 < len(dramas) < len(every)
print("drama" in {one["item_id"] for one in dramas}, "dated" in {one["item_id"] for one in early}, len(early) < 1000)
print(found["source"], posted["drama"], posted["dated"])
print(sorted({name.partition(".")[0] for name in sys.modules} & {"feast", "torch", "duckdb"}))
"""


def test_posted_items_are_embedded_without_torch(copied: Callable[[str], Path]) -> None:
    """A server over real towers and views embeds what is posted, filters by it, and has loaded neither Feast nor torch."""
    environment = {**os.environ, "PYTHONPATH": ":".join(sys.path), "OMP_NUM_THREADS": "1"}
    environment["CUDA_VISIBLE_DEVICES"] = ""  # where the index lies on a GPU, torch holds it
    command = [sys.executable, "-c", POSTING, str(copied("posting"))]
    found = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert found.stdout.splitlines() == ["True True True", "tower A None", "[]"], found.stderr


def test_items_come_go_and_survive_a_restart(copied: Callable[[str], Path]) -> None:
    """A posted item is served at once, from the index after a refresh; a removed one is gone; a new server says the same."""
    file = copied("served")
    environment = {**os.environ, config.CONFIG: str(file), "OMP_NUM_THREADS": "1"}
    house = House(config.load(file, environment={}))
    with server(0, environment) as (api, _process):
        removed = _served(api, "a-fan")[0]
        answer = api.call("POST", "/v1/items", {"item_id": "brand-new", "features": {"title": "Brand new", "genres": ["Drama"]}})
        assert answer["retrievable"] == "now"
        api.call("POST", "/v1/events", {"user_id": "a-fan", "item_id": "brand-new", "type": "rating", "value": 5})
        assert _sources(api, "a-fan")["brand-new"] == "features"
        report = refresh(house.workshop("default"), house.stopwatch())
        assert report.outcome == "published"
        api.await_release("default", report.sequence)
        assert _sources(api, "a-fan")["brand-new"] == "index"
        api.call("DELETE", f"/v1/items/{removed}")
        assert removed not in _served(api, "a-fan")
        before = _served(api, "a-fan")
    with server(0, environment) as (api, _process):
        assert _served(api, "a-fan") == before
        assert removed not in before
        assert api.retrieve("a-fan", k=5)["source"] == "tower"
