"""The log that servers share, beyond what every log promises."""

import time
from contextlib import closing
from pathlib import Path

import pytest
import redis

from ratoon.domain.errors import StoreError
from ratoon.events.streams import StreamEventLog
from tests.fakes.events import START, batch, event
from tests.fakes.valkey import valkey

SAFE = {"appendonly": "yes", "appendfsync": "always"}


def opened(folder: Path, url: str) -> StreamEventLog:
    return StreamEventLog(folder / "events.sqlite", "wall", lambda: START, url)


def test_servers_share_one_log(tmp_path: Path) -> None:
    """Two copies that append by turns have the same events at the same offsets, each id once; what both have can be trimmed."""
    with (
        valkey(**SAFE) as url,
        closing(opened(tmp_path / "one", url)) as one,
        closing(opened(tmp_path / "two", url)) as two,
    ):
        for number in range(6):
            (one, two)[number % 2].append(batch(event(f"e{number}"), event("both")))
        until = time.monotonic() + 20
        while (one.end(), two.end()) != (7, 7) and time.monotonic() < until:
            time.sleep(0.01)
        assert one.read(0).equals(two.read(0))
        assert one.read(0).column("event_id").to_pylist() == ["e0", "both", "e1", "e2", "e3", "e4", "e5"]
        dropped = 0
        while dropped < 5 and time.monotonic() < until:
            dropped += one.trim()
        assert dropped == 5
        two.append(batch(event("later")))
        assert two.end() == 8
        with pytest.raises(StoreError, match="expected event 1, found"):
            opened(tmp_path / "three", url)


def test_a_server_that_could_lose_events_is_refused(tmp_path: Path) -> None:
    """Without every write synced the log does not open."""
    with valkey() as url, pytest.raises(StoreError, match="expected appendonly yes, appendfsync always, found appendonly no"):
        opened(tmp_path, url)


def test_a_server_that_lost_events_is_refused(tmp_path: Path) -> None:
    """Neither an emptied server nor one that lacks the newest events is taken for one that goes on."""
    with valkey(**SAFE) as url:
        with closing(opened(tmp_path, url)) as log:
            log.append(batch(event("a")))
            log.append(batch(event("b")))
        with closing(redis.Redis.from_url(url)) as server:
            server.xdel("ratoon:events", "2-0")
            with pytest.raises(StoreError, match="expected events up to 2, which were acknowledged, found 1 as the newest"):
                opened(tmp_path, url)
            server.flushall()
        with pytest.raises(StoreError, match="expected log .*, which this copy has, found log"):
            opened(tmp_path, url)


def test_without_its_server_a_copy_answers_and_takes_nothing(tmp_path: Path) -> None:
    """Reads go on when the server is gone; an append is an error, and not acknowledged."""
    with valkey(**SAFE) as url:
        log = opened(tmp_path, url)
        log.append(batch(event("a")))
    with closing(log):
        with pytest.raises(StoreError, match="a Redis-protocol server that can be used"):
            log.append(batch(event("b")))
        assert (log.seen("u1"), log.end()) == (["i1"], 1)
