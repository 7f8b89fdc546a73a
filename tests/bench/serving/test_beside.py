"""What runs beside a server is heard while it runs, ended at the end, and its failure is not missed."""

import json
import subprocess
import sys
import time

import pytest

from ratoon.bench.serving import beside, proc
from ratoon.bench.serving.beside import Beside
from ratoon.bench.serving.posting import events
from ratoon.bench.serving.servers import Server
from ratoon.bench.serving.upserting import ITEMS, requests
from ratoon.bench.serving.world import World
from ratoon.domain.errors import StoreError
from tests.bench.serving.stub import http, listening


def waited(other: Beside, count: int) -> None:
    end = time.monotonic() + 60
    while len(other.told) < count and time.monotonic() < end:
        time.sleep(0.02)
        assert other.running


def test_its_lines_are_heard_as_they_come() -> None:
    """One value of JSON each; it is ended by `stop`."""
    other = Beside([sys.executable, "-u", "-c", "import time\nprint('{\"at\": 1}')\nprint('{\"at\": 2}')\ntime.sleep(600)"])
    waited(other, 2)
    other.stop()
    assert other.told == [{"at": 1}, {"at": 2}]
    assert proc.memory_mb(other.pid, "Rss") == 0


def test_its_failure_is_told() -> None:
    """With the command and the exit code, when it is asked whether it runs."""
    other = Beside([sys.executable, "-c", "raise SystemExit(3)"])
    with pytest.raises(StoreError, match=r"expected to run on, found exit 3\. Run it by hand"):
        waited(other, 1)
    other.stop()


def test_publishing_runs_at_the_lowest_priority_to_its_end(own: World) -> None:
    """As many releases as asked for, told as they are published."""
    with beside.publishing(own, "adopt", "--count", 2, "--pause", 0) as other:
        waited(other, 1)
        while other.running:
            time.sleep(0.02)
    assert [one["sequence"] for one in other.told] == [2, 3]
    assert own.registry().get(None).sequence == 3


def test_events_and_upserts_are_posted(world: World) -> None:
    """At their rate, by whoever has the key; what is taken is counted."""
    asked: list[bytes] = []
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()

    def answer(_number: int, request: bytes) -> bytes:
        asked.append(request)
        return http(202)

    with listening(answer) as port:
        server = Server(f"http://127.0.0.1:{port}", ended, 0.0, {"Authorization": "Bearer k"})
        for other_kind in (beside.posting(server, world, 50), beside.upserting(server, 200)):
            asked.clear()
            with other_kind as other:
                waited(other, 1)
            assert sum(one["taken"] for one in other.told) > 0
            assert all(one["refused"] == 0 for one in other.told)
            assert all(b"Authorization: Bearer k\r\n" in request for request in asked)
            assert all(request.startswith(b"POST /v1/events ") for request in asked)


def test_upserts_are_new_items_with_vectors() -> None:
    """A few thousand, none of which the world has, each with what the item tower reads."""
    bodies = [json.loads(one.partition(b"\r\n\r\n")[2]) for one in requests({})]
    posted = [event for body in bodies for event in body["events"]]
    assert len({event["item_id"] for event in posted}) == ITEMS
    assert all(event["item_id"].startswith("new") for event in posted)
    assert all(len(event["features"]["portrait"]) == 64 for event in posted)


def test_events_are_of_many_users() -> None:
    """Interactions of the world's users with its items."""
    made = events(100, 10, 50, seed=1)
    assert {event["kind"] for event in made} == {"interaction"}
    assert len({event["user_id"] for event in made}) > 20
    assert {int(event["item_id"][1:]) for event in made} <= set(range(10))
